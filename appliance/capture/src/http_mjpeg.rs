//! Cameras that send JPEG pictures over HTTP: one after the other in an answer without end, or one for each request.
//!
//! Which of the two is what the camera answers: `multipart/…` is a stream, `image/jpeg` one picture, which is then asked for again every `interval_ms`.
//!
//! * **Address:** judged by [`crate::networks`], and the judged address is connected to, also for each further picture. No redirect is followed.
//! * **Encryption:** an `https` address is spoken to over [`tls`], whose rules about certificates hold; without trust nothing is asked.
//! * **Password:** digest (RFC 7616) where the camera offers it, else Basic (RFC 7617), which is the password itself and what old cameras have; only after the
//!   camera has asked, and only to that address.
//! * **Time:** there is no camera clock. Media time is when the last byte of a picture came, by our monotonic clock, and at least [`APART_US`] behind the picture before.
//! * **Bounds:** [`ANSWER`] for a connection and for the head of an answer, twice that for one picture's body, [`HEAD_BYTES_MAX`] for the head, and what
//!   [`crate::multipart`] says for a part. A session without a picture for [`Session::silence`] is given up.
//!
//! The bytes of a snapshot are taken as they come: `Last-Modified` and `ETag` are made up by cameras.

use crate::config::{Credentials, SessionConfig, SourceUrl};
use crate::failure::Failure;
use crate::multipart::{Part, Parts, boundary_of};
use crate::rtsp::{ANSWER, Item, VideoFormat};
use crate::sink::PictureFormat;
use crate::tls::{self, Fingerprint};
use crate::track::Unit;
use crate::watch::SILENCE;
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_auth::{PasswordClient, PasswordParams};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, USER_AGENT, WWW_AUTHENTICATE};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use watchbook_base::limits::ACCESS_UNIT_BYTES_MAX;
use watchbook_media::mjpeg;
use watchbook_media::sample_entry::codec_string;

/// Bytes of the head of an answer.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// Fields of it.
const HEAD_FIELDS_MAX: usize = 64;
/// Damaged pictures in a row that end a session: a second of them.
const DAMAGE_RUN_MAX: u32 = 25;
/// So many changes of the pictures' size within [`SIZES_WITHIN`] end a session: each begins a recording.
const SIZES_MAX: u32 = 8;
const SIZES_WITHIN: Duration = Duration::from_secs(60);
/// Media time is in microseconds.
const RATE_HZ: u32 = 1_000_000;
/// Two pictures are at least so far apart: a tick of 1/90,000 s, which recordings count in, rounded up. Several may come in one read.
const APART_US: i64 = 12;

/// A session that gives pictures.
pub(crate) struct Session {
    host_port: String,
    begun: Instant,
    source: Source,
    size: Option<(u32, u32)>,
    /// When the newest changes of size began to be counted, and how many there were.
    sizes: (Instant, u32),
    damage_run: u32,
    /// Media time that the next picture has at least, in microseconds.
    next_us: i64,
}

enum Source {
    Stream {
        body: Incoming,
        parts: Box<Parts>,
        _connection: Connection,
    },
    Snapshots {
        interval: Duration,
        due: Instant,
        /// Who asks next; `None` while it asks.
        asker: Option<Box<Asker>>,
        asked: Option<BoxFuture<'static, Fetched>>,
    },
}

/// A picture, and the asker for the next one.
type Fetched = Result<(Bytes, Box<Asker>), Failure>;

/// The task that moves a connection's bytes; ends with the session.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is needed to ask a camera again.
struct Asker {
    address: SocketAddr,
    url: SourceUrl,
    certificate: Option<Fingerprint>,
    host_port: String,
    credentials: Option<Credentials>,
    /// Answers the camera's newest challenge.
    client: Option<PasswordClient>,
}

/// An answer whose body is still to come.
struct Answer {
    response: Response<Incoming>,
    connection: Connection,
}

