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

    let case = recorder.client.open_emergency(&[stream.id, snapshot.id]);
    let file = recorder.play(case, &stream, from + 1_000, from + 5_000);
    let found = probe(&file);
    assert_eq!((found.codec.as_str(), found.width), ("mjpeg", 160));
    assert!((90..=110).contains(&found.frames) && (found.seconds - 4.0).abs() < 0.2, "{found:?} of 4 s at 25 a second");
    assert_eq!(decode_complaints(&file), "");

    let played = recorder.play(case, &stream, to - 3_000, to);
    assert_eq!((probe(&played).codec.as_str(), decode_complaints(&played).as_str()), ("mjpeg", ""));

    // One picture a second, for as long as it was asked.
    let (from, _) = recorder.wait_recorded(&snapshot, 6);
    let found = probe(&recorder.play(case, &snapshot, from, from + 5_500));
    assert!((4..=7).contains(&found.frames), "{found:?} in 5.5 s at one a second");
}

#[test]
fn an_encrypted_camera_is_recorded_once_a_person_or_an_authority_vouches_for_its_certificate() {
    let [dir, own, made] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let folder = |dir: &tempfile::TempDir| dir.path().to_str().expect("a temporary folder's name is UTF-8").to_owned();
    let server = CameraServer::start("http_camera.py", &["--tls", &folder(&own)]);
    let vouched = CameraServer::start("http_camera.py", &["--tls", &folder(&made), "--authority"]);
    std::fs::copy(made.path().join("authority.pem"), dir.path().join("authority.pem")).unwrap();
    let mut recorder = Recorder::claim(dir.path());
    let by_authority = recorder.add_camera("Yard", &format!("{}stream", vouched.url()), None);
    let url = format!("{}snapshot", server.url());
    assert!(url.starts_with("https://"));
    let by_person = recorder.add_camera("Cellar", &url, None);
    let state = recorder.wait_state(&by_person, "lost", Some("camera_untrusted"));
    let report = recorder.client.send("POST", "/api/v1/cameras/test", &json!({"main": {"url": url}})).ok().json();
    let shown = report["problem"]["certificate_sha256"].as_str().unwrap_or_else(|| panic!("{report}")).to_owned();
    assert!(state["detail"].as_str().is_some_and(|detail| detail.contains(&shown)), "{state}");
    let path = format!("/api/v1/cameras/{}", by_person.id);
    drop(recorder.client.send("PATCH", &path, &json!({"certificate_sha256": shown})).ok());
    recorder.wait_recorded(&by_person, 3);
    let (from, _) = recorder.wait_recorded(&by_authority, 3);
    let case = recorder.client.open_emergency(&[by_authority.id]);
    assert_eq!(probe(&recorder.play(case, &by_authority, from, from + 2_000)).codec, "mjpeg");
}
