//! How much footage the store takes when nothing but the store and the disk is in the way.

use super::Wanted;
use super::bench::{Cameras, PATIENCE, Place, fill};
use super::rate::{self, Rate};
use crate::disk::Disk;
use crate::error::Attempt;
use crate::{Result, meter};
use core::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use watchbook_store::Writer;

/// Waits in memory at most while the disk is busy: two of the largest commits.
const PENDING_BYTES_MAX: u64 = 128 << 20;
/// Commits begin when so much waits: half a second of 64 cameras.
const COMMIT_BYTES_WANTED: u64 = 16 << 20;
/// Pause of a thread that has nothing to do.
const PAUSE: Duration = Duration::from_micros(200);

/// # Errors
/// The ring cannot be made or written.
pub fn run(wanted: &Wanted) -> Result<String> {
    let (capacity_bytes, segment_bytes) = wanted.size((4 << 30, 256 << 20), (32 << 20, 8 << 20));
    let disk = Disk::new(&wanted.folder, capacity_bytes * 2 + (2 << 30))?;
    let rate = rate::sequential(&disk.path(), capacity_bytes / 2)?;
    let mut text = format!(
        "The disk alone, in direct writes of 4 MiB: {:.2} GB/s into new blocks, {:.2} GB/s over old ones. The store, on a ring that has wrapped, fed without pause:\n\n\
         | streams | GB/s | of the disk's rate | CPU-s per GB | bytes per commit |\n|---|---|---|---|---|\n",
        rate.first / 1e9,
        rate.again / 1e9
    );
    for streams in wanted.size(vec![1, 64], vec![2]) {
        let place = Place {
            ring: disk.path().join(format!("ring-{streams}")),
            state: disk.path().join(format!("state-{streams}")),
            capacity_bytes,
            segment_bytes,
        };
        text.push_str(&one(&place, streams, capacity_bytes, rate)?);
        std::fs::remove_dir_all(&place.ring).attempt("removing a ring")?;
    }
    Ok(text)
}

fn one(place: &Place, streams: u16, bytes: u64, rate: Rate) -> Result<String> {
    let store = place.open()?;
    let writer = store.writer();
    let mut cameras = Cameras::begin(writer.clone(), streams)?;
    fill(&mut cameras, place.capacity_bytes)?;
    let (before, cpu, started) = (writer.stats(), meter::usage(&[std::process::id()]).cpu_sec, Instant::now());
    let over = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        scope.spawn(|| commit_often(&writer, &over));
        let sent = feed(&mut cameras, &writer, bytes);
        over.store(true, Ordering::SeqCst);
        sent
    })?;
    writer.flush(PATIENCE).attempt("flushing the ring")?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu = meter::usage(&[std::process::id()]).cpu_sec - cpu;
    let after = writer.stats();
    store.close().attempt("closing the ring")?;
    let (gb, commits) = (sent as f64 / 1e9, after.commits - before.commits);
    eprintln!("  {streams} streams: {:.2} GB/s", gb / seconds);
    let mut line = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        line,
        "| {streams} | {:.2} | {:.0} % | {:.2} | {:.1} MB |",
        gb / seconds,
        100.0 * gb * 1e9 / seconds / rate.again,
        cpu / gb,
        sent as f64 / commits.max(1) as f64 / 1e6,
    );
    Ok(line)
}

/// Sends pictures as long as memory lasts.
fn feed(cameras: &mut Cameras, writer: &Writer, bytes: u64) -> Result<u64> {
    let mut sent = 0;
    while sent < bytes {
        if writer.stats().pending_bytes > PENDING_BYTES_MAX {
            std::thread::sleep(PAUSE);
        } else {
            sent += cameras.send_all()?;
        }
    }
    Ok(sent)
}

/// Flushes whenever a commit's worth waits.
fn commit_often(writer: &Writer, over: &AtomicBool) {
    while !over.load(Ordering::SeqCst) {
        if writer.stats().pending_bytes < COMMIT_BYTES_WANTED || writer.flush(PATIENCE).is_err() {
            std::thread::sleep(PAUSE);
        }
    }
}
