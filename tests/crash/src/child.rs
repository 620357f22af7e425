//! The program that is killed: the real store on real files, with made-up cameras, telling what it handed over and what was acknowledged.
//!
//! It speaks lines that begin with [`WORD`], so that they are found among a kernel's messages too:
//!
//! | line | meaning |
//! |---|---|
//! | `check clean SEQ` | the closed ring was looked over; its newest commit |
//! | `opened MS` | the ring is open, so long after the program's start without the look |
//! | `found STREAM TAKE FRAME` | the newest sample of a stream |
//! | `recording MS` | the first commit is acknowledged, `opened` included |
//! | `put TAKE FRAME` | every camera has handed over this frame |
//! | `ack TAKE FRAME` | and it is durable |
//! | `seq N` | commit N is durable |
//! | `bad WHY` | a promise is broken |
//! | `done` | everything that was asked for is said |
//!
//! and those about holds of [`crate::holds`].

use crate::error::{Attempt as _, Error, Result, ensure};
use crate::footage::{Camera, STEP_NANOS};
use crate::holding::{Had, Keeper};
use crate::ring::{self, Found, Ground, Ring};
use pico_args::Arguments;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use watchbook_base::clock::SystemClock;
use watchbook_base::fs::RealFs;
use watchbook_base::fs::sim::Dice;
use watchbook_base::{Clock as _, Gap, GapReason, StreamId, UtcNanos};
use watchbook_store::Config;

/// First word of every line.
pub const WORD: &str = "WB";
/// Longest wait for a flush: a disk in an emulated machine is slow.
const PATIENCE: Duration = Duration::from_secs(60);
/// Rounding of media time, and the step from one reading of the clock to the next.
const TOLERANCE_NANOS: i64 = 1_000_000;
/// A flush is asked for after a pause of up to this.
const FLUSH_PAUSE_MS_MAX: u64 = 700;

/// What one life of the program is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The ring and its index lie in here.
    pub dir: PathBuf,
    /// Number of this life, rising: the take that its cameras record.
    pub life: u32,
    /// Cameras.
    pub cameras: u32,
    /// Bytes of a usual sample.
    pub sample_bytes: usize,
    /// Size of the ring.
    pub capacity_bytes: u64,
    /// What the vault may take.
    pub vault_bytes: u64,
    /// Ask for flushes, at random pauses, instead of leaving the pace to the committer.
    pub flushes: bool,
    /// Only look at what is there.
    pub look_only: bool,
    /// Before the look, wait until everything is held that is to be held.
    pub await_holds: bool,
}

impl Job {
    /// As arguments of [`Job::parse`].
    #[must_use]
    pub fn args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["child".into(), "--dir".into(), self.dir.clone().into()];
        let numbers = [
            ("--life", u64::from(self.life)),
            ("--cameras", u64::from(self.cameras)),
            ("--sample-bytes", self.sample_bytes as u64),
            ("--capacity-bytes", self.capacity_bytes),
            ("--vault-bytes", self.vault_bytes),
        ];
        for (name, number) in numbers {
            args.extend([name.into(), number.to_string().into()]);
        }
        args.extend(self.flushes.then(|| "--flushes".into()));
        args.extend(self.look_only.then(|| "--look-only".into()));
        args.extend(self.await_holds.then(|| "--await-holds".into()));
        args
    }

    /// From arguments.
    ///
    /// # Errors
    /// When one is missing or unknown.
    pub fn parse(mut args: Arguments) -> Result<Self> {
        let job = Self {
            dir: args.value_from_str("--dir").attempt("--dir")?,
            life: args.value_from_str("--life").attempt("--life")?,
            cameras: args.value_from_str("--cameras").attempt("--cameras")?,
            sample_bytes: args.value_from_str("--sample-bytes").attempt("--sample-bytes")?,
            capacity_bytes: args.value_from_str("--capacity-bytes").attempt("--capacity-bytes")?,
            vault_bytes: args.value_from_str("--vault-bytes").attempt("--vault-bytes")?,
            flushes: args.contains("--flushes"),
            look_only: args.contains("--look-only"),
            await_holds: args.contains("--await-holds"),
        };
        let rest = args.finish();
        ensure(rest.is_empty(), || format!("did not understand {rest:?}"))?;
        Ok(job)
    }

    fn streams(&self) -> Vec<Camera> {
        (1..=self.cameras).map(|number| Camera::new(number, self.sample_bytes, 25)).collect()
    }

    fn config(&self) -> Config {
        Config { segment_bytes: Some(4 << 20), ..Config::new(self.dir.join("ring"), self.capacity_bytes) }
    }
}

