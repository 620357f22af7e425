//! Stands between retina and a camera where retina alone does not do: encrypted RTSP (rtsps), packets over UDP, and servers that need care.
//!
//! retina 0.4.21 connects by itself, without TLS; over UDP it drops what a network delivers out of order and sends packets to whatever source a camera names; and to a server
//! that calls itself an old live555 it opens further connections, to an address that the server gives (Content-Base), to end a session. So the relay makes the connection to
//! the camera, to the address that was judged, and listens on a port of 127.0.0.1 for retina alone. Then:
//!
//! * **Addresses.** retina is given `rtsp://127.0.0.1:PORT/SECRET/path`; the camera sees its own address in every request. Only who knows the secret is taken for retina: any program on
//!   the box could connect to the port.
//! * **User name and password** stay here: retina is not given them. The relay answers the camera's challenges (RFC 2617), so that the address in a digest is the one that the camera
//!   sees; a nonce that has grown old in a long session is renewed.
//! * **UDP** ends here: retina sees an interleaved connection, with the packets in order ([`reorder`]).
//! * **Bounds.** A message of the camera has at most [`message::HEAD_BYTES_MAX`] and [`message::BODY_BYTES_MAX`] bytes.
//!
//! The relay is a task that ends with retina's connection (after its TEARDOWN), or with the camera's.

mod auth;
mod ledger;
mod message;
mod reorder;
mod udp;

use crate::config::{SessionConfig, SourceUrl, Transport};
use crate::failure::Failure;
use crate::rtsp::ANSWER;
use crate::tls;
use auth::Auth;
use bytes::{Bytes, BytesMut};
use core::fmt::Write as _;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
pub(crate) use ledger::Ledger;
use message::{Message, Text};
use std::io;
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use udp::Udp;
use url::Url;

/// Connections of other programs on the box that are turned away before the relay gives up.
const STRANGERS_MAX: usize = 16;
/// How long somebody who has connected may take to say the secret.
const FIRST_WORD: Duration = Duration::from_millis(500);
/// Longest wait for the end of a session over UDP that was cut off.
const LEAVE: Duration = Duration::from_secs(1);
/// Bytes that are read at a time: some records of TLS.
const READ_BYTES: usize = 64 << 10;

/// A relay that waits for retina, or serves it.
pub(crate) struct Relay {
    url: Url,
    failure: Arc<OnceLock<Failure>>,
    ledger: Option<Arc<Ledger>>,
}

impl Relay {
    /// Connects to the camera at `address`, the one that was judged, with TLS where its address wants that.
    ///
    /// # Errors
    /// It does not answer, or it is not trusted. At most twice [`ANSWER`].
    pub(crate) async fn open(config: &SessionConfig, address: SocketAddr) -> Result<Self, Failure> {
        let host_port = config.source.url.host_port();
        let udp = config.source.transport == Transport::Udp;
        if udp && config.source.url.is_encrypted() {
            return Err(Failure::unusable(
                format!(
                    "The camera at {host_port} is to be recorded encrypted (rtsps) and over UDP, which would not be encrypted."
                ),
                "Set the camera's transport to TCP.",
            ));
        }
        let connected = timeout(ANSWER, TcpStream::connect(address))
            .await
            .map_err(|_| Failure::no_answer(&host_port, "a connection", ANSWER.as_secs()))?;
        let stream = connected.map_err(|error| Failure::unreachable(&host_port, &error.to_string()))?;
        let closed = |error: io::Error| Failure::closed(&host_port, &error.to_string());
        stream.set_nodelay(true).map_err(closed)?;
        let local = stream.local_addr().map_err(closed)?.ip();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(closed)?;
        let port = listener.local_addr().map_err(closed)?.port();
        let secret = secret().map_err(closed)?;
        let failure = Arc::new(OnceLock::new());
        let far = config.source.url.authority();
        let place = Place { near: format!("rtsp://127.0.0.1:{port}/{secret}"), far };
        let url = place.near_url(&config.source.url).ok_or_else(|| closed(io::ErrorKind::InvalidInput.into()))?;
        let ledger = Arc::new(Ledger::default());
        let link = Link {
            host_port: host_port.clone(),
            place,
            auth: Auth::new(config.credentials.clone()),
            udp: udp.then(|| Udp::new(local, address.ip(), config.networks.clone(), Arc::clone(&ledger))),
            setup: None,
            leave: None,
            address,
        };
        let said = Arc::clone(&failure);
        if config.source.url.is_encrypted() {
            let stream = tls::connect(stream, &config.source.url, config.certificate).await?;
            tokio::spawn(link.serve(listener, stream, said));
        } else {
            tokio::spawn(link.serve(listener, stream, said));
        }
        Ok(Self { url, failure, ledger: udp.then_some(ledger) })
    }

