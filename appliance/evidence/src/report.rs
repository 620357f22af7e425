//! The transparency report: what the station did in a month, computed from the audit log's entries and nothing else, so that whoever has the log can compute it, too.
//!
//! Entries are taken one after the other, in the order of the log; what earlier ones said of cameras, cases and exports is carried along, within named bounds. Names of
//! people are neither needed nor known.
//!
//! **Which entries a report is about.** Each report is about one stretch of the log, and each entry counts in the one in whose stretch it lies, whatever its own time says:
//! a clock that was wrong for a while changes when a report ends, and not whether something is counted. `publish_report` names a month and `entries`: the stretch ends before
//! that number. It begins where the newest earlier month's report ended, or at the first entry. A report of the same or an earlier month that is published later takes the
//! place of those that it covers: they were published by a clock that was ahead. A month without an entry has no report.
//!
//! While a month lasts, its report shows counts in whole fives, the number of entries in whole thousands and the time in whole hours, so that somebody who looks again and
//! again does not see single acts.
//!
//! | in the report | entries |
//! |---|---|
//! | cameras | the last `state_policy` of each |
//! | hours | `record_hours`: minutes with footage of the main stream |
//! | gaps | leaves of the kind `gap` about main streams |
//! | views | `playback`, by the purpose that `open_case` gave for the `case`; one entry is one look at a stretch of footage |
//! | live | `live` |
//! | exports | `request_export`, `release_export` (by the class of the recipient in the request), `refuse_export`, `deliver_export`; `export` is a file taken out directly |
//! | holds, erasures | `place_hold`, `release_hold`, `erase` |
//! | emergency cases | `open_case` with `emergency` |
//! | refused | entries with a refusal; failed sign-ins are told apart. Refusals that the recorder only counts, because they came too fast, are in no entry |
//! | reviews | `draw_reviews`, `answer_review`; nobody answers for their own access |
//! | requests | `register_subject_request` and what became of it: see [`requests`] |
//! | cameras without a purpose | the last `state_policy` of each: recorded, and nobody said what for |
//! | configuration | `change_config`, `change_account` and what changes plugins, disks, the log's key and its witnesses |
//! | policy changes | each `state_policy` that differs from the one before |
//! | policy | the last `state_rules`: id, version, SHA-256 of the file, and its numbers |
//! | changes of the policy | each `state_rules` that differs from the one before |
//! | cameras beyond the policy | the last `state_policy` of each against the last `state_rules`: recorded, and `retention_days_max` is larger, or sound is recorded that may not be |
//!
//! `tests/evidence/report.py` computes all of it again from this table.

pub mod anomaly;
mod carry;
pub mod cells;
mod month;
pub mod requests;
pub mod sample;
mod text;

pub use carry::{Carry, Policy, StationPolicy};
pub use month::{Month, week_of};
pub use text::text;

use crate::text::hash_of_hex;
use cells::{Exactness, SMALL, cell, split};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use watchbook_base::UtcNanos;
use watchbook_base::time::NANOS_PER_SEC;

/// Version of the report's form.
pub const VERSION: u64 = 2;
/// An emergency case that no auditor answered for within so long is overdue.
pub const EMERGENCY_REVIEW_S: i64 = 72 * 3600;
/// The number of entries of a month that is not over is shown in whole steps of so many: hours of what cameras alone write.
pub const ENTRIES_STEP: u64 = 1000;
/// Its time is shown in whole steps of so long.
pub const AS_OF_STEP_S: i64 = 3600;
/// Changes of policies that one report lists; more are counted.
const POLICY_CHANGES_MAX: usize = 500;
/// Changes of the station's policy that one report lists; more are counted.
const STATION_POLICY_CHANGES_MAX: usize = 100;
/// Numbers of one policy.
const RULES_MAX: usize = 32;
/// Words of one split, such as reasons of gaps; further ones count as [`OTHER`].
const WORDS_MAX: usize = 32;
/// Cameras with hours or gaps in one month.
const CAMERAS_MAX: usize = 4096;
/// A word that is none of those that are known.
const OTHER: &str = "other";
/// A look at footage without a case.
const NO_CASE: &str = "no_case";
/// How the leaves of recorded footage begin, which say nothing that is counted here.
const SEGMENT: &[u8] = b"{\"kind\":\"segment\"";

