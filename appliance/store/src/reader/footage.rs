//! Sample tables and sample bytes, verified on the way out.

use super::{Part, PartList, located};
use crate::care::findings::run_times;
use crate::catalog::rows::{self, RunPlace, SpanKey, SpanRow, TablesRow, unpack};
use crate::codec::{narrow, wide};
use crate::error::{Error, Result};
use crate::format::{DamageKind, DamagedRun};
use crate::keys::{CIPHER, Keys, SealKey};
use crate::ring::Ring;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_base::fs::{File, OpenMode};
use watchbook_base::{CameraId, Kind, StreamId, TimeRange};
use watchbook_media::{RecordingId, SourceError, SpanSource, SpanSummary, SpanTable, sample_table};

/// Verified runs kept: the runs at the edges of ranges are asked for twice, and several players look at the same minute. A run of 4 Mbit/s is 250 kB.
const CACHE_BYTES_MAX: usize = 32 << 20;
/// Open segment files. A day of one camera on a ring of 64 touches every segment of that day, but in order.
const FILES_MAX: usize = 64;
/// How much earlier than the granted range a span may end whose bytes are still read: the key frame at or before the start may lie in the span before.
const PREROLL_NANOS: i64 = 60 * 1_000_000_000;

/// Where a span's runs are: part, recording, tables, slot and generation.
#[derive(Clone)]
struct Place {
    part: Arc<Part>,
    recording: RecordingId,
    tables: Arc<TablesRow>,
    slot: u32,
    generation: u64,
}

impl Place {
    /// The space has not been reused.
    fn check(&self) -> Result<()> {
        self.part.files.check_generation(self.slot, self.generation)
    }
}

/// Open files and verified runs of one ring.
pub(crate) struct Files {
    ring: Arc<Ring>,
    keys: Option<Arc<Keys>>,
    state: Mutex<FilesState>,
}

#[derive(Default)]
struct FilesState {
    /// By slot and generation: a slot may go, and come back as another file.
    open: HashMap<(u32, u64), Arc<Box<dyn File>>>,
    order: VecDeque<(u32, u64)>,
    /// Newest last.
    runs: VecDeque<(RunKey, Bytes)>,
    run_bytes: usize,
}

/// Slot, generation and offset of a run's payload.
type RunKey = (u32, u64, u64);
/// A run's stream, recording and table: what its seal is bound to.
pub(super) type RunOf<'a> = (StreamId, RecordingId, &'a [u8]);