impl Session {
    /// Asks the camera, and finds out what it sends.
    ///
    /// # Errors
    /// The reason and sentences for it; bounded by a few times [`ANSWER`].
    pub(crate) async fn open(config: &SessionConfig) -> Result<Self, Failure> {
        let source = &config.source;
        let host_port = source.url.host_port();
        let address = config.networks.pin(&source.url).await?;
        let mut asker = Asker {
            address,
            url: source.url.clone(),
            certificate: config.certificate,
            host_port: host_port.clone(),
            credentials: config.credentials.clone(),
            client: None,
        };
        let answer = asker.ask().await?;
        let source = match kind_of(answer.response.headers()) {
            Kind::Stream(boundary) => {
                let parts = Box::new(Parts::new(boundary.as_deref()));
                Source::Stream { body: answer.response.into_body(), parts, _connection: answer.connection }
            }
            Kind::Picture => {
                let first = asker.picture(answer).await?;
                let interval = Duration::from_millis(source.interval_ms.into());
                let due = Instant::now() + interval;
                let asked = core::future::ready(Ok((first, Box::new(asker)))).boxed();
                Source::Snapshots { interval, due, asker: None, asked: Some(asked) }
            }
            Kind::Other(what) => {
                return Err(Failure::unusable(
                    format!("The camera at {host_port} answers with {what} instead of pictures."),
                    "Enter the address of its JPEG stream or snapshot; the camera's manual or its own page names it.",
                ));
            }
        };
        let now = Instant::now();
        Ok(Self { host_port, begun: now, source, size: None, sizes: (now, 0), damage_run: 0, next_us: 0 })
    }

    /// How often it is asked for a picture, when it gives one at a time.
    pub(crate) fn interval_ms(&self) -> Option<u32> {
        match &self.source {
            Source::Snapshots { interval, .. } => u32::try_from(interval.as_millis()).ok(),
            Source::Stream { .. } => None,
        }
    }

    /// Without a picture for so long it is given up.
    pub(crate) fn silence(&self) -> Duration {
        match &self.source {
            Source::Snapshots { interval, .. } => SILENCE + *interval,
            Source::Stream { .. } => SILENCE,
        }
    }

    /// The next picture. Cancelling it loses nothing.
    ///
    /// # Errors
    /// The session is over.
    pub(crate) async fn next(&mut self) -> Result<Item, Failure> {
        let part = match &mut self.source {
            Source::Stream { body, parts, .. } => next_part(body, parts, &self.host_port).await?,
            Source::Snapshots { interval, due, asker, asked } => {
                if asked.is_none() {
                    sleep_until(*due).await;
                    // A camera that is slower than the interval is asked as fast as it answers, never twice at once.
                    *due = (*due + *interval).max(Instant::now());
                    *asked = asker.take().map(|asker| asker.fetch().boxed());
                }
                // Without either the last question failed, and the session was over then.
                let Some(asking) = asked else { return Err(Failure::closed(&self.host_port, "")) };
                let fetched = asking.await;
                *asked = None;
                let (data, next) = fetched?;
                *asker = Some(next);
                whole(data)
            }
        };
        self.item(part)
    }

    fn item(&mut self, part: Part) -> Result<Item, Failure> {
        let (data, picture) = match part {
            Part::Picture(data, picture) => (data, picture),
            Part::Damaged(what) => {
                self.damage_run += 1;
                return if self.damage_run > DAMAGE_RUN_MAX {
                    Err(self.broken(&what))
                } else {
                    Ok(Item::Damaged(what))
                };
            }
        };
        self.damage_run = 0;
        let now = Instant::now();
        let format = self.format(picture, now)?;
        let passed_us = i64::try_from(now.duration_since(self.begun).as_micros()).unwrap_or(i64::MAX);
        let rtp = passed_us.max(self.next_us);
        self.next_us = rtp.saturating_add(APART_US);
        Ok(Item::Video { unit: Unit { rtp, rate_hz: RATE_HZ, key: true, data }, format, lost: 0 })
    }

    /// The format of a picture of another size than the one before.
    fn format(&mut self, picture: mjpeg::Picture, now: Instant) -> Result<Option<VideoFormat>, Failure> {
        let size = (picture.width, picture.height);
        if self.size == Some(size) {
            return Ok(None);
        }
        self.size = Some(size);
        if now.duration_since(self.sizes.0) > SIZES_WITHIN {
            self.sizes = (now, 0);
        }
        self.sizes.1 += 1;
        if self.sizes.1 > SIZES_MAX {
            return Err(Failure::unusable(
                format!("The camera at {} changes the size of its pictures all the time.", self.host_port),
                "Set one picture size on the camera.",
            ));
        }
        let track = picture.format();
        let codec_string = codec_string(&track).unwrap_or_default();
        let shown = PictureFormat { codec_string, width: picture.width, height: picture.height };
        Ok(Some(VideoFormat { track, shown }))
    }

