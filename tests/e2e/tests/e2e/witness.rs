//! Witnesses of the audit log with the program that they run: requests go out as files, cosignatures come home, keys change, and a checkpoint that was kept outside finds an
//! old copy of the log out where both copies of the station are gone.

#![allow(clippy::unwrap_used, reason = "a test's")]

use super::checkpoint::{copy, log, rename, wait_kept};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use watchbook_e2e::Recorder;
use watchbook_e2e::recorder::program;
use watchbook_evidence::{SignedCheckpoint, VerifierKey};

/// Somebody outside with a laptop.
pub struct Outside<'a> {
    dir: &'a Path,
    /// Public.
    pub key: VerifierKey,
}

impl<'a> Outside<'a> {
    pub fn new(dir: &'a Path) -> Self {
        let mut keygen = Command::new(program("watchbook-witness"));
        let made =
            keygen.args(["keygen", "--name", "ngo.example/w1", "--key"]).arg(dir.join("w.key")).output().unwrap();
        let key = VerifierKey::parse(String::from_utf8(made.stdout).unwrap().trim()).unwrap();
        Self { dir, key }
    }

    fn run(&self, command: &str, arguments: &[(&str, &Path)]) -> Output {
        let mut witness = Command::new(program("watchbook-witness"));
        witness.arg(command).arg("--state").arg(self.dir.join("state of the witness"));
        for (name, value) in arguments {
            witness.arg(name).arg(value);
        }
        witness.output().unwrap()
    }

    pub fn trusts(&self, log: &Value) {
        let (key, origin) = (log["key"].as_str().unwrap(), log["origin"].as_str().unwrap());
        let trusted = self.run("trust", &[("--log", Path::new(key)), ("--origin", Path::new(origin))]);
        assert!(trusted.status.success(), "{trusted:?}");
    }

    /// The exit code, and the lines when it is 0.
    pub fn cosigns(&self, request: &[u8]) -> (i32, String) {
        let (asked, out): (PathBuf, PathBuf) = (self.dir.join("request"), self.dir.join("cosignature"));
        std::fs::write(&asked, request).unwrap();
        let key = self.dir.join("w.key");
        let done = self.run("cosign", &[("--key", &key), ("--request", &asked), ("--out", &out)]);
        let lines = if done.status.success() { std::fs::read_to_string(out).unwrap() } else { String::new() };
        (done.status.code().unwrap(), lines)
    }
}

pub fn request(recorder: &Recorder, old: u64) -> Vec<u8> {
    recorder.client.get(&format!("/api/v1/log/witness-request?old_entries={old}")).ok().body
}

pub fn import(recorder: &mut Recorder, text: &str) -> watchbook_e2e::client::Answer {
    recorder.client.send("POST", "/api/v1/log/cosignatures", &json!({ "text": text }))
}

/// The longest checkpoint that a witness signed.
fn cosigned(recorder: &Recorder) -> SignedCheckpoint {
    SignedCheckpoint::parse(&recorder.client.get("/api/v1/log/cosigned").ok().body).unwrap()
}

