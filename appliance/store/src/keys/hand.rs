//! One copy of the keys, worked on by threads of its own: whoever asks for something waits for it, but not for a disk that hangs.

use super::file::{Copy, KeyFile, Place, Wrote, needed};
use super::slot::{Found, KeysHeader};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// Of one copy. Its methods are called by one thread at a time.
pub(super) struct Hand {
    work: Arc<Work>,
    path: PathBuf,
    is_there: bool,
    /// A write or sync failed: what the disk has of it is unknown until all of it is written again.
    pub(super) doubtful: bool,
    /// Why it is not there.
    pub(super) trouble: Option<String>,
    /// Why its file cannot grow.
    pub(super) cramped: Option<String>,
    /// It had no room for something that the other copy may have alone, and all of it was not written again since.
    pub(super) lacks: bool,
    /// It was written since the start: what its header promises is ours.
    pub(super) is_ours: bool,
}

struct Work {
    file: Mutex<KeyFile>,
    /// A thread is at work. When another call begins, the one before has run out of time, and its disk has not answered yet.
    busy: Mutex<bool>,
    idle: Condvar,
}

impl Work {
    fn busy(&self) -> MutexGuard<'_, bool> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest(&self) {
        *self.busy() = false;
        self.idle.notify_all();
    }
}

/// What a disk that hangs has said.
fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "its disk does not answer")
}

impl Hand {
    pub(super) fn new(place: Place) -> Self {
        let path = place.dir.join(super::file::KEYS_FILE);
        let (file, busy, idle) = (Mutex::new(KeyFile::new(place)), Mutex::new(false), Condvar::new());
        let work = Arc::new(Work { file, busy, idle });
        Self {
            work,
            path,
            is_there: false,
            doubtful: false,
            trouble: None,
            cramped: None,
            lacks: false,
            is_ours: false,
        }
    }

    pub(super) fn is_there(&self) -> bool {
        self.is_there
    }

    /// It lacks slots, and has room for them now: it is as one that was away.
    pub(super) fn can_be_filled(&self) -> bool {
        self.is_there && self.lacks && self.cramped.is_none()
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

    /// Begins a job once the one before is done, at `until` at the latest.
    fn begin<T: Send + 'static>(
        &self,
        until: Instant,
        job: impl FnOnce(&mut KeyFile) -> T + Send + 'static,
        done: impl FnOnce(T) + Send + 'static,
    ) -> io::Result<()> {
        {
            let left = until.saturating_duration_since(Instant::now());
            let waited = self.work.idle.wait_timeout_while(self.work.busy(), left, |busy| *busy);
            let mut busy = waited.unwrap_or_else(PoisonError::into_inner).0;
            if *busy {
                return Err(silent());
            }
            *busy = true;
        }
        let work = self.work.clone();
        let run = move || {
            let result = job(&mut work.file.lock().unwrap_or_else(PoisonError::into_inner));
            work.rest();
            done(result);
        };
        let begun = std::thread::Builder::new().name("keys".to_owned()).spawn(run);
        begun.map(drop).inspect_err(|_| self.work.rest())
    }

    fn call<T: Send + 'static>(
        &self,
        patience: Duration,
        job: impl FnOnce(&mut KeyFile) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (done, answer) = mpsc::channel();
        let until = Instant::now() + patience;
        self.begin(until, job, move |result| drop(done.send(result)))?;
        let left = until.saturating_duration_since(Instant::now());
        answer.recv_timeout(left).unwrap_or_else(|_| Err(silent()))
    }

    /// Opens and reads the file; `None` when there is none and one may be made. One that was there and has not answered in time stays there.
    ///
    /// # Errors
    /// The operating system's; `NotFound` when the disk is not there.
    pub(super) fn look(&mut self, patience: Duration) -> io::Result<Option<Copy>> {
        let found = self.call(patience, KeyFile::look);
        self.is_there = match &found {
            Ok(found) => found.is_some(),
            Err(error) => self.is_there && error.kind() == io::ErrorKind::TimedOut,
        };
        found
    }

    pub(super) fn make(&mut self, header: &KeysHeader, slots: &[Found], patience: Duration) -> io::Result<()> {
        let (header, slots) = (*header, slots.to_vec());
        self.call(patience, move |file| file.make(&header, &slots))?;
        (self.is_there, self.doubtful, self.cramped, self.lacks) = (true, false, None, false);
        self.is_ours = true;
        Ok(())
    }

    /// Writes slots and header, and syncs. `done` gets the answer, on another thread.
    ///
    /// # Errors
    /// When nothing can be begun until then.
    pub(super) fn begin_write(
        &self,
        until: Instant,
        (header, slots): (&KeysHeader, &Arc<[(u32, Found)]>),
        done: impl FnOnce(io::Result<Wrote>) + Send + 'static,
    ) -> io::Result<()> {
        let (header, slots) = (*header, slots.clone());
        self.begin(until, move |file| file.write(&header, &slots), done)
    }

    /// Gives the copy all that it may lack.
    pub(super) fn write(
        &mut self,
        header: &KeysHeader,
        slots: Vec<(u32, Found)>,
        patience: Duration,
    ) -> io::Result<()> {
        let (header, needed) = (*header, needed(&slots));
        let wrote = self.call(patience, move |file| file.write(&header, &slots))?;
        (self.lacks, self.cramped, self.is_ours) = (wrote.room < needed, wrote.cramped, true);
        Ok(())
    }

    /// Looks whether a file that could not grow can do so now. One that does not answer is left to the next writing.
    pub(super) fn make_room(&mut self, patience: Duration) {
        if self.is_there
            && self.cramped.is_some()
            && let Ok(cramped) = self.call(patience, KeyFile::make_room)
        {
            self.cramped = cramped;
        }
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
