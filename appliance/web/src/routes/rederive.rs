//! Deriving an event again: asking, looking, cancelling, and the inputs for who wants to do it elsewhere.

use super::dispatch::{Arguments, Asked, Call, json, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Query, QueryKind, Route, SMALL_BODY, Shape, handler};
use crate::api;
use crate::app::App;
use crate::error::{Error, Problem};
use crate::ports::RederiveOrder;
use crate::server::widened;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use std::sync::Arc;
use watchbook_access::Action;
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{TimeRange, UtcNanos};

/// What a run begins before the event when nobody says: the first-party plugins have learnt the scene after a minute, and forgotten what was before after two.
const WARM_UP_S: i64 = 120;
const WARM_UP_S_MIN: i64 = 10;
const WARM_UP_S_MAX: i64 = 600;
/// A plugin may say what it saw some time after it ended.
const TAIL_S: i64 = 60;
/// Longest event: what a plugin may say of one frame.
const EVENT_S_MAX: i64 = 600;
const PATH: &str = "/api/v1/cameras/{camera}/events/{event}/rederive";
const START: Query = Query {
    name: "start_utc_ms",
    kind: QueryKind::Integer,
    required: true,
    about: "Start of the event, as the list of events gives it.",
};
const END: Query =
    Query { name: "end_utc_ms", kind: QueryKind::Integer, required: false, about: "Its end, when it has one." };
const WARM_UP: Query = Query {
    name: "warm_up_s",
    kind: QueryKind::Integer,
    required: false,
    about: "Seconds of footage before the event, 10 to 600; 120 when left out.",
};

pub(crate) fn rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::POST,
            path: PATH,
            id: "rederive",
            summary: "Derives an event again: its footage through the same component, settings, zones and masks. One at a time; others wait.",
            permission: Permission::Asks(asked_rederive),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::RederivationRequest>()),
            answer: Answer::Json(202, Shape::of::<api::Rederivation>()),
            handler: handler!(start),
        },
        Route {
            method: Method::GET,
            path: PATH,
            id: "rederivation",
            summary: "How far it is, or the last result. Results of 500 events are kept.",
            permission: Permission::Asks(|asked| Ok(Action::Timeline { camera: asked.path.camera()? })),
            audit: AuditRule::FirstIn {
                window_s: 300,
                because: "the page asks again while it waits, and it shows no pictures",
            },
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::Rederivation>()),
            handler: handler!(look),
        },
        Route {
            method: Method::DELETE,
            path: PATH,
            id: "cancel_rederivation",
            summary: "Cancels it, while it waits or runs.",
            permission: Permission::Asks(|asked| {
                Ok(Action::CancelRederive { camera: asked.path.camera()?, event: event(asked.path)? })
            }),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::Rederivation>()),
            handler: handler!(cancel),
        },
        Route {
            method: Method::GET,
            path: "/api/v1/cameras/{camera}/events/{event}/rederive/inputs",
            id: "rederivation_inputs",
            summary: "The file that `watchbook-plugin rerun` reads, to derive the event again on another computer. The clip comes from the export.",
            permission: Permission::Asks(|asked| Ok(Action::Timeline { camera: asked.path.camera()? })),
            audit: AuditRule::FirstIn {
                window_s: 300,
                because: "it shows no pictures, and the export has an entry of its own",
            },
            body_bytes_max: NO_BODY,
            query: &[START, END, WARM_UP],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::RederivationInputs>()),
            handler: handler!(inputs),
        },
    ]
}

fn event(path: &Arguments) -> Result<u64, Error> {
    let unknown = || Error::not_found("there is no event with this number").next("Look at the list of events.");
    path.text("event").unwrap_or_default().parse().map_err(|_| unknown())
}

