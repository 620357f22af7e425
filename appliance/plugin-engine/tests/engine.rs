//! The engine as the author's test kit uses it: in this process, one call at a time.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod fixtures;

use fixtures::{
    BOMB, CHATTER, COPIES, FLOOD, GARBLED, LOOP, MARK_GARBLED, NIGHT, OK, RECURSION, RULE_CHATTER, SAVES, STEADY, TRAP,
    VERDICT_FLOOD, component, rule_component,
};
use std::sync::{Arc, Mutex};
use watchbook_plugin_engine::{
    AnalyticsInstance, Failure, Frame, Kept, Limits, Machine, Pixels, Prepared, RULE_FUEL, RuleInstance, Settings,
    Setup, World,
};
use watchbook_plugin_host::message::Mark;
use watchbook_plugin_host::rules::{Clip, LocalTime, Occurrence, Proposal, Situation, Verdict};

const LIMITS: Limits = Limits { memory_bytes: 8 << 20, call_ms: 50, store_bytes: 0 };

fn capabilities() -> Vec<String> {
    vec!["frames".into(), "log".into()]
}

fn prepared(settings: Settings, name: &str, start: &str, frame: &str) -> Prepared {
    let machine = Machine::new(settings).unwrap();
    machine.prepare(&component(name, start, frame), World::AnalyticsPlugin, &capabilities(), LIMITS).unwrap()
}

fn started(prepared: &Prepared, name: &str, kept: Kept) -> AnalyticsInstance {
    let mut instance = AnalyticsInstance::new(prepared, kept, Box::new(|_, _| {})).unwrap();
    instance.start(&setup(&format!("org.example.{name}"))).unwrap();
    instance
}

fn setup(id: &str) -> Setup<'_> {
    Setup { id, version: "1.0.0", camera: "clip", zones: &[], settings_json: "{}", saved: None }
}

fn frame(utc_ns: u64) -> Frame {
    let pixels = Pixels::Plane(Arc::from(vec![128; 512]));
    Frame { utc_ns, width: 32, height: 16, masked: false, skipped: 0, pixels }
}

#[test]
fn a_plugin_gets_frames_and_its_calls_are_measured() {
    let prepared = prepared(Settings::PURE, "steady", OK, STEADY);
    assert_eq!(prepared.world(), World::AnalyticsPlugin);
    let kept = Kept::default();
    let mut instance = started(&prepared, "steady", kept.clone());
    let fuel: Vec<u64> = (0..3)
        .map(|number| {
            let marks = instance.on_frame(frame(1000 + number)).unwrap();
            assert_eq!((marks.len(), marks[0].kind.as_str(), marks[0].start_utc_ns), (1, "test", 1000 + number));
            instance.usage().fuel
        })
        .collect();
    assert!(fuel[0] > 0 && fuel[1] == fuel[2], "the same call counts the same: {fuel:?}");
    // Two pages of 64 KiB, as its text says.
    assert_eq!(instance.memory_bytes(), 2 * 65_536);
    let counts = kept.counts();
    assert_eq!((counts.seen, counts.reads, counts.memory_bytes), (3, 3, 2 * 65_536));
    assert!(counts.busy_us >= u64::from(counts.call_us_max));
    assert_eq!(instance.stop().unwrap(), Vec::<u8>::new());
}

#[test]
fn a_frame_that_is_too_short_is_a_trap_that_says_so() {
    let prepared = prepared(Settings::LIVE, "steady", OK, STEADY);
    let mut instance = started(&prepared, "steady", Kept::default());
    let failure = instance.on_frame(Frame { height: 17, ..frame(0) }).unwrap_err();
    assert_eq!(failure, Failure::Trap("a frame of 512 bytes instead of 544".into()));
    assert_eq!(instance.usage().fuel, 0, "the live setting counts none");
    assert!(matches!(instance.on_frame(frame(0)), Err(Failure::Trap(_))), "an instance that trapped stays so");
}

#[test]
fn each_hostile_call_is_stopped_with_a_sentence() {
    for settings in [Settings::LIVE, Settings::PURE] {
        for (name, body, word) in [
            ("bomb", BOMB, "limit is 8388608 bytes"),
            ("endless", LOOP, "its 50 ms"),
            ("recursion", RECURSION, "call stack exhausted"),
            ("copies", COPIES, "its 50 ms"),
            ("traps", TRAP, "unreachable"),
            ("flood", FLOOD, "65 marks"),
            ("garbled", MARK_GARBLED, "utf-8"),
        ] {
            let prepared = prepared(settings, name, OK, body);
            let kept = Kept::default();
            let failure = started(&prepared, name, kept.clone()).on_frame(frame(0)).unwrap_err();
            assert!(matches!(&failure, Failure::Trap(sentence) if sentence.contains(word)), "{name}: {failure:?}");
            assert!(kept.counts().memory_bytes <= LIMITS.memory_bytes, "{name}");
            // What it left serves the next one.
            started(&prepared, name, kept);
        }
    }
}

