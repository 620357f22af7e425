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

/// How it ended when a checkpoint was sent to a witness. The words do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogPushOutcome {
    /// The witness signed, and its signature is here.
    Cosigned,
    /// It was not sent: the recorder could not read its own log.
    NotSent,
    /// Nobody answered, or not in time.
    Unreached,
    /// What answered does not speak as a witness does.
    NotAWitness,
    /// What came is not signed with the key of this witness.
    WrongSignature,
    /// The witness does not watch this log, or does not know its key.
    LogUnknown,
    /// The witness cannot answer now.
    Unable,
    /// The witness says that it saw more entries than the log has.
    Rollback,
    /// The witness says that the log does not begin with what it saw.
    Fork,
}

/// One checkpoint that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPushed {
    /// When it ended, by the recorder's clock.
    pub utc_ms: i64,
    /// Entries of the checkpoint.
    pub entries: u64,
    /// In one word.
    pub outcome: LogPushOutcome,
    /// In a sentence of the recorder. Nothing that was answered stands in it but numbers.
    pub text: String,
}

/// A witness, and how checkpoints get to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogPush {
    /// Name in its key.
    pub witness: String,
    /// Checkpoints are posted to `/add-checkpoint` below this; null: they are carried as files.
    pub url: Option<String>,
    /// Somebody asked for one to be sent at once, or one is on its way.
    pub pending: bool,
    /// The last one that was sent.
    pub last: Option<LogPushed>,
    /// When the next one goes out at the latest.
    pub next_utc_ms: Option<i64>,
    /// The first answer, since the witness signed last, that says that the log does not continue what it saw.
    pub refused: Option<LogPushed>,
}

/// How checkpoints get to the witnesses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogPushList {
    /// By name; at most 16.
    pub pushes: Vec<LogPush>,
}

/// Where to checkpoints are sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogPushRequest {
    /// `http` or `https`, at most 256 bytes, without a name, password, query or fragment. Empty: they are carried as files.
    pub url: String,
}
