//! From a plugin's word to an event: every bound is checked here, in the recorder, whatever the child has checked.

use crate::message::{MARKS_MAX, Mark};
use std::time::{Duration, Instant};
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{CameraId, Detection, Event, EventSource, UtcNanos};

/// Events of one instance: an episode every half second is more than a person can look at.
pub const EVENTS_PER_MINUTE_MAX: u32 = 120;
/// How far before its frame an event may begin.
pub const AGE_MAX_NS: i64 = 600 * NANOS_PER_SEC;
/// How far behind its frame an event may end: rounding, nothing else.
const AHEAD_MAX_NS: i64 = NANOS_PER_SEC;

/// Checks the marks of one instance and counts what it refuses.
#[derive(Debug)]
pub struct Gate {
    camera: CameraId,
    kinds: Vec<String>,
    zones: Vec<String>,
    source: EventSource,
    window: (Option<Instant>, u32),
    refused: u64,
    last_refusal: Option<String>,
}

impl Gate {
    /// A gate for one binding: the kinds of events that the manifest names and the zones that the plugin was given.
    #[must_use]
    pub fn new(camera: CameraId, kinds: Vec<String>, zones: Vec<String>, source: EventSource) -> Self {
        Self { camera, kinds, zones, source, window: (None, 0), refused: 0, last_refusal: None }
    }

    /// Marks refused so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Why the last one was refused.
    #[must_use]
    pub fn last_refusal(&self) -> Option<&str> {
        self.last_refusal.as_deref()
    }

    /// The events that may be stored of the marks that a plugin gave for the frame of `frame_utc`. `now` drives the rate limit.
    pub fn pass(&mut self, marks: Vec<Mark>, frame_utc: UtcNanos, now: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        for (index, mark) in marks.into_iter().enumerate() {
            let checked = if index < MARKS_MAX {
                self.check(mark, frame_utc).and_then(|event| self.limit(now).map(|()| event))
            } else {
                Err(format!("more than {MARKS_MAX} marks of one frame"))
            };
            match checked {
                Ok(event) => events.push(event),
                Err(sentence) => {
                    self.refused += 1;
                    self.last_refusal = Some(sentence);
                }
            }
        }
        events
    }

    fn limit(&mut self, now: Instant) -> Result<(), String> {
        match self.window.0 {
            Some(start) if now.saturating_duration_since(start) < Duration::from_secs(60) => {}
            _ => self.window = (Some(now), 0),
        }
        if self.window.1 >= EVENTS_PER_MINUTE_MAX {
            return Err(format!("more than {EVENTS_PER_MINUTE_MAX} events a minute"));
        }
        self.window.1 += 1;
        Ok(())
    }

