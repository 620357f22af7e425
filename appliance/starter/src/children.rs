//! The child programs of one recorder: started here, or held by somebody who starts each under a user of its own.

use crate::{ARGUMENTS_MAX, CHILDREN_MAX, Order, WORD_BYTES_MAX, Word};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use watchbook_base::link::Link;

/// How long a word may wait for somebody who reads none.
pub(crate) const SEND_MAX: Duration = Duration::from_secs(10);
/// What wait(2) would tell of a child whose holder is gone without a word: killed.
const KILLED: i32 = 9;

pub(crate) struct Children {
    /// Each is known by the name of its file.
    programs: Vec<PathBuf>,
    /// Where whoever holds children listens.
    holders: Option<PathBuf>,
    running: BTreeMap<u32, Running>,
}

enum Running {
    Here(Child),
    /// In the hands of whoever is at the other end.
    Held {
        link: Link,
        is_started: bool,
    },
}

impl Children {
    pub(crate) fn new(programs: Vec<PathBuf>, holders: Option<PathBuf>) -> Self {
        Self { programs, holders, running: BTreeMap::new() }
    }

    /// Does what was asked for. `None`: there is nothing to say, or not yet.
    pub(crate) fn obey(&mut self, order: Order, descriptor: Option<OwnedFd>) -> Option<Word> {
        match order {
            Order::End { number } => {
                self.end(number);
                None
            }
            Order::Start { number, program, arguments } => match self.begin(number, program, arguments, descriptor) {
                Ok(process) => process.map(|process| Word::Started { number, process }),
                Err(error) => Some(refused(number, &error)),
            },
        }
    }

    fn end(&mut self, number: u32) {
        match self.running.get_mut(&number) {
            // It fails when it has ended, which is what was wanted.
            Some(Running::Here(child)) => drop(child.kill()),
            Some(Running::Held { link, .. }) => {
                let told = say(link, &Order::End { number }, None);
                // Who holds it hears at least that nothing more comes, which means the same.
                let _ = told.or_else(|_| rustix::net::shutdown(link, rustix::net::Shutdown::Write));
            }
            None => {}
        }
    }

    /// The process number when it runs already.
    fn begin(
        &mut self,
        number: u32,
        program: String,
        arguments: Vec<String>,
        stdin: Option<OwnedFd>,
    ) -> Result<Option<u32>> {
        let wrong = |sentence: String| Error::new(ErrorKind::InvalidInput, sentence);
        let known = self.programs.iter().find(|path| path.file_name().is_some_and(|name| *name == *program));
        let known = known.ok_or_else(|| wrong(format!("{program:?} is no program that the recorder may start")))?;
        let stdin = stdin.ok_or_else(|| wrong(format!("{program} was to be started without a link")))?;
        if self.running.contains_key(&number) {
            return Err(wrong(format!("child {number} runs already")));
        }
        if self.running.len() >= CHILDREN_MAX {
            return Err(Error::other(format!("{CHILDREN_MAX} child programs run already")));
        }
        if arguments.len() > ARGUMENTS_MAX || arguments.iter().any(|word| word.len() > WORD_BYTES_MAX) {
            return Err(wrong(format!("{program} was to be started with too many or too long arguments")));
        }
        if let Some(holders) = &self.holders {
            let link = ask(holders, &Order::Start { number, program, arguments }, &stdin).map_err(|error| {
                let holders = holders.display();
                let wanted = "start watchbook-child.socket, or take --children out of what starts `watchbook run`";
                Error::other(format!("asking for a process with a user of its own at {holders}: {error}; {wanted}"))
            })?;
            self.running.insert(number, Running::Held { link, is_started: false });
            return Ok(None);
        }
        let child = command(known, &arguments).stdin(Stdio::from(stdin)).spawn().map_err(|error| {
            let replaced = "one that was put in its place since the start is run after the next start of Watchbook";
            match error.kind() {
                ErrorKind::PermissionDenied => Error::other(format!("{}: {error}; {replaced}", known.display())),
                _ => error,
            }
        })?;
        let process = child.id();
        self.running.insert(number, Running::Here(child));
        Ok(Some(process))
    }

    /// Waits for the children that have ended here, and says so.
    pub(crate) fn bury(&mut self) -> Vec<Word> {
        let ended = |child: &mut Child| child.try_wait().unwrap_or_else(|_| Some(ExitStatus::from_raw(0)));
        let gone: Vec<_> = self
            .running
            .iter_mut()
            .filter_map(|(number, child)| match child {
                Running::Here(child) => Some((*number, ended(child)?.into_raw())),
                Running::Held { .. } => None,
            })
            .collect();
        let told = gone.into_iter().map(|(number, status)| {
            self.running.remove(&number);
            Word::Ended { number, status }
        });
        told.collect()
    }

    /// Those of whom word may come, and where.
    pub(crate) fn held(&self) -> impl Iterator<Item = (u32, BorrowedFd<'_>)> {
        self.running.iter().filter_map(|(number, running)| match running {
            Running::Held { link, .. } => Some((*number, link.as_fd())),
            Running::Here(_) => None,
        })
    }

    /// Takes the next word of one that is held; `buffer` has room for a message.
    pub(crate) fn hear(&mut self, number: u32, buffer: &mut [u8]) -> Option<Word> {
        let Some(Running::Held { link, is_started }) = self.running.get_mut(&number) else { return None };
        let word = link.recv(buffer).and_then(|(length, _)| postcard::from_bytes(&buffer[..length]).map_err(bad));
        let word = match word {
            Ok(Word::Started { process, .. }) if !*is_started => {
                *is_started = true;
                return Some(Word::Started { number, process });
            }
            Ok(Word::Refused { errno, sentence, .. }) if !*is_started => Word::Refused { number, errno, sentence },
            Ok(Word::Ended { status, .. }) if *is_started => Word::Ended { number, status },
            // It is gone, or speaks nonsense and is given up, which ends what it holds.
            Ok(_) | Err(_) if *is_started => Word::Ended { number, status: KILLED },
            Ok(_) | Err(_) => {
                refused(number, &Error::other("whoever was to start it ended at once; see the system's log"))
            }
        };
        self.running.remove(&number);
        Some(word)
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            if let Running::Here(child) = child {
                // Both fail only when it has already ended. Who holds one ends it when the link does.
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

fn refused(number: u32, error: &Error) -> Word {
    Word::Refused { number, errno: error.raw_os_error(), sentence: error.to_string() }
}

fn bad(error: postcard::Error) -> Error {
    Error::new(ErrorKind::InvalidData, error)
}

/// Whoever listens there gets a child to hold.
fn ask(holders: &Path, order: &Order, stdin: &OwnedFd) -> Result<Link> {
    let link = Link::connect(holders)?;
    set_socket_timeout(&link, Timeout::Send, Some(SEND_MAX))?;
    say(&link, order, Some(stdin.as_fd()))?;
    Ok(link)
}

pub(crate) fn say<T: serde::Serialize>(link: &Link, what: &T, descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
    link.send(&postcard::to_stdvec(what).map_err(Error::other)?, descriptor)
}

/// The next order of whoever is at the other end.
pub(crate) fn next_order(link: &Link, buffer: &mut [u8]) -> Result<(Order, Option<OwnedFd>)> {
    let (length, descriptor) = link.recv(buffer)?;
    Ok((postcard::from_bytes(&buffer[..length]).map_err(bad)?, descriptor))
}

/// A child program with an empty environment and nothing to write to but standard error.
pub(crate) fn command<A: AsRef<std::ffi::OsStr>>(program: &Path, arguments: &[A]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().stdout(Stdio::null());
    command
}
