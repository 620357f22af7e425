//! `watchbook-witness mirror`: from folders and from a server that hides, changes and forgets.

use crate::sample::{ORIGIN, leaf, log_key};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use watchbook_evidence::merkle::{leaf_hash, root_of};
use watchbook_evidence::record::Record;
use watchbook_evidence::rotation::Rotation;
use watchbook_evidence::tile::{MemoryTiles, Tile, TileSource, encode_entries, grown};
use watchbook_evidence::{Hash, Keeper, Leaf, Root, hex};

/// A day after the last entry of [`log`], in seconds since 1970.
const SOON_S: i64 = crate::sample::START_S + 3600;

/// Entries of a log, of which those from `changed` on are not what they were.
pub(crate) fn log(size: i64, changed: i64) -> Vec<Leaf> {
    (0..size).fold(Vec::new(), |mut log, i| {
        let body = if i < changed { "{}" } else { "{\"changed\":1}" };
        log.push(leaf(&log, i, body.into()));
        log
    })
}

pub(crate) fn tiled(log: &[Leaf]) -> (MemoryTiles, Root) {
    let hashes: Vec<Hash> = log.iter().map(|leaf| leaf_hash(&leaf.encode().unwrap())).collect();
    let mut tiles = MemoryTiles::default();
    tiles.write(grown(&tiles, 0, &hashes).unwrap());
    (tiles, Root { size: log.len() as u64, hash: root_of(&hashes) })
}

fn checkpoint(log: &[Leaf], seed: u8) -> String {
    let (tiles, now) = tiled(log);
    Keeper::open::<String>(ORIGIN, log_key(seed), &[], &[]).unwrap().sign(&tiles, now).unwrap().to_text()
}

/// What a server hands out, by path.
fn files(log: &[Leaf], seed: u8) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::from([("checkpoint".to_owned(), checkpoint(log, seed).into_bytes())]);
    let (tiles, Root { size, .. }) = tiled(log);
    for level in 0..3 {
        for tile in (0..).map_while(|index| Tile::of_tree(level, index, size)) {
            files.insert(tile.to_string(), tiles.tile(tile).unwrap().concat());
            if level == 0 {
                let first = tile.index as usize * 256;
                let entries: Vec<Vec<u8>> =
                    log[first..first + usize::from(tile.width)].iter().map(|leaf| leaf.encode().unwrap()).collect();
                files.insert(tile.entries_path(), encode_entries(entries.iter().map(Vec::as_slice)).unwrap());
            }
        }
    }
    files
}

/// A server on this machine; what it hands out can be changed.
struct Server {
    url: String,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (files, asked) = (Arc::<Mutex<BTreeMap<String, Vec<u8>>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (served, seen) = (Arc::clone(&files), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines: Vec<String> = BufReader::new(stream.try_clone().unwrap())
                    .lines()
                    .map_while(Result::ok)
                    .take_while(|line| !line.is_empty())
                    .collect();
                let path = lines[0].split(' ').nth(1).unwrap().strip_prefix("/api/v1/log/").unwrap().to_owned();
                let let_in = lines.iter().any(|line| line.eq_ignore_ascii_case("authorization: Bearer the-token"));
                let found = served.lock().unwrap().get(&path).cloned();
                let (status, body) = match (let_in, found) {
                    (false, _) => ("401 Unauthorized", Vec::new()),
                    (true, Some(body)) => ("200 OK", body),
                    (true, None) => ("404 Not Found", Vec::new()),
                };
                seen.lock().unwrap().push(path);
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(&[head.as_bytes(), &body].concat());
            }
        });
        Self { url, files, asked }
    }

    fn serve(&self, files: BTreeMap<String, Vec<u8>>) {
        *self.files.lock().unwrap() = files;
    }
}

/// Somebody outside with a copy.
struct Outside {
    dir: TempDir,
    server: Server,
}

