//! Releases by signed file.

use serde::Deserialize;
use utoipa::ToSchema;

/// What an approver elsewhere has signed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionRequest {
    /// The file as `watchbook-approve` wrote it, at most 8 KiB.
    pub text: String,
}

/// A key with which an approver signs decisions elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproverKeyRequest {
    /// The public key, the line that `watchbook-approve keygen` printed.
    pub key: String,
}
