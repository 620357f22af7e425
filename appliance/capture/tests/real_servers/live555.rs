//! Against live555's RTSP server, which plays a file from its beginning: what is recorded can be compared with it bit for bit.

use crate::support::{Recorded, Server, camera, footage, nals};
use watchbook_base::TrackRole;
use watchbook_capture::Transport;
use watchbook_media::Codec;

/// NAL units of an Annex B file, in order.
pub(crate) fn annex_b(data: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> =
        data.windows(3).enumerate().filter(|(_, window)| *window == [0, 0, 1]).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([data.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| {
            let nal = &data[start + 3..end];
            let zeros = nal.iter().rev().take_while(|byte| **byte == 0).count();
            &nal[..nal.len() - zeros]
        })
        .collect()
}

async fn recorded_as_in_the_file(file: &str, transport: Transport, is_kept: fn(&[u8]) -> bool) -> Codec {
    let server = Server::start("live555.sh", &[footage().to_str().unwrap()]);
    let mut config = camera(&format!("{}{file}", server.url));
    config.main.transport = transport;
    let recorded = Recorded::start(config);
    recorded.wait_packets(TrackRole::MainVideo, 80);
    let tape = recorded.finish().await;
    let packets = tape.packets(TrackRole::MainVideo);
    let data = std::fs::read(footage().join(file)).unwrap();
    let expected: Vec<&[u8]> = annex_b(&data).into_iter().filter(|nal| is_kept(nal)).collect();
    let found: Vec<&[u8]> = packets.iter().flat_map(|packet| nals(packet)).filter(|nal| is_kept(nal)).collect();
    assert!(found.len() >= 80);
    // The first key frame may have been missed by a viewer who came late; never anything after it.
    let first =
        expected.iter().position(|nal| *nal == found[0]).expect("the recording begins with a NAL unit of the file");
    assert!(first < expected.len() - found.len());
    for (index, (found, expected)) in found.iter().zip(&expected[first..]).enumerate() {
        assert!(found == expected, "NAL unit {index} differs");
    }
    tape.begins(TrackRole::MainVideo)[0].format.codec
}

/// Parameter sets are in the configuration, delimiters are the server's business.
fn h264_kept(nal: &[u8]) -> bool {
    !matches!(nal[0] & 31, 7..=9)
}

fn h265_kept(nal: &[u8]) -> bool {
    !matches!(nal[0] >> 1 & 63, 32..=35)
}

#[tokio::test(flavor = "multi_thread")]
async fn h264_over_tcp_bit_for_bit() {
    let codec = recorded_as_in_the_file("main.264", Transport::Tcp, h264_kept).await;
    assert_eq!(codec, Codec::H264 { width: 1280, height: 720 });
}

#[tokio::test(flavor = "multi_thread")]
async fn h264_over_udp_bit_for_bit() {
    let codec = recorded_as_in_the_file("sub.264", Transport::Udp, h264_kept).await;
    assert_eq!(codec, Codec::H264 { width: 640, height: 360 });
}

#[tokio::test(flavor = "multi_thread")]
async fn h265_over_tcp_bit_for_bit() {
    let codec = recorded_as_in_the_file("hevc.265", Transport::Tcp, h265_kept).await;
    assert_eq!(codec, Codec::H265 { width: 640, height: 360 });
}
