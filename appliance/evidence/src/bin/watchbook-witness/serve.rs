//! `watchbook-witness serve`: the same witness for logs that push their checkpoints (C2SP tlog-witness, `POST …/add-checkpoint`). HTTP/1.1, one request a connection; whoever wants TLS puts a proxy in
//! front of it.

use crate::state::State;
use crate::{Failure, files, judge, usage};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use watchbook_evidence::witness::{REQUEST_BYTES_MAX, Witness};

/// Requests that are being read or answered; more are told to come again.
const CONNECTIONS_MAX: usize = 16;
/// A request must have arrived, and its answer be taken, by then: 70 KiB at 7 kB/s.
const DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// Header fields of a request.
const HEADERS_MAX: usize = 64;
/// A pause after `accept` failed, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const TEXT: &str = "text/plain; charset=utf-8";

/// With which status and sentence something is no request.
type Refused = (u16, &'static str);

struct Server {
    state: State,
    witness: Witness,
    /// Nobody else may judge in between.
    judging: Mutex<()>,
    open: AtomicUsize,
}

/// Goes on until it is killed.
pub(crate) fn serve(dir: &Path, key: &Path, listen: &str) -> Result<String, Failure> {
    let listen: SocketAddr = listen
        .parse()
        .map_err(|_| usage(format!("--listen {listen} is no address and port such as 127.0.0.1:8090")))?;
    let (state, witness) = crate::witness(dir, key)?;
    let told = |error: std::io::Error| files(format!("listening on {listen}: {error}"));
    let listener = TcpListener::bind(listen).map_err(told)?;
    crate::cli::say(&format!(
        "{} listens on http://{}\n",
        witness.key.verifier().name(),
        listener.local_addr().map_err(told)?
    ));
    let server = Arc::new(Server { state, witness, judging: Mutex::new(()), open: AtomicUsize::new(0) });
    loop {
        let Ok((stream, peer)) = listener.accept() else {
            std::thread::sleep(ACCEPT_PAUSE);
            continue;
        };
        let place = Place::take(&server);
        let answer = move || match place {
            Some(place) => place.0.answer(stream),
            None => send(stream, 503, TEXT, "this witness is busy; come again\n"),
        };
        // A thread that cannot be had drops the connection: the log comes again.
        let _ = std::thread::Builder::new().name(format!("witness {peer}")).spawn(answer);
    }
}

/// One of [`CONNECTIONS_MAX`].
struct Place(Arc<Server>);

impl Place {
    fn take(server: &Arc<Server>) -> Option<Self> {
        let place = Self(Arc::clone(server));
        (server.open.fetch_add(1, Ordering::SeqCst) < CONNECTIONS_MAX).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Server {
    fn answer(&self, mut stream: TcpStream) {
        match read(&mut stream) {
            Err((status, why)) => send(stream, status, TEXT, why),
            Ok(body) => {
                let judged = {
                    let _one = self.judging.lock().unwrap_or_else(PoisonError::into_inner);
                    judge(&self.state, &self.witness, &body)
                };
                match judged {
                    Ok((answer, lost)) => {
                        let told = format!("{answer}{}\n", lost.map_or(String::new(), |lost| format!("; {lost}")));
                        crate::cli::say(&watchbook_evidence::bundle::verdict::plain(told.trim_end()));
                        crate::cli::say("\n");
                        send(stream, answer.status(), answer.content_type(), &answer.body());
                    }
                    Err(why) => {
                        crate::cli::say(&format!("{}\n", watchbook_evidence::bundle::verdict::plain(&why)));
                        send(stream, 500, TEXT, "this witness cannot read or write its state\n");
                    }
                }
            }
        }
    }
}

/// Bytes until the deadline.
fn more(stream: &mut TcpStream, until: Instant, into: &mut Vec<u8>, most: usize) -> Result<usize, Refused> {
    let late = (408, "the request did not arrive in time\n");
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(late);
    }
    let broken = (400, "the request broke off\n");
    stream.set_read_timeout(Some(left)).map_err(|_| broken)?;
    let mut piece = [0; 4096];
    let piece = piece.get_mut(..most.min(4096)).ok_or(broken)?;
    match stream.read(piece) {
        Ok(0) => Err(broken),
        Ok(read) => {
            into.extend(piece.iter().take(read));
            Ok(read)
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Err(late),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
        Err(_) => Err(broken),
    }
}

/// The body of a request that is one for this server.
fn read(stream: &mut TcpStream) -> Result<Vec<u8>, Refused> {
    let until = Instant::now() + DEADLINE;
    let mut bytes = Vec::new();
    let (length, head) = loop {
        if let Some(found) = head(&bytes)? {
            break found;
        }
        if bytes.len() >= HEAD_BYTES_MAX {
            return Err((431, "the head of the request is too long\n"));
        }
        let left = HEAD_BYTES_MAX - bytes.len();
        more(stream, until, &mut bytes, left)?;
    };
    let mut body = bytes.split_off(head.min(bytes.len()));
    while body.len() < length {
        let left = length - body.len();
        more(stream, until, &mut body, left)?;
    }
    body.truncate(length);
    Ok(body)
}

/// Length of the body and of the head; `None` while the head is not whole.
fn head(bytes: &[u8]) -> Result<Option<(usize, usize)>, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(bytes).map_err(|_| (400, "this is no HTTP request\n"))?;
    let httparse::Status::Complete(head) = parsed else { return Ok(None) };
    let path = request.path.unwrap_or_default();
    if !path.split('?').next().unwrap_or_default().ends_with("/add-checkpoint") {
        return Err((404, "a witness has add-checkpoint and nothing else\n"));
    }
    if request.method != Some("POST") {
        return Err((405, "checkpoints are sent by POST\n"));
    }
    let mut lengths = Vec::new();
    for header in request.headers.iter() {
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err((411, "say how long the body is with Content-Length\n"));
        }
        if header.name.eq_ignore_ascii_case("content-length") {
            lengths.push(core::str::from_utf8(header.value).ok().and_then(watchbook_evidence::text::decimal));
        }
    }
    match lengths[..] {
        [Some(length)] => match usize::try_from(length) {
            Ok(length) if length <= REQUEST_BYTES_MAX => Ok(Some((length, head))),
            _ => Err((413, "the body is longer than a request can be\n")),
        },
        _ => Err((411, "say how long the body is with one Content-Length\n")),
    }
}

fn send(mut stream: TcpStream, status: u16, kind: &str, body: &str) {
    let reason = match status {
        200 => "OK",
        404 => "Not Found",
        409 => "Conflict",
        422 => "Unprocessable Content",
        _ => "Refused",
    };
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // Whoever has gone away needs no answer.
    let _ = stream.set_write_timeout(Some(DEADLINE));
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
    let _ = stream.flush();
    let _ = stream.shutdown(std::net::Shutdown::Write);
    drain(&mut stream);
}

/// Takes what is still on its way, as far as a request could reach: an answer behind which unread bytes lie may be lost with the connection.
fn drain(stream: &mut TcpStream) {
    let _ = stream.set_read_timeout(Some(ACCEPT_PAUSE));
    let (mut piece, mut left) = ([0; 4096], REQUEST_BYTES_MAX);
    while let Ok(read) = stream.read(&mut piece) {
        left = left.saturating_sub(read);
        if read == 0 || left == 0 {
            return;
        }
    }
}
