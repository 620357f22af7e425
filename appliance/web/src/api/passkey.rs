//! Passkeys (W3C WebAuthn). Bytes are base64url without padding, as browsers write them.

use super::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A passkey as its owner and admins see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Passkey {
    /// Public number; what the audit log shows.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// The host name of the recorder that it is for.
    pub host: String,
    /// When it was added.
    pub added_utc_ms: i64,
    /// When it was last shown; null: not yet.
    pub used_utc_ms: Option<i64>,
}

/// The passkeys of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PasskeyList {
    /// In the order in which they were added.
    pub passkeys: Vec<Passkey>,
    /// An account has so many at most.
    pub at_most: usize,
}

/// Begins to add a passkey to one's own account.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeySetUpRequest {
    /// One's password.
    #[schema(value_type = String, write_only)]
    pub password: Secret,
}

/// What a browser needs to make a passkey.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PasskeySetUp {
    /// 32 random bytes, good for one answer of this session.
    pub challenge: String,
    /// The host name that the passkey will be for.
    pub host: String,
    /// The handle under which the device keeps it: random, and says nothing of the account.
    pub user: String,
    /// The account's name, which the device shows.
    pub account_name: String,
    /// COSE numbers of the kinds of keys that are taken, the preferred first.
    pub algorithms: Vec<i32>,
    /// Credential ids of the passkeys that are there already: a device that has one of them makes no second.
    pub known: Vec<String>,
    /// The challenge is forgotten after so many seconds.
    pub expires_s: u64,
}

/// A passkey that a browser made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPasskey {
    /// What to call it: 1 to 128 bytes.
    pub name: String,
    /// `clientDataJSON`.
    pub client_data: String,
    /// `getAuthenticatorData()`.
    pub authenticator_data: String,
    /// `getPublicKey()`.
    pub public_key: String,
    /// `getPublicKeyAlgorithm()`.
    pub algorithm: i32,
}

/// What a browser needs to show a passkey.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PasskeyChallenge {
    /// 32 random bytes, good for one answer.
    pub challenge: String,
    /// The host name that the passkey must be for.
    pub host: String,
    /// The challenge is forgotten after so many seconds.
    pub expires_s: u64,
}

/// A passkey that is shown.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyAssertion {
    /// Credential id.
    pub credential: String,
    /// `clientDataJSON`.
    pub client_data: String,
    /// `authenticatorData`.
    pub authenticator_data: String,
    /// `signature`.
    pub signature: String,
    /// `userHandle`; null where the device gave none.
    #[serde(default)]
    pub user: Option<String>,
}
