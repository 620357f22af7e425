//! What a restore would put where, worked out before anything is done.

use super::rows::damaged;
use super::{BackupRow, BackupTable, Contents};
use crate::accounts::ACCOUNTS_MAX;
use crate::accounts::carried::{Carried, fit_together, station_of};
use crate::api::{self, BackupChange, BackupFate, BackupField, BackupPart};
use crate::check;
use crate::error::Error;
use crate::hex;
use crate::ports::{CameraConfig, RestoreOnto, Secrets};
use crate::requests::{Office, StoredRequest};
use crate::routes::camera_change::{told, told_new};
use crate::settings::{self, StoredSettings};
use serde_json::Value;
use std::collections::BTreeMap;
use watchbook_access::policy::Rules;
use watchbook_access::{Action, Case};
use watchbook_base::limits::CAMERAS_MAX;
use watchbook_base::{CameraId, Kind};

/// Fields of a camera that are shown as they are. Addresses and settings of plugins may hold secrets: of these there is the name.
const SHOWN: [&str; 8] =
    ["name", "purpose", "contact", "enabled", "record_audio", "audio_purpose", "retention_days_max", "importance"];
/// Where nobody can make it anew on the page.
const TELL: &str = "Keep the last backup that was made, look at the health of the disk, and show this sentence to whoever looks after the recorder.";
/// Longest value that is shown.
const SHOWN_CHARS: usize = 120;

/// What a restore does.
pub(crate) struct Plan {
    /// What is put, as this station stores it.
    pub(crate) rows: Vec<BackupRow>,
    /// Each account and camera that becomes different, as the log names changes of them.
    pub(crate) deeds: Vec<Action>,
    pub(crate) shown: api::BackupPlan,
}

/// What is needed to work a plan out.
pub(crate) struct Plans<'a> {
    pub(crate) secrets: &'a dyn Secrets,
    /// The configuration as it is.
    pub(crate) here: &'a [BackupRow],
    /// Name of this station's audit log.
    pub(crate) origin: &'a str,
    pub(crate) onto: RestoreOnto,
    /// What this station's configuration file says of it.
    pub(crate) file: &'a Office,
    /// The policy in force, which also binds what comes back onto a running station.
    pub(crate) rules: &'a Rules,
}

/// What becomes of a kind of things, and the deeds that the log has of it.
type Told = (Vec<BackupChange>, Vec<Action>);
type Keyed<'a> = BTreeMap<(BackupTable, &'a [u8]), &'a [u8]>;

fn keyed(rows: &[BackupRow]) -> Keyed<'_> {
    rows.iter().map(|row| ((row.table, row.key.as_slice()), row.value.as_slice())).collect()
}

