//! The gate: decide, write the audit entry, and only then hand out a [`Grant`].

mod needs;

use crate::action::Action;
use crate::case::CaseRefusal;
use crate::export::of_export;
use crate::role::Subject;
use core::fmt;
use serde::Serialize;
use std::collections::BTreeSet;
use watchbook_base::{CameraId, TimeRange};

/// How much earlier than its interval an export may read: to the key picture that its first one needs.
pub const EXPORT_PRE_ROLL_NANOS: i64 = 30 * watchbook_base::time::NANOS_PER_SEC;

/// What the gate writes before anything happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Account number; `None` when nobody was signed in.
    pub account: Option<u32>,
    /// What was asked for.
    #[serde(flatten)]
    pub action: Action,
    /// Allowed or refused, and why.
    pub outcome: Outcome,
}

/// How a request ended at the gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Allowed.
    Allowed,
    /// Refused, with the sentence the asker was told.
    Refused(String),
    /// Allowed by an earlier entry, of which nothing came.
    CameToNothing {
        /// Number of that entry.
        entry: u64,
        /// The sentence the asker was told.
        why: String,
    },
}

impl Outcome {
    /// The sentence the asker was told when it was refused, or when nothing came of it.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Allowed => None,
            Self::Refused(why) | Self::CameToNothing { why, .. } => Some(why),
        }
    }
}

/// The append-only log. `append` returns only when the entry survives a power cut.
pub trait AuditLog: Send + Sync {
    /// Writes one entry durably and returns its index in the log.
    ///
    /// # Errors
    /// When it could not be made durable: then nothing may be granted.
    fn append(&self, entry: &AuditEntry) -> Result<u64, AuditError>;
}

/// The log could not be written. Access stops, recording goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditError(pub String);

/// Why the gate stayed shut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody is signed in.
    SignInFirst,
    /// Signed in, but not allowed; the sentence says which role or camera is missing.
    NotAllowed(String),
    /// The role is right, but the case does not admit it.
    OutsideCase(CaseRefusal),
    /// Allowed, but only soon after the second factor was shown.
    FactorNeeded,
    /// Allowed, but the audit log cannot be written.
    LogUnwritable(AuditError),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignInFirst => f.write_str("sign in first"),
            Self::NotAllowed(why) => f.write_str(why),
            Self::OutsideCase(why) => why.fmt(f),
            Self::FactorNeeded => f.write_str("this needs the second factor, shown in the last five minutes"),
            Self::LogUnwritable(error) => write!(
                f,
                "the audit log cannot be written ({}), so nothing is shown; recording goes on. Ask an admin to look at the health page",
                error.0
            ),
        }
    }
}

/// Proof that `action` was decided and logged. Only [`open`] makes one, and storage asks for it before it opens footage.
///
/// Nothing else can make one:
///
/// ```compile_fail,E0451
/// let action = watchbook_access::Action::ReadAudit;
/// let forged = watchbook_access::Grant { action, audit_index: 0, cameras: None };
/// ```
///
/// ```compile_fail,E0599
/// let made_up = watchbook_access::Grant::default();
/// ```
#[derive(Debug)]
pub struct Grant {
    action: Action,
    audit_index: u64,
    /// The cameras of the account; `None` means all.
    cameras: Option<BTreeSet<CameraId>>,
}

impl Grant {
    /// What was granted.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// Index of its entry in the audit log.
    #[must_use]
    pub fn audit_index(&self) -> u64 {
        self.audit_index
    }

    /// True when this grant lets footage of `camera` in all of `range` be read.
    #[must_use]
    pub fn covers_footage(&self, camera: CameraId, range: TimeRange) -> bool {
        match &self.action {
            Action::Playback { camera: granted, range: window, .. }
            | Action::Rederive { camera: granted, range: window, .. } => {
                *granted == camera && window.start <= range.start && range.end <= window.end
            }
            // The key picture that the first one needs lies before it.
            Action::RequestExport { cameras, range: window, .. } => {
                let start = window.start.plus_nanos(-EXPORT_PRE_ROLL_NANOS);
                cameras.contains(&camera) && start <= range.start && range.end <= window.end
            }
            _ => false,
        }
    }

