//! Cameras that send JPEG over HTTP: the muxers of ffmpeg and GStreamer, and a server that does what cameras do and what they should not.

use crate::support::{Recorded, Server, assert_contains, camera, password};
use crate::tls::told_by_openssl;
use std::time::{Duration, Instant};
use watchbook_base::clock::{Clock as _, SystemClock};
use watchbook_base::time::NANOS_PER_MS;
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
    let begun = SystemClock.utc();
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
        // Arrival time is media time, and no server is ahead of its rate by more than what ffmpeg sends at once, half a second, however busy the machine is.
        assert!(packets.windows(2).all(|pair| pair[0].dts < pair[1].dts), "{path}");
        let passed_ms = packets[25].utc.nanos_since(begun) / NANOS_PER_MS;
        assert!(passed_ms >= 20 * interval_ms - 500, "{path}: 26 pictures in {passed_ms} ms");
        assert!(packets[25].utc <= SystemClock.utc(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_picture_after_the_other_is_asked_for_at_the_interval() {
    let server = http_camera();
    for path in ["snapshot", "basic/snapshot", "digest/snapshot"] {
        let mut config = at(&server, path);
        config.main.interval_ms = 200;
        let begun = Instant::now();
        let recorded = Recorded::start(config);
        recorded.wait_packets(MAIN, 12);
        let passed = begun.elapsed();
        assert_eq!(recorded.finish().await.ends(MAIN), [GapReason::Restart], "{path}");
        assert!(passed >= 11 * Duration::from_millis(200), "{path}: eleven intervals in {passed:?}");
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
    let size = Recorded::start(at(&server, "size-once"));
    for lengths in ["wrong-lengths", "huge-lengths"].map(|path| Recorded::start(at(&server, path))) {
        lengths.wait_packets(MAIN, 60);
        let tape = lengths.finish().await;
        assert_eq!(tape.ends(MAIN), [GapReason::Restart]);
        let live = tape.states.iter().map(|(_, state)| state).rfind(|state| state.status == Status::Live).unwrap();
        assert_eq!((live.sessions, live.damaged_access_units), (1, 0));
    }

    size.wait("a second recording", |tape| tape.begins(MAIN).len() >= 2);
    let tape = size.finish().await;
    assert_eq!(tape.ends(MAIN)[0], GapReason::FormatChange);
    assert_eq!(tape.begins(MAIN)[1].format.codec, Codec::Mjpeg { width: 320, height: 180 });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_camera_is_asked_nothing_before_its_certificate_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start("http_camera.py", &["--tls", folder.path().to_str().unwrap()]);
    assert!(server.url.starts_with("https://"));
    let failure = probe(&at(&server, "basic/snapshot"), LOOK).await.main.unwrap_err();
    let shown = told_by_openssl(&folder);
    assert_eq!((failure.reason, failure.certificate), (GapReason::CameraUntrusted, Some(shown)), "{failure}");
    assert!(!server.log().contains("GET"), "{}", server.log());
    for path in ["basic/snapshot", "digest/stream"] {
        let mut config = at(&server, path);
        config.certificate = Some(shown);
        let recorded = Recorded::start(config);
        recorded.wait_packets(MAIN, 5);
        assert_eq!(recorded.finish().await.ends(MAIN), [GapReason::Restart], "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_that_is_too_old_is_said_with_what_is_to_be_done() {
    for (option, reason, said, step) in [
        ("--old", GapReason::StreamUnusable, "only versions of TLS that are broken", "Switch TLS 1.2 or newer on"),
        ("--x509-v1", GapReason::CameraUntrusted, "is of version 1 of X.509", "one of version 3"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start("http_camera.py", &["--tls", folder.path().to_str().unwrap(), option]);
        let mut config = at(&server, "snapshot");
        for pin in [None, Some(told_by_openssl(&folder))] {
            config.certificate = pin;
            let failure = probe(&config, LOOK).await.main.unwrap_err();
            assert_eq!((failure.reason, failure.certificate), (reason, None), "{failure}");
            assert!(failure.detail.contains(said), "{failure}");
            assert!(failure.next_step.contains(step) && failure.next_step.contains("its http:// address"), "{failure}");
        }
        assert!(!server.log().contains("GET"), "{}", server.log());
    }
}
