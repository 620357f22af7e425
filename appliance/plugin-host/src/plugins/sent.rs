//! The frames that an instance was given last, with their places in their recording.

use std::collections::VecDeque;
use watchbook_analysis::Frame;
use watchbook_base::Lead;
use watchbook_base::lead::LEAD_FRAMES_MAX;

/// Of two frames given at least one reaches the plugin, or the box has more to do than to derive its events again: 16 KiB an instance.
const SENT_MAX: usize = 2 * LEAD_FRAMES_MAX;

/// UTC in nanoseconds and media time of frames, oldest first; at most [`SENT_MAX`].
#[derive(Default)]
pub(super) struct Sent(VecDeque<(i64, i64)>);

impl Sent {
    pub(super) fn note(&mut self, frame: &Frame) {
        let Some(media) = frame.media else { return };
        if self.0.len() >= SENT_MAX {
            self.0.pop_front();
        }
        self.0.push_back((frame.utc.0, media.0));
    }

    /// Adds the media time of each frame. Frames before one that is not known are left out.
    pub(super) fn place(&self, mut lead: Box<Lead>) -> Box<Lead> {
        let mut known = self.0.iter();
        let mut media = VecDeque::with_capacity(lead.times_ns.len());
        let mut missing = 0;
        for (place, time) in lead.times_ns.iter().enumerate() {
            match known.find(|(utc, _)| utc == time) {
                Some((_, ticks)) => media.push_back(*ticks),
                None => {
                    missing = place + 1;
                    media.clear();
                    known = self.0.iter();
                }
            }
        }
        // Without any media time the times alone are better than nothing.
        if !media.is_empty() {
            lead.forget(missing);
            lead.media_ticks = media;
        }
        lead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::UtcNanos;

    #[test]
    fn frames_that_the_plugin_saw_are_found_among_those_that_were_sent() {
        let sent = Sent((0..9).map(|n| (n * 40_000_000, n * 3_600)).collect());
        let lead = |places: &[i64]| {
            let mut lead = Lead::begin(true);
            places.iter().for_each(|n| lead.push(UtcNanos(n * 40_000_000), 0));
            Box::new(lead)
        };
        assert_eq!(sent.place(lead(&[2, 3, 7])).media_ticks, [7_200, 10_800, 25_200]);
        assert!(sent.place(lead(&[2, 10])).media_ticks.is_empty(), "the last was never sent");
        let cut = sent.place(lead(&[-5, 2, 4]));
        assert_eq!((cut.times_ns.len(), cut.fresh), (2, false), "the first was too long ago");
        assert_eq!(cut.media_ticks, [7_200, 14_400]);
    }
}
