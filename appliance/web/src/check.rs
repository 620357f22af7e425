//! Bounds and forms of what callers send: names, camera addresses, polygons, plugin settings.

use crate::api::{Point, Secret, StreamAddress, Transport, Zone};
use crate::error::Error;
use crate::ports::{CameraConfig, StreamConfig};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use url::Url;
use watchbook_access::Rules;
use watchbook_access::policy::RETENTION_DAYS_MAX;
use watchbook_base::CameraId;
use watchbook_base::limits::{CAMERAS_MAX, EVENT_WORD_BYTES_MAX, NAME_BYTES_MAX, URL_BYTES_MAX};

/// Masks of a camera, zones of a binding.
pub(crate) const POLYGONS_MAX: usize = 16;
/// Corners of a polygon.
pub(crate) const CORNERS_MAX: usize = 32;
/// A plugin's settings as JSON.
pub(crate) const SETTINGS_BYTES_MAX: usize = 4096;
/// The user name or password of a camera.
pub(crate) const CREDENTIAL_BYTES_MAX: usize = 256;
/// What sound is recorded for: a sentence.
pub(crate) const AUDIO_PURPOSE_BYTES_MAX: usize = 256;
/// Somebody looks once a year whether a camera is still needed: as the public report counts it.
const REVIEW_DAYS: i64 = 365;
/// The path of a directory: far below the 4096 that Linux allows, enough for any mount point.
const DIR_BYTES_MAX: usize = 512;
/// A pebibyte, as in the configuration file.
const DISK_GIB_MAX: u64 = 1 << 20;
/// What a camera's address may start with. Anything else could make the recorder read files or run programs.
const SCHEMES: [&str; 4] = ["rtsp", "rtsps", "http", "https"];
/// How often a camera may be asked for a picture, in ms; capture's bounds.
const INTERVAL_MS: core::ops::RangeInclusive<u32> = 200..=5_000;
/// What names a camera that is plugged into this machine. Capture knows what may stand behind it; here only what could mean a file or a program is kept out.
const LOCAL_SCHEME: &str = "v4l2";

/// A name for people, without the spaces around it: 1 to 128 bytes, no control or direction characters.
pub(crate) fn name(field: &str, text: &str) -> Result<String, Error> {
    let text = text.trim();
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        return Err(Error::invalid(format!("{field} must have 1 to {NAME_BYTES_MAX} bytes")));
    }
    if text.chars().any(is_unprintable) {
        return Err(Error::invalid(format!("{field} must not have control or text-direction characters")));
    }
    Ok(text.to_owned())
}

/// Control characters, and those that turn the text around them about (Unicode UAX #9 explicit formatting), which make one name look like another.
/// Zero-width joiners stay: Khmer needs them.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{FEFF}')
}

/// A list of cameras for an account.
pub(crate) fn cameras(list: Vec<CameraId>) -> Result<BTreeSet<CameraId>, Error> {
    if list.len() > CAMERAS_MAX {
        return Err(Error::invalid(format!("cameras may name at most {CAMERAS_MAX}")));
    }
    for camera in &list {
        if CameraId::new(camera.get()).is_none() {
            return Err(Error::invalid("cameras names a number that no camera can have"));
        }
    }
    Ok(list.into_iter().collect())
}

/// User name and password that were part of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Userinfo {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
}

