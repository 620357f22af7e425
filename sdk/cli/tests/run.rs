//! The commands that run plugins, as an author calls them.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

#[path = "../../../appliance/plugin-engine/tests/fixtures/mod.rs"]
mod fixtures;

use fixtures::{OK, STEADY, TRAP, component};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn install(folder: &Path, frame: &str) {
    let manifest = r#"
        id = "org.example.steady"
        version = "1.0.0"
        world = "analytics-plugin"
        api = "0.1"
        publisher = "Example"
        licence = "Apache-2.0"
        summary = "A fixture."
        purpose = "motion-detection"
        input = { width = 32, height = 16, fps = 5.0, format = "luma" }
        capabilities = { required = ["frames", "log"] }
        emits = [{ kind = "test", meaning = "A frame came." }]
    "#;
    std::fs::write(folder.join("plugin.toml"), manifest).unwrap();
    std::fs::write(folder.join("plugin.wasm"), component("steady", OK, frame)).unwrap();
}

fn call(folder: &Path, words: &str) -> (Output, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_watchbook-plugin"))
        .current_dir(folder)
        .args(words.split_whitespace())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    (output, out, errors)
}

#[test]
fn test_runs_every_case_and_shows_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), STEADY);
    let (output, _, errors) = call(folder.path(), "test");
    assert!(!output.status.success() && errors.contains("has no cases"), "{errors}");
    let tests = folder.path().join("tests");
    std::fs::create_dir(&tests).unwrap();
    for name in ["one", "two"] {
        let case = format!("scene = \"static-noise\"\ngolden = \"{name}.jsonl\"\n");
        std::fs::write(tests.join(format!("{name}.toml")), case).unwrap();
    }
    let (output, _, errors) = call(folder.path(), "test --quick");
    assert!(!output.status.success() && errors.contains("--update writes it"), "{errors}");
    assert!(call(folder.path(), "test --quick --update").0.status.success());
    let golden = std::fs::read_to_string(tests.join("one.jsonl")).unwrap();
    // 20 seconds at 5 frames a second.
    assert_eq!(golden.lines().count(), 100);
    let (output, out, errors) = call(folder.path(), "test --json");
    assert!(output.status.success(), "{errors}");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[1]["case"], &lines[1]["result"]), (2, &"two".into(), &"ok".into()));
    assert!(lines[0]["ms_p95"].is_number() && lines[0]["fuel_p50"].as_f64().unwrap() > 0.0, "{out}");
    let mut changed: Vec<&str> = golden.lines().collect();
    let removed = changed.remove(41);
    std::fs::write(tests.join("one.jsonl"), changed.join("\n")).unwrap();
    let (output, _, errors) = call(folder.path(), "test --quick");
    assert!(!output.status.success() && errors.contains("1 of 2 results differ"), "{errors}");
    assert!(errors.contains(&format!("+ {removed}")), "{errors}");
}

#[test]
fn test_prints_results_that_can_be_piped_and_names_a_trap() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), TRAP);
    let (output, out, errors) = call(folder.path(), "test --scene static-noise --quick");
    assert!(output.status.success(), "{errors}");
    assert_eq!(out.lines().filter(|line| line.contains("unreachable")).count(), 5, "{out}");
    assert!(errors.contains("5 failures in 100 frames"), "{errors}");
    for (words, word) in [
        ("test --scene street", "street"),
        ("test --golden a", "--golden wants"),
        ("test --scene static-noise --settings {\"colour\":1}", "colour"),
        ("test --scene static-noise clip.mp4", "one of a clip"),
        ("test --scene static-noise --frobnicate", "--frobnicate"),
        ("test --scene static-noise --plugin /nowhere", "/nowhere"),
        ("bench", "a clip or --scene"),
        ("bench --scene static-noise --calls 1", "10 to 100000"),
        ("rerun /nowhere.json", "/nowhere.json"),
    ] {
        let (output, _, errors) = call(folder.path(), words);
        assert!(!output.status.success() && errors.contains(word), "{words}: {errors}");
    }
}

#[test]
fn bench_counts_its_calls_and_run_tells_every_mark() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), STEADY);
    let (output, out, errors) = call(folder.path(), "bench --scene static-noise --calls 250 --json");
    assert!(output.status.success(), "{errors}");
    let figures: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((figures["calls"].as_u64(), figures["memory_bytes"].as_u64()), (Some(250), Some(2 * 65_536)));
    assert!(figures["instantiate_ms"]["p50"].as_f64().unwrap() > 0.0, "{out}");
    let (output, out, errors) = call(folder.path(), "run --scene static-noise --fast --once --port 0 --json");
    assert!(output.status.success(), "{errors}");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[0]["page"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{out}");
    assert_eq!(lines.iter().filter(|line| line["what"] == "event").count(), 100);
}

#[test]
fn validate_runs_the_plugin_when_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), STEADY);
    for (name, text) in [("LICENSE", "Apache-2.0"), ("README.md", "# A fixture")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let (output, out, errors) = call(folder.path(), "validate --runs 3");
    assert!(output.status.success(), "{out}{errors}");
    assert!(out.contains("run with 3 settings") && out.contains("nothing to object to"), "{out}");
    install(folder.path(), TRAP);
    let (output, out, errors) = call(folder.path(), "validate --runs 1");
    assert!(!output.status.success(), "{errors}");
    assert!(out.contains("5 calls on the scene moving-square fail") && out.contains("unreachable"), "{out}");
    let (output, _, errors) = call(folder.path(), "validate --runs 0");
    assert!(!output.status.success() && errors.contains("1 to 10000"), "{errors}");
}
