//! Playback: a few minutes as fragmented MP4.

use super::dispatch::{Asked, Call};
use super::{Answer, AuditRule, CASE, FROM, NO_BODY, Permission, Query, QueryKind, ROLE, Route, TO, handler};
use crate::error::{Error, Problem};
use crate::server::{PRE_ROLL, widened};
use crate::spared::{Spared, plan_error};
use crate::transcode::piece::{self, PIECE_NANOS_MAX, Piece};
use crate::transcode::{self, AS};
use crate::video::{self, Turn, Video};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::Response;
use std::sync::Arc;
use watchbook_access::case::check_number;
use watchbook_access::{Action, Case};
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{Kind, TimeRange, UtcNanos};
use watchbook_media::sample_entry::codec_string;
use watchbook_media::units::Units;
use watchbook_media::{FragmentedFile, SpanSummary, TrackFormat};

/// The page plays on by asking for one short range after another. The gate is asked for whole windows of this length, so that a few minutes of
/// watching are one entry; the entry then names up to this much more than was fetched, never less.
const WINDOW_NANOS: i64 = 300 * NANOS_PER_SEC;
/// A day at most may be named; the plan refuses more than 15 min.
const DAYS_MAX: i64 = 1;
const HEADERS: &[&str] = &[
    "Watchbook-Start-Utc-Ms",
    "Watchbook-End-Utc-Ms",
    "Watchbook-Codec",
    "Watchbook-Gap-Count",
    "Watchbook-Damaged-Utc-Ms",
    "Watchbook-Impaired-Utc-Ms",
];
const BASE: Query = Query {
    name: "base_utc_ms",
    kind: QueryKind::Integer,
    required: false,
    about: "The moment that is media time 0; the start of the first sample when left out.",
};

pub(crate) fn rows() -> Vec<Route> {
    vec![Route {
        method: Method::GET,
        path: "/api/v1/cameras/{camera}/playback.mp4",
        id: "playback",
        summary: "At most 15 minutes as fragmented MP4, from the key frame at or before the start to the end or a change of format. Damaged footage is left out.",
        permission: Permission::InCase(asked),
        audit: AuditRule::FirstIn {
            window_s: 600,
            because: "one look at a stretch of footage is many range requests; each entry names the camera and the stretch of at least 5 minutes",
        },
        body_bytes_max: NO_BODY,
        query: &[FROM, TO, ROLE, BASE, CASE, AS],
        request: None,
        answer: Answer::Mp4(HEADERS),
        handler: handler!(playback),
    }]
}

/// Inside its case, a request is for the whole windows that it touches, as far as the case goes; outside, for what was asked.
fn asked(asked: &Asked<'_>, case: Option<&Case>) -> Result<Action, Error> {
    let exact = asked.query.range(DAYS_MAX)?;
    let range = match case.and_then(|case| within(exact, case.range)) {
        Some(inside) if inside == exact => within(windows(widened(exact)), case.map_or(exact, |case| case.range)),
        _ => None,
    };
    let number = asked.query.text(CASE.name).unwrap_or_default();
    if !number.is_empty() {
        check_number(number).map_err(Error::invalid)?;
    }
    Ok(Action::Playback { camera: asked.path.camera()?, range: range.unwrap_or(exact), case: number.to_owned() })
}

/// What `range` and `window` share.
pub(super) fn within(range: TimeRange, window: TimeRange) -> Option<TimeRange> {
    TimeRange::new(range.start.max(window.start), range.end.min(window.end))
}

/// The whole windows that `range` touches.
fn windows(range: TimeRange) -> TimeRange {
    let start = range.start.0.div_euclid(WINDOW_NANOS) * WINDOW_NANOS;
    let end = range.end.0.div_euclid(WINDOW_NANOS) + i64::from(range.end.0.rem_euclid(WINDOW_NANOS) != 0);
    TimeRange { start: UtcNanos(start), end: UtcNanos(end * WINDOW_NANOS) }
}

