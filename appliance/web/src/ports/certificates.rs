//! The certificate that the page is served with.

use crate::api;
use crate::error::Error;
use crate::tls::Tls;
use watchbook_tls::Given;

/// What the page is served with, and who may change it how.
pub trait Certificates: Send + Sync {
    /// TLS with the certificate of now and of later; `None` for a page that is served in the open.
    fn tls(&self) -> Option<Tls>;

    /// The certificate of the station's own authority, DER; `None` where there is none.
    fn authority(&self) -> Option<Vec<u8>>;

    /// What is served now.
    fn state(&self) -> api::TlsState;

    /// Serves this certificate from the next connection on, and after each start.
    ///
    /// # Errors
    /// `Conflict` where the configuration file says what is served; when it cannot be kept.
    fn upload(&self, given: &Given) -> Result<(), Error>;

    /// Serves one of the station's own authority again, and forgets the one that was uploaded with its key.
    ///
    /// # Errors
    /// `NotFound` when none was uploaded; when it cannot be forgotten.
    fn remove(&self) -> Result<(), Error>;

    /// What is wrong with it and needs somebody.
    fn alarms(&self) -> Vec<api::Alarm>;
}
