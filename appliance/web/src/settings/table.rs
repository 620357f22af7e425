//! The closed table of what the station says of itself: what each setting may be, in one place for the configuration file, the page and a backup. Pure.

use crate::check;
use crate::requests::Office;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A line on a sign.
const LINE_BYTES_MAX: usize = 512;
/// Nobody waits longer for an answer, or for more time.
const DAYS_MAX: u32 = 92;

/// A setting of the station as a whole that is changed on the page. The words are those of the configuration file and do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StationSetting {
    /// Its name, as on a sign.
    Name,
    /// Whom somebody asks who was recorded.
    Contact,
    /// Where the public reaches the page.
    Address,
    /// Days in which a request is answered.
    RequestAnswerDays,
    /// How many more days that may take, once.
    RequestExtensionDays,
}

/// What a setting's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StationSettingKind {
    /// A line of text.
    Line,
    /// Beginning of a web address, or nothing.
    Address,
    /// A whole number of days.
    Days,
}

impl StationSetting {
    /// Each of them, in the order in which they are shown.
    pub const ALL: [Self; 5] =
        [Self::Name, Self::Contact, Self::Address, Self::RequestAnswerDays, Self::RequestExtensionDays];

    /// As it is called in the configuration file below `[public]`, in the API and in the log.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Contact => "contact",
            Self::Address => "address",
            Self::RequestAnswerDays => "request_answer_days",
            Self::RequestExtensionDays => "request_extension_days",
        }
    }

    pub(crate) fn kind(self) -> StationSettingKind {
        match self {
            Self::Name | Self::Contact => StationSettingKind::Line,
            Self::Address => StationSettingKind::Address,
            Self::RequestAnswerDays | Self::RequestExtensionDays => StationSettingKind::Days,
        }
    }

    /// Fewest and most days, of a number; bytes, of a text.
    pub(crate) fn bounds(self) -> (u32, u32) {
        match self {
            Self::Name | Self::Contact | Self::Address => (0, LINE_BYTES_MAX as u32),
            Self::RequestAnswerDays => (1, DAYS_MAX),
            Self::RequestExtensionDays => (0, DAYS_MAX),
        }
    }

    /// The value as it is kept: without spaces around it.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence that begins with the setting's key.
    pub fn tidied(self, text: &str) -> Result<String, String> {
        let key = self.key();
        let (least, most) = self.bounds();
        match self.kind() {
            StationSettingKind::Days => {
                let days = text.trim().parse::<u32>().ok().filter(|days| (least..=most).contains(days));
                let days = days.ok_or_else(|| format!("{key} must be a whole number of days, {least} to {most}"))?;
                Ok(days.to_string())
            }
            StationSettingKind::Line => check::line(key, text, LINE_BYTES_MAX).map_err(|error| error.message),
            StationSettingKind::Address => {
                let text = check::line(key, text, LINE_BYTES_MAX).map_err(|error| error.message)?;
                let bare = text.trim_end_matches('/');
                let is_web =
                    ["http://", "https://"].iter().any(|scheme| bare.len() > scheme.len() && bare.starts_with(scheme));
                match (text.is_empty() || is_web) && !text.contains([' ', '#', '?']) {
                    true => Ok(bare.to_owned()),
                    false => Err(format!("{key} is {text:?}; it looks like https://192.168.10.2:8080")),
                }
            }
        }
    }
}

impl Office {
    /// One of its settings, as text.
    #[must_use]
    pub fn get(&self, setting: StationSetting) -> String {
        match setting {
            StationSetting::Name => self.name.clone(),
            StationSetting::Contact => self.contact.clone(),
            StationSetting::Address => self.address.clone(),
            StationSetting::RequestAnswerDays => self.answer_days.to_string(),
            StationSetting::RequestExtensionDays => self.extension_days.to_string(),
        }
    }

    /// The same with another value of one setting.
    ///
    /// # Errors
    /// What is wrong with the value, in a sentence that begins with the setting's key.
    pub fn with(mut self, setting: StationSetting, text: &str) -> Result<Self, String> {
        let text = setting.tidied(text)?;
        // `tidied` has read it as a number.
        let days = || text.parse().unwrap_or_default();
        match setting {
            StationSetting::Name => self.name = text,
            StationSetting::Contact => self.contact = text,
            StationSetting::Address => self.address = text,
            StationSetting::RequestAnswerDays => self.answer_days = days(),
            StationSetting::RequestExtensionDays => self.extension_days = days(),
        }
        Ok(self)
    }

    /// With each of its settings checked, and without spaces around them.
    ///
    /// # Errors
    /// What is wrong, in a sentence that begins with the setting's key.
    pub fn tidied(self) -> Result<Self, String> {
        StationSetting::ALL.into_iter().try_fold(self, |office, setting| {
            let text = office.get(setting);
            office.with(setting, &text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_has_the_word_of_the_api_and_takes_its_default() {
        for setting in StationSetting::ALL {
            assert_eq!(serde_json::to_value(setting).unwrap(), setting.key());
            let default = Office::default().get(setting);
            assert_eq!(setting.tidied(&default), Ok(default));
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_named_by_its_key() {
        use StationSetting::{Address, Contact, Name, RequestAnswerDays, RequestExtensionDays};
        let long = "x".repeat(513);
        for (setting, text) in [
            (Name, "two\nlines"),
            (Name, "Station\u{202E}7"),
            (Contact, long.as_str()),
            (Address, "javascript:alert(1)"),
            (Address, "http://"),
            (Address, "http://a/?b"),
            (Address, "http://a b"),
            (RequestAnswerDays, "0"),
            (RequestAnswerDays, "93"),
            (RequestAnswerDays, "-1"),
            (RequestAnswerDays, "28.5"),
            (RequestAnswerDays, ""),
            (RequestExtensionDays, "93"),
            (RequestExtensionDays, "4294967296"),
        ] {
            let why = setting.tidied(text).unwrap_err();
            assert!(why.starts_with(setting.key()), "{text:?} gave: {why}");
        }
    }

    #[test]
    fn values_are_kept_without_what_stands_around_them() {
        for (setting, text, kept) in [
            (StationSetting::Name, " <b>Station</b> 7 ", "<b>Station</b> 7"),
            (StationSetting::Contact, "", ""),
            (StationSetting::Address, " https://cams.example/ ", "https://cams.example"),
            (StationSetting::Address, "", ""),
            (StationSetting::RequestAnswerDays, " 014 ", "14"),
            (StationSetting::RequestExtensionDays, "0", "0"),
        ] {
            assert_eq!(setting.tidied(text).as_deref(), Ok(kept));
        }
        let office = Office::default().with(StationSetting::RequestAnswerDays, "14").unwrap();
        assert_eq!((office.answer_days, office.extension_days), (14, Office::default().extension_days));
    }
}
