//! Drawn scenes: what moves in them is known to the pixel.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use proptest::prelude::*;
use watchbook_motion::{Detector, Motion, Picture, Settings};
use watchbook_plugin::{Area, Zone};
use watchbook_plugins_scenes::{settings, zone};

const MANIFEST: &str = include_str!("../plugin.toml");

const MS: u64 = 1_000_000;
const START: u64 = 1_764_000_000_000 * MS;
const FRAME_MS: u64 = 200;
const WIDTH: usize = 640;
const HEIGHT: usize = 360;

/// Numbers that look random and are the same each time (Steele, Lea and Flood's splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// About normal with a standard deviation of `sigma`: the sum of twelve even ones.
    fn noise(&mut self, sigma: f32) -> f32 {
        let bits = [self.roll(), self.roll()];
        let sum: u32 = (0..12).map(|at| (bits[at / 6] >> (at % 6 * 10) & 1023) as u32).sum();
        (sum as f32 / 1024.0 - 6.0) * sigma
    }
}

/// A wall with a pattern, a brightness, noise, and a bright block with an edge.
#[derive(Clone, Copy)]
struct Drawn {
    light: f32,
    sigma: f32,
    /// Left edge, top edge, width, height in pixels; brightness.
    block: Option<(usize, usize, usize, usize, f32)>,
}

const EMPTY: Drawn = Drawn { light: 1.0, sigma: 3.0, block: None };

fn drawn(scene: Drawn, dice: &mut Dice) -> Vec<u8> {
    let pixel = |at: usize, dice: &mut Dice| {
        let (x, y) = (at % WIDTH, at / WIDTH);
        let wall = 70.0 + ((x * 7 + y * 3) % 31) as f32 + ((x / 40 + y / 40) % 2 * 20) as f32;
        let inside = |(left, top, width, height, _): &(usize, usize, usize, usize, f32)| {
            (*left..left + width).contains(&x) && (*top..top + height).contains(&y)
        };
        let plain = scene.block.filter(|block| inside(block)).map_or(wall, |block| block.4);
        (plain * scene.light + dice.noise(scene.sigma)).round().clamp(0.0, 255.0) as u8
    };
    (0..WIDTH * HEIGHT).map(|at| pixel(at, dice)).collect()
}

struct Camera {
    detector: Detector,
    dice: Dice,
    utc_ns: u64,
}

impl Camera {
    fn new(json: &str, zones: Vec<Zone>) -> Self {
        let detector = Detector::new(Settings::parse(&settings(MANIFEST, json)).unwrap(), zones).unwrap();
        Self { detector, dice: Dice(1), utc_ns: START }
    }

    fn show(&mut self, scene: Drawn) -> Vec<Motion> {
        let luma = drawn(scene, &mut self.dice);
        let picture = Picture { width: WIDTH as u32, height: HEIGHT as u32, utc_ns: self.utc_ns, luma: &luma };
        let motions = self.detector.frame(&picture).unwrap();
        self.utc_ns += FRAME_MS * MS;
        motions
    }

    /// What is given while `scene` is shown for so many frames; it is told the number of each.
    fn run(&mut self, frames: usize, scene: impl Fn(usize) -> Drawn) -> Vec<Motion> {
        (0..frames).flat_map(|frame| self.show(scene(frame))).collect()
    }

    fn now_ms(&self) -> u64 {
        (self.utc_ns - START) / MS
    }
}

/// A block of 48 x 80 pixels that walks 8 pixels a frame from `left`.
fn walker(left: usize, frame: usize) -> Drawn {
    Drawn { block: Some((left + 8 * frame, 160, 48, 80, 200.0)), ..EMPTY }
}

fn times_ms(motions: &[Motion]) -> Vec<(u64, u64)> {
    motions.iter().map(|motion| ((motion.start_ns - START) / MS, (motion.end_ns - START) / MS)).collect()
}

fn rectangle(name: &str, (left, top, right, bottom): (u16, u16, u16, u16)) -> Zone {
    zone(name, [(left, top), (right, top), (right, bottom), (left, bottom)])
}

