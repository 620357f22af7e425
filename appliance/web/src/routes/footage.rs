//! What is recorded: spans, gaps, what is damaged, held or erased.

use super::dispatch::Call;
use super::{Answer, AuditRule, FROM, NO_BODY, Permission, ROLE, Route, Shape, TO, handler};
use crate::api;
use crate::app::App;
use crate::error::{Error, Problem};
use crate::ports::{Damaged, HoldRow, ImpairedList};
use crate::routes::dispatch::ok;
use axum::http::Method;
use axum::response::Response;
use std::sync::Arc;
use watchbook_access::{Action, Grant};
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{CameraId, GapReason, Kind, TimeRange, UtcNanos};
use watchbook_media::impaired::{Impaired, merged};
use watchbook_media::{SpanSummary, sample_entry::codec_string};

/// Longest interval of one list: 32 days × 1440 spans are 46,080 rows of the index before neighbours are joined. A longer question is answered
/// when the footage that exists inside it is not longer.
const DAYS_MAX: i64 = 32;
/// Neighbours of one recording touch; clocks and roundings are allowed this much.
const TOUCH_MS: i64 = 1000;
/// Impaired intervals in one list: a pixel each on a narrow screen, 40 kB.
const IMPAIRED_MAX: usize = 500;
/// Erased hours in one list: 32 days.
const ERASED_MAX: usize = 768;
/// Longest question: any two moments that a range can name.
const ASKED_DAYS_MAX: i64 = 84_500;

pub(crate) fn rows() -> Vec<Route> {
    vec![Route {
        method: Method::GET,
        path: "/api/v1/cameras/{camera}/recordings",
        id: "recordings",
        summary: "Spans, gaps, damage, impaired intervals, holds and erasures of one stream in an interval that holds at most 32 days of footage.",
        permission: Permission::Asks(|asked| Ok(Action::Timeline { camera: asked.path.camera()? })),
        audit: AuditRule::FirstIn {
            window_s: 300,
            because: "the page asks again while it scrolls, and it shows no pictures",
        },
        body_bytes_max: NO_BODY,
        query: &[FROM, TO, ROLE],
        request: None,
        answer: Answer::Json(200, Shape::of::<api::RecordingList>()),
        handler: handler!(recordings),
    }]
}

async fn recordings(call: Call) -> Result<Response, Problem> {
    let stream = call.query.stream_of(call.path.camera()?)?;
    let asked = call.query.range(ASKED_DAYS_MAX)?;
    let grant = Arc::clone(call.grant()?);
    let now = call.app.clock().utc();
    let list = call.blocking(move |app| {
        let footage = &app.ports().footage;
        let extent = footage.extent(&grant, stream)?;
        let range = bounded(asked, extent, now)?;
        let spans = footage.spans(&grant, stream, range)?;
        let gaps = footage.gaps(&grant, stream, range)?;
        // The list is useful without this figure, and the health page shows why it is missing.
        let ring_days_now = app.ports().health.ring().ok().and_then(|ring| ring.ring_days_now);
        let (spans, lost) = joined(&spans);
        let (impaired, impaired_merged) = shown_impaired(footage.impaired(&grant, stream, range)?);
        Ok(api::RecordingList {
            spans,
            gaps: with_lost(gaps.iter().map(shown_gap).collect(), lost),
            damaged: footage.damaged(&grant, stream, range)?.iter().map(shown_damage).collect(),
            impaired,
            impaired_merged,
            held: held(app, stream.camera, asked)?,
            erased: erased(app, &grant, stream.camera, asked)?,
            first_utc_ms: extent.map(|extent| extent.start.as_ms()),
            last_utc_ms: extent.map(|extent| extent.end.as_ms()),
            ring_days_now,
        })
    });
    ok(&list.await?)
}

/// What of `asked` can hold anything: from the oldest footage to now, or to the newest where the clock was set back.
fn bounded(asked: TimeRange, extent: Option<TimeRange>, now: UtcNanos) -> Result<TimeRange, Error> {
    let days = |range: TimeRange| range.nanos() / (86_400 * NANOS_PER_SEC);
    if days(asked) < DAYS_MAX {
        return Ok(asked);
    }
    let start = extent.map_or(now, |extent| extent.start).max(asked.start);
    let end = extent.map_or(now, |extent| extent.end.max(now)).min(asked.end).max(start);
    let range = TimeRange { start, end };
    if days(range) >= DAYS_MAX {
        return Err(
            Error::invalid(format!("the interval holds more than {DAYS_MAX} days of footage")).next("Ask for less.")
        );
    }
    Ok(range)
}

fn shown_damage(damaged: &Damaged) -> api::DamagedInterval {
    api::DamagedInterval {
        start_utc_ms: damaged.range.start.as_ms(),
        end_utc_ms: damaged.range.end.as_ms(),
        kind: damaged.kind,
    }
}

/// At most [`IMPAIRED_MAX`] intervals, and whether they say less than is known.
fn shown_impaired(found: ImpairedList) -> (Vec<api::ImpairedInterval>, bool) {
    let (list, merged) = merged(found.list, IMPAIRED_MAX);
    let shown = |one: Impaired| api::ImpairedInterval {
        start_utc_ms: one.range.start.as_ms(),
        end_utc_ms: one.range.end.as_ms(),
        lost: (!found.coarse).then_some(one.lost),
    };
    (list.into_iter().map(shown).collect(), merged || found.coarse)
}

