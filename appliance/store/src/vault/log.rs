//! The vault's own log: one small file of commits without runs. What it says about holds survives the loss of every index.

use super::dir::VaultDir;
use super::hold::{HoldId, HoldPlaced, HoldReleased, HoldRequest, MISSING_LISTED_MAX, MissingFootage, MissingReason};
use super::record::VaultRecord;
use crate::catalog::rows::Position;
use crate::codec::{align, narrow, wide};
use crate::error::{Error, Result};
use crate::format::{BLOCK_BYTES, Commit, Record, SegmentHeader};
use crate::scan::first_position;
use std::collections::BTreeMap;
use std::sync::Arc;
use watchbook_base::fs::{File, OpenMode};
use watchbook_base::{Clock, Kind, StreamId, UtcNanos};
use watchbook_evidence::sha256;

/// The log is written anew, without what no longer matters, when it grows beyond this and twice beyond what it was then: about a thousand acts.
const LOG_BYTES_MAX: u64 = 4 << 20;
/// Releases that are remembered, the newest ones: 10,000 of 300 B are 3 MB. The audit log has every one.
const RELEASES_MAX: usize = 10_000;
/// Records of one commit: 4,000 of 64 B are a quarter of a MiB.
const RECORDS_PER_COMMIT_MAX: usize = 4000;
/// Read at once at the start.
const READ_BYTES: u64 = 1 << 20;

/// What the log says about one hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoggedHold {
    pub(crate) key_id: u32,
    pub(crate) request: HoldRequest,
    pub(crate) placed: HoldPlaced,
    pub(crate) released: Option<HoldReleased>,
    /// What is known to be missing, by stream and start.
    pub(crate) missing: BTreeMap<(StreamId, UtcNanos), MissingFootage>,
}

impl LoggedHold {
    pub(crate) fn new(key_id: u32, request: HoldRequest, placed: HoldPlaced) -> Self {
        Self { key_id, request, placed, released: None, missing: BTreeMap::new() }
    }

    /// Of `missing` what is not known yet and has room: losses have a list of their own length, so that holes which were never stored crowd none out.
    pub(crate) fn room_for(&self, missing: &[MissingFootage]) -> Vec<MissingFootage> {
        let is_loss = |one: &MissingFootage| one.reason != MissingReason::NotStored;
        let losses = self.missing.values().filter(|one| is_loss(one)).count();
        let room = |known: usize| MISSING_LISTED_MAX.saturating_sub(known);
        let (mut losses, mut others) = (room(losses), room(self.missing.len() - losses));
        let has_room = |one: &&MissingFootage| {
            let known = self.missing.get(&(one.stream, one.start));
            if known.is_some_and(|known| known == *one || is_loss(known) && !is_loss(one)) {
                return false;
            }
            let room = if is_loss(one) { &mut losses } else { &mut others };
            let has = *room > 0;
            *room = room.saturating_sub(1);
            has
        };
        missing.iter().filter(has_room).copied().collect()
    }
}

/// All that the log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) holds: BTreeMap<HoldId, LoggedHold>,
}

impl Logged {
    /// Takes in one record; says that a hold was not known before.
    pub(crate) fn apply(&mut self, record: &VaultRecord) -> bool {
        match record {
            VaultRecord::Hold { hold, key_id, request, placed, .. } => {
                let new = !self.holds.contains_key(hold);
                self.holds.entry(*hold).or_insert_with(|| LoggedHold::new(*key_id, request.clone(), *placed));
                return new;
            }
            VaultRecord::Release { hold, released } => {
                if let Some(hold) = self.holds.get_mut(hold) {
                    hold.released.get_or_insert_with(|| released.clone());
                }
            }
            VaultRecord::Missing { hold, missing } => {
                if let Some(hold) = self.holds.get_mut(hold) {
                    hold.missing.insert((missing.stream, missing.start), *missing);
                }
            }
            // Only segments have these.
            VaultRecord::Copied(_) | VaultRecord::Gap { .. } | VaultRecord::Leaf(_) => {}
        }
        false
    }

    /// First number that no hold has had.
    pub(crate) fn next_hold(&self) -> HoldId {
        HoldId(self.holds.last_key_value().map_or(0, |(hold, _)| hold.0) + 1)
    }

