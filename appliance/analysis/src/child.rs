//! Keeping a child program alive: start it with a link, read what it says, start it again when it ends.

use crate::Error;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use watchbook_base::Kind;
use watchbook_base::link::{Link, MESSAGE_BYTES_MAX};
use watchbook_starter::Process;

/// Wait before the first restart; doubled each time up to [`RESTART_MAX`].
pub const RESTART_MIN: Duration = Duration::from_secs(1);
/// Longest wait before a restart.
pub const RESTART_MAX: Duration = Duration::from_secs(60);
/// A child that lived so long was healthy: the next restart waits [`RESTART_MIN`] again.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// What to do with a child's words. All methods run on the thread that watches the child.
pub trait Handler: Send + Sync + 'static {
    /// A new child is there and knows nothing. `generation` is 1 for the first one and grows by one. It may be told through `child`.
    fn started(&self, child: &Sender<'_>, generation: u32);

    /// One message. An error means that the child is broken or hostile: it is killed and started again.
    ///
    /// # Errors
    /// A sentence for the log.
    fn message(&self, payload: &[u8], descriptor: Option<OwnedFd>) -> Result<(), Error>;

    /// The child is gone; `sentence` says why, `again` when the next one comes.
    fn ended(&self, sentence: &str, again: Duration);
}

/// Sends to the child of one generation while it starts.
#[derive(Debug)]
pub struct Sender<'a> {
    link: &'a Link,
}

impl Sender<'_> {
    /// Sends one message and waits for room. The child must read without waiting for us.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the child is gone again.
    pub fn send(&self, payload: &[u8], descriptor: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        self.link.send(payload, descriptor).map_err(|error| Error::io("telling a new child what to do", error))
    }
}

/// A child program that is kept alive until this value is dropped.
#[derive(Debug)]
pub struct Child {
    shared: Arc<Shared>,
    watcher: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The link to the running child and its generation.
    current: Mutex<(Option<Arc<Link>>, u32)>,
    process: AtomicU32,
    stop: AtomicBool,
    stopped: (Mutex<()>, Condvar),
}

impl Shared {
    fn current(&self) -> MutexGuard<'_, (Option<Arc<Link>>, u32)> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits `span` unless the value is dropped before; true when it is.
    fn wait(&self, span: Duration) -> bool {
        let deadline = Instant::now() + span;
        let mut guard = self.stopped.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.stop.load(Ordering::SeqCst) {
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return false;
            };
            guard = self.stopped.1.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Child {
    /// Starts `program` with one end of a link as its standard input and an empty environment, and keeps it running.
    ///
    /// # Errors
    /// [`Kind::NotFound`] and other operating system errors when the *first* start fails; later failures are retried and told to the handler.
    pub fn spawn(program: &Path, handler: Arc<dyn Handler>) -> Result<Self, Error> {
        let shared = Arc::new(Shared::default());
        let (told, first) = std::sync::mpsc::sync_channel(1);
        let watcher = {
            let (shared, program) = (Arc::clone(&shared), program.to_owned());
            // 15 bytes is what the kernel keeps of a thread's name.
            std::thread::Builder::new()
                .name(describe(&program).chars().take(15).collect())
                // Always the same thread starts it: without a starter, a child dies with the thread that did (PR_SET_PDEATHSIG).
                .spawn(move || match start(&program) {
                    Ok(running) => {
                        // Somebody waits for it below.
                        let _ = told.send(Ok(()));
                        watch(&shared, &program, handler.as_ref(), running);
                    }
                    Err(error) => drop(told.send(Err(error))),
                })
                .map_err(|error| Error::io("starting the thread that watches a child program", error))?
        };
        let gone = |_| Error::new(Kind::Internal, "the thread that watches a child program ended");
        first.recv().map_err(gone)??;
        Ok(Self { shared, watcher: Some(watcher) })
    }

    /// Generation of the running child, 0 while there is none.
    #[must_use]
    pub fn generation(&self) -> u32 {
        let current = self.shared.current();
        if current.0.is_some() { current.1 } else { 0 }
    }

    /// Process id of the running child, for health reports and fault tests.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        Some(self.shared.process.load(Ordering::SeqCst)).filter(|id| *id != 0)
    }

    /// Sends to the child of `generation` unless that would wait.
    ///
    /// # Errors
    /// [`Kind::Exhausted`] when the child's buffer is full; [`Kind::Unavailable`] when that child is gone.
    pub fn try_send(&self, generation: u32, payload: &[u8], descriptor: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        let gone = || Error::new(Kind::Unavailable, "the child program is being started again");
        let link = {
            let current = self.shared.current();
            let link = current.0.as_ref().filter(|_| current.1 == generation);
            Arc::clone(link.ok_or_else(gone)?)
        };
        match link.try_send(payload, descriptor) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                Err(Error::new(Kind::Exhausted, "the child program's queue is full"))
            }
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
                Err(Error::io("a message is too large", error))
            }
            Err(_) => Err(gone()),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        {
            // Under the lock, so that the watcher cannot miss the change between its check and its wait.
            let _guard = self.shared.stopped.0.lock().unwrap_or_else(PoisonError::into_inner);
            self.shared.stop.store(true, Ordering::SeqCst);
            self.shared.stopped.1.notify_all();
        }
        if let Some(link) = self.shared.current().0.take() {
            // The watcher sees an end of file, ends the child and stops. A link that is gone already is what we want.
            let _ = rustix::net::shutdown(link.as_ref(), rustix::net::Shutdown::Both);
        }
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
    }
}

