//! What the page is served with: shown to those who are signed in, changed by an admin. The authority's own certificate is for everybody.

use super::dispatch::{Asked, Call, empty, ok};
use super::{Answer, AuditRule, NO_BODY, Permission, Route, Shape, cameras, handler};
use crate::api;
use crate::error::{Error, Problem};
use axum::body::Body;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use watchbook_access::Action;
use watchbook_base::UtcNanos;
use watchbook_tls::{CHAIN_BYTES_MAX, Given, KEY_BYTES_MAX};

/// Both files, each line end of which takes two bytes in JSON.
const UPLOAD_BODY: usize = 2 * (CHAIN_BYTES_MAX + KEY_BYTES_MAX);
/// Bytes of the names that the log keeps.
const NAMES_BYTES_MAX: usize = 512;
const STATE: &str = "/api/v1/tls";
const CERTIFICATE: &str = "/api/v1/tls/certificate";

pub(crate) fn rows() -> Vec<Route> {
    let row = |method, path, id, summary, permission, handler| Route {
        method,
        path,
        id,
        summary,
        permission,
        audit: AuditRule::EveryTime,
        body_bytes_max: NO_BODY,
        query: &[],
        request: None,
        answer: Answer::Json(200, Shape::of::<api::TlsState>()),
        handler,
    };
    vec![
        Route {
            audit: cameras::CONFIG_READ,
            ..row(
                Method::GET,
                STATE,
                "tls",
                "What the page is served with: certificate, fingerprints, names, until when.",
                Permission::Asks(|_| Ok(Action::ReadConfig)),
                handler!(state),
            )
        },
        Route {
            body_bytes_max: UPLOAD_BODY,
            request: Some(Shape::of::<api::CertificateUpload>()),
            ..row(
                Method::PUT,
                CERTIFICATE,
                "upload_certificate",
                "Serves the page with a certificate that somebody else made, from the next connection on. Its key is never given back.",
                Permission::Asks(asked_upload),
                handler!(upload),
            )
        },
        Route {
            answer: Answer::Empty,
            ..row(
                Method::DELETE,
                CERTIFICATE,
                "remove_certificate",
                "Forgets the uploaded certificate with its key, and serves one of the station's own authority again.",
                Permission::Asks(|_| Ok(Action::RemoveCertificate)),
                handler!(remove),
            )
        },
        Route {
            audit: AuditRule::Nothing { because: "it is shown to everybody who connects, in parts" },
            answer: Answer::Bytes,
            ..row(
                Method::GET,
                "/ca.crt",
                "authority",
                "The certificate of the station's own authority (DER), to be installed once its fingerprint was compared.",
                Permission::Public { because: "whoever cannot trust the page yet needs it to trust the page" },
                handler!(authority),
            )
        },
    ]
}

/// What the log keeps of it is what the certificate itself says. What cannot be read is the handler's to refuse.
fn asked_upload(asked: &Asked<'_>) -> Result<Action, Error> {
    let request: Option<api::CertificateUpload> = asked.json()?;
    let facts = request.and_then(|request| watchbook_tls::Facts::of_pem(request.chain_pem.as_bytes()).ok());
    let (certificate_sha256, names, until_s) =
        facts.map_or_else(Default::default, |facts| (facts.sha256, facts.names.join(", "), facts.not_after_s));
    let names = names.chars().take(NAMES_BYTES_MAX).collect();
    let not_after = UtcNanos::from_ms(until_s.saturating_mul(1000));
    Ok(Action::UploadCertificate { certificate_sha256, names, not_after })
}

async fn state(call: Call) -> Result<Response, Problem> {
    ok(&call.blocking(|app| Ok(app.ports().certificates.state())).await?)
}

async fn upload(call: Call) -> Result<Response, Problem> {
    let done = uploaded(&call).await;
    ok(&call.noted(done).await?)
}

async fn uploaded(call: &Call) -> Result<api::TlsState, Problem> {
    let request: api::CertificateUpload = call.json()?;
    call.blocking(move |app| {
        let (chain, key) = (request.chain_pem.as_bytes(), request.key_pem.reveal().as_bytes());
        let given =
            Given::read(chain, key, app.clock().utc()).map_err(|error| Error::new(error.kind, error.message))?;
        app.ports().certificates.upload(&given)?;
        Ok(app.ports().certificates.state())
    })
    .await
}

async fn remove(call: Call) -> Result<Response, Problem> {
    let done = call.blocking(|app| app.ports().certificates.remove()).await;
    call.noted(done).await?;
    Ok(empty())
}

async fn authority(call: Call) -> Result<Response, Problem> {
    let none = || {
        Error::not_found("this station has no authority of its own").next("Ask whoever runs it what it is served with.")
    };
    let certificate = call.blocking(|app| Ok(app.ports().certificates.authority())).await?.ok_or_else(none)?;
    let mut response = Response::new(Body::from(certificate));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-x509-ca-cert"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"watchbook-ca.crt\""));
    Ok(response)
}
