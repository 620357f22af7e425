//! A ring with a day in it, written through the store's own writer as fast as the disk takes it. One commit holds half a second of footage, as it does when
//! a camera sends.

use crate::clip::{Clip, FRAMES_PER_SEC, Shape};
use crate::error::Attempt;
use crate::recorders::Station;
use crate::recorders::watchbook::RingSize;
use crate::rtp::TICKS_PER_FRAME;
use crate::{Error, Result};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use watchbook_base::clock::SystemClock;
use watchbook_base::fs::RealFs;
use watchbook_base::{CameraId, GapReason, MonoNanos, StreamId, SyncState, Ticks90k, TrackRole, UtcNanos};
use watchbook_media::{Codec, Packet, RecordingEnd, RecordingStart, TrackFormat};
use watchbook_store::{Config, Deps, Store, Writer};

/// Half a second: the recorder's default commit interval.
const FRAMES_PER_COMMIT: i64 = FRAMES_PER_SEC as i64 / 2;
/// A commit of some kilobytes takes milliseconds; a disk that needs this long is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct Filled {
    /// Time of the first frame.
    pub start_utc_ms: i64,
    /// Frames.
    pub frames: i64,
    /// Commits.
    pub commits: i64,
}

/// Bytes that [`fill`] writes at most; every commit is rounded up to blocks of 4 KiB.
#[must_use]
pub fn footage_bytes_max(clip: &Clip, seconds: i64) -> u64 {
    let frames = clip.pictures.len() as u64;
    let bytes: u64 = clip.pictures.iter().flat_map(|picture| &picture.slices).map(|slice| slice.len() as u64 + 4).sum();
    let per_sec = bytes * u64::from(FRAMES_PER_SEC) / frames.max(1) + 2 * 8192;
    per_sec * seconds.unsigned_abs()
}

/// Writes `seconds` of the main video of camera 1, which end now.
///
/// # Errors
/// The ring cannot be made or written.
pub fn fill(station: &Station, clip: &Clip, shape: Shape, seconds: i64) -> Result<Filled> {
    let RingSize { gib, segment_mib } = RingSize::for_footage(station.footage_bytes_max);
    let (state, ring) = (station.disk.join("state"), station.disk.join("ring"));
    for folder in [&state, &ring] {
        std::fs::create_dir_all(folder).attempt("making a folder")?;
    }
    let config =
        Config { segment_bytes: Some(segment_mib << 20), ..Config::new(&ring, (gib * f64::from(1 << 30)) as u64) };
    let index = watchbook_store::open_index(&state).attempt("making the index")?;
    let deps = Deps { fs: Arc::new(RealFs), clock: Arc::new(SystemClock), index };
    let store = Store::open(&config, &deps).attempt("making the ring")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).attempt("asking for the time")?;
    let now_ms = i64::try_from(now.as_millis()).attempt("asking for the time")?;
    // A minute ago, so that nothing of it lies in the future of whoever asks.
    let start_utc_ms = now_ms - (seconds + 60) * 1000;
    let filled = write(&store.writer(), clip, shape, UtcNanos::from_ms(start_utc_ms), seconds)?;
    store.close().attempt("closing the ring")?;
    Ok(Filled { start_utc_ms, ..filled })
}

fn write(writer: &Writer, clip: &Clip, shape: Shape, start: UtcNanos, seconds: i64) -> Result<Filled> {
    let stream = CameraId::new(1).attempt("naming camera 1")?.stream(TrackRole::MainVideo);
    writer.begin(&recording_start(stream, clip, shape, start));
    let samples: Vec<(Bytes, bool)> =
        clip.pictures.iter().map(|picture| (sample(&picture.slices), picture.key)).collect();
    let (frames, mut commits) = (seconds * i64::from(FRAMES_PER_SEC), 0);
    let mut end = start;
    for (frame, (data, key)) in (0..frames).zip(samples.iter().cycle()) {
        let dts = Ticks90k(frame * i64::from(TICKS_PER_FRAME));
        let utc = start.plus_ticks(dts);
        let packet =
            Packet { stream, dts, cts_offset: 0, utc, mono: MonoNanos::default(), key: *key, data: data.clone() };
        writer.append(packet).attempt(format!("writing frame {frame}"))?;
        end = utc.plus_ticks(Ticks90k(i64::from(TICKS_PER_FRAME)));
        if (frame + 1) % FRAMES_PER_COMMIT == 0 {
            writer.flush(PATIENCE).attempt(format!("committing frame {frame}"))?;
            commits += 1;
        }
    }
    writer.end(&RecordingEnd { stream, utc: end, reason: GapReason::Restart });
    writer.flush(PATIENCE).attempt("committing the end")?;
    if commits == 0 {
        return Err(Error(format!("{seconds} s are too short to fill a ring with")));
    }
    Ok(Filled { start_utc_ms: start.as_ms(), frames, commits })
}

fn recording_start(stream: StreamId, clip: &Clip, shape: Shape, utc: UtcNanos) -> RecordingStart {
    let codec = Codec::H264 { width: shape.width, height: shape.height };
    RecordingStart {
        stream,
        format: TrackFormat { codec, config: configuration(clip) },
        utc,
        mono: MonoNanos::default(),
        sync: SyncState::Synchronised,
    }
}

/// `avcC` with 4-byte lengths and one parameter set of each kind (ISO/IEC 14496-15 §5.3.3.1).
fn configuration(clip: &Clip) -> Bytes {
    let mut record = vec![1];
    record.extend_from_slice(&clip.sps[1..4]);
    record.extend_from_slice(&[0xff, 0xe1]);
    for (set, count) in [(&clip.sps, None), (&clip.pps, Some(1))] {
        record.extend(count);
        record.extend_from_slice(&(set.len() as u16).to_be_bytes());
        record.extend_from_slice(set);
    }
    record.into()
}

/// Slices behind 4-byte lengths.
fn sample(slices: &[Vec<u8>]) -> Bytes {
    let mut bytes = Vec::new();
    for slice in slices {
        bytes.extend_from_slice(&(slice.len() as u32).to_be_bytes());
        bytes.extend_from_slice(slice);
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::Picture;

    #[test]
    fn the_configuration_record_is_that_of_the_standard() {
        let slices = vec![vec![0x65, 0x80], vec![0x65]];
        let clip = Clip {
            sps: vec![0x67, 66, 0xc0, 30, 9],
            pps: vec![0x68, 8],
            pictures: vec![Picture { slices, key: true }],
        };
        let expected: &[u8] = &[1, 66, 0xc0, 30, 0xff, 0xe1, 0, 5, 0x67, 66, 0xc0, 30, 9, 1, 0, 2, 0x68, 8];
        assert_eq!(configuration(&clip), expected);
        assert_eq!(*sample(&clip.pictures[0].slices), [0, 0, 0, 2, 0x65, 0x80, 0, 0, 0, 1, 0x65]);
    }
}
