//! The second factor: set up, shown, used once, slowed down, taken away.

use super::station::{Ask, PASSWORD, Station, assert_problem};
use crate::tls::Over;
use serde_json::json;
use std::sync::Arc;
use watchbook_access::{Action, Outcome, Role};

const SEC: u64 = 1_000_000_000;
const SET_UP: &str = "/api/v1/session/second-factor/set-up";
const CONFIRM: &str = "/api/v1/session/second-factor/confirm";
const ENTER: &str = "/api/v1/session/second-factor";

async fn fresh(station: &Station, cookie: &str) -> bool {
    let token = crate::headers::session_token(
        &[("cookie".parse().unwrap(), cookie.parse().unwrap())].into_iter().collect(),
        Over::Plain,
    );
    station.app.accounts().who(&token.unwrap(), Over::Plain).unwrap().subject.factor_fresh
}

#[tokio::test]
async fn a_factor_is_set_up_with_password_and_code_and_shown_once() {
    let station = Station::new();
    let cookie = station.claim(false).await;
    assert_problem(&station.post(SET_UP, &cookie, &json!({"password": "wrong wrong"})).await, 403, "denied");
    assert_problem(&station.post(CONFIRM, &cookie, &json!({"code": "123456"})).await, 409, "conflict");
    assert_problem(&station.post(ENTER, &cookie, &json!({"code": "123456"})).await, 409, "conflict");

    let set_up = station.post(SET_UP, &cookie, &json!({"password": PASSWORD})).await.json();
    let key = set_up["key"].as_str().unwrap().to_owned();
    assert!(set_up["address"].as_str().unwrap().contains(&key) && key.len() == 32, "{set_up}");
    assert_eq!(station.get("/api/v1/session", &cookie).await.json()["account"]["second_factor"], false);
    assert_problem(&station.post(CONFIRM, &cookie, &json!({"code": "12345"})).await, 403, "denied");
    assert!(!fresh(&station, &cookie).await);
    let code = json!({"code": station.code(&key)});
    assert_eq!(station.post(CONFIRM, &cookie, &code).await.status, 204);
    assert_eq!(station.get("/api/v1/session", &cookie).await.json()["account"]["second_factor"], true);
    assert!(fresh(&station, &cookie).await);

    let stored = station.register.rows.lock().unwrap().values().cloned().collect::<Vec<_>>().concat();
    let stored = String::from_utf8_lossy(&stored).into_owned();
    assert!(!stored.contains(&key), "the register holds a key that opens the factor: {stored}");
    let log = serde_json::to_string(&station.audit.since(0)).unwrap();
    assert!(!log.contains(&key) && !log.contains(code["code"].as_str().unwrap()), "{log}");
}

#[tokio::test]
async fn a_code_counts_once_also_over_a_restart() {
    let station = Station::new();
    let cookie = station.claim(false).await;
    let key = station.second_factor(&cookie).await;
    let code = json!({"code": station.code(&key)});
    assert_problem(&station.post(ENTER, &cookie, &code).await, 403, "denied");
    station.clock.advance(30 * SEC);
    let code = json!({"code": station.code(&key)});
    assert_eq!(station.post(ENTER, &cookie, &code).await.status, 204);
    assert_problem(&station.post(ENTER, &cookie, &code).await, 403, "denied");

    let again = Station::on(Arc::clone(&station.register));
    again.clock.advance(30 * SEC);
    assert!(!fresh(&again, &cookie).await, "a restart forgets that the factor was shown");
    assert_problem(&again.post(ENTER, &cookie, &code).await, 403, "denied");
    again.clock.advance(30 * SEC);
    assert_eq!(again.post(ENTER, &cookie, &json!({"code": again.code(&key)})).await.status, 204);
}

