//! The audit log, for auditors.

use super::dispatch::{Arguments, Call, ok};
use super::events::limit;
use super::log::text;
use super::{Answer, AuditRule, CURSOR, LIMIT, NO_BODY, Permission, Query, QueryKind, Route, Shape, handler};
use crate::api::{self, AuditOutcome};
use crate::app::App;
use crate::error::{Error, Problem};
use crate::ports::{AuditKind, AuditRecord};
use axum::http::Method;
use axum::response::Response;
use serde_json::{Map, Value};
use watchbook_access::Action;
use watchbook_base::{Kind, StreamId};

const KIND: Query = Query {
    name: "kind",
    kind: QueryKind::Text,
    required: false,
    about: "Which entries: `people` (what was done and tried; also when left out), `footage` (hashes of what was recorded) or `all`.",
};

const ACCOUNT: Query = Query {
    name: "account",
    kind: QueryKind::Integer,
    required: false,
    about: "Only what this account did or tried, by its number.",
};
const ACTION: Query =
    Query { name: "action", kind: QueryKind::Text, required: false, about: "Only this action, as in `playback`." };
const CAMERA: Query =
    Query { name: "camera", kind: QueryKind::Integer, required: false, about: "Only entries about this camera." };
const FROM: Query = Query {
    name: "from_utc_ms",
    kind: QueryKind::Integer,
    required: false,
    about: "Only entries written at or after this moment, milliseconds UTC.",
};
const TO: Query = Query {
    name: "to_utc_ms",
    kind: QueryKind::Integer,
    required: false,
    about: "Only entries written before this moment, milliseconds UTC.",
};
/// Longest name of an action.
const ACTION_BYTES_MAX: usize = 64;
/// Entries that one page of a search reads from the log at once.
const READ_AT_ONCE: usize = if cfg!(test) { 7 } else { 500 };
/// How often it does at most, and once only where a reading found less than it was to: the log looks at a bounded part for each, too. The next page goes on.
const READS_MAX: usize = if cfg!(test) { 3 } else { 20 };

pub(crate) fn rows() -> Vec<Route> {
    vec![
        proof_row(),
        Route {
            method: Method::GET,
            path: "/api/v1/audit",
            id: "audit",
            summary: "The audit log, newest first. A page may have fewer entries than asked for, or none, although more follow.",
            permission: Permission::Asks(|_| Ok(Action::ReadAudit)),
            audit: AuditRule::FirstIn {
                window_s: 300,
                because: "reading the log page by page would else fill the log with its own reading",
            },
            body_bytes_max: NO_BODY,
            query: &[KIND, ACCOUNT, ACTION, CAMERA, FROM, TO, LIMIT, CURSOR],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::AuditList>()),
            handler: handler!(audit),
        },
    ]
}

async fn audit(call: Call) -> Result<Response, Problem> {
    let limit = limit(&call.query)?;
    let bad = |_| Error::invalid("cursor is not one of ours");
    let before: Option<u64> = call.query.text("cursor").map(str::parse).transpose().map_err(bad)?;
    let kind = match call.query.text("kind") {
        None | Some("people") => AuditKind::People,
        Some("footage") => AuditKind::Footage,
        Some("all") => AuditKind::All,
        Some(_) => return Err(Error::invalid("kind must be people, footage or all").into()),
    };
    let wanted = Wanted::read(&call.query)?;
    ok(&call.blocking(move |app| search(app, kind, &wanted, (before, limit))).await?)
}

/// What a search of the log takes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    account: Option<i64>,
    action: Option<String>,
    camera: Option<u64>,
    from_utc_ms: Option<i64>,
    to_utc_ms: Option<i64>,
}

impl Wanted {
    fn read(query: &Arguments) -> Result<Self, Error> {
        let action = query.text(ACTION.name).map(str::to_owned);
        if action.as_ref().is_some_and(|action| action.is_empty() || action.len() > ACTION_BYTES_MAX) {
            return Err(Error::invalid(format!("action must have 1 to {ACTION_BYTES_MAX} bytes")));
        }
        let camera = query.integer(CAMERA.name)?.map(u64::try_from).transpose();
        let wanted = Self {
            account: query.integer(ACCOUNT.name)?,
            action,
            camera: camera.map_err(|_| Error::invalid("camera must be the number of a camera"))?,
            from_utc_ms: query.integer(FROM.name)?,
            to_utc_ms: query.integer(TO.name)?,
        };
        match (wanted.from_utc_ms, wanted.to_utc_ms) {
            (Some(from), Some(to)) if from >= to => Err(Error::invalid("to_utc_ms must lie after from_utc_ms")),
            _ => Ok(wanted),
        }
    }

    fn is_all(&self) -> bool {
        *self == Self::default()
    }

