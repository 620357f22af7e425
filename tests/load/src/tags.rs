//! The number that every frame carries, and counting numbers in what a recorder hands out.
//!
//! A tag is a `user_data_unregistered` SEI message (ISO/IEC 14496-10 §D.1.6): our UUID, then camera and frame number as hexadecimal digits. No byte of it is
//! 0, so no emulation prevention is needed and the bytes are the same in RTP, Annex B and MP4.

use crate::Result;
use crate::error::Attempt;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

/// Marks a message as ours. Random, no zero byte.
const UUID: [u8; 16] = [0xb7, 0x1e, 0x5a, 0x93, 0x4c, 0xd8, 0x47, 0x2f, 0xa1, 0x6b, 0xe3, 0x90, 0x55, 0xcc, 0x28, 0x7d];
/// Digits of the camera's number.
const CAMERA_DIGITS: usize = 4;
/// Digits of the frame's number: 2^48 frames are 300,000 years.
const FRAME_DIGITS: usize = 12;
/// UUID and digits.
const TAG_BYTES: usize = 16 + CAMERA_DIGITS + FRAME_DIGITS;
/// How much is read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Where the digits begin in the NAL unit of [`nal`].
pub const DIGITS_AT: usize = 3 + 16;

/// The NAL unit of one tag.
#[must_use]
pub fn nal(camera: u16, frame: u64) -> Vec<u8> {
    // NAL header: not a reference, type 6. Payload type 5, payload size, payload, stop bit.
    let mut nal = vec![0x06, 0x05, TAG_BYTES as u8];
    nal.extend_from_slice(&UUID);
    nal.extend_from_slice(digits(camera, frame).as_bytes());
    nal.push(0x80);
    nal
}

/// The digits alone, to be written over those of another frame.
#[must_use]
pub fn digits(camera: u16, frame: u64) -> String {
    format!("{camera:0CAMERA_DIGITS$x}{:0FRAME_DIGITS$x}", frame & 0xffff_ffff_ffff)
}

/// Every tag found, by camera.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    frames: BTreeMap<u16, Vec<u64>>,
}

/// What the tags of all cameras say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Cameras with at least one frame.
    pub cameras: usize,
    /// Different frames.
    pub kept: u64,
    /// Frames missing between the first and the last kept one of a camera.
    pub lost: u64,
    /// Frames found a second time.
    pub twice: u64,
}

impl Tags {
    /// Finds the tags in a whole file or response body.
    ///
    /// # Errors
    /// The source cannot be read.
    pub fn read(&mut self, mut source: impl Read) -> Result<()> {
        let mut buffer = vec![0_u8; CHUNK_BYTES];
        let mut held = 0;
        loop {
            let count = source.read(&mut buffer[held..]).attempt("reading what a recorder made")?;
            let filled = held + count;
            self.scan(&buffer[..filled]);
            if count == 0 {
                return Ok(());
            }
            // A tag may straddle two reads; one that ended exactly here was found and must not be found again.
            held = filled.min(TAG_BYTES - 1);
            buffer.copy_within(filled - held..filled, 0);
        }
    }

    fn scan(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while let Some(found) = bytes[at..].iter().position(|&byte| byte == UUID[0]) {
            at += found;
            let Some(tag) = bytes.get(at..at + TAG_BYTES) else { return };
            if tag.starts_with(&UUID)
                && let Some((camera, frame)) = parse(&tag[16..])
            {
                self.frames.entry(camera).or_default().push(frame);
                at += TAG_BYTES;
            } else {
                at += 1;
            }
        }
    }

    /// Counts what was found.
    #[must_use]
    pub fn count(&self) -> Count {
        let mut count = Count { cameras: self.frames.len(), ..Count::default() };
        for frames in self.frames.values() {
            let mut sorted = frames.clone();
            sorted.sort_unstable();
            sorted.dedup();
            let kept = sorted.len() as u64;
            let reach = sorted.last().zip(sorted.first()).map_or(0, |(last, first)| last - first + 1);
            count.kept += kept;
            count.lost += reach - kept;
            count.twice += frames.len() as u64 - kept;
        }
        count
    }

    /// Frames of `range` that `camera` lacks.
    #[must_use]
    pub fn missing(&self, camera: u16, range: core::ops::Range<u64>) -> u64 {
        let kept: BTreeSet<u64> =
            self.frames.get(&camera).into_iter().flatten().copied().filter(|f| range.contains(f)).collect();
        range.end.saturating_sub(range.start) - kept.len() as u64
    }

    /// First and last frame of `camera`.
    #[must_use]
    pub fn reach(&self, camera: u16) -> Option<(u64, u64)> {
        let frames = self.frames.get(&camera)?;
        frames.iter().min().copied().zip(frames.iter().max().copied())
    }
}

fn parse(digits: &[u8]) -> Option<(u16, u64)> {
    let text = core::str::from_utf8(digits).ok()?;
    let (camera, frame) = text.split_at_checked(CAMERA_DIGITS)?;
    Some((u16::from_str_radix(camera, 16).ok()?, u64::from_str_radix(frame, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(frames: impl IntoIterator<Item = (u16, u64)>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (camera, frame) in frames {
            bytes.extend_from_slice(&nal(camera, frame));
            bytes.extend((0..997_u32).map(|i| (i * frame as u32) as u8 ^ UUID[0]));
        }
        bytes
    }

    #[test]
    fn lost_and_doubled_frames_are_counted_by_camera() {
        let mut tags = Tags::default();
        tags.read(file((5..100).filter(|f| ![7, 8, 50].contains(f)).map(|f| (1, f))).as_slice()).unwrap();
        tags.read(file([(2, 1), (2, 3), (2, 3)]).as_slice()).unwrap();
        assert_eq!(tags.count(), Count { cameras: 2, kept: 92 + 2, lost: 3 + 1, twice: 1 });
        assert_eq!(tags.reach(1), Some((5, 99)));
        assert_eq!((tags.missing(1, 7..11), tags.missing(2, 3..5), tags.missing(3, 0..4)), (2, 1, 4));
    }

    #[test]
    fn a_tag_may_lie_anywhere_between_two_reads() {
        /// Gives `step` bytes a read.
        struct Slow<'a>(&'a [u8], usize);
        impl Read for Slow<'_> {
            fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
                let step = self.1.min(out.len());
                (&mut self.0).take(step as u64).read(out)
            }
        }
        let bytes = file((0..200).map(|f| (3, f)));
        for step in [1, 7, 31, 32, 33, 1000] {
            let mut tags = Tags::default();
            tags.read(Slow(&bytes, step)).unwrap();
            assert_eq!(tags.count(), Count { cameras: 1, kept: 200, lost: 0, twice: 0 }, "step {step}");
        }
    }

    #[test]
    fn a_tag_has_no_byte_that_would_need_escaping() {
        assert!(!nal(0, 0).contains(&0));
        assert_eq!(nal(0x12, 0xabc)[DIGITS_AT..][..16], *b"0012000000000abc");
        assert_eq!(
            nal(1, 1)[2] as usize,
            nal(1, 1).len() - 4,
            "the payload size leaves out two headers and the stop bit"
        );
    }
}
