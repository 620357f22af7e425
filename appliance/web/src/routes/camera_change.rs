//! What the audit log says of a change of a camera's settings: what really becomes different, from what to what, and never a secret. Pure.

use crate::api;
use crate::check;
use crate::ports::{CameraConfig, StreamConfig};

/// What is said when every setting that was sent is as it was.
const NOTHING: &str = "no setting becomes different";

/// What becomes different between `before` and `after`, part by part. Addresses are named by scheme, host and port; passwords and what else an address holds are
/// not.
pub(crate) fn told(before: &CameraConfig, after: &CameraConfig) -> String {
    let mut parts = Vec::new();
    let mut differs = |what: &str, from: String, to: String| {
        if from != to {
            parts.push(format!("{what}: {from} -> {to}"));
        }
    };
    differs("name", quoted(&before.name), quoted(&after.name));
    differs("main", place(Some(&before.main)), place(Some(&after.main)));
    differs("sub", place(before.sub.as_ref()), place(after.sub.as_ref()));
    differs("records", yes(before.enabled), yes(after.enabled));
    differs("retention_days_max", before.retention_days_max.to_string(), after.retention_days_max.to_string());
    differs("importance", word(&before.importance), word(&after.importance));
    differs("sound", sound(before), sound(after));
    differs("purpose", quoted(&before.purpose), quoted(&after.purpose));
    differs("contact", quoted(&before.contact), quoted(&after.contact));
    differs("trusted certificate", or_none(before.certificate.as_deref()), or_none(after.certificate.as_deref()));
    differs("device", device(before.device.as_ref()), device(after.device.as_ref()));
    differs("masks", masks(before), masks(after));
    if let (Some(before), Some(after)) = (&before.device, &after.device)
        && before.url != after.url
        && place_of(&before.url) == place_of(&after.url)
    {
        parts.push("path of the device's address".to_owned());
    }
    for (what, before, after) in
        [("main", Some(&before.main), Some(&after.main)), ("sub", before.sub.as_ref(), after.sub.as_ref())]
    {
        let (Some(before), Some(after)) = (before, after) else { continue };
        if before != after && place(Some(before)) == place(Some(after)) {
            parts.push(format!("path of the address of {what}"));
        }
    }
    if before.masks != after.masks && masks(before) == masks(after) {
        parts.push("masks lie elsewhere".to_owned());
    }
    if before.username != after.username {
        parts.push("user name".to_owned());
    }
    match (&before.password, &after.password) {
        (Some(_), None) => parts.push("password forgotten".to_owned()),
        (before, after) if before != after => parts.push("password set".to_owned()),
        _ => {}
    }
    if parts.is_empty() { NOTHING.to_owned() } else { parts.join("; ") }
}

/// What a camera begins with.
pub(crate) fn told_new(config: &CameraConfig) -> String {
    let mut parts = vec![format!("new camera: {} at {}", quoted(&config.name), place(Some(&config.main)))];
    if config.sub.is_some() {
        parts.push(format!("sub: {}", place(config.sub.as_ref())));
    }
    parts.push(format!("retention_days_max: {}", config.retention_days_max));
    if !config.purpose.is_empty() {
        parts.push(format!("purpose: {}", quoted(&config.purpose)));
    }
    parts.push(format!("importance: {}", word(&config.importance)));
    for (is_so, what) in [
        (!config.enabled, "records: no".to_owned()),
        (!config.masks.is_empty(), format!("masks: {}", masks(config))),
        (config.username.is_some(), "with a user name".to_owned()),
        (config.password.is_some(), "with a password".to_owned()),
    ] {
        if is_so {
            parts.push(what);
        }
    }
    if config.record_audio {
        parts.push(format!("sound: {}", sound(config)));
    }
    if let Some(certificate) = &config.certificate {
        parts.push(format!("trusted certificate: {certificate}"));
    }
    if config.device.is_some() {
        parts.push(format!("device: {}", device(config.device.as_ref())));
    }
    parts.join("; ")
}

/// So that a name cannot look like another part of the sentence.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn or_none(text: Option<&str>) -> String {
    text.unwrap_or("none").to_owned()
}

fn yes(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

/// As it is named in JSON.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => "unnamed".to_owned(),
    }
}

fn sound(config: &CameraConfig) -> String {
    if config.record_audio { format!("for {}", quoted(&config.audio_purpose)) } else { "none".to_owned() }
}

fn place(stream: Option<&StreamConfig>) -> String {
    let Some(stream) = stream else { return "none".to_owned() };
    let every = stream.interval_ms.map(|ms| format!(" every {ms} ms")).unwrap_or_default();
    format!("{} by {}{every}", place_of(&stream.url), word(&stream.transport))
}

/// Scheme, host and port; of a device that is plugged in, which one.
fn place_of(url: &str) -> String {
    match check::destination(url) {
        Some((scheme, host, port)) => format!("{scheme}://{host}:{port}"),
        // It has no host and no secret; what is behind the question mark is how it is recorded.
        None => url.to_owned(),
    }
}

fn device(device: Option<&api::DeviceSettings>) -> String {
    let Some(device) = device else { return "none".to_owned() };
    format!(
        "{} (events {}, clock set {}, masks {}, without masks {})",
        place_of(&device.url),
        yes(device.events),
        yes(device.set_clock),
        yes(device.masks),
        word(&device.without_masks)
    )
}

fn masks(config: &CameraConfig) -> String {
    config.masks.len().to_string()
}
