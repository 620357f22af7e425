//! Real footage with counts made by hand. The clips with vehicles do not come with the sources: `watchbook_plugins_scenes::outside` says where they are looked for.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::path::Path;
use watchbook_crossing::Counter;
use watchbook_plugin::{Analyzer, Mark, Zone};
use watchbook_plugins_scenes::{Clip, SQUARE, START_NS, decode, frame, frozen, outside, setup, zone};

const MANIFEST: &str = include_str!("../plugin.toml");

/// A crossing may be said so many seconds before or after it was seen by eye.
const SECONDS_OFF: f64 = 0.7;

fn marks(frames: impl Iterator<Item = Vec<u8>>, fps: u64, zones: Vec<Zone>) -> Vec<Mark> {
    let mut counter = Counter::start(setup(MANIFEST, "{}", zones)).unwrap();
    let mut marks = Vec::new();
    for (number, luma) in frames.enumerate() {
        let utc_ns = START_NS + number as u64 * 1_000_000_000 / fps;
        marks.extend(counter.on_frame(&frame(utc_ns, None, luma)).unwrap());
    }
    marks
}

/// Times and directions from a file of `footage/`.
fn by_hand(text: &str) -> Vec<(f64, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.split(' ');
            (words.next().unwrap().parse().unwrap(), words.next().unwrap())
        })
        .collect()
}

/// Takes each crossing that was seen by eye away from those that the plugin says: those missed, and those that were none.
fn compare<'a>(truth: &[(f64, &'a str)], marks: &[Mark], inwards: &str) -> (Vec<(f64, &'a str)>, Vec<f64>) {
    let seconds = |mark: &Mark| (mark.start_utc_ns - START_NS) as f64 / 1e9;
    let mut said: Vec<(f64, bool)> = marks.iter().map(|mark| (seconds(mark), mark.kind == "crossing-in")).collect();
    let mut missed = Vec::new();
    for (time, direction) in truth {
        let same =
            |(said, inside): &(f64, bool)| (said - time).abs() <= SECONDS_OFF && *inside == (*direction == inwards);
        match said.iter().position(same) {
            Some(at) => drop(said.remove(at)),
            None => missed.push((*time, *direction)),
        }
    }
    (missed, said.iter().map(|(time, _)| *time).collect())
}

fn gate(left: u16, top: u16, right: u16) -> Vec<Zone> {
    vec![zone("gate", [(left, top), (right, top), (right, 65_535), (left, 65_535)])]
}

/// Always there: `.ci/setup` installs it.
#[test]
fn everybody_on_the_path_of_a_square_counts_once() {
    let truth = by_hand(include_str!("../footage/square.txt"));
    for fps in [8, 10] {
        let clip = Clip { path: Path::new(SQUARE), fps, seconds: 0, filter: "crop=768:432:0:104" };
        // 142 to 158 of 640 pixels across, the path alone.
        let across = zone("gate", [(14_540, 11_141), (16_179, 11_141), (16_179, 39_321), (14_540, 39_321)]);
        let found = marks(decode(clip).into_iter(), fps.into(), vec![across]);
        let (missed, none) = compare(&truth, &found, "right");
        println!("vtest.avi at {fps} frames a second: {} said, missed {missed:?}, wrong {none:?}", found.len());
        assert!((missed.len() + none.len()) * 10 <= truth.len(), "missed {missed:?}, wrong {none:?}");
    }
}

#[test]
fn every_vehicle_of_a_quiet_road_counts_once() {
    let Some(path) = outside("car-detection.mp4") else { return };
    for fps in [5, 10] {
        let frames = decode(Clip { path: &path, fps, seconds: 0, filter: "" });
        assert!(frames.len() as u32 >= 29 * fps, "{} frames", frames.len());
        let found = marks(frames.into_iter(), fps.into(), vec![]);
        let (missed, none) = compare(&by_hand(include_str!("../footage/car-detection.txt")), &found, "down");
        println!("car-detection.mp4 at {fps} frames a second: {} said, missed {missed:?}, wrong {none:?}", found.len());
        assert!(missed.is_empty() && none.is_empty(), "missed {missed:?}, wrong {none:?}");
    }
}

#[test]
fn a_busy_road_is_counted_to_a_tenth() {
    let Some(path) = outside("traffic.mp4") else { return };
    let truth = by_hand(include_str!("../footage/traffic.txt"));
    for fps in [8, 10] {
        let frames = decode(Clip { path: &path, fps, seconds: 0, filter: "" });
        let found = marks(frames.into_iter(), fps.into(), gate(30_000, 6_553, 35_000));
        let (missed, none) = compare(&truth, &found, "right");
        println!("traffic.mp4 at {fps} frames a second: {} said, missed {missed:?}, wrong {none:?}", found.len());
        assert!(found.len().abs_diff(truth.len()) * 10 <= truth.len(), "{} instead of {}", found.len(), truth.len());
        assert!((missed.len() + none.len()) * 10 <= truth.len(), "missed {missed:?}, wrong {none:?}");
    }
}

#[test]
fn an_hour_of_a_still_square_has_no_crossing() {
    let first = decode(Clip { path: Path::new(SQUARE), fps: 5, seconds: 1, filter: "crop=768:432:0:104" }).remove(0);
    // An hour at 5 frames a second.
    let frames = frozen(&first, 3.0).take(3600 * 5);
    assert_eq!(marks(frames, 5, vec![]), []);
}
