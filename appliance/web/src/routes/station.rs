//! Status, claim, and the API's own description.

use super::dispatch::{Call, json, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, SMALL_BODY, Shape, handler};
use crate::accounts::{Client, SESSION_MAX_S};
use crate::api;
use crate::error::Problem;
use crate::headers;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;

pub(crate) fn rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: "/api/v1/status",
            id: "status",
            summary: "What anybody may know: whether the box is claimed, its version, its clock.",
            permission: Permission::Public { because: "the page must know whether to show the claim or the sign-in" },
            audit: AuditRule::Nothing { because: "it tells nothing about footage, people or settings" },
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::Status>()),
            handler: handler!(status),
        },
        Route {
            method: Method::GET,
            path: "/api/v1/openapi.json",
            id: "openapi",
            summary: "This description.",
            permission: Permission::Public { because: "it is published with the source code anyway" },
            audit: AuditRule::Nothing { because: "it is the same on every box" },
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::AnyJson,
            handler: handler!(description),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/claim",
            id: "claim",
            summary: "Takes an unclaimed box into possession with its one-time code, and signs its first account in.",
            permission: Permission::Public { because: "nobody can be signed in yet; the one-time code is the proof" },
            audit: AuditRule::ByHandler { because: "whether the code is right is known only in the act" },
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::ClaimRequest>()),
            answer: Answer::Json(201, Shape::of::<api::Session>()),
            handler: handler!(claim),
        },
    ]
}

async fn status(call: Call) -> Result<Response, Problem> {
    ok(&api::Status {
        claimed: call.app.accounts().claimed(),
        product: "Watchbook".to_owned(),
        version: call.app.version().to_owned(),
        now_utc_ms: call.app.clock().utc().as_ms(),
    })
}

async fn description(_call: Call) -> Result<Response, Problem> {
    ok(&crate::openapi::openapi())
}

async fn claim(call: Call) -> Result<Response, Problem> {
    let request = call.json()?;
    let from = Client::of(call.peer, &call.headers, call.over);
    let begun = call.app.accounts().claim(call.app.gate(), from, request).await?;
    let mut response = json(StatusCode::CREATED, &begun.session)?;
    response.headers_mut().insert(header::SET_COOKIE, headers::cookie_for(&begun.token, SESSION_MAX_S, call.over));
    Ok(response)
}
