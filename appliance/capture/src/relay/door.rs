//! Who may come in through the relay's port on 127.0.0.1: retina, which knows the secret, and nobody else of this machine.
//!
//! All who knock are looked at at the same time, each for [`FIRST_WORD`] at most, so that none makes another wait. Of more than [`KNOCKING_MAX`] the one that has said nothing for longest
//! is let go: retina speaks as soon as it is connected. The secret is compared in a time that says nothing about it.

use bytes::BytesMut;
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// How long somebody who has connected may take for a first request.
const FIRST_WORD: Duration = Duration::from_secs(2);
/// Connections that are looked at at the same time.
const KNOCKING_MAX: usize = 32;
/// Longest first request: retina's has an address and two header lines. For all who knock together 512 KiB.
const REQUEST_BYTES_MAX: usize = 16 << 10;

/// Waits for whoever asks for an address that is `near`, or begins with it and a slash: gives the connection, and what was said on it.
///
/// # Errors
/// Nobody can be taken in any more.
pub(super) async fn admit(listener: &TcpListener, near: &str) -> io::Result<(TcpStream, BytesMut)> {
    let mut knocking = JoinSet::new();
    let mut oldest: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let stream = match accepted {
                    Ok((stream, _)) => stream,
                    // It was gone before we looked.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                    Err(error) => return Err(error),
                };
                oldest.retain(|task| !task.is_finished());
                if oldest.len() == KNOCKING_MAX
                    && let Some(task) = oldest.pop_front()
                {
                    task.abort();
                }
                let near = near.to_owned();
                let task = async move { timeout(FIRST_WORD, listen(stream, &near)).await.ok().flatten() };
                oldest.push_back(knocking.spawn(task));
            }
            Some(known) = knocking.join_next() => {
                if let Ok(Some((stream, first))) = known {
                    stream.set_nodelay(true)?;
                    return Ok((stream, first));
                }
            }
        }
    }
}

/// The connection and what came over it, when that is a request that knows the secret.
async fn listen(mut stream: TcpStream, near: &str) -> Option<(TcpStream, BytesMut)> {
    let mut first = BytesMut::with_capacity(REQUEST_BYTES_MAX);
    while !first.windows(4).any(|window| window == b"\r\n\r\n") {
        let came = (&mut stream).take((REQUEST_BYTES_MAX - first.len()) as u64).read_buf(&mut first).await.ok()?;
        if came == 0 {
            return None;
        }
    }
    knows(&first, near).then_some((stream, first))
}

/// Whether a request is for an address below `near`, compared in constant time.
fn knows(request: &[u8], near: &str) -> bool {
    let mut words = request.split(|byte| matches!(byte, b' ' | b'\r'));
    let Some(url) = words.nth(1) else { return false };
    let Some((place, rest)) = url.split_at_checked(near.len()) else { return false };
    let same = aws_lc_rs::constant_time::verify_slices_are_equal(place, near.as_bytes()).is_ok();
    same && matches!(rest.first(), None | Some(b'/' | b'?'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;
    use tokio::io::AsyncWriteExt as _;

    const NEAR: &str = "rtsp://127.0.0.1:9/0123456789abcdef";

    #[test]
    fn only_the_whole_secret_in_the_address_counts() {
        let request = |url: &str| format!("OPTIONS {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n");
        for url in [NEAR.to_owned(), format!("{NEAR}/"), format!("{NEAR}/main?x=1"), format!("{NEAR}?x")] {
            assert!(knows(request(&url).as_bytes(), NEAR), "{url}");
        }
        let short = &NEAR[..NEAR.len() - 1];
        for url in [short.to_owned(), format!("{short}0"), format!("{NEAR}0"), "/".into(), String::new()] {
            assert!(!knows(request(&url).as_bytes(), NEAR), "{url}");
        }
        let elsewhere = format!("OPTIONS rtsp://127.0.0.1:9/ RTSP/1.0\r\nX: {NEAR}\r\n\r\n");
        assert!(!knows(elsewhere.as_bytes(), NEAR), "in the address, not anywhere");
        assert!(!knows(b"", NEAR) && !knows(b"\r\n\r\n", NEAR));
    }

    #[tokio::test]
    async fn a_crowd_that_says_nothing_or_something_else_keeps_nobody_out() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let knock = async {
            let mut crowd = Vec::new();
            for number in 0..3 * KNOCKING_MAX {
                let mut stranger = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
                if number % 2 == 0 {
                    // One that was let go already hears an error.
                    let _ = stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
                }
                crowd.push(stranger);
            }
            let mut reader = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
            reader.write_all(format!("OPTIONS {NEAR} RTSP/1.0\r\n\r\n").as_bytes()).await.unwrap();
            (crowd, reader)
        };
        let (admitted, (mut crowd, reader)) = tokio::join!(admit(&listener, NEAR), knock);
        let (stream, first) = admitted.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), reader.local_addr().unwrap());
        assert!(first.starts_with(b"OPTIONS"));
        for stranger in &mut crowd {
            assert_eq!(stranger.read(&mut [0; 8]).await.unwrap_or(0), 0, "it is let go without a word");
        }
    }
}
