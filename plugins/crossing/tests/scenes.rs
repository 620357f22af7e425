//! Drawn scenes: what crosses in them is known.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use proptest::prelude::*;
use watchbook_crossing::Counter;
use watchbook_plugin::{Analyzer, Mark, Zone};
use watchbook_plugins_scenes::{Block, Dice, START_NS, Scene, frame, setup, zone};

const MANIFEST: &str = include_str!("../plugin.toml");

const FPS: u64 = 10;
/// Frames in which the empty road is learnt.
const LEARN: usize = 20;

/// What is said while blocks are on the road, each where it says for the number of the frame, in pixels.
fn run(json: &str, zones: Vec<Zone>, frames: usize, blocks: impl Fn(usize) -> Vec<Block>) -> Vec<Mark> {
    let mut counter = Counter::start(setup(MANIFEST, json, zones)).unwrap();
    let (mut dice, mut marks) = (Dice(1), Vec::new());
    for number in 0..LEARN + frames {
        let blocks = number.checked_sub(LEARN).map(&blocks).unwrap_or_default();
        let luma = Scene { blocks, ..Scene::default() }.draw(&mut dice);
        let utc_ns = START_NS + number as u64 * 1_000_000_000 / FPS;
        marks.extend(counter.on_frame(&frame(utc_ns, None, luma)).unwrap());
    }
    marks
}

fn kinds(marks: &[Mark]) -> Vec<&str> {
    marks.iter().map(|mark| mark.kind.as_str()).collect()
}

/// A vehicle seen from above, 50 x 90 pixels, that comes from above the picture.
fn down(left: f32, frame: usize, speed: f32) -> Block {
    Block { left, top: -90.0 + speed * frame as f32, size: (50.0, 90.0), level: 210.0 }
}

/// The same from below.
fn up(left: f32, frame: usize, speed: f32) -> Block {
    Block { left, top: 360.0 - speed * frame as f32, size: (50.0, 90.0), level: 30.0 }
}

