//! What a picture shows in cells of 4 x 4 pixels: its coarse pattern and its edges; and how much two of them are alike.

use watchbook_plugin_common::Picture;

/// Pixels of a cell's side.
const CELL_PX: usize = 4;
/// A cell has an edge when its quarters differ by so many levels more than noise does.
const EDGE: f32 = 6.0;
/// Cells with an edge, at least one of so many: else the picture has nothing to go by.
const EDGES_ONE_OF: usize = 100;
/// How far a turned view is looked for, in cells across and down.
const TURN: (isize, isize) = (40, 24);
/// It is looked for in blocks of so many cells a side first.
const BLOCK: usize = 2;
/// The cells of a turned view that must still be in the picture, one of so many.
const OVERLAP_ONE_OF: usize = 4;

/// One picture, or the mean of many.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    columns: usize,
    /// Mean brightness of each cell.
    coarse: Vec<f32>,
    /// How much the quarters of each cell differ from their neighbours, noise taken off.
    edges: Vec<f32>,
}

/// How a view differs from the usual one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likeness {
    /// How much of the usual edges is left, wherever they are, under the same light: 1 all.
    pub sharp: f32,
    /// Whether edges are where they were: 1 exactly, 0 not at all.
    pub edges: f32,
    /// Whether the coarse pattern is the usual one: 1 exactly, 0 not at all.
    pub coarse: f32,
    /// How far dark and bright are apart, under the same light: 1 as usual, 0 not at all.
    pub contrast: f32,
    /// Brightness against the usual one.
    pub light: f32,
}

