//! A frame as the vision code reads it.

use watchbook_plugin::{FrameInfo, Luma};

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

impl<'a> Picture<'a> {
    /// The whole plane of a frame.
    #[must_use]
    pub fn of(info: &FrameInfo, luma: &'a Luma) -> Self {
        Self { width: info.width, height: info.height, utc_ns: info.utc_ns, luma: luma.bytes() }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_is_refused() {
        for (width, height, bytes) in [(640, 360, 5), (0, 0, 0), (8, 640, 5120), (4000, 16, 64_000)] {
            let sentence = Picture { width, height, utc_ns: 0, luma: &vec![0; bytes] }.check().unwrap_err();
            assert!(sentence.contains(&format!("{width}x{height}")), "{sentence}");
        }
    }
}
