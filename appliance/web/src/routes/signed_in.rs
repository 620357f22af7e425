//! Where accounts are signed in: one's own, and for admins everybody's. Each can be ended.

use super::dispatch::{Asked, Call, empty, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, Shape, handler};
use crate::api;
use crate::error::{Error, Problem};
use axum::http::Method;
use axum::response::Response;
use watchbook_access::Action;

/// Digits of a session's number in the lists.
const ID_DIGITS: usize = 16;

pub(crate) fn rows() -> Vec<Route> {
    let list = |path, id, summary, permission, handler| Route {
        method: Method::GET,
        path,
        id,
        summary,
        permission,
        audit: AuditRule::FirstIn { window_s: 60, because: "the page asks again after each session that it ends" },
        body_bytes_max: NO_BODY,
        query: &[],
        request: None,
        answer: Answer::Json(200, Shape::of::<api::SignedInList>()),
        handler,
    };
    let end = |path, id, summary, permission, handler| Route {
        method: Method::DELETE,
        path,
        id,
        summary,
        permission,
        audit: AuditRule::EveryTime,
        body_bytes_max: NO_BODY,
        query: &[],
        request: None,
        answer: Answer::Empty,
        handler,
    };
    vec![
        list(
            "/api/v1/session/list",
            "own_sessions",
            "Where one's own account is signed in.",
            Permission::Asks(|_| Ok(Action::ReadOwnSessions)),
            handler!(own),
        ),
        end(
            "/api/v1/session/list/{session}",
            "end_own_session",
            "Ends a session of one's own account, with all that it has open.",
            Permission::Asks(|asked| Ok(Action::EndOwnSession { session: session_of(asked)? })),
            handler!(end_own),
        ),
        list(
            "/api/v1/accounts/sessions",
            "all_sessions",
            "Where everybody is signed in.",
            Permission::Asks(|_| Ok(Action::ReadSessions)),
            handler!(all),
        ),
        end(
            "/api/v1/accounts/{account}/sessions/{session}",
            "end_session",
            "Ends a session of an account, with all that it has open.",
            Permission::Asks(|asked| {
                Ok(Action::EndSession { account: asked.path.account()?, session: session_of(asked)? })
            }),
            handler!(end_any),
        ),
    ]
}

fn session_of(asked: &Asked<'_>) -> Result<String, Error> {
    let text = asked.path.text("session").unwrap_or_default();
    let fits = text.len() == ID_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match fits {
        true => Ok(text.to_owned()),
        false => Err(Error::not_found("there is no session with this number").next("Look at the list of sessions.")),
    }
}

async fn own(call: Call) -> Result<Response, Problem> {
    let who = call.who()?;
    ok(&api::SignedInList { sessions: call.app.accounts().sessions(who, Some(who.account)) })
}

async fn all(call: Call) -> Result<Response, Problem> {
    ok(&api::SignedInList { sessions: call.app.accounts().sessions(call.who()?, None) })
}

async fn end_own(call: Call) -> Result<Response, Problem> {
    end(&call, call.who()?.account).await
}

async fn end_any(call: Call) -> Result<Response, Problem> {
    end(&call, call.path.account()?).await
}

async fn end(call: &Call, account: u32) -> Result<Response, Problem> {
    let id = call.path.text("session").unwrap_or_default();
    call.noted(call.app.accounts().end_session(call.app.gate(), account, id).await).await?;
    Ok(empty())
}
