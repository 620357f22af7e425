//! One cell of the picture: 8 x 8 pixels, what is usual there, and how far the picture at hand is from it.
//!
//! The loops over pixels run 8 lanes of 16 bits at a time: their sums are kept column by column, and the bounds beside them show that nothing overflows.

/// Pixels of a cell's side.
pub const SIDE_PX: usize = 8;
/// Pixels of a cell.
pub const PIXELS: usize = SIDE_PX * SIDE_PX;
/// One grey level over a whole cell, in the unit of all sums of a cell: 64 pixels of 1/8 level.
pub const LEVEL: i32 = 8 * PIXELS as i32;
/// A cell darker than this tells nothing about the light: its brightness is the noise of the sensor.
const DARK: i32 = 4 * LEVEL;

/// What is kept of one cell.
#[derive(Clone, Debug)]
pub struct Tile {
    /// What is usual, in 1/128 level: 0 to 32,640.
    usual: [i16; PIXELS],
    /// The frame before, in 1/8 level: 0 to 2,040.
    before: [i16; PIXELS],
    before_sum: i32,
}

/// How far a cell is from what is usual, in [`LEVEL`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Brightness now.
    pub sum: i32,
    /// What is usual.
    pub usual_sum: i32,
    /// The frame before.
    pub before_sum: i32,
    /// How much the pattern differs from the usual one. Brighter or darker light on the same pattern is no difference.
    pub pattern: i32,
    /// The same against the frame before.
    pub stir: i32,
}

/// Pixels of the cell whose first pixel is `at`, in 1/8 level. `None` when the picture ends before the cell does.
#[must_use]
pub fn pixels(luma: &[u8], width: usize, at: usize) -> Option<[i16; PIXELS]> {
    let mut cell = [0; PIXELS];
    for (row, out) in cell.as_chunks_mut::<SIDE_PX>().0.iter_mut().enumerate() {
        let line: &[u8; SIDE_PX] = luma.get(at + row * width..)?.first_chunk()?;
        for (out, pixel) in out.iter_mut().zip(line) {
            *out = i16::from(*pixel) << 3;
        }
    }
    Some(cell)
}

impl Tile {
    /// A tile for which `now` is usual.
    #[must_use]
    pub fn new(now: &[i16; PIXELS]) -> Self {
        Self { usual: now.map(|pixel| pixel << 4), before: *now, before_sum: total(now) }
    }

    /// Compares `now` with what is usual and with the frame before.
    #[must_use]
    pub fn compare(&self, now: &[i16; PIXELS]) -> Change {
        let usual = self.usual.map(|pixel| pixel >> 4);
        let (sum, usual_sum, before_sum) = (total(now), total(&usual), self.before_sum);
        // How much of a pattern there is: light that is a tenth brighter changes a pattern by a tenth of it.
        let contrast = distance(&usual, &[0; PIXELS], mean(usual_sum));
        let against = |then: &[i16; PIXELS], then_sum: i32| {
            // Numbers of 32 bits with a point divide in a few cycles and give the same on every machine.
            let light = (sum - then_sum).abs() as f32 * contrast as f32 / then_sum.max(DARK) as f32;
            let light = light as i32;
            distance(now, then, mean(sum) - mean(then_sum)).saturating_sub(light).max(0)
        };
        let (pattern, stir) = (against(&usual, usual_sum), against(&self.before, before_sum));
        Change { sum, usual_sum, before_sum, pattern, stir }
    }

    /// Takes `now` into what is usual, by 1/2^`shift` of the difference (`shift` at most 7), and keeps it as the frame before.
    pub fn learn(&mut self, now: &[i16; PIXELS], sum: i32, shift: u32) {
        let half = (1_i16 << shift.min(7)) >> 1;
        for (usual, pixel) in self.usual.iter_mut().zip(now) {
            // Within 32,640 + 64 of zero.
            let difference = (*pixel << 4).wrapping_sub(*usual).wrapping_add(half);
            *usual = usual.wrapping_add(difference >> shift.min(7));
        }
        self.before = *now;
        self.before_sum = sum;
    }
}

/// Sum of all pixels, which are within 0 and 2,040: a column's eight are at most 16,320.
fn total(pixels: &[i16; PIXELS]) -> i32 {
    let mut columns = [0_i16; SIDE_PX];
    for row in pixels.as_chunks::<SIDE_PX>().0 {
        for (column, pixel) in columns.iter_mut().zip(row) {
            *column = column.wrapping_add(*pixel);
        }
    }
    columns.iter().map(|column| i32::from(*column)).sum()
}

