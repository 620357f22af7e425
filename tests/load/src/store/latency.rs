//! Commits at the pace of cameras: how long they take, what the device is given for them, and how often it is flushed; while the ring is filled for the first
//! time, and when it writes over what it wrote before.

use super::Wanted;
use super::bench::{Cameras, FRAMES_PER_SEC, PATIENCE, Place, STREAM_BYTES_PER_SEC, fill};
use super::sample::{Times, ms};
use crate::Result;
use crate::disk::{DeviceUse, Disk};
use crate::error::Attempt;
use core::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use watchbook_store::Writer;

/// How late a picture may be sent.
const TICK: Duration = Duration::from_millis(2);
/// Smallest ring: filled quickly, and no segment of it too short to be real.
const CAPACITY_BYTES_MIN: u64 = 1 << 30;
/// Before counters are looked at.
const WARM_UP: Duration = Duration::from_secs(2);

/// What one pace gave.
struct Figures {
    commits: Times,
    at_risk: Times,
    seconds: f64,
    payload_bytes: u64,
    ring: Option<DeviceUse>,
    index: Option<DeviceUse>,
}

/// # Errors
/// The ring cannot be made or written.
pub fn run(wanted: &Wanted) -> Result<String> {
    let mut text = format!(
        "Streams of 4 Mbit/s at their own pace, {} s each; ring and index on a fresh ext4 of their own. \"At risk\" is the age of the oldest picture when its commit is acknowledged.\n\n\
         | streams | ring | commit p50 / p99 / max, ms | at risk p99 / max, ms | device flushes per s | device bytes per byte: ring | index |\n\
         |---|---|---|---|---|---|---|\n",
        wanted.seconds
    );
    for &streams in &wanted.streams {
        let footage = u64::from(streams) * STREAM_BYTES_PER_SEC * (wanted.seconds + WARM_UP.as_secs() + 1);
        let capacity_bytes = wanted.size((footage + footage / 4).max(CAPACITY_BYTES_MIN), 64 << 20);
        let (ring, index) =
            (Disk::new(&wanted.folder, capacity_bytes + (2 << 30))?, Disk::new(&wanted.folder, 1 << 30)?);
        let place = Place {
            ring: ring.path().join("ring"),
            state: index.path().join("state"),
            capacity_bytes,
            segment_bytes: (capacity_bytes / 16).next_multiple_of(1 << 20),
        };
        let store = place.open()?;
        let writer = store.writer();
        let mut cameras = Cameras::begin(writer.clone(), streams)?;
        let times = Arc::new(Mutex::new(Vec::new()));
        let _watched = watch(&writer, &times);
        for (state, wraps) in [("first fill", false), ("wrapped", true)] {
            if wraps {
                fill(&mut cameras, capacity_bytes)?;
            }
            let figures = pace(&mut cameras, (&writer, &times), [&ring, &index], Duration::from_secs(wanted.seconds))?;
            let line = line(streams, state, &figures);
            eprint!("  {line}");
            text.push_str(&line);
        }
        store.close().attempt("closing the ring")?;
    }
    Ok(text)
}

type Log = Arc<Mutex<Vec<(Instant, Duration)>>>;

/// Notes each commit, as long as what it returns is kept: when it was acknowledged, and how long its write and sync took. A writer that the store's own list
/// of listeners held would keep the ring open for ever.
fn watch(writer: &Writer, times: &Log) -> Arc<Writer> {
    let kept = Arc::new(writer.clone());
    let (log, stats) = (times.clone(), Arc::downgrade(&kept));
    writer.subscribe(Box::new(move |_| {
        let Some(writer) = stats.upgrade() else { return };
        let took = Duration::from_nanos(writer.stats().last_commit_nanos);
        log.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), took));
    }));
    kept
}

fn pace(
    cameras: &mut Cameras,
    (writer, times): (&Writer, &Log),
    disks: [&Disk; 2],
    length: Duration,
) -> Result<Figures> {
    let mut sender = Sender { started: Instant::now(), sent: vec![0; cameras.count()] };
    sender.until(cameras, WARM_UP)?;
    let look = |settle: bool| -> Result<[Option<DeviceUse>; 2]> {
        if settle {
            disks.iter().try_for_each(|disk| disk.settle())?;
        }
        Ok(disks.map(Disk::device_use))
    };
    // Nothing waits and nothing is being written at either look, so that bytes sent and bytes written are of the same commits.
    writer.flush(PATIENCE).attempt("flushing the ring")?;
    let (first, before, from) = (look(true)?, writer.stats(), Instant::now());
    times.lock().unwrap_or_else(PoisonError::into_inner).clear();
    sender.until(cameras, WARM_UP + length)?;
    writer.flush(PATIENCE).attempt("flushing the ring")?;
    // Flushes before settling, which makes some of its own; bytes after it, because what is in the page cache was written all the same.
    let (last, after, seconds) = (look(false)?, writer.stats(), from.elapsed().as_secs_f64());
    let settled = look(true)?;
    let log = std::mem::take(&mut *times.lock().unwrap_or_else(PoisonError::into_inner));
    let grown = |at: usize| {
        let (first, last, settled) = (first[at]?, last[at]?, settled[at]?);
        Some(DeviceUse {
            written_bytes: settled.written_bytes - first.written_bytes,
            flushes: last.flushes - first.flushes,
        })
    };
    Ok(Figures {
        at_risk: Times::of(log.windows(2).map(|pair| pair[1].0 - pair[0].0 + pair[1].1).collect()),
        commits: Times::of(log.into_iter().map(|(_, took)| took).collect()),
        seconds,
        payload_bytes: after.payload_bytes - before.payload_bytes,
        ring: grown(0),
        index: grown(1),
    })
}

/// Sends each picture when it is due; the cameras are not in step.
struct Sender {
    started: Instant,
    sent: Vec<u64>,
}

impl Sender {
    fn until(&mut self, cameras: &mut Cameras, end: Duration) -> Result<()> {
        let count = self.sent.len() as u64;
        loop {
            let now = self.started.elapsed();
            if now >= end {
                return Ok(());
            }
            let micros = now.as_micros() as u64 * FRAMES_PER_SEC;
            for (index, sent) in self.sent.iter_mut().enumerate() {
                let shift = index as u64 * 1_000_000 / count;
                while *sent * 1_000_000 + shift <= micros {
                    cameras.send(index)?;
                    *sent += 1;
                }
            }
            std::thread::sleep(TICK);
        }
    }
}

fn line(streams: u16, state: &str, figures: &Figures) -> String {
    let share = |device: Option<DeviceUse>| {
        device.map_or("–".to_owned(), |device| {
            format!("{:.4}", device.written_bytes as f64 / figures.payload_bytes.max(1) as f64)
        })
    };
    let flushes = figures.ring.map_or("–".to_owned(), |ring| format!("{:.2}", ring.flushes as f64 / figures.seconds));
    let mut line = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        line,
        "| {streams} | {state} | {} / {} / {} | {} / {} | {flushes} | {} | {} |",
        ms(figures.commits.percentile(50)),
        ms(figures.commits.percentile(99)),
        ms(figures.commits.longest()),
        ms(figures.at_risk.percentile(99)),
        ms(figures.at_risk.longest()),
        share(figures.ring),
        share(figures.index),
    );
    line
}
