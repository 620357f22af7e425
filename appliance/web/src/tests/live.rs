//! The server over real sockets: live pictures, limits, and how it stops.

use super::doubles::format;
use super::station::Station;
use crate::live::VIEWERS_PER_SESSION_MAX;
use crate::serve;
use bytes::Bytes;
use core::time::Duration;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use tungstenite::http::Request;
use tungstenite::{Message, WebSocket};
use watchbook_base::clock::SystemClock;
use watchbook_base::{CameraId, Clock, MonoNanos, SyncState, Ticks90k, TrackRole, UtcNanos};
use watchbook_media::{Packet, RecordingStart};

/// Nothing here takes longer than this unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    station: Station,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<std::io::Result<()>>,
}

async fn server() -> Server {
    let station = Station::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(serve(listener, station.app.clone(), async { drop(stopped.await) }));
    Server { station, address, stop: Some(stop), running }
}

fn start() -> RecordingStart {
    let stream = CameraId::new(1).unwrap().stream(TrackRole::SubVideo);
    RecordingStart {
        stream,
        format: format(),
        utc: UtcNanos::from_ms(1000),
        mono: MonoNanos(0),
        sync: SyncState::Synchronised,
    }
}

fn packet(number: i64, key: bool) -> Packet {
    let data = Bytes::from(vec![number as u8; 1000]);
    let dts = Ticks90k(number * 3600);
    Packet {
        stream: start().stream,
        dts,
        cts_offset: 0,
        utc: UtcNanos::from_ms(1000),
        mono: MonoNanos(0),
        key,
        lost_before: 0,
        data,
    }
}

