//! Against a server that misbehaves on purpose.

use crate::support::{Recorded, SOON, Server, Tape, assert_contains, camera, footage};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use watchbook_base::clock::SystemClock;
use watchbook_base::{CameraId, GapReason, TrackRole};
use watchbook_capture::{Sink, Status, StreamState, Transport, spawn_camera};
use watchbook_media::{Packet, RecordingEnd, RecordingStart};

const MAIN: TrackRole = TrackRole::MainVideo;

pub fn bad_camera() -> Server {
    Server::start("bad_camera.py", &["--video", footage().join("sub.264").to_str().unwrap()])
}

pub fn record(server: &Server, fault: &str) -> Recorded {
    Recorded::start(camera(&format!("{}{fault}", server.url)))
}

/// Numbers of the sessions and of the damaged access units when the camera was last live.
pub fn live_counts(tape: &Tape) -> (u64, u64, u64) {
    let live = tape
        .states
        .iter()
        .rev()
        .find(|(_, state)| state.status == Status::Live)
        .map(|(_, state)| state)
        .expect("it was live");
    (live.sessions, live.damaged_access_units, live.lost_packets)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_has_its_reason_and_its_sentence() {
    let server = bad_camera();
    let faults = [
        ("hang-before", GapReason::CameraGone, "did not answer"),
        ("hang-setup", GapReason::CameraGone, "did not answer the set-up"),
        ("hang-play", GapReason::CameraSilent, "no picture for 5 s"),
        ("hang-later", GapReason::CameraSilent, "no picture for 5 s"),
        ("close-later", GapReason::CameraGone, "closed the connection"),
        ("no-video", GapReason::StreamUnusable, "offers no video"),
        ("jpeg", GapReason::StreamUnusable, "JPEG video, which cannot be stored"),
        ("no-parameters", GapReason::StreamUnusable, "no parameter sets"),
        ("all-broken", GapReason::StreamUnusable, "only damaged video"),
        ("huge-header", GapReason::CameraGone, "did not answer"),
        ("http", GapReason::StreamUnusable, "does not speak RTSP"),
        ("redirect", GapReason::StreamUnusable, "redirects to another address, which is refused"),
        ("status-404", GapReason::StreamUnusable, "no stream at this path"),
        ("status-454", GapReason::StreamUnusable, "no stream at this path"),
        ("status-403", GapReason::CameraDenied, "asks for a user name"),
        ("status-503", GapReason::CameraGone, "no room for another viewer"),
    ];
    let cameras = faults.map(|(fault, reason, part)| (record(&server, fault), reason, part));
    for (recorded, reason, part) in cameras {
        let tape = recorded.wait(&format!("{reason:?}"), |tape| tape.lost(reason).is_some());
        let state = tape.lost(reason).unwrap();
        assert_contains(&state.detail, part, &recorded.config.main.url);
        assert!(state.next_step.as_ref().is_some_and(|step| step.ends_with('.')));
        assert!(recorded.finish().await.ends(MAIN).contains(&reason));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_parameter_sets_come_from_does_not_matter() {
    let server = bad_camera();
    for recorded in ["good", "sdp-only", "band-only"].map(|fault| record(&server, fault)) {
        recorded.wait_packets(MAIN, 60);
        let tape = recorded.finish().await;
        assert_eq!(tape.ends(MAIN), [GapReason::Restart]);
        assert_eq!(live_counts(&tape), (1, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_dropped_and_counted_and_the_session_goes_on() {
    let server = bad_camera();
    for recorded in ["broken-nal", "lost", "huge-picture"].map(|fault| record(&server, fault)) {
        recorded.wait_packets(MAIN, 100);
        let tape = recorded.wait("a count of the damage", |tape| {
            tape.state().is_some_and(|state| state.status == Status::Live && state.damaged_access_units > 0)
        });
        let (sessions, _, lost) = live_counts(&tape);
        assert_eq!(sessions, 1, "{}", recorded.config.main.url);
        assert_eq!(lost > 0, recorded.config.main.url.as_str().ends_with("lost"));
        let tape = recorded.finish().await;
        assert_eq!(tape.ends(MAIN), [GapReason::Restart]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_a_session_is_followed_by_another_at_once() {
    let server = bad_camera();
    for recorded in ["cut-fu", "jump-back", "new-ssrc"].map(|fault| record(&server, fault)) {
        let tape = recorded.wait("a second recording", |tape| tape.begins(MAIN).len() >= 2);
        assert_eq!(tape.ends(MAIN), [GapReason::StreamUnusable]);
        let (before, after) = (tape.packets(MAIN)[0].utc, tape.begins(MAIN)[1].utc);
        assert!(after.nanos_since(before) < 5_000_000_000, "two seconds of pictures, then at once");
        recorded.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_of_rtp_time_is_a_new_recording_and_a_wrap_is_none() {
    let server = bad_camera();
    let (jump, wrap) = (record(&server, "time-jump"), record(&server, "wrap"));
    jump.wait("a second recording", |tape| tape.begins(MAIN).len() >= 2);
    let tape = jump.finish().await;
    assert_eq!(tape.ends(MAIN), [GapReason::ClockStep, GapReason::Restart]);
    let packets = tape.packets(MAIN);
    assert!(
        packets.windows(2).all(|pair| pair[1].utc.nanos_since(pair[0].utc) < 1_000_000_000),
        "UTC does not jump with the camera's clock"
    );
    wrap.wait_packets(MAIN, 100);
    let tape = wrap.finish().await;
    assert!(tape.packets(MAIN).windows(2).all(|pair| pair[1].dts.0 - pair[0].dts.0 == 3600));
    assert_eq!(tape.ends(MAIN), [GapReason::Restart]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_cannot_be_is_refused_in_words() {
    let server = bad_camera();
    let mut config = camera(&format!("{}port-65535", server.url));
    config.main.transport = Transport::Udp;
    let recorded = Recorded::start(config);
    let tape = recorded.wait("a failure", |tape| tape.is(Status::Lost));
    let state = tape.lost(GapReason::StreamUnusable).unwrap();
    assert_contains(&state.detail, "cannot be understood", &state);
    recorded.finish().await;
}

/// Panics at its first packet, as a fault anywhere in the reader would.
#[derive(Default)]
struct Fragile {
    packets: AtomicU64,
    lost: AtomicU64,
}

impl Sink for Fragile {
    fn begin(&self, _: &RecordingStart) {}
    fn packet(&self, _: Packet) {
        assert!(self.packets.fetch_add(1, Ordering::SeqCst) > 0, "the first packet is too much");
    }
    fn end(&self, _: &RecordingEnd) {}
    fn state(&self, _: CameraId, _: TrackRole, state: StreamState) {
        if state.detail.is_some_and(|detail| detail.contains("makes the reader fail")) {
            self.lost.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn wait_for_packets(sink: &Fragile, count: u64) {
    let deadline = Instant::now() + SOON;
    while sink.packets.load(Ordering::SeqCst) < count {
        assert!(Instant::now() < deadline, "it did not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_a_session_and_not_the_camera() {
    let server = bad_camera();
    let sink = Arc::new(Fragile::default());
    let handle = spawn_camera(camera(&format!("{}good", server.url)), sink.clone(), Arc::new(SystemClock));
    wait_for_packets(&sink, 50).await;
    assert_eq!(sink.lost.load(Ordering::SeqCst), 1);
    handle.stop(GapReason::Restart).await;
}
