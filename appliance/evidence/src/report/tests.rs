use super::*;
use serde_json::json;

/// 2026-11-09, a Monday (`date -u -d 2026-11-09 +%s`).
const MONDAY_S: i64 = 1_794_182_400;
const HOUR_S: i64 = 3600;
const DAY_S: i64 = 86_400;

fn month() -> Month {
    Month::parse("2026-11").unwrap()
}

/// A log, written as the recorder writes it.
struct Log {
    tally: Tally,
    next: u64,
    at_s: i64,
}

impl Log {
    fn new() -> Self {
        Self { tally: Tally::new(month()), next: 0, at_s: MONDAY_S }
    }

    fn body(&mut self, body: &Value) -> u64 {
        let index = self.next;
        self.tally.take(index, UtcNanos(self.at_s * NANOS_PER_SEC), body.to_string().as_bytes());
        self.next += 1;
        index
    }

    fn act(&mut self, action: &str, fields: Value) -> u64 {
        let mut body = json!({"account": 3, "action": action, "outcome": "allowed"});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.body(&body)
    }

    fn acts(&mut self, times: usize, action: &str, fields: &Value) {
        for _ in 0..times {
            self.act(action, fields.clone());
        }
    }

    fn refused(&mut self, action: &str) {
        self.body(&json!({"account": null, "action": action, "outcome": {"refused": "sign in first"}}));
    }

    /// Nothing came of entry `of`.
    fn undone(&mut self, of: u64, action: &str, fields: &Value) {
        let outcome = json!({"came_to_nothing": {"entry": of, "why": "taken"}});
        let mut body = json!({"account": 3, "action": action, "outcome": outcome});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.body(&body);
    }

    fn report(&self) -> Value {
        self.tally.report(true)
    }
}

#[test]
fn a_view_counts_for_the_purpose_of_its_case_even_when_that_was_opened_a_month_before() {
    let mut log = Log::new();
    log.at_s -= 20 * DAY_S;
    log.act("open_case", json!({"case": "7/26", "purpose": "theft", "emergency": false}));
    log.at_s += 20 * DAY_S;
    log.act("open_case", json!({"case": "8/26", "purpose": "violence", "emergency": false}));
    log.acts(12, "playback", &json!({"camera": 1, "case": "7/26"}));
    log.acts(7, "playback", &json!({"camera": 1, "case": "8/26"}));
    log.acts(9, "playback", &json!({"camera": 1}));
    log.acts(6, "playback", &json!({"camera": 1, "case": "unheard of"}));
    log.refused("playback");
    let by = &log.report()["views"]["by"];
    assert_eq!((&by["theft"], &by["no_case"]), (&json!(12), &json!(9)));
    assert_eq!((&by["violence"], &by["other"], &by["traffic_offence"]), (&json!(7), &json!(6), &json!("<5")));
    assert_eq!(log.report()["views"]["total"], "≥34");
    assert_eq!(log.report()["cases_opened"], "<5");
}

#[test]
fn exports_are_counted_by_what_became_of_them_and_recipients_by_class() {
    let mut log = Log::new();
    for export in 1..=30 {
        let class = if export <= 10 { "court" } else { "prosecutor" };
        log.act("request_export", json!({"export": export, "case": "7/26", "recipient_class": class}));
    }
    for export in 1..=18 {
        log.act("release_export", json!({"export": export, "manifest_sha256": "00"}));
        log.act("deliver_export", json!({"export": export, "manifest_sha256": "00", "sink": "download"}));
    }
    for export in 19..=24 {
        log.act("refuse_export", json!({"export": export, "reason": "too wide"}));
    }
    let exports = &log.report()["exports"];
    assert_eq!(
        (&exports["requested"], &exports["refused"], &exports["delivered"]),
        (&json!(30), &json!(6), &json!(18))
    );
    let released = &exports["released"];
    let by = |class: &str| &released["by"][class];
    assert_eq!((by("court"), by("prosecutor"), by("defence")), (&json!(10), &json!(8), &json!("<5")));
    // A sum of 18 would tell that the other four had none.
    assert_eq!(released["total"], "≥18");
}

