//! What a report must know of the log before its month: who looks for which purpose stands in the entry that opened the case, not in the one that looked.

use super::month::week_of;
use super::sample::{self, Share};
use crate::Hash;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use watchbook_base::UtcNanos;

/// Cases and exports that are remembered, the newest of each: ten years of 15 a day, about 100 bytes each.
const REMEMBERED_MAX: usize = 1 << 16;
/// Accesses of a week that take part in the draw: 100 a minute day and night, 16 bytes each. Further ones cannot be drawn, and whoever recomputes the draws, where
/// there is no such bound, then finds another result: it does not go unseen.
const ACCESSES_MAX: usize = 1 << 20;
/// Accesses that wait for an auditor: 40 years of the least that is drawn.
const WAITING_MAX: usize = 1 << 14;
/// Cameras that the log tells of, removed ones too.
const CAMERAS_MAX: usize = 4096;

/// What a camera is for and what is done with what it records, as the log says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// What for; empty when nobody said.
    pub purpose: String,
    /// It is recorded.
    pub enabled: bool,
    /// It is not there any more; what it recorded may be.
    pub removed: bool,
    /// Footage is made unreadable after so many days.
    pub retention_days_max: u64,
    /// Sound is recorded.
    pub audio: bool,
    /// Somebody is named who answers for it. Who, the log does not say: it cannot forget a name.
    pub contact: bool,
    /// How many parts of the picture are hidden.
    pub masks: u64,
    /// Which plugins look at it, by id.
    pub plugins: Vec<String>,
}

/// The policy of the station, as the log says it. The log has numbers and switches in `rules`, each by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationPolicy {
    /// Its id.
    pub policy: String,
    /// Its version.
    pub version: u64,
    /// SHA-256 of its file, lower-case hex.
    pub policy_sha256: String,
    /// Its numbers: JSON numbers and truth values alone, at most 32.
    pub rules: BTreeMap<String, serde_json::Value>,
}

/// State between months. All of it follows from the entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carry {
    /// By camera.
    pub(super) policies: BTreeMap<u64, Policy>,
    /// When somebody last said that a camera is needed, by camera.
    reviewed: BTreeMap<u64, UtcNanos>,
    /// The station's.
    pub(super) station: Option<StationPolicy>,
    /// Purpose by case, and the entry that said so.
    pub(super) cases: Remembered,
    /// Class of the recipient by export.
    pub(super) exports: Remembered,
    /// Accesses that no draw was about yet: numbers of entries, and the account.
    accesses: Vec<(u64, u64)>,
    /// Drawn, and not answered: entry and account.
    drawn: BTreeMap<u64, u64>,
    /// Emergency cases that nobody answered for: entry that opened it, account and when.
    emergencies: BTreeMap<u64, (u64, UtcNanos)>,
    /// End of the last draw: entries from here on are still to be drawn from.
    draw_from: u64,
    /// Week of the entry that the last draw came from, or of the first entry.
    week: Option<i64>,
    /// The first entry after the last draw that is dated in another week, and which: the next draw comes from the log up to and with it.
    due: Option<(u64, i64)>,
    /// Requests of people who may be in the footage, which wait for an answer.
    pub(super) requests: super::requests::Waiting,
    /// Entries of which nothing came.
    pub(super) undone: super::undone::Undone,
}

/// Words by name, with the entry that said so; the name that was said first makes room. The last one of a name counts. An earlier one is kept for when nothing comes of a later one, which is
/// known within moments: at most [`SAID_MAX`], and a further one is not taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered(BTreeMap<String, Vec<(u64, String)>>);

/// Entries of one name that are kept.
pub const SAID_MAX: usize = 4;

impl Remembered {
    pub(super) fn put(&mut self, entry: u64, name: String, word: String) {
        let first = |said: &[(u64, String)]| said.first().map(|(entry, _)| *entry);
        if self.0.len() >= REMEMBERED_MAX
            && !self.0.contains_key(&name)
            && let Some(oldest) = self.0.iter().min_by_key(|(_, said)| first(said)).map(|(name, _)| name.clone())
        {
            self.0.remove(&oldest);
        }
        let said = self.0.entry(name).or_default();
        if said.len() < SAID_MAX {
            said.push((entry, word));
        }
    }

    /// Nothing came of what this entry said.
    pub(super) fn forget(&mut self, name: &str, of: u64) {
        let Some(said) = self.0.get_mut(name) else { return };
        said.retain(|(entry, _)| *entry != of);
        if said.is_empty() {
            self.0.remove(name);
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.last().map(|(_, word)| word.as_str())
    }
}

impl Carry {
    /// What the log says of each camera.
    #[must_use]
    pub fn policies(&self) -> &BTreeMap<u64, Policy> {
        &self.policies
    }

    /// What the log says of the station's policy.
    #[must_use]
    pub fn station_policy(&self) -> Option<&StationPolicy> {
        self.station.as_ref()
    }