/// Says a line.
///
/// # Errors
/// When nobody listens any more.
pub(crate) fn say(what: impl core::fmt::Display) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{WORD} {what}").and_then(|()| out.flush()).attempt("telling")
}

/// Does the job; when it records, until it is killed.
///
/// # Errors
/// When nobody listens any more, or the ring cannot be opened.
pub fn run(job: &Job) -> Result<()> {
    look(job)?;
    let begun = Instant::now();
    let ground = ground(job);
    let ring = Ring::open(&ground).attempt("opening the ring")?;
    let opened = begun.elapsed();
    say(format_args!("opened {}", opened.as_millis()))?;
    // The ends of recordings that the last life left open become rows with the first commit.
    ensure(ring.settles(ring::INDEX_PATIENCE), || "the index is not complete in time".to_owned())?;
    ensure(ring.flush(PATIENCE)?, || "the first commit takes too long".to_owned())?;
    let now = SystemClock.utc();
    let (mut cameras, mut had) = (job.streams(), Vec::new());
    for camera in &cameras {
        let (found, gaps) = (ring.found(camera.stream)?, ring.gaps(camera.stream)?);
        if let Err(Error(why)) = judge(camera.stream, &found, &gaps, now) {
            say(format_args!("bad {why}"))?;
        }
        if let Some(newest) = found.marks.last() {
            say(format_args!("found {} {} {}", newest.stream, newest.take, newest.frame))?;
        }
        had.extend(Had::new(camera.stream.camera, &found.marks));
    }
    let keeper = Keeper::open(job, &ring, had)?;
    if job.look_only {
        drop(keeper);
        ring.close()?;
        return say("done");
    }
    keeper.announce()?;
    say("ready")?;
    record(job, (&ring, keeper), &mut cameras, opened)
}

fn ground(job: &Job) -> Ground {
    let (fs, clock) = (Arc::new(RealFs), Arc::new(SystemClock));
    let state_dir = Some(job.dir.join("state"));
    Ground { fs, clock, index: ring::open_index(&job.dir), config: job.config(), state_dir }
}

/// Looks over the closed ring, and the vault.
fn look(job: &Job) -> Result<()> {
    if !job.dir.join("ring/superblock").exists() {
        return say("check clean 0");
    }
    let ground = ground(job);
    match ring::check_vault(&ground, &job.dir) {
        Ok(None) => {}
        Ok(Some(report)) if report.is_clean() => {}
        Ok(Some(report)) => say(format_args!("bad-hold check of the vault is not content: {report:?}"))?,
        Err(error) => say(format_args!("bad-hold {error}"))?,
    }
    let index = ring::existing_index(&job.dir, ring::disk(&ground)?)?;
    match ring::check(&ground, index.as_deref()) {
        Ok(report) if report.is_clean() => say(format_args!("check clean {}", report.last_seq)),
        Ok(report) => say(format_args!("bad check is not content: {report:?}")),
        Err(error) => say(format_args!("bad {error}")),
    }
}

