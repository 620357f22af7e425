//! Drawn scenes: what stops in them, and which way things go, is known.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use proptest::prelude::*;
use watchbook_plugin::{Analyzer, Mark, Zone};
use watchbook_plugins_scenes::{Block, Dice, START_NS, Scene, frame, setup, zone};

const MANIFEST: &str = include_str!("../plugin.toml");
use watchbook_traffic::Watch;

const FPS: usize = 5;

/// What is said while blocks are on the road, each where it says for the number of the frame.
fn run(json: &str, zones: Vec<Zone>, seconds: usize, blocks: impl Fn(usize) -> Vec<Block>) -> Vec<Mark> {
    let mut watch = Watch::start(setup(MANIFEST, json, zones)).unwrap();
    let (mut dice, mut marks) = (Dice(1), Vec::new());
    for number in 0..seconds * FPS {
        let luma = Scene { blocks: blocks(number), ..Scene::default() }.draw(&mut dice);
        let utc_ns = START_NS + number as u64 * 1_000_000_000 / FPS as u64;
        marks.extend(watch.on_frame(&frame(utc_ns, None, luma)).unwrap());
    }
    marks
}

fn told(marks: &[Mark]) -> Vec<(&str, u64)> {
    marks.iter().map(|mark| (mark.kind.as_str(), (mark.end_utc_ns.unwrap() - START_NS) / 1_000_000_000)).collect()
}

fn car(left: f32, top: f32, level: f32) -> Block {
    Block { left, top, size: (90.0, 50.0), level }
}

/// A vehicle that goes 16 pixels a frame from the left edge, beginning with a frame.
fn right(frame: usize, from: usize, top: f32) -> Block {
    car(-90.0 + 16.0 * frame.saturating_sub(from) as f32, top, 210.0)
}

#[test]
fn what_comes_and_stands_is_told_once() {
    // It comes at 12 s, is at 262 of 640 pixels after 22 frames, and stands.
    let found = run("{}", vec![], 60, |frame| vec![right(frame.min(82), 60, 150.0)]);
    let [mark] = &found[..] else { panic!("one stop is expected: {:?}", told(&found)) };
    assert_eq!(mark.kind, "stopped-vehicle");
    // It stands from frame 82 on, which is 16.4 s; 20 s later it is told.
    let (start_s, end_s) =
        ((mark.start_utc_ns - START_NS) as f64 / 1e9, (mark.end_utc_ns.unwrap() - START_NS) as f64 / 1e9);
    assert!((15.5..=17.0).contains(&start_s) && (19.9..=20.5).contains(&(end_s - start_s)), "{start_s} {end_s}");
    let area = mark.detections[0].area;
    let (left, right) = (u32::from(area.x) * 640 / 65_536, u32::from(area.x + area.w) * 640 / 65_536);
    assert!((245..=270).contains(&left) && (345..=370).contains(&right), "{left} to {right}");
}

