//! From commits to index rows. The writer after each commit, the start-up scan and the backfill call the same [`Catalog::apply`], so the index after a crash,
//! and the one rebuilt from the log alone, are the one that was lost. Rows are made in memory; [`crate::index`] writes them.

pub(crate) mod rows;
pub(crate) mod span;

use crate::error::Result;
use crate::format::record::Left;
use crate::format::{Commit, DiskId, Record, Run};
use crate::index::{IndexQueue, Op};
use crate::kv::{Batch, Keys, Kv, collect};
use rows::{GapRow, Position, RecordingRow, SlotRow, StreamRow, TailRow, owned, pack, unpack};
use span::OpenSpan;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};
use watchbook_base::{GapReason, StreamId, UtcNanos};
use watchbook_media::{RecordingEnd, RecordingId, RecordingStart, TrackFormat};

/// A span closes when the next run would make it longer.
pub(crate) const SPAN_NANOS_MAX: i64 = 60 * 1_000_000_000;
/// A span closes after so many commits even when its stream has gone quiet: bounds what start-up scans again to two minutes.
pub(crate) const SPAN_COMMITS_MAX: u64 = 240;

/// The spans that are not in the index yet, for readers.
pub(crate) type Live = Arc<RwLock<LiveSpans>>;

/// What [`Live`] holds: spans that still grow, and closed ones whose rows wait to be written.
#[derive(Debug, Default)]
pub(crate) struct LiveSpans {
    open: HashMap<StreamId, Arc<OpenSpan>>,
    /// Each with the number of the operation that brings its rows.
    closing: BTreeMap<StreamId, VecDeque<(u64, Arc<OpenSpan>)>>,
}

impl LiveSpans {
    /// The spans of `stream`, oldest first; the last one may still grow.
    pub(crate) fn of(&self, stream: StreamId) -> Vec<Arc<OpenSpan>> {
        let closing = self.closing.get(&stream).into_iter().flatten().map(|(_, span)| span.clone());
        closing.chain(self.open.get(&stream).cloned()).collect()
    }

    /// Keeps closed spans until operation `number` is written.
    pub(crate) fn closing(&mut self, number: u64, spans: Vec<Arc<OpenSpan>>) {
        for span in spans {
            self.closing.entry(span.key().stream).or_default().push_back((number, span));
        }
    }

    /// The rows of operations up to `number` are in the index.
    pub(crate) fn written(&mut self, number: u64) {
        self.closing.retain(|_, spans| {
            while spans.pop_front_if(|(with, _)| *with <= number).is_some() {}
            !spans.is_empty()
        });
    }
}

/// Where rows go.
#[derive(Debug)]
enum Out {
    /// To the indexer, after each commit.
    Queue(Arc<IndexQueue>),
    /// Nowhere until [`Catalog::take_rows`]: one segment, seen alone.
    Rows,
}

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
    out: Out,
    live: Live,
    streams: BTreeMap<StreamId, Stream>,
    /// Formats of recordings that may still grow.
    formats: HashMap<RecordingId, Arc<TrackFormat>>,
    tail: TailRow,
    batch: Batch,
    /// Closed spans whose rows are in `batch`.
    closed: Vec<Arc<OpenSpan>>,
    touched: HashSet<StreamId>,
    /// Recordings that were left, as the commits that were taken in say.
    lefts: Vec<Left>,
}

/// Empties the index and makes it one of `disk`. Rows that are there are set aside unread.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn empty_index(kv: &dyn Kv, disk: DiskId) -> Result<()> {
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
    kv.write(&batch, false)
}

/// How a recording began, as the index has it.
pub(crate) fn recording_start(kv: &dyn Kv, recording: RecordingId) -> Option<RecordingStart> {
    let row = kv.get(rows::RECORDINGS, &rows::recording_key(recording)).ok().flatten()?;
    unpack::<RecordingRow>(rows::RECORDINGS, &row).ok()?.start()
}

/// Generation of each slot as the index has it.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn slots(kv: &dyn Kv) -> Result<HashMap<u32, SlotRow>> {
    let mut slots = HashMap::new();
    for (key, value) in collect(kv, rows::META, &Keys::prefix(b"slot/"))? {
        if let Some(slot) = key.last_chunk::<4>() {
            slots.insert(u32::from_be_bytes(*slot), unpack(rows::META, &value)?);
        }
    }
    Ok(slots)
}

