//! One ring on one disk, opened: recovered, indexed, with its committer at work.

mod threads;

use crate::alarm::Alarms;
use crate::care::CareState;
use crate::catalog::{Catalog, recording_start, rows};
use crate::committer::Committer;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::footage_log::{Asked, Orders};
use crate::format::DiskId;
use crate::keys::Keys;
use crate::kv::{Keys as KeyRange, Kv, collect};
use crate::pool::IndexOf;
use crate::reader::{Lefts, Part};
use crate::recover::{Recovered, recover};
use crate::ring::Ring;
use crate::scan::Damage;
use crate::store::Deps;
use crate::writer::{Numbers, OnCommits, Pending, Shared};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use threads::{Threads, guarded};
use watchbook_base::{GapReason, Kind, StreamId, UtcNanos};
use watchbook_media::{RecordingEnd, RecordingId};

/// What start-up found on one disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Whose ring.
    pub disk: DiskId,
    /// The index was missing or did not fit and was made anew.
    pub index_rebuilt: bool,
    /// Places in the log that could not be read.
    pub damage: Vec<Damage>,
}

/// What all disks of a store have in common.
#[derive(Clone, Default)]
pub(crate) struct Common {
    /// Recording and event numbers: unique over all disks, because media orders spans by them.
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) alarms: Arc<Alarms>,
    /// Recordings that go on on another disk.
    pub(crate) lefts: Arc<Lefts>,
    pub(crate) on_commit: Arc<OnCommits>,
    /// `None`: footage is stored in the clear.
    pub(crate) keys: Option<Arc<Keys>>,
}

impl Common {
    /// Takes note of what a recovered disk knows: numbers that are given out, recordings that were left.
    pub(crate) fn hear_of(&self, recovered: &RecoveredDisk) {
        let tail = recovered.recovered.catalog.tail();
        self.numbers.raise(tail.next_recording, tail.next_event);
        recovered.lefts.iter().for_each(|(recording, utc)| self.lefts.insert(*recording, *utc));
    }
}

/// A disk whose log and index are understood, but not what other disks have to say about its streams.
pub(crate) struct RecoveredDisk {
    ring: Arc<Ring>,
    kv: Arc<dyn Kv>,
    recovered: Recovered,
    lefts: Vec<(RecordingId, UtcNanos)>,
    config: Config,
}

impl RecoveredDisk {
    pub(crate) fn disk(&self) -> DiskId {
        self.ring.superblock.disk
    }
}

/// Which ring is to be recovered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    /// It must be this disk's.
    pub(crate) expected: Option<DiskId>,
    /// The disk was given up before: it must show first that it can be written.
    pub(crate) again: bool,
}

/// Recovers the ring in `config.dir`, or makes one.
///
/// # Errors
/// Those of [`crate::Store::open`].
pub(crate) fn recover_disk(config: &Config, deps: &Deps, index: IndexOf<'_>, wanted: Wanted) -> Result<RecoveredDisk> {
    let Wanted { expected, again } = wanted;
    let ring = Arc::new(Ring::open(config, deps.fs.clone(), &*deps.clock, expected)?);
    if again {
        ring.try_writing()?;
    }
    let disk = ring.superblock.disk;
    let kv = index(disk)?;
    let mut recovered = recover(&ring, kv.clone())?;
    for damage in &recovered.damage {
        tracing::error!(%disk, ?damage, "a part of the log cannot be read");
    }
    if let Err(error) = release_empty(&ring, &*kv) {
        tracing::error!(%disk, %error, "slots without a commit cannot be found; they are reused in their turn");
    }
    let mut lefts = stored_lefts(&*kv).unwrap_or_else(|error| {
        tracing::error!(%disk, %error, "what other disks took over cannot be read; a few seconds of footage may be listed twice");
        Vec::new()
    });
    lefts.extend(recovered.catalog.take_lefts().iter().filter_map(|left| Some((left.recording?, left.utc))));
    Ok(RecoveredDisk { ring, kv, recovered, lefts, config: config.clone() })
}

