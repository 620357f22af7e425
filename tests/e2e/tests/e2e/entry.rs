//! One entry of the audit log on its way out: with its proof, for somebody who has neither the recorder nor its log.

use std::process::Command;
use watchbook_e2e::recorder::{SOON, program};
use watchbook_e2e::{Recorder, wait_for};

/// Exit code of `watchbook-verify`, and what it said.
fn verify(file: &std::path::Path, key: &str) -> (Option<i32>, String) {
    let program = program("watchbook-verify");
    let output = Command::new(program).args(["--log", key, "--entry"]).arg(file).output().expect("it can be started");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn an_entry_is_proven_outside_and_a_changed_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = Recorder::claim(dir.path());
    let entries = recorder.client.get("/api/v1/audit?action=claim").ok().json()["entries"].clone();
    let entry = entries[0]["index"].as_u64().unwrap_or_else(|| panic!("somebody claimed the station: {entries}"));
    let path = format!("/api/v1/audit/{entry}/proof");
    let proof = wait_for("the entry to be signed", SOON, || {
        let answer = recorder.client.get(&path);
        if answer.status == 200 { Ok(answer.body) } else { Err(answer.json().to_string()) }
    });
    let log = recorder.client.get("/api/v1/log").ok().json();
    let key = log["key"].as_str().unwrap_or_else(|| panic!("{log}"));

    let (code, told) = verify(&recorder.save(&proof, "entry.tlog-proof"), key);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("\"claim\"") && told.lines().any(|line| line.starts_with("VERIFIED")), "{told}");

    // What stands in it: who claimed it was somebody else.
    let text = String::from_utf8(proof).expect("a proof is text");
    let extra = text.lines().find_map(|line| line.strip_prefix("extra ")).expect("the entry is in the proof");
    let mut changed: Vec<char> = extra.chars().collect();
    let last = changed.iter().rposition(|c| *c != '=').expect("it is not empty") - 8;
    changed[last] = if changed[last] == 'A' { 'B' } else { 'A' };
    let changed = text.replace(extra, &changed.into_iter().collect::<String>());
    let (code, told) = verify(&recorder.save(changed.as_bytes(), "changed.tlog-proof"), key);
    assert_eq!((code, told.lines().last()), (Some(14), Some("NOT VERIFIED")), "{told}");

    let moved = text.replace(&format!("\nindex {entry}\n"), &format!("\nindex {}\n", entry + 1));
    assert_eq!(verify(&recorder.save(moved.as_bytes(), "moved.tlog-proof"), key).0, Some(14));
    let other = watchbook_evidence::SigningKey::from_seed("other", watchbook_evidence::Algorithm::Ed25519, &[9; 32]);
    let other = other.expect("a key of 32 bytes").verifier().to_string();
    assert_eq!(verify(&recorder.save(text.as_bytes(), "entry.tlog-proof"), &other).0, Some(15));
    assert_eq!(verify(&recorder.save(b"nothing", "nothing"), key).0, Some(3));
}
