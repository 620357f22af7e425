//! One request, one answer. What is answered is read as far as a witness' answer can be long, and nobody is followed elsewhere.

use super::exchange::{Answer, Unanswered};
use rustls::crypto::aws_lc_rs::default_provider;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::http::StatusCode;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// From the name of the machine to the last byte of the answer.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Until somebody is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer: a few lines of cosignatures, or a number.
pub const ANSWER_BYTES_MAX: u64 = 8 << 10;
/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Posts `body` to `url`.
///
/// # Errors
/// Why there is no answer that is worth reading, in the recorder's words.
pub fn post(url: &str, body: &str) -> Result<Answer, Unanswered> {
    let answer = agent(url)?.post(url).send(body).map_err(|error| told(&error))?;
    let status = answer.status();
    if !matches!(status, StatusCode::OK | StatusCode::CONFLICT) {
        return Ok(Answer { status: status.as_u16(), body: Vec::new() });
    }
    let body = answer.into_body().into_with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
    Ok(Answer { status: status.as_u16(), body: body.map_err(|error| told(&error))? })
}

/// Made anew each time: no connection stays open, and the machine's list of authorities is the present one.
fn agent(url: &str) -> Result<Agent, Unanswered> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .max_response_header_size(HEAD_BYTES_MAX)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(TIMEOUT))
        .user_agent("watchbook");
    if !url.starts_with("https://") {
        return Ok(config.build().into());
    }
    let found = rustls_native_certs::load_native_certs();
    let roots: Vec<Certificate<'static>> =
        found.certs.iter().map(|cert| Certificate::from_der(cert).to_owned()).collect();
    if roots.is_empty() {
        let why = "this machine has no list of certificate authorities; install ca-certificates";
        return Err(Unanswered::Unreached(why.to_owned()));
    }
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots));
    let tls = tls.unversioned_rustls_crypto_provider(Arc::new(default_provider())).build();
    Ok(config.tls_config(tls).build().into())
}

/// In words of our own: names in certificates and the like are the other side's to choose.
fn told(error: &ureq::Error) -> Unanswered {
    let unreached = |why: &str| Unanswered::Unreached(why.to_owned());
    match error {
        ureq::Error::Timeout(_) => unreached(&format!("there was no whole answer within {} s", TIMEOUT.as_secs())),
        ureq::Error::HostNotFound => unreached("the name of its machine is not known; look at the address and at DNS"),
        ureq::Error::ConnectionFailed => unreached("nobody takes a connection there"),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => unreached(TLS),
        ureq::Error::Io(error)
            if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>) =>
        {
            unreached(TLS)
        }
        ureq::Error::Io(error) => unreached(match error.kind() {
            ErrorKind::ConnectionRefused => "nobody listens there (connection refused)",
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "no way leads to its network",
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => "the connection broke off",
            ErrorKind::TimedOut | ErrorKind::WouldBlock => "there was no answer in time",
            _ => "the connection failed",
        }),
        ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => {
            Unanswered::NotAWitness(format!("its answer is longer than the {ANSWER_BYTES_MAX} bytes that are read"))
        }
        _ => Unanswered::NotAWitness("what answers there does not speak HTTP as it should".to_owned()),
    }
}

const TLS: &str = "no safe connection came about: its certificate is not one that this machine trusts for that name, or it speaks no TLS";
