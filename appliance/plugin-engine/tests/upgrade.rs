//! Upgrades of rules while events wait, and a plugin host that dies while a version is tried: the real `watchbook-plugins`, with plugins written as text.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

#[path = "fixtures/event.rs"]
mod event;
mod fixtures;

use event::{START, event};
use fixtures::{LOOP, NIGHT, OK, STEADY, TRAP, built, module, rule_module};
use serde_json::Map;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use watchbook_analysis::{Frame, Output, PixelFormat};
use watchbook_base::{CameraId, Kind, TrackRole, memfd};
use watchbook_plugin_host::package::sha256_hex;
use watchbook_plugin_host::rules::LocalTime;
use watchbook_plugin_host::{
    Binding, CompileLimits, Compiler, InstanceState, InstanceStatus, Manifest, Package, Plugins, Report, Surroundings,
};

const PATIENCE: Duration = Duration::from_secs(300);
const OUTPUT: Output = Output { width: 32, height: 16, format: PixelFormat::Luma, fps_max: 5.0 };

/// A package of this world, version `major.0.0`; its component says so too.
fn package(name: &str, major: u32, component: Vec<u8>, world: &str) -> Package {
    let watches = "purpose = \"motion-detection\"\ninput = { width = 32, height = 16, fps = 5.0, format = \"luma\" }\n\
         emits = [{ kind = \"test\", meaning = \"A frame came.\" }]\ncapabilities = { required = [\"frames\", \"log\"] }";
    let judges = "purpose = \"export-rule\"\ncapabilities = { required = [\"log\"] }";
    let manifest = format!(
        "id = \"org.example.{name}\"\nversion = \"{major}.0.0\"\nworld = \"{world}\"\napi = \"0.1\"\npublisher = \"Example\"\n\
         licence = \"Apache-2.0\"\nsummary = \"A fixture.\"\n{}\n[budget]\nmemory_mib = 8\n",
        if world == "export-rule" { judges } else { watches }
    );
    let component_sha256 = sha256_hex(&component);
    Package { manifest: Manifest::parse(&manifest).unwrap(), component, component_sha256, models: Default::default() }
}

fn versioned(text: &str, major: u32) -> String {
    text.replace("\"1.0.00.1\"", &format!("\"{major}.0.00.1\""))
}

fn rule(major: u32, configure: &str) -> Package {
    let text = versioned(&rule_module("night", configure, NIGHT), major);
    package("night", major, built(&text, "export-rule"), "export-rule")
}

fn watcher(major: u32, start: &str) -> Package {
    let text = versioned(&module("steady", start, STEADY), major);
    package("steady", major, built(&text, "analytics-plugin"), "analytics-plugin")
}

struct Station {
    plugins: Plugins,
    reports: Mutex<Receiver<Report>>,
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_watchbook-plugins");

fn station(package: Package) -> Station {
    station_with(package, Path::new(PROGRAM))
}

fn station_with(package: Package, compiler: &Path) -> Station {
    let (sender, receiver) = channel();
    let program = Path::new(PROGRAM);
    let compiler = Compiler::new(compiler, None, CompileLimits::USUAL);
    let plugins = Plugins::with(program, vec![package], compiler, move |report| drop(sender.send(report))).unwrap();
    Station { plugins, reports: Mutex::new(receiver) }
}

fn camera() -> CameraId {
    CameraId::new(1).unwrap()
}

fn at_night() -> Surroundings {
    let local = LocalTime {
        year: 2026,
        month: 11,
        day: 26,
        hour: 22,
        minute: 0,
        second: 0,
        weekday: 3,
        utc_offset_min: 420,
        zone: "Asia/Phnom_Penh".into(),
    };
    Surroundings { camera_name: "Gate".into(), local, cases: Vec::new(), recent: Vec::new() }
}

impl Station {
    fn bind(&self, plugin: &str) {
        let binding = Binding { plugin: format!("org.example.{plugin}"), settings: Map::new(), zones: Vec::new() };
        self.plugins.bind(camera(), binding).unwrap();
    }

    fn status(&self) -> (String, InstanceStatus) {
        let list = self.plugins.list();
        assert_eq!(list.len(), 1, "one version is shown");
        (list[0].version.clone(), list[0].instances[0].clone())
    }

