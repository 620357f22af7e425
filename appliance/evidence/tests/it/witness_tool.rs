//! `watchbook-witness` on a laptop: files come on a stick and go back.

use crate::sample::{ORIGIN, Tree, leaf, log_key};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;
use watchbook_evidence::note::Signature;
use watchbook_evidence::witness::Request;
use watchbook_evidence::{Hash, Leaf, SignedCheckpoint, VerifierKey, hex, sha256};

/// A laptop with a key, which watches the log.
struct Laptop {
    dir: TempDir,
    key: VerifierKey,
}

impl Laptop {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let key = dir.path().join("key");
        let output = Command::new(env!("CARGO_BIN_EXE_watchbook-witness"))
            .args(["keygen", "--name", "oversight.example/w1", "--key"])
            .arg(&key)
            .output()
            .unwrap();
        let key = VerifierKey::parse(String::from_utf8(output.stdout).unwrap().trim_end()).unwrap();
        let laptop = Self { dir, key };
        let watched = laptop.run(&["trust", "--log", &log_key(1).verifier().to_string()]);
        assert_eq!(watched.status.code(), Some(0), "{watched:?}");
        laptop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchbook-witness"));
        command.args(arguments).arg("--state").arg(self.path("state")).output().unwrap()
    }

    /// Exit code, message, and the line that was written.
    fn cosign(&self, request: &str) -> (i32, String, Option<Signature>) {
        fs::write(self.path("request"), request).unwrap();
        let _ = fs::remove_file(self.path("line"));
        let paths = ["key", "request", "line"].map(|name| self.path(name).display().to_string());
        let output = self.run(&["cosign", "--key", &paths[0], "--request", &paths[1], "--out", &paths[2]]);
        let line = fs::read_to_string(&paths[2]).ok().map(|line| Signature::parse(line.trim_end()).unwrap());
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap(), line)
    }

    /// What it remembers of the log.
    fn seen(&self) -> Option<SignedCheckpoint> {
        let name = format!("state/{}.checkpoint", hex(&sha256(ORIGIN.as_bytes())));
        fs::read(self.path(&name)).ok().map(|bytes| SignedCheckpoint::parse(&bytes).unwrap())
    }
}

fn log(size: i64, changed: i64) -> Vec<Leaf> {
    (0..size).fold(Vec::new(), |mut log, i| {
        let body = if i < changed { "{}" } else { "{\"changed\":1}" };
        log.push(leaf(&log, i, body.into()));
        log
    })
}

fn request(old: u64, tree: &Tree, proof: Vec<Hash>) -> String {
    Request { old, proof, checkpoint: tree.checkpoint(1, None) }.to_text()
}

#[test]
fn a_log_that_grows_is_cosigned_and_a_fork_is_not() {
    let laptop = Laptop::new();
    assert_eq!(fs::metadata(laptop.path("key")).unwrap().permissions().mode() & 0o777, 0o600);
    let (first, second) = (Tree::new(&log(5, 99)), Tree::new(&log(300, 99_999)));
    let (code, message, line) = laptop.cosign(&request(0, &first, Vec::new()));
    assert_eq!((code, message.as_str()), (0, ""));
    // The line goes back to the box, which adds it to its checkpoint.
    let mut checkpoint = first.checkpoint(1, None);
    let witnesses = [laptop.key.clone()];
    checkpoint.add_cosignature(line.unwrap(), &witnesses).unwrap();
    assert_eq!(checkpoint.witnessed(&witnesses).unwrap().len(), 1);
    assert_eq!(laptop.seen().as_ref(), Some(&checkpoint));

    // The box thinks that nothing was seen yet, and is told how much was.
    let (code, message, line) = laptop.cosign(&request(0, &second, Vec::new()));
    assert_eq!((code, line), (49, None));
    assert!(message.contains("5 entries"), "{message}");

    let fork = Tree::new(&log(300, 3));
    let forked = request(5, &fork, fork.tiled().prove_consistency(5).unwrap());
    let (code, message, line) = laptop.cosign(&forked);
    assert_eq!((code, line), (42, None));
    assert!(message.contains("FORK"), "{message}");
    assert_eq!(laptop.seen().unwrap().checkpoint().root.size, 5, "a fork is not remembered as the log");
    let proof = laptop.path("state").join(format!("{}.fork", hex(&sha256(forked.as_bytes()))));
    assert_eq!(fs::read_to_string(proof).unwrap(), forked, "but kept as a proof");

    let (code, ..) = laptop.cosign(&request(5, &second, second.tiled().prove_consistency(5).unwrap()));
    assert_eq!(code, 0);
    let shown = String::from_utf8(laptop.run(&["logs"]).stdout).unwrap();
    assert!(shown.starts_with(&format!("{ORIGIN}: 300 entries\n")), "{shown}");
}

