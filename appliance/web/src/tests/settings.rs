//! What the station says of itself: set on the page over the configuration file, with a reason, an entry of the log and a history.

use super::backup::{claimed_with, compared, made, made_up, restored};
use super::station::{Answer, Ask, Station, assert_problem};
use crate::backup::{BackupRow, BackupTable};
use crate::ports::{Change, Register as _, Space};
use crate::settings::KEY;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use watchbook_access::{Action, AuditEntry, Outcome, Role, SettingChange};

const PATH: &str = "/api/v1/settings";
const HISTORY: &str = "/api/v1/settings/history";

fn patch(version: u64, changes: &Value) -> Value {
    json!({"version": version, "reason": "The station moved", "changes": changes})
}

fn set(setting: &str, value: &str) -> Value {
    json!([{"setting": setting, "value": value}])
}

async fn send(station: &Station, cookie: &str, body: &Value) -> Answer {
    station.send(Ask::new("PATCH", PATH).by(cookie).json(body)).await
}

fn row(shown: &Value, setting: &str) -> Value {
    shown["settings"].as_array().unwrap().iter().find(|row| row["setting"] == setting).unwrap().clone()
}

fn changed(setting: &str, before: &str, after: &str, from_file: bool) -> SettingChange {
    SettingChange { setting: setting.into(), before: before.into(), after: after.into(), from_file }
}

#[tokio::test]
async fn the_file_says_what_holds_until_somebody_sets_it_here_and_puts_it_back() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let shown = station.get(PATH, &admin).await.json();
    assert_eq!((&shown["version"], &shown["unreadable"]), (&json!(0), &json!(false)));
    let name = json!({
        "setting": "name", "kind": "line", "value": "Station 7", "default": "Station 7", "set_here": false, "least": 0, "most": 512
    });
    assert_eq!(row(&shown, "name"), name);
    assert_eq!(row(&shown, "request_answer_days")["most"], 92);

    let hostile = "<script>alert(1)</script> \u{1796}\u{17c4}\u{1792}\u{17b7}\u{17cd}";
    let answer = send(&station, &admin, &patch(0, &set("name", &format!("  {hostile} ")))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let shown = answer.json();
    assert_eq!(shown["version"], 1);
    assert_eq!((&row(&shown, "name")["value"], &row(&shown, "name")["set_here"]), (&json!(hostile), &json!(true)));
    assert_eq!(row(&shown, "name")["default"], "Station 7", "what the file says stays to be seen");
    assert_eq!(station.get(PATH, &admin).await.json(), shown);

    // The same where it is used, at once and after a start.
    let contact =
        patch(1, &json!([{"setting": "contact", "value": "Room 9"}, {"setting": "request_answer_days", "value": "5"}]));
    assert_eq!(send(&station, &admin, &contact).await.json()["version"], 2);
    for path in ["/api/v1/policy", "/api/v1/reports"] {
        assert_eq!(station.get(path, "").await.json()["contact"], "Room 9", "{path}");
    }
    assert_eq!(station.get("/api/v1/subject-requests", &admin).await.json()["answer_days"], 5);
    let again = Station::on(Arc::clone(&station.register));
    assert_eq!(again.app.office().name, hostile);

    let back = patch(2, &json!([{"setting": "name", "value": null}]));
    let shown = send(&station, &admin, &back).await.json();
    assert_eq!((&row(&shown, "name")["value"], &row(&shown, "name")["set_here"]), (&json!("Station 7"), &json!(false)));
    assert_eq!(row(&shown, "contact")["value"], "Room 9");
}

#[tokio::test]
async fn each_change_is_an_entry_with_what_was_before_and_why() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let before = station.audit.count();
    send(
        &station,
        &admin,
        &patch(0, &json!([{"setting": "name", "value": "Station 8"}, {"setting": "contact", "value": "Room 3"}])),
    )
    .await;
    send(&station, &admin, &patch(1, &json!([{"setting": "name", "value": null}]))).await;
    let told = station.audit.since(before);
    let reason = "The station moved".to_owned();
    // That a value is set here is a change too: what the file says later does not matter any more.
    let first = vec![changed("name", "Station 7", "Station 8", false), changed("contact", "Room 3", "Room 3", false)];
    let second = vec![changed("name", "Station 8", "Station 7", true)];
    let wanted = [first, second].map(|changes| Action::ChangeStationSettings { changes, reason: reason.clone() });
    assert_eq!(told.iter().map(|entry| entry.action.clone()).collect::<Vec<_>>(), wanted);
    assert!(told.iter().all(|entry| entry.account == Some(1) && entry.outcome == Outcome::Allowed), "{told:?}");
}

