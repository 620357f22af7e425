//! Redacted copies: footage in which parts of the picture are black for good.

use super::Point;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use watchbook_access::RecipientClass;
use watchbook_base::CameraId;

/// Where a rectangle is at a moment, in fractions of the picture's width and height.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedactionKey {
    /// When.
    pub at_utc_ms: i64,
    /// Left edge, 0 to 1.
    pub left: f32,
    /// Upper edge, 0 to 1.
    pub top: f32,
    /// Right edge, more than the left one, at most 1.
    pub right: f32,
    /// Lower edge, more than the upper one, at most 1.
    pub bottom: f32,
}

/// A part of the picture: a polygon that stays, or a rectangle that moves.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedactionRegion {
    /// 3 to 64 corners; empty when there are keys.
    #[serde(default)]
    pub polygon: Vec<Point>,
    /// 1 to 64, by time: between two the rectangle moves in a straight line, before the first and behind the last it stays. Empty when there is a polygon.
    #[serde(default)]
    pub keys: Vec<RedactionKey>,
    /// From when on it counts; null or missing: from the beginning.
    #[serde(default)]
    pub from_utc_ms: Option<i64>,
    /// Until when it counts, after `from_utc_ms`; null or missing: to the end.
    #[serde(default)]
    pub to_utc_ms: Option<i64>,
}

/// Asks for a redacted copy of one camera's footage. It is an export like any other: a second person releases it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedactedExportRequest {
    /// Number of the case, 1 to 64 bytes.
    pub case: String,
    /// Whose footage.
    #[schema(value_type = u32)]
    pub camera: CameraId,
    /// Start of the interval.
    pub from_utc_ms: i64,
    /// End of the interval, at most 15 minutes after the start and not in the future.
    pub to_utc_ms: i64,
    /// For what kind of receiver.
    #[schema(value_type = super::RecipientClassName)]
    pub recipient_class: RecipientClass,
    /// For whom, 1 to 256 bytes; it stands in the notice and not in the log.
    pub recipient: String,
    /// Everything is black but the regions. Else the regions are black, and there must be one at least.
    pub everything_but: bool,
    /// At most 32.
    pub regions: Vec<RedactionRegion>,
    /// An export with the master of the same time, of the same case: the copy is linked to it by its hashes. Null or missing: none.
    #[serde(default)]
    pub of_export: Option<String>,
}

/// What is black in a redacted copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExportRedaction {
    /// Everything but the regions.
    pub everything_but: bool,
    /// How many regions.
    pub regions: u32,
    /// SHA-256 of the manifest of the master's export that it is linked to, lower-case hexadecimal; null: none.
    pub master_manifest_sha256: Option<String>,
}
