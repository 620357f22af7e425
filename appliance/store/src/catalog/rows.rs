//! Keys and values of the index. The index is disposable, so its values are postcard of the structs below; [`INDEX_VERSION`] changes with them, and an
//! index of another version is rebuilt.

use crate::error::{Error, Result};
use crate::format::erasure::Erased;
use crate::format::{DamageKind, DamagedRun, DiskId, Run, Seal};
use crate::kv::Table;
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use watchbook_base::{CameraId, MonoNanos, StreamId, SyncState, Ticks90k, TimeRange, UtcNanos};
use watchbook_evidence::Hash;
use watchbook_media::{RecordingId, RecordingStart, TrackFormat};

/// Version of everything in this file.
pub(crate) const INDEX_VERSION: u32 = 5;

/// Span summaries. Key: [`SpanKey`].
pub(crate) const SPANS: Table = Table("spans");
/// Sample tables and run places of each span. Key: [`SpanKey`].
pub(crate) const TABLES: Table = Table("tables");
/// Formats and starts. Key: recording, u64 big-endian.
pub(crate) const RECORDINGS: Table = Table("recordings");
/// Gaps. Key: stream u32 big-endian, start (ordered).
pub(crate) const GAPS: Table = Table("gaps");
/// Events. Key: camera u32 big-endian, start (ordered), number u64 big-endian.
pub(crate) const EVENTS: Table = Table("events");
/// The same by time alone. Key: start (ordered), number, camera; no value.
pub(crate) const EVENTS_BY_TIME: Table = Table("events_by_time");
/// Damaged runs. Key: stream u32 big-endian, start (ordered), generation and offset of the run, u64 big-endian.
pub(crate) const DAMAGE: Table = Table("damage");
/// Erased camera-hours. Key: camera u32 big-endian, start of the hour (ordered), key u32 big-endian; value: when, i64 big-endian.
pub(crate) const ERASURES: Table = Table("erasures");
/// What each generation put into the other tables. Key: generation u64 big-endian, kind u8, key there; no value.
pub(crate) const SEGMENTS: Table = Table("segments");
/// One row each: `format`, `tail`, `backfill`; and one a stream, a slot and a recording that was left.
pub(crate) const META: Table = Table("meta");

/// Every table of the index.
pub const INDEX_TABLES: [Table; 10] =
    [SPANS, TABLES, RECORDINGS, GAPS, EVENTS, EVENTS_BY_TIME, DAMAGE, ERASURES, SEGMENTS, META];

/// Kinds of [`SEGMENTS`] keys.
pub(crate) mod owned {
    pub(crate) const SPAN: u8 = 1;
    pub(crate) const EVENT: u8 = 2;
    pub(crate) const GAP: u8 = 3;
    pub(crate) const RECORDING: u8 = 4;
    pub(crate) const DAMAGE: u8 = 8;
    pub(crate) const LEFT: u8 = 5;
    pub(crate) const ERASURE: u8 = 9;
    /// Of a vault alone.
    pub(crate) const LEAF: u8 = 10;
}

pub(crate) const FORMAT_KEY: &[u8] = b"format";
pub(crate) const TAIL_KEY: &[u8] = b"tail";
pub(crate) const BACKFILL_KEY: &[u8] = b"backfill";

/// Order-preserving big-endian form of a moment.
pub(crate) fn ordered(utc: UtcNanos) -> [u8; 8] {
    (utc.0.cast_unsigned() ^ 1 << 63).to_be_bytes()
}

/// The inverse of [`ordered`].
pub(crate) fn unordered(bytes: [u8; 8]) -> UtcNanos {
    UtcNanos((u64::from_be_bytes(bytes) ^ 1 << 63).cast_signed())
}

/// Which span. Sorts by stream, then time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SpanKey {
    pub(crate) stream: StreamId,
    pub(crate) start: UtcNanos,
    /// Commit of its first run: tells spans apart that a clock step put on the same moment.
    pub(crate) first_seq: u64,
}

impl SpanKey {
    pub(crate) fn encode(&self) -> Vec<u8> {
        [&stream_time(self.stream, self.start)[..], &self.first_seq.to_be_bytes()].concat()
    }

    pub(crate) fn decode(key: &[u8]) -> Option<Self> {
        let (stream, rest) = key.split_first_chunk::<4>()?;
        let (start, rest) = rest.split_first_chunk::<8>()?;
        let stream = StreamId::from_u32(u32::from_be_bytes(*stream))?;
        Some(Self { stream, start: unordered(*start), first_seq: u64::from_be_bytes(rest.try_into().ok()?) })
    }
}

