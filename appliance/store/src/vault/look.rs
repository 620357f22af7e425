//! Looking at the rings' indexes: what a hold would take, what is still to be copied, what is missing.

use super::copy::{Job, sorted};
use super::hold::{HoldId, HoldRequest, MISSING_LISTED_MAX, MissingFootage, MissingReason};
use super::plan::{
    HOLE_NANOS_MAX, SourceSpan, bytes_beside, copied_range, not_covered, plan_missing, plan_tasks, with_reasons,
};
use super::queue::Fate;
use super::record::VaultRecord;
use super::rot;
use super::source::{Source, Sources};
use super::state::{Hold, OpenVault, Pending};
use crate::catalog::span;
use crate::error::Result;
use crate::format::DamagedRun;
use crate::reader::span_keys;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{CameraId, Gap, StreamId, TimeRange, TrackRole, UtcNanos};

pub(crate) const HOUR_NANOS: i64 = 3600 * NANOS_PER_SEC;
/// Time over which the rate of what is still to come is measured.
const RATE_NANOS: i64 = 600 * NANOS_PER_SEC;
/// Gaps of one hold: a camera that fails every ten seconds for eleven days. The rest of the range is then listed as missing.
const GAPS_PER_HOLD_MAX: usize = 100_000;

/// Every stream that a camera may have.
pub(crate) fn streams_of(cameras: &BTreeSet<CameraId>) -> impl Iterator<Item = StreamId> + '_ {
    cameras.iter().flat_map(|camera| TrackRole::ALL.map(|role| camera.stream(role)))
}

/// Spans of all rings that the range of `request` takes something of, and whether some of that is not acknowledged yet.
fn spans_of(sources: &[Source], request: &HoldRequest) -> Result<(Vec<(usize, SourceSpan)>, bool)> {
    let range = copied_range(request.range);
    let (mut found, mut undurable) = (Vec::new(), false);
    for (at, source) in sources.iter().enumerate() {
        for stream in streams_of(&request.cameras) {
            let (spans, more) = source.spans(stream, range)?;
            found.extend(spans.into_iter().map(|span| (at, span)));
            undurable |= more;
        }
    }
    Ok((found, undurable))
}

/// Bytes of what will arrive in the range after `now`, at the rate of the last ten minutes.
fn bytes_to_come(sources: &[Source], request: &HoldRequest, now: UtcNanos) -> Result<u64> {
    let ahead = request.range.end.nanos_since(now.max(request.range.start));
    if ahead <= 0 {
        return Ok(0);
    }
    let recent = TimeRange { start: now.plus_nanos(-RATE_NANOS), end: now };
    let of_recent = HoldRequest { range: recent, ..request.clone() };
    let bytes: u64 = spans_of(sources, &of_recent)?.0.iter().map(|(_, span)| span.bytes).sum();
    let scaled = u128::from(bytes) * u128::from(ahead.unsigned_abs()) / u128::from(RATE_NANOS.unsigned_abs());
    Ok(u64::try_from(scaled).unwrap_or(u64::MAX))
}

/// Of when the rings know what became of each stream: from their oldest footage of it to now while a gap goes on, else to the end of the newest. They
/// know nothing of a stream that is not in it. After a power cut the gap is told by the first commit.
type Knowledge = BTreeMap<StreamId, TimeRange>;

fn knowledge(sources: &[Source], cameras: &BTreeSet<CameraId>, now: UtcNanos) -> Result<Knowledge> {
    let mut knowledge = Knowledge::new();
    let moment = TimeRange { start: now.plus_nanos(-1), end: now.plus_nanos(1) };
    for source in sources {
        for stream in streams_of(cameras) {
            let footage = source.part.first_last(stream)?;
            let gaps = source.gaps(stream, moment, now)?;
            let gap = gaps.first().map(|gap| TimeRange { start: gap.range.start.min(now), end: now });
            for known in [footage, gap].into_iter().flatten() {
                let all = knowledge.entry(stream).or_insert(known);
                *all = TimeRange { start: all.start.min(known.start), end: all.end.max(known.end) };
            }
        }
    }
    Ok(knowledge)
}