#[test]
fn cameras_are_as_the_log_said_last_and_changes_of_what_they_are_for_are_listed() {
    let mut log = Log::new();
    let policy = |days: u64| json!({"camera": 2, "purpose": "Traffic at the bridge", "enabled": true, "removed": false, "retention_days_max": days, "audio": false, "masks": 1, "plugins": ["motion"]});
    log.act("state_policy", policy(7));
    log.act("state_policy", policy(7));
    log.act("state_policy", policy(30));
    for minutes in [60, 59] {
        log.act("record_hours", json!({"cameras": [{"camera": 2, "minutes": minutes}]}));
    }
    log.act("erase", json!({"camera": 2, "hours": 5}));
    let gap = |stream: u64| json!({"kind": "gap", "end_ns": "95000000000", "reason": "camera gone", "start_ns": "5000000000", "stream": stream});
    log.body(&gap(2 * 256));
    log.body(&gap(2 * 256 + 1));
    log.body(&json!({"kind": "segment", "recording": 1}));
    let report = log.report();
    let camera = &report["cameras"][0];
    let is = |name: &str, wanted: Value| assert_eq!(camera[name], wanted, "{name}");
    is("camera", json!(2));
    is("retention_days_max", json!(30));
    is("recorded_minutes", json!(119));
    is("erased_hours", json!(5));
    is("gap_seconds", json!(90));
    assert_eq!(report["gaps"]["by"], json!({"camera_gone": "<5"}));
    let changes = report["policy_changes"].as_array().unwrap();
    assert_eq!(changes.len(), 2);
    assert_eq!((&changes[0]["from"], &changes[1]["from"]["retention_days_max"]), (&Value::Null, &json!(7)));
    let text = text(&report);
    assert!(text.contains("Camera 2: Traffic at the bridge") && text.contains("retention days max 7 -> 30"), "{text}");
    assert!(text.contains("recorded 1 h 59 min"), "{text}");
}

#[test]
fn the_policy_is_as_the_log_said_last_with_its_changes_and_what_is_beyond_it() {
    let mut log = Log::new();
    let rules = |days: u64, sound: bool| json!({"policy": "kh-default", "version": 1, "policy_sha256": "ab", "rules": {"retention_days_max": days, "sound": sound}});
    let camera = |number: u64, days: u64, audio: bool| json!({"camera": number, "purpose": "p", "enabled": true, "retention_days_max": days, "audio": audio});
    assert_eq!(log.report()["policy"], Value::Null);
    log.act("state_rules", rules(30, true));
    log.act("state_rules", rules(30, true));
    for (number, days, audio) in [(1, 7, false), (2, 30, false), (3, 7, true)] {
        log.act("state_policy", camera(number, days, audio));
    }
    assert_eq!(log.report()["cameras_beyond_policy"], 0);
    log.act("propose_policy", json!({"policy": "kh-default"}));
    log.act("state_rules", rules(8, false));
    let report = log.report();
    assert_eq!(
        (&report["policy"]["rules"]["retention_days_max"], &report["cameras_beyond_policy"]),
        (&json!(8), &json!(2))
    );
    let changes = report["station_policy_changes"].as_array().unwrap();
    assert_eq!((changes.len(), &changes[1]["from"]["rules"]["sound"]), (2, &json!(true)));
    let text = text(&report);
    assert!(text.contains("retention days max 30 -> 8, sound true -> false"), "{text}");
    assert!(text.contains("which it would not allow: 2") && text.contains("SHA-256 of its file: ab"), "{text}");
}

#[test]
fn refused_attempts_failed_sign_ins_and_changes_are_counted_apart() {
    let mut log = Log::new();
    (0..8).for_each(|_| log.refused("sign_in"));
    (0..6).for_each(|_| log.refused("playback"));
    log.acts(5, "change_config", &json!({"what": "removal"}));
    log.acts(6, "install_plugin", &json!({"package_sha256": "00"}));
    log.acts(5, "sign_in", &json!({"name_sha256": "00"}));
    let report = log.report();
    assert_eq!(report["refused"], json!({"attempts": 6, "failed_sign_ins": 8}));
    let by = &report["configuration"]["by"];
    assert_eq!((&by["cameras_and_settings"], &by["plugins"], &by["disks"]), (&json!(5), &json!(6), &json!("<5")));
}

