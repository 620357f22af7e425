//! Every row of the table, as nobody and as every role.

use super::backup::{compared, made, restored};
use super::device::{Device, Said, by_name};
use super::doubles::{
    CHECKPOINT, DISK, EVENT, FOUND, KEY, MANIFEST, OTHER_KEY, PLUGIN, SINK, START_MS, WAITING, policy_sha256,
};
use super::requests::{SUBJECT_CASE, request};
use super::station::{Ask, CAMERA_PASSWORD, CASE, OTHER_CASE, PASSWORD, Station, assert_problem, wide_case};
use crate::requests::StoredRequest;
use crate::routes::{AuditRule, Permission, Route, SETTINGS_BODY, table};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use watchbook_access::{Bookmark, Case, Outcome, Purpose, Role};
use watchbook_base::{CameraId, UtcNanos};

fn path_of(row: &Route) -> String {
    // One's own, or that of another account.
    let export = if matches!(row.id, "release_export" | "refuse_export") { "8" } else { "1" };
    let path =
        row.path.replace("{camera}", "1").replace("{account}", "2").replace("{hold}", "1").replace("{export}", export);
    let case = if row.id == "close_case" || row.path.contains("/bookmarks") { CASE } else { OTHER_CASE };
    path.replace("{case}", &case.replace('/', "%2F"))
        .replace("{disk}", DISK)
        .replace("{plugin}", PLUGIN)
        .replace("{key}", KEY)
        .replace("{proposal}", "1")
        .replace("{event}", EVENT)
        .replace("{preset}", "1")
        .replace("{entry}", if row.id == "audit_proof" { "3" } else { "7" })
        .replace("{request}", "1")
        .replace("{*tile}", "0/000.p/7")
        .replace("{mirror}", "1")
        .replace("{bookmark}", "1")
        .replace("{session}", "0123456789abcdef")
        .replace("{passkey}", "0123456789abcdef")
}

/// A request that is right in every way but perhaps its sender.
fn good_request(row: &Route) -> Ask {
    let path = path_of(row);
    let has = |name: &str| row.query.iter().any(|query| query.name == name);
    let mut query = match has("from_utc_ms") {
        true => format!("?from_utc_ms={}&to_utc_ms={}", START_MS + 60_000, START_MS + 70_000),
        false => String::new(),
    };
    if has("start_utc_ms") {
        query.push_str(&format!("?start_utc_ms={}", START_MS + 60_000));
    }
    if has("at_utc_ms") {
        query.push_str(&format!("?at_utc_ms={}", START_MS + 60_000));
    }
    if has("cameras") {
        query.push_str("&cameras=1");
    }
    if matches!(row.id, "distrust_log_witness" | "set_log_push" | "push_log") {
        query.push_str("?name=w1");
    }
    if has("case") {
        query.push_str(&format!("&case={CASE}"));
    }
    if has("manifest_sha256") {
        query.push_str(&format!("?manifest_sha256={MANIFEST}"));
    }
    if has("old_entries") {
        query.push_str("?old_entries=1");
    }
    let ask = Ask::new(row.method.as_str(), &format!("{path}{query}"));
    match body(row.id) {
        Some(Value::String(file)) => ask.bytes(file.into_bytes()),
        Some(body) => ask.json(&body),
        None => ask,
    }
}

