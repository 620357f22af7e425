//! The public report, what an auditor is to look at, and the log as an auditor takes it along.

use super::AuditRecord;
use crate::api;
use crate::error::Error;
use std::sync::Arc;
use watchbook_base::UtcNanos;

/// A report, ready to be handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicReport {
    /// As JSON: the bytes whose SHA-256 is in the log once the month is over.
    pub json: Arc<[u8]>,
    /// The same as plain text.
    pub text: Arc<str>,
}

/// An access that waits for an auditor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingReview {
    /// Its entry.
    pub record: AuditRecord,
    /// It is an emergency case, which must be answered for by then.
    pub due: Option<UtcNanos>,
}

/// An entry with everything that is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLeaf {
    /// Place in the log, from 0 without holes.
    pub index: u64,
    /// Its bytes as they are hashed into the tree: version, salt, time, body.
    pub bytes: Vec<u8>,
}

/// What is computed from the audit log.
pub trait Reports: Send + Sync {
    /// The report of a month such as `2026-11`; `None`: of this one. It was computed before: asking costs one read at most.
    ///
    /// # Errors
    /// `NotFound` for a month of which there is none.
    fn report(&self, month: Option<&str>) -> Result<PublicReport, Error>;

    /// Which months there are, the newest first.
    fn months(&self) -> Vec<api::ReportMonth>;

    /// Accesses that wait for an auditor, emergency cases first, then the oldest; at most 500.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn waiting(&self) -> Result<Vec<WaitingReview>, Error>;

    /// Somebody answered for this entry a moment ago: whether that counts.
    ///
    /// # Errors
    /// `NotFound` when nobody waited for it, `Conflict` when it still waits, because it is the same account's.
    fn answered(&self, entry: u64) -> Result<(), Error>;

    /// What stands out in the last 30 days, at most 50,000 entries back. `offset_min`: how far the clock on the wall is ahead of UTC.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn anomalies(&self, offset_min: i64) -> Result<Vec<api::Anomaly>, Error>;

    /// At most 1,000 entries from number `from` on, with their salts.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn leaves(&self, from: u64) -> Result<Vec<StoredLeaf>, Error>;
}
