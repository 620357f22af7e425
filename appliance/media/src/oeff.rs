//! A master for evidence: fragmented MP4 with the stored samples of one camera, and the boxes of the ONVIF Export File Format (ONVIF specification of that name, version
//! 26.06) behind them.
//!
//! ```text
//! ftyp  moov( mvhd  trak × 1–8( tkhd mdia( … ))  mvex( mehd trex × 1–8 ))
//! moof( mfhd traf( tfhd tfdt trun ))  mdat     for each run of samples, or some of them when a run is long
//! meta( hdlr suep cstb [ipro( sinf( schm schi( sibo cert )))] )
//! ```
//! The samples of a run are not touched and lie one behind the other, so that its hash can be checked from the file.

use crate::boxes::{self, BoxWriter, TrackHeader};
use crate::error::Error;
use crate::fragment::{FLAGS_KEY, FLAGS_OTHER, FRAGMENT_BYTES_MAX, FRAGMENT_SAMPLES_MAX, FragmentSample};
use crate::packet::TrackFormat;
use core::ops::Range;
use std::sync::Arc;
use watchbook_base::UtcNanos;

/// Tracks of one master: pictures and sound, each again for another codec.
pub const TRACKS_MAX: usize = 8;
/// Formats of one track: a camera whose settings change more often is a defect.
pub const FORMATS_MAX: usize = 64;
/// Bytes of each string of `suep`; longer ones are cut at a character.
const TEXT_BYTES_MAX: usize = 256;
/// From 1601-01-01, where `cstb` counts from, to 1970-01-01, in units of 100 ns: 134,774 days.
const HUNDRED_NANOS_1601_TO_1970: i64 = 134_774 * 86_400 * 10_000_000;
/// `scheme_type` of the seal: "oeff".
const SCHEME: u32 = 0x6F65_6666;
/// `scheme_version` of the seal.
const SCHEME_VERSION: u32 = 0x0001_0000;

/// A track: formats of one codec.
#[derive(Clone, Debug)]
pub struct Track {
    /// In order of their first use; 1 to [`FORMATS_MAX`].
    pub formats: Vec<Arc<TrackFormat>>,
}

impl Track {
    /// True when samples of `format` can lie in this track.
    #[must_use]
    pub fn takes(&self, format: &TrackFormat) -> bool {
        self.formats.first().is_some_and(|first| crate::sample_entry::same_family(first, format))
    }
}

/// Where the samples of a fragment belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Counts fragments of the file from 1.
    pub sequence: u32,
    /// Index of the track, from 0.
    pub track: usize,
    /// Index of the format in it, from 0.
    pub format: usize,
    /// Decode time of the first sample that is shown, in 1/90,000 s from the beginning of the file.
    pub decode_ticks: u64,
}

/// Who exported what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportNote {
    /// Name of the recorder.
    pub unit: String,
    /// When the export began.
    pub time: UtcNanos,
    /// Who asked for it.
    pub operator: String,
    /// Name of the camera, for every track.
    pub camera: String,
    /// UTC of the beginning of the file, for every track.
    pub start: UtcNanos,
}

/// What a file is sealed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealRoom {
    /// Bytes of the signature: of the key's modulus.
    pub signature_bytes: usize,
    /// Certificate of the key, DER.
    pub certificate: Vec<u8>,
}

/// Everything before the samples. `ticks`: length of the file in 1/90,000 s.
///
/// # Errors
/// `InvalidInput` for no tracks, or more than [`TRACKS_MAX`], or a track without formats or with more than [`FORMATS_MAX`].
pub fn head(tracks: &[Track], ticks: u64, start: UtcNanos) -> Result<Vec<u8>, Error> {
    let good = |track: &Track| (1..=FORMATS_MAX).contains(&track.formats.len());
    if !(1..=TRACKS_MAX).contains(&tracks.len()) || !tracks.iter().all(good) {
        return Err(Error::invalid(format!(
            "beginning a master with {} tracks; 1 to {TRACKS_MAX} go, each with 1 to {FORMATS_MAX} formats",
            tracks.len()
        )));
    }
    let created = boxes::secs_since_1904(start);
    let mut w = BoxWriter::default();
    boxes::ftyp(&mut w, &[b"isom", b"iso6", b"mp41"]);
    w.boxed(b"moov", |w| {
        boxes::mvhd(w, created, 0, track_id(tracks.len()));
        for (index, track) in tracks.iter().enumerate() {
            let Some(first) = track.formats.first() else { continue };
            let header =
                TrackHeader { track_id: track_id(index), format: first, media_ticks: 0, movie_ticks: 0, created };
            let formats: Vec<&TrackFormat> = track.formats.iter().map(AsRef::as_ref).collect();
            w.boxed(b"trak", |w| {
                boxes::tkhd(w, header);
                boxes::mdia(w, header, &formats, |w| {
                    w.full(b"stts", 0, 0, |w| w.u32(0));
                    w.full(b"stsc", 0, 0, |w| w.u32(0));
                    w.full(b"stsz", 0, 0, |w| w.u64(0));
                    w.full(b"stco", 0, 0, |w| w.u32(0));
                });
            });
        }
        w.boxed(b"mvex", |w| {
            w.full(b"mehd", 1, 0, |w| w.u64(ticks));
            for index in 0..tracks.len() {
                w.full(b"trex", 0, 0, |w| {
                    w.u32(track_id(index));
                    w.u32(1); // sample entry, unless a fragment says another
                    w.zeros(12); // every sample says its own duration, size and flags
                });
            }
        });
    });
    Ok(w.finish())
}

