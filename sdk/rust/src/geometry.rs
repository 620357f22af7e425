//! Places in the picture, in 1/65,536 of its width and height, so that they fit any resolution.

/// A place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Point {
    /// From the left edge.
    pub x: u16,
    /// From the top edge.
    pub y: u16,
}

/// A rectangle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Area {
    /// Left edge.
    pub x: u16,
    /// Top edge.
    pub y: u16,
    /// Width; `x + w` at most 65,536.
    pub w: u16,
    /// Height; `y + h` at most 65,536.
    pub h: u16,
}

impl Area {
    /// The whole picture.
    pub const WHOLE: Self = Self { x: 0, y: 0, w: u16::MAX, h: u16::MAX };

    /// The rectangle of the pixels `columns` by `rows` of a picture of `size` (width, height). What reaches out of the picture is cut off; nothing is left of
    /// an empty range or picture.
    ///
    /// ```
    /// use watchbook_plugin::Area;
    ///
    /// assert_eq!(Area::of_pixels(160..320, 90..180, (640, 360)), Area { x: 16_384, y: 16_384, w: 16_384, h: 16_384 });
    /// ```
    #[must_use]
    pub fn of_pixels(columns: std::ops::Range<u32>, rows: std::ops::Range<u32>, size: (u32, u32)) -> Self {
        let ((x, w), (y, h)) = (side(columns, size.0), side(rows, size.1));
        Self { x, y, w, h }
    }

    /// Its middle.
    #[must_use]
    pub fn middle(&self) -> Point {
        let middle =
            |start: u16, length: u16| u16::try_from(u32::from(start) + u32::from(length) / 2).unwrap_or(u16::MAX);
        Point { x: middle(self.x, self.w), y: middle(self.y, self.h) }
    }
}

/// Start and length of pixels `range` of a side of `pixels`.
fn side(range: std::ops::Range<u32>, pixels: u32) -> (u16, u16) {
    let at = |pixel: u32| u64::from(pixel.min(pixels)) * 65_536 / u64::from(pixels.max(1));
    let (start, end) = (at(range.start), at(range.end));
    let length = end.saturating_sub(start);
    let clip = |value: u64| u16::try_from(value).unwrap_or(u16::MAX);
    (clip(start), clip(length))
}

/// A part of the picture with a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// 1 to 64 bytes, unique within one camera.
    pub name: String,
    /// A closed polygon of 3 to 64 corners.
    pub outline: Vec<Point>,
}

impl Zone {
    /// Whether a point lies inside. Where the outline crosses itself, what is enclosed twice lies outside.
    ///
    /// ```
    /// use watchbook_plugin::{Point, Zone};
    ///
    /// let corners = [(0, 0), (40_000, 0), (0, 40_000)].map(|(x, y)| Point { x, y });
    /// let zone = Zone { name: "gate".into(), outline: corners.to_vec() };
    /// assert!(zone.contains(Point { x: 10_000, y: 10_000 }));
    /// assert!(!zone.contains(Point { x: 30_000, y: 30_000 }));
    /// ```
    #[must_use]
    pub fn contains(&self, point: Point) -> bool {
        let ahead = self.outline.iter().cycle().skip(1);
        let crossings = self.outline.iter().zip(ahead).filter(|(a, b)| right_of(point, **a, **b));
        crossings.count() % 2 == 1
    }

    /// One flag for each pixel of a picture of `size` (width, height), rows from the top: whether the pixel's middle lies inside. Costs a microsecond for
    /// about 50 pixels and corners: make it once, in `start` or with the first frame.
    #[must_use]
    pub fn mask(&self, size: (u32, u32)) -> Vec<bool> {
        let middle = |pixel: u32, pixels: u32| {
            let scaled = (u64::from(pixel) * 2 + 1) * 32_768 / u64::from(pixels.max(1));
            u16::try_from(scaled).unwrap_or(u16::MAX)
        };
        let row = |y: u32| (0..size.0).map(move |x| Point { x: middle(x, size.0), y: middle(y, size.1) });
        (0..size.1).flat_map(row).map(|point| self.contains(point)).collect()
    }
}

/// Whether the edge from `a` to `b` crosses the line from `point` to the right.
fn right_of(point: Point, a: Point, b: Point) -> bool {
    let ((px, py), (ax, ay), (bx, by)) = (wide(point), wide(a), wide(b));
    if (ay > py) == (by > py) {
        return false;
    }
    // px < ax + (py - ay) * (bx - ax) / (by - ay), without the division.
    let (left, right) = ((px - ax) * (by - ay), (py - ay) * (bx - ax));
    if by > ay { left < right } else { left > right }
}

fn wide(point: Point) -> (i64, i64) {
    (i64::from(point.x), i64::from(point.y))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(corners: &[(u16, u16)]) -> Zone {
        Zone { name: "z".into(), outline: corners.iter().map(|&(x, y)| Point { x, y }).collect() }
    }

    #[test]
    fn pixels_become_parts_of_the_picture() {
        assert_eq!(Area::of_pixels(0..640, 0..360, (640, 360)), Area::WHOLE);
        assert_eq!(Area::of_pixels(600..900, 0..1, (640, 1)).w, 4096, "40 of 640 pixels");
        assert_eq!(Area::of_pixels(5..5, 0..1, (0, 0)), Area::default());
        assert_eq!(Area::WHOLE.middle(), Point { x: 32_767, y: 32_767 });
    }

    #[test]
    fn a_point_is_inside_or_not() {
        let hook = zone(&[(0, 0), (100, 0), (100, 100), (60, 100), (60, 40), (0, 40)]);
        let inside = |x, y| hook.contains(Point { x, y });
        assert!(inside(10, 10) && inside(80, 90));
        assert!(!inside(30, 70) && !inside(101, 10) && !inside(10, 200));
        assert!(!zone(&[]).contains(Point { x: 0, y: 0 }));
    }

    #[test]
    fn a_mask_has_the_share_of_the_pixels_that_the_zone_has_of_the_picture() {
        let left_half = zone(&[(0, 0), (32_768, 0), (32_768, 65_535), (0, 65_535)]);
        let mask = left_half.mask((8, 4));
        assert_eq!(mask.len(), 32);
        assert!(mask.chunks(8).all(|row| row == [true, true, true, true, false, false, false, false]));
    }
}
