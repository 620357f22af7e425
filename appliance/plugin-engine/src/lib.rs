//! The WebAssembly engine: plugins compiled, limited and called.
//!
//! * **Enters:** a component's bytes, what its manifest allows it, frames on which the masks are black already, events for rules.
//! * **Leaves:** marks, verdicts, log lines and counts, unchecked: `plugin-host` checks them in the recorder.
//! * **Promises:** a call ends within its processor time and 4 ticks of [`TICK`], within 20 times that on the wall; an instance never has more memory than its
//!   limit; a component reaches what it was allowed and nothing else; under [`Settings::PURE`] the same input gives the same output and the same count
//!   of instructions on every machine.
//! * **Never:** opens a file or a socket, reads a setting, waits for anything but the call at hand. It knows no link and no mailbox: the recorder's child
//!   `watchbook-plugins` adds them, and the author's test kit runs plugins without.
//! * **Proof:** unit tests beside each file; `tests/engine.rs` (this interface), `tests/host.rs` (the real child, orderly and hostile plugins),
//!   `tests/keep.rs` (saved state, upgrades and roll backs), `tests/profile.rs` (stacks, for the author's tool alone).
//!
//! A plugin is called so:
//!
//! ```no_run
//! use watchbook_plugin_engine::{AnalyticsInstance, Failure, Frame, Kept, Machine, Pixels, Settings, Setup, World};
//! # use watchbook_plugin_host::message::Limits;
//! # fn example(component: &[u8], luma: std::sync::Arc<[u8]>) -> Result<(), Failure> {
//! let machine = Machine::new(Settings::PURE)?;
//! let limits = Limits { memory_bytes: 64 << 20, call_ms: 100, store_bytes: 0 };
//! let prepared = machine.prepare(component, World::AnalyticsPlugin, &["frames".into(), "log".into()], limits)?;
//! let log = Box::new(|level, text| println!("{level:?}: {text}"));
//! let mut instance = AnalyticsInstance::new(&prepared, Kept::default(), log)?;
//! let (id, version) = ("org.example.counter", "1.0.0");
//! instance.start(&Setup { id, version, camera: "clip", zones: &[], settings_json: "{}", saved: None })?;
//! let frame = Frame { utc_ns: 0, width: 640, height: 360, masked: false, skipped: 0, pixels: Pixels::Plane(luma) };
//! let marks = instance.on_frame(frame)?;
//! println!("{} marks, {} instructions, {} bytes", marks.len(), instance.usage().fuel, instance.memory_bytes());
//! let _saved = instance.stop()?;
//! # Ok(())
//! # }
//! ```

mod analytics;
mod bindings;
mod call;
mod failure;
mod frame;
mod host;
mod kept;
mod limits;
mod machine;
mod models;
mod prepare;
#[cfg(feature = "profiling")]
pub mod profile;
mod rule;

pub use analytics::{AnalyticsInstance, START_BUDGET, STOP_BUDGET, Setup};
pub use call::Usage;
pub use failure::Failure;
pub use frame::{Frame, Pixels};
pub use kept::Kept;
pub use machine::{Machine, STACK_BYTES_MAX, Settings, TICK};
pub use models::Models;
pub use prepare::Prepared;
pub use rule::{CONFIGURE_BUDGET, EVALUATE_BUDGET, RULE_FUEL, RuleInstance};
pub use watchbook_plugin_host::message::{Limits, World};

use watchbook_plugin_host::message::{Level, clipped};

/// Where an instance's log lines go, during its calls.
pub type Log = Box<dyn FnMut(Level, String) + Send>;

/// Whether a component is the plugin that its manifest says.
fn check_identity(says: (&str, &str), expected: (&str, &str)) -> Result<(), Failure> {
    if says == expected {
        return Ok(());
    }
    let (says, (id, version)) = (clipped(&format!("{} {}", says.0, says.1), 200), expected);
    Err(Failure::Refused(format!("the component says that it is {says}; its manifest says {id} {version}")))
}