impl View {
    /// What a picture shows that [`Picture::check`] has taken.
    #[must_use]
    pub fn of(picture: &Picture<'_>) -> Self {
        let (columns, rows) = (picture.width as usize / CELL_PX, picture.height as usize / CELL_PX);
        let (wide, width) = (columns * 2, picture.width as usize);
        // Quarters of 2 x 2 pixels, 0 to 1,020.
        let mut quarters = Vec::with_capacity(wide * rows * 2);
        for lines in picture.luma.chunks_exact(width * 2).take(rows * 2) {
            let (upper, lower) = lines.split_at(width);
            let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0).take(wide);
            quarters
                .extend(pairs.map(|([a, b], [c, d])| u16::from(*a) + u16::from(*b) + u16::from(*c) + u16::from(*d)));
        }
        let quarter =
            |row: usize, column: usize| f32::from(quarters[row.min(rows * 2 - 1) * wide + column.min(wide - 1)]) / 4.0;
        let mut view =
            Self { columns, coarse: Vec::with_capacity(columns * rows), edges: Vec::with_capacity(columns * rows) };
        for at in 0..columns * rows {
            let (row, column) = (at / columns * 2, at % columns * 2);
            let (mut sum, mut change) = (0.0, 0.0);
            for (down, across) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let here = quarter(row + down, column + across);
                sum += here;
                change += (quarter(row + down, column + across + 1) - here).abs()
                    + (quarter(row + down + 1, column + across) - here).abs();
            }
            view.coarse.push(sum / 4.0);
            view.edges.push(change / 4.0);
        }
        view.without_noise()
    }

    /// Takes off what a fifth of all cells stays below: their change is noise, or the picture has more grain than edges.
    fn without_noise(mut self) -> Self {
        let mut counts = [0_usize; 512];
        for edge in &self.edges {
            counts[(*edge as usize).min(511)] += 1;
        }
        let (mut below, fifth) = (0, self.edges.len() / 5);
        let floor = counts.iter().position(|count| {
            below += count;
            below > fifth
        });
        let floor = floor.unwrap_or(0) as f32 + 1.0;
        self.edges.iter_mut().for_each(|edge| *edge = (*edge - floor).max(0.0));
        self
    }

    /// Mean brightness, and how far the brightest and darkest twentieth are apart.
    #[must_use]
    pub fn brightness(&self) -> (f32, f32) {
        let mut counts = [0_usize; 256];
        for cell in &self.coarse {
            counts[(*cell as usize).min(255)] += 1;
        }
        let twentieth = self.coarse.len() / 20;
        let (mut darker, mut brighter) = (0, 0);
        let dark = (0..256).find(|level| {
            darker += counts[*level];
            darker > twentieth
        });
        let bright = (0..256).rev().find(|level| {
            brighter += counts[*level];
            brighter > twentieth
        });
        let (dark, bright) = (dark.unwrap_or(0), bright.unwrap_or(0));
        (mean(&self.coarse), bright.saturating_sub(dark) as f32)
    }

    /// Takes a share of `other` into this view. Edges that go are learnt four times as fast as those that come: what passes leaves none behind.
    pub fn learn(&mut self, other: &Self, share: f32) {
        for (kept, now) in self.coarse.iter_mut().zip(&other.coarse) {
            *kept += (*now - *kept) * share;
        }
        for (kept, now) in self.edges.iter_mut().zip(&other.edges) {
            let share = if now < kept { (4.0 * share).min(1.0) } else { share };
            *kept += (*now - *kept) * share;
        }
    }

    /// Whether there are enough edges to go by where `looked_at` says.
    #[must_use]
    pub fn has_edges(&self, looked_at: &[bool]) -> bool {
        let edges = self.edges.iter().zip(looked_at).filter(|(edge, looked)| **looked && **edge >= EDGE).count();
        edges * EDGES_ONE_OF >= looked_at.iter().filter(|looked| **looked).count()
    }

    /// How a view of the same size differs from this one, the usual, where `looked_at` says.
    #[must_use]
    pub fn compare(&self, now: &Self, looked_at: &[bool]) -> Likeness {
        let (mut left, mut usual) = (0.0, 0.0);
        for ((kept, now), looked) in self.edges.iter().zip(&now.edges).zip(looked_at) {
            if *looked {
                // Wherever they are: a turned camera shows edges, one out of focus does not.
                let edge = |edge: f32| if edge >= EDGE / 2.0 { edge } else { 0.0 };
                (left, usual) = (left + edge(*now), usual + edge(*kept));
            }
        }
        let light = (mean(&now.coarse) / mean(&self.coarse).max(1.0)).clamp(0.1, 10.0);
        let among = |at: usize| looked_at[at].then_some((at, at));
        let cells = self.coarse.len();
        Likeness {
            sharp: left / f32::max(usual, 1.0) / light.min(1.0),
            edges: alike((&self.edges, &now.edges), (0..cells).filter_map(among)),
            coarse: alike((&self.coarse, &now.coarse), (0..cells).filter_map(among)),
            contrast: now.brightness().1 / self.brightness().1.max(1.0) / light.min(1.0),
            light,
        }
    }

    /// By how many cells the whole view went to the right and down, and how much it is then like this one; the best of all turns.
    #[must_use]
    pub fn turned(&self, now: &Self) -> ((isize, isize), f32) {
        // First in blocks of cells, then cell by cell around the best.
        let (usual, current) = (self.blocks(), now.blocks());
        let (far, near) = (BLOCK as isize, BLOCK as isize);
        let turns = |around: (isize, isize), reach: (isize, isize)| {
            (-reach.1..=reach.1).flat_map(move |y| (-reach.0..=reach.0).map(move |x| (around.0 + x, around.1 + y)))
        };
        let best = |turns: &mut dyn Iterator<Item = (isize, isize)>, like: &dyn Fn((isize, isize)) -> f32| {
            turns
                .map(|turn| (turn, like(turn)))
                .fold(((0, 0), -1.0), |best, one| if one.1 > best.1 { one } else { best })
        };
        let coarse =
            best(&mut turns((0, 0), (TURN.0 / far, TURN.1 / far)), &|turn| usual.like_turned(&current, turn, 2)).0;
        best(&mut turns((coarse.0 * far, coarse.1 * far), (near, near)), &|turn| self.like_turned(now, turn, 2))
    }

    /// The edges in blocks of [`BLOCK`] cells a side; whole blocks only.
    fn blocks(&self) -> Self {
        let (columns, rows) = (self.columns / BLOCK, self.edges.len() / self.columns.max(1) / BLOCK);
        let mut edges = vec![0.0; columns * rows];
        for (at, edge) in self.edges.iter().enumerate() {
            let (row, column) = (at / self.columns / BLOCK, at % self.columns / BLOCK);
            if row < rows && column < columns {
                edges[row * columns + column] += edge;
            }
        }
        Self { columns, coarse: Vec::new(), edges }
    }

    fn like_turned(&self, now: &Self, (across, down): (isize, isize), step: usize) -> f32 {
        let (columns, rows) = (self.columns as isize, (self.edges.len() / self.columns.max(1)) as isize);
        let pairs = (0..rows).step_by(step).flat_map(|row| (0..columns).step_by(step).map(move |column| (row, column)));
        let inside = |(row, column): (isize, isize)| {
            let (then_row, then_column) = (row - down, column - across);
            let fits = (0..rows).contains(&then_row) && (0..columns).contains(&then_column);
            fits.then_some(((then_row * columns + then_column) as usize, (row * columns + column) as usize))
        };
        let overlap = (rows - down.abs()).max(0) * (columns - across.abs()).max(0);
        if (overlap as usize) < self.edges.len() / OVERLAP_ONE_OF {
            return -1.0;
        }
        alike((&self.edges, &now.edges), pairs.filter_map(inside))
    }
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}

