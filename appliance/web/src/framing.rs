//! Requests whose end, or whose receiver, two readers could see in different places are refused before anything looks at them. Behind a proxy that reads such a request in another way, a second request could be
//! hidden in the body of the first (RFC 9112 section 11.2).

use crate::error::Problem;
use crate::headers;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};

/// What is wrong with how a request says where it ends and for whom it is; `None` for a request that can be read in one way alone.
pub(crate) fn refused(parts: &Parts) -> Option<Problem> {
    let refuse = |status: StatusCode, detail: &str, step: &str| {
        Some(Problem::with(status, "invalid-input", detail).next(step).header(header::CONNECTION, "close"))
    };
    // Nothing of ours sends a body in chunks. With them go the pairs of Content-Length and Transfer-Encoding, of which hyper takes the second and drops the first, other codings before
    // `chunked`, and chunk extensions without end.
    if parts.headers.contains_key(header::TRANSFER_ENCODING) {
        let detail = "a request with a transfer coding is not taken";
        return refuse(StatusCode::LENGTH_REQUIRED, detail, "Send the body whole, with its length in Content-Length.");
    }
    let hosts = parts.headers.get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && parts.version > Version::HTTP_10) {
        return refuse(StatusCode::BAD_REQUEST, "a request names its host once", "Send one header Host.");
    }
    let named = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if parts
        .uri
        .authority()
        .is_some_and(|authority| named.is_some_and(|named| !authority.as_str().eq_ignore_ascii_case(named)))
    {
        let detail = "the request is for one host in its first line and for another in its header Host";
        return refuse(StatusCode::BAD_REQUEST, detail, "Name the same host in both.");
    }
    if !parts.uri.path().starts_with('/') {
        let detail = "the request names no address of this recorder";
        return refuse(StatusCode::BAD_REQUEST, detail, "Ask for a path that begins with /.");
    }
    None
}

/// The problem as an answer after which the connection ends.
pub(crate) fn answer(problem: Problem) -> Response {
    let mut response = headers::for_api(problem.into_response());
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn status(version: Version, target: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = Request::builder().version(version).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        refused(&request.body(()).unwrap().into_parts().0).map(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_request_is_read_in_one_way_or_not_at_all() {
        type Case<'a> = (Version, &'a str, &'a [(&'a str, &'a str)], Option<u16>);
        let cases: [Case<'_>; 11] = [
            (Version::HTTP_11, "/", &[("host", "box")], None),
            (Version::HTTP_10, "/", &[], None),
            (Version::HTTP_11, "http://box/", &[("host", "box")], None),
            (Version::HTTP_11, "http://Box:80/", &[("host", "box:80")], None),
            (Version::HTTP_11, "http://other/", &[("host", "box")], Some(400)),
            (Version::HTTP_11, "/", &[], Some(400)),
            (Version::HTTP_11, "/", &[("host", "box"), ("host", "box")], Some(400)),
            (Version::HTTP_10, "/", &[("host", "a"), ("host", "b")], Some(400)),
            (Version::HTTP_11, "*", &[("host", "box")], Some(400)),
            (Version::HTTP_11, "box:443", &[("host", "box")], Some(400)),
            (Version::HTTP_11, "/", &[("host", "box"), ("transfer-encoding", "chunked")], Some(411)),
        ];
        for (version, target, headers, expected) in cases {
            assert_eq!(status(version, target, headers), expected, "{version:?} {target} {headers:?}");
        }
    }
}