/// Key of a gap, and beginning of a span key.
pub(crate) fn stream_time(stream: StreamId, utc: UtcNanos) -> Vec<u8> {
    [&stream.to_u32().to_be_bytes()[..], &ordered(utc)].concat()
}

/// Stream and moment of a [`stream_time`] key.
pub(crate) fn decode_stream_time(key: &[u8]) -> Option<(StreamId, UtcNanos)> {
    let (stream, rest) = key.split_first_chunk::<4>()?;
    Some((StreamId::from_u32(u32::from_be_bytes(*stream))?, unordered(rest.try_into().ok()?)))
}

pub(crate) fn event_key(camera: CameraId, start: UtcNanos, number: u64) -> Vec<u8> {
    [&camera.get().to_be_bytes()[..], &ordered(start), &number.to_be_bytes()].concat()
}

pub(crate) fn event_time_key(camera: CameraId, start: UtcNanos, number: u64) -> Vec<u8> {
    [&ordered(start)[..], &number.to_be_bytes(), &camera.get().to_be_bytes()].concat()
}

/// Start, number and camera of an [`event_time_key`].
pub(crate) fn decode_event_time_key(key: &[u8]) -> Option<(CameraId, UtcNanos, u64)> {
    let (start, rest) = key.split_first_chunk::<8>()?;
    let (number, camera) = rest.split_first_chunk::<8>()?;
    let camera = CameraId::new(u32::from_be_bytes(camera.try_into().ok()?))?;
    Some((camera, unordered(*start), u64::from_be_bytes(*number)))
}

/// The [`event_time_key`] of an [`event_key`].
pub(crate) fn event_key_by_time(key: &[u8]) -> Option<Vec<u8>> {
    let (camera, rest) = key.split_first_chunk::<4>()?;
    Some([rest, camera].concat())
}

pub(crate) fn owned_key(generation: u64, kind: u8, key: &[u8]) -> Vec<u8> {
    [&generation.to_be_bytes()[..], &[kind], key].concat()
}

pub(crate) fn stream_key(stream: StreamId) -> Vec<u8> {
    [b"stream/", &stream.to_u32().to_be_bytes()[..]].concat()
}

/// Beginning of the keys of [`META`] for recordings that were left; the value is the moment.
pub(crate) const LEFT_PREFIX: &[u8] = b"left/";

pub(crate) fn left_key(recording: RecordingId) -> Vec<u8> {
    [LEFT_PREFIX, &recording.0.to_be_bytes()].concat()
}

/// What such a row says; the stream is not in it, and not asked for.
pub(crate) fn decode_left(key: &[u8], value: &[u8]) -> Result<Option<(RecordingId, UtcNanos)>> {
    let Some(number) = key.strip_prefix(LEFT_PREFIX).and_then(|number| number.try_into().ok()) else { return Ok(None) };
    Ok(Some((RecordingId(u64::from_be_bytes(number)), UtcNanos(unpack(META, value)?))))
}

pub(crate) fn slot_key(slot: u32) -> Vec<u8> {
    [b"slot/", &slot.to_be_bytes()[..]].concat()
}

/// Value of [`FORMAT_KEY`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FormatRow {
    pub(crate) version: u32,
    pub(crate) disk: [u8; 16],
}

impl FormatRow {
    pub(crate) fn of(disk: DiskId) -> Self {
        Self { version: INDEX_VERSION, disk: disk.0 }
    }
}

/// A place in the log between two commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) slot: u32,
    pub(crate) generation: u64,
    /// In the segment file.
    pub(crate) offset: u64,
    /// Of the commit that comes here.
    pub(crate) seq: u64,
    /// Hash of the commit before.
    pub(crate) prev_hash: Hash,
}

/// Value of [`TAIL_KEY`]: how far the index has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TailRow {
    /// Records of commits up to this one are in the index.
    pub(crate) applied_seq: u64,
    /// Runs from here on may be missing in the index: scan again from here.
    pub(crate) replay: Position,
    pub(crate) next_recording: u64,
    pub(crate) next_event: u64,
}