    /// True when this grant lets the bundle of export `export` with this manifest go out to `sink`.
    #[must_use]
    pub fn covers_delivery(&self, export: u64, manifest_sha256: &str, sink: &str) -> bool {
        matches!(&self.action, Action::DeliverExport { export: of, manifest_sha256: hash, sink: to } if *of == export && hash == manifest_sha256 && to == sink)
    }

    /// True when this grant lets export `export` with this manifest be released.
    #[must_use]
    pub fn covers_export_release(&self, export: u64, manifest_sha256: &str) -> bool {
        matches!(&self.action, Action::ReleaseExport { export: of, manifest_sha256: hash, .. } if *of == export && hash == manifest_sha256)
    }

    /// True when this grant lets export `export` with this manifest be refused.
    #[must_use]
    pub fn covers_export_refusal(&self, export: u64, manifest_sha256: &str) -> bool {
        matches!(&self.action, Action::RefuseExport { export: of, manifest_sha256: hash, .. } if *of == export && hash == manifest_sha256)
    }

    /// True when this grant lets what is recorded of `camera` be listed.
    #[must_use]
    pub fn covers_timeline(&self, camera: CameraId) -> bool {
        match &self.action {
            Action::Timeline { camera: granted }
            | Action::Playback { camera: granted, .. }
            | Action::Rederive { camera: granted, .. } => *granted == camera,
            Action::RequestExport { cameras, .. } => cameras.contains(&camera),
            _ => false,
        }
    }

    /// True when this grant lets be said how long footage of `camera` stays.
    #[must_use]
    pub fn covers_retention(&self, camera: CameraId) -> bool {
        match &self.action {
            Action::ReadRetention { camera: Some(granted) } => *granted == camera,
            Action::ReadRetention { camera: None } => {
                self.cameras.as_ref().is_none_or(|cameras| cameras.contains(&camera))
            }
            _ => self.covers_timeline(camera),
        }
    }

    /// True when this grant lets footage of `cameras` in `range` be held.
    #[must_use]
    pub fn covers_hold(&self, cameras: &[CameraId], range: TimeRange) -> bool {
        matches!(&self.action, Action::PlaceHold { cameras: granted, range: window, .. } if granted == cameras && *window == range)
    }

    /// True when this grant lets `hold` be released.
    #[must_use]
    pub fn covers_release(&self, hold: u64) -> bool {
        matches!(&self.action, Action::ReleaseHold { hold: granted } if *granted == hold)
    }

    /// True when this grant lets events be searched, on `camera` or, with `None`, on every camera of [`Grant::cameras`], which a grant for named cameras does not.
    #[must_use]
    pub fn covers_events(&self, camera: Option<CameraId>) -> bool {
        match (&self.action, camera) {
            (Action::SearchEvents { camera: None, cameras, .. }, None) => cameras.is_empty(),
            (Action::SearchEvents { camera: None, cameras, .. }, Some(camera)) if !cameras.is_empty() => {
                cameras.contains(&camera)
            }
            (Action::SearchEvents { camera: None, .. }, Some(camera)) => {
                self.cameras.as_ref().is_none_or(|cameras| cameras.contains(&camera))
            }
            (Action::SearchEvents { camera: granted, .. }, camera) => *granted == camera,
            _ => false,
        }
    }

    /// The cameras that a search without a camera may show; `None` means all.
    #[must_use]
    pub fn cameras(&self) -> Option<&BTreeSet<CameraId>> {
        self.cameras.as_ref()
    }

    /// True when this grant lets the policy with this file that `proposed_by` proposed come into force.
    #[must_use]
    pub fn covers_policy(&self, sha256: &str, by: u32) -> bool {
        matches!(&self.action, Action::AcceptPolicy { policy_sha256, proposed_by, .. } if policy_sha256 == sha256 && *proposed_by == by)
    }

