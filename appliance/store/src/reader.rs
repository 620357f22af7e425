//! What is recorded, for those who hold a grant: every disk's ring, as one.

mod footage;
mod held;
mod impaired;
mod lefts;
mod logged;
mod merge;
mod part;
mod used;

pub(crate) use footage::Files;
pub use footage::Footage;
pub use impaired::ImpairedList;
pub(crate) use lefts::Lefts;
pub use logged::{LOGGED_RUNS_MAX, LoggedFootage, LoggedRun, LoggedSegment, RunInLeaf};
pub(crate) use part::{Part, located};

use crate::care::ScrubProgress;
use crate::catalog::rows;
use crate::error::{Error, Result};
use crate::format::erasure::Erased;
use crate::format::{DamagedRun, DiskId};
use crate::kv::Keys;
use crate::vault::merge_spans;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use watchbook_access::Grant;
use watchbook_base::{CameraId, Event, Gap, Kind, StreamId, TimeRange, TrackRole, UtcNanos};
use watchbook_media::SpanSummary;

/// How much earlier than a moment a span may start that covers it: a span's 60 s and the 13 h that one estimated sample length can say at most are
/// far apart; ten minutes cover every span that capture makes.
const LOOK_BACK_NANOS: i64 = 600 * 1_000_000_000;

/// Keys of the spans of `stream` that may share a moment with `range`.
pub(crate) fn span_keys(stream: StreamId, range: TimeRange) -> Keys {
    let from = rows::stream_time(stream, range.start.plus_nanos(-LOOK_BACK_NANOS));
    Keys::between(from, rows::stream_time(stream, range.end))
}
/// How much earlier than a range an event may start that reaches into it: plugins end events within the hour.
const EVENT_LOOK_BACK_NANOS: i64 = 3600 * 1_000_000_000;
/// Events of one page.
pub const EVENTS_PER_PAGE_MAX: usize = 1000;
/// Rows looked at for one page: a search for what is rare goes on from the cursor instead of holding a thread.
/// About 5 µs each, 0.1 s in all.
const EVENT_ROWS_PER_PAGE_MAX: usize = 20_000;
/// A question about plugins' events; every condition must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuery {
    /// Of one camera, or of all that the grant covers.
    pub camera: Option<CameraId>,
    /// Of all cameras, only these: the camera list of the account.
    pub only: Option<BTreeSet<CameraId>>,
    /// Of this kind.
    pub kind: Option<String>,
    /// In the zone of this name.
    pub zone: Option<String>,
    /// That this plugin said, by its id; or the camera, or the recorder itself.
    pub plugin: Option<String>,
    /// That share a moment with it (those that began up to an hour before it are found).
    pub range: TimeRange,
    /// Newest first instead of oldest first.
    pub newest_first: bool,
    /// At most so many; [`EVENTS_PER_PAGE_MAX`] is the bound.
    pub limit: usize,
    /// Go on behind this one.
    pub after: Option<EventCursor>,
}

impl EventQuery {
    /// Some rows that are looked at may be none that are shown.
    pub(crate) fn filters(&self) -> bool {
        self.only.is_some() || self.kind.is_some() || self.zone.is_some() || self.plugin.is_some()
    }

    /// Whether this event is asked for, as far as what it says goes.
    pub(crate) fn wants(&self, event: &Event) -> bool {
        let reaches = event.start >= self.range.start || event.end.is_some_and(|end| end > self.range.start);
        reaches
            && self.kind.as_ref().is_none_or(|kind| *kind == event.kind)
            && self.zone.as_ref().is_none_or(|zone| event.zone.as_ref() == Some(zone))
            && self.plugin.as_ref().is_none_or(|plugin| *plugin == event.source.plugin)
    }
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
    /// Unique in the whole store.
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

/// How full a ring is, or all of them together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RingInfo {
    /// All segments together.
    pub capacity_bytes: u64,
    /// In segments that hold footage.
    pub used_bytes: u64,
    /// Segments.
    pub segments: u32,
    /// Size of one; the largest of several disks.
    pub segment_bytes: u64,
    /// When the oldest segment that still holds footage was opened.
    pub oldest_utc: Option<UtcNanos>,
    /// Days from new to overwritten at the rate of the last day; `None` until a segment has been filled.
    pub days_now: Option<f64>,
}

