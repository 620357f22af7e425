//! One ring directory and the disk that is, or should be, there.

use super::plan::{HANG_NANOS_MAX, Verdict};
use crate::alarm::AlarmKind;
use crate::config::Config;
use crate::disk::{Disk, Opened};
use crate::error::Error;
use crate::footage_log::Orders;
use crate::format::DiskId;
use crate::reader::RingInfo;
use crate::vault::Source;
use crate::writer::Shared;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_base::{MonoNanos, StreamId, UtcNanos};

/// How a disk is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskState {
    /// Its ring is being opened.
    Joining,
    /// It takes streams.
    Recording,
    /// It cannot be written, or does not answer; what it holds may still be read.
    Failed,
    /// Its directory holds no ring: it is not mounted.
    Missing,
    /// Another disk is in its place.
    Swapped,
}

/// A disk, for the page.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskStatus {
    /// Directory of the ring.
    pub dir: PathBuf,
    /// It was added while the store was open; the others are configured.
    pub added: bool,
    /// Identity; `None` when it never could be read.
    pub disk: Option<DiskId>,
    /// How it is doing.
    pub state: DiskState,
    /// The other disk that lies there, while it is swapped.
    pub found: Option<DiskId>,
    /// Since when.
    pub since_utc: UtcNanos,
    /// Why it does not record, in a sentence for people.
    pub why: Option<String>,
    /// How full it is; `None` when that is not known.
    pub ring: Option<RingInfo>,
    /// How large its ring is to be.
    pub configured_bytes: u64,
    /// Streams that are recorded there.
    pub streams: Vec<StreamId>,
    /// What they bring, measured over about a minute.
    pub bytes_per_sec: f64,
    /// Bytes written to its segments since it joined.
    pub written_bytes: u64,
}

/// Why a disk records no more.
pub(super) struct PlaceState {
    pub(super) state: DiskState,
    pub(super) disk: DiskId,
    pub(super) alarm: AlarmKind,
    pub(super) why: String,
    found: Option<DiskId>,
}

impl PlaceState {
    pub(super) fn missing(disk: DiskId, dir: &Path) -> Self {
        let why = format!(
            "the disk of {} is missing: the directory holds no ring, and that of disk {disk} belongs there. Its streams are recorded on the other disks. \
             Mount it again; it then records without being told",
            dir.display()
        );
        Self { state: DiskState::Missing, disk, alarm: AlarmKind::DiskMissing, why, found: None }
    }

    pub(super) fn swapped(found: DiskId, disk: DiskId, dir: &Path) -> Self {
        let why = format!(
            "another disk is mounted at {}: it holds the ring {found}, and {disk} belongs there. Nothing is written to it. Mount the right disk, or accept \
             this one on the health page",
            dir.display()
        );
        Self { state: DiskState::Swapped, disk, alarm: AlarmKind::DiskSwapped, why, found: Some(found) }
    }

    pub(super) fn failed(verdict: Verdict, trouble: Option<String>, disk: (DiskId, &Path)) -> Self {
        let (disk, dir) = disk;
        let what = match verdict {
            Verdict::Hangs => {
                format!("does not answer: a commit takes longer than {} s", HANG_NANOS_MAX / 1_000_000_000)
            }
            Verdict::Refuses => format!("cannot be written: {}", trouble.as_deref().unwrap_or("no reason is known")),
        };
        let why = format!(
            "the disk of {} {what}. Its streams are recorded on the other disks. Check the disk, its cable, and that it lies below storage.disk_roots or was mounted when \
             the recorder started: it reaches no others. It is tried again by itself",
            dir.display()
        );
        Self { state: DiskState::Failed, disk, alarm: AlarmKind::DiskFailed, why, found: None }
    }
}

/// How a disk is doing that may be retired.
pub(super) struct Fate {
    pub(super) state: DiskState,
    pub(super) id: Option<DiskId>,
    /// Threads still wait for it.
    pub(super) hangs: bool,
}

/// A ring directory.
pub(crate) struct Place {
    pub(crate) config: Config,
    /// Added on the page.
    pub(super) added: bool,
    inner: Mutex<Inner>,
}

struct Inner {
    state: DiskState,
    since_utc: UtcNanos,
    /// The disk that belongs here, once it is known.
    id: Option<DiskId>,
    why: Option<String>,
    /// The disk that records here, or did.
    disk: Option<Disk>,
    opened: Option<Opened>,
    /// Another disk that was seen in its place.
    found: Option<DiskId>,
    /// Somebody opens the ring, or has opened it and waits for the others.
    joining: bool,
    /// The directory is none of the store's any more.
    retired: bool,
    misses: u32,
    failures: u32,
    retry_at: MonoNanos,
    recording_since: MonoNanos,
    error: Option<Error>,
}

