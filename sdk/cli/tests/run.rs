//! The commands that run plugins, as an author calls them.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

#[path = "../../../appliance/plugin-engine/tests/fixtures/mod.rs"]
mod fixtures;

use fixtures::{OK, STEADY, TRAP, built, component, hot_and_cold, rule_module};
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
fn profile_finds_the_function_that_takes_the_time() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), STEADY);
    std::fs::write(folder.path().join("plugin.wasm"), hot_and_cold("steady")).unwrap();
    let (output, out, errors) = call(folder.path(), "profile --scene static-noise --time 1 --json");
    assert!(output.status.success(), "{errors}");
    let told: Value = serde_json::from_str(&out).unwrap();
    // Of 101 turns 100 are its own.
    assert_eq!(told["own"][0]["function"], "hot", "{out}");
    assert!(told["own"][0]["percent"].as_f64().unwrap() > 90.0 && told["ms_p50"].as_f64().unwrap() > 0.0, "{out}");
    let file: Value = serde_json::from_slice(&std::fs::read(folder.path().join("profile.json")).unwrap()).unwrap();
    assert_eq!(file["threads"][0]["samples"]["length"], told["samples"]);
    let (output, out, errors) = call(folder.path(), "profile --scene static-noise --time 1 -o there.json");
    assert!(output.status.success() && out.contains("%  hot"), "{out}{errors}");
    assert!(folder.path().join("there.json").exists() && !out.contains("without a name"), "{out}");
    for (words, word) in [
        ("profile", "a clip or --scene"),
        ("profile --scene static-noise --time 0", "1 to 60"),
        ("profile --events there.json", "events are for rules"),
        ("profile --scene static-noise --time 1 -o /nowhere/a.json", "/nowhere/a.json"),
    ] {
        let (output, _, errors) = call(folder.path(), words);
        assert!(!output.status.success() && errors.contains(word), "{words}: {errors}");
    }
}

#[test]
fn profile_asks_a_rule_about_events() {
    let folder = tempfile::tempdir().unwrap();
    install(folder.path(), STEADY);
    let manifest = std::fs::read_to_string(folder.path().join("plugin.toml")).unwrap();
    let rule: String = manifest
        .lines()
        .filter(|line| !line.trim().starts_with("input") && !line.trim().starts_with("emits"))
        .map(|line| line.replace("analytics-plugin", "export-rule").replace("\"frames\", ", "") + "\n")
        .collect();
    std::fs::write(folder.path().join("plugin.toml"), rule).unwrap();
    let turns = "(loop $again (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 1000000)))) (i32.const 1400)";
    let text = rule_module("steady", OK, turns);
    let named = text.replacen(
        "(func (export \"watchbook:plugin/rule@0.1.0#evaluate\")",
        "(func $asked (export \"watchbook:plugin/rule@0.1.0#evaluate\")",
        1,
    );
    let put = |text: &str| std::fs::write(folder.path().join("plugin.wasm"), built(text, "export-rule")).unwrap();
    put(&named);
    let event = r#"{"kind":"test","score":1,"start_utc_ms":1000,"source":{"plugin":"org.example.a"}}"#;
    std::fs::write(folder.path().join("events.jsonl"), event).unwrap();
    let (output, out, errors) = call(folder.path(), "profile --events events.jsonl --time 1 --json");
    assert!(output.status.success(), "{errors}");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["own"][0]["function"], "asked", "{out}");
    // The other functions have no name, and little to do.
    assert!(told["samples_nameless"].as_u64() < told["samples"].as_u64().map(|samples| samples / 10), "{out}");
    put(&text);
    let (output, out, errors) = call(folder.path(), "profile --events events.jsonl --time 1");
    assert!(output.status.success() && out.contains("without a name") && out.contains("strip"), "{out}{errors}");
    let (output, _, errors) = call(folder.path(), "profile --scene static-noise");
    assert!(!output.status.success() && errors.contains("--events FILE"), "{errors}");
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
