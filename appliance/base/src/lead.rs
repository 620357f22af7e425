//! Which frames led to an event: what makes it possible to give the plugin the very same ones again.

use crate::UtcNanos;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::VecDeque;

/// Frames that are remembered of one instance: 100 s at 5 a second, 2 to 4 KiB of text with an event.
pub const LEAD_FRAMES_MAX: usize = 512;
/// Frames of a lead whose count of dropped frames before them is remembered. More than that is a plugin that never keeps up.
pub const LEAD_SKIPS_MAX: usize = 64;
/// The stored text: no step takes more than 10 bytes, of two digits each.
const TEXT_BYTES_MAX: usize = 20 * LEAD_FRAMES_MAX;

/// The last frames that a plugin was called with before it gave an event, the last of which it gave the event for. Times are in nanoseconds UTC, exactly as the plugin was told them: one that counts milliseconds sees
/// whether a step is a little over or a little under.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// The first of them was the first of a fresh instance that was handed nothing: all that it knew came from these frames.
    pub fresh: bool,
    /// Times of presentation, oldest first; at most [`LEAD_FRAMES_MAX`].
    #[serde(rename = "times", serialize_with = "write_times", deserialize_with = "read_times")]
    pub times_ns: VecDeque<i64>,
    /// Where in their recording they are: media time of presentation in 1/90,000 s, one for each of `times_ns`, which tells neighbours apart where UTC, which is
    /// slewed, cannot. Empty when it is not known.
    #[serde(rename = "media", serialize_with = "write_times", deserialize_with = "read_times")]
    pub media_ticks: VecDeque<i64>,
    /// Frames that the plugin was told were dropped before one of them: place in `times_ns`, count. At most [`LEAD_SKIPS_MAX`], the newest.
    pub skips: VecDeque<(u32, u32)>,
}

impl Lead {
    /// Before the first frame of an instance; `fresh` when it was handed nothing by one before it.
    #[must_use]
    pub fn begin(fresh: bool) -> Self {
        Self { fresh, ..Self::default() }
    }

    /// The plugin is called with this frame, and told that so many were dropped before it.
    pub fn push(&mut self, utc: UtcNanos, skipped: u32) {
        if self.times_ns.len() >= LEAD_FRAMES_MAX {
            self.forget(1);
        }
        if skipped > 0 {
            if self.skips.len() >= LEAD_SKIPS_MAX {
                self.skips.pop_front();
            }
            self.skips.push_back((u32::try_from(self.times_ns.len()).unwrap_or(u32::MAX), skipped));
        }
        self.times_ns.push_back(utc.0);
    }

    /// Leaves the first `count` frames out.
    pub fn forget(&mut self, count: usize) {
        let count = count.min(self.times_ns.len());
        if count == 0 {
            return;
        }
        self.times_ns.drain(..count);
        self.fresh = false;
        let gone = u32::try_from(count).unwrap_or(u32::MAX);
        self.skips.retain(|(place, _)| *place >= gone);
        self.skips.iter_mut().for_each(|(place, _)| *place -= gone);
    }

    /// Frames that the plugin was told were dropped before the one at `place`.
    #[must_use]
    pub fn skipped(&self, place: usize) -> u32 {
        let found = self.skips.iter().find(|(at, _)| usize::try_from(*at) == Ok(place));
        found.map_or(0, |(_, count)| *count)
    }

    /// First and last frame.
    #[must_use]
    pub fn span(&self) -> Option<(UtcNanos, UtcNanos)> {
        let utc = |ns: &i64| UtcNanos(*ns);
        self.times_ns.front().map(utc).zip(self.times_ns.back().map(utc))
    }

    /// Frames that the plugin was told were dropped between the first and the last.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.skips.iter().map(|(_, count)| u64::from(*count)).sum()
    }
}

