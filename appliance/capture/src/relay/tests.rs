use super::*;
use crate::config::{Credentials, SourceConfig};
use crate::networks::Networks;
use watchbook_base::GapReason;

fn config(port: u16, path: &str) -> SessionConfig {
    let (url, _) = SourceUrl::parse(&format!("rtsp://127.0.0.1:{port}{path}")).unwrap();
    SessionConfig {
        source: SourceConfig { url, transport: Transport::Tcp, interval_ms: 1_000 },
        credentials: Some(Credentials { username: "guard".into(), password: "night watch".into() }),
        audio: false,
        certificate: None,
        networks: Networks::parse(&["127.0.0.1".to_owned()]).unwrap(),
        encoding: crate::Encoding::default(),
        masks: crate::Masks::default(),
    }
}

/// A relay to a camera that the test plays itself.
async fn relayed(path: &str) -> (Relay, TcpStream, u16) {
    let camera = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = camera.local_addr().unwrap();
    let relay = Relay::open(&config(address.port(), path), address, &Leaving::default()).await.unwrap();
    (relay, camera.accept().await.unwrap().0, address.port())
}

async fn viewer(relay: &Relay) -> TcpStream {
    TcpStream::connect(("127.0.0.1", relay.url().port().unwrap())).await.unwrap()
}

async fn heard(stream: &mut TcpStream) -> String {
    let mut bytes = BytesMut::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "it closed after {bytes:?}");
    }
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn the_camera_sees_its_own_address_and_the_reader_no_password() {
    let (relay, mut camera, port) = relayed("/a/b?c=d").await;
    let mut reader = viewer(&relay).await;
    let asked = format!("DESCRIBE {} RTSP/1.0\r\nCSeq: 1\r\n\r\n", relay.url());
    reader.write_all(asked.as_bytes()).await.unwrap();
    let own = format!("rtsp://127.0.0.1:{port}/a/b?c=d");
    assert_eq!(heard(&mut camera).await, format!("DESCRIBE {own} RTSP/1.0\r\nCSeq: 1\r\n\r\n"));
    let challenge = "RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\r\n";
    camera.write_all(challenge.as_bytes()).await.unwrap();
    let answered = heard(&mut camera).await;
    assert!(answered.contains(&format!("uri=\"{own}\"")) && !answered.contains("night watch"), "{answered}");
    // The tool's name would make retina open connections of its own; the rest comes as it was sent.
    let body = "v=0\r\na=tool:LIVE555 Streaming Media v2013.04.08\r\n";
    let described = format!("RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: {}\r\n\r\n", body.len());
    camera.write_all((described.clone() + body).as_bytes()).await.unwrap();
    let mut said = heard(&mut reader).await;
    while said.len() < described.len() + body.len() {
        let mut more = BytesMut::new();
        reader.read_buf(&mut more).await.unwrap();
        said.push_str(std::str::from_utf8(&more).unwrap());
    }
    assert_eq!(said, described + &body.replace("a=tool:", "a=x-by:"));
}

#[tokio::test]
async fn a_program_that_does_not_know_the_secret_is_turned_away() {
    let (relay, mut camera, port) = relayed("/").await;
    let mut stranger = viewer(&relay).await;
    let guess = format!("DESCRIBE rtsp://127.0.0.1:{port}/ RTSP/1.0\r\nCSeq: 1\r\n\r\n");
    stranger.write_all(guess.as_bytes()).await.unwrap();
    assert_eq!(stranger.read(&mut [0; 8]).await.unwrap_or(0), 0, "nothing is said to it");
    let mut reader = viewer(&relay).await;
    reader.write_all(format!("OPTIONS {} RTSP/1.0\r\nCSeq: 1\r\n\r\n", relay.url()).as_bytes()).await.unwrap();
    assert!(heard(&mut camera).await.starts_with("OPTIONS"), "what the stranger said went nowhere");
}

#[tokio::test]
async fn what_is_no_rtsp_is_said_before_the_connection_closes() {
    let (relay, mut camera, _) = relayed("/").await;
    let mut reader = viewer(&relay).await;
    reader.write_all(format!("OPTIONS {} RTSP/1.0\r\nCSeq: 1\r\n\r\n", relay.url()).as_bytes()).await.unwrap();
    heard(&mut camera).await;
    camera.write_all(b"\x16\x03\x01 not for us").await.unwrap();
    assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 0);
    let failure = relay.failure().unwrap();
    assert_eq!(failure.reason, GapReason::StreamUnusable);
    assert!(failure.detail.contains("does not speak RTSP"), "{failure}");
}

