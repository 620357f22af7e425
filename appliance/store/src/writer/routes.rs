//! Which stream is recorded on which disk. A lock that is held for moments covers each packet's way, so that nothing overtakes the packets that a dying disk
//! hands over.

use super::{Numbers, Overload, Pending, Shared, Stats};
use crate::disk::Common;
use crate::error::{Error, Result};
use crate::format::DiskId;
use crate::pool::plan::{Load, plan_disk};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};
use watchbook_base::limits::ACCESS_UNIT_BYTES_MAX;
use watchbook_base::{CameraId, Event, Importance, Kind, StreamId, TrackRole, UtcNanos};
use watchbook_media::{Packet, RecordingEnd, RecordingStart};

/// Until a stream has shown its rate, it counts as a common camera's: 4 Mbit/s, 0.5 Mbit/s, 64 kbit/s.
const MAIN_BYTES_PER_SEC: f64 = 500_000.0;
const SUB_BYTES_PER_SEC: f64 = 62_500.0;
const AUDIO_BYTES_PER_SEC: f64 = 8_000.0;
/// A stream's rate is that of about the last minute.
const RATE_SECS: f64 = 60.0;

/// A disk that takes streams.
#[derive(Clone)]
struct Target {
    shared: Arc<Shared>,
    capacity_bytes: u64,
}

/// Where one stream is recorded.
struct Route {
    shared: Arc<Shared>,
    /// Since the last tick.
    bytes: AtomicU64,
    bytes_per_sec: f64,
    behind: Option<Behind>,
}

/// What is still to be said on the disk from which a stream has moved of its own accord.
struct Behind {
    shared: Arc<Shared>,
    /// Where its recording on the new disk begins.
    utc: UtcNanos,
    /// Count of the new disk's pending that must be durable first, so that a power cut leaves no hole without a gap.
    after: Option<u64>,
}

/// What became of the streams of a disk that was given up.
#[derive(Debug, Default)]
pub(crate) struct HandedOver {
    /// They are recorded on another disk now.
    pub(crate) moved: Vec<StreamId>,
    /// Gaps of streams that had moved before, of which the disk's log says nothing yet.
    pub(crate) unsaid: Vec<RecordingEnd>,
}

struct State {
    targets: Vec<Target>,
    /// Where streams wait while there is no disk at all.
    limbo: Arc<Shared>,
    streams: BTreeMap<StreamId, Route>,
    importance: BTreeMap<StreamId, Importance>,
    /// Counters of disks that were given up.
    past: Stats,
}

/// The way of everything that is to be stored.
pub(crate) struct Routes {
    state: RwLock<State>,
    common: Common,
    limbo_bytes_max: u64,
}

