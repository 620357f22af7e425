//! Live pictures over a WebSocket.

use super::dispatch::Call;
use super::{Answer, AuditRule, NO_BODY, Permission, ROLE, Route, handler};
use crate::app::App;
use crate::error::Problem;
use crate::live::Subscription;
use crate::live::socket::{self, Followed};
use crate::transcode::live::TranscodedLive;
use crate::transcode::{self, AS};
use axum::http::Method;
use axum::response::Response;
use watchbook_access::{Action, decide};

pub(crate) fn rows() -> Vec<Route> {
    vec![Route {
        method: Method::GET,
        path: "/api/v1/cameras/{camera}/live",
        id: "live",
        summary: "Live pictures: JSON text messages, and fragmented MP4 in binary messages.",
        permission: Permission::Asks(|asked| Ok(Action::Live { camera: asked.path.camera()? })),
        audit: AuditRule::FirstIn {
            window_s: 60,
            because: "a page whose network is bad opens the same picture again and again; a look of its own is more than a minute later",
        },
        body_bytes_max: NO_BODY,
        query: &[ROLE, AS],
        request: None,
        answer: Answer::WebSocket,
        handler: handler!(live),
    }]
}

async fn live(mut call: Call) -> Result<Response, Problem> {
    let camera = call.path.camera()?;
    let stream = call.query.stream_of(camera)?;
    let transcoded = transcode::asked(&call.query)?;
    let upgrade = call.upgrade()?;
    call.blocking(move |app| app.ports().cameras.get(camera)).await?;
    let place = call.seat(call.app.viewers())?;
    let subscription = call.app.live().subscribe(call.grant()?, stream)?;
    let (app, session) = (call.app.clone(), call.who()?.session);
    let still_allowed = move || {
        let subject = app.accounts().subject_now(&session);
        subject.is_some_and(|subject| decide(&subject, &Action::Live { camera }).is_ok())
    };
    let limited = upgrade.max_message_size(socket::MESSAGE_BYTES_MAX).max_frame_size(socket::MESSAGE_BYTES_MAX);
    Ok(limited.on_upgrade(async move |socket| {
        let _place = place;
        let followed = followed(&call.app, subscription, transcoded);
        socket::run(socket, followed, still_allowed).await;
    }))
}

/// As it is recorded, or transcoded when there is a place for that. A browser reads no answer but the messages of a socket, so that a refusal is one of those.
fn followed(app: &App, subscription: Subscription, transcoded: bool) -> Followed {
    if !transcoded {
        return Followed::Recorded(subscription);
    }
    let transcoders = &app.ports().transcoders;
    match app.transcodes().for_live(&**transcoders) {
        Ok(place) => Followed::Transcoded(TranscodedLive::start(transcoders.clone(), subscription, place)),
        Err(refused) => Followed::Nothing(Some(refused)),
    }
}
