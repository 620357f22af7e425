//! Parameter sets of H.265 and the `hvcC` configuration record made of them.

use crate::bits::{Bits, Reason};
use crate::error::Error;
use crate::h26x::Display;
use crate::h264::put_sets;
use crate::packet::{Codec, TrackFormat};
use crate::parameter_sets::take_sets;
use bytes::Bytes;
use watchbook_base::limits::PICTURE_SIDE_PX_MAX;

/// Bytes of the general part of `profile_tier_level` (ITU-T H.265 §7.3.3), which `hvcC` repeats.
const PROFILE_BYTES: usize = 12;
/// Where it stands: behind the NAL header and the byte with the set's number and sub-layers.
const PROFILE_AT: usize = 3;

/// What a sequence parameter set (ITU-T H.265 §7.3.2.2.1) says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sps {
    /// General profile space, tier, profile, compatibility flags, constraint flags and level: 12 bytes as they stand there.
    pub profile_tier_level: [u8; PROFILE_BYTES],
    /// Temporal sub-layers, 1 to 7.
    pub sub_layers: u8,
    /// `sps_temporal_id_nesting_flag`.
    pub nested: bool,
    /// Its number, 0 to 15.
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
    /// Reads `nal`, its two header bytes included.
    ///
    /// # Errors
    /// `Corrupt` when it is no sequence parameter set, ends too early or has a size that no camera has.
    pub fn parse(nal: &[u8]) -> Result<Self, Error> {
        read_sps(nal).map_err(|why| {
            Error::corrupt(format!("reading an H.265 sequence parameter set of {} bytes: {why}", nal.len()))
        })
    }

    /// `general_profile_idc`.
    #[must_use]
    pub fn profile(&self) -> u8 {
        self.profile_tier_level.first().map_or(0, |first| first & 0x1F)
    }

    /// `general_level_idc`: thirty times the level.
    #[must_use]
    pub fn level(&self) -> u8 {
        self.profile_tier_level.last().copied().unwrap_or(0)
    }
}

fn read_sps(nal: &[u8]) -> Result<Sps, Reason> {
    if nal.first().is_none_or(|first| first >> 1 != 33) {
        return Err("its type is another");
    }
    let mut bits = Bits::of_nal(nal);
    let profile_tier_level =
        bits.bytes_at(PROFILE_AT, PROFILE_BYTES).and_then(|bytes| bytes.try_into().ok()).ok_or("it ends too early")?;
    bits.skip(16 + 4)?;
    let sub_layers_more = bits.bits(3)?;
    if sub_layers_more > 6 {
        return Err("it has over 7 sub-layers");
    }
    let nested = bits.flag()?;
    bits.skip(PROFILE_BYTES * 8)?;
    skip_sub_layer_profiles(&mut bits, sub_layers_more)?;
    let number = bits.ue_max(15, "its number is over 15")?;
    let small = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
    let chroma_format = small(bits.ue_max(3, "its chroma format is unknown")?);
    if chroma_format == 3 {
        bits.skip(1)?;
    }
    let coded_width = bits.ue_max(PICTURE_SIDE_PX_MAX, "its picture is too wide")?;
    let coded_height = bits.ue_max(PICTURE_SIDE_PX_MAX, "its picture is too high")?;
    // §7.4.3.2.1: the conformance window counts chroma samples.
    let (unit_x, unit_y) = match chroma_format {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let mut crop = [0; 4];
    if bits.flag()? {
        for side in &mut crop {
            *side = bits.ue_max(PICTURE_SIDE_PX_MAX, "its cropping is too large")?;
        }
    }
    let [left, right, top, bottom] = crop;
    let inside = |side: u32, cut: u32| side.checked_sub(cut).filter(|rest| *rest > 0);
    let width = inside(coded_width, (left + right) * unit_x).ok_or("nothing is left of its width")?;
    let height = inside(coded_height, (top + bottom) * unit_y).ok_or("nothing is left of its height")?;
    let bit_depth_luma = 8 + small(bits.ue_max(8, "its bit depth is over 16")?);
    let bit_depth_chroma = 8 + small(bits.ue_max(8, "its bit depth is over 16")?);
    // What follows leads to hints for players only: the pictures decode without.
    let display = read_display(&mut bits, sub_layers_more).unwrap_or_default();
    let sub_layers = small(sub_layers_more + 1);
    Ok(Sps {
        profile_tier_level,
        sub_layers,
        nested,
        number,
        chroma_format,
        bit_depth_luma,
        bit_depth_chroma,
        width,
        height,
        display,
    })
}

/// §7.3.3, behind the general part.
fn skip_sub_layer_profiles(bits: &mut Bits, sub_layers_more: u32) -> Result<(), Reason> {
    if sub_layers_more == 0 {
        return Ok(());
    }
    let mut skipped = 0;
    for layer in 0..8 {
        let (profile, level) = (bits.flag()?, bits.flag()?);
        if layer < sub_layers_more {
            skipped += if profile { 88 } else { 0 } + if level { 8 } else { 0 };
        }
    }
    bits.skip(skipped)
}

/// §7.3.2.2.1 from `log2_max_pic_order_cnt_lsb_minus4` up to the usability information.
fn read_display(bits: &mut Bits, sub_layers_more: u32) -> Result<Display, Reason> {
    let order_bits = 4 + bits.ue_max(12, "its picture order count is over 16 bits")?;
    let all_layers = bits.flag()?;
    for _ in if all_layers { 0 } else { sub_layers_more }..=sub_layers_more {
        (0..3).try_for_each(|_| bits.ue().map(|_| ()))?;
    }
    // Block sizes and transform depths.
    (0..6).try_for_each(|_| bits.ue().map(|_| ()))?;
    if bits.flag()? && bits.flag()? {
        skip_scaling_lists(bits)?;
    }
    bits.skip(2)?;
    if bits.flag()? {
        bits.skip(8)?;
        bits.ue()?;
        bits.ue()?;
        bits.skip(1)?;
    }
    skip_reference_sets(bits)?;
    if bits.flag()? {
        let count = bits.ue_max(32, "it has over 32 long-term references")?;
        (0..count).try_for_each(|_| bits.bits(order_bits + 1).map(|_| ()))?;
    }
    bits.skip(2)?;
    if bits.flag()? { Display::read(bits) } else { Ok(Display::default()) }
}

/// §7.3.4.
fn skip_scaling_lists(bits: &mut Bits) -> Result<(), Reason> {
    for size in 0..4_u32 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if !bits.flag()? {
                bits.ue()?;
                continue;
            }
            if size > 1 {
                bits.skip_se()?;
            }
            let coefficients = 64.min(1_u32 << (4 + 2 * size));
            (0..coefficients).try_for_each(|_| bits.skip_se())?;
        }
    }
    Ok(())
}

