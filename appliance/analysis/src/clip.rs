//! The stream that `watchbook-clip` writes: brightness planes with their times, one after the other. Pure; numbers are little-endian.
//!
//! ```text
//! head   8 bytes "WBCLIP1\n" | width u32 | height u32 | masked u8 (0 or 1)
//! frame  1 | UTC of presentation in ns, i64 | width x height bytes, rows from the top without padding
//! end    0 | number of frames before it, u64
//! ```
//!
//! A stream without its end was cut off: its writer died.

use crate::plan::OUTPUT_SIDE_PX;
use std::io::{Error, ErrorKind, Read, Result, Write};

const MAGIC: [u8; 8] = *b"WBCLIP1\n";
const END: u8 = 0;
const FRAME: u8 = 1;

/// What holds for a whole clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Pixels across, in [`OUTPUT_SIDE_PX`].
    pub width: u32,
    /// Pixels down, in [`OUTPUT_SIDE_PX`].
    pub height: u32,
    /// Whether masks were burnt in.
    pub masked: bool,
}

impl Head {
    /// Bytes of one plane, at most 1920 x 1920.
    #[must_use]
    pub fn plane_bytes(&self) -> usize {
        self.width as usize * self.height as usize
    }
}

/// One decoded picture of the clip, masked and scaled as a plugin of the recorder would get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// UTC of presentation in nanoseconds.
    pub utc_ns: i64,
    /// Brightness, `width * height` bytes.
    pub luma: Vec<u8>,
}

fn wrong(sentence: String) -> Error {
    Error::new(ErrorKind::InvalidData, sentence)
}

/// Writes a clip.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    head: Head,
    frames: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a clip.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] when a side is out of bounds; what `to` says.
    pub fn new(mut to: W, head: Head) -> Result<Self> {
        check(head)?;
        to.write_all(&MAGIC)?;
        to.write_all(&head.width.to_le_bytes())?;
        to.write_all(&head.height.to_le_bytes())?;
        to.write_all(&[u8::from(head.masked)])?;
        Ok(Self { to, head, frames: 0 })
    }

    /// Adds a picture.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] when the plane has another size than the head says; what the destination says.
    pub fn picture(&mut self, utc_ns: i64, luma: &[u8]) -> Result<()> {
        if luma.len() != self.head.plane_bytes() {
            return Err(wrong(format!("a plane of {} bytes instead of {}", luma.len(), self.head.plane_bytes())));
        }
        self.to.write_all(&[FRAME])?;
        self.to.write_all(&utc_ns.to_le_bytes())?;
        self.to.write_all(luma)?;
        self.to.flush()?;
        self.frames += 1;
        Ok(())
    }

    /// Ends the clip; gives the number of its frames.
    ///
    /// # Errors
    /// What the destination says.
    pub fn end(mut self) -> Result<u64> {
        self.to.write_all(&[END])?;
        self.to.write_all(&self.frames.to_le_bytes())?;
        self.to.flush()?;
        Ok(self.frames)
    }
}

fn check(head: Head) -> Result<()> {
    if OUTPUT_SIDE_PX.contains(&head.width) && OUTPUT_SIDE_PX.contains(&head.height) {
        return Ok(());
    }
    Err(wrong(format!("pictures of {}x{}; 16 to 1920 pixels a side are allowed", head.width, head.height)))
}

/// Reads a clip, one picture at a time.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    head: Head,
    frames: u64,
    over: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the head.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] when it is no clip; [`ErrorKind::UnexpectedEof`] when nothing comes.
    pub fn new(mut from: R) -> Result<Self> {
        let mut bytes = [0; 17];
        from.read_exact(&mut bytes)?;
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if bytes[..8] != MAGIC || bytes[16] > 1 {
            return Err(wrong("this is no stream of watchbook-clip".to_owned()));
        }
        let head = Head { width: word(8), height: word(12), masked: bytes[16] == 1 };
        check(head)?;
        Ok(Self { from, head, frames: 0, over: false })
    }

    /// Size of the pictures.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The next picture; `None` at the end.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] when the stream was cut off; [`ErrorKind::InvalidData`] when it is damaged.
    pub fn next_picture(&mut self) -> Result<Option<Picture>> {
        if self.over {
            return Ok(None);
        }
        let mut head = [0; 9];
        self.from.read_exact(&mut head)?;
        let number = <[u8; 8]>::try_from(&head[1..]).map_err(|_| wrong("a short head".to_owned()))?;
        match head[0] {
            FRAME => {
                let mut luma = vec![0; self.head.plane_bytes()];
                self.from.read_exact(&mut luma)?;
                self.frames += 1;
                Ok(Some(Picture { utc_ns: i64::from_le_bytes(number), luma }))
            }
            END if u64::from_le_bytes(number) == self.frames => {
                self.over = true;
                Ok(None)
            }
            other => Err(wrong(format!("a clip is damaged after frame {}: tag {other}", self.frames))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: Head = Head { width: 16, height: 20, masked: true };

    fn clip(frames: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, HEAD).unwrap();
        for frame in 0..frames {
            writer.picture(-i64::from(frame), &[frame; 320]).unwrap();
        }
        assert_eq!(writer.end().unwrap(), u64::from(frames));
        bytes
    }

    fn read_all(bytes: &[u8]) -> Result<Vec<Picture>> {
        let mut reader = Reader::new(bytes)?;
        let mut pictures = Vec::new();
        while let Some(picture) = reader.next_picture()? {
            pictures.push(picture);
        }
        Ok(pictures)
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = clip(3);
        // By the drawing at the head of this file.
        assert_eq!(bytes.len(), 17 + 3 * (9 + 320) + 9);
        assert_eq!(bytes[..18], *b"WBCLIP1\n\x10\0\0\0\x14\0\0\0\x01\x01");
        let pictures = read_all(&bytes).unwrap();
        assert_eq!(pictures.len(), 3);
        assert_eq!(pictures[2], Picture { utc_ns: -2, luma: vec![2; 320] });
    }

    #[test]
    fn a_clip_that_is_cut_off_is_not_a_short_clip() {
        let bytes = clip(2);
        for length in 0..bytes.len() {
            assert_eq!(read_all(&bytes[..length]).unwrap_err().kind(), ErrorKind::UnexpectedEof, "{length}");
        }
        let mut wrong_count = bytes.clone();
        let last = wrong_count.len() - 8;
        wrong_count[last] = 3;
        assert_eq!(read_all(&wrong_count).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn sizes_are_bounded_on_both_sides() {
        assert!(Writer::new(Vec::new(), Head { width: 1921, ..HEAD }).is_err());
        assert!(Writer::new(Vec::new(), HEAD).unwrap().picture(0, &[0; 319]).is_err());
        let mut huge = clip(0);
        huge[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Reader::new(huge.as_slice()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in 0_usize..18) {
            let mut stream = clip(0)[..cut.min(17)].to_vec();
            stream.extend(&bytes);
            if let Ok(pictures) = read_all(&stream) {
                prop_assert!(pictures.len() <= bytes.len() / 320);
            }
        }
    }
}
