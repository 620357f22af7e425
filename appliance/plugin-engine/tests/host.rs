//! The real `watchbook-plugins` with orderly and hostile plugins, written as text so that no other tool-chain is needed.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod fixtures;

use fixtures::{
    BOMB, CHATTER, COPIES, FLOOD, KEEPS, LOOP, MARK_GARBLED, OK, RECURSION, STEADY, TRAP, component, install,
    install_with,
};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use watchbook_analysis::{Frame, Output, PixelFormat, Point};
use watchbook_base::{CameraId, Event, Kind, TrackRole, UtcNanos, memfd};
use watchbook_plugin_host::{Binding, InstanceState, InstanceStatus, Level, Plugins, Report, Zone};

const PATIENCE: Duration = Duration::from_secs(300);
const START_NS: i64 = 1_764_000_000_000_000_000;
const OUTPUT: Output = Output { width: 32, height: 16, format: PixelFormat::Luma, fps_max: 5.0 };

struct Station {
    plugins: Plugins,
    reports: Mutex<Receiver<Report>>,
    clock_ns: AtomicI64,
    _folder: tempfile::TempDir,
}

fn station(fixtures: &[(&str, &str, &str)]) -> Station {
    let folder = tempfile::tempdir().unwrap();
    for (name, start, frame) in fixtures {
        install(folder.path(), name, &component(name, start, frame));
    }
    open(folder)
}

fn open(folder: tempfile::TempDir) -> Station {
    let (sender, receiver) = channel();
    let program = Path::new(env!("CARGO_BIN_EXE_watchbook-plugins"));
    let (plugins, problems) = Plugins::spawn(program, folder.path(), move |report| {
        let _ = sender.send(report);
    })
    .unwrap();
    assert_eq!(problems, Vec::<String>::new());
    Station { plugins, reports: Mutex::new(receiver), clock_ns: AtomicI64::new(START_NS), _folder: folder }
}

fn camera(number: u32) -> CameraId {
    CameraId::new(number).unwrap()
}

fn binding(plugin: &str) -> Binding {
    Binding { plugin: format!("org.example.{plugin}"), settings: Map::new(), zones: Vec::new() }
}

impl Station {
    fn bind(&self, number: u32, plugin: &str) {
        self.plugins.bind(camera(number), binding(plugin)).unwrap();
    }

    /// One frame, 200 ms after the one before.
    fn frame(&self, number: u32) {
        let pixels = memfd::seal("frame", &vec![128; OUTPUT.frame_bytes()]).unwrap();
        let utc = UtcNanos(self.clock_ns.fetch_add(200_000_000, Ordering::SeqCst));
        let stream = camera(number).stream(TrackRole::SubVideo);
        let frame = Frame { stream, output: OUTPUT, seq: 0, utc, media: None, masked: true, pixels: Arc::new(pixels) };
        self.plugins.frame(&frame);
    }

    fn status(&self, number: u32, plugin: &str) -> InstanceStatus {
        let list = self.plugins.list();
        let plugin = list.iter().find(|status| status.id.ends_with(plugin)).unwrap();
        plugin.instances.iter().find(|instance| instance.camera == camera(number)).unwrap().clone()
    }

    fn reports(&self) -> Vec<Report> {
        self.reports.lock().unwrap().try_iter().collect()
    }

    fn events(&self) -> Vec<Event> {
        let event = |report| if let Report::Event(event) = report { Some(event) } else { None };
        self.reports().into_iter().filter_map(event).collect()
    }

