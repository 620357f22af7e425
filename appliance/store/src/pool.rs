//! Several disks: which of them record, what is done when one fails, goes missing, comes back or joins.
//!
//! Each directory of a ring has a thread that looks after it, so that a disk that does not answer keeps nobody else waiting; another thread looks once a
//! second how the committers are doing. Decisions are in `plan`; everything is also called without threads, by tests.

mod known;
mod place;
pub(crate) mod plan;
mod threads;

pub use place::{DiskState, DiskStatus};
pub(crate) use threads::Threads;

use crate::alarm::AlarmKind;
use crate::config::Config;
use crate::disk::{Common, Disk, Opened, RecoveredDisk, Start, Wanted, finish_disk, recover_disk};
use crate::error::{Error, Result};
use crate::format::DiskId;
use crate::kv::Kv;
use crate::reader::{Part, PartList};
use crate::register::Register;
use crate::ring::identity;
use crate::store::Deps;
use crate::vault::{Source, Sources};
use crate::writer::{HandedOver, Routes, Shared};
use known::{Known, KnownDisk};
use place::{Place, PlaceState};
use plan::{Vitals, plan_pause, plan_verdict};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;
use watchbook_base::{Kind, MonoNanos, StreamId, TimeRange, UtcNanos};

/// Looks in a row that must find no ring before a disk that still takes commits counts as missing: two seconds.
const MISSES_MAX: u32 = 2;
/// A disk that has recorded for so long has no failures behind it any more: the longest pause.
const FORGIVEN_NANOS: u64 = 640_000_000_000;
/// Numbers that are passed over when a known disk is absent at the start: it may have given out some that no other disk has heard of. 2^32 are those of 200
/// streams that begin anew each second for 248 days, and two million such starts stay below 2^53, which JSON keeps exactly.
const NUMBERS_MARGIN: u64 = 1 << 32;
/// Most disks: their ordinals are bytes of a locator, and the last one is not for disks.
const DISKS_MAX: usize = 255;

/// A disk that is recovered and waits for the others.
type Waiting = (Arc<Place>, Box<RecoveredDisk>);

/// All disks of a store.
pub(crate) struct Pool {
    deps: Deps,
    pub(crate) common: Common,
    pub(crate) routes: Arc<Routes>,
    pub(crate) parts: PartList,
    places: RwLock<Vec<Arc<Place>>>,
    known: Known,
    /// Settings of a disk that is added later, but for directory and capacity.
    template: Config,
    /// How the committer of a disk is run.
    start: Start,
    /// While the store opens, recovered disks wait here: what one has is understood only with the others.
    opening: Mutex<Option<Vec<Waiting>>>,
    ticked: Mutex<Option<MonoNanos>>,
}

impl Pool {
    /// The pool of these rings and of those that were added on the page. Nothing is opened yet.
    pub(crate) fn new(configs: &[Config], deps: &Deps, start: Start) -> Result<Self> {
        let template = configs.first().ok_or_else(|| Error::invalid("opening the store: no disk is configured"))?;
        let known = Known::load(deps.register.clone())?;
        let mut all = configs.to_vec();
        for added in known.added() {
            if !all.iter().any(|config| config.dir == added.dir) {
                all.push(Config { dir: added.dir, capacity_bytes: added.capacity_bytes, ..template.clone() });
            }
        }
        all.iter().try_for_each(Config::check)?;
        if all.len() > DISKS_MAX {
            return Err(Error::invalid(format!("opening the store: {} disks; {DISKS_MAX} are allowed", all.len())));
        }
        let common = Common { keys: deps.keys.clone(), ..Common::default() };
        let now = deps.clock.utc();
        let configured = configs.len();
        let place = |(at, config)| match at < configured {
            true => Place::new(config, now),
            false => Place::added(config, now),
        };
        let places = all.into_iter().enumerate().map(|found| Arc::new(place(found))).collect();
        Ok(Self {
            deps: deps.clone(),
            routes: Arc::new(Routes::new(common.clone(), template.pending_bytes_max)),
            common,
            parts: PartList::default(),
            places: RwLock::new(places),
            known,
            template: template.clone(),
            start,
            opening: Mutex::new(Some(Vec::new())),
            ticked: Mutex::new(None),
        })
    }

