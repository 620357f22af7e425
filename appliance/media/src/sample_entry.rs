//! How a track's format is announced: sample entries of `stsd`, codec strings of RFC 6381 and media types for a browser.

use crate::boxes::BoxWriter;
use crate::error::Error;
use crate::packet::{Codec, TrackFormat};
use crate::{h26x, h264, h265};

/// Pixels per inch that every writer puts into a visual sample entry: 72 as 16.16 (ISO/IEC 14496-12 §12.1.3).
const RESOLUTION_72_DPI: u32 = 0x0048_0000;

/// `objectTypeIndication` of MPEG-4 audio (ISO/IEC 14496-1 table 5).
const OBJECT_TYPE_AAC: u8 = 0x40;
/// `objectTypeIndication` of "Visual ISO/IEC 10918-1", which is JPEG (ISO/IEC 14496-1 table 5).
const OBJECT_TYPE_JPEG: u8 = 0x6C;

/// Sets of formats that can follow each other in one track: several sample entries of the same type, never of two.
pub(crate) fn same_family(a: &TrackFormat, b: &TrackFormat) -> bool {
    core::mem::discriminant(&a.codec) == core::mem::discriminant(&b.codec)
}

/// The codec as RFC 6381 names it: `avc1.64001F`, `hvc1.1.6.L93.B0`, `mp4v.6C`, `mp4a.40.2`, `ulaw`, `alaw`.
///
/// # Errors
/// `InvalidInput` when the configuration is too short for its codec.
pub fn codec_string(format: &TrackFormat) -> Result<String, Error> {
    let config: &[u8] = &format.config;
    match format.codec {
        // ISO/IEC 14496-15 §E.3: profile_idc, constraint flags and level_idc, which avcC repeats behind its version.
        Codec::H264 { .. } => match config {
            [1, profile, constraints, level, ..] => Ok(format!("avc1.{profile:02X}{constraints:02X}{level:02X}")),
            _ => Err(Error::invalid(format!("naming an H.264 format: {} bytes are no avcC", config.len()))),
        },
        Codec::H265 { .. } => hevc_codec_string(config),
        // RFC 6381 §3.3: the object type indication in hexadecimal.
        Codec::Mjpeg { .. } => Ok(format!("mp4v.{OBJECT_TYPE_JPEG:02X}")),
        Codec::Aac { .. } => Ok(format!("mp4a.40.{}", aac_object_type(config)?)),
        Codec::Pcmu { .. } => Ok("ulaw".into()),
        Codec::Pcma { .. } => Ok("alaw".into()),
    }
}

/// The media type with codec for `MediaSource.isTypeSupported` and `addSourceBuffer`: `video/mp4; codecs="avc1.64001F"`.
///
/// # Errors
/// As [`codec_string`].
pub fn mime(format: &TrackFormat) -> Result<String, Error> {
    let kind = if format.codec.is_video() { "video" } else { "audio" };
    Ok(format!("{kind}/mp4; codecs=\"{}\"", codec_string(format)?))
}

/// ISO/IEC 14496-15 §E.3 from the first 13 bytes of hvcC (§8.3.3.1.2).
fn hevc_codec_string(config: &[u8]) -> Result<String, Error> {
    let [1, profile, c0, c1, c2, c3, constraints @ .., level] = config.get(..13).unwrap_or_default() else {
        return Err(Error::invalid(format!("naming an H.265 format: {} bytes are no hvcC", config.len())));
    };
    let space = match profile >> 6 {
        0 => "",
        1 => "A",
        2 => "B",
        _ => "C",
    };
    let tier = if profile & 0x20 == 0 { 'L' } else { 'H' };
    // The compatibility flags are written with the first flag as the lowest bit.
    let compatibility = u32::from_be_bytes([*c0, *c1, *c2, *c3]).reverse_bits();
    let mut name = format!("hvc1.{space}{}.{compatibility:X}.{tier}{level}", profile & 0x1F);
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for byte in constraints.iter().take(used) {
        name.push_str(&format!(".{byte:X}"));
    }
    Ok(name)
}

/// `audioObjectType` (ISO/IEC 14496-3 §1.6.2.1): five bits, or six more behind the escape 31.
fn aac_object_type(config: &[u8]) -> Result<u8, Error> {
    let short = || Error::invalid(format!("naming an AAC format: {} bytes are no AudioSpecificConfig", config.len()));
    let [first, second, ..] = config else { return Err(short()) };
    match first >> 3 {
        0 => Err(short()),
        31 => Ok(32 + ((first & 7) << 3 | second >> 5)),
        object_type => Ok(object_type),
    }
}

