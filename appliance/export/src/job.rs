//! An export from the request to its end, as the register keeps it. Pure.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use watchbook_access::{Action, CaseNow, RecipientClass, Roles, Subject};
use watchbook_base::{CameraId, Kind, TimeRange, UtcNanos};

/// Cameras of one export.
pub const CAMERAS_MAX: usize = 64;
/// Longest interval of one export.
pub const DAYS_MAX: i64 = 7;
/// Exports that wait to be made or are being made.
pub const WAITING_MAX: usize = 16;
/// Exports that are remembered; the oldest that have ended are forgotten first. What they were stays in the audit log.
pub const KEPT_MAX: usize = 1000;
/// A bundle that is made is deleted after so many days, and so many days after its release.
pub const STAGED_DAYS: i64 = 7;

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits, or its files are being written.
    Making,
    /// Its manifest is fixed; a second person releases or refuses it.
    Ready,
    /// Handed out to whoever asked.
    Released,
    /// A second person said no.
    Refused,
    /// It could not be made.
    Failed,
    /// Whoever asked for it does not want it any more.
    Cancelled,
    /// Its files are deleted because nobody came for them in time.
    Expired,
}

impl State {
    /// The bundle lies in the state directory.
    #[must_use]
    pub fn is_staged(self) -> bool {
        matches!(self, Self::Ready | Self::Released)
    }
}

/// A camera of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraOf {
    /// Its number.
    pub camera: CameraId,
    /// Its name when the export was asked for.
    pub name: String,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Number of the case.
    pub case: String,
    /// 1 to [`CAMERAS_MAX`].
    pub cameras: Vec<CameraOf>,
    /// When.
    pub range: TimeRange,
    /// What kind of receiver.
    pub recipient_class: RecipientClass,
    /// Who is to get it, for people; not in the log.
    pub recipient: String,
    /// The case as it was when the gate was asked.
    pub within: CaseNow,
    /// Who asked.
    pub account: u32,
    /// Name of the account then, for the certificate.
    pub account_name: String,
    /// Roles of the account when it asked.
    pub roles: Roles,
    /// When it asked.
    pub asked: UtcNanos,
    /// A redacted copy is made, with this black; `None`: masters.
    #[serde(default)]
    pub redaction: Option<crate::redact::Wish>,
}

impl Order {
    /// What the gate is asked.
    #[must_use]
    pub fn action(&self, export: u64) -> Action {
        Action::RequestExport {
            export,
            case: self.case.clone(),
            cameras: self.cameras.iter().map(|of| of.camera).collect(),
            range: self.range,
            recipient_class: self.recipient_class,
        }
    }

    /// Who asked, as they were then: an export that a restart broke off goes on in their name.
    #[must_use]
    pub fn subject(&self) -> Subject {
        let cameras = self.cameras.iter().map(|of| of.camera).collect();
        let case = Some(self.within.clone());
        Subject { case, ..Subject::new(self.account, self.roles.clone(), Some(cameras)) }
    }

    /// From the key picture that the first one may need on, and never before the case's footage.
    #[must_use]
    pub fn read_range(&self) -> TimeRange {
        let early = self.range.start.plus_nanos(-crate::plan::PRE_ROLL_NANOS);
        let first = self.within.case.range.start.min(self.range.start);
        TimeRange { start: early.max(first), end: self.range.end }
    }
}

/// A file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRow {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
    /// CRC-32, for the archive.
    pub crc32: u32,
}

/// A stretch of time that is not in the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingRow {
    /// Of which camera.
    pub camera: CameraId,
    /// It is sound, not pictures.
    pub is_sound: bool,
    /// When; where the clock was set back, an empty interval.
    pub range: TimeRange,
    /// Why, as the log has it.
    pub reason: String,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// SHA-256 of `manifest.json`, lower-case hexadecimal: what a release is bound to.
    pub manifest_sha256: String,
    /// Everything in the bundle, by name; with proofs and checkpoint once it is released.
    pub files: Vec<FileRow>,
    /// From the first to the end of the last sample; `None`: there is no footage in it.
    pub delivered: Option<TimeRange>,
    /// What is missing.
    pub missing: Vec<MissingRow>,
    /// Numbers of the leaves that the proofs are to have.
    pub leaves: Vec<u64>,
    /// Runs that are handed out.
    pub runs: u64,
    /// When.
    pub at: UtcNanos,
}

