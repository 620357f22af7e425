//! What an administrator can choose, as it comes with `start`.

use watchbook_plugin_common::settings::{Bounds, read};

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

/// Every setting.
pub const BOUNDS: [Bounds; 4] = [
    Bounds { name: "sensitivity", min: 0, max: 100, default: 50 },
    Bounds { name: "minimum_duration_ms", min: 0, max: 10_000, default: 400 },
    Bounds { name: "quiet_ms", min: 500, max: 30_000, default: 2000 },
    Bounds { name: "cooldown_ms", min: 0, max: 600_000, default: 0 },
];

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
        read(json, &BOUNDS).map(Self::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }

    #[test]
    fn the_manifest_says_the_same() {
        let bounds = |name: &str| {
            BOUNDS.iter().find(|bounds| bounds.name == name).map(|bounds| (bounds.min, bounds.max, bounds.default))
        };
        let same =
            watchbook_plugin_testkit::manifest(include_str!("../plugin.toml"), env!("CARGO_PKG_VERSION"), bounds);
        assert_eq!(same, Ok(()));
    }
}
