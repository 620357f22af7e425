//! A station where nobody may release: the request goes out as a file, an approver elsewhere signs it with the program for that, and the file comes back.

#![allow(clippy::unwrap_used, reason = "a test's")]

use crate::cameras::gst;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use watchbook_e2e::client::Answer;
use watchbook_e2e::recorder::program;
use watchbook_e2e::release::{Approver, fetch, log_key, request, verify, wait_export};
use watchbook_e2e::{Client, Recorder, case};

const PASSWORD: &str = "a passphrase of somebody else";

/// An approver's laptop.
struct Elsewhere<'a> {
    dir: &'a Path,
    name: &'static str,
    public: String,
}

impl<'a> Elsewhere<'a> {
    fn new(dir: &'a Path, name: &'static str) -> Self {
        let mut keygen = Command::new(program("watchbook-approve"));
        let made = keygen.args(["keygen", "--name", name, "--key"]).arg(dir.join(name)).output().unwrap();
        Self { dir, name, public: String::from_utf8(made.stdout).unwrap().trim().to_owned() }
    }

    /// The signed file.
    fn signs(&self, asked: &[u8], verb: &[&str]) -> String {
        let out: PathBuf = self.dir.join("signed");
        std::fs::write(self.dir.join("request"), asked).unwrap();
        let _ = std::fs::remove_file(&out);
        let mut approve = Command::new(program("watchbook-approve"));
        approve.args(verb).arg("--key").arg(self.dir.join(self.name)).arg("--request").arg(self.dir.join("request"));
        let done = approve.arg("--out").arg(&out).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        std::fs::read_to_string(out).unwrap()
    }
}

/// An account whose key is enrolled; its number.
fn enrolled(recorder: &mut Recorder, name: &str, roles: &[&str], key: &str) -> u64 {
    let account = json!({"name": name, "password": PASSWORD, "roles": roles});
    let number = recorder.client.send("POST", "/api/v1/accounts", &account).ok().json()["id"].as_u64().unwrap();
    let path = format!("/api/v1/accounts/{number}/approver-key");
    assert_eq!(recorder.client.send("PUT", &path, &json!({"key": key})).ok().status, 204);
    number
}

fn ask(client: &Client, id: &str) -> Vec<u8> {
    client.post(&format!("/api/v1/exports/{id}/decision-request")).ok().body
}

fn bring(client: &mut Client, id: &str, text: &str) -> Answer {
    client.send("POST", &format!("/api/v1/exports/{id}/decision"), &json!({ "text": text }))
}

#[test]
fn an_approver_elsewhere_releases_and_refuses_by_signed_file() {
    let (dir, laptops) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    let range = recorder.wait_recorded(&camera, 3);
    Approver::new(&mut recorder).open_case("9/26", &[camera.id]);
    drop(case::second_factor(&mut recorder.client, "a long enough passphrase"));
    let (hq, stranger) = (Elsewhere::new(laptops.path(), "hq"), Elsewhere::new(laptops.path(), "stranger"));
    let approver = enrolled(&mut recorder, "Headquarters", &["approver"], &hq.public);
    let mut export = || {
        let asked = recorder.client.send("POST", "/api/v1/exports", &request("9/26", &[camera.id], range)).ok();
        let id = asked.json()["id"].as_str().unwrap().to_owned();
        wait_export(&recorder.client, &id, "ready")
    };
    let (one, two) = (export(), export());
    let (first, second) = (one["id"].as_str().unwrap(), two["id"].as_str().unwrap());

    // A key that nobody enrolled, a file about another export, and one that was changed on the way.
    let (asked, other) = (ask(&recorder.client, first), ask(&recorder.client, second));
    assert_eq!(bring(&mut recorder.client, first, &stranger.signs(&asked, &["release"])).status, 403);
    let release = hq.signs(&asked, &["release"]);
    assert_eq!(bring(&mut recorder.client, second, &release).status, 409);
    let refuse = hq.signs(&other, &["refuse", "--reason", "too wide"]);
    let forged = refuse.replace("refuse\nreason too wide", "release");
    assert_eq!(bring(&mut recorder.client, second, &forged).status, 403);
    assert_eq!(wait_export(&recorder.client, first, "ready")["answer"], Value::Null);

    // It counts once.
    let answered = bring(&mut recorder.client, first, &release).ok().json();
    assert_eq!(
        (&answered["answer"]["account"], &answered["answer"]["account_name"]),
        (&json!(approver), &json!("Headquarters"))
    );
    assert_eq!(bring(&mut recorder.client, first, &release).status, 409);
    assert_eq!(bring(&mut recorder.client, second, &refuse).ok().json()["state"], "refused");
    let released = wait_export(&recorder.client, first, "released");
    let folder = fetch(&recorder, &released);
    let said = verify(&mut Command::new(program("watchbook-verify")), &folder, &log_key(&recorder));
    assert!(said.lines().last().is_some_and(|last| last.starts_with("VERIFIED")), "{said}");

    let entries = recorder.client.get("/api/v1/audit?limit=200").ok().json();
    let entries = entries["entries"].as_array().unwrap().clone();
    let of = |action: &str| entries.iter().find(|entry| entry["action"] == action && entry["outcome"] == "allowed");
    for action in ["release_export", "refuse_export"] {
        let entry = of(action).unwrap_or_else(|| panic!("{action} is not in the log"));
        assert_eq!(entry["account"], approver, "{entry}");
        assert!(entry["subject"]["by_signed_file"].as_str().is_some_and(|hash| hash.len() == 64), "{entry}");
    }
    assert_eq!(of("bring_decision").unwrap()["account"], 1, "whoever carried it");
    assert_eq!(of("enrol_approver_key").unwrap()["subject"]["key"], hq.public.as_str());
}

#[test]
fn nobody_s_signed_file_releases_what_they_asked_for_themselves() {
    let (dir, laptops) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    let range = recorder.wait_recorded(&camera, 3);
    drop(case::second_factor(&mut recorder.client, "a long enough passphrase"));
    let own = Elsewhere::new(laptops.path(), "own");
    // At a station of one person one account may have both roles.
    let both = enrolled(&mut recorder, "Both", &["investigator", "approver"], &own.public);
    let now = watchbook_e2e::recorder::now_ms();
    let case = json!({
        "case": "10/26", "purpose": "traffic_collision", "cameras": [camera.id], "from_utc_ms": now - 3_600_000,
        "to_utc_ms": now + 3_600_000, "expires_utc_ms": now + 7_200_000, "investigators": [both], "emergency": false,
    });
    drop(recorder.client.send("POST", "/api/v1/cases", &case).ok());
    let mut client = Client::new(&format!("http://{}/", recorder.client.authority()));
    drop(client.send("POST", "/api/v1/session", &json!({"name": "Both", "password": PASSWORD})).ok());
    let asked = client.send("POST", "/api/v1/exports", &request("10/26", &[camera.id], range)).ok().json();
    let id = asked["id"].as_str().unwrap().to_owned();
    wait_export(&client, &id, "ready");
    let signed = own.signs(&ask(&client, &id), &["release"]);
    assert_eq!(bring(&mut client, &id, &signed).status, 403);
    assert_eq!(bring(&mut recorder.client, &id, &signed).status, 403, "whoever carries it");
    assert_eq!(wait_export(&client, &id, "ready")["answer"], Value::Null);
}
