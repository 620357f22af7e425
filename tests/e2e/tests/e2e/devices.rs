//! Cameras beside their streams: masks that a camera loses, what it notices, another one in its place. The real recorder, a real RTSP server, a camera over real SOAP.

use crate::cameras::gst;
use serde_json::{Value, json};
use watchbook_e2e::client::Client;
use watchbook_e2e::recorder::{Camera, SOON, now_ms};
use watchbook_e2e::{CameraServer, Recorder, wait_for};

const EVENT_CLIP: &str = "org.watchbook.event-clip";

/// Something happens at the camera; its state.
fn control(device: &CameraServer, what: &str) -> Value {
    Client::new(device.url()).get(&format!("/control/{what}")).ok().json()
}

/// Sets what is wanted of the camera.
fn follow(recorder: &mut Recorder, camera: &Camera, device: &CameraServer, more: Value) {
    let mut settings = json!({"url": format!("{}onvif/device_service", device.url())});
    for (name, value) in more.as_object().into_iter().flatten() {
        settings[name] = value.clone();
    }
    let path = format!("/api/v1/cameras/{}", camera.id);
    drop(recorder.client.send("PATCH", &path, &json!({"device": settings})).ok());
}

fn state(recorder: &Recorder, camera: &Camera) -> Value {
    recorder.client.get(&format!("/api/v1/cameras/{}", camera.id)).ok().json()["device_state"].clone()
}

fn wait_state(recorder: &Recorder, camera: &Camera, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, 2 * SOON, || {
        let state = state(recorder, camera);
        if holds(&state) { Ok(state) } else { Err(state.to_string()) }
    })
}

fn alarms(recorder: &Recorder) -> Vec<String> {
    let health = recorder.client.get("/api/v1/health").ok().json();
    let alarms = health["alarms"].as_array().cloned().unwrap_or_default();
    alarms.iter().filter_map(|alarm| Some(alarm["kind"].as_str()?.to_owned())).collect()
}

/// What the recorder noted about its cameras, the oldest first.
fn noted(recorder: &Recorder) -> Vec<String> {
    let log = recorder.client.get("/api/v1/audit?limit=200").ok().json();
    let entries = log["entries"].as_array().cloned().unwrap_or_else(|| panic!("{log}"));
    let noted = entries.iter().rev().filter(|entry| entry["action"] == "note_camera");
    noted.filter_map(|entry| Some(entry["subject"]["what"].as_str()?.to_owned())).collect()
}

#[test]
fn a_mask_that_the_camera_loses_ends_its_recording_until_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let (server, device) = (gst(&[]), CameraServer::start("onvif_camera.py", &[]));
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Square", &format!("{}main", server.url()), None);
    let mask = json!([[{"x": 0.1, "y": 0.1}, {"x": 0.4, "y": 0.1}, {"x": 0.4, "y": 0.5}]]);
    drop(recorder.client.send("PATCH", &format!("/api/v1/cameras/{}", camera.id), &json!({"masks": mask})).ok());
    follow(&mut recorder, &camera, &device, json!({"masks": true, "without_masks": "stop"}));
    wait_state(&recorder, &camera, "the mask in the camera", |state| state["masks"] == "kept");
    let (_, before) = recorder.wait_recorded(&camera, 2);

    control(&device, "masks/lose");
    let lost = recorder.wait_state(&camera, "lost", Some("mask_missing"));
    assert!(lost["detail"].as_str().is_some_and(|detail| detail.contains("had lost 1 of its 1 masks")), "{lost}");
    assert!(alarms(&recorder).contains(&"mask_missing".to_owned()));
    recorder.wait_state(&camera, "live", None);
    let gaps = wait_for("footage after it", SOON, || {
        let recordings = recorder.recordings(&camera);
        let resumed = recordings["spans"].as_array().and_then(|spans| spans.last()?["end_utc_ms"].as_i64());
        let gaps = recordings["gaps"].as_array().cloned().unwrap_or_default();
        let whole = resumed.is_some_and(|end| end > before + 2_000) && !gaps.is_empty();
        if whole { Ok(gaps) } else { Err(recordings.to_string()) }
    });
    assert!(gaps.iter().any(|gap| gap["reason"] == "mask_missing"), "{gaps:?}");
    assert_eq!(control(&device, "look")["masks"].as_array().map(Vec::len), Some(1));
    assert_eq!(noted(&recorder), ["mask_missing", "masks_back"]);
    assert!(!alarms(&recorder).contains(&"mask_missing".to_owned()));
    // Where nobody wants it to end, it goes on.
    follow(&mut recorder, &camera, &device, json!({"masks": true}));
    wait_state(&recorder, &camera, "followed", |state| state["masks"] == "kept");
    control(&device, "masks/lose");
    wait_for("the alarm", SOON, || {
        let alarms = alarms(&recorder);
        if alarms.contains(&"mask_missing".to_owned()) { Ok(()) } else { Err(format!("{alarms:?}")) }
    });
    assert_eq!(recorder.main_state(&camera)["status"], "live");
}

