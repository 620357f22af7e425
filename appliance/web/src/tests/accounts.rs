//! The claim, signing in, throttling, and what keeps an admin in the house.

use super::station::{Ask, PASSWORD, Station, assert_problem};
use axum::http::StatusCode;
use futures::FutureExt;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use watchbook_access::{Action, Outcome, Role};

const SEC: u64 = 1_000_000_000;

#[tokio::test]
async fn a_fresh_box_lets_nobody_in_until_it_is_claimed_with_its_code() {
    let station = Station::new();
    assert_eq!(station.get("/api/v1/status", "").await.json()["claimed"], false);
    for name in ["admin", "root", "Chief", ""] {
        let answer = station.post("/api/v1/session", "", &json!({"name": name, "password": ""})).await;
        assert_problem(&answer, 401, "sign-in-first");
    }
    let claim = |code: &str| json!({"code": code, "name": "Chief", "password": PASSWORD, "one_person_station": false});
    let answer = station.post("/api/v1/claim", "", &claim("AAAA-AAAA-AAAA-AAAA")).await;
    assert_problem(&answer, 403, "denied");
    let code = station.app.claim_code().unwrap();
    let answer = station.post("/api/v1/claim", "", &claim(&code.to_lowercase().replace('-', " "))).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.json()["account"]["roles"], json!(["admin"]));
    let cookie = answer.header("set-cookie");
    for part in ["wb_session=", "HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(station.get("/api/v1/session", &answer.cookie()).await.json(), answer.json());
    assert_eq!(station.get("/api/v1/status", "").await.json()["claimed"], true);
    assert_eq!(station.app.claim_code(), None);
    assert_problem(&station.post("/api/v1/claim", "", &claim(&code)).await, 409, "conflict");
    let claims = station.audit.since(0).into_iter().filter(|entry| entry.action == Action::Claim);
    let outcomes: Vec<bool> = claims.map(|entry| entry.outcome == Outcome::Allowed).collect();
    assert_eq!(outcomes, [false, true]);
}

#[tokio::test]
async fn guessing_the_code_gets_slow() {
    let station = Station::new();
    let wrong = json!({"code": "WRONG", "name": "x", "password": PASSWORD, "one_person_station": false});
    let mut looked_at = 0;
    for _ in 0..50 {
        looked_at += usize::from(station.post("/api/v1/claim", "", &wrong).await.status == 403);
    }
    assert!(looked_at <= 6, "{looked_at} guesses were looked at in no time");
}

#[tokio::test]
async fn two_claims_at_once_make_one_owner() {
    let station = Station::new();
    let code = station.app.claim_code().unwrap();
    let claim = |name: &str| json!({"code": code, "name": name, "password": PASSWORD, "one_person_station": false});
    let (first, second) = (claim("First"), claim("Second"));
    let (a, b) = tokio::join!(station.post("/api/v1/claim", "", &first), station.post("/api/v1/claim", "", &second));
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn the_one_person_exception_is_in_the_log_and_lets_duties_mix() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let session = station.get("/api/v1/session", &cookie).await.json();
    assert_eq!(session["account"]["roles"], json!(["viewer", "investigator", "approver", "auditor", "admin"]));
    assert_eq!(session["one_person_station"], true);
    let log = station.get("/api/v1/audit", &cookie).await.json();
    assert!(log.to_string().contains("small-station exception"), "{log}");
    station.account(&cookie, "Deputy", &[Role::Auditor, Role::Admin], None).await;
}

#[tokio::test]
async fn hashes_of_footage_are_shown_to_who_asks_for_them_alone() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let body = br#"{"kind":"segment","recording":9,"root":"ab","runs":60,"stream":257}"#;
    station.audit.footage.lock().unwrap().push(body.to_vec());
    let people = station.get("/api/v1/audit?kind=people", &cookie).await.json();
    assert!(!people.to_string().contains("footage_segment") && people["entries"][0]["action"].is_string(), "{people}");
    let footage = station.get("/api/v1/audit?kind=footage", &cookie).await.json();
    let entry = &footage["entries"][0];
    assert_eq!((&entry["action"], &entry["account"]), (&json!("footage_segment"), &json!(null)));
    assert_eq!(entry["subject"], json!({"recording": 9, "root": "ab", "runs": 60, "stream": 257}));
    assert_eq!(station.get("/api/v1/audit?kind=faces", &cookie).await.status, 422);
}

