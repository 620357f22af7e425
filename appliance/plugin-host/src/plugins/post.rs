//! The way of frames to one instance: a link of its own, so that no thread lies between. The newest frame wins.
//!
//! The instance asks for each frame. While it is at work the newest one is kept here: it never finds an old one, and nothing piles up in the kernel, where each
//! waiting frame would hold its pixels. An instance that asks more often than it may gets a frame all the same only when there is one.

use crate::message::FrameHead;
use std::os::fd::{AsFd, BorrowedFd};
use watchbook_analysis::Frame;
use watchbook_analysis::message::encode;
use watchbook_base::link::Link;

/// The recorder's end.
pub(super) struct Post {
    link: Link,
    /// The instance has asked and got nothing since.
    asked: bool,
    /// The newest frame that nobody asked for yet.
    kept: Option<Letter>,
}

/// A frame and when it was given.
pub(super) struct Letter {
    pub(super) frame: Frame,
    /// See [`FrameHead::given_ns`].
    pub(super) given_ns: u64,
}

impl Post {
    /// A new way, and the end that the instance gets.
    pub(super) fn new() -> std::io::Result<(Self, Link)> {
        let (link, theirs) = Link::pair()?;
        Ok((Self { link, asked: false, kept: None }, theirs))
    }

    /// Sends the frame, or keeps it in the place of an older one. Never waits. `missed` are those lost since one was sent. Returns how many are lost by this.
    pub(super) fn put(&mut self, letter: Letter, missed: &mut u32) -> u32 {
        let replaced = u32::from(self.kept.replace(letter).is_some());
        *missed = missed.saturating_add(replaced);
        replaced + self.deliver(missed)
    }

    /// The instance asks for a frame. Returns how many are lost by this.
    pub(super) fn asked(&mut self, missed: &mut u32) -> u32 {
        self.asked = true;
        self.deliver(missed)
    }

    /// Frames that nobody will get by this way any more.
    pub(super) fn left(self) -> u32 {
        u32::from(self.kept.is_some())
    }

    fn deliver(&mut self, missed: &mut u32) -> u32 {
        let Some(letter) = self.kept.take_if(|_| self.asked) else { return 0 };
        if self.send(&letter, *missed) {
            (self.asked, *missed) = (false, 0);
            return 0;
        }
        *missed = missed.saturating_add(1);
        1
    }

    fn send(&self, letter: &Letter, missed: u32) -> bool {
        let Letter { frame, given_ns } = letter;
        // A camera whose clock is before 1970 has no time that a plugin could be told.
        let Ok(utc_ns) = u64::try_from(frame.utc.0) else { return false };
        let (width, height) = (frame.output.width, frame.output.height);
        let head = FrameHead { utc_ns, width, height, masked: frame.masked, missed, given_ns: *given_ns };
        let pixels: BorrowedFd<'_> = frame.pixels.as_fd();
        encode(&head).is_ok_and(|bytes| self.link.try_send(&bytes, Some(pixels)).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::FRAME_HEAD_BYTES_MAX;
    use std::sync::Arc;
    use watchbook_analysis::message::decode;
    use watchbook_analysis::{Output, PixelFormat};
    use watchbook_base::{CameraId, TrackRole, UtcNanos, memfd};

    fn letter(utc_ns: i64) -> Letter {
        let stream = CameraId::new(1).unwrap().stream(TrackRole::SubVideo);
        let output = Output { width: 2, height: 1, format: PixelFormat::Luma, fps_max: 5.0 };
        let pixels = Arc::new(memfd::seal("test", &[1, 2]).unwrap());
        Letter {
            frame: Frame { stream, output, seq: 0, utc: UtcNanos(utc_ns), media: None, masked: false, pixels },
            given_ns: 7,
        }
    }

    fn arrived(theirs: &Link) -> FrameHead {
        let mut buffer = [0; FRAME_HEAD_BYTES_MAX];
        let (length, pixels) = theirs.recv(&mut buffer).unwrap();
        assert_eq!(memfd::read(pixels.unwrap().as_fd(), 2).unwrap(), [1, 2]);
        decode(&buffer[..length]).unwrap()
    }

    #[test]
    fn the_newest_frame_wins_and_nothing_is_lost_from_the_counts() {
        let (mut post, theirs) = Post::new().unwrap();
        let mut missed = 0;
        let lost: u32 = (0..5).map(|utc_ns| post.put(letter(utc_ns), &mut missed)).sum();
        assert_eq!((lost, missed), (4, 4));
        assert_eq!(post.asked(&mut missed), 0);
        let head = arrived(&theirs);
        assert_eq!((head.utc_ns, head.missed, head.given_ns, missed), (4, 4, 7, 0));
        // It is at work: two more come, of which it gets the later one as soon as it asks.
        assert_eq!(post.put(letter(5), &mut missed) + post.put(letter(6), &mut missed), 1);
        assert_eq!(post.asked(&mut missed), 0);
        assert_eq!((arrived(&theirs).utc_ns, missed), (6, 0));
        // It asked before: nothing is kept.
        assert_eq!(post.asked(&mut missed), 0);
        assert_eq!(post.put(letter(7), &mut missed), 0);
        assert_eq!((arrived(&theirs).utc_ns, missed), (7, 0));
    }

    #[test]
    fn asking_again_and_again_fills_nothing_and_a_dead_instance_costs_its_frames() {
        let (mut post, theirs) = Post::new().unwrap();
        let mut missed = 0;
        assert!((0..1000).all(|_| post.asked(&mut missed) == 0));
        assert_eq!(post.put(letter(1), &mut missed), 0);
        assert_eq!(arrived(&theirs).utc_ns, 1);
        drop(theirs);
        assert_eq!((post.asked(&mut missed), post.put(letter(2), &mut missed), missed), (0, 1, 1));
        assert_eq!((post.put(letter(-1), &mut missed), missed), (1, 2));
        let (mut other, _theirs) = Post::new().unwrap();
        assert_eq!(other.put(letter(3), &mut missed), 0);
        assert_eq!((other.left(), post.left()), (1, 0), "what it kept is lost with it");
    }
}
