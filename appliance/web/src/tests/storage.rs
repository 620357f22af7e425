//! Disks, alarms, retention and holds.

use super::doubles::{DISK, FOUND, START_MS, damaged};
use super::station::{Ask, Station, assert_problem};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use watchbook_access::{Action, Outcome, Role};

fn hold(cameras: &[u32]) -> Value {
    json!({"case": " 7/26 ", "cameras": cameras, "from_utc_ms": START_MS, "to_utc_ms": START_MS + 60_000, "note": "van"})
}

#[tokio::test]
async fn health_shows_what_is_wrong_and_what_it_cannot_read() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let health = station.get("/api/v1/health", &admin).await.json();
    let kinds: Vec<&str> =
        health["alarms"].as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["disk_swapped", "storage_unreadable", "log_unsigned"], "{health}");
    assert!(health["alarms"][1]["text"].as_str().unwrap().contains("the disk is away"), "{health}");
    assert_eq!((&health["disks"][0]["state"], &health["disks"][0]["found_id"]), (&json!("swapped"), &json!(FOUND)));
    assert_eq!(
        health["vault"],
        json!({"quota_bytes": 1 << 30, "held_bytes": 1 << 27, "reserved_bytes": 1 << 27, "free_bytes": 3 << 28})
    );
    let damaged = damaged();
    assert_eq!(health["damaged"][0]["start_utc_ms"], damaged.range.start.as_ms());
    assert_eq!((&health["damaged"][0]["camera"], &health["damaged"][0]["role"]), (&json!(1), &json!("main_video")));
    assert_eq!(health["damaged"][0]["kind"], "checksum");
}

#[tokio::test]
async fn streams_stand_in_the_order_in_which_they_are_dropped() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let mut ask = Ask::new("POST", "/api/v1/cameras").by(&admin);
    ask = ask.json(
        &json!({"name": "Yard", "main": {"url": "rtsp://192.0.2.9/s"}, "importance": "low", "purpose": "Traffic", "contact": "Room 3"}),
    );
    assert_eq!(station.send(ask).await.json()["importance"], "low");
    let patch = Ask::new("PATCH", "/api/v1/cameras/1").by(&admin).json(&json!({"importance": "high"}));
    assert_eq!(station.send(patch).await.json()["importance"], "high");

    let pressure = station.get("/api/v1/health", &admin).await.json()["pressure"].clone();
    let order: Vec<(u64, &str, bool)> = pressure["order"].as_array().unwrap().iter().map(order_row).collect();
    assert_eq!(order, [(2, "main_video", false), (1, "sub_video", true), (1, "main_video", false)]);
    assert_eq!((&pressure["waiting_bytes"], &pressure["waiting_bytes_max"]), (&json!(3), &json!(4)));
}

fn order_row(row: &Value) -> (u64, &str, bool) {
    (row["camera"].as_u64().unwrap(), row["role"].as_str().unwrap(), row["dropping"].as_bool().unwrap())
}

#[tokio::test]
async fn a_disk_s_directory_is_plain_and_the_log_names_it() {
    let station = Station::new();
    let admin = station.claim(false).await;
    for dir in ["", "srv/b", "/", "/srv/../etc", "/srv//b", "/srv/b/", "/srv/./b", "/srv/b\nx"] {
        let answer = station.post("/api/v1/disks", &admin, &json!({"dir": dir, "size_gib": 10})).await;
        assert_problem(&answer, 422, "invalid-input");
    }
    for size_gib in [0, (1 << 20) + 1] {
        let body = json!({"dir": "/srv/b", "size_gib": size_gib});
        assert_problem(&station.post("/api/v1/disks", &admin, &body).await, 422, "invalid-input");
    }
    let before = station.audit.count();
    let answer = station.post("/api/v1/disks", &admin, &json!({"dir": "/srv/b", "size_gib": 10})).await;
    assert_eq!((answer.status, &answer.json()["state"]), (StatusCode::CREATED, &json!("joining")));
    assert_eq!(station.audit.since(before)[0].action, Action::AddDisk { dir: "/srv/b".into(), size_gib: 10 });
}

