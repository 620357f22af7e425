//! Playback and lists of footage.

use super::doubles::{START_MS, damaged};
use super::station::{Ask, CASE, Station, assert_problem};
use crate::app::{DOWNLOADS_MAX, DOWNLOADS_PER_SESSION_MAX};
use crate::stall::TAKES_NOTHING_MAX;
use axum::body::Body;
use core::time::Duration;
use http_body_util::BodyExt;
use proptest::prelude::*;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use watchbook_access::Action;
use watchbook_base::{TimeRange, UtcNanos};
use watchbook_media::Impaired;

const PLAYED: &str = "playback.mp4";

fn path(kind: &str, from_ms: i64, to_ms: i64) -> String {
    let case = if kind == PLAYED { format!("&case={CASE}") } else { String::new() };
    format!("/api/v1/cameras/1/{kind}?from_utc_ms={}&to_utc_ms={}{case}", START_MS + from_ms, START_MS + to_ms)
}

#[tokio::test]
async fn playback_starts_at_the_key_frame_before_and_says_so() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let answer = station.get(&path(PLAYED, 61_000, 65_000), &cookie).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "video/mp4");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    assert_eq!(&answer.body[4..8], b"ftyp");
    assert_eq!(answer.header("watchbook-start-utc-ms"), (START_MS + 60_000).to_string(), "a key frame every 2 s");
    assert_eq!(answer.header("watchbook-end-utc-ms"), (START_MS + 65_000).to_string());
    assert_eq!(answer.header("watchbook-codec"), "avc1.64001F");
    assert_eq!(answer.header("accept-ranges"), "bytes");
}

#[tokio::test]
async fn what_is_read_is_what_the_log_names_and_the_key_frame_before_it() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let before = station.audit.count();
    station.get(&path(PLAYED, 61_000, 65_000), &cookie).await;
    let entries = station.audit.since(before);
    let Action::Playback { range: played, .. } = &entries[0].action else { panic!("{entries:?}") };
    let at = |ms: i64| UtcNanos::from_ms(START_MS + ms);
    assert!(played.start <= at(31_000) && at(65_000) <= played.end && played.nanos() <= 600_000_000_000, "{played:?}");
    let opened = station.footage.opened.lock().unwrap();
    assert!(opened.iter().all(|range| (range.start, range.end) == (at(31_000), at(65_000))), "{opened:?}");
}

#[tokio::test]
async fn watching_on_shares_an_entry_and_another_stretch_does_not() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let before = station.audit.count();
    for second in 40..60 {
        station.get(&path(PLAYED, second * 1000, second * 1000 + 1000), &cookie).await;
    }
    assert_eq!(station.audit.count() - before, 1, "20 requests for one stretch");
    station.get(&path(PLAYED, 400_000, 401_000), &cookie).await;
    assert_eq!(station.audit.count() - before, 2, "another stretch");
    station.clock.advance(600_000_000_000);
    station.get(&path(PLAYED, 40_000, 41_000), &cookie).await;
    assert_eq!(station.audit.count() - before, 3, "ten minutes later");
    let other = station.sign_in("Chief").await;
    let before = station.audit.count();
    station.get(&path(PLAYED, 40_000, 41_000), &other).await;
    assert_eq!(station.audit.count() - before, 1, "another session");
}

