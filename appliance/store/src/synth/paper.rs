//! Footage on paper: commits with true run directories and sample tables, and no payloads. From them the product's own code makes an index of any size, and
//! a ring with their metadata can be scanned and recovered in a thousandth of its room. A payload's checksum, digest and nonce are random, as real ones look.

use crate::catalog::rows::{Position, SlotRow};
use crate::catalog::{Catalog, Live, empty_index};
use crate::codec::{count, narrow, wide};
use crate::error::Result;
use crate::format::{BLOCK_BYTES, Commit, DiskId, Record, Run, Seal, SegmentHeader};
use crate::index::IndexQueue;
use crate::kv::Kv;
use bytes::Bytes;
use std::sync::Arc;
use watchbook_base::{Event, EventSource, GapReason, MonoNanos, StreamId, SyncState, Ticks90k, UtcNanos};
use watchbook_evidence::{Hash, sha256};
use watchbook_media::sample_table::encode_run;
use watchbook_media::{Codec, RecordingEnd, RecordingId, RecordingStart, RunTable, Sample, TrackFormat};

const NANOS_PER_SEC: i64 = 1_000_000_000;
/// A key frame is so many times as large as another picture.
const KEY_WEIGHT: u64 = 10;
/// How long a stream stays away.
const OUTAGE_SEC: i64 = 10;

/// What one stream of a camera sends.
#[derive(Clone, Copy, Debug)]
pub struct PaperStream {
    /// Which.
    pub stream: StreamId,
    /// Pictures a second.
    pub frames_per_sec: u32,
    /// Pictures from key frame to key frame.
    pub gop_frames: u32,
    /// Sample bytes a second.
    pub bytes_per_sec: u64,
}

/// What to make up.
#[derive(Clone, Debug)]
pub struct PaperPlan {
    /// For which streams.
    pub streams: Vec<PaperStream>,
    /// UTC of the first commit.
    pub start: UtcNanos,
    /// Time that a commit covers.
    pub commit_ms: u32,
    /// Segment files.
    pub slots: u32,
    /// Size of each.
    pub segment_bytes: u64,
    /// Each stream is away for ten seconds once in so many; 0: never.
    pub outage_every_sec: i64,
    /// Each camera's main stream brings an event once in so many seconds; 0: never.
    pub event_every_sec: i64,
}

/// A commit and where it goes.
#[derive(Clone, Debug)]
pub struct PaperCommit {
    /// The header of its segment, when it is the first there.
    pub header: Option<SegmentHeader>,
    /// File number.
    pub slot: u32,
    /// In the segment file.
    pub offset: u64,
    /// The commit.
    pub commit: Commit,
    /// Stored form of its metadata.
    pub meta: Vec<u8>,
    /// SHA-256 of that.
    pub hash: Hash,
}

#[derive(Clone, Copy, Debug, Default)]
struct StreamState {
    recording: Option<RecordingId>,
    begun: i64,
    frames: i64,
    /// The segment has its record 1 already.
    stated: bool,
}

/// Makes commits, one behind the other, round the ring.
#[derive(Debug)]
pub struct Paper {
    plan: PaperPlan,
    disk: DiskId,
    streams: Vec<StreamState>,
    dice: u64,
    /// Commits made.
    done: i64,
    at: Position,
    next_recording: u64,
    next_event: u64,
}

impl Paper {
    /// Begins on an empty ring; the same plan and disk make the same commits.
    #[must_use]
    pub fn new(plan: PaperPlan, disk: DiskId) -> Self {
        let streams = vec![StreamState::default(); plan.streams.len()];
        let at = Position { offset: plan.segment_bytes, seq: 1, ..Position::default() };
        Self { plan, disk, streams, dice: 1, done: 0, at, next_recording: 1, next_event: 1 }
    }

