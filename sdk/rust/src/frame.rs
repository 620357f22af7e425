//! A frame, lent by the host or made up by a test.

use crate::Area;
use std::marker::PhantomData;

/// What is known about a frame without reading a pixel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameInfo {
    /// As in [`crate::Setup`].
    pub camera: String,
    /// Counts the frames that this instance was given: 0, 1, 2 ...
    pub seq: u64,
    /// UTC of presentation in nanoseconds since 1970. May step back: a clock step, a restart of the camera.
    pub utc_ns: u64,
    /// Pixels across, as the manifest asks.
    pub width: u32,
    /// Pixels down, as the manifest asks.
    pub height: u32,
    /// Whether the camera has privacy masks. Masked pixels are black before the plugin can read them.
    pub masked: bool,
    /// Frames dropped between this one and the one before because the plugin or the box was busy.
    pub skipped: u32,
}

/// A plane of brightness: one byte a pixel, 0 black to 255 white.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Luma {
    width: u32,
    height: u32,
    bytes: Vec<u8>,
}

impl Luma {
    /// A plane of `width * height` bytes, rows from the top without padding. `None` when `bytes` has another length.
    #[must_use]
    pub fn new(width: u32, height: u32, bytes: Vec<u8>) -> Option<Self> {
        let pixels = u64::from(width) * u64::from(height);
        (u64::try_from(bytes.len()) == Ok(pixels)).then_some(Self { width, height, bytes })
    }

    /// Pixels across.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels down.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All pixels, rows from the top.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The rows from the top, each [`Luma::width`] pixels.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.bytes.chunks_exact(self.width.max(1) as usize)
    }

    /// One pixel; `None` outside.
    #[must_use]
    pub fn at(&self, x: u32, y: u32) -> Option<u8> {
        if x >= self.width {
            return None;
        }
        self.bytes.get(y as usize * self.width as usize + x as usize).copied()
    }

    /// The mean of all pixels, rounded down; 0 for an empty plane.
    #[must_use]
    pub fn mean(&self) -> u8 {
        let sum: u64 = self.bytes.iter().map(|byte| u64::from(*byte)).sum();
        u8::try_from(sum / (self.bytes.len().max(1) as u64)).unwrap_or(u8::MAX)
    }
}

/// One masked, scaled picture, for the length of one call.
#[derive(Debug)]
pub struct Frame<'a> {
    source: Source<'a>,
}

#[derive(Debug)]
enum Source<'a> {
    #[cfg(target_arch = "wasm32")]
    Host(&'a crate::guest::HostFrame),
    Memory(Box<(FrameInfo, Luma)>, PhantomData<&'a ()>),
}

impl<'a> Frame<'a> {
    /// A frame for tests. Width and height are the plane's.
    #[must_use]
    pub fn in_memory(info: FrameInfo, luma: Luma) -> Self {
        let info = FrameInfo { width: luma.width, height: luma.height, ..info };
        Self { source: Source::Memory(Box::new((info, luma)), PhantomData) }
    }

    #[cfg(target_arch = "wasm32")]
    pub(crate) fn of_host(frame: &'a crate::guest::HostFrame) -> Self {
        Self { source: Source::Host(frame) }
    }

    /// The host's own, unless a test made it.
    #[cfg(all(target_arch = "wasm32", feature = "unstable-inference"))]
    pub(crate) fn host(&self) -> Option<&'a crate::guest::HostFrame> {
        match &self.source {
            Source::Host(frame) => Some(frame),
            Source::Memory(..) => None,
        }
    }

    /// Size, time and what was skipped. Costs under a microsecond and counts as no read.
    #[must_use]
    pub fn info(&self) -> FrameInfo {
        match &self.source {
            #[cfg(target_arch = "wasm32")]
            Source::Host(frame) => crate::guest::info(frame),
            Source::Memory(memory, _) => memory.0.clone(),
        }
    }

    /// The brightness plane. One copy each time: about 10 microseconds for 640x360. The host counts it as one read.
    #[must_use]
    pub fn luma(&self) -> Luma {
        match &self.source {
            #[cfg(target_arch = "wasm32")]
            Source::Host(frame) => {
                let info = frame.info();
                Luma { width: info.width, height: info.height, bytes: frame.luma() }
            }
            Source::Memory(memory, _) => memory.1.clone(),
        }
    }

    /// A part of the brightness plane, scaled by averaging to `size` (width, height). The part is clipped to the picture, and every pixel that it touches
    /// belongs to it. `None` for an empty part, or a width or height of 0 or over 1,920. The host counts it as one read.
    #[must_use]
    pub fn luma_area(&self, part: Area, size: (u32, u32)) -> Option<Luma> {
        let bytes = match &self.source {
            #[cfg(target_arch = "wasm32")]
            Source::Host(frame) => crate::guest::luma_area(frame, part, size),
            Source::Memory(memory, _) => crate::testing::scaled_part(&memory.1, part, size),
        };
        Luma::new(size.0, size.1, bytes).filter(|plane| !plane.bytes.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_as_long_as_it_is_wide_and_high() {
        assert_eq!(Luma::new(2, 2, vec![0; 3]), None);
        assert_eq!(Luma::new(u32::MAX, u32::MAX, vec![]), None);
        let plane = Luma::new(2, 2, vec![1, 2, 3, 4]).unwrap();
        assert_eq!((plane.at(1, 0), plane.at(2, 0), plane.at(0, 2)), (Some(2), None, None));
        assert_eq!(plane.rows().map(<[u8]>::len).collect::<Vec<_>>(), [2, 2]);
        assert_eq!((plane.mean(), Luma::new(0, 0, vec![]).unwrap().mean()), (2, 0));
    }

    #[test]
    fn a_part_is_the_mean_of_what_it_covers() {
        let plane = Luma::new(4, 2, vec![10, 10, 100, 100, 30, 30, 100, 100]).unwrap();
        let frame = Frame::in_memory(FrameInfo::default(), plane.clone());
        assert_eq!((frame.info().width, frame.info().height), (4, 2));
        let part = |area, size| frame.luma_area(area, size).map(|plane| plane.bytes);
        assert_eq!(part(Area::WHOLE, (4, 2)), Some(plane.bytes.clone()));
        assert_eq!(part(Area { w: 32_768, ..Area::WHOLE }, (1, 2)), Some(vec![10, 30]));
        assert_eq!(part(Area { w: 0, ..Area::WHOLE }, (1, 1)), None);
        assert_eq!(part(Area::WHOLE, (0, 1)), None);
    }
}
