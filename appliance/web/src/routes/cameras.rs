//! Cameras: settings and tests.

use super::camera_change;
use super::dispatch::{Asked, Call, blocking, empty, json, ok};
use super::events::limit;
use super::{Answer, AuditRule, LIMIT, NO_BODY, Permission, Route, SETTINGS_BODY, SMALL_BODY, Shape, handler};
use crate::address_secret;
use crate::api::{self, StreamAddress};
use crate::check;
use crate::error::{Error, Problem};
use crate::ports::{CameraConfig, CameraProbe, CameraRow, StreamConfig};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use std::sync::Arc;
use watchbook_access::{Action, Role, Rules, Subject};
use watchbook_base::{CameraId, Kind};

const PATH: &str = "/api/v1/cameras";
pub(crate) const ONE: &str = "/api/v1/cameras/{camera}";
/// The page asks for states every few seconds while it is open; an entry each time would drown the log and wear the disk.
pub(crate) const CONFIG_READ: AuditRule =
    AuditRule::FirstIn { window_s: 3600, because: "the page polls it while it is open, and it shows no footage" };

pub(crate) fn rows() -> Vec<Route> {
    let mut rows = rows_for_all();
    rows.extend(rows_for_one());
    rows
}

fn rows_for_all() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: PATH,
            id: "cameras",
            summary: "The cameras that the account may see, with their states.",
            permission: Permission::Asks(|_| Ok(Action::ReadConfig)),
            audit: CONFIG_READ,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::CameraList>()),
            handler: handler!(list),
        },
        Route {
            method: Method::POST,
            path: PATH,
            id: "create_camera",
            summary: "Adds a camera and starts to capture it.",
            permission: Permission::Asks(|asked| Ok(asked_create(asked))),
            audit: AuditRule::EveryTime,
            body_bytes_max: SETTINGS_BODY,
            query: &[],
            request: Some(Shape::of::<api::CameraRequest>()),
            answer: Answer::Json(201, Shape::of::<api::Camera>()),
            handler: handler!(create),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/cameras/test",
            id: "test_camera",
            summary: "Tries an address for at most 10 s. A camera that fails is a report, not an error.",
            permission: Permission::Asks(|asked| Ok(asked_test(asked))),
            audit: AuditRule::EveryTime,
            body_bytes_max: SETTINGS_BODY,
            query: &[],
            request: Some(Shape::of::<api::CameraTest>()),
            answer: Answer::Json(200, Shape::of::<api::CameraTestReport>()),
            handler: handler!(test),
        },
    ]
}

fn rows_for_one() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: ONE,
            id: "camera",
            summary: "One camera.",
            permission: Permission::Asks(|_| Ok(Action::ReadConfig)),
            audit: CONFIG_READ,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::Camera>()),
            handler: handler!(get),
        },
        Route {
            method: Method::GET,
            path: "/api/v1/cameras/{camera}/clock",
            id: "camera_clock",
            summary: "How far a camera's clock was from the recorder's, newest first.",
            permission: Permission::Asks(|_| Ok(Action::ReadConfig)),
            audit: CONFIG_READ,
            body_bytes_max: NO_BODY,
            query: &[LIMIT],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::ClockList>()),
            handler: handler!(clock),
        },
        Route {
            method: Method::PATCH,
            path: ONE,
            id: "change_camera",
            summary: "Changes a camera; what is left out stays.",
            permission: Permission::Compares(asked_update),
            audit: AuditRule::EveryTime,
            body_bytes_max: SETTINGS_BODY,
            query: &[],
            request: Some(Shape::of::<api::CameraPatch>()),
            answer: Answer::Json(200, Shape::of::<api::Camera>()),
            handler: handler!(update),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/cameras/{camera}/review",
            id: "review_camera",
            summary: "Says that somebody has looked whether a camera is still needed, and that it is: once a year. The log and the public report say when.",
            permission: Permission::Asks(asked_review),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::CameraReview>()),
            answer: Answer::Json(200, Shape::of::<api::Camera>()),
            handler: handler!(review),
        },
        Route {
            method: Method::DELETE,
            path: ONE,
            id: "remove_camera",
            summary: "Stops capturing a camera and forgets its settings. Its footage stays until its maximum age, or until the ring needs the room.",
            permission: Permission::Asks(|asked| change(asked, "removal")),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Empty,
            handler: handler!(remove),
        },
    ]
}

