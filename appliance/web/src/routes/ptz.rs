//! Turning cameras, and taking another camera in the place of one.

use super::dispatch::{Asked, Call, empty, json, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, SMALL_BODY, Shape, handler};
use crate::api::{self, PtzRequest};
use crate::check;
use crate::error::{Error, Problem};
use crate::turning;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use core::time::Duration;
use watchbook_access::Action;

const PTZ: &str = "/api/v1/cameras/{camera}/ptz";
/// A camera's own word for a preset: 64 characters (`tt:ReferenceToken`), of at most four bytes.
const TOKEN_BYTES_MAX: usize = 256;
/// Name of a preset.
const PRESET_NAME_BYTES_MAX: usize = 64;
/// Shortest and longest time for which a camera moves when nobody goes on.
const MOVE_MS: core::ops::RangeInclusive<u32> = 100..=5_000;

pub(crate) fn rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: PTZ,
            id: "ptz",
            summary: "Where a camera looks, and where it can be sent.",
            permission: Permission::Asks(|asked| turn(asked, "look")),
            audit: AuditRule::FirstIn { window_s: 60, because: "it turns nothing and shows no picture" },
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::PtzView>()),
            handler: handler!(view),
        },
        Route {
            method: Method::POST,
            path: PTZ,
            id: "turn_camera",
            summary: "Turns or zooms a camera, or stops it. A move ends by itself; it ends early with the session of whoever asked.",
            permission: Permission::Asks(|asked| turn(asked, word(asked))),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<PtzRequest>()),
            answer: Answer::Empty,
            handler: handler!(act),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/cameras/{camera}/ptz/presets",
            id: "set_ptz_preset",
            summary: "Keeps where a camera looks now as a preset in the camera.",
            permission: Permission::Asks(|asked| change(asked, "PTZ preset")),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::PtzPresetRequest>()),
            answer: Answer::Json(201, Shape::of::<api::PtzPreset>()),
            handler: handler!(set_preset),
        },
        Route {
            method: Method::DELETE,
            path: "/api/v1/cameras/{camera}/ptz/presets/{preset}",
            id: "remove_ptz_preset",
            summary: "Removes a preset from a camera.",
            permission: Permission::Asks(|asked| change(asked, "removal of a PTZ preset")),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Empty,
            handler: handler!(remove_preset),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/cameras/{camera}/device/accept",
            id: "accept_camera",
            summary: "Takes the camera that answers where another one was.",
            permission: Permission::Asks(accept_asked),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::DeviceAcceptance>()),
            answer: Answer::Empty,
            handler: handler!(accept),
        },
    ]
}

fn turn(asked: &Asked<'_>, what: &str) -> Result<Action, Error> {
    Ok(Action::TurnCamera { camera: asked.path.camera()?, what: what.to_owned() })
}

fn change(asked: &Asked<'_>, what: &str) -> Result<Action, Error> {
    Ok(Action::ChangeConfig { camera: Some(asked.path.camera()?), what: what.to_owned() })
}

/// What is asked for, in one word of ours.
fn word(asked: &Asked<'_>) -> &'static str {
    match serde_json::from_slice(asked.body) {
        Ok(PtzRequest::Move { .. }) => "move",
        Ok(PtzRequest::Stop) => "stop",
        Ok(PtzRequest::GoTo { .. }) => "go_to",
        Ok(PtzRequest::GoToPreset { .. }) => "go_to_preset",
        Err(_) => "nothing readable",
    }
}

fn accept_asked(asked: &Asked<'_>) -> Result<Action, Error> {
    let camera = asked.path.camera()?;
    let found = serde_json::from_slice::<api::DeviceAcceptance>(asked.body).map(|acceptance| acceptance.found_id);
    let found = found.unwrap_or_default().chars().filter(char::is_ascii_hexdigit).take(64).collect();
    Ok(Action::AcceptCamera { camera, found })
}

async fn view(call: Call) -> Result<Response, Problem> {
    let camera = call.path.camera()?;
    ok(&call.blocking(move |app| app.ports().devices.view(camera)).await?)
}

async fn act(call: Call) -> Result<Response, Problem> {
    let camera = call.path.camera()?;
    let request = checked(call.json()?)?;
    call.app.turning().admit(camera, &request)?;
    let asked = request.clone();
    call.blocking(move |app| app.ports().devices.turn(camera, &asked)).await?;
    let number = call.app.turning().done(camera, &request);
    if let PtzRequest::Move { timeout_ms, .. } = request {
        let timeout = Duration::from_millis(timeout_ms.into());
        tokio::spawn(turning::watch(call.app.clone(), (camera, number), call.who()?.session, timeout));
    }
    Ok(empty())
}

async fn set_preset(call: Call) -> Result<Response, Problem> {
    let camera = call.path.camera()?;
    let request: api::PtzPresetRequest = call.json()?;
    let name = check::name("name", &request.name)?;
    if name.len() > PRESET_NAME_BYTES_MAX {
        return Err(Error::invalid(format!("name must have 1 to {PRESET_NAME_BYTES_MAX} bytes")).into());
    }
    let token = request.token.map(preset_token).transpose()?;
    let preset = call.blocking(move |app| app.ports().devices.set_preset(camera, &name, token.as_deref())).await?;
    json(StatusCode::CREATED, &preset)
}

async fn remove_preset(call: Call) -> Result<Response, Problem> {
    let camera = call.path.camera()?;
    let token = preset_token(call.path.text("preset").unwrap_or_default().to_owned())?;
    call.blocking(move |app| app.ports().devices.remove_preset(camera, &token)).await?;
    Ok(empty())
}

async fn accept(call: Call) -> Result<Response, Problem> {
    let camera = call.path.camera()?;
    let request: api::DeviceAcceptance = call.json()?;
    call.blocking(move |app| app.ports().devices.accept(camera, &request.found_id)).await?;
    Ok(empty())
}

fn checked(request: PtzRequest) -> Result<PtzRequest, Error> {
    let within = |name: &str, value: f64, least: f64| match (least..=1.0).contains(&value) {
        true => Ok(()),
        false => Err(Error::invalid(format!("{name} must be {least} to 1"))),
    };
    match &request {
        PtzRequest::Move { pan, tilt, zoom, timeout_ms } => {
            within("pan", *pan, -1.0)?;
            within("tilt", *tilt, -1.0)?;
            within("zoom", *zoom, -1.0)?;
            if !MOVE_MS.contains(timeout_ms) {
                return Err(Error::invalid(format!("timeout_ms must be {} to {}", MOVE_MS.start(), MOVE_MS.end())));
            }
        }
        PtzRequest::GoTo { pan, tilt, zoom } => {
            within("pan", *pan, -1.0)?;
            within("tilt", *tilt, -1.0)?;
            within("zoom", *zoom, 0.0)?;
        }
        PtzRequest::GoToPreset { token } => drop(preset_token(token.clone())?),
        PtzRequest::Stop => {}
    }
    Ok(request)
}

fn preset_token(token: String) -> Result<String, Error> {
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || token.chars().any(char::is_control) {
        return Err(Error::invalid(format!("token must have 1 to {TOKEN_BYTES_MAX} bytes and no control characters")));
    }
    Ok(token)
}
