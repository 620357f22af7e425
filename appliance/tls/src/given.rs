//! A certificate that somebody else made, as files.

use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::sealed::SECRET_BYTES;
use crate::served::{Certified, Kept};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use watchbook_base::UtcNanos;
use zeroize::Zeroizing;

/// Bytes of a file with a certificate and what leads to its root: some 2 KiB each.
pub const CHAIN_BYTES_MAX: usize = 64 << 10;
/// Bytes of a file with a private key: 6 KiB for RSA with 8192 bits.
pub const KEY_BYTES_MAX: usize = 16 << 10;
/// Certificates in one file: in practice two or three.
const CHAIN_MAX: usize = 8;

/// A certificate with its chain and its key, looked through.
pub struct Given {
    chain: Vec<CertificateDer<'static>>,
    key: Zeroizing<Vec<u8>>,
    /// Ready to be served.
    pub certified: Certified,
}

impl Given {
    /// Reads two PEM files and looks at whether a browser could be content: the key fits, the certificates are in order, the first one is for some name and is valid now.
    ///
    /// # Errors
    /// `InvalidInput` with what does not do and what to give instead. No message holds a part of the key.
    pub fn read(chain_pem: &[u8], key_pem: &[u8], now: UtcNanos) -> Result<Self> {
        let chain = read_chain(chain_pem)?;
        let key = read_key(key_pem)?;
        let kept = Zeroizing::new(key.secret_der().to_vec());
        let certified = Certified::new(chain.clone(), key)?;
        let facts = &certified.facts;
        let now_s = now.0 / 1_000_000_000;
        if facts.not_after_s <= now_s {
            return Err(Error::refused(format!(
                "the certificate ran out on {}; give a newer one",
                day(facts.not_after_s)
            )));
        }
        if facts.not_before_s > now_s {
            let from = day(facts.not_before_s);
            return Err(Error::refused(format!(
                "the certificate is valid from {from} on; look at the recorder's clock"
            )));
        }
        if facts.names.is_empty() {
            return Err(Error::refused(
                "the certificate is for no host name and no address (subjectAltName); browsers take none without",
            ));
        }
        if !facts.for_servers {
            return Err(Error::refused(
                "the certificate is not for servers (extendedKeyUsage without serverAuth); browsers take none of these",
            ));
        }
        Ok(Self { chain, key: kept, certified })
    }

    /// As it is kept; `secret` is fresh, and nothing else is encrypted with it.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn seal(&self, secret: &[u8; SECRET_BYTES]) -> Result<Kept> {
        Kept::seal(&self.chain, self.key.clone(), secret)
    }
}

fn read_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    if pem.len() > CHAIN_BYTES_MAX {
        return Err(Error::refused(format!(
            "the file with the certificate has more than {} KiB",
            CHAIN_BYTES_MAX >> 10
        )));
    }
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        chain.push(certificate.map_err(|_| Error::refused("the file with the certificate is no PEM file"))?);
        if chain.len() > CHAIN_MAX {
            return Err(Error::refused(format!("the file holds more than {CHAIN_MAX} certificates")));
        }
    }
    if chain.is_empty() {
        return Err(Error::refused(
            "the file holds no certificate; it must be PEM, with the line -----BEGIN CERTIFICATE-----, and begin with the station's own",
        ));
    }
    let facts = chain.iter().map(|one| Facts::of(one)).collect::<Result<Vec<_>>>()?;
    for (at, pair) in facts.windows(2).enumerate() {
        if let [lower, upper] = pair
            && lower.issuer != upper.subject
        {
            let (lower, upper) = (at + 1, at + 2);
            return Err(Error::refused(format!(
                "the certificates are not in order: number {lower} was not issued by number {upper}; the station's own comes first, each is followed by its issuer"
            )));
        }
    }
    Ok(chain)
}

fn read_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>> {
    if pem.len() > KEY_BYTES_MAX {
        return Err(Error::refused(format!("the file with the private key has more than {} KiB", KEY_BYTES_MAX >> 10)));
    }
    let encrypted = pem.windows(9).any(|part| part == b"ENCRYPTED");
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        Error::refused(match encrypted {
            true => "the private key is encrypted with a passphrase; give it without: openssl pkey -in key.pem -out plain.pem",
            false => "the file holds no private key; it must be PEM, with the line -----BEGIN PRIVATE KEY-----",
        })
    })
}

fn day(seconds: i64) -> String {
    let moment = jiff::Timestamp::from_second(seconds);
    moment.map_or_else(
        |_| "a day beyond all calendars".to_owned(),
        |moment| jiff::tz::TimeZone::UTC.to_datetime(moment).date().to_string(),
    )
}
