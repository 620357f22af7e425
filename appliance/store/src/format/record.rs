//! Records: what a commit says beside footage.

use super::RECORD_HEAD_BYTES;
use super::damage::{DAMAGED_RUN_BYTES, DamagedRun};
use super::erasure::{self, ERASED_BYTES, ERASURE_HEAD_BYTES, Erased};
use crate::codec::{Put, Take, count};
use crate::vault::VaultRecord;
use bytes::Bytes;
use watchbook_base::limits::CODEC_CONFIG_BYTES_MAX;
use watchbook_base::{Event, GapReason, MonoNanos, StreamId, SyncState, UtcNanos};
use watchbook_media::{Codec, RecordingEnd, RecordingId, RecordingStart, TrackFormat};

/// Type numbers. They are on disk and never change.
pub mod kind {
    /// [`super::Record::Start`].
    pub const START: u16 = 1;
    /// [`super::Record::End`].
    pub const END: u16 = 2;
    /// [`super::Record::Event`].
    pub const EVENT: u16 = 3;
    /// Reserved: a change of the clock's state between commits.
    pub const CLOCK: u16 = 4;
    /// [`super::Record::Left`].
    pub const LEFT: u16 = 5;
    /// A hold was placed. In a vault alone, as are all with [`crate::VaultRecord`].
    pub const HOLD: u16 = 16;
    /// A hold was released.
    pub const RELEASE: u16 = 17;
    /// [`super::Record::Erasure`].
    pub const ERASURE: u16 = 18;
    /// [`super::Record::Damage`].
    pub const DAMAGE: u16 = 19;
    /// A stretch of a ring's log was looked through for a hold.
    pub const COPIED: u16 = 20;
    /// A part of a hold's range is not held.
    pub const MISSING: u16 = 21;
    /// A gap inside a hold's range.
    pub const HELD_GAP: u16 = 22;
    /// Hashes of the runs of a leaf of which a hold has some.
    pub const HELD_LEAF: u16 = 23;
}

/// Bit 0 of the flags: says again what an older segment said, because that one may be gone.
const RESTATED: u16 = 1;
/// A record's body: an event with 64 detections, a long note and hashes stays under 16 kB as JSON.
pub const RECORD_BODY_BYTES_MAX: usize = 64 << 10;

/// What a commit says beside footage.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A recording begins.
    Start {
        /// Which one.
        recording: RecordingId,
        /// Stream, format and times.
        start: RecordingStart,
        /// Repeated in a later segment.
        restated: bool,
    },
    /// A recording ended, or an attempt to make one failed; a gap begins or goes on.
    End {
        /// Which one; `None` when there was none.
        recording: Option<RecordingId>,
        /// Stream, moment and reason.
        end: RecordingEnd,
        /// Repeated in a later segment.
        restated: bool,
    },
    /// A plugin's event.
    Event {
        /// Number, unique in this ring.
        number: u64,
        /// JSON of [`watchbook_base::Event`] (RFC 8259), kept as it is.
        json: Bytes,
        /// The same, decoded.
        event: Box<Event>,
    },
    /// A run's bytes are not what was written.
    Damage(DamagedRun),
    /// A stream goes on on another disk.
    Left(Left),
    /// About holds; in a vault alone.
    Vault(VaultRecord),
    /// Keys were destroyed, and with them the footage that they sealed.
    Erasure(Vec<Erased>),
    /// A type that this program does not know; skipped.
    Unknown(u16),
}

/// From `utc` on a stream is recorded on another disk than before. On the disk that takes it over the record stands in front of the recording that goes on,
/// so that both are durable together; on the disk that was left it is written when that one is there again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Which stream.
    pub stream: StreamId,
    /// Recording that was left: what the disk that was left has of it from `utc` on is void. `None`: none was going on.
    pub recording: Option<RecordingId>,
    /// When.
    pub utc: UtcNanos,
}