    /// Gives frames to the cameras until `done`, or fails after [`PATIENCE`].
    fn feed_until<T>(&self, what: &str, cameras: &[u32], mut done: impl FnMut() -> Option<T>) -> T {
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

    fn until_state(&self, number: u32, plugin: &str, state: InstanceState) -> InstanceStatus {
        self.feed_until(&format!("{plugin} to be {state:?}"), &[number], || {
            Some(self.status(number, plugin)).filter(|status| status.state == state)
        })
    }
}

#[test]
fn an_orderly_plugin_gets_frames_and_its_marks_become_events() {
    let station = station(&[("steady", OK, STEADY)]);
    let zones = vec![Zone { name: "road".into(), outline: vec![Point { x: 0, y: 0 }; 3] }];
    let settings = Map::from_iter([("sensitivity".to_owned(), json!(70))]);
    station.plugins.bind(camera(1), Binding { settings, zones, ..binding("steady") }).unwrap();
    assert_eq!(station.plugins.outputs(camera(1)), [OUTPUT]);
    assert!(station.plugins.outputs(camera(2)).is_empty());

    let event = station.feed_until("an event", &[1], || station.events().into_iter().next());
    assert_eq!((event.camera, event.kind.as_str(), event.end), (camera(1), "test", None));
    assert!(event.start.0 >= START_NS && (event.start.0 - START_NS) % 200_000_000 == 0);
    assert_eq!((event.source.plugin.as_str(), event.source.version.as_str()), ("org.example.steady", "1.0.0"));
    assert_eq!(event.source.component_sha256.len(), 64);

    let status = station.feed_until("counts", &[1], || Some(station.status(1, "steady")).filter(|s| s.counts.seen > 0));
    assert_eq!((status.state, status.traps, status.counts.reads), (InstanceState::Running, 0, status.counts.seen));
    assert_eq!(status.counts.memory_bytes, 2 * 65_536);

    station.plugins.unbind(camera(1), "org.example.steady");
    assert!(station.plugins.list()[0].instances.is_empty());
    assert_eq!(station.plugins.list()[0].state, "idle");
}

#[test]
fn each_hostile_call_is_stopped_with_a_sentence_and_others_go_on() {
    let station = station(&[
        ("bomb", OK, BOMB),
        ("chatter", OK, CHATTER),
        ("copies", OK, COPIES),
        ("endless", OK, LOOP),
        ("flood", OK, FLOOD),
        ("garbled", OK, MARK_GARBLED),
        ("keeps", OK, KEEPS),
        ("recursion", OK, RECURSION),
        ("steady", OK, STEADY),
        ("traps", OK, TRAP),
    ]);
    station.bind(1, "steady");
    let hostile = [
        ("bomb", "limit is 8388608 bytes"),
        ("copies", "its 100 ms"),
        ("endless", "its 100 ms"),
        ("flood", "65 marks"),
        ("garbled", "utf-8"),
        ("keeps", "borrow"),
        ("recursion", "call stack exhausted"),
        ("traps", "unreachable"),
    ];
    for (index, (name, _)) in hostile.iter().enumerate() {
        station.bind(index as u32 + 2, name);
    }
    for (index, (name, word)) in hostile.iter().enumerate() {
        let number = index as u32 + 2;
        let status = station
            .feed_until(name, &[1, number], || Some(station.status(number, name)).filter(|status| status.traps > 0));
        let sentence = status.last_error.unwrap();
        assert!(sentence.contains(word), "{name}: {word} is not in: {sentence}");
    }
    // Not its events: those of a minute are bounded, and it may have had all of them.
    let before = station.status(1, "steady").counts.seen;
    station.feed_until("the orderly one to go on", &[1, 2, 3, 4, 5, 6, 7, 8, 9], || {
        (station.status(1, "steady").counts.seen > before).then_some(())
    });
    assert_eq!(station.status(1, "steady").traps, 0);

    station.bind(20, "chatter");
    let dropped = station.feed_until("dropped lines", &[20], || {
        Some(station.status(20, "chatter").counts.lines_dropped).filter(|dropped| *dropped > 0)
    });
    let line = |report: &Report| matches!(report, Report::Log { level: Level::Warn, text, .. } if text == " is too narrow" || text == "road is too narrow");
    let lines = station.reports().iter().filter(|report| line(report)).count();
    assert!(lines <= 50 && dropped >= 150, "{lines} lines, {dropped} dropped");
}

#[test]
fn a_trapped_instance_comes_back_and_the_fifth_trap_is_the_end() {
    // Traps at every second frame, so that each fresh instance runs first.
    let second = format!("(if (i64.ne (i64.load (i32.const 2056)) (i64.const 0)) (then unreachable)) {STEADY}");
    let station = station(&[("shaky", OK, &second)]);
    station.bind(1, "shaky");
    station.until_state(1, "shaky", InstanceState::Restarting);
    let status = station.until_state(1, "shaky", InstanceState::Quarantined);
    assert_eq!(status.traps, 5);
    assert!(status.events >= 5, "a fresh instance worked after each trap: {} events", status.events);
    assert!(status.counts.skipped > 0, "frames during the pauses are counted");
    assert!(station.plugins.is_set_aside(camera(1), "org.example.shaky"));
    assert!(!station.plugins.is_set_aside(camera(2), "org.example.shaky"));
    let before = status.missed;
    station.frame(1);
    assert_eq!(station.status(1, "shaky").missed, before + 1);
    station.bind(1, "shaky");
    station.until_state(1, "shaky", InstanceState::Running);
}

#[test]
fn wrong_settings_and_wrong_components_are_set_aside_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), "narrow", &component("narrow", "(i32.const 1600)", STEADY));
    install(folder.path(), "liar", &component("honest", OK, STEADY));
    install(folder.path(), "noise", b"not a component");
    install(folder.path(), "sleepy", &component("sleepy", LOOP, STEADY));
    install_with(folder.path(), "greedy", &component("greedy", OK, STEADY), r#""frames""#);
    let station = open(folder);
    for (number, name, word) in [
        (1, "narrow", "road is too narrow"),
        (2, "liar", "org.example.honest"),
        (3, "noise", "not a component"),
        (5, "greedy", "imports `log`"),
    ] {
        station.bind(number, name);
        let sentence = station.until_state(number, name, InstanceState::Faulted).last_error.unwrap();
        assert!(sentence.contains(word), "{name}: {word} is not in: {sentence}");
    }
    station.bind(4, "sleepy");
    let sentence = station.until_state(4, "sleepy", InstanceState::Restarting).last_error.unwrap();
    assert!(sentence.contains("2000 ms"), "{sentence}");
}

