//! Footage as evidence: asking for a bundle, releasing or refusing it as a second person, taking it out.

use super::dispatch::{Arguments, Asked, Call, json, ok};
use super::{Answer, AuditRule, FROM, NO_BODY, Permission, Query, QueryKind, Route, SMALL_BODY, Shape, TO, handler};
use crate::api;
use crate::app::App;
use crate::check;
use crate::error::{Error, Problem};
use crate::gate::entry;
use crate::ports::{self, ExportOrder};
use crate::video::{self, Video};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use std::sync::Arc;
use watchbook_access::case::check_number;
use watchbook_access::{Action, Case, CaseNow, RecipientClass, Refusal, Role, Subject};
use watchbook_base::{CameraId, Kind, TimeRange, UtcNanos};
use watchbook_media::{SourceError, SpanSource, SpanSummary, SpanTable};

/// Longest interval of one export.
const DAYS_MAX: i64 = 7;
/// Cameras of one export.
const CAMERAS_MAX: usize = 64;
/// For whom.
const RECIPIENT_BYTES_MAX: usize = 256;
/// Why not.
const REASON_BYTES_MAX: usize = 1024;
/// Id of a place.
const SINK_BYTES_MAX: usize = 80;
const HEADERS: &[&str] = &["Content-Disposition"];
const READ: AuditRule =
    AuditRule::FirstIn { window_s: 3600, because: "the page polls it while it is open, and it shows no footage" };
const CAMERAS: Query =
    Query { name: "cameras", kind: QueryKind::Text, required: true, about: "Numbers of the cameras, as in `1,4`." };
const MANIFEST: Query = Query {
    name: "manifest_sha256",
    kind: QueryKind::Text,
    required: true,
    about: "SHA-256 of the manifest that was released, lower-case hexadecimal.",
};

/// A row with what most of them have.
fn row(method: Method, path: &'static str, id: &'static str, summary: &'static str, permission: Permission) -> Route {
    Route {
        method,
        path,
        id,
        summary,
        permission,
        audit: AuditRule::EveryTime,
        body_bytes_max: NO_BODY,
        query: &[],
        request: None,
        answer: Answer::Json(200, Shape::of::<api::Export>()),
        handler: handler!(cancel),
    }
}

pub(crate) fn rows() -> Vec<Route> {
    let mut rows = rows_of_all();
    rows.extend(rows_of_one());
    rows
}

fn rows_of_all() -> Vec<Route> {
    let reads = Permission::Asks(|_| Ok(Action::ReadExports));
    vec![
        Route {
            audit: READ,
            answer: Answer::Json(200, Shape::of::<api::ExportList>()),
            handler: handler!(list),
            ..row(
                Method::GET,
                "/api/v1/exports",
                "exports",
                "Exports, with how far each is and who must do what next.",
                reads,
            )
        },
        Route {
            audit: READ,
            query: &[CAMERAS, FROM, TO],
            answer: Answer::Json(200, Shape::of::<api::ExportEstimate>()),
            handler: handler!(estimate),
            ..row(
                Method::GET,
                "/api/v1/exports/estimate",
                "estimate_export",
                "What an export would take, before it is asked for.",
                reads,
            )
        },
        Route {
            audit: READ,
            answer: Answer::Json(200, Shape::of::<api::ExportSinkList>()),
            handler: handler!(sinks),
            ..row(
                Method::GET,
                "/api/v1/exports/sinks",
                "export_sinks",
                "Places that a released export can be written to: directories of the configuration file, and disks that are plugged in.",
                reads,
            )
        },
        Route {
            body_bytes_max: SMALL_BODY,
            request: Some(Shape::of::<api::ExportRequest>()),
            answer: Answer::Json(201, Shape::of::<api::Export>()),
            handler: handler!(request),
            ..row(
                Method::POST,
                "/api/v1/exports",
                "request_export",
                "Has an evidence bundle made. It can be had once another person has released it.",
                Permission::InCase(asked_request),
            )
        },
    ]
}

