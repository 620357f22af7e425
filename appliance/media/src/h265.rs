//! stub
use crate::error::Error;
use crate::h26x::Display;
/// Sps
#[derive(Clone, Debug)]
pub struct Sps {
    /// d
    pub display: Display,
}
impl Sps {
    /// p
    ///
    /// # Errors
    /// e
    pub fn parse(_nal: &[u8]) -> Result<Self, Error> {
        Err(Error::corrupt("stub"))
    }
}
