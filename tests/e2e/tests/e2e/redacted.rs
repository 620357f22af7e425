//! Redacted copies of real footage: asked for, made by the real programs, released, and looked at with ffmpeg, picture by picture and byte by byte.

#![allow(clippy::unwrap_used, reason = "a test's")]

use crate::cameras::gst;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use watchbook_e2e::Recorder;
use watchbook_e2e::recorder::program;
use watchbook_e2e::release::{Approver, fetch, log_key, request, verify, wait_export};

/// How far from black (16) a pixel that was filled may be after it was encoded.
const SHADES_MAX: u8 = 16;
/// So near to what is not black the encoder may let more of that shine in: pixels, and shades.
const EDGE: (usize, u8) = (4, 40);
/// Bytes of a NAL unit that are looked for in the copy: shorter ones may be alike by chance.
const NAL_BYTES_MIN: usize = 17;

/// A picture as ffmpeg decodes it: its time in 1/90,000 s, and its brightness.
struct Picture {
    ticks: i64,
    luma: Vec<u8>,
}

struct Film {
    width: usize,
    height: usize,
    pictures: Vec<Picture>,
}

fn output(program: &str, arguments: &[&str], file: &Path, rest: &[&str]) -> Vec<u8> {
    let mut command = Command::new(program);
    let output = command.args(arguments).arg(file).args(rest).output().expect("ffmpeg is installed by the set-up");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// Times of all packets, in the order of presentation.
fn times(file: &Path) -> Vec<i64> {
    let asked = ["-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts", "-of", "csv=p=0"];
    let said = text(output("ffprobe", &asked, file, &[]));
    let mut times: Vec<i64> = said.lines().map(|line| line.trim_end_matches(',').parse().unwrap()).collect();
    times.sort_unstable();
    times
}

fn film(file: &Path) -> Film {
    let size =
        text(output("ffprobe", &["-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0"], file, &[]));
    let (width, height) = size.lines().next().unwrap().trim_end_matches(',').split_once(',').unwrap();
    let (width, height): (usize, usize) = (width.parse().unwrap(), height.parse().unwrap());
    let raw = ["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"];
    let bytes = output("ffmpeg", &["-v", "error", "-i"], file, &raw);
    let lumas = bytes.chunks(width * height * 3 / 2).map(|picture| picture[..width * height].to_vec());
    let times = times(file);
    let pictures: Vec<Picture> = times.iter().zip(lumas).map(|(ticks, luma)| Picture { ticks: *ticks, luma }).collect();
    assert!(
        pictures.len() == times.len() && bytes.len() == times.len() * width * height * 3 / 2,
        "every picture is whole"
    );
    Film { width, height, pictures }
}

/// NAL units of the pictures of a film, with its parameter sets.
fn nal_units(file: &Path) -> Vec<Vec<u8>> {
    let stream = output("ffmpeg", &["-v", "error", "-i"], file, &["-map", "0:v:0", "-c", "copy", "-f", "h264", "-"]);
    let starts: Vec<usize> =
        stream.windows(3).enumerate().filter(|(_, three)| *three == [0, 0, 1]).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let unit = |(start, end): (usize, usize)| {
        let unit = &stream[start + 3..end];
        let used = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        unit[..used].to_vec()
    };
    starts.iter().copied().zip(ends).map(unit).collect()
}

/// Names of the boxes of a film, in and beside each other.
fn boxes(bytes: &[u8]) -> Vec<String> {
    let (mut names, mut at) = (Vec::new(), 0);
    while at + 8 <= bytes.len() {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let name = String::from_utf8_lossy(&bytes[at + 4..at + 8]).into_owned();
        assert!((8..=bytes.len() - at).contains(&length), "a box {name} of {length} bytes");
        if ["moov", "trak", "mdia", "minf", "stbl", "mvex", "moof", "traf"].contains(&&*name) {
            names.extend(boxes(&bytes[at + 8..at + length]));
        }
        names.push(name);
        at += length;
    }
    names
}

/// No byte of the camera's stream is in the copy, and nothing but pictures.
fn nothing_of_the_master(master: &Path, copy: &Path) {
    let bytes = std::fs::read(copy).unwrap();
    let windows: HashSet<&[u8]> = bytes.windows(NAL_BYTES_MIN).collect();
    let units = nal_units(master);
    assert!(units.len() > 50, "{} NAL units in the master", units.len());
    for unit in units.iter().filter(|unit| unit.len() >= NAL_BYTES_MIN) {
        let begins = windows.contains(&unit[..NAL_BYTES_MIN]);
        let is_there = begins && bytes.windows(unit.len()).any(|window| window == unit);
        assert!(!is_there, "a NAL unit of type {} and {} bytes is in the copy", unit[0] & 0x1F, unit.len());
    }
    let kinds: HashSet<u8> = nal_units(copy).iter().map(|unit| unit[0] & 0x1F).collect();
    assert!(kinds.is_subset(&HashSet::from([1, 5, 7, 8])), "slices and parameter sets alone: {kinds:?}");
    let names: HashSet<String> = boxes(&bytes).into_iter().collect();
    for strange in ["meta", "udta", "uuid", "free", "suep", "cstb", "soun", "smhd", "prft", "emsg"] {
        assert!(!names.contains(strange), "a box {strange} in {names:?}");
    }
    let tags = text(output("ffprobe", &["-v", "error", "-show_entries", "format_tags", "-of", "csv=p=0"], copy, &[]));
    for word in ["encoder", "title", "comment", "location"] {
        assert!(!tags.contains(word), "{tags}");
    }
    let streams =
        text(output("ffprobe", &["-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0"], copy, &[]));
    assert_eq!(streams.trim().trim_end_matches(','), "video", "sound is left out");
}

/// The pixels of a rectangle in fractions are black, all of them.
fn black(film: &Film, picture: &Picture, [left, top, right, bottom]: [f64; 4]) {
    let (width, height) = (film.width as f64, film.height as f64);
    let rows = (top * height).floor() as usize..((bottom * height).ceil() as usize).min(film.height);
    let columns = (left * width).floor() as usize..((right * width).ceil() as usize).min(film.width);
    let near = |at: usize, of: &std::ops::Range<usize>, all: usize| {
        let from = if of.start == 0 { 0 } else { of.start + EDGE.0 };
        at < from || at >= if of.end == all { all } else { of.end - EDGE.0 }
    };
    for row in rows.clone() {
        for column in columns.clone() {
            let shade = picture.luma[row * film.width + column];
            let is_near = near(row, &rows, film.height) || near(column, &columns, film.width);
            let most = if is_near { EDGE.1 } else { SHADES_MAX };
            assert!(shade.abs_diff(16) <= most, "{shade} at {column},{row} of the picture at {}", picture.ticks);
        }
    }
}

/// By how much the brightness of a rectangle differs from that of another film's picture, on average.
fn differs(film: &Film, (one, other): (&Picture, &Picture), [left, top, right, bottom]: [f64; 4]) -> f64 {
    let (width, height) = (film.width as f64, film.height as f64);
    let rows = (top * height) as usize..(bottom * height) as usize;
    let places = rows.flat_map(|row| {
        ((left * width) as usize..(right * width) as usize).map(move |column| row * film.width + column)
    });
    let all: Vec<f64> = places.map(|at| f64::from(one.luma[at].abs_diff(other.luma[at]))).collect();
    all.iter().sum::<f64>() / all.len() as f64
}

/// Last line and exit code of both verifiers.
fn verdicts(folder: &Path, key: &str) -> [(String, Option<i32>); 2] {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../evidence/verify.py");
    let said = |mut command: Command| {
        let said = verify(&mut command, folder, key);
        let code = command.status().unwrap().code();
        (said.lines().last().unwrap_or_default().to_owned(), code)
    };
    let mut python = Command::new("python3");
    python.args(["-B", script]);
    [said(Command::new(program("watchbook-verify"))), said(python)]
}

/// Has an export released and unpacks it.
fn released(recorder: &Recorder, approver: &mut Approver, id: &str) -> (Value, PathBuf) {
    let ready = wait_export(&recorder.client, id, "ready");
    let manifest = ready["made"]["manifest_sha256"].as_str().unwrap().to_owned();
    assert_eq!(approver.release(&ready, &manifest), 200);
    let export = wait_export(&recorder.client, id, "released");
    let folder = fetch(recorder, &export);
    (export, folder)
}

fn wish(range: (i64, i64), more: Value) -> Value {
    let mut wish = json!({
        "from_utc_ms": range.0, "to_utc_ms": range.1, "recipient_class": "data_subject", "recipient": "Sok",
        "everything_but": false, "regions": [],
    });
    wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    wish
}

/// Nanoseconds of a decimal in the manifest.
fn ns(value: &Value) -> i64 {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn a_redacted_copy_has_black_for_good_and_nothing_of_the_master() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    let (start, end) = recorder.wait_recorded(&camera, 8);
    let range = (start + 1_300, end - 700);
    let mut approver = Approver::new(&mut recorder);
    approver.open_case("9/26", &[camera.id]);
    let asked = recorder.client.send("POST", "/api/v1/exports", &request("9/26", &[camera.id], range)).ok().json();
    let (master_export, master_folder) = released(&recorder, &mut approver, asked["id"].as_str().unwrap());

    // One that moves, one that stays, one that ends before.
    let half = (range.0 + range.1) / 2;
    let key =
        |at: i64, left: f64| json!({ "at_utc_ms": at, "left": left, "top": 0.1, "right": left + 0.2, "bottom": 0.4 });
    let regions = json!([
        { "keys": [key(range.0, 0.1), key(range.1, 0.7)] },
        { "polygon": [{ "x": 0.1, "y": 0.6 }, { "x": 0.3, "y": 0.6 }, { "x": 0.3, "y": 0.9 }, { "x": 0.1, "y": 0.9 }] },
        { "keys": [{ "at_utc_ms": range.0, "left": 0.6, "top": 0.6, "right": 0.9, "bottom": 0.9 }], "to_utc_ms": half },
    ]);
    let of = json!({ "case": "9/26", "camera": camera.id, "regions": regions, "of_export": master_export["id"] });
    let refused =
        recorder.client.send("POST", "/api/v1/exports/redacted", &wish((start - 100_000, range.1), of.clone()));
    assert_eq!(refused.status, 409, "the export has not all of that time");
    let asked = recorder.client.send("POST", "/api/v1/exports/redacted", &wish(range, of)).ok().json();
    assert_eq!(asked["redaction"]["regions"], 3, "{asked}");
    // Whoever reads the log can tell the two requests apart.
    let log = recorder.client.get("/api/v1/audit?limit=500").ok().json();
    let asked_for = log["entries"].as_array().unwrap().iter().filter(|entry| entry["action"] == "request_export");
    let is_redacted = |entry: &Value| (entry["outcome"] == "allowed", entry["subject"]["redacted"].clone());
    let mut said: Vec<_> = asked_for.map(is_redacted).collect();
    said.retain(|(allowed, _)| *allowed);
    assert_eq!(said[0].1, json!(true), "{log}");
    assert_eq!(said[said.len() - 1].1, Value::Null, "the master: {log}");
    let (export, folder) = released(&recorder, &mut approver, asked["id"].as_str().unwrap());
    assert_eq!(export["redaction"]["master_manifest_sha256"], master_export["made"]["manifest_sha256"], "{export}");

    let manifest: Value = serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    assert_eq!((&manifest["copy_class"], &manifest["redaction"]["left_out"]), (&json!("redacted"), &json!(0)));
    assert_eq!(manifest["redaction"]["master"]["manifest"], master_export["made"]["manifest_sha256"]);
    let key = log_key(&recorder);
    for (last, code) in verdicts(&folder, &key) {
        assert!(last.starts_with("REDACTED WORKING COPY, intact: made of "), "{last}");
        assert_eq!(code, Some(20), "no script takes it for footage");
    }

    let (master, copy) = (
        master_folder.join(format!("camera-{}.mp4", camera.id)),
        folder.join(format!("WORKING-REDACTED-camera-{}.mp4", camera.id)),
    );
    nothing_of_the_master(&master, &copy);

    // Every picture of the master within what was asked for, at its time.
    let (was, is) = (film(&master), film(&copy));
    let master_manifest: Value =
        serde_json::from_slice(&std::fs::read(master_folder.join("manifest.json")).unwrap()).unwrap();
    let runs = master_manifest["streams"][0]["segments"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|s| s["runs"].as_array().unwrap());
    let begin = runs.filter_map(|run| run.get("first_utc_ns")).map(ns).min().unwrap();
    let utc = |ticks: i64| begin + ticks * 100_000 / 9;
    let inside = |picture: &&Picture| (range.0 * 1_000_000..range.1 * 1_000_000).contains(&utc(picture.ticks));
    let shown: Vec<&Picture> = was.pictures.iter().filter(inside).collect();
    assert!(shown.len() > 20, "{} pictures", shown.len());
    assert_eq!(shown.len(), is.pictures.len());
    assert_eq!(manifest["redaction"]["frames"], json!(shown.len()));
    let since = |pictures: &[i64]| pictures.iter().map(|ticks| ticks - pictures[0]).collect::<Vec<_>>();
    let (wanted, found): (Vec<i64>, Vec<i64>) = (
        shown.iter().map(|picture| picture.ticks).collect(),
        is.pictures.iter().map(|picture| picture.ticks).collect(),
    );
    for (wanted, found) in since(&wanted).iter().zip(since(&found)) {
        assert!((wanted - found).abs() <= 1, "a picture at {found} instead of {wanted}");
    }

    for (was_picture, picture) in shown.iter().zip(&is.pictures) {
        let at_ms = utc(was_picture.ticks) as f64 / 1e6;
        let left = 0.1 + 0.6 * (at_ms - range.0 as f64) / (range.1 - range.0) as f64;
        black(&is, picture, [left + 0.001, 0.1, left + 0.199, 0.4]);
        black(&is, picture, [0.1, 0.6, 0.3, 0.9]);
        let ending = [0.6, 0.6, 0.9, 0.9];
        if at_ms < half as f64 {
            black(&is, picture, ending);
        } else {
            assert!(differs(&is, (was_picture, picture), ending) < 8.0, "it counts no more at {at_ms}");
        }
        assert!(differs(&is, (was_picture, picture), [0.35, 0.45, 0.55, 1.0]) < 8.0, "what is not black is as it was");
    }
    assert_eq!(recorder.stop(), Some(0));

    // A byte of the copy.
    let mut bytes = std::fs::read(&copy).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&copy, bytes).unwrap();
    for (last, code) in verdicts(&folder, &key) {
        assert_eq!((last.as_str(), code), ("REDACTED WORKING COPY, altered", Some(10)));
    }
}

