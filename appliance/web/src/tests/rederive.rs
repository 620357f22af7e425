//! Deriving an event again, through the router.

use super::doubles::START_MS;
use super::station::{Station, assert_problem};
use axum::http::StatusCode;
use serde_json::json;
use watchbook_access::{Action, Role};

const PATH: &str = "/api/v1/cameras/1/events/17/rederive";

#[tokio::test]
async fn what_is_granted_and_logged_is_the_footage_of_the_event_and_before_it() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let cookie = station.account(&admin, "Dara", &[Role::Investigator], None).await;
    let before = station.audit.count();
    let body = json!({"start_utc_ms": START_MS + 600_000, "end_utc_ms": START_MS + 604_000, "warm_up_s": 30});
    let answer = station.post(PATH, &cookie, &body).await;
    assert_eq!((answer.status, &answer.json()["state"]), (StatusCode::ACCEPTED, &json!("waiting")));
    let entries = station.audit.since(before);
    let [entry] = &entries[..] else { panic!("one entry: {entries:?}") };
    let Action::Rederive { event: 17, range, .. } = &entry.action else { panic!("{entry:?}") };
    let order = station.inner.rederivations.lock().unwrap().0.remove(0);
    assert_eq!((order.range, order.from.as_ms()), (*range, START_MS + 570_000));
    assert!(range.start < order.from && range.end.as_ms() > START_MS + 604_000);
    let shown = station.get(PATH, &cookie).await.json();
    assert_eq!((&shown["state"], &shown["account_name"]), (&json!("running"), &json!("Chief")));
}

#[tokio::test]
async fn what_is_no_event_is_refused_before_anything_is_granted() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let cookie = station.account(&admin, "Dara", &[Role::Investigator], None).await;
    for body in [
        json!({}),
        json!({"start_utc_ms": START_MS, "warm_up_s": 5}),
        json!({"start_utc_ms": -5}),
        json!({"start_utc_ms": 1, "x": 1}),
    ] {
        assert_problem(&station.post(PATH, &cookie, &body).await, 422, "invalid-input");
    }
    let good = json!({"start_utc_ms": START_MS});
    assert_problem(&station.post("/api/v1/cameras/1/events/x/rederive", &cookie, &good).await, 404, "not-found");
    assert_problem(&station.post("/api/v1/cameras/1/events/18/rederive", &cookie, &good).await, 404, "not-found");
    assert!(station.inner.rederivations.lock().unwrap().0.is_empty());
}

#[tokio::test]
async fn the_inputs_say_which_interval_the_clip_covers() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let cookie = station.account(&admin, "Dara", &[Role::Investigator], None).await;
    let inputs = station.get(&format!("{PATH}/inputs?start_utc_ms={}", START_MS + 600_000), &cookie).await.json();
    assert_eq!(inputs["clip_start_utc_ms"], json!(START_MS + 480_000), "two minutes before");
    assert_eq!((&inputs["event"]["id"], &inputs["clip"]), (&json!("17"), &json!("clip.mp4")));
    assert_problem(&station.get(&format!("{PATH}/inputs"), &cookie).await, 422, "invalid-input");
}
