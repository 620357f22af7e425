//! An export from the request to its end, as the register keeps it. Pure.

use crate::delivery::{DELIVERIES_MAX, Delivery, DeliveryState, SinkName};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use watchbook_access::{Action, CaseNow, ExportNow, RecipientClass, Roles};
use watchbook_base::{CameraId, Kind, TimeRange, UtcNanos};

/// Cameras of one export.
pub const CAMERAS_MAX: usize = 64;
/// Longest interval of one export.
pub const DAYS_MAX: i64 = 7;
/// Exports that wait to be made or are being made.
pub const WAITING_MAX: usize = 16;
/// Of these, exports of one account: nobody fills the queue for all others.
pub const WAITING_OF_ONE_MAX: usize = 8;
/// Exports that are remembered; the oldest that have ended are forgotten first. What they were stays in the audit log.
pub const KEPT_MAX: usize = 1000;
/// A bundle that is made is deleted after so many days, and so many days after its release.
pub const STAGED_DAYS: i64 = 7;
/// The making of an export is begun so often. It is begun again where the program ended in the midst of it; one that ends the program each time is given up.
pub const ATTEMPTS_MAX: u32 = 4;

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
    /// The case as it was when the gate was asked: how early footage may be read. Whether it still admits anything is asked anew each time.
    pub within: CaseNow,
    /// Who asked.
    pub account: u32,
    /// Name of the account then, for the certificate.
    pub account_name: String,
    /// Roles of the account when it asked: what it was, not what it may.
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
            redacted: self.redaction.is_some(),
        }
    }

    /// What the gate is told of it.
    #[must_use]
    pub fn now(&self, export: u64) -> ExportNow {
        let cameras = self.cameras.iter().map(|of| of.camera).collect();
        ExportNow { export, asked_by: self.account, case: self.case.clone(), cameras, range: self.range }
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
    /// Witnesses that have signed the checkpoint which the bundle has; empty: the log alone has.
    #[serde(default)]
    pub witnesses: Vec<String>,
    /// When proofs and checkpoint were put in last.
    #[serde(default)]
    pub proven: Option<UtcNanos>,
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
    /// How often its making was begun.
    #[serde(default)]
    pub attempts: u32,
    /// Where else than to a browser it went.
    #[serde(default)]
    pub deliveries: Vec<Delivery>,
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
        Self {
            id,
            order,
            state: State::Making,
            estimate_bytes,
            made: None,
            answer: None,
            trouble: String::new(),
            since,
            delivered_at: None,
            attempts: 0,
            deliveries: Vec::new(),
        }
    }

    /// As it is at this moment: what nobody came for in time has expired, whenever its files are deleted.
    #[must_use]
    pub fn at(mut self, now: UtcNanos) -> Self {
        if self.expires().is_some_and(|end| end <= now) {
            self.enter(State::Expired, now);
            for delivery in self.deliveries.iter_mut().filter(|one| one.state == DeliveryState::Waiting) {
                delivery.trouble = "Its time was over before it was written. Ask for the export anew".to_owned();
                delivery.enter(DeliveryState::Failed, now);
            }
        }
        self
    }

    /// Begins to be made once more.
    ///
    /// # Errors
    /// `Conflict` when it is not to be made, `Exhausted` when it was begun [`ATTEMPTS_MAX`] times.
    pub fn begin(&mut self) -> Result<()> {
        if self.state != State::Making {
            return Err(conflict(self, "making", "It is not wanted any more."));
        }
        if self.attempts >= ATTEMPTS_MAX {
            return Err(Error::new(
                Kind::Exhausted,
                format!(
                    "export {} was begun {ATTEMPTS_MAX} times, and each time the recorder ended before it was made. Ask for less time or fewer cameras; an admin looks into the recorder's own log",
                    self.id
                ),
            ));
        }
        self.attempts += 1;
        Ok(())
    }

    /// It is made.
    ///
    /// # Errors
    /// `Conflict` when it is not wanted any more.
    pub fn finish(&mut self, made: Made, now: UtcNanos) -> Result<()> {
        if self.state != State::Making {
            return Err(conflict(self, "making", "It is not wanted any more."));
        }
        self.made = Some(made);
        self.enter(State::Ready, now);
        Ok(())
    }

    /// It cannot be made; nothing of it is left.
    ///
    /// # Errors
    /// `Conflict` when it is not wanted any more.
    pub fn fail(&mut self, why: String, now: UtcNanos) -> Result<()> {
        if self.state != State::Making {
            return Err(conflict(self, "making", "It is not wanted any more."));
        }
        self.trouble = why;
        self.enter(State::Failed, now);
        Ok(())
    }

    /// Has it written to a place. Where the last attempt there failed, this one goes on from what lies there.
    ///
    /// # Errors
    /// As [`Job::may_have`], and `Conflict` when it is on its way there already.
    pub fn deliver(
        &mut self,
        (account, manifest_sha256): (u32, &str),
        sink: SinkName,
        token: String,
        now: UtcNanos,
    ) -> Result<u32> {
        self.may_have(account, manifest_sha256)?;
        let last = self.deliveries.iter().rfind(|delivery| delivery.sink == sink);
        if last.is_some_and(|last| last.state == DeliveryState::Waiting) {
            return Err(Error::new(
                Kind::Conflict,
                format!("export {} is on its way to {} already. Wait until it is there", self.id, sink.name),
            ));
        }
        let token = last.filter(|last| last.state == DeliveryState::Failed).map_or(token, |last| last.token.clone());
        let number = self.deliveries.iter().map(|delivery| delivery.number).max().map_or(0, |last| last + 1);
        let (state, trouble) = (DeliveryState::Waiting, String::new());
        self.deliveries.push(Delivery {
            number,
            sink,
            token,
            account,
            asked: now,
            state,
            since: now,
            attempts: 0,
            trouble,
        });
        let over = self.deliveries.len().saturating_sub(DELIVERIES_MAX);
        let ended = self.deliveries.iter().filter(|delivery| delivery.state != DeliveryState::Waiting);
        let gone: Vec<u32> = ended.map(|delivery| delivery.number).take(over).collect();
        self.deliveries.retain(|delivery| !gone.contains(&delivery.number));
        Ok(number)
    }

    /// The delivery with this number.
    pub fn delivery(&mut self, number: u32) -> Option<&mut Delivery> {
        self.deliveries.iter_mut().find(|delivery| delivery.number == number)
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

    /// It was released, and better proofs take the place of those that it has.
    #[must_use]
    pub fn is_renewed(&self) -> bool {
        let is_proven = self.made.as_ref().is_some_and(|made| made.proven.is_some());
        self.state == State::Ready && self.answer.is_some() && is_proven
    }

    /// When its files are deleted. One that is released and waits for its proofs does not expire meanwhile.
    #[must_use]
    pub fn expires(&self) -> Option<UtcNanos> {
        let waits = self.state == State::Ready && self.answer.is_some();
        (self.state.is_staged() && !waits).then(|| self.since.plus_nanos(STAGED_DAYS * 86_400 * 1_000_000_000))
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
            witnesses: Vec::new(),
            proven: None,
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
    fn what_nobody_came_for_has_expired_whoever_looks() {
        let end = UtcNanos(0).plus_nanos(STAGED_DAYS * 86_400 * 1_000_000_000);
        let mut job = ready();
        job.enter(State::Released, UtcNanos(0));
        assert_eq!(job.clone().at(UtcNanos(end.0 - 1)).state, State::Released);
        job.deliver((3, "ab"), SinkName::parse("usb/COURT").unwrap(), "t".to_owned(), UtcNanos(1)).unwrap();
        let over = job.clone().at(end);
        assert_eq!(over.deliveries[0].state, DeliveryState::Failed);
        assert_eq!((over.state, over.since, over.has_ended()), (State::Expired, end, true));
        assert_eq!(over.may_have(3, "ab").unwrap_err().kind, Kind::Conflict);
        let late = ready().at(UtcNanos(end.0 + 9));
        assert_eq!(late.may_answer(4, "ab").unwrap_err().kind, Kind::Conflict);
        let answer = Some(Answer { account: 4, at: UtcNanos(7), reason: String::new(), leaf: Some(9) });
        assert_eq!(Job { answer, ..ready() }.at(UtcNanos(i64::MAX)).state, State::Ready, "it waits for its proofs");
    }

    #[test]
    fn one_that_never_comes_to_an_end_is_given_up() {
        let mut job = job();
        for _ in 0..ATTEMPTS_MAX {
            job.begin().unwrap();
        }
        let error = job.begin().unwrap_err();
        assert!(error.kind == Kind::Exhausted && error.message.contains("Ask for less"), "{error}");
        let made = ready().made.unwrap();
        job.enter(State::Cancelled, UtcNanos(1));
        for refused in [job.begin(), job.finish(made, UtcNanos(2)), job.fail("x".to_owned(), UtcNanos(2))] {
            assert_eq!(refused.unwrap_err().kind, Kind::Conflict, "it is not wanted any more");
        }
        assert_eq!(job.state, State::Cancelled);
    }

    #[test]
    fn a_place_gets_a_bundle_once_at_a_time_and_goes_on_where_it_failed() {
        let usb = || SinkName::parse("usb/COURT").unwrap();
        let mut job = ready();
        assert_eq!(job.deliver((3, "ab"), usb(), "t0".to_owned(), UtcNanos(1)).unwrap_err().kind, Kind::Conflict);
        job.enter(State::Released, UtcNanos(1));
        assert_eq!(job.deliver((4, "ab"), usb(), "t0".to_owned(), UtcNanos(1)).unwrap_err().kind, Kind::Denied);
        assert_eq!(job.deliver((3, "ab"), usb(), "t0".to_owned(), UtcNanos(1)).unwrap(), 0);
        assert_eq!(job.deliver((3, "ab"), usb(), "t1".to_owned(), UtcNanos(1)).unwrap_err().kind, Kind::Conflict);
        job.delivery(0).unwrap().enter(DeliveryState::Failed, UtcNanos(2));
        assert_eq!(job.deliver((3, "ab"), usb(), "t1".to_owned(), UtcNanos(3)).unwrap(), 1);
        assert_eq!(job.delivery(1).unwrap().token, "t0", "what lies there is gone on with");
        job.delivery(1).unwrap().enter(DeliveryState::Done, UtcNanos(4));
        for turn in 0..40 {
            let number = job.deliver((3, "ab"), usb(), format!("u{turn}"), UtcNanos(5)).unwrap();
            assert_eq!(job.delivery(number).unwrap().token, format!("u{turn}"));
            job.delivery(number).unwrap().enter(DeliveryState::Done, UtcNanos(6));
            assert!(job.deliveries.len() <= DELIVERIES_MAX);
        }
        assert_eq!(job.delivery(41).unwrap().number, 41, "numbers are not used again");
    }

    #[test]
    fn a_row_of_an_older_program_is_read() {
        let mut json = serde_json::to_value(ready()).unwrap();
        let row = json.as_object_mut().unwrap();
        for name in ["attempts", "deliveries"] {
            row.remove(name).unwrap();
        }
        let made = row["made"].as_object_mut().unwrap();
        for name in ["witnesses", "proven"] {
            made.remove(name).unwrap();
        }
        assert_eq!(serde_json::from_value::<Job>(json).unwrap(), ready());
    }

    #[test]
    fn a_row_survives_its_storage() {
        let json = serde_json::to_vec(&ready()).unwrap();
        assert_eq!(serde_json::from_slice::<Job>(&json).unwrap(), ready());
    }
}
