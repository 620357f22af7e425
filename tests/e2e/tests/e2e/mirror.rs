//! A mirror of a real recorder's log: it follows with a token, also over a change of key, and finds out a copy that was put back, another history, an entry that was taken away, and a day of silence.

#![allow(clippy::unwrap_used, reason = "a test's")]

use super::checkpoint::{copy, log, rename, wait_kept};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use watchbook_e2e::recorder::{SOON, now_ms, program};
use watchbook_e2e::{Recorder, case, wait_for};

/// Somebody outside with a copy.
struct Outside<'a> {
    dir: &'a Path,
    key: String,
}

impl Outside<'_> {
    /// One look, or a program that goes on looking.
    fn mirror(&self, recorder: &Recorder, more: &[&str]) -> Command {
        let mut mirror = Command::new(program("watchbook-witness"));
        mirror.args(["mirror", "--url", &format!("http://{}/", recorder.client.authority()), "--log", &self.key]);
        mirror.arg("--token-file").arg(self.dir.join("token")).arg("--dir").arg(self.copy()).args(more);
        mirror
    }

    fn copy(&self) -> PathBuf {
        self.dir.join("copy")
    }

    /// Exit code and what was said.
    fn look(&self, recorder: &Recorder, more: &[&str]) -> (i32, String) {
        said(&mut self.mirror(recorder, more))
    }

    /// The same from a folder.
    fn look_into(&self, folder: &Path) -> (i32, String) {
        let mut mirror = Command::new(program("watchbook-witness"));
        mirror.args(["mirror", "--log", &self.key]).arg("--from-folder").arg(folder);
        said(mirror.arg("--dir").arg(self.dir.join("copy from a folder")))
    }

    fn entries(&self) -> u64 {
        let status = std::fs::read(self.copy().join("status.json")).unwrap_or_default();
        let status: Value = serde_json::from_slice(&status).unwrap_or_default();
        status["entries"].as_u64().unwrap_or_default()
    }
}

fn said(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code().unwrap(), said)
}

/// Ends with the test.
struct Following(Child);

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A token as an auditor makes it on the page.
fn token(recorder: &mut Recorder, dir: &Path) -> u64 {
    let made = recorder.client.send("POST", "/api/v1/log/mirrors", &json!({"name": "Court"})).ok().json();
    std::fs::write(dir.join("token"), format!("{}\n", made["token"].as_str().unwrap())).unwrap();
    made["mirror"]["number"].as_u64().unwrap()
}

