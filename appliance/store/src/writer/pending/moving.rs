//! Moving streams from a disk that is given up to another: what was not acknowledged goes along.

use super::{Current, Pending, STEP_TICKS_DEFAULT, Section};
use crate::codec::wide;
use crate::format::Record;
use crate::format::record::Left;
use crate::plan::Plan;
use crate::writer::decode_utc;
use std::collections::BTreeMap;
use std::sync::Arc;
use watchbook_base::{GapReason, StreamId, UtcNanos};
use watchbook_media::{RecordingEnd, RecordingId, RecordingStart};

/// What a disk has not acknowledged, and the streams that were recorded on it.
#[derive(Debug, Default)]
pub(crate) struct Unacked {
    pub(crate) streams: BTreeMap<StreamId, UnackedStream>,
    /// Events and what the recorder itself said.
    pub(crate) records: Vec<Record>,
}

/// One stream of it.
#[derive(Debug, Default)]
pub(crate) struct UnackedStream {
    current: Option<Current>,
    /// In the order in which they came.
    sections: Vec<Section>,
}

impl UnackedStream {
    /// The gap that begins with the first thing that is not acknowledged, for a stream that is recorded elsewhere already.
    pub(crate) fn unsaid(&self, stream: StreamId) -> Option<RecordingEnd> {
        let first = self.sections.iter().find(|section| section.left.is_none())?;
        let reason = first.end.filter(|_| first.packets.is_empty()).map_or(GapReason::Disk, |end| end.reason);
        Some(RecordingEnd { stream, utc: first.cut()?, reason })
    }
}

/// What the committer has taken and not acknowledged yet: the same packets once more, by reference.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    sections: Vec<Section>,
    records: Vec<Record>,
}

impl InFlight {
    pub(super) fn add(&mut self, sections: &[Section], records: &[Record]) {
        self.sections.extend_from_slice(sections);
        self.records.extend_from_slice(records);
    }

    /// `plan` is durable.
    fn settle(&mut self, plan: &Plan) {
        if plan.completes.is_some() {
            self.sections.clear();
            self.records.clear();
            return;
        }
        for planned in &plan.runs {
            let of_run = |section: &&mut Section| {
                section.recording() == Some(planned.run.recording) && !section.packets.is_empty()
            };
            if let Some(section) = self.sections.iter_mut().find(of_run) {
                section.packets.drain(..planned.packets.len().min(section.packets.len()));
            }
        }
        for (_, record) in &plan.records {
            self.settle_record(record);
        }
        self.sections.retain(|section| {
            section.begins || section.left.is_some() || section.end.is_some() || !section.packets.is_empty()
        });
    }

    fn settle_record(&mut self, record: &Record) {
        match record {
            Record::Start { recording, .. } => {
                let begun = self.sections.iter_mut().find(|section| section.recording() == Some(*recording));
                begun.into_iter().for_each(|section| section.begins = false);
            }
            Record::End { recording, end, .. } => {
                let same = |section: &&mut Section| section.recording() == *recording && section.end == Some(*end);
                self.sections.iter_mut().find(same).into_iter().for_each(|section| section.end = None);
            }
            Record::Left(left) => {
                let same = |section: &&mut Section| section.left == Some(*left);
                self.sections.iter_mut().find(same).into_iter().for_each(|section| section.left = None);
            }
            Record::Event { number, .. } => {
                self.records.retain(|event| !matches!(event, Record::Event { number: other, .. } if other == number));
            }
            _ => {}
        }
    }
}

impl Pending {
    /// The committer has made `plan` durable. False when the disk was given up meanwhile: then its streams are recorded elsewhere, from the packets of
    /// this very plan on, and nobody may see or acknowledge it here.
    pub(crate) fn claim(&mut self, plan: &Plan) -> bool {
        if self.given_up {
            return false;
        }
        self.in_flight.settle(plan);
        true
    }

    /// Gives the disk up: takes away everything that is not acknowledged, and nothing is taken or acknowledged any more. What the last run left unfinished
    /// here stays: another disk that has footage since would tell of a gap over it, and the next start-up of this one finds it again.
    pub(crate) fn give_up(&mut self) -> Unacked {
        (self.given_up, self.closing, self.stopped) = (true, true, true);
        let InFlight { sections, mut records } = std::mem::take(&mut self.in_flight);
        let mut streams: BTreeMap<StreamId, UnackedStream> = BTreeMap::new();
        let waiting = std::mem::take(&mut self.sections).into_values().flatten();
        for section in sections.into_iter().chain(waiting).filter(|section| !section.of_last_run) {
            streams.entry(section.stream).or_default().sections.push(section);
        }
        for (stream, current) in std::mem::take(&mut self.currents) {
            streams.entry(stream).or_default().current = Some(current);
        }
        records.append(&mut self.records);
        self.bytes = 0;
        Unacked { streams, records }
    }

