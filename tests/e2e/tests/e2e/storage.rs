//! Several disks and the vault, over the API.

use crate::cameras::gst;
use serde_json::{Value, json};
use watchbook_e2e::media::{decode_complaints, packets};
use watchbook_e2e::recorder::{Camera, SOON};
use watchbook_e2e::{Recorder, wait_for};

/// What a disk may cost each of its cameras.
const MOVED_MS_MAX: i64 = 10_000;

/// The disks by the name of their directory: state and number of streams.
fn disks(recorder: &Recorder) -> Vec<(String, String, u64)> {
    let health = recorder.client.get("/api/v1/health").ok().json();
    let disk = |disk: &Value| {
        let name = disk["dir"].as_str()?.rsplit('/').next()?.to_owned();
        Some((name, disk["state"].as_str()?.to_owned(), disk["stream_count"].as_u64()?))
    };
    health["disks"].as_array().into_iter().flatten().filter_map(disk).collect()
}

fn alarms(recorder: &Recorder) -> Vec<String> {
    let health = recorder.client.get("/api/v1/health").ok().json();
    let kind = |alarm: &Value| alarm["kind"].as_str().map(str::to_owned);
    health["alarms"].as_array().into_iter().flatten().filter_map(kind).collect()
}

fn wait_disks(recorder: &Recorder, what: &str, fits: impl Fn(&[(String, String, u64)]) -> bool) {
    wait_for(what, SOON, || {
        let disks = disks(recorder);
        if fits(&disks) { Ok(()) } else { Err(format!("{disks:?}")) }
    });
}

fn disk_gaps_ms(recorder: &Recorder, camera: &Camera) -> Vec<i64> {
    let recordings = recorder.recordings(camera);
    let gaps = recordings["gaps"].as_array().cloned().unwrap_or_default();
    let of_disk = gaps.iter().filter(|gap| gap["reason"] == "disk");
    of_disk.filter_map(|gap| Some(gap["end_utc_ms"].as_i64()? - gap["start_utc_ms"].as_i64()?)).collect()
}

#[test]
fn a_disk_joins_goes_away_comes_back_and_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let (second, away) = (dir.path().join("second"), dir.path().join("away"));
    std::fs::create_dir(&second).unwrap();
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let add = json!({ "dir": second, "size_gib": 1 });
    let added = recorder.client.send("POST", "/api/v1/disks", &add).ok().json();
    let id = added["id"].as_str().unwrap_or_else(|| panic!("no number in {added}")).to_owned();
    wait_disks(&recorder, "both disks to record", |disks| {
        disks.len() == 2 && disks.iter().all(|(_, state, _)| state == "recording")
    });
    let url = format!("{}main", server.url());
    let cameras = ["Gate", "Yard", "Cell"].map(|name| recorder.add_camera(name, &url, None));
    for camera in &cameras {
        let _ = recorder.wait_recorded(camera, 3);
    }
    wait_disks(&recorder, "streams on both disks", |disks| disks.iter().all(|(_, _, streams)| *streams > 0));

    // The disk is no longer found where it belongs.
    std::fs::rename(&second, &away).unwrap();
    std::fs::create_dir(&second).unwrap();
    wait_disks(&recorder, "all streams on the disk that is left", |disks| {
        disks.iter().any(|(name, state, streams)| name == "second" && state == "missing" && *streams == 0)
            && disks.iter().any(|(name, _, streams)| name == "ring" && *streams == 3)
    });
    assert_eq!(alarms(&recorder), ["disk_missing"]);
    let moved = wait_for("a gap row of the disk that has an end", SOON, || {
        let gaps: Vec<i64> = cameras.iter().flat_map(|camera| disk_gaps_ms(&recorder, camera)).collect();
        if gaps.is_empty() { Err("there is none".to_owned()) } else { Ok(gaps) }
    });
    assert!(moved.iter().all(|ms| *ms <= MOVED_MS_MAX), "{moved:?}");
    cameras.iter().for_each(|camera| drop(recorder.wait_state(camera, "live", None)));
    assert_eq!(std::fs::read_dir(&second).unwrap().count(), 0, "nothing is made in the mount point");

    // It comes back, and is used again by itself.
    std::fs::remove_dir(&second).unwrap();
    std::fs::rename(&away, &second).unwrap();
    wait_disks(&recorder, "both disks to record again", |disks| {
        disks.len() == 2 && disks.iter().all(|(_, state, _)| state == "recording")
    });
    assert_eq!(alarms(&recorder), [""; 0]);

    // It goes for good.
    let retire = format!("/api/v1/disks/{id}/retire");
    let refused = recorder.client.send("POST", &retire, &json!({ "replaced": false }));
    assert_eq!(refused.status, 409, "it records: {}", refused.json());
    std::fs::rename(&second, &away).unwrap();
    std::fs::create_dir(&second).unwrap();
    wait_disks(&recorder, "the disk to be missing", |disks| disks.iter().any(|(_, state, _)| state == "missing"));
    drop(recorder.client.send("POST", &retire, &json!({ "replaced": false })).ok());
    assert_eq!(disks(&recorder).iter().map(|(name, _, _)| name.as_str()).collect::<Vec<_>>(), ["ring"]);
    assert_eq!(alarms(&recorder), [""; 0]);
    recorder.stop();
    let (code, text) = recorder.check(&[]);
    assert!(code == Some(0) && text.contains("no damage found"), "{text}");

    // Without the master key every checksum is right, and no digest can be verified.
    let master_key = dir.path().join("state").join("master.key");
    std::fs::rename(&master_key, dir.path().join("put away")).expect("the station has made its master key");
    let (code, text) = recorder.check(&[]);
    assert!(code == Some(1) && text.contains("NOT VERIFIED") && !text.contains("no damage found"), "{text}");
    std::fs::rename(dir.path().join("put away"), &master_key).expect("it can be put back");
    assert_eq!(recorder.check(&[]).0, Some(0), "with the key put back all is well again");
}

