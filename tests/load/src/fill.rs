//! A ring with a day in it, written through the store's own writer. One commit holds half a second of footage, as it does when a camera sends; only the
//! waiting for the disk is left out, because 172,800 syncs would take longer than everything that is measured.

use crate::Result;
use crate::error::Attempt;
use crate::recorders::Station;
use crate::recorders::watchbook::RingSize;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use watchbook_base::clock::SystemClock;
use watchbook_base::fs::{File, Fs, LockGuard, OpenMode, RealFs, Space};
use watchbook_base::{CameraId, Clock, TrackRole, UtcNanos};
use watchbook_store::synth::Synth;
use watchbook_store::{Config, Deps, Keys, MasterSource, Place, Store};

/// Sizes of a key frame and of the others. What a header costs depends on the number of samples, not on their size, so a day has 0.4 GB and not 43.
const SAMPLE_BYTES: [usize; 2] = [1450, 145];
/// A half-second commit is rounded up to blocks: 15 samples, their table and the commit's head stay below this.
const COMMIT_BYTES_MAX: u64 = 16 << 10;
/// Commits a second.
const COMMITS_PER_SEC: u64 = 2;

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct Filled {
    /// Time of the first frame.
    pub start_utc_ms: i64,
    /// Frames.
    pub frames: u64,
    /// Commits.
    pub commits: u64,
}

/// What [`fill`] writes at most.
#[must_use]
pub fn footage_bytes_max(seconds: u64) -> u64 {
    seconds * COMMITS_PER_SEC * COMMIT_BYTES_MAX
}

/// Writes `seconds` of the main video of camera 1, which end a minute ago.
///
/// # Errors
/// The ring cannot be made or written.
pub fn fill(station: &Station, seconds: u64) -> Result<Filled> {
    let RingSize { gib, segment_mib } = RingSize::for_footage(station.footage_bytes_max);
    let (state, ring) = (station.disk.join("state"), station.disk.join("ring"));
    for folder in [&state, &ring] {
        std::fs::create_dir_all(folder).attempt("making a folder")?;
    }
    let capacity_bytes = (gib * f64::from(1 << 30)) as u64;
    let config = Config { segment_bytes: Some(segment_mib << 20), ..Config::new(&ring, capacity_bytes) };
    let (fs, clock): (Arc<dyn Fs>, Arc<dyn Clock>) = (Arc::new(RealFs), Arc::new(SystemClock));
    let master = MasterSource::parse("", &state).attempt("naming the master key")?;
    let keys = Keys::open(Place::usual(&fs, &state, &ring), &master, &*fs, clock.clone()).attempt("making the keys")?;
    let index: watchbook_store::OpenIndex = Arc::new(move |disk| watchbook_store::open_index(&state, disk));
    let deps = Deps { fs: Arc::new(Unsynced), clock, index, keys: Some(Arc::new(keys)), register: None };
    let store = Store::open(&[config], &deps).attempt("making the ring")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).attempt("asking for the time")?;
    // A minute ago, so that nothing of it lies in the future of whoever asks.
    let start_utc_ms = i64::try_from(now.as_millis()).attempt("asking for the time")?
        - i64::try_from((seconds + 60) * 1000).attempt("counting milliseconds")?;
    let stream = CameraId::new(1).attempt("naming camera 1")?.stream(TrackRole::MainVideo);
    let mut synth = Synth::camera_1080p(vec![stream], UtcNanos::from_ms(start_utc_ms), seconds);
    synth.gop_bytes.fill(SAMPLE_BYTES[1]);
    synth.gop_bytes[0] = SAMPLE_BYTES[0];
    synth.write(&store).attempt("filling the ring")?;
    let commits = store.writer().stats().commits;
    store.close().attempt("closing the ring")?;
    Ok(Filled { start_utc_ms, frames: seconds * u64::from(synth.frames_per_sec), commits })
}

/// The operating system's files, without waiting for the disk.
struct Unsynced;

struct UnsyncedFile(Box<dyn File>);

impl Fs for Unsynced {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        RealFs.create_dir(dir)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        Ok(Box::new(UnsyncedFile(RealFs.open(path, mode)?)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealFs.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFs.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealFs.remove(path)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        RealFs.space(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<LockGuard> {
        RealFs.lock(path)
    }
}

impl File for UnsyncedFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.0.allocate(len)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn write_all_at(&self, bufs: &[&[u8]], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bufs, offset)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_ring_holds_every_commit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let station = Station {
            urls: vec![],
            disk: path.clone(),
            scratch: path,
            udp: false,
            footage_bytes_max: footage_bytes_max(60),
        };
        let filled = fill(&station, 60).unwrap();
        assert_eq!((filled.frames, filled.commits >= 120), (1800, true));
    }
}
