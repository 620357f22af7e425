//! Real roads, and an hour in which nothing moves. The clips do not come with the sources: `watchbook_plugins_scenes::outside` says where they are looked for.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::path::Path;
use watchbook_plugin::{Analyzer, Mark, Zone};
use watchbook_plugins_scenes::{Clip, SQUARE, START_NS, decode, frame, frozen, outside, setup, zone};
use watchbook_traffic::Watch;

const MANIFEST: &str = include_str!("../plugin.toml");

fn marks(json: &str, zones: Vec<Zone>, frames: impl Iterator<Item = Vec<u8>>) -> Vec<Mark> {
    let mut watch = Watch::start(setup(MANIFEST, json, zones)).unwrap();
    let mut marks = Vec::new();
    for (number, luma) in frames.enumerate() {
        let utc_ns = START_NS + number as u64 * 200_000_000;
        marks.extend(watch.on_frame(&frame(utc_ns, None, luma)).unwrap());
    }
    marks
}

fn lanes(top: u16, bottom: u16) -> Vec<Zone> {
    vec![zone("lanes", [(0, top), (65_535, top), (65_535, bottom), (0, bottom)])]
}

/// The lower lanes of the clip go rightwards, the upper ones leftwards; nobody stops. Turned round, each vehicle is a wrong one.
#[test]
fn a_road_where_all_go_the_right_way_is_quiet() {
    let Some(path) = outside("traffic.mp4") else { return };
    let frames = decode(Clip { path: &path, fps: 5, seconds: 0, filter: "" });
    let (upper, lower) = (lanes(6_553, 19_000), lanes(24_000, 58_000));
    for (zones, way, against) in [(upper, 180, 0), (lower, 0, 180)] {
        let json = |way: i32| format!(r#"{{"stop_s": 5, "learn_way": false, "way_degrees": {way}}}"#);
        let right = marks(&json(way), zones.clone(), frames.clone().into_iter());
        assert_eq!(right, [], "along {way} degrees");
        let wrong = marks(&json(against), zones, frames.clone().into_iter());
        println!("traffic.mp4 against {way} degrees: {} wrong ways", wrong.len());
        assert!(wrong.len() >= 4 && wrong.iter().all(|mark| mark.kind == "wrong-way"), "{wrong:?}");
    }
}

#[test]
fn vehicles_that_pass_have_not_stopped() {
    let Some(path) = outside("car-detection.mp4") else { return };
    let frames = decode(Clip { path: &path, fps: 5, seconds: 0, filter: "" });
    assert!(frames.len() >= 145, "{} frames", frames.len());
    assert_eq!(marks(r#"{"stop_s": 5}"#, vec![], frames.into_iter()), []);
}

#[test]
fn an_hour_of_a_still_square_is_quiet() {
    let first = decode(Clip { path: Path::new(SQUARE), fps: 5, seconds: 1, filter: "crop=768:432:0:104" }).remove(0);
    assert_eq!(marks(r#"{"stop_s": 5}"#, vec![], frozen(&first, 3.0).take(3600 * 5)), []);
}
