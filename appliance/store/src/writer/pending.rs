//! What waits in memory for the next commit, stream by stream. Every method is short: it runs under the mutex that all cameras share.

mod moving;

use moving::InFlight;

use super::overload::Overload;
use super::shed::{STEPS, Shedding, plan_shedding, step_of};
use super::{Numbers, Stats};
use crate::codec::wide;
use crate::error::{Error, Result};
use crate::format::Record;
use crate::format::record::Left;
use std::collections::BTreeMap;
use std::sync::Arc;
use watchbook_base::limits::{ACCESS_UNIT_BYTES_MAX, CODEC_CONFIG_BYTES_MAX};
use watchbook_base::{Event, GapReason, Importance, Kind, MonoNanos, StreamId, Ticks90k, UtcNanos};
use watchbook_media::sample_table::DTS_TICKS_MAX;
use watchbook_media::{Packet, RecordingEnd, RecordingId, RecordingStart};

/// What begins, ends and events may take beyond the bound on packets, so that a full buffer still records why: 16 MiB are 50,000 of them.
const RECORDS_BYTES_MAX: u64 = 16 << 20;
/// Memory of a section beside its packets.
const SECTION_BYTES: u64 = 256;
/// Length of a last sample when the recording has only one: a frame of 25 a second.
const STEP_TICKS_DEFAULT: i64 = 3600;
/// A sample is not taken to last longer than this when its follower is unknown.
const STEP_TICKS_MAX: i64 = 10 * 90_000;

/// A stretch of one recording.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) stream: StreamId,
    pub(crate) recording: Option<(RecordingId, Arc<RecordingStart>)>,
    /// The recording begins here.
    pub(crate) begins: bool,
    pub(crate) packets: Vec<Packet>,
    /// It ends here.
    pub(crate) end: Option<RecordingEnd>,
    /// Said before all of this.
    pub(crate) left: Option<Left>,
    /// The end of what the last run of the recorder left unfinished in this disk's log.
    pub(crate) of_last_run: bool,
}

impl Section {
    /// What it counts for in the bound.
    pub(crate) fn bytes(&self) -> u64 {
        let config = self.recording.as_ref().map_or(0, |(_, start)| start.format.config.len());
        SECTION_BYTES + wide(config) + self.packets.iter().map(packet_bytes).sum::<u64>()
    }
}

/// What a packet counts for: its bytes and the struct around them.
fn packet_bytes(packet: &Packet) -> u64 {
    wide(packet.data.len() + size_of::<Packet>())
}

/// One stream that is recording.
#[derive(Debug)]
struct Current {
    /// `None` until the first packet for which there is room.
    recording: Option<RecordingId>,
    start: Arc<RecordingStart>,
    last_dts: Option<Ticks90k>,
    /// What is missing before the next sample: packets that were refused, and what they said is missing before them.
    missing: u16,
    step_ticks: i64,
    /// End of the last sample taken, as far as known.
    end_utc: UtcNanos,
    /// Nothing is taken before the next key frame for which there is room.
    dropping: bool,
    /// It came from another disk and begins with its first key frame; that is not this disk's slowness.
    moved: bool,
    /// Its step of importance.
    step: usize,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Pending {
    currents: BTreeMap<StreamId, Current>,
    sections: BTreeMap<StreamId, Vec<Section>>,
    /// Events, and what the recorder itself notes.
    records: Vec<Record>,
    /// Of streams that are not of normal importance.
    importance: BTreeMap<StreamId, Importance>,
    /// Streams recording, by step.
    recording: [usize; STEPS],
    shedding: Shedding,
    overload: Overload,
    bytes: u64,
    bytes_max: u64,
    packet_bytes_max: usize,
    numbers: Arc<Numbers>,
    /// Counts what was taken; a flush waits until the durable count reaches it.
    taken: u64,
    durable: u64,
    flush_wanted: u64,
    /// No more will come: commit what is there and stop.
    pub(crate) closing: bool,
    /// The committer is gone.
    pub(crate) stopped: bool,
    in_flight: InFlight,
    given_up: bool,
    /// Since when a commit is on its way.
    pub(crate) busy_since: Option<MonoNanos>,
    /// Since when no commit has succeeded.
    pub(crate) trouble_since: Option<MonoNanos>,
    pub(crate) stats: Stats,
}

/// What the committer takes away.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) sections: Vec<Section>,
    pub(crate) records: Vec<Record>,
    pub(crate) taken: u64,
    pub(crate) next_recording: u64,
    pub(crate) next_event: u64,
}

