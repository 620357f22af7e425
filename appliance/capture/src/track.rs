//! Cuts one stream's access units into recordings. Synchronous: the session feeds it, the sink takes what comes out.

use crate::sink::Sink;
use crate::timeline::{Arrival, Step, Timeline};
use bytes::Bytes;
use std::sync::Arc;
use watchbook_base::time::{NANOS_PER_MS, NANOS_PER_SEC, TICKS_PER_SEC};
use watchbook_base::{Clock, GapReason, StreamId, Ticks90k, UtcNanos};
use watchbook_media::{Packet, RecordingEnd, RecordingStart, TrackFormat};

/// How long the first samples of a recording are held back, so that its start time comes from the least delayed of them: a server that sends the GOP it holds at
/// PLAY does so within this.
const HOLD_NS: u64 = 250 * NANOS_PER_MS.unsigned_abs();
/// Bytes held back at most: a GOP of 10 s at 4 Mbit/s is 5 MB. 64 cameras that restart together hold half a gigabyte at the very worst.
const HOLD_BYTES_MAX: usize = 8 << 20;
/// Samples held back at most: 10 s at 60 a second, and room.
const HOLD_SAMPLES_MAX: usize = 1024;
/// A pending restart waits this long for a key frame; then the recording ends without one. The longest GOP seen in cameras' menus is 20 s.
const RESTART_WAIT_NS: u64 = 30 * NANOS_PER_SEC.unsigned_abs();
/// Loss that leaves a hole longer than this is a gap of its own; shorter ones are counted.
const LOSS_GAP: Ticks90k = Ticks90k(TICKS_PER_SEC);

/// One access unit or audio frame as it came.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// RTP time, without wrap.
    pub(crate) rtp: i64,
    /// Units of `rtp` a second.
    pub(crate) rate_hz: u32,
    /// Decoding can start here.
    pub(crate) key: bool,
    /// 1 to [`watchbook_base::limits::ACCESS_UNIT_BYTES_MAX`] bytes.
    pub(crate) data: Bytes,
}

/// The recordings of one stream, one at a time.
pub(crate) struct Track {
    stream: StreamId,
    sink: Arc<dyn Sink>,
    clock: Arc<dyn Clock>,
    format: Option<TrackFormat>,
    recording: Recording,
    /// The recording ends at the next key frame, for this reason, asked for at this monotonic time in nanoseconds.
    restart: Option<(GapReason, u64)>,
    /// What is missing since the last sample, as in [`Packet::lost_before`].
    lost: u16,
    /// Reason of the gap that is open, so that it is said once.
    gap: Option<GapReason>,
}

enum Recording {
    Closed,
    Opening(Vec<Held>),
    Open(Timeline),
}

/// A sample that is held back, and what is missing before it.
struct Held {
    unit: Unit,
    arrival: Arrival,
    lost: u16,
}

impl Track {
    pub(crate) fn new(stream: StreamId, sink: Arc<dyn Sink>, clock: Arc<dyn Clock>) -> Self {
        Self { stream, sink, clock, format: None, recording: Recording::Closed, restart: None, lost: 0, gap: None }
    }

