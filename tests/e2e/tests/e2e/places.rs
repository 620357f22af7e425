//! A released bundle on its way to a directory of the box and to disks that are plugged in: real file systems, one too small, one that hangs while the recorder is killed; and a bundle
//! that a witness has signed for.

#![allow(clippy::unwrap_used, reason = "a test's")]

use super::checkpoint::{log, wait_kept};
use super::witness::{Outside, import};
use crate::cameras::gst;
use crate::not_tested;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use watchbook_e2e::recorder::{Camera, SOON, program};
use watchbook_e2e::release::{Approver, fetch, log_key, request, verify, wait_export};
use watchbook_e2e::{CameraServer, Recorder, wait_for};

/// A file system below the root of removable disks, taken down at the end.
struct Disk {
    at: PathBuf,
    frozen: bool,
}

impl Disk {
    /// `None` where this may not mount.
    fn plug_in(media: &Path, name: &str, arguments: &[&str]) -> Option<Self> {
        let at = media.join(name);
        std::fs::create_dir_all(&at).unwrap();
        let mounted = Command::new("mount").args(arguments).arg(&at).output().unwrap();
        if !mounted.status.success() {
            not_tested("exports on disks that are plugged in: this test may not mount one");
            return None;
        }
        Some(Self { at, frozen: false })
    }

    fn freeze(&mut self, frozen: bool) {
        let how = if frozen { "--freeze" } else { "--unfreeze" };
        assert!(Command::new("fsfreeze").arg(how).arg(&self.at).status().unwrap().success());
        self.frozen = frozen;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.frozen {
            let _ = Command::new("fsfreeze").arg("--unfreeze").arg(&self.at).status();
        }
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

/// A recorder with some seconds of one camera, and an approver.
struct Station {
    recorder: Recorder,
    approver: Approver,
    camera: Camera,
    range: (i64, i64),
    _server: CameraServer,
}

impl Station {
    fn new(dir: &Path) -> Self {
        let server = gst(&[]);
        let mut recorder = Recorder::claim(dir);
        let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
        let range = recorder.wait_recorded(&camera, 5);
        let mut approver = Approver::new(&mut recorder);
        approver.open_case("7/26", &[camera.id]);
        Self { recorder, approver, camera, range, _server: server }
    }

    /// A bundle that waits for its release.
    fn ready(&mut self) -> Value {
        let body = request("7/26", &[self.camera.id], self.range);
        let asked = self.recorder.client.send("POST", "/api/v1/exports", &body).ok();
        wait_export(&self.recorder.client, asked.json()["id"].as_str().unwrap(), "ready")
    }

    fn release(&mut self, export: &Value) -> Value {
        assert_eq!(self.approver.release(export, export["made"]["manifest_sha256"].as_str().unwrap()), 200);
        wait_export(&self.recorder.client, export["id"].as_str().unwrap(), "released")
    }

    fn write(&mut self, export: &Value, sink: &str) -> watchbook_e2e::client::Answer {
        let path = format!("/api/v1/exports/{}/deliver", export["id"].as_str().unwrap());
        let body = json!({ "manifest_sha256": export["made"]["manifest_sha256"], "sink": sink });
        self.recorder.client.send("POST", &path, &body)
    }

    /// Waits until the last delivery is in this state.
    fn wait_delivery(&self, export: &Value, state: &str) -> Value {
        let id = export["id"].as_str().unwrap();
        wait_for(&format!("a delivery to be {state}"), SOON + SOON, || {
            let export = wait_export(&self.recorder.client, id, "released");
            let last = export["deliveries"].as_array().and_then(|all| all.last().cloned()).unwrap_or_default();
            if last["state"] == state { Ok(last) } else { Err(export.to_string()) }
        })
    }

    fn verified(&self, folder: &Path) {
        let key = log_key(&self.recorder);
        for said in verdicts(folder, &key, &[]) {
            assert!(said.lines().last().is_some_and(|last| last.starts_with("VERIFIED")), "{said}");
        }
    }
}

/// What both verifiers say of a bundle.
fn verdicts(folder: &Path, key: &str, more: &[&str]) -> [String; 2] {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../evidence/verify.py");
    let ours = verify(Command::new(program("watchbook-verify")).args(more), folder, key);
    [ours, verify(Command::new("python3").arg(script).args(more), folder, key)]
}

/// The folder of an export below a place.
fn folder(place: &Path, export: &Value) -> PathBuf {
    place.join(format!("watchbook-export-{}", export["id"].as_str().unwrap()))
}

#[test]
fn a_released_bundle_is_written_to_a_directory_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let share = dir.path().join("share");
    let mut station = Station::new(dir.path());
    let export = station.ready();
    let listed = |station: &Station| station.recorder.client.get("/api/v1/exports/sinks").ok().json();
    let gone = listed(&station);
    assert!(gone["sinks"][0]["id"] == "directory/share" && gone["sinks"][0]["trouble"].is_string(), "{gone}");
    std::fs::create_dir(&share).unwrap();
    let there = listed(&station);
    assert!(there["sinks"][0]["trouble"].is_null() && there["usb"] == true, "{there}");
    assert!(there["sinks"][0]["free_bytes"].as_u64().is_some_and(|free| free > 0), "{there}");

    assert_eq!(station.write(&export, "directory/share").status, 409, "it is not released");
    let export = station.release(&export);
    for (sink, status) in [("directory/other", 404), ("usb/share", 404), ("directory/../state", 404), ("/etc", 404)] {
        assert_eq!(station.write(&export, sink).status, status, "{sink}");
    }
    let path = format!("/api/v1/exports/{}/deliver", export["id"].as_str().unwrap());
    let body = json!({ "manifest_sha256": export["made"]["manifest_sha256"], "sink": "directory/share" });
    assert_eq!(station.approver.client.send("POST", &path, &body).status, 403, "an approver has no footage");

    assert_eq!(station.write(&export, "directory/share").status, 200);
    let done = station.wait_delivery(&export, "done");
    assert!(done["done_bytes"] == done["total_bytes"] && done["trouble"].is_null(), "{done}");
    station.verified(&folder(&share, &export));
    let names: Vec<_> = std::fs::read_dir(&share).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 1, "nothing else is left: {names:?}");

