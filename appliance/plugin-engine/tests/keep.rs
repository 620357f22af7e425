//! What outlives an instance, and plugins that change while others run: the real `watchbook-plugins`, with plugins written as text.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod fixtures;

use fixtures::{OK, STEADY, built, component, module};
use serde_json::{Map, json};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use watchbook_analysis::{Frame, Output, PixelFormat};
use watchbook_base::{CameraId, Kind, TrackRole, UtcNanos, memfd};
use watchbook_plugin_host::{
    Binding, CompileLimits, Compiler, InstanceState, InstanceStatus, Level, Manifest, Package, Plugins, Report,
};

const PATIENCE: Duration = Duration::from_secs(300);
const START_NS: i64 = 1_764_000_000_000_000_000;
const OUTPUT: Output = Output { width: 32, height: 16, format: PixelFormat::Luma, fps_max: 5.0 };

/// A `start` that takes a letter from what was saved and one from the store, begins with the one before `a` where there is none, moves both on by one,
/// keeps them, and logs them: `aa` for a plugin that has no state yet.
const LETTERS: &str = r#"
    (i32.store16 (i32.const 3000) (i32.const 0x6060))
    (if (i32.and (local.get 6) (i32.ne (local.get 8) (i32.const 0)))
      (then (i32.store8 (i32.const 3000) (i32.load8_u (local.get 7)))))
    (call $get (i32.const 1024) (i32.const 3) (i32.const 3016))
    (if (i32.load8_u (i32.const 3016))
      (then (i32.store8 (i32.const 3001) (i32.load8_u (i32.load (i32.const 3020))))))
    (i32.store16 (i32.const 3000) (i32.add (i32.load16_u (i32.const 3000)) (i32.const 0x101)))
    (call $set (i32.const 1024) (i32.const 3) (i32.const 3001) (i32.const 1) (i32.const 3016))
    (call $log (i32.const LEVEL) (i32.const 3000) (i32.const 2))
    (i32.store (i32.const 3004) (i32.const 3000))
    (i32.store (i32.const 3008) (i32.const 1))
    (global.set $stopped (i32.const 3004))
    END"#;
/// What LETTERS ends with on the camera whose word ends with a 2; it is well elsewhere.
const REFUSES_TWO: &str = "(select (i32.const 1600) (i32.const 1400) (i32.eq
    (i32.load8_u (i32.sub (i32.add (local.get 0) (local.get 1)) (i32.const 1))) (i32.const 50)))";
const TRAPS: &str = "unreachable";

/// The plugin of LETTERS: version `major.0.0`, which logs with this level, with this end of its `start`.
fn letters(major: u32, level: Level, end: &str) -> Package {
    package("letters", major, built(&letters_text(major, level, end), "analytics-plugin"))
}

