//! The same analyser in every language of the SDK, as `sdk/conformance/build.sh` builds it, does the same.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use serde_json::{Map, Value};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use watchbook_plugin_testkit::scene::{SEED_DEFAULT, START_UTC_NS};
use watchbook_plugin_testkit::{Judge, Mode, Outcome, Runner, Scene, Source, read_plugin, rules};

/// JavaScript's tool does not give a lent frame back, so there are no analysers in it.
const LANGUAGES: [&str; 3] = ["rust", "c", "python"];

/// `$TARGET/conformance`: this program lies in `$TARGET/release/deps`.
fn folder() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).map(|target| target.join("conformance")).unwrap()
}

/// Says so, also to `make test`, which says it at its end.
fn not_tested(plugin: &Path) {
    let why = format!("{} is not built; sdk/conformance/build.sh builds it", plugin.display());
    eprintln!("NOT TESTED: {why}");
    if let Some(path) = std::env::var_os("WATCHBOOK_NOT_TESTED") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{why}").unwrap();
    }
}

fn run(runner: &Runner, scene: Scene) -> Outcome {
    let output = runner.package().manifest.output();
    let pictures = scene.pictures((output.width, output.height), output.fps_max, SEED_DEFAULT);
    let settings = runner.settings_json(&Map::new()).unwrap();
    runner.run(&mut Source::Scene(Box::new(pictures)), (&settings, &[]), |_| true).unwrap()
}

/// Seconds at which the events of a run began.
fn seconds(outcome: &Outcome) -> Vec<i64> {
    let at = |line: &String| {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["kind"], "brightness", "{line}");
        (line["start_utc_ms"].as_i64().unwrap() - START_UTC_NS / 1_000_000) / 1_000
    };
    outcome.lines.iter().map(at).collect()
}

#[test]
fn every_language_sees_the_light_go_and_come_back() {
    let mut built = 0;
    for language in LANGUAGES {
        let plugin = folder().join(format!("{language}-analyzer"));
        if !plugin.join("plugin.wasm").is_file() {
            not_tested(&plugin);
            continue;
        }
        built += 1;
        let runner = Runner::new(read_plugin(&plugin).unwrap(), Mode::Pure).unwrap();
        // By the scenes' own description: half the light is about 60 steps of brightness, a cover 100; noise is 4.
        assert_eq!(seconds(&run(&runner, Scene::LightSwitch)), [8, 14], "{language}");
        assert_eq!(seconds(&run(&runner, Scene::CoveredCamera)), [8, 14], "{language}");
        let quiet = run(&runner, Scene::StaticNoise);
        assert_eq!((quiet.lines.as_slice(), quiet.failures, quiet.skipped), (&[][..], 0, 0), "{language}");
        assert!(quiet.frames >= 20, "{language}: 20 seconds at one a second or more");
    }
    assert!(built == 0 || built == LANGUAGES.len(), "{built} of {} languages are built", LANGUAGES.len());
}

#[test]
fn every_language_tells_night_from_day() {
    let file = tempfile::NamedTempFile::new().unwrap();
    // 2025-11-24 16:00:05 UTC and 14 hours later; in Phnom Penh, seven hours ahead, 23:00 and 13:00. The rule's office hours are 8 to 17.
    let event = |start: i64| {
        format!(
            "{{\"kind\":\"motion\",\"score\":0.5,\"start_utc_ms\":{start},\"source\":{{\"plugin\":\"org.watchbook.motion\"}},\"utc_offset_min\":420}}\n"
        )
    };
    std::fs::write(file.path(), event(1_764_000_005_000) + &event(1_764_050_405_000)).unwrap();
    let events = rules::events_file(file.path()).unwrap();
    let mut built = 0;
    for language in ["rust", "c", "js", "python"] {
        let plugin = folder().join(format!("{language}-rule"));
        if !plugin.join("plugin.wasm").is_file() {
            not_tested(&plugin);
            continue;
        }
        built += 1;
        let judge = Judge::new(read_plugin(&plugin).unwrap()).unwrap();
        let outcome = judge.run(&events, &Map::new(), |_, _| {}).unwrap();
        assert_eq!((outcome.frames, outcome.refused, outcome.failures), (2, 0, 0), "{language}: {:?}", outcome.lines);
        let night =
            |line: &String| serde_json::from_str::<Value>(line).unwrap()["event_utc_ms"] == 1_764_000_005_000_i64;
        assert!(!outcome.lines.is_empty() && outcome.lines.iter().all(night), "{language}: {:?}", outcome.lines);
        let again = judge.run(&events, &Map::new(), |_, _| {}).unwrap();
        assert_eq!(outcome.figures.fuel, again.figures.fuel, "{language}: the same count of instructions");
    }
    assert!(built == 0 || built == 4, "{built} of 4 languages are built");
}
