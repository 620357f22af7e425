//! Export rules: what a rule is told about an event, what it may propose, and the check of it, here in the recorder, whatever the child has checked.

use crate::manifest::RetentionEffect;
use crate::message::{Mark, Seen};
use serde::{Deserialize, Serialize};
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{CameraId, Event, UtcNanos};

/// Verdicts about one event.
pub const VERDICTS_MAX: usize = 8;
/// A verdict's reason, and a line for people on duty.
pub const REASON_BYTES_MAX: usize = 1024;
/// A tag, a redaction profile, a case number.
pub const WORD_BYTES_MAX: usize = 64;
/// One clip.
pub const CLIP_NS_MAX: i64 = 3_600 * NANOS_PER_SEC;
/// How far from its event's start a clip may begin or end: a rule is told what happened within this time.
pub const CLIP_DISTANCE_NS_MAX: i64 = 24 * 3_600 * NANOS_PER_SEC;
/// Persons that a clip may ask for.
pub const APPROVALS_MAX: u8 = 8;
/// Earlier events in a situation.
pub const RECENT_MAX: usize = 64;
/// Cases in a situation.
pub const CASES_MAX: usize = 16;
/// Events that one rule may have waiting; more are dropped and counted. A rule takes a millisecond, so that only a burst or a rule that hangs gets there.
pub const WAITING_MAX: usize = 16;
/// A situation, encoded: 65 marks of at most 64 detections of 80 bytes and a note of 1 KiB, with room to spare.
pub const SITUATION_BYTES_MAX: usize = 1 << 20;

/// An event as a rule sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Occurrence {
    /// Id of the plugin that gave it.
    pub source: String,
    /// What the plugin said.
    pub mark: Mark,
}

impl From<&Event> for Occurrence {
    fn from(event: &Event) -> Self {
        let ns = |utc: UtcNanos| u64::try_from(utc.0).unwrap_or(0);
        let seen = event.detections.iter().map(|detection| Seen {
            class: detection.class.clone(),
            score: detection.score,
            area: detection.area,
            track: detection.track,
        });
        let mark = Mark {
            kind: event.kind.clone(),
            score: event.score,
            start_utc_ns: ns(event.start),
            end_utc_ns: event.end.map(ns),
            zone: event.zone.clone(),
            detections: seen.collect(),
            note: event.note.clone(),
        };
        Self { source: event.source.plugin.clone(), mark }
    }
}

impl Occurrence {
    /// Sixty-four events with ten detections each would cost a rule in JavaScript all of its 20 million instructions.
    fn without_detections(mut self) -> Self {
        self.mark.detections = Vec::new();
        self
    }
}

/// A time as the station's wall clock shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Minutes ahead of UTC.
    pub utc_offset_min: i16,
    /// IANA name of the time zone, `UTC` when the station has none.
    pub zone: String,
}

/// What the recorder knows about an event beside the event.
#[derive(Clone, Debug, PartialEq)]
pub struct Surroundings {
    /// The camera's name on the page.
    pub camera_name: String,
    /// Local time of the event's start.
    pub local: LocalTime,
    /// Numbers of the open cases that camera and time belong to, the one opened last first. What is over [`CASES_MAX`] is left out.
    pub cases: Vec<String>,
    /// Events of the camera within the 24 hours before, newest first. What is over [`RECENT_MAX`] is left out.
    pub recent: Vec<Event>,
}

/// What a rule is asked about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Situation {
    /// The camera's word.
    pub camera: String,
    /// Its name on the page.
    pub camera_name: String,
    /// What happened.
    pub event: Occurrence,
    /// Local time of its start.
    pub local: LocalTime,
    /// Open cases.
    pub cases: Vec<String>,
    /// What happened before.
    pub recent: Vec<Occurrence>,
}

