//! Releases by signed file: whose word it is, what the log keeps, and who enrols keys.

use super::doubles::MANIFEST;
use super::station::{Ask, Station, assert_problem};
use crate::hex;
use serde_json::json;
use watchbook_access::{Action, Outcome, Role};

const BRING: &str = "/api/v1/exports/1/decision";
const ASK: &str = "/api/v1/exports/1/decision-request";

#[tokio::test]
async fn what_an_approver_signed_is_their_word_and_not_the_carrier_s() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let carrier = station.account(&admin, "Carrier", &[Role::Investigator], None).await;
    let signer = station.signer(&admin).await;
    // The carrier, the second account, asked for it.
    *station.inner.asked_by.lock().unwrap() = Some(2);
    let asked = station.send(Ask::new("POST", ASK).by(&carrier)).await;
    assert_eq!((asked.status.as_u16(), asked.body.as_ref()), (200, &b"request 1\n"[..]));
    let before = station.audit.count();
    let text = signer.to_string();
    let answer = station.post(BRING, &carrier, &json!({"text": text})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let file = hex::encode(&hex::sha256(text.as_bytes()));
    let entries = station.audit.since(before);
    let brought = Action::BringDecision { export: 1, decision_sha256: file.clone() };
    let released = Action::ReleaseExport { export: 1, manifest_sha256: MANIFEST.into(), by_signed_file: Some(file) };
    assert_eq!((entries[0].account, &entries[0].action), (Some(2), &brought));
    assert_eq!((entries[1].account, &entries[1].action), (Some(signer), &released));
    assert!(entries.iter().all(|entry| entry.outcome == Outcome::Allowed) && entries.len() == 2, "{entries:?}");

    let text = format!("{signer} too wide");
    assert_eq!(station.post(BRING, &carrier, &json!({"text": text})).await.status, 200);
    let last = station.audit.since(before).pop().unwrap();
    assert!(
        matches!(&last.action, Action::RefuseExport { reason, by_signed_file: Some(_), .. } if reason == "too wide")
    );
}

#[tokio::test]
async fn a_file_by_nobody_about_another_export_or_of_somebody_who_may_not_is_refused_and_logged() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let carrier = station.account(&admin, "Carrier", &[Role::Investigator], None).await;
    let signer = station.signer(&admin).await;
    let refused = |before: usize| {
        let last = station.audit.since(before).pop().unwrap();
        last.outcome.refusal().is_some()
    };
    let before = station.audit.count();
    assert_problem(&station.post(BRING, &carrier, &json!({"text": "99"})).await, 403, "denied");
    assert!(refused(before), "nobody's key");
    let path = BRING.replace("/1/", "/2/");
    assert_problem(&station.post(&path, &carrier, &json!({"text": signer.to_string()})).await, 409, "conflict");
    assert!(refused(before), "another export");
    let change =
        |body: serde_json::Value| Ask::new("PATCH", &format!("/api/v1/accounts/{signer}")).by(&admin).json(&body);
    assert_eq!(station.send(change(json!({"cameras": [2]}))).await.status, 200);
    assert_problem(&station.post(BRING, &carrier, &json!({"text": signer.to_string()})).await, 403, "denied");
    assert!(refused(before), "not all of the cameras");
    assert_eq!(station.send(change(json!({"cameras": null, "roles": ["viewer"]}))).await.status, 200);
    let before = station.audit.count();
    assert_problem(&station.post(BRING, &carrier, &json!({"text": signer.to_string()})).await, 403, "denied");
    assert!(refused(before), "no approver any more");
    assert_eq!(station.audit.since(before).pop().unwrap().account, Some(signer));
}

#[tokio::test]
async fn keys_are_enrolled_by_another_admin_for_approvers_and_each_for_one() {
    let station = Station::new();
    let admin = station.claim(false).await;
    station.account(&admin, "Approver", &[Role::Approver], None).await;
    station.account(&admin, "Viewer", &[Role::Viewer], None).await;
    let other = station.account(&admin, "Other", &[Role::Approver], None).await;
    let enrol = |account: u32, key: &str, by: &str| {
        Ask::new("PUT", &format!("/api/v1/accounts/{account}/approver-key")).by(by).json(&json!({"key": key}))
    };
    let key = "hq.example/approver+00000000+AQ";
    assert_problem(&station.send(enrol(2, key, &admin)).await, 403, "second_factor_needed");
    station.second_factor(&admin).await;
    assert_problem(&station.send(enrol(2, key, &other)).await, 403, "denied");
    assert_problem(&station.send(enrol(1, key, &admin)).await, 403, "denied");
    assert_problem(&station.send(enrol(3, key, &admin)).await, 409, "conflict");
    assert_problem(&station.send(enrol(2, "rubbish", &admin)).await, 422, "invalid-input");
    assert_eq!(station.send(enrol(2, key, &admin)).await.status, 204);
    // The same key under another name is the same key.
    assert_problem(&station.send(enrol(4, "other+11111111+AQ", &admin)).await, 409, "conflict");
    let listed = station.get("/api/v1/accounts", &admin).await.json();
    assert_eq!(listed["accounts"][1]["approver_key"], key);
    let logged = station.audit.since(0).into_iter().map(|entry| entry.action);
    assert!(logged.into_iter().any(|action| action == Action::EnrolApproverKey { account: 2, key: key.into() }));
    let remove = || Ask::new("DELETE", "/api/v1/accounts/2/approver-key").by(&admin);
    assert_eq!(station.send(remove()).await.status, 204);
    assert_problem(&station.send(remove()).await, 404, "not-found");
}
