//! The hashes of footage go into the audit log: a thread a disk reads the run directories of segments and appends a leaf for each recording in each, and one for each gap. It does so when a segment is
//! full, for what the open one has every [`LEAF_NANOS_MAX`], and when somebody asks.
//!
//! Nothing waits for it: the committer does not know that it is there. What closed a segment, a crash included, is all the same: how far the ring is logged stands in the
//! register, written with the leaves.

mod gaps;
mod losses;
mod orders;
mod said;

pub(crate) use gaps::SoFar;
pub(crate) use orders::{Asked, Orders};
pub(crate) use said::statement;

use crate::alarm::AlarmKind;
use crate::catalog::rows::Position;
use crate::error::{Error, Result};
use crate::format::SegmentHeader;
use crate::register::{FootageLeaves, Register, Stretch, ToldGap};
use crate::ring::Ring;
use crate::scan::first_position;
use crate::writer::Shared;
use gaps::Gaps;
use losses::{Losses, recovered_end};
use said::body;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use watchbook_base::{Clock, Kind, MonoNanos};
use watchbook_evidence::Frontier;

/// Time between two looks for closed segments.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// A disk that is so far behind with recording is left alone: as for the scrub.
const LATE_PERCENT: u64 = 20;
/// Looks, one a second, that a request waits for a disk that is behind with recording. Whoever asked has given up by then.
const LATE_LOOKS_MAX: u32 = 60;
/// For so long closed segments may be without their leaves before an alarm says so.
const BEHIND_NANOS_MAX: u64 = 600 * 1_000_000_000;
/// Longest time between two leaves of a recording that goes on. A checkpoint is signed at most ten seconds later; only what has a leaf under a checkpoint that left the box is out of the reach of whoever
/// holds the box. DECISIONS.md has the arithmetic.
const LEAF_NANOS_MAX: u64 = 300 * 1_000_000_000;
/// Attempts, one a second, to read a segment whose disk refuses a part of it. By then a disk that is gone is given up; of one that is there what can be read is logged.
const ATTEMPTS_MAX: u32 = 60;
/// Stretches that are still logged when the ring is closed; the next start goes on.
const LAST_STRETCHES_MAX: u32 = 16;
/// Rest after a panic: a defect of this thread must cost neither the recording nor a core.
const PANIC_PAUSE: Duration = Duration::from_secs(600);

/// Which commits are to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Those of closed segments.
    Closed,
    /// All that are acknowledged: the ring is being closed.
    Acknowledged,
}

/// Logs the footage of one disk.
pub(crate) struct FootageLog {
    ring: Arc<Ring>,
    shared: Arc<Shared>,
    register: Arc<Register>,
    clock: Arc<dyn Clock>,
    /// Behind the last commit that the ring had when it was recovered.
    recovered_end: u64,
    /// What the ring has lost of what was logged.
    losses: Losses,
    /// First commit that is not logged, and the newest segment all of which is; `None`: the register was not asked yet.
    done: Option<(u64, u64)>,
    /// Segment that the disk refused to give, and how often.
    refused: (u64, u32),
    /// Since when closed segments wait for their leaves.
    behind_since: Option<MonoNanos>,
    /// When all that was acknowledged was logged last.
    logged_at: MonoNanos,
    /// Where the segment that is still open is read on.
    resume: Option<(Position, Gaps)>,
    /// Somebody waits for all that there is to tell.
    asked: bool,
    /// What of the gaps that go on is told; `None`: the register was not asked yet.
    so_far: Option<SoFar>,
}

/// Trees over the hashes of runs, in log order, by stream and recording.
type Sums = BTreeMap<(u32, u64), Frontier>;

/// What a stretch of a segment holds.
struct Read {
    sums: Sums,
    /// Commits that could be read.
    seen: u64,
    /// Gaps that ended.
    ended: Vec<ToldGap>,
    /// Behind the last commit.
    end: Position,
    /// Gaps that go on there.
    gaps: Gaps,
}

/// A segment that has commits to be logged.
struct Due {
    header: SegmentHeader,
    stretch: Stretch,
    /// Nothing will be added to it.
    closed: bool,
}

