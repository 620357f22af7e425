//! A real square: pedestrians on it, an hour in which nothing moves, and the same picture turned, blurred and covered.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::path::Path;
use watchbook_plugin::Analyzer;
use watchbook_plugins_scenes::{Clip, SQUARE, START_NS, decode, frame, frozen, outside, setup};
use watchbook_tamper::Watch;

const MANIFEST: &str = include_str!("../plugin.toml");

const CROP: &str = "crop=640:360:60:120";

fn kinds(frames: impl Iterator<Item = Vec<u8>>, fps: u64) -> Vec<String> {
    let mut watch = Watch::start(setup(MANIFEST, "{}", vec![])).unwrap();
    let mut kinds = Vec::new();
    for (number, luma) in frames.enumerate() {
        let utc_ns = START_NS + number as u64 * 1_000_000_000 / fps;
        kinds.extend(watch.on_frame(&frame(utc_ns, None, luma)).unwrap().into_iter().map(|mark| mark.kind));
    }
    kinds
}

fn square(filter: &str) -> Vec<Vec<u8>> {
    decode(Clip { path: Path::new(SQUARE), fps: 2, seconds: 30, filter })
}

#[test]
fn pedestrians_are_none_of_the_three() {
    let all = decode(Clip { path: Path::new(SQUARE), fps: 2, seconds: 0, filter: CROP });
    assert!(all.len() >= 150, "{} frames", all.len());
    assert_eq!(kinds(all.into_iter(), 2), [] as [&str; 0]);
}

/// Vehicles that fill a third of the picture and make the camera change its exposure; a busy road.
#[test]
fn vehicles_are_none_of_the_three() {
    for path in ["car-detection.mp4", "traffic.mp4"].into_iter().filter_map(outside) {
        let frames = decode(Clip { path: &path, fps: 2, seconds: 0, filter: "" });
        assert!(frames.len() >= 38, "{} frames", frames.len());
        assert_eq!(kinds(frames.into_iter(), 2), [] as [&str; 0], "{}", path.display());
    }
}

#[test]
fn a_real_view_that_is_turned_blurred_or_covered_is_told() {
    let usual = square(CROP);
    for (filter, kind) in [
        ("crop=640:360:110:150", "camera-moved"),
        ("crop=640:360:60:120,gblur=sigma=5", "camera-defocused"),
        ("crop=640:360:60:120,gblur=sigma=80,eq=contrast=0.2:brightness=-0.2", "camera-covered"),
    ] {
        let frames = usual.iter().cloned().chain(square(filter));
        assert_eq!(kinds(frames, 2), [kind], "{filter}");
    }
}

#[test]
fn an_hour_of_a_still_square_is_quiet() {
    let first = square(CROP).remove(0);
    assert_eq!(kinds(frozen(&first, 3.0).take(3600 * 5), 5), [] as [&str; 0]);
}
