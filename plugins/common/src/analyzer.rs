//! What goes in and out of a plugin, in plain Rust.

use crate::Zone;

/// Pixels of a picture's side that the interface can give.
const SIDES_PX: core::ops::RangeInclusive<u32> = 16..=1920;

/// One frame.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Pixels across, 16 to 1,920.
    pub width: u32,
    /// Pixels down, 16 to 1,920.
    pub height: u32,
    /// UTC in nanoseconds since 1970.
    pub utc_ns: u64,
    /// `width * height` bytes, rows from the top.
    pub luma: &'a [u8],
}

impl Picture<'_> {
    /// Refuses a plane that does not have the size that the picture says.
    ///
    /// # Errors
    /// A sentence with both sizes.
    pub fn check(&self) -> Result<(), String> {
        let Self { width, height, luma, .. } = self;
        let pixels = *width as usize * *height as usize;
        if !SIDES_PX.contains(width) || !SIDES_PX.contains(height) || luma.len() != pixels {
            return Err(format!("a frame of {width}x{height} pixels came with {} bytes", luma.len()));
        }
        Ok(())
    }
}

/// A rectangle in 1/65,536 of the picture's width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Left edge.
    pub x: u16,
    /// Top edge.
    pub y: u16,
    /// Width; `x + w` is at most 65,536.
    pub w: u16,
    /// Height; `y + h` is at most 65,536.
    pub h: u16,
}

impl Area {
    /// The part from `(left, top)` to `(right, bottom)` of a grid of `columns * rows`, cut to the grid.
    #[must_use]
    pub fn of_grid((left, top, right, bottom): (f32, f32, f32, f32), (columns, rows): (usize, usize)) -> Self {
        // A number with a point becomes a whole one by cutting, and stays within the type's range.
        let place = |at: f32, count: usize| (at / count.max(1) as f32 * 65_536.0).clamp(0.0, 65_535.0) as u16;
        let (x, y) = (place(left, columns), place(top, rows));
        Self { x, y, w: place(right, columns).saturating_sub(x), h: place(bottom, rows).saturating_sub(y) }
    }
}

/// Something at one place of the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// A word of the published vocabulary.
    pub class: &'static str,
    /// 0 to 1.
    pub score: f32,
    /// Where.
    pub area: Area,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// One of the kinds in the manifest.
    pub kind: &'static str,
    /// 0 to 1.
    pub score: f32,
    /// UTC in nanoseconds; at most 10 minutes before the frame at hand.
    pub start_ns: u64,
    /// UTC in nanoseconds, not after the frame at hand. None for a moment.
    pub end_ns: Option<u64>,
    /// Which of the zones; none for the whole picture.
    pub zone: Option<usize>,
    /// Where.
    pub seen: Vec<Seen>,
    /// Plain words for people.
    pub note: String,
}

/// Watches one camera.
pub trait Analyzer: Sized {
    /// Id in the manifest.
    const ID: &'static str;
    /// Version in the manifest.
    const VERSION: &'static str;

    /// Begins with settings as a JSON object, and zones; no zones mean the whole picture.
    ///
    /// # Errors
    /// A sentence for the administrator when settings or zones are none.
    fn start(settings_json: &str, zones: Vec<Zone>) -> Result<Self, String>;

    /// Looks at the next frame. At most 64 marks.
    ///
    /// # Errors
    /// A sentence when the frame is none.
    fn frame(&mut self, picture: &Picture<'_>) -> Result<Vec<Mark>, String>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_stay_in_the_picture() {
        assert_eq!(Area::of_grid((-3.0, 0.0, 200.0, 90.0), (160, 90)), Area { x: 0, y: 0, w: 65_535, h: 65_535 });
        // A quarter of 65,536 is 16,384.
        assert_eq!(
            Area::of_grid((40.0, 45.0, 80.0, 90.0), (160, 90)),
            Area { x: 16_384, y: 32_768, w: 16_384, h: 32_767 }
        );
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for (width, height, bytes) in [(640, 360, 5), (0, 0, 0), (8, 640, 5120), (4000, 16, 64_000)] {
            let sentence = Picture { width, height, utc_ns: 0, luma: &vec![0; bytes] }.check().unwrap_err();
            assert!(sentence.contains(&format!("{width}x{height}")), "{sentence}");
        }
    }
}