    /// Generation of the segment that is being filled.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.at.generation
    }

    /// Where the next commit goes in its segment, if it fits.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.at.offset
    }

    /// UTC of the next commit's first sample.
    #[must_use]
    pub fn now(&self) -> UtcNanos {
        self.plan.start.plus_nanos(self.done.saturating_mul(self.commit_nanos()))
    }

    fn commit_nanos(&self) -> i64 {
        i64::from(self.plan.commit_ms) * 1_000_000
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn random(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn random_array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            let random = self.random().to_le_bytes();
            chunk.iter_mut().zip(random).for_each(|(byte, random)| *byte = random);
        }
        bytes
    }

    /// The next commit.
    pub fn commit(&mut self) -> PaperCommit {
        self.compose(false)
    }

    /// A last commit, which ends every recording: an index made so far has no open spans.
    pub fn end(&mut self) -> PaperCommit {
        self.compose(true)
    }

    fn compose(&mut self, ending: bool) -> PaperCommit {
        let utc = self.now();
        let header = self.roll(utc);
        let mut runs = Vec::with_capacity(self.streams.len());
        let mut records = self.open_gaps(header.is_some(), utc);
        for index in 0..self.streams.len() {
            self.one_stream(index, (utc, ending), &mut runs, &mut records);
        }
        let mut commit = Commit {
            seq: self.at.seq,
            generation: self.at.generation,
            disk: self.disk,
            prev_hash: self.at.prev_hash,
            commit_len: 0,
            utc,
            mono: MonoNanos(self.done.saturating_mul(self.commit_nanos()).unsigned_abs()),
            sync: SyncState::Synchronised,
            next_recording: self.next_recording,
            next_event: self.next_event,
            runs,
            records,
        };
        let meta = commit.encode();
        let (slot, offset) = (self.at.slot, self.at.offset);
        self.at.offset += commit.commit_len;
        self.at.seq += 1;
        let hash = sha256(&meta);
        self.at.prev_hash = hash;
        self.done += 1;
        PaperCommit { header, slot, offset, commit, meta, hash }
    }

    /// Opens the next segment when one more commit might not fit.
    fn roll(&mut self, utc: UtcNanos) -> Option<SegmentHeader> {
        let per_sec: u64 = self.plan.streams.iter().map(|stream| stream.bytes_per_sec).sum();
        // A commit with key frames of all streams at once is twice the average; run entry, table and restated format stay below 512 bytes a stream.
        let most = per_sec * u64::from(self.plan.commit_ms) / 500 + wide(self.streams.len()) * 512 + BLOCK_BYTES;
        if self.at.offset + most <= self.plan.segment_bytes {
            return None;
        }
        self.at.slot = self.at.slot % self.plan.slots.max(1) + 1;
        self.at.generation += 1;
        self.at.offset = BLOCK_BYTES;
        self.streams.iter_mut().for_each(|stream| stream.stated = false);
        Some(SegmentHeader {
            disk: self.disk,
            slot: self.at.slot,
            generation: self.at.generation,
            first_seq: self.at.seq,
            prev_hash: self.at.prev_hash,
            utc,
            next_recording: self.next_recording,
            next_event: self.next_event,
        })
    }

    fn open_gaps(&self, restate: bool, utc: UtcNanos) -> Vec<(u32, Record)> {
        let away = self.plan.streams.iter().zip(&self.streams).filter(|(_, state)| state.recording.is_none());
        let gap = |stream: StreamId| {
            let end = RecordingEnd { stream, utc, reason: GapReason::CameraGone };
            (0, Record::End { recording: None, end, restated: true })
        };
        away.filter(|_| restate && self.done > 0).map(|(plan, _)| gap(plan.stream)).collect()
    }

    fn one_stream(
        &mut self,
        index: usize,
        (utc, ending): (UtcNanos, bool),
        runs: &mut Vec<Run>,
        records: &mut Vec<(u32, Record)>,
    ) {
        let Some((plan, mut state)) = self.plan.streams.get(index).copied().zip(self.streams.get(index).copied())
        else {
            return;
        };
        let away = ending || self.is_away(index, utc);
        if away {
            if let Some(recording) = state.recording.take() {
                let end = RecordingEnd { stream: plan.stream, utc, reason: GapReason::CameraGone };
                records.push((count(runs.len()), Record::End { recording: Some(recording), end, restated: false }));
            }
        } else {
            let new = state.recording.is_none();
            if new {
                state = StreamState { recording: Some(RecordingId(self.next_recording)), begun: utc.0, ..state };
                state.frames = 0;
                state.stated = false;
                self.next_recording += 1;
            }
            let recording = state.recording.unwrap_or(RecordingId(0));
            if !state.stated {
                let start = start_of(&plan, UtcNanos(state.begun));
                records.push((count(runs.len()), Record::Start { recording, start, restated: !new }));
                state.stated = true;
            }
            if let Some(run) = self.run(&plan, &mut state, recording) {
                runs.push(run);
            }
            self.event(&plan, utc, count(runs.len()), records);
        }
        if let Some(slot) = self.streams.get_mut(index) {
            *slot = state;
        }
    }

    fn is_away(&self, index: usize, utc: UtcNanos) -> bool {
        let every = self.plan.outage_every_sec;
        // Each at another time of the period, and all there at the beginning.
        let shift = i64::try_from(index).unwrap_or(0).saturating_mul(7919);
        let since = (utc.0 - self.plan.start.0) / NANOS_PER_SEC;
        every > 0 && since >= every && (since + shift) % every < OUTAGE_SEC
    }

    fn run(&mut self, plan: &PaperStream, state: &mut StreamState, recording: RecordingId) -> Option<Run> {
        let until = (self.done + 1).saturating_mul(self.commit_nanos()) + self.plan.start.0 - state.begun;
        let rate = i64::from(plan.frames_per_sec.max(1));
        let frames = until.saturating_mul(rate) / NANOS_PER_SEC;
        let ticks = 90_000 / rate;
        let gop = i64::from(plan.gop_frames.max(1));
        let share = plan.bytes_per_sec * u64::from(plan.gop_frames)
            / (u64::from(plan.gop_frames) + KEY_WEIGHT - 1)
            / u64::from(plan.frames_per_sec.max(1));
        let mut samples = Vec::new();
        for frame in state.frames..frames {
            let key = frame % gop == 0;
            let mean = share * if key { KEY_WEIGHT } else { 1 };
            // Three quarters to five quarters of the mean.
            let size = mean - mean / 4 + self.random() % (mean / 2).max(1);
            let size_bytes = u32::try_from(size).unwrap_or(u32::MAX).max(1);
            samples.push(Sample { dts: Ticks90k(frame * ticks), cts_offset: 0, size_bytes, key, lost_before: 0 });
        }
        let first = samples.first()?.dts;
        state.frames = frames;
        let table = RunTable { samples };
        let mut encoded = Vec::new();
        encode_run(&table, &mut encoded).ok()?;
        // The tag of AES-256-GCM behind the ciphertext.
        let payload_len = table.byte_count() + 16;
        let arrived = UtcNanos(state.begun).plus_ticks(first);
        Some(Run {
            stream: plan.stream,
            recording,
            payload_offset: 0,
            payload_len,
            table: encoded,
            sample_count: count(table.samples.len()),
            key_count: count(table.samples.iter().filter(|sample| sample.key).count()),
            has_cts: false,
            has_lost: false,
            first_dts: first,
            length_ticks: count(table.samples.len()) * u32::try_from(ticks).unwrap_or(0),
            first_utc: arrived,
            first_mono: MonoNanos((arrived.0 - self.plan.start.0).unsigned_abs()),
            crc: u32::from_le_bytes(self.random_array()),
            sha256: self.random_array(),
            // Key 0 is none: a store without keys lists it.
            seal: Some(Seal { cipher: 1, key_id: 0, nonce: self.random_array() }),
        })
    }

    fn event(&mut self, plan: &PaperStream, utc: UtcNanos, position: u32, records: &mut Vec<(u32, Record)>) {
        let every = self.plan.event_every_sec.saturating_mul(NANOS_PER_SEC);
        let since = utc.0 - self.plan.start.0 + i64::from(plan.stream.camera.get()) * NANOS_PER_SEC;
        if every == 0
            || plan.stream.role != watchbook_base::TrackRole::MainVideo
            || since % every >= self.commit_nanos()
        {
            return;
        }
        if let Ok(record) = Record::of_event(self.next_event, &event_at(plan, utc)) {
            self.next_event += 1;
            records.push((position, record));
        }
    }
}

