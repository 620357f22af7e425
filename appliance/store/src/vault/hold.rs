//! What is said about a hold.

use crate::error::{Error, Result};
use core::fmt;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use watchbook_base::limits::{CAMERAS_MAX, NAME_BYTES_MAX};
use watchbook_base::{CameraId, StreamId, TimeRange, UtcNanos};

/// A note or the reason of a release.
pub const HOLD_TEXT_BYTES_MAX: usize = 1024;
/// How far a hold may reach into the future: who wants more places another one.
pub const HOLD_AHEAD_NANOS_MAX: i64 = 31 * 86_400 * 1_000_000_000;
/// Length of a hold's range. Longer ones are placed as several.
pub const HOLD_RANGE_NANOS_MAX: i64 = 366 * 86_400 * 1_000_000_000;

/// Number of a hold, from 1; never used again in this vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HoldId(pub u64);

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is to be held, and for which case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRequest {
    /// Number of the case, 1 to [`NAME_BYTES_MAX`] bytes.
    pub case: String,
    /// Whose footage, 1 to [`CAMERAS_MAX`]; all streams of each.
    pub cameras: BTreeSet<CameraId>,
    /// When. May end at most [`HOLD_AHEAD_NANOS_MAX`] from now: what arrives until then is held as it comes.
    pub range: TimeRange,
    /// In people's own words, at most [`HOLD_TEXT_BYTES_MAX`] bytes.
    pub note: String,
    /// Account that places it.
    pub by_account: u32,
}

impl HoldRequest {
    /// Refuses what cannot be held.
    ///
    /// # Errors
    /// `InvalidInput` with the field and what is allowed.
    pub fn check(&self, now: UtcNanos) -> Result<()> {
        let refuse = |what: String| Err(Error::invalid(format!("placing a hold: {what}")));
        if self.case.trim().is_empty() || self.case.len() > NAME_BYTES_MAX {
            return refuse(format!("the case number has {} bytes; 1 to {NAME_BYTES_MAX} are allowed", self.case.len()));
        }
        if self.note.len() > HOLD_TEXT_BYTES_MAX {
            return refuse(format!("the note has {} bytes; {HOLD_TEXT_BYTES_MAX} are allowed", self.note.len()));
        }
        if self.cameras.is_empty() || self.cameras.len() > CAMERAS_MAX {
            return refuse(format!("{} cameras are named; 1 to {CAMERAS_MAX} are allowed", self.cameras.len()));
        }
        if self.range.nanos() <= 0 || self.range.nanos() > HOLD_RANGE_NANOS_MAX {
            return refuse("the range must be longer than nothing and no longer than 366 days".to_owned());
        }
        if self.range.end.nanos_since(now) > HOLD_AHEAD_NANOS_MAX {
            return refuse(
                "the range ends more than 31 days from now; place another hold when that time comes".to_owned(),
            );
        }
        Ok(())
    }
}

/// How far a hold is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// Footage is still to be copied, or to arrive.
    Copying,
    /// All that was recorded in its range is held.
    Held,
    /// All that could be had is held; some footage that was there when the hold was placed, or came later, was lost, before it was copied or since.
    Incomplete,
    /// Given up: its copy is destroyed.
    Released,
}

/// Why a part of a hold's range is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum MissingReason {
    /// No disk has it, and nothing of it was seen since the hold was placed: overwritten or erased before, or never recorded.
    NotStored = 0,
    /// It was overwritten before it was copied.
    Overwritten = 1,
    /// Its bytes do not check out.
    Damaged = 2,
    /// Its key was destroyed before it was copied.
    Erased = 3,
    /// The disk that had it was given up before it was copied.
    Disk = 4,
}

impl MissingReason {
    /// The reason with this stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::NotStored, Self::Overwritten, Self::Damaged, Self::Erased, Self::Disk].get(usize::from(number)).copied()
    }
}

/// A part of a hold's range of which neither footage nor a gap is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MissingFootage {
    /// Of which stream.
    pub stream: StreamId,
    /// First moment.
    pub start: UtcNanos,
    /// First moment behind it.
    pub end: UtcNanos,
    /// Why.
    pub reason: MissingReason,
}

