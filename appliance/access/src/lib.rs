//! Who may do what.
//!
//! * **Enters:** a [`Subject`] (who asks, and in which [`Case`]), an [`Action`] (what for), an [`AuditLog`] to write to.
//! * **Leaves:** a [`Grant`] or a [`Refusal`].
//! * **Promises:** a [`Grant`] exists only after its audit entry is durable; nothing outside this crate can make one (P7). One to play footage exists only inside
//!   an open case that somebody else opened, or an emergency. An export is released by another account than the one that asked for it, and goes to that one alone.
//! * **Never:** does I/O of its own, knows HTTP, sessions or storage.
//! * **Proof:** the role × action table in `gate/tests.rs`; the tables of cases in `case/tests.rs`; the `compile_fail` examples at [`Grant`].

pub mod action;
pub mod case;
pub mod export;
pub mod gate;
pub mod policy;
pub mod request;
pub mod role;
pub mod setting;

pub use action::{Action, RecipientClass, RecordedMinutes};
pub use case::{Bookmark, Case, CaseNow, CaseRefusal, Purpose};
pub use export::ExportNow;
pub use gate::{AuditEntry, AuditError, AuditLog, Grant, Outcome, Refusal, decide, open};
pub use policy::{Profile, Rules};
pub use request::{DisclosedTo, Extension, Refusing};
pub use role::{Role, Roles, Subject};
pub use setting::SettingChange;
