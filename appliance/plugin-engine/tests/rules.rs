//! The real `watchbook-plugins` with export rules, orderly and hostile.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

#[path = "fixtures/event.rs"]
mod event;
mod fixtures;

use event::{START, event};
use fixtures::{BOMB, LOOP, NIGHT, OK, RULE_CHATTER, STEADY, TRAP, VERDICT_FLOOD, component, rule_component};
use serde_json::Map;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use watchbook_analysis::Point;
use watchbook_base::{CameraId, Kind};
use watchbook_plugin_host::rules::LocalTime;
use watchbook_plugin_host::{Binding, InstanceState, InstanceStatus, Plugins, Proposal, Report, Surroundings, Zone};

const PATIENCE: Duration = Duration::from_secs(300);

struct Station {
    plugins: Plugins,
    reports: Receiver<Report>,
    _folder: tempfile::TempDir,
}

fn install(directory: &Path, name: &str, component: &[u8]) {
    let folder = directory.join(name);
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("plugin.wasm"), component).unwrap();
    let manifest = format!(
        r#"
        id = "org.example.{name}"
        version = "1.0.0"
        world = "export-rule"
        api = "0.1"
        publisher = "Example"
        licence = "Apache-2.0"
        summary = "A fixture."
        purpose = "export-rule"
        [capabilities]
        required = ["log"]
        [budget]
        memory_mib = 8
        "#
    );
    std::fs::write(folder.join("plugin.toml"), manifest).unwrap();
}

fn station(fixtures: &[(&str, &str, &str)]) -> Station {
    let folder = tempfile::tempdir().unwrap();
    for (name, configure, evaluate) in fixtures {
        install(folder.path(), name, &rule_component(name, configure, evaluate));
    }
    open(folder)
}

fn open(folder: tempfile::TempDir) -> Station {
    let (sender, reports) = channel();
    let program = Path::new(env!("CARGO_BIN_EXE_watchbook-plugins"));
    let (plugins, problems) = Plugins::spawn(program, folder.path(), move |report| drop(sender.send(report))).unwrap();
    assert_eq!(problems, Vec::<String>::new());
    Station { plugins, reports, _folder: folder }
}

fn camera(number: u32) -> CameraId {
    CameraId::new(number).unwrap()
}

fn binding(plugin: &str) -> Binding {
    Binding { plugin: format!("org.example.{plugin}"), settings: Map::new(), zones: Vec::new() }
}

fn surroundings(hour: u8) -> Surroundings {
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
    Surroundings { camera_name: "Gate".into(), local, cases: vec!["2026-114".into()], recent: vec![event(camera(1))] }
}

impl Station {
    fn bind(&self, number: u32, plugin: &str) {
        self.plugins.bind(camera(number), binding(plugin)).unwrap();
    }

    fn status(&self, plugin: &str) -> InstanceStatus {
        let list = self.plugins.list();
        list.iter().find(|status| status.id.ends_with(plugin)).unwrap().instances[0].clone()
    }

