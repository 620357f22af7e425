//! A zone as a gate: its long axis is the line that is crossed.

use watchbook_plugin::Zone;
use watchbook_plugin_common::zones;

/// A line with its two sides, in cells of a grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate {
    /// Middle of the line.
    middle: (f32, f32),
    /// Along the line; length 1.
    along: (f32, f32),
    /// Across it, downwards or, for a steep line, rightwards; length 1.
    across: (f32, f32),
    /// Where the line begins and ends, against its middle.
    reach: (f32, f32),
}

impl Gate {
    /// A gate for each zone, or one across the middle of the picture when there are none, on a grid of `columns * rows`.
    #[must_use]
    pub fn all(zones: &[Zone], (columns, rows): (usize, usize)) -> Vec<Self> {
        let bits = zones::cells(zones, columns, rows);
        (0..zones.len().max(1)).map(|number| Self::of(&bits, 1 << number, columns)).collect()
    }

    /// The long axis of all cells with `bit`; the zone's width does not count.
    fn of(bits: &[u32], bit: u32, columns: usize) -> Self {
        let places: Vec<(f32, f32)> = (0..bits.len())
            .filter(|at| bits[*at] & bit != 0)
            .map(|at| ((at % columns) as f32 + 0.5, (at / columns) as f32 + 0.5))
            .collect();
        let count = places.len().max(1) as f32;
        let middle = (
            places.iter().map(|place| place.0).sum::<f32>() / count,
            places.iter().map(|place| place.1).sum::<f32>() / count,
        );
        let (mut wide, mut high, mut slant) = (0.0, 0.0, 0.0);
        for (x, y) in &places {
            let (x, y) = (x - middle.0, y - middle.1);
            (wide, high, slant) = (wide + x * x, high + y * y, slant + x * y);
        }
        // The main direction of the cells: that in which they spread most.
        let spread = ((wide - high) * (wide - high) + 4.0 * slant * slant).sqrt();
        let along = if spread <= f32::EPSILON || slant.abs() < 1e-3 * spread {
            if wide >= high { (1.0, 0.0) } else { (0.0, 1.0) }
        } else {
            unit((2.0 * slant, high - wide + spread))
        };
        let across = (-along.1, along.0);
        let steep = along.1.abs() > along.0.abs();
        let turn = if steep { across.0 < 0.0 } else { across.1 < 0.0 };
        let across = if turn { (-across.0, -across.1) } else { across };
        let mut gate = Self { middle, along, across, reach: (0.0, 0.0) };
        for place in places {
            let at = gate.place(place).0;
            gate.reach = (gate.reach.0.min(at - 0.5), gate.reach.1.max(at + 0.5));
        }
        gate
    }

    /// Where a place is: along the line against its middle, and how far beyond it, less than 0 above or left of it.
    #[must_use]
    pub fn place(&self, (x, y): (f32, f32)) -> (f32, f32) {
        let (x, y) = (x - self.middle.0, y - self.middle.1);
        (x * self.along.0 + y * self.along.1, x * self.across.0 + y * self.across.1)
    }

    /// How much room a box takes along the line and across it.
    #[must_use]
    pub fn room(&self, (w, h): (f32, f32)) -> (f32, f32) {
        (w * self.along.0.abs() + h * self.along.1.abs(), w * self.across.0.abs() + h * self.across.1.abs())
    }

    /// Whether a place along the line, as [`Gate::place`] gives it, lies on it, `slack` cells more at each end.
    #[must_use]
    pub fn holds(&self, along: f32, slack: f32) -> bool {
        (self.reach.0 - slack..=self.reach.1 + slack).contains(&along)
    }

    /// Whether the line stands rather than lies.
    #[must_use]
    pub fn steep(&self) -> bool {
        self.along.1.abs() > self.along.0.abs()
    }
}

fn unit((x, y): (f32, f32)) -> (f32, f32) {
    let length = (x * x + y * y).sqrt();
    (x / length, y / length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_plugin::Point;

    fn gate(corners: &[(u16, u16)]) -> Gate {
        let outline = corners.iter().map(|&(x, y)| Point { x, y }).collect();
        Gate::all(&[Zone { name: "gate".into(), outline }], (160, 90))[0]
    }

    #[test]
    fn without_a_zone_the_line_lies_across_the_middle() {
        let gate = Gate::all(&[], (160, 90))[0];
        assert_eq!(gate.place((80.0, 55.0)), (0.0, 10.0));
        assert_eq!(gate.place((20.0, 35.0)), (-60.0, -10.0));
        assert!(gate.holds(-79.0, 0.0) && !gate.holds(82.0, 0.0) && !gate.steep());
    }

    #[test]
    fn a_narrow_zone_is_its_long_axis() {
        // A standing strip from 1/4 to 3/4 of the height, a tenth wide, around the middle.
        let standing = gate(&[(29_491, 16_384), (36_045, 16_384), (36_045, 49_152), (29_491, 49_152)]);
        assert!(standing.steep());
        let (along, beyond) = standing.place((90.0, 45.0));
        assert!(along.abs() < 0.6 && (beyond - 10.0).abs() < 0.6, "rightwards is beyond: {along} {beyond}");
        assert!(standing.holds(22.0, 0.0) && !standing.holds(24.0, 0.0));
        assert_eq!(standing.room((6.0, 4.0)), (4.0, 6.0));
    }

    #[test]
    fn a_slanted_zone_has_a_slanted_line() {
        // From the lower left to the upper right of the middle: 40 cells to the right, 22.5 up.
        let slanted = gate(&[(24_576, 49_152), (40_960, 32_768), (40_960, 34_768), (24_576, 51_152)]);
        assert!(!slanted.steep());
        let below = slanted.place((80.0, 80.0)).1;
        let above = slanted.place((80.0, 30.0)).1;
        assert!(below > 10.0 && above < -10.0, "{below} {above}");
    }

    #[test]
    fn the_smallest_zone_is_a_gate() {
        let dot = gate(&[(40_000, 9), (40_000, 9), (40_000, 9)]);
        assert!(dot.holds(0.0, 0.0) && !dot.holds(1.0, 0.0));
    }
}