fn letters_text(major: u32, level: Level, end: &str) -> String {
    let level = if level == Level::Info { "2" } else { "3" };
    let start = LETTERS.replace("LEVEL", level).replace("END", end);
    let imports = r#"(module
        (import "watchbook:plugin/store@0.1.0" "get" (func $get (param i32 i32 i32)))
        (import "watchbook:plugin/store@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32)))"#;
    let text = module("letters", &start, STEADY).replacen("(module", imports, 1);
    text.replace("\"1.0.00.1\"", &format!("\"{major}.0.00.1\""))
}

/// As the first version of `letters`; its `stop` never returns.
fn endless_stop() -> Package {
    let text = letters_text(1, Level::Info, OK);
    let endless =
        text.replace("(result i32) (global.get $stopped)", "(result i32) (loop $again (br $again)) unreachable");
    assert_ne!(text, endless);
    package("letters", 1, built(&endless, "analytics-plugin"))
}

fn package(name: &str, major: u32, component: Vec<u8>) -> Package {
    let manifest = format!(
        r#"
        id = "org.example.{name}"
        version = "{major}.0.0"
        world = "analytics-plugin"
        api = "0.1"
        publisher = "Example"
        licence = "Apache-2.0"
        summary = "A fixture."
        purpose = "motion-detection"
        [capabilities]
        required = ["frames", "log", "store"]
        [input]
        width = 32
        height = 16
        fps = 5.0
        format = "luma"
        [budget]
        memory_mib = 8
        store_kib = 1
        [[settings]]
        name = "sensitivity"
        label = "Sensitivity"
        kind = "integer"
        min = 0
        max = 100
        default = 50
        [[emits]]
        kind = "test"
        meaning = "A frame came."
        "#
    );
    Package::new(Manifest::parse(&manifest).unwrap(), component)
}

struct Station {
    plugins: Plugins,
    incoming: Mutex<Receiver<Report>>,
    seen: Mutex<Vec<Report>>,
    clock_ns: AtomicI64,
}

fn station(packages: Vec<Package>) -> Station {
    let (sender, receiver) = channel();
    let program = Path::new(env!("CARGO_BIN_EXE_watchbook-plugins"));
    let plugins = Plugins::with(program, packages, Compiler::new(program, None, CompileLimits::USUAL), move |report| {
        drop(sender.send(report))
    })
    .unwrap();
    let (incoming, seen) = (Mutex::new(receiver), Mutex::default());
    Station { plugins, incoming, seen, clock_ns: AtomicI64::new(START_NS) }
}

fn camera(number: u32) -> CameraId {
    CameraId::new(number).unwrap()
}

impl Station {
    fn bind(&self, number: u32, plugin: &str, sensitivity: u32) {
        let settings = Map::from_iter([("sensitivity".to_owned(), json!(sensitivity))]);
        let binding = Binding { plugin: format!("org.example.{plugin}"), settings, zones: Vec::new() };
        self.plugins.bind(camera(number), binding).unwrap();
    }

    fn frame(&self, number: u32) {
        let pixels = memfd::seal("frame", &vec![128; OUTPUT.frame_bytes()]).unwrap();
        let utc = UtcNanos(self.clock_ns.fetch_add(200_000_000, Ordering::SeqCst));
        let stream = camera(number).stream(TrackRole::SubVideo);
        self.plugins.frame(&Frame {
            stream,
            output: OUTPUT,
            seq: 0,
            utc,
            media: None,
            masked: true,
            pixels: Arc::new(pixels),
        });
    }

    fn status(&self, number: u32, plugin: &str) -> InstanceStatus {
        let list = self.plugins.list();
        let plugin = list.iter().find(|status| status.id.ends_with(plugin)).unwrap();
        plugin.instances.iter().find(|instance| instance.camera == camera(number)).unwrap().clone()
    }

    fn version(&self) -> String {
        let list = self.plugins.list();
        let all: Vec<_> = list.iter().filter(|status| status.id == "org.example.letters").collect();
        assert_eq!(all.len(), 1, "one version is shown");
        all[0].version.clone()
    }

    fn reports<T>(&self, pick: impl FnMut(&Report) -> Option<T>) -> Vec<T> {
        let mut seen = self.seen.lock().unwrap();
        seen.extend(self.incoming.lock().unwrap().try_iter());
        seen.iter().filter_map(pick).collect()
    }

    /// What the plugins of a camera logged with `level`.
    fn lines(&self, number: u32, level: Level) -> Vec<String> {
        self.reports(|report| match report {
            Report::Log { camera: of, level: at, text, .. } if *of == camera(number) && *at == level => {
                Some(text.clone())
            }
            _ => None,
        })
    }

    fn rolled_back(&self) -> Vec<(String, String, String)> {
        self.reports(|report| match report {
            Report::RolledBack { version, tried, sentence, .. } => {
                Some((version.clone(), tried.clone(), sentence.clone()))
            }
            _ => None,
        })
    }

    fn until<T>(&self, what: &str, cameras: &[u32], mut done: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            cameras.iter().for_each(|number| self.frame(*number));
            if let Some(found) = done() {
                return found;
            }
            assert!(Instant::now() < deadline, "gave up waiting: {what}; {:#?}", self.plugins.list());
            std::thread::yield_now();
        }
    }

    /// Feeds the camera until `letters` has logged all these, in this order.
    fn until_lines(&self, number: u32, lines: &[&str]) {
        self.until(&format!("{lines:?} of camera {number}"), &[number], || {
            let have = self.lines(number, Level::Info);
            (have.len() >= lines.len()).then(|| assert_eq!(have, lines, "camera {number}"))
        });
    }

    /// Feeds the camera until the plugin has given an event for a frame from now on.
    fn until_works(&self, number: u32) {
        let before = self.status(number, "letters").events;
        self.until("an event", &[number], || (self.status(number, "letters").events > before).then_some(()));
        assert_eq!(self.status(number, "letters").state, InstanceState::Running);
    }

    /// Instances that have a thread in the child.
    fn threads(&self) -> usize {
        let tasks = format!("/proc/{}/task", self.plugins.child_id().unwrap());
        let names = std::fs::read_dir(tasks).unwrap().flatten();
        let name = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        names.map(name).filter(|name| name.starts_with("plugin-")).count()
    }
}

