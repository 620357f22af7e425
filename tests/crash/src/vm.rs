//! A small virtual machine: Debian's kernel, a few of its modules, busybox, this program. Everything is fetched as packages and unpacked, nothing is installed.

use crate::error::{Attempt as _, Error, Result, ensure};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

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
pub struct Kit {
    kernel: PathBuf,
    initrd: PathBuf,
}

/// Where packages are kept from run to run.
fn cache() -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    std::env::var_os("XDG_CACHE_HOME").map_or(home.join(".cache"), PathBuf::from).join("watchbook/crash")
}

/// Why no virtual machine can be started here; `None` when one can.
#[must_use]
pub fn missing() -> Option<String> {
    if std::env::consts::ARCH != "x86_64" {
        return Some(format!("the virtual machine is made for x86_64, this is {}", std::env::consts::ARCH));
    }
    let programs = ["qemu-system-x86_64", "apt-get", "dpkg-deb", "ldd", "mkfs.ext4", "e2fsck", "dmsetup"];
    let lacking: Vec<&str> = programs.into_iter().filter(|program| on_path(program).is_none()).collect();
    (!lacking.is_empty()).then(|| {
        format!("{} not found; on Debian: apt-get install qemu-system-x86 e2fsprogs dmsetup", lacking.join(", "))
    })
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().attempt(format_args!("starting {command:?}"))?;
    ensure(output.status.success(), || {
        format!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr))
    })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Kit {
    /// Fetches the packages unless they are there, and packs the RAM disk with `program` into `folder`.
    ///
    /// # Errors
    /// What could not be fetched, found or written.
    pub fn make(program: &Path, folder: &Path) -> Result<Self> {
        let tree = fetched(&cache())?;
        let kernel = newest(&tree.join("boot"), "vmlinuz-")?;
        let version = kernel.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix("vmlinuz-"));
        let modules = tree.join("lib/modules").join(version.attempt("reading the kernel's version")?).join("kernel");
        let mut archive = Cpio::default();
        for dir in ["bin", "sbin", "lib", "lib/modules", "lib64", "usr", "usr/lib"] {
            archive.dir(dir);
        }
        archive.file("init", INIT.as_bytes());
        let mut loaded = Vec::new();
        for name in MODULES {
            load(&modules, name, &mut loaded, &mut archive)?;
        }
        archive.file("modules", loaded.join("\n").as_bytes());
        archive.file("bin/busybox", &read(&tree.join("bin/busybox"))?);
        for applet in ["sh", "mount", "umount", "blockdev", "cat", "sleep"] {
            archive.link(&format!("bin/{applet}"), "/bin/busybox");
        }
        let mut libraries = BTreeSet::new();
        archive.file("bin/watchbook-crash", &stripped(program, folder)?);
        libraries.extend(libraries_of(program)?);
        for tool in TOOLS {
            let path = on_path(tool).attempt(format_args!("finding {tool}"))?;
            archive.file(&format!("sbin/{tool}"), &read(&path)?);
            libraries.extend(libraries_of(&path)?);
        }
        for library in libraries {
            // The loader has its fixed place; it looks for the others in /lib.
            let name = library.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let folder = if name.starts_with("ld-") { "lib64" } else { "lib" };
            archive.file(&format!("{folder}/{name}"), &read(&library)?);
        }
        let initrd = folder.join("initrd");
        std::fs::write(&initrd, archive.finish()).attempt(format_args!("writing {}", initrd.display()))?;
        Ok(Self { kernel, initrd })
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
        command.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.initrd).arg("-append").arg(line);
        command.args(["-drive", drive, "-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci"]);
        command
    }
}

/// The unpacked packages.
fn fetched(cache: &Path) -> Result<PathBuf> {
    let tree = cache.join("tree");
    if tree.join("complete").exists() {
        return Ok(tree);
    }
    let debs = cache.join("debs");
    std::fs::create_dir_all(&debs).attempt(format_args!("making {}", debs.display()))?;
    // The package of that name only points to the newest kernel.
    let depends = output(Command::new("apt-cache").args(["depends", "linux-image-amd64"]))?;
    let kernel = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: linux-image-"));
    let kernel = format!("linux-image-{}", kernel.attempt("finding Debian's newest kernel")?);
    output(Command::new("apt-get").args(["download", "-q", &kernel, "busybox-static"]).current_dir(&debs))?;
    for entry in std::fs::read_dir(&debs).attempt("listing packages")? {
        let path = entry.attempt("listing packages")?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(&kernel) || name.starts_with("busybox-static") {
            output(Command::new("dpkg-deb").arg("-x").arg(&path).arg(&tree))?;
        }
    }
    std::fs::write(tree.join("complete"), "").attempt("noting that all is there")?;
    Ok(tree)
}

