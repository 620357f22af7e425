//! Cameras as they are: away, back again, locked, wrong, from another maker.

use crate::footage;
use watchbook_e2e::media::{decode_complaints, probe};
use watchbook_e2e::recorder::{SOON, now_ms};
use watchbook_e2e::{CameraServer, Recorder, wait_for};

/// GStreamer's RTSP server with the test footage: `/main` and `/sub`.
pub fn gst(args: &[&str]) -> CameraServer {
    let folder = footage::folder().to_str().expect("the cache path is UTF-8");
    let mut all = vec!["--footage", folder];
    all.extend(args);
    CameraServer::start("gst_camera.py", &all)
}

#[test]
fn a_camera_that_stops_and_returns_leaves_one_gap_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let (url, port) = (format!("{}main", server.url()), server.port());
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Bridge", &url, None);
    let (_, before) = recorder.wait_recorded(&camera, 3);

    drop(server);
    let gone = now_ms();
    let state = recorder.wait_state(&camera, "lost", Some("camera_gone"));
    assert!(state["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{state}");
    assert!(state["next_step"].as_str().is_some_and(|step| !step.is_empty()), "{state}");

    let back = now_ms();
    let _server = gst(&["--port", &port]);
    recorder.wait_state(&camera, "live", None);
    let outages = wait_for("footage after the outage", SOON, || {
        let recordings = recorder.recordings(&camera);
        let gaps = recordings["gaps"].as_array().cloned().unwrap_or_default();
        let spans = recordings["spans"].as_array().cloned().unwrap_or_default();
        let resumed = spans.last().and_then(|span| span["end_utc_ms"].as_i64()).is_some_and(|end| end > before + 3_000);
        if resumed { Ok(gaps) } else { Err(recordings.to_string()) }
    });
    assert_eq!(outages.len(), 1, "one outage, one gap: {outages:?}");
    let (gap, ms) = (&outages[0], |name: &str| outages[0][name].as_i64().unwrap_or_default());
    assert_eq!(gap["reason"], "camera_gone", "{gap}");
    let start = ms("start_utc_ms");
    // The last picture lasts as long as the one before it, and came a moment after its own time.
    assert!((before - 1_000..=gone + 200).contains(&start), "it begins with the outage at {gone}: {gap}");
    assert!(ms("end_utc_ms") >= back, "it lasts until the camera is back at {back}: {gap}");
}

#[test]
fn each_mistake_has_its_own_state_and_stops_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let open = gst(&[]);
    let locked = gst(&["--user", "guard", "--password", "night watch"]);
    let mut recorder = Recorder::claim(dir.path());
    let good = recorder.add_camera("Good", &format!("{}main", open.url()), None);
    let no_path = recorder.add_camera("No such path", &format!("{}nothing", open.url()), None);
    let nobody = recorder.add_camera("Nobody there", "rtsp://127.0.0.1:9/main", None);
    let keyless = recorder.add_camera("Locked", &format!("{}main", locked.url()), None);

    for (camera, reason) in [(&no_path, None), (&nobody, Some("camera_gone")), (&keyless, Some("camera_denied"))] {
        let state = recorder.wait_state(camera, "lost", reason);
        assert!(state["next_step"].as_str().is_some_and(|step| !step.is_empty()), "no next step in {state}");
    }
    recorder.wait_recorded(&good, 3);

    // The right password opens it; the password itself never comes back.
    let change = serde_json::json!({ "username": "guard", "password": "night watch" });
    let path = format!("/api/v1/cameras/{}", keyless.id);
    drop(recorder.client.send("PATCH", &path, &change).ok());
    recorder.wait_state(&keyless, "live", None);
    let shown = recorder.client.get(&path).ok();
    assert!(!String::from_utf8_lossy(&shown.body).contains("night watch"), "the API gives the password back");
}

