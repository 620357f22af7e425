//! A page on this machine that shows the frames with the marks drawn over them, and the log. For one author, on the loopback interface.

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use watchbook_analysis::clip::{Head, Picture};

/// Lines of the log that are kept for a page that comes late.
pub const ITEMS_MAX: usize = 500;
/// Connections at a time: a browser has six.
const CONNECTIONS_MAX: usize = 16;
/// Request line and head fields.
const REQUEST_BYTES_MAX: u64 = 8 << 10;
/// How long a request may take to come, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a question for the next frame waits.
const WAIT: Duration = Duration::from_secs(10);
const PAGE: &str = include_str!("page.html");

/// What the page shows. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Now {
    seq: u64,
    size: (u32, u32),
    luma: Vec<u8>,
    facts: Value,
    items: VecDeque<(u64, Value)>,
}

impl Board {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a frame: `facts` is what stands beside it, `items` are new lines of the log.
    pub fn show(&self, head: Head, picture: &Picture, facts: Value, items: Vec<Value>) {
        let mut now = self.now();
        now.size = (head.width, head.height);
        now.luma.clone_from(&picture.luma);
        now.facts = facts;
        now.add(items);
        drop(now);
        self.0.changed.notify_all();
    }

    /// Adds a line to the log.
    pub fn say(&self, item: Value) {
        self.now().add(vec![item]);
        self.0.changed.notify_all();
    }

    /// What came after `after`: the length of the JSON as a little-endian u32, the JSON, the plane. `None` when nothing comes for a while.
    fn after(&self, after: u64) -> Option<Vec<u8>> {
        let waiting = |now: &mut Now| now.seq <= after;
        let (now, _) =
            self.0.changed.wait_timeout_while(self.now(), WAIT, waiting).unwrap_or_else(PoisonError::into_inner);
        if now.seq <= after {
            return None;
        }
        let items: Vec<&Value> = now.items.iter().filter(|(seq, _)| *seq > after).map(|(_, item)| item).collect();
        let (width, height) = now.size;
        let head = json!({ "seq": now.seq, "width": width, "height": height, "facts": now.facts, "items": items });
        let head = head.to_string();
        let length = u32::try_from(head.len()).ok()?;
        Some([&length.to_le_bytes()[..], head.as_bytes(), &now.luma].concat())
    }
}

impl Now {
    fn add(&mut self, items: Vec<Value>) {
        self.seq += 1;
        self.items.extend(items.into_iter().map(|item| (self.seq, item)));
        let over = self.items.len().saturating_sub(ITEMS_MAX);
        self.items.drain(..over);
    }
}

/// Serves the board until the process ends.
///
/// # Errors
/// A sentence when the port cannot be had.
pub fn serve(board: &Board, port: u16) -> Result<SocketAddr, String> {
    let fail = |error: std::io::Error| format!("127.0.0.1:{port}: {error}; --port 0 takes a free one");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    let board = board.clone();
    let open = Arc::new(AtomicUsize::new(0));
    let accept = move || {
        for stream in listener.incoming().flatten() {
            if open.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS_MAX {
                open.fetch_sub(1, Ordering::SeqCst);
                continue;
            }
            let (board, open) = (board.clone(), Arc::clone(&open));
            std::thread::spawn(move || {
                // Whoever hung up needs no answer.
                let _ = answer(&board, stream, address);
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    };
    std::thread::Builder::new().name("page".to_owned()).spawn(accept).map_err(fail)?;
    Ok(address)
}

fn answer(board: &Board, mut stream: TcpStream, own: SocketAddr) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new((&stream).take(REQUEST_BYTES_MAX)).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut host = String::new();
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("host")
        {
            value.trim().clone_into(&mut host);
        }
    }
    let (status, kind, body) = respond(board, &request, &host, own);
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n\
         Content-Security-Policy: default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}

fn respond(board: &Board, request: &str, host: &str, own: SocketAddr) -> (&'static str, &'static str, Vec<u8>) {
    const TEXT: &str = "text/plain; charset=utf-8";
    // A page from elsewhere can make a browser ask here under another name (DNS rebinding); it must not see the camera.
    let port = own.port();
    if host != format!("127.0.0.1:{port}") && host != format!("localhost:{port}") {
        return ("403 Forbidden", TEXT, b"ask for 127.0.0.1".to_vec());
    }
    let mut words = request.split(' ');
    let (Some("GET"), Some(path)) = (words.next(), words.next()) else {
        return ("405 Method Not Allowed", TEXT, b"only GET".to_vec());
    };
    if path == "/" {
        return ("200 OK", "text/html; charset=utf-8", PAGE.as_bytes().to_vec());
    }
    match path.strip_prefix("/next?after=").map(str::parse) {
        Some(Ok(after)) => match board.after(after) {
            Some(body) => ("200 OK", "application/octet-stream", body),
            None => ("204 No Content", TEXT, Vec::new()),
        },
        _ => ("404 Not Found", TEXT, b"there is / and /next?after=N".to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head { width: 16, height: 16, masked: false };

    fn ask(address: SocketAddr, request: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let at = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let body = bytes.split_off(at + 4);
        (String::from_utf8(bytes).unwrap(), body)
    }

    fn get(address: SocketAddr, path: &str) -> (String, Vec<u8>) {
        ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"))
    }

    #[test]
    fn the_page_gets_the_newest_frame_and_every_line() {
        let board = Board::default();
        let address = serve(&board, 0).unwrap();
        assert!(get(address, "/").0.starts_with("HTTP/1.1 200"));
        for frame in 0..3_u8 {
            let picture = Picture { utc_ns: i64::from(frame), luma: vec![frame; 256] };
            board.show(HEAD, &picture, json!({ "frame": frame }), vec![json!({ "line": frame })]);
        }
        let (status, body) = get(address, "/next?after=1");
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        let length = u32::from_le_bytes(body[..4].try_into().unwrap()) as usize;
        let head: Value = serde_json::from_slice(&body[4..4 + length]).unwrap();
        assert_eq!((&head["seq"], &head["facts"]["frame"]), (&json!(3), &json!(2)));
        assert_eq!(head["items"], json!([{ "line": 1 }, { "line": 2 }]));
        assert_eq!(body[4 + length..], [2; 256]);
    }

    #[test]
    fn a_waiting_page_is_woken_by_the_next_line() {
        let board = Board::default();
        let address = serve(&board, 0).unwrap();
        let page = std::thread::spawn(move || get(address, "/next?after=0"));
        board.say(json!("hello"));
        let (status, body) = page.join().unwrap();
        assert!(status.starts_with("HTTP/1.1 200") && String::from_utf8_lossy(&body).contains("hello"), "{status}");
    }

    #[test]
    fn other_names_methods_and_long_requests_are_refused() {
        let board = Board::default();
        let address = serve(&board, 0).unwrap();
        assert!(ask(address, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n").0.starts_with("HTTP/1.1 403"));
        assert!(ask(address, &format!("POST / HTTP/1.1\r\nHost: {address}\r\n\r\n")).0.starts_with("HTTP/1.1 405"));
        assert!(get(address, "/etc/passwd").0.starts_with("HTTP/1.1 404"));
        assert!(get(address, "/next?after=x").0.starts_with("HTTP/1.1 404"));
    }

    #[test]
    fn the_log_is_bounded() {
        let board = Board::default();
        for line in 0..ITEMS_MAX + 7 {
            board.say(json!(line));
        }
        let now = board.now();
        assert_eq!((now.items.len(), &now.items[0].1), (ITEMS_MAX, &json!(7)));
    }
}
