//! `deploy` and `logs` against a double of a station that answers from a list and keeps what it was asked.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, channel};

/// What the double was asked.
#[derive(Debug)]
struct Asked {
    line: String,
    headers: String,
    body: Vec<u8>,
}

/// Serves `answers`, one after the other, each to the request that begins with its first words.
fn station(answers: Vec<(&'static str, u16, Value)>) -> (String, Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, asks) = channel();
    std::thread::spawn(move || {
        let mut answers = answers.into_iter();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(ask) = read(&stream) else { continue };
            let (start, status, body) = answers.next().unwrap_or(("", 500, json!({ "detail": "not expected" })));
            let status = if ask.line.starts_with(start) { status } else { 500 };
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\nset-cookie: wb_session=abc; HttpOnly\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            if asked.send(ask).is_err() {
                return;
            }
        }
    });
    (address, asks)
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut headers = String::new();
    while !headers.ends_with("\r\n\r\n") && headers != "\r\n" {
        reader.read_line(&mut headers).ok().filter(|count| *count > 0)?;
    }
    let headers = headers.to_lowercase();
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { line: line.trim().to_owned(), headers, body })
}

fn call(line: &str, folder: &std::path::Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_watchbook-plugin")).args(line.split(' ')).current_dir(folder).output().unwrap()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content).unwrap();
    put("plugin.toml", include_bytes!("../../../plugins/motion/plugin.toml"));
    put("plugin.wasm", b"\0asm\x0d\0\x01\0");
    put("LICENSE", b"x");
    put("README.md", b"x");
    put("password", b"correct horse\n");
    assert!(call("pack . -o x.wbp", folder.path()).status.success());
    folder
}

#[test]
fn deploy_hands_over_the_package_says_what_changes_and_approves_when_told() {
    let folder = folder();
    let package = std::fs::read(folder.path().join("x.wbp")).unwrap();
    let sha256 = watchbook_plugin_host::package::sha256_hex(&package);
    let changes = json!([{ "what": "memory_mib", "before": "16", "after": "32", "more": true }]);
    let (address, asks) = station(vec![
        ("POST /api/v1/session ", 200, json!({})),
        ("POST /api/v1/plugins ", 201, json!({ "changes": changes })),
        ("POST /api/v1/plugins/org.watchbook.motion/approve ", 200, json!({ "running": { "package_sha256": sha256 } })),
        ("DELETE /api/v1/session ", 204, json!({})),
    ]);
    let line = format!("deploy x.wbp --to {address} --account Dara --password-file password --approve");
    let output = call(&line, folder.path());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("! memory_mib: 32, before 16") && said.contains("org.watchbook.motion 0.1.0 runs"), "{said}");
    let asked: Vec<Asked> = asks.iter().take(4).collect();
    let signed_in: Value = serde_json::from_slice(&asked[0].body).unwrap();
    assert_eq!(signed_in, json!({ "name": "Dara", "password": "correct horse" }));
    assert_eq!(asked[1].body, package);
    let judged: Value = serde_json::from_slice(&asked[2].body).unwrap();
    assert_eq!(judged["package_sha256"], sha256);
    assert!(asked.iter().all(|asked| asked.headers.contains("x-watchbook: 1")), "{asked:?}");
    assert!(asked[1..].iter().all(|asked| asked.headers.contains("cookie: wb_session=abc")), "{asked:?}");
    assert!(asked[3].line.starts_with("DELETE /api/v1/session"), "signed out: {asked:?}");
}

#[test]
fn a_package_that_was_there_is_not_said_to_wait() {
    let folder = folder();
    let sha256 = watchbook_plugin_host::package::sha256_hex(&std::fs::read(folder.path().join("x.wbp")).unwrap());
    for (answer, words) in [
        (json!({ "waiting": { "package_sha256": sha256 } }), "waits for approval"),
        (json!({ "running": { "package_sha256": "0" } }), "a later version does"),
    ] {
        let (address, _asks) = station(vec![
            ("POST /api/v1/session ", 200, json!({})),
            ("POST /api/v1/plugins ", 201, answer),
            ("DELETE /api/v1/session ", 204, json!({})),
        ]);
        let output = call(&format!("deploy x.wbp --to {address} --account D --password-file password"), folder.path());
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(words), "{words} is not in: {said}");
    }
}

#[test]
fn a_refusal_is_told_in_the_stations_words_and_nothing_is_approved() {
    let folder = folder();
    let problem = json!({ "detail": "the package is not signed", "next_step": "Sign it." });
    let (address, asks) = station(vec![
        ("POST /api/v1/session ", 200, json!({})),
        ("POST /api/v1/plugins ", 403, problem),
        ("DELETE /api/v1/session ", 204, json!({})),
    ]);
    let line = format!("deploy x.wbp --to {address} --account Dara --password-file password --approve");
    let output = call(&line, folder.path());
    assert_eq!(output.status.code(), Some(1));
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(complained.contains("403") && complained.contains("not signed. Sign it."), "{complained}");
    let lines: Vec<String> = asks.iter().take(3).map(|asked| asked.line).collect();
    assert!(lines[2].starts_with("DELETE"), "{lines:?}");
    for wrong in
        ["deploy x.wbp --to https://x --account Dara", "deploy x.wbp --account Dara", "logs ../x --from ftp://x"]
    {
        assert_eq!(call(wrong, folder.path()).status.code(), Some(1), "{wrong}");
    }
}

#[test]
fn a_log_is_shown_without_what_would_move_the_terminal() {
    let folder = folder();
    let line = json!({ "at_utc_ms": 1_000, "camera": 3, "level": "info", "text": "a\u{1b}[2Jb" });
    let (address, _asks) = station(vec![
        ("POST /api/v1/session ", 200, json!({})),
        ("GET /api/v1/plugins/org.example.a/log ", 200, json!({ "lines": [line], "dropped": 0 })),
        ("DELETE /api/v1/session ", 204, json!({})),
    ]);
    let output =
        call(&format!("logs org.example.a --from {address} --account D --password-file password"), folder.path());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        said,
        "1970-01-01T00:00:01Z camera 3 info a\u{FFFD}[2Jb\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
