//! What one ring, or the vault, has: the index rows and open spans of its log.

use super::lefts::{self, Lefts};
use super::{EVENT_LOOK_BACK_NANOS, EVENT_ROWS_PER_PAGE_MAX, EVENTS_PER_PAGE_MAX, LOOK_BACK_NANOS};
use super::{EventCursor, EventPage, EventQuery, Files, RingInfo, StoredEvent, span_keys};
use crate::care::CareState;
use crate::care::findings::{all_damage, damage_of};
use crate::catalog::Live;
use crate::catalog::rows::{self, GapRow, RecordingRow, SpanKey, SpanRow, TailRow, unpack};
use crate::catalog::span::{self, OpenSpan, summary_of};
use crate::disk::Common;
use crate::error::Result;
use crate::format::erasure::Erased;
use crate::format::{DamagedRun, DiskId};
use crate::index::{FreshKv, IndexQueue};
use crate::kv::{Keys, Kv};
use crate::ring::{Ring, capacity_bytes};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use watchbook_base::fs::Fs;
use watchbook_base::{CameraId, Event, Gap, GapReason, StreamId, TimeRange, UtcNanos};
use watchbook_media::{RecordingEnd, RecordingId, SpanSummary, TrackFormat};

/// Time over which the fill rate of the ring is measured.
const RATE_NANOS: i64 = 86_400 * 1_000_000_000;
/// How much earlier than its key's hour footage may begin by the clock of then.
const ERASED_LOOK_BACK_NANOS: i64 = 86_400 * 1_000_000_000;
/// Bits of a locator below the part's ordinal: the number of a span's first commit. At two commits a second 56 bits last a billion years.
const SEQ_BITS: u32 = 56;

/// A log with its index, as readers see it.
pub(crate) struct Part {
    /// Tells spans of different parts apart; in the top byte of a locator.
    pub(crate) ordinal: u8,
    pub(crate) ring: Arc<Ring>,
    /// The index as readers see it, with what waits to be written.
    pub(crate) kv: Arc<dyn Kv>,
    /// The index itself.
    pub(crate) written: Arc<dyn Kv>,
    pub(crate) live: Live,
    /// What waits to be written to the index.
    pub(crate) index: Arc<IndexQueue>,
    pub(crate) files: Arc<Files>,
    pub(crate) care: CareState,
    pub(crate) sealed_with: Option<Arc<crate::keys::Keys>>,
    lefts: Arc<Lefts>,
    /// The disk is not there: what the index has of it cannot be read.
    absent: AtomicBool,
    /// Gaps that go on, of which neither log nor index says anything.
    unsaid: Mutex<Vec<RecordingEnd>>,
}

impl Part {
    /// `care`: where its damaged runs are told.
    pub(crate) fn new(
        ordinal: u8,
        ring: Arc<Ring>,
        index: (Arc<dyn Kv>, Arc<IndexQueue>),
        care: CareState,
        common: &Common,
    ) -> Self {
        let (written, index) = index;
        let live = index.live();
        let kv = Arc::new(FreshKv::new(written.clone(), index.clone()));
        let (sealed_with, lefts) = (common.keys.clone(), common.lefts.clone());
        let files = Arc::new(Files::new(ring.clone(), sealed_with.clone()));
        let (absent, unsaid) = (AtomicBool::new(false), Mutex::default());
        Self { ordinal, ring, kv, written, live, index, files, care, sealed_with, lefts, absent, unsaid }
    }

    /// False for footage whose key is destroyed or lost; 0 stands for none.
    pub(crate) fn is_readable(&self, key_id: u32) -> bool {
        key_id == 0 || self.sealed_with.as_ref().is_some_and(|keys| keys.is_live(key_id))
    }

