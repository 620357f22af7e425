//! New events as server-sent events (HTML standard, 9.2).

use super::dispatch::Call;
use super::events::{CAMERA, CAMERAS, KIND, PLUGIN, ZONE, asked, cameras, kind, word};
use super::{Answer, AuditRule, FROM, NO_BODY, Permission, Route, TO, handler};
use crate::crowd::Seat;
use crate::error::{Error, Problem};
use crate::event_feed::{Filter, Follower, Place, Told};
use crate::server::Stopping;
use axum::body::Body;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use bytes::Bytes;
use core::convert::Infallible;
use core::time::Duration;
use std::sync::Arc;
use tokio::time::{Instant, Interval, interval_at, sleep};
use watchbook_access::decide;
use watchbook_base::limits::{EVENT_WORD_BYTES_MAX, NAME_BYTES_MAX};
use watchbook_base::{CameraId, UtcNanos};

/// Longest interval that is followed: a shift. Then the page asks again.
const DAYS_MAX: i64 = 1;
/// How often a sign of life is sent and the session looked at again.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// How long a browser waits before it connects again by itself, in milliseconds.
const RETRY_MS: u32 = 3000;

pub(crate) fn rows() -> Vec<Route> {
    vec![Route {
        method: Method::GET,
        path: "/api/v1/events/live",
        id: "follow_events",
        summary: "New events as server-sent events, until the end of the interval or of the session: `event` with an event as JSON, `behind` when some were missed and the list must be asked for again, `over` with the reason at the end. `Last-Event-ID` goes on where the connection broke off.",
        permission: Permission::Asks(asked),
        audit: AuditRule::FirstIn {
            window_s: 600,
            because: "a page whose network is bad connects again and again; each entry names the cameras and the interval that may be followed",
        },
        body_bytes_max: NO_BODY,
        query: &[FROM, TO, CAMERA, CAMERAS, KIND, ZONE, PLUGIN],
        request: None,
        answer: Answer::EventStream,
        handler: handler!(follow),
    }]
}

async fn follow(call: Call) -> Result<Response, Problem> {
    let range = call.query.range(DAYS_MAX)?;
    let filter = Filter {
        cameras: cameras(&call)?,
        kind: kind(&call.query)?,
        zone: word(&call.query, ZONE.name, EVENT_WORD_BYTES_MAX)?,
        plugin: word(&call.query, PLUGIN.name, NAME_BYTES_MAX)?,
    };
    let after = call.headers.get("last-event-id").map(|id| {
        let place = id.to_str().ok().and_then(Place::parse);
        place.ok_or_else(|| Error::invalid("Last-Event-ID is not one of ours").next("Connect without it."))
    });
    let place = call.seat(call.app.followers())?;
    let follower = call.app.event_feed().follow(call.grant()?, (filter, range), after.transpose()?)?;
    let body = Body::from_stream(sending(
        follower,
        (call.app.clone(), looking(&call)?),
        (range.end, place, call.stopping.clone()),
    ));
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

/// Whether the session may still see events of a camera, or, without one, follow at all.
fn looking(call: &Call) -> Result<impl Fn(Option<CameraId>) -> bool + Send + use<>, Problem> {
    let (app, session, action) = (call.app.clone(), call.who()?.session, call.grant()?.action().clone());
    Ok(move |camera: Option<CameraId>| {
        let Some(subject) = app.accounts().subject_now(&session) else { return false };
        let sees = camera.is_none_or(|camera| subject.covers(camera));
        sees && decide(&subject, &action).is_ok()
    })
}

/// One connection.
struct Sending<F> {
    follower: Follower,
    may: F,
    /// End of what was granted.
    end: UtcNanos,
    clock: Arc<dyn Fn() -> UtcNanos + Send + Sync>,
    stopping: Option<Stopping>,
    check: Interval,
    greeted: bool,
    over: bool,
    _place: Seat,
}

impl<F: Fn(Option<CameraId>) -> bool> Sending<F> {
    /// The next piece of the answer; `None` at its end.
    async fn piece(&mut self) -> Option<String> {
        if self.over {
            return None;
        }
        if !self.greeted {
            self.greeted = true;
            return Some(format!("retry: {RETRY_MS}\nid: {}\nevent: ready\ndata: {{}}\n\n", self.follower.place()));
        }
        loop {
            let left = self.end.nanos_since((self.clock)());
            let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else {
                return Some(self.end_with("interval"));
            };
            tokio::select! {
                told = self.follower.next() => {
                    let camera = match &told { Told::Event(event) => Some(event.camera), Told::Behind => None };
                    if !(self.may)(None) {
                        return Some(self.end_with("session"));
                    }
                    // What the account may see has become less since it connected: the others go on.
                    if (self.may)(camera) {
                        return Some(self.shown(&told));
                    }
                }
                () = sleep(Duration::from_nanos(left)) => {}
                _ = self.check.tick() => return Some(match (self.may)(None) {
                    true => ": still here\n\n".to_owned(),
                    false => self.end_with("session"),
                }),
                () = stopped(&mut self.stopping) => return Some(self.end_with("restart")),
            }
        }
    }

    fn end_with(&mut self, why: &str) -> String {
        self.over = true;
        format!("event: over\ndata: {{\"why\":\"{why}\"}}\n\n")
    }

    /// JSON has no line breaks outside its strings, and none inside them unescaped: it is one line.
    fn shown(&self, told: &Told) -> String {
        let place = self.follower.place();
        match told {
            Told::Behind => format!("id: {place}\nevent: behind\ndata: {{}}\n\n"),
            Told::Event(event) => {
                let json = serde_json::to_string(event).unwrap_or_default();
                format!("id: {place}\nevent: event\ndata: {json}\n\n")
            }
        }
    }
}

async fn stopped(stopping: &mut Option<Stopping>) {
    match stopping {
        Some(Stopping(stopped)) => drop(stopped.wait_for(|stopped| *stopped).await),
        None => core::future::pending().await,
    }
}

fn sending<F: Fn(Option<CameraId>) -> bool + Send>(
    follower: Follower,
    (app, may): (crate::app::App, F),
    (end, place, stopping): (UtcNanos, Seat, Option<Stopping>),
) -> impl futures::Stream<Item = Result<Bytes, Infallible>> + Send {
    let check = interval_at(Instant::now() + CHECK_EVERY, CHECK_EVERY);
    let clock = Arc::new(move || app.clock().utc());
    let sending = Sending { follower, may, end, clock, stopping, check, greeted: false, over: false, _place: place };
    futures::stream::unfold(sending, async |mut sending| {
        let piece = sending.piece().await?;
        Some((Ok(Bytes::from(piece)), sending))
    })
}
