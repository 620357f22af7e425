//! The same bundles for `watchbook-verify` and for `tests/evidence/verify.py`, which was written from `FORMAT.md` alone: both say the same, of good ones and of every way
//! to spoil one.

use crate::movie;
use crate::sample::{Files, ORIGIN, Plan, START_S, Tree, file, leaf, log_key, stated, witness_key};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;
use watchbook_evidence::bundle::verdict::EXIT_REDACTED;
use watchbook_evidence::bundle::{
    CHECKPOINT, FileKind, GAPS_MAX, Interval, LeafEntry, MANIFEST, PROOFS, Proofs, RunOrHash, StreamEntry, Trust,
    Withheld, to_json, verify,
};
use watchbook_evidence::note::Note;
use watchbook_evidence::record::Record;
use watchbook_evidence::rotation::Rotation;
use watchbook_evidence::run::ClockState;
use watchbook_evidence::text::base64;
use watchbook_evidence::{Algorithm, SignedCheckpoint, SigningKey, VerifierKey, hex, sha256};

/// What the reader gives beside the bundle.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) log: Vec<VerifierKey>,
    pub(crate) witnesses: Vec<VerifierKey>,
    quorum: Option<usize>,
    pub(crate) known: Option<SignedCheckpoint>,
    consistency: Option<Vec<[u8; 32]>>,
}

impl Asked {
    pub(crate) fn usual() -> Self {
        let (log, witness) = (log_key(1).verifier().clone(), witness_key(9).verifier().clone());
        Self { log: vec![log], witnesses: vec![witness], quorum: None, known: None, consistency: None }
    }

    pub(crate) fn trust(&self) -> Trust {
        let quorum = self.quorum.unwrap_or(usize::from(!self.witnesses.is_empty()));
        let (log_keys, witnesses) = (self.log.clone(), self.witnesses.clone());
        Trust { log_keys, witnesses, quorum, known: self.known.clone(), consistency: self.consistency.clone() }
    }

    /// Arguments of both programs, with what they need in `dir`.
    fn arguments(&self, dir: &Path) -> Vec<String> {
        let mut arguments = vec![dir.join("bundle").display().to_string(), "--quiet".to_owned()];
        let mut add = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
        self.log.iter().for_each(|key| add("--log", key.to_string()));
        self.witnesses.iter().for_each(|key| add("--witness", key.to_string()));
        self.quorum.iter().for_each(|quorum| add("--quorum", quorum.to_string()));
        let mut put = |option: &str, name: &str, text: String| {
            std::fs::write(dir.join(name), text).unwrap();
            add(option, dir.join(name).display().to_string());
        };
        if let Some(known) = &self.known {
            put("--known", "known", known.to_text());
        }
        if let Some(proof) = &self.consistency {
            put("--consistency", "proof", proof.iter().map(|hash| format!("{}\n", base64(hash))).collect());
        }
        arguments
    }
}

/// Exit code and what failed of what, sorted.
pub(crate) type Said = (i32, Vec<String>);

fn said(program: &mut Command) -> (Said, String) {
    let output = program.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code().unwrap_or(-1);
    let verdict = text.lines().last().unwrap_or_default();
    assert_eq!(verdict.starts_with("VERIFIED: "), code == 0, "{text}{errors}");
    let failed = text.lines().filter_map(|line| line.strip_prefix("FAIL ")?.split_once(':'));
    let mut failed: Vec<String> = failed.map(|(what, _)| what.to_owned()).collect();
    let whole = [0, i32::from(EXIT_REDACTED)];
    assert_eq!(failed.is_empty(), whole.contains(&code), "{text}{errors}");
    assert_eq!(verdict.starts_with("REDACTED WORKING COPY, intact"), code == whole[1], "{text}{errors}");
    failed.sort();
    ((code, failed), verdict.to_owned())
}

/// Copies a bundle to where the page that checks bundles is tested with it (`tests/browser/player.test.mjs`), with what was asked and said of it.
fn keep(dir: &Path, arguments: &[String], ((code, failed), verdict): &(Said, String)) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let Some(matrix) = std::env::var_os("WATCHBOOK_MATRIX") else { return };
    let place = Path::new(&matrix).join(format!("{:03}", NUMBER.fetch_add(1, Ordering::Relaxed)));
    std::fs::create_dir_all(place.join("bundle")).unwrap();
    for folder in ["", "bundle"] {
        for entry in std::fs::read_dir(dir.join(folder)).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), place.join(folder).join(entry.file_name())).unwrap();
            }
        }
    }
    let said = serde_json::json!({ "arguments": &arguments[2..], "code": code, "failed": failed, "verdict": verdict });
    std::fs::write(place.join("said.json"), said.to_string()).unwrap();
}