/// Frees slots that were opened and never got a commit, because the disk refused: the ring would else give up footage before them.
fn release_empty(ring: &Ring, kv: &dyn Kv) -> Result<()> {
    let mut opened: Vec<(u64, u64, u32)> = Vec::new();
    for (key, value) in collect(kv, rows::META, &KeyRange::prefix(b"slot/"))? {
        let row: rows::SlotRow = rows::unpack(rows::META, &value)?;
        let slot = key.last_chunk::<4>().map_or(0, |slot| u32::from_be_bytes(*slot));
        if ring.slots.get(slot) == row.generation {
            opened.push((row.generation, row.first_seq, slot));
        }
    }
    opened.sort_unstable();
    for pair in opened.windows(2) {
        let [(_, first_seq, slot), (_, next_first_seq, next)] = pair else { continue };
        // The index may say what was true before a cut: the log decides.
        let first_seq_of = |slot: u32| ring.header(slot).map(|header| header.first_seq);
        if first_seq == next_first_seq && first_seq_of(*slot).is_some() && first_seq_of(*slot) == first_seq_of(*next) {
            ring.slots.set(*slot, 0);
        }
    }
    Ok(())
}

/// Tells when, at or after a moment, other disks have footage of a stream.
pub(crate) type Elsewhere<'a> = &'a dyn Fn(StreamId, UtcNanos) -> Option<UtcNanos>;

/// How the committer of a disk is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// By a thread of its own.
    Thread,
    /// By a test.
    #[cfg(test)]
    Manual,
}

/// Ends what the last run of the recorder could not end, and begins to commit.
///
/// # Errors
/// When the committer's thread cannot be started.
pub(crate) fn finish_disk(
    recovered: RecoveredDisk,
    deps: &Deps,
    common: (&Common, u8),
    elsewhere: Elsewhere<'_>,
    start: Start,
) -> Result<Disk> {
    let RecoveredDisk { ring, kv, recovered, config, .. } = recovered;
    let (common, ordinal) = common;
    let disk = ring.superblock.disk;
    let opened = Opened { disk, index_rebuilt: recovered.rebuilt, damage: recovered.damage.clone() };
    let mut pending = Pending::new(config.pending_bytes_max, ring.superblock.segment_bytes, common.numbers.clone());
    let unsaid = end_unfinished(&mut pending, (&recovered.catalog, &*kv), &common.lefts, elsewhere);
    let said_at = pending.taken();
    pending.stats.last_seq = recovered.at.seq.saturating_sub(1);
    let shared = Arc::new(Shared::new(disk, pending, common));
    let care = CareState::new(shared.clone(), deps.clock.clone());
    let queue = recovered.indexer.queue();
    queue.tell_lefts(common.lefts.clone());
    let part = Arc::new(Part::new(ordinal, ring.clone(), (kv, queue.clone()), care, common));
    let mut committer = Committer::new(shared.clone(), ring, deps.clock.clone(), recovered);
    let home = match start {
        Start::Thread => {
            let indexer = committer.take_indexer();
            let interval = Duration::from_millis(config.commit_interval_ms);
            let commit = move || guarded(move || committer.run(interval), &std::process::abort);
            Home::Threads(Box::new(Threads::start(&part, (&shared, deps), indexer, commit)?))
        }
        #[cfg(test)]
        Start::Manual => Home::Manual(Box::new(committer)),
    };
    part.add_unsaid(unsaid);
    Ok(Disk { shared, part, opened, home, said_at })
}

/// Streams that were recorded here when the recorder stopped, and those with a gap that goes on: what other disks have of them says how it went on. Returned:
/// the gaps that the log does not tell of before the next commit.
fn end_unfinished(
    pending: &mut Pending,
    known: (&Catalog, &dyn Kv),
    lefts: &Lefts,
    elsewhere: Elsewhere<'_>,
) -> Vec<RecordingEnd> {
    let (catalog, kv) = known;
    let mut ends = Vec::new();
    let mut gaps: BTreeMap<StreamId, UtcNanos> =
        catalog.open_gaps().into_iter().map(|gap| (gap.stream, gap.utc)).collect();
    for (stream, recording, utc) in catalog.unfinished() {
        if let Some(left) = lefts.of(recording) {
            pending.leave(stream, Some(recording), left);
            continue;
        }
        let end = RecordingEnd { stream, utc, reason: GapReason::Restart };
        // Where the segments that stated it are gone or damaged, the gap is what counts.
        let start = recording_start(kv, recording).map(|start| (recording, Arc::new(start)));
        pending.end_unfinished(start, end);
        gaps.insert(stream, utc);
        ends.push(end);
    }
    for (stream, since) in gaps {
        if let Some(utc) = elsewhere(stream, since) {
            pending.leave(stream, None, utc);
        }
    }
    ends
}

