//! The way of a package through the API, and what the log keeps of it.

use super::doubles::{KEY, OTHER_KEY, PLUGIN, START_MS, WAITING};
use super::station::{Ask, Station, assert_problem};
use crate::routes::plugins::PACKAGE_BODY;
use axum::http::StatusCode;
use serde_json::json;
use std::sync::atomic::Ordering;
use watchbook_access::{Action, Role};

fn upload(bytes: &[u8]) -> Ask {
    Ask::new("POST", "/api/v1/plugins").header("content-type", "application/octet-stream").bytes(bytes.to_vec())
}

fn path(act: &str) -> String {
    format!("/api/v1/plugins/{PLUGIN}/{act}")
}

#[tokio::test]
async fn each_step_of_a_package_is_an_entry_that_names_it() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let before = station.audit.count();
    // FIPS 180-2 appendix B.1: SHA-256 of "abc".
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let answer = station.send(upload(b"abc").by(&admin)).await;
    assert_eq!((answer.status, &answer.json()["waiting"]["package_sha256"]), (StatusCode::CREATED, &json!(abc)));
    let stale = station.post(&path("approve"), &admin, &json!({"package_sha256": WAITING})).await;
    assert_problem(&stale, 409, "conflict");
    let answer = station.post(&path("approve"), &admin, &json!({"package_sha256": abc})).await;
    assert_eq!(answer.json()["running"]["version"], "1.3.0", "{answer:?}");
    let answer = station.send(Ask::new("POST", &path("rollback")).by(&admin)).await;
    assert_eq!(answer.json()["running"]["version"], "1.1.0", "{answer:?}");
    let gone = station.send(Ask::new("DELETE", &format!("/api/v1/plugins/{PLUGIN}")).by(&admin)).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let plugin = || PLUGIN.to_owned();
    let approve = |sha: &str| Action::ApprovePlugin { plugin: plugin(), package_sha256: sha.to_owned() };
    let expected = [
        Action::InstallPlugin { package_sha256: abc.into() },
        approve(WAITING),
        approve(abc),
        Action::RollBackPlugin { plugin: plugin() },
        Action::RemovePlugin { plugin: plugin() },
    ];
    let actions: Vec<Action> = station.audit.since(before).into_iter().map(|entry| entry.action).collect();
    assert_eq!(actions, expected);
}

#[tokio::test]
async fn a_file_of_somebody_who_may_not_is_not_even_received() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let viewer = station.account(&admin, "Dara", &[Role::Viewer], None).await;
    let before = station.audit.count();
    // A body that is too large shows whether it was read: then it would be 413.
    let body = vec![0; PACKAGE_BODY + 1];
    assert_problem(&station.send(upload(&body).by(&viewer)).await, 403, "denied");
    assert_problem(&station.send(upload(&body)).await, 401, "sign-in-first");
    let entries = station.audit.since(before);
    assert_eq!(entries.len(), 2, "{entries:?}");
    let nothing = Action::InstallPlugin { package_sha256: String::new() };
    assert!(entries.iter().all(|entry| entry.action == nothing), "{entries:?}");
    assert_problem(&station.send(upload(&body).by(&admin)).await, 413, "too-large");
    assert_problem(&station.send(upload(&[]).by(&admin)).await, 422, "invalid-input");
    assert_eq!(station.send(upload(&body[1..]).by(&admin)).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_publisher_s_key_is_taken_with_the_id_that_was_told_and_given_up_by_it() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let keys = "/api/v1/plugin-publishers";
    let trust = |key_id: &str| json!({"name": "City lab", "public_key": "RWQ", "key_id": key_id});
    for bad in ["", "FFEE", "GGEEDDCCBBAA9988", &"F".repeat(17)] {
        assert_problem(&station.post(keys, &admin, &trust(bad)).await, 422, "invalid-input");
    }
    let mut long = trust(OTHER_KEY);
    long["public_key"] = json!("x".repeat(1025));
    assert_problem(&station.post(keys, &admin, &long).await, 422, "invalid-input");
    let before = station.audit.count();
    // As a person copies it from a telephone call.
    let answer = station.post(keys, &admin, &trust("ffee ddcc bbaa 9988")).await;
    assert_eq!((answer.status, &answer.json()["key_id"]), (StatusCode::CREATED, &json!(OTHER_KEY)));
    let gone = station.send(Ask::new("DELETE", &format!("{keys}/{KEY}")).by(&admin)).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    for unknown in [KEY, "x"] {
        let gone = station.send(Ask::new("DELETE", &format!("{keys}/{unknown}")).by(&admin)).await;
        assert_problem(&gone, 404, "not-found");
    }
    let actions: Vec<Action> = station.audit.since(before).into_iter().map(|entry| entry.action).collect();
    assert_eq!(actions[0], Action::TrustPublisher { key_id: OTHER_KEY.into() });
    assert_eq!(actions[1], Action::DistrustPublisher { key_id: KEY.into() });
}

