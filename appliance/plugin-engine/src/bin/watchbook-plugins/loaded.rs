//! A plugin of this child: compiled elsewhere, prepared once, instantiated for each camera.

use crate::artefact;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Condvar, Mutex, PoisonError};
use watchbook_base::memfd;
use watchbook_plugin_engine::{Failure, Machine, Models, Prepared};
use watchbook_plugin_host::message::{Limits, World};
use watchbook_plugin_host::models::{MODELS_BYTES_MAX, ModelPart};

pub(crate) struct Loaded {
    /// Id and version that the plugin must give itself.
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) limits: Limits,
    pub(crate) capabilities: Vec<String>,
    pub(crate) world: World,
    /// Its models, and the sealed memory file with their bytes.
    models: (Vec<ModelPart>, Option<OwnedFd>),
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
        let (models, prepared, changed) = (Default::default(), Mutex::new(None), Condvar::new());
        Self { id, version, limits, capabilities, world, models, prepared, changed }
    }

    /// The models that came with it.
    pub(crate) fn with_models(self, parts: Vec<ModelPart>, bytes: Option<OwnedFd>) -> Self {
        Self { models: (parts, bytes), ..self }
    }

    /// Takes the artefact. The sentence of a failure is for the administrator.
    pub(crate) fn take(&self, machine: &Machine, artefact: &OwnedFd) -> Result<(), String> {
        let prepared = artefact::prepare(machine, artefact, self);
        self.becomes(prepared.and_then(|prepared| prepared.with_models(self.read_models()?)))
    }

    /// Reads its models. They were read and run in a throw-away child before.
    fn read_models(&self) -> Result<Models, Failure> {
        let (parts, Some(bytes)) = (&self.models.0, &self.models.1) else { return Ok(Models::default()) };
        let bytes =
            memfd::read(bytes.as_fd(), MODELS_BYTES_MAX).map_err(|error| Failure::Refused(error.to_string()))?;
        Models::read(parts, &bytes).map_err(Failure::Refused)
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