impl Made {
    /// Nothing of what was asked for is missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// All bytes of the bundle.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// What a second person said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Who.
    pub account: u32,
    /// When.
    pub at: UtcNanos,
    /// Why not; empty for a release.
    pub reason: String,
    /// Leaf of a release.
    pub leaf: Option<u64>,
}

/// An export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number, which the gate was asked with.
    pub id: u64,
    /// What was asked for.
    pub order: Order,
    /// How far it is.
    pub state: State,
    /// Estimated bytes of footage, before it is made.
    pub estimate_bytes: u64,
    /// What was made, as long as it is known.
    pub made: Option<Made>,
    /// What the second person said.
    pub answer: Option<Answer>,
    /// Why it failed.
    pub trouble: String,
    /// When it came into this state.
    pub since: UtcNanos,
    /// When it was first handed out.
    pub delivered_at: Option<UtcNanos>,
}

fn conflict(job: &Job, what: &str, next: &str) -> Error {
    let state = serde_json::to_value(job.state).ok();
    let state = state.as_ref().and_then(|state| state.as_str()).unwrap_or_default().to_owned();
    Error::new(Kind::Conflict, format!("{what} export {}: it is {state}. {next}", job.id))
}

impl Job {
    /// The row of an export that was just asked for.
    #[must_use]
    pub fn new(id: u64, order: Order, estimate_bytes: u64) -> Self {
        let since = order.asked;
        let (state, trouble) = (State::Making, String::new());
        Self { id, order, state, estimate_bytes, made: None, answer: None, trouble, since, delivered_at: None }
    }

    /// Goes into `state`.
    pub fn enter(&mut self, state: State, now: UtcNanos) {
        (self.state, self.since) = (state, now);
    }

    /// Says whether `account` may release or refuse the bundle with this manifest now.
    ///
    /// # Errors
    /// `Denied` for whoever asked for it; `Conflict` when it is not ready, somebody has answered, or it has another manifest.
    pub fn may_answer(&self, account: u32, manifest_sha256: &str) -> Result<()> {
        if account == self.order.account {
            return Err(Error::new(
                Kind::Denied,
                format!("export {} was asked for by this account; somebody else must answer it", self.id),
            ));
        }
        let made = self.made.as_ref().filter(|_| self.state == State::Ready && self.answer.is_none());
        let Some(made) = made else { return Err(conflict(self, "answering", "Look at the list of exports.")) };
        if made.manifest_sha256 != manifest_sha256 {
            return Err(Error::new(
                Kind::Conflict,
                format!(
                    "answering export {}: its manifest is {}, not the one that was looked at. Look at it again",
                    self.id, made.manifest_sha256
                ),
            ));
        }
        Ok(())
    }

    /// Says whether `account` may have the bundle now.
    ///
    /// # Errors
    /// `Denied` for anybody but whoever asked for it, `Conflict` when it is not released or has another manifest.
    pub fn may_have(&self, account: u32, manifest_sha256: &str) -> Result<&Made> {
        if account != self.order.account {
            return Err(Error::new(
                Kind::Denied,
                format!("export {} was asked for by another account, which alone may have it", self.id),
            ));
        }
        let made =
            self.made.as_ref().filter(|made| self.state == State::Released && made.manifest_sha256 == manifest_sha256);
        made.ok_or_else(|| conflict(self, "handing out", "A released one can be had, with the hash of its manifest."))
    }

