//! Whether a camera that is spoken to over TLS is the one that was meant.
//!
//! A camera's certificate is trusted for one of two reasons: an admin has looked at its [`Fingerprint`] and pinned it, which is the usual case, because cameras make
//! their certificates themselves; or nothing is pinned and an authority that the machine trusts (the system's list, where a station can add its own) vouches for it
//! and for the host in the camera's address. With a pin nothing else counts: neither the name nor the dates in the certificate nor who signed it. Without trust no byte of RTSP
//! or HTTP is sent, so no user name and no password. What a camera showed is in the [`Failure`], for an admin to compare and pin.
//! A certificate of the first version of X.509 is refused in either case: the library that proves that the camera has its key reads none.

use crate::config::{Error, SourceUrl};
use crate::failure::Failure;
use crate::rtsp::ANSWER;
use aws_lc_rs::digest;
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs as provider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::{Arc, OnceLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// SHA-256 of a certificate (its DER form): 32 bytes. Written as `openssl x509 -fingerprint -sha256` and browsers write it: `AB:CD:…`, 95 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
        Self(bytes)
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    /// Takes 64 hexadecimal digits, in either case, with or without colons and spaces between them.
    fn from_str(text: &str) -> Result<Self, Error> {
        let refused =
            || Error::refuse("This is no SHA-256 fingerprint of a certificate: it has 64 hexadecimal digits.");
        // Three characters a byte, and room for spaces around.
        if text.len() > 128 {
            return Err(refused());
        }
        let digits: Vec<char> = text.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
        let digits: Option<Vec<u32>> = digits.into_iter().map(|c| c.to_digit(16)).collect();
        let digits = digits.filter(|digits| digits.len() == 64).ok_or_else(refused)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::try_from(pair.iter().fold(0, |sum, digit| sum << 4 | digit)).map_err(|_| refused())?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, byte)| {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")
        })
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// TLS over `stream`, with the camera that was meant at the other end. TLS 1.2 or 1.3; waits at most [`ANSWER`].
///
/// # Errors
/// Another certificate than the pinned one or one that nobody vouches for (the failure carries its fingerprint), no TLS, only versions of it that are broken.
pub(crate) async fn connect(
    stream: TcpStream,
    url: &SourceUrl,
    pin: Option<Fingerprint>,
) -> Result<TlsStream<TcpStream>, Failure> {
    let host_port = url.host_port();
    let address = stream.peer_addr().map_err(|error| Failure::closed(&host_port, &error.to_string()))?.ip();
    let provider = Arc::new(provider::default_provider());
    let verifier = Arc::new(Verifier::new(pin, authorities(&provider), provider));
    let config = ClientConfig::builder_with_provider(Arc::clone(&verifier.provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| broken(url, &error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let handshake = TlsConnector::from(Arc::new(config)).connect(server_name(url, address), stream);
    let shaken = tokio::time::timeout(ANSWER, handshake)
        .await
        .map_err(|_| Failure::no_answer(&host_port, "the start of its encryption (TLS)", ANSWER.as_secs()))?;
    shaken.map_err(|error| {
        match (verifier.refused.get(), error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())) {
            (Some(refused), _) => untrusted(url, refused, pin),
            (None, Some(error)) => broken(url, error),
            (None, None) => Failure::closed(&host_port, &error.to_string()),
        }
    })
}

/// The name that an authority must vouch for: the host as it was typed, else the address.
fn server_name(url: &SourceUrl, address: IpAddr) -> ServerName<'static> {
    ServerName::try_from(url.host().to_owned()).unwrap_or_else(|_| ServerName::IpAddress(address.into()))
}

/// A certificate that was shown and not trusted, and why.
#[derive(Clone, Debug)]
struct Refused {
    shown: Fingerprint,
    why: Distrust,
}

/// Why a certificate is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Distrust {
    /// Another one is pinned.
    Other,
    /// No authority of the machine vouches for it.
    Unknown,
    /// An authority did until then, as UTC.
    Expired(String),
    /// An authority does from then on, as UTC.
    Early(String),
    /// An authority vouches for it, with these names.
    Elsewhere(String),
    /// It is of version 1 of X.509 (RFC 5280 section 4.1.2.1), which the library does not read.
    FirstVersion,
}

