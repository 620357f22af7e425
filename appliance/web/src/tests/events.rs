//! The search of events and their feed, through the router.

use super::doubles::START_MS;
use super::station::{Station, assert_problem};
use watchbook_access::{Action, Role};
use watchbook_base::{CameraId, TimeRange, UtcNanos};

fn path(more: &str) -> String {
    format!("/api/v1/events?from_utc_ms={START_MS}&to_utc_ms={}{more}", START_MS + 60_000)
}

fn camera(number: u32) -> CameraId {
    CameraId::new(number).unwrap()
}

#[tokio::test]
async fn a_search_names_its_cameras_in_the_log_and_finds_zone_and_plugin() {
    let station = Station::new();
    let admin = station.claim(false).await;
    let cookie = station.account(&admin, "Dara", &[Role::Investigator], Some(&[1, 2, 4])).await;
    for number in [1, 2, 3, 4] {
        station.inner.happens(number, "motion", START_MS + i64::from(number));
    }
    station.inner.events.lock().unwrap()[1].zone = Some("gate".into());
    let before = station.audit.count();
    let found = async |more: &str| -> Vec<u64> {
        let list = station.get(&path(more), &cookie).await.json();
        list["events"].as_array().unwrap().iter().map(|event| event["camera"].as_u64().unwrap()).collect()
    };
    assert_eq!(found("&cameras=4,1,4").await, [1, 4]);
    assert_eq!(found("").await, [1, 2, 4]);
    assert_eq!(found("&cameras=2").await, [2]);
    assert_eq!(found("&zone=gate").await, [2]);
    assert_eq!(found("&plugin=org.watchbook.motion&cameras=1,2").await, [1, 2]);
    assert_eq!(found("&plugin=camera").await, [0_u64; 0]);
    let range = TimeRange { start: UtcNanos::from_ms(START_MS), end: UtcNanos::from_ms(START_MS + 60_000) };
    let search = |camera, cameras| Action::SearchEvents { camera, cameras, range };
    let log: Vec<Action> = station.audit.since(before).into_iter().map(|entry| entry.action).collect();
    let expected = [
        search(None, vec![camera(1), camera(4)]),
        search(None, vec![]),
        search(Some(camera(2)), vec![]),
        search(None, vec![camera(1), camera(2)]),
    ];
    assert_eq!(log, expected, "the same cameras at the same time are one look");
    assert_problem(&station.get(&path("&cameras=1,3"), &cookie).await, 403, "denied");
    for bad in ["&cameras=1&camera=1", "&zone=", "&plugin="] {
        assert_problem(&station.get(&path(bad), &cookie).await, 422, "invalid-input");
    }
    for unknown in ["&cameras=", "&cameras=0", "&cameras=1,x"] {
        assert_problem(&station.get(&path(unknown), &cookie).await, 404, "not-found");
    }
}

mod thumbnails {
    use super::*;
    use crate::tests::station::{CASE, OTHER_CASE};
    use std::sync::atomic::Ordering;
    use watchbook_access::Case;

    const MINUTE_MS: i64 = 60_000;

    fn picture(case: &str, at_ms: i64, more: &str) -> String {
        let case = case.replace('/', "%2F");
        format!("/api/v1/cameras/1/thumbnail.jpg?at_utc_ms={}&case={case}{more}", START_MS + at_ms)
    }

    fn at(ms: i64) -> UtcNanos {
        UtcNanos::from_ms(START_MS + ms)
    }

