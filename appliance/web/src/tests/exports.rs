//! Exports: what the gate keeps of them.

use super::doubles::{MANIFEST, SINK, START_MS};
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
    let before = station.audit.count();
    let answer = station.post("/api/v1/exports", &asker, &request("7/26", START_MS + 900_000)).await;
    assert!(!answer.status.is_success(), "{answer:?}");
    refused_at_last(&station, before, "future");
}

/// What the gate allowed came to nothing, and the log says so.
fn refused_at_last(station: &Station, before: usize, why: &str) {
    let entries = station.audit.since(before);
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert!(entries[0].outcome == Outcome::Allowed && entries[0].action == entries[1].action, "{entries:?}");
    assert!(entries[1].outcome.refusal().is_some_and(|said| said.contains(why)), "{entries:?}");
}

#[tokio::test]
async fn what_goes_out_goes_to_whoever_asked_while_the_case_is_open() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let asker = station.account(&admin, "Asker", &[Role::Investigator], None).await;
    let other = station.account(&admin, "Other", &[Role::Investigator], None).await;
    *station.inner.asked_by.lock().unwrap() = Some(2);
    let download = format!("/api/v1/exports/1/bundle.zip?manifest_sha256={MANIFEST}");
    let body = json!({"manifest_sha256": MANIFEST, "sink": SINK});
    let deliver = "/api/v1/exports/1/deliver";
    assert_problem(&station.get(&download, &other).await, 403, "denied");
    assert_problem(&station.post(deliver, &other, &body).await, 403, "denied");
    assert_problem(&station.send(Ask::new("POST", "/api/v1/exports/1/cancel").by(&other)).await, 403, "denied");
    assert_eq!(station.post(deliver, &asker, &body).await.status, 200);
    for (sink, status) in [("usb/OTHER", 404), ("download", 422), ("", 422), (&*"a/".repeat(90), 422)] {
        let answer = station.post(deliver, &asker, &json!({"manifest_sha256": MANIFEST, "sink": sink})).await;
        assert_eq!(answer.status, status, "{sink:?}: {answer:?}");
    }
    let before = station.audit.count();
    let nowhere = json!({"manifest_sha256": MANIFEST, "sink": "usb/OTHER"});
    assert_eq!(station.post(deliver, &asker, &nowhere).await.status, 404);
    refused_at_last(&station, before, "no such place");
    // An export that nobody knows.
    let unknown = format!("/api/v1/exports/5/bundle.zip?manifest_sha256={MANIFEST}");
    assert_problem(&station.get(&unknown, &asker).await, 403, "denied");
    assert_eq!(station.get(&download, &asker).await.status, 200);
    let closing = Ask::new("POST", "/api/v1/cases/7%2F26/close").by(&asker);
    assert_eq!(station.send(closing).await.status, 200);
    assert_problem(&station.get(&download, &asker).await, 403, "outside-case");
    assert_problem(&station.post(deliver, &asker, &body).await, 403, "outside-case");
}

#[tokio::test]
async fn nobody_releases_or_refuses_their_own() {
    let station = Station::new();
    let admin = station.claim(true).await;
    *station.inner.asked_by.lock().unwrap() = Some(1);
    station.second_factor(&admin).await;
    let before = station.audit.count();
    let own = station.post("/api/v1/exports/1/release", &admin, &json!({"manifest_sha256": MANIFEST})).await;
    assert_problem(&own, 403, "denied");
    let refusal = json!({"manifest_sha256": MANIFEST, "reason": "x"});
    assert_problem(&station.post("/api/v1/exports/1/refuse", &admin, &refusal).await, 403, "denied");
    let entries = station.audit.since(before);
    assert!(entries.iter().all(|entry| matches!(entry.outcome, Outcome::Refused(_))), "the gate itself: {entries:?}");
    assert_eq!(
        station.post("/api/v1/exports/8/release", &admin, &json!({"manifest_sha256": MANIFEST})).await.status,
        200
    );
}

#[tokio::test]
async fn an_investigator_knows_of_the_exports_of_their_cases_alone() {
    let station = Station::new();
    let admin = station.claim(false).await;
    // Account 2; the exports are asked for by account 3, in the case 7/26.
    let investigator = station.account(&admin, "Other", &[Role::Investigator], None).await;
    let approver = station.account(&admin, "Approver", &[Role::Approver], None).await;
    let auditor = station.account(&admin, "Auditor", &[Role::Auditor], None).await;
    let count = async |who: &str| {
        let list = station.get("/api/v1/exports", who).await.json();
        list["exports"].as_array().unwrap().len()
    };
    let asks = || Ask::new("POST", "/api/v1/exports/1/decision-request").by(&investigator);
    assert_eq!(count(&investigator).await, 2, "the case names them");
    assert_eq!(station.send(asks()).await.status, 200);
    let out = Box::new(|case: &mut watchbook_access::Case| {
        case.investigators = [3].into();
        Ok(())
    });
    station.app.ports().cases.update(super::station::CASE, out).unwrap();
    assert_eq!(count(&investigator).await, 0, "numbers of cases and names of receivers of others");
    assert_problem(&station.send(asks()).await, 403, "denied");
    assert_eq!((count(&approver).await, count(&auditor).await), (2, 2));
}