    /// Gives events of a camera at one local hour until `done`, or fails after [`PATIENCE`].
    fn ask_until<T>(&self, what: &str, (number, hour): (u32, u8), mut done: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.plugins.event(&event(camera(number)), &surroundings(hour));
            if let Some(found) = done() {
                return found;
            }
            assert!(Instant::now() < deadline, "gave up waiting: {what}; {:#?}", self.plugins.list());
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_rule_is_asked_about_its_cameras_events_and_its_verdicts_come_back_checked() {
    let station = station(&[("night", OK, NIGHT)]);
    station.bind(1, "night");
    assert!(station.plugins.outputs(camera(1)).is_empty(), "a rule sees no frames");
    let (about, rule, verdicts) = station.ask_until("a verdict", (1, 22), || {
        station.reports.try_iter().find_map(|report| match report {
            Report::Verdicts { event, rule, verdicts } => Some((event, rule, verdicts)),
            _ => None,
        })
    });
    assert_eq!(
        (*about, rule.plugin.as_str(), rule.component_sha256.len()),
        (event(camera(1)), "org.example.night", 64)
    );
    let [verdict] = verdicts.as_slice() else { panic!("one verdict: {verdicts:?}") };
    let Proposal::ExportClip(clip) = &verdict.what else { panic!("a clip: {verdict:?}") };
    let start = START.0 as u64;
    assert_eq!((clip.camera.as_str(), clip.from_utc_ns, clip.to_utc_ns), ("camera-1", start, start + 1_000_000_000));
    assert_eq!((clip.approvals, verdict.reason.as_str()), (2, "after hours"));

    // Of another camera it is not asked, and by day it says nothing.
    let before = station.status("night");
    assert_eq!((before.state, before.traps, before.marks_refused), (InstanceState::Running, 0, 0));
    station.plugins.event(&event(camera(2)), &surroundings(22));
    let seen = station.ask_until("counts", (1, 12), || {
        Some(station.status("night").counts.seen).filter(|seen| *seen > before.counts.seen)
    });
    assert!(seen > 0 && station.status("night").counts.memory_bytes == 2 * 65_536);
    station.plugins.unbind(camera(1), "org.example.night");
    assert!(station.plugins.list()[0].instances.is_empty());
}

#[test]
fn each_hostile_rule_is_stopped_with_a_sentence_and_others_go_on() {
    let hostile = [
        ("bomb", BOMB, "limit is 8388608 bytes"),
        ("endless", LOOP, "20000000 instructions"),
        ("flood", VERDICT_FLOOD, "9 verdicts"),
        ("traps", TRAP, "unreachable"),
    ];
    let mut fixtures: Vec<_> = hostile.iter().map(|(name, body, _)| (*name, OK, *body)).collect();
    fixtures.extend([("night", OK, NIGHT), ("chatter", OK, RULE_CHATTER)]);
    let station = station(&fixtures);
    station.bind(1, "night");
    for (index, (name, _, word)) in hostile.iter().enumerate() {
        let number = index as u32 + 2;
        station.bind(number, name);
        let status = station.ask_until(name, (number, 0), || {
            Some(station.status(name)).filter(|status| status.state == InstanceState::Quarantined)
        });
        assert_eq!(status.traps, 5, "{name}");
        let sentence = status.last_error.unwrap();
        assert!(sentence.contains(word), "{name}: {word} is not in: {sentence}");
    }
    let unjudged = station.reports.try_iter().filter(|report| matches!(report, Report::Unjudged { .. })).count();
    assert!(unjudged >= 5 * hostile.len(), "each event without a verdict is told: {unjudged}");
    station.ask_until("the orderly one to go on", (1, 22), || {
        station.reports.try_iter().find(|report| matches!(report, Report::Verdicts { .. }))
    });
    assert_eq!(station.status("night").traps, 0);
    station.bind(20, "chatter");
    station.ask_until("dropped lines", (20, 0), || {
        Some(station.status("chatter").counts.lines_dropped).filter(|dropped| *dropped > 0)
    });
}

#[test]
fn wrong_rules_are_set_aside_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), "narrow", &rule_component("narrow", "(i32.const 1600)", NIGHT));
    install(folder.path(), "liar", &rule_component("honest", OK, NIGHT));
    install(folder.path(), "watcher", &component("watcher", OK, STEADY));
    let station = open(folder);
    for (number, name, word) in
        [(1, "narrow", "after hours"), (2, "liar", "org.example.honest"), (3, "watcher", "imports `frames`")]
    {
        station.bind(number, name);
        let status = station.ask_until(name, (number, 0), || {
            Some(station.status(name)).filter(|status| status.state == InstanceState::Faulted)
        });
        let sentence = status.last_error.unwrap();
        assert!(sentence.contains(word), "{name}: {word} is not in: {sentence}");
    }
    let road = Zone { name: "road".into(), outline: vec![Point { x: 0, y: 0 }; 3] };
    let refused = station.plugins.bind(camera(9), Binding { zones: vec![road], ..binding("narrow") }).unwrap_err();
    assert_eq!(refused.kind(), Kind::InvalidInput);
}

#[test]
fn a_host_that_hangs_costs_verdicts_and_never_time() {
    let station = station(&[("night", OK, NIGHT)]);
    station.bind(1, "night");
    let verdict = |report: &Report| matches!(report, Report::Verdicts { .. });
    station.ask_until("a verdict", (1, 22), || station.reports.try_iter().find(verdict));
    let first = station.plugins.child_id().unwrap();
    let process = rustix::process::Pid::from_raw(first as i32).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
    let before = station.status("night").missed;
    (0..1000).for_each(|_| station.plugins.event(&event(camera(1)), &surroundings(22)));
    assert!(station.status("night").missed - before >= 900, "what does not fit is dropped and counted");
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    station.ask_until("the new host", (1, 22), || station.plugins.child_id().filter(|id| *id != first));
    station.reports.try_iter().for_each(drop);
    station.ask_until("a verdict after the restart", (1, 22), || station.reports.try_iter().find(verdict));
}
