//! From commits to index rows. The writer after each commit and the start-up scan call the same [`Catalog::apply`], so the index after a crash, and the one
//! rebuilt from the log alone, are the one that was lost.

pub(crate) mod rows;
pub(crate) mod span;

use crate::error::Result;
use crate::format::record::Left;
use crate::format::{Commit, DiskId, Record, Run};
use crate::kv::{Batch, Keys, Kv, collect};
use rows::{GapRow, Position, RecordingRow, SlotRow, StreamRow, TailRow, owned, pack, unpack};
use span::OpenSpan;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use watchbook_base::{GapReason, StreamId, UtcNanos};
use watchbook_media::{RecordingEnd, RecordingId, RecordingStart, TrackFormat};

/// A span closes when the next run would make it longer.
pub(crate) const SPAN_NANOS_MAX: i64 = 60 * 1_000_000_000;
/// A span closes after so many commits even when its stream has gone quiet: bounds what start-up scans again to two minutes.
pub(crate) const SPAN_COMMITS_MAX: u64 = 240;
/// Changes kept for the next try when the index cannot be written: about ten minutes of 200 streams. Beyond, the index is left as it is and the next
/// start replays the log from where it stopped.
const BACKLOG_BYTES_MAX: usize = 32 << 20;

/// The spans that are not in the index yet, for readers.
pub(crate) type Live = Arc<RwLock<HashMap<StreamId, Arc<OpenSpan>>>>;

/// One stream as the log has it so far.
#[derive(Debug, Default)]
struct Stream {
    row: StreamRow,
    open: Option<Arc<OpenSpan>>,
    /// The last closed span and its end, to be put right when the next run of the same recording starts elsewhere.
    closed: Option<(rows::SpanKey, rows::SpanRow)>,
}

/// Index state and its changes.
pub(crate) struct Catalog {
    kv: Arc<dyn Kv>,
    live: Live,
    streams: BTreeMap<StreamId, Stream>,
    /// Formats of recordings that may still grow.
    formats: HashMap<RecordingId, Arc<TrackFormat>>,
    tail: TailRow,
    batch: Batch,
    touched: HashSet<StreamId>,
    /// Recordings that were left, as the commits that were taken in say.
    lefts: Vec<Left>,
    /// Why the index is not written any more.
    failed: Option<String>,
    dead: bool,
}