    fn broken(&self, what: &str) -> Failure {
        Failure::unusable(
            format!("The camera at {} sends only damaged pictures: {what}.", self.host_port),
            "Check that the address is that of a JPEG stream or snapshot, check the network for loss, or restart the camera.",
        )
    }
}

/// A snapshot as a part.
fn whole(data: Bytes) -> Part {
    match mjpeg::check(&data) {
        Ok(picture) => Part::Picture(data.slice(..picture.len), picture),
        Err(error) => Part::Damaged(error.message),
    }
}

async fn next_part(body: &mut Incoming, parts: &mut Parts, host_port: &str) -> Result<Part, Failure> {
    loop {
        let part = parts.next().map_err(|broken| {
            Failure::unusable(
                format!("What the camera at {host_port} sends is no stream of JPEG pictures: {}.", broken.0),
                "Enter the address of its JPEG stream; the camera's manual or its own page names it.",
            )
        })?;
        if let Some(part) = part {
            return Ok(part);
        }
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    parts.push(&data);
                }
            }
            Some(Err(error)) => return Err(Failure::closed(host_port, &error.to_string())),
            None => return Err(Failure::closed(host_port, "")),
        }
    }
}

/// What an answer promises.
enum Kind {
    /// Parts without end, and their boundary when it is named.
    Stream(Option<String>),
    /// One picture.
    Picture,
    /// Something else, as words for a sentence.
    Other(String),
}

fn kind_of(headers: &HeaderMap) -> Kind {
    // Header values of cameras may hold any bytes.
    let told = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let Some(told) = told else { return Kind::Picture };
    let essence = told.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "image/jpeg" | "image/jpg" | "image/pjpeg" | "application/octet-stream" => Kind::Picture,
        _ if essence.starts_with("multipart/") => Kind::Stream(boundary_of(&told).map(str::to_owned)),
        "text/html" => Kind::Other("a page".to_owned()),
        _ => Kind::Other(essence.chars().filter(|c| c.is_ascii_graphic()).take(64).collect()),
    }
}

impl Asker {
    /// One request; a second one with user name and password when the camera asks for them.
    async fn ask(&mut self) -> Result<Answer, Failure> {
        let answer = self.send().await?;
        if answer.response.status() == 401
            && let Some(credentials) = &self.credentials
        {
            // A new challenge also comes when the nonce of the old one has become stale.
            let challenges = answer.response.headers().get_all(WWW_AUTHENTICATE).iter();
            let challenges: Vec<&str> = challenges.filter_map(|value| value.to_str().ok()).collect();
            let client = PasswordClient::try_from(challenges.join(", ").as_str());
            tracing::debug!(camera = %self.host_port, user = credentials.username, "the camera asks for a password");
            self.client = client.ok();
            drop(answer);
            let again = self.send().await?;
            return self.accepted(again);
        }
        self.accepted(answer)
    }

    fn accepted(&self, answer: Answer) -> Result<Answer, Failure> {
        let status = answer.response.status().as_u16();
        match status {
            200 => Ok(answer),
            _ => Err(Failure::status(&self.host_port, status, self.credentials.is_some())),
        }
    }

    async fn send(&mut self) -> Result<Answer, Failure> {
        let request = self.request()?;
        let host_port = &self.host_port;
        let connecting = timeout(ANSWER, TcpStream::connect(self.address)).await;
        let stream = connecting
            .map_err(|_| Failure::no_answer(host_port, "a connection", ANSWER.as_secs()))?
            .map_err(|error| Failure::unreachable(host_port, &error.to_string()))?;
        let asking = match self.url.is_encrypted() {
            true => exchange(tls::connect(stream, &self.url, self.certificate).await?, request).boxed(),
            false => exchange(stream, request).boxed(),
        };
        timeout(ANSWER, asking)
            .await
            .map_err(|_| Failure::no_answer(host_port, "a request for its pictures", ANSWER.as_secs()))?
            .map_err(|error| unreadable(host_port, &error))
    }