#[test]
fn what_drives_on_in_time_has_not_stopped() {
    let waits = |frame: usize| vec![right(frame.min(82) + frame.saturating_sub(162), 60, 150.0)];
    assert_eq!(told(&run("{}", vec![], 60, waits)), [], "it waits for 16 s");
    let short = run(r#"{"stop_s": 10}"#, vec![], 60, waits);
    assert_eq!(short.iter().map(|mark| mark.kind.as_str()).collect::<Vec<_>>(), ["stopped-vehicle"]);
}

#[test]
fn what_stood_there_from_the_start_has_not_stopped() {
    let parked = |frame: usize| vec![right(frame, 60, 250.0), car(300.0, 80.0, 220.0)];
    assert_eq!(told(&run(r#"{"stop_s": 5}"#, vec![], 60, parked)), []);
    // Nor does the hole count that it leaves when it drives away after half a minute.
    let leaves = |frame: usize| vec![car(300.0 + 16.0 * frame.saturating_sub(150) as f32, 80.0, 220.0)];
    assert_eq!(told(&run(r#"{"stop_s": 5}"#, vec![], 60, leaves)), []);
}

#[test]
fn it_stands_on_while_others_pass_before_it() {
    let passed = |frame: usize| {
        let lorry = Block {
            left: 640.0 - 16.0 * frame.saturating_sub(120) as f32,
            top: 100.0,
            size: (200.0, 120.0),
            level: 40.0,
        };
        vec![right(frame.min(82), 60, 150.0), lorry]
    };
    let found = run("{}", vec![], 60, passed);
    assert_eq!(found.iter().map(|mark| mark.kind.as_str()).collect::<Vec<_>>(), ["stopped-vehicle"]);
}

#[test]
fn only_a_stop_in_a_zone_counts() {
    let band = |name: &str, top: u16, bottom: u16| zone(name, [(0, top), (65_535, top), (65_535, bottom), (0, bottom)]);
    let zones = vec![band("upper", 0, 20_000), band("lower", 40_000, 65_535)];
    let both = |frame: usize| vec![right(frame.min(82), 60, 150.0), right(frame.min(90), 60, 270.0)];
    let found = run("{}", zones, 60, both);
    assert_eq!(
        found.iter().map(|mark| mark.zone.as_deref()).collect::<Vec<_>>(),
        [Some("lower")],
        "the other stands between the zones"
    );
}

/// Twelve vehicles rightwards, one every 5 s from 2 s on; then one leftwards at 70 s.
fn one_wrong(frame: usize) -> Vec<Block> {
    let mut blocks: Vec<Block> = (0..12).map(|at| right(frame, 10 + at * 25, 150.0)).collect();
    blocks.push(car(640.0 - 16.0 * frame.saturating_sub(350) as f32, 150.0, 210.0));
    blocks
}

#[test]
fn who_goes_against_the_learnt_way_is_told() {
    let found = run("{}", vec![], 80, one_wrong);
    assert_eq!(found.iter().map(|mark| mark.kind.as_str()).collect::<Vec<_>>(), ["wrong-way"]);
    let seconds = (found[0].end_utc_ns.unwrap() - START_NS) / 1_000_000_000;
    assert!((70..=76).contains(&seconds), "{seconds} s");
}

#[test]
fn a_set_way_needs_no_learning() {
    let found = run(r#"{"learn_way": false, "way_degrees": 180}"#, vec![], 20, |frame| vec![right(frame, 30, 150.0)]);
    assert_eq!(found.iter().map(|mark| mark.kind.as_str()).collect::<Vec<_>>(), ["wrong-way"]);
    let with = run(r#"{"learn_way": false}"#, vec![], 20, |frame| vec![right(frame, 30, 150.0)]);
    assert_eq!(told(&with), []);
}

#[test]
fn a_road_with_two_ways_in_one_zone_has_no_wrong_one() {
    let both = |frame: usize| {
        let left = |at: usize| car(640.0 - 16.0 * frame.saturating_sub(20 + at * 25) as f32, 90.0, 210.0);
        (0..13).flat_map(|at| [right(frame, 10 + at * 25, 220.0), left(at)]).collect()
    };
    assert_eq!(told(&run("{}", vec![], 75, both)), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_picture_keeps_the_bounds_of_a_mark(seed in any::<u64>(), steps in proptest::collection::vec((-2000..40_000_i64, 0..4_u8), 1..60)) {
        let json = r#"{"sensitivity": 100, "smallest_percent": 3, "stop_s": 5, "learn_way": false}"#;
        let mut watch = Watch::start(setup(MANIFEST, json, vec![])).unwrap();
        let (mut dice, mut utc_ns) = (Dice(seed), START_NS);
        for (step_ms, kind) in steps {
            utc_ns = utc_ns.saturating_add_signed(step_ms * 1_000_000);
            let luma: Vec<u8> = (0..64 * 48).map(|_| match kind { 0 => dice.roll() as u8, 1 => 0, 2 => 255, _ => 90 }).collect();
            for mark in watch.on_frame(&frame(utc_ns, Some((64, 48)), luma)).unwrap() {
                prop_assert!(mark.start_utc_ns <= utc_ns && mark.end_utc_ns == Some(utc_ns) && utc_ns - mark.start_utc_ns <= 600_000_000_000);
            }
        }
    }
}
