//! What H.264 and H.265 share: NAL units in both framings, and access units.
//!
//! Stored access units have each NAL unit behind a 4-byte length (ISO/IEC 14496-15 §5.3.2); decoders and some cameras speak Annex B, where start
//! codes stand between them.

use crate::bits::Bits;
use crate::error::Error;
use crate::packet::{Codec, TrackFormat};
pub use crate::parameter_sets::{ParameterSets, parameter_sets};
use bytes::Bytes;
use watchbook_base::limits::ACCESS_UNIT_BYTES_MAX;

/// Bytes of the length before a NAL unit.
const LENGTH_BYTES: usize = 4;
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Which of the two standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// ITU-T H.264, AVC.
    H264,
    /// ITU-T H.265, HEVC.
    H265,
}

impl Standard {
    /// That of a track; `None` for sound.
    #[must_use]
    pub fn of(codec: Codec) -> Option<Self> {
        match codec {
            Codec::H264 { .. } => Some(Self::H264),
            Codec::H265 { .. } => Some(Self::H265),
            _ => None,
        }
    }

    /// What a NAL unit with this first byte is.
    #[must_use]
    pub fn nal_kind(self, first: u8) -> NalKind {
        match self {
            // ITU-T H.264 table 7-1; RFC 6184 §5.2 uses 24 to 29 for its packets.
            Self::H264 => match first & 0x1F {
                5 => NalKind::KeySlice,
                1..=4 => NalKind::Slice,
                7 | 8 => NalKind::ParameterSet,
                0 | 24.. => NalKind::Outside,
                _ => NalKind::Other,
            },
            // ITU-T H.265 table 7-1; RFC 7798 §4.4 uses 48 to 50 for its packets. 16 to 23 are random access pictures.
            Self::H265 => match first >> 1 & 0x3F {
                16..=23 => NalKind::KeySlice,
                0..=15 | 24..=31 => NalKind::Slice,
                32..=34 => NalKind::ParameterSet,
                48.. => NalKind::Outside,
                _ => NalKind::Other,
            },
        }
    }

    fn header_bytes(self) -> usize {
        match self {
            Self::H264 => 1,
            Self::H265 => 2,
        }
    }
}

/// What a NAL unit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NalKind {
    /// Part of a picture that decoding can start at: IDR, and for H.265 CRA and BLA.
    KeySlice,
    /// Part of another picture.
    Slice,
    /// Video, sequence or picture parameter set.
    ParameterSet,
    /// Supplemental information, delimiters, filler.
    Other,
    /// A number that no coded picture has: left free by the standard and used inside network packets.
    Outside,
}

/// How pictures want to be shown, from the usability information of a sequence parameter set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Display {
    /// Width to height of one pixel, when known and not square.
    pub pixel_aspect: Option<(u16, u16)>,
    /// When known.
    pub colour: Option<Colour>,
}

/// Colour description in the numbers of ITU-T H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// Colour primaries.
    pub primaries: u8,
    /// Transfer characteristics.
    pub transfer: u8,
    /// Matrix coefficients.
    pub matrix: u8,
    /// Sample values use the full range.
    pub full_range: bool,
}

impl Display {
    /// The first fields of the usability information, which are the same in both standards (H.264 §E.1.1, H.265 §E.2.1).
    pub(crate) fn read(bits: &mut Bits) -> Result<Self, &'static str> {
        let mut display = Self::default();
        if bits.flag()? {
            let (horizontal, vertical) = match bits.small(8)? {
                255 => {
                    let side = |bits: &mut Bits| bits.bits(16).map(|value| u16::try_from(value).unwrap_or(0));
                    (side(bits)?, side(bits)?)
                }
                known => PIXEL_ASPECTS.get(usize::from(known)).copied().unwrap_or((0, 0)),
            };
            display.pixel_aspect =
                (horizontal > 0 && vertical > 0 && horizontal != vertical).then_some((horizontal, vertical));
        }
        // Overscan: whether told, and then whether to show it.
        if bits.flag()? {
            bits.skip(1)?;
        }
        if bits.flag()? {
            bits.skip(3)?; // PAL, NTSC …
            let full_range = bits.flag()?;
            if bits.flag()? {
                let (primaries, transfer, matrix) = (bits.small(8)?, bits.small(8)?, bits.small(8)?);
                display.colour = Some(Colour { primaries, transfer, matrix, full_range });
            }
        }
        Ok(display)
    }
}

/// Table E-1 of both standards; 0 is "unspecified".
const PIXEL_ASPECTS: [(u16, u16); 17] = [
    (0, 0),
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

/// The NAL units of a stored access unit; ends after the first error.
#[must_use]
pub fn nal_units(access_unit: &[u8]) -> NalUnits<'_> {
    NalUnits { rest: access_unit, len: access_unit.len() }
}

