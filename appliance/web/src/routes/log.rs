//! The audit log's checkpoints: what outsiders keep, so that nobody can rewrite the log behind them.

use super::dispatch::{Call, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Query, QueryKind, Route, Shape, handler};
use crate::api;
use crate::error::{Error, Problem};
use axum::body::Body;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use watchbook_access::Action;

const OLD_ENTRIES: Query = Query {
    name: "old_entries",
    kind: QueryKind::Integer,
    required: true,
    about: "Entries of the checkpoint that the witness saw last; 0 when it saw none.",
};
/// Whoever reads a checkpoint learns nothing but how long the log is; that anybody may is what makes it of use.
const OPEN: Permission =
    Permission::Public { because: "whoever wants to check the log later needs it, and it names nobody" };
const UNLOGGED: AuditRule = AuditRule::Nothing {
    because: "it tells nothing about footage, people or settings, and a copy in many hands is what it is for",
};

pub(crate) fn rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: "/api/v1/log",
            id: "log",
            summary: "The audit log's key and its last checkpoint.",
            permission: OPEN,
            audit: UNLOGGED,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::LogCheckpoint>()),
            handler: handler!(log),
        },
        Route {
            method: Method::GET,
            path: "/api/v1/log/checkpoint",
            id: "log_checkpoint",
            summary: "The audit log's last checkpoint alone: a signed note (C2SP tlog-checkpoint).",
            permission: OPEN,
            audit: UNLOGGED,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Text,
            handler: handler!(checkpoint),
        },
        Route {
            method: Method::GET,
            path: "/api/v1/log/witness-request",
            id: "log_witness_request",
            summary: "What a witness is asked to sign: the last checkpoint, and the proof that it continues the one that the witness saw last (C2SP tlog-witness).",
            permission: Permission::Asks(|_| Ok(Action::ReadAudit)),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[OLD_ENTRIES],
            request: None,
            answer: Answer::Text,
            handler: handler!(witness_request),
        },
    ]
}

async fn log(call: Call) -> Result<Response, Problem> {
    ok(&call.blocking(|app| Ok(app.ports().checkpoints.shown())).await?)
}

async fn checkpoint(call: Call) -> Result<Response, Problem> {
    let shown = call.blocking(|app| Ok(app.ports().checkpoints.shown())).await?;
    let none = || Error::not_found("nothing of the audit log is signed yet").next("Wait some seconds, then try again.");
    Ok(text(shown.checkpoint.ok_or_else(none)?))
}

async fn witness_request(call: Call) -> Result<Response, Problem> {
    let old = call.query.integer(OLD_ENTRIES.name)?.and_then(|old| u64::try_from(old).ok());
    let old = old.ok_or_else(|| Error::invalid("old_entries must be a whole number from 0 on"))?;
    Ok(text(call.blocking(move |app| app.ports().checkpoints.witness_request(old)).await?))
}

fn text(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
