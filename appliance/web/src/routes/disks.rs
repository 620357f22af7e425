//! Giving the recorder disks.

use super::dispatch::{Asked, Call, empty, json, ok};
use super::{Answer, AuditRule, Permission, Route, SMALL_BODY, Shape, handler};
use crate::api;
use crate::check;
use crate::error::Problem;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use watchbook_access::Action;

pub(crate) fn rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::POST,
            path: "/api/v1/disks",
            id: "add_disk",
            summary: "Takes an empty directory on another disk into the ring, without a restart. Nothing else may use that directory from then on.",
            permission: Permission::Asks(|asked| Ok(asked_add(asked))),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::DiskRequest>()),
            answer: Answer::Json(201, Shape::of::<api::Disk>()),
            handler: handler!(add),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/disks/{disk}/accept",
            id: "accept_disk",
            summary: "Lets the recorder use the disk that lies where another one was. What that other disk holds stays on it.",
            permission: Permission::Asks(|asked| {
                let disk = check::disk_id(asked.path.text("disk").unwrap_or_default())?;
                Ok(Action::AcceptDisk { disk, found: found_of(asked) })
            }),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::DiskAcceptance>()),
            answer: Answer::Json(200, Shape::of::<api::Disk>()),
            handler: handler!(accept),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/disks/{disk}/retire",
            id: "retire_disk",
            summary: "Gives up a disk that will not come back: a new, empty one takes its directory, or the directory is no longer used. What it holds is no longer listed.",
            permission: Permission::Asks(|asked| {
                let disk = check::disk_id(asked.path.text("disk").unwrap_or_default())?;
                Ok(Action::RetireDisk { disk, replaced: replaced_of(asked) })
            }),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::DiskRetirement>()),
            answer: Answer::Empty,
            handler: handler!(retire),
        },
    ]
}

/// What the log keeps: the directory and size as far as they can be read and are not too long; the handler refuses the rest.
fn asked_add(asked: &Asked<'_>) -> Action {
    let request = serde_json::from_slice::<api::DiskRequest>(asked.body).ok();
    let dir = request.as_ref().and_then(|request| check::disk_dir(&request.dir).ok());
    Action::AddDisk { dir: dir.unwrap_or_default(), size_gib: request.map_or(0, |request| request.size_gib) }
}

fn found_of(asked: &Asked<'_>) -> String {
    let request = serde_json::from_slice::<api::DiskAcceptance>(asked.body).ok();
    request.and_then(|request| check::disk_id(&request.found_id).ok()).unwrap_or_default()
}

fn replaced_of(asked: &Asked<'_>) -> bool {
    serde_json::from_slice::<api::DiskRetirement>(asked.body).is_ok_and(|request| request.replaced)
}

async fn add(call: Call) -> Result<Response, Problem> {
    let request: api::DiskRequest = call.json()?;
    let (dir, size_gib) = (check::disk_dir(&request.dir)?, check::disk_gib(request.size_gib)?);
    let disk = call.blocking(move |app| app.ports().health.add_disk(&dir, size_gib)).await?;
    json(StatusCode::CREATED, &disk)
}

async fn accept(call: Call) -> Result<Response, Problem> {
    let request: api::DiskAcceptance = call.json()?;
    let disk = check::disk_id(call.path.text("disk").unwrap_or_default())?;
    let found = check::disk_id(&request.found_id)?;
    ok(&call.blocking(move |app| app.ports().health.accept_disk(&disk, &found)).await?)
}

async fn retire(call: Call) -> Result<Response, Problem> {
    let request: api::DiskRetirement = call.json()?;
    let disk = check::disk_id(call.path.text("disk").unwrap_or_default())?;
    call.blocking(move |app| app.ports().health.retire_disk(&disk, request.replaced)).await?;
    Ok(empty())
}