impl Outside {
    fn new() -> Self {
        let outside = Self { dir: TempDir::new().unwrap(), server: Server::new() };
        fs::write(outside.path("token"), "the-token\n").unwrap();
        outside
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, copy: &str, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchbook-witness"));
        let output: Output = command.arg("mirror").arg("--dir").arg(self.path(copy)).args(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        (output.status.code().unwrap(), said)
    }

    /// One look over the network at a moment.
    fn look_at(&self, at_s: i64, more: &[&str]) -> (i32, String) {
        let (at, token) = (at_s.to_string(), self.path("token"));
        let key = log_key(1).verifier().to_string();
        let arguments =
            ["--url", &self.server.url, "--token-file", token.to_str().unwrap(), "--at", &at, "--log", &key];
        self.run("copy", &[&arguments[..], more].concat())
    }

    fn look(&self) -> (i32, String) {
        self.look_at(SOON_S, &[])
    }

    /// How many entries its checkpoint is about.
    fn kept(&self) -> u64 {
        let text = fs::read_to_string(self.path("copy/checkpoint")).unwrap();
        text.lines().nth(1).unwrap().parse().unwrap()
    }

    fn status(&self) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.path("copy/status.json")).unwrap()).unwrap()
    }
}

#[test]
fn a_log_that_grows_is_copied_whole_and_only_what_is_new_is_asked_for() {
    let outside = Outside::new();
    for size in [5, 300, 301, 900] {
        outside.server.serve(files(&log(size, i64::MAX), 1));
        let (code, said) = outside.look();
        assert_eq!(code, 0, "{said}");
        assert!(said.contains(&format!("{size} entries")), "{said}");
        assert_eq!((outside.kept(), &outside.status()["state"]), (size as u64, &"up to date".into()));
    }
    // The copy is what C2SP tlog-tiles has a log look like, byte for byte.
    let all = files(&log(900, i64::MAX), 1);
    for bundle in ["tile/entries/000", "tile/entries/001", "tile/entries/002", "tile/entries/003.p/132", "checkpoint"] {
        assert_eq!(fs::read(outside.path("copy").join(bundle)).unwrap(), all[bundle], "{bundle}");
    }
    assert!(!outside.path("copy/tile/entries/001.p").exists(), "what was half full is gone");
    outside.server.asked.lock().unwrap().clear();
    assert_eq!(outside.look().0, 0);
    let asked = outside.server.asked.lock().unwrap().clone();
    assert!(asked.len() == 2 && asked[0] == "checkpoint" && asked[1].starts_with("tile/entries/"), "{asked:?}");
}

#[test]
fn a_rollback_a_fork_and_a_wrong_key_are_alerts_and_the_copy_stays() {
    let outside = Outside::new();
    outside.server.serve(files(&log(300, i64::MAX), 1));
    assert_eq!(outside.look().0, 0);
    for (served, code, word) in [
        (files(&log(299, i64::MAX), 1), 41, "ROLLBACK"),
        (files(&log(300, 7), 1), 42, "FORK"),
        (files(&log(900, 7), 1), 42, "FORK"),
        (files(&log(900, i64::MAX), 2), 43, "WRONG KEY"),
        (files(&log(300, i64::MAX), 2), 43, "WRONG KEY"),
        (BTreeMap::from([("checkpoint".to_owned(), b"rubbish".to_vec())]), 40, "NOT A CHECKPOINT"),
    ] {
        outside.server.serve(served);
        let (found, said) = outside.look();
        assert_eq!(found, code, "{said}");
        assert!(said.contains("ALERT") && said.contains(word) && said.trim_end().lines().count() == 1, "{said}");
        assert_eq!(outside.kept(), 300, "{word}");
        let status = outside.status();
        assert_eq!((&status["state"], &status["code"]), (&"alert".into(), &code.into()));
    }
    assert!(fs::read_dir(outside.path("copy/proof")).unwrap().count() >= 4, "what proves it is kept");
    // The right log goes on.
    outside.server.serve(files(&log(900, i64::MAX), 1));
    assert_eq!(outside.look().0, 0);
}