impl Routes {
    /// Without any disk. `limbo_bytes_max`: what may wait in memory while there is none.
    pub(crate) fn new(common: Common, limbo_bytes_max: u64) -> Self {
        let state = State {
            targets: Vec::new(),
            limbo: limbo(&common, limbo_bytes_max),
            streams: BTreeMap::new(),
            importance: BTreeMap::new(),
            past: Stats::default(),
        };
        Self { state: RwLock::new(state), common, limbo_bytes_max }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on streams may be recorded there. Those that wait for a disk are.
    pub(crate) fn add(&self, shared: Arc<Shared>, capacity_bytes: u64) {
        let mut state = self.write();
        {
            let mut pending = shared.pending();
            state.importance.iter().for_each(|(stream, importance)| pending.set_importance(*stream, *importance));
        }
        state.targets.push(Target { shared, capacity_bytes });
        state.tell_others();
        let waiting = std::mem::replace(&mut state.limbo, limbo(&self.common, self.limbo_bytes_max));
        state.hand_over(&waiting);
    }

    /// Gives a disk up: its streams, and what it has not acknowledged, go to the others.
    pub(crate) fn give_up(&self, shared: &Arc<Shared>) -> HandedOver {
        let mut state = self.write();
        state.targets.retain(|target| !Arc::ptr_eq(&target.shared, shared));
        state.tell_others();
        state.hand_over(shared)
    }

    /// True when there is another disk than this one that takes streams.
    pub(crate) fn has_other(&self, shared: &Arc<Shared>) -> bool {
        self.read().targets.iter().any(|target| !Arc::ptr_eq(&target.shared, shared))
    }

    pub(crate) fn begin(&self, start: &RecordingStart) {
        if let Some(keys) = &self.common.keys {
            keys.expect(start.stream.camera);
        }
        let mut state = self.write();
        let stream = start.stream;
        let shared = state.choose(stream);
        let old = state.streams.remove(&stream);
        let mut bytes_per_sec = old.as_ref().map_or(0.0, |route| route.bytes_per_sec);
        // A stream that was off has no rate to go by.
        if bytes_per_sec < usual_bytes_per_sec(stream.role) / 10.0 {
            bytes_per_sec = usual_bytes_per_sec(stream.role);
        }
        let behind = old.filter(|route| !Arc::ptr_eq(&route.shared, &shared)).map(|route| {
            route.shared.pending().end_as_gone(stream);
            Behind { shared: route.shared, utc: start.utc, after: None }
        });
        shared.pending().begin(start);
        state.streams.insert(stream, Route { shared, bytes: 0.into(), bytes_per_sec, behind });
    }

    pub(crate) fn append(&self, packet: Packet) -> Result<()> {
        let state = self.read();
        let Some(route) = state.streams.get(&packet.stream) else {
            state.check_open()?;
            return Err(Error::invalid(format!("storing a packet of {}: no recording has begun", packet.stream)));
        };
        route.bytes.fetch_add(crate::codec::wide(packet.data.len()), Ordering::Relaxed);
        route.shared.pending().append(packet)
    }

    pub(crate) fn end(&self, end: &RecordingEnd) {
        let mut state = self.write();
        let shared = match state.streams.get(&end.stream) {
            Some(route) => route.shared.clone(),
            None => {
                let shared = state.choose(end.stream);
                let route = Route { shared: shared.clone(), bytes: 0.into(), bytes_per_sec: 0.0, behind: None };
                state.streams.insert(end.stream, route);
                shared
            }
        };
        shared.pending().end(end);
    }

    pub(crate) fn set_importance(&self, stream: StreamId, importance: Importance) {
        let mut state = self.write();
        match importance {
            Importance::Normal => state.importance.remove(&stream),
            other => state.importance.insert(stream, other),
        };
        state.everybody().for_each(|shared| shared.pending().set_importance(stream, importance));
    }

    /// Events lie where the main stream of their camera does.
    pub(crate) fn event(&self, event: &Event) -> Result<u64> {
        let state = self.read();
        state.of_events(event.camera).pending().event(event)
    }

    pub(crate) fn overload(&self, now: UtcNanos) -> Option<Overload> {
        let state = self.read();
        state.everybody().filter_map(|shared| shared.pending().overload(now)).reduce(Overload::and)
    }

    /// Counters of all disks together, those that were given up included.
    pub(crate) fn stats(&self) -> Stats {
        let state = self.read();
        let all = state.everybody().map(|shared| {
            let pending = shared.pending();
            Stats { pending_bytes: pending.bytes(), ..pending.stats.clone() }
        });
        Stats { alarm: self.common.alarms.joined(), ..all.fold(state.past.clone(), Stats::and) }
    }

    /// As [`super::Writer::flush`]. Packets that move to another disk meanwhile are waited for there.
    pub(crate) fn flush(&self, patience: Duration) -> Result<u64> {
        let deadline = Instant::now() + patience;
        'moved: loop {
            let everybody: Vec<Arc<Shared>> = self.read().everybody().cloned().collect();
            let wanted: Vec<u64> = everybody.iter().map(|shared| shared.want_flush()).collect();
            let mut last_seq = 0;
            for (shared, wanted) in everybody.iter().zip(wanted) {
                match shared.wait_durable(wanted, deadline, patience)? {
                    Some(seq) => last_seq = last_seq.max(seq),
                    None => continue 'moved,
                }
            }
            return Ok(last_seq);
        }
    }

    pub(crate) fn subscribe(&self, on_commit: super::OnCommit) {
        self.common.on_commit.push(on_commit);
    }

    /// Once a second, after `secs`: rates, and what is to be said on disks that streams have left.
    pub(crate) fn tick(&self, secs: f64) {
        let mut state = self.write();
        let weight = (secs / RATE_SECS).clamp(0.0, 1.0);
        for (stream, route) in &mut state.streams {
            let bytes = std::mem::take(route.bytes.get_mut());
            route.bytes_per_sec += (bytes as f64 / secs.max(f64::MIN_POSITIVE) - route.bytes_per_sec) * weight;
            let Some(behind) = &mut route.behind else { continue };
            match behind.after {
                None if bytes > 0 => behind.after = Some(route.shared.pending().taken()),
                Some(after) if route.shared.pending().durable() >= after => {
                    behind.shared.pending().leave(*stream, None, behind.utc);
                    route.behind = None;
                }
                _ => {}
            }
        }
    }

    /// Disk and rate in bytes a second of each stream.
    pub(crate) fn streams(&self) -> Vec<(StreamId, DiskId, f64)> {
        let state = self.read();
        state.streams.iter().map(|(stream, route)| (*stream, route.shared.disk, route.bytes_per_sec)).collect()
    }
}

impl State {
    fn everybody(&self) -> impl Iterator<Item = &Arc<Shared>> {
        self.targets.iter().map(|target| &target.shared).chain(std::iter::once(&self.limbo))
    }

    /// Tells each disk whether there are others.
    fn tell_others(&self) {
        let others = self.targets.len() > 1;
        self.targets.iter().for_each(|target| target.shared.has_others.store(others, Ordering::SeqCst));
    }

    fn check_open(&self) -> Result<()> {
        self.targets.iter().try_for_each(|target| target.shared.pending().check_open())
    }

