//! What rules propose, and what people decided.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use watchbook_base::CameraId;

/// What a rule proposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProposalKind {
    /// To take footage out.
    ExportClip,
    /// To hold footage for a case.
    Hold,
    /// To mark the event with a word.
    Tag,
    /// To tell people on duty a line.
    Notify,
}

/// How far a proposal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProposalState {
    /// Nobody has decided.
    Open,
    /// Somebody did what it proposes, or has read it.
    Accepted,
    /// Somebody put it aside.
    Dismissed,
}

/// Footage that a proposal is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProposalClip {
    /// Its start.
    pub from_utc_ms: i64,
    /// Its end; it may lie ahead.
    pub to_utc_ms: i64,
    /// Number of the case that the rule names; null when a person must.
    pub case: Option<String>,
    /// Persons who must approve, as the rule asks; policy may ask for more.
    pub approvals: u8,
}

/// The rule that proposed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProposalRule {
    /// Id of the plugin.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its component, lower-case hex.
    pub component_sha256: String,
}

/// The event that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProposalEvent {
    /// The plugin's word for it, as in `motion`.
    pub kind: String,
    /// Id of the plugin that gave it.
    pub plugin: String,
    /// When it began.
    pub start_utc_ms: i64,
    /// When it ended; null for a moment.
    pub end_utc_ms: Option<i64>,
}

/// What somebody decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProposalDecided {
    /// Account number.
    pub account: u32,
    /// The account's present name, where it still exists.
    pub account_name: Option<String>,
    /// When.
    pub at_utc_ms: i64,
    /// In their words.
    pub reason: String,
    /// Number of the hold that was placed.
    pub hold: Option<String>,
}

/// One proposal of a rule. It changes nothing before a person decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Proposal {
    /// Number; never given to another one.
    pub id: String,
    /// When it was made.
    pub at_utc_ms: i64,
    /// Where the event happened.
    #[schema(value_type = u32)]
    pub camera: CameraId,
    /// The event.
    pub event: ProposalEvent,
    /// Who proposes.
    pub rule: ProposalRule,
    /// What.
    pub kind: ProposalKind,
    /// For `export_clip` and `hold`.
    pub clip: Option<ProposalClip>,
    /// For `tag` and `notify`: show as text only.
    pub text: Option<String>,
    /// The rule's reason, word for word: show as text only.
    pub reason: String,
    /// How far it is.
    pub state: ProposalState,
    /// What was decided.
    pub decided: Option<ProposalDecided>,
}

/// Answer of the list of proposals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProposalList {
    /// Newest first, of the account's cameras; at most 500.
    pub proposals: Vec<Proposal>,
    /// How many of all kept ones are open.
    pub open_count: u32,
    /// Events that rules did not see because they were busy, since the start.
    pub events_dropped: u64,
    /// Proposals that could not be kept, since the start.
    pub dropped: u64,
}

/// What a person may decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Do it: a hold is placed; a tag or line was read; an export is taken from the timeline.
    Accept,
    /// Put it aside.
    Dismiss,
}

/// Decides a proposal.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposalDecisionRequest {
    /// What.
    pub decision: Decision,
    /// Why, at most 1024 bytes; needed to dismiss a hold or an export.
    #[serde(default)]
    pub reason: String,
    /// Number of the case, 1 to 128 bytes; needed to accept a hold, and not taken otherwise.
    #[serde(default)]
    pub case: Option<String>,
}
