//! Checkpoints of the audit log: for anybody; what a witness is asked, for auditors.

use super::doubles::{CHECKPOINT, SIGNED};
use super::station::{Ask, Station, assert_problem};
use serde_json::json;
use watchbook_access::{Action, Role};

#[tokio::test]
async fn anybody_may_keep_a_checkpoint() {
    let station = Station::new();
    let answer = station.get("/api/v1/log/checkpoint", "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.as_ref(), CHECKPOINT.as_bytes());
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    let log = station.get("/api/v1/log", "").await.json();
    assert_eq!((&log["signed_entries"], &log["checkpoint"]), (&json!(SIGNED), &json!(CHECKPOINT)));
}

#[tokio::test]
async fn an_auditor_asks_a_witness_and_no_log_gets_shorter() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let auditor = station.account(&admin, "A", &[Role::Auditor], None).await;
    let path = |old: &str| format!("/api/v1/log/witness-request?old_entries={old}");
    let request = station.get(&path("3"), &auditor).await;
    assert_eq!(request.body.as_ref(), format!("old 3\n\n{CHECKPOINT}").as_bytes());
    assert_problem(&station.get(&path("8"), &auditor).await, 404, "not-found");
    assert_problem(&station.get(&path("-1"), &auditor).await, 422, "invalid-input");
    assert_problem(&station.get(&path("3"), &admin).await, 403, "denied");
    let health = station.get("/api/v1/health", &admin).await.json();
    let alarms = health["alarms"].as_array().unwrap();
    assert!(alarms.iter().any(|alarm| alarm["kind"] == "log_unsigned"), "{health}");
}

#[tokio::test]
async fn witnesses_are_for_auditors_and_the_key_for_admins() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let auditor = station.account(&admin, "A", &[Role::Auditor], None).await;
    let key = json!({"key": "w2+0a0b0c0d+BAAA"});
    assert_problem(&station.post("/api/v1/log/witnesses", &auditor, &key).await, 403, "second_factor_needed");
    let distrust = Ask::new("DELETE", "/api/v1/log/witnesses?name=w1").by(&auditor);
    assert_problem(&station.send(distrust).await, 403, "second_factor_needed");
    let reason = json!({"reason": "yearly"});
    assert_problem(&station.post("/api/v1/log/key", &admin, &reason).await, 403, "second_factor_needed");
    for cookie in [&admin, &auditor] {
        station.second_factor(cookie).await;
    }
    let added = station.post("/api/v1/log/witnesses", &auditor, &key).await;
    assert_eq!((added.status.as_u16(), &added.json()["name"]), (201, &json!("w2")));
    let text = "\u{2014} w2 AAAA\n\u{2014} w3 BBBB\nmore\n";
    let brought = station.post("/api/v1/log/cosignatures", &auditor, &json!({"text": text})).await;
    assert_eq!(brought.json()["continues_entries"], json!(SIGNED));
    let before = station.audit.count();
    for reason in ["", "  ", "two\nlines", &"x".repeat(257)] {
        let answer = station.post("/api/v1/log/key", &admin, &json!({ "reason": reason })).await;
        assert_problem(&answer, 422, "invalid-input");
    }
    assert_eq!(station.audit.count(), before, "a question that cannot be asked");
    assert_eq!(station.post("/api/v1/log/key", &admin, &json!({"reason": " yearly "})).await.status, 200);
    let actions: Vec<Action> = station.audit.since(0).into_iter().map(|entry| entry.action).collect();
    let wanted = [
        Action::TrustWitness { witness: "w2".into() },
        Action::ImportCosignatures { names: vec!["w2".into(), "w3".into()] },
        Action::ChangeLogKey { reason: "yearly".into() },
    ];
    assert!(wanted.iter().all(|action| actions.contains(action)), "{actions:?}");
}

#[tokio::test]
async fn where_to_checkpoints_are_sent_is_an_admins_and_nothing_secret_gets_into_the_log() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let auditor = station.account(&admin, "A", &[Role::Auditor], None).await;
    let (pushes, of_w1) = ("/api/v1/log/pushes", "/api/v1/log/pushes?name=w1");
    let put = |cookie: &str, url: &str| Ask::new("PUT", of_w1).by(cookie).json(&json!({ "url": url }));
    assert_problem(&station.send(put(&admin, "https://w.example/")).await, 403, "second_factor_needed");
    for cookie in [&admin, &auditor] {
        station.second_factor(cookie).await;
    }
    assert_problem(&station.send(put(&auditor, "https://w.example/")).await, 403, "denied");
    let before = station.audit.count();
    let secret = station.send(put(&admin, "https://me:hidden@w.example/")).await;
    assert_problem(&secret, 422, "invalid-input");
    assert!(!String::from_utf8_lossy(&secret.body).contains("hidden"));
    assert_eq!(station.audit.count(), before, "a question that cannot be asked");
    assert_eq!(station.send(put(&admin, " https://w.example/ ")).await.status, 204);
    assert_eq!(station.send(put(&admin, " ")).await.status, 204);
    for cookie in [&admin, &auditor] {
        assert_eq!(station.get(pushes, cookie).await.json(), json!({"pushes": []}));
        let now = station.send(Ask::new("POST", "/api/v1/log/pushes/now?name=w1").by(cookie)).await;
        assert_eq!(now.status, 204);
    }
    let unknown = Ask::new("POST", "/api/v1/log/pushes/now?name=w9").by(&admin);
    assert_problem(&station.send(unknown).await, 404, "not-found");
    assert_problem(&station.get(pushes, "").await, 401, "sign-in-first");
    let actions: Vec<Action> = station.audit.since(before).into_iter().map(|entry| entry.action).collect();
    let set = |url: &str| Action::SetWitnessPush { witness: "w1".into(), url: url.into() };
    let wanted = [set("https://w.example"), set(""), Action::PushLog { witness: "w1".into() }];
    assert!(wanted.iter().all(|action| actions.contains(action)), "{actions:?}");
}

