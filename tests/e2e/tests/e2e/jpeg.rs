//! Cameras that send JPEG over HTTP, through the whole recorder: tested, recorded, played, downloaded.

use serde_json::json;
use watchbook_e2e::media::{decode_complaints, probe};
use watchbook_e2e::{CameraServer, Recorder};

#[test]
fn streams_and_snapshots_are_tested_recorded_played_and_downloaded() {
    let dir = tempfile::tempdir().unwrap();
    let server = CameraServer::start("http_camera.py", &[]);
    let mut recorder = Recorder::claim(dir.path());
    let tried = json!({
        "main": {"url": format!("{}stream", server.url())},
        "sub": {"url": format!("{}snapshot", server.url()), "interval_ms": 500},
    });
    let report = recorder.client.send("POST", "/api/v1/cameras/test", &tried).ok().json();
    assert_eq!((&report["ok"], &report["main"]["codec"]), (&json!(true), &json!("mp4v.6C")), "{report}");
    assert_eq!(
        (&report["main"]["interval_ms"], &report["sub"]["interval_ms"]),
        (&json!(null), &json!(500)),
        "{report}"
    );

    let stream =
        recorder.add_camera("Yard", &format!("{}stream", server.url()), Some(&format!("{}snapshot", server.url())));
    let snapshot = recorder.add_camera("Cellar", &format!("{}snapshot", server.url()), None);
    let (from, to) = recorder.wait_recorded(&stream, 6);
    let recordings = recorder.recordings(&stream);
    let span = &recordings["spans"][0];
    assert_eq!((&span["codec_string"], &span["width"], &span["height"]), (&json!("mp4v.6C"), &json!(160), &json!(90)));

    let file = recorder.export(&stream, from + 1_000, from + 5_000);
    let found = probe(&file);
    assert_eq!((found.codec.as_str(), found.width), ("mjpeg", 160));
    assert!((90..=110).contains(&found.frames) && (found.seconds - 4.0).abs() < 0.2, "{found:?} of 4 s at 25 a second");
    assert_eq!(decode_complaints(&file), "");

    let path =
        format!("/api/v1/cameras/{}/playback.mp4?from_utc_ms={}&to_utc_ms={to}&role=main_video", stream.id, to - 3_000);
    let played = recorder.save(&recorder.client.get(&path).ok().body, "played.mp4");
    assert_eq!((probe(&played).codec.as_str(), decode_complaints(&played).as_str()), ("mjpeg", ""));

    // One picture a second, for as long as it was asked.
    let (from, _) = recorder.wait_recorded(&snapshot, 6);
    let found = probe(&recorder.export(&snapshot, from, from + 5_500));
    assert!((4..=7).contains(&found.frames), "{found:?} in 5.5 s at one a second");
}