#[tokio::test]
async fn a_swapped_disk_is_accepted_by_its_number_alone() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let accept = |disk: &str, found: &str| (format!("/api/v1/disks/{disk}/accept"), json!({"found_id": found}));
    let (path, body) = accept(DISK, DISK);
    assert_problem(&station.post(&path, &admin, &body).await, 409, "conflict");
    for (disk, found) in [("..", FOUND), (DISK, "zz"), ("00", FOUND)] {
        let (path, body) = accept(disk, found);
        assert_eq!(station.post(&path, &admin, &body).await.status, StatusCode::NOT_FOUND, "{disk} {found}");
    }
    let (path, body) = accept(DISK, FOUND);
    assert_eq!(station.post(&path, &admin, &body).await.json()["state"], "recording");
}

#[tokio::test]
async fn a_disk_is_given_up_and_the_log_says_how() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let path = |disk: &str| format!("/api/v1/disks/{disk}/retire");
    for body in [json!({}), json!({"replaced": 1}), json!({"replaced": true, "dir": "/"})] {
        assert_eq!(station.post(&path(DISK), &admin, &body).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    }
    assert_problem(&station.post(&path("00"), &admin, &json!({"replaced": true})).await, 404, "not-found");
    assert_problem(&station.post(&path(DISK), &admin, &json!({"replaced": false})).await, 409, "conflict");
    let before = station.audit.count();
    let answer = station.post(&path(DISK), &admin, &json!({"replaced": true})).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let said = &station.audit.since(before)[0].action;
    assert_eq!(said, &Action::RetireDisk { disk: DISK.into(), replaced: true });
}

#[tokio::test]
async fn a_hold_is_placed_by_one_and_released_by_another() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let investigator = station.account(&admin, "Dara", &[Role::Investigator], None).await;
    let answer = station.post("/api/v1/holds", &investigator, &hold(&[1])).await;
    let placed = answer.json();
    assert_eq!((answer.status, &placed["case"], &placed["id"]), (StatusCode::CREATED, &json!("7/26"), &json!("2")));
    assert_eq!((&placed["placed_by"], &placed["placed_by_name"]), (&json!(2), &json!("Dara")));

    // The account changes its duty; it placed this hold all the same.
    let patch = Ask::new("PATCH", "/api/v1/accounts/2").by(&admin).json(&json!({"roles": ["approver"]}));
    assert_eq!(station.send(patch).await.status, StatusCode::OK);
    let turned = station.sign_in("Dara").await;
    let reason = json!({"reason": "the court has closed the case"});
    let before = station.audit.count();
    assert_problem(&station.post("/api/v1/holds/2/release", &turned, &reason).await, 403, "denied");
    let outcomes: Vec<bool> =
        station.audit.since(before).iter().map(|entry| entry.outcome == Outcome::Allowed).collect();
    assert_eq!(outcomes, [true, false], "the role would do, and then it is refused for this hold");
    assert!(station.holds.rows.lock().unwrap()[1].release.is_none());

    let approver = station.account(&admin, "Sokha", &[Role::Approver], None).await;
    assert_problem(
        &station.post("/api/v1/holds/2/release", &approver, &json!({"reason": " "})).await,
        422,
        "invalid-input",
    );
    assert_problem(&station.post("/api/v1/holds/9/release", &approver, &reason).await, 404, "not-found");
    let released = station.post("/api/v1/holds/2/release", &approver, &reason).await.json();
    assert_eq!((&released["state"], &released["release"]["account_name"]), (&json!("released"), &json!("Sokha")));
    let list = station.get("/api/v1/holds", &approver).await.json();
    let ids: Vec<&str> = list["holds"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!((ids, &list["vault"]["quota_bytes"]), (vec!["2", "1"], &json!(1 << 30)), "released holds stay listed");
}

