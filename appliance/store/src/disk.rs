//! One ring on one disk, opened: recovered, indexed, with its committer at work.

use crate::alarm::Alarms;
use crate::care::{Care, CareState, Stop};
use crate::catalog::{Catalog, recording_start, rows};
use crate::committer::Committer;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::format::DiskId;
use crate::index::Indexer;
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
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use watchbook_base::{GapReason, Kind, StreamId, UtcNanos};
use watchbook_media::{RecordingEnd, RecordingId};

/// How long a ring that is closed waits for its index: what the index lacks is made again from the log at the next start.
const INDEXER_PATIENCE: Duration = Duration::from_secs(10);

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
    let (home, care, indexer) = match start {
        Start::Thread => {
            let indexer = committer.take_indexer().map(start_indexer).transpose()?;
            let interval = Duration::from_millis(config.commit_interval_ms);
            let thread = std::thread::Builder::new()
                .name("committer".to_owned())
                .spawn(move || guarded(move || committer.run(interval), &std::process::abort))
                .map_err(|error| Error::io("starting the committer thread", error))?;
            (Home::Thread(thread), Some(start_care(&shared, &part, deps)?), indexer)
        }
        #[cfg(test)]
        Start::Manual => (Home::Manual(Box::new(committer)), None, None),
    };
    part.add_unsaid(unsaid);
    Ok(Disk { shared, part, opened, home, care, indexer: Mutex::new(indexer), said_at })
}

fn start_care(shared: &Arc<Shared>, part: &Arc<Part>, deps: &Deps) -> Result<(Arc<Stop>, JoinHandle<()>)> {
    let (care, stop) = (Care::new(shared.clone(), part.clone(), deps.clock.clone()), Arc::new(Stop::default()));
    let told = stop.clone();
    let thread = std::thread::Builder::new().name("care".to_owned()).spawn(move || care.run(&told));
    Ok((stop, thread.map_err(|error| Error::io("starting the care thread", error))?))
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
        match recording_start(kv, recording) {
            Some(start) => pending.end_unfinished(recording, Arc::new(start), end),
            // The segments that stated it are gone or damaged: the gap is what counts.
            None => pending.end(&end),
        }
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
    care: Option<(Arc<Stop>, JoinHandle<()>)>,
    /// Answers when the indexer has ended.
    indexer: Mutex<Option<mpsc::Receiver<()>>>,
    /// Once this count is durable the log tells of all gaps.
    said_at: u64,
}

/// Gives the indexer its thread. Recording does not need it: when it panics, the index is given up and the next start makes it again.
fn start_indexer(indexer: Indexer) -> Result<mpsc::Receiver<()>> {
    let (ended, end) = mpsc::channel();
    let queue = indexer.queue();
    let work = move || {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| indexer.run())).is_err() {
            queue.abandon("the thread that writes the index has panicked; restart the recorder");
        }
        queue.set_ended();
        // Nobody waits when the ring was dropped in a hurry.
        let _ = ended.send(());
    };
    std::thread::Builder::new()
        .name("indexer".to_owned())
        .spawn(work)
        .map_err(|error| Error::io("starting the indexer thread", error))?;
    Ok(end)
}

/// Where the committer is.
enum Home {
    Thread(JoinHandle<()>),
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
        let cared_for = self.care.as_ref().is_some_and(|(_, care)| !care.is_finished());
        !cared_for
            && match &self.home {
                Home::Thread(thread) => thread.is_finished() && self.part.index.has_ended(),
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

    /// Has the care thread and the indexer end. Nobody waits for them: they may hang with the disk.
    pub(crate) fn stop_care(&self) {
        self.care.iter().for_each(|(stop, _)| stop.stop());
        self.part.index.close();
    }

    /// Has the committer commit what waits and end.
    pub(crate) fn ask_to_close(&self) {
        self.shared.pending().closing = true;
        self.shared.work.notify_all();
    }

    /// Commits what waits and stops the committer.
    ///
    /// # Errors
    /// `Io` with the alarm when the last commit could not be written, `Internal` when the committer had died.
    pub(crate) fn close(&mut self) -> Result<()> {
        if let Some((stop, care)) = self.care.take() {
            stop.stop();
            if care.join().is_err() {
                tracing::error!("the care thread had panicked");
            }
        }
        let Home::Thread(thread) = std::mem::replace(&mut self.home, Home::Gone) else { return Ok(()) };
        self.ask_to_close();
        thread.join().map_err(|_| Error::new(Kind::Internal, "closing the ring: the committer thread had panicked"))?;
        self.part.index.close();
        let indexer = self.indexer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if indexer.is_some_and(|indexer| indexer.recv_timeout(INDEXER_PATIENCE).is_err()) {
            tracing::error!("the index could not be brought up to date in time; the next start does it");
        }
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

/// Runs the committer. After a panic of it nothing would be recorded any more, while all else goes on: `give_up` ends the process, and the service manager
/// starts it again. Returns only for a `give_up` that does.
fn guarded<R>(work: impl FnOnce(), give_up: &dyn Fn() -> R) {
    // Nothing that the panic left half done is looked at again.
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
        tracing::error!("the committer has panicked; the program ends, to be started again");
        give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_panic_of_the_committer_ends_the_program() {
        let ended = Cell::new(0);
        let end = || ended.set(ended.get() + 1);
        guarded(|| {}, &end);
        assert_eq!(ended.get(), 0);
        guarded(|| panic!("on purpose"), &end);
        assert_eq!(ended.get(), 1);
    }
}
