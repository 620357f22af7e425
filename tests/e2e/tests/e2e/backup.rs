//! A station is backed up, and another one becomes it; a power cut at any moment of that leaves the old one or the new one.

use serde_json::{Value, json};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use watchbook_base::fs::sim::Dice;
use watchbook_e2e::case::second_factor;
use watchbook_e2e::{Client, Recorder};

const PASSPHRASE: &str = "a sentence that nobody guesses";
const PASSWORD: &str = "a long enough passphrase";
/// Kills of the ordinary test.
const ROUNDS: u64 = 6;
/// A restore is answered within so long on a machine with nothing else to do; a start takes about as long.
const KILL_WITHIN_MS: u64 = 1500;

fn text(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).expect("a short text");
    [&len.to_be_bytes()[..], text.as_bytes()].concat()
}

/// A station with a second account and a camera, and its backup.
fn backed_up(dir: &std::path::Path) -> Vec<u8> {
    let mut recorder = Recorder::claim(dir);
    recorder.add_camera("Gate", "rtsp://guard:night-watch@127.0.0.1:9/main", None);
    let guard = json!({ "name": "guard", "password": PASSWORD, "roles": ["viewer"] });
    drop(recorder.client.send("POST", "/api/v1/accounts", &guard).ok());
    drop(second_factor(&mut recorder.client, PASSWORD));
    let file = recorder.client.send("POST", "/api/v1/backup", &json!({ "passphrase": PASSPHRASE })).ok().body;
    assert_eq!(recorder.stop(), Some(0));
    file
}

fn restore_first(client: &Client, code: &str, file: &[u8]) -> Option<u16> {
    let body = [&text(code)[..], &text(PASSPHRASE), file].concat();
    client.upload("/api/v1/claim/restore", &body).ok().map(|answer| answer.status)
}

fn actions(client: &Client) -> Vec<String> {
    let list = client.get("/api/v1/audit?limit=100").ok().json();
    let of = |entry: &Value| entry["action"].as_str().unwrap_or_default().to_owned();
    list["entries"].as_array().map(|entries| entries.iter().map(of).collect()).unwrap_or_default()
}

fn names(client: &Client, path: &str, list: &str) -> Vec<String> {
    let all = client.get(path).ok().json();
    let of = |one: &Value| one["name"].as_str().unwrap_or_default().to_owned();
    all[list].as_array().map(|all| all.iter().map(of).collect()).unwrap_or_default()
}

#[test]
fn a_fresh_recorder_becomes_the_station_of_a_backup() {
    let (old, new) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let file = backed_up(old.path());
    let (mut fresh, code) = Recorder::unclaimed(new.path());
    let process = fresh.id();
    assert_eq!(restore_first(&fresh.client, "AAAA-BBBB-CCCC-DDDD", &file), Some(403));
    assert_eq!(restore_first(&fresh.client, &code, &file), Some(202));
    fresh.wait_page_again();
    assert_eq!(fresh.id(), process, "whoever watches the process sees no end");
    fresh.client.sign_in();
    assert_eq!(names(&fresh.client, "/api/v1/accounts", "accounts"), ["tester", "guard"]);
    assert_eq!(names(&fresh.client, "/api/v1/cameras", "cameras"), ["Gate"]);
    let told = actions(&fresh.client);
    assert!(told.iter().any(|action| action == "restore_backup"), "{told:?}");
    assert!(!told.iter().any(|action| action == "make_backup"), "the old station's log stays with it: {told:?}");
    assert_eq!(fresh.stop(), Some(0));
    let (code, text) = fresh.check(&[]);
    assert_eq!(code, Some(0), "the log is whole:\n{text}");
}

#[test]
fn a_kill_while_it_is_restored_leaves_the_old_station_or_the_new_one() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_127);
    eprintln!("seed {seed}");
    let mut dice = Dice::new(seed);
    let old = tempfile::tempdir().expect("a directory");
    let file = backed_up(old.path());
    let (mut still_old, mut new) = (0, 0);
    for round in 0..ROUNDS {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut recorder, code) = Recorder::unclaimed(dir.path());
        let kill_ms = dice.below(KILL_WITHIN_MS);
        let (client, file) = (recorder.take_client(), file.clone());
        let (answered, answer) = channel();
        let restoring = thread::spawn(move || {
            // Nobody waits for an answer that comes after the time is over.
            let _ = answered.send(restore_first(&client, &code, &file));
        });
        // Killed before the answer, at it, or when it has begun again.
        if answer.recv_timeout(Duration::from_millis(kill_ms)).is_ok() && dice.below(2) == 0 {
            recorder.wait_page_again();
        }
        recorder.kill();
        drop(restoring.join());
        let claimed = recorder.restart_as_it_is();
        let (mut accounts, mut cameras) = (Vec::new(), Vec::new());
        if claimed {
            recorder.client.sign_in();
            accounts = names(&recorder.client, "/api/v1/accounts", "accounts");
            cameras = names(&recorder.client, "/api/v1/cameras", "cameras");
        }
        let whole = match claimed {
            true => accounts == ["tester", "guard"] && cameras == ["Gate"],
            false => accounts.is_empty() && cameras.is_empty(),
        };
        assert!(whole, "round {round} of seed {seed}, killed after {kill_ms} ms: {claimed} {accounts:?} {cameras:?}");
        if claimed {
            new += 1
        } else {
            still_old += 1
        }
        assert_eq!(recorder.stop(), Some(0));
        let (code, text) = recorder.check(&[]);
        assert_eq!(code, Some(0), "round {round} of seed {seed}: the log is whole:\n{text}");
    }
    eprintln!("{ROUNDS} kills: {still_old} times the old station, {new} times the new one");
}