fn change(asked: &Asked<'_>, what: &str) -> Result<Action, Error> {
    Ok(Action::ChangeConfig { camera: Some(asked.path.camera()?), what: what.to_owned() })
}

/// A new camera, in the words of what it begins with.
fn asked_create(asked: &Asked<'_>) -> Action {
    let config = serde_json::from_slice(asked.body).ok().and_then(|request| config_of(request, asked.rules).ok());
    // What is refused below is not taken into the log either.
    let names = || format!("new camera, refused as it was sent: {}", asked.field_names());
    Action::ChangeConfig { camera: None, what: config.map_or_else(names, |config| camera_change::told_new(&config)) }
}

/// A change of settings, in the words of what becomes different; of a camera that is not there and for somebody who may not, the settings' names alone.
fn asked_update(asked: &Asked<'_>, stored: Option<&CameraConfig>) -> Result<Action, Error> {
    let different = stored.and_then(|before| {
        let after = changed(before, serde_json::from_slice(asked.body).ok()?, asked.rules).ok()?;
        Some(camera_change::told(before, &after))
    });
    let names = || match stored {
        Some(_) => format!("refused as it was sent: {}", asked.field_names()),
        None => asked.field_names(),
    };
    change(asked, &different.unwrap_or_else(names))
}

/// A test of an address, of the stored camera that the body names.
fn asked_test(asked: &Asked<'_>) -> Action {
    #[derive(serde::Deserialize)]
    struct Named {
        camera: Option<CameraId>,
        #[serde(default)]
        picture: bool,
        main: Main,
    }
    #[derive(serde::Deserialize)]
    struct Main {
        url: String,
    }
    let named = serde_json::from_slice::<Named>(asked.body).ok();
    let picture = named.as_ref().is_some_and(|named| named.picture);
    // Where to, and nothing else of the address: an auditor compares it with the station's cameras.
    let place = named.as_ref().and_then(|named| check::destination(&named.main.url));
    let at = place.map_or(String::new(), |(_, host, port)| format!(" at {host}:{port}"));
    let camera = named.and_then(|named| named.camera).and_then(|camera| CameraId::new(camera.get()));
    let picture = if picture { ", with one picture" } else { "" };
    Action::ChangeConfig { camera, what: format!("test of a camera address{at}{picture}") }
}

/// How the streams of a camera are doing. The sentences may quote what a camera or a library says about its address.
pub(crate) fn states(row: &CameraRow) -> api::CameraStates {
    let mut states = row.state.clone();
    for state in [Some(&mut states.main), states.sub.as_mut()].into_iter().flatten() {
        state.detail = state.detail.as_deref().map(|detail| address_secret::scrubbed(detail, urls(&row.config)));
    }
    states
}

fn urls(config: &CameraConfig) -> impl Iterator<Item = &str> {
    [&config.main].into_iter().chain(&config.sub).map(|stream| stream.url.as_str())
}

/// What `subject` may see of a camera.
pub(crate) fn shown(row: CameraRow, subject: &Subject) -> api::Camera {
    let admin = subject.roles.has(Role::Admin);
    let address = |stream: StreamConfig| StreamAddress {
        url: admin.then(|| address_secret::shown(&stream.url)),
        transport: stream.transport,
        interval_ms: stream.interval_ms,
    };
    let state = states(&row);
    let config = row.config;
    api::Camera {
        id: row.id,
        name: config.name,
        main: address(config.main),
        sub: config.sub.map(address),
        username: config.username.filter(|_| admin),
        has_password: config.password.is_some(),
        record_audio: config.record_audio,
        audio_purpose: config.audio_purpose,
        purpose: config.purpose,
        contact: config.contact,
        reviewed_utc_ms: config.reviewed_utc_ms,
        review_due_utc_ms: check::review_due_utc_ms(config.reviewed_utc_ms),
        certificate_sha256: config.certificate.filter(|_| admin),
        enabled: config.enabled,
        masks: config.masks,
        retention_days_max: config.retention_days_max,
        importance: config.importance,
        plugins: config.plugins,
        device: config
            .device
            .filter(|_| admin)
            .map(|device| api::DeviceSettings { url: address_secret::shown(&device.url), ..device }),
        state,
        device_state: row.device,
    }
}

