//! Every route is one row: method, path, who may call it, what the log keeps, how much it takes, and what it does. The router, the
//! OpenAPI document and the tests that walk all routes are made from these rows; there is no other way to add a route.

pub(crate) mod accounts;
pub(crate) mod audit;
mod backup;
mod bookmarks;
pub(crate) mod camera_change;
pub(crate) mod cameras;
pub(crate) mod cases;
pub(crate) mod counts;
pub(crate) mod decisions;
pub(crate) mod devices;
pub(crate) mod disks;
pub(crate) mod dispatch;
mod event_feed;
pub(crate) mod events;
pub(crate) mod exports;
pub(crate) mod footage;
pub(crate) mod health;
pub(crate) mod holds;
pub(crate) mod live;
pub(crate) mod log;
mod log_push;
pub(crate) mod mirror;
mod passkeys;
pub(crate) mod playback;
pub(crate) mod plugins;
pub(crate) mod policies;
pub(crate) mod proposals;
pub(crate) mod ptz;
pub(crate) mod publishers;
pub(crate) mod redact;
pub(crate) mod rederive;
pub(crate) mod report;
pub(crate) mod requests;
pub(crate) mod retention;
pub(crate) mod sessions;
mod settings;
mod signed_in;
pub(crate) mod signs;
pub(crate) mod station;
mod thumbnails;
mod tls;

use crate::error::{Error, Problem};
use crate::ports::CameraConfig;
use crate::settings::SettingsNow;
use axum::http::Method;
use axum::response::Response;
use core::future::Future;
use core::pin::Pin;
use dispatch::{Asked, Call};
use std::borrow::Cow;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};
use watchbook_access::{Action, Case};

/// Body limit of rows without a body.
pub(crate) const NO_BODY: usize = 0;
/// Body limit of small requests: a name and two passwords, 128 + 2 × 256 bytes, all escaped.
pub(crate) const SMALL_BODY: usize = 8 << 10;
/// Body limit of camera settings: 16 masks or zones × 32 corners × 40 bytes are 20 KiB; two such sets and 4 KiB of settings fit.
pub(crate) const SETTINGS_BODY: usize = 64 << 10;

/// One route. There is no default for any field: a row that does not say who may call it and what the log keeps does not compile.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// With `{name}` for each variable part.
    pub(crate) path: &'static str,
    /// Operation id in the OpenAPI document.
    pub(crate) id: &'static str,
    /// One sentence.
    pub(crate) summary: &'static str,
    pub(crate) permission: Permission,
    pub(crate) audit: AuditRule,
    pub(crate) body_bytes_max: usize,
    pub(crate) query: &'static [Query],
    pub(crate) request: Option<Shape>,
    pub(crate) answer: Answer,
    pub(crate) handler: Handler,
}

/// What a row does with a call that was let in.
pub(crate) type Handler = fn(Call) -> Pin<Box<dyn Future<Output = Result<Response, Problem>> + Send>>;