fn newest(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).attempt(format_args!("listing {}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let named =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix));
    paths.filter(named).max().attempt(format_args!("finding {prefix} in {}", folder.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).attempt(format_args!("reading {}", path.display()))
}

/// The program without its line tables, which are most of it.
fn stripped(program: &Path, folder: &Path) -> Result<Vec<u8>> {
    let small = folder.join("program");
    match output(Command::new("strip").arg("-o").arg(&small).arg(program)) {
        Ok(_) => read(&small),
        // Without binutils the guest has more to carry.
        Err(_) => read(program),
    }
}

fn libraries_of(program: &Path) -> Result<Vec<PathBuf>> {
    let text = output(Command::new("ldd").arg(program))?;
    let paths = text.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok(paths.map(PathBuf::from).collect())
}

/// Packs a module behind those that it depends on, as it says itself.
fn load(modules: &Path, name: &str, loaded: &mut Vec<String>, archive: &mut Cpio) -> Result<()> {
    let file = format!("{name}.ko");
    if loaded.contains(&file) {
        return Ok(());
    }
    // Names of files have hyphens or underscores, and nobody knows which.
    let wanted = name.replace('-', "_");
    let same = |path: &Path| {
        path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stem.replace('-', "_") == wanted)
    };
    let Some(path) = find(modules, &same) else {
        // Built into the kernel.
        return Ok(());
    };
    let bytes = read(&path)?;
    ensure(path.extension().is_some_and(|ending| ending == "ko"), || {
        format!("{} is compressed, and nothing here unpacks it", path.display())
    })?;
    let depends = bytes.split(|byte| *byte == 0).find_map(|text| text.strip_prefix(b"depends=".as_slice()));
    let depends = String::from_utf8_lossy(depends.unwrap_or_default()).into_owned();
    for other in depends.split(',').filter(|other| !other.is_empty()) {
        load(modules, other, loaded, archive)?;
    }
    archive.file(&format!("lib/modules/{file}"), &bytes);
    loaded.push(file);
    Ok(())
}

fn find(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    entries.into_iter().find_map(|path| match path.is_dir() {
        true => find(&path, wanted),
        false => wanted(&path).then_some(path),
    })
}

/// An archive as the kernel unpacks it ("newc", `Documentation/driver-api/early-userspace/buffer-format.rst` of the kernel).
#[derive(Default)]
struct Cpio {
    bytes: Vec<u8>,
    entries: u32,
}

impl Cpio {
    fn entry(&mut self, name: &str, mode: u32, data: &[u8]) {
        self.entries += 1;
        let (size, name_size) = (data.len(), name.len() + 1);
        let fields = [self.entries, mode, 0, 0, 1, 0];
        self.bytes.extend(b"070701");
        fields.iter().for_each(|field| self.bytes.extend(format!("{field:08X}").bytes()));
        // Size, four device numbers, length of the name, no checksum.
        self.bytes.extend(format!("{size:08X}{0:08X}{0:08X}{0:08X}{0:08X}{name_size:08X}{0:08X}", 0).bytes());
        self.bytes.extend(name.bytes().chain([0]));
        self.pad();
        self.bytes.extend(data);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn dir(&mut self, name: &str) {
        self.entry(name, 0o040_755, &[]);
    }

    fn file(&mut self, name: &str, data: &[u8]) {
        self.entry(name, 0o100_755, data);
    }

    fn link(&mut self, name: &str, target: &str) {
        self.entry(name, 0o120_777, target.as_bytes());
    }

    fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
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
    output(Command::new(mkfs).args(["-q", "-F"]).arg(&path))?;
    read(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_a_head_and_four_byte_steps() {
        let mut archive = Cpio::default();
        archive.file("a", b"hello");
        let bytes = archive.finish();
        assert_eq!(&bytes[..14], b"07070100000001");
        // 110 bytes of head and the name with its zero are 112; five bytes are padded to eight.
        assert_eq!(&bytes[112..117], b"hello");
        assert_eq!(&bytes[120..126], b"070701");
        assert!(bytes.len().is_multiple_of(4) && bytes.windows(10).any(|name| name == b"TRAILER!!!"));
    }
}
