//! What a host would give a plugin: settings with their defaults, zones, frames.

use crate::{HEIGHT, WIDTH};
use serde_json::{Map, Value, json};
use toml::Table;
use watchbook_plugin::{Frame, FrameInfo, Luma, Point, Setup, Zone};

/// The settings of a manifest as the host gives them: a complete JSON object of what was `chosen`, itself a JSON object, and the defaults.
///
/// # Panics
/// When one of the two cannot be read.
#[must_use]
pub fn settings(manifest: &str, chosen: &str) -> String {
    let chosen: Map<String, Value> = serde_json::from_str(chosen).expect("the chosen settings are a JSON object");
    let defaults = tables(manifest).into_iter().map(|setting| (name(&setting), converted(&setting["default"])));
    let mut all: Map<String, Value> = defaults.collect();
    all.extend(chosen);
    Value::Object(all).to_string()
}

/// What an instance is started with.
///
/// # Panics
/// As [`settings`].
#[must_use]
pub fn setup(manifest: &str, chosen: &str, zones: Vec<Zone>) -> Setup {
    Setup { zones, settings_json: settings(manifest, chosen), ..Setup::default() }
}

/// A zone with these corners.
#[must_use]
pub fn zone<const N: usize>(name: &str, corners: [(u16, u16); N]) -> Zone {
    Zone { name: name.to_owned(), outline: corners.map(|(x, y)| Point { x, y }).to_vec() }
}

/// A frame of 640 x 360 pixels, or as many as `size` says.
///
/// # Panics
/// When there are more or fewer bytes.
#[must_use]
pub fn frame(utc_ns: u64, size: Option<(u32, u32)>, luma: Vec<u8>) -> Frame<'static> {
    let (width, height) = size.unwrap_or((WIDTH as u32, HEIGHT as u32));
    let plane = Luma::new(width, height, luma).expect("the plane has the picture's size");
    Frame::in_memory(FrameInfo { utc_ns, ..FrameInfo::default() }, plane)
}

/// Whether a plugin takes what its manifest allows, and refuses what lies beside it: the least and the greatest value of each whole number, and those outside.
///
/// # Errors
/// A sentence with the first difference.
///
/// # Panics
/// When the manifest cannot be read.
pub fn check_settings(manifest: &str, takes: impl Fn(&str) -> bool) -> Result<(), String> {
    for setting in tables(manifest) {
        let name = name(&setting);
        let takes = |value: &Value| takes(&settings(manifest, &json!({ name.as_str(): value }).to_string()));
        let numbers = (
            setting.get("min").and_then(toml::Value::as_integer),
            setting.get("max").and_then(toml::Value::as_integer),
        );
        let (good, bad): ([Value; 2], [Value; 3]) = match numbers {
            (Some(min), Some(max)) => ([min.into(), max.into()], [(min - 1).into(), (max + 1).into(), "x".into()]),
            _ => ([true.into(), false.into()], [2.into(), "x".into(), Value::Null]),
        };
        if let Some(value) = good.iter().find(|value| !takes(value)) {
            return Err(format!("`{name}`: the manifest allows {value}, the plugin refuses it"));
        }
        if let Some(value) = bad.iter().find(|value| takes(value)) {
            return Err(format!("`{name}`: the manifest refuses {value}, the plugin takes it"));
        }
    }
    Ok(())
}

fn tables(manifest: &str) -> Vec<Table> {
    let manifest: Table = manifest.parse().expect("the manifest is TOML");
    let settings = manifest.get("settings").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    settings.into_iter().filter_map(|setting| setting.as_table().cloned()).collect()
}

fn name(setting: &Table) -> String {
    setting["name"].as_str().unwrap_or_default().to_owned()
}

fn converted(value: &toml::Value) -> Value {
    match value {
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(on) => (*on).into(),
        other => other.as_str().unwrap_or_default().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "version = \"1\"\n[[settings]]\nname = \"size\"\nmin = 2\nmax = 9\ndefault = 3\n\
        [[settings]]\nname = \"on\"\nkind = \"boolean\"\ndefault = true\n[[emits]]\nkind = \"x\"\n";

    #[test]
    fn what_is_missing_has_its_default() {
        assert_eq!(settings(MANIFEST, "{}"), r#"{"on":true,"size":3}"#);
        assert_eq!(settings(MANIFEST, r#"{"size": 7}"#), r#"{"on":true,"size":7}"#);
    }

    #[test]
    fn each_difference_between_manifest_and_plugin_is_found() {
        let plugin = |most: i64| {
            move |json: &str| {
                let value: Value = serde_json::from_str(json).unwrap();
                value["size"].as_i64().is_some_and(|size| (2..=most).contains(&size)) && value["on"].is_boolean()
            }
        };
        assert_eq!(check_settings(MANIFEST, plugin(9)), Ok(()));
        assert!(check_settings(MANIFEST, plugin(8)).unwrap_err().contains("allows 9"));
        assert!(check_settings(MANIFEST, plugin(10)).unwrap_err().contains("refuses 10"));
    }
}