impl Plans<'_> {
    /// The plan for the file with this hash. Blocking.
    ///
    /// # Errors
    /// For rows that no recorder writes, for a backup of another station on a running one, and for accounts that do not go together.
    pub(crate) fn of(&self, contents: &Contents, backup_sha256: String) -> Result<Plan, Error> {
        let about = &contents.about;
        if self.onto == RestoreOnto::Running && about.origin != self.origin {
            // The log names people and cameras by number: with another station's numbers it would name the wrong ones.
            let message = "this backup is of another station, whose numbers stand for other people and cameras";
            return Err(
                Error::new(Kind::Conflict, message).next("Restore it on a recorder that nobody has claimed yet.")
            );
        }
        contents.rows.iter().try_for_each(is_whole)?;
        let count = |table| contents.rows.iter().filter(|row| row.table == table).count();
        if count(BackupTable::Camera) > CAMERAS_MAX || count(BackupTable::Account) > ACCOUNTS_MAX {
            return Err(Error::invalid(format!(
                "this backup has more than {CAMERAS_MAX} cameras or {ACCOUNTS_MAX} accounts"
            )));
        }
        let (here, backup) = (keyed(self.here), keyed(&contents.rows));
        let mut rows = Vec::new();
        let (mut changes, mut deeds) = self.accounts(&here, &backup, &mut rows)?;
        let (of_cameras, deeds_of_cameras) = self.cameras(&here, &backup, &mut rows)?;
        changes.extend(of_cameras);
        deeds.extend(deeds_of_cameras);
        changes.extend(self.together(&here, &backup, &mut rows));
        deeds.extend(self.settings_deed(&backup));
        // Also what is not shown: between looking and restoring somebody may have changed another field.
        let cameras = here.iter().filter(|((table, _), _)| *table == BackupTable::Camera);
        let seen: Vec<&[u8]> = cameras.flat_map(|((_, key), value)| [*key, *value]).collect();
        let as_json = serde_json::to_vec(&changes).unwrap_or_default();
        let plan = hex::encode(&hex::sha256(&[backup_sha256.as_bytes(), &as_json, &seen.concat()].concat()));
        let plugins = about.plugins.iter();
        let plugins = plugins.map(|of| api::BackupPlugin { id: of.id.clone(), version: of.version.clone() }).collect();
        let shown = api::BackupPlan {
            plan,
            made_utc_ms: about.made_utc_ms,
            version: about.version.clone(),
            station: about.station.clone(),
            origin: about.origin.clone(),
            backup_sha256,
            changes,
            plugins,
        };
        Ok(Plan { rows, deeds, shown })
    }

    /// Accounts come back on a fresh station alone. On one that runs who signs in with what, and as what, is changed for each person by itself: a file that somebody made up would else put a password of
    /// theirs in an approver's place, or give the number and the cases of somebody who left to somebody else.
    fn accounts(&self, here: &Keyed<'_>, backup: &Keyed<'_>, rows: &mut Vec<BackupRow>) -> Result<Told, Error> {
        let fresh = self.onto == RestoreOnto::Fresh;
        let mut now: BTreeMap<u32, Carried> = BTreeMap::new();
        for row in of_table(here, BackupTable::Account).filter(|_| !fresh) {
            let carried = Carried::out_of(row, self.secrets)?;
            now.insert(carried.id(), carried);
        }
        let (mut changes, mut all) = (Vec::new(), Vec::new());
        for row in of_table(backup, BackupTable::Account) {
            let carried = Carried::read(row)?;
            let mut told = account_change(now.remove(&carried.id()).as_ref(), &carried);
            if told.fate == BackupFate::Added && !fresh {
                told.fate = BackupFate::LeftOut;
            }
            changes.push(told);
            all.push(carried);
        }
        changes.extend(now.iter().map(|(id, carried)| {
            change((BackupPart::Account, Some(*id)), carried.shown().name, BackupFate::Stays, Vec::new())
        }));
        changes.sort_by_key(|change| change.number);
        let deeds = if fresh { self.accounts_of(backup, &all, rows)? } else { Vec::new() };
        Ok((changes, deeds))
    }

    /// All accounts of a fresh station, and what it knows of their numbers.
    fn accounts_of(
        &self,
        backup: &Keyed<'_>,
        all: &[Carried],
        rows: &mut Vec<BackupRow>,
    ) -> Result<Vec<Action>, Error> {
        let station = backup.iter().find(|((table, _), _)| *table == BackupTable::Station);
        let ((_, key), row) = station.ok_or_else(damaged)?;
        let last = all.iter().map(Carried::id).max().unwrap_or(0);
        let (value, one_person) = station_of(row, last)?;
        fit_together(all, one_person)?;
        rows.push(BackupRow { table: BackupTable::Station, key: key.to_vec(), value });
        let exception = one_person.then(|| "restored from a backup: small-station exception".to_owned());
        let mut deeds: Vec<Action> =
            exception.into_iter().map(|what| Action::ChangeConfig { camera: None, what }).collect();
        for carried in all {
            let (key, value) = (carried.id().to_be_bytes().to_vec(), carried.stored(self.secrets)?);
            rows.push(BackupRow { table: BackupTable::Account, key, value });
            let shown = serde_json::to_value(carried.shown()).unwrap_or_default();
            let mut what = format!("restored from a backup: roles: {}", text_of(&shown["roles"]));
            if !shown["approver_key"].is_null() {
                what += &format!("; approver_key: {}", text_of(&shown["approver_key"]));
            }
            deeds.push(Action::ChangeAccount { account: Some(carried.id()), what });
        }
        Ok(deeds)
    }

    fn cameras(&self, here: &Keyed<'_>, backup: &Keyed<'_>, rows: &mut Vec<BackupRow>) -> Result<Told, Error> {
        let here = if self.onto == RestoreOnto::Fresh { &Keyed::new() } else { here };
        let (mut changes, mut deeds) = (Vec::new(), Vec::new());
        let next = next_camera(here);
        for ((_, key), value) in backup.iter().filter(|((table, _), _)| *table == BackupTable::Camera) {
            if self.onto == RestoreOnto::Running && number_of(key).is_none_or(|number| number >= next) {
                let message = "this backup has a camera whose number this station has not given yet";
                return Err(Error::new(Kind::Conflict, message).next("Restore it on a fresh station."));
            }
            let now = here.get(&(BackupTable::Camera, *key)).copied();
            let value = &self.camera_row(now, value)?;
            rows.push(BackupRow { table: BackupTable::Camera, key: key.to_vec(), value: value.clone() });
            let told = camera_change(number_of(key), now, value)?;
            if told.fate != BackupFate::Same {
                deeds.push(self.camera_deed(key, now, value)?);
            }
            changes.push(told);
        }
        for ((_, key), value) in here.iter().filter(|((table, key), _)| {
            *table == BackupTable::Camera && !backup.contains_key(&(BackupTable::Camera, key))
        }) {
            let name = serde_json::from_slice::<CameraConfig>(value).map(|config| config.name).unwrap_or_default();
            changes.push(change((BackupPart::Camera, number_of(key)), name, BackupFate::Stays, Vec::new()));
        }
        changes.sort_by_key(|change| change.number);
        Ok((changes, deeds))
    }

    /// What is put. That somebody looked a camera over is said by looking it over: a backup says nothing of it on a running station.
    fn camera_row(&self, now: Option<&[u8]>, then: &[u8]) -> Result<Vec<u8>, Error> {
        let config = |of: &[u8]| serde_json::from_slice::<CameraConfig>(of).map_err(|_| damaged());
        let mut then = config(then)?;
        if self.onto == RestoreOnto::Running {
            then.reviewed_utc_ms = now.map(config).transpose()?.and_then(|now| now.reviewed_utc_ms);
        }
        serde_json::to_vec(&then).map_err(|_| damaged())
    }

    /// A camera's change as the log has it. On a running station it keeps to the policy, as one that is made by hand does.
    fn camera_deed(&self, key: &[u8], now: Option<&[u8]>, then: &[u8]) -> Result<Action, Error> {
        let config = |of: &[u8]| serde_json::from_slice::<CameraConfig>(of).map_err(|_| damaged());
        let (now, then) = (now.map(config).transpose()?, config(then)?);
        check::name("name", &then.name)?;
        check::retention_days(then.retention_days_max)?;
        check::masks(&then.masks)?;
        if self.onto == RestoreOnto::Running {
            check::by_policy(now.as_ref(), &then, self.rules)?;
        }
        let names = |config: &CameraConfig| {
            let on = config.plugins.iter().filter(|binding| binding.enabled).map(|binding| binding.plugin.as_str());
            on.collect::<Vec<_>>().join(", ")
        };
        let plugins = now.as_ref().is_none_or(|now| now.plugins != then.plugins);
        let mut what = now.map_or_else(|| told_new(&then), |now| told(&now, &then));
        if plugins {
            what += &format!("; plugins: {}", names(&then));
        }
        let camera = number_of(key).and_then(CameraId::new);
        Ok(Action::ChangeConfig { camera, what: format!("restored from a backup: {what}") })
    }

    /// On a fresh station the log says which of its settings become different, as for a change by hand.
    fn settings_deed(&self, backup: &Keyed<'_>) -> Option<Action> {
        let row = backup.get(&(BackupTable::StationSettings, settings::KEY))?;
        let stored = StoredSettings::read(row).filter(|_| self.onto == RestoreOnto::Fresh)?;
        stored.brought(self.file, "restored from a backup")
    }

    /// What is shown as one: it comes back on a fresh station, and stays as it is on one that runs, where it takes two people to change it.
    fn together(&self, here: &Keyed<'_>, backup: &Keyed<'_>, rows: &mut Vec<BackupRow>) -> Vec<BackupChange> {
        let fresh = self.onto == RestoreOnto::Fresh;
        let parts = [
            (BackupPart::Cases, BackupTable::Case),
            (BackupPart::Requests, BackupTable::Request),
            (BackupPart::Policy, BackupTable::Setting),
            (BackupPart::Settings, BackupTable::StationSettings),
        ];
        let mut changes = Vec::new();
        for (part, table) in parts {
            let is_of = |((of, key), _): &(&(BackupTable, &[u8]), &&[u8])| {
                *of == table && (part != BackupPart::Policy || key.starts_with(b"policy/"))
            };
            let (now, then): (Vec<_>, Vec<_>) =
                (here.iter().filter(is_of).collect(), backup.iter().filter(is_of).collect());
            let fate = match (fresh, now == then) {
                (false, true) => BackupFate::Same,
                (false, false) => BackupFate::LeftOut,
                (true, _) => BackupFate::Added,
            };
            if !then.is_empty() {
                changes.push(change((part, None), then.len().to_string(), fate, Vec::new()));
            }
        }
        rows.extend(backup.iter().filter_map(|((table, key), value)| {
            let wanted = match table {
                BackupTable::Case | BackupTable::Request => fresh,
                BackupTable::Setting | BackupTable::StationSettings => fresh,
                BackupTable::Station | BackupTable::Account | BackupTable::Camera => false,
            };
            wanted.then(|| BackupRow { table: *table, key: key.to_vec(), value: value.to_vec() })
        }));
        changes
    }
}

