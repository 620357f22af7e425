//! Holds as the program that is killed places, lists and releases them; [`crate::holds`] has the lines that it says, and judges them.

use crate::child::{Job, say, wait_until};
use crate::error::{Attempt as _, Error, Result};
use crate::footage::{Mark, STEP_TICKS};
use crate::holds::{Part, word};
use crate::ring::Ring;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use watchbook_base::clock::SystemClock;
use watchbook_base::fs::sim::Dice;
use watchbook_base::{CameraId, Clock as _, Kind, Ticks90k, TimeRange, TrackRole, UtcNanos};
use watchbook_store::{HoldId, HoldInfo, HoldRequest, HoldState, Holds};

/// Holds that are not released, at most.
const LIVE_MAX: usize = 4;
/// Only the first of the cameras are held: each is read twice before every life.
const CAMERAS_MAX: u32 = 3;
/// Whole minutes are held, with a lead of ten seconds for the key picture (store/FORMAT.md, "Vault").
const MINUTE_NANOS: i64 = 60_000_000_000;
const LEAD_NANOS: i64 = 10_000_000_000;
/// A run is held when it begins in such a minute; on a slow disk it goes on for longer than a commit's half second.
const RUN_NANOS: i64 = 2_000_000_000;
/// How long a hold may go on being copied whose minute is over; the vault tries again after ten seconds what it could not do.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at a list.
const LOOK: Duration = Duration::from_millis(20);

/// What one camera has before a life records.
pub struct Had {
    camera: CameraId,
    marks: Vec<Mark>,
}

impl Had {
    /// What the ring has of `camera`, without the vault.
    #[must_use]
    pub fn new(camera: CameraId, marks: &[Mark]) -> Option<Self> {
        (camera.get() <= CAMERAS_MAX).then(|| Self { camera, marks: marks.to_vec() })
    }
}

/// Holds of one life.
pub struct Keeper {
    holds: Holds,
    /// Those that are not released, and whether they were said to be held.
    live: Vec<(HoldId, bool)>,
    /// The one that this life is to release.
    releasing: Option<HoldId>,
    had: Vec<Had>,
    life: u32,
    dice: Dice,
}

impl Keeper {
    /// Opens the vault, reads what is held, and says it. `had`: what the ring has without the vault.
    ///
    /// # Errors
    /// When the vault does not open, or nobody listens any more.
    pub fn open(job: &Job, ring: &Ring, had: Vec<Had>) -> Result<Self> {
        let holds = ring.holds(&job.dir, job.vault_bytes)?;
        let infos = settled(job, &holds)?;
        for had in &had {
            let stream = had.camera.stream(TrackRole::MainVideo);
            match ring.found(stream) {
                Ok(found) if found.unreadable.is_empty() => look(&infos, had, &found.marks)?,
                Ok(found) => say(format_args!("bad-hold with the vault, of {stream}: {:?}", found.unreadable))?,
                Err(Error(why)) => say(format_args!("bad-hold with the vault: {why}"))?,
            }
        }
        let live: Vec<_> = infos.iter().filter(|info| info.state != HoldState::Released).collect();
        let mut dice = Dice::new(u64::from(job.life) ^ 0x401D);
        let oldest = live.iter().find(|info| info.state == HoldState::Held).filter(|_| dice.percent(30));
        // Now and then one that is still being copied.
        let releasing = oldest.or_else(|| live.first().filter(|_| dice.percent(8))).map(|info| info.id);
        let live = live.iter().map(|info| (info.id, info.state == HoldState::Held)).collect();
        Ok(Self { holds, live, releasing, had, life: job.life, dice })
    }

