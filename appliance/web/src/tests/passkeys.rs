//! Passkeys: added, shown to sign in and as the second factor, refused, removed.

use super::device::{Device, OWN, SET_UP, SHOW, SIGN_IN, Said, by_name};
use super::station::{Ask, PASSWORD, Station, assert_problem};
use serde_json::{Value, json};
use std::sync::Arc;
use watchbook_access::{Action, Outcome, Role};

const SEC: u64 = 1_000_000_000;

/// A station whose first account has a passkey.
async fn with_passkey() -> (Station, String, Device, String) {
    let station = Station::new();
    station.claim(true).await;
    let cookie = station.sign_in_by_name("Chief").await;
    let (device, id) = station.add_passkey(&cookie, "My telephone").await;
    (station, cookie, device, id)
}

async fn sign_in(station: &Station, device: &mut Device, said: &Said) -> super::station::Answer {
    let shown = device.shown(&station.passkey_challenge().await, said);
    station.post_by_name(SIGN_IN, "", &shown).await
}

async fn list(station: &Station, cookie: &str) -> Value {
    let answer = station.send(by_name(Ask::new("GET", OWN).by(cookie))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["passkeys"].clone()
}

#[tokio::test]
async fn a_passkey_is_added_signs_in_and_stands_for_the_second_factor() {
    let (station, cookie, mut device, id) = with_passkey().await;
    let shown = list(&station, &cookie).await;
    assert_eq!(shown[0]["name"], "My telephone");
    assert_eq!((&shown[0]["host"], &shown[0]["used_utc_ms"]), (&json!("box.example"), &Value::Null));
    let before = station.audit.count();
    let answer = sign_in(&station, &mut device, &Said::default()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json()["account"]["name"], "Chief");
    assert!(answer.header("set-cookie").starts_with("__Host-wb_session="), "{answer:?}");
    // SHA-256 of "chief", by `sha256sum` of coreutils.
    let chief = "9285827b8031a1dbe7d1d04eb8a08c8891ee424a8002cfc7dd2df3d82cbff611";
    let entry = &station.audit.since(before)[0];
    let Action::SignIn { name_sha256, passkey } = &entry.action else { panic!("{entry:?}") };
    assert_eq!((entry.account, passkey.as_deref(), &**name_sha256), (Some(1), Some(&*id), chief));
    let again = answer.cookie();
    assert!(list(&station, &again).await[0]["used_utc_ms"].is_i64());
    // What asks for a fresh second factor is open.
    let backup = by_name(Ask::new("POST", "/api/v1/backup").by(&again).json(&json!({"passphrase": PASSWORD})));
    assert_eq!(station.send(backup).await.status, 200);
    let log = serde_json::to_string(&station.audit.since(0)).unwrap();
    assert!(!log.contains("telephone") && !log.contains("Chief"), "{log}");
}

#[tokio::test]
async fn what_a_passkey_says_wrong_is_refused_with_one_sentence_and_logged_with_another() {
    let (station, _, mut device, _) = with_passkey().await;
    let right = Said::default();
    let mut unknown = Device::new();
    unknown.user.clone_from(&device.user);
    let mut sentences = std::collections::BTreeSet::new();
    let wrong = [
        (Said { origin: "https://box.example.evil.example", ..right.clone() }, "another page"),
        (Said { origin: "http://box.example", ..right.clone() }, "another page"),
        (Said { origin: "https://box.example:8443", ..right.clone() }, "another page"),
        (Said { host: "evil.example", ..right.clone() }, "another host name"),
        (Said { kind: Some("webauthn.create"), ..right.clone() }, "another page"),
        (Said { flags: 0x01, ..right.clone() }, "used by its holder"),
        (Said { flags: 0x04, ..right.clone() }, "used by its holder"),
    ];
    for (said, why) in wrong {
        let before = station.audit.count();
        let answer = sign_in(&station, &mut device, &said).await;
        assert_problem(&answer, 401, "sign-in-first");
        sentences.insert(answer.json()["detail"].as_str().unwrap().to_owned());
        let entries = station.audit.since(before);
        assert!(matches!(&entries[0].outcome, Outcome::Refused(told) if told.contains(why)), "{why}: {entries:?}");
        assert!(entries.len() == 1 && entries[0].account.is_none(), "{entries:?}");
        station.clock.advance(3600 * SEC);
    }
    let answer = sign_in(&station, &mut unknown, &right).await;
    assert_problem(&answer, 401, "sign-in-first");
    sentences.insert(answer.json()["detail"].as_str().unwrap().to_owned());
    assert_eq!(sentences.len(), 1, "which of them it was is nobody's business: {sentences:?}");
    // Another handle than the one that the account has.
    let mut other = device.shown(&station.passkey_challenge().await, &right);
    other["user"] = json!("AAAA");
    assert_problem(&station.post_by_name(SIGN_IN, "", &other).await, 401, "sign-in-first");
    station.clock.advance(3600 * SEC);
    assert_eq!(sign_in(&station, &mut device, &right).await.status, 201);
}

#[tokio::test]
async fn an_answer_counts_once_and_in_time() {
    let (station, _, mut device, _) = with_passkey().await;
    let challenge = station.passkey_challenge().await;
    let shown = device.shown(&challenge, &Said::default());
    assert_eq!(station.post_by_name(SIGN_IN, "", &shown).await.status, 201);
    assert_problem(&station.post_by_name(SIGN_IN, "", &shown).await, 401, "sign-in-first");
    // Signed anew, and still an answer to what was answered.
    let again = device.shown(&challenge, &Said::default());
    assert_problem(&station.post_by_name(SIGN_IN, "", &again).await, 401, "sign-in-first");
    let late = device.shown(&station.passkey_challenge().await, &Said::default());
    station.clock.advance(300 * SEC);
    assert_problem(&station.post_by_name(SIGN_IN, "", &late).await, 401, "sign-in-first");
    // One that was made up.
    let made_up = json!({"challenge": crate::passkey::encode(&[7; 32])});
    let shown = device.shown(&made_up, &Said::default());
    assert_problem(&station.post_by_name(SIGN_IN, "", &shown).await, 401, "sign-in-first");
}

#[tokio::test]
async fn a_counter_that_goes_back_is_refused_also_over_a_restart() {
    let (station, _, mut device, _) = with_passkey().await;
    let at = |counter: u32| Said { counter: Some(counter), ..Said::default() };
    assert_eq!(sign_in(&station, &mut device, &at(7)).await.status, 201);
    let again = Station::on(Arc::clone(&station.register));
    super::tls::keep_upload(&again);
    for counter in [7, 6, 0] {
        let before = again.audit.count();
        let answer = sign_in(&again, &mut device, &at(counter)).await;
        assert_problem(&answer, 401, "sign-in-first");
        assert!(answer.json()["detail"].as_str().unwrap().contains("counter"), "{answer:?}");
        let refused = &again.audit.since(before)[0];
        assert!(matches!(&refused.outcome, Outcome::Refused(why) if why.contains("a copy")), "{refused:?}");
    }
    assert_eq!(sign_in(&again, &mut device, &at(8)).await.status, 201);
}

#[tokio::test]
async fn a_passkey_that_was_removed_opens_nothing() {
    let (station, cookie, mut device, id) = with_passkey().await;
    let remove = |cookie: &str| by_name(Ask::new("DELETE", &format!("{OWN}/{id}")).by(cookie));
    // Whoever has the session alone removes nothing.
    station.clock.advance(301 * SEC);
    assert_problem(&station.send(remove(&cookie)).await, 403, "second_factor_needed");
    let shown = device.shown(&station.passkey_challenge().await, &Said::default());
    assert_eq!(station.post_by_name(SHOW, &cookie, &shown).await.status, 204);
    assert_problem(&station.post_by_name(SHOW, &cookie, &shown).await, 403, "denied");
    let before = station.audit.count();
    assert_eq!(station.send(remove(&cookie)).await.status, 204);
    assert_eq!(station.audit.since(before)[0].action, Action::RemoveOwnPasskey { passkey: id.clone() });
    assert_problem(&station.send(remove(&cookie)).await, 404, "not-found");
    assert_problem(&sign_in(&station, &mut device, &Said::default()).await, 401, "sign-in-first");
    assert_eq!(list(&station, &cookie).await, json!([]));
    let again = Station::on(Arc::clone(&station.register));
    super::tls::keep_upload(&again);
    assert_problem(&sign_in(&again, &mut device, &Said::default()).await, 401, "sign-in-first");
}

#[tokio::test]
async fn one_is_added_with_the_password_and_what_was_there_before() {
    let station = Station::new();
    station.claim(true).await;
    let cookie = station.sign_in_by_name("Chief").await;
    let wrong = json!({"password": "wrong wrong wrong"});
    assert_problem(&station.post_by_name(SET_UP, &cookie, &wrong).await, 403, "denied");
    let mut device = Device::new();
    let set_up = station.passkey_set_up(&cookie).await;
    assert_eq!((&set_up["host"], &set_up["algorithms"]), (&json!("box.example"), &json!([-7, -8, -257])));
    // One wrong answer, and it begins again.
    let other = Said { origin: "https://evil.example", ..Said::default() };
    let made = device.made(&set_up, "x", &other);
    assert_problem(&station.post_by_name(OWN, &cookie, &made).await, 422, "invalid-input");
    let set_up = station.passkey_set_up(&cookie).await;
    let unverified = device.made(&set_up, "x", &Said { flags: 0x01, ..Said::default() });
    assert_problem(&station.post_by_name(OWN, &cookie, &unverified).await, 422, "invalid-input");
    // The challenge of one session is nothing in another.
    let elsewhere = station.sign_in_by_name("Chief").await;
    let made = device.made(&set_up, "x", &Said::default());
    assert_problem(&station.post_by_name(OWN, &elsewhere, &made).await, 422, "invalid-input");
    let answer = station.post_by_name(OWN, &cookie, &made).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_problem(&station.post_by_name(OWN, &cookie, &made).await, 422, "invalid-input");
    // A second one: by whoever shows the first.
    station.clock.advance(301 * SEC);
    let more = station.post_by_name(SET_UP, &cookie, &json!({"password": PASSWORD})).await;
    assert_problem(&more, 403, "second_factor_needed");
    let plain = station.post("/api/v1/session/second-factor/set-up", "", &json!({"password": PASSWORD})).await;
    assert_eq!(plain.status, 401);
    let password = json!({"password": PASSWORD});
    let codes = station.post_by_name("/api/v1/session/second-factor/set-up", &cookie, &password).await;
    assert_problem(&codes, 403, "second_factor_needed");
    let shown = device.shown(&station.passkey_challenge().await, &Said::default());
    assert_eq!(station.post_by_name(SHOW, &cookie, &shown).await.status, 204);
    // The same device again, and too many.
    let set_up = station.passkey_set_up(&cookie).await;
    assert_eq!(set_up["known"].as_array().unwrap().len(), 1);
    assert_eq!(set_up["user"], json!(device.user), "one handle for all passkeys of an account");
    let twice = device.made(&set_up, "y", &Said::default());
    assert_problem(&station.post_by_name(OWN, &cookie, &twice).await, 409, "conflict");
    for number in 2..=8 {
        station.add_passkey(&cookie, &format!("Key {number}")).await;
    }
    let full = station.post_by_name(SET_UP, &cookie, &json!({"password": PASSWORD})).await;
    assert_eq!(full.status.as_u16(), 503, "{full:?}");
    assert_eq!(list(&station, &cookie).await.as_array().unwrap().len(), 8);
}

#[tokio::test]
async fn passkeys_of_others_are_no_second_factor() {
    let (station, cookie, ..) = with_passkey().await;
    station.account(&station.sign_in("Chief").await, "Other", &[Role::Viewer], None).await;
    let other = station.sign_in_by_name("Other").await;
    let (mut others, _) = station.add_passkey(&other, "Theirs").await;
    let shown = others.shown(&station.passkey_challenge().await, &Said::default());
    assert_problem(&station.post_by_name(SHOW, &cookie, &shown).await, 403, "denied");
}

#[tokio::test]
async fn an_admin_removes_the_last_passkey_of_somebody_and_everybody_sees_it() {
    let (station, admin, ..) = with_passkey().await;
    station.account(&station.sign_in("Chief").await, "Other", &[Role::Viewer], None).await;
    let other = station.sign_in_by_name("Other").await;
    let (mut device, id) = station.add_passkey(&other, "Theirs").await;
    let of = by_name(Ask::new("GET", "/api/v1/accounts/2/passkeys").by(&admin));
    assert_eq!(station.send(of).await.json()["passkeys"][0]["id"], json!(id));
    let remove = || by_name(Ask::new("DELETE", &format!("/api/v1/accounts/2/passkeys/{id}")).by(&admin));
    let own = by_name(Ask::new("DELETE", &format!("/api/v1/accounts/1/passkeys/{id}")).by(&admin));
    assert_problem(&station.send(own).await, 403, "denied");
    assert_eq!(station.send(remove()).await.status, 204);
    assert_problem(&station.send(remove()).await, 404, "not-found");
    assert_problem(&sign_in(&station, &mut device, &Said::default()).await, 401, "sign-in-first");
    assert_eq!(station.send(by_name(Ask::new("GET", OWN).by(&other))).await.status, 401, "its sessions are over");
    let alarmed = async || {
        let health = station.send(by_name(Ask::new("GET", "/api/v1/health").by(&admin))).await.json();
        health["alarms"].as_array().unwrap().iter().any(|alarm| alarm["kind"] == "second_factor_removed")
    };
    assert!(alarmed().await);
    let other = station.sign_in_by_name("Other").await;
    station.add_passkey(&other, "A new one").await;
    assert!(!alarmed().await);
}

#[tokio::test]
async fn where_passkeys_do_not_work_the_answer_says_where_they_do() {
    let (station, cookie, ..) = with_passkey().await;
    let plain = station.sign_in("Chief").await;
    let body = json!({"password": PASSWORD});
    let asks = [
        Ask::new("POST", SET_UP).by(&plain).json(&body),
        Ask::new("POST", SET_UP).by(&cookie).json(&body).without("host").header("host", "192.0.2.7").over_tls(),
        Ask::new("GET", super::device::CHALLENGE),
        Ask::new("GET", super::device::CHALLENGE).without("host").header("host", "other.example:8443").over_tls(),
    ];
    for ask in asks {
        let answer = station.send(ask).await;
        assert_problem(&answer, 409, "conflict");
        assert!(answer.json()["next_step"].as_str().unwrap().contains("https://box.example"), "{answer:?}");
    }
}

#[tokio::test]
async fn wrong_passkeys_get_slower() {
    let (station, _, mut device, _) = with_passkey().await;
    let wrong = Said { flags: 0x01, ..Said::default() };
    for _ in 0..6 {
        assert_problem(&sign_in(&station, &mut device, &wrong).await, 401, "sign-in-first");
    }
    assert_problem(&sign_in(&station, &mut device, &Said::default()).await, 429, "wait");
    station.clock.advance(2 * SEC);
    assert_eq!(sign_in(&station, &mut device, &Said::default()).await.status, 201);
}
