//! Requests of people who may be in the footage, at a real station: one is looked for in a case and answered with a copy that a second person has released; others are late, and that
//! shows on the page Health and in the public report, whose numbers a script computes again.

#![allow(clippy::unwrap_used, reason = "a test's")]

use crate::cameras::gst;
use crate::report::{copy_of, script};
use serde_json::{Value, json};
use watchbook_e2e::recorder::{Camera, SOON, now_ms};
use watchbook_e2e::release::{Approver, wait_export};
use watchbook_e2e::{Client, Recorder, wait_for};

const DAY_MS: i64 = 86_400_000;
const WORDS: &str = "North gate, a red bicycle";

/// Takes a request up that was received so many days ago; its number.
fn register(recorder: &mut Recorder, camera: &Camera, range: (i64, i64), days_ago: i64) -> u64 {
    let body = json!({
        "reference": "SR 12/2026", "received_utc_ms": now_ms() - days_ago * DAY_MS, "cameras": [camera.id],
        "from_utc_ms": range.0, "to_utc_ms": range.1, "place": WORDS,
    });
    let made = recorder.client.send("POST", "/api/v1/subject-requests", &body).ok().json();
    assert_eq!(made["overdue"], days_ago > 28, "{made}");
    made["request"].as_u64().unwrap()
}

fn act(client: &mut Client, request: u64, act: &str, body: &Value) -> u16 {
    client.send("POST", &format!("/api/v1/subject-requests/{request}/{act}"), body).status
}

/// From the case to the answer.
fn answered(recorder: &mut Recorder, approver: &mut Approver, camera: &Camera, range: (i64, i64)) -> u64 {
    let request = register(recorder, camera, range, 0);
    let label = format!("request {request}");
    let hold = json!({"case": label, "cameras": [camera.id], "from_utc_ms": range.0, "to_utc_ms": range.1, "note": ""});
    drop(recorder.client.send("POST", "/api/v1/holds", &hold).ok());

    // A case that was opened for something else is none for it.
    approver.open_case("7/26", &[camera.id]);
    assert_eq!(act(&mut approver.client, request, "search", &json!({"case": "7/26"})), 409);
    let now = now_ms();
    let case = json!({
        "case": label, "purpose": "subject_request", "cameras": [camera.id], "from_utc_ms": range.0, "to_utc_ms": range.1,
        "expires_utc_ms": now + 7_200_000, "investigators": [1],
    });
    drop(approver.client.send("POST", "/api/v1/cases", &case).ok());
    assert_eq!(act(&mut approver.client, request, "search", &json!({"case": label})), 200);

    let order = json!({
        "case": label, "cameras": [camera.id], "from_utc_ms": range.0, "to_utc_ms": range.1,
        "recipient_class": "data_subject", "recipient": "SR 12/2026",
    });
    let id = recorder.client.send("POST", "/api/v1/exports", &order).ok().json()["id"].as_str().unwrap().to_owned();
    let export = wait_export(&recorder.client, &id, "ready");
    let answer = json!({"export": id, "to": "data_subject", "reference": "R 7", "why": "asked for it"});
    assert_eq!(act(&mut recorder.client, request, "answer", &answer), 409, "nobody has released it");
    let manifest = export["made"]["manifest_sha256"].as_str().unwrap();
    assert_eq!(approver.release(&export, manifest), 200);
    wait_export(&recorder.client, &id, "released");
    assert_eq!(act(&mut recorder.client, request, "answer", &answer), 200);
    request
}

#[test]
fn a_request_is_answered_with_a_released_copy_and_late_ones_show_in_health_and_report() {
    let dir = tempfile::tempdir().unwrap();
    let server = gst(&[]);
    let mut recorder = Recorder::claim(dir.path());
    let camera = recorder.add_camera("Gate", &format!("{}main", server.url()), None);
    let range = recorder.wait_recorded(&camera, 4);
    let mut approver = Approver::new(&mut recorder);
    let request = answered(&mut recorder, &mut approver, &camera, range);
    let late: Vec<u64> = (0..10).map(|_| register(&mut recorder, &camera, range, 40)).collect();
    let refusal = json!({"why": "no_footage", "words": "nothing was recorded then"});
    late.iter().take(5).for_each(|late| assert_eq!(act(&mut approver.client, *late, "refuse", &refusal), 200));

    recorder.kill_and_restart();
    let list = recorder.client.get("/api/v1/subject-requests").ok().json();
    let list = list["requests"].as_array().unwrap();
    assert_eq!(list.iter().filter(|one| one["overdue"] == true).count(), 5, "{list:?}");
    let done = list.iter().find(|one| one["request"] == request).unwrap();
    assert_eq!((&done["state"], &done["ended"]["disclosure"]["reference"]), (&json!("answered"), &json!("R 7")));
    let health = recorder.client.get("/api/v1/health").ok().json();
    let alarms = health["alarms"].as_array().unwrap();
    assert!(alarms.iter().any(|alarm| alarm["kind"] == "subject_request_overdue"), "{alarms:?}");

    let anybody = Client::new(&format!("http://{}", recorder.client.authority()));
    let (seen, bytes) = wait_for("the report to have all of it", SOON, || {
        let answer = anybody.get("/api/v1/report");
        let report = if answer.status == 200 { answer.json() } else { Value::Null };
        let whole = report["subject_requests"]["overdue"] == 5;
        if whole { Ok((report, answer.body)) } else { Err(report.to_string()) }
    });
    let told = &seen["subject_requests"];
    assert_eq!((&told["any_overdue"], &told["waiting"], &told["answered"]), (&json!(true), &json!(5), &json!("<5")));
    assert_eq!((&told["received"], &told["refused"]["by"]["no_footage"]), (&json!(10), &json!(5)), "11, in fives");

    let copy = copy_of(&recorder, dir.path());
    let file = recorder.save(&bytes, "shown");
    let again = script(&copy, &["--shown", file.to_str().unwrap()]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let said = String::from_utf8(again.stdout).unwrap();
    let (month, entries) = (seen["month"].as_str().unwrap(), said.split_whitespace().nth(2).unwrap());
    let exact: Value =
        serde_json::from_slice(&script(&copy, &["--month", month, "--entries", entries]).stdout).unwrap();
    assert_eq!(exact["subject_requests"]["received"], 11);

    // Neither the report nor the log has a word that somebody typed.
    let log = std::fs::read_to_string(&copy).unwrap();
    let text = String::from_utf8(anybody.get("/api/v1/report.txt").ok().body).unwrap();
    for said in [WORDS, "SR 12", "nothing was recorded then"] {
        let hex: String = said.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!log.contains(&hex) && !text.contains(said), "{said}");
    }
    assert_eq!(recorder.stop(), Some(0));
}
