//! Checkpoints that the recorder sends to witnesses by itself: to the program that witnesses run, which goes away and comes back and has seen another history, and to
//! servers that are no witnesses.

#![allow(clippy::unwrap_used, reason = "a test's")]

use super::checkpoint::{copy, log, rename, wait_kept};
use super::witness::Outside;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use watchbook_e2e::recorder::program;
use watchbook_e2e::{Recorder, case, wait_for};
use watchbook_evidence::witness::{Log, Witness};
use watchbook_evidence::{Algorithm, SignedCheckpoint, SigningKey, VerifierKey};

/// The pause between two checkpoints, or after a first failure, and then the longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(90);
const PASSWORD: &str = "a long enough passphrase";
const NAME: &str = "ngo.example/w1";

/// `watchbook-witness serve`, which ends with the test.
struct Serving {
    child: Child,
    address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    fn start(dir: &std::path::Path, listen: &str) -> Self {
        let mut serve = Command::new(program("watchbook-witness"));
        serve.arg("serve").arg("--state").arg(dir.join("state of the witness")).arg("--key").arg(dir.join("w.key"));
        let mut child = serve.args(["--listen", listen]).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let address = line.trim().rsplit_once("http://").unwrap().1.to_owned();
        // Nobody reads further: what it says must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self { child, address }
    }
}

fn trust(recorder: &mut Recorder, key: &VerifierKey) {
    drop(case::second_factor(&mut recorder.client, PASSWORD));
    drop(recorder.client.send("POST", "/api/v1/log/witnesses", &json!({ "key": key.to_string() })).ok());
}

fn set(recorder: &mut Recorder, url: &str) {
    drop(recorder.client.send("PUT", &format!("/api/v1/log/pushes?name={NAME}"), &json!({ "url": url })).ok());
}

fn push_now(recorder: &Recorder) {
    drop(recorder.client.post(&format!("/api/v1/log/pushes/now?name={NAME}")).ok());
}

fn push(recorder: &Recorder) -> Value {
    recorder.client.get("/api/v1/log/pushes").ok().json()["pushes"][0].clone()
}

/// Waits for the last one to have ended in this way, later than `after_ms`.
fn wait_outcome(recorder: &Recorder, outcome: &str, after_ms: i64) -> Value {
    wait_for(&format!("a checkpoint that was sent to end as {outcome}"), PATIENCE, || {
        let push = push(recorder);
        let last = &push["last"];
        let fits = last["outcome"] == outcome && last["utc_ms"].as_i64().is_some_and(|at| at > after_ms);
        if fits { Ok(push) } else { Err(push.to_string()) }
    })
}

/// Waits until the witness has signed at least so many entries.
fn wait_cosigned(recorder: &Recorder, entries: u64) -> SignedCheckpoint {
    wait_for(&format!("a cosignature of {entries} entries"), PATIENCE, || {
        let answer = recorder.client.get("/api/v1/log/cosigned");
        let found = SignedCheckpoint::parse(&answer.body).map_err(|error| error.to_string());
        found.and_then(|found| match found.checkpoint().root.size {
            size if size >= entries => Ok(found),
            size => Err(format!("{size}; {}", push(recorder))),
        })
    })
}

fn refusals(recorder: &Recorder) -> Vec<String> {
    let health = recorder.client.get("/api/v1/health").ok().json();
    let alarms = health["alarms"].as_array().unwrap().iter();
    alarms.filter(|alarm| alarm["kind"] == "log_witness_refuses").map(|alarm| alarm["text"].to_string()).collect()
}

