//! Tests of the whole ring on the simulated file system.

mod basics;
mod crash;
mod damage;
mod harness;
mod threads;
mod wrap;
