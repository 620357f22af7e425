//! Requests of people who may be in the footage, from the counter to the answer.

use super::doubles::START_MS;
use super::station::{Answer, Station, assert_problem, wide_case};
use crate::requests::StoredRequest;
use serde_json::{Value, json};
use std::sync::Arc;
use watchbook_access::{Action, Case, Outcome, Purpose, Role};
use watchbook_base::{TimeRange, UtcNanos};

const DAY_NS: u64 = 86_400_000_000_000;
const DAY_MS: i64 = 86_400_000;
/// The clock of a new station.
const NOW_MS: i64 = START_MS + 600_000;
/// A case in which requests may be looked for.
pub(super) const SUBJECT_CASE: &str = "request 1";

/// A request about minute 1, taken up by account 50.
pub(super) fn request(number: u64) -> StoredRequest {
    let at = |ms: i64| UtcNanos::from_ms(START_MS + ms);
    StoredRequest {
        number,
        reference: "SR 1/26".into(),
        received: at(0),
        registered: at(0),
        registered_by: 50,
        due: at(28 * DAY_MS),
        cameras: [watchbook_base::CameraId::new(1).unwrap()].into(),
        range: TimeRange { start: at(60_000), end: at(120_000) },
        place: "at the gate".into(),
        handler: None,
        case: None,
        extended: None,
        ended: None,
    }
}

fn order(received_ms: i64) -> Value {
    json!({
        "reference": "SR 12/2026", "received_utc_ms": received_ms, "cameras": [1], "from_utc_ms": START_MS + 60_000, "to_utc_ms": START_MS + 120_000,
        "place": "North gate, about noon, with a red bicycle"
    })
}

struct People {
    /// Account 1.
    admin: String,
    /// Account 2.
    approver: String,
    /// Account 3.
    investigator: String,
}

async fn people(station: &Station) -> People {
    let admin = station.claim(false).await;
    let approver = station.account(&admin, "Approver", &[Role::Approver], None).await;
    let investigator = station.account(&admin, "Investigator", &[Role::Investigator], None).await;
    People { admin, approver, investigator }
}

/// A case of account 3 with this purpose.
fn open_case(station: &Station, number: &str, purpose: Purpose) {
    let case = Case { number: number.into(), purpose, investigators: [3].into(), ..wide_case() };
    station.app.ports().cases.open(case).unwrap();
}

async fn act(station: &Station, request: &Value, act: &str, by: &str, body: &Value) -> Answer {
    station.post(&format!("/api/v1/subject-requests/{request}/{act}"), by, body).await
}

async fn listed(station: &Station, by: &str) -> Vec<Value> {
    station.get("/api/v1/subject-requests", by).await.json()["requests"].as_array().unwrap().clone()
}

fn last_refusal(station: &Station) -> String {
    let last = station.audit.since(0).pop().unwrap();
    last.outcome.refusal().expect("nothing was refused").to_owned()
}