fn of_table<'a>(rows: &'a Keyed<'_>, wanted: BackupTable) -> impl Iterator<Item = &'a [u8]> {
    rows.iter().filter(move |((table, _), _)| *table == wanted).map(|(_, value)| *value)
}

/// The number that the station gives its next camera: a running one has given all below it.
fn next_camera(here: &Keyed<'_>) -> u32 {
    let kept = here.get(&(BackupTable::Setting, &b"camera_number_next"[..])).and_then(|row| number_of(row));
    let cameras = here.keys().filter(|(table, _)| *table == BackupTable::Camera);
    kept.unwrap_or_else(|| cameras.filter_map(|(_, key)| number_of(key)).max().map_or(1, |last| last + 1))
}

fn number_of(key: &[u8]) -> Option<u32> {
    <[u8; 4]>::try_from(key).ok().map(u32::from_be_bytes)
}

/// The rows of a backup that can be restored. A row of the station's settings that cannot be read is left out: what the configuration file says holds without it, here and where it is restored.
///
/// # Errors
/// For any other row that a restore would refuse: who finds that out only then has no backup at all.
pub(crate) fn restorable(rows: Vec<BackupRow>) -> Result<Vec<BackupRow>, Error> {
    let mut kept = Vec::with_capacity(rows.len());
    for row in rows {
        match is_whole(&row) {
            Ok(()) => kept.push(row),
            Err(_) if row.table == BackupTable::StationSettings => {
                tracing::warn!("the settings of this station cannot be read, and are left out of the backup");
            }
            Err(_) => return Err(not_restorable(&row, "it is none that a recorder writes")),
        }
    }
    Ok(kept)
}

