//! A backup of one station, on itself and on a fresh one.

use super::station::{Ask, CAMERA_PASSWORD, PASSWORD, Station, assert_problem};
use crate::api::Secret;
use crate::backup::{self, BackupRow, BackupTable};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use watchbook_access::{Action, Outcome, Role};
use watchbook_base::CameraId;

const PASSPHRASE: &str = "a sentence that nobody guesses";

/// A text behind its length, as the routes want it.
fn text(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat()
}

/// A backup of the station, made by its first admin.
async fn backup_of(station: &Station) -> Vec<u8> {
    let admin = station.sign_in("Chief").await;
    station.second_factor(&admin).await;
    made(station, &admin).await
}

pub(super) async fn made(station: &Station, admin: &str) -> Vec<u8> {
    let answer = station.post("/api/v1/backup", admin, &json!({"passphrase": PASSPHRASE})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body.to_vec()
}

pub(super) fn compared(file: &[u8]) -> Ask {
    Ask::new("POST", "/api/v1/backup/compare").bytes([&text(PASSPHRASE)[..], file].concat())
}

pub(super) fn restored(file: &[u8], plan: &str) -> Ask {
    let path = format!("/api/v1/backup/restore?plan={plan}");
    Ask::new("POST", &path).bytes([&text(PASSPHRASE)[..], file].concat())
}

pub(super) fn claimed_with(code: &str, file: &[u8]) -> Ask {
    Ask::new("POST", "/api/v1/claim/restore").bytes([&text(code)[..], &text(PASSPHRASE), file].concat())
}

fn camera(station: &Station) -> crate::ports::CameraConfig {
    station.inner.cameras.lock().unwrap()[&CameraId::new(1).unwrap()].clone()
}

/// What becomes of an account or a camera.
fn fate<'a>(plan: &'a Value, part: &str, number: u32) -> &'a Value {
    let changes = plan["changes"].as_array().unwrap();
    changes.iter().find(|change| change["part"] == part && change["number"] == number).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn a_fresh_station_becomes_the_one_that_was_backed_up() {
    let old = Station::new();
    let admin = old.claim(false).await;
    old.account(&admin, "Guard", &[Role::Viewer], Some(&[1])).await;
    let key = old.second_factor(&admin).await;
    let entries = old.audit.count();
    let file = made(&old, &admin).await;
    assert_eq!(old.audit.since(entries)[0].action, Action::MakeBackup);
    for secret in [CAMERA_PASSWORD, "$argon2", "Guard", key.as_str()] {
        let holds = file.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
        assert!(!holds, "the file has {secret} in the clear");
    }

    let fresh = Station::on(Arc::default());
    fresh.inner.cameras.lock().unwrap().clear();
    assert_problem(&fresh.send(claimed_with("AAAA-BBBB-CCCC-DDDD", &file)).await, 403, "denied");
    let code = fresh.app.claim_code().unwrap();
    let answer = fresh.send(claimed_with(&code, &file)).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (202, json!({"restarting": true})), "{answer:?}");
    let all = fresh.audit.since(0);
    let deeds: Vec<Action> = all.iter().map(|entry| entry.action.clone()).collect();
    let told = all.into_iter().find(|entry| matches!(entry.action, Action::RestoreBackup { .. })).unwrap();
    let backup_sha256 = crate::hex::encode(&crate::hex::sha256(&file));
    assert_eq!(
        (told.account, told.action, told.outcome),
        (None, Action::RestoreBackup { backup_sha256 }, Outcome::Allowed)
    );
    let restored = |account, roles: &str| {
        let what = format!("restored from a backup: roles: {roles}");
        deeds.contains(&Action::ChangeAccount { account: Some(account), what })
    };
    assert!(restored(1, "admin") && restored(2, "viewer"), "{deeds:?}");
    assert_problem(&fresh.send(claimed_with(&code, &file)).await, 409, "conflict");

    let again = Station::on(Arc::clone(&fresh.register));
    assert!(again.app.claim_code().is_none());
    let cookie = again.sign_in("Guard").await;
    let list = again.get("/api/v1/session", &cookie).await.json();
    assert_eq!((&list["account"]["id"], &list["account"]["cameras"]), (&json!(2), &json!([1])));
    assert_eq!(camera(&fresh).password.unwrap().reveal(), CAMERA_PASSWORD);
    let cookie = again.sign_in("Chief").await;
    again.clock.advance(30_000_000_000);
    let code = json!({"code": again.code(&key)});
    assert_eq!(
        again.post("/api/v1/session/second-factor", &cookie, &code).await.status,
        204,
        "the telephone still fits"
    );
    let next = json!({"name": "Next", "password": PASSWORD, "roles": ["viewer"]});
    assert_eq!(again.post("/api/v1/accounts", &cookie, &next).await.json()["id"], 3, "no number is given twice");
}