/// `num_short_term_ref_pic_sets` and the sets (§7.3.7), of which only the number of entries matters to get past the next one.
fn skip_reference_sets(bits: &mut Bits) -> Result<(), Reason> {
    let count = bits.ue_max(64, "it has over 64 reference sets")?;
    let mut entries = 0;
    for index in 0..count {
        if index > 0 && bits.flag()? {
            bits.skip(1)?;
            bits.ue()?;
            let mut kept = 0;
            for _ in 0..=entries {
                // Used by the current picture, or else at least kept.
                if bits.flag()? || bits.flag()? {
                    kept += 1;
                }
            }
            entries = kept;
        } else {
            let before = bits.ue_max(16, "a reference set has over 16 entries")?;
            let after = bits.ue_max(16, "a reference set has over 16 entries")?;
            entries = before + after;
            for _ in 0..entries {
                bits.ue()?;
                bits.skip(1)?;
            }
        }
        if entries > 32 {
            return Err("a reference set has over 32 entries");
        }
    }
    Ok(())
}

/// The number of a video, sequence or picture parameter set.
pub(crate) fn set_number(nal: &[u8]) -> Result<u32, Reason> {
    let mut bits = Bits::of_nal(nal);
    bits.skip(16)?;
    match nal.first().map(|first| first >> 1) {
        Some(32) => bits.bits(4),
        Some(33) => read_sps(nal).map(|sps| sps.number),
        _ => bits.ue_max(63, "its number is over 63"),
    }
}

/// The parameter sets in an `hvcC` (ISO/IEC 14496-15 §8.3.3.1.2); `None` when its lengths do not add up.
pub(crate) fn sets_of_config(config: &[u8]) -> Option<Vec<&[u8]>> {
    let (head, mut cursor) = config.split_first_chunk::<23>()?;
    let mut sets = Vec::new();
    for _ in 0..*head.last()? {
        let ([_, high, low], rest) = cursor.split_first_chunk::<3>()?;
        cursor = rest;
        take_sets(&mut cursor, usize::from(u16::from_be_bytes([*high, *low])), &mut sets)?;
    }
    Some(sets)
}

/// The format that these parameter sets make; `None` while a kind is missing.
pub(crate) fn format_of(vps: &[&Bytes], sps: &[&Bytes], pps: &[&Bytes]) -> Result<Option<TrackFormat>, Error> {
    let (Some(first), false, false) = (sps.first(), vps.is_empty(), pps.is_empty()) else { return Ok(None) };
    let parsed = Sps::parse(first)?;
    let mut config = vec![1];
    config.extend_from_slice(&parsed.profile_tier_level);
    // Reserved bits around: segmentation 0, parallelism unknown, chroma format, bit depths, frame rate unknown.
    config.extend([0xF0, 0, 0xFC, 0xFC | parsed.chroma_format]);
    config.extend([0xF8 | (parsed.bit_depth_luma - 8), 0xF8 | (parsed.bit_depth_chroma - 8), 0, 0]);
    // Sub-layers, nesting, 4-byte lengths; then three lists, each complete.
    config.extend([parsed.sub_layers << 3 | u8::from(parsed.nested) << 2 | 3, 3]);
    for (kind, sets) in [(32, vps), (33, sps), (34, pps)] {
        config.push(0x80 | kind);
        config.extend_from_slice(&u16::try_from(sets.len()).unwrap_or(u16::MAX).to_be_bytes());
        put_sets(&mut config, sets.iter());
    }
    let codec = Codec::H265 { width: parsed.width, height: parsed.height };
    Ok(Some(TrackFormat { codec, config: Bytes::from(config) }))
}
