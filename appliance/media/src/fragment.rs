//! CMAF for one track: the initialization segment, and the head of a movie fragment, for live view and playback (ISO/IEC 23000-19).

use crate::boxes::{self, BoxWriter, TrackHeader};
use crate::error::Error;
use crate::packet::TrackFormat;
use bytes::Bytes;
use watchbook_base::UtcNanos;
use watchbook_base::time::NANOS_PER_SEC;

/// Samples of one fragment: a group of pictures of 17 s at 60 frames a second; a longer one is split.
pub const FRAGMENT_SAMPLES_MAX: usize = 1024;
/// Sample bytes of one fragment: a minute at 16 Mbit/s with room for one large access unit; more is split.
pub const FRAGMENT_BYTES_MAX: u64 = 128 << 20;

/// The only track of a fragmented file.
const TRACK_ID: u32 = 1;
/// `sample_flags` (ISO/IEC 14496-12 §8.8.3.1) of a sample that decoding can start at: it depends on no other.
pub(crate) const FLAGS_KEY: u32 = 0x0200_0000;
/// `sample_flags` of any other: it depends on others and is no sync sample.
pub(crate) const FLAGS_OTHER: u32 = 0x0101_0000;
/// Seconds from 1900-01-01, where NTP counts from, to 1970-01-01 (RFC 5905 §6).
const SECS_1900_TO_1970: i64 = 2_208_988_800;

/// What a player must know of an access unit in `mdat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentSample {
    /// Until the next sample, in 1/90,000 s.
    pub duration_ticks: u32,
    /// Coded size.
    pub size_bytes: u32,
    /// Presentation − decode time in 1/90,000 s.
    pub cts_offset: i32,
    /// Decoding can start here.
    pub key: bool,
}

/// Where a fragment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentHead {
    /// Counts fragments from 1.
    pub sequence: u32,
    /// Decode time of its first sample in 1/90,000 s on the viewer's timeline.
    pub decode_ticks: u64,
    /// UTC of that moment, told in a `prft` box when given.
    pub utc: Option<UtcNanos>,
}

/// The initialization segment: `ftyp` and a `moov` without samples.
#[must_use]
pub fn init_segment(format: &TrackFormat) -> Bytes {
    let track = TrackHeader { track_id: TRACK_ID, format, media_ticks: 0, movie_ticks: 0, created: 0 };
    let mut w = BoxWriter::default();
    boxes::ftyp(&mut w, &[b"iso6", b"cmfc", b"mp41"]);
    w.boxed(b"moov", |w| {
        boxes::mvhd(w, 0, 0, TRACK_ID + 1);
        w.boxed(b"trak", |w| {
            boxes::tkhd(w, track);
            boxes::mdia(w, track, &[format], |w| {
                w.full(b"stts", 0, 0, |w| w.u32(0));
                w.full(b"stsc", 0, 0, |w| w.u32(0));
                w.full(b"stsz", 0, 0, |w| w.u64(0));
                w.full(b"stco", 0, 0, |w| w.u32(0));
            });
        });
        w.boxed(b"mvex", |w| {
            w.full(b"trex", 0, 0, |w| {
                w.u32(TRACK_ID);
                w.u32(1); // sample entry
                w.zeros(12); // every sample says its own duration, size and flags
            });
        });
    });
    Bytes::from(w.finish())
}

/// `prft` (when asked for), `moof` and the header of `mdat`; the samples' bytes follow, one behind the other.
///
/// # Errors
/// `InvalidInput` for no samples, more than [`FRAGMENT_SAMPLES_MAX`] or [`FRAGMENT_BYTES_MAX`].
pub fn fragment(head: FragmentHead, samples: &[FragmentSample]) -> Result<Bytes, Error> {
    let data_bytes: u64 = samples.iter().map(|sample| u64::from(sample.size_bytes)).sum();
    if samples.is_empty() || samples.len() > FRAGMENT_SAMPLES_MAX || data_bytes > FRAGMENT_BYTES_MAX {
        let what = format!("building fragment {} of {} samples, {data_bytes} bytes", head.sequence, samples.len());
        return Err(Error::invalid(format!(
            "{what}; 1 to {FRAGMENT_SAMPLES_MAX} samples and {FRAGMENT_BYTES_MAX} bytes go"
        )));
    }
    let mut w = BoxWriter::default();
    if let Some(utc) = head.utc {
        prft(&mut w, utc, head.decode_ticks);
    }
    // The data offset counts from the start of moof, so it needs moof's size: write once to measure.
    let mut measure = BoxWriter::default();
    moof(&mut measure, head, samples, 0);
    let data_offset = u32::try_from(measure.len() + 8).expect("16 bytes for each of 1024 samples");
    moof(&mut w, head, samples, data_offset);
    w.u32(u32::try_from(data_bytes + 8).expect("bounded by FRAGMENT_BYTES_MAX"));
    w.raw(b"mdat");
    Ok(Bytes::from(w.finish()))
}