impl Inner {
    fn may_join(&self, now: MonoNanos) -> bool {
        let free = !self.joining && !self.retired && self.state != DiskState::Recording;
        free && now >= self.retry_at && self.disk.as_ref().is_none_or(Disk::is_finished)
    }
}

impl Place {
    pub(super) fn new(config: Config, now: UtcNanos) -> Self {
        let inner = Inner {
            state: DiskState::Joining,
            since_utc: now,
            id: None,
            why: None,
            disk: None,
            opened: None,
            found: None,
            joining: false,
            retired: false,
            misses: 0,
            failures: 0,
            retry_at: MonoNanos(0),
            recording_since: MonoNanos(0),
            error: None,
        };
        Self { config, added: false, inner: Mutex::new(inner) }
    }

    pub(super) fn added(config: Config, now: UtcNanos) -> Self {
        Self { added: true, ..Self::new(config, now) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn recording(&self) -> bool {
        self.inner().state == DiskState::Recording
    }

    /// What the committer of a disk that records shares.
    pub(super) fn recording_on(&self) -> Option<Arc<Shared>> {
        let inner = self.inner();
        inner.disk.iter().filter(|_| inner.state == DiskState::Recording).for_each(Disk::settle_unsaid);
        inner.disk.as_ref().filter(|_| inner.state == DiskState::Recording).map(|disk| disk.shared.clone())
    }

    /// Its ring as the vault sees it, while it records.
    pub(super) fn source(&self) -> Option<Source> {
        let inner = self.inner();
        let disk = inner.disk.as_ref().filter(|_| inner.state == DiskState::Recording)?;
        Some(Source { part: disk.part.clone(), shared: Some(disk.shared.clone()) })
    }

    /// What takes requests for the footage log of the disk, while it records.
    pub(super) fn log_orders(&self) -> Option<(DiskId, Arc<Orders>)> {
        let inner = self.inner();
        let disk = inner.disk.as_ref().filter(|_| inner.state == DiskState::Recording)?;
        Some((disk.shared.disk, disk.log_orders()?))
    }

    /// Counts a look that found no ring.
    pub(super) fn missed(&self) -> u32 {
        let mut inner = self.inner();
        inner.misses = inner.misses.saturating_add(1);
        inner.misses
    }

    pub(super) fn found(&self) {
        self.inner().misses = 0;
    }

    /// True when the ring may be opened: nobody here may still write to it, and the pause after a failure is over.
    pub(super) fn may_join(&self, now: MonoNanos) -> bool {
        self.inner().may_join(now)
    }

    /// Begins to open the ring. False when that may not be: somebody does so already, it records, or it is too early.
    pub(super) fn begin_join(&self, now: (UtcNanos, MonoNanos)) -> bool {
        let mut inner = self.inner();
        let may = inner.may_join(now.1);
        if may {
            (inner.state, inner.since_utc, inner.joining) = (DiskState::Joining, now.0, true);
        }
        may
    }

    pub(super) fn take_disk(&self) -> Option<Disk> {
        self.inner().disk.take()
    }

    pub(super) fn set_recording(&self, disk: Disk, id: DiskId, now: (UtcNanos, MonoNanos)) {
        let mut inner = self.inner();
        (inner.state, inner.joining) = (DiskState::Recording, false);
        (inner.since_utc, inner.recording_since) = now;
        inner.id = Some(id);
        inner.opened = Some(disk.opened.clone());
        inner.disk = Some(disk);
        (inner.why, inner.found, inner.error) = (None, None, None);
    }

    /// The disk records no more; what it shared with its committer, when it did record until now.
    pub(super) fn lose(&self, state: PlaceState, now: (UtcNanos, MonoNanos)) -> Option<Arc<Shared>> {
        let mut inner = self.inner();
        let recording = inner.state == DiskState::Recording;
        if inner.state != state.state {
            (inner.state, inner.since_utc) = (state.state, now.0);
        }
        if recording {
            inner.failures = inner.failures.saturating_add(1);
            inner.retry_at = now.1;
        }
        inner.id = Some(state.disk);
        inner.why = Some(state.why);
        inner.found = state.found;
        let disk = inner.disk.as_ref().filter(|_| recording)?;
        disk.stop_care();
        Some(disk.shared.clone())
    }

    pub(super) fn set_failed(&self, why: String, error: Error, id: Option<DiskId>, now: (UtcNanos, MonoNanos)) {
        let mut inner = self.inner();
        inner.id = inner.id.or(id);
        inner.joining = false;
        if inner.state != DiskState::Failed {
            (inner.state, inner.since_utc) = (DiskState::Failed, now.0);
        }
        inner.failures = inner.failures.saturating_add(1);
        inner.retry_at = now.1;
        inner.why = Some(why);
        inner.error = Some(error);
    }

    pub(super) fn take_error(&self) -> Option<Error> {
        self.inner().error.take()
    }

    pub(super) fn failures(&self) -> u32 {
        self.inner().failures
    }

    /// A disk that has recorded for `nanos` begins anew.
    pub(super) fn forgive(&self, now: MonoNanos, nanos: u64) {
        let mut inner = self.inner();
        if now.0.saturating_sub(inner.recording_since.0) >= nanos {
            inner.failures = 0;
        }
    }

    /// It records, or may yet.
    pub(super) fn is_excused(&self) -> bool {
        self.inner().state != DiskState::Failed
    }

    /// Why a disk that nobody knows does not record.
    pub(super) fn unknown_trouble(&self) -> Option<String> {
        let inner = self.inner();
        inner.why.clone().filter(|_| inner.id.is_none() && inner.state != DiskState::Recording)
    }

    /// What alarms about this place are about.
    pub(super) fn alarm_of(&self) -> Option<DiskId> {
        self.inner().id
    }

    /// The disk that is here, and the one that belongs here.
    pub(super) fn swapped(&self) -> Option<(DiskId, DiskId)> {
        let inner = self.inner();
        inner.found.filter(|_| inner.state == DiskState::Swapped).zip(inner.id)
    }

    /// How the disk is doing that may be retired: `Joining` as long as somebody opens the ring.
    pub(super) fn fate(&self) -> Fate {
        let inner = self.inner();
        let state = if inner.joining { DiskState::Joining } else { inner.state };
        Fate { state, id: inner.id, hangs: !inner.disk.as_ref().is_none_or(Disk::is_finished) }
    }

    /// Has nothing belong here any more, unless its state is not `state` by now. With `for_good` the directory is not looked at again.
    pub(super) fn retire(&self, state: DiskState, for_good: bool) -> bool {
        let mut inner = self.inner();
        if inner.joining || inner.state != state {
            return false;
        }
        inner.retired = for_good;
        (inner.retry_at, inner.failures, inner.found, inner.id) = (MonoNanos(0), 0, None, None);
        true
    }

    pub(super) fn is_retired(&self) -> bool {
        self.inner().retired
    }

    /// The start goes on without this disk; what is said about it.
    pub(super) fn is_late(&self, id: Option<DiskId>) -> Option<String> {
        let mut inner = self.inner();
        if inner.state != DiskState::Joining {
            return None;
        }
        inner.id = inner.id.or(id);
        let why = format!(
            "the disk of {} has not answered since the recorder was started. It records as soon as it does. Check the disk and its cable",
            self.config.dir.display()
        );
        inner.why = Some(why.clone());
        Some(why)
    }

    pub(super) fn retry_now(&self) {
        self.inner().retry_at = MonoNanos(0);
    }

    pub(super) fn opened(&self) -> Option<Opened> {
        self.inner().opened.clone()
    }

    pub(super) fn status(&self) -> DiskStatus {
        let inner = self.inner();
        let written_bytes = inner.disk.as_ref().map_or(0, |disk| disk.shared.pending().stats.written_bytes);
        DiskStatus {
            dir: self.config.dir.clone(),
            added: self.added,
            disk: inner.id,
            found: inner.found.filter(|_| inner.state == DiskState::Swapped),
            state: inner.state,
            since_utc: inner.since_utc,
            why: inner.why.clone(),
            ring: None,
            configured_bytes: self.config.capacity_bytes,
            streams: Vec::new(),
            bytes_per_sec: 0.0,
            written_bytes,
        }
    }

    /// Takes the disk away for good, to be closed if it records.
    pub(super) fn close(&self) -> Option<Disk> {
        let mut inner = self.inner();
        let recording = inner.state == DiskState::Recording;
        inner.disk.take().filter(|_| recording)
    }

    /// The committer of a disk without a thread.
    #[cfg(test)]
    pub(crate) fn with_committer<R>(&self, work: impl FnOnce(&mut crate::committer::Committer) -> R) -> Option<R> {
        self.inner().disk.as_mut()?.committer().map(work)
    }

    /// Takes the committer away, to run it elsewhere.
    #[cfg(test)]
    pub(crate) fn take_committer(&self) -> Option<Box<crate::committer::Committer>> {
        self.inner().disk.as_mut()?.take_committer()
    }

    /// Gives it back.
    #[cfg(test)]
    pub(crate) fn put_committer(&self, committer: Box<crate::committer::Committer>) {
        if let Some(disk) = &mut self.inner().disk {
            disk.put_committer(committer);
        }
    }
}