fn rows_of_one() -> Vec<Route> {
    vec![
        row(
            Method::POST,
            "/api/v1/exports/{export}/cancel",
            "cancel_export",
            "Gives an export up that one asked for, before it is released.",
            Permission::OfExport(|asked| Ok(Action::CancelExport { export: asked.path.export()? })),
        ),
        Route {
            body_bytes_max: SMALL_BODY,
            request: Some(Shape::of::<api::ExportReleaseRequest>()),
            handler: handler!(release),
            ..row(
                Method::POST,
                "/api/v1/exports/{export}/release",
                "release_export",
                "Releases an export that another person asked for, with a fresh second factor. 409 when its manifest is another one: nothing is released then.",
                Permission::OfExport(asked_release),
            )
        },
        Route {
            body_bytes_max: SMALL_BODY,
            request: Some(Shape::of::<api::ExportRefuseRequest>()),
            handler: handler!(refuse),
            ..row(
                Method::POST,
                "/api/v1/exports/{export}/refuse",
                "refuse_export",
                "Refuses an export that another person asked for, with a reason. Its files are deleted.",
                Permission::OfExport(asked_refuse),
            )
        },
        Route {
            body_bytes_max: SMALL_BODY,
            request: Some(Shape::of::<api::ExportDeliverRequest>()),
            handler: handler!(deliver),
            ..row(
                Method::POST,
                "/api/v1/exports/{export}/deliver",
                "deliver_export",
                "Has the released bundle written to a place, for whoever asked for it. It is read back and compared; how far that is stands with the export.",
                Permission::OfExport(asked_delivery),
            )
        },
        Route {
            audit: AuditRule::FirstIn { window_s: 600, because: "one download is many requests when it is resumed" },
            query: &[MANIFEST],
            answer: Answer::Zip(HEADERS),
            handler: handler!(bundle),
            ..row(
                Method::GET,
                "/api/v1/exports/{export}/bundle.zip",
                "export_bundle",
                "The released bundle as one ZIP, for whoever asked for it.",
                Permission::OfExport(asked_download),
            )
        },
    ]
}

/// A SHA-256 in lower-case hexadecimal.
fn hash(text: &str) -> Result<String, Error> {
    let good = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    good.then(|| text.to_owned())
        .ok_or_else(|| Error::invalid("manifest_sha256 must be 64 digits of lower-case hexadecimal"))
}

fn asked_request(asked: &Asked<'_>, found: Option<&Case>) -> Result<Action, Error> {
    let Some(request) = asked.json::<api::ExportRequest>()? else {
        let range = TimeRange { start: UtcNanos(0), end: UtcNanos(0) };
        let recipient_class = RecipientClass::OtherAuthority;
        let (case, cameras) = (String::new(), Vec::new());
        return Ok(Action::RequestExport { export: 0, case, cameras, range, recipient_class, redacted: false });
    };
    let Checked { case, cameras, range, .. } = Checked::of(&request)?;
    // The gate is asked with the number, so that the log has it; without its case nothing comes of it.
    let export = if found.is_some() { fresh_number()? } else { 0 };
    let recipient_class = request.recipient_class;
    Ok(Action::RequestExport { export, case, cameras, range, recipient_class, redacted: false })
}

/// A number that people can read out: up to ten digits, never 0. The exports refuse one that is taken.
pub(super) fn fresh_number() -> Result<u64, Error> {
    Ok(u64::from(u32::from_le_bytes(crate::accounts::random()?).max(1)))
}

fn asked_release(asked: &Asked<'_>) -> Result<Action, Error> {
    let request = asked.json::<api::ExportReleaseRequest>()?;
    let manifest_sha256 = request.map(|request| hash(&request.manifest_sha256)).transpose()?.unwrap_or_default();
    Ok(Action::ReleaseExport { export: asked.path.export()?, manifest_sha256, by_signed_file: None })
}

fn asked_refuse(asked: &Asked<'_>) -> Result<Action, Error> {
    let Some(request) = asked.json::<api::ExportRefuseRequest>()? else {
        let (manifest_sha256, reason) = (String::new(), String::new());
        return Ok(Action::RefuseExport {
            export: asked.path.export()?,
            manifest_sha256,
            reason,
            by_signed_file: None,
        });
    };
    let (manifest_sha256, reason) = (hash(&request.manifest_sha256)?, reason(&request.reason)?);
    Ok(Action::RefuseExport { export: asked.path.export()?, manifest_sha256, reason, by_signed_file: None })
}