/// Producer reference time (ISO/IEC 14496-12 §8.16.5), flags 0: when the picture entered the encoder.
fn prft(w: &mut BoxWriter, utc: UtcNanos, decode_ticks: u64) {
    w.full(b"prft", 1, 0, |w| {
        w.u32(TRACK_ID);
        w.u64(ntp(utc));
        w.u64(decode_ticks);
    });
}

/// NTP timestamp (RFC 5905 §6): seconds since 1900 modulo 2³² and a binary fraction.
fn ntp(utc: UtcNanos) -> u64 {
    let secs = (utc.0.div_euclid(NANOS_PER_SEC) + SECS_1900_TO_1970).rem_euclid(1 << 32);
    let fraction = (utc.0.rem_euclid(NANOS_PER_SEC) << 32) / NANOS_PER_SEC;
    (secs << 32 | fraction).cast_unsigned()
}

fn moof(w: &mut BoxWriter, head: FragmentHead, samples: &[FragmentSample], data_offset: u32) {
    let has_cts = samples.iter().any(|sample| sample.cts_offset != 0);
    // Data offset, and for each sample its duration, size and flags; with B-frames its composition offset.
    let flags = 0x000701 | if has_cts { 0x000800 } else { 0 };
    w.boxed(b"moof", |w| {
        w.full(b"mfhd", 0, 0, |w| w.u32(head.sequence));
        w.boxed(b"traf", |w| {
            w.full(b"tfhd", 0, 0x02_0000, |w| w.u32(TRACK_ID)); // default-base-is-moof
            w.full(b"tfdt", 1, 0, |w| w.u64(head.decode_ticks));
            // Version 1: composition offsets are signed.
            w.full(b"trun", 1, flags, |w| {
                w.u32(u32::try_from(samples.len()).unwrap_or(u32::MAX));
                w.u32(data_offset);
                for sample in samples {
                    w.u32(sample.duration_ticks);
                    w.u32(sample.size_bytes);
                    w.u32(if sample.key { FLAGS_KEY } else { FLAGS_OTHER });
                    if has_cts {
                        w.u32(sample.cts_offset.cast_unsigned());
                    }
                }
            });
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_time_counts_from_1900_and_wraps_in_2036() {
        // RFC 5905 figure 4: 1970-01-01 is 2,208,988,800; the era ends on 2036-02-07 06:28:16.
        assert_eq!(ntp(UtcNanos(0)), 2_208_988_800 << 32);
        assert_eq!(ntp(UtcNanos(500_000_000)), 2_208_988_800 << 32 | 1 << 31);
        assert_eq!(ntp(UtcNanos(2_085_978_496 * NANOS_PER_SEC)), 0);
    }

    #[test]
    fn the_data_offset_points_behind_the_mdat_header() {
        let sample = FragmentSample { duration_ticks: 3000, size_bytes: 10, cts_offset: -3, key: true };
        let head = FragmentHead { sequence: 1, decode_ticks: 5, utc: Some(UtcNanos(0)) };
        let bytes = fragment(head, &[sample, sample]).unwrap();
        let prft = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        let moof = u32::from_be_bytes(bytes[prft..prft + 4].try_into().unwrap()) as usize;
        assert_eq!((prft, bytes.len()), (32, prft + moof + 8));
        let trun = bytes.windows(4).position(|kind| kind == b"trun").unwrap();
        assert_eq!(bytes[trun + 12..trun + 16], u32::try_from(moof + 8).unwrap().to_be_bytes());
        assert_eq!(bytes[bytes.len() - 8..], *b"\0\0\0\x1Cmdat");
    }

    #[test]
    fn empty_and_oversized_fragments_are_refused() {
        let head = FragmentHead { sequence: 1, decode_ticks: 0, utc: None };
        let sample = FragmentSample { duration_ticks: 1, size_bytes: 4 << 20, cts_offset: 0, key: false };
        for count in [0, 33, 1025] {
            assert!(fragment(head, &vec![sample; count]).is_err(), "{count}");
        }
        assert!(fragment(head, &[sample; 32]).is_ok());
    }
}