/// What both verifiers say, which is the same.
pub(crate) fn judged(files: &Files, asked: &Asked) -> Said {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("bundle");
    std::fs::create_dir(&folder).unwrap();
    files.0.iter().for_each(|(name, bytes)| std::fs::write(folder.join(name), bytes).unwrap());
    let arguments = asked.arguments(dir.path());
    let ours = said(Command::new(env!("CARGO_BIN_EXE_watchbook-verify")).args(&arguments));
    keep(dir.path(), &arguments, &ours);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/evidence/verify.py");
    let theirs = said(Command::new("python3").arg("-B").arg(script).args(&arguments));
    assert_eq!(ours, theirs, "watchbook-verify and verify.py disagree");
    ours.0
}

/// One way to spoil a bundle, and what must be said of it.
pub(crate) struct Row {
    name: &'static str,
    files: Files,
    asked: Asked,
    want: &'static [&'static str],
}

/// Rows of the matrix.
pub(crate) struct Matrix(pub(crate) Vec<Row>);

impl Matrix {
    /// Somebody who has the bundle changes files.
    pub(crate) fn outsider(
        &mut self,
        name: &'static str,
        want: &'static [&'static str],
        spoil: impl FnOnce(&mut Files),
    ) {
        let mut files = Plan::new().export(1);
        spoil(&mut files);
        self.0.push(Row { name, files, asked: Asked::usual(), want });
    }

    /// Somebody who can export changes what is exported, and has it recorded and signed.
    pub(crate) fn insider(&mut self, name: &'static str, want: &'static [&'static str], spoil: impl FnOnce(&mut Plan)) {
        let mut plan = Plan::new();
        spoil(&mut plan);
        self.0.push(Row { name, files: plan.export(1), asked: Asked::usual(), want });
    }

    /// The bundle is good; the reader knows better.
    pub(crate) fn reader(&mut self, name: &'static str, want: &'static [&'static str], ask: impl FnOnce(&mut Asked)) {
        let mut asked = Asked::usual();
        ask(&mut asked);
        self.0.push(Row { name, files: Plan::new().export(1), asked, want });
    }

    pub(crate) fn check(self) {
        for Row { name, files, asked, want } in self.0 {
            let (code, failed) = judged(&files, &asked);
            assert_eq!(failed, want, "{name}");
            assert_eq!(code == 0, want.is_empty(), "{name}");
            let library = verify(&files, &asked.trust());
            assert_eq!(i32::from(library.exit_code()), code, "{name}");
        }
    }
}

fn edit<'a>(files: &'a mut Files, name: &str) -> &'a mut Vec<u8> {
    files.0.get_mut(name).unwrap()
}

/// Replaces text in a file; it must be there.
fn swap(files: &mut Files, name: &str, from: &str, to: &str) {
    let text = String::from_utf8(edit(files, name).clone()).unwrap();
    assert!(text.contains(from), "{name} has no {from}");
    *edit(files, name) = text.replacen(from, to, 1).into_bytes();
}

/// Offset of a byte of samples: run 1 of the first segment of the main stream begins the media data.
fn first_sample(files: &Files) -> usize {
    files.0["camera-1.mp4"].windows(4).position(|four| four == b"mdat").unwrap() + 4
}

#[test]
fn a_good_bundle_is_verified_by_both() {
    let files = Plan::new().export(1);
    let library = verify(&files, &Asked::usual().trust());
    assert_eq!(library.findings, []);
    let count = |kind| library.passed.iter().filter(|(passed, ..)| *passed == kind).count();
    assert_eq!((count("file"), count("run"), count("segment"), count("gap"), count("proof")), (2, 22, 6, 2, 9));
    assert_eq!((count("witness"), count("checkpoint"), count("export"), count("coverage")), (1, 1, 1, 1));
    let mut matrix = Matrix(Vec::new());
    matrix.reader("as it is", &[], |_| {});
    matrix.reader("without a witness", &[], |asked| asked.witnesses.clear());
    matrix.reader("with an unknown key beside the right one", &[], |asked| {
        asked.log.insert(0, log_key(2).verifier().clone());
    });
    matrix.insider("without footage", &[], |plan| {
        plan.manifest.streams.clear();
        plan.video = movie::ftyp();
        plan.manifest.delivered.end_ns = plan.manifest.delivered.start_ns.clone();
        plan.list_files();
    });
    matrix.check();
}

