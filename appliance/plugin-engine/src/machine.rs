//! The engine's configuration, and the clock that interrupts plugins.

use crate::Failure;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wasmtime::{Config, Engine};

/// How often a running plugin's time is looked at.
pub const TICK: Duration = Duration::from_millis(5);
/// Ticks without a call after which the timer is stopped. Setting it costs as much as a copy of a frame, and a station with two plugins on 16 cameras calls every 6 ms.
const IDLE_TICKS: u32 = 8;
/// Stack of a plugin; its thread has 2 MiB.
pub const STACK_BYTES_MAX: usize = 512 << 10;

/// How plugins are compiled. Components that are prepared under one setting run under that one only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    /// The same input gives the same bytes on every machine: one pattern for every NaN. Costs nothing in integer code and up to five times the processor
    /// time in code that adds and multiplies floats.
    pub deterministic: bool,
    /// Instructions are counted, and limited where a call has such a limit. Costs as much as the clock: 2 to 25 % in loops over bytes.
    pub fuel: bool,
}

impl Settings {
    /// For plugins that watch cameras: the clock alone limits them.
    pub const LIVE: Self = Self { deterministic: false, fuel: false };
    /// For rules, for tests, and for deriving an event again: same input, same output, same count of instructions.
    pub const PURE: Self = Self { deterministic: true, fuel: true };
}

/// The engine that plugins share. Cheap to clone: clones are the same engine.
#[derive(Clone, Debug)]
pub struct Machine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    settings: Settings,
    calls: Arc<Calls>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.calls.close();
    }
}

impl Machine {
    /// An engine with what plugins need and nothing else: what is off cannot have a flaw that matters. Its clock is a thread that lets running plugins look
    /// at their time every [`TICK`]. It sleeps when there has been no call for a while: a wake-up at the begin of each call cost more than a call's copy of its frame.
    ///
    /// # Errors
    /// [`Failure::Refused`] when this processor or system lacks what the engine needs, or no thread can be started.
    pub fn new(settings: Settings) -> Result<Self, Failure> {
        Self::ticking(&config(settings), settings, Calls::new())
    }

    /// As [`Machine::new`], with a clock that is quick enough to see where a plugin's time goes, and with deep stacks.
    ///
    /// # Errors
    /// As [`Machine::new`].
    #[cfg(feature = "profiling")]
    pub fn sampling(settings: Settings) -> Result<Self, Failure> {
        let mut config = config(settings);
        config.wasm_backtrace_max_frames(core::num::NonZeroUsize::new(crate::profile::DEPTH_MAX));
        Self::ticking(&config, settings, Calls::steady(crate::profile::SAMPLE_EVERY))
    }

    fn ticking(config: &Config, settings: Settings, calls: std::io::Result<Calls>) -> Result<Self, Failure> {
        let engine = Engine::new(config)
            .map_err(|error| Failure::Refused(format!("the engine does not start here: {error:#}")))?;
        let calls = calls.map_err(|error| Failure::Refused(format!("making the engine's timer: {error}")))?;
        let calls = Arc::new(calls);
        let (weak, clock) = (engine.weak(), Arc::clone(&calls));
        let started = std::thread::Builder::new().name("ticks".to_owned()).spawn(move || {
            while clock.wait_for_tick() {
                let Some(engine) = weak.upgrade() else { return };
                engine.increment_epoch();
            }
        });
        started.map_err(|error| Failure::Refused(format!("starting the engine's clock: {error}")))?;
        Ok(Self(Arc::new(Inner { engine, settings, calls })))
    }

    /// How it compiles.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.0.settings
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// To be held while a plugin runs: without it nothing stops a call that does not end.
    pub(crate) fn calling(&self) -> Calling {
        self.0.calls.begin();
        Calling(Arc::clone(&self.0.calls))
    }
}

fn config(settings: Settings) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .consume_fuel(settings.fuel)
        .cranelift_nan_canonicalization(settings.deterministic)
        .concurrency_support(false)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_stack_switching(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .max_wasm_stack(STACK_BYTES_MAX);
    config
}

/// How many calls run, and the timer that goes off while one does.
#[derive(Debug)]
struct Calls {
    running: Mutex<Running>,
    timer: OwnedFd,
    /// It goes off all the time, whenever a call begins: else no call that is shorter than a tick would be seen.
    steady: bool,
}

#[derive(Debug, Default)]
struct Running {
    calls: usize,
    /// The timer goes off.
    set: bool,
    /// Ticks since the last call began.
    idle_ticks: u32,
    /// The engine is gone.
    over: bool,
}

impl Calls {
    fn new() -> std::io::Result<Self> {
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        Ok(Self { running: Mutex::default(), timer, steady: false })
    }

    /// A timer that goes off every so often, also while no call runs.
    #[cfg(feature = "profiling")]
    fn steady(every: Duration) -> std::io::Result<Self> {
        let calls = Self { steady: true, ..Self::new()? };
        calls.set(every, every);
        Ok(calls)
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the timer go off in `first` and then every `every`; never for no time.
    fn set(&self, first: Duration, every: Duration) {
        let spec = |time: Duration| Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
        let wanted = Itimerspec { it_value: spec(first), it_interval: spec(every) };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &wanted)
            .expect("a timer that this process has made takes any time below a second");
    }

    fn begin(&self) {
        let mut running = self.lock();
        running.calls += 1;
        running.idle_ticks = 0;
        if !running.set && !self.steady {
            running.set = true;
            self.set(TICK, TICK);
        }
    }

    fn end(&self) {
        self.lock().calls -= 1;
    }

    fn close(&self) {
        self.lock().over = true;
        self.set(Duration::from_nanos(1), TICK);
    }

    /// Waits for a tick while a call runs; false when there will be none any more.
    fn wait_for_tick(&self) -> bool {
        loop {
            // Only an interrupted call gives an error here; then the timer tells again.
            let went_off = rustix::io::read(&self.timer, &mut [0; 8]).is_ok();
            let mut running = self.lock();
            if running.over {
                return false;
            }
            if went_off && running.calls > 0 {
                return true;
            }
            running.idle_ticks += 1;
            if running.idle_ticks >= IDLE_TICKS && !self.steady {
                running.set = false;
                self.set(Duration::ZERO, TICK);
            }
        }
    }
}

/// A call that runs, until it is dropped.
#[derive(Debug)]
pub(crate) struct Calling(Arc<Calls>);

impl Drop for Calling {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_waits_for_a_call_and_goes_on_while_one_runs() {
        let calls = Arc::new(Calls::new().unwrap());
        let call = || {
            calls.begin();
            Calling(Arc::clone(&calls))
        };
        let (one, other) = (call(), call());
        drop(one);
        assert!(calls.wait_for_tick() && calls.wait_for_tick(), "one call still runs");
        drop(other);
        let clock = Arc::clone(&calls);
        let waiting = std::thread::spawn(move || clock.wait_for_tick());
        while calls.lock().set {
            assert!(!waiting.is_finished(), "no call runs");
            std::thread::yield_now();
        }
        let third = call();
        assert!(calls.lock().set);
        assert!(waiting.join().unwrap());
        calls.close();
        drop(third);
        assert!(!calls.wait_for_tick(), "the engine is gone");
    }
}
