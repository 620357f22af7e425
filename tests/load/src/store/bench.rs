//! The store as the benchmarks use it: everything that knows how it is opened is in this file.

use crate::error::Attempt;
use crate::{Error, Result};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use watchbook_access::{Action, AuditEntry, AuditError, AuditLog, CaseNow, Grant, Role, Subject};
use watchbook_base::clock::SystemClock;
use watchbook_base::fs::{Fs, RealFs};
use watchbook_base::{CameraId, StreamId, SyncState, Ticks90k, TrackRole};
use watchbook_media::{Codec, Packet, RecordingStart, TrackFormat};
use watchbook_store::format::DiskId;
use watchbook_store::{Config, Deps, DiskState, Keys, MasterSource, Place as KeyPlace, Register, Store, Writer};

/// One flush may take so long.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Pictures a second.
pub const FRAMES_PER_SEC: u64 = 30;
/// Pictures from key frame to key frame.
pub const GOP_FRAMES: u64 = 60;
/// Sizes of a key frame and of any other: 1,000,000 bytes in two seconds, 4 Mbit/s.
pub const SAMPLE_BYTES: [usize; 2] = [144_930, 14_493];
/// A picture has so many bytes more or less.
const SIZE_SPREAD: usize = 512;
/// Sample bytes of one stream in a second.
pub const STREAM_BYTES_PER_SEC: u64 = 500_000;

/// Where a ring and its index lie.
#[derive(Clone, Debug)]
pub struct Place {
    /// Directory of the ring.
    pub ring: PathBuf,
    /// Directory above the index.
    pub state: PathBuf,
    /// All segments together.
    pub capacity_bytes: u64,
    /// One of them.
    pub segment_bytes: u64,
}

impl Place {
    /// Opens the store there; what it records is sealed.
    ///
    /// # Errors
    /// Those of [`Keys::open`] and [`Store::open`].
    pub fn open(&self) -> Result<Store> {
        self.open_sealed(None)
    }

    /// Opens the store there, with its register.
    ///
    /// # Errors
    /// Those of [`Place::open`].
    pub fn open_logged(&self, register: Arc<Register>) -> Result<Store> {
        self.open_sealed(Some(register))
    }

    fn open_sealed(&self, register: Option<Arc<Register>>) -> Result<Store> {
        let fs: Arc<dyn Fs> = Arc::new(RealFs);
        let places = KeyPlace::usual(&fs, &self.state, &self.ring);
        let master = MasterSource::parse("", &self.state).attempt("naming the master key")?;
        std::fs::create_dir_all(&self.state).attempt("making a folder")?;
        let keys = Keys::open(places, &master, &*fs, Arc::new(SystemClock)).attempt("making the keys")?;
        self.open_with(Some(Arc::new(keys)), register)
    }

    /// Opens a store whose ring exists on paper and has no keys.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn open_paper(&self) -> Result<Store> {
        self.open_with(None, None)
    }

    fn open_with(&self, keys: Option<Arc<Keys>>, register: Option<Arc<Register>>) -> Result<Store> {
        let config = Config { segment_bytes: Some(self.segment_bytes), ..Config::new(&self.ring, self.capacity_bytes) };
        std::fs::create_dir_all(&self.state).attempt("making a folder")?;
        let state = self.state.clone();
        let index = Arc::new(move |disk| watchbook_store::open_index(&state, disk));
        let deps = Deps { fs: Arc::new(RealFs), clock: Arc::new(SystemClock), index, keys, register };
        let store = Store::open(&[config], &deps).attempt("opening the ring")?;
        // A start does not wait for a disk for long; a measurement does.
        let until = Instant::now() + JOIN_MAX;
        while store.disks().list().iter().any(|disk| disk.state != DiskState::Recording) {
            if Instant::now() >= until {
                return Err(Error(format!("the ring is not open after {} s", JOIN_MAX.as_secs())));
            }
            std::thread::park_timeout(JOIN_LOOK);
        }
        Ok(store)
    }

    /// Directory of the index of `disk`.
    #[must_use]
    pub fn index(&self, disk: DiskId) -> PathBuf {
        self.state.join("index").join(disk.to_string())
    }
}

/// How long a ring may take to open, and the time between two looks.
const JOIN_MAX: Duration = Duration::from_secs(300);
const JOIN_LOOK: Duration = Duration::from_millis(1);

/// The main video of camera `number`, from 1.
///
/// # Errors
/// `number` is 0.
pub fn video(number: u16) -> Result<StreamId> {
    Ok(camera(number)?.stream(TrackRole::MainVideo))
}

