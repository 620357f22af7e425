//! Headers: what every answer carries, what a request from the page must carry, and the session cookie.

use crate::error::Problem;
use crate::tls::Over;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;

/// Name of the session cookie over plain HTTP.
pub const COOKIE: &str = "wb_session";
/// Its name over TLS. A browser takes a cookie with `__Host-` from this host over TLS alone, sends it to nobody else, and lets nothing that came over plain HTTP put another one in its place.
pub const COOKIE_TLS: &str = "__Host-wb_session";
/// Mutating requests carry it: a form or an image of another site cannot.
pub const CSRF_HEADER: HeaderName = HeaderName::from_static("x-watchbook");
/// Bytes of a session token.
pub(crate) const TOKEN_BYTES: usize = 32;

/// The page may run its own files, show pictures and clips it got by script, and talk to this box. Nothing else, nowhere else.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; \
    connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
/// What no page of ours uses.
const PERMISSIONS: &str =
    "camera=(), microphone=(), geolocation=(), display-capture=(), payment=(), usb=(), serial=(), bluetooth=()";

/// The worker that checks evidence bundles has a policy of its own: it compiles the module that came in a message, which the page may not, and asks nothing of anybody, so that
/// no byte of the files that it reads can leave the computer.
const CSP_OF_CHECKER: &str = "default-src 'none'; script-src 'wasm-unsafe-eval'";

/// Adds what the file of that worker carries.
pub(crate) fn for_checker(response: Response) -> Response {
    let mut response = for_all(response);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP_OF_CHECKER));
    response
}

/// Name of the session cookie, and what else it says.
fn cookie_over(over: Over) -> (&'static str, &'static str) {
    match over {
        Over::Plain => (COOKIE, ""),
        Over::Tls => (COOKIE_TLS, "; Secure"),
    }
}

/// Adds what every answer carries.
pub(crate) fn for_all(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Adds what answers of the API carry: nothing of them may stay in a cache.
pub(crate) fn for_api(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for_all(response)
}

/// Refuses what another site made a browser send: a mutating request without our header, or any mutating request or WebSocket whose
/// `Origin` is not the host it was sent to.
///
/// # Errors
/// 403 `cross-site`.
pub(crate) fn same_site(method: &Method, headers: &HeaderMap, over: Over) -> Result<(), Problem> {
    let mutating = !matches!(*method, Method::GET | Method::HEAD);
    let upgrade = headers.contains_key(header::UPGRADE);
    if !mutating && !upgrade {
        return Ok(());
    }
    let refuse = |detail: &str| Problem::with(StatusCode::FORBIDDEN, "cross-site", detail);
    if mutating && headers.get(CSRF_HEADER).is_none_or(|value| value != "1") {
        return Err(
            refuse("the header X-Watchbook: 1 is missing").next("Send it with every POST, PUT, PATCH and DELETE.")
        );
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        // Browsers send Origin with every mutating request and every WebSocket; what has none is no browser and carries no foreign cookie.
        return Ok(());
    };
    let origin = origin.to_str().ok().and_then(|text| text.parse::<Uri>().ok());
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let same = match (&origin, host) {
        // A page that came over plain HTTP may be anybody's. Not the other way round: a proxy may speak TLS for a recorder that does not.
        (Some(origin), _) if over == Over::Tls && origin.scheme_str() != Some("https") => false,
        (Some(origin), Some(host)) => origin.authority().is_some_and(|from| from.as_str().eq_ignore_ascii_case(host)),
        _ => false,
    };
    if same { Ok(()) } else { Err(refuse("the request comes from a page of another site")) }
}

/// The session token of the request's cookie; `None` when there is none or it cannot be one.
pub(crate) fn session_token(headers: &HeaderMap, over: Over) -> Option<[u8; TOKEN_BYTES]> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut ours = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = ours.find(|(name, _)| *name == cookie_over(over).0)?;
    crate::hex::decode(value)
}

/// What a mirror's token begins with: whoever finds one in a file knows what it opens.
pub(crate) const MIRROR_TOKEN_PREFIX: &str = "watchbook-mirror-";

/// The mirror's token that the request carries (RFC 6750 section 2.1); `None` when there is none or it cannot be one.
pub(crate) fn mirror_token(headers: &HeaderMap) -> Option<[u8; TOKEN_BYTES]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (scheme, token) = values.next().filter(|_| values.next().is_none())?.to_str().ok()?.split_once(' ')?;
    let token = token.strip_prefix(MIRROR_TOKEN_PREFIX).filter(|_| scheme.eq_ignore_ascii_case("bearer"))?;
    crate::hex::decode(token)
}

