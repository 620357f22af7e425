//! The audit log: its entries, and what is signed of it.

use super::PushUrl;
use crate::api;
use crate::error::Error;
use watchbook_access::AuditLog;
use watchbook_base::UtcNanos;

/// One stored entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Place in the log, from 0 without holes.
    pub index: u64,
    /// When it was written.
    pub at: UtcNanos,
    /// The [`watchbook_access::AuditEntry`] as JSON, byte for byte as it was written; of footage, the `watchbook_evidence::record::Record`, whose first field is `kind`.
    pub entry_json: Vec<u8>,
}

/// Which entries of the audit log are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditKind {
    /// Who did or tried what, and what the recorder did.
    #[default]
    People,
    /// Hashes of footage.
    Footage,
    /// Both.
    All,
}

/// A page of the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// Newest first.
    pub records: Vec<AuditRecord>,
    /// The next page has entries below this number; `None`: there are none.
    pub next: Option<u64>,
}

/// The audit log, readable.
pub trait AuditBook: AuditLog {
    /// At most `limit` entries of this kind below index `before` (or the newest), newest first. There may be fewer although more follow.
    ///
    /// # Errors
    /// When it cannot be read.
    fn page(&self, kind: AuditKind, before: Option<u64>, limit: usize) -> Result<AuditPage, Error>;
}

/// What the recorder has signed of its audit log.
pub trait Checkpoints: Send + Sync {
    /// The log's key and the last checkpoint.
    fn shown(&self) -> api::LogCheckpoint;

    /// A witness' request (C2SP tlog-witness `add-checkpoint`): the last checkpoint, and the proof that it continues a log of `old` entries; 0: the witness saw none.
    ///
    /// # Errors
    /// `NotFound` when nothing is signed yet, or when `old` is more than what is.
    fn witness_request(&self, old: u64) -> Result<String, Error>;

    /// The proof that entry `index` is in the log, with the entry in it (C2SP tlog-proof, whose extra data is the leaf).
    ///
    /// # Errors
    /// `NotFound` when there is no such entry, `Unavailable` when it is not signed yet.
    fn entry_proof(&self, index: u64) -> Result<String, Error>;

    /// A piece of the tree or of the entries that the last checkpoint is about, by its path as C2SP tlog-tiles has it, from `tile/` on: 32 bytes to 4 MiB.
    ///
    /// # Errors
    /// `NotFound` for what is no such path or not signed yet; when the log cannot be read.
    fn tile(&self, path: &str) -> Result<Vec<u8>, Error>;

    /// Whose cosignatures are taken home, with what each signed last, by name.
    ///
    /// # Errors
    /// When the register cannot be read.
    fn witnesses(&self) -> Result<Vec<api::LogWitness>, Error>;

    /// Takes cosignatures of the witness with this public key (a `vkey` of C2SP tlog-cosignature).
    ///
    /// # Errors
    /// `InvalidInput` for what is no such key, `Conflict` for a name that is taken, or too many.
    fn trust_witness(&self, key: &str) -> Result<api::LogWitness, Error>;

    /// Takes cosignatures of this witness no more.
    ///
    /// # Errors
    /// `NotFound`.
    fn distrust_witness(&self, name: &str) -> Result<(), Error>;

    /// Takes home lines of cosignatures of a checkpoint that went outside, or a whole checkpoint that was kept there, with or without such lines. One that the log does
    /// not continue is an alarm from then on.
    ///
    /// # Errors
    /// `InvalidInput` for what is neither or fits nothing, `Conflict` when the log does not continue that checkpoint.
    fn import(&self, text: &str) -> Result<api::LogImport, Error>;

    /// The longest checkpoint that a witness cosigned, with the lines of all who did.
    ///
    /// # Errors
    /// When the register cannot be read.
    fn cosigned(&self) -> Result<Option<String>, Error>;

    /// How checkpoints get to each witness, by name.
    ///
    /// # Errors
    /// When the register cannot be read.
    fn pushes(&self) -> Result<Vec<api::LogPush>, Error>;

    /// Sends checkpoints to this witness from now on, or without `url` no more.
    ///
    /// # Errors
    /// `NotFound` for a witness that is not known.
    fn set_push(&self, witness: &str, url: Option<&PushUrl>) -> Result<(), Error>;

    /// Has the last checkpoint sent to this witness at once. Does not wait for it.
    ///
    /// # Errors
    /// `NotFound` for a witness that is not known, `Conflict` for one to which nothing is sent.
    fn push_now(&self, witness: &str) -> Result<(), Error>;

    /// Has another key sign from now on; the old one signs that it does.
    ///
    /// # Errors
    /// `Conflict` while a change is under way or nothing may be signed.
    fn change_key(&self) -> Result<(), Error>;

    /// What is wrong with it and needs somebody.
    fn alarms(&self) -> Vec<api::Alarm>;
}