#[tokio::test]
async fn the_proof_of_an_entry_is_for_auditors_and_each_that_leaves_is_in_the_log() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let auditor = station.account(&admin, "A", &[Role::Auditor], None).await;
    let path = |entry: &str| format!("/api/v1/audit/{entry}/proof");
    assert_problem(&station.get(&path("3"), &admin).await, 403, "denied");
    let before = station.audit.count();
    let answer = station.get(&path("3"), &auditor).await;
    assert_eq!(answer.body.as_ref(), format!("c2sp.org/tlog-proof@v1\nindex 3\n\n{CHECKPOINT}").as_bytes());
    assert_eq!(station.get(&path("4"), &auditor).await.status, 200);
    let read = station.audit.since(before);
    assert_eq!(read.iter().filter(|entry| entry.action == Action::ReadAudit).count(), 2, "{read:?}");
    assert_problem(&station.get(&path(&SIGNED.to_string()), &auditor).await, 503, "unavailable");
    for none in ["x", "-1", "18446744073709551616"] {
        assert_problem(&station.get(&path(none), &auditor).await, 404, "not-found");
    }
}

#[tokio::test]
async fn the_log_is_searched_whole_and_a_page_goes_on_where_the_one_before_ended() {
    let station = Station::new();
    let admin = station.claim(true).await;
    let (camera, other) = (watchbook_base::CameraId::new(7).unwrap(), watchbook_base::CameraId::new(8).unwrap());
    let first = station.audit.count();
    for number in 0..30_u32 {
        let action = match number % 3 {
            0 => Action::Live { camera },
            1 => Action::Live { camera: other },
            _ => Action::PlaceHold {
                case: "1/26".into(),
                cameras: vec![other, camera],
                range: watchbook_base::TimeRange::new(watchbook_base::UtcNanos(1), watchbook_base::UtcNanos(2))
                    .unwrap(),
            },
        };
        let account = Some(number % 2 + 1);
        let entry = watchbook_access::AuditEntry { account, action, outcome: watchbook_access::Outcome::Allowed };
        watchbook_access::AuditLog::append(&*station.audit, &entry).unwrap();
    }
    let all = station.get("/api/v1/audit?limit=500", &admin).await.json();
    let all: Vec<serde_json::Value> = all["entries"].as_array().unwrap().clone();
    // The same, out of the whole list.
    let plain = |takes: &dyn Fn(&serde_json::Value) -> bool| -> Vec<u64> {
        all.iter().filter(|entry| takes(entry)).map(|entry| entry["index"].as_u64().unwrap()).collect()
    };
    let names = |entry: &serde_json::Value| {
        entry["subject"]["camera"] == 7
            || entry["subject"]["cameras"].as_array().is_some_and(|list| list.contains(&json!(7)))
    };
    let from = all.iter().find(|entry| entry["index"] == first as u64 + 10).unwrap()["at_utc_ms"].as_i64().unwrap();
    let at = |entry: &serde_json::Value| entry["at_utc_ms"].as_i64().unwrap();
    let searches: [(String, Vec<u64>); 5] = [
        ("action=live".into(), plain(&|entry| entry["action"] == "live")),
        ("camera=7".into(), plain(&|entry| names(entry))),
        ("account=2&camera=7".into(), plain(&|entry| entry["account"] == 2 && names(entry))),
        (format!("from_utc_ms={from}&to_utc_ms={}", from + 5), plain(&|entry| (from..from + 5).contains(&at(entry)))),
        ("action=none_such".into(), Vec::new()),
    ];
    for (search, wanted) in searches {
        assert!(wanted.len() >= 5 || search.contains("none_such"), "{search}: {wanted:?}");
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = station.get(&format!("/api/v1/audit?{search}&limit=4{cursor}"), &admin).await.json();
            let entries = page["entries"].as_array().unwrap();
            assert!(entries.len() <= 4, "{page}");
            found.extend(entries.iter().map(|entry| entry["index"].as_u64().unwrap()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        // Reading the log is in the log once in five minutes, and may be newer than the list.
        found.retain(|index| all.iter().any(|entry| entry["index"] == *index));
        assert_eq!(found, wanted, "{search}");
    }
    let footage =
        |stream: u32| format!(r#"{{"kind":"segment","recording":9,"root":"ab","runs":60,"stream":{stream}}}"#);
    let hours = r#"{"account":null,"action":"record_hours","cameras":[{"camera":7,"minutes":60}],"outcome":"allowed"}"#;
    let bodies = [footage(8 * 256 + 1), footage(7 * 256 + 1), hours.to_owned(), footage(9 * 256)];
    station.audit.footage.lock().unwrap().extend(bodies.map(String::into_bytes));
    let of_seven = station.get("/api/v1/audit?kind=all&camera=7", &admin).await.json();
    let found: Vec<u64> =
        of_seven["entries"].as_array().unwrap().iter().map(|entry| entry["index"].as_u64().unwrap()).collect();
    assert_eq!(found, [2, 1], "{of_seven}");
    for bad in ["account=x", "camera=-1", "action=", "from_utc_ms=5&to_utc_ms=5"] {
        assert_problem(&station.get(&format!("/api/v1/audit?{bad}"), &admin).await, 422, "invalid-input");
    }
}
