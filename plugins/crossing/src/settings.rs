//! What an administrator can choose, as it comes with `start`.

use watchbook_plugin::{Fault, Settings as Chosen};

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

impl Settings {
    /// Reads a complete JSON object, as the host gives it.
    ///
    /// # Errors
    /// [`Fault::Config`] that names the setting and what is allowed.
    pub fn parse(json: &str) -> Result<Self, Fault> {
        let chosen = Chosen::parse(json)?;
        Ok(Self {
            sensitivity: chosen.within("sensitivity", 0..=100)?,
            smallest: chosen.within("smallest_percent", 3..=50)?,
            in_is_down: chosen.boolean("in_is_down")?,
            vehicle: chosen.within("vehicle_percent", 0..=100)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_plugins_scenes::{check_settings, settings};

    const MANIFEST: &str = include_str!("../plugin.toml");

    #[test]
    fn the_manifest_says_the_same() {
        assert_eq!(check_settings(MANIFEST, |json| Settings::parse(json).is_ok()), Ok(()));
    }

    #[test]
    fn each_setting_has_its_place() {
        let json = r#"{"sensitivity": 80, "smallest_percent": 20, "in_is_down": false, "vehicle_percent": 30}"#;
        let chosen = Settings { sensitivity: 80, smallest: 20, in_is_down: false, vehicle: 30 };
        assert_eq!(Settings::parse(json).unwrap(), chosen);
        let sentence = Settings::parse(&settings(MANIFEST, r#"{"smallest_percent": 2}"#)).unwrap_err().to_string();
        assert!(sentence.contains("from 3 to 50"), "{sentence}");
    }
}
