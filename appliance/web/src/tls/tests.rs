//! What a connection is, and how long one may say nothing. Whole handshakes with clients of others are in `tests/e2e/tests/e2e/tls.rs`.

use super::*;
use core::net::IpAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server of TLS that never gets as far as its certificate.
struct Nobody;

impl rustls::server::ResolvesServerCert for Nobody {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }
}

impl core::fmt::Debug for Nobody {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Nobody")
    }
}

fn tls() -> Tls {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Tls::new(Arc::new(config.with_no_client_auth().with_cert_resolver(Arc::new(Nobody))))
}

/// Both ends of a connection over the loopback.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

#[test]
fn plain_http_is_served_where_it_does_not_leave_the_machine() {
    for (first, ends_at, expected) in [
        (0x16, "192.0.2.2", Meaning::Tls),
        (0x16, "127.0.0.1", Meaning::Tls),
        (b'G', "127.0.0.1", Meaning::Plain),
        (b'P', "127.9.9.9", Meaning::Plain),
        (b'G', "::1", Meaning::Plain),
        (b'G', "::ffff:127.0.0.1", Meaning::Plain),
        (b'G', "192.0.2.2", Meaning::Elsewhere),
        (b'G', "::ffff:192.0.2.2", Meaning::Elsewhere),
        (b'D', "fd00::2", Meaning::Elsewhere),
        (0x80, "127.0.0.1", Meaning::Garbage),
        (0, "192.0.2.2", Meaning::Garbage),
        (b'g', "127.0.0.1", Meaning::Garbage),
        (b'\n', "192.0.2.2", Meaning::Garbage),
    ] {
        let end: IpAddr = ends_at.parse().unwrap();
        assert_eq!(meaning(first, [end, end]), expected, "{first:#x} {ends_at}");
    }
    // As a router with a rule for the loopback hands it over.
    let [here, there] = ["127.0.0.1", "192.0.2.77"].map(|text| text.parse::<IpAddr>().unwrap());
    assert_eq!(meaning(b'G', [here, there]), Meaning::Elsewhere);
    assert_eq!(meaning(b'G', [there, here]), Meaning::Elsewhere);
}

#[tokio::test(start_paused = true)]
async fn whoever_says_nothing_or_half_a_handshake_is_closed_and_counted() {
    let tls = tls();
    // The first bytes of a record with a handshake of 512 bytes, of which none come.
    for said in [&b""[..], &[0x16, 3, 1, 2, 0]] {
        let (mut client, server) = pair().await;
        client.write_all(said).await.unwrap();
        let began = tokio::time::Instant::now();
        assert!(matches!(tls.welcome(server).await, Welcomed::Refused));
        assert_eq!(began.elapsed().as_secs(), HANDSHAKE_TIMEOUT.as_secs());
        // Nothing, or a reset where bytes were left unread: it is closed in either case.
        assert!(!matches!(client.read(&mut [0; 1]).await, Ok(1..)));
    }
    assert_eq!(tls.counts(), TlsCounts { slow: 2, ..TlsCounts::default() });
}

#[tokio::test]
async fn what_is_neither_tls_nor_http_is_closed_at_once_and_counted() {
    let tls = tls();
    let (mut client, server) = pair().await;
    client.write_all(b"\x00\x00\x00").await.unwrap();
    assert!(matches!(tls.welcome(server).await, Welcomed::Refused));
    let (mut client, server) = pair().await;
    // A whole record with a ClientHello of no bytes.
    client.write_all(b"\x16\x03\x01\x00\x04\x01\x00\x00\x00").await.unwrap();
    assert!(matches!(tls.welcome(server).await, Welcomed::Refused));
    assert_eq!(tls.counts(), TlsCounts { garbage: 1, failed: 1, ..TlsCounts::default() });
}

#[test]
fn browsers_are_told_to_be_strict_when_somebody_says_so() {
    let tls = tls();
    assert_eq!(tls.strict_s(), None);
    tls.set_strict(Some(60));
    assert_eq!(tls.clone().strict_s(), Some(60));
    tls.set_strict(Some(0));
    assert_eq!(tls.strict_s(), Some(0), "which takes it back");
    tls.set_strict(None);
    assert_eq!(tls.strict_s(), None);
}
