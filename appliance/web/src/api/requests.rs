//! Requests of people who may be in the footage.

use super::CasePerson;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use watchbook_access::{DisclosedTo, Extension, Refusing};
use watchbook_base::CameraId;

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubjectRequestState {
    /// Taken up; nobody looks for the footage yet.
    Open,
    /// Looked for in a case.
    Searching,
    /// A copy was handed out.
    Answered,
    /// It was refused.
    Refused,
    /// Whoever asked does not want it any more.
    Withdrawn,
}

/// Names of [`Refusing`] in the schema; a test holds the two together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SubjectRequestRefusing)]
pub enum RefusingName {
    /// There is no such footage.
    NoFootage,
    /// Whoever asks did not show who they are, or is not in it.
    NotIdentified,
    /// It would harm others who are in it.
    RightsOfOthers,
    /// It would harm an inquiry that is under way.
    Inquiry,
    /// Asked again and again, or without any ground.
    Unfounded,
    /// Another law forbids it.
    OtherLaw,
}

/// Names of [`Extension`] in the schema; a test holds the two together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SubjectRequestExtending)]
pub enum ExtensionName {
    /// Much footage, or many others in it.
    Complex,
    /// Many requests at once.
    ManyRequests,
}

/// Names of [`DisclosedTo`] in the schema; a test holds the two together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SubjectRequestReceiver)]
pub enum DisclosedToName {
    /// The person who is in the footage.
    DataSubject,
    /// Somebody who acts for that person.
    Representative,
}

/// A request of somebody who may be in the footage. Who that is stands in the paper file alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubjectRequest {
    /// Its number.
    pub request: u64,
    /// Number of the paper file.
    pub reference: String,
    /// When it was received.
    pub received_utc_ms: i64,
    /// When it was written down here.
    pub registered_utc_ms: i64,
    /// By whom: account number.
    pub registered_by: u32,
    /// The account's present name, where it still exists.
    pub registered_by_name: Option<String>,
    /// When it must be answered.
    pub due_utc_ms: i64,
    /// It waits, and the time is over.
    pub overdue: bool,
    /// How far it is.
    pub state: SubjectRequestState,
    /// Where footage is looked for, of the cameras that this account may see.
    #[schema(value_type = Vec<u32>)]
    pub cameras: Vec<CameraId>,
    /// How many more cameras there are.
    pub other_camera_count: u32,
    /// Start of the hours that are looked through.
    pub from_utc_ms: i64,
    /// Their end.
    pub to_utc_ms: i64,
    /// Place and time as whoever asked said them.
    pub place: String,
    /// Who looks for it: account number.
    pub handler: Option<u32>,
    /// The account's present name, where it still exists.
    pub handler_name: Option<String>,
    /// The case in which it is looked for.
    pub case: Option<String>,
    /// It was given more time.
    pub extended: Option<SubjectRequestExtended>,
    /// It is over.
    pub ended: Option<SubjectRequestEnded>,
}

/// More time, which is given once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubjectRequestExtended {
    /// When.
    pub at_utc_ms: i64,
    /// By whom: account number.
    pub account: u32,
    /// The account's present name, where it still exists.
    pub account_name: Option<String>,
    /// The deadline before.
    pub due_before_utc_ms: i64,
    /// Why.
    #[schema(value_type = ExtensionName)]
    pub why: Extension,
    /// Why, in words.
    pub words: String,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubjectRequestEnded {
    /// When.
    pub at_utc_ms: i64,
    /// By whom: account number.
    pub account: u32,
    /// The account's present name, where it still exists.
    pub account_name: Option<String>,
    /// A copy was handed out.
    pub disclosure: Option<SubjectRequestDisclosure>,
    /// It was refused.
    pub refusal: Option<SubjectRequestRefusal>,
}

/// An entry of the disclosure register: who was given what, and why; when and by whom stands beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubjectRequestDisclosure {
    /// Number of the export.
    pub export: String,
    /// Who was given it.
    #[schema(value_type = DisclosedToName)]
    pub to: DisclosedTo,
    /// Number of the receipt in the paper file.
    pub reference: String,
    /// Why, in words.
    pub why: String,
}

/// Why there is no copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubjectRequestRefusal {
    /// Out of a list.
    #[schema(value_type = RefusingName)]
    pub why: Refusing,
    /// In words, as whoever asked was told.
    pub words: String,
}

/// The requests, and the station's rules for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubjectRequestList {
    /// Those that wait, the most urgent first, then those that are over; at most 1000.
    pub requests: Vec<SubjectRequest>,
    /// Within so many days one is answered.
    pub answer_days: u32,
    /// So many more days may be given, once.
    pub extension_days: u32,
    /// Who may look for footage: accounts with the role investigator.
    pub investigators: Vec<CasePerson>,
}

/// Takes a request up.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectRequestInput {
    /// Number of the paper file: letters, digits, spaces, `-`, `/` and `.`, at least one digit, at most 64 bytes. Never a name.
    pub reference: String,
    /// When it was received: at most a year ago.
    pub received_utc_ms: i64,
    /// Where footage is looked for; may be empty.
    #[schema(value_type = Vec<u32>)]
    #[serde(default)]
    pub cameras: Vec<CameraId>,
    /// Start of the hours that are looked through.
    pub from_utc_ms: i64,
    /// Their end, at most 31 days later.
    pub to_utc_ms: i64,
    /// Place and time as whoever asks said them, without who they are: at most 512 bytes.
    pub place: String,
    /// Who looks for it: an account with the role investigator.
    #[serde(default)]
    pub handler: Option<u32>,
}

/// Changes of a request: what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectRequestPatch {
    /// Number of the paper file.
    pub reference: Option<String>,
    /// Where footage is looked for.
    #[schema(value_type = Option<Vec<u32>>)]
    pub cameras: Option<Vec<CameraId>>,
    /// Start of the hours that are looked through.
    pub from_utc_ms: Option<i64>,
    /// Their end.
    pub to_utc_ms: Option<i64>,
    /// Place and time in words.
    pub place: Option<String>,
    /// Who looks for it.
    pub handler: Option<u32>,
}

/// In which case footage is looked for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectRequestSearch {
    /// Its number: an open case with the purpose `subject_request`.
    pub case: String,
}

/// Gives a request more time.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectRequestExtend {
    /// How many days more: 1 to `extension_days` of the list.
    pub days: u32,
    /// Why.
    #[schema(value_type = ExtensionName)]
    pub why: Extension,
    /// Why, in words: 1 to 512 bytes.
    pub words: String,
}

/// A copy was handed out.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectRequestAnswer {
    /// Number of the export: released, of the request's case, for a person who is in it.
    pub export: String,
    /// Who was given it.
    #[schema(value_type = DisclosedToName)]
    pub to: DisclosedTo,
    /// Number of the receipt in the paper file, of the form of the request's own.
    pub reference: String,
    /// Why, in words: 1 to 512 bytes.
    pub why: String,
}

/// No copy.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectRequestRefuse {
    /// Why.
    #[schema(value_type = RefusingName)]
    pub why: Refusing,
    /// In words, as whoever asked is told: 1 to 512 bytes.
    pub words: String,
}