fn body(id: &str) -> Option<Value> {
    let address = json!({"url": "rtsp://u:canary-inline@192.0.2.9/s?pwd=canary-query"});
    Some(match id {
        "claim" => json!({"code": "x", "name": "x", "password": PASSWORD, "one_person_station": false}),
        "sign_in" => json!({"name": "Chief", "password": "wrong wrong wrong"}),
        "set_up_second_factor" | "set_up_passkey" => json!({"password": PASSWORD}),
        "add_passkey" => Device::new().made(&some_challenge(), "Mine", &Said::default()),
        "sign_in_with_passkey" | "show_passkey" => Device::new().shown(&some_challenge(), &Said::default()),
        "enter_second_factor" | "confirm_second_factor" => json!({"code": "000000"}),
        "change_password" => json!({"old": PASSWORD, "new": "another long sentence"}),
        "create_account" => json!({"name": "New", "password": PASSWORD, "roles": ["viewer"]}),
        "change_account" => json!({"name": "Renamed"}),
        "create_camera" => {
            json!({"name": "Yard", "main": address, "password": "canary-given", "purpose": "Traffic in the yard", "contact": "Room 3"})
        }
        "change_station_settings" => json!({
            "version": 0, "reason": "moved", "changes": [{"setting": "name", "value": "Station 8"}]
        }),
        "review_camera" => json!({"note": "Still collisions here"}),
        "change_camera" => json!({"name": "Yard", "main": address, "password": "canary-given"}),
        "test_camera" => json!({"main": address, "password": "canary-given"}),
        "inspect_camera" => json!({"url": "http://192.0.2.9/", "username": "u", "password": "canary-given"}),
        "turn_camera" => json!({"act": "move", "pan": 0.5, "timeout_ms": 1000}),
        "set_ptz_preset" => json!({"name": "Door"}),
        "accept_camera" => json!({"found_id": FOUND}),
        "bind_plugin" => json!({"enabled": true}),
        "make_backup" => json!({"passphrase": PASSWORD}),
        "compare_backup" | "restore_backup" | "claim_with_backup" => json!("no backup at all"),
        "upload_certificate" => super::tls::upload(),
        "install_plugin" => json!("the bytes of a package"),
        "approve_plugin" | "reject_plugin" => json!({"package_sha256": WAITING}),
        "trust_publisher" => json!({"name": "City lab", "public_key": "RWQ", "key_id": OTHER_KEY}),
        "set_plugin_dev_mode" => json!({"hours": 1}),
        "set_plugin_tried_out" => json!({"on": true}),
        "add_disk" => json!({"dir": "/srv/b/watchbook", "size_gib": 500}),
        "accept_disk" => json!({"found_id": FOUND}),
        "retire_disk" => json!({"replaced": true}),
        "open_case" => json!({
            "case": "8/26", "purpose": "theft", "cameras": [1], "from_utc_ms": START_MS, "to_utc_ms": START_MS + 1000,
            "expires_utc_ms": START_MS + 86_400_000, "investigators": [4]
        }),
        "change_case" => json!({"to_utc_ms": START_MS + 1000}),
        "add_bookmark" => json!({"at_utc_ms": START_MS, "cameras": [1], "words": "the van turns"}),
        "place_hold" => json!({"case": "7/26", "cameras": [1], "from_utc_ms": START_MS, "to_utc_ms": START_MS + 1000}),
        "trust_log_witness" => json!({"key": "w1+00000000+BAAA"}),
        "import_cosignatures" => json!({"text": CHECKPOINT}),
        "set_log_push" => json!({"url": "https://w.example/w1"}),
        "change_log_key" => json!({"reason": "yearly"}),
        "propose_policy" => policy("strict"),
        "withdraw_policy" => policy("longer"),
        "accept_policy" => {
            let mut body = policy("longer");
            body["proposed_by"] = json!(50);
            body
        }
        "make_log_mirror" => json!({"name": "Court"}),
        "bring_decision" => json!({"text": "4"}),
        "enrol_approver_key" => json!({"key": "hq.example/approver+00000000+AQ"}),
        "request_export" => json!({
            "case": CASE, "cameras": [1], "from_utc_ms": START_MS + 1000, "to_utc_ms": START_MS + 2000, "recipient_class": "court", "recipient": "Clerk"
        }),
        "deliver_export" => json!({"manifest_sha256": MANIFEST, "sink": SINK}),
        "request_redacted_export" => json!({
            "case": CASE, "camera": 1, "from_utc_ms": START_MS + 1000, "to_utc_ms": START_MS + 2000, "recipient_class": "court", "recipient": "Clerk",
            "everything_but": false, "regions": [{"polygon": [{"x": 0.0, "y": 0.0}, {"x": 0.5, "y": 0.0}, {"x": 0.5, "y": 0.5}]}],
        }),
        "release_export" => json!({"manifest_sha256": MANIFEST}),
        "refuse_export" => json!({"manifest_sha256": MANIFEST, "reason": "not needed"}),
        "decide_proposal" => json!({"decision": "accept"}),
        "rederive" => json!({"start_utc_ms": START_MS + 60_000}),
        "release_hold" => json!({"reason": "case closed"}),
        "register_subject_request" => json!({
            "reference": "SR 1/26", "received_utc_ms": START_MS, "cameras": [1], "from_utc_ms": START_MS, "to_utc_ms": START_MS + 1000, "place": "at the gate"
        }),
        "change_subject_request" => json!({"place": "at the other gate"}),
        "search_for_subject_request" => json!({"case": SUBJECT_CASE}),
        "extend_subject_request" => json!({"days": 7, "why": "complex", "words": "two hundred others are in it"}),
        "answer_subject_request" => {
            json!({"export": "2", "to": "data_subject", "reference": "SR 1/26", "why": "asked for it"})
        }
        "refuse_subject_request" => json!({"why": "no_footage", "words": "nothing was recorded then"}),
        "answer_review" => json!({"ok": false, "reason": "not his case"}),
        _ => return None,
    })
}

