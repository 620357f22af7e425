//! Rates and counters of one stream.

use crate::sink::LastGap;
use watchbook_base::time::{NANOS_PER_MS, NANOS_PER_SEC};
use watchbook_base::{GapReason, MonoNanos, UtcNanos};

/// Cameras tell their time every 5 to 10 s (RFC 3550 §6.2); what is older than this says nothing of now.
const CLOCK_AGE_NS_MAX: u64 = 120 * NANOS_PER_SEC.unsigned_abs();

/// Frames, bytes and losses. A frame costs two additions; rates are made when somebody asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    pub(crate) lost_packets: u64,
    pub(crate) damaged: u64,
    pub(crate) sessions: u64,
    /// The camera's clock minus ours in ms, and when it said its time.
    pub(crate) clock: Option<(i64, MonoNanos)>,
    frames: u64,
    bytes: u64,
    since: MonoNanos,
    /// The newest key frame of the RTSP session: when it came, and the pictures since, itself included.
    key: Option<(MonoNanos, u32)>,
    /// The GOP before it: pictures, and ms to the next key frame.
    gop: Option<(u32, u32)>,
    /// Since when and why there are no pictures.
    gap: Option<(UtcNanos, GapReason)>,
    last_gap: Option<LastGap>,
}

impl Health {
    pub(crate) fn frame(&mut self, bytes: usize, key: bool, now: MonoNanos) {
        self.frames += 1;
        self.bytes += bytes as u64;
        if key {
            if let Some((before, pictures)) = self.key {
                self.gop = Some((pictures, ms(now.nanos_since(before))));
            }
            self.key = Some((now, 1));
        } else if let Some((_, pictures)) = &mut self.key {
            *pictures = pictures.saturating_add(1);
        }
    }

    /// Another session begins: what was between two key frames is not known across it.
    pub(crate) fn session(&mut self) {
        self.sessions += 1;
        self.key = None;
        // It may be another camera by now.
        self.clock = None;
    }

    /// The camera's clock minus ours in ms, while it tells its time.
    pub(crate) fn clock_offset_ms(&self, now: MonoNanos) -> Option<i64> {
        self.clock.filter(|(_, told)| now.nanos_since(*told) <= CLOCK_AGE_NS_MAX).map(|(offset_ms, _)| offset_ms)
    }

    /// Pictures of the last whole GOP, and ms from its key frame to the next.
    pub(crate) fn gop(&self) -> Option<(u32, u32)> {
        self.gop
    }

    /// Age of the newest key frame in ms.
    pub(crate) fn key_age_ms(&self, now: MonoNanos) -> Option<u32> {
        self.key.map(|(came, _)| ms(now.nanos_since(came)))
    }

    /// Pictures stop; a gap that is open keeps its begin and gets the newest reason.
    pub(crate) fn lost(&mut self, reason: GapReason, now: UtcNanos) {
        self.gap = Some((self.gap.map_or(now, |(since, _)| since), reason));
    }

    /// Pictures are back.
    pub(crate) fn back(&mut self, now: UtcNanos) {
        if let Some((start, reason)) = self.gap.take() {
            self.last_gap = Some(LastGap { start, end: now, reason });
        }
    }

    /// The newest gap that has ended.
    pub(crate) fn last_gap(&self) -> Option<LastGap> {
        self.last_gap
    }

    /// Pictures and bits a second since the last call; then counts anew.
    pub(crate) fn take_rates(&mut self, now: MonoNanos) -> (f32, u64) {
        let nanos = now.nanos_since(core::mem::replace(&mut self.since, now)).max(1);
        let (frames, bytes) = (core::mem::take(&mut self.frames), core::mem::take(&mut self.bytes));
        let seconds = nanos as f64 / NANOS_PER_SEC as f64;
        ((frames as f64 / seconds) as f32, (bytes as f64 * 8.0 / seconds) as u64)
    }
}

fn ms(nanos: u64) -> u32 {
    u32::try_from(nanos / NANOS_PER_MS.unsigned_abs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_told_no_more_is_known_no_more() {
        let mut health = Health { clock: Some((-40, MonoNanos(0))), ..Health::default() };
        let after = |health: &Health, seconds: u64| health.clock_offset_ms(MonoNanos(seconds * 1_000_000_000));
        assert_eq!((after(&health, 120), after(&health, 121)), (Some(-40), None));
        health.session();
        assert_eq!(after(&health, 1), None, "another session may be another camera");
    }

    #[test]
    fn rates_are_over_the_time_since_the_last_question() {
        let mut health = Health::default();
        health.take_rates(MonoNanos(1_000_000_000));
        for _ in 0..50 {
            health.frame(20_000, false, MonoNanos(2_000_000_000));
        }
        assert_eq!(health.take_rates(MonoNanos(3_000_000_000)), (25.0, 4_000_000));
        assert_eq!(health.take_rates(MonoNanos(4_000_000_000)), (0.0, 0));
    }

    #[test]
    fn key_frames_are_counted_within_a_session() {
        let mut health = Health::default();
        let second = 1_000_000_000;
        health.session();
        assert_eq!((health.gop(), health.key_age_ms(MonoNanos(5))), (None, None));
        for picture in 0..=50_u64 {
            health.frame(1, picture % 25 == 0, MonoNanos(picture * second / 25));
        }
        assert_eq!((health.gop(), health.key_age_ms(MonoNanos(5 * second / 2))), (Some((25, 1_000)), Some(500)));
        health.session();
        health.frame(1, true, MonoNanos(60 * second));
        assert_eq!(health.gop(), Some((25, 1_000)), "what lies between two sessions is no GOP");
    }

    #[test]
    fn a_gap_lasts_until_pictures_are_back() {
        let mut health = Health::default();
        health.back(UtcNanos(1));
        assert_eq!(health.last_gap(), None);
        health.lost(GapReason::CameraSilent, UtcNanos(10));
        health.lost(GapReason::CameraGone, UtcNanos(20));
        assert_eq!(health.last_gap(), None);
        health.back(UtcNanos(30));
        let gap = LastGap { start: UtcNanos(10), end: UtcNanos(30), reason: GapReason::CameraGone };
        assert_eq!(health.last_gap(), Some(gap));
    }
}