/// One sample entry (ISO/IEC 14496-12 §8.5.2) of `stsd`.
pub(crate) fn write_sample_entry(w: &mut BoxWriter, format: &TrackFormat) {
    match format.codec {
        Codec::H264 { width, height } => {
            visual(w, b"avc1", (width, height), format, |w| w.boxed(b"avcC", |w| w.raw(&format.config)));
        }
        Codec::H265 { width, height } => {
            visual(w, b"hvc1", (width, height), format, |w| w.boxed(b"hvcC", |w| w.raw(&format.config)));
        }
        // ISO/IEC 14496-14 §5.6.1. ISO files have no entry of their own for JPEG; ffmpeg and VLC read this one.
        Codec::Mjpeg { width, height } => visual(w, b"mp4v", (width, height), format, |w| {
            esds(w, (OBJECT_TYPE_JPEG, STREAM_VISUAL), &[]);
        }),
        Codec::Aac { sample_rate_hz, channels } => {
            audio(w, b"mp4a", sample_rate_hz, channels, |w| esds(w, (OBJECT_TYPE_AAC, STREAM_AUDIO), &format.config));
        }
        Codec::Pcmu { sample_rate_hz, channels } => audio(w, b"ulaw", sample_rate_hz, channels, |_| {}),
        Codec::Pcma { sample_rate_hz, channels } => audio(w, b"alaw", sample_rate_hz, channels, |_| {}),
    }
}

/// `VisualSampleEntry` (§12.1.3) with its configuration box, and `colr` and `pasp` when the parameter sets tell.
fn visual(
    w: &mut BoxWriter,
    entry: &[u8; 4],
    (width, height): (u32, u32),
    format: &TrackFormat,
    config: impl FnOnce(&mut BoxWriter),
) {
    let side = |px: u32| u16::try_from(px).unwrap_or(u16::MAX);
    let display = display_of(format);
    w.boxed(entry, |w| {
        w.zeros(6);
        w.u16(1); // data reference
        w.zeros(16);
        w.u16(side(width));
        w.u16(side(height));
        w.u32(RESOLUTION_72_DPI);
        w.u32(RESOLUTION_72_DPI);
        w.u32(0);
        w.u16(1); // frames in a sample
        w.zeros(32); // no compressor name
        w.u16(0x0018); // colour without alpha
        w.u16(0xFFFF);
        config(w);
        if let Some(colour) = display.colour {
            // §12.1.5; the top bit of the last byte is the full-range flag.
            w.boxed(b"colr", |w| {
                w.raw(b"nclx");
                w.u16(u16::from(colour.primaries));
                w.u16(u16::from(colour.transfer));
                w.u16(u16::from(colour.matrix));
                w.u8(u8::from(colour.full_range) << 7);
            });
        }
        if let Some((horizontal, vertical)) = display.pixel_aspect {
            w.boxed(b"pasp", |w| {
                w.u32(u32::from(horizontal));
                w.u32(u32::from(vertical));
            });
        }
    });
}

/// What the first sequence parameter set in the configuration says about showing the picture; nothing when it cannot be read.
fn display_of(format: &TrackFormat) -> h26x::Display {
    let Ok(sets) = h26x::parameter_sets(format) else { return h26x::Display::default() };
    let parsed = sets.iter().find_map(|nal| match format.codec {
        Codec::H264 { .. } => h264::Sps::parse(nal).ok().map(|sps| sps.display),
        _ => h265::Sps::parse(nal).ok().map(|sps| sps.display),
    });
    parsed.unwrap_or_default()
}

/// `AudioSampleEntry` (§12.2.3).
fn audio(w: &mut BoxWriter, entry: &[u8; 4], rate_hz: u32, channels: u16, config: impl FnOnce(&mut BoxWriter)) {
    w.boxed(entry, |w| {
        w.zeros(6);
        w.u16(1);
        w.zeros(8);
        w.u16(channels);
        w.u16(16); // bits a sample, by convention
        w.u32(0);
        // 16.16; a rate that does not fit is left to the codec's own configuration.
        w.u32(if rate_hz > 0xFFFF { 0 } else { rate_hz << 16 });
        config(w);
    });
}