    pub(crate) fn places(&self) -> Vec<Arc<Place>> {
        self.places.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The rings that record now, as the vault sees them.
    pub(crate) fn sources(&self) -> Sources {
        let places = self.places();
        let list: Vec<Source> = places.iter().filter_map(|place| place.source()).collect();
        Sources { whole: list.len() == places.len(), list }
    }

    /// Has every disk that records log what is acknowledged; see [`crate::Disks::commit_leaves_now`].
    pub(crate) fn commit_leaves(&self, until: Instant) -> Result<()> {
        let orders: Vec<_> = self.places().iter().filter_map(|place| place.log_orders()).collect();
        // All at once: each has a thread of its own.
        let wanted: Vec<_> = orders.into_iter().map(|(disk, orders)| (disk, orders.want(), orders)).collect();
        let mut outcome = Ok(());
        for (disk, number, orders) in wanted {
            let answer = orders.wait_answer(number, until);
            outcome = outcome.and(answer.map_err(|error| {
                error.within(format!("writing the hashes of the footage of disk {disk} into the audit log"))
            }));
        }
        outcome
    }

    fn opening(&self) -> MutexGuard<'_, Option<Vec<Waiting>>> {
        self.opening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks after one directory. Does I/O and may hang with the disk: each place has a thread for this.
    pub(crate) fn visit(&self, place: &Arc<Place>) {
        let seen = identity(&*self.deps.fs, &place.config.dir);
        if let Some(expected) = self.judge(place, seen) {
            self.join(place, expected);
        }
    }

    /// What follows from what was seen in a directory. `Some`: the ring is to be opened, and must be this one if one is named.
    fn judge(&self, place: &Place, seen: Result<Option<DiskId>>) -> Option<Option<DiskId>> {
        let expected = self.known.disk_of(&place.config.dir);
        let recording = place.recording();
        match (seen, expected) {
            (Ok(Some(found)), Some(expected)) if found != expected => {
                self.lose(place, PlaceState::swapped(found, expected, &place.config.dir));
                None
            }
            (Ok(None), Some(expected)) => {
                if place.missed() >= MISSES_MAX || !recording {
                    self.lose(place, PlaceState::missing(expected, &place.config.dir));
                }
                None
            }
            (Ok(_), _) => {
                place.found();
                (!recording && place.may_join(self.deps.clock.mono())).then_some(expected)
            }
            // A ring that takes commits is judged by its commits.
            (Err(_), _) if recording => None,
            (Err(error), _) => {
                if place.may_join(self.deps.clock.mono()) {
                    self.failed(place, error);
                }
                None
            }
        }
    }

    /// Recovers the ring of a directory and lets it record.
    fn join(&self, place: &Arc<Place>, expected: Option<DiskId>) {
        if !place.begin_join((self.deps.clock.utc(), self.deps.clock.mono())) {
            return;
        }
        if let Some(old) = place.take_disk() {
            // Its committer is gone; nobody else may have the ring open, and the index is taken over.
            old.part.ring.unlock();
        }
        let index = |disk: DiskId| match self.part_of(disk) {
            Some(part) => Ok(part.written.clone()),
            None => (self.deps.index)(disk),
        };
        let wanted = Wanted { expected, again: place.failures() > 0 };
        let recovered = match recover_disk(&place.config, &self.deps, &index, wanted) {
            Ok(recovered) => Box::new(recovered),
            Err(error) => return self.failed(place, error),
        };
        let mut opening = self.opening();
        match &mut *opening {
            Some(waiting) => waiting.push((place.clone(), recovered)),
            None => {
                self.common.hear_of(&recovered);
                self.install(place, *recovered);
            }
        }
    }

    /// Lets the disks record that were recovered while the store opened. From now on each joins when it is there.
    ///
    /// # Errors
    /// What the first disk that could not be opened said, when there is no disk to record on and none is merely absent; and always when settings are
    /// wrong or another program has a ring open.
    pub(crate) fn opened(&self) -> Result<()> {
        let mut opening = self.opening();
        let waiting = opening.take().unwrap_or_default();
        waiting.iter().for_each(|(_, recovered)| self.common.hear_of(recovered));
        let places = self.places();
        // Also one that does not answer yet: what it knows is not known here.
        let not_there = places.iter().filter(|place| waiting.iter().all(|(other, _)| !Arc::ptr_eq(place, other)));
        let late: Vec<Arc<Place>> = not_there.filter(|place| self.is_late(place)).cloned().collect();
        let known = places.iter().filter_map(|place| self.known.disk_of(&place.config.dir));
        let absent: Vec<DiskId> = known.filter(|disk| waiting.iter().all(|(_, there)| there.disk() != *disk)).collect();
        if !absent.is_empty() || !late.is_empty() {
            let (next_recording, next_event) = self.common.numbers.next();
            self.common.numbers.raise(next_recording + NUMBERS_MARGIN, next_event + NUMBERS_MARGIN);
        }
        for (place, recovered) in waiting {
            self.install(&place, *recovered);
        }
        // One that was recovered and could not be started is not shown twice.
        let shown = self.parts();
        // Nor one that may come at any moment and opens its index itself.
        let comes = |disk: DiskId| late.iter().any(|place| self.known.disk_of(&place.config.dir) == Some(disk));
        let hidden = absent.into_iter().filter(|disk| shown.iter().all(|part| part.disk() != *disk) && !comes(*disk));
        hidden.for_each(|disk| self.show_absent(disk));
        let hard = |error: &&Error| matches!(error.kind, Kind::InvalidInput | Kind::Conflict);
        let in_time = places.iter().filter(|place| late.iter().all(|late| !Arc::ptr_eq(place, late)));
        let errors: Vec<Error> = in_time.filter_map(|place| place.take_error()).collect();
        let any = places.iter().any(|place| place.is_excused());
        match errors.iter().position(|error| hard(&error)).or((!any && !errors.is_empty()).then_some(0)) {
            Some(at) => errors.into_iter().nth(at).map_or(Ok(()), Err),
            None => Ok(()),
        }
    }

    /// True when the start does not wait for a disk any longer.
    fn is_late(&self, place: &Place) -> bool {
        let Some(why) = place.is_late(self.known.disk_of(&place.config.dir)) else { return false };
        tracing::error!("{why}");
        self.tell_failed(place, why);
        true
    }

    /// The alarm of a disk that cannot be used.
    fn tell_failed(&self, place: &Place, why: String) {
        match place.alarm_of() {
            Some(disk) => self.common.alarms.set(AlarmKind::DiskFailed, Some(disk), Some(why), self.deps.clock.utc()),
            None => self.tell_unknown(),
        }
    }

    /// One alarm for all disks that nobody knows: they have no number that tells them apart.
    fn tell_unknown(&self) {
        let why: Vec<String> = self.places().iter().filter_map(|place| place.unknown_trouble()).collect();
        let text = (!why.is_empty()).then(|| why.join("; "));
        self.common.alarms.set(AlarmKind::DiskFailed, None, text, self.deps.clock.utc());
    }

    /// A recovered disk begins to record.
    fn install(&self, place: &Arc<Place>, recovered: RecoveredDisk) {
        let id = recovered.disk();
        let known = KnownDisk::new(&place.config.dir, id, place.config.capacity_bytes, place.added);
        if let Err(error) = self.known.remember(known) {
            tracing::error!(%error, disk = %id, "the register does not take the identity of a disk; a swap of it is not noticed after a restart");
        }
        let ordinal = self.ordinal(id);
        let others: Vec<Arc<Part>> = self.parts().into_iter().filter(|part| part.disk() != id).collect();
        let elsewhere = |stream: StreamId, after: UtcNanos| first_span(&others, stream, after);
        let disk = match finish_disk(recovered, &self.deps, (&self.common, ordinal), &elsewhere, self.start) {
            Ok(disk) => disk,
            Err(error) => return self.failed(place, error),
        };
        {
            let mut parts = self.parts.write().unwrap_or_else(PoisonError::into_inner);
            parts.retain(|part| part.disk() != id);
            parts.push(disk.part.clone());
            parts.sort_by_key(|part| part.ordinal);
        }
        let now = self.deps.clock.utc();
        for kind in [AlarmKind::DiskMissing, AlarmKind::DiskSwapped] {
            self.common.alarms.set(kind, Some(id), None, now);
        }
        self.common.alarms.set(AlarmKind::DiskFailed, Some(id), None, now);
        let (shared, capacity_bytes) = (disk.shared.clone(), disk.part.capacity_bytes());
        place.set_recording(disk, id, (now, self.deps.clock.mono()));
        self.tell_unknown();
        self.routes.add(shared, capacity_bytes);
        tracing::info!(disk = %id, dir = %place.config.dir.display(), "a disk records");
    }

    /// Looks how the committers are doing, and moves the streams of those that do badly. Does no I/O.
    pub(crate) fn tick(&self) {
        let now = self.deps.clock.mono();
        for place in self.places() {
            let Some(shared) = place.recording_on() else { continue };
            let vitals = vitals(&shared, now);
            place.forgive(now, FORGIVEN_NANOS);
            if let Some(verdict) = plan_verdict(vitals).filter(|_| self.routes.has_other(&shared)) {
                let why = self.common.alarms.text(AlarmKind::DiskFailed, Some(shared.disk));
                self.lose(&place, PlaceState::failed(verdict, why, (shared.disk, &place.config.dir)));
            }
        }
        let mut ticked = self.ticked.lock().unwrap_or_else(PoisonError::into_inner);
        let nanos = ticked.replace(now).map_or(0, |before| now.0.saturating_sub(before.0));
        if nanos > 0 {
            self.routes.tick(nanos as f64 / 1e9);
        }
    }

    /// A disk records no more: its streams go to the others, and whoever looks is told.
    fn lose(&self, place: &Place, state: PlaceState) {
        let now = self.deps.clock.utc();
        let retry_at = self.deps.clock.mono().0.saturating_add(plan_pause(place.failures() + 1));
        if state.alarm != AlarmKind::DiskFailed {
            // It answers by now.
            self.common.alarms.set(AlarmKind::DiskFailed, Some(state.disk), None, now);
        }
        self.common.alarms.set(state.alarm, Some(state.disk), Some(state.why.clone()), now);
        let (hidden, disk) = (state.state != DiskState::Failed, state.disk);
        let lost = place.lose(state, (now, MonoNanos(retry_at)));
        self.tell_unknown();
        let Some(shared) = lost else {
            // One that was late at the start: what it holds is a gap.
            if hidden && self.part_of(disk).is_none() && self.opening().is_none() {
                self.show_absent(disk);
            }
            return;
        };
        let HandedOver { moved, unsaid } = self.routes.give_up(&shared);
        if let Some(part) = self.part_of(disk) {
            part.add_unsaid(unsaid);
            if hidden {
                part.set_absent();
            }
        }
        tracing::error!(%disk, dir = %place.config.dir.display(), streams = moved.len(), "a disk is given up; its streams are recorded elsewhere");
    }

    /// A directory whose ring cannot be opened.
    fn failed(&self, place: &Place, error: Error) {
        let (now, mono) = (self.deps.clock.utc(), self.deps.clock.mono());
        let text =
            format!("the ring in {} cannot be used: {}. Check this disk", place.config.dir.display(), error.message);
        let retry_at = mono.0.saturating_add(plan_pause(place.failures() + 1));
        place.set_failed(text.clone(), error, self.known.disk_of(&place.config.dir), (now, MonoNanos(retry_at)));
        self.tell_failed(place, text);
    }

    /// Shows what the index has of a disk that is not there.
    fn show_absent(&self, disk: DiskId) {
        let shown = (self.deps.index)(disk).and_then(|kv| {
            let part = Part::absent(self.ordinal(disk), disk, (self.deps.fs.clone(), kv), &self.common)?;
            self.parts.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(part));
            Ok(())
        });
        if let Err(error) = shown {
            tracing::error!(%error, %disk, "what a missing disk holds cannot be told");
        }
    }