    #[tokio::test]
    async fn a_picture_is_a_look_inside_the_case_and_many_of_an_hour_are_one_entry() {
        let station = Station::new();
        let admin = station.claim(false).await;
        station.account(&admin, "Other", &[Role::Viewer], None).await;
        let cookie = station.account(&admin, "Asker", &[Role::Investigator], None).await;
        let before = station.audit.count();
        for (ms, key_ms) in [(65_000, 64_000), (66_000, 66_000), (67_999, 66_000)] {
            let answer = station.get(&picture(CASE, ms, ""), &cookie).await;
            assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "image/jpeg"), "{answer:?}");
            assert_eq!(answer.header("watchbook-start-utc-ms"), (START_MS + key_ms).to_string());
            assert_eq!(answer.header("cache-control"), "no-store");
            assert!(answer.body.starts_with(b"jpeg \x00\x00\x01\x40"), "320 across");
        }
        assert_eq!(station.inner.pictures.load(Ordering::SeqCst), 2, "66 s is made once");
        let entries = station.audit.since(before);
        assert_eq!(entries.len(), 1, "{entries:?}");
        let Action::Playback { camera: of, range, case } = &entries[0].action else { panic!("{entries:?}") };
        assert_eq!((*of, case.as_str(), entries[0].account), (camera(1), CASE, Some(3)));
        assert!(range.start <= at(35_000) && range.end >= at(68_000), "the entry names all that was looked at");
        let hour = 3_600_000_000_000;
        assert!(range.start.0 % hour == 0 || range.start == station_case(&station).range.start, "{range:?}");
    }

    fn station_case(station: &Station) -> Case {
        station.app.ports().cases.get(CASE).unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_picture_that_was_made_opens_nothing_to_whoever_may_not() {
        let station = Station::new();
        let admin = station.claim(false).await;
        station.account(&admin, "Other", &[Role::Viewer], None).await;
        let cookie = station.account(&admin, "Asker", &[Role::Investigator], None).await;
        assert_eq!(station.get(&picture(CASE, MINUTE_MS, ""), &cookie).await.status, 200);
        let before = station.audit.count();
        let elsewhere = station.account(&admin, "Elsewhere", &[Role::Investigator], Some(&[2])).await;
        assert_problem(&station.get(&picture(OTHER_CASE, MINUTE_MS, ""), &cookie).await, 403, "outside-case");
        assert_problem(&station.get(&picture(CASE, MINUTE_MS, ""), &elsewhere).await, 403, "denied");
        assert_problem(&station.get(&picture(CASE, MINUTE_MS, ""), &admin).await, 403, "denied");
        assert_problem(&station.get(&picture("", MINUTE_MS, ""), &cookie).await, 403, "outside-case");
        assert_problem(&station.get(&picture("2/26", MINUTE_MS, ""), &cookie).await, 403, "outside-case");
        assert_problem(&station.get(&picture(CASE, MINUTE_MS, ""), "").await, 401, "sign-in-first");
        let refused = station
            .audit
            .since(before)
            .into_iter()
            .filter(|entry| matches!(entry.action, Action::Playback { .. }) && entry.outcome.refusal().is_some());
        assert_eq!(refused.count(), 6, "each refusal is in the log");
        // A case that has ended admits nobody, whatever is in memory.
        let end = Box::new(|case: &mut Case| {
            case.expires = UtcNanos(0);
            Ok(())
        });
        station.app.ports().cases.update(CASE, end).unwrap();
        assert_problem(&station.get(&picture(CASE, MINUTE_MS, ""), &cookie).await, 403, "outside-case");
        assert_eq!(station.inner.pictures.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn nothing_before_the_case_is_shown_and_what_is_missing_is_said() {
        let station = Station::new();
        let cookie = station.claim(true).await;
        let range = TimeRange { start: at(61_000), end: at(700_000) };
        let narrow =
            Case { number: "1/26".into(), investigators: [1].into(), range, ..crate::tests::station::wide_case() };
        station.app.ports().cases.open(narrow).unwrap();
        // The key frame of 60 s lies before the case.
        assert_problem(&station.get(&picture("1/26", 61_500, ""), &cookie).await, 404, "not-found");
        assert_eq!(station.get(&picture("1/26", 62_500, ""), &cookie).await.status, 200);
        let opened = station.footage.opened.lock().unwrap().clone();
        assert!(opened.iter().all(|range| range.start >= at(61_000)), "{opened:?}");
        // Ten minutes are recorded.
        assert_problem(&station.get(&picture("1/26", 650_000, ""), &cookie).await, 404, "not-found");
        for bad in ["&width=321", "&width=0", "&width=x", "&role=main_audio"] {
            assert_problem(&station.get(&picture("1/26", 62_500, bad), &cookie).await, 422, "invalid-input");
        }
        assert_eq!(station.get(&picture("1/26", 62_500, "&width=160"), &cookie).await.status, 200);
        let no_moment = "/api/v1/cameras/1/thumbnail.jpg?case=1%2F26";
        assert_problem(&station.get(no_moment, &cookie).await, 422, "invalid-input");
    }

    #[tokio::test]
    async fn without_a_log_there_is_no_picture() {
        let station = Station::new();
        let cookie = station.claim(true).await;
        station.audit.broken.store(true, Ordering::SeqCst);
        assert_eq!(station.get(&picture(CASE, MINUTE_MS, ""), &cookie).await.status, 503);
        assert_eq!(station.inner.pictures.load(Ordering::SeqCst), 0);
        assert!(station.footage.opened.lock().unwrap().is_empty());
    }
}

mod feed {
    use super::*;
    use crate::event_feed::REMEMBERED_MAX;
    use crate::tests::station::Ask;
    use axum::body::Body;
    use http_body_util::BodyExt;
    use watchbook_base::{Clock, Event};

    fn live(station: &Station, more: &str) -> String {
        let now = station.clock.utc().as_ms();
        format!("/api/v1/events/live?from_utc_ms={}&to_utc_ms={}{more}", now - 1000, now + 3_600_000)
    }

    fn event(station: &Station, number: u32, kind: &str) -> Event {
        station.inner.happens(number, kind, station.clock.utc().as_ms());
        station.inner.events.lock().unwrap().pop().unwrap()
    }

    /// The next message: its lines, without those that are signs of life.
    async fn message(body: &mut Body) -> Option<Vec<String>> {
        loop {
            let frame = body.frame().await?.unwrap().into_data().unwrap();
            let text = String::from_utf8(frame.to_vec()).unwrap();
            assert!(text.ends_with("\n\n"), "{text:?}");
            if !text.starts_with(':') {
                return Some(text.trim_end().lines().map(str::to_owned).collect());
            }
        }
    }

    fn id_of(message: &[String]) -> String {
        message.iter().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned()
    }

    #[tokio::test]
    async fn new_events_come_as_they_are_stored_for_the_cameras_of_the_account_alone() {
        let station = Station::new();
        let admin = station.claim(false).await;
        let cookie = station.account(&admin, "Dara", &[Role::Investigator], Some(&[1])).await;
        let before = station.audit.count();
        let mut body = station.begin(Ask::new("GET", &live(&station, "")).by(&cookie)).await;
        let hello = message(&mut body).await.unwrap();
        assert_eq!(hello[1..], ["id: 7.0", "event: ready", "data: {}"]);
        station.event_feed.stored(4, &event(&station, 2, "motion"));
        station.event_feed.stored(5, &event(&station, 1, "line\r\ndata: {}\n\nevent: over"));
        let told = message(&mut body).await.unwrap();
        assert_eq!((told.len(), &told[0][..], &told[1][..]), (3, "id: 7.2", "event: event"), "{told:?}");
        let shown: serde_json::Value = serde_json::from_str(told[2].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!((shown["id"].as_str(), shown["camera"].as_u64()), (Some("5"), Some(1)));
        let entries = station.audit.since(before);
        assert!(matches!(entries[..], [ref one] if matches!(one.action, Action::SearchEvents { camera: None, .. })));
        assert_problem(&station.get(&live(&station, "&camera=2"), &cookie).await, 403, "denied");
    }

    #[tokio::test]
    async fn who_comes_back_goes_on_where_they_were_or_is_told_to_look_again() {
        let station = Station::new();
        let cookie = station.claim(true).await;
        (0..3).for_each(|id| station.event_feed.stored(id, &event(&station, 1, "motion")));
        let again = async |id: &str| {
            let ask = Ask::new("GET", &live(&station, "")).by(&cookie).header("last-event-id", id);
            let mut body = station.begin(ask).await;
            message(&mut body).await.unwrap();
            message(&mut body).await.unwrap()
        };
        let next = again("7.2").await;
        assert_eq!((id_of(&next), &next[1][..]), ("7.3".to_owned(), "event: event"));
        assert_eq!(again("6.2").await[..2], ["id: 7.3", "event: behind"], "of another start of the recorder");
        assert_eq!(again("7.9").await[1], "event: behind", "a place that does not exist");
        (0..REMEMBERED_MAX).for_each(|_| station.event_feed.stored(9, &event(&station, 1, "motion")));
        assert_eq!(again("7.2").await[1], "event: behind", "the event after it is forgotten");
        let ask = Ask::new("GET", &live(&station, "")).by(&cookie).header("last-event-id", "x");
        assert_problem(&station.send(ask).await, 422, "invalid-input");
    }

    #[tokio::test]
    async fn filters_hold_for_new_events_too() {
        let station = Station::new();
        let cookie = station.claim(true).await;
        let path = live(&station, "&cameras=1,2&kind=motion&zone=gate&plugin=org.watchbook.motion");
        let mut body = station.begin(Ask::new("GET", &path).by(&cookie)).await;
        message(&mut body).await.unwrap();
        let wanted = Event { zone: Some("gate".into()), ..event(&station, 2, "motion") };
        let early = station.clock.utc().plus_nanos(-9_000_000_000);
        let mut other = wanted.clone();
        other.source.plugin = "camera".into();
        for unwanted in [
            Event { camera: camera(3), ..wanted.clone() },
            Event { kind: "tamper".into(), ..wanted.clone() },
            Event { zone: None, ..wanted.clone() },
            Event { start: early, ..wanted.clone() },
            other,
        ] {
            station.event_feed.stored(1, &unwanted);
        }
        station.event_feed.stored(2, &wanted);
        assert_eq!(id_of(&message(&mut body).await.unwrap()), "7.6");
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_session_and_with_the_interval_and_shows_signs_of_life() {
        let station = Station::new();
        let cookie = station.claim(true).await;
        let mut body = station.begin(Ask::new("GET", &live(&station, "")).by(&cookie)).await;
        message(&mut body).await.unwrap();
        let alive = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&alive[..], b": still here\n\n");
        assert_eq!(station.event_feed.followers(), 1);
        station.send(Ask::new("DELETE", "/api/v1/session").by(&cookie)).await;
        station.event_feed.stored(1, &event(&station, 1, "motion"));
        let last = message(&mut body).await.unwrap();
        assert_eq!(last, ["event: over", r#"data: {"why":"session"}"#], "and not the event");
        assert_eq!(message(&mut body).await, None);
        drop(body);
        assert_eq!(station.event_feed.followers(), 0);

        let cookie = station.sign_in("Chief").await;
        let now = station.clock.utc().as_ms();
        let short = format!("/api/v1/events/live?from_utc_ms={}&to_utc_ms={}", now - 1000, now + 60_000);
        let mut body = station.begin(Ask::new("GET", &short).by(&cookie)).await;
        message(&mut body).await.unwrap();
        station.clock.advance(61_000_000_000);
        let over = message(&mut body).await.unwrap();
        assert_eq!(over[1], r#"data: {"why":"interval"}"#);
    }

    #[tokio::test]
    async fn a_session_follows_in_four_windows_at_most() {
        let station = Station::new();
        let cookie = station.claim(true).await;
        let mut open = Vec::new();
        for _ in 0..4 {
            open.push(station.begin(Ask::new("GET", &live(&station, "")).by(&cookie)).await);
        }
        assert_problem(&station.get(&live(&station, ""), &cookie).await, 429, "too-many");
        drop(open.pop());
        open.push(station.begin(Ask::new("GET", &live(&station, "")).by(&cookie)).await);
        assert_eq!(station.event_feed.followers(), 4);
    }
}
