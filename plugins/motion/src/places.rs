//! Cells that stand out, joined to places.

use crate::scene::Seen;

/// Cells that touch each other and stand out together. Edges are cells, the last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Leftmost column.
    pub left: usize,
    /// Topmost row.
    pub top: usize,
    /// Rightmost column.
    pub right: usize,
    /// Lowest row.
    pub bottom: usize,
    /// How many cells.
    pub cells: usize,
    /// How many of them move.
    pub moving: usize,
    /// Of the strongest cell, as in [`Seen`].
    pub strength: u32,
}

/// How large a place must be to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Cells, at least.
    pub cells: usize,
    /// Cells that move, at least.
    pub moving: usize,
}

impl Size {
    /// That of a sensitivity of 0 to 100: from 12 cells down to 2.
    #[must_use]
    pub fn of(sensitivity: u32) -> Self {
        let dull = 100 - sensitivity.min(100) as usize;
        let cells = 2 + 10 * dull * dull / 10_000;
        Self { cells, moving: 1 + cells / 4 }
    }
}

/// Finds places; keeps its memory from frame to frame.
#[derive(Clone, Debug, Default)]
pub struct Finder {
    taken: Vec<bool>,
    waiting: Vec<usize>,
}

impl Finder {
    /// Every place of the zone `bit` that is large enough, the largest first. `seen` and `zones` have one entry a cell; cells outside the zone count for
    /// nothing, so that what moves beside the zone does not.
    pub fn find(&mut self, seen: &[Seen], zones: &[u32], (bit, columns): (u32, usize), least: Size) -> Vec<Place> {
        let mut places = Vec::new();
        self.taken.clear();
        self.taken.extend(seen.iter().zip(zones).map(|(seen, zones)| !seen.stands_out || zones & bit == 0));
        for first in 0..self.taken.len() {
            if !self.taken[first] && seen[first].moves {
                let place = self.join(seen, first, columns);
                if place.cells >= least.cells && place.moving >= least.moving {
                    places.push(place);
                }
            }
        }
        // The order of equal places is that of their first cells.
        places.sort_by_key(|place| core::cmp::Reverse(place.cells));
        places
    }

    fn join(&mut self, seen: &[Seen], first: usize, columns: usize) -> Place {
        let (row, column) = (first / columns, first % columns);
        let mut place = Place { left: column, top: row, right: column, bottom: row, cells: 0, moving: 0, strength: 0 };
        let rows = seen.len() / columns;
        self.taken[first] = true;
        self.waiting.push(first);
        while let Some(at) = self.waiting.pop() {
            let (row, column) = (at / columns, at % columns);
            place.left = place.left.min(column);
            place.right = place.right.max(column);
            place.top = place.top.min(row);
            place.bottom = place.bottom.max(row);
            place.cells += 1;
            place.moving += usize::from(seen[at].moves);
            place.strength = place.strength.max(seen[at].strength);
            for row in row.saturating_sub(1)..rows.min(row + 2) {
                for beside in row * columns + column.saturating_sub(1)..row * columns + columns.min(column + 2) {
                    if !self.taken[beside] {
                        self.taken[beside] = true;
                        self.waiting.push(beside);
                    }
                }
            }
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(picture: &[&str]) -> Vec<Seen> {
        let cell = |letter: u8| Seen {
            stands_out: letter != b'.',
            moves: letter == b'M',
            strength: if letter == b'M' { 300 } else { 0 },
        };
        picture.iter().flat_map(|row| row.bytes().map(cell)).collect()
    }

    #[test]
    fn touching_cells_are_one_place_and_small_or_still_ones_none() {
        let picture = seen(&["oM....", "M...oo", "....oo", "M....."]);
        let mut finder = Finder::default();
        let least = Size { cells: 2, moving: 1 };
        let places = finder.find(&picture, &[1; 24], (1, 6), least);
        let place = Place { left: 0, top: 0, right: 1, bottom: 1, cells: 3, moving: 2, strength: 300 };
        assert_eq!(places, [place], "the block of o does not move, the lone M is too small");
        assert_eq!(finder.find(&picture, &[1; 24], (1, 6), Size { cells: 1, moving: 1 }).len(), 2);
        assert_eq!(finder.find(&picture, &[1; 24], (2, 6), least), []);
    }

    #[test]
    fn cells_outside_the_zone_do_not_join() {
        let picture = seen(&["MMMMM"]);
        let zones = [1, 1, 0, 1, 3];
        let places = Finder::default().find(&picture, &zones, (1, 5), Size { cells: 1, moving: 1 });
        assert_eq!(places.iter().map(|place| (place.left, place.right)).collect::<Vec<_>>(), [(0, 1), (3, 4)]);
        let other = Finder::default().find(&picture, &zones, (2, 5), Size { cells: 1, moving: 1 });
        assert_eq!(other.len(), 1);
    }

    #[test]
    fn a_place_may_fill_the_picture() {
        let picture = seen(&["MMM", "MMM"]);
        let places = Finder::default().find(&picture, &[1; 6], (1, 3), Size::of(0));
        assert_eq!(places, [], "6 cells of 12");
        assert_eq!(Finder::default().find(&picture, &[1; 6], (1, 3), Size::of(50))[0].cells, 6);
    }

    #[test]
    fn a_higher_sensitivity_takes_smaller_places() {
        for sensitivity in 0..100 {
            let (lower, higher) = (Size::of(sensitivity), Size::of(sensitivity + 1));
            assert!(higher.cells <= lower.cells && higher.moving <= lower.moving);
        }
        assert_eq!((Size::of(0).cells, Size::of(50).cells, Size::of(100).cells), (12, 4, 2));
    }
}
