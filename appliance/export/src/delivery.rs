//! A bundle on its way to a disk of the box or one that is plugged in, as the register keeps it. Pure.

use serde::{Deserialize, Serialize};
use watchbook_base::UtcNanos;

/// Deliveries that are remembered of one export; the oldest that have ended are forgotten first.
pub const DELIVERIES_MAX: usize = 16;
/// Deliveries of all exports that wait or are being written.
pub const WAITING_MAX: usize = 8;
/// A delivery is begun so often, counting starts of the recorder that broke it off.
pub const ATTEMPTS_MAX: u32 = 5;

/// What kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkKind {
    /// A directory that the configuration file names.
    Directory,
    /// A file system that is mounted where removable disks are.
    Usb,
}

/// A place by its kind and name: never by a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SinkName {
    /// What kind.
    pub kind: SinkKind,
    /// Its name among those.
    pub name: String,
}

impl SinkName {
    /// As the audit log has it, such as `usb/COURT`.
    #[must_use]
    pub fn in_log(&self) -> String {
        let kind = match self.kind {
            SinkKind::Directory => "directory",
            SinkKind::Usb => "usb",
        };
        format!("{kind}/{}", self.name)
    }

    /// From what [`SinkName::in_log`] gave; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once('/')?;
        let kind = match kind {
            "directory" => SinkKind::Directory,
            "usb" => SinkKind::Usb,
            _ => return None,
        };
        is_name(name).then(|| Self { kind, name: name.to_owned() })
    }
}

/// Whether a place may have this name: 1 to 64 bytes, no separator, not hidden, nothing that cannot be seen.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let seen = |character: char| !character.is_control() && !matches!(character, '/' | '\\');
    (1..=64).contains(&name.len()) && !name.starts_with('.') && name.trim() == name && name.chars().all(seen)
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It waits, or its files are being written or read again.
    Waiting,
    /// Every file was read back and is what was released.
    Done,
    /// It could not be written.
    Failed,
}

/// A bundle on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Number within its export.
    pub number: u32,
    /// Where to.
    pub sink: SinkName,
    /// Random; names the folder while it is not whole, so that it is nobody else's.
    pub token: String,
    /// Who asked.
    pub account: u32,
    /// When.
    pub asked: UtcNanos,
    /// How far.
    pub state: DeliveryState,
    /// When it came into this state.
    pub since: UtcNanos,
    /// How often it was begun.
    pub attempts: u32,
    /// Why it failed.
    pub trouble: String,
}

impl Delivery {
    /// Name of the folder at its place, once it is whole.
    #[must_use]
    pub fn folder(export: u64) -> String {
        format!("watchbook-export-{export}")
    }

    /// Name of the folder while it is not.
    #[must_use]
    pub fn part(&self, export: u64) -> String {
        format!("watchbook-export-{export}.{}.part", self.token)
    }

    /// Goes into `state`.
    pub fn enter(&mut self, state: DeliveryState, now: UtcNanos) {
        (self.state, self.since) = (state, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_and_never_a_path() {
        for text in ["usb/COURT", "directory/share 1", "usb/តុលាការ"] {
            assert_eq!(SinkName::parse(text).unwrap().in_log(), text);
        }
        let long = format!("usb/{}", "a".repeat(65));
        for text in [
            "", "usb", "usb/", "usb/.", "usb/..", "usb/a/b", "usb/a\\b", "usb/ a", "usb/a\n", "download", "s3/a", &long,
        ] {
            assert_eq!(SinkName::parse(text), None, "{text:?}");
        }
    }
}
