//! The recorders that are measured, each as its own programs on its own disk.

pub mod ffmpeg;
pub mod floor;
pub mod moonfire;
pub mod watchbook;

use crate::error::Attempt;
use crate::tags::Tags;
use crate::{Error, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A recorder has this long to start, to stop, or to answer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a recorder is given.
pub struct Station {
    /// One camera each.
    pub urls: Vec<String>,
    /// Where footage and databases go; counted.
    pub disk: PathBuf,
    /// Where configuration and logs go; not counted.
    pub scratch: PathBuf,
    /// Packets over UDP instead of the RTSP connection.
    pub udp: bool,
    /// Footage that will come at most.
    pub footage_bytes_max: u64,
}

/// A recorder that can be measured.
pub trait Recorder {
    /// For the table.
    fn name(&self) -> String;

    /// Why it cannot be measured here, if so.
    fn missing(&self) -> Option<String>;

    /// Starts it on all cameras of `station`.
    ///
    /// # Errors
    /// It cannot be set up or started.
    fn start(&self, station: &Station) -> Result<Box<dyn Running>>;
}

/// A recorder at work.
pub trait Running {
    /// Its processes; their descendants are found.
    fn pids(&self) -> Vec<u32>;

    /// Commits so far, by its own count.
    ///
    /// # Errors
    /// It does not answer.
    fn commits(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Stops it and finds every frame that it hands out.
    ///
    /// # Errors
    /// It does not stop in order, or what it made cannot be read.
    fn finish(self: Box<Self>) -> Result<Tags>;
}

/// A child whose output goes to a file; killed when dropped.
pub struct Program {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts `command`; `name` is for messages and the log's name.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(name: &str, command: &mut Command, scratch: &Path) -> Result<Self> {
        let log = scratch.join(format!("{name}.log"));
        let output = File::create(&log).attempt(format!("making {}", log.display()))?;
        let errors = output.try_clone().attempt("sharing a log")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .attempt(format!("starting {name} ({command:?})"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    #[must_use]
    pub fn output(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits for a line with `prefix` and returns what follows it.
    ///
    /// # Errors
    /// It ends, or [`PATIENCE`] does.
    pub fn wait_line(&mut self, prefix: &str) -> Result<String> {
        let started = Instant::now();
        loop {
            let output = self.output();
            if let Some((_, rest)) = output.lines().find_map(|line| line.split_once(prefix)) {
                return Ok(rest.trim().to_owned());
            }
            let ended = self.child.try_wait().attempt("looking after a child")?;
            if ended.is_some() || started.elapsed() > PATIENCE {
                let (name, tail) = (&self.name, tail(&output));
                return Err(Error(format!("{name} did not say {prefix:?} (ended: {ended:?}); it said:\n{tail}")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `SIGTERM`, then waits for the end.
    ///
    /// # Errors
    /// It takes longer than [`PATIENCE`].
    pub fn terminate(&mut self) -> Result<()> {
        self.ask_to_end()?;
        self.wait_end()
    }

    /// `SIGTERM`.
    ///
    /// # Errors
    /// It has been waited for already.
    pub fn ask_to_end(&self) -> Result<()> {
        let pid = i32::try_from(self.id()).ok().and_then(rustix::process::Pid::from_raw).attempt("naming a child")?;
        match rustix::process::kill_process(pid, rustix::process::Signal::TERM) {
            Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
            Err(error) => Err(Error(format!("stopping {}: {error}", self.name))),
        }
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// It takes longer than [`PATIENCE`].
    pub fn wait_end(&mut self) -> Result<()> {
        let started = Instant::now();
        while self.child.try_wait().attempt("looking after a child")?.is_none() {
            if started.elapsed() > PATIENCE {
                return Err(Error(format!("{} did not end; it said:\n{}", self.name, tail(&self.output()))));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The last lines, for a message.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// Reads the tags of every file below `folder`.
///
/// # Errors
/// A file cannot be read.
pub fn read_folder(folder: &Path) -> Result<Tags> {
    let mut tags = Tags::default();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).attempt(format!("listing {}", folder.display()))? {
            let path = entry.attempt(format!("listing {}", folder.display()))?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                tags.read(File::open(&path).attempt(format!("opening {}", path.display()))?)?;
            }
        }
    }
    Ok(tags)
}

/// The program `name` on the path.
#[must_use]
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
