//! Where every camera's packets go: the ring, the live hub, the analysis tap, the lookout. Nothing here waits.

use super::analysis::Analysis;
use super::minutes::Minutes;
use super::sight::Lookout;
use super::states::{States, shown};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use watchbook_base::{CameraId, StreamId, TrackRole};
use watchbook_capture::{Sink, StreamState};
use watchbook_media::{Packet, RecordingEnd, RecordingStart};
use watchbook_store::Writer;
use watchbook_web::ports::CameraConfig;
use watchbook_web::{LiveHub, api};

/// Hands each packet to those that want it.
pub struct StationSink {
    writer: Writer,
    live: Arc<LiveHub>,
    analysis: Arc<Analysis>,
    states: Arc<States>,
    lookout: Lookout,
    minutes: Arc<Minutes>,
    refused: AtomicU64,
}

impl StationSink {
    /// Ready for packets.
    pub fn new(
        writer: Writer,
        live: Arc<LiveHub>,
        analysis: Arc<Analysis>,
        states: Arc<States>,
        lookout: Lookout,
    ) -> Self {
        Self { writer, live, analysis, states, lookout, minutes: Arc::default(), refused: AtomicU64::new(0) }
    }

    /// For how long cameras are recorded.
    pub fn minutes(&self) -> Arc<Minutes> {
        Arc::clone(&self.minutes)
    }

    /// Brings into force how much a camera's footage matters when the disk is too slow, and what of its picture is judged.
    pub fn configure(&self, camera: CameraId, config: &CameraConfig) {
        let importance = config.importance;
        TrackRole::ALL.into_iter().for_each(|role| self.writer.set_importance(camera.stream(role), importance));
        self.lookout.configure(camera, config);
    }

    /// Says how a stream is doing that is not captured.
    pub fn say(&self, stream: StreamId, state: api::StreamState) {
        self.live.state(stream, state.clone());
        self.states.set(stream, state);
    }

    /// Lets the viewers of a removed camera go.
    pub fn forget(&self, camera: CameraId) {
        self.lookout.forget(camera);
        self.live.remove(camera);
    }
}

impl Sink for StationSink {
    fn begin(&self, start: &RecordingStart) {
        self.writer.begin(start);
        self.live.begin(start);
        self.analysis.begin(start);
        self.lookout.begin(start);
    }

    fn packet(&self, packet: Packet) {
        self.analysis.packet(&packet);
        self.lookout.packet(&packet);
        self.live.packet(packet.clone());
        let (stream, utc) = (packet.stream, packet.utc);
        if self.writer.append(packet).is_ok() {
            if stream.role == TrackRole::MainVideo {
                self.minutes.note(stream.camera, utc);
            }
        } else if self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
            // The store counts, writes the gap row and raises the alarm that the page shows; the log needs it once.
            tracing::error!(%stream, "the disk cannot keep up: the first picture was dropped; see the health page");
        }
    }

    fn end(&self, end: &RecordingEnd) {
        self.writer.end(end);
        self.live.end(end);
        self.analysis.end(end.stream);
        self.lookout.end(end.stream);
    }

    fn state(&self, camera: CameraId, role: TrackRole, state: StreamState) {
        let stream = camera.stream(role);
        self.say(stream, shown(&state));
    }
}
