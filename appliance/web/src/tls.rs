//! TLS on the page's own port.
//!
//! The first byte of a connection says what it is: a TLS handshake begins with 0x16 (RFC 8446 §5.1), a request with a capital letter (the methods of HTTP). So there is one port, and no
//! address that people know becomes another one. Plain HTTP is served where the connection ends on the loopback, because what stays in the machine can be read by nobody else; everywhere else it
//! gets one answer, which leads to the same address over TLS.

pub(crate) mod redirect;
#[cfg(test)]
mod tests;

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// First byte and handshake must have come by then: three round trips over a bad line. Handshakes at once are bounded by the connections at once, of which each address has few; a lower bound of
/// their own could be filled by three machines, and nobody else would get in.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Type of a TLS record with a handshake.
const HANDSHAKE: u8 = 0x16;
/// No browser is told anything about strictness.
const SAY_NOTHING: u32 = u32::MAX;

/// How a request came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Over {
    /// In the open.
    #[default]
    Plain,
    /// Encrypted.
    Tls,
}

/// Connections that came to nothing since the start, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsCounts {
    /// The handshake failed: a browser that does not trust the certificate, a version of TLS that is broken.
    pub failed: u64,
    /// Nothing, or too little, came in time.
    pub slow: u64,
    /// What came was neither TLS nor HTTP.
    pub garbage: u64,
    /// Plain HTTP over the network, which was sent on to TLS.
    pub sent_on: u64,
}

/// TLS for the page. Clones share everything.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    acceptor: TlsAcceptor,
    strict_s: AtomicU32,
    failed: AtomicU64,
    slow: AtomicU64,
    garbage: AtomicU64,
    sent_on: AtomicU64,
}

/// What a connection turned out to be.
#[derive(Debug)]
pub(crate) enum Welcomed {
    Tls(Box<TlsStream<TcpStream>>),
    /// Plain HTTP that does not leave the machine.
    Plain(TcpStream),
    /// Plain HTTP over the network.
    Elsewhere(TcpStream),
    Refused,
}

impl Tls {
    /// With the certificate of `config`, which may change while it is used.
    #[must_use]
    pub fn new(config: Arc<rustls::ServerConfig>) -> Self {
        let acceptor = TlsAcceptor::from(config);
        let count = AtomicU64::default;
        let (strict_s, failed, slow) = (AtomicU32::new(SAY_NOTHING), count(), count());
        Self(Arc::new(Inner { acceptor, strict_s, failed, slow, garbage: count(), sent_on: count() }))
    }

    /// Browsers that come from now on are told to use nothing but TLS for so many seconds; 0 takes it back, `None` says nothing.
    pub fn set_strict(&self, seconds: Option<u32>) {
        self.0.strict_s.store(seconds.unwrap_or(SAY_NOTHING), Ordering::Relaxed);
    }

    pub(crate) fn strict_s(&self) -> Option<u32> {
        Some(self.0.strict_s.load(Ordering::Relaxed)).filter(|seconds| *seconds != SAY_NOTHING)
    }

    /// Connections that came to nothing.
    #[must_use]
    pub fn counts(&self) -> TlsCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Inner { failed, slow, garbage, sent_on, .. } = &*self.0;
        TlsCounts { failed: read(failed), slow: read(slow), garbage: read(garbage), sent_on: read(sent_on) }
    }

    /// Waits for what it is, and shakes hands; at most [`HANDSHAKE_TIMEOUT`].
    pub(crate) async fn welcome(&self, stream: TcpStream) -> Welcomed {
        match timeout(HANDSHAKE_TIMEOUT, self.told_apart(stream)).await {
            Ok(welcomed) => welcomed,
            Err(_) => {
                self.count(&self.0.slow);
                Welcomed::Refused
            }
        }
    }

    async fn told_apart(&self, stream: TcpStream) -> Welcomed {
        let mut first = [0; 1];
        let ends = stream.local_addr().and_then(|to| Ok([to.ip(), stream.peer_addr()?.ip()]));
        let (Ok(1), Ok(ends)) = (stream.peek(&mut first).await, ends) else {
            // Closed before it said anything, as browsers do with connections that they made in advance.
            return Welcomed::Refused;
        };
        match meaning(first[0], ends) {
            Meaning::Tls => match self.0.acceptor.accept(stream).await {
                Ok(stream) => Welcomed::Tls(Box::new(stream)),
                Err(error) => {
                    self.count(&self.0.failed);
                    tracing::debug!(%error, "a TLS handshake failed");
                    Welcomed::Refused
                }
            },
            Meaning::Plain => Welcomed::Plain(stream),
            Meaning::Elsewhere => {
                self.count(&self.0.sent_on);
                Welcomed::Elsewhere(stream)
            }
            Meaning::Garbage => {
                self.count(&self.0.garbage);
                Welcomed::Refused
            }
        }
    }

    fn count(&self, count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl core::fmt::Debug for Tls {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Tls").field(&self.counts()).finish()
    }
}

/// What a connection is, by its first byte and by where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Tls,
    Plain,
    Elsewhere,
    Garbage,
}

/// Both ends count: a router can send what comes from the network to an address of the loopback, and does not change where it came from.
fn meaning(first: u8, ends: [IpAddr; 2]) -> Meaning {
    match first {
        HANDSHAKE => Meaning::Tls,
        b'A'..=b'Z' if ends.iter().all(|end| end.to_canonical().is_loopback()) => Meaning::Plain,
        b'A'..=b'Z' => Meaning::Elsewhere,
        _ => Meaning::Garbage,
    }
}