#[tokio::test]
async fn duties_stay_apart_elsewhere() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let body = json!({"name": "Both", "password": PASSWORD, "roles": ["investigator", "approver"]});
    assert_problem(&station.post("/api/v1/accounts", &admin, &body).await, 409, "conflict");
    station.account(&admin, "One", &[Role::Viewer, Role::Investigator], None).await;
    let ask = Ask::new("PATCH", "/api/v1/accounts/2").by(&admin).json(&json!({"roles": ["investigator", "admin"]}));
    assert_problem(&station.send(ask).await, 409, "conflict");
}

#[tokio::test]
async fn the_last_admin_stays() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let demote = |id: u32| Ask::new("PATCH", &format!("/api/v1/accounts/{id}")).json(&json!({"roles": ["viewer"]}));
    assert_problem(&station.send(demote(1).by(&admin)).await, 409, "conflict");
    assert_problem(&station.send(Ask::new("DELETE", "/api/v1/accounts/1").by(&admin)).await, 409, "conflict");
    let second = station.account(&admin, "Second", &[Role::Admin], None).await;
    assert_eq!(station.send(demote(1).by(&second)).await.status, 200);
    assert_problem(&station.send(Ask::new("DELETE", "/api/v1/accounts/2").by(&second)).await, 409, "conflict");
}

#[tokio::test]
async fn wrong_passwords_get_slow_and_tell_nothing() {
    let station = Station::new();
    station.claim(false).await;
    let sign_in =
        |name: &str| Ask::new("POST", "/api/v1/session").json(&json!({"name": name, "password": "wrong wrong"}));
    let known = station.send(sign_in("Chief").from([192, 0, 2, 2])).await;
    let unknown = station.send(sign_in("Nobody").from([192, 0, 2, 2])).await;
    assert_eq!((known.status, &known.body), (unknown.status, &unknown.body), "the answer tells which names exist");
    for _ in 0..5 {
        station.send(sign_in("Chief").from([192, 0, 2, 3])).await;
    }
    let good = || Ask::new("POST", "/api/v1/session").json(&json!({"name": "chief ", "password": PASSWORD}));
    assert_eq!(station.send(good().from([192, 0, 2, 3])).await.status, 201, "five mistakes are free");
    station.send(sign_in("Chief").from([192, 0, 2, 3])).await;
    let waiting = station.send(good().from([192, 0, 2, 3])).await;
    assert_problem(&waiting, 429, "wait");
    assert_eq!(waiting.header("retry-after"), "1");
    assert_eq!(station.send(good().from([192, 0, 2, 4])).await.status, 201, "from elsewhere the owner gets in");
    station.clock.advance(SEC);
    assert_eq!(station.send(good().from([192, 0, 2, 3])).await.status, 201);
}

#[tokio::test]
async fn guesses_at_the_same_time_count_each_other() {
    let station = Station::new();
    station.claim(false).await;
    let wrong = json!({"name": "Chief", "password": "wrong wrong"});
    let guesses = (0..40).map(|_| station.post("/api/v1/session", "", &wrong));
    let answers = futures::future::join_all(guesses).await;
    let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(looked_at, 6, "five are free, the sixth starts the wait");
    assert!(answers.iter().all(|answer| [401, 429].contains(&answer.status.as_u16())));
}

#[tokio::test]
async fn failed_sign_ins_are_in_the_log_without_the_name() {
    let station = Station::new();
    station.claim(false).await;
    let before = station.audit.count();
    station.post("/api/v1/session", "", &json!({"name": "typed-password-here", "password": "x"})).await;
    let entries = station.audit.since(before);
    assert!(
        matches!((&entries[0].action, &entries[0].outcome), (Action::SignIn { .. }, Outcome::Refused(_))),
        "{entries:?}"
    );
    assert!(!serde_json::to_string(&entries).unwrap().contains("typed-password-here"));
}

#[tokio::test]
async fn nobody_cannot_flood_the_log() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let before = station.audit.count();
    for number in 0..300_u16 {
        let [high, low] = number.to_be_bytes();
        let answer = station.send(Ask::new("GET", "/api/v1/audit").from([10, 0, high, low])).await;
        assert_eq!(answer.status, 401);
    }
    let written = station.audit.count() - before;
    assert!((1..=60).contains(&written), "{written} entries in one minute");
    let health = station.get("/api/v1/health", &cookie).await.json();
    assert_eq!(health["refusals_not_logged"], 300 - written);
}