impl Files {
    pub(crate) fn new(ring: Arc<Ring>, keys: Option<Arc<Keys>>) -> Self {
        Self { ring, keys, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, FilesState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, slot: u32, generation: u64) -> Result<Arc<Box<dyn File>>> {
        let key = (slot, generation);
        if let Some(file) = self.state().open.get(&key) {
            return Ok(file.clone());
        }
        let file = Arc::new(self.ring.open_slot(slot, OpenMode::Read)?);
        let mut state = self.state();
        // Under the lock of `let_go`: a file that is being removed must not be kept.
        self.check_generation(slot, generation)?;
        if state.open.insert(key, file.clone()).is_none() {
            state.order.push_back(key);
        }
        while state.open.len() > FILES_MAX {
            let Some(oldest) = state.order.pop_front() else { break };
            state.open.remove(&oldest);
        }
        Ok(file)
    }

    /// Closes what is open of a slot that has been taken away: a removed file gives its room back only when nobody has it open.
    pub(crate) fn let_go(&self, slot: u32) {
        let mut state = self.state();
        state.open.retain(|(open, _), _| *open != slot);
        state.order.retain(|(open, _)| *open != slot);
    }

    fn check_generation(&self, slot: u32, generation: u64) -> Result<()> {
        if self.ring.slots.get(slot) == generation {
            return Ok(());
        }
        Err(Error::new(Kind::NotFound, format!("reading segment {slot}: the ring has reused this space")))
    }

    /// The key of a sealed run, before anything of it is given out, also from memory: it may have been destroyed.
    fn key(&self, run: &RunPlace) -> Result<Option<Arc<SealKey>>> {
        let Some((cipher, key_id, _)) = run.seal else { return Ok(None) };
        match &self.keys {
            Some(keys) if cipher == CIPHER => keys.key(key_id).map(Some),
            Some(_) => Err(Error::corrupt(format!("cipher {cipher} is not one that this program knows"))),
            None => Err(Error::new(Kind::Unavailable, "the footage is encrypted and this program has no keys")),
        }
    }

    /// The samples of one run, verified.
    pub(super) fn run(&self, run: &RunPlace, of: RunOf<'_>, at: (u32, u64)) -> Result<Bytes> {
        let (slot, generation) = at;
        self.check_generation(slot, generation)?;
        let sealed_with = self.key(run)?;
        let key = (slot, generation, run.offset);
        if let Some((_, bytes)) = self.state().runs.iter().find(|(cached, _)| *cached == key) {
            return Ok(bytes.clone());
        }
        let place = || format!("reading {} bytes at {} of segment {slot}", run.len, run.offset);
        let mut bytes = vec![0; narrow(run.len)];
        let file = self.file(slot, generation);
        let read = file.map(|file| file.read_exact_at(&mut bytes, run.offset));
        // Reused or taken away while it was read: whatever was read, or could not be opened, means nothing.
        self.check_generation(slot, generation)?;
        read?.map_err(|error| Error::io(place(), error))?;
        if crc32c::crc32c(&bytes) != run.crc {
            return Err(Error::corrupt(format!("{}: the checksum does not match; this run is damaged", place())));
        }
        if let Some((key, (_, _, nonce))) = sealed_with.zip(run.seal) {
            let why = "its tag does not match; this run is damaged, or the log was changed";
            key.open(of, nonce, &mut bytes).ok_or_else(|| Error::corrupt(format!("{}: {why}", place())))?;
        }
        let bytes = Bytes::from(bytes);
        let mut state = self.state();
        state.run_bytes += bytes.len();
        state.runs.push_back((key, bytes.clone()));
        while state.run_bytes > CACHE_BYTES_MAX {
            let Some((_, oldest)) = state.runs.pop_front() else { break };
            state.run_bytes -= oldest.len();
        }
        Ok(bytes)
    }
}

/// Footage of one camera in one range. Made by [`crate::Reader::footage`] from a grant; there is no other way to sample bytes.
#[derive(Clone)]
pub struct Footage {
    parts: PartList,
    camera: CameraId,
    range: TimeRange,
    /// The last span asked for, by stream, start and locator: a file builder goes through one span at a time.
    last: Arc<Mutex<Option<(SpanKey, Place)>>>,
}

impl Footage {
    pub(crate) fn new(parts: PartList, camera: CameraId, range: TimeRange) -> Self {
        Self { parts, camera, range, last: Arc::default() }
    }

    /// Camera of the grant.
    #[must_use]
    pub fn camera(&self) -> CameraId {
        self.camera
    }

    /// Range of the grant.
    #[must_use]
    pub fn range(&self) -> TimeRange {
        self.range
    }

    fn check_grant(&self, span: &SpanSummary) -> Result<()> {
        let allowed = TimeRange { start: self.range.start.plus_nanos(-PREROLL_NANOS), end: self.range.end };
        if span.stream.camera == self.camera && span.range().overlaps(allowed) {
            return Ok(());
        }
        Err(Error::new(
            Kind::Denied,
            format!("reading {} at {}: the grant is for something else", span.stream, span.start_utc),
        ))
    }

    /// Tables and places of a span's runs, as many as the summary says.
    fn place(&self, span: &SpanSummary) -> Result<Place> {
        self.check_grant(span)?;
        let whole = SpanKey { stream: span.stream, start: span.start_utc, first_seq: span.locator };
        if let Some((_, place)) =
            self.last().as_ref().filter(|(last, place)| *last == whole && covers(&place.tables, span))
        {
            place.check()?;
            return Ok(place.clone());
        }
        let (ordinal, first_seq) = located(span.locator);
        let part = self.part(ordinal).ok_or_else(|| gone(span, "its disk is not there any more"))?;
        let key = SpanKey { first_seq, ..whole };
        let live = part.live_spans(span.stream);
        let place = match live.iter().rev().find(|live| live.key() == key) {
            Some(open) => {
                let (slot, generation) = open.place();
                let recording = open.recording();
                Place { part, recording, tables: Arc::new(open.tables().clone()), slot, generation }
            }
            None => stored(part, span, &key)?,
        };
        place.check()?;
        if !covers(&place.tables, span) {
            return Err(Error::corrupt(format!(
                "reading {} at {}: the index has fewer runs than the span",
                span.stream, span.start_utc
            )));
        }
        *self.last() = Some((whole, place.clone()));
        Ok(place)
    }

    fn part(&self, ordinal: u8) -> Option<Arc<Part>> {
        let parts = self.parts.read().unwrap_or_else(PoisonError::into_inner);
        parts.iter().find(|part| part.ordinal == ordinal).cloned()
    }

