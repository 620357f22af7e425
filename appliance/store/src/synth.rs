//! Footage for benchmarks: recordings of chosen length and sample sizes, committed in half-second commits as a camera would fill them, as fast as the disk
//! takes them.

pub mod paper;

use crate::error::Result;
use crate::store::Store;
use bytes::Bytes;
use std::time::Duration;
use watchbook_base::{MonoNanos, StreamId, SyncState, Ticks90k, UtcNanos};
use watchbook_media::{Codec, Packet, RecordingStart, TrackFormat};

/// How long one flush may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Commits a second of footage.
const COMMITS_PER_SEC: u64 = 2;

/// What to make up.
#[derive(Clone, Debug)]
pub struct Synth {
    /// For which streams.
    pub streams: Vec<StreamId>,
    /// UTC of the first sample.
    pub start: UtcNanos,
    /// How long.
    pub secs: u64,
    /// Pictures a second.
    pub frames_per_sec: u32,
    /// Sizes of the samples of one GOP, key frame first; repeated.
    pub gop_bytes: Vec<usize>,
    /// Format of all of it.
    pub format: TrackFormat,
}

impl Synth {
    /// 30 pictures a second with a key frame every 2 s, 4 Mbit/s, key frames ten times the size of the others: 1080p H.264 as a common camera sends it.
    #[must_use]
    pub fn camera_1080p(streams: Vec<StreamId>, start: UtcNanos, secs: u64) -> Self {
        // 4 Mbit/s are 1,000,000 B in 2 s: one key frame of 144,930 B and 59 others of 14,493 B.
        let mut gop_bytes = vec![14_493; 60];
        if let Some(key) = gop_bytes.first_mut() {
            *key = 144_930;
        }
        let config = Bytes::from_static(&[
            1, 0x64, 0, 0x1F, 0xFF, 0xE1, 0, 16, 0x67, 0x64, 0, 0x1F, 0xAC, 0xD9, 0x40, 0x50, 5, 0xBB, 1, 0x6C, 0x80,
            0, 0, 3, 1, 0, 4, 0x68, 0xEB, 0xE3, 0xCB,
        ]);
        let format = TrackFormat { codec: Codec::H264 { width: 1920, height: 1080 }, config };
        Self { streams, start, secs, frames_per_sec: 30, gop_bytes, format }
    }

    /// Writes all of it. The bytes of all samples are slices of one buffer.
    ///
    /// # Errors
    /// What [`crate::Writer::append`] and [`crate::Writer::flush`] say.
    pub fn write(&self, store: &Store) -> Result<u64> {
        let writer = store.writer();
        // When the samples would have arrived: their keys are those of that hour, as far as this machine was running then.
        let (now, mono_now) = (writer.clock().utc(), writer.clock().mono());
        let arrived = |utc: UtcNanos| {
            let ago = i128::from(now.0) - i128::from(utc.0);
            MonoNanos(u64::try_from((i128::from(mono_now.0) - ago).max(0)).unwrap_or(u64::MAX))
        };
        let largest = self.gop_bytes.iter().copied().max().unwrap_or(0);
        let filler: Bytes =
            (0..largest).map(|i| (i % 251).to_le_bytes().first().copied().unwrap_or(0)).collect::<Vec<u8>>().into();
        for stream in &self.streams {
            writer.begin(&RecordingStart {
                stream: *stream,
                format: self.format.clone(),
                utc: self.start,
                mono: arrived(self.start),
                sync: SyncState::Synchronised,
            });
        }
        let frames = self.secs * u64::from(self.frames_per_sec);
        let per_commit = (u64::from(self.frames_per_sec) / COMMITS_PER_SEC).max(1);
        let mut written = 0;
        for frame in 0..frames {
            let at = crate::codec::narrow(frame).checked_rem(self.gop_bytes.len()).unwrap_or(0);
            let size = self.gop_bytes.get(at).copied().unwrap_or(1);
            let dts =
                Ticks90k(i64::try_from(frame * 90_000 / u64::from(self.frames_per_sec.max(1))).unwrap_or(i64::MAX));
            for stream in &self.streams {
                let utc = self.start.plus_ticks(dts);
                let mono = arrived(utc);
                let data = filler.slice(..size);
                writer.append(Packet {
                    stream: *stream,
                    dts,
                    cts_offset: 0,
                    utc,
                    mono,
                    key: at == 0,
                    lost_before: 0,
                    data,
                })?;
                written += crate::codec::wide(size);
            }
            if frame % per_commit == per_commit - 1 {
                writer.flush(PATIENCE)?;
            }
        }
        writer.flush(PATIENCE)?;
        Ok(written)
    }
}
