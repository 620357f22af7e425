//! Orderly and hostile plugins through the kit, as the recorder would treat them.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

#[path = "../../../appliance/plugin-engine/tests/fixtures/mod.rs"]
mod fixtures;

use fixtures::{BOMB, FLOOD, LOOP, OK, RECURSION, STEADY, TRAP, component};
use serde_json::{Map, Value, json};
use watchbook_plugin_engine::Failure;
use watchbook_plugin_host::{Manifest, Package};
use watchbook_plugin_testkit::scene::{SEED_DEFAULT, START_UTC_NS};
use watchbook_plugin_testkit::{Mode, Outcome, Runner, Scene, Source, fuzz};

fn package(name: &str, component: Vec<u8>, emits: &str) -> Package {
    let manifest = format!(
        r#"
        id = "org.example.{name}"
        version = "1.0.0"
        world = "analytics-plugin"
        api = "0.1"
        publisher = "Example"
        licence = "Apache-2.0"
        summary = "A fixture."
        purpose = "motion-detection"
        [capabilities]
        required = ["frames", "log"]
        [input]
        width = 32
        height = 16
        fps = 5.0
        format = "luma"
        [budget]
        memory_mib = 8
        [[settings]]
        name = "sensitivity"
        label = "Sensitivity"
        kind = "integer"
        min = 0
        max = 100
        default = 50
        [[settings]]
        name = "label"
        label = "Label"
        kind = "text"
        default = ""
        [[emits]]
        kind = "{emits}"
        meaning = "A frame came."
        "#
    );
    let manifest = Manifest::parse(&manifest).unwrap();
    Package::new(manifest, component)
}

fn runner(name: &str, start: &str, frame: &str, mode: Mode) -> Runner {
    Runner::new(package(name, component(name, start, frame), "test"), mode).unwrap()
}

fn scene(scene: Scene) -> Source {
    Source::Scene(Box::new(scene.pictures((32, 16), 5.0, SEED_DEFAULT)))
}

fn run(runner: &Runner) -> Outcome {
    runner.run(&mut scene(Scene::StaticNoise), ("{}", &[]), |_| true).unwrap()
}

#[test]
fn an_orderly_plugin_gets_every_frame_and_its_marks_come_out() {
    let runner = runner("steady", OK, STEADY, Mode::Pure);
    let outcome = run(&runner);
    // 20 seconds at 5 a second, one mark each.
    assert_eq!((outcome.frames, outcome.events, outcome.refused, outcome.failures), (100, 100, 0, 0));
    let third: Value = serde_json::from_str(&outcome.lines[2]).unwrap();
    assert_eq!(
        (&third["kind"], third["start_utc_ms"].as_i64()),
        (&json!("test"), Some(START_UTC_NS / 1_000_000 + 400))
    );
    assert_eq!(third["source"], json!({ "plugin": "org.example.steady" }));
    assert_eq!(outcome.figures.memory_bytes, 2 * 65_536, "two pages");
    let again = run(&runner);
    assert!(outcome.same(&again));
    assert_eq!(outcome.figures.fuel, again.figures.fuel, "instructions are counted, not timed");
    assert!(outcome.figures.fuel().p50 > 0.0);
}

#[test]
fn a_run_can_be_cut_short() {
    let runner = runner("steady", OK, STEADY, Mode::Live);
    let mut left = 7;
    let outcome = runner
        .run(&mut scene(Scene::StaticNoise), ("{}", &[]), |step| {
            assert!(step.failure.is_none());
            left -= 1;
            left > 0
        })
        .unwrap();
    assert_eq!((outcome.frames, outcome.figures.fuel().max), (7, 0.0));
}