fn asked_download(asked: &Asked<'_>) -> Result<Action, Error> {
    let manifest_sha256 = match asked.query.text(MANIFEST.name) {
        Some(text) => hash(text)?,
        None => return Err(Error::invalid("manifest_sha256 is missing")),
    };
    Ok(Action::DeliverExport { export: asked.path.export()?, manifest_sha256, sink: ports::DOWNLOAD.to_owned() })
}

fn asked_delivery(asked: &Asked<'_>) -> Result<Action, Error> {
    let export = asked.path.export()?;
    let Some(request) = asked.json::<api::ExportDeliverRequest>()? else {
        let (manifest_sha256, sink) = (String::new(), String::new());
        return Ok(Action::DeliverExport { export, manifest_sha256, sink });
    };
    let sink = check::line("sink", &request.sink, SINK_BYTES_MAX)?;
    // A place has a kind and a name; what has none is another way out.
    if !sink.contains('/') {
        return Err(Error::invalid("sink must be the id of one of the places that the list of places has"));
    }
    Ok(Action::DeliverExport { export, manifest_sha256: hash(&request.manifest_sha256)?, sink })
}

fn reason(text: &str) -> Result<String, Error> {
    let reason = check::line("reason", text, REASON_BYTES_MAX)?;
    match reason.is_empty() {
        true => Err(Error::invalid("reason is empty").next("Say why the export is refused.")),
        false => Ok(reason),
    }
}

/// A checked request.
pub(super) struct Checked {
    pub(super) case: String,
    pub(super) cameras: Vec<CameraId>,
    pub(super) range: TimeRange,
    pub(super) recipient: String,
}

impl Checked {
    pub(super) fn of(request: &api::ExportRequest) -> Result<Self, Error> {
        let case = request.case.trim().to_owned();
        check_number(&case).map_err(Error::invalid)?;
        let recipient = check::line("recipient", &request.recipient, RECIPIENT_BYTES_MAX)?;
        if recipient.is_empty() {
            return Err(Error::invalid("recipient is empty").next("Say who is to get the export."));
        }
        let pairs = [("from_utc_ms", request.from_utc_ms), ("to_utc_ms", request.to_utc_ms)];
        let range = Arguments::from_pairs(pairs).range(DAYS_MAX)?;
        Ok(Self { case, cameras: cameras(request.cameras.clone())?, range, recipient })
    }
}

/// In order, each once.
fn cameras(mut list: Vec<CameraId>) -> Result<Vec<CameraId>, Error> {
    list.sort_unstable();
    list.dedup();
    let known = list.iter().all(|camera| CameraId::new(camera.get()).is_some());
    match (1..=CAMERAS_MAX).contains(&list.len()) && known {
        true => Ok(list),
        false => Err(Error::invalid(format!("cameras must name 1 to {CAMERAS_MAX} cameras"))),
    }
}

async fn list(call: Call) -> Result<Response, Problem> {
    let subject = call.who()?.subject.clone();
    let list = call.blocking(move |app| {
        let mut exports = Vec::new();
        for mut export in app.ports().exports.list()? {
            if may_know(app, &export, &subject)? {
                export.denied = denied(app, &export, &subject)?;
                exports.push(named(app, export));
            }
        }
        Ok(api::ExportList { exports, troubles: app.ports().exports.troubles() })
    });
    ok(&list.await?)
}

/// Whoever releases or audits knows of all exports of their cameras; an investigator of those they asked for, and of those of the cases that name them.
pub(super) fn may_know(app: &App, export: &api::Export, subject: &Subject) -> Result<bool, Error> {
    if !export.cameras.iter().all(|camera| subject.covers(*camera)) {
        return Ok(false);
    }
    if [Role::Approver, Role::Auditor].iter().any(|role| subject.roles.has(*role)) {
        return Ok(true);
    }
    let Some(account) = subject.account else { return Ok(false) };
    let case = app.ports().cases.get(&export.case)?;
    Ok(export.asked_by == account || case.is_some_and(|case| case.investigators.contains(&account)))
}

