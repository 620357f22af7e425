//! The real `watchbook-clip` with files that the `ffmpeg` program made.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use watchbook_analysis::clip::{Head, Picture, Reader};

const START_NS: i64 = 1_764_000_000_000_000_000;

/// Four seconds at 25 frames a second: the left half black, the right half white.
fn encode(folder: &Path, name: &str) -> PathBuf {
    let file = folder.join(name);
    let halves = "color=black:size=160x180:rate=25,format=yuv420p[l];color=white:size=160x180:rate=25,format=yuv420p[r];[l][r]hstack";
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-y", "-filter_complex", halves, "-t", "4"])
        .args(["-c:v", "libx264", "-threads", "1", "-g", "25", "-bf", "2"])
        .arg(&file)
        .status()
        .expect("the ffmpeg program is needed: apt-get install ffmpeg");
    assert!(status.success());
    file
}

fn run(source: &str, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_watchbook-clip")).arg(source).args(options).output().unwrap()
}

fn pictures(source: &Path, options: &[&str]) -> (Head, Vec<Picture>) {
    let output = run(source.to_str().unwrap(), options);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut reader = Reader::new(output.stdout.as_slice()).unwrap();
    let head = reader.head();
    let mut pictures = Vec::new();
    while let Some(picture) = reader.next_picture().unwrap() {
        pictures.push(picture);
    }
    (head, pictures)
}

#[test]
fn every_container_gives_the_same_times_and_pictures() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["clip.mp4", "clip.mkv", "clip.avi", "clip.ts", "clip.h264"] {
        let file = encode(folder.path(), name);
        let (head, pictures) = pictures(&file, &["--size", "64x36", "--fps", "5"]);
        assert_eq!((head.width, head.height, head.masked), (64, 36, false), "{name}");
        assert_eq!(pictures.len(), 20, "{name}: 4 s at 5 a second");
        for (index, picture) in pictures.iter().enumerate() {
            // Containers count in ticks of a millisecond or less.
            let offset_ns = picture.utc_ns - START_NS - index as i64 * 200_000_000;
            assert!(offset_ns.abs() <= 1_000_000, "{name}: frame {index} is {offset_ns} ns off");
            for row in picture.luma.chunks(64) {
                assert!(row[..30].iter().all(|&sample| sample < 40), "{name}: left is black");
                assert!(row[34..].iter().all(|&sample| sample > 215), "{name}: right is white");
            }
        }
    }
}

#[test]
fn masks_are_burnt_in_and_bounds_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = encode(folder.path(), "clip.mp4");
    let mask = ["--size", "64x36", "--mask", "0.5,0;1,0;1,1;0.5,1", "--frames", "3"];
    let (head, masked) = pictures(&file, &mask);
    assert!(head.masked && masked.len() == 3);
    assert!(masked.iter().all(|picture| picture.luma.iter().all(|&sample| sample < 40)), "nothing white is left");
    assert_eq!(pictures(&file, &["--fps", "25", "--seconds", "1"]).1.len(), 25);
    let all = ["--fps", "30"];
    assert_eq!(pictures(&file, &all).1.len(), 100, "no frame stays in the decoder");
    assert_eq!(pictures(&file, &all), pictures(&file, &all), "the same bytes every time");
}

#[test]
fn what_is_no_recording_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let secret = encode(folder.path(), "secret.mp4");
    // A playlist would open what it names, here another file, elsewhere an address.
    let playlist = folder.path().join("list.m3u8");
    std::fs::write(&playlist, format!("#EXTM3U\n#EXTINF:4,\n{}\n#EXT-X-ENDLIST\n", secret.display())).unwrap();
    let concat = folder.path().join("list.ffconcat");
    std::fs::write(&concat, format!("ffconcat version 1.0\nfile '{}'\n", secret.display())).unwrap();
    let text = folder.path().join("text.mp4");
    std::fs::write(&text, "not a film").unwrap();
    let sources = [&playlist, &concat, &text].map(|path| path.to_str().unwrap().to_owned());
    for source in sources.iter().map(String::as_str).chain(["/nowhere.mp4", "http://127.0.0.1/a.mp4", "concat:a|b"]) {
        let output = run(source, &[]);
        let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && sentence.contains(source), "{source}: {sentence}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = encode(folder.path(), "clip.mp4");
    let mut child = Command::new(env!("CARGO_BIN_EXE_watchbook-clip"))
        .arg(&file)
        .args(["--size", "1280x720", "--fps", "30"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = Reader::new(child.stdout.take().unwrap()).unwrap();
    assert_eq!(reader.next_picture().unwrap().unwrap().utc_ns, START_NS);
    drop(reader);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
