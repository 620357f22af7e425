//! What rings have lost of what the audit log tells: the newest end of a ring whose segments were cut, or that is an older copy of itself.
//!
//! The entry, the rows of the stretches that it concerns and how far the ring is logged are written in one batch: after a power cut all of it is there, or nothing and the next start finds
//! the loss again.
//!
//! Table `audit_lost`:
//! * disk 16 bytes, number of the entry u64 big-endian → nothing.
//! * disk 16 bytes, number of the entry u64 big-endian, generation u64 big-endian, first commit u64 big-endian → what the table `audit_footage` had of a stretch of which something is gone. There
//!   it is no more: the numbers of its segment and commits are given out again.
//!
//! What was lost is read from the entry itself; a row says only where it is.

use super::footage::{Logged, corrupt, note};
use super::{AUDIT, AUDIT_FOOTAGE, AUDIT_LOST, AuditRow, LoggedStretch, Register, people};
use crate::error::{Error, Result};
use crate::format::DiskId;
use crate::kv::{Keys, Kv, collect};
use serde_json::Value;
use std::collections::BTreeMap;
use watchbook_access::{Action, AuditEntry, Outcome};
use watchbook_base::{Kind, UtcNanos};
use watchbook_evidence::Leaf;
use watchbook_evidence::record::Record;

/// The word for [`Action::FootageLost`] in an entry.
const LOST: &str = "footage_lost";
/// Bytes of the key of a stretch in `audit_footage`, and of one that is lost.
const STRETCH_KEY_BYTES: usize = 32;
const LOST_STRETCH_KEY_BYTES: usize = 40;
/// How the body of a segment leaf begins.
const SEGMENT_BODY: &[u8] = b"{\"kind\":\"segment\"";
/// Leaves listed one by one; the rest is counted.
const LISTED_MAX: usize = 1000;

/// The newest end of a ring, of which the log told, and which was not there at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Whose ring.
    pub disk: DiskId,
    /// Number of the entry that tells of the loss.
    pub entry: u64,
    /// When it was found.
    pub found: UtcNanos,
    /// First commit that is gone.
    pub from_seq: u64,
    /// Behind the last one of which the log told.
    pub to_seq: u64,
    /// First commit of the entries that told of any of them: what lies before `from_seq` from here on cannot be proved any more.
    pub told_from_seq: u64,
    /// First and last of these entries.
    pub entries: Option<(u64, u64)>,
}

/// A leaf of footage of which nothing says where the footage lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnclaimedLeaf {
    /// Its number in the log.
    pub leaf: u64,
    /// Camera × 256 + role.
    pub stream: u32,
    /// Which recording.
    pub recording: u64,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unclaimed {
    /// The first thousand.
    pub listed: Vec<UnclaimedLeaf>,
    /// How many there are.
    pub count: u64,
}

impl Loss {
    /// What an entry says; `None`: it is about something else.
    fn of(row: &AuditRow) -> Option<Self> {
        let said: Value = serde_json::from_slice(&row.leaf.body).ok()?;
        let number = |name: &str| said.get(name).and_then(Value::as_u64);
        let is_loss = said.get("action")?.as_str()? == LOST && said.get("account")?.is_null();
        let disk = said.get("disk").and_then(Value::as_str).filter(|_| is_loss)?;
        Some(Self {
            disk: DiskId(watchbook_evidence::text::unhex(disk)?.try_into().ok()?),
            entry: row.index,
            found: row.utc(),
            from_seq: number("first_commit")?,
            to_seq: number("last_commit")?.checked_add(1)?,
            told_from_seq: number("told_from_commit")?,
            entries: number("first_entry").zip(number("last_entry")),
        })
    }

    fn says(&self) -> AuditEntry {
        let action = Action::FootageLost {
            disk: self.disk.to_string(),
            first_commit: self.from_seq,
            last_commit: self.to_seq.saturating_sub(1),
            told_from_commit: self.told_from_seq,
            first_entry: self.entries.map(|(first, _)| first),
            last_entry: self.entries.map(|(_, last)| last),
        };
        AuditEntry { account: None, action, outcome: Outcome::Allowed }
    }
}

fn row_key(disk: DiskId, entry: u64) -> Vec<u8> {
    [&disk.0[..], &entry.to_be_bytes()].concat()
}

impl Register {
    /// The ring of `disk` ends before commit `from_seq`, and the log tells of more: says so in the log, sets the stretches of these commits aside, and takes commits with these numbers from then
    /// on. All or nothing, durable when it returns.
    ///
    /// # Errors
    /// `Conflict` when the log tells of no such commit; when the register cannot be read or written.
    pub(crate) fn footage_lost(&self, disk: DiskId, from_seq: u64) -> Result<Loss> {
        let to_seq = self.footage_logged(disk)?.unwrap_or_default().next_seq;
        if to_seq <= from_seq {
            let message = format!("noting that commit {from_seq} of disk {disk} is lost: it was never logged");
            return Err(Error::new(Kind::Conflict, message));
        }
        let stretches = self.stretches_behind(disk, from_seq)?;
        let told_from_seq = stretches.iter().map(|logged| logged.stretch.from_seq).min();
        let first = stretches.iter().map(|logged| logged.first_leaf).min();
        let last = stretches.iter().map(|logged| logged.first_leaf + u64::from(logged.leaves.saturating_sub(1))).max();
        let mut loss = Loss {
            disk,
            entry: 0,
            found: self.clock.utc(),
            from_seq,
            to_seq,
            told_from_seq: told_from_seq.unwrap_or(from_seq).min(from_seq),
            entries: first.zip(last),
        };
        let body = serde_json::to_vec(&loss.says())
            .map_err(|error| Error::new(Kind::Internal, format!("encoding an audit entry: {error}")))?;
        loss.entry = self.append_leaves(vec![body], |batch, entry| {
            people::put(batch, entry);
            note(batch, disk, Logged { next_seq: from_seq, generation: 0 });
            let row = row_key(disk, entry);
            batch.put(AUDIT_LOST, row.clone(), []);
            for logged in &stretches {
                let key = logged.key();
                let behind = key.get(disk.0.len()..).unwrap_or_default();
                batch.put(AUDIT_LOST, [&row[..], behind].concat(), logged.value());
                batch.delete(AUDIT_FOOTAGE, key);
            }
            Ok(())
        })?;
        Ok(loss)
    }

