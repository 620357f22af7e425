//! Decides about events.

use crate::{Fault, Mark};

/// An event that the station has.
#[derive(Clone, Debug, PartialEq)]
pub struct Occurrence {
    /// Id of the plugin that gave the mark: two plugins may use the same `kind` for different things.
    pub source: String,
    /// What the plugin said.
    pub mark: Mark,
}

/// A time as the station's wall clock shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// Such as 2026.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 Monday to 6 Sunday.
    pub weekday: u8,
    /// What the wall clock is ahead of UTC in minutes, below 0 west of Greenwich.
    pub utc_offset_min: i16,
    /// Name of the time zone in the IANA data base, such as `Asia/Phnom_Penh`.
    pub zone: String,
}

impl LocalTime {
    /// Minutes since midnight, 0 to 1,439.
    #[must_use]
    pub fn minute_of_day(&self) -> u16 {
        u16::from(self.hour) * 60 + u16::from(self.minute)
    }
}

/// An event and what surrounds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Situation {
    /// The camera, an opaque word. To be copied into a clip; says nothing by itself.
    pub camera: String,
    /// The camera's name on the page, for words to people.
    pub camera_name: String,
    /// What happened.
    pub event: Occurrence,
    /// Local time of the event's start.
    pub local: LocalTime,
    /// Numbers of the open cases that this camera and the event's start belong to, the one opened last first. At most 16.
    pub cases: Vec<String>,
    /// Events of the camera that began before this one, within 24 hours, newest first, at most 64; of all plugins; without their
    /// detections.
    pub recent: Vec<Occurrence>,
}

impl Situation {
    /// A clip around the event of this camera: from `before_s` seconds before its start to `after_s` seconds after its end, cut off after one hour; for the
    /// case that was opened last, if there is one.
    #[must_use]
    pub fn clip(&self, before_s: u32, after_s: u32) -> Clip {
        let mark = &self.event.mark;
        let from_utc_ns = mark.start_utc_ns.saturating_sub(u64::from(before_s) * NANOS_PER_SEC);
        let end = mark.end_utc_ns.unwrap_or(mark.start_utc_ns);
        let to_utc_ns = end.saturating_add(u64::from(after_s) * NANOS_PER_SEC);
        Clip {
            camera: self.camera.clone(),
            from_utc_ns,
            to_utc_ns: to_utc_ns.clamp(from_utc_ns + 1, from_utc_ns.saturating_add(CLIP_NS_MAX)),
            redaction: String::new(),
            case_number: self.cases.first().cloned().unwrap_or_default(),
            approvals: 0,
        }
    }
}

const NANOS_PER_SEC: u64 = 1_000_000_000;
/// One clip.
const CLIP_NS_MAX: u64 = 3600 * NANOS_PER_SEC;

/// A piece of footage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip {
    /// `camera` of the situation: a rule sees, and proposes about, no other.
    pub camera: String,
    /// UTC in nanoseconds.
    pub from_utc_ns: u64,
    /// UTC in nanoseconds, after `from_utc_ns` and at most one hour after it. May lie ahead: the proposal is carried out when the footage is there.
    pub to_utc_ns: u64,
    /// Name of a redaction profile of the station; empty for what policy says. A hold ignores it.
    pub redaction: String,
    /// Number of the case that it is for. Empty: a person must name one before the clip leaves the box or the hold begins.
    pub case_number: String,
    /// How many persons must approve. The host takes this or what policy asks, whichever is more. At most 8.
    pub approvals: u8,
}

/// What a rule may propose. It can only tighten what policy allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// That this footage be exported, as a request that waits for the persons that policy and the clip name.
    ExportClip(Clip),
    /// That the event carry this word, so that it can be searched for. 1 to 64 bytes.
    Tag(String),
    /// That people on duty read this line. 1 to 1,024 bytes.
    Notify(String),
    /// That this footage be kept from eviction for its case.
    Hold(Clip),
}

/// A proposal with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What is proposed.
    pub what: Proposal,
    /// Goes into the audit log word for word. 1 to 1,024 bytes.
    pub reason: String,
}

impl Verdict {
    /// A proposal with its reason.
    #[must_use]
    pub fn new(what: Proposal, reason: impl Into<String>) -> Self {
        Self { what, reason: reason.into() }
    }
}

/// Decides about events. Pure: the host makes a fresh instance for each event, so nothing is kept from one to the next.
pub trait Rule: Sized + 'static {
    /// Called once before [`Rule::evaluate`], with a JSON object that fits the manifest's settings, every default filled in. `Settings` reads it. At most 20
    /// million units of work, about one a WebAssembly instruction, and 1 second.
    ///
    /// # Errors
    /// The administrator reads the sentence, and the event gets no verdict.
    fn configure(settings_json: &str) -> Result<Self, Fault>;

    /// No verdict is the usual answer; at most 8. At most 20 million units of work and 250 milliseconds.
    ///
    /// # Errors
    /// The event has no verdict: it is noted, never tried again.
    fn evaluate(&self, situation: &Situation) -> Result<Vec<Verdict>, Fault>;
}

#[cfg(test)]
mod tests {
    use crate::testing;

    #[test]
    fn a_clip_surrounds_its_event_and_never_exceeds_an_hour() {
        let mut situation = testing::situation("motion");
        situation.event.mark = situation.event.mark.until(testing::BEGINNING_NS + 7_000_000_000);
        let clip = situation.clip(5, 10);
        assert_eq!(
            (clip.from_utc_ns, clip.to_utc_ns),
            (testing::BEGINNING_NS - 5_000_000_000, testing::BEGINNING_NS + 17_000_000_000)
        );
        assert_eq!((clip.camera, clip.case_number), (situation.camera.clone(), String::new()));
        situation.cases = vec!["7/2026".into(), "3/2026".into()];
        let long = situation.clip(1800, 9000);
        assert_eq!(long.to_utc_ns - long.from_utc_ns, 3_600_000_000_000);
        assert_eq!(long.case_number, "7/2026");
        let moment = testing::situation("motion").clip(0, 0);
        assert!(moment.to_utc_ns > moment.from_utc_ns);
    }
}
