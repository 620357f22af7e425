//! Footage that is kept for cases: placing a hold, looking at holds, giving one up.

use super::dispatch::{Arguments, Asked, Call, json, ok};
use super::{Answer, AuditRule, FROM, NO_BODY, Permission, Query, QueryKind, Route, SMALL_BODY, Shape, TO, handler};
use crate::api;
use crate::app::App;
use crate::check;
use crate::error::{Error, Problem};
use crate::gate::entry;
use crate::ports::{HoldOrder, HoldRow};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use std::sync::Arc;
use watchbook_access::{Action, Subject};
use watchbook_base::limits::{CAMERAS_MAX, NAME_BYTES_MAX};
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{CameraId, Kind, TimeRange, UtcNanos};

/// Longest interval of one hold.
const DAYS_MAX: i64 = 366;
/// A note or a reason.
const TEXT_BYTES_MAX: usize = 1024;
/// How far the end of a hold may lie in the future: who wants more places another one when that time comes.
const AHEAD_NANOS: i64 = 31 * 86_400 * NANOS_PER_SEC;
/// Missing intervals shown with each hold; more of them are counted.
const MISSING_MAX: usize = 200;
const READ: AuditRule =
    AuditRule::FirstIn { window_s: 3600, because: "the page polls it while it is open, and it shows no footage" };
const CAMERAS: Query =
    Query { name: "cameras", kind: QueryKind::Text, required: true, about: "Numbers of the cameras, as in `1,4`." };

pub(crate) fn rows() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: "/api/v1/holds",
            id: "holds",
            summary: "What is kept for which case, with the vault's room. Holds that were given up stay in the list.",
            permission: Permission::Asks(|_| Ok(Action::ReadHolds)),
            audit: READ,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::HoldList>()),
            handler: handler!(list),
        },
        Route {
            method: Method::GET,
            path: "/api/v1/holds/estimate",
            id: "estimate_hold",
            summary: "What a hold would need of the vault, before it is placed.",
            permission: Permission::Asks(|_| Ok(Action::ReadHolds)),
            audit: READ,
            body_bytes_max: NO_BODY,
            query: &[CAMERAS, FROM, TO],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::HoldEstimate>()),
            handler: handler!(estimate),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/holds",
            id: "place_hold",
            summary: "Keeps footage for a case. Copying begins at once; 409 `vault-full` says how much room it would need and how much there is.",
            permission: Permission::Asks(asked_place),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::HoldRequest>()),
            answer: Answer::Json(201, Shape::of::<api::Hold>()),
            handler: handler!(place),
        },
        Route {
            method: Method::POST,
            path: "/api/v1/holds/{hold}/release",
            id: "release_hold",
            summary: "Gives a hold up: its copy is destroyed. The account that placed it may not, unless the station has one person.",
            permission: Permission::Asks(|asked| Ok(Action::ReleaseHold { hold: number(asked.path)? })),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::HoldReleaseRequest>()),
            answer: Answer::Json(200, Shape::of::<api::Hold>()),
            handler: handler!(release),
        },
    ]
}

fn unknown() -> Error {
    Error::not_found("there is no hold with this number").next("Look at the list of holds.")
}

fn number(path: &Arguments) -> Result<u64, Error> {
    path.text("hold").unwrap_or_default().parse().map_err(|_| unknown())
}

fn asked_place(asked: &Asked<'_>) -> Result<Action, Error> {
    // Nothing of the body is read for somebody who is not signed in; what they tried is logged all the same.
    if asked.body.is_empty() {
        let range = TimeRange { start: UtcNanos(0), end: UtcNanos(0) };
        return Ok(Action::PlaceHold { case: String::new(), cameras: Vec::new(), range });
    }
    let request = serde_json::from_slice(asked.body);
    let request = request.map_err(|_| Error::invalid("the body is no hold as the API describes one"))?;
    let HoldOrder { case, cameras, range, .. } = order(request, 0)?;
    Ok(Action::PlaceHold { case, cameras, range })
}

