//! What must hold for any bytes of a camera that speaks RTSP: a server on the loopback gives them to a session as it is opened for any camera, so that retina's parsers (answers, session description,
//! RTP, RTCP, H.264, H.265, AAC, G.711) and everything behind them are those of the recorder. Run here on a corpus and in `tests/fuzz` by libFuzzer; it panics when a promise is broken.

use super::{Item, Session, Sessions};
use crate::config::{SessionConfig, SourceConfig, SourceUrl, Transport};
use crate::encode::Encoding;
use crate::networks::Networks;
use crate::sink::{Sink, StreamState};
use crate::timeline::Arrival;
use crate::track::Track;
use core::cell::Cell;
use core::time::Duration;
use futures::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, Once, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use watchbook_base::clock::SimClock;
use watchbook_base::limits::{ACCESS_UNIT_BYTES_MAX, PICTURE_SIDE_PX_MAX};
use watchbook_base::{CameraId, Clock, GapReason, Ticks90k, TrackRole, UtcNanos};
use watchbook_media::{Packet, RecordingEnd, RecordingStart};

/// A session that takes longer hangs: every wait in it is shorter.
const RUN: Duration = Duration::from_secs(60);
/// Between two pictures.
const PICTURE_NS: u64 = 40_000_000;
/// Parameter sets of x264 and x265 as a session description has them: 1282 × 722 pixels.
const H264: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:v\r\n\
    a=fmtp:96 packetization-mode=1;profile-level-id=42C020;sprop-parameter-sets=Z0LAINkAUQXeIiMOagICAoAAAAMAgAAAGQeMGSQ=,aMuDyyA=\r\n";
const H264_BARE: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:v\r\n";
const H265: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=control:v\r\na=fmtp:96 sprop-vps=QAEMAf//AiAAAAMAkAAAAwAAAwBdlZgJ;\
    sprop-sps=QgEBAiAAAAMAkAAAAwAAAwBdoAKEgC2ckjZZWaSTK8OagICAggAAAwACAAADADIQ;sprop-pps=RAHBcrRiQA==\r\n";
const H265_BARE: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=control:v\r\n";
const AAC: &str = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/48000/2\r\na=control:a\r\n\
    a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1190\r\n";
const PCMU: &str = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 PCMU/8000\r\na=control:a\r\n";

/// retina panics at some packets (0.4.21: "push with data already pending"), and sdp-types, which it reads session descriptions with, at a line that is not where one belongs (0.1.8). That costs the session, as [`crate::run`] catches it; every other panic is ours. libFuzzer's own hook ends the program.
static HOOK: Once = Once::new();
thread_local! {
    static IN_LIBRARY: Cell<bool> = const { Cell::new(false) };
}

/// Takes bytes off the front; zeros when they are used up.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        self.slice(1).first().copied().unwrap_or(0)
    }

    fn number(&mut self) -> u32 {
        self.slice(4).iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
    }

    fn slice(&mut self, len: usize) -> &'a [u8] {
        let (slice, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        slice
    }
}

/// The first byte chooses the session description, or that it comes from the input behind its length, and whether what follows PLAY is in the input as it is or as packets: a byte of flags, the
/// length, the payload.
pub fn rtsp_session(data: &[u8]) {
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let is_theirs = |file: &str| file.contains("/registry/src/");
            match panic.location().is_some_and(|location| is_theirs(location.file())) {
                true => IN_LIBRARY.set(true),
                false => others(panic),
            }
        }));
    });
    let mut input = Input(data);
    let choice = input.byte();
    let streams = match choice & 7 {
        0 => H264.to_owned(),
        1 => H264_BARE.to_owned(),
        2 => H265.to_owned(),
        3 => H265_BARE.to_owned(),
        4 => format!("{H264}{AAC}"),
        5 => format!("{H264}{PCMU}"),
        _ => {
            let len = usize::from(input.byte()) * 4;
            String::from_utf8_lossy(input.slice(len)).into_owned()
        }
    };
    let description = format!("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\na=control:*\r\n{streams}");
    let stream = if choice & 8 == 0 { packets(input) } else { input.0.to_vec() };
    // A session description and what retina says of it may be long beside an input of few bytes.
    let most = 8 * data.len() + 4096;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let run = runtime.expect("the system has a poller").block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback has a port");
        let port = listener.local_addr().expect("it is bound").port();
        let camera = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (description, stream) = (description.clone(), stream.clone());
                // What fails there is a connection that the other side has given up.
                tokio::spawn(async move { answer(socket, &description, &stream).await });
            }
        });
        let run = tokio::time::timeout(RUN, watch(port, most)).await;
        camera.abort();
        run
    });
    run.expect("every wait of a session is bounded");
}