fn some_challenge() -> Value {
    json!({"challenge": crate::passkey::encode(&[7; 32]), "user": ""})
}

fn policy(id: &str) -> Value {
    json!({"policy": id, "version": 1, "policy_sha256": policy_sha256(id)})
}

/// The same for passkeys, which are made and shown over TLS: then by another session of the same account.
async fn ready_with_passkey(station: &Station, row: &Route, cookie: &str) -> Option<Ask> {
    if row.id == "remove_passkey" {
        let other = station.sign_in_by_name("Other").await;
        let (_, id) = station.add_passkey(&other, "Theirs").await;
        return Some(Ask::new("DELETE", &format!("/api/v1/accounts/2/passkeys/{id}")));
    }
    let own = ["set_up_passkey", "add_passkey", "show_passkey", "remove_own_passkey"];
    if !own.contains(&row.id) && !matches!(row.id, "passkey_challenge" | "sign_in_with_passkey") {
        return None;
    }
    let session = station.get("/api/v1/session", cookie).await.json();
    let secure = station.sign_in_by_name(session["account"]["name"].as_str().unwrap()).await;
    let ask = Ask::new(row.method.as_str(), &path_of(row)).by(&secure);
    let right = Said::default();
    Some(by_name(match row.id {
        "add_passkey" => ask.json(&Device::new().made(&station.passkey_set_up(&secure).await, "Mine", &right)),
        "set_up_passkey" | "passkey_challenge" => match body(row.id) {
            Some(body) => ask.json(&body),
            None => ask,
        },
        "remove_own_passkey" => {
            let (_, id) = station.add_passkey(&secure, "Mine").await;
            Ask::new("DELETE", &format!("/api/v1/session/passkeys/{id}")).by(&secure)
        }
        _ => {
            let (mut device, _) = station.add_passkey(&secure, "Mine").await;
            ask.json(&device.shown(&station.passkey_challenge().await, &right))
        }
    }))
}

/// A request that succeeds when whoever has this session may: the station has what it is about, and a code is right.
async fn ready(station: &Station, row: &Route, cookie: &str) -> Ask {
    let code = |key: &str| json!({"code": station.code(key)});
    if row.path.contains("{request}") {
        keep_request(station);
    }
    if let Some(ask) = ready_with_passkey(station, row, cookie).await {
        return ask;
    }
    let body = match row.id {
        "confirm_second_factor" => {
            let password = json!({"password": PASSWORD});
            let set_up = station.post("/api/v1/session/second-factor/set-up", cookie, &password).await.json();
            Some(code(set_up["key"].as_str().unwrap()))
        }
        "enter_second_factor" => {
            let key = station.second_factor(cookie).await;
            station.clock.advance(30_000_000_000);
            Some(code(&key))
        }
        "remove_second_factor" => {
            station.second_factor(&station.sign_in("Other").await).await;
            None
        }
        "release_export"
        | "accept_policy"
        | "change_log_key"
        | "trust_log_witness"
        | "distrust_log_witness"
        | "upload_certificate"
        | "make_log_mirror" => {
            station.second_factor(cookie).await;
            body(row.id)
        }
        "remove_certificate" => {
            station.second_factor(cookie).await;
            super::tls::keep_upload(station);
            None
        }
        "enrol_approver_key" | "remove_approver_key" | "bring_decision" => {
            let admin = station.sign_in("Chief").await;
            let signer = match row.id {
                "bring_decision" => station.signer(&admin).await,
                _ => 2,
            };
            let roles = Ask::new("PATCH", &format!("/api/v1/accounts/{signer}")).by(&admin);
            assert_eq!(station.send(roles.json(&json!({"roles": ["approver"]}))).await.status, 200);
            if row.id == "remove_approver_key" {
                station.app.accounts().enrol_key(2, "hq.example/approver+00000000+AQ".into()).await.unwrap();
            }
            station.second_factor(cookie).await;
            match row.id {
                "bring_decision" => Some(json!({"text": signer.to_string()})),
                _ => body(row.id),
            }
        }
        // With its query.
        "set_log_push" => {
            station.second_factor(cookie).await;
            None
        }
        "revoke_log_mirror" => {
            let admin = station.sign_in("Chief").await;
            let auditor = station.account(&admin, "Keeper", &[Role::Auditor], None).await;
            station.second_factor(&auditor).await;
            let made = station.post("/api/v1/log/mirrors", &auditor, &json!({"name": "Court"})).await;
            assert_eq!(made.status, 201);
            None
        }
        "make_backup" => {
            station.second_factor(cookie).await;
            body(row.id)
        }
        "compare_backup" | "restore_backup" => {
            let asker = station.get("/api/v1/session", cookie).await.json();
            station.second_factor(cookie).await;
            let admin = if asker["account"]["id"] == 1 { cookie.to_owned() } else { station.sign_in("Chief").await };
            if admin != cookie {
                station.second_factor(&admin).await;
            }
            let file = made(station, &admin).await;
            let plan = station.send(compared(&file).by(&admin)).await.json();
            return match row.id {
                "restore_backup" => restored(&file, plan["plan"].as_str().unwrap()),
                _ => compared(&file),
            };
        }
        "end_own_session" | "end_session" => {
            let path = match row.id {
                "end_session" => format!("/api/v1/accounts/2/sessions/{}", station.session_of("Other").await),
                _ => format!("/api/v1/session/list/{}", station.own_session(cookie).await),
            };
            return Ask::new("DELETE", &path);
        }
        "remove_bookmark" => {
            keep_bookmark(station);
            None
        }
        "open_case" | "change_case" => {
            let admin = station.sign_in("Chief").await;
            station.account(&admin, "Helper", &[Role::Investigator], None).await;
            let list = station.get("/api/v1/accounts", &admin).await.json();
            let helper = list["accounts"].as_array().unwrap().last().unwrap()["id"].clone();
            station.second_factor(cookie).await;
            let mut body = body(row.id).unwrap();
            body["investigators"] = json!([helper]);
            Some(body)
        }
        _ => None,
    };
    match body {
        Some(body) => Ask::new(row.method.as_str(), &path_of(row)).json(&body),
        None => good_request(row),
    }
}

