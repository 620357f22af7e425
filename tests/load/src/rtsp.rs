//! A lean RTSP 1.0 server (RFC 2326): what a camera answers, and the frames in time. Over TCP one write carries a whole frame.

use crate::camera::{BEHIND_MAX, Cameras, Description, Hit, Loss, Mood};
use crate::clip::Clip;
use crate::rtp::{self, Stamp};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;

/// A request with its headers; recorders send a few hundred bytes.
const REQUEST_BYTES_MAX: usize = 64 << 10;
/// A sender report every 5 s, the interval of RFC 3550 §6.2 for small sessions.
const REPORT_FRAMES: u64 = 150;

/// How often frozen cameras look whether they may go on.
const FROZEN_NAP: Duration = Duration::from_millis(2);

/// Accepts sessions until told to stop.
pub async fn serve(listener: TcpListener, cameras: Arc<Cameras>, mut moods: watch::Receiver<Mood>) {
    loop {
        tokio::select! {
            _ = moods.changed() => {
                // Every session is on this thread.
                while *moods.borrow_and_update() == Mood::Freeze {
                    std::thread::sleep(FROZEN_NAP);
                }
                if *moods.borrow() == Mood::Stop {
                    return;
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let own = stream.local_addr().map_or(IpAddr::from([127, 0, 0, 1]), |own| own.ip());
                    let session =
                        Session { cameras: Arc::clone(&cameras), own, peer, camera: 0, transport: None, playing: None };
                    tokio::spawn(session.run(stream));
                }
                Err(error) => eprintln!("a camera could not accept: {error}"),
            },
        }
    }
}