/// What must outlive a restart of one stream's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamRow {
    /// Recording that had not ended.
    pub(crate) recording: Option<u64>,
    /// Runs up to this commit, and in it up to this recording, are in closed spans.
    pub(crate) closed_seq: u64,
    pub(crate) closed_recording: u64,
    /// Start and first commit of the last closed span.
    pub(crate) closed: Option<(i64, u64)>,
    /// UTC of the end of the last sample in a closed span.
    pub(crate) last_end: Option<i64>,
    /// Start and reason of a gap that goes on, and the newest generation that says so.
    pub(crate) gap: Option<(i64, u8, u64)>,
}

/// Value of [`BACKFILL_KEY`]: segments whose rows are still to be made. It is there only while there are some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BackfillRow {
    /// Lowest generation.
    pub(crate) low: u64,
    /// First generation beyond.
    pub(crate) high: u64,
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SlotRow {
    pub(crate) generation: u64,
    pub(crate) first_seq: u64,
    pub(crate) utc: i64,
}

/// What some sample of a span has: bit 0 a composition offset, bit 1 something missing before it. Stored as the byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SpanFlags(u8);

impl SpanFlags {
    const HAS_CTS: u8 = 1;
    const HAS_LOST: u8 = 2;

    /// Adds what a run has.
    pub(crate) fn add(&mut self, run: &Run) {
        self.0 |= (u8::from(run.has_cts) * Self::HAS_CTS) | (u8::from(run.has_lost) * Self::HAS_LOST);
    }

    pub(crate) fn has_cts(self) -> bool {
        self.0 & Self::HAS_CTS != 0
    }

    pub(crate) fn has_lost(self) -> bool {
        self.0 & Self::HAS_LOST != 0
    }
}

/// Value of [`SPANS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SpanRow {
    pub(crate) recording: u64,
    pub(crate) first_dts: i64,
    pub(crate) end_dts: i64,
    pub(crate) sample_count: u32,
    pub(crate) key_count: u32,
    pub(crate) run_count: u32,
    pub(crate) byte_count: u64,
    /// Of its samples; one byte.
    pub(crate) flags: SpanFlags,
    pub(crate) slot: u32,
    pub(crate) generation: u64,
    pub(crate) last_seq: u64,
    /// The key of all its runs; 0: none.
    pub(crate) key_id: u32,
}

/// Where one run's payload lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunPlace {
    /// In the segment file.
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) crc: u32,
    /// Cipher, key and nonce.
    pub(crate) seal: Option<(u8, u32, [u8; 12])>,
    /// Bytes of its table among the span's.
    pub(crate) table_len: u32,
}

impl RunPlace {
    /// Sample bytes.
    pub(crate) fn plain_len(&self) -> u64 {
        let tag = if self.seal.is_some() { crate::codec::wide(crate::keys::TAG_BYTES) } else { 0 };
        self.len.saturating_sub(tag)
    }

    pub(crate) fn seal_of(seal: Option<Seal>) -> Option<(u8, u32, [u8; 12])> {
        seal.map(|seal| (seal.cipher, seal.key_id, seal.nonce))
    }
}

/// Value of [`TABLES`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TablesRow {
    pub(crate) runs: Vec<RunPlace>,
    /// Run tables (`watchbook_media::sample_table`) one behind the other.
    pub(crate) tables: Vec<u8>,
}

/// Value of [`GAPS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GapRow {
    /// `None` while it lasts.
    pub(crate) end: Option<i64>,
    pub(crate) reason: u8,
    /// Newest generation that says so.
    pub(crate) generation: u64,
}

/// Value of [`RECORDINGS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordingRow {
    stream: u32,
    codec: (u8, u32, u32, u32, u16),
    config: Vec<u8>,
    utc: i64,
    mono: u64,
    sync: u8,
    /// Newest generation that says so.
    pub(crate) generation: u64,
}

impl RecordingRow {
    pub(crate) fn new(start: &RecordingStart, generation: u64) -> Self {
        Self {
            stream: start.stream.to_u32(),
            codec: crate::format::record::codec_fields(start.format.codec),
            config: start.format.config.to_vec(),
            utc: start.utc.0,
            mono: start.mono.0,
            sync: start.sync as u8,
            generation,
        }
    }

    pub(crate) fn start(&self) -> Option<RecordingStart> {
        Some(RecordingStart {
            stream: StreamId::from_u32(self.stream)?,
            format: TrackFormat {
                codec: crate::format::record::codec_of_fields(self.codec)?,
                config: Bytes::copy_from_slice(&self.config),
            },
            utc: UtcNanos(self.utc),
            mono: MonoNanos(self.mono),
            sync: SyncState::from_number(self.sync),
        })
    }
}