/// Request 1, taken up by account 50 and looked for in the case of the released export; beside it a case in which it may be looked for.
fn keep_request(station: &Station) {
    let case = Case { number: SUBJECT_CASE.into(), purpose: Purpose::SubjectRequest, ..wide_case() };
    station.app.ports().cases.open(Case { investigators: [3].into(), ..case }).unwrap();
    station.app.requests().open(StoredRequest { case: Some("7/26".into()), ..request(1) }).unwrap();
}

/// Bookmark 1, of account 50.
fn keep_bookmark(station: &Station) {
    let at = UtcNanos::from_ms(START_MS);
    let cameras = [CameraId::new(1).unwrap()].into();
    let bookmark = Bookmark { number: 1, at, cameras, words: "x".into(), by: 50, made: at };
    let change = Box::new(|case: &mut Case| {
        case.bookmarks.push(bookmark);
        Ok(())
    });
    station.app.ports().cases.update(CASE, change).unwrap();
}

/// Who may, written down by hand. Rows that are not here are open to anybody.
fn allowed(id: &str) -> Option<&'static [Role]> {
    use Role::{Admin, Approver, Auditor, Investigator, Viewer};
    Some(match id {
        "sign_out"
        | "change_password"
        | "set_up_second_factor"
        | "confirm_second_factor"
        | "enter_second_factor"
        | "own_passkeys"
        | "set_up_passkey"
        | "add_passkey"
        | "remove_own_passkey"
        | "show_passkey"
        | "own_sessions"
        | "end_own_session"
        | "cameras"
        | "camera"
        | "camera_clock"
        | "camera_sign"
        | "plugins"
        | "plugin_abi"
        | "plugin_dev_mode"
        | "plugin_tried_out"
        | "tls"
        | "machine_health"
        | "health" => &Role::ALL,
        "accounts"
        | "all_sessions"
        | "upload_certificate"
        | "remove_certificate"
        | "make_backup"
        | "compare_backup"
        | "restore_backup"
        | "end_session"
        | "change_station_settings"
        | "create_account"
        | "change_account"
        | "remove_account"
        | "remove_second_factor"
        | "passkeys"
        | "remove_passkey"
        | "create_camera"
        | "change_camera"
        | "remove_camera"
        | "test_camera"
        | "search_cameras"
        | "list_local_cameras"
        | "inspect_camera"
        | "bind_plugin"
        | "set_ptz_preset"
        | "remove_ptz_preset"
        | "accept_camera"
        | "review_camera" => &[Admin],
        "ptz" | "turn_camera" => &[Investigator, Admin],
        "install_plugin"
        | "approve_plugin"
        | "reject_plugin"
        | "roll_back_plugin"
        | "remove_plugin"
        | "plugin_log"
        | "plugin_publishers"
        | "change_log_key"
        | "propose_policy"
        | "trust_publisher"
        | "distrust_publisher"
        | "set_plugin_dev_mode"
        | "set_plugin_tried_out" => &[Admin],
        "proposals" | "decide_proposal" => &[Investigator, Admin],
        "add_disk" | "accept_disk" | "retire_disk" => &[Admin],
        "recordings"
        | "playback"
        | "thumbnail"
        | "events"
        | "follow_events"
        | "event_counts"
        | "event_counts_csv"
        | "place_hold"
        | "rederive"
        | "rederivation"
        | "cancel_rederivation"
        | "rederivation_inputs" => &[Investigator],
        "retention_list" | "retention" | "erasures" | "holds" | "estimate_hold" => {
            &[Investigator, Approver, Auditor, Admin]
        }
        "policies" => &[Investigator, Approver, Auditor, Admin],
        "accept_policy" | "withdraw_policy" => &[Approver, Admin],
        "cases" => &[Investigator, Approver, Auditor, Admin],
        "exports" | "export_sinks" | "estimate_export" => &[Investigator, Approver, Auditor],
        "request_export" | "request_redacted_export" | "cancel_export" | "export_bundle" | "deliver_export" => {
            &[Investigator]
        }
        "release_export" | "refuse_export" => &[Approver],
        "close_case" => &[Investigator, Approver],
        "bookmarks" | "add_bookmark" | "remove_bookmark" => &[Investigator],
        "subject_requests" => &[Investigator, Approver, Auditor, Admin],
        "register_subject_request" | "change_subject_request" | "withdraw_subject_request" => &[Investigator, Admin],
        "search_for_subject_request" => &[Investigator, Approver],
        "answer_subject_request" => &[Investigator],
        "extend_subject_request" | "refuse_subject_request" => &[Approver],
        "release_hold" | "open_case" | "change_case" => &[Approver],
        "live" => &[Viewer],
        "audit"
        | "audit_proof"
        | "log_witness_request"
        | "trust_log_witness"
        | "distrust_log_witness"
        | "import_cosignatures" => &[Auditor],
        "enrol_approver_key" | "remove_approver_key" | "set_log_push" => &[Admin],
        "log_pushes" | "push_log" | "station_settings" | "station_settings_history" => &[Auditor, Admin],
        "ask_decision" | "bring_decision" => &[Investigator, Approver],
        "log_tile" | "log_mirrors" | "make_log_mirror" | "revoke_log_mirror" => &[Auditor],
        "log_leaves" | "reviews" | "answer_review" | "anomalies" => &[Auditor],
        _ => return None,
    })
}