/// See [`nal_units`].
#[derive(Clone, Debug)]
pub struct NalUnits<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = Result<&'a [u8], Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let at = self.len - self.rest.len();
        let split = self.rest.split_first_chunk::<LENGTH_BYTES>().and_then(|(length, rest)| {
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            rest.split_at_checked(length)
        });
        let (nal, rest) = split.unwrap_or_default();
        // An error leaves nothing to go on with.
        self.rest = rest;
        if split.is_none() || nal.is_empty() {
            self.rest = &[];
            let why = if split.is_none() { "reaches past its end" } else { "is empty" };
            return Some(Err(Error::corrupt(format!(
                "reading an access unit of {} bytes: the NAL unit at byte {at} {why}",
                self.len
            ))));
        }
        Some(Ok(nal))
    }
}

/// The NAL units of an Annex B byte stream (§B.1.1 of both standards), without empty ones. What stands before the first start code is passed over.
#[must_use]
pub fn annex_b_units(stream: &[u8]) -> AnnexB<'_> {
    AnnexB { rest: start_code(stream).and_then(|at| stream.get(at + 3..)).unwrap_or_default() }
}

/// See [`annex_b_units`].
#[derive(Clone, Debug)]
pub struct AnnexB<'a> {
    /// Behind a start code.
    rest: &'a [u8],
}

impl<'a> Iterator for AnnexB<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = start_code(self.rest).unwrap_or(self.rest.len());
            let (nal, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest.get(3..).unwrap_or_default();
            // Zero bytes behind a NAL unit belong to the framing: no NAL unit ends with one.
            let used = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if let Some(nal) = nal.get(..used).filter(|nal| !nal.is_empty()) {
                return Some(nal);
            }
        }
        None
    }
}

/// Where the next 00 00 01 stands.
fn start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(3).position(|window| window == [0, 0, 1])
}

