//! Drawn scenes: what happens to the camera in them is known.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use proptest::prelude::*;
use watchbook_plugin::{Analyzer, Mark};
use watchbook_plugins_scenes::{Block, Dice, HEIGHT, START_NS, Scene, WIDTH, frame, setup};
use watchbook_tamper::Watch;

const MANIFEST: &str = include_str!("../plugin.toml");
const FPS: u64 = 2;

struct Camera {
    watch: Watch,
    dice: Dice,
    frames: u64,
}

impl Camera {
    fn new(json: &str) -> Self {
        let mut camera = Self { watch: Watch::start(setup(MANIFEST, json, vec![])).unwrap(), dice: Dice(1), frames: 0 };
        assert_eq!(camera.show(20, |_| drawn(&Scene::default())), [] as [&str; 0], "it learns the view");
        camera
    }

    /// What is told while frames are shown for so many seconds; each is given its number.
    fn show(&mut self, seconds: u64, picture: impl Fn(u64) -> Vec<u8>) -> Vec<String> {
        let mut marks: Vec<Mark> = Vec::new();
        for number in 0..seconds * FPS {
            let mut luma = picture(number);
            self.dice.noise(&mut luma, 3.0);
            let utc_ns = START_NS + self.frames * 1_000_000_000 / FPS;
            self.frames += 1;
            marks.extend(self.watch.on_frame(&frame(utc_ns, None, luma)).unwrap());
        }
        assert!(marks.iter().all(|mark| mark.start_utc_ns <= mark.end_utc_ns.unwrap()), "{marks:?}");
        marks.into_iter().map(|mark| mark.kind).collect()
    }

    fn day(&mut self, seconds: u64) -> Vec<String> {
        self.show(seconds, |_| drawn(&Scene::default()))
    }
}

fn drawn(scene: &Scene) -> Vec<u8> {
    Scene { sigma: 0.0, ..scene.clone() }.draw(&mut Dice(0))
}

/// The mean of `2 * reach + 1` pixels, across and then down, twice: as a lens that is out of focus.
fn blurred(luma: &[u8], reach: usize) -> Vec<u8> {
    let mut levels: Vec<f32> = luma.iter().map(|level| f32::from(*level)).collect();
    for (stride, length) in [(1, WIDTH), (WIDTH, HEIGHT), (1, WIDTH), (WIDTH, HEIGHT)] {
        let lines = WIDTH * HEIGHT / length;
        let mut out = vec![0.0; levels.len()];
        for line in 0..lines {
            let first = if stride == 1 { line * WIDTH } else { line };
            for at in 0..length {
                let part = at.saturating_sub(reach)..(at + reach + 1).min(length);
                let count = part.len() as f32;
                out[first + at * stride] = part.map(|at| levels[first + at * stride]).sum::<f32>() / count;
            }
        }
        levels = out;
    }
    levels.iter().map(|level| (level + 0.5) as u8).collect()
}

#[test]
fn a_covered_camera_is_told_once_and_again_after_it_was_free() {
    let mut camera = Camera::new("{}");
    // A cloth before the lens: a smooth grey that is brighter at one side.
    let cloth = |_| (0..WIDTH * HEIGHT).map(|at| 60 + (at % WIDTH / 16) as u8).collect();
    assert_eq!(camera.show(60, cloth), ["camera-covered"]);
    assert_eq!(camera.day(20), [] as [&str; 0]);
    assert_eq!(camera.show(60, cloth), ["camera-covered"]);
}

#[test]
fn what_covers_it_for_a_moment_is_not_told() {
    let mut camera = Camera::new("{}");
    assert_eq!(camera.show(6, |_| vec![120; WIDTH * HEIGHT]), [] as [&str; 0]);
    assert_eq!(camera.day(30), [] as [&str; 0]);
}

#[test]
fn a_turned_camera_is_told_and_its_new_view_becomes_usual() {
    for shift in [(60, 0), (-24, 16), (2000, 900)] {
        let mut camera = Camera::new("{}");
        let turned = drawn(&Scene { shift, ..Scene::default() });
        assert_eq!(camera.show(60, |_| turned.clone()), ["camera-moved"], "{shift:?}");
        assert_eq!(camera.day(60), ["camera-moved"], "back from {shift:?}");
    }
}