#[test]
fn every_row_says_who_and_what_is_kept_in_a_way_that_fits() {
    let open: BTreeSet<&str> = [
        "status",
        "openapi",
        "claim",
        "claim_with_backup",
        "session",
        "sign_in",
        "passkey_challenge",
        "sign_in_with_passkey",
        "log",
        "log_checkpoint",
        "log_cosigned",
        "log_witnesses",
        "report",
        "report_text",
        "reports",
        "policy",
        "authority",
    ]
    .into();
    for row in table() {
        let public = matches!(row.permission, Permission::Public { .. });
        assert_eq!(public, open.contains(row.id), "{}", row.id);
        assert_eq!(public, allowed(row.id).is_none(), "{}", row.id);
        let by_gate = matches!(row.audit, AuditRule::EveryTime | AuditRule::FirstIn { .. });
        assert_eq!(by_gate, !public, "{}: a public row has no grant to log, another must log it", row.id);
        if row.method != Method::GET && !public {
            assert_eq!(row.audit, AuditRule::EveryTime, "{}: each change is an entry of its own", row.id);
        }
        assert_eq!(row.request.is_some(), row.body_bytes_max > 0, "{}", row.id);
        assert_eq!(row.request.is_some(), body(row.id).is_some(), "{}", row.id);
    }
}

