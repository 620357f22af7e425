//! One life of a box, from its script.

use super::disk::Disk;
use super::index::{self, Powered};
use super::model::{LOSS_NANOS_MAX, Model};
use super::script::{DiskFault, Era, IndexFate, KeysFate, Script};
use crate::error::{Attempt as _, Error, Result, ensure};
use crate::footage::{Camera, STEP_NANOS};
use crate::ring::{self, Ground, Ring, Writer};
use rustix::io::Errno;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use watchbook_base::clock::SimClock;
use watchbook_base::fs::Fs as _;
use watchbook_base::fs::sim::{Dice, Op, SimFs};
use watchbook_base::{Clock, Event, EventSource, GapReason, UtcNanos};
use watchbook_media::RecordingEnd;
use watchbook_store::Config;
use watchbook_store::kv::Kv;

/// When every life begins.
const START: UtcNanos = UtcNanos(1_800_000_000_000_000_000);
const DIR: &str = "/ring";
const STATE_DIR: &str = "/state";
const SEGMENT_BYTES: u64 = 4 << 20;
const SLOTS: u64 = 4;
/// The committer's interval, in the life's own time.
const COMMIT_NANOS: u64 = 500_000_000;
/// A flush is asked for again and again, in between the power is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// Real time after which a ring that does not acknowledge stands still.
const STAND_STILL: Duration = Duration::from_secs(30);
/// Largest commit beside what a segment's end may waste: 24 frames of three cameras, and their key frames.
const WASTED_PERCENT: u64 = 40;

/// What a life showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Times the power went.
    pub cuts: u64,
    /// Acknowledged commits.
    pub commits: u64,
    /// Most that one camera lost at one cut, in stream time.
    pub lost_nanos_max: u64,
    /// Writes, syncs and name changes of the first stretch.
    pub steps: u64,
    /// Samples dropped because the disk could not keep up.
    pub dropped: u64,
    /// Acknowledged samples that were overwritten by newer ones.
    pub evicted: u64,
    /// Times the index was made anew.
    pub rebuilt: u64,
}

impl Outcome {
    /// This one and `other` together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            cuts: self.cuts + other.cuts,
            commits: self.commits + other.commits,
            lost_nanos_max: self.lost_nanos_max.max(other.lost_nanos_max),
            steps: self.steps.max(other.steps),
            dropped: self.dropped + other.dropped,
            evicted: self.evicted + other.evicted,
            rebuilt: self.rebuilt + other.rebuilt,
        }
    }
}

/// Cameras, clock and model: what goes on while the disk works.
struct World {
    clock: SimClock,
    cameras: Vec<Camera>,
    /// Commits until each camera answers again; 0: it sends.
    away: Vec<u64>,
    takes: u32,
    model: Model,
    writer: Option<Writer>,
    dice: Dice,
    owed_nanos: u64,
    sync_nanos_max: u64,
    dropped: u64,
}

