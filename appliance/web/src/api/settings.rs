//! What the station says of itself, and who changed it.

use crate::settings::{StationSetting, StationSettingKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One setting of the station as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StationSettingRow {
    /// Which.
    pub setting: StationSetting,
    /// What its value looks like.
    pub kind: StationSettingKind,
    /// Its value in force; a number in decimal digits.
    pub value: String,
    /// What the configuration file says, which holds where nothing was set on the page.
    pub default: String,
    /// It was set on the page.
    pub set_here: bool,
    /// Smallest number of days; 0 for a text.
    pub least: u32,
    /// Largest number of days; most bytes of a text.
    pub most: u32,
}

/// The settings of the station as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StationSettings {
    /// Counts the changes; a change names the one that was looked at.
    pub version: u64,
    /// Each of them.
    pub settings: Vec<StationSettingRow>,
    /// The station's policy lets nobody wait longer for an answer, in days; the shorter time holds.
    pub policy_answer_days: u32,
    /// What was set on the page cannot be read: the configuration file's values are in force.
    pub unreadable: bool,
}

/// One setting that somebody changes.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StationSettingChange {
    /// Which.
    pub setting: StationSetting,
    /// Its new value; null: what the configuration file says.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required)]
    pub value: Option<String>,
}

/// A change of the station's settings.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StationSettingsPatch {
    /// `version` of what was looked at.
    pub version: u64,
    /// Why, in a sentence of at most 512 bytes; for the audit log.
    pub reason: String,
    /// Each setting once.
    pub changes: Vec<StationSettingChange>,
}

/// What became different of one setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StationSettingChanged {
    /// Which, in one word.
    pub setting: String,
    /// Its value until then.
    pub before: String,
    /// Its value from then on.
    pub after: String,
    /// From then on it was again what the configuration file said.
    pub from_file: bool,
}

/// One change of the station's settings, out of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StationSettingsEntry {
    /// Number of the log's entry.
    pub entry: u64,
    /// When it was written.
    pub at_utc_ms: i64,
    /// Who did it; null for a restore of a box that nobody had claimed.
    pub account: Option<u32>,
    /// The account's present name, where it still exists.
    pub account_name: Option<String>,
    /// From what to what.
    pub changes: Vec<StationSettingChanged>,
    /// Why.
    pub reason: String,
}

/// A page of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StationSettingsHistory {
    /// Newest first.
    pub entries: Vec<StationSettingsEntry>,
    /// Give it back as `cursor` to go on; null at the end.
    pub next_cursor: Option<String>,
    /// When the oldest entry was written that was read for this page; null when none was.
    pub looked_to_utc_ms: Option<i64>,
}
