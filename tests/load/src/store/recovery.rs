//! From the start of the program to the first acknowledged commit on a full ring of 8 TiB, with its index and without; and questions to its million spans.

use super::Wanted;
use super::bench::{Cameras, PATIENCE, Place, disk_bytes, drop_caches};
use super::paper::{self, Paperwork};
use super::query;
use crate::Result;
use crate::error::Attempt;
use core::fmt::Write as _;
use std::time::{Duration, Instant};
use watchbook_base::TimeRange;
use watchbook_store::Store;

/// Restarts with the index intact.
const RESTARTS: usize = 5;

/// # Errors
/// The ring cannot be made, opened or written.
pub fn run(wanted: &Wanted) -> Result<String> {
    let folder = tempfile::Builder::new().prefix("paper-").tempdir_in(&wanted.folder).attempt("making a folder")?;
    let segment_bytes = wanted.size(1 << 30, 16 << 20);
    let place = Place {
        ring: folder.path().join("ring"),
        state: folder.path().join("state"),
        capacity_bytes: wanted.size(8192, 8) * segment_bytes,
        segment_bytes,
    };
    std::fs::create_dir_all(&place.state).attempt("making a folder")?;
    let index = watchbook_store::open_index(&place.state, paper::DISK).attempt("making the index")?;
    let cameras = wanted.size(64, 2);
    let plan = paper::plan(paper::streams(cameras, 500_000, 62_500)?, &place, 500);
    let paper = paper::fill(&place, plan, Paperwork::Commits, index)?;
    let range = TimeRange { start: paper::START, end: paper.now() };
    let mut text = format!(
        "A full ring of {} segments of {} MiB, {cameras} cameras with a main and a sub stream, {:.1} h; payloads on paper. Its index has {:.2} GB. Cold: the kernel forgot all files before.\n\n\
         | restart | caches | open, ms | first acknowledged commit, ms |\n|---|---|---|---|\n",
        place.capacity_bytes / segment_bytes,
        segment_bytes >> 20,
        range.nanos() as f64 / 3.6e12,
        disk_bytes(&place.index(paper::DISK)) as f64 / 1e9,
    );
    for _ in 0..wanted.size(RESTARTS, 1) {
        let (store, line) = restart(&place, "index intact")?;
        text.push_str(&line);
        store.close().attempt("closing the ring")?;
    }
    text.push('\n');
    text.push_str(&query::ask(&place, (cameras, range), wanted)?);
    std::fs::remove_dir_all(place.index(paper::DISK)).attempt("removing the index")?;
    let started = Instant::now();
    let (store, line) = restart(&place, "index lost")?;
    let _ =
        write!(text, "\n| restart | caches | open, ms | first acknowledged commit, ms |\n|---|---|---|---|\n{line}");
    let whole = rebuilt(&store, (cameras, range), started)?;
    let _ = writeln!(text, "\nThe index was whole again {:.0} s after the start.", whole.as_secs_f64());
    store.close().attempt("closing the ring")?;
    Ok(text)
}

fn restart(place: &Place, what: &str) -> Result<(Store, String)> {
    let caches = if drop_caches() { "cold" } else { "warm" };
    let started = Instant::now();
    let store = place.open()?;
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

/// Waits until the last camera's oldest footage is listed, which a rebuild comes to at its end or did before it let anybody record.
fn rebuilt(store: &Store, (cameras, range): (u16, TimeRange), started: Instant) -> Result<Duration> {
    while query::hours_listed(store, cameras, range)? < 0.9 * range.nanos() as f64 / 3.6e12 {
        if started.elapsed() > Duration::from_secs(3600) {
            return Err(crate::Error("the index was not whole after an hour".to_owned()));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(started.elapsed())
}
