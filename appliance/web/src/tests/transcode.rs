//! Footage for browsers that cannot play it: under a cap, after recording, and nothing that a look at the footage itself would not give.

use super::doubles::{MemoryTranscoders, START_MS, format};
use super::station::{CASE, Station, assert_problem};
use crate::live::tests::{live_grant, stream};
use crate::live::{LiveHub, LiveItem};
use crate::transcode::live::TranscodedLive;
use crate::transcode::{Places, Why};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use watchbook_access::Action;
use watchbook_base::{MonoNanos, SyncState, Ticks90k, UtcNanos};
use watchbook_media::{Packet, RecordingStart};

const PATIENCE: Duration = Duration::from_secs(20);

fn path(from_ms: i64, to_ms: i64) -> String {
    let range = format!("from_utc_ms={}&to_utc_ms={}", START_MS + from_ms, START_MS + to_ms);
    format!("/api/v1/cameras/1/playback.mp4?{range}&case={CASE}&base_utc_ms={START_MS}")
}

/// Decode times and sample counts of the fragments of a file.
fn fragments(file: &[u8]) -> Vec<(u64, u32)> {
    let field = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
    let places = |name: &'static [u8; 4]| (0..file.len() - 4).filter(move |at| file[*at..].starts_with(name));
    let times = places(b"tfdt").map(|at| u64::from(field(at + 8)) << 32 | u64::from(field(at + 12)));
    times.zip(places(b"trun").map(|at| field(at + 8))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_piece_has_the_pictures_of_the_range_at_their_times_in_another_format() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let before = station.audit.count();
    // A key frame every 2 s, 25 pictures a second: this begins 25 pictures behind one.
    let plain = station.get(&path(61_000, 63_000), &cookie).await;
    let answer = station.get(&format!("{}&as=h264", path(61_000, 63_000)), &cookie).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("watchbook-start-utc-ms"), plain.header("watchbook-start-utc-ms"));
    assert_eq!(answer.header("watchbook-codec"), "avc1.64001F", "of what is recorded");
    assert_eq!(&answer.body[4..8], b"ftyp");
    let found = fragments(&answer.body);
    assert_eq!(found.iter().map(|(_, count)| count).sum::<u32>(), 50, "{found:?}");
    assert_eq!(found[0].0, 61 * 90_000, "it begins where it was asked to: {found:?}");
    assert_eq!(found[1].0, (61 * 25 + u64::from(found[0].1)) * 3_600, "{found:?}");
    assert_eq!(station.transcoders.fed.load(Ordering::SeqCst), 75, "from the key frame on");
    assert_eq!(station.transcoders.running.load(Ordering::SeqCst), 0, "its programs ended");
    let entries = station.audit.since(before);
    assert_eq!(entries.len(), 1, "it is the same look: {entries:?}");
    assert!(matches!(entries[0].action, Action::Playback { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_not_see_the_footage_does_not_see_it_transcoded() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let asked = format!("{}&as=h264", path(61_000, 63_000));
    assert_problem(&station.get(&asked, "").await, 401, "sign-in-first");
    let outside = asked.replace(CASE, "no-such-case");
    assert_problem(&station.get(&outside, &cookie).await, 403, "outside-case");
    for other in ["&as=", "&as=vp9", "&as=H264"] {
        assert_problem(&station.get(&format!("{}{other}", path(61_000, 63_000)), &cookie).await, 422, "invalid-input");
    }
    assert_problem(&station.get(&format!("{}&as=h264", path(0, 61_000)), &cookie).await, 422, "invalid-input");
    assert_eq!(station.transcoders.fed.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recording_comes_first_and_what_cannot_be_decoded_is_said() {
    let station = Station::new();
    let cookie = station.claim(true).await;
    let asked = format!("{}&as=h264", path(61_000, 63_000));
    station.transcoders.late.store(true, Ordering::SeqCst);
    let refused = station.get(&asked, &cookie).await;
    assert_problem(&refused, 503, "transcode-late");
    station.transcoders.late.store(false, Ordering::SeqCst);
    station.transcoders.blind.store(true, Ordering::SeqCst);
    let refused = station.get(&asked, &cookie).await;
    assert_problem(&refused, 500, "transcode-broken");
    assert!(String::from_utf8_lossy(&refused.body).contains("the decoder refuses"), "{refused:?}");
    station.transcoders.blind.store(false, Ordering::SeqCst);
    station.transcoders.dying.store(true, Ordering::SeqCst);
    assert_problem(&station.get(&asked, &cookie).await, 500, "transcode-broken");
    station.transcoders.dying.store(false, Ordering::SeqCst);
    assert_eq!(station.get(&asked, &cookie).await.status, 200, "and the next one is not hindered");
}

fn start() -> RecordingStart {
    let (utc, mono, sync) = (UtcNanos::from_ms(1000), MonoNanos(0), SyncState::Synchronised);
    RecordingStart { stream: stream(), format: format(), utc, mono, sync }
}

fn packet(number: i64, key: bool) -> Packet {
    Packet {
        stream: stream(),
        dts: Ticks90k(number * 3600),
        cts_offset: 0,
        utc: UtcNanos::from_ms(1000 + number * 40),
        mono: MonoNanos(0),
        key,
        lost_before: 0,
        data: Bytes::from(vec![number as u8; 100]),
    }
}

/// Waits until no program runs.
async fn all_ended(transcoders: &MemoryTranscoders) {
    let began = Instant::now();
    while transcoders.running.load(Ordering::SeqCst) > 0 {
        assert!(began.elapsed() < PATIENCE, "programs run on");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_pictures_of_now_are_encoded_and_older_ones_only_decoded() {
    let (hub, transcoders, places) = (LiveHub::new(), Arc::new(MemoryTranscoders::default()), Places::new(2));
    hub.begin(&start());
    (0..50).for_each(|number| hub.packet(packet(number, number == 0)));
    let place = places.for_live(&*transcoders).unwrap();
    let subscription = hub.subscribe(&live_grant(), stream()).unwrap();
    let mut viewer = TranscodedLive::start(transcoders.clone(), subscription, place);
    let Some(LiveItem::Transcoded(begun)) = viewer.next().await else { panic!("no format") };
    assert_eq!((begun.utc, begun.format.codec.dimensions()), (UtcNanos::from_ms(1000), Some((128, 96))));
    let Some(LiveItem::Packets { packets, .. }) = viewer.next().await else { panic!("no pictures") };
    let shown: Vec<i64> = packets.iter().map(|packet| packet.dts.0 / 3600).collect();
    assert_eq!(shown, (37..50).collect::<Vec<_>>(), "the last half second, at their own times");
    assert!(packets[0].key && packets[0].data[..] == [0, 0, 0, 2, 0x65, 0x88]);
    hub.packet(packet(50, false));
    let Some(LiveItem::Packets { packets, .. }) = viewer.next().await else { panic!("no pictures") };
    assert_eq!(packets[0].utc, UtcNanos::from_ms(1000 + 50 * 40));
    // Another recording begins anew: its first picture is a key frame with a description before it.
    hub.begin(&start());
    hub.packet(packet(0, true));
    let Some(LiveItem::Transcoded(_)) = viewer.next().await else { panic!("no format") };
    let Some(LiveItem::Packets { packets, .. }) = viewer.next().await else { panic!("no pictures") };
    assert!(packets[0].key && packets[0].dts == Ticks90k(0));
    drop(viewer);
    all_ended(&transcoders).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cap_is_of_the_whole_station_and_a_place_is_free_once_its_programs_have_ended() {
    let (hub, transcoders, places) = (LiveHub::new(), Arc::new(MemoryTranscoders::default()), Places::new(2));
    let follow = |place| {
        let subscription = hub.subscribe(&live_grant(), stream()).unwrap();
        TranscodedLive::start(transcoders.clone(), subscription, place)
    };
    let [first, _second] = [(); 2].map(|()| follow(places.for_live(&*transcoders).unwrap()));
    assert_eq!(places.for_live(&*transcoders).unwrap_err().why, Why::Full);
    drop(first);
    let began = Instant::now();
    while places.for_live(&*transcoders).is_err() {
        assert!(began.elapsed() < PATIENCE, "the place is not given back");
        tokio::task::yield_now().await;
    }
    transcoders.late.store(true, Ordering::SeqCst);
    assert_eq!(places.for_live(&*transcoders).unwrap_err().why, Why::Late);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_which_nothing_can_be_decoded_is_told_to_its_viewer() {
    let (hub, transcoders, places) = (LiveHub::new(), Arc::new(MemoryTranscoders::default()), Places::new(1));
    transcoders.blind.store(true, Ordering::SeqCst);
    hub.begin(&start());
    let place = places.for_live(&*transcoders).unwrap();
    let mut viewer = TranscodedLive::start(transcoders.clone(), hub.subscribe(&live_grant(), stream()).unwrap(), place);
    (0..200).for_each(|number| hub.packet(packet(number, number == 0)));
    let Some(LiveItem::Refused(refused)) = viewer.next().await else { panic!("it is not told") };
    assert_eq!((refused.why, refused.detail.as_str()), (Why::Broken, "the decoder refuses what the camera sends"));
    assert!(viewer.next().await.is_none());
    all_ended(&transcoders).await;
}
