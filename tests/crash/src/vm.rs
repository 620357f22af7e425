//! The virtual machine of the power cuts: one disk, and this program.

use crate::error::{Attempt as _, Error, Result};
use std::path::Path;
use std::process::Command;
use watchbook_vm::kit::{self, Contents, on_path, output};

/// What a machine with one disk on it needs.
const MODULES: [&str; 6] = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4", "dm-mod", "dm-flakey"];
/// Programs of the host that the guest uses, with their libraries.
const TOOLS: [&str; 3] = ["e2fsck", "mkfs.ext4", "dmsetup"];
/// What `/init` does: arguments of the kernel's command line behind `--` are its own.
const INIT: &str = "#!/bin/busybox sh
export PATH=/bin:/sbin LD_LIBRARY_PATH=/lib
/bin/busybox mkdir -p /proc /sys /dev /data /tmp /run
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
for module in $(/bin/busybox cat /modules); do /bin/busybox insmod /lib/modules/$module; done
case $1 in
    child) e2fsck -p /dev/vda >/tmp/fsck 2>&1; [ $? -lt 4 ] && /bin/busybox mount -t ext4 /dev/vda /data || echo 'WB bad the file system is beyond repair' ;;
esac
/bin/watchbook-crash \"$@\"
echo 'WB ended'
/bin/busybox poweroff -f
";

/// Kernel and initial RAM disk.
pub struct Kit(kit::Kit);

/// Why no virtual machine can be started here; `None` when one can.
#[must_use]
pub fn missing() -> Option<String> {
    kit::missing(&TOOLS)
}

impl Kit {
    /// Fetches the packages unless they are there, and packs the RAM disk with `program` into `folder`.
    ///
    /// # Errors
    /// What could not be fetched, found or written.
    pub fn make(program: &Path, folder: &Path) -> Result<Self> {
        let contents = Contents {
            init: INIT,
            modules: &MODULES,
            applets: &["sh", "mount", "umount", "blockdev", "cat", "sleep"],
            programs: &[("watchbook-crash", program)],
            tools: &TOOLS,
        };
        kit::Kit::make(&contents, folder).map(Self).attempt("packing the machine")
    }

    /// QEMU with this kit: what the guest's `/init` gets as arguments, the disk, memory. Its serial port is standard output.
    #[must_use]
    pub fn qemu(&self, args: &[std::ffi::OsString], drive: &str) -> Command {
        let args: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        let line = format!("console=ttyS0 quiet loglevel=1 panic=-1 -- {}", args.join(" "));
        let mut command = Command::new("qemu-system-x86_64");
        // Emulated: the kernel modules for virtualisation are not on every machine, and some stop a stock kernel.
        command.args(["-accel", "tcg", "-M", "q35", "-cpu", "max", "-m", "768", "-smp", "1"]);
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"]);
        command.arg("-kernel").arg(&self.0.kernel).arg("-initrd").arg(&self.0.initrd).arg("-append").arg(line);
        command.args(["-drive", drive, "-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci"]);
        command
    }
}

/// An empty ext4 of so many bytes.
///
/// # Errors
/// When it cannot be made.
pub fn ext4(bytes: u64, folder: &Path) -> Result<Vec<u8>> {
    let path = folder.join("ext4");
    std::fs::File::create(&path).and_then(|file| file.set_len(bytes)).attempt("making an image")?;
    let mkfs = on_path("mkfs.ext4").ok_or_else(|| Error("there is no mkfs.ext4".to_owned()))?;
    output(Command::new(mkfs).args(["-q", "-F"]).arg(&path)).attempt("making a file system")?;
    std::fs::read(&path).attempt("reading an image")
}