/// Correlation of two lists at pairs of places: 1 for the same pattern, 0 for none in common or a flat one.
fn alike((a, b): (&[f32], &[f32]), pairs: impl Iterator<Item = (usize, usize)>) -> f32 {
    let (mut count, mut sums, mut squares, mut product) = (0.0_f64, (0.0, 0.0), (0.0, 0.0), 0.0);
    for (at_a, at_b) in pairs {
        let (x, y) = (f64::from(a[at_a]), f64::from(b[at_b]));
        count += 1.0;
        sums = (sums.0 + x, sums.1 + y);
        squares = (squares.0 + x * x, squares.1 + y * y);
        product += x * y;
    }
    let spread = |square: f64, sum: f64| (square - sum * sum / count.max(1.0)).max(0.0);
    let both = (spread(squares.0, sums.0) * spread(squares.1, sums.1)).sqrt();
    if both <= 1e-3 * count { 0.0 } else { ((product - sums.0 * sums.1 / count.max(1.0)) / both) as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_plugins_scenes::{Dice, HEIGHT, START_NS, Scene, WIDTH};

    fn view(scene: &Scene) -> View {
        let luma = scene.draw(&mut Dice(1));
        View::of(&Picture { width: WIDTH as u32, height: HEIGHT as u32, utc_ns: START_NS, luma: &luma })
    }

    #[test]
    fn a_view_is_like_itself_in_another_light() {
        let day = view(&Scene::default());
        let looked_at = vec![true; 160 * 90];
        assert!(day.has_edges(&looked_at));
        let dusk = day.compare(&view(&Scene { light: 0.5, ..Scene::default() }), &looked_at);
        assert!(dusk.edges > 0.9 && dusk.coarse > 0.9 && (0.7..1.3).contains(&dusk.sharp), "{dusk:?}");
        assert!((0.45..0.55).contains(&dusk.light), "{dusk:?}");
        let other = day.compare(&view(&Scene { shift: (300, 200), ..Scene::default() }), &looked_at);
        assert!(other.edges < 0.3, "{other:?}");
    }

    #[test]
    fn a_turn_is_found_with_its_way() {
        let day = view(&Scene::default());
        // The camera turns 40 pixels to the right and 20 down: what it sees goes 10 cells to the left and 5 up.
        let (turn, like) = day.turned(&view(&Scene { shift: (40, 20), ..Scene::default() }));
        assert!(turn == (-10, -5) && like > 0.7, "{turn:?} {like}");
    }

    #[test]
    fn a_flat_picture_has_nothing_to_go_by() {
        let flat = View::of(&Picture { width: 640, height: 360, utc_ns: 0, luma: &[90; 640 * 360] });
        assert!(!flat.has_edges(&[true; 160 * 90]));
        assert_eq!(flat.brightness(), (90.0, 0.0));
        assert_eq!(alike((&[1.0, 1.0], &[1.0, 2.0]), [(0, 0), (1, 1)].into_iter()), 0.0);
    }
}