    /// Goes on with a stream of a disk that was given up. Each of its recordings becomes a new one here, from its first key frame that was not acknowledged
    /// there, behind a record that says where it was left and that a gap begins there.
    pub(crate) fn adopt(&mut self, stream: StreamId, unacked: UnackedStream) {
        let UnackedStream { current, sections } = unacked;
        // Recording there that goes on here.
        let mut adopted: Option<RecordingId> = None;
        for section in sections {
            match section.recording.clone() {
                // About the other disk's own log.
                None if section.left.is_some() && section.end.is_none() => {}
                None if section.left.is_some() => self.push(section),
                None => section.end.iter().for_each(|end| self.push_end(None, *end)),
                Some((recording, start)) => {
                    if adopted.replace(recording) != Some(recording) {
                        let last_end = current.as_ref().map_or(start.utc, |current| current.end_utc);
                        self.go_on(stream, (recording, start), section.cut().unwrap_or(last_end));
                    }
                    self.adopt_packets(section, &mut adopted);
                }
            }
        }
        let Some(before) = current else { return };
        if let Some(recording) = before.recording.filter(|recording| adopted != Some(*recording)) {
            self.go_on(stream, (recording, before.start.clone()), before.end_utc);
        }
        if !self.currents.contains_key(&stream) {
            self.set_current(stream, before.start.clone(), before.end_utc);
        }
        if let Some(now) = self.currents.get_mut(&stream) {
            now.last_dts = now.last_dts.max(before.last_dts);
            now.missing = now.missing.saturating_add(before.missing);
            now.step_ticks = before.step_ticks;
            now.end_utc = now.end_utc.max(before.end_utc);
        }
    }

    fn adopt_packets(&mut self, section: Section, adopted: &mut Option<RecordingId>) {
        for packet in section.packets {
            let recording = self.currents.get(&section.stream).is_some_and(|current| current.recording.is_some());
            // What comes before the first key frame cannot be decoded without what lies on the other disk.
            if (recording || packet.key)
                && let Err(error) = self.append(packet)
            {
                tracing::debug!(%error, "a packet of a disk that was given up is dropped");
            }
        }
        if let Some(end) = section.end {
            *adopted = None;
            self.end(&end);
        }
    }

    /// A recording that was left at `utc` goes on here at its next key frame.
    fn go_on(&mut self, stream: StreamId, recording: (RecordingId, Arc<RecordingStart>), utc: UtcNanos) {
        let left = Left { stream, recording: Some(recording.0), utc };
        let end = Some(RecordingEnd { stream, utc, reason: GapReason::Disk });
        self.push(Section { left: Some(left), end, ..Section::empty(stream) });
        self.set_current(stream, recording.1, utc);
    }

    /// The stream records from its next key frame on.
    fn set_current(&mut self, stream: StreamId, start: Arc<RecordingStart>, end_utc: UtcNanos) {
        let step = self.step(stream);
        let current = Current {
            recording: None,
            start,
            last_dts: None,
            missing: 0,
            step_ticks: STEP_TICKS_DEFAULT,
            end_utc,
            dropping: true,
            moved: true,
            step,
        };
        if let Some(old) = self.currents.insert(stream, current) {
            self.count_recording(old.step, -1);
        }
        self.count_recording(step, 1);
    }

    /// Takes an event of a disk that was given up, under its number.
    pub(crate) fn adopt_event(&mut self, record: Record) {
        self.taken += 1;
        self.bytes += wide(record.stored_bytes());
        self.records.push(record);
    }

    /// Says that this stream goes on, or went on, on another disk from `utc` on: closes its gap here, and `recording`.
    pub(crate) fn leave(&mut self, stream: StreamId, recording: Option<RecordingId>, utc: UtcNanos) {
        let left = Left { stream, recording, utc };
        self.push(Section { left: Some(left), ..Section::empty(stream) });
    }
}

impl Section {
    /// One that says nothing yet.
    pub(super) fn empty(stream: StreamId) -> Self {
        Self { stream, recording: None, begins: false, packets: Vec::new(), end: None, left: None, of_last_run: false }
    }

    fn recording(&self) -> Option<RecordingId> {
        self.recording.as_ref().map(|(recording, _)| *recording)
    }

    /// Where its recording is cut when it goes on elsewhere: at its first packet, or, without one, at its end.
    fn cut(&self) -> Option<UtcNanos> {
        let end = || self.end.map(|end| end.utc);
        let start = || self.recording.as_ref().filter(|_| self.begins).map(|(_, start)| start.utc);
        self.packets.first().map(decode_utc).or_else(end).or_else(start)
    }
}