#[test]
fn a_still_scene_gives_nothing_however_noisy() {
    for sigma in [0.0, 3.0, 12.0] {
        let mut camera = Camera::new(r#"{"sensitivity": 100}"#, vec![]);
        assert_eq!(camera.run(150, |_| Drawn { sigma, ..EMPTY }), [], "noise of {sigma} levels");
    }
}

#[test]
fn a_walker_gives_one_motion_with_its_times_and_place() {
    let mut camera = Camera::new("{}", vec![]);
    assert_eq!(camera.run(20, |_| EMPTY), []);
    let begin = camera.now_ms();
    let mut motions = camera.run(25, |frame| walker(100, frame));
    let last = camera.now_ms() - FRAME_MS;
    motions.extend(camera.run(30, |_| EMPTY));
    let [motion] = &motions[..] else { panic!("one motion is expected: {motions:?}") };
    assert_eq!(times_ms(&motions), [(begin, last)]);
    assert_eq!((motion.zone, motion.continued, motion.areas.len()), (None, false, 1));
    assert!(motion.score > 0.7 && motion.note() == "Something moved for 4.8 s.", "{motion:?}");
    // In the frame of the peak it is somewhere between 100 and 100 + 24 * 8 + 48 pixels, 80 high from 160, and what it has uncovered counts for a while.
    let Area { x, y, w, h } = motion.areas[0].0;
    let pixels = |fraction: u16, side: usize| usize::from(fraction) * side / 65_536;
    let (left, right) = (pixels(x, WIDTH), pixels(x + w, WIDTH));
    let (top, bottom) = (pixels(y, HEIGHT), pixels(y + h, HEIGHT));
    assert!(left >= 88 && right <= 348 && right - left >= 40, "{left} to {right}");
    assert!((152..=160).contains(&top) && (239..=248).contains(&bottom), "{top} to {bottom}");
}

#[test]
fn what_stops_becomes_part_of_the_scene_and_is_motion_again_when_it_leaves() {
    let mut camera = Camera::new("{}", vec![]);
    camera.run(20, |_| EMPTY);
    let came = camera.run(300, |frame| walker(100, frame.min(15)));
    assert_eq!(came.len(), 1);
    let stood = times_ms(&came)[0].1 - times_ms(&came)[0].0;
    assert!((3000..=3400).contains(&stood), "it moved for 16 frames, not for {stood} ms");
    let mut left = camera.run(15, |frame| walker(220, frame));
    left.extend(camera.run(30, |_| EMPTY));
    assert_eq!(left.len(), 1);
}

#[test]
fn only_what_moves_in_a_zone_counts_and_it_is_named() {
    // The walker crosses 100 to 340 of 640 pixels at 160 to 240 of 360.
    let left = rectangle("left", (0, 0, 20_000, 65_535));
    let sky = rectangle("sky", (0, 0, 65_535, 26_000));
    let all = rectangle("all", (0, 0, 65_535, 65_535));
    let mut camera = Camera::new("{}", vec![sky.clone(), left, all]);
    camera.run(20, |_| EMPTY);
    let mut motions = camera.run(25, |frame| walker(100, frame));
    motions.extend(camera.run(30, |_| EMPTY));
    let zones: Vec<_> = motions.iter().map(|motion| motion.zone).collect();
    assert_eq!(zones, [Some(1), Some(2)], "the left zone is left first");
    let (part, whole) = (motions[0].end_ns - motions[0].start_ns, motions[1].end_ns - motions[1].start_ns);
    assert!(part < whole);
    let Area { x, w, .. } = motions[0].areas[0].0;
    assert!(x + w <= 20_000 + 820, "the area ends with the zone");

    let mut blind = Camera::new(r#"{"sensitivity": 100}"#, vec![sky]);
    blind.run(20, |_| EMPTY);
    let motions = blind.run(60, |frame| walker(100, frame.min(25)));
    assert_eq!(motions, []);
}

#[test]
fn light_that_changes_is_no_motion() {
    for (from, to) in [(1.0, 1.8), (1.0, 0.3), (1.0, 1.1)] {
        let mut camera = Camera::new("{}", vec![]);
        camera.run(20, |_| Drawn { light: from, ..EMPTY });
        assert_eq!(camera.run(60, |_| Drawn { light: to, ..EMPTY }), [], "a lamp: {from} to {to}");
        let cloud = |frame: usize| Drawn { light: to + (from - to) * (frame.min(25) as f32 / 25.0), ..EMPTY };
        assert_eq!(camera.run(60, cloud), [], "a cloud: {to} to {from}");
        let mut motions = camera.run(25, |frame| walker(100, frame));
        motions.extend(camera.run(20, |_| EMPTY));
        assert_eq!(motions.len(), 1, "and it sees on afterwards");
    }
}

#[test]
fn what_sways_all_the_time_is_noise_after_a_while() {
    let mut camera = Camera::new("{}", vec![]);
    let sways = |frame: usize| Drawn { block: Some((300 + frame * 5 % 4 * 4, 100, 80, 80, 110.0)), ..EMPTY };
    let restless = camera.run(600, sways);
    assert!(restless.iter().all(|motion| motion.end_ns < START + 60_000 * MS), "{:?}", times_ms(&restless));
    let walker = |frame: usize| {
        let mut scene = sways(frame);
        if frame < 30 {
            scene.block = Some((100 + 8 * frame, 250, 48, 80, 200.0));
        }
        scene
    };
    assert!(!camera.run(60, walker).is_empty(), "a walker elsewhere is seen");
}

#[test]
fn a_clock_that_steps_back_ends_a_motion_and_begins_another() {
    let mut camera = Camera::new("{}", vec![]);
    camera.run(20, |_| EMPTY);
    assert_eq!(camera.run(15, |frame| walker(100, frame)), []);
    camera.utc_ns -= 1000 * MS;
    let step_ms = camera.now_ms();
    let cut = camera.run(1, |_| walker(220, 0));
    assert_eq!(times_ms(&cut), [(4000, step_ms)], "what lies before the step is kept");
    let mut rest = camera.run(15, |frame| walker(228, frame));
    rest.extend(camera.run(20, |_| EMPTY));
    assert_eq!(times_ms(&rest), [(step_ms + FRAME_MS, step_ms + 15 * FRAME_MS)]);

    assert_eq!(camera.run(10, |frame| walker(100, frame)), []);
    camera.utc_ns -= 3_600_000 * MS;
    assert_eq!(camera.run(60, |_| EMPTY), [], "an hour back: the motion lies in the future and cannot be given");
}

#[test]
fn missing_frames_end_a_motion_with_the_last_one_seen() {
    let mut camera = Camera::new("{}", vec![]);
    camera.run(20, |_| EMPTY);
    camera.run(10, |frame| walker(100, frame));
    let last = camera.now_ms() - FRAME_MS;
    camera.utc_ns += 120_000 * MS;
    let cut = camera.run(1, |_| walker(400, 0));
    assert_eq!(times_ms(&cut), [(4000, last)]);
    camera.run(10, |frame| walker(100, frame));
    camera.utc_ns += 1_000_000 * MS;
    assert_eq!(camera.run(1, |_| EMPTY), [], "more than ten minutes ago cannot be given");
}

#[test]
fn another_resolution_begins_afresh() {
    let mut camera = Camera::new("{}", vec![rectangle("low", (0, 32_768, 65_535, 65_535))]);
    camera.run(20, |_| EMPTY);
    camera.run(10, |frame| Drawn { block: Some((100 + 8 * frame, 240, 48, 80, 200.0)), ..EMPTY });
    let luma = vec![90; 320 * 180];
    let small = |camera: &mut Camera| {
        let picture = Picture { width: 320, height: 180, utc_ns: camera.utc_ns, luma: &luma };
        camera.utc_ns += FRAME_MS * MS;
        camera.detector.frame(&picture).unwrap()
    };
    let cut = small(&mut camera);
    assert_eq!(times_ms(&cut), [(4000, 5800)]);
    assert!((0..30).all(|_| small(&mut camera).is_empty()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn a_higher_sensitivity_sees_no_less(
        low in 0..100_u32, more in 1..50_u32, brightness in 80..200_u32, side in 10..60_usize, speed in 1..14_usize,
    ) {
        let json = |sensitivity: u32| format!(r#"{{"sensitivity": {}, "minimum_duration_ms": 0, "quiet_ms": 500}}"#, sensitivity.min(100));
        let (mut dull, mut keen) = (Camera::new(&json(low), vec![]), Camera::new(&json(low + more), vec![]));
        let scene = |frame: usize| match frame {
            10..40 => Drawn { block: Some((20 + speed * frame, 150, side, side, brightness as f32)), ..EMPTY },
            _ => EMPTY,
        };
        let (less, more) = (dull.run(60, scene), keen.run(60, scene));
        for motion in &less {
            prop_assert!(more.iter().any(|other| other.start_ns <= motion.start_ns && other.end_ns >= motion.end_ns), "{less:?} {more:?}");
        }
    }

    #[test]
    fn any_picture_keeps_the_bounds_of_a_mark(seed in any::<u64>(), steps in proptest::collection::vec((-2000..70_000_i64, 0..3_u8), 1..60)) {
        let json = settings(MANIFEST, r#"{"sensitivity": 100, "minimum_duration_ms": 0}"#);
        let mut detector = Detector::new(Settings::parse(&json).unwrap(), vec![]).unwrap();
        let (mut dice, mut utc_ns) = (Dice(seed), START);
        for (step_ms, kind) in steps {
            utc_ns = utc_ns.saturating_add_signed(step_ms * MS as i64);
            let luma: Vec<u8> = (0..64 * 48).map(|_| match kind { 0 => dice.roll() as u8, 1 => 0, _ => 255 }).collect();
            for motion in detector.frame(&Picture { width: 64, height: 48, utc_ns, luma: &luma }).unwrap() {
                prop_assert!(motion.start_ns <= motion.end_ns && motion.end_ns <= utc_ns);
                prop_assert!(utc_ns - motion.start_ns <= 600_000 * MS);
                prop_assert!((0.0..=1.0).contains(&motion.score) && (1..=8).contains(&motion.areas.len()));
                for (Area { x, y, w, h }, score) in motion.areas {
                    prop_assert!(u32::from(x) + u32::from(w) <= 65_536 && u32::from(y) + u32::from(h) <= 65_536);
                    prop_assert!((0.0..=1.0).contains(&score));
                }
            }
        }
    }
}
