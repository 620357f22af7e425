//! One HTTP request to a camera: bounded in time and in bytes, to an address that was judged, following no redirect.

use crate::config::SourceUrl;
use crate::failure::Failure;
use crate::rtsp::ANSWER;
use crate::tls::{self, Fingerprint};
use bytes::Bytes;
use core::net::IpAddr;
use futures::FutureExt as _;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT, WWW_AUTHENTICATE};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use url::Url;

/// Bytes of an answer's body: sixteen profiles at 4 KiB each, four times over.
pub(super) const BODY_BYTES_MAX: usize = 256 << 10;

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    /// `WWW-Authenticate`.
    pub(super) challenge: Option<String>,
    pub(super) body: String,
}

/// Whom a connection is made to.
pub(super) struct Peer {
    /// The address that was judged.
    pub(super) address: IpAddr,
    /// As a person knows it; over TLS its certificate is for this host.
    pub(super) named: SourceUrl,
    /// The certificate that is trusted, when a person chose one.
    pub(super) certificate: Option<Fingerprint>,
}

/// Posts a SOAP envelope.
///
/// # Errors
/// No connection, no trust in it, no whole answer within four times [`ANSWER`], or one that is too large.
pub(super) async fn post(
    peer: &Peer,
    url: &Url,
    (action, authorization): (&str, Option<&str>),
    body: String,
    host_port: &str,
) -> Result<Answer, Failure> {
    let port = url.port_or_known_default().unwrap_or(80);
    let connecting = tokio::time::timeout(ANSWER, TcpStream::connect((peer.address, port))).await;
    let stream = connecting
        .map_err(|_| Failure::no_answer(host_port, "a connection", ANSWER.as_secs()))?
        .map_err(|error| Failure::unreachable(host_port, &error.to_string()))?;
    let host = url.host_str().unwrap_or_default();
    let mut request = Request::post(target(url))
        .header(HOST, format!("{host}:{port}"))
        .header(USER_AGENT, "Watchbook")
        .header(CONNECTION, "close")
        .header(CONTENT_TYPE, format!("application/soap+xml; charset=utf-8; action=\"{action}\""));
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    let request = request.body(Full::new(Bytes::from(body))).map_err(|error| {
        Failure::unusable(format!("No request can be made for {host_port}: {error}."), "Check the address.")
    })?;
    let exchange = match peer.named.is_encrypted() {
        true => exchange(tls::connect(stream, &peer.named, peer.certificate).await?, request).boxed(),
        false => exchange(stream, request).boxed(),
    };
    let answered = tokio::time::timeout(2 * ANSWER, exchange).await;
    answered
        .map_err(|_| Failure::no_answer(host_port, "a question", 2 * ANSWER.as_secs()))?
        .map_err(|error| Failure::closed(host_port, &error.to_string()))?
        .map_err(|what| {
            Failure::unusable(
                format!("The camera at {host_port} answers with {what}."),
                "Enter the address of its stream by hand, or update the camera's firmware.",
            )
        })
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Result<Answer, String>, hyper::Error> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut connection = std::pin::pin!(connection);
    let answer = async {
        let response = sender.send_request(request).await?;
        Ok::<_, hyper::Error>(read(response).await)
    };
    // The connection does the work; when it ends first the answer is there or never comes.
    tokio::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        ended = &mut connection => { ended?; answer.await }
    }
}

/// The request target (RFC 9112 section 3.2.1), which digest authentication covers whole (RFC 7616 section 3.4).
pub(super) fn target(url: &Url) -> String {
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

async fn read(response: Response<hyper::body::Incoming>) -> Result<Answer, String> {
    let status = response.status().as_u16();
    let challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
    let challenges: Vec<&str> = challenges.filter_map(|value| value.to_str().ok()).collect();
    let challenge = (!challenges.is_empty()).then(|| challenges.join(", "));
    let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| format!("more than {BODY_BYTES_MAX} bytes, or breaks off ({error})"))?.to_bytes();
    // XML may be in other encodings; ONVIF's is UTF-8 (Core Specification 5.8), and names in another one only lose their accents.
    Ok(Answer { status, challenge, body: String::from_utf8_lossy(&body).trim_start_matches('\u{FEFF}').to_owned() })
}
