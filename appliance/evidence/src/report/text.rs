//! The report as plain text, for a notice board.

#![allow(clippy::indexing_slicing, reason = "a JSON value without that name gives null")]

use serde_json::Value;
use watchbook_base::UtcNanos;

/// Characters of one line.
const WIDTH: usize = 78;

/// The report as lines of text, in English. `report` is what [`super::Tally::report`] gave.
#[must_use]
pub fn text(report: &Value) -> String {
    let mut out = Lines::default();
    let day = |name: &str| {
        let utc = UtcNanos::from_ms(report[name].as_i64().unwrap_or_default());
        utc.to_string().get(..16).unwrap_or_default().replace('T', " ")
    };
    let state =
        if report["over"] == true { "complete" } else { "not over yet: counts are rounded down to whole fives" };
    out.title(&format!("What this station did with its cameras, {}", word(&report["month"])));
    let (from, below) = (&report["from_entry"], &report["log_entries"]);
    let entries = match report["over"] == true {
        true => format!("from entry {from} of the audit log up to, and without, {below}"),
        false => format!("from entry {from} of the audit log on, which has at least {below}"),
    };
    out.line(&format!("{state}. Computed {entries}; as of {} UTC.", day("as_of_utc_ms")));
    out.line("<5: fewer than five, or none. \u{2265}: at least; the exact sum would give a small number away.");
    policy(&mut out, &report["policy"]);
    cameras(&mut out, report);
    if let Some(some @ 1..) = report["cameras_without_purpose"].as_u64() {
        out.line(&format!("Recorded although nobody said what for: {some}"));
    }
    if let Some(some @ 1..) = report["cameras_without_contact"].as_u64() {
        out.line(&format!("Recorded although nobody said who answers for it: {some}"));
    }
    if let Some(some @ 1..) = report["cameras_review_overdue"].as_u64() {
        out.line(&format!("Nobody looked for more than a year whether it is still needed: {some}"));
    }
    if let Some(some @ 1..) = report["cameras_beyond_policy"].as_u64() {
        out.line(&format!("Recorded with settings from before the policy, which it would not allow: {some}"));
    }
    out.part("Who looked at footage, for what (one look is one stretch of footage)");
    out.split(&report["views"]);
    out.row("Looks at live pictures", &report["live_views"]);
    out.row("Cases opened", &report["cases_opened"]);
    out.part("What left the station");
    out.row("Exports asked for", &report["exports"]["requested"]);
    out.row("Exports refused", &report["exports"]["refused"]);
    out.row("Exports delivered", &report["exports"]["delivered"]);
    out.row("Files taken out directly", &report["exports"]["taken_out_directly"]);
    out.line("Exports released, by who was to have them:");
    out.split(&report["exports"]["released"]);
    out.part("Kept and erased");
    out.row("Holds placed", &report["holds"]["placed"]);
    out.row("Holds given up", &report["holds"]["released"]);
    out.row("Erasures at the maximum age", &report["erasures"]);
    out.part("Emergency cases (opened by one person alone)");
    out.row("Opened", &report["emergency_cases"]["opened"]);
    out.row("Not yet looked at by the auditor", &report["emergency_cases"]["unreviewed"]);
    let overdue = if report["emergency_cases"]["any_overdue"] == true { "yes" } else { "no" };
    out.row("Any not looked at within 72 hours", &Value::from(overdue));
    requests(&mut out, &report["subject_requests"]);
    out.part("Refused");
    out.row("Attempts that were refused", &report["refused"]["attempts"]);
    out.row("Failed sign-ins", &report["refused"]["failed_sign_ins"]);
    out.part("Random review by the auditor");
    out.row("Looks and exports drawn", &report["reviews"]["drawn"]);
    out.split(&report["reviews"]["answered"]);
    out.row("Not yet answered", &report["reviews"]["unreviewed"]);
    out.part("Stretches without footage, by reason");
    out.split(&report["gaps"]);
    out.part("Stretches that exports could not hand out, by reason");
    out.split(&report["missing_from_exports"]);
    out.part("Changes of the configuration");
    out.split(&report["configuration"]);
    changes(&mut out, report);
    out.0
}

fn changes(out: &mut Lines, report: &Value) {
    out.part("Changes of the station's policy");
    for change in report["station_policy_changes"].as_array().into_iter().flatten() {
        let at = UtcNanos::from_ms(change["at_utc_ms"].as_i64().unwrap_or_default()).to_string();
        out.line(&format!("{} {}", at.get(..10).unwrap_or_default(), changed_rules(change)));
    }
    if let Some(more @ 1..) = report["station_policy_changes_more"].as_u64() {
        out.line(&format!("and {more} more"));
    }
    out.part("Changes of what cameras are for");
    for change in report["policy_changes"].as_array().into_iter().flatten() {
        let at = UtcNanos::from_ms(change["at_utc_ms"].as_i64().unwrap_or_default()).to_string();
        out.line(&format!("{} camera {}: {}", at.get(..10).unwrap_or_default(), change["camera"], changed(change)));
    }
    if let Some(more @ 1..) = report["policy_changes_more"].as_u64() {
        out.line(&format!("and {more} more"));
    }
}

