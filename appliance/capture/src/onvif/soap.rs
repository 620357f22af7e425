//! SOAP 1.2 calls and how they are signed.

use super::http::{self, Answer, Peer};
use super::xml::{Node, child, escaped, own_text, parse, path};
use super::{Access, DeviceUrl};
use crate::config::{Credentials, SourceUrl};
use crate::failure::Failure;
use crate::networks::Networks;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use url::Url;

/// Bytes of a nonce (WS-Security UsernameToken Profile 1.1, 3.1 asks for 16 or more).
const NONCE_BYTES: usize = 16;

/// Speaks to one camera.
pub(super) struct Caller {
    host_port: String,
    peer: Peer,
    credentials: Option<Credentials>,
    /// The camera's clock minus ours; `None` until calls are to be signed.
    offset_ms: Option<i64>,
    digest: Option<http_auth::DigestClient>,
}

/// One question.
pub(super) struct Ask<'a> {
    /// Whom; only the path, the query and the port count.
    pub(super) url: &'a Url,
    /// Of the service.
    pub(super) namespace: &'a str,
    /// The element of the request, without a namespace.
    pub(super) body: &'a str,
    /// The SOAP action, when it is not the namespace and the element's name.
    pub(super) action: Option<&'a str>,
    /// Header blocks beside the token, as XML.
    pub(super) headers: &'a str,
}

impl Caller {
    /// Looks the camera's host up, once for all calls.
    ///
    /// # Errors
    /// As [`Networks::pin`].
    pub(super) async fn new(device: &DeviceUrl, access: &Access, networks: &Networks) -> Result<Self, Failure> {
        let host_port = device.host_port();
        let address = networks.pin_host(&device.0, &host_port).await?.ip();
        let (named, _) = SourceUrl::parse(device.as_str())
            .map_err(|error| Failure::unusable(error.message, "Correct the address of its ONVIF service."))?;
        let peer = Peer { address, named, certificate: access.certificate };
        Ok(Self { host_port, peer, credentials: access.credentials.clone(), offset_ms: None, digest: None })
    }

    /// Signs all further calls with the camera's own time.
    pub(super) fn sign(&mut self, offset_ms: i64) {
        self.offset_ms = Some(offset_ms);
    }

    /// One call. `body` is the element of the request without a namespace, which is `namespace`; `read` gets the element of the answer.
    ///
    /// # Errors
    /// The connection fails, the camera answers with a fault, or `read` does not find what it needs.
    pub(super) async fn call<T>(
        &mut self,
        url: &Url,
        namespace: &str,
        body: &str,
        read: impl FnOnce(Node<'_, '_>) -> Result<T, &'static str>,
    ) -> Result<T, Failure> {
        self.ask(&Ask { url, namespace, body, action: None, headers: "" }, read).await
    }

    /// As [`Caller::call`], for operations that need more.
    ///
    /// # Errors
    /// As [`Caller::call`].
    pub(super) async fn ask<T>(
        &mut self,
        ask: &Ask<'_>,
        read: impl FnOnce(Node<'_, '_>) -> Result<T, &'static str>,
    ) -> Result<T, Failure> {
        let action = ask.body.trim_start_matches('<').split(['/', '>', ' ']).next().unwrap_or_default();
        let answer = self.send(ask, action).await?;
        let fail = |what: &str| {
            Failure::unusable(
                format!("The camera at {} answers {action} with what cannot be understood: {what}.", self.host_port),
                "Enter the address of its stream by hand, or update the camera's firmware.",
            )
        };
        let document = parse(&answer.body).map_err(|what| match answer.status {
            200 => fail(&what),
            status => self.refused(status, action),
        })?;
        let envelope = document.root_element();
        let inside = child(envelope, "Body").and_then(|body| body.first_element_child());
        let inside = inside.ok_or_else(|| match answer.status {
            200 => fail("it holds no SOAP body"),
            // Pages of web servers are often well-formed, too.
            status => self.refused(status, action),
        })?;
        if inside.tag_name().name() == "Fault" {
            return Err(self.fault(inside, action));
        }
        read(inside).map_err(fail)
    }

