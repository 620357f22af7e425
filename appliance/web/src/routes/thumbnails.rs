//! Small pictures of recorded footage: looks like playback, one key frame at a time.

use super::dispatch::{Asked, Call};
use super::playback::within;
use super::{Answer, AuditRule, CASE, NO_BODY, Permission, Query, QueryKind, ROLE, Route, handler};
use crate::error::{Error, Problem};
use crate::ports::KeyFrame;
use crate::server::widened;
use crate::spared::Spared;
use crate::stills::{STILLS_PER_SESSION_MAX, StillKey, find};
use crate::video::{media_error, still_allowed};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use bytes::Bytes;
use core::time::Duration;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use watchbook_access::case::check_number;
use watchbook_access::{Action, Case};
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{Kind, TimeRange, UtcNanos};

/// The gate is asked for whole windows of this length, so that a page of small pictures is an entry for each camera and hour; the entry names up to this much more than was
/// looked at, never less.
const WINDOW_NANOS: i64 = 3600 * NANOS_PER_SEC;
/// How wide a picture may be: few sizes, so that one that was made serves again.
const WIDTHS_PX: [u32; 3] = [160, 320, 640];
/// How long a request waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(10);
const START: HeaderName = HeaderName::from_static("watchbook-start-utc-ms");

const AT: Query =
    Query { name: "at_utc_ms", kind: QueryKind::Integer, required: true, about: "The moment, milliseconds UTC." };
const WIDTH: Query = Query {
    name: "width",
    kind: QueryKind::Integer,
    required: false,
    about: "Pixels across: 160, 320 or 640; 320 when left out.",
};

pub(crate) fn rows() -> Vec<Route> {
    vec![Route {
        method: Method::GET,
        path: "/api/v1/cameras/{camera}/thumbnail.jpg",
        id: "thumbnail",
        summary: "The last key frame at or before a moment, at most 30 s before it, as a small JPEG.",
        permission: Permission::InCase(asked),
        audit: AuditRule::FirstIn {
            window_s: 600,
            because: "a list or a pointer on a timeline asks for many pictures; each entry names the camera and the hours, as for playback",
        },
        body_bytes_max: NO_BODY,
        query: &[AT, WIDTH, ROLE, CASE],
        request: None,
        answer: Answer::Jpeg(&["Watchbook-Start-Utc-Ms"]),
        handler: handler!(thumbnail),
    }]
}

/// The moment, as an interval.
fn moment(asked: &super::dispatch::Arguments) -> Result<TimeRange, Error> {
    let ms = asked.integer(AT.name)?.ok_or_else(|| Error::invalid("at_utc_ms is missing"))?;
    if !(0..=7_258_118_400_000).contains(&ms) {
        return Err(Error::invalid("at_utc_ms must lie between the years 1970 and 2200"));
    }
    Ok(TimeRange { start: UtcNanos::from_ms(ms), end: UtcNanos::from_ms(ms + 1) })
}

/// It is playback: the same rights, the same entry. Inside its case a request is for the whole hours that it touches, as far as the case goes; outside, for the moment itself.
fn asked(asked: &Asked<'_>, case: Option<&Case>) -> Result<Action, Error> {
    let exact = moment(asked.query)?;
    let range = match case.and_then(|case| within(exact, case.range)) {
        Some(inside) if inside == exact => within(hours(widened(exact)), case.map_or(exact, |case| case.range)),
        _ => None,
    };
    let number = asked.query.text(CASE.name).unwrap_or_default();
    if !number.is_empty() {
        check_number(number).map_err(Error::invalid)?;
    }
    Ok(Action::Playback { camera: asked.path.camera()?, range: range.unwrap_or(exact), case: number.to_owned() })
}

/// The whole hours that `range` touches.
fn hours(range: TimeRange) -> TimeRange {
    let start = range.start.0.div_euclid(WINDOW_NANOS) * WINDOW_NANOS;
    let end = (range.end.0 - 1).div_euclid(WINDOW_NANOS) + 1;
    TimeRange { start: UtcNanos(start), end: UtcNanos(end * WINDOW_NANOS) }
}

