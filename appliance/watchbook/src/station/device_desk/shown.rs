//! Cameras beside their streams, in the API's shape.

use super::{Known, memory};
use watchbook_base::CameraId;
use watchbook_capture::onvif::{DeviceStatus, Identity, MaskState, Position, Preset};
use watchbook_web::api;

/// How a camera is doing.
pub fn state(known: &Known) -> api::DeviceState {
    let state = known.state.as_ref();
    let failure = state.and_then(|state| state.failure.as_ref());
    let (masks, masks_problem) = match state.map(|state| state.masks.clone()).unwrap_or_default() {
        MaskState::Unknown => (api::DeviceMasks::Unknown, None),
        MaskState::Kept => (api::DeviceMasks::Kept, None),
        MaskState::Missing(sentence) => (api::DeviceMasks::Missing, Some(sentence)),
    };
    api::DeviceState {
        status: match state.map(|state| state.status) {
            None | Some(DeviceStatus::Connecting) => api::DeviceStatus::Connecting,
            Some(DeviceStatus::Connected) => api::DeviceStatus::Connected,
            Some(DeviceStatus::Lost) => api::DeviceStatus::Lost,
        },
        since_utc_ms: state.map_or(0, |state| state.since.as_ms()),
        reason: failure.map(|failure| failure.reason),
        detail: failure.map(|failure| failure.detail.clone()),
        next_step: failure.map(|failure| failure.next_step.clone()),
        ptz: state.is_some_and(|state| state.ptz),
        clock_offset_ms: state.and_then(|state| state.clock_offset_ms),
        clock_problem: state.and_then(|state| state.clock_problem.clone()),
        events: state.and_then(|state| state.events).map(|events| api::DeviceEvents {
            taken: events.taken,
            dropped: events.dropped,
            other: events.other,
        }),
        masks,
        masks_problem,
        known: known.memory.identity().map(|identity| named(&identity)).unwrap_or_default(),
        other: known.other.as_ref().map(|(other, detail, since)| api::OtherCamera {
            found_id: memory::id(other),
            detail: detail.clone(),
            since_utc_ms: since.as_ms(),
        }),
    }
}

fn named(identity: &Identity) -> String {
    let serial =
        Some(&identity.serial).filter(|serial| !serial.is_empty()).map(|serial| format!("serial number {serial}"));
    let name = format!("{} {}", identity.manufacturer, identity.model);
    [Some(name.trim().to_owned()), serial]
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}

/// What is wrong with a camera and needs somebody.
pub fn alarms(camera: CameraId, known: &Known) -> Vec<api::Alarm> {
    let alarm =
        |kind, since_utc_ms, text| api::Alarm { kind, disk: None, camera: Some(camera.get()), since_utc_ms, text };
    let replaced = known.other.as_ref().map(|(_, detail, since)| {
        let text = format!("Another camera answers where {} was: {detail}. Accept it in the camera's settings, or bring the old one back.", known.name);
        alarm(api::AlarmKind::CameraReplaced, Some(since.as_ms()), text)
    });
    let masks = known.lacks_masks().map(|sentence| {
        let policy = if known.withheld() { "It is not recorded meanwhile." } else { "It is recorded all the same." };
        let text = format!("{}: {sentence} {policy}", known.name);
        alarm(api::AlarmKind::MaskMissing, known.masks_since.map(watchbook_base::UtcNanos::as_ms), text)
    });
    replaced.into_iter().chain(masks).collect()
}

/// Where a camera looks and can be sent.
pub fn view(presets: Vec<Preset>, position: Option<Position>) -> api::PtzView {
    api::PtzView {
        position: position.map(|Position { pan, tilt, zoom }| api::PtzPosition { pan, tilt, zoom }),
        presets: presets.into_iter().map(|Preset { token, name }| api::PtzPreset { token, name }).collect(),
    }
}
