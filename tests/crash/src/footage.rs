//! Footage that tells where it belongs: every sample names its stream, take, frame and time, and every other byte of it follows from these. So what comes back
//! after a crash is judged without keeping a copy.

use bytes::Bytes;
use watchbook_base::fs::sim::Dice;
use watchbook_base::{CameraId, MonoNanos, StreamId, SyncState, Ticks90k, TrackRole, UtcNanos};
use watchbook_media::{Codec, Packet, RecordingStart, TrackFormat};

/// 25 pictures a second.
pub const STEP_NANOS: u64 = 40_000_000;
/// [`STEP_NANOS`] in media time.
pub const STEP_TICKS: i64 = 3600;
/// First bytes of a sample.
const MAGIC: [u8; 4] = *b"WBcr";
/// Magic, stream, take, frame, utc.
const MARK_BYTES: usize = 24;
/// A key picture is so many times as large as another one.
const KEY_FACTOR: usize = 4;

/// Where a sample belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Of which stream, in its stored form.
    pub stream: u32,
    /// Which attempt to record it: grows over all lives of a ring.
    pub take: u32,
    /// Number within the take.
    pub frame: u32,
    /// Decode time.
    pub utc: UtcNanos,
}

impl Mark {
    fn fill(self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        bytes.extend(MAGIC);
        for word in [self.stream, self.take, self.frame] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(self.utc.0.to_le_bytes());
        let place = u64::from(self.stream) << 48 ^ u64::from(self.take) << 24 ^ u64::from(self.frame);
        let mut dice = Dice::new(place ^ self.utc.0.cast_unsigned().rotate_left(17));
        while bytes.len() < len {
            bytes.extend(dice.roll().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    /// What is said to be missing before it: something before every eighth or so.
    #[must_use]
    pub fn lost_before(self) -> u16 {
        let word = self.frame.wrapping_mul(2_654_435_761) >> 16;
        if word.is_multiple_of(8) { u16::try_from(word).unwrap_or(u16::MAX) } else { 0 }
    }

    /// The mark of a sample whose every byte is right.
    #[must_use]
    pub fn of(sample: &[u8]) -> Option<Self> {
        let word = |at: usize| sample.get(at..at + 4)?.first_chunk().copied().map(u32::from_le_bytes);
        let utc = sample.get(16..MARK_BYTES)?.first_chunk().copied().map(i64::from_le_bytes)?;
        let mark = Self { stream: word(4)?, take: word(8)?, frame: word(12)?, utc: UtcNanos(utc) };
        (mark.fill(sample.len()) == sample).then_some(mark)
    }
}

/// One camera that makes up footage.
#[derive(Clone, Debug)]
pub struct Camera {
    /// Its main video.
    pub stream: StreamId,
    /// The take being recorded.
    pub take: u32,
    /// Next frame of it.
    pub frame: u32,
    begun: UtcNanos,
    sample_bytes: usize,
    gop_frames: u32,
}

impl Camera {
    /// Camera `number`, with samples of about so many bytes and a key picture every `gop_frames`.
    ///
    /// # Panics
    /// For number 0.
    #[must_use]
    pub fn new(number: u32, sample_bytes: usize, gop_frames: u32) -> Self {
        let stream = CameraId::new(number).expect("cameras are counted from 1").stream(TrackRole::MainVideo);
        let sample_bytes = sample_bytes.max(MARK_BYTES + 1);
        Self { stream, take: 0, frame: 0, begun: UtcNanos(0), sample_bytes, gop_frames: gop_frames.max(1) }
    }

    /// Begins take `take` now.
    pub fn begin(&mut self, take: u32, now: (UtcNanos, MonoNanos)) -> RecordingStart {
        (self.take, self.frame, self.begun) = (take, 0, now.0);
        RecordingStart {
            stream: self.stream,
            format: TrackFormat {
                codec: Codec::H264 { width: 640, height: 360 },
                config: Bytes::copy_from_slice(&take.to_le_bytes()),
            },
            utc: now.0,
            mono: now.1,
            sync: SyncState::Synchronised,
        }
    }

    /// The next frame of the take, and its mark.
    pub fn packet(&mut self, mono: MonoNanos) -> (Mark, Packet) {
        let dts = Ticks90k(i64::from(self.frame) * STEP_TICKS);
        let utc = self.begun.plus_ticks(dts);
        let mark = Mark { stream: self.stream.to_u32(), take: self.take, frame: self.frame, utc };
        let key = self.frame.is_multiple_of(self.gop_frames);
        // Sizes differ from frame to frame, so that commits do not end at the same places again and again.
        let spread =
            usize::try_from(self.frame.wrapping_mul(2_654_435_761) >> 20).unwrap_or(0) % (self.sample_bytes / 2 + 1);
        let size = if key { self.sample_bytes * KEY_FACTOR } else { self.sample_bytes } + spread;
        self.frame += 1;
        let data = Bytes::from(mark.fill(size));
        (
            mark,
            Packet { stream: self.stream, dts, cts_offset: 0, utc, mono, key, lost_before: mark.lost_before(), data },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_with_one_wrong_byte_is_nobodys() {
        let mut camera = Camera::new(3, 500, 12);
        camera.begin(7, (UtcNanos(1_000), MonoNanos(0)));
        let (mark, packet) = camera.packet(MonoNanos(0));
        assert_eq!(Mark::of(&packet.data), Some(mark));
        let (second, _) = camera.packet(MonoNanos(0));
        assert_eq!((second.frame, second.utc), (1, UtcNanos(1_000 + 40_000_000)));
        for at in [0, 9, 20, packet.data.len() - 1] {
            let mut wrong = packet.data.to_vec();
            wrong[at] ^= 1;
            assert_eq!(Mark::of(&wrong), None, "byte {at}");
        }
        assert_eq!(Mark::of(&packet.data[..10]), None);
    }
}