#[tokio::test]
async fn nobody_gets_past_any_row_that_is_not_public() {
    for row in table() {
        let station = Station::new();
        station.claim(false).await;
        let before = station.audit.count();
        let (writes, calls) =
            (station.register.writes.load(Ordering::SeqCst), station.inner.calls.load(Ordering::SeqCst));
        let answer = station.send(good_request(&row)).await;
        if matches!(row.permission, Permission::Public { .. }) {
            let expected = match row.id {
                "claim" | "claim_with_backup" | "passkey_challenge" | "sign_in_with_passkey" => 409,
                "sign_in" | "session" => 401,
                _ => 200,
            };
            assert_eq!(answer.status, expected, "{}: {answer:?}", row.id);
            continue;
        }
        assert_problem(&answer, 401, "sign-in-first");
        assert_eq!(station.register.writes.load(Ordering::SeqCst), writes, "{}", row.id);
        assert_eq!(station.inner.calls.load(Ordering::SeqCst), calls, "{}", row.id);
        assert!(station.footage.opened.lock().unwrap().is_empty(), "{}", row.id);
        let entries = station.audit.since(before);
        assert!(entries.len() == 1 && entries[0].account.is_none(), "{}: {entries:?}", row.id);
    }
}

#[tokio::test]
async fn each_role_gets_past_its_rows_and_no_other() {
    for row in table() {
        let Some(allowed) = allowed(row.id) else { continue };
        for role in Role::ALL {
            let station = Station::new();
            let admin = station.claim(false).await;
            // Account 2 is there to be changed; 3 asks.
            station.account(&admin, "Other", &[Role::Viewer], None).await;
            let cookie = station.account(&admin, "Asker", &[role], None).await;
            let ask = ready(&station, &row, &cookie).await;
            let (before, calls) = (station.audit.count(), station.inner.calls.load(Ordering::SeqCst));
            let answer = station.send(ask.by(&cookie)).await;
            let entries = station.audit.since(before);
            // What a signed file says is an entry of whoever signed it, behind that of whoever brought it.
            let wanted = if row.id == "bring_decision" && allowed.contains(&role) { 2 } else { 1 };
            assert_eq!(entries.len(), wanted, "{role:?} {}: {entries:?}", row.id);
            assert_eq!(entries[0].account, Some(3));
            if allowed.contains(&role) {
                let fine =
                    answer.status.is_success() || (row.id == "live" && answer.status == StatusCode::UPGRADE_REQUIRED);
                assert!(fine, "{role:?} {}: {answer:?}", row.id);
            } else {
                assert_problem(&answer, 403, "denied");
                assert_eq!(station.inner.calls.load(Ordering::SeqCst), calls, "{role:?} {}", row.id);
                assert!(station.footage.opened.lock().unwrap().is_empty());
            }
        }
    }
}

#[tokio::test]
async fn whoever_does_not_say_what_they_want_is_not_told_to_have_done_it() {
    let json_rows = table().into_iter().filter(|row| row.request.is_some() && row.body_bytes_max <= SETTINGS_BODY);
    let mut seen = 0;
    for row in json_rows {
        let Some(role) = allowed(row.id).and_then(|roles| roles.first().copied()) else { continue };
        let station = Station::new();
        let admin = station.claim(false).await;
        station.account(&admin, "Other", &[Role::Viewer], None).await;
        let cookie = station.account(&admin, "Asker", &[role], None).await;
        let ask = ready(&station, &row, &cookie).await;
        let before = station.audit.count();
        assert_problem(&station.send(ask.empty().by(&cookie)).await, 422, "invalid-input");
        let entries = station.audit.since(before);
        assert!(entries.iter().all(|entry| entry.outcome != Outcome::Allowed), "{}: {entries:?}", row.id);
        seen += 1;
    }
    assert!(seen > 20, "{seen} rows take JSON");
}

#[tokio::test]
async fn an_account_without_the_camera_gets_nothing_of_it() {
    for row in table().into_iter().filter(|row| row.path.contains("{camera}")) {
        for role in Role::ALL {
            let station = Station::new();
            let admin = station.claim(false).await;
            let cookie = station.account(&admin, "Asker", &[role], Some(&[2])).await;
            let cameras = station.inner.cameras.lock().unwrap().clone();
            let answer = station.send(good_request(&row).by(&cookie)).await;
            match row.id {
                "camera" | "camera_clock" | "camera_sign" => assert_problem(&answer, 404, "not-found"),
                _ => assert_problem(&answer, 403, "denied"),
            }
            assert_eq!(*station.inner.cameras.lock().unwrap(), cameras, "{role:?} {}", row.id);
            assert!(station.footage.opened.lock().unwrap().is_empty(), "{role:?} {}", row.id);
            assert_eq!(station.live.counts().0, 0, "{role:?} {}", row.id);
        }
    }
}

