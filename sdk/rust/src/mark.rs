//! What an analyser says.

use crate::Area;

/// Something seen at one place of the picture. There is no field for an identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// A term of the published vocabulary, such as `motion`, `person` or `vehicle`. 1 to 64 bytes.
    pub class: String,
    /// 0 to 1.
    pub score: f32,
    /// Where.
    pub area: Area,
    /// Same number = same object within one mark; never kept across marks.
    pub track: Option<u64>,
}

impl Detection {
    /// A detection with the score 1 and no track.
    #[must_use]
    pub fn new(class: &str, area: Area) -> Self {
        Self { class: class.to_owned(), score: 1.0, area, track: None }
    }

    /// With another score, clamped to 0 to 1.
    #[must_use]
    pub fn score(self, score: f32) -> Self {
        Self { score: clamped(score), ..self }
    }
}

/// One thing that happened. It cannot be changed later: give it when it has ended, or in parts. At most 120 a minute of one plugin on one camera become events.
///
/// ```
/// use watchbook_plugin::Mark;
///
/// let began_ns = 1_764_000_000_000_000_000;
/// let mark = Mark::at("queue", began_ns).until(began_ns + 4_000_000_000).score(0.8).zone("crossing").note("five vehicles wait");
/// assert_eq!(mark.end_utc_ns, Some(1_764_000_004_000_000_000));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// One of the words in the manifest's `emits` list. 1 to 64 bytes.
    pub kind: String,
    /// 0 to 1.
    pub score: f32,
    /// UTC in nanoseconds when it began: not after the frame at hand, at most 10 minutes before it.
    pub start_utc_ns: u64,
    /// UTC in nanoseconds when it ended: not before the start, not after the frame at hand. `None` for a moment.
    pub end_utc_ns: Option<u64>,
    /// Name of the zone that it happened in. `None` for the whole picture.
    pub zone: Option<String>,
    /// At most 64.
    pub detections: Vec<Detection>,
    /// Plain words for people, at most 1,024 bytes.
    pub note: String,
}

impl Mark {
    /// A moment with the score 1 and nothing else.
    #[must_use]
    pub fn at(kind: &str, start_utc_ns: u64) -> Self {
        let (zone, note, detections) = (None, String::new(), Vec::new());
        Self { kind: kind.to_owned(), score: 1.0, start_utc_ns, end_utc_ns: None, zone, detections, note }
    }

    /// Sets when it ended, in nanoseconds of UTC.
    #[must_use]
    pub fn until(self, end_utc_ns: u64) -> Self {
        Self { end_utc_ns: Some(end_utc_ns), ..self }
    }

    /// Sets the score. What is no number from 0 to 1 is brought there; NaN becomes 0.
    #[must_use]
    pub fn score(self, score: f32) -> Self {
        Self { score: clamped(score), ..self }
    }

    /// Says in which of the zones that `start` was given it happened.
    #[must_use]
    pub fn zone(self, name: &str) -> Self {
        Self { zone: Some(name.to_owned()), ..self }
    }

    /// Sets the words for people.
    #[must_use]
    pub fn note(self, words: impl Into<String>) -> Self {
        Self { note: words.into(), ..self }
    }

    /// Adds what was seen. What is over 64 is left out.
    #[must_use]
    pub fn seen(mut self, detection: Detection) -> Self {
        if self.detections.len() < DETECTIONS_MAX {
            self.detections.push(detection);
        }
        self
    }
}

/// Detections of one mark.
const DETECTIONS_MAX: usize = 64;

fn clamped(score: f32) -> f32 {
    if score.is_nan() { 0.0 } else { score.clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_keeps_the_bounds_of_the_contract() {
        assert_eq!(Mark::at("a", 1).score(f32::NAN).score, 0.0);
        assert_eq!(Mark::at("a", 1).score(7.0).score, 1.0);
        assert_eq!(Detection::new("vehicle", Area::WHOLE).score(-1.0).score, 0.0);
        let area = Area { x: 0, y: 0, w: 1, h: 1 };
        let many = (0..100).fold(Mark::at("a", 1), |mark, _| mark.seen(Detection::new("vehicle", area)));
        assert_eq!(many.detections.len(), 64);
    }
}