/// A checked address, and the user name and password that were part of it.
pub(crate) fn address(field: &str, address: &StreamAddress) -> Result<(StreamConfig, Userinfo), Error> {
    let bad = |why: &str| {
        Error::invalid(format!("{field}.url {why}")).next("An address looks like rtsp://192.168.1.20:554/stream1.")
    };
    let text = address.url.as_deref().unwrap_or_default().trim();
    if text.is_empty() || text.len() > URL_BYTES_MAX {
        return Err(bad(&format!("must have 1 to {URL_BYTES_MAX} bytes")));
    }
    // The parser would silently drop tabs and line ends and correct backslashes; what was typed is what is stored, or nothing.
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(bad("must not have spaces, control characters or backslashes"));
    }
    let mut url = Url::parse(text).map_err(|_| bad("is not an address"))?;
    if url.scheme() == LOCAL_SCHEME {
        return local(field, text, address);
    }
    if !SCHEMES.contains(&url.scheme()) {
        return Err(bad("must start with rtsp://, rtsps://, http:// or https://"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(bad("names no host"));
    }
    if url.port() == Some(0) {
        return Err(bad("names port 0"));
    }
    if url.scheme() == "rtsps" && address.transport == Transport::Udp {
        let message = format!("{field} is encrypted (rtsps), and packets over UDP would not be");
        return Err(Error::invalid(message).next("Choose TCP for it."));
    }
    let part = |raw: &str| percent_decode(raw).ok_or_else(|| bad("has a user name or password that is not UTF-8"));
    let username = Some(url.username()).filter(|name| !name.is_empty()).map(part).transpose()?;
    let password = url.password().map(part).transpose()?.map(Secret::new);
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    cleared.map_err(|()| bad("has a user name that cannot be taken out"))?;
    url.set_fragment(None);
    let found = Userinfo { username: credential("username", username)?, password: secret("password", password)? };
    if address.interval_ms.is_some_and(|ms| !INTERVAL_MS.contains(&ms)) {
        return Err(Error::invalid(format!(
            "{field}.interval_ms must be {} to {}",
            INTERVAL_MS.start(),
            INTERVAL_MS.end()
        )));
    }
    Ok((StreamConfig { url: url.into(), transport: address.transport, interval_ms: address.interval_ms }, found))
}

/// The name of a camera of this machine: it has no host and no password.
fn local(field: &str, text: &str, address: &StreamAddress) -> Result<(StreamConfig, Userinfo), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_' | '?' | '=' | '&');
    if text.starts_with("v4l2:") && text.chars().all(plain) {
        let config = StreamConfig { url: text.to_owned(), transport: address.transport, interval_ms: None };
        return Ok((config, Userinfo::default()));
    }
    Err(Error::invalid(format!("{field}.url is not the name of a camera of this machine"))
        .next("Choose the camera from the list of cameras that are plugged in."))
}

/// The checked address of a camera's ONVIF service.
pub(crate) fn device_url(text: &str) -> Result<String, Error> {
    let bad = |why: &str| {
        Error::invalid(format!("device.url {why}")).next("It looks like http://192.168.1.20/onvif/device_service.")
    };
    let text = text.trim();
    if text.is_empty() || text.len() > URL_BYTES_MAX {
        return Err(bad(&format!("must have 1 to {URL_BYTES_MAX} bytes")));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(bad("must not have spaces, control characters or backslashes"));
    }
    let mut url = Url::parse(text).map_err(|_| bad("is not an address"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("must start with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("must have no user name and password in it"));
    }
    if url.host_str().is_none_or(str::is_empty) || url.port() == Some(0) {
        return Err(bad("names no host or port 0"));
    }
    url.set_fragment(None);
    Ok(url.into())
}

/// Where a stored password may be sent: scheme, host and port of an address.
pub(crate) fn destination(url: &str) -> Option<(String, String, u16)> {
    let url = Url::parse(url).ok()?;
    let port = url.port_or_known_default().unwrap_or(if url.scheme() == "rtsps" { 322 } else { 554 });
    Some((url.scheme().to_owned(), url.host_str()?.to_owned(), port))
}

/// `None` when it is not encoded well or not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| {
            byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|value| u8::try_from(value).ok())
        };
        bytes.push(if byte == b'%' { digit(rest.next())? << 4 | digit(rest.next())? } else { byte });
    }
    String::from_utf8(bytes).ok()
}

/// A camera's user name; an empty one is none.
pub(crate) fn credential(field: &str, text: Option<String>) -> Result<Option<String>, Error> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.len() > CREDENTIAL_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(Error::invalid(format!(
            "{field} must have at most {CREDENTIAL_BYTES_MAX} bytes and no control characters"
        )));
    }
    Ok(Some(text))
}

/// A camera's password; an empty one is none.
pub(crate) fn secret(field: &str, secret: Option<Secret>) -> Result<Option<Secret>, Error> {
    Ok(credential(field, secret.map(|secret| secret.reveal().to_owned()))?.map(Secret::new))
}

/// Polygons of at most 16, each of 3 to 32 corners inside the picture.
pub(crate) fn masks(masks: &[Vec<Point>]) -> Result<(), Error> {
    if masks.len() > POLYGONS_MAX {
        return Err(Error::invalid(format!("masks may have at most {POLYGONS_MAX} polygons")));
    }
    masks.iter().try_for_each(|polygon| outline("a mask", polygon))
}

