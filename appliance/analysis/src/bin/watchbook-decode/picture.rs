//! A decoded picture to the bytes of an output: plain 8-bit planes, mask burnt in, scaled.
//!
//! The mask is drawn on a copy at full size before scaling, never on the decoder's own picture: later pictures are predicted from that one, and a black
//! patch in it would smear. Scaling afterwards mixes black into the border, never masked pixels out of it.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling::{Context, Flags};
use watchbook_analysis::mask::Mask;
use watchbook_analysis::{Output, PixelFormat, Point};
use watchbook_base::limits::PICTURE_SIDE_PX_MAX;

/// What is needed to turn one slot's pictures into its outputs; rebuilt when the picture's size or layout changes.
pub(crate) struct Pipeline {
    masks: Vec<Vec<Point>>,
    mask: Option<Mask>,
    plain: Option<Context>,
    scalers: Vec<Option<Context>>,
    outputs: Vec<Output>,
}

/// Horizontal and vertical subsampling of the chroma planes, as powers of two, of the layouts that can be masked in place.
fn chroma_shift(format: Pixel) -> Option<(u32, u32)> {
    match format {
        Pixel::YUV420P | Pixel::YUVJ420P => Some((1, 1)),
        Pixel::YUV422P | Pixel::YUVJ422P => Some((1, 0)),
        Pixel::YUV444P | Pixel::YUVJ444P => Some((0, 0)),
        _ => None,
    }
}

impl Pipeline {
    pub(crate) fn new(masks: Vec<Vec<Point>>, outputs: Vec<Output>) -> Self {
        let scalers = outputs.iter().map(|_| None).collect();
        Self { masks, mask: None, plain: None, scalers, outputs }
    }

    /// The masked picture at full size, ready for [`Pipeline::scale`]; `None` when the decoder's own picture is ready as it is: no mask, plain layout.
    ///
    /// # Errors
    /// A sentence when the picture is absurd or cannot be converted.
    pub(crate) fn prepare(&mut self, decoded: &Video) -> Result<Option<Video>, String> {
        let (width, height) = (decoded.width(), decoded.height());
        if width == 0 || height == 0 || width > PICTURE_SIDE_PX_MAX || height > PICTURE_SIDE_PX_MAX {
            return Err(format!(
                "a picture of {width}x{height} pixels; at most {PICTURE_SIDE_PX_MAX} a side are allowed"
            ));
        }
        if self.masks.is_empty() && chroma_shift(decoded.format()).is_some() {
            return Ok(None);
        }
        let mut picture = if chroma_shift(decoded.format()).is_some() {
            decoded.clone()
        } else {
            // 10 bits and other layouts: first to plain 4:2:0, so that there is one way to burn a mask in.
            let to = (Pixel::YUV420P, width, height);
            let mut plain = Video::empty();
            fitting(&mut self.plain, decoded, to)?.run(decoded, &mut plain).map_err(|error| error.to_string())?;
            plain
        };
        self.burn(&mut picture)?;
        Ok(Some(picture))
    }

    fn burn(&mut self, picture: &mut Video) -> Result<(), String> {
        let size = (picture.width() as usize, picture.height() as usize);
        if self.mask.as_ref().is_none_or(|mask| mask.size() != size) {
            self.mask = Some(Mask::draw(&self.masks, picture.width(), picture.height()));
        }
        let (Some(mask), Some(shift)) = (&self.mask, chroma_shift(picture.format())) else {
            return Err(format!("pixels of layout {:?} cannot be masked", picture.format()));
        };
        // Black is 16, 128, 128 in video range (ITU-R BT.709 §3.5) and within a shade of black in full range.
        for (plane, shift, value) in [(0, (0, 0), 16), (1, shift, 128), (2, shift, 128)] {
            let stride = picture.stride(plane);
            mask.burn(picture.data_mut(plane), stride, shift, value);
        }
        Ok(())
    }

    /// One output's bytes of a prepared picture: rows packed without padding.
    ///
    /// # Errors
    /// A sentence when the scaler refuses.
    pub(crate) fn scale(&mut self, prepared: &Video, index: usize) -> Result<Vec<u8>, String> {
        let output = self.outputs[index];
        let format = match output.format {
            PixelFormat::Luma => Pixel::GRAY8,
            PixelFormat::Rgb => Pixel::RGB24,
        };
        let to = (format, output.width, output.height);
        let mut scaled = Video::empty();
        fitting(&mut self.scalers[index], prepared, to)?
            .run(prepared, &mut scaled)
            .map_err(|error| error.to_string())?;
        let (row_bytes, stride) = (output.width as usize * output.format.bytes(), scaled.stride(0));
        let mut bytes = Vec::with_capacity(output.frame_bytes());
        for row in scaled.data(0).chunks(stride).take(output.height as usize) {
            bytes.extend_from_slice(&row[..row_bytes]);
        }
        if bytes.len() != output.frame_bytes() {
            return Err(format!("the scaler gave {} bytes instead of {}", bytes.len(), output.frame_bytes()));
        }
        Ok(bytes)
    }
}

/// The scaler in `place`, made anew when the source picture is not what it was made for.
pub(crate) fn fitting<'a>(
    place: &'a mut Option<Context>,
    from: &Video,
    (format, width, height): (Pixel, u32, u32),
) -> Result<&'a mut Context, String> {
    let fits = place.as_ref().is_some_and(|context| {
        let input = context.input();
        (input.format, input.width, input.height) == (from.format(), from.width(), from.height())
    });
    if !fits {
        // Area averaging: each output pixel is the mean of what it covers, so small moving things do not flicker.
        let context = Context::get(from.format(), from.width(), from.height(), format, width, height, Flags::AREA)
            .map_err(|error| format!("pixels of layout {:?} cannot be scaled: {error}", from.format()))?;
        *place = Some(context);
    }
    place.as_mut().ok_or_else(|| "no scaler".to_owned())
}