#[tokio::test]
async fn lists_and_tests_leave_out_cameras_of_others() {
    let station = Station::new();
    let admin = station.claim(false).await;
    for role in Role::ALL {
        let cookie = station.account(&admin, &format!("{role:?}"), &[role], Some(&[2])).await;
        assert_eq!(station.get("/api/v1/cameras", &cookie).await.json(), json!({"cameras": []}));
        assert_eq!(station.get("/api/v1/health", &cookie).await.json()["cameras"], json!([]));
        let test = json!({"camera": 1, "main": {"url": "rtsp://192.0.2.20/main"}});
        assert_problem(&station.post("/api/v1/cameras/test", &cookie, &test).await, 403, "denied");
    }
    assert!(station.inner.probes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_change_without_the_header_or_from_another_site_is_refused() {
    for row in table().into_iter().filter(|row| row.method != Method::GET) {
        let station = Station::new();
        let admin = station.claim(false).await;
        let before = (station.register.writes.load(Ordering::SeqCst), station.audit.count());
        for ask in [
            good_request(&row).by(&admin).without("x-watchbook"),
            good_request(&row).by(&admin).header("origin", "http://evil.example"),
        ] {
            assert_problem(&station.send(ask).await, 403, "cross-site");
        }
        assert_eq!((station.register.writes.load(Ordering::SeqCst), station.audit.count()), before, "{}", row.id);
    }
}

/// A station with an account to be changed and a camera that has a password in each place where it may have one; the cookie of somebody who may
/// do everything.
async fn with_secrets() -> (Station, String) {
    let station = Station::new();
    let cookie = station.claim(true).await;
    station.account(&cookie, "Other", &[Role::Viewer], None).await;
    *station.inner.asked_by.lock().unwrap() = Some(1);
    let mut cameras = station.inner.cameras.lock().unwrap();
    let config = cameras.get_mut(&CameraId::new(1).unwrap()).unwrap();
    config.main.url = "rtsp://192.0.2.20/user=admin&password=canary-path&channel=1".into();
    config.sub.as_mut().unwrap().url = "rtsp://192.0.2.20/sub?passwd=canary-sub".into();
    drop(cameras);
    (station, cookie)
}

#[tokio::test]
async fn no_answer_holds_a_password() {
    for row in table() {
        let (station, cookie) = with_secrets().await;
        let ready = ready(&station, &row, &cookie).await;
        let (for_nobody, for_all) = (station.send(good_request(&row)).await, station.send(ready.by(&cookie)).await);
        let expected = match row.id {
            "claim" => StatusCode::CONFLICT,
            "claim_with_backup" => StatusCode::UNPROCESSABLE_ENTITY,
            "sign_in" => StatusCode::UNAUTHORIZED,
            "live" => StatusCode::UPGRADE_REQUIRED,
            _ => for_all.status,
        };
        let succeeds = !["claim", "claim_with_backup", "sign_in", "live"].contains(&row.id);
        assert!(for_all.status == expected && for_all.status.is_success() == succeeds, "{}: {for_all:?}", row.id);
        for answer in [for_nobody, for_all] {
            let text = String::from_utf8_lossy(&answer.body).into_owned() + &format!("{:?}", answer.headers);
            for canary in [PASSWORD, CAMERA_PASSWORD, "canary-", "$argon2"] {
                assert!(!text.contains(canary), "{}: {text}", row.id);
            }
        }
        let log = serde_json::to_string(&station.audit.since(0)).unwrap();
        assert!(
            !log.contains("canary-") && !log.contains("Chief"),
            "{}: the log holds a secret or a name: {log}",
            row.id
        );
        for config in station.inner.cameras.lock().unwrap().values() {
            assert!(!format!("{config:?}").contains("canary-"), "{}: Debug shows a secret", row.id);
        }
    }
}

#[tokio::test]
async fn no_question_about_a_body_holds_a_password() {
    let station = Station::new();
    station.claim(true).await;
    // A password in the wrong place is not given back either.
    for body in [
        json!({"name": "x", "password": 7, "canary-field": "canary-value"}),
        json!({"name": "x", "password": ["canary-value"]}),
        json!({"name": {"canary-key": 1}, "password": "canary-value"}),
    ] {
        let answer = station.post("/api/v1/session", "", &body).await;
        assert_problem(&answer, 422, "invalid-input");
        assert!(!String::from_utf8_lossy(&answer.body).contains("canary-value"), "{answer:?}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let paths = ["/", "/cameras/1", "/none.js", "/api/v1/status", "/api/v1/none", "/api/v1/audit", "/api/v1/cameras/9"];
    for path in paths {
        for cookie in ["", &cookie] {
            let answer = station.get(path, cookie).await;
            let csp = answer.header("content-security-policy");
            assert!(
                csp.starts_with("default-src 'none'; script-src 'self';") && !csp.contains("unsafe"),
                "{path}: {csp}"
            );
            assert!(csp.contains("frame-ancestors 'none'") && csp.contains("form-action 'self'"), "{path}: {csp}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
            assert!(answer.header("permissions-policy").contains("camera=()"), "{path}");
            assert!(!path.starts_with("/api") || answer.header("cache-control") == "no-store", "{path}");
        }
    }
}

#[tokio::test]
async fn the_worker_that_checks_evidence_may_ask_nothing_of_anybody() {
    let Some(worker) = crate::page::Files::iter().find(|path| path.starts_with("assets/bundle.worker-")) else {
        assert!(crate::page::Files::get("index.html").is_none(), "the page was built without its worker");
        return;
    };
    let answer = Station::new().get(&format!("/{worker}"), "").await;
    assert_eq!(answer.header("content-security-policy"), "default-src 'none'; script-src 'wasm-unsafe-eval'");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn what_is_not_in_the_table_does_not_exist() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    for path in
        ["/api", "/api/", "/api/v1", "/api/v1/none", "/api/v2/status", "/api/v1/cameras/1/none", "/assets/none.js"]
    {
        assert_problem(&station.get(path, &cookie).await, 404, "not-found");
    }
    assert_problem(&station.send(Ask::new("DELETE", "/api/v1/status").by(&cookie)).await, 405, "method-not-allowed");
    assert_problem(&station.send(Ask::new("POST", "/").by(&cookie)).await, 405, "method-not-allowed");
    for path in
        ["/api/v1/status?x=1", "/api/v1/audit?limit=1&limit=2", "/api/v1/audit?limit=0", "/api/v1/audit?cursor=x"]
    {
        assert_problem(&station.get(path, &cookie).await, 422, "invalid-input");
    }
}

#[tokio::test]
async fn hostile_path_parts_are_only_ever_unknown() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    for part in [
        "0",
        "-1",
        "16777216",
        "99999999999999999999",
        "1%2F..",
        "..%2F..%2Fetc",
        "%00",
        "1;ls",
        "a",
        "%F0%9F%98%80",
        "1%20",
    ] {
        assert_problem(&station.get(&format!("/api/v1/cameras/{part}"), &cookie).await, 404, "not-found");
    }
    for part in ["..%2F..", "%3Cscript%3E", "a%00b", "%E1%9E%80"] {
        let ask =
            Ask::new("PUT", &format!("/api/v1/cameras/1/plugins/{part}")).by(&cookie).json(&json!({"enabled": true}));
        assert_problem(&station.send(ask).await, 404, "not-found");
    }
    assert_problem(&station.get("/api/v1/cameras/%FF", &cookie).await, 422, "invalid-input");
}

#[tokio::test]
async fn each_body_has_its_bound() {
    for row in table().into_iter().filter(|row| row.method != Method::GET) {
        let station = Station::new();
        let cookie = station.claim(true).await;
        station.second_factor(&cookie).await;
        let body = vec![b' '; row.body_bytes_max + 1];
        let ask = Ask::new(row.method.as_str(), &path_of(&row));
        let answer = station.send(ask.by(&cookie).header("content-type", "application/json").bytes(body)).await;
        assert_problem(&answer, 413, "too-large");
    }
}

#[tokio::test]
async fn without_a_log_nothing_is_shown() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    station.audit.broken.store(true, Ordering::SeqCst);
    for row in table().into_iter().filter(|row| row.permission.asks()) {
        assert_problem(&station.send(good_request(&row).by(&cookie)).await, 503, "log-unwritable");
    }
    assert!(station.footage.opened.lock().unwrap().is_empty());
    let answer = station.post("/api/v1/session", "", &json!({"name": "Chief", "password": PASSWORD})).await;
    assert_problem(&answer, 503, "log-unwritable");
    assert!(answer.header("set-cookie").is_empty());
}