impl Catalog {
    /// The state that the index holds; `None` when the index is empty, of another version or of another disk.
    pub(crate) fn load(kv: &dyn Kv, disk: DiskId, queue: Arc<IndexQueue>) -> Result<Option<Self>> {
        let format = kv.get(rows::META, rows::FORMAT_KEY)?;
        let same = format.is_some_and(|row| row == pack(&rows::FormatRow::of(disk)));
        let Some(tail) = kv.get(rows::META, rows::TAIL_KEY)?.filter(|_| same) else { return Ok(None) };
        let mut catalog = Self::empty(queue);
        catalog.tail = unpack(rows::META, &tail)?;
        for (key, value) in collect(kv, rows::META, &Keys::prefix(b"stream/"))? {
            let number = key.last_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes));
            let Some(stream) = number.and_then(StreamId::from_u32) else { continue };
            let row: StreamRow = unpack(rows::META, &value)?;
            if let Some(recording) = row.recording.map(RecordingId) {
                catalog.load_format(kv, recording)?;
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

    /// A state without streams, for an empty index.
    pub(crate) fn empty(queue: Arc<IndexQueue>) -> Self {
        let live = queue.live();
        Self { live, ..Self::with_out(Out::Queue(queue)) }
    }

    /// A state without streams for one segment; [`Catalog::take_rows`] takes what comes of it.
    pub(crate) fn of_segment() -> Self {
        Self::with_out(Out::Rows)
    }

    fn with_out(out: Out) -> Self {
        Self {
            out,
            live: Live::default(),
            streams: BTreeMap::new(),
            formats: HashMap::new(),
            tail: TailRow { next_recording: 1, next_event: 1, ..TailRow::default() },
            batch: Batch::default(),
            closed: Vec::new(),
            touched: HashSet::new(),
            lefts: Vec::new(),
        }
    }

    fn load_format(&mut self, kv: &dyn Kv, recording: RecordingId) -> Result<()> {
        if let Some(row) = kv.get(rows::RECORDINGS, &rows::recording_key(recording))? {
            let row: RecordingRow = unpack(rows::RECORDINGS, &row)?;
            if let Some(start) = row.start() {
                self.formats.insert(recording, Arc::new(start.format));
            }
        }
        Ok(())
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

    /// How the index is doing.
    pub(crate) fn queue(&self) -> Option<&Arc<IndexQueue>> {
        match &self.out {
            Out::Queue(queue) => Some(queue),
            Out::Rows => None,
        }
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

    /// Gaps that go on, to be restated in a new segment.
    pub(crate) fn open_gaps(&self) -> Vec<RecordingEnd> {
        let gaps = self.streams.iter().filter_map(|(stream, state)| {
            let (start, reason, _) = state.row.gap?;
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
            self.closed.clear();
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
            Record::End { .. } | Record::Event { .. } | Record::Damage(_) | Record::Erasure(_) if again => {}
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
            Record::Erasure(erased) => {
                for (key, row) in erased.iter().map(rows::erasure_row) {
                    self.batch.put(rows::SEGMENTS, rows::owned_key(generation, owned::ERASURE, &key), Vec::new());
                    self.batch.put(rows::ERASURES, key, row);
                }
            }
            // A ring has none of a vault's records.
            Record::Vault(_) | Record::Unknown(_) => {}
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
            Some((start, reason, _)) if reason == end.reason as u8 && (restated || start <= end.utc.0) => {
                state.row.gap = Some((start, reason, generation));
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
        self.streams.entry(end.stream).or_default().row.gap = Some((end.utc.0, end.reason as u8, generation));
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
        let Some((start, reason, generation)) = state.row.gap.take() else { return };
        self.touched.insert(stream);
        let key = rows::stream_time(stream, UtcNanos(start));
        if utc.0 <= start {
            self.batch.delete(rows::GAPS, key);
            return;
        }
        self.batch.put(rows::GAPS, key, pack(&GapRow { end: Some(utc.0), reason, generation }));
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
        self.closed.push(open);
        self.touched.insert(stream);
    }

    /// Closes every span at the end of a segment that is seen alone. `firsts`: where recordings go on in the segment behind.
    pub(crate) fn close_all(&mut self, firsts: &HashMap<RecordingId, watchbook_base::Ticks90k>) {
        let open: Vec<_> =
            self.streams.iter().filter_map(|(stream, state)| Some((*stream, state.open.clone()?))).collect();
        for (stream, span) in open {
            self.close(stream, firsts.get(&span.recording()).copied());
        }
    }

    /// The rows made so far, for a segment that is seen alone.
    pub(crate) fn take_rows(&mut self) -> Batch {
        self.closed.clear();
        self.touched.clear();
        std::mem::take(&mut self.batch)
    }

    /// Removes what `old_generation` put into the index, and notes that `slot` now holds `next`.
    pub(crate) fn reuse_slot(&mut self, slot: u32, old_generation: u64, next: Option<SlotRow>) {
        self.store();
        if let Out::Queue(queue) = &self.out {
            queue.push(Op::Reuse { slot, old: old_generation, next }, Vec::new(), self.tail.applied_seq);
        }
    }

    /// Hands the collected changes to the indexer.
    fn store(&mut self) {
        let Out::Queue(queue) = &self.out else { return };
        if queue.take_state_all() {
            self.touched.extend(self.streams.keys());
        }
        for stream in self.touched.drain() {
            if let Some(state) = self.streams.get(&stream) {
                self.batch.put(rows::META, rows::stream_key(stream), pack(&state.row));
            }
        }
        if self.tail.replay.generation != 0 {
            self.batch.put(rows::META, rows::TAIL_KEY, pack(&self.tail));
        }
        if !self.batch.changes.is_empty() {
            let batch = std::mem::take(&mut self.batch);
            queue.push(Op::Write(batch), std::mem::take(&mut self.closed), self.tail.applied_seq);
        }
    }

    /// Shows the open spans to readers.
    fn publish(&self) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        live.open.clear();
        live.open.extend(self.streams.iter().filter_map(|(stream, state)| Some((*stream, state.open.clone()?))));
    }
}