impl World {
    /// Lets time pass; the cameras send what they make in it.
    fn pass(&mut self, nanos: u64) -> Result<()> {
        self.owed_nanos += nanos;
        while self.owed_nanos >= STEP_NANOS {
            self.owed_nanos -= STEP_NANOS;
            self.clock.advance(STEP_NANOS);
            let Some(writer) = self.writer.clone() else { continue };
            for (camera, _) in self.cameras.iter_mut().zip(&self.away).filter(|(_, away)| **away == 0) {
                let (mark, packet) = camera.packet(self.clock.mono());
                match writer.append(packet) {
                    Ok(()) => self.model.hand(camera.stream, mark),
                    Err(error) if error.kind == watchbook_base::Kind::Exhausted => {
                        self.dropped += 1;
                        self.model.end(camera.stream, mark.take, GapReason::Overload);
                    }
                    Err(error) => return Err(Error(format!("handing over {mark:?}: {error}"))),
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, camera: usize) {
        self.takes += 1;
        if let Some(away) = self.away.get_mut(camera) {
            *away = 0;
        }
        let now = (self.clock.utc(), self.clock.mono());
        if let (Some(camera), Some(writer)) = (self.cameras.get_mut(camera), &self.writer) {
            writer.begin(&camera.begin(self.takes, now));
        }
    }

    /// A camera goes away for so many commits.
    fn end(&mut self, camera: usize, commits: u64) {
        let Some((stream, take)) = self.cameras.get(camera).map(|camera| (camera.stream, camera.take)) else { return };
        if let Some(away) = self.away.get_mut(camera) {
            *away = commits;
        }
        // A frame is sent when it is over.
        let utc = self.clock.utc();
        if let Some(writer) = &self.writer {
            writer.end(&RecordingEnd { stream, utc, reason: GapReason::CameraGone });
            self.model.end(stream, take, GapReason::CameraGone);
        }
    }

    fn event(&mut self) -> Result<()> {
        let (Some(camera), Some(writer)) = (self.cameras.first(), &self.writer) else { return Ok(()) };
        let source = EventSource {
            plugin: "p".into(),
            version: "1".into(),
            component_sha256: "a".into(),
            settings_sha256: "b".into(),
        };
        let (camera, start) = (camera.stream.camera, self.clock.utc());
        let (kind, note) = ("motion".into(), String::new());
        let detections = vec![];
        let event = Event {
            camera,
            kind,
            score: 0.5,
            start,
            end: None,
            zone: None,
            detections,
            note,
            source,
            lead: None,
            camera_clock: None,
        };
        match writer.event(&event) {
            Ok(number) => self.model.hand_event(number),
            Err(error) if error.kind == watchbook_base::Kind::Exhausted => {}
            Err(error) => return Err(Error(format!("handing over an event: {error}"))),
        }
        Ok(())
    }
}

/// A box in its life.
struct Life<'a> {
    script: &'a Script,
    disk: Disk,
    index: Powered,
    old_index: Option<index::Copy>,
    world: Arc<Mutex<World>>,
    dice: Dice,
    outcome: Outcome,
    /// Files made, grown and removed once the ring was laid out.
    laid_out: Option<u64>,
    lying: bool,
}

/// Lives the life of `script`. With `lying` the disk reports syncs that it does not do: the negative control.
///
/// # Errors
/// The first promise that was broken.
pub fn live(script: &Script, lying: bool) -> Result<Outcome> {
    let sim = SimFs::new(script.seed);
    sim.lock_exclusively();
    if lying {
        sim.lie();
    }
    let index = Powered::new(sim.clone());
    let cameras = script.sample_bytes.iter().zip(1..);
    let world = World {
        clock: SimClock::new(START),
        cameras: cameras.map(|(bytes, number)| Camera::new(number, *bytes, script.gop_frames)).collect(),
        away: vec![0; script.sample_bytes.len()],
        takes: 0,
        model: Model::default(),
        writer: None,
        dice: Dice::new(script.seed ^ 0xD15C),
        owed_nanos: 0,
        sync_nanos_max: script.sync_nanos_max,
        dropped: 0,
    };
    let mut life = Life {
        script,
        disk: Disk::new(sim),
        index,
        old_index: None,
        world: Arc::new(Mutex::new(world)),
        dice: Dice::new(script.seed ^ 0x11FE),
        outcome: Outcome::default(),
        laid_out: None,
        lying,
    };
    for era in &script.eras {
        life.era(era)?;
    }
    life.last_look()?;
    Ok(life.outcome)
}

impl Life<'_> {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ground(&self) -> Ground {
        let config = Config {
            segment_bytes: Some(SEGMENT_BYTES),
            pending_bytes_max: self.script.pending_bytes_max,
            ..Config::new(DIR, SLOTS * SEGMENT_BYTES)
        };
        let clock = Arc::new(self.world().clock.clone());
        let state_dir = self.script.sealed.then(|| STATE_DIR.into());
        let index = index::every_disk(self.index.clone());
        Ground { fs: Arc::new(self.disk.clone()), clock, index, config, state_dir }
    }

