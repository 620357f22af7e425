//! kill -9 while footage leaves: whatever byte somebody got, the log has the entry that lets it go.

use crate::cameras::gst;
use std::io::Read as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use watchbook_base::fs::sim::Dice;
use watchbook_e2e::Recorder;

/// Clients that ask for the same stretch at the same moment.
const CLIENTS: usize = 4;
/// Kills in `make test`.
const ROUNDS: u64 = 4;
/// Kills of the measurement.
const ROUNDS_OF_FIGURES: u64 = 200;

#[test]
fn no_byte_is_served_without_its_entry() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_127);
    kill_while_serving(ROUNDS, seed);
}

/// `SEED=1 cargo test --release --workspace --test e2e two_hundred -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement of some minutes"]
fn no_byte_is_served_without_its_entry_at_two_hundred_kills() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    kill_while_serving(ROUNDS_OF_FIGURES, seed);
}

fn kill_while_serving(rounds: u64, seed: u64) {
    eprintln!("seed {seed}");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    let (start, end) = recorder.wait_recorded(&camera, 6);
    let case = recorder.client.open_emergency(&[camera.id]);
    drop(server);
    let mut dice = Dice::new(seed);
    let (mut served_rounds, mut silent_rounds) = (0, 0);
    for round in 0..rounds {
        let before = newest(&recorder);
        let path =
            format!("/api/v1/cameras/{}/playback.mp4?case={case}&from_utc_ms={start}&to_utc_ms={end}", camera.id);
        // Killed before the first byte, at it, or somewhere later.
        let kill_at = match dice.below(4) {
            0 => 0,
            1 => 1,
            _ => 1 + dice.below(400_000),
        };
        let served = killed_while_serving(&mut recorder, &path, kill_at);
        recorder.restart();
        let logged = since(&recorder, before).1.iter().filter(|action| *action == "playback").count();
        assert!(
            served == 0 || logged > 0,
            "round {round} of seed {seed}: {served} bytes were served and no entry is there"
        );
        if served > 0 { served_rounds += 1 } else { silent_rounds += 1 }
    }
    eprintln!(
        "{rounds} kills: bytes were served before {served_rounds}, none before {silent_rounds}; none without its entry"
    );
    assert!(served_rounds > 0, "nothing was shown: no byte was served in any round");
    assert_eq!(recorder.stop(), Some(0));
    let (code, text) = recorder.check(&[]);
    assert_eq!(code, Some(0), "the log is whole:\n{text}");
}

/// Bytes that all clients together got before the recorder was dead.
fn killed_while_serving(recorder: &mut Recorder, path: &str, kill_at: u64) -> u64 {
    let (served, begun, done) =
        (Arc::new(AtomicU64::new(0)), Arc::new(Barrier::new(CLIENTS + 1)), Arc::new(AtomicU64::new(0)));
    let url = format!("http://{}{path}", recorder.client.authority());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (served, begun, done) = (Arc::clone(&served), Arc::clone(&begun), Arc::clone(&done));
            let (url, cookie) = (url.clone(), recorder.client.cookie().to_owned());
            thread::spawn(move || {
                begun.wait();
                // The connection breaks off when the recorder dies: what came before counts.
                if let Ok(mut answer) = ureq::get(&url).header("Cookie", &cookie).call() {
                    let (mut body, mut bytes) = (answer.body_mut().as_reader(), [0; 4096]);
                    while let Ok(count @ 1..) = body.read(&mut bytes) {
                        served.fetch_add(count as u64, Ordering::SeqCst);
                    }
                }
                done.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    begun.wait();
    while served.load(Ordering::SeqCst) < kill_at && done.load(Ordering::SeqCst) < CLIENTS as u64 {
        thread::yield_now();
    }
    recorder.kill();
    clients.into_iter().for_each(|client| client.join().expect("a client does not panic"));
    served.load(Ordering::SeqCst)
}

/// Number of the newest entry.
fn newest(recorder: &Recorder) -> u64 {
    since(recorder, u64::MAX).0
}

/// Number of the newest entry, and what was done in those after `before`, newest first.
fn since(recorder: &Recorder, before: u64) -> (u64, Vec<String>) {
    let (mut newest, mut actions, mut cursor) = (0, Vec::new(), String::new());
    loop {
        let page = recorder.client.get(&format!("/api/v1/audit?kind=all&limit=50{cursor}")).ok().json();
        for entry in page["entries"].as_array().into_iter().flatten() {
            let index = entry["index"].as_u64().expect("an entry has a number");
            newest = newest.max(index);
            if index <= before {
                return (newest, actions);
            }
            actions.push(entry["action"].as_str().expect("an entry has an action").to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (newest, actions),
        }
    }
}
