//! A machine that runs: the host's files read-only, a network of its own, the cameras' drivers, and orders over the serial line.

use crate::error::{Attempt as _, Result};
use crate::kit::{self, Contents, Kit};
use std::path::Path;
use std::process::Command;

/// The host's files over 9P, the network, USB cameras that are processes, and cameras that are drivers.
const MODULES: [&str; 6] = ["virtio_pci", "9pnet_virtio", "9p", "virtio_net", "vhci-hcd", "uvcvideo"];
/// Both kinds of machine begin like this: with the host's files, read-only, in `/host`.
const BEGIN: &str = "#!/bin/busybox sh
export PATH=/bin:/sbin
/bin/busybox mkdir -p /proc /sys /dev /host /rw /new
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read module; do insmod /lib/modules/$module; done </modules
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=262144,ro host /host
";
/// Programs that are at home on the host and are started inside see the host's libraries; what they write goes to memory under `/mnt`.
const ORDERS: &str = "mount -o bind /proc /host/proc
mount -o bind /sys /host/sys
mount -o bind /dev /host/dev
mount -t tmpfs -o size=900m tmpfs /host/mnt
mount -t tmpfs tmpfs /host/run
stty -echo 2>/dev/null
export HOME=/mnt TMPDIR=/mnt PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
chroot /host $1
echo 'VM ended'
poweroff -f
";
/// The host's files, and what is written over them in memory, are the system that systemd starts.
const SERVICES: &str = "mount -t tmpfs -o size=1500m tmpfs /rw
mkdir -p /rw/over /rw/work
mount -t overlay -o lowerdir=/host,upperdir=/rw/over,workdir=/rw/work overlay /new
mount -o bind /proc /new/proc
chroot /new /bin/sh $1 || { echo 'VM not prepared'; poweroff -f; }
umount /new/proc
stty -echo 2>/dev/null
exec switch_root /new /lib/systemd/systemd --unit=watchbook-vm-orders.service --show-status=false
";
const APPLETS: [&str; 11] =
    ["sh", "mount", "umount", "mkdir", "insmod", "ip", "stty", "chroot", "switch_root", "poweroff", "echo"];
/// What takes orders when systemd runs the machine: the unit that [`SERVICES`] names.
pub const ORDERS_UNIT: &str = "watchbook-vm-orders";

/// What is needed to start machines.
pub struct Machine {
    kit: Kit,
    /// For the kernel's command line.
    words: String,
}

/// How the guest's processor is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// By the host's.
    Kvm,
    /// Emulated: some 20 times slower.
    Tcg,
}

/// Why there is no machine here; `None` when there is one.
#[must_use]
pub fn missing() -> Option<String> {
    kit::missing(&["ffmpeg", "ip", "tc"])
}

/// True for a line of the serial console that says that the machine's kernel broke: some part of it hangs from there on, and what is waited for may never come. That a slow machine looks hung
/// ("soft lockup") is not meant.
#[must_use]
pub fn is_kernel_fault(line: &str) -> bool {
    let faults = ["BUG: ", "Oops: ", "Kernel panic", "general protection fault", "kernel BUG at"];
    faults.iter().any(|fault| line.contains(fault)) && !line.contains("lockup")
}

impl Machine {
    /// Packs the machine into `folder`; `guest` takes the orders inside, `drivers` are loaded beside those for USB cameras.
    ///
    /// # Errors
    /// What could not be fetched or written.
    pub fn make(guest: &Path, drivers: &[&str], folder: &Path) -> Result<Self> {
        let guest = guest.canonicalize().attempt(format_args!("finding {}", guest.display()))?;
        Ok(Self { kit: pack(ORDERS, drivers, folder)?, words: format!("-- {}", guest.display()) })
    }

    /// Packs one into `folder` in which systemd starts services: the system of the host, changed in memory by the script `prepare`, which must make a service of the name [`ORDERS_UNIT`] that takes
    /// orders at `/dev/ttyS0`. That service and what it wants is all that is started.
    ///
    /// # Errors
    /// What could not be fetched or written.
    pub fn with_services(prepare: &Path, drivers: &[&str], folder: &Path) -> Result<Self> {
        let drivers: Vec<&str> = ["overlay"].iter().chain(drivers).copied().collect();
        let prepare = prepare.canonicalize().attempt(format_args!("finding {}", prepare.display()))?;
        Ok(Self { kit: pack(SERVICES, &drivers, folder)?, words: format!("-- {}", prepare.display()) })
    }

    /// QEMU with this machine; its port 8080 is `port` here, its serial line standard input and output.
    #[must_use]
    pub fn qemu(&self, accel: Accel, port: u16) -> Command {
        let line = format!("console=ttyS0 quiet loglevel=1 panic=-1 {}", self.words);
        let mut command = Command::new("qemu-system-x86_64");
        let (accel, cpu) = match accel {
            Accel::Kvm => ("kvm", "host"),
            Accel::Tcg => ("tcg", "max"),
        };
        command.args(["-accel", accel, "-cpu", cpu, "-M", "q35", "-m", "2048", "-smp", "2"]);
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"]);
        command.arg("-kernel").arg(&self.kit.kernel).arg("-initrd").arg(&self.kit.initrd).arg("-append").arg(line);
        command.args(["-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"]);
        command.args(["-device", "virtio-rng-pci"]);
        command.arg("-nic").arg(format!("user,model=virtio-net-pci,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:8080"));
        command
    }
}

fn pack(rest: &str, drivers: &[&str], folder: &Path) -> Result<Kit> {
    let modules: Vec<&str> = MODULES.iter().chain(drivers).copied().collect();
    let init = [BEGIN, rest].concat();
    Kit::make(&Contents { init: &init, modules: &modules, applets: &APPLETS, programs: &[], tools: &[] }, folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_breaks_is_told_from_one_that_is_slow() {
        // The first is what Debian's 6.1.192 said over a camera that was pulled out; all are as the kernel's sources print them.
        for line in [
            "[  101.5] BUG: kernel NULL pointer dereference, address: 00000000000000b0",
            "[  101.5] Oops: 0002 [#1] PREEMPT SMP PTI",
            "[  1.0] general protection fault, probably for non-canonical address 0xdead000000000108: 0000 [#1]",
            "[  1.0] Kernel panic - not syncing: Attempted to kill init!",
            "[  1.0] kernel BUG at mm/slub.c:440!",
        ] {
            assert!(is_kernel_fault(line), "{line}");
        }
        for line in ["watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [kworker/0:1:9]", "VM started yard", ""] {
            assert!(!is_kernel_fault(line), "{line}");
        }
    }
}