#[test]
fn bindings_that_do_not_fit_are_refused_at_once() {
    let station = station(&[("steady", OK, STEADY)]);
    let refused = |change: fn(&mut Binding)| {
        let mut binding = binding("steady");
        change(&mut binding);
        let error = station.plugins.bind(camera(1), binding.clone()).unwrap_err();
        assert_eq!(station.plugins.check(Some(camera(1)), &binding).unwrap_err().to_string(), error.to_string());
        (error.kind(), error.to_string())
    };
    assert_eq!(refused(|binding| binding.plugin = "org.example.none".into()).0, Kind::NotFound);
    let (kind, sentence) = refused(|binding| {
        binding.settings.insert("sensitivity".into(), Value::from(101));
    });
    assert!(kind == Kind::InvalidInput && sentence.contains("at most 100"), "{sentence}");
    let (_, sentence) = refused(|binding| binding.zones.push(Zone { name: "road".into(), outline: vec![] }));
    assert!(sentence.contains("corners"), "{sentence}");
    // 8 MiB each of 2 GiB.
    let (taken, error) = (1_u32..)
        .find_map(|number| Some((number, station.plugins.bind(camera(number), binding("steady")).err()?)))
        .unwrap();
    assert_eq!((taken, error.kind()), (257, Kind::Exhausted));
    let one_more = station.plugins.check(Some(camera(257)), &binding("steady")).unwrap_err();
    assert_eq!(one_more.to_string(), error.to_string());
    assert!(station.plugins.check(Some(camera(1)), &binding("steady")).is_ok(), "what is bound may be bound anew");
    assert!(station.plugins.check(None, &binding("steady")).is_ok());
}

#[test]
fn a_killed_host_comes_back_and_every_binding_with_it() {
    let station = station(&[("steady", OK, STEADY)]);
    station.bind(1, "steady");
    station.bind(2, "steady");
    station.until_state(1, "steady", InstanceState::Running);
    station.feed_until("counts", &[1], || (station.status(1, "steady").counts.seen > 0).then_some(()));
    let seen = station.status(1, "steady").counts.seen;
    let first = station.plugins.child_id().unwrap();
    let process = rustix::process::Pid::from_raw(first as i32).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    station.feed_until("the new host", &[1, 2], || station.plugins.child_id().filter(|id| *id != first));
    station.reports();
    for number in [1, 2] {
        station.feed_until("an event after the restart", &[number], || {
            station.events().into_iter().find(|event| event.camera == camera(number))
        });
    }
    let status = station.status(1, "steady");
    assert!(status.missed > 0, "frames while there was no host are counted");
    assert!(status.counts.seen >= seen, "counts go on");
}

#[test]
fn the_host_works_behind_its_wall() {
    let station = station(&[("steady", OK, STEADY)]);
    station.bind(1, "steady");
    station.until_state(1, "steady", InstanceState::Running);
    let missing = station.plugins.wall().expect("it said so before it read a plugin");
    assert!(missing.iter().all(|sentence| sentence.contains("landlock")), "{missing:?}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", station.plugins.child_id().unwrap())).unwrap();
    // proc(5): 2 is a filter of calls.
    for line in ["Seccomp:\t2", "NoNewPrivs:\t1", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000"] {
        assert!(status.lines().any(|found| found == line), "{line}: {status}");
    }
}