impl FootageLog {
    /// Of the disk that `shared` writes to, whose ring has just been recovered.
    pub(crate) fn new(of: (Arc<Ring>, Arc<Shared>, Arc<Register>), clock: Arc<dyn Clock>) -> Self {
        let (ring, shared, register) = of;
        let logged_at = clock.mono();
        // Later this would count commits that came since, which may have the numbers of lost ones.
        let recovered_end = recovered_end(&ring, &shared);
        let losses = Losses::default();
        let (done, refused, behind_since, resume, so_far) = (None, (0, 0), None, None, None);
        Self {
            ring,
            shared,
            register,
            clock,
            recovered_end,
            losses,
            done,
            refused,
            behind_since,
            logged_at,
            resume,
            asked: false,
            so_far,
        }
    }

    /// Goes on until it is told to end. What was lost is noted at once: in the log it stands before what is asked of the recorder from now on, and nobody reads the log without it.
    pub(crate) fn run(mut self, orders: &Orders) {
        let noted = std::panic::catch_unwind(AssertUnwindSafe(|| self.note_loss()));
        let mut pause = if noted.is_ok() { LOOK_INTERVAL } else { self.panicked() };
        loop {
            let asked = orders.wait(pause);
            let work = || match asked {
                Asked::GoOn => self.look(orders),
                Asked::LogNow(number) => orders.answer(number, &self.log_acknowledged(orders, LATE_LOOKS_MAX)),
                Asked::Finish => self.finish(),
                Asked::End => {}
            };
            pause = match std::panic::catch_unwind(AssertUnwindSafe(work)) {
                Ok(()) => LOOK_INTERVAL,
                Err(_) => {
                    let pause = self.panicked();
                    if let Asked::LogNow(number) = asked {
                        orders.answer(number, &Err(Error::new(Kind::Internal, "logging footage has panicked")));
                    }
                    pause
                }
            };
            if matches!(asked, Asked::Finish | Asked::End) {
                self.shared.alarms.set(AlarmKind::FootageUnlogged, Some(self.shared.disk), None, self.clock.utc());
                orders.end();
                return;
            }
        }
    }

    /// Whether the ring has lost something is asked of the register before anything else. A register that does not answer is asked again with the next stretch.
    fn note_loss(&mut self) {
        match self.begin() {
            Ok(done) => self.done = Some(done),
            Err(error) => {
                tracing::warn!(%error, disk = %self.shared.disk, "whether the disk has lost footage cannot be told yet; it is tried again");
            }
        }
    }

    /// Nothing that was remembered counts any more; gives how long to rest.
    fn panicked(&mut self) -> Duration {
        tracing::error!("logging footage has panicked; it goes on in ten minutes");
        self.forget();
        self.asked = false;
        PANIC_PAUSE
    }

    /// Logs all that is acknowledged by now, and gaps that go on. Recording comes first: while the disk is behind with it nothing is read, for `late_looks_max` looks.
    ///
    /// # Errors
    /// As [`FootageLog::step`]; `Conflict` as soon as the thread is to end, `Exhausted` when the disk stays behind.
    pub(crate) fn log_acknowledged(&mut self, orders: &Orders, late_looks_max: u32) -> Result<()> {
        self.asked = true;
        let logged = self.log_all(orders, late_looks_max);
        self.asked = false;
        logged
    }

    fn log_all(&mut self, orders: &Orders, late_looks_max: u32) -> Result<()> {
        let mut late_looks = 0;
        loop {
            let late = self.is_late();
            if orders.wait_end(if late { LOOK_INTERVAL } else { Duration::ZERO }) {
                return Err(Error::new(Kind::Conflict, "its disk is being closed"));
            }
            late_looks = if late { late_looks + 1 } else { 0 };
            if late_looks >= late_looks_max {
                return Err(Error::new(
                    Kind::Exhausted,
                    "its disk is behind with recording, which comes first; try again later",
                ));
            }
            if !late && !self.step(Until::Acknowledged)? {
                return Ok(());
            }
        }
    }

    /// The disk is behind with recording.
    fn is_late(&self) -> bool {
        self.shared.pending().full_percent() >= LATE_PERCENT
    }

    /// Logs what is due, as long as the disk keeps up with recording.
    fn look(&mut self, orders: &Orders) {
        let mut worked = Ok(true);
        while matches!(worked, Ok(true)) && orders.wait(Duration::ZERO) == Asked::GoOn {
            worked = if self.is_late() { Ok(false) } else { self.step(self.due()) };
            self.tell(worked.as_ref().err());
        }
    }