    /// One stretch: the power comes back, the ring is opened and judged, cameras record until the power goes.
    fn era(&mut self, era: &Era) -> Result<()> {
        self.befall(era);
        let sim = self.disk.sim().clone();
        if era.read_faults > 0 {
            // What cannot be read at the start is damage, as rot is.
            sim.fail(Op::Read, Errno::IO.raw_os_error(), self.dice.below(30), era.read_faults);
            self.world().model.damage_expected = true;
        }
        sim.cut_after(era.steps);
        let opened = self.open(era);
        sim.heal();
        if let Some(ring) = opened? {
            let lived = self.judge(&ring).and_then(|()| self.record(&ring, era));
            self.world().writer = None;
            match lived {
                // What fails without power says nothing.
                Err(_) if sim.is_off() => {}
                other => other?,
            }
            sim.cut();
            drop(ring);
        }
        sim.heal();
        self.outcome.steps = self.outcome.steps.max(sim.counters().steps);
        self.outcome.cuts += 1;
        sim.power_on();
        self.index.model().crash(&mut self.dice);
        Ok(())
    }

    /// What happens while the power is off.
    fn befall(&mut self, era: &Era) {
        match era.index {
            IndexFate::Kept => {}
            IndexFate::Lost => self.index.model().wipe(),
            IndexFate::Older => {
                if let Some(old) = &self.old_index {
                    old.restore(self.index.model());
                }
            }
            IndexFate::Foreign => index::foreign().restore(self.index.model()),
            IndexFate::Unreadable => self.index.model().break_reads(true),
        }
        for _ in 0..era.rots {
            let slot = 1 + self.dice.below(SLOTS);
            let path = Path::new(DIR).join(format!("segments/{slot:06}.seg"));
            // Half of them hit the place where headers and tables are.
            let offset = if self.dice.percent(50) { self.dice.below(SEGMENT_BYTES) } else { self.dice.below(20_000) };
            if self.disk.sim().rot(&path, offset, 1 << self.dice.below(8)) {
                self.world().model.damage_expected = true;
            }
        }
        self.harm_keys(era.keys);
        let world = self.world();
        world.clock.advance(era.dark_secs * 1_000_000_000);
        world.clock.step(era.clock_step_nanos);
    }

    /// One copy of the keys is lost or rots; the other one is never touched.
    fn harm_keys(&mut self, fate: KeysFate) {
        let dir = Path::new(if self.script.weak_copy == 0 { STATE_DIR } else { DIR }).join("keys");
        let sim = self.disk.sim().clone();
        // There is nothing to harm before the first start.
        for name in sim.list(&dir).unwrap_or_default() {
            let path = dir.join(name);
            match fate {
                KeysFate::Kept => {}
                KeysFate::Lost => drop(sim.remove(&path).and_then(|()| sim.sync_dir(&dir))),
                KeysFate::Rotten => {
                    let _ = sim.rot(&path, self.dice.below(16_384), 1 << self.dice.below(8));
                }
            }
        }
    }

    /// The opened ring; `None` when the power went meanwhile.
    fn open(&mut self, era: &Era) -> Result<Option<Ring>> {
        for _ in 0..=era.read_faults {
            match Ring::open(&self.ground()) {
                Ok(ring) => {
                    self.outcome.rebuilt += u64::from(ring.opened().0);
                    // A start finishes what a cut start left undone; from then on nothing changes.
                    self.laid_out = Some(self.disk.changes());
                    return Ok(self.settled(&ring)?.then_some(ring));
                }
                Err(_) if self.disk.sim().is_off() => return Ok(None),
                Err(error) if era.read_faults == 0 => return Err(Error(format!("the ring does not open: {error}"))),
                // The service manager starts the program again.
                Err(_) => {}
            }
        }
        Err(Error("the ring does not open after the disk's bad moment is over".to_owned()))
    }

    /// Waits for a complete index; false when the power goes meanwhile.
    fn settled(&self, ring: &Ring) -> Result<bool> {
        let begun = Instant::now();
        while !self.disk.sim().is_off() {
            if ring.settles(LOOK) {
                return Ok(true);
            }
            ensure(begun.elapsed() < ring::INDEX_PATIENCE, || "the index is not complete in time".to_owned())?;
        }
        Ok(false)
    }

