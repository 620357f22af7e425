//! What is to be made of one stream: masks and outputs.

use crate::{Error, Point};
use serde::{Deserialize, Serialize};
use watchbook_base::limits::CODEC_CONFIG_BYTES_MAX;
use watchbook_base::{Kind, TrackRole};
use watchbook_media::TrackFormat;

/// Outputs of one stream. Cameras with more plugins share an output when size, format and rate agree.
pub const OUTPUTS_MAX: usize = 4;
/// Width and height of an output: full HD is the most that a plugin may ask for, a thumbnail of 16 pixels the least.
pub const OUTPUT_SIDE_PX: std::ops::RangeInclusive<u32> = 16..=1920;
/// Frames a second of an output.
pub const OUTPUT_FPS: std::ops::RangeInclusive<f32> = 0.1..=30.0;
/// Mask polygons of one camera.
pub const MASKS_MAX: usize = 16;
/// Corners of one mask polygon.
pub const MASK_POINTS_MAX: usize = 64;

/// What one pixel of a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PixelFormat {
    /// One byte: brightness, 0 black to 255 white.
    Luma,
    /// Three bytes: red, green, blue.
    Rgb,
}

impl PixelFormat {
    /// Bytes of one pixel.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Luma => 1,
            Self::Rgb => 3,
        }
    }
}

/// One size, format and rate of frames.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Pixels across, in [`OUTPUT_SIDE_PX`]. The picture is stretched to fit; coordinates are fractions, so nothing else changes.
    pub width: u32,
    /// Pixels down, in [`OUTPUT_SIDE_PX`].
    pub height: u32,
    /// What a pixel is.
    pub format: PixelFormat,
    /// At most so many frames a second of camera time, in [`OUTPUT_FPS`].
    pub fps_max: f32,
}

impl Output {
    /// Bytes of one frame, rows packed without padding. At most 1920 × 1920 × 3 = 11 MB.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.width as usize * self.height as usize * self.format.bytes()
    }

    /// Whether the child may be asked for it.
    ///
    /// # Errors
    /// A sentence that names the limit.
    pub fn check(&self) -> Result<(), Error> {
        if !OUTPUT_SIDE_PX.contains(&self.width) || !OUTPUT_SIDE_PX.contains(&self.height) {
            let sentence = format!("frames of {}x{}; 16 to 1920 pixels a side are allowed", self.width, self.height);
            return Err(Error::new(Kind::InvalidInput, sentence));
        }
        if !OUTPUT_FPS.contains(&self.fps_max) {
            let sentence = format!("{} frames a second; 0.1 to 30 are allowed", self.fps_max);
            return Err(Error::new(Kind::InvalidInput, sentence));
        }
        Ok(())
    }
}

/// What is to be made of one stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// How the packets are coded; a video codec. Another format needs another [`crate::Decoder::open`].
    pub format: TrackFormat,
    /// Polygons that are burnt in before a pixel leaves the child; at most [`MASKS_MAX`] of 3 to [`MASK_POINTS_MAX`] corners.
    pub masks: Vec<Vec<Point>>,
    /// The frames that are wanted; 1 to [`OUTPUTS_MAX`].
    pub outputs: Vec<Output>,
    /// Decode key frames only: cheap enough for a main stream, at the price of one frame a GOP.
    pub keys_only: bool,
}

impl Plan {
    /// The highest rate of its outputs.
    #[must_use]
    pub fn fps_max(&self) -> f32 {
        self.outputs.iter().map(|output| output.fps_max).fold(*OUTPUT_FPS.start(), f32::max)
    }

    /// Whether the plan can be carried out. A mask that cannot be drawn refuses the whole plan: no picture is better than an unmasked one.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] with a sentence that names the limit.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |sentence: String| Err(Error::new(Kind::InvalidInput, sentence));
        if !self.format.codec.is_video() {
            return wrong("sound cannot be analysed; choose a video stream".to_owned());
        }
        if self.format.config.len() > CODEC_CONFIG_BYTES_MAX {
            return wrong(format!("a codec configuration of {} bytes", self.format.config.len()));
        }
        if self.masks.len() > MASKS_MAX {
            return wrong(format!("{} masks; at most {MASKS_MAX} are allowed", self.masks.len()));
        }
        if let Some(mask) = self.masks.iter().find(|mask| !(3..=MASK_POINTS_MAX).contains(&mask.len())) {
            return wrong(format!("a mask with {} corners; 3 to {MASK_POINTS_MAX} are allowed", mask.len()));
        }
        if !(1..=OUTPUTS_MAX).contains(&self.outputs.len()) {
            return wrong(format!("{} outputs of one stream; 1 to {OUTPUTS_MAX} are allowed", self.outputs.len()));
        }
        self.outputs.iter().try_for_each(Output::check)
    }
}

/// Which stream of a camera is analysed, and whether key frames only: every frame of a sub stream, or the key frames of a lone main stream, because
/// decoding all of a main stream (4K, say) costs more than the recorder itself.
#[must_use]
pub fn analysed_role(has_sub_stream: bool) -> (TrackRole, bool) {
    if has_sub_stream { (TrackRole::SubVideo, false) } else { (TrackRole::MainVideo, true) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use watchbook_media::Codec;

    #[test]
    fn each_limit_of_a_plan_is_named_when_it_is_broken() {
        let corner = Point { x: 0, y: 0 };
        let output = Output { width: 640, height: 360, format: PixelFormat::Luma, fps_max: 5.0 };
        let good = Plan {
            format: TrackFormat { codec: Codec::H264 { width: 640, height: 360 }, config: Bytes::new() },
            masks: vec![vec![corner; 3]],
            outputs: vec![output],
            keys_only: false,
        };
        good.check().unwrap();
        type Breakage = (&'static str, fn(&mut Plan));
        let broken: [Breakage; 7] = [
            ("sound", |plan| plan.format.codec = Codec::Aac { sample_rate_hz: 8000, channels: 1 }),
            ("corners", |plan| {
                plan.masks[0].pop();
            }),
            ("17 masks", |plan| plan.masks = vec![plan.masks[0].clone(); 17]),
            ("outputs", |plan| plan.outputs.clear()),
            ("pixels", |plan| plan.outputs[0].width = 15),
            ("pixels", |plan| plan.outputs[0].height = 1921),
            ("frames a second", |plan| plan.outputs[0].fps_max = f32::NAN),
        ];
        for (word, breakage) in broken {
            let mut plan = good.clone();
            breakage(&mut plan);
            let message = plan.check().unwrap_err().to_string();
            assert!(message.contains(word), "{word} is not named in: {message}");
        }
    }
}