    async fn send(&mut self, ask: &Ask<'_>, action: &str) -> Result<Answer, Failure> {
        let signed = self.credentials.as_ref().zip(self.offset_ms);
        let mut authorization = None;
        for again in [false, true] {
            // A camera that asks for HTTP digest once gets it in every further call.
            if let (Some((credentials, _)), Some(client)) = (signed, &mut self.digest) {
                authorization = client.respond(&password_params(credentials, &http::target(ask.url))).ok();
            }
            let token = match (&authorization, signed) {
                (None, Some((credentials, offset_ms))) => token(credentials, offset_ms)?,
                _ => String::new(),
            };
            let text = envelope(ask.namespace, &(token + ask.headers), ask.body);
            let soap_action = ask.action.map_or_else(|| format!("{}/{action}", ask.namespace), str::to_owned);
            let head = (soap_action.as_str(), authorization.as_deref());
            let answer = http::post(&self.peer, ask.url, head, text, &self.host_port).await?;
            let challenge = answer.challenge.as_deref().filter(|_| answer.status == 401 && signed.is_some() && !again);
            match challenge.and_then(digest_client) {
                Some(client) => self.digest = Some(client),
                None => return Ok(answer),
            }
        }
        Err(Failure::denied(&self.host_port, true))
    }

    fn refused(&self, status: u16, action: &str) -> Failure {
        match status {
            401 | 403 => Failure::denied(&self.host_port, self.credentials.is_some()),
            300..=399 => Failure::unusable(
                format!("The camera at {} redirects to another address, which is refused.", self.host_port),
                "Enter the address that it is reached at.",
            ),
            _ => Failure::unusable(
                format!("What answers at {} is no ONVIF camera (HTTP status {status} to {action}).", self.host_port),
                "Switch ONVIF on in the camera's settings, or enter the address of its stream by hand.",
            ),
        }
    }

    /// A SOAP 1.2 fault (SOAP 1.2 Part 1, 5.4), or a 1.1 one, which old cameras send.
    fn fault(&self, fault: Node<'_, '_>, action: &str) -> Failure {
        let mut codes = fault.descendants().filter(|node| matches!(node.tag_name().name(), "Value" | "faultcode"));
        let reason = path(fault, &["Reason", "Text"]).or_else(|| child(fault, "faultstring"));
        let reason = reason.map(own_text).unwrap_or_default();
        // ter:NotAuthorized (Core Specification 5.11.2.2), wsse:FailedAuthentication (WS-Security 12).
        let denial = |text: &str| {
            ["NotAuthorized", "FailedAuthentication", "authoriz", "Unauthorized"].iter().any(|word| text.contains(word))
        };
        if codes.any(|code| denial(&own_text(code))) || denial(&reason) {
            return Failure::denied(&self.host_port, self.credentials.is_some());
        }
        Failure::unusable(
            format!("The camera at {} refuses {action}: {}.", self.host_port, reason.trim_end_matches('.')),
            "Check the rights of the account on the camera, and the camera's firmware.",
        )
    }
}

pub(super) fn digest_client(challenge: &str) -> Option<http_auth::DigestClient> {
    let challenges = http_auth::parser::ChallengeParser::new(challenge).collect::<Result<Vec<_>, _>>().ok()?;
    // Never `Basic`: it would hand the password itself to whoever answers.
    challenges.iter().find_map(|challenge| http_auth::DigestClient::try_from(challenge).ok())
}

fn password_params<'a>(credentials: &'a Credentials, target: &'a str) -> http_auth::PasswordParams<'a> {
    http_auth::PasswordParams {
        username: &credentials.username,
        password: &credentials.password,
        uri: target,
        method: "POST",
        body: None,
    }
}

fn envelope(namespace: &str, headers: &str, body: &str) -> String {
    // The default namespace is declared on the body's element: that is where it holds.
    let at = body.find(['/', '>', ' ']).unwrap_or(body.len());
    let (name, rest) = body.split_at(at);
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\">\
         <s:Header>{headers}</s:Header><s:Body>{name} xmlns=\"{namespace}\"{rest}</s:Body></s:Envelope>"
    )
}

