//! A decoded picture for a redacted copy, or for a transcoded view: plain 4:2:0 at its own size or within bounds, with black where it is wanted. Of which nobody said what is black does not come
//! out.

use crate::picture::fitting;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling::Context;
use std::collections::BTreeMap;
use watchbook_analysis::Rate;
use watchbook_analysis::mask::{Fill, Mask};
use watchbook_analysis::message::{Bounds, whole_bytes, whole_size};
use watchbook_base::limits::PICTURE_SIDE_PX_MAX;

/// Pictures whose black is remembered until they are decoded: more than a decoder holds back.
const EXPECTED_MAX: usize = 256;

/// Turns the pictures of one slot into plain ones.
pub(crate) struct Whole {
    bounds: Option<(Bounds, Rate)>,
    plain: Option<Context>,
    /// What is black in the pictures that are still to come, by their times.
    expected: BTreeMap<i64, Fill>,
    /// What was made black in the last picture: the next one has the same most often.
    drawn: Option<(Fill, Mask)>,
}

/// A picture's bytes, and its size in pixels.
pub(crate) type Sized = (Vec<u8>, (u32, u32));

impl Whole {
    /// Within `bounds`, when there are some.
    pub(crate) fn new(bounds: Option<Bounds>) -> Self {
        let rate = |bounds: Bounds| (bounds, Rate::new(bounds.fps_max.max(1) as f32));
        Self { bounds: bounds.map(rate), plain: None, expected: BTreeMap::new(), drawn: None }
    }

    /// The picture of this time is to come out with this black, or not at all.
    pub(crate) fn expect(&mut self, utc_ns: i64, fill: Option<Fill>) {
        if let Some(fill) = fill {
            self.expected.insert(utc_ns, fill);
        }
        if self.expected.len() > EXPECTED_MAX {
            self.expected.pop_first();
        }
    }

    /// Planes Y, Cb and Cr one behind the other, rows packed, black where an odd size is filled up to an even one, and the size; `None`: it is not to come out.
    ///
    /// # Errors
    /// A sentence when the picture is absurd or cannot be converted.
    pub(crate) fn bytes(&mut self, decoded: &Video, utc_ns: i64) -> Result<Option<Sized>, String> {
        let (width, height) = (decoded.width(), decoded.height());
        if width == 0 || height == 0 || width > PICTURE_SIDE_PX_MAX || height > PICTURE_SIDE_PX_MAX {
            return Err(format!(
                "a picture of {width}x{height} pixels; at most {PICTURE_SIDE_PX_MAX} a side are allowed"
            ));
        }
        let Some(fill) = self.expected.remove(&utc_ns) else { return Ok(None) };
        let (mut width, mut height) = (width, height);
        if let Some((bounds, rate)) = &mut self.bounds {
            if !rate.wants(utc_ns) {
                return Ok(None);
            }
            (width, height) = bounds.fit(width, height);
        }
        let mut converted = Video::empty();
        let as_it_is = decoded.format() == Pixel::YUV420P && (width, height) == (decoded.width(), decoded.height());
        let source = if as_it_is {
            decoded
        } else {
            let to = (Pixel::YUV420P, width, height);
            fitting(&mut self.plain, decoded, to)?.run(decoded, &mut converted).map_err(|error| error.to_string())?;
            &converted
        };
        let mask = self.mask(fill, (width, height));
        let (columns, rows) = (width as usize, height as usize);
        let chroma = (columns.div_ceil(2), rows.div_ceil(2));
        let (whole_columns, whole_rows) = whole_size(width, height);
        let filled = |shift: u32| (whole_columns as usize >> shift, whole_rows as usize >> shift);
        let mut bytes = Vec::with_capacity(whole_bytes(width, height));
        for (plane, (row_bytes, rows)) in [(columns, rows), chroma, chroma].into_iter().enumerate() {
            // Black is 16, 128, 128 in video range (ITU-R BT.709 §3.5).
            let (shift, value) = if plane == 0 { (0, 16) } else { (1, 128) };
            let (start, (filled_bytes, filled_rows)) = (bytes.len(), filled(shift));
            for row in source.data(plane).chunks(source.stride(plane)).take(rows) {
                bytes.extend_from_slice(row.get(..row_bytes).ok_or("a picture's rows are too short")?);
                bytes.resize(bytes.len() + filled_bytes - row_bytes, value);
            }
            bytes.resize(start + filled_bytes * filled_rows, value);
            mask.burn(&mut bytes[start..], filled_bytes, (shift, shift), value);
        }
        if bytes.len() != whole_bytes(width, height) {
            return Err(format!("a picture of {width}x{height} pixels has {} bytes", bytes.len()));
        }
        Ok(Some((bytes, (width, height))))
    }

    fn mask(&mut self, fill: Fill, (width, height): (u32, u32)) -> &Mask {
        let size = (width as usize, height as usize);
        let drawn = self.drawn.take().filter(|(of, mask)| *of == fill && mask.size() == size);
        let drawn = drawn.unwrap_or_else(|| {
            let mask = fill.draw(width, height);
            (fill, mask)
        });
        &self.drawn.insert(drawn).1
    }
}
