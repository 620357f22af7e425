//! Rates and counters of one stream.

use watchbook_base::MonoNanos;
use watchbook_base::time::NANOS_PER_SEC;

/// Frames, bytes and losses. A frame costs two additions; rates are made when somebody asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    pub(crate) lost_packets: u64,
    pub(crate) damaged: u64,
    pub(crate) sessions: u64,
    pub(crate) clock_offset_ms: Option<i64>,
    frames: u64,
    bytes: u64,
    since: MonoNanos,
}

impl Health {
    pub(crate) fn frame(&mut self, bytes: usize) {
        self.frames += 1;
        self.bytes += bytes as u64;
    }

    /// Pictures and bits a second since the last call; then counts anew.
    pub(crate) fn take_rates(&mut self, now: MonoNanos) -> (f32, u64) {
        let nanos = now.nanos_since(core::mem::replace(&mut self.since, now)).max(1);
        let (frames, bytes) = (core::mem::take(&mut self.frames), core::mem::take(&mut self.bytes));
        let seconds = nanos as f64 / NANOS_PER_SEC as f64;
        ((frames as f64 / seconds) as f32, (bytes as f64 * 8.0 / seconds) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_over_the_time_since_the_last_question() {
        let mut health = Health::default();
        health.take_rates(MonoNanos(1_000_000_000));
        for _ in 0..50 {
            health.frame(20_000);
        }
        assert_eq!(health.take_rates(MonoNanos(3_000_000_000)), (25.0, 4_000_000));
        assert_eq!(health.take_rates(MonoNanos(4_000_000_000)), (0.0, 0));
    }
}
