//! Cases: who opens them, what may be played inside, how they change and end, and emergencies.

use super::doubles::START_MS;
use super::station::{Answer, Ask, CASE, OTHER_CASE, Station, assert_problem, wide_case};
use crate::ports::Cases;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use watchbook_access::{Action, Case, Outcome, Role};
use watchbook_base::{TimeRange, UtcNanos};

const SEC: u64 = 1_000_000_000;
/// The clock of a new station.
const NOW_MS: i64 = START_MS + 600_000;

fn at(ms: i64) -> UtcNanos {
    UtcNanos::from_ms(START_MS + ms)
}

fn play(case: &str, from_ms: i64, to_ms: i64) -> String {
    let (from, to) = (START_MS + from_ms, START_MS + to_ms);
    format!("/api/v1/cameras/1/playback.mp4?from_utc_ms={from}&to_utc_ms={to}&case={case}")
}

/// A case about minute 1 to 5, for account 3.
fn order(number: &str) -> Value {
    json!({
        "case": number, "purpose": "traffic_collision", "cameras": [1], "from_utc_ms": START_MS + 60_000, "to_utc_ms": START_MS + 300_000,
        "expires_utc_ms": NOW_MS + 86_400_000, "investigators": [3]
    })
}

/// Approver (account 2) with a fresh factor, and investigator (account 3).
async fn people(station: &Station) -> (String, String) {
    let admin = station.claim(false).await;
    let approver = station.account(&admin, "Approver", &[Role::Approver], None).await;
    station.second_factor(&approver).await;
    let investigator = station.account(&admin, "Investigator", &[Role::Investigator], None).await;
    (approver, investigator)
}

fn last_refusal(station: &Station) -> (Action, String) {
    let last = station.audit.since(0).pop().unwrap();
    let why = last.outcome.refusal().unwrap_or_else(|| panic!("{last:?}")).to_owned();
    (last.action, why)
}

#[tokio::test]
async fn footage_is_played_inside_the_window_of_an_open_case_to_the_second() {
    let station = Station::new();
    let (approver, investigator) = people(&station).await;
    let opened = station.post("/api/v1/cases", &approver, &order("1/26")).await;
    assert_eq!(opened.status, 201, "{opened:?}");
    assert_eq!(station.get(&play("1/26", 60_000, 65_000), &investigator).await.status, 200);
    assert_eq!(station.get(&play("1/26", 295_000, 300_000), &investigator).await.status, 200);
    for (from, to) in [(59_000, 65_000), (295_000, 301_000), (400_000, 401_000)] {
        let before = station.audit.count();
        let answer = station.get(&play("1/26", from, to), &investigator).await;
        assert_problem(&answer, 403, "outside-case");
        assert!(answer.json()["next_step"].as_str().unwrap().contains("approver"), "{answer:?}");
        assert_eq!(station.audit.count(), before + 1);
        let (action, why) = last_refusal(&station);
        let range = TimeRange { start: at(from), end: at(to) };
        assert!(matches!(&action, Action::Playback { range: asked, case, .. } if *asked == range && case == "1/26"));
        assert!(why.contains("1/26"), "{why}");
    }
    for (case, told) in [("", "none was named"), ("2/26", "no case 2/26"), (OTHER_CASE, "not one of the investigators")]
    {
        assert_problem(&station.get(&play(case, 60_000, 61_000), &investigator).await, 403, "outside-case");
        let (_, why) = last_refusal(&station);
        assert!(why.contains(told), "{why}");
    }
    let without = play("", 60_000, 61_000).replace("&case=", "");
    assert_problem(&station.get(&without, &investigator).await, 403, "outside-case");
}

#[tokio::test]
async fn nothing_before_the_window_is_read_or_shown() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let narrow = Case {
        number: "1/26".into(),
        investigators: [1].into(),
        range: TimeRange { start: at(61_000), end: at(90_000) },
        ..wide_case()
    };
    station.app.ports().cases.open(narrow).unwrap();
    let answer = station.get(&play("1/26", 61_000, 65_000), &cookie).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("watchbook-start-utc-ms"), (START_MS + 62_000).to_string(), "the next key frame");
    assert_eq!(answer.header("watchbook-damaged-utc-ms"), "");
    let opened = station.footage.opened.lock().unwrap().clone();
    assert!(opened.iter().all(|range| range.start == at(61_000) && range.end <= at(90_000)), "{opened:?}");
    let Action::Playback { range, .. } = station.audit.since(0).pop().unwrap().action else { panic!() };
    assert_eq!(range, TimeRange { start: at(61_000), end: at(90_000) }, "what the log names is the case's at most");
}