#[test]
fn footage_that_was_changed_is_found() {
    let mut matrix = Matrix(Vec::new());
    matrix.outsider("a byte of a sample", &["file-altered camera-1.mp4", "run-altered 256/1/1"], |files| {
        let at = first_sample(files);
        edit(files, "camera-1.mp4")[at + 5] ^= 1;
    });
    matrix.outsider("a byte of moov", &["file-altered camera-1.mp4"], |files| {
        edit(files, "camera-1.mp4")[40] ^= 1;
    });
    matrix.outsider(
        "the tail is cut off",
        &["coverage camera-1.mp4", "file-altered camera-1.mp4", "run-altered 257/10/3"],
        |files| {
            let cut = edit(files, "camera-1.mp4").len() - 1;
            edit(files, "camera-1.mp4").truncate(cut);
        },
    );
    matrix.outsider(
        "two runs change places",
        &["file-altered camera-1.mp4", "run-altered 256/1/1", "run-altered 256/1/2"],
        |files| {
            let at = first_sample(files);
            let (one, two) = edit(files, "camera-1.mp4")[at..at + 600].split_at_mut(300);
            one.swap_with_slice(two);
        },
    );
    matrix.outsider("a file is gone", &["file-missing certificate.txt"], |files| {
        files.0.remove("certificate.txt");
    });
    matrix.outsider("a file too many", &["file-unlisted note.txt"], |files| {
        files.0.insert("note.txt".to_owned(), b"look here".to_vec());
    });
    matrix.insider("a sample is changed and the manifest told", &["segment-altered 256/1"], |plan| {
        let (at, length) = plan.run(0, 0, 1).ranges[0];
        plan.video[at as usize] ^= 1;
        let table = watchbook_evidence::text::unbase64(&plan.run(0, 0, 1).table.clone()).unwrap();
        let samples = plan.video[at as usize..(at + length) as usize + 100].to_vec();
        plan.run(0, 0, 1).sha256 = hex(&watchbook_evidence::bundle::run_digest(&table, &samples));
        plan.list_files();
    });
    matrix.insider("samples are put in", &["coverage camera-1.mp4"], |plan| {
        plan.video.extend(b"\0\0\0\x0cmdatmore");
        plan.list_files();
    });
    matrix.insider("the same samples twice", &["coverage camera-1.mp4"], |plan| {
        let ranges = plan.run(0, 0, 2).ranges.clone();
        plan.run(0, 0, 1).ranges = ranges;
    });
    matrix.insider("the whole file as one run, many times", &["coverage camera-1.mp4"], |plan| {
        // Reading what is said would take a thousand times the file.
        let whole = (0, plan.video.len() as u64);
        plan.run(0, 0, 1).ranges = vec![whole; 1000];
    });
    matrix.insider("a redacted copy as master", &["coverage redacted.mp4"], |plan| {
        // It takes the place of the certificate, whose name sorts before it, so both stay in order.
        plan.manifest.files.push(file("redacted.mp4", FileKind::Master, b"\0\0\0\x0amdat??"));
    });
    for row in &mut matrix.0 {
        if row.name == "a redacted copy as master" {
            row.files.0.insert("redacted.mp4".to_owned(), b"\0\0\0\x0amdat??".to_vec());
        }
    }
    matrix.check();
}

