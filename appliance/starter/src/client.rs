//! The side of whoever wants a child program: through the one who starts, where there is one, else by itself (tools, tests).

use crate::children::command;
use crate::{Order, Word};
use std::collections::HashMap;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use watchbook_base::link::{Link, MESSAGE_BYTES_MAX};

/// How long a program may take to be started.
const START_MAX: Duration = Duration::from_secs(60);

/// A property of the process, as its wall is: who is behind it can start nothing itself.
static STARTER: OnceLock<Arc<Starter>> = OnceLock::new();

/// From now on every child program of this process is started by the one at the other end of its standard input. To be called once. When that one goes, this process ends at once.
///
/// # Errors
/// Standard input is no such link; no thread can be made.
pub fn behind() -> Result<()> {
    let starter = Arc::new(Starter { link: Link::from_stdin()?, state: Mutex::default(), changed: Condvar::new() });
    let reader = Arc::clone(&starter);
    if STARTER.set(starter).is_err() {
        return Err(Error::new(ErrorKind::AlreadyExists, "this process has somebody who starts programs for it"));
    }
    std::thread::Builder::new().name("starter".to_owned()).spawn(move || reader.listen())?;
    Ok(())
}

/// Starts a program with this end of a link as its standard input, an empty environment and no standard output.
///
/// # Errors
/// The operating system's, or that of the one who starts.
pub fn spawn(program: &Path, arguments: &[&str], stdin: Link) -> Result<Process> {
    match STARTER.get() {
        Some(starter) => Starter::spawn(starter, program, arguments, &stdin),
        None => command(program, arguments).stdin(stdin.into_stdio()).spawn().map(|child| Process(Kind::Own(child))),
    }
}

/// A child program. It goes on when this value is dropped.
#[derive(Debug)]
pub struct Process(Kind);

#[derive(Debug)]
enum Kind {
    Own(Child),
    Through { starter: Arc<Starter>, number: u32, id: u32 },
}

impl Process {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        match &self.0 {
            Kind::Own(child) => child.id(),
            Kind::Through { id, .. } => *id,
        }
    }

    /// Ends it. It may have ended already.
    ///
    /// # Errors
    /// It is not known whether it ends.
    pub fn kill(&mut self) -> Result<()> {
        match &mut self.0 {
            Kind::Own(child) => child.kill(),
            Kind::Through { starter, number, .. } => starter.tell(&Order::End { number: *number }),
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Nobody knows how it ended.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        match &mut self.0 {
            Kind::Own(child) => child.wait(),
            Kind::Through { starter, number, .. } => starter.wait_ended(*number),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Kind::Through { starter, number, .. } = &self.0 {
            starter.forget(*number);
        }
    }
}

/// What is known of one that was asked for.
#[derive(Debug, Default)]
struct Known {
    started: Option<Result<u32>>,
    ended: Option<i32>,
    /// Nobody asks any more.
    forgotten: bool,
}

#[derive(Debug, Default)]
struct State {
    last: u32,
    children: HashMap<u32, Known>,
}

#[derive(Debug)]
struct Starter {
    link: Link,
    state: Mutex<State>,
    changed: Condvar,
}

impl Starter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, order: &Order) -> Result<()> {
        self.link.send(&postcard::to_stdvec(order).map_err(Error::other)?, None)
    }

    fn spawn(starter: &Arc<Self>, program: &Path, arguments: &[&str], stdin: &Link) -> Result<Process> {
        let number = {
            let mut state = starter.state();
            state.last = state.last.wrapping_add(1);
            let number = state.last;
            state.children.insert(number, Known::default());
            number
        };
        let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        let arguments = arguments.iter().map(|&word| word.to_owned()).collect();
        let asked = postcard::to_stdvec(&Order::Start { number, program: name, arguments })
            .map_err(Error::other)
            .and_then(|order| starter.link.send(&order, Some(stdin.as_fd())))
            .and_then(|()| starter.wait_started(number));
        match asked {
            Ok(id) => Ok(Process(Kind::Through { starter: Arc::clone(starter), number, id })),
            Err(error) => {
                starter.forget(number);
                Err(error)
            }
        }
    }

    fn wait_started(&self, number: u32) -> Result<u32> {
        let deadline = Instant::now() + START_MAX;
        let mut state = self.state();
        loop {
            if let Some(started) = state.children.get_mut(&number).and_then(|known| known.started.take()) {
                if started.is_err() {
                    state.children.remove(&number);
                }
                return started;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                // It may start all the same.
                drop(self.tell(&Order::End { number }));
                return Err(Error::new(ErrorKind::TimedOut, "the program was not started in time"));
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn wait_ended(&self, number: u32) -> Result<ExitStatus> {
        let mut state = self.state();
        loop {
            match state.children.get(&number) {
                None => return Err(Error::new(ErrorKind::NotFound, "no such child program")),
                Some(Known { ended: Some(status), .. }) => return Ok(ExitStatus::from_raw(*status)),
                Some(_) => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn forget(&self, number: u32) {
        let mut state = self.state();
        let is_over = state.children.get_mut(&number).is_none_or(|known| {
            known.forgotten = true;
            known.ended.is_some()
        });
        if is_over {
            state.children.remove(&number);
        }
    }

    /// Hears how children do, until the one who starts is gone; nothing could be started or ended then, and what was started is gone with it.
    fn listen(&self) {
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        loop {
            let word = self.link.recv(&mut buffer).and_then(|(length, _)| {
                postcard::from_bytes(&buffer[..length]).map_err(|error| Error::new(ErrorKind::InvalidData, error))
            });
            match word {
                Ok(word) => self.hear(word),
                Err(error) => {
                    tracing::error!(%error, "the process that starts programs is gone; the recorder ends");
                    // What is acknowledged is on the disk: the next start goes on from there, as after a power cut.
                    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                    return;
                }
            }
        }
    }

    fn hear(&self, word: Word) {
        let mut state = self.state();
        let (number, is_over) = match word {
            Word::Started { number, process } => {
                let known = state.children.get_mut(&number);
                (
                    number,
                    known.is_some_and(|known| {
                        known.started = Some(Ok(process));
                        false
                    }),
                )
            }
            Word::Refused { number, errno, sentence } => {
                let error = errno.map_or_else(|| Error::other(sentence), Error::from_raw_os_error);
                let known = state.children.get_mut(&number);
                (
                    number,
                    known.is_some_and(|known| {
                        known.started = Some(Err(error));
                        known.forgotten
                    }),
                )
            }
            Word::Ended { number, status } => {
                let known = state.children.get_mut(&number);
                (
                    number,
                    known.is_some_and(|known| {
                        known.ended = Some(status);
                        known.forgotten
                    }),
                )
            }
        };
        if is_over {
            state.children.remove(&number);
        }
        drop(state);
        self.changed.notify_all();
    }
}