#[tokio::test]
async fn developer_mode_lasts_a_day_at_most_and_everybody_sees_it() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let viewer = station.account(&admin, "Dara", &[Role::Viewer], None).await;
    let set = |hours: u32| Ask::new("PUT", "/api/v1/plugin-dev-mode").by(&admin).json(&json!({"hours": hours}));
    assert_problem(&station.send(set(25)).await, 422, "invalid-input");
    let before = station.audit.count();
    assert_eq!(station.send(set(24)).await.status, StatusCode::OK);
    assert_eq!(station.audit.since(before)[0].action, Action::SetPluginDevMode { hours: 24 });
    let seen = station.get("/api/v1/plugin-dev-mode", &viewer).await.json();
    assert_eq!(seen, json!({"until_utc_ms": START_MS + 24 * 3_600_000}));
    station.send(set(0)).await;
    assert_eq!(station.get("/api/v1/plugin-dev-mode", &viewer).await.json(), json!({"until_utc_ms": null}));
}

#[tokio::test]
async fn what_is_being_tried_out_is_switched_by_an_administrator_with_a_line_in_the_audit_log() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let viewer = station.account(&admin, "Dara", &[Role::Viewer], None).await;
    let tried_out = "/api/v1/plugin-tried-out";
    let set = |on: bool| Ask::new("PUT", tried_out).json(&json!({"on": on}));
    assert_eq!(station.get(tried_out, &viewer).await.json(), json!({"on": false, "capabilities": ["inference"]}));
    assert_problem(&station.send(set(true).by(&viewer)).await, 403, "denied");
    let before = station.audit.count();
    assert_eq!(station.send(set(true).by(&admin)).await.status, StatusCode::OK);
    assert_eq!(station.audit.since(before)[0].action, Action::SetPluginTriedOut { on: true });
    assert_eq!(station.get(tried_out, &viewer).await.json()["on"], json!(true));
    station.send(set(false).by(&admin)).await;
    assert_eq!(station.get(tried_out, &viewer).await.json()["on"], json!(false));
}

#[tokio::test]
async fn what_cannot_be_a_plugin_s_id_reaches_nobody() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let calls = station.inner.calls.load(Ordering::SeqCst);
    for part in ["..%2F..", "%3Cscript%3E", "a%00b", &"a".repeat(129)] {
        let ask = Ask::new("POST", &format!("/api/v1/plugins/{part}/rollback")).by(&admin);
        assert_problem(&station.send(ask).await, 404, "not-found");
        let judgement = json!({"package_sha256": WAITING});
        let answer = station.post(&format!("/api/v1/plugins/{part}/reject"), &admin, &judgement).await;
        assert_problem(&answer, 404, "not-found");
        assert_problem(&station.get(&format!("/api/v1/plugins/{part}/log"), &admin).await, 404, "not-found");
    }
    assert_eq!(station.inner.calls.load(Ordering::SeqCst), calls);
}