#[test]
fn what_is_said_of_footage_is_held_against_the_log() {
    let mut matrix = Matrix(Vec::new());
    matrix.outsider("a time in the manifest", &["manifest-altered manifest.json", "segment-altered 256/1"], |files| {
        swap(files, MANIFEST, "1764000000500000000", "1764000000500000001");
    });
    matrix.outsider("the case", &["manifest-altered manifest.json"], |files| {
        swap(files, MANIFEST, "2025/1187", "2025/1188");
    });
    matrix.insider(
        "an hour later, everywhere",
        &["gap-unexplained 256/1764000004000000000", "incomplete 256", "segment-altered 256/8"],
        |plan| {
            // Only the last segment of the main stream; the gap still says when it began.
            for run in 0..3 {
                let entry = plan.run(0, 2, run);
                let later = entry.first_utc_ns.parse::<i64>().unwrap() + 3_600_000_000_000;
                entry.first_utc_ns = later.to_string();
            }
            plan.manifest.delivered.end_ns = ((START_S + 3600 + 12) * 1_000_000_000 + 500_000_000).to_string();
            plan.witnessed_after_s = 5000;
        },
    );
    matrix.insider("a clock that was right", &["segment-altered 257/2"], |plan| {
        plan.run(1, 0, 3).clock = ClockState::Free;
    });
    matrix
        .insider("other samples in the table", &["run-altered 257/2/3"], |plan| plan.run(1, 0, 3).table = base64(b"x"));
    matrix.insider("a run of another file", &["coverage camera-1.mp4", "run-altered 257/2/3"], |plan| {
        plan.run(1, 0, 3).file = "certificate.txt".to_owned();
    });
    matrix.insider("ranges behind the end", &["coverage camera-1.mp4", "run-altered 257/2/3"], |plan| {
        plan.run(1, 0, 3).ranges = vec![(1 << 40, 5)];
    });
    matrix.insider(
        "two runs change places",
        // Each is not more than a second from its place.
        &["segment-altered 257/2"],
        |plan| {
            plan.manifest.streams[1].segments[0].runs.swap(1, 3);
        },
    );
    matrix.insider(
        "two segments change places",
        &["gap-unexplained 257/1764000013000000000", "gap-unexplained 257/1764000002000000000", "segment-order 257"],
        |plan| {
            plan.manifest.streams[1].segments.swap(1, 2);
        },
    );
    matrix.insider(
        "spliced in from another camera",
        &["coverage camera-1.mp4", "gap-unexplained 256/1764000002000000000", "incomplete 256", "segment-leaf 256/5"],
        |plan| {
            let other = plan.manifest.streams[1].segments[1].clone();
            plan.manifest.streams[0].segments[1] = other;
        },
    );
    matrix.insider(
        "a segment of a leaf that is none",
        &["gap-unexplained 257/1764000002000000000", "incomplete 257", "segment-leaf 257/3"],
        |plan| {
            plan.manifest.streams[1].segments[1].leaf = 3;
        },
    );
    for row in &mut matrix.0 {
        row.want_sorted();
    }
    matrix.check();
}

impl Row {
    /// Expectations are written in the order of the story.
    fn want_sorted(&mut self) {
        let mut want = self.want.to_vec();
        want.sort_unstable();
        self.want = want.leak();
    }
}

#[test]
fn what_is_missing_is_found() {
    let mut matrix = Matrix(Vec::new());
    matrix.insider("a run is left out", &["coverage camera-1.mp4", "segment-altered 257/2"], |plan| {
        plan.manifest.streams[1].segments[0].runs.remove(1);
    });
    matrix.insider("a run in the middle is held back", &["coverage camera-1.mp4", "runs-withheld 257/2"], |plan| {
        let hash = hex(&stated(plan.run(1, 0, 1), (257, 11)).hash());
        plan.manifest.streams[1].segments[0].runs[1] = RunOrHash::Withheld(Withheld { withheld: hash });
    });
    matrix.insider(
        "the end of a segment in the middle is held back",
        &["coverage camera-1.mp4", "runs-withheld 257/5"],
        |plan| {
            let hash = hex(&stated(plan.run(1, 1, 3), (257, 11)).hash());
            plan.manifest.streams[1].segments[1].runs[3] = RunOrHash::Withheld(Withheld { withheld: hash });
        },
    );
    matrix.insider(
        "a segment is left out",
        &["coverage camera-1.mp4", "gap-unexplained 257/1764000002000000000", "incomplete 257"],
        |plan| {
            plan.manifest.streams[1].segments.remove(1);
        },
    );
    matrix.insider("a gap is left out", &["gap-unexplained 257/1764000004000000000", "incomplete 257"], |plan| {
        plan.manifest.streams[1].gaps.clear();
    });
    matrix.insider(
        "the gap of another stream",
        &["gap-leaf 257/7", "gap-unexplained 257/1764000004000000000", "incomplete 257"],
        |plan| {
            let gaps = plan.manifest.streams[0].gaps.clone();
            plan.manifest.streams[1].gaps = gaps;
        },
    );
    matrix.insider(
        "the end of what was asked for, of one stream",
        &["coverage camera-1.mp4", "incomplete 256"],
        |plan| {
            // The last segment of the main stream; the gap before it and the whole of the sub stream are told of.
            plan.manifest.streams[0].segments.pop();
        },
    );
    matrix.insider("the beginning of what was asked for", &["incomplete 256", "incomplete 257"], |plan| {
        plan.manifest.requested.start_ns = ((START_S - 2) * 1_000_000_000).to_string();
    });
    matrix.insider("a stream of which nothing is told", &["incomplete 300"], |plan| {
        let stream = StreamEntry { camera: "yard".to_owned(), gaps: vec![], segments: vec![], stream: 300 };
        plan.manifest.streams.push(stream);
    });
    matrix.insider("footage that is claimed and not there", &["delivered-wrong interval"], |plan| {
        plan.manifest.streams.clear();
        plan.video = movie::ftyp();
        plan.list_files();
    });
    matrix.insider("gaps without end", &["unreadable manifest.json"], |plan| {
        let gap = plan.manifest.streams[0].gaps[0];
        plan.manifest.streams[0].gaps = vec![gap; GAPS_MAX + 1];
    });
    matrix.insider("an interval from behind", &["unreadable manifest.json"], |plan| {
        let Interval { start_ns, end_ns } = plan.manifest.requested.clone();
        plan.manifest.requested = Interval { end_ns: start_ns, start_ns: end_ns };
    });
    matrix.insider("an interval that was not delivered", &["delivered-wrong interval"], |plan| {
        plan.manifest.delivered = plan.manifest.requested.clone();
    });
    matrix.check();
}