    /// Holds what is there against the model: samples first, then, with the first commit, gaps and events.
    fn judge(&mut self, ring: &Ring) -> Result<()> {
        let streams: Vec<_> = self.world().cameras.iter().map(|camera| camera.stream).collect();
        let (mut bytes, mut evicted, mut newest_bytes) = (0, 0, None);
        for stream in &streams {
            let found = ring.found(*stream)?;
            let compared = self.world().model.compare(*stream, &found)?;
            bytes += compared.bytes;
            evicted += compared.evicted;
            newest_bytes = newest_bytes.max(compared.behind_islands_bytes);
            if !self.script.stalls() && !self.script.damages() {
                ensure(compared.lost_nanos <= LOSS_NANOS_MAX, || {
                    format!("{stream}: {} ms are lost", compared.lost_nanos / 1_000_000)
                })?;
                self.outcome.lost_nanos_max = self.outcome.lost_nanos_max.max(compared.lost_nanos);
            }
        }
        self.outcome.evicted += evicted;
        // Older footage outlives newer only for as long as the disk's trouble is less than a ring ago.
        ensure(newest_bytes.is_none_or(|bytes| bytes >= SEGMENT_BYTES / 10) || self.excused_by_damage(), || {
            format!("samples are missing only {newest_bytes:?} bytes before the newest one")
        })?;
        // Footage goes only when all but the slot being reused and the one behind it are full.
        let full = (SLOTS - 2) * SEGMENT_BYTES / 100 * (100 - WASTED_PERCENT);
        let excused = self.script.is_sick() || self.script.damages() || self.lying;
        ensure(evicted == 0 || bytes >= full || excused, || {
            format!("{evicted} samples were overwritten although the ring has only {bytes} bytes of {full}")
        })?;
        self.flush(ring)?.attempt("flushing for the first time").or_else(|error| self.unless_off(error))?;
        let now = self.world().clock.utc();
        let (mut bytes_left, mut evicted) = (0, 0);
        for stream in &streams {
            // The first commit may have opened the next segment, over the oldest footage and what told of its gaps.
            let (found, gaps) = (ring.found(*stream)?, ring.gaps(*stream)?);
            if self.disk.sim().is_off() {
                // What is shown without power says nothing, and the model would forget the rest. It may go at any time: the ring's own threads write, too.
                return Ok(());
            }
            let compared = self.world().model.compare(*stream, &found)?;
            bytes_left += compared.bytes;
            evicted += compared.evicted;
            self.world().model.compare_gaps(*stream, &gaps, now)?;
        }
        self.outcome.evicted += evicted;
        ensure(evicted == 0 || (bytes >= full && bytes_left + SEGMENT_BYTES >= bytes) || excused, || {
            format!("{evicted} samples were overwritten by the first commit: {bytes_left} bytes of {bytes} are left")
        })?;
        let events = ring.events()?;
        if self.disk.sim().is_off() {
            return Ok(());
        }
        self.world().model.compare_events(&events)
    }

    fn unless_off(&self, error: Error) -> Result<()> {
        if self.disk.sim().is_off() { Ok(()) } else { Err(error) }
    }

    /// Cameras record until the power goes or the era's commits are made.
    fn record(&mut self, ring: &Ring, era: &Era) -> Result<()> {
        let world = self.world.clone();
        self.disk.on_sync(move || {
            let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
            let most = world.sync_nanos_max;
            let nanos = 5_000_000 + world.dice.below(most);
            // What goes wrong here goes wrong again in the loop below.
            let _ = world.pass(nanos);
        });
        {
            let mut world = self.world();
            world.writer = Some(ring.writer());
            (0..world.cameras.len()).for_each(|camera| world.begin(camera));
        }
        let sim = self.disk.sim().clone();
        for commit in 0..era.commits {
            era.faults.iter().filter(|(_, at)| *at == commit).for_each(|(fault, _)| self.break_disk(*fault));
            let due = self.world().clock.mono().0 + COMMIT_NANOS;
            self.act()?;
            // A commit that took longer than the interval is followed by the next one at once.
            while self.world().clock.mono().0 < due {
                self.world().pass(STEP_NANOS)?;
            }
            let moment = self.world().model.moment();
            match self.flush(ring)? {
                Some(()) => self.world().model.acknowledge(&moment),
                None => return Ok(()),
            }
            self.outcome.commits += 1;
            if self.dice.percent(5) {
                self.old_index = Some(index::Copy::of(self.index.model()));
            }
        }
        let changes = self.disk.changes();
        ensure(sim.is_off() || self.laid_out == Some(changes), || {
            format!("the ring changed files after it was laid out: {:?}, now {changes}", self.laid_out)
        })?;
        let dropped = std::mem::take(&mut self.world().dropped);
        self.outcome.dropped += dropped;
        Ok(())
    }