/// Sum of `|a - b - shift|`: both within 0 and 2,040 and the shift within 2,040 of zero, so a column's eight are at most 32,640.
fn distance(a: &[i16; PIXELS], b: &[i16; PIXELS], shift: i16) -> i32 {
    let mut columns = [0_i16; SIDE_PX];
    for (a, b) in a.as_chunks::<SIDE_PX>().0.iter().zip(b.as_chunks::<SIDE_PX>().0) {
        for ((column, a), b) in columns.iter_mut().zip(a).zip(b) {
            *column = column.wrapping_add(a.wrapping_sub(*b).wrapping_sub(shift).wrapping_abs());
        }
    }
    columns.iter().map(|column| i32::from(*column)).sum()
}

/// Mean pixel of a sum, in 1/8 level.
fn mean(sum: i32) -> i16 {
    i16::try_from((sum + PIXELS as i32 / 2) / PIXELS as i32).unwrap_or(i16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cell(pixel: impl Fn(usize) -> u8) -> [i16; PIXELS] {
        let luma: Vec<u8> = (0..PIXELS).map(pixel).collect();
        pixels(&luma, SIDE_PX, 0).unwrap()
    }

    #[test]
    fn a_cell_is_read_from_its_rows() {
        let luma: Vec<u8> = (0..16 * 8).map(|at| at as u8).collect();
        let right = pixels(&luma, 16, 8).unwrap();
        assert_eq!((right[0], right[7], right[8], right[63]), (8 << 3, 15 << 3, 24 << 3, 127 << 3));
        assert!(pixels(&luma, 16, 9).is_none(), "it would end behind the picture");
    }

    #[test]
    fn another_pattern_counts_and_other_light_does_not() {
        let stripes = cell(|at| if at % 2 == 0 { 60 } else { 120 });
        let tile = Tile::new(&stripes);
        assert_eq!(tile.compare(&stripes).pattern, 0);
        let brighter = tile.compare(&cell(|at| if at % 2 == 0 { 90 } else { 180 }));
        assert_eq!((brighter.pattern, brighter.sum - brighter.usual_sum), (0, 45 * LEVEL));
        // The stripes change places: each pixel is 60 off, and the mean is the same.
        let moved = tile.compare(&cell(|at| if at % 2 == 1 { 60 } else { 120 }));
        assert_eq!((moved.pattern, moved.stir), (60 * LEVEL, 60 * LEVEL));
    }

    #[test]
    fn what_stays_becomes_usual() {
        let mut tile = Tile::new(&cell(|_| 0));
        let white = cell(|at| if at < 32 { 255 } else { 0 });
        for _ in 0..100 {
            tile.learn(&white, total(&white), 4);
        }
        let change = tile.compare(&white);
        assert!(change.pattern <= LEVEL && change.stir == 0, "{change:?}");
        tile.learn(&cell(|_| 7), 7 * LEVEL, 0);
        assert_eq!(
            tile.compare(&cell(|_| 7)),
            Change { sum: 7 * LEVEL, usual_sum: 7 * LEVEL, before_sum: 7 * LEVEL, pattern: 0, stir: 0 }
        );
    }

    proptest! {
        #[test]
        fn sums_are_those_of_wide_numbers(a in proptest::collection::vec(any::<u8>(), PIXELS), b in proptest::collection::vec(any::<u8>(), PIXELS)) {
            let (one, two) = (cell(|at| a[at]), cell(|at| b[at]));
            let sum: i32 = a.iter().map(|pixel| i32::from(*pixel) * 8).sum();
            prop_assert_eq!(total(&one), sum);
            for shift in [-2040_i16, 0, 2040] {
                let wide: i32 = a.iter().zip(&b).map(|(a, b)| (8 * (i32::from(*a) - i32::from(*b)) - i32::from(shift)).abs()).sum();
                prop_assert_eq!(distance(&one, &two, shift), wide);
            }
        }

        #[test]
        fn what_is_usual_stays_a_brightness(levels in proptest::collection::vec(any::<u8>(), 1..50), shift in 0..8_u32) {
            let mut tile = Tile::new(&cell(|_| levels[0]));
            for level in levels {
                tile.learn(&cell(|_| level), i32::from(level) * LEVEL, shift);
                prop_assert!(tile.usual.iter().all(|pixel| (0..=32_640).contains(pixel)));
            }
        }
    }
}