/// A checked order of `account`.
fn order(request: api::HoldRequest, account: u32) -> Result<HoldOrder, Error> {
    let case = check::line("case", &request.case, NAME_BYTES_MAX)?;
    if case.is_empty() {
        return Err(Error::invalid("case is empty").next("Type the number of the case that the footage is kept for."));
    }
    Ok(HoldOrder {
        case,
        cameras: cameras(request.cameras)?,
        range: interval(request.from_utc_ms, request.to_utc_ms)?,
        note: check::line("note", &request.note, TEXT_BYTES_MAX)?,
        account,
    })
}

/// In order, each once.
fn cameras(mut list: Vec<CameraId>) -> Result<Vec<CameraId>, Error> {
    list.sort_unstable();
    list.dedup();
    let known = list.iter().all(|camera| CameraId::new(camera.get()).is_some());
    if !(1..=CAMERAS_MAX).contains(&list.len()) || !known {
        return Err(Error::invalid(format!("cameras must name 1 to {CAMERAS_MAX} cameras")));
    }
    Ok(list)
}

fn interval(from_utc_ms: i64, to_utc_ms: i64) -> Result<TimeRange, Error> {
    Arguments::from_pairs([("from_utc_ms", from_utc_ms), ("to_utc_ms", to_utc_ms)]).range(DAYS_MAX)
}

fn not_far_ahead(range: TimeRange, now: UtcNanos) -> Result<(), Error> {
    match range.end.nanos_since(now) > AHEAD_NANOS {
        true => {
            Err(Error::invalid("to_utc_ms lies more than 31 days ahead")
                .next("Place another hold when that time comes."))
        }
        false => Ok(()),
    }
}

async fn list(call: Call) -> Result<Response, Problem> {
    let subject = call.who()?.subject.clone();
    let list = call.blocking(move |app| {
        let holds = app.ports().holds.list()?;
        let seen = holds.into_iter().filter(|row| row.order.cameras.iter().any(|camera| subject.covers(*camera)));
        Ok(api::HoldList {
            holds: seen.map(|row| shown(app, row, &subject)).collect(),
            vault: app.ports().holds.vault()?,
        })
    });
    ok(&list.await?)
}

async fn estimate(call: Call) -> Result<Response, Problem> {
    let bad = || Error::invalid("cameras must be numbers with commas between them, as in 1,4");
    let number = |text: &str| text.trim().parse().ok().and_then(CameraId::new).ok_or_else(bad);
    let named = call.query.text(CAMERAS.name).unwrap_or_default().split(',').map(number).collect::<Result<_, _>>()?;
    let (cameras, range) = (cameras(named)?, call.query.range(DAYS_MAX)?);
    let subject = &call.who()?.subject;
    if let Some(other) = cameras.iter().find(|camera| !subject.covers(**camera)) {
        let message = format!("camera {other} is not among the cameras of this account");
        call.app.gate().note(entry(subject.account, Action::ReadHolds, Some(&message))).await?;
        return Err(Error::new(Kind::Denied, message).into());
    }
    let estimate = call.blocking(move |app| {
        let (needed_bytes, vault) = (app.ports().holds.needed_bytes(&cameras, range)?, app.ports().holds.vault()?);
        Ok(api::HoldEstimate { needed_bytes, free_bytes: vault.free_bytes, quota_bytes: vault.quota_bytes })
    });
    ok(&estimate.await?)
}

async fn place(call: Call) -> Result<Response, Problem> {
    json(StatusCode::CREATED, &call.noted(placed(&call).await).await?)
}

async fn placed(call: &Call) -> Result<api::Hold, Problem> {
    let subject = call.who()?.subject.clone();
    let order = order(call.json()?, subject.account.unwrap_or_default())?;
    not_far_ahead(order.range, call.app.clock().utc())?;
    let grant = Arc::clone(call.grant()?);
    let placed = call.blocking(move |app| {
        let holds = &app.ports().holds;
        let (needed, vault) = (holds.needed_bytes(&order.cameras, order.range)?, holds.vault()?);
        if needed > vault.free_bytes {
            return Ok(Err(vault_full(needed, &vault)));
        }
        match holds.place(&grant, order) {
            // Another hold, or footage that came meanwhile, took the room.
            Err(error) if error.kind == Kind::Exhausted => Ok(Err(vault_full_because(error))),
            placed => placed.map(|row| Ok(shown(app, row, &subject))),
        }
    });
    placed.await?
}

