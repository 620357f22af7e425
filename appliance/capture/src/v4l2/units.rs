//! Buffers of a device to access units: byte streams with their parameter sets in band.

use crate::rtsp::{Item, VideoFormat};
use crate::sink::PictureFormat;
use crate::track::Unit;
use bytes::Bytes;
use watchbook_base::limits::{ACCESS_UNIT_BYTES_MAX, PICTURE_SIDE_PX_MAX};
use watchbook_media::h26x::{NalKind, ParameterSets, Standard, annex_b_units, check_access_unit};
use watchbook_media::sample_entry::codec_string;

/// Times of a device are microseconds of `CLOCK_MONOTONIC`.
pub(crate) const RATE_HZ: u32 = 1_000_000;

/// One stream of a device.
pub(crate) struct Units {
    standard: Standard,
    sets: ParameterSets,
    /// The format was told and has not changed since.
    told: bool,
}

impl Units {
    pub(crate) fn new(standard: Standard) -> Self {
        Self { standard, sets: ParameterSets::new(standard), told: false }
    }

    /// The format is told again with the next picture: the one that carried it was dropped.
    pub(crate) fn tell_again(&mut self) {
        self.told = false;
    }

    /// What a buffer holds: one picture and perhaps parameter sets before it, in Annex B. `lost` pictures are missing before it. The sets become the format, as
    /// for cameras on the network; everything else is kept bit for bit.
    pub(crate) fn take(&mut self, buffer: &[u8], at_us: i64, lost: u16) -> Item {
        if buffer.len() > ACCESS_UNIT_BYTES_MAX {
            return Item::Damaged(format!("a picture of {} bytes", buffer.len()));
        }
        let mut data = Vec::with_capacity(buffer.len() + 64);
        let mut only_sets = false;
        for nal in annex_b_units(buffer) {
            let kind = self.standard.nal_kind(nal.first().copied().unwrap_or(0x80));
            if kind == NalKind::ParameterSet {
                match self.sets.push(nal) {
                    Ok(changed) => self.told &= !changed,
                    Err(error) => return Item::Damaged(error.message),
                }
                only_sets = data.is_empty();
                continue;
            }
            only_sets = false;
            data.extend_from_slice(&u32::try_from(nal.len()).unwrap_or(u32::MAX).to_be_bytes());
            data.extend_from_slice(nal);
        }
        if only_sets {
            // Some encoders give them in a buffer of their own.
            return Item::Other;
        }
        let checked = match check_access_unit(self.standard, &data) {
            Ok(checked) => checked,
            Err(error) => return Item::Damaged(error.message),
        };
        let format = match self.format() {
            Ok(Some(format)) => format,
            Ok(None) => return Item::NoParameters,
            Err(why) => return Item::Damaged(why),
        };
        let format = (!core::mem::replace(&mut self.told, true)).then_some(format);
        let unit = Unit { rtp: at_us, rate_hz: RATE_HZ, key: checked.key, data: Bytes::from(data) };
        Item::Video { unit, format, lost }
    }

    fn format(&self) -> Result<Option<VideoFormat>, String> {
        let Some(track) = self.sets.format().map_err(|error| error.message)? else { return Ok(None) };
        let (width, height) = track.codec.dimensions().unwrap_or_default();
        if ![width, height].iter().all(|side| (1..=PICTURE_SIDE_PX_MAX).contains(side)) {
            return Err(format!("pictures of {width}×{height}"));
        }
        let codec_string = codec_string(&track).map_err(|error| error.message)?;
        Ok(Some(VideoFormat { track, shown: PictureFormat { codec_string, width, height } }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sequence and picture parameter set of x264 for 128×96, a key slice, another slice. The size is in the set: 8 × 6 macroblocks (ITU-T H.264 §7.4.2.1.1).
    const SPS: [u8; 10] = [0x67, 0x42, 0xC0, 0x0A, 0xDA, 0x10, 0x1D, 0x20, 0x00, 0x80];
    const PPS: [u8; 4] = [0x68, 0xCE, 0x0F, 0xC8];

    fn annex_b(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&[0, 0, 0, 1][..], unit].concat()).collect()
    }

    #[test]
    fn parameter_sets_become_the_format_and_the_rest_is_kept() {
        let mut units = Units::new(Standard::H264);
        assert!(matches!(units.take(&annex_b(&[&[0x65, 0x88]]), 0, 0), Item::NoParameters));
        assert!(matches!(units.take(&annex_b(&[&SPS, &PPS]), 0, 0), Item::Other));
        let Item::Video { unit, format: Some(format), lost: 3 } =
            units.take(&annex_b(&[&[0x09, 0x10], &SPS, &PPS, &[0x65, 0x88]]), 7, 3)
        else {
            panic!("a key frame with its format")
        };
        assert_eq!((unit.rtp, unit.rate_hz, unit.key), (7, 1_000_000, true));
        assert_eq!(unit.data[..], [0, 0, 0, 2, 0x09, 0x10, 0, 0, 0, 2, 0x65, 0x88]);
        assert_eq!(format.shown.codec_string, "avc1.42C00A");
        let Item::Video { unit, format: None, .. } = units.take(&annex_b(&[&[0x41, 0x9A]]), 8, 0) else {
            panic!("another picture in the same format")
        };
        assert!(!unit.key);
        // The same sets again are no news, others are.
        assert!(matches!(units.take(&annex_b(&[&SPS, &PPS, &[0x65, 0x88]]), 9, 0), Item::Video { format: None, .. }));
        let other = [0x68, 0xCE, 0x0F, 0xC9];
        assert!(matches!(units.take(&annex_b(&[&other, &[0x65, 0x88]]), 9, 0), Item::Video { format: Some(_), .. }));
    }

    #[test]
    fn what_is_no_picture_is_damage() {
        let mut units = Units::new(Standard::H264);
        for buffer in [&[][..], &[1, 2, 3], &[0, 0, 1, 0xE5], &[0, 0, 1, 0x06, 1], &[0, 0, 1, 0x67]] {
            assert!(matches!(units.take(buffer, 0, 0), Item::Damaged(_)), "{buffer:?}");
        }
        assert!(matches!(units.take(&vec![0; ACCESS_UNIT_BYTES_MAX + 1], 0, 0), Item::Damaged(_)));
    }
}
