//! How long footage stays, and what was erased.

use super::dispatch::{Call, ok};
use super::events::limit;
use super::{Answer, AuditRule, CURSOR, LIMIT, NO_BODY, Permission, Route, Shape, handler};
use crate::api;
use crate::error::{Error, Problem};
use axum::http::Method;
use axum::response::Response;
use std::sync::Arc;
use watchbook_access::Action;
use watchbook_base::UtcNanos;

const READ: AuditRule =
    AuditRule::FirstIn { window_s: 3600, because: "the page polls it while it is open, and it shows no footage" };

pub(crate) fn rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: "/api/v1/retention",
            id: "retention_list",
            summary: "How long the footage of each camera of the account stays.",
            permission: Permission::Asks(|_| Ok(Action::ReadRetention { camera: None })),
            audit: READ,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::RetentionList>()),
            handler: handler!(list),
        },
        Route {
            method: Method::GET,
            path: "/api/v1/cameras/{camera}/retention",
            id: "retention",
            summary: "How long one camera's footage stays.",
            permission: Permission::Asks(|asked| Ok(Action::ReadRetention { camera: Some(asked.path.camera()?) })),
            audit: READ,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::Retention>()),
            handler: handler!(one),
        },
        Route {
            method: Method::GET,
            path: "/api/v1/cameras/{camera}/erasures",
            id: "erasures",
            summary: "Hours of one camera's footage that were erased at their maximum age, newest first.",
            permission: Permission::Asks(|asked| Ok(Action::ReadRetention { camera: Some(asked.path.camera()?) })),
            audit: READ,
            body_bytes_max: NO_BODY,
            query: &[LIMIT, CURSOR],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::ErasureList>()),
            handler: handler!(erasures),
        },
    ]
}

async fn list(call: Call) -> Result<Response, Problem> {
    let (subject, grant) = (call.who()?.subject.clone(), Arc::clone(call.grant()?));
    let list = call.blocking(move |app| {
        let rows = app.ports().cameras.list()?.into_iter().filter(|row| subject.covers(row.id));
        let of = |row: crate::ports::CameraRow| app.ports().retention.of(&grant, row.id, row.config.retention_days_max);
        Ok(api::RetentionList { cameras: rows.map(of).collect::<Result<_, _>>()? })
    });
    ok(&list.await?)
}

async fn one(call: Call) -> Result<Response, Problem> {
    let (camera, grant) = (call.path.camera()?, Arc::clone(call.grant()?));
    let retention = call.blocking(move |app| {
        let days_max = app.ports().cameras.get(camera)?.config.retention_days_max;
        app.ports().retention.of(&grant, camera, days_max)
    });
    ok(&retention.await?)
}

async fn erasures(call: Call) -> Result<Response, Problem> {
    let (camera, limit, grant) = (call.path.camera()?, limit(&call.query)?, Arc::clone(call.grant()?));
    let bad = |_| Error::invalid("cursor is not one of ours");
    let before: Option<i64> = call.query.text("cursor").map(str::parse).transpose().map_err(bad)?;
    let before = before.map_or(UtcNanos(i64::MAX), UtcNanos::from_ms);
    let list = call.blocking(move |app| {
        let erasures = app.ports().retention.erasures(&grant, camera, before, limit)?;
        let next_cursor = match erasures.last() {
            Some(last) if erasures.len() == limit => Some(last.start_utc_ms.to_string()),
            _ => None,
        };
        Ok(api::ErasureList { erasures, next_cursor })
    });
    ok(&list.await?)
}
