//! The certificate that the page is served with.

use super::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where the certificate of the page comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsSource {
    /// The station's own authority.
    OwnAuthority,
    /// Somebody uploaded it.
    Uploaded,
    /// The configuration file names it.
    Files,
    /// None: the page is served in the open.
    Off,
}

/// A certificate, as far as people compare it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CertificateFacts {
    /// SHA-256 as browsers write it: `AB:CD:…`.
    pub sha256: String,
    /// Host names and addresses that it is for.
    pub names: Vec<String>,
    /// Valid from then on.
    pub not_before_utc_ms: i64,
    /// Valid until then.
    pub not_after_utc_ms: i64,
}

impl From<&watchbook_tls::Facts> for CertificateFacts {
    fn from(facts: &watchbook_tls::Facts) -> Self {
        Self {
            sha256: facts.sha256.clone(),
            names: facts.names.clone(),
            not_before_utc_ms: facts.not_before_s.saturating_mul(1000),
            not_after_utc_ms: facts.not_after_s.saturating_mul(1000),
        }
    }
}

/// How the page is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TlsState {
    /// Where the certificate comes from.
    pub source: TlsSource,
    /// What is served; null when the page is served in the open.
    pub certificate: Option<CertificateFacts>,
    /// The station's own authority; null where there is none. `/ca.crt` is its certificate.
    pub authority: Option<CertificateFacts>,
    /// Names of the machine that the own authority may not vouch for: under them a browser warns.
    pub names_left_out: Vec<String>,
    /// Handshakes that failed since the start.
    pub failed: u64,
    /// Connections that said nothing in time since the start.
    pub slow: u64,
    /// Connections of something that is neither TLS nor HTTP since the start.
    pub garbage: u64,
    /// Requests in the open that were sent on to TLS since the start.
    pub sent_on: u64,
}

/// A certificate that somebody else made. Both are the text of PEM files.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateUpload {
    /// The certificate, followed by its issuers.
    pub chain_pem: String,
    /// Its private key, without a passphrase. It is never given back.
    #[schema(value_type = String, write_only)]
    pub key_pem: Secret,
}
