//! Small virtual machines, and what is plugged into them.
//!
//! * **Enters:** Debian's kernel and busybox as packages, programs of ours, files of coded pictures.
//! * **Leaves:** [`kit`]: a kernel and a RAM disk for QEMU; [`machine`]: a running machine that takes orders; [`uvc`] and [`usbip`]: a USB camera that exists as a
//!   process only, and is unplugged by ending it.
//! * **Promises:** what cannot be fetched or started is a sentence; a camera sends each picture whole and in order.
//! * **Never:** installs anything, needs rights on the host, needs hardware virtualisation.
//! * **Proof:** `tests/vm/tests/vm`: the recorder inside records what the camera sends, byte for byte.

mod cpio;
pub mod error;
pub mod kit;
pub mod machine;
pub mod usbip;
pub mod uvc;