#[tokio::test]
async fn encryption_and_udp_do_not_go_together() {
    let mut config = config(1, "/");
    config.source.url = SourceUrl::parse("rtsps://127.0.0.1/").unwrap().0;
    config.source.transport = Transport::Udp;
    let failure = Relay::open(&config, SocketAddr::from(([127, 0, 0, 1], 1)), &Leaving::default()).await.err().unwrap();
    assert!(failure.detail.contains("over UDP, which would not be encrypted"), "{failure}");
}

/// The request that comes next, which must be this one; gives its CSeq and its whole head.
async fn asked(camera: &mut TcpStream, method: &str) -> (String, String) {
    let head = heard(camera).await;
    assert!(head.starts_with(method), "{method} was expected: {head}");
    let cseq = head.lines().find_map(|line| line.strip_prefix("CSeq: ")).unwrap().to_owned();
    (cseq, head)
}

async fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

fn challenge(cseq: &str, nonce: &str) -> String {
    format!(
        "RTSP/1.0 401 Unauthorized\r\nCSeq: {cseq}\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"{nonce}\"\r\n\r\n"
    )
}

/// A session over UDP: where the camera listens, its end, the reader's, and the address that the reader was given.
async fn over_udp(leaving: &Leaving) -> (TcpListener, TcpStream, TcpStream, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut config = config(address.port(), "/");
    config.source.transport = Transport::Udp;
    let relay = Relay::open(&config, address, leaving).await.unwrap();
    let camera = listener.accept().await.unwrap().0;
    (listener, camera, viewer(&relay).await, relay.url())
}

#[tokio::test]
async fn a_session_over_udp_lives_through_new_nonces_and_is_ended_before_the_next_one_begins() {
    let leaving = Leaving::default();
    let (listener, mut camera, mut reader, url) = over_udp(&leaving).await;
    say(&mut reader, &format!("SETUP {url} RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n"))
        .await;
    let (_, head) = asked(&mut camera, "SETUP").await;
    assert!(head.contains("client_port="), "{head}");
    say(&mut camera, "RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: 77\r\nTransport: RTP/AVP;unicast\r\n\r\n").await;
    assert!(heard(&mut reader).await.contains("interleaved=0-1"));
    say(&mut reader, &format!("PLAY {url} RTSP/1.0\r\nCSeq: 2\r\nSession: 77\r\n\r\n")).await;
    asked(&mut camera, "PLAY").await;
    say(&mut camera, "RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n").await;
    heard(&mut reader).await;
    // A keep-alive whose nonce has grown old: the reader hears of its success only.
    say(&mut reader, &format!("GET_PARAMETER {url} RTSP/1.0\r\nCSeq: 3\r\nSession: 77\r\n\r\n")).await;
    asked(&mut camera, "GET_PARAMETER").await;
    say(&mut camera, &challenge("3", "second")).await;
    let (cseq, head) = asked(&mut camera, "GET_PARAMETER").await;
    assert!(head.contains("nonce=\"second\""), "{head}");
    say(&mut camera, &format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n\r\n")).await;
    assert!(heard(&mut reader).await.starts_with("RTSP/1.0 200 OK\r\nCSeq: 3"));
    // It is cut off: the relay ends the session, also when the camera wants to know again who it is, and the next one waits for that.
    drop((reader, camera));
    let mut settled = Box::pin(leaving.settle());
    let ended = async {
        let mut camera = listener.accept().await.unwrap().0;
        let (cseq, head) = asked(&mut camera, "TEARDOWN").await;
        assert!(head.contains("Session: 77") && head.contains("nonce=\"second\""), "{head}");
        say(&mut camera, &challenge(&cseq, "third")).await;
        let (cseq, head) = asked(&mut camera, "TEARDOWN").await;
        assert!(head.contains("nonce=\"third\""), "{head}");
        (camera, cseq)
    };
    let (mut camera, cseq) = tokio::select! {
        biased;
        () = &mut settled => panic!("the old session is not over"),
        ended = ended => ended,
    };
    say(&mut camera, &format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n\r\n")).await;
    settled.await;
}

#[tokio::test]
async fn a_session_that_the_reader_ended_is_not_ended_twice() {
    let leaving = Leaving::default();
    let (listener, mut camera, mut reader, url) = over_udp(&leaving).await;
    for (cseq, request) in [(1, "SETUP"), (2, "PLAY"), (3, "TEARDOWN")] {
        say(&mut reader, &format!("{request} {url} RTSP/1.0\r\nCSeq: {cseq}\r\nSession: 77\r\n\r\n")).await;
        asked(&mut camera, request).await;
        say(&mut camera, &format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nTransport: RTP/AVP;unicast\r\n\r\n")).await;
        heard(&mut reader).await;
    }
    drop(reader);
    leaving.settle().await;
    assert_eq!(camera.read(&mut [0; 8]).await.unwrap(), 0, "nothing more is asked");
    assert!(listener.accept().now_or_never().is_none(), "nobody comes again");
}
