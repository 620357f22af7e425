//! What cameras and networks do to RTSP: loss, disorder, channels, signs of life, one viewer, strange sound, packets that would go elsewhere.

use crate::bad::{bad_camera, live_counts, record};
use crate::support::{Recorded, Server, assert_contains, camera, footage, source};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::Command;
use watchbook_base::{GapReason, TrackRole};
use watchbook_capture::{Status, Transport};
use watchbook_media::Packet;

const MAIN: TrackRole = TrackRole::MainVideo;

fn over_udp(server: &Server, fault: &str) -> Recorded {
    let mut config = camera(&format!("{}{fault}", server.url));
    config.main.transport = Transport::Udp;
    Recorded::start(config)
}

#[tokio::test(flavor = "multi_thread")]
async fn disorder_and_copies_of_udp_cost_nothing() {
    let server = bad_camera();
    let (plain, jumbled) = (over_udp(&server, "good"), over_udp(&server, "reorder"));
    plain.wait_packets(MAIN, 100);
    jumbled.wait_packets(MAIN, 100);
    let (plain, jumbled) = (plain.finish().await, jumbled.finish().await);
    assert_eq!((live_counts(&plain), live_counts(&jumbled)), ((1, 0, 0), (1, 0, 0)));
    for (one, other) in plain.packets(MAIN).iter().zip(jumbled.packets(MAIN)) {
        assert!(one.data == other.data && one.dts == other.dts, "sample at {:?} differs", one.dts);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn loss_over_udp_is_counted_packet_by_packet_and_no_damaged_picture_is_kept() {
    let server = bad_camera();
    let (plain, lossy) = (record(&server, "good"), over_udp(&server, "lost"));
    plain.wait_packets(MAIN, 125);
    lossy.wait("twenty losses", |tape| tape.state().is_some_and(|state| state.lost_packets >= 20));
    let (plain, lossy) = (plain.finish().await, lossy.finish().await);
    let whole: Vec<_> = plain.packets(MAIN).iter().map(|packet| packet.data.clone()).collect();
    assert!(
        lossy.packets(MAIN).iter().take(120).all(|packet| whole.contains(&packet.data)),
        "every picture that is kept is one that was sent"
    );
    // One picture lasts as long as the first two of the whole stream are apart.
    let step = plain.packets(MAIN)[1].dts - plain.packets(MAIN)[0].dts;
    for pair in lossy.packets(MAIN).windows(2) {
        assert!(
            pair[1].dts - pair[0].dts <= step || pair[1].lost_before > 0,
            "pictures are missing before {:?} and it does not say so",
            pair[1].dts
        );
    }
    let told: u64 = lossy.packets(MAIN).iter().map(|packet| u64::from(packet.lost_before)).sum();
    assert!(plain.packets(MAIN).iter().all(|packet| packet.lost_before == 0) && told > 0, "{told} packets");
    let (sessions, damaged, lost) = live_counts(&lossy);
    assert_eq!(sessions, 1);
    assert!(damaged > 0 && damaged <= lost, "{damaged} pictures for {lost} packets");
    let counted = |log: &str| -> Option<u64> {
        let counts = log.lines().filter_map(|line| line.strip_prefix("dropped ")?.split(' ').next()?.parse().ok());
        counts.max().filter(|dropped| *dropped > 0)
    };
    let log = server.wait_log("how much it dropped", |log| counted(log).is_some());
    // What was dropped after the last state that was told, some seconds at most, is not in it.
    assert!(counted(&log).is_some_and(|dropped| (20..=dropped).contains(&lost)), "{lost} of {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_begin_anew_over_udp_are_a_new_session_at_once() {
    let server = bad_camera();
    for recorded in ["jump-back", "new-ssrc"].map(|fault| over_udp(&server, fault)) {
        let tape = recorded.wait("a second recording", |tape| tape.begins(MAIN).len() >= 2);
        assert_eq!(tape.ends(MAIN), [GapReason::StreamUnusable]);
        recorded.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_those_that_the_camera_says() {
    let server = bad_camera();
    let mut config = camera(&format!("{}same-channels", server.url));
    config.record_audio = true;
    let (other, same) = (record(&server, "other-channels"), Recorded::start(config));
    other.wait_packets(MAIN, 75);
    assert_eq!(live_counts(&other.finish().await), (1, 0, 0));
    // Sound that cannot be told from the pictures is left out, and a sentence says so.
    let tape = same.wait("pictures without sound", |tape| tape.packets(MAIN).len() >= 75 && tape.is(Status::Live));
    assert_contains(&tape.state().unwrap().detail, "cannot be set up beside its pictures", &tape.state());
    let tape = same.finish().await;
    assert_eq!((live_counts(&tape).0, tape.packets(TrackRole::MainAudio).len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_sign_of_life_keeps_a_session() {
    let server = bad_camera();
    let cameras =
        ["get-parameter", "set-parameter", "options", "deaf", "no-timeout"].map(|fault| record(&server, fault));
    for recorded in cameras {
        // The server closes after four seconds without one.
        recorded.wait_packets(MAIN, 8 * 25);
        let url = recorded.config.main.url.clone();
        let tape = recorded.finish().await;
        assert_eq!((live_counts(&tape).0, tape.ends(MAIN)), (1, vec![GapReason::Restart]), "{url}: {}", server.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_sender_reports_time_is_that_of_arrival() {
    let server = bad_camera();
    let recorded = record(&server, "good");
    let tape = recorded.wait("a rate", |tape| tape.state().is_some_and(|state| state.fps > 0.0));
    assert_eq!(tape.state().unwrap().clock_offset_ms, None);
    let tape = recorded.finish().await;
    for packet in tape.packets(MAIN) {
        let late_ns = packet.mono.nanos_since(tape.begins(MAIN)[0].mono).cast_signed() - packet.dts.as_nanos();
        assert!(late_ns.abs() < 2_000_000_000, "{late_ns} ns between media time and arrival");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_for_one_viewer_gives_its_main_stream() {
    let server = bad_camera();
    let one = format!("{}one-session", server.url);
    // The sub stream has the only place already when the main one is wanted.
    let viewer = Recorded::start(camera(&one));
    viewer.wait_packets(MAIN, 25);
    let mut config = camera(&one);
    config.sub = Some(source(&one, Transport::Tcp));
    let recorded = Recorded::start(config);
    recorded.wait("a refusal", |tape| tape.lost(GapReason::CameraGone).is_some());
    viewer.finish().await;
    let tape = recorded.wait("the main stream, and the sub stream's refusal", |tape| {
        let sub = tape.states.iter().rev().find(|(role, _)| *role == TrackRole::SubVideo);
        tape.is(Status::Live) && sub.is_some_and(|(_, state)| state.status == Status::Lost)
    });
    let (_, sub) = tape.states.iter().rev().find(|(role, _)| *role == TrackRole::SubVideo).unwrap();
    assert_contains(&sub.detail, "no room for another viewer", &sub);
    assert_contains(&sub.next_step, "leave out its sub stream", &sub);
    let before = tape.packets(MAIN).len();
    let tape = recorded.wait("more of the main stream", |tape| tape.packets(MAIN).len() >= before + 100);
    assert_eq!(tape.begins(MAIN).len(), 1, "the sub stream's attempts do not disturb it");
    recorded.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_that_cannot_be_stored_is_said_and_pictures_are_recorded() {
    let server = bad_camera();
    let mut config = camera(&format!("{}g726", server.url));
    config.record_audio = true;
    let recorded = Recorded::start(config);
    let tape = recorded.wait("pictures", |tape| tape.is(Status::Live));
    assert_contains(&tape.state().unwrap().detail, "G726-32, which cannot be stored", &tape.state());
    assert!(recorded.finish().await.packets(TrackRole::MainAudio).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_a_camera_names_gets_nothing_and_pictures_still_come() {
    let server = bad_camera();
    // Addresses of this machine that no camera has: the packets come from 127.0.0.1.
    for recorded in ["source-169.254.169.254", "source-127.0.0.9"].map(|fault| over_udp(&server, fault)) {
        recorded.wait_packets(MAIN, 25);
        assert_eq!(live_counts(&recorded.finish().await), (1, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_camera_makes_the_recorder_connect_elsewhere_to_end_a_session() {
    let server = bad_camera();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let fault = format!("base-{}", elsewhere.local_addr().unwrap().port());
    for recorded in [record(&server, &fault), over_udp(&server, &fault)] {
        recorded.wait("three sessions", |tape| tape.begins(MAIN).len() >= 3);
        recorded.finish().await;
    }
    assert_eq!(elsewhere.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// Presentation times of a file in decode order, as ffprobe tells them, in ms.
fn told_by_ffprobe(file: &str) -> Vec<f64> {
    let told = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0"])
        .arg(footage().join(file))
        .output()
        .unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    text.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn b_frames_keep_their_order_of_decoding_and_of_showing() {
    let server = Server::gstreamer(&[]);
    let recorded = Recorded::start(camera(&format!("{}bframes", server.url)));
    recorded.wait_packets(MAIN, 120);
    let tape = recorded.finish().await;
    let told = told_by_ffprobe("bframes.mp4");
    let packets = tape.packets(MAIN);
    assert!(packets.iter().any(|packet| packet.cts_offset != 0), "there are B-frames in it");
    let shown_s = |packet: &Packet| (packet.dts.0 + i64::from(packet.cts_offset)) as f64 / 90_000.0;
    for (index, (packet, told_s)) in packets.iter().zip(&told).enumerate() {
        let apart_s = (shown_s(packet) - shown_s(packets[0])) - (told_s - told[0]);
        assert!(apart_s.abs() < 0.001, "picture {index} is shown {apart_s} s off");
    }
    assert_eq!((tape.ends(MAIN), live_counts(&tape)), (vec![GapReason::Restart], (1, 0, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_frame_every_twelve_seconds_is_enough() {
    let server = Server::gstreamer(&[]);
    let recorded = Recorded::start(camera(&format!("{}long", server.url)));
    let tape = recorded.wait("the second key frame's interval", |tape| {
        tape.state().is_some_and(|state| state.key_interval_ms.is_some())
    });
    assert_eq!(tape.state().unwrap().gop_pictures, Some(300));
    let tape = recorded.finish().await;
    assert_eq!(tape.begins(MAIN).len(), 1);
    let keys: Vec<i64> = tape.packets(MAIN).iter().filter(|packet| packet.key).map(|packet| packet.dts.0).collect();
    assert_eq!(keys[..2], [0, 12 * 90_000]);
}

/// A session description at which sdp-types 0.1.8 panics: a line that is none follows the first medium (found by fuzzing).
const DESCRIPTION: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 9=\nar\r6tpmap:96 H264/90000\r\na=control:v\r\n\r\n";

/// Answers every question of every connection, the one for a description with [`DESCRIPTION`].
fn describes(listener: &TcpListener) {
    use std::io::{BufRead as _, BufReader, Write as _};
    for connection in listener.incoming().map_while(Result::ok) {
        let mut reader = BufReader::new(connection);
        let (mut request, mut line) = (String::new(), String::new());
        while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
            request += &std::mem::take(&mut line);
            if !request.ends_with("\r\n\r\n") {
                continue;
            }
            let number = request.lines().find(|line| line.to_ascii_lowercase().starts_with("cseq:")).unwrap();
            let body = if request.starts_with("DESCRIBE") { DESCRIPTION } else { "" };
            let head = format!(
                "RTSP/1.0 200 OK\r\n{number}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            // The reader is gone after the description.
            let _ = reader.get_mut().write_all((head + body).as_bytes());
            request.clear();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_a_library_panic_is_told_to_whoever_tests_or_records_the_camera() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = camera(&format!("rtsp://127.0.0.1:{}/", listener.local_addr().unwrap().port()));
    std::thread::spawn(move || describes(&listener));
    let report = watchbook_capture::probe(&config, std::time::Duration::from_secs(20)).await;
    let failure = report.main.unwrap_err();
    assert!(failure.detail.contains("makes the reader fail"), "{failure:?}");
    let recorded = Recorded::start(config);
    recorded.wait("the reason", |tape| {
        tape.state().is_some_and(|state| state.detail.as_ref().is_some_and(|why| why.contains("makes the reader fail")))
    });
    drop(recorded.finish().await);
}