    fn frame(&self) {
        let pixels = Arc::new(memfd::seal("frame", &vec![128; OUTPUT.frame_bytes()]).unwrap());
        let stream = camera().stream(TrackRole::SubVideo);
        let frame = Frame { stream, output: OUTPUT, seq: 0, utc: START, media: None, masked: false, pixels };
        self.plugins.frame(&frame);
    }

    fn until<T>(&self, what: &str, mut done: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = done() {
                return found;
            }
            assert!(Instant::now() < deadline, "gave up waiting: {what}; {:#?}", self.plugins.list());
            std::thread::yield_now();
        }
    }

    /// Asks about events until a verdict of this version comes; those of others that come before are of events that waited.
    fn until_judged_by(&self, version: &str) {
        self.until(&format!("a verdict of {version}"), || {
            self.plugins.event(&event(camera()), &at_night());
            let reports = self.reports.lock().unwrap();
            reports.try_iter().find_map(|report| match report {
                Report::Verdicts { rule, .. } if rule.version == version => Some(()),
                _ => None,
            })
        });
    }
}

#[test]
fn a_rule_is_upgraded_and_rolled_back_while_events_wait() {
    let station = station(rule(1, OK));
    station.bind("night");
    // More than there is room for: some wait at every moment of what follows.
    let asking = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while asking.load(std::sync::atomic::Ordering::SeqCst) {
                station.plugins.event(&event(camera()), &at_night());
                std::thread::yield_now();
            }
        });
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            station.until_judged_by("1.0.0");
            station.plugins.install(rule(2, OK)).unwrap();
            station.until_judged_by("2.0.0");
            // One that does not take its settings, and one that traps: the version before goes on.
            for configure in ["(i32.const 1600)", TRAP] {
                let error = station.plugins.install(rule(3, configure)).unwrap_err();
                assert_eq!(error.kind(), Kind::Conflict, "{error}");
                assert_eq!(station.status().0, "2.0.0");
                station.until_judged_by("2.0.0");
            }
            station.plugins.install(rule(1, OK)).unwrap();
            station.until_judged_by("1.0.0");
        }));
        asking.store(false, std::sync::atomic::Ordering::SeqCst);
        outcome.unwrap();
    });
    let (version, status) = station.status();
    assert_eq!((version.as_str(), status.state, status.traps), ("1.0.0", InstanceState::Running, 0));
}

#[test]
fn a_rule_whose_component_is_being_compiled_is_starting() {
    // A compiler that says nothing until it is let go.
    let folder = tempfile::tempdir().unwrap();
    let silent = folder.path().join("silent");
    std::fs::write(&silent, "#!/bin/sh\nexec /bin/cat\n").unwrap();
    std::fs::set_permissions(&silent, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let station = station_with(rule(1, OK), &silent);
    station.bind("night");
    station.until("the compile child", || {
        // Until the host has started there is nothing to compile for.
        station.plugins.event(&event(camera()), &at_night());
        station.plugins.compiler().child_id()
    });
    assert_eq!(
        (station.status().1.state, station.plugins.list()[0].state.as_str()),
        (InstanceState::Starting, "starting")
    );
}

#[test]
fn a_host_that_dies_while_a_version_is_tried_brings_the_one_before_back() {
    let station = station(watcher(1, OK));
    station.bind("steady");
    let works = |version: &str| {
        let before = station.status().1.events;
        station.until("an event", || {
            station.frame();
            (station.status().1.events > before).then_some(())
        });
        assert_eq!(station.status().0, version);
    };
    works("1.0.0");
    let child = station.plugins.child_id().unwrap();
    let process = rustix::process::Pid::from_raw(i32::try_from(child).unwrap()).unwrap();
    let error = std::thread::scope(|scope| {
        // Its start takes all the time that it may: two seconds of processor time.
        let trial = scope.spawn(|| station.plugins.install(watcher(2, LOOP)));
        station.until("the trial", || (station.status().0 == "2.0.0").then_some(()));
        rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
        trial.join().unwrap().unwrap_err()
    });
    assert_eq!(error.kind(), Kind::Conflict, "{error}");
    assert!(error.to_string().contains("1.0.0 goes on"), "{error}");
    works("1.0.0");
    assert_ne!(station.plugins.child_id(), Some(child));
    station.plugins.install(watcher(2, OK)).unwrap();
    works("2.0.0");
}
