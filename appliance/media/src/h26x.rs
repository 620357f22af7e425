//! What H.264 and H.265 share.
use crate::error::Error;
use crate::packet::TrackFormat;
/// Shape and colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Display {
    /// Sample aspect ratio.
    pub pixel_aspect: Option<(u16, u16)>,
    /// Colour.
    pub colour: Option<Colour>,
}
/// Colour description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// p
    pub primaries: u8,
    /// t
    pub transfer: u8,
    /// m
    pub matrix: u8,
    /// f
    pub full_range: bool,
}
/// Sets.
///
/// # Errors
/// Corrupt.
pub fn parameter_sets(_format: &TrackFormat) -> Result<Vec<&[u8]>, Error> {
    Ok(Vec::new())
}