/// Whether the event is what it is said to be is found later: this is what is granted.
fn span(start_ms: i64, end_ms: Option<i64>, warm_up_s: Option<i64>) -> Result<(TimeRange, UtcNanos), Error> {
    let warm_up_s = warm_up_s.unwrap_or(WARM_UP_S);
    if !(WARM_UP_S_MIN..=WARM_UP_S_MAX).contains(&warm_up_s) {
        return Err(Error::invalid(format!("warm_up_s must be {WARM_UP_S_MIN} to {WARM_UP_S_MAX}")));
    }
    let end_ms = end_ms.unwrap_or(start_ms);
    // To the year 2200: no sum below saturates.
    if !(0..=7_258_118_400_000).contains(&start_ms)
        || !(0..=EVENT_S_MAX * 1_000).contains(&(end_ms.saturating_sub(start_ms)))
    {
        return Err(Error::invalid(format!("an event begins after 1970 and takes at most {EVENT_S_MAX} s")));
    }
    let from = UtcNanos::from_ms(start_ms).plus_nanos(-warm_up_s * NANOS_PER_SEC);
    let end = UtcNanos::from_ms(end_ms).plus_nanos(TAIL_S * NANOS_PER_SEC);
    Ok((widened(TimeRange { start: from, end }), from))
}

fn request(body: &[u8]) -> Result<api::RederivationRequest, Error> {
    serde_json::from_slice(body).map_err(|_| Error::invalid("the body names no event as the API describes it"))
}

fn asked_rederive(asked: &Asked<'_>) -> Result<Action, Error> {
    let (camera, event) = (asked.path.camera()?, event(asked.path)?);
    // Nothing of the body is read for somebody who is not signed in; what they tried is logged all the same.
    if asked.body.is_empty() {
        let nothing = TimeRange { start: UtcNanos(0), end: UtcNanos(0) };
        return Ok(Action::Rederive { camera, event, range: nothing });
    }
    let asked = request(asked.body)?;
    let (range, _) = span(asked.start_utc_ms, asked.end_utc_ms, asked.warm_up_s.map(i64::from))?;
    Ok(Action::Rederive { camera, event, range })
}

async fn start(call: Call) -> Result<Response, Problem> {
    let asked: api::RederivationRequest = call.json()?;
    let (range, from) = span(asked.start_utc_ms, asked.end_utc_ms, asked.warm_up_s.map(i64::from))?;
    let order = RederiveOrder {
        camera: call.path.camera()?,
        event: event(&call.path)?,
        start_ms: asked.start_utc_ms,
        end_ms: asked.end_utc_ms,
        range,
        from,
        account: call.who()?.subject.account.unwrap_or_default(),
    };
    let grant = Arc::clone(call.grant()?);
    let row = call.blocking(move |app| Ok(named(app, app.ports().rederivations.start(grant, order)?))).await?;
    json(StatusCode::ACCEPTED, &row)
}

async fn look(call: Call) -> Result<Response, Problem> {
    let (camera, event) = (call.path.camera()?, event(&call.path)?);
    ok(&call.blocking(move |app| Ok(named(app, app.ports().rederivations.get(camera, event)?))).await?)
}

async fn cancel(call: Call) -> Result<Response, Problem> {
    let (camera, event) = (call.path.camera()?, event(&call.path)?);
    ok(&call.blocking(move |app| Ok(named(app, app.ports().rederivations.cancel(camera, event)?))).await?)
}

async fn inputs(call: Call) -> Result<Response, Problem> {
    let integer = |query: Query| call.query.integer(query.name);
    let start_ms = integer(START)?.ok_or_else(|| Error::invalid("start_utc_ms is missing"))?;
    let end_ms = integer(END)?;
    let (range, from) = span(start_ms, end_ms, integer(WARM_UP)?)?;
    let (camera, event) = (call.path.camera()?, event(&call.path)?);
    let order = RederiveOrder { camera, event, start_ms, end_ms, range, from, account: 0 };
    let grant = Arc::clone(call.grant()?);
    ok(&call.blocking(move |app| app.ports().rederivations.inputs(&grant, &order)).await?)
}

fn named(app: &App, row: api::Rederivation) -> api::Rederivation {
    api::Rederivation { account_name: row.account.and_then(|account| app.accounts().name_of(account)), ..row }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_granted_begins_before_the_warm_up_and_ends_after_the_event() {
        let (range, from) = span(1_000_000, Some(1_004_000), Some(30)).unwrap();
        assert_eq!(from.as_ms(), 970_000);
        assert!(range.start < from && range.start.as_ms() >= 970_000 - 60_000);
        assert_eq!(range.end.as_ms(), 1_064_000);
        for (start, end, warm_up) in
            [(-1, None, None), (0, Some(-1), None), (0, Some(600_001), None), (0, None, Some(9)), (0, None, Some(601))]
        {
            assert!(span(start, end, warm_up).is_err(), "{start} {end:?} {warm_up:?}");
        }
    }
}
