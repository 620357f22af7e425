//! The folder of a copy: `log` (origin and trusted key, a line each), `checkpoint` (the last one that all entries were compared with), `tile/entries/…` (the entries, as C2SP tlog-tiles has them),
//! `status.json` (what was found last), `proof/` (checkpoints that prove what an alert said).
//!
//! Entries are durable before the checkpoint that counts them; what lies behind it after a power cut is written again.

use super::source::{BUNDLE_BYTES_MAX, first_of};
use crate::state::{bounded, replace};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use watchbook_evidence::mirror::{Alert, Follower, Next};
use watchbook_evidence::note::NOTE_BYTES_MAX;
use watchbook_evidence::tile::{TILE_WIDTH, Tile, decode_entries, encode_entries};
use watchbook_evidence::{Algorithm, SignedCheckpoint, VerifierKey, hex, sha256};

/// Origin and key.
const LOG_BYTES_MAX: u64 = 4096;
/// What was found last, with one sentence.
const STATUS_BYTES_MAX: u64 = 64 << 10;
/// Checkpoints that are kept as proofs; a log that is forked is looked at every half minute and gives the same one each time.
const PROOFS_MAX: usize = 64;

/// A copy of a log. While it is open nobody else can have it.
pub(super) struct Copy {
    dir: PathBuf,
    pub(super) origin: String,
    pub(super) follower: Follower,
    /// When it grew last, in seconds since 1970.
    pub(super) grown_s: Option<u64>,
    _lock: File,
}

impl Copy {
    /// Reads the copy in `dir` and hashes every entry again; begins one that trusts `key` where there is none.
    pub(super) fn open(dir: &Path, key: Option<&str>, origin: Option<&str>) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("opening the copy in {}: {error}", dir.display());
        fs::create_dir_all(dir.join("tile/entries")).map_err(told)?;
        let lock = File::create(dir.join("lock")).map_err(told)?;
        lock.try_lock().map_err(|_| format!("the copy in {} is in use by another mirror", dir.display()))?;
        let (origin, trusted) = trusted(dir, key, origin)?;
        let follower = Follower::new(&origin, trusted);
        let mut copy = Self { dir: dir.to_owned(), origin, follower, grown_s: None, _lock: lock };
        copy.read_entries()?;
        copy.grown_s = copy.told_grown();
        Ok(copy)
    }

    fn read_entries(&mut self) -> Result<(), String> {
        let path = self.dir.join("checkpoint");
        if !path.try_exists().map_err(|error| format!("looking at {}: {error}", path.display()))? {
            return Ok(());
        }
        let damaged = |what: &dyn core::fmt::Display| {
            format!("the copy in {} is damaged ({what}); restore it, or begin another one", self.dir.display())
        };
        let bytes = bounded(&path, NOTE_BYTES_MAX as u64)?;
        let signed = SignedCheckpoint::parse(&bytes).map_err(|error| damaged(&error))?;
        let size = signed.checkpoint().root.size;
        let mut follower = self.follower.clone();
        for index in 0..=size / u64::from(TILE_WIDTH) {
            let Some(tile) = Tile::of_tree(0, index, size) else { break };
            let entries = self.bundle(tile)?;
            entries.iter().try_for_each(|entry| follower.push(entry)).map_err(|alert| damaged(&alert))?;
        }
        match follower.judge(&bytes) {
            Ok(Next::Same) => {}
            Ok(Next::Grows(_)) => return Err(damaged(&"entries are missing")),
            Err(alert) => return Err(damaged(&alert)),
        }
        self.follower = follower;
        Ok(())
    }

    fn told_grown(&self) -> Option<u64> {
        let bytes = bounded(&self.dir.join("status.json"), STATUS_BYTES_MAX).ok()?;
        let status: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        status.get("grown_utc_s")?.as_u64()
    }

    fn path_of(&self, tile: Tile) -> PathBuf {
        self.dir.join(tile.entries_path())
    }

    /// The entries of this bundle; a longer one is cut.
    pub(super) fn bundle(&self, tile: Tile) -> Result<Vec<Vec<u8>>, String> {
        let exact = self.path_of(tile);
        let path = match exact.try_exists() {
            Ok(false) => self.path_of(Tile { width: TILE_WIDTH, ..tile }),
            _ => exact,
        };
        let bytes = bounded(&path, BUNDLE_BYTES_MAX)?;
        let entries = decode_entries(&bytes).filter(|entries| entries.len() >= usize::from(tile.width));
        let entries = entries.ok_or_else(|| {
            format!(
                "{} is damaged: entries from {} on are missing; restore it from a copy",
                path.display(),
                first_of(tile)
            )
        })?;
        Ok(entries.into_iter().take(usize::from(tile.width)).map(<[u8]>::to_vec).collect())
    }

    /// Makes a bundle durable.
    pub(super) fn put(&self, tile: Tile, entries: &[Vec<u8>]) -> Result<(), String> {
        let path = self.path_of(tile);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| format!("making {}: {error}", folder.display()))?;
        }
        let bytes = encode_entries(entries.iter().map(Vec::as_slice)).ok_or("an entry is too long for a bundle")?;
        replace(&path, &bytes)
    }

    /// Has all entries up to this checkpoint count.
    pub(super) fn commit(&self, signed: &SignedCheckpoint) -> Result<(), String> {
        replace(&self.dir.join("checkpoint"), signed.to_text().as_bytes())
    }

    /// Removes a bundle that a longer one has taken the place of. One that stays harms nothing.
    pub(super) fn forget(&self, tile: Tile) {
        let path = self.path_of(tile);
        let _ = fs::remove_file(&path);
        // Not while there is another width in it.
        let _ = path.parent().map(fs::remove_dir);
    }

    /// Keeps what proves an alert, as far as there is room.
    pub(super) fn keep_proof(&self, alert: &Alert, checkpoint: &[u8]) {
        let dir = self.dir.join("proof");
        let _ = fs::create_dir_all(&dir);
        let count = fs::read_dir(&dir).map_or(0, |entries| entries.take(PROOFS_MAX).count());
        if matches!(alert, Alert::Form(_)) || count >= PROOFS_MAX {
            return;
        }
        // The alert is told in any case, also where nothing can be written.
        let _ = replace(&dir.join(format!("{}.checkpoint", hex(&sha256(checkpoint)))), checkpoint);
    }

    /// Writes down what was found.
    pub(super) fn tell(&self, status: &serde_json::Value) -> Result<(), String> {
        replace(&self.dir.join("status.json"), format!("{status:#}\n").as_bytes())
    }
}

