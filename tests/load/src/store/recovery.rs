//! From the start of the program to the first acknowledged commit on a full ring of 8 TiB, with its index and without; and questions to its million spans.

use super::Wanted;
use super::bench::{Cameras, PATIENCE, Place, disk_bytes, drop_caches};
use super::paper::{self, Paperwork};
use super::query;
use crate::Result;
use crate::error::Attempt;
use core::fmt::Write as _;
use std::time::{Duration, Instant};
use watchbook_store::{AlarmKind, Store};

/// Restarts with the index intact.
const RESTARTS: usize = 5;
/// An index that is not whole after this time is given up.
const REBUILD_MAX: Duration = Duration::from_secs(3600);
const PAUSE: Duration = Duration::from_millis(100);

const HEAD: &str = "| restart | caches | open, ms | first acknowledged commit, ms |\n|---|---|---|---|\n";

/// # Errors
/// The ring cannot be made, opened or written.
pub fn run(wanted: &Wanted) -> Result<String> {
    let folder = tempfile::Builder::new().prefix("paper-").tempdir_in(&wanted.folder).attempt("making a folder")?;
    let kept = wanted.keep.as_deref().unwrap_or(folder.path());
    let segment_bytes = wanted.size(1 << 30, 16 << 20);
    let place = Place {
        ring: kept.join("ring"),
        state: kept.join("state"),
        capacity_bytes: wanted.size(8192, 8) * segment_bytes,
        segment_bytes,
    };
    let cameras = wanted.size(64, 2);
    if !place.ring.join("superblock").exists() {
        make(&place, cameras)?;
    }
    let mut text = format!(
        "A full ring of {} segments of {} MiB, {cameras} cameras with a main and a sub stream; payloads on paper. Cold: the kernel forgot all files before.\n\n",
        place.capacity_bytes / segment_bytes,
        segment_bytes >> 20,
    );
    // A kept ring may have lost its index already.
    let intact = place.index(paper::DISK).exists();
    if !intact {
        text.push_str(&lost(&place)?);
    }
    text.push_str(HEAD);
    for _ in 0..wanted.size(RESTARTS, 1) {
        let (store, line) = restart(&place, "index intact")?;
        text.push_str(&line);
        store.close().attempt("closing the ring")?;
    }
    let _ = writeln!(text, "\nIts index has {:.2} GB.\n", disk_bytes(&place.index(paper::DISK)) as f64 / 1e9);
    text.push_str(&query::ask(&place, cameras, wanted)?);
    if intact {
        std::fs::remove_dir_all(place.index(paper::DISK)).attempt("removing the index")?;
        text.push('\n');
        text.push_str(&lost(&place)?);
    }
    Ok(text)
}

fn make(place: &Place, cameras: u16) -> Result<()> {
    std::fs::create_dir_all(&place.state).attempt("making a folder")?;
    let index = watchbook_store::open_index(&place.state, paper::DISK).attempt("making the index")?;
    let plan = paper::plan(paper::streams(cameras, 500_000, 62_500)?, place, 500);
    paper::fill(place, plan, Paperwork::Commits, index).map(drop)
}

/// Recording without an index, and how long it takes until there is one again.
fn lost(place: &Place) -> Result<String> {
    let started = Instant::now();
    let (store, line) = restart(place, "index lost")?;
    let whole = rebuilt(&store, started)?;
    store.close().attempt("closing the ring")?;
    let told = format!("The index was whole again {:.0} s after the start.", whole.as_secs_f64());
    eprintln!("  {told}");
    Ok(format!("{HEAD}{line}\n{told}\n\n"))
}

fn restart(place: &Place, what: &str) -> Result<(Store, String)> {
    let caches = if drop_caches() { "cold" } else { "warm" };
    let started = Instant::now();
    let store = place.open_paper()?;
    let opened = started.elapsed();
    let mut cameras = Cameras::begin(store.writer(), 1)?;
    cameras.send_all()?;
    store.writer().flush(PATIENCE).attempt("flushing the ring")?;
    let acknowledged = started.elapsed();
    let mut line = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        line,
        "| {what} | {caches} | {:.0} | {:.0} |",
        opened.as_secs_f64() * 1e3,
        acknowledged.as_secs_f64() * 1e3
    );
    eprint!("  {line}");
    Ok((store, line))
}

/// Waits until the store no longer says that its index is made again.
fn rebuilt(store: &Store, started: Instant) -> Result<Duration> {
    while store.alarms().iter().any(|alarm| alarm.kind == AlarmKind::IndexRebuilding) {
        if started.elapsed() > REBUILD_MAX {
            return Err(crate::Error(format!("the index was not whole after {REBUILD_MAX:?}")));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(started.elapsed())
}