    /// What the index has of a disk that is not there.
    pub(crate) fn absent(ordinal: u8, disk: DiskId, deps: (Arc<dyn Fs>, Arc<dyn Kv>), common: &Common) -> Result<Self> {
        let (fs, kv) = deps;
        let mut generations = Vec::new();
        for (key, value) in crate::kv::collect(&*kv, rows::META, &Keys::prefix(b"slot/"))? {
            let row: rows::SlotRow = unpack(rows::META, &value)?;
            generations.extend(key.last_chunk::<4>().map(|slot| (u32::from_be_bytes(*slot), row.generation)));
        }
        let ring = Arc::new(Ring::absent(fs, disk, &generations));
        let part =
            Self::new(ordinal, ring, (kv, Arc::new(IndexQueue::new(Live::default()))), CareState::default(), common);
        part.set_absent();
        for (key, value) in crate::kv::collect(&*part.kv, rows::META, &Keys::prefix(b"stream/"))? {
            let row: rows::StreamRow = unpack(rows::META, &value)?;
            let stream = key.last_chunk::<4>().and_then(|bytes| StreamId::from_u32(u32::from_be_bytes(*bytes)));
            let since = row.last_end.filter(|_| row.recording.is_some());
            let end = |(stream, utc)| RecordingEnd { stream, utc: UtcNanos(utc), reason: GapReason::Disk };
            part.add_unsaid(stream.zip(since).map(end));
        }
        Ok(part)
    }

    /// The disk is not there any more.
    pub(crate) fn set_absent(&self) {
        self.absent.store(true, Ordering::SeqCst);
    }

    /// Tells of gaps that neither log nor index knows.
    pub(crate) fn add_unsaid(&self, ends: impl IntoIterator<Item = RecordingEnd>) {
        self.unsaid.lock().unwrap_or_else(PoisonError::into_inner).extend(ends);
    }

