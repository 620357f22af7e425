//! Privacy masks: polygons to runs of pixels, burnt into planes. Pure.
//!
//! The raster is conservative: every pixel that a polygon touches is masked, even when it covers a sliver of it. A pixel touched by a polygon is either
//! crossed by an edge or wholly inside; the first are found by clipping each edge to the row, the second by their centre (non-zero winding).

use serde::{Deserialize, Serialize};

/// A corner in 1/65,536 of the picture's width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Point {
    /// From the left edge.
    pub x: u16,
    /// From the top edge.
    pub y: u16,
}

impl Point {
    /// From fractions of the picture, 0 to 1; values outside are moved to the edge.
    #[must_use]
    pub fn from_fractions(x: f64, y: f64) -> Self {
        // 1.0 maps to 65,535, which touches the last pixel of any picture that is less than 65,536 wide.
        let part = |value: f64| (value.clamp(0.0, 1.0) * 65_536.0).min(65_535.0) as u16;
        Self { x: part(x), y: part(y) }
    }
}

/// What is made black in one picture of a redacted copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// Polygons, of 3 corners or more.
    pub outlines: Vec<Vec<Point>>,
    /// Everything but the polygons is made black; without polygons the whole picture.
    pub but: bool,
}

impl Fill {
    /// The pixels of a picture of this size.
    #[must_use]
    pub fn draw(&self, width: u32, height: u32) -> Mask {
        if self.but {
            Mask::draw_all_but(&self.outlines, width, height)
        } else {
            Mask::draw(&self.outlines, width, height)
        }
    }
}

/// The masked pixels of a picture of one size, as runs per row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    width: usize,
    height: usize,
    /// Row, first column, column after the last; in row order, merged where they touch.
    runs: Vec<(usize, usize, usize)>,
}

impl Mask {
    /// Draws `polygons` (each closed by itself) for a picture of `width` × `height` pixels.
    #[must_use]
    pub fn draw(polygons: &[Vec<Point>], width: u32, height: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        let mut runs = Vec::new();
        let scaled: Vec<Vec<(f64, f64)>> =
            polygons.iter().map(|polygon| polygon.iter().map(|point| scale(*point, width, height)).collect()).collect();
        for row in 0..height {
            let mut covered = Vec::new();
            for polygon in &scaled {
                touched_by_edges(polygon, row, &mut covered);
                inside_at_centre(polygon, row, &mut covered);
            }
            covered.sort_unstable();
            let mut merged: Vec<(usize, usize, usize)> = Vec::new();
            for (from, to) in covered.into_iter().map(|(from, to)| (from.min(width), to.min(width))) {
                match merged.last_mut() {
                    Some(last) if from <= last.2 => last.2 = last.2.max(to),
                    _ => merged.push((row, from, to)),
                }
            }
            runs.extend(merged.into_iter().filter(|run| run.1 < run.2));
        }
        Self { width, height, runs }
    }

    /// Everything but `polygons`: a pixel stays when it lies wholly inside of one of them, so that one which an edge touches is masked here too.
    #[must_use]
    pub fn draw_all_but(polygons: &[Vec<Point>], width: u32, height: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        let mut runs = Vec::new();
        let scaled: Vec<Vec<(f64, f64)>> =
            polygons.iter().map(|polygon| polygon.iter().map(|point| scale(*point, width, height)).collect()).collect();
        for row in 0..height {
            let mut kept = vec![false; width];
            for polygon in &scaled {
                let (mut inside, mut edge) = (Vec::new(), Vec::new());
                inside_at_centre(polygon, row, &mut inside);
                touched_by_edges(polygon, row, &mut edge);
                let is_in =
                    |stretches: &[(usize, usize)], at| stretches.iter().any(|(from, to)| (*from..*to).contains(&at));
                // Of a row that a polygon does not reach nothing is looked at: a copy may have 32 of them, and a mask for each picture.
                for (from, to) in inside {
                    for (at, kept) in kept.iter_mut().enumerate().take(to).skip(from) {
                        *kept |= !is_in(&edge, at);
                    }
                }
            }
            let mut at = 0;
            while at < width {
                let masked = kept[at..].iter().take_while(|kept| !**kept).count();
                if masked > 0 {
                    runs.push((row, at, at + masked));
                }
                at += masked + kept[at + masked..].iter().take_while(|kept| **kept).count();
            }
        }
        Self { width, height, runs }
    }