impl Situation {
    /// An event and its surroundings, cut to what a situation may hold.
    #[must_use]
    pub fn new(event: &Event, surroundings: &Surroundings) -> Self {
        let Surroundings { camera_name, local, cases, recent } = surroundings;
        Self {
            camera: camera_word(event.camera),
            camera_name: camera_name.clone(),
            event: event.into(),
            local: local.clone(),
            cases: cases.iter().take(CASES_MAX).cloned().collect(),
            recent: recent.iter().take(RECENT_MAX).map(|event| Occurrence::from(event).without_detections()).collect(),
        }
    }
}

/// What stands for a camera in everything that a plugin reads.
#[must_use]
pub fn camera_word(camera: CameraId) -> String {
    format!("camera-{camera}")
}

/// A piece of footage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clip {
    /// The camera's word, as in the situation.
    pub camera: String,
    /// UTC in nanoseconds.
    pub from_utc_ns: u64,
    /// UTC in nanoseconds, after `from_utc_ns`; may lie ahead.
    pub to_utc_ns: u64,
    /// Name of a redaction profile, or empty.
    pub redaction: String,
    /// Number of a case, or empty.
    pub case_number: String,
    /// Persons who must approve, 0 for what policy asks.
    pub approvals: u8,
}

/// What a rule proposes. Policy may refuse each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proposal {
    /// Export this footage, as a request that waits for persons.
    ExportClip(Clip),
    /// The event carries this word.
    Tag(String),
    /// People on duty read this line.
    Notify(String),
    /// Keep this footage from eviction.
    Hold(Clip),
}

/// A proposal with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What is proposed.
    pub what: Proposal,
    /// Goes into the audit log word for word.
    pub reason: String,
}

/// Checks the verdicts of one instance and counts what it refuses.
#[derive(Debug)]
pub struct RuleGate {
    camera: String,
    may_hold: bool,
    refused: u64,
    last_refusal: Option<String>,
}

impl RuleGate {
    /// A gate for one binding. Only a rule whose manifest says so may propose a hold.
    #[must_use]
    pub fn new(camera: CameraId, effect: RetentionEffect) -> Self {
        let may_hold = effect == RetentionEffect::ProposesHold;
        Self { camera: camera_word(camera), may_hold, refused: 0, last_refusal: None }
    }

    /// Verdicts refused so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Why the last one was refused.
    #[must_use]
    pub fn last_refusal(&self) -> Option<&str> {
        self.last_refusal.as_deref()
    }

    /// The verdicts that may be acted on, of those that a rule gave about an event that began at `start`.
    pub fn pass(&mut self, verdicts: Vec<Verdict>, start: UtcNanos) -> Vec<Verdict> {
        let mut passed = Vec::new();
        for (index, verdict) in verdicts.into_iter().enumerate() {
            let checked = if index < VERDICTS_MAX {
                self.check(&verdict, start)
            } else {
                Err(format!("more than {VERDICTS_MAX} verdicts about one event"))
            };
            match checked {
                Ok(()) => passed.push(verdict),
                Err(sentence) => {
                    self.refused += 1;
                    self.last_refusal = Some(sentence);
                }
            }
        }
        passed
    }

    fn check(&self, verdict: &Verdict, start: UtcNanos) -> Result<(), String> {
        text("the reason", &verdict.reason, REASON_BYTES_MAX)?;
        match &verdict.what {
            Proposal::Tag(word) => self::word("the tag", word),
            Proposal::Notify(line) => text("the line for people on duty", line, REASON_BYTES_MAX),
            Proposal::ExportClip(clip) => self.clip(clip, start),
            Proposal::Hold(_) if !self.may_hold => {
                Err("it proposes a hold; its manifest does not say `retention_effect = \"proposes-hold\"`".to_owned())
            }
            Proposal::Hold(clip) => self.clip(clip, start),
        }
    }

