//! What fills the web's ports, and where captured packets go.

pub mod analysis;
pub mod book;
pub mod clocks;
pub mod desk;
pub mod device_desk;
pub mod devices;
pub mod encode;
pub mod footage;
pub mod holds;
pub mod in_force;
pub mod local;
pub mod log_keeper;
mod log_keys;
mod log_witnesses;
pub mod minutes;
pub mod plugin_log;
pub mod plugin_shown;
pub mod plugins;
pub mod probe;
pub mod proposals;
pub mod rederive;
pub mod report_desk;
pub mod retention;
pub mod sight;
pub mod sink;
pub mod states;
pub mod storage;