/// Who may call a row.
#[derive(Clone, Copy)]
pub(crate) enum Permission {
    /// Anybody, because.
    Public { because: &'static str },
    /// Whoever the gate lets do this action.
    Asks(fn(&Asked<'_>) -> Result<Action, Error>),
    /// The same for a change of the camera in the path, whose action says what becomes different from its settings as they are; without them when there is no such
    /// camera, and for somebody who may not.
    Compares(fn(&Asked<'_>, Option<&CameraConfig>) -> Result<Action, Error>),
    /// The same for what is done with or inside the case that the path or the query names as `case`; without it when there is no such case.
    InCase(fn(&Asked<'_>, Option<&Case>) -> Result<Action, Error>),
    /// The same for what is done with the export in the path: the gate is told who asked for it, of what, and of its case as it is then.
    OfExport(fn(&Asked<'_>) -> Result<Action, Error>),
    /// The same for what is done with a request of somebody who may be in the footage: with what is known of it, for whoever may.
    OfRequest(fn(&Asked<'_>, Option<&requests::Facts>) -> Result<Action, Error>),
    /// The same for a change of the station's own settings, whose action says what becomes different; without them for somebody who may not.
    OfSettings(fn(&Asked<'_>, Option<&SettingsNow>) -> Result<Action, Error>),
    /// Whoever the gate lets copy the log: somebody who is signed in, or a program with the token of a mirror.
    Mirrors,
}

/// What is stored of what is asked about, as far as it is known.
#[derive(Clone, Copy, Default)]
pub(crate) struct Stored<'a> {
    pub(crate) camera: Option<&'a CameraConfig>,
    pub(crate) case: Option<&'a Case>,
    pub(crate) request: Option<&'a requests::Facts>,
    pub(crate) settings: Option<&'a SettingsNow>,
}

impl Permission {
    /// Somebody must be signed in.
    pub(crate) fn asks(self) -> bool {
        !matches!(self, Self::Public { .. })
    }

    /// What is asked for; `None` for what is open to anybody.
    pub(crate) fn action(self, asked: &Asked<'_>, stored: Stored<'_>) -> Option<Result<Action, Error>> {
        match self {
            Self::Public { .. } => None,
            Self::Asks(ask) | Self::OfExport(ask) => Some(ask(asked)),
            Self::Compares(ask) => Some(ask(asked, stored.camera)),
            Self::InCase(ask) => Some(ask(asked, stored.case)),
            Self::OfRequest(ask) => Some(ask(asked, stored.request)),
            Self::OfSettings(ask) => Some(ask(asked, stored.settings)),
            Self::Mirrors => Some(Ok(Action::MirrorLog { mirror: asked.mirror })),
        }
    }
}

/// What the audit log keeps of calls to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuditRule {
    /// Nothing, because.
    Nothing { because: &'static str },
    /// The handler opens the gate itself, because.
    ByHandler { because: &'static str },
    /// An entry each time.
    EveryTime,
    /// The same action by the same session shares one entry for so long, because.
    FirstIn { window_s: u64, because: &'static str },
}

/// A query parameter.
#[derive(Clone, Copy)]
pub(crate) struct Query {
    pub(crate) name: &'static str,
    pub(crate) kind: QueryKind,
    pub(crate) required: bool,
    pub(crate) about: &'static str,
}

/// Type of a query parameter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueryKind {
    Integer,
    Text,
    VideoRole,
}

/// A shape of the OpenAPI document.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Media type of a body that has it.
    pub(crate) media: &'static str,
    pub(crate) name: fn() -> Cow<'static, str>,
    pub(crate) collect: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Shape {
    pub(crate) fn of<T: ToSchema>() -> Self {
        fn collect<T: ToSchema>(into: &mut Vec<(String, RefOr<Schema>)>) {
            into.push((T::name().into_owned(), T::schema()));
            T::schemas(into);
        }
        Self { media: "application/json", name: T::name, collect: collect::<T> }
    }

    /// The bytes of a file.
    pub(crate) fn file<T: ToSchema>() -> Self {
        Self { media: "application/octet-stream", ..Self::of::<T>() }
    }
}

/// What a row answers when all is well.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// JSON with this status.
    Json(u16, Shape),
    /// 204.
    Empty,
    /// MP4 with these headers, whole or in part.
    Mp4(&'static [&'static str]),
    /// ZIP with these headers, whole or in part.
    Zip(&'static [&'static str]),
    /// A JPEG picture with these headers.
    Jpeg(&'static [&'static str]),
    /// CSV with a header row.
    Csv,
    /// Plain text of a form of its own.
    Text,
    /// Server-sent events.
    EventStream,
    /// Bytes of a form of its own.
    Bytes,
    /// A WebSocket.
    WebSocket,
    /// Some JSON object.
    AnyJson,
}

/// Wraps an async function as a [`Handler`].
macro_rules! handler {
    ($function:path) => {
        |call| Box::pin($function(call))
    };
}
pub(crate) use handler;

/// Every row.
pub(crate) fn table() -> Vec<Route> {
    let mut rows = station::rows();
    rows.extend(sessions::rows());
    rows.extend(signed_in::rows());
    rows.extend(passkeys::rows());
    rows.extend(backup::rows());
    rows.extend(accounts::rows());
    rows.extend(cameras::rows());
    rows.extend(devices::rows());
    rows.extend(ptz::rows());
    rows.extend(cases::rows());
    rows.extend(bookmarks::rows());
    rows.extend(footage::rows());
    rows.extend(playback::rows());
    rows.extend(thumbnails::rows());
    rows.extend(exports::rows());
    rows.extend(decisions::rows());
    rows.extend(redact::rows());
    rows.extend(live::rows());
    rows.extend(events::rows());
    rows.extend(event_feed::rows());
    rows.extend(counts::rows());
    rows.extend(rederive::rows());
    rows.extend(plugins::rows());
    rows.extend(publishers::rows());
    rows.extend(audit::rows());
    rows.extend(log::rows());
    rows.extend(log_push::rows());
    rows.extend(mirror::rows());
    rows.extend(report::rows());
    rows.extend(requests::rows());
    rows.extend(signs::rows());
    rows.extend(policies::rows());
    rows.extend(settings::rows());
    rows.extend(health::rows());
    rows.extend(disks::rows());
    rows.extend(retention::rows());
    rows.extend(holds::rows());
    rows.extend(proposals::rows());
    rows.extend(tls::rows());
    rows
}

/// `from_utc_ms` and `to_utc_ms`, as most rows about time take them.
pub(crate) const FROM: Query =
    Query { name: "from_utc_ms", kind: QueryKind::Integer, required: true, about: "Start, milliseconds UTC." };
/// See [`FROM`].
pub(crate) const TO: Query = Query {
    name: "to_utc_ms",
    kind: QueryKind::Integer,
    required: true,
    about: "End, milliseconds UTC; not included.",
};
/// In which case footage is read.
pub(crate) const CASE: Query = Query {
    name: "case",
    kind: QueryKind::Text,
    required: true,
    about: "Number of the open case in which it is read; the account must be one of its investigators.",
};
/// Which of the camera's streams.
pub(crate) const ROLE: Query = Query {
    name: "role",
    kind: QueryKind::VideoRole,
    required: false,
    about: "Which stream; `main_video` when left out.",
};
/// Page size.
pub(crate) const LIMIT: Query = Query {
    name: "limit",
    kind: QueryKind::Integer,
    required: false,
    about: "At most so many; 1 to 500, 100 when left out.",
};
/// Where the page starts.
pub(crate) const CURSOR: Query =
    Query { name: "cursor", kind: QueryKind::Text, required: false, about: "`next_cursor` of the page before." };