#[test]
fn a_camera_out_of_focus_is_told() {
    let mut camera = Camera::new("{}");
    let blur = blurred(&drawn(&Scene::default()), 5);
    assert_eq!(camera.show(60, |_| blur.clone()), ["camera-defocused"]);
    assert_eq!(camera.day(30), [] as [&str; 0]);
}

#[test]
fn night_and_lamps_are_none_of_the_three() {
    let mut camera = Camera::new("{}");
    let dusk = |frame: u64| drawn(&Scene { light: (1.0 - frame as f32 / 240.0).max(0.02), ..Scene::default() });
    assert_eq!(camera.show(150, dusk), [] as [&str; 0], "it grows dark");
    assert_eq!(camera.show(60, |_| vec![3; WIDTH * HEIGHT]), [] as [&str; 0], "it is dark");
    assert_eq!(camera.day(30), [] as [&str; 0], "a lamp goes on");
    assert_eq!(camera.show(60, |_| vec![3; WIDTH * HEIGHT]), [] as [&str; 0], "a lamp goes off");
    assert_eq!(camera.day(30), [] as [&str; 0]);
    let mut lit = Camera::new(r#"{"dark_is_covered": true}"#);
    assert_eq!(lit.show(60, |_| vec![3; WIDTH * HEIGHT]), ["camera-covered"], "where it is never dark");
}

/// Under infra-red another part of each surface is bright: plates keep their edges and change their levels; colours that differ in daylight may not.
fn infra_red() -> Vec<u8> {
    let level = |at: usize| {
        let (x, y) = ((at % WIDTH) as i32, (at / WIDTH) as i32);
        let plate = Dice((x.div_euclid(53) as u64) << 32 ^ y.div_euclid(37) as u64 ^ 0x5555).roll() % 90;
        Scene::bare(x, y) * 0.3 + 20.0 + plate as f32
    };
    (0..WIDTH * HEIGHT).map(|at| level(at) as u8).collect()
}

#[test]
fn the_switch_to_infra_red_and_back_is_no_turn() {
    let mut camera = Camera::new("{}");
    let night = infra_red();
    assert_eq!(camera.show(120, |_| night.clone()), [] as [&str; 0]);
    assert_eq!(camera.day(120), [] as [&str; 0]);
}

#[test]
fn traffic_is_none_of_the_three() {
    let mut camera = Camera::new("{}");
    let lorry = |left: f32| Block { left, top: 40.0, size: (400.0, 240.0), level: 200.0 };
    let passes =
        |frame: u64| drawn(&Scene { blocks: vec![lorry(-400.0 + 60.0 * (frame % 20) as f32)], ..Scene::default() });
    assert_eq!(camera.show(120, passes), [] as [&str; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_picture_keeps_the_bounds_of_a_mark(seed in any::<u64>(), steps in proptest::collection::vec((-2000..400_000_i64, 0..4_u8), 1..60)) {
        let mut watch = Watch::start(setup(MANIFEST, r#"{"hold_s": 3, "dark_is_covered": true}"#, vec![])).unwrap();
        let (mut dice, mut utc_ns) = (Dice(seed), START_NS);
        for (step_ms, kind) in steps {
            utc_ns = utc_ns.saturating_add_signed(step_ms * 1_000_000);
            let luma: Vec<u8> = (0..64 * 48).map(|at| match kind { 0 => dice.roll() as u8, 1 => 0, 2 => 255, _ => (at % 64 / 8 * 30) as u8 }).collect();
            for mark in watch.on_frame(&frame(utc_ns, Some((64, 48)), luma)).unwrap() {
                prop_assert!(mark.start_utc_ns <= utc_ns && mark.end_utc_ns == Some(utc_ns) && utc_ns - mark.start_utc_ns <= 600_000_000_000);
            }
        }
    }
}
