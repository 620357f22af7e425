//! Deriving a stored event again: the same component and settings on the same footage.

use crate::case::Input;
use crate::clip::{Clip, ClipOptions};
use crate::run::{Mode, Outcome, Runner};
use crate::{Source, wire};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::Path;
use watchbook_plugin_host::package::sha256_hex;
use watchbook_plugin_host::{Package, Zone};

/// A stored event with all that belongs to it.
const FILE_BYTES_MAX: usize = 1 << 20;
/// Times of a clip count in ticks of 1/90,000 s and those of the API in milliseconds.
const ROUNDING_MS: i64 = 2;

/// What is to be derived again, and from what.
#[derive(Clone, Debug)]
pub struct Stored {
    /// As the station's API says it.
    pub event: Value,
    /// The settings that were in force.
    pub settings: Map<String, Value>,
    /// The zones that were in force.
    pub zones: Vec<Zone>,
    /// The footage: from before the event, long enough for the plugin to learn the scene, to after it.
    pub clip: Input,
    /// UTC of the clip's first picture in nanoseconds.
    pub clip_start_utc_ns: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    event: Value,
    #[serde(default)]
    settings: Map<String, Value>,
    #[serde(default)]
    zones: Value,
    clip: String,
    clip_start_utc_ms: i64,
    #[serde(default)]
    masks: Vec<String>,
}

/// How a new result stands to the stored event.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The same event, to the millisecond.
    Same(Value),
    /// An event of the same kind and zone at about that time; the fields that differ.
    Near(Value, Vec<String>),
    /// Nothing of the kind.
    Absent,
}

impl Stored {
    /// Reads the file: `{"event", "settings", "zones", "clip", "clip_start_utc_ms", "masks"}`, the event as the API says it. The clip's path is relative to the file.
    ///
    /// # Errors
    /// A sentence that names the file and the field.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = crate::text_file(path, FILE_BYTES_MAX)?;
        let fail = |sentence: String| format!("{}: {sentence}", path.display());
        let shape: Shape = serde_json::from_str(&text).map_err(|error| fail(error.to_string()))?;
        let zones =
            if shape.zones.is_null() { Vec::new() } else { wire::zones(&shape.zones.to_string()).map_err(fail)? };
        let source = path.parent().unwrap_or(Path::new(".")).join(shape.clip).display().to_string();
        let clip_start_utc_ns = shape
            .clip_start_utc_ms
            .checked_mul(1_000_000)
            .filter(|start| *start >= 0)
            .ok_or_else(|| fail("clip_start_utc_ms is no time".to_owned()))?;
        let clip = Input::Clip { source, masks: shape.masks, seconds: None };
        Ok(Self { event: shape.event, settings: shape.settings, zones, clip, clip_start_utc_ns })
    }

    /// Refuses a plugin or settings that are not those of the event.
    ///
    /// # Errors
    /// A sentence that names what differs.
    pub fn check(&self, package: &Package, settings_json: &str) -> Result<(), String> {
        let stored = |field: &str| {
            self.event["source"][field].as_str().ok_or_else(|| format!("the event has no source.{field}"))
        };
        let manifest = &package.manifest;
        let settings_sha256 = sha256_hex(settings_json.as_bytes());
        for (field, own, what) in [
            ("plugin", &manifest.id, "another plugin"),
            ("version", &manifest.version, "another version"),
            ("component_sha256", &package.component_sha256, "another component"),
            ("settings_sha256", &settings_sha256, "other settings"),
        ] {
            let expected = stored(field)?;
            if expected != own {
                return Err(format!(
                    "refused: {what} gave the event: its {field} is {expected}, this one's is {own}; the same is needed to derive it again"
                ));
            }
        }
        Ok(())
    }

    /// Derives it again.
    ///
    /// # Errors
    /// As [`Stored::check`]; the engine's and the clip's sentences.
    pub fn derive(&self, package: Package) -> Result<(Verdict, Outcome), String> {
        let output = package.manifest.output();
        let settings = watchbook_plugin_host::settings::complete(&package.manifest.settings, &self.settings)
            .map_err(|error| error.to_string())?;
        self.check(&package, &settings)?;
        let Input::Clip { source, masks, .. } = &self.clip else {
            return Err("footage is wanted".to_owned());
        };
        let options = ClipOptions {
            masks: masks.clone(),
            start_utc_ns: Some(self.clip_start_utc_ns),
            ..ClipOptions::new(source, output)
        };
        let mut source = Source::Clip(Box::new(Clip::open(&options)?));
        let runner = Runner::new(package, Mode::Pure)?;
        let interval_ms = (1_000.0 / f64::from(output.fps_max)).ceil() as i64;
        let outcome = runner.run(&mut source, (&settings, &self.zones), |_| true)?;
        Ok((verdict(&self.event, &outcome.lines, interval_ms), outcome))
    }
}

