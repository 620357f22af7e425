//! Cases: for what, in which footage, by whom and until when recorded footage may be played. Somebody else opens one than who works in it, or, in an emergency, the
//! investigator alone for half an hour, which raises an alarm and is reviewed.

use core::fmt;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use watchbook_base::limits::CAMERAS_MAX;
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{CameraId, TimeRange, UtcNanos};

const MINUTE: i64 = 60 * NANOS_PER_SEC;
const DAY: i64 = 24 * 60 * MINUTE;

/// Longest number of a case, in bytes: 21 Khmer letters.
pub const CASE_BYTES_MAX: usize = 64;
/// Longest stretch of footage of one case. Footage is kept for 30 days at most, unless it is held.
pub const WINDOW_NANOS_MAX: i64 = 31 * DAY;
/// How long a case may stay open from now on; a change by an approver makes it longer.
pub const OPEN_NANOS_MAX: i64 = 92 * DAY;
/// How long an emergency may last.
pub const EMERGENCY_NANOS_MAX: i64 = 30 * MINUTE;
/// Longest stretch of footage of an emergency.
pub const EMERGENCY_WINDOW_NANOS_MAX: i64 = DAY;
/// Moments that are marked in one case: with 240 bytes of words and nine cameras each, 30 kB of the 64 kB that a case may take.
pub const BOOKMARKS_MAX: usize = 64;
/// Longest words of a bookmark, in bytes: 80 Khmer letters.
pub const BOOKMARK_BYTES_MAX: usize = 240;
/// Cameras of one bookmark: as many as are played together.
pub const BOOKMARK_CAMERAS_MAX: usize = 9;
/// Accounts that may work in one case.
pub const INVESTIGATORS_MAX: usize = 16;
/// An emergency is to be reviewed within so long; the alarm about it lasts as long.
pub const REVIEW_NANOS: i64 = 3 * DAY;

/// What a case is for: one of a closed list, so that it can be counted, and nobody has to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Vehicles or people collided.
    TrafficCollision,
    /// Somebody broke a traffic rule.
    TrafficOffence,
    /// Something was taken.
    Theft,
    /// Somebody was hurt or threatened.
    Violence,
    /// Something was broken.
    PropertyDamage,
    /// Fire or rescue.
    FireOrRescue,
    /// Another crime.
    OtherCrime,
    /// Somebody asked for the footage of themselves.
    SubjectRequest,
    /// Whether cameras and recorder work as they should.
    EquipmentCheck,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 9] = [
        Self::TrafficCollision,
        Self::TrafficOffence,
        Self::Theft,
        Self::Violence,
        Self::PropertyDamage,
        Self::FireOrRescue,
        Self::OtherCrime,
        Self::SubjectRequest,
        Self::EquipmentCheck,
    ];
}

/// A case as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Its number: 1 to [`CASE_BYTES_MAX`] bytes, and no other case has it.
    pub number: String,
    /// What for.
    pub purpose: Purpose,
    /// Whose footage; never empty.
    pub cameras: BTreeSet<CameraId>,
    /// Which of it.
    pub range: TimeRange,
    /// When it ends by itself.
    pub expires: UtcNanos,
    /// Who opened it.
    pub opened_by: u32,
    /// When.
    pub opened: UtcNanos,
    /// Who may work in it: never who opened it, and in an emergency nobody else.
    pub investigators: BTreeSet<u32>,
    /// When somebody closed it.
    pub closed: Option<UtcNanos>,
    /// An investigator opened it alone.
    pub emergency: bool,
    /// When somebody reviewed an emergency.
    #[serde(default)]
    pub reviewed: Option<UtcNanos>,
    /// When somebody else put an end to an emergency: closed it, or found at its review that it was not right. Nothing of it goes out from then on.
    #[serde(default)]
    pub stopped: Option<UtcNanos>,
    /// Moments that somebody marked, in the order in which they did; at most [`BOOKMARKS_MAX`].
    #[serde(default)]
    pub bookmarks: Vec<Bookmark>,
}

/// A moment of a case's footage that whoever works in it comes back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bookmark {
    /// Its number in the case.
    pub number: u32,
    /// The moment.
    pub at: UtcNanos,
    /// The cameras that were looked at together; never empty.
    pub cameras: BTreeSet<CameraId>,
    /// What is to be seen, in the words of whoever marked it; at most [`BOOKMARK_BYTES_MAX`] bytes.
    pub words: String,
    /// Who marked it.
    pub by: u32,
    /// When they did.
    pub made: UtcNanos,
}

