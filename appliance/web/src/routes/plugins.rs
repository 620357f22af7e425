//! Plugins.

use super::dispatch::{Call, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, SETTINGS_BODY, Shape, cameras, handler};
use crate::api;
use crate::check;
use crate::error::{Error, Problem};
use axum::http::Method;
use axum::response::Response;
use watchbook_access::Action;
use watchbook_base::limits::NAME_BYTES_MAX;

pub(crate) fn rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: "/api/v1/plugins",
            id: "plugins",
            summary: "Installed plugins and how they are doing.",
            permission: Permission::Asks(|_| Ok(Action::ReadConfig)),
            audit: cameras::CONFIG_READ,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::PluginList>()),
            handler: handler!(list),
        },
        Route {
            method: Method::PUT,
            path: "/api/v1/cameras/{camera}/plugins/{plugin}",
            id: "bind_plugin",
            summary: "Binds a plugin to a camera, or changes how it is bound.",
            permission: Permission::Asks(|asked| {
                let plugin: String =
                    asked.path.text("plugin").unwrap_or_default().chars().take(NAME_BYTES_MAX).collect();
                Ok(Action::ChangeConfig { camera: Some(asked.path.camera()?), what: format!("plugin {plugin}") })
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

async fn list(call: Call) -> Result<Response, Problem> {
    let plugins = call.blocking(|app| app.ports().plugins.list()).await?;
    ok(&api::PluginList { plugins })
}

async fn bind(call: Call) -> Result<Response, Problem> {
    let camera = call.path.camera()?;
    let plugin = call.path.text("plugin").unwrap_or_default().to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if plugin.is_empty() || plugin.len() > NAME_BYTES_MAX || !plugin.chars().all(plain) {
        return Err(Error::not_found("there is no plugin with this id").into());
    }
    let request: api::PluginBindingRequest = call.json()?;
    check::settings(&request.settings)?;
    check::zones(&request.zones)?;
    let binding =
        api::PluginBinding { plugin, enabled: request.enabled, settings: request.settings, zones: request.zones };
    ok(&call.blocking(move |app| app.ports().plugins.bind(camera, binding)).await?)
}