    /// What is to be logged by now.
    pub(crate) fn due(&self) -> Until {
        match self.clock.mono().nanos_since(self.logged_at) >= LEAF_NANOS_MAX {
            true => Until::Acknowledged,
            false => Until::Closed,
        }
    }

    /// Nothing of what is remembered counts any more; the register knows it.
    fn forget(&mut self) {
        (self.done, self.resume, self.so_far) = (None, None, None);
    }

    fn finish(&mut self) {
        for _ in 0..LAST_STRETCHES_MAX {
            match self.step(Until::Acknowledged) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, disk = %self.shared.disk, "the last hashes of footage go into the audit log at the next start");
                    return;
                }
            }
        }
    }

    /// Raises or ends the alarm.
    fn tell(&mut self, error: Option<&Error>) {
        self.tell_losses();
        let newest_done = self.done.map_or(0, |(_, generation)| generation);
        let waiting = self.segments(newest_done).len().saturating_sub(1);
        let now = self.clock.mono();
        self.behind_since = (waiting > 0).then(|| self.behind_since.unwrap_or(now));
        let late = self.behind_since.is_some_and(|since| now.nanos_since(since) >= BEHIND_NANOS_MAX);
        let text = late.then(|| {
            let why = error.map_or_else(String::new, |error| format!(" ({error})"));
            format!(
                "the hashes of the footage in {waiting} closed segments are not in the audit log yet{why}; recording goes on, and they are added as soon as possible. Look whether the state disk has room and can be written"
            )
        });
        self.shared.alarms.set(AlarmKind::FootageUnlogged, Some(self.shared.disk), text, self.clock.utc());
    }

    /// Logs one stretch, or passes over a segment that has none. False when nothing is left to do.
    ///
    /// # Errors
    /// When the disk or the register refuses; another try may succeed.
    pub(crate) fn step(&mut self, until: Until) -> Result<bool> {
        let done = match self.done {
            Some(done) => done,
            None => self.begin()?,
        };
        self.done = Some(done);
        let Some(due) = self.next_due(done, until) else { return Ok(false) };
        let newest_done = if due.closed { due.header.generation } else { done.1 };
        if due.stretch.from_seq >= due.stretch.to_seq && due.closed {
            self.done = Some((done.0, newest_done));
            return Ok(true);
        }
        let read = self.read(&due)?;
        let Due { header, stretch, closed } = due;
        // What was read may be part old and part new.
        if self.ring.slots.get(header.slot) != header.generation {
            tracing::error!(disk = %stretch.disk, generation = header.generation, "a segment was overwritten before its hashes were in the audit log");
            self.done = Some((done.0, newest_done));
            return Ok(true);
        }
        let expected_from = if done.0 == 0 { stretch.from_seq } else { done.0 };
        let missing = stretch.to_seq.saturating_sub(expected_from + read.seen);
        if missing > 0 {
            tracing::error!(disk = %stretch.disk, generation = header.generation, missing, "commits are overwritten or cannot be read; their hashes do not go into the audit log");
        }
        let logged = self.append(&stretch, read, closed);
        match &logged {
            Ok(()) => self.done = Some((stretch.to_seq, newest_done)),
            Err(_) => self.forget(),
        }
        if !closed && logged.is_ok() {
            self.logged_at = self.clock.mono();
        }
        logged.map(|()| closed)
    }

    /// Appends the leaves of what was read, if it has any.
    fn append(&mut self, stretch: &Stretch, read: Read, closed: bool) -> Result<()> {
        let Read { sums, mut ended, end, gaps, .. } = read;
        if !closed {
            ended.extend(gaps.going_on(self.clock.utc()));
        }
        let mut so_far = match self.so_far.take() {
            Some(so_far) => so_far,
            None => self.register.gaps_so_far(stretch.disk)?,
        };
        let piece_min = if self.asked { gaps::ASKED_PIECE_NANOS_MIN } else { gaps::PIECE_NANOS_MIN };
        let gaps_told = gaps::untold(ended, &mut so_far, piece_min);
        let segments = sums.into_iter().map(|(place, tree)| body(place, &tree)).collect();
        let leaves = FootageLeaves { segments, gaps: gaps_told };
        if leaves != FootageLeaves::default() || stretch.from_seq < stretch.to_seq {
            self.register.append_footage(stretch, leaves)?;
        }
        self.so_far = Some(so_far);
        self.resume = (!closed).then_some((end, gaps));
        Ok(())
    }

    /// How far the ring is logged. A ring that ends before that has lost something, which the log tells from then on.
    fn begin(&mut self) -> Result<(u64, u64)> {
        let disk = self.shared.disk;
        let logged = self.register.footage_logged(disk)?.unwrap_or_default();
        let is_lost = logged.next_seq > self.recovered_end && !self.losses.is_known();
        if is_lost {
            let loss = self.register.footage_lost(disk, self.recovered_end)?;
            tracing::error!(%disk, from = loss.from_seq, behind = loss.to_seq, entry = loss.entry, "the ring ends before what the audit log tells of it: footage was lost");
        }
        self.losses = Losses::of(&self.register, disk)?;
        self.tell_losses();
        if is_lost {
            return Ok((self.recovered_end, 0));
        }
        Ok((logged.next_seq, logged.generation.saturating_sub(1)))
    }

    /// Raises or ends the alarm about what was lost.
    fn tell_losses(&self) {
        let now = self.clock.utc();
        self.shared.alarms.set(AlarmKind::FootageLost, Some(self.shared.disk), self.losses.alarm(now), now);
    }

    /// Segments newer than `generation`, oldest first.
    fn segments(&self, generation: u64) -> Vec<(u64, u32)> {
        let newer = self.ring.slots.all().filter(|(_, of)| *of > generation);
        let mut segments: Vec<(u64, u32)> = newer.map(|(slot, generation)| (generation, slot)).collect();
        segments.sort_unstable();
        segments
    }

    /// The oldest segment that is not done.
    fn next_due(&self, done: (u64, u64), until: Until) -> Option<Due> {
        let (next_seq, newest_done) = done;
        let segments = self.segments(newest_done);
        // Most looks end here, without a read.
        if segments.len() < 2 && until == Until::Closed {
            return None;
        }
        let mut headers = segments.into_iter().filter_map(|(_, slot)| self.ring.header(slot));
        let header = headers.next()?;
        let next = headers.next();
        let to_seq = match (&next, until) {
            (Some(next), _) => next.first_seq,
            (None, Until::Closed) => return None,
            (None, Until::Acknowledged) => self.shared.pending().stats.last_seq + 1,
        };
        let stretch = Stretch {
            disk: self.shared.disk,
            generation: header.generation,
            slot: header.slot,
            from_seq: header.first_seq.max(next_seq),
            to_seq: to_seq.max(next_seq),
        };
        Some(Due { header, stretch, closed: next.is_some() })
    }

    /// What a stretch holds. Of an open segment only what came since the last time is read.
    fn read(&mut self, due: &Due) -> Result<Read> {
        let Due { header, stretch, .. } = due;
        let reader = self.ring.reader(header.slot, header.generation)?;
        let goes_on = |(at, _): &(Position, Gaps)| at.generation == header.generation && at.seq == stretch.from_seq;
        // A segment is understood from its first commit on: it states the gaps that go on.
        let (start, mut gaps) =
            self.resume.take().filter(goes_on).unwrap_or_else(|| (first_position(header), Gaps::default()));
        let (mut sums, mut seen, mut ended) = (Sums::new(), 0, Vec::new());
        let (end, _) = reader.scan(start, Some(stretch.to_seq), &mut |_, commit, _| {
            let mut over = Vec::new();
            gaps.take(&commit, &mut over);
            if commit.seq < stretch.from_seq {
                return;
            }
            ended.append(&mut over);
            seen += 1;
            for run in &commit.runs {
                let place = (run.stream.to_u32(), run.recording.0);
                sums.entry(place).or_default().push(statement(&commit, run).hash());
            }
        });
        if let Some(error) = reader.take_refused() {
            let (generation, attempts) = self.refused;
            self.refused = (header.generation, if generation == header.generation { attempts + 1 } else { 1 });
            if self.refused.1 < ATTEMPTS_MAX {
                return Err(error);
            }
        }
        Ok(Read { sums, seen, ended, end, gaps })
    }
}
