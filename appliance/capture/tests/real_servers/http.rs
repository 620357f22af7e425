//! Cameras that send JPEG over HTTP: the muxers of ffmpeg and GStreamer, and a server that does what cameras do and what they should not.

use crate::support::{Recorded, Server, assert_contains, camera, password};
use std::time::Duration;
use watchbook_base::{GapReason, TrackRole};
use watchbook_capture::{CameraConfig, Status, probe};
use watchbook_media::{Codec, mjpeg};

const MAIN: TrackRole = TrackRole::MainVideo;
const LOOK: Duration = Duration::from_secs(20);

fn http_camera() -> Server {
    Server::start("http_camera.py", &[])
}

fn at(server: &Server, path: &str) -> CameraConfig {
    let mut config = camera(&format!("{}{path}", server.url));
    if path.starts_with("basic") || path.starts_with("digest") {
        config.credentials = password("guard", "night watch");
    }
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_real_muxers_are_recorded_picture_by_picture() {
    let server = http_camera();
    let cameras = [
        ("ffmpeg", (320, 180), 100),
        ("gstreamer", (320, 180), 100),
        ("stream", (160, 90), 40),
        ("no-length", (160, 90), 40),
    ]
    .map(|(path, size, interval_ms)| (path, size, interval_ms, Recorded::start(at(&server, path))));
    for (path, (width, height), interval_ms, recorded) in cameras {
        recorded.wait_packets(MAIN, 30);
        let tape = recorded.finish().await;
        assert_eq!(tape.ends(MAIN), [GapReason::Restart], "{path}");
        assert_eq!(tape.begins(MAIN)[0].format.codec, Codec::Mjpeg { width, height });
        let packets = tape.packets(MAIN);
        assert!(packets.iter().all(|packet| packet.key && packet.cts_offset == 0));
        for packet in &packets {
            let picture = mjpeg::check(&packet.data).unwrap();
            assert_eq!((picture.width, picture.height, picture.len), (width, height, packet.data.len()));
        }
        assert!(packets.windows(2).all(|pair| pair[0].data != pair[1].data), "{path}: a picture came twice");
        // Arrival time is media time: over 20 pictures it is theirs, give or take what a busy machine adds.
        let span_ms = packets[25].utc.nanos_since(packets[5].utc) / 1_000_000;
        assert!((10 * interval_ms..60 * interval_ms).contains(&span_ms), "{path}: 20 pictures in {span_ms} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_picture_after_the_other_is_asked_for_at_the_interval() {
    let server = http_camera();
    for path in ["snapshot", "basic/snapshot", "digest/snapshot"] {
        let mut config = at(&server, path);
        config.main.interval_ms = 200;
        let recorded = Recorded::start(config);
        recorded.wait_packets(MAIN, 12);
        let tape = recorded.finish().await;
        assert_eq!(tape.ends(MAIN), [GapReason::Restart], "{path}");
        let packets = tape.packets(MAIN);
        let span_ms = packets[11].utc.nanos_since(packets[1].utc) / 1_000_000;
        assert!(span_ms >= 1_900, "{path}: ten intervals in {span_ms} ms");
    }
    assert!(server.log().contains("GET /digest/snapshot HTTP/1.1 Digest"), "{}", server.log());
    assert!(
        !server.log().contains("GET /digest/snapshot HTTP/1.1 Basic"),
        "the password itself is sent to nobody who offers better"
    );
    assert!(!server.log().contains("GET /snapshot HTTP/1.1 Basic"), "no password before it is asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_a_stream_and_a_wrong_one_is_said() {
    let server = http_camera();
    for path in ["basic/stream", "digest/stream"] {
        let recorded = Recorded::start(at(&server, path));
        recorded.wait_packets(MAIN, 10);
        assert_eq!(recorded.finish().await.ends(MAIN), [GapReason::Restart], "{path}");
        let mut wrong = at(&server, path);
        wrong.credentials = password("guard", "day watch");
        let failure = probe(&wrong, LOOK).await.main.unwrap_err();
        assert_eq!(failure.reason, GapReason::CameraDenied, "{path}: {failure}");
        wrong.credentials = None;
        let failure = probe(&wrong, LOOK).await.main.unwrap_err();
        assert!(failure.detail.contains("asks for a user name"), "{path}: {failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_says_whether_pictures_move() {
    let server = http_camera();
    let stream = probe(&at(&server, "stream"), LOOK).await.main.unwrap();
    assert_eq!((stream.format.codec_string.as_str(), stream.format.width, stream.interval_ms), ("mp4v.6C", 160, None));
    let still = probe(&at(&server, "snapshot"), LOOK).await.main.unwrap();
    assert_eq!((still.format.height, still.interval_ms), (90, Some(1_000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_has_its_reason_and_its_sentence() {
    let server = http_camera();
    let faults = [
        ("hang", GapReason::CameraGone, "did not answer a request for its pictures"),
        ("silent", GapReason::CameraSilent, "no picture for 5 s"),
        ("close-later", GapReason::CameraGone, "closed the connection"),
        ("endless-part", GapReason::StreamUnusable, "only damaged"),
        ("endless-header", GapReason::StreamUnusable, "longer than 8 KiB"),
        ("endless-head", GapReason::StreamUnusable, "does not speak HTTP"),
        ("cut", GapReason::StreamUnusable, "only damaged pictures"),
        ("html", GapReason::StreamUnusable, "a page instead of pictures"),
        ("html-parts", GapReason::StreamUnusable, "only damaged pictures"),
        ("garbage", GapReason::StreamUnusable, "does not speak HTTP"),
        ("redirect", GapReason::StreamUnusable, "redirects to another address, which is refused"),
        ("status-404", GapReason::StreamUnusable, "no stream at this path"),
        ("status-503", GapReason::CameraGone, "no room for another viewer"),
        ("sizes", GapReason::StreamUnusable, "changes the size of its pictures"),
        ("huge", GapReason::StreamUnusable, "sends a picture of more than"),
        ("slow-snapshot", GapReason::CameraGone, "did not answer a request for a picture"),
    ];
    let cameras = faults.map(|(path, reason, part)| (Recorded::start(at(&server, path)), reason, part));
    for (recorded, reason, part) in cameras {
        let url = recorded.config.main.url.clone();
        let said =
            |state: &watchbook_capture::StreamState| state.detail.as_ref().is_some_and(|detail| detail.contains(part));
        let tape = recorded.wait(&format!("{reason:?} with {part:?}"), |tape| tape.lost(reason).is_some_and(said));
        let state = tape.lost(reason).unwrap();
        assert_contains(&state.detail, part, &url);
        assert!(state.next_step.as_ref().is_some_and(|step| step.ends_with('.')));
        assert!(recorded.finish().await.ends(MAIN).contains(&reason), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_lengths_cost_nothing_and_another_size_is_another_recording() {
    let server = http_camera();
    let (lengths, size) = (Recorded::start(at(&server, "wrong-lengths")), Recorded::start(at(&server, "size-once")));
    lengths.wait_packets(MAIN, 60);
    let tape = lengths.finish().await;
    assert_eq!(tape.ends(MAIN), [GapReason::Restart]);
    let live = tape.states.iter().map(|(_, state)| state).rfind(|state| state.status == Status::Live).unwrap();
    assert_eq!((live.sessions, live.damaged_access_units), (1, 0));

    size.wait("a second recording", |tape| tape.begins(MAIN).len() >= 2);
    let tape = size.finish().await;
    assert_eq!(tape.ends(MAIN)[0], GapReason::FormatChange);
    assert_eq!(tape.begins(MAIN)[1].format.codec, Codec::Mjpeg { width: 320, height: 180 });
}
