//! When to try a camera again. Pure: a seed and a sequence of outcomes give a sequence of delays.

use core::time::Duration;

/// Delay after the first failure.
const FIRST_MS: u64 = 250;
/// Longest delay after failures that pass by themselves. A camera that comes back is recorded again within this, one connection and the wait for its key frame (2 s in most
/// cameras' settings): together under 5 s.
const LONGEST_MS: u64 = 2_000;
/// First and longest delay after a refused password. Many cameras lock the account for half an hour after five wrong attempts within a few minutes.
const DENIED_FIRST_MS: u64 = 5_000;
const DENIED_LONGEST_MS: u64 = 30_000;
/// Share of the delay that is drawn at random: cameras that a power cut took down together do not come back in step.
const JITTER_PERCENT: u64 = 40;

/// What an attempt ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Pictures came long enough for the failure to be a new one.
    WasHealthy,
    /// No picture, or only for a moment.
    Failed,
    /// User name or password refused.
    Denied,
}

/// Delays before the next attempt: 0.25 s, doubling to 2 s; after a refused password 5 s, doubling to 30 s. Each is shortened by up to 40 % at random.
#[derive(Clone, Debug)]
pub struct Backoff {
    failures: u32,
    denials: u32,
    random: u64,
}

impl Backoff {
    /// Two cameras should have different seeds.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { failures: 0, denials: 0, random: seed }
    }

    /// How long to wait after an attempt that ended with `outcome`.
    pub fn after(&mut self, outcome: Outcome) -> Duration {
        match outcome {
            Outcome::WasHealthy => (self.failures, self.denials) = (1, 0),
            Outcome::Failed => (self.failures, self.denials) = (self.failures.saturating_add(1), 0),
            Outcome::Denied => (self.failures, self.denials) = (0, self.denials.saturating_add(1)),
        }
        let nominal_ms = match outcome {
            Outcome::Denied => doubled(DENIED_FIRST_MS, self.denials, DENIED_LONGEST_MS),
            Outcome::WasHealthy | Outcome::Failed => doubled(FIRST_MS, self.failures, LONGEST_MS),
        };
        let spread_ms = nominal_ms * JITTER_PERCENT / 100;
        Duration::from_millis(nominal_ms - self.draw() % (spread_ms + 1))
    }

    /// SplitMix64 (Steele, Lea, Flood 2014, figure 16): jitter needs no more.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// `first_ms` after the first of `times` failures, twice as much after each further one, at most `longest_ms`.
fn doubled(first_ms: u64, times: u32, longest_ms: u64) -> u64 {
    // 2^16 × 5 s is far over any bound and far under overflow.
    (first_ms << times.saturating_sub(1).min(16)).min(longest_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn delays_double_from_a_quarter_of_a_second_to_two_seconds() {
        let mut backoff = Backoff::new(7);
        for nominal_ms in [250, 500, 1000, 2000, 2000, 2000, 2000, 2000] {
            let delay_ms = backoff.after(Outcome::Failed).as_millis();
            assert!((nominal_ms * 6 / 10..=nominal_ms).contains(&delay_ms), "{delay_ms} of {nominal_ms}");
        }
        assert!(backoff.after(Outcome::WasHealthy).as_millis() <= 250, "a picture in between starts anew");
    }

    #[test]
    fn a_refused_password_is_tried_less_and_less() {
        let mut backoff = Backoff::new(7);
        for nominal_ms in [5_000, 10_000, 20_000, 30_000, 30_000] {
            let delay_ms = backoff.after(Outcome::Denied).as_millis();
            assert!((nominal_ms * 6 / 10..=nominal_ms).contains(&delay_ms), "{delay_ms} of {nominal_ms}");
        }
        assert!(backoff.after(Outcome::Failed).as_millis() <= 250);
    }

    #[test]
    fn sixty_four_cameras_that_fail_together_come_back_spread() {
        let mut delays: Vec<_> = (0..64)
            .map(|seed| {
                let mut backoff = Backoff::new(seed);
                (0..8).map(|_| backoff.after(Outcome::Failed)).sum::<Duration>().as_millis() / 100
            })
            .collect();
        delays.sort_unstable();
        delays.dedup();
        assert!(delays.len() > 15, "only {} different tenths of a second", delays.len());
    }

    proptest! {
        #[test]
        fn every_delay_is_bounded_and_repeatable(seed: u64, outcomes in proptest::collection::vec(0u8..3, 0..200)) {
            let (mut one, mut two) = (Backoff::new(seed), Backoff::new(seed));
            for outcome in outcomes {
                let outcome = [Outcome::WasHealthy, Outcome::Failed, Outcome::Denied][usize::from(outcome)];
                let delay = one.after(outcome);
                prop_assert_eq!(delay, two.after(outcome));
                prop_assert!(delay >= Duration::from_millis(150) && delay <= Duration::from_secs(30));
            }
        }
    }
}
