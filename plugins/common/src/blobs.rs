//! Cells that stand out, joined to blobs.

use watchbook_plugin::Area;

/// Blobs of one frame, at most; the largest are kept.
pub const BLOBS_MAX: usize = 64;

/// A box in cells; the right and lower edges lie behind the last cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Left edge.
    pub left: f32,
    /// Upper edge.
    pub top: f32,
    /// Right edge.
    pub right: f32,
    /// Lower edge.
    pub bottom: f32,
}

impl Frame {
    /// A box of `size` around a place.
    #[must_use]
    pub fn around((x, y): (f32, f32), (w, h): (f32, f32)) -> Self {
        Self { left: x - w / 2.0, top: y - h / 2.0, right: x + w / 2.0, bottom: y + h / 2.0 }
    }

    /// Width and height.
    #[must_use]
    pub fn size(&self) -> (f32, f32) {
        (self.right - self.left, self.bottom - self.top)
    }

    /// The part of the picture that it covers, on a grid of `columns * rows`, cut to the grid.
    #[must_use]
    pub fn area(&self, (columns, rows): (usize, usize)) -> Area {
        // A number with a point becomes a whole one by cutting, and stays within the type's range.
        let place = |at: f32, count: usize| (at / count.max(1) as f32 * 65_536.0).clamp(0.0, 65_535.0) as u16;
        let (x, y) = (place(self.left, columns), place(self.top, rows));
        let (right, bottom) = (place(self.right, columns), place(self.bottom, rows));
        Area { x, y, w: right.saturating_sub(x), h: bottom.saturating_sub(y) }
    }

    /// The smallest box that holds both.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// How far the boxes are apart, across and down; 0 where they overlap.
    #[must_use]
    pub fn gaps(&self, other: &Self) -> (f32, f32) {
        let across = (self.left - other.right).max(other.left - self.right).max(0.0);
        (across, (self.top - other.bottom).max(other.top - self.bottom).max(0.0))
    }
}

/// Cells that stand out together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blob {
    /// Around all cells.
    pub frame: Frame,
    /// Middle of all cells.
    pub middle: (f32, f32),
    /// How many cells.
    pub cells: usize,
    /// How many of them changed against the frame before: none of the hole that a thing leaves when it goes away.
    pub stirring: usize,
}

/// Finds blobs; keeps its memory from frame to frame.
#[derive(Clone, Debug, Default)]
pub struct Finder {
    mask: Vec<bool>,
    other: Vec<bool>,
    labels: Vec<u16>,
    waiting: Vec<usize>,
    blobs: Vec<Blob>,
}

/// The smallest thing that counts, in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Smallest {
    /// Cells, at least.
    pub cells: usize,
    /// Width and height in cells, at least.
    pub side: usize,
    /// Holes and gaps of up to twice so many cells are closed.
    pub closing: usize,
}

impl Smallest {
    /// Whether a thing of this size, in cells, counts: its longer side is long enough, and it is no line.
    #[must_use]
    pub fn takes(percent: u32, rows: usize, (w, h): (f32, f32)) -> bool {
        let side = percent as f32 * rows as f32 / 100.0;
        w.max(h) >= side && w.min(h) >= 0.5 * side
    }

    /// For things of `percent` of the picture's height.
    #[must_use]
    pub fn of(percent: u32, rows: usize) -> Self {
        let side = percent as usize * rows / 100;
        Self { cells: (side * side / 5).max(4), side: (side / 2).max(1), closing: (side / 4).clamp(1, 6) }
    }
}

impl Finder {
    /// Every blob that is large enough, the largest first, at most [`BLOBS_MAX`]. For each cell: whether it stands out, and whether it stirs.
    pub fn find(&mut self, (out, stirs): (&[bool], &[bool]), columns: usize, smallest: Smallest) -> &[Blob] {
        self.blobs.clear();
        if columns == 0 {
            return &self.blobs;
        }
        self.clean(out, columns);
        let reach = smallest.closing;
        grow(&self.mask, &mut self.other, columns, (reach, true));
        grow(&self.other, &mut self.mask, columns, (reach, false));
        self.labels.clear();
        self.labels.resize(out.len(), 0);
        let mut found: Vec<(Blob, u16)> = Vec::new();
        let mut taken = core::mem::take(&mut self.mask);
        for first in 0..taken.len() {
            if taken[first] {
                let label = (found.len() + 1).min(usize::from(u16::MAX)) as u16;
                found.push((self.join((&mut taken, stirs), (first, label), columns), label));
            }
        }
        self.mask = taken;
        let mut names = vec![0; found.len() + 1];
        found.retain(|(blob, _)| {
            let (w, h) = blob.frame.size();
            blob.cells >= smallest.cells && w.min(h) >= smallest.side as f32
        });
        found.sort_by_key(|(blob, _)| core::cmp::Reverse(blob.cells));
        found.truncate(BLOBS_MAX);
        for (at, (blob, label)) in found.iter().enumerate() {
            self.blobs.push(*blob);
            names[usize::from(*label)] = at as u16 + 1;
        }
        self.labels.iter_mut().for_each(|label| *label = names[usize::from(*label)]);
        &self.blobs
    }

    /// For each cell: the number of its blob in the last answer of [`Finder::find`] plus one; 0 for none.
    #[must_use]
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// The blobs of the last frame.
    #[must_use]
    pub fn blobs(&self) -> &[Blob] {
        &self.blobs
    }

    /// A cell that stands out with less than two neighbours is noise.
    fn clean(&mut self, out: &[bool], columns: usize) {
        let rows = out.len() / columns;
        self.mask.clear();
        self.mask.resize(out.len(), false);
        for at in (0..out.len()).filter(|at| out[*at]) {
            let (row, column) = (at / columns, at % columns);
            let lines = row.saturating_sub(1)..rows.min(row + 2);
            let beside =
                lines.flat_map(|row| row * columns + column.saturating_sub(1)..row * columns + columns.min(column + 2));
            self.mask[at] = beside.filter(|at| out[*at]).count() >= 3;
        }
    }