/// What a new hold would take, and what of it is not stored any more: nothing while a disk or an index is not there to be asked.
pub(crate) fn estimate(sources: &Sources, request: &HoldRequest, now: UtcNanos) -> Result<(u64, Vec<MissingFootage>)> {
    let Sources { list: sources, whole } = sources;
    let is_known = *whole && sources.iter().all(Source::is_indexed);
    let (spans, _) = spans_of(sources, request)?;
    let bytes =
        spans.iter().map(|(_, span)| span.bytes).fold(bytes_to_come(sources, request, now)?, u64::saturating_add);
    if !is_known {
        return Ok((bytes, Vec::new()));
    }
    let mut have: BTreeMap<StreamId, Vec<TimeRange>> = BTreeMap::new();
    for (_, span) in &spans {
        have.entry(span.stream).or_default().push(span.range);
    }
    for source in sources {
        for stream in streams_of(&request.cameras) {
            let gaps = source.gaps(stream, request.range, now)?;
            if !gaps.is_empty() {
                have.entry(stream).or_default().extend(gaps.iter().map(|gap| gap.range));
            }
        }
    }
    let mut missing = Vec::new();
    let knowledge = knowledge(sources, &request.cameras, now)?;
    for (stream, open) in open_ranges(request, &have, (&knowledge, now)) {
        let reason = MissingReason::NotStored;
        missing.extend(open.iter().map(|hole| MissingFootage { stream, start: hole.start, end: hole.end, reason }));
    }
    missing.truncate(MISSING_LISTED_MAX);
    Ok((bytes, missing))
}

/// The parts of the range up to `now` of which nothing is known, stream by stream. A stream without anything counts only when its camera has none.
fn open_ranges(
    request: &HoldRequest,
    have: &BTreeMap<StreamId, Vec<TimeRange>>,
    until: (&Knowledge, UtcNanos),
) -> Vec<(StreamId, Vec<TimeRange>)> {
    let (knowledge, now) = until;
    let past = |stream: StreamId| {
        let end = knowledge.get(&stream).map_or(now, |known| known.end).min(now).min(request.range.end);
        TimeRange { start: request.range.start, end: end.max(request.range.start) }
    };
    let mut open = Vec::new();
    for camera in &request.cameras {
        let known: Vec<StreamId> = TrackRole::ALL
            .map(|role| camera.stream(role))
            .into_iter()
            .filter(|stream| have.contains_key(stream))
            .collect();
        match known.is_empty() {
            true => {
                let stream = camera.stream(TrackRole::MainVideo);
                open.push((stream, plan_missing(past(stream), &[])));
            }
            false => open.extend(known.into_iter().map(|stream| {
                (stream, plan_missing(past(stream), have.get(&stream).map(Vec::as_slice).unwrap_or_default()))
            })),
        }
    }
    open
}

/// What one look found.
pub(crate) struct Look {
    pub(crate) jobs: VecDeque<Job>,
    /// Gaps that are to be held.
    pub(crate) gaps: Vec<(HoldId, Vec<Gap>)>,
}

/// Looks at every hold that is not settled and notes how far it is.
pub(crate) fn look(vault: &OpenVault, sources: &Sources, now: UtcNanos) -> Result<Look> {
    let Sources { list: sources, whole } = sources;
    let unsettled: Vec<(HoldId, Hold)> = {
        let mut state = vault.state();
        // A clock that was set back brings footage for ranges that were over.
        let again = state.holds.values_mut().filter(|hold| copied_range(hold.logged.request.range).end > now);
        again.for_each(|hold| hold.settled = false);
        let wanted = state.holds.iter().filter(|(_, hold)| hold.is_active() && !hold.settled);
        wanted.map(|(id, hold)| (*id, hold.clone())).collect()
    };
    let mut jobs = Vec::new();
    let mut gaps = Vec::new();
    for (id, hold) in unsettled {
        let request = &hold.logged.request;
        // First: what is committed meanwhile is then found below, or not known of here.
        let knowledge = knowledge(sources, &request.cameras, now)?;
        let found = look_at(vault, (id, &hold), sources, now)?;
        let gaps_left = gaps_to_hold(&hold, sources, now)?;
        let over = copied_range(request.range).end <= now;
        let told = knowledge.values().all(|known| known.end >= request.range.end);
        let indexed = *whole && sources.iter().all(Source::is_indexed);
        // Nothing is said to be missing that a segment of the vault may have, a disk that is away, or a ring once it is acknowledged.
        let known = indexed && !found.undurable && !vault.state().may_have_more(id);
        let settled = over && told && known && found.jobs.is_empty() && gaps_left.is_empty();
        let missing = match settled || (hold.look_again && known) {
            true => Some(missing_of(vault, (id, &hold), (&found.spans, &gaps_left), (&knowledge, now))?),
            false => None,
        };
        if let Some(missing) = missing.as_ref().filter(|_| settled) {
            note_missing(vault, (id, &hold), missing)?;
        }
        let left_bytes = found.bytes.saturating_add(bytes_to_come(sources, request, now)?);
        let mut state = vault.state();
        if let Some(known) = state.holds.get_mut(&id) {
            let pending = Pending { partial: !whole, ..found.pending };
            (known.left_bytes, known.pending, known.settled) = (left_bytes, Some(pending), settled);
            known.from_holds = found.from_holds;
            known.waits_for_disk = over && !whole && found.jobs.is_empty();
            if let Some(missing) = missing {
                known.lists_missing(missing);
                known.look_again = false;
            }
        }
        drop(state);
        jobs.extend(found.jobs);
        if !gaps_left.is_empty() {
            gaps.push((id, gaps_left));
        }
    }
    Ok(Look { jobs: sorted(jobs), gaps })
}