fn track_id(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1)
}

/// `moof` and the header of `mdat`, behind which `samples` follow, hidden ones too. `shown`: which of them a player shows; those before it cannot be decoded.
///
/// # Errors
/// `InvalidInput` for no samples, more than [`FRAGMENT_SAMPLES_MAX`] or [`FRAGMENT_BYTES_MAX`], or a stretch to show that is not among them.
pub fn fragment_head(place: Place, samples: &[FragmentSample], shown: Range<usize>) -> Result<Vec<u8>, Error> {
    let bytes_of = |samples: &[FragmentSample]| samples.iter().map(|sample| u64::from(sample.size_bytes)).sum::<u64>();
    let (data_bytes, count) = (bytes_of(samples), samples.len());
    let (Some(before), Some(listed)) = (samples.get(..shown.start), samples.get(shown)) else {
        return Err(Error::invalid(format!("building fragment {}: it has {count} samples", place.sequence)));
    };
    if samples.is_empty() || count > FRAGMENT_SAMPLES_MAX || data_bytes > FRAGMENT_BYTES_MAX {
        let what = format!("building fragment {} of {count} samples, {data_bytes} bytes", place.sequence);
        return Err(Error::invalid(format!(
            "{what}; 1 to {FRAGMENT_SAMPLES_MAX} samples and {FRAGMENT_BYTES_MAX} bytes go"
        )));
    }
    let hidden = u32::try_from(bytes_of(before)).expect("bounded by FRAGMENT_BYTES_MAX");
    // The data offset counts from the start of moof, so it needs moof's size: write once to measure.
    let mut measure = BoxWriter::default();
    moof(&mut measure, place, listed, 0);
    let moof_bytes = u32::try_from(measure.len()).expect("16 bytes for each of 1024 samples");
    let mut w = BoxWriter::default();
    moof(&mut w, place, listed, moof_bytes + 8 + hidden);
    w.u32(u32::try_from(data_bytes + 8).expect("bounded by FRAGMENT_BYTES_MAX"));
    w.raw(b"mdat");
    Ok(w.finish())
}

