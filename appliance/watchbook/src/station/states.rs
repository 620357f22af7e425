//! The last known state of every stream, as the page shows it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use watchbook_base::{CameraId, StreamId, TrackRole, UtcNanos};
use watchbook_capture::{Status, StreamState};
use watchbook_web::api;

/// States by stream. Capture writes, the page reads; bounded by the number of cameras.
#[derive(Debug, Default)]
pub struct States {
    streams: Mutex<BTreeMap<StreamId, api::StreamState>>,
    /// What keeps a camera from seeing.
    /// What keeps cameras from seeing, and when somebody looked last.
    sights: Mutex<BTreeMap<CameraId, (api::Sight, UtcNanos)>>,
}

/// What was seen so long ago is not said any more: nobody knows whether it still is so. Three looks.
const SIGHT_NS_MAX: i64 = 180_000_000_000;

impl States {
    /// Notes a state.
    pub fn set(&self, stream: StreamId, state: api::StreamState) {
        self.streams().insert(stream, state);
    }

    /// Notes what keeps a camera from seeing, if anything, and when that was seen. True when that is another thing than before.
    pub fn set_sight(&self, camera: CameraId, sight: Option<(api::Sight, UtcNanos)>) -> bool {
        let mut sights = self.sights();
        let before = match sight {
            Some(sight) => sights.insert(camera, sight),
            None => sights.remove(&camera),
        };
        before.map(|(before, _)| before) != sight.map(|(sight, _)| sight)
    }

    fn streams(&self) -> MutexGuard<'_, BTreeMap<StreamId, api::StreamState>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sights(&self) -> MutexGuard<'_, BTreeMap<CameraId, (api::Sight, UtcNanos)>> {
        self.sights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a camera.
    pub fn forget(&self, camera: CameraId) {
        self.streams().retain(|stream, _| stream.camera != camera);
        self.sights().remove(&camera);
    }

    /// The state of a stream: `Connecting` or `Disabled` while capture has said nothing yet.
    pub fn get(&self, stream: StreamId, enabled: bool, now: UtcNanos) -> api::StreamState {
        let known = self.streams().get(&stream).cloned();
        match known {
            Some(state) if enabled => state,
            _ if enabled => api::StreamState::bare(api::StreamStatus::Connecting, now.as_ms()),
            Some(state) if state.status == api::StreamStatus::Disabled => state,
            _ => api::StreamState::bare(api::StreamStatus::Disabled, now.as_ms()),
        }
    }

    /// Both video streams of a camera.
    pub fn camera(&self, camera: CameraId, has_sub: bool, enabled: bool, now: UtcNanos) -> api::CameraStates {
        let main = self.get(camera.stream(TrackRole::MainVideo), enabled, now);
        // Of a camera that sends nothing only that is to be said.
        let seen = self.sights().get(&camera).copied().filter(|_| main.status == api::StreamStatus::Live);
        let sight = seen.filter(|(_, looked)| now.nanos_since(*looked) <= SIGHT_NS_MAX).map(|(sight, _)| sight);
        api::CameraStates {
            main,
            sight,
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
        encoder: state.encoder.as_ref().filter(|_| live).and_then(encoder),
        ..api::StreamState::bare(status, state.since.as_ms())
    }
}

/// `None` until it is known who encodes.
fn encoder(state: &watchbook_capture::EncoderState) -> Option<api::StreamEncoder> {
    let cpu_s_per_min = (state.cpu_ms as f32 * 60.0) / state.open_ms.max(1) as f32;
    state.name.clone().map(|name| api::StreamEncoder { name, cpu_s_per_min })
}
