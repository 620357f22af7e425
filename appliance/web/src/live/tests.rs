use super::*;
use crate::live::socket::Muxer;
use axum::extract::ws::Message;
use bytes::Bytes;
use futures::StreamExt;
use proptest::prelude::*;
use watchbook_access::{Action, AuditEntry, AuditError, AuditLog, Role, Subject};
use watchbook_base::{CameraId, MonoNanos, SyncState, Ticks90k, TrackRole, UtcNanos};
use watchbook_media::{Codec, TrackFormat};

struct AnyLog;

impl AuditLog for AnyLog {
    fn append(&self, _entry: &AuditEntry) -> Result<u64, AuditError> {
        Ok(0)
    }
}

pub(crate) fn camera() -> CameraId {
    CameraId::new(3).unwrap()
}

pub(crate) fn stream() -> StreamId {
    camera().stream(TrackRole::MainVideo)
}

fn grant(action: Action) -> Grant {
    let subject = Subject::new(1, Role::ALL.into_iter().collect(), None);
    watchbook_access::open(&subject, action, &AnyLog).unwrap()
}

pub(crate) fn live_grant() -> Grant {
    grant(Action::Live { camera: camera() })
}

fn start_of(stream: StreamId) -> RecordingStart {
    let config = Bytes::from_static(&[1, 0x64, 0, 0x1F, 0xFF, 0xE1, 0, 4, 0x67, 0x64, 0, 0x1F, 1, 0, 2, 0x68, 0xEE]);
    let format = TrackFormat { codec: Codec::H264 { width: 640, height: 360 }, config };
    RecordingStart { stream, format, utc: UtcNanos(0), mono: MonoNanos(0), sync: SyncState::Unknown }
}

fn packet_of(stream: StreamId, number: i64, key: bool, bytes: usize) -> Packet {
    let dts = Ticks90k(number * 3600);
    Packet {
        stream,
        dts,
        cts_offset: 0,
        utc: UtcNanos(0),
        mono: MonoNanos(0),
        key,
        lost_before: 0,
        data: Bytes::from(vec![0; bytes]),
    }
}

fn packet(number: i64, key: bool, bytes: usize) -> Packet {
    packet_of(stream(), number, key, bytes)
}

fn drain(subscription: &Subscription) -> Vec<LiveItem> {
    std::iter::from_fn(|| subscription.viewer.pop()).collect()
}

fn packets_of(item: &LiveItem) -> Vec<Packet> {
    if let LiveItem::Packets { packets, .. } = item { packets.clone() } else { Vec::new() }
}

fn packets(items: &[LiveItem]) -> Vec<Packet> {
    items.iter().flat_map(packets_of).collect()
}

#[test]
fn a_late_joiner_gets_state_format_and_the_current_gop_first() {
    let hub = LiveHub::new();
    hub.begin(&start_of(stream()));
    hub.state(stream(), StreamState::bare(crate::api::StreamStatus::Live, 7));
    for number in 0..14 {
        hub.packet(packet(number, number % 5 == 0, 100));
    }
    let items = drain(&hub.subscribe(&live_grant(), stream()).unwrap());
    assert!(matches!(items[0], LiveItem::State(_)) && matches!(items[1], LiveItem::Format(_)), "{items:?}");
    let numbers: Vec<i64> = packets(&items).iter().map(|packet| packet.dts.0 / 3600).collect();
    assert_eq!(numbers, [10, 11, 12, 13]);
}

#[test]
fn a_slow_viewer_skips_to_a_key_frame_and_is_told_while_a_fast_one_loses_nothing() {
    let hub = LiveHub::new();
    hub.begin(&start_of(stream()));
    let (slow, fast) =
        (hub.subscribe(&live_grant(), stream()).unwrap(), hub.subscribe(&live_grant(), stream()).unwrap());
    let mut got = 0;
    let size = 1 << 20;
    for number in 0..65 {
        hub.packet(packet(number, number % 10 == 0, size));
        got += packets(&drain(&fast)).len();
        assert!(slow.waiting_bytes() <= VIEWER_BYTES_MAX);
    }
    assert_eq!(got, 65);
    let items = drain(&slow);
    let Some(LiveItem::Skipped(skipped)) = items.iter().find(|item| matches!(item, LiveItem::Skipped(_))) else {
        panic!("{items:?}")
    };
    let kept = packets(&items);
    assert!(kept[0].key, "what follows a skip starts with a key frame");
    assert_eq!(*skipped + kept.len() as u64, 65, "each picture is either sent or counted");
    assert_eq!(hub.counts(), (2, *skipped));
}