/// At most 16 zones with names of their own.
pub(crate) fn zones(zones: &[Zone]) -> Result<(), Error> {
    if zones.len() > POLYGONS_MAX {
        return Err(Error::invalid(format!("there may be at most {POLYGONS_MAX} zones")));
    }
    let mut names = BTreeSet::new();
    for zone in zones {
        let text = name("the name of a zone", &zone.name)?;
        if text.len() > EVENT_WORD_BYTES_MAX {
            return Err(Error::invalid(format!("the name of a zone may have at most {EVENT_WORD_BYTES_MAX} bytes")));
        }
        if !names.insert(text) {
            return Err(Error::invalid("two zones have the same name"));
        }
        outline("a zone", &zone.outline)?;
    }
    Ok(())
}

fn outline(what: &str, corners: &[Point]) -> Result<(), Error> {
    if !(3..=CORNERS_MAX).contains(&corners.len()) {
        return Err(Error::invalid(format!("{what} must have 3 to {CORNERS_MAX} corners")));
    }
    let inside = |side: f32| (0.0..=1.0).contains(&side);
    if corners.iter().all(|corner| inside(corner.x) && inside(corner.y)) {
        return Ok(());
    }
    Err(Error::invalid(format!("the corners of {what} must lie between 0 and 1")))
}

/// Settings of a plugin: numbers, words and switches, no deeper than one level.
pub(crate) fn settings(settings: &Map<String, Value>) -> Result<(), Error> {
    let len = serde_json::to_vec(settings).map_or(usize::MAX, |bytes| bytes.len());
    if len > SETTINGS_BYTES_MAX {
        return Err(Error::invalid(format!("settings may have at most {SETTINGS_BYTES_MAX} bytes of JSON")));
    }
    if settings.values().any(|value| value.is_array() || value.is_object()) {
        return Err(Error::invalid("each setting must be a number, a text or a switch"));
    }
    Ok(())
}

/// What sound is recorded for.
pub(crate) fn audio_purpose(text: &str, recorded: bool) -> Result<String, Error> {
    let text = line("audio_purpose", text, AUDIO_PURPOSE_BYTES_MAX)?;
    if recorded && text.is_empty() {
        return Err(Error::invalid("audio_purpose must say what the sound is recorded for")
            .next("Recording speech needs a reason of its own; write it in a few words."));
    }
    Ok(text)
}

/// What a camera is there for.
pub(crate) fn purpose(text: &str) -> Result<String, Error> {
    let text = line("purpose", text, AUDIO_PURPOSE_BYTES_MAX)?;
    if text.is_empty() {
        let error = Error::invalid("purpose must say what the camera is there for");
        return Err(error.next("Everybody can read it in the public report; write it in a few words."));
    }
    Ok(text)
}

/// Who answers for a camera.
pub(crate) fn contact(text: &str) -> Result<String, Error> {
    let text = line("contact", text, AUDIO_PURPOSE_BYTES_MAX)?;
    if text.is_empty() {
        let error = Error::invalid("contact must say who answers for the camera");
        return Err(error.next("Name an office and how it is reached; it stands on the camera's sign."));
    }
    Ok(text)
}

/// Why a camera is still needed.
pub(crate) fn review_note(text: &str) -> Result<String, Error> {
    let text = line("note", text, AUDIO_PURPOSE_BYTES_MAX)?;
    match text.is_empty() {
        true => Err(Error::invalid("note must say why the camera is still needed")
            .next("A sentence is enough. A camera that is not needed any more is switched off or removed.")),
        false => Ok(text),
    }
}

/// When somebody must have looked again whether a camera is still needed: a year later; `None` when nobody ever did, which is due now.
pub(crate) fn review_due_utc_ms(reviewed_utc_ms: Option<i64>) -> Option<i64> {
    reviewed_utc_ms.map(|reviewed| reviewed.saturating_add(REVIEW_DAYS * 86_400_000))
}

