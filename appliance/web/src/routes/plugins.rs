//! Plugins: what is installed, and the way of a package from its upload to a camera.

use super::dispatch::{Arguments, Asked, Call, empty, json, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, SETTINGS_BODY, SMALL_BODY, Shape, cameras, handler};
use crate::api;
use crate::check;
use crate::error::{Error, Problem};
use crate::hex;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use watchbook_access::Action;
use watchbook_base::limits::NAME_BYTES_MAX;

/// Bytes of a package; the plugin host has the same bound.
pub(crate) const PACKAGE_BODY: usize = 16 << 20;
const ONE: &str = "/api/v1/plugins/{plugin}";

pub(crate) fn rows() -> Vec<Route> {
    let mut rows = rows_to_read();
    rows.extend(rows_of_packages());
    rows.extend(rows_of_one());
    rows
}

fn rows_to_read() -> Vec<Route> {
    let row = |path, id, summary, answer, handler| Route {
        method: Method::GET,
        path,
        id,
        summary,
        permission: Permission::Asks(|_| Ok(Action::ReadConfig)),
        audit: cameras::CONFIG_READ,
        body_bytes_max: NO_BODY,
        query: &[],
        request: None,
        answer,
        handler,
    };
    vec![
        row(
            "/api/v1/plugins",
            "plugins",
            "Installed plugins: their versions, what they ask for, how they are doing and what they cost.",
            Answer::Json(200, Shape::of::<api::PluginList>()),
            handler!(list),
        ),
        row(
            "/api/v1/plugins/abi",
            "plugin_abi",
            "Versions of the plugin interface, and what a plugin may have at most.",
            Answer::Json(200, Shape::of::<api::PluginAbi>()),
            handler!(abi),
        ),
        Route {
            permission: Permission::Asks(|asked| Ok(Action::ReadPluginLog { plugin: named(asked.path) })),
            ..row(
                "/api/v1/plugins/{plugin}/log",
                "plugin_log",
                "The last lines that a plugin logged.",
                Answer::Json(200, Shape::of::<api::PluginLog>()),
                handler!(log),
            )
        },
    ]
}

fn rows_of_packages() -> Vec<Route> {
    vec![
        Route {
            method: Method::POST,
            path: "/api/v1/plugins",
            id: "install_plugin",
            summary: "Takes a package, which then waits for approval: nothing of it runs before.",
            permission: Permission::Asks(|asked| {
                let digest = || hex::encode(&hex::sha256(asked.body));
                let package_sha256 = if asked.body.is_empty() { String::new() } else { digest() };
                Ok(Action::InstallPlugin { package_sha256 })
            }),
            audit: AuditRule::EveryTime,
            body_bytes_max: PACKAGE_BODY,
            query: &[],
            request: Some(Shape::file::<api::PluginPackage>()),
            answer: Answer::Json(201, Shape::of::<api::Plugin>()),
            handler: handler!(install),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/plugins/{plugin}/approve",
            id: "approve_plugin",
            summary: "Lets the version run that waits, on every camera that the plugin is bound to.",
            permission: Permission::Asks(|asked| {
                let (plugin, package_sha256) = judged(asked)?;
                Ok(Action::ApprovePlugin { plugin, package_sha256 })
            }),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::PluginJudgement>()),
            answer: Answer::Json(200, Shape::of::<api::Plugin>()),
            handler: handler!(approve),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/plugins/{plugin}/reject",
            id: "reject_plugin",
            summary: "Throws a version away that does not run.",
            permission: Permission::Asks(|asked| {
                let (plugin, package_sha256) = judged(asked)?;
                Ok(Action::RejectPlugin { plugin, package_sha256 })
            }),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::PluginJudgement>()),
            answer: Answer::Empty,
            handler: handler!(reject),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/plugins/{plugin}/rollback",
            id: "roll_back_plugin",
            summary: "Brings the version back that ran before.",
            permission: Permission::Asks(|asked| Ok(Action::RollBackPlugin { plugin: named(asked.path) })),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::Plugin>()),
            handler: handler!(roll_back),
        },
    ]
}