/// What somebody may look at footage for.
pub const PURPOSES: [&str; 9] = [
    "traffic_collision",
    "traffic_offence",
    "theft",
    "violence",
    "property_damage",
    "fire_or_rescue",
    "other_crime",
    "subject_request",
    "equipment_check",
];
/// Who may be given footage.
pub const RECIPIENTS: [&str; 6] = ["police", "prosecutor", "court", "defence", "data_subject", "other_authority"];
/// What is counted of the configuration: word in the report, actions.
const CONFIGURATION: [(&str, &[&str]); 6] = [
    ("accounts", &["change_account", "remove_second_factor"]),
    ("cameras_and_settings", &["change_config", "accept_camera"]),
    ("disks", &["add_disk", "accept_disk", "retire_disk"]),
    ("log", &["change_log_key", "trust_witness", "distrust_witness", "set_witness_push"]),
    ("policy", &["propose_policy", "accept_policy", "withdraw_policy"]),
    (
        "plugins",
        &[
            "install_plugin",
            "approve_plugin",
            "reject_plugin",
            "roll_back_plugin",
            "remove_plugin",
            "trust_publisher",
            "distrust_publisher",
            "set_plugin_dev_mode",
            "set_plugin_tried_out",
        ],
    ),
];

/// Counts entries for the report of one month.
#[derive(Clone, Debug)]
pub struct Tally {
    month: Month,
    /// First entry of its stretch of the log.
    from: u64,
    /// Entries that were taken: all below this number.
    entries: u64,
    /// Time of the last entry that was taken, not before and not behind the month.
    newest: UtcNanos,
    carry: Carry,
    counts: Counts,
}

#[derive(Clone, Debug, Default)]
struct Counts {
    words: BTreeMap<&'static str, u64>,
    views: BTreeMap<String, u64>,
    recipients: BTreeMap<String, u64>,
    gaps: BTreeMap<String, u64>,
    configuration: BTreeMap<String, u64>,
    answers: BTreeMap<String, u64>,
    cameras: BTreeMap<u64, OfCamera>,
    policy_changes: Vec<Value>,
    policy_changes_more: u64,
    requests: requests::Counts,
    station_policy_changes: Vec<Value>,
    station_policy_changes_more: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct OfCamera {
    minutes: u64,
    gap_s: u64,
    erased_hours: u64,
}

impl Tally {
    /// Of a month whose stretch of the log begins with the first entry.
    #[must_use]
    pub fn new(month: Month) -> Self {
        Self::going_on(month, 0, Carry::default())
    }

    /// Of a month whose stretch begins with entry `from`, of a log whose entries before it left `carry`.
    #[must_use]
    pub fn going_on(month: Month, from: u64, carry: Carry) -> Self {
        let words = |words: &[&str]| words.iter().map(|word| ((*word).to_owned(), 0)).collect::<BTreeMap<_, _>>();
        let mut views = words(&PURPOSES);
        views.extend([(NO_CASE.to_owned(), 0), (OTHER.to_owned(), 0)]);
        let counts = Counts {
            views,
            recipients: words(&RECIPIENTS),
            configuration: CONFIGURATION.iter().map(|(word, _)| ((*word).to_owned(), 0)).collect(),
            answers: words(&["not_ok", "ok"]),
            ..Counts::default()
        };
        Self { month, from, entries: from, newest: month.start(), carry, counts }
    }

    /// The month.
    #[must_use]
    pub fn month(&self) -> Month {
        self.month
    }

    /// How many entries were taken.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// What is carried along.
    #[must_use]
    pub fn carry(&self) -> &Carry {
        &self.carry
    }

    /// The same log goes on with another month.
    #[must_use]
    pub fn next(self, month: Month) -> Self {
        Self::going_on(month, self.entries, self.carry)
    }

    /// Takes entry `index`. Those below were taken before, and nothing else was. A body that is no entry counts for nothing.
    pub fn take(&mut self, index: u64, utc: UtcNanos, body: &[u8]) {
        self.entries = index.saturating_add(1);
        self.newest = utc.clamp(self.month.start(), self.month.end());
        self.carry.seen(index, utc);
        if body.starts_with(SEGMENT) {
            return;
        }
        let Ok(Value::Object(entry)) = serde_json::from_slice(body) else { return };
        if entry.get("kind").and_then(Value::as_str) == Some("gap") {
            self.gap(&entry);
            return;
        }
        let Some(action) = entry.get("action").and_then(Value::as_str) else { return };
        if entry.get("outcome").and_then(Value::as_str) != Some("allowed") {
            self.count(if action == "sign_in" { "failed_sign_ins" } else { "refused" });
            return;
        }
        self.carry_on((index, utc), action, &entry);
        requests::take(&mut self.carry.requests, &mut self.counts.requests, utc, action, &entry);
        self.count_act(action, &entry);
        match action {
            "state_policy" => self.policy(utc, &entry),
            "state_rules" => self.station_policy(utc, &entry),
            _ => {}
        }
    }

