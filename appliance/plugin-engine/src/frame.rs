//! A frame on its way to a plugin.

use crate::bindings::{Area, FrameInfo};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use wasmtime::{Result, format_err};
use watchbook_base::memfd;

/// Width and height of a part of a frame, scaled.
pub(crate) const SIDE_PX_MAX: u32 = 1920;

/// Where the brightness plane is: `width * height` bytes, one a pixel, rows from the top without padding.
#[derive(Debug)]
pub enum Pixels {
    /// In this process.
    Plane(Arc<[u8]>),
    /// In a sealed memory file ([`watchbook_base::memfd`]), read once for each time that the plugin asks.
    Sealed(Arc<OwnedFd>),
}

/// One masked, scaled picture for one call.
#[derive(Debug)]
pub struct Frame {
    /// UTC of presentation in nanoseconds since 1970.
    pub utc_ns: u64,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Whether the camera has privacy masks. They are burnt in already: the engine masks nothing.
    pub masked: bool,
    /// Frames dropped between this one and the one before.
    pub skipped: u32,
    /// Its bytes.
    pub pixels: Pixels,
}

/// A frame that is lent to the plugin for one call.
pub struct LentFrame {
    pub(crate) info: FrameInfo,
    pixels: Pixels,
}

impl LentFrame {
    pub(crate) fn new(frame: Frame, camera: &str, seq: u64) -> Self {
        let Frame { utc_ns, width, height, masked, skipped, pixels } = frame;
        let info = FrameInfo { camera: camera.to_owned(), seq, utc_ns, width, height, masked, skipped };
        Self { info, pixels }
    }

    /// The brightness plane, after checking that the sender gave all of it.
    pub(crate) fn luma(&self) -> Result<Vec<u8>> {
        let length = self.info.width as usize * self.info.height as usize;
        let bytes = match &self.pixels {
            Pixels::Plane(bytes) => bytes.to_vec(),
            Pixels::Sealed(file) => memfd::read(file.as_fd(), length)?,
        };
        if bytes.len() != length {
            return Err(format_err!("a frame of {} bytes instead of {length}", bytes.len()));
        }
        Ok(bytes)
    }

    /// See `luma-area` of the interface.
    pub(crate) fn luma_area(&self, part: Area, width: u32, height: u32) -> Result<Vec<u8>> {
        if !(1..=SIDE_PX_MAX).contains(&width) || !(1..=SIDE_PX_MAX).contains(&height) {
            return Ok(Vec::new());
        }
        Ok(scaled_part(&self.luma()?, (self.info.width, self.info.height), part, (width, height)))
    }
}

/// A part of a plane, scaled by averaging: each output pixel is the mean of the source pixels that it covers, at least one.
fn scaled_part(plane: &[u8], (width, height): (u32, u32), part: Area, (to_width, to_height): (u32, u32)) -> Vec<u8> {
    // Every source pixel that the part touches belongs to it: 65,535 is the largest length that can be said and must reach the last row.
    let span = |from: u16, length: u16, side: u32| {
        let scaled = |position: u64| position.min(65_536) * u64::from(side);
        let start = scaled(u64::from(from)) / 65_536;
        let end = scaled(u64::from(from) + u64::from(length)).div_ceil(65_536);
        start as usize..end as usize
    };
    if part.w == 0 || part.h == 0 {
        return Vec::new();
    }
    let (columns, rows) = (span(part.x, part.w, width), span(part.y, part.h, height));
    let cut = |range: &std::ops::Range<usize>, index: u32, count: u32| {
        let at = |index: u32| range.start + range.len() * index as usize / count as usize;
        at(index)..at(index + 1).max(at(index) + 1)
    };
    let mut out = Vec::with_capacity(to_width as usize * to_height as usize);
    for row in 0..to_height {
        let rows = cut(&rows, row, to_height);
        for column in 0..to_width {
            let columns = cut(&columns, column, to_width);
            let lines = rows.clone().map(|row| &plane[row * width as usize..][columns.clone()]);
            let sum: u64 = lines.flatten().map(|sample| u64::from(*sample)).sum();
            out.push((sum / (rows.len() * columns.len()) as u64) as u8);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_the_mean_of_what_it_covers() {
        // 4×2: left half 10 and 30 in rows, right half 100.
        let plane = [10, 10, 100, 100, 30, 30, 100, 100];
        let whole = Area { x: 0, y: 0, w: u16::MAX, h: u16::MAX };
        assert_eq!(scaled_part(&plane, (4, 2), Area { x: 0, y: 0, w: 32_768, h: 65_535 }, (1, 2)), [10, 30]);
        assert_eq!(scaled_part(&plane, (4, 2), Area { x: 32_768, y: 0, w: 32_768, h: 1 }, (2, 1)), [100, 100]);
        assert_eq!(scaled_part(&plane, (4, 2), whole, (1, 1)), [60]);
        assert_eq!(scaled_part(&plane, (4, 2), whole, (4, 2)), plane);
        assert_eq!(scaled_part(&plane, (4, 2), Area { w: 0, ..whole }, (1, 1)), Vec::<u8>::new());
        assert_eq!(scaled_part(&plane, (4, 2), Area { x: u16::MAX, y: u16::MAX, w: 9, h: 9 }, (3, 3)), [100; 9]);
    }
}
