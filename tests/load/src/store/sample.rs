//! Percentiles of measured times.

use std::time::Duration;

/// Times, sorted.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Of these measurements.
    #[must_use]
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest time that `percent` of 100 do not exceed; zero when there are none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1) - 1;
        self.0.get(rank).copied().unwrap_or_default()
    }

    /// The longest.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.percentile(100)
    }
}

/// Milliseconds for a table.
#[must_use]
pub fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 10.0 { format!("{ms:.2}") } else { format!("{ms:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let times = Times::of((1..=200).rev().map(Duration::from_millis).collect());
        let of = |percent| times.percentile(percent).as_millis();
        assert_eq!((of(50), of(99), of(100), times.count()), (100, 198, 200, 200));
        assert_eq!(Times::default().percentile(99), Duration::ZERO);
        assert_eq!(Times::of(vec![Duration::from_millis(3)]).percentile(1).as_millis(), 3);
    }
}