#[test]
fn an_entry_that_is_changed_hidden_or_put_in_is_named() {
    let outside = Outside::new();
    let good = files(&log(300, i64::MAX), 1);
    let bundle = |log: &[Leaf]| {
        encode_entries(log.iter().map(|leaf| leaf.encode().unwrap()).collect::<Vec<_>>().iter().map(Vec::as_slice))
            .unwrap()
    };
    let whole = log(300, i64::MAX);
    let mut hidden = whole[..256].to_vec();
    hidden.remove(100);
    let mut changed = whole[..256].to_vec();
    changed[100].body = b"{\"nothing\":0}".to_vec();
    let mut moved = whole[..256].to_vec();
    moved.swap(100, 101);
    // Before anything of it was copied.
    for (what, number) in [(&hidden, "ENTRY 0"), (&changed, "ENTRY 100"), (&moved, "ENTRY 100")] {
        let mut served = good.clone();
        served.insert("tile/entries/000".to_owned(), bundle(what));
        outside.server.serve(served);
        let (code, said) = outside.look();
        assert!(code == 45 && said.contains(number), "{code} {said}");
    }
    outside.server.serve(good.clone());
    assert_eq!(outside.look().0, 0);
    // Afterwards: there is one full bundle, so it is the one that is asked for again.
    let mut served = good.clone();
    served.insert("tile/entries/000".to_owned(), bundle(&changed));
    outside.server.serve(served);
    let (code, said) = outside.look();
    assert!(code == 45 && said.contains("ENTRY 100") && said.contains("than it did before"), "{code} {said}");
    // In the bundle that was half full.
    let mut grown = files(&log(400, i64::MAX), 1);
    let mut half = log(400, i64::MAX)[256..].to_vec();
    half[10].body = b"{\"nothing\":0}".to_vec();
    grown.insert("tile/entries/001.p/144".to_owned(), bundle(&half));
    outside.server.serve(grown);
    let (code, said) = outside.look();
    assert!(code == 45 && said.contains("ENTRY 266"), "{code} {said}");
    // Tiles that are changed, too, do not hash to what was signed.
    let mut both = files(&log(400, 300), 1);
    both.insert("checkpoint".to_owned(), checkpoint(&log(400, i64::MAX), 1).into_bytes());
    outside.server.serve(both);
    let (code, said) = outside.look();
    assert!(code == 45 && said.contains("do not hash to the root"), "{code} {said}");
}

#[test]
fn a_day_of_silence_is_an_alert_and_a_minute_of_it_is_not() {
    let outside = Outside::new();
    outside.server.serve(files(&log(300, i64::MAX), 1));
    assert_eq!(outside.look().0, 0);
    assert_eq!(outside.look_at(SOON_S + 23 * 3600, &[]).0, 0);
    let (code, said) = outside.look_at(SOON_S + 24 * 3600 + 1, &[]);
    assert!(code == 46 && said.contains("ALERT: SILENCE") && said.contains("24 h"), "{code} {said}");
    assert_eq!(outside.look_at(SOON_S + 3 * 3600, &["--max-silence", "2h"]).0, 46);
    // It cannot be reached.
    outside.server.serve(BTreeMap::new());
    let (code, said) = outside.look_at(SOON_S + 60, &[]);
    assert!(code == 47 && said.contains("404"), "{code} {said}");
    assert_eq!(outside.status()["state"], "not reached");
    let (code, said) = outside.look_at(SOON_S + 25 * 3600, &[]);
    assert!(code == 46 && said.contains("cannot be reached"), "{code} {said}");
    // An old copy of a log that a new mirror sees for the first time.
    let fresh = Outside::new();
    fresh.server.serve(files(&log(300, i64::MAX), 1));
    let (code, said) = fresh.look_at(SOON_S + 48 * 3600, &[]);
    assert!(code == 46 && said.contains("newest entry"), "{code} {said}");
    fs::write(outside.path("token"), "another\n").unwrap();
    assert_eq!(outside.look().0, 48);
    // `--follow` ends with the alert.
    assert_eq!(fresh.look_at(SOON_S + 48 * 3600, &["--follow"]).0, 46);
}

#[test]
fn a_change_of_the_log_s_key_is_followed() {
    let outside = Outside::new();
    let mut log = log(300, i64::MAX);
    outside.server.serve(files(&log, 1));
    assert_eq!(outside.look().0, 0);
    let note = Rotation::sign(ORIGIN, &log_key(1), &log_key(2)).unwrap();
    log.push(leaf(&log, 300, Record::LogKey { note }.body()));
    log.push(leaf(&log, 301, b"{}".to_vec()));
    outside.server.serve(files(&log, 2));
    let (code, said) = outside.look();
    assert_eq!(code, 0, "{said}");
    // Also by whoever starts with the file that says which key was trusted.
    assert_eq!(outside.look().0, 0);
    outside.server.serve(files(&log, 1));
    assert_eq!(outside.look().0, 43, "the old key signs for it no more");
}

/// The log as an auditor takes it along.
fn taken_along(dir: &Path, log: &[Leaf], numbers: impl Iterator<Item = usize>) {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("checkpoint"), checkpoint(log, 1)).unwrap();
    let line = |number: usize| format!("{{\"index\":{number},\"leaf\":\"{}\"}}\n", hex(&log[number].encode().unwrap()));
    fs::write(dir.join("leaves.jsonl"), numbers.map(line).collect::<String>()).unwrap();
}

