//! Looking over a vault that nobody has open: every checksum, every link, every digest that a key opens; and what belongs to whom.

use super::cells::{VaultSlotRow, is_torn, slot_rows};
use super::dir::{SlotFile, VaultDir};
use super::hold::HoldId;
use super::keys::HoldKeys;
use super::load::NOBODYS;
use super::log::{Logged, VaultLog};
use super::record::VaultRecord;
use crate::codec::wide;
use crate::error::Result;
use crate::format::{BLOCK_BYTES, Commit, DiskId, Record, SegmentHeader};
use crate::keys::Keys;
use crate::kv::Kv;
use crate::recover::Progress;
use crate::scan::{Damage, SegmentReader, has_blank_sector};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use watchbook_base::fs::Fs;
use watchbook_base::{Kind, StreamId};
use watchbook_evidence::sha256_of;

/// Findings listed one by one; the rest is counted.
const LISTED_MAX: usize = 1000;
/// What is wrong with a run that did not arrive whole.
const TORN: &str = "a part of it is not there";

/// A held run whose bytes are not what was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadHeldRun {
    /// Of which hold; 0 when its segment does not say.
    pub hold: HoldId,
    /// File number.
    pub slot: u32,
    /// Of the payload in the file.
    pub offset: u64,
    /// Whose samples.
    pub stream: StreamId,
    /// What is wrong.
    pub what: &'static str,
}

/// A segment of the vault of which nothing, or not all, can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSegment {
    /// File number.
    pub slot: u32,
    /// Whose it is, when that is known.
    pub hold: Option<HoldId>,
    /// What is wrong.
    pub what: String,
}

/// What was found in a vault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VaultReport {
    /// Which vault.
    pub vault: Option<DiskId>,
    /// Holds that are not released.
    pub holds: u64,
    /// Segment files with something in them.
    pub segments: u64,
    /// Commits that check out.
    pub commits: u64,
    /// Runs whose digest is right.
    pub runs: u64,
    /// Runs whose checksum is right and whose digest nobody could look at without the key.
    pub runs_unopened: u64,
    /// Stored bytes read and verified.
    pub payload_bytes: u64,
    /// Stretches without the commits that should be there. Slot 0 is the vault's log.
    pub damage: Vec<Damage>,
    /// Segments that are missing, that cannot be read, or in which nothing checks out.
    pub bad_segments: Vec<BadSegment>,
    /// Runs whose bytes are wrong; the first 1000.
    pub bad_runs: Vec<BadHeldRun>,
    /// How many there are.
    pub bad_run_count: u64,
    /// Segments of released holds, and files that were being made when the power went: the next start removes them.
    pub leftovers: Vec<u32>,
    /// Why the index cannot be read; what it has was left aside.
    pub index_error: Option<String>,
    /// Segments whose rows do not reach to their end; `None` when there was no index, or one that cannot be read. The next start makes them.
    pub behind_in_index: Option<u64>,
    /// The index was to be emptied and is kept: it may tell what damaged segments do not tell any more.
    pub index_kept: bool,
}

impl VaultReport {
    /// True when every held byte is there as it was recorded, and the index can be read.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.index_error.is_none() && self.damage.is_empty() && self.bad_segments.is_empty() && self.bad_run_count == 0
    }
}

/// A vault that is locked against the recorder, for as long as it is checked.
pub struct ClosedVault(VaultDir);

impl ClosedVault {
    /// Locks the vault in `dir`.
    ///
    /// # Errors
    /// `Conflict` when the recorder has it open, `NotFound` when there is none.
    pub fn open(dir: &Path, fs: Arc<dyn Fs>) -> Result<Self> {
        Ok(Self(VaultDir::open_existing(dir, fs)?))
    }

    /// Which vault this is.
    #[must_use]
    pub fn id(&self) -> DiskId {
        self.0.disk()
    }

