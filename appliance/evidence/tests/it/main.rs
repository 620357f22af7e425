//! Tests of the library and its programs from outside.

#![allow(clippy::unwrap_used, reason = "a test may panic, and so may its helpers")]

mod approve_tool;
#[path = "../../../../tests/fuzz/corpus.rs"]
mod corpus;
mod fuzz_bodies;
mod fuzz_smoke;
mod hostile;
mod masters;
mod mirror_tool;
mod movie;
mod redacted;
mod report;
mod sample;
mod serve_tool;
#[path = "../../../../tests/fuzz/smoke.rs"]
mod smoke;
mod ten_million;
mod two_verifiers;
mod witness_tool;