/// `Set-Cookie` for a new session.
pub(crate) fn cookie_for(token: &[u8; TOKEN_BYTES], max_age_s: u64, over: Over) -> HeaderValue {
    let ((name, more), token) = (cookie_over(over), crate::hex::encode(token));
    let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_s}{more}");
    HeaderValue::try_from(text).expect("hexadecimal digits and fixed ASCII are a valid header value")
}

/// `Set-Cookie` that removes it.
pub(crate) fn no_cookie(over: Over) -> HeaderValue {
    match over {
        Over::Plain => HeaderValue::from_static("wb_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"),
        Over::Tls => {
            HeaderValue::from_static("__Host-wb_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0; Secure")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_request_of_another_site_is_refused() {
        type Case<'a> = (Method, &'a [(&'a str, &'a str)], bool);
        let cases: [Case<'_>; 9] = [
            (Method::GET, &[("origin", "http://evil.example")], true),
            (Method::POST, &[("host", "box")], false),
            (Method::POST, &[("host", "box"), ("x-watchbook", "0")], false),
            (Method::POST, &[("host", "box"), ("x-watchbook", "1")], true),
            (Method::POST, &[("host", "box:8080"), ("x-watchbook", "1"), ("origin", "http://box:8080")], true),
            (Method::POST, &[("host", "box:8080"), ("x-watchbook", "1"), ("origin", "http://box")], false),
            (Method::DELETE, &[("host", "box"), ("x-watchbook", "1"), ("origin", "null")], false),
            (Method::GET, &[("host", "box"), ("upgrade", "websocket"), ("origin", "http://evil.example")], false),
            (Method::GET, &[("host", "box"), ("upgrade", "websocket"), ("origin", "https://BOX")], true),
        ];
        for (method, pairs, expected) in cases {
            assert_eq!(same_site(&method, &headers(pairs), Over::Plain).is_ok(), expected, "{method} {pairs:?}");
        }
    }

    #[test]
    fn only_a_whole_token_of_a_mirror_is_taken() {
        let text = crate::hex::encode(&[0xA5; TOKEN_BYTES]);
        for (value, right) in [
            (format!("Bearer watchbook-mirror-{text}"), true),
            (format!("bearer watchbook-mirror-{text}"), true),
            (format!("Basic watchbook-mirror-{text}"), false),
            (format!("Bearer {text}"), false),
            (format!("Bearer watchbook-mirror-{text}00"), false),
            (format!("watchbook-mirror-{text}"), false),
        ] {
            assert_eq!(mirror_token(&headers(&[("authorization", &value)])).is_some(), right, "{value}");
        }
    }

    #[test]
    fn only_a_whole_token_is_taken_from_the_cookie() {
        let token = [0xA5; TOKEN_BYTES];
        let text = crate::hex::encode(&token);
        for (cookie, expected) in [
            (format!("wb_session={text}"), Some(token)),
            (format!("other=1; wb_session={text}; x=y"), Some(token)),
            (format!("wb_session={}", &text[1..]), None),
            (format!("wb_session={text}00"), None),
            (format!("not_wb_session={text}"), None),
            ("wb_session=".to_owned(), None),
        ] {
            assert_eq!(session_token(&headers(&[("cookie", &cookie)]), Over::Plain), expected, "{cookie}");
        }
    }

    #[test]
    fn over_tls_the_cookie_has_a_name_that_plain_http_cannot_set_and_goes_back_over_tls_alone() {
        let token = [0xA5; TOKEN_BYTES];
        let set = cookie_for(&token, 60, Over::Tls);
        let set = set.to_str().unwrap();
        // RFC 6265bis §4.1.3.2: __Host- wants Secure, the path / and no domain.
        for part in ["__Host-wb_session=", "; Secure", "; Path=/", "; HttpOnly", "; SameSite=Strict"] {
            assert!(set.contains(part), "{set}");
        }
        assert!(!set.contains("Domain"));
        assert!(no_cookie(Over::Tls).to_str().unwrap().contains("__Host-wb_session=; Path=/; "));
        let sent = headers(&[("cookie", set.split(';').next().unwrap())]);
        assert_eq!(session_token(&sent, Over::Tls), Some(token));
        assert_eq!(session_token(&sent, Over::Plain), None);
        let plain = headers(&[("cookie", &format!("wb_session={}", crate::hex::encode(&token)))]);
        assert_eq!(session_token(&plain, Over::Tls), None);
    }

    #[test]
    fn over_tls_a_page_that_came_in_the_open_is_another_site() {
        for (origin, expected) in [("https://box:8080", true), ("http://box:8080", false), ("null", false)] {
            let headers = headers(&[("host", "box:8080"), ("x-watchbook", "1"), ("origin", origin)]);
            assert_eq!(same_site(&Method::POST, &headers, Over::Tls).is_ok(), expected, "{origin}");
        }
    }
}
