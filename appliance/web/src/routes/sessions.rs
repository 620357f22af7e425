//! Signing in and out, and one's own password.

use super::dispatch::{Call, empty, json, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, SMALL_BODY, Shape, handler};
use crate::accounts::{Client, SESSION_MAX_S};
use crate::api;
use crate::error::Problem;
use crate::headers;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use watchbook_access::{Action, Refusal};

const PATH: &str = "/api/v1/session";

pub(crate) fn rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: PATH,
            id: "session",
            summary: "Who is signed in; 401 when nobody is.",
            permission: Permission::Public {
                because: "it tells the holder of a session what the session is, and others nothing",
            },
            audit: AuditRule::Nothing { because: "it tells nobody anything about somebody else" },
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::Session>()),
            handler: handler!(session),
        },
        Route {
            method: Method::POST,
            path: PATH,
            id: "sign_in",
            summary: "Signs in.",
            permission: Permission::Public { because: "nobody is signed in yet; the password is the proof" },
            audit: AuditRule::ByHandler { because: "whether the password is right is known only in the act" },
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::SessionRequest>()),
            answer: Answer::Json(201, Shape::of::<api::Session>()),
            handler: handler!(sign_in),
        },
        Route {
            method: Method::DELETE,
            path: PATH,
            id: "sign_out",
            summary: "Signs out.",
            permission: Permission::Asks(|_| Ok(Action::SignOut)),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Empty,
            handler: handler!(sign_out),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/session/password",
            id: "change_password",
            summary: "Changes one's own password and ends one's other sessions.",
            permission: Permission::Asks(|_| Ok(Action::ChangeOwnAccount)),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::PasswordRequest>()),
            answer: Answer::Empty,
            handler: handler!(change_password),
        },
    ]
    .into_iter()
    .chain(factor_rows())
    .collect()
}

fn factor_rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::POST,
            path: "/api/v1/session/second-factor",
            id: "enter_second_factor",
            summary: "Shows one's second factor. What asks for it with 403 `second_factor_needed` is open to this session for five minutes.",
            permission: Permission::Asks(|_| Ok(Action::EnterSecondFactor)),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::SecondFactorCode>()),
            answer: Answer::Empty,
            handler: handler!(enter_second_factor),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/session/second-factor/set-up",
            id: "set_up_second_factor",
            summary: "A new key for one's second factor, shown this one time. An account that has a factor shows that first.",
            permission: Permission::Asks(|_| Ok(Action::SetUpSecondFactor)),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::SecondFactorSetUpRequest>()),
            answer: Answer::Json(200, Shape::of::<api::SecondFactorSetUp>()),
            handler: handler!(set_up_second_factor),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/session/second-factor/confirm",
            id: "confirm_second_factor",
            summary: "Puts the key that was set up in force, with a code of it.",
            permission: Permission::Asks(|_| Ok(Action::SetUpSecondFactor)),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::SecondFactorCode>()),
            answer: Answer::Empty,
            handler: handler!(confirm_second_factor),
        },
    ]
}

async fn enter_second_factor(call: Call) -> Result<Response, Problem> {
    let api::SecondFactorCode { code } = call.json()?;
    call.app.accounts().enter_factor(&call, &code).await?;
    Ok(empty())
}

async fn set_up_second_factor(call: Call) -> Result<Response, Problem> {
    let request = call.json()?;
    ok(&call.app.accounts().set_up_factor(&call, request).await?)
}

async fn confirm_second_factor(call: Call) -> Result<Response, Problem> {
    let api::SecondFactorCode { code } = call.json()?;
    call.app.accounts().confirm_factor(&call, &code).await?;
    Ok(empty())
}

async fn session(call: Call) -> Result<Response, Problem> {
    let session = call.app.accounts().session(call.who()?);
    ok(&session.ok_or(Refusal::SignInFirst)?)
}

async fn sign_in(call: Call) -> Result<Response, Problem> {
    let request = call.json()?;
    let from = Client::of(call.peer, &call.headers, call.over);
    let begun = call.app.accounts().sign_in(call.app.gate(), from, request).await?;
    let mut response = json(StatusCode::CREATED, &begun.session)?;
    response.headers_mut().insert(header::SET_COOKIE, headers::cookie_for(&begun.token, SESSION_MAX_S, call.over));
    Ok(response)
}

async fn sign_out(call: Call) -> Result<Response, Problem> {
    call.app.accounts().sign_out(call.app.gate(), call.who()?).await?;
    let mut response = empty();
    response.headers_mut().insert(header::SET_COOKIE, headers::no_cookie(call.over));
    Ok(response)
}

async fn change_password(call: Call) -> Result<Response, Problem> {
    let request = call.json()?;
    call.app.accounts().change_password(call.app.gate(), call.peer, call.who()?, request).await?;
    Ok(empty())
}
