//! From a component's bytes to something that can be instantiated: compiled, its imports held against what it may use, linked.

use crate::bindings::analytics::{AnalyticsPlugin, AnalyticsPluginPre, LinkOptions};
use crate::bindings::rule::{ExportRule, ExportRulePre};
use crate::host::HostState;
use crate::models::Models;
use crate::{Failure, Machine};
use core::hash::{Hash as _, Hasher};
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};
use watchbook_plugin_host::manifest::INFERENCE;
use watchbook_plugin_host::message::{Limits, SENTENCE_BYTES_MAX, World, clipped};
use watchbook_plugin_host::package::sha256_hex;

const NO_COMPONENT: &str = "plugin.wasm is not a component that this host runs";

/// A component that is ready to be instantiated any number of times. Cheap to clone.
#[derive(Clone)]
pub struct Prepared {
    pub(crate) machine: Machine,
    pub(crate) limits: Limits,
    pub(crate) ready: Ready,
    pub(crate) models: Models,
}

/// By world.
#[derive(Clone)]
pub(crate) enum Ready {
    Analytics(AnalyticsPluginPre<HostState>),
    Rule(ExportRulePre<HostState>),
}

impl core::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Prepared({}, {:?})", self.world().name(), self.limits)
    }
}

impl Prepared {
    /// Its world.
    #[must_use]
    pub fn world(&self) -> World {
        match self.ready {
            Ready::Analytics(_) => World::AnalyticsPlugin,
            Ready::Rule(_) => World::ExportRule,
        }
    }

    /// Gives its instances these models to ask.
    ///
    /// # Errors
    /// [`Failure::Refused`] when one run of a model takes more than the time of a call, or more memory than an instance may have.
    pub fn with_models(self, models: Models) -> Result<Self, Failure> {
        models.fit(self.limits).map_err(Failure::Refused)?;
        Ok(Self { models, ..self })
    }
}

impl Machine {
    /// Compiles a component of `world` for instances with `limits`. It may import the interfaces named in `capabilities` (`frames`, `log`, `store`: the
    /// manifest's lists) and `types`, nothing else. What is tried out (`inference`) is linked only when it is named there: whoever calls this has looked
    /// whether that is switched on. Takes from milliseconds (Rust) to seconds (a language run-time) of all processors.
    ///
    /// # Errors
    /// [`Failure::Refused`] when the bytes are no component, when it imports more, and when it lacks a function of its world.
    pub fn prepare(
        &self,
        component: &[u8],
        world: World,
        capabilities: &[String],
        limits: Limits,
    ) -> Result<Prepared, Failure> {
        self.prepare_with(|engine| Component::from_binary(engine, component), world, capabilities, limits)
    }

    /// As [`Machine::prepare`], with a component that `make` gives, such as one that was compiled by [`Machine::compile`].
    ///
    /// # Errors
    /// As [`Machine::prepare`].
    pub fn prepare_with(
        &self,
        make: impl FnOnce(&Engine) -> wasmtime::Result<Component>,
        world: World,
        capabilities: &[String],
        limits: Limits,
    ) -> Result<Prepared, Failure> {
        let component = make(self.engine()).map_err(refused(NO_COMPONENT))?;
        self.link(&component, world, capabilities, limits)
    }

    /// Compiles a component to machine code for [`Machine::prepare_with`] of a machine with the same [`Machine::fingerprint`], in another process or at
    /// another time. What it imports is looked at then.
    ///
    /// # Errors
    /// [`Failure::Refused`] when the bytes are no component.
    pub fn compile(&self, component: &[u8]) -> Result<Vec<u8>, Failure> {
        self.engine().precompile_component(component).map_err(refused(NO_COMPONENT))
    }

    /// Lower-case hex of a digest of everything that machine code depends on: the engine's version, its settings, this processor.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut said = Said::default();
        self.engine().precompile_compatibility_hash().hash(&mut said);
        sha256_hex(&said.0)
    }

    fn link(
        &self,
        component: &Component,
        world: World,
        capabilities: &[String],
        limits: Limits,
    ) -> Result<Prepared, Failure> {
        for (import, _) in component.component_type().imports(self.engine()) {
            within(import, capabilities).map_err(Failure::Refused)?;
        }
        let mut linker = Linker::<HostState>::new(self.engine());
        let own = refused("the host's own interface");
        let lacks = refused("the plugin lacks a function of its world");
        let asks = refused("the plugin asks for what this host does not offer");
        let ready = match world {
            World::AnalyticsPlugin => {
                // Default options link nothing that is unstable.
                let mut options = LinkOptions::default();
                options.inference(capabilities.iter().any(|capability| capability == INFERENCE));
                AnalyticsPlugin::add_to_linker::<_, HasSelf<_>>(&mut linker, &options, |state| state).map_err(own)?;
                let ready = linker.instantiate_pre(component).map_err(asks)?;
                Ready::Analytics(AnalyticsPluginPre::new(ready).map_err(lacks)?)
            }
            World::ExportRule => {
                ExportRule::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state).map_err(own)?;
                let ready = linker.instantiate_pre(component).map_err(asks)?;
                Ready::Rule(ExportRulePre::new(ready).map_err(lacks)?)
            }
        };
        Ok(Prepared { machine: self.clone(), limits, ready, models: Models::default() })
    }
}

/// Collects what is hashed.
#[derive(Default)]
struct Said(Vec<u8>);

impl Hasher for Said {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

fn refused(what: &'static str) -> impl Fn(wasmtime::Error) -> Failure {
    move |error| Failure::Refused(clipped(&format!("{what}: {error:#}"), SENTENCE_BYTES_MAX))
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
