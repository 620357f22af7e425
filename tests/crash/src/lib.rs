//! Power cuts, kills and failing disks against the ring.
//!
//! * **Enters:** seeds; for the real ones, a disk image and a kernel to start in a virtual machine.
//! * **Leaves:** how much footage was lost and which promise was broken, with the command that replays it.
//! * **Promises:** a seed decides everything that befalls a simulated box; every real kill and every power cut is judged by bytes that tell where they belong.
//! * **Never:** reaches behind the store's interface: what is judged is what the recorder and `watchbook check` would see.
//! * **Proof:** negative controls: a simulated disk that lies about syncs, and a real one, must both be found out.

pub mod child;
pub mod error;
pub mod flakey;
pub mod footage;
pub mod holding;
pub mod holds;
pub mod kill;
pub mod nbd;
pub mod power;
pub mod ring;
pub mod rounds;
pub mod shutdown;
pub mod sim;
pub mod vm;

pub use error::{Error, Result};
