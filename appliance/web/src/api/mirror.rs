//! Mirrors of the audit log: programs that copy it in an auditor's name.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A program that may copy the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Mirror {
    /// Its number, which the audit log has with each of its reads; never given twice.
    pub number: u32,
    /// What the auditor calls it.
    pub name: String,
    /// In whose name it reads: account number. It reads nothing once that account is no auditor any more.
    pub account: u32,
    /// The account's present name, where it still exists.
    pub account_name: Option<String>,
    /// When its token was made.
    pub made_utc_ms: i64,
    /// When its token ends: 366 days later.
    pub expires_utc_ms: i64,
    /// When it was last used, to the hour; null: never.
    pub used_utc_ms: Option<i64>,
}

/// Who may copy the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MirrorList {
    /// In order of their numbers; at most 16.
    pub mirrors: Vec<Mirror>,
}

/// Another mirror.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MirrorRequest {
    /// What to call it, 1 to 128 bytes: where it runs.
    pub name: String,
}

/// A mirror with its token.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MirrorMade {
    /// The mirror.
    pub mirror: Mirror,
    /// What its program sends in the header `Authorization: Bearer …`. Nobody can read it again.
    pub token: String,
}

impl core::fmt::Debug for MirrorMade {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MirrorMade").field("mirror", &self.mirror).finish_non_exhaustive()
    }
}
