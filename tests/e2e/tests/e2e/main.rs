//! End to end: real camera servers → the real recorder → what a client gets.

mod author;
mod bad_input;
mod cameras;
mod crash;
#[allow(clippy::unwrap_used, reason = "a test's")]
#[path = "../../../../appliance/plugin-engine/tests/fixtures/mod.rs"]
mod fixtures;
mod footage;
mod record;
mod rederive;
mod storage;