    // What lies there is not written over.
    assert_eq!(station.write(&export, "directory/share").status, 200);
    let failed = station.wait_delivery(&export, "failed");
    assert!(failed["trouble"].as_str().is_some_and(|trouble| trouble.contains("nothing is written over")), "{failed}");
    station.verified(&folder(&share, &export));
    assert_eq!(station.recorder.stop(), Some(0));
}

#[test]
fn a_disk_that_is_plugged_in_gets_the_bundle_over_a_kill_and_a_small_one_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let media = dir.path().join("media");
    std::fs::create_dir(&media).unwrap();
    let image = dir.path().join("image");
    let file = std::fs::File::create(&image).unwrap();
    file.set_len(64 << 20).unwrap();
    if !Command::new("mkfs.ext4").arg("-q").arg(&image).status().is_ok_and(|made| made.success()) {
        return not_tested("exports on a disk that hangs: there is no mkfs.ext4");
    }
    let image = image.to_str().unwrap();
    let Some(mut stick) = Disk::plug_in(&media, "COURT ONE", &["-o", "loop", image]) else { return };
    let Some(small) = Disk::plug_in(&media, "SMALL", &["-t", "tmpfs", "-o", "size=64k", "tmpfs"]) else { return };
    std::fs::create_dir(media.join("not-mounted")).unwrap();
    let mut station = Station::new(dir.path());
    let export = station.ready();
    let export = station.release(&export);
    let listed = station.recorder.client.get("/api/v1/exports/sinks").ok().json();
    let ids: Vec<&str> = listed["sinks"].as_array().unwrap().iter().map(|sink| sink["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["directory/share", "usb/COURT ONE", "usb/SMALL"], "{listed}");
    assert_eq!(station.write(&export, "usb/not-mounted").status, 404, "that would be the recorder's own disk");
    let refused = station.write(&export, "usb/SMALL");
    let said = String::from_utf8_lossy(&refused.body).into_owned();
    assert!(refused.status >= 400 && said.contains("Make room on it"), "{said}");

    // The stick hangs in the midst of it, and the recorder is killed.
    stick.freeze(true);
    assert_eq!(station.write(&export, "usb/COURT ONE").status, 200);
    drop(station.wait_delivery(&export, "writing"));
    let id = station.recorder.id().to_string();
    assert!(Command::new("kill").args(["-9", &id]).status().unwrap().success());
    stick.freeze(false);
    station.recorder.kill();
    assert!(!folder(&stick.at, &export).exists(), "only what was read back has its name");
    station.recorder.restart();
    let done = station.wait_delivery(&export, "done");
    assert_eq!(done["folder"], json!(format!("watchbook-export-{}", export["id"].as_str().unwrap())));
    station.verified(&folder(&stick.at, &export));
    drop(small);

    // Both attempts stand in the log with where it went, before the first byte.
    let audit = station.recorder.client.get("/api/v1/audit?limit=200").ok().json().to_string();
    assert!(audit.matches("usb/COURT ONE").count() >= 2, "{audit}");
    assert_eq!(station.recorder.stop(), Some(0));
}

#[test]
fn a_bundle_gets_the_signature_of_a_witness_when_it_comes_home() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut station = Station::new(dir.path());
    let witness = Outside::new(outside.path());
    witness.trusts(&log(&station.recorder));
    let key = json!({ "key": witness.key.to_string() });
    drop(watchbook_e2e::case::second_factor(&mut station.recorder.client, "a long enough passphrase"));
    drop(station.recorder.client.send("POST", "/api/v1/log/witnesses", &key).ok());
    // One that is older than the export proves nothing of it.
    drop(wait_kept(&station.recorder, 2));
    let cosign = |station: &mut Station, old: u64| {
        let (code, line) = witness.cosigns(&super::witness::request(&station.recorder, old));
        assert_eq!(code, 0);
        let taken = import(&mut station.recorder, &line).ok().json();
        taken["cosigned"][0]["entries"].as_u64().unwrap()
    };
    let first = cosign(&mut station, 0);
    let export = station.ready();
    let export = station.release(&export);
    assert_eq!(export["made"]["witnesses"], json!([]), "{export}");
    let (before, log_key) = (fetch(&station.recorder, &export), log_key(&station.recorder));
    let witness_key = witness.key.to_string();
    let with_witness = ["--witness", witness_key.as_str()];
    for said in verdicts(&before, &log_key, &with_witness) {
        assert!(said.contains("FAIL witness-missing"), "{said}");
    }
    station.verified(&before);

    cosign(&mut station, first);
    let id = export["id"].as_str().unwrap().to_owned();
    let witnessed = wait_for("the bundle to have the signature", SOON + SOON, || {
        let export = wait_export(&station.recorder.client, &id, "released");
        if export["made"]["witnesses"] == json!([witness.key.name()]) { Ok(export) } else { Err(export.to_string()) }
    });
    assert_eq!(witnessed["since_utc_ms"], export["since_utc_ms"], "it is not kept longer for that");
    assert_eq!(witnessed["made"]["manifest_sha256"], export["made"]["manifest_sha256"]);
    let after = fetch(&station.recorder, &witnessed);
    for said in verdicts(&after, &log_key, &with_witness) {
        assert!(said.lines().last().is_some_and(|last| last.starts_with("VERIFIED")), "{said}");
    }
    assert_eq!(station.recorder.stop(), Some(0));
}
