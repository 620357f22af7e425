//! What a certificate says of itself: until when, for which names, by whom.

use crate::error::{Error, Result};
use aws_lc_rs::digest;
use core::fmt::Write as _;
use core::net::IpAddr;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// Names of one certificate that are listed.
const NAMES_MAX: usize = 256;

/// SHA-256 of a certificate (its DER form) as browsers and `openssl x509 -fingerprint -sha256` write it: `AB:CD:…`.
#[must_use]
pub fn fingerprint(certificate: &[u8]) -> String {
    let mut text = String::with_capacity(95);
    for byte in digest::digest(&digest::SHA256, certificate).as_ref() {
        let colon = if text.is_empty() { "" } else { ":" };
        write!(text, "{colon}{byte:02X}").expect("a string takes all that is written");
    }
    text
}

/// What a certificate says of itself. Nobody has vouched for it here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// SHA-256, as [`fingerprint`] writes it.
    pub sha256: String,
    /// Valid from then on, seconds UTC.
    pub not_before_s: i64,
    /// Valid until then, seconds UTC.
    pub not_after_s: i64,
    /// Host names and addresses that it is for.
    pub names: Vec<String>,
    /// It says nothing of what its key is for, or that it is for servers (RFC 5280 section 4.2.1.12).
    pub(crate) for_servers: bool,
    /// Name of whoever signed it, as it stands there.
    pub(crate) issuer: Vec<u8>,
    /// Its own name, as it stands there.
    pub(crate) subject: Vec<u8>,
}

impl Facts {
    /// Reads a certificate (DER).
    ///
    /// # Errors
    /// `InvalidInput` for what is none.
    pub fn of(certificate: &[u8]) -> Result<Self> {
        parse(certificate).ok_or_else(|| Error::refused("reading a certificate: it is no X.509 certificate"))
    }

    /// The same of the first certificate of a PEM file.
    ///
    /// # Errors
    /// `InvalidInput` for what has none.
    pub fn of_pem(pem: &[u8]) -> Result<Self> {
        let first = CertificateDer::from_pem_slice(pem);
        Self::of(&first.map_err(|_| Error::refused("the file holds no certificate"))?)
    }
}

fn parse(certificate: &[u8]) -> Option<Facts> {
    let (behind, read) = X509Certificate::from_der(certificate).ok()?;
    if !behind.is_empty() {
        return None;
    }
    let names = read
        .subject_alternative_name()
        .ok()?
        .map_or_else(Vec::new, |names| names.value.general_names.iter().filter_map(name).take(NAMES_MAX).collect());
    let purposes = read.extended_key_usage().ok()?;
    Some(Facts {
        sha256: fingerprint(certificate),
        not_before_s: read.validity().not_before.timestamp(),
        not_after_s: read.validity().not_after.timestamp(),
        names,
        for_servers: purposes.is_none_or(|purposes| purposes.value.any || purposes.value.server_auth),
        issuer: read.issuer().as_raw().to_vec(),
        subject: read.subject().as_raw().to_vec(),
    })
}

/// A host name or an address; other kinds of names are none that a browser looks at.
fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) => text.bytes().all(|byte| byte.is_ascii_graphic()).then(|| (*text).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}
