//! The second copy of the audit log's last checkpoint: a file beside the first ring, which is usually on another disk. A register that comes from an old copy is found out
//! by it.
//!
//! A disk that hangs holds nobody up: one thread at a time writes the file and ends when nothing is left to write; what is signed meanwhile takes the place of what waits.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use watchbook_evidence::SignedCheckpoint;

/// File beside the first ring.
pub const FILE: &str = "log-checkpoint";
/// A checkpoint with its signatures is a few hundred bytes.
const BYTES_MAX: u64 = 1 << 20;
/// A write that takes longer is an alarm.
const PATIENCE: Duration = Duration::from_secs(30);

/// What lies in the second place.
pub enum Second {
    /// A checkpoint, of which nothing is known yet.
    Checkpoint(SignedCheckpoint),
    /// In a sentence.
    Nothing(String),
}

/// Who writes the file.
pub struct SecondCopy {
    path: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What is written next: the newest alone counts.
    wanted: Option<String>,
    /// Since when the thread writes; `None`: there is no thread.
    writing: Option<Instant>,
    /// The last one that was wanted is durable.
    is_there: bool,
    /// Why the last one is not.
    failed: Option<String>,
}

impl SecondCopy {
    /// Of this file.
    pub fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self { path, state: Mutex::default(), changed: Condvar::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody must [`SecondCopy::put`] the last checkpoint again: it is not there, and nobody is writing it.
    pub fn is_due(&self) -> bool {
        let state = self.state();
        state.writing.is_none() && !state.is_there
    }

    /// Has `text` written. Does not wait for the disk.
    pub fn put(self: &Arc<Self>, text: String) {
        let mut state = self.state();
        (state.wanted, state.is_there) = (Some(text), false);
        if state.writing.is_some() {
            return;
        }
        state.writing = Some(Instant::now());
        let copy = Arc::clone(self);
        let started = std::thread::Builder::new().name("log copy".to_owned()).spawn(move || copy.write_all());
        if let Err(error) = started {
            (state.wanted, state.writing) = (None, None);
            state.failed = Some(format!("starting the thread that writes it: {error}"));
        }
    }

    fn write_all(&self) {
        loop {
            let text = {
                let mut state = self.state();
                state.writing = state.wanted.as_ref().map(|_| Instant::now());
                let Some(text) = state.wanted.take() else { break };
                text
            };
            let failed = write(&self.path, text.as_bytes()).err();
            let failed = failed.map(|error| format!("writing {}: {error}", self.path.display()));
            let mut state = self.state();
            if failed.is_some() && state.failed != failed {
                tracing::error!(
                    ?failed,
                    "the second copy of the audit log's checkpoint is not there; it is tried again"
                );
            }
            state.is_there = failed.is_none() && state.wanted.is_none();
            state.failed = failed;
        }
        self.changed.notify_all();
    }

    /// Waits until nothing is left to write, for `patience` at most.
    pub fn wait(&self, patience: Duration) {
        let busy = |state: &mut State| state.writing.is_some();
        drop(self.changed.wait_timeout_while(self.state(), patience, busy));
    }

    /// Why the copy is not there, at the moment `now`, in a sentence.
    pub fn trouble(&self, now: Instant) -> Option<String> {
        let state = self.state();
        let hangs = state.writing.map(|since| now.saturating_duration_since(since)).filter(|took| *took >= PATIENCE);
        let hangs = hangs.map(|took| {
            format!("writing {} has taken {} s so far: its disk does not answer", self.path.display(), took.as_secs())
        });
        hangs.or_else(|| state.failed.clone())
    }
}

/// What lies there now.
pub fn read(path: &Path) -> Second {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut text = Vec::new();
        std::fs::File::open(path)?.take(BYTES_MAX).read_to_end(&mut text)?;
        Ok(text)
    };
    match read().map(|text| SignedCheckpoint::parse(&text)) {
        Ok(Ok(checkpoint)) => Second::Checkpoint(checkpoint),
        Ok(Err(error)) => Second::Nothing(format!("{}: {error}", path.display())),
        Err(error) => Second::Nothing(format!("{}: {error}", path.display())),
    }
}

/// Whole or not at all, and durable.
fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(60);

    #[test]
    fn the_newest_checkpoint_is_written_and_one_that_failed_is_due_again() {
        let dir = tempfile::tempdir().unwrap();
        let copy = SecondCopy::new(dir.path().join("away").join(FILE));
        assert!(copy.is_due() && copy.trouble(Instant::now()).is_none(), "nothing was asked of it yet");
        copy.put("one".to_owned());
        copy.wait(SOON);
        let told = copy.trouble(Instant::now()).unwrap();
        assert!(copy.is_due() && told.contains("away"), "{told}");
        std::fs::create_dir(dir.path().join("away")).unwrap();
        for text in ["two", "three", "four"] {
            copy.put(text.to_owned());
        }
        copy.wait(SOON);
        assert_eq!(std::fs::read_to_string(dir.path().join("away").join(FILE)).unwrap(), "four");
        assert!(!copy.is_due() && copy.trouble(Instant::now()).is_none());
    }
}
