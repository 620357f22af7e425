//! Acts that were allowed and of which nothing came: the gate writes its entry before it is tried, and whoever tries it writes another one when it does not work.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Entries that are remembered as come to nothing, so that none does so twice: the newest.
const REMEMBERED_MAX: usize = 4096;
/// What may come to nothing, beside changes of the configuration. What somebody saw they saw, and what the recorder notes by itself has happened.
pub const ACTS: [&str; 12] = [
    "open_case",
    "request_export",
    "release_export",
    "refuse_export",
    "deliver_export",
    "place_hold",
    "release_hold",
    "register_subject_request",
    "extend_subject_request",
    "answer_subject_request",
    "refuse_subject_request",
    "withdraw_subject_request",
];

/// Entries of which nothing came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Undone(BTreeSet<u64>);

impl Undone {
    /// False for one that is known already.
    pub(super) fn put(&mut self, entry: u64) -> bool {
        let new = self.0.insert(entry);
        if self.0.len() > REMEMBERED_MAX {
            self.0.pop_first();
        }
        new
    }
}

/// Of which entry this one says that nothing came of it.
pub(super) fn of(entry: &Map<String, Value>) -> Option<u64> {
    entry.get("outcome")?.get("came_to_nothing")?.get("entry")?.as_u64()
}

/// Whether this can come to nothing.
pub(super) fn may_be(action: &str) -> bool {
    ACTS.contains(&action) || super::CONFIGURATION.iter().any(|(_, actions)| actions.contains(&action))
}