/// Why no backup is made with this row, and what to do.
pub(crate) fn not_restorable(BackupRow { table, key, .. }: &BackupRow, why: &str) -> Error {
    let (what, step) = match (table, key.len()) {
        (BackupTable::Account, 4) => ("account", "Remove this account and make it anew, then make the backup again."),
        (BackupTable::Camera, 4) => ("camera", "Remove this camera and add it anew, then make the backup again."),
        (BackupTable::Account, _) => ("account", TELL),
        (BackupTable::Camera, _) => ("camera", TELL),
        (BackupTable::Case, _) => ("case", TELL),
        (BackupTable::Request, _) => ("request", TELL),
        (BackupTable::Station | BackupTable::Setting | BackupTable::StationSettings, _) => ("setting", TELL),
    };
    // The number of a case is a text, which may be as long as another number.
    let which = match table {
        BackupTable::Account | BackupTable::Camera => number_of(key).map(u64::from),
        BackupTable::Request => <[u8; 8]>::try_from(key.as_slice()).ok().map(u64::from_be_bytes),
        _ => None,
    };
    let which =
        which.map_or_else(|| String::from_utf8_lossy(key).escape_debug().to_string(), |number| number.to_string());
    let message = format!("no backup was made, because none with {what} {which} could be restored: {why}");
    Error::new(Kind::Corrupt, message).next(step)
}