#[tokio::test]
async fn a_case_is_opened_by_an_approver_with_the_second_factor_for_somebody_else() {
    let station = Station::new();
    let (approver, investigator) = people(&station).await;
    for (change, told) in [
        (json!({"investigators": [2]}), "another account"),
        (json!({"investigators": [1]}), "role investigator"),
        (json!({"investigators": []}), "investigators"),
        (json!({"cameras": []}), "cameras"),
        (json!({"expires_utc_ms": NOW_MS}), "after now"),
        (json!({"expires_utc_ms": NOW_MS + 93 * 86_400_000_i64}), "92 days"),
        (json!({"from_utc_ms": START_MS - 32 * 86_400_000_i64}), "31 days"),
        (json!({"case": "7/26"}), "already"),
    ] {
        let mut body = order("1/26");
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = station.post("/api/v1/cases", &approver, &body).await;
        assert!(answer.status.is_client_error(), "{answer:?}");
        let (action, why) = last_refusal(&station);
        assert!(matches!(action, Action::OpenCase { .. }) && why.contains(told), "{why}");
    }
    for body in [
        json!({"case": "a\nb"}),
        json!({"case": ""}),
        json!({"purpose": "curiosity"}),
        json!({"note": "x"}),
        json!({"investigators": vec![3; 17]}),
    ] {
        let mut whole = order("1/26");
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        assert_problem(&station.post("/api/v1/cases", &approver, &whole).await, 422, "invalid-input");
    }
    assert_problem(&station.post("/api/v1/cases", &investigator, &order("1/26")).await, 403, "denied");
    station.clock.advance(300 * SEC);
    let stale = station.post("/api/v1/cases", &approver, &order("1/26")).await;
    assert_problem(&stale, 403, "second_factor_needed");
    assert!(matches!(last_refusal(&station).0, Action::OpenCase { .. }));
    assert_eq!(station.app.ports().cases.get("1/26").unwrap(), None, "nothing of all this was opened");
}

#[tokio::test]
async fn one_account_with_every_role_cannot_open_a_case_for_itself() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    station.second_factor(&cookie).await;
    let mut body = order("1/26");
    body["investigators"] = json!([1]);
    let answer = station.post("/api/v1/cases", &cookie, &body).await;
    assert_problem(&answer, 403, "denied");
    assert!(answer.json()["detail"].as_str().unwrap().contains("another account"), "{answer:?}");
}

fn change(number: &str, body: &Value, cookie: &str) -> Ask {
    Ask::new("PATCH", &format!("/api/v1/cases/{}", number.replace('/', "%2F"))).by(cookie).json(body)
}

#[tokio::test]
async fn a_change_says_from_what_to_what_and_is_in_force_at_once() {
    let station = Station::new();
    let (approver, investigator) = people(&station).await;
    station.post("/api/v1/cases", &approver, &order("1/26")).await;
    assert_problem(&station.get(&play("1/26", 310_000, 311_000), &investigator).await, 403, "outside-case");
    let before = station.audit.count();
    let wider = json!({"to_utc_ms": START_MS + 400_000, "cameras": [1, 2]});
    let answer = station.send(change("1/26", &wider, &approver)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let Action::ChangeCase { case, what } = &station.audit.since(before)[0].action else { panic!() };
    assert_eq!(case, "1/26");
    let told = format!(
        "cameras: 1 become 1 2; footage: {} to {} become {} to {}",
        at(60_000),
        at(300_000),
        at(60_000),
        at(400_000)
    );
    assert_eq!(*what, told);
    assert_eq!(station.get(&play("1/26", 310_000, 311_000), &investigator).await.status, 200);

    assert_problem(&station.send(change("1/26", &wider, &investigator)).await, 403, "denied");
    assert_problem(&station.send(change("5/26", &wider, &approver)).await, 404, "not-found");
    let named = |account: u32| change("1/26", &json!({"investigators": [account]}), &approver);
    // Who opened it, and somebody who is no investigator.
    assert_problem(&station.send(named(2)).await, 422, "invalid-input");
    assert_problem(&station.send(named(1)).await, 422, "invalid-input");
    station.clock.advance(300 * SEC);
    assert_problem(&station.send(change("1/26", &wider, &approver)).await, 403, "second_factor_needed");
}

#[tokio::test]
async fn who_works_in_a_case_does_not_change_it() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    station.second_factor(&cookie).await;
    let answer = station.send(change(CASE, &json!({"to_utc_ms": START_MS}), &cookie)).await;
    assert_problem(&answer, 403, "denied");
    assert!(matches!(last_refusal(&station).0, Action::ChangeCase { .. }));
}