#[test]
fn a_host_that_hangs_costs_frames_and_never_time() {
    let station = station(&[("steady", OK, STEADY)]);
    station.bind(1, "steady");
    station.until_state(1, "steady", InstanceState::Running);
    let process = rustix::process::Pid::from_raw(station.plugins.child_id().unwrap() as i32).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
    let before = station.status(1, "steady").missed;
    let begin = Instant::now();
    (0..5000).for_each(|_| station.frame(1));
    let spent = begin.elapsed();
    let missed = station.status(1, "steady").missed - before;
    assert!(missed > 4000, "{missed} of 5000 dropped");
    assert!(spent < Duration::from_secs(5), "5000 frames took {spent:?}");
    rustix::process::kill_process(process, rustix::process::Signal::CONT).unwrap();
    station.reports();
    station.feed_until("an event", &[1], || station.events().into_iter().next());
}

/// A street with a bright van that is there for the later half of every 200 frames, and drives then.
fn street(output: &Output, number: usize) -> Vec<u8> {
    let (width, height) = (output.width as usize, output.height as usize);
    let mut pixels: Vec<u8> = (0..width * height).map(|at| 80 + (at % width * 7 % 31) as u8).collect();
    if number % 200 >= 100 {
        let left = number * 8 % (width - 96);
        for row in pixels.chunks_mut(width).skip(height / 2).take(64) {
            row[left..left + 96].fill(220);
        }
    }
    pixels
}

/// The component that `plugins/build.sh` makes, when the environment says where it is.
#[test]
fn the_motion_plugin_sees_what_drives_by() {
    let Some(built) = std::env::var_os("WATCHBOOK_PLUGINS").map(PathBuf::from) else { return };
    let (packages, problems) = watchbook_plugin_host::Package::read_all(&built);
    assert!(problems.is_empty(), "{problems:?}");
    let plugin = "org.watchbook.motion";
    let package = packages.iter().find(|package| package.manifest.id == plugin);
    let output = package.expect("WATCHBOOK_PLUGINS has the plugin; make it with plugins/build.sh").manifest.output();

    // Its folder has more plugins than this one; the station takes them from where they are.
    let (sender, receiver) = channel();
    let program = Path::new(env!("CARGO_BIN_EXE_watchbook-plugins"));
    let (plugins, problems) = Plugins::spawn(program, &built, move |report| drop(sender.send(report))).unwrap();
    assert_eq!(problems, Vec::<String>::new());
    let corners = [(0, 30_000), (65_535, 30_000), (65_535, 65_535), (0, 65_535)];
    let zones = vec![Zone { name: "road".into(), outline: corners.map(|(x, y)| Point { x, y }).to_vec() }];
    plugins.bind(camera(1), Binding { plugin: plugin.into(), settings: Map::new(), zones }).unwrap();

    let instance = || plugins.list().into_iter().find(|status| status.id == plugin).unwrap().instances[0].clone();
    let deadline = Instant::now() + PATIENCE;
    let mut found = None;
    let event = (0_usize..).find_map(|number| {
        let pixels = Arc::new(memfd::seal("frame", &street(&output, number)).unwrap());
        let utc = UtcNanos(START_NS + number as i64 * 200_000_000);
        let stream = camera(1).stream(TrackRole::SubVideo);
        plugins.frame(&Frame { stream, output, seq: 0, utc, media: None, masked: false, pixels });
        assert!(Instant::now() < deadline, "gave up waiting for motion: {:#?}", instance());
        found = found.take().or_else(|| {
            receiver.try_iter().find_map(|report| if let Report::Event(event) = report { Some(event) } else { None })
        });
        // Counts come once a second: enough of them show what a frame costs.
        found.clone().filter(|_| instance().counts.seen >= 500)
    });
    let event = event.unwrap();
    assert_eq!((event.kind.as_str(), event.zone.as_deref()), ("motion", Some("road")));
    assert!(event.end.is_some_and(|end| end > event.start) && event.note.contains("moved"), "{event:?}");
    let area = event.detections[0].area;
    assert!(event.detections[0].class == "motion" && area.y >= 30_000 && area.w < 32_768, "{event:?}");
    let InstanceStatus { counts, traps, marks_refused, .. } = instance();
    assert_eq!((traps, marks_refused), (0, 0));
    println!(
        "{} us of processor time a frame of {}x{}, at most {}; {} bytes of memory",
        counts.busy_us / counts.seen,
        output.width,
        output.height,
        counts.call_us_max,
        counts.memory_bytes
    );
}
