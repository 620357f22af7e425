//! How fast footage is read: MP4s made of it, every checksum verified, beside `cat` of the same bytes.

use super::Wanted;
use super::bench::{Cameras, Place, camera, drop_caches, fill, grant, video};
use crate::disk::Disk;
use crate::error::Attempt;
use crate::{Error, Result, meter};
use core::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use watchbook_access::{Action, CaseNow};
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{TimeRange, UtcNanos};
use watchbook_media::FragmentedFile;
use watchbook_media::byte_file::{ByteFile as _, chunks};
use watchbook_store::Store;

/// As much as is played in one piece at most.
const PIECE_NANOS: i64 = 600 * NANOS_PER_SEC;

/// # Errors
/// The ring cannot be made or read.
pub fn run(wanted: &Wanted) -> Result<String> {
    let mut text = "Camera 1's footage as MP4, ten minutes in each file, read through the store with every checksum verified, and `cat` of the same bytes to /dev/null.\n\n\
         | streams in the ring | caches | MP4 | export, GB/s | CPU-s per GB | cat, GB/s | CPU-s per GB |\n|---|---|---|---|---|---|---|\n"
        .to_owned();
    for streams in wanted.size(vec![1, 16], vec![2]) {
        let bytes = wanted.size(u64::from(streams) * (512 << 20), 48 << 20);
        let disk = Disk::new(&wanted.folder, bytes * 2 + (4 << 30))?;
        let place = Place {
            ring: disk.path().join("ring"),
            state: disk.path().join("state"),
            capacity_bytes: wanted.size((bytes + bytes / 4).next_multiple_of(256 << 20), 64 << 20),
            segment_bytes: wanted.size(64 << 20, 16 << 20),
        };
        let store = place.open()?;
        fill(&mut Cameras::begin(store.writer(), streams)?, bytes)?;
        let copy = disk.path().join("played.mp4");
        export(&store, &mut File::create(&copy).attempt("making a file")?)?;
        for cold in [true, false] {
            let line = one(&store, &copy, (streams, cold))?;
            eprint!("  {line}");
            text.push_str(&line);
        }
        store.close().attempt("closing the ring")?;
    }
    Ok(text)
}

fn one(store: &Store, copy: &Path, (streams, cold): (u16, bool)) -> Result<String> {
    let caches = if cold && drop_caches() { "cold" } else { "warm" };
    let (bytes, out) = timed(|| export(store, &mut std::io::sink()))?;
    if cold {
        let _ = drop_caches();
    }
    let (_, cat) = timed(|| {
        let done = Command::new("cat").arg(copy).stdout(Stdio::null()).status().attempt("running cat")?;
        if done.success() { Ok(bytes) } else { Err(Error(format!("cat ended with {done}"))) }
    })?;
    let gb = bytes as f64 / 1e9;
    let mut line = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        line,
        "| {streams} | {caches} | {gb:.2} GB | {:.2} | {:.2} | {:.2} | {:.2} |",
        gb / out.seconds,
        out.cpu_sec / gb,
        gb / cat.seconds,
        cat.cpu_sec / gb
    );
    Ok(line)
}

struct Cost {
    seconds: f64,
    cpu_sec: f64,
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Cost)> {
    let cpu = || meter::usage(&[std::process::id()]).cpu_sec;
    let (before, started) = (cpu(), Instant::now());
    let done = work()?;
    Ok((done, Cost { seconds: started.elapsed().as_secs_f64(), cpu_sec: cpu() - before }))
}

/// All footage of camera 1 as one MP4 after the other; their bytes.
fn export(store: &Store, out: &mut dyn std::io::Write) -> Result<u64> {
    let (reader, camera, stream) = (store.reader(), camera(1)?, video(1)?);
    let listed = reader.first_last(&grant(Action::Timeline { camera })?, stream).attempt("finding the footage")?;
    let range = listed.attempt("finding the footage of camera 1")?;
    let wide = TimeRange { start: UtcNanos(0), end: range.end.plus_nanos(1) };
    let spans = reader.spans(&grant(Action::Timeline { camera })?, stream, wide).attempt("listing spans")?;
    let grant = grant(Action::Playback { camera, range: wide, case: CaseNow::MEASURING.to_owned() })?;
    let footage = reader.footage(&grant, camera, wide).attempt("opening footage")?;
    let (mut from, mut bytes) = (range.start, 0);
    while from < range.end {
        let piece = TimeRange { start: from, end: from.plus_nanos(PIECE_NANOS).min(range.end) };
        let touched: Vec<_> = spans.iter().filter(|span| span.range().overlaps(piece)).cloned().collect();
        let file = FragmentedFile::plan(&touched, piece, None, &footage).attempt("planning an MP4")?;
        for chunk in chunks(&file, 0..file.len(), &footage) {
            out.write_all(&chunk.attempt("reading footage")?).attempt("writing an MP4")?;
        }
        bytes += file.len();
        from = piece.end;
    }
    Ok(bytes)
}
