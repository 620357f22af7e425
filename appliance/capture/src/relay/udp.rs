//! The packets of a session over UDP: two sockets a stream, from which they come in order.
//!
//! Only the camera is listened to: packets from another address than the one that was judged are dropped, unless the camera named that address as its source (RFC 2326
//! §12.39) and it is a camera's address, too. Of that address one port is heard: the `server_port` of the answer to SETUP; when it names none, the port that the first packet
//! comes from. What else comes is dropped and counted ([`Udp::take_strange`]), as are packets of another source (SSRC) than the stream's ([`super::reorder`]).
//! Nothing is ever sent to a named source: the two packets that open a firewall on the way go to the camera itself.

use super::ledger::Ledger;
use super::reorder::Reorder;
use crate::networks::Networks;
use bytes::BytesMut;
use core::net::{IpAddr, SocketAddr};
use core::task::{Context, Poll, Waker};
use std::io;
use std::sync::Arc;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::time::Instant;

/// Pairs of ports that are tried.
const PORT_TRIES_MAX: usize = 64;
/// What the kernel keeps for us while we are busy: a key frame of 1 MB in one burst, twice. Without the right to go over `net.core.rmem_max` it is less.
const RECEIVE_BYTES: usize = 2 << 20;
/// Longest datagram of UDP.
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// Datagrams that are taken off one socket before the others have their turn.
const BURST_MAX: usize = 64;
/// Streams of a session: pictures and sound.
const STREAMS_MAX: usize = 4;
/// An RTP packet without payload and an RTCP receiver report about nobody, as retina sends them: cameras drop them, firewalls let the answer through.
const OPEN_RTP: [u8; 12] = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const OPEN_RTCP: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 0];

/// Every stream of one session.
pub(super) struct Udp {
    local: IpAddr,
    camera: IpAddr,
    networks: Networks,
    streams: Vec<Stream>,
    ledger: Arc<Ledger>,
    buffer: Box<[u8]>,
}

struct Stream {
    /// Interleaved channel of its RTP towards the reader; RTCP has the next one.
    channel: u8,
    rtp: Ear,
    rtcp: Ear,
    /// A source that the camera named and that may be listened to.
    source: Option<IpAddr>,
    reorder: Reorder,
}

/// A socket, and who is heard on it.
struct Ear {
    socket: UdpSocket,
    heard: Heard,
    /// Packets from strangers since somebody asked.
    strangers: u64,
}

/// The port that is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// None: SETUP is not answered yet.
    Nobody,
    /// The one that the first packet comes from.
    First,
    /// The camera named it.
    Port(u16),
    /// The first packet came from there.
    From(SocketAddr),
}

/// Packets that were dropped because of whom they came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Strange {
    /// From another address, or another port of the right one.
    pub(super) senders: u64,
    /// Of another source (SSRC).
    pub(super) sources: u64,
}

/// Why an answer to SETUP is of no use.
pub(super) type Unusable = &'static str;

impl Udp {
    /// `local` is our address on the connection to `camera`; losses go into `ledger`.
    pub(super) fn new(local: IpAddr, camera: IpAddr, networks: Networks, ledger: Arc<Ledger>) -> Self {
        Self { local, camera, networks, streams: Vec::new(), ledger, buffer: vec![0; DATAGRAM_BYTES_MAX].into() }
    }

    /// Two ports for another stream: what SETUP asks for.
    ///
    /// # Errors
    /// There are no sockets left, or too many streams.
    pub(super) async fn add(&mut self, channel: u8) -> io::Result<String> {
        if self.streams.len() == STREAMS_MAX {
            return Err(io::Error::other("too many streams"));
        }
        let (rtp, rtcp, port) = neighbours(self.local).await?;
        let ear = |socket| Ear { socket, heard: Heard::Nobody, strangers: 0 };
        let (rtp, rtcp) = (ear(rtp), ear(rtcp));
        self.streams.push(Stream { channel, rtp, rtcp, source: None, reorder: Reorder::default() });
        Ok(format!("RTP/AVP/UDP;unicast;client_port={port}-{}", port + 1))
    }