#[test]
fn a_new_recording_comes_with_its_format_and_a_key_frame() {
    let hub = LiveHub::new();
    hub.begin(&start_of(stream()));
    let viewer = hub.subscribe(&live_grant(), stream()).unwrap();
    hub.packet(packet(0, true, 10));
    hub.end(&RecordingEnd { stream: stream(), utc: UtcNanos(0), reason: GapReason::CameraGone });
    let items = drain(&viewer);
    assert!(matches!(items.last(), Some(LiveItem::Ended(GapReason::CameraGone))), "{items:?}");
    hub.packet(packet(1, true, 10));
    assert!(drain(&viewer).is_empty(), "between recordings nothing is live");
    hub.begin(&start_of(stream()));
    hub.packet(packet(0, false, 10));
    hub.packet(packet(1, true, 10));
    let items = drain(&viewer);
    assert!(matches!(items[0], LiveItem::Format(_)));
    assert_eq!(packets(&items).len(), 1, "the picture before the key frame cannot be decoded");
}

#[test]
fn grants_for_something_else_open_nothing() {
    let hub = LiveHub::new();
    let other = CameraId::new(4).unwrap();
    for wrong in
        [grant(Action::ReadConfig), grant(Action::Timeline { camera: camera() }), grant(Action::Live { camera: other })]
    {
        assert_eq!(hub.subscribe(&wrong, stream()).unwrap_err().kind, Kind::Denied);
    }
    assert_eq!(hub.subscribe(&live_grant(), camera().stream(TrackRole::MainAudio)).unwrap_err().kind, Kind::Denied);
}

#[test]
fn viewers_are_bounded_and_leaving_makes_room() {
    let hub = LiveHub::new();
    let mut viewers: Vec<_> = (0..VIEWERS_MAX).map(|_| hub.subscribe(&live_grant(), stream()).unwrap()).collect();
    assert_eq!(hub.subscribe(&live_grant(), stream()).unwrap_err().kind, Kind::Exhausted);
    viewers.pop();
    drop(hub.subscribe(&live_grant(), stream()).unwrap());
    assert_eq!(hub.counts().0, VIEWERS_MAX as u64 - 1);
}

#[tokio::test]
async fn a_waiting_viewer_wakes_and_a_removed_camera_lets_it_go() {
    let hub = Arc::new(LiveHub::new());
    hub.begin(&start_of(stream()));
    let mut viewer = hub.subscribe(&live_grant(), stream()).unwrap();
    assert!(matches!(viewer.next().await, Some(LiveItem::Format(_))));
    let waiting = tokio::spawn(async move {
        let first = viewer.next().await;
        (first, viewer.next().await)
    });
    tokio::task::yield_now().await;
    hub.packet(packet(0, true, 10));
    tokio::task::yield_now().await;
    hub.remove(camera());
    let (first, second) = waiting.await.unwrap();
    assert!(matches!(first, Some(LiveItem::Packets { .. })) && second.is_none());
}

proptest! {
    #[test]
    fn memory_stays_within_its_bounds(steps in proptest::collection::vec((0_u32..40, any::<bool>(), 1_usize..4 << 20), 1..200)) {
        let hub = LiveHub::new();
        let stream = |number: u32| CameraId::new(number + 1).unwrap().stream(TrackRole::MainVideo);
        (0..40).for_each(|number| hub.begin(&start_of(stream(number))));
        for (index, (camera, key, bytes)) in steps.into_iter().enumerate() {
            // One buffer for all: what is counted is what would be held.
            hub.packet(packet_of(stream(camera), index as i64, key, bytes.min(1 << 16)));
            prop_assert!(hub.cached_bytes() <= GOP_BYTES_TOTAL_MAX);
        }
        (0..40).for_each(|number| hub.remove(CameraId::new(number + 1).unwrap()));
        prop_assert_eq!(hub.cached_bytes(), 0);
    }
}