fn moof(w: &mut BoxWriter, place: Place, samples: &[FragmentSample], data_offset: u32) {
    let has_cts = samples.iter().any(|sample| sample.cts_offset != 0);
    // Data offset, and for each sample its duration, size and flags; with B-frames its composition offset.
    let flags = 0x000701 | if has_cts { 0x000800 } else { 0 };
    w.boxed(b"moof", |w| {
        w.full(b"mfhd", 0, 0, |w| w.u32(place.sequence));
        w.boxed(b"traf", |w| {
            // default-base-is-moof, sample-description-index-present
            w.full(b"tfhd", 0, 0x02_0002, |w| {
                w.u32(track_id(place.track));
                w.u32(track_id(place.format));
            });
            w.full(b"tfdt", 1, 0, |w| w.u64(place.decode_ticks));
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

/// The end of the file: the `meta` box, and where in it the bytes of the signature lie, which are zeros and are to be replaced when the seal is made.
#[must_use]
pub fn tail(note: &ExportNote, tracks: usize, seal: Option<&SealRoom>) -> (Vec<u8>, Range<usize>) {
    let mut w = BoxWriter::default();
    let mut signature = 0..0;
    w.full(b"meta", 0, 0, |w| {
        w.full(b"hdlr", 0, 0, |w| {
            w.u32(0);
            w.raw(b"meta");
            w.zeros(12);
            w.u8(0);
        });
        w.full(b"suep", 1, 0, |w| suep(w, note, tracks));
        w.boxed(b"cstb", |w| {
            w.u32(u32::try_from(tracks).unwrap_or(u32::MAX));
            for index in 0..tracks {
                w.u32(track_id(index));
                w.u64(hundred_nanos_since_1601(note.start));
            }
        });
        if let Some(room) = seal {
            w.full(b"ipro", 0, 0, |w| {
                w.u16(1);
                w.boxed(b"sinf", |w| {
                    w.full(b"schm", 0, 0, |w| {
                        w.u32(SCHEME);
                        w.u32(SCHEME_VERSION);
                    });
                    w.boxed(b"schi", |w| {
                        w.boxed(b"sibo", |w| {
                            let start = w.len();
                            w.zeros(room.signature_bytes);
                            signature = start..start.saturating_add(room.signature_bytes);
                        });
                        w.boxed(b"cert", |w| w.raw(&room.certificate));
                    });
                });
            });
        }
    });
    (w.finish(), signature)
}

/// `SurveillanceExportBox`: what is not known is an empty string.
fn suep(w: &mut BoxWriter, note: &ExportNote, tracks: usize) {
    text(w, &note.unit);
    text(w, ""); // address of the recorder
    text(w, ""); // its MAC
    w.u64(boxes::secs_since_1904(note.time));
    text(w, &note.operator);
    w.u32(u32::try_from(tracks).unwrap_or(u32::MAX));
    for index in 0..tracks {
        w.u16(u16::try_from(track_id(index)).unwrap_or(u16::MAX));
        text(w, &note.camera);
        text(w, ""); // address of the camera: it may hold a password, and is nobody's business
        text(w, ""); // its MAC
        text(w, ""); // input line
    }
}

/// A string that ends with a zero.
fn text(w: &mut BoxWriter, text: &str) {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    let kept: String = text.split_at(end).0.chars().filter(|character| *character != '\0').collect();
    w.raw(kept.as_bytes());
    w.u8(0);
}

fn hundred_nanos_since_1601(utc: UtcNanos) -> u64 {
    u64::try_from(utc.0.div_euclid(100).saturating_add(HUNDRED_NANOS_1601_TO_1970)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> ExportNote {
        ExportNote {
            unit: "station".to_owned(),
            time: UtcNanos(0),
            operator: "3".to_owned(),
            camera: "gate\0".to_owned(),
            start: UtcNanos(0),
        }
    }

    #[test]
    fn the_start_time_counts_from_1601() {
        // Independent source: FILETIME of 1970-01-01 in Microsoft's documentation is 116,444,736,000,000,000.
        assert_eq!(hundred_nanos_since_1601(UtcNanos(0)), 116_444_736_000_000_000);
    }

    #[test]
    fn the_signature_has_its_place_in_the_seal() {
        let room = SealRoom { signature_bytes: 5, certificate: b"DER".to_vec() };
        let (bytes, place) = tail(&note(), 1, Some(&room));
        assert_eq!(bytes[place.clone()], [0; 5]);
        assert_eq!(bytes[place.start - 8..place.start], *b"\0\0\0\x0Dsibo");
        assert_eq!(bytes[place.end..], *b"\0\0\0\x0BcertDER");
        assert_eq!(tail(&note(), 1, None).1, 0..0);
    }

    #[test]
    fn a_string_ends_with_its_only_zero() {
        let (bytes, _) = tail(&note(), 1, None);
        let suep = bytes.windows(4).position(|kind| kind == b"suep").unwrap() + 8;
        let seconds_1904_to_1970 = 2_082_844_800_u64.to_be_bytes();
        let expected =
            [&b"station\0\0\0"[..], &seconds_1904_to_1970, b"3\0", &[0, 0, 0, 1, 0, 1], b"gate\0\0\0\0"].concat();
        assert_eq!(bytes[suep..suep + expected.len()], expected);
    }

    #[test]
    fn hidden_samples_are_in_the_data_and_not_in_the_list() {
        let sample = |size_bytes, key| FragmentSample { duration_ticks: 3000, size_bytes, cts_offset: 0, key };
        let place = Place { sequence: 1, track: 0, format: 1, decode_ticks: 7 };
        let bytes = fragment_head(place, &[sample(10, false), sample(20, true)], 1..2).unwrap();
        assert_eq!(bytes[bytes.len() - 8..], *b"\0\0\0\x26mdat");
        let trun = bytes.windows(4).position(|kind| kind == b"trun").unwrap() + 8;
        let moof = u32::from_be_bytes(bytes[..4].try_into().unwrap());
        let offset = (moof + 8 + 10).to_be_bytes();
        assert_eq!(bytes[trun..trun + 8], [&[0, 0, 0, 1][..], &offset].concat());
        assert!(fragment_head(place, &[], 0..0).is_err());
        assert!(fragment_head(place, &[sample(1, true)], 1..2).is_err());
    }
}
