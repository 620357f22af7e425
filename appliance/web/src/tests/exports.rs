//! Exports: what the gate keeps of them.

use super::doubles::{MANIFEST, START_MS};
use super::station::{Ask, Station, assert_problem};
use serde_json::json;
use watchbook_access::{Action, Outcome, Role};

fn request(case: &str, to_utc_ms: i64) -> serde_json::Value {
    json!({"case": case, "cameras": [1], "from_utc_ms": START_MS, "to_utc_ms": to_utc_ms, "recipient_class": "court", "recipient": "Clerk"})
}

#[tokio::test]
async fn an_export_is_asked_for_inside_a_case_and_never_of_the_future() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let asker = station.account(&admin, "Asker", &[Role::Investigator], None).await;
    let answer = station.post("/api/v1/exports", &asker, &request("7/26", START_MS + 1000)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let answer = station.post("/api/v1/exports", &asker, &request("no such case", START_MS + 1000)).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let answer = station.post("/api/v1/exports", &asker, &request("7/26", START_MS + 900_000)).await;
    assert!(!answer.status.is_success(), "{answer:?}");
}

#[tokio::test]
async fn a_redacted_copy_is_asked_for_inside_a_case_of_at_most_a_quarter_of_an_hour() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let asker = station.account(&admin, "Asker", &[Role::Investigator], None).await;
    let viewer = station.account(&admin, "Viewer", &[Role::Viewer], None).await;
    let key = json!({"at_utc_ms": START_MS, "left": 0.1, "top": 0.1, "right": 0.5, "bottom": 0.5});
    let body = |case: &str, to_utc_ms: i64, keys: &[serde_json::Value]| {
        json!({
            "case": case, "camera": 1, "from_utc_ms": START_MS, "to_utc_ms": to_utc_ms, "recipient_class": "data_subject", "recipient": "Sok",
            "everything_but": false, "regions": [{"keys": keys}],
        })
    };
    let path = "/api/v1/exports/redacted";
    let before = station.audit.count();
    let good = body("7/26", START_MS + 1000, core::slice::from_ref(&key));
    assert_eq!(station.post(path, &asker, &good).await.status, 201);
    let entries = station.audit.since(before);
    assert!(entries.iter().any(|entry| matches!(entry.action, Action::RequestExport { .. })), "{entries:?}");
    assert_eq!(station.post(path, &viewer, &good).await.status, 403);
    assert_eq!(station.post(path, &asker, &body("no such case", START_MS + 1000, &[key.clone()])).await.status, 403);
    let long = body("7/26", START_MS + 901_000, &[key]);
    assert_problem(&station.post(path, &asker, &long).await, 422, "invalid-input");
    assert_problem(&station.post(path, &asker, &body("7/26", START_MS + 1000, &[])).await, 422, "invalid-input");
}

#[tokio::test]
async fn a_release_needs_a_fresh_second_factor_and_is_bound_to_the_manifest() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let second = station.account(&admin, "Second", &[Role::Approver], None).await;
    let body = |manifest: &str| json!({"manifest_sha256": manifest});
    let path = "/api/v1/exports/1/release";
    assert_problem(&station.post(path, &second, &body(MANIFEST)).await, 403, "second_factor_needed");
    station.second_factor(&second).await;
    let before = station.audit.count();
    let other = "0".repeat(64);
    assert_problem(&station.post(path, &second, &body(&other)).await, 409, "conflict");
    let entries = station.audit.since(before);
    let refused = Action::ReleaseExport { export: 1, manifest_sha256: other };
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert!(entries[1].action == refused && matches!(entries[1].outcome, Outcome::Refused(_)), "{entries:?}");
    assert_eq!(station.post(path, &second, &body(MANIFEST)).await.status, 200);
}

#[tokio::test]
async fn a_bundle_comes_whole_or_in_part_with_one_entry() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let asker = station.account(&admin, "Asker", &[Role::Investigator], None).await;
    let before = station.audit.count();
    let path = format!("/api/v1/exports/1/bundle.zip?manifest_sha256={MANIFEST}");
    let whole = station.get(&path, &asker).await;
    assert_eq!((whole.status.as_u16(), &whole.body[..]), (200, &b"archive"[..]));
    assert_eq!(whole.headers["content-type"], "application/zip");
    assert_eq!(station.get(&path, &asker).await.status, 200);
    let entries = station.audit.since(before);
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_problem(&station.get("/api/v1/exports/1/bundle.zip?manifest_sha256=ab", &asker).await, 422, "invalid-input");
    // A camera that was taken from the account since then.
    let ask = Ask::new("PATCH", "/api/v1/accounts/2").by(&admin).json(&json!({"cameras": [2]}));
    assert_eq!(station.send(ask).await.status, 200);
    let again = station.sign_in("Asker").await;
    assert_problem(&station.get(&path, &again).await, 403, "denied");
}
