//! What an administrator can choose, as it comes with `start`.

use watchbook_plugin_common::settings::{Bounds, read};

/// Settings in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// 0 to 100; higher calls less lost detail out of focus.
    pub sensitivity: u32,
    /// So long must it last. Seconds, 3 to 120.
    pub hold_s: u32,
    /// A black picture is a covered camera.
    pub dark_is_covered: bool,
}

/// Every setting.
pub const BOUNDS: [Bounds; 3] = [
    Bounds { name: "sensitivity", min: 0, max: 100, default: 50 },
    Bounds { name: "hold_s", min: 3, max: 120, default: 10 },
    Bounds { name: "dark_is_covered", min: 0, max: 1, default: 0 },
];

impl Settings {
    /// Reads a JSON object; what is missing has its default.
    ///
    /// # Errors
    /// A sentence that names the setting and what is allowed.
    pub fn parse(json: &str) -> Result<Self, String> {
        let [sensitivity, hold_s, dark] = read(json, &BOUNDS)?;
        Ok(Self { sensitivity, hold_s, dark_is_covered: dark == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_says_the_same() {
        let bounds = |name: &str| {
            BOUNDS.iter().find(|bounds| bounds.name == name).map(|bounds| (bounds.min, bounds.max, bounds.default))
        };
        let same =
            watchbook_plugin_testkit::manifest(include_str!("../plugin.toml"), env!("CARGO_PKG_VERSION"), bounds);
        assert_eq!(same, Ok(()));
    }

    #[test]
    fn settings_are_read_in_their_order() {
        let chosen = Settings { sensitivity: 80, hold_s: 3, dark_is_covered: true };
        assert_eq!(Settings::parse(r#"{"sensitivity": 80, "hold_s": 3, "dark_is_covered": true}"#).unwrap(), chosen);
        assert!(Settings::parse(r#"{"hold_s": 2}"#).unwrap_err().contains("from 3 to 120"));
    }
}
