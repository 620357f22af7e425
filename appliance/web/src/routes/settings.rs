//! What the station says of itself: read, changed with a reason, and who changed it, out of the audit log.

use super::dispatch::{Asked, Call, ok};
use super::{Answer, AuditRule, CURSOR, NO_BODY, Permission, Route, SETTINGS_BODY, Shape, cameras, handler};
use crate::api;
use crate::app::App;
use crate::error::{Error, Problem};
use crate::ports::{AuditKind, AuditRecord};
use crate::settings::SettingsNow;
use axum::http::Method;
use axum::response::Response;
use serde::Deserialize;
use std::collections::BTreeSet;
use watchbook_access::{Action, SettingChange};
use watchbook_base::Kind;

const PATH: &str = "/api/v1/settings";
/// Changes on one page of the history.
const ENTRIES_MAX: usize = if cfg!(test) { 3 } else { 100 };
/// Entries of the log that are read at once.
const READ_AT_ONCE: usize = if cfg!(test) { 7 } else { 500 };
/// How often one page of the history does that at most; the next page goes on.
const READS_MAX: usize = if cfg!(test) { 3 } else { 20 };
/// Entries that a cursor says came to nothing: such a note follows its entry within moments, so few are on their way.
const UNDONE_MAX: usize = 16;

pub(crate) fn rows() -> Vec<Route> {
    let read = |path, id, summary, answer, query, handler| Route {
        method: Method::GET,
        path,
        id,
        summary,
        permission: Permission::Asks(|_| Ok(Action::ReadStationSettings)),
        audit: cameras::CONFIG_READ,
        body_bytes_max: NO_BODY,
        query,
        request: None,
        answer,
        handler,
    };
    let settings = || Answer::Json(200, Shape::of::<api::StationSettings>());
    let history = Answer::Json(200, Shape::of::<api::StationSettingsHistory>());
    let of_read = "What the station says of itself to everybody: each setting, and what the configuration file says.";
    let of_history = "Who changed these settings, when, from what to what and why, newest first. A page may have fewer entries than there are, or none, although more follow.";
    vec![
        read(PATH, "station_settings", of_read, settings(), &[], handler!(shown)),
        Route {
            method: Method::PATCH,
            path: PATH,
            id: "change_station_settings",
            summary: "Changes them at once, with a reason. 409 when somebody has changed them since they were looked at.",
            permission: Permission::OfSettings(asked_change),
            audit: AuditRule::EveryTime,
            body_bytes_max: SETTINGS_BODY,
            query: &[],
            request: Some(Shape::of::<api::StationSettingsPatch>()),
            answer: settings(),
            handler: handler!(change),
        },
        read(
            "/api/v1/settings/history",
            "station_settings_history",
            of_history,
            history,
            &[CURSOR],
            handler!(history_of),
        ),
    ]
}

/// What becomes different, for whoever may. Nothing of the body is looked at for anybody else.
fn asked_change(asked: &Asked<'_>, now: Option<&SettingsNow>) -> Result<Action, Error> {
    let nothing = Action::ChangeStationSettings { changes: Vec::new(), reason: String::new() };
    let Some(now) = now else { return Ok(nothing) };
    match asked.json::<api::StationSettingsPatch>()? {
        Some(request) => now.action(&request),
        None => Ok(nothing),
    }
}

fn answer(app: &App, now: &SettingsNow) -> api::StationSettings {
    now.shown(app.ports().policies.in_force().rules.subject_request_days)
}

async fn shown(call: Call) -> Result<Response, Problem> {
    ok(&call.blocking(|app| Ok(answer(app, &app.settings().now()))).await?)
}

async fn change(call: Call) -> Result<Response, Problem> {
    let logged = call.grant()?.action().clone();
    let changed = async {
        let request: api::StationSettingsPatch = call.json()?;
        call.blocking(move |app| Ok(answer(app, &app.settings().change(&request, &logged)?))).await
    };
    ok(&call.noted(changed.await).await?)
}

