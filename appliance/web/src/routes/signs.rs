//! The sign beside a camera. It answers the seven questions of DTPR from the station's records, or there is none.

use super::dispatch::{Call, ok};
use super::{Answer, NO_BODY, Permission, Route, Shape, cameras, handler};
use crate::api::{self, SignMissing, SignPlugin, SignQuestion as Question, SignWants as Wants};
use crate::error::{Error, Problem};
use crate::ports::{CameraConfig, CameraRow};
use crate::requests::Office;
use axum::http::Method;
use axum::response::Response;
use watchbook_access::Action;

/// How a main stream of a camera that is plugged in begins.
const PLUGGED_IN: &str = "v4l2:";
/// How the name of one ends whose masks are black in the record, too.
const PERMANENT_MASKS: &str = "masks=permanent";

pub(crate) fn rows() -> Vec<Route> {
    vec![Route {
        method: Method::GET,
        path: "/api/v1/cameras/{camera}/sign",
        id: "camera_sign",
        summary: "What stands on a camera's sign, or which records must be filled in before there is one.",
        permission: Permission::Asks(|_| Ok(Action::ReadConfig)),
        audit: cameras::CONFIG_READ,
        body_bytes_max: NO_BODY,
        query: &[],
        request: None,
        answer: Answer::Json(200, Shape::of::<api::CameraSign>()),
        handler: handler!(sign),
    }]
}

async fn sign(call: Call) -> Result<Response, Problem> {
    let camera = call.path.camera()?;
    if !call.who()?.subject.covers(camera) {
        // The same answer as for a camera that does not exist.
        return Err(Error::not_found(format!("there is no camera {camera}")).into());
    }
    let made = call.blocking(move |app| {
        let row = app.ports().cameras.get(camera)?;
        let plugins = match row.config.plugins.iter().any(|bound| bound.enabled) {
            true => app.ports().plugins.list()?,
            false => Vec::new(),
        };
        Ok(plan(&row, &plugins, &app.office()))
    });
    ok(&made.await?)
}

/// The sign from the records alone.
fn plan(row: &CameraRow, plugins: &[api::Plugin], office: &Office) -> api::CameraSign {
    let config = &row.config;
    let looking: Vec<SignPlugin> =
        looking(config, plugins).filter_map(|(id, found)| found.map(|version| shown(id, version))).collect();
    let missing = missing(config, plugins, office);
    let sign = missing.is_empty().then(|| api::Sign {
        name: config.name.clone(),
        purpose: config.purpose.trim().to_owned(),
        station: office.name.clone(),
        accountable: Some(config.contact.trim().to_owned())
            .filter(|contact| !contact.is_empty() && *contact != office.contact),
        contact: office.contact.clone(),
        turns: row.device.as_ref().is_some_and(|device| device.ptz),
        plugged_in: config.main.url.starts_with(PLUGGED_IN),
        audio_purpose: config.record_audio.then(|| config.audio_purpose.trim().to_owned()),
        masks: u32::try_from(config.masks.len()).unwrap_or(u32::MAX),
        masks_in_record: masks_in_record(config),
        plugins: looking,
        retention_days_max: config.retention_days_max,
        answer_days: office.answer_days,
        address: Some(office.address.clone()).filter(|address| !address.is_empty()),
    });
    api::CameraSign { camera: row.id, sign, missing }
}

/// What is hidden is in no picture of the record. Of masks in a camera that may not be there, and do not stop it, nobody can promise that.
fn masks_in_record(config: &CameraConfig) -> bool {
    let in_camera =
        config.device.as_ref().is_some_and(|device| device.masks && device.without_masks == api::WithoutMasks::Stop);
    let plugged = config.main.url.starts_with(PLUGGED_IN) && config.main.url.ends_with(PERMANENT_MASKS);
    !config.masks.is_empty() && (in_camera || plugged)
}

/// The plugins that are switched on, by id, with what is known of them.
fn looking<'a>(
    config: &'a CameraConfig,
    plugins: &'a [api::Plugin],
) -> impl Iterator<Item = (&'a str, Option<&'a api::PluginVersion>)> {
    let bound = config.plugins.iter().filter(|bound| bound.enabled);
    bound.map(|bound| {
        let found = plugins.iter().find(|plugin| plugin.id == bound.plugin);
        let running = found.and_then(|plugin| plugin.running.as_ref());
        (bound.plugin.as_str(), running.filter(|version| !version.asks.purpose.trim().is_empty()))
    })
}

fn shown(id: &str, version: &api::PluginVersion) -> SignPlugin {
    SignPlugin {
        id: id.to_owned(),
        summary: version.summary.clone(),
        purpose: version.asks.purpose.clone(),
        reports: version.asks.emits.iter().map(|kind| kind.meaning.clone()).collect(),
    }
}

/// Each of the seven questions that the records leave open, in their order.
fn missing(config: &CameraConfig, plugins: &[api::Plugin], office: &Office) -> Vec<SignMissing> {
    let open = |question, wants, is_open: bool| is_open.then_some(SignMissing { question, wants, plugin: None });
    let audio_open = config.record_audio && config.audio_purpose.trim().is_empty();
    let first = [
        open(Question::Purpose, Wants::CameraPurpose, config.purpose.trim().is_empty()),
        open(Question::Accountable, Wants::StationName, office.name.is_empty()),
        open(Question::Accountable, Wants::StationContact, office.contact.is_empty()),
        open(Question::Technology, Wants::CameraEnabled, !config.enabled),
        open(Question::Data, Wants::AudioPurpose, audio_open),
    ];
    let unknown = looking(config, plugins).filter(|(_, found)| found.is_none()).map(|(id, _)| SignMissing {
        question: Question::Processing,
        wants: Wants::PluginPurpose,
        plugin: Some(id.to_owned()),
    });
    let last = [open(Question::Access, Wants::StationContact, office.contact.is_empty())];
    first.into_iter().flatten().chain(unknown).chain(last.into_iter().flatten()).collect()
}

#[cfg(test)]
mod tests;