    /// What later entries refer to.
    fn carry_on(&mut self, at: (u64, UtcNanos), action: &str, entry: &Map<String, Value>) {
        let (index, utc) = at;
        let account = number(entry, "account");
        match action {
            "open_case" => {
                let purpose = known(&PURPOSES, text_of(entry, "purpose"));
                self.carry.cases.put(index, name_of(entry, "case"), purpose);
                if entry.get("emergency").and_then(Value::as_bool) == Some(true) {
                    self.carry.emergency(index, account, utc);
                }
            }
            "request_export" => {
                let class = known(&RECIPIENTS, text_of(entry, "recipient_class"));
                self.carry.exports.put(index, name_of(entry, "export"), class);
                self.carry.access(index, account);
            }
            "playback" | "export" | "deliver_export" => self.carry.access(index, account),
            "draw_reviews" => {
                let seed = hash_of_hex(text_of(entry, "root")).unwrap_or_default();
                let drawn = self.carry.draw(number(entry, "entries").min(index), &seed, share(entry));
                *self.counts.words.entry("drawn").or_default() += drawn;
            }
            "answer_review" if self.carry.answered(number(entry, "entry"), account) => {
                let ok = entry.get("ok").and_then(Value::as_bool) == Some(true);
                add(&mut self.counts.answers, if ok { "ok" } else { "not_ok" }, 1);
            }
            _ => {}
        }
    }

    fn count_act(&mut self, action: &str, entry: &Map<String, Value>) {
        match action {
            "playback" => {
                let case = name_of(entry, "case");
                let purpose = if case.is_empty() { NO_CASE } else { self.carry.cases.get(&case).unwrap_or(OTHER) };
                add(&mut self.counts.views, purpose, 1);
            }
            "live" => self.count("live"),
            "export" => self.count("files_taken_out"),
            "request_export" => self.count("exports_requested"),
            "release_export" => {
                let class = self.carry.exports.get(&name_of(entry, "export")).unwrap_or(OTHER);
                add(&mut self.counts.recipients, class, 1);
            }
            "refuse_export" => self.count("exports_refused"),
            "deliver_export" => self.count("exports_delivered"),
            "place_hold" => self.count("holds_placed"),
            "release_hold" => self.count("holds_released"),
            "erase" => {
                self.count("erasures");
                let hours = number(entry, "hours");
                if let Some(camera) = self.camera(number(entry, "camera")) {
                    camera.erased_hours = camera.erased_hours.saturating_add(hours);
                }
            }
            "open_case" => {
                let emergency = entry.get("emergency").and_then(Value::as_bool) == Some(true);
                self.count(if emergency { "emergency_cases" } else { "cases" });
            }
            "record_hours" => {
                for one in entry.get("cameras").and_then(Value::as_array).into_iter().flatten() {
                    let field = |name: &str| one.get(name).and_then(Value::as_u64).unwrap_or_default();
                    if let Some(camera) = self.camera(field("camera")) {
                        camera.minutes = camera.minutes.saturating_add(field("minutes"));
                    }
                }
            }
            _ => {
                if let Some((word, _)) = CONFIGURATION.iter().find(|(_, actions)| actions.contains(&action)) {
                    add(&mut self.counts.configuration, word, 1);
                }
            }
        }
    }

    fn gap(&mut self, gap: &Map<String, Value>) {
        // Camera × 256 + role; main video has role 0, and cameras are numbered from 1.
        let stream = number(gap, "stream");
        if stream == 0 || !stream.is_multiple_of(256) {
            return;
        }
        let ns = |name: &str| text_of(gap, name).parse::<i64>().unwrap_or_default();
        let length_s = ns("end_ns").saturating_sub(ns("start_ns")).max(0) / NANOS_PER_SEC;
        let reason = text_of(gap, "reason").replace(' ', "_");
        let gaps = &mut self.counts.gaps;
        let known = gaps.contains_key(&reason) || gaps.len() < WORDS_MAX;
        add(gaps, if known { &reason } else { OTHER }, 1);
        if let Some(camera) = self.camera(stream / 256) {
            camera.gap_s = camera.gap_s.saturating_add(length_s.unsigned_abs());
        }
    }

