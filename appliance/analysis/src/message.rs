//! What the recorder and `watchbook-decode` say to each other. Both come from one build; [`watchbook_base::link::VERSION`] guards against a leftover.

use crate::mask::Fill;
use crate::{Error, Output, Point};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use watchbook_base::Kind;
use watchbook_media::Codec;

/// Which decoder a message is about. Every [`crate::Decoder::open`] takes a new number, so a late answer cannot be mistaken for another plan's.
pub type Slot = u64;

/// Codec of a slot's access units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Coding {
    /// H.264, 4-byte lengths.
    H264,
    /// H.265, 4-byte lengths.
    H265,
    /// JPEG pictures.
    Mjpeg,
}

impl Coding {
    /// That of a video track; sound is refused by [`crate::Plan::check`].
    #[must_use]
    pub fn of(codec: Codec) -> Self {
        match codec {
            Codec::H265 { .. } => Self::H265,
            Codec::Mjpeg { .. } => Self::Mjpeg,
            _ => Self::H264,
        }
    }
}

/// From the recorder to the child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToDecoder {
    /// Make a decoder. What follows for the slot starts with a key frame.
    Open {
        /// A number never used before with this child.
        slot: Slot,
        /// Codec of the access units.
        coding: Coding,
        /// `avcC` or `hvcC`; empty for JPEG.
        config: Vec<u8>,
        /// Polygons to burn in.
        masks: Vec<Vec<Point>>,
        /// Frames to make.
        outputs: Vec<Output>,
        /// Only key frames will come; each is shown at once.
        keys_only: bool,
    },
    /// One access unit, in the sealed memory file beside the message. Answered by [`FromDecoder::Taken`].
    AccessUnit {
        /// Whose.
        slot: Slot,
        /// UTC of presentation in nanoseconds.
        utc_ns: i64,
        /// Decoding can start here.
        key: bool,
        /// Of a slot for whole pictures: what is made black in the picture of this unit. `None`: it is decoded for others, and does not come out.
        fill: Option<Fill>,
    },
    /// Make a decoder whose pictures come whole, at their own size, each with what its access unit says made black. For redacted copies of stored footage, never for analysis.
    OpenWhole {
        /// A number never used before with this child.
        slot: Slot,
        /// Codec of the access units.
        coding: Coding,
        /// `avcC` or `hvcC`; empty for JPEG.
        config: Vec<u8>,
        /// How large and how often; `None`: as they are.
        bounds: Option<Bounds>,
    },
    /// No more access units come for the slot: give what is held back for reordering. Answered by [`FromDecoder::Taken`]; what follows starts with a key frame.
    Drain {
        /// Which.
        slot: Slot,
    },
    /// Forget the slot.
    Close {
        /// Which.
        slot: Slot,
    },
}

/// From the child to the recorder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromDecoder {
    /// First word: it stands behind its wall and reads from now on.
    Begun {
        /// A sentence for each part of the wall that this kernel cannot do.
        missing: Vec<String>,
    },
    /// One masked, scaled picture, in the sealed memory file beside the message: [`Output::frame_bytes`] bytes.
    Frame {
        /// Of which slot.
        slot: Slot,
        /// Index into the slot's outputs.
        output: u8,
        /// 0, 1, 2 … per slot and output.
        seq: u64,
        /// UTC of presentation in nanoseconds.
        utc_ns: i64,
    },
    /// One whole, filled picture of a slot that was opened for these, in the sealed memory file beside the message: [`whole_bytes`] bytes, planes Y, Cb and Cr of 4:2:0 one behind the
    /// other, rows packed without padding, video range. It is of its [`whole_size`]: what that has more is black.
    Whole {
        /// Of which slot.
        slot: Slot,
        /// UTC of presentation in nanoseconds, as its access unit had it.
        utc_ns: i64,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// One access unit has been worked off.
    Taken {
        /// Of which slot.
        slot: Slot,
        /// Its length: the budget that is free again.
        bytes: u32,
        /// Whether the decoder refused it.
        failed: bool,
    },
    /// The slot gives no frames; the sentence says why. Sent once per cause.
    Problem {
        /// Which slot.
        slot: Slot,
        /// For people.
        sentence: String,
    },
}

/// How much of a picture is enough to look at. A larger one is made smaller in its proportions, pictures that come too often are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Pixels.
    pub width_max: u32,
    /// Pixels.
    pub height_max: u32,
    /// Pictures a second.
    pub fps_max: u32,
}