    fn last(&self) -> MutexGuard<'_, Option<(SpanKey, Place)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_table(&self, span: &SpanSummary) -> Result<SpanTable> {
        let place = self.place(span)?;
        let mut cursor = place.tables.tables.as_slice();
        let runs = (0..span.run_count)
            .map(|_| sample_table::take_run(&mut cursor))
            .collect::<core::result::Result<Vec<_>, _>>()
            .map_err(|error| {
                Error::corrupt(format!("reading the sample table of {} at {}: {error}", span.stream, span.start_utc))
            })?;
        Ok(SpanTable { runs })
    }

    fn read_bytes(&self, span: &SpanSummary, offset: u64, len: u64) -> Result<Bytes> {
        let end = offset.checked_add(len).filter(|end| *end <= span.byte_count).ok_or_else(|| {
            Error::invalid(format!(
                "reading {len} bytes at {offset} of a span of {} bytes of {}",
                span.byte_count, span.stream
            ))
        })?;
        let Place { part, recording, tables, slot, generation } = self.place(span)?;
        let mut pieces: Vec<Bytes> = Vec::new();
        let (mut run_start, mut table_at) = (0_u64, 0_usize);
        for (index, run) in tables.runs.iter().enumerate() {
            let run_end = run_start + run.plain_len();
            let table_end = table_at + narrow(u64::from(run.table_len));
            let table = tables.tables.get(table_at..table_end).unwrap_or_default();
            table_at = table_end;
            if run_start >= end {
                break;
            }
            if run_end > offset {
                let bytes = part
                    .files
                    .run(run, (span.stream, recording, table), (slot, generation))
                    .inspect_err(|error| tell_damage(&part, span, (&tables, index), (slot, generation), error))
                    .map_err(|error| error.within(format!("{} at {}", span.stream, span.start_utc)))?;
                let (from, to) = (offset.max(run_start) - run_start, end.min(run_end) - run_start);
                pieces.push(bytes.slice(narrow(from)..narrow(to)));
            }
            run_start = run_end;
        }
        match pieces.as_slice() {
            [one] => Ok(one.clone()),
            _ => Ok(pieces.concat().into()),
        }
    }
}

/// Tells of a run that a reader found damaged, as the scrub would.
fn tell_damage(
    part: &Part,
    span: &SpanSummary,
    (tables, index): (&TablesRow, usize),
    (slot, generation): (u32, u64),
    error: &Error,
) {
    if error.kind != Kind::Corrupt {
        return;
    }
    let key = SpanKey { stream: span.stream, start: span.start_utc, first_seq: 0 };
    let range = run_times(&key, (span.first_dts.0, span.end_dts.0), tables).get(index).copied();
    if let (Some(range), Some(run)) = (range, tables.runs.get(index)) {
        let (kind, offset, found) = (DamageKind::Checksum, run.offset, span.start_utc);
        part.care.findings.report_now(DamagedRun { stream: span.stream, range, kind, slot, generation, offset, found });
    }
}

fn gone(span: &SpanSummary, why: &str) -> Error {
    Error::new(Kind::NotFound, format!("reading {} at {}: {why}", span.stream, span.start_utc))
}

/// The place of a span that is in the index.
fn stored(part: Arc<Part>, span: &SpanSummary, key: &SpanKey) -> Result<Place> {
    let key = key.encode();
    let (row, tables) = (part.kv.get(rows::SPANS, &key)?, part.kv.get(rows::TABLES, &key)?);
    let Some((row, tables)) = row.zip(tables) else {
        return Err(gone(span, "the ring has reused this space"));
    };
    let row: SpanRow = unpack(rows::SPANS, &row)?;
    let (recording, tables) = (RecordingId(row.recording), Arc::new(unpack(rows::TABLES, &tables)?));
    Ok(Place { part, recording, tables, slot: row.slot, generation: row.generation })
}

/// True when the tables hold every run that the summary counts. An open span may have more by now.
fn covers(tables: &TablesRow, span: &SpanSummary) -> bool {
    wide(tables.runs.len()) >= u64::from(span.run_count)
}

impl SpanSource for Footage {
    fn table(&self, span: &SpanSummary) -> core::result::Result<Arc<SpanTable>, SourceError> {
        Ok(Arc::new(self.read_table(span)?))
    }

    fn read(&self, span: &SpanSummary, offset: u64, len: u64) -> core::result::Result<Bytes, SourceError> {
        Ok(self.read_bytes(span, offset, len)?)
    }
}