    /// The log tells of them by now.
    pub(crate) fn clear_unsaid(&self) {
        self.unsaid.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Those of them that share a moment with `range`. They go on until other footage begins.
    pub(crate) fn unsaid(&self, stream: StreamId, range: TimeRange, now: UtcNanos) -> Vec<Gap> {
        let unsaid = self.unsaid.lock().unwrap_or_else(PoisonError::into_inner);
        let of_stream = unsaid.iter().filter(|end| end.stream == stream);
        let gap = |end: &RecordingEnd| {
            Some(Gap { stream, range: TimeRange::new(end.utc, now.max(end.utc))?, reason: end.reason })
        };
        of_stream.filter_map(gap).filter(|gap| gap.range.overlaps(range)).collect()
    }

    pub(crate) fn is_absent(&self) -> bool {
        self.absent.load(Ordering::SeqCst)
    }

    /// All segments together.
    pub(crate) fn capacity_bytes(&self) -> u64 {
        capacity_bytes(&self.ring.slots, &self.ring.superblock)
    }

    /// The vault, and no ring.
    pub(crate) fn is_vault(&self) -> bool {
        self.ordinal == crate::vault::VAULT_ORDINAL
    }

    /// Whose log.
    pub(crate) fn disk(&self) -> DiskId {
        self.ring.superblock.disk
    }

    /// Spans of `stream` that are not in the index yet, oldest first; of segments that are still there, and not erased.
    pub(crate) fn live_spans(&self, stream: StreamId) -> Vec<Arc<OpenSpan>> {
        let mut live = self.live.read().unwrap_or_else(PoisonError::into_inner).of(stream);
        live.retain(|span| self.ring.slots.get(span.place().0) == span.place().1 && self.is_readable(span.key_id()));
        live
    }

    /// The spans of `stream` that share a moment with `range`, by start.
    pub(crate) fn spans(&self, stream: StreamId, range: TimeRange) -> Result<Vec<SpanSummary>> {
        // Open spans first: one that closes meanwhile is then found in the index.
        let live = self.live_spans(stream);
        let mut spans: BTreeMap<SpanKey, SpanSummary> = live.iter().map(|span| (span.key(), span.summary())).collect();
        let mut formats: HashMap<u64, Option<Arc<TrackFormat>>> = HashMap::new();
        let mut found = Vec::new();
        span::scan(&*self.kv, &span_keys(stream, range), &mut |key, row| found.push((key, row)))?;
        for (key, row) in found {
            // A row of a segment that is just being reused, or of erased footage.
            if self.ring.slots.get(row.slot) != row.generation || !self.is_readable(row.key_id) {
                continue;
            }
            let format = match formats.entry(row.recording) {
                std::collections::hash_map::Entry::Occupied(known) => known.get().clone(),
                std::collections::hash_map::Entry::Vacant(new) => {
                    new.insert(self.format(RecordingId(row.recording))?).clone()
                }
            };
            if let Some(format) = format {
                // A live span may have grown since the row was made.
                spans.entry(key).or_insert_with(|| summary_of(&key, &row, format));
            }
        }
        let mut shown = Vec::new();
        for (key, span) in spans {
            let span = match self.lefts.of(span.recording).filter(|left| span.range().end > *left) {
                Some(left) => self.cut(&key, span, left)?,
                None => Some(span),
            };
            if let Some(span) = span.filter(|span| span.range().overlaps(range)) {
                shown.push(SpanSummary { locator: locator(self.ordinal, span.locator), ..span });
            }
        }
        Ok(shown)
    }

    /// What is valid of a span whose recording was left at `utc`.
    fn cut(&self, key: &SpanKey, span: SpanSummary, utc: UtcNanos) -> Result<Option<SpanSummary>> {
        if span.start_utc >= utc {
            return Ok(None);
        }
        if let Some(open) = self.live_spans(key.stream).into_iter().find(|open| open.key() == *key) {
            return lefts::cut(span, utc, open.tables());
        }
        match self.kv.get(rows::TABLES, &key.encode())? {
            Some(tables) => lefts::cut(span, utc, &unpack(rows::TABLES, &tables)?),
            None => Ok(None),
        }
    }

    pub(super) fn format(&self, recording: RecordingId) -> Result<Option<Arc<TrackFormat>>> {
        let row = self.kv.get(rows::RECORDINGS, &rows::recording_key(recording))?;
        let row = row.map(|row| unpack::<RecordingRow>(rows::RECORDINGS, &row)).transpose()?;
        Ok(row.and_then(|row| row.start()).map(|start| Arc::new(start.format)))
    }

    /// The gaps of `stream` that share a moment with `range`, by start. One that goes on ends at `now`.
    pub(crate) fn gaps(&self, stream: StreamId, range: TimeRange, now: UtcNanos) -> Result<Vec<Gap>> {
        let mut gaps = Vec::new();
        let mut failed = None;
        // Gaps of one stream do not overlap, so going back from the end of the range the first that ends before it is the last to look at; a clock that
        // was set back is why a few more are looked at.
        let mut outside = 0;
        let keys = Keys::between(stream.to_u32().to_be_bytes(), rows::stream_time(stream, range.end)).reversed();
        self.kv.scan(rows::GAPS, &keys, &mut |key, value| {
            let row = match unpack::<GapRow>(rows::GAPS, value) {
                Ok(row) => row,
                Err(error) => {
                    failed = Some(error);
                    return false;
                }
            };
            let Some((_, start)) = rows::decode_stream_time(key) else { return true };
            let end = row.end.map_or(now.max(start), UtcNanos);
            match (TimeRange::new(start, end), GapReason::from_number(row.reason)) {
                (Some(interval), Some(reason)) if interval.overlaps(range) => {
                    gaps.push(Gap { stream, range: interval, reason })
                }
                _ => outside += 1,
            }
            outside < 8
        })?;
        gaps.reverse();
        failed.map_or(Ok(gaps), Err)
    }

    /// The damaged runs of `stream` that share a moment with `range`, by start.
    pub(crate) fn damage(&self, stream: StreamId, range: TimeRange) -> Result<Vec<DamagedRun>> {
        damage_of(&*self.kv, &self.ring.slots, (stream, range), LOOK_BACK_NANOS)
    }

    /// True when what a damaged run shows is listed here in a segment that `takes` takes, by its middle.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub(crate) fn has_beside(&self, run: &DamagedRun, takes: &dyn Fn(u32) -> bool) -> Result<bool> {
        let middle = run.middle();
        let moment = TimeRange { start: middle, end: middle.plus_nanos(1) };
        let shows = |range: TimeRange| range.contains(middle);
        let mut found =
            self.live_spans(run.stream).iter().any(|span| takes(span.place().0) && shows(span.summary().range()));
        span::scan(&*self.kv, &span_keys(run.stream, moment), &mut |key, row| {
            let is_there = self.ring.slots.get(row.slot) == row.generation && self.is_readable(row.key_id);
            found |= is_there && takes(row.slot) && shows(span::range_of(&key, &row));
        })?;
        Ok(found)
    }

    /// The damaged runs of these cameras, or of all.
    pub(crate) fn all_damage(&self, only: Option<&BTreeSet<CameraId>>) -> Result<Vec<DamagedRun>> {
        all_damage(&*self.kv, &self.ring.slots, only)
    }