    /// Reads all of it and verifies it; changes nothing. Without `keys` digests are not looked at.
    ///
    /// # Errors
    /// `Io` when the directory or the log cannot be read.
    pub fn check(
        &self,
        keys: Option<&Keys>,
        index: Option<&dyn Kv>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<VaultReport> {
        self.check_with(keys.map(|keys| keys as &dyn HoldKeys), index, progress)
    }

    /// The same; empties `index` behind it, which the next start makes again, when every held byte is there or the index cannot be read. Else the index is
    /// kept: it is the only one that tells of commits that have rotted.
    ///
    /// # Errors
    /// `Io` when directory or index cannot be read, or the index not be emptied.
    pub fn check_and_empty(
        &self,
        keys: Option<&Keys>,
        index: &dyn Kv,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<VaultReport> {
        self.check_and_empty_with(keys.map(|keys| keys as &dyn HoldKeys), index, progress)
    }

    pub(crate) fn check_and_empty_with(
        &self,
        keys: Option<&dyn HoldKeys>,
        index: &dyn Kv,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<VaultReport> {
        // One that cannot be read tells nothing.
        let is_readable = slot_rows(index).is_ok();
        let mut report = self.check_with(keys, is_readable.then_some(index), progress)?;
        report.index_kept = is_readable && !report.is_clean();
        if !report.index_kept {
            index.renew()?;
            report.behind_in_index = Some(report.segments);
        }
        Ok(report)
    }

    pub(crate) fn check_with(
        &self,
        keys: Option<&dyn HoldKeys>,
        index: Option<&dyn Kv>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<VaultReport> {
        let dir = &self.0;
        let (logged, damage) = VaultLog::look(dir)?;
        let mut report = VaultReport { vault: Some(dir.disk()), damage, ..VaultReport::default() };
        report.holds = wide(logged.holds.values().filter(|hold| hold.released.is_none()).count());
        let rows = report.of_index(index.map(slot_rows).transpose());
        report.behind_in_index = rows.as_ref().map(|_| 0);
        // The last commit of each hold, for the next segment of it.
        let mut links: BTreeMap<HoldId, [u8; 32]> = BTreeMap::new();
        let headers = list_segments(dir, (&logged, rows.as_ref()), &mut report)?;
        for (at, header) in headers.iter().enumerate() {
            let row = rows.as_ref().and_then(|rows| rows.get(&header.slot));
            // The number may be used again, and the index lag behind.
            let row = row.filter(|row| row.generation == header.generation);
            let torn = index.filter(|_| rows.is_some()).map(|index| is_torn(index, header.slot)).transpose();
            let torn = report.of_index(torn) == Some(true);
            let end = check_segment(dir, (header, row, torn), keys, (&mut links, &mut report))?;
            let hold = end.hold.or(row.map(|row| HoldId(row.hold)));
            match hold {
                Some(hold) if !is_released(&logged, hold) => report.segments += 1,
                _ if hold.is_some() || end.is_unfinished => report.leftovers.push(header.slot),
                _ if end.offset > BLOCK_BYTES => report.bad(header.slot, None, NOBODYS),
                _ => report.bad(header.slot, None, "no commit in it checks out"),
            }
            progress(Progress { segments_done: wide(at) + 1, segments: wide(headers.len()) });
        }
        Ok(report)
    }
}

fn is_released(logged: &Logged, hold: HoldId) -> bool {
    logged.holds.get(&hold).is_some_and(|hold| hold.released.is_some())
}

/// The segments that can be read, by generation. Says what is wrong with the others, and which the index has and the directory does not.
fn list_segments(
    dir: &VaultDir,
    known: (&Logged, Option<&BTreeMap<u32, VaultSlotRow>>),
    report: &mut VaultReport,
) -> Result<Vec<SegmentHeader>> {
    let (logged, rows) = known;
    let slots = dir.slots()?;
    let mut headers = Vec::new();
    for (slot, row) in rows.into_iter().flatten().filter(|(slot, _)| !slots.contains(slot)) {
        if !is_released(logged, HoldId(row.hold)) {
            report.bad(*slot, Some(HoldId(row.hold)), "its file is missing");
        }
    }
    for slot in slots {
        let hold = rows.and_then(|rows| rows.get(&slot)).map(|row| HoldId(row.hold));
        let what = match dir.look(slot) {
            Ok(SlotFile::Segment(header)) => {
                headers.push(header);
                continue;
            }
            Ok(SlotFile::Unfinished) if hold.is_none() => None,
            Ok(SlotFile::Unfinished) => Some("nothing is left in it".to_owned()),
            Ok(SlotFile::Damaged(why)) => Some(why.to_owned()),
            Err(error) => Some(error.to_string()),
        };
        match what {
            Some(what) if !hold.is_some_and(|hold| is_released(logged, hold)) => report.bad(slot, hold, &what),
            _ => report.leftovers.push(slot),
        }
    }
    headers.sort_by_key(|header| header.generation);
    Ok(headers)
}

/// Where a segment ends, and whose it is.
struct End {
    hold: Option<HoldId>,
    offset: u64,
    /// It was being made when the power went.
    is_unfinished: bool,
}

/// `of`: with what the index has of it, and whether a start found its last commit torn.
fn check_segment(
    dir: &VaultDir,
    of: (&SegmentHeader, Option<&VaultSlotRow>, bool),
    keys: Option<&dyn HoldKeys>,
    to: (&mut BTreeMap<HoldId, [u8; 32]>, &mut VaultReport),
) -> Result<End> {
    let ((header, row, is_torn), (links, report)) = (of, to);
    let mut end = End { hold: None, offset: BLOCK_BYTES, is_unfinished: false };
    let reader = match dir.reader(header.slot, Some(header.generation)) {
        Ok(reader) => reader,
        Err(error) => {
            end.hold = row.map(|row| HoldId(row.hold));
            report.bad(header.slot, end.hold, &error.to_string());
            return Ok(end);
        }
    };
    let mut last_hash = header.prev_hash;
    let mut torn = Vec::new();
    let (damage, refused) = dir.scan(header, &mut |at, commit, hash| {
        end.hold = end.hold.or_else(|| hold_of(&commit));
        end.offset = at.offset + commit.commit_len;
        last_hash = hash;
        report.commits += 1;
        // A torn last commit is dropped by the next start: it counts as nothing when no other follows.
        torn.drain(..).for_each(|bad| report.add(bad));
        torn = check_commit(&reader, (header.slot, at.offset), &commit, (keys, end.hold), report);
        if row.is_none() {
            // Without an index: what the power cut was written in part, and is zeros where it was not.
            torn.extract_if(.., |bad| bad.what != TORN).for_each(|bad| report.add(bad));
        }
    });
    report.damage.extend(damage);
    let hold = end.hold.or(row.map(|row| HoldId(row.hold)));
    if let Some(error) = &refused {
        report.bad(header.slot, hold, &error.to_string());
    } else if row.is_some_and(|row| row.end > end.offset) {
        report.bad(header.slot, hold, "its last commits do not check out");
    }
    let is_empty = refused.is_none() && row.is_none() && end.offset == BLOCK_BYTES;
    end.is_unfinished = is_empty && reader.is_unfinished(BLOCK_BYTES);
    if let Some(hold) = end.hold {
        if links.get(&hold).is_some_and(|link| *link != header.prev_hash) {
            let (slot, to) = (header.slot, header.first_seq);
            report.damage.push(Damage { slot, from: 0, to: BLOCK_BYTES, seq_from: to, seq_to: to });
        }
        links.insert(hold, last_hash);
    }
    // One that the index has was read back once.
    if !is_torn && row.is_some_and(|row| row.end >= end.offset) {
        torn.into_iter().for_each(|bad| report.add(bad));
    }
    if row.is_none_or(|row| row.end < end.offset) {
        report.behind_in_index = report.behind_in_index.map(|behind| behind + 1);
    }
    Ok(end)
}

impl VaultReport {
    /// What the index says; nothing when it cannot be read, which is told.
    fn of_index<T>(&mut self, read: Result<Option<T>>) -> Option<T> {
        read.unwrap_or_else(|error| {
            self.index_error.get_or_insert(error.message);
            None
        })
    }

    fn bad(&mut self, slot: u32, hold: Option<HoldId>, what: &str) {
        self.bad_segments.push(BadSegment { slot, hold, what: what.to_owned() });
    }

    fn add(&mut self, bad: BadHeldRun) {
        self.bad_run_count += 1;
        if self.bad_runs.len() < LISTED_MAX {
            self.bad_runs.push(bad);
        }
    }
}

fn check_commit(
    reader: &SegmentReader,
    place: (u32, u64),
    commit: &Commit,
    with: (Option<&dyn HoldKeys>, Option<HoldId>),
    report: &mut VaultReport,
) -> Vec<BadHeldRun> {
    let ((slot, offset), (keys, hold)) = (place, with);
    let mut bad = Vec::new();
    for run in &commit.runs {
        let at = offset + run.payload_offset;
        let what = match reader.try_payload(offset, run) {
            Err(error) if error.kind == Kind::Corrupt => Some(TORN),
            Err(_) => Some("it cannot be read"),
            Ok(bytes) if crc32c::crc32c(&bytes) != run.crc => {
                Some(if has_blank_sector(&bytes, at) { TORN } else { "its checksum does not match" })
            }
            Ok(mut bytes) => {
                report.payload_bytes += wide(bytes.len());
                match keys.map(|keys| keys.open(run, &mut bytes)) {
                    None => {
                        report.runs_unopened += 1;
                        None
                    }
                    Some(Err(error)) if error.kind == Kind::NotFound => {
                        report.runs_unopened += 1;
                        None
                    }
                    Some(Ok(())) if sha256_of(&[&run.table, &bytes]) == run.sha256 => {
                        report.runs += 1;
                        None
                    }
                    Some(Ok(())) => Some("its digest does not match"),
                    Some(Err(_)) => Some("it does not open with the hold's key"),
                }
            }
        };
        bad.extend(what.map(|what| BadHeldRun {
            hold: hold.unwrap_or(HoldId(0)),
            slot,
            offset: at,
            stream: run.stream,
            what,
        }));
    }
    bad
}

fn hold_of(commit: &Commit) -> Option<HoldId> {
    commit.records.iter().find_map(|(_, record)| match record {
        Record::Vault(VaultRecord::Hold { hold, .. }) => Some(*hold),
        _ => None,
    })
}
