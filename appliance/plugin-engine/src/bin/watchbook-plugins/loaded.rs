//! A plugin of this child: prepared once, instantiated for each camera.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Condvar, Mutex, PoisonError};
use watchbook_base::memfd;
use watchbook_plugin_engine::{Failure, Machine, Prepared};
use watchbook_plugin_host::message::{Limits, World};
use watchbook_plugin_host::package::COMPONENT_BYTES_MAX;

pub(crate) struct Loaded {
    /// Id and version that the plugin must give itself.
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) limits: Limits,
    pub(crate) capabilities: Vec<String>,
    pub(crate) world: World,
    prepared: Mutex<Option<Result<Prepared, Failure>>>,
    changed: Condvar,
}

impl Loaded {
    pub(crate) fn new(
        (id, version): (String, String),
        limits: Limits,
        capabilities: Vec<String>,
        world: World,
    ) -> Self {
        Self { id, version, limits, capabilities, world, prepared: Mutex::new(None), changed: Condvar::new() }
    }

    /// Compiles the component. The sentence of a failure is for the administrator.
    pub(crate) fn compile(&self, machine: &Machine, component: &OwnedFd) -> Result<(), String> {
        let prepared = memfd::read(component.as_fd(), COMPONENT_BYTES_MAX)
            .map_err(|error| Failure::Refused(error.to_string()))
            .and_then(|bytes| machine.prepare(&bytes, self.world, &self.capabilities, self.limits));
        let outcome = prepared.as_ref().map(|_| ()).map_err(ToString::to_string);
        *self.prepared.lock().unwrap_or_else(PoisonError::into_inner) = Some(prepared);
        self.changed.notify_all();
        outcome
    }

    /// Waits until it is compiled.
    pub(crate) fn ready(&self) -> Result<Prepared, Failure> {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(outcome) = &*prepared {
                return outcome.clone();
            }
            prepared = self.changed.wait(prepared).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