#[tokio::test]
async fn one_person_alone_releases_what_they_placed() {
    let station = Station::new();
    let alone = station.claim(true).await;
    assert_eq!(station.post("/api/v1/holds", &alone, &hold(&[1])).await.status, StatusCode::CREATED);
    let answer = station.post("/api/v1/holds/2/release", &alone, &json!({"reason": "a test"})).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test]
async fn a_full_vault_refuses_with_its_figures() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let investigator = station.account(&admin, "Dara", &[Role::Investigator], None).await;
    station.holds.needed_bytes.store(900 << 20, Ordering::SeqCst);
    let path = format!("/api/v1/holds/estimate?cameras=1&from_utc_ms={START_MS}&to_utc_ms={}", START_MS + 60_000);
    let estimate = station.get(&path, &investigator).await.json();
    assert_eq!(estimate, json!({"needed_bytes": 900 << 20, "free_bytes": 768 << 20, "quota_bytes": 1 << 30}));
    let answer = station.post("/api/v1/holds", &investigator, &hold(&[1])).await;
    assert_problem(&answer, 409, "vault-full");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("needs 900 MiB") && detail.contains("768 of its 1024 MiB are free"), "{detail}");
    assert!(answer.json()["next_step"].as_str().unwrap().contains("release holds"), "{answer:?}");
    assert_eq!(station.holds.rows.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_a_hold_is_refused_before_it_is_logged() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let investigator = station.account(&admin, "Dara", &[Role::Investigator], None).await;
    let before = station.audit.count();
    for (field, value) in [
        ("case", json!("  ")),
        ("case", json!("x".repeat(129))),
        ("cameras", json!([])),
        ("cameras", json!([0])),
        ("cameras", json!((1..=401).collect::<Vec<u32>>())),
        ("to_utc_ms", json!(START_MS)),
        ("to_utc_ms", json!(START_MS + 367 * 86_400_000_i64)),
        ("note", json!("x".repeat(1025))),
        ("more", json!(1)),
    ] {
        let mut body = hold(&[1]);
        body[field] = value;
        assert_problem(&station.post("/api/v1/holds", &investigator, &body).await, 422, "invalid-input");
    }
    assert_eq!(station.audit.count(), before);
    let mut ahead = hold(&[1]);
    ahead["to_utc_ms"] = json!(START_MS + 32 * 86_400_000);
    let answer = station.post("/api/v1/holds", &investigator, &ahead).await;
    assert!(answer.json()["detail"].as_str().unwrap().contains("31 days"), "{answer:?}");
}

#[tokio::test]
async fn holds_of_cameras_of_others_are_neither_placed_nor_shown() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let all = station.account(&admin, "All", &[Role::Investigator], None).await;
    assert_eq!(station.post("/api/v1/holds", &all, &hold(&[2, 3, 2])).await.status, StatusCode::CREATED);
    let two = station.account(&admin, "Two", &[Role::Investigator], Some(&[2])).await;
    assert_problem(&station.post("/api/v1/holds", &two, &hold(&[2, 3])).await, 403, "denied");
    let path = format!("/api/v1/holds/estimate?cameras=2,3&from_utc_ms={START_MS}&to_utc_ms={}", START_MS + 60_000);
    let before = station.audit.count();
    assert_problem(&station.get(&path, &two).await, 403, "denied");
    let refused = station.audit.since(before).iter().any(|entry| entry.outcome != Outcome::Allowed);
    assert!(refused, "the log tells of it");

    let list = station.get("/api/v1/holds", &two).await.json();
    assert_eq!(list["holds"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!((&list["holds"][0]["cameras"], &list["holds"][0]["other_camera_count"]), (&json!([2]), &json!(1)));
    let missing = list["holds"][0]["missing"].as_array().unwrap();
    assert!(missing.len() == 1 && missing[0]["camera"] == 2 && list["holds"][0]["missing_count"] == 2, "{list}");
    let approver = station.account(&admin, "Approver", &[Role::Approver], Some(&[2])).await;
    let answer = station.post("/api/v1/holds/2/release", &approver, &json!({"reason": "closed"})).await;
    assert_problem(&answer, 403, "denied");
    assert!(answer.json()["detail"].as_str().unwrap().contains("camera 3"), "{answer:?}");
}

#[tokio::test]
async fn retention_and_damage_leave_out_cameras_of_others() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let auditor = station.account(&admin, "Auditor", &[Role::Auditor], Some(&[2])).await;
    assert_eq!(station.get("/api/v1/retention", &auditor).await.json(), json!({"cameras": []}));
    assert_eq!(station.get("/api/v1/health", &auditor).await.json()["damaged"], json!([]));
    let own = station.get("/api/v1/retention", &admin).await.json();
    let one = station.get("/api/v1/cameras/1/retention", &admin).await.json();
    assert_eq!((&own["cameras"][0], &one["retention_days_max"]), (&one, &json!(7)));
}

