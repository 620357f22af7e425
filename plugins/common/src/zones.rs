//! Zones as sets of cells. Fixed point throughout, so that every machine finds the same cells.

use watchbook_plugin::{Point, Zone};

/// Zones of one camera: a cell's zones are the bits of a `u32`.
pub const ZONES_MAX: usize = 32;
/// Corners of one zone.
const CORNERS_MAX: usize = 64;

/// Refuses what is no list of zones.
///
/// # Errors
/// A sentence that names the zone.
pub fn check(zones: &[Zone]) -> Result<(), String> {
    if zones.len() > ZONES_MAX {
        return Err(format!("{} zones; at most {ZONES_MAX} are allowed", zones.len()));
    }
    for zone in zones {
        if !(3..=CORNERS_MAX).contains(&zone.outline.len()) {
            let name: String = zone.name.chars().take(64).collect();
            let corners = zone.outline.len();
            return Err(format!("the zone `{name}` has {corners} corners; 3 to {CORNERS_MAX} are allowed"));
        }
    }
    Ok(())
}

/// For each of `columns * rows` cells, rows from the top: a bit for each zone that it belongs to. No zones mean one zone, the whole picture.
///
/// A cell belongs to a zone when its middle lies inside, or when one of the zone's corners lies in it: so the smallest zone has a cell.
#[must_use]
pub fn cells(zones: &[Zone], columns: usize, rows: usize) -> Vec<u32> {
    if zones.is_empty() {
        return vec![1; columns * rows];
    }
    let mut bits = vec![0; columns * rows];
    for (number, zone) in zones.iter().take(ZONES_MAX).enumerate() {
        let bit = 1_u32 << number;
        for (index, cell) in bits.iter_mut().enumerate() {
            // Middle of the cell in 1/65,536: at most 65,535, as a whole number of 64 bits.
            let middle = |at: usize, count: usize| (((2 * at + 1) << 16) / (2 * count)) as i64;
            if inside(&zone.outline, middle(index % columns, columns), middle(index / columns, rows)) {
                *cell |= bit;
            }
        }
        for corner in &zone.outline {
            let at = |place: u16, count: usize| (usize::from(place) * count) >> 16;
            bits[at(corner.y, rows) * columns + at(corner.x, columns)] |= bit;
        }
    }
    bits
}

/// Even-odd rule: how many edges lie to the left of the place.
fn inside(outline: &[Point], x: i64, y: i64) -> bool {
    let mut odd = false;
    let before = outline.iter().cycle().skip(outline.len().saturating_sub(1));
    for (a, b) in before.zip(outline) {
        let (ax, ay, bx, by) = (i64::from(a.x), i64::from(a.y), i64::from(b.x), i64::from(b.y));
        if (ay > y) == (by > y) {
            continue;
        }
        // x lies right of the edge at height y: (x - ax) * (by - ay) > (bx - ax) * (y - ay), turned round when the edge goes up. At most 2^34.
        let (left, right) = ((x - ax) * (by - ay), (bx - ax) * (y - ay));
        if (by > ay && left > right) || (by < ay && left < right) {
            odd = !odd;
        }
    }
    odd
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zone(corners: &[(u16, u16)]) -> Zone {
        Zone { name: "road".into(), outline: corners.iter().map(|&(x, y)| Point { x, y }).collect() }
    }

    fn drawn(zones: &[Zone], columns: usize, rows: usize) -> Vec<String> {
        let cells = cells(zones, columns, rows);
        cells.chunks(columns).map(|row| row.iter().map(|bits| bits.to_string()).collect()).collect()
    }

    #[test]
    fn no_zone_is_the_whole_picture() {
        assert_eq!(drawn(&[], 3, 2), ["111", "111"]);
    }

    #[test]
    fn cells_with_their_middle_inside_belong() {
        // A quarter of 65,536 is 16,384: the left half of a 4 x 4 picture, then its lower half.
        let left = zone(&[(0, 0), (32_767, 0), (32_767, 65_535), (0, 65_535)]);
        assert_eq!(drawn(std::slice::from_ref(&left), 4, 4), ["1100"; 4]);
        let low = zone(&[(0, 32_768), (65_535, 32_768), (65_535, 65_535), (0, 65_535)]);
        assert_eq!(drawn(&[left, low], 4, 4), ["1100", "1100", "3322", "3322"]);
        // A triangle below the diagonal; its middle cells touch the line.
        let triangle = zone(&[(0, 0), (65_535, 65_535), (0, 65_535)]);
        assert_eq!(drawn(&[triangle], 3, 3)[2], "111");
    }

    #[test]
    fn the_smallest_zone_has_a_cell() {
        assert_eq!(drawn(&[zone(&[(40_000, 9), (40_000, 9), (40_000, 9)])], 4, 2), ["0010", "0000"]);
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        assert!(check(&[zone(&[(0, 0), (1, 1)])]).unwrap_err().contains("`road` has 2 corners"));
        assert!(check(&vec![zone(&[(0, 0); 3]); 33]).unwrap_err().contains("33 zones"));
        assert!(check(&vec![zone(&[(0, 0); 3]); 32]).is_ok());
    }

    proptest! {
        #[test]
        fn any_outline_has_cells(
            corners in proptest::collection::vec((any::<u16>(), any::<u16>()), 3..64), columns in 1..60_usize, rows in 1..60_usize,
        ) {
            let cells = cells(&[zone(&corners)], columns, rows);
            prop_assert!(cells.contains(&1) && cells.iter().all(|bits| *bits < 2));
        }
    }
}
