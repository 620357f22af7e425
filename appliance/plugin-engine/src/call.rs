//! The cell that an instance runs in: its store, its limits, and what its calls cost.

use crate::frame::LentFrame;
use crate::host::HostState;
use crate::limits::{Deadline, HANDLES_MAX, HOST_BYTES_MAX, Limiter};
use crate::{Failure, Kept, Log, Machine, Prepared};
use std::time::Duration;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime::{Result, Store, UpdateDeadline};
use watchbook_plugin_host::message::Limits;

/// What one call may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    busy: Duration,
    fuel: u64,
}

impl Budget {
    /// Processor time alone.
    pub(crate) fn of(busy: Duration) -> Self {
        Self { busy, fuel: u64::MAX }
    }

    /// So many instructions, and at most so much processor time if they are slow.
    pub(crate) fn counted(fuel: u64, busy: Duration) -> Self {
        Self { busy, fuel }
    }
}

/// What one call cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of the thread that made the call.
    pub busy: Duration,
    /// Instructions, as the engine counts them; 0 when the engine's [`crate::Settings`] have no fuel.
    pub fuel: u64,
}

pub(crate) struct Cell {
    machine: Machine,
    store: Store<HostState>,
    usage: Usage,
}

impl Cell {
    /// A store with every limit in place.
    pub(crate) fn new(prepared: &Prepared, kept: Kept, log: Log) -> Self {
        let state = HostState {
            log,
            limiter: Limiter { limits: prepared.limits, memory_bytes: 0 },
            deadline: Deadline::starting(Duration::ZERO),
            table: ResourceTable::new(),
            kept,
            models: prepared.models.clone(),
        };
        let mut store = Store::new(prepared.machine.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(HOST_BYTES_MAX);
        store.set_max_component_handles(HANDLES_MAX);
        store.epoch_deadline_callback(|context| context.data().deadline.tick().map(|()| UpdateDeadline::Continue(1)));
        Self { machine: prepared.machine.clone(), store, usage: Usage::default() }
    }

    /// Makes one call. It gets its own time: without that a call would inherit what is left of the one before.
    pub(crate) fn call<T>(
        &mut self,
        budget: Budget,
        call: impl FnOnce(&mut Store<HostState>) -> Result<T>,
    ) -> Result<T, Failure> {
        let counts_fuel = self.machine.settings().fuel;
        if counts_fuel {
            self.store.set_fuel(budget.fuel).map_err(|error| Failure::of_call(&error, budget.fuel))?;
        }
        let calling = self.machine.calling();
        self.store.set_epoch_deadline(1);
        self.store.data_mut().deadline = Deadline::starting(budget.busy);
        let outcome = call(&mut self.store);
        self.usage.busy = self.store.data().deadline.busy();
        drop(calling);
        self.usage.fuel = if counts_fuel { budget.fuel - self.store.get_fuel().unwrap_or(0) } else { 0 };
        outcome.map_err(|error| Failure::of_call(&error, budget.fuel))
    }

    /// From now on the stack is looked at whenever the clock is.
    #[cfg(feature = "profiling")]
    pub(crate) fn sample(&mut self, sampler: crate::profile::Sampler) {
        self.store.epoch_deadline_callback(move |context| {
            context.data().deadline.tick()?;
            sampler.look(&context);
            Ok(UpdateDeadline::Continue(1))
        });
    }

    /// Puts a frame where a call can find it.
    pub(crate) fn lend(&mut self, frame: LentFrame) -> Result<Resource<LentFrame>, Failure> {
        self.store.data_mut().table.push(frame).map_err(|error| Failure::Trap(error.to_string()))
    }

    /// Takes back what was lent.
    pub(crate) fn take_back(&mut self, frame: Resource<LentFrame>) -> Result<(), Failure> {
        self.store.data_mut().table.delete(frame).map(drop).map_err(|error| Failure::Trap(error.to_string()))
    }

    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    pub(crate) fn limits(&self) -> Limits {
        self.store.data().limiter.limits
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.store.data().limiter.memory_bytes
    }

    pub(crate) fn kept(&self) -> &Kept {
        &self.store.data().kept
    }
}
