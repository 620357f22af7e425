//! What calls cost, in numbers.

use std::time::Duration;

/// Calls of one run that are kept for the figures: an hour at 30 a second.
pub const CALLS_MAX: usize = 108_000;

/// The spread of one quantity.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Half are not above it.
    pub p50: f64,
    /// 95 of 100 are not above it.
    pub p95: f64,
    /// 99 of 100 are not above it.
    pub p99: f64,
    /// None is above it.
    pub max: f64,
}

impl Spread {
    /// Of some values; zeros when there are none. A percentile is the smallest value that so many are not above (nearest rank).
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let rank = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).copied().unwrap_or(0.0)
        };
        Self { p50: rank(50), p95: rank(95), p99: rank(99), max: rank(100) }
    }
}

/// What a run has cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Processor time of each call, in milliseconds.
    pub call_ms: Vec<f64>,
    /// Instructions of each call; zeros when they were not counted.
    pub fuel: Vec<f64>,
    /// The most memory that an instance had, in bytes.
    pub memory_bytes: u64,
    /// Calls.
    pub calls: u64,
}

impl Figures {
    /// Notes one call.
    pub fn call(&mut self, busy: Duration, fuel: u64, memory_bytes: u64) {
        self.calls += 1;
        self.memory_bytes = self.memory_bytes.max(memory_bytes);
        if self.call_ms.len() < CALLS_MAX {
            self.call_ms.push(busy.as_secs_f64() * 1e3);
            self.fuel.push(fuel as f64);
        }
    }

    /// Takes in what another run has cost.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.memory_bytes = self.memory_bytes.max(other.memory_bytes);
        let room = CALLS_MAX.saturating_sub(self.call_ms.len());
        self.call_ms.extend(other.call_ms.iter().take(room));
        self.fuel.extend(other.fuel.iter().take(room));
    }

    /// Of the processor time of a call, in milliseconds.
    #[must_use]
    pub fn ms(&self) -> Spread {
        Spread::of(&self.call_ms)
    }

    /// Of the instructions of a call.
    #[must_use]
    pub fn fuel(&self) -> Spread {
        Spread::of(&self.fuel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        let spread = Spread::of(&values);
        assert_eq!((spread.p50, spread.p95, spread.p99, spread.max), (100.0, 190.0, 198.0, 200.0));
        assert_eq!(Spread::of(&[7.0]), Spread { p50: 7.0, p95: 7.0, p99: 7.0, max: 7.0 });
        assert_eq!(Spread::of(&[]), Spread::default());
    }

    #[test]
    fn a_long_run_keeps_counting_and_stops_keeping() {
        let mut figures = Figures::default();
        for call in 0..CALLS_MAX as u64 + 5 {
            figures.call(Duration::from_micros(call), call, call % 1000);
        }
        assert_eq!((figures.calls, figures.call_ms.len()), (CALLS_MAX as u64 + 5, CALLS_MAX));
        assert_eq!(figures.memory_bytes, 999);
    }
}