    /// What cameras and plugins do beside sending.
    fn act(&mut self) -> Result<()> {
        if self.dice.percent(10) {
            self.world().event()?;
        }
        if self.dice.percent(5) {
            let camera = usize::try_from(self.dice.below(self.script.sample_bytes.len() as u64)).unwrap_or(0);
            let commits = 1 + self.dice.below(4);
            let mut world = self.world();
            if world.away.get(camera) == Some(&0) {
                world.end(camera, commits);
            }
        }
        let mut world = self.world();
        for camera in 0..world.cameras.len() {
            match world.away.get_mut(camera) {
                None | Some(0) => {}
                Some(1) => world.begin(camera),
                Some(away) => *away -= 1,
            }
        }
        Ok(())
    }

    fn break_disk(&mut self, fault: DiskFault) {
        self.world().model.island_expected = true;
        let sim = self.disk.sim();
        let full = self.dice.percent(50);
        let errno = if full { Errno::NOSPC.raw_os_error() } else { Errno::IO.raw_os_error() };
        match fault {
            DiskFault::Write => sim.fail(Op::Write, errno, self.dice.below(3), 1 + self.dice.below(2)),
            DiskFault::Sync => sim.fail(Op::Sync, Errno::IO.raw_os_error(), self.dice.below(3), 1),
            DiskFault::Slot => {
                let path = format!("{DIR}/segments/{:06}.seg", 1 + self.dice.below(SLOTS));
                // A slot that was not made is as unwritable as one can be.
                let _ = sim.fail_file(Path::new(&path), Op::Write, errno);
            }
            DiskFault::Stall => sim.fail(Op::Write, errno, 0, 3 + self.dice.below(3)),
        }
    }

    /// All that waits is durable, or the power is off (`None`).
    fn flush(&self, ring: &Ring) -> Result<Option<()>> {
        let begun = Instant::now();
        let mut waited = 0;
        loop {
            if self.disk.sim().is_off() {
                return Ok(None);
            }
            match ring.flush(LOOK) {
                Ok(true) => return Ok(Some(())),
                Ok(false) => waited += 1,
                Err(error) => return if self.disk.sim().is_off() { Ok(None) } else { Err(error) },
            }
            // Cameras do not wait for a disk that makes no progress.
            if self.script.stalls() && (20..70).contains(&waited) {
                self.world().pass(STEP_NANOS)?;
            }
            ensure(begun.elapsed() < STAND_STILL, || {
                format!("nothing is acknowledged any more: {:?}", ring.writer().stats())
            })?;
        }
    }

    fn excused_by_damage(&self) -> bool {
        self.world().model.damage_expected
    }

    /// True when `check` may find something: rot, or commits that are missing between a segment that cannot be written any more and the others.
    fn excused(&self) -> bool {
        let world = self.world();
        world.model.damage_expected || world.model.island_expected
    }

    /// After the last cut: the closed ring is looked over, opened once more, and still the same.
    fn last_look(&mut self) -> Result<()> {
        let ground = self.ground();
        let index = self.index.clone();
        let readable = self.index.get(watchbook_store::kv::Table("meta"), b"").is_ok();
        // A ring that was cut short while it was made has nothing to look over.
        if readable && !self.excused() && self.world().model.acknowledged() > 0 {
            let report = ring::check(&ground, Some(&index))?;
            ensure(report.is_clean(), || format!("check is not content: {report:?}"))?;
        }
        let ring = Ring::open(&ground).attempt("opening for the last time")?;
        self.settled(&ring)?;
        self.judge(&ring)?;
        self.world().writer = None;
        ring.close()?;
        let report = ring::check(&ground, Some(&index))?;
        ensure(report.is_clean() || self.excused(), || format!("check is not content: {report:?}"))
    }
}