    /// Says whether `account` may give it up now.
    ///
    /// # Errors
    /// `Denied` for anybody but whoever asked for it, `Conflict` when it has ended.
    pub fn may_cancel(&self, account: u32) -> Result<()> {
        if account != self.order.account {
            return Err(Error::new(
                Kind::Denied,
                format!("export {} was asked for by another account, which alone may cancel it", self.id),
            ));
        }
        match self.state {
            State::Making => Ok(()),
            State::Ready if self.answer.is_none() => Ok(()),
            _ => Err(conflict(
                self,
                "cancelling",
                "Only one that is being made or waits for its release can be cancelled.",
            )),
        }
    }

    /// When its files are deleted.
    #[must_use]
    pub fn expires(&self) -> Option<UtcNanos> {
        self.state.is_staged().then(|| self.since.plus_nanos(STAGED_DAYS * 86_400 * 1_000_000_000))
    }

    /// It has ended: nothing of it is left but this row.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        !self.state.is_staged() && self.state != State::Making
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use watchbook_access::Role;

    pub(crate) fn within() -> CaseNow {
        let mut within = CaseNow::for_measuring(3, CameraId::new(1).unwrap());
        within.case.number = "7/26".to_owned();
        within
    }

    fn job() -> Job {
        let order = Order {
            within: within(),
            account_name: "Dara".to_owned(),
            case: "7/26".to_owned(),
            cameras: vec![CameraOf { camera: CameraId::new(1).unwrap(), name: "gate".to_owned() }],
            range: TimeRange { start: UtcNanos(0), end: UtcNanos(9) },
            recipient_class: RecipientClass::Court,
            recipient: "clerk".to_owned(),
            account: 3,
            roles: [Role::Investigator].into_iter().collect(),
            asked: UtcNanos(5),
            redaction: None,
        };
        Job::new(11, order, 100)
    }

    fn ready() -> Job {
        let made = Made {
            manifest_sha256: "ab".to_owned(),
            files: Vec::new(),
            delivered: None,
            missing: Vec::new(),
            leaves: Vec::new(),
            runs: 0,
            at: UtcNanos(6),
        };
        Job { made: Some(made), state: State::Ready, ..job() }
    }

    #[test]
    fn a_release_needs_another_person_and_the_manifest_that_was_looked_at() {
        let kind = |job: &Job, account, hash| job.may_answer(account, hash).err().map(|error| error.kind);
        assert_eq!(kind(&ready(), 4, "ab"), None);
        assert_eq!(kind(&ready(), 3, "ab"), Some(Kind::Denied), "whoever asked");
        assert_eq!(kind(&ready(), 4, "ac"), Some(Kind::Conflict), "another manifest");
        assert_eq!(kind(&job(), 4, "ab"), Some(Kind::Conflict), "not made yet");
        let answer = Some(Answer { account: 4, at: UtcNanos(7), reason: String::new(), leaf: Some(9) });
        assert_eq!(kind(&Job { answer, ..ready() }, 5, "ab"), Some(Kind::Conflict), "answered");
    }

    #[test]
    fn only_what_is_released_goes_out_and_only_to_whoever_asked() {
        let mut job = ready();
        assert_eq!(job.may_have(3, "ab").unwrap_err().kind, Kind::Conflict);
        job.enter(State::Released, UtcNanos(8));
        assert!(job.may_have(3, "ab").is_ok());
        assert_eq!(job.may_have(4, "ab").unwrap_err().kind, Kind::Denied);
        assert_eq!(job.may_have(3, "ac").unwrap_err().kind, Kind::Conflict);
        assert_eq!(job.may_cancel(3).unwrap_err().kind, Kind::Conflict);
        assert_eq!(job.expires(), Some(UtcNanos(8 + 7 * 86_400 * 1_000_000_000)));
    }

    #[test]
    fn a_row_survives_its_storage() {
        let json = serde_json::to_vec(&ready()).unwrap();
        assert_eq!(serde_json::from_slice::<Job>(&json).unwrap(), ready());
    }
}