#[tokio::test]
async fn the_list_says_why_a_released_export_cannot_be_had() {
    let station = Station::new();
    let admin = station.claim(false).await;
    station.account(&admin, "Second", &[Role::Approver], None).await;
    let asker = station.account(&admin, "Asker", &[Role::Investigator], None).await;
    *station.inner.asked_by.lock().unwrap() = Some(3);
    let denied = async || {
        let list = station.get("/api/v1/exports", &asker).await.json();
        let rows = list["exports"].as_array().unwrap().clone();
        [rows[0]["denied"].clone(), rows[1]["denied"].clone()]
    };
    assert_eq!(denied().await, [json!(null), json!(null)]);
    let closing = Ask::new("POST", "/api/v1/cases/7%2F26/close").by(&asker);
    assert_eq!(station.send(closing).await.status, 200);
    let [ready, released] = denied().await;
    assert_eq!(ready, json!(null), "it is not released");
    assert!(
        released.as_str().is_some_and(|why| why.contains("closed") && why.contains("Ask an approver")),
        "{released}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_not_in_the_log_as_allowed_alone() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let asker = station.account(&admin, "Asker", &[Role::Investigator], None).await;
    let second = station.account(&admin, "Second", &[Role::Approver], None).await;
    station.second_factor(&second).await;
    *station.inner.asked_by.lock().unwrap() = Some(2);
    for (who, path) in [(&asker, ""), (&asker, "/1/deliver"), (&second, "/1/release"), (&second, "/1/refuse")] {
        let before = station.audit.count();
        let answer = station.send(Ask::new("POST", &format!("/api/v1/exports{path}")).by(who)).await;
        assert_eq!(answer.status, 422, "{path}: {answer:?}");
        let entries = station.audit.since(before);
        let last = entries.last().map(|entry| entry.outcome.clone());
        assert!(!matches!(last, Some(Outcome::Allowed)), "{path}: {entries:?}");
    }
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
    assert!(
        entries.iter().any(|entry| matches!(entry.action, Action::RequestExport { redacted: true, .. })),
        "{entries:?}"
    );
    assert_eq!(station.post(path, &viewer, &good).await.status, 403);
    assert_eq!(
        station.post(path, &asker, &body("no such case", START_MS + 1000, core::slice::from_ref(&key))).await.status,
        403
    );
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
    let refused = Action::ReleaseExport { export: 1, manifest_sha256: other, by_signed_file: None };
    assert_eq!(entries.len(), 1, "it was never allowed: {entries:?}");
    assert!(entries[0].action == refused && matches!(entries[0].outcome, Outcome::Refused(_)), "{entries:?}");
    assert_eq!(station.post(path, &second, &body(MANIFEST)).await.status, 200);
}

#[tokio::test]
async fn a_bundle_comes_whole_or_in_part_with_one_entry() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let asker = station.account(&admin, "Asker", &[Role::Investigator], None).await;
    *station.inner.asked_by.lock().unwrap() = Some(2);
    let before = station.audit.count();
    let path = format!("/api/v1/exports/1/bundle.zip?manifest_sha256={MANIFEST}");
    let whole = station.get(&path, &asker).await;
    assert_eq!((whole.status.as_u16(), &whole.body[..]), (200, &b"archive"[..]));
    assert_eq!(whole.headers["content-type"], "application/zip");
    assert_eq!(station.get(&path, &asker).await.status, 200);
    let entries = station.audit.since(before);
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_problem(&station.get("/api/v1/exports/1/bundle.zip?manifest_sha256=ab", &asker).await, 422, "invalid-input");
    // What went out went out, whatever becomes of a call that shares its entry.
    let other = format!("/api/v1/exports/1/bundle.zip?manifest_sha256={}", "cd".repeat(32));
    assert!(station.get(&other, &asker).await.status.is_client_error());
    let failed = station.audit.since(before).pop().unwrap();
    assert!(matches!(failed.outcome, Outcome::Refused(_)), "{failed:?}");
    // A camera that was taken from the account since then.
    let ask = Ask::new("PATCH", "/api/v1/accounts/2").by(&admin).json(&json!({"cameras": [2]}));
    assert_eq!(station.send(ask).await.status, 200);
    let again = station.sign_in("Asker").await;
    assert_problem(&station.get(&path, &again).await, 403, "denied");
}
