//! Drawn scenes: pictures that need no file and are the same on every machine. Integers only.

use watchbook_analysis::clip::{Head, Picture};
use watchbook_base::time::NANOS_PER_SEC;

/// Time of a scene's first picture: the same as of a file.
pub const START_UTC_NS: i64 = 1_764_000_000_000_000_000;
/// Seed of the background and the noise when none is given.
pub const SEED_DEFAULT: u64 = 1;
/// Side of a patch of the background, in 1/64 of the picture's height.
const PATCH: u32 = 4;
/// Noise moves a sample by at most so much either way.
const NOISE: i32 = 4;

/// What a drawn scene shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// A bright square crosses from left to right between second 5 and 11.
    MovingSquare,
    /// Two squares cross at different heights, one each way, between second 5 and 11.
    CrossingSquares,
    /// Nothing but a still background and noise.
    StaticNoise,
    /// The light goes to half at second 8 and comes back at second 14.
    LightSwitch,
    /// Something dark covers the lens at second 8 and is taken away at second 14.
    CoveredCamera,
}

/// Every scene with the name that the command line knows, and what it shows.
pub const SCENES: [(&str, Scene, &str); 5] = [
    ("moving-square", Scene::MovingSquare, "a square crosses from left to right between second 5 and 11"),
    ("crossing-squares", Scene::CrossingSquares, "two squares cross, one each way, between second 5 and 11"),
    ("static-noise", Scene::StaticNoise, "nothing but noise"),
    ("light-switch", Scene::LightSwitch, "the light goes to half at second 8 and comes back at second 14"),
    ("covered-camera", Scene::CoveredCamera, "the lens is covered from second 8 to second 14"),
];

/// Length of every scene.
pub const SECONDS: i64 = 20;

impl Scene {
    /// One of the drawn scenes, by the word that an author writes after `--scene`.
    ///
    /// # Errors
    /// A sentence that lists the names.
    pub fn named(name: &str) -> Result<Self, String> {
        SCENES.iter().find(|(own, _, _)| *own == name).map(|(_, scene, _)| *scene).ok_or_else(|| {
            let names: Vec<&str> = SCENES.iter().map(|(own, _, _)| *own).collect();
            format!("there is no scene `{name}`; there are {}", names.join(", "))
        })
    }

    /// Its pictures at the size that a plugin asks for, `fps` a second; both as a checked manifest has them.
    #[must_use]
    pub fn pictures(self, (width, height): (u32, u32), fps: f32, seed: u64) -> Pictures {
        let interval_ns = (NANOS_PER_SEC as f64 / f64::from(fps)) as i64;
        let background = background(width, height, seed);
        let head = Head { width, height, masked: false };
        Pictures { scene: self, head, interval_ns, index: 0, background, noise: Noise(seed ^ 0x5EED) }
    }
}

/// A scene, picture by picture.
#[derive(Clone, Debug)]
pub struct Pictures {
    scene: Scene,
    head: Head,
    interval_ns: i64,
    index: i64,
    background: Vec<u8>,
    noise: Noise,
}

impl Pictures {
    /// Size of the pictures.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }
}

impl Iterator for Pictures {
    type Item = Picture;

    fn next(&mut self) -> Option<Picture> {
        let at_ns = self.index * self.interval_ns;
        if at_ns >= SECONDS * NANOS_PER_SEC {
            return None;
        }
        self.index += 1;
        let at_ms = at_ns / 1_000_000;
        let mut luma = self.background.clone();
        match self.scene {
            Scene::StaticNoise => {}
            Scene::MovingSquare => self.square(&mut luma, travelled(at_ms), 40),
            Scene::CrossingSquares => {
                self.square(&mut luma, travelled(at_ms), 16);
                self.square(&mut luma, travelled(at_ms).map(|part| 1000 - part), 40);
            }
            Scene::LightSwitch if dark(at_ms) => luma.iter_mut().for_each(|sample| *sample /= 2),
            Scene::CoveredCamera if dark(at_ms) => luma.fill(12),
            Scene::LightSwitch | Scene::CoveredCamera => {}
        }
        for sample in &mut luma {
            *sample = self.noise.on(*sample);
        }
        Some(Picture { utc_ns: START_UTC_NS + at_ns, luma })
    }
}

/// How far a square has come, in thousandths of the way; `None` when it is not in the picture.
fn travelled(at_ms: i64) -> Option<i64> {
    (5_000..11_000).contains(&at_ms).then(|| (at_ms - 5_000) / 6)
}