#[tokio::test]
async fn nobody_overwrites_what_they_have_not_seen() {
    let station = Station::new();
    let admin = station.claim(false).await;
    assert_eq!(send(&station, &admin, &patch(0, &set("name", "Station 8"))).await.status, 200);
    let (writes, entries) = (station.register.writes.load(Ordering::SeqCst), station.audit.count());
    assert_problem(&send(&station, &admin, &patch(0, &set("name", "Station 9"))).await, 409, "conflict");
    assert_problem(&send(&station, &admin, &patch(2, &set("name", "Station 9"))).await, 409, "conflict");
    assert_eq!(station.register.writes.load(Ordering::SeqCst), writes);
    assert_eq!(station.audit.count(), entries, "the log tells of no change");
    assert_eq!(station.app.office().name, "Station 8");
}

#[tokio::test]
async fn what_does_not_fit_changes_nothing_and_says_which() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let writes = station.register.writes.load(Ordering::SeqCst);
    for (body, word) in [
        (patch(0, &set("name", &"x".repeat(513))), "name"),
        (patch(0, &set("name", "Station \u{202E}7")), "name"),
        (patch(0, &set("address", "javascript:alert(1)")), "address"),
        (patch(0, &set("request_answer_days", "0")), "request_answer_days"),
        (patch(0, &set("request_extension_days", "93")), "request_extension_days"),
        (patch(0, &json!([])), "no setting"),
        (patch(0, &json!([{"setting": "name", "value": null}])), "no setting"),
        (patch(0, &json!([{"setting": "name", "value": "a"}, {"setting": "name", "value": "b"}])), "twice"),
        (patch(0, &set("ring_gib", "1")), "body"),
        (patch(0, &json!([{"setting": "name"}])), "body"),
        (json!({"version": 0, "reason": "  ", "changes": set("name", "Station 8")}), "reason"),
        (json!({"version": 0, "reason": "x".repeat(513), "changes": set("name", "Station 8")}), "reason"),
    ] {
        let answer = send(&station, &admin, &body).await;
        assert_problem(&answer, 422, "invalid-input");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(word), "{body} gave: {detail}");
    }
    assert_eq!(station.register.writes.load(Ordering::SeqCst), writes);
    assert_eq!(station.get(PATH, &admin).await.json()["version"], 0);
}

#[tokio::test]
async fn the_policy_is_kept_to_where_the_settings_allow_longer() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let shown = send(&station, &admin, &patch(0, &set("request_answer_days", "92"))).await.json();
    let days = shown["policy_answer_days"].as_u64().unwrap();
    assert_eq!(row(&shown, "request_answer_days")["value"], "92");
    assert_eq!(u64::from(station.app.office().answer_days), days.min(92));
}