impl Record {
    /// Encodes an event once, for log and index alike.
    ///
    /// # Errors
    /// A sentence when the event breaks a limit.
    pub fn of_event(number: u64, event: &Event) -> Result<Self, String> {
        event.check()?;
        let json = serde_json::to_vec(event).map_err(|error| error.to_string())?;
        if json.len() + 8 > RECORD_BODY_BYTES_MAX {
            return Err(format!("the event takes {} bytes; {RECORD_BODY_BYTES_MAX} are allowed", json.len()));
        }
        Ok(Self::Event { number, json: json.into(), event: Box::new(event.clone()) })
    }

    /// Appends the stored form. `position` is the number of runs of the commit that come before it.
    pub(crate) fn encode(&self, position: u32, out: &mut Vec<u8>) {
        let (kind, flags, body) = match self {
            Self::Start { recording, start, restated } => (kind::START, *restated, encode_start(*recording, start)),
            Self::End { recording, end, restated } => (kind::END, *restated, encode_end(*recording, end)),
            Self::Event { number, json, .. } => {
                let mut body = Vec::with_capacity(8 + json.len());
                body.u64(*number);
                body.put(json);
                (kind::EVENT, false, body)
            }
            Self::Damage(run) => (kind::DAMAGE, false, run.encode()),
            Self::Left(left) => (kind::LEFT, false, encode_left(left)),
            Self::Vault(record) => record.encode(),
            Self::Erasure(erased) => (kind::ERASURE, false, erasure::encode(erased)),
            Self::Unknown(kind) => (*kind, false, Vec::new()),
        };
        out.u16(kind);
        out.u16(if flags { RESTATED } else { 0 });
        out.u32(count(body.len()));
        out.u32(position);
        out.u32(0);
        out.put(&body);
    }

    /// Takes one record and its position off the front; `None` when the bytes are no record.
    pub(crate) fn take(take: &mut Take<'_>) -> Option<(u32, Self)> {
        let (kind, flags, len, position) = (take.u16()?, take.u16()?, take.u32()?, take.u32()?);
        take.u32()?;
        let mut body = Take(take.slice(usize::try_from(len).ok()?)?);
        let restated = flags & RESTATED != 0;
        let record = match kind {
            kind::START => {
                let (recording, start) = decode_start(&mut body)?;
                Self::Start { recording, start, restated }
            }
            kind::END => {
                let (recording, end) = decode_end(&mut body)?;
                Self::End { recording, end, restated }
            }
            kind::EVENT => {
                let number = body.u64()?;
                // An event that a later program wrote with other fields must not take the commit's footage with it.
                match serde_json::from_slice(body.0) {
                    Ok(event) => Self::Event { number, json: Bytes::copy_from_slice(body.0), event: Box::new(event) },
                    Err(_) => Self::Unknown(kind::EVENT),
                }
            }
            // So is a finding of a kind that only a later program knows.
            kind::DAMAGE => DamagedRun::decode(&mut body).map_or(Self::Unknown(kind::DAMAGE), Self::Damage),
            kind::LEFT => Self::Left(decode_left(&mut body)?),
            kind::HOLD | kind::RELEASE | kind::COPIED..=kind::HELD_LEAF => {
                VaultRecord::decode(kind, restated, &mut body).map_or(Self::Unknown(kind), Self::Vault)
            }
            kind::ERASURE => erasure::decode(&mut body).map_or(Self::Unknown(kind::ERASURE), Self::Erasure),
            other => Self::Unknown(other),
        };
        Some((position, record))
    }

    /// Bytes of the stored form.
    pub(crate) fn stored_bytes(&self) -> usize {
        RECORD_HEAD_BYTES
            + match self {
                Self::Start { start, .. } => 48 + start.format.config.len(),
                Self::End { .. } | Self::Left(_) => 24,
                Self::Event { json, .. } => 8 + json.len(),
                Self::Damage(_) => DAMAGED_RUN_BYTES,
                Self::Vault(record) => record.encode().2.len(),
                Self::Erasure(erased) => ERASURE_HEAD_BYTES + ERASED_BYTES * erased.len(),
                Self::Unknown(_) => 0,
            }
    }
}

