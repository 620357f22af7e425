//! Against GStreamer's RTSP server.

use crate::support::{Recorded, SOON, Server, Tape, assert_contains, camera, password, source};
use watchbook_base::{GapReason, TrackRole};
use watchbook_capture::{Status, Transport, probe, probe_with_picture};
use watchbook_media::Codec;

const MAIN: TrackRole = TrackRole::MainVideo;

/// The pictures came at the camera's 25 a second, UTC follows arrival, and nothing was lost.
fn check_timing(tape: &Tape) {
    let packets = tape.packets(MAIN);
    let start = tape.begins(MAIN)[0];
    for pair in packets.windows(2) {
        assert_eq!(pair[1].dts.0 - pair[0].dts.0, 3600, "media time is the camera's");
        assert!(pair[1].utc > pair[0].utc);
    }
    for packet in &packets {
        let late_ns = packet.mono.nanos_since(start.mono).cast_signed() - packet.dts.as_nanos();
        assert!(late_ns.abs() < 2_000_000_000, "{late_ns} ns between media time and arrival");
        assert_eq!(packet.cts_offset, 0);
    }
    assert_eq!(
        packets.iter().filter(|packet| packet.key).count(),
        packets.len().div_ceil(50),
        "a key frame every two seconds"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn main_and_sub_stream_are_recorded_as_they_are() {
    let server = Server::gstreamer(&[]);
    let mut config = camera(&format!("{}main", server.url));
    config.sub = Some(source(&format!("{}sub", server.url), Transport::Udp));
    let recorded = Recorded::start(config);
    recorded.wait_packets(TrackRole::SubVideo, 30);
    let tape = recorded.wait("a frame rate and the camera's clock", |tape| {
        tape.state().is_some_and(|state| state.fps > 0.0 && state.clock_offset_ms.is_some())
    });
    let offset_ms = tape.state().and_then(|state| state.clock_offset_ms).unwrap();
    assert!(offset_ms.abs() < 2_000, "camera and recorder share a clock here, yet they are {offset_ms} ms apart");
    let tape = recorded.finish().await;
    check_timing(&tape);
    assert!(matches!(tape.begins(MAIN)[0].format.codec, Codec::H264 { width: 1280, height: 720 }));
    assert!(matches!(tape.begins(TrackRole::SubVideo)[0].format.codec, Codec::H264 { width: 640, height: 360 }));
    assert_eq!(tape.begins(MAIN)[0].format.config[0], 1, "avcC, version 1");
    assert_eq!((tape.ends(MAIN), tape.ends(TrackRole::SubVideo)), (vec![GapReason::Restart], vec![GapReason::Restart]));
    let live = tape
        .states
        .iter()
        .rev()
        .find(|(role, state)| *role == MAIN && state.fps > 0.0)
        .map(|(_, state)| state)
        .unwrap();
    assert!((20.0..30.0).contains(&live.fps) && (500_000..8_000_000).contains(&live.bitrate_bps), "{live:?}");
    assert_eq!((live.lost_packets, live.damaged_access_units, live.sessions), (0, 0, 1));
    let format = live.format.as_ref().unwrap();
    assert!(format.codec_string.starts_with("avc1.4D"), "{format:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn h265_over_udp_with_a_password() {
    let server = Server::gstreamer(&["--user", "guard", "--password", "night watch"]);
    let mut config = camera(&format!("{}hevc", server.url));
    config.main.transport = Transport::Udp;
    config.credentials = password("guard", "night watch");
    let recorded = Recorded::start(config);
    recorded.wait_packets(MAIN, 75);
    let tape = recorded.finish().await;
    assert!(matches!(tape.begins(MAIN)[0].format.codec, Codec::H265 { width: 640, height: 360 }));
    check_timing(&tape);
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_is_recorded_when_asked_for() {
    for (kind, codec, frame_ticks) in [
        ("aac", Codec::Aac { sample_rate_hz: 44_100, channels: 1 }, 2089),
        ("pcmu", Codec::Pcmu { sample_rate_hz: 8_000, channels: 1 }, 1800),
        ("pcma", Codec::Pcma { sample_rate_hz: 8_000, channels: 1 }, 1800),
    ] {
        let server = Server::gstreamer(&["--audio", kind]);
        let mut config = camera(&format!("{}main", server.url));
        config.record_audio = true;
        let recorded = Recorded::start(config.clone());
        recorded.wait_packets(TrackRole::MainAudio, 60);
        let tape = recorded.finish().await;
        check_timing(&tape);
        let start = tape.begins(TrackRole::MainAudio)[0];
        assert_eq!((start.format.codec, start.format.config.is_empty()), (codec, kind != "aac"));
        for pair in tape.packets(TrackRole::MainAudio).windows(2) {
            let step = pair[1].dts.0 - pair[0].dts.0;
            assert!((frame_ticks..=frame_ticks + 1).contains(&step), "{kind}: {step} ticks");
        }
        let (picture, sound) = (tape.packets(MAIN)[30], tape.packets(TrackRole::MainAudio)[30]);
        let apart = (picture.utc.nanos_since(tape.begins(MAIN)[0].utc) - 1_200_000_000).abs();
        assert!(apart < 50_000_000 && sound.utc > start.utc);
        assert_eq!(tape.ends(TrackRole::MainAudio), [GapReason::Restart]);

        let report = probe(&config, SOON).await;
        assert_eq!(report.main.unwrap().audio, Some(codec));
        config.record_audio = false;
        let silent = Recorded::start(config);
        silent.wait_packets(MAIN, 30);
        assert!(silent.finish().await.packets(TrackRole::MainAudio).is_empty(), "no sound unless asked for");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_and_the_right_one_heals_it() {
    let server = Server::gstreamer(&["--user", "guard", "--password", "right"]);
    let mut recorded = Recorded::start(camera(&format!("{}main", server.url)));
    let tape = recorded.wait("a demand for a password", |tape| tape.lost(GapReason::CameraDenied).is_some());
    assert_contains(&tape.state().unwrap().detail, "asks for a user name and password", &tape.state());
    recorded.reconfigure(|config| config.credentials = password("guard", "wr0ng-secret"));
    recorded.wait("a refusal", |tape| {
        tape.state()
            .is_some_and(|state| state.detail.as_ref().is_some_and(|detail| detail.contains("refuses the user name")))
    });
    recorded.reconfigure(|config| config.credentials = password("guard", "right"));
    recorded.wait("pictures", |tape| tape.is(Status::Live));
    let tape = recorded.finish().await;
    assert!(!format!("{:?}", tape.states).contains("wr0ng-secret"));
    assert_eq!(tape.ends(MAIN)[0], GapReason::CameraDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_resolution_is_a_new_recording_in_the_same_session() {
    let mut server = Server::gstreamer(&[]);
    let recorded = Recorded::start(camera(&format!("{}main", server.url)));
    recorded.wait_packets(MAIN, 25);
    server.say("resolution 640x480");
    recorded.wait("pictures in the new size", |tape| tape.begins(MAIN).len() == 2);
    let tape = recorded.finish().await;
    assert!(matches!(tape.begins(MAIN)[1].format.codec, Codec::H264 { width: 640, height: 480 }));
    assert_eq!(tape.ends(MAIN), [GapReason::FormatChange, GapReason::Restart]);
    let state =
        tape.states.iter().rev().find(|(_, state)| state.status == Status::Live).map(|(_, state)| state).unwrap();
    assert_eq!((state.sessions, state.damaged_access_units), (1, 0));
    assert_eq!(state.format.as_ref().map(|format| (format.width, format.height)), Some((640, 480)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_camera_is_given_up_and_comes_back() {
    let mut server = Server::gstreamer(&[]);
    let recorded = Recorded::start(camera(&format!("{}main", server.url)));
    recorded.wait_packets(MAIN, 25);
    server.say("silence");
    let tape = recorded.wait("silence", |tape| tape.lost(GapReason::CameraSilent).is_some());
    assert_contains(&tape.lost(GapReason::CameraSilent).unwrap().detail, "no picture for 5 s", &tape.state());
    server.say("resume");
    recorded.wait("pictures", |tape| tape.is(Status::Live));
    assert_eq!(recorded.finish().await.ends(MAIN)[0], GapReason::CameraSilent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_goes_away_leaves_a_gap_and_comes_back() {
    let server = Server::gstreamer(&[]);
    let port = server.port().to_owned();
    let recorded = Recorded::start(camera(&format!("{}main", server.url)));
    recorded.wait_packets(MAIN, 25);
    drop(server);
    let tape = recorded.wait("its loss", |tape| tape.lost(GapReason::CameraGone).is_some());
    assert!(tape.lost(GapReason::CameraGone).unwrap().next_step.is_some());
    let _server = Server::gstreamer(&["--port", &port]);
    recorded.wait("pictures", |tape| tape.is(Status::Live));
    let tape = recorded.finish().await;
    assert_eq!(tape.ends(MAIN), [GapReason::CameraGone, GapReason::Restart]);
    let (before, after) = (tape.packets(MAIN)[0], tape.begins(MAIN)[1]);
    assert!(after.utc > before.utc);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_is_opened_again_within_a_second() {
    let mut server = Server::gstreamer(&[]);
    let recorded = Recorded::start(camera(&format!("{}main", server.url)));
    recorded.wait_packets(MAIN, 25);
    server.say("drop");
    recorded.wait("a second recording", |tape| tape.begins(MAIN).len() == 2);
    let tape = recorded.finish().await;
    assert_eq!(tape.ends(MAIN)[0], GapReason::CameraGone);
    let lost = tape.lost(GapReason::CameraGone).unwrap();
    // The pause, the new session, and the wait for a key frame.
    let away_ns = tape.begins(MAIN)[1].utc.nanos_since(lost.since);
    assert!(away_ns < 3_500_000_000, "{away_ns}");
    let live: Vec<_> = tape.states.iter().filter(|(_, state)| state.status == Status::Live).collect();
    assert_eq!(live.last().map(|(_, state)| state.sessions), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_sub_stream_does_not_interrupt_the_main_one() {
    let server = Server::gstreamer(&[]);
    let mut recorded = Recorded::start(camera(&format!("{}main", server.url)));
    recorded.wait_packets(MAIN, 25);
    let sub = format!("{}sub", server.url);
    recorded.reconfigure(|config| config.sub = Some(source(&sub, Transport::Tcp)));
    recorded.wait_packets(TrackRole::SubVideo, 10);
    recorded.reconfigure(|config| config.sub = None);
    recorded.wait("the end of the sub stream", |tape| tape.ends(TrackRole::SubVideo) == [GapReason::Configuration]);
    let tape = recorded.finish().await;
    assert_eq!(tape.ends(MAIN), [GapReason::Restart]);
    check_timing(&tape);
}

/// NAL type 5 of H.264 is a picture that decodes alone; lengths of four bytes come before each NAL.
fn has_idr(mut unit: &[u8]) -> bool {
    while let Some((length, rest)) = unit.split_first_chunk::<4>() {
        let (nal, after) = rest.split_at(u32::from_be_bytes(*length) as usize);
        if nal[0] & 31 == 5 {
            return true;
        }
        unit = after;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_a_camera_that_is_tried_decodes_alone() {
    let server = Server::gstreamer(&[]);
    let config = camera(&format!("{}main", server.url));
    // The second look comes in the midst of what the camera shares among its viewers.
    for _ in 0..2 {
        let picture = probe_with_picture(&config, SOON).await.main.unwrap().picture.unwrap();
        assert!(has_idr(&picture.data));
    }
    assert_eq!(probe(&config, SOON).await.main.unwrap().picture, None, "nobody asked for one");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_test_button_says_what_is_there_and_what_is_wrong() {
    let server = Server::gstreamer(&[]);
    let mut config = camera(&format!("{}main", server.url));
    config.sub = Some(source(&format!("{}nothing", server.url), Transport::Tcp));
    let report = probe(&config, SOON).await;
    assert_eq!(report.main.as_ref().map(|main| (main.format.width, main.audio)), Ok((1280, None)));
    let problem = report.problem().unwrap();
    assert_eq!(problem.reason, GapReason::StreamUnusable);
    assert!(problem.detail.contains("no stream at this path"), "{problem}");
    assert!(!report.is_ok());
    // Nobody listens on the discard port here.
    let report = probe(&camera("rtsp://127.0.0.1:9/"), SOON).await;
    assert_eq!(report.problem().map(|problem| problem.reason), Some(GapReason::CameraGone));
}