fn dark(at_ms: i64) -> bool {
    (8_000..14_000).contains(&at_ms)
}

impl Pictures {
    /// A square of an eighth of the height whose upper edge is at `top` 64ths of the height. It enters and leaves wholly.
    fn square(&self, luma: &mut [u8], travelled: Option<i64>, top: u32) {
        let Some(part) = travelled else { return };
        let (width, height) = (self.head.width as usize, self.head.height as usize);
        let side = (height / 8).max(2);
        let right_end = part as usize * (width + side) / 1000;
        let columns = right_end.saturating_sub(side).min(width)..right_end.min(width);
        let top = height * top as usize / 64;
        for row in top..(top + side).min(height) {
            luma[row * width..][columns.clone()].fill(225);
        }
    }
}

/// Patches between 60 and 179, so that there is a pattern that light and covers can change.
fn background(width: u32, height: u32, seed: u64) -> Vec<u8> {
    let side = (height * PATCH / 64).max(1);
    let shade = |column: u32, row: u32| {
        let mut noise = Noise(seed.wrapping_add(u64::from(row / side) << 32 | u64::from(column / side)));
        60 + (noise.next() % 120) as u8
    };
    (0..height).flat_map(|row| (0..width).map(move |column| shade(column, row))).collect()
}

/// SplitMix64 (Steele, Lea and Flood, 2014): a seed of any kind gives a good sequence.
#[derive(Clone, Debug)]
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn on(&mut self, sample: u8) -> u8 {
        let step = (self.next() >> 32) as i32 % (2 * NOISE + 1);
        (i32::from(sample) + step.abs() - NOISE).clamp(0, 255) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (u32, u32) = (160, 90);

    fn at(scene: Scene, second: usize) -> Vec<u8> {
        scene.pictures(SIZE, 5.0, SEED_DEFAULT).nth(second * 5).unwrap().luma
    }

    fn bright(luma: &[u8]) -> Vec<usize> {
        (0..luma.len()).filter(|&index| luma[index] > 210).map(|index| index % 160).collect()
    }

    #[test]
    fn splitmix_gives_the_published_sequence() {
        // First outputs for the seed 1234567, as in the reference implementation's published test vector (prng.di.unimi.it, splitmix64.c).
        let mut noise = Noise(1_234_567);
        assert_eq!([noise.next(), noise.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn every_scene_has_its_length_and_times_and_the_same_bytes_each_time() {
        for (name, scene, _) in SCENES {
            assert_eq!(Scene::named(name).unwrap(), scene);
            let pictures: Vec<Picture> = scene.pictures(SIZE, 5.0, 7).collect();
            assert_eq!(pictures.len(), 100, "{name}: 20 s at 5 a second");
            assert_eq!(pictures[99].utc_ns - START_UTC_NS, 19_800_000_000, "{name}");
            assert!(pictures.iter().all(|picture| picture.luma.len() == 160 * 90), "{name}");
            assert!(scene.pictures(SIZE, 5.0, 7).eq(pictures.iter().cloned()), "{name}");
            assert!(!scene.pictures(SIZE, 5.0, 8).eq(pictures), "{name}: the seed counts");
        }
        assert!(Scene::named("street").unwrap_err().contains("light-switch"));
    }

    #[test]
    fn squares_go_where_they_are_said_to_go() {
        assert!(bright(&at(Scene::MovingSquare, 4)).is_empty() && bright(&at(Scene::MovingSquare, 11)).is_empty());
        let mean = |columns: Vec<usize>| columns.iter().sum::<usize>() / columns.len();
        let places: Vec<usize> = (6..11).map(|second| mean(bright(&at(Scene::MovingSquare, second)))).collect();
        assert!(places.is_sorted() && places[4] - places[0] > 80, "{places:?}");
        // At the start, one square is at each edge.
        let apart = bright(&at(Scene::CrossingSquares, 6));
        assert!(apart.iter().any(|&column| column < 40) && apart.iter().any(|&column| column > 120), "{apart:?}");
    }

    #[test]
    fn light_and_cover_change_the_whole_picture() {
        let mean = |luma: &[u8]| luma.iter().map(|&sample| u64::from(sample)).sum::<u64>() / luma.len() as u64;
        let light = [6, 10, 16].map(|second| mean(&at(Scene::LightSwitch, second)));
        assert!(light[0].abs_diff(2 * light[1]) <= 3 && light[0].abs_diff(light[2]) <= 1, "{light:?}");
        assert!(at(Scene::CoveredCamera, 10).iter().all(|&sample| sample <= 16));
    }
}
