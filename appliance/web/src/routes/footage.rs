//! What is recorded: spans and gaps.

use super::dispatch::Call;
use super::{Answer, AuditRule, FROM, NO_BODY, Permission, ROLE, Route, Shape, TO, handler};
use crate::api;
use crate::error::{Error, Problem};
use crate::routes::dispatch::ok;
use axum::http::Method;
use axum::response::Response;
use std::sync::Arc;
use watchbook_access::Action;
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{TimeRange, UtcNanos};
use watchbook_media::{Codec, SpanSummary, sample_entry::codec_string};

/// Longest interval of one list: 32 days × 1440 spans are 46,080 rows of the index before neighbours are joined. A longer question is answered
/// when the footage that exists inside it is not longer.
const DAYS_MAX: i64 = 32;
/// Longest question: any two moments that a range can name.
const ASKED_DAYS_MAX: i64 = 84_500;

pub(crate) fn rows() -> Vec<Route> {
    vec![Route {
        method: Method::GET,
        path: "/api/v1/cameras/{camera}/recordings",
        id: "recordings",
        summary: "Spans and gaps of one stream in an interval that holds at most 32 days of footage.",
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
        Ok(api::RecordingList {
            spans: joined(&spans),
            gaps: gaps.iter().map(shown_gap).collect(),
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

fn shown_gap(gap: &watchbook_base::Gap) -> api::Gap {
    api::Gap { start_utc_ms: gap.range.start.as_ms(), end_utc_ms: gap.range.end.as_ms(), reason: gap.reason }
}

/// Neighbours of one recording as one.
fn joined(spans: &[SpanSummary]) -> Vec<api::Span> {
    let mut list: Vec<api::Span> = Vec::new();
    let mut last = None;
    for span in spans {
        let range = span.range();
        if last == Some(span.recording)
            && let Some(open) = list.last_mut()
        {
            open.end_utc_ms = range.end.as_ms();
            open.byte_count += span.byte_count;
            continue;
        }
        last = Some(span.recording);
        let (width, height) = match span.format.codec {
            Codec::H264 { width, height } | Codec::H265 { width, height } => (width, height),
            _ => (0, 0),
        };
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
    list
}