#[tokio::test]
async fn a_running_station_shows_what_changes_and_then_does_exactly_that() {
    let station = Station::new();
    let admin = station.claim(false).await;
    station.account(&admin, "Guard", &[Role::Viewer], None).await;
    station.second_factor(&admin).await;
    let file = made(&station, &admin).await;
    let change = |id: u32, body: Value| Ask::new("PATCH", &format!("/api/v1/accounts/{id}")).by(&admin).json(&body);
    assert_eq!(
        station.send(change(2, json!({"roles": ["auditor"], "password": "quite another one"}))).await.status,
        200
    );
    station.account(&admin, "Later", &[Role::Viewer], None).await;
    station.inner.cameras.lock().unwrap().get_mut(&CameraId::new(1).unwrap()).unwrap().purpose = "Other".into();
    let (before, writes) = (station.audit.count(), station.register.writes.load(Ordering::SeqCst));
    let plan = station.send(compared(&file).by(&admin)).await;
    assert_eq!(plan.status, 200, "{plan:?}");
    let plan = plan.json();
    assert_eq!(station.register.writes.load(Ordering::SeqCst), writes, "to look changes nothing");
    let guard = fate(&plan, "account", 2);
    assert_eq!(guard["fate"], "left_out", "who signs in with what stays as it is");
    let roles = json!({"field": "roles", "before": "auditor", "after": "viewer"});
    let password = json!({"field": "password", "before": null, "after": null});
    assert_eq!(guard["fields"], json!([roles, password]));
    assert_eq!(fate(&plan, "account", 1)["fate"], "same");
    assert_eq!(fate(&plan, "account", 3)["fate"], "stays");
    let purpose = json!({"field": "purpose", "before": "Other", "after": "Traffic at the gate"});
    assert_eq!(fate(&plan, "camera", 1)["fields"], json!([purpose]));

    assert_problem(&station.send(restored(&file, "00").by(&admin)).await, 409, "conflict");
    let entries = station.audit.since(before);
    assert!(entries.iter().any(|entry| matches!(entry.outcome, Outcome::CameToNothing { .. })), "{entries:?}");
    assert_eq!(camera(&station).purpose, "Other");
    let answer = station.send(restored(&file, plan["plan"].as_str().unwrap()).by(&admin)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(camera(&station).purpose, "Traffic at the gate");
    let deeds: Vec<Action> = station.audit.since(before).into_iter().map(|entry| entry.action).collect();
    let what = "restored from a backup: purpose: \"Other\" -> \"Traffic at the gate\"".to_owned();
    assert!(deeds.contains(&Action::ChangeConfig { camera: CameraId::new(1), what }), "{deeds:?}");
    let again = Station::on(Arc::clone(&station.register));
    assert_eq!(again.get("/api/v1/session", &admin).await.status, 401, "everybody signs in anew");
    again.sign_in("Later").await;
    let old_password = json!({"name": "Guard", "password": PASSWORD});
    assert_eq!(again.post("/api/v1/session", "", &old_password).await.status, 401, "no password comes back");
}

#[tokio::test]
async fn cases_and_policy_of_a_running_station_take_two_people_and_stay() {
    let station = Station::new();
    let admin = station.claim(false).await;
    station.second_factor(&admin).await;
    let file = made(&station, &admin).await;
    let cases = crate::ports::Register::list(&*station.register, crate::ports::Space::Case).unwrap();
    let gone = cases
        .iter()
        .map(|(key, _)| crate::ports::Change::Remove { space: crate::ports::Space::Case, key: key.clone() });
    crate::ports::Register::write(&*station.register, &gone.collect::<Vec<_>>()).unwrap();
    let plan = station.send(compared(&file).by(&admin)).await.json();
    let of_cases = plan["changes"].as_array().unwrap().iter().find(|change| change["part"] == "cases").unwrap();
    assert_eq!(of_cases["fate"], "left_out", "{of_cases}");
    let answer = station.send(restored(&file, plan["plan"].as_str().unwrap()).by(&admin)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(crate::ports::Register::list(&*station.register, crate::ports::Space::Case).unwrap().is_empty());
}

#[tokio::test]
async fn without_a_code_of_the_second_factor_nothing_goes_out_or_in() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let make = station.post("/api/v1/backup", &admin, &json!({"passphrase": PASSPHRASE})).await;
    assert_problem(&make, 403, "second_factor_needed");
    let file = backup_of(&station).await;
    assert_problem(&station.send(compared(&file).by(&admin)).await, 403, "second_factor_needed");
    let restore = station.send(restored(&file, "00").by(&admin)).await;
    assert_problem(&restore, 403, "second_factor_needed");
}

#[tokio::test]
async fn what_is_no_backup_of_this_station_changes_nothing() {
    let station = Station::new();
    let admin = station.claim(false).await;
    station.second_factor(&admin).await;
    let weak = station.post("/api/v1/backup", &admin, &json!({"passphrase": "short"})).await;
    assert_problem(&weak, 422, "invalid-input");
    let file = made(&station, &admin).await;
    let writes = station.register.writes.load(Ordering::SeqCst);
    for (bytes, status, word) in [
        (file[..file.len() - 1].to_vec(), 403, "denied"),
        (b"PK\x03\x04 a picture".to_vec(), 422, "invalid-input"),
        (Vec::new(), 422, "invalid-input"),
    ] {
        assert_problem(&station.send(compared(&bytes).by(&admin)).await, status, word);
    }
    let no_text = Ask::new("POST", "/api/v1/backup/compare").bytes(vec![0xFF, 0xFF, 1]).by(&admin);
    assert_problem(&station.send(no_text).await, 422, "invalid-input");
    assert_eq!(station.register.writes.load(Ordering::SeqCst), writes);
    let told = serde_json::to_string(&station.audit.since(0)).unwrap();
    assert!(!told.contains(PASSPHRASE), "{told}");
}

#[tokio::test]
async fn a_backup_that_could_not_be_restored_is_refused_when_it_is_made() {
    use crate::ports::{Change, Register as _, Space};
    let bad_key = |space, key: &[u8]| Change::Put { space, key: key.to_vec(), value: b"{".to_vec() };
    for (change, what) in [
        (bad_key(Space::Case, b"9/26"), "case 9/26"),
        (bad_key(Space::Request, &7_u64.to_be_bytes()), "request 7"),
        (bad_key(Space::Account, &9_u32.to_be_bytes()), "account 9"),
        (bad_key(Space::Station, b"station"), "setting station"),
    ] {
        let station = Station::new();
        let admin = station.claim(false).await;
        station.second_factor(&admin).await;
        station.register.write(&[change]).unwrap();
        let answer = station.post("/api/v1/backup", &admin, &json!({"passphrase": PASSPHRASE})).await;
        assert_problem(&answer, 500, "corrupt");
        let told = answer.json();
        assert!(told["detail"].as_str().unwrap().contains(what), "{told}");
        assert!(told["next_step"].is_string(), "{told}");
    }
}

/// The file as somebody would make it up who knows its passphrase: a good one with other rows.
pub(super) async fn made_up(station: &Station, file: &[u8], change: impl FnOnce(&mut Vec<BackupRow>)) -> Vec<u8> {
    let (accounts, passphrase) = (station.app.accounts(), Secret::new(PASSPHRASE.into()));
    let mut contents = backup::open(accounts, &passphrase, file).await.unwrap();
    change(&mut contents.rows);
    backup::seal(accounts, &passphrase, &contents).await.unwrap()
}

fn camera_row(rows: &mut [BackupRow]) -> &mut BackupRow {
    rows.iter_mut().find(|row| row.table == BackupTable::Camera).unwrap()
}

fn edited(row: &mut BackupRow, edit: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&row.value).unwrap();
    edit(&mut value);
    row.value = serde_json::to_vec(&value).unwrap();
}

