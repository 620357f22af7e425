//! What it costs to have the hashes of footage in the audit log: a ring is filled without a register, and opened again with one, which logs all of its closed segments.

use super::Wanted;
use super::bench::{Cameras, Place, STREAM_BYTES_PER_SEC, disk_bytes, fill};
use crate::error::Attempt;
use crate::meter::usage;
use crate::{Error, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};
use watchbook_base::clock::SystemClock;
use watchbook_store::Register;

/// Name of the thread that logs.
const THREAD: &str = "footage log";
/// All is logged when the log has not grown for so long: closed segments are looked for once a second.
const QUIET: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(100);
/// Segments that are filled, of six; the last one stays open.
const SEGMENTS: u64 = 4;

/// How often a stream-minute is hashed for one figure.
const MINUTES: u64 = 16;
/// Seconds from one commit to the next: a run is hashed whole.
const RUN_SECS: f64 = 0.5;

/// CPU-seconds for the SHA-256 of a minute of one stream, run by run, with the function that the ring calls.
fn hashing_sec() -> f64 {
    let run: Vec<u8> = (0..(STREAM_BYTES_PER_SEC as f64 * RUN_SECS) as usize).map(|at| (at % 251) as u8).collect();
    let before = usage(&[std::process::id()]).cpu_sec;
    for _ in 0..MINUTES * (60.0 / RUN_SECS) as u64 {
        std::hint::black_box(watchbook_evidence::sha256(std::hint::black_box(&run)));
    }
    (usage(&[std::process::id()]).cpu_sec - before) / MINUTES as f64
}

/// # Errors
/// The ring cannot be made, opened or written.
pub fn run(wanted: &Wanted) -> Result<String> {
    let folder = tempfile::Builder::new().prefix("leaves-").tempdir_in(&wanted.folder).attempt("making a folder")?;
    let segment_bytes = wanted.size(1 << 30, 8 << 20);
    let (ring, state) = (folder.path().join("ring"), folder.path().join("state"));
    let place = Place { ring, state, capacity_bytes: 6 * segment_bytes, segment_bytes };
    let streams = wanted.size(64, 2);
    let before = usage(&[std::process::id()]).cpu_sec;
    let store = place.open()?;
    let mut cameras = Cameras::begin(store.writer(), streams)?;
    let bytes = fill(&mut cameras, SEGMENTS * segment_bytes)?;
    store.close().attempt("closing the ring")?;
    let recording_sec = usage(&[std::process::id()]).cpu_sec - before;
    let dir = place.state.join("register");
    let register = Arc::new(Register::open(&dir, Arc::new(SystemClock)).attempt("opening the register")?);
    let empty_bytes = disk_bytes(&dir);
    let store = place.open_logged(register.clone())?;
    let leaves = settled(&register)?;
    let logging_sec = thread_sec(THREAD)?;
    store.close().attempt("closing the ring")?;
    drop(register);
    let stream_hours = bytes as f64 / STREAM_BYTES_PER_SEC as f64 / 3600.0;
    let line = format!(
        "| {streams} | {:.2} | {leaves} | {:.1} | {:.0} | {:.0} | {:.2} % |\n",
        bytes as f64 / 1e9,
        f64::from(u32::try_from(SEGMENTS).unwrap_or(u32::MAX)) / stream_hours,
        disk_bytes(&dir).saturating_sub(empty_bytes) as f64 / stream_hours / 1e3,
        logging_sec * 1e3,
        100.0 * logging_sec / recording_sec,
    );
    eprint!("  {line}");
    let hashing_sec = hashing_sec();
    Ok(format!(
        "Streams of 4 Mbit/s into segments of {} MiB, and the hashes of their runs into the audit log of a fresh register.\n\n\
         | streams | footage, GB | leaves | batches with a sync per stream-hour, at most | register, kB per stream-hour | CPU, ms | of the CPU for recording |\n\
         |---|---|---|---|---|---|---|\n{line}\n\
         SHA-256 of the runs of a stream-minute, in the CPU for recording: {:.3} CPU-s, {:.0} % of it.\n",
        segment_bytes >> 20,
        hashing_sec,
        100.0 * hashing_sec * 60.0 * stream_hours / recording_sec,
    ))
}

/// Waits until the log grows no more; how many leaves it has.
fn settled(register: &Register) -> Result<u64> {
    let until = Instant::now() + PATIENCE;
    let (mut size, mut since) = (0, Instant::now());
    while size == 0 || since.elapsed() < QUIET {
        let now = register.audit_root().size;
        if now != size {
            (size, since) = (now, Instant::now());
        }
        if Instant::now() >= until {
            return Err(Error(format!("the log of {size} leaves has not settled after {PATIENCE:?}")));
        }
        std::thread::park_timeout(LOOK);
    }
    Ok(size)
}

/// Seconds of CPU that the threads of this name have used, from `/proc/self/task/*/schedstat` (nanoseconds, first field).
fn thread_sec(name: &str) -> Result<f64> {
    let mut nanos = 0;
    for task in std::fs::read_dir("/proc/self/task").attempt("listing threads")?.flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        if read("comm").trim_end() == name {
            nanos += read("schedstat").split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Ok(nanos as f64 / 1e9)
}