impl Bounds {
    /// The size within them of a picture of this size, in even numbers; never larger than it is, but for an odd side.
    #[must_use]
    pub fn fit(self, width: u32, height: u32) -> (u32, u32) {
        let (width, height) = (u64::from(width.max(1)), u64::from(height.max(1)));
        let (wide, high) = (u64::from(self.width_max.max(2)), u64::from(self.height_max.max(2)));
        let (to_width, to_height) = if width <= wide && height <= high {
            (width, height)
        } else if width * high > height * wide {
            (wide, height * wide / width)
        } else {
            (width * high / height, high)
        };
        let even = |side: u64, max: u64| u32::try_from(side.next_multiple_of(2).min(max & !1).max(2)).unwrap_or(2);
        (even(to_width, wide), even(to_height, high))
    }
}

/// Width and height of a picture as it is encoded: no encoder of 4:2:0 takes an odd number, and the crop of H.264 counts in twos there, so that an odd one gets a black column or row more.
#[must_use]
pub fn whole_size(width: u32, height: u32) -> (u32, u32) {
    (width.next_multiple_of(2), height.next_multiple_of(2))
}

/// Bytes of a whole picture of this size, in 4:2:0 and of its [`whole_size`].
#[must_use]
pub fn whole_bytes(width: u32, height: u32) -> usize {
    let (width, height) = whole_size(width, height);
    width as usize * height as usize / 2 * 3
}

/// One message as bytes.
///
/// # Errors
/// [`Kind::Internal`]; none of the types here can fail to encode.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, Error> {
    postcard::to_stdvec(message)
        .map_err(|error| Error::new(Kind::Internal, format!("a message cannot be encoded: {error}")))
}

/// One message from bytes, all of which must belong to it.
///
/// # Errors
/// [`Kind::Corrupt`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(Error::new(Kind::Corrupt, format!("{} bytes behind a message", rest.len()))),
        Err(error) => Err(Error::new(Kind::Corrupt, format!("not a message: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PixelFormat;
    use crate::plan::{MASK_POINTS_MAX, MASKS_MAX, OUTPUTS_MAX};
    use proptest::prelude::*;
    use watchbook_base::limits::CODEC_CONFIG_BYTES_MAX;
    use watchbook_base::link::MESSAGE_BYTES_MAX;

    #[test]
    fn the_largest_plan_fits_one_message() {
        let message = ToDecoder::Open {
            slot: u64::MAX,
            coding: Coding::H265,
            config: vec![0xFF; CODEC_CONFIG_BYTES_MAX],
            masks: vec![vec![Point { x: u16::MAX, y: u16::MAX }; MASK_POINTS_MAX]; MASKS_MAX],
            outputs: vec![Output { width: 1920, height: 1920, format: PixelFormat::Rgb, fps_max: 30.0 }; OUTPUTS_MAX],
            keys_only: true,
        };
        let bytes = encode(&message).unwrap();
        assert!(bytes.len() < MESSAGE_BYTES_MAX, "{}", bytes.len());
        // 32 regions of 64 corners, as a redacted copy may have.
        let fill = Fill { outlines: vec![vec![Point { x: u16::MAX, y: u16::MAX }; 64]; 32], but: true };
        let unit = ToDecoder::AccessUnit { slot: u64::MAX, utc_ns: i64::MIN, key: true, fill: Some(fill) };
        assert!(encode(&unit).unwrap().len() < MESSAGE_BYTES_MAX);
        assert_eq!(decode::<ToDecoder>(&bytes).unwrap(), message);
        assert_eq!(decode::<ToDecoder>(&[bytes, vec![0]].concat()).unwrap_err().kind(), Kind::Corrupt);
    }

    #[test]
    fn a_picture_is_made_smaller_in_its_proportions_and_never_larger() {
        let bounds = Bounds { width_max: 1280, height_max: 720, fps_max: 30 };
        assert_eq!(bounds.fit(3840, 2160), (1280, 720));
        assert_eq!(bounds.fit(2592, 1944), (960, 720), "4:3");
        assert_eq!(bounds.fit(1080, 1920), (406, 720), "upright, 405 made even");
        assert_eq!(bounds.fit(4096, 512), (1280, 160));
        assert_eq!(bounds.fit(641, 361), (642, 362), "an odd side has one pixel more");
        assert_eq!(bounds.fit(8192, 1), (1280, 2), "no side is nothing");
    }

    proptest! {
        #[test]
        fn every_fitted_size_can_be_encoded(width in 0_u32..9000, height in 0_u32..9000, side in 0_u32..2000) {
            let (wide, high) = Bounds { width_max: 1280, height_max: side, fps_max: 30 }.fit(width, height);
            prop_assert!(wide % 2 == 0 && high % 2 == 0 && (2..=1280).contains(&wide) && (2..=side.max(2)).contains(&high));
        }

        #[test]
        fn no_bytes_from_a_child_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(message) = decode::<FromDecoder>(&bytes) {
                let again = decode::<FromDecoder>(&encode(&message).unwrap()).unwrap();
                prop_assert_eq!(again, message);
            }
        }
    }
}
