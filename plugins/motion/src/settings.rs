//! What an administrator can choose, as it comes with `start`.

use serde_json::Value;

/// Settings in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// 0 to 100; higher finds smaller things and things that stand out less.
    pub sensitivity: u32,
    /// What moves for less is not reported. Milliseconds, 0 to 10,000.
    pub minimum_duration_ms: u32,
    /// Stillness that ends a motion. Milliseconds, 500 to 30,000.
    pub quiet_ms: u32,
    /// After a motion no new one begins for so long. Milliseconds, 0 to 600,000.
    pub cooldown_ms: u32,
}

/// Name, least and greatest value and default of one setting, as in `plugin.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Key in the JSON.
    pub name: &'static str,
    /// Least value.
    pub min: u32,
    /// Greatest value.
    pub max: u32,
    /// When nothing was chosen.
    pub default: u32,
}

/// Every setting.
pub const BOUNDS: [Bounds; 4] = [
    Bounds { name: "sensitivity", min: 0, max: 100, default: 50 },
    Bounds { name: "minimum_duration_ms", min: 0, max: 10_000, default: 400 },
    Bounds { name: "quiet_ms", min: 500, max: 30_000, default: 2000 },
    Bounds { name: "cooldown_ms", min: 0, max: 600_000, default: 0 },
];
/// The longest text that the host gives, in bytes.
const JSON_BYTES_MAX: usize = 16 << 10;

impl Default for Settings {
    fn default() -> Self {
        Self::of(BOUNDS.map(|bounds| bounds.default))
    }
}

impl Settings {
    fn of([sensitivity, minimum_duration_ms, quiet_ms, cooldown_ms]: [u32; 4]) -> Self {
        Self { sensitivity, minimum_duration_ms, quiet_ms, cooldown_ms }
    }

    /// Reads a JSON object; what is missing has its default.
    ///
    /// # Errors
    /// A sentence that names the setting and what is allowed.
    pub fn parse(json: &str) -> Result<Self, String> {
        if json.len() > JSON_BYTES_MAX {
            return Err(format!("the settings have {} bytes; at most {JSON_BYTES_MAX} are allowed", json.len()));
        }
        let value: Value = serde_json::from_str(json).map_err(|error| format!("the settings are no JSON: {error}"))?;
        let Value::Object(chosen) = value else {
            return Err("the settings are no JSON object".to_owned());
        };
        if let Some(name) = chosen.keys().find(|name| BOUNDS.iter().all(|bounds| bounds.name != **name)) {
            let name: String = name.chars().take(64).collect();
            return Err(format!("there is no setting `{name}`"));
        }
        let mut values = BOUNDS.map(|bounds| bounds.default);
        for (value, bounds) in values.iter_mut().zip(BOUNDS) {
            if let Some(chosen) = chosen.get(bounds.name) {
                *value = bounds.accept(chosen)?;
            }
        }
        Ok(Self::of(values))
    }
}

impl Bounds {
    fn accept(&self, value: &Value) -> Result<u32, String> {
        let Self { name, min, max, .. } = self;
        value
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (*min..=*max).contains(number))
            .ok_or_else(|| format!("`{name}` must be a whole number from {min} to {max}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_missing_has_its_default() {
        assert_eq!(Settings::parse("{}").unwrap(), Settings::default());
        let json = r#"{"sensitivity": 80, "minimum_duration_ms": 0, "quiet_ms": 500, "cooldown_ms": 600000}"#;
        let all = Settings { sensitivity: 80, minimum_duration_ms: 0, quiet_ms: 500, cooldown_ms: 600_000 };
        assert_eq!(Settings::parse(json).unwrap(), all);
    }

    #[test]
    fn each_mistake_is_named() {
        for (json, word) in [
            ("", "no JSON"),
            ("[1]", "no JSON object"),
            (r#"{"sensitivity": 101}"#, "`sensitivity` must be a whole number from 0 to 100"),
            (r#"{"sensitivity": -1}"#, "`sensitivity`"),
            (r#"{"sensitivity": 1e300}"#, "`sensitivity`"),
            (r#"{"sensitivity": "50"}"#, "`sensitivity`"),
            (r#"{"quiet_ms": 499}"#, "from 500 to 30000"),
            (r#"{"cooldown_ms": 18446744073709551615}"#, "`cooldown_ms`"),
            (r#"{"colour": 1}"#, "no setting `colour`"),
        ] {
            let sentence = Settings::parse(json).unwrap_err();
            assert!(sentence.contains(word), "{word} is not named in: {sentence}");
        }
        assert!(Settings::parse(&"[".repeat(10_000)).unwrap_err().contains("no JSON"));
        assert!(Settings::parse(&" ".repeat(JSON_BYTES_MAX + 1)).unwrap_err().contains("bytes"));
        let long = format!(r#"{{"{}": 1}}"#, "n".repeat(5000));
        assert!(Settings::parse(&long).unwrap_err().len() < 200);
    }

    #[test]
    fn the_manifest_says_the_same() {
        let manifest: toml::Table = include_str!("../plugin.toml").parse().unwrap();
        assert_eq!(manifest["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
        let settings = manifest["settings"].as_array().unwrap();
        assert_eq!(settings.len(), BOUNDS.len());
        for (setting, bounds) in settings.iter().zip(BOUNDS) {
            assert_eq!(setting["name"].as_str(), Some(bounds.name));
            let numbers = ["min", "max", "default"].map(|key| setting[key].as_integer().unwrap());
            assert_eq!(numbers, [bounds.min, bounds.max, bounds.default].map(i64::from));
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_bounds(text in "\\PC{0,200}", number in any::<i64>()) {
            let _ = Settings::parse(&text);
            let parsed = Settings::parse(&format!(r#"{{"sensitivity": {number}}}"#));
            prop_assert_eq!(parsed.is_ok(), (0..=100).contains(&number));
        }
    }
}
