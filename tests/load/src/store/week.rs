//! What the index costs the device over a simulated week: its write-ahead log, flushes and compactions, counted on a disk of its own, for each byte that the
//! ring writes. The rows are those of commits with true tables; the payloads exist on paper only, because a week of sixteen cameras is 5 TB.

use super::Wanted;
use super::bench::Place;
use super::paper::{self, DISK, Patient};
use crate::Result;
use crate::disk::Disk;
use crate::error::Attempt;
use core::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use watchbook_store::INDEX_TABLES;
use watchbook_store::kv::rocks::{RocksKv, Use};
use watchbook_store::kv::{Keys, Kv as _};
use watchbook_store::synth::paper::{Paper, PaperIndex};

/// What is recorded: words, cameras, bytes a second of main and sub video, segments of 1 GiB.
type Load = (&'static str, u16, u64, u64, u64);

const LOADS: [Load; 3] = [
    ("1 camera of 4 Mbit/s", 1, 500_000, 0, 64),
    ("16 cameras of 4 Mbit/s with a sub stream of 0.5 Mbit/s", 16, 500_000, 62_500, 1024),
    ("16 cameras of 0.5 Mbit/s", 16, 62_500, 0, 128),
];
/// Tag of a sealed payload.
const SEAL_BYTES: u64 = 16;
/// Half a second each.
const COMMITS_A_DAY: u64 = 172_800;
/// Rows are written this much at a time; then background work is awaited, which at a camera's pace is over long before more rows come.
const COMMITS_A_BREATH: u64 = 240;
const PAUSE: Duration = Duration::from_micros(500);
/// Background work may take so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// # Errors
/// The index cannot be made or written.
pub fn run(wanted: &Wanted) -> Result<String> {
    let mut text = "A week on paper, with evictions; the index on a fresh ext4 of its own, settled at the end.\n\n\
         | load | ring | footage | spans kept | index | device bytes | index bytes written per ring byte | ring and index bytes written per sample byte | index per ring byte kept | memory of the index |\n\
         |---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for load in LOADS {
        let line = one(wanted, load)?;
        eprint!("  {line}");
        text.push_str(&line);
    }
    Ok(text)
}

fn one(wanted: &Wanted, (name, cameras, main, sub, gib): Load) -> Result<String> {
    let (slots, segment_bytes) = wanted.size((gib, 1 << 30), (4, 16 << 20));
    let disk = Disk::new(&wanted.folder, 16 << 30)?;
    let place = Place { ring: disk.path(), state: disk.path(), capacity_bytes: slots * segment_bytes, segment_bytes };
    let path = place.index(paper::DISK);
    let index = Arc::new(RocksKv::open(&path, &INDEX_TABLES, Use::Index).attempt("making the index")?);
    let mut paper = Paper::new(paper::plan(paper::streams(cameras, main, sub)?, &place, 500), DISK);
    let mut rows = PaperIndex::new(Arc::new(Patient(index.clone())), DISK).attempt("making the index")?;
    let (before, started) = (disk.device_use(), Instant::now());
    let (mut ring_bytes, mut sample_bytes, mut memory_bytes) = (0_u64, 0, 0);
    for number in 0..wanted.size(7 * COMMITS_A_DAY, 4 * COMMITS_A_BREATH) {
        let commit = paper.commit();
        ring_bytes += commit.commit.commit_len;
        sample_bytes += commit.commit.runs.iter().map(|run| run.payload_len - SEAL_BYTES).sum::<u64>();
        rows.take(&commit).attempt("filling the index")?;
        if number % COMMITS_A_BREATH == 0 {
            settle(&index)?;
            memory_bytes = memory_bytes.max(index.status().memory_bytes);
        }
    }
    settle(&index)?;
    disk.settle()?;
    let device = disk.device_use().zip(before).map(|(after, before)| after.written_bytes - before.written_bytes);
    eprintln!("  {:.0} s, {} laps", started.elapsed().as_secs_f64(), paper.generation() / slots);
    let kept = index.status().file_bytes;
    let share = |bytes: u64, of: u64| bytes as f64 / of.max(1) as f64;
    let or_dash = |text: Option<String>| text.unwrap_or("–".to_owned());
    let mut line = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        line,
        "| {name} | {gib} GiB | {:.2} TB | {} | {:.0} MB | {} | {} | {} | {:.5} | {:.0} MB |",
        ring_bytes as f64 / 1e12,
        spans(&index)?,
        kept as f64 / 1e6,
        or_dash(device.map(|bytes| format!("{:.2} GB", bytes as f64 / 1e9))),
        or_dash(device.map(|bytes| format!("{:.5}", share(bytes, ring_bytes)))),
        or_dash(device.map(|bytes| format!("{:.4}", share(bytes + ring_bytes, sample_bytes)))),
        share(kept, place.capacity_bytes.min(ring_bytes)),
        memory_bytes as f64 / 1e6,
    );
    Ok(line)
}

fn spans(index: &RocksKv) -> Result<u64> {
    let mut spans = 0;
    let counted = index.scan(INDEX_TABLES[0], &Keys::prefix(b""), &mut |_, _| {
        spans += 1;
        true
    });
    counted.attempt("counting spans").map(|()| spans)
}

/// Waits until nothing is flushed or compacted.
fn settle(index: &RocksKv) -> Result<()> {
    let started = Instant::now();
    while index.status().is_busy {
        if started.elapsed() > PATIENCE {
            return Err(crate::Error(format!("the index was still busy after {PATIENCE:?}")));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
