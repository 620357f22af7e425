//! What is wrong with the storage now, as one list: for the page, for the log and for whoever waits in vain.

use crate::format::DiskId;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use watchbook_base::UtcNanos;

/// What kind of trouble. The page translates by this; the names never change. In order of weight: what stops recording comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// A disk that the station knows is not there.
    DiskMissing,
    /// Another disk is where a known one should be.
    DiskSwapped,
    /// A disk refuses to be written.
    DiskFailed,
    /// A copy of held footage cannot be read, written or made.
    VaultFailed,
    /// A disk does not keep up; pictures are dropped.
    DiskSlow,
    /// Some segments of a disk cannot be written.
    SegmentsBad,
    /// Parts of the log could not be read at the start.
    LogDamaged,
    /// A ring ends before what the audit log tells of it.
    FootageLost,
    /// A run's bytes are not what was written.
    RunDamaged,
    /// A ring is smaller than configured.
    RingShrunk,
    /// Foreign files take the room that a ring leaves free.
    ReserveEaten,
    /// The index cannot be written, or lags far behind.
    IndexBehind,
    /// The index is being made anew.
    IndexRebuilding,
    /// Hashes of footage wait to go into the audit log.
    FootageUnlogged,
    /// One of the two copies of the keys is missing.
    KeyCopyMissing,
    /// A key file is damaged.
    KeyDamaged,
    /// The system clock is apart from the trusted time, by which footage goes on growing old.
    ClockUntrusted,
    /// Footage is older than its camera's maximum age.
    ErasureLate,
    /// The vault is filled to four fifths.
    VaultNearlyFull,
    /// The vault takes no more.
    VaultFull,
    /// A hold could not be copied whole.
    HoldIncomplete,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// What kind.
    pub kind: AlarmKind,
    /// On which disk; `None` when it is about no single one.
    pub disk: Option<DiskId>,
    /// Since when, by the clock of then.
    pub since_utc: UtcNanos,
    /// A sentence for people that ends with what to do.
    pub text: String,
}

/// The list. Every method is short: producers of footage may call them.
#[derive(Debug, Default)]
pub(crate) struct Alarms(Mutex<BTreeMap<(AlarmKind, Option<DiskId>), Alarm>>);

impl Alarms {
    fn list(&self) -> MutexGuard<'_, BTreeMap<(AlarmKind, Option<DiskId>), Alarm>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that this kind of trouble is there with this `text`, or, for `None`, that it is over. An alarm that goes on keeps its beginning.
    pub(crate) fn set(&self, kind: AlarmKind, disk: Option<DiskId>, text: Option<String>, now: UtcNanos) {
        let mut list = self.list();
        match text {
            None => drop(list.remove(&(kind, disk))),
            Some(text) => {
                let fresh = || Alarm { kind, disk, since_utc: now, text: String::new() };
                list.entry((kind, disk)).or_insert_with(fresh).text = text;
            }
        }
    }

    /// The disk is none of this store any more: nothing is wrong with it here.
    pub(crate) fn forget(&self, disk: DiskId) {
        self.list().retain(|(_, about), _| *about != Some(disk));
    }

    /// The sentence of one that is there.
    pub(crate) fn text(&self, kind: AlarmKind, disk: Option<DiskId>) -> Option<String> {
        self.list().get(&(kind, disk)).map(|alarm| alarm.text.clone())
    }

    /// All of them, the gravest first.
    pub(crate) fn all(&self) -> Vec<Alarm> {
        self.list().values().cloned().collect()
    }

    /// All sentences in one text; `None` when nothing is wrong.
    pub(crate) fn joined(&self) -> Option<String> {
        let list = self.list();
        let sentences: Vec<&str> = list.values().map(|alarm| alarm.text.as_str()).collect();
        (!sentences.is_empty()).then(|| sentences.join(". "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_keeps_its_beginning_while_it_lasts() {
        let alarms = Alarms::default();
        let disk = Some(DiskId([7; 16]));
        let set = |kind, text: Option<&str>, at| alarms.set(kind, disk, text.map(str::to_owned), UtcNanos(at));
        set(AlarmKind::IndexBehind, Some("the index lags"), 1);
        set(AlarmKind::DiskFailed, Some("it fails"), 2);
        set(AlarmKind::DiskFailed, Some("it still fails"), 3);
        let told = alarms.all();
        assert_eq!(told.iter().map(|alarm| alarm.since_utc.0).collect::<Vec<_>>(), [2, 1], "the gravest first");
        assert_eq!(alarms.joined().as_deref(), Some("it still fails. the index lags"));
        set(AlarmKind::DiskFailed, None, 4);
        set(AlarmKind::DiskFailed, Some("again"), 5);
        assert_eq!(alarms.all().first().map(|alarm| alarm.since_utc), Some(UtcNanos(5)));
        set(AlarmKind::DiskFailed, None, 6);
        set(AlarmKind::IndexBehind, None, 6);
        assert_eq!((alarms.all(), alarms.joined()), (Vec::new(), None));
    }

    #[test]
    fn the_names_of_the_kinds_are_those_that_the_page_translates() {
        let named = |kind: AlarmKind| serde_json::to_string(&kind).expect("a name");
        assert_eq!(named(AlarmKind::DiskMissing), "\"disk_missing\"");
        assert_eq!(named(AlarmKind::VaultFailed), "\"vault_failed\"");
        assert_eq!(named(AlarmKind::HoldIncomplete), "\"hold_incomplete\"");
    }
}