#[test]
fn state_survives_other_settings_and_an_upgrade_and_not_a_removal() {
    let station = station(vec![letters(1, Level::Info, OK)]);
    station.bind(1, "letters", 50);
    station.until_lines(1, &["aa"]);
    station.bind(1, "letters", 60);
    station.until_lines(1, &["aa", "bb"]);
    station.plugins.install(letters(2, Level::Info, OK)).unwrap();
    assert_eq!(station.version(), "2.0.0");
    station.until_lines(1, &["aa", "bb", "cc"]);
    // Back to the version before, as an administrator does it: that is an upgrade too.
    station.plugins.install(letters(1, Level::Info, OK)).unwrap();
    station.until_lines(1, &["aa", "bb", "cc", "dd"]);
    station.until_works(1);
    let child = station.plugins.child_id();

    station.plugins.remove("org.example.letters");
    assert!(station.plugins.list().is_empty() && station.plugins.outputs(camera(1)).is_empty());
    let binding = Binding { plugin: "org.example.letters".into(), settings: Map::new(), zones: Vec::new() };
    assert_eq!(station.plugins.bind(camera(1), binding).unwrap_err().kind(), Kind::NotFound);
    station.until("the instance to end", &[1], || (station.threads() == 0).then_some(()));
    station.plugins.install(letters(1, Level::Info, OK)).unwrap();
    station.bind(1, "letters", 60);
    station.until_lines(1, &["aa", "bb", "cc", "dd", "aa"]);
    assert_eq!(station.plugins.child_id(), child, "no child was started for it");
}

#[test]
fn one_that_does_not_stop_hands_on_its_store_and_nothing_else() {
    let station = station(vec![endless_stop()]);
    station.bind(1, "letters", 50);
    station.until_lines(1, &["aa"]);
    station.bind(1, "letters", 60);
    station.until_lines(1, &["aa", "ab"]);
}

#[test]
fn a_version_that_fails_anywhere_is_rolled_back_with_the_state_of_the_one_before() {
    let station = station(vec![letters(1, Level::Info, OK)]);
    for number in [1, 2] {
        station.bind(number, "letters", 50);
        station.until_lines(number, &["aa"]);
    }
    let fails = |package: Package, word: &str| {
        let before = station.rolled_back().len();
        let error = station.plugins.install(package).unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict, "{error}");
        assert!(error.to_string().contains(word), "{word} is not in: {error}");
        let reports = station.rolled_back();
        assert_eq!(reports.len(), before + 1);
        let (version, tried, sentence) = reports.last().unwrap();
        assert_eq!((version.as_str(), tried.as_str()), ("1.0.0", "2.0.0"));
        assert!(sentence.contains(word), "{sentence}");
        assert_eq!(station.version(), "1.0.0");
        [1, 2].iter().for_each(|number| station.until_works(*number));
    };
    // Not even started: the old one was never stopped.
    fails(package("letters", 2, b"not a component".to_vec()), "not a component");
    [1, 2].iter().for_each(|number| station.until_lines(*number, &["aa"]));
    // Well on one camera, where it makes something of the state; the other refuses it.
    fails(letters(2, Level::Warn, REFUSES_TWO), "road is too narrow");
    [1, 2].iter().for_each(|number| station.until_lines(*number, &["aa", "bb"]));
    assert_eq!(station.lines(2, Level::Warn), ["bb"], "it was tried with the state");
    fails(letters(2, Level::Warn, TRAPS), "unreachable");
    [1, 2].iter().for_each(|number| station.until_lines(*number, &["aa", "bb", "cc"]));
    // One that works then has it all.
    station.plugins.install(letters(2, Level::Info, OK)).unwrap();
    [1, 2].iter().for_each(|number| station.until_lines(*number, &["aa", "bb", "cc", "dd"]));
    assert_eq!(station.threads(), 2);
}

