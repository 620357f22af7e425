//! The one way from a request to a handler: same-site check, session, body, gate, handler. A handler runs only with what these steps gave it.

use super::requests::Wanted;
use super::{AuditRule, Permission, Route, SETTINGS_BODY, Stored};
use crate::accounts::Who;
use crate::app::App;
use crate::crowd::{Crowd, Seat};
use crate::error::{Error, Problem};
use crate::gate::{entry, undone};
use crate::headers;
use crate::server::{Peer, Stopping};
use crate::tls::Over;
use axum::RequestPartsExt;
use axum::body::Body;
use axum::extract::{RawPathParams, Request, WebSocketUpgrade};
use axum::http::{HeaderMap, Method, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use core::time::Duration;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::timeout;
use watchbook_access::{Action, Grant, Rules, Subject, decide};
use watchbook_base::{CameraId, Kind, StreamId, TimeRange, TrackRole, UtcNanos};

/// A body must have arrived by then: 64 KiB at 4 kB/s.
const BODY_TIMEOUT: Duration = Duration::from_secs(16);
/// A file must have arrived by then: 16 MiB at 280 kB/s, a weak wireless link.
const FILE_TIMEOUT: Duration = Duration::from_secs(60);
/// A handler must have its answer's head ready by then. A camera test takes up to 10 s, a plan of a 24 h file a few.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(30);
/// Query parameters of one request.
const QUERY_PARTS_MAX: usize = 16;

/// What a row's permission is asked about.
pub(crate) struct Asked<'a> {
    pub(crate) path: &'a Arguments,
    pub(crate) query: &'a Arguments,
    /// The whole body; empty while a caller who is not signed in is refused.
    pub(crate) body: &'a [u8],
    /// What the station's policy allows.
    pub(crate) rules: &'a Rules,
    /// Number of the mirror whose token the caller has; 0 for whoever is signed in.
    pub(crate) mirror: u32,
}

impl Asked<'_> {
    /// The JSON body, for the audit log; `None` for somebody who is not signed in, of whom no body is read.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        if self.body.is_empty() {
            return Ok(None);
        }
        let read = serde_json::from_slice(self.body);
        read.map(Some).map_err(|_| Error::invalid("the body is not what the API describes"))
    }

    /// Names of the top-level fields of the JSON body, for the audit log; never their values.
    pub(crate) fn field_names(&self) -> String {
        let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(self.body) else {
            return "nothing readable".to_owned();
        };
        let names: Vec<String> = fields.keys().take(16).map(|name| name.chars().take(32).collect()).collect();
        names.join(", ")
    }
}

impl Asked<'_> {
    /// The case that the path, the query or the body names; empty when none is.
    pub(crate) fn case_number(&self) -> String {
        let named = self.path.text("case").or(self.query.text("case"));
        named.map(str::to_owned).or_else(|| self.case_of_body()).unwrap_or_default()
    }

    fn case_of_body(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(self.body).ok()?;
        Some(body.get("case")?.as_str()?.trim().to_owned())
    }
}

/// Named parts of the path or the query.
#[derive(Debug, Default)]
pub(crate) struct Arguments(BTreeMap<String, String>);

