//! The report for anybody; reviews and the log to take along, for auditors.

use super::doubles::REPORT;
use super::station::{Ask, Station, assert_problem};
use serde_json::json;
use watchbook_access::{Action, Role};

#[tokio::test]
async fn anybody_reads_the_report_and_nothing_is_kept_of_who() {
    let station = Station::new();
    let before = station.audit.count();
    let answer = station.get("/api/v1/report", "").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (200, REPORT.as_bytes()), "the bytes that are hashed");
    assert_eq!(answer.header("content-type"), "application/json");
    let text = station.get("/api/v1/report.txt?month=2026-11", "").await;
    assert_eq!((text.body.as_ref(), text.header("content-type")), (&b"November"[..], "text/plain; charset=utf-8"));
    assert_eq!(station.get("/api/v1/reports", "").await.json()["contact"], "Room 3");
    assert_problem(&station.get("/api/v1/report?month=1999-01", "").await, 404, "not-found");
    assert_eq!(station.audit.count(), before);
}

#[tokio::test]
async fn an_auditor_answers_and_says_why_when_it_was_not_right() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let auditor = station.account(&admin, "A", &[Role::Auditor], None).await;
    let list = station.get("/api/v1/reviews", &auditor).await.json();
    assert_eq!((&list["reviews"][0]["entry"]["index"], &list["reviews"][0]["due_utc_ms"]), (&json!(7), &json!(null)));
    let answer = |entry: &str, body: serde_json::Value| {
        station.send(Ask::new("POST", &format!("/api/v1/reviews/{entry}")).json(&body).by(&auditor))
    };
    assert_problem(&answer("7", json!({"ok": false, "reason": " "})).await, 422, "invalid-input");
    assert_problem(&answer("8", json!({"ok": true})).await, 404, "not-found");
    assert_eq!(answer("7", json!({"ok": false, "reason": "not his case"})).await.status, 204);
    let last = station.audit.since(0).pop().unwrap();
    assert_eq!(last.action, Action::AnswerReview { entry: 7, ok: false, reason: "not his case".into() });
    assert_problem(&station.get("/api/v1/reviews", &admin).await, 403, "denied");
}

#[tokio::test]
async fn an_auditor_takes_the_log_along_line_by_line_and_sees_what_stands_out() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let auditor = station.account(&admin, "A", &[Role::Auditor], None).await;
    let leaves = |from: &str| format!("/api/v1/log/leaves?from={from}");
    let lines = station.get(&leaves("0"), &auditor).await;
    assert_eq!(lines.body.as_ref(), b"{\"index\":0,\"leaf\":\"01ab\"}\n{\"index\":1,\"leaf\":\"01ab\"}\n");
    assert_eq!(station.get(&leaves("2"), &auditor).await.body.as_ref(), b"");
    assert_problem(&station.get(&leaves("-1"), &auditor).await, 422, "invalid-input");
    let list = station.get("/api/v1/anomalies?utc_offset_min=420", &auditor).await.json();
    assert_eq!((&list["anomalies"][0]["count"], &list["anomalies"][0]["account_name"]), (&json!(420), &json!("Chief")));
    assert_problem(&station.get("/api/v1/anomalies?utc_offset_min=900", &auditor).await, 422, "invalid-input");
}
