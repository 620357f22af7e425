//! The last known state of every stream, as the page shows it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use watchbook_base::{CameraId, StreamId, TrackRole, UtcNanos};
use watchbook_capture::{Status, StreamState};
use watchbook_web::api;

/// States by stream. Capture writes, the page reads; bounded by the number of cameras.
#[derive(Debug, Default)]
pub struct States(Mutex<BTreeMap<StreamId, api::StreamState>>);

impl States {
    /// Notes a state.
    pub fn set(&self, stream: StreamId, state: api::StreamState) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(stream, state);
    }

    /// Forgets a camera.
    pub fn forget(&self, camera: CameraId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|stream, _| stream.camera != camera);
    }

    /// The state of a stream: `Connecting` or `Disabled` while capture has said nothing yet.
    pub fn get(&self, stream: StreamId, enabled: bool, now: UtcNanos) -> api::StreamState {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&stream).cloned();
        match known {
            Some(state) if enabled => state,
            _ if enabled => api::StreamState::bare(api::StreamStatus::Connecting, now.as_ms()),
            Some(state) if state.status == api::StreamStatus::Disabled => state,
            _ => api::StreamState::bare(api::StreamStatus::Disabled, now.as_ms()),
        }
    }

    /// Both video streams of a camera.
    pub fn camera(&self, camera: CameraId, has_sub: bool, enabled: bool, now: UtcNanos) -> api::CameraStates {
        api::CameraStates {
            main: self.get(camera.stream(TrackRole::MainVideo), enabled, now),
            sub: has_sub.then(|| self.get(camera.stream(TrackRole::SubVideo), enabled, now)),
        }
    }
}

/// Capture's words in the API's shape.
pub fn shown(state: &StreamState) -> api::StreamState {
    let status = match state.status {
        Status::Connecting => api::StreamStatus::Connecting,
        Status::Live => api::StreamStatus::Live,
        Status::Lost => api::StreamStatus::Lost,
        Status::Disabled => api::StreamStatus::Disabled,
    };
    let live = state.status == Status::Live;
    api::StreamState {
        reason: state.reason,
        detail: state.detail.clone(),
        next_step: state.next_step.clone(),
        codec: state.format.as_ref().map(|format| format.codec_string.clone()),
        width: state.format.as_ref().map(|format| format.width),
        height: state.format.as_ref().map(|format| format.height),
        fps: live.then_some(state.fps),
        bitrate_bps: live.then_some(state.bitrate_bps),
        lost_packets: state.lost_packets,
        damaged_access_units: state.damaged_access_units,
        media_utc_offset_ms: state.clock_offset_ms,
        drift_ppm: state.drift_ppm,
        gop_pictures: state.gop_pictures,
        key_interval_ms: state.key_interval_ms,
        key_age_ms: live.then_some(state.key_age_ms).flatten(),
        sessions: state.sessions,
        last_gap: state.last_gap.map(|gap| api::LastGap {
            start_utc_ms: gap.start.as_ms(),
            end_utc_ms: gap.end.as_ms(),
            reason: gap.reason,
        }),
        ..api::StreamState::bare(status, state.since.as_ms())
    }
}
