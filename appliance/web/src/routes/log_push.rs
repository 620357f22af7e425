//! Checkpoints that the recorder sends to witnesses by itself: where to, what became of it, and one more at once.

use super::dispatch::{Asked, Call, empty, ok};
use super::log::{NAME, shortened};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, SMALL_BODY, Shape, handler};
use crate::api;
use crate::error::{Error, Problem};
use crate::ports::PushUrl;
use axum::http::Method;
use axum::response::Response;
use watchbook_access::Action;

const PATH: &str = "/api/v1/log/pushes";

pub(crate) fn rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: PATH,
            id: "log_pushes",
            summary: "Where to checkpoints are sent for each witness, and what became of the last one.",
            permission: Permission::Asks(|_| Ok(Action::ReadLogPushes)),
            audit: AuditRule::FirstIn { window_s: 300, because: "the page asks again while one is on its way" },
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::LogPushList>()),
            handler: handler!(list),
        },
        Route {
            method: Method::PUT,
            path: PATH,
            id: "set_log_push",
            summary: "Has checkpoints sent to a witness (C2SP tlog-witness `add-checkpoint`), or no more; with a fresh second factor.",
            permission: Permission::Asks(asked_set),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[NAME],
            request: Some(Shape::of::<api::LogPushRequest>()),
            answer: Answer::Empty,
            handler: handler!(set),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/log/pushes/now",
            id: "push_log",
            summary: "Has the last checkpoint sent to a witness at once. The list says what became of it.",
            permission: Permission::Asks(|asked| {
                Ok(Action::PushLog { witness: shortened(asked.query.text(NAME.name).unwrap_or_default()) })
            }),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[NAME],
            request: None,
            answer: Answer::Empty,
            handler: handler!(push),
        },
    ]
}

/// `None`: to nowhere.
fn address(request: &api::LogPushRequest) -> Result<Option<PushUrl>, Error> {
    if request.url.trim().is_empty() { Ok(None) } else { PushUrl::parse(&request.url).map(Some) }
}

/// What is no address is no question: a password in it must not get into the log.
fn asked_set(asked: &Asked<'_>) -> Result<Action, Error> {
    let witness = shortened(asked.query.text(NAME.name).unwrap_or_default());
    let request: Option<api::LogPushRequest> = asked.json()?;
    let url = request.map(|request| address(&request)).transpose()?.flatten();
    Ok(Action::SetWitnessPush { witness, url: url.map(|url| url.to_string()).unwrap_or_default() })
}

async fn list(call: Call) -> Result<Response, Problem> {
    let pushes = call.blocking(|app| app.ports().checkpoints.pushes()).await?;
    ok(&api::LogPushList { pushes })
}

async fn set(call: Call) -> Result<Response, Problem> {
    let url = address(&call.json()?)?;
    let name = call.query.text(NAME.name).unwrap_or_default().to_owned();
    call.blocking(move |app| app.ports().checkpoints.set_push(&name, url.as_ref())).await?;
    Ok(empty())
}

async fn push(call: Call) -> Result<Response, Problem> {
    let name = call.query.text(NAME.name).unwrap_or_default().to_owned();
    call.blocking(move |app| app.ports().checkpoints.push_now(&name)).await?;
    Ok(empty())
}
