//! A plugin of this child: compiled elsewhere, prepared once, instantiated for each camera.

use crate::artefact;
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, PoisonError};
use watchbook_plugin_engine::{Failure, Machine, Prepared};
use watchbook_plugin_host::message::{Limits, World};

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

    /// Takes the artefact. The sentence of a failure is for the administrator.
    pub(crate) fn take(&self, machine: &Machine, artefact: &OwnedFd) -> Result<(), String> {
        self.becomes(artefact::prepare(machine, artefact, self))
    }

    /// It could not be compiled.
    pub(crate) fn refuse(&self, sentence: String) -> Result<(), String> {
        self.becomes(Err(Failure::Refused(sentence)))
    }

    fn becomes(&self, prepared: Result<Prepared, Failure>) -> Result<(), String> {
        let outcome = prepared.as_ref().map(|_| ()).map_err(ToString::to_string);
        *self.prepared.lock().unwrap_or_else(PoisonError::into_inner) = Some(prepared);
        self.changed.notify_all();
        outcome
    }

    /// Waits until it is compiled or refused.
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
