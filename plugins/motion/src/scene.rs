//! What is usual in a whole picture, and which cells stand out now.

use crate::tile::{Change, LEVEL, SIDE_PX, Tile, pixels};

const MS: u64 = 1_000_000;
/// A fresh scene is looked at for so many frames before anything counts: the noise must be known.
const LEARN_FRAMES: u32 = 6;
/// A frame after which so many are missing is not compared with the one before: the scene is learnt afresh.
pub const GAP_MS: u64 = 30_000;
/// How long it takes until what is seen becomes usual: where nothing stands out, and where something does. A car that parks is part of the scene
/// after half a minute.
const USUAL_STILL_MS: u64 = 4_000;
const USUAL_CHANGED_MS: u64 = 30_000;
/// The same for noise. What sways is noise after a while; a busy road must not become noise between two cars.
const NOISE_STILL_MS: u64 = 8_000;
const NOISE_CHANGED_MS: u64 = 60_000;
/// So much noise at most: what sways more is seen as motion.
const NOISE_MAX: i32 = 16 * LEVEL;
/// A cell belongs to something that moves for so long after it changed from one frame to the next: the plain side of a lorry does not change at each frame.
const TOUCHED_MS: u64 = 2_000;
/// Of five cells with light, when more than so many stand out, it is the light or the camera that changed.
const CHANGED_OF_FIVE: usize = 3;
/// Cells that are darker than this before and after are masked or night: they say nothing about the light.
const BLACK: i32 = 8 * LEVEL;
/// The light's change is counted in steps of 1/256, up to four times as bright.
const LIGHT_STEPS: usize = 1024;

/// From which difference on a cell counts, in [`LEVEL`]s. It comes on top of twice the cell's own noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Difference of the pattern from what is usual.
    pub pattern: i32,
    /// Difference of the pattern from the frame before.
    pub stir: i32,
    /// Difference of the brightness from what is usual.
    pub light: i32,
}

impl Threshold {
    /// That of a sensitivity of 0 to 100: from 24 grey levels down to 2.5, finer steps at the upper end.
    #[must_use]
    pub fn of(sensitivity: u32) -> Self {
        let dull = 100 - sensitivity.min(100) as i32;
        let pattern = LEVEL * 5 / 2 + LEVEL * 43 / 2 * dull * dull / 10_000;
        Self { pattern, stir: pattern / 2, light: pattern * 2 }
    }
}

/// What counts as a change for the scene's own learning, whatever the sensitivity: so a higher sensitivity sees the same scene, and never less.
const LEARNING: Threshold = Threshold { pattern: 3 * LEVEL, stir: 2 * LEVEL, light: 6 * LEVEL };

/// How a cell stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// It differs from what is usual and changed lately.
    pub stands_out: bool,
    /// Its pattern differs from the usual one and from the frame before.
    pub moves: bool,
    /// Its pattern's difference in 1/256 of the threshold, at most 65,535; 0 when it does not move.
    pub strength: u32,
}

#[derive(Clone, Debug)]
struct Cell {
    tile: Tile,
    /// Usual size of each difference while nothing moves.
    noise: Threshold,
    touched_ns: u64,
    change: Change,
    /// Difference of the brightness from the usual one under the light of the moment.
    light: i32,
    changed: bool,
}

/// The learnt scene of one camera at one resolution.
#[derive(Clone, Debug)]
pub struct Scene {
    width: usize,
    columns: usize,
    cells: Vec<Cell>,
    /// Frames seen since the scene was begun.
    age: u32,
    last_ns: u64,
}

impl Scene {
    /// Begins a scene with a first picture. `None` when the plane is shorter than `width * height` or holds no cell.
    #[must_use]
    pub fn new(luma: &[u8], width: usize, height: usize, utc_ns: u64) -> Option<Self> {
        let (columns, rows) = (width / SIDE_PX, height / SIDE_PX);
        if columns == 0 || rows == 0 || luma.len() < width.checked_mul(height)? {
            return None;
        }
        let mut scene = Self { width, columns, cells: Vec::with_capacity(columns * rows), age: 1, last_ns: utc_ns };
        for index in 0..columns * rows {
            let now = pixels(luma, width, scene.first_pixel(index))?;
            let noise = Threshold { pattern: 0, stir: 0, light: 0 };
            let (change, tile) = (Change::default(), Tile::new(&now));
            scene.cells.push(Cell { tile, noise, touched_ns: 0, change, light: 0, changed: false });
        }
        Some(scene)
    }

