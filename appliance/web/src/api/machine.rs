//! The machine that the recorder runs on: how warm it is, and how its network does.

use serde::Serialize;
use utoipa::ToSchema;

/// A sensor of the machine.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MachineTemperature {
    /// As the kernel calls it, as in `nvme Composite`.
    pub place: String,
    /// Now, in degrees Celsius.
    pub celsius: f64,
    /// What its maker calls critical; null when it does not say.
    pub critical_celsius: Option<f64>,
    /// From here on it is too hot: what its maker calls the highest, or five degrees below critical; 85 when it says neither.
    pub hot_celsius: f64,
    /// It is so warm now.
    pub too_hot: bool,
}

/// A network socket of the machine, without the loopback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MachineNetwork {
    /// As the kernel calls it, as in `eth0`.
    pub name: String,
    /// It is a socket of the machine itself, and no bridge or tunnel.
    pub hardware: bool,
    /// It has a link. Null when the kernel does not say.
    pub link: Option<bool>,
    /// In Mbit/s; null without a link, and where there is no cable.
    pub speed_mbit: Option<u32>,
    /// Frames that came in damaged since the machine started.
    pub damaged_in: u64,
    /// Frames that could not be sent since then.
    pub failed_out: u64,
    /// Frames that nobody took since then, in both directions.
    pub dropped: u64,
}

/// Answer of the machine's health. An empty list: this machine has none, or does not let the recorder see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct MachineHealth {
    /// By place.
    pub temperatures: Vec<MachineTemperature>,
    /// By name.
    pub networks: Vec<MachineNetwork>,
}
