//! What an administrator can choose, as it comes with `start`.

use watchbook_plugin::{Fault, Settings as Chosen};

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

impl Default for Settings {
    fn default() -> Self {
        Self { sensitivity: 50, minimum_duration_ms: 400, quiet_ms: 2000, cooldown_ms: 0 }
    }
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
            minimum_duration_ms: chosen.within("minimum_duration_ms", 0..=10_000)?,
            quiet_ms: chosen.within("quiet_ms", 500..=30_000)?,
            cooldown_ms: chosen.within("cooldown_ms", 0..=600_000)?,
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
    fn what_is_missing_has_its_default() {
        assert_eq!(Settings::parse(&settings(MANIFEST, "{}")).unwrap(), Settings::default());
        let json = r#"{"sensitivity": 80, "minimum_duration_ms": 0, "quiet_ms": 500, "cooldown_ms": 600000}"#;
        let all = Settings { sensitivity: 80, minimum_duration_ms: 0, quiet_ms: 500, cooldown_ms: 600_000 };
        assert_eq!(Settings::parse(json).unwrap(), all);
    }

    #[test]
    fn each_mistake_is_named() {
        for (json, word) in [
            (r#"{"sensitivity": 101}"#, "a whole number from 0 to 100"),
            (r#"{"sensitivity": 1e300}"#, "`sensitivity`"),
            (r#"{"quiet_ms": 499}"#, "from 500 to 30000"),
            (r#"{"cooldown_ms": 18446744073709551615}"#, "`cooldown_ms`"),
        ] {
            let sentence = Settings::parse(&settings(MANIFEST, json)).unwrap_err().to_string();
            assert!(sentence.contains(word), "{word} is not named in: {sentence}");
        }
        assert!(Settings::parse("{}").unwrap_err().to_string().contains("`sensitivity` is missing"));
    }
}
