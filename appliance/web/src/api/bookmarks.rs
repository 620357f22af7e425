//! Bookmarks: moments of a case's footage.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use watchbook_base::CameraId;

/// A moment that somebody who works in the case marked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Bookmark {
    /// Its number in the case.
    pub bookmark: u32,
    /// The moment.
    pub at_utc_ms: i64,
    /// The cameras that were looked at together, of those that this account may see.
    #[schema(value_type = Vec<u32>)]
    pub cameras: Vec<CameraId>,
    /// What is to be seen: show as text only.
    pub words: String,
    /// Who marked it: account number.
    pub by: u32,
    /// The account's present name, where it still exists.
    pub by_name: Option<String>,
    /// When they did.
    pub made_utc_ms: i64,
}

/// The bookmarks of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BookmarkList {
    /// In order of the moments.
    pub bookmarks: Vec<Bookmark>,
}

/// Marks a moment.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BookmarkRequest {
    /// The moment; the case must admit it.
    pub at_utc_ms: i64,
    /// 1 to 9 cameras of the case.
    #[schema(value_type = Vec<u32>)]
    pub cameras: Vec<CameraId>,
    /// What is to be seen, at most 240 bytes; may be empty.
    pub words: String,
}
