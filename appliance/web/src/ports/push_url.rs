//! Where to checkpoints are sent.

use crate::error::Error;
use axum::http::Uri;
use core::fmt;

/// Bytes of such an address.
pub const PUSH_URL_BYTES_MAX: usize = 256;

/// The address of a witness, without a slash at its end. Whoever has one knows that nothing secret stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushUrl(String);

impl PushUrl {
    /// Reads what an admin wrote.
    ///
    /// # Errors
    /// `InvalidInput`, in a sentence that does not repeat what was written: there may be a password in it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim().trim_end_matches('/');
        refusal(text).map_or_else(
            || Ok(Self(text.to_owned())),
            |why| {
                let message = format!("this is no address to which checkpoints can be sent: {why}");
                let next = "Ask whoever runs the witness, and give what they name, such as https://witness.example/w1.";
                Err(Error::invalid(message).next(next))
            },
        )
    }

    /// As it is shown and stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where to a checkpoint is posted (C2SP tlog-witness).
    #[must_use]
    pub fn add_checkpoint(&self) -> String {
        format!("{}/add-checkpoint", self.0)
    }
}

impl fmt::Display for PushUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn refusal(text: &str) -> Option<&'static str> {
    if text.len() > PUSH_URL_BYTES_MAX {
        return Some("it is longer than 256 bytes");
    }
    // What the parser would leave out, or another program might read otherwise.
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('\\') {
        return Some("only letters, digits and signs of ASCII are taken");
    }
    if text.contains(['?', '#']) {
        return Some("it has a query or a fragment");
    }
    if text.contains('@') {
        return Some("it has a name or a password in it, and that would stand in the audit log");
    }
    let Ok(uri) = text.parse::<Uri>() else { return Some("it does not read as an address") };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Some("it does not begin with http:// or https://");
    }
    let authority = uri.authority().map(axum::http::uri::Authority::as_str).unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    let rest = authority.strip_prefix(host).unwrap_or(authority);
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    match rest.strip_prefix(':') {
        _ if host.is_empty() => Some("it names no machine"),
        Some(port) if !is_port(port) => Some("the port is no number from 1 to 65535"),
        None if !rest.is_empty() => Some("it names no machine"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_witnesses_are_taken_without_a_slash_at_the_end() {
        for (text, posted) in [
            ("http://10.0.0.7:8090", "http://10.0.0.7:8090/add-checkpoint"),
            (" https://witness.example/w1/ ", "https://witness.example/w1/add-checkpoint"),
            ("http://[fd00::1]:8090/", "http://[fd00::1]:8090/add-checkpoint"),
            ("http://court", "http://court/add-checkpoint"),
        ] {
            assert_eq!(PushUrl::parse(text).unwrap().add_checkpoint(), posted);
        }
        let longest = format!("http://w/{}", "a".repeat(PUSH_URL_BYTES_MAX - 9));
        assert_eq!(PushUrl::parse(&longest).unwrap().as_str(), longest);
        assert!(PushUrl::parse(&format!("{longest}a")).is_err());
    }

    #[test]
    fn whatever_else_is_refused_and_not_repeated() {
        for (text, why) in [
            ("", "read as an address"),
            ("witness.example", "begin with http"),
            ("/w1", "begin with http"),
            ("ftp://witness.example", "begin with http"),
            ("file:///etc/passwd", ""),
            ("http://", ""),
            ("http:///w1", ""),
            ("http://:8090", ""),
            ("http://w:0", "port"),
            ("http://w:65536", ""),
            ("http://w:", ""),
            ("http://w:80:80", ""),
            ("http://hidden:words@w", "name or a password"),
            ("http://hidden@w", "name or a password"),
            ("https://w/?token=hidden", "query"),
            ("https://w/#hidden", "fragment"),
            ("http://w/a b", "ASCII"),
            ("http://w/\r\nHost: x", "ASCII"),
            ("http://w\\@x", "ASCII"),
            ("http://ស្ថានីយ៍", "ASCII"),
        ] {
            let error = PushUrl::parse(text).expect_err(text);
            assert!(error.message.contains(why), "{text:?}: {}", error.message);
            assert!(!error.message.contains("hidden"), "{}", error.message);
        }
    }
}
