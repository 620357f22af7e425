//! The report and the draws, computed again by `tests/evidence/report.py`, which was written from the table in `report.rs`: over logs of every kind of entry, byte for byte.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use watchbook_base::UtcNanos;
use watchbook_evidence::report::{Month, Tally, bytes};
use watchbook_evidence::{Frontier, Leaf, hex, sha256};

const SECOND: i64 = 1_000_000_000;
/// Four hours before December 2026 (`date -u -d 2026-12-01 +%s` is 1796083200).
const START_NS: i64 = (1_796_083_200 - 4 * 3600) * SECOND;

const START_MS: u64 = (1_796_083_200 - 4 * 3600) * 1000;

/// A log, entry by entry.
#[derive(Default)]
struct Log {
    leaves: Vec<Leaf>,
    tree: Frontier,
    drawn_from: u64,
    /// Where the last report of November ended.
    published: u64,
}

impl Log {
    fn push(&mut self, at_ns: i64, body: &Value) {
        let salt = [u8::try_from(self.leaves.len() % 251).unwrap(); 16];
        let leaf = Leaf { salt, utc: UtcNanos(at_ns), body: body.to_string().into_bytes() };
        self.tree.push(leaf.hash().unwrap());
        self.leaves.push(leaf);
    }

    /// A week passes; what is drawn comes from the log up to and with the first entry after it, whatever else is written before.
    fn draw(&mut self, at_ns: i64) {
        self.push(at_ns, &body(11, 0, 2));
        let root = self.tree.root();
        self.push(at_ns, &body(1, 0, 2));
        let body = json!({
            "account": null, "action": "draw_reviews", "from": self.drawn_from, "entries": root.size, "root": hex(&root.hash), "outcome": "allowed",
            "percent": 2 + root.size % 9, "at_least": 5 + root.size % 3
        });
        self.drawn_from = root.size;
        self.push(at_ns, &body);
    }

    /// November is about all entries: each of its reports replaces the one before. December begins where the last one of them ended.
    fn tally(&self, month: &str) -> Tally {
        let november = Month::parse("2026-11").unwrap();
        let mut tally = Tally::new(november);
        for (index, leaf) in (0..).zip(&self.leaves) {
            if month == "2026-12" && index == self.published {
                tally = tally.next(november.next());
            }
            tally.take(index, leaf.utc, &leaf.body);
        }
        tally
    }

    /// Says that nothing came of an earlier entry, if it is one of which something might have come.
    fn undo(&mut self, at_ns: i64, n: u64) {
        let of = usize::try_from(n).unwrap() % self.leaves.len().max(1);
        let body = self.leaves.get(of).and_then(|leaf| serde_json::from_slice::<Value>(&leaf.body).ok());
        let Some(mut body) = body.filter(|body| body["outcome"] == "allowed") else { return };
        body["outcome"] = json!({"came_to_nothing": {"entry": of, "why": "taken"}});
        self.push(at_ns, &body);
    }

    fn publish(&mut self, at_ns: i64, month: &str) {
        let report = bytes(&self.tally(month).report(true));
        let entries = self.leaves.len();
        self.published = u64::try_from(entries).unwrap();
        self.push(at_ns, &json!({"account": null, "action": "publish_report", "month": month, "entries": entries, "report_sha256": hex(&sha256(&report)), "outcome": "allowed"}));
    }

    fn written(&self, dir: &Path) -> std::path::PathBuf {
        let line = |(index, leaf): (usize, &Leaf)| {
            format!("{{\"index\":{index},\"leaf\":\"{}\"}}\n", hex(&leaf.encode().unwrap()))
        };
        let path = dir.join("copy");
        std::fs::write(&path, self.leaves.iter().enumerate().map(line).collect::<String>()).unwrap();
        path
    }
}

fn script(copy: &Path, arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/evidence/report.py");
    Command::new("python3").arg("-B").arg(script).arg(copy).args(arguments).output().expect("python3 is installed")
}

