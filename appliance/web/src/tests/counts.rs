//! Counted events, through the router.

use super::doubles::START_MS;
use super::station::{Station, assert_problem};
use serde_json::json;
use watchbook_access::{Action, Role};
use watchbook_base::{TimeRange, UtcNanos};

const HOUR_MS: i64 = 3_600_000;

fn path(of: &str, more: &str) -> String {
    format!("/api/v1/events/{of}?from_utc_ms={START_MS}&to_utc_ms={}{more}", START_MS + 2 * HOUR_MS)
}

#[tokio::test]
async fn counts_are_the_same_as_a_chart_and_as_a_table() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let investigator = station.account(&admin, "Dara", &[Role::Investigator], None).await;
    for (kind, after_ms) in [("crossing-in", 0), ("crossing-in", HOUR_MS - 1), ("=crossing-out", HOUR_MS)] {
        station.inner.happens(1, kind, START_MS + after_ms);
    }
    let chart = station.get(&path("counts", ""), &investigator).await.json();
    assert_eq!(chart["starts_utc_ms"], json!([START_MS, START_MS + HOUR_MS]), "{chart}");
    let series = json!([
        {"camera": 1, "kind": "=crossing-out", "total": 1, "counts": [0, 1]},
        {"camera": 1, "kind": "crossing-in", "total": 2, "counts": [2, 0]},
    ]);
    assert_eq!((&chart["series"], &chart["whole_from_utc_ms"]), (&series, &json!(null)));
    let one = station.get(&path("counts", "&kind=crossing-in&bucket=day"), &investigator).await.json();
    assert_eq!((&one["bucket"], &one["series"][0]["total"]), (&json!("day"), &json!(2)));

    let table = station.get(&path("counts.csv", ""), &investigator).await;
    assert_eq!(table.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert!(table.header("content-disposition").starts_with("attachment"));
    let text = String::from_utf8(table.body.to_vec()).unwrap();
    let ends: Vec<&str> = text.lines().map(|line| line.splitn(3, ',').nth(2).unwrap()).collect();
    let out = "1,Gate,\"'=crossing-out\",";
    let expected = [
        "camera,camera_name,kind,count",
        &format!("{out}0"),
        &format!("{out}1"),
        "1,Gate,crossing-in,2",
        "1,Gate,crossing-in,0",
    ];
    assert_eq!(ends, expected, "{text}");
}

#[tokio::test]
async fn counting_is_a_search_in_the_log_and_covers_the_account_s_cameras_alone() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let two = station.account(&admin, "Two", &[Role::Investigator], Some(&[2])).await;
    station.inner.happens(1, "crossing-in", START_MS);
    station.inner.happens(2, "crossing-in", START_MS);
    let before = station.audit.count();
    let chart = station.get(&path("counts", ""), &two).await.json();
    assert_eq!(chart["series"].as_array().unwrap().len(), 1, "{chart}");
    assert_eq!(chart["series"][0]["camera"], 2);
    station.get(&path("counts.csv", ""), &two).await;
    let range = TimeRange { start: UtcNanos::from_ms(START_MS), end: UtcNanos::from_ms(START_MS + 2 * HOUR_MS) };
    let entries = station.audit.since(before);
    assert_eq!(entries.len(), 1, "the chart and its table are one look");
    assert_eq!(entries[0].action, Action::SearchEvents { camera: None, cameras: Vec::new(), range });
    assert_problem(&station.get(&path("counts", "&camera=1"), &two).await, 403, "denied");
}

#[tokio::test]
async fn what_cannot_be_counted_is_refused() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    for more in ["&bucket=week", "&utc_offset_minutes=841", "&utc_offset_minutes=x", "&kind=", "&limit=1"] {
        assert_problem(&station.get(&path("counts", more), &cookie).await, 422, "invalid-input");
    }
    let long = format!("/api/v1/events/counts?from_utc_ms={START_MS}&to_utc_ms={}", START_MS + 33 * 24 * HOUR_MS);
    assert_problem(&station.get(&long, &cookie).await, 422, "invalid-input");
}