/// What became of a job that waited before a look at `sources`.
pub(super) fn fate(vault: &OpenVault, sources: &Sources, job: &Job) -> Fate {
    let (disk, task) = (job.source.disk(), &job.task);
    let state = vault.state();
    let hold = state.holds.get(&job.hold).filter(|hold| hold.is_active());
    let is_copied = |hold: &Hold| hold.covered.of(disk).first_outside(task.seq_from) > task.seq_to;
    if hold.is_none_or(is_copied) {
        return Fate::Over;
    }
    drop(state);
    let mut source = sources.list.iter().find(|source| source.disk() == disk);
    if disk == vault.dir.disk() {
        source = Some(&job.source);
    }
    match source {
        None if sources.whole => Fate::Lost(MissingReason::Disk),
        None => Fate::Away,
        Some(source) if !source.is_there(task) => Fate::Lost(MissingReason::Overwritten),
        Some(source) => {
            let erased: Vec<SourceSpan> = job.spans.iter().filter(|span| source.is_erased(span)).cloned().collect();
            match job.footage_of(&erased) {
                erased if erased.is_empty() => Fate::Stays,
                erased => Fate::Erased(erased),
            }
        }
    }
}

struct LookAt {
    jobs: Vec<Job>,
    spans: Vec<SourceSpan>,
    pending: Pending,
    bytes: u64,
    from_holds: BTreeSet<HoldId>,
    /// The rings have more that is not acknowledged yet.
    undurable: bool,
}

fn look_at(vault: &OpenVault, of: (HoldId, &Hold), sources: &[Source], now: UtcNanos) -> Result<LookAt> {
    let (id, hold) = of;
    let mut of_source: BTreeMap<usize, Vec<SourceSpan>> = BTreeMap::new();
    let (found, undurable) = spans_of(sources, &hold.logged.request)?;
    let mut from_holds = BTreeSet::new();
    let mut sources = sources.to_vec();
    let mut bytes = 0_u64;
    // What only another hold has does not become more with time: it is looked for until all of it is copied.
    if hold.look_again || hold.pending.is_none() || !hold.from_holds.is_empty() {
        let others = spans_of_others(vault, of, &found)?;
        (from_holds, bytes) = (others.owners, others.bytes);
        of_source.insert(sources.len(), others.spans);
        sources.push(Source { part: vault.part.clone(), shared: None });
    }
    for (at, span) in found {
        of_source.entry(at).or_default().push(span);
    }
    let mut pending = Pending { looked_hour: now.0.div_euclid(HOUR_NANOS), ..Pending::default() };
    let (mut jobs, mut waiting) = (Vec::new(), Vec::new());
    for (at, mut spans) in of_source {
        let Some(source) = sources.get(at) else { continue };
        let covered = hold.covered.of(source.disk());
        spans.retain(|span| covered.first_outside(span.first_seq) <= span.last_seq);
        for span in &spans {
            let hours = span.range.start.0.div_euclid(HOUR_NANOS)..=span.range.end.0.div_euclid(HOUR_NANOS);
            pending.hours.extend(hours.map(|hour| (span.stream.camera, hour)));
        }
        let spans = Arc::new(spans);
        for task in plan_tasks(&spans, &covered) {
            let of_ring = if source.part.is_vault() { 0 } else { task.bytes };
            bytes = bytes.saturating_add(of_ring);
            jobs.push(Job { hold: id, source: source.clone(), task, spans: spans.clone() });
        }
        waiting.extend(spans.iter().cloned());
    }
    Ok(LookAt { jobs, spans: waiting, pending, bytes, from_holds, undurable })
}