/// Elementary stream descriptor (ISO/IEC 14496-14 §5.6, descriptors of ISO/IEC 14496-1 §7.2.6). JPEG has no configuration, and then none is told.
fn esds(w: &mut BoxWriter, (object_type, stream_type): (u8, u8), config: &[u8]) {
    let config_len = u32::try_from(config.len()).unwrap_or(u32::MAX);
    let config_descriptor_len = if config.is_empty() { 0 } else { 5 + config_len };
    w.full(b"esds", 0, 0, |w| {
        descriptor(w, 3, 3 + (5 + 13) + config_descriptor_len + (5 + 1));
        w.u16(0); // ES_ID: taken from the track
        w.u8(0);
        descriptor(w, 4, 13 + config_descriptor_len);
        w.u8(object_type);
        w.u8(stream_type);
        w.zeros(3 + 4 + 4); // buffer size and bit rates: unknown
        if !config.is_empty() {
            descriptor(w, 5, config_len);
            w.raw(config);
        }
        descriptor(w, 6, 1);
        w.u8(2); // predefined for MP4
    });
}

/// `streamType` 4 (visual) and 5 (audio) of ISO/IEC 14496-1 table 6 in the upper six bits, the reserved bit set.
const STREAM_VISUAL: u8 = 4 << 2 | 1;
/// See [`STREAM_VISUAL`].
const STREAM_AUDIO: u8 = 5 << 2 | 1;

/// A descriptor's tag and its length in the four-byte form (7 bits a byte).
fn descriptor(w: &mut BoxWriter, tag: u8, len: u32) {
    w.u8(tag);
    for shift in [21, 14, 7] {
        let [.., low] = (len >> shift).to_be_bytes();
        w.u8(0x80 | low);
    }
    let [.., low] = len.to_be_bytes();
    w.u8(low & 0x7F);
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn named(codec: Codec, config: &'static [u8]) -> String {
        codec_string(&TrackFormat { codec, config: Bytes::from_static(config) }).unwrap()
    }

    #[test]
    fn codec_strings_are_those_of_rfc_6381_and_14496_15() {
        let avc = Codec::H264 { width: 1, height: 1 };
        let hevc = Codec::H265 { width: 1, height: 1 };
        let aac = Codec::Aac { sample_rate_hz: 48_000, channels: 2 };
        // RFC 6381 §3.3: Baseline with constraint_set0 and 1... level 3.0 is avc1.42E01E; Main AAC-LC is mp4a.40.2.
        assert_eq!(named(avc, &[1, 0x42, 0xE0, 0x1E, 0xFF]), "avc1.42E01E");
        assert_eq!(named(aac, &[0x11, 0x90]), "mp4a.40.2");
        // RFC 6381 §3.3 names the object type, mp4ra.org registers 6C for ISO/IEC 10918-1.
        assert_eq!(named(Codec::Mjpeg { width: 1, height: 1 }, &[]), "mp4v.6C");
        // 31 escapes to six bits: 32 + 10 = 42 is USAC.
        assert_eq!(named(aac, &[0xF9, 0x40]), "mp4a.40.42");
        // ISO/IEC 14496-15 §E.3 example: Main profile, compatible with Main 10, level 3.1, progressive.
        let config = &[1, 1, 0x60, 0, 0, 0, 0xB0, 0, 0, 0, 0, 0, 93, 0];
        assert_eq!(named(hevc, config), "hvc1.1.6.L93.B0");
        let odd = &[1, 0x40 | 0x20 | 4, 0x08, 0, 0, 0, 0, 0, 0x0A, 0, 0, 0, 120];
        assert_eq!(named(hevc, odd), "hvc1.A4.10.H120.0.0.A");
        let format = TrackFormat { codec: avc, config: Bytes::from_static(&[1, 0x64, 0, 0x1F]) };
        assert_eq!(mime(&format).unwrap(), "video/mp4; codecs=\"avc1.64001F\"");
    }

    #[test]
    fn a_configuration_that_is_too_short_is_refused() {
        for codec in [
            Codec::H264 { width: 1, height: 1 },
            Codec::H265 { width: 1, height: 1 },
            Codec::Aac { sample_rate_hz: 8000, channels: 1 },
        ] {
            let format = TrackFormat { codec, config: Bytes::from_static(&[1]) };
            assert_eq!(codec_string(&format).unwrap_err().kind, watchbook_base::Kind::InvalidInput);
        }
    }
}