    /// The hours of `camera` that were erased and begin in `range`, by start.
    pub(crate) fn erasures(&self, camera: CameraId, range: TimeRange) -> Result<Vec<Erased>> {
        let keys = Keys::between(rows::erasure_key(camera, range.start), rows::erasure_key(camera, range.end));
        let found = crate::kv::collect(&*self.kv, rows::ERASURES, &keys)?;
        Ok(found.iter().filter_map(|(key, value)| rows::erased(key, value)).collect())
    }

    /// Start of the first and end of the last footage of `stream`.
    pub(crate) fn first_last(&self, stream: StreamId) -> Result<Option<TimeRange>> {
        let live = self.live_spans(stream);
        let range_of = |span: Option<&Arc<OpenSpan>>| span.map(|span| span.summary().range());
        let oldest = self.sealed_with.as_ref().and_then(|keys| keys.oldest(stream.camera));
        let edge = |reverse: bool| -> Result<Option<TimeRange>> {
            let mut keys = Keys::prefix(&stream.to_u32().to_be_bytes());
            keys.reverse = reverse;
            // Rows of erased footage stay until their segment is reused. They are passed over at once, unless a clock was wrong by days.
            if let Some(oldest) = oldest.filter(|_| !reverse) {
                keys.from = rows::stream_time(stream, oldest.plus_nanos(-ERASED_LOOK_BACK_NANOS));
            }
            let mut found = None;
            self.kv.scan(rows::SPANS, &keys, &mut |key, value| {
                let row = unpack::<SpanRow>(rows::SPANS, value).ok();
                let shown =
                    |row: &SpanRow| self.ring.slots.get(row.slot) == row.generation && self.is_readable(row.key_id);
                found = row.filter(shown).zip(SpanKey::decode(key));
                found.is_none()
            })?;
            Ok(found.map(|(row, key)| span::range_of(&key, &row)))
        };
        let first = edge(false)?.or(range_of(live.first()));
        let last = range_of(live.last()).or(edge(true)?);
        Ok(first.zip(last).and_then(|(first, last)| TimeRange::new(first.start, last.end.max(first.end))))
    }

    /// One page of events.
    pub(crate) fn events(&self, query: &EventQuery) -> Result<EventPage> {
        let limit = query.limit.clamp(1, EVENTS_PER_PAGE_MAX);
        let mut looked_at = Vec::new();
        let from = query.range.start.plus_nanos(-EVENT_LOOK_BACK_NANOS);
        let (table, mut keys) = match query.camera {
            Some(camera) => (
                rows::EVENTS,
                Keys::between(rows::event_key(camera, from, 0), rows::event_key(camera, query.range.end, 0)),
            ),
            None => (rows::EVENTS_BY_TIME, Keys::between(rows::ordered(from), rows::ordered(query.range.end))),
        };
        if let Some(after) = query.after {
            let mut key = match query.camera {
                Some(camera) => rows::event_key(camera, after.start, after.number),
                None => rows::event_time_key(after.camera, after.start, after.number),
            };
            if query.newest_first {
                keys.to = Some(key);
            } else {
                key.push(0);
                keys.from = key;
            }
        }
        keys.reverse = query.newest_first;
        self.kv.scan(table, &keys, &mut |key, value| {
            looked_at.push((key.to_vec(), value.to_vec()));
            looked_at.len() < EVENT_ROWS_PER_PAGE_MAX && (looked_at.len() < limit * 4 || query.filters())
        })?;
        self.page(query, looked_at, limit)
    }

    /// Decodes and filters rows up to the limit; the cursor stands on the last row looked at.
    fn page(&self, query: &EventQuery, looked_at: Vec<(Vec<u8>, Vec<u8>)>, limit: usize) -> Result<EventPage> {
        let more = looked_at.len() >= limit;
        let mut page = EventPage::default();
        let mut cursor = None;
        for (key, value) in looked_at {
            if page.events.len() >= limit {
                break;
            }
            let by_time = if query.camera.is_some() { rows::event_key_by_time(&key) } else { Some(key.clone()) };
            let Some((camera, start, number)) = by_time.and_then(|key| rows::decode_event_time_key(&key)) else {
                continue;
            };
            cursor = Some(EventCursor { camera, start, number });
            if query.only.as_ref().is_some_and(|only| !only.contains(&camera)) {
                continue;
            }
            let json = match query.camera {
                Some(_) => Some(value),
                None => self.kv.get(rows::EVENTS, &rows::event_key(camera, start, number))?,
            };
            let Some(event) = json.and_then(|json| serde_json::from_slice::<Event>(&json).ok()) else { continue };
            if query.wants(&event) {
                page.events.push(StoredEvent { number, event });
            }
        }
        page.next = cursor.filter(|_| more);
        Ok(page)
    }

