//! Settings of the station as a whole, as the log names changes of them.

use serde::{Deserialize, Serialize};

/// One setting that becomes different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingChange {
    /// Which, in one word.
    pub setting: String,
    /// Its value until then.
    pub before: String,
    /// Its value from then on.
    pub after: String,
    /// From then on it is again what the configuration file says.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub from_file: bool,
}