    fn check(&self, mark: Mark, frame_utc: UtcNanos) -> Result<Event, String> {
        let time = |name: &str, utc_ns: u64| {
            let utc = i64::try_from(utc_ns).map_err(|_| format!("{name} is no time"))?;
            let distance = UtcNanos(utc).nanos_since(frame_utc);
            if !(-AGE_MAX_NS..=AHEAD_MAX_NS).contains(&distance) {
                return Err(format!("{name} lies {} s from its frame", distance / NANOS_PER_SEC));
            }
            Ok(UtcNanos(utc))
        };
        if !self.kinds.contains(&mark.kind) {
            let kind = crate::message::clipped(&mark.kind, 64);
            return Err(format!("the kind `{kind}` is not in the manifest's `emits`"));
        }
        if mark.zone.as_ref().is_some_and(|zone| !self.zones.contains(zone)) {
            return Err("a zone that the plugin was not given".to_owned());
        }
        let detections = mark.detections.into_iter();
        let event = Event {
            camera: self.camera,
            kind: mark.kind,
            score: mark.score,
            start: time("start", mark.start_utc_ns)?,
            end: mark.end_utc_ns.map(|end| time("end", end)).transpose()?,
            zone: mark.zone,
            detections: detections
                .map(|seen| Detection { class: seen.class, score: seen.score, area: seen.area, track: seen.track })
                .collect(),
            note: mark.note,
            source: self.source.clone(),
            lead: None,
            camera_clock: None,
        };
        event.check()?;
        let outside = |area: &watchbook_base::Area| {
            u32::from(area.x) + u32::from(area.w) > 65_536 || u32::from(area.y) + u32::from(area.h) > 65_536
        };
        if event.detections.iter().any(|detection| outside(&detection.area)) {
            return Err("a detection reaches out of the picture".to_owned());
        }
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Seen;
    use watchbook_base::Area;

    const FRAME: i64 = 1_764_000_000_000_000_000;

    fn gate() -> Gate {
        let source = EventSource {
            plugin: "org.example.counter".into(),
            version: "1.2.3".into(),
            component_sha256: String::new(),
            settings_sha256: String::new(),
        };
        Gate::new(CameraId::new(3).unwrap(), vec!["count".into()], vec!["road".into()], source)
    }

    fn mark() -> Mark {
        let area = Area { x: 100, y: 100, w: 1000, h: 1000 };
        Mark {
            kind: "count".into(),
            score: 0.5,
            start_utc_ns: FRAME as u64 - 5,
            end_utc_ns: Some(FRAME as u64),
            zone: Some("road".into()),
            detections: vec![Seen { class: "vehicle".into(), score: 1.0, area, track: Some(1) }],
            note: "one".into(),
        }
    }

    #[test]
    fn an_honest_mark_becomes_an_event_with_its_source() {
        let mut gate = gate();
        let events = gate.pass(vec![mark()], UtcNanos(FRAME), Instant::now());
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].camera.get(), events[0].start), (3, UtcNanos(FRAME - 5)));
        assert_eq!(events[0].source.plugin, "org.example.counter");
        assert_eq!(gate.refused(), 0);
    }

    #[test]
    fn each_lie_is_refused_and_counted() {
        type Lie = (&'static str, fn(&mut Mark));
        let lies: [Lie; 10] = [
            ("emits", |mark| mark.kind = "person".into()),
            ("zone", |mark| mark.zone = Some("river".into())),
            ("score", |mark| mark.score = f32::INFINITY),
            ("start", |mark| mark.start_utc_ns = 0),
            ("start", |mark| mark.start_utc_ns = u64::MAX),
            ("end", |mark| mark.end_utc_ns = Some(FRAME as u64 + 2_000_000_000)),
            ("before start", |mark| mark.end_utc_ns = Some(FRAME as u64 - 6)),
            ("note", |mark| mark.note = "n".repeat(5000)),
            ("detections", |mark| mark.detections = vec![mark.detections[0].clone(); 65]),
            ("out of the picture", |mark| mark.detections[0].area.x = u16::MAX),
        ];
        let mut gate = gate();
        for (number, (word, lie)) in lies.into_iter().enumerate() {
            let mut mark = mark();
            lie(&mut mark);
            assert!(gate.pass(vec![mark], UtcNanos(FRAME), Instant::now()).is_empty(), "{word}");
            assert_eq!(gate.refused(), number as u64 + 1);
            let sentence = gate.last_refusal().unwrap();
            assert!(sentence.contains(word), "{word} is not named in: {sentence}");
        }
    }

    #[test]
    fn a_flood_is_cut_to_the_rate_and_the_next_minute_is_free_again() {
        let mut gate = gate();
        let begin = Instant::now();
        let per_frame = gate.pass(vec![mark(); 1000], UtcNanos(FRAME), begin).len();
        assert_eq!(per_frame, MARKS_MAX);
        let next = gate.pass(vec![mark(); MARKS_MAX], UtcNanos(FRAME), begin).len();
        assert_eq!(per_frame + next, EVENTS_PER_MINUTE_MAX as usize);
        let later = begin + Duration::from_secs(61);
        assert_eq!(gate.pass(vec![mark()], UtcNanos(FRAME), later).len(), 1);
    }
}
