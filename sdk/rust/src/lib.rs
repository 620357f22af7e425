//! Write Watchbook plugins in Rust.
//!
//! * **Enters:** frames of one camera with their time ([`Analyzer`]), or an event and what surrounds it ([`Rule`]); settings as JSON.
//! * **Leaves:** [`Mark`]s (this happened, then, there), or [`Verdict`]s (this should be done, and why).
//! * **Promises:** the types say what the contract of version 0.1 says, no more; everything but the last step compiles and runs on any machine, so that
//!   `cargo test` needs no WebAssembly.
//! * **Never:** a clock, a file or a network: time comes with the frame or the event. No field for a person's identity.
//! * **Proof:** the tests and examples here.
//!
//! An analyser is a type with three functions and one line:
//!
//! ```
//! use watchbook_plugin::{Analyzer, Fault, Frame, Mark, Setup};
//!
//! /// Says when the picture is dark.
//! struct Dark {
//!     was: bool,
//! }
//!
//! impl Analyzer for Dark {
//!     fn start(_setup: Setup) -> Result<Self, Fault> {
//!         Ok(Self { was: false })
//!     }
//!
//!     fn on_frame(&mut self, frame: &Frame<'_>) -> Result<Vec<Mark>, Fault> {
//!         let is = frame.luma().mean() < 16;
//!         let began = is && !std::mem::replace(&mut self.was, is);
//!         let mark = || Mark::at("dark", frame.info().utc_ns).note("the picture went dark");
//!         Ok(began.then(mark).into_iter().collect())
//!     }
//! }
//!
//! watchbook_plugin::analyzer!(Dark);
//! # let mut dark = Dark::start(Setup::default()).unwrap();
//! # let black = Frame::in_memory(Default::default(), watchbook_plugin::Luma::new(2, 2, vec![3; 4]).unwrap());
//! # assert_eq!(dark.on_frame(&black).unwrap().len(), 1);
//! # assert!(dark.on_frame(&black).unwrap().is_empty());
//! ```
//!
//! So is a rule:
//!
//! ```
//! use watchbook_plugin::{Fault, Proposal, Rule, Situation, Verdict};
//!
//! /// Tells people on duty of motion at night.
//! struct Night;
//!
//! impl Rule for Night {
//!     fn configure(_settings_json: &str) -> Result<Self, Fault> {
//!         Ok(Self)
//!     }
//!
//!     fn evaluate(&self, situation: &Situation) -> Result<Vec<Verdict>, Fault> {
//!         if situation.event.mark.kind != "motion" || (6..22).contains(&situation.local.hour) {
//!             return Ok(vec![]);
//!         }
//!         let line = format!("motion at night: {}", situation.camera_name);
//!         Ok(vec![Verdict::new(Proposal::Notify(line), "motion between 22:00 and 06:00")])
//!     }
//! }
//!
//! watchbook_plugin::rule!(Night);
//! # let mut situation = watchbook_plugin::testing::situation("motion");
//! # assert!(Night.evaluate(&situation).unwrap().is_empty());
//! # situation.local.hour = 23;
//! # assert_eq!(Night.evaluate(&situation).unwrap().len(), 1);
//! ```
//!
//! `watchbook-plugin new` makes a folder that has the rest: `Cargo.toml` with `crate-type = ["cdylib", "rlib"]`, and `plugin.toml`, which says who the plugin
//! is, what it may use and what can be set. A panic is written to the plugin's log before the instance ends, so that an administrator reads why.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;

mod analyzer;
mod fault;
mod frame;
mod geometry;
#[cfg(feature = "unstable-inference")]
pub mod inference;
pub mod log;
mod mark;
mod rule;
#[cfg(feature = "serde_json")]
mod settings;
pub mod store;
pub mod testing;

#[doc(hidden)]
#[cfg(target_arch = "wasm32")]
pub mod guest;

pub use analyzer::{Analyzer, Setup};
pub use fault::Fault;
pub use frame::{Frame, FrameInfo, Luma};
pub use geometry::{Area, Point, Zone};
pub use mark::{Detection, Mark};
pub use rule::{Clip, LocalTime, Occurrence, Proposal, Rule, Situation, Verdict};
#[cfg(feature = "serde_json")]
pub use settings::Settings;

/// Makes a type that is an [`Analyzer`] the plugin of this crate. Once a crate; reads id and version from `plugin.toml` beside `Cargo.toml`. Does nothing
/// when the crate is built for another machine than `wasm32`.
#[macro_export]
macro_rules! analyzer {
    ($analyzer:ident) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Manifest;
            impl $crate::guest::Manifest for Manifest {
                const TEXT: &'static str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/plugin.toml"));
            }
            type Plugin = $crate::guest::AnalyzerPlugin<$analyzer, Manifest>;
    $crate::guest::describing::export_about!(Plugin with_types_in $crate::guest::describing);
    $crate::guest::watching::export_analyzer!(Plugin with_types_in $crate::guest::watching);
        };
    };
}

/// Makes a type that is a [`Rule`] the plugin of this crate. Once a crate; reads id and version from `plugin.toml` beside `Cargo.toml`. Does nothing when
/// the crate is built for another machine than `wasm32`.
#[macro_export]
macro_rules! rule {
    ($rule:ident) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Manifest;
            impl $crate::guest::Manifest for Manifest {
                const TEXT: &'static str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/plugin.toml"));
            }
            type Plugin = $crate::guest::RulePlugin<$rule, Manifest>;
    $crate::guest::describing::export_about!(Plugin with_types_in $crate::guest::describing);
    $crate::guest::deciding::export_rule!(Plugin with_types_in $crate::guest::deciding);
        };
    };
}