    /// The camera's answer about the newest stream: gives what the reader is told instead.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) async fn answered(&mut self, transport: &str) -> Result<String, Unusable> {
        let stream = self.streams.last_mut().ok_or("an answer to a SETUP that was not sent")?;
        let part = |name: &str| transport.split(';').find_map(|part| part.trim().strip_prefix(name));
        if transport.split(';').next().is_some_and(|kind| kind.to_ascii_uppercase().contains("TCP")) {
            return Err("it was asked for UDP and offers TCP");
        }
        if let Some(source) = part("source=").and_then(|source| source.parse::<IpAddr>().ok()) {
            stream.source = self.networks.judge(source).is_ok().then_some(source);
        }
        // `0` stands for none.
        let ports = part("server_port=").map(ports).transpose()?.filter(|(first, _)| *first != 0);
        (stream.rtp.heard, stream.rtcp.heard) = match ports {
            Some((first, second)) => (Heard::Port(first), Heard::Port(second)),
            None => (Heard::First, Heard::First),
        };
        if let Some((first, second)) = ports {
            // A camera that is deaf to them needs none: what matters is what it sends.
            let _ = stream.rtp.socket.send_to(&OPEN_RTP, SocketAddr::new(self.camera, first)).await;
            let _ = stream.rtcp.socket.send_to(&OPEN_RTCP, SocketAddr::new(self.camera, second)).await;
        }
        if let Some(ssrc) = part("ssrc=").and_then(ssrc) {
            stream.reorder.expect(ssrc);
        }
        // Not the ssrc: the reader would refuse every packet of a camera that named a wrong one.
        Ok(format!("RTP/AVP/TCP;unicast;interleaved={}-{}", stream.channel, stream.channel.saturating_add(1)))
    }

    /// Forgets the newest stream: its SETUP was refused.
    pub(super) fn refused(&mut self) {
        self.streams.pop();
    }

    /// There is a stream.
    pub(super) fn is_used(&self) -> bool {
        !self.streams.is_empty()
    }

    /// When [`Self::release`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.streams.iter().filter_map(|stream| stream.reorder.due()).min()
    }

    /// What was dropped because of whom it came from, since the last question.
    pub(super) fn take_strange(&mut self) -> Strange {
        let mut strange = Strange::default();
        for Stream { rtp, rtcp, reorder, .. } in &mut self.streams {
            strange.senders += core::mem::take(&mut rtp.strangers) + core::mem::take(&mut rtcp.strangers);
            strange.sources += reorder.take_foreign();
        }
        strange
    }

    /// Passes on what has waited for an overtaken packet for long enough.
    pub(super) fn release(&mut self, out: &mut BytesMut) {
        // What was waited for may have come while this task, or the whole machine, was busy.
        let _ = self.poll(&mut Context::from_waker(Waker::noop()), out);
        self.release_at(Instant::now(), out);
    }

    fn release_at(&mut self, now: Instant, out: &mut BytesMut) {
        for stream in &mut self.streams {
            let channel = stream.channel;
            stream.reorder.release(now, &mut |packet| {
                self.ledger.pass(channel, packet);
                interleave(channel, packet, out);
            });
        }
    }

    /// Waits for packets and puts those that are in order to `out`, each with its interleaving header. Cancelling it loses nothing.
    pub(super) async fn receive(&mut self, out: &mut BytesMut) {
        core::future::poll_fn(|cx| self.poll(cx, out)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) -> Poll<()> {
        let (camera, buffer, now) = (self.camera.to_canonical(), &mut self.buffer, Instant::now());
        let mut came = Poll::Pending;
        for stream in &mut self.streams {
            let (channel, reorder) = (stream.channel, &mut stream.reorder);
            let known = [Some(camera), stream.source.map(|source| source.to_canonical())];
            let mut reports = |packet: &[u8]| interleave(channel.saturating_add(1), packet, out);
            came = or(came, drain(&mut stream.rtcp, cx, buffer, (known, is_rtcp), &mut reports));
            let mut in_order = |packet: &[u8]| {
                self.ledger.pass(channel, packet);
                interleave(channel, packet, out);
            };
            let mut media = |packet: &[u8]| reorder.push(packet, now, &mut in_order);
            came = or(came, drain(&mut stream.rtp, cx, buffer, (known, is_rtp), &mut media));
        }
        came
    }
}

