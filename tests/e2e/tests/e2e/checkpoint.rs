//! The audit log as an outsider sees it: checkpoints that openssl verifies, that continue each other over kills, and a log that comes from an old copy.

#![allow(clippy::unwrap_used, reason = "a test's")]

use serde_json::Value;
use std::path::Path;
use std::process::Command;
use watchbook_e2e::recorder::{SOON, program};
use watchbook_e2e::{Recorder, wait_for};
use watchbook_evidence::merkle::{Root, verify_consistency};
use watchbook_evidence::text::{hash_of_line, unbase64};

/// What a client reads of a checkpoint.
pub struct Kept {
    /// The signed text.
    pub text: String,
    /// Key hash (4 bytes) and signature (64).
    pub signature: Vec<u8>,
    pub root: Root,
}

pub fn log(recorder: &Recorder) -> Value {
    recorder.client.get("/api/v1/log").ok().json()
}

/// Waits for a checkpoint about at least so many entries.
pub fn wait_kept(recorder: &Recorder, entries: u64) -> Kept {
    let note = wait_for(&format!("a checkpoint of {entries} entries"), SOON, || {
        let log = log(recorder);
        let fits = log["signed_entries"].as_u64().is_some_and(|signed| signed >= entries);
        log["checkpoint"].as_str().filter(|_| fits).map(str::to_owned).ok_or_else(|| log.to_string())
    });
    let answer = recorder.client.get("/api/v1/log/checkpoint").ok();
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    read(&note)
}

fn read(note: &str) -> Kept {
    let (text, signatures) = note.split_once("\n\n").expect("a note has an empty line");
    let lines: Vec<&str> = text.lines().collect();
    let [origin, size, hash] = lines[..] else { panic!("{note}") };
    let of_log = format!("\u{2014} {origin} ");
    let signature = signatures.lines().find_map(|line| line.strip_prefix(&of_log)).and_then(unbase64);
    let root = Root { size: size.parse().unwrap(), hash: hash_of_line(hash).unwrap() };
    Kept { text: format!("{text}\n"), signature: signature.unwrap(), root }
}

/// openssl's verdict on the signature, with the key that the recorder shows (RFC 8410 puts these twelve bytes before an Ed25519 key).
fn openssl_verifies(kept: &Kept, vkey: &str, dir: &Path) -> bool {
    // Base64 has plus signs, too.
    let key = vkey.splitn(3, '+').nth(2).and_then(unbase64).unwrap();
    let prefix = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00];
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    assert_eq!(key[0], 1, "Ed25519");
    let (public, text) = (file("key.der", &[&prefix, &key[1..]].concat()), file("text", kept.text.as_bytes()));
    let signature = file("signature", &kept.signature[4..]);
    let mut openssl = Command::new("openssl");
    openssl.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey"]).arg(public);
    let output = openssl.arg("-in").arg(text).arg("-sigfile").arg(signature).output().expect("openssl is installed");
    output.status.success()
}

/// What a witness is asked proves that the log of now begins with `old`.
fn continues(recorder: &Recorder, old: &Root) -> bool {
    let path = format!("/api/v1/log/witness-request?old_entries={}", old.size);
    let body = String::from_utf8(recorder.client.get(&path).ok().body).unwrap();
    let (head, note) = body.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some(format!("old {}", old.size).as_str()));
    let proof: Vec<_> = lines.map(|line| hash_of_line(line).unwrap()).collect();
    verify_consistency(old, &read(note).root, &proof)
}

/// An entry of the log each time: somebody changed the camera.
pub fn rename(recorder: &mut Recorder, camera: u64, name: &str) {
    let body = serde_json::json!({ "name": name });
    drop(recorder.client.send("PATCH", &format!("/api/v1/cameras/{camera}"), &body).ok());
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}

