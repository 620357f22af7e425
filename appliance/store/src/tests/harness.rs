//! A ring without threads or real files: the test says when a commit happens.

use crate::config::Config;
use crate::format::{Commit, SegmentHeader};
use crate::keys::{Keys, MasterSource, Place};
use crate::kv::Kv;
use crate::kv::model::ModelKv;
use crate::scan::{SegmentReader, first_position};
use crate::store::{Deps, Parts, assemble};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use watchbook_access::{Action, AuditEntry, AuditError, AuditLog, CaseNow, Grant, Role, Subject};
use watchbook_base::clock::SimClock;
use watchbook_base::fs::sim::{Dice, SimFs};
use watchbook_base::fs::{Fs, OpenMode};
use watchbook_base::{CameraId, Clock, StreamId, SyncState, Ticks90k, TimeRange, TrackRole, UtcNanos};
use watchbook_media::{Codec, Packet, RecordingStart, Sample, SpanSource, SpanSummary, TrackFormat};

pub(crate) const START: UtcNanos = UtcNanos(1_800_000_000_000_000_000);
pub(crate) const ALL: TimeRange = TimeRange { start: UtcNanos(0), end: UtcNanos(i64::MAX / 2) };
pub(crate) const MIB: u64 = 1 << 20;

/// One box: what outlives a restart of the recorder.
pub(crate) struct Box_ {
    pub(crate) fs: SimFs,
    pub(crate) kv: ModelKv,
    pub(crate) clock: SimClock,
    pub(crate) config: Config,
    /// Footage is sealed.
    pub(crate) sealed: bool,
}

impl Box_ {
    pub(crate) fn new(seed: u64) -> Self {
        let config = Config { segment_bytes: Some(4 * MIB), ..Config::new("/ring", 16 * MIB) };
        Self { fs: SimFs::new(seed), kv: ModelKv::crashing(), clock: SimClock::new(START), config, sealed: true }
    }

    pub(crate) fn open(&self) -> Parts {
        self.try_open().unwrap()
    }

    pub(crate) fn try_open(&self) -> crate::Result<Parts> {
        let keys = self.sealed.then(|| self.keys()).transpose()?;
        let mut parts = assemble(&self.config, &Deps { keys, ..self.deps() })?;
        parts.committer.finish_index();
        Ok(parts)
    }

    /// Reads and verifies all of the closed ring, index and digests included.
    pub(crate) fn check(&self) -> crate::Report {
        let ring = crate::ClosedRing::open(&self.config.dir, Arc::new(self.fs.clone())).unwrap();
        ring.with_keys(self.keys().unwrap()).check(Some(&self.kv), &mut |_| {})
    }

    /// Both copies of the keys lie on the one disk that there is.
    pub(crate) fn keys(&self) -> crate::Result<Arc<Keys>> {
        let place = |dir: &str| Place { fs: Arc::new(self.fs.clone()), dir: dir.into(), needs: None };
        let master = MasterSource::File("/state/master.key".into());
        let clock = Arc::new(self.clock.clone());
        Ok(Arc::new(Keys::open([place("/state/keys"), place("/ring/keys")], &master, &self.fs, clock)?))
    }

    /// [`forge_hash`] in a segment of the closed ring.
    pub(crate) fn forge_hash(&self, slot: u32) -> (u64, Commit) {
        let ring = crate::ring::Ring::open_existing(&self.config.dir, Arc::new(self.fs.clone())).unwrap();
        let header = ring.header(slot).unwrap();
        let reader = ring.reader(slot, header.generation).unwrap();
        forge_hash(&self.fs, &ring.path(slot), (&reader, &header))
    }

    pub(crate) fn deps(&self) -> Deps {
        let (fs, clock) = (Arc::new(self.fs.clone()), Arc::new(self.clock.clone()));
        let kv: Arc<dyn Kv> = Arc::new(self.kv.clone());
        Deps { fs, clock, index: Arc::new(move |_| Ok(kv.clone())), keys: None, register: None }
    }
}

pub(crate) fn camera(number: u32) -> CameraId {
    CameraId::new(number).unwrap()
}

pub(crate) fn video(number: u32) -> StreamId {
    camera(number).stream(TrackRole::MainVideo)
}

struct NoLog;

impl AuditLog for NoLog {
    fn append(&self, _: &AuditEntry) -> Result<u64, AuditError> {
        Ok(0)
    }
}

pub(crate) fn grant(action: Action) -> Grant {
    let mut subject = Subject::new(1, [Role::Investigator].into_iter().collect(), None);
    if let Action::Playback { camera, .. } = &action {
        subject.case = Some(CaseNow::for_measuring(1, *camera));
    }
    watchbook_access::open(&subject, action, &NoLog).unwrap()
}

pub(crate) fn playback(number: u32) -> Grant {
    grant(Action::Playback { camera: camera(number), range: ALL, case: CaseNow::MEASURING.into() })
}

/// A camera that makes up footage whose bytes tell where they belong.
pub(crate) struct Cam {
    pub(crate) stream: StreamId,
    pub(crate) frame: i64,
    pub(crate) begun: UtcNanos,
    pub(crate) size: usize,
    take: u64,
}

pub(crate) const STEP_TICKS: i64 = 3600;
pub(crate) const STEP_NANOS: u64 = 40_000_000;

