//! The lists of sessions, and their ends.

use super::station::{Ask, PASSWORD, Station, assert_problem};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use watchbook_access::{Action, Outcome, Role};

const OWN: &str = "/api/v1/session/list";
const ALL: &str = "/api/v1/accounts/sessions";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// Less than the minute that a clock may go back over a restart, which sets that of the tests to its start.
const A_WHILE: u64 = 30_000_000_000;

async fn list(station: &Station, path: &str, cookie: &str) -> Vec<Value> {
    let answer = station.get(path, cookie).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["sessions"].as_array().unwrap().clone()
}

async fn sign_in_with(station: &Station, agent: &str, peer: [u8; 4]) -> String {
    let ask = Ask::new("POST", "/api/v1/session").json(&json!({"name": "Chief", "password": PASSWORD}));
    let answer = station.send(ask.header("user-agent", agent).from(peer)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.cookie()
}

#[tokio::test]
async fn a_session_is_shown_with_where_and_since_when_and_not_with_what_opens_it() {
    let station = Station::new();
    let first = station.claim(false).await;
    station.clock.advance(A_WHILE);
    let second = sign_in_with(&station, FIREFOX, [192, 0, 2, 77]).await;
    let shown = list(&station, OWN, &first).await;
    assert_eq!(shown.len(), 2);
    let other = shown.iter().find(|session| session["here"] == false).unwrap();
    assert_eq!((&other["browser"], &other["system"]), (&json!("firefox"), &json!("linux")));
    assert_eq!(other["address"], "192.0.2.77");
    let here = shown.iter().find(|session| session["here"] == true).unwrap();
    let at = |session: &Value, field: &str| session[field].as_i64().unwrap();
    assert_eq!(at(other, "since_utc_ms") - at(here, "since_utc_ms"), 30_000);
    assert_eq!(at(other, "ends_utc_ms") - at(other, "used_utc_ms"), 12 * 3_600_000);
    let text = serde_json::to_string(&shown).unwrap();
    for cookie in [&first, &second] {
        let token = cookie.split_once('=').unwrap().1;
        let key = crate::hex::encode(&crate::hex::sha256(&crate::hex::decode::<32>(token).unwrap()));
        assert!(!text.contains(token) && !text.contains(&key[..16]), "{text}");
    }
    // It is there again after a restart.
    let again = Station::on(Arc::clone(&station.register));
    again.clock.advance(A_WHILE);
    assert_eq!(list(&again, OWN, &first).await, shown);
}

#[tokio::test]
async fn people_end_their_own_sessions_and_no_others() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let viewer = station.account(&admin, "Viewer", &[Role::Viewer], None).await;
    let elsewhere = station.sign_in("Viewer").await;
    let of_admin = station.own_session(&admin).await;
    let end = |id: &str| Ask::new("DELETE", &format!("{OWN}/{id}")).by(&viewer);
    assert_problem(&station.send(end(&of_admin)).await, 404, "not-found");
    assert_eq!(station.get("/api/v1/session", &admin).await.status, 200);
    assert_problem(&station.send(end("0123456789abcdeg")).await, 404, "not-found");
    let before = station.audit.count();
    let lost = station.own_session(&elsewhere).await;
    assert_eq!(station.send(end(&lost)).await.status, 204);
    let entries = station.audit.since(before);
    let told = entries.iter().find(|entry| entry.action == Action::EndOwnSession { session: lost.clone() }).unwrap();
    assert_eq!((told.account, &told.outcome), (Some(2), &Outcome::Allowed));
    assert_eq!(station.get("/api/v1/session", &elsewhere).await.status, 401);
    assert_eq!(station.get("/api/v1/session", &viewer).await.status, 200);
    let again = Station::on(Arc::clone(&station.register));
    assert_eq!(again.get("/api/v1/session", &elsewhere).await.status, 401, "a restart brings none back");
    // Of what could not be ended the log says that nothing came of it.
    let before = station.audit.count();
    assert_problem(&station.send(end(&lost)).await, 404, "not-found");
    assert!(matches!(station.audit.since(before).last().unwrap().outcome, Outcome::CameToNothing { .. }));
}

#[tokio::test]
async fn an_admin_sees_and_ends_everybodys_sessions() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let viewer = station.account(&admin, "Viewer", &[Role::Viewer], None).await;
    let shown = list(&station, ALL, &admin).await;
    let names: Vec<&str> = shown.iter().map(|session| session["account_name"].as_str().unwrap()).collect();
    assert!(names.contains(&"Chief") && names.contains(&"Viewer") && names.len() == 2, "{names:?}");
    let number = station.own_session(&viewer).await;
    let end = |account: u32| Ask::new("DELETE", &format!("/api/v1/accounts/{account}/sessions/{number}")).by(&admin);
    // The log names whose session it was: a wrong account is no way to end it.
    assert_problem(&station.send(end(1)).await, 404, "not-found");
    station.register.broken.store(true, Ordering::SeqCst);
    assert_eq!(station.send(end(2)).await.status, 500);
    assert_eq!(station.get("/api/v1/session", &viewer).await.status, 401, "a failing disk keeps nobody in");
}