#[tokio::test]
async fn erasures_come_page_by_page() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let (mut path, mut starts) = ("/api/v1/cameras/1/erasures?limit=2".to_owned(), Vec::new());
    loop {
        let page = station.get(&path, &admin).await.json();
        let hours = page["erasures"].as_array().unwrap();
        starts.extend(hours.iter().map(|hour| (START_MS - hour["start_utc_ms"].as_i64().unwrap()) / 3_600_000));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/cameras/1/erasures?limit=2&cursor={cursor}");
    }
    assert_eq!(starts, [3, 4, 5]);
    assert_problem(&station.get("/api/v1/cameras/1/erasures?cursor=x", &admin).await, 422, "invalid-input");
}

#[tokio::test]
async fn health_shows_what_is_wrong_with_the_machine_to_everybody() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let viewer = station.account(&admin, "Guard", &[Role::Viewer], Some(&[])).await;
    let kind = crate::api::AlarmKind::NetworkLinkLost;
    let alarm = crate::api::Alarm { kind, disk: None, camera: None, since_utc_ms: Some(7), text: "eth0".into() };
    station.inner.machine_alarms.lock().unwrap().push(alarm);
    let health = station.get("/api/v1/health", &viewer).await.json();
    let wanted = json!({"kind": "network_link_lost", "disk": null, "camera": null, "since_utc_ms": 7, "text": "eth0"});
    assert!(health["alarms"].as_array().unwrap().contains(&wanted), "{health}");
}

#[tokio::test]
async fn a_timeline_tells_what_is_damaged_held_and_erased() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let investigator = station.account(&admin, "Dara", &[Role::Investigator], None).await;
    let path = |from: i64, to: i64| {
        format!("/api/v1/cameras/1/recordings?from_utc_ms={}&to_utc_ms={}", START_MS + from, START_MS + to)
    };
    station.footage.damaged.lock().unwrap().push(damaged());
    let list = station.get(&path(-3 * 3_600_000, 600_000), &investigator).await.json();
    assert_eq!(list["damaged"][0]["start_utc_ms"], START_MS + 90_000, "{list}");
    assert_eq!((&list["held"][0]["case"], &list["held"][0]["hold"]), (&json!("12/26"), &json!("1")));
    assert_eq!(
        list["erased"].as_array().unwrap().len(),
        1,
        "the hour that ends where the question begins is not in it"
    );
    assert_eq!(list["erased"][0]["start_utc_ms"], START_MS - 3 * 3_600_000);
    let later = station.get(&path(120_000, 600_000), &investigator).await.json();
    assert_eq!((&later["damaged"], &later["held"], &later["erased"]), (&json!([]), &json!([]), &json!([])));
}
