//! Drawn scenes: what moves in them is known to the pixel.

use crate::Dice;
use std::cell::RefCell;

/// Pixels across.
pub const WIDTH: usize = 640;
/// Pixels down.
pub const HEIGHT: usize = 360;
/// UTC in nanoseconds of the first frame.
pub const START_NS: u64 = 1_764_000_000_000_000_000;

/// A rectangle with a pattern of its own, somewhat like a vehicle with windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// Left edge in pixels; may lie outside.
    pub left: f32,
    /// Upper edge.
    pub top: f32,
    /// Width and height.
    pub size: (f32, f32),
    /// Brightness.
    pub level: f32,
}

/// A road with a texture under some light, with noise.
#[derive(Clone, Debug)]
pub struct Scene {
    /// How bright it is; 1 is day.
    pub light: f32,
    /// Standard deviation of the noise in grey levels.
    pub sigma: f32,
    /// What is on it.
    pub blocks: Vec<Block>,
    /// How far the camera is turned, in pixels.
    pub shift: (i32, i32),
}

impl Default for Scene {
    fn default() -> Self {
        Self { light: 1.0, sigma: 3.0, blocks: Vec::new(), shift: (0, 0) }
    }
}

impl Scene {
    /// Brightness of the bare scene at a place of a plane without end: large plates with edges, fine grain, some bright marks.
    #[must_use]
    pub fn bare(x: i32, y: i32) -> f32 {
        let hash = |x: i32, y: i32| Dice(((x as u64) << 32) ^ (y as u64 & 0xffff_ffff)).roll();
        let plate = hash(x.div_euclid(53), y.div_euclid(37)) % 50;
        let grain = (x * 7 + y * 3).rem_euclid(13);
        let mark = x.rem_euclid(90) < 6 && y.rem_euclid(70) < 30;
        70.0 + plate as f32 + grain as f32 + if mark { 60.0 } else { 0.0 }
    }

    /// The picture.
    #[must_use]
    pub fn draw(&self, dice: &mut Dice) -> Vec<u8> {
        let mut levels = bare_picture(self.shift);
        for block in &self.blocks {
            let (from_x, to_x) = span(block.left, block.size.0, WIDTH);
            let (from_y, to_y) = span(block.top, block.size.1, HEIGHT);
            for at in (from_y..to_y).flat_map(|y| (from_x..to_x).map(move |x| y * WIDTH + x)) {
                if let Some(level) = block.at((at % WIDTH) as f32, (at / WIDTH) as f32) {
                    levels[at] = level;
                }
            }
        }
        // A number with a point becomes a whole one by cutting, and stays within 0 and 255.
        let mut luma: Vec<u8> = levels.iter().map(|level| (level * self.light + 0.5) as u8).collect();
        if self.sigma > 0.0 {
            dice.noise(&mut luma, self.sigma);
        }
        luma
    }
}

/// A turn, and the bare scene's levels as the camera then sees it.
type Drawn = ((i32, i32), Vec<f32>);

/// The bare scene as the turned camera sees it; drawn once for each turn in a row.
fn bare_picture(shift: (i32, i32)) -> Vec<f32> {
    thread_local! {
        static LAST: RefCell<Option<Drawn>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| {
        if let Some((_, levels)) = last.as_ref().filter(|(drawn, _)| *drawn == shift) {
            return levels.clone();
        }
        let place = |at: usize| ((at % WIDTH) as i32 + shift.0, (at / WIDTH) as i32 + shift.1);
        let levels: Vec<f32> = (0..WIDTH * HEIGHT).map(|at| Scene::bare(place(at).0, place(at).1)).collect();
        *last = Some((shift, levels.clone()));
        levels
    })
}

/// Whole pixels from an edge over a length, cut to the picture.
fn span(from: f32, length: f32, end: usize) -> (usize, usize) {
    ((from.floor().max(0.0) as usize).min(end), ((from + length).ceil().max(0.0) as usize).min(end))
}

impl Block {
    fn at(&self, x: f32, y: f32) -> Option<f32> {
        let ((x, y), (w, h)) = ((x - self.left, y - self.top), self.size);
        let inside = (0.0..w).contains(&x) && (0.0..h).contains(&y);
        // Windows at a fifth and at two thirds.
        let (across, along) = if w > h { (y / h, x / w) } else { (x / w, y / h) };
        let window = (0.15..0.85).contains(&across) && ((0.2..0.35).contains(&along) || (0.65..0.8).contains(&along));
        inside.then_some(if window { self.level * 0.5 } else { self.level })
    }
}
