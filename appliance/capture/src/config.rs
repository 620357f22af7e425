//! What a camera needs to be known by, and the checks that an address passes before anything connects to it.

use crate::encode::{Encoding, Masks};
use crate::networks::Networks;
use crate::tls::Fingerprint;
use crate::v4l2::{self, DeviceName};
use core::fmt;
use url::Url;
use watchbook_base::{CameraId, Kind, TrackRole, limits};

/// The port of RTSP when an address names none (RFC 2326 §3.2).
pub const RTSP_PORT: u16 = 554;
/// Port of an address that names none and begins with `rtsps` (RFC 7826 §22.14, IANA's register of ports).
pub const RTSPS_PORT: u16 = 322;
/// How often a camera that gives one picture for each request is asked, in ms: five times a second to once in five seconds, the longest time without a
/// picture that is no gap.
pub const INTERVAL_MS: core::ops::RangeInclusive<u32> = 200..=5_000;
/// The same when nothing is said.
pub const INTERVAL_MS_DEFAULT: u32 = 1_000;

/// Why a configuration is refused. Never holds a password.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    /// Always [`Kind::InvalidInput`] today.
    pub kind: Kind,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Error {
    pub(crate) fn refuse(message: impl Into<String>) -> Self {
        Self { kind: Kind::InvalidInput, message: message.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// How RTP travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Interleaved in the RTSP connection (RFC 2326 §10.12): nothing is lost on the way. The default.
    #[default]
    Tcp,
    /// Over UDP: for cameras that cannot do otherwise. What the network loses is lost, and counted.
    Udp,
}

/// User name and password of a camera.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password. [`fmt::Debug`] does not show it.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// An address that passed the checks, at most [`limits::URL_BYTES_MAX`] long: scheme `rtsp`, `rtsps`, `http` or `https`, a host, no user name or password; or `v4l2` and the name of a
/// camera of this machine ([`DeviceName`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceUrl(Url);

impl SourceUrl {
    /// Checks `text` and splits user name and password out of it.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] with a sentence for whoever typed it. The sentence never repeats the address, which may hold a password.
    pub fn parse(text: &str) -> Result<(Self, Option<Credentials>), Error> {
        let text = text.trim();
        if text.len() > limits::URL_BYTES_MAX {
            return Err(Error::refuse(format!("The address is longer than {} characters.", limits::URL_BYTES_MAX)));
        }
        // A backslash is a slash to some parsers (that of `http`, WHATWG URL §4.4) and a character of the host to others.
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(Error::refuse(
                "The address has spaces, backslashes or control characters in it. Write them as %20 and the like.",
            ));
        }
        if text.split(':').next() == Some(v4l2::name::SCHEME) {
            return DeviceName::parse(text).map(|(url, _)| (Self(url), None));
        }
        let mut url = Url::parse(text).map_err(|error| {
            Error::refuse(format!("This is no address ({error}). Write it as rtsp://192.168.1.10/stream1."))
        })?;
        match url.scheme() {
            "rtsp" | "rtsps" | "http" | "https" => {}
            other => {
                return Err(Error::refuse(format!(
                    "A camera's address begins with rtsp://, rtsps://, http:// or https://, this one with {other}:."
                )));
            }
        }
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() {
            return Err(Error::refuse("The address names no host. Write it as rtsp://192.168.1.10/stream1."));
        }
        // RFC 3986 lets a host be any octets, encoded; a name that a network knows has these (RFC 952, and the underscore of many cameras' default names).
        let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if !host.starts_with('[') && !host.chars().all(in_name) {
            return Err(Error::refuse(
                "The host's name has other characters than letters, digits, hyphens and dots. Enter the camera's address in digits.",
            ));
        }
        if url.port() == Some(0) {
            return Err(Error::refuse("Port 0 is no port. Leave it out for the usual one."));
        }
        let credentials = credentials_of(&url)?;
        // Both fail only for addresses without a host, which was checked above.
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        cleared
            .map_err(|()| Error::refuse("The user name in the address cannot be read. Enter it in its own field."))?;
        url.set_fragment(None);
        Ok((Self(url), credentials))
    }

    /// The camera of this machine that it names; `None` for one on the network.
    #[must_use]
    pub fn device(&self) -> Option<DeviceName> {
        (self.0.scheme() == v4l2::name::SCHEME).then(|| DeviceName::of(&self.0).ok()).flatten()
    }

    /// Host and port, as in `192.168.1.10:554`, or the identity of a camera of this machine: for sentences.
    #[must_use]
    pub fn host_port(&self) -> String {
        if let Some(device) = self.device() {
            return device.identity;
        }
        format!("{}:{}", self.0.host_str().unwrap_or_default(), self.port())
    }

    /// Its port, or the usual one of its scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(if self.is_encrypted() { RTSPS_PORT } else { RTSP_PORT })
    }

    /// RTSP or HTTP over TLS (`rtsps`, `https`).
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self.0.scheme(), "rtsps" | "https")
    }

    /// The host as a resolver takes it: an IPv6 address without its brackets.
    pub(crate) fn host(&self) -> &str {
        let host = self.0.host_str().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// Scheme, host and port as they are written: the address up to its path.
    pub(crate) fn authority(&self) -> String {
        self.0[..url::Position::BeforePath].to_owned()
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// JPEG pictures over HTTP or HTTPS, not RTSP.
    #[must_use]
    pub fn is_http(&self) -> bool {
        matches!(self.0.scheme(), "http" | "https")
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

fn credentials_of(url: &Url) -> Result<Option<Credentials>, Error> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(text).decode_utf8().map(|decoded| decoded.into_owned()).map_err(|_| {
            Error::refuse("User name or password in the address is not UTF-8. Enter them in their own fields.")
        })
    };
    Ok(Some(Credentials { username: decode(url.username())?, password: decode(url.password().unwrap_or_default())? }))
}

/// One address of a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// Where.
    pub url: SourceUrl,
    /// How RTP travels.
    pub transport: Transport,
    /// How often a camera at an `http` address that gives one picture for each request is asked, within [`INTERVAL_MS`].
    pub interval_ms: u32,
}