#[test]
fn checkpoints_continue_each_other_and_an_old_copy_of_the_log_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::claim(dir.path());
    // Nobody listens there: what is asked is the log, not footage.
    let camera = recorder.add_camera("Gate", "rtsp://127.0.0.1:9/main", None).id;
    let first = wait_kept(&recorder, 2);
    let vkey = log(&recorder)["key"].as_str().unwrap().to_owned();
    assert!(openssl_verifies(&first, &vkey, dir.path()));
    let text = first.text.replace(&format!("\n{}\n", first.root.size), &format!("\n{}\n", first.root.size + 1));
    let changed = Kept { text, signature: first.signature.clone(), root: first.root };
    assert!(!openssl_verifies(&changed, &vkey, dir.path()), "another text");

    // More than a tile, over a kill and a stop.
    (0..300).for_each(|turn| rename(&mut recorder, camera, &format!("Gate {turn}")));
    recorder.kill_and_restart();
    let second = wait_kept(&recorder, first.root.size + 300);
    assert!(openssl_verifies(&second, &vkey, dir.path()) && continues(&recorder, &first.root));
    assert_eq!(recorder.stop(), Some(0));
    let (register, old) = (dir.path().join("state/register"), dir.path().join("old register"));
    copy(&register, &old);
    recorder.restart();
    rename(&mut recorder, camera, "Gate at last");
    let third = wait_kept(&recorder, second.root.size + 1);
    assert!(continues(&recorder, &second.root));

    // Somebody puts the register of before back, so that the last change was never made.
    assert_eq!(recorder.stop(), Some(0));
    let last = read(&std::fs::read_to_string(recorder.ring_dir().join("log-checkpoint")).unwrap());
    assert!(last.root.size >= third.root.size && openssl_verifies(&last, &vkey, dir.path()), "a stop signs, too");
    std::fs::remove_dir_all(&register).unwrap();
    copy(&old, &register);
    recorder.restart();
    let refusal = wait_for("the old copy to be found out", SOON, || {
        let log = log(&recorder);
        log["refusal"].as_str().map(str::to_owned).ok_or_else(|| log.to_string())
    });
    assert!(refusal.starts_with("ROLLBACK") && refusal.contains(&last.root.size.to_string()), "{refusal}");
    let health = recorder.client.get("/api/v1/health").ok().json();
    let alarms = health["alarms"].as_array().unwrap();
    assert!(alarms.iter().any(|alarm| alarm["kind"] == "log_unsigned"), "{health}");
    assert!(log(&recorder)["signed_entries"].as_u64().unwrap() < last.root.size, "nothing new is signed");
    let second = read(&std::fs::read_to_string(recorder.ring_dir().join("log-checkpoint")).unwrap());
    assert_eq!(second.root, last.root, "what found the old copy out is not overwritten with it");

    // It was a backup that had to be restored: a person says so, and the log has another name and key from then on.
    let old = log(&recorder);
    assert_eq!(recorder.stop(), Some(0));
    let mut new_log = Command::new(program("watchbook"));
    new_log.args(["new-log", "--reason", "The disk died", "--config"]).arg(dir.path().join("watchbook.toml"));
    assert!(new_log.status().unwrap().success());
    recorder.restart();
    let _ = wait_kept(&recorder, 1);
    let new = log(&recorder);
    assert!(new["refusal"].is_null() && new["origin"] != old["origin"] && new["key"] != old["key"], "{new}");
    let entries = recorder.client.get("/api/v1/audit?limit=50").ok().json().to_string();
    assert!(entries.contains("the reason given: The disk died") && entries.contains(old["origin"].as_str().unwrap()));
    assert!(entries.contains(&format!("with {} entries lies beside the ring", last.root.size)), "{entries}");

    // Somebody takes the second copy away.
    assert_eq!(recorder.stop(), Some(0));
    std::fs::remove_file(recorder.ring_dir().join("log-checkpoint")).unwrap();
    recorder.restart();
    let health = recorder.client.get("/api/v1/health").ok().json();
    assert!(health["alarms"].to_string().contains("log_copy_missing"), "{health}");
    let entries = recorder.client.get("/api/v1/audit?limit=50").ok().json().to_string();
    assert!(entries.contains("the second copy of the audit log's checkpoint cannot be read"), "{entries}");
    wait_for("the second copy", SOON, || {
        std::fs::metadata(recorder.ring_dir().join("log-checkpoint")).map(drop).map_err(|error| error.to_string())
    });
}
