//! Parameter sets of H.264 and the `avcC` configuration record made of them.

use crate::bits::{Bits, Reason};
use crate::error::Error;
use crate::h26x::Display;
use crate::packet::{Codec, TrackFormat};
use crate::parameter_sets::take_sets;
use bytes::Bytes;
use watchbook_base::limits::PICTURE_SIDE_PX_MAX;

/// Macroblocks along one side of the largest accepted picture.
const SIDE_MACROBLOCKS_MAX: u32 = PICTURE_SIDE_PX_MAX / 16;

/// What a sequence parameter set (ITU-T H.264 §7.3.2.1.1) says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sps {
    /// `profile_idc`.
    pub profile: u8,
    /// The byte of constraint flags behind it.
    pub constraints: u8,
    /// `level_idc`: ten times the level.
    pub level: u8,
    /// Its number, 0 to 31.
    pub number: u32,
    /// `chroma_format_idc`: 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_format: u8,
    /// Bits of a luma sample.
    pub bit_depth_luma: u8,
    /// Bits of a chroma sample.
    pub bit_depth_chroma: u8,
    /// Cropped picture width in pixels.
    pub width: u32,
    /// Cropped picture height in pixels.
    pub height: u32,
    /// How to show it.
    pub display: Display,
}

impl Sps {
    /// Reads `nal`, its header byte included.
    ///
    /// # Errors
    /// `Corrupt` when it is no sequence parameter set, ends too early or has a size that no camera has.
    pub fn parse(nal: &[u8]) -> Result<Self, Error> {
        read_sps(nal).map_err(|why| {
            Error::corrupt(format!("reading an H.264 sequence parameter set of {} bytes: {why}", nal.len()))
        })
    }
}

fn read_sps(nal: &[u8]) -> Result<Sps, Reason> {
    if nal.first().is_none_or(|first| first & 0x9F != 7) {
        return Err("its type is another");
    }
    let mut bits = Bits::of_nal(nal);
    bits.skip(8)?;
    let (profile, constraints, level) = (bits.small(8)?, bits.small(8)?, bits.small(8)?);
    let number = bits.ue_max(31, "its number is over 31")?;
    let (mut chroma_format, mut planes, mut bit_depth_luma, mut bit_depth_chroma) = (1_u8, false, 8, 8);
    if has_chroma_info(profile) {
        let small = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
        chroma_format = small(bits.ue_max(3, "its chroma format is unknown")?);
        planes = chroma_format == 3 && bits.flag()?;
        bit_depth_luma = 8 + small(bits.ue_max(6, "its bit depth is over 14")?);
        bit_depth_chroma = 8 + small(bits.ue_max(6, "its bit depth is over 14")?);
        bits.skip(1)?;
        if bits.flag()? {
            skip_scaling_lists(&mut bits, if chroma_format == 3 { 12 } else { 8 })?;
        }
    }
    bits.ue()?; // frame number length
    skip_picture_order(&mut bits)?;
    bits.ue()?; // reference frames
    bits.skip(1)?;
    let (width, height) = read_size(&mut bits, if planes { 0 } else { chroma_format })?;
    // The rest is a hint for players: cameras get it wrong, and the pictures decode without.
    let display =
        if bits.flag() == Ok(true) { Display::read(&mut bits).unwrap_or_default() } else { Display::default() };
    Ok(Sps {
        profile,
        constraints,
        level,
        number,
        chroma_format,
        bit_depth_luma,
        bit_depth_chroma,
        width,
        height,
        display,
    })
}

/// Picture size behind cropping, §7.3.2.1.1 from `pic_width_in_mbs_minus1` on. `chroma_array_type` is 0 where each plane is coded by itself.
fn read_size(bits: &mut Bits, chroma_array_type: u8) -> Result<(u32, u32), Reason> {
    let columns = bits.ue_max(SIDE_MACROBLOCKS_MAX - 1, "its picture is too wide")? + 1;
    let rows = bits.ue_max(SIDE_MACROBLOCKS_MAX - 1, "its picture is too high")? + 1;
    let frames_only = bits.flag()?;
    if !frames_only {
        bits.skip(1)?;
    }
    bits.skip(1)?;
    // §7.4.2.1.1: cropping counts chroma samples, and pairs of lines when fields are possible.
    let fields = if frames_only { 1 } else { 2 };
    let (unit_x, unit_y) = match chroma_array_type {
        1 => (2, 2 * fields),
        2 => (2, fields),
        _ => (1, fields),
    };
    let mut crop = [0; 4];
    if bits.flag()? {
        for side in &mut crop {
            *side = bits.ue_max(PICTURE_SIDE_PX_MAX, "its cropping is too large")?;
        }
    }
    let [left, right, top, bottom] = crop;
    let width = (columns * 16)
        .checked_sub((left + right) * unit_x)
        .filter(|width| *width > 0)
        .ok_or("nothing is left of its width")?;
    let height = rows * 16 * fields;
    let height = height
        .checked_sub((top + bottom) * unit_y)
        .filter(|height| *height > 0)
        .ok_or("nothing is left of its height")?;
    if height > PICTURE_SIDE_PX_MAX {
        return Err("its picture is too high");
    }
    Ok((width, height))
}

