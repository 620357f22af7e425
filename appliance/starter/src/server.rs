//! The process that starts: one thread, a recorder, its child programs.

use crate::children::{Children, SEND_MAX, next_order, say};
use crate::{BEGIN_AGAIN, Word};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::{flag, low_level::pipe};
use std::ffi::OsString;
use std::io::{Error, Read as _, Result};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use watchbook_base::link::{Link, MESSAGE_BYTES_MAX};

/// What is started.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The recorder's program.
    pub recorder: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The child programs that it may have; each is known by the name of its file.
    pub programs: Vec<PathBuf>,
    /// The socket of whoever starts child programs under users of their own ([`hold`]); `None`: they have the user of this process.
    pub holders: Option<PathBuf>,
}

/// Runs the recorder, and child programs for it, until it ends otherwise than with [`BEGIN_AGAIN`]. SIGINT and SIGTERM are handed on to it as SIGTERM.
///
/// # Errors
/// The operating system's, when the recorder cannot be started.
pub fn run(plan: &Plan) -> Result<ExitStatus> {
    let signals = Signals::listen()?;
    loop {
        let ended = Recorder::start(plan)?.serve(&signals)?;
        // Told to stop, it does, whatever it wanted before; and one that was told before it could listen has done so, too.
        let told = signals.stop.load(Ordering::SeqCst);
        if told && (ended.signal() == Some(SIGTERM) || ended.code() == Some(BEGIN_AGAIN.into())) {
            return Ok(ExitStatus::from_raw(0));
        }
        if ended.code() != Some(BEGIN_AGAIN.into()) {
            return Ok(ended);
        }
    }
}

/// Starts a child program for whoever is at the other end of standard input, which is a connection to [`Plan::holders`], and tells of it. The program's end, or that of the
/// connection, is that of this process.
///
/// # Errors
/// Standard input is no such connection; the operating system's.
pub fn hold(programs: Vec<PathBuf>) -> Result<()> {
    let link = Link::from_stdin()?;
    set_socket_timeout(&link, Timeout::Send, Some(SEND_MAX))?;
    let signals = Signals::listen()?;
    let (mut children, mut buffer) = (Children::new(programs, None), vec![0; MESSAGE_BYTES_MAX]);
    loop {
        if let Some(ended) = children.bury().first() {
            return say(&link, ended, None);
        }
        if signals.stop.load(Ordering::SeqCst) {
            return Ok(());
        }
        let ready = wait(&signals, std::iter::once(((), link.as_fd())))?;
        if !ready.is_empty() {
            let Ok((order, descriptor)) = next_order(&link, &mut buffer) else { return Ok(()) };
            let Some(word) = children.obey(order, descriptor) else { continue };
            say(&link, &word, None)?;
            if matches!(word, Word::Refused { .. }) {
                return Ok(());
            }
        }
    }
}

/// Waits for something to do; those who say something.
fn wait<'a, T>(signals: &Signals, of: impl Iterator<Item = (T, BorrowedFd<'a>)>) -> Result<Vec<T>> {
    let (who, links): (Vec<T>, Vec<BorrowedFd<'_>>) = of.unzip();
    let mut ready = vec![PollFd::new(&signals.wake, PollFlags::IN)];
    ready.extend(links.into_iter().map(|link| PollFd::from_borrowed_fd(link, PollFlags::IN)));
    match poll(&mut ready, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let says: Vec<bool> = ready.iter().skip(1).map(|link| !link.revents().is_empty()).collect();
    signals.forget_wakes();
    Ok(who.into_iter().zip(says).filter_map(|(one, says)| says.then_some(one)).collect())
}

/// Signals, as something to wait for.
struct Signals {
    wake: UnixStream,
    /// There was one that asks for the end.
    stop: Arc<AtomicBool>,
}

impl Signals {
    fn listen() -> Result<Self> {
        let (wake, told) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register(signal, Arc::clone(&stop))?;
        }
        // After the flags: who is woken sees them.
        for signal in [SIGINT, SIGTERM, SIGCHLD] {
            pipe::register(signal, told.try_clone()?)?;
        }
        Ok(Self { wake, stop })
    }

    fn forget_wakes(&self) {
        let mut bytes = [0; 64];
        while (&self.wake).read(&mut bytes).is_ok_and(|read| read > 0) {}
    }
}

/// A recorder and what was started for it. Dropped, all of it has ended.
struct Recorder {
    process: Child,
    /// `None` after it broke.
    link: Option<Link>,
    children: Children,
    told_to_stop: bool,
}

impl Recorder {
    fn start(plan: &Plan) -> Result<Self> {
        let (link, theirs) = Link::pair()?;
        set_socket_timeout(&link, Timeout::Send, Some(SEND_MAX))?;
        let process = Command::new(&plan.recorder)
            .args(&plan.arguments)
            .stdin(theirs.into_stdio())
            .spawn()
            .map_err(|error| Error::new(error.kind(), format!("starting {}: {error}", plan.recorder.display())))?;
        let children = Children::new(plan.programs.clone(), plan.holders.clone());
        Ok(Self { process, link: Some(link), children, told_to_stop: false })
    }

    fn serve(mut self, signals: &Signals) -> Result<ExitStatus> {
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            if signals.stop.load(Ordering::SeqCst) && !self.told_to_stop {
                self.told_to_stop = true;
                self.ask_to_stop();
            }
            for ended in self.children.bury() {
                self.say(&ended);
            }
            let recorder = self.link.as_ref().map(|link| (None, link.as_fd()));
            let held = self.children.held().map(|(number, link)| (Some(number), link));
            for who in wait(signals, recorder.into_iter().chain(held))? {
                match who {
                    None => self.obey(&mut buffer),
                    Some(number) => {
                        if let Some(word) = self.children.hear(number, &mut buffer) {
                            self.say(&word);
                        }
                    }
                }
            }
        }
    }

    fn ask_to_stop(&self) {
        let process = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        // It fails when it has ended, which is what was wanted.
        let _ = process.map(|process| kill_process(process, Signal::TERM));
    }

    /// Does what the recorder asks for next. A broken link is the recorder's end.
    fn obey(&mut self, buffer: &mut [u8]) {
        let Some(link) = &self.link else { return };
        match next_order(link, buffer) {
            Ok((order, descriptor)) => {
                if let Some(word) = self.children.obey(order, descriptor) {
                    self.say(&word);
                }
            }
            Err(_) => self.break_off(),
        }
    }

    fn say(&mut self, word: &Word) {
        let said = self.link.as_ref().map(|link| say(link, word, None));
        if said.is_some_and(|said| said.is_err()) {
            self.break_off();
        }
    }

    /// A recorder that speaks nonsense or does not listen is ended; one that is ending has closed its side already.
    fn break_off(&mut self) {
        self.link = None;
        if !self.told_to_stop {
            // It fails when it has ended, which is what was wanted.
            let _ = self.process.kill();
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