impl Catalog {
    /// The state that the index holds; `None` when the index is empty, of another version or of another disk.
    pub(crate) fn load(kv: Arc<dyn Kv>, disk: DiskId) -> Result<Option<Self>> {
        let format = kv.get(rows::META, rows::FORMAT_KEY)?;
        let same = format.is_some_and(|row| row == pack(&rows::FormatRow::of(disk)));
        let Some(tail) = kv.get(rows::META, rows::TAIL_KEY)?.filter(|_| same) else { return Ok(None) };
        let mut catalog = Self::empty(kv.clone());
        catalog.tail = unpack(rows::META, &tail)?;
        for (key, value) in collect(&*kv, rows::META, &Keys::prefix(b"stream/"))? {
            let number = key.last_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes));
            let Some(stream) = number.and_then(StreamId::from_u32) else { continue };
            let row: StreamRow = unpack(rows::META, &value)?;
            if let Some(recording) = row.recording.map(RecordingId) {
                catalog.load_format(recording)?;
            }
            let mut closed = None;
            if let Some((start, first_seq)) = row.closed {
                let key = rows::SpanKey { stream, start: UtcNanos(start), first_seq };
                let found = kv.get(rows::SPANS, &key.encode())?;
                closed = found.map(|found| Ok((key, unpack(rows::SPANS, &found)?))).transpose()?;
            }
            catalog.streams.insert(stream, Stream { row, open: None, closed });
        }
        Ok(Some(catalog))
    }

    /// A state without streams on an empty index. Rows that are there are set aside unread.
    pub(crate) fn fresh(kv: Arc<dyn Kv>, disk: DiskId) -> Result<Self> {
        let is_empty = |table: &crate::kv::Table| {
            let mut empty = true;
            let scanned = kv.scan(*table, &Keys::prefix(b""), &mut |_, _| {
                empty = false;
                false
            });
            scanned.is_ok() && empty
        };
        if !rows::INDEX_TABLES.iter().all(is_empty) {
            kv.renew()?;
        }
        let mut batch = Batch::default();
        batch.put(rows::META, rows::FORMAT_KEY, pack(&rows::FormatRow::of(disk)));
        kv.write(&batch, false)?;
        Ok(Self::empty(kv))
    }

    fn empty(kv: Arc<dyn Kv>) -> Self {
        Self {
            kv,
            live: Live::default(),
            streams: BTreeMap::new(),
            formats: HashMap::new(),
            tail: TailRow { next_recording: 1, next_event: 1, ..TailRow::default() },
            batch: Batch::default(),
            touched: HashSet::new(),
            lefts: Vec::new(),
            failed: None,
            dead: false,
        }
    }

    fn load_format(&mut self, recording: RecordingId) -> Result<()> {
        if let Some(row) = self.kv.get(rows::RECORDINGS, &rows::recording_key(recording))? {
            let row: RecordingRow = unpack(rows::RECORDINGS, &row)?;
            if let Some(start) = row.start() {
                self.formats.insert(recording, Arc::new(start.format));
            }
        }
        Ok(())
    }

    /// The spans that are not in the index yet.
    pub(crate) fn live(&self) -> Live {
        self.live.clone()
    }

    /// How far the index has come.
    pub(crate) fn tail(&self) -> &TailRow {
        &self.tail
    }

    /// Numbers that a segment header says are given out.
    pub(crate) fn raise_numbers(&mut self, next_recording: u64, next_event: u64) {
        self.tail.next_recording = next_recording.max(self.tail.next_recording);
        self.tail.next_event = next_event.max(self.tail.next_event);
    }

    /// Why rows are missing from the index, if they are.
    pub(crate) fn alarm(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Streams whose recording has not ended, with the end of their last sample.
    pub(crate) fn unfinished(&self) -> Vec<(StreamId, RecordingId, UtcNanos)> {
        let unfinished = self.streams.iter().filter_map(|(stream, state)| {
            let recording = RecordingId(state.row.recording?);
            let open_end = state.open.as_ref().map(|span| span.summary().range().end);
            let end = open_end.or(state.row.last_end.map(UtcNanos)).unwrap_or_default();
            Some((*stream, recording, end))
        });
        unfinished.collect()
    }

    /// How a recording began, as the index has it.
    pub(crate) fn recording_start(&self, recording: RecordingId) -> Option<RecordingStart> {
        let row = self.kv.get(rows::RECORDINGS, &rows::recording_key(recording)).ok().flatten()?;
        unpack::<RecordingRow>(rows::RECORDINGS, &row).ok()?.start()
    }

    /// Gaps that go on, to be restated in a new segment.
    pub(crate) fn open_gaps(&self) -> Vec<RecordingEnd> {
        let gaps = self.streams.iter().filter_map(|(stream, state)| {
            let (start, reason) = state.row.gap?;
            Some(RecordingEnd { stream: *stream, utc: UtcNanos(start), reason: GapReason::from_number(reason)? })
        });
        gaps.collect()
    }

    /// Takes in one commit that lies at `at`. During the start-up scan commits that the index already has come again; what they added is skipped.
    pub(crate) fn apply(&mut self, commit: &Commit, at: Position, hash: watchbook_evidence::Hash) {
        let again = commit.seq <= self.tail.applied_seq;
        self.close_old(commit, at);
        let mut records = commit.records.iter().peekable();
        for (index, run) in commit.runs.iter().enumerate() {
            let index = crate::codec::count(index);
            while let Some((_, record)) = records.next_if(|(position, _)| *position <= index) {
                self.apply_record(record, at.generation, again);
            }
            self.apply_run(commit, run, at, again);
        }
        records.for_each(|(_, record)| self.apply_record(record, at.generation, again));
        let after = Position { offset: at.offset + commit.commit_len, seq: commit.seq + 1, prev_hash: hash, ..at };
        if !self.batch.changes.is_empty() && !again {
            self.tail = TailRow {
                applied_seq: commit.seq,
                replay: self.replay_from(after),
                next_recording: commit.next_recording,
                next_event: commit.next_event,
            };
            self.store();
        } else if again {
            // Whatever a second look at an old commit wants to change is in the index already.
            self.batch.changes.clear();
            self.touched.clear();
        }
        self.tail.next_recording = commit.next_recording.max(self.tail.next_recording);
        self.tail.next_event = commit.next_event.max(self.tail.next_event);
        // Last, so that a reader who looks at the open spans first and at the index second misses nothing.
        self.publish();
    }

    /// Where a start-up scan must begin so that it sees every run that is not in a closed span.
    fn replay_from(&self, after: Position) -> Position {
        let open = self.streams.values().filter_map(|stream| stream.open.as_ref().map(|span| span.first()));
        open.min_by_key(|first| first.seq).unwrap_or(after)
    }

    /// Closes spans of older segments and spans that have been open for long.
    fn close_old(&mut self, commit: &Commit, at: Position) {
        let old: Vec<StreamId> = self
            .streams
            .iter()
            .filter(|(_, state)| {
                state.open.as_ref().is_some_and(|span| {
                    span.first().generation != at.generation || commit.seq - span.first().seq >= SPAN_COMMITS_MAX
                })
            })
            .map(|(stream, _)| *stream)
            .collect();
        old.into_iter().for_each(|stream| self.close(stream, None));
    }

    fn apply_run(&mut self, commit: &Commit, run: &Run, at: Position, again: bool) {
        let state = self.streams.entry(run.stream).or_default();
        if (commit.seq, run.recording.0) <= (state.row.closed_seq, state.row.closed_recording) {
            return;
        }
        if let Some(open) = &state.open
            && !open.takes(run)
        {
            let follows = open.recording() == run.recording;
            self.close(run.stream, follows.then_some(run.first_dts));
        }
        self.mend_end(run);
        if !again {
            self.end_gap(run.stream, run.first_utc);
        }
        let state = self.streams.entry(run.stream).or_default();
        match (&mut state.open, self.formats.get(&run.recording)) {
            (Some(open), _) => Arc::make_mut(open).push(commit.seq, run, at.offset),
            (open, Some(format)) => *open = Some(Arc::new(OpenSpan::new(commit.seq, run, at, format.clone()))),
            // No record states its format: only damage to an earlier commit does that. Its bytes cannot be played.
            (None, None) => {
                tracing::warn!(stream = %run.stream, seq = commit.seq, "a run of an unknown recording is left out of the index");
            }
        }
    }

    /// Puts right the estimated end of the span before, now that its follower's start is known.
    fn mend_end(&mut self, run: &Run) {
        let Some(state) = self.streams.get_mut(&run.stream).filter(|state| state.open.is_none()) else { return };
        let Some((key, row)) = &mut state.closed else { return };
        if row.recording == run.recording.0 && row.end_dts != run.first_dts.0 && row.first_dts < run.first_dts.0 {
            row.end_dts = run.first_dts.0;
            self.batch.put(rows::SPANS, key.encode(), pack(row));
        }
        state.closed = None;
    }

    fn apply_record(&mut self, record: &Record, generation: u64, again: bool) {
        match record {
            Record::Start { recording, start, restated } => {
                self.formats.insert(*recording, Arc::new(start.format.clone()));
                if !again {
                    self.start(*recording, start, *restated, generation);
                }
            }
            Record::Left(left) => self.leave(left, generation, again),
            Record::End { .. } | Record::Event { .. } | Record::Damage(_) | Record::Unknown(_) if again => {}
            Record::End { recording, end, restated } => self.end(*recording, end, *restated, generation),
            Record::Event { number, json, event } => {
                let key = rows::event_key(event.camera, event.start, *number);
                self.batch.put(
                    rows::EVENTS_BY_TIME,
                    rows::event_time_key(event.camera, event.start, *number),
                    Vec::new(),
                );
                self.batch.put(rows::SEGMENTS, rows::owned_key(generation, owned::EVENT, &key), Vec::new());
                self.batch.put(rows::EVENTS, key, json.to_vec());
            }
            // The row goes with the damaged segment, not with the one that tells of it.
            Record::Damage(run) => {
                let (key, row) = rows::damage_row(run);
                let owner = rows::owned_key(run.generation, owned::DAMAGE, &key);
                self.batch.put(rows::SEGMENTS, owner, Vec::new());
                self.batch.put(rows::DAMAGE, key, pack(&row));
            }
            Record::Unknown(_) => {}
        }
    }

    fn start(&mut self, recording: RecordingId, start: &RecordingStart, restated: bool, generation: u64) {
        let key = rows::recording_key(recording);
        self.batch.put(rows::RECORDINGS, key, pack(&RecordingRow::new(start, generation)));
        self.batch.put(rows::SEGMENTS, rows::owned_key(generation, owned::RECORDING, &key), Vec::new());
        if restated && self.streams.get(&start.stream).is_some_and(|state| state.row.recording == Some(recording.0)) {
            return;
        }
        self.close(start.stream, None);
        let state = self.streams.entry(start.stream).or_default();
        if let Some(old) = state.row.recording.replace(recording.0).filter(|old| *old != recording.0) {
            self.formats.remove(&RecordingId(old));
        }
        self.touched.insert(start.stream);
    }

    fn end(&mut self, recording: Option<RecordingId>, end: &RecordingEnd, restated: bool, generation: u64) {
        if recording.is_some() {
            self.close(end.stream, None);
        }
        self.touched.insert(end.stream);
        let state = self.streams.entry(end.stream).or_default();
        if let Some(recording) = state.row.recording.take() {
            self.formats.remove(&RecordingId(recording));
        }
        match state.row.gap {
            // The same again, or an attempt that failed for the same reason.
            Some((start, reason)) if reason == end.reason as u8 && (restated || start <= end.utc.0) => {
                self.put_open_gap(end.stream, UtcNanos(start), reason, generation);
            }
            Some(_) => {
                self.end_gap(end.stream, end.utc);
                self.open_gap(end, generation);
            }
            None => self.open_gap(end, generation),
        }
    }

    /// The stream goes on elsewhere: its recording and its gap end here, and no gap begins.
    fn leave(&mut self, left: &Left, generation: u64, again: bool) {
        self.lefts.push(*left);
        if again {
            return;
        }
        if let Some(recording) = left.recording {
            let key = rows::left_key(recording);
            self.batch.put(rows::SEGMENTS, rows::owned_key(generation, owned::LEFT, &key), Vec::new());
            self.batch.put(rows::META, key, pack(&left.utc.0));
            if self.streams.get(&left.stream).is_some_and(|state| state.row.recording == Some(recording.0)) {
                self.close(left.stream, None);
                self.formats.remove(&recording);
                self.streams.entry(left.stream).or_default().row.recording = None;
                self.touched.insert(left.stream);
            }
        }
        // A gap that began later is not over.
        let gap = self.streams.get(&left.stream).and_then(|state| state.row.gap);
        if gap.is_some_and(|gap| gap.0 <= left.utc.0) {
            self.end_gap(left.stream, left.utc);
        }
    }

    /// Recordings that were left, as the commits that were taken in say; each once.
    pub(crate) fn take_lefts(&mut self) -> Vec<Left> {
        std::mem::take(&mut self.lefts)
    }

    fn open_gap(&mut self, end: &RecordingEnd, generation: u64) {
        self.streams.entry(end.stream).or_default().row.gap = Some((end.utc.0, end.reason as u8));
        self.put_open_gap(end.stream, end.utc, end.reason as u8, generation);
    }

    fn put_open_gap(&mut self, stream: StreamId, start: UtcNanos, reason: u8, generation: u64) {
        let key = rows::stream_time(stream, start);
        self.batch.put(rows::SEGMENTS, rows::owned_key(generation, owned::GAP, &key), Vec::new());
        self.batch.put(rows::GAPS, key, pack(&GapRow { end: None, reason, generation }));
    }

    /// A gap ends where footage, or a gap for another reason, begins. One without length is none.
    fn end_gap(&mut self, stream: StreamId, utc: UtcNanos) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let Some((start, reason)) = state.row.gap.take() else { return };
        self.touched.insert(stream);
        let key = rows::stream_time(stream, UtcNanos(start));
        if utc.0 <= start {
            self.batch.delete(rows::GAPS, key);
            return;
        }
        let generation = self.gap_generation(&key);
        self.batch.put(rows::GAPS, key, pack(&GapRow { end: Some(utc.0), reason, generation }));
    }

    /// Which generation last stated the gap with this key: in the changes not written yet, or in the index.
    fn gap_generation(&self, key: &[u8]) -> u64 {
        let pending = self.batch.changes.iter().rev().find_map(|change| match change {
            crate::kv::Change::Put(table, other, value) if *table == rows::GAPS && other == key => Some(value.clone()),
            _ => None,
        });
        let stored = pending.or_else(|| self.kv.get(rows::GAPS, key).ok().flatten());
        stored.and_then(|row| unpack::<GapRow>(rows::GAPS, &row).ok()).map_or(0, |row| row.generation)
    }

    /// Moves the open span of `stream` into the index. `next_dts`: where its recording goes on, when that is known.
    fn close(&mut self, stream: StreamId, next_dts: Option<watchbook_base::Ticks90k>) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let Some(open) = state.open.take() else { return };
        let (key, mut row, tables) = open.rows();
        if let Some(next) = next_dts.filter(|next| next.0 > row.first_dts) {
            row.end_dts = next.0;
        }
        let end = key.start.plus_ticks(rows::ticks_between(row.first_dts, row.end_dts));
        state.row.closed_seq = row.last_seq;
        state.row.closed_recording = row.recording;
        state.row.last_end = Some(end.0);
        state.row.closed = Some((key.start.0, key.first_seq));
        let encoded = key.encode();
        self.batch.put(rows::SEGMENTS, rows::owned_key(row.generation, owned::SPAN, &encoded), Vec::new());
        self.batch.put(rows::SPANS, encoded.clone(), pack(&row));
        self.batch.put(rows::TABLES, encoded, pack(&tables));
        state.closed = Some((key, row));
        self.touched.insert(stream);
    }

    /// Removes what `generation` put into the index, and notes that `slot` now holds `next`.
    pub(crate) fn reuse_slot(&mut self, slot: u32, old_generation: u64, next: Option<SlotRow>) -> Result<()> {
        let mut batch = Batch::default();
        for (key, _) in collect(&*self.kv, rows::SEGMENTS, &Keys::prefix(&old_generation.to_be_bytes()))? {
            let Some((kind, inner)) = key.get(8..).and_then(|rest| rest.split_first()) else { continue };
            self.evict_row(*kind, inner, old_generation, &mut batch)?;
            batch.delete(rows::SEGMENTS, key);
        }
        match next {
            Some(row) => batch.put(rows::META, rows::slot_key(slot), pack(&row)),
            None => batch.delete(rows::META, rows::slot_key(slot)),
        }
        self.batch.changes.append(&mut batch.changes);
        self.store();
        Ok(())
    }

    fn evict_row(&self, kind: u8, key: &[u8], generation: u64, batch: &mut Batch) -> Result<()> {
        match kind {
            owned::SPAN => {
                batch.delete(rows::SPANS, key);
                batch.delete(rows::TABLES, key);
            }
            owned::EVENT => {
                batch.delete(rows::EVENTS, key);
                if let Some(by_time) = rows::event_key_by_time(key) {
                    batch.delete(rows::EVENTS_BY_TIME, by_time);
                }
            }
            owned::DAMAGE => batch.delete(rows::DAMAGE, key),
            owned::GAP => {
                let row = self.kv.get(rows::GAPS, key)?.map(|row| unpack::<GapRow>(rows::GAPS, &row)).transpose()?;
                if row.is_some_and(|row| row.generation <= generation) {
                    batch.delete(rows::GAPS, key);
                }
            }
            owned::LEFT => batch.delete(rows::META, key),
            owned::RECORDING => {
                let row = self.kv.get(rows::RECORDINGS, key)?;
                let row = row.map(|row| unpack::<RecordingRow>(rows::RECORDINGS, &row)).transpose()?;
                if row.is_some_and(|row| row.generation <= generation) {
                    batch.delete(rows::RECORDINGS, key);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes the collected changes. A failure is remembered and the changes wait for the next call.
    fn store(&mut self) {
        for stream in self.touched.drain() {
            if let Some(state) = self.streams.get(&stream) {
                self.batch.put(rows::META, rows::stream_key(stream), pack(&state.row));
            }
        }
        if self.dead {
            self.batch.changes.clear();
            return;
        }
        if self.tail.replay.generation != 0 {
            self.batch.put(rows::META, rows::TAIL_KEY, pack(&self.tail));
        }
        match self.kv.write(&self.batch, false) {
            Ok(()) => {
                self.batch.changes.clear();
                self.failed = None;
            }
            Err(error) => {
                self.dead = self.batch.size_bytes() > BACKLOG_BYTES_MAX;
                tracing::error!(%error, dead = self.dead, "the index cannot be written; recording goes on");
                self.failed = Some(format!(
                    "the index cannot be written ({error}); recording goes on, and a restart brings the index up to date"
                ));
            }
        }
    }

    /// Makes changes that wait durable in the index, as far as the index can.
    pub(crate) fn settle(&mut self) {
        if self.failed.is_some() && !self.dead {
            self.store();
        }
    }

    /// Shows the open spans to readers.
    fn publish(&self) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        live.clear();
        live.extend(self.streams.iter().filter_map(|(stream, state)| Some((*stream, state.open.clone()?))));
    }

    /// Generation of each slot as the index has it.
    pub(crate) fn slots(&self) -> Result<HashMap<u32, SlotRow>> {
        let mut slots = HashMap::new();
        for (key, value) in collect(&*self.kv, rows::META, &Keys::prefix(b"slot/"))? {
            if let Some(slot) = key.last_chunk::<4>() {
                slots.insert(u32::from_be_bytes(*slot), unpack(rows::META, &value)?);
            }
        }
        Ok(slots)
    }
}