    fn request(&mut self) -> Result<Request<Empty<Bytes>>, Failure> {
        let url = self.url.url();
        let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let refused = |what: String| {
            Failure::unusable(
                format!("No request can be made for {}: {what}.", self.host_port),
                "Check the address, the user name and the password.",
            )
        };
        let mut request = Request::get(&target)
            .header(HOST, &self.host_port)
            .header(USER_AGENT, "Watchbook")
            .header(ACCEPT, "multipart/x-mixed-replace, image/jpeg");
        if let (Some(client), Some(credentials)) = (&mut self.client, &self.credentials) {
            let (username, password) = (credentials.username.as_str(), credentials.password.as_str());
            let answered =
                client.respond(&PasswordParams { username, password, uri: &target, method: "GET", body: None });
            request = request.header(AUTHORIZATION, answered.map_err(&refused)?);
        }
        request.body(Empty::new()).map_err(|error| refused(error.to_string()))
    }

    /// The whole body of an answer with one picture.
    async fn picture(&self, answer: Answer) -> Result<Bytes, Failure> {
        let Answer { response, connection } = answer;
        let reading = Limited::new(response.into_body(), ACCESS_UNIT_BYTES_MAX).collect();
        let body = timeout(2 * ANSWER, reading).await;
        drop(connection);
        body.map_err(|_| Failure::no_answer(&self.host_port, "a request for a picture", 2 * ANSWER.as_secs()))?
            .map(|body| body.to_bytes())
            .map_err(|error| match error.downcast::<hyper::Error>() {
                Ok(error) => Failure::closed(&self.host_port, &error.to_string()),
                Err(_) => Failure::unusable(
                    format!(
                        "The camera at {} sends a picture of more than {ACCESS_UNIT_BYTES_MAX} bytes.",
                        self.host_port
                    ),
                    "Set a smaller picture or a lower quality on the camera.",
                ),
            })
    }

    async fn fetch(mut self: Box<Self>) -> Fetched {
        let answer = self.ask().await?;
        if let Kind::Other(what) | Kind::Stream(Some(what)) = kind_of(answer.response.headers()) {
            return Err(Failure::unusable(
                format!("The camera at {} no longer answers with a picture but with {what}.", self.host_port),
                "Nothing, if the camera restarts. Else check its address.",
            ));
        }
        let data = self.picture(answer).await?;
        Ok((data, self))
    }
}

/// Sends a request and takes the head of the answer.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Empty<Bytes>>,
) -> Result<Answer, hyper::Error> {
    // Cameras write HTTP by hand, too.
    let mut client = hyper::client::conn::http1::Builder::new();
    client.max_headers(HEAD_FIELDS_MAX).max_buf_size(HEAD_BYTES_MAX).ignore_invalid_headers_in_responses(true);
    client.allow_spaces_after_header_name_in_responses(true).allow_obsolete_multiline_headers_in_responses(true);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await?;
    // How it ends is told to whoever reads the body.
    let connection = Connection(tokio::spawn(connection.map(drop)));
    let response = sender.send_request(request).await?;
    Ok(Answer { response, connection })
}

/// What answers and cannot be understood is another thing than what goes away.
fn unreadable(host_port: &str, error: &hyper::Error) -> Failure {
    if error.is_parse() || error.is_parse_too_large() {
        return Failure::unusable(
            format!("What answers at {host_port} does not speak HTTP as it should: {error}."),
            "Check the port: a camera's own page is often on 80, its RTSP service on 554.",
        );
    }
    Failure::closed(host_port, &error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::time::TICKS_PER_SEC;

    #[test]
    fn pictures_that_come_together_share_no_tick() {
        let now = Instant::now();
        let source = Source::Snapshots { interval: SILENCE, due: now, asker: None, asked: None };
        let host_port = "camera:80".to_owned();
        let mut session =
            Session { host_port, begun: now, source, size: None, sizes: (now, 0), damage_run: 0, next_us: 0 };
        let picture = mjpeg::Picture { width: 16, height: 8, len: 4 };
        let mut ticks = Vec::new();
        for _ in 0..5_000 {
            let item = session.item(Part::Picture(Bytes::from_static(b"jpeg"), picture));
            let Ok(Item::Video { unit, .. }) = item else { panic!("a picture is one") };
            ticks.push(unit.rtp * TICKS_PER_SEC / i64::from(unit.rate_hz));
        }
        assert!(ticks.is_sorted_by(|earlier, later| earlier < later));
    }
}