    fn takes(&self, row: &api::AuditRow) -> bool {
        self.account.is_none_or(|account| row.account.map(i64::from) == Some(account))
            && self.action.as_ref().is_none_or(|action| *action == row.action)
            && self.camera.is_none_or(|camera| is_about(&row.subject, camera))
            && self.from_utc_ms.is_none_or(|from| row.at_utc_ms >= from)
            && self.to_utc_ms.is_none_or(|to| row.at_utc_ms < to)
    }
}

/// Whether an entry names this camera, alone, among others, or by one of its streams.
fn is_about(subject: &Map<String, Value>, camera: u64) -> bool {
    // Hours of recording stand beside each camera's number.
    let number = |one: &Value| one.as_u64().or_else(|| one.get("camera")?.as_u64());
    let among = subject.get("cameras").and_then(Value::as_array);
    let stream = subject.get("stream").and_then(Value::as_u64).and_then(|stream| u32::try_from(stream).ok());
    let of_stream = stream.and_then(StreamId::from_u32).map(|stream| u64::from(stream.camera.get()));
    subject.get("camera").and_then(Value::as_u64) == Some(camera)
        || among.is_some_and(|cameras| cameras.iter().any(|one| number(one) == Some(camera)))
        || of_stream == Some(camera)
}

/// A page of what `wanted` takes. A clock may have been set, so times do not order the log: all of it is looked at, a bounded part with each page.
fn search(
    app: &App,
    kind: AuditKind,
    wanted: &Wanted,
    (mut before, limit): (Option<u64>, usize),
) -> Result<api::AuditList, Error> {
    let mut list = api::AuditList { entries: Vec::new(), next_cursor: None, looked_to_utc_ms: None };
    let (at_once, reads_max) = if wanted.is_all() { (limit, 1) } else { (READ_AT_ONCE, READS_MAX) };
    for _ in 0..reads_max {
        let page = app.ports().audit.page(kind, before, at_once)?;
        let read = page.records.len();
        for record in page.records {
            let index = record.index;
            list.looked_to_utc_ms = Some(record.at.as_ms());
            let row = row(app, record)?;
            if wanted.takes(&row) {
                list.entries.push(row);
            }
            if list.entries.len() == limit && !wanted.is_all() {
                list.next_cursor = Some(index).filter(|index| *index > 0).map(|index| index.to_string());
                return Ok(list);
            }
        }
        before = page.next;
        if before.is_none() || read < at_once {
            break;
        }
    }
    list.next_cursor = before.map(|next| next.to_string());
    Ok(list)
}

fn proof_row() -> Route {
    Route {
        method: Method::GET,
        path: "/api/v1/audit/{entry}/proof",
        id: "audit_proof",
        summary: "One entry and the proof that it is in the log, as a file for whoever doubts it (C2SP tlog-proof; `watchbook-verify --entry` checks it).",
        permission: Permission::Asks(|_| Ok(Action::ReadAudit)),
        audit: AuditRule::EveryTime,
        body_bytes_max: NO_BODY,
        query: &[],
        request: None,
        answer: Answer::Text,
        handler: handler!(proof),
    }
}

async fn proof(call: Call) -> Result<Response, Problem> {
    let entry = call.path.text("entry").unwrap_or_default().parse();
    let entry: u64 = entry.map_err(|_| Error::not_found("there is no entry with this number"))?;
    Ok(text(call.blocking(move |app| app.ports().checkpoints.entry_proof(entry)).await?))
}

pub(super) fn row(app: &App, record: AuditRecord) -> Result<api::AuditRow, Error> {
    let corrupt = || Error::new(Kind::Corrupt, format!("entry {} of the audit log cannot be read", record.index));
    let mut entry: Map<String, Value> = serde_json::from_slice(&record.entry_json).map_err(|_| corrupt())?;
    if let Some(Value::String(kind)) = entry.remove("kind") {
        return Ok(api::AuditRow {
            index: record.index,
            at_utc_ms: record.at.as_ms(),
            account: None,
            account_name: None,
            action: format!("footage_{kind}"),
            subject: entry,
            outcome: AuditOutcome::Allowed,
            reason: None,
        });
    }
    let account = entry.remove("account").and_then(|account| account.as_u64()).and_then(|id| u32::try_from(id).ok());
    let action = entry.remove("action").and_then(|action| Some(action.as_str()?.to_owned())).ok_or_else(corrupt)?;
    let outcome = entry.remove("outcome").ok_or_else(corrupt)?;
    let why = outcome.get("refused").or_else(|| outcome.get("came_to_nothing")?.get("why"));
    let reason = why.and_then(Value::as_str).map(str::to_owned);
    Ok(api::AuditRow {
        index: record.index,
        at_utc_ms: record.at.as_ms(),
        account,
        account_name: account.and_then(|id| app.accounts().name_of(id)),
        action,
        subject: entry,
        outcome: if reason.is_some() { AuditOutcome::Refused } else { AuditOutcome::Allowed },
        reason,
    })
}