#[test]
fn a_trap_names_the_function_it_happened_in() {
    let prepared = prepared(Settings::LIVE, "lost", OK, "(call $lost) (i32.const 1400)");
    let failure = started(&prepared, "lost", Kept::default()).on_frame(frame(0)).unwrap_err();
    assert!(failure.sentence().contains("unreachable") && failure.sentence().contains("lost"), "{failure}");
}

#[test]
fn lines_over_the_limit_are_dropped_and_counted() {
    let prepared = prepared(Settings::PURE, "chatter", OK, CHATTER);
    let (lines, kept) = (Arc::new(Mutex::new(Vec::new())), Kept::default());
    let sink = Arc::clone(&lines);
    let log = Box::new(move |_, text| sink.lock().unwrap().push(text));
    let mut instance = AnalyticsInstance::new(&prepared, kept.clone(), log).unwrap();
    instance.start(&setup("org.example.chatter")).unwrap();
    instance.on_frame(frame(0)).unwrap();
    let lines = lines.lock().unwrap().len() as u64;
    assert!((50..200).contains(&lines), "{lines} lines");
    assert_eq!(lines + kept.counts().lines_dropped, 200);
}

#[test]
fn what_a_plugin_saves_is_given_back() {
    let prepared = prepared(Settings::LIVE, "saves", SAVES, STEADY);
    let first = started(&prepared, "saves", Kept::default());
    // Without a saved state it starts from zero, as its text says.
    let saved = first.stop().unwrap();
    assert_eq!(saved, [0]);
    let mut second = AnalyticsInstance::new(&prepared, Kept::default(), Box::new(|_, _| {})).unwrap();
    second.start(&Setup { saved: Some(&[7]), ..setup("org.example.saves") }).unwrap();
    assert_eq!(second.stop().unwrap(), [7]);
}

#[test]
fn foreign_components_are_refused_before_they_run() {
    let machine = Machine::new(Settings::LIVE).unwrap();
    let refused = |bytes: &[u8], capabilities: &[String]| {
        let failure = machine.prepare(bytes, World::AnalyticsPlugin, capabilities, LIMITS).unwrap_err();
        assert!(matches!(failure, Failure::Refused(_)), "{failure:?}");
        failure.into_sentence()
    };
    let steady = component("steady", OK, STEADY);
    assert!(refused(b"noise", &capabilities()).contains("not a component"));
    assert!(refused(&steady, &["frames".into()]).contains("imports `log`"));
    assert!(refused(&steady[..steady.len() / 2], &capabilities()).contains("not a component"));
    let core = wat::parse_str("(module)").unwrap();
    assert!(refused(&core, &capabilities()).contains("not a component"), "a core module is none");

    let prepared = prepared(Settings::LIVE, "steady", OK, STEADY);
    let mut instance = AnalyticsInstance::new(&prepared, Kept::default(), Box::new(|_, _| {})).unwrap();
    let failure = instance.start(&setup("org.example.other")).unwrap_err();
    assert!(matches!(&failure, Failure::Refused(sentence) if sentence.contains("org.example.steady")), "{failure:?}");
}

fn rule(name: &str, configure: &str, evaluate: &str) -> Prepared {
    let machine = Machine::new(Settings::PURE).unwrap();
    let component = rule_component(name, configure, evaluate);
    machine.prepare(&component, World::ExportRule, &["log".into()], LIMITS).unwrap()
}

fn situation(hour: u8) -> Situation {
    let mark = Mark {
        kind: "motion".into(),
        score: 0.5,
        start_utc_ns: 5_000,
        end_utc_ns: Some(6_000),
        zone: Some("gate".into()),
        detections: Vec::new(),
        note: "something moved".into(),
    };
    let local = LocalTime {
        year: 2026,
        month: 11,
        day: 26,
        hour,
        minute: 0,
        second: 0,
        weekday: 3,
        utc_offset_min: 420,
        zone: "Asia/Phnom_Penh".into(),
    };
    let event = Occurrence { source: "org.example.motion".into(), mark };
    Situation {
        camera: "camera-3".into(),
        camera_name: "Gate".into(),
        recent: vec![event.clone(); 3],
        event,
        local,
        cases: vec!["2026-114".into()],
    }
}

