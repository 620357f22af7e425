//! For unit tests of a plugin: frames and situations without a camera.

use crate::{Area, Frame, FrameInfo, LocalTime, Luma, Mark, Occurrence, Situation};
use std::ops::Range;

/// When [`frames`] and [`situation`] begin: Monday, 24 November 2025, 16:00 UTC, in nanoseconds.
pub const BEGINNING_NS: u64 = 1_764_000_000_000_000_000;
/// Width and height of a part of a frame, scaled.
const SIDE_PX_MAX: u32 = 1920;

/// One frame for each of `planes`, `interval_ms` apart, numbered and timed as a host would.
///
/// ```
/// use watchbook_plugin::{Luma, testing};
///
/// let planes = (0..3).filter_map(|grey| Luma::new(4, 2, vec![grey; 8]));
/// let frames: Vec<_> = testing::frames(planes, 200).collect();
/// assert_eq!(frames[2].info().utc_ns, testing::BEGINNING_NS + 400_000_000);
/// assert_eq!(frames[2].luma().mean(), 2);
/// ```
pub fn frames(planes: impl IntoIterator<Item = Luma>, interval_ms: u64) -> impl Iterator<Item = Frame<'static>> {
    (0_u64..).zip(planes).map(move |(seq, luma)| {
        let utc_ns = BEGINNING_NS + seq * interval_ms * 1_000_000;
        Frame::in_memory(FrameInfo { camera: "camera".to_owned(), seq, utc_ns, ..FrameInfo::default() }, luma)
    })
}

/// An event of `kind` on Monday, 24 November 2025, 16:00 UTC at a station whose clock shows UTC: no case, no event before it.
#[must_use]
pub fn situation(kind: &str) -> Situation {
    let local = LocalTime {
        year: 2025,
        month: 11,
        day: 24,
        hour: 16,
        minute: 0,
        second: 0,
        weekday: 0,
        utc_offset_min: 0,
        zone: "UTC".to_owned(),
    };
    Situation {
        camera: "camera".to_owned(),
        camera_name: "Camera".to_owned(),
        event: Occurrence { source: "org.example.source".to_owned(), mark: Mark::at(kind, BEGINNING_NS) },
        local,
        cases: Vec::new(),
        recent: Vec::new(),
    }
}

#[cfg(feature = "unstable-inference")]
type Answer = Box<dyn Fn(&Frame<'_>) -> Result<Vec<crate::Detection>, String>>;

#[cfg(feature = "unstable-inference")]
thread_local! {
    static MODELS: std::cell::RefCell<std::collections::HashMap<String, Answer>> = std::cell::RefCell::default();
}

/// Says what [`crate::inference::detect`] answers for `model` in this thread from now on.
#[cfg(feature = "unstable-inference")]
pub fn model(model: &str, sees: impl Fn(&Frame<'_>) -> Result<Vec<crate::Detection>, String> + 'static) {
    MODELS.with_borrow_mut(|models| models.insert(model.to_owned(), Box::new(sees)));
}

#[cfg(feature = "unstable-inference")]
pub(crate) fn ask(model: &str, frame: &Frame<'_>) -> Result<Vec<crate::Detection>, String> {
    MODELS.with_borrow(|models| match models.get(model) {
        Some(sees) => sees(frame),
        None => Err(format!("the manifest lists no model `{model}`")),
    })
}

/// As the host scales: each pixel is the mean of the pixels that it covers, at least one.
pub(crate) fn scaled_part(plane: &Luma, part: Area, size: (u32, u32)) -> Vec<u8> {
    let fits = (1..=SIDE_PX_MAX).contains(&size.0) && (1..=SIDE_PX_MAX).contains(&size.1);
    if !fits || part.w == 0 || part.h == 0 || plane.bytes().is_empty() {
        return Vec::new();
    }
    let (columns, rows) = (span(part.x, part.w, plane.width()), span(part.y, part.h, plane.height()));
    let mean = |columns: Range<u32>, rows: Range<u32>| {
        let count = u64::from(columns.end - columns.start) * u64::from(rows.end - rows.start);
        let pixels = rows.flat_map(|y| columns.clone().map(move |x| (x, y)));
        let sum: u64 = pixels.filter_map(|(x, y)| plane.at(x, y)).map(u64::from).sum();
        u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX)
    };
    let row = |y: u32| (0..size.0).map(move |x| (x, y));
    (0..size.1).flat_map(row).map(|(x, y)| mean(cut(&columns, x, size.0), cut(&rows, y, size.1))).collect()
}

/// The pixels of a side of `pixels` that `length` from `from` touches.
fn span(from: u16, length: u16, pixels: u32) -> Range<u32> {
    let scaled = |position: u64| position.min(65_536) * u64::from(pixels);
    let (start, end) = (scaled(u64::from(from)) / 65_536, scaled(u64::from(from) + u64::from(length)).div_ceil(65_536));
    let pixel = |value: u64| u32::try_from(value).unwrap_or(pixels);
    pixel(start)..pixel(end)
}

/// Part `index` of `count` of `range`, at least one pixel.
fn cut(range: &Range<u32>, index: u32, count: u32) -> Range<u32> {
    let length = u64::from(range.end - range.start);
    let at = |index: u32| range.start + u32::try_from(length * u64::from(index) / u64::from(count)).unwrap_or(0);
    at(index)..at(index + 1).max(at(index) + 1)
}
