//! Tests of the whole ring on the simulated file system.

mod basics;
mod care;
mod check;
mod crash;
mod damage;
mod events;
mod footage_log;
#[cfg(feature = "rocks")]
mod full_disk;
pub(crate) mod harness;
mod impaired;
mod index;
mod leaves;
mod lost_end;
pub(crate) mod pool;
mod retention;
mod room;
mod threads;
mod vault;
mod wrap;