/// One entry of some kind; numbers come from small ranges, so that they refer to each other.
fn body(kind: u8, n: u64, account: u64) -> Value {
    let case = format!("{}/26", n % 6);
    let purposes = ["theft", "violence", "traffic_collision", "not one of ours"];
    let classes = ["court", "defence", "police", "nobody"];
    let of = |words: &[&str]| words[usize::try_from(n).unwrap() % words.len()].to_owned();
    let mut body = match kind {
        0 => json!({"action": "open_case", "case": case, "purpose": of(&purposes), "emergency": n.is_multiple_of(3)}),
        1 | 2 => json!({"action": "playback", "camera": n % 3 + 1, "case": case}),
        3 => json!({"action": "playback", "camera": 1}),
        4 => json!({"action": "request_export", "export": n % 8, "case": case, "recipient_class": of(&classes)}),
        5 => json!({"action": "release_export", "export": n % 8, "manifest_sha256": "00"}),
        6 => json!({"action": "deliver_export", "export": n % 8}),
        7 => json!({"action": "refuse_export", "export": n % 8, "reason": "ទូលាយពេក"}),
        8 => {
            json!({"action": "state_policy", "camera": n % 3 + 1, "purpose": "ចរាចរណ៍ \"bridge\"\t", "enabled": n.is_multiple_of(2), "removed": n.is_multiple_of(5), "retention_days_max": n % 4, "audio": n.is_multiple_of(3), "contact": n.is_multiple_of(4), "masks": 1, "plugins": ["a", "b"]})
        }
        9 => {
            json!({"action": "record_hours", "cameras": [{"camera": n % 3 + 1, "minutes": n}, {"camera": 9, "minutes": 1}]})
        }
        10 => json!({"action": "erase", "camera": n % 3 + 1, "hours": n}),
        11 => json!({"action": "live", "camera": 1}),
        12 => json!({"action": "sign_in"}),
        13 => {
            json!({"action": of(&["place_hold", "release_hold", "change_config", "change_account", "enrol_approver_key", "make_mirror_token", "approve_plugin", "retire_disk", "export"])})
        }
        18 | 19 => {
            json!({"action": "register_subject_request", "request": n % 12, "due_utc_ms": START_MS + n * 60_000})
        }
        20 => {
            json!({"action": "extend_subject_request", "request": n % 12, "due_utc_ms": START_MS + n * 90_000, "why": "complex"})
        }
        21 => json!({"action": "answer_subject_request", "request": n % 12, "export": 1, "to": "data_subject"}),
        22 => {
            json!({"action": "refuse_subject_request", "request": n % 12, "why": of(&["no_footage", "inquiry", "because"])})
        }
        23 => {
            json!({"action": of(&["withdraw_subject_request", "change_subject_request", "search_for_subject_request"]), "request": n % 12})
        }
        24 => json!({"action": "review_camera", "camera": n % 4 + 1, "note": "needed"}),
        14 => json!({"action": "answer_review", "entry": n, "ok": n.is_multiple_of(2), "reason": ""}),
        15 => {
            return json!({"kind": "gap", "end_ns": (n * 7_000_000_000).to_string(), "reason": of(&["camera gone", "clock_step", "damaged", "not_stored"]), "start_ns": "1", "stream": 256 * (n % 4) + n % 2});
        }
        16 => {
            json!({"action": "state_rules", "policy": of(&["kh-default", "uk"]), "version": n % 2 + 1, "policy_sha256": "ab", "rules": {"retention_days_max": n % 3, "sound": n.is_multiple_of(4), "faces": "none"}})
        }
        17 => json!({"action": of(&["propose_policy", "accept_policy", "withdraw_policy"]), "policy": "uk"}),
        _ => return json!({"kind": "segment", "recording": n, "root": "00", "runs": 1, "stream": 256}),
    };
    let refused = kind != 14 && n % 7 == 1;
    body["account"] = if n.is_multiple_of(11) { Value::Null } else { json!(account) };
    body["outcome"] = if refused { json!({"refused": "not yours"}) } else { json!("allowed") };
    body
}

