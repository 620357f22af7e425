//! What is usual in a picture, and which cells of 4 x 4 pixels stand out from it.
//!
//! A cell has four quarters of 2 x 2 pixels. For each the usual brightness is kept; the light of the moment, which is the same for the whole picture, is taken
//! out first. A shadow makes the road darker and leaves its pattern: it does not stand out.

use crate::Picture;

/// Pixels of a cell's side.
pub const CELL_PX: usize = 4;
const MS: u64 = 1_000_000;
/// A picture after which so many are missing is not compared with the one before: the scene is learnt afresh.
pub const GAP_MS: u64 = 30_000;
/// How long a fresh scene is looked at before anything counts.
const LEARN_MS: u64 = 1_500;
/// A scene is young for so long: what stands still in it becomes usual at once, so that what left after the start leaves no hole.
const YOUNG_MS: u64 = 10_000;
const YOUNG_ABSORB_MS: u64 = 1_000;
/// How fast the usual follows slow changes where nothing stands out, and how fast noise is learnt: there, and where something stands out.
const USUAL_MS: f32 = 4_000.0;
const NOISE_STILL_MS: f32 = 8_000.0;
const NOISE_CHANGED_MS: f32 = 60_000.0;
/// So much noise at most, in levels of one quarter: what sways more stands out.
const NOISE_MAX: f32 = 24.0;
/// From one frame to the next, so many levels more than its noise is a stir.
const STIR: f32 = 5.0;
/// A shadow leaves so much of the light at least; a glare adds so much at most.
const SHADOW: f32 = 0.6;
const GLARE: f32 = 1.15;
/// Cells that are darker than this before and after are masked or night: they say nothing about the light. In levels.
const BLACK: f32 = 8.0;
/// The light is counted in steps of 1/256, up to four times as bright.
const LIGHT_STEPS: usize = 1024;
/// Of five cells with light, when more than so many stand out, it is the light or the camera that changed.
const CHANGED_OF_FIVE: usize = 3;

/// How the scene is learnt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Learning {
    /// From how many grey levels on a quarter differs, on top of its noise.
    pub levels: f32,
    /// What stands still for so long becomes usual, in milliseconds.
    pub absorb_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    usual: [f32; 4],
    now: [f32; 4],
    noise: f32,
    stir_noise: f32,
    difference: f32,
    stir: f32,
    touched_ns: u64,
    stands_out: bool,
}

/// The learnt scene of one camera at one resolution.
#[derive(Clone, Debug)]
pub struct Ground {
    size: (u32, u32),
    columns: usize,
    cells: Vec<Cell>,
    /// Brightness of each cell now, 0 to 255, under the light that is usual.
    plain: Vec<u8>,
    out: Vec<bool>,
    stirs: Vec<bool>,
    begun_ns: u64,
    last_ns: u64,
}

impl Ground {
    /// Begins a scene with a first picture that [`Picture::check`] has taken.
    #[must_use]
    pub fn new(picture: &Picture<'_>) -> Self {
        let (columns, rows) = (picture.width as usize / CELL_PX, picture.height as usize / CELL_PX);
        let cell = Cell {
            usual: [0.0; 4],
            now: [0.0; 4],
            noise: 0.0,
            stir_noise: 0.0,
            difference: 0.0,
            stir: 0.0,
            touched_ns: picture.utc_ns,
            stands_out: false,
        };
        let mut ground = Self {
            size: (picture.width, picture.height),
            columns,
            cells: vec![cell; columns * rows],
            plain: vec![0; columns * rows],
            out: vec![false; columns * rows],
            stirs: vec![false; columns * rows],
            begun_ns: picture.utc_ns,
            last_ns: picture.utc_ns,
        };
        ground.read(picture);
        ground.afresh(picture.utc_ns);
        ground
    }

    /// Whether the picture has this scene's size.
    #[must_use]
    pub fn fits(&self, picture: &Picture<'_>) -> bool {
        self.size == (picture.width, picture.height)
    }

    /// Cells across and down. Pixels that fill no cell are not looked at.
    #[must_use]
    pub fn grid(&self) -> (usize, usize) {
        (self.columns, self.cells.len() / self.columns.max(1))
    }

    /// For each cell, rows from the top: whether it stands out. All false while the scene is new.
    #[must_use]
    pub fn out(&self) -> &[bool] {
        &self.out
    }

    /// For each cell: whether it changed against the frame before.
    #[must_use]
    pub fn stirs(&self) -> &[bool] {
        &self.stirs
    }

    /// Brightness of each cell, the change of the light taken out.
    #[must_use]
    pub fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// Looks at the next picture of the same size and learns from it. Gives false when the scene was begun afresh: what was known of things in it is void.
    pub fn look(&mut self, picture: &Picture<'_>, learning: Learning) -> bool {
        let now_ns = picture.utc_ns;
        let since_ms = now_ns.saturating_sub(self.last_ns) / MS;
        let gone = now_ns < self.last_ns || since_ms > GAP_MS;
        self.last_ns = now_ns;
        self.read(picture);
        if gone {
            self.afresh(now_ns);
            return false;
        }
        let light = self.light();
        let (mut lit, mut changed) = (0, 0);
        for cell in &mut self.cells {
            cell.judge(light, learning.levels, now_ns);
            lit += usize::from(most(sum(&cell.usual), sum(&cell.now)) >= BLACK * 4.0);
            changed += usize::from(cell.stands_out);
        }
        if changed * 5 > lit * CHANGED_OF_FIVE {
            self.afresh(now_ns);
            return false;
        }
        let age_ms = now_ns.saturating_sub(self.begun_ns) / MS;
        let absorb_ms = if age_ms < YOUNG_MS { YOUNG_ABSORB_MS } else { learning.absorb_ms };
        for (index, cell) in self.cells.iter_mut().enumerate() {
            self.plain[index] = (sum(&cell.now) / 4.0 / light).clamp(0.0, 255.0) as u8;
            cell.learn(light, since_ms as f32, now_ns.saturating_sub(cell.touched_ns) > absorb_ms * MS);
            self.stirs[index] = cell.touched_ns == now_ns;
            self.out[index] = cell.stands_out && age_ms >= LEARN_MS;
        }
        true
    }