#[test]
fn cosignatures_come_home_over_a_change_of_key_and_find_an_old_copy_out() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut recorder = Recorder::claim(dir.path());
    // Nobody listens there: what is asked is the log, not footage.
    let camera = recorder.add_camera("Gate", "rtsp://127.0.0.1:9/main", None).id;
    let witness = Outside::new(outside.path());
    let first = wait_kept(&recorder, 2).root;
    let station = log(&recorder);
    assert_eq!(witness.cosigns(&request(&recorder, 0)).0, 44, "it does not watch that log yet");
    witness.trusts(&station);
    let (code, line) = witness.cosigns(&request(&recorder, 0));
    assert_eq!(code, 0);
    assert_eq!(import(&mut recorder, &line).status, 422, "whose line that is nobody knows here");
    let key = json!({ "key": witness.key.to_string() });
    assert_eq!(recorder.client.send("POST", "/api/v1/log/witnesses", &key).status, 403, "not with a password alone");
    drop(watchbook_e2e::case::second_factor(&mut recorder.client, "a long enough passphrase"));
    drop(recorder.client.send("POST", "/api/v1/log/witnesses", &key).ok());
    assert_eq!(recorder.client.send("POST", "/api/v1/log/witnesses", &key).status, 409);

    // Home days later: the log has grown, and the line alone does not say what it is of.
    rename(&mut recorder, camera, "Gate 2");
    drop(wait_kept(&recorder, first.size + 2));
    let mut changed = line.clone().into_bytes();
    // Within the signature's base64.
    let place = changed.len() - 20;
    changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
    assert_eq!(import(&mut recorder, &String::from_utf8(changed).unwrap()).status, 422);
    let taken = import(&mut recorder, &line).ok().json();
    assert_eq!(taken["cosigned"][0]["witness"], witness.key.name());
    let home = cosigned(&recorder);
    assert_eq!(taken["cosigned"][0]["entries"], home.checkpoint().root.size);
    assert_eq!(home.witnessed(std::slice::from_ref(&witness.key)).unwrap().len(), 1);

    // From there on, with another key.
    assert_eq!(recorder.client.send("POST", "/api/v1/log/key", &json!({"reason": "yearly"})).ok().status, 200);
    let after = log(&recorder);
    assert_eq!(after["retired_keys"], json!([station["key"]]));
    assert_ne!(after["key"], station["key"]);
    let keys = [&station["key"], &after["key"]].map(|key| VerifierKey::parse(key.as_str().unwrap()).unwrap());
    let both = SignedCheckpoint::parse(after["checkpoint"].as_str().unwrap().as_bytes()).unwrap();
    assert!(keys.iter().all(|key| both.verify(std::slice::from_ref(key)).is_ok()), "the first one has both signatures");
    recorder.kill_and_restart();
    rename(&mut recorder, camera, "Gate 3");
    drop(wait_kept(&recorder, both.checkpoint().root.size + 1));
    assert_eq!(log(&recorder)["key"], after["key"]);
    let old = home.checkpoint().root.size;
    assert_eq!(witness.cosigns(&request(&recorder, old)).0, 43, "the witness does not know the new key");
    witness.trusts(&after);
    let (code, line) = witness.cosigns(&request(&recorder, old));
    assert_eq!(code, 0);
    assert_eq!(import(&mut recorder, &line).ok().json()["cosigned"][0]["newer"], true);
    let listed = recorder.client.get("/api/v1/log/witnesses").ok().json();
    assert_eq!(listed["witnesses"][0]["cosigned_entries"], cosigned(&recorder).checkpoint().root.size);

    // Somebody puts an old register back and takes the second copy away, too. The auditor has one outside.
    assert_eq!(recorder.stop(), Some(0));
    let (register, back) = (dir.path().join("state/register"), dir.path().join("old register"));
    copy(&register, &back);
    recorder.restart();
    (0..20).for_each(|turn| rename(&mut recorder, camera, &format!("Gate {turn}")));
    let kept = wait_kept(&recorder, cosigned(&recorder).checkpoint().root.size + 20).root;
    let kept_text = log(&recorder)["checkpoint"].as_str().unwrap().to_owned();
    assert_eq!(recorder.stop(), Some(0));
    std::fs::remove_file(recorder.ring_dir().join("log-checkpoint")).unwrap();
    std::fs::remove_dir_all(&register).unwrap();
    copy(&back, &register);
    recorder.restart();
    assert!(log(&recorder)["refusal"].is_null(), "the box alone cannot know");
    let found = import(&mut recorder, &kept_text);
    let told = String::from_utf8_lossy(&found.body).into_owned();
    assert!(found.status == 409 && told.contains("ROLLBACK") && told.contains(&kept.size.to_string()), "{told}");
    recorder.kill_and_restart();
    assert!(log(&recorder)["refusal"].as_str().is_some_and(|refusal| refusal.starts_with("ROLLBACK")));
}
