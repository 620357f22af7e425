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
//! | review of each camera | the last `review_camera` of each, or its first `state_policy`; overdue: it is recorded, and that is more than [`CAMERA_REVIEW_S`] ago at the time of the newest entry |
//! | hours | `record_hours`: minutes with footage of the main stream |
//! | gaps | leaves of the kind `gap` about main streams, without those of the next row. Of a step of a clock nobody knows how long it was: it adds no seconds |
//! | missing from exports | leaves of the kind `gap` about main streams with a reason of [`MISSING`]: an export told of footage that it could not hand out |
//! | views | `playback`, by the purpose that `open_case` gave for the `case`; one entry is one look at a stretch of footage |
//! | live | `live` |
//! | exports | `request_export`, `release_export` (by the class of the recipient in the request), `refuse_export`, `deliver_export`; `export` is a file taken out directly |
//! | holds, erasures | `place_hold`, `release_hold`, `erase` |
//! | emergency cases | `open_case` with `emergency` |
//! | refused | entries with a refusal; failed sign-ins are told apart. Refusals that the recorder only counts, because they came too fast, are in no entry |
//! | reviews | `draw_reviews`, `answer_review`; nobody answers for their own access |
//! | requests | `register_subject_request` and what became of it: see [`requests`] |
//! | cameras without a purpose, or a contact | the last `state_policy` of each: recorded, and nobody said what for, or who answers for it |
//! | configuration | `change_config`, `change_station_settings`, `change_account` and what changes plugins, disks, the log's key and its witnesses |
//! | policy changes | each `state_policy` that differs from the one before |
//! | policy | the last `state_rules`: id, version, SHA-256 of the file, and its numbers |
//! | changes of the policy | each `state_rules` that differs from the one before |
//! | cameras beyond the policy | the last `state_policy` of each against the last `state_rules`: recorded, and `retention_days_max` is larger, or sound is recorded that may not be |
//!
//! What an entry allowed may still come to nothing; then a later entry with the same act has the outcome `came_to_nothing` with the number of the first. It counts as refused, the first one
//! counts no more if it lies in the same stretch, and what it said of a case, an export or a request is forgotten; so with the acts in [`undone`]. An entry comes to nothing once.
//!
//! What waits at the end (reviews, emergency cases, requests, and which of them are overdue) is in whole fives in every report: from exact numbers of two months and of what came and went between, a
//! count that is hidden could be computed.
//!
//! `tests/evidence/report.py` computes all of it again from this table.

