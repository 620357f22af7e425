//! The audit log's checkpoints.

use serde::Serialize;
use utoipa::ToSchema;

/// What the recorder has signed of its audit log last. Whoever keeps a copy can prove later that no entry before it was changed, removed or put in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogCheckpoint {
    /// The log's name: first line of every checkpoint, and the name of its key.
    pub origin: String,
    /// The log's public key, as a `vkey` of C2SP signed-note; null when it cannot be read.
    pub key: Option<String>,
    /// Entries that the last checkpoint is about; 0 before the first.
    pub signed_entries: u64,
    /// When it was signed, by the recorder's clock.
    pub signed_utc_ms: Option<i64>,
    /// Root of the Merkle tree (RFC 6962) over these entries: 64 hexadecimal digits.
    pub root: Option<String>,
    /// The checkpoint itself (C2SP tlog-checkpoint): a signed note of a few lines, to be kept as it is.
    pub checkpoint: Option<String>,
    /// Why nothing more is signed: the log does not continue what was signed before. Null while all is well.
    pub refusal: Option<String>,
}
