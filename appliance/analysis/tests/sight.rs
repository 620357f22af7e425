//! Frozen and covered cameras in coded footage: made and coded by the `ffmpeg` program with H.264 as cameras do, its key frames judged as if a minute lay between two.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use std::process::Command;
use watchbook_analysis::sight::{OUTPUT, Sight, Trouble};
use watchbook_base::UtcNanos;

/// A square with people, from the package opencv-doc.
const SQUARE: &str = "movie=/usr/share/doc/opencv-doc/examples/data/vtest.avi:loop=0,setpts=N/10/TB";
/// The same, standing still.
const STILL: &str =
    "movie=/usr/share/doc/opencv-doc/examples/data/vtest.avi,select='eq(n,20)',loop=-1:1:0,setpts=N/10/TB";
const MINUTE_NS: i64 = 60_000_000_000;

/// `looks` key frames of what `source` draws, coded with `coder`, as the decoder would give them.
fn key_frames(source: &str, coder: &[&str], looks: usize) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("coded.mp4");
    let file = file.to_str().unwrap();
    let seconds = looks.to_string();
    let source = format!("{source},scale=640:360");
    let code = [
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        &source,
        "-t",
        &seconds,
        "-r",
        "10",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
    ];
    let keys = ["-g", "10", "-keyint_min", "10", "-sc_threshold", "0", "-bf", "0", "-pix_fmt", "yuv420p", file];
    run(&[&code[..], coder, &keys[..]].concat());
    let gray = "scale=320:180:flags=area,format=gray";
    let raw = run(&[
        "-v",
        "error",
        "-skip_frame",
        "nokey",
        "-i",
        file,
        "-fps_mode",
        "passthrough",
        "-vf",
        gray,
        "-f",
        "rawvideo",
        "-",
    ]);
    let frames: Vec<Vec<u8>> = raw.chunks_exact(OUTPUT.frame_bytes()).map(<[u8]>::to_vec).collect();
    assert_eq!(frames.len(), looks, "a key frame each second of {source}");
    frames
}

fn run(args: &[&str]) -> Vec<u8> {
    let output =
        Command::new("ffmpeg").args(args).output().expect("the ffmpeg program is needed: apt-get install ffmpeg");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// What is said after each look, a minute apart.
fn said(frames: &[Vec<u8>]) -> Vec<Option<Trouble>> {
    let mut sight = Sight::default();
    let look = |(minute, luma): (usize, &Vec<u8>)| {
        sight.look(UtcNanos(minute as i64 * MINUTE_NS), luma, |_, _| false).map(|(trouble, _)| trouble)
    };
    frames.iter().enumerate().map(look).collect()
}

#[test]
fn an_hour_of_life_by_day_and_by_night_raises_no_alarm() {
    let night = format!("{STILL},eq=brightness=-0.35:contrast=0.6,noise=alls=8:allf=t");
    let filtered = format!("{STILL},eq=brightness=-0.35:contrast=0.6,noise=alls=4:allf=t,hqdn3d=8");
    let darkest = format!("{STILL},eq=brightness=-0.45:contrast=0.4,noise=alls=3:allf=t");
    let scenes = [
        ("a square by day", SQUARE.to_owned(), ["-b:v", "800k"]),
        ("an empty square by day", format!("{STILL},noise=alls=3:allf=t"), ["-b:v", "500k"]),
        ("at night", night, ["-b:v", "300k"]),
        ("at night behind a noise filter", filtered, ["-crf", "36"]),
        ("hardly anything to be seen", darkest, ["-crf", "36"]),
    ];
    for (name, source, coder) in scenes {
        let frames = key_frames(&source, &coder, 60);
        assert_eq!(said(&frames), vec![None; 60], "{name}");
    }
}

#[test]
fn a_picture_that_stands_still_is_frozen_and_a_clock_in_it_does_not_hide_that() {
    let clock = "drawtext=text='%{pts\\:hms}':x=10:y=10:fontsize=24:fontcolor=white:box=1:boxcolor=black";
    for (name, source, coder) in [
        ("of a constant quality", STILL.to_owned(), ["-crf", "28"]),
        ("with a clock", format!("{STILL},scale=640:360,{clock}"), ["-crf", "28"]),
        ("with a rate control that has settled", STILL.to_owned(), ["-b:v", "2M"]),
        (
            "a test pattern",
            "testsrc2=size=640x360:rate=10,select='eq(n,0)',loop=-1:1:0,setpts=N/10/TB".to_owned(),
            ["-crf", "28"],
        ),
    ] {
        let told = said(&key_frames(&source, &coder, 12));
        assert_eq!(told[..5], [None; 5], "{name}");
        assert_eq!(told[11], Some(Trouble::Frozen), "{name}: {told:?}");
    }
    // It goes on living after ten minutes.
    let mut frames = key_frames(STILL, &["-crf", "28"], 10);
    frames.extend(key_frames(SQUARE, &["-b:v", "800k"], 6));
    let told = said(&frames);
    assert_eq!((told[9], told[15]), (Some(Trouble::Frozen), None), "{told:?}");
}

#[test]
fn black_and_flat_pictures_are_covered_with_noise_and_without() {
    for source in [
        "color=black:size=640x360:rate=10",
        "color=black:size=640x360:rate=10,noise=alls=6:allf=t",
        "color=0x907060:size=640x360:rate=10",
    ] {
        let told = said(&key_frames(source, &["-crf", "30"], 6));
        assert_eq!(told[..2], [None; 2], "{source}");
        assert_eq!(told[2..], [Some(Trouble::Covered); 4], "{source}");
    }
}