#[tokio::test]
async fn damaged_footage_is_left_out_and_named() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let before = station.get(&path(PLAYED, 60_000, 120_000), &cookie).await;
    station.footage.damaged.lock().unwrap().push(damaged());
    let interval = |from: i64, to: i64| format!("{}-{}", START_MS + from, START_MS + to);
    let file = station.get(&path(PLAYED, 60_000, 120_000), &cookie).await;
    assert_eq!(file.header("watchbook-damaged-utc-ms"), interval(90_000, 90_500));
    assert_eq!(
        (file.header("watchbook-start-utc-ms"), file.header("watchbook-end-utc-ms")),
        ((START_MS + 60_000).to_string().as_str(), (START_MS + 120_000).to_string().as_str())
    );
    assert_eq!((file.header("watchbook-gap-count"), before.header("watchbook-gap-count")), ("1", "0"));
    assert!(file.body.len() < before.body.len() && file.header("etag") != before.header("etag"));
    assert_eq!(before.header("watchbook-damaged-utc-ms"), "");

    let played = station.get(&path(PLAYED, 89_000, 93_000), &cookie).await;
    assert_eq!(played.header("watchbook-damaged-utc-ms"), interval(90_000, 90_500));
    // Its description alone is damaged: it can be shown.
    station.footage.damaged.lock().unwrap()[0].kind = crate::api::DamageKind::Description;
    let whole = station.get(&path(PLAYED, 60_000, 120_000), &cookie).await;
    assert_eq!((whole.body.len(), whole.header("watchbook-damaged-utc-ms")), (before.body.len(), ""));

    let mut all = damaged();
    all.range.start = UtcNanos::from_ms(START_MS);
    all.range.end = UtcNanos::from_ms(START_MS + 600_000);
    *station.footage.damaged.lock().unwrap() = vec![all];
    let answer = station.get(&path(PLAYED, 60_000, 120_000), &cookie).await;
    assert_problem(&answer, 500, "corrupt");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("camera 1") && detail.contains("damaged"), "{detail}");
    assert!(answer.json()["next_step"].as_str().unwrap().contains("timeline"), "{answer:?}");
}

/// `lost` packets, and from where to where that shows.
fn impaired(from_ms: i64, to_ms: i64, lost: u64) -> Impaired {
    let utc = |ms: i64| UtcNanos::from_ms(START_MS + ms);
    Impaired { range: TimeRange { start: utc(from_ms), end: utc(to_ms) }, lost }
}

#[tokio::test]
async fn what_may_be_wrong_is_listed_and_goes_with_every_file() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    station.footage.impaired.lock().unwrap().list = vec![impaired(70_000, 71_500, 3), impaired(200_000, 201_000, 1)];
    let list = station.get(&path("recordings", 0, 600_000), &cookie).await.json();
    let row = |from: i64, to: i64, lost: i64| json!({"start_utc_ms": START_MS + from, "end_utc_ms": START_MS + to, "lost": lost});
    assert_eq!(list["impaired"], json!([row(70_000, 71_500, 3), row(200_000, 201_000, 1)]));
    assert_eq!((&list["impaired_merged"], &list["damaged"]), (&json!(false), &json!([])));

    let interval = |from: i64, to: i64| format!("{}-{}", START_MS + from, START_MS + to);
    let file = station.get(&path(PLAYED, 60_000, 120_000), &cookie).await;
    assert_eq!(file.header("watchbook-impaired-utc-ms"), interval(70_000, 71_500));
    assert_eq!(
        (file.header("watchbook-damaged-utc-ms"), file.header("watchbook-gap-count")),
        ("", "0"),
        "none is left out"
    );
    let played = station.get(&path(PLAYED, 199_000, 203_000), &cookie).await;
    assert_eq!(played.header("watchbook-impaired-utc-ms"), interval(200_000, 201_000));
    let whole = station.get(&path(PLAYED, 300_000, 303_000), &cookie).await;
    assert_eq!(whole.header("watchbook-impaired-utc-ms"), "");
}

#[tokio::test]
async fn more_than_is_listed_becomes_coarser_and_nothing_is_left_out() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    // 600 of them, ten in each of 60 bursts.
    let many: Vec<Impaired> =
        (0..600).map(|at| at / 10 * 10_000 + at % 10 * 200).map(|at| impaired(at, at + 100, 1)).collect();
    station.footage.impaired.lock().unwrap().list = many;
    let list = station.get(&path("recordings", 0, 600_000), &cookie).await.json();
    let shown = list["impaired"].as_array().unwrap();
    assert_eq!((shown.len(), &list["impaired_merged"]), (500, &json!(true)));
    assert_eq!(shown.iter().map(|one| one["lost"].as_u64().unwrap()).sum::<u64>(), 600);
    let file = station.get(&path(PLAYED, 0, 600_000), &cookie).await;
    let listed: Vec<&str> = file.header("watchbook-impaired-utc-ms").split(',').collect();
    assert_eq!(listed.len(), 128);
    assert!(
        listed[0].starts_with(&START_MS.to_string()) && listed[127].ends_with(&(START_MS + 591_900).to_string()),
        "{listed:?}"
    );

    station.footage.impaired.lock().unwrap().coarse = true;
    let list = station.get(&path("recordings", 0, 20_000), &cookie).await.json();
    assert_eq!((&list["impaired"][0]["lost"], &list["impaired_merged"]), (&json!(null), &json!(true)));
}

