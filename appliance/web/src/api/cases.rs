//! Cases, in which recorded footage may be played.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use watchbook_access::Purpose;
use watchbook_base::CameraId;

/// Names of [`Purpose`] in the schema; a test holds the two together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Purpose)]
pub enum PurposeName {
    /// Vehicles or people collided.
    TrafficCollision,
    /// Somebody broke a traffic rule.
    TrafficOffence,
    /// Something was taken.
    Theft,
    /// Somebody was hurt or threatened.
    Violence,
    /// Something was broken.
    PropertyDamage,
    /// Fire, rescue, a missing person.
    FireOrRescue,
    /// Another crime.
    OtherCrime,
    /// Somebody asked for the footage of themselves.
    SubjectRequest,
    /// Whether cameras and recorder work as they should.
    EquipmentCheck,
}

/// Somebody who may work in a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CasePerson {
    /// Account number.
    pub account: u32,
    /// The account's present name, where it still exists.
    pub account_name: Option<String>,
}

/// A reason for playing recorded footage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Case {
    /// Its number.
    pub case: String,
    /// What for.
    #[schema(value_type = PurposeName)]
    pub purpose: Purpose,
    /// Whose footage, of those that this account may see.
    #[schema(value_type = Vec<u32>)]
    pub cameras: Vec<CameraId>,
    /// How many more there are.
    pub other_camera_count: u32,
    /// Start of the footage.
    pub from_utc_ms: i64,
    /// End of the footage.
    pub to_utc_ms: i64,
    /// When it ends by itself.
    pub expires_utc_ms: i64,
    /// Who opened it: account number.
    pub opened_by: u32,
    /// The account's present name, where it still exists.
    pub opened_by_name: Option<String>,
    /// When.
    pub opened_utc_ms: i64,
    /// Who may work in it.
    pub investigators: Vec<CasePerson>,
    /// When somebody closed it.
    pub closed_utc_ms: Option<i64>,
    /// Neither closed nor over.
    pub open: bool,
    /// An investigator opened it alone, for half an hour at most.
    pub emergency: bool,
    /// An emergency that nobody has reviewed yet.
    pub needs_review: bool,
}

/// The cases that an account may know of: an investigator those that name them, the others all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CaseList {
    /// The last opened first, at most 1000.
    pub cases: Vec<Case>,
    /// Accounts with the role investigator; for approvers, who choose among them.
    pub investigators: Vec<CasePerson>,
}

/// Opens a case.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseRequest {
    /// Its number: 1 to 64 bytes; letters, digits, spaces, `-`, `/` and `.`.
    pub case: String,
    /// What for.
    #[schema(value_type = PurposeName)]
    pub purpose: Purpose,
    /// Whose footage.
    #[schema(value_type = Vec<u32>)]
    pub cameras: Vec<CameraId>,
    /// Start of the footage.
    pub from_utc_ms: i64,
    /// End of the footage, at most 31 days later (an emergency: one day), and not after `expires_utc_ms`.
    pub to_utc_ms: i64,
    /// When it ends by itself: within 92 days (an emergency: 30 minutes).
    pub expires_utc_ms: i64,
    /// Accounts with the role investigator, never whoever opens it. Of an emergency: left out, or oneself alone.
    #[serde(default)]
    pub investigators: Vec<u32>,
    /// Whoever opens it works in it. Raises an alarm and is reviewed.
    #[serde(default)]
    pub emergency: bool,
}

/// Changes of a case: what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CasePatch {
    /// Whose footage.
    #[schema(value_type = Option<Vec<u32>>)]
    pub cameras: Option<Vec<CameraId>>,
    /// Start of the footage.
    pub from_utc_ms: Option<i64>,
    /// End of the footage.
    pub to_utc_ms: Option<i64>,
    /// When it ends by itself.
    pub expires_utc_ms: Option<i64>,
    /// Who may work in it.
    pub investigators: Option<Vec<u32>>,
}