impl Distrust {
    fn of(error: &rustls::Error) -> Self {
        let rustls::Error::InvalidCertificate(error) = error else { return Self::Unknown };
        match error {
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(day(*not_after)),
            CertificateError::NotValidYetContext { not_before, .. } => Self::Early(day(*not_before)),
            CertificateError::NotValidForNameContext { presented, .. } => Self::Elsewhere(names(presented)),
            _ => Self::Unknown,
        }
    }

    /// What the camera is told.
    fn told(&self) -> CertificateError {
        match self {
            Self::Other => CertificateError::ApplicationVerificationFailure,
            Self::Unknown => CertificateError::UnknownIssuer,
            Self::Expired(_) => CertificateError::Expired,
            Self::Early(_) => CertificateError::NotValidYet,
            Self::Elsewhere(_) => CertificateError::NotValidForName,
            Self::FirstVersion => CertificateError::BadEncoding,
        }
    }
}

/// A date as `2026-11-26`.
fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| "a day that no calendar has".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

/// Some of the names in a certificate, for a sentence: whoever made it chose them.
fn names(presented: &[String]) -> String {
    // The library writes `DnsName("camera.local")` and `IpAddress(192.0.2.7)`.
    let bare =
        |name: &str| name.split_once('(').map_or_else(|| name.to_owned(), |(_, inner)| inner.replace([')', '"'], ""));
    let clean = |name: &String| bare(name).chars().filter(char::is_ascii_graphic).take(64).collect::<String>();
    match presented.iter().take(4).map(clean).collect::<Vec<_>>() {
        names if names.is_empty() => "no host at all".to_owned(),
        names => names.join(", "),
    }
}

fn untrusted(url: &SourceUrl, refused: &Refused, pin: Option<Fingerprint>) -> Failure {
    const COMPARE: &str =
        "Compare it with the fingerprint (SHA-256) on the camera's own page, then trust it on the camera's page here.";
    let (host_port, shown) = (url.host_port(), refused.shown);
    let instead = pin.map(|pin| format!(" instead of {pin}")).unwrap_or_default();
    let (detail, next_step) = match &refused.why {
        Distrust::Other => (
            format!("The camera at {host_port} shows another certificate than the one that is trusted: {shown}{instead}."),
            "Find out why: a new firmware or a reset makes a new certificate, and so does somebody between the camera and the recorder. If it is the camera's, test the camera and trust the new one.".to_owned(),
        ),
        Distrust::Unknown => {
            (format!("Nobody vouches for the certificate of the camera at {host_port}: {shown}."), COMPARE.to_owned())
        }
        Distrust::Expired(day) => (
            format!("The certificate of the camera at {host_port} ran out on {day}: {shown}."),
            format!("Check the date of this machine, then give the camera a new certificate. Or trust this one as it is: {}", lower(COMPARE)),
        ),
        Distrust::Early(day) => (
            format!("The certificate of the camera at {host_port} is valid from {day} on only: {shown}."),
            format!("Check the date of this machine, and that of the camera when its certificate was made. Or trust this one as it is: {}", lower(COMPARE)),
        ),
        Distrust::Elsewhere(names) => (
            format!("The certificate of the camera at {host_port} is one for {names}: {shown}."),
            format!("Enter the camera's address with a name that is in its certificate. Or trust this one as it is: {}", lower(COMPARE)),
        ),
        Distrust::FirstVersion => {
            return Failure::new(
                watchbook_base::GapReason::CameraUntrusted,
                format!("The certificate of the camera at {host_port} is of version 1 of X.509, which cannot be checked: {shown}."),
                format!("Let the camera make a new certificate, or give it one of version 3; an update of its firmware may be needed for that. Else {}", plain(url)),
            );
        }
    };
    Failure::new(watchbook_base::GapReason::CameraUntrusted, detail, next_step).showing(shown)
}

