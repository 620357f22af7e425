//! The one answer to plain HTTP over the network: the same address over TLS. Nothing of the page, the API or the audit log is behind it.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Answers every request so.
pub(crate) fn router() -> Router {
    Router::new().fallback(|request: Request| async move { answer(&request) })
}

fn answer(request: &Request) -> Response {
    let text = "This page is served over TLS alone. Open the same address with https:// in front.\n";
    let mut response = match place(request) {
        Some(place) => (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, place)], text).into_response(),
        None => (StatusCode::BAD_REQUEST, Body::from(text)).into_response(),
    };
    // Whoever is sent on comes again over another connection.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The same host, port and path; `None` without a host that is one. Over plain HTTP no port means 80 (RFC 9110 section 4.2.1), and over TLS 443, where nobody may listen.
fn place(request: &Request) -> Option<HeaderValue> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().filter(|_| hosts.next().is_none())?.to_str().ok()?;
    let host: Authority = host.parse().ok()?;
    if host.as_str().contains('@') {
        return None;
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    // An address has ASCII alone (RFC 3986 section 2); browsers write everything else in percent.
    let path = if path.starts_with('/') && path.is_ascii() { path } else { "/" };
    let name = host.host();
    // A colon without a port behind it is no port (RFC 3986 section 3.2.3).
    let port = match host.as_str().strip_prefix(name)? {
        "" | ":" => 80,
        port => {
            let digits = port.strip_prefix(':').filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))?;
            digits.parse::<u16>().ok()?
        }
    };
    HeaderValue::try_from(format!("https://{name}:{port}{path}")).ok()
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz_body;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(path: &str, hosts: &[&str]) -> Response {
        let mut request = Request::builder().uri(path);
        for host in hosts {
            request = request.header("host", *host);
        }
        answer(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn host_port_path_and_query_stay() {
        for (path, host, expected) in [
            ("/", "box", "https://box:80/"),
            ("/live?camera=1", "box:8080", "https://box:8080/live?camera=1"),
            ("/a", "192.0.2.2:8080", "https://192.0.2.2:8080/a"),
            ("/a", "[fd00::2]:8080", "https://[fd00::2]:8080/a"),
            ("/a", "box:", "https://box:80/a"),
            ("//evil.example/", "box", "https://box:80//evil.example/"),
            ("*", "box", "https://box:80/"),
        ] {
            let response = asked(path, &[host]);
            assert_eq!(response.status(), 308);
            assert_eq!(response.headers()["location"], expected);
            assert_eq!(response.headers()["connection"], "close");
            assert!(!response.headers().contains_key("set-cookie"));
        }
    }

    #[test]
    fn what_is_no_host_leads_nowhere() {
        for hosts in [
            &[][..],
            &["box", "evil.example"],
            &["user@evil.example"],
            &["a b"],
            &["box/evil.example"],
            &["box:99999"],
            &["box:+80"],
            &[""],
        ] {
            let response = asked("/", hosts);
            assert_eq!((response.status().as_u16(), response.headers().get("location")), (400, None), "{hosts:?}");
        }
    }
}
