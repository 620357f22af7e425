//! From a network's numbers to boxes.

/// Rows of a model's result.
pub const ROWS_MAX: usize = 8_192;
/// Numbers in a row: left, top, width, height, score, class.
pub(crate) const COLUMNS: usize = 6;
/// A row with a lower score says nothing.
pub const SCORE_MIN: f32 = 0.05;
/// Rows that are compared with each other: those with the best scores.
const CANDIDATES_MAX: usize = 512;
/// Of two boxes of one class that share more than this of what they cover together, the one with the lower score is dropped.
pub const OVERLAP_MAX: f32 = 0.5;
/// Boxes of one picture.
pub const DETECTIONS_MAX: usize = 64;
/// The side of a picture in the interface's units.
const WHOLE: f32 = 65_536.0;

/// A thing that was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Place of its class in the manifest's list.
    pub class: usize,
    /// [`SCORE_MIN`] to 1.
    pub score: f32,
    /// Left, top, width and height in 1/65,536 of the picture; within it, and at least 1 wide and high.
    pub area: [u16; 4],
}

/// The boxes that the rows of a result say, best scores first.
///
/// # Errors
/// A sentence when a row that counts holds what is no number, a score above 1, or a class that is not among `classes`.
pub(crate) fn read(numbers: &[f32], classes: usize) -> Result<Vec<Found>, String> {
    let (rows, _) = numbers.as_chunks::<COLUMNS>();
    let mut found = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        found.extend(self::row(row, classes).map_err(|why| format!("row {} of the model's result: {why}", index + 1))?);
    }
    // Stable: rows of one score keep their order.
    found.sort_by(|one, other| other.score.total_cmp(&one.score));
    found.truncate(CANDIDATES_MAX);
    let mut kept = Vec::<Found>::new();
    for candidate in found {
        if kept.len() >= DETECTIONS_MAX {
            break;
        }
        if !kept.iter().any(|better| better.class == candidate.class && overlap(better, &candidate) > OVERLAP_MAX) {
            kept.push(candidate);
        }
    }
    Ok(kept)
}

/// One row; none when it says nothing.
fn row(&[left, top, width, height, score, class]: &[f32; COLUMNS], classes: usize) -> Result<Option<Found>, String> {
    if !score.is_finite() || score > 1.0 {
        return Err(format!("the score {score}; 0 to 1 is expected"));
    }
    if score < SCORE_MIN {
        return Ok(None);
    }
    if ![left, top, width, height].iter().all(|number| number.is_finite()) {
        return Err("a number of the box is none".to_owned());
    }
    let index = (0..classes).find(|index| *index as f32 == class);
    let class = index.ok_or_else(|| format!("the class {class}; the manifest names {classes}"))?;
    let edge = |at: f32| (at.clamp(0.0, 1.0) * WHOLE).round().min(WHOLE - 1.0);
    let (from_x, to_x, from_y, to_y) = (edge(left), edge(left + width), edge(top), edge(top + height));
    // Nothing of it is in the picture, or it has no inside.
    if to_x <= from_x || to_y <= from_y {
        return Ok(None);
    }
    let area = [from_x, from_y, to_x - from_x, to_y - from_y].map(|number| number as u16);
    Ok(Some(Found { class, score, area }))
}

/// What two boxes share, of what they cover together: 0 to 1.
fn overlap(one: &Found, other: &Found) -> f32 {
    let side = |axis: usize| {
        let (a, b) = (u64::from(one.area[axis]), u64::from(other.area[axis]));
        let end = (a + u64::from(one.area[axis + 2])).min(b + u64::from(other.area[axis + 2]));
        end.saturating_sub(a.max(b))
    };
    let covers = |found: &Found| u64::from(found.area[2]) * u64::from(found.area[3]);
    let shared = side(0) * side(1);
    shared as f32 / (covers(one) + covers(other) - shared).max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: [f32; COLUMNS] = [0.25, 0.5, 0.25, 0.25, 0.9, 0.0];

    #[test]
    fn a_row_is_a_box_in_the_units_of_the_interface() {
        let found = read(&ROW, 1).unwrap();
        assert_eq!(found, [Found { class: 0, score: 0.9, area: [16_384, 32_768, 16_384, 16_384] }]);
        let beyond = read(&[-0.5, 0.5, 2.0, 2.0, 1.0, 1.0], 2).unwrap();
        assert_eq!(beyond, [Found { class: 1, score: 1.0, area: [0, 32_768, 65_535, 32_767] }]);
    }

    #[test]
    fn what_says_nothing_is_dropped_and_what_is_wrong_is_named() {
        let with = |index: usize, number: f32| {
            let mut row = ROW;
            row[index] = number;
            read(&row, 1)
        };
        for (index, number) in [(4, 0.04), (4, -3.0), (0, 1.5), (2, 0.0), (3, -1.0)] {
            assert_eq!(with(index, number), Ok(vec![]), "{index} {number}");
        }
        for (index, number, word) in
            [(4, f32::NAN, "score"), (4, 1.1, "score"), (0, f32::INFINITY, "box"), (5, 1.0, "class"), (5, 0.5, "class")]
        {
            assert!(with(index, number).unwrap_err().contains(word), "{index} {number}");
        }
    }

    #[test]
    fn of_two_boxes_on_one_thing_the_better_stays() {
        let shifted = [0.26, 0.5, 0.25, 0.25, 0.8, 0.0];
        let elsewhere = [0.7, 0.5, 0.25, 0.25, 0.8, 0.0];
        let other_class = [0.26, 0.5, 0.25, 0.25, 0.7, 1.0];
        let rows = [shifted, ROW, elsewhere, other_class].concat();
        let scores: Vec<f32> = read(&rows, 2).unwrap().iter().map(|found| found.score).collect();
        assert_eq!(scores, [0.9, 0.8, 0.7]);
    }

    #[test]
    fn a_picture_full_of_boxes_gives_the_best_of_them() {
        let rows: Vec<f32> = (0..ROWS_MAX)
            .flat_map(|row| {
                [(row % 64) as f32 / 64.0, (row / 64 % 128) as f32 / 128.0, 0.01, 0.005, 0.1 + row as f32 * 1e-4, 0.0]
            })
            .collect();
        let found = read(&rows, 1).unwrap();
        assert_eq!(found.len(), DETECTIONS_MAX);
        assert!(found.is_sorted_by(|one, other| one.score >= other.score) && found[0].score > 0.9);
    }
}
