//! Kernel and RAM disk of a small virtual machine: Debian's kernel, a few of its modules, busybox, programs of ours. Everything is fetched as packages and unpacked,
//! nothing is installed.

use crate::cpio::Cpio;
use crate::error::{Attempt as _, Result, ensure};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What goes into a RAM disk.
pub struct Contents<'a> {
    /// The script that the kernel starts.
    pub init: &'a str,
    /// Kernel modules in the order of loading, each perhaps with parameters behind it; those that they need come along.
    pub modules: &'a [&'a str],
    /// Names under which busybox is found in `/bin`.
    pub applets: &'a [&'a str],
    /// Programs of ours and their names in `/bin`.
    pub programs: &'a [(&'a str, &'a Path)],
    /// Programs of the host that go to `/sbin`.
    pub tools: &'a [&'a str],
}

/// Kernel and initial RAM disk.
pub struct Kit {
    /// For QEMU's `-kernel`.
    pub kernel: PathBuf,
    /// For QEMU's `-initrd`.
    pub initrd: PathBuf,
}

/// Where packages are kept from run to run.
fn cache() -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    std::env::var_os("XDG_CACHE_HOME").map_or(home.join(".cache"), PathBuf::from).join("watchbook/crash")
}

/// Why no virtual machine can be started here; `None` when one can. `programs` are those that the test needs beside QEMU.
#[must_use]
pub fn missing(programs: &[&str]) -> Option<String> {
    if std::env::consts::ARCH != "x86_64" {
        return Some(format!("the virtual machine is made for x86_64, this is {}", std::env::consts::ARCH));
    }
    let all = ["qemu-system-x86_64", "apt-get", "dpkg-deb", "ldd"].iter().chain(programs);
    let lacking: Vec<&str> = all.copied().filter(|program| on_path(program).is_none()).collect();
    (!lacking.is_empty()).then(|| {
        format!(
            "{} not found; on Debian: apt-get install qemu-system-x86 e2fsprogs dmsetup iproute2",
            lacking.join(", ")
        )
    })
}

/// Where a program of the host is.
#[must_use]
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// What a command prints.
///
/// # Errors
/// When it cannot be started or fails, with what it says.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().attempt(format_args!("starting {command:?}"))?;
    ensure(output.status.success(), || {
        format!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr))
    })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Kit {
    /// Fetches the packages unless they are there, and packs the RAM disk into `folder`.
    ///
    /// # Errors
    /// What could not be fetched, found or written.
    pub fn make(contents: &Contents<'_>, folder: &Path) -> Result<Self> {
        let tree = fetched(&cache())?;
        let kernel = newest(&tree.join("boot"), "vmlinuz-")?;
        let version = kernel.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix("vmlinuz-"));
        let modules = tree.join("lib/modules").join(version.attempt("reading the kernel's version")?).join("kernel");
        let mut archive = Cpio::default();
        for dir in ["bin", "sbin", "lib", "lib/modules", "lib64", "usr", "usr/lib"] {
            archive.dir(dir);
        }
        archive.file("init", contents.init.as_bytes());
        let mut loaded = Vec::new();
        for line in contents.modules {
            let (name, parameters) = line.split_once(' ').unwrap_or((line, ""));
            load(&modules, name, &mut loaded, &mut archive)?;
            if let Some(last) = loaded.last_mut().filter(|_| !parameters.is_empty()) {
                last.push_str(&format!(" {parameters}"));
            }
        }
        archive.file("modules", format!("{}\n", loaded.join("\n")).as_bytes());
        archive.file("bin/busybox", &read(&tree.join("bin/busybox"))?);
        for applet in contents.applets {
            archive.link(&format!("bin/{applet}"), "/bin/busybox");
        }
        let mut libraries = BTreeSet::new();
        for (name, program) in contents.programs {
            archive.file(&format!("bin/{name}"), &stripped(program, folder)?);
            libraries.extend(libraries_of(program)?);
        }
        for tool in contents.tools {
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
    if loaded.iter().any(|line| line.split(' ').next() == Some(&file)) {
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