/// Frames come at an even pace, so what is written is how much each step differs from the one before: seven bits a byte, the lowest first, the sign in the
/// lowest bit (zigzag), in lower-case hex. The first "step" is the first time itself.
fn write_times<S: Serializer>(times: &VecDeque<i64>, to: S) -> Result<S::Ok, S::Error> {
    let (mut text, mut last, mut step) = (String::new(), 0_i64, 0_i64);
    for time in times {
        let now = time.wrapping_sub(last);
        let mut bits = zigzag(now.wrapping_sub(step));
        loop {
            let more = bits > 0x7F;
            let byte = (bits & 0x7F) as u8 | u8::from(more) << 7;
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
            if !more {
                break;
            }
            bits >>= 7;
        }
        (last, step) = (*time, now);
    }
    to.serialize_str(&text)
}

fn read_times<'de, D: Deserializer<'de>>(from: D) -> Result<VecDeque<i64>, D::Error> {
    let text = String::deserialize(from)?;
    parse_times(&text).ok_or_else(|| D::Error::custom("these are no times of frames"))
}

fn parse_times(text: &str) -> Option<VecDeque<i64>> {
    if text.len() > TEXT_BYTES_MAX || !text.len().is_multiple_of(2) {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16);
    let (mut times, mut last, mut step) = (VecDeque::new(), 0_i64, 0_i64);
    let (mut bits, mut shift) = (0_u64, 0_u32);
    for pair in text.as_bytes().chunks_exact(2) {
        let byte = value(pair[0])? << 4 | value(pair[1])?;
        if shift > 63 {
            return None;
        }
        bits |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 != 0 {
            shift += 7;
            continue;
        }
        step = step.wrapping_add(unzigzag(bits));
        last = last.wrapping_add(step);
        (bits, shift) = (0, 0);
        if times.len() >= LEAD_FRAMES_MAX {
            return None;
        }
        times.push_back(last);
    }
    (shift == 0).then_some(times)
}

fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

fn unzigzag(bits: u64) -> i64 {
    (bits >> 1).cast_signed() ^ -(bits & 1).cast_signed()
}

fn digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_steady_camera_takes_a_byte_a_frame() {
        let mut lead = Lead::begin(true);
        // Every fifth picture of 25 a second, and a clock that is slewed by some nanoseconds.
        let time = |n: i64| 1_764_000_000_000_000_000 + n * 200_000_000 + n % 7 * 3;
        (0..LEAD_FRAMES_MAX as i64).for_each(|n| lead.push(UtcNanos(time(n)), 0));
        let json = serde_json::to_string(&lead).unwrap();
        assert!(json.len() < 2 * LEAD_FRAMES_MAX + 120, "{}", json.len());
        assert_eq!(serde_json::from_str::<Lead>(&json).unwrap(), lead);
        assert!(lead.fresh);
        lead.push(UtcNanos(i64::MAX), 0);
        assert!(!lead.fresh, "its first frame is no longer among them");
        assert_eq!(lead.times_ns.len(), LEAD_FRAMES_MAX);
    }

    #[test]
    fn what_was_dropped_stays_with_its_frame() {
        let mut lead = Lead::begin(false);
        for n in 0..LEAD_FRAMES_MAX as u32 + 10 {
            lead.push(UtcNanos(i64::from(n) * 1_000), u32::from(n == 5) + 3 * u32::from(n == 300));
        }
        assert_eq!((lead.skipped(290), lead.dropped()), (3, 3), "the frame 300 is now the 290th, the fifth is gone");
        assert_eq!(lead.span(), Some((UtcNanos(10_000), UtcNanos(521_000))));
        (0..1_000).for_each(|n| lead.push(UtcNanos(n), 1));
        assert_eq!(lead.skips.len(), LEAD_SKIPS_MAX);
        assert_eq!(lead.skipped(LEAD_FRAMES_MAX - 1), 1);
    }

    proptest! {
        #[test]
        fn any_times_come_back(times in prop::collection::vec(any::<i64>(), 0..40), fresh: bool) {
            let lead = Lead { fresh, media_ticks: times.iter().map(|time| time / 7).collect(), times_ns: times.into(), skips: VecDeque::new() };
            let json = serde_json::to_string(&lead).unwrap();
            prop_assert_eq!(serde_json::from_str::<Lead>(&json).unwrap(), lead);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[0-9a-f]{0,60}|.{0,30}") {
            if let Some(times) = parse_times(&text) {
                prop_assert!(times.len() <= text.len() / 2);
            }
        }
    }
}