/// What an auditor takes along: the checkpoint, and all entries as lines.
fn taken_along(recorder: &Recorder, dir: &Path) -> Vec<String> {
    let checkpoint = recorder.client.get("/api/v1/log/checkpoint").ok().body;
    let (mut lines, mut from) = (Vec::new(), 0);
    loop {
        let page = recorder.client.get(&format!("/api/v1/log/leaves?from={from}")).ok().body;
        let page: Vec<String> = String::from_utf8(page).unwrap().lines().map(str::to_owned).collect();
        if page.is_empty() {
            break;
        }
        from += page.len();
        lines.extend(page);
    }
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(dir.join("checkpoint"), checkpoint).unwrap();
    std::fs::write(dir.join("leaves.jsonl"), lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    lines
}

#[test]
fn a_mirror_follows_a_recorder_and_finds_an_old_copy_and_another_history_out() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut recorder = Recorder::claim(dir.path());
    // Nobody listens there: what is asked is the log, not footage.
    let camera = recorder.add_camera("Gate", "rtsp://127.0.0.1:9/main", None).id;
    drop(case::second_factor(&mut recorder.client, "a long enough passphrase"));
    let number = token(&mut recorder, outside.path());
    let first = wait_kept(&recorder, 4).root;
    let outside = Outside { dir: outside.path(), key: log(&recorder)["key"].as_str().unwrap().to_owned() };
    let (code, text) = outside.look(&recorder, &[]);
    assert_eq!(code, 0, "{text}");
    assert!(outside.entries() >= first.size);

    // It goes on by itself, over more than a bundle, a kill and a change of the log's key.
    let follow = outside.mirror(&recorder, &["--follow", "--every", "1s"]).stdout(Stdio::null()).spawn();
    let following = Following(follow.unwrap());
    (0..300).for_each(|turn| rename(&mut recorder, camera, &format!("Gate {turn}")));
    assert_eq!(recorder.client.send("POST", "/api/v1/log/key", &json!({"reason": "yearly"})).ok().status, 200);
    let grown = wait_kept(&recorder, first.size + 301).root.size;
    wait_for("the mirror to have all of it", SOON, || match outside.entries() {
        entries if entries >= grown => Ok(()),
        entries => Err(format!("{entries} of {grown}")),
    });
    drop(following);
    let uses = recorder.client.get("/api/v1/audit?limit=500").ok().json();
    let uses = uses["entries"].as_array().unwrap().iter().filter(|entry| entry["action"] == "mirror_log").cloned();
    let uses: Vec<Value> = uses.collect();
    assert!(uses.len() == 1 && uses[0]["subject"]["mirror"] == number, "one entry an hour: {uses:?}");

    // A day later nothing has come.
    let tomorrow = (now_ms() / 1000 + 25 * 3600).to_string();
    let (code, text) = outside.look(&recorder, &["--at", &tomorrow]);
    assert!(code == 46 && text.contains("ALERT: SILENCE"), "{code} {text}");

    // The same from what an auditor carries on a stick, and with a line taken out of it.
    let stick = dir.path().join("stick");
    let lines = taken_along(&recorder, &stick);
    let (code, text) = outside.look_into(&stick);
    assert_eq!(code, 0, "{text}");
    let without: String =
        lines.iter().enumerate().filter(|(at, _)| *at != 100).map(|(_, line)| format!("{line}\n")).collect();
    std::fs::write(stick.join("leaves.jsonl"), without).unwrap();
    let (code, text) = outside.look_into(&stick);
    assert!(code == 45 && text.contains("HIDDEN ENTRY 100"), "{code} {text}");

    // Somebody puts an old register back and takes the second copy away, too.
    assert_eq!(recorder.stop(), Some(0));
    let (register, back) = (dir.path().join("state/register"), dir.path().join("old register"));
    copy(&register, &back);
    recorder.restart();
    (0..20).for_each(|turn| rename(&mut recorder, camera, &format!("Gate {turn}")));
    drop(wait_kept(&recorder, grown + 20));
    let (code, text) = outside.look(&recorder, &[]);
    assert_eq!(code, 0, "{text}");
    let kept = outside.entries();
    assert_eq!(recorder.stop(), Some(0));
    std::fs::remove_file(recorder.ring_dir().join("log-checkpoint")).unwrap();
    std::fs::remove_dir_all(&register).unwrap();
    copy(&back, &register);
    recorder.restart();
    assert!(log(&recorder)["refusal"].is_null(), "the box alone cannot know");
    let (code, text) = outside.look(&recorder, &[]);
    assert!(code == 41 && text.contains("ALERT: ROLLBACK") && text.contains(&kept.to_string()), "{code} {text}");
    // It grows past what the mirror has, with another history.
    (0..30).for_each(|turn| rename(&mut recorder, camera, &format!("Another {turn}")));
    drop(wait_kept(&recorder, kept + 1));
    let (code, text) = outside.look(&recorder, &[]);
    assert!(code == 42 && text.contains("ALERT: FORK") && outside.entries() == kept, "{code} {text}");

    // Revoked, it reads nothing.
    let path = format!("/api/v1/log/mirrors/{number}");
    assert_eq!(recorder.client.delete(&path).ok().status, 204);
    assert_eq!(outside.look(&recorder, &[]).0, 48);
}