    /// True when this grant lets `camera` be watched live.
    #[must_use]
    pub fn covers_live(&self, camera: CameraId) -> bool {
        matches!(&self.action, Action::Live { camera: granted } if *granted == camera)
    }
}

/// Decides `action` for `subject`, writes the decision to `log`, and returns the grant.
///
/// # Errors
/// The refusal, which has been logged too, unless it is the log itself that failed.
pub fn open(subject: &Subject, action: Action, log: &dyn AuditLog) -> Result<Grant, Refusal> {
    let decision = decide(subject, &action);
    let outcome = match &decision {
        Ok(()) => Outcome::Allowed,
        Err(refusal) => Outcome::Refused(refusal.to_string()),
    };
    let entry = AuditEntry { account: subject.account, action, outcome };
    let audit_index = log.append(&entry).map_err(Refusal::LogUnwritable)?;
    decision.map(|()| Grant { action: entry.action, audit_index, cameras: subject.cameras.clone() })
}

/// The decision alone, without an entry and therefore without a grant: total and pure. What is not allowed here is refused.
///
/// # Errors
/// Why not.
pub fn decide(subject: &Subject, action: &Action) -> Result<(), Refusal> {
    if matches!(action, Action::Claim | Action::SignIn { .. }) {
        return Ok(());
    }
    if subject.account.is_none() {
        return Err(Refusal::SignInFirst);
    }
    let roles = needs::roles(action).map_err(|why| Refusal::NotAllowed(why.to_owned()))?;
    if !roles.iter().any(|role| subject.roles.has(*role)) {
        let wanted: Vec<String> = roles.iter().map(|role| format!("{role:?}").to_lowercase()).collect();
        return Err(Refusal::NotAllowed(format!("this needs the role {}", wanted.join(" or "))));
    }
    if let Some(camera) = needs::cameras(action).iter().find(|camera| !subject.covers(**camera)) {
        return Err(Refusal::NotAllowed(format!("camera {camera} is not among the cameras of this account")));
    }
    of_others(subject, action)?;
    of_export(subject, action)?;
    match action {
        Action::OpenCase { .. } | Action::ChangeCase { .. } if !subject.factor_fresh => Err(Refusal::FactorNeeded),
        // Whoever has the session alone would put a factor of their own in its place.
        Action::RemoveOwnPasskey { .. } if !subject.factor_fresh => Err(Refusal::FactorNeeded),
        // Footage leaves the box, or more of it is allowed: the password alone is not enough.
        Action::ReleaseExport { .. } | Action::AcceptPolicy { .. } if !subject.factor_fresh => {
            Err(Refusal::FactorNeeded)
        }
        _ if guards_log(action) && !subject.factor_fresh => Err(Refusal::FactorNeeded),
        Action::Playback { camera, range, case } => inside(subject, (case, Within::Look), *camera, *range),
        Action::RequestExport { export, case, cameras, range, .. } => {
            // When its turn comes it has been asked for long since, by whom the gate knows.
            let is_made = subject.export.as_ref().is_some_and(|known| {
                known.export == *export && subject.account == Some(known.asked_by) && known.case == *case
            });
            let within = if is_made { Within::Export } else { Within::Look };
            cameras.iter().try_for_each(|camera| inside(subject, (case, within), *camera, *range))
        }
        Action::AddBookmark { case, cameras, range } => {
            cameras.iter().try_for_each(|camera| inside(subject, (case, Within::Look), *camera, *range))
        }
        Action::ReadBookmarks { case } | Action::RemoveBookmark { case, .. } => in_own_case(subject, case),
        _ => Ok(()),
    }
}

/// What decides by whose signatures, and to whom, the log proves itself, and what carries the station's secrets out or in: a stolen password must not be enough.
fn guards_log(action: &Action) -> bool {
    matches!(
        action,
        Action::ChangeLogKey { .. }
            | Action::TrustWitness { .. }
            | Action::DistrustWitness { .. }
            | Action::SetWitnessPush { .. }
            | Action::MakeMirrorToken { .. }
            | Action::EnrolApproverKey { .. }
            // All that lets people in, and who they are.
            | Action::MakeBackup
            // What differs tells who holds a file against it what is right in it.
            | Action::CompareBackup { .. }
            | Action::RestoreBackup { .. }
            // Whoever has the key of what is served can read every password on its way in.
            | Action::UploadCertificate { .. }
            | Action::RemoveCertificate
    )
}

