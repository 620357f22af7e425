//! Events.

use super::dispatch::{Arguments, Call, ok};
use super::{Answer, AuditRule, CURSOR, FROM, LIMIT, NO_BODY, Permission, Query, QueryKind, Route, Shape, TO, handler};
use crate::api;
use crate::error::{Error, Problem};
use crate::ports::{EventCursor, EventQuery};
use axum::http::Method;
use axum::response::Response;
use std::collections::BTreeSet;
use std::sync::Arc;
use watchbook_access::Action;
use watchbook_base::limits::EVENT_WORD_BYTES_MAX;
use watchbook_base::{CameraId, UtcNanos};

/// Longest interval of one search.
pub(crate) const DAYS_MAX: i64 = 32;
/// Most rows of one page of anything.
pub(crate) const PAGE_ROWS_MAX: i64 = 500;
/// Rows of a page when the caller does not say.
const PAGE_ROWS: i64 = 100;
pub(crate) const CAMERA: Query = Query {
    name: "camera",
    kind: QueryKind::Integer,
    required: false,
    about: "Only this camera; all of the account's when left out.",
};
pub(crate) const KIND: Query =
    Query { name: "kind", kind: QueryKind::Text, required: false, about: "Only this kind, as in `motion`." };

pub(crate) fn rows() -> Vec<Route> {
    vec![Route {
        method: Method::GET,
        path: "/api/v1/events",
        id: "events",
        summary: "Events that overlap an interval of at most 32 days, newest first.",
        permission: Permission::Asks(|asked| {
            Ok(Action::SearchEvents { camera: camera(asked.query)?, range: asked.query.range(DAYS_MAX)? })
        }),
        audit: AuditRule::FirstIn { window_s: 60, because: "the pages of one search are one look" },
        body_bytes_max: NO_BODY,
        query: &[FROM, TO, CAMERA, KIND, LIMIT, CURSOR],
        request: None,
        answer: Answer::Json(200, Shape::of::<api::EventList>()),
        handler: handler!(events),
    }]
}

/// `camera`, when it is given.
pub(crate) fn camera(query: &Arguments) -> Result<Option<CameraId>, Error> {
    let Some(number) = query.integer("camera")? else { return Ok(None) };
    let camera = u32::try_from(number).ok().and_then(CameraId::new);
    camera.map(Some).ok_or_else(|| Error::not_found("there is no camera with this number"))
}

/// Rows of a page.
pub(crate) fn limit(query: &Arguments) -> Result<usize, Error> {
    let limit = query.integer("limit")?.unwrap_or(PAGE_ROWS);
    if !(1..=PAGE_ROWS_MAX).contains(&limit) {
        return Err(Error::invalid(format!("limit must be 1 to {PAGE_ROWS_MAX}")));
    }
    Ok(usize::try_from(limit).unwrap_or(1))
}

/// `kind`, when it is given.
pub(crate) fn kind(query: &Arguments) -> Result<Option<String>, Error> {
    let kind = query.text(KIND.name).map(str::to_owned);
    if kind.as_ref().is_some_and(|kind| kind.is_empty() || kind.len() > EVENT_WORD_BYTES_MAX) {
        return Err(Error::invalid(format!("kind must have 1 to {EVENT_WORD_BYTES_MAX} bytes")));
    }
    Ok(kind)
}

/// The cameras to look at: the one that is named, or all of the account's.
pub(crate) fn cameras(call: &Call) -> Result<Option<BTreeSet<CameraId>>, Problem> {
    Ok(match camera(&call.query)? {
        Some(camera) => Some([camera].into()),
        None => call.who()?.subject.cameras.clone(),
    })
}

async fn events(call: Call) -> Result<Response, Problem> {
    let query = EventQuery {
        range: call.query.range(DAYS_MAX)?,
        cameras: cameras(&call)?,
        kind: kind(&call.query)?,
        limit: limit(&call.query)?,
        after: call.query.text("cursor").map(cursor).transpose()?,
    };
    let grant = Arc::clone(call.grant()?);
    let page = call.blocking(move |app| app.ports().events.query(&grant, &query)).await?;
    ok(&api::EventList {
        events: page.events.into_iter().map(|(id, event)| api::Event::of(id, event)).collect(),
        next_cursor: page.next.map(|next| format!("{}.{}.{}", next.start.0, next.camera, next.id)),
    })
}

/// `start.camera.id`, as the page before gave it.
fn cursor(text: &str) -> Result<EventCursor, Error> {
    let mut parts = text.splitn(3, '.');
    let mut parsed = || {
        let start = UtcNanos(parts.next()?.parse().ok()?);
        let camera = parts.next()?.parse().ok().and_then(CameraId::new)?;
        Some(EventCursor { start, camera, id: parts.next()?.parse().ok()? })
    };
    parsed().ok_or_else(|| Error::invalid("cursor is not one of ours"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_cursors_are_taken() {
        let camera = CameraId::new(7).unwrap();
        assert_eq!(cursor("-5.7.9").unwrap(), EventCursor { start: UtcNanos(-5), camera, id: 9 });
        for bad in ["", "5", "5.7", "5.0.9", "5.7.9.1", "a.7.9", "5.7.-9", "5..9"] {
            assert!(cursor(bad).is_err(), "{bad}");
        }
    }
}
