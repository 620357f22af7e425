//! The file system goes down under the program: ext4's shutdown ioctl on a loop mount. What was not synced never reaches the image, and no virtual machine is
//! needed; the journal's last pages go or stay as the flag says.
#![allow(unsafe_code, reason = "no safe wrapper of this ioctl exists; it is the only foreign call of the crate")]

use crate::child::Job;
use crate::error::{Attempt as _, Result, ensure};
use crate::rounds::{Machine, Running};
use rustix::fs::{Mode, OFlags};
use std::path::{Path, PathBuf};
use std::process::Command;
use watchbook_base::fs::sim::Dice;

/// `EXT4_IOC_SHUTDOWN` of `fs/ext4/ext4.h`, the same number as `FS_IOC_SHUTDOWN` of XFS.
const SHUTDOWN: rustix::ioctl::Opcode = 0x8004_587D;
/// Sync everything first; flush the journal; flush nothing.
const FLAGS: [u32; 3] = [0, 1, 2];
const IMAGE_BYTES: u64 = 512 << 20;

/// A loop mount that can go down.
pub struct LoopMount {
    image: PathBuf,
    mounted: bool,
    dir: PathBuf,
}

/// Runs a command for its effect.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<()> {
    let output = Command::new(program).args(args).output().attempt(format_args!("starting {program}"))?;
    ensure(output.status.success(), || {
        format!("{program} {args:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())
    })
}

impl LoopMount {
    /// A fresh ext4 in an image in `folder`, mounted there.
    ///
    /// # Errors
    /// Without the rights, the tools or loop devices.
    pub fn new(folder: &Path) -> Result<Self> {
        let (image, dir) = (folder.join("image"), folder.join("mnt"));
        std::fs::create_dir(&dir).attempt("making the mount point")?;
        std::fs::File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES)).attempt("making the image")?;
        run("mkfs.ext4", &["-q", "-F", &image.to_string_lossy()])?;
        let mut mount = Self { image, mounted: false, dir };
        mount.mount()?;
        Ok(mount)
    }

    /// Where it is mounted.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn mount(&mut self) -> Result<()> {
        run("mount", &["-t", "ext4", "-o", "loop", &self.image.to_string_lossy(), &self.dir.to_string_lossy()])?;
        self.mounted = true;
        Ok(())
    }

    fn umount(&mut self) -> Result<()> {
        if self.mounted {
            run("umount", &[&self.dir.to_string_lossy()])?;
            self.mounted = false;
        }
        Ok(())
    }

    fn shut_down(&self, flag: u32) -> Result<()> {
        let dir = rustix::fs::open(&self.dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .attempt("opening the mount point")?;
        // SAFETY: the ioctl reads a 32-bit number through the pointer that `Setter` makes of a value it owns for the length of the call.
        let done = unsafe { rustix::ioctl::ioctl(&dir, rustix::ioctl::Setter::<SHUTDOWN, u32>::new(flag)) };
        done.attempt("shutting the file system down")
    }
}

impl Machine for LoopMount {
    fn start(&mut self, job: &Job) -> Result<Running> {
        let program = std::env::current_exe().attempt("finding this program")?;
        Running::start(Command::new(program).args(job.args()))
    }

    fn crash(&mut self, running: Running, dice: &mut Dice) -> Result<Vec<String>> {
        let flag = FLAGS.into_iter().nth(usize::try_from(dice.below(3)).unwrap_or(0)).unwrap_or(2);
        // From here on no sync succeeds, so what is still acknowledged had been synced before.
        self.shut_down(flag)?;
        let lines = running.kill()?;
        self.umount()?;
        self.mount()?;
        Ok(lines)
    }
}

impl Drop for LoopMount {
    fn drop(&mut self) {
        if let Err(error) = self.umount() {
            eprintln!("watchbook-crash: {error}");
        }
    }
}
