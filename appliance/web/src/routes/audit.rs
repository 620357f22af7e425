//! The audit log, for auditors.

use super::dispatch::{Call, ok};
use super::events::limit;
use super::{Answer, AuditRule, CURSOR, LIMIT, NO_BODY, Permission, Query, QueryKind, Route, Shape, handler};
use crate::api::{self, AuditOutcome};
use crate::app::App;
use crate::error::{Error, Problem};
use crate::ports::{AuditKind, AuditRecord};
use axum::http::Method;
use axum::response::Response;
use serde_json::{Map, Value};
use watchbook_access::Action;
use watchbook_base::Kind;

const KIND: Query = Query {
    name: "kind",
    kind: QueryKind::Text,
    required: false,
    about: "Which entries: `people` (what was done and tried; also when left out), `footage` (hashes of what was recorded) or `all`.",
};

pub(crate) fn rows() -> Vec<Route> {
    vec![Route {
        method: Method::GET,
        path: "/api/v1/audit",
        id: "audit",
        summary: "The audit log, newest first. A page may have fewer entries than asked for although more follow.",
        permission: Permission::Asks(|_| Ok(Action::ReadAudit)),
        audit: AuditRule::FirstIn {
            window_s: 300,
            because: "reading the log page by page would else fill the log with its own reading",
        },
        body_bytes_max: NO_BODY,
        query: &[KIND, LIMIT, CURSOR],
        request: None,
        answer: Answer::Json(200, Shape::of::<api::AuditList>()),
        handler: handler!(audit),
    }]
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
    let list = call.blocking(move |app| {
        let page = app.ports().audit.page(kind, before, limit)?;
        let entries = page.records.into_iter().map(|record| row(app, record)).collect::<Result<_, _>>()?;
        Ok(api::AuditList { entries, next_cursor: page.next.map(|next| next.to_string()) })
    });
    ok(&list.await?)
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
