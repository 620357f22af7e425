//! Roles and those who hold them.

use crate::case::CaseNow;
use crate::export::ExportNow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use watchbook_base::CameraId;

/// What an account may be. `public` needs no account and is therefore no role here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Live pictures of the cameras that are theirs.
    Viewer,
    /// Playback inside a case, export requests and holds.
    Investigator,
    /// Opens cases for others, releases exports, and holds that others placed.
    Approver,
    /// Reads the whole audit log, sees no video.
    Auditor,
    /// Configuration and updates, sees no video.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Investigator, Self::Approver, Self::Auditor, Self::Admin];
}

/// The roles of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(pub BTreeSet<Role>);

impl Roles {
    /// Holds `role`.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// True when the set mixes duties that must be kept apart: two or more of investigator, approver, auditor and admin. Only a station that has
    /// switched on the small-station exception, which the audit log shows, may have such accounts.
    #[must_use]
    pub fn mixes_duties(&self) -> bool {
        self.0.iter().filter(|role| **role != Role::Viewer).count() > 1
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<T: IntoIterator<Item = Role>>(roles: T) -> Self {
        Self(roles.into_iter().collect())
    }
}

/// Who asks: an account as it was when the request came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The account's number; pseudonymous, the log never holds a name. `None`: nobody is signed in.
    pub account: Option<u32>,
    /// What the account may be.
    pub roles: Roles,
    /// The cameras it may see; `None` means all.
    pub cameras: Option<BTreeSet<CameraId>>,
    /// Its session has just shown the second factor.
    pub factor_fresh: bool,
    /// The case in which it asks, as it is at this moment.
    pub case: Option<CaseNow>,
    /// The export that it asks about, as it is at this moment.
    pub export: Option<ExportNow>,
}

impl Subject {
    /// An account whose session has not shown its second factor.
    #[must_use]
    pub fn new(account: u32, roles: Roles, cameras: Option<BTreeSet<CameraId>>) -> Self {
        Self { account: Some(account), roles, cameras, ..Self::nobody() }
    }

    /// Nobody: no account, no role.
    #[must_use]
    pub fn nobody() -> Self {
        let (account, case, export) = (None, None, None);
        Self { account, roles: Roles::default(), cameras: Some(BTreeSet::new()), factor_fresh: false, case, export }
    }

    /// May see pictures of `camera`, as far as the camera list goes.
    #[must_use]
    pub fn covers(&self, camera: CameraId) -> bool {
        self.cameras.as_ref().is_none_or(|cameras| cameras.contains(&camera))
    }
}