/// Within a take no frame is missing, and between takes a row says why there is no footage.
fn judge(stream: StreamId, found: &Found, gaps: &[Gap], now: UtcNanos) -> Result<()> {
    ensure(found.unreadable.is_empty(), || format!("{stream}: {:?}", found.unreadable))?;
    let nexts = found.marks.iter().skip(1).map(Some).chain([None]);
    for (mark, next) in found.marks.iter().zip(nexts) {
        if let Some(next) = next.filter(|next| next.take == mark.take) {
            ensure(next.frame == mark.frame + 1, || format!("{stream}: {mark:?} is followed by {next:?}"))?;
            continue;
        }
        if let Some(next) = next {
            ensure(next.take > mark.take && next.frame == 0, || format!("{stream}: {mark:?} is followed by {next:?}"))?;
        }
        let (from, to) = (mark.utc.plus_nanos(STEP_NANOS.cast_signed()), next.map_or(now, |next| next.utc));
        let covers = |gap: &&Gap| {
            let (start, end) = (gap.range.start.nanos_since(from), to.nanos_since(gap.range.end));
            start <= TOLERANCE_NANOS && end <= TOLERANCE_NANOS && gap.reason == GapReason::Restart
        };
        let short = to.nanos_since(from) <= TOLERANCE_NANOS;
        ensure(short || gaps.iter().any(|gap| covers(&gap)), || {
            format!("{stream}: no row says why there is no footage from {from} to {to}: {gaps:?}")
        })?;
    }
    Ok(())
}

/// Records until it is killed.
fn record(job: &Job, of: (&Ring, Keeper), cameras: &mut [Camera], opened: Duration) -> Result<()> {
    let (ring, keeper) = of;
    let writer = ring.writer();
    let begun = Instant::now();
    // Pictures that every camera has handed over, and that are durable.
    let (frames, acknowledged) = (AtomicU64::new(0), AtomicU64::new(0));
    let first = AtomicU64::new(0);
    let open_ms = u64::try_from(opened.as_millis()).unwrap_or(0);
    writer.subscribe(Box::new(move |committed| {
        // The first commit with footage.
        if committed.runs > 0 && first.fetch_add(1, Ordering::Relaxed) == 0 {
            let ms = open_ms + u64::try_from(begun.elapsed().as_millis()).unwrap_or(0);
            // When nobody listens, the loop below notices.
            let _ = say(format_args!("recording {ms}"));
        }
        let _ = say(format_args!("seq {}", committed.seq));
    }));
    let now = (SystemClock.utc(), SystemClock.mono());
    cameras.iter_mut().for_each(|camera| writer.begin(&camera.begin(job.life, now)));
    std::thread::scope(|scope| {
        if job.flushes {
            scope.spawn(|| acknowledge(job, ring, &frames, &acknowledged));
        }
        scope.spawn(|| keeper.go_on(now.0, &acknowledged));
        for frame in 0_u32.. {
            // A frame is sent when it is over.
            wait_until(begun + Duration::from_nanos(STEP_NANOS) * (frame + 1));
            for camera in &mut *cameras {
                let (mark, packet) = camera.packet(SystemClock.mono());
                if let Err(error) = writer.append(packet) {
                    say(format_args!("bad handing over {mark:?}: {error}"))?;
                }
            }
            frames.store(u64::from(frame) + 1, Ordering::Release);
            say(format_args!("put {} {frame}", job.life))?;
        }
        Ok(())
    })
}

/// Flushes again and again, and tells what had been handed over before each.
fn acknowledge(job: &Job, ring: &Ring, frames: &AtomicU64, acknowledged: &AtomicU64) {
    let mut dice = Dice::new(u64::from(job.life));
    loop {
        wait_until(Instant::now() + Duration::from_millis(1 + dice.below(FLUSH_PAUSE_MS_MAX)));
        let count = frames.load(Ordering::Acquire);
        let told = match ring.flush(PATIENCE) {
            Ok(true) if count > 0 => {
                acknowledged.store(count, Ordering::Release);
                say(format_args!("ack {} {}", job.life, count - 1))
            }
            Ok(true) => Ok(()),
            Ok(false) => say("bad a flush takes too long"),
            Err(error) => say(format_args!("bad {error}")),
        };
        if told.is_err() {
            break;
        }
    }
}

pub(crate) fn wait_until(then: Instant) {
    std::thread::sleep(then.saturating_duration_since(Instant::now()));
}
