//! The transparency report of a real station: sign-ins, refused attempts, looks, holds and changes over the API, and then every number of the public report computed again by a
//! script that has the auditor's copy of the log and nothing else.

#![allow(clippy::unwrap_used, reason = "a test's")]

use crate::cameras::gst;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use watchbook_e2e::recorder::{SOON, now_ms};
use watchbook_e2e::{Client, Recorder, wait_for};

/// The whole log, page by page.
pub(crate) fn copy_of(recorder: &Recorder, dir: &Path) -> std::path::PathBuf {
    let (mut copy, mut from) = (Vec::new(), 0);
    loop {
        let page = recorder.client.get(&format!("/api/v1/log/leaves?from={from}")).ok();
        let lines = page.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        if lines == 0 {
            break;
        }
        from += lines;
        copy.extend(page.body);
    }
    let path = dir.join("copy");
    std::fs::write(&path, copy).unwrap();
    path
}

pub(crate) fn script(copy: &Path, arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../evidence/report.py");
    Command::new("python3").arg("-B").arg(script).arg(copy).args(arguments).output().expect("python3 is installed")
}

/// The public report, for nobody in particular.
fn report(anybody: &Client) -> (Value, Vec<u8>) {
    let answer = anybody.get("/api/v1/report").ok();
    (answer.json(), answer.body)
}

/// What somebody may do in a month: five wrong passwords, six tries without signing in, an emergency with seven looks, a hold, a change of what a camera is for.
fn busy(recorder: &mut Recorder, anybody: &mut Client, camera: u64, footage: (i64, i64)) {
    for turn in 0..5 {
        let wrong = json!({"name": format!("nobody {turn}"), "password": "not the passphrase"});
        assert!(anybody.send("POST", "/api/v1/session", &wrong).status >= 400);
    }
    for path in ["accounts", "health", "audit", "holds", "proposals", "reviews"] {
        assert_eq!(anybody.get(&format!("/api/v1/{path}")).status, 401);
    }
    let (start, end) = footage;
    let case = recorder.client.open_emergency(&[camera]);
    let play = |from: i64| {
        format!("/api/v1/cameras/{camera}/playback.mp4?case={case}&from_utc_ms={from}&to_utc_ms={}", from + 1000)
    };
    drop(recorder.client.get(&play(start)).ok());
    // Windows of five minutes each, so that each is a look of its own; there is nothing in them.
    (1..=6).for_each(|turn| drop(recorder.client.get(&play(start - turn * 600_000))));
    let hold = json!({"case": "7/26", "cameras": [camera], "from_utc_ms": start, "to_utc_ms": end, "note": ""});
    drop(recorder.client.send("POST", "/api/v1/holds", &hold).ok());
    let change = json!({"purpose": "Traffic at the bridge", "retention_days_max": 3});
    drop(recorder.client.send("PATCH", &format!("/api/v1/cameras/{camera}"), &change).ok());
}

#[test]
fn a_script_with_the_log_alone_computes_the_public_report_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Bridge", &format!("{}main", server.url()), None);
    let footage = recorder.wait_recorded(&camera, 2);
    let mut anybody = Client::new(&format!("http://{}", recorder.client.authority()));
    busy(&mut recorder, &mut anybody, camera.id, footage);
    // A stop writes down what was recorded.
    assert_eq!(recorder.stop(), Some(0));
    recorder.restart();
    anybody = Client::new(&format!("http://{}", recorder.client.authority()));

    let seen = wait_for("the report to have all of it", SOON, || {
        let answer = anybody.get("/api/v1/report");
        let report = if answer.status == 200 { answer.json() } else { Value::Null };
        let camera = &report["cameras"][0];
        let fits = camera["retention_days_max"] == 3 && camera["recorded_minutes"].as_u64() > Some(0);
        if fits { Ok(report) } else { Err(report.to_string()) }
    });
    assert_eq!(seen["cameras"][0]["purpose"], "Traffic at the bridge");
    assert_eq!(
        (&seen["refused"]["failed_sign_ins"], &seen["refused"]["attempts"]),
        (&json!(5), &json!(5)),
        "5 and 6, in fives"
    );
    assert_eq!(seen["views"]["by"]["equipment_check"], 5, "{seen}");
    assert_eq!((&seen["holds"]["placed"], &seen["exports"]["requested"]), (&json!("<5"), &json!("<5")));

    // The same bytes, from the auditor's copy. Whatever was written in between is left out by the number of entries.
    let (_, bytes) = report(&anybody);
    let shown: Value = serde_json::from_slice(&bytes).unwrap();
    let copy = copy_of(&recorder, dir.path());
    let (month, entries) = (shown["month"].as_str().unwrap(), shown["log_entries"].to_string());
    let again = script(&copy, &["--month", month, "--entries", &entries, "--open"]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(String::from_utf8(again.stdout).unwrap(), String::from_utf8(bytes).unwrap());
    let exact = script(&copy, &["--month", month, "--entries", &entries]);
    let exact: Value = serde_json::from_slice(&exact.stdout).unwrap();
    assert_eq!((&exact["refused"]["failed_sign_ins"], &exact["refused"]["attempts"]), (&json!(5), &json!(6)));

    // The copy is what the station signs, and another log is not.
    let log = recorder.client.get("/api/v1/log").ok().json();
    let checkpoint = recorder.save(log["checkpoint"].as_str().unwrap().as_bytes(), "checkpoint");
    let flags = ["--checkpoint", checkpoint.to_str().unwrap(), "--log", log["key"].as_str().unwrap()];
    let checked = script(&copy_of(&recorder, dir.path()), &flags);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let text = std::fs::read_to_string(&copy).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let changed = first.replacen("7b22", "7b23", 1);
    std::fs::write(&copy, format!("{changed}\n{rest}")).unwrap();
    assert_eq!(script(&copy, &flags).status.code(), Some(1), "a bit of the first entry");

    // It names nobody and no case, and is there as a page and as text.
    for path in ["/api/v1/report", "/api/v1/report.txt", "/api/v1/reports"] {
        let body = String::from_utf8(anybody.get(path).ok().body).unwrap();
        assert!(!body.contains("tester") && !body.contains("7/26") && !body.contains("E2E 1"), "{path}: {body}");
    }
    assert!(now_ms() > shown["as_of_utc_ms"].as_i64().unwrap());
    assert_eq!(anybody.get("/api/v1/log/leaves?from=0").status, 401);
}
