//! Whether a camera sees: the same picture again and again, or one without any detail. Judged on one key frame a minute, brightness alone. Pure. Left out are masked areas,
//! and the strips along the upper and lower edge, where cameras write their name and a running clock.
//!
//! **Frozen.** A live sensor's noise changes almost every 8 × 8 block that has detail in it, even at night and behind a noise filter: in night scenes made with ffmpeg
//! at least 95 of 100 blocks. A picture that stands still changes none, or those of a clock in a corner. What is taken for frozen is that at most one block of 20
//! changed, in [`FROZEN_LOOKS`] looks with no more than [`MISSES_MAX`] others in a row between them.
//! What it cannot see: a camera that plays a loop; a frozen picture that an encoder codes anew with other loss for every key frame, as a tight constant bit rate makes
//! it; a frozen picture without detail.
//!
//! **Covered.** No block has detail in [`COVERED_LOOKS`] looks in a row: a cloth, paint, a hand, or darkness without a single lamp. Which of these it is cannot be seen.

use crate::{Output, PixelFormat};
use watchbook_base::UtcNanos;

/// The pictures that are judged. The rate is the lowest that an output may have; whoever feeds the decoder sends less.
pub const OUTPUT: Output = Output { width: 320, height: 180, format: PixelFormat::Luma, fps_max: 0.1 };
/// A look at each camera every so often.
pub const LOOK_EVERY_MS: u64 = 60_000;
/// So many looks that show the picture before make it frozen.
pub const FROZEN_LOOKS: u32 = 5;
/// So many looks in a row that show another picture end the count.
pub const MISSES_MAX: u32 = 2;
/// So many looks in a row without detail make it covered.
pub const COVERED_LOOKS: u32 = 3;

/// Side of a block in pixels; what is left over at the lower edge is not judged.
const BLOCK_PX: usize = 8;
/// Rows of pixels along the upper and the lower edge that are not judged: an eighth each, more than two lines of text of 48 pixels in 1,080.
const TEXT_PX: usize = 24;
/// Brightest minus darkest pixel of a block with detail: noise of a night picture stays below, the edge of a lamp does not.
const DETAIL: u8 = 24;
/// With fewer blocks in sight nothing can be said; for frozen, with fewer that have detail.
const BLOCKS_MIN: usize = 20;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The same picture again and again.
    Frozen,
    /// Dark or flat: no detail.
    Covered,
}

/// Judges the pictures of one camera.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    last: Vec<u8>,
    same: Run,
    misses: u32,
    blank: Run,
}

/// Looks that showed the same thing, and when the first of them was.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    looks: u32,
    since: Option<UtcNanos>,
}

impl Run {
    fn count(&mut self, since: UtcNanos) {
        self.looks = self.looks.saturating_add(1);
        self.since.get_or_insert(since);
    }
}

/// What the blocks of a picture are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Blocks {
    seen: usize,
    detailed: usize,
    changed: usize,
}

impl Sight {
    /// Looks at the next picture, of [`OUTPUT`]'s size; others are ignored. `masked` says which of its pixels lie under a mask. Gives what is wrong now and since when.
    pub fn look(
        &mut self,
        utc: UtcNanos,
        luma: &[u8],
        masked: impl Fn(usize, usize) -> bool,
    ) -> Option<(Trouble, UtcNanos)> {
        if luma.len() == OUTPUT.frame_bytes() {
            let blocks = self.blocks(luma, masked);
            self.count(blocks, utc);
            self.last.clear();
            self.last.extend_from_slice(luma);
        }
        let frozen = self.same.since.filter(|_| self.same.looks >= FROZEN_LOOKS).map(|since| (Trouble::Frozen, since));
        let covered =
            self.blank.since.filter(|_| self.blank.looks >= COVERED_LOOKS).map(|since| (Trouble::Covered, since));
        frozen.or(covered)
    }

    fn count(&mut self, blocks: Blocks, utc: UtcNanos) {
        let is_same = !self.last.is_empty() && blocks.detailed >= BLOCKS_MIN && blocks.changed * 20 <= blocks.detailed;
        if is_same {
            (self.misses, _) = (0, self.same.count(utc));
        } else {
            self.misses += 1;
            if self.misses > MISSES_MAX {
                (self.misses, self.same) = (0, Run::default());
            }
        }
        if blocks.seen >= BLOCKS_MIN && blocks.detailed * 100 <= blocks.seen {
            self.blank.count(utc);
        } else {
            self.blank = Run::default();
        }
    }

