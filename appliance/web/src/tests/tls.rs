//! Sessions that began over TLS, and the certificate of the page as people change it.

use super::station::{Ask, PASSWORD, Station, assert_problem};
use serde_json::{Value, json};
use watchbook_access::{Action, Outcome};
use watchbook_base::UtcNanos;

/// Made with OpenSSL, valid from 2020 to 2120; the key protects nothing.
const PEM: &str = include_str!("page.pem");
const KEY: &str = include_str!("page.key");
/// By `openssl x509 -fingerprint -sha256`.
const SHA256: &str = "1A:4B:68:60:CC:66:9B:11:AA:69:09:B0:C4:0B:9D:11:A9:85:C7:B5:F5:A9:E8:E2:4B:32:30:2D:33:8D:37:BB";
const CERTIFICATE: &str = "/api/v1/tls/certificate";

pub(super) fn upload() -> Value {
    json!({ "chain_pem": PEM, "key_pem": KEY })
}

/// Uploads it past the gate.
pub(super) fn keep_upload(station: &Station) {
    let given = watchbook_tls::Given::read(PEM.as_bytes(), KEY.as_bytes(), station.app.clock().utc()).unwrap();
    station.app.ports().certificates.upload(&given).unwrap();
}

#[tokio::test]
async fn a_session_that_began_over_tls_is_worth_nothing_in_the_open_and_the_other_way_round() {
    let station = Station::new();
    let plain = station.claim(false).await;
    let asked = Ask::new("POST", "/api/v1/session").json(&json!({"name": "Chief", "password": PASSWORD})).over_tls();
    let answer = station.send(asked).await;
    assert_eq!(answer.status, 201);
    let set = answer.header("set-cookie").to_owned();
    assert!(set.starts_with("__Host-wb_session=") && set.ends_with("; Secure"), "{set}");
    let secure = answer.cookie();
    let get = |cookie: &str| Ask::new("GET", "/api/v1/session").by(cookie);
    assert_eq!(station.send(get(&secure).over_tls()).await.status, 200);
    assert_eq!(station.send(get(&secure)).await.status, 401);
    assert_eq!(station.send(get(&plain)).await.status, 200);
    assert_eq!(station.send(get(&plain).over_tls()).await.status, 401);
    // Whoever got hold of a token does not help it along by another name.
    let renamed = secure.replace("__Host-", "");
    assert_eq!(station.send(get(&renamed)).await.status, 401);
    assert_eq!(station.send(get(&format!("__Host-{plain}")).over_tls()).await.status, 401);
    // Both at once, as a browser on the machine itself may have them.
    let both = format!("{plain}; {secure}");
    assert_eq!(station.send(get(&both)).await.status, 200);
    assert_eq!(station.send(get(&both).over_tls()).await.status, 200);
    let ended = station.send(Ask::new("DELETE", "/api/v1/session").by(&secure).over_tls()).await;
    assert!(ended.header("set-cookie").starts_with("__Host-wb_session=; "), "{ended:?}");
    assert_eq!(station.send(get(&secure).over_tls()).await.status, 401);
}

#[tokio::test]
async fn a_certificate_is_uploaded_with_a_fresh_factor_and_the_log_says_which() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let put = || Ask::new("PUT", CERTIFICATE).by(&admin).json(&upload());
    assert_problem(&station.send(put()).await, 403, "second_factor_needed");
    station.second_factor(&admin).await;
    let answer = station.send(put()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let state = answer.json();
    assert_eq!((&state["source"], &state["certificate"]["sha256"]), (&json!("uploaded"), &json!(SHA256)));
    assert_eq!(state["certificate"]["names"], json!(["box.example", "192.0.2.7"]));
    assert_eq!(station.get("/api/v1/tls", &admin).await.json(), state);
    let told =
        station.audit.since(0).into_iter().rfind(|entry| matches!(entry.action, Action::UploadCertificate { .. }));
    let action = Action::UploadCertificate {
        certificate_sha256: SHA256.into(),
        names: "box.example, 192.0.2.7".into(),
        // 2120-01-01T00:00:00Z, by date -u +%s.
        not_after: UtcNanos::from_ms(4_733_510_400_000),
    };
    let told = told.unwrap();
    assert_eq!((told.account, told.action, told.outcome), (Some(1), action, Outcome::Allowed));
    let remove = || Ask::new("DELETE", CERTIFICATE).by(&admin);
    assert_eq!(station.send(remove()).await.status, 204);
    assert_problem(&station.send(remove()).await, 404, "not-found");
    assert_eq!(station.get("/api/v1/tls", &admin).await.json()["source"], "own_authority");
}

#[tokio::test]
async fn what_cannot_be_served_changes_nothing_and_no_answer_or_entry_has_a_byte_of_the_key() {
    let station = Station::new();
    let admin = station.claim(false).await;
    station.second_factor(&admin).await;
    let canary = KEY.lines().nth(1).unwrap();
    for (body, expected) in [
        (json!({"chain_pem": PEM, "key_pem": PEM}), "no private key"),
        (json!({"chain_pem": KEY, "key_pem": KEY}), "no certificate"),
        (json!({"chain_pem": PEM.repeat(20), "key_pem": KEY}), "certificates"),
        (json!({"chain_pem": PEM, "key": KEY}), "not what the API describes"),
    ] {
        let answer = station.send(Ask::new("PUT", CERTIFICATE).by(&admin).json(&body)).await;
        assert_problem(&answer, 422, "invalid-input");
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(text.contains(expected) && !text.contains(canary), "{text}");
    }
    assert_eq!(station.get("/api/v1/tls", &admin).await.json()["certificate"], Value::Null);
    let log = format!("{:?}", station.audit.since(0));
    assert!(log.contains("CameToNothing") && !log.contains(canary), "{log}");
}

#[tokio::test]
async fn anybody_can_have_the_authority_s_certificate() {
    let station = Station::new();
    let answer = station.get("/ca.crt", "").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/x-x509-ca-cert"));
    assert_eq!(&answer.body[..], b"an authority");
}