#[test]
fn an_unfinished_month_counts_in_fives_and_does_not_show_when_something_was_done() {
    let mut log = Log::new();
    log.acts(1, "erase", &json!({"camera": 2, "hours": 9}));
    log.act("state_policy", json!({"camera": 2, "purpose": "", "enabled": true}));
    log.at_s += 59 * 60 + 59;
    log.acts(9, "live", &json!({"camera": 1}));
    let open = log.tally.report(false);
    assert_eq!((&open["log_entries"], &open["as_of_utc_ms"]), (&json!(0), &json!(MONDAY_S * 1000)));
    assert_eq!(
        (&open["cameras"][0]["erased_hours"], &log.report()["cameras"][0]["erased_hours"]),
        (&json!(5), &json!(9))
    );
    assert_eq!(open["cameras_without_purpose"], 1);
    let told = log.tally.entries();
    log.acts(2, "sign_in", &json!({}));
    assert_eq!(log.tally.report(false), open, "two more entries are not to be seen");
    assert!(log.tally.entries() > told);
    assert_eq!(
        (log.tally.report(false)["live_views"].clone(), log.report()["live_views"].clone()),
        (json!(5), json!(9))
    );
}

#[test]
fn an_entry_counts_in_its_stretch_whatever_its_time_says_and_rubbish_for_nothing() {
    let mut log = Log::new();
    log.at_s = 0;
    log.acts(9, "live", &json!({"camera": 1}));
    log.at_s = month().end().0 / NANOS_PER_SEC;
    log.acts(9, "live", &json!({"camera": 1}));
    assert_eq!(log.report()["live_views"], 18);
    assert_eq!(log.report()["as_of_utc_ms"], month().end().as_ms());
    let next = log.tally.clone().next(month().next()).report(true);
    assert_eq!((&next["live_views"], &next["from_entry"]), (&json!("<5"), &json!(18)));
    let before = log.report();
    for rubbish in [
        &b""[..],
        b"{",
        b"[]",
        b"null",
        b"\xFF",
        br#"{"action":7,"outcome":"allowed"}"#,
        br#"{"kind":"gap","stream":-1}"#,
    ] {
        log.tally.take(log.next, UtcNanos(MONDAY_S * NANOS_PER_SEC), rubbish);
    }
    let mut after = log.report();
    after["log_entries"] = before["log_entries"].clone();
    after["as_of_utc_ms"] = before["as_of_utc_ms"].clone();
    assert_eq!(after, before);
}

#[test]
fn accesses_of_a_week_are_drawn_by_a_root_and_wait_until_they_are_answered() {
    let mut log = Log::new();
    log.acts(40, "playback", &json!({"camera": 1}));
    let boundary = log.next;
    log.acts(10, "playback", &json!({"camera": 1}));
    let seed = [7; 32];
    log.act("draw_reviews", json!({"entries": boundary, "root": crate::hex(&seed)}));
    let drawn = log.tally.carry().drawn().clone();
    let again = sample::draw(&seed, &(0..boundary).collect::<Vec<_>>(), sample::LEAST);
    assert!(drawn.keys().eq(&again) && drawn.values().all(|account| *account == 3), "of the first forty alone");
    assert_eq!((drawn.len(), log.tally.carry().accesses()), (5, 10));
    assert_eq!(log.report()["reviews"]["drawn"], 5);
    assert_eq!(log.report()["reviews"]["unreviewed"], 5);
    let first = drawn.keys().next();
    log.act("answer_review", json!({"entry": first, "ok": true, "reason": ""}));
    assert_eq!(log.tally.carry().drawn().len(), 5, "whoever looked does not answer");
    for entry in drawn.keys() {
        log.act("answer_review", json!({"account": 4, "entry": entry, "ok": true, "reason": ""}));
    }
    // Nobody waits for these.
    log.act("answer_review", json!({"account": 4, "entry": first, "ok": true, "reason": ""}));
    log.act("answer_review", json!({"account": 4, "entry": 10_000, "ok": false, "reason": "?"}));
    assert!(log.tally.carry().drawn().is_empty());
    let answered = &log.report()["reviews"]["answered"];
    assert_eq!(answered, &split(&[("ok".to_owned(), 5), ("not_ok".to_owned(), 0)].into(), Exactness::Exact));
}