fn describe(program: &Path) -> String {
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

type Running = (Process, Link);

fn start(program: &Path) -> Result<Running, Error> {
    let attempt = || -> std::io::Result<Running> {
        let (ours, theirs) = Link::pair()?;
        let process = watchbook_starter::spawn(program, &[], theirs)?;
        Ok((process, ours))
    };
    attempt().map_err(|error| Error::io(format!("starting {}", program.display()), error))
}

fn watch(shared: &Shared, program: &Path, handler: &dyn Handler, first: Running) {
    let mut next: Result<Running, Error> = Ok(first);
    let mut pause = RESTART_MIN;
    loop {
        let sentence = match next {
            Ok((mut process, link)) => {
                let begin = Instant::now();
                let why = serve(shared, handler, process.id(), link);
                // It may be alive still: a broken link, a bad message. It holds nothing worth saving.
                let _ = process.kill();
                let status = process.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                if begin.elapsed() > HEALTHY_AFTER {
                    pause = RESTART_MIN;
                }
                format!("{} ended ({status}): {why}", describe(program))
            }
            Err(error) => error.to_string(),
        };
        shared.process.store(0, Ordering::SeqCst);
        shared.current().0 = None;
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        handler.ended(&sentence, pause);
        if shared.wait(pause) {
            return;
        }
        pause = (pause * 2).min(RESTART_MAX);
        next = start(program);
    }
}

/// Serves one child to its end and says why it ended.
fn serve(shared: &Shared, handler: &dyn Handler, process: u32, link: Link) -> Error {
    let link = Arc::new(link);
    let generation = {
        let mut current = shared.current();
        current.1 += 1;
        current.1
    };
    handler.started(&Sender { link: &link }, generation);
    shared.current().0 = Some(Arc::clone(&link));
    shared.process.store(process, Ordering::SeqCst);
    if shared.stop.load(Ordering::SeqCst) {
        return Error::new(Kind::Unavailable, "the recorder stops");
    }
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    loop {
        let outcome = match link.recv(&mut buffer) {
            Ok((length, descriptor)) => handler.message(&buffer[..length], descriptor),
            Err(error) => Err(Error::io("reading its messages", error)),
        };
        if let Err(error) = outcome {
            return error;
        }
    }
}
