//! Compiling in the real throw-away child: what is too large, too slow or killed is a sentence, and what was compiled is kept.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod fixtures;

use fixtures::{OK, STEADY, component, install};
use serde_json::Map;
use std::fmt::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use watchbook_base::{CameraId, memfd};
use watchbook_plugin_engine::{Failure, Limits, Machine, Settings, World};
use watchbook_plugin_host::compile::{ARTEFACT_BYTES_MAX, Job};
use watchbook_plugin_host::package::sha256_hex;
use watchbook_plugin_host::{Binding, Cache, CompileLimits, Compiler, InstanceState, InstanceStatus, Package, Plugins};

const PATIENCE: Duration = Duration::from_secs(300);

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_watchbook-plugins"))
}

/// An orderly component with 2,000 functions more, each of 2,000 operations on values that are not known before: several seconds of a fast processor's time to
/// compile.
fn large() -> Vec<u8> {
    static LARGE: OnceLock<Vec<u8>> = OnceLock::new();
    LARGE.get_or_init(make_large).clone()
}

fn make_large() -> Vec<u8> {
    let mut text = fixtures::module("large", OK, STEADY);
    assert_eq!(text.pop(), Some(')'));
    let turn = "(local.set 0 (i64.rotl (i64.mul (local.get 0) (local.get 1)) (i64.xor (local.get 1) (i64.load (i32.wrap_i64 (local.get 0))))))";
    for _ in 0..2000 {
        write!(text, "(func (param i64 i64) (result i64) {} (local.get 0))", turn.repeat(400)).unwrap();
    }
    text.push(')');
    fixtures::built(&text, "analytics-plugin")
}

fn compile(compiler: &Compiler, component: &[u8]) -> Result<OwnedFd, String> {
    let sealed = memfd::seal("component", component).unwrap();
    let sha256 = sha256_hex(component);
    compiler.artefact(&Job {
        component_sha256: &sha256,
        component: &sealed,
        world: World::AnalyticsPlugin,
        models: None,
    })
}

fn cached(folder: &Path) -> Option<Cache> {
    Some(Cache::open(folder).unwrap())
}

/// The one artefact in a folder.
fn kept(folder: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.file_name().unwrap() != "key");
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[test]
fn a_component_that_is_too_large_or_too_slow_to_compile_is_a_sentence_and_the_next_one_compiles() {
    let component = large();
    let refused = |limits: CompileLimits| compile(&Compiler::new(program(), None, limits), &component).unwrap_err();
    let sentence = refused(CompileLimits { cpu_s: 1, ..CompileLimits::USUAL });
    assert!(sentence.contains("more than 1 s of processor time"), "{sentence}");
    let sentence = refused(CompileLimits { memory_bytes: 64 << 20, ..CompileLimits::USUAL });
    assert!(sentence.contains("more than 64 MiB of memory"), "{sentence}");
    let sentence = refused(CompileLimits { wall_s: 1, ..CompileLimits::USUAL });
    assert!(sentence.contains("given up after 1 s"), "{sentence}");

    let compiler = Compiler::new(program(), None, CompileLimits::USUAL);
    let sentence = compile(&compiler, b"not a component").unwrap_err();
    assert!(sentence.contains("not a component"), "{sentence}");
    let artefact = compile(&compiler, &fixtures::component("steady", OK, STEADY)).unwrap();
    assert!(memfd::check(artefact.as_fd(), ARTEFACT_BYTES_MAX).unwrap() > 0);
    assert_eq!((compiler.compiled(), compiler.child_id()), (2, None));
}

#[test]
fn a_killed_compiler_is_a_sentence_and_the_next_one_compiles() {
    let compiler = Arc::new(Compiler::new(program(), None, CompileLimits::USUAL));
    let (component, own) = (large(), Arc::clone(&compiler));
    let compiling = std::thread::spawn(move || compile(&own, &component));
    let deadline = Instant::now() + PATIENCE;
    while compiler.compiled() == 0 {
        assert!(Instant::now() < deadline, "it never began");
        std::thread::yield_now();
    }
    let process = rustix::process::Pid::from_raw(compiler.child_id().unwrap() as i32).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    let sentence = compiling.join().unwrap().unwrap_err();
    assert!(sentence.contains("the compiler ended (signal: 9") && sentence.contains("try once more"), "{sentence}");
    assert!(compile(&compiler, &fixtures::component("steady", OK, STEADY)).is_ok());
}

#[test]
fn a_second_start_takes_the_cache_and_a_changed_byte_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let component = component("steady", OK, STEADY);
    let start = || Compiler::new(program(), cached(folder.path()), CompileLimits::USUAL);
    let bytes = |file: OwnedFd| memfd::read(file.as_fd(), ARTEFACT_BYTES_MAX).unwrap();
    let (first, second, third) = (start(), start(), start());
    let made = bytes(compile(&first, &component).unwrap());
    assert_eq!(bytes(compile(&second, &component).unwrap()), made);
    assert_eq!((first.compiled(), second.compiled()), (1, 0));

    let file = kept(folder.path());
    let mut changed = std::fs::read(&file).unwrap();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    std::fs::write(&file, changed).unwrap();
    assert_eq!(bytes(compile(&third, &component).unwrap()), made, "compiled again, not taken from the disk");
    assert_eq!((third.compiled(), bytes(compile(&second, &component).unwrap())), (1, made));
    assert_eq!(second.compiled(), 0, "what was compiled again is kept again");
}