    /// The disk for a recording of `stream` that begins now.
    fn choose(&self, stream: StreamId) -> Arc<Shared> {
        let mut loads: Vec<Load> = (self.targets.iter())
            .map(|target| Load { capacity_bytes: target.capacity_bytes, bytes_per_sec: 0.0 })
            .collect();
        let place = |shared: &Arc<Shared>| self.targets.iter().position(|target| Arc::ptr_eq(&target.shared, shared));
        for (other, route) in &self.streams {
            if let Some(load) = place(&route.shared).and_then(|at| loads.get_mut(at)).filter(|_| *other != stream) {
                load.bytes_per_sec += route.bytes_per_sec;
            }
        }
        let route = self.streams.get(&stream);
        let usual = usual_bytes_per_sec(stream.role);
        let rate = route.map_or(usual, |route| route.bytes_per_sec.max(usual / 10.0));
        let current = route.and_then(|route| place(&route.shared));
        let chosen = plan_disk(&loads, current, rate).and_then(|at| self.targets.get(at));
        chosen.map_or_else(|| self.limbo.clone(), |target| target.shared.clone())
    }

    fn of_events(&self, camera: CameraId) -> Arc<Shared> {
        match self.streams.get(&camera.stream(TrackRole::MainVideo)) {
            Some(route) => route.shared.clone(),
            None => self.choose(camera.stream(TrackRole::MainVideo)),
        }
    }

    /// Moves everything from a disk that takes no more streams to those that do.
    fn hand_over(&mut self, from: &Arc<Shared>) -> HandedOver {
        let unacked = {
            let mut pending = from.pending();
            let stats = std::mem::take(&mut self.past).and(pending.stats.clone());
            self.past = Stats { pending_bytes: 0, ..stats };
            pending.give_up()
        };
        let (mut handed, mut touched) = (HandedOver::default(), Vec::new());
        // A stream that is neither recorded nor waiting begins where there is most room.
        self.streams.retain(|stream, route| !Arc::ptr_eq(&route.shared, from) || unacked.streams.contains_key(stream));
        for (stream, waiting) in unacked.streams {
            // It is recorded elsewhere already: nothing older can be put in front of that.
            if self.streams.get(&stream).is_some_and(|route| !Arc::ptr_eq(&route.shared, from)) {
                handed.unsaid.extend(waiting.unsaid(stream));
                continue;
            }
            let to = self.choose(stream);
            to.pending().adopt(stream, waiting);
            let before = self.streams.remove(&stream);
            let bytes_per_sec = before.map_or_else(|| usual_bytes_per_sec(stream.role), |route| route.bytes_per_sec);
            let route = Route { shared: to.clone(), bytes: 0.into(), bytes_per_sec, behind: None };
            self.streams.insert(stream, route);
            handed.moved.push(stream);
            touched.push(to);
        }
        // What the recorder said of the other disk's own log means nothing here.
        for record in unacked.records {
            if let crate::format::Record::Event { event, .. } = &record {
                let to = self.of_events(event.camera);
                to.pending().adopt_event(record);
                touched.push(to);
            }
        }
        // Who waits for the old disk looks for the new one; the committer of the old one goes.
        from.done.notify_all();
        from.work.notify_all();
        touched.iter().for_each(|to| to.work.notify_all());
        handed
    }
}

fn usual_bytes_per_sec(role: TrackRole) -> f64 {
    match role {
        TrackRole::MainVideo => MAIN_BYTES_PER_SEC,
        TrackRole::SubVideo => SUB_BYTES_PER_SEC,
        TrackRole::MainAudio => AUDIO_BYTES_PER_SEC,
    }
}

/// A place without a disk: takes what comes, up to its bound.
fn limbo(common: &Common, bytes_max: u64) -> Arc<Shared> {
    let numbers: Arc<Numbers> = common.numbers.clone();
    // Four times the largest access unit: every packet that any disk takes.
    let pending = Pending::new(bytes_max, 4 * crate::codec::wide(ACCESS_UNIT_BYTES_MAX), numbers);
    Arc::new(Shared::new(DiskId([0; 16]), pending, common))
}

impl Shared {
    /// Asks for a commit of all that was taken; the count to wait for.
    fn want_flush(&self) -> u64 {
        let mut pending = self.pending();
        let wanted = pending.taken();
        pending.want_flush(wanted);
        self.work.notify_all();
        wanted
    }

    /// Waits until `wanted` is durable: number of the newest commit; `None` when the disk was given up.
    fn wait_durable(&self, wanted: u64, deadline: Instant, patience: Duration) -> Result<Option<u64>> {
        let mut pending = self.pending();
        loop {
            if pending.given_up() {
                return Ok(None);
            }
            if pending.durable() >= wanted {
                return Ok(Some(pending.stats.last_seq));
            }
            if pending.stopped {
                return Err(Error::new(Kind::Unavailable, "flushing the ring: it is closed"));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let alarm = self.alarms.joined().unwrap_or_else(|| "the disk is slow".to_owned());
                return Err(Error::new(Kind::Timeout, format!("flushing the ring within {patience:?}: {alarm}")));
            }
            pending = self.done.wait_timeout(pending, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
