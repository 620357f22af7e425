//! What belongs to a camera or a case of others: every route that takes its number gives it to those whose it is, and refuses everybody else.

use crate::cameras::gst;
use serde_json::{Value, json};
use std::time::Duration;
use watchbook_e2e::case::second_factor;
use watchbook_e2e::raw::status;
use watchbook_e2e::recorder::now_ms;
use watchbook_e2e::release::{request, wait_export};
use watchbook_e2e::{Client, Raw, Recorder};

const PASSWORD: &str = "a long enough passphrase";
const PATIENCE: Duration = Duration::from_secs(20);

/// A station with two cameras and a case about each, and who works in them.
struct Station {
    recorder: Recorder,
    /// Works in case `A 1`, about the first camera, which is theirs.
    mine: Client,
    /// Works in case `B 1`, about the second.
    theirs: Client,
    /// Approves, and has the first camera alone.
    near: Client,
    viewer: Client,
    /// Of the second camera.
    footage: (i64, i64),
    /// Of the second camera: number and digest of its manifest.
    export: (String, String),
    hold: String,
    _camera: watchbook_e2e::CameraServer,
    _dir: tempfile::TempDir,
}

fn account(recorder: &mut Recorder, name: &str, role: &str, cameras: &Value) -> (Client, u64) {
    let made = json!({ "name": name, "password": PASSWORD, "roles": [role], "cameras": cameras });
    let made = recorder.client.send("POST", "/api/v1/accounts", &made).ok().json();
    let mut client = Client::new(&format!("http://{}/", recorder.client.authority()));
    client.sign_in_as(name, PASSWORD);
    (client, made["id"].as_u64().expect("an account has a number"))
}

fn case(number: &str, camera: u64, investigator: u64) -> Value {
    let now = now_ms();
    json!({
        "case": number, "purpose": "theft", "cameras": [camera], "from_utc_ms": now - 3_600_000,
        "to_utc_ms": now + 3_600_000, "expires_utc_ms": now + 7_200_000, "investigators": [investigator],
        "emergency": false,
    })
}

impl Station {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let server = gst(&[]);
        let (mut recorder, code) = Recorder::unclaimed(dir.path());
        let claim = json!({ "code": code, "name": "Chief", "password": PASSWORD, "one_person_station": false });
        drop(recorder.client.send("POST", "/api/v1/claim", &claim).ok());
        let gate = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
        let yard = recorder.add_camera("Yard", &format!("{}sub", server.url()), None);
        assert_eq!((gate.id, yard.id), (1, 2));
        let (mine, my_number) = account(&mut recorder, "mine", "investigator", &json!([1]));
        let (mut theirs, their_number) = account(&mut recorder, "theirs", "investigator", &json!([2]));
        let (mut near, _) = account(&mut recorder, "near", "approver", &json!([1]));
        let (mut all, _) = account(&mut recorder, "all", "approver", &Value::Null);
        let (viewer, _) = account(&mut recorder, "viewer", "viewer", &json!([1]));
        drop(second_factor(&mut near, PASSWORD));
        drop(second_factor(&mut all, PASSWORD));
        for case in [case("A 1", 1, my_number), case("B 1", 2, their_number)] {
            drop(all.send("POST", "/api/v1/cases", &case).ok());
        }
        // The admin sees no footage, so whose it is looks when it is there.
        let seen = Recorder::seen_by(&theirs, &yard, 4);
        let footage = (seen.0 + 1000, seen.0 + 3000);
        let mark = json!({ "at_utc_ms": footage.0, "cameras": [2], "words": "the van turns" });
        drop(theirs.send("POST", "/api/v1/cases/B%201/bookmarks", &mark).ok());
        let order = json!({ "case": "B 1", "cameras": [2], "from_utc_ms": footage.0, "to_utc_ms": footage.1 });
        let hold = theirs.send("POST", "/api/v1/holds", &order).ok().json()["id"].clone();
        let asked = theirs.send("POST", "/api/v1/exports", &request("B 1", &[2], footage)).ok().json();
        let id = asked["id"].as_str().expect("an export has a number").to_owned();
        let made = wait_export(&theirs, &id, "ready");
        let manifest = made["made"]["manifest_sha256"].as_str().expect("it is made").to_owned();
        // Before anybody may have it, somebody who has not its camera does not answer for it.
        for answer in ["release", "refuse"] {
            let body = json!({ "manifest_sha256": manifest, "reason": "not needed" });
            let body = if answer == "release" { json!({ "manifest_sha256": manifest }) } else { body };
            assert_eq!(near.send("POST", &format!("/api/v1/exports/{id}/{answer}"), &body).status, 403, "{answer}");
        }
        let release = json!({ "manifest_sha256": manifest });
        drop(all.send("POST", &format!("/api/v1/exports/{id}/release"), &release).ok());
        let hold = hold.as_str().map_or_else(|| hold.to_string(), str::to_owned);
        let export = (id, manifest);
        Self { recorder, mine, theirs, near, viewer, footage, export, hold, _camera: server, _dir: dir }
    }

    /// What is read of the second camera and of its case: each path with what its own people are answered.
    fn reads(&self) -> Vec<(String, u16)> {
        let (from, to) = self.footage;
        let range = format!("from_utc_ms={from}&to_utc_ms={to}");
        let (id, manifest) = &self.export;
        let api = |path: String| format!("/api/v1/{path}");
        vec![
            (api(format!("cameras/2/recordings?{range}")), 200),
            (api(format!("cameras/2/playback.mp4?case=B%201&{range}")), 200),
            (api(format!("cameras/2/thumbnail.jpg?case=B%201&at_utc_ms={from}")), 200),
            (api("cameras/2/retention".to_owned()), 200),
            (api("cameras/2/erasures".to_owned()), 200),
            // There is no such event, which is for those to know whose camera it is.
            (api("cameras/2/events/424242/rederive".to_owned()), 200),
            (api(format!("cameras/2/events/424242/rederive/inputs?start_utc_ms={from}")), 404),
            (api(format!("events?camera=2&{range}")), 200),
            (api(format!("events?cameras=2&{range}")), 200),
            (api(format!("events/counts?camera=2&{range}")), 200),
            (api(format!("events/counts.csv?camera=2&{range}")), 200),
            (api(format!("events/live?camera=2&{range}")), 200),
            (api(format!("exports/estimate?cameras=2&{range}")), 200),
            (api(format!("holds/estimate?cameras=2&{range}")), 200),
            (api("cases/B%201/bookmarks".to_owned()), 200),
            (api(format!("exports/{id}/bundle.zip?manifest_sha256={manifest}")), 200),
        ]
    }
}