#[test]
fn machine_code_of_another_engine_is_refused_by_name_and_by_the_engine() {
    let (live, pure) = (Machine::new(Settings::LIVE).unwrap(), Machine::new(Settings::PURE).unwrap());
    assert_ne!(live.fingerprint(), pure.fingerprint());
    assert_eq!(live.fingerprint(), Machine::new(Settings::LIVE).unwrap().fingerprint());
    // What `make` may not give: a component of another engine.
    let other = wasmtime::Engine::default();
    let artefact = other.precompile_component(&component("steady", OK, STEADY)).unwrap();
    assert_eq!(wasmtime::Engine::detect_precompiled(&artefact), Some(wasmtime::Precompiled::Component));
    let limits = Limits { memory_bytes: 8 << 20, call_ms: 100, store_bytes: 0 };
    let capabilities = ["frames".to_owned(), "log".to_owned()];
    let failure = live.prepare(&artefact, World::AnalyticsPlugin, &capabilities, limits).unwrap_err();
    assert!(matches!(failure, Failure::Refused(_)), "machine code where a component should be: {failure}");
}

struct Station {
    plugins: Plugins,
    _folder: tempfile::TempDir,
}

fn station(components: &[(&str, Vec<u8>)], cache: &Path, limits: CompileLimits) -> Station {
    let folder = tempfile::tempdir().unwrap();
    components.iter().for_each(|(name, bytes)| install(folder.path(), name, bytes));
    let (packages, problems) = Package::read_all(folder.path());
    assert!(problems.is_empty(), "{problems:?}");
    let compiler = Compiler::new(program(), cached(cache), limits);
    let plugins = Plugins::with(program(), packages, compiler, |_| {}).unwrap();
    Station { plugins, _folder: folder }
}

impl Station {
    fn bind(&self, name: &str) {
        let binding = Binding { plugin: format!("org.example.{name}"), settings: Map::new(), zones: Vec::new() };
        let deadline = Instant::now() + PATIENCE;
        while self.plugins.child_id().is_none() {
            assert!(Instant::now() < deadline, "no plugin host");
            std::thread::yield_now();
        }
        self.plugins.bind(CameraId::new(1).unwrap(), binding).unwrap();
    }

    fn until(&self, name: &str, state: InstanceState) -> InstanceStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let list = self.plugins.list();
            let plugin = list.iter().find(|status| status.id.ends_with(name)).unwrap();
            if let Some(found) = plugin.instances.iter().find(|instance| instance.state == state) {
                return found.clone();
            }
            assert!(Instant::now() < deadline, "gave up waiting for {name} to be {state:?}: {list:#?}");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_plugin_that_does_not_compile_is_set_aside_and_others_run() {
    let cache = tempfile::tempdir().unwrap();
    let steady = || ("steady", component("steady", OK, STEADY));
    let limits = CompileLimits { cpu_s: 1, ..CompileLimits::USUAL };
    let station = self::station(&[("large", large()), steady()], cache.path(), limits);
    station.bind("large");
    station.bind("steady");
    let host = station.plugins.child_id();
    let sentence = station.until("large", InstanceState::Faulted).last_error.unwrap();
    assert!(sentence.contains("processor time"), "{sentence}");
    station.until("steady", InstanceState::Running);
    assert_eq!((station.plugins.compiler().compiled(), station.plugins.child_id()), (2, host));
    // Whoever binds it again has it compiled again.
    station.bind("large");
    station.until("large", InstanceState::Faulted);
    assert_eq!(station.plugins.compiler().compiled(), 3);
    drop(station);

    let again = self::station(&[steady()], cache.path(), CompileLimits::USUAL);
    again.bind("steady");
    again.until("steady", InstanceState::Running);
    assert_eq!(again.plugins.compiler().compiled(), 0, "kept since the first start");
}

#[test]
fn a_station_that_stops_does_not_wait_for_what_is_being_compiled() {
    let cache = tempfile::tempdir().unwrap();
    let station = station(&[("large", large())], cache.path(), CompileLimits::USUAL);
    station.bind("large");
    let deadline = Instant::now() + PATIENCE;
    while station.plugins.compiler().compiled() == 0 {
        assert!(Instant::now() < deadline, "it never began");
        std::thread::yield_now();
    }
    let child = station.plugins.compiler().child_id().unwrap();
    drop(station);
    assert!(!Path::new(&format!("/proc/{child}")).exists(), "the child is gone");
    assert!(std::fs::read_dir(cache.path()).unwrap().all(|entry| entry.unwrap().file_name() == "key"));
}

/// The components that `sdk/conformance` builds, when the environment says where they are; prints what each takes.
#[test]
fn every_language_compiles_within_the_limits() {
    let Some(built) = std::env::var_os("WATCHBOOK_CONFORMANCE").map(PathBuf::from) else { return };
    let compiler = Compiler::new(program(), None, CompileLimits::USUAL);
    for entry in std::fs::read_dir(built).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(component) = std::fs::read(folder.join("plugin.wasm")) else { continue };
        let begin = Instant::now();
        let artefact = compile(&compiler, &component).unwrap();
        let length = memfd::check(artefact.as_fd(), ARTEFACT_BYTES_MAX).unwrap();
        println!("{}: {} bytes, {length} compiled, {:?}", folder.display(), component.len(), begin.elapsed());
    }
    assert!(compiler.compiled() > 0, "no component is there");
}