    fn clip(&self, clip: &Clip, start: UtcNanos) -> Result<(), String> {
        if clip.camera != self.camera {
            return Err("a clip of a camera that the rule was not asked about".to_owned());
        }
        let time = |name: &str, utc_ns: u64| {
            let utc = UtcNanos(i64::try_from(utc_ns).map_err(|_| format!("{name} of the clip is no time"))?);
            let distance = utc.nanos_since(start);
            if !(-CLIP_DISTANCE_NS_MAX..=CLIP_DISTANCE_NS_MAX).contains(&distance) {
                return Err(format!("{name} of the clip lies {} s from the event", distance / NANOS_PER_SEC));
            }
            Ok(utc)
        };
        let length_ns = time("the end", clip.to_utc_ns)?.nanos_since(time("the start", clip.from_utc_ns)?);
        if !(1..=CLIP_NS_MAX).contains(&length_ns) {
            return Err(format!(
                "a clip of {} s; at most {} are allowed",
                length_ns / NANOS_PER_SEC,
                CLIP_NS_MAX / NANOS_PER_SEC
            ));
        }
        if clip.approvals > APPROVALS_MAX {
            return Err(format!("a clip asks for {} persons; at most {APPROVALS_MAX} are allowed", clip.approvals));
        }
        for (name, text) in [("the redaction profile", &clip.redaction), ("the case number", &clip.case_number)] {
            if !text.is_empty() {
                word(name, text)?;
            }
        }
        Ok(())
    }
}

fn text(name: &str, text: &str, bytes_max: usize) -> Result<(), String> {
    if text.is_empty() || text.len() > bytes_max {
        return Err(format!("{name} has {} bytes; 1 to {bytes_max} are allowed", text.len()));
    }
    Ok(())
}