/// What somebody wants of a case.
#[derive(Clone, Copy)]
pub(crate) enum Within {
    /// To see footage, or to ask for it.
    Look,
    /// What became of an export that was asked for in it.
    Export,
}

/// Whether the case in which somebody asks is the one of this number, and admits it.
pub(crate) fn inside(
    subject: &Subject,
    (number, within): (&str, Within),
    camera: CameraId,
    range: TimeRange,
) -> Result<(), Refusal> {
    let account = subject.account.ok_or(Refusal::SignInFirst)?;
    let found = subject.case.as_ref().filter(|found| found.case.number == number && !number.is_empty());
    let found = found.ok_or_else(|| Refusal::OutsideCase(CaseRefusal::Unknown(number.to_owned())))?;
    let admitted = match within {
        Within::Look => found.case.admits(account, camera, range, found.now),
        Within::Export => found.case.lets_out(account, camera, range, found.now),
    };
    admitted.map_err(Refusal::OutsideCase)
}

/// Whether the case of this number is open and names whoever asks: as if all of its footage were asked for, of the camera that comes first.
fn in_own_case(subject: &Subject, number: &str) -> Result<(), Refusal> {
    let found = subject.case.as_ref().filter(|found| found.case.number == number && !number.is_empty());
    let unknown = || Refusal::OutsideCase(CaseRefusal::Unknown(number.to_owned()));
    let case = &found.ok_or_else(unknown)?.case;
    inside(subject, (number, Within::Look), *case.cameras.first().ok_or_else(unknown)?, case.range)
}

/// What may be done to others, or by others, and not to oneself.
fn of_others(subject: &Subject, action: &Action) -> Result<(), Refusal> {
    let own = |account: &u32| subject.account == Some(*account);
    match action {
        // Also where one account has both roles: then a second person is needed, or an emergency.
        Action::OpenCase { investigators, emergency: false, .. } if investigators.iter().any(own) => {
            Err(Refusal::NotAllowed("who opens a case does not work in it: name another account".to_owned()))
        }
        Action::OpenCase { investigators, emergency: true, .. } if !investigators.iter().all(own) => {
            Err(Refusal::NotAllowed("in an emergency whoever opens it works in it, and nobody else".to_owned()))
        }
        Action::ChangeCase { case, .. } if works_in(subject, case) => {
            Err(Refusal::NotAllowed("who works in a case does not change it: ask another approver".to_owned()))
        }
        // Also in a station of one person: nobody loosens alone what the public was told.
        Action::AcceptPolicy { proposed_by, .. } if own(proposed_by) => Err(Refusal::NotAllowed(
            "who proposed a policy does not accept it: another admin or an approver does".to_owned(),
        )),
        // Whoever has the password alone would have another factor in no time.
        Action::RemoveSecondFactor { account } if subject.account == Some(*account) => Err(Refusal::NotAllowed(
            "nobody takes their own second factor away: put another one in its place, or ask another admin".to_owned(),
        )),
        Action::RemovePasskey { account, .. } if own(account) => Err(Refusal::NotAllowed(
            "one's own passkeys are removed on the page of one's account, with a fresh second factor".to_owned(),
        )),
        Action::EnrolApproverKey { account, .. } if own(account) => {
            Err(Refusal::NotAllowed("nobody enrols a key for their own releases: ask another admin".to_owned()))
        }
        _ => Ok(()),
    }
}

/// The case in which somebody asks is this one, and names them.
fn works_in(subject: &Subject, number: &str) -> bool {
    let found = subject.case.as_ref().filter(|found| found.case.number == number);
    found.zip(subject.account).is_some_and(|(found, account)| found.case.investigators.contains(&account))
}

#[cfg(test)]
mod tests;