fn start_of(plan: &PaperStream, utc: UtcNanos) -> RecordingStart {
    // As long as a real `avcC`; nobody decodes it.
    let config = Bytes::from_static(&[1; 40]);
    let format = TrackFormat { codec: Codec::H264 { width: 1920, height: 1080 }, config };
    RecordingStart { stream: plan.stream, format, utc, mono: MonoNanos(0), sync: SyncState::Synchronised }
}

fn event_at(plan: &PaperStream, utc: UtcNanos) -> Event {
    Event {
        camera: plan.stream.camera,
        kind: "motion".to_owned(),
        score: 0.75,
        start: utc,
        end: Some(utc.plus_nanos(4 * NANOS_PER_SEC)),
        zone: Some("entrance".to_owned()),
        detections: Vec::new(),
        note: String::new(),
        source: EventSource {
            plugin: "org.example.motion".to_owned(),
            version: "1.0.0".to_owned(),
            component_sha256: "0".repeat(64),
            settings_sha256: "0".repeat(64),
        },
        lead: None,
        camera_clock: None,
    }
}

/// An index that paper commits go into, by the code that the committer uses.
pub struct PaperIndex {
    catalog: Catalog,
    queue: Arc<IndexQueue>,
    index: Arc<dyn Kv>,
    generations: Vec<u64>,
}