#[test]
fn a_folder_is_a_log_too() {
    let outside = Outside::new();
    let (key, at) = (log_key(1).verifier().to_string(), SOON_S.to_string());
    let from = |copy: &str, folder: &str| {
        let folder = outside.path(folder);
        outside.run(copy, &["--from-folder", folder.to_str().unwrap(), "--log", &key, "--at", &at])
    };
    let log = log(700, i64::MAX);
    taken_along(&outside.path("stick"), &log[..300], 0..300);
    assert_eq!(from("copy", "stick").0, 0);
    taken_along(&outside.path("stick"), &log, 0..700);
    let (code, said) = from("copy", "stick");
    assert!(code == 0 && said.contains("400 of them new"), "{said}");
    // One copy is the source of another.
    assert_eq!(from("second copy", "copy").0, 0);
    // A line that is missing, in what is copied and in what is new.
    for (copy, missing) in [("copy", 123), ("third copy", 400)] {
        taken_along(&outside.path("stick"), &log, (0..700).filter(|number| *number != missing));
        let (code, said) = from(copy, "stick");
        assert!(code == 45 && said.contains(&format!("ENTRY {missing}")), "{code} {said}");
    }
    taken_along(&outside.path("stick"), &log, 0..699);
    assert!(from("copy", "stick").1.contains("ENTRY 699"));
    // Entries of another history, under a checkpoint of this one.
    taken_along(&outside.path("stick"), &crate::mirror_tool::log(700, 200), 0..700);
    fs::write(outside.path("stick/checkpoint"), checkpoint(&log, 1)).unwrap();
    let (code, said) = from("copy", "stick");
    assert!(code == 45 && said.contains("ENTRY 200"), "{code} {said}");
}

#[test]
fn a_copy_survives_a_cut_and_says_when_it_is_damaged() {
    let outside = Outside::new();
    outside.server.serve(files(&log(300, i64::MAX), 1));
    assert_eq!(outside.look().0, 0);
    // As after a power cut before the checkpoint of 900 entries: bundles behind it, and one that is half written.
    for (bundle, bytes) in files(&log(900, i64::MAX), 1) {
        if bundle.starts_with("tile/entries/00") && !bundle.ends_with("000") {
            let path = outside.path("copy").join(&bundle);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
    fs::write(outside.path("copy/tile/entries/002.new"), "half").unwrap();
    assert_eq!((outside.look().0, outside.kept()), (0, 300));
    outside.server.serve(files(&log(901, i64::MAX), 1));
    assert_eq!((outside.look().0, outside.kept()), (0, 901));
    // A bit that flips on the mirror's own disk is no alert about the log.
    let path = outside.path("copy/tile/entries/001");
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (code, said) = outside.look();
    assert!(code == 3 && said.contains("damaged") && !said.contains("ALERT"), "{code} {said}");
    let lock = fs::File::create(outside.path("copy/lock")).unwrap();
    lock.lock().unwrap();
    assert!(outside.look().1.contains("in use"));
}

#[test]
fn what_is_called_wrongly_says_how() {
    let outside = Outside::new();
    let (folder, key) = (outside.path("none"), log_key(1).verifier().to_string());
    let folder = folder.to_str().unwrap();
    assert!(outside.run("a", &["--from-folder", folder]).1.contains("--log"));
    assert_eq!(outside.run("a", &["--log", &key]).0, 2);
    for silence in ["24", "h", "0h", "400d", "1w"] {
        assert_eq!(
            outside.run("a", &["--log", &key, "--from-folder", folder, "--max-silence", silence]).0,
            2,
            "{silence}"
        );
    }
    assert_eq!(outside.look_at(SOON_S, &["--url-again"]).0, 2);
    let ftp = ["--url", "ftp://box", "--token-file", outside.path("token").to_str().unwrap(), "--log", &key]
        .map(str::to_owned);
    let (code, said) = outside.run("a", &ftp.each_ref().map(String::as_str));
    assert!(code == 2 && said.contains("http://"), "{said}");
    // Another log in the same folder.
    let other = log_key(2).verifier().to_string();
    assert!(outside.run("a", &["--from-folder", folder, "--log", &other]).1.contains("begin another copy"));
}