/// Number, width, height, sample rate and channels of a codec as stored.
pub(crate) fn codec_fields(codec: Codec) -> (u8, u32, u32, u32, u16) {
    match codec {
        Codec::H264 { width, height } => (1, width, height, 0, 0),
        Codec::H265 { width, height } => (2, width, height, 0, 0),
        Codec::Aac { sample_rate_hz, channels } => (3, 0, 0, sample_rate_hz, channels),
        Codec::Pcmu { sample_rate_hz, channels } => (4, 0, 0, sample_rate_hz, channels),
        Codec::Pcma { sample_rate_hz, channels } => (5, 0, 0, sample_rate_hz, channels),
        Codec::Mjpeg { width, height } => (6, width, height, 0, 0),
    }
}

/// The inverse of [`codec_fields`].
pub(crate) fn codec_of_fields(fields: (u8, u32, u32, u32, u16)) -> Option<Codec> {
    let (number, width, height, sample_rate_hz, channels) = fields;
    Some(match number {
        1 => Codec::H264 { width, height },
        2 => Codec::H265 { width, height },
        3 => Codec::Aac { sample_rate_hz, channels },
        4 => Codec::Pcmu { sample_rate_hz, channels },
        5 => Codec::Pcma { sample_rate_hz, channels },
        6 => Codec::Mjpeg { width, height },
        _ => return None,
    })
}

fn encode_start(recording: RecordingId, start: &RecordingStart) -> Vec<u8> {
    let (codec, width, height, sample_rate_hz, channels) = codec_fields(start.format.codec);
    let mut body = Vec::with_capacity(48 + start.format.config.len());
    body.u32(start.stream.to_u32());
    body.u8(codec);
    body.u8(start.sync as u8);
    body.u16(channels);
    body.u64(recording.0);
    body.i64(start.utc.0);
    body.u64(start.mono.0);
    body.u32(width);
    body.u32(height);
    body.u32(sample_rate_hz);
    body.u32(count(start.format.config.len()));
    body.put(&start.format.config);
    body
}

fn decode_start(body: &mut Take<'_>) -> Option<(RecordingId, RecordingStart)> {
    let stream = StreamId::from_u32(body.u32()?)?;
    let (codec, sync, channels) = (body.u8()?, SyncState::from_number(body.u8()?), body.u16()?);
    let (recording, utc, mono) = (RecordingId(body.u64()?), UtcNanos(body.i64()?), MonoNanos(body.u64()?));
    let (width, height, sample_rate_hz, len) = (body.u32()?, body.u32()?, body.u32()?, body.u32()?);
    let config = body.slice(usize::try_from(len).ok().filter(|len| *len <= CODEC_CONFIG_BYTES_MAX)?)?;
    let codec = codec_of_fields((codec, width, height, sample_rate_hz, channels))?;
    let format = TrackFormat { codec, config: Bytes::copy_from_slice(config) };
    Some((recording, RecordingStart { stream, format, utc, mono, sync }))
}

fn encode_end(recording: Option<RecordingId>, end: &RecordingEnd) -> Vec<u8> {
    let mut body = Vec::with_capacity(24);
    body.u32(end.stream.to_u32());
    body.u8(end.reason as u8);
    body.zeros(3);
    body.u64(recording.map_or(0, |recording| recording.0));
    body.i64(end.utc.0);
    body
}

fn decode_end(body: &mut Take<'_>) -> Option<(Option<RecordingId>, RecordingEnd)> {
    let stream = StreamId::from_u32(body.u32()?)?;
    let reason = GapReason::from_number(body.u8()?)?;
    body.slice(3)?;
    let recording = Some(body.u64()?).filter(|number| *number != 0).map(RecordingId);
    Some((recording, RecordingEnd { stream, utc: UtcNanos(body.i64()?), reason }))
}

fn encode_left(left: &Left) -> Vec<u8> {
    let mut body = Vec::with_capacity(24);
    body.u32(left.stream.to_u32());
    body.zeros(4);
    body.u64(left.recording.map_or(0, |recording| recording.0));
    body.i64(left.utc.0);
    body
}

fn decode_left(body: &mut Take<'_>) -> Option<Left> {
    let stream = StreamId::from_u32(body.u32()?)?;
    body.slice(4)?;
    let recording = Some(body.u64()?).filter(|number| *number != 0).map(RecordingId);
    Some(Left { stream, recording, utc: UtcNanos(body.i64()?) })
}