/// The best of the new lines.
fn verdict(stored: &Value, lines: &[String], interval_ms: i64) -> Verdict {
    let found = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ms = |event: &Value, field: &str| event[field].as_i64();
    let apart = |event: &Value, field: &str| match (ms(event, field), ms(stored, field)) {
        (Some(own), Some(other)) => own.abs_diff(other),
        (None, None) => 0,
        _ => u64::MAX,
    };
    let near = found
        .filter(|event| event["kind"] == stored["kind"] && event["zone"] == stored["zone"])
        .filter(|event| apart(event, "start_utc_ms") <= 2 * interval_ms.unsigned_abs())
        .min_by_key(|event| apart(event, "start_utc_ms"));
    let Some(event) = near else { return Verdict::Absent };
    let mut differences = Vec::new();
    for field in ["start_utc_ms", "end_utc_ms"] {
        if apart(&event, field) > ROUNDING_MS as u64 {
            differences.push(format!("{field}: {} was stored, {} comes now", stored[field], event[field]));
        }
    }
    let score = |event: &Value| event["score"].as_f64().unwrap_or(-1.0);
    if (score(&event) - score(stored)).abs() > 1e-4 {
        differences.push(format!("score: {} was stored, {} comes now", stored["score"], event["score"]));
    }
    for field in ["detections", "note"] {
        if !same(&event[field], &stored[field]) {
            differences.push(format!("{field} differ"));
        }
    }
    if differences.is_empty() { Verdict::Same(event) } else { Verdict::Near(event, differences) }
}

/// Equal but for the last digits of numbers.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one.as_f64().zip(other.as_f64()).is_some_and(|(one, other)| (one - other).abs() <= 1e-4)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(name, value)| other.get(name).is_some_and(|o| same(value, o)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event() -> Value {
        json!({"kind": "count", "zone": null, "score": 0.5, "start_utc_ms": 10_000, "end_utc_ms": 12_000, "note": "",
               "detections": [{"class": "vehicle", "score": 0.9, "area": {"x": 0.1, "y": 0.1, "w": 0.1, "h": 0.1}, "track": null}]})
    }

    #[test]
    fn the_same_event_is_found_among_others_and_differences_are_named() {
        let lines = |events: &[Value]| events.iter().map(Value::to_string).collect::<Vec<_>>();
        let mut other = event();
        other["start_utc_ms"] = json!(99_000);
        // The API's 32-bit score has digits behind the fourth.
        let mut stored = event();
        stored["score"] = json!(0.500_000_012);
        stored["id"] = json!("17");
        assert_eq!(verdict(&stored, &lines(&[other.clone(), event()]), 200), Verdict::Same(event()));
        assert_eq!(verdict(&stored, &lines(&[other]), 200), Verdict::Absent);
        let mut later = event();
        later["end_utc_ms"] = json!(12_200);
        later["detections"] = json!([]);
        let Verdict::Near(_, differences) = verdict(&stored, &lines(&[later]), 200) else { panic!("near") };
        assert_eq!(differences.len(), 2);
        assert!(differences[0].contains("12000") && differences[0].contains("12200"), "{differences:?}");
    }
}
