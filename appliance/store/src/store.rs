//! A ring, opened: recovered, indexed, with its committer at work.

use crate::committer::Committer;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::format::DiskId;
use crate::kv::Kv;
use crate::reader::Reader;
use crate::recover::recover;
use crate::ring::Ring;
use crate::scan::Damage;
use crate::writer::{Pending, Shared, Writer};
#[cfg(feature = "rocks")]
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use watchbook_base::fs::Fs;
use watchbook_base::{Clock, GapReason, Kind};
use watchbook_media::RecordingEnd;

/// What a ring stands on.
#[derive(Clone)]
pub struct Deps {
    /// Files.
    pub fs: Arc<dyn Fs>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The index; [`open_index`] opens the real one.
    pub index: Arc<dyn Kv>,
}

/// What start-up found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Whose ring.
    pub disk: DiskId,
    /// The index was missing or did not fit and was made anew.
    pub index_rebuilt: bool,
    /// Places in the log that could not be read.
    pub damage: Vec<Damage>,
}

/// An open ring. Dropping it closes it.
pub struct Store {
    writer: Writer,
    reader: Reader,
    opened: Opened,
    shared: Arc<Shared>,
    committer: Option<JoinHandle<()>>,
}

/// Everything but the thread: what [`Store`] and the tests share.
pub(crate) struct Parts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) committer: Committer,
    pub(crate) writer: Writer,
    pub(crate) reader: Reader,
    pub(crate) opened: Opened,
}

/// Recovers the ring, without a thread.
pub(crate) fn assemble(config: &Config, deps: &Deps) -> Result<Parts> {
    let ring = Arc::new(Ring::open(config, deps.fs.clone(), &*deps.clock)?);
    let recovered = recover(&ring, deps.index.clone())?;
    for damage in &recovered.damage {
        tracing::error!(?damage, "a part of the log cannot be read");
    }
    let opened =
        Opened { disk: ring.superblock.disk, index_rebuilt: recovered.rebuilt, damage: recovered.damage.clone() };
    let tail = recovered.catalog.tail();
    let numbers = (tail.next_recording, tail.next_event);
    let mut pending = Pending::new(config.pending_bytes_max, ring.superblock.segment_bytes, numbers);
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
        pending: Mutex::new(pending),
        work: Condvar::new(),
        done: Condvar::new(),
        on_commit: Mutex::new(Vec::new()),
    });
    let reader = Reader::new(ring.clone(), deps.index.clone(), recovered.catalog.live());
    let writer = Writer::new(shared.clone(), deps.clock.clone());
    let committer = Committer::new(shared.clone(), ring, deps.clock.clone(), recovered);
    Ok(Parts { shared, committer, writer, reader, opened })
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

impl Store {
    /// Opens the ring in `config.dir`, makes it when there is none, brings the index up to date and starts the committer.
    ///
    /// # Errors
    /// `Conflict` when another program has it open, `InvalidInput` for settings that cannot work, `Exhausted` when the disk has no room for four
    /// segments, and what the operating system says.
    pub fn open(config: &Config, deps: &Deps) -> Result<Self> {
        let Parts { shared, committer, writer, reader, opened } = assemble(config, deps)?;
        let interval = Duration::from_millis(config.commit_interval_ms);
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || guarded(move || committer.run(interval), &std::process::abort))
            .map_err(|error| Error::io("starting the committer thread", error))?;
        Ok(Self { writer, reader, opened, shared, committer: Some(thread) })
    }

    /// A handle that writes.
    #[must_use]
    pub fn writer(&self) -> Writer {
        self.writer.clone()
    }

    /// A handle that reads.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// What start-up found.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Commits what waits and stops the committer.
    ///
    /// # Errors
    /// `Io` with the alarm when the last commit could not be written, `Internal` when the committer had died.
    pub fn close(mut self) -> Result<()> {
        self.stop()
    }

    fn stop(&mut self) -> Result<()> {
        let Some(committer) = self.committer.take() else { return Ok(()) };
        self.shared.pending().closing = true;
        self.shared.work.notify_all();
        committer
            .join()
            .map_err(|_| Error::new(Kind::Internal, "closing the ring: the committer thread had panicked"))?;
        let pending = self.shared.pending();
        match pending.durable() < pending.taken() {
            true => {
                let why = pending.stats.alarm.clone().unwrap_or_default();
                Err(Error::new(Kind::Io, format!("closing the ring: the last commit could not be written: {why}")))
            }
            false => Ok(()),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(%error, "the ring was dropped without being closed");
        }
    }
}

/// The RocksDB index of the ring in `dir`. One that cannot be opened is moved aside, to be rebuilt from the log.
///
/// # Errors
/// `Conflict` when another program has it open; `Io` when a fresh one cannot be made either.
#[cfg(feature = "rocks")]
pub fn open_index(dir: &Path) -> Result<Arc<dyn Kv>> {
    use crate::kv::rocks::{RocksKv, Use, set_aside};
    let path = dir.join("index");
    let open = || RocksKv::open(&path, &crate::catalog::rows::INDEX_TABLES, Use::Index);
    match open() {
        Ok(kv) => Ok(Arc::new(kv)),
        Err(error) if error.kind == Kind::Conflict => Err(error),
        Err(error) => {
            tracing::error!(%error, "the index cannot be opened; it is set aside and rebuilt");
            set_aside(&path)?;
            Ok(Arc::new(open()?))
        }
    }
}

/// The RocksDB index in `dir` as it is; `None` when there is none. Makes nothing and sets nothing aside.
///
/// # Errors
/// `Conflict` when another program has it open; what RocksDB says when it is damaged.
#[cfg(feature = "rocks")]
pub fn open_existing_index(dir: &Path) -> Result<Option<Arc<dyn Kv>>> {
    use crate::kv::rocks::{RocksKv, Use};
    let path = dir.join("index");
    if !path.join("CURRENT").exists() {
        return Ok(None);
    }
    Ok(Some(Arc::new(RocksKv::open(&path, &crate::catalog::rows::INDEX_TABLES, Use::Index)?)))
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