fn rows_of_one() -> Vec<Route> {
    vec![
        Route {
            method: Method::DELETE,
            path: ONE,
            id: "remove_plugin",
            summary: "Ends a plugin on every camera and removes it with all that it kept. Its events stay.",
            permission: Permission::Asks(|asked| Ok(Action::RemovePlugin { plugin: named(asked.path) })),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Empty,
            handler: handler!(remove),
        },
        Route {
            method: Method::PUT,
            path: "/api/v1/cameras/{camera}/plugins/{plugin}",
            id: "bind_plugin",
            summary: "Binds a plugin to a camera, or changes how it is bound.",
            permission: Permission::Asks(|asked| {
                let what = format!("plugin {}", named(asked.path));
                Ok(Action::ChangeConfig { camera: Some(asked.path.camera()?), what })
            }),
            audit: AuditRule::EveryTime,
            body_bytes_max: SETTINGS_BODY,
            query: &[],
            request: Some(Shape::of::<api::PluginBindingRequest>()),
            answer: Answer::Json(200, Shape::of::<api::PluginBinding>()),
            handler: handler!(bind),
        },
    ]
}

/// The plugin of the path for the log, whatever it is.
fn named(path: &Arguments) -> String {
    path.text("plugin").unwrap_or_default().chars().take(NAME_BYTES_MAX).collect()
}

/// The plugin of the path, as far as it can be one.
fn plugin(path: &Arguments) -> Result<String, Error> {
    let plugin = path.text("plugin").unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    match !plugin.is_empty() && plugin.len() <= NAME_BYTES_MAX && plugin.chars().all(plain) {
        true => Ok(plugin.to_owned()),
        false => Err(Error::not_found("there is no plugin with this id").next("Look at the list of plugins.")),
    }
}

/// The plugin and the package that somebody judges, for the log.
fn judged(asked: &Asked<'_>) -> Result<(String, String), Error> {
    let plugin = named(asked.path);
    // Nothing of the body is read for somebody who is not signed in; what they tried is logged all the same.
    if asked.body.is_empty() {
        return Ok((plugin, String::new()));
    }
    let request: Result<api::PluginJudgement, _> = serde_json::from_slice(asked.body);
    let request = request.map_err(|_| Error::invalid("the body does not name a package as the API describes it"))?;
    Ok((plugin, check::sha256("package_sha256", &request.package_sha256)?))
}

async fn list(call: Call) -> Result<Response, Problem> {
    let plugins = call.blocking(|app| app.ports().plugins.list()).await?;
    ok(&api::PluginList { plugins })
}

async fn abi(call: Call) -> Result<Response, Problem> {
    ok(&call.app.ports().plugins.abi())
}

async fn log(call: Call) -> Result<Response, Problem> {
    let plugin = plugin(&call.path)?;
    ok(&call.blocking(move |app| app.ports().plugins.log(&plugin)).await?)
}

async fn install(call: Call) -> Result<Response, Problem> {
    if call.body.is_empty() {
        let error = Error::invalid("the body is empty").next("Send the bytes of one .wbp file.");
        return Err(error.into());
    }
    let package = call.body.clone();
    json(StatusCode::CREATED, &call.blocking(move |app| app.ports().plugins.install(&package)).await?)
}

async fn approve(call: Call) -> Result<Response, Problem> {
    let plugin = plugin(&call.path)?;
    let request: api::PluginJudgement = call.json()?;
    let sha256 = check::sha256("package_sha256", &request.package_sha256)?;
    let account = call.who()?.subject.account.unwrap_or_default();
    ok(&call.blocking(move |app| app.ports().plugins.approve(&plugin, &sha256, account)).await?)
}

async fn reject(call: Call) -> Result<Response, Problem> {
    let plugin = plugin(&call.path)?;
    let request: api::PluginJudgement = call.json()?;
    let sha256 = check::sha256("package_sha256", &request.package_sha256)?;
    call.blocking(move |app| app.ports().plugins.reject(&plugin, &sha256)).await?;
    Ok(empty())
}

async fn roll_back(call: Call) -> Result<Response, Problem> {
    let plugin = plugin(&call.path)?;
    ok(&call.blocking(move |app| app.ports().plugins.roll_back(&plugin)).await?)
}

async fn remove(call: Call) -> Result<Response, Problem> {
    let plugin = plugin(&call.path)?;
    call.blocking(move |app| app.ports().plugins.remove(&plugin)).await?;
    Ok(empty())
}

async fn bind(call: Call) -> Result<Response, Problem> {
    let camera = call.path.camera()?;
    let plugin = plugin(&call.path)?;
    let request: api::PluginBindingRequest = call.json()?;
    check::settings(&request.settings)?;
    check::zones(&request.zones)?;
    let binding =
        api::PluginBinding { plugin, enabled: request.enabled, settings: request.settings, zones: request.zones };
    ok(&call.blocking(move |app| app.ports().plugins.bind(camera, binding)).await?)
}
