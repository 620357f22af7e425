//! What must hold for any path and host; called by [`crate::fuzz_body::http_redirect`].

use super::answer;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, Uri, header};

/// The first line is the path, each further one a `Host`.
pub(crate) fn redirected(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let path = lines.next().unwrap_or_default();
    let mut request = Request::builder().uri(path);
    let hosts: Vec<&[u8]> = lines.collect();
    for host in &hosts {
        request = request.header(header::HOST, *host);
    }
    let Ok(request) = request.body(Body::empty()) else { return };
    let response = answer(&request);
    let Some(place) = response.headers().get(header::LOCATION) else {
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        return;
    };
    let [host] = hosts.as_slice() else { panic!("without one host it leads nowhere") };
    let place: Uri = place.to_str().expect("it is an address").parse().expect("it is an address");
    assert_eq!(place.scheme_str(), Some("https"));
    let name = place.host().expect("it has a host");
    let port = host.strip_prefix(name.as_bytes()).expect("it leads to the same host");
    let asked = str::from_utf8(port).ok().and_then(|port| port.strip_prefix(':')?.parse().ok());
    assert_eq!(place.port_u16(), Some(asked.unwrap_or(80)), "and to its port");
}