fn vault_full(needed: u64, vault: &api::VaultHealth) -> Problem {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    vault_full_because(Error::new(
        Kind::Exhausted,
        format!(
            "this hold needs {} MiB of the vault, and {} of its {} MiB are free",
            mib(needed),
            vault.free_bytes >> 20,
            mib(vault.quota_bytes)
        ),
    ))
}

fn vault_full_because(error: Error) -> Problem {
    let next = "Hold fewer cameras or less time, ask an approver to release holds of closed cases, or ask an admin to make the vault larger \
        (storage.vault_gib in the configuration file). Until then download what matters.";
    Problem::with(StatusCode::CONFLICT, "vault-full", error.message).next(error.next_step.unwrap_or(next.to_owned()))
}

async fn release(call: Call) -> Result<Response, Problem> {
    ok(&call.noted(released(&call).await).await?)
}

async fn released(call: &Call) -> Result<api::Hold, Problem> {
    let request: api::HoldReleaseRequest = call.json()?;
    let reason = check::line("reason", &request.reason, TEXT_BYTES_MAX)?;
    if reason.is_empty() {
        return Err(Error::invalid("reason is empty").next("Say why the footage is no longer needed.").into());
    }
    let hold = number(&call.path)?;
    let (subject, grant) = (call.who()?.subject.clone(), Arc::clone(call.grant()?));
    let account = subject.account.unwrap_or_default();
    let rows = call.blocking(|app| app.ports().holds.list()).await?;
    let row = rows.into_iter().find(|row| row.id == hold).ok_or_else(unknown)?;
    if let Some((why, next)) = not_theirs(&call.app, &row, &subject) {
        return Err(Error::new(Kind::Denied, why).next(next).into());
    }
    let released = call.blocking(move |app| {
        let row = app.ports().holds.release(&grant, hold, account, reason)?;
        Ok(shown(app, row, &subject))
    });
    released.await
}

/// Why this account may not give this hold up although it is an approver's, and what to do.
fn not_theirs(app: &App, row: &HoldRow, subject: &Subject) -> Option<(String, &'static str)> {
    if let Some(other) = row.order.cameras.iter().find(|camera| !subject.covers(**camera)) {
        let why = format!("hold {} has camera {other}, which is not among the cameras of this account", row.id);
        return Some((why, "Ask an approver who has all of its cameras."));
    }
    if Some(row.order.account) == subject.account && !app.accounts().one_person_station() {
        let why = format!("hold {} was placed by this account; somebody else must release it", row.id);
        return Some((why, "Ask another approver."));
    }
    None
}

/// What `subject` may see of a hold.
fn shown(app: &App, row: HoldRow, subject: &Subject) -> api::Hold {
    let HoldOrder { case, cameras, range, note, account } = row.order;
    let (own, others): (Vec<_>, Vec<_>) = cameras.into_iter().partition(|camera| subject.covers(*camera));
    let name = |account| app.accounts().name_of(account);
    api::Hold {
        id: row.id.to_string(),
        case,
        cameras: own,
        other_camera_count: u32::try_from(others.len()).unwrap_or(u32::MAX),
        start_utc_ms: range.start.as_ms(),
        end_utc_ms: range.end.as_ms(),
        note,
        placed_by: account,
        placed_by_name: name(account),
        placed_utc_ms: row.placed.as_ms(),
        state: row.state,
        held_bytes: row.held_bytes,
        left_bytes: row.left_bytes,
        unproven_ms: row.unproven_ms,
        trouble: row.trouble,
        missing: row.missing.into_iter().filter(|missing| subject.covers(missing.camera)).take(MISSING_MAX).collect(),
        missing_count: row.missing_count,
        release: row.release.map(|release| api::HoldRelease {
            account: release.account,
            account_name: name(release.account),
            at_utc_ms: release.at.as_ms(),
            reason: release.reason,
        }),
    }
}
