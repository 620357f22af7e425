//! Reports, reviews and what stands out.

use super::AuditRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which reports there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReportList {
    /// The newest first.
    pub months: Vec<ReportMonth>,
    /// Whom to ask, as the station's configuration says; empty when it does not.
    pub contact: String,
}

/// A month that has a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReportMonth {
    /// As in `2026-11`.
    pub month: String,
    /// It is over: its report does not change any more.
    pub over: bool,
    /// SHA-256 of the report's bytes, lower-case hexadecimal; of a month that is over it is in the audit log.
    pub report_sha256: String,
}

/// An access that an auditor is to look at.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Review {
    /// Its entry in the audit log.
    pub entry: AuditRow,
    /// It is an emergency case, which must be answered for by then.
    pub due_utc_ms: Option<i64>,
}

/// Answer of the queue of reviews.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReviewList {
    /// Emergency cases first, then the oldest.
    pub reviews: Vec<Review>,
}

/// What an auditor says of an access.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewAnswer {
    /// It was right.
    pub ok: bool,
    /// Why, at most 1,024 bytes; must be said when it was not. It stands in the audit log.
    #[serde(default)]
    pub reason: String,
}

/// Something that stands out in the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Anomaly {
    /// `volume`, `odd_hours`, `same_place` or `refusals`.
    pub rule: String,
    /// Whose; null: of those who were not signed in.
    pub account: Option<u32>,
    /// The account's present name, where it still exists.
    pub account_name: Option<String>,
    /// At which camera, where the rule is about one.
    pub camera: Option<u32>,
    /// The day, as in `2026-11-09`; of several the last.
    pub day: String,
    /// How often, or on how many days.
    pub count: u64,
    /// What is still usual.
    pub limit: u64,
    /// Numbers of some of the entries.
    pub entries: Vec<u64>,
}

/// Answer of the list of what stands out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AnomalyList {
    /// The newest day first.
    pub anomalies: Vec<Anomaly>,
}
