//! Programs that copy the log: by a token that is shown once, does nothing else, and ends when somebody says so.

use super::doubles::MemoryRegister;
use super::station::{Answer, Ask, Station, assert_problem};
use serde_json::json;
use std::sync::Arc;
use watchbook_access::{Action, Outcome, Role};

const MIRRORS: &str = "/api/v1/log/mirrors";
const TILE: &str = "/api/v1/log/tile/0/000.p/7";
const ENTRIES: &str = "/api/v1/log/tile/entries/000.p/7";
const DAY: u64 = 86_400_000_000_000;

/// A station with an auditor who has shown the second factor; cookies of the admin and of the auditor.
async fn ready() -> (Station, String, String) {
    let station = Station::new();
    let admin = station.claim(false).await;
    let auditor = station.account(&admin, "A", &[Role::Auditor], None).await;
    station.second_factor(&auditor).await;
    (station, admin, auditor)
}

async fn token(station: &Station, auditor: &str) -> String {
    let made = station.post(MIRRORS, auditor, &json!({"name": " Court "})).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["token"].as_str().unwrap().to_owned()
}

async fn read(station: &Station, path: &str, token: &str) -> Answer {
    station.send(Ask::new("GET", path).header("authorization", &format!("Bearer {token}"))).await
}

#[tokio::test]
async fn a_token_reads_the_log_and_nothing_else() {
    let (station, _, auditor) = ready().await;
    let token = token(&station, &auditor).await;
    assert_eq!(read(&station, TILE, &token).await.body.as_ref(), &[7; 7 * 32]);
    assert_eq!(read(&station, ENTRIES, &token).await.body.as_ref(), b"entries");
    for none in
        ["tile/0/001", "tile/9/000", "tile/entries/..%2F000", "tile/0/000.p/7/x", &format!("tile/{}", "1".repeat(65))]
    {
        assert_problem(&read(&station, &format!("/api/v1/log/{none}"), &token).await, 404, "not-found");
    }
    // What the auditor may, too, the program may not.
    for other in ["/api/v1/audit", "/api/v1/log/leaves", MIRRORS, "/api/v1/session", "/api/v1/cameras"] {
        assert_problem(&read(&station, other, &token).await, 401, "sign-in-first");
    }
    assert_problem(&read(&station, TILE, &token.replace("watchbook-mirror-", "")).await, 401, "sign-in-first");
    assert_problem(
        &read(
            &station,
            TILE,
            &format!("{}{}", &token[..token.len() - 1], if token.ends_with('0') { '1' } else { '0' }),
        )
        .await,
        401,
        "sign-in-first",
    );
    let register = station.register.rows.lock().unwrap().values().cloned().collect::<Vec<_>>().concat();
    let secret = token.strip_prefix("watchbook-mirror-").unwrap();
    assert!(!String::from_utf8_lossy(&register).contains(secret), "the register has its hash alone");
}

#[tokio::test]
async fn each_use_is_in_the_log_at_a_bounded_rate_and_names_the_mirror() {
    let (station, _, auditor) = ready().await;
    let token = token(&station, &auditor).await;
    let before = station.audit.count();
    for _ in 0..20 {
        assert_eq!(read(&station, TILE, &token).await.status, 200);
        assert_eq!(read(&station, ENTRIES, &token).await.status, 200);
    }
    let entries = station.audit.since(before);
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!((entries[0].account, &entries[0].action), (Some(2), &Action::MirrorLog { mirror: 1 }));
    station.clock.advance(DAY / 24);
    assert_eq!(read(&station, TILE, &token).await.status, 200);
    assert_eq!(station.audit.count(), before + 2);
    let listed = station.get(MIRRORS, &auditor).await.json();
    let mirror = &listed["mirrors"][0];
    assert_eq!(
        (&mirror["name"], &mirror["account_name"], &mirror["number"]),
        (&json!("Court"), &json!("A"), &json!(1))
    );
    assert!(mirror["used_utc_ms"].is_i64() && !listed.to_string().contains("watchbook-mirror-"), "{listed}");
}

#[tokio::test]
async fn a_token_ends_when_it_is_revoked_when_it_is_old_and_with_its_account() {
    let (station, admin, auditor) = ready().await;
    let (one, two) = (token(&station, &auditor).await, token(&station, &auditor).await);
    assert_eq!(read(&station, TILE, &one).await.status, 200);
    let revoke = |number: u32| Ask::new("DELETE", &format!("{MIRRORS}/{number}")).by(&auditor);
    assert_eq!(station.send(revoke(1)).await.status, 204);
    assert_problem(&read(&station, TILE, &one).await, 401, "sign-in-first");
    assert_problem(&station.send(revoke(1)).await, 404, "not-found");
    assert_eq!(read(&station, TILE, &two).await.status, 200);
    // Also after a restart, and its number is given to no other.
    let again = Station::on(Arc::clone(&station.register));
    assert_problem(&read(&again, TILE, &one).await, 401, "sign-in-first");
    assert_eq!(read(&again, TILE, &two).await.status, 200);
    let three = token(&station, &auditor).await;
    assert_eq!(station.get(MIRRORS, &auditor).await.json()["mirrors"][1]["number"], 3);

    let path = "/api/v1/accounts/2";
    let roles = Ask::new("PATCH", path).by(&admin).json(&json!({"roles": ["viewer"]}));
    assert_eq!(station.send(roles).await.status, 200);
    let before = station.audit.count();
    assert_problem(&read(&station, TILE, &three).await, 403, "denied");
    assert!(matches!(station.audit.since(before)[0].outcome, Outcome::Refused(_)));
    let roles = Ask::new("PATCH", path).by(&admin).json(&json!({"roles": ["auditor"]}));
    assert_eq!(station.send(roles).await.status, 200);
    assert_eq!(read(&station, TILE, &three).await.status, 200);
    station.clock.advance(366 * DAY);
    assert_problem(&read(&station, TILE, &three).await, 401, "sign-in-first");
    let admin = station.sign_in("Chief").await;
    assert_eq!(station.send(Ask::new("DELETE", path).by(&admin)).await.status, 204);
    assert_problem(&read(&station, TILE, &two).await, 401, "sign-in-first");
}

#[tokio::test]
async fn mirrors_are_made_by_auditors_with_their_second_factor_and_are_few() {
    let (station, admin, auditor) = ready().await;
    let body = json!({"name": "Court"});
    assert_problem(&station.post(MIRRORS, &admin, &body).await, 403, "denied");
    let other = station.sign_in("A").await;
    assert_problem(&station.post(MIRRORS, &other, &body).await, 403, "second_factor_needed");
    assert_problem(&station.post(MIRRORS, &auditor, &json!({"name": " "})).await, 422, "invalid-input");
    for _ in 0..16 {
        token(&station, &auditor).await;
    }
    assert_problem(&station.post(MIRRORS, &auditor, &body).await, 409, "conflict");
    // Those that are over make room.
    let register: &Arc<MemoryRegister> = &station.register;
    let later = Station::on(Arc::clone(register));
    later.clock.advance(367 * DAY);
    let auditor = later.sign_in("A").await;
    assert_problem(&later.post(MIRRORS, &auditor, &body).await, 403, "second_factor_needed");
    assert_eq!(later.app.mirrors().make(2, "New").await.unwrap().mirror.number, 17);
    assert_eq!(later.app.mirrors().list().len(), 1);
}