#[test]
fn an_encrypted_camera_is_recorded_once_its_certificate_is_trusted() {
    let (dir, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = gst(&["--tls", keys.path().to_str().expect("a temporary folder's name is UTF-8")]);
    let url = format!("{}main", server.url());
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Vault", &url, None);
    let state = recorder.wait_state(&camera, "lost", Some("camera_untrusted"));
    let test = serde_json::json!({ "main": { "url": url } });
    let report = recorder.client.send("POST", "/api/v1/cameras/test", &test).ok().json();
    let shown = report["problem"]["certificate_sha256"].as_str().unwrap_or_else(|| panic!("{report}")).to_owned();
    assert!(state["detail"].as_str().is_some_and(|detail| detail.contains(&shown)), "{state}");
    let trusted = serde_json::json!({ "certificate_sha256": shown });
    drop(recorder.client.send("PATCH", &format!("/api/v1/cameras/{}", camera.id), &trusted).ok());
    let (start, _) = recorder.wait_recorded(&camera, 4);
    let case = recorder.client.open_emergency(&[camera.id]);
    let file = recorder.play(case, &camera, start, start + 3_000);
    assert_eq!(decode_complaints(&file), "");
}

/// The station of these tests lists this machine alone, where its cameras are: every other address that is no camera's is refused wherever one can be given.
#[test]
fn an_address_outside_the_camera_networks_is_connected_to_by_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let listener = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let elsewhere = format!("rtsp://{}/", listener.local_addr().unwrap());
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    let source = |url: &str| serde_json::json!({ "url": url, "transport": "tcp" });
    for url in [&elsewhere, "rtsp://169.254.169.254/latest/meta-data/", "rtsp://192.168.1.10/", "rtsp://2130706434/"] {
        for (method, path, body) in [
            (
                "POST",
                "/api/v1/cameras".to_owned(),
                serde_json::json!({ "name": "Other", "main": source(url), "purpose": "A test", "contact": "A test" }),
            ),
            ("PATCH", format!("/api/v1/cameras/{}", camera.id), serde_json::json!({ "main": source(url) })),
        ] {
            let answer = recorder.client.send(method, &path, &body);
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(
                answer.status == 422 && said.contains("The address ") && said.contains("[cameras]"),
                "{url}: {said}"
            );
        }
        let test = serde_json::json!({ "main": source(url) });
        let report = recorder.client.send("POST", "/api/v1/cameras/test", &test).ok().json();
        assert!(report.to_string().contains("No connection is made for "), "{url}: {report}");
    }
    assert!(listener.accept().is_err(), "nobody connected");
    recorder.wait_recorded(&camera, 3);
}

#[test]
fn a_camera_of_another_maker_is_recorded_too() {
    let dir = tempfile::tempdir().unwrap();
    let folder = footage::folder().to_str().expect("the cache path is UTF-8");
    let server = CameraServer::start("live555.sh", &[folder]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Market", &format!("{}main.264", server.url()), None);
    let (start, _) = recorder.wait_recorded(&camera, 4);
    let case = recorder.client.open_emergency(&[camera.id]);
    let file = recorder.play(case, &camera, start, start + 3_000);
    assert_eq!(probe(&file).codec, "h264");
    assert_eq!(decode_complaints(&file), "");
}

#[test]
fn a_change_of_resolution_starts_another_recording() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Tower", &format!("{}main", server.url()), None);
    recorder.wait_recorded(&camera, 3);
    let width = recorder.main_state(&camera)["width"].as_u64().expect("a live camera has a width");
    server.say("resolution 640x480");
    let spans = wait_for("footage in the new size", SOON + SOON, || {
        let recordings = recorder.recordings(&camera);
        let spans = recordings["spans"].as_array().cloned().unwrap_or_default();
        if spans.iter().any(|span| span["width"] == 640) { Ok(spans) } else { Err(recordings.to_string()) }
    });
    let old: Vec<_> = spans.iter().filter(|span| span["width"].as_u64() == Some(width)).collect();
    assert!(!old.is_empty(), "the footage before the change is still listed: {spans:?}");
}