    /// Stretches of which commits from `from_seq` on are a part. Later stretches have later commits, and what was lost before is set aside.
    fn stretches_behind(&self, disk: DiskId, from_seq: u64) -> Result<Vec<LoggedStretch>> {
        let (mut found, mut wrong) = (Vec::new(), false);
        self.kv.scan(AUDIT_FOOTAGE, &Keys::prefix(&disk.0).reversed(), &mut |key, value| {
            if key.len() != STRETCH_KEY_BYTES {
                return true;
            }
            let Some(logged) = LoggedStretch::decode(key, value) else {
                wrong = true;
                return false;
            };
            let is_behind = logged.stretch.to_seq > from_seq;
            found.extend(is_behind.then_some(logged));
            is_behind
        })?;
        if wrong { Err(corrupt(disk)) } else { Ok(found) }
    }

    /// What the ring of `disk` has lost, in the order in which it was found.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub(crate) fn footage_losses(&self, disk: DiskId) -> Result<Vec<Loss>> {
        let mut losses = Vec::new();
        for (key, _) in collect(&*self.kv, AUDIT_LOST, &Keys::prefix(&disk.0))? {
            let Some(entry) = key.get(disk.0.len()..).and_then(|entry| <[u8; 8]>::try_from(entry).ok()) else {
                continue;
            };
            let rows = self.audit_entries(u64::from_be_bytes(entry), 1)?;
            let told = rows.first().filter(|row| row.index == u64::from_be_bytes(entry)).and_then(Loss::of);
            losses.extend(told.filter(|loss| loss.disk == disk));
        }
        Ok(losses)
    }

    /// What rings have lost, as the entries of people and recorder tell it: a row that somebody removed hides nothing. Reads all of these entries.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn losses_told(&self) -> Result<Vec<Loss>> {
        let mut found = Vec::new();
        self.kv.scan(AUDIT, &Keys::prefix(b""), &mut |key, leaf| {
            if holds(leaf, LOST.as_bytes()) {
                found.push((key.to_vec(), leaf.to_vec()));
            }
            true
        })?;
        let rows = found.iter().map(|(key, leaf)| super::decode_row(key, leaf)).collect::<Result<Vec<_>>>()?;
        Ok(rows.iter().filter_map(Loss::of).collect())
    }

    /// Leaves of footage that no row claims: each was written with a row that says where its runs lie, and no row is ever removed. Reads the whole log.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn unclaimed_leaves(&self) -> Result<Unclaimed> {
        let claims = claims(&*self.kv)?;
        let mut found = Unclaimed::default();
        self.kv.scan(AUDIT, &Keys::prefix(b""), &mut |key, leaf| {
            let Some(index) = key.try_into().ok().map(u64::from_be_bytes) else { return true };
            let before = claims.range(..=index).next_back();
            if before.is_none_or(|(_, end)| *end <= index) {
                found.note(index, leaf);
            }
            true
        })?;
        Ok(found)
    }
}

impl Unclaimed {
    /// Counts an entry that no row claims, if it is a leaf of footage.
    fn note(&mut self, index: u64, leaf: &[u8]) {
        let body = Leaf::decode(leaf).map(|leaf| leaf.body).unwrap_or_default();
        let record = Some(body).filter(|body| body.starts_with(SEGMENT_BODY)).and_then(|body| Record::parse(&body));
        let Some(Record::Segment { recording, stream, .. }) = record else { return };
        self.count += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push(UnclaimedLeaf { leaf: index, stream, recording });
        }
    }
}

/// The leaves that rows tell of: number of the first → behind the last.
fn claims(kv: &dyn Kv) -> Result<BTreeMap<u64, u64>> {
    let mut claims = BTreeMap::new();
    for (table, key_bytes) in [(AUDIT_FOOTAGE, STRETCH_KEY_BYTES), (AUDIT_LOST, LOST_STRETCH_KEY_BYTES)] {
        kv.scan(table, &Keys::prefix(b""), &mut |key, value| {
            // Of a lost stretch the number of the entry stands between disk and generation; only the value counts here.
            let place = key.last_chunk::<STRETCH_KEY_BYTES>().filter(|_| key.len() == key_bytes);
            if let Some(logged) = place.and_then(|place| LoggedStretch::decode(place, value)) {
                let end = claims.entry(logged.first_leaf).or_insert(0_u64);
                *end = (*end).max(logged.first_leaf + u64::from(logged.leaves));
            }
            true
        })?;
    }
    Ok(claims)
}

/// Whether `text` stands somewhere in `bytes`.
fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|part| part == text)
}
