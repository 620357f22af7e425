//! What an administrator can choose, as it comes with `start`.

use watchbook_plugin::{Fault, Settings as Chosen};

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

impl Settings {
    /// Reads a complete JSON object, as the host gives it.
    ///
    /// # Errors
    /// [`Fault::Config`] that names the setting and what is allowed.
    pub fn parse(json: &str) -> Result<Self, Fault> {
        let chosen = Chosen::parse(json)?;
        Ok(Self {
            sensitivity: chosen.within("sensitivity", 0..=100)?,
            hold_s: chosen.within("hold_s", 3..=120)?,
            dark_is_covered: chosen.boolean("dark_is_covered")?,
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
        let chosen = Settings { sensitivity: 80, hold_s: 3, dark_is_covered: true };
        assert_eq!(Settings::parse(r#"{"sensitivity": 80, "hold_s": 3, "dark_is_covered": true}"#).unwrap(), chosen);
        let sentence = Settings::parse(&settings(MANIFEST, r#"{"hold_s": 2}"#)).unwrap_err().to_string();
        assert!(sentence.contains("from 3 to 120"), "{sentence}");
    }
}
