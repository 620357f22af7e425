//! A child program for one piece of work: started with a link, spoken to by one thread, ended when the value is dropped. It is not started again.

use crate::Error;
use crate::answers::Answers;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use std::io::ErrorKind;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use watchbook_base::Kind;
use watchbook_base::link::{Link, MESSAGE_BYTES_MAX};
use watchbook_starter::Process;

/// How long a message may wait for a child that reads nothing.
const SEND_MAX: Duration = Duration::from_secs(60);

/// A running child.
#[derive(Debug)]
pub struct Once {
    name: String,
    process: Process,
    link: Arc<Link>,
    buffer: Vec<u8>,
}

/// Ends a child from another thread: whoever waits for it gets [`Kind::Unavailable`].
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Link>);

impl Stopper {
    /// Ends it. It may have ended already.
    pub fn stop(&self) {
        // A link that is gone already is what we want.
        let _ = rustix::net::shutdown(self.0.as_ref(), rustix::net::Shutdown::Both);
    }
}

impl Once {
    /// Starts `program` with these arguments, one end of a link as its standard input and an empty environment.
    ///
    /// # Errors
    /// The operating system's, when it cannot be started.
    pub fn spawn(program: &Path, arguments: &[&str]) -> Result<Self, Error> {
        let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        let attempt = || -> std::io::Result<(Process, Link)> {
            let (ours, theirs) = Link::pair()?;
            set_socket_timeout(&ours, Timeout::Send, Some(SEND_MAX))?;
            let process = watchbook_starter::spawn(program, arguments, theirs)?;
            Ok((process, ours))
        };
        let (process, link) = attempt().map_err(|error| Error::io(format!("starting {}", program.display()), error))?;
        Ok(Self { name, process, link: Arc::new(link), buffer: vec![0; MESSAGE_BYTES_MAX] })
    }

    /// What ends it from another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.link))
    }

    /// Process id, for fault tests.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends one message and waits for room.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the child is gone; [`Kind::Timeout`] when it reads nothing.
    pub fn send(&mut self, payload: &[u8], descriptor: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        match self.link.send(payload, descriptor) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(self.silent(SEND_MAX)),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(self.ended()),
            sent => sent.map_err(|error| Error::io(format!("speaking to {}", self.name), error)),
        }
    }

    /// Waits for one message.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the child is gone, with how it ended; [`Kind::Timeout`] when nothing comes for `patience`; [`Kind::Corrupt`] when what
    /// comes is no message.
    pub fn recv(&mut self, patience: Duration) -> Result<(&[u8], Option<OwnedFd>), Error> {
        self.recv_within(patience, patience)
    }

    /// The same for what is left of the patience with its answers; an error names the whole of it.
    ///
    /// # Errors
    /// As [`Once::recv`].
    pub(crate) fn answer(&mut self, answers: &Answers) -> Result<(&[u8], Option<OwnedFd>), Error> {
        self.recv_within(answers.left(), answers.patience())
    }

    fn recv_within(&mut self, left: Duration, patience: Duration) -> Result<(&[u8], Option<OwnedFd>), Error> {
        let doing = format!("reading what {} says", self.name);
        set_socket_timeout(&self.link, Timeout::Recv, Some(left))
            .map_err(|error| Error::io(doing.clone(), error.into()))?;
        match self.link.recv(&mut self.buffer) {
            Ok((length, descriptor)) => Ok((&self.buffer[..length], descriptor)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(self.silent(patience)),
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                Err(self.ended())
            }
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Err(Error::new(Kind::Corrupt, format!("{doing}: {error}")))
            }
            Err(error) => Err(Error::io(doing, error)),
        }
    }

    fn silent(&self, patience: Duration) -> Error {
        Error::new(Kind::Timeout, format!("{} brought nothing for {} s", self.name, patience.as_secs()))
    }

    fn ended(&mut self) -> Error {
        // It may be alive still, with a link that is broken; one that is dead keeps how it ended.
        let _ = self.process.kill();
        let status = self.process.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        Error::new(Kind::Unavailable, format!("{} ended before its work was done ({status})", self.name))
    }
}

impl Drop for Once {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
pub(crate) mod double {
    //! A child that says what a test has it say.

    use super::*;
    use crate::message::encode;
    use serde::Serialize;

    /// One that says this so often, and is gone then. It reads nothing.
    pub(crate) fn that_says<T: Serialize>(word: &T, times: u32) -> Once {
        let (ours, theirs) = Link::pair().unwrap();
        let payload = encode(word).unwrap();
        // Ends when everything is said, or when nobody listens any more.
        std::thread::spawn(move || (0..times).try_for_each(|_| theirs.send(&payload, None)));
        silent(ours)
    }

    /// One at the other end of this link.
    fn silent(link: Link) -> Once {
        let (_, nobody) = Link::pair().unwrap();
        let process = watchbook_starter::spawn(Path::new("true"), &[], nobody).unwrap();
        Once { name: "a double".to_owned(), process, link: Arc::new(link), buffer: vec![0; MESSAGE_BYTES_MAX] }
    }

    #[test]
    fn who_says_nothing_is_told_with_the_whole_patience() {
        let (ours, _theirs) = Link::pair().unwrap();
        let mut child = silent(ours);
        let answers = Answers::new(Duration::from_secs(60)).begun_before(Duration::from_secs(61));
        let error = child.answer(&answers).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Timeout, "a double brought nothing for 60 s"));
    }
}
