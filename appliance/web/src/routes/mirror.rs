//! The log for programs that copy it: tiles and entries as C2SP tlog-tiles has them below `/api/v1/log`, and the tokens with which they are read. The checkpoint is open to anybody; hashes and entries
//! are for auditors, because how many of which kind there are is nobody else's business before an auditor has looked.

use super::dispatch::{Asked, Call, empty, json, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, SMALL_BODY, Shape, handler};
use crate::error::{Error, Problem};
use crate::{api, check};
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use watchbook_access::Action;
use watchbook_base::Kind;

const PATH: &str = "/api/v1/log/mirrors";
/// Longest path of a tile: `entries/`, seven groups of digits, a width.
const TILE_PATH_BYTES_MAX: usize = 64;

pub(crate) fn rows() -> Vec<Route> {
    let reads = Permission::Asks(|_| Ok(Action::ReadAudit));
    let reading = AuditRule::FirstIn { window_s: 300, because: "the page asks again after each change that it makes" };
    vec![
        Route {
            method: Method::GET,
            path: "/api/v1/log/tile/{*tile}",
            id: "log_tile",
            summary: "Hashes or entries of the signed log (C2SP tlog-tiles, with `/api/v1/log` as the prefix): `<L>/<N>[.p/<W>]` or `entries/<N>[.p/<W>]`. An entry is version, salt, time and body, as it is hashed.",
            permission: Permission::Mirrors,
            audit: AuditRule::FirstIn {
                window_s: 3600,
                because: "a copy of the log is thousands of reads, and each entry would be one more to copy",
            },
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Bytes,
            handler: handler!(tile),
        },
        Route {
            method: Method::GET,
            path: PATH,
            id: "log_mirrors",
            summary: "Programs that may copy the log.",
            permission: reads,
            audit: reading,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Json(200, Shape::of::<api::MirrorList>()),
            handler: handler!(list),
        },
        Route {
            method: Method::POST,
            path: PATH,
            id: "make_log_mirror",
            summary: "A token with which a program copies the log in one's name, shown this one time; with a fresh second factor.",
            permission: Permission::Asks(asked_make),
            audit: AuditRule::EveryTime,
            body_bytes_max: SMALL_BODY,
            query: &[],
            request: Some(Shape::of::<api::MirrorRequest>()),
            answer: Answer::Json(201, Shape::of::<api::MirrorMade>()),
            handler: handler!(make),
        },
        Route {
            method: Method::DELETE,
            path: "/api/v1/log/mirrors/{mirror}",
            id: "revoke_log_mirror",
            summary: "Ends a mirror's token at once.",
            permission: Permission::Asks(|asked| Ok(Action::RevokeMirrorToken { mirror: number(asked)? })),
            audit: AuditRule::EveryTime,
            body_bytes_max: NO_BODY,
            query: &[],
            request: None,
            answer: Answer::Empty,
            handler: handler!(revoke),
        },
    ]
}

fn number(asked: &Asked<'_>) -> Result<u32, Error> {
    let text = asked.path.text("mirror").unwrap_or_default();
    text.parse().map_err(|_| Error::not_found("there is no mirror with this number"))
}

fn asked_make(asked: &Asked<'_>) -> Result<Action, Error> {
    let request: Option<api::MirrorRequest> = asked.json()?;
    let name = request.map(|request| check::name("name", &request.name)).transpose()?.unwrap_or_default();
    Ok(Action::MakeMirrorToken { name })
}

async fn tile(call: Call) -> Result<Response, Problem> {
    let tile = call.path.text("tile").unwrap_or_default();
    if tile.len() > TILE_PATH_BYTES_MAX {
        return Err(Error::not_found("the signed log has no such tile").into());
    }
    let path = format!("tile/{tile}");
    let closed = |_| Error::new(Kind::Unavailable, "the recorder is being stopped");
    let _place = call.app.log_reads().acquire().await.map_err(closed)?;
    let bytes = call.blocking(move |app| app.ports().checkpoints.tile(&path)).await?;
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok(response)
}

async fn list(call: Call) -> Result<Response, Problem> {
    let mut mirrors = call.app.mirrors().list();
    for mirror in &mut mirrors {
        mirror.account_name = call.app.accounts().name_of(mirror.account);
    }
    ok(&api::MirrorList { mirrors })
}

async fn make(call: Call) -> Result<Response, Problem> {
    let api::MirrorRequest { name } = call.json()?;
    let account = call.who()?.account;
    json(StatusCode::CREATED, &call.app.mirrors().make(account, &name).await?)
}

async fn revoke(call: Call) -> Result<Response, Problem> {
    let Action::RevokeMirrorToken { mirror } = *call.grant()?.action() else { return Ok(empty()) };
    call.app.mirrors().revoke(call.app.gate(), mirror).await?;
    Ok(empty())
}