#[test]
fn what_can_be_known_without_a_trial_is_refused_at_once() {
    let station = station(vec![letters(1, Level::Info, OK)]);
    station.bind(1, "letters", 70);
    station.until_lines(1, &["aa"]);
    let mut narrower = letters(2, Level::Info, OK);
    narrower.manifest.settings.clear();
    let error = station.plugins.install(narrower).unwrap_err();
    assert!(error.kind() == Kind::InvalidInput && error.to_string().contains("sensitivity"), "{error}");
    let mut larger = letters(2, Level::Info, OK);
    larger.manifest.budget.memory_mib = 4096;
    assert_eq!(station.plugins.install(larger).unwrap_err().kind(), Kind::Exhausted);
    station.plugins.install(letters(1, Level::Info, OK)).unwrap();
    station.until_works(1);
    assert_eq!(station.lines(1, Level::Info), ["aa"], "the same again is no change");
}

#[test]
fn a_flood_of_installs_stays_bounded_and_a_neighbour_sees_every_frame() {
    const THREADS: usize = 4;
    const CALLS: usize = 6;
    let steady = package("steady", 1, component("steady", OK, STEADY));
    let station = station(vec![letters(1, Level::Info, OK), steady]);
    station.bind(1, "letters", 50);
    station.until_lines(1, &["aa"]);
    station.bind(9, "steady", 50);
    // Every frame of the fixture gives a mark: an event, or one that is over the limit of events.
    let answers = || {
        let status = station.status(9, "steady");
        status.events + status.marks_refused
    };
    station.until("the neighbour", &[9], || (answers() > 0).then_some(()));
    // While it was starting its queue was filled, and what did not fit was missed. From one that fits on, none may be.
    let missed = || station.status(9, "steady").missed;
    station.until("room for a frame", &[], || {
        let (before, answered) = (missed(), answers());
        station.frame(9);
        // Answered, it or one before it: the next one has its place.
        (missed() == before).then(|| station.until("an answer", &[], || (answers() > answered).then_some(())))
    });
    let missed_before = missed();
    let versions = [letters(2, Level::Warn, OK), letters(3, Level::Warn, REFUSES_TWO), letters(1, Level::Warn, TRAPS)];
    let flood = |first: usize| {
        for package in versions.iter().cycle().skip(first).take(CALLS) {
            if let Err(error) = station.plugins.install(package.clone()) {
                assert_eq!(error.kind(), Kind::Conflict, "{error}");
            }
        }
    };
    std::thread::scope(|scope| {
        let flood = &flood;
        let threads: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || flood(first))).collect();
        // One frame at a time to the neighbour, each answered before the next, while the others push.
        station.until("the flood to end", &[], || {
            let before = answers();
            station.frame(9);
            station.until("the neighbour's answer", &[], || (answers() > before).then_some(()));
            threads.iter().all(std::thread::ScopedJoinHandle::is_finished).then_some(())
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    let neighbour = station.status(9, "steady");
    assert_eq!((neighbour.missed, neighbour.traps, neighbour.state), (missed_before, 0, InstanceState::Running));
    station.plugins.install(letters(4, Level::Info, OK)).unwrap();
    assert_eq!(station.version(), "4.0.0");
    station.until("what was tried to end", &[1], || (station.threads() == 2).then_some(()));
    station.until_works(1);
}
