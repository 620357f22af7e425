//! A plugin: compiled once, instantiated for each camera.

use crate::engine::Machine;
use crate::host::{AnalyticsPlugin, AnalyticsPluginPre, HostState, LinkOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Condvar, Mutex, PoisonError};
use wasmtime::component::{Component, HasSelf, Linker};
use watchbook_base::memfd;
use watchbook_plugin_host::message::{Limits, SENTENCE_BYTES_MAX, clipped};
use watchbook_plugin_host::package::COMPONENT_BYTES_MAX;

type Compiled = Result<AnalyticsPluginPre<HostState>, String>;

pub(crate) struct Loaded {
    pub(crate) limits: Limits,
    capabilities: Vec<String>,
    identity: Mutex<(String, String)>,
    compiled: Mutex<Option<Compiled>>,
    changed: Condvar,
}

impl Loaded {
    pub(crate) fn new(limits: Limits, capabilities: Vec<String>) -> Self {
        Self { limits, capabilities, identity: Mutex::default(), compiled: Mutex::new(None), changed: Condvar::new() }
    }

    /// Id and version that the plugin must give itself.
    pub(crate) fn identity(&self) -> (String, String) {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Compiles the component. The sentence of a failure is for the administrator.
    pub(crate) fn compile(
        &self,
        machine: &Machine,
        component: OwnedFd,
        (id, version): (&str, &str),
    ) -> Result<(), String> {
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = (id.to_owned(), version.to_owned());
        let compiled = prepare(machine, component, &self.capabilities);
        let outcome = compiled.as_ref().map(|_| ()).map_err(Clone::clone);
        *self.compiled.lock().unwrap_or_else(PoisonError::into_inner) = Some(compiled);
        self.changed.notify_all();
        outcome
    }

    /// Waits until it is compiled.
    pub(crate) fn ready(&self) -> Compiled {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(outcome) = &*compiled {
                return outcome.clone();
            }
            compiled = self.changed.wait(compiled).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn prepare(machine: &Machine, component: OwnedFd, capabilities: &[String]) -> Compiled {
    let bytes = memfd::read(component.as_fd(), COMPONENT_BYTES_MAX).map_err(|error| error.to_string())?;
    let sentence = |what: &str| {
        let what = what.to_owned();
        move |error: wasmtime::Error| clipped(&format!("{what}: {error:#}"), SENTENCE_BYTES_MAX)
    };
    let component = Component::from_binary(&machine.engine, &bytes)
        .map_err(sentence("plugin.wasm is not a component that this host runs"))?;
    let component_type = component.component_type();
    for (import, _) in component_type.imports(&machine.engine) {
        within(import, capabilities)?;
    }
    let mut linker = Linker::new(&machine.engine);
    // Default options link nothing that is unstable.
    AnalyticsPlugin::add_to_linker::<_, HasSelf<_>>(&mut linker, &LinkOptions::default(), |state| state)
        .map_err(sentence("the host's own interface"))?;
    let ready =
        linker.instantiate_pre(&component).map_err(sentence("the plugin asks for what this host does not offer"))?;
    AnalyticsPluginPre::new(ready).map_err(sentence("the plugin lacks a function of its world"))
}

/// Refuses an import that the manifest does not ask for. `types` holds words and no function.
fn within(import: &str, capabilities: &[String]) -> Result<(), String> {
    let interface = import.strip_prefix("watchbook:plugin/").and_then(|rest| rest.split('@').next()).unwrap_or(import);
    if interface == "types" || capabilities.iter().any(|capability| capability == interface) {
        return Ok(());
    }
    Err(clipped(
        &format!("the component imports `{interface}`, which its manifest does not ask for under [capabilities]"),
        SENTENCE_BYTES_MAX,
    ))
}
