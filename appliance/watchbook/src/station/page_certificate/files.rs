//! The certificate and the key that the configuration file names. They are small and read at each look: a certificate that another program renews is served within a minute.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use watchbook_base::UtcNanos;
use watchbook_tls::{CHAIN_BYTES_MAX, Given, KEY_BYTES_MAX};
use zeroize::Zeroizing;

/// Where they are.
pub struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    pub fn new(certificate: &Path, key: &Path) -> Self {
        Self { certificate: certificate.to_owned(), key: key.to_owned() }
    }

    /// Both as they are now.
    ///
    /// # Errors
    /// Why they cannot be served, and where they are.
    pub fn read(&self, now: UtcNanos) -> Result<Given, String> {
        let chain = bytes(&self.certificate, CHAIN_BYTES_MAX)?;
        let key = bytes(&self.key, KEY_BYTES_MAX)?;
        Given::read(&chain, &key, now)
            .map_err(|error| format!("{} and {}: {}", self.certificate.display(), self.key.display(), error.message))
    }
}

/// One byte more than may be, so that a larger file is seen to be one.
fn bytes(path: &Path, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + 1));
    let opened = std::fs::File::open(path);
    let read = opened.and_then(|file| file.take(bytes_max as u64 + 1).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| format!("reading {}: {error}", path.display()))
}