impl Arguments {
    /// Numbers by name, to be checked as those of a query are.
    pub(crate) fn from_pairs<const N: usize>(pairs: [(&str, i64); N]) -> Self {
        Self(pairs.into_iter().map(|(name, number)| (name.to_owned(), number.to_string())).collect())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Error> {
        let parse = |text: &str| text.parse().map_err(|_| Error::invalid(format!("{name} must be a whole number")));
        self.text(name).map(parse).transpose()
    }

    pub(crate) fn camera(&self) -> Result<CameraId, Error> {
        let text = self.text("camera").unwrap_or_default();
        text.parse().ok().and_then(CameraId::new).ok_or_else(|| Error::not_found("there is no camera with this number"))
    }

    pub(crate) fn export(&self) -> Result<u64, Error> {
        let unknown = |_| Error::not_found("there is no export with this number").next("Look at the list of exports.");
        self.text("export").unwrap_or_default().parse().map_err(unknown)
    }

    pub(crate) fn account(&self) -> Result<u32, Error> {
        let text = self.text("account").unwrap_or_default();
        text.parse().map_err(|_| Error::not_found("there is no account with this number"))
    }

    /// `role` as a stream of the camera in the path.
    pub(crate) fn stream_of(&self, camera: CameraId) -> Result<StreamId, Error> {
        let role = match self.text("role") {
            None | Some("main_video") => TrackRole::MainVideo,
            Some("sub_video") => TrackRole::SubVideo,
            Some(_) => return Err(Error::invalid("role must be main_video or sub_video")),
        };
        Ok(camera.stream(role))
    }

    /// `from_utc_ms` to `to_utc_ms`: not empty, at most `days_max` days.
    pub(crate) fn range(&self, days_max: i64) -> Result<TimeRange, Error> {
        let moment = |name: &str| {
            let ms = self.integer(name)?.ok_or_else(|| Error::invalid(format!("{name} is missing")))?;
            // To the year 2200: far inside the range of UtcNanos, so that no sum saturates.
            if !(0..=7_258_118_400_000).contains(&ms) {
                return Err(Error::invalid(format!("{name} must lie between the years 1970 and 2200")));
            }
            Ok(UtcNanos::from_ms(ms))
        };
        let range = TimeRange::new(moment("from_utc_ms")?, moment("to_utc_ms")?).filter(|range| range.nanos() > 0);
        let range = range.ok_or_else(|| Error::invalid("to_utc_ms must lie after from_utc_ms"))?;
        if range.nanos() > days_max * 86_400 * watchbook_base::time::NANOS_PER_SEC {
            return Err(Error::invalid(format!("at most {days_max} days can be asked for at once")));
        }
        Ok(range)
    }
}

/// A call that was let in.
pub(crate) struct Call {
    pub(crate) app: App,
    pub(crate) peer: IpAddr,
    pub(crate) headers: HeaderMap,
    pub(crate) path: Arguments,
    pub(crate) query: Arguments,
    pub(crate) body: Bytes,
    who: Option<Who>,
    grant: Option<Arc<Grant>>,
    /// The grant's entry may stand for calls before this one, too.
    is_shared: bool,
    upgrade: Option<WebSocketUpgrade>,
    /// How it came.
    pub(crate) over: Over,
    /// When the server ends.
    pub(crate) stopping: Option<Stopping>,
}

impl Call {
    /// Whose call; rows that are not public always have one.
    pub(crate) fn who(&self) -> Result<&Who, Problem> {
        self.who.as_ref().ok_or_else(|| watchbook_access::Refusal::SignInFirst.into())
    }

    /// What the gate gave; public rows have none.
    pub(crate) fn grant(&self) -> Result<&Arc<Grant>, Problem> {
        self.grant.as_ref().ok_or_else(|| Error::new(Kind::Internal, "this row was opened without a grant").into())
    }

    /// What came of what the gate allowed. Where nothing did, the log says so beside the entry that allowed it, and with its number. An entry that other calls share stands all the same: what one of them got
    /// does not come back because another one failed.
    pub(crate) async fn noted<T>(&self, done: Result<T, Problem>) -> Result<T, Problem> {
        if let Err(problem) = &done {
            let grant = self.grant()?;
            let (account, action) = (self.who()?.subject.account, grant.action().clone());
            let told = match self.is_shared {
                true => entry(account, action, Some(problem.detail())),
                false => undone(account, (grant.audit_index(), action), problem.detail()),
            };
            self.app.gate().note(told).await?;
        }
        done
    }

    /// The body as JSON of this shape.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        says_json(&self.headers)?;
        // serde's message quotes values only for enums and wrong types; a password is a string where a string belongs, and is not quoted.
        serde_json::from_slice(&self.body).map_err(|error| {
            let place = format!("line {} column {}", error.line(), error.column());
            let why = if error.is_data() { plain_data_error(&error) } else { "it is not valid JSON".to_owned() };
            Error::invalid(format!("the body does not fit: {why} ({place})")).into()
        })
    }

    /// The WebSocket that the caller asked for.
    pub(crate) fn upgrade(&mut self) -> Result<WebSocketUpgrade, Problem> {
        self.upgrade.take().ok_or_else(|| {
            Problem::with(StatusCode::UPGRADE_REQUIRED, "invalid-input", "this address is a WebSocket")
                .header(header::UPGRADE, "websocket")
                .header(header::CONNECTION, "upgrade")
        })
    }