#[tokio::test]
async fn a_request_goes_from_the_counter_through_a_case_and_a_released_export_to_its_answer() {
    let station = Station::new();
    let people = people(&station).await;
    let made = station.post("/api/v1/subject-requests", &people.admin, &order(NOW_MS - DAY_MS)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let number = made["request"].clone();
    assert_eq!((&made["state"], made["due_utc_ms"].as_i64()), (&json!("open"), Some(NOW_MS + 27 * DAY_MS)));

    // In a case that was opened for it, and no other.
    open_case(&station, "theft", Purpose::Theft);
    open_case(&station, "7/26-s", Purpose::SubjectRequest);
    for (case, status) in [("theft", 409), ("nowhere", 404)] {
        let answer = act(&station, &number, "search", &people.investigator, &json!({"case": case})).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(last_refusal(&station).contains(case));
    }
    let answer = json!({"export": "2", "to": "representative", "reference": "R 9", "why": "asked for it"});
    assert_problem(&act(&station, &number, "answer", &people.investigator, &answer).await, 409, "conflict");
    let found = act(&station, &number, "search", &people.approver, &json!({"case": "7/26-s"})).await.json();
    assert_eq!(
        (&found["state"], &found["handler"], &found["handler_name"]),
        (&json!("searching"), &json!(3), &json!("Investigator"))
    );
    // The released export belongs to another case.
    assert_problem(&act(&station, &number, "answer", &people.investigator, &answer).await, 409, "conflict");
    station
        .app
        .requests()
        .update(number.as_u64().unwrap(), |row| {
            row.case = Some("7/26".into());
            Ok(())
        })
        .unwrap();
    let ready = json!({"export": "1", "to": "data_subject", "reference": "R 9", "why": "asked for it"});
    assert_problem(&act(&station, &number, "answer", &people.investigator, &ready).await, 409, "conflict");
    let done = act(&station, &number, "answer", &people.investigator, &answer).await;
    assert_eq!(done.status, 200, "{done:?}");
    let disclosure = &done.json()["ended"]["disclosure"];
    assert_eq!(*disclosure, json!({"export": "2", "to": "representative", "reference": "R 9", "why": "asked for it"}));
    let last = station.audit.since(0).pop().unwrap();
    assert!(matches!(last.action, Action::AnswerSubjectRequest { export: 2, .. }) && last.outcome == Outcome::Allowed);

    // What is over stays as it is, and a start reads the same.
    let withdraw = super::station::Ask::new("POST", &format!("/api/v1/subject-requests/{number}/withdraw"));
    assert_problem(&station.send(withdraw.by(&people.admin)).await, 409, "conflict");
    let refusal = json!({"why": "inquiry", "words": "x"});
    assert_problem(&act(&station, &number, "refuse", &people.approver, &refusal).await, 409, "conflict");
    let after = Station::on(Arc::clone(&station.register));
    assert_eq!(
        after.app.requests().get(number.as_u64().unwrap()),
        station.app.requests().get(number.as_u64().unwrap())
    );
}

#[tokio::test]
async fn the_log_has_numbers_and_words_of_lists_and_nothing_that_somebody_typed() {
    let station = Station::new();
    let people = people(&station).await;
    let made = station.post("/api/v1/subject-requests", &people.investigator, &order(NOW_MS)).await.json();
    let number = made["request"].clone();
    let patch = json!({"place": "South gate, a blue coat", "reference": "SR 13/2026"});
    let ask = super::station::Ask::new("PATCH", &format!("/api/v1/subject-requests/{number}"));
    assert_eq!(station.send(ask.json(&patch).by(&people.investigator)).await.status, 200);
    let words = json!({"days": 7, "why": "complex", "words": "the man with the hat"});
    assert_eq!(act(&station, &number, "extend", &people.approver, &words).await.status, 200);
    let words = json!({"why": "rights_of_others", "words": "the woman with the umbrella"});
    assert_eq!(act(&station, &number, "refuse", &people.approver, &words).await.status, 200);
    let log = serde_json::to_string(&station.audit.since(0)).unwrap();
    for said in ["gate", "coat", "bicycle", "the hat", "umbrella", "SR 1"] {
        assert!(!log.contains(said), "{said} in {log}");
    }
    assert!(log.contains("rights_of_others") && log.contains(&number.to_string()));
    // The words are where they are needed.
    let row = listed(&station, &people.approver).await.remove(0);
    assert_eq!(
        (&row["ended"]["refusal"]["words"], &row["reference"]),
        (&json!("the woman with the umbrella"), &json!("SR 13/2026"))
    );
}

#[tokio::test]
async fn a_name_is_no_reference_and_bounds_are_kept() {
    let station = Station::new();
    let people = people(&station).await;
    for change in [
        json!({"reference": "Sok Dara"}),
        json!({"reference": "12; DROP TABLE"}),
        json!({"reference": ""}),
        json!({"place": ""}),
        json!({"place": "x".repeat(513)}),
        json!({"place": "a\nb"}),
        json!({"received_utc_ms": NOW_MS + 120_000}),
        json!({"received_utc_ms": NOW_MS - 367 * DAY_MS}),
        json!({"to_utc_ms": START_MS}),
        json!({"from_utc_ms": START_MS - 32 * DAY_MS}),
        json!({"handler": 2}),
        json!({"name": "Sok Dara"}),
        json!({"cameras": [0]}),
    ] {
        let mut body = order(NOW_MS);
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = station.post("/api/v1/subject-requests", &people.admin, &body).await;
        assert_problem(&answer, 422, "invalid-input");
    }
    assert_eq!(listed(&station, &people.admin).await, Vec::<Value>::new());
    let other = station.account(&people.admin, "Other", &[Role::Investigator], Some(&[2])).await;
    assert_problem(&station.post("/api/v1/subject-requests", &other, &order(NOW_MS)).await, 403, "denied");
    // Of cameras that are not theirs they see how many there are.
    station.app.requests().open(request(1)).unwrap();
    let row = listed(&station, &other).await.remove(0);
    assert_eq!((&row["cameras"], &row["other_camera_count"]), (&json!([]), &json!(1)));
}

#[tokio::test]
async fn more_time_is_given_once_before_the_deadline_by_somebody_else() {
    let station = Station::new();
    let people = people(&station).await;
    station.app.requests().open(StoredRequest { handler: Some(3), ..request(1) }).unwrap();
    // Of an approver who is also the one who looks for it.
    station.app.requests().open(StoredRequest { handler: Some(2), ..request(2) }).unwrap();
    let more = |days: u32| json!({"days": days, "why": "many_requests", "words": "forty came in a week"});
    let own = act(&station, &json!(2), "extend", &people.approver, &more(7)).await;
    assert_problem(&own, 403, "denied");
    let refusal = json!({"why": "inquiry", "words": "x"});
    assert_problem(&act(&station, &json!(2), "refuse", &people.approver, &refusal).await, 403, "denied");
    for days in [0, 57] {
        assert_problem(&act(&station, &json!(1), "extend", &people.approver, &more(days)).await, 422, "invalid-input");
    }
    let given = act(&station, &json!(1), "extend", &people.approver, &more(56)).await.json();
    assert_eq!(given["due_utc_ms"].as_i64(), Some(START_MS + 84 * DAY_MS));
    assert_eq!(given["extended"]["due_before_utc_ms"].as_i64(), Some(START_MS + 28 * DAY_MS));
    assert_problem(&act(&station, &json!(1), "extend", &people.approver, &more(1)).await, 409, "conflict");
    station.app.requests().open(request(3)).unwrap();
    station.clock.advance(29 * DAY_NS);
    let approver = station.sign_in("Approver").await;
    assert_problem(&act(&station, &json!(3), "extend", &approver, &more(1)).await, 409, "conflict");
}

#[tokio::test]
async fn a_request_past_its_deadline_is_an_alarm_until_it_is_over() {
    let station = Station::new();
    let people = people(&station).await;
    let alarms = async |by: &str| {
        let health = station.get("/api/v1/health", by).await.json();
        let all = health["alarms"].as_array().unwrap().clone();
        all.into_iter().filter(|alarm| alarm["kind"] == "subject_request_overdue").collect::<Vec<Value>>()
    };
    for number in 1..=22 {
        station.app.requests().open(request(number)).unwrap();
    }
    assert!(alarms(&people.admin).await.is_empty());
    station.clock.advance(28 * DAY_NS - 600_000_000_000);
    let admin = station.sign_in("Chief").await;
    assert!(alarms(&admin).await.is_empty(), "the deadline itself is in time");
    station.clock.advance(1_000_000);
    let told = alarms(&admin).await;
    assert_eq!((told.len(), told[0]["since_utc_ms"].as_i64()), (1, Some(START_MS + 28 * DAY_MS)));
    let text = told[0]["text"].as_str().unwrap();
    assert!(text.contains("22 of those") && text.contains("and 2 more") && !text.contains("gate"), "{text}");
    assert!(listed(&station, &admin).await.iter().all(|row| row["overdue"] == true));
    for number in 1..=22 {
        let path = format!("/api/v1/subject-requests/{number}/withdraw");
        assert_eq!(station.send(super::station::Ask::new("POST", &path).by(&admin)).await.status, 200);
    }
    assert!(alarms(&admin).await.is_empty());
}

#[tokio::test]
async fn what_ended_long_ago_makes_room_and_what_waits_does_not() {
    let station = Station::new();
    let book = station.app.requests();
    for number in [1, 2, 3] {
        book.open(request(number)).unwrap();
    }
    let end = |number: u64, ms: i64| {
        let at = UtcNanos::from_ms(START_MS + ms);
        let ended = crate::requests::Ended { at, by: 1, how: crate::requests::End::Withdrawn };
        book.update(number, |row| {
            row.ended = Some(ended);
            Ok(())
        })
        .unwrap();
    };
    end(1, 0);
    end(2, 365 * DAY_MS);
    let later = UtcNanos::from_ms(START_MS + 3 * 365 * DAY_MS + 1);
    book.open(StoredRequest { registered: later, ..request(4) }).unwrap();
    assert_eq!(book.list().iter().map(|row| row.number).collect::<Vec<_>>(), [3, 4, 2]);
    let after = Station::on(Arc::clone(&station.register));
    assert_eq!(after.app.requests().list(), book.list());
    assert!(book.open(request(4)).is_err(), "a number that is taken");
}
