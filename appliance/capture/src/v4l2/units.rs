//! Buffers of a device to access units: byte streams with their parameter sets in band, or JPEG pictures.

use crate::rtsp::{Item, VideoFormat};
use crate::sink::PictureFormat;
use crate::track::Unit;
use bytes::Bytes;
use watchbook_base::limits::{ACCESS_UNIT_BYTES_MAX, PICTURE_SIDE_PX_MAX};
use watchbook_media::h26x::{NalKind, ParameterSets, Standard, annex_b_units, check_access_unit};
use watchbook_media::sample_entry::codec_string;
use watchbook_media::{TrackFormat, mjpeg};

/// Times of a device are microseconds of `CLOCK_MONOTONIC`.
pub(crate) const RATE_HZ: u32 = 1_000_000;

/// One stream of a device.
pub(crate) struct Units {
    coding: Coding,
    /// The format was told and has not changed since.
    told: bool,
}

enum Coding {
    Stream(Standard, ParameterSets),
    /// Size of the last picture.
    Jpeg(Option<(u32, u32)>),
}

impl Units {
    pub(crate) fn new(standard: Standard) -> Self {
        Self { coding: Coding::Stream(standard, ParameterSets::new(standard)), told: false }
    }

    /// One JPEG in each buffer.
    pub(crate) fn jpeg() -> Self {
        Self { coding: Coding::Jpeg(None), told: false }
    }

    /// The format is told again with the next picture: the one that carried it was dropped.
    pub(crate) fn tell_again(&mut self) {
        self.told = false;
    }

    /// What a buffer holds; `lost` pictures are missing before it.
    pub(crate) fn take(&mut self, buffer: &[u8], at_us: i64, lost: u16) -> Item {
        if buffer.len() > ACCESS_UNIT_BYTES_MAX {
            return Item::Damaged(format!("a picture of {} bytes", buffer.len()));
        }
        let (picture, changed) = match &mut self.coding {
            Coding::Stream(standard, sets) => coded(*standard, sets, buffer),
            Coding::Jpeg(size) => jpeg(size, buffer),
        };
        self.told &= !changed;
        let (data, key, track) = match picture {
            Ok(picture) => picture,
            Err(item) => return item,
        };
        let format = match format(track) {
            Ok(format) => format,
            Err(why) => return Item::Damaged(why),
        };
        let format = (!core::mem::replace(&mut self.told, true)).then_some(format);
        Item::Video { unit: Unit { rtp: at_us, rate_hz: RATE_HZ, key, data }, format, lost }
    }
}

/// Bytes as they are stored, whether decoding can start there, and their format; or what the buffer is instead.
type Picture = Result<(Bytes, bool, TrackFormat), Item>;

/// One picture and perhaps parameter sets before it, in Annex B. The sets become the format, as for cameras on the network; everything else is kept bit for bit. True when a
/// set changed.
fn coded(standard: Standard, sets: &mut ParameterSets, buffer: &[u8]) -> (Picture, bool) {
    let mut data = Vec::with_capacity(buffer.len() + 64);
    let (mut only_sets, mut changed) = (false, false);
    for nal in annex_b_units(buffer) {
        if standard.nal_kind(nal.first().copied().unwrap_or(0x80)) == NalKind::ParameterSet {
            match sets.push(nal) {
                Ok(new) => changed |= new,
                Err(error) => return (Err(Item::Damaged(error.message)), changed),
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
        return (Err(Item::Other), changed);
    }
    let picture = match (check_access_unit(standard, &data), sets.format()) {
        (Err(error), _) | (_, Err(error)) => Err(Item::Damaged(error.message)),
        (_, Ok(None)) => Err(Item::NoParameters),
        (Ok(checked), Ok(Some(track))) => Ok((Bytes::from(data), checked.key, track)),
    };
    (picture, changed)
}

/// One JPEG, without the padding behind it. True when it has another size than the one before.
fn jpeg(size: &mut Option<(u32, u32)>, buffer: &[u8]) -> (Picture, bool) {
    match mjpeg::check(buffer) {
        Ok(picture) => {
            let now = Some((picture.width, picture.height));
            let changed = core::mem::replace(size, now) != now;
            let data = Bytes::copy_from_slice(buffer.get(..picture.len).unwrap_or(buffer));
            (Ok((data, true, picture.format())), changed)
        }
        Err(error) => (Err(Item::Damaged(error.message)), false),
    }
}

fn format(track: TrackFormat) -> Result<VideoFormat, String> {
    let (width, height) = track.codec.dimensions().unwrap_or_default();
    if ![width, height].iter().all(|side| (1..=PICTURE_SIDE_PX_MAX).contains(side)) {
        return Err(format!("pictures of {width}×{height}"));
    }
    let codec_string = codec_string(&track).map_err(|error| error.message)?;
    Ok(VideoFormat { track, shown: PictureFormat { codec_string, width, height } })
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

    #[test]
    fn a_jpeg_is_a_picture_by_itself_and_its_padding_is_left_out() {
        // Start, a baseline frame of 16×8 with one component, a scan of one byte, end (T.81 B.2.2, B.2.3).
        let whole = [
            &[0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 16, 1, 1, 0x11, 0][..],
            &[0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 0x55, 0xFF, 0xD9],
        ]
        .concat();
        let mut units = Units::jpeg();
        let Item::Video { unit, format: Some(format), .. } = units.take(&[&whole[..], &[0; 9]].concat(), 3, 0) else {
            panic!("a picture with its format")
        };
        assert_eq!((unit.key, &unit.data[..]), (true, &whole[..]));
        assert_eq!((format.shown.width, format.shown.height), (16, 8));
        assert!(matches!(units.take(&whole, 4, 0), Item::Video { format: None, .. }));
        assert!(matches!(units.take(&whole[..20], 5, 0), Item::Damaged(_)));
    }
}