    /// Picture width and height in pixels.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// True when no pixel is masked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Writes `value` over the masked samples of a plane whose rows are `stride` bytes apart. `shift_x` and `shift_y` are the plane's subsampling as a
    /// power of two: 1 and 1 for the chroma planes of 4:2:0. A chroma sample is masked when any of its pixels is.
    pub fn burn(&self, plane: &mut [u8], stride: usize, (shift_x, shift_y): (u32, u32), value: u8) {
        for &(row, from, to) in &self.runs {
            let start = (row >> shift_y) * stride;
            let (from, to) = (start + (from >> shift_x), start + ((to - 1) >> shift_x) + 1);
            let end = to.min(plane.len());
            if let Some(samples) = plane.get_mut(from.min(end)..end) {
                samples.fill(value);
            }
        }
    }

    /// Whether the pixel at a column and row is masked.
    #[must_use]
    pub fn contains(&self, column: usize, row: usize) -> bool {
        self.runs.iter().any(|&(y, from, to)| y == row && (from..to).contains(&column))
    }
}

fn scale(point: Point, width: usize, height: usize) -> (f64, f64) {
    (f64::from(point.x) * width as f64 / 65_536.0, f64::from(point.y) * height as f64 / 65_536.0)
}

fn edges(polygon: &[(f64, f64)]) -> impl Iterator<Item = ((f64, f64), (f64, f64))> + '_ {
    polygon.iter().copied().zip(polygon.iter().copied().cycle().skip(1))
}

/// Columns that an edge passes through between the top and the bottom of the row.
fn touched_by_edges(polygon: &[(f64, f64)], row: usize, covered: &mut Vec<(usize, usize)>) {
    let (top, bottom) = (row as f64, row as f64 + 1.0);
    for (from, to) in edges(polygon) {
        let (low, high) = if from.1 <= to.1 { (from, to) } else { (to, from) };
        if high.1 < top || low.1 > bottom {
            continue;
        }
        let column_at = |y: f64| {
            if (high.1 - low.1).abs() < f64::EPSILON {
                low.0
            } else {
                low.0 + (y - low.1) / (high.1 - low.1) * (high.0 - low.0)
            }
        };
        let (mut left, mut right) = (column_at(low.1.max(top)), column_at(high.1.min(bottom)));
        if (high.1 - low.1).abs() < f64::EPSILON {
            (left, right) = (low.0, high.0);
        }
        let (left, right) = if left <= right { (left, right) } else { (right, left) };
        covered.push((left.floor() as usize, right.floor() as usize + 1));
    }
}

