//! The audit log's checkpoints: what outsiders keep, so that nobody can rewrite the log behind them.

use super::dispatch::{Asked, Call, empty, json, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Query, QueryKind, Route, SMALL_BODY, Shape, handler};
use crate::api;
use crate::error::{Error, Problem};
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use watchbook_access::Action;
use watchbook_base::limits::NAME_BYTES_MAX;

pub(super) const NAME: Query =
    Query { name: "name", kind: QueryKind::Text, required: true, about: "Name in the witness' key." };
const OLD_ENTRIES: Query = Query {
    name: "old_entries",
    kind: QueryKind::Integer,
    required: true,
    about: "Entries of the checkpoint that the witness saw last; 0 when it saw none.",
};
/// A checkpoint is a signed note of at most 64 KiB; in JSON each of its line ends is two bytes.
const NOTE_BODY: usize = 80 << 10;
/// Names of lines that stand in the log when cosignatures are brought.
const NAMES_MAX: usize = 16;
/// Why a key is changed.
const REASON_BYTES_MAX: usize = 256;
const WITNESSES: &str = "/api/v1/log/witnesses";

/// Whoever reads a checkpoint learns nothing but how long the log is; that anybody may is what makes it of use.
const OPEN: Permission =
    Permission::Public { because: "whoever wants to check the log later needs it, and it names nobody" };
const UNLOGGED: AuditRule = AuditRule::Nothing {
    because: "it tells nothing about footage, people or settings, and a copy in many hands is what it is for",
};

pub(crate) fn rows() -> Vec<Route> {
    let mut rows = rows_for_anybody();
    rows.extend(rows_of_witnesses());
    rows.extend(rows_of_changes());
    rows
}

fn rows_for_anybody() -> Vec<Route> {
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
            path: "/api/v1/log/cosigned",
            id: "log_cosigned",
            summary: "The longest checkpoint that a witness cosigned, with the lines of all witnesses who did.",
            permission: OPEN,
            audit: UNLOGGED,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Text,
            handler: handler!(cosigned),
        },
        Route {
            method: Method::GET,
            path: WITNESSES,
            id: "log_witnesses",
            summary: "Witnesses of the audit log, and what each signed last.",
            permission: OPEN,
            audit: UNLOGGED,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::LogWitnessList>()),
            handler: handler!(witnesses),
        },
    ]
}

fn rows_of_witnesses() -> Vec<Route> {
    vec![
        Route {
            method: Method::POST,
            path: WITNESSES,
            id: "trust_log_witness",
            summary: "Takes home cosignatures of another witness.",
            permission: Permission::Asks(asked_trust),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::LogWitnessRequest>()),
            answer: Answer::Json(201, Shape::of::<api::LogWitness>()),
            handler: handler!(trust),
        },
        Route {
            method: Method::DELETE,
            path: WITNESSES,
            id: "distrust_log_witness",
            summary: "Takes home cosignatures of a witness no more, and forgets what it signed.",
            permission: Permission::Asks(|asked| {
                Ok(Action::DistrustWitness { witness: shortened(asked.query.text(NAME.name).unwrap_or_default()) })
            }),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[NAME],
            request: None,
            answer: Answer::Empty,
            handler: handler!(distrust),
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

fn rows_of_changes() -> Vec<Route> {
    vec![
        Route {
            method: Method::POST,
            path: "/api/v1/log/cosignatures",
            id: "import_cosignatures",
            summary: "Takes home cosignatures, or compares the log with a checkpoint that was kept outside; one that it does not continue is an alarm from then on.",
            permission: Permission::Asks(asked_import),
            audit: AuditRule::EveryTime,
            body_bytes_max: NOTE_BODY,
            query: &[],
            request: Some(Shape::of::<api::LogImportRequest>()),
            answer: Answer::Json(200, Shape::of::<api::LogImport>()),
            handler: handler!(import),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/log/key",
            id: "change_log_key",
            summary: "Has another key sign the audit log. The old key signs that it does, in an entry of the log.",
            permission: Permission::Asks(asked_key),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::LogKeyRequest>()),
            answer: Answer::Json(200, Shape::of::<api::LogCheckpoint>()),
            handler: handler!(change_key),
        },
    ]
}

pub(super) fn shortened(name: &str) -> String {
    name.chars().filter(|char| !char.is_control()).take(NAME_BYTES_MAX).collect()
}

fn asked_trust(asked: &Asked<'_>) -> Result<Action, Error> {
    let request: Option<api::LogWitnessRequest> = asked.json()?;
    let key = request.map(|request| request.key).unwrap_or_default();
    let name = key.trim().split('+').next().unwrap_or_default();
    Ok(Action::TrustWitness { witness: shortened(name) })
}

fn asked_import(asked: &Asked<'_>) -> Result<Action, Error> {
    let request: Option<api::LogImportRequest> = asked.json()?;
    let text = request.map(|request| request.text).unwrap_or_default();
    let names = text.lines().filter_map(|line| line.strip_prefix("\u{2014} ")?.split(' ').next());
    Ok(Action::ImportCosignatures { names: names.take(NAMES_MAX).map(shortened).collect() })
}

fn asked_key(asked: &Asked<'_>) -> Result<Action, Error> {
    let request: Option<api::LogKeyRequest> = asked.json()?;
    let reason = request.map(|request| request.reason).unwrap_or_default();
    let reason = reason.trim();
    let readable = !asked.body.is_empty() && reason.is_empty();
    if readable || reason.len() > REASON_BYTES_MAX || reason.chars().any(char::is_control) {
        let message = format!("reason must have 1 to {REASON_BYTES_MAX} bytes and no control characters");
        return Err(Error::invalid(message));
    }
    Ok(Action::ChangeLogKey { reason: reason.to_owned() })
}

async fn cosigned(call: Call) -> Result<Response, Problem> {
    let cosigned = call.blocking(|app| app.ports().checkpoints.cosigned()).await?;
    let none = || {
        Error::not_found("no witness has cosigned a checkpoint of this log")
            .next("The last checkpoint without a witness is at /api/v1/log/checkpoint.")
    };
    Ok(text(cosigned.ok_or_else(none)?))
}

async fn witnesses(call: Call) -> Result<Response, Problem> {
    let witnesses = call.blocking(|app| app.ports().checkpoints.witnesses()).await?;
    ok(&api::LogWitnessList { witnesses })
}

async fn trust(call: Call) -> Result<Response, Problem> {
    let request: api::LogWitnessRequest = call.json()?;
    let trusted = call.blocking(move |app| app.ports().checkpoints.trust_witness(&request.key));
    json(StatusCode::CREATED, &trusted.await?)
}

async fn distrust(call: Call) -> Result<Response, Problem> {
    let name = call.query.text(NAME.name).unwrap_or_default().to_owned();
    call.blocking(move |app| app.ports().checkpoints.distrust_witness(&name)).await?;
    Ok(empty())
}

async fn import(call: Call) -> Result<Response, Problem> {
    let request: api::LogImportRequest = call.json()?;
    ok(&call.blocking(move |app| app.ports().checkpoints.import(&request.text)).await?)
}

async fn change_key(call: Call) -> Result<Response, Problem> {
    // An empty body is nobody's reason.
    let _: api::LogKeyRequest = call.json()?;
    let changed = call.blocking(|app| {
        let checkpoints = &app.ports().checkpoints;
        checkpoints.change_key()?;
        Ok(checkpoints.shown())
    });
    ok(&changed.await?)
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

pub(super) fn text(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