#[test]
fn a_gop_that_outgrows_its_bound_is_given_up_until_the_next_key_frame() {
    let hub = LiveHub::new();
    hub.begin(&start_of(stream()));
    for number in 0..10 {
        hub.packet(packet(number, number == 0, 1 << 20));
        assert!(hub.cached_bytes() <= GOP_BYTES_MAX);
    }
    assert_eq!(hub.cached_bytes(), 0);
    assert!(packets(&drain(&hub.subscribe(&live_grant(), stream()).unwrap())).is_empty());
    hub.packet(packet(10, true, 1000));
    assert_eq!(hub.cached_bytes(), 1000);
}

#[test]
fn large_gops_go_in_several_messages_that_hold_every_byte() {
    let hub = LiveHub::new();
    hub.begin(&start_of(stream()));
    (0..20).for_each(|number| hub.packet(packet(number, number == 0, 300_000)));
    let viewer = hub.subscribe(&live_grant(), stream()).unwrap();
    let mut muxer = Muxer::default();
    let mut sizes = Vec::new();
    while let Some(item) = viewer.viewer.pop() {
        for message in muxer.messages(item).unwrap() {
            sizes.extend(if let Message::Binary(bytes) = message { Some(bytes.len()) } else { None });
        }
    }
    let pictures = sizes.split_off(1);
    assert!(pictures.len() > 3 && pictures.iter().all(|size| *size < (1 << 20) + 10_000), "{pictures:?}");
    assert!((6_000_000..6_010_000).contains(&pictures.iter().sum::<usize>()), "{pictures:?}");
}

#[test]
fn a_viewer_takes_one_message_and_the_rest_goes_on_waiting() {
    let hub = LiveHub::new();
    hub.begin(&start_of(stream()));
    let viewer = hub.subscribe(&live_grant(), stream()).unwrap();
    (0..7).for_each(|number| hub.packet(packet(number, number == 0, 1 << 20)));
    assert!(matches!(viewer.viewer.pop(), Some(LiveItem::Format(_))));
    let Some(LiveItem::Packets { packets, next_dts }) = viewer.viewer.pop() else { panic!("no packets") };
    assert_eq!((packets.len(), next_dts), (1, Some(Ticks90k(3600))), "the duration of the last is known all the same");
    assert_eq!(viewer.waiting_bytes(), 6 << 20);
    // A viewer that takes too little is still told what it lost.
    (7..30).for_each(|number| hub.packet(packet(number, number % 7 == 0, 1 << 20)));
    assert!(viewer.waiting_bytes() <= VIEWER_BYTES_MAX);
    assert!(matches!(viewer.viewer.pop(), Some(LiveItem::Skipped(1..))));
    // Small pictures are bounded by their number, and one that is larger than a message goes alone.
    hub.begin(&start_of(stream()));
    (0..300).for_each(|number| hub.packet(packet(number, number == 0, 0)));
    hub.packet(packet(300, true, 3 << 20));
    let counts: Vec<usize> = drain(&viewer).iter().map(|item| packets_of(item).len()).collect();
    assert_eq!(counts, [0, MESSAGE_SAMPLES, 44, 1]);
}

#[tokio::test]
async fn an_ended_session_gets_no_message_more_of_what_waits() {
    let hub = LiveHub::new();
    hub.begin(&start_of(stream()));
    (0..8).for_each(|number| hub.packet(packet(number, number == 0, 1 << 20)));
    let viewer = hub.subscribe(&live_grant(), stream()).unwrap();
    let (to, sent) = futures::channel::mpsc::unbounded();
    let silent = futures::stream::pending::<Result<Message, ()>>();
    let asked = AtomicUsize::new(0);
    // Format, head, and one message of pictures; perhaps a ping.
    let still_allowed = || asked.fetch_add(1, Ordering::Relaxed) < 4;
    socket::run_on(to, silent, socket::Followed::Recorded(viewer), still_allowed).await;
    let messages: Vec<Message> = sent.collect().await;
    assert_eq!(messages.len(), 5, "{} messages", messages.len());
    let Some(Message::Close(Some(frame))) = messages.last() else { panic!("no close") };
    assert_eq!(frame.reason.as_str(), "the session has ended");
}