    fn join(&mut self, (taken, stirs): (&mut [bool], &[bool]), (first, label): (usize, u16), columns: usize) -> Blob {
        let rows = taken.len() / columns;
        let (mut cells, mut stirring, mut across, mut down) = (0_usize, 0_usize, 0_usize, 0_usize);
        let (mut left, mut top, mut right, mut bottom) = (columns, rows, 0, 0);
        taken[first] = false;
        self.waiting.push(first);
        while let Some(at) = self.waiting.pop() {
            let (row, column) = (at / columns, at % columns);
            (left, right) = (left.min(column), right.max(column + 1));
            (top, bottom) = (top.min(row), bottom.max(row + 1));
            (cells, across, down) = (cells + 1, across + column, down + row);
            self.labels[at] = label;
            stirring += usize::from(stirs[at]);
            for row in row.saturating_sub(1)..rows.min(row + 2) {
                let first = row * columns + column.saturating_sub(1);
                for (at, taken) in taken[first..row * columns + columns.min(column + 2)].iter_mut().enumerate() {
                    if core::mem::take(taken) {
                        self.waiting.push(first + at);
                    }
                }
            }
        }
        let middle = |sum: usize| sum as f32 / cells as f32 + 0.5;
        let frame = Frame { left: left as f32, top: top as f32, right: right as f32, bottom: bottom as f32 };
        Blob { frame, middle: (middle(across), middle(down)), cells, stirring }
    }
}

/// A cell of `to` has what any cell of `from` within `reach` has: `wanted`. Beyond the edge there is nothing that counts.
fn grow(from: &[bool], to: &mut Vec<bool>, columns: usize, (reach, wanted): (usize, bool)) {
    let rows = from.len() / columns;
    let mut across = vec![!wanted; from.len()];
    for (line, out) in from.chunks(columns).zip(across.chunks_mut(columns)) {
        for (column, _) in line.iter().enumerate().filter(|(_, cell)| **cell == wanted) {
            out[column.saturating_sub(reach)..columns.min(column + reach + 1)].fill(wanted);
        }
    }
    to.clear();
    to.resize(from.len(), !wanted);
    for (at, _) in across.iter().enumerate().filter(|(_, cell)| **cell == wanted) {
        for row in (at / columns).saturating_sub(reach)..rows.min(at / columns + reach + 1) {
            to[row * columns + at % columns] = wanted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_stay_in_the_picture() {
        let area = |left, top, right, bottom| Frame { left, top, right, bottom }.area((160, 90));
        assert_eq!(area(-3.0, 0.0, 200.0, 90.0), Area { x: 0, y: 0, w: 65_535, h: 65_535 });
        // A quarter of 65,536 is 16,384.
        assert_eq!(area(40.0, 45.0, 80.0, 90.0), Area { x: 16_384, y: 32_768, w: 16_384, h: 32_767 });
    }

    fn out(picture: &[&str]) -> Vec<bool> {
        picture.iter().flat_map(|row| row.bytes().map(|letter| letter != b'.')).collect()
    }

    fn found(picture: &[&str], closing: usize) -> Vec<(f32, f32, f32, f32, usize)> {
        let mut finder = Finder::default();
        let blobs =
            finder.find((&out(picture), &out(picture)), picture[0].len(), Smallest { cells: 4, side: 1, closing });
        blobs
            .iter()
            .map(|blob| (blob.frame.left, blob.frame.top, blob.frame.right, blob.frame.bottom, blob.cells))
            .collect()
    }

    #[test]
    fn cells_that_touch_are_one_blob_and_lone_ones_none() {
        let picture = [
            "..............o.......",
            "..............oo......",
            "..ooo.........oo......",
            "..ooo.........oo......",
            "..ooo.................",
            ".......o..............",
            "......................",
        ];
        // The notch at the upper edge is a gap like any other: it is closed.
        assert_eq!(found(&picture, 1), [(2.0, 2.0, 5.0, 5.0, 9), (14.0, 0.0, 16.0, 4.0, 8)]);
    }

    #[test]
    fn a_gap_is_closed_up_to_twice_the_reach() {
        let picture = ["..ooo..ooo....", "..ooo..ooo....", "..ooo..ooo....", ".............."];
        assert_eq!(found(&picture, 1).len(), 1);
        let wide = ["..ooo...ooo...", "..ooo...ooo...", "..ooo...ooo...", ".............."];
        assert_eq!(found(&wide, 1).len(), 2);
    }

    #[test]
    fn the_middle_is_that_of_all_cells() {
        let mut finder = Finder::default();
        let blobs = finder.find(
            (&out(&["oo..", "oo..", "....", "...."]), &out(&["o...", "....", "....", "...."])),
            4,
            Smallest { cells: 4, side: 1, closing: 1 },
        );
        assert_eq!((blobs[0].middle, blobs[0].stirring), ((1.0, 1.0), 1));
        assert!(finder.find((&[], &[]), 0, Smallest { cells: 1, side: 1, closing: 1 }).is_empty());
    }

    #[test]
    fn boxes_know_their_gaps() {
        let (a, b) = (Frame::around((5.0, 5.0), (4.0, 4.0)), Frame::around((12.0, 5.0), (4.0, 4.0)));
        assert_eq!((a.gaps(&b), a.gaps(&a)), ((3.0, 0.0), (0.0, 0.0)));
        assert_eq!(a.with(&b).size(), (11.0, 4.0));
    }
}