/// Why whoever asked for it cannot have it at this moment.
fn denied(app: &App, export: &api::Export, subject: &Subject) -> Result<Option<String>, Error> {
    if export.state != api::ExportState::Released || subject.account != Some(export.asked_by) {
        return Ok(None);
    }
    let number = export.id.parse().unwrap_or_default();
    let manifest_sha256 = export.made.as_ref().map(|made| made.manifest_sha256.clone()).unwrap_or_default();
    let action = Action::DeliverExport { export: number, manifest_sha256, sink: ports::DOWNLOAD.to_owned() };
    let case = app.ports().cases.get(&export.case)?.map(|case| CaseNow { case, now: app.clock().utc() });
    let now = Subject { case, export: app.ports().exports.facts(number), ..subject.clone() };
    Ok(watchbook_access::decide(&now, &action).err().map(|refusal| match &refusal {
        Refusal::OutsideCase(why) => format!("{why}. {}", why.next_step()),
        _ => refusal.to_string(),
    }))
}

async fn sinks(call: Call) -> Result<Response, Problem> {
    ok(&call.blocking(|app| app.ports().exports.sinks()).await?)
}

/// With the names of the accounts.
pub(super) fn named(app: &App, mut export: api::Export) -> api::Export {
    export.asked_by_name = app.accounts().name_of(export.asked_by);
    if let Some(answer) = &mut export.answer {
        answer.account_name = app.accounts().name_of(answer.account);
    }
    export
}

async fn estimate(call: Call) -> Result<Response, Problem> {
    let bad = || Error::invalid("cameras must be numbers with commas between them, as in 1,4");
    let number = |text: &str| text.trim().parse().ok().and_then(CameraId::new).ok_or_else(bad);
    let listed = call.query.text(CAMERAS.name).unwrap_or_default().split(',').map(number).collect::<Result<_, _>>()?;
    let (cameras, range) = (cameras(listed)?, call.query.range(DAYS_MAX)?);
    let subject = &call.who()?.subject;
    if let Some(other) = cameras.iter().find(|camera| !subject.covers(**camera)) {
        let message = format!("camera {other} is not among the cameras of this account");
        call.app.gate().note(entry(subject.account, Action::ReadExports, Some(&message))).await?;
        return Err(Error::new(Kind::Denied, message).into());
    }
    ok(&call.blocking(move |app| app.ports().exports.estimate(&cameras, range)).await?)
}

/// The order of a checked request, for whoever calls.
pub(super) fn order_of(call: &Call, checked: Checked, recipient_class: RecipientClass) -> Result<ExportOrder, Problem> {
    let Checked { case, cameras, range, recipient } = checked;
    let Subject { account, roles, case: found, .. } = call.who()?.subject.clone();
    let within = found.ok_or_else(|| Error::new(Kind::Internal, "this row was opened without its case"))?;
    let account = account.unwrap_or_default();
    let account_name = call.app.accounts().name_of(account).unwrap_or_default();
    let (of, redaction) = ((within, roles), None);
    Ok(ExportOrder { case, cameras, range, recipient_class, recipient, account, account_name, of, redaction })
}

async fn request(call: Call) -> Result<Response, Problem> {
    let request: api::ExportRequest = read(&call).await?;
    let order = order_of(&call, Checked::of(&request)?, request.recipient_class)?;
    ask(&call, order).await
}

/// Asks for what was checked.
pub(super) async fn ask(call: &Call, order: ExportOrder) -> Result<Response, Problem> {
    let grant = Arc::clone(call.grant()?);
    let asked = call.blocking(move |app| {
        if order.range.end > app.clock().utc() {
            return Err(Error::invalid("to_utc_ms lies in the future").next("Ask again when that time has passed."));
        }
        Ok(named(app, app.ports().exports.request(grant, order)?))
    });
    json(StatusCode::CREATED, &came_of_it(call, asked.await).await?)
}