/// Events of the camera itself.
fn told(recorder: &Recorder, camera: &Camera) -> Vec<Value> {
    let range = format!("from_utc_ms={}&to_utc_ms={}", now_ms() - 3_600_000, now_ms() + 60_000);
    let list = recorder.client.get(&format!("/api/v1/events?{range}&camera={}", camera.id)).ok().json();
    let mut events = list["events"].as_array().cloned().unwrap_or_default();
    events.retain(|event| event["source"]["plugin"] == "camera");
    events
}

#[test]
fn what_a_camera_notices_is_kept_and_another_one_in_its_place_is_not_listened_to() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let device = CameraServer::start("onvif_camera.py", &["--clock-offset-s", "3600"]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    // A rule hears of a camera's events as of a plugin's.
    let has_rule = !recorder.plugin(EVENT_CLIP).is_null();
    if has_rule {
        let bind = json!({"enabled": true, "settings": {"kinds": "digital-input"}, "zones": []});
        drop(recorder.client.send("PUT", &format!("/api/v1/cameras/{}/plugins/{EVENT_CLIP}", camera.id), &bind).ok());
    }
    follow(&mut recorder, &camera, &device, json!({"events": true}));
    wait_state(&recorder, &camera, "subscribed", |state| state["events"].is_object());
    control(&device, "input/true");
    let event = wait_for("the event", SOON, || {
        told(&recorder, &camera).into_iter().next().ok_or_else(|| state(&recorder, &camera).to_string())
    });
    assert_eq!(
        (&event["kind"], &event["note"], &event["source"]["version"]),
        (&json!("digital-input"), &json!("di0"), &json!("1.2.3"))
    );
    let ms = |name: &str| event[name].as_i64().unwrap();
    assert!(
        (now_ms() - ms("start_utc_ms")).abs() < 60_000
            && (3_590_000..3_610_000).contains(&(ms("camera_clock_ms") - ms("start_utc_ms"))),
        "{event}"
    );
    if has_rule {
        let proposal = wait_for("the rule's proposal", SOON, || {
            let list = recorder.client.get("/api/v1/proposals").ok().json();
            list["proposals"].get(0).cloned().ok_or_else(|| list.to_string())
        });
        assert_eq!((&proposal["event"]["plugin"], &proposal["kind"]), (&json!("camera"), &json!("export_clip")));
    }

    // The camera is another one when the recorder is back; what was known of it is remembered.
    recorder.stop();
    control(&device, "serial/SN0002");
    control(&device, "input/false");
    recorder.restart();
    let other = wait_state(&recorder, &camera, "another camera", |state| state["other"].is_object());
    assert!(other["other"]["detail"].as_str().is_some_and(|detail| detail.contains("SN0002")), "{other}");
    assert!(alarms(&recorder).contains(&"camera_replaced".to_owned()));
    assert_eq!(control(&device, "input/true")["subscriptions"], 0, "it is not listened to");
    let turned = recorder.client.send("POST", &format!("/api/v1/cameras/{}/ptz", camera.id), &json!({"act": "stop"}));
    assert_eq!(turned.status, 409);
    let accept = format!("/api/v1/cameras/{}/device/accept", camera.id);
    assert_eq!(recorder.client.send("POST", &accept, &json!({"found_id": "ab"})).status, 409);
    drop(recorder.client.send("POST", &accept, &json!({"found_id": other["other"]["found_id"]})).ok());
    wait_state(&recorder, &camera, "followed again", |state| state["other"].is_null() && state["events"].is_object());
    assert_eq!(noted(&recorder), ["other_camera"]);
    assert_eq!(told(&recorder, &camera).len(), 1, "{:?}", told(&recorder, &camera));
}

#[test]
fn a_camera_is_asked_encrypted_once_its_certificate_is_trusted() {
    let (dir, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = gst(&[]);
    let folder = keys.path().to_str().expect("a temporary folder's name is UTF-8");
    let device = CameraServer::start("onvif_camera.py", &["--tls", folder]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    let mut asked = json!({"url": device.url()});
    let report = recorder.client.send("POST", "/api/v1/cameras/inspect", &asked).ok().json();
    let shown = report["problem"]["certificate_sha256"].as_str().unwrap_or_else(|| panic!("{report}")).to_owned();
    asked["certificate_sha256"] = json!(shown);
    let report = recorder.client.send("POST", "/api/v1/cameras/inspect", &asked).ok().json();
    let url = report["device"]["url"].as_str().unwrap_or_else(|| panic!("{report}")).to_owned();
    assert!(url.starts_with("https://"), "{url}");

    let path = format!("/api/v1/cameras/{}", camera.id);
    drop(recorder.client.send("PATCH", &path, &json!({"device": {"url": url, "events": true}})).ok());
    let state = wait_state(&recorder, &camera, "no trust", |state| state["status"] == "lost");
    assert!(state.to_string().contains(&shown), "{state}");
    drop(recorder.client.send("PATCH", &path, &json!({"certificate_sha256": shown})).ok());
    wait_state(&recorder, &camera, "subscribed over TLS", |state| state["events"].is_object());
}