#[test]
fn proofs_and_the_record_of_the_export_are_checked() {
    let mut matrix = Matrix(Vec::new());
    let body = |index: u64, files: &Files| {
        let proofs = Proofs::parse(&files.0[PROOFS]).unwrap();
        proofs.leaf(index).unwrap().clone()
    };
    matrix.outsider("a byte of a salt", &["proof-wrong 5"], |files| {
        let salt = body(5, files).salt;
        swap(files, PROOFS, &salt, &salt.replace(&salt[..1], if salt.starts_with('0') { "1" } else { "0" }));
    });
    matrix.outsider("when a leaf was written", &["proof-wrong 5"], |files| {
        let leaf = body(5, files);
        let (from, to) = (String::from_utf8(to_json(&leaf)).unwrap(), leaf.utc_ns.replace("1764", "1763"));
        swap(files, PROOFS, &from, &from.replace(&leaf.utc_ns, &to));
    });
    matrix.outsider("a proof of another leaf", &["proof-wrong 5"], |files| {
        let (leaf, other) = (body(5, files), body(8, files));
        let from = String::from_utf8(to_json(&leaf)).unwrap();
        let to = to_json(&LeafEntry { path: other.path, ..leaf });
        swap(files, PROOFS, &from, &String::from_utf8(to).unwrap());
    });
    matrix.outsider(
        "another number",
        &["gap-leaf 257/9", "gap-unexplained 257/1764000004000000000", "incomplete 257", "proof-wrong 12"],
        |files| {
            // Leaf 9, the gap of the sub stream, is given out as 12.
            let (leaf, mut proofs) = (body(9, files), Proofs::parse(&files.0[PROOFS]).unwrap());
            proofs.leaves.retain(|old| *old != leaf);
            proofs.leaves.push(LeafEntry { index: 12, ..leaf });
            *edit(files, PROOFS) = to_json(&proofs);
        },
    );
    matrix.outsider("no record of the export", &["export-missing 11"], |files| {
        let mut proofs = Proofs::parse(&files.0[PROOFS]).unwrap();
        proofs.leaves.retain(|leaf| leaf.index != 11);
        *edit(files, PROOFS) = to_json(&proofs);
    });
    matrix.outsider("a record of another export", &["export-missing 5"], |files| {
        swap(files, PROOFS, r#""export":11"#, r#""export":5"#);
    });
    matrix.check();
}

#[test]
fn an_export_that_is_older_than_its_footage_is_found() {
    let mut plan = Plan::new();
    // The log has two leaves more that belong to nobody here, and the manifest says that one of them is a gap of the sub stream.
    let gap = Record::Gap { end_ns: "1".to_owned(), reason: "x".to_owned(), start_ns: "1".to_owned(), stream: 257 };
    let later = leaf(&plan.log, 29, gap.body());
    plan.log.push(later);
    plan.late = 1;
    let place = plan.log.len() as u64;
    plan.manifest.streams[1].gaps.push(place);
    let (code, failed) = judged(&plan.export(1), &Asked::usual());
    assert_eq!((code, failed), (13, vec![format!("export-early {}", place - 1)]));
}

#[test]
fn checkpoints_and_witnesses_are_checked() {
    let mut matrix = Matrix(Vec::new());
    matrix.reader("a log that is not known", &["checkpoint-unsigned checkpoint"], |asked| {
        asked.log = vec![log_key(2).verifier().clone()];
    });
    matrix.outsider(
        "another root",
        &["checkpoint-forged checkpoint", "proof-wrong", "witness-forged checkpoint", "witness-missing checkpoint"],
        |files| {
            let root = base64(&sha256(b"another root"));
            let text = String::from_utf8(files.0[CHECKPOINT].clone()).unwrap();
            let line = text.lines().nth(2).unwrap().to_owned();
            swap(files, CHECKPOINT, &line, &root);
        },
    );
    matrix.outsider(
        "another origin",
        &[
            "checkpoint-forged checkpoint",
            "checkpoint-origin checkpoint",
            "witness-forged checkpoint",
            "witness-missing checkpoint",
        ],
        |files| {
            swap(files, CHECKPOINT, ORIGIN, "station-8.example/log");
        },
    );
    matrix.outsider("the log's line is gone", &["checkpoint-unsigned checkpoint"], |files| {
        let text = String::from_utf8(files.0[CHECKPOINT].clone()).unwrap();
        let line = format!("{}\n", text.lines().nth(4).unwrap());
        swap(files, CHECKPOINT, &line, "");
    });
    matrix.outsider("the witness's line is gone", &["witness-missing checkpoint"], |files| {
        let text = String::from_utf8(files.0[CHECKPOINT].clone()).unwrap();
        let line = format!("{}\n", text.lines().nth(5).unwrap());
        swap(files, CHECKPOINT, &line, "");
    });
    matrix.reader("a witness that is not known", &["witness-missing checkpoint"], |asked| {
        asked.witnesses = vec![witness_key(8).verifier().clone()];
    });
    matrix.reader("two witnesses asked for", &["witness-missing checkpoint"], |asked| {
        asked.witnesses.push(witness_key(8).verifier().clone());
        asked.quorum = Some(2);
    });
    matrix.insider(
        "a witness before the footage",
        &["witness-early oversight.example/w1", "witness-missing checkpoint"],
        |plan| {
            plan.witnessed_after_s = -31;
        },
    );
    for row in &mut matrix.0 {
        if row.name == "another root" {
            let leaves = [1, 2, 4, 5, 7, 8, 9, 10, 11];
            let wrong = leaves.iter().map(|leaf| &*format!("proof-wrong {leaf}").leak()).collect::<Vec<&str>>();
            let others = row.want.iter().copied().filter(|want| *want != "proof-wrong");
            row.want = others.chain(wrong).collect::<Vec<_>>().leak();
            row.want_sorted();
        }
    }
    matrix.check();
}

#[test]
fn another_history_is_found_by_a_checkpoint_that_came_another_way() {
    let plan = Plan::new();
    // The honest log, one entry longer and one shorter than the exported one, and one whose first entry was changed.
    let files = plan.export(1);
    let size = SignedCheckpoint::parse(&files.0[CHECKPOINT]).unwrap().checkpoint().root.size;
    let mut log = plan.log.clone();
    let record = Record::Export { account: 3, approver: 4, manifest: hex(&sha256(&files.0[MANIFEST])) };
    log.push(leaf(&log, 30, record.body()));
    log.push(leaf(&log, 31, br#"{"account":4,"action":"read_audit","outcome":"allowed"}"#.to_vec()));
    assert_eq!(log.len() as u64, size);
    let shorter = Tree::new(&log[..7]);
    let here = Tree::new(&log);
    log.push(leaf(&log, 40, b"{}".to_vec()));
    let longer = Tree::new(&log);
    log[0].body.push(b' ');
    log.truncate(usize::try_from(size).unwrap());
    let forked = Tree::new(&log);
    let up = here.tiled().prove_consistency(7).unwrap();
    let beyond = longer.tiled().prove_consistency(size).unwrap();
    let mut matrix = Matrix(Vec::new());
    let mut row = |name, want, tree: &Tree, proof: Option<&Vec<[u8; 32]>>| {
        matrix.reader(name, want, |asked| {
            asked.known = Some(tree.checkpoint(1, None));
            asked.consistency = proof.cloned();
        });
    };
    row("the same", &[], &here, None);
    row("a fork of the same size", &["fork checkpoint"], &forked, None);
    row("an older one, with its proof", &[], &shorter, Some(&up));
    row("an older one, without", &["unconnected checkpoint"], &shorter, None);
    row("an older one, with another proof", &["fork checkpoint"], &shorter, Some(&beyond));
    row("a newer one, with its proof", &[], &longer, Some(&beyond));
    row("a newer one, without", &["older checkpoint"], &longer, None);
    row("a newer one, with another proof", &["fork checkpoint"], &longer, Some(&up));
    matrix.check();
}

#[test]
fn files_in_another_spelling_are_unreadable() {
    let mut matrix = Matrix(Vec::new());
    let unreadable: [(&str, &[&str], &str, &str, &str); 16] = [
        ("white space", &["unreadable manifest.json"], MANIFEST, r#""case":"#, r#""case": "#),
        ("a field twice", &["unreadable manifest.json"], MANIFEST, r#"{"case":"#, r#"{"case":"1","case":"#),
        ("a field too many", &["unreadable manifest.json"], MANIFEST, r#"{"case":"#, r#"{"a":1,"case":"#),
        ("a field is missing", &["unreadable manifest.json"], MANIFEST, r#""case":"2025/1187","#, ""),
        ("another format", &["unreadable manifest.json"], MANIFEST, "watchbook-bundle/1", "watchbook-bundle/2"),
        ("a fraction", &["unreadable manifest.json"], MANIFEST, r#""length":45000"#, r#""length":45000.0"#),
        ("an exponent", &["unreadable manifest.json"], MANIFEST, r#""length":45000"#, r#""length":45e3"#),
        ("a negative length", &["unreadable manifest.json"], MANIFEST, r#""length":45000"#, r#""length":-45000"#),
        ("an escape", &["unreadable manifest.json"], MANIFEST, "2025/1187", r"2025\/1187"),
        ("a surrogate", &["unreadable manifest.json"], MANIFEST, "2025/1187", r"\ud800"),
        ("a leading zero", &["unreadable manifest.json"], MANIFEST, "1764000000500000000", "01764000000500000000"),
        ("a path as a name", &["unreadable manifest.json"], MANIFEST, "certificate.txt", "../certificate"),
        ("an upper-case salt", &["unreadable proofs.json"], PROOFS, r#""salt":""#, r#""salt":"A"#),
        ("proofs of another format", &["unreadable proofs.json"], PROOFS, "watchbook-proofs/1", "watchbook-proofs/9"),
        ("a checkpoint without an empty line", &["unreadable checkpoint"], CHECKPOINT, "\n\n", "\n"),
        ("a size with a zero", &["unreadable checkpoint"], CHECKPOINT, "log\n13\n", "log\n013\n"),
    ];
    for (name, want, file, from, to) in unreadable {
        matrix.outsider(name, want, |files| swap(files, file, from, to));
    }
    matrix.outsider(
        "all three are gone",
        &["unreadable checkpoint", "unreadable manifest.json", "unreadable proofs.json"],
        |files| {
            files.0.retain(|name, _| name.ends_with("mp4"));
        },
    );
    matrix.outsider("a list as deep as the sea", &["unreadable manifest.json"], |files| {
        *edit(files, MANIFEST) = vec![b'['; 100_000];
    });
    matrix.outsider("not UTF-8", &["unreadable checkpoint", "unreadable manifest.json"], |files| {
        edit(files, MANIFEST)[12] = 0xFF;
        edit(files, CHECKPOINT)[3] = 0xFF;
    });
    matrix.check();
}

#[test]
fn no_changed_byte_passes() {
    let good = Plan::new().export(1);
    let asked = Asked::usual();
    let mut unchanged = 0;
    for (name, bytes) in &good.0 {
        // Every byte of what is signed, every seventh of what is hashed.
        for at in (0..bytes.len()).step_by(if name == CHECKPOINT { 1 } else { 7 }) {
            let mut files = good.clone();
            edit(&mut files, name)[at] ^= 1 << (at % 8);
            if verify(&files, &asked.trust()).is_verified() {
                // Bits that the padding of a signature leaves over mean nothing.
                let read = |files: &Files| SignedCheckpoint::parse(&files.0[CHECKPOINT]).unwrap();
                assert_eq!((name.as_str(), read(&files)), (CHECKPOINT, read(&good)), "byte {at}");
                unchanged += 1;
            }
        }
    }
    assert!(unchanged <= 2, "{unchanged}");
}

#[test]
fn a_change_of_the_log_s_key_is_followed_and_a_false_one_is_not() {
    let asked = |seed: u8| Asked { log: vec![log_key(seed).verifier().clone()], ..Asked::usual() };
    let change = |origin, old, new| Rotation::sign(origin, &log_key(old), &log_key(new)).unwrap();
    // The bundle is signed with key 2; its leaves say that it followed key 1, and something else in each row.
    let rows: [(&str, Vec<String>, u8, &[&str]); 7] = [
        (
            "to a key that came after",
            vec![change(ORIGIN, 1, 2), change(ORIGIN, 2, 3)],
            1,
            &["checkpoint-unsigned checkpoint"],
        ),
        ("from the first", vec![change(ORIGIN, 1, 2)], 1, &[]),
        ("over two changes", vec![change(ORIGIN, 3, 1), change(ORIGIN, 1, 2)], 3, &[]),
        (
            "in the wrong order",
            vec![change(ORIGIN, 1, 2), change(ORIGIN, 3, 1)],
            3,
            &["checkpoint-unsigned checkpoint"],
        ),
        ("from a key that is not trusted", vec![change(ORIGIN, 4, 2)], 1, &["checkpoint-unsigned checkpoint"]),
        ("of another log", vec![change("another", 1, 2)], 1, &["checkpoint-unsigned checkpoint", "key-change 11"]),
        (
            "signed by one",
            vec![one_sided(&change(ORIGIN, 1, 2))],
            1,
            &["checkpoint-unsigned checkpoint", "key-change 11"],
        ),
    ];
    for (name, changes, seed, want) in rows {
        let mut plan = Plan::new();
        for note in changes {
            let place = plan.log.len() as u64;
            plan.log.push(leaf(&plan.log, 29, Record::LogKey { note }.body()));
            plan.changes.push(place);
        }
        let (code, failed) = judged(&plan.export(2), &asked(seed));
        assert_eq!(failed, want, "{name}");
        assert_eq!(code == 0, want.is_empty(), "{name}");
    }
}

#[test]
fn a_key_that_went_signs_for_nothing_any_more() {
    let mut plan = Plan::new();
    let note = Rotation::sign(ORIGIN, &log_key(1), &log_key(2)).unwrap();
    let place = plan.log.len() as u64;
    plan.log.push(leaf(&plan.log, 29, Record::LogKey { note }.body()));
    let both = Asked { log: [1, 2].map(|seed| log_key(seed).verifier().clone()).to_vec(), ..Asked::usual() };
    let new = Asked { log: vec![log_key(2).verifier().clone()], ..Asked::usual() };
    let unsigned = (15, vec!["checkpoint-unsigned checkpoint".to_owned()]);
    // The thief of the old key does not show the leaf, and is found by who trusts the new key alone.
    assert_eq!(judged(&plan.export(1), &Asked::usual()), (0, Vec::new()));
    assert_eq!(judged(&plan.export(1), &new), unsigned);
    plan.changes.push(place);
    for asked in [&Asked::usual(), &both, &new] {
        assert_eq!(judged(&plan.export(1), asked), unsigned);
        assert_eq!(judged(&plan.export(2), asked), (0, Vec::new()));
    }
}

/// Without the last signature.
fn one_sided(note: &str) -> String {
    let lines: Vec<&str> = note.lines().collect();
    lines[..lines.len() - 1].iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn keys_that_cannot_be_told_apart_verify_nothing() {
    // Two seeds whose keys have one id, which is four bytes of a hash: found among the first 26,000.
    let keys = [7976_u32, 25_590].map(|number| {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&number.to_le_bytes());
        SigningKey::from_seed(ORIGIN, Algorithm::Ed25519, &seed).unwrap()
    });
    let [one, other] = keys.each_ref().map(|key| key.verifier().clone());
    assert_eq!(one.key_id(), other.key_id());
    let mut files = Plan::new().export(1);
    let signed = SignedCheckpoint::parse(&files.0[CHECKPOINT]).unwrap();
    let mut note = Note::new(signed.note().text()).unwrap();
    note.sign(&keys[0]).unwrap();
    *edit(&mut files, CHECKPOINT) = note.to_text().into_bytes();
    let asked = |log: &[&VerifierKey]| Asked {
        log: log.iter().map(|key| (*key).clone()).collect(),
        witnesses: Vec::new(),
        ..Asked::usual()
    };
    let forged = (15, vec!["checkpoint-forged checkpoint".to_owned()]);
    assert_eq!(judged(&files, &asked(&[&one, &one])), (0, Vec::new()), "the same key twice is one");
    for both in [[&one, &other], [&other, &one]] {
        assert_eq!(judged(&files, &asked(&both)), forged);
    }
}
