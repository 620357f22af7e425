//! How often a plugin trapped on a camera, and what follows.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Pause after the first trap; doubled with each further one in [`TRAP_WINDOW`].
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// So many traps within [`TRAP_WINDOW`] are the end.
const TRAPS_MAX: usize = 5;
const TRAP_WINDOW: Duration = Duration::from_secs(600);

/// The traps of the last [`TRAP_WINDOW`].
#[derive(Debug, Default)]
pub(crate) struct Traps(VecDeque<Instant>);

impl Traps {
    /// Notes a trap and gives the pause before the next attempt; `None` when there shall be none.
    pub(crate) fn pause_after(&mut self, now: Instant) -> Option<Duration> {
        self.0.push_back(now);
        while self.0.front().is_some_and(|first| now.saturating_duration_since(*first) > TRAP_WINDOW) {
            self.0.pop_front();
        }
        (self.0.len() < TRAPS_MAX).then(|| pause(self.0.len()))
    }
}

/// Pause after so many traps in the window: 1, 2, 4 ... seconds.
fn pause(traps: usize) -> Duration {
    let doublings = u32::try_from(traps.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    (PAUSE_MIN * 2_u32.pow(doublings)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_five_minutes() {
        let secs: Vec<u64> = (1..12).map(|traps| pause(traps).as_secs()).collect();
        assert_eq!(secs, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn the_fifth_trap_of_ten_minutes_is_the_end() {
        let (mut traps, begin) = (Traps::default(), Instant::now());
        let at = |secs| begin + Duration::from_secs(secs);
        assert!((0..4).all(|number| traps.pause_after(at(number * 150)).is_some()));
        assert!(traps.pause_after(at(601)).is_some(), "the first lies more than ten minutes back");
        assert_eq!(traps.pause_after(at(602)), None);
    }
}
