//! From what waits to commits: which runs and records go into which commit, with their digests. Pure.

use crate::codec::{count, wide};
use crate::format::{COMMIT_BYTES_MAX, COMMIT_HEADER_BYTES, META_BYTES_MAX, RUN_ENTRY_BYTES, Record, Run};
use crate::keys::TAG_BYTES;
use crate::writer::{Section, Taken};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use watchbook_base::Ticks90k;
use watchbook_evidence::sha256_of;
use watchbook_media::sample_table::{self, SAMPLES_PER_RUN_MAX};
use watchbook_media::{Packet, RecordingId, RecordingStart, RunTable, Sample};

/// Length of a run of one sample: a frame of 25 a second.
const STEP_TICKS_DEFAULT: i64 = 3600;
/// Longest estimate of a last sample's length.
const STEP_TICKS_MAX: i64 = 10 * 90_000;

/// One commit to be, but for its place.
pub(crate) struct Plan {
    pub(crate) runs: Vec<PlannedRun>,
    /// Each with the number of runs before it.
    pub(crate) records: Vec<(u32, Record)>,
    /// Memory that is free again when it is durable.
    pub(crate) frees_bytes: u64,
    /// Everything taken up to this count is durable with it; `None` when more of the same take follows.
    pub(crate) completes: Option<u64>,
    pub(crate) next_recording: u64,
    pub(crate) next_event: u64,
    /// Every run has its stored form.
    pub(crate) is_sealed: bool,
}

/// One run and the packets that are its payload.
pub(crate) struct PlannedRun {
    pub(crate) run: Run,
    pub(crate) start: Arc<RecordingStart>,
    pub(crate) packets: Vec<Packet>,
    /// The payload as it is written, when that is not the packets' bytes.
    pub(crate) stored: Option<Vec<u8>>,
}

impl PlannedRun {
    /// The payload as it is written, in pieces.
    pub(crate) fn stored_pieces(&self) -> Vec<&[u8]> {
        match &self.stored {
            Some(stored) => vec![stored],
            None => self.packets.iter().map(|packet| packet.data.as_ref()).collect(),
        }
    }
}

impl Plan {
    fn empty(numbers: (u64, u64)) -> Self {
        let (next_recording, next_event) = numbers;
        Self {
            runs: Vec::new(),
            records: Vec::new(),
            frees_bytes: 0,
            completes: None,
            next_recording,
            next_event,
            is_sealed: false,
        }
    }

    /// Sample bytes.
    pub(crate) fn payload_bytes(&self) -> u64 {
        self.runs.iter().map(|planned| planned.run.plain_len()).sum()
    }

    /// Records with, in front of the first run of each recording that this segment has not stated yet, its start again.
    pub(crate) fn records_restated(&self, stated: &HashSet<RecordingId>) -> Vec<(u32, Record)> {
        let begins: HashSet<RecordingId> = self.records.iter().filter_map(|(_, record)| begun(record)).collect();
        let restated = self.runs.iter().enumerate().filter(|(_, planned)| {
            let recording = planned.run.recording;
            !stated.contains(&recording) && !begins.contains(&recording)
        });
        let mut records: Vec<(u32, Record)> = restated
            .map(|(index, planned)| {
                let start = (*planned.start).clone();
                (count(index), Record::Start { recording: planned.run.recording, start, restated: true })
            })
            .collect();
        records.extend(self.records.iter().cloned());
        records.sort_by_key(|(position, _)| *position);
        records
    }
}

/// The recording that a record states.
pub(crate) fn begun(record: &Record) -> Option<RecordingId> {
    match record {
        Record::Start { recording, .. } => Some(*recording),
        _ => None,
    }
}

/// Bytes of one commit: half a segment at most, so that two fit.
pub(crate) fn commit_bytes_max(segment_bytes: u64) -> u64 {
    COMMIT_BYTES_MAX.min(segment_bytes / 2)
}

/// What still fits into a commit.
struct Room {
    max: u64,
    left: u64,
    meta_left: u64,
    fresh: bool,
}

impl Room {
    fn new(max: u64) -> Self {
        let left = max.saturating_sub(wide(COMMIT_HEADER_BYTES));
        // The other half of the metadata is for what a new segment restates.
        Self { max, left, meta_left: META_BYTES_MAX / 2, fresh: true }
    }

    fn takes(&self, meta: usize, payload: usize) -> bool {
        self.fresh || (wide(meta) <= self.meta_left && wide(meta + payload) <= self.left)
    }

    fn add(&mut self, meta: usize, payload: usize) {
        self.meta_left = self.meta_left.saturating_sub(wide(meta));
        self.left = self.left.saturating_sub(wide(meta + payload));
        self.fresh = false;
    }
}

/// A table takes at most 21 B a sample (9 for the time, 4 for the size, 5 for the composition offset, 3 for what was lost), mostly 3.
const SAMPLE_META_BYTES: usize = 21;

/// Plans that are full, and the one being filled.
struct Filling {
    full: VecDeque<Plan>,
    plan: Plan,
    room: Room,
    numbers: (u64, u64),
}

