//! Hostile settings: a plugin must bear whatever its own manifest allows, and the host must bear whatever a plugin does with the rest.

use crate::run::Runner;
use crate::scene::{Noise, Scene};
use serde_json::{Map, Value, json};
use watchbook_plugin_engine::Failure;
use watchbook_plugin_host::{Setting, SettingKind, Zone};

/// Runs of one check.
pub const RUNS_MAX: u32 = 10_000;
/// Frames of each run: enough that a plugin which learns for a while begins to work.
const FRAMES: usize = 10;
/// Findings that are kept.
const FINDINGS_MAX: usize = 20;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Runs with settings that the manifest allows.
    pub within: u32,
    /// Runs with settings that it does not allow, given to the plugin all the same.
    pub outside: u32,
    /// Of these: refused by the plugin in words.
    pub outside_refused: u32,
    /// Of these: trapped. The recorder never gives such settings to a plugin.
    pub outside_trapped: u32,
    /// Settings that the manifest allows and that made the plugin trap or refuse, with the sentence.
    pub findings: Vec<(String, String)>,
}

/// Starts the plugin `runs` times with settings that its manifest allows and as often with others. The same seed gives the same settings.
///
/// # Errors
/// A sentence when a setting of the manifest cannot be filled in at all.
pub fn settings(runner: &Runner, runs: u32, seed: u64) -> Result<Report, String> {
    let mut noise = Noise(seed);
    let mut report = Report::default();
    let schema = &runner.package().manifest.settings;
    for _ in 0..runs.min(RUNS_MAX) {
        let chosen: Map<String, Value> =
            schema.iter().map(|setting| (setting.name.clone(), allowed(setting, &mut noise))).collect();
        // Several long texts together may be more than a plugin gets; then the host refuses, which is its right.
        if let Ok(json) = runner.settings_json(&chosen) {
            report.within += 1;
            if let Some(failure) = attempt(runner, &json, &mut noise)
                && report.findings.len() < FINDINGS_MAX
            {
                report.findings.push((json, failure.into_sentence()));
            }
        }
        report.outside += 1;
        match attempt(runner, &hostile(schema, &mut noise), &mut noise) {
            Some(Failure::Refused(_)) => report.outside_refused += 1,
            Some(Failure::Trap(_)) => report.outside_trapped += 1,
            Some(Failure::Fault(_)) | None => {}
        }
    }
    Ok(report)
}

/// A start and some frames; why it failed, if it did.
fn attempt(runner: &Runner, settings_json: &str, noise: &mut Noise) -> Option<Failure> {
    let zones: &[Zone] = &[];
    let mut watch = match runner.watch(settings_json, zones) {
        Ok(watch) => watch,
        Err(failure) => return Some(failure),
    };
    let output = runner.package().manifest.output();
    // From second 5 on, a square crosses.
    let pictures = Scene::MovingSquare.pictures((output.width, output.height), output.fps_max, noise.next());
    let head = pictures.head();
    pictures.take(FRAMES).find_map(|picture| watch.frame(head, picture).failure)
}

fn allowed(setting: &Setting, noise: &mut Noise) -> Value {
    let (min, max) = (setting.min.unwrap_or(-1e6), setting.max.unwrap_or(1e6));
    // Edges are where mistakes live.
    let part = match noise.next() % 4 {
        0 => 0.0,
        1 => 1.0,
        _ => (noise.next() >> 11) as f64 / (1_u64 << 53) as f64,
    };
    let number = min + (max - min) * part;
    match setting.kind {
        SettingKind::Integer => {
            let (least, most) = (min.ceil() as i64, max.floor() as i64);
            json!((number as i64).clamp(least, most.max(least)))
        }
        SettingKind::Number => json!(number),
        SettingKind::Boolean => json!(noise.next().is_multiple_of(2)),
        SettingKind::Text => json!(text(noise)),
        SettingKind::Choice if setting.choices.is_empty() => setting.default.clone(),
        SettingKind::Choice => json!(setting.choices[noise.next() as usize % setting.choices.len()]),
    }
}

/// At most 1,024 bytes of what people do not type.
fn text(noise: &mut Noise) -> String {
    const PIECES: [&str; 10] = ["a", "\0", "\u{202e}", "\"", "\\", "ភូមិ", "😀", "\n", "{}", "%s%n"];
    let mut text = String::new();
    for _ in 0..noise.next() % 300 {
        let piece = PIECES[noise.next() as usize % PIECES.len()];
        if text.len() + piece.len() <= 1024 {
            text += piece;
        }
    }
    text
}

/// What no manifest allows: other types, other names, numbers without end, depth without end, no JSON at all.
fn hostile(schema: &[Setting], noise: &mut Noise) -> String {
    let name = || schema.first().map_or("a", |setting| setting.name.as_str());
    match noise.next() % 10 {
        0 => String::new(),
        1 => "null".to_owned(),
        2 => "[".repeat(2_000),
        3 => format!("{}{}", "[".repeat(2_000), "]".repeat(2_000)),
        4 => json!({ name(): "9".repeat(1_000) }).to_string(),
        5 => format!("{{\"{}\": {}}}", name(), "9".repeat(400)),
        6 => format!("{{\"{}\": -1e999}}", name()),
        7 => text(noise),
        8 => {
            Value::Object(schema.iter().map(|setting| (setting.name.clone(), json!([null, {}]))).collect()).to_string()
        }
        _ => {
            let all: Map<String, Value> =
                schema.iter().map(|setting| (setting.name.clone(), json!(text(noise)))).collect();
            let whole = Value::Object(all).to_string();
            let mut cut = noise.next() as usize % (whole.len() + 1);
            while !whole.is_char_boundary(cut) {
                cut -= 1;
            }
            whole[..cut].to_owned()
        }
    }
}
