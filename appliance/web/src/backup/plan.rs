//! What a restore would put where, worked out before anything is done.

use super::rows::damaged;
use super::{BackupRow, BackupTable, Contents};
use crate::accounts::carried::{Carried, fit_together, merged_station};
use crate::api::{self, BackupChange, BackupFate, BackupField, BackupPart};
use crate::check;
use crate::error::Error;
use crate::hex;
use crate::ports::{CameraConfig, RestoreOnto, Secrets};
use crate::requests::StoredRequest;
use crate::routes::camera_change::{told, told_new};
use serde_json::Value;
use std::collections::BTreeMap;
use watchbook_access::policy::Rules;
use watchbook_access::{Action, Case};
use watchbook_base::{CameraId, Kind};

/// Fields of a camera that are shown as they are. Addresses and settings of plugins may hold secrets: of these there is the name.
const SHOWN: [&str; 8] =
    ["name", "purpose", "contact", "enabled", "record_audio", "audio_purpose", "retention_days_max", "importance"];
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
        let (here, backup) = (keyed(self.here), keyed(&contents.rows));
        let mut rows = Vec::new();
        let (mut changes, mut deeds) = self.accounts(&here, &backup, &mut rows)?;
        let (of_cameras, deeds_of_cameras) = self.cameras(&here, &backup, &mut rows)?;
        changes.extend(of_cameras);
        deeds.extend(deeds_of_cameras);
        changes.extend(self.together(&here, &backup, &mut rows));
        let as_json = |value: &[BackupChange]| serde_json::to_vec(value).unwrap_or_default();
        let plan = hex::encode(&hex::sha256(&[backup_sha256.as_bytes(), &as_json(&changes)].concat()));
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

    /// Accounts that are there stay as they are: who signs in with what is changed for each person by itself. A file that somebody made up would else put a password of theirs in
    /// the place of an approver's.
    fn accounts(&self, here: &Keyed<'_>, backup: &Keyed<'_>, rows: &mut Vec<BackupRow>) -> Result<Told, Error> {
        let here = if self.onto == RestoreOnto::Fresh { &Keyed::new() } else { here };
        let station = |of: &Keyed<'_>| {
            of.iter().find(|((table, _), _)| *table == BackupTable::Station).map(|(_, row)| row.to_vec())
        };
        let (_, key) = backup.keys().find(|(table, _)| *table == BackupTable::Station).ok_or_else(damaged)?;
        let (merged, one_person) = merged_station(&station(backup).ok_or_else(damaged)?, station(here).as_deref())?;
        rows.push(BackupRow { table: BackupTable::Station, key: key.to_vec(), value: merged });
        let mut then: BTreeMap<u32, Carried> = BTreeMap::new();
        for row in of_table(here, BackupTable::Account) {
            let carried = Carried::out_of(row, self.secrets)?;
            then.insert(carried.id(), carried);
        }
        let (mut changes, mut deeds) = (Vec::new(), Vec::new());
        for row in of_table(backup, BackupTable::Account) {
            let carried = Carried::read(row)?;
            let told = account_change(then.get(&carried.id()), &carried);
            if told.fate == BackupFate::Added {
                let (key, value) = (carried.id().to_be_bytes().to_vec(), carried.stored(self.secrets)?);
                rows.push(BackupRow { table: BackupTable::Account, key, value });
                let what = "restored from a backup".to_owned();
                deeds.push(Action::ChangeAccount { account: Some(carried.id()), what });
                then.insert(carried.id(), carried);
            }
            changes.push(told);
        }
        let known: Vec<u32> = changes.iter().filter_map(|change| change.number).collect();
        for (id, carried) in then.iter().filter(|(id, _)| !known.contains(id)) {
            changes.push(change((BackupPart::Account, Some(*id)), carried.shown().name, BackupFate::Stays, Vec::new()));
        }
        let after: Vec<Carried> = then.into_values().collect();
        fit_together(&after, one_person)?;
        changes.sort_by_key(|change| change.number);
        Ok((changes, deeds))
    }

    fn cameras(&self, here: &Keyed<'_>, backup: &Keyed<'_>, rows: &mut Vec<BackupRow>) -> Result<Told, Error> {
        let here = if self.onto == RestoreOnto::Fresh { &Keyed::new() } else { here };
        let (mut changes, mut deeds) = (Vec::new(), Vec::new());
        for ((_, key), value) in backup.iter().filter(|((table, _), _)| *table == BackupTable::Camera) {
            let now = here.get(&(BackupTable::Camera, *key)).copied();
            rows.push(BackupRow { table: BackupTable::Camera, key: key.to_vec(), value: value.to_vec() });
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

    /// A camera's change as the log has it. On a running station it keeps to the policy, as one that is made by hand does.
    fn camera_deed(&self, key: &[u8], now: Option<&[u8]>, then: &[u8]) -> Result<Action, Error> {
        let config = |of: &[u8]| serde_json::from_slice::<CameraConfig>(of).map_err(|_| damaged());
        let (now, then) = (now.map(config).transpose()?, config(then)?);
        if self.onto == RestoreOnto::Running {
            check::by_policy(now.as_ref(), &then, self.rules)?;
        }
        let what = now.map_or_else(|| told_new(&then), |now| told(&now, &then));
        let camera = number_of(key).and_then(CameraId::new);
        Ok(Action::ChangeConfig { camera, what: format!("restored from a backup: {what}") })
    }

    /// What is shown as one: it comes back on a fresh station, and stays as it is on one that runs, where it takes two people to change it.
    fn together(&self, here: &Keyed<'_>, backup: &Keyed<'_>, rows: &mut Vec<BackupRow>) -> Vec<BackupChange> {
        let fresh = self.onto == RestoreOnto::Fresh;
        let parts = [
            (BackupPart::Cases, BackupTable::Case),
            (BackupPart::Requests, BackupTable::Request),
            (BackupPart::Policy, BackupTable::Setting),
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
        // Numbers that were given are not given again: the greater of both holds, which the program sees to.
        rows.extend(backup.iter().filter_map(|((table, key), value)| {
            let wanted = match table {
                BackupTable::Case | BackupTable::Request => fresh,
                BackupTable::Setting => fresh || !key.starts_with(b"policy/"),
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

fn number_of(key: &[u8]) -> Option<u32> {
    <[u8; 4]>::try_from(key).ok().map(u32::from_be_bytes)
}

/// A row that this program can start with, under the key that belongs to it.
fn is_whole(BackupRow { table, key, value }: &BackupRow) -> Result<(), Error> {
    let whole = match table {
        BackupTable::Station => key == b"station",
        BackupTable::Account => number_of(key) == Some(Carried::read(value)?.id()),
        BackupTable::Case => serde_json::from_slice::<Case>(value).is_ok_and(|case| case.number.as_bytes() == key),
        BackupTable::Request => serde_json::from_slice::<StoredRequest>(value)
            .is_ok_and(|request| request.number.to_be_bytes() == key.as_slice()),
        BackupTable::Camera => {
            number_of(key).and_then(CameraId::new).is_some() && serde_json::from_slice::<CameraConfig>(value).is_ok()
        }
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
    let (same_password, same_factor) = now.same_secrets(then);
    let secret = |field: &str| BackupField { field: field.to_owned(), before: None, after: None };
    if !same_password {
        fields.push(secret("password"));
    }
    if !same_factor && fields.iter().all(|field| field.field != "second_factor") {
        fields.push(secret("second_factor"));
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
