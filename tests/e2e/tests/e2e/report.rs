//! The transparency report of a real station: sign-ins, refused attempts, looks, holds and changes over the API, and then every number of the public report computed again by a
//! script that has the auditor's copy of the log and nothing else.

#![allow(clippy::unwrap_used, reason = "a test's")]

use crate::cameras::gst;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use watchbook_e2e::recorder::{SOON, now_ms};
use watchbook_e2e::release::Approver;
use watchbook_e2e::{Client, Recorder, case, wait_for};

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

    // The same bytes, from the auditor's copy: for one of the numbers of entries that it may be about.
    let (_, bytes) = report(&anybody);
    let shown: Value = serde_json::from_slice(&bytes).unwrap();
    let copy = copy_of(&recorder, dir.path());
    let month = shown["month"].as_str().unwrap();
    let file = recorder.save(&bytes, "shown");
    let again = script(&copy, &["--shown", file.to_str().unwrap()]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let told = String::from_utf8(again.stdout).unwrap();
    let entries = told.split_whitespace().nth(2).unwrap();
    let exact = script(&copy, &["--month", month, "--entries", entries]);
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

/// The policy of this id that is offered, as a request names it.
fn offered(recorder: &Recorder, id: &str) -> Value {
    let list = recorder.client.get("/api/v1/policies").ok().json();
    let offered = list["offered"].as_array().unwrap().iter().find(|one| one["policy"]["policy"] == id).unwrap();
    let policy = &offered["policy"];
    json!({"policy": id, "version": policy["version"], "policy_sha256": policy["policy_sha256"]})
}

#[test]
fn a_retention_above_the_policy_takes_a_second_person_and_stands_in_the_public_report() {
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::claim(dir.path());
    let mut anybody = Client::new(&format!("http://{}", recorder.client.authority()));
    let policy = anybody.get("/api/v1/policy").ok().json();
    assert_eq!(
        (&policy["in_force"]["policy"], &policy["in_force"]["rules"]["retention_days_max"]),
        (&json!("kh-default"), &json!(30))
    );
    // An address that is never connected to: nothing is recorded in this test.
    let main = json!({"url": "rtsp://127.0.0.1:9/none", "transport": "tcp"});
    let camera = json!({"name": "Gate", "main": main, "purpose": "Traffic at the gate", "contact": "Room 3", "retention_days_max": 31});
    let refused = recorder.client.send("POST", "/api/v1/cameras", &camera);
    let said = String::from_utf8_lossy(&refused.body).into_owned();
    assert!(refused.status == 422 && said.contains("policy allows 30"), "{said}");

    // The one person of the station proposes, and cannot accept, whatever factor they have.
    let uk = offered(&recorder, "uk");
    let list = recorder.client.send("POST", "/api/v1/policies/propose", &uk).ok().json();
    assert_eq!((&list["in_force"]["policy"], &list["proposed"]["account"]), (&json!("kh-default"), &json!(1)));
    drop(case::second_factor(&mut recorder.client, "a long enough passphrase"));
    let mut accept = uk.clone();
    accept["proposed_by"] = json!(1);
    assert_eq!(recorder.client.send("POST", "/api/v1/policies/accept", &accept).status, 403);
    assert_eq!(recorder.client.send("POST", "/api/v1/cameras", &camera).status, 422);
    let mut approver = Approver::new(&mut recorder);
    drop(approver.client.send("POST", "/api/v1/policies/accept", &accept).ok());
    drop(recorder.client.send("POST", "/api/v1/cameras", &camera).ok());

    // Back to the strictest at once; the camera is beyond it, which the health page and the report say. It is in force after a start, too.
    drop(recorder.client.send("POST", "/api/v1/policies/propose", &offered(&recorder, "kh-default")).ok());
    recorder.kill_and_restart();
    anybody = Client::new(&format!("http://{}", recorder.client.authority()));
    assert_eq!(anybody.get("/api/v1/policy").ok().json()["in_force"]["policy"], "kh-default");
    let health = recorder.client.get("/api/v1/health").ok().json();
    let alarm = health["alarms"].as_array().unwrap().iter().find(|alarm| alarm["kind"] == "camera_beyond_policy");
    assert!(alarm.is_some_and(|alarm| alarm["text"].as_str().unwrap().ends_with("Gate")), "{health}");
    let seen = wait_for("the report to have the policy", SOON, || {
        let answer = anybody.get("/api/v1/report");
        // It is counted first.
        let report = if answer.status == 200 { answer.json() } else { Value::Null };
        let fits = report["policy"]["policy"] == "kh-default" && report["cameras_beyond_policy"] == 1;
        if fits { Ok((report, answer.body)) } else { Err(report.to_string()) }
    });
    let in_force = &anybody.get("/api/v1/policy").ok().json()["in_force"];
    assert_eq!(
        (&seen.0["policy"]["policy_sha256"], &seen.0["policy"]["rules"]),
        (&in_force["policy_sha256"], &in_force["rules"])
    );
    let copy = copy_of(&recorder, dir.path());
    let file = recorder.save(&seen.1, "shown");
    let again = script(&copy, &["--shown", file.to_str().unwrap()]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
}