#[tokio::test]
async fn a_bad_question_about_footage_is_a_problem() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    for (query, status, slug) in [
        (path(PLAYED, 5000, 5000), 422, "invalid-input"),
        (path(PLAYED, 5000, 4000), 422, "invalid-input"),
        (path(PLAYED, 0, 901_000), 422, "invalid-input"),
        (path(PLAYED, 0, 1000) + "&role=main_audio", 422, "invalid-input"),
        (path(PLAYED, 0, 1000) + "&base_utc_ms=x", 422, "invalid-input"),
        (path(PLAYED, 3_600_000, 3_601_000), 404, "not-found"),
        (path(PLAYED, 0, 32 * 86_400_000), 422, "invalid-input"),
        (format!("/api/v1/cameras/1/{PLAYED}?from_utc_ms=1&case={CASE}"), 422, "invalid-input"),
        (
            format!(
                "/api/v1/cameras/1/{PLAYED}?from_utc_ms=-9223372036854775808&to_utc_ms=9223372036854775807&case={CASE}"
            ),
            422,
            "invalid-input",
        ),
        (
            format!("/api/v1/cameras/1/recordings?from_utc_ms={START_MS}&to_utc_ms=99999999999999999999"),
            422,
            "invalid-input",
        ),
    ] {
        assert_problem(&station.get(&query, &cookie).await, status, slug);
    }
}

#[tokio::test]
async fn the_timeline_joins_spans_and_shows_gaps() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let list = station.get("/api/v1/cameras/1/recordings?from_utc_ms=0&to_utc_ms=4102444800000", &cookie).await.json();
    let end = START_MS + 600_000;
    let span = json!({
        "start_utc_ms": START_MS, "end_utc_ms": end, "recording": "5", "codec_string": "avc1.64001F",
        "width": 640, "height": 360, "byte_count": 4_500_000,
    });
    assert_eq!(list["spans"], json!([span]));
    let gap = json!({"start_utc_ms": end, "end_utc_ms": end + 7000, "reason": "camera_gone"});
    assert_eq!(list["gaps"], json!([]), "a gap after now is not asked for");
    station.clock.advance(60_000_000_000);
    let list = station.get(&path("recordings", 599_000, 660_000), &cookie).await.json();
    assert_eq!(list["gaps"], json!([gap]));
    assert_eq!((&list["first_utc_ms"], &list["last_utc_ms"]), (&json!(START_MS), &json!(end)));
}

#[tokio::test]
async fn a_part_outside_the_file_is_416_and_a_changed_file_starts_over() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let ask = || Ask::new("GET", &path(PLAYED, 0, 10_000)).by(&cookie);
    let whole = station.send(ask()).await;
    let len = whole.body.len();
    let beyond = station.send(ask().header("range", &format!("bytes={len}-"))).await;
    assert_problem(&beyond, 416, "range-not-satisfiable");
    assert_eq!(beyond.header("content-range"), format!("bytes */{len}"));
    let same = ask().header("range", "bytes=0-9").header("if-range", whole.header("etag"));
    assert_eq!(station.send(same).await.status, 206);
    let other = ask().header("range", "bytes=0-9").header("if-range", "\"other\"");
    let other = station.send(other).await;
    assert_eq!((other.status.as_u16(), other.body.len()), (200, len));
}

#[test]
fn any_part_is_that_part_of_the_whole() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (station, cookie, files) = runtime.block_on(async {
        let station = Station::new();
        let cookie = station.claim(true).await;
        let mut files = Vec::new();
        for from_ms in [31_500, 60_000] {
            let path = path(PLAYED, from_ms, 153_000);
            let body = station.get(&path, &cookie).await.body;
            files.push((path, body));
        }
        (station, cookie, files)
    });
    let config = ProptestConfig { cases: 64, ..ProptestConfig::default() };
    proptest!(config, |(which in 0_usize..2, first in 0.0_f64..1.0, share in 0.0_f64..1.0, suffix in any::<bool>())| {
        let (path, whole) = &files[which];
        let start = (whole.len() as f64 * first) as usize;
        let count = 1 + ((whole.len() - start - 1) as f64 * share.powi(3)) as usize;
        let (range, expected) = match suffix {
            true => (format!("bytes=-{count}"), whole.len() - count..whole.len()),
            false => (format!("bytes={start}-{}", start + count - 1), start..start + count),
        };
        let answer = runtime.block_on(station.send(Ask::new("GET", path).by(&cookie).header("range", &range)));
        prop_assert_eq!(answer.status.as_u16(), 206);
        let shown = format!("bytes {}-{}/{}", expected.start, expected.end - 1, whole.len());
        prop_assert_eq!(answer.header("content-range"), shown);
        prop_assert_eq!(answer.header("content-length"), expected.len().to_string());
        prop_assert!(answer.body == whole[expected], "{}", range);
    });
}

