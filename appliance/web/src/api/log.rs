//! The audit log's checkpoints.

use serde::{Deserialize, Serialize};
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
    /// Keys that the log had before, oldest first. Each change is an entry of the log that both keys have signed.
    pub retired_keys: Vec<String>,
    /// Why nothing more is signed: the log does not continue what was signed before. Null while all is well.
    pub refusal: Option<String>,
}

/// A witness: somebody outside who cosigns checkpoints that continue the one they saw before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogWitness {
    /// Name in its key.
    pub name: String,
    /// Its public key, as a `vkey` of C2SP tlog-cosignature.
    pub key: String,
    /// When it was added.
    pub since_utc_ms: i64,
    /// Entries of the longest checkpoint that it cosigned; null before the first. Its next request starts there.
    pub cosigned_entries: Option<u64>,
    /// When it cosigned that, by its own clock, in whole seconds.
    pub cosigned_utc_s: Option<u64>,
}

/// Whose cosignatures are taken home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogWitnessList {
    /// By name; at most 16.
    pub witnesses: Vec<LogWitness>,
}

/// Another witness.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogWitnessRequest {
    /// Its public key, the line that it printed when the key was made.
    pub key: String,
}

/// What was brought from outside.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogImportRequest {
    /// Lines of cosignatures, or a whole checkpoint as it was kept.
    pub text: String,
}

/// One cosignature that was taken home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogCosigned {
    /// Whose.
    pub witness: String,
    /// Entries of the checkpoint that it is of.
    pub entries: u64,
    /// When, by the witness' clock, in whole seconds.
    pub utc_s: u64,
    /// It is of more entries, or later, than what was here.
    pub newer: bool,
}

/// What became of what was brought from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogImport {
    /// Entries of the checkpoint that was brought, which the log continues; null for lines alone.
    pub continues_entries: Option<u64>,
    /// The cosignatures.
    pub cosigned: Vec<LogCosigned>,
}

/// Why the key is changed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogKeyRequest {
    /// For the log.
    pub reason: String,
}