async fn list(call: Call) -> Result<Response, Problem> {
    let rows = call.blocking(|app| app.ports().cameras.list()).await?;
    let subject = &call.who()?.subject;
    let seen = rows.into_iter().filter(|row| subject.covers(row.id));
    ok(&api::CameraList { cameras: seen.map(|row| shown(row, subject)).collect() })
}

async fn get(call: Call) -> Result<Response, Problem> {
    let camera = call.path.camera()?;
    let subject = call.who()?.subject.clone();
    if !subject.covers(camera) {
        // The same answer as for a camera that does not exist.
        return Err(Error::not_found(format!("there is no camera {camera}")).into());
    }
    let row = call.blocking(move |app| app.ports().cameras.get(camera)).await?;
    ok(&shown(row, &subject))
}

async fn clock(call: Call) -> Result<Response, Problem> {
    let (camera, limit) = (call.path.camera()?, limit(&call.query)?);
    if !call.who()?.subject.covers(camera) {
        // The same answer as for a camera that does not exist.
        return Err(Error::not_found(format!("there is no camera {camera}")).into());
    }
    let readings = call.blocking(move |app| app.ports().cameras.clock(camera, limit)).await?;
    ok(&api::ClockList { readings })
}

async fn create(call: Call) -> Result<Response, Problem> {
    let now = call.app.clock().utc().as_ms();
    let config = config_of(call.json()?, &call.app.ports().policies.in_force().rules)?;
    let config = CameraConfig { reviewed_utc_ms: Some(now), ..config };
    let created = call.blocking(move |app| app.ports().cameras.create(config)).await;
    let row = call.noted(created).await?;
    json(StatusCode::CREATED, &shown(row, &call.who()?.subject))
}

async fn update(call: Call) -> Result<Response, Problem> {
    let camera = call.path.camera()?;
    let patch: api::CameraPatch = call.json()?;
    let logged = call.grant()?.action().clone();
    let row = call
        .blocking(move |app| {
            let change = |config: &mut CameraConfig| {
                let after = changed(config, patch, &app.ports().policies.in_force().rules)?;
                let what = camera_change::told(config, &after);
                if logged != (Action::ChangeConfig { camera: Some(camera), what }) {
                    let message = format!("the settings of camera {camera} were changed by somebody else meanwhile");
                    return Err(Error::new(Kind::Conflict, message).next("Look at them again, then save once more."));
                }
                *config = after;
                Ok(())
            };
            app.ports().cameras.update(camera, Box::new(change))
        })
        .await;
    let row = call.noted(row).await?;
    ok(&shown(row, &call.who()?.subject))
}

async fn remove(call: Call) -> Result<Response, Problem> {
    let camera = call.path.camera()?;
    let removed = call.blocking(move |app| app.ports().cameras.remove(camera)).await;
    call.noted(removed).await?;
    call.app.live().remove(camera);
    Ok(empty())
}

fn asked_review(asked: &Asked<'_>) -> Result<Action, Error> {
    let request: Option<api::CameraReview> = asked.json()?;
    let note = request.map(|request| check::review_note(&request.note)).transpose()?.unwrap_or_default();
    Ok(Action::ReviewCamera { camera: asked.path.camera()?, note })
}

async fn review(call: Call) -> Result<Response, Problem> {
    let (camera, now) = (call.path.camera()?, call.app.clock().utc().as_ms());
    let change = move |config: &mut CameraConfig| {
        config.reviewed_utc_ms = Some(now);
        Ok(())
    };
    let reviewed = call.blocking(move |app| app.ports().cameras.update(camera, Box::new(change))).await;
    ok(&shown(call.noted(reviewed).await?, &call.who()?.subject))
}

async fn test(call: Call) -> Result<Response, Problem> {
    let request: api::CameraTest = call.json()?;
    let probe = match request.camera {
        None => {
            let probe = probe_of(request)?;
            if probe.picture {
                let url = probe.main.url.clone();
                let rows = call.blocking(move |app| app.ports().cameras.list()).await?;
                not_recorded(&rows, &url)?;
            }
            probe
        }
        Some(_) if request.picture => return Err(shown_live().into()),
        Some(number) => {
            let subject = &call.who()?.subject;
            let camera = CameraId::new(number).filter(|camera| subject.covers(*camera));
            let camera = camera.ok_or_else(|| Error::not_found(format!("there is no camera {number}")))?;
            let config = call.blocking(move |app| app.ports().cameras.get(camera)).await?.config;
            probe_of_stored(config, request)?
        }
    };
    let busy = || Error::new(Kind::Exhausted, "other cameras are being tested").next("Try again in a few seconds.");
    let turn = Arc::clone(call.app.camera_tests()).try_acquire_owned().map_err(|_| busy())?;
    let app = call.app.clone();
    let report = blocking(move || {
        let _turn = turn;
        let tried: Vec<String> = [&probe.main].into_iter().chain(&probe.sub).map(|stream| stream.url.clone()).collect();
        let mut report = app.ports().cameras.test(probe)?;
        if let Some(problem) = &mut report.problem {
            problem.detail = address_secret::scrubbed(&problem.detail, tried.iter().map(String::as_str));
        }
        Ok(report)
    });
    ok(&report.await?)
}

