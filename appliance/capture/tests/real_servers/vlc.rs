//! Against VLC's RTSP server: a third family beside GStreamer's and live555's. It sends over UDP alone, and refuses RTP in the RTSP connection with 461.

use crate::live555::annex_b;
use crate::support::{Recorded, Server, assert_contains, camera, footage, nals};
use std::path::{Path, PathBuf};
use std::process::Command;
use watchbook_base::{GapReason, TrackRole};
use watchbook_capture::{Status, Transport};
use watchbook_media::Codec;

/// Footage with B-frames: over RTP its times go back and forth.
fn file() -> PathBuf {
    footage().join("bframes.mp4")
}

fn server() -> Server {
    Server::start("vlc.sh", &[file().to_str().unwrap()])
}

/// The slices of `file`, in order, as ffmpeg takes them out.
fn slices_of(file: &Path) -> Vec<Vec<u8>> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-i"]).arg(file).args(["-c", "copy", "-bsf:v", "h264_mp4toannexb", "-f", "h264", "-"]);
    let output = ffmpeg.output().expect("ffmpeg can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    annex_b(&output.stdout).into_iter().filter(|nal| is_slice(nal)).map(<[u8]>::to_vec).collect()
}

/// What else there is, the server may add and leave out.
fn is_slice(nal: &[u8]) -> bool {
    matches!(nal[0] & 31, 1 | 5)
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_vlc_are_recorded_as_they_are_in_the_file() {
    let server = server();
    let mut config = camera(&format!("{}main", server.url));
    config.main.transport = Transport::Udp;
    let recorded = Recorded::start(config);
    recorded.wait_packets(TrackRole::MainVideo, 80);
    let tape = recorded.finish().await;
    let packets = tape.packets(TrackRole::MainVideo);
    let found: Vec<&[u8]> = packets.iter().flat_map(|packet| nals(packet)).filter(|nal| is_slice(nal)).collect();
    let expected = slices_of(&file());
    let first = expected.iter().position(|nal| nal == found[0]).expect("it begins with a slice of the file");
    // The file is played over and over.
    for (index, (found, expected)) in found.iter().zip(expected.iter().cycle().skip(first)).enumerate() {
        assert!(found == expected, "slice {index} differs");
    }
    assert!(packets.iter().any(|packet| packet.cts_offset != 0), "B-frames have times of their own");
    assert!(packets.windows(2).all(|two| two[0].dts < two[1].dts), "in decode order");
    assert!(matches!(tape.begins(TrackRole::MainVideo)[0].format.codec, Codec::H264 { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_a_transport_is_named_with_the_other_one() {
    let server = server();
    let recorded = Recorded::start(camera(&format!("{}main", server.url)));
    // It says 500 until it has opened the file.
    let lost =
        |tape: &crate::support::Tape| tape.state().is_some_and(|state| state.reason == Some(GapReason::StreamUnusable));
    let state = recorded.wait("the refusal", lost).state().unwrap().clone();
    assert_eq!(state.status, Status::Lost, "{state:?}");
    assert_contains(&state.next_step, "UDP", &state);
    let tape = recorded.finish().await;
    assert!(tape.packets(TrackRole::MainVideo).is_empty());
}