/// The input as interleaved packets (RFC 2326 10.12) with well-formed heads (RFC 3550 5.1), so that a search gets to the payloads.
fn packets(mut input: Input<'_>) -> Vec<u8> {
    let (mut stream, mut numbers, mut times) = (Vec::new(), [0_u16; 2], [0_u32; 2]);
    while !input.0.is_empty() {
        let flags = input.byte();
        let track = usize::from(flags >> 1 & 1);
        let (number, time) = (&mut numbers[track], &mut times[track]);
        *number = number.wrapping_add([1, 1, 2, 0][usize::from(flags >> 2 & 3)]);
        *time = time.wrapping_add(match flags >> 4 & 3 {
            0 => 0,
            1 => 3600,
            2 => 5_400_000,
            _ => input.number(),
        });
        let len = match input.byte() {
            u8::MAX => input.number() as usize & 0x7FFF,
            short => usize::from(short),
        };
        let payload = input.slice(len);
        let control = flags & 0x40 != 0;
        let head = match control {
            true => Vec::new(),
            false => [
                &[0x80, flags << 7 | (96 + track as u8)][..],
                &number.to_be_bytes(),
                &time.to_be_bytes(),
                &[0, 0, 0, 7 + track as u8],
            ]
            .concat(),
        };
        stream.extend([b'$', 2 * track as u8 + u8::from(control)]);
        stream.extend(((head.len() + payload.len()) as u16).to_be_bytes());
        stream.extend_from_slice(&head);
        stream.extend_from_slice(payload);
    }
    stream
}

/// A camera that answers every request, and sends `stream` behind the answer to PLAY.
async fn answer(mut socket: TcpStream, description: &str, stream: &[u8]) -> std::io::Result<()> {
    let mut asked = Vec::new();
    while socket.read_buf(&mut asked).await? > 0 {
        while let Some(end) = asked.windows(4).position(|four| four == b"\r\n\r\n") {
            let request = String::from_utf8_lossy(&asked[..end]).into_owned();
            asked.drain(..end + 4);
            let header = |name: &str| {
                let lines = request.lines().filter_map(|line| line.split_once(": "));
                lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next().unwrap_or("0")
            };
            let mut reply = format!("RTSP/1.0 200 OK\r\nCSeq: {}\r\nSession: 1;timeout=60\r\n", header("CSeq"));
            match request.split(' ').next() {
                Some("DESCRIBE") => {
                    let len = description.len();
                    reply += &format!("Content-Type: application/sdp\r\nContent-Length: {len}\r\n\r\n{description}");
                }
                Some("SETUP") => reply += &format!("Transport: {}\r\n\r\n", header("Transport")),
                _ => reply += "\r\n",
            }
            socket.write_all(reply.as_bytes()).await?;
            if request.starts_with("PLAY ") {
                socket.write_all(stream).await?;
                return socket.shutdown().await;
            }
        }
    }
    Ok(())
}