#[tokio::test]
async fn sessions_end_by_sign_out_age_change_and_removal() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let who = async |cookie: String| station.get("/api/v1/session", &cookie).await.status.as_u16();
    let cookie = station.account(&admin, "A", &[Role::Viewer], None).await;
    assert_eq!(station.send(Ask::new("DELETE", "/api/v1/session").by(&cookie)).await.status, 204);
    assert_eq!(who(cookie).await, 401);
    let cookie = station.sign_in("A").await;
    let ask = Ask::new("PATCH", "/api/v1/accounts/2").by(&admin).json(&json!({"cameras": [1]}));
    assert_eq!(station.send(ask).await.json()["cameras"], json!([1]));
    assert_eq!(who(cookie).await, 401, "a changed account signs in anew");
    let cookie = station.sign_in("A").await;
    assert_eq!(station.send(Ask::new("DELETE", "/api/v1/accounts/2").by(&admin)).await.status, 204);
    assert_eq!(who(cookie).await, 401);
    station.clock.advance(11 * 3600 * SEC);
    assert_eq!(who(admin.clone()).await, 200);
    station.clock.advance(12 * 3600 * SEC);
    assert_eq!(who(admin).await, 401, "idle for 12 h");
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_only() {
    let station = Station::new();
    let here = station.claim(false).await;
    let there = station.sign_in("Chief").await;
    let change = |old: &str, new: &str| json!({"old": old, "new": new});
    let path = "/api/v1/session/password";
    assert_problem(&station.post(path, &here, &change("wrong wrong", "another long sentence")).await, 403, "denied");
    assert_problem(&station.post(path, &here, &change(PASSWORD, "short")).await, 422, "invalid-input");
    assert_eq!(station.post(path, &here, &change(PASSWORD, "another long sentence")).await.status, 204);
    assert_eq!(station.get("/api/v1/session", &here).await.status, 200);
    assert_eq!(station.get("/api/v1/session", &there).await.status, 401);
}

#[test]
fn a_password_set_while_the_old_one_is_judged_keeps_the_old_one_out() {
    // One thread for all hashes: the test holds it until the sign-in waits for its own.
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let station = Station::new();
        let cookie = station.claim(false).await;
        let (accounts, gate) = (station.app.accounts(), station.app.gate());
        let (release, held) = std::sync::mpsc::channel::<()>();
        let holding = tokio::task::spawn_blocking(move || held.recv());
        let request = serde_json::from_value(json!({"name": "Chief", "password": PASSWORD})).unwrap();
        let client =
            crate::accounts::Client::of([192, 0, 2, 1].into(), &axum::http::HeaderMap::new(), crate::tls::Over::Plain);
        let mut signing_in = Box::pin(accounts.sign_in(gate, client, request));
        assert!((&mut signing_in).now_or_never().is_none(), "it is to be compared with the password of now");
        release.send(()).unwrap();
        holding.await.unwrap().unwrap();
        let patch = serde_json::from_value(json!({"password": "another long sentence"})).unwrap();
        accounts.update(gate, 1, patch).await.unwrap();
        assert_eq!(signing_in.await.err().expect("the old password began a session").status(), 401);
        assert_eq!(station.get("/api/v1/session", &cookie).await.status, 401);
        let body = json!({"name": "Chief", "password": "another long sentence"});
        assert_eq!(station.post("/api/v1/session", "", &body).await.status, 201);
    });
}

#[tokio::test]
async fn a_wrong_old_password_stands_in_the_log_as_refused() {
    let station = Station::new();
    let cookie = station.claim(false).await;
    let before = station.audit.count();
    let body = json!({"old": "wrong wrong", "new": "another long sentence"});
    assert_problem(&station.post("/api/v1/session/password", &cookie, &body).await, 403, "denied");
    let entries = station.audit.since(before);
    let last = entries.last().unwrap();
    assert_eq!((last.account, &last.action), (Some(1), &Action::ChangeOwnAccount));
    assert!(matches!(last.outcome, Outcome::Refused(_)), "{entries:?}");
}

#[tokio::test]
async fn accounts_and_sessions_survive_a_restart_and_numbers_do_not_return() {
    let station = Station::new();
    let admin = station.claim(false).await;
    station.account(&admin, "Gone", &[Role::Viewer], None).await;
    assert_eq!(station.send(Ask::new("DELETE", "/api/v1/accounts/2").by(&admin)).await.status, 204);
    let again = Station::on(Arc::clone(&station.register));
    assert_eq!(again.app.claim_code(), None);
    let list = again.get("/api/v1/accounts", &admin).await.json();
    assert_eq!(list["accounts"].as_array().unwrap().len(), 1);
    let body = json!({"name": "Next", "password": PASSWORD, "roles": ["viewer"]});
    assert_eq!(again.post("/api/v1/accounts", &admin, &body).await.json()["id"], 3);
    let stored = again.register.rows.lock().unwrap().values().cloned().collect::<Vec<_>>().concat();
    let stored = String::from_utf8_lossy(&stored).into_owned();
    let token = admin.split_once('=').unwrap().1;
    assert!(!stored.contains(PASSWORD) && !stored.contains(token), "the register holds a password or a token");
}