fn policy(out: &mut Lines, policy: &Value) {
    out.part("The station's policy");
    if policy.is_null() {
        return out.line("The log does not say.");
    }
    out.line(&format!("{} version {}", word(&policy["policy"]), policy["version"]));
    out.line(&format!("SHA-256 of its file: {}", word(&policy["policy_sha256"])));
    for (name, value) in policy["rules"].as_object().into_iter().flatten() {
        out.row(&format!("  {}", name.replace('_', " ")), value);
    }
}

/// What is different in the station's policy, number by number.
fn changed_rules(change: &Value) -> String {
    let (from, to) = (&change["from"], &change["to"]);
    let named = |policy: &Value| format!("{} version {}", word(&policy["policy"]), policy["version"]);
    if from.is_null() {
        return format!("first stated: {}", named(to));
    }
    let rules = to["rules"].as_object().into_iter().flatten();
    let different = rules.filter(|(name, value)| from["rules"][name.as_str()] != **value);
    let different: Vec<String> = different
        .map(|(name, value)| format!("{} {} -> {value}", name.replace('_', " "), from["rules"][name.as_str()]))
        .collect();
    format!("{} -> {}: {}", named(from), named(to), different.join(", "))
}

fn requests(out: &mut Lines, requests: &Value) {
    out.part("Requests of people who may be in the footage");
    out.row("Received", &requests["received"]);
    out.row("Answered with a copy", &requests["answered"]);
    out.row("Given more time", &requests["extended"]);
    out.row("Withdrawn", &requests["withdrawn"]);
    out.row("Answered, refused or withdrawn after the deadline", &requests["late"]);
    out.row("Waiting for an answer", &requests["waiting"]);
    out.row("Past their deadline", &requests["overdue"]);
    out.row("Any past its deadline", &Value::from(if requests["any_overdue"] == true { "yes" } else { "no" }));
    out.line("Refused, by reason:");
    out.split(&requests["refused"]);
}

fn cameras(out: &mut Lines, report: &Value) {
    out.part("Cameras");
    for camera in report["cameras"].as_array().into_iter().flatten() {
        let minutes = camera["recorded_minutes"].as_u64().unwrap_or_default();
        let state = match (camera["removed"] == true, camera["enabled"] == true) {
            (true, _) => ", removed",
            (_, true) => "",
            _ => ", switched off",
        };
        out.line(&format!("Camera {}{state}: {}", camera["camera"], purpose(camera)));
        out.line(&format!(
            "  footage kept at most {} days; sound {}; {} hidden parts; plugins: {}",
            camera["retention_days_max"],
            if camera["audio"] == true { "recorded" } else { "not recorded" },
            camera["masks"],
            plugins(camera)
        ));
        let reviewed = UtcNanos::from_ms(camera["reviewed_utc_ms"].as_i64().unwrap_or_default()).to_string();
        out.line(&format!(
            "  somebody answers for it: {}; looked at whether it is needed: {}{}",
            if camera["contact"] == true { "yes" } else { "nobody is named" },
            reviewed.get(..10).unwrap_or_default(),
            if camera["review_overdue"] == true { ", OVERDUE" } else { "" }
        ));
        let gap_minutes = camera["gap_seconds"].as_u64().unwrap_or_default() / 60;
        out.line(&format!(
            "  recorded {} h {} min; without footage {gap_minutes} min; erased {} h",
            minutes / 60,
            minutes % 60,
            word(&camera["erased_hours"])
        ));
    }
}

/// What is different, field by field.
fn changed(change: &Value) -> String {
    let (from, to) = (&change["from"], &change["to"]);
    if from.is_null() {
        return format!("first stated ({}, at most {} days)", purpose(to), to["retention_days_max"]);
    }
    let fields = to.as_object().into_iter().flatten().filter(|(name, value)| from[name.as_str()] != **value);
    let fields: Vec<String> =
        fields.map(|(name, value)| format!("{} {} -> {value}", name.replace('_', " "), from[name.as_str()])).collect();
    fields.join(", ")
}

fn purpose(of: &Value) -> &str {
    of["purpose"].as_str().filter(|purpose| !purpose.is_empty()).unwrap_or("purpose not stated")
}

fn plugins(camera: &Value) -> String {
    let plugins: Vec<&str> = camera["plugins"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if plugins.is_empty() { "none".to_owned() } else { plugins.join(", ") }
}

/// A text without its quotes, a number as it is.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, line: &str) {
        // What an admin typed stays on its line.
        self.0.extend(line.chars().filter(|c| !c.is_control()));
        self.0.push('\n');
    }

    fn title(&mut self, title: &str) {
        self.line(title);
        self.line(&"=".repeat(title.chars().count().min(WIDTH)));
    }

    fn part(&mut self, title: &str) {
        self.0.push('\n');
        self.line(title);
        self.line(&"-".repeat(title.chars().count().min(WIDTH)));
    }

    fn row(&mut self, what: &str, value: &Value) {
        self.line(&format!("{what}: {}", word(value)));
    }

    fn split(&mut self, split: &Value) {
        for (name, value) in split["by"].as_object().into_iter().flatten() {
            self.line(&format!("  {}: {}", name.replace('_', " "), word(value)));
        }
        self.row("  all", &split["total"]);
    }
}