/// Columns whose centre lies inside at the middle of the row.
fn inside_at_centre(polygon: &[(f64, f64)], row: usize, covered: &mut Vec<(usize, usize)>) {
    let middle = row as f64 + 0.5;
    let mut crossings: Vec<(f64, i32)> = edges(polygon)
        .filter(|(from, to)| (from.1 <= middle) != (to.1 <= middle))
        .map(|(from, to)| {
            let x = from.0 + (middle - from.1) / (to.1 - from.1) * (to.0 - from.0);
            (x, if from.1 < to.1 { 1 } else { -1 })
        })
        .collect();
    crossings.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut winding = 0;
    for pair in crossings.windows(2) {
        winding += pair[0].1;
        if winding != 0 {
            covered.push((pair[0].0.floor() as usize, pair[1].0.ceil() as usize));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn polygon(points: &[(f64, f64)]) -> Vec<Point> {
        points.iter().map(|&(x, y)| Point::from_fractions(x, y)).collect()
    }

    #[test]
    fn a_rectangle_on_the_grid_masks_exactly_itself_in_luma_and_chroma() {
        // 16×8 picture; columns 4..8 and rows 2..6, drawn a hair inside the grid lines so that no neighbour is touched.
        let inside = |a: f64, b: f64, cells: f64| ((a + 0.01) / cells, (b - 0.01) / cells);
        let ((left, right), (top, bottom)) = (inside(4.0, 8.0, 16.0), inside(2.0, 6.0, 8.0));
        let mask = Mask::draw(&[polygon(&[(left, top), (right, top), (right, bottom), (left, bottom)])], 16, 8);
        let mut luma = vec![0; 20 * 8];
        mask.burn(&mut luma, 20, (0, 0), 9);
        let mut chroma = vec![0; 12 * 4];
        mask.burn(&mut chroma, 12, (1, 1), 9);
        for (row, column) in (0..8).flat_map(|row| (0..20).map(move |column| (row, column))) {
            let expected = if (2..6).contains(&row) && (4..8).contains(&column) { 9 } else { 0 };
            assert_eq!(luma[row * 20 + column], expected, "luma {column},{row}");
        }
        for (row, column) in (0..4).flat_map(|row| (0..12).map(move |column| (row, column))) {
            let expected = if (1..3).contains(&row) && (2..4).contains(&column) { 9 } else { 0 };
            assert_eq!(chroma[row * 12 + column], expected, "chroma {column},{row}");
        }
    }

    #[test]
    fn the_whole_picture_and_nothing_can_be_masked() {
        let whole = Mask::draw(&[polygon(&[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])], 1921, 1081);
        let mut plane = vec![0; 1921 * 1081];
        whole.burn(&mut plane, 1921, (0, 0), 1);
        assert!(plane.iter().all(|&sample| sample == 1));
        assert!(Mask::draw(&[], 64, 64).is_empty());
    }

    #[test]
    fn a_sliver_thinner_than_a_pixel_still_masks_what_it_touches() {
        let mask = Mask::draw(&[polygon(&[(0.3, 0.0), (0.301, 0.0), (0.301, 1.0), (0.3, 1.0)])], 10, 10);
        assert!((0..10).all(|row| mask.contains(3, row)));
    }

    #[test]
    fn a_plane_smaller_than_promised_is_not_overrun() {
        let mask = Mask::draw(&[polygon(&[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])], 64, 64);
        let mut plane = vec![0; 100];
        mask.burn(&mut plane, 64, (0, 0), 1);
        assert!(plane.iter().all(|&sample| sample == 1));
    }

    /// Winding number by the angle a point sees, an algorithm with nothing in common with the raster's.
    fn winds_around(polygon: &[Point], x: f64, y: f64) -> bool {
        let corners: Vec<_> =
            polygon.iter().map(|p| (f64::from(p.x) / 65_536.0 - x, f64::from(p.y) / 65_536.0 - y)).collect();
        let turn: f64 = edges(&corners).map(|(a, b)| (a.0 * b.1 - a.1 * b.0).atan2(a.0 * b.0 + a.1 * b.1)).sum();
        turn.abs() > 1.0
    }

    #[test]
    fn of_everything_but_a_rectangle_only_pixels_wholly_in_it_stay() {
        // Columns 4.5 to 8.5 and rows 2.5 to 6.5 of 16×8.
        let (left, right, top, bottom) = (4.5 / 16.0, 8.5 / 16.0, 2.5 / 8.0, 6.5 / 8.0);
        let kept = polygon(&[(left, top), (right, top), (right, bottom), (left, bottom)]);
        let mask = Mask::draw_all_but(&[kept], 16, 8);
        for (column, row) in (0..16).flat_map(|column| (0..8).map(move |row| (column, row))) {
            let stays = (5..8).contains(&column) && (3..6).contains(&row);
            assert_eq!(mask.contains(column, row), !stays, "{column},{row}");
        }
        assert!((0..16).all(|column| Mask::draw_all_but(&[], 16, 8).contains(column, 7)), "all of it");
    }

    proptest! {
        #[test]
        fn what_a_fill_of_either_kind_leaves_out_is_not_both(
            corners in prop::collection::vec((any::<u16>(), any::<u16>()), 3..9),
            (width, height) in (1_u32..40, 1_u32..40),
        ) {
            let polygon: Vec<Point> = corners.into_iter().map(|(x, y)| Point { x, y }).collect();
            let black = Mask::draw(std::slice::from_ref(&polygon), width, height);
            let but = Mask::draw_all_but(&[polygon], width, height);
            for (column, row) in (0..width as usize).flat_map(|x| (0..height as usize).map(move |y| (x, y))) {
                // A pixel that the polygon touches in part is black in both.
                prop_assert!(black.contains(column, row) || but.contains(column, row), "{column},{row}");
            }
        }

        #[test]
        fn no_point_inside_a_polygon_escapes(
            corners in prop::collection::vec((any::<u16>(), any::<u16>()), 3..9),
            (width, height) in (1_u32..70, 1_u32..70),
            probes in prop::collection::vec((0.0..1.0, 0.0..1.0), 40),
        ) {
            let polygon: Vec<Point> = corners.into_iter().map(|(x, y)| Point { x, y }).collect();
            let mask = Mask::draw(std::slice::from_ref(&polygon), width, height);
            for (x, y) in probes {
                let (column, row) = ((x * f64::from(width)) as usize, (y * f64::from(height)) as usize);
                if winds_around(&polygon, x, y) {
                    prop_assert!(mask.contains(column, row), "{x},{y} at pixel {column},{row}");
                }
            }
            for corner in &polygon {
                let (x, y) = scale(*corner, width as usize, height as usize);
                prop_assert!(mask.contains(x as usize, y as usize));
            }
        }
    }
}
