//! Parameter sets of H.264 and H.265, from the stream to a track's configuration and back.

use crate::error::Error;
use crate::h26x::{NalKind, Standard, nal_units};
use crate::packet::TrackFormat;
use crate::{h264, h265};
use bytes::Bytes;
use watchbook_base::limits::CODEC_CONFIG_BYTES_MAX;

/// Parameter sets that are kept of one stream. Cameras send two or three.
const PARAMETER_SETS_MAX: usize = 32;

/// The parameter sets in a track's configuration, in the order in which a decoder wants them.
///
/// # Errors
/// `Corrupt` when the lengths in it do not add up, `InvalidInput` for formats that have none.
pub fn parameter_sets(format: &TrackFormat) -> Result<Vec<&[u8]>, Error> {
    let config: &[u8] = &format.config;
    let sets = match Standard::of(format.codec) {
        Some(Standard::H264) => h264::sets_of_config(config),
        Some(Standard::H265) => h265::sets_of_config(config),
        None => return Err(Error::invalid("reading parameter sets: this format has none")),
    };
    sets.ok_or_else(|| {
        Error::corrupt(format!("reading parameter sets: a configuration of {} bytes does not add up", config.len()))
    })
}

/// Takes a list of NAL units off the front of `cursor`, each behind a 2-byte length, as `avcC` and `hvcC` have them.
pub(crate) fn take_sets<'a>(cursor: &mut &'a [u8], count: usize, sets: &mut Vec<&'a [u8]>) -> Option<()> {
    for _ in 0..count {
        let (length, rest) = cursor.split_first_chunk::<2>()?;
        let (set, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        sets.push(set);
        *cursor = rest;
    }
    Some(())
}

/// Collects the parameter sets that come in band until they make a format.
#[derive(Clone, Debug)]
pub struct ParameterSets {
    standard: Standard,
    /// By NAL type and number, in that order, which is also the decoder's.
    sets: Vec<((u8, u32), Bytes)>,
}

impl ParameterSets {
    /// None yet.
    #[must_use]
    pub fn new(standard: Standard) -> Self {
        Self { standard, sets: Vec::new() }
    }

    /// Remembers `nal` if it is a parameter set, in the place of an older one with its number. True when something changed.
    ///
    /// # Errors
    /// `Corrupt` when it cannot be read, `Exhausted` over 32 sets or [`CODEC_CONFIG_BYTES_MAX`].
    pub fn push(&mut self, nal: &[u8]) -> Result<bool, Error> {
        let Some(first) = nal.first().filter(|first| self.standard.nal_kind(**first) == NalKind::ParameterSet) else {
            return Ok(false);
        };
        let number = match self.standard {
            Standard::H264 => h264::set_number(nal),
            Standard::H265 => h265::set_number(nal),
        };
        let kind = if self.standard == Standard::H264 { first & 0x1F } else { first >> 1 & 0x3F };
        let number =
            number.map_err(|why| Error::corrupt(format!("reading a parameter set of {} bytes: {why}", nal.len())))?;
        let others: usize =
            self.sets.iter().filter(|(at, _)| *at != (kind, number)).map(|(_, set)| set.len() + 3).sum();
        if others + nal.len() + 64 > CODEC_CONFIG_BYTES_MAX {
            return Err(Error::exhausted(format!("keeping parameter sets of over {CODEC_CONFIG_BYTES_MAX} bytes")));
        }
        match self.sets.binary_search_by_key(&(kind, number), |(at, _)| *at) {
            Ok(index) => {
                let Some((_, old)) = self.sets.get_mut(index).filter(|(_, old)| old != nal) else { return Ok(false) };
                *old = Bytes::copy_from_slice(nal);
            }
            Err(_) if self.sets.len() >= PARAMETER_SETS_MAX => {
                return Err(Error::exhausted(format!("keeping more than {PARAMETER_SETS_MAX} parameter sets")));
            }
            Err(index) => self.sets.insert(index, ((kind, number), Bytes::copy_from_slice(nal))),
        }
        Ok(true)
    }

    /// Remembers all parameter sets of a stored access unit. True when something changed.
    ///
    /// # Errors
    /// As [`ParameterSets::push`], and for lengths that do not add up.
    pub fn push_access_unit(&mut self, access_unit: &[u8]) -> Result<bool, Error> {
        nal_units(access_unit).try_fold(false, |changed, nal| Ok(self.push(nal?)? || changed))
    }

    /// The format that they make, `None` while a kind is missing. Of several sequence parameter sets the one with the lowest number gives the size.
    ///
    /// # Errors
    /// `Corrupt` when a sequence parameter set cannot be read.
    pub fn format(&self) -> Result<Option<TrackFormat>, Error> {
        let of_kind = |wanted: u8| -> Vec<&Bytes> {
            self.sets.iter().filter(|((kind, _), _)| *kind == wanted).map(|(_, set)| set).collect()
        };
        match self.standard {
            Standard::H264 => h264::format_of(&of_kind(7), &of_kind(8)),
            Standard::H265 => h265::format_of(&of_kind(32), &of_kind(33), &of_kind(34)),
        }
    }
}
