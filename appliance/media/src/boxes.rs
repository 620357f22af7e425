//! A small writer of ISO base media file format boxes (ISO/IEC 14496-12 §4.2), and the boxes that every kind of file shares.

use crate::packet::TrackFormat;
use crate::sample_entry::write_sample_entry;
use watchbook_base::time::{NANOS_PER_SEC, TICKS_PER_SEC};
use watchbook_base::{Ticks90k, UtcNanos};

/// Timescale of every movie and track: the ticks that samples are stored with, so no time is ever rounded.
pub(crate) const TIMESCALE_HZ: u32 = 90_000;
const _: () = assert!(TICKS_PER_SEC == 90_000);

/// Unity matrix of `mvhd` and `tkhd` (§8.2.2.2).
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];
/// Seconds from 1904-01-01, where ISO files count from, to 1970-01-01: 66 years with 17 leap days.
const SECS_1904_TO_1970: i64 = (66 * 365 + 17) * 86_400;
/// Language code "und", three letters of five bits each (§8.4.2.3).
const LANGUAGE_UNDETERMINED: u16 = 0x55C4;

/// Appends big-endian fields; each box gets its size when it is closed.
#[derive(Debug, Default)]
pub(crate) struct BoxWriter {
    bytes: Vec<u8>,
}

impl BoxWriter {
    /// A box of type `kind` whose content `body` writes.
    ///
    /// Panics over 4 GiB: heads of files and of fragments, which are written here, are far smaller.
    pub(crate) fn boxed(&mut self, kind: &[u8; 4], body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.u32(0);
        self.raw(kind);
        body(self);
        let size = u32::try_from(self.bytes.len() - start).expect("a head is far smaller than 4 GiB");
        if let Some(field) = self.bytes.get_mut(start..start + 4) {
            field.copy_from_slice(&size.to_be_bytes());
        }
    }

    /// A full box (§4.2.2): a box with a version and flags.
    pub(crate) fn full(&mut self, kind: &[u8; 4], version: u8, flags: u32, body: impl FnOnce(&mut Self)) {
        self.boxed(kind, |w| {
            w.u32(u32::from(version) << 24 | (flags & 0x00FF_FFFF));
            body(w);
        });
    }

    /// How many bytes were written.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What was written.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.raw(&value.to_be_bytes());
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn zeros(&mut self, count: usize) {
        self.bytes.resize(self.bytes.len() + count, 0);
    }
}

/// What the headers of a track say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrackHeader<'a> {
    /// 1 or more.
    pub(crate) track_id: u32,
    /// The first of its formats, for kind and picture size.
    pub(crate) format: &'a TrackFormat,
    /// Of the media; 0 in an initialization segment.
    pub(crate) media_ticks: u64,
    /// Of its presentation; 0 in an initialization segment.
    pub(crate) movie_ticks: u64,
    /// Seconds since 1904.
    pub(crate) created: u64,
}

/// Seconds since 1904 of `utc`, 0 for earlier moments.
pub(crate) fn secs_since_1904(utc: UtcNanos) -> u64 {
    let secs = utc.0.div_euclid(NANOS_PER_SEC).saturating_add(SECS_1904_TO_1970);
    u64::try_from(secs).unwrap_or(0)
}

/// A non-negative tick count; 0 for negative ones.
pub(crate) fn unsigned_ticks(ticks: Ticks90k) -> u64 {
    u64::try_from(ticks.0).unwrap_or(0)
}

/// File type (§4.3): `brands`, the first of which is the major one.
pub(crate) fn ftyp(w: &mut BoxWriter, brands: &[&[u8; 4]]) {
    w.boxed(b"ftyp", |w| {
        w.raw(*brands.first().expect("at least one brand is always given"));
        w.u32(0);
        brands.iter().for_each(|brand| w.raw(*brand));
    });
}

/// Movie header (§8.2.2), version 1.
pub(crate) fn mvhd(w: &mut BoxWriter, created: u64, duration_ticks: u64, next_track_id: u32) {
    w.full(b"mvhd", 1, 0, |w| {
        w.u64(created);
        w.u64(created);
        w.u32(TIMESCALE_HZ);
        w.u64(duration_ticks);
        w.u32(0x1_0000); // rate 1.0
        w.u16(0x0100); // volume 1.0
        w.zeros(10);
        MATRIX.iter().for_each(|value| w.u32(*value));
        w.zeros(24);
        w.u32(next_track_id);
    });
}

/// Track header (§8.3.2), version 1: enabled, in the movie and in its preview.
pub(crate) fn tkhd(w: &mut BoxWriter, track: TrackHeader<'_>) {
    let (width, height) = track.format.codec.dimensions().unwrap_or((0, 0));
    w.full(b"tkhd", 1, 7, |w| {
        w.u64(track.created);
        w.u64(track.created);
        w.u32(track.track_id);
        w.zeros(4);
        w.u64(track.movie_ticks);
        w.zeros(8);
        w.u32(0); // layer, alternate group
        w.u16(if track.format.codec.is_video() { 0 } else { 0x0100 });
        w.u16(0);
        MATRIX.iter().for_each(|value| w.u32(*value));
        // 16.16 fixed point.
        w.u32(width.min(0xFFFF) << 16);
        w.u32(height.min(0xFFFF) << 16);
    });
}

/// Media box (§8.4.1) up to the sample table, whose boxes after `stsd` `tables` writes.
pub(crate) fn mdia(
    w: &mut BoxWriter,
    track: TrackHeader<'_>,
    formats: &[&TrackFormat],
    tables: impl FnOnce(&mut BoxWriter),
) {
    let video = track.format.codec.is_video();
    w.boxed(b"mdia", |w| {
        w.full(b"mdhd", 1, 0, |w| {
            w.u64(track.created);
            w.u64(track.created);
            w.u32(TIMESCALE_HZ);
            w.u64(track.media_ticks);
            w.u16(LANGUAGE_UNDETERMINED);
            w.u16(0);
        });
        w.full(b"hdlr", 0, 0, |w| {
            w.u32(0);
            w.raw(if video { b"vide" } else { b"soun" });
            w.zeros(12);
            w.raw(if video { b"Video\0" } else { b"Sound\0" });
        });
        w.boxed(b"minf", |w| {
            if video {
                w.full(b"vmhd", 0, 1, |w| w.zeros(8));
            } else {
                w.full(b"smhd", 0, 0, |w| w.zeros(4));
            }
            w.boxed(b"dinf", |w| {
                w.full(b"dref", 0, 0, |w| {
                    w.u32(1);
                    w.full(b"url ", 0, 1, |_| {}); // flag 1: the media is in this file
                });
            });
            w.boxed(b"stbl", |w| {
                w.full(b"stsd", 0, 0, |w| {
                    w.u32(u32::try_from(formats.len()).unwrap_or(u32::MAX));
                    formats.iter().for_each(|format| write_sample_entry(w, format));
                });
                tables(w);
            });
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_counts_what_is_inside_it() {
        let mut w = BoxWriter::default();
        w.boxed(b"aaaa", |w| {
            w.full(b"bbbb", 1, 2, |w| w.u16(7));
            w.u8(9);
        });
        assert_eq!(w.finish(), b"\0\0\0\x17aaaa\0\0\0\x0Ebbbb\x01\0\0\x02\0\x07\x09");
    }

    #[test]
    fn the_iso_epoch_is_1904() {
        // Independent source: `date -u -d 1904-01-01 +%s` prints -2082844800.
        assert_eq!(secs_since_1904(UtcNanos(0)), 2_082_844_800);
        assert_eq!(secs_since_1904(UtcNanos(i64::MIN)), 0);
    }
}
