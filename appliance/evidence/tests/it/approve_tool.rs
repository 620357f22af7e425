//! `watchbook-approve` on a laptop: a request is read in words and a decision about it signed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tempfile::TempDir;
use watchbook_evidence::VerifierKey;
use watchbook_evidence::release::{Decision, Request};

fn request(expires_utc_s: u64) -> Request {
    Request {
        origin: "watchbook.station/0011".to_owned(),
        export: 11,
        manifest: [0xAB; 32],
        case: "7/26 \u{202E}62/7".to_owned(),
        cameras: vec![1, 4],
        from_utc_ms: 1_795_737_600_000,
        to_utc_ms: 1_795_737_660_000,
        recipient_class: "court".to_owned(),
        requester: 3,
        bytes: 123_456,
        complete: false,
        nonce: [7; 16],
        expires_utc_s,
    }
}

#[test]
fn a_request_is_shown_in_words_and_decided_by_a_file() {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_watchbook-approve")).args(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        (output.status.code().unwrap(), said)
    };
    let (key, asked) = (path("key"), path("request"));
    let (code, public) = run(&["keygen", "--name", "hq.example/approver", "--key", &key]);
    let public = [VerifierKey::parse(public.trim_end()).unwrap()];
    assert_eq!((code, fs::metadata(&key).unwrap().permissions().mode() & 0o777), (0, 0o600));
    let waits = request(u64::MAX / 4096);
    fs::write(&asked, waits.to_text()).unwrap();
    let (code, words) = run(&["show", "--request", &asked]);
    for word in [
        "export 11",
        "cameras 1, 4",
        "2026-11-27T00:00:00",
        "court",
        "account 3",
        "123456 bytes",
        "MISSING",
        &"ab".repeat(32),
    ] {
        assert!(code == 0 && words.contains(word), "{word}: {words}");
    }
    assert!(!words.contains('\u{202E}'), "what turns writing round is shown as what it is: {words}");

    for (name, arguments, refusal) in
        [("yes", vec!["release"], None), ("no", vec!["refuse", "--reason", "too wide"], Some("too wide".to_owned()))]
    {
        let out = path(name);
        let rest = ["--key", &key, "--request", &asked, "--out", &out];
        let (code, said) = run(&[&arguments[..], &rest].concat());
        assert!(code == 0 && said.contains("goes back to the station"), "{said}");
        let bytes = fs::read(&out).unwrap();
        assert_eq!(Decision::verify(&bytes, &public).unwrap().0, Decision::about(&waits, refusal));
        assert_eq!(run(&[&arguments[..], &rest].concat()).0, 3, "nothing is overwritten");
    }
    assert_eq!(run(&["refuse", "--key", &key, "--request", &asked, "--out", &path("x"), "--reason", "a\nb"]).0, 2);
    assert_eq!(run(&["refuse", "--key", &key, "--request", &asked, "--out", &path("x")]).0, 2);
    fs::write(&asked, waits.to_text().replace("export 11", "export 011")).unwrap();
    assert_eq!(run(&["release", "--key", &key, "--request", &asked, "--out", &path("x")]).0, 4);
    fs::write(&asked, request(5).to_text()).unwrap();
    let (code, said) = run(&["release", "--key", &key, "--request", &asked, "--out", &path("x")]);
    assert!(code == 4 && said.contains("over") && !dir.path().join("x").exists(), "{said}");
}