fn or(one: Poll<()>, other: Poll<()>) -> Poll<()> {
    if one.is_ready() { one } else { other }
}

/// Both ports of `5000-5001`, or of `5000`.
fn ports(text: &str) -> Result<(u16, u16), Unusable> {
    let (first, second) = text.split_once('-').unwrap_or((text, ""));
    let first: Option<u16> = first.trim().parse().ok();
    let second = match second.trim() {
        "" => first.and_then(|first| first.checked_add(1)),
        second => second.parse().ok(),
    };
    first.zip(second).ok_or("the server_port in its answer to SETUP is no port")
}

/// As retina reads it: eight hexadecimal digits, of which a camera may leave out leading zeros; what has four or fewer is no SSRC (Rubetek sends `0x6f7c`).
fn ssrc(text: &str) -> Option<u32> {
    let text = text.trim();
    u32::from_str_radix(text, 16).ok().filter(|_| text.len() > 4)
}

/// RFC 3550 §5.1.
fn is_rtp(packet: &[u8]) -> bool {
    packet.len() >= 12 && packet[0] >> 6 == 2
}

/// RFC 3550 §6.1, with the types that RFC 5761 §4 keeps for it.
fn is_rtcp(packet: &[u8]) -> bool {
    packet.len() >= 8 && packet[0] >> 6 == 2 && (192..=223).contains(&packet[1])
}

impl Ear {
    /// Whether a packet from there is the camera's. The first one that looks like one (`kind`) chooses the port, when the camera named none.
    fn hears(&mut self, from: SocketAddr, known: [Option<IpAddr>; 2], looks_right: bool) -> bool {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        if !known.contains(&Some(from.ip())) {
            return false;
        }
        match self.heard {
            Heard::Nobody => false,
            Heard::Port(port) => from.port() == port,
            Heard::From(first) => from == first,
            Heard::First => {
                if looks_right {
                    self.heard = Heard::From(from);
                }
                looks_right
            }
        }
    }
}

/// Addresses of the camera, and what its packets look like.
type Known = ([Option<IpAddr>; 2], fn(&[u8]) -> bool);

/// Takes what has come from whom is heard. Ready when there was anything, or there may be more.
fn drain(
    ear: &mut Ear,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
    (known, kind): Known,
    take: &mut impl FnMut(&[u8]),
) -> Poll<()> {
    for turn in 0..BURST_MAX {
        let mut packet = ReadBuf::new(buffer);
        match ear.socket.poll_recv_from(cx, &mut packet) {
            Poll::Pending if turn == 0 => return Poll::Pending,
            Poll::Pending => break,
            Poll::Ready(Ok(from)) if ear.hears(from, known, kind(packet.filled())) => take(packet.filled()),
            Poll::Ready(Ok(_)) => ear.strangers += 1,
            // Word that nobody listens where the firewall was opened.
            Poll::Ready(Err(_)) => {}
        }
    }
    Poll::Ready(())
}

/// RFC 2326 §10.12.
fn interleave(channel: u8, packet: &[u8], out: &mut BytesMut) {
    // No datagram is longer than its length field.
    let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&[b'$', channel]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(packet);
}