#[test]
fn a_witness_signs_without_anybody_again_after_it_was_away_and_refuses_another_history() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut recorder = Recorder::claim(dir.path());
    // Nobody listens there: what is asked is the log, not footage.
    let camera = recorder.add_camera("Gate", "rtsp://127.0.0.1:9/main", None).id;
    let witness = Outside::new(outside.path());
    drop(wait_kept(&recorder, 2));
    witness.trusts(&log(&recorder));
    let serving = Serving::start(outside.path(), "127.0.0.1:0");
    trust(&mut recorder, &witness.key);
    set(&mut recorder, &format!("http://{}/", serving.address));
    let home = wait_cosigned(&recorder, 1);
    assert_eq!(home.witnessed(std::slice::from_ref(&witness.key)).unwrap().len(), 1, "signed with its key");
    let first = wait_outcome(&recorder, "cosigned", 0);
    assert_eq!(first["url"], format!("http://{}", serving.address));

    // A longer log goes out by itself.
    rename(&mut recorder, camera, "Gate 2");
    let longer = wait_kept(&recorder, first["last"]["entries"].as_u64().unwrap() + 1).root.size;
    drop(wait_cosigned(&recorder, longer));

    // It goes away, which is told, and comes back, which nobody has to say.
    let address = serving.address.clone();
    drop(serving);
    let before = push(&recorder)["last"]["utc_ms"].as_i64().unwrap();
    push_now(&recorder);
    let away = wait_outcome(&recorder, "unreached", before);
    assert!(away["last"]["text"].as_str().unwrap().contains("refused"), "{away}");
    assert!(away["next_utc_ms"].as_i64() > away["last"]["utc_ms"].as_i64(), "{away}");
    rename(&mut recorder, camera, "Gate 3");
    let later = wait_kept(&recorder, longer + 1).root.size;
    let _serving = Serving::start(outside.path(), &address);
    drop(wait_cosigned(&recorder, later));
    assert!(refusals(&recorder).is_empty());

    // Somebody puts an old register back and takes the second copy away, too.
    assert_eq!(recorder.stop(), Some(0));
    let (register, back) = (dir.path().join("state/register"), dir.path().join("old register"));
    copy(&register, &back);
    recorder.restart();
    (0..20).for_each(|turn| rename(&mut recorder, camera, &format!("Gate {turn}")));
    let newest = wait_kept(&recorder, later + 20).root.size;
    push_now(&recorder);
    let seen = wait_cosigned(&recorder, newest).checkpoint().root.size;
    assert_eq!(recorder.stop(), Some(0));
    std::fs::remove_file(recorder.ring_dir().join("log-checkpoint")).unwrap();
    std::fs::remove_dir_all(&register).unwrap();
    copy(&back, &register);
    recorder.restart();
    let refused = wait_outcome(&recorder, "rollback", 0);
    let text = refused["refused"]["text"].as_str().unwrap();
    assert!(text.starts_with("ROLLBACK") && text.contains(&seen.to_string()), "{text}");
    assert!(refusals(&recorder)[0].contains(NAME), "{:?}", refusals(&recorder));
    // It grows past what the witness has, with another history.
    (0..40).for_each(|turn| rename(&mut recorder, camera, &format!("Another {turn}")));
    drop(wait_kept(&recorder, seen + 1));
    push_now(&recorder);
    let fork = wait_outcome(&recorder, "fork", refused["last"]["utc_ms"].as_i64().unwrap());
    assert!(fork["last"]["text"].as_str().unwrap().starts_with("FORK"), "{fork}");
    assert_eq!(refusals(&recorder).len(), 1);
    let told = recorder.client.get("/api/v1/audit?limit=100").ok().json();
    let told = told["entries"].as_array().unwrap().iter().filter(|entry| {
        entry["subject"]["what"].as_str().is_some_and(|what| what.contains(NAME) && what.contains("ROLLBACK"))
    });
    assert_eq!(told.count(), 1, "the log says so once");
}

/// The whole body of a request.
fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut lines = BufReader::new(stream);
    let (mut length, mut line) = (0, String::new());
    while lines.read_line(&mut line).unwrap_or(0) > 2 {
        let lower = line.to_ascii_lowercase();
        length = lower.strip_prefix("content-length:").map_or(length, |value| value.trim().parse().unwrap());
        line.clear();
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).unwrap();
    body
}

/// A server that does this with each connection, and its address.
fn server(act: impl Fn(TcpStream, Vec<u8>) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let body = read(&mut stream);
            act(stream, body);
        }
    });
    address
}