/// All that capture needs to record a camera.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraConfig {
    /// Which.
    pub camera: CameraId,
    /// The full-resolution stream: what is kept and exported.
    pub main: SourceConfig,
    /// The low-resolution stream, for small tiles and analysis.
    pub sub: Option<SourceConfig>,
    /// For both streams.
    pub credentials: Option<Credentials>,
    /// Keep the sound of the main stream. Off unless somebody with a reason switches it on.
    pub record_audio: bool,
    /// The certificate that both streams must show where they are encrypted; `None`: one that an authority of the machine vouches for.
    pub certificate: Option<Fingerprint>,
    /// Where cameras may be.
    pub networks: Networks,
    /// Who encodes what a device gives uncompressed.
    pub encoding: Encoding,
    /// Made black for good before that.
    pub masks: Masks,
}

impl CameraConfig {
    /// What the session that records `role` needs; `None` when the camera has no such stream.
    pub(crate) fn session(&self, role: TrackRole) -> Option<SessionConfig> {
        let source = match role {
            TrackRole::MainVideo => Some(&self.main),
            TrackRole::SubVideo => self.sub.as_ref(),
            TrackRole::MainAudio => None,
        }?;
        let audio = self.record_audio && role == TrackRole::MainVideo;
        Some(SessionConfig {
            source: source.clone(),
            credentials: self.credentials.clone(),
            audio,
            certificate: self.certificate,
            networks: self.networks.clone(),
            encoding: self.encoding.clone(),
            masks: self.masks.clone(),
        })
    }
}

/// What one session needs. Two equal ones need no new session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SessionConfig {
    pub(crate) source: SourceConfig,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) audio: bool,
    pub(crate) certificate: Option<Fingerprint>,
    pub(crate) networks: Networks,
    pub(crate) encoding: Encoding,
    pub(crate) masks: Masks,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn user_name_and_password_are_split_out_and_decoded() {
        let (url, credentials) =
            SourceUrl::parse("rtsp://admin:p%40ss%3A1@192.168.1.10:8554/Streaming/101?a=b#x").unwrap();
        assert_eq!(url.as_str(), "rtsp://192.168.1.10:8554/Streaming/101?a=b");
        assert_eq!(url.host_port(), "192.168.1.10:8554");
        assert_eq!(credentials, Some(Credentials { username: "admin".into(), password: "p@ss:1".into() }));
        let (url, credentials) = SourceUrl::parse(" rtsp://[fe80::1]/ ").unwrap();
        assert_eq!((url.host_port().as_str(), credentials), ("[fe80::1]:554", None));
        assert_eq!((url.host(), url.authority().as_str()), ("fe80::1", "rtsp://[fe80::1]"));
        let (url, credentials) = SourceUrl::parse("http://guard:x@192.168.1.10/video.mjpg?fps=5").unwrap();
        assert_eq!((url.host_port().as_str(), url.is_http()), ("192.168.1.10:80", true));
        assert_eq!(credentials.map(|found| found.username).as_deref(), Some("guard"));
        let (url, _) = SourceUrl::parse("rtsps://camera/stream1").unwrap();
        assert_eq!((url.host_port().as_str(), url.authority().as_str()), ("camera:322", "rtsps://camera"));
    }

    #[test]
    fn what_is_no_camera_address_is_refused_with_a_sentence() {
        let long = format!("rtsp://host/{}", "a".repeat(limits::URL_BYTES_MAX));
        for text in [
            "",
            "camera",
            "ftp://host/",
            "rtsps:///",
            "file:///etc/passwd",
            "rtsp:///path",
            "rtsp:host",
            "rtsp://a b/",
            "rtsp://h:0/",
            "rtsp://h/\u{7}",
            "rtsp://h%0d%0a/",
            "rtsp://%31%30.0.0.1/",
            "rtsp://កាមេរ៉ា/",
            &long,
        ] {
            let error = SourceUrl::parse(text).expect_err(text);
            assert!(error.message.ends_with('.') && error.kind == Kind::InvalidInput, "{text}: {error}");
        }
    }

    #[test]
    fn a_password_shows_nowhere() {
        let (url, credentials) = SourceUrl::parse("rtsp://u:hunter2@host/").unwrap();
        let main = SourceConfig { url, transport: Transport::Tcp, interval_ms: INTERVAL_MS_DEFAULT };
        let config = CameraConfig {
            camera: CameraId::new(1).unwrap(),
            main,
            sub: None,
            credentials,
            record_audio: false,
            certificate: None,
            networks: Networks::default(),
            encoding: Encoding::default(),
            masks: Masks::new(),
        };
        let shown = format!("{config:?} {} {:?}", config.main.url, config.session(TrackRole::MainVideo));
        assert!(!shown.contains("hunter2"), "{shown}");
        let refused = SourceUrl::parse("ftp://u:hunter2@host/").unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_passes_has_a_host_and_no_password(text in "(rtsps?://|https?://)?[ -~é]{0,60}") {
            if let Ok((url, _)) = SourceUrl::parse(&text)
                && url.device().is_none()
            {
                prop_assert!(url.url().password().is_none() && url.url().username().is_empty());
                prop_assert!(!url.url().host_str().unwrap_or_default().is_empty());
            }
        }
    }
}
