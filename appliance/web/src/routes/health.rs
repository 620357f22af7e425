//! How the station is doing.

use super::dispatch::{Call, ok};
use super::{Answer, NO_BODY, Permission, Route, Shape, cameras, handler};
use crate::api;
use crate::error::Problem;
use axum::http::Method;
use axum::response::Response;
use watchbook_access::Action;

pub(crate) fn rows() -> Vec<Route> {
    vec![Route {
        method: Method::GET,
        path: "/api/v1/health",
        id: "health",
        summary: "Disk, cameras, plugins, clock and live viewing.",
        permission: Permission::Asks(|_| Ok(Action::ReadConfig)),
        audit: cameras::CONFIG_READ,
        body_bytes_max: NO_BODY,
        query: &[],
        request: None,
        answer: Answer::Json(200, Shape::of::<api::Health>()),
        handler: handler!(health),
    }]
}

async fn health(call: Call) -> Result<Response, Problem> {
    let subject = call.who()?.subject.clone();
    let health = call.blocking(move |app| {
        let ports = app.ports();
        // Each part is shown as far as it can be: this is the page for when something is broken.
        let ring = ports.health.ring().unwrap_or_else(|error| api::RingHealth {
            alarm: Some(format!("the state of the disk cannot be read: {}", error.message)),
            ..api::RingHealth::default()
        });
        let cameras = ports.cameras.list()?.into_iter().filter(|row| subject.covers(row.id));
        let (viewers, skipped_pictures) = app.live().counts();
        Ok(api::Health {
            ring,
            cameras: cameras
                .map(|row| api::CameraHealth { id: row.id, state: super::cameras::states(&row), name: row.config.name })
                .collect(),
            plugins: ports.plugins.list().unwrap_or_default(),
            clock: api::ClockHealth { sync_state: app.clock().sync_state(), now_utc_ms: app.clock().utc().as_ms() },
            live: api::LiveHealth { viewers, skipped_pictures },
            refusals_not_logged: app.gate().not_logged(),
        })
    });
    ok(&health.await?)
}