    /// Where retina finds the camera.
    pub(crate) fn url(&self) -> Url {
        self.url.clone()
    }

    /// What was lost over UDP; `None` over TCP.
    pub(crate) fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_deref()
    }

    /// Why the relay gave the camera up; what retina says then is only that its connection was closed.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure.get().cloned()
    }
}

/// 128 random bits in hexadecimal.
fn secret() -> io::Result<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
    let mut text = String::new();
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// One address by two names.
struct Place {
    /// As retina knows it, up to the path.
    near: String,
    /// As the camera knows it, up to the path.
    far: String,
}

impl Place {
    fn near_url(&self, url: &SourceUrl) -> Option<Url> {
        let path = url.as_str().strip_prefix(&self.far)?;
        Url::parse(&format!("{}{path}", self.near)).ok()
    }

    /// The address in a request of retina as the camera knows it. One that the camera gave itself stays as it is.
    fn far_url(&self, url: &str) -> String {
        url.strip_prefix(&self.near).map_or_else(|| url.to_owned(), |path| format!("{}{path}", self.far))
    }
}

/// How a session that was cut off is ended.
struct Leave {
    url: String,
    session: String,
}

/// What the relay knows about its two ends.
struct Link {
    host_port: String,
    place: Place,
    auth: Auth,
    udp: Option<Udp>,
    /// CSeq of a SETUP over UDP that is under way.
    setup: Option<String>,
    leave: Option<Leave>,
    address: SocketAddr,
}

/// Bytes for one end and the other.
#[derive(Default)]
struct Outbox {
    to_camera: BytesMut,
    to_reader: BytesMut,
}

impl Link {
    async fn serve<C: AsyncRead + AsyncWrite + Unpin>(
        mut self,
        listener: TcpListener,
        camera: C,
        said: Arc<OnceLock<Failure>>,
    ) {
        let reader = timeout(ANSWER, self.reader(&listener)).await;
        drop(listener);
        let Ok(Ok((mut reader, first))) = reader else { return };
        if let Err(failure) = self.carry(camera, &mut reader, first).await {
            said.get_or_init(|| failure);
        }
        // Only now, so that retina's owner finds the reason when the connection closes.
        drop(reader);
        self.leave().await;
    }