#[test]
fn every_object_of_a_camera_or_case_of_others_is_refused_by_every_route_that_takes_its_number() {
    let mut station = Station::new();
    for (path, status) in station.reads() {
        let theirs = station.theirs.get(&path);
        assert_eq!(theirs.status, status, "{path}: {}", String::from_utf8_lossy(&theirs.body));
        for range in [None, Some("bytes=0-99"), Some("bytes=-1")] {
            let mine = station.mine.get_range(&path, range);
            assert_eq!(mine.status, 403, "{path} {range:?}");
            assert_eq!(mine.header("content-type"), "application/problem+json", "{path}");
        }
    }
    let (footage, media) = (station.footage, station.reads());
    let range = format!("from_utc_ms={}&to_utc_ms={}", footage.0, footage.1);
    // A part of a file is refused and given as the whole of it.
    for path in [&media[1].0, &media[15].0] {
        assert_eq!(station.theirs.get_range(path, Some("bytes=0-99")).status, 206, "{path}");
    }
    // Nobody brings a camera of others into a case of their own, or their own camera into a case of others.
    for (client, path) in [
        (&station.mine, format!("/api/v1/cameras/2/playback.mp4?case=A%201&{range}")),
        (&station.mine, format!("/api/v1/cameras/1/playback.mp4?case=B%201&{range}")),
        (&station.mine, format!("/api/v1/cameras/1/thumbnail.jpg?case=B%201&at_utc_ms={}", footage.0)),
        (&station.theirs, format!("/api/v1/cameras/2/playback.mp4?case=A%201&{range}")),
        (&station.mine, format!("/api/v1/events?cameras=1,2&{range}")),
        (&station.mine, format!("/api/v1/exports/estimate?cameras=1,2&{range}")),
    ] {
        assert_eq!(client.get(&path).status, 403, "{path}");
    }
    assert_changes_refused(&mut station);
    assert_lists_leave_out(&station);
    assert_sockets_refused(&station);
}