/// Spans that the rings have overwritten, this hold does not have, and others do: all copies, because one may not be readable. The copier writes one of each run.
struct OfOthers {
    owners: BTreeSet<HoldId>,
    spans: Vec<SourceSpan>,
    /// Of one copy of each, as far as the hold does not have it.
    bytes: u64,
}

fn spans_of_others(vault: &OpenVault, of: (HoldId, &Hold), rings: &[(usize, SourceSpan)]) -> Result<OfOthers> {
    let (id, hold) = of;
    let request = &hold.logged.request;
    let (held, _) = spans_of(&[Source { part: vault.part.clone(), shared: None }], request)?;
    let owners: BTreeMap<u32, HoldId> = vault.state().slots.iter().map(|(slot, info)| (*slot, info.hold)).collect();
    let (own, others): (Vec<SourceSpan>, Vec<SourceSpan>) =
        held.into_iter().map(|(_, span)| span).partition(|span| owners.get(&span.slot) == Some(&id));
    let have: Vec<SourceSpan> = rings.iter().map(|(_, span)| span.clone()).chain(own).collect();
    // Beside a run that has rotted the rest of its minute is there: what has that run counts as a whole.
    let unmended = vault.unmended(id)?;
    let mends = |span: &SourceSpan| {
        let of_span = unmended.iter().filter(|run| run.stream == span.stream && rot::has([span.range], run));
        let has_ring = |run: &DamagedRun| {
            let of_stream = rings.iter().filter(|(_, ring)| ring.stream == run.stream);
            rot::has(of_stream.map(|(_, ring)| ring.range), run)
        };
        of_span.into_iter().any(|run| !has_ring(run))
    };
    let (mut wanted, others): (Vec<SourceSpan>, Vec<SourceSpan>) = others.into_iter().partition(mends);
    wanted.extend(not_covered(others, &have));
    let covered = hold.covered.of(vault.dir.disk());
    wanted.retain(|span| covered.first_outside(span.first_seq) <= span.last_seq);
    let owners = wanted.iter().filter_map(|span| owners.get(&span.slot).copied()).collect();
    let bytes = bytes_beside(&wanted, &have);
    Ok(OfOthers { owners, spans: wanted, bytes })
}

/// Gaps of the rings inside the range that the vault does not have. One that goes on is held when the range is over.
fn gaps_to_hold(hold: &Hold, sources: &[Source], now: UtcNanos) -> Result<Vec<Gap>> {
    let request = &hold.logged.request;
    let room = GAPS_PER_HOLD_MAX.saturating_sub(hold.gaps.len());
    let mut found: BTreeMap<(StreamId, i64), Gap> = BTreeMap::new();
    for source in sources {
        for stream in streams_of(&request.cameras) {
            for mut gap in source.gaps(stream, request.range, now)? {
                let goes_on = gap.range.end >= now;
                if goes_on && request.range.end > now {
                    continue;
                }
                if goes_on {
                    gap.range.end = request.range.end.max(gap.range.start);
                }
                let key = (stream, gap.range.start.0);
                if !hold.gaps.contains(&key) {
                    found.insert(key, gap);
                }
            }
        }
    }
    Ok(found.into_values().take(room).collect())
}

