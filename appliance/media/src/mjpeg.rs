//! Motion JPEG: every sample is one JPEG picture (ITU-T T.81). What is read here is how large a picture is and where it ends; nothing is decoded.
//!
//! Cameras fill the room behind a picture with zeros (UVC cameras, and HTTP cameras whose parts have a fixed size), leave the Huffman tables out, because those of
//! T.81 annex K are meant (most UVC cameras; libjpeg-turbo and libavcodec know them), and put comments, EXIF and thumbnails in front of it.

use crate::error::Error;
use crate::packet::{Codec, TrackFormat};
use bytes::Bytes;
use watchbook_base::limits::{ACCESS_UNIT_BYTES_MAX, PICTURE_SIDE_PX_MAX};

/// The first two bytes of every picture: start of image (T.81 table B.1).
pub const START: [u8; 2] = [0xFF, 0xD8];

/// What the header of a JPEG says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels, 1 to [`PICTURE_SIDE_PX_MAX`].
    pub width: u32,
    /// Height in pixels, 1 to [`PICTURE_SIDE_PX_MAX`].
    pub height: u32,
    /// Bytes from the start of image to the end of image, both included; what is behind is padding.
    pub len: usize,
}

impl Picture {
    /// The format of a recording of such pictures.
    #[must_use]
    pub fn format(&self) -> TrackFormat {
        TrackFormat { codec: Codec::Mjpeg { width: self.width, height: self.height }, config: Bytes::new() }
    }
}

/// Reads the markers of one JPEG, from its start to its end. Costs one look at each byte and no memory.
///
/// # Errors
/// `Corrupt` for what is no whole JPEG with a start, a frame header, a scan and an end, for a kind that browsers and libavcodec do not decode (lossless,
/// hierarchical, arithmetic), for a side of 0 or over [`PICTURE_SIDE_PX_MAX`]; `Exhausted` over [`ACCESS_UNIT_BYTES_MAX`].
pub fn check(data: &[u8]) -> Result<Picture, Error> {
    let wrong = |what: &str| Error::corrupt(format!("reading a JPEG of {} bytes: {what}", data.len()));
    if data.get(..2) != Some(&START[..]) {
        return Err(wrong("it does not begin with a start of image"));
    }
    let (mut size, mut scanned) = (None, false);
    let mut at = START.len();
    loop {
        let code =
            marker(data, &mut at).ok_or_else(|| wrong("it breaks off, or has other bytes where a marker should be"))?;
        match code {
            // End of image.
            0xD9 => {
                let (width, height) = size.filter(|_| scanned).ok_or_else(|| wrong("it ends without a picture"))?;
                return picture(width, height, at);
            }
            // Without a segment: TEM, restarts; a second start of image is none.
            0x01 | 0xD0..=0xD7 => continue,
            0xD8 => return Err(wrong("a second picture begins inside")),
            _ => {}
        }
        let segment = segment(data, at).ok_or_else(|| wrong("a segment is longer than the picture"))?;
        at += 2 + segment.len();
        match code {
            // Baseline, extended sequential and progressive DCT with Huffman coding (T.81 table B.1).
            0xC0..=0xC2 => size = Some(sides(segment).ok_or_else(|| wrong("its width or height is out of bounds"))?),
            // DHT, JPG extensions and DAC share the range of frame headers.
            0xC4 | 0xC8 | 0xCC => {}
            0xC3 | 0xC5..=0xCF => {
                return Err(wrong("it is lossless, hierarchical or arithmetic coded, which is not decoded"));
            }
            // Start of scan.
            0xDA => {
                if size.is_none() {
                    return Err(wrong("a scan comes before the frame header"));
                }
                scanned = true;
                at = behind_scan(data, at).ok_or_else(|| wrong("it has no end of image"))?;
            }
            _ => {}
        }
    }
}

fn picture(width: u32, height: u32, len: usize) -> Result<Picture, Error> {
    if len > ACCESS_UNIT_BYTES_MAX {
        return Err(Error::exhausted(format!(
            "reading a JPEG: {len} bytes; at most {ACCESS_UNIT_BYTES_MAX} are stored"
        )));
    }
    Ok(Picture { width, height, len })
}

/// The code behind the next `0xFF`, of which any number may stand there as filling (T.81 §B.1.1.2); moves behind it.
fn marker(data: &[u8], at: &mut usize) -> Option<u8> {
    if *data.get(*at)? != 0xFF {
        return None;
    }
    loop {
        *at += 1;
        let code = *data.get(*at)?;
        if code != 0xFF {
            *at += 1;
            return (code != 0).then_some(code);
        }
    }
}

