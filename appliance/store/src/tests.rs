//! Tests of the whole ring on the simulated file system.

mod basics;
mod harness;
