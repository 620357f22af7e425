//! The station's policy.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a policy allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PolicyRules {
    /// Maximum age of the footage of a camera that is added without one, in days.
    pub retention_days: u32,
    /// Largest maximum age that a camera may have, in days.
    pub retention_days_max: u32,
    /// Sound may be recorded, where somebody says what for.
    pub sound: bool,
    /// How long a case may stay open from now on, in days.
    pub case_days_max: u32,
    /// Longest stretch of footage of one case, in days.
    pub case_footage_days_max: u32,
    /// How long an emergency may last, in minutes.
    pub emergency_minutes_max: u32,
    /// So many of a hundred accesses are drawn for review each week.
    pub review_percent: u32,
    /// At least so many, as long as there are so many.
    pub review_at_least: u32,
    /// Within how many days somebody who asks for footage of themselves is answered.
    pub subject_request_days: u32,
}

/// What a station holds to: its id, the fingerprint of its file, and its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Policy {
    /// Such as `kh-default`.
    pub policy: String,
    /// Grows with each change of its file.
    pub version: u32,
    /// In English.
    pub title_en: String,
    /// In Khmer.
    pub title_km: String,
    /// Which law or guidance says what.
    pub sources: Vec<String>,
    /// What is held to.
    pub rules: PolicyRules,
    /// SHA-256 of its file, lower-case hexadecimal.
    pub policy_sha256: String,
}

/// What anybody may know of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PublicPolicy {
    /// What is in force.
    pub in_force: Policy,
    /// Whom to ask, as the station's configuration says; empty when it does not.
    pub contact: String,
}

/// A policy that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OfferedPolicy {
    /// Which.
    pub policy: Policy,
    /// Names of the rules that would allow more than now; with none it is in force at once.
    pub loosens: Vec<String>,
}

/// A policy that somebody proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProposedPolicy {
    /// Which.
    pub policy: Policy,
    /// Names of the rules that would allow more than now.
    pub loosens: Vec<String>,
    /// Who.
    pub account: u32,
    /// The account's present name, where it still exists.
    pub account_name: Option<String>,
    /// When.
    pub at_utc_ms: i64,
}

/// Answer of the list of policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PolicyList {
    /// What is in force.
    pub in_force: Policy,
    /// What can be chosen, what is in force among them where it still comes with the recorder.
    pub offered: Vec<OfferedPolicy>,
    /// What waits for a second person.
    pub proposed: Option<ProposedPolicy>,
}

/// A policy that was looked at.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyRequest {
    /// Its id.
    pub policy: String,
    /// Its version.
    pub version: u32,
    /// SHA-256 of its file, lower-case hexadecimal: another file is not meant.
    pub policy_sha256: String,
}

/// A proposed policy that was looked at.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyAcceptRequest {
    /// Its id.
    pub policy: String,
    /// Its version.
    pub version: u32,
    /// SHA-256 of its file, lower-case hexadecimal: another file is not meant.
    pub policy_sha256: String,
    /// Whoever proposed it.
    pub proposed_by: u32,
}