/// Two sockets on an even port and the next one (RFC 3550 §11).
async fn neighbours(local: IpAddr) -> io::Result<(UdpSocket, UdpSocket, u16)> {
    for _ in 0..PORT_TRIES_MAX {
        let first = UdpSocket::bind((local, 0)).await?;
        let port = first.local_addr()?.port();
        if port % 2 == 0
            && let Ok(second) = UdpSocket::bind((local, port + 1)).await
        {
            if rustix::net::sockopt::set_socket_recv_buffer_size_force(&first, RECEIVE_BYTES).is_err() {
                rustix::net::sockopt::set_socket_recv_buffer_size(&first, RECEIVE_BYTES)?;
            }
            return Ok((first, second, port));
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    use super::super::until;
    use super::*;

    fn udp() -> Udp {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        Udp::new(loopback, loopback, Networks::parse(&["127.0.0.1".to_owned()]).unwrap(), Arc::default())
    }

    fn port_of(transport: &str) -> u16 {
        transport.split_once("client_port=").unwrap().1.split_once('-').unwrap().0.parse().unwrap()
    }

    /// An RTP packet that says so.
    fn rtp(word: &[u8]) -> Vec<u8> {
        [&[0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7][..], word].concat()
    }

    /// A sender report that says so.
    fn rtcp(word: &[u8]) -> Vec<u8> {
        [&[0x80, 200, 0, 6, 0, 0, 0, 7][..], word].concat()
    }

    async fn said(udp: &mut Udp, bytes: usize) -> BytesMut {
        let mut out = BytesMut::new();
        while out.len() < bytes {
            let due = udp.due();
            tokio::select! {
                () = udp.receive(&mut out) => {}
                () = until(due) => udp.release(&mut out),
            }
        }
        out
    }

    #[tokio::test]
    async fn packets_of_the_camera_come_interleaved_and_those_of_strangers_do_not() {
        let mut udp = udp();
        let port = port_of(&udp.add(2).await.unwrap());
        assert!(port.is_multiple_of(2) && udp.is_used());
        let (camera, reports, _) = neighbours([127, 0, 0, 1].into()).await.unwrap();
        let named = camera.local_addr().unwrap().port();
        udp.answered(&format!("RTP/AVP;unicast;server_port={named}-{}", named + 1)).await.unwrap();
        let stranger = UdpSocket::bind("127.0.0.2:0").await.unwrap();
        let other_port = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for (sender, word) in [(&stranger, b"a stranger"), (&other_port, b"other port"), (&reports, b"wrong port")] {
            sender.send_to(&rtp(word), ("127.0.0.1", port)).await.unwrap();
        }
        for (sender, word) in [(&stranger, b"a stranger"), (&other_port, b"other port"), (&camera, b"wrong port")] {
            sender.send_to(&rtcp(word), ("127.0.0.1", port + 1)).await.unwrap();
        }
        camera.send_to(&rtp(b"the camera"), ("127.0.0.1", port)).await.unwrap();
        reports.send_to(&rtcp(b"the camera"), ("127.0.0.1", port + 1)).await.unwrap();
        let out = said(&mut udp, 26 + 22).await;
        let media = [b"$\x02\x00\x16", &rtp(b"the camera")[..]].concat();
        let report = [b"$\x03\x00\x12", &rtcp(b"the camera")[..]].concat();
        assert!(out == [&media[..], &report].concat() || out == [&report[..], &media].concat(), "{out:?}");
        assert_eq!(udp.take_strange(), Strange { senders: 6, sources: 0 });
    }

    #[tokio::test]
    async fn without_a_named_port_the_first_that_sends_a_packet_is_the_one() {
        for transport in ["RTP/AVP;unicast", "RTP/AVP;unicast;server_port=0-0"] {
            let mut udp = udp();
            let port = port_of(&udp.add(0).await.unwrap());
            udp.answered(transport).await.unwrap();
            let camera = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let other_port = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            // What is no packet chooses nothing.
            other_port.send_to(b"hello, recorder", ("127.0.0.1", port)).await.unwrap();
            camera.send_to(&rtp(b"one"), ("127.0.0.1", port)).await.unwrap();
            other_port.send_to(&rtp(b"two"), ("127.0.0.1", port)).await.unwrap();
            let out = said(&mut udp, 19).await;
            assert_eq!(out[4..], rtp(b"one"), "{transport}");
            assert_eq!(udp.take_strange(), Strange { senders: 2, sources: 0 }, "{transport}");
        }
    }

    #[tokio::test]
    async fn what_came_in_time_is_not_given_up_because_nobody_looked() {
        let mut udp = udp();
        let port = port_of(&udp.add(0).await.unwrap());
        udp.answered("RTP/AVP/UDP;unicast").await.unwrap();
        let camera = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let packet = |number: u8| [0x80, 96, 0, number, 0, 0, 0, 0, 0, 0, 0, 1, number];
        let mut out = BytesMut::new();
        camera.send_to(&packet(2), ("127.0.0.1", port)).await.unwrap();
        udp.receive(&mut out).await;
        assert!(out.is_empty(), "the first packets wait for others");
        camera.send_to(&packet(1), ("127.0.0.1", port)).await.unwrap();
        // The runtime notices what has come only when it is its turn.
        while udp.streams[0].rtp.socket.try_io(tokio::io::Interest::READABLE, || Ok(())).is_err() {
            tokio::task::yield_now().await;
        }
        udp.release(&mut out);
        assert!(out.is_empty() && udp.streams[0].reorder.due().is_some());
        udp.release_at(Instant::now() + crate::relay::reorder::WAIT, &mut out);
        assert_eq!((out.len(), udp.ledger.take_rest()), (2 * (4 + 13), 0));
        assert_eq!((out[4 + 12], out[17 + 4 + 12]), (1, 2));
    }

    #[tokio::test]
    async fn a_named_source_gets_no_packet_and_is_heard_only_if_it_is_a_cameras() {
        let elsewhere = UdpSocket::bind("127.0.0.3:0").await.unwrap();
        let here = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let here_port = here.local_addr().unwrap().port();
        let mut udp = udp();
        for (source, heard) in
            [("127.0.0.3", None), ("169.254.169.254", None), ("127.0.0.1", Some([127, 0, 0, 1].into()))]
        {
            udp.add(0).await.unwrap();
            let told = udp
                .answered(&format!("RTP/AVP;unicast;source={source};server_port={here_port}-{here_port};ssrc=0A0B0C0D"))
                .await;
            assert_eq!(told.unwrap(), "RTP/AVP/TCP;unicast;interleaved=0-1");
            assert_eq!(
                (udp.streams[0].source, udp.streams[0].reorder.source()),
                (heard, Some(0x0A0B_0C0D)),
                "{source}"
            );
            udp.refused();
        }
        let mut buffer = [0; 64];
        let (length, _) = here.recv_from(&mut buffer).await.unwrap();
        assert_eq!(buffer[..length], OPEN_RTP, "the camera's own address is opened");
        assert!(elsewhere.try_recv_from(&mut buffer).is_err());
    }

    #[tokio::test]
    async fn an_answer_that_makes_no_sense_is_refused() {
        let mut udp = udp();
        udp.add(0).await.unwrap();
        for wrong in [
            "RTP/AVP;server_port=x-y",
            "RTP/AVP;server_port=65535",
            "RTP/AVP;server_port=1-65536",
            "RTP/AVP/TCP;interleaved=0-1",
        ] {
            assert!(udp.answered(wrong).await.is_err(), "{wrong}");
        }
        assert!(udp.answered("RTP/AVP;unicast").await.is_ok(), "a camera that names no port still sends");
        assert_eq!(udp.streams[0].rtp.heard, Heard::First);
        for (told, read) in
            [("A046", None), ("0x6f7c", None), (" d6d6627", Some(0xd6d_6627)), ("D6D66271", Some(0xD6D6_6271))]
        {
            assert_eq!(ssrc(told), read, "{told}");
        }
    }
}