/// A place among the pictures that are made, waited for.
async fn turn(call: &Call) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), Problem> {
    let (by_session, of_station) = call.app.stills();
    let own = by_session.of(&call.who()?.session);
    let Ok(Ok(of_session)) = timeout(TURN_WAIT, own.acquire_owned()).await else {
        let what = format!("this session waits for {STILLS_PER_SESSION_MAX} small pictures already");
        return Err(Problem::too_many(what, "Wait until they are there."));
    };
    let Ok(Ok(of_station)) = timeout(TURN_WAIT, Arc::clone(of_station).acquire_owned()).await else {
        let busy = Error::new(Kind::Exhausted, "too many small pictures are being made");
        return Err(busy.next("Wait a little, then try again.").into());
    };
    Ok((of_session, of_station))
}

async fn thumbnail(call: Call) -> Result<Response, Problem> {
    let stream = call.query.stream_of(call.path.camera()?)?;
    let at = moment(&call.query)?;
    let width_px = width(&call)?;
    let grant = Arc::clone(call.grant()?);
    let Action::Playback { range: granted, .. } = *grant.action() else {
        return Err(Error::new(Kind::Internal, "this row was opened for something else").into());
    };
    let still_allowed = still_allowed(&call)?;
    let turn = turn(&call).await?;
    let made = call.blocking(move |app| {
        // Held until the picture is made, even when nobody waits for it any more.
        let _turn = turn;
        let footage = &app.ports().footage;
        let wide = within(widened(at), granted).unwrap_or(at);
        let spans = footage.spans(&grant, stream, wide)?;
        let source = Spared::open(&**footage, &grant, &[stream], wide)?.not_before(granted.start);
        let found = find(stream, at.start, &spans, &source)?;
        let span = &spans[found.span];
        let key = StillKey { stream, recording: span.recording, dts: found.dts, width_px };
        let picture = match app.still_cache().get(&key, app.clock().mono()) {
            Some(picture) => picture,
            None => {
                use watchbook_media::SpanSource as _;
                let data = source.read(span, found.offset, found.len).map_err(|error| media_error(error.into()))?;
                let frame = KeyFrame { format: Arc::clone(&span.format), utc: found.utc, data, width_px };
                let made = app.ports().thumbnails.make(&frame)?;
                app.still_cache().keep(key, app.clock().mono(), made.clone());
                made
            }
        };
        Ok((found.utc, picture))
    });
    let (utc, picture) = made.await?;
    // It may have waited for half a minute.
    if !still_allowed() {
        return Err(Error::new(Kind::Denied, "the session has ended, or what it may has changed").into());
    }
    Ok(answer(utc, picture))
}

fn width(call: &Call) -> Result<u32, Error> {
    let asked = call.query.integer(WIDTH.name)?.unwrap_or(320);
    let width = u32::try_from(asked).ok().filter(|width| WIDTHS_PX.contains(width));
    width.ok_or_else(|| Error::invalid("width must be 160, 320 or 640"))
}

fn answer(utc: UtcNanos, picture: Bytes) -> Response {
    let mut response = Response::new(Body::from(picture));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    headers.insert(START, HeaderValue::from(utc.as_ms()));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn hours_contain_the_range_and_are_whole(start in 0_i64..7_258_118_400, len in 1_i64..60) {
            let range = TimeRange { start: UtcNanos(start * NANOS_PER_SEC), end: UtcNanos((start + len) * NANOS_PER_SEC) };
            let wide = hours(range);
            prop_assert!(wide.start <= range.start && range.end <= wide.end);
            prop_assert!(wide.start.0 % WINDOW_NANOS == 0 && wide.end.0 % WINDOW_NANOS == 0);
            prop_assert!(wide.nanos() < range.nanos() + 2 * WINDOW_NANOS);
        }
    }
}