/// WS-Security UsernameToken Profile 1.1: `Base64(SHA-1(nonce + created + password))`. SHA-1 is what the profile says.
fn token(credentials: &Credentials, offset_ms: i64) -> Result<String, Failure> {
    let mut nonce = [0; NONCE_BYTES];
    aws_lc_rs::rand::fill(&mut nonce)
        .map_err(|_| Failure::unusable("The system has no random numbers.", "Restart the recorder."))?;
    let now = Timestamp::now().as_millisecond().saturating_add(offset_ms);
    let created = Timestamp::from_millisecond(now).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(token_of(credentials, &nonce, &created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
}

fn token_of(credentials: &Credentials, nonce: &[u8], created: &str) -> String {
    const OASIS: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-";
    let mut bytes = nonce.to_vec();
    bytes.extend_from_slice(created.as_bytes());
    bytes.extend_from_slice(credentials.password.as_bytes());
    let digest = BASE64.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &bytes));
    let (username, nonce) = (escaped(&credentials.username), BASE64.encode(nonce));
    format!(
        "<w:Security s:mustUnderstand=\"1\" xmlns:w=\"{OASIS}wssecurity-secext-1.0.xsd\" xmlns:u=\"{OASIS}wssecurity-utility-1.0.xsd\">\
         <w:UsernameToken><w:Username>{username}</w:Username>\
         <w:Password Type=\"{OASIS}username-token-profile-1.0#PasswordDigest\">{digest}</w:Password>\
         <w:Nonce EncodingType=\"{OASIS}soap-message-security-1.0#Base64Binary\">{nonce}</w:Nonce>\
         <u:Created>{created}</u:Created></w:UsernameToken></w:Security>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_that_of_the_specifications_example() {
        // ONVIF Application Programmer's Guide 1.0, 6.1.1.3: the example's nonce, time, password and digest.
        let credentials = Credentials { username: "user".into(), password: "userpassword".into() };
        let nonce = BASE64.decode("LKqI6G/AikKCQrN0zqZFlg==").unwrap();
        let token = token_of(&credentials, &nonce, "2010-09-16T07:50:45Z");
        assert!(token.contains(">tuOSpGlFlIXsozq4HFNeeGeFLEI=<"), "{token}");
    }

    #[test]
    fn the_namespace_goes_to_the_requests_element() {
        let text = envelope("urn:n", "", "<GetServices><A>b</A></GetServices>");
        assert!(text.contains("<s:Body><GetServices xmlns=\"urn:n\"><A>b</A></GetServices></s:Body>"), "{text}");
        assert!(envelope("urn:n", "", "<A/>").contains("<A xmlns=\"urn:n\"/>"));
        for body in ["<A/>", "<A b=\"c\"/>"] {
            assert!(parse(&envelope("urn:n", "", body)).is_ok());
        }
    }

    #[test]
    fn a_name_with_markup_in_it_stays_a_name() {
        let credentials = Credentials { username: "</w:Username><x>&\"'".into(), password: "p".into() };
        let text = envelope("urn:n", &token_of(&credentials, b"0123456789abcdef", "2026-01-01T00:00:00Z"), "<A/>");
        let document = parse(&text).unwrap();
        let name = document.descendants().find(|node| node.tag_name().name() == "Username").unwrap();
        assert_eq!(name.text(), Some("</w:Username><x>&\"'"));
    }

    #[test]
    fn only_digest_is_answered() {
        assert!(digest_client("Basic realm=\"camera\"").is_none());
        assert!(digest_client("Digest realm=\"camera\", nonce=\"1\", qop=\"auth\", algorithm=MD5").is_some());
        assert!(digest_client("Basic realm=\"c\", Digest realm=\"c\", nonce=\"1\", qop=\"auth\"").is_some());
        assert!(digest_client("Digest realm").is_none());
    }
}