pub mod anomaly;
mod carry;
pub mod cells;
mod month;
pub mod requests;
pub mod sample;
mod text;
pub mod undone;

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
pub const VERSION: u64 = 3;
/// An emergency case that no auditor answered for within so long is overdue.
pub const EMERGENCY_REVIEW_S: i64 = 72 * 3600;
/// Somebody looks once a year whether a camera is still needed.
pub const CAMERA_REVIEW_S: i64 = 365 * 86_400;
/// Reasons of leaves that exports write about what they cannot hand out: nothing went wrong while it was recorded.
pub const MISSING: [&str; 2] = ["damaged", "not_stored"];
/// A gap with this reason is as long as a clock was wrong, and not as footage is missing.
const CLOCK_STEP: &str = "clock_step";
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
/// Cameras with hours or gaps in one month, 40 bytes each: more than anybody adds in a month.
const CAMERAS_MAX: usize = 1 << 16;
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
    (
        "accounts",
        &["change_account", "enrol_approver_key", "remove_approver_key", "remove_second_factor", "remove_passkey"],
    ),
    (
        "cameras_and_settings",
        &[
            "change_config",
            "change_station_settings",
            "accept_camera",
            "restore_backup",
            "upload_certificate",
            "remove_certificate",
        ],
    ),
    ("disks", &["add_disk", "accept_disk", "retire_disk"]),
    (
        "log",
        &[
            "change_log_key",
            "distrust_witness",
            "make_mirror_token",
            "revoke_mirror_token",
            "set_witness_push",
            "trust_witness",
        ],
    ),
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
    missing: BTreeMap<String, u64>,
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
            missing: words(&MISSING),
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
            if let Some(of) = undone::of(&entry).filter(|of| *of < index) {
                self.undo(of, action, &entry);
            }
            return;
        }
        self.carry_on((index, utc), action, &entry);
        requests::take(&mut self.carry.requests, &mut self.counts.requests, (index, utc), action, &entry);
        self.count_act(action, &entry, 1);
        match action {
            "state_policy" => self.policy(utc, &entry),
            "state_rules" => self.station_policy(utc, &entry),
            "review_camera" => self.carry.review_camera(number(&entry, "camera"), utc),
            _ => {}
        }
    }

    /// Nothing came of what entry `of` allowed.
    fn undo(&mut self, of: u64, action: &str, entry: &Map<String, Value>) {
        if !undone::may_be(action) || !self.carry.undone.put(of) {
            return;
        }
        let counted = of >= self.from;
        if counted {
            self.count_act(action, entry, -1);
        }
        match action {
            "open_case" => self.carry.forget_case(&name_of(entry, "case"), of),
            "request_export" => self.carry.exports.forget(&name_of(entry, "export"), of),
            _ => requests::undo(&mut self.carry.requests, counted.then_some(&mut self.counts.requests), of),
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

    /// Counts an act, or with -1 takes it back.
    fn count_act(&mut self, action: &str, entry: &Map<String, Value>, step: i64) {
        match action {
            "playback" => {
                let case = name_of(entry, "case");
                let purpose = if case.is_empty() { NO_CASE } else { self.carry.cases.get(&case).unwrap_or(OTHER) };
                add(&mut self.counts.views, purpose, step);
            }
            "live" => self.step("live", step),
            "export" => self.step("files_taken_out", step),
            "request_export" => self.step("exports_requested", step),
            "release_export" => {
                let class = self.carry.exports.get(&name_of(entry, "export")).unwrap_or(OTHER);
                add(&mut self.counts.recipients, class, step);
            }
            "refuse_export" => self.step("exports_refused", step),
            "deliver_export" => self.step("exports_delivered", step),
            "place_hold" => self.step("holds_placed", step),
            "release_hold" => self.step("holds_released", step),
            "erase" => {
                self.step("erasures", step);
                let hours = number(entry, "hours");
                if let Some(camera) = self.camera(number(entry, "camera")) {
                    camera.erased_hours = camera.erased_hours.saturating_add(hours);
                }
            }
            "open_case" => {
                let emergency = entry.get("emergency").and_then(Value::as_bool) == Some(true);
                self.step(if emergency { "emergency_cases" } else { "cases" }, step);
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
                    add(&mut self.counts.configuration, word, step);
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
        if MISSING.contains(&reason.as_str()) {
            return add(&mut self.counts.missing, &reason, 1);
        }
        let length_s = if reason == CLOCK_STEP { 0 } else { length_s };
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
            contact: truth("contact"),
            masks: number(entry, "masks"),
            plugins: plugins.filter_map(|plugin| Some(plugin.as_str()?.to_owned())).collect(),
        };
        let counted = &self.counts.cameras;
        self.carry.make_room(camera, |removed| !counted.contains_key(removed));
        let Some(before) = self.carry.state_policy(camera, policy.clone(), utc) else { return };
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
        self.step(word, 1);
    }

    fn step(&mut self, word: &'static str, step: i64) {
        let count = self.counts.words.entry(word).or_default();
        *count = count.saturating_add_signed(step);
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
        let waiting = |count: usize| cell(u64::try_from(count).unwrap_or(u64::MAX), Exactness::Fives);
        let (log_entries, as_of) = self.as_shown(over);
        let overdue = self.overdue(as_of);
        let recorded = |is: fn(&Policy) -> bool| {
            self.carry.policies().values().filter(|policy| policy.enabled && is(policy)).count()
        };
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
            "cameras": self.cameras_json(exactness, as_of),
            "cameras_beyond_policy": self.beyond_policy(),
            "cameras_review_overdue": self.carry.policies().keys().filter(|camera| self.review_overdue(**camera, as_of)).count(),
            "cameras_without_contact": recorded(|policy| !policy.contact),
            "cameras_without_purpose": recorded(|policy| policy.purpose.is_empty()),
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
            "missing_from_exports": split(&counts.missing, exactness),
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
            "subject_requests": requests::json(&self.carry.requests, &counts.requests, as_of, exactness),
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

    /// A camera that is recorded, and of which nobody said for more than a year that it is still needed.
    fn review_overdue(&self, camera: u64, as_of: UtcNanos) -> bool {
        let limit = CAMERA_REVIEW_S * NANOS_PER_SEC;
        let enabled = self.carry.policies().get(&camera).is_some_and(|policy| policy.enabled);
        enabled && self.carry.reviewed(camera).is_none_or(|reviewed| as_of.nanos_since(reviewed) > limit)
    }

    fn cameras_json(&self, exactness: Exactness, as_of: UtcNanos) -> Vec<Value> {
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
                row.insert("reviewed_utc_ms".to_owned(), json!(self.carry.reviewed(*camera).map(UtcNanos::as_ms)));
                row.insert("review_overdue".to_owned(), json!(self.review_overdue(*camera, as_of)));
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
        "contact": policy.contact,
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

fn add(counts: &mut BTreeMap<String, u64>, word: &str, step: i64) {
    match counts.get_mut(word) {
        Some(count) => *count = count.saturating_add_signed(step),
        None => drop(counts.insert(word.to_owned(), 0_u64.saturating_add_signed(step))),
    }
}

#[cfg(test)]
mod tests;
