//! The machine that the recorder runs on.

use crate::api::{Alarm, MachineHealth};

/// What the machine says of itself.
pub trait Machine: Send + Sync {
    /// As far as it can be read: what cannot be is left out.
    fn health(&self) -> MachineHealth;

    /// What is wrong with it, since when, and what to do.
    fn alarms(&self) -> Vec<Alarm>;
}
