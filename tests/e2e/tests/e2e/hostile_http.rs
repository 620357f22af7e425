//! Bytes that no client would send, to the port of a running recorder: nothing is ever answered out of the body of another request, and each ends with one answer or a closed connection.

use crate::matrix::asked::Asked;
use serde_json::Value;
use std::time::{Duration, Instant};
use watchbook_e2e::case::second_factor;
use watchbook_e2e::raw::status;
use watchbook_e2e::{Client, Raw, Recorder};

/// Far less than the recorder waits for a head (20 s) or for a body (16 s): what ends by then was not waited for.
const AT_ONCE: Duration = Duration::from_secs(8);
/// The request that is hidden in bodies. Its answer would say 405 or 426, which nothing else here does.
const HIDDEN: &str = "DELETE /api/v1/status HTTP/1.1\r\nHost: box\r\nX-Watchbook: 1\r\n\r\n";
/// What a page sends with a change.
const PAGE: &str = "Host: box\r\nX-Watchbook: 1\r\nContent-Type: application/json\r\n";
/// Of the port's own choice: refused as no HTTP, with a length that cannot be, too long, or with nothing at all where the connection was reset.
const NO_HTTP: &[u16] = &[400];

/// Sends bytes; the status of each answer until the recorder closes.
fn statuses(recorder: &Recorder, bytes: &[u8]) -> Vec<u16> {
    let mut raw = Raw::open(recorder.client.authority(), AT_ONCE);
    raw.send(bytes);
    let (answers, closed) = raw.rest();
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]);
    assert!(closed, "the connection stays open after {shown:?}, which was answered {answers:?}");
    answers.split("HTTP/1.1 ").skip(1).map(|answer| status(&format!("HTTP/1.1 {answer}"))).collect()
}

/// A change whose end is told by `framing`, with the hidden request in its body.
fn framed(framing: &str) -> Vec<u8> {
    format!("POST /api/v1/session HTTP/1.1\r\n{PAGE}{framing}\r\n2\r\n{{}}\r\n0\r\n\r\n{HIDDEN}").into_bytes()
}

/// One answer, which is one of these, and nothing after it.
fn assert_one(recorder: &Recorder, bytes: &[u8], any_of: &[u16]) {
    let seen = statuses(recorder, bytes);
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]);
    assert!(seen.len() == 1 && any_of.contains(&seen[0]), "{seen:?} instead of one of {any_of:?} to {shown:?}");
}

#[test]
fn no_request_is_answered_out_of_the_body_of_another() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let recorder = Recorder::claim(dir.path());
    // Two requests one behind the other are answered twice: this would be seen.
    let two = format!("GET /api/v1/status HTTP/1.1\r\nHost: box\r\n\r\n{}", closing(HIDDEN));
    assert_eq!(statuses(&recorder, two.as_bytes()), [200, 405]);

    for (framing, any_of) in [
        ("Content-Length: 2\r\nContent-Length: 60\r\n", NO_HTTP),
        ("Content-Length: 2, 60\r\n", NO_HTTP),
        ("Content-Length: 2,2\r\n", NO_HTTP),
        ("Content-Length: +2\r\n", NO_HTTP),
        ("Content-Length: -2\r\n", NO_HTTP),
        ("Content-Length: 0x2\r\n", NO_HTTP),
        ("Content-Length: 2 2\r\n", NO_HTTP),
        ("Content-Length:\r\n", NO_HTTP),
        ("Content-Length: 18446744073709551618\r\n", NO_HTTP),
        ("Content-Length : 2\r\n", NO_HTTP),
        ("Content-Length\t: 2\r\n", NO_HTTP),
        ("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", &[411]),
        ("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", &[411]),
        ("Transfer-Encoding: chunked\r\n", &[411]),
        ("TRANSFER-ENCODING: ChUnKeD\r\n", &[411]),
        ("Transfer-Encoding:\tchunked \r\n", &[411]),
        ("Transfer-Encoding: identity, chunked\r\n", &[411]),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", &[411]),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", NO_HTTP),
        ("Transfer-Encoding: chunked, identity\r\n", NO_HTTP),
        ("Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n", NO_HTTP),
        ("Transfer-Encoding : chunked\r\nContent-Length: 2\r\n", NO_HTTP),
        ("Transfer-Encoding: \x0bchunked\r\nContent-Length: 2\r\n", &[400, 411]),
        ("X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", NO_HTTP),
        ("X: a\rTransfer-Encoding: chunked\r\nContent-Length: 2\r\n", NO_HTTP),
    ] {
        assert_one(&recorder, &framed(framing), any_of);
    }
    let old = format!("POST /api/v1/session HTTP/1.0\r\n{PAGE}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}");
    assert_one(&recorder, old.as_bytes(), NO_HTTP);
    // A body that belongs to a request which takes none is no second request, whatever the line before it ends with.
    for end in ["\r\n", "\n"] {
        let head = format!("GET /api/v1/status HTTP/1.1\r\nHost: box\r\nX: a{end}Content-Length: {}", HIDDEN.len());
        assert_one(&recorder, format!("{head}\r\nConnection: close\r\n\r\n{HIDDEN}").as_bytes(), &[200]);
    }
    assert_counted(&recorder, 20);
}

/// The same request, after which the connection ends.
fn closing(request: &str) -> String {
    request.replacen("Host: box\r\n", "Host: box\r\nConnection: close\r\n", 1)
}