impl PaperIndex {
    /// An empty index of `disk` on `index`.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn new(index: Arc<dyn Kv>, disk: DiskId) -> Result<Self> {
        empty_index(&*index, disk)?;
        let queue = Arc::new(IndexQueue::new(Live::default()));
        Ok(Self { catalog: Catalog::empty(queue.clone()), queue, index, generations: Vec::new() })
    }

    /// Takes in the next commit; the rows of the segment that it displaces go.
    ///
    /// # Errors
    /// The index cannot be read or written.
    pub fn take(&mut self, paper: &PaperCommit) -> Result<()> {
        let commit = &paper.commit;
        if let Some(header) = &paper.header {
            let at = narrow(u64::from(header.slot));
            if self.generations.len() <= at {
                self.generations.resize(at + 1, 0);
            }
            let old = self.generations.get_mut(at).map_or(0, |old| core::mem::replace(old, header.generation));
            let row = SlotRow { generation: header.generation, first_seq: header.first_seq, utc: header.utc.0 };
            self.catalog.reuse_slot(header.slot, old, Some(row));
        }
        let at = Position {
            slot: paper.slot,
            generation: commit.generation,
            offset: paper.offset,
            seq: commit.seq,
            prev_hash: commit.prev_hash,
        };
        self.catalog.apply(commit, at, paper.hash);
        self.queue.write_to(&*self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::rows;
    use crate::kv::model::ModelKv;
    use watchbook_base::{CameraId, TrackRole};

    fn plan() -> PaperPlan {
        let stream = |camera| CameraId::new(camera).unwrap().stream(TrackRole::MainVideo);
        let stream =
            |camera| PaperStream { stream: stream(camera), frames_per_sec: 30, gop_frames: 60, bytes_per_sec: 50_000 };
        PaperPlan {
            streams: vec![stream(1), stream(2)],
            start: UtcNanos(1_800_000_000 * NANOS_PER_SEC),
            commit_ms: 500,
            slots: 4,
            segment_bytes: 4 << 20,
            outage_every_sec: 100,
            event_every_sec: 60,
        }
    }

    #[test]
    fn its_commits_are_commits_and_fill_the_ring_round_and_round() {
        let mut paper = Paper::new(plan(), DiskId([3; 16]));
        let mut before: Option<PaperCommit> = None;
        for _ in 0..600 {
            let now = paper.commit();
            assert_eq!(Commit::decode(&now.meta).as_ref(), Some(&now.commit));
            assert!(now.offset + now.commit.commit_len <= 4 << 20, "{} at {}", now.commit.commit_len, now.offset);
            if let Some(before) = &before {
                assert_eq!((now.commit.seq, now.commit.prev_hash), (before.commit.seq + 1, sha256(&before.meta)));
                let follows = now.offset == before.offset + before.commit.commit_len;
                assert!(follows || now.header.is_some_and(|header| header.generation == now.commit.generation));
            }
            before = Some(now);
        }
        // 600 half seconds of 100 kB/s are 30 MB.
        assert!((6..=9).contains(&paper.generation()), "{}", paper.generation());
    }

    #[test]
    fn the_index_has_a_row_a_minute_and_forgets_what_is_overwritten() {
        let kv = ModelKv::new();
        let mut paper = Paper::new(plan(), DiskId([3; 16]));
        let mut index = PaperIndex::new(Arc::new(kv.clone()), DiskId([3; 16])).unwrap();
        while paper.generation() < 9 {
            index.take(&paper.commit()).unwrap();
        }
        index.take(&paper.end()).unwrap();
        let rows = kv.rows(rows::SPANS);
        // Four segments of some 40 s each, two streams, outages between.
        assert!((6..=14).contains(&rows.len()), "{} spans", rows.len());
        assert_eq!(kv.rows(rows::TABLES).len(), rows.len());
        assert!(!kv.rows(rows::GAPS).is_empty() && !kv.rows(rows::EVENTS).is_empty());
        let generations: Vec<u64> =
            rows.values().map(|row| rows::unpack::<rows::SpanRow>(rows::SPANS, row).unwrap().generation).collect();
        assert!(generations.iter().all(|generation| (6..=9).contains(generation)), "{generations:?}");
    }
}