    /// A place among those who hold an answer open that has no end; who is turned away is counted.
    pub(crate) fn seat(&self, crowd: &Crowd) -> Result<Seat, Problem> {
        let seat = crowd.enter(self.who()?, self.peer);
        seat.inspect_err(|full| self.app.gate().turn_away(full.detail(), self.peer))
    }

    /// Runs `work` on a thread that may block.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&App) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Problem> {
        let app = self.app.clone();
        blocking(move || work(&app)).await.map_err(Problem::from)
    }
}

fn says_json(headers: &HeaderMap) -> Result<(), Error> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => Err(Error::invalid("the body must be application/json")),
    }
}

/// A body that can be read at all. It is asked for before the gate writes that something is allowed: an entry for an act of which nobody said what it is would count as one that was done.
fn is_json(headers: &HeaderMap, body: &[u8]) -> Result<(), Error> {
    says_json(headers)?;
    let read = serde_json::from_slice::<serde::de::IgnoredAny>(body);
    read.map(drop).map_err(|_| Error::invalid("the body is not valid JSON"))
}

/// Serde's data errors name fields and types; only those two forms are passed on, so that no value of the body comes back.
fn plain_data_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    for prefix in ["missing field ", "unknown field ", "duplicate field "] {
        if text.starts_with(prefix) {
            let sentence = text.split(" at line ").next().unwrap_or(prefix);
            return sentence.split(", expected").next().unwrap_or(prefix).chars().take(80).collect();
        }
    }
    "a field has the wrong type or a value that is not allowed".to_owned()
}

/// Runs `work` on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(broken_off()),
    }
}

/// A panic, which the log shows.
fn broken_off() -> Error {
    Error::new(Kind::Internal, "the work for this request was broken off")
        .next("Try again; if it happens again, send the recorder's log to its maintainers.")
}

/// Answers one request to `route`. What was let in runs to its end even when the caller goes away: half a change would leave the memory and the
/// register at odds.
pub(crate) async fn dispatch(app: App, route: &'static Route, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let running = tokio::spawn(serve(app, route, parts, body));
    let response = match timeout(body_timeout(route) + HANDLER_TIMEOUT, running).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(problem))) => problem.into_response(),
        Ok(Err(_)) => Problem::from(broken_off()).into_response(),
        Err(_) => {
            Problem::from(Error::new(Kind::Timeout, "the answer took too long").next("Try again.")).into_response()
        }
    };
    headers::for_api(response)
}

async fn serve(app: App, route: &'static Route, mut parts: Parts, body: Body) -> Result<Response, Problem> {
    let peer = peer_of(&parts)?;
    let over = parts.extensions.get::<Over>().copied().unwrap_or_default();
    headers::same_site(&parts.method, &parts.headers, over)?;
    let path = path_arguments(&mut parts).await?;
    let query = query_arguments(route, parts.uri.query().unwrap_or_default())?;
    let (mut who, mirror) = caller(&app, route, (&parts.headers, over));
    let policy = app.ports().policies.in_force();
    let unread = Asked { path: &path, query: &query, body: &[], mirror, rules: &policy.rules };
    if who.is_none()
        && let Some(action) = route.permission.action(&unread, Stored::default())
    {
        // Nothing of the body is read for somebody who is not signed in.
        return Err(app.gate().refuse_nobody(peer, action.ok()).await);
    }
    let _place = match &who {
        Some(who) if route.permission.asks() && is_file(route) => {
            // Somebody who may not, may not fill the memory either.
            if let Some(action) = route.permission.action(&unread, Stored::default()).transpose()?
                && decide(&who.subject, &action).is_err()
            {
                drop(app.gate().open(who, action, route.audit).await?);
            }
            Some(app.place_to_upload()?)
        }
        // The one file that comes from nobody is for a box that nobody has: any other has its places for those who are signed in.
        None if is_file(route) && app.claim_code().is_none() => {
            return Err(Error::new(Kind::Conflict, "this recorder is claimed already").next("Sign in.").into());
        }
        None if is_file(route) => Some(app.place_to_upload()?),
        _ => None,
    };
    let body = read_body(route, body).await?;
    let asked = Asked { path: &path, query: &query, body: &body, mirror, rules: &policy.rules };
    let grant = match &mut who {
        Some(who) => match action_of(&app, route.permission, &asked, who).await {
            Some(action) => {
                let action = action?;
                // Who may not, may not whatever they sent; who may must have said what.
                if route.request.is_some() && !is_file(route) && decide(&who.subject, &action).is_ok() {
                    is_json(&parts.headers, &body)?;
                }
                Some(app.gate().open(who, action, route.audit).await?)
            }
            None => None,
        },
        None => None,
    };
    let upgrade = match parts.headers.contains_key(header::UPGRADE) {
        true => parts.extract::<WebSocketUpgrade>().await.ok(),
        false => None,
    };
    let is_shared = window_s(route.audit).is_some();
    let stopping = parts.extensions.get::<Stopping>().cloned();
    (route.handler)(Call {
        app,
        peer,
        headers: parts.headers,
        path,
        query,
        body,
        who,
        grant,
        is_shared,
        upgrade,
        over,
        stopping,
    })
    .await
}