    /// Forgets the oldest releases beyond [`RELEASES_MAX`], but never the newest hold, whose number must not be given out again; and of released holds
    /// what was missing.
    fn forget(&mut self) {
        let released: Vec<HoldId> =
            self.holds.iter().filter(|(_, hold)| hold.released.is_some()).map(|(id, _)| *id).collect();
        let newest = self.holds.last_key_value().map(|(id, _)| *id);
        for (at, id) in released.iter().enumerate() {
            if at + RELEASES_MAX < released.len() && Some(*id) != newest {
                self.holds.remove(id);
            } else if let Some(hold) = self.holds.get_mut(id) {
                hold.missing.clear();
            }
        }
    }

    /// Records that say all of it again.
    fn records(&self) -> Vec<VaultRecord> {
        let mut records = Vec::new();
        for (id, hold) in &self.holds {
            let LoggedHold { key_id, request, placed, released, missing } = hold.clone();
            records.push(VaultRecord::Hold { hold: *id, key_id, request, placed, restated: true });
            records.extend(missing.into_values().map(|missing| VaultRecord::Missing { hold: *id, missing }));
            records.extend(released.map(|released| VaultRecord::Release { hold: *id, released }));
        }
        records
    }
}

/// The open log.
pub(crate) struct VaultLog {
    dir: Arc<VaultDir>,
    clock: Arc<dyn Clock>,
    /// `None`: the file must be written anew before anything is added.
    file: Option<Box<dyn File>>,
    at: Position,
    written_anew_bytes: u64,
    /// What the file says.
    logged: Logged,
}

impl VaultLog {
    /// Reads the log; one that is missing is made.
    ///
    /// # Errors
    /// When the disk cannot be read or written.
    pub(crate) fn open(dir: Arc<VaultDir>, clock: Arc<dyn Clock>) -> Result<Self> {
        let mut log =
            Self { dir, clock, file: None, at: Position::default(), written_anew_bytes: 0, logged: Logged::default() };
        let path = log.dir.log_path();
        match log.dir.reader_of(&path, None) {
            Err(error) if error.kind == Kind::NotFound => {}
            Err(error) => return Err(error),
            Ok(reader) => {
                log.check_readable()?;
                let header = log.header(1);
                let logged = &mut log.logged;
                let (_, damage) = reader.scan(first_position(&header), None, &mut |_, commit, _| {
                    for (_, record) in &commit.records {
                        if let Record::Vault(record) = record {
                            logged.apply(record);
                        }
                    }
                });
                if !damage.is_empty() {
                    tracing::error!(
                        ?damage,
                        "a part of the vault's log cannot be read; holds are taken from their segments"
                    );
                }
            }
        }
        // Whatever the end of the file looks like: what is added goes into a file that is whole.
        log.write_anew()?;
        Ok(log)
    }

    /// A log that the disk does not give now must not be taken for an empty one, which would be written in its place.
    fn check_readable(&self) -> Result<()> {
        let path = self.dir.log_path();
        let read = || -> std::io::Result<()> {
            let file = self.dir.fs().open(&path, OpenMode::Read)?;
            let len = file.len()?;
            for offset in (0..len).step_by(narrow(READ_BYTES)) {
                file.read_exact_at(&mut vec![0; narrow(READ_BYTES.min(len - offset))], offset)?;
            }
            Ok(())
        };
        read().map_err(|error| Error::io(format!("reading {}", path.display()), error))
    }

    /// What the log says, for looking: makes and changes nothing.
    pub(crate) fn look(dir: &VaultDir) -> Result<(Logged, Vec<crate::scan::Damage>)> {
        let reader = dir.reader_of(&dir.log_path(), None)?;
        let mut logged = Logged::default();
        let start = Position { offset: BLOCK_BYTES, seq: 1, ..Position::default() };
        let (_, damage) = reader.scan(start, None, &mut |_, commit, _| {
            for (_, record) in &commit.records {
                if let Record::Vault(record) = record {
                    logged.apply(record);
                }
            }
        });
        Ok((logged, damage))
    }

    fn header(&self, generation: u64) -> SegmentHeader {
        SegmentHeader {
            disk: self.dir.disk(),
            slot: 0,
            generation,
            first_seq: 1,
            prev_hash: [0; 32],
            utc: self.clock.utc(),
            next_recording: 0,
            next_event: 0,
        }
    }