/// Live pictures have their own permission, so a test shows none of a camera that is recorded.
fn shown_live() -> Error {
    Error::new(Kind::Conflict, "a test shows no picture of a camera that is added already")
        .next("Look at it on the camera wall, with an account that may watch it.")
}

/// No camera of the station is at this host and port: another path of it may be another picture of the same camera.
fn not_recorded(rows: &[CameraRow], url: &str) -> Result<(), Error> {
    let place = |url: &str| check::destination(url).map(|(_, host, port)| (host, port));
    let here = place(url);
    let recorded =
        rows.iter().any(|row| urls(&row.config).any(|known| known == url || (here.is_some() && place(known) == here)));
    if recorded { Err(shown_live()) } else { Ok(()) }
}

/// A checked test of an address that no camera has.
fn probe_of(request: api::CameraTest) -> Result<CameraProbe, Error> {
    let (main, found) = address("main", &request.main, &[])?;
    let sub = request.sub.as_ref().map(|sub| address("sub", sub, &[])).transpose()?;
    Ok(CameraProbe {
        main,
        sub: sub.map(|(sub, _)| sub),
        username: check::credential("username", request.username)?.or(found.username),
        password: check::secret("password", request.password)?.or(found.password),
        certificate: check::certificate(request.certificate_sha256)?,
        picture: request.picture,
    })
}

/// A checked test of changes to a stored camera, with its password only where a change of the camera would keep it.
fn probe_of_stored(config: CameraConfig, request: api::CameraTest) -> Result<CameraProbe, Error> {
    let changes = api::CameraPatch {
        main: Some(request.main),
        sub: Some(request.sub),
        username: request.username.map(Some),
        password: request.password.map(Some),
        certificate_sha256: request.certificate_sha256.map(Some),
        ..api::CameraPatch::default()
    };
    let CameraConfig { main, sub, username, password, certificate, .. } =
        patched(CameraConfig { device: None, ..config }, changes)?;
    Ok(CameraProbe { main, sub, username, password, certificate, picture: false })
}

/// A checked new camera.
fn config_of(request: api::CameraRequest, rules: &Rules) -> Result<CameraConfig, Error> {
    let (main, found) = address("main", &request.main, &[])?;
    let sub = request.sub.as_ref().map(|sub| address("sub", sub, &[])).transpose()?;
    check::masks(&request.masks)?;
    let mut config = CameraConfig {
        name: check::name("name", &request.name)?,
        main,
        sub: sub.map(|(sub, _)| sub),
        username: check::credential("username", request.username)?.or(found.username),
        password: check::secret("password", request.password)?.or(found.password),
        record_audio: request.record_audio,
        audio_purpose: check::audio_purpose(&request.audio_purpose, request.record_audio)?,
        purpose: check::line("purpose", &request.purpose, check::AUDIO_PURPOSE_BYTES_MAX)?,
        contact: check::line("contact", &request.contact, check::AUDIO_PURPOSE_BYTES_MAX)?,
        // Whoever adds it says what it is needed for: the clock of whoever writes it down says when.
        reviewed_utc_ms: None,
        certificate: check::certificate(request.certificate_sha256)?,
        enabled: request.enabled,
        masks: request.masks,
        retention_days_max: check::retention_days(request.retention_days_max.unwrap_or(rules.retention_days))?,
        importance: request.importance,
        plugins: Vec::new(),
        device: None,
    };
    config.device = request.device.map(|device| device_of(&config, device)).transpose()?;
    check::by_policy(None, &config, rules)?;
    Ok(config)
}