fn peer_of(parts: &Parts) -> Result<IpAddr, Error> {
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    peer.ok_or_else(|| Error::new(Kind::Internal, "the connection has no address"))
}

/// Who calls, by their session; on rows that copy the log also by the token of a mirror, whose number comes along.
fn caller(app: &App, route: &Route, (headers, over): (&HeaderMap, Over)) -> (Option<Who>, u32) {
    let who = headers::session_token(headers, over).and_then(|token| app.accounts().who(&token, over));
    if who.is_some() || !matches!(route.permission, Permission::Mirrors) {
        return (who, 0);
    }
    let found = headers::mirror_token(headers).and_then(|token| app.mirrors().who(&token, app.accounts()));
    found.map_or((None, 0), |(who, mirror)| (Some(who), mirror))
}

/// What somebody asks for. The settings of a camera are looked at for those alone who may change them; the case in which somebody asks goes with them to the gate.
async fn action_of(
    app: &App,
    permission: Permission,
    asked: &Asked<'_>,
    who: &mut Who,
) -> Option<Result<Action, Problem>> {
    match permission {
        Permission::OfRequest(_) => Some(of_request(app, permission, asked, who).await),
        Permission::OfExport(_) => match compared(app, permission, asked, who).await? {
            Ok(action) => Some(answerable(app, action, &who.subject).await),
            Err(error) => Some(Err(error.into())),
        },
        _ => Some(compared(app, permission, asked, who).await?.map_err(Problem::from)),
    }
}

/// What is said about an export, as far as it can be. Who may, but answers what waits for no answer or has another manifest, stands in the log as refused, and never as one who released it: the public
/// report counts those.
pub(crate) async fn answerable(app: &App, action: Action, subject: &Subject) -> Result<Action, Problem> {
    let (export, manifest) = match &action {
        Action::ReleaseExport { export, manifest_sha256, .. }
        | Action::RefuseExport { export, manifest_sha256, .. } => (*export, manifest_sha256),
        _ => return Ok(action),
    };
    // What cannot be read is the handler's to say, and what is not allowed the gate's.
    if manifest.is_empty() || decide(subject, &action).is_err() {
        return Ok(action);
    }
    match app.ports().exports.may_answer(export, subject.account.unwrap_or_default(), manifest) {
        Ok(()) => Ok(action),
        Err(error) => {
            app.gate().note(entry(subject.account, action, Some(&error.message))).await?;
            Err(error.into())
        }
    }
}

/// The same with what is stored of a camera, a case or the station.
async fn compared(
    app: &App,
    permission: Permission,
    asked: &Asked<'_>,
    who: &mut Who,
) -> Option<Result<Action, Error>> {
    let action = permission.action(asked, Stored::default())?;
    let may = |action: &Action| watchbook_access::decide(&who.subject, action).is_ok();
    match permission {
        Permission::Compares(_) if action.as_ref().is_ok_and(may) => {
            let Ok(camera) = asked.path.camera() else { return Some(action) };
            let ports = app.clone();
            match blocking(move || ports.ports().cameras.get(camera)).await {
                Ok(row) => permission.action(asked, Stored { camera: Some(&row.config), ..Stored::default() }),
                // The handler says so.
                Err(error) if error.kind == Kind::NotFound => Some(action),
                Err(error) => Some(Err(error)),
            }
        }
        Permission::OfSettings(_) if action.as_ref().is_ok_and(may) => {
            let now = app.settings().now();
            permission.action(asked, Stored { settings: Some(&now), ..Stored::default() })
        }
        Permission::InCase(_) => match app.case_now(&asked.case_number()).await {
            Ok(Some(found)) => {
                let action = permission.action(asked, Stored { case: Some(&found.case), ..Stored::default() });
                who.subject.case = Some(found);
                action
            }
            Ok(None) => Some(action),
            Err(error) => Some(Err(error)),
        },
        Permission::OfExport(_) => {
            let found = asked.path.export().ok().and_then(|export| app.ports().exports.facts(export));
            if let Some(found) = found {
                match app.case_now(&found.case).await {
                    Ok(case) => (who.subject.case, who.subject.export) = (case, Some(found)),
                    Err(error) => return Some(Err(error)),
                }
            }
            Some(action)
        }
        _ => Some(action),
    }
}

