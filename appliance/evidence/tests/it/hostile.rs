//! Bundles and calls that are made to fool the reader's terminal or to keep a verifier busy, for both verifiers.

use crate::sample::{Files, ORIGIN, Plan, leaf, log_key};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;
use watchbook_evidence::bundle::{CHECKPOINT, MANIFEST};
use watchbook_evidence::record::Record;

/// A bundle in a folder.
struct Folder(TempDir);

impl Folder {
    fn new(files: &Files) -> Self {
        let dir = TempDir::new().unwrap();
        files.0.iter().for_each(|(name, bytes)| fs::write(dir.path().join(name), bytes).unwrap());
        Self(dir)
    }

    fn put(&self, name: &[u8]) {
        fs::write(self.0.path().join(OsStr::from_bytes(name)), b"look here").unwrap();
    }

    /// What both programs give out, Rust's first.
    fn asked(&self, arguments: &[&str]) -> [Output; 2] {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/evidence/verify.py");
        let mut python = Command::new("python3");
        python.arg("-B").arg(script);
        let key = log_key(1).verifier().to_string();
        [Command::new(env!("CARGO_BIN_EXE_watchbook-verify")), python].map(|mut program| {
            // Words that a person sees need no help from the locale.
            program.env("LC_ALL", "C").arg(self.0.path()).args(["--log", &key]).args(arguments).output().unwrap()
        })
    }
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap() + &String::from_utf8(output.stderr.clone()).unwrap()
}

/// Nothing that a terminal obeys but the ends of lines.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !c.is_control() && !"\u{202E}\u{2066}\u{200F}\u{2028}".contains(c))
}

#[test]
fn what_a_bundle_says_cannot_look_like_a_verdict() {
    const FORGED: &str = "\u{1b}[2K\rVERIFIED: 22 runs\n\u{7f}\u{9b}1A\u{202E}\u{2066}\u{200F}\u{2028}";
    let mut plan = Plan::new();
    plan.manifest.origin = format!("{ORIGIN}{FORGED}");
    let ns = plan.manifest.delivered.start_ns.clone();
    let gap = Record::Gap { end_ns: ns.clone(), reason: FORGED.to_owned(), start_ns: ns, stream: 256 };
    plan.manifest.streams[0].gaps.push(plan.log.len() as u64);
    plan.log.push(leaf(&plan.log, 29, gap.body()));
    let folder = Folder::new(&plan.export(1));
    folder.put(b"x\nVERIFIED: 22 runs\n\x1b[8m");
    folder.put(b"\xFF\xFEraw");
    for output in folder.asked(&[]) {
        let text = text(&output);
        assert_eq!(output.status.code(), Some(10), "{text}");
        assert!(is_plain(&text), "{text:?}");
        let line = r"FAIL file-unlisted x\u{a}VERIFIED: 22 runs\u{a}\u{1b}[8m: ";
        assert!(text.lines().any(|of| of.starts_with(line)), "{text}");
        assert!(text.lines().any(|of| of.starts_with("FAIL file-unlisted \u{FFFD}\u{FFFD}raw: ")), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("VERIFIED")).count(), 0, "{text}");
    }
    // The name of a field is told by whoever cannot read it.
    let mut files = Plan::new().export(1);
    let manifest = String::from_utf8(files.0[MANIFEST].clone()).unwrap();
    let field = "{\"\\u001b[2K\\rVERIFIED: 22 runs\":1,\"case\":";
    files.0.insert(MANIFEST.to_owned(), manifest.replacen("{\"case\":", field, 1).into_bytes());
    for output in Folder::new(&files).asked(&[]) {
        assert_eq!(output.status.code(), Some(3));
        assert!(is_plain(&text(&output)), "{:?}", text(&output));
    }
}

#[test]
fn the_last_line_says_how_many_runs_were_verified() {
    let mut plan = Plan::new();
    for output in Folder::new(&plan.export(1)).asked(&[]) {
        assert_eq!(text(&output).lines().last(), Some("VERIFIED: 22 runs"));
    }
    plan.manifest.streams.clear();
    plan.video.clear();
    plan.list_files();
    plan.manifest.delivered.end_ns = plan.manifest.delivered.start_ns.clone();
    for output in Folder::new(&plan.export(1)).asked(&[]) {
        assert_eq!(text(&output).lines().last(), Some("VERIFIED: 0 runs"));
    }
}

#[test]
fn a_known_checkpoint_lifts_no_bound() {
    let files = Plan::new().export(1);
    let folder = Folder::new(&files);
    let outside = TempDir::new().unwrap();
    let known = outside.path().join("known");
    fs::write(&known, &files.0[CHECKPOINT]).unwrap();
    let known = known.display().to_string();
    for output in folder.asked(&["--known", &known]) {
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
    let manifest = folder.0.path().join(MANIFEST);
    // Neither is read: the one has no end, the other waits for a writer, the third is 100 GB of nothing, the last is not in the bundle.
    let spoil: [&dyn Fn(); 4] = [
        &|| symlink("/dev/zero", &manifest).unwrap(),
        &|| assert!(Command::new("mkfifo").arg(&manifest).status().unwrap().success()),
        &|| fs::File::create(&manifest).unwrap().set_len(100 << 30).unwrap(),
        &|| {
            fs::write(outside.path().join("manifest"), &files.0[MANIFEST]).unwrap();
            symlink(outside.path().join("manifest"), &manifest).unwrap();
        },
    ];
    for spoil in spoil {
        fs::remove_file(&manifest).unwrap();
        spoil();
        for output in folder.asked(&["--known", &known, "--quiet"]) {
            assert_eq!(output.status.code(), Some(3), "{}", text(&output));
            assert!(text(&output).starts_with("FAIL unreadable manifest.json: "), "{}", text(&output));
        }
    }
    for endless in ["/dev/zero", &manifest.parent().unwrap().display().to_string()] {
        for output in folder.asked(&["--known", endless]) {
            assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        }
    }
}

#[test]
fn numbers_have_their_bounds_in_both() {
    let folder = Folder::new(&Plan::new().export(1));
    for quorum in ["-1", "4294967296", "x"] {
        for output in folder.asked(&["--quorum", quorum]) {
            assert_eq!(output.status.code(), Some(2), "{quorum}: {}", text(&output));
        }
    }
    let long = "9".repeat(5000);
    let start = Plan::new().manifest.requested.start_ns;
    for (name, from, to) in [(MANIFEST, &start, &long), (CHECKPOINT, &"\n13\n".to_owned(), &format!("\n{long}\n"))] {
        let mut files = Plan::new().export(1);
        let old = String::from_utf8(files.0[name].clone()).unwrap();
        assert!(old.contains(from.as_str()));
        files.0.insert(name.to_owned(), old.replacen(from.as_str(), to, 1).into_bytes());
        for output in Folder::new(&files).asked(&["--quiet"]) {
            assert_eq!(output.status.code(), Some(3), "{}", text(&output));
            assert!(text(&output).starts_with(&format!("FAIL unreadable {name}: ")), "{}", text(&output));
        }
    }
}