#[test]
fn each_hostile_plugin_is_stopped_paused_and_set_aside_by_the_clips_clock() {
    for (name, frame, word) in [
        ("traps", TRAP, "unreachable"),
        ("endless", LOOP, "500 ms of processor time"),
        ("bomb", BOMB, "limit is 8388608 bytes"),
        ("deep", RECURSION, "stack"),
        ("flood", FLOOD, "65 marks"),
    ] {
        let outcome = run(&runner(name, OK, frame, Mode::Pure));
        // A fresh instance 1, 2, 4 and 8 seconds after the traps at second 0, 1, 3, 7; the one at 15 is the fifth.
        let at = |line: &String| {
            let line: Value = serde_json::from_str(line).unwrap();
            let sentence = line["trap"].as_str().unwrap_or_else(|| panic!("{name}: {line}"));
            assert!(sentence.contains(word), "{name}: {word} is not in: {sentence}");
            (line["frame_utc_ms"].as_i64().unwrap() - START_UTC_NS / 1_000_000) / 1_000
        };
        assert_eq!(outcome.lines.iter().map(at).collect::<Vec<_>>(), [0, 1, 3, 7, 15], "{name}");
        assert_eq!((outcome.frames, outcome.failures, outcome.skipped), (100, 5, 95), "{name}");
    }
}

#[test]
fn what_the_recorder_would_refuse_is_refused_with_the_reason() {
    let runner = Runner::new(package("steady", component("steady", OK, STEADY), "other"), Mode::Pure).unwrap();
    let outcome = run(&runner);
    assert_eq!((outcome.events, outcome.refused), (0, 100));
    assert!(outcome.lines[0].contains("the kind `test` is not in the manifest's `emits`"), "{}", outcome.lines[0]);
}

#[test]
fn wrong_components_and_wrong_names_are_refused_before_the_first_frame() {
    let noise = Runner::new(package("noise", b"not a component".to_vec(), "test"), Mode::Live).unwrap_err();
    assert!(noise.contains("not a component"), "{noise}");
    let liar = Runner::new(package("liar", component("honest", OK, STEADY), "test"), Mode::Live).unwrap();
    let Err(Failure::Refused(sentence)) = liar.watch("{}", &[]).map(drop) else { panic!("it was started") };
    assert!(sentence.contains("org.example.honest"), "{sentence}");
    let narrow = runner("narrow", "(i32.const 1600)", STEADY, Mode::Live);
    let sentence = narrow.run(&mut scene(Scene::StaticNoise), ("{}", &[]), |_| true).unwrap_err();
    assert_eq!(sentence, "road is too narrow");
}

#[test]
fn settings_are_completed_and_checked_as_on_the_page() {
    let runner = runner("steady", OK, STEADY, Mode::Live);
    let chosen = |value: Value| runner.settings_json(value.as_object().unwrap());
    assert_eq!(chosen(json!({ "sensitivity": 70 })).unwrap(), r#"{"label":"","sensitivity":70}"#);
    assert!(chosen(json!({ "sensitivity": 101 })).unwrap_err().contains("at most 100"));
    assert!(chosen(json!({ "colour": 1 })).unwrap_err().contains("colour"));
    assert_eq!(runner.settings_json(&Map::new()).unwrap(), r#"{"label":"","sensitivity":50}"#);
}

#[test]
fn hostile_settings_are_borne_and_what_a_plugin_does_with_them_is_told() {
    let calm = fuzz::settings(&runner("steady", OK, STEADY, Mode::Live), 20, 1).unwrap();
    assert_eq!((calm.within, calm.outside, calm.outside_trapped), (20, 20, 0));
    assert_eq!(calm.findings, []);
    // Traps at once when its settings have more than 60 bytes: a long label does that. Parameters 4 and 5 are their address and length.
    let touchy = "(if (i32.gt_u (local.get 5) (i32.const 60)) (then unreachable)) (i32.const 1400)";
    let touchy = fuzz::settings(&runner("touchy", touchy, STEADY, Mode::Live), 20, 1).unwrap();
    assert!(!touchy.findings.is_empty());
    for (settings, sentence) in &touchy.findings {
        assert!(settings.len() > 60 && sentence.contains("unreachable"), "{settings}: {sentence}");
    }
}