    /// Accesses that were drawn and wait for an auditor: entry and account.
    #[must_use]
    pub fn drawn(&self) -> &BTreeMap<u64, u64> {
        &self.drawn
    }

    /// Emergency cases that wait for an auditor: entry that opened it, account and when.
    #[must_use]
    pub fn emergencies(&self) -> &BTreeMap<u64, (u64, UtcNanos)> {
        &self.emergencies
    }

    /// First entry that no draw was about.
    #[must_use]
    pub fn draw_from(&self) -> u64 {
        self.draw_from
    }

    /// How many entries the log has from which the next draw comes; `None` while the week is not over.
    #[must_use]
    pub fn draw_due(&self) -> Option<u64> {
        self.due.map(|(entry, _)| entry.saturating_add(1))
    }

    /// How many accesses are still to be drawn from.
    #[must_use]
    pub fn accesses(&self) -> usize {
        self.accesses.len()
    }

    /// An entry is there, whatever it is about.
    pub(super) fn seen(&mut self, entry: u64, utc: UtcNanos) {
        let week = week_of(utc);
        // Another week, not a later one: where the clock was set forward and back there is a draw more, and draws do not wait for years.
        if *self.week.get_or_insert(week) != week {
            self.due.get_or_insert((entry, week));
        }
    }

    /// When somebody last said that a camera is needed, or when it was first stated what it is for.
    #[must_use]
    pub fn reviewed(&self, camera: u64) -> Option<UtcNanos> {
        self.reviewed.get(&camera).copied()
    }

    /// Somebody looked whether it is still needed.
    pub(super) fn review_camera(&mut self, camera: u64, utc: UtcNanos) {
        if let Some(reviewed) = self.reviewed.get_mut(&camera) {
            *reviewed = utc;
        }
    }

    /// Where all places are taken a camera that was removed makes room for `camera`, one that `may_go` first: whoever adds and removes cameras hides no other one.
    pub(super) fn make_room(&mut self, camera: u64, may_go: impl Fn(&u64) -> bool) {
        if self.policies.len() < CAMERAS_MAX || self.policies.contains_key(&camera) {
            return;
        }
        let removed = || self.policies.iter().filter(|(_, policy)| policy.removed).map(|(camera, _)| *camera);
        if let Some(gone) = removed().find(&may_go).or_else(|| removed().next()) {
            self.policies.remove(&gone);
            self.reviewed.remove(&gone);
        }
    }

    /// Nothing came of an entry that opened a case.
    pub(super) fn forget_case(&mut self, case: &str, of: u64) {
        self.cases.forget(case, of);
        self.emergencies.remove(&of);
    }

    /// Sets what a camera is for; what was there before, if it was something else.
    pub(super) fn state_policy(&mut self, camera: u64, policy: Policy, utc: UtcNanos) -> Option<Option<Policy>> {
        if self.policies.len() >= CAMERAS_MAX && !self.policies.contains_key(&camera) {
            return None;
        }
        self.reviewed.entry(camera).or_insert(utc);
        let before = self.policies.insert(camera, policy.clone());
        (before.as_ref() != Some(&policy)).then_some(before)
    }

    pub(super) fn access(&mut self, entry: u64, account: u64) {
        if self.accesses.len() < ACCESSES_MAX {
            self.accesses.push((entry, account));
        }
    }

    pub(super) fn emergency(&mut self, entry: u64, account: u64, utc: UtcNanos) {
        if self.emergencies.len() < WAITING_MAX {
            self.emergencies.insert(entry, (account, utc));
        }
    }

    /// The accesses below entry `entries` that no draw was about are drawn from; gives how many were drawn.
    pub(super) fn draw(&mut self, entries: u64, seed: &Hash, share: Share) -> u64 {
        let (of_week, later): (BTreeMap<u64, u64>, BTreeMap<u64, u64>) =
            core::mem::take(&mut self.accesses).into_iter().partition(|(entry, _)| *entry < entries);
        self.accesses = later.into_iter().collect();
        self.draw_from = entries.max(self.draw_from);
        if let Some((_, week)) = self.due.take() {
            self.week = Some(week);
        }
        let drawn = sample::draw(seed, &of_week.keys().copied().collect::<Vec<_>>(), share);
        let count = u64::try_from(drawn.len()).unwrap_or(u64::MAX);
        let room = WAITING_MAX.saturating_sub(self.drawn.len());
        self.drawn.extend(of_week.into_iter().filter(|(entry, _)| drawn.contains(entry)).take(room));
        count
    }

    /// `account` answered for an entry; false when nobody waited for that, or when it is about its own access: that counts for nothing.
    pub(super) fn answered(&mut self, entry: u64, account: u64) -> bool {
        let whose = self.drawn.get(&entry).or(self.emergencies.get(&entry).map(|(account, _)| account));
        if whose.is_none_or(|whose| *whose == account) {
            return false;
        }
        self.drawn.remove(&entry);
        self.emergencies.remove(&entry);
        true
    }
}
