//! Plugins: what they ask for, which camera they watch, what they may say.
//!
//! * **Enters:** plugins as signed packages ([`wbp`]) or folders, who may be trusted and what may run ([`depot`]), bindings of a plugin to a camera with settings and zones, masked frames from `analysis`.
//! * **Leaves:** checked [`watchbook_base::Event`]s, checked [`Verdict`]s of export rules about them, log lines, states and counts for the page.
//! * **Promises:** [`Plugins::frame`] and [`Plugins::event`] never wait; a frame or an event that a plugin has no time for is dropped and counted. A plugin that loops, allocates, traps or
//!   floods is stopped, started again with growing pauses, and set aside at the fifth trap within ten minutes; others do not notice. The child that
//!   holds them may be killed at any time.
//! * **Never:** compiles or runs WebAssembly in this process; hands a compiled component on that its own child has not made; gives a plugin a file, a clock, the network, or a pixel that `analysis` has not masked.
//! * **Proof:** unit and property tests beside each file; the tests of `plugin-engine` drive the real child with orderly and hostile plugins.
//!
//! The engine is the program `watchbook-plugins` of the crate `plugin-engine`, the only user of wasmtime.

pub mod asks;
pub mod compare;
pub mod compile;
pub mod component;
pub mod depot;
pub mod error;
pub mod manifest;
pub mod marks;
pub mod message;
pub mod models;
pub mod package;
pub mod plugins;
pub mod rerun;
pub mod rules;
pub mod settings;
pub mod status;
pub mod wbp;

pub use asks::{Ask, Change, asks, diff};
pub use compile::cache::Cache;
pub use compile::{CompileLimits, Compiler};
pub use depot::Depot;
pub use error::Error;
pub use manifest::{Budget, Emits, Manifest, Model, ModelPurpose, Purpose, RetentionEffect};
pub use marks::Gate;
pub use message::{Level, World, Zone};
pub use package::Package;
pub use plugins::{Binding, Plugins, Watching};
pub use rules::{Proposal, RuleGate, Situation, Surroundings, Verdict};
pub use settings::{Setting, SettingKind};
pub use status::{InstanceState, InstanceStatus, PluginStatus, Report};
