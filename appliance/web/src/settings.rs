//! What the station says of itself: the configuration file's values, and over each of them what somebody set on the page. One row of the register, with a version that counts the changes, so
//! that nobody overwrites what they have not seen.

mod table;

pub use table::{StationSetting, StationSettingKind};

use crate::api;
use crate::check;
use crate::error::Error;
use crate::ports::{Change, Register, Space};
use crate::requests::Office;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_access::{Action, SettingChange};
use watchbook_base::Kind;

/// The one row.
pub(crate) const KEY: &[u8] = b"station";
/// Each value of the table has 512 bytes at most, and up to six times that in JSON.
const ROW_BYTES_MAX: usize = 16 << 10;
/// Why something was changed: a sentence.
const REASON_BYTES_MAX: usize = 512;

/// What was set on the page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredSettings {
    /// Counts the changes.
    version: u64,
    /// By setting; what is not here is as in the configuration file.
    values: BTreeMap<StationSetting, String>,
}

impl StoredSettings {
    /// A row that a recorder wrote; `None` for anything else.
    pub(crate) fn read(row: &[u8]) -> Option<Self> {
        let stored: Self = (row.len() <= ROW_BYTES_MAX).then(|| serde_json::from_slice(row).ok()).flatten()?;
        let whole = stored.values.iter().all(|(setting, text)| setting.tidied(text).as_ref() == Ok(text));
        whole.then_some(stored)
    }

    fn over(&self, file: &Office) -> Office {
        self.values.iter().fold(file.clone(), |office, (setting, text)| {
            // Each was checked when it was set and when it was read.
            office.clone().with(*setting, text).unwrap_or(office)
        })
    }

    /// The deed of bringing these values onto a station that has none but those of its file; `None` when nothing becomes different.
    pub(crate) fn brought(&self, file: &Office, reason: &str) -> Option<Action> {
        let changed = self.values.iter().filter(|(setting, text)| file.get(**setting) != **text);
        let changes: Vec<_> = changed
            .map(|(setting, text)| SettingChange {
                setting: setting.key().to_owned(),
                before: file.get(*setting),
                after: text.clone(),
                from_file: false,
            })
            .collect();
        (!changes.is_empty()).then(|| Action::ChangeStationSettings { changes, reason: reason.to_owned() })
    }
}

/// The settings at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SettingsNow {
    file: Office,
    stored: StoredSettings,
    unreadable: bool,
}

impl SettingsNow {
    fn office(&self) -> Office {
        self.stored.over(&self.file)
    }

    /// As the page shows them.
    pub(crate) fn shown(&self, policy_answer_days: u32) -> api::StationSettings {
        let office = self.office();
        let row = |setting: StationSetting| {
            let (least, most) = setting.bounds();
            api::StationSettingRow {
                setting,
                kind: setting.kind(),
                value: office.get(setting),
                default: self.file.get(setting),
                set_here: self.stored.values.contains_key(&setting),
                least,
                most,
            }
        };
        api::StationSettings {
            version: self.stored.version,
            settings: StationSetting::ALL.into_iter().map(row).collect(),
            policy_answer_days,
            unreadable: self.unreadable,
        }
    }

    /// What `request` would change, as the log has it, and what is stored then.
    ///
    /// # Errors
    /// `Conflict` when somebody has changed the settings since they were looked at; else what is wrong with the request.
    fn changed(&self, request: &api::StationSettingsPatch) -> Result<(Action, StoredSettings), Error> {
        if request.version != self.stored.version {
            return Err(Error::new(Kind::Conflict, "the station's settings were changed by somebody else meanwhile")
                .next("Look at them again, then save once more."));
        }
        let reason = check::line("reason", &request.reason, REASON_BYTES_MAX)?;
        if reason.is_empty() {
            return Err(Error::invalid("reason is empty").next("Say in a sentence why the settings are changed."));
        }
        let mut stored = StoredSettings { version: self.stored.version.saturating_add(1), ..self.stored.clone() };
        let mut changes = Vec::new();
        let office = self.office();
        let mut seen = std::collections::BTreeSet::new();
        for api::StationSettingChange { setting, value } in &request.changes {
            if !seen.insert(*setting) {
                return Err(Error::invalid(format!("{} is changed twice", setting.key())));
            }
            let value = value.as_deref().map(|text| setting.tidied(text)).transpose().map_err(Error::invalid)?;
            let was_here = stored.values.contains_key(setting);
            let after = value.clone().unwrap_or_else(|| self.file.get(*setting));
            let change = SettingChange {
                setting: setting.key().to_owned(),
                before: office.get(*setting),
                after,
                from_file: value.is_none(),
            };
            if change.before != change.after || was_here == change.from_file {
                changes.push(change);
            }
            match value {
                Some(text) => drop(stored.values.insert(*setting, text)),
                None => drop(stored.values.remove(setting)),
            }
        }
        match changes.is_empty() {
            true => Err(Error::invalid("no setting becomes different").next("Change one, then save.")),
            false => Ok((Action::ChangeStationSettings { changes, reason }, stored)),
        }
    }

    /// What `request` would change, as the log has it.
    ///
    /// # Errors
    /// `Conflict`, or what is wrong with it.
    pub(crate) fn action(&self, request: &api::StationSettingsPatch) -> Result<Action, Error> {
        self.changed(request).map(|(action, _)| action)
    }
}

/// The settings that are in force.
pub(crate) struct SettingBook {
    register: Arc<dyn Register>,
    /// Held while a change is made and written, so that no other comes between.
    writing: Mutex<()>,
    /// Held for moments alone: who reads does not wait for a disk.
    now: Mutex<SettingsNow>,
}

impl SettingBook {
    /// Loads what was set over `file`. Blocking. A row that cannot be understood leaves the file's values in force, and is shown: the station records all the same.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub(crate) fn load(register: Arc<dyn Register>, file: Office) -> Result<Self, Error> {
        let row = register.list(Space::Setting)?.into_iter().find(|(key, _)| key == KEY);
        let stored = row.as_ref().map(|(_, row)| StoredSettings::read(row));
        let unreadable = stored == Some(None);
        if unreadable {
            tracing::error!(
                "what was set on the page for the whole station cannot be read; the configuration file's values are in force"
            );
        }
        let stored = stored.flatten().unwrap_or_default();
        Ok(Self { register, writing: Mutex::default(), now: Mutex::new(SettingsNow { file, stored, unreadable }) })
    }

    fn lock(&self) -> MutexGuard<'_, SettingsNow> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> SettingsNow {
        self.lock().clone()
    }

    /// The configuration file's own values.
    pub(crate) fn file(&self) -> Office {
        self.lock().file.clone()
    }

    pub(crate) fn office(&self) -> Office {
        self.lock().office()
    }

    /// Makes the change that `logged` tells of. Blocking.
    ///
    /// # Errors
    /// `Conflict` when another one came between; what the register says. Then nothing has changed.
    pub(crate) fn change(&self, request: &api::StationSettingsPatch, logged: &Action) -> Result<SettingsNow, Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        let (action, stored) = now.changed(request)?;
        if action != *logged {
            return Err(Error::new(Kind::Internal, "the log tells of another change than the one that was asked for"));
        }
        let value = serde_json::to_vec(&stored).map_err(|error| {
            Error::new(Kind::Internal, format!("the station's settings cannot be written into the register: {error}"))
        })?;
        self.register.write(&[Change::Put { space: Space::Setting, key: KEY.to_vec(), value }])?;
        let changed = SettingsNow { stored, unreadable: false, ..now };
        *self.lock() = changed.clone();
        Ok(changed)
    }
}
