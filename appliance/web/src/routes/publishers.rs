//! Whose plugins are taken: the publishers' keys, developer mode, and what is being tried out.

use super::dispatch::{Arguments, Asked, Call, empty, json, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, SMALL_BODY, Shape, cameras, handler};
use crate::api;
use crate::check;
use crate::error::{Error, Problem};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use watchbook_access::Action;
use watchbook_base::limits::NAME_BYTES_MAX;

const PUBLISHERS: &str = "/api/v1/plugin-publishers";
const DEV_MODE: &str = "/api/v1/plugin-dev-mode";
const TRIED_OUT: &str = "/api/v1/plugin-tried-out";
/// Longest stretch of developer mode: one day's work.
const DEV_HOURS_MAX: u32 = 24;
/// A minisign `.pub` file: a comment and 56 digits of base64.
const PUBLIC_KEY_BYTES_MAX: usize = 1024;

pub(crate) fn rows() -> Vec<Route> {
    let mut rows = rows_of_publishers();
    rows.extend(rows_of_dev_mode());
    rows.extend(rows_of_tried_out());
    rows
}

fn rows_of_publishers() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: PUBLISHERS,
            id: "plugin_publishers",
            summary: "Publishers whose packages are taken.",
            permission: Permission::Asks(|_| Ok(Action::ReadPublishers)),
            audit: cameras::CONFIG_READ,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::PluginPublisherList>()),
            handler: handler!(list),
        },
        Route {
            method: Method::POST,
            path: PUBLISHERS,
            id: "trust_publisher",
            summary: "Takes packages of another publisher. The key's id is typed as the publisher told it by another way.",
            permission: Permission::Asks(asked_trust),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::PluginPublisherRequest>()),
            answer: Answer::Json(201, Shape::of::<api::PluginPublisher>()),
            handler: handler!(trust),
        },
        Route {
            method: Method::DELETE,
            path: "/api/v1/plugin-publishers/{key}",
            id: "distrust_publisher",
            summary: "Takes packages of a publisher no more; what they signed stops at once.",
            permission: Permission::Asks(|asked| Ok(Action::DistrustPublisher { key_id: named(asked.path) })),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Empty,
            handler: handler!(distrust),
        },
    ]
}

fn rows_of_dev_mode() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: DEV_MODE,
            id: "plugin_dev_mode",
            summary: "Whether unsigned packages are taken, and until when.",
            permission: Permission::Asks(|_| Ok(Action::ReadConfig)),
            audit: cameras::CONFIG_READ,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::PluginDevMode>()),
            handler: handler!(dev_mode),
        },
        Route {
            method: Method::PUT,
            path: DEV_MODE,
            id: "set_plugin_dev_mode",
            summary: "Takes unsigned packages for at most 24 h, or no more: then what is unsigned stops.",
            permission: Permission::Asks(asked_dev_mode),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::PluginDevModeRequest>()),
            answer: Answer::Json(200, Shape::of::<api::PluginDevMode>()),
            handler: handler!(set_dev_mode),
        },
    ]
}

fn rows_of_tried_out() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: TRIED_OUT,
            id: "plugin_tried_out",
            summary: "Whether interfaces that are being tried out are offered to plugins.",
            permission: Permission::Asks(|_| Ok(Action::ReadConfig)),
            audit: cameras::CONFIG_READ,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::PluginTriedOut>()),
            handler: handler!(tried_out),
        },
        Route {
            method: Method::PUT,
            path: TRIED_OUT,
            id: "set_plugin_tried_out",
            summary: "Offers interfaces that are being tried out, or no more: then plugins that ask for one stop.",
            permission: Permission::Asks(asked_tried_out),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::PluginTriedOutRequest>()),
            answer: Answer::Json(200, Shape::of::<api::PluginTriedOut>()),
            handler: handler!(set_tried_out),
        },
    ]
}

fn named(path: &Arguments) -> String {
    path.text("key").unwrap_or_default().chars().take(NAME_BYTES_MAX).collect()
}

fn asked_trust(asked: &Asked<'_>) -> Result<Action, Error> {
    let request: Option<api::PluginPublisherRequest> = asked.json()?;
    let key_id = request.map(|request| check::key_id(&request.key_id)).transpose()?.unwrap_or_default();
    Ok(Action::TrustPublisher { key_id })
}

fn asked_dev_mode(asked: &Asked<'_>) -> Result<Action, Error> {
    let request: Option<api::PluginDevModeRequest> = asked.json()?;
    let hours = request.map(|request| hours(&request)).transpose()?.unwrap_or_default();
    Ok(Action::SetPluginDevMode { hours })
}

fn asked_tried_out(asked: &Asked<'_>) -> Result<Action, Error> {
    let request: Option<api::PluginTriedOutRequest> = asked.json()?;
    Ok(Action::SetPluginTriedOut { on: request.is_some_and(|request| request.on) })
}

fn hours(request: &api::PluginDevModeRequest) -> Result<u32, Error> {
    match request.hours <= DEV_HOURS_MAX {
        true => Ok(request.hours),
        false => Err(Error::invalid(format!("hours must be 0 to {DEV_HOURS_MAX}"))),
    }
}

async fn list(call: Call) -> Result<Response, Problem> {
    let publishers = call.blocking(|app| app.ports().plugins.publishers()).await?;
    ok(&api::PluginPublisherList { publishers })
}

async fn trust(call: Call) -> Result<Response, Problem> {
    let request: api::PluginPublisherRequest = call.json()?;
    let name = check::name("name", &request.name)?;
    let key_id = check::key_id(&request.key_id)?;
    if request.public_key.len() > PUBLIC_KEY_BYTES_MAX {
        return Err(Error::invalid(format!("public_key may have at most {PUBLIC_KEY_BYTES_MAX} bytes")).into());
    }
    let trusted = call.blocking(move |app| app.ports().plugins.trust(&name, &request.public_key, &key_id));
    json(StatusCode::CREATED, &trusted.await?)
}

async fn distrust(call: Call) -> Result<Response, Problem> {
    let unknown = |_| Error::not_found("there is no publisher with this key").next("Look at the list of publishers.");
    let key_id = check::key_id(&named(&call.path)).map_err(unknown)?;
    call.blocking(move |app| app.ports().plugins.distrust(&key_id)).await?;
    Ok(empty())
}

async fn dev_mode(call: Call) -> Result<Response, Problem> {
    ok(&call.blocking(|app| app.ports().plugins.dev_mode()).await?)
}

async fn set_dev_mode(call: Call) -> Result<Response, Problem> {
    let hours = hours(&call.json()?)?;
    ok(&call.blocking(move |app| app.ports().plugins.set_dev_mode(hours)).await?)
}

async fn tried_out(call: Call) -> Result<Response, Problem> {
    ok(&call.blocking(|app| app.ports().plugins.tried_out()).await?)
}

async fn set_tried_out(call: Call) -> Result<Response, Problem> {
    let api::PluginTriedOutRequest { on } = call.json()?;
    ok(&call.blocking(move |app| app.ports().plugins.set_tried_out(on)).await?)
}
