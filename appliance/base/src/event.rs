//! Events: what a plugin, or the camera itself, says happened on a camera. There is no field for a person's identity or for an embedding, and none will be added.

use crate::{CameraId, Lead, UtcNanos};
use serde::{Deserialize, Serialize};

/// A rectangle in 1/65,536 of the source picture, so that it fits any resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Area {
    /// Left edge.
    pub x: u16,
    /// Top edge.
    pub y: u16,
    /// Width.
    pub w: u16,
    /// Height.
    pub h: u16,
}

/// Something seen at one place of the picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// A term of the published vocabulary, such as `motion`, `person` or `vehicle`; at most [`crate::limits::EVENT_WORD_BYTES_MAX`].
    pub class: String,
    /// 0 to 1.
    pub score: f32,
    /// Where.
    pub area: Area,
    /// Same number = same object within one event; never kept across events.
    pub track: Option<u64>,
}

/// Which plugin said so: enough to run the same code again on the same footage. Of a camera that said so itself it is [`EventSource::CAMERA`] and the version of its
/// firmware, of the recorder [`EventSource::RECORDER`] and its own version, without digests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventSource {
    /// Reverse-DNS id from the plugin's manifest.
    pub plugin: String,
    /// Version from the plugin's manifest.
    pub version: String,
    /// SHA-256 of the component, lower-case hex.
    pub component_sha256: String,
    /// SHA-256 of the settings in force, lower-case hex.
    pub settings_sha256: String,
}

impl EventSource {
    /// Stands for a plugin's id where the camera said so. Ids of plugins have a dot in them.
    pub const CAMERA: &str = "camera";
    /// Stands for a plugin's id where the recorder noticed it without one: a picture that stands still, a covered lens.
    pub const RECORDER: &str = "recorder";
}

/// One event on one camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Where it happened.
    pub camera: CameraId,
    /// The plugin's word for it, from the manifest's `emits` list, `motion`, `tamper`, `digital-input` of a camera, or `frozen`, `covered` of the recorder; at most [`crate::limits::EVENT_WORD_BYTES_MAX`].
    pub kind: String,
    /// 0 to 1.
    pub score: f32,
    /// When it began.
    pub start: UtcNanos,
    /// When it ended; `None` for a moment.
    pub end: Option<UtcNanos>,
    /// Name of the zone it happened in.
    pub zone: Option<String>,
    /// At most [`crate::limits::EVENT_DETECTIONS_MAX`].
    pub detections: Vec<Detection>,
    /// Plain words for people; at most [`crate::limits::EVENT_NOTE_BYTES_MAX`].
    pub note: String,
    /// Who said so.
    pub source: EventSource,
    /// The frames that led to it; an event of a recorder that did not note them has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<Box<Lead>>,
    /// When it began by the camera's own clock, where the camera said so; `start` is by ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera_clock: Option<UtcNanos>,
}

impl Event {
    /// Why this event may not be stored, if so: a number out of range, an end before its start, or a text over its limit.
    ///
    /// # Errors
    /// A sentence that names the field and its limit.
    pub fn check(&self) -> Result<(), String> {
        use crate::limits::{EVENT_DETECTIONS_MAX, EVENT_NOTE_BYTES_MAX, EVENT_WORD_BYTES_MAX};
        let word = |name: &str, text: &str| {
            if text.is_empty() || text.len() > EVENT_WORD_BYTES_MAX {
                return Err(format!("{name} has {} bytes; 1 to {EVENT_WORD_BYTES_MAX} are allowed", text.len()));
            }
            Ok(())
        };
        let score = |name: &str, score: f32| {
            if !(0.0..=1.0).contains(&score) {
                return Err(format!("{name} is {score}; 0 to 1 is allowed"));
            }
            Ok(())
        };
        word("kind", &self.kind)?;
        score("score", self.score)?;
        if let Some(zone) = &self.zone {
            word("zone", zone)?;
        }
        if self.end.is_some_and(|end| end < self.start) {
            return Err("end lies before start".to_owned());
        }
        if self.note.len() > EVENT_NOTE_BYTES_MAX {
            return Err(format!("note has {} bytes; at most {EVENT_NOTE_BYTES_MAX} are allowed", self.note.len()));
        }
        if self.detections.len() > EVENT_DETECTIONS_MAX {
            return Err(format!("{} detections; at most {EVENT_DETECTIONS_MAX} are allowed", self.detections.len()));
        }
        for detection in &self.detections {
            word("a detection's class", &detection.class)?;
            score("a detection's score", detection.score)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            camera: CameraId::new(1).unwrap(),
            kind: "motion".into(),
            score: 0.5,
            start: UtcNanos(10),
            end: Some(UtcNanos(20)),
            zone: None,
            detections: vec![],
            note: String::new(),
            source: EventSource {
                plugin: "org.watchbook.motion".into(),
                version: "0.1.0".into(),
                component_sha256: String::new(),
                settings_sha256: String::new(),
            },
            lead: None,
            camera_clock: None,
        }
    }

    #[test]
    fn each_bound_is_named_when_it_is_broken() {
        assert_eq!(event().check(), Ok(()));
        type Breakage = (&'static str, fn(&mut Event));
        let broken: [Breakage; 6] = [
            ("kind", |e| e.kind.clear()),
            ("score", |e| e.score = f32::NAN),
            ("zone", |e| e.zone = Some("z".repeat(65))),
            ("end", |e| e.end = Some(UtcNanos(9))),
            ("note", |e| e.note = "n".repeat(2000)),
            ("detections", |e| {
                let area = Area { x: 0, y: 0, w: 1, h: 1 };
                e.detections = vec![Detection { class: "person".into(), score: 1.0, area, track: None }; 65];
            }),
        ];
        for (word, breakage) in broken {
            let mut event = event();
            breakage(&mut event);
            let message = event.check().unwrap_err();
            assert!(message.contains(word), "{word} is not named in: {message}");
        }
    }
}