async fn playback(call: Call) -> Result<Response, Problem> {
    let stream = call.query.stream_of(call.path.camera()?)?;
    let range = call.query.range(DAYS_MAX)?;
    let base = call.query.integer(BASE.name)?.map(UtcNanos::from_ms);
    let grant = Arc::clone(call.grant()?);
    let Action::Playback { range: granted, .. } = *grant.action() else {
        return Err(Error::new(Kind::Internal, "this row was opened for something else").into());
    };
    let transcoded = transcode::asked(&call.query)?;
    if transcoded && range.nanos() > PIECE_NANOS_MAX {
        let what = format!("at most {} s can be transcoded at once", PIECE_NANOS_MAX / NANOS_PER_SEC);
        return Err(Error::invalid(what).into());
    }
    let turn = video::turn(&call).await?;
    let planned = call.blocking(move |app| {
        let footage = &app.ports().footage;
        // At the beginning of a case footage begins at the next key frame: nothing before it is read.
        let wide = within(widened(range), granted).unwrap_or(range);
        let spans = footage.spans(&grant, stream, wide)?;
        let source = Spared::open(&**footage, &grant, &[stream], wide)?.not_before(granted.start);
        // A key frame longer ago than the pre-roll lies outside the grant: such footage starts at the next one.
        let reachable: Vec<SpanSummary> = spans.into_iter().filter(|span| span.range().overlaps(wide)).collect();
        // Reading the access units one by one needs no file, and a file no access units.
        if transcoded && reachable.first().is_some_and(|span| piece::needs(&span.format)) {
            let units = Units::plan(&reachable, range, base, &source).map_err(plan_error)?;
            return Ok(Planned::Units(Piece { units, source }));
        }
        let file = FragmentedFile::plan(&reachable, range, base, &source).map_err(plan_error)?;
        Ok(Planned::File(file, reachable, source))
    });
    let (file, spans, source) = match planned.await? {
        Planned::File(file, spans, source) => (file, spans, source),
        Planned::Units(piece) => return transcoded_piece(&call, turn, piece).await,
    };
    let delivered = file.range();
    let mut headers = headers(delivered, file.format(), &source);
    headers.push((HeaderName::from_static("watchbook-gap-count"), HeaderValue::from(file.gaps().len())));
    let salt = format!("playback {range:?} {base:?} {} {:?}", PRE_ROLL.as_secs(), source.left_out(delivered));
    let etag = video::etag(&salt, &spans);
    video::answer(
        &call,
        turn,
        Video { file: Arc::new(file), source: Arc::new(source), etag, headers, kind: "video/mp4" },
    )
}

/// What a range is made of.
enum Planned {
    File(FragmentedFile, Vec<SpanSummary>, Spared),
    Units(Piece),
}

/// What goes with footage of `delivered`, recorded in `format`.
fn headers(delivered: TimeRange, format: &TrackFormat, source: &Spared) -> Vec<(HeaderName, HeaderValue)> {
    let codec = codec_string(format).unwrap_or_default();
    let number = |number: i64| HeaderValue::from(number);
    vec![
        (HeaderName::from_static("watchbook-start-utc-ms"), number(delivered.start.as_ms())),
        (HeaderName::from_static("watchbook-end-utc-ms"), number(delivered.end.as_ms())),
        (
            HeaderName::from_static("watchbook-codec"),
            HeaderValue::try_from(codec).unwrap_or(HeaderValue::from_static("")),
        ),
        source.header(delivered),
        source.impaired_header(delivered),
    ]
}

/// The same, transcoded. Its headers tell of the recorded footage.
async fn transcoded_piece(call: &Call, turn: Turn, piece: Piece) -> Result<Response, Problem> {
    let transcoders = Arc::clone(&call.app.ports().transcoders);
    let place = call.app.transcodes().for_piece(&*transcoders).await?;
    let headers = headers(piece.units.range(), piece.units.format(), &piece.source);
    piece::answer(transcoders, (place, turn), piece, headers, video::still_allowed(call)?).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn windows_contain_the_range_and_are_whole(start in 0_i64..7_258_118_400, len in 1_i64..900) {
            let range = TimeRange { start: UtcNanos(start * NANOS_PER_SEC), end: UtcNanos((start + len) * NANOS_PER_SEC) };
            let wide = windows(range);
            prop_assert!(wide.start <= range.start && range.end <= wide.end);
            prop_assert!(wide.start.0 % WINDOW_NANOS == 0 && wide.end.0 % WINDOW_NANOS == 0);
            prop_assert!(wide.nanos() < range.nanos() + 2 * WINDOW_NANOS);
        }
    }
}