    pub(crate) fn parts(&self) -> Vec<Arc<Part>> {
        self.parts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn part_of(&self, disk: DiskId) -> Option<Arc<Part>> {
        self.parts().into_iter().find(|part| part.disk() == disk)
    }

    /// That of the disk, or the lowest that no disk has had.
    fn ordinal(&self, disk: DiskId) -> u8 {
        let parts = self.parts();
        let own = parts.iter().find(|part| part.disk() == disk).map(|part| part.ordinal);
        own.or_else(|| (0..u8::MAX).find(|free| parts.iter().all(|part| part.ordinal != *free))).unwrap_or(u8::MAX)
    }

    /// Every disk, as the page shows it.
    pub(crate) fn list(&self) -> Vec<DiskStatus> {
        let streams = self.routes.streams();
        let status = |place: &Arc<Place>| {
            let mut status = place.status();
            let part = status.disk.and_then(|disk| self.part_of(disk));
            status.ring = part.and_then(|part| part.ring_info().ok());
            for (stream, disk, bytes_per_sec) in &streams {
                if status.disk == Some(*disk) {
                    status.streams.push(*stream);
                    status.bytes_per_sec += bytes_per_sec;
                }
            }
            status
        };
        self.places().iter().map(status).collect()
    }

    /// What start-up found, disk by disk.
    pub(crate) fn start_up(&self) -> Vec<Opened> {
        self.places().iter().filter_map(|place| place.opened()).collect()
    }

    /// A new disk joins and is kept in the register. The place, to be looked after.
    ///
    /// # Errors
    /// `Conflict` when the directory is in use already, `InvalidInput` for settings that cannot work, and why the ring cannot be made.
    pub(crate) fn add(&self, dir: &Path, capacity_bytes: u64) -> Result<Arc<Place>> {
        let config = Config { dir: dir.to_owned(), capacity_bytes, ..self.template.clone() };
        config.check()?;
        let wrong = |kind, why: &str| Err(Error::new(kind, format!("adding the disk at {}: {why}", dir.display())));
        if self.places().iter().any(|place| place.config.dir == dir) {
            return wrong(Kind::Conflict, "this directory is in use already");
        }
        if self.places().len() >= DISKS_MAX {
            return wrong(Kind::Exhausted, "there are as many disks as a station can have");
        }
        let place = Arc::new(Place::added(config, self.deps.clock.utc()));
        self.visit(&place);
        match place.take_error() {
            Some(error) => {
                self.common.alarms.set(AlarmKind::DiskFailed, place.alarm_of(), None, self.deps.clock.utc());
                Err(error.within(format!("adding the disk at {}", dir.display())))
            }
            None if !place.recording() => wrong(Kind::Unavailable, "it is not ready; look at the alarms"),
            None => {
                self.places.write().unwrap_or_else(PoisonError::into_inner).push(place.clone());
                Ok(place)
            }
        }
    }

    /// Takes the disk that is in `dir` now for the one that belongs there.
    ///
    /// # Errors
    /// `NotFound` when the directory is none of a ring, `Conflict` when no other disk is there.
    pub(crate) fn accept(&self, dir: &Path) -> Result<()> {
        let wrong = |kind, why: &str| Error::new(kind, format!("accepting the disk at {}: {why}", dir.display()));
        let place = self.places().into_iter().find(|place| place.config.dir == dir);
        let place = place.ok_or_else(|| wrong(Kind::NotFound, "no ring is configured there"))?;
        let (found, expected) = place.swapped().ok_or_else(|| wrong(Kind::Conflict, "no other disk is there"))?;
        self.known.remember(KnownDisk::new(dir, found, place.config.capacity_bytes, place.added))?;
        place.retry_now();
        self.common.alarms.forget(expected);
        Ok(())
    }

    /// Gives up a disk that will not come back. `replaced`: a new, empty one is mounted in its directory, and a ring is made there. Otherwise the directory is
    /// forgotten, which only one that was added on the page can be: the others are in the configuration.
    ///
    /// # Errors
    /// `NotFound` when the directory is none of a ring, `Conflict` when its disk is in use or may come back, and when the register does not take it.
    pub(crate) fn retire(&self, dir: &Path, replaced: bool) -> Result<()> {
        let wrong = |kind, why: &str| Error::new(kind, format!("retiring the disk of {}: {why}", dir.display()));
        let place = self.places().into_iter().find(|place| place.config.dir == dir);
        let place = place.ok_or_else(|| wrong(Kind::NotFound, "no ring is configured there"))?;
        if !replaced && !place.added {
            return Err(wrong(
                Kind::Conflict,
                "the configuration names it; take it out there and restart the recorder",
            ));
        }
        let fate = place.fate();
        match (fate.state, replaced) {
            (DiskState::Joining | DiskState::Recording, _) => {
                return Err(wrong(Kind::Conflict, "it is in use; take it out of the box first"));
            }
            (DiskState::Failed | DiskState::Swapped, true) => {
                return Err(wrong(Kind::Conflict, "the directory is not empty; mount an empty disk there first"));
            }
            (_, true) if fate.hangs => {
                return Err(wrong(
                    Kind::Conflict,
                    "parts of the recorder still wait for the old one; restart the recorder, and say it again",
                ));
            }
            _ => {}
        }
        let expected = self.known.disk_of(dir).or(fate.id);
        // The register first: when it refuses, nothing has changed.
        match replaced {
            true => self.known.expect_new(dir)?,
            false => self.known.forget(dir)?,
        }
        if !place.retire(fate.state, !replaced) {
            return Err(wrong(Kind::Conflict, "it has just come back; look again"));
        }
        if !replaced {
            self.places.write().unwrap_or_else(PoisonError::into_inner).retain(|other| !Arc::ptr_eq(other, &place));
        }
        if let Some(disk) = expected {
            self.common.alarms.forget(disk);
            self.part_of(disk).iter().for_each(|part| part.set_absent());
        }
        self.tell_unknown();
        Ok(())
    }

    /// Commits what waits and stops the committers of the disks that record.
    ///
    /// # Errors
    /// `Io` with the alarm when a last commit could not be written, `Internal` when a committer had died.
    pub(crate) fn close(&self) -> Result<()> {
        let mut disks: Vec<Disk> = self.places().iter().filter_map(|place| place.close()).collect();
        disks.iter().for_each(Disk::ask_to_close);
        // Each disk is closed, whatever became of the others.
        std::thread::scope(|scope| {
            let closing: Vec<_> = disks.iter_mut().map(|disk| scope.spawn(|| disk.close())).collect();
            let panicked = |_| Err(Error::new(Kind::Internal, "closing a disk has panicked"));
            let closed: Vec<Result<()>> =
                closing.into_iter().map(|closing| closing.join().unwrap_or_else(panicked)).collect();
            closed.into_iter().collect()
        })
    }
}

/// Directories of the rings that were added on the page: the configuration does not name them.
///
/// # Errors
/// When the register cannot be read.
pub fn added_rings(register: &Arc<Register>) -> Result<Vec<PathBuf>> {
    Ok(Known::load(Some(register.clone()))?.added().into_iter().map(|known| known.dir).collect())
}

/// How long a commit has been on its way, and for how long none has succeeded.
fn vitals(shared: &Shared, now: MonoNanos) -> Vitals {
    let pending = shared.pending();
    let since = |moment: Option<MonoNanos>| moment.map(|moment| now.0.saturating_sub(moment.0));
    Vitals { busy_nanos: since(pending.busy_since), trouble_nanos: since(pending.trouble_since) }
}

/// Start of the first footage of `stream` at or after `after` on any of `parts`.
fn first_span(parts: &[Arc<Part>], stream: StreamId, after: UtcNanos) -> Option<UtcNanos> {
    let range = TimeRange { start: after, end: UtcNanos(i64::MAX) };
    let spans =
        parts.iter().filter(|part| !part.is_absent()).filter_map(|part| part.spans(stream, range).ok()).flatten();
    spans.map(|span| span.start_utc).filter(|start| *start >= after).min()
}

/// The index of a disk.
pub(crate) type IndexOf<'a> = &'a dyn Fn(DiskId) -> Result<Arc<dyn Kv>>;
