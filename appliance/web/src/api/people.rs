//! Accounts, sessions and the audit log.

use super::camera::given;
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use watchbook_access::Role;
use watchbook_base::CameraId;

/// A password on its way in. It prints as `***`, and nothing of this API can serialise it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a password in.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The password itself, for the camera or the hash function.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self)
    }
}

/// Names of [`Role`] in the schema; a test holds the two together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Role)]
pub enum RoleName {
    /// Live pictures of the cameras that are theirs.
    Viewer,
    /// Playback and export.
    Investigator,
    /// Releases exports, and holds that others placed.
    Approver,
    /// Reads the audit log, sees no video.
    Auditor,
    /// Configuration, sees no video.
    Admin,
}

/// Takes an unclaimed box into possession.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// The one-time code that the recorder printed; case, spaces and dashes do not matter.
    #[schema(value_type = String, write_only)]
    pub code: Secret,
    /// Name of the first account.
    pub name: String,
    /// Its password.
    #[schema(value_type = String, write_only)]
    pub password: Secret,
    /// The exception for a station with one person: the account gets every role. The audit log keeps it.
    #[serde(default)]
    pub one_person_station: bool,
}

/// Sign-in.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    /// Account name.
    pub name: String,
    /// Its password.
    #[schema(value_type = String, write_only)]
    pub password: Secret,
}

/// A change of one's own password.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    /// The one in force.
    #[schema(value_type = String, write_only)]
    pub old: Secret,
    /// The one to come.
    #[schema(value_type = String, write_only)]
    pub new: Secret,
}

/// Begins to set up one's second factor.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondFactorSetUpRequest {
    /// One's password.
    #[schema(value_type = String, write_only)]
    pub password: Secret,
}

/// A second factor that waits for its first code. It is shown this one time.
#[derive(Clone, Serialize, ToSchema)]
pub struct SecondFactorSetUp {
    /// The key, to be typed into an authenticator program: base 32, 32 characters.
    pub key: String,
    /// The same as an `otpauth:` address, for a QR code.
    pub address: String,
    /// It is forgotten when no right code comes for so many seconds.
    pub expires_s: u64,
}

/// A code of one's authenticator.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondFactorCode {
    /// Six digits.
    #[schema(value_type = String, write_only)]
    pub code: Secret,
}

/// What is shown of somebody who may sign in; the password is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Account {
    /// Number; what the audit log shows.
    pub id: u32,
    /// For people, and to sign in with.
    pub name: String,
    /// What it may be.
    #[schema(value_type = Vec<RoleName>)]
    pub roles: Vec<Role>,
    /// The cameras it may see; null means all.
    #[schema(value_type = Option<Vec<u32>>)]
    pub cameras: Option<Vec<CameraId>>,
    /// It has a second factor.
    pub second_factor: bool,
    /// So many passkeys.
    pub passkeys: usize,
    /// The public key with which it signs releases elsewhere; null: none.
    pub approver_key: Option<String>,
}

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Session {
    /// The account.
    pub account: Account,
    /// The small-station exception is on.
    pub one_person_station: bool,
}

/// Answer of the list of everybody who may sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccountList {
    /// In order of their number.
    pub accounts: Vec<Account>,
}

/// What makes somebody new who may sign in.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountRequest {
    /// 1 to 128 bytes, unique.
    pub name: String,
    /// At least 10 characters.
    #[schema(value_type = String, write_only)]
    pub password: Secret,
    /// At least one. Two of investigator, approver, auditor and admin only where the small-station exception is on.
    #[schema(value_type = Vec<RoleName>)]
    pub roles: Vec<Role>,
    /// The cameras it may see; null means all.
    #[serde(default)]
    #[schema(value_type = Option<Vec<u32>>)]
    pub cameras: Option<Vec<CameraId>>,
}

/// Changes of an account: what is left out stays. A change ends the account's sessions.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountPatch {
    /// 1 to 128 bytes, unique.
    pub name: Option<String>,
    /// At least 10 characters.
    #[schema(value_type = Option<String>, write_only)]
    pub password: Option<Secret>,
    /// At least one.
    #[schema(value_type = Option<Vec<RoleName>>)]
    pub roles: Option<Vec<Role>>,
    /// Null means all.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<u32>>)]
    pub cameras: Option<Option<Vec<CameraId>>>,
}

/// How a request ended at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// Allowed.
    Allowed,
    /// Refused; `reason` says why.
    Refused,
}

/// One entry of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AuditRow {
    /// Place in the log, from 0.
    pub index: u64,
    /// When it was written.
    pub at_utc_ms: i64,
    /// Whose request; null when nobody was signed in.
    pub account: Option<u32>,
    /// The account's present name, where it still exists. It is not part of the log.
    pub account_name: Option<String>,
    /// What was asked for, as in `playback`; `footage_segment` where the entry is the hash of what one recording brought.
    pub action: String,
    /// The action's fields, as in `camera` or `range`.
    #[schema(value_type = Object)]
    pub subject: Map<String, Value>,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// The sentence the asker was told.
    pub reason: Option<String>,
}

/// A page of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AuditList {
    /// Newest first.
    pub entries: Vec<AuditRow>,
    /// Give it back as `cursor` to go on; null at the end.
    pub next_cursor: Option<String>,
    /// When the oldest entry was written that was read for this page; null when none was.
    pub looked_to_utc_ms: Option<i64>,
}