    /// Says which hold this life may release: before it does anything, so that this is known whenever the crash comes.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn announce(&self) -> Result<()> {
        self.releasing.map_or(Ok(()), |id| say(format_args!("releasing {id}")))
    }

    /// Places and releases holds until nobody listens any more. `begun` is when the cameras' takes began, `acknowledged` how many of their pictures are durable.
    pub fn go_on(mut self, begun: UtcNanos, acknowledged: &AtomicU64) {
        let mut pause = self.dice.below(200);
        loop {
            wait_until(Instant::now() + Duration::from_millis(pause));
            let done = self.place(begun, acknowledged.load(Ordering::Acquire)).and_then(|()| self.tell_held());
            if done.is_err() || (self.dice.percent(50) && self.release().is_err()) {
                break;
            }
            pause = 50 + self.dice.below(700);
        }
    }

    fn place(&mut self, begun: UtcNanos, acknowledged: u64) -> Result<()> {
        // Not all at once, so that they do not come to their end at once.
        if self.live.len() >= LIVE_MAX || !self.dice.percent(35) {
            return Ok(());
        }
        let Some((part, range)) = self.choose(begun, acknowledged) else { return Ok(()) };
        let request = HoldRequest {
            case: format!("life {}", self.life),
            cameras: CameraId::new(part.camera).into_iter().collect(),
            range,
            note: part.to_string(),
            by_account: 1,
        };
        match self.holds.place(request) {
            Ok(id) => {
                self.live.push((id, false));
                say(format_args!("placed {id} {part}"))
            }
            Err(error) if error.kind == Kind::InvalidInput => say(format_args!("bad-hold placing {part}: {error}")),
            Err(error) => say(format_args!("refused placing {part}: {error}")),
        }
    }

    /// Pictures that are acknowledged: of this life when it has any, else the newest of those before it.
    fn choose(&mut self, begun: UtcNanos, acknowledged: u64) -> Option<(Part, TimeRange)> {
        let at = usize::try_from(self.dice.below(self.had.len() as u64)).ok()?;
        let had = self.had.get(at)?;
        let camera = had.camera.get();
        let (take, first, last, start) = match u32::try_from(acknowledged).ok()?.checked_sub(1) {
            Some(last) => (self.life, 0, last, begun),
            None => {
                let last = had.marks.last()?;
                let first = had.marks.iter().find(|mark| mark.take == last.take)?;
                (last.take, first.frame, last.frame, first.utc)
            }
        };
        let utc = |frame: u32| start.plus_ticks(Ticks90k(i64::from(frame - first) * STEP_TICKS));
        let count = u64::from(last - first) + 1;
        let from = first + u32::try_from(self.dice.below(count)).ok()?;
        let to = from + u32::try_from(self.dice.below(u64::from(last - from) + 1)).ok()?;
        Some((Part { camera, take, first: from, last: to }, TimeRange { start: utc(from), end: utc(to).plus_nanos(1) }))
    }

    fn tell_held(&mut self) -> Result<()> {
        let Ok(infos) = self.holds.list() else { return Ok(()) };
        for (id, told) in self.live.iter_mut().filter(|(_, told)| !told) {
            if infos.iter().any(|info| info.id == *id && info.state == HoldState::Held) {
                *told = true;
                say(format_args!("held {id}"))?;
            }
        }
        Ok(())
    }

    fn release(&mut self) -> Result<()> {
        let Some(id) = self.releasing else { return Ok(()) };
        match self.holds.release(id, 1, "the case is closed") {
            Ok(()) => {
                self.releasing = None;
                self.live.retain(|(live, _)| *live != id);
                say(format_args!("released {id}"))
            }
            Err(error) => say(format_args!("refused releasing {id}: {error}")),
        }
    }
}

/// What of a range is held beside it.
fn copied(range: TimeRange) -> TimeRange {
    let floor = |nanos: i64| UtcNanos(nanos.div_euclid(MINUTE_NANOS) * MINUTE_NANOS);
    TimeRange { start: floor(range.start.0 - LEAD_NANOS), end: floor(range.end.0 + MINUTE_NANOS - 1) }
}

/// The same, with the rest of the last run.
fn reach(range: TimeRange) -> TimeRange {
    let copied = copied(range);
    TimeRange { end: copied.end.plus_nanos(RUN_NANOS), ..copied }
}

/// The list of holds, once all are held whose minute is over, or all of them.
fn settled(job: &Job, holds: &Holds) -> Result<Vec<HoldInfo>> {
    let deadline = Instant::now() + PATIENCE + if job.await_holds { Duration::from_secs(60) } else { Duration::ZERO };
    loop {
        let now = SystemClock.utc();
        let waits = |info: &HoldInfo| {
            // A start says "copying" of all of them, until it has looked.
            info.state == HoldState::Copying && (job.await_holds || copied(info.range).end <= now)
        };
        let late = Instant::now() > deadline;
        match holds.list() {
            Ok(infos) if !infos.iter().any(waits) => return Ok(infos),
            Ok(infos) if late => {
                for info in infos.iter().filter(|info| waits(info)) {
                    say(format_args!("bad-hold it takes too long to copy {info:?}"))?;
                }
                return Ok(infos);
            }
            Err(error) if late => {
                say(format_args!("bad-hold {error}"))?;
                return Ok(Vec::new());
            }
            _ => wait_until(Instant::now() + LOOK),
        }
    }
}

/// Says what is held of one camera, and what of that is not there; `found` is what ring and vault have together.
fn look(infos: &[HoldInfo], had: &Had, found: &[Mark]) -> Result<()> {
    let in_ring: BTreeSet<(u32, u32)> = had.marks.iter().map(|mark| (mark.take, mark.frame)).collect();
    let there: BTreeSet<(u32, u32)> = found.iter().map(|mark| (mark.take, mark.frame)).collect();
    let of_camera = || infos.iter().filter(|info| info.cameras.contains(&had.camera));
    for info in of_camera() {
        let part = Part::of(info.note.split(' ')).attempt(format_args!("reading the note of {info:?}"))?;
        let mut vault_only = 0;
        if info.state != HoldState::Released {
            let wanted = (part.first..=part.last).map(|frame| (part.take, frame));
            let lost: Vec<_> = wanted.clone().filter(|mark| !there.contains(mark)).collect();
            vault_only = wanted.filter(|mark| !in_ring.contains(mark)).count();
            if !lost.is_empty() || info.state == HoldState::Incomplete {
                say(format_args!("bad-hold of hold {info:?} {} pictures are lost: {:?}", lost.len(), lost.first()))?;
            }
        }
        say(format_args!("hold {} {} {part} {vault_only}", info.id, word(info.state)))?;
    }
    let held = |mark: &Mark| {
        of_camera().filter(|info| info.state != HoldState::Released).any(|info| reach(info.range).contains(mark.utc))
    };
    let unheld = found.iter().find(|mark| !in_ring.contains(&(mark.take, mark.frame)) && !held(mark));
    unheld.map_or(Ok(()), |mark| say(format_args!("bad-hold {mark:?} is readable, and no hold needs it")))
}
