//! The link between the recorder and a child program: whole messages over a `SOCK_SEQPACKET` socket pair, each with at most one descriptor.
//!
//! A message on the wire is one version byte ([`VERSION`]) and 0 to [`MESSAGE_BYTES_MAX`] bytes of payload. The kernel keeps message borders, so there
//! is no framing to get wrong. Bulk bytes never travel in messages: they go as a sealed memory file (see [`crate::memfd`]) beside one.
//!
//! The child finds its end as descriptor 0 (`Command::stdin(link.into_stdio())`); both ends are close-on-exec, so nothing else inherits them, and the
//! end of either process is an end of file on the other side.

use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recvmsg, sendmsg, socket_with,
    socketpair,
};
use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;

/// First byte of every message. Both programs come from one build; a difference means that one of them is a leftover.
pub const VERSION: u8 = 1;
/// Payload of one message. The largest honest one is a plugin's settings (16 KiB) with its zones (32 zones × 64 points × 10 bytes = 20 KiB), or 64 marks
/// (16 KiB); a quarter of the kernel's default socket buffer (208 KiB) holds one message of this size with its bookkeeping.
pub const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// One end of a link. Sending and receiving take `&self`: the kernel makes each message atomic, so threads may share an end.
#[derive(Debug)]
pub struct Link {
    socket: OwnedFd,
}

impl Link {
    /// Both ends of a new link, close-on-exec.
    ///
    /// # Errors
    /// The operating system's, when descriptors run out.
    pub fn pair() -> Result<(Self, Self)> {
        let (here, there) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self { socket: here }, Self { socket: there }))
    }

    /// An end whose other side whoever listens at that path gets, close-on-exec.
    ///
    /// # Errors
    /// The operating system's: nobody listens there, or not to this process; a path that is too long for unix(7).
    pub fn connect(path: &Path) -> Result<Self> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(Self { socket })
    }

    /// The child's end, taken from descriptor 0. Descriptor 0 itself stays open, so that no later file gets that number.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when descriptor 0 is not such a socket, as when somebody starts the child by hand.
    pub fn from_stdin() -> Result<Self> {
        let stdin = std::io::stdin();
        let wrong = |_: Errno| {
            Error::new(
                ErrorKind::InvalidInput,
                "standard input is not a Watchbook link; `watchbook run` starts this program",
            )
        };
        if rustix::net::sockopt::socket_type(&stdin).map_err(wrong)? != SocketType::SEQPACKET {
            return Err(wrong(Errno::INVAL));
        }
        Ok(Self { socket: rustix::io::fcntl_dupfd_cloexec(&stdin, 3)? })
    }

    /// This end as a child's standard input.
    #[must_use]
    pub fn into_stdio(self) -> Stdio {
        Stdio::from(self.socket)
    }

    /// Sends one message and waits while the other side's buffer is full.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a payload over [`MESSAGE_BYTES_MAX`]; [`ErrorKind::BrokenPipe`] when the other side is gone.
    pub fn send(&self, payload: &[u8], descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
        self.send_with(payload, descriptor, SendFlags::empty())
    }

    /// Sends one message unless that would wait.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] when the other side's buffer, or the number of descriptors on their way, is full; else as [`Link::send`].
    pub fn try_send(&self, payload: &[u8], descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
        self.send_with(payload, descriptor, SendFlags::DONTWAIT)
    }

    fn send_with(&self, payload: &[u8], descriptor: Option<BorrowedFd<'_>>, flags: SendFlags) -> Result<()> {
        if payload.len() > MESSAGE_BYTES_MAX {
            let sentence = format!("a message of {} bytes; at most {MESSAGE_BYTES_MAX} are allowed", payload.len());
            return Err(Error::new(ErrorKind::InvalidInput, sentence));
        }
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if let Some(descriptor) = &descriptor {
            control.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(descriptor)));
        }
        let parts = [IoSlice::new(&[VERSION]), IoSlice::new(payload)];
        loop {
            match sendmsg(&self.socket, &parts, &mut control, flags | SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                // unix(7): ETOOMANYREFS means more descriptors in flight than the process may open. It passes when the other side reads.
                Err(Errno::TOOMANYREFS) => return Err(ErrorKind::WouldBlock.into()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Waits for one message, writes its payload to the front of `buffer` (which should hold [`MESSAGE_BYTES_MAX`]) and returns its length and descriptor.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] when the other side is gone; [`ErrorKind::InvalidData`] for another version, for a payload larger than
    /// `buffer`, and for more than one descriptor. A link that gave an error should be dropped.
    pub fn recv(&self, buffer: &mut [u8]) -> Result<(usize, Option<OwnedFd>)> {
        let bad = |sentence: String| Error::new(ErrorKind::InvalidData, sentence);
        let mut version = [0];
        // Room for two, so that a sender who breaks the rule is seen; what does not fit is closed by the kernel.
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(2))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let capacity = buffer.len();
        let received = loop {
            let mut parts = [IoSliceMut::new(&mut version), IoSliceMut::new(buffer)];
            match recvmsg(&self.socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => {}
                done => break done?,
            }
        };
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if received.bytes == 0 {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the other side of the link is gone"));
        }
        if version != [VERSION] {
            return Err(bad(format!("link version {}; this program speaks {VERSION}", version[0])));
        }
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Err(bad(format!("a message larger than {capacity} bytes")));
        }
        if received.flags.contains(ReturnFlags::CTRUNC) || descriptors.len() > 1 {
            return Err(bad("a message with more than one descriptor, or no room to open it".to_owned()));
        }
        Ok((received.bytes - 1, descriptors.pop()))
    }
}

