//! One ring on one disk, opened: recovered, indexed, with its committer at work.

use crate::alarm::Alarms;
use crate::care::{Care, CareState, Stop};
use crate::committer::Committer;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::format::DiskId;
use crate::keys::Keys;
use crate::reader::Part;
use crate::recover::recover;
use crate::ring::Ring;
use crate::scan::Damage;
use crate::store::Deps;
use crate::writer::{Numbers, OnCommits, Pending, Shared};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use watchbook_base::{GapReason, Kind};
use watchbook_media::RecordingEnd;

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
    pub(crate) on_commit: Arc<OnCommits>,
    /// `None`: footage is stored in the clear.
    pub(crate) keys: Option<Arc<Keys>>,
}

/// Everything of a disk but the thread.
pub(crate) struct DiskParts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) committer: Committer,
    pub(crate) part: Arc<Part>,
    pub(crate) opened: Opened,
}

/// Recovers the ring in `config.dir`, or makes one, without a thread. `ordinal`: of the part that readers see.
pub(crate) fn assemble_disk(config: &Config, deps: &Deps, common: &Common, ordinal: u8) -> Result<DiskParts> {
    let ring = Arc::new(Ring::open(config, deps.fs.clone(), &*deps.clock)?);
    let disk = ring.superblock.disk;
    let kv = (deps.index)(disk)?;
    let recovered = recover(&ring, kv.clone())?;
    for damage in &recovered.damage {
        tracing::error!(%disk, ?damage, "a part of the log cannot be read");
    }
    let opened = Opened { disk, index_rebuilt: recovered.rebuilt, damage: recovered.damage.clone() };
    let tail = recovered.catalog.tail();
    common.numbers.raise(tail.next_recording, tail.next_event);
    let mut pending = Pending::new(config.pending_bytes_max, ring.superblock.segment_bytes, common.numbers.clone());
    for (stream, recording, end) in recovered.catalog.unfinished() {
        let end = RecordingEnd { stream, utc: end, reason: GapReason::Restart };
        match recovered.catalog.recording_start(recording) {
            Some(start) => pending.end_unfinished(recording, Arc::new(start), end),
            // The segments that stated it are gone or damaged: the gap is what counts.
            None => pending.end(&end),
        }
    }
    pending.stats.last_seq = recovered.at.seq.saturating_sub(1);
    let shared = Arc::new(Shared {
        disk,
        pending: Mutex::new(pending),
        work: Condvar::new(),
        done: Condvar::new(),
        alarms: common.alarms.clone(),
        on_commit: common.on_commit.clone(),
        shrinking: Mutex::default(),
        keys: common.keys.clone(),
    });
    let care = CareState::new(shared.clone(), deps.clock.clone());
    let part = Arc::new(Part::new(ordinal, (ring.clone(), kv), recovered.catalog.live(), care, common.keys.clone()));
    let committer = Committer::new(shared.clone(), ring, deps.clock.clone(), recovered);
    Ok(DiskParts { shared, committer, part, opened })
}

/// A disk that records.
pub(crate) struct Disk {
    pub(crate) shared: Arc<Shared>,
    pub(crate) part: Arc<Part>,
    pub(crate) opened: Opened,
    committer: Option<JoinHandle<()>>,
    care: Option<(Arc<Stop>, JoinHandle<()>)>,
}

impl Disk {
    /// Recovers the ring, makes it when there is none, and starts its committer.
    ///
    /// # Errors
    /// Those of [`crate::Store::open`].
    pub(crate) fn open(config: &Config, deps: &Deps, common: &Common, ordinal: u8) -> Result<Self> {
        let DiskParts { shared, committer, part, opened } = assemble_disk(config, deps, common, ordinal)?;
        let interval = Duration::from_millis(config.commit_interval_ms);
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || guarded(move || committer.run(interval), &std::process::abort))
            .map_err(|error| Error::io("starting the committer thread", error))?;
        let (care, stop) = (Care::new(shared.clone(), part.clone(), deps.clock.clone()), Arc::new(Stop::default()));
        let told = stop.clone();
        let care = std::thread::Builder::new().name("care".to_owned()).spawn(move || care.run(&told));
        let care = care.map_err(|error| Error::io("starting the care thread", error))?;
        Ok(Self { shared, part, opened, committer: Some(thread), care: Some((stop, care)) })
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
        let Some(committer) = self.committer.take() else { return Ok(()) };
        self.shared.pending().closing = true;
        self.shared.work.notify_all();
        committer
            .join()
            .map_err(|_| Error::new(Kind::Internal, "closing the ring: the committer thread had panicked"))?;
        let pending = self.shared.pending();
        match pending.durable() < pending.taken() {
            true => {
                let why = self.shared.alarms.joined().unwrap_or_default();
                Err(Error::new(Kind::Io, format!("closing the ring: the last commit could not be written: {why}")))
            }
            false => Ok(()),
        }
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
