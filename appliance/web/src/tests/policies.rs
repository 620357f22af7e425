//! The station's policy: read by anybody, chosen by an admin, loosened by two people; and what it holds to.

use super::doubles::{START_MS, policy_sha256};
use super::station::{Station, assert_problem};
use serde_json::{Value, json};
use watchbook_access::{Action, Outcome, Role};
use watchbook_base::Clock as _;

fn request(id: &str) -> Value {
    json!({"policy": id, "version": 1, "policy_sha256": policy_sha256(id)})
}

fn acceptance(id: &str, by: u32) -> Value {
    json!({"policy": id, "version": 1, "policy_sha256": policy_sha256(id), "proposed_by": by})
}

#[tokio::test]
async fn anybody_reads_the_policy_and_nothing_is_kept_of_who() {
    let station = Station::new();
    let before = station.audit.count();
    let policy = station.get("/api/v1/policy", "").await.json();
    assert_eq!((&policy["in_force"]["policy"], &policy["contact"]), (&json!("wide"), &json!("Room 3")));
    assert_eq!(policy["in_force"]["rules"]["retention_days_max"], 30);
    assert!(policy.get("proposed").is_none(), "what somebody proposes is not the public's yet");
    assert_eq!(station.audit.count(), before);
}

#[tokio::test]
async fn a_stricter_policy_is_in_force_at_once_and_a_looser_one_when_somebody_else_accepts_it() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let other = station.account(&admin, "Second", &[Role::Admin], None).await;
    let list = station.post("/api/v1/policies/propose", &admin, &request("strict")).await.json();
    assert_eq!(
        (&list["in_force"]["policy"], &list["offered"][0]["loosens"]),
        (&json!("strict"), &json!(["retention_days_max", "sound", "case_days_max"]))
    );
    let list = station.post("/api/v1/policies/propose", &admin, &request("longer")).await.json();
    assert_eq!((&list["in_force"]["policy"], &list["proposed"]["account_name"]), (&json!("strict"), &json!("Chief")));
    assert_eq!(
        station.get("/api/v1/policy", "").await.json()["in_force"]["policy"],
        "strict",
        "nothing is loosened yet"
    );

    // Not by whoever proposed it, whatever factor they have; not without one; not what was not looked at.
    station.second_factor(&admin).await;
    let accept = |by: u32| acceptance("longer", by);
    let path = "/api/v1/policies/accept";
    assert_problem(&station.post(path, &admin, &accept(1)).await, 403, "denied");
    assert_problem(&station.post(path, &other, &accept(1)).await, 403, "second_factor_needed");
    station.second_factor(&other).await;
    assert_problem(&station.post(path, &other, &acceptance("wide", 1)).await, 409, "conflict");
    assert_eq!(station.get("/api/v1/policy", "").await.json()["in_force"]["policy"], "strict");
    let list = station.post(path, &other, &accept(1)).await.json();
    assert_eq!((&list["in_force"]["policy"], &list["proposed"]), (&json!("longer"), &Value::Null));
    let last = station.audit.since(0).pop().unwrap();
    let policy_sha256 = policy_sha256("longer");
    let accepted = Action::AcceptPolicy { policy: "longer".into(), version: 1, policy_sha256, proposed_by: 1 };
    assert_eq!((last.account, last.action, last.outcome), (Some(2), accepted, Outcome::Allowed));
    assert_problem(&station.post(path, &other, &accept(1)).await, 409, "conflict");
}

#[tokio::test]
async fn who_proposed_a_policy_cannot_say_that_somebody_else_did() {
    let station = Station::new();
    let admin = station.claim(true).await;
    station.second_factor(&admin).await;
    station.post("/api/v1/policies/propose", &admin, &request("longer")).await;
    let proposed = station.get("/api/v1/policies", &admin).await.json()["proposed"]["account"].clone();
    assert_eq!(proposed, 1);
    let answer = station.post("/api/v1/policies/accept", &admin, &acceptance("longer", 50)).await;
    assert_problem(&answer, 409, "conflict");
    assert_eq!(station.get("/api/v1/policy", "").await.json()["in_force"]["policy"], "wide");
    let last = station.audit.since(0).pop().unwrap();
    assert!(last.outcome.refusal().is_some(), "it is in the log as refused: {last:?}");
}

#[tokio::test]
async fn a_policy_that_is_not_the_one_that_was_looked_at_is_not_taken() {
    let station = Station::new();
    let admin = station.claim(false).await;
    for (body, status, slug) in [
        (json!({"policy": "strict", "version": 2, "policy_sha256": policy_sha256("strict")}), 409, "conflict"),
        (json!({"policy": "strict", "version": 1, "policy_sha256": policy_sha256("wide")}), 409, "conflict"),
        (json!({"policy": "Strict", "version": 1, "policy_sha256": policy_sha256("strict")}), 422, "invalid-input"),
        (json!({"policy": "strict", "version": 1, "policy_sha256": "00"}), 422, "invalid-input"),
    ] {
        assert_problem(&station.post("/api/v1/policies/propose", &admin, &body).await, status, slug);
    }
    let gone = station.post("/api/v1/policies/withdraw", &admin, &request("longer")).await;
    assert_eq!((gone.status.as_u16(), &gone.json()["proposed"]), (200, &Value::Null));
    assert_problem(&station.post("/api/v1/policies/withdraw", &admin, &request("longer")).await, 404, "not-found");
}

#[tokio::test]
async fn cameras_and_cases_are_held_to_the_policy() {
    let station = Station::new();
    let admin = station.claim(false).await;
    station.post("/api/v1/policies/propose", &admin, &request("strict")).await;
    let camera = |more: Value| {
        let mut body =
            json!({"name": "Yard", "main": {"url": "rtsp://192.0.2.9/s"}, "purpose": "Traffic", "contact": "Room 3"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (more, what) in [
        (json!({"retention_days_max": 11}), "retention_days_max"),
        (json!({"record_audio": true, "audio_purpose": "x"}), "sound"),
    ] {
        let answer = station.post("/api/v1/cameras", &admin, &camera(more)).await;
        assert_problem(&answer, 422, "invalid-input");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(what) && detail.contains("policy"), "{detail}");
    }
    let made = station.post("/api/v1/cameras", &admin, &camera(json!({}))).await;
    assert_eq!((made.status.as_u16(), &made.json()["retention_days_max"]), (201, &json!(7)));
    let approver = station.account(&admin, "A", &[Role::Approver], None).await;
    station.account(&admin, "I", &[Role::Investigator], None).await;
    station.second_factor(&approver).await;
    let now = station.clock.utc().as_ms();
    let case = |days: i64| {
        json!({
            "case": "8/26", "purpose": "theft", "cameras": [1], "from_utc_ms": START_MS, "to_utc_ms": START_MS + 1000,
            "expires_utc_ms": now + days * 86_400_000, "investigators": [3]
        })
    };
    let refused = station.post("/api/v1/cases", &approver, &case(8)).await;
    assert_problem(&refused, 422, "invalid-input");
    assert!(refused.json()["detail"].as_str().unwrap().contains("7 days"), "{refused:?}");
    assert_eq!(station.post("/api/v1/cases", &approver, &case(7)).await.status, 201);
}
