//! Failures, and the problem documents (RFC 9457) that callers get for them.

use crate::api::ProblemBody;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use core::fmt;
use watchbook_access::Refusal;
use watchbook_base::Kind;

/// What failed behind a port or in a route: a kind, a sentence that names what was attempted, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Decides the status.
    pub kind: Kind,
    /// What was attempted, on which camera, account or range, and why it failed. Shown to people: never holds a secret.
    pub message: String,
    /// What the reader can do about it.
    pub next_step: Option<String>,
}

impl Error {
    /// An error without advice.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), next_step: None }
    }

    /// The same error with advice.
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.next_step = Some(step.into());
        self
    }

    /// The caller's values are wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidInput, message)
    }

    /// Nothing there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Error {}

impl From<watchbook_media::SourceError> for Error {
    fn from(error: watchbook_media::SourceError) -> Self {
        Self::new(error.kind, error.message)
    }
}

/// A problem document on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    slug: &'static str,
    detail: String,
    next_step: Option<String>,
    headers: Vec<(HeaderName, String)>,
}

impl Problem {
    /// A problem whose kind is not one of [`Kind`]: the caller chooses status and slug.
    pub(crate) fn with(status: StatusCode, slug: &'static str, detail: impl Into<String>) -> Self {
        Self { status, slug, detail: detail.into(), next_step: None, headers: Vec::new() }
    }

    /// The sentence.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Adds advice.
    #[must_use]
    pub(crate) fn next(mut self, step: impl Into<String>) -> Self {
        self.next_step = Some(step.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Too many attempts; `wait_s` is when to come back.
    pub(crate) fn wait(wait_s: u64) -> Self {
        Self::with(StatusCode::TOO_MANY_REQUESTS, "wait", "too many failed attempts from here or for this account")
            .next(format!("Wait {wait_s} s, then try again."))
            .header(header::RETRY_AFTER, wait_s.to_string())
    }

    /// The session has as much open as one session may; `what` says what, and what to do.
    pub(crate) fn too_many(what: impl Into<String>, step: &'static str) -> Self {
        Self::with(StatusCode::TOO_MANY_REQUESTS, "too-many", what).next(step)
    }

    /// Status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    fn title(&self) -> &'static str {
        match self.slug {
            "not-found" => "Not found",
            "invalid-input" => "The request is not valid",
            "sign-in-first" => "Sign in first",
            "denied" => "Not allowed",
            "outside-case" => "Not inside an open case",
            "second_factor_needed" => "The second factor is needed",
            "conflict" => "It clashes with what is there",
            "exhausted" => "A limit is reached",
            "corrupt" => "Stored data does not check out",
            "unavailable" => "Not available now",
            "timeout" => "No answer in time",
            "io" => "The operating system refused",
            "log-unwritable" => "The audit log cannot be written",
            "wait" => "Too many attempts",
            "vault-full" => "The vault has no room for this hold",
            "too-many" => "Too much is open in this session",
            "cross-site" => "The request comes from another site",
            "method-not-allowed" => "This address does not take this method",
            "transcode-full" => "No more footage can be transcoded now",
            "transcode-late" => "Recording needs the processor",
            "transcode-broken" => "This footage cannot be transcoded",
            "too-large" => "The request is too large",
            "range-not-satisfiable" => "The range lies outside the file",
            _ => "Our mistake",
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, slug) = match error.kind {
            Kind::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            Kind::InvalidInput => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-input"),
            Kind::Denied => (StatusCode::FORBIDDEN, "denied"),
            Kind::Conflict => (StatusCode::CONFLICT, "conflict"),
            Kind::Exhausted => (StatusCode::SERVICE_UNAVAILABLE, "exhausted"),
            Kind::Corrupt => (StatusCode::INTERNAL_SERVER_ERROR, "corrupt"),
            Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Kind::Timeout => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
            Kind::Io => (StatusCode::INTERNAL_SERVER_ERROR, "io"),
            Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        Self { next_step: error.next_step, ..Self::with(status, slug, error.message) }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::SignInFirst => Self::with(StatusCode::UNAUTHORIZED, "sign-in-first", detail),
            Refusal::NotAllowed(_) => Self::with(StatusCode::FORBIDDEN, "denied", detail)
                .next("Ask an admin of this station whether your account should have this role or camera."),
            Refusal::OutsideCase(why) => {
                Self::with(StatusCode::FORBIDDEN, "outside-case", detail).next(why.next_step())
            }
            Refusal::FactorNeeded => Self::with(StatusCode::FORBIDDEN, "second_factor_needed", detail)
                .next("Type the code that your authenticator shows. Who has none yet sets it up on the page of the own account."),
            Refusal::LogUnwritable(_) => Self::with(StatusCode::SERVICE_UNAVAILABLE, "log-unwritable", detail)
                .next("Ask an admin to look at the disk that holds the register."),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::warn!(status = self.status.as_u16(), detail = %self.detail, "a request failed");
        }
        let body = ProblemBody {
            r#type: format!("urn:watchbook:problem:{}", self.slug),
            title: self.title().to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            next_step: self.next_step,
        };
        let bytes = serde_json::to_vec(&body).unwrap_or_else(|_| b"{}".to_vec());
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
