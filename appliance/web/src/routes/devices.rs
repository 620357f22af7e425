//! Cameras that are not added yet: on the network, and plugged into this machine.

use super::dispatch::{Asked, Call, blocking, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, SMALL_BODY, Shape, handler};
use crate::address_secret;
use crate::api;
use crate::check;
use crate::error::{Error, Problem};
use crate::ports::DeviceProbe;
use axum::http::Method;
use axum::response::Response;
use std::sync::Arc;
use watchbook_access::Action;
use watchbook_base::Kind;
use watchbook_base::limits::URL_BYTES_MAX;

pub(crate) fn rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::POST,
            path: "/api/v1/cameras/search",
            id: "search_cameras",
            summary: "Asks the network which cameras are there (WS-Discovery); takes 4 s. Cameras outside the camera networks are left out.",
            permission: Permission::Asks(|_| Ok(asked("search for cameras on the network"))),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::FoundDeviceList>()),
            handler: handler!(search),
        },
        Route {
            method: Method::GET,
            path: "/api/v1/cameras/local",
            id: "list_local_cameras",
            summary: "Cameras that are plugged into this machine (Video4Linux), with their formats. Each is opened for a moment; nothing is recorded.",
            permission: Permission::Asks(|_| Ok(asked("list of the cameras that are plugged into this machine"))),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::LocalCameraList>()),
            handler: handler!(local),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/cameras/inspect",
            id: "inspect_camera",
            summary: "Asks a camera what it is and where its streams are (ONVIF), for at most 30 s. A camera that does not say is a report, not an error.",
            permission: Permission::Asks(|asked| Ok(inspected(asked))),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::DeviceRequest>()),
            answer: Answer::Json(200, Shape::of::<api::DeviceReport>()),
            handler: handler!(inspect),
        },
    ]
}

/// Names the host that is asked: an administrator can ask any in the camera networks.
fn inspected(request: &Asked<'_>) -> Action {
    #[derive(serde::Deserialize)]
    struct Named {
        url: String,
    }
    let named = serde_json::from_slice::<Named>(request.body).ok();
    let host = named.and_then(|named| host_port(&named.url)).unwrap_or_else(|| "what is no address".to_owned());
    asked(&format!("inspection of the camera at {host}"))
}

/// Host and port of what was typed, without what may be a secret.
fn host_port(typed: &str) -> Option<String> {
    let rest = typed.trim().split_once("://").map_or(typed.trim(), |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    (!host.is_empty() && host.len() <= 253 && host.chars().all(plain)).then(|| host.to_owned())
}

fn asked(what: &str) -> Action {
    Action::ChangeConfig { camera: None, what: what.to_owned() }
}

fn busy() -> Error {
    Error::new(Kind::Exhausted, "other cameras are being tested").next("Try again in a few seconds.")
}

async fn search(call: Call) -> Result<Response, Problem> {
    let turn = Arc::clone(call.app.camera_tests()).try_acquire_owned().map_err(|_| busy())?;
    let devices = call
        .blocking(move |app| {
            let _turn = turn;
            app.ports().cameras.search()
        })
        .await?;
    ok(&api::FoundDeviceList { devices })
}

async fn local(call: Call) -> Result<Response, Problem> {
    let turn = Arc::clone(call.app.camera_tests()).try_acquire_owned().map_err(|_| busy())?;
    let cameras = call
        .blocking(move |app| {
            let _turn = turn;
            app.ports().cameras.local()
        })
        .await?;
    ok(&api::LocalCameraList { cameras })
}

async fn inspect(call: Call) -> Result<Response, Problem> {
    let request: api::DeviceRequest = call.json()?;
    if request.url.len() > URL_BYTES_MAX {
        return Err(Error::invalid(format!("url must have at most {URL_BYTES_MAX} bytes")).into());
    }
    let probe = DeviceProbe {
        url: request.url,
        username: check::credential("username", request.username)?,
        password: check::secret("password", request.password)?,
        certificate: check::certificate(request.certificate_sha256)?,
    };
    let turn = Arc::clone(call.app.camera_tests()).try_acquire_owned().map_err(|_| busy())?;
    let app = call.app.clone();
    let report = blocking(move || {
        let _turn = turn;
        let url = probe.url.clone();
        let mut report = app.ports().cameras.inspect(probe)?;
        if let Some(problem) = &mut report.problem {
            problem.detail = address_secret::scrubbed(&problem.detail, core::iter::once(url.as_str()));
        }
        Ok(report)
    });
    ok(&report.await?)
}

#[cfg(test)]
mod tests {
    use super::host_port;

    #[test]
    fn the_log_names_a_host_and_nothing_else() {
        for (typed, host) in [
            ("192.168.1.10", Some("192.168.1.10")),
            (" http://camera.local:8000/onvif?pwd=x ", Some("camera.local:8000")),
            ("http://u:canary@[fd00::7]:81/", Some("[fd00::7]:81")),
            ("", None),
            ("http://a b/", None),
        ] {
            assert_eq!(host_port(typed).as_deref(), host, "{typed}");
        }
    }
}
