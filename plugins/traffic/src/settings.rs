//! What an administrator can choose, as it comes with `start`.

use watchbook_plugin::{Fault, Settings as Chosen};

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
            stop_s: chosen.within("stop_s", 5..=300)?,
            learn_way: chosen.boolean("learn_way")?,
            way_degrees: chosen.within("way_degrees", 0..=359)?,
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
        let json = r#"{"sensitivity": 80, "smallest_percent": 20, "stop_s": 5, "learn_way": false, "way_degrees": 90}"#;
        let chosen = Settings { sensitivity: 80, smallest: 20, stop_s: 5, learn_way: false, way_degrees: 90 };
        assert_eq!(Settings::parse(json).unwrap(), chosen);
        let sentence = Settings::parse(&settings(MANIFEST, r#"{"stop_s": 301}"#)).unwrap_err().to_string();
        assert!(sentence.contains("from 5 to 300"), "{sentence}");
    }
}
