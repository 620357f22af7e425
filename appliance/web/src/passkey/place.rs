//! Where the page was reached, as far as passkeys are tied to it: a host name that the station's certificate stands for, over TLS.

use crate::error::{Error, Problem};
use crate::ports::Certificates;
use crate::tls::Over;
use axum::http::{HeaderMap, header};
use std::net::IpAddr;
use watchbook_base::Kind;

/// A place where passkeys work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The host name: what a passkey is for (the "RP ID").
    pub(crate) rp_id: String,
    /// The page's origin, as the browser says it: scheme, host, and the port where it is not 443.
    pub(crate) origin: String,
}

impl Place {
    /// Where a request was served.
    ///
    /// # Errors
    /// 409 with the addresses under which passkeys work, where they do not here.
    pub(crate) fn of(headers: &HeaderMap, over: Over, certificates: &dyn Certificates) -> Result<Self, Problem> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let names = certificates.state().certificate.map(|certificate| certificate.names).unwrap_or_default();
        match place(host, over, &names) {
            Some(place) => Ok(place),
            None => Err(refused(host, &names)),
        }
    }
}

fn place(host: &str, over: Over, names: &[String]) -> Option<Place> {
    let host = host.to_ascii_lowercase();
    let (name, port) = split(&host);
    let stands_for = |certified: &String| match certified.strip_prefix("*.") {
        Some(domain) => name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == domain),
        None => name == certified.to_ascii_lowercase(),
    };
    if over == Over::Plain || !is_name(name) || !names.iter().any(stands_for) {
        return None;
    }
    let origin = match port {
        None | Some("443") => format!("https://{name}"),
        Some(port) => format!("https://{name}:{port}"),
    };
    Some(Place { rp_id: name.to_owned(), origin })
}

/// Name and port of a `Host` header; of an address in brackets, the address.
fn split(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (name, Some(port)),
        _ => (host, None),
    }
}

/// No address in digits: a browser ties passkeys to domain names alone (section 5.1.3).
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    !name.is_empty() && name.bytes().all(plain) && name.parse::<IpAddr>().is_err()
}

fn refused(host: &str, names: &[String]) -> Problem {
    let (_, port) = split(host);
    let port = port.filter(|port| *port != "443").map(|port| format!(":{port}")).unwrap_or_default();
    let usable = names.iter().filter(|name| is_name(name) && *name != "localhost");
    let addresses: Vec<String> = usable.take(3).map(|name| format!("https://{name}{port}")).collect();
    let error = Error::new(
        Kind::Conflict,
        "passkeys work over TLS alone, under a host name that the certificate of the recorder stands for",
    );
    match addresses.is_empty() {
        true => error.next("Upload a certificate for the recorder's host name, then open the page under that name."),
        false => error.next(format!(
            "Open the page at {}, on a device that trusts the recorder's authority (/ca.crt).",
            addresses.join(" or ")
        )),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_name_of_the_certificate_over_tls() {
        let names = ["box.lan", "*.station.example", "192.0.2.7", "localhost", "fd00::1"].map(str::to_owned);
        let at = |host: &str| place(host, Over::Tls, &names).map(|place| (place.rp_id, place.origin));
        let is = |name: &str, origin: &str| Some((name.to_owned(), origin.to_owned()));
        assert_eq!(at("box.lan"), is("box.lan", "https://box.lan"));
        assert_eq!(at("BOX.lan:8443"), is("box.lan", "https://box.lan:8443"));
        assert_eq!(at("box.lan:443"), is("box.lan", "https://box.lan"));
        assert_eq!(at("seven.station.example"), is("seven.station.example", "https://seven.station.example"));
        for other in
            ["192.0.2.7", "192.0.2.7:8443", "[fd00::1]:8443", "fd00::1", "evil.example", "station.example", "", ":80"]
        {
            assert_eq!(at(other), None, "{other}");
        }
        assert_eq!(at(".station.example"), None);
        assert_eq!(at("a.b.station.example"), None);
        assert_eq!(at("box.lan.evil.example"), None);
        assert_eq!(place("box.lan", Over::Plain, &names), None);
        assert_eq!(place("localhost", Over::Plain, &names), None);
    }
}