    /// How full the ring is and how long it lasts.
    pub(crate) fn ring_info(&self) -> Result<RingInfo> {
        let mut opened: Vec<(u64, i64)> = Vec::new();
        for (key, value) in crate::kv::collect(&*self.kv, rows::META, &Keys::prefix(b"slot/"))? {
            let row: rows::SlotRow = unpack(rows::META, &value)?;
            let slot = key.last_chunk::<4>().map_or(0, |slot| u32::from_be_bytes(*slot));
            if self.ring.slots.get(slot) == row.generation {
                opened.push((row.generation, row.utc));
            }
        }
        opened.sort_unstable();
        let tail =
            self.kv.get(rows::META, rows::TAIL_KEY)?.map(|tail| unpack::<TailRow>(rows::META, &tail)).transpose()?;
        let segment_bytes = self.ring.superblock.segment_bytes;
        let capacity_bytes = capacity_bytes(&self.ring.slots, &self.ring.superblock);
        let used = crate::codec::wide(opened.len()).saturating_mul(segment_bytes);
        let in_last = tail.map_or(0, |tail| segment_bytes.saturating_sub(tail.replay.offset));
        Ok(RingInfo {
            capacity_bytes,
            used_bytes: used.saturating_sub(if opened.is_empty() { 0 } else { in_last }),
            segments: self.ring.slots.count(),
            segment_bytes,
            oldest_utc: opened.first().map(|(_, utc)| UtcNanos(*utc)),
            days_now: days_now(&opened, segment_bytes, capacity_bytes),
        })
    }
}

/// Locator of a span whose first commit is `seq` in the part `ordinal`.
fn locator(ordinal: u8, seq: u64) -> u64 {
    u64::from(ordinal) << SEQ_BITS | (seq & ((1 << SEQ_BITS) - 1))
}

/// Ordinal of the part and number of the commit that a locator names.
pub(crate) fn located(locator: u64) -> (u8, u64) {
    let [ordinal, ..] = locator.to_be_bytes();
    (ordinal, locator & ((1 << SEQ_BITS) - 1))
}

/// Days that the capacity lasts at the rate at which segments were filled over the last day. `opened`: generation and UTC of each segment, in log order.
fn days_now(opened: &[(u64, i64)], segment_bytes: u64, capacity_bytes: u64) -> Option<f64> {
    let (_, newest) = opened.last()?;
    let recent: Vec<i64> =
        opened.iter().map(|(_, utc)| *utc).filter(|utc| newest.saturating_sub(*utc) <= RATE_NANOS).collect();
    let (first, filled) = (recent.first()?, recent.len() - 1);
    let nanos = newest.saturating_sub(*first);
    if filled == 0 || nanos <= 0 {
        return None;
    }
    // Whole segments between two openings; one is always being reused.
    let bytes_per_nano = filled as f64 * segment_bytes as f64 / nanos as f64;
    Some(capacity_bytes.saturating_sub(segment_bytes) as f64 / bytes_per_nano / 86_400e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_follow_the_rate_of_the_last_day() {
        let hour = 3_600_000_000_000;
        let opened: Vec<(u64, i64)> = (0..100).map(|i| (i + 1, i as i64 * hour)).collect();
        // A segment an hour: a ring of 241 segments keeps 240 full ones, ten days.
        let days = days_now(&opened, 1 << 30, 241 << 30).unwrap();
        assert!((days - 10.0).abs() < 1e-9, "{days}");
        assert_eq!(days_now(&opened[..1], 1 << 30, 1 << 40), None);
    }

    #[test]
    fn a_locator_says_part_and_commit() {
        for (ordinal, seq) in [(0, 1), (7, 1 << 40), (255, (1 << SEQ_BITS) - 1)] {
            assert_eq!(located(locator(ordinal, seq)), (ordinal, seq));
        }
        assert_eq!(locator(0, 12), 12);
    }
}