#[tokio::test]
async fn a_file_that_was_made_up_brings_nobody_in_and_no_camera_that_could_not_be_made_by_hand() {
    let station = Station::new();
    let admin = station.claim(false).await;
    station.second_factor(&admin).await;
    station.account(&admin, "Gone", &[Role::Approver], None).await;
    let file = made(&station, &admin).await;
    assert_eq!(station.send(Ask::new("DELETE", "/api/v1/accounts/2").by(&admin)).await.status, 204);

    let plan = station.send(compared(&file).by(&admin)).await.json();
    assert_eq!(fate(&plan, "account", 2)["fate"], "left_out", "{plan}");
    let writes = station.register.writes.load(Ordering::SeqCst);
    for (what, status) in [("number", 409), ("retention", 422), ("mask", 422), ("name", 422), ("cameras", 422)] {
        let bad = made_up(&station, &file, |rows| match what {
            "number" => camera_row(rows).key = 2_u32.to_be_bytes().to_vec(),
            "retention" => edited(camera_row(rows), |row| row["retention_days_max"] = json!(0)),
            "mask" => edited(camera_row(rows), |row| row["masks"][0].as_array_mut().unwrap().truncate(1)),
            "name" => edited(camera_row(rows), |row| row["name"] = json!("two\nlines")),
            _ => {
                let value = camera_row(rows).value.clone();
                rows.extend((0..watchbook_base::limits::CAMERAS_MAX).map(|number| BackupRow {
                    table: BackupTable::Camera,
                    key: (100 + u32::try_from(number).unwrap()).to_be_bytes().to_vec(),
                    value: value.clone(),
                }));
            }
        })
        .await;
        let answer = station.send(compared(&bad).by(&admin)).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
    }
    assert_eq!(station.register.writes.load(Ordering::SeqCst), writes);

    let reviewed = camera(&station).reviewed_utc_ms;
    let looked_over = made_up(&station, &file, |rows| {
        edited(camera_row(rows), |row| row["reviewed_utc_ms"] = json!(4_102_444_800_000_i64));
    })
    .await;
    let plan = station.send(compared(&looked_over).by(&admin)).await.json();
    let answer = station.send(restored(&looked_over, plan["plan"].as_str().unwrap()).by(&admin)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(camera(&station).reviewed_utc_ms, reviewed, "who looked at it says so here");
    let again = Station::on(Arc::clone(&station.register));
    let gone = json!({"name": "Gone", "password": PASSWORD});
    assert_eq!(again.post("/api/v1/session", "", &gone).await.status, 401, "who left stays away");
}

#[tokio::test]
async fn of_what_could_not_be_restored_the_log_says_so() {
    let station = Station::new();
    let admin = station.claim(false).await;
    station.second_factor(&admin).await;
    let file = made(&station, &admin).await;
    station.inner.cameras.lock().unwrap().get_mut(&CameraId::new(1).unwrap()).unwrap().purpose = "Other".into();
    let plan = station.send(compared(&file).by(&admin)).await.json();
    let before = station.audit.count();
    station.register.broken.store(true, Ordering::SeqCst);
    let answer = station.send(restored(&file, plan["plan"].as_str().unwrap()).by(&admin)).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    let entries = station.audit.since(before);
    for done in entries.iter().filter(|entry| entry.outcome == Outcome::Allowed) {
        let undone = entries
            .iter()
            .any(|entry| entry.action == done.action && matches!(entry.outcome, Outcome::CameToNothing { .. }));
        assert!(undone, "{done:?} of {entries:?}");
    }
    assert_eq!(entries.len(), 4, "the restore and the camera's change, each twice: {entries:?}");
}