async fn close(station: &Station, number: &str, cookie: &str) -> Answer {
    let path = format!("/api/v1/cases/{}/close", number.replace('/', "%2F"));
    station.send(Ask::new("POST", &path).by(cookie)).await
}

#[tokio::test]
async fn a_closed_or_expired_case_shows_nothing_also_in_the_middle_of_a_file() {
    let station = Station::new();
    let (approver, investigator) = people(&station).await;
    station.post("/api/v1/cases", &approver, &order("1/26")).await;
    let mut whole = order("2/26");
    whole["from_utc_ms"] = json!(START_MS);
    whole["to_utc_ms"] = json!(NOW_MS);
    whole["expires_utc_ms"] = json!(NOW_MS + 3_600_000);
    assert_eq!(station.post("/api/v1/cases", &approver, &whole).await.status, 201);
    // Ten minutes at 7.5 kB/s are several chunks.
    let mut body = station.begin(Ask::new("GET", &play("2/26", 0, 600_000)).by(&investigator)).await;
    body.frame().await.unwrap().unwrap();
    assert_eq!(close(&station, "2/26", &investigator).await.json()["open"], false);
    let broken = loop {
        match body.frame().await {
            Some(Ok(_)) => {}
            other => break other,
        }
    };
    assert!(matches!(broken, Some(Err(_))), "the rest of the file came although the case was closed");
    assert_problem(&station.get(&play("2/26", 0, 1000), &investigator).await, 403, "outside-case");
    assert_problem(&close(&station, OTHER_CASE, &investigator).await, 403, "denied");
    assert_eq!(close(&station, OTHER_CASE, &approver).await.status, 200);

    assert_eq!(station.get(&play("1/26", 60_000, 61_000), &investigator).await.status, 200);
    let expired = Case { expires: at(601_000), investigators: [3].into(), number: "3/26".into(), ..wide_case() };
    station.app.ports().cases.open(expired).unwrap();
    assert_eq!(station.get(&play("3/26", 60_000, 61_000), &investigator).await.status, 200);
    station.clock.advance(SEC);
    assert_problem(&station.get(&play("3/26", 60_000, 61_000), &investigator).await, 403, "outside-case");
}

#[tokio::test]
async fn who_knows_of_which_case() {
    let station = Station::new();
    let (approver, investigator) = people(&station).await;
    station.post("/api/v1/cases", &approver, &order("1/26")).await;
    let numbers = |list: &Value| -> Vec<String> {
        list["cases"].as_array().unwrap().iter().map(|case| case["case"].as_str().unwrap().to_owned()).collect()
    };
    let own = station.get("/api/v1/cases", &investigator).await.json();
    assert_eq!(numbers(&own), ["1/26", CASE], "account 3 is named in both");
    assert_eq!(own["investigators"], json!([]));
    let all = station.get("/api/v1/cases", &approver).await.json();
    assert_eq!(numbers(&all), ["1/26", CASE, OTHER_CASE]);
    assert_eq!(all["investigators"], json!([{"account": 3, "account_name": "Investigator"}]));
    let first = &all["cases"][0];
    assert_eq!((&first["opened_by_name"], &first["purpose"]), (&json!("Approver"), &json!("traffic_collision")));

    let again = Station::on(Arc::clone(&station.register));
    assert_eq!(numbers(&again.get("/api/v1/cases", &approver).await.json()), ["1/26", CASE, OTHER_CASE]);
    assert_eq!(again.get(&play("1/26", 60_000, 61_000), &investigator).await.status, 200);
}