    fn blocks(&self, luma: &[u8], masked: impl Fn(usize, usize) -> bool) -> Blocks {
        let (width, height) = (OUTPUT.width as usize, OUTPUT.height as usize);
        let mut blocks = Blocks::default();
        for top in (TEXT_PX..=height - TEXT_PX - BLOCK_PX).step_by(BLOCK_PX) {
            for left in (0..=width - BLOCK_PX).step_by(BLOCK_PX) {
                let corners =
                    [(left, top), (left + BLOCK_PX - 1, top + BLOCK_PX - 1), (left + BLOCK_PX / 2, top + BLOCK_PX / 2)];
                if corners.into_iter().any(|(column, row)| masked(column, row)) {
                    continue;
                }
                let rows = (top..top + BLOCK_PX).map(|row| row * width + left..row * width + left + BLOCK_PX);
                let (mut darkest, mut brightest, mut changed) = (u8::MAX, 0, false);
                for row in rows {
                    let pixels = &luma[row.clone()];
                    darkest = pixels.iter().copied().fold(darkest, u8::min);
                    brightest = pixels.iter().copied().fold(brightest, u8::max);
                    changed |= self.last.get(row).is_some_and(|before| before != pixels);
                }
                blocks.seen += 1;
                if brightest.saturating_sub(darkest) >= DETAIL {
                    blocks.detailed += 1;
                    blocks.changed += usize::from(changed);
                }
            }
        }
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000_000_000;

    /// A picture of stripes with `noise`'s lowest bits on it.
    fn stripes(noise: impl Fn(usize) -> u8) -> Vec<u8> {
        (0..OUTPUT.frame_bytes()).map(|at| if at / 4 % 2 == 0 { 40 } else { 200 } + noise(at)).collect()
    }

    fn look_at(sight: &mut Sight, minute: i64, picture: &[u8]) -> Option<(Trouble, UtcNanos)> {
        sight.look(UtcNanos(minute * MINUTE), picture, |_, _| false)
    }

    #[test]
    fn a_picture_that_stands_still_is_frozen_after_five_looks_and_a_moving_one_ends_it() {
        let mut sight = Sight::default();
        let still = stripes(|_| 0);
        let told: Vec<_> = (0..7).map(|minute| look_at(&mut sight, minute, &still)).collect();
        assert_eq!(told[..5], [None; 5]);
        assert_eq!(told[5], Some((Trouble::Frozen, UtcNanos(MINUTE))), "the first look that showed the one before");
        // One look that differs, as an encoder makes it, does not end it; three do.
        assert!(look_at(&mut sight, 7, &stripes(|at| (at % 3) as u8)).is_some());
        assert!(look_at(&mut sight, 8, &stripes(|at| (at % 3) as u8)).is_some());
        for minute in 9..12 {
            look_at(&mut sight, minute, &stripes(|at| ((at + minute as usize) % 3) as u8));
        }
        assert_eq!(look_at(&mut sight, 12, &stripes(|at| (at % 5) as u8)), None);
    }

    #[test]
    fn what_a_camera_writes_into_its_picture_is_nothing_that_it_sees() {
        let mut sight = Sight::default();
        let covered = |minute: usize| {
            let mut picture = vec![90; OUTPUT.frame_bytes()];
            for at in (6..22).chain(160..172).flat_map(|row| row * 320..row * 320 + 200) {
                picture[at] = if (at / 3 + minute).is_multiple_of(2) { 16 } else { 235 };
            }
            picture
        };
        let told: Vec<_> = (0..4).map(|minute| look_at(&mut sight, minute, &covered(minute as usize))).collect();
        assert_eq!(told[2..], [Some((Trouble::Covered, UtcNanos(0))); 2]);
    }

    #[test]
    fn a_running_clock_in_a_corner_is_no_life() {
        let mut sight = Sight::default();
        let clock = |minute: i64| {
            let mut picture = stripes(|_| 0);
            for at in (24..40).flat_map(|row| row * 320..row * 320 + 120) {
                picture[at] = if (at / 2 + minute as usize).is_multiple_of(2) { 0 } else { 255 };
            }
            picture
        };
        let told: Vec<_> = (0..8).map(|minute| look_at(&mut sight, minute, &clock(minute))).collect();
        assert!(told[7].is_some_and(|(trouble, _)| trouble == Trouble::Frozen), "{told:?}");
    }

    #[test]
    fn dark_or_flat_is_covered_and_never_frozen() {
        for level in [0, 16, 128, 255] {
            let mut sight = Sight::default();
            let blank = vec![level; OUTPUT.frame_bytes()];
            let told: Vec<_> = (0..10).map(|minute| look_at(&mut sight, minute, &blank)).collect();
            assert_eq!(told[1], None);
            assert_eq!(told[2..], [Some((Trouble::Covered, UtcNanos(0))); 8], "{level}");
            assert_eq!(look_at(&mut sight, 10, &stripes(|_| 0)), None);
        }
    }

    #[test]
    fn masks_hide_nothing_and_cover_nothing() {
        // All but the right quarter is masked: black in every picture. What is left lives.
        let masked = |column: usize, _: usize| column < 240;
        let mut sight = Sight::default();
        for minute in 0..20 {
            let mut picture = stripes(|at| ((at * 7 + minute as usize * 3) % 9) as u8);
            picture.chunks_mut(320).for_each(|row| row[..240].fill(0));
            assert_eq!(sight.look(UtcNanos(minute * MINUTE), &picture, masked), None);
        }
        // Under a mask over everything nothing can be said.
        let mut blind = Sight::default();
        let black = vec![0; OUTPUT.frame_bytes()];
        assert!((0..20).all(|minute| blind.look(UtcNanos(minute * MINUTE), &black, |_, _| true).is_none()));
    }

    proptest! {
        #[test]
        fn no_picture_panics(pictures in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..6)) {
            let mut sight = Sight::default();
            for (minute, seed) in pictures.iter().enumerate() {
                let picture: Vec<u8> = seed.iter().copied().cycle().take(OUTPUT.frame_bytes()).collect();
                sight.look(UtcNanos(minute as i64), &picture, |column, row| seed.len() % 2 == 0 && column > row);
                sight.look(UtcNanos(minute as i64), seed, |_, _| false);
            }
        }
    }
}