/// What the station's policy says of a camera's settings as they become, and that nothing is recorded before somebody says what for and who answers for it. A camera that is switched off records
/// nothing; what it has recorded stays no longer than before.
pub(crate) fn by_policy(before: Option<&CameraConfig>, after: &CameraConfig, rules: &Rules) -> Result<(), Error> {
    if after.enabled {
        purpose(&after.purpose)?;
        contact(&after.contact)?;
    }
    let days = after.retention_days_max;
    let as_before = before.is_some_and(|before| before.retention_days_max == days);
    if days > rules.retention_days_max && (after.enabled || !as_before) {
        let most = rules.retention_days_max;
        return Err(Error::invalid(format!(
            "retention_days_max is {days}, and the station's policy allows {most} at most"
        ))
        .next(
            "Choose fewer days. Footage that a case needs longer is kept by a hold; another policy takes two people.",
        ));
    }
    if after.enabled && after.record_audio && !rules.sound {
        return Err(Error::invalid("the station's policy does not allow sound to be recorded")
            .next("Switch sound off for this camera. Another policy takes two people."));
    }
    Ok(())
}

/// SHA-256 of a certificate in one spelling: `AB:CD:…`, 95 characters. Takes 64 hexadecimal digits, with or without colons and spaces.
pub(crate) fn certificate(text: Option<String>) -> Result<Option<String>, Error> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | ' ')).take(65).collect();
    if digits.len() != 64 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(Error::invalid("certificate_sha256 must have 64 hexadecimal digits")
            .next("Test the camera: the report has the fingerprint of its certificate."));
    }
    let pairs: Vec<String> = digits
        .to_ascii_uppercase()
        .as_bytes()
        .chunks(2)
        .map(|pair| String::from_utf8_lossy(pair).into_owned())
        .collect();
    Ok(Some(pairs.join(":")))
}

/// A maximum age.
pub(crate) fn retention_days(days: u32) -> Result<u32, Error> {
    if !(1..=RETENTION_DAYS_MAX).contains(&days) {
        return Err(Error::invalid(format!("retention_days_max must be 1 to {RETENTION_DAYS_MAX}")));
    }
    Ok(days)
}

/// A text of one line for people, without the spaces around it: at most `bytes_max` bytes, no control or direction characters.
pub(crate) fn line(field: &str, text: &str, bytes_max: usize) -> Result<String, Error> {
    let text = text.trim();
    if text.len() > bytes_max {
        return Err(Error::invalid(format!("{field} may have at most {bytes_max} bytes")));
    }
    if text.chars().any(is_unprintable) {
        return Err(Error::invalid(format!("{field} must not have control or text-direction characters")));
    }
    Ok(text.to_owned())
}

/// The directory of a new disk: absolute and plain, so that what is logged is what is used.
pub(crate) fn disk_dir(text: &str) -> Result<String, Error> {
    let bad = |why: &str| Error::invalid(format!("dir {why}")).next("A directory looks like /srv/disk2/watchbook.");
    let dir = line("dir", text, DIR_BYTES_MAX)?;
    let Some(inner) = dir.strip_prefix('/') else { return Err(bad("must begin with /")) };
    if inner.is_empty() || inner.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(bad("must not be / itself, nor hold //, /./, /../ or a / at its end"));
    }
    Ok(dir)
}

/// Room for the ring on a new disk.
pub(crate) fn disk_gib(size_gib: u64) -> Result<u64, Error> {
    if !(1..=DISK_GIB_MAX).contains(&size_gib) {
        return Err(Error::invalid(format!("size_gib must be 1 to {DISK_GIB_MAX}")));
    }
    Ok(size_gib)
}

/// A digest as lower-case hex.
pub(crate) fn sha256(field: &str, text: &str) -> Result<String, Error> {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match text.len() == 64 && text.bytes().all(hex) {
        true => Ok(text.to_owned()),
        false => Err(Error::invalid(format!("{field} must have 64 hex digits in lower case"))),
    }
}

/// The id of a publisher's key, as people copy it: spaces and lower case do no harm.
pub(crate) fn key_id(text: &str) -> Result<String, Error> {
    let id: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_uppercase();
    match id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(id),
        false => Err(Error::invalid("key_id must have 16 hex digits")
            .next("The publisher's minisign prints it; ask them on the telephone.")),
    }
}

/// The number that a disk got when it joined.
pub(crate) fn disk_id(text: &str) -> Result<String, Error> {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match text.len() == 32 && text.bytes().all(hex) {
        true => Ok(text.to_owned()),
        false => Err(Error::not_found("there is no disk with this number")),
    }
}

#[cfg(test)]
mod tests;
