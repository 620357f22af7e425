//! What a thing looked like when it was last seen alone, so that it can be found again beside or before another. Forgotten with its track.

use crate::blobs::Frame;

/// How far from the expected place it is looked for, in cells.
const REACH: isize = 4;
/// Mean difference in grey levels up to which it is the same thing.
const LEVELS_MAX: f32 = 28.0;
/// Every so many cells of a template are compared, so that a large one costs no more than a small one.
const SAMPLES_MAX: usize = 400;

/// Brightness of the cells that stood out.
#[derive(Clone, Debug, Default)]
pub struct Template {
    /// Place against the middle, in cells, and brightness.
    samples: Vec<(i16, i16, u8)>,
}

impl Template {
    /// Takes the cells of `frame` that belong to blob `label`. `plain` and `labels` have one entry a cell.
    pub fn take(&mut self, frame: &Frame, (plain, labels): (&[u8], &[u16]), label: u16, columns: usize) {
        self.samples.clear();
        let (x, y) = middle(frame);
        let rows = labels.len() / columns.max(1);
        let whole = |at: f32, end: usize| (at.max(0.0) as usize).min(end);
        let cells = (whole(frame.right, columns) - whole(frame.left, columns))
            * (whole(frame.bottom, rows) - whole(frame.top, rows));
        let step = cells.div_ceil(SAMPLES_MAX).max(1);
        let places = (whole(frame.top, rows)..whole(frame.bottom, rows))
            .flat_map(|row| (whole(frame.left, columns)..whole(frame.right, columns)).map(move |column| (row, column)));
        for (row, column) in places.step_by(step) {
            let at = row * columns + column;
            if labels[at] == label {
                self.samples.push((column as i16 - x as i16, row as i16 - y as i16, plain[at]));
            }
        }
    }

    /// Where around `expected` it is now, in cells; none when nothing there looks like it.
    #[must_use]
    pub fn find(&self, expected: (f32, f32), plain: &[u8], columns: usize) -> Option<(f32, f32)> {
        let rows = plain.len() / columns.max(1);
        let (x, y) = (expected.0.round() as isize, expected.1.round() as isize);
        let mut best: Option<(f32, isize)> = None;
        let mut place = None;
        for (dx, dy) in (-REACH..=REACH).flat_map(|dy| (-REACH..=REACH).map(move |dx| (dx, dy))) {
            let Some(difference) = self.difference((x + dx, y + dy), (plain, columns, rows)) else { continue };
            // Of places that look the same, the nearest to the expected one.
            let rank = (difference + (dx * dx + dy * dy) as f32 * 0.1, dx * dx + dy * dy);
            if difference <= LEVELS_MAX && best.is_none_or(|best| rank.0 < best.0) {
                best = Some(rank);
                place = Some(((x + dx) as f32, (y + dy) as f32));
            }
        }
        place
    }

    /// Mean difference at a place; none when less than half of it lies in the picture.
    fn difference(&self, (x, y): (isize, isize), (plain, columns, rows): (&[u8], usize, usize)) -> Option<f32> {
        let (mut sum, mut count) = (0_u32, 0_usize);
        for (dx, dy, level) in &self.samples {
            let (column, row) = (x + isize::from(*dx), y + isize::from(*dy));
            if (0..columns as isize).contains(&column) && (0..rows as isize).contains(&row) {
                sum += u32::from(plain[row as usize * columns + column as usize].abs_diff(*level));
                count += 1;
            }
        }
        (count * 2 > self.samples.len()).then(|| sum as f32 / count as f32)
    }
}

fn middle(frame: &Frame) -> (f32, f32) {
    ((frame.left + frame.right) / 2.0, (frame.top + frame.bottom) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: usize = 40;

    fn picture(left: usize, top: usize) -> Vec<u8> {
        let cell = |at: usize| {
            let (x, y) = (at % COLUMNS, at / COLUMNS);
            let inside = (left..left + 8).contains(&x) && (top..top + 6).contains(&y);
            if inside { 100 + ((x - left) * 13 + (y - top) * 7) as u8 } else { 50 }
        };
        (0..COLUMNS * 30).map(cell).collect()
    }

    #[test]
    fn a_thing_is_found_where_it_went() {
        let (plain, mut template) = (picture(10, 10), Template::default());
        let labels: Vec<u16> = plain.iter().map(|level| u16::from(*level > 50)).collect();
        template.take(&Frame { left: 10.0, top: 10.0, right: 18.0, bottom: 16.0 }, (&plain, &labels), 1, COLUMNS);
        // Its middle was at 14, 13; it went 3 to the right and 2 up.
        assert_eq!(template.find((14.0, 13.0), &picture(13, 8), COLUMNS), Some((17.0, 11.0)));
        assert_eq!(template.find((14.0, 13.0), &vec![0; COLUMNS * 30], COLUMNS), None);
        assert_eq!(template.find((900.0, 13.0), &plain, COLUMNS), None);
        assert_eq!(Template::default().find((14.0, 13.0), &plain, COLUMNS), None);
    }
}