fn emergency(number: &str) -> Value {
    json!({
        "case": number, "purpose": "fire_or_rescue", "cameras": [1], "from_utc_ms": START_MS, "to_utc_ms": NOW_MS,
        "expires_utc_ms": NOW_MS + 1_800_000, "emergency": true
    })
}

#[tokio::test]
async fn an_emergency_is_opened_alone_loud_and_over_in_half_an_hour() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    assert_problem(&station.post("/api/v1/cases", &cookie, &emergency("E 1")).await, 403, "second_factor_needed");
    let key = station.second_factor(&cookie).await;
    let mut long = emergency("E 1");
    long["expires_utc_ms"] = json!(NOW_MS + 1_800_001);
    assert_problem(&station.post("/api/v1/cases", &cookie, &long).await, 422, "invalid-input");
    let mut others = emergency("E 1");
    others["investigators"] = json!([1, 2]);
    assert_problem(&station.post("/api/v1/cases", &cookie, &others).await, 403, "denied");

    let before = station.audit.count();
    let opened = station.post("/api/v1/cases", &cookie, &emergency("E 1")).await;
    assert_eq!(opened.status, 201, "{opened:?}");
    assert_eq!(opened.json()["needs_review"], true);
    let entry = serde_json::to_value(&station.audit.since(before)[0]).unwrap();
    assert_eq!(
        (&entry["action"], &entry["emergency"], &entry["outcome"]),
        (&json!("open_case"), &json!(true), &json!("allowed"))
    );
    assert_eq!(station.get(&play("E 1", 60_000, 61_000).replace(' ', "%20"), &cookie).await.status, 200);
    assert_problem(&station.post("/api/v1/cases", &cookie, &emergency("E 2")).await, 409, "conflict");
    let wider = json!({"cameras": [1, 2]});
    assert_problem(&station.send(change("E%201", &wider, &cookie)).await, 403, "denied");
    let approver = station.account(&cookie, "Approver", &[Role::Approver], None).await;
    station.second_factor(&approver).await;
    assert_problem(&station.send(change("E%201", &wider, &approver)).await, 409, "conflict");

    let alarms = async |station: &Station| {
        let health = station.get("/api/v1/health", &cookie).await.json();
        health["alarms"].as_array().unwrap().iter().filter(|alarm| alarm["kind"] == "emergency").count()
    };
    assert_eq!(alarms(&station).await, 1);
    station.clock.advance(1800 * SEC);
    assert_problem(&station.get(&play("E 1", 60_000, 61_000).replace(' ', "%20"), &cookie).await, 403, "outside-case");
    assert_eq!(alarms(&station).await, 1, "it is over and not reviewed");
    assert_eq!(
        station.post("/api/v1/session/second-factor", &cookie, &json!({"code": station.code(&key)})).await.status,
        204
    );
    let mut next = emergency("E 2");
    next["expires_utc_ms"] = json!(NOW_MS + 3_600_000);
    assert_eq!(station.post("/api/v1/cases", &cookie, &next).await.status, 201);
    assert_eq!(alarms(&station).await, 2);
    let reviewed = Box::new(|case: &mut Case| {
        case.reviewed = Some(at(0));
        Ok(())
    });
    station.app.ports().cases.update("E 1", reviewed).unwrap();
    assert_eq!(alarms(&station).await, 1, "one is reviewed, the other lasts");
}

#[tokio::test]
async fn a_review_of_the_entry_that_opened_an_emergency_ends_its_alarm() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    station.second_factor(&cookie).await;
    // The entry that the double of the reports waits for.
    const ENTRY: usize = 7;
    let filler = station.audit.since(0)[0].clone();
    while station.audit.count() < ENTRY {
        station.audit.entries.lock().unwrap().push(filler.clone());
    }
    assert_eq!(station.post("/api/v1/cases", &cookie, &emergency("E 1")).await.status, 201);
    let late = async |station: &Station| {
        station.clock.advance(1800 * SEC);
        let health = station.get("/api/v1/health", &cookie).await.json();
        health["alarms"].as_array().unwrap().iter().any(|alarm| alarm["kind"] == "emergency")
    };
    assert!(late(&station).await);
    let answer = Ask::new("POST", &format!("/api/v1/reviews/{ENTRY}")).by(&cookie);
    let answer = answer.json(&json!({"ok": true, "reason": "a fire in the market"}));
    assert!(station.send(answer).await.status.is_success());
    assert!(!late(&station).await);
    assert!(!station.app.ports().cases.get("E 1").unwrap().unwrap().needs_review());
}