#[test]
fn an_emergency_case_is_overdue_after_three_days_until_somebody_answers() {
    let mut log = Log::new();
    let opened = log.act("open_case", json!({"case": "E1", "purpose": "violence", "emergency": true}));
    log.at_s += 72 * HOUR_S;
    log.acts(1, "live", &json!({"camera": 1}));
    assert_eq!(log.report()["emergency_cases"]["any_overdue"], false);
    log.at_s += 1;
    log.acts(1, "live", &json!({"camera": 1}));
    assert_eq!(log.report()["emergency_cases"]["any_overdue"], true);
    log.act("answer_review", json!({"account": 4, "entry": opened, "ok": false, "reason": "no emergency"}));
    assert_eq!(log.report()["emergency_cases"]["any_overdue"], false);
    assert!(text(&log.report()).contains("Any not looked at within 72 hours: no"));
}

#[test]
fn what_is_carried_along_survives_being_written_down() {
    let mut log = Log::new();
    log.act("open_case", json!({"case": "7/26", "purpose": "theft", "emergency": true}));
    log.act("request_export", json!({"export": 9, "recipient_class": "court"}));
    log.act("state_policy", json!({"camera": 1, "purpose": "p", "enabled": true, "retention_days_max": 7}));
    let written = serde_json::to_vec(log.tally.carry()).unwrap();
    let read: Carry = serde_json::from_slice(&written).unwrap();
    assert_eq!(&read, log.tally.carry());
    assert_eq!(Tally::going_on(month(), 3, read).report(true)["cameras"], log.report()["cameras"]);
}

