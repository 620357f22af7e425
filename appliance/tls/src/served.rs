//! What a TLS server shows, and what it shows from the next connection on.

use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::sealed::{SECRET_BYTES, SealedKey};
use core::fmt;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SignatureScheme, version};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, PoisonError, RwLock};
use watchbook_base::Kind;
use zeroize::Zeroizing;

/// Keys that common browsers take: Chrome none with P-521, none of them Ed25519.
const KEYS: &str = "RSA with 2048 to 8192 bits, or ECDSA with P-256 or P-384";
/// The signatures of [`KEYS`].
const SCHEMES: [SignatureScheme; 3] =
    [SignatureScheme::RSA_PSS_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ECDSA_NISTP384_SHA384];

/// A certificate with its chain and its key, ready to be served.
#[derive(Clone)]
pub struct Certified {
    key: Arc<CertifiedKey>,
    /// What the certificate says.
    pub facts: Facts,
}

/// A certificate with its chain and its key as they are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    chain: Vec<Vec<u8>>,
    key: SealedKey,
}

impl Certified {
    /// The certificate with what leads to a root, and its key (DER: PKCS #8, SEC 1 or PKCS #1).
    pub(crate) fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self> {
        let leaf = chain.first().ok_or_else(|| Error::refused("there is no certificate"))?;
        let facts = Facts::of(leaf)?;
        let loaded = default_provider().key_provider.load_private_key(key);
        let key = loaded.map_err(|_| Error::refused(format!("the private key cannot be used: it must be {KEYS}")))?;
        if key.choose_scheme(&SCHEMES).is_none() {
            return Err(Error::refused(format!(
                "no common browser takes a certificate with this key: it must be {KEYS}"
            )));
        }
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) => Ok(Self { key: Arc::new(key), facts }),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(Error::refused("the private key is not the one of the certificate"))
            }
            Err(error) => Err(Error::refused(format!("the certificate cannot be used: {error}"))),
        }
    }

    /// The certificate itself, and what leads from it to a root.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }

    /// From PKCS #8.
    pub(crate) fn of_pkcs8(chain: Vec<CertificateDer<'static>>, key: &[u8]) -> Result<Self> {
        Self::new(chain, PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_vec())))
    }
}

impl Kept {
    /// Seals a certificate's key; `secret` is fresh, and nothing else is encrypted with it.
    pub(crate) fn seal(
        chain: &[CertificateDer<'_>],
        key: Zeroizing<Vec<u8>>,
        secret: &[u8; SECRET_BYTES],
    ) -> Result<Self> {
        let leaf = chain.first().ok_or_else(|| Error::refused("there is no certificate"))?;
        Ok(Self { key: SealedKey::seal(key, leaf, secret)?, chain: chain.iter().map(|one| one.to_vec()).collect() })
    }

    /// The certificate, ready to be served.
    ///
    /// # Errors
    /// `Corrupt` when something was changed.
    pub fn open(&self, secret: &[u8; SECRET_BYTES]) -> Result<Certified> {
        let corrupt = |what: &str| Error::new(Kind::Corrupt, format!("opening a certificate that was kept: {what}"));
        let leaf = self.chain.first().ok_or_else(|| corrupt("it is not there"))?;
        let key = self.key.open(leaf, secret)?;
        let key = PrivateKeyDer::try_from(key.to_vec()).map_err(|_| corrupt("its key is none"))?;
        Certified::new(self.chain.iter().map(|one| CertificateDer::from(one.clone())).collect(), key)
            .map_err(|error| corrupt(&error.message))
    }
}

impl fmt::Debug for Certified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certified").field("facts", &self.facts).finish_non_exhaustive()
    }
}

/// The certificate that is served now. Connections that are open keep the one that they began with.
pub struct Served(RwLock<Arc<CertifiedKey>>);

impl Served {
    /// Serves `first` until another one takes its place.
    #[must_use]
    pub fn new(first: &Certified) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Arc::clone(&first.key))))
    }

    /// Serves another one from the next connection on.
    pub fn replace(&self, next: &Certified) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next.key);
    }

    /// A server with it: TLS 1.3 and 1.2 with the library's defaults, HTTP/1.1 alone, no early data and no certificates of clients.
    ///
    /// # Errors
    /// When the library refuses its own defaults.
    pub fn config(self: &Arc<Self>) -> Result<Arc<ServerConfig>> {
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| Error::new(Kind::Internal, format!("setting TLS up: {error}")))?;
        let mut config = config.with_no_client_auth().with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Served {
    /// Whatever name is asked for: a browser that does not like the answer says so, and a person can look at what there is.
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Served")
    }
}
