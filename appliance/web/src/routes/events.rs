//! Events.

use super::dispatch::Asked;
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
use watchbook_base::limits::{CAMERAS_MAX, EVENT_WORD_BYTES_MAX, NAME_BYTES_MAX};
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
pub(crate) const CAMERAS: Query = Query {
    name: "cameras",
    kind: QueryKind::Text,
    required: false,
    about: "Only these cameras, as in `1,4`; not together with `camera`.",
};
pub(crate) const ZONE: Query =
    Query { name: "zone", kind: QueryKind::Text, required: false, about: "Only in the zone of this name." };
pub(crate) const PLUGIN: Query = Query {
    name: "plugin",
    kind: QueryKind::Text,
    required: false,
    about: "Only what this plugin said, by its id; `camera` for what the camera itself said, `recorder` for what the recorder noticed.",
};

pub(crate) fn rows() -> Vec<Route> {
    vec![Route {
        method: Method::GET,
        path: "/api/v1/events",
        id: "events",
        summary: "Events that overlap an interval of at most 32 days, newest first. A page ends where enough rows were looked at, even when none of them fits: `next_cursor` leads on.",
        permission: Permission::Asks(asked),
        audit: AuditRule::FirstIn { window_s: 60, because: "the pages of one search are one look" },
        body_bytes_max: NO_BODY,
        query: &[FROM, TO, CAMERA, CAMERAS, KIND, ZONE, PLUGIN, LIMIT, CURSOR],
        request: None,
        answer: Answer::Json(200, Shape::of::<api::EventList>()),
        handler: handler!(events),
    }]
}

/// A search of the cameras that are named, or of all that the account has.
pub(crate) fn asked(asked: &Asked<'_>) -> Result<Action, Error> {
    let range = asked.query.range(DAYS_MAX)?;
    let named: Vec<CameraId> = named(asked.query)?.into_iter().flatten().collect();
    Ok(match named[..] {
        [camera] => Action::SearchEvents { camera: Some(camera), cameras: Vec::new(), range },
        _ => Action::SearchEvents { camera: None, cameras: named, range },
    })
}

/// `camera` or `cameras`, when one is given.
pub(crate) fn named(query: &Arguments) -> Result<Option<BTreeSet<CameraId>>, Error> {
    let one = camera(query)?;
    let Some(list) = query.text(CAMERAS.name) else { return Ok(one.map(|camera| [camera].into())) };
    if one.is_some() {
        return Err(Error::invalid("camera and cameras are both given").next("Give one of them."));
    }
    let number = |text: &str| text.parse().ok().and_then(CameraId::new);
    let cameras: Option<BTreeSet<CameraId>> = list.split(',').take(CAMERAS_MAX + 1).map(number).collect();
    let cameras = cameras.ok_or_else(|| Error::not_found("there is no camera with one of these numbers"))?;
    match cameras.len() <= CAMERAS_MAX {
        true => Ok(Some(cameras)),
        false => Err(Error::invalid(format!("cameras may name at most {CAMERAS_MAX}"))),
    }
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
    word(query, KIND.name, EVENT_WORD_BYTES_MAX)
}

/// A word of at most `bytes_max` bytes, when it is given.
pub(crate) fn word(query: &Arguments, name: &str, bytes_max: usize) -> Result<Option<String>, Error> {
    let word = query.text(name).map(str::to_owned);
    if word.as_ref().is_some_and(|word| word.is_empty() || word.len() > bytes_max) {
        return Err(Error::invalid(format!("{name} must have 1 to {bytes_max} bytes")));
    }
    Ok(word)
}

/// The cameras to look at: those that are named, or all of the account's.
pub(crate) fn cameras(call: &Call) -> Result<Option<BTreeSet<CameraId>>, Problem> {
    Ok(match named(&call.query)? {
        Some(cameras) => Some(cameras),
        None => call.who()?.subject.cameras.clone(),
    })
}

async fn events(call: Call) -> Result<Response, Problem> {
    let query = EventQuery {
        range: call.query.range(DAYS_MAX)?,
        cameras: cameras(&call)?,
        kind: kind(&call.query)?,
        zone: word(&call.query, ZONE.name, EVENT_WORD_BYTES_MAX)?,
        plugin: word(&call.query, PLUGIN.name, NAME_BYTES_MAX)?,
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
