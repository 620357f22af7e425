//! The page's files, embedded in the program.

use crate::headers;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};
use std::borrow::Cow;

/// What the page's build left in `ui/dist`; empty when it was not built.
#[derive(RustEmbed)]
#[folder = "ui/dist"]
pub(crate) struct Files;

/// Vite names these by their content, so they never change.
const HASHED: &str = "assets/";

/// The worker that checks evidence bundles, by the name of its source (`ui/src/verify/bundle.worker.ts`).
const CHECKER: &str = "assets/bundle.worker-";

/// Answers a path outside the API: a file, or the page itself for a path that is a place inside the page.
pub(crate) async fn answer(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path == "api" || path.starts_with("api/") {
        return headers::for_api(no_such_address());
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        return headers::for_api(method_not_allowed().await);
    }
    let is_file = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    let found = Files::get(path).map(|file| (path, file));
    let found =
        found.or_else(|| if is_file { None } else { Files::get("index.html").map(|file| ("index.html", file)) });
    match found {
        Some((path, file)) if path.starts_with(CHECKER) => headers::for_checker(file_answer(path, file, &headers)),
        Some((path, file)) => headers::for_all(file_answer(path, file, &headers)),
        None if is_file => headers::for_api(no_such_address()),
        None => headers::for_all(not_built()),
    }
}

fn no_such_address() -> Response {
    let error = crate::Error::not_found("there is nothing at this address");
    crate::error::Problem::from(error.next("The addresses are listed at /api/v1/openapi.json.")).into_response()
}

/// 405 for a row's path with another method.
pub(crate) async fn method_not_allowed() -> Response {
    let detail = "this address does not take this method";
    crate::error::Problem::with(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail).into_response()
}

fn not_built() -> Response {
    let text = "This Watchbook was built without its page. The API is at /api/v1/openapi.json.\n";
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn file_answer(path: &str, file: EmbeddedFile, asked: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", &crate::hex::encode(&file.metadata.sha256_hash())[..32]);
    let cache = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known = asked.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == etag.as_bytes());
    let mut response = match (known, file.data) {
        (true, _) => Response::new(Body::empty()),
        (false, Cow::Borrowed(bytes)) => Response::new(Body::from(bytes)),
        (false, Cow::Owned(bytes)) => Response::new(Body::from(bytes)),
    };
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// The kinds of file that a page build makes. Another kind is sent as bytes, and `nosniff` keeps it that.
fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("wasm") => "application/wasm",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