/// A case, and the moment at which it is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseNow {
    /// As it was then.
    pub case: Case,
    /// When.
    pub now: UtcNanos,
}

impl CaseNow {
    /// An open case of one account about all footage of one camera: for programs that measure or try storage, where there are no accounts and nobody looks.
    #[must_use]
    pub fn for_measuring(account: u32, camera: CameraId) -> Self {
        let case = Case {
            number: Self::MEASURING.to_owned(),
            purpose: Purpose::EquipmentCheck,
            cameras: [camera].into(),
            range: TimeRange { start: UtcNanos(i64::MIN), end: UtcNanos(i64::MAX) },
            expires: UtcNanos(i64::MAX),
            opened_by: 0,
            opened: UtcNanos(0),
            investigators: [account].into(),
            closed: None,
            emergency: false,
            reviewed: None,
            stopped: None,
            bookmarks: Vec::new(),
        };
        Self { case, now: UtcNanos(0) }
    }

    /// The number of [`CaseNow::for_measuring`].
    pub const MEASURING: &str = "measuring";
}

/// Why a case does not admit what somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseRefusal {
    /// There is none with this number, or none was named.
    Unknown(String),
    /// The account is not one of its investigators.
    NotNamed(String),
    /// Somebody closed it.
    Closed(String),
    /// Its time is over.
    Expired(String),
    /// It is an emergency to which somebody else has put an end.
    Stopped(String),
    /// It is not about this camera.
    OtherCamera(String, CameraId),
    /// It is about other hours of this camera.
    OutsideWindow(String, TimeRange),
}

impl fmt::Display for CaseRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(number) if number.is_empty() => {
                f.write_str("recorded footage is played inside an open case, and none was named")
            }
            Self::Unknown(number) => write!(f, "there is no case {number}"),
            Self::NotNamed(number) => write!(f, "this account is not one of the investigators of case {number}"),
            Self::Closed(number) => write!(f, "case {number} is closed"),
            Self::Expired(number) => write!(f, "the time of case {number} is over"),
            Self::Stopped(number) => {
                write!(f, "somebody else closed the emergency {number}, or found at its review that it was not right")
            }
            Self::OtherCamera(number, camera) => write!(f, "camera {camera} is not part of case {number}"),
            Self::OutsideWindow(number, window) => {
                write!(f, "case {number} is about the footage from {} to {} alone", window.start, window.end)
            }
        }
    }
}

impl CaseRefusal {
    /// What to do about it, in a sentence.
    #[must_use]
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "Choose one of your open cases, or ask an approver to open one that names you.",
            Self::NotNamed(_) => "Ask an approver to add you to it, or work in a case that names you.",
            Self::Closed(_) => "Ask an approver to open another one.",
            Self::Expired(_) => "Ask an approver for more time.",
            Self::Stopped(_) => "Ask an approver to open a case for what is still needed.",
            Self::OtherCamera(..) => "Ask an approver to add the camera to the case, and say why it is needed.",
            Self::OutsideWindow(..) => "Ask an approver to widen the case, and say why more is needed.",
        }
    }
}

impl Case {
    /// Whether `account` may play the footage of `camera` in all of `range` at this moment. Total; what is not allowed here is refused.
    ///
    /// # Errors
    /// Why not.
    pub fn admits(&self, account: u32, camera: CameraId, range: TimeRange, now: UtcNanos) -> Result<(), CaseRefusal> {
        let number = || self.number.clone();
        self.names(account)?;
        if self.closed.is_some() {
            return Err(CaseRefusal::Closed(number()));
        }
        // A clock that was set back before the case was opened says nothing about how long it still lasts.
        if now >= self.expires || now < self.opened.plus_nanos(-MINUTE) {
            return Err(CaseRefusal::Expired(number()));
        }
        self.is_about(camera, range)
    }

    /// Whether an export of this footage, for which `account` asked while the case admitted it, may still be made and taken out, for which a second person must have released it. As
    /// [`Case::admits`], but for an emergency: its half hour is for what one person does alone, and the second person may come in the morning. Somebody else may put an end to it.
    ///
    /// # Errors
    /// Why not.
    pub fn lets_out(&self, account: u32, camera: CameraId, range: TimeRange, now: UtcNanos) -> Result<(), CaseRefusal> {
        if !self.emergency {
            return self.admits(account, camera, range, now);
        }
        self.names(account)?;
        match self.stopped {
            Some(_) => Err(CaseRefusal::Stopped(self.number.clone())),
            None => self.is_about(camera, range),
        }
    }