async fn cancel(call: Call) -> Result<Response, Problem> {
    let (export, grant) = (call.path.export()?, Arc::clone(call.grant()?));
    let account = account(&call)?;
    let done = call.blocking(move |app| Ok(named(app, app.ports().exports.cancel(&grant, export, account)?)));
    ok(&came_of_it(&call, done.await).await?)
}

async fn release(call: Call) -> Result<Response, Problem> {
    let request: api::ExportReleaseRequest = read(&call).await?;
    answer(call, request.manifest_sha256, None).await
}

async fn refuse(call: Call) -> Result<Response, Problem> {
    let request: api::ExportRefuseRequest = read(&call).await?;
    let refusal = reason(&request.reason)?;
    answer(call, request.manifest_sha256, Some(refusal)).await
}

async fn answer(call: Call, manifest_sha256: String, refusal: Option<String>) -> Result<Response, Problem> {
    let (export, account, grant) = (call.path.export()?, account(&call)?, Arc::clone(call.grant()?));
    let answer = ports::ExportAnswer { export, manifest_sha256, account, refusal };
    let done = call.blocking(move |app| Ok(named(app, app.ports().exports.answer(&grant, answer)?)));
    ok(&came_of_it(&call, done.await).await?)
}

async fn deliver(call: Call) -> Result<Response, Problem> {
    let request: api::ExportDeliverRequest = read(&call).await?;
    let (export, account, grant) = (call.path.export()?, account(&call)?, Arc::clone(call.grant()?));
    let (manifest_sha256, sink) = (request.manifest_sha256, check::line("sink", &request.sink, SINK_BYTES_MAX)?);
    let delivery = ports::ExportDelivery { export, manifest_sha256, sink, account };
    let done = call.blocking(move |app| Ok(named(app, app.ports().exports.deliver(grant, delivery)?)));
    ok(&came_of_it(&call, done.await).await?)
}

fn account(call: &Call) -> Result<u32, Problem> {
    Ok(call.who()?.subject.account.unwrap_or_default())
}

/// What came of what the gate allowed. Where nothing did, because the export is not in a state for it or there is no room, the log says that it was refused, beside the entry that allowed it.
async fn came_of_it<T>(call: &Call, done: Result<T, Problem>) -> Result<T, Problem> {
    call.noted(done).await
}

/// The body; the gate has written that its act is allowed, also where it cannot be read.
async fn read<T: serde::de::DeserializeOwned>(call: &Call) -> Result<T, Problem> {
    came_of_it(call, call.json()).await
}

async fn bundle(call: Call) -> Result<Response, Problem> {
    let (export, account, grant) = (call.path.export()?, account(&call)?, Arc::clone(call.grant()?));
    let manifest = hash(call.query.text(MANIFEST.name).unwrap_or_default())?;
    let turn = came_of_it(&call, video::turn(&call).await).await?;
    let opened = {
        let manifest = manifest.clone();
        call.blocking(move |app| app.ports().exports.open(&grant, export, account, &manifest)).await
    };
    let opened = came_of_it(&call, opened).await?;
    let name = format!("attachment; filename=\"watchbook-export-{export}.zip\"");
    let name = HeaderValue::try_from(name).unwrap_or(HeaderValue::from_static("attachment"));
    let etag = video::etag(&format!("export {export} {manifest} {}", opened.proven.0), []);
    let headers = vec![(header::CONTENT_DISPOSITION, name)];
    let kind = "application/zip";
    video::answer(&call, turn, Video { file: opened.file, source: Arc::new(NoFootage), etag, headers, kind })
}

/// An archive lies in files: nothing is read from the ring for it.
struct NoFootage;

impl NoFootage {
    fn none() -> SourceError {
        SourceError { kind: Kind::Internal, message: "an archive has no spans".to_owned() }
    }
}

impl SpanSource for NoFootage {
    fn table(&self, _: &SpanSummary) -> Result<Arc<SpanTable>, SourceError> {
        Err(Self::none())
    }

    fn read(&self, _: &SpanSummary, _: u64, _: u64) -> Result<Bytes, SourceError> {
        Err(Self::none())
    }
}
