//! What the crate makes, seen from outside: any part of a file equals the slice of the whole, and other programs read the files as meant.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../../tests/fuzz/corpus.rs"]
mod corpus;
mod ffmpeg;
mod fuzz_bodies;
mod fuzz_smoke;
mod impaired;
mod memory;
mod plans;
mod ranges;
mod sets;
#[path = "../../../../tests/fuzz/smoke.rs"]
mod smoke;