/// Whether somebody else has put an end to the emergency `E 1` of account 1.
fn is_stopped(station: &Station) -> bool {
    station.app.ports().cases.get("E 1").unwrap().unwrap().stopped.is_some()
}

#[tokio::test]
async fn an_emergency_is_stopped_by_somebody_else_alone() {
    let close = async |station: &Station, cookie: &str| {
        let closed = station.send(Ask::new("POST", "/api/v1/cases/E%201/close").by(cookie)).await;
        assert_eq!(closed.status, 200, "{closed:?}");
    };
    let opened = async || {
        let station = Station::new();
        let cookie = station.claim(true).await;
        station.second_factor(&cookie).await;
        let filler = station.audit.since(0)[0].clone();
        // The double of the reports waits for entry 7.
        while station.audit.count() < 7 {
            station.audit.entries.lock().unwrap().push(filler.clone());
        }
        assert_eq!(station.post("/api/v1/cases", &cookie, &emergency("E 1")).await.status, 201);
        (station, cookie)
    };
    let (station, cookie) = opened().await;
    close(&station, &cookie).await;
    assert!(!is_stopped(&station), "whoever opened it is done with it");
    let approver = station.account(&cookie, "Approver", &[Role::Approver], None).await;
    close(&station, &approver).await;
    assert!(is_stopped(&station));
    for (ok, stopped) in [(true, false), (false, true)] {
        let (station, cookie) = opened().await;
        let answer = Ask::new("POST", "/api/v1/reviews/7").by(&cookie).json(&json!({"ok": ok, "reason": "seen"}));
        assert!(station.send(answer).await.status.is_success());
        assert_eq!(is_stopped(&station), stopped, "found right: {ok}");
    }
}

#[tokio::test]
async fn numbers_that_differ_in_capitals_alone_are_one() {
    let station = Station::new();
    let cases = &station.app.ports().cases;
    cases.open(Case { number: "PP 1".into(), ..wide_case() }).unwrap();
    assert!(cases.open(Case { number: "pp 1".into(), ..wide_case() }).is_err());
    assert_eq!(Cases::get(&**cases, "pp 1").unwrap(), None);
}

#[tokio::test]
async fn moments_are_marked_read_and_taken_away_by_whoever_works_in_the_case() {
    let station = Station::new();
    let (_, investigator) = people(&station).await;
    let path = format!("/api/v1/cases/{}/bookmarks", CASE.replace('/', "%2F"));
    let mark = |at: i64, words: &str| json!({"at_utc_ms": START_MS + at, "cameras": [2, 1], "words": words});
    let first = station.post(&path, &investigator, &mark(9_000, " the van turns ")).await;
    assert_eq!((first.status.as_u16(), &first.json()["bookmark"]), (201, &json!(1)), "{first:?}");
    assert_eq!(station.post(&path, &investigator, &mark(5_000, "")).await.status, 201);
    let list = station.get(&path, &investigator).await.json();
    let told: Vec<_> =
        list["bookmarks"].as_array().unwrap().iter().map(|one| (&one["at_utc_ms"], &one["words"])).collect();
    assert_eq!(told, [(&json!(START_MS + 5_000), &json!("")), (&json!(START_MS + 9_000), &json!("the van turns"))]);
    assert_eq!(list["bookmarks"][1]["cameras"], json!([1, 2]));
    assert_eq!(list["bookmarks"][1]["by_name"], "Investigator");
    let log = serde_json::to_string(&station.audit.since(0)).unwrap();
    assert!(log.contains("add_bookmark") && !log.contains("the van"), "the log keeps which moment, not the words");

    let gone = station.send(Ask::new("DELETE", &format!("{path}/1")).by(&investigator)).await;
    assert_eq!(gone.status, 204, "{gone:?}");
    let again = station.send(Ask::new("DELETE", &format!("{path}/1")).by(&investigator)).await;
    assert_problem(&again, 404, "not-found");
    assert!(matches!(last_refusal(&station).0, Action::RemoveBookmark { bookmark: 1, .. }));
    assert_eq!(station.get(&path, &investigator).await.json()["bookmarks"].as_array().unwrap().len(), 1);
    // What is kept is read again when the recorder starts.
    let again = Station::on(Arc::clone(&station.register));
    let kept = again.app.ports().cases.get(CASE).unwrap().unwrap().bookmarks;
    assert_eq!(kept.iter().map(|one| one.at).collect::<Vec<_>>(), [at(5_000)]);
}

