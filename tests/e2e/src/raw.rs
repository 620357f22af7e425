//! Bytes on a socket, for requests that no client would send.

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

/// Bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// One connection to the page's port.
pub struct Raw(TcpStream);

impl Raw {
    /// A connection to `authority`, whose reads wait for `patience`.
    ///
    /// # Panics
    /// When it is not made.
    pub fn open(authority: &str, patience: Duration) -> Self {
        Self::from(Ipv4Addr::LOCALHOST, authority, patience)
    }

    /// The same from another address of the loopback: to the recorder another machine.
    ///
    /// # Panics
    /// When it is not made.
    pub fn from(address: Ipv4Addr, authority: &str, patience: Duration) -> Self {
        let to: SocketAddrV4 = authority.parse().expect("an IPv4 address and a port");
        let fd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("the kernel has sockets");
        bind(&fd, &SocketAddrV4::new(address, 0)).expect("all of 127/8 is this machine");
        connect(&fd, &to).unwrap_or_else(|error| panic!("connecting to {authority}: {error}"));
        let stream = TcpStream::from(fd);
        stream.set_read_timeout(Some(patience)).expect("the patience is not zero");
        Self(stream)
    }

    /// Sends; an error means that the recorder has closed, which whoever reads then sees.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// The head of one answer; what came when the connection ended before.
    pub fn head(&mut self) -> String {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && head.len() < 64 << 10 {
            match self.0.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => break,
            }
        }
        String::from_utf8_lossy(&head).into_owned()
    }

    /// Everything until the recorder closes, and whether it did.
    pub fn rest(&mut self) -> (String, bool) {
        let mut all = Vec::new();
        let ended = (&mut self.0).take(ANSWER_BYTES_MAX).read_to_end(&mut all);
        // A reset is an end too; what comes after the patience is none.
        let closed = match ended {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        };
        (String::from_utf8_lossy(&all).into_owned(), closed)
    }

    /// The body that follows a head with its length.
    pub fn body_of(&mut self, head: &str) -> String {
        let lower = head.to_ascii_lowercase();
        let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        let read = self.0.read_exact(&mut body);
        read.map(|()| String::from_utf8_lossy(&body).into_owned()).unwrap_or_default()
    }

    /// Reads until these bytes have come; false when they do not come in time.
    pub fn comes(&mut self, wanted: &[u8]) -> bool {
        let (mut all, mut bytes) = (Vec::new(), [0; 65_536]);
        while !all.windows(wanted.len()).any(|part| part == wanted) {
            match self.0.read(&mut bytes) {
                Ok(count @ 1..) if all.len() < 64 << 20 => all.extend_from_slice(&bytes[..count]),
                _ => return false,
            }
        }
        true
    }

    /// Reads without waiting; true when the recorder has closed.
    ///
    /// # Panics
    /// When the socket takes no setting.
    pub fn is_closed(&mut self) -> bool {
        self.0.set_nonblocking(true).expect("a socket can be told");
        let mut bytes = [0; 4096];
        loop {
            match self.0.read(&mut bytes) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
            }
        }
    }
}

/// Status of an answer's head; 0 where there is none.
#[must_use]
pub fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}
