//! Rings on paper: segment files with true headers and, where wanted, the true metadata of every commit, and holes where the payloads would be.

use super::bench::{Place, camera};
use crate::Result;
use crate::error::Attempt;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use watchbook_base::{Kind, TrackRole, UtcNanos};
use watchbook_store::format::{DiskId, SUPERBLOCK_MAGIC, Superblock, segment_name};
use watchbook_store::kv::{Batch, Keys, Kv, Table};
use watchbook_store::synth::paper::{Paper, PaperCommit, PaperIndex, PaperPlan, PaperStream};

/// Whose ring: any will do.
pub const DISK: DiskId = DiskId([0x57; 16]);
/// UTC of the first picture.
pub const START: UtcNanos = UtcNanos(1_780_000_000_000_000_000);
/// Said how far it is so often.
const PROGRESS: Duration = Duration::from_secs(20);

/// How long a filling waits for flushes and compactions that are behind: it writes as fast as it can, which no recorder does.
const STALL_MAX: Duration = Duration::from_secs(600);

/// An index whose writes wait as long as the database refuses them for being behind.
pub struct Patient(pub Arc<dyn Kv>);

impl Kv for Patient {
    fn get(&self, table: Table, key: &[u8]) -> watchbook_store::Result<Option<Vec<u8>>> {
        self.0.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        keys: &Keys,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> watchbook_store::Result<()> {
        self.0.scan(table, keys, visit)
    }

    fn write(&self, batch: &Batch, sync: bool) -> watchbook_store::Result<()> {
        let until = Instant::now() + STALL_MAX;
        loop {
            match self.0.write(batch, sync) {
                // It has waited for seconds by itself.
                Err(error) if error.kind == Kind::Unavailable && Instant::now() < until => {}
                written => return written,
            }
        }
    }

    fn renew(&self) -> watchbook_store::Result<()> {
        self.0.renew()
    }
}

/// Segments at the end of the ring that have the metadata of their commits in any case.
const NEWEST: u64 = 3;

/// What goes into the segment files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paperwork {
    /// Headers, and the metadata of the newest commits: a store with its index intact opens.
    Headers,
    /// The metadata of every commit, too: the index can be made again.
    Commits,
}

/// Each of `cameras` with a main video of 30 pictures a second and `main_bytes_per_sec`, and, when `sub_bytes_per_sec` is not 0, a sub video of 15.
///
/// # Errors
/// There is no such camera number.
pub fn streams(cameras: u16, main_bytes_per_sec: u64, sub_bytes_per_sec: u64) -> Result<Vec<PaperStream>> {
    let mut streams = Vec::new();
    for number in 1..=cameras {
        for (role, frames_per_sec, bytes_per_sec) in
            [(TrackRole::MainVideo, 30, main_bytes_per_sec), (TrackRole::SubVideo, 15, sub_bytes_per_sec)]
        {
            let stream = camera(number)?.stream(role);
            streams.push(PaperStream { stream, frames_per_sec, gop_frames: 2 * frames_per_sec, bytes_per_sec });
        }
    }
    streams.retain(|stream| stream.bytes_per_sec > 0);
    Ok(streams)
}

/// A plan with an outage of each stream every six hours and an event of each camera every ten minutes.
#[must_use]
pub fn plan(streams: Vec<PaperStream>, place: &Place, commit_ms: u32) -> PaperPlan {
    PaperPlan {
        streams,
        start: START,
        commit_ms,
        slots: u32::try_from(place.capacity_bytes / place.segment_bytes).unwrap_or(u32::MAX),
        segment_bytes: place.segment_bytes,
        outage_every_sec: 6 * 3600,
        event_every_sec: 600,
    }
}

/// Fills the ring at `place` once round, but for the last quarter of its last segment, and `index` with it: as if the program had been killed there. With
/// [`Paperwork::Headers`] every recording ends, as the commits of open ones could not be read again.
///
/// # Errors
/// The files or the index cannot be written.
pub fn fill(place: &Place, plan: PaperPlan, paperwork: Paperwork, index: Arc<dyn Kv>) -> Result<Paper> {
    let segments = place.ring.join("segments");
    std::fs::create_dir_all(&segments).attempt("making a folder")?;
    let superblock = Superblock { disk: DISK, segment_bytes: place.segment_bytes, created: START };
    std::fs::write(place.ring.join("superblock"), superblock.encode(SUPERBLOCK_MAGIC))
        .attempt("writing a superblock")?;
    let (slots, started) = (u64::from(plan.slots), Instant::now());
    let mut paper = Paper::new(plan, DISK);
    let mut rows = PaperIndex::new(Arc::new(Patient(index)), DISK).attempt("making the index")?;
    let mut file: Option<File> = None;
    let mut told = Instant::now();
    while paper.generation() < slots || paper.offset() < place.segment_bytes / 4 * 3 {
        let commit = paper.commit();
        // A start reads on from the newest commit that the index knows.
        let is_read = paperwork == Paperwork::Commits || paper.generation() + NEWEST > slots;
        file_away(&segments, place.segment_bytes, is_read, &commit, &mut file)?;
        rows.take(&commit).attempt("filling the index")?;
        if told.elapsed() > PROGRESS {
            told = Instant::now();
            eprintln!("  segment {} of {slots} after {:.0} s", paper.generation(), started.elapsed().as_secs_f64());
        }
    }
    if paperwork == Paperwork::Headers {
        // An index that knows of a later commit than the ring has would be made anew.
        let end = paper.end();
        file_away(&segments, place.segment_bytes, true, &end, &mut file)?;
        rows.take(&end).attempt("filling the index")?;
    }
    eprintln!("  {slots} segments on paper after {:.0} s", started.elapsed().as_secs_f64());
    Ok(paper)
}

fn file_away(
    segments: &std::path::Path,
    segment_bytes: u64,
    is_read: bool,
    commit: &PaperCommit,
    open: &mut Option<File>,
) -> Result<()> {
    if let Some(header) = &commit.header {
        let file = File::create(segments.join(segment_name(header.slot))).attempt("making a segment")?;
        file.set_len(segment_bytes).attempt("sizing a segment")?;
        file.write_all_at(&header.encode(), 0).attempt("writing a header")?;
        *open = Some(file);
    }
    match open {
        Some(file) if is_read => file.write_all_at(&commit.meta, commit.offset).attempt("writing a commit"),
        _ => Ok(()),
    }
}