#[test]
fn the_bytes_of_a_report_are_in_the_order_of_the_names() {
    let bytes = bytes(&json!({"b": {"z": 1, "a": [{"y": 2, "x": "ក\n"}]}, "a": null}));
    assert_eq!(core::str::from_utf8(&bytes).unwrap(), r#"{"a":null,"b":{"a":[{"x":"ក\n","y":2}],"z":1}}"#);
}

#[test]
fn what_came_to_nothing_counts_for_nothing_but_an_attempt() {
    let mut log = Log::new();
    log.act("open_case", json!({"case": "7/26", "purpose": "theft", "emergency": false}));
    let other = json!({"case": "7/26", "purpose": "equipment_check", "emergency": false});
    let of = log.act("open_case", other.clone());
    log.undone(of, "open_case", &other);
    log.acts(6, "playback", &json!({"camera": 1, "case": "7/26"}));
    let by = &log.report()["views"]["by"];
    assert_eq!(
        (&by["theft"], &by["equipment_check"]),
        (&json!(6), &json!("<5")),
        "a number that is taken keeps its purpose"
    );

    log.acts(20, "request_export", &json!({"export": 1, "recipient_class": "court"}));
    let acts = [
        ("release_export", json!({"export": 1})),
        ("refuse_export", json!({"export": 1})),
        ("deliver_export", json!({"export": 1})),
        ("place_hold", json!({})),
        ("release_hold", json!({})),
        ("request_export", json!({"export": 2, "recipient_class": "police"})),
        ("open_case", json!({"case": "E", "purpose": "violence", "emergency": true})),
        ("change_config", json!({"what": "x"})),
        ("enrol_approver_key", json!({"key": "x"})),
    ];
    let count = |report: &Value| {
        let exports = &report["exports"];
        let by = (&exports["released"]["by"]["court"], &report["configuration"]["by"]["cameras_and_settings"]);
        let held = (&report["holds"]["placed"], &report["holds"]["released"]);
        json!([
            exports["requested"],
            exports["refused"],
            exports["delivered"],
            by,
            held,
            report["configuration"]["by"]["accounts"]
        ])
    };
    for (action, fields) in &acts {
        log.acts(5, action, fields);
    }
    let before = log.report();
    let attempts = log.tally.counts.words["refused"];
    for (action, fields) in &acts {
        for _ in 0..3 {
            let of = log.act(action, fields.clone());
            // Twice: it counts once.
            (0..2).for_each(|_| log.undone(of, action, fields));
        }
    }
    assert_eq!(count(&log.report()), count(&before));
    assert_eq!(log.report()["emergency_cases"], before["emergency_cases"], "no auditor need look at them");
    assert_eq!(log.tally.counts.words["refused"], attempts + 54);
    // An entry before the stretch is not taken out of it, and no later one is.
    let mut next = Log { tally: log.tally.clone().next(month().next()), next: log.next, at_s: log.at_s };
    next.acts(6, "place_hold", &json!({}));
    next.undone(2, "place_hold", &json!({}));
    next.undone(1_000_000, "place_hold", &json!({}));
    assert_eq!(next.report()["holds"]["placed"], 6);
}

#[test]
fn what_exports_could_not_hand_out_is_no_gap_and_a_wrong_clock_no_missing_footage() {
    let mut log = Log::new();
    log.act("state_policy", json!({"camera": 2, "purpose": "p", "enabled": true, "retention_days_max": 7}));
    let gap = |reason: &str| json!({"kind": "gap", "end_ns": "95000000000", "reason": reason, "start_ns": "5000000000", "stream": 512});
    for (reason, times) in [("not_stored", 7), ("damaged", 6), ("clock_step", 5), ("overload", 5)] {
        (0..times).for_each(|_| _ = log.body(&gap(reason)));
    }
    let report = log.report();
    assert_eq!(report["missing_from_exports"], json!({"by": {"damaged": 6, "not_stored": 7}, "total": 13}));
    assert_eq!(report["gaps"], json!({"by": {"clock_step": 5, "overload": 5}, "total": 10}));
    assert_eq!(report["cameras"][0]["gap_seconds"], 450, "of the overload alone");
}

#[test]
fn a_camera_that_nobody_looked_at_for_a_year_is_shown_and_one_without_a_contact() {
    let mut log = Log::new();
    let policy = |camera: u64, enabled: bool| json!({"camera": camera, "purpose": "p", "enabled": enabled, "contact": camera == 1, "retention_days_max": 7});
    for (camera, enabled) in [(1, true), (2, true), (3, false)] {
        log.act("state_policy", policy(camera, enabled));
    }
    log.at_s += 365 * DAY_S;
    log.tally = log.tally.clone().next(Month::of(UtcNanos(log.at_s * NANOS_PER_SEC)));
    log.act("state_policy", policy(1, true));
    let overdue = |log: &Log| log.report()["cameras_review_overdue"].clone();
    assert_eq!((overdue(&log), &log.report()["cameras_without_contact"]), (json!(0), &json!(1)));
    log.at_s += 1;
    log.act("review_camera", json!({"camera": 9, "note": "there is none"}));
    assert_eq!(overdue(&log), 2, "a second more; one that is switched off need not be looked at");
    let reviewed = log.at_s;
    log.act("review_camera", json!({"camera": 2, "note": "still collisions"}));
    let report = log.report();
    assert_eq!((overdue(&log), &report["cameras"][1]["reviewed_utc_ms"]), (json!(1), &json!(reviewed * 1000)));
    assert_eq!(
        (&report["cameras"][0]["review_overdue"], &report["cameras"][1]["review_overdue"]),
        (&json!(true), &json!(false))
    );
    let text = text(&report);
    assert!(text.contains("OVERDUE") && text.contains("for more than a year whether it is still needed: 1"), "{text}");
    assert!(text.contains("nobody said who answers for it: 1"), "{text}");
}

#[test]
fn whoever_adds_and_removes_cameras_hides_no_other_one() {
    let mut log = Log::new();
    let policy = |camera: u64, removed: bool| json!({"camera": camera, "purpose": "p", "enabled": !removed, "removed": removed, "retention_days_max": 7});
    log.act("state_policy", policy(1, false));
    for camera in 2..6000 {
        log.act("state_policy", policy(camera, false));
        log.act("state_policy", policy(camera, true));
    }
    log.act("state_policy", policy(6000, false));
    let report = log.report();
    let shown: Vec<_> = report["cameras"].as_array().unwrap().iter().map(|camera| &camera["camera"]).collect();
    assert_eq!(shown, [&json!(1), &json!(6000)]);
    assert!(log.tally.carry().policies().len() <= 4096);
}

#[test]
fn an_open_month_tells_the_hour_alone_of_a_deadline_that_passes() {
    let mut log = Log::new();
    log.act("register_subject_request", json!({"request": 1, "due_utc_ms": (MONDAY_S + 60) * 1000}));
    log.at_s += HOUR_S - 1;
    log.acts(1, "live", &json!({"camera": 1}));
    let any = |log: &Log| log.tally.report(false)["subject_requests"]["any_overdue"].clone();
    assert_eq!((any(&log), &log.report()["subject_requests"]["any_overdue"]), (json!(false), &json!(true)));
    log.at_s += 1;
    log.acts(1, "live", &json!({"camera": 1}));
    assert_eq!(any(&log), true);
}