fn answers(answer: impl Into<Vec<u8>>) -> String {
    let answer = answer.into();
    server(move |mut stream, _| drop(stream.write_all(&answer)))
}

/// A witness of the same name with another key.
fn impostor(recorder: &Recorder) -> String {
    let log = log(recorder);
    let key = VerifierKey::parse(log["key"].as_str().unwrap()).unwrap();
    let watched = Log { origin: log["origin"].as_str().unwrap().to_owned(), keys: vec![key] };
    let other = SigningKey::from_seed(NAME, Algorithm::Cosignature, &[9; 32]).unwrap();
    let witness = Witness::new(other, vec![watched]).unwrap();
    server(move |mut stream, body| {
        let body = witness.answer(&body, |_| None, 1_795_000_000).body();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        drop(stream.write_all(format!("{head}{body}").as_bytes()));
    })
}

#[test]
fn servers_that_are_no_witnesses_are_told_in_words_and_hold_nothing_up() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", "rtsp://127.0.0.1:9/main", None).id;
    let witness = Outside::new(outside.path());
    drop(wait_kept(&recorder, 2));
    trust(&mut recorder, &witness.key);
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let redirect = format!(
        "HTTP/1.1 302 HOSTILE\r\nLocation: http://{}/HOSTILE\r\nContent-Length: 0\r\n\r\n",
        elsewhere.local_addr().unwrap()
    );
    let endless = server(|mut stream, _| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n"));
        while stream.write_all(b"HOSTILE\n").is_ok() {}
    });
    let endless_head = server(|mut stream, _| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n"));
        while stream.write_all(b"X-Hostile: HOSTILE\r\n").is_ok() {}
    });
    let garbage = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nHOSTILE\n";
    for (url, outcome, words) in [
        (endless, "not_a_witness", "longer"),
        (endless_head, "not_a_witness", ""),
        (answers(redirect), "not_a_witness", "302"),
        (answers(garbage), "not_a_witness", "no lines of signatures"),
        (answers(&b"\x00\xff HOSTILE \r\n\r\n"[..]), "not_a_witness", ""),
        (answers(""), "unreached", ""),
        (answers("HTTP/1.1 404 HOSTILE\r\nContent-Length: 0\r\n\r\n"), "log_unknown", "404"),
        (answers("HTTP/1.1 409 HOSTILE\r\nContent-Length: 8\r\n\r\nHOSTILE\n"), "not_a_witness", "409"),
        (impostor(&recorder), "wrong_signature", "not signed with the key"),
    ] {
        set(&mut recorder, &url);
        let push = wait_outcome(&recorder, outcome, 0);
        let text = push["last"]["text"].as_str().unwrap();
        assert!(text.contains(words) && !push.to_string().contains("HOSTILE"), "{outcome}: {push}");
        assert_eq!(push["url"], url);
    }
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody is followed");

    // One that takes the request and says nothing: meanwhile the log is signed, and whoever asks is answered.
    let held = Arc::new(std::sync::Mutex::new(Vec::new()));
    let holds = Arc::clone(&held);
    let silent = server(move |stream, _| holds.lock().unwrap().push(stream));
    set(&mut recorder, &silent);
    wait_for("the request to be there", PATIENCE, || match held.lock().unwrap().len() {
        0 => Err("nobody came".to_owned()),
        _ => Ok(()),
    });
    let size = log(&recorder)["signed_entries"].as_u64().unwrap();
    rename(&mut recorder, camera, "Gate 2");
    drop(wait_kept(&recorder, size + 1));
    assert_eq!(push(&recorder)["pending"], true, "it is signed while that one waits");
    let push = wait_outcome(&recorder, "unreached", 0);
    assert!(push["last"]["text"].as_str().unwrap().contains("within 20 s"), "{push}");
    assert!(refusals(&recorder).is_empty());
    assert_eq!(recorder.client.get("/api/v1/log/cosigned").status, 404, "nothing of theirs is kept");
}