/// Who placed a hold, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldPlaced {
    /// When.
    pub utc: UtcNanos,
    /// Account.
    pub by_account: u32,
}

/// Who released a hold, when and why. Stays when the footage is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldReleased {
    /// When.
    pub utc: UtcNanos,
    /// Account.
    pub by_account: u32,
    /// In people's own words, 1 to [`HOLD_TEXT_BYTES_MAX`] bytes.
    pub reason: String,
}

/// A hold as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldInfo {
    /// Its number.
    pub id: HoldId,
    /// Number of the case.
    pub case: String,
    /// Whose footage.
    pub cameras: BTreeSet<CameraId>,
    /// When.
    pub range: TimeRange,
    /// In people's own words.
    pub note: String,
    /// How far it is.
    pub state: HoldState,
    /// Bytes that it takes in the vault; 0 once it is released.
    pub held_bytes: u64,
    /// Estimate of what is still to be copied or to arrive.
    pub left_bytes: u64,
    /// Held footage, of all streams together, whose proof is not in the vault: what the audit log tells of it cannot be shown without the ring. `None` while footage is still to be copied or was
    /// not looked at yet, and where there is no audit log.
    pub unproven_nanos: Option<i64>,
    /// Stretches that are not held, by stream and start; at most [`MISSING_LISTED_MAX`].
    pub missing: Vec<MissingFootage>,
    /// How many there are.
    pub missing_count: u64,
    /// Why copying does not go on, in a sentence; `None` when it does.
    pub trouble: Option<String>,
    /// Who placed it.
    pub placed: HoldPlaced,
    /// Who released it, if somebody did.
    pub released: Option<HoldReleased>,
}

/// Stretches listed with a hold. A camera that fails every minute of a day makes 1,440; the rest is counted.
pub const MISSING_LISTED_MAX: usize = 2000;

/// The vault as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultInfo {
    /// What it may take.
    pub quota_bytes: u64,
    /// What holds take.
    pub held_bytes: u64,
    /// Estimate of what unfinished holds will take beside that.
    pub reserved_bytes: u64,
}

impl VaultInfo {
    /// What another hold may take.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.quota_bytes.saturating_sub(self.held_bytes).saturating_sub(self.reserved_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_cannot_be_met_are_refused_with_the_field() {
        let now = UtcNanos(1_800_000_000_000_000_000);
        let good = HoldRequest {
            case: "2026-117".to_owned(),
            cameras: CameraId::new(1).into_iter().collect(),
            range: TimeRange { start: now.plus_nanos(-10), end: now },
            note: String::new(),
            by_account: 1,
        };
        assert!(good.check(now).is_ok());
        let day = 86_400 * 1_000_000_000;
        let bad = [
            (HoldRequest { case: " ".to_owned(), ..good.clone() }, "case number"),
            (HoldRequest { cameras: BTreeSet::new(), ..good.clone() }, "0 cameras"),
            (HoldRequest { range: TimeRange { start: now, end: now }, ..good.clone() }, "range"),
            (HoldRequest { range: TimeRange { start: now, end: now.plus_nanos(32 * day) }, ..good.clone() }, "31 days"),
            (HoldRequest { note: "x".repeat(1025), ..good.clone() }, "note"),
        ];
        for (request, field) in bad {
            let error = request.check(now).unwrap_err();
            assert!(error.kind == watchbook_base::Kind::InvalidInput && error.message.contains(field), "{error}");
        }
    }

    #[test]
    fn reasons_keep_their_numbers() {
        for (number, reason) in [
            (0, MissingReason::NotStored),
            (1, MissingReason::Overwritten),
            (2, MissingReason::Damaged),
            (3, MissingReason::Erased),
            (4, MissingReason::Disk),
        ] {
            assert_eq!((reason as u8, MissingReason::from_number(number)), (number, Some(reason)));
        }
        assert_eq!(MissingReason::from_number(5), None);
    }
}