impl Cam {
    pub(crate) fn new(number: u32, size: usize) -> Self {
        Self { stream: video(number), frame: 0, begun: START, size, take: 0 }
    }

    pub(crate) fn start(&mut self, clock: &SimClock) -> RecordingStart {
        self.frame = 0;
        self.take += 1;
        self.begun = clock.utc();
        RecordingStart {
            stream: self.stream,
            format: TrackFormat {
                codec: Codec::H264 { width: 640, height: 360 },
                config: Bytes::copy_from_slice(&self.take.to_le_bytes()),
            },
            utc: self.begun,
            mono: clock.mono(),
            sync: SyncState::Synchronised,
        }
    }

    /// The next frame: 25 a second, a key frame every 12.
    pub(crate) fn packet(&mut self, clock: &SimClock) -> Packet {
        let dts = Ticks90k(self.frame * STEP_TICKS);
        let mut dice = Dice::new(self.take << 32 ^ u64::from(self.stream.to_u32()) << 48 ^ self.frame as u64);
        let key = self.frame % 12 == 0;
        let size = if key { self.size * 4 } else { self.size } + dice.below(1 + self.size as u64 / 2) as usize;
        let data: Vec<u8> = (0..size.div_ceil(8)).flat_map(|_| dice.roll().to_le_bytes()).take(size).collect();
        self.frame += 1;
        Packet {
            stream: self.stream,
            dts,
            cts_offset: 0,
            utc: self.begun.plus_ticks(dts),
            mono: clock.mono(),
            key,
            lost_before: lost_before(&data),
            data: data.into(),
        }
    }
}

/// What is said to be missing before a sample with these bytes: mostly nothing, so that a reader can tell from the bytes whether it was kept.
fn lost_before(data: &[u8]) -> u16 {
    match data {
        [0..16, low, high, ..] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    }
}

/// Every sample of a stream that a reader gets: UTC of its decode time and bytes.
pub(crate) fn samples(parts: &Parts, stream: StreamId) -> Vec<(UtcNanos, Bytes)> {
    let grant = playback(stream.camera.get());
    let spans = parts.reader.spans(&grant, stream, ALL).unwrap();
    let footage = parts.reader.footage(&grant, stream.camera, ALL).unwrap();
    spans.iter().flat_map(|span| samples_of(&footage, span)).collect()
}

/// Samples that [`Cam`] made up, which are looked at.
pub(crate) fn samples_of(source: &dyn SpanSource, span: &SpanSummary) -> Vec<(UtcNanos, Bytes)> {
    let all = read_samples(source, span).into_iter();
    all.map(|(sample, utc, bytes)| {
        assert_eq!(sample.lost_before, lost_before(&bytes), "what is missing before it is kept with it");
        assert!(span.has_lost || sample.lost_before == 0, "and its span says that something is");
        (utc, bytes)
    })
    .collect()
}

/// Each with the UTC of its decode time.
pub(crate) fn read_samples(source: &dyn SpanSource, span: &SpanSummary) -> Vec<(Sample, UtcNanos, Bytes)> {
    let table = source.table(span).unwrap();
    assert_eq!(table.runs.len(), span.run_count as usize);
    assert_eq!(table.samples().count(), span.sample_count as usize);
    let get = |(at, sample): (u64, &Sample)| {
        let bytes = source.read(span, at, u64::from(sample.size_bytes)).unwrap();
        (*sample, span.start_utc.plus_ticks(sample.dts - span.first_dts), bytes)
    };
    table.samples().map(get).collect()
}

/// Changes the hash of the first run of the last commit of a closed segment, with every checksum right, as somebody could who has no key. Gives the offset
/// of the commit, and the commit.
pub(crate) fn forge_hash(fs: &SimFs, path: &Path, segment: (&SegmentReader, &SegmentHeader)) -> (u64, Commit) {
    let (reader, header) = segment;
    let mut last = None;
    let (_, damage) = reader.scan(first_position(header), None, &mut |at, commit, _| last = Some((at.offset, commit)));
    assert!(damage.is_empty());
    let (offset, mut commit) = last.unwrap();
    commit.runs[0].sha256[0] ^= 1;
    let file = fs.open(path, OpenMode::ReadWrite).unwrap();
    file.write_all_at(&[&commit.encode()], offset).unwrap();
    file.sync().unwrap();
    (offset, commit)
}

/// A run without samples, for what only needs one to name.
pub(crate) fn run_of(camera: CameraId) -> crate::format::Run {
    crate::format::Run {
        stream: camera.stream(TrackRole::MainVideo),
        recording: watchbook_media::RecordingId(1),
        payload_offset: 0,
        payload_len: 0,
        table: Vec::new(),
        sample_count: 0,
        key_count: 0,
        has_cts: false,
        has_lost: false,
        first_dts: Ticks90k(0),
        length_ticks: 0,
        first_utc: UtcNanos(0),
        first_mono: watchbook_base::MonoNanos(0),
        crc: 0,
        sha256: [0; 32],
        seal: None,
    }
}

/// Seeds to live: `count` of them, as many as `WATCHBOOK_SEEDS` says, or `WATCHBOOK_SEED` alone.
pub(crate) fn seeds(count: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a seed is a number"));
    match number("WATCHBOOK_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("WATCHBOOK_SEEDS").unwrap_or(count)).collect(),
    }
}
