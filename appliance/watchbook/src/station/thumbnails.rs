//! Small pictures of footage: one key frame goes through a `watchbook-decode` of its own, which ends with it, so that what one camera sends can touch no other camera's picture.
//! What comes back is pixels of a known number, and those alone are coded here.

use bytes::Bytes;
use jpeg_encoder::{ColorType, Encoder};
use rustix::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;
use watchbook_analysis::plan::OUTPUT_SIDE_PX;
use watchbook_analysis::replay::{Replay, Unit};
use watchbook_analysis::{Output, PixelFormat, Plan};
use watchbook_base::{Kind, memfd};
use watchbook_web::error::Error;
use watchbook_web::ports::{KeyFrame, Thumbnails};

/// Longest wait for one picture.
const PATIENCE: Duration = Duration::from_secs(10);
/// Enough to tell a car from a cart: some 15 kB at 320 pixels across.
const QUALITY: u8 = 75;

/// What makes small pictures.
pub struct ThumbnailDesk {
    decode: PathBuf,
}

impl ThumbnailDesk {
    /// With the programs of this directory.
    pub fn new(program_dir: &std::path::Path) -> Self {
        Self { decode: program_dir.join("watchbook-decode") }
    }
}

impl Thumbnails for ThumbnailDesk {
    fn make(&self, frame: &KeyFrame) -> Result<Bytes, Error> {
        let output = output_of(frame);
        let plan = Plan { format: (*frame.format).clone(), masks: Vec::new(), outputs: vec![output], keys_only: true };
        let mut replay = Replay::spawn(&self.decode).map_err(failed)?.within(PATIENCE);
        let mut pixels: Option<OwnedFd> = None;
        let mut on = |_, picture| {
            pixels = Some(picture);
            Ok(())
        };
        replay.open(&plan).map_err(failed)?;
        replay.feed(Unit { utc: frame.utc, key: true, data: &frame.data }, &mut on).map_err(failed)?;
        replay.settle(&mut on).map_err(failed)?;
        let Some(pixels) = pixels else {
            let why = replay.problem().unwrap_or("the decoder gave no picture");
            let error = Error::new(Kind::Corrupt, format!("making a small picture: {why}"));
            return Err(error.next("Play the footage: pictures around it may be whole."));
        };
        let bytes = memfd::read(pixels.as_fd(), output.frame_bytes())
            .map_err(|error| Error::new(Kind::Io, format!("taking a small picture: {error}")))?;
        coded(&bytes, output)
    }
}

/// The size that is asked for, in the shape of the footage.
fn output_of(frame: &KeyFrame) -> Output {
    let (width, height) = frame.format.codec.dimensions().filter(|(width, _)| *width > 0).unwrap_or((16, 9));
    let scaled = u64::from(frame.width_px) * u64::from(height) / u64::from(width);
    let height = u32::try_from(scaled).unwrap_or(u32::MAX).clamp(*OUTPUT_SIDE_PX.start(), *OUTPUT_SIDE_PX.end());
    Output { width: frame.width_px, height, format: PixelFormat::Rgb, fps_max: 1.0 }
}

fn coded(rgb: &[u8], output: Output) -> Result<Bytes, Error> {
    let broken = |why: String| Error::new(Kind::Internal, format!("coding a small picture: {why}"));
    let side = |pixels: u32| u16::try_from(pixels).map_err(|error| broken(error.to_string()));
    let mut jpeg = Vec::new();
    let encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder
        .encode(rgb, side(output.width)?, side(output.height)?, ColorType::Rgb)
        .map_err(|error| broken(error.to_string()))?;
    Ok(jpeg.into())
}

fn failed(error: watchbook_analysis::Error) -> Error {
    Error::new(error.kind(), format!("making a small picture: {error}")).next("Try again in a little while.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use watchbook_base::UtcNanos;
    use watchbook_media::{Codec, TrackFormat};

    fn frame(width: u32, height: u32, width_px: u32) -> KeyFrame {
        let codec = Codec::H264 { width, height };
        let format = Arc::new(TrackFormat { codec, config: Bytes::new() });
        KeyFrame { format, utc: UtcNanos(0), data: Bytes::new(), width_px }
    }

    #[test]
    fn a_picture_keeps_its_shape_within_what_the_decoder_gives() {
        let size = |width, height, px| {
            let output = output_of(&frame(width, height, px));
            assert!(output.check().is_ok(), "{output:?}");
            (output.width, output.height)
        };
        assert_eq!(size(1920, 1080, 320), (320, 180));
        assert_eq!(size(1080, 1920, 160), (160, 284));
        assert_eq!(size(4000, 16, 320), (320, 16));
        assert_eq!(size(16, 8000, 640), (640, 1920));
        assert_eq!(size(0, 0, 320), (320, 180));
    }

    #[test]
    fn pixels_become_a_jpeg_of_their_size() {
        let output = Output { width: 160, height: 90, format: PixelFormat::Rgb, fps_max: 1.0 };
        let jpeg = coded(&vec![127; output.frame_bytes()], output).unwrap();
        assert!(jpeg.starts_with(&[0xFF, 0xD8]) && jpeg.ends_with(&[0xFF, 0xD9]));
        // ITU-T T.81, B.2.2: precision, then lines and samples of a line.
        let frame = jpeg.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
        assert_eq!(jpeg[frame + 4..frame + 9], [8, 0, 90, 0, 160]);
        assert_eq!(coded(&[0; 3], output).unwrap_err().kind, Kind::Internal);
    }
}