    fn afresh(&mut self, now_ns: u64) {
        self.begun_ns = now_ns;
        self.out.fill(false);
        for (cell, plain) in self.cells.iter_mut().zip(&mut self.plain) {
            let now = cell.now;
            *cell = Cell { usual: now, noise: 2.0, stir_noise: 2.0, touched_ns: now_ns, stands_out: false, ..*cell };
            *plain = (sum(&now) / 4.0).clamp(0.0, 255.0) as u8;
        }
    }

    /// Brings the picture's quarters into the cells, with how much each cell stirred.
    fn read(&mut self, picture: &Picture<'_>) {
        let (width, columns) = (picture.width as usize, self.columns);
        for (row, cells) in self.cells.chunks_mut(columns.max(1)).enumerate() {
            for half in 0..2 {
                let top = (row * CELL_PX + half * 2) * width;
                let (Some(upper), Some(lower)) =
                    (picture.luma.get(top..top + width), picture.luma.get(top + width..top + 2 * width))
                else {
                    return;
                };
                let pairs = upper.as_chunks::<CELL_PX>().0.iter().zip(lower.as_chunks::<CELL_PX>().0);
                for (cell, (upper, lower)) in cells.iter_mut().zip(pairs) {
                    let [a, b, c, d] = core::array::from_fn(|at| u16::from(upper[at]) + u16::from(lower[at]));
                    let quarters = [f32::from(a + b) / 4.0, f32::from(c + d) / 4.0];
                    if half == 0 {
                        cell.stir = 0.0;
                    }
                    for (at, quarter) in quarters.into_iter().enumerate() {
                        let kept = &mut cell.now[half * 2 + at];
                        cell.stir += (quarter - *kept).abs();
                        *kept = quarter;
                    }
                }
            }
        }
    }

    /// Brightness now against the usual one: the middle one of all cells, so that what moves through a part of the picture does not count.
    fn light(&self) -> f32 {
        let mut counts = [0_usize; LIGHT_STEPS];
        let mut all = 0;
        for cell in self.cells.iter().filter(|cell| sum(&cell.usual) >= BLACK * 4.0) {
            let step = (sum(&cell.now) * 256.0 / sum(&cell.usual)) as usize;
            counts[step.min(LIGHT_STEPS - 1)] += 1;
            all += 1;
        }
        let mut below = 0;
        let middle = counts.iter().position(|count| {
            below += count;
            below * 2 > all
        });
        middle.map_or(1.0, |step| (step.max(16) as f32 + 0.5) / 256.0)
    }
}

impl Cell {
    fn judge(&mut self, light: f32, levels: f32, now_ns: u64) {
        if self.stir > 4.0 * STIR + 3.0 * self.stir_noise {
            self.touched_ns = now_ns;
        }
        let (now, usual) = (sum(&self.now), sum(&self.usual) * light);
        let ratio = now / most(usual, 1.0);
        let (mut difference, mut pattern) = (0.0, 0.0);
        for (now, usual) in self.now.iter().zip(&self.usual) {
            difference += (now - usual * light).abs();
            pattern += (now - usual * light * ratio).abs();
        }
        self.difference = difference;
        let from = 4.0 * levels + 2.0 * self.noise;
        let only_light = (SHADOW..GLARE).contains(&ratio) && pattern < 2.0 * levels + 2.0 * self.noise;
        self.stands_out = difference > from && !only_light;
    }

    fn learn(&mut self, light: f32, since_ms: f32, still: bool) {
        if self.stands_out && still {
            self.usual = self.now.map(|now| now / light);
            self.stands_out = false;
            return;
        }
        let noise_ms = if self.stands_out { NOISE_CHANGED_MS } else { NOISE_STILL_MS };
        let share = least(since_ms / noise_ms, 0.25);
        let toward = |kept: &mut f32, size: f32| *kept += (least(size, 4.0 * NOISE_MAX) - *kept) * share;
        toward(&mut self.noise, self.difference);
        toward(&mut self.stir_noise, self.stir);
        if !self.stands_out {
            let share = least(since_ms / USUAL_MS, 0.25);
            for (usual, now) in self.usual.iter_mut().zip(&self.now) {
                *usual += (now / light - *usual) * share;
            }
        }
    }
}

/// As `f32::min` for numbers. In WebAssembly that one is a call, which took a fifth of the time here.
fn least(one: f32, other: f32) -> f32 {
    if one < other { one } else { other }
}

/// As `f32::max` for numbers.
fn most(one: f32, other: f32) -> f32 {
    if one > other { one } else { other }
}

fn sum(quarters: &[f32; 4]) -> f32 {
    (quarters[0] + quarters[1]) + (quarters[2] + quarters[3])
}
