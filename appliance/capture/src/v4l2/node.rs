//! A device's node while it is open, and when it may be closed.
//!
//! The last close of a node whose device was pulled out and the driver's own farewell (`disconnect`) take the same things of the kernel apart, and the kernel does not keep the two from each other.
//! `media_device_unregister_entity` (drivers/media/mc/mc-device.c, Linux 6.1) reads which media device an entity belongs to and only then waits for that device's lock; the farewell, which has it, sets
//! what was read to NULL for all entities. The close then takes the device of nothing: "BUG: kernel NULL pointer dereference", the lock is never let go, and no camera comes back before the next start of the machine.
//! A reader is woken at the beginning of exactly that farewell. So whoever holds a node that is gone keeps it until the farewell is over, which is when the folder of what the node belongs to has gone from
//! `/sys` (`device_del`: first the driver's end, then the folder). The link `driver` in it goes before the farewell and says nothing.
#![allow(unsafe_code, reason = "the crate v4l lends a raw number only, and opens without close-on-exec")]

use super::places::{Home, Place, SYSFS};
use super::{GONE, guarded};
use core::time::Duration;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use v4l::Device;

/// Longest wait for the farewell to a device; it takes milliseconds, on an emulated machine up to a second. Nobody waits for who waits here.
pub(crate) const FAREWELL_MAX: Duration = Duration::from_secs(3);
/// For so long a device that fails is watched whether that is the beginning of its end.
pub(crate) const DOUBT: Duration = Duration::from_millis(250);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// An open node. Dropping it closes it, as late as the kernel needs it.
pub(crate) struct Node {
    device: Device,
    /// What it belongs to; `None` when the kernel does not tell.
    home: Option<Home>,
}

impl Node {
    /// Opens the node of `place`. Programs that are started later do not inherit it.
    ///
    /// # Errors
    /// Why the kernel does not open it.
    pub(crate) fn open(place: &Place) -> io::Result<Self> {
        let device = Device::with_path(&place.node)?;
        let home = place.node.file_name().and_then(|name| Home::of(&Path::new(SYSFS).join(name)));
        let node = Self { device, home };
        let handle = node.device.handle();
        // SAFETY: the number is that of an open descriptor for as long as `handle` lives, which is longer than the call.
        let descriptor = unsafe { BorrowedFd::borrow_raw(handle.fd()) };
        rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
        Ok(node)
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// The kernel gives nothing more through it, for good: its device was pulled out.
    pub(crate) fn is_dead(&self) -> bool {
        let asked = guarded(|| self.device.query_caps().map(drop));
        matches!(asked, Some(Err(error)) if error.raw_os_error().is_some_and(|code| GONE.contains(&code)))
    }

    /// Waits up to [`DOUBT`] whether a device that failed is dying; true when it is dead.
    pub(crate) fn doubt(&self) -> bool {
        wait_until(|| self.is_dead(), DOUBT, std::thread::sleep)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A node that lives is not closed for the last time: the kernel holds it, too, until it has said farewell.
        if !self.is_dead() {
            return;
        }
        let over = || self.home.as_ref().is_some_and(Home::is_gone);
        if !wait_until(over, FAREWELL_MAX, std::thread::sleep) {
            tracing::warn!(
                "a device that was pulled out is still in the kernel's device tree; its node is closed all the same"
            );
        }
    }
}

/// Looks every [`LOOK`] until `is_so`, for `longest` at most; whether it is so. `pause` waits.
fn wait_until(mut is_so: impl FnMut() -> bool, longest: Duration, mut pause: impl FnMut(Duration)) -> bool {
    let mut waited = Duration::ZERO;
    loop {
        if is_so() {
            return true;
        }
        if waited >= longest {
            return false;
        }
        pause(LOOK);
        waited += LOOK;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    /// Looks until the `th` look says yes; whether it did, the number of looks and the time that was waited.
    fn waited(th: u32, longest: Duration) -> (bool, u32, Duration) {
        let (looks, time) = (Cell::new(0), Cell::new(Duration::ZERO));
        let is_so = || {
            looks.set(looks.get() + 1);
            looks.get() == th
        };
        let said = wait_until(is_so, longest, |pause| time.set(time.get() + pause));
        (said, looks.get(), time.get())
    }

    #[test]
    fn a_node_is_kept_until_the_farewell_is_over_and_no_longer_than_a_bound() {
        assert_eq!(waited(1, FAREWELL_MAX), (true, 1, Duration::ZERO), "what is over is not waited for");
        assert_eq!(waited(8, FAREWELL_MAX), (true, 8, 7 * LOOK));
        let (said, _, time) = waited(u32::MAX, FAREWELL_MAX);
        assert_eq!((said, time), (false, FAREWELL_MAX), "a farewell that never ends");
        assert!(DOUBT < FAREWELL_MAX && FAREWELL_MAX < super::super::listing::ANSWER, "a list is not late by it");
    }

    #[test]
    fn a_farewell_is_over_when_the_folder_has_gone_even_if_the_next_device_has_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let (class, interface) = (dir.path().join("class/video0"), dir.path().join("usb1/1-1/1-1:1.0"));
        std::fs::create_dir_all(&class).unwrap();
        std::fs::create_dir_all(interface.join("driver")).unwrap();
        std::os::unix::fs::symlink(&interface, class.join("device")).unwrap();
        let home = Home::of(&class).unwrap();
        // The node and the link to the driver go first.
        std::fs::remove_dir_all(&class).unwrap();
        std::fs::remove_dir(interface.join("driver")).unwrap();
        assert!(!home.is_gone());
        let again = dir.path().join("again");
        std::fs::create_dir(&again).unwrap();
        std::fs::remove_dir(&interface).unwrap();
        assert!(home.is_gone());
        std::fs::rename(&again, &interface).unwrap();
        assert!(home.is_gone(), "another device in the same port");
        assert_eq!(Home::of(&class), None, "a node that the kernel does not list has no home");
    }
}
