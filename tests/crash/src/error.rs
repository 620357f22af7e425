//! What a crash test has to say when something is wrong, with the ring or with the machine that it runs on: the same sentence as that of the virtual machines.

pub use watchbook_vm::error::{Attempt, Error, Result, ensure};