#[test]
fn what_cannot_be_judged_is_not_signed() {
    let laptop = Laptop::new();
    let tree = Tree::new(&log(5, 99));
    let good = request(0, &tree, Vec::new());
    let stranger = Request { old: 0, proof: Vec::new(), checkpoint: tree.checkpoint(2, None) }.to_text();
    for (body, want) in [("", 40), (&stranger, 43), (&good.replace(ORIGIN, "another.example"), 44)] {
        let (code, message, line) = laptop.cosign(body);
        assert_eq!((code, line), (want, None), "{message}");
    }
    assert_eq!(laptop.seen(), None);
    // A state that is damaged is not taken for a new log.
    assert_eq!(laptop.cosign(&good).0, 0);
    let state = laptop.path("state").join(format!("{}.checkpoint", hex(&sha256(ORIGIN.as_bytes()))));
    fs::write(&state, "rubbish").unwrap();
    let (code, message, line) = laptop.cosign(&good);
    assert_eq!((code, line), (3, None));
    assert!(message.contains("damaged"), "{message}");
    // Nor is one that another key wrote.
    fs::write(&state, tree.checkpoint(1, None).to_text()).unwrap();
    assert_eq!(laptop.cosign(&request(5, &tree, Vec::new())).0, 50);
}

#[test]
fn a_fork_is_told_where_nothing_can_be_written() {
    let laptop = Laptop::new();
    let (first, fork) = (Tree::new(&log(5, 99)), Tree::new(&log(300, 3)));
    assert_eq!(laptop.cosign(&request(0, &first, Vec::new())).0, 0);
    let forked = request(5, &fork, fork.tiled().prove_consistency(5).unwrap());
    // A folder in the place of the file keeps it from being written, as a full disk does.
    let place = laptop.path("state").join(format!("{}.fork.new", hex(&sha256(forked.as_bytes()))));
    fs::create_dir(&place).unwrap();
    for name in ["state", "state/lock"] {
        let mut rights = fs::metadata(laptop.path(name)).unwrap().permissions();
        rights.set_mode(rights.mode() & !0o222);
        fs::set_permissions(laptop.path(name), rights).unwrap();
    }
    let (code, message, line) = laptop.cosign(&forked);
    fs::set_permissions(laptop.path("state"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!((code, line), (42, None), "{message}");
    assert!(message.contains("FORK") && message.contains("could not be kept"), "{message}");
}

#[test]
fn a_witness_whose_memory_is_gone_takes_no_log_for_a_new_one() {
    let laptop = Laptop::new();
    let tree = Tree::new(&log(5, 99));
    assert_eq!(laptop.cosign(&request(0, &tree, Vec::new())).0, 0);
    let state = laptop.path("state").join(format!("{}.checkpoint", hex(&sha256(ORIGIN.as_bytes()))));
    let kept = fs::read(&state).unwrap();
    fs::remove_file(&state).unwrap();
    let (code, message, line) = laptop.cosign(&request(0, &Tree::new(&log(4, 1)), Vec::new()));
    assert_eq!((code, line), (3, None));
    assert!(message.contains("has cosigned that log before"), "{message}");
    assert_eq!(laptop.run(&["logs"]).status.code(), Some(3));
    fs::write(&state, kept).unwrap();
    assert_eq!(laptop.cosign(&request(5, &tree, Vec::new())).0, 0);
}

#[test]
fn one_witness_has_its_state_alone_and_its_key_once() {
    let laptop = Laptop::new();
    let lock = fs::File::create(laptop.path("state/lock")).unwrap();
    lock.lock().unwrap();
    let (code, message, _) = laptop.cosign(&request(0, &Tree::new(&log(5, 99)), Vec::new()));
    assert_eq!(code, 3);
    assert!(message.contains("in use"), "{message}");
    drop(lock);
    let path = laptop.path("key").display().to_string();
    let before = fs::read(&path).unwrap();
    let mut again = Command::new(env!("CARGO_BIN_EXE_watchbook-witness"));
    let again = again.args(["keygen", "--name", "w", "--key", &path]).output().unwrap();
    assert_eq!(again.status.code(), Some(3), "a key is never overwritten");
    assert_eq!(fs::read(&path).unwrap(), before);
    let own = laptop.run(&["trust", "--log", &laptop.key.to_string()]);
    assert_eq!(own.status.code(), Some(2), "a witness is no log");
    assert_eq!(laptop.run(&["forget"]).status.code(), Some(2));
}