#[tokio::test]
async fn a_moment_outside_the_case_is_not_marked_and_a_case_keeps_so_many() {
    let station = Station::new();
    let (_, investigator) = people(&station).await;
    let path = format!("/api/v1/cases/{}/bookmarks", CASE.replace('/', "%2F"));
    let day = 86_400_000_i64;
    for body in [
        json!({"at_utc_ms": START_MS + 2 * day, "cameras": [1], "words": ""}),
        json!({"at_utc_ms": START_MS, "cameras": [3], "words": ""}),
    ] {
        assert_problem(&station.post(&path, &investigator, &body).await, 403, "outside-case");
    }
    let other = format!("/api/v1/cases/{}/bookmarks", OTHER_CASE.replace('/', "%2F"));
    assert_problem(&station.get(&other, &investigator).await, 403, "outside-case");
    for body in [
        json!({"at_utc_ms": START_MS, "cameras": [], "words": ""}),
        json!({"at_utc_ms": -1, "cameras": [1], "words": ""}),
        json!({"at_utc_ms": START_MS, "cameras": (1..=10).collect::<Vec<_>>(), "words": ""}),
        json!({"at_utc_ms": START_MS, "cameras": [1], "words": "x".repeat(241)}),
        json!({"at_utc_ms": START_MS, "cameras": [1], "words": "a\u{202e}b"}),
    ] {
        assert_problem(&station.post(&path, &investigator, &body).await, 422, "invalid-input");
    }
    for number in 1..=64 {
        let answer =
            station.post(&path, &investigator, &json!({"at_utc_ms": START_MS, "cameras": [1], "words": ""})).await;
        assert_eq!(answer.json()["bookmark"], number, "{answer:?}");
    }
    let full = station.post(&path, &investigator, &json!({"at_utc_ms": START_MS, "cameras": [1], "words": ""})).await;
    assert_problem(&full, 503, "exhausted");
    assert!(full.json()["detail"].as_str().unwrap().contains("64 bookmarks"), "{full:?}");
}

#[tokio::test]
async fn what_did_not_come_to_pass_is_told_with_the_number_of_the_entry_that_allowed_it() {
    let station = Station::new();
    let (approver, investigator) = people(&station).await;
    assert_eq!(station.post("/api/v1/cases", &approver, &order("1/26")).await.status, 201);
    // Another purpose for a number that is taken: the report must not believe it.
    let before = station.audit.count();
    let mut again = order("1/26");
    again["purpose"] = json!("equipment_check");
    assert_problem(&station.post("/api/v1/cases", &approver, &again).await, 409, "conflict");
    let hold = json!({"case": "1/26", "cameras": [1], "from_utc_ms": NOW_MS + 40 * 86_400_000, "to_utc_ms": NOW_MS + 40 * 86_400_000 + 1000, "note": ""});
    assert_problem(&station.post("/api/v1/holds", &investigator, &hold).await, 422, "invalid-input");
    let entries = station.audit.since(before);
    assert_eq!(entries.len(), 4, "{entries:?}");
    for (at, pair) in entries.chunks(2).enumerate() {
        let [allowed, undone] = pair else { unreachable!() };
        assert_eq!((&allowed.outcome, &allowed.action), (&Outcome::Allowed, &undone.action));
        let of = u64::try_from(before + 2 * at).unwrap();
        assert!(matches!(undone.outcome, Outcome::CameToNothing { entry, .. } if entry == of), "{undone:?}");
    }
}