impl Filling {
    fn new(bytes_max: u64, numbers: (u64, u64)) -> Self {
        Self { full: VecDeque::new(), plan: Plan::empty(numbers), room: Room::new(bytes_max), numbers }
    }

    fn next(&mut self) {
        self.full.push_back(std::mem::replace(&mut self.plan, Plan::empty(self.numbers)));
        self.room = Room::new(self.room.max);
    }

    fn record(&mut self, record: Record) {
        let bytes = record.stored_bytes();
        if !self.room.takes(bytes, 0) {
            self.next();
        }
        self.room.add(bytes, 0);
        self.plan.records.push((count(self.plan.runs.len()), record));
    }

    /// As much of one recording's packets as fits, then the rest in the next plan, and so on: a plan has one run of a recording.
    fn packets(&mut self, recording: RecordingId, start: &Arc<RecordingStart>, packets: Vec<Packet>) {
        // Directory entry, head of the table, tag and, in the worst case, the restated start.
        let head = RUN_ENTRY_BYTES + 80 + TAG_BYTES + start.format.config.len();
        let mut packets = packets.into_iter().peekable();
        while let Some(first) = packets.peek() {
            if !self.room.takes(head + SAMPLE_META_BYTES, first.data.len()) {
                self.next();
            }
            self.room.add(head, 0);
            let mut run: Vec<Packet> = Vec::new();
            while run.len() < SAMPLES_PER_RUN_MAX
                && let Some(packet) =
                    packets.next_if(|packet| run.is_empty() || self.room.takes(SAMPLE_META_BYTES, packet.data.len()))
            {
                self.room.add(SAMPLE_META_BYTES, packet.data.len());
                run.push(packet);
            }
            self.plan.runs.push(planned_run(recording, start.clone(), run));
            if packets.peek().is_some() {
                self.next();
            }
        }
    }
}

/// Cuts what was taken into commits of at most `bytes_max`, in order. One packet or record always goes.
pub(crate) fn plan(taken: Taken, bytes_max: u64) -> VecDeque<Plan> {
    let mut filling = Filling::new(bytes_max, (taken.next_recording, taken.next_event));
    for section in taken.sections {
        filling.plan.frees_bytes += section.bytes();
        let Section { recording, begins, packets, end, left, .. } = section;
        if let Some(left) = left {
            filling.record(Record::Left(left));
        }
        if let Some((recording, start)) = recording.as_ref().filter(|_| begins) {
            filling.record(Record::Start { recording: *recording, start: (**start).clone(), restated: false });
        }
        if let Some((recording, start)) = &recording {
            filling.packets(*recording, start, packets);
        }
        if let Some(end) = end {
            filling.record(Record::End { recording: recording.map(|(recording, _)| recording), end, restated: false });
        }
    }
    for record in taken.records {
        filling.plan.frees_bytes += wide(record.stored_bytes());
        filling.record(record);
    }
    filling.plan.completes = Some(taken.taken);
    filling.full.push_back(filling.plan);
    filling.full
}

fn planned_run(recording: RecordingId, start: Arc<RecordingStart>, packets: Vec<Packet>) -> PlannedRun {
    let samples: Vec<Sample> = packets
        .iter()
        .map(|packet| Sample {
            dts: packet.dts,
            cts_offset: packet.cts_offset,
            size_bytes: count(packet.data.len()),
            key: packet.key,
            lost_before: packet.lost_before,
        })
        .collect();
    let key_count = count(samples.iter().filter(|sample| sample.key).count());
    let has_cts = samples.iter().any(|sample| sample.cts_offset != 0);
    let has_lost = samples.iter().any(|sample| sample.lost_before != 0);
    let step = match samples.as_slice() {
        [.., before, last] => (last.dts - before.dts).0.min(STEP_TICKS_MAX),
        _ => STEP_TICKS_DEFAULT,
    };
    let first = packets.first().expect("a run is made of at least one packet");
    let last_dts = samples.last().map_or(first.dts, |sample| sample.dts);
    let length = (last_dts - first.dts + Ticks90k(step)).0;
    let mut table = Vec::new();
    sample_table::encode_run(&RunTable { samples }, &mut table)
        .expect("append checked every packet and the run's length is bounded");
    let parts: Vec<&[u8]> =
        std::iter::once(table.as_slice()).chain(packets.iter().map(|packet| packet.data.as_ref())).collect();
    let sha256 = sha256_of(&parts);
    let run = Run {
        stream: first.stream,
        recording,
        payload_offset: 0,
        payload_len: packets.iter().map(|packet| wide(packet.data.len())).sum(),
        sample_count: count(packets.len()),
        key_count,
        has_cts,
        has_lost,
        first_dts: first.dts,
        length_ticks: u32::try_from(length).unwrap_or(u32::MAX),
        first_utc: crate::writer::decode_utc(first),
        first_mono: first.mono,
        // Over the stored bytes, which sealing makes.
        crc: 0,
        sha256,
        seal: None,
        table,
    };
    PlannedRun { run, start, packets, stored: None }
}
