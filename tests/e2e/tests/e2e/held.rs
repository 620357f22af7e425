//! Evidence of footage that only a hold has: the ring lost all of it, the log says so, and two verifiers that need no recorder take the bundle.

use crate::cameras::gst;
use serde_json::{Value, json};
use std::process::Command;
use watchbook_e2e::recorder::{SOON, program};
use watchbook_e2e::release::{Approver, fetch, log_key, request, verify, wait_export};
use watchbook_e2e::{Recorder, wait_for};

/// The hold, once `is_so`.
fn wait_hold(recorder: &Recorder, id: &Value, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, SOON * 3, || {
        let holds = recorder.client.get("/api/v1/holds").ok().json()["holds"].clone();
        let hold = holds.as_array().and_then(|holds| holds.iter().find(|hold| hold["id"] == *id)).cloned();
        hold.filter(&is_so).ok_or_else(|| holds.to_string())
    })
}

#[test]
fn a_bundle_of_footage_that_only_a_hold_has_is_taken_by_two_verifiers() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    let range = recorder.wait_recorded(&camera, 6);
    let mut approver = Approver::new(&mut recorder);
    approver.open_case("9/26", &[camera.id]);
    let order =
        json!({ "case": "9/26", "cameras": [camera.id], "from_utc_ms": range.0, "to_utc_ms": range.1, "note": "" });
    let placed = recorder.client.send("POST", "/api/v1/holds", &order).ok().json();
    wait_hold(&recorder, &placed["id"], "the copy", |hold| hold["state"] == "held");
    // Whoever asks for an export has the footage logged at once; its proof then goes into the vault.
    let make = |recorder: &mut Recorder| {
        let asked = recorder.client.send("POST", "/api/v1/exports", &request("9/26", &[camera.id], range)).ok();
        wait_export(&recorder.client, asked.json()["id"].as_str().unwrap(), "ready")
    };
    let before = make(&mut recorder);
    wait_hold(&recorder, &placed["id"], "the proofs", |hold| hold["unproven_ms"] == 0 && hold["state"] == "held");
    assert_eq!(recorder.stop(), Some(0));
    drop(server);

    // The ring's segments are lost, all of them.
    for segment in std::fs::read_dir(recorder.ring_dir().join("segments")).unwrap() {
        std::fs::remove_file(segment.unwrap().path()).unwrap();
    }
    recorder.restart();
    wait_for("the held footage", SOON, || {
        let recordings = recorder.recordings(&camera);
        let spans = recordings["spans"].as_array().map_or(0, Vec::len);
        if spans > 0 { Ok(()) } else { Err(recordings.to_string()) }
    });
    let export = make(&mut recorder);
    assert_eq!(export["made"]["runs"], before["made"]["runs"], "{export}");
    assert_eq!(export["made"]["complete"], before["made"]["complete"], "{export}");
    let manifest = export["made"]["manifest_sha256"].as_str().unwrap();
    // The page has another address after a start.
    let mut third = Approver::named(&mut recorder.client, "third");
    assert_eq!(third.release(&export, manifest), 200);
    let folder = fetch(&recorder, &wait_export(&recorder.client, export["id"].as_str().unwrap(), "released"));
    let key = log_key(&recorder);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../evidence/verify.py");
    let ours = verify(&mut Command::new(program("watchbook-verify")), &folder, &key);
    for said in [ours, verify(Command::new("python3").arg(script), &folder, &key)] {
        assert!(said.lines().last().is_some_and(|last| last.starts_with("VERIFIED")), "{said}");
    }

    // Log, health page and check tell of the loss.
    // Recording does not wait for the register, so that all of the above may be done before the thread that notes the loss has had its turn.
    let lost = wait_for("the entry of the loss", SOON, || {
        let page = recorder.client.get("/api/v1/audit?limit=500").ok().json();
        let found = page["entries"].as_array().and_then(|all| all.iter().find(|one| one["action"] == "footage_lost"));
        found.cloned().ok_or_else(|| page.to_string())
    });
    assert!(lost["account"].is_null() && lost["subject"]["first_commit"] == 1, "{lost}");
    let health = recorder.client.get("/api/v1/health").ok().json();
    assert!(health["alarms"].to_string().contains("footage_lost"), "{health}");
    assert_eq!(recorder.stop(), Some(0));
    let (code, text) = recorder.check(&[]);
    let told = format!("entry {} of the audit log says so", lost["index"]);
    assert!(code == Some(1) && text.contains("LOST: commits 1 to ") && text.contains(&told), "{told}: {text}");
    assert!(!text.contains("DAMAGED"), "what came later accuses nobody: {text}");
}
