//! What an administrator can choose, as it comes with `start`.

use watchbook_plugin_common::settings::{Bounds, read};

/// Settings in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// 0 to 100; higher follows things that stand out less.
    pub sensitivity: u32,
    /// Height of the smallest thing that counts, in percent of the picture's height, 3 to 50.
    pub smallest: u32,
    /// In is downwards or rightwards; else upwards or leftwards.
    pub in_is_down: bool,
    /// From this length on, in percent of the picture's height, a thing is a vehicle; 0: it is not told.
    pub vehicle: u32,
}

/// Every setting.
pub const BOUNDS: [Bounds; 4] = [
    Bounds { name: "sensitivity", min: 0, max: 100, default: 50 },
    Bounds { name: "smallest_percent", min: 3, max: 50, default: 8 },
    Bounds { name: "in_is_down", min: 0, max: 1, default: 1 },
    Bounds { name: "vehicle_percent", min: 0, max: 100, default: 0 },
];

impl Settings {
    /// Reads a JSON object; what is missing has its default.
    ///
    /// # Errors
    /// A sentence that names the setting and what is allowed.
    pub fn parse(json: &str) -> Result<Self, String> {
        let [sensitivity, smallest, down, vehicle] = read(json, &BOUNDS)?;
        Ok(Self { sensitivity, smallest, in_is_down: down == 1, vehicle })
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
        let json = r#"{"sensitivity": 80, "smallest_percent": 20, "in_is_down": false, "vehicle_percent": 30}"#;
        let chosen = Settings { sensitivity: 80, smallest: 20, in_is_down: false, vehicle: 30 };
        assert_eq!(Settings::parse(json).unwrap(), chosen);
        assert!(Settings::parse(r#"{"smallest_percent": 2}"#).unwrap_err().contains("from 3 to 50"));
    }
}