async fn history_of(call: Call) -> Result<Response, Problem> {
    let from = call.query.text(CURSOR.name).map_or_else(|| Ok(Start::default()), Start::parse)?;
    ok(&call.blocking(move |app| history(app, from)).await?)
}

/// Where a page of the history begins. Newest first, what came to nothing is said before what was allowed: entries that were not reached yet and came to nothing go along from page to page.
#[derive(Debug, Default, PartialEq, Eq)]
struct Start {
    before: Option<u64>,
    undone: BTreeSet<u64>,
}

impl Start {
    /// Numbers with a dot between them.
    fn parse(cursor: &str) -> Result<Self, Error> {
        let bad = || Error::invalid("cursor is not one of ours");
        let numbers: Option<Vec<u64>> = cursor.split('.').map(|number| number.parse().ok()).collect();
        let numbers = numbers.filter(|numbers| numbers.len() <= 1 + UNDONE_MAX).ok_or_else(bad)?;
        let (before, undone) = numbers.split_first().ok_or_else(bad)?;
        Ok(Self { before: Some(*before), undone: undone.iter().copied().collect() })
    }

    fn cursor(&self) -> Option<String> {
        let before = self.before.filter(|before| *before > 0)?;
        let waiting = self.undone.range(..before).rev().take(UNDONE_MAX);
        Some(core::iter::once(&before).chain(waiting).map(u64::to_string).collect::<Vec<_>>().join("."))
    }
}

/// An entry of the log, as far as it tells of these settings.
#[derive(Deserialize)]
struct Told {
    account: Option<u32>,
    #[serde(default)]
    changes: Vec<SettingChange>,
    #[serde(default)]
    reason: String,
    outcome: serde_json::Value,
}

fn history(app: &App, mut from: Start) -> Result<api::StationSettingsHistory, Error> {
    let mut list = api::StationSettingsHistory { entries: Vec::new(), next_cursor: None, looked_to_utc_ms: None };
    for _ in 0..READS_MAX {
        let page = app.ports().audit.page(AuditKind::People, from.before, READ_AT_ONCE)?;
        for record in page.records {
            list.looked_to_utc_ms = Some(record.at.as_ms());
            list.entries.extend(entry(app, &record, &mut from.undone)?);
            if list.entries.len() == ENTRIES_MAX {
                from.before = Some(record.index);
                list.next_cursor = from.cursor();
                return Ok(list);
            }
        }
        from.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    list.next_cursor = from.cursor();
    Ok(list)
}

fn entry(
    app: &App,
    record: &AuditRecord,
    undone: &mut BTreeSet<u64>,
) -> Result<Option<api::StationSettingsEntry>, Error> {
    // Its fields may mean something else in another action.
    let is_ours = |told: &serde_json::Value| told["action"] == "change_station_settings";
    let corrupt = |_| Error::new(Kind::Corrupt, format!("entry {} of the audit log cannot be read", record.index));
    let value: serde_json::Value = serde_json::from_slice(&record.entry_json).map_err(corrupt)?;
    if !is_ours(&value) {
        return Ok(None);
    }
    let told: Told = serde_json::from_value(value).map_err(corrupt)?;
    if let Some(of) = told.outcome.get("came_to_nothing") {
        undone.extend(of.get("entry").and_then(serde_json::Value::as_u64));
    }
    if told.outcome != "allowed" || undone.contains(&record.index) {
        return Ok(None);
    }
    let changes = told.changes.into_iter().map(|change| {
        let SettingChange { setting, before, after, from_file } = change;
        api::StationSettingChanged { setting, before, after, from_file }
    });
    Ok(Some(api::StationSettingsEntry {
        entry: record.index,
        at_utc_ms: record.at.as_ms(),
        account: told.account,
        account_name: told.account.and_then(|id| app.accounts().name_of(id)),
        changes: changes.collect(),
        reason: told.reason,
    }))
}