/// What was turned away is counted where admins look, and told in the recorder's own log.
fn assert_counted(recorder: &Recorder, at_least: u64) {
    let counted = recorder.client.get("/api/v1/health").ok().json()["refusals_not_logged"].as_u64();
    assert!(counted >= Some(at_least), "{counted:?} were counted");
    assert!(recorder.output().contains("turned away"), "{}", recorder.output());
}

#[test]
fn what_is_no_request_ends_with_a_refusal() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let recorder = Recorder::claim(dir.path());
    for (head, any_of) in [
        ("GET / HTTP/1.1\r\nHost: box\r\nX: a\0b\r\n\r\n", NO_HTTP),
        ("GET / HTTP/1.1\r\nHost: box\r\nX\0: a\r\n\r\n", NO_HTTP),
        ("GET / HTTP/1.1\r\nHost: box\r\nX: a\r\n b\r\n\r\n", NO_HTTP),
        ("GET / HTTP/1.1\r\nHost: box\r\nnothing\r\n\r\n", NO_HTTP),
        ("GET / HTTP/1.1\r\nHost: box\r\n: a\r\n\r\n", NO_HTTP),
        ("GET  / HTTP/1.1\r\nHost: box\r\n\r\n", NO_HTTP),
        ("GET / HTTP/1.1 \r\nHost: box\r\n\r\n", NO_HTTP),
        ("GET / HTTP/9.9\r\nHost: box\r\n\r\n", NO_HTTP),
        ("GET /\r\n\r\n", NO_HTTP),
        ("GET status HTTP/1.1\r\nHost: box\r\n\r\n", NO_HTTP),
        ("GET / HTTP/1.1\r\n\r\n", NO_HTTP),
        ("GET / HTTP/1.1\r\nHost: box\r\nHost: evil.example\r\n\r\n", NO_HTTP),
        ("OPTIONS * HTTP/1.1\r\nHost: box\r\n\r\n", NO_HTTP),
        ("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", NO_HTTP),
        ("GET http://evil.example/api/v1/status HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n", NO_HTTP),
        // Another protocol is not spoken, and whatever this host is called, it is this one.
        ("GET /api/v1/status HTTP/1.1\r\nHost: box\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n", &[200]),
        ("GET http://evil.example/api/v1/status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", &[200]),
        ("GET /api/../../etc/passwd HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n", &[404]),
        ("GET /%2e%2e/%2e%2e/etc/passwd.txt HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n", &[404]),
    ] {
        assert_one(&recorder, head.as_bytes(), any_of);
    }
    // HTTP/2 is not spoken; its opening words are no request that could be answered.
    assert_eq!(statuses(&recorder, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), [0; 0]);
    let many = "X: y\r\n".repeat(65);
    let head = |target: &str, fields: &str| format!("GET /{target} HTTP/1.1\r\nHost: box\r\n{fields}\r\n");
    for flood in
        [head("", &many), head("", &format!("X: {}\r\n", "y".repeat(64 << 10))), head(&"a".repeat(64 << 10), "")]
    {
        // The recorder may have closed before all of it was sent; then its answer may be lost.
        let seen = statuses(&recorder, flood.as_bytes());
        assert!(matches!(&seen[..], [] | [400 | 414 | 431]), "{seen:?}");
    }
    // A chunk whose extension does not end, behind a head that is refused at once.
    let chunk =
        format!("POST /api/v1/session HTTP/1.1\r\n{PAGE}Transfer-Encoding: chunked\r\n\r\n2;{}", "x".repeat(1 << 20));
    let seen = statuses(&recorder, chunk.as_bytes());
    assert!(matches!(&seen[..], [] | [411]), "{seen:?}");
    assert_eq!(recorder.client.get("/api/v1/session").status, 200);
    assert_counted(&recorder, 10);
}

#[test]
fn a_body_that_says_it_is_too_large_is_refused_before_it_comes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut recorder = Recorder::claim(dir.path());
    drop(second_factor(&mut recorder.client, "a long enough passphrase"));
    let nobody = Client::new(&format!("http://{}/", recorder.client.authority()));
    let document: Value = nobody.get("/api/v1/openapi.json").ok().json();
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().expect("the description has paths") {
        for (method, operation) in
            methods.as_object().expect("a path has methods").iter().filter(|(method, _)| *method != "get")
        {
            let asked = Asked::new(path, method, operation);
            let (public, began) = (operation.get("security").is_none(), Instant::now());
            let told = |cookie: &str| {
                let mut raw = Raw::open(recorder.client.authority(), AT_ONCE);
                let kind = asked.media.as_deref().unwrap_or("application/json");
                raw.send(format!("{} {} HTTP/1.1\r\nHost: box\r\nX-Watchbook: 1\r\nContent-Type: {kind}\r\n{cookie}Content-Length: 1073741824\r\n\r\n", asked.method, asked.path_about(1)).as_bytes());
                status(&raw.head())
            };
            assert_eq!(told(&format!("Cookie: {}\r\n", recorder.client.cookie())), 413, "{}", asked.id);
            let of_nobody = match &*asked.id {
                "claim_with_backup" => 409,
                _ if public => 413,
                _ => 401,
            };
            assert_eq!(told(""), of_nobody, "{} of nobody", asked.id);
            assert!(began.elapsed() < AT_ONCE, "{} was waited for", asked.id);
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen} routes take a body");
}