    fn policy(&mut self, utc: UtcNanos, entry: &Map<String, Value>) {
        let camera = number(entry, "camera");
        let truth = |name: &str| entry.get(name).and_then(Value::as_bool) == Some(true);
        let plugins = entry.get("plugins").and_then(Value::as_array).into_iter().flatten();
        let policy = Policy {
            purpose: text_of(entry, "purpose").to_owned(),
            enabled: truth("enabled"),
            removed: truth("removed"),
            retention_days_max: number(entry, "retention_days_max"),
            audio: truth("audio"),
            masks: number(entry, "masks"),
            plugins: plugins.filter_map(|plugin| Some(plugin.as_str()?.to_owned())).collect(),
        };
        let Some(before) = self.carry.state_policy(camera, policy.clone()) else { return };
        if self.counts.policy_changes.len() >= POLICY_CHANGES_MAX {
            self.counts.policy_changes_more += 1;
            return;
        }
        let before = before.map_or(Value::Null, |before| policy_json(&before));
        let change = json!({"at_utc_ms": utc.as_ms(), "camera": camera, "from": before, "to": policy_json(&policy)});
        self.counts.policy_changes.push(change);
    }

    fn station_policy(&mut self, utc: UtcNanos, entry: &Map<String, Value>) {
        let rules = entry.get("rules").and_then(Value::as_object).into_iter().flatten();
        let plain = rules.filter(|(_, value)| value.is_u64() || value.is_boolean()).take(RULES_MAX);
        let policy = StationPolicy {
            policy: text_of(entry, "policy").to_owned(),
            version: number(entry, "version"),
            policy_sha256: text_of(entry, "policy_sha256").to_owned(),
            rules: plain.map(|(name, value)| (name.clone(), value.clone())).collect(),
        };
        let before = self.carry.station.replace(policy.clone());
        if before.as_ref() == Some(&policy) {
            return;
        }
        if self.counts.station_policy_changes.len() >= STATION_POLICY_CHANGES_MAX {
            self.counts.station_policy_changes_more += 1;
            return;
        }
        let change = json!({"at_utc_ms": utc.as_ms(), "from": before, "to": policy});
        self.counts.station_policy_changes.push(change);
    }

    fn count(&mut self, word: &'static str) {
        *self.counts.words.entry(word).or_default() += 1;
    }

    fn camera(&mut self, camera: u64) -> Option<&mut OfCamera> {
        let cameras = &mut self.counts.cameras;
        (cameras.len() < CAMERAS_MAX || cameras.contains_key(&camera)).then(|| cameras.entry(camera).or_default())
    }

    /// The report on the entries that were taken, for anybody: no person, no case, counts as [`cells`] shows them. `over`: the month is over and nothing follows.
    #[must_use]
    pub fn report(&self, over: bool) -> Value {
        let exactness = if over { Exactness::Exact } else { Exactness::Fives };
        let count = |word: &str| cell(self.counts.words.get(word).copied().unwrap_or_default(), exactness);
        let waiting = |count: usize| cell(u64::try_from(count).unwrap_or(u64::MAX), exactness);
        let (log_entries, as_of) = self.as_shown(over);
        let overdue = self.overdue(as_of);
        let nobody_said = |policy: &&Policy| policy.enabled && policy.purpose.is_empty();
        let released = split(&self.counts.recipients, exactness);
        let counts = &self.counts;
        json!({
            "version": VERSION,
            "month": self.month.to_string(),
            "from_utc_ms": self.month.start().as_ms(),
            "to_utc_ms": self.month.end().as_ms(),
            "over": over,
            "from_entry": self.from,
            "log_entries": log_entries,
            "as_of_utc_ms": as_of.as_ms(),
            "cameras": self.cameras_json(exactness),
            "cameras_beyond_policy": self.beyond_policy(),
            "cameras_without_purpose": self.carry.policies().values().filter(nobody_said).count(),
            "views": split(&counts.views, exactness),
            "live_views": count("live"),
            "cases_opened": count("cases"),
            "exports": {
                "requested": count("exports_requested"),
                "released": released,
                "refused": count("exports_refused"),
                "delivered": count("exports_delivered"),
                "taken_out_directly": count("files_taken_out"),
            },
            "holds": {"placed": count("holds_placed"), "released": count("holds_released")},
            "erasures": count("erasures"),
            "gaps": split(&counts.gaps, exactness),
            "emergency_cases": {
                "opened": count("emergency_cases"),
                "unreviewed": waiting(self.carry.emergencies().len()),
                "overdue": waiting(overdue),
                "any_overdue": overdue > 0,
            },
            "refused": {"attempts": count("refused"), "failed_sign_ins": count("failed_sign_ins")},
            "reviews": {
                "drawn": count("drawn"),
                "answered": split(&counts.answers, exactness),
                "unreviewed": waiting(self.carry.drawn().len()),
            },
            "subject_requests": requests::json(&self.carry.requests, &counts.requests, self.newest, exactness),
            "configuration": split(&counts.configuration, exactness),
            "policy": self.carry.station,
            "station_policy_changes": counts.station_policy_changes,
            "station_policy_changes_more": counts.station_policy_changes_more,
            "policy_changes": counts.policy_changes,
            "policy_changes_more": counts.policy_changes_more,
        })
    }