    /// Cells from left to right. Pixels that fill no cell are not looked at.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Cells from top to bottom.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.cells.len() / self.columns
    }

    fn first_pixel(&self, index: usize) -> usize {
        (index / self.columns * self.width + index % self.columns) * SIDE_PX
    }

    /// Looks at the next picture, of the same size as the one before, and learns from it. Gives one entry a cell, or none while the scene
    /// is new.
    pub fn look(&mut self, luma: &[u8], utc_ns: u64, threshold: Threshold, seen: &mut Vec<Seen>) {
        seen.clear();
        let since_ms = utc_ns.saturating_sub(self.last_ns) / MS;
        if utc_ns < self.last_ns {
            // Times from before a step of the clock say nothing about times after it.
            self.cells.iter_mut().for_each(|cell| cell.touched_ns = 0);
        }
        self.last_ns = utc_ns;
        for index in 0..self.cells.len() {
            if let Some(now) = pixels(luma, self.width, self.first_pixel(index)) {
                self.cells[index].change = self.cells[index].tile.compare(&now);
            }
        }
        let light = self.light();
        let (mut lit, mut changed) = (0, 0);
        for cell in &mut self.cells {
            cell.judge(light, utc_ns);
            lit += usize::from(cell.change.sum.max(cell.change.usual_sum) >= BLACK);
            changed += usize::from(cell.changed);
        }
        let afresh = since_ms > GAP_MS || changed * 5 > lit * CHANGED_OF_FIVE && self.age >= LEARN_FRAMES;
        if afresh {
            self.age = 0;
        } else if self.age >= LEARN_FRAMES {
            seen.extend(self.cells.iter().map(|cell| cell.seen(threshold, utc_ns)));
        }
        let rates = Rates::new(self.age, since_ms);
        for index in 0..self.cells.len() {
            if let Some(now) = pixels(luma, self.width, self.first_pixel(index)) {
                self.cells[index].learn(&now, rates, self.age);
            }
        }
        self.age = self.age.saturating_add(1);
    }

    /// Brightness now against the usual one, in 1/256: the middle one of all cells, so that what moves through a part of the picture does not count.
    fn light(&self) -> i32 {
        let mut counts = [0_usize; LIGHT_STEPS];
        let mut all = 0;
        for change in self.cells.iter().map(|cell| cell.change).filter(|change| change.usual_sum >= BLACK) {
            // A sum is at most 130,560.
            let step = (change.sum * 256 / change.usual_sum).unsigned_abs() as usize;
            counts[step.min(LIGHT_STEPS - 1)] += 1;
            all += 1;
        }
        let mut below = 0;
        let middle = counts.iter().position(|count| {
            below += count;
            below * 2 > all
        });
        middle.map_or(256, |step| step as i32)
    }
}

impl Cell {
    /// Decides, whatever the sensitivity, whether it changed.
    fn judge(&mut self, light: i32, utc_ns: u64) {
        let Change { sum, usual_sum, before_sum, pattern, stir } = self.change;
        // At most 4 * 130,560.
        self.light = (sum - usual_sum * light / 256).abs();
        if stir > LEARNING.stir + 2 * self.noise.stir
            || (sum - before_sum).abs() > LEARNING.light / 2 + 3 * self.noise.light
        {
            self.touched_ns = utc_ns;
        }
        self.changed =
            pattern > LEARNING.pattern + 2 * self.noise.pattern || self.light > LEARNING.light + 3 * self.noise.light;
    }

    fn seen(&self, threshold: Threshold, utc_ns: u64) -> Seen {
        let touched = utc_ns.saturating_sub(self.touched_ns) <= TOUCHED_MS * MS;
        let pattern_from = threshold.pattern + 2 * self.noise.pattern;
        let pattern = self.change.pattern > pattern_from;
        let moves = pattern && self.change.stir > threshold.stir + 2 * self.noise.stir;
        let stands_out = moves || touched && (pattern || self.light > threshold.light + 3 * self.noise.light);
        // Both are at most 64 * 2,040 and the threshold is at least 2 levels.
        let strength = if moves { (self.change.pattern / (pattern_from / 256).max(1)).min(65_535) } else { 0 };
        Seen { stands_out, moves, strength: strength.unsigned_abs() }
    }

    fn learn(&mut self, now: &[i16; crate::tile::PIXELS], rates: Rates, age: u32) {
        let Change { sum, pattern, stir, .. } = self.change;
        let (usual, noise) = if self.changed { rates.changed } else { rates.still };
        // The first frame of a fresh scene is measured against the scene that is gone.
        if age > 0 {
            for (kept, size) in
                [(&mut self.noise.pattern, pattern), (&mut self.noise.stir, stir), (&mut self.noise.light, self.light)]
            {
                *kept += (size.min(NOISE_MAX) - *kept) >> noise;
            }
        }
        self.tile.learn(now, sum, usual);
    }
}

/// How much of a difference is learnt at one frame, as powers of two: of what is usual, of the noise.
#[derive(Clone, Copy, Debug)]
struct Rates {
    still: (u32, u32),
    changed: (u32, u32),
}

impl Rates {
    fn new(age: u32, since_ms: u64) -> Self {
        // A fresh scene takes the first frame whole and then about the mean of all so far.
        let young = if age < LEARN_FRAMES * 2 { (age + 1).ilog2() } else { 7 };
        let over = |whole_ms: u64| (whole_ms / since_ms.max(1)).max(1).ilog2();
        Self {
            still: (over(USUAL_STILL_MS).min(7).min(young), over(NOISE_STILL_MS).min(9).min(young)),
            changed: (over(USUAL_CHANGED_MS).min(7).min(young), over(NOISE_CHANGED_MS).min(9).min(young)),
        }
    }
}