/// Checked settings of a camera's ONVIF service. It is on the main stream's host: the password that is stored for that goes there as a digest, and an admin could
/// else have it sent to a machine of their own and guess it there.
fn device_of(config: &CameraConfig, device: api::DeviceSettings) -> Result<api::DeviceSettings, Error> {
    let stored = config.device.as_ref().map(|device| device.url.clone());
    let url = check::device_url(&device.url)?;
    let url = address_secret::restored("device", url, stored.as_slice())?;
    let host = |url: &str| check::destination(url).map(|(_, host, _)| host);
    if host(&url).is_none() || host(&url) != host(&config.main.url) {
        let error = Error::invalid("device.url must be on the host of the main stream");
        return Err(error.next("Ask the camera again at the address that its stream comes from."));
    }
    Ok(api::DeviceSettings { url, ..device })
}

/// `before` with the changes of `patch`, checked, also against the station's policy.
fn changed(before: &CameraConfig, patch: api::CameraPatch, rules: &Rules) -> Result<CameraConfig, Error> {
    let after = patched(before.clone(), patch)?;
    check::by_policy(Some(before), &after, rules)?;
    Ok(after)
}

/// `config` with the changes of `patch`, checked. A stored password goes only to the host and port it was stored for: an admin could else read
/// it back by pointing the camera at a machine of their own.
pub(crate) fn patched(mut config: CameraConfig, patch: api::CameraPatch) -> Result<CameraConfig, Error> {
    let before = destinations(&config);
    let mut found = check::Userinfo::default();
    if let Some(name) = patch.name {
        config.name = check::name("name", &name)?;
    }
    let main_url = config.main.url.clone();
    let sub_url = config.sub.as_ref().map(|sub| sub.url.clone());
    if let Some(main) = patch.main {
        let stored: Vec<String> = [&main_url].into_iter().chain(&sub_url).cloned().collect();
        (config.main, found) = address("main", &main, &stored)?;
    }
    if let Some(sub) = patch.sub {
        let stored: Vec<String> = sub_url.into_iter().chain([main_url]).collect();
        config.sub = sub.map(|sub| address("sub", &sub, &stored)).transpose()?.map(|(sub, _)| sub);
    }
    let moved = destinations(&config).iter().any(|place| !before.contains(place));
    if moved {
        config.password = None;
        config.certificate = None;
    }
    if found.username.is_some() {
        config.username = found.username;
    }
    if found.password.is_some() {
        config.password = found.password;
    }
    if let Some(username) = patch.username {
        config.username = check::credential("username", username)?;
    }
    if let Some(password) = patch.password {
        config.password = check::secret("password", password)?;
    }
    if let Some(certificate) = patch.certificate_sha256 {
        config.certificate = check::certificate(certificate)?;
    }
    if patch.record_audio.is_some() || patch.audio_purpose.is_some() {
        config.record_audio = patch.record_audio.unwrap_or(config.record_audio);
        let purpose = patch.audio_purpose.unwrap_or(config.audio_purpose);
        config.audio_purpose = check::audio_purpose(&purpose, config.record_audio)?;
    }
    if let Some(purpose) = patch.purpose {
        config.purpose = check::purpose(&purpose)?;
    }
    if let Some(contact) = patch.contact {
        config.contact = check::contact(&contact)?;
    }
    config.enabled = patch.enabled.unwrap_or(config.enabled);
    if let Some(masks) = patch.masks {
        check::masks(&masks)?;
        config.masks = masks;
    }
    config.importance = patch.importance.unwrap_or(config.importance);
    if let Some(days) = patch.retention_days_max {
        config.retention_days_max = check::retention_days(days)?;
    }
    // Also when the main stream has gone elsewhere: then it must have, too.
    if let Some(device) = patch.device.unwrap_or_else(|| config.device.clone()) {
        config.device = Some(device_of(&config, device)?);
    } else {
        config.device = None;
    }
    Ok(config)
}

/// [`check::address`], with the passwords of `stored` addresses where it has placeholders for them.
fn address(field: &str, given: &StreamAddress, stored: &[String]) -> Result<(StreamConfig, check::Userinfo), Error> {
    let (mut stream, found) = check::address(field, given)?;
    stream.url = address_secret::restored(field, stream.url, stored)?;
    Ok((stream, found))
}

fn destinations(config: &CameraConfig) -> Vec<Option<(String, String, u16)>> {
    let sub = config.sub.as_ref().map(|sub| check::destination(&sub.url));
    [Some(check::destination(&config.main.url)), sub].into_iter().flatten().collect()
}