    /// How many entries it is about, and up to when.
    fn as_shown(&self, over: bool) -> (u64, UtcNanos) {
        if over {
            return (self.entries, self.newest);
        }
        // A month begins with a whole hour.
        let step = AS_OF_STEP_S * NANOS_PER_SEC;
        (self.entries - self.entries % ENTRIES_STEP, UtcNanos(self.newest.0.div_euclid(step).saturating_mul(step)))
    }

    /// Cameras with settings from before the policy, which it would not allow now.
    fn beyond_policy(&self) -> usize {
        let rule = |name: &str| self.carry.station.as_ref().and_then(|policy| policy.rules.get(name));
        let days_max = rule("retention_days_max").and_then(Value::as_u64).unwrap_or(u64::MAX);
        let silent = rule("sound").and_then(Value::as_bool) == Some(false);
        let beyond =
            |policy: &&Policy| policy.enabled && (policy.retention_days_max > days_max || (silent && policy.audio));
        self.carry.policies().values().filter(beyond).count()
    }

    /// Emergency cases that nobody answered for in time.
    fn overdue(&self, as_of: UtcNanos) -> usize {
        let limit = EMERGENCY_REVIEW_S * NANOS_PER_SEC;
        self.carry.emergencies().values().filter(|(_, opened)| as_of.nanos_since(*opened) > limit).count()
    }

    fn cameras_json(&self, exactness: Exactness) -> Vec<Value> {
        let of = |camera: &u64| self.counts.cameras.get(camera).copied().unwrap_or_default();
        let there = |(camera, policy): &(&u64, &Policy)| {
            let of = of(camera);
            !policy.removed || of.minutes > 0 || of.gap_s > 0 || of.erased_hours >= SMALL
        };
        let row = |(camera, policy): (&u64, &Policy)| {
            let of = of(camera);
            let mut row = policy_json(policy);
            if let Value::Object(row) = &mut row {
                row.insert("camera".to_owned(), json!(camera));
                row.insert("recorded_minutes".to_owned(), json!(of.minutes));
                row.insert("gap_seconds".to_owned(), json!(of.gap_s));
                row.insert("erased_hours".to_owned(), cell(of.erased_hours, exactness));
            }
            row
        };
        self.carry.policies().iter().filter(there).map(row).collect()
    }
}

/// The bytes of a report that are hashed: JSON without white space, fields in the order of their names.
#[must_use]
pub fn bytes(report: &Value) -> Vec<u8> {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let fields: BTreeMap<&String, Value> =
                    fields.iter().map(|(name, value)| (name, sorted(value))).collect();
                Value::Object(fields.into_iter().map(|(name, value)| (name.clone(), value)).collect())
            }
            Value::Array(values) => Value::Array(values.iter().map(sorted).collect()),
            other => other.clone(),
        }
    }
    sorted(report).to_string().into_bytes()
}

fn policy_json(policy: &Policy) -> Value {
    json!({
        "purpose": policy.purpose,
        "enabled": policy.enabled,
        "removed": policy.removed,
        "retention_days_max": policy.retention_days_max,
        "audio": policy.audio,
        "masks": policy.masks,
        "plugins": policy.plugins,
    })
}

fn text_of<'a>(entry: &'a Map<String, Value>, name: &str) -> &'a str {
    entry.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A number or a text that names something; empty when there is none.
fn name_of(entry: &Map<String, Value>, name: &str) -> String {
    match entry.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn number(entry: &Map<String, Value>, name: &str) -> u64 {
    entry.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// How many accesses a draw takes; one that does not say takes the least.
fn share(entry: &Map<String, Value>) -> sample::Share {
    let said = |name: &str| entry.get(name).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
    sample::Share {
        percent: said("percent").unwrap_or(sample::LEAST.percent).min(100),
        at_least: said("at_least").unwrap_or(sample::LEAST.at_least),
    }
}

fn known(words: &[&str], word: &str) -> String {
    (if words.contains(&word) { word } else { OTHER }).to_owned()
}

fn add(counts: &mut BTreeMap<String, u64>, word: &str, more: u64) {
    match counts.get_mut(word) {
        Some(count) => *count += more,
        None => drop(counts.insert(word.to_owned(), more)),
    }
}

#[cfg(test)]
mod tests;