/// Takes everything that a session at this port yields, as a recorder does; at most `most` items and bytes.
async fn watch(port: u16, most: usize) {
    let (url, _) = SourceUrl::parse(&format!("rtsp://127.0.0.1:{port}/")).expect("it is an address");
    let config = SessionConfig {
        source: SourceConfig { url, transport: Transport::Tcp, interval_ms: 1000 },
        credentials: None,
        audio: true,
        certificate: None,
        networks: Networks::parse(&["127.0.0.1".to_owned()]).expect("it is an address"),
        encoding: Encoding::default(),
        masks: Vec::new(),
    };
    let sessions = Sessions::default();
    let mut session = match AssertUnwindSafe(Session::open(&config, &sessions)).catch_unwind().await {
        Ok(Ok(session)) => session,
        Ok(Err(failure)) => {
            assert!(!failure.detail.is_empty() && !failure.next_step.is_empty());
            return;
        }
        // The recorder opens a new session then.
        Err(_) if IN_LIBRARY.take() => return,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    let clock = SimClock::new(UtcNanos(1_767_225_600_000_000_000));
    let orderly = Arc::new(Orderly::default());
    let stream = CameraId::new(1).expect("1 is a camera").stream(TrackRole::MainVideo);
    let mut track = Track::new(stream, orderly.clone(), Arc::new(clock.clone()));
    let (mut items, mut byte_count) = (0, 0);
    loop {
        let next = AssertUnwindSafe(session.next()).catch_unwind().await;
        let item = match next {
            Ok(Ok(item)) => item,
            Ok(Err(_)) => break,
            // The recorder opens a new session then.
            Err(_) if IN_LIBRARY.take() => break,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        items += 1;
        clock.advance(PICTURE_NS);
        match item {
            Item::Video { unit, format, lost } => {
                if let Some(format) = format {
                    let sides = [format.shown.width, format.shown.height];
                    assert!(sides.iter().all(|side| (1..=PICTURE_SIDE_PX_MAX).contains(side)));
                    track.set_format(format.track);
                }
                assert!(!unit.data.is_empty() && unit.data.len() <= ACCESS_UNIT_BYTES_MAX);
                byte_count += unit.data.len();
                track.lose(lost);
                track.sample(unit, Arrival { mono: clock.mono(), utc: clock.utc() });
            }
            Item::Audio { unit, .. } => {
                assert!(!unit.data.is_empty());
                byte_count += unit.data.len();
            }
            Item::Damaged(what) => assert!(!what.is_empty()),
            _ => {}
        }
        assert!(items <= most && byte_count <= most, "more comes out than went in");
    }
    track.fail(GapReason::CameraGone, clock.utc());
    assert!(orderly.0.lock().unwrap_or_else(PoisonError::into_inner).is_none(), "what began has ended");
    session.untold();
    drop(session);
    sessions.settle().await;
}

/// The decode time of the newest packet of the recording that is open.
#[derive(Default)]
struct Orderly(Mutex<Option<Option<Ticks90k>>>);

impl Sink for Orderly {
    fn begin(&self, _: &RecordingStart) {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(None);
        assert!(before.is_none(), "a recording begins in another one");
    }

    fn packet(&self, packet: Packet) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = open.as_mut().expect("a packet is of a recording");
        assert!(newest.is_some() || packet.key, "a recording begins with a key frame");
        assert!(newest.is_none_or(|newest| newest < packet.dts), "decode times rise");
        *newest = Some(packet.dts);
    }

    fn end(&self, _: &RecordingEnd) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn state(&self, _: CameraId, _: TrackRole, _: StreamState) {}
}

#[cfg(test)]
mod tests {
    use super::rtsp_session;
    use crate::corpus::over_corpus;

    /// A packet: flags, length, payload.
    fn packet(flags: u8, payload: &[u8]) -> Vec<u8> {
        [&[flags, payload.len() as u8], payload].concat()
    }

    /// H.264 by RFC 6184: single NAL units, STAP-A, FU-A; loss; a sender report. H.265 by RFC 7798; AAC by RFC 3640.
    fn seeds() -> Vec<Vec<u8>> {
        let (key, slice) = (&[0x65, 0x88, 0x84, 1, 2][..], &[0x41, 0x9A, 1, 2][..]);
        let plain = [packet(0x11, key), packet(0x11, slice), packet(0x11, slice)].concat();
        let together = packet(0x11, &[&[24, 0, 5][..], key, &[0, 4], slice].concat());
        let parts = [packet(0x10, &[0x7C, 0x85, 0x88, 1]), packet(0, &[0x7C, 5, 2]), packet(1, &[0x7C, 0x45, 3])];
        let lossy = [packet(0x11, key), packet(0x19, slice), packet(0x11, slice)].concat();
        let report = [&[0x80, 200, 0, 6, 0, 0, 0, 7, 0xE8, 1, 2, 3][..], &[0; 16]].concat();
        let h265 = [packet(0x11, &[0x26, 1, 0xAF, 8]), packet(0x10, &[0x62, 1, 0x93, 0xAF])].concat();
        let sound = packet(0x13, &[0, 16, 0, 32, 1, 2, 3, 4]);
        let bare = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:v\r\n";
        let described = [&[6, bare.len().div_ceil(4) as u8][..], bare.as_bytes(), b"\r\n"].concat();
        vec![
            [&[0][..], &plain].concat(),
            [&[0][..], &together, &parts.concat(), &packet(0x40, &report)].concat(),
            [&[0][..], &plain, &lossy].concat(),
            [&[2][..], &h265].concat(),
            [&[4][..], &plain, &sound].concat(),
            [&[5][..], &plain, &sound].concat(),
            [&[8, b'$', 0, 0, 17, 0x80, 0xE0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7][..], key].concat(),
            described,
        ]
    }

    #[test]
    fn any_session() {
        assert!(over_corpus("rtsp_session", rtsp_session, &seeds()) > 0);
    }
}