#[test]
fn a_redacted_copy_that_a_crash_broke_off_is_made_after_the_next_start_and_can_be_all_black() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    let range = recorder.wait_recorded(&camera, 5);
    let mut approver = Approver::new(&mut recorder);
    approver.open_case("10/26", &[camera.id]);
    let of = |more: Value| {
        let mut of = json!({ "case": "10/26", "camera": camera.id });
        of.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        wish(range, of)
    };
    let path = "/api/v1/exports/redacted";
    assert_eq!(recorder.client.send("POST", path, &of(json!({}))).status, 422, "nothing is to be black");
    let strange = json!({ "regions": [{ "polygon": [{ "x": 0.1, "y": 0.6 }] }] });
    assert_eq!(recorder.client.send("POST", path, &of(strange)).status, 422, "a region without an area");
    let asked = recorder.client.send("POST", path, &of(json!({ "everything_but": true }))).ok().json();
    recorder.kill_and_restart();
    let id = asked["id"].as_str().unwrap();
    wait_export(&recorder.client, id, "ready");
    let staged = dir.path().join("state/exports").join(id);
    let copy = film(&staged.join(format!("WORKING-REDACTED-camera-{}.mp4", camera.id)));
    assert!(copy.pictures.len() > 20);
    for picture in &copy.pictures {
        black(&copy, picture, [0.0, 0.0, 1.0, 1.0]);
    }
    drop(recorder.client.post(&format!("/api/v1/exports/{id}/cancel")).ok());
    wait_export(&recorder.client, id, "cancelled");
    assert!(!staged.exists());
}