/// Recordings that were left, as the index has them.
fn stored_lefts(kv: &dyn Kv) -> Result<Vec<(RecordingId, UtcNanos)>> {
    let rows = collect(kv, rows::META, &KeyRange::prefix(rows::LEFT_PREFIX))?;
    rows.iter().filter_map(|(key, value)| rows::decode_left(key, value).transpose()).collect()
}

/// A disk that records, or has recorded.
pub(crate) struct Disk {
    pub(crate) shared: Arc<Shared>,
    pub(crate) part: Arc<Part>,
    pub(crate) opened: Opened,
    home: Home,
    /// Once this count is durable the log tells of all gaps.
    said_at: u64,
}

/// Where the committer is.
enum Home {
    Threads(Box<Threads>),
    #[cfg(test)]
    Manual(Box<Committer>),
    /// A test runs it elsewhere.
    #[cfg(test)]
    Away,
    Gone,
}

impl Disk {
    /// True when committer, indexer and care have ended, so that nobody here writes to ring and index, or removes a segment, any more.
    pub(crate) fn is_finished(&self) -> bool {
        match &self.home {
            Home::Threads(threads) => threads.have_ended(),
            #[cfg(test)]
            Home::Manual(_) => true,
            #[cfg(test)]
            Home::Away => false,
            Home::Gone => true,
        }
    }

    /// Forgets the gaps of which the log tells by now.
    pub(crate) fn settle_unsaid(&self) {
        if self.shared.pending().durable() >= self.said_at {
            self.part.clear_unsaid();
        }
    }

    /// What takes requests for its footage log, if it has one.
    pub(crate) fn log_orders(&self) -> Option<Arc<Orders>> {
        match &self.home {
            Home::Threads(threads) => threads.log_orders(),
            #[cfg(test)]
            Home::Manual(_) | Home::Away => None,
            Home::Gone => None,
        }
    }

    /// Has the care thread, the indexer and the footage log end. Nobody waits for them: they may hang with the disk.
    pub(crate) fn stop_care(&self) {
        if let Home::Threads(threads) = &self.home {
            threads.stop_care();
            threads.end_log(Asked::End);
        }
        self.part.index.close();
    }

    /// Has the committer commit what waits and end.
    pub(crate) fn ask_to_close(&self) {
        self.shared.pending().closing = true;
        self.shared.work.notify_all();
    }

    /// Commits what waits and stops what works on the disk.
    ///
    /// # Errors
    /// `Timeout` when the disk does not answer, `Io` with the alarm when the last commit could not be written, `Internal` when the committer had died.
    pub(crate) fn close(&mut self) -> Result<()> {
        let Home::Threads(threads) = std::mem::replace(&mut self.home, Home::Gone) else { return Ok(()) };
        threads.stop_care();
        self.ask_to_close();
        let committed = threads.wait_for_commits(&self.shared);
        threads.end_log(Asked::Finish);
        self.part.index.close();
        threads.wait_for_the_rest(self.shared.disk);
        committed?;
        let pending = self.shared.pending();
        match pending.durable() < pending.taken() {
            true => {
                let why = self.shared.alarms.joined().unwrap_or_default();
                Err(Error::new(Kind::Io, format!("closing the ring: the last commit could not be written: {why}")))
            }
            false => Ok(()),
        }
    }

    #[cfg(test)]
    pub(crate) fn committer(&mut self) -> Option<&mut Committer> {
        match &mut self.home {
            Home::Manual(committer) => Some(committer),
            _ => None,
        }
    }

    #[cfg(test)]
    pub(crate) fn take_committer(&mut self) -> Option<Box<Committer>> {
        match std::mem::replace(&mut self.home, Home::Away) {
            Home::Manual(committer) => Some(committer),
            _ => None,
        }
    }

    #[cfg(test)]
    pub(crate) fn put_committer(&mut self, committer: Box<Committer>) {
        self.home = Home::Manual(committer);
    }
}
