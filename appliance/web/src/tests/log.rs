//! Checkpoints of the audit log: for anybody; what a witness is asked, for auditors.

use super::doubles::{CHECKPOINT, SIGNED};
use super::station::{Station, assert_problem};
use serde_json::json;
use watchbook_access::Role;

#[tokio::test]
async fn anybody_may_keep_a_checkpoint() {
    let station = Station::new();
    let answer = station.get("/api/v1/log/checkpoint", "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.as_ref(), CHECKPOINT.as_bytes());
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    let log = station.get("/api/v1/log", "").await.json();
    assert_eq!((&log["signed_entries"], &log["checkpoint"]), (&json!(SIGNED), &json!(CHECKPOINT)));
}

#[tokio::test]
async fn an_auditor_asks_a_witness_and_no_log_gets_shorter() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let auditor = station.account(&admin, "A", &[Role::Auditor], None).await;
    let path = |old: &str| format!("/api/v1/log/witness-request?old_entries={old}");
    let request = station.get(&path("3"), &auditor).await;
    assert_eq!(request.body.as_ref(), format!("old 3\n\n{CHECKPOINT}").as_bytes());
    assert_problem(&station.get(&path("8"), &auditor).await, 404, "not-found");
    assert_problem(&station.get(&path("-1"), &auditor).await, 422, "invalid-input");
    assert_problem(&station.get(&path("3"), &admin).await, 403, "denied");
    let health = station.get("/api/v1/health", &admin).await.json();
    let alarms = health["alarms"].as_array().unwrap();
    assert!(alarms.iter().any(|alarm| alarm["kind"] == "log_unsigned"), "{health}");
}