/// What changes something of others is refused, and everything is as it was afterwards.
fn assert_changes_refused(station: &mut Station) {
    let (footage, (id, manifest)) = (station.footage, station.export.clone());
    let at = |number: &str, camera: u64| json!({ "case": number, "cameras": [camera], "from_utc_ms": footage.0, "to_utc_ms": footage.1 });
    let mark = json!({ "at_utc_ms": footage.0, "cameras": [2], "words": "mine" });
    for (path, body) in [
        ("/api/v1/cases/B%201/bookmarks".to_owned(), mark.clone()),
        ("/api/v1/cases/A%201/bookmarks".to_owned(), mark),
        ("/api/v1/holds".to_owned(), at("B 1", 2)),
        ("/api/v1/holds".to_owned(), at("A 1", 2)),
        ("/api/v1/exports".to_owned(), request("B 1", &[2], footage)),
        ("/api/v1/exports".to_owned(), request("A 1", &[2], footage)),
        ("/api/v1/exports".to_owned(), request("A 1", &[1, 2], footage)),
        ("/api/v1/exports".to_owned(), request("B 1", &[1], footage)),
        (format!("/api/v1/exports/{id}/deliver"), json!({ "manifest_sha256": manifest, "sink": "directory/share" })),
        ("/api/v1/cameras/2/events/424242/rederive".to_owned(), json!({ "start_utc_ms": footage.0 })),
        ("/api/v1/cameras/2/ptz".to_owned(), json!({ "act": "stop" })),
    ] {
        let answer = station.mine.send("POST", &path, &body);
        assert_eq!(answer.status, 403, "{path} {body}: {}", String::from_utf8_lossy(&answer.body));
    }
    for path in [
        format!("/api/v1/exports/{id}/cancel"),
        format!("/api/v1/exports/{id}/decision-request"),
        "/api/v1/cases/B%201/close".to_owned(),
    ] {
        assert_eq!(station.mine.post(&path).status, 403, "{path}");
    }
    for path in ["/api/v1/cases/B%201/bookmarks/1", "/api/v1/cameras/2/events/424242/rederive"] {
        assert_eq!(station.mine.delete(path).status, 403, "{path}");
    }
    // Approvers, too, are of their cameras.
    let given_up = json!({ "reason": "case closed" });
    let release = station.near.send("POST", &format!("/api/v1/holds/{}/release", station.hold), &given_up);
    assert_eq!(release.status, 403, "{}", String::from_utf8_lossy(&release.body));
    let asked = station.near.post(&format!("/api/v1/exports/{id}/decision-request"));
    assert_eq!(asked.status, 403, "{}", String::from_utf8_lossy(&asked.body));
    let wider = json!({ "cameras": [1, 2] });
    assert_eq!(station.near.send("PATCH", "/api/v1/cases/A%201", &wider).status, 403);
    // All of it is still there.
    let bookmarks = station.theirs.get("/api/v1/cases/B%201/bookmarks").ok().json();
    assert_eq!(bookmarks["bookmarks"].as_array().map(Vec::len), Some(1), "{bookmarks}");
    assert_eq!(wait_export(&station.theirs, &id, "released")["case"], "B 1");
    let holds = station.theirs.get("/api/v1/holds").ok().json();
    assert_eq!(holds["holds"].as_array().map(Vec::len), Some(1), "{holds}");
}

/// Lists name nothing of what is not theirs.
fn assert_lists_leave_out(station: &Station) {
    for (path, list) in [
        ("/api/v1/cameras", "cameras"),
        ("/api/v1/retention", "cameras"),
        ("/api/v1/health", "cameras"),
        ("/api/v1/cases", "cases"),
        ("/api/v1/exports", "exports"),
        ("/api/v1/holds", "holds"),
    ] {
        let (mine, theirs) = (station.mine.get(path).ok().json(), station.theirs.get(path).ok().json());
        let count = |of: &Value| of[list].as_array().map(Vec::len);
        let own = if matches!(list, "exports" | "holds") { 0 } else { 1 };
        assert_eq!((count(&mine), count(&theirs)), (Some(own), Some(1)), "{path}: {mine}");
        let text = mine[list].to_string();
        assert!(!text.contains("Yard") && !text.contains("B 1"), "{path}: {text}");
    }
}

/// Live pictures are refused before the socket is one.
fn assert_sockets_refused(station: &Station) {
    let ask = |client: &Client, camera: u64, role: &str| {
        let mut raw = Raw::open(station.recorder.client.authority(), PATIENCE);
        raw.send(format!("GET /api/v1/cameras/{camera}/live?role={role} HTTP/1.1\r\nHost: box\r\nCookie: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", client.cookie()).as_bytes());
        status(&raw.head())
    };
    assert_eq!(ask(&station.viewer, 1, "main_video"), 101);
    for role in ["main_video", "sub_video"] {
        assert_eq!(ask(&station.viewer, 2, role), 403, "{role}");
        // Playback is no right to look now.
        assert_eq!(ask(&station.theirs, 2, role), 403, "{role}");
    }
    // A header that asks for another protocol opens no other route.
    let mut raw = Raw::open(station.recorder.client.authority(), PATIENCE);
    raw.send(format!("GET /api/v1/cameras/2/recordings?from_utc_ms=1&to_utc_ms=2 HTTP/1.1\r\nHost: box\r\nCookie: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", station.mine.cookie()).as_bytes());
    assert_eq!(status(&raw.head()), 403);
}