/// Value of [`DAMAGE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DamageRow {
    pub(crate) end: i64,
    pub(crate) kind: u8,
    pub(crate) slot: u32,
    pub(crate) found: i64,
}

/// Key and row of a damaged run.
pub(crate) fn damage_row(run: &DamagedRun) -> (Vec<u8>, DamageRow) {
    let place = [run.generation.to_be_bytes(), run.offset.to_be_bytes()].concat();
    let key = [stream_time(run.stream, run.range.start), place].concat();
    (key, DamageRow { end: run.range.end.0, kind: run.kind as u8, slot: run.slot, found: run.found.0 })
}

/// The damaged run of a key and a row.
pub(crate) fn damaged_run(key: &[u8], row: DamageRow) -> Option<DamagedRun> {
    let (front, offset) = key.split_last_chunk::<8>()?;
    let (front, generation) = front.split_last_chunk::<8>()?;
    let (stream, start) = decode_stream_time(front)?;
    Some(DamagedRun {
        stream,
        range: TimeRange::new(start, UtcNanos(row.end))?,
        kind: DamageKind::from_number(row.kind)?,
        slot: row.slot,
        generation: u64::from_be_bytes(*generation),
        offset: u64::from_be_bytes(*offset),
        found: UtcNanos(row.found),
    })
}

/// Key and value of an erasure.
pub(crate) fn erasure_row(erased: &Erased) -> (Vec<u8>, Vec<u8>) {
    let key = [&erasure_key(erased.camera, erased.hour_utc)[..], &erased.key_id.to_be_bytes()].concat();
    (key, erased.erased_utc.0.to_be_bytes().to_vec())
}

/// Beginning of the key of an erasure.
pub(crate) fn erasure_key(camera: CameraId, hour: UtcNanos) -> Vec<u8> {
    [&camera.get().to_be_bytes()[..], &ordered(hour)].concat()
}

/// The erasure of a key and a value.
pub(crate) fn erased(key: &[u8], value: &[u8]) -> Option<Erased> {
    let (camera, rest) = key.split_first_chunk::<4>()?;
    let (hour, key_id) = rest.split_first_chunk::<8>()?;
    Some(Erased {
        key_id: u32::from_be_bytes(key_id.try_into().ok()?),
        camera: CameraId::new(u32::from_be_bytes(*camera))?,
        hour_utc: unordered(*hour),
        erased_utc: UtcNanos(i64::from_be_bytes(value.try_into().ok()?)),
    })
}

/// Encodes a value.
pub(crate) fn pack<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain structs of numbers and byte strings always encode")
}

/// Decodes a value of `table`.
pub(crate) fn unpack<T: DeserializeOwned>(table: Table, value: &[u8]) -> Result<T> {
    postcard::from_bytes(value).map_err(|error| {
        Error::corrupt(format!(
            "a row of the index table {} does not decode ({error}); rebuild the index with `check --rebuild`",
            table.0
        ))
    })
}

/// Key of a recording.
pub(crate) fn recording_key(recording: RecordingId) -> [u8; 8] {
    recording.0.to_be_bytes()
}

/// A duration in ticks between two stored decode times.
pub(crate) fn ticks_between(from: i64, to: i64) -> Ticks90k {
    Ticks90k(to) - Ticks90k(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use watchbook_base::TrackRole;

    proptest! {
        #[test]
        fn keys_sort_like_what_they_stand_for(a in any::<i64>(), b in any::<i64>(), cam in 1_u32..9, other in 1_u32..9) {
            let stream = |cam| CameraId::new(cam).unwrap().stream(TrackRole::MainVideo);
            let (x, y) = (
                SpanKey { stream: stream(cam), start: UtcNanos(a), first_seq: 1 },
                SpanKey { stream: stream(other), start: UtcNanos(b), first_seq: 1 },
            );
            prop_assert_eq!(x.encode().cmp(&y.encode()), x.cmp(&y));
            prop_assert_eq!(SpanKey::decode(&x.encode()), Some(x));
            prop_assert_eq!(decode_stream_time(&stream_time(x.stream, x.start)), Some((x.stream, x.start)));
            let camera = CameraId::new(cam).unwrap();
            let by_time = event_key_by_time(&event_key(camera, UtcNanos(a), 7)).unwrap();
            prop_assert_eq!(&by_time, &event_time_key(camera, UtcNanos(a), 7));
            prop_assert_eq!(decode_event_time_key(&by_time), Some((camera, UtcNanos(a), 7)));
        }
    }
}
