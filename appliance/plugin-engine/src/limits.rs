//! Time and memory of one instance.

use crate::machine::TICK;
use std::cell::Cell;
use std::time::{Duration, Instant};
use wasmtime::{ResourceLimiter, Result, format_err};
use watchbook_plugin_host::message::Limits;

/// A call is stopped by the clock on the wall when it lasts so many times its processor time: a box that is busy with recording must not look like a
/// plugin that hangs, but a call must end.
const WALL_FACTOR: u32 = 20;
/// Most that a plugin is charged from one look at the clock to the next. Where the box is a guest, time that the host takes away from it counts as used by the thread that ran; the engine's ticks
/// stand still meanwhile as well. A plugin that hangs is looked at every [`TICK`] and gains nothing.
const STEP_MAX: Duration = TICK.saturating_mul(4);
/// Bytes that one call from a plugin may make the host hold: the largest value for the store (1 MiB) with its key, and as much for the marks' own size.
pub(crate) const HOST_BYTES_MAX: usize = 2 << 20;
/// Frames are the only resources, and one is lent at a time.
pub(crate) const HANDLES_MAX: usize = 16;
/// Parts of one component instance: a language run-time needs a handful.
const INSTANCES_MAX: usize = 40;
const TABLES_MAX: usize = 10;
const MEMORIES_MAX: usize = 10;
const TABLE_ELEMENTS_MAX: usize = 20_000;

/// Time of the calling thread on a processor.
pub(crate) fn thread_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// When the running call must end.
pub(crate) struct Deadline {
    began: Instant,
    began_busy: Duration,
    budget: Duration,
    /// Processor time at the last look.
    seen: Cell<Duration>,
    /// What counts of it.
    charged: Cell<Duration>,
}

impl Deadline {
    /// A call that begins now and may use `budget` of processor time.
    pub(crate) fn starting(budget: Duration) -> Self {
        let (seen, charged) = (Cell::new(Duration::ZERO), Cell::new(Duration::ZERO));
        Self { began: Instant::now(), began_busy: thread_time(), budget, seen, charged }
    }

    /// Processor time used so far.
    pub(crate) fn busy(&self) -> Duration {
        thread_time().saturating_sub(self.began_busy)
    }

    /// Fails with a sentence when the time is up. For work of the host that looks when it comes to it.
    pub(crate) fn check(&self) -> Result<()> {
        self.charge(Duration::MAX)
    }

    /// As [`Deadline::check`], at a tick of the engine: no step counts for more than [`STEP_MAX`].
    pub(crate) fn tick(&self) -> Result<()> {
        self.charge(STEP_MAX)
    }

    fn charge(&self, step_max: Duration) -> Result<()> {
        let busy = self.busy();
        let step = busy.saturating_sub(self.seen.replace(busy)).min(step_max);
        self.charged.set(self.charged.get() + step);
        let budget_ms = self.budget.as_millis();
        if self.charged.get() > self.budget {
            return Err(format_err!("one call used more than its {budget_ms} ms of processor time"));
        }
        if self.began.elapsed() > self.budget * WALL_FACTOR {
            return Err(format_err!("one call lasted more than {WALL_FACTOR} times its {budget_ms} ms"));
        }
        Ok(())
    }
}

/// What an instance may grow to. A refusal is an error with a sentence, not a failed `memory.grow`: plugins rarely handle that, and administrators
/// then see an unexplained trap.
pub(crate) struct Limiter {
    pub(crate) limits: Limits,
    /// Of the largest memory.
    pub(crate) memory_bytes: u64,
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        // Several memories together count: what is held elsewhere is the total so far less this memory's own size.
        let total = self.memory_bytes.saturating_sub(current as u64).saturating_add(desired as u64);
        if total > self.limits.memory_bytes {
            return Err(format_err!(
                "it asked for {total} bytes of memory; its limit is {} bytes",
                self.limits.memory_bytes
            ));
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        if desired > TABLE_ELEMENTS_MAX {
            return Err(format_err!("it asked for a table of {desired} elements; the limit is {TABLE_ELEMENTS_MAX}"));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_limited_over_all_memories() {
        let limits = Limits { memory_bytes: 100, call_ms: 1, store_bytes: 0 };
        let mut limiter = Limiter { limits, memory_bytes: 0 };
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(60, 70, None).unwrap());
        assert!(limiter.memory_growing(0, 30, None).unwrap());
        let sentence = limiter.memory_growing(0, 1, None).unwrap_err().to_string();
        assert!(sentence.contains("101 bytes") && sentence.contains("100 bytes"), "{sentence}");
    }

    #[test]
    fn processor_time_is_what_counts() {
        let deadline = Deadline::starting(Duration::from_millis(20));
        assert!(deadline.check().is_ok());
        let mut sum = 0_u64;
        while deadline.busy() <= Duration::from_millis(20) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(deadline.check().unwrap_err().to_string().contains("20 ms"));
    }

    /// Uses so much processor time.
    fn burn(deadline: &Deadline, time: Duration) {
        let (until, mut sum) = (deadline.busy() + time, 0_u64);
        while deadline.busy() < until {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    }

    #[test]
    fn a_box_that_stands_still_is_not_charged_to_the_plugin_and_a_loop_is() {
        let deadline = Deadline::starting(STEP_MAX * 2);
        burn(&deadline, STEP_MAX * 3);
        assert!(deadline.tick().is_ok(), "one long step between two ticks");
        let steps = (1..10).find(|_| {
            burn(&deadline, STEP_MAX);
            deadline.tick().is_err()
        });
        assert_eq!(steps, Some(2), "each further step counts whole");
    }
}