fn lower(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// What is left when a camera's encryption is of no use.
fn plain(url: &SourceUrl) -> String {
    format!("use its {}:// address in a network of its own.", if url.is_http() { "http" } else { "rtsp" })
}

fn broken(url: &SourceUrl, error: &rustls::Error) -> Failure {
    use rustls::{AlertDescription as Alert, PeerIncompatible as Peer};
    let host_port = url.host_port();
    match error {
        rustls::Error::InvalidMessage(_) => Failure::unusable(
            format!("What answers at {host_port} does not speak TLS."),
            if url.is_http() {
                "Check the port: encrypted pages (https) are often on 443, plain ones on 80."
            } else {
                "Check the port: encrypted RTSP (rtsps) is often on 322, plain RTSP on 554."
            },
        ),
        rustls::Error::AlertReceived(Alert::ProtocolVersion)
        | rustls::Error::PeerIncompatible(
            Peer::ServerDoesNotSupportTls12Or13 | Peer::ServerTlsVersionIsDisabledByOurConfig,
        ) => Failure::unusable(
            format!("The camera at {host_port} speaks only versions of TLS that are broken, older than 1.2."),
            format!("Switch TLS 1.2 or newer on in the camera's settings, or update its firmware. Else {}", plain(url)),
        ),
        rustls::Error::AlertReceived(Alert::HandshakeFailure | Alert::InsufficientSecurity)
        | rustls::Error::PeerIncompatible(_) => Failure::unusable(
            format!("The camera at {host_port} and the recorder have no encryption in common that is not broken."),
            format!(
                "Switch the safe methods of TLS 1.2 on in the camera's settings (ECDHE with AES-GCM), or update its firmware. Else {}",
                plain(url)
            ),
        ),
        _ => {
            let why: String = error.to_string().chars().take(120).collect();
            Failure::unusable(
                format!("The encryption of the camera at {host_port} cannot be used: {why}."),
                format!("Update the camera's firmware: TLS 1.2 or newer is needed. Else {}", plain(url)),
            )
        }
    }
}

/// Whether a certificate leaves its version out, which means version 1: `Certificate ::= SEQUENCE { TBSCertificate ::= SEQUENCE { [0] version, serialNumber INTEGER, … } … }` (RFC 5280 section 4.1).
fn is_first_version(certificate: &[u8]) -> bool {
    const INTEGER: u8 = 0x02;
    let inside = |der: &'_ [u8]| -> Option<usize> {
        let [0x30, length, ..] = der else { return None };
        // A long form says in how many bytes the length follows (X.690 8.1.3.5).
        Some(2 + if *length > 0x80 { usize::from(length & 0x7F) } else { 0 })
    };
    let outer = inside(certificate).and_then(|at| certificate.get(at..));
    let within = outer.and_then(|der| inside(der).and_then(|at| der.get(at..)));
    within.and_then(<[u8]>::first) == Some(&INTEGER)
}

/// Authorities of the machine, read once. `None` when it has none.
fn authorities(provider: &Arc<CryptoProvider>) -> Option<Arc<WebPkiServerVerifier>> {
    static KNOWN: OnceLock<Option<Arc<WebPkiServerVerifier>>> = OnceLock::new();
    let read = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        // It fails for an empty list only.
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().ok()
    };
    KNOWN.get_or_init(read).clone()
}

#[derive(Debug)]
struct Verifier {
    pin: Option<Fingerprint>,
    authorities: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    /// What was shown and not trusted.
    refused: OnceLock<Refused>,
}

impl Verifier {
    fn new(
        pin: Option<Fingerprint>,
        authorities: Option<Arc<WebPkiServerVerifier>>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        Self { pin, authorities, provider, refused: OnceLock::new() }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = Fingerprint::of(end_entity);
        let judged = match (self.pin, &self.authorities) {
            (Some(pin), _) if pin != shown => Err(Distrust::Other),
            _ if is_first_version(end_entity) => Err(Distrust::FirstVersion),
            (Some(_), _) => Ok(ServerCertVerified::assertion()),
            (None, Some(known)) => known
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map_err(|error| Distrust::of(&error)),
            (None, None) => Err(Distrust::Unknown),
        };
        judged.map_err(|why| {
            let told = why.told();
            self.refused.get_or_init(|| Refused { shown, why });
            told.into()
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // The pin says whose key it must be; this says that the other end has that key.
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
