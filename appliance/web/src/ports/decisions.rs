//! Decisions about exports by files that approvers elsewhere have signed.

use crate::api;
use crate::error::Error;

/// What a file says that one of the keys has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedDecision {
    /// Number of the export.
    pub export: u64,
    /// SHA-256 of the manifest that was looked at, lower-case hexadecimal.
    pub manifest_sha256: String,
    /// Whose key: account number.
    pub account: u32,
    /// Why not; `None`: it is released.
    pub refusal: Option<String>,
}

/// Requests that go to approvers elsewhere, and what comes back.
pub trait Decisions: Send + Sync {
    /// The public key of an approver in its one spelling: a `vkey` of C2SP signed-note with an Ed25519 key.
    ///
    /// # Errors
    /// `InvalidInput` for anything else.
    fn check_key(&self, key: &str) -> Result<String, Error>;

    /// What an approver elsewhere is asked about this export. The same text until it is over or the export has another manifest.
    ///
    /// # Errors
    /// `Conflict` when the export waits for no release; when the register cannot be written.
    fn request(&self, export: &api::Export) -> Result<String, Error>;

    /// Reads what was brought back, signed with one of `keys`, each of an account.
    ///
    /// # Errors
    /// `InvalidInput` for what is no decision, `Denied` when none of the keys has signed it, `Conflict` when it is not about the request that waits, or that is over.
    fn read(&self, text: &str, keys: &[(u32, String)]) -> Result<SignedDecision, Error>;

    /// A decision about this export has taken effect: none is taken for the same request again.
    ///
    /// # Errors
    /// When the register cannot be written.
    fn taken(&self, export: u64) -> Result<(), Error>;
}
