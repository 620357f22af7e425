//! What is recorded, for those who hold a grant.

mod footage;

pub use footage::Footage;

use crate::catalog::Live;
use crate::catalog::rows::{self, GapRow, RecordingRow, SpanKey, SpanRow, TailRow, unpack};
use crate::catalog::span::summary_of;
use crate::error::{Error, Result};
use crate::kv::{Keys, Kv};
use crate::ring::{Ring, capacity_bytes};
use footage::Files;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError};
use watchbook_access::Grant;
use watchbook_base::{CameraId, Event, Gap, GapReason, Kind, StreamId, TimeRange, UtcNanos};
use watchbook_media::{RecordingId, SpanSummary, TrackFormat};

/// How much earlier than a moment a span may start that covers it: a span's 60 s and the 13 h that one estimated sample length can say at most are
/// far apart; ten minutes cover every span that capture makes.
const LOOK_BACK_NANOS: i64 = 600 * 1_000_000_000;
/// How much earlier than a range an event may start that reaches into it: plugins end events within the hour.
const EVENT_LOOK_BACK_NANOS: i64 = 3600 * 1_000_000_000;
/// Events of one page.
pub const EVENTS_PER_PAGE_MAX: usize = 1000;
/// Rows looked at for one page: a search for a rare kind goes on from the cursor instead of holding a thread.
const EVENT_ROWS_PER_PAGE_MAX: usize = 200_000;
/// Time over which the fill rate of the ring is measured.
const RATE_NANOS: i64 = 86_400 * 1_000_000_000;

/// A question about plugins' events; every condition must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuery {
    /// Of one camera, or of all that the grant covers.
    pub camera: Option<CameraId>,
    /// Of all cameras, only these: the camera list of the account.
    pub only: Option<BTreeSet<CameraId>>,
    /// Of this kind.
    pub kind: Option<String>,
    /// That share a moment with it (those that began up to an hour before it are found).
    pub range: TimeRange,
    /// Newest first instead of oldest first.
    pub newest_first: bool,
    /// At most so many; [`EVENTS_PER_PAGE_MAX`] is the bound.
    pub limit: usize,
    /// Go on behind this one.
    pub after: Option<EventCursor>,
}

/// A place in a list of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCursor {
    /// Camera of the event before.
    pub camera: CameraId,
    /// Start of the event before.
    pub start: UtcNanos,
    /// Number of the event before.
    pub number: u64,
}

/// An event and its number.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Unique in this ring.
    pub number: u64,
    /// What happened.
    pub event: Event,
}

/// Some events, and where the list goes on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventPage {
    /// In the order asked for.
    pub events: Vec<StoredEvent>,
    /// `None` at the end.
    pub next: Option<EventCursor>,
}

/// How full the ring is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RingInfo {
    /// All segments together.
    pub capacity_bytes: u64,
    /// In segments that hold footage.
    pub used_bytes: u64,
    /// Segments.
    pub segments: u32,
    /// When the oldest segment that still holds footage was opened.
    pub oldest_utc: Option<UtcNanos>,
    /// Days from new to overwritten at the rate of the last day; `None` until a segment has been filled.
    pub days_now: Option<f64>,
}

/// Reads what is committed. Clones share one cache.
#[derive(Clone)]
pub struct Reader {
    ring: Arc<Ring>,
    kv: Arc<dyn Kv>,
    live: Live,
    files: Arc<Files>,
}

impl Reader {
    pub(crate) fn new(ring: Arc<Ring>, kv: Arc<dyn Kv>, live: Live) -> Self {
        let files = Arc::new(Files::new(ring.clone()));
        Self { ring, kv, live, files }
    }

    fn check_timeline(grant: &Grant, camera: CameraId) -> Result<()> {
        if grant.covers_timeline(camera) {
            return Ok(());
        }
        Err(Error::new(
            Kind::Denied,
            format!("listing what is recorded of camera {camera}: the grant is for something else"),
        ))
    }

