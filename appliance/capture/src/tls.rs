//! Whether a camera that is spoken to over TLS is the one that was meant.
//!
//! A camera's certificate is trusted for one of two reasons: an admin has looked at its [`Fingerprint`] and pinned it, which is the usual case, because cameras make
//! their certificates themselves; or nothing is pinned and an authority that the machine trusts (the system's list, where a station can add its own) vouches for it
//! and for the host in the camera's address. With a pin nothing else counts: neither the name nor the dates in the certificate nor who signed it. Without trust no byte of RTSP
//! is sent, so no user name and no password. What a camera showed is in the [`Failure`], for an admin to compare and pin.

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
        .map_err(|error| broken(&host_port, &error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let handshake = TlsConnector::from(Arc::new(config)).connect(server_name(url, address), stream);
    let shaken = tokio::time::timeout(ANSWER, handshake)
        .await
        .map_err(|_| Failure::no_answer(&host_port, "the start of its encryption (TLS)", ANSWER.as_secs()))?;
    shaken.map_err(|error| {
        match (verifier.refused.get(), error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())) {
            (Some(shown), _) => untrusted(&host_port, *shown, pin),
            (None, Some(error)) => broken(&host_port, error),
            (None, None) => Failure::closed(&host_port, &error.to_string()),
        }
    })
}

/// The name that an authority must vouch for: the host as it was typed, else the address.
fn server_name(url: &SourceUrl, address: IpAddr) -> ServerName<'static> {
    ServerName::try_from(url.host().to_owned()).unwrap_or_else(|_| ServerName::IpAddress(address.into()))
}

fn untrusted(host_port: &str, shown: Fingerprint, pin: Option<Fingerprint>) -> Failure {
    let failure = match pin {
        Some(pin) => Failure::new(
            watchbook_base::GapReason::CameraUntrusted,
            format!(
                "The camera at {host_port} shows another certificate than the one that is trusted: {shown} instead of {pin}."
            ),
            "Find out why: a new firmware or a reset makes a new certificate, and so does somebody between the camera and the recorder. If it is the camera's, test the camera and trust the new one.",
        ),
        None => Failure::new(
            watchbook_base::GapReason::CameraUntrusted,
            format!("Nobody vouches for the certificate of the camera at {host_port}: {shown}."),
            "Compare it with the fingerprint (SHA-256) on the camera's own page, then trust it on the camera's page here.",
        ),
    };
    failure.showing(shown)
}

fn broken(host_port: &str, error: &rustls::Error) -> Failure {
    let why: String = error.to_string().chars().take(120).collect();
    match error {
        rustls::Error::InvalidMessage(_) => Failure::unusable(
            format!("What answers at {host_port} does not speak TLS."),
            "Check the port: encrypted RTSP (rtsps) is often on 322, plain RTSP on 554.",
        ),
        _ => Failure::unusable(
            format!("The encryption of the camera at {host_port} cannot be used: {why}."),
            "Update the camera's firmware: TLS 1.2 or newer is needed. Else use its rtsp:// address in a network of its own.",
        ),
    }
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
    refused: OnceLock<Fingerprint>,
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
        let judged = match self.pin {
            Some(pin) if pin == shown => Ok(ServerCertVerified::assertion()),
            Some(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
            None => match &self.authorities {
                Some(known) => known.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
                None => Err(CertificateError::UnknownIssuer.into()),
            },
        };
        if judged.is_err() {
            self.refused.get_or_init(|| shown);
        }
        judged
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fingerprint_is_that_of_openssl() {
        // SHA-256 of "abc", FIPS 180-2 appendix B.1.
        let shown = Fingerprint::of(&CertificateDer::from(b"abc".to_vec()));
        let written = "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";
        assert_eq!(shown.to_string(), written);
        assert_eq!(written.replace(':', "").to_lowercase().parse(), Ok(shown));
        for wrong in ["", "AB", &written[3..], &format!("{written}:00"), &written.replace("BA", "XY")] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }

    /// An authority's certificate and one that it made for 192.0.2.7, by the `openssl` program.
    fn made_by_openssl() -> (CertificateDer<'static>, CertificateDer<'static>) {
        let dir = tempfile::tempdir().unwrap();
        let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=station -days 2 -keyout ca.key -out ca.pem 2>log &&
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=camera -keyout leaf.key -out leaf.csr 2>>log &&
            printf 'subjectAltName=IP:192.0.2.7' >san && openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out leaf.pem 2>>log &&
            openssl x509 -in ca.pem -outform der -out ca.der && openssl x509 -in leaf.pem -outform der -out leaf.der";
        let made = std::process::Command::new("sh").args(["-c", script]).current_dir(dir.path()).status().unwrap();
        assert!(made.success(), "{:?}", std::fs::read_to_string(dir.path().join("log")));
        let read = |name: &str| CertificateDer::from(std::fs::read(dir.path().join(name)).unwrap());
        (read("ca.der"), read("leaf.der"))
    }

    #[test]
    fn an_authority_vouches_for_one_host_and_a_pin_for_one_certificate() {
        let (authority, leaf) = made_by_openssl();
        let crypto = Arc::new(provider::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone()).unwrap();
        let known = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&crypto)).build().unwrap();
        let judged = |pin, known: Option<_>, certificate: &CertificateDer<'_>, host: &str| {
            let verifier = Verifier::new(pin, known, Arc::clone(&crypto));
            let name = ServerName::try_from(host.to_owned()).unwrap();
            let judged = verifier.verify_server_cert(certificate, &[], &name, &[], UnixTime::now());
            (judged.is_ok(), verifier.refused.get().copied())
        };
        let shown = Fingerprint::of(&leaf);
        assert_eq!(judged(None, Some(Arc::clone(&known)), &leaf, "192.0.2.7"), (true, None));
        assert_eq!(judged(None, Some(Arc::clone(&known)), &leaf, "192.0.2.8"), (false, Some(shown)));
        assert_eq!(judged(None, None, &leaf, "192.0.2.7"), (false, Some(shown)), "nobody vouches");
        assert_eq!(judged(Some(shown), None, &leaf, "elsewhere"), (true, None), "a pin asks for nothing else");
        let other = Fingerprint::of(&authority);
        let vouched = judged(Some(other), Some(known), &leaf, "192.0.2.7");
        assert_eq!(vouched, (false, Some(shown)), "with a pin no authority counts");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes: [u8; 32]) {
            let fingerprint = Fingerprint(bytes);
            prop_assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        }

        #[test]
        fn any_text_is_read_without_harm(text in "[0-9a-fA-F: é]{0,140}") {
            drop(text.parse::<Fingerprint>());
        }
    }
}