    /// All that the log says.
    pub(crate) fn logged(&self) -> &Logged {
        &self.logged
    }

    /// Adds `records`, durably once this returns.
    ///
    /// # Errors
    /// When they could not be written; whether the next start finds them is then unknown until another call succeeds.
    pub(crate) fn append(&mut self, records: Vec<VaultRecord>) -> Result<()> {
        let mut next = self.logged.clone();
        for record in &records {
            next.apply(record);
        }
        let grown = self.at.offset > LOG_BYTES_MAX && self.at.offset > 2 * self.written_anew_bytes;
        let written = match (&self.file, grown) {
            (Some(_), false) => self.add(&records),
            _ => Err(Error::new(Kind::Internal, "the log is to be written anew")),
        };
        let before = std::mem::replace(&mut self.logged, next);
        if written.is_err() {
            // Nothing is tried again in place.
            if let Err(error) = self.write_anew() {
                self.logged = before;
                return Err(error);
            }
        }
        Ok(())
    }

    /// FORMAT.md "Hold", step 2: one commit behind the others, and its sync.
    fn add(&mut self, records: &[VaultRecord]) -> Result<()> {
        let failed = |error| Error::io("writing the vault's log", error);
        let Some(file) = self.file.take() else { return Err(Error::new(Kind::Internal, "the log is not open")) };
        for chunk in records.chunks(RECORDS_PER_COMMIT_MAX) {
            self.at = put_commit(&*file, self.commit(chunk), self.at).map_err(failed)?;
        }
        file.sync().map_err(failed)?;
        self.file = Some(file);
        Ok(())
    }

    fn commit(&self, records: &[VaultRecord]) -> Commit {
        Commit {
            seq: self.at.seq,
            generation: self.at.generation,
            disk: self.dir.disk(),
            prev_hash: self.at.prev_hash,
            commit_len: 0,
            utc: self.clock.utc(),
            mono: self.clock.mono(),
            sync: self.clock.sync_state(),
            next_recording: 0,
            next_event: 0,
            runs: Vec::new(),
            records: records.iter().map(|record| (0, Record::Vault(record.clone()))).collect(),
        }
    }

    /// Writes all that the log says into a new file and puts it in the place of the old one.
    fn write_anew(&mut self) -> Result<()> {
        self.file = None;
        self.logged.forget();
        let (path, temporary) = (self.dir.log_path(), self.dir.log_path().with_extension("new"));
        let generation = self.at.generation + 1;
        self.at = Position { generation, offset: BLOCK_BYTES, seq: 1, ..Position::default() };
        let write = || -> std::io::Result<(Box<dyn File>, Position)> {
            let fs = self.dir.fs();
            match fs.remove(&temporary) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = fs.open(&temporary, OpenMode::Create)?;
            file.allocate(BLOCK_BYTES)?;
            file.write_all_at(&[&self.header(generation).encode()], 0)?;
            let mut at = self.at;
            for chunk in self.logged.records().chunks(RECORDS_PER_COMMIT_MAX) {
                let commit = Commit { seq: at.seq, prev_hash: at.prev_hash, ..self.commit(chunk) };
                at = put_commit(&*file, commit, at)?;
            }
            file.sync()?;
            fs.rename(&temporary, &path)?;
            fs.sync_dir(&self.dir.ring.dir)?;
            Ok((file, at))
        };
        let (file, at) = write().map_err(|error| Error::io(format!("writing {}", path.display()), error))?;
        (self.file, self.at, self.written_anew_bytes) = (Some(file), at, at.offset);
        Ok(())
    }
}

/// Writes a commit without runs at `at` and gives the place behind it; does not sync.
fn put_commit(file: &dyn File, mut commit: Commit, at: Position) -> std::io::Result<Position> {
    let meta = commit.encode();
    let padding = vec![0; narrow(commit.commit_len - wide(meta.len()))];
    debug_assert_eq!(commit.commit_len, align(wide(meta.len()), BLOCK_BYTES), "a commit without runs is its metadata");
    file.allocate(at.offset + commit.commit_len)?;
    file.write_all_at(&[&meta, &padding], at.offset)?;
    Ok(Position { offset: at.offset + commit.commit_len, seq: at.seq + 1, prev_hash: sha256(&meta), ..at })
}