/// What of the range up to `now` is neither held nor waiting to be copied.
fn missing_of(
    vault: &OpenVault,
    of: (HoldId, &Hold),
    waiting: (&[SourceSpan], &[Gap]),
    until: (&Knowledge, UtcNanos),
) -> Result<Vec<MissingFootage>> {
    let (id, hold) = of;
    let request = &hold.logged.request;
    let slots = vault.state().files_of(id);
    let mut have: BTreeMap<StreamId, Vec<TimeRange>> = BTreeMap::new();
    for stream in streams_of(&request.cameras) {
        let mut parts = held_spans(vault, stream, request.range, &slots)?;
        parts.extend(vault.part.gaps(stream, request.range, until.1)?.iter().map(|gap| gap.range));
        if !parts.is_empty() {
            have.insert(stream, parts);
        }
    }
    for span in waiting.0 {
        have.entry(span.stream).or_default().push(span.range);
    }
    for gap in waiting.1 {
        have.entry(gap.stream).or_default().push(gap.range);
    }
    let mut known = hold.logged.missing.clone();
    // What has rotted since it was copied, and is not to be copied again.
    let is_waiting = |run: &DamagedRun| {
        let of_stream = waiting.0.iter().filter(|span| span.stream == run.stream);
        rot::has(of_stream.map(|span| span.range), run)
    };
    for one in vault.unmended(id)?.iter().filter(|run| !is_waiting(run)).map(rot::missing) {
        known.entry((one.stream, one.start)).or_insert(one);
    }
    let known: Vec<MissingFootage> = known.into_values().collect();
    let open = open_ranges(request, &have, until).into_iter();
    let mut missing: Vec<MissingFootage> = open
        .flat_map(|(stream, open)| {
            let oldest = until.0.get(&stream).map_or(until.1, |known| known.start);
            with_reasons(stream, &open, &known, oldest)
        })
        .collect();
    // A run of half a second that does not check out is no hole worth listing, but it is lost. What was overwritten at length and is there all the same
    // came from elsewhere.
    let is_long = |one: &MissingFootage| one.end.nanos_since(one.start) > 2 * HOLE_NANOS_MAX;
    let is_lost = |known: &&MissingFootage| match known.reason {
        MissingReason::NotStored => false,
        MissingReason::Overwritten => !is_long(known),
        MissingReason::Damaged | MissingReason::Erased | MissingReason::Disk => true,
    };
    let lost = known.iter().filter(is_lost);
    missing.extend(
        lost.filter(|lost| {
            !missing.iter().any(|one| one.stream == lost.stream && one.start <= lost.start && lost.end <= one.end)
        })
        .copied()
        .collect::<Vec<_>>(),
    );
    Ok(merged(missing))
}

/// Stretches of one stream and reason that touch are one.
fn merged(mut missing: Vec<MissingFootage>) -> Vec<MissingFootage> {
    missing.sort_by_key(|one| (one.stream, one.reason, one.start));
    missing.dedup_by(|next, one| {
        let touches = (one.stream, one.reason) == (next.stream, next.reason) && next.start <= one.end;
        if touches {
            one.end = one.end.max(next.end);
        }
        touches
    });
    missing.sort();
    missing
}

/// States what a settled hold lacks: once the ring has moved on, nobody could tell any more what it never had.
fn note_missing(vault: &OpenVault, of: (HoldId, &Hold), missing: &[MissingFootage]) -> Result<()> {
    let (id, hold) = of;
    let known = &hold.logged.missing;
    let is_new = |one: &&MissingFootage| known.get(&(one.stream, one.start)).is_none_or(|known| known.end < one.end);
    let fresh: Vec<MissingFootage> = missing.iter().filter(is_new).copied().collect();
    let fresh = hold.logged.room_for(&fresh);
    if fresh.is_empty() {
        return Ok(());
    }
    let records = fresh.iter().map(|missing| VaultRecord::Missing { hold: id, missing: *missing }).collect();
    vault.log().append(records)?;
    if let Some(hold) = vault.state().holds.get_mut(&id) {
        hold.logged.missing.extend(fresh.iter().map(|one| ((one.stream, one.start), *one)));
    }
    Ok(())
}

/// Ranges of the spans that these segments of the vault have.
fn held_spans(vault: &OpenVault, stream: StreamId, range: TimeRange, slots: &BTreeSet<u32>) -> Result<Vec<TimeRange>> {
    let mut found = Vec::new();
    span::scan(&*vault.kv, &span_keys(stream, range), &mut |key, row| {
        if slots.contains(&row.slot) {
            found.push(span::range_of(&key, &row));
        }
    })?;
    Ok(found)
}