/// The parameters of the segment at `at`, behind its two bytes of length, which count themselves (§B.1.1.4).
fn segment(data: &[u8], at: usize) -> Option<&[u8]> {
    let (length, rest) = data.get(at..)?.split_first_chunk::<2>()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)).checked_sub(2)?)
}

/// Width and height of a frame header (§B.2.2): precision, lines, samples a line. 0 lines would be told behind the first scan (DNL), which nobody does.
fn sides(segment: &[u8]) -> Option<(u32, u32)> {
    let [_, y0, y1, x0, x1, ..] = segment else { return None };
    let side = |high: u8, low: u8| {
        Some(u32::from(u16::from_be_bytes([high, low]))).filter(|px| (1..=PICTURE_SIDE_PX_MAX).contains(px))
    };
    Some((side(*x0, *x1)?, side(*y0, *y1)?))
}

/// Where the next marker that is no restart stands behind entropy-coded data (§B.1.1.5: a data byte of `0xFF` is followed by a 0).
fn behind_scan(data: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += data.get(at..)?.iter().position(|byte| *byte == 0xFF)?;
        match data.get(at + 1)? {
            0xFF => at += 1,
            0 | 0xD0..=0xD7 => at += 2,
            _ => return Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::Kind;

    /// A JPEG by the syntax of T.81 figure B.2: tables, a frame header of 640 × 360 with one component, a scan with a stuffed byte and a restart.
    fn jpeg() -> Vec<u8> {
        let mut data = START.to_vec();
        data.extend([0xFF, 0xE0, 0, 4, b'J', b'F']);
        // A thumbnail in a segment of its own does not end the picture.
        data.extend([0xFF, 0xE1, 0, 6, 0xFF, 0xD8, 0xFF, 0xD9]);
        data.extend([0xFF, 0xFF, 0xC0, 0, 11, 8, 1, 0x68, 2, 0x80, 1, 1, 0x11, 0]);
        data.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
        data.extend([1, 2, 0xFF, 0, 3, 0xFF, 0xD0, 4, 0xFF, 0xD9]);
        data
    }

    #[test]
    fn size_and_end_are_found_and_padding_is_not_counted() {
        let whole = jpeg();
        let expected = Picture { width: 640, height: 360, len: whole.len() };
        assert_eq!(check(&whole).unwrap(), expected);
        let padded = [&whole[..], &[0; 512]].concat();
        assert_eq!(check(&padded).unwrap(), expected);
        assert_eq!(expected.format().codec, Codec::Mjpeg { width: 640, height: 360 });
    }

    #[test]
    fn a_second_scan_is_part_of_the_picture() {
        let mut data = jpeg();
        data.truncate(data.len() - 2);
        data.extend([0xFF, 0xC4, 0, 3, 0, 0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 9, 9, 0xFF, 0xD9]);
        assert_eq!(check(&data).unwrap().len, data.len());
    }

    #[test]
    fn what_is_cut_off_or_no_jpeg_is_refused() {
        let whole = jpeg();
        for len in 0..whole.len() {
            assert_eq!(check(&whole[..len]).unwrap_err().kind, Kind::Corrupt, "{len}");
        }
        let changed = |at: usize, byte: u8| {
            let mut data = whole.clone();
            data[at] = byte;
            check(&data)
        };
        let sof = whole.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        assert!(changed(sof + 1, 0xC9).unwrap_err().message.contains("arithmetic"));
        assert!(changed(sof + 1, 0xC2).is_ok(), "progressive");
        assert!(changed(sof + 5, 0xFF).unwrap_err().message.contains("out of bounds"));
        assert!(check(b"<html><body>401</body></html>").unwrap_err().message.contains("start of image"));
        let none = [&whole[..sof - 1], &whole[sof + 13..]].concat();
        assert!(check(&none).unwrap_err().message.contains("before the frame header"));
    }

    #[test]
    fn a_picture_over_the_limit_is_refused() {
        let mut data = jpeg();
        data.truncate(data.len() - 2);
        data.resize(ACCESS_UNIT_BYTES_MAX, 7);
        data.extend([0xFF, 0xD9]);
        assert_eq!(check(&data).unwrap_err().kind, Kind::Exhausted);
    }
}
