//! Settings: what a manifest lets an administrator choose, and the check of what was chosen.

use crate::Error;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use watchbook_base::Kind;

/// All settings of one binding as JSON. With zones and names the message that carries them stays below [`watchbook_base::link::MESSAGE_BYTES_MAX`].
pub const SETTINGS_BYTES_MAX: usize = 16 << 10;
/// One text value.
const TEXT_BYTES_MAX: usize = 1024;

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingKind {
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Yes or no.
    Boolean,
    /// Words, at most 1,024 bytes.
    Text,
    /// One of `choices`.
    Choice,
}

/// What an administrator can set: its form field, default and bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Its name in the JSON that the plugin gets.
    pub name: String,
    /// Its name on the page.
    pub label: String,
    /// What it does, for people.
    #[serde(default)]
    pub help: String,
    /// What values it takes.
    pub kind: SettingKind,
    /// Unit of the value on the page, such as `s` or `%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Least value of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Greatest value of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Values of a choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Value when nothing was chosen.
    pub default: Value,
}

impl Setting {
    pub(crate) fn check(&self) -> Result<(), String> {
        let name_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.bytes().all(name_byte) {
            return Err(format!("setting `{}`: a name has 1 to 64 of a-z, 0-9 and _", self.name));
        }
        self.accept(&self.default).map_err(|sentence| format!("default of setting {sentence}"))
    }

    fn accept(&self, value: &Value) -> Result<(), String> {
        let name = &self.name;
        let fits = match self.kind {
            SettingKind::Integer => value.is_i64() || value.is_u64(),
            SettingKind::Number => value.is_number(),
            SettingKind::Boolean => value.is_boolean(),
            SettingKind::Text => value.as_str().is_some_and(|text| text.len() <= TEXT_BYTES_MAX),
            SettingKind::Choice => value.as_str().is_some_and(|text| self.choices.iter().any(|choice| choice == text)),
        };
        if !fits {
            let expected = match self.kind {
                SettingKind::Integer => "a whole number".to_owned(),
                SettingKind::Number => "a number".to_owned(),
                SettingKind::Boolean => "true or false".to_owned(),
                SettingKind::Text => format!("text of at most {TEXT_BYTES_MAX} bytes"),
                SettingKind::Choice => format!("one of {}", self.choices.join(", ")),
            };
            return Err(format!("`{name}` is {value}; {expected} is expected"));
        }
        let below = |min: f64| value.as_f64().is_some_and(|number| number < min);
        let above = |max: f64| value.as_f64().is_some_and(|number| number > max);
        if let Some(min) = self.min.filter(|min| below(*min)) {
            return Err(format!("`{name}` is {value}; at least {min} is allowed"));
        }
        if let Some(max) = self.max.filter(|max| above(*max)) {
            return Err(format!("`{name}` is {value}; at most {max} is allowed"));
        }
        Ok(())
    }
}

/// The settings that a plugin gets: what was chosen, checked, and the defaults of the rest, in the order of the names.
///
/// # Errors
/// [`Kind::InvalidInput`] with a sentence that names the setting.
pub fn complete(schema: &[Setting], chosen: &Map<String, Value>) -> Result<String, Error> {
    let wrong = |sentence: String| Error::new(Kind::InvalidInput, sentence);
    if let Some(name) = chosen.keys().find(|name| !schema.iter().any(|setting| setting.name == **name)) {
        return Err(wrong(format!("there is no setting `{name}`")));
    }
    let mut all = Map::new();
    for setting in schema {
        let value = chosen.get(&setting.name).unwrap_or(&setting.default);
        setting.accept(value).map_err(|sentence| wrong(format!("setting {sentence}")))?;
        all.insert(setting.name.clone(), value.clone());
    }
    let text = Value::Object(all).to_string();
    if text.len() > SETTINGS_BYTES_MAX {
        return Err(wrong(format!("settings of {} bytes; at most {SETTINGS_BYTES_MAX} are allowed", text.len())));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Vec<Setting> {
        let setting = |name: &str, kind, default| Setting {
            name: name.into(),
            label: name.into(),
            help: String::new(),
            kind,
            unit: None,
            min: (kind == SettingKind::Integer).then_some(1.0),
            max: (kind == SettingKind::Integer).then_some(9.0),
            choices: vec!["low".into(), "high".into()],
            default,
        };
        vec![
            setting("count", SettingKind::Integer, json!(5)),
            setting("ratio", SettingKind::Number, json!(0.5)),
            setting("loud", SettingKind::Boolean, json!(false)),
            setting("name", SettingKind::Text, json!("")),
            setting("level", SettingKind::Choice, json!("low")),
        ]
    }

    fn chosen(value: Value) -> Result<Value, String> {
        let Value::Object(map) = value else { panic!("an object is expected") };
        complete(&schema(), &map).map(|text| serde_json::from_str(&text).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_fill_what_was_not_chosen() {
        let all = chosen(json!({"count": 9, "level": "high"})).unwrap();
        assert_eq!(all, json!({"count": 9, "ratio": 0.5, "loud": false, "name": "", "level": "high"}));
    }

    #[test]
    fn each_wrong_value_is_named() {
        for (value, word) in [
            (json!({"count": 0}), "at least 1"),
            (json!({"count": 10}), "at most 9"),
            (json!({"count": 1.5}), "whole number"),
            (json!({"ratio": "x"}), "a number"),
            (json!({"loud": 1}), "true or false"),
            (json!({"name": "n".repeat(1025)}), "1024 bytes"),
            (json!({"level": "middle"}), "low, high"),
            (json!({"colour": 1}), "no setting `colour`"),
        ] {
            let message = chosen(value).unwrap_err();
            assert!(message.contains(word), "{word} is not named in: {message}");
        }
        assert!(schema().iter().all(|setting| setting.check().is_ok()));
    }
}