/// A row that this program can start with, under the key that belongs to it.
fn is_whole(BackupRow { table, key, value }: &BackupRow) -> Result<(), Error> {
    let whole = match table {
        BackupTable::Station => key == b"station" && station_of(value, 0).is_ok(),
        BackupTable::Account => number_of(key) == Some(Carried::read(value)?.id()),
        BackupTable::Case => serde_json::from_slice::<Case>(value).is_ok_and(|case| case.number.as_bytes() == key),
        BackupTable::Request => serde_json::from_slice::<StoredRequest>(value)
            .is_ok_and(|request| request.number.to_be_bytes() == key.as_slice()),
        BackupTable::Camera => {
            number_of(key).and_then(CameraId::new).is_some() && serde_json::from_slice::<CameraConfig>(value).is_ok()
        }
        BackupTable::StationSettings => key == settings::KEY && StoredSettings::read(value).is_some(),
        // The program's own, which looks at them itself.
        BackupTable::Setting => true,
    };
    if whole { Ok(()) } else { Err(damaged()) }
}

fn change(
    (part, number): (BackupPart, Option<u32>),
    name: String,
    fate: BackupFate,
    fields: Vec<BackupField>,
) -> BackupChange {
    BackupChange { part, number, name, fate, fields }
}

fn account_change(now: Option<&Carried>, then: &Carried) -> BackupChange {
    let about = |fate, fields| change((BackupPart::Account, Some(then.id())), then.shown().name, fate, fields);
    let Some(now) = now else { return about(BackupFate::Added, Vec::new()) };
    let json = |of: &Carried| serde_json::to_value(of.shown()).unwrap_or_default();
    let mut fields = fields_that_differ(&json(now), &json(then), |field| field != "id");
    for (field, _) in now.same_secrets(then).into_iter().filter(|(_, same)| !same) {
        if fields.iter().all(|known| known.field != field) {
            fields.push(BackupField { field: field.to_owned(), before: None, after: None });
        }
    }
    about(if fields.is_empty() { BackupFate::Same } else { BackupFate::LeftOut }, fields)
}

fn camera_change(number: Option<u32>, now: Option<&[u8]>, then: &[u8]) -> Result<BackupChange, Error> {
    let json = |of: &[u8]| {
        // Through the type, so that a field that one of them leaves out is the same as its default.
        let config: CameraConfig = serde_json::from_slice(of).map_err(|_| damaged())?;
        serde_json::to_value(config).map_err(|_| damaged())
    };
    let then = json(then)?;
    let name = then["name"].as_str().unwrap_or_default().to_owned();
    let Some(now) = now else { return Ok(change((BackupPart::Camera, number), name, BackupFate::Added, Vec::new())) };
    let fields = fields_that_differ(&json(now)?, &then, |field| SHOWN.contains(&field));
    let fate = if fields.is_empty() { BackupFate::Same } else { BackupFate::Changed };
    Ok(change((BackupPart::Camera, number), name, fate, fields))
}

fn fields_that_differ(now: &Value, then: &Value, is_shown: impl Fn(&str) -> bool) -> Vec<BackupField> {
    let fields = then.as_object().into_iter().flatten();
    let differ = fields.filter(|(field, value)| now.get(field.as_str()) != Some(value));
    differ
        .map(|(field, value)| {
            let text = |value: Option<&Value>| is_shown(field).then(|| text_of(value.unwrap_or(&Value::Null)));
            BackupField { field: field.clone(), before: text(now.get(field.as_str())), after: text(Some(value)) }
        })
        .collect()
}

fn text_of(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    text.chars().take(SHOWN_CHARS).collect()
}