#[tokio::test]
async fn a_download_ends_with_the_session_that_began_it() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let mut body = station.begin(Ask::new("GET", &path(PLAYED, 0, 600_000)).by(&cookie)).await;
    assert!(body.frame().await.unwrap().is_ok());
    assert_eq!(station.send(Ask::new("DELETE", "/api/v1/session").by(&cookie)).await.status, 204);
    let mut rest = 0;
    let last = loop {
        match body.frame().await {
            Some(Ok(_)) => rest += 1,
            other => break other,
        }
    };
    assert!(matches!(last, Some(Err(_))) && rest <= 4, "{rest} chunks after the end, then {last:?}");
}

/// Sessions of one account that hold as many downloads as the station has places for, none of them read beyond its first chunk.
async fn all_places_taken(station: &Station) -> (Vec<Body>, Vec<String>) {
    let mut sessions = vec![station.claim(true).await];
    let mut bodies = Vec::new();
    while bodies.len() < DOWNLOADS_MAX {
        if !bodies.is_empty() {
            sessions.push(station.sign_in("Chief").await);
        }
        for _ in 0..DOWNLOADS_PER_SESSION_MAX {
            let ask = Ask::new("GET", &path(PLAYED, 0, 600_000)).by(sessions.last().unwrap());
            let mut body = station.begin(ask).await;
            assert!(body.frame().await.unwrap().is_ok());
            bodies.push(body);
        }
    }
    (bodies, sessions)
}

#[test]
fn slow_downloads_leave_the_api_its_threads() {
    // As many blocking threads as there are downloads.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(DOWNLOADS_MAX)
        .enable_all()
        .build()
        .unwrap();
    let asked = async {
        let station = Station::new();
        let (bodies, sessions) = all_places_taken(&station).await;
        let answer = station.get("/api/v1/cameras", sessions.last().unwrap()).await;
        drop(bodies);
        answer.status.as_u16()
    };
    let answered = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), asked).await.ok() });
    runtime.shutdown_background();
    assert_eq!(answered, Some(200));
}

#[tokio::test(start_paused = true)]
async fn one_session_has_a_few_downloads_and_leaves_the_others_theirs() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let ask = |cookie: &str| Ask::new("GET", &path(PLAYED, 0, 600_000)).by(cookie);
    let mut held = Vec::new();
    for _ in 0..DOWNLOADS_PER_SESSION_MAX {
        held.push(station.begin(ask(&cookie)).await);
    }
    let refused = station.send(ask(&cookie)).await;
    assert_problem(&refused, 429, "too-many");
    assert!(refused.json()["next_step"].as_str().is_some_and(|step| step.contains("download")), "{refused:?}");
    let other = station.sign_in("Chief").await;
    drop(station.begin(ask(&other)).await);
    held.pop();
    drop(station.begin(ask(&cookie)).await);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_cut() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let (mut client, server) = tokio::io::duplex(64 << 10);
    let head = format!("GET {} HTTP/1.1\r\nhost: box\r\ncookie: {cookie}\r\n\r\n", path(PLAYED, 0, 600_000));
    client.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 15];
    let served = (station.app.clone(), station.router.clone());
    let running = tokio::spawn(async move {
        let (_stop, mut stopped) = watch::channel(false);
        crate::server::serve_on(server, crate::server::Came::plain([192, 0, 2, 1].into()), served, &mut stopped).await;
    });
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    let began = tokio::time::Instant::now();
    tokio::time::timeout(2 * TAKES_NOTHING_MAX, running).await.expect("it is still being served").unwrap();
    assert!(began.elapsed() >= TAKES_NOTHING_MAX);
    assert_eq!(station.app.downloads().available_permits(), DOWNLOADS_MAX);
}