    /// Packets reach the sink.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.recording, Recording::Open(_))
    }

    /// Nothing is recorded and nothing is held back for a recording to come.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.recording, Recording::Closed)
    }

    pub(crate) fn drift_ppm(&self) -> Option<f32> {
        match &self.recording {
            Recording::Open(timeline) => timeline.drift_ppm(),
            _ => None,
        }
    }

    /// The next samples have this format. Another one than before ends the recording.
    pub(crate) fn set_format(&mut self, format: TrackFormat) {
        if self.format.as_ref() != Some(&format) {
            self.close(GapReason::FormatChange);
            self.format = Some(format);
        }
    }

    /// So many packets were lost, or damaged samples dropped, before the next sample.
    pub(crate) fn lose(&mut self, pieces: u16) {
        self.lost = self.lost.saturating_add(pieces);
    }

    /// Takes the next sample in decode order. Before the first key frame, and before a format is known, samples are let go.
    pub(crate) fn sample(&mut self, unit: Unit, arrival: Arrival) {
        let mut lost = core::mem::take(&mut self.lost);
        if let Recording::Open(timeline) = &self.recording {
            if lost > 0 && timeline.since_newest(unit.rtp) > LOSS_GAP {
                self.close(GapReason::PacketLoss);
            } else if let Some((reason, since)) = self.restart
                && (unit.key || arrival.mono.0.saturating_sub(since) > RESTART_WAIT_NS)
            {
                self.close(reason);
            }
        }
        match &mut self.recording {
            Recording::Closed if unit.key && self.format.is_some() => {
                // What is missing at the end of a gap lies in the gap.
                if !matches!(self.gap, Some(GapReason::ClockStep | GapReason::FormatChange)) {
                    lost = 0;
                }
                self.recording = Recording::Opening(vec![Held { unit, arrival, lost }]);
            }
            Recording::Closed => {}
            Recording::Opening(held) => {
                held.push(Held { unit, arrival, lost });
                self.open_when_due(arrival.mono.0);
            }
            Recording::Open(timeline) => {
                let step = deliver(timeline, self.sink.as_ref(), self.stream, Held { unit, arrival, lost });
                self.note(step, arrival);
            }
        }
    }

    /// Lets time pass: a stream of one picture a second must not be held back for a second one.
    pub(crate) fn tick(&mut self, arrival: Arrival) {
        self.open_when_due(arrival.mono.0);
    }

    /// No more samples come for now. `now` is the end when nothing was recorded.
    pub(crate) fn fail(&mut self, reason: GapReason, now: UtcNanos) {
        self.close(reason);
        self.lost = 0;
        if self.gap != Some(reason) {
            self.gap = Some(reason);
            self.sink.end(&RecordingEnd { stream: self.stream, utc: now, reason });
        }
    }

    fn note(&mut self, step: Option<Step>, arrival: Arrival) {
        if let Some(step) = step {
            tracing::info!(stream = %self.stream, ?step, "a clock was stepped; a new recording begins at the next key frame");
            self.restart.get_or_insert((GapReason::ClockStep, arrival.mono.0));
        }
    }

    fn open_when_due(&mut self, now: u64) {
        if let Recording::Opening(held) = &self.recording {
            let since = held.first().map_or(now, |first| first.arrival.mono.0);
            let bytes: usize = held.iter().map(|held| held.unit.data.len()).sum();
            if now.saturating_sub(since) >= HOLD_NS || held.len() >= HOLD_SAMPLES_MAX || bytes >= HOLD_BYTES_MAX {
                self.open();
            }
        }
    }

    fn open(&mut self) {
        let Recording::Opening(held) = &mut self.recording else { return };
        let held = core::mem::take(held);
        let (Some(first), Some(format)) = (held.first().map(|held| &held.unit), self.format.clone()) else { return };
        let mut timeline =
            Timeline::new(first.rate_hz, first.rtp, held.iter().map(|held| (held.unit.rtp, held.arrival)));
        self.sink.begin(&RecordingStart {
            stream: self.stream,
            format,
            utc: timeline.utc_zero(),
            mono: timeline.mono_zero(),
            sync: self.clock.sync_state(),
        });
        (self.restart, self.gap) = (None, None);
        let mut steps = None;
        for held in held {
            let arrival = held.arrival;
            let step = deliver(&mut timeline, self.sink.as_ref(), self.stream, held);
            steps = steps.or(step.map(|step| (step, arrival)));
        }
        self.recording = Recording::Open(timeline);
        if let Some((step, arrival)) = steps {
            self.note(Some(step), arrival);
        }
    }

    fn close(&mut self, reason: GapReason) {
        self.open();
        if let Recording::Open(timeline) = core::mem::replace(&mut self.recording, Recording::Closed) {
            self.gap = Some(reason);
            self.sink.end(&RecordingEnd { stream: self.stream, utc: timeline.end(), reason });
        }
        self.restart = None;
    }
}

fn deliver(timeline: &mut Timeline, sink: &dyn Sink, stream: StreamId, held: Held) -> Option<Step> {
    let Held { unit, arrival, lost } = held;
    let placed = timeline.place(unit.rtp, arrival);
    let times = placed.times;
    sink.packet(Packet {
        stream,
        dts: times.dts,
        cts_offset: times.cts_offset,
        utc: times.utc,
        mono: arrival.mono,
        key: unit.key,
        lost_before: lost,
        data: unit.data,
    });
    placed.step
}

#[cfg(test)]
mod tests;
