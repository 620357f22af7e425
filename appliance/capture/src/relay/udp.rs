//! The packets of a session over UDP: two sockets a stream, from which they come in order.
//!
//! Only the camera is listened to: packets from another address than the one that was judged are dropped, unless the camera named that address as its source (RFC 2326
//! §12.39) and it is a camera's address, too. Nothing is ever sent to a named source: the two packets that open a firewall on the way go to the camera itself.

use super::ledger::Ledger;
use super::reorder::Reorder;
use crate::networks::Networks;
use bytes::BytesMut;
use core::net::{IpAddr, SocketAddr};
use core::task::{Context, Poll};
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
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// A source that the camera named and that may be listened to.
    source: Option<IpAddr>,
    reorder: Reorder,
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
        if let Some(ports) = part("server_port=") {
            let (first, second) = ports.split_once('-').unwrap_or((ports, ""));
            let first: u16 = first.parse().map_err(|_| "the server_port in its answer to SETUP is no port")?;
            let second = match second {
                "" => first.checked_add(1),
                second => second.parse().ok(),
            };
            let second = second.ok_or("the server_port in its answer to SETUP is no port")?;
            // A camera that is deaf to them needs none: what matters is what it sends.
            let _ = stream.rtp.send_to(&OPEN_RTP, SocketAddr::new(self.camera, first)).await;
            let _ = stream.rtcp.send_to(&OPEN_RTCP, SocketAddr::new(self.camera, second)).await;
        }
        let ssrc = part("ssrc=").map(|ssrc| format!(";ssrc={ssrc}")).unwrap_or_default();
        Ok(format!("RTP/AVP/TCP;unicast;interleaved={}-{}{ssrc}", stream.channel, stream.channel.saturating_add(1)))
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

    /// Passes on what has waited for an overtaken packet for long enough.
    pub(super) fn release(&mut self, out: &mut BytesMut) {
        let now = Instant::now();
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
            came = or(came, drain(&stream.rtcp, cx, buffer, known, &mut reports));
            let mut in_order = |packet: &[u8]| {
                self.ledger.pass(channel, packet);
                interleave(channel, packet, out);
            };
            let mut media = |packet: &[u8]| reorder.push(packet, now, &mut in_order);
            came = or(came, drain(&stream.rtp, cx, buffer, known, &mut media));
        }
        came
    }
}

fn or(one: Poll<()>, other: Poll<()>) -> Poll<()> {
    if one.is_ready() { one } else { other }
}

/// Takes what has come from a known address. Ready when there was anything, or there may be more.
fn drain(
    socket: &UdpSocket,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
    known: [Option<IpAddr>; 2],
    take: &mut impl FnMut(&[u8]),
) -> Poll<()> {
    for turn in 0..BURST_MAX {
        let mut packet = ReadBuf::new(buffer);
        match socket.poll_recv_from(cx, &mut packet) {
            Poll::Pending if turn == 0 => return Poll::Pending,
            Poll::Pending => break,
            Poll::Ready(Ok(from)) if known.contains(&Some(from.ip().to_canonical())) => take(packet.filled()),
            // A stranger; or word that nobody listens where the firewall was opened.
            Poll::Ready(_) => {}
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
    use super::*;

    fn udp() -> Udp {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        Udp::new(loopback, loopback, Networks::parse(&["127.0.0.1".to_owned()]).unwrap(), Arc::default())
    }

    fn port_of(transport: &str) -> u16 {
        transport.split_once("client_port=").unwrap().1.split_once('-').unwrap().0.parse().unwrap()
    }

    #[tokio::test]
    async fn packets_of_the_camera_come_interleaved_and_those_of_strangers_do_not() {
        let mut udp = udp();
        let port = port_of(&udp.add(2).await.unwrap());
        assert!(port.is_multiple_of(2) && udp.is_used());
        let camera = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let stranger = UdpSocket::bind("127.0.0.2:0").await.unwrap();
        for sender in [&stranger, &camera] {
            let word = if core::ptr::eq(sender, &camera) { b"from the camera" } else { b"from a stranger" };
            sender.send_to(word, ("127.0.0.1", port)).await.unwrap();
            sender.send_to(word, ("127.0.0.1", port + 1)).await.unwrap();
        }
        let mut out = BytesMut::new();
        while out.len() < 2 * 19 {
            udp.receive(&mut out).await;
        }
        let mut packets = [b"$\x02\x00\x0ffrom the camera".as_slice(), b"$\x03\x00\x0ffrom the camera"];
        if out[1] == 3 {
            packets.reverse();
        }
        assert_eq!(out, packets.concat());
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
            assert_eq!(told.unwrap(), "RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=0A0B0C0D");
            assert_eq!(udp.streams[0].source, heard, "{source}");
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
    }
}