    /// The spans of `stream` that share a moment with `range`, by start.
    ///
    /// # Errors
    /// `Denied` when `grant` does not cover the camera's timeline; `Corrupt` or `Io` when the index cannot be read.
    pub fn spans(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<Vec<SpanSummary>> {
        Self::check_timeline(grant, stream.camera)?;
        // Open spans first: one that closes meanwhile is then found in the index.
        let open = self.live.read().unwrap_or_else(PoisonError::into_inner).get(&stream).cloned();
        let mut spans: BTreeMap<SpanKey, SpanSummary> = BTreeMap::new();
        if let Some(open) = open {
            spans.insert(open.key(), open.summary());
        }
        let from = rows::stream_time(stream, range.start.plus_nanos(-LOOK_BACK_NANOS));
        let mut formats: HashMap<u64, Option<Arc<TrackFormat>>> = HashMap::new();
        let mut failed = None;
        let keys = Keys::between(from, rows::stream_time(stream, range.end));
        let mut found = Vec::new();
        self.kv.scan(rows::SPANS, &keys, &mut |key, value| {
            match (SpanKey::decode(key), unpack::<SpanRow>(rows::SPANS, value)) {
                (Some(key), Ok(row)) => found.push((key, row)),
                (_, Err(error)) => failed = Some(error),
                (None, _) => {}
            }
            failed.is_none()
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        for (key, row) in found {
            // A row of a segment that is just being reused.
            if self.ring.slots.get(row.slot) != row.generation {
                continue;
            }
            let format = match formats.entry(row.recording) {
                std::collections::hash_map::Entry::Occupied(known) => known.get().clone(),
                std::collections::hash_map::Entry::Vacant(new) => {
                    new.insert(self.format(RecordingId(row.recording))?).clone()
                }
            };
            if let Some(format) = format {
                spans.insert(key, summary_of(&key, &row, format));
            }
        }
        Ok(spans.into_values().filter(|span| span.range().overlaps(range)).collect())
    }

    fn format(&self, recording: RecordingId) -> Result<Option<Arc<TrackFormat>>> {
        let row = self.kv.get(rows::RECORDINGS, &rows::recording_key(recording))?;
        let row = row.map(|row| unpack::<RecordingRow>(rows::RECORDINGS, &row)).transpose()?;
        Ok(row.and_then(|row| row.start()).map(|start| Arc::new(start.format)))
    }

    /// The gaps of `stream` that share a moment with `range`, by start. One that goes on ends at `now`.
    ///
    /// # Errors
    /// As [`Reader::spans`].
    pub fn gaps(&self, grant: &Grant, stream: StreamId, range: TimeRange, now: UtcNanos) -> Result<Vec<Gap>> {
        Self::check_timeline(grant, stream.camera)?;
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

    /// Start of the first and end of the last footage of `stream`; `None` when there is none.
    ///
    /// # Errors
    /// As [`Reader::spans`].
    pub fn first_last(&self, grant: &Grant, stream: StreamId) -> Result<Option<TimeRange>> {
        Self::check_timeline(grant, stream.camera)?;
        let open =
            self.live.read().unwrap_or_else(PoisonError::into_inner).get(&stream).map(|open| open.summary().range());
        let edge = |reverse: bool| -> Result<Option<TimeRange>> {
            let mut keys = Keys::prefix(&stream.to_u32().to_be_bytes());
            keys.reverse = reverse;
            let mut found = None;
            self.kv.scan(rows::SPANS, &keys, &mut |key, value| {
                let row = unpack::<SpanRow>(rows::SPANS, value).ok();
                found = row.filter(|row| self.ring.slots.get(row.slot) == row.generation).zip(SpanKey::decode(key));
                found.is_none()
            })?;
            Ok(found.and_then(|(row, key)| {
                TimeRange::new(key.start, key.start.plus_ticks(rows::ticks_between(row.first_dts, row.end_dts)))
            }))
        };
        let first = edge(false)?.or(open);
        let last = open.or(edge(true)?);
        Ok(first.zip(last).and_then(|(first, last)| TimeRange::new(first.start, last.end.max(first.end))))
    }

    /// One page of events.
    ///
    /// # Errors
    /// `Denied` when `grant` does not cover these events; `Corrupt` or `Io` when the index cannot be read.
    pub fn events(&self, grant: &Grant, query: &EventQuery) -> Result<EventPage> {
        if !grant.covers_events(query.camera) && !query.camera.is_some_and(|camera| grant.covers_timeline(camera)) {
            return Err(Error::new(Kind::Denied, "listing events: the grant is for something else"));
        }
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
            looked_at.len() < EVENT_ROWS_PER_PAGE_MAX
                && (looked_at.len() < limit * 4 || query.kind.is_some() || query.only.is_some())
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
            let reaches = event.start >= query.range.start || event.end.is_some_and(|end| end > query.range.start);
            if reaches && query.kind.as_ref().is_none_or(|kind| *kind == event.kind) {
                page.events.push(StoredEvent { number, event });
            }
        }
        page.next = cursor.filter(|_| more);
        Ok(page)
    }

    /// Footage of one camera in one range, for who holds a grant for it.
    ///
    /// # Errors
    /// `Denied` when `grant` does not cover it.
    pub fn footage(&self, grant: &Grant, camera: CameraId, range: TimeRange) -> Result<Footage> {
        if !grant.covers_footage(camera, range) {
            return Err(Error::new(
                Kind::Denied,
                format!(
                    "opening footage of camera {camera} from {} to {}: the grant is for something else",
                    range.start, range.end
                ),
            ));
        }
        Ok(Footage::new((self.kv.clone(), self.live.clone(), self.files.clone()), camera, range))
    }

    /// How full the ring is and how long it lasts.
    ///
    /// # Errors
    /// `Io` or `Corrupt` when the index cannot be read.
    pub fn ring(&self) -> Result<RingInfo> {
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
            oldest_utc: opened.first().map(|(_, utc)| UtcNanos(*utc)),
            days_now: days_now(&opened, segment_bytes, capacity_bytes),
        })
    }
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
}
