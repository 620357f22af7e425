//! The real `watchbook-encode` behind its wall, judged by ffmpeg.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use watchbook_analysis::Point;
use watchbook_analysis::encoder::message::{Job, Pixels};
use watchbook_analysis::encoder::{Encoder, Made, Status};

const PROGRAM: &str = env!("CARGO_BIN_EXE_watchbook-encode");
const WIDTH: u32 = 320;
const HEIGHT: u32 = 180;
const PICTURES: i64 = 30;
/// Enough for a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// What comes out for 30 pictures that are white but for one black column that moves. A device's lines are 32 bytes longer than they need to be.
fn encoded(pixels: Pixels, masks: Vec<Vec<Point>>) -> (Vec<(i64, Vec<u8>)>, Status) {
    let line_bytes = pixels.line_bytes(WIDTH) + 32;
    let job = Job { pixels, width: WIDTH, height: HEIGHT, line_bytes, fps: 10, masks, fast: false };
    let (to, from) = channel();
    let encoder = Encoder::spawn(Path::new(PROGRAM), job, move |made| drop(to.send(made))).unwrap();
    let mut units = Vec::new();
    for number in 0..PICTURES {
        let picture = picture(pixels, line_bytes as usize, number as usize * 8);
        // There may be no child yet, and never more than four pictures on their way.
        while !encoder.offer(&picture, number * 100_000) {
            units.extend(wait_unit(&from, Duration::from_millis(20)));
        }
    }
    while units.len() < PICTURES as usize {
        units.extend(wait_unit(&from, LONG));
    }
    let status = encoder.status();
    (units, status)
}

fn wait_unit(from: &Receiver<Made>, deadline: Duration) -> Option<(i64, Vec<u8>)> {
    match from.recv_timeout(deadline) {
        Ok(Made::Coded { at_us, data }) => Some((at_us, data)),
        Ok(other) => panic!("{other:?}"),
        Err(_) if deadline == LONG => panic!("no access unit came"),
        Err(_) => None,
    }
}

fn picture(pixels: Pixels, line_bytes: usize, column: usize) -> Vec<u8> {
    let luma = |at: usize| if (column..column + 8).contains(&at) { 16 } else { 235 };
    let mut all = Vec::new();
    for (plane, (line, shift)) in pixels.planes(line_bytes).into_iter().enumerate() {
        let one: Vec<u8> = (0..line)
            .map(|byte| match (pixels, plane) {
                (Pixels::Yuyv, _) if byte % 2 == 0 => luma(byte / 2),
                (Pixels::Yuyv, _) => 128,
                (_, 0) => luma(byte),
                _ => 128,
            })
            .collect();
        all.extend(one.repeat((HEIGHT as usize) >> shift));
    }
    all
}

/// Grey values of each picture, as ffmpeg decodes them.
fn decoded(units: &[(i64, Vec<u8>)]) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let (coded, raw) = (dir.path().join("a.h264"), dir.path().join("a.gray"));
    std::fs::write(&coded, units.iter().flat_map(|(_, data)| data.clone()).collect::<Vec<u8>>()).unwrap();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(["-v", "error", "-i"])
        .arg(&coded)
        .args(["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p"])
        .arg(&raw);
    assert!(ffmpeg.status().unwrap().success());
    let all = std::fs::read(&raw).unwrap();
    let size = (WIDTH * HEIGHT) as usize;
    all.chunks(size * 3 / 2).map(|picture| picture[..size].to_vec()).collect()
}

#[test]
fn raw_pictures_become_h264_that_others_decode_and_what_is_masked_is_black_for_good() {
    // The left quarter.
    let corner = |x, y| Point::from_fractions(x, y);
    let mask = vec![corner(0.0, 0.0), corner(0.24, 0.0), corner(0.24, 1.0), corner(0.0, 1.0)];
    for pixels in [Pixels::Yuyv, Pixels::Nv12, Pixels::Yu12] {
        let (units, status) = encoded(pixels, vec![mask.clone()]);
        assert_eq!(
            units.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
            (0..PICTURES).map(|n| n * 100_000).collect::<Vec<_>>()
        );
        assert!(status.encoder.is_some() && status.pictures == PICTURES as u64, "{status:?}");
        let pictures = decoded(&units);
        assert_eq!(pictures.len(), PICTURES as usize);
        for (number, picture) in pictures.iter().enumerate() {
            let row = &picture[(WIDTH * HEIGHT / 2) as usize..][..WIDTH as usize];
            assert!(row[..72].iter().all(|grey| *grey < 40), "{pixels:?} {number}: the mask is black");
            let column = number * 8 + 4;
            if (88..WIDTH as usize - 16).contains(&column) {
                assert!(row[column] < 80, "{pixels:?} {number}: the column is where it was: {}", row[column]);
            }
            assert!(row[310] > 200, "{pixels:?} {number}: the rest is white");
        }
    }
}

#[test]
fn a_picture_that_is_too_short_costs_itself() {
    let job = Job {
        pixels: Pixels::Yuyv,
        width: WIDTH,
        height: HEIGHT,
        line_bytes: WIDTH * 2,
        fps: 10,
        masks: Vec::new(),
        fast: false,
    };
    let (to, from) = channel();
    let encoder = Encoder::spawn(Path::new(PROGRAM), job, move |made| drop(to.send(made))).unwrap();
    let whole = picture(Pixels::Yuyv, (WIDTH * 2) as usize, 0);
    let mut at_us = 0;
    let mut offer = |bytes: &[u8]| {
        at_us += 1;
        while !encoder.offer(bytes, at_us) {
            assert!(wait_unit(&from, Duration::from_millis(20)).is_none(), "nothing was offered yet");
        }
    };
    offer(&whole[..1000]);
    offer(&whole);
    assert_eq!(wait_unit(&from, LONG).map(|(at_us, _)| at_us), Some(2));
}
