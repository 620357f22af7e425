//! Turning cameras: bounds, and a move that ends with the session; addresses of ONVIF services.

use super::doubles::MemoryBox;
use super::station::{Ask, CAMERA_PASSWORD, Station, assert_problem};
use crate::api::{Alarm, AlarmKind, PtzRequest};
use serde_json::{Value, json};
use std::time::Duration;
use watchbook_access::Role;
use watchbook_base::CameraId;

/// Longest wait for anything a test expects.
const SOON: Duration = Duration::from_secs(60);
const PTZ: &str = "/api/v1/cameras/1/ptz";

fn step(timeout_ms: u32) -> Value {
    json!({"act": "move", "pan": 1.0, "timeout_ms": timeout_ms})
}

/// Waits until the camera has been told to stop.
async fn stopped(inner: std::sync::Arc<MemoryBox>) {
    let waiting = tokio::task::spawn_blocking(move || {
        let stopped =
            |turned: &mut Vec<(CameraId, PtzRequest)>| turned.last().is_none_or(|(_, last)| *last != PtzRequest::Stop);
        let turned = inner.turned.lock().unwrap();
        inner.turned_again.wait_timeout_while(turned, SOON, stopped).unwrap().1.timed_out()
    });
    assert!(!waiting.await.unwrap(), "it was never told to stop");
}

#[tokio::test]
async fn a_move_that_nobody_goes_on_with_is_stopped() {
    let station = Station::new();
    let admin = station.claim(false).await;
    assert_eq!(station.post(PTZ, &admin, &step(100)).await.status, 204);
    stopped(station.inner.clone()).await;
}

#[tokio::test]
async fn a_move_ends_with_the_session_of_whoever_began_it() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let cookie = station.account(&admin, "Asker", &[Role::Investigator], None).await;
    let began = std::time::Instant::now();
    assert_eq!(station.post(PTZ, &cookie, &step(5_000)).await.status, 204);
    assert_eq!(station.send(Ask::new("DELETE", "/api/v1/session").by(&cookie)).await.status, 204);
    stopped(station.inner.clone()).await;
    // Its own time was not over, on any machine that got here in time.
    if began.elapsed() < Duration::from_secs(4) {
        assert_eq!(station.inner.turned.lock().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn what_is_out_of_bounds_reaches_no_camera() {
    let station = Station::new();
    let admin = station.claim(false).await;
    for body in [
        json!({"act": "move", "pan": 1.5, "timeout_ms": 1000}),
        json!({"act": "move", "pan": 1.0, "timeout_ms": 60000}),
        json!({"act": "move", "pan": 1.0}),
        json!({"act": "move", "pan": null, "timeout_ms": 1000}),
        json!({"act": "go_to", "pan": 0.0, "tilt": 0.0, "zoom": -0.1}),
        json!({"act": "go_to_preset", "token": ""}),
        json!({"act": "self_destruct"}),
    ] {
        assert_problem(&station.post(PTZ, &admin, &body).await, 422, "invalid-input");
    }
    let mut refused = 0;
    for _ in 0..40 {
        let answer = station.post(PTZ, &admin, &json!({"act": "go_to_preset", "token": "1"})).await;
        refused += usize::from(answer.status == 429);
    }
    let turned = station.inner.turned.lock().unwrap().len();
    assert!(turned + refused == 40 && refused > 0, "{turned} {refused}");
}

#[tokio::test]
async fn a_camera_is_talked_to_where_its_stream_comes_from_alone() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let patch = async |body: Value| station.send(Ask::new("PATCH", "/api/v1/cameras/1").by(&admin).json(&body)).await;
    let device = |url: &str| json!({"device": {"url": url, "events": true, "without_masks": "stop"}});
    let set = patch(device("http://192.0.2.20:8000/onvif/device_service")).await.json();
    assert_eq!(set["device"]["url"], "http://192.0.2.20:8000/onvif/device_service");
    assert_eq!(
        (&set["device"]["masks"], &set["device"]["set_clock"], &set["device"]["without_masks"]),
        (&json!(false), &json!(false), &json!("stop"))
    );
    for url in [
        "http://203.0.113.6/onvif/device_service",
        "ftp://192.0.2.20/",
        "https://203.0.113.6/",
        "http://a:b@192.0.2.20/",
        "http://192.0.2.20:0/",
        "file:///etc/passwd",
        "",
    ] {
        assert_problem(&patch(device(url)).await, 422, "invalid-input");
    }
    assert_eq!(
        patch(device("https://192.0.2.20:8443/onvif/x")).await.json()["device"]["url"],
        "https://192.0.2.20:8443/onvif/x"
    );
    // The stream does not move away from it.
    assert_problem(&patch(json!({"main": {"url": "rtsp://203.0.113.6/main"}})).await, 422, "invalid-input");
    let moved = json!({"main": {"url": "rtsp://203.0.113.6/main"}, "device": {"url": "http://203.0.113.6/"}});
    assert_eq!(patch(moved).await.json()["has_password"], false);
    assert_eq!(patch(json!({"device": null, "password": CAMERA_PASSWORD})).await.json()["device"], Value::Null);
    let viewer = station.account(&admin, "V", &[Role::Viewer], None).await;
    patch(device("http://203.0.113.6/")).await;
    assert_eq!(
        station.get("/api/v1/cameras/1", &viewer).await.json()["device"],
        Value::Null,
        "addresses are for admins"
    );
}

#[tokio::test]
async fn alarms_of_cameras_are_for_those_who_have_the_camera() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let alarm = |camera| Alarm {
        kind: AlarmKind::MaskMissing,
        disk: None,
        camera: Some(camera),
        since_utc_ms: None,
        text: "The camera has lost a mask.".into(),
    };
    *station.inner.device_alarms.lock().unwrap() = vec![alarm(1), alarm(2)];
    let cameras = async |cookie: &str| {
        let alarms = station.get("/api/v1/health", cookie).await.json()["alarms"].clone();
        let cameras = alarms.as_array().unwrap().iter().filter_map(|alarm| alarm["camera"].as_u64());
        cameras.collect::<Vec<_>>()
    };
    assert_eq!(cameras(&admin).await, [1, 2]);
    let one = station.account(&admin, "One", &[Role::Viewer], Some(&[2])).await;
    assert_eq!(cameras(&one).await, [2]);
}
