//! The engine's configuration, and the clock that interrupts plugins.

use crate::Failure;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wasmtime::{Config, Engine};

/// How often a running plugin's time is looked at.
pub const TICK: Duration = Duration::from_millis(5);
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
    /// at their time every [`TICK`]. It sleeps while no call runs: 200 wake-ups a second cost more than recording a camera.
    ///
    /// # Errors
    /// [`Failure::Refused`] when this processor or system lacks what the engine needs, or no thread can be started.
    pub fn new(settings: Settings) -> Result<Self, Failure> {
        let engine = Engine::new(&config(settings))
            .map_err(|error| Failure::Refused(format!("the engine does not start here: {error:#}")))?;
        let calls = Arc::<Calls>::default();
        let (weak, clock) = (engine.weak(), Arc::clone(&calls));
        let started = std::thread::Builder::new().name("ticks".to_owned()).spawn(move || {
            while clock.wait_for_one() {
                std::thread::sleep(TICK);
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

/// How many calls run.
#[derive(Debug, Default)]
struct Calls {
    running: Mutex<Running>,
    begun: Condvar,
}

#[derive(Debug, Default)]
struct Running {
    calls: usize,
    /// The engine is gone.
    over: bool,
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) {
        let mut running = self.lock();
        running.calls += 1;
        if running.calls == 1 {
            self.begun.notify_one();
        }
    }

    fn end(&self) {
        self.lock().calls -= 1;
    }

    fn close(&self) {
        self.lock().over = true;
        self.begun.notify_one();
    }

    /// Waits for a call to run; false when there will be none any more.
    fn wait_for_one(&self) -> bool {
        let waiting = |running: &mut Running| running.calls == 0 && !running.over;
        let running = self.begun.wait_while(self.lock(), waiting).unwrap_or_else(PoisonError::into_inner);
        !running.over
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
        let calls = Arc::new(Calls::default());
        let call = || {
            calls.begin();
            Calling(Arc::clone(&calls))
        };
        let (one, other) = (call(), call());
        drop(one);
        calls.wait_for_one();
        drop(other);
        let clock = Arc::clone(&calls);
        let waiting = std::thread::spawn(move || clock.wait_for_one());
        std::thread::yield_now();
        assert!(!waiting.is_finished(), "no call runs");
        calls.begin();
        assert!(waiting.join().unwrap());
        calls.close();
        assert!(!calls.wait_for_one(), "the engine is gone");
    }
}