/// Holds in force on `camera` that share a moment with `range`.
fn held(app: &App, camera: CameraId, range: TimeRange) -> Result<Vec<api::HeldInterval>, Error> {
    let in_force =
        |row: &HoldRow| row.release.is_none() && row.order.cameras.contains(&camera) && row.order.range.overlaps(range);
    let holds = match app.ports().holds.list() {
        // The vault's disk is away: the list is useful without, and the health page says so.
        Err(error) if error.kind == Kind::Unavailable => Vec::new(),
        holds => holds?,
    };
    let mut held: Vec<_> = holds.into_iter().filter(in_force).map(shown_hold).collect();
    held.sort_by_key(|interval| interval.start_utc_ms);
    Ok(held)
}

fn shown_hold(row: HoldRow) -> api::HeldInterval {
    api::HeldInterval {
        hold: row.id.to_string(),
        case: row.order.case,
        start_utc_ms: row.order.range.start.as_ms(),
        end_utc_ms: row.order.range.end.as_ms(),
        state: row.state,
    }
}

/// Erased hours of `camera` that share a moment with `range`: at most a month of them.
fn erased(app: &App, grant: &Grant, camera: CameraId, range: TimeRange) -> Result<Vec<api::Erasure>, Error> {
    let mut erased = app.ports().retention.erasures(grant, camera, range.end, ERASED_MAX)?;
    erased.retain(|erasure| erasure.end_utc_ms > range.start.as_ms());
    erased.reverse();
    Ok(erased)
}

fn shown_gap(gap: &watchbook_base::Gap) -> api::Gap {
    api::Gap { start_utc_ms: gap.range.start.as_ms(), end_utc_ms: gap.range.end.as_ms(), reason: gap.reason }
}

/// Adds what was `lost` after it had been recorded: stretches that no row of `gaps` tells of.
fn with_lost(mut gaps: Vec<api::Gap>, lost: Vec<api::Gap>) -> Vec<api::Gap> {
    let untold = |hole: &api::Gap| {
        !gaps.iter().any(|gap| gap.start_utc_ms < hole.end_utc_ms && hole.start_utc_ms < gap.end_utc_ms)
    };
    let untold: Vec<_> = lost.into_iter().filter(untold).collect();
    gaps.extend(untold);
    gaps.sort_by_key(|gap| gap.start_utc_ms);
    gaps
}

/// Neighbours of one recording as one, and the holes between those that do not touch. A recording has none when it is written: such footage was lost
/// with a segment of the disk.
fn joined(spans: &[SpanSummary]) -> (Vec<api::Span>, Vec<api::Gap>) {
    let mut list: Vec<api::Span> = Vec::new();
    let mut holes = Vec::new();
    let mut last = None;
    for span in spans {
        let range = span.range();
        let open = list.last_mut().filter(|_| last == Some(span.recording));
        let (start, end) = (range.start.as_ms(), open.as_ref().map_or(i64::MAX, |open| open.end_utc_ms));
        if start.saturating_sub(end) > TOUCH_MS {
            holes.push(api::Gap { start_utc_ms: end, end_utc_ms: start, reason: GapReason::Disk });
        } else if let Some(open) = open {
            open.end_utc_ms = range.end.as_ms();
            open.byte_count += span.byte_count;
            continue;
        }
        last = Some(span.recording);
        let (width, height) = span.format.codec.dimensions().unwrap_or_default();
        list.push(api::Span {
            start_utc_ms: range.start.as_ms(),
            end_utc_ms: range.end.as_ms(),
            recording: span.recording.0.to_string(),
            codec_string: codec_string(&span.format).unwrap_or_default(),
            width,
            height,
            byte_count: span.byte_count,
        });
    }
    (list, holes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use watchbook_base::{CameraId, Ticks90k, TrackRole};
    use watchbook_media::{Codec, RecordingId, TrackFormat};

    /// A second-long span of a recording that begins at this second.
    fn span(recording: u64, second: i64) -> SpanSummary {
        let codec = Codec::H264 { width: 640, height: 360 };
        SpanSummary {
            stream: CameraId::new(1).unwrap().stream(TrackRole::MainVideo),
            recording: RecordingId(recording),
            format: Arc::new(TrackFormat { codec, config: Bytes::from_static(&[1, 0x64, 0, 0x1F]) }),
            first_dts: Ticks90k(second * 90_000),
            end_dts: Ticks90k((second + 1) * 90_000),
            start_utc: UtcNanos::from_ms(second * 1000),
            sample_count: 25,
            key_count: 1,
            run_count: 1,
            byte_count: 100,
            has_cts: false,
            has_lost: false,
            locator: 0,
        }
    }

    fn gap(start_utc_ms: i64, end_utc_ms: i64, reason: GapReason) -> api::Gap {
        api::Gap { start_utc_ms, end_utc_ms, reason }
    }

    #[test]
    fn footage_lost_with_a_segment_is_a_gap_and_not_part_of_a_span() {
        // 0 to 2, nothing until 7, 7 to 8; then another recording after a pause that has its row.
        let (spans, lost) = joined(&[span(1, 0), span(1, 1), span(1, 7), span(2, 20)]);
        let ranges: Vec<_> = spans.iter().map(|span| (span.start_utc_ms, span.end_utc_ms, span.byte_count)).collect();
        assert_eq!(ranges, [(0, 2000, 200), (7000, 8000, 100), (20_000, 21_000, 100)]);
        assert_eq!(lost, [gap(2000, 7000, GapReason::Disk)]);

        let told = gap(8000, 20_000, GapReason::Restart);
        assert_eq!(with_lost(vec![told.clone()], lost.clone()), [lost[0].clone(), told]);
        let dropped = gap(2000, 7000, GapReason::Overload);
        assert_eq!(with_lost(vec![dropped.clone()], lost), [dropped], "the row that says why is enough");
    }
}