#[tokio::test]
async fn a_factor_stays_fresh_for_five_minutes_of_its_session_alone() {
    let station = Station::new();
    let cookie = station.claim(false).await;
    let key = station.second_factor(&cookie).await;
    let other = station.sign_in("Chief").await;
    assert!(fresh(&station, &cookie).await && !fresh(&station, &other).await);
    station.clock.advance(299 * SEC);
    assert!(fresh(&station, &cookie).await);
    station.clock.advance(SEC);
    assert!(!fresh(&station, &cookie).await);
    // Another one is set up by whoever shows the one that is there, not by whoever knows the password.
    let before = station.audit.count();
    let answer = station.post(SET_UP, &cookie, &json!({"password": PASSWORD})).await;
    assert_problem(&answer, 403, "second_factor_needed");
    assert!(matches!(station.audit.since(before)[1].outcome, Outcome::Refused(_)));
    assert_eq!(station.post(ENTER, &cookie, &json!({"code": station.code(&key)})).await.status, 204);
    assert_eq!(station.post(SET_UP, &cookie, &json!({"password": PASSWORD})).await.status, 200);
}

#[tokio::test]
async fn wrong_codes_get_slower_and_are_in_the_log() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let cookie = station.account(&admin, "Approver", &[Role::Approver], None).await;
    let key = station.second_factor(&cookie).await;
    station.clock.advance(600 * SEC);
    let before = station.audit.count();
    // From another address each time: what is slowed down is the account.
    let guess = |host: u8, code: String| {
        Ask::new("POST", ENTER).by(&cookie).json(&json!({"code": code})).from([192, 0, 2, host])
    };
    for host in 1..=6 {
        assert_problem(&station.send(guess(host, "00000x".into())).await, 403, "denied");
    }
    let right = guess(9, station.code(&key));
    let answer = station.send(right).await;
    assert_problem(&answer, 429, "wait");
    assert_eq!(answer.header("retry-after"), "1");
    let refused = |entry: &&watchbook_access::AuditEntry| {
        entry.action == Action::EnterSecondFactor && entry.account == Some(2) && entry.outcome != Outcome::Allowed
    };
    assert_eq!(station.audit.since(before).iter().filter(refused).count(), 6);
    station.clock.advance(SEC);
    assert_eq!(station.send(guess(9, station.code(&key))).await.status, 204);
}

#[tokio::test]
async fn an_admin_takes_a_factor_away_and_everybody_sees_it() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let cookie = station.account(&admin, "Approver", &[Role::Approver], None).await;
    let remove = || Ask::new("DELETE", "/api/v1/accounts/2/second-factor").by(&admin);
    assert_problem(&station.send(remove()).await, 409, "conflict");
    station.second_factor(&cookie).await;
    let before = station.audit.count();
    assert_eq!(station.send(remove()).await.status, 204);
    assert_eq!(station.audit.since(before)[0].action, Action::RemoveSecondFactor { account: 2 });
    assert_eq!(station.get("/api/v1/session", &cookie).await.status, 401, "its sessions are over");
    let alarmed = async |station: &Station| {
        let health = station.get("/api/v1/health", &admin).await.json();
        health["alarms"].as_array().unwrap().iter().any(|alarm| alarm["kind"] == "second_factor_removed")
    };
    assert!(alarmed(&station).await);
    let again = Station::on(Arc::clone(&station.register));
    assert!(alarmed(&again).await, "a restart does not make it quiet");
    let cookie = again.sign_in("Approver").await;
    again.second_factor(&cookie).await;
    assert!(!alarmed(&again).await);
}

#[tokio::test]
async fn a_key_that_nobody_confirms_is_forgotten() {
    let station = Station::new();
    let cookie = station.claim(false).await;
    let set_up = station.post(SET_UP, &cookie, &json!({"password": PASSWORD})).await.json();
    station.clock.advance(600 * SEC);
    let code = station.code(set_up["key"].as_str().unwrap());
    assert_problem(&station.post(CONFIRM, &cookie, &json!({"code": code})).await, 409, "conflict");
}