fn judge(prepared: &Prepared, name: &str, hour: u8) -> (Result<Vec<Verdict>, Failure>, u64) {
    let mut instance = RuleInstance::new(prepared, Kept::default(), Box::new(|_, _| {})).unwrap();
    instance.configure((&format!("org.example.{name}"), "1.0.0"), "{}").unwrap();
    let outcome = instance.evaluate(&situation(hour));
    (outcome, instance.spent().fuel)
}

#[test]
fn a_rule_judges_each_event_alike_on_every_instance() {
    let prepared = rule("night", OK, NIGHT);
    let (by_day, _) = judge(&prepared, "night", 12);
    assert_eq!(by_day.unwrap(), []);
    let (by_night, fuel) = judge(&prepared, "night", 23);
    let clip = Clip {
        camera: "camera-3".into(),
        from_utc_ns: 5_000,
        to_utc_ns: 1_000_005_000,
        redaction: String::new(),
        case_number: String::new(),
        approvals: 2,
    };
    assert_eq!(by_night.unwrap(), [Verdict { what: Proposal::ExportClip(clip), reason: "after hours".into() }]);
    assert!(fuel > 0 && fuel < RULE_FUEL);
    // Another machine, compiled anew.
    assert_eq!(judge(&rule("night", OK, NIGHT), "night", 23).1, fuel);
}

#[test]
fn each_hostile_rule_is_stopped_with_a_sentence() {
    for (name, body, word) in [
        ("endless", LOOP, "20000000 instructions"),
        ("bomb", BOMB, "limit is 8388608 bytes"),
        ("recursion", RECURSION, "call stack exhausted"),
        ("copies", COPIES, "one call "),
        ("traps", TRAP, "unreachable"),
        ("flood", VERDICT_FLOOD, "9 verdicts"),
        ("garbled", GARBLED, "utf-8"),
    ] {
        let failure = judge(&rule(name, OK, body), name, 0).0.unwrap_err();
        assert!(matches!(&failure, Failure::Trap(sentence) if sentence.contains(word)), "{name}: {failure:?}");
    }
    let prepared = rule("sleepy", LOOP, NIGHT);
    let mut instance = RuleInstance::new(&prepared, Kept::default(), Box::new(|_, _| {})).unwrap();
    let failure = instance.configure(("org.example.sleepy", "1.0.0"), "{}").unwrap_err();
    assert!(failure.sentence().contains("20000000 instructions"), "{failure}");

    let kept = Kept::default();
    let mut instance =
        RuleInstance::new(&rule("chatter", OK, RULE_CHATTER), kept.clone(), Box::new(|_, _| {})).unwrap();
    instance.configure(("org.example.chatter", "1.0.0"), "{}").unwrap();
    assert_eq!(instance.evaluate(&situation(0)).unwrap(), []);
    assert!(kept.counts().lines_dropped >= 100);
}

#[test]
fn a_component_is_of_its_own_world_only() {
    let pure = Machine::new(Settings::PURE).unwrap();
    let capabilities = ["frames".to_owned(), "log".to_owned()];
    let steady = component("steady", OK, STEADY);
    let night = rule_component("night", OK, NIGHT);
    for (bytes, world) in [(&steady, World::ExportRule), (&night, World::AnalyticsPlugin)] {
        let failure = pure.prepare(bytes, world, &capabilities, LIMITS).unwrap_err();
        assert!(matches!(&failure, Failure::Refused(_)), "{failure:?}");
    }
    let as_rule = pure.prepare(&night, World::ExportRule, &capabilities, LIMITS).unwrap();
    assert!(AnalyticsInstance::new(&as_rule, Kept::default(), Box::new(|_, _| {})).is_err());
    let live = Machine::new(Settings::LIVE).unwrap();
    let not_pure = live.prepare(&night, World::ExportRule, &capabilities, LIMITS).unwrap();
    let failure = RuleInstance::new(&not_pure, Kept::default(), Box::new(|_, _| {})).unwrap_err();
    assert!(failure.sentence().contains("pure"), "{failure}");
}

#[test]
fn a_rule_that_refuses_its_settings_says_why() {
    let prepared = rule("narrow", "(i32.const 1600)", NIGHT);
    let mut instance = RuleInstance::new(&prepared, Kept::default(), Box::new(|_, _| {})).unwrap();
    let failure = instance.configure(("org.example.narrow", "1.0.0"), "{}").unwrap_err();
    assert_eq!(failure, Failure::Refused("after hours".into()));
    let mut instance = RuleInstance::new(&prepared, Kept::default(), Box::new(|_, _| {})).unwrap();
    assert!(matches!(instance.configure(("org.example.other", "1.0.0"), "{}"), Err(Failure::Refused(_))));
}
