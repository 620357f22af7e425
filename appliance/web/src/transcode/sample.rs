//! From what an encoder gives to samples of a track: slices behind their lengths, parameter sets into the track's description.

use crate::error::Error;
use crate::ports::Transcoded;
use crate::transcode::ticks_of;
use bytes::Bytes;
use watchbook_base::{Kind, Ticks90k};
use watchbook_media::TrackFormat;
use watchbook_media::h26x::{NalKind, ParameterSets, Standard, annex_b_units};

/// One sample, shown when it is decoded.
pub(super) struct Sample {
    pub(super) shown: Ticks90k,
    pub(super) key: bool,
    pub(super) data: Bytes,
}

/// Remembers the track's description.
#[derive(Default)]
pub(super) struct Samples {
    sets: Option<ParameterSets>,
    format: Option<TrackFormat>,
}

impl Samples {
    /// The sample of a picture; before it the track's description when that is another one than before.
    pub(super) fn take(&mut self, picture: &Transcoded) -> Result<(Option<TrackFormat>, Sample), Error> {
        let corrupt = |error: watchbook_media::Error| Error::new(Kind::Unavailable, error.message);
        let (mut data, mut key) = (Vec::with_capacity(picture.data.len()), false);
        let mut changed = false;
        for nal in annex_b_units(&picture.data) {
            match nal.first().map_or(NalKind::Outside, |first| Standard::H264.nal_kind(*first)) {
                NalKind::ParameterSet => {
                    let sets = self.sets.get_or_insert_with(|| ParameterSets::new(Standard::H264));
                    changed |= sets.push(nal).map_err(corrupt)?;
                }
                kind @ (NalKind::Slice | NalKind::KeySlice) => {
                    key |= kind == NalKind::KeySlice;
                    data.extend_from_slice(&u32::try_from(nal.len()).unwrap_or(u32::MAX).to_be_bytes());
                    data.extend_from_slice(nal);
                }
                NalKind::Other | NalKind::Outside => {}
            }
        }
        let none = || Error::new(Kind::Unavailable, "the encoder begins without parameter sets");
        let mut told = None;
        if changed || self.format.is_none() {
            let sets = self.sets.as_ref().ok_or_else(none)?;
            let format = sets.format().map_err(corrupt)?.ok_or_else(none)?;
            told = (self.format.as_ref() != Some(&format)).then(|| format.clone());
            self.format = Some(format);
        }
        if data.is_empty() {
            return Err(Error::new(Kind::Unavailable, "the encoder gave a unit without a picture"));
        }
        Ok((told, Sample { shown: ticks_of(picture.at), key, data: Bytes::from(data) }))
    }
}