/// §7.3.2.1.1: the profiles whose sets carry chroma format, bit depth and scaling lists.
fn has_chroma_info(profile: u8) -> bool {
    matches!(profile, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244)
}

/// §7.3.2.1.1.1.
fn skip_scaling_lists(bits: &mut Bits, count: u32) -> Result<(), Reason> {
    for index in 0..count {
        if !bits.flag()? {
            continue;
        }
        let (mut last, mut next) = (8_i64, 8_i64);
        for _ in 0..if index < 6 { 16 } else { 64 } {
            if next != 0 {
                next = (last + bits.se()?).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
    }
    Ok(())
}

/// Picture order count, §7.3.2.1.1.
fn skip_picture_order(bits: &mut Bits) -> Result<(), Reason> {
    match bits.ue()? {
        0 => bits.ue().map(|_| ()),
        1 => {
            bits.skip(1)?;
            bits.skip_se()?;
            bits.skip_se()?;
            let count = bits.ue_max(255, "its picture order cycle is over 255")?;
            (0..count).try_for_each(|_| bits.skip_se())
        }
        2 => Ok(()),
        _ => Err("its picture order type is unknown"),
    }
}

/// The number of a sequence or picture parameter set.
pub(crate) fn set_number(nal: &[u8]) -> Result<u32, Reason> {
    let mut bits = Bits::of_nal(nal);
    match nal.first().map(|first| first & 0x1F) {
        Some(7) => bits.skip(32)?,
        _ => bits.skip(8)?,
    }
    bits.ue_max(255, "its number is over 255")
}

/// The parameter sets in an `avcC` (ISO/IEC 14496-15 §5.3.3.1.2); `None` when its lengths do not add up.
pub(crate) fn sets_of_config(config: &[u8]) -> Option<Vec<&[u8]>> {
    let (head, mut cursor) = config.split_first_chunk::<6>()?;
    let mut sets = Vec::new();
    take_sets(&mut cursor, usize::from(head.last()? & 0x1F), &mut sets)?;
    let (count, rest) = cursor.split_first()?;
    cursor = rest;
    take_sets(&mut cursor, usize::from(*count), &mut sets)?;
    Some(sets)
}

/// The format that these sequence and picture parameter sets make; `None` while either is missing.
pub(crate) fn format_of(sps: &[&Bytes], pps: &[&Bytes]) -> Result<Option<TrackFormat>, Error> {
    let (Some(first), false) = (sps.first(), pps.is_empty()) else { return Ok(None) };
    let parsed = Sps::parse(first)?;
    let count = |sets: &[&Bytes]| u8::try_from(sets.len()).unwrap_or(31).min(31);
    // Version, profile, constraints, level, 4-byte lengths with reserved bits.
    let mut config = vec![1, parsed.profile, parsed.constraints, parsed.level, 0xFF, 0xE0 | count(sps)];
    put_sets(&mut config, sps.iter().take(31));
    config.push(count(pps));
    put_sets(&mut config, pps.iter().take(31));
    if !matches!(parsed.profile, 66 | 77 | 88) {
        config.extend([
            0xFC | parsed.chroma_format,
            0xF8 | (parsed.bit_depth_luma - 8),
            0xF8 | (parsed.bit_depth_chroma - 8),
            0,
        ]);
    }
    let codec = Codec::H264 { width: parsed.width, height: parsed.height };
    Ok(Some(TrackFormat { codec, config: Bytes::from(config) }))
}

/// Sets behind 2-byte lengths; [`crate::parameter_sets::ParameterSets`] keeps none that is longer.
pub(crate) fn put_sets<'a>(config: &mut Vec<u8>, sets: impl Iterator<Item = &'a &'a Bytes>) {
    for set in sets {
        config.extend_from_slice(&u16::try_from(set.len()).unwrap_or(u16::MAX).to_be_bytes());
        config.extend_from_slice(set);
    }
}
