//! One copy of the keys, worked on by threads of its own: whoever asks for something waits for it, but not for a disk that hangs.

use super::file::{Copy, KeyFile, Place};
use super::slot::{Found, KeysHeader};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

/// Of one copy. Its methods are called by one thread at a time.
pub(super) struct Hand {
    work: Arc<Work>,
    path: PathBuf,
    is_there: bool,
    /// A write or sync failed: what the disk has of it is unknown until all of it is written again.
    pub(super) doubtful: bool,
    /// Why it is not there.
    pub(super) trouble: Option<String>,
}

struct Work {
    file: Mutex<KeyFile>,
    /// A thread is at work. When another call begins, the one before has run out of time, and its disk has not answered yet.
    busy: AtomicBool,
}

/// What a disk that hangs has said.
fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "its disk does not answer")
}

impl Hand {
    pub(super) fn new(place: Place) -> Self {
        let path = place.dir.join(super::file::KEYS_FILE);
        let work = Arc::new(Work { file: Mutex::new(KeyFile::new(place)), busy: AtomicBool::new(false) });
        Self { work, path, is_there: false, doubtful: false, trouble: None }
    }

    pub(super) fn is_there(&self) -> bool {
        self.is_there
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The copy cannot be used any more, for now.
    pub(super) fn lose(&mut self, error: &io::Error) {
        self.is_there = false;
        self.doubtful = true;
        self.trouble = Some(error.to_string());
    }

    /// The same for one that has not answered in time.
    pub(super) fn lose_silent(&mut self) {
        self.lose(&silent());
    }

    fn begin<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut KeyFile) -> T + Send + 'static,
        done: impl FnOnce(T) + Send + 'static,
    ) -> io::Result<()> {
        if self.work.busy.swap(true, Ordering::SeqCst) {
            return Err(silent());
        }
        let work = self.work.clone();
        let run = move || {
            let result = job(&mut work.file.lock().unwrap_or_else(PoisonError::into_inner));
            work.busy.store(false, Ordering::SeqCst);
            done(result);
        };
        let begun = std::thread::Builder::new().name("keys".to_owned()).spawn(run);
        begun.map(drop).inspect_err(|_| self.work.busy.store(false, Ordering::SeqCst))
    }

    fn call<T: Send + 'static>(
        &self,
        patience: Duration,
        job: impl FnOnce(&mut KeyFile) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (done, answer) = mpsc::channel();
        self.begin(job, move |result| drop(done.send(result)))?;
        answer.recv_timeout(patience).unwrap_or_else(|_| Err(silent()))
    }

    /// Opens and reads the file; `None` when there is none and one may be made.
    ///
    /// # Errors
    /// The operating system's; `NotFound` when the disk is not there.
    pub(super) fn look(&mut self, patience: Duration) -> io::Result<Option<Copy>> {
        self.is_there = false;
        let found = self.call(patience, KeyFile::look)?;
        self.is_there = found.is_some();
        Ok(found)
    }

    pub(super) fn make(&mut self, header: &KeysHeader, slots: &[Found], patience: Duration) -> io::Result<()> {
        let (header, slots) = (*header, slots.to_vec());
        self.call(patience, move |file| file.make(&header, &slots))?;
        (self.is_there, self.doubtful) = (true, false);
        Ok(())
    }

    /// Writes slots and header, and syncs. `done` gets the answer, on another thread.
    ///
    /// # Errors
    /// When nothing can be begun.
    pub(super) fn begin_write(
        &self,
        header: &KeysHeader,
        slots: &Arc<[(u32, Found)]>,
        done: impl FnOnce(io::Result<()>) + Send + 'static,
    ) -> io::Result<()> {
        let (header, slots) = (*header, slots.clone());
        self.begin(move |file| file.write(&header, &slots), done)
    }

    pub(super) fn write(&self, header: &KeysHeader, slots: Vec<(u32, Found)>, patience: Duration) -> io::Result<()> {
        let header = *header;
        self.call(patience, move |file| file.write(&header, &slots))
    }

    /// Renames the file, so that a new one can be made. True when it was done.
    pub(super) fn set_aside(&mut self, ending: &str, patience: Duration) -> bool {
        self.is_there = false;
        let ending = ending.to_owned();
        self.call(patience, move |file| file.set_aside(&ending)).is_ok()
    }

    /// The slot as the file has it.
    ///
    /// # Errors
    /// When it cannot be read now.
    pub(super) fn slot(&self, index: u32, patience: Duration) -> io::Result<Found> {
        if !self.is_there {
            return Err(io::Error::new(io::ErrorKind::NotFound, "a copy is not there"));
        }
        self.call(patience, move |file| file.slot(index))
    }
}