impl From<OwnedFd> for Link {
    /// An end that came over another link. What is no such socket gives errors when it is used.
    fn from(socket: OwnedFd) -> Self {
        Self { socket }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memfd;

    fn recv(link: &Link) -> Result<(Vec<u8>, Option<OwnedFd>)> {
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        let (length, descriptor) = link.recv(&mut buffer)?;
        buffer.truncate(length);
        Ok((buffer, descriptor))
    }

    #[test]
    fn messages_keep_their_borders_and_carry_a_descriptor() {
        let (here, there) = Link::pair().unwrap();
        let file = memfd::seal("test", b"pictures").unwrap();
        here.send(b"first", None).unwrap();
        here.send(b"", Some(file.as_fd())).unwrap();
        here.send(&vec![7; MESSAGE_BYTES_MAX], None).unwrap();
        let (first, none) = recv(&there).unwrap();
        assert_eq!((first.as_slice(), none.is_none()), (b"first".as_slice(), true));
        let (empty, file) = recv(&there).unwrap();
        assert!(empty.is_empty());
        assert_eq!(memfd::read(file.unwrap().as_fd(), 8).unwrap(), b"pictures");
        assert_eq!(recv(&there).unwrap().0, vec![7; MESSAGE_BYTES_MAX]);
    }

    #[test]
    fn both_ends_and_what_they_carry_close_on_exec() {
        let (here, there) = Link::pair().unwrap();
        here.send(b"", Some(memfd::seal("test", b"x").unwrap().as_fd())).unwrap();
        let carried = recv(&there).unwrap().1.unwrap();
        for descriptor in [here.as_fd(), there.as_fd(), carried.as_fd()] {
            assert!(rustix::io::fcntl_getfd(descriptor).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        }
    }

    #[test]
    fn a_full_buffer_refuses_instead_of_waiting_and_a_dead_side_is_seen() {
        let (here, there) = Link::pair().unwrap();
        let payload = vec![0; 10_000];
        let mut sent = 0;
        let full = loop {
            match here.try_send(&payload, None) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 10_000, "the socket buffer has no end");
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        for _ in 0..sent {
            assert_eq!(recv(&there).unwrap().0.len(), payload.len());
        }
        drop(here);
        assert_eq!(recv(&there).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(there.send(b"x", None).unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn oversize_foreign_and_greedy_messages_are_refused() {
        let (here, there) = Link::pair().unwrap();
        assert_eq!(here.send(&vec![0; MESSAGE_BYTES_MAX + 1], None).unwrap_err().kind(), ErrorKind::InvalidInput);
        here.send(b"more than four", None).unwrap();
        assert_eq!(there.recv(&mut [0; 4]).unwrap_err().kind(), ErrorKind::InvalidData);

        rustix::net::send(&here, &[VERSION + 1, 0], SendFlags::empty()).unwrap();
        assert!(recv(&there).unwrap_err().to_string().contains("version 2"));

        let file = memfd::seal("test", b"x").unwrap();
        let three = [file.as_fd(), file.as_fd(), file.as_fd()];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(3))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&three)));
        sendmsg(&here, &[IoSlice::new(&[VERSION])], &mut control, SendFlags::empty()).unwrap();
        assert_eq!(recv(&there).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