#[test]
fn the_script_recomputes_every_number_of_logs_of_all_kinds_of_entries() {
    let dir = tempfile::tempdir().unwrap();
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 8, ..Config::default() },
        TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]),
    );
    // Minutes between entries, so that the month changes; a clock that goes back now and then.
    let entries = prop::collection::vec((0_u8..30, 0_u64..120, 1_u64..4, -1_i64..6), 40..160);
    let many = runner.run(&entries, |entries| {
        let (mut log, mut at) = (Log::default(), START_NS);
        for (turn, (kind, n, account, minutes)) in entries.iter().enumerate() {
            at += minutes * 60 * SECOND;
            match kind {
                25.. => log.undo(at, *n),
                _ => log.push(at, &body(*kind, *n, *account)),
            }
            if turn % 37 == 36 {
                at += 7 * 86_400 * SECOND;
                log.draw(at);
            }
            if turn % 50 == 49 {
                log.publish(at, "2026-11");
            }
        }
        let copy = log.written(dir.path());
        for month in ["2026-11", "2026-12"] {
            for over in [true, false] {
                let ours = bytes(&log.tally(month).report(over));
                let flags: &[&str] = if over { &["--month", month] } else { &["--month", month, "--open"] };
                let output = script(&copy, flags);
                prop_assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), String::from_utf8(ours).unwrap());
            }
        }
        let output = script(&copy, &["--published", "--draws"]);
        prop_assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    });
    many.unwrap();
}

#[test]
fn the_script_finds_a_report_that_was_embellished_and_a_draw_that_was_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::default();
    (0..30).for_each(|_| log.push(START_NS, &body(1, 3, 2)));
    log.draw(START_NS + 7 * 86_400 * SECOND);
    log.publish(START_NS, "2026-11");
    assert!(script(&log.written(dir.path()), &["--published", "--draws"]).status.success());

    let whole = log.leaves.clone();
    let replaced = |log: &mut Log, from: &str, to: &str| {
        for leaf in &mut log.leaves {
            leaf.body = String::from_utf8(leaf.body.clone()).unwrap().replace(from, to).into_bytes();
        }
    };
    // One look less, everywhere; the hash of the report as it was.
    log.leaves[4].body = body(11, 0, 2).to_string().into_bytes();
    let output = script(&log.written(dir.path()), &["--published"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("the report of 2026-11 is not what"), "{output:?}");
    log.leaves = whole.clone();
    // A seed that somebody liked better.
    let root = log.tree.root();
    let body = String::from_utf8(whole[32].body.clone()).unwrap();
    let seed: Value = serde_json::from_str(&body).unwrap();
    replaced(&mut log, seed["root"].as_str().unwrap(), &hex(&root.hash));
    let output = script(&log.written(dir.path()), &["--draws"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("a root that the log never had"), "{output:?}");
    log.leaves = whole.clone();
    // Somebody waited until the log looked better, and then drew from all of it.
    replaced(&mut log, "\"entries\":31", "\"entries\":32");
    let output = script(&log.written(dir.path()), &["--draws"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("not from the first of the week on"), "{output:?}");
    log.leaves = whole.clone();
    replaced(&mut log, "\"from\":0", "\"from\":9");
    let output = script(&log.written(dir.path()), &["--draws"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("leaves entries out"), "{output:?}");
    // An entry that is left out.
    let text = std::fs::read_to_string(log.written(dir.path())).unwrap();
    let without: String =
        text.lines().filter(|line| !line.contains("\"index\":7,")).map(|line| format!("{line}\n")).collect();
    std::fs::write(dir.path().join("copy"), without).unwrap();
    assert_eq!(script(&dir.path().join("copy"), &["--draws"]).status.code(), Some(1));
}