/// What the session description says of `clip`.
#[must_use]
pub fn describe(clip: &Clip) -> Description {
    // profile_idc, constraint flags, level_idc follow the NAL header (RFC 6184 §8.1, profile-level-id).
    let profile = clip.sps.iter().skip(1).take(3).map(|byte| format!("{byte:02X}")).collect();
    Description { profile, sets: format!("{},{}", base64(&clip.sps), base64(&clip.pps)) }
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0_u32, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for at in 0..4 {
            let letter = ALPHABET[(word >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// Half of all ports are odd, few are taken: a hundred tries fail once in 2^100.
const PORT_TRIES_MAX: usize = 100;

/// One connection of one recorder.
struct Session {
    cameras: Arc<Cameras>,
    /// The camera's own address, as the recorder knows it.
    own: IpAddr,
    peer: SocketAddr,
    camera: u16,
    transport: Option<Transport>,
    playing: Option<Playing>,
}

/// How packets travel.
enum Transport {
    /// On this channel of the connection; reports on the next.
    Interleaved(u8),
    /// From these sockets to the peer's ports: media, reports.
    Udp(UdpSocket, UdpSocket),
}

/// Where a playing session is.
struct Playing {
    frame: u64,
    sequence: u16,
    packets: u32,
    octets: u32,
    buffer: Vec<u8>,
    /// State of the draws.
    dice: u64,
}

impl Playing {
    /// Less than `per_mille` of a thousand times true. SplitMix64 (Steele, Lea, Flood 2014).
    fn draw(&mut self, per_mille: u64) -> bool {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % 1000 < per_mille
    }
}

/// One request.
struct Request {
    method: String,
    url: String,
    cseq: String,
    transport: String,
}

impl Session {
    async fn run(mut self, stream: TcpStream) {
        // A frame should leave at once; a failure here only makes it leave later.
        drop(stream.set_nodelay(true));
        let (mut reader, mut writer) = stream.into_split();
        let mut inbox = Vec::new();
        loop {
            let due = self.playing.as_ref().map(|playing| self.cameras.due(self.camera, playing.frame));
            let outcome = tokio::select! {
                read = reader.read_buf(&mut inbox) => match read {
                    Ok(0) => break,
                    Ok(_) => self.answer_all(&mut inbox, &mut writer).await,
                    Err(error) => Err(error),
                },
                () = at(due), if due.is_some() => self.send_due(&mut writer).await,
            };
            // A recorder that goes away is how every session ends.
            if outcome.is_err() || inbox.len() > REQUEST_BYTES_MAX {
                break;
            }
        }
        if self.playing.is_some() {
            self.cameras.sent.playing.fetch_sub(1, Ordering::Relaxed);
        }
    }

    async fn answer_all(&mut self, inbox: &mut Vec<u8>, writer: &mut OwnedWriteHalf) -> io::Result<()> {
        while let Some((request, length)) = take_request(inbox) {
            inbox.drain(..length);
            let Some(request) = request else { continue };
            let (status, headers, body) = self.answer(&request).await?;
            let cseq = &request.cseq;
            let text =
                format!("RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
            writer.write_all(text.as_bytes()).await?;
            if request.method == "TEARDOWN" {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        Ok(())
    }

    /// Status, further headers, body.
    async fn answer(&mut self, request: &Request) -> io::Result<(&'static str, String, String)> {
        let session = "Session: 1;timeout=60\r\n".to_owned();
        match request.method.as_str() {
            "OPTIONS" => {
                let methods = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n".to_owned();
                Ok(("200 OK", methods, String::new()))
            }
            "DESCRIBE" => {
                let Some(camera) = camera_of(&request.url).filter(|camera| *camera < self.cameras.count) else {
                    return Ok(("404 Not Found", String::new(), String::new()));
                };
                self.camera = camera;
                let headers = format!(
                    "Content-Type: application/sdp\r\nContent-Base: {}/\r\n",
                    request.url.trim_end_matches('/')
                );
                Ok(("200 OK", headers, self.sdp()))
            }
            "SETUP" => {
                self.camera = camera_of(&request.url).unwrap_or(self.camera);
                let transport = self.set_up(&request.transport).await?;
                Ok(("200 OK", format!("{session}Transport: {transport}\r\n"), String::new()))
            }
            "PLAY" if self.transport.is_some() => {
                let playing = self.play();
                let (sequence, time) = (playing.sequence, self.stamp(&playing).rtp_time());
                self.playing = Some(playing);
                let url = request.url.trim_end_matches('/');
                let headers =
                    format!("{session}Range: npt=0-\r\nRTP-Info: url={url}/track;seq={sequence};rtptime={time}\r\n");
                Ok(("200 OK", headers, String::new()))
            }
            "GET_PARAMETER" | "SET_PARAMETER" | "TEARDOWN" => Ok(("200 OK", session, String::new())),
            _ => Ok(("455 Method Not Valid in This State", String::new(), String::new())),
        }
    }

    fn sdp(&self) -> String {
        let Description { profile, sets } = &self.cameras.description;
        let kind = rtp::PAYLOAD_TYPE;
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera {}\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n\
             m=video 0 RTP/AVP {kind}\r\na=rtpmap:{kind} H264/90000\r\n\
             a=fmtp:{kind} packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={sets}\r\na=control:track\r\n",
            self.camera
        )
    }

    /// Agrees on what the `Transport` header asks for; returns the answer's.
    async fn set_up(&mut self, asked: &str) -> io::Result<String> {
        let value = |name: &str| asked.split(';').find_map(|part| part.trim().strip_prefix(name)).map(str::to_owned);
        let (transport, agreed) = match value("client_port=").as_deref().and_then(pair) {
            Some((media, reports)) if !asked.contains("TCP") => {
                let sockets = neighbours(self.own).await?;
                sockets.0.connect((self.peer.ip(), media)).await?;
                sockets.1.connect((self.peer.ip(), reports)).await?;
                let own = (sockets.0.local_addr()?.port(), sockets.1.local_addr()?.port());
                let agreed = format!("RTP/AVP;unicast;client_port={media}-{reports};server_port={}-{}", own.0, own.1);
                (Transport::Udp(sockets.0, sockets.1), agreed)
            }
            _ => {
                let channel = value("interleaved=").as_deref().and_then(pair).map_or(0, |(first, _)| first as u8);
                let agreed =
                    format!("RTP/AVP/TCP;unicast;interleaved={channel}-{};ssrc={:08X}", channel + 1, self.ssrc());
                (Transport::Interleaved(channel), agreed)
            }
        };
        self.transport = Some(transport);
        Ok(agreed)
    }

    fn play(&self) -> Playing {
        self.cameras.sent.playing.fetch_add(u64::from(self.playing.is_none()), Ordering::Relaxed);
        self.cameras.sent.sessions.fetch_add(1, Ordering::Relaxed);
        let frame = self.cameras.next_frame(self.camera, Instant::now());
        Playing {
            frame,
            sequence: 1,
            packets: 0,
            octets: 0,
            buffer: Vec::new(),
            dice: self.cameras.loss.seed ^ u64::from(self.camera),
        }
    }

    fn ssrc(&self) -> u32 {
        0x5eed_0000 | u32::from(self.camera)
    }

    fn stamp(&self, playing: &Playing) -> Stamp {
        let channel = match self.transport {
            Some(Transport::Interleaved(channel)) => channel,
            _ => 0,
        };
        Stamp { camera: self.camera, frame: playing.frame, sequence: playing.sequence, ssrc: self.ssrc(), channel }
    }

    /// Sends every frame that is due.
    async fn send_due(&mut self, writer: &mut OwnedWriteHalf) -> io::Result<()> {
        let Some(mut playing) = self.playing.take() else { return Ok(()) };
        let sent = &self.cameras.sent;
        while self.cameras.due(self.camera, playing.frame) <= Instant::now() {
            let late = Instant::now().saturating_duration_since(self.cameras.due(self.camera, playing.frame));
            let skipped = self.cameras.skip_every > 0 && playing.frame.is_multiple_of(self.cameras.skip_every);
            if late > BEHIND_MAX {
                sent.refused.fetch_add(1, Ordering::Relaxed);
            } else if !skipped {
                self.send(&mut playing, writer).await?;
            }
            playing.frame += 1;
        }
        self.playing = Some(playing);
        Ok(())
    }

    async fn send(&self, playing: &mut Playing, writer: &mut OwnedWriteHalf) -> io::Result<()> {
        let frame = self.cameras.frame(self.camera, playing.frame);
        let stamp = self.stamp(playing);
        playing.buffer.clear();
        frame.write(&stamp, &mut playing.buffer);
        let report = playing.frame.is_multiple_of(REPORT_FRAMES).then(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
            rtp::sender_report(&stamp, now, playing.packets, playing.octets)
        });
        match &self.transport {
            Some(Transport::Udp(media, reports)) => {
                let order = self.order(frame.packet_count(), playing);
                let packets: Vec<&[u8]> = frame.datagrams(&playing.buffer).collect();
                for packet in order.into_iter().filter_map(|at| packets.get(at)) {
                    media.send(packet).await?;
                }
                if let Some(report) = report {
                    reports.send(&report[4..]).await?;
                }
            }
            _ => {
                playing.buffer.extend(report.into_iter().flatten());
                writer.write_all(&playing.buffer).await?;
            }
        }
        let count = frame.packet_count();
        playing.sequence = playing.sequence.wrapping_add(count as u16);
        playing.packets = playing.packets.wrapping_add(count as u32);
        playing.octets = playing.octets.wrapping_add(frame.stored_bytes as u32);
        self.cameras.sent.frames.fetch_add(1, Ordering::Relaxed);
        self.cameras.sent.stored_bytes.fetch_add(frame.stored_bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Session {
    /// Which packets of a frame are sent, in which order: all in their own, but for what the network does to them.
    fn order(&self, count: usize, playing: &mut Playing) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        if !self.cameras.lossy.load(Ordering::Relaxed) {
            return order;
        }
        let Loss { lost_per_mille, overtaken_per_mille, .. } = self.cameras.loss;
        order.retain(|_| !playing.draw(lost_per_mille));
        let (lost, sent) = (count - order.len(), &self.cameras.sent);
        sent.lost_packets.fetch_add(lost as u64, Ordering::Relaxed);
        if lost > 0 {
            let hit = Hit { camera: self.camera, frame: playing.frame, lost: lost as u64 };
            sent.hits.lock().unwrap_or_else(PoisonError::into_inner).push(hit);
        }
        for at in 1..order.len() {
            if playing.draw(overtaken_per_mille) {
                order.swap(at - 1, at);
            }
        }
        order
    }
}

/// Two sockets on an even port and the next one (RFC 3550 §11), as receivers expect.
async fn neighbours(own: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    for _ in 0..PORT_TRIES_MAX {
        let first = UdpSocket::bind((own, 0)).await?;
        let port = first.local_addr()?.port();
        if port % 2 == 0
            && let Ok(second) = UdpSocket::bind((own, port + 1)).await
        {
            return Ok((first, second));
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// Waits until `due`; for ever when there is none.
async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// The number in `rtsp://host/cam/NUMBER/…`.
fn camera_of(url: &str) -> Option<u16> {
    url.split_once("/cam/")?.1.split('/').next()?.parse().ok()
}

/// `4-5`.
fn pair(text: &str) -> Option<(u16, u16)> {
    let (first, second) = text.split_once('-')?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

/// The first message in `inbox` and its length: `None` inside for a packet of the receiver, `None` outside when more bytes are needed.
fn take_request(inbox: &[u8]) -> Option<(Option<Request>, usize)> {
    if inbox.first() == Some(&b'$') {
        let length = 4 + usize::from(u16::from_be_bytes([*inbox.get(2)?, *inbox.get(3)?]));
        return (inbox.len() >= length).then_some((None, length));
    }
    let end = inbox.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&inbox[..end]).into_owned();
    let header = |name: &str| {
        let found =
            text.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)));
        found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let length = end + header("Content-Length").parse::<usize>().unwrap_or(0);
    if inbox.len() < length {
        return None;
    }
    let mut words = text.lines().next().unwrap_or_default().split_whitespace();
    let (method, url) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let request = Request {
        method: method.to_owned(),
        url: url.to_owned(),
        cseq: header("CSeq"),
        transport: header("Transport"),
    };
    Some((Some(request), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_rfc_4648_does() {
        // RFC 4648 §10.
        for (plain, coded) in [("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn requests_are_told_from_the_receivers_packets() {
        let inbox =
            b"$\x01\x00\x02abSETUP rtsp://h/cam/12/track RTSP/1.0\r\ncseq: 3\r\nTransport: RTP/AVP/TCP\r\n\r\nOPT";
        let (packet, length) = take_request(inbox).unwrap();
        assert!(packet.is_none());
        let rest = &inbox[length..];
        let (request, length) = take_request(rest).unwrap();
        let request = request.unwrap();
        assert_eq!((request.method.as_str(), camera_of(&request.url), request.cseq.as_str()), ("SETUP", Some(12), "3"));
        assert!(take_request(&rest[length..]).is_none());
    }
}