fn connect(address: SocketAddr, cookie: &str, origin: Option<&str>) -> Result<WebSocket<TcpStream>, u16> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = Request::builder()
        .uri(format!("ws://{address}/api/v1/cameras/1/live?role=sub_video"))
        .header("host", address.to_string())
        .header("cookie", cookie)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", tungstenite::handshake::client::generate_key());
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    match tungstenite::client(request.body(()).unwrap(), stream) {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// The next message that is no ping.
fn next(socket: &mut WebSocket<TcpStream>) -> Message {
    loop {
        match socket.read().unwrap() {
            Message::Ping(_) => {}
            message => return message,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_gets_the_format_the_head_and_the_current_pictures_at_once() {
    let server = server().await;
    let cookie = server.station.claim(true).await;
    server.station.live.begin(&start());
    for number in 0..5 {
        server.station.live.packet(packet(number, number == 0));
    }
    let address = server.address;
    let mut socket =
        spawn_blocking(move || connect(address, &cookie, Some(&format!("http://{address}"))).unwrap()).await.unwrap();
    let messages = spawn_blocking(move || {
        let first = [next(&mut socket), next(&mut socket), next(&mut socket)];
        (first, socket)
    });
    let ([text, head, pictures], socket) = messages.await.unwrap();
    let text: serde_json::Value = serde_json::from_str(text.to_text().unwrap()).unwrap();
    assert_eq!((&text["type"], &text["start_utc_ms"]), (&"format".into(), &1000.into()));
    assert_eq!(text["mime"], "video/mp4; codecs=\"avc1.64001F\"");
    assert_eq!(&head.into_data()[4..8], b"ftyp");
    let pictures = pictures.into_data();
    assert_eq!(&pictures[4..8], b"moof");
    let expected: Vec<u8> = (0..5).flat_map(|number| vec![number; 1000]).collect();
    assert!(pictures.ends_with(&expected), "all five pictures, in order, in one message");
    server.station.live.packet(packet(5, false));
    let later = spawn_blocking(move || {
        let mut socket = socket;
        (next(&mut socket).into_data(), socket)
    });
    let (later, _socket) = later.await.unwrap();
    assert!(later.ends_with(&[5; 1000]));
    assert_eq!(server.station.live.counts().0, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_pictures_are_refused_to_nobody_and_to_other_sites() {
    let server = server().await;
    let cookie = server.station.claim(true).await;
    let address = server.address;
    let statuses = spawn_blocking(move || {
        let nobody = connect(address, "", None).err();
        let evil = connect(address, &cookie, Some("http://evil.example")).err();
        (nobody, evil)
    });
    assert_eq!(statuses.await.unwrap(), (Some(401), Some(403)));
    assert_eq!(server.station.live.counts().0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_opens_a_wall_and_leaves_the_others_room() {
    let server = server().await;
    let cookie = server.station.claim(true).await;
    let other = server.station.sign_in("Chief").await;
    let address = server.address;
    let opened = spawn_blocking(move || {
        let wall: Vec<_> =
            (0..VIEWERS_PER_SESSION_MAX).map(|_| connect(address, &cookie, None).expect("a tile")).collect();
        let one_more = connect(address, &cookie, None).err();
        let elsewhere = connect(address, &other, None).is_ok();
        drop(wall);
        (one_more, elsewhere)
    });
    assert_eq!(opened.await.unwrap(), (Some(429), true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_ends_live_pictures() {
    let server = server().await;
    let cookie = server.station.claim(true).await;
    let address = server.address;
    let viewer = cookie.clone();
    let socket = spawn_blocking(move || connect(address, &viewer, None).unwrap()).await.unwrap();
    server.station.send(super::station::Ask::new("DELETE", "/api/v1/session").by(&cookie)).await;
    let closed = spawn_blocking(move || {
        let mut socket = socket;
        next(&mut socket)
    });
    let Message::Close(Some(frame)) = closed.await.unwrap() else { panic!("no close") };
    assert_eq!(frame.reason.as_str(), "the session has ended");
}

/// A recorder that sends nothing new for a while: the end is told at the next look at the session, or before the next picture, whichever is first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_session_an_admin_ends_sees_no_further_picture() {
    let server = server().await;
    let (station, address) = (&server.station, server.address);
    let admin = station.claim(true).await;
    let viewer = station.account(&admin, "Viewer", &[watchbook_access::Role::Viewer], None).await;
    let number = station.own_session(&viewer).await;
    station.live.begin(&start());
    station.live.packet(packet(0, true));
    let socket = spawn_blocking(move || connect(address, &viewer, None).unwrap()).await.unwrap();
    let shown = spawn_blocking(move || {
        let mut socket = socket;
        let shown = [next(&mut socket), next(&mut socket), next(&mut socket)];
        (shown, socket)
    });
    let ([_, _, picture], socket) = shown.await.unwrap();
    assert!(picture.into_data().ends_with(&[0; 1000]));
    let end = super::station::Ask::new("DELETE", &format!("/api/v1/accounts/2/sessions/{number}"));
    assert_eq!(station.send(end.by(&admin)).await.status, 204);
    station.live.packet(packet(1, false));
    let closed = spawn_blocking(move || {
        let mut socket = socket;
        next(&mut socket)
    });
    let Message::Close(Some(frame)) = closed.await.unwrap() else { panic!("a picture after the end") };
    assert_eq!(frame.reason.as_str(), "the session has ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_idle_connections_go_and_ends() {
    let mut server = server().await;
    let address = server.address;
    let idle = spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /api/v1/status HTTP/1.1\r\nhost: box\r\n\r\n").unwrap();
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).unwrap();
        (stream, answer)
    });
    let (mut stream, answer) = idle.await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    server.stop.take().unwrap().send(()).unwrap();
    tokio::time::timeout(PATIENCE, &mut server.running).await.unwrap().unwrap().unwrap();
    let rest = spawn_blocking(move || stream.read_to_end(&mut Vec::new()));
    rest.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_gets_a_bounded_number_of_connections_and_heads_are_bounded() {
    let server = server().await;
    let address = server.address;
    let outcome = spawn_blocking(move || {
        let mut open = Vec::new();
        for _ in 0..64 {
            open.push(TcpStream::connect(address).unwrap());
        }
        let mut one_more = TcpStream::connect(address).unwrap();
        one_more.set_read_timeout(Some(PATIENCE)).unwrap();
        let refused = one_more.read(&mut [0; 1]).unwrap_or(0) == 0;
        let mut big = open.pop().unwrap();
        big.set_read_timeout(Some(PATIENCE)).unwrap();
        // The server may close while this is still being written.
        drop(big.write_all(format!("GET / HTTP/1.1\r\nhost: box\r\nx: {}\r\n\r\n", "y".repeat(20_000)).as_bytes()));
        let mut answer = Vec::new();
        drop(big.read_to_end(&mut answer));
        (refused, String::from_utf8_lossy(&answer).into_owned())
    });
    let (refused, answer) = outcome.await.unwrap();
    assert!(refused, "the 65th connection of one address stayed open");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(SystemClock.mono().0 > 0);
}