/// What is done with a request, as far as it can be. Whoever may, but tries what cannot be, stands in the log as refused.
async fn of_request(app: &App, permission: Permission, asked: &Asked<'_>, who: &Who) -> Result<Action, Problem> {
    let action = |stored| permission.action(asked, stored).unwrap_or(Ok(Action::ReadSubjectRequests));
    let tried = action(Stored::default())?;
    if watchbook_access::decide(&who.subject, &tried).is_err() {
        return Ok(tried);
    }
    let (wanted, ports) = (Wanted::of(asked, &who.subject), app.clone());
    let facts = blocking(move || wanted.facts(&ports)).await?;
    let checked = action(Stored { request: Some(&facts), ..Stored::default() });
    if let Err(error) = &checked {
        app.gate().note(entry(who.subject.account, tried, Some(&error.message))).await?;
    }
    Ok(checked?)
}

async fn path_arguments(parts: &mut Parts) -> Result<Arguments, Problem> {
    let params = parts.extract::<RawPathParams>().await;
    let params = params.map_err(|_| Error::invalid("the path is not valid UTF-8"))?;
    Ok(Arguments(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
}

/// Only the parameters that the row knows, each at most once.
fn query_arguments(route: &Route, query: &str) -> Result<Arguments, Problem> {
    let mut arguments = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()).take(QUERY_PARTS_MAX + 1) {
        if arguments.len() == QUERY_PARTS_MAX || !route.query.iter().any(|known| known.name == name) {
            return Err(Error::invalid("the query has a parameter that this address does not know").into());
        }
        if arguments.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(Error::invalid("a query parameter is given twice").into());
        }
    }
    Ok(Arguments(arguments))
}

/// The row takes a whole file.
fn is_file(route: &Route) -> bool {
    route.body_bytes_max > SETTINGS_BODY
}

fn body_timeout(route: &Route) -> Duration {
    if is_file(route) { FILE_TIMEOUT } else { BODY_TIMEOUT }
}

async fn read_body(route: &Route, body: Body) -> Result<Bytes, Problem> {
    if matches!(route.method, Method::GET | Method::HEAD) {
        return Ok(Bytes::new());
    }
    let too_large = || {
        let detail = format!("the body may have at most {} bytes here", route.body_bytes_max);
        Problem::with(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    };
    // Whoever says beforehand that it will be too large is told at once, and nothing of it is waited for.
    if body.size_hint().lower() > u64::try_from(route.body_bytes_max).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    match timeout(body_timeout(route), Limited::new(body, route.body_bytes_max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Error::invalid("the body broke off").into()),
        Err(_) => Err(Error::new(Kind::Timeout, "the body did not arrive in time").into()),
    }
}

/// 200 with JSON.
pub(crate) fn ok<T: serde::Serialize>(value: &T) -> Result<Response, Problem> {
    json(StatusCode::OK, value)
}

/// JSON with this status.
pub(crate) fn json<T: serde::Serialize>(status: StatusCode, value: &T) -> Result<Response, Problem> {
    let bytes = serde_json::to_vec(value);
    let bytes =
        bytes.map_err(|error| Error::new(Kind::Internal, format!("the answer could not be written: {error}")))?;
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(response)
}

/// 204.
pub(crate) fn empty() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// True when the rule makes the gate share entries.
pub(crate) fn window_s(rule: AuditRule) -> Option<u64> {
    match rule {
        AuditRule::FirstIn { window_s, .. } => Some(window_s),
        _ => None,
    }
}