#[tokio::test]
async fn a_register_that_cannot_be_written_changes_nothing() {
    let station = Station::new();
    let admin = station.claim(false).await;
    station.register.broken.store(true, Ordering::SeqCst);
    let body = json!({"name": "New", "password": PASSWORD, "roles": ["viewer"]});
    assert_problem(&station.post("/api/v1/accounts", &admin, &body).await, 500, "io");
    let ask = Ask::new("PATCH", "/api/v1/accounts/1").by(&admin).json(&json!({"name": "Renamed"}));
    assert_problem(&station.send(ask).await, 500, "io");
    let list = station.get("/api/v1/accounts", &admin).await.json();
    assert_eq!(
        list["accounts"],
        json!([{"id": 1, "name": "Chief", "roles": ["admin"], "cameras": null, "second_factor": false, "passkeys": 0, "approver_key": null}])
    );
}

#[tokio::test]
async fn names_and_passwords_have_bounds() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let account =
        |name: &str, password: &str, roles: &[&str]| json!({"name": name, "password": password, "roles": roles});
    let long = "n".repeat(129);
    for body in [
        account("", PASSWORD, &["viewer"]),
        account(&long, PASSWORD, &["viewer"]),
        account("a\u{202E}b", PASSWORD, &["viewer"]),
        account("a\nb", PASSWORD, &["viewer"]),
        account("ok", "short", &["viewer"]),
        account("ok", "aaaaaaaaaaaa", &["viewer"]),
        account("ok", "Password!!", &["viewer"]),
        account("A long name", "a long name", &["viewer"]),
        account("ok", &"p".repeat(300), &["viewer"]),
        account("ok", PASSWORD, &[]),
        account("ok", PASSWORD, &["superuser"]),
        json!({"name": "ok", "password": PASSWORD, "roles": ["viewer"], "admin": true}),
        json!({"name": "ok", "password": PASSWORD, "roles": ["viewer"], "cameras": [0]}),
    ] {
        assert_problem(&station.post("/api/v1/accounts", &admin, &body).await, 422, "invalid-input");
    }
    assert_problem(
        &station.post("/api/v1/accounts", &admin, &account("CHIEF", PASSWORD, &["viewer"])).await,
        409,
        "conflict",
    );
    station.account(&admin, "សុខា", &[Role::Viewer], None).await;
}

#[tokio::test]
async fn an_account_keeps_a_bounded_number_of_sessions() {
    let station = Station::new();
    let first = station.claim(false).await;
    for _ in 0..16 {
        station.clock.advance(SEC);
        station.sign_in("Chief").await;
    }
    assert_eq!(station.get("/api/v1/session", &first).await.status, 401, "the oldest made room");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_leaves_in_the_middle_leaves_a_whole_change() {
    let station = Arc::new(Station::new());
    let admin = station.claim(false).await;
    let before = station.register.writes.load(Ordering::SeqCst);
    let asking = {
        let (station, admin) = (Arc::clone(&station), admin.clone());
        let body = json!({"name": "New", "password": PASSWORD, "roles": ["viewer"]});
        let register = Arc::clone(&station.register);
        let held = register.slow.lock().unwrap();
        let asking = tokio::spawn(async move { station.post("/api/v1/accounts", &admin, &body).await });
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while register.writes.load(Ordering::SeqCst) == before {
            assert!(std::time::Instant::now() < deadline, "the write never began");
            std::thread::yield_now();
        }
        asking.abort();
        drop(held);
        asking
    };
    assert!(asking.await.unwrap_err().is_cancelled());
    // The next change waits for the one before it.
    let body = json!({"name": "Next", "password": PASSWORD, "roles": ["viewer"]});
    assert_eq!(station.post("/api/v1/accounts", &admin, &body).await.json()["id"], 3);
    let list = station.get("/api/v1/accounts", &admin).await.json();
    let names: Vec<_> = list["accounts"].as_array().unwrap().iter().map(|account| account["name"].clone()).collect();
    assert_eq!(names, ["Chief", "New", "Next"]);
}