/// Camera `number`, from 1.
///
/// # Errors
/// `number` is 0.
pub fn camera(number: u16) -> Result<CameraId> {
    CameraId::new(u32::from(number)).attempt("naming a camera")
}

struct NoLog;

impl AuditLog for NoLog {
    fn append(&self, _: &AuditEntry) -> core::result::Result<u64, AuditError> {
        Ok(0)
    }
}

/// A grant for `action`, logged nowhere.
///
/// # Errors
/// Investigators may not do that.
pub fn grant(action: Action) -> Result<Grant> {
    let mut subject = Subject::new(1, [Role::Investigator].into_iter().collect(), None);
    if let Action::Playback { camera, .. } = &action {
        subject.case = Some(CaseNow::for_measuring(1, *camera));
    }
    watchbook_access::open(&subject, action, &NoLog)
        .map_err(|refusal| Error(format!("asking for a grant: {refusal:?}")))
}

/// Cameras that make up footage: 1080p30 at 4 Mbit/s with a key frame every two seconds, each at another point of its GOP.
pub struct Cameras {
    writer: Writer,
    streams: Vec<(StreamId, u64)>,
    filler: Bytes,
}

impl Cameras {
    /// Begins a recording of each of `count` cameras.
    ///
    /// # Errors
    /// There is no such camera number.
    pub fn begin(writer: Writer, count: u16) -> Result<Self> {
        let config = Bytes::from_static(&[1; 40]);
        let format = TrackFormat { codec: Codec::H264 { width: 1920, height: 1080 }, config };
        let mut streams = Vec::new();
        for number in 1..=count {
            let stream = video(number)?;
            let (utc, mono) = (writer.clock().utc(), writer.clock().mono());
            writer.begin(&RecordingStart { stream, format: format.clone(), utc, mono, sync: SyncState::Synchronised });
            streams.push((stream, 0));
        }
        let filler: Vec<u8> = (0..SAMPLE_BYTES[0] + SIZE_SPREAD).map(|at| (at * at % 251) as u8).collect();
        Ok(Self { writer, streams, filler: filler.into() })
    }

    /// Cameras.
    #[must_use]
    pub fn count(&self) -> usize {
        self.streams.len()
    }

    /// The next picture of camera `index` (from 0). Returns its bytes.
    ///
    /// # Errors
    /// Those of [`Writer::append`].
    pub fn send(&mut self, index: usize) -> Result<u64> {
        let (stream, frame) = self.streams.get_mut(index).attempt("finding a camera")?;
        // The first picture of a recording must be a key frame; from there on each camera has another rhythm.
        let shift = index as u64 * 7 % GOP_FRAMES;
        let key = *frame == 0 || (*frame + shift).is_multiple_of(GOP_FRAMES);
        // As of cameras no two are alike: of equal ones the padding behind a commit would be the same each time. They differ by up to [`SIZE_SPREAD`], evenly.
        let dice = (index as u64 ^ *frame << 16).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
        let size = SAMPLE_BYTES[usize::from(!key)] + usize::try_from(dice).attempt("choosing a size")? - SIZE_SPREAD;
        let dts = Ticks90k(i64::try_from(*frame * 90_000 / FRAMES_PER_SEC).attempt("counting ticks")?);
        let (utc, mono) = (self.writer.clock().utc(), self.writer.clock().mono());
        let data = self.filler.slice(..size);
        let packet = Packet { stream: *stream, dts, cts_offset: 0, utc, mono, key, lost_before: 0, data };
        *frame += 1;
        self.writer.append(packet).attempt("appending a picture")?;
        Ok(size as u64)
    }

    /// One picture of every camera.
    ///
    /// # Errors
    /// Those of [`Cameras::send`].
    pub fn send_all(&mut self) -> Result<u64> {
        (0..self.streams.len()).map(|index| self.send(index)).sum()
    }
}

/// Writes at least `bytes` as fast as the disk takes them, one commit for each half second of footage.
///
/// # Errors
/// Those of the store.
pub fn fill(cameras: &mut Cameras, bytes: u64) -> Result<u64> {
    let mut written = 0;
    while written < bytes {
        for _ in 0..FRAMES_PER_SEC / 2 {
            written += cameras.send_all()?;
        }
        cameras.writer.flush(PATIENCE).attempt("flushing the ring")?;
    }
    Ok(written)
}

/// Makes the kernel forget what it has read from disks; false where that is not permitted.
#[must_use]
pub fn drop_caches() -> bool {
    rustix::fs::sync();
    std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

/// Bytes that a directory's files take on their disk.
#[must_use]
pub fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.blocks() * 512).sum()
}
