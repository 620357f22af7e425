//! `watchbook-witness serve`: what C2SP tlog-witness says a witness answers, and what is no request.

use crate::mirror_tool::{log, tiled};
use crate::sample::{ORIGIN, log_key};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use watchbook_evidence::note::Signature;
use watchbook_evidence::witness::Request;
use watchbook_evidence::{Keeper, VerifierKey};

struct Serving {
    child: Child,
    address: String,
    key: VerifierKey,
    dir: TempDir,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let program = || Command::new(env!("CARGO_BIN_EXE_watchbook-witness"));
        let made = program().args(["keygen", "--name", "w.example", "--key", &path("key")]).output().unwrap();
        let key = VerifierKey::parse(String::from_utf8(made.stdout).unwrap().trim()).unwrap();
        let log = log_key(1).verifier().to_string();
        assert!(program().args(["trust", "--state", &path("state"), "--log", &log]).status().unwrap().success());
        let mut serve = program();
        serve.args(["serve", "--state", &path("state"), "--key", &path("key"), "--listen", "127.0.0.1:0"]);
        let mut child = serve.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let address = line.trim().rsplit_once("http://").unwrap().1.to_owned();
        // Nobody reads further: what it says must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self { child, address, key, dir }
    }

    /// Status, content type and body of the answer to these bytes.
    fn send(&self, bytes: &[u8]) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        // It may have answered and gone before all of a request was sent.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), kind.to_owned(), body.to_owned())
    }

    fn post(&self, body: &str) -> (u16, String, String) {
        let head = format!("POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: {}\r\n\r\n", body.len());
        self.send(&[head.as_bytes(), body.as_bytes()].concat())
    }
}

/// The body of `add-checkpoint` for a log of `size` entries, those from `changed` on others, from `old` on.
fn request(old: u64, size: i64, changed: i64) -> Request {
    let (tiles, now) = tiled(&log(size, changed));
    let checkpoint = Keeper::open::<String>(ORIGIN, log_key(1), &[], &[]).unwrap().sign(&tiles, now).unwrap();
    let proof = watchbook_evidence::proof::TiledTree::new(&tiles, now.size).prove_consistency(old).unwrap();
    Request { old, proof, checkpoint }
}

#[test]
fn checkpoints_that_are_pushed_are_cosigned_or_refused_as_the_specification_says() {
    let witness = Serving::new();
    let first = request(0, 5, i64::MAX);
    let (status, _, body) = witness.post(&first.to_text());
    assert_eq!(status, 200, "{body}");
    let mut checkpoint = first.checkpoint.clone();
    let keys = [witness.key.clone()];
    checkpoint.add_cosignature(Signature::parse(body.trim_end()).unwrap(), &keys).unwrap();
    assert_eq!(checkpoint.witnessed(&keys).unwrap().len(), 1);
    // From elsewhere: the size that it saw last.
    let (status, kind, body) = witness.post(&request(0, 300, i64::MAX).to_text());
    assert_eq!((status, kind.as_str(), body.as_str()), (409, "text/x.tlog.size", "5\n"));
    let fork = request(5, 300, 2).to_text();
    let (status, _, body) = witness.post(&fork);
    assert!(status == 422 && body.contains("FORK"), "{status} {body}");
    let kept = std::fs::read_dir(witness.dir.path().join("state")).unwrap();
    assert!(kept.filter_map(Result::ok).any(|file| file.path().extension().is_some_and(|ending| ending == "fork")));
    assert_eq!(witness.post(&request(5, 300, i64::MAX).to_text()).0, 200);
    let stranger = request(0, 5, i64::MAX).to_text().replace(ORIGIN, "another.example/log");
    assert_eq!(witness.post(&stranger).0, 404);
    assert_eq!(witness.post("rubbish").0, 400);
}

#[test]
fn what_is_no_request_is_refused_and_the_next_one_answered() {
    let witness = Serving::new();
    let long = format!("POST /add-checkpoint HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(9 << 10));
    for (bytes, status) in [
        ("GET /add-checkpoint HTTP/1.1\r\n\r\n", 405),
        ("POST /other HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 404),
        ("POST /add-checkpoint HTTP/1.1\r\n\r\n", 411),
        ("POST /add-checkpoint HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 411),
        ("POST /add-checkpoint HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        ("POST /add-checkpoint HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        ("POST /add-checkpoint HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", 400),
        ("\u{1}\u{2}\r\n\r\n", 400),
        ("", 400),
        (&long, 431),
    ] {
        let (found, _, body) = witness.send(bytes.as_bytes());
        assert_eq!(found, status, "{bytes:.60}: {body}");
    }
    assert_eq!(witness.post(&request(0, 5, i64::MAX).to_text()).0, 200);
}
