//! The settings that an administrator chose.

use crate::Fault;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// The settings that an administrator chose, read by name. Every error is a [`Fault::Config`] that names the setting.
///
/// ```
/// use watchbook_plugin::Settings;
///
/// let settings = Settings::parse(r#"{"from": 18, "zone": "gate", "loud": true}"#)?;
/// assert_eq!(settings.integer("from")?, 18);
/// assert_eq!(settings.text("zone")?, "gate");
/// assert!(settings.boolean("loud")?);
/// assert!(settings.number("until").unwrap_err().to_string().contains("`until`"));
/// # Ok::<(), watchbook_plugin::Fault>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Settings(Map<String, Value>);

impl Settings {
    /// Reads the JSON object that the host gives.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub fn parse(json: &str) -> Result<Self, Fault> {
        serde_json::from_str(json).map(Self).map_err(|error| Fault::Config(format!("not a JSON object: {error}")))
    }

    /// A number without decimals.
    ///
    /// # Errors
    /// When it is not there or something else.
    pub fn integer(&self, name: &str) -> Result<i64, Fault> {
        self.get(name, "a whole number", Value::as_i64)
    }

    /// A number with or without decimals.
    ///
    /// # Errors
    /// When it is not there or something else.
    pub fn number(&self, name: &str) -> Result<f64, Fault> {
        self.get(name, "a number", Value::as_f64)
    }

    /// Yes or no.
    ///
    /// # Errors
    /// When it is not there or something else.
    pub fn boolean(&self, name: &str) -> Result<bool, Fault> {
        self.get(name, "true or false", Value::as_bool)
    }

    /// Text, or the word of a choice.
    ///
    /// # Errors
    /// When it is not there or something else.
    pub fn text(&self, name: &str) -> Result<&str, Fault> {
        self.get(name, "text", Value::as_str)
    }

    /// A whole number of a setting that allows `range`, as in the manifest.
    ///
    /// # Errors
    /// [`Fault::Config`] when it is missing, something else, or outside.
    ///
    /// ```
    /// let settings = watchbook_plugin::Settings::parse(r#"{"hold_s": 10}"#)?;
    /// assert_eq!(settings.within("hold_s", 3..=120)?, 10);
    /// assert!(settings.within("hold_s", 3..=9).unwrap_err().to_string().contains("3 to 9"));
    /// # Ok::<(), watchbook_plugin::Fault>(())
    /// ```
    pub fn within(&self, name: &str, range: RangeInclusive<u32>) -> Result<u32, Fault> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let number = |value: &Value| u32::try_from(value.as_u64()?).ok().filter(|number| range.contains(number));
        self.get(name, &expected, number)
    }

    fn get<'a, T>(&'a self, name: &str, expected: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<T, Fault> {
        let missing = || Fault::Config(format!("`{name}` is missing; {expected} is expected"));
        let value = self.0.get(name).ok_or_else(missing)?;
        read(value).ok_or_else(|| Fault::Config(format!("`{name}` is {value}; {expected} is expected")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let settings = Settings::parse(r#"{"a": 1.5}"#).unwrap();
        assert_eq!(settings.number("a"), Ok(1.5));
        assert_eq!(settings.integer("a"), Err(Fault::Config("`a` is 1.5; a whole number is expected".into())));
        assert_eq!(settings.text("b"), Err(Fault::Config("`b` is missing; text is expected".into())));
        assert!(Settings::parse("[]").is_err());
        let sentence = settings.within("a", 0..=9).unwrap_err().to_string();
        assert!(sentence.contains("`a` is 1.5; a whole number from 0 to 9"), "{sentence}");
        assert!(Settings::parse(r#"{"a": -1}"#).unwrap().within("a", 0..=9).is_err());
    }
}