    fn names(&self, account: u32) -> Result<(), CaseRefusal> {
        match self.investigators.contains(&account) {
            true => Ok(()),
            false => Err(CaseRefusal::NotNamed(self.number.clone())),
        }
    }

    fn is_about(&self, camera: CameraId, range: TimeRange) -> Result<(), CaseRefusal> {
        if !self.cameras.contains(&camera) {
            return Err(CaseRefusal::OtherCamera(self.number.clone(), camera));
        }
        if range.start < self.range.start || range.end > self.range.end {
            return Err(CaseRefusal::OutsideWindow(self.number.clone(), self.range));
        }
        Ok(())
    }

    /// Neither closed nor over.
    #[must_use]
    pub fn is_open(&self, now: UtcNanos) -> bool {
        self.closed.is_none() && now < self.expires
    }

    /// An emergency that nobody has looked at yet.
    #[must_use]
    pub fn needs_review(&self) -> bool {
        self.emergency && self.reviewed.is_none()
    }

    /// The number of the next bookmark: one more than the largest of those that are there.
    #[must_use]
    pub fn next_bookmark(&self) -> u32 {
        self.bookmarks.iter().map(|bookmark| bookmark.number).max().unwrap_or(0).saturating_add(1)
    }

    /// What a case must be when it is opened or changed at this moment. Whether its accounts exist and are investigators, whoever knows accounts checks.
    ///
    /// # Errors
    /// In a sentence, what is wrong.
    pub fn check(&self, now: UtcNanos) -> Result<(), String> {
        check_number(&self.number)?;
        let window = self.range.nanos();
        let (window_max, open_max) = match self.emergency {
            true => (EMERGENCY_WINDOW_NANOS_MAX, EMERGENCY_NANOS_MAX),
            false => (WINDOW_NANOS_MAX, OPEN_NANOS_MAX),
        };
        let what = if self.emergency { "an emergency" } else { "a case" };
        let open = self.expires.nanos_since(now);
        match () {
            () if !(1..=CAMERAS_MAX).contains(&self.cameras.len()) => {
                Err(format!("a case names 1 to {CAMERAS_MAX} cameras"))
            }
            () if window <= 0 => Err("the footage of a case must end after it begins".to_owned()),
            () if window > window_max => Err(format!("{what} is about {} days of footage at most", window_max / DAY)),
            () if open <= 0 => Err("a case must end after now".to_owned()),
            () if open > open_max && self.emergency => {
                Err(format!("an emergency lasts {} minutes at most", open_max / MINUTE))
            }
            () if open > open_max => Err(format!("a case stays open for {} days at most", open_max / DAY)),
            () if self.range.end > self.expires => {
                Err("the footage of a case must end before the case does".to_owned())
            }
            () => self.check_people(),
        }
    }

    fn check_people(&self) -> Result<(), String> {
        match self.emergency {
            true if self.investigators.iter().ne([&self.opened_by]) => {
                Err("in an emergency whoever opens it works in it, and nobody else".to_owned())
            }
            true => Ok(()),
            false if !(1..=INVESTIGATORS_MAX).contains(&self.investigators.len()) => {
                Err(format!("a case names 1 to {INVESTIGATORS_MAX} investigators"))
            }
            false if self.investigators.contains(&self.opened_by) => {
                Err("who opens a case does not work in it: name another account".to_owned())
            }
            false => Ok(()),
        }
    }
}

/// Whether this can be the number of a case: letters and digits of any script, space, `-`, `/`, `.`; no space at its ends.
///
/// # Errors
/// In a sentence, why not.
pub fn check_number(number: &str) -> Result<(), String> {
    // Khmer letters that stand below another one need U+17D2; U+17B4 and U+17B5 are letters that nobody can see.
    let seen = |c: char| c.is_alphanumeric() && !matches!(c, '\u{17B4}' | '\u{17B5}');
    let fits = |c: char| seen(c) || matches!(c, ' ' | '-' | '/' | '.' | '\u{17D2}');
    match () {
        () if number.is_empty() => Err("the number of the case is empty".to_owned()),
        () if number.len() > CASE_BYTES_MAX => Err(format!("the number of a case has {CASE_BYTES_MAX} bytes at most")),
        () if number.trim() != number || !number.chars().all(fits) => {
            Err("the number of a case has letters, digits, spaces, -, / and . alone".to_owned())
        }
        () => Ok(()),
    }
}

#[cfg(test)]
mod tests;