impl Pending {
    /// Nothing yet.
    pub(crate) fn new(bytes_max: u64, segment_bytes: u64, numbers: Arc<Numbers>) -> Self {
        Self {
            currents: BTreeMap::new(),
            sections: BTreeMap::new(),
            records: Vec::new(),
            importance: BTreeMap::new(),
            recording: [0; STEPS],
            shedding: Shedding::default(),
            overload: Overload::default(),
            bytes: 0,
            bytes_max,
            // A quarter of a segment, so that any commit of one packet fits into an empty segment beside its metadata.
            packet_bytes_max: ACCESS_UNIT_BYTES_MAX.min(crate::codec::narrow(segment_bytes / 4)),
            numbers,
            taken: 0,
            durable: 0,
            flush_wanted: 0,
            closing: false,
            stopped: false,
            in_flight: InFlight::default(),
            given_up: false,
            busy_since: None,
            trouble_since: None,
            stats: Stats::default(),
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }

    pub(crate) fn want_flush(&mut self, taken: u64) {
        self.flush_wanted = self.flush_wanted.max(taken);
    }

    /// Somebody waits.
    pub(crate) fn flush_wanted(&self) -> bool {
        self.flush_wanted > self.durable
    }

    /// Nothing waits to be taken by the committer.
    pub(crate) fn is_empty(&self) -> bool {
        self.sections.is_empty() && self.records.is_empty()
    }

    pub(crate) fn begin(&mut self, start: &RecordingStart) {
        if start.format.config.len() > CODEC_CONFIG_BYTES_MAX {
            tracing::error!(stream = %start.stream, bytes = start.format.config.len(), "a recording with too long a codec configuration is not begun");
            return;
        }
        self.end_as_gone(start.stream);
        let current = Current {
            recording: None,
            start: Arc::new(start.clone()),
            last_dts: None,
            missing: 0,
            step_ticks: STEP_TICKS_DEFAULT,
            end_utc: start.utc,
            dropping: false,
            moved: false,
            step: self.step(start.stream),
        };
        self.count_recording(current.step, 1);
        self.currents.insert(start.stream, current);
        self.open_section(start.stream);
    }

    /// Ends the recording of `stream` that goes on, if one does.
    pub(crate) fn end_as_gone(&mut self, stream: StreamId) {
        if let Some(utc) = self.currents.get(&stream).map(|current| current.end_utc) {
            self.end(&RecordingEnd { stream, utc, reason: GapReason::CameraGone });
        }
    }

    fn step(&self, stream: StreamId) -> usize {
        step_of(self.importance.get(&stream).copied().unwrap_or_default(), stream.role)
    }

    fn count_recording(&mut self, step: usize, by: isize) {
        if let Some(count) = self.recording.get_mut(step) {
            *count = count.saturating_add_signed(by);
        }
    }

    /// How much this stream matters from now on.
    pub(crate) fn set_importance(&mut self, stream: StreamId, importance: Importance) {
        match importance {
            Importance::Normal => self.importance.remove(&stream),
            other => self.importance.insert(stream, other),
        };
        let step = self.step(stream);
        if let Some(before) = self.currents.get_mut(&stream).map(|current| std::mem::replace(&mut current.step, step)) {
            self.count_recording(before, -1);
            self.count_recording(step, 1);
        }
    }

    /// How many steps this one is below the most important one that records.
    fn below_top(&self, step: usize) -> usize {
        self.recording.iter().rposition(|streams| *streams > 0).unwrap_or(step).saturating_sub(step)
    }

    /// How full the memory for waiting footage is.
    pub(crate) fn full_percent(&self) -> u64 {
        self.bytes.saturating_mul(100).checked_div(self.bytes_max).unwrap_or(100)
    }

    /// Gives the stream's recording a number and states it, when there is room.
    fn open_section(&mut self, stream: StreamId) {
        let room = self.bytes < self.bytes_max + RECORDS_BYTES_MAX;
        let Some(current) = self.currents.get_mut(&stream) else { return };
        (current.dropping, current.moved) = (!room, false);
        if !room {
            return;
        }
        let recording = RecordingId(self.numbers.take_recording());
        current.recording = Some(recording);
        let recording = Some((recording, current.start.clone()));
        self.push(Section { recording, begins: true, ..Section::empty(stream) });
    }

    fn push(&mut self, section: Section) {
        self.bytes += section.bytes();
        self.taken += 1;
        self.sections.entry(section.stream).or_default().push(section);
    }

    pub(crate) fn append(&mut self, mut packet: Packet) -> Result<()> {
        let stream = packet.stream;
        self.check_open()?;
        let full = self.bytes + packet_bytes(&packet) > self.bytes_max;
        let Some(current) = self.currents.get_mut(&stream) else {
            return Err(Error::invalid(format!("storing a packet of {stream}: no recording has begun")));
        };
        check_packet(&packet, current.last_dts, self.packet_bytes_max).inspect_err(|_| {
            current.missing = current.missing.saturating_add(packet.lost_before).saturating_add(1);
        })?;
        let (step, moved, waits_for_key) = (current.step, current.moved, current.dropping && !packet.key);
        let below_top = self.below_top(step);
        self.shedding = plan_shedding(self.shedding, self.full_percent());
        if full && !waits_for_key {
            self.shedding = self.shedding.not_fitting(below_top);
        }
        let sheds = self.shedding.drops(below_top, packet.key);
        if waits_for_key && moved && !full && !sheds {
            let why =
                format!("storing a packet of {stream}: it has moved to another disk, where it begins with a key frame");
            return Err(Error::new(Kind::Exhausted, why));
        }
        if full || waits_for_key || sheds {
            return Err(self.drop_packet(&packet, step));
        }
        let Some(current) = self.currents.get(&stream) else { return Err(self.drop_packet(&packet, step)) };
        if current.dropping || current.recording.is_none() {
            self.open_section(stream);
        }
        let Some(current) = self.currents.get_mut(&stream).filter(|current| current.recording.is_some()) else {
            return Err(self.drop_packet(&packet, step));
        };
        if let Some(last) = current.last_dts {
            current.step_ticks = (packet.dts - last).0.min(STEP_TICKS_MAX);
        }
        current.last_dts = Some(packet.dts);
        packet.lost_before = packet.lost_before.saturating_add(core::mem::take(&mut current.missing));
        current.end_utc = decode_utc(&packet).plus_ticks(Ticks90k(current.step_ticks));
        let recording = current.recording.map(|recording| (recording, current.start.clone()));
        self.taken += 1;
        self.bytes += packet_bytes(&packet);
        let sections = self.sections.entry(stream).or_default();
        let open = sections.last_mut().filter(|section| section.end.is_none());
        match open {
            Some(section) => section.packets.push(packet),
            None => {
                self.bytes += SECTION_BYTES;
                sections.push(Section { recording, packets: vec![packet], ..Section::empty(stream) });
            }
        }
        Ok(())
    }

    /// The rest of this GOP goes too. The first packet dropped ends the recording with a gap; another recording begins when there is room again.
    fn drop_packet(&mut self, packet: &Packet, step: usize) -> Error {
        let stream = packet.stream;
        self.stats.overload_drops += 1;
        if let Some(drops) = self.stats.overload_drops_by_step.get_mut(step) {
            *drops += 1;
        }
        self.overload.dropped(packet.utc);
        if let Some(current) = self.currents.get_mut(&stream) {
            // The gap tells of what is missing.
            (current.dropping, current.moved, current.missing) = (true, false, 0);
            if let Some(recording) = current.recording.take() {
                let start = current.start.clone();
                let end = RecordingEnd { stream, utc: current.end_utc, reason: GapReason::Overload };
                self.push_end(Some((recording, start)), end);
            }
        }
        Error::new(
            Kind::Exhausted,
            format!(
                "storing a packet of {stream}: {} MiB wait for the disk; dropping until a key frame for which there is room",
                self.bytes >> 20
            ),
        )
    }

    fn push_end(&mut self, recording: Option<(RecordingId, Arc<RecordingStart>)>, end: RecordingEnd) {
        let sections = self.sections.entry(end.stream).or_default();
        match sections.last_mut().filter(|section| section.end.is_none() && recording.is_some()) {
            Some(section) => {
                section.end = Some(end);
                self.taken += 1;
            }
            None if self.bytes < self.bytes_max + RECORDS_BYTES_MAX => {
                self.push(Section { recording, end: Some(end), ..Section::empty(end.stream) });
            }
            // Thousands of ends wait already. The recording's end is found again at the next start; a failed attempt is told by the next one.
            None => self.stats.overload_drops += 1,
        }
    }

    pub(crate) fn end(&mut self, end: &RecordingEnd) {
        let current = self.currents.remove(&end.stream);
        if let Some(current) = &current {
            self.count_recording(current.step, -1);
        }
        let recording = current.and_then(|current| Some((current.recording?, current.start)));
        self.push_end(recording, *end);
    }

    /// The end, at start-up, of a recording that the last run of the recorder could not end; `None`: nothing states it any more.
    pub(crate) fn end_unfinished(&mut self, recording: Option<(RecordingId, Arc<RecordingStart>)>, end: RecordingEnd) {
        self.push(Section { recording, end: Some(end), of_last_run: true, ..Section::empty(end.stream) });
    }

    pub(crate) fn event(&mut self, event: &Event) -> Result<u64> {
        self.check_open()?;
        if self.bytes >= self.bytes_max + RECORDS_BYTES_MAX {
            self.stats.overload_drops += 1;
            return Err(Error::new(
                Kind::Exhausted,
                format!("storing an event of camera {}: the disk cannot keep up", event.camera),
            ));
        }
        let number = self.numbers.take_event();
        let record = Record::of_event(number, event)
            .map_err(|why| Error::invalid(format!("storing an event of camera {}: {why}", event.camera)))?;
        self.taken += 1;
        self.bytes += wide(record.stored_bytes());
        self.records.push(record);
        Ok(number)
    }

    /// A record of the recorder itself, for the next commit. False when there is no room for it now.
    pub(crate) fn note(&mut self, record: Record) -> bool {
        if self.stopped || self.bytes >= self.bytes_max + RECORDS_BYTES_MAX {
            return false;
        }
        self.taken += 1;
        self.bytes += wide(record.stored_bytes());
        self.records.push(record);
        true
    }

    /// True when its streams are recorded on another disk.
    pub(crate) fn given_up(&self) -> bool {
        self.given_up
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        if self.stopped { Err(Error::new(Kind::Unavailable, "writing to the ring: it is closed")) } else { Ok(()) }
    }

    /// Hands everything to the committer. It counts as pending until [`Pending::settle`].
    pub(crate) fn take(&mut self) -> Taken {
        let (next_recording, next_event) = self.numbers.next();
        let sections: Vec<Section> = std::mem::take(&mut self.sections).into_values().flatten().collect();
        let records = std::mem::take(&mut self.records);
        self.in_flight.add(&sections, &records);
        Taken { sections, records, taken: self.taken, next_recording, next_event }
    }

    /// What is dropped because the disk is too slow, or was within the last minutes.
    pub(crate) fn overload(&self, now: UtcNanos) -> Option<Overload> {
        let mut dropping: Vec<(usize, StreamId)> = (self.currents.iter())
            .filter(|(_, current)| current.dropping && !current.moved)
            .map(|(stream, current)| (current.step, *stream))
            .collect();
        dropping.sort_unstable();
        let (waiting_bytes, waiting_bytes_max) = (self.bytes, self.bytes_max);
        let dropping = dropping.into_iter().map(|(_, stream)| stream).collect();
        let overload = Overload { dropping, waiting_bytes, waiting_bytes_max, ..self.overload.clone() };
        overload.is_told(now).then_some(overload)
    }

    /// Memory that a commit has set free.
    pub(crate) fn settle(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// All that was taken up to this count is durable.
    pub(crate) fn set_durable(&mut self, taken: u64) {
        self.durable = taken;
    }
}

/// UTC at a packet's decode time.
pub(crate) fn decode_utc(packet: &Packet) -> UtcNanos {
    packet.utc.plus_nanos(-Ticks90k(i64::from(packet.cts_offset)).as_nanos())
}

fn check_packet(packet: &Packet, last_dts: Option<Ticks90k>, bytes_max: usize) -> Result<()> {
    let wrong = |why: String| Err(Error::invalid(format!("storing a packet of {}: {why}", packet.stream)));
    if packet.data.is_empty() || packet.data.len() > bytes_max {
        return wrong(format!("it has {} bytes; 1 to {bytes_max} are stored", packet.data.len()));
    }
    if !(0..=DTS_TICKS_MAX).contains(&packet.dts.0) {
        return wrong(format!("its decode time {} is out of range", packet.dts.0));
    }
    if last_dts.is_some_and(|last| packet.dts <= last) {
        return wrong("its decode time does not rise; a new recording must begin".to_owned());
    }
    Ok(())
}
