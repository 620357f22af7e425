//! Footage as evidence: asked for, made, released by a second person, fetched, and checked by two verifiers that need no recorder.

use crate::cameras::gst;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use watchbook_e2e::media::{decode_complaints, probe};
use watchbook_e2e::recorder::{SOON, now_ms, program};
use watchbook_e2e::release::{Approver, fetch, log_key, request, sample_hashes, verify, wait_export};
use watchbook_e2e::{Recorder, wait_for};

/// What both verifiers say of a bundle.
fn verdicts(folder: &Path, key: &str) -> [String; 2] {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../evidence/verify.py");
    let ours = verify(&mut Command::new(program("watchbook-verify")), folder, key);
    [ours, verify(Command::new("python3").arg(script), folder, key)]
}

#[test]
fn a_second_person_releases_a_bundle_that_two_verifiers_take() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let (url, port) = (format!("{}main", server.url()), server.port());
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &url, None);
    let (start, _) = recorder.wait_recorded(&camera, 5);

    // Some seconds are missing.
    drop(server);
    recorder.wait_state(&camera, "lost", Some("camera_gone"));
    let lost = now_ms();
    wait_for("some seconds without the camera", SOON, || {
        if now_ms() > lost + 4_000 { Ok(()) } else { Err("not yet".to_owned()) }
    });
    let _server = gst(&["--port", &port]);
    recorder.wait_state(&camera, "live", None);
    let back = now_ms();
    let end = wait_for("footage after the outage", SOON, || {
        let recordings = recorder.recordings(&camera);
        let last = recordings["spans"].as_array().and_then(|spans| spans.last()?["end_utc_ms"].as_i64());
        last.filter(|end| *end > back + 4_000).ok_or_else(|| recordings.to_string())
    });
    let range = (start + 1_500, end - 500);

    let mut approver = Approver::new(&mut recorder);
    let outside = recorder.client.send("POST", "/api/v1/exports", &request("7/26", &[camera.id], range));
    assert_eq!(outside.status, 403, "there is no such case yet");
    approver.open_case("7/26", &[camera.id]);
    let asked = recorder.client.send("POST", "/api/v1/exports", &request("7/26", &[camera.id], range)).ok();
    let id = asked.json()["id"].as_str().unwrap().to_owned();
    let export = wait_export(&recorder.client, &id, "ready");
    let manifest = export["made"]["manifest_sha256"].as_str().unwrap().to_owned();
    assert_eq!(export["made"]["complete"], false, "{export}");
    assert_eq!(export["made"]["missing"][0]["reason"], "camera_gone", "{export}");

    // Nothing goes out before, nobody releases their own, and another manifest is not released.
    let path = format!("/api/v1/exports/{id}/bundle.zip?manifest_sha256={manifest}");
    assert_eq!(recorder.client.get(&path).status, 409);
    drop(watchbook_e2e::case::second_factor(&mut recorder.client, "a long enough passphrase"));
    let own = json!({ "manifest_sha256": manifest });
    assert_eq!(recorder.client.send("POST", &format!("/api/v1/exports/{id}/release"), &own).status, 403);
    assert_eq!(approver.release(&export, &"0".repeat(64)), 409);
    assert_eq!(wait_export(&recorder.client, &id, "ready")["answer"], json!(null));
    assert_eq!(approver.release(&export, &manifest), 200);
    let export = wait_export(&recorder.client, &id, "released");
    assert_eq!(approver.client.get(&path).status, 403, "an approver sees no footage");

    let folder = fetch(&recorder, &export);
    let key = log_key(&recorder);
    for said in verdicts(&folder, &key) {
        assert!(said.lines().last().is_some_and(|last| last.starts_with("VERIFIED")), "{said}");
    }
    let proofs = std::fs::read_to_string(folder.join("proofs.json")).unwrap();
    assert!(proofs.contains("camera_gone"), "the gap has a leaf with its reason: {proofs}");
    let master = folder.join(format!("camera-{}.mp4", camera.id));
    let found = probe(&master);
    assert!(found.codec == "h264" && found.frames > 0, "{found:?}");
    assert_eq!(decode_complaints(&master), "", "every picture must be whole");

    let seal = concat!(env!("CARGO_MANIFEST_DIR"), "/../evidence/seal.py");
    let sealed = || Command::new("python3").arg(seal).arg(&master).output().unwrap().stdout;
    let said = String::from_utf8(sealed()).unwrap();
    assert!(said.starts_with("SEALED by watchbook.station/"), "{said}");

    // What a player gets of the ring, sample by sample, is what lies in the master.
    let played = recorder.play("7%2F26", &camera, range.0, range.0 + 2_000);
    let (stored, exported) = (sample_hashes(&played), sample_hashes(&master));
    assert!(!stored.is_empty() && exported.windows(stored.len()).any(|window| window == stored), "{stored:?}");

    // One byte of a picture.
    let mut bytes = std::fs::read(&master).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&master, bytes).unwrap();
    assert!(sealed().starts_with(b"NOT SEALED"), "the seal is broken");
    for said in verdicts(&folder, &key) {
        assert!(said.contains("FAIL file-altered") && said.contains("NOT VERIFIED"), "{said}");
    }
    assert_eq!(recorder.stop(), Some(0));
}

#[test]
fn an_export_that_a_crash_broke_off_is_made_after_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    let (start, end) = recorder.wait_recorded(&camera, 6);
    let mut approver = Approver::new(&mut recorder);
    approver.open_case("8/26", &[camera.id]);
    let asked = recorder.client.send("POST", "/api/v1/exports", &request("8/26", &[camera.id], (start, end))).ok();
    recorder.kill_and_restart();
    let id = asked.json()["id"].as_str().unwrap().to_owned();
    let export = wait_export(&recorder.client, &id, "ready");
    assert_eq!(export["start_utc_ms"], json!(start), "{export}");
    assert!(export["made"]["runs"].as_u64().is_some_and(|runs| runs > 4), "{export}");

    // Whoever asked does not want it any more: nothing of it is left.
    let staged = dir.path().join("state/exports").join(&id);
    assert!(staged.join("manifest.json").exists());
    drop(recorder.client.post(&format!("/api/v1/exports/{id}/cancel")).ok());
    wait_export(&recorder.client, &id, "cancelled");
    assert!(!staged.exists() && now_ms() > start);
}