/// The stored form of an access unit that came as Annex B.
///
/// # Errors
/// `Corrupt` when there is no NAL unit in it, or more than an access unit may have.
pub fn from_annex_b(stream: &[u8]) -> Result<Bytes, Error> {
    let mut out = Vec::with_capacity(stream.len().min(ACCESS_UNIT_BYTES_MAX) + LENGTH_BYTES);
    for nal in annex_b_units(stream) {
        if nal.len() > ACCESS_UNIT_BYTES_MAX - LENGTH_BYTES
            || out.len() > ACCESS_UNIT_BYTES_MAX - LENGTH_BYTES - nal.len()
        {
            return Err(Error::corrupt(format!(
                "converting an access unit of {} bytes: over {ACCESS_UNIT_BYTES_MAX} bytes",
                stream.len()
            )));
        }
        out.extend_from_slice(&u32::try_from(nal.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(nal);
    }
    if out.is_empty() {
        return Err(Error::corrupt(format!("converting an access unit of {} bytes: no NAL unit in it", stream.len())));
    }
    Ok(Bytes::from(out))
}

/// `access_unit` in Annex B for a decoder, behind the parameter sets of `format` when `with_sets` (at a key frame).
///
/// # Errors
/// `Corrupt` when the lengths in the access unit or in the configuration do not add up, `InvalidInput` for sound.
pub fn to_annex_b(format: &TrackFormat, access_unit: &[u8], with_sets: bool) -> Result<Vec<u8>, Error> {
    let sets = if with_sets { parameter_sets(format)? } else { Vec::new() };
    // A start code is as long as a length.
    let mut out =
        Vec::with_capacity(access_unit.len() + sets.iter().map(|set| set.len() + START_CODE.len()).sum::<usize>());
    for nal in sets.into_iter().map(Ok).chain(nal_units(access_unit)) {
        out.extend_from_slice(&START_CODE);
        out.extend_from_slice(nal?);
    }
    Ok(out)
}

/// What [`check_access_unit`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessUnit {
    /// Decoding can start here.
    pub key: bool,
    /// It brings parameter sets along.
    pub has_parameter_sets: bool,
}

/// Whether `access_unit` is a coded picture as stored: lengths that add up, NAL units that a picture may have, at least one slice, and not both kinds
/// of slices.
///
/// # Errors
/// `Corrupt` with the reason.
pub fn check_access_unit(standard: Standard, access_unit: &[u8]) -> Result<AccessUnit, Error> {
    let len = access_unit.len();
    let wrong = |why: String| Error::corrupt(format!("checking an {standard:?} access unit of {len} bytes: {why}"));
    if len == 0 || len > ACCESS_UNIT_BYTES_MAX {
        return Err(wrong(format!("1 to {ACCESS_UNIT_BYTES_MAX} bytes go")));
    }
    let (mut key, mut other, mut sets) = (false, false, false);
    for (index, nal) in nal_units(access_unit).enumerate() {
        let nal = nal?;
        let first = nal.first().copied().unwrap_or(0x80);
        if nal.len() < standard.header_bytes() {
            return Err(wrong(format!("NAL unit {index} is shorter than its header")));
        }
        // H.265 §7.4.2.2: nuh_temporal_id_plus1 is never 0.
        if first & 0x80 != 0 || (standard == Standard::H265 && nal.get(1).is_some_and(|second| second & 7 == 0)) {
            return Err(wrong(format!("NAL unit {index} has a forbidden header")));
        }
        match standard.nal_kind(first) {
            NalKind::KeySlice => key = true,
            NalKind::Slice => other = true,
            NalKind::ParameterSet => sets = true,
            NalKind::Other => {}
            NalKind::Outside => {
                return Err(wrong(format!("NAL unit {index} starts with {first:#04x}, which no picture has")));
            }
        }
    }
    match (key, other) {
        (false, false) => Err(wrong("no slice of a picture in it".into())),
        (true, true) => Err(wrong("slices of a key frame and of another picture in one".into())),
        (key, _) => Ok(AccessUnit { key, has_parameter_sets: sets }),
    }
}

/// True when decoding can start at `access_unit`; false when it cannot be read.
#[must_use]
pub fn is_key_frame(standard: Standard, access_unit: &[u8]) -> bool {
    nal_units(access_unit)
        .map_while(Result::ok)
        .any(|nal| nal.first().is_some_and(|first| standard.nal_kind(*first) == NalKind::KeySlice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annex_b_is_split_at_both_start_codes() {
        let stream = [9, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0x65, 3, 0];
        assert_eq!(annex_b_units(&stream).collect::<Vec<_>>(), [&[0x67, 1][..], &[0x68, 2], &[0x65, 3]]);
        let stored = from_annex_b(&stream).unwrap();
        assert_eq!(stored[..], [0, 0, 0, 2, 0x67, 1, 0, 0, 0, 2, 0x68, 2, 0, 0, 0, 2, 0x65, 3]);
        assert!(from_annex_b(&[1, 2, 3]).is_err());
        assert!(from_annex_b(&[0, 0, 1]).is_err());
        let mut large = vec![0, 0, 1];
        large.resize(ACCESS_UNIT_BYTES_MAX, 7);
        assert!(from_annex_b(&large).is_err(), "with its length it would be one byte too long");
    }

    #[test]
    fn broken_access_units_are_refused_with_the_reason() {
        for (standard, bytes, why) in [
            (Standard::H264, &[][..], "1 to 4194304 bytes"),
            (Standard::H264, &[0, 0, 0], "byte 0 reaches past"),
            (Standard::H264, &[0, 0, 0, 2, 0x65], "byte 0 reaches past"),
            (Standard::H264, &[0, 0, 0, 1, 0x65, 0xFF, 0xFF, 0xFF, 0xFF, 1], "byte 5 reaches past"),
            (Standard::H264, &[0, 0, 0, 0], "is empty"),
            (Standard::H264, &[0, 0, 0, 1, 0xE5], "forbidden header"),
            (Standard::H264, &[0, 0, 0, 2, 0x7C, 0x85], "no picture has"),
            (Standard::H264, &[0, 0, 0, 1, 0x67], "no slice"),
            (Standard::H264, &[0, 0, 0, 1, 0x65, 0, 0, 0, 1, 0x41], "in one"),
            (Standard::H265, &[0, 0, 0, 1, 0x26], "shorter than its header"),
            (Standard::H265, &[0, 0, 0, 2, 0x26, 0], "forbidden header"),
            (Standard::H265, &[0, 0, 0, 3, 0x62, 1, 0x93], "no picture has"),
        ] {
            let error = check_access_unit(standard, bytes).unwrap_err();
            assert!(error.message.contains(why), "{bytes:?}: {error}");
        }
        let found = check_access_unit(Standard::H264, &[0, 0, 0, 1, 0x67, 0, 0, 0, 2, 0x65, 0x88]).unwrap();
        assert_eq!(found, AccessUnit { key: true, has_parameter_sets: true });
        let found = check_access_unit(Standard::H265, &[0, 0, 0, 3, 2, 1, 0xD0]).unwrap();
        assert_eq!(found, AccessUnit { key: false, has_parameter_sets: false });
    }
}
