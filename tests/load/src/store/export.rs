//! How fast footage leaves: an MP4 made of it, every checksum verified, beside `cat` of the same bytes.

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
use watchbook_access::Action;
use watchbook_base::{TimeRange, UtcNanos};
use watchbook_media::byte_file::{ByteFile as _, chunks};
use watchbook_media::mp4_file::ProgressiveFile;
use watchbook_store::Store;

/// # Errors
/// The ring cannot be made or read.
pub fn run(wanted: &Wanted) -> Result<String> {
    let mut text = "Camera 1's footage as one MP4, read through the store with every checksum verified, and `cat` of that file to /dev/null.\n\n\
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
        let copy = disk.path().join("export.mp4");
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

/// All footage of camera 1 as an MP4; its bytes.
fn export(store: &Store, out: &mut dyn std::io::Write) -> Result<u64> {
    let (reader, camera, stream) = (store.reader(), camera(1)?, video(1)?);
    let listed = reader.first_last(&grant(Action::Timeline { camera })?, stream).attempt("finding the footage")?;
    let range = listed.attempt("finding the footage of camera 1")?;
    let wide = TimeRange { start: UtcNanos(0), end: range.end.plus_nanos(1) };
    let spans = reader.spans(&grant(Action::Timeline { camera })?, stream, wide).attempt("listing spans")?;
    let grant = grant(Action::Export { camera, range: wide })?;
    let footage = reader.footage(&grant, camera, wide).attempt("opening footage")?;
    let file = ProgressiveFile::plan(&spans, &[], range, &footage).attempt("planning an MP4")?;
    for chunk in chunks(&file, 0..file.len(), &footage) {
        out.write_all(&chunk.attempt("reading footage")?).attempt("writing an MP4")?;
    }
    Ok(file.len())
}
