//! Recordings through `watchbook-clip`, and a stored event derived again.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

#[path = "../../../appliance/plugin-engine/tests/fixtures/mod.rs"]
mod fixtures;

use fixtures::{OK, STEADY, component};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use watchbook_analysis::{Output, PixelFormat};
use watchbook_plugin_host::package::sha256_hex;
use watchbook_plugin_testkit::rerun::{Field, Stored, Verdict};
use watchbook_plugin_testkit::{Clip, ClipOptions, read_plugin};

const OUTPUT: Output = Output { width: 32, height: 16, format: PixelFormat::Luma, fps_max: 5.0 };
const START_MS: i64 = 1_790_000_000_000;

fn film(folder: &Path) -> PathBuf {
    let file = folder.join("film.mp4");
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-t", "3"])
        .args(["-pix_fmt", "yuv420p", "-c:v", "libx264", "-threads", "1"])
        .arg(&file)
        .status()
        .expect("the ffmpeg program is needed: apt-get install ffmpeg");
    assert!(status.success());
    file
}

fn install(folder: &Path) {
    let manifest = r#"
        id = "org.example.steady"
        version = "1.0.0"
        world = "analytics-plugin"
        api = "0.1"
        publisher = "Example"
        licence = "Apache-2.0"
        summary = "A fixture."
        purpose = "motion-detection"
        input = { width = 32, height = 16, fps = 5.0, format = "luma" }
        capabilities = { required = ["frames", "log"] }
        emits = [{ kind = "test", meaning = "A frame came." }]
    "#;
    std::fs::write(folder.join("plugin.toml"), manifest).unwrap();
    std::fs::write(folder.join("plugin.wasm"), component("steady", OK, STEADY)).unwrap();
}

#[test]
fn a_recording_comes_frame_by_frame_and_a_missing_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = film(folder.path());
    let options = ClipOptions { start_utc_ns: Some(7), ..ClipOptions::new(file.to_str().unwrap(), OUTPUT) };
    let mut clip = Clip::open(&options).unwrap();
    assert_eq!((clip.head().width, clip.head().height), (32, 16));
    let mut times = Vec::new();
    while let Some(picture) = clip.next_picture().unwrap() {
        times.push((picture.utc_ns - 7) / 1_000_000);
    }
    assert_eq!(times, (0..15).map(|frame| frame * 200).collect::<Vec<_>>(), "3 s at 5 a second");
    let sentence = Clip::open(&ClipOptions::new("/nowhere.mp4", OUTPUT)).unwrap_err();
    assert!(sentence.contains("/nowhere.mp4"), "{sentence}");
    // Given up in the middle: the program ends with it.
    let mut clip = Clip::open(&options).unwrap();
    assert!(clip.next_picture().unwrap().is_some());
    drop(clip);
}

#[test]
fn a_stored_event_is_derived_again_with_the_same_plugin_alone() {
    let folder = tempfile::tempdir().unwrap();
    film(folder.path());
    install(folder.path());
    let package = read_plugin(folder.path()).unwrap();
    let event = json!({
        "id": "17", "camera": 1, "kind": "test", "score": 0.0, "zone": null, "detections": [], "note": "",
        // The sixth frame that the plugin saw.
        "start_utc_ms": START_MS + 1_000, "end_utc_ms": null,
        "source": {
            "plugin": "org.example.steady", "version": "1.0.0",
            "component_sha256": package.component_sha256, "settings_sha256": sha256_hex(b"{}"),
        },
    });
    let stored = |event: &Value| {
        let path = folder.path().join("event.json");
        let shape = json!({ "event": event, "clip": "film.mp4", "clip_start_utc_ms": START_MS });
        std::fs::write(&path, shape.to_string()).unwrap();
        Stored::read(&path).unwrap()
    };
    let (verdict, outcome) = stored(&event).derive(package.clone()).unwrap();
    assert!(matches!(verdict, Verdict::Same(_)), "{verdict:?}");
    assert_eq!(outcome.frames, 15);

    let mut other = event.clone();
    other["score"] = json!(0.5);
    let (verdict, _) = stored(&other).derive(package.clone()).unwrap();
    assert!(matches!(&verdict, Verdict::Near(_, differences) if differences[0].field == Field::Score), "{verdict:?}");
    other["kind"] = json!("other");
    assert_eq!(stored(&other).derive(package.clone()).unwrap().0, Verdict::Absent);

    // The frames that a station had given it lie between those that the rate would choose: only these give the event.
    let mut between = event.clone();
    between["start_utc_ms"] = json!(START_MS + 680);
    let (verdict, _) = stored(&between).derive(package.clone()).unwrap();
    assert!(matches!(&verdict, Verdict::Near(_, differences) if differences[0].field == Field::Start), "{verdict:?}");
    let times: Vec<String> =
        (2..20).step_by(5).map(|frame| ((START_MS + frame * 40) * 1_000_000).to_string()).collect();
    let shape = json!({
        "event": between, "clip": "film.mp4", "clip_start_utc_ms": START_MS, "lead": { "fresh": true, "times_utc_ns": times },
        "role": "sub_video", "keys_only": false, "clip_end_utc_ms": START_MS + 3_000,
    });
    let path = folder.path().join("led.json");
    std::fs::write(&path, shape.to_string()).unwrap();
    let (verdict, outcome) = Stored::read(&path).unwrap().derive(package.clone()).unwrap();
    assert!(matches!(verdict, Verdict::Same(_)), "{verdict:?}");
    assert_eq!(outcome.frames, 4, "from the plugin's start to the frame that gave the event");

    for (field, word) in [
        ("plugin", "another plugin"),
        ("version", "another version"),
        ("component_sha256", "another component"),
        ("settings_sha256", "other settings"),
    ] {
        let mut foreign = event.clone();
        foreign["source"][field] = json!("0");
        let sentence = stored(&foreign).derive(package.clone()).unwrap_err();
        assert!(sentence.contains("refused") && sentence.contains(word), "{sentence}");
    }
}