    /// The connection of retina, and what it has said.
    async fn reader(&self, listener: &TcpListener) -> io::Result<(TcpStream, BytesMut)> {
        for _ in 0..STRANGERS_MAX {
            let (mut stream, _) = listener.accept().await?;
            let mut first = BytesMut::with_capacity(READ_BYTES);
            let said = timeout(FIRST_WORD, async {
                while !first.windows(4).any(|window| window == b"\r\n\r\n") {
                    if first.len() >= message::HEAD_BYTES_MAX || stream.read_buf(&mut first).await? == 0 {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                }
                Ok::<_, io::Error>(())
            });
            let near = self.place.near.as_bytes();
            if matches!(said.await, Ok(Ok(()))) && first.windows(near.len()).any(|window| window == near) {
                stream.set_nodelay(true)?;
                return Ok((stream, first));
            }
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// Until one end closes. `first` has come from retina already.
    async fn carry<C: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        camera: C,
        reader: &mut TcpStream,
        first: BytesMut,
    ) -> Result<(), Failure> {
        let (mut camera_in, mut camera_out) = tokio::io::split(camera);
        let (mut reader_in, mut reader_out) = reader.split();
        let (mut take_camera, mut take_reader, mut out) = (BytesMut::new(), first, Outbox::default());
        self.take_reader(&mut take_reader, &mut out).await?;
        loop {
            if !out.to_camera.is_empty() {
                let sent = timeout(ANSWER, async {
                    camera_out.write_all_buf(&mut out.to_camera).await?;
                    camera_out.flush().await
                });
                self.in_time(sent.await)?;
            }
            // retina reads all the time, or it is gone.
            if !out.to_reader.is_empty() && reader_out.write_all_buf(&mut out.to_reader).await.is_err() {
                return Ok(());
            }
            out.to_reader.reserve(READ_BYTES);
            take_camera.reserve(READ_BYTES);
            take_reader.reserve(READ_BYTES);
            let due = self.udp.as_ref().and_then(Udp::due);
            tokio::select! {
                read = reader_in.read_buf(&mut take_reader) => match read {
                    Ok(0) | Err(_) => return Ok(()),
                    Ok(_) => self.take_reader(&mut take_reader, &mut out).await?,
                },
                read = camera_in.read_buf(&mut take_camera) => match read {
                    // A camera that ends TLS without a word of farewell does nothing worse than to close.
                    Ok(0) => return Ok(()),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                    Err(error) => return Err(Failure::closed(&self.host_port, &error.to_string())),
                    Ok(_) => self.take_camera(&mut take_camera, &mut out).await?,
                },
                () = receive(self.udp.as_mut(), &mut out.to_reader) => {}
                () = until(due) => if let Some(udp) = &mut self.udp { udp.release(&mut out.to_reader) },
            }
        }
    }

    fn in_time<T>(&self, sent: Result<io::Result<T>, tokio::time::error::Elapsed>) -> Result<T, Failure> {
        let sent = sent.map_err(|_| Failure::no_answer(&self.host_port, "a request", ANSWER.as_secs()))?;
        sent.map_err(|error| Failure::closed(&self.host_port, &error.to_string()))
    }

    /// Requests of retina.
    async fn take_reader(&mut self, buffer: &mut BytesMut, out: &mut Outbox) -> Result<(), Failure> {
        // What retina writes is well formed.
        while let Ok(Some(message)) = message::take(buffer) {
            if let Message::Text(text) = message {
                self.request(text, out).await?;
            }
        }
        Ok(())
    }

    async fn request(&mut self, mut text: Text, out: &mut Outbox) -> Result<(), Failure> {
        let Some((method, url)) = text.request().map(|(method, url)| (method.to_owned(), self.place.far_url(url)))
        else {
            return Ok(());
        };
        text.first = format!("{method} {url} RTSP/1.0");
        match method.as_str() {
            "SETUP" if self.udp.is_some() => {
                let channel = text.header("Transport").and_then(channel).unwrap_or(0);
                if let Some(udp) = &mut self.udp {
                    let asked = udp.add(channel).await.map_err(|error| {
                        Failure::unusable(
                            format!("There are no ports for the packets of the camera at {}: {error}.", self.host_port),
                            "Set the camera's transport to TCP.",
                        )
                    })?;
                    text.set("Transport", Some(asked));
                    self.setup = text.header("CSeq").map(str::to_owned);
                }
            }
            "PLAY" => {
                self.leave =
                    text.header("Session").map(|session| Leave { url: url.clone(), session: session.to_owned() });
            }
            "TEARDOWN" => self.leave = None,
            _ => {}
        }
        self.auth.send(text, &mut out.to_camera);
        Ok(())
    }

    /// Answers and packets of the camera.
    async fn take_camera(&mut self, buffer: &mut BytesMut, out: &mut Outbox) -> Result<(), Failure> {
        loop {
            match message::take(buffer) {
                Ok(None) => return Ok(()),
                Ok(Some(Message::Data(packet))) => out.to_reader.extend_from_slice(&packet),
                Ok(Some(Message::Text(text))) => self.answer(text, out).await?,
                Err(_) => {
                    return Err(Failure::unusable(
                        format!("What answers at {} does not speak RTSP.", self.host_port),
                        "Check the port: the camera's own page is often on 80, its RTSP service on 554.",
                    ));
                }
            }
        }
    }

    async fn answer(&mut self, mut text: Text, out: &mut Outbox) -> Result<(), Failure> {
        if self.auth.challenged(&text, &mut out.to_camera) {
            return Ok(());
        }
        let setup = self.setup.take_if(|setup| text.header("CSeq") == Some(setup));
        if let (Some(_), Some(udp)) = (setup, &mut self.udp) {
            if text.status().is_some_and(|status| (200..300).contains(&status)) {
                let transport = text.header("Transport").unwrap_or_default().to_owned();
                let told = udp.answered(&transport).await.map_err(|what| {
                    Failure::unusable(
                        format!("The camera at {} answers with what cannot be understood: {what}.", self.host_port),
                        "Set the camera's transport to TCP, or update its firmware.",
                    )
                })?;
                text.set("Transport", Some(told));
            } else {
                udp.refused();
            }
        }
        if !text.body.is_empty() {
            text.body = tamed(&text.body);
        }
        text.write(&mut out.to_reader);
        Ok(())
    }

    /// Ends a session over UDP whose connection was cut off: the camera would go on sending, and one that allows a single viewer would refuse the next session.
    async fn leave(mut self) {
        let over_udp = self.udp.as_ref().is_some_and(Udp::is_used);
        let Some(leave) = self.leave.take().filter(|_| over_udp) else { return };
        let mut text =
            Text { first: format!("TEARDOWN {} RTSP/1.0", leave.url), headers: Vec::new(), body: Bytes::new() };
        text.set("CSeq", Some("1".to_owned()));
        text.set("Session", Some(leave.session));
        let mut bytes = BytesMut::new();
        self.auth.send(text, &mut bytes);
        let _ = timeout(LEAVE, async {
            let mut stream = TcpStream::connect(self.address).await?;
            stream.write_all_buf(&mut bytes).await?;
            // Until it has answered or closed: one that is cut off in the middle may not act on it.
            stream.read_u8().await
        })
        .await;
    }
}

async fn receive(udp: Option<&mut Udp>, out: &mut BytesMut) {
    match udp {
        Some(udp) => udp.receive(out).await,
        None => core::future::pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => core::future::pending().await,
    }
}

/// First channel of `…;interleaved=0-1`.
fn channel(transport: &str) -> Option<u8> {
    let channels = transport.split(';').find_map(|part| part.trim().strip_prefix("interleaved="))?;
    channels.split('-').next()?.parse().ok()
}

/// A session description without the words that make retina open connections of its own.
fn tamed(body: &Bytes) -> Bytes {
    const WORDS: &[u8] = b"\na=tool:";
    if !body.windows(WORDS.len()).any(|window| window == WORDS) {
        return body.clone();
    }
    let mut tamed = BytesMut::from(&body[..]);
    let found: Vec<usize> =
        body.windows(WORDS.len()).enumerate().filter(|(_, window)| *window == WORDS).map(|(at, _)| at).collect();
    for at in found {
        tamed[at + 3..at + WORDS.len()].copy_from_slice(b"x-by:");
    }
    tamed.freeze()
}

#[cfg(test)]
mod tests;