/// Which log the copy is of, and by which key; written down the first time.
fn trusted(dir: &Path, key: Option<&str>, origin: Option<&str>) -> Result<(String, VerifierKey), String> {
    let path = dir.join("log");
    let given = key.map(|key| VerifierKey::parse(key).map_err(|error| format!("--log: {error}"))).transpose()?;
    if path.try_exists().map_err(|error| format!("looking at {}: {error}", path.display()))? {
        let damaged = || format!("{} is damaged; it has the log's name and its key, a line each", path.display());
        let text = String::from_utf8(bounded(&path, LOG_BYTES_MAX)?).map_err(|_| damaged())?;
        let (kept, key) = text.trim_end().split_once('\n').ok_or_else(damaged)?;
        let key = VerifierKey::parse(key).map_err(|_| damaged())?;
        let other = given.is_some_and(|given| given != key) || origin.is_some_and(|origin| origin != kept);
        return match other {
            true => Err(format!(
                "the copy in {} is of the log {kept} by the key {key}; begin another copy for another one",
                dir.display()
            )),
            false => Ok((kept.to_owned(), key)),
        };
    }
    let key = given.ok_or("this copy is new: say --log with the log's public key, compared with its owner")?;
    if key.algorithm() != Algorithm::Ed25519 {
        return Err("--log: this is the key of a witness; give the one of the log".to_owned());
    }
    let origin = origin.unwrap_or(key.name()).to_owned();
    if origin.is_empty() || origin.contains('\n') {
        return Err("--origin: the name of a log is one line".to_owned());
    }
    replace(&path, format!("{origin}\n{key}\n").as_bytes())?;
    Ok((origin, key))
}
