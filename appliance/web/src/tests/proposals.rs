//! What rules propose, through the router: people decide, and each decision is an entry.

use super::doubles::proposal;
use super::station::{Station, assert_problem};
use crate::api::ProposalKind;
use axum::http::StatusCode;
use serde_json::json;
use watchbook_access::{Action, Outcome, Role};

const DECIDE: &str = "/api/v1/proposals/2/decide";

async fn station(kind: ProposalKind) -> (Station, String, String) {
    let station = Station::new();
    let admin = station.claim(false).await;
    let investigator = station.account(&admin, "Dara", &[Role::Investigator], None).await;
    station.inner.proposals.lock().unwrap().0.push(proposal(2, 1, kind));
    (station, admin, investigator)
}

#[tokio::test]
async fn an_accepted_hold_is_placed_for_its_case_and_both_are_in_the_log() {
    let (station, admin, investigator) = station(ProposalKind::Hold).await;
    let accept = |case: &str| json!({"decision": "accept", "case": case});
    assert_problem(&station.post(DECIDE, &investigator, &json!({"decision": "accept"})).await, 422, "invalid-input");
    // Whoever may not hold footage cannot do it by way of a rule.
    assert_problem(&station.post(DECIDE, &admin, &accept("7/26")).await, 403, "denied");
    assert_eq!(station.holds.rows.lock().unwrap().len(), 1);
    let before = station.audit.count();
    let decided = station.post(DECIDE, &investigator, &accept("7/26")).await.json();
    assert_eq!((&decided["state"], &decided["decided"]["hold"]), (&json!("accepted"), &json!("2")), "{decided}");
    assert_eq!(station.holds.rows.lock().unwrap()[1].order.case, "7/26");
    let actions: Vec<Action> = station.audit.since(before).into_iter().map(|entry| entry.action).collect();
    assert_eq!(actions[0], Action::DecideProposal { proposal: 2, accept: true, reason: String::new() });
    assert!(
        matches!(&actions[1], Action::PlaceHold { case, .. } if case == "7/26") && actions.len() == 2,
        "{actions:?}"
    );
    assert_problem(&station.post(DECIDE, &investigator, &accept("7/26")).await, 409, "conflict");
    assert_eq!(station.holds.rows.lock().unwrap().len(), 2, "it is held once");
}

#[tokio::test]
async fn an_export_is_accepted_by_whoever_may_take_it_and_put_aside_with_a_reason() {
    let (station, admin, investigator) = station(ProposalKind::ExportClip).await;
    let before = station.audit.count();
    assert_problem(&station.post(DECIDE, &admin, &json!({"decision": "accept"})).await, 403, "denied");
    assert!(station.audit.since(before).iter().any(|entry| entry.outcome != Outcome::Allowed), "the log tells of it");
    assert_problem(&station.post(DECIDE, &investigator, &json!({"decision": "dismiss"})).await, 422, "invalid-input");
    let dismiss = json!({"decision": "dismiss", "reason": "a delivery"});
    let decided = station.post(DECIDE, &investigator, &dismiss).await;
    assert_eq!((decided.status, &decided.json()["decided"]["account_name"]), (StatusCode::OK, &json!("Dara")));
}

#[tokio::test]
async fn the_list_is_searched_and_shows_the_account_s_cameras_alone() {
    let (station, admin, investigator) = station(ProposalKind::Notify).await;
    station.inner.proposals.lock().unwrap().0.push(proposal(3, 2, ProposalKind::Hold));
    station.post("/api/v1/proposals/1/decide", &admin, &json!({"decision": "accept"})).await;
    let ids = async |query: &str, cookie: &str| {
        let list = station.get(&format!("/api/v1/proposals{query}"), cookie).await.json();
        let ids: Vec<String> = list["proposals"].as_array().unwrap().iter().map(|row| row["id"].to_string()).collect();
        (ids.join(" ").replace('"', ""), list["open_count"].as_u64().unwrap(), list["events_dropped"].as_u64().unwrap())
    };
    assert_eq!(ids("", &investigator).await, ("3 2 1".into(), 2, 3));
    assert_eq!(ids("?state=open", &investigator).await.0, "3 2");
    assert_eq!(ids("?state=decided", &investigator).await.0, "1");
    assert_eq!(ids("?text=CLOSING", &investigator).await.0, "3 2 1");
    assert_eq!(ids("?text=nothing", &investigator).await.0, "");
    let two = station.account(&admin, "Two", &[Role::Investigator], Some(&[2])).await;
    assert_eq!(ids("", &two).await, ("3".into(), 1, 3));
    assert_problem(&station.post(DECIDE, &two, &json!({"decision": "dismiss"})).await, 404, "not-found");
    assert_problem(&station.get("/api/v1/proposals?state=x", &two).await, 422, "invalid-input");
}