/// How long one camera's footage is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetentionInfo {
    /// Start of the oldest footage that can be read.
    pub oldest_utc: Option<UtcNanos>,
    /// Days until the rings reuse footage at the rate at which they fill now, on the disk that does so first; `None` until a segment has been filled.
    pub ring_days_now: Option<f64>,
    /// Days that footage is kept: the same, and never more than `days_max`.
    pub days_now: Option<f64>,
    /// Maximum age in days.
    pub days_max: Option<u32>,
    /// When the oldest hour is erased, unless the ring overwrites it before.
    pub next_erasure_utc: Option<UtcNanos>,
}

/// The parts that a reader looks through. The store adds one when a disk joins.
pub(crate) type PartList = Arc<RwLock<Vec<Arc<Part>>>>;

/// Reads what is committed. Clones share one cache.
#[derive(Clone)]
pub struct Reader {
    parts: PartList,
}

impl Reader {
    pub(crate) fn new(parts: PartList) -> Self {
        Self { parts }
    }

    #[cfg(test)]
    pub(crate) fn part_list(&self) -> PartList {
        self.parts.clone()
    }

    fn parts(&self) -> Vec<Arc<Part>> {
        self.parts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those whose disk is there.
    fn present(&self) -> impl Iterator<Item = Arc<Part>> {
        self.parts().into_iter().filter(|part| !part.is_absent())
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
        let (held, rings): (Vec<_>, Vec<_>) = self.present().partition(|part| part.is_vault());
        // The vault last: what is copied and overwritten meanwhile is then found in one of the two.
        let list = |parts: &[Arc<Part>]| parts.iter().map(|part| part.spans(stream, range)).collect::<Result<Vec<_>>>();
        let of_rings = list(&rings)?;
        Ok(merge_spans(merge::spans(of_rings), list(&held)?.concat()))
    }

    /// The gaps of `stream` that share a moment with `range`, by start. One that goes on ends at `now`.
    ///
    /// # Errors
    /// As [`Reader::spans`].
    pub fn gaps(&self, grant: &Grant, stream: StreamId, range: TimeRange, now: UtcNanos) -> Result<Vec<Gap>> {
        Self::check_timeline(grant, stream.camera)?;
        let (held, rings): (Vec<_>, Vec<_>) = self.parts().into_iter().partition(|part| part.is_vault());
        let mut gaps = Self::gaps_of_rings(&rings, stream, range, now)?;
        for part in &held {
            let fresh = part.gaps(stream, range, now)?.into_iter();
            let fresh: Vec<Gap> =
                fresh.filter(|gap| !gaps.iter().any(|known| known.range.overlaps(gap.range))).collect();
            gaps.extend(fresh);
        }
        gaps.sort_by_key(|gap| gap.range.start);
        Ok(gaps)
    }

    fn gaps_of_rings(parts: &[Arc<Part>], stream: StreamId, range: TimeRange, now: UtcNanos) -> Result<Vec<Gap>> {
        // One disk's log tells its gaps and its footage apart by itself.
        if let [one] = parts
            && !one.is_absent()
        {
            return one.gaps(stream, range, now);
        }
        let (mut wide, mut known) = (range, None);
        if parts.iter().any(|part| part.is_absent()) {
            wide.start = range.start.plus_nanos(-merge::HOLE_NANOS_MIN);
            wide.end = range.end.plus_nanos(merge::HOLE_NANOS_MIN);
            let of_parts = parts.iter().map(|part| part.first_last(stream)).collect::<Result<Vec<_>>>()?;
            let all = of_parts.into_iter().flatten().reduce(both);
            known = all.and_then(|all| TimeRange::new(all.start.max(wide.start), all.end.min(wide.end)));
        }
        let mut of_parts = Vec::new();
        for part in parts {
            let spans = part.spans(stream, wide)?.iter().map(SpanSummary::range).collect();
            let gaps = part.gaps(stream, wide, now)?;
            let unsaid = part.unsaid(stream, wide, now);
            of_parts.push(merge::PartGaps { gaps, unsaid, spans, absent: part.is_absent() });
        }
        Ok(merge::gaps(stream, (range, known), of_parts))
    }

    /// The damaged runs of `stream` that share a moment with `range`, by start. Reading one gives `Corrupt`, except where only its description is damaged.
    ///
    /// # Errors
    /// As [`Reader::spans`].
    pub fn damage(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<Vec<DamagedRun>> {
        Self::check_timeline(grant, stream.camera)?;
        let mut damage = self.damage_shown(&|part| part.damage(stream, range))?;
        damage.sort_by_key(|run| run.range.start);
        Ok(damage)
    }

    /// What `list` gives of each part. Of a run of the vault that a ring or another of its segments has as well, that one is shown, so it is no damage.
    fn damage_shown(&self, list: &dyn Fn(&Part) -> Result<Vec<DamagedRun>>) -> Result<Vec<DamagedRun>> {
        let (held, rings): (Vec<_>, Vec<_>) = self.parts().into_iter().partition(|part| part.is_vault());
        let mut damage = rings.iter().map(|part| list(part)).collect::<Result<Vec<_>>>()?.concat();
        for part in held {
            for run in list(&part)? {
                let mut is_elsewhere = part.has_beside(&run, &|slot| slot != run.slot)?;
                for ring in rings.iter().filter(|ring| !ring.is_absent()) {
                    is_elsewhere = is_elsewhere || ring.has_beside(&run, &|_| true)?;
                }
                if !is_elsewhere {
                    damage.push(run);
                }
            }
        }
        Ok(damage)
    }

    /// Damaged runs of `only` these cameras, or of all, the newest footage first, at most `limit`: which and when, and no byte of them.
    ///
    /// # Errors
    /// `Corrupt` or `Io` when an index cannot be read.
    pub fn damaged(&self, only: Option<&BTreeSet<CameraId>>, limit: usize) -> Result<Vec<DamagedRun>> {
        let mut damage = self.damage_shown(&|part| part.all_damage(only))?;
        damage.sort_by_key(|run| core::cmp::Reverse(run.range.start));
        damage.truncate(limit);
        Ok(damage)
    }

    /// How far the scrub of each disk is.
    #[must_use]
    pub fn scrubs(&self) -> Vec<(DiskId, ScrubProgress)> {
        self.parts().iter().map(|part| (part.disk(), part.care.scrub())).collect()
    }

    /// Start of the first and end of the last footage of `stream`; `None` when there is none. A grant for the camera's retention is enough.
    ///
    /// # Errors
    /// As [`Reader::spans`].
    pub fn first_last(&self, grant: &Grant, stream: StreamId) -> Result<Option<TimeRange>> {
        if !grant.covers_retention(stream.camera) {
            Self::check_timeline(grant, stream.camera)?;
        }
        let of_parts = self.present().map(|part| part.first_last(stream)).collect::<Result<Vec<_>>>()?;
        Ok(of_parts.into_iter().flatten().reduce(both))
    }

    /// The hours of `camera` that begin in `range` and were erased because they had reached their maximum age, by start. Known as long as the log tells of
    /// them.
    ///
    /// # Errors
    /// As [`Reader::spans`].
    pub fn erasures(&self, grant: &Grant, camera: CameraId, range: TimeRange) -> Result<Vec<Erased>> {
        if !grant.covers_timeline(camera) && !grant.covers_retention(camera) {
            let what = format!("listing what was erased of camera {camera}: the grant is for something else");
            return Err(Error::new(Kind::Denied, what));
        }
        let of_parts = self.parts().iter().map(|part| part.erasures(camera, range)).collect::<Result<Vec<_>>>()?;
        let mut erased: Vec<Erased> = of_parts.into_iter().flatten().collect();
        // Every ring's log tells of all of them.
        erased.sort_unstable_by_key(|erased| (erased.hour_utc, erased.key_id, erased.erased_utc));
        erased.dedup_by_key(|erased| erased.key_id);
        Ok(erased)
    }

    /// How long footage of `camera` is kept now.
    ///
    /// # Errors
    /// `Io` or `Corrupt` when an index cannot be read.
    pub fn retention(&self, camera: CameraId) -> Result<RetentionInfo> {
        let parts = self.parts();
        let mut oldest_utc: Option<UtcNanos> = None;
        let mut rings = Vec::new();
        for part in &parts {
            let mut has_footage = false;
            for role in [TrackRole::MainVideo, TrackRole::SubVideo, TrackRole::MainAudio] {
                let first = part.first_last(camera.stream(role))?.map(|range| range.start);
                has_footage |= first.is_some();
                oldest_utc = oldest_utc.into_iter().chain(first).min();
            }
            if !part.is_absent() && !part.is_vault() {
                rings.push((has_footage, part.ring_info()?.days_now));
            }
        }
        let keys = parts.iter().find_map(|part| part.sealed_with.clone());
        let (days_max, next_erasure_utc) = keys.map_or((None, None), |keys| keys.aging(camera));
        let ring_days_now = merge::days_of_camera(&rings);
        let days_now = match (ring_days_now, days_max) {
            (Some(days), Some(max)) => Some(days.min(f64::from(max))),
            (days, _) => days,
        };
        Ok(RetentionInfo { oldest_utc, ring_days_now, days_now, days_max, next_erasure_utc })
    }

    /// One page of events.
    ///
    /// # Errors
    /// `Denied` when `grant` does not cover these events; `Corrupt` or `Io` when the index cannot be read.
    pub fn events(&self, grant: &Grant, query: &EventQuery) -> Result<EventPage> {
        let named =
            || query.only.as_ref().is_some_and(|only| only.iter().all(|camera| grant.covers_events(Some(*camera))));
        let covered = grant.covers_events(query.camera) || query.camera.is_none() && named();
        if !covered && !query.camera.is_some_and(|camera| grant.covers_timeline(camera)) {
            return Err(Error::new(Kind::Denied, "listing events: the grant is for something else"));
        }
        let pages = self.parts().iter().map(|part| part.events(query)).collect::<Result<Vec<_>>>()?;
        Ok(merge::events(pages, query))
    }

    /// Bytes of the spans of `stream` that share a moment with `range`: for an estimate, and no byte of them.
    ///
    /// # Errors
    /// `Corrupt` or `Io` when an index cannot be read.
    pub fn stored_bytes(&self, stream: StreamId, range: TimeRange) -> Result<u64> {
        let (held, rings): (Vec<_>, Vec<_>) = self.present().partition(|part| part.is_vault());
        let list = |parts: &[Arc<Part>]| parts.iter().map(|part| part.spans(stream, range)).collect::<Result<Vec<_>>>();
        let of_rings = list(&rings)?;
        let all = merge_spans(of_rings.concat(), list(&held)?.concat());
        Ok(all.iter().map(|span| share(span, range)).sum())
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
        Ok(Footage::new(self.parts.clone(), camera, range))
    }

    /// How full the rings are together and how long they last.
    ///
    /// # Errors
    /// `Io` or `Corrupt` when an index cannot be read.
    pub fn ring(&self) -> Result<RingInfo> {
        Ok(merge::rings(self.rings()?.into_iter().map(|(_, info)| info)))
    }

    /// The same, disk by disk.
    ///
    /// # Errors
    /// As [`Reader::ring`].
    pub fn rings(&self) -> Result<Vec<(DiskId, RingInfo)>> {
        let rings = self.present().filter(|part| !part.is_vault());
        rings.map(|part| Ok((part.disk(), part.ring_info()?))).collect()
    }
}

/// Bytes of a span that lie in `range`, as if they were spread evenly.
fn share(span: &SpanSummary, range: TimeRange) -> u64 {
    let (whole, of) = (span.range(), span.range().nanos().max(1));
    let inside = whole.end.min(range.end).nanos_since(whole.start.max(range.start)).clamp(0, of);
    let bytes = i128::from(span.byte_count) * i128::from(inside) / i128::from(of);
    u64::try_from(bytes).unwrap_or(0)
}

/// From the first to the last moment of two ranges.
fn both(a: TimeRange, b: TimeRange) -> TimeRange {
    TimeRange { start: a.start.min(b.start), end: a.end.max(b.end) }
}