/// A text that people search for: no line breaks or other control characters in it.
fn word(name: &str, word: &str) -> Result<(), String> {
    if word.contains(char::is_control) {
        return Err(format!("{name} has a control character"));
    }
    text(name, word, WORD_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_analysis::message::encode;
    use watchbook_base::limits::{EVENT_DETECTIONS_MAX, EVENT_NOTE_BYTES_MAX, EVENT_WORD_BYTES_MAX};
    use watchbook_base::link::MESSAGE_BYTES_MAX;
    use watchbook_base::{Area, Detection, EventSource};

    const START: UtcNanos = UtcNanos(1_764_000_000_000_000_000);

    fn clip() -> Clip {
        Clip {
            camera: "camera-3".into(),
            from_utc_ns: START.0 as u64 - 30_000_000_000,
            to_utc_ns: START.0 as u64 + 30_000_000_000,
            redaction: "faces and plates".into(),
            case_number: "2026-114".into(),
            approvals: 2,
        }
    }

    fn gate(effect: RetentionEffect) -> RuleGate {
        RuleGate::new(CameraId::new(3).unwrap(), effect)
    }

    fn verdict(what: Proposal) -> Verdict {
        Verdict { what, reason: "outside office hours".into() }
    }

    #[test]
    fn honest_verdicts_pass_as_they_are() {
        let verdicts: Vec<Verdict> = [
            Proposal::ExportClip(clip()),
            Proposal::Tag("night".into()),
            Proposal::Notify("A car stands at the gate.".into()),
            Proposal::Hold(Clip { redaction: String::new(), case_number: String::new(), approvals: 0, ..clip() }),
        ]
        .map(verdict)
        .into();
        let mut gate = gate(RetentionEffect::ProposesHold);
        assert_eq!(gate.pass(verdicts.clone(), START), verdicts);
        assert_eq!((gate.refused(), gate.last_refusal()), (0, None));
    }

    #[test]
    fn each_broken_limit_is_refused_and_counted() {
        let mut gate = gate(RetentionEffect::None);
        let hour = 3_600_000_000_000;
        let cut = |change: fn(&mut Clip)| {
            let mut clip = clip();
            change(&mut clip);
            Proposal::ExportClip(clip)
        };
        let lies = [
            (Proposal::Hold(clip()), "proposes-hold"),
            (Proposal::Tag(String::new()), "tag"),
            (Proposal::Tag("t".repeat(65)), "65 bytes"),
            (Proposal::Tag("a\nb".into()), "control"),
            (Proposal::Notify("n".repeat(1025)), "1025 bytes"),
            (cut(|clip| clip.camera = "camera-4".into()), "not asked about"),
            (cut(|clip| clip.to_utc_ns = clip.from_utc_ns), "0 s"),
            (cut(|clip| clip.to_utc_ns = clip.from_utc_ns - 1), "clip of"),
            (cut(|clip| clip.to_utc_ns = clip.from_utc_ns + 3_600_000_000_001), "3600"),
            (cut(|clip| clip.to_utc_ns = u64::MAX), "no time"),
            (cut(|clip| clip.from_utc_ns = 0), "from the event"),
            (cut(|clip| clip.redaction = "r".repeat(65)), "redaction"),
            (cut(|clip| clip.case_number = "c".repeat(65)), "case number"),
            (cut(|clip| clip.approvals = 9), "9 persons"),
        ];
        let count = lies.len() as u64;
        for (what, word) in lies {
            assert_eq!(gate.pass(vec![verdict(what)], START), []);
            assert!(gate.last_refusal().unwrap().contains(word), "{word}: {:?}", gate.last_refusal());
        }
        assert_eq!(gate.refused(), count);
        let whole_hour = Clip { to_utc_ns: clip().from_utc_ns + hour, ..clip() };
        assert_eq!(gate.pass(vec![verdict(Proposal::ExportClip(whole_hour))], START).len(), 1);
        let no_reason = Verdict { reason: String::new(), ..verdict(Proposal::Tag("x".into())) };
        assert_eq!(gate.pass(vec![no_reason], START), []);
        assert_eq!(gate.pass(vec![verdict(Proposal::Tag("x".into())); 9], START).len(), 8);
    }

    #[test]
    fn the_largest_situation_and_the_largest_answer_fit() {
        let detection = Detection {
            class: "c".repeat(EVENT_WORD_BYTES_MAX),
            score: 1.0,
            area: Area { x: u16::MAX, y: u16::MAX, w: u16::MAX, h: u16::MAX },
            track: Some(u64::MAX),
        };
        let event = Event {
            camera: CameraId::new(3).unwrap(),
            kind: "k".repeat(EVENT_WORD_BYTES_MAX),
            score: 1.0,
            start: UtcNanos(i64::MAX),
            end: Some(UtcNanos(i64::MAX)),
            zone: Some("z".repeat(EVENT_WORD_BYTES_MAX)),
            detections: vec![detection; EVENT_DETECTIONS_MAX],
            note: "n".repeat(EVENT_NOTE_BYTES_MAX),
            source: EventSource {
                plugin: "p".repeat(128),
                version: String::new(),
                component_sha256: String::new(),
                settings_sha256: String::new(),
            },
            lead: None,
            camera_clock: None,
        };
        let local = LocalTime {
            year: 2026,
            month: 12,
            day: 31,
            hour: 23,
            minute: 59,
            second: 59,
            weekday: 3,
            utc_offset_min: 420,
            zone: "Asia/Phnom_Penh".into(),
        };
        let surroundings = Surroundings {
            camera_name: "c".repeat(128),
            local,
            cases: vec!["9".repeat(64); 20],
            recent: vec![event.clone(); 100],
        };
        let situation = Situation::new(&event, &surroundings);
        assert_eq!((situation.cases.len(), situation.recent.len()), (CASES_MAX, RECENT_MAX));
        assert!(situation.recent.iter().all(|past| past.mark.detections.is_empty()));
        assert!(encode(&situation).unwrap().len() <= SITUATION_BYTES_MAX);

        // The child lets each text be four bytes over its limit, so that the gate sees that it is.
        let long = Clip { redaction: "r".repeat(68), case_number: "c".repeat(68), camera: "c".repeat(68), ..clip() };
        let verdict = Verdict { what: Proposal::Hold(long), reason: "r".repeat(REASON_BYTES_MAX + 4) };
        let line = Verdict { what: Proposal::Notify("l".repeat(1028)), reason: "r".repeat(REASON_BYTES_MAX + 4) };
        for verdict in [verdict, line] {
            assert!(encode(&vec![verdict; VERDICTS_MAX]).unwrap().len() < MESSAGE_BYTES_MAX / 2);
        }
    }
}