#[test]
fn one_vehicle_is_one_crossing_with_its_direction() {
    let found = run("{}", vec![], 60, |frame| vec![down(200.0, frame, 10.0)]);
    let [mark] = &found[..] else { panic!("one crossing is expected: {found:?}") };
    assert_eq!(
        (mark.kind.as_str(), &mark.zone, mark.note.as_str()),
        ("crossing-in", &None, "Something crossed downwards.")
    );
    // Its middle is at the line (180) after (180 - 45 + 90) / 10 frames; it may be said a few frames later.
    let frame = (mark.start_utc_ns - START_NS) / (1_000_000_000 / FPS) - LEARN as u64;
    assert!((22..=26).contains(&frame), "frame {frame}");
    let area = mark.detections[0].area;
    let (left, right) = (u32::from(area.x) * 640 / 65_536, u32::from(area.x + area.w) * 640 / 65_536);
    assert!((185..=205).contains(&left) && (245..=265).contains(&right), "{left} to {right}");
    assert_eq!(kinds(&run("{}", vec![], 60, |frame| vec![up(200.0, frame, 10.0)])), ["crossing-out"]);
    let turned = run(r#"{"in_is_down": false}"#, vec![], 60, |frame| vec![up(200.0, frame, 10.0)]);
    assert_eq!(kinds(&turned), ["crossing-in"]);
}

#[test]
fn vehicles_side_by_side_and_those_that_meet_count_each() {
    let abreast = run("{}", vec![], 60, |frame| vec![down(200.0, frame, 10.0), down(274.0, frame, 10.0)]);
    assert_eq!(kinds(&abreast), ["crossing-in"; 2], "24 pixels lie between them");
    let meet = run("{}", vec![], 60, |frame| vec![down(200.0, frame, 10.0), up(258.0, frame, 10.0)]);
    let mut both = kinds(&meet);
    both.sort_unstable();
    assert_eq!(both, ["crossing-in", "crossing-out"], "8 pixels lie between them while they pass at the line");
    let queue =
        run("{}", vec![], 90, |frame| (0..3).map(|at| down(200.0, frame.saturating_sub(at * 14), 10.0)).collect());
    assert_eq!(kinds(&queue), ["crossing-in"; 3], "50 pixels lie between one and the next");
}

#[test]
fn who_turns_back_before_the_line_has_not_crossed() {
    let turns = |frame: usize| vec![down(200.0, frame.min(36_usize.saturating_sub(frame)), 10.0)];
    assert_eq!(run("{}", vec![], 60, turns), []);
    // And who goes over and comes back has crossed twice.
    let back = |frame: usize| vec![down(200.0, frame.min(64_usize.saturating_sub(frame)), 10.0)];
    assert_eq!(kinds(&run("{}", vec![], 80, back)), ["crossing-in", "crossing-out"]);
}

#[test]
fn what_stops_on_the_line_counts_once() {
    let stops = |frame: usize| vec![down(200.0, frame.min(22) + frame.saturating_sub(150), 10.0)];
    assert_eq!(kinds(&run("{}", vec![], 200, stops)), ["crossing-in"]);
}

#[test]
fn a_gate_counts_what_passes_between_its_ends() {
    // A standing gate from 1/2 of the height downwards, around the middle.
    let corners = [(30_000, 32_768), (35_000, 32_768), (35_000, 65_535), (30_000, 65_535)];
    let gate = zone("gate", corners);
    let right =
        |top: f32, frame: usize| Block { left: -90.0 + 12.0 * frame as f32, top, size: (90.0, 50.0), level: 210.0 };
    let low = run("{}", vec![gate.clone()], 70, |frame| vec![right(240.0, frame)]);
    assert_eq!(
        low.iter().map(|mark| (mark.kind.as_str(), mark.zone.as_deref())).collect::<Vec<_>>(),
        [("crossing-in", Some("gate"))]
    );
    assert_eq!(run("{}", vec![gate], 70, |frame| vec![right(60.0, frame)]), [], "it passes above the gate");
}

#[test]
fn sizes_are_told_apart_when_the_administrator_has_measured_them() {
    let json = r#"{"vehicle_percent": 20}"#;
    let person = |frame: usize| Block { size: (20.0, 44.0), ..down(200.0, frame, 6.0) };
    let found = run(json, vec![], 80, |frame| vec![person(frame), down(400.0, frame, 6.0)]);
    let mut classes: Vec<_> = found.iter().map(|mark| mark.detections[0].class.as_str()).collect();
    classes.sort_unstable();
    assert_eq!(classes, ["motion", "vehicle"], "44 and 90 of 360 pixels");
}

#[test]
fn what_is_smaller_than_what_counts_does_not() {
    let leaf = |frame: usize| vec![Block { size: (16.0, 16.0), ..down(200.0, frame, 10.0) }];
    assert_eq!(run("{}", vec![], 60, leaf), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_lane_and_speed_count_once(left in 20..560_u32, speed in 3..18_u32, level in 150..250_u32) {
        let frames = 500 / speed as usize;
        let found = run("{}", vec![], frames, |frame| {
            vec![Block { level: level as f32, ..down(left as f32, frame, speed as f32) }]
        });
        prop_assert_eq!(kinds(&found), ["crossing-in"]);
    }

    #[test]
    fn any_picture_keeps_the_bounds_of_a_mark(seed in any::<u64>(), steps in proptest::collection::vec((-2000..70_000_i64, 0..4_u8), 1..60)) {
        let mut counter = Counter::start(setup(MANIFEST, r#"{"sensitivity": 100, "smallest_percent": 3}"#, vec![])).unwrap();
        let (mut dice, mut utc_ns) = (Dice(seed), START_NS);
        for (step_ms, kind) in steps {
            utc_ns = utc_ns.saturating_add_signed(step_ms * 1_000_000);
            let luma: Vec<u8> = (0..64 * 48).map(|_| match kind { 0 => dice.roll() as u8, 1 => 0, 2 => 255, _ => 90 }).collect();
            for mark in counter.on_frame(&frame(utc_ns, Some((64, 48)), luma)).unwrap() {
                prop_assert!(mark.start_utc_ns == utc_ns && (0.0..=1.0).contains(&mark.score) && mark.detections.len() == 1);
            }
        }
    }
}
