//! What an administrator can choose, as it comes with `start`.

use watchbook_plugin_common::settings::{Bounds, read};

/// Settings in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// 0 to 100; higher follows things that stand out less.
    pub sensitivity: u32,
    /// Length of the smallest thing that counts, in percent of the picture's height, 3 to 50.
    pub smallest: u32,
    /// What stands for so long has stopped. Seconds, 5 to 300.
    pub stop_s: u32,
    /// The way of a zone is learnt from what drives in it.
    pub learn_way: bool,
    /// The way of every zone when it is not learnt: degrees from rightwards over downwards, 0 to 359.
    pub way_degrees: u32,
}

/// Every setting.
pub const BOUNDS: [Bounds; 5] = [
    Bounds { name: "sensitivity", min: 0, max: 100, default: 50 },
    Bounds { name: "smallest_percent", min: 3, max: 50, default: 8 },
    Bounds { name: "stop_s", min: 5, max: 300, default: 20 },
    Bounds { name: "learn_way", min: 0, max: 1, default: 1 },
    Bounds { name: "way_degrees", min: 0, max: 359, default: 0 },
];

impl Settings {
    /// Reads a JSON object; what is missing has its default.
    ///
    /// # Errors
    /// A sentence that names the setting and what is allowed.
    pub fn parse(json: &str) -> Result<Self, String> {
        let [sensitivity, smallest, stop_s, learn, way_degrees] = read(json, &BOUNDS)?;
        Ok(Self { sensitivity, smallest, stop_s, learn_way: learn == 1, way_degrees })
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
        let json = r#"{"sensitivity": 80, "smallest_percent": 20, "stop_s": 5, "learn_way": false, "way_degrees": 90}"#;
        let chosen = Settings { sensitivity: 80, smallest: 20, stop_s: 5, learn_way: false, way_degrees: 90 };
        assert_eq!(Settings::parse(json).unwrap(), chosen);
        assert!(Settings::parse(r#"{"stop_s": 301}"#).unwrap_err().contains("from 5 to 300"));
    }
}