#[test]
fn held_footage_outlives_its_ring() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    let (start, end) = recorder.wait_recorded(&camera, 6);
    let case = recorder.client.open_emergency(&[camera.id]);
    let path = Recorder::played_path(case, &camera, start, end);
    let before = recorder.client.get(&path).ok().body;
    let order = json!({ "case": "12/26", "cameras": [camera.id], "from_utc_ms": start, "to_utc_ms": end, "note": "" });
    let placed = recorder.client.send("POST", "/api/v1/holds", &order).ok().json();
    let hold = |recorder: &Recorder| {
        let holds = recorder.client.get("/api/v1/holds").ok().json()["holds"].clone();
        holds.as_array().and_then(|holds| holds.iter().find(|hold| hold["id"] == placed["id"])).cloned()
    };
    // A range is over when the minute is in which it ends.
    wait_for("the copy", SOON * 3, || match hold(&recorder) {
        Some(hold) if hold["state"] == "held" => Ok(()),
        hold => Err(format!("{hold:?}")),
    });
    recorder.stop();
    drop(server);

    // The ring's segments are lost, all of them.
    for segment in std::fs::read_dir(recorder.ring_dir().join("segments")).expect("the ring has its segments") {
        std::fs::remove_file(segment.expect("can be listed").path()).expect("can be removed");
    }
    recorder.restart();
    let held = wait_for("the held footage", SOON, || {
        let answer = recorder.client.get(&path);
        if answer.status == 200 { Ok(answer.body) } else { Err(answer.json().to_string()) }
    });
    let held = recorder.save(&held, "held.mp4");
    assert_eq!(decode_complaints(&held), "");
    // A copy is cut at the minutes: there may be one fragment more than in the ring.
    let before = packets(&recorder.save(&before, "before.mp4"));
    assert!(before.iter().filter(|line| !line.starts_with('#')).count() > 30, "{before:?}");
    assert_eq!(packets(&held), before);

    let release = format!("/api/v1/holds/{}/release", placed["id"].as_str().unwrap_or_default());
    drop(recorder.client.send("POST", &release, &json!({ "reason": "the court has closed the case" })).ok());
    let released = hold(&recorder).unwrap_or_default();
    assert!(released["release"]["reason"].as_str().is_some_and(|why| why.contains("court")), "{released}");
    assert_eq!(recorder.client.get(&path).status, 404, "nobody reads a released copy");
}
