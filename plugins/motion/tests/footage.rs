//! Real footage: pedestrians on a square (vtest.avi of OpenCV's samples, Debian package opencv-doc), decoded by ffmpeg.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::path::Path;
use watchbook_motion::{Detector, Motion, Picture, Settings};
use watchbook_plugin::{Point, Zone};
use watchbook_plugins_scenes::{Clip, SQUARE, decode, frozen};

const WIDTH: usize = 640;
const HEIGHT: usize = 360;
const START: u64 = 1_764_000_000_000_000_000;
const FRAME_NS: u64 = 200_000_000;

/// 30 seconds at 5 frames a second, as the recorder's analysis would give them; cut to 16:9 as `tests/e2e` does.
fn footage() -> Vec<Vec<u8>> {
    decode(Clip { path: Path::new(SQUARE), fps: 5, seconds: 30, filter: "crop=768:432:0:104" })
}

fn motions(frames: &[Vec<u8>], sensitivity: u32, zones: Vec<Zone>) -> Vec<Motion> {
    let settings = Settings { sensitivity, ..Settings::default() };
    let mut detector = Detector::new(settings, zones).unwrap();
    let mut motions = Vec::new();
    let still = std::iter::repeat_n(frames.last().unwrap(), 20);
    for (number, luma) in frames.iter().chain(still).enumerate() {
        let utc_ns = START + number as u64 * FRAME_NS;
        let picture = Picture { width: WIDTH as u32, height: HEIGHT as u32, utc_ns, luma };
        motions.extend(detector.frame(&picture).unwrap());
    }
    motions
}

#[test]
fn pedestrians_are_motion_and_a_frozen_picture_with_noise_is_not() {
    let frames = footage();
    assert!(frames.len() >= 140, "{} frames", frames.len());
    let found = motions(&frames, 50, vec![]);
    let moving_ns: u64 = found.iter().map(|motion| motion.end_ns - motion.start_ns).sum();
    assert!(moving_ns > 20_000_000_000, "somebody walks there all the time: {found:?}");
    assert!(found.iter().any(|motion| motion.areas.len() >= 3), "several people at once: {found:?}");
    // A pedestrian is 20 to 40 pixels wide there; a place as wide as half the square would be the square.
    assert!(found.iter().flat_map(|motion| &motion.areas).all(|(area, _)| area.w < 32_768), "{found:?}");

    let frozen: Vec<Vec<u8>> = frozen(&frames[50], 4.0).take(150).collect();
    assert_eq!(motions(&frozen, 100, vec![]), []);
}

#[test]
fn a_lawn_that_nobody_walks_on_is_still() {
    // The lower left corner is grass; people walk through the upper half.
    let zone = |name: &str, (left, top, right, bottom): (u16, u16, u16, u16)| Zone {
        name: name.into(),
        outline: [(left, top), (right, top), (right, bottom), (left, bottom)].map(|(x, y)| Point { x, y }).to_vec(),
    };
    let zones = vec![zone("lawn", (0, 45_000, 25_000, 65_535)), zone("path", (0, 0, 65_535, 32_768))];
    let found = motions(&footage(), 50, zones);
    let in_zone = |number| found.iter().filter(|motion| motion.zone == Some(number)).count();
    assert_eq!(in_zone(0), 0, "{found:?}");
    assert!(in_zone(1) > 0);
}

#[test]
fn an_hour_of_a_still_square_is_still() {
    let first = decode(Clip { path: Path::new(SQUARE), fps: 5, seconds: 1, filter: "crop=768:432:0:104" }).remove(0);
    let mut detector = Detector::new(Settings::default(), vec![]).unwrap();
    // An hour at 5 frames a second.
    for (number, luma) in frozen(&first, 3.0).take(3600 * 5).enumerate() {
        let utc_ns = START + number as u64 * FRAME_NS;
        let picture = Picture { width: WIDTH as u32, height: HEIGHT as u32, utc_ns, luma: &luma };
        assert_eq!(detector.frame(&picture).unwrap(), []);
    }
}