#[tokio::test]
async fn the_history_has_what_was_done_and_not_what_was_tried() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let auditor = station.account(&admin, "Keeper", &[Role::Auditor], None).await;
    for turn in 0..5 {
        assert_eq!(
            send(&station, &admin, &patch(turn, &set("name", &format!("Station {}", 10 + turn)))).await.status,
            200
        );
    }
    assert_problem(&send(&station, &auditor, &patch(5, &set("name", "Mine"))).await, 403, "denied");
    // A disk that takes nothing: the log has an entry that allowed it, and one that says that it came to nothing.
    station.register.broken.store(true, Ordering::SeqCst);
    assert_problem(&send(&station, &admin, &patch(5, &set("name", "Lost"))).await, 500, "io");
    station.register.broken.store(false, Ordering::SeqCst);
    assert_eq!(station.app.office().name, "Station 14");

    let first = station.get(HISTORY, &auditor).await.json();
    let names = |page: &Value| {
        let entries = page["entries"].as_array().unwrap().clone();
        entries.iter().map(|entry| entry["changes"][0]["after"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let newest = &first["entries"][0];
    assert_eq!((&newest["account_name"], &newest["reason"]), (&json!("Chief"), &json!("The station moved")));
    let change = json!({"setting": "name", "before": "Station 13", "after": "Station 14", "from_file": false});
    assert_eq!(newest["changes"], json!([change]));
    let mut all = names(&first);
    let mut cursor = first["next_cursor"].clone();
    while let Some(next) = cursor.as_str() {
        let page = station.get(&format!("{HISTORY}?cursor={next}"), &auditor).await.json();
        all.extend(names(&page));
        cursor = page["next_cursor"].clone();
    }
    assert_eq!(all, ["Station 14", "Station 13", "Station 12", "Station 11", "Station 10"]);
    for bad in ["x", "", "5.", "5.x", "5.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1"] {
        assert_problem(&station.get(&format!("{HISTORY}?cursor={bad}"), &auditor).await, 422, "invalid-input");
    }
}

#[tokio::test]
async fn what_came_to_nothing_stays_out_of_the_history_when_a_page_ends_in_between() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let log = |name: &str, outcome: Outcome| {
        let change = SettingChange { setting: "name".into(), before: "-".into(), after: name.into(), from_file: false };
        let action = Action::ChangeStationSettings { changes: vec![change], reason: "a reason".into() };
        station.audit.entries.lock().unwrap().push(AuditEntry { account: Some(1), action, outcome });
        station.audit.count() as u64 - 1
    };
    let lost = log("Lost", Outcome::Allowed);
    // Somebody else is faster than the note: three of them fill the page.
    for name in ["A", "B", "C"] {
        log(name, Outcome::Allowed);
    }
    log("Lost", Outcome::CameToNothing { entry: lost, why: "a disk".into() });
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = station.get(&format!("{HISTORY}{cursor}"), &admin).await.json();
        let entries = page["entries"].as_array().unwrap();
        names.extend(entries.iter().map(|entry| entry["changes"][0]["after"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("?cursor={next}");
    }
    assert_eq!(names, ["C", "B", "A"]);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_leaves_what_the_file_says() {
    let station = Station::new();
    let admin = station.claim(false).await;
    for row in ["{", "{}", r#"{"version":1,"values":{"name":" x"}}"#, r#"{"version":1,"values":{"ring":"1"}}"#] {
        let value = row.as_bytes().to_vec();
        station.register.write(&[Change::Put { space: Space::Setting, key: KEY.to_vec(), value }]).unwrap();
        let again = Station::on(Arc::clone(&station.register));
        let shown = again.get(PATH, &admin).await.json();
        assert_eq!((&shown["unreadable"], &row_value(&shown)), (&json!(true), &json!("Station 7")), "{row}");
    }
    let again = Station::on(Arc::clone(&station.register));
    let shown = send(&again, &admin, &patch(0, &set("name", "Station 8"))).await.json();
    assert_eq!((&shown["unreadable"], &row_value(&shown)), (&json!(false), &json!("Station 8")));
}

fn row_value(shown: &Value) -> Value {
    row(shown, "name")["value"].clone()
}

#[tokio::test]
async fn a_fresh_station_takes_them_from_a_backup_and_a_running_one_keeps_its_own() {
    let station = Station::new();
    let admin = station.claim(false).await;
    station.second_factor(&admin).await;
    send(&station, &admin, &patch(0, &set("name", "Station 8"))).await;
    let file = made(&station, &admin).await;

    let fresh = Station::on(Arc::default());
    let code = fresh.app.claim_code().unwrap();
    assert_eq!(fresh.send(claimed_with(&code, &file)).await.status, 202);
    let changes = vec![changed("name", "Station 7", "Station 8", false)];
    let deed = Action::ChangeStationSettings { changes, reason: "restored from a backup".into() };
    assert!(fresh.audit.since(0).iter().any(|entry| entry.action == deed), "{:?}", fresh.audit.since(0));
    assert_eq!(Station::on(Arc::clone(&fresh.register)).app.office().name, "Station 8");

    send(&station, &admin, &patch(1, &set("name", "Station 9"))).await;
    let plan = station.send(compared(&file).by(&admin)).await.json();
    let of_settings = plan["changes"].as_array().unwrap().iter().find(|change| change["part"] == "settings");
    assert_eq!(of_settings.unwrap()["fate"], "left_out");
    assert_eq!(station.send(restored(&file, plan["plan"].as_str().unwrap())).await.status, 401);
    assert_eq!(station.send(restored(&file, plan["plan"].as_str().unwrap()).by(&admin)).await.status, 202);
    assert_eq!(Station::on(Arc::clone(&station.register)).app.office().name, "Station 9");
}

#[tokio::test]
async fn a_backup_with_settings_that_no_recorder_writes_is_refused() {
    for row in
        ["{", r#"{"version":1,"values":{"address":"javascript:alert(1)"}}"#, r#"{"version":1,"values":{"x":"1"}}"#]
    {
        let station = Station::new();
        let admin = station.claim(false).await;
        station.second_factor(&admin).await;
        let file = made(&station, &admin).await;
        let settings =
            BackupRow { table: BackupTable::StationSettings, key: KEY.to_vec(), value: row.as_bytes().to_vec() };
        let file = made_up(&station, &file, |rows| rows.push(settings)).await;
        let fresh = Station::on(Arc::default());
        let code = fresh.app.claim_code().unwrap();
        assert_problem(&fresh.send(claimed_with(&code, &file)).await, 422, "invalid-input");
        assert!(fresh.register.list(Space::Account).unwrap().is_empty(), "nothing of it came in");
    }
}

#[tokio::test]
async fn a_backup_leaves_out_settings_that_cannot_be_read_and_can_be_restored() {
    let station = Station::new();
    let admin = station.claim(false).await;
    station.second_factor(&admin).await;
    let row = |key: &[u8]| Change::Put { space: Space::Setting, key: key.to_vec(), value: b"{".to_vec() };
    station.register.write(&[row(KEY), row(b"other")]).unwrap();
    let file = made(&station, &admin).await;
    let fresh = Station::on(Arc::default());
    let code = fresh.app.claim_code().unwrap();
    let answer = fresh.send(claimed_with(&code, &file)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(fresh.register.list(Space::Setting).unwrap().is_empty());
    assert_eq!(Station::on(Arc::clone(&fresh.register)).app.office().name, "Station 7", "what the file says holds");
}
