//! What of the time that was asked for is not handed out, and why. Pure.

use watchbook_base::{Gap, TimeRange, UtcNanos};

/// Shorter holes are the rounding of a recording's end: as the verifiers take it.
pub const HOLE_NANOS_MIN: i64 = 1_000_000_000;
/// Why time is missing of which no gap tells: the ring has overwritten it, its maximum age has passed, only the vault has it, or it was never recorded.
pub const NOT_STORED: &str = "not_stored";
/// Why time is missing that is stored and fails its checks.
pub const DAMAGED: &str = "damaged";
/// Why time goes back.
const CLOCK_STEP: &str = "clock_step";

/// Time of a stream without footage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// First moment.
    pub start: UtcNanos,
    /// First moment behind it; before the start where the clock was set back.
    pub end: UtcNanos,
    /// As a gap of the log has it.
    pub reason: String,
}

/// Reasons that are known for a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// When.
    pub range: TimeRange,
    /// Why.
    pub reason: String,
}

impl From<&Gap> for Reason {
    fn from(gap: &Gap) -> Self {
        let name = serde_json::to_value(gap.reason).ok();
        let reason = name.as_ref().and_then(|name| name.as_str()).unwrap_or(NOT_STORED).to_owned();
        Self { range: gap.range, reason }
    }
}

/// The holes in `requested` between runs with these beginnings and ends, in the order of the log. Each is cut into pieces with a reason each; `known`: by start.
#[must_use]
pub fn holes(runs: &[TimeRange], requested: TimeRange, known: &[Reason]) -> Vec<Hole> {
    let mut holes = Vec::new();
    let Some((first, last)) = runs.first().zip(runs.last()) else {
        explain(requested.start, requested.end, known, &mut holes);
        return holes;
    };
    if first.start.nanos_since(requested.start) > HOLE_NANOS_MIN {
        explain(requested.start, first.start, known, &mut holes);
    }
    for pair in runs.windows(2) {
        let [before, after] = pair else { continue };
        if after.start.nanos_since(before.end).abs() > HOLE_NANOS_MIN {
            explain(before.end, after.start, known, &mut holes);
        }
    }
    if requested.end.nanos_since(last.end) > HOLE_NANOS_MIN {
        explain(last.end, requested.end, known, &mut holes);
    }
    holes
}

fn explain(start: UtcNanos, end: UtcNanos, known: &[Reason], holes: &mut Vec<Hole>) {
    let mut push = |start, end, reason: &str| holes.push(Hole { start, end, reason: reason.to_owned() });
    if end < start {
        return push(start, end, CLOCK_STEP);
    }
    let hole = TimeRange { start, end };
    let mut at = start;
    for reason in known.iter().filter(|reason| reason.range.overlaps(hole)) {
        let (from, to) = (reason.range.start.max(at), reason.range.end.min(end));
        if to <= from {
            continue;
        }
        if from.nanos_since(at) > HOLE_NANOS_MIN {
            push(at, from, NOT_STORED);
        }
        push(from, to, &reason.reason);
        at = to;
    }
    if at == start || end.nanos_since(at) > HOLE_NANOS_MIN {
        push(at, end, NOT_STORED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: i64, end: i64) -> TimeRange {
        TimeRange { start: UtcNanos(start * HOLE_NANOS_MIN), end: UtcNanos(end * HOLE_NANOS_MIN) }
    }

    fn told(holes: &[Hole]) -> Vec<(i64, i64, &str)> {
        holes.iter().map(|hole| (hole.start.0 / HOLE_NANOS_MIN, hole.end.0 / HOLE_NANOS_MIN, &*hole.reason)).collect()
    }

    fn known(start: i64, end: i64, reason: &str) -> Reason {
        Reason { range: range(start, end), reason: reason.to_owned() }
    }

    #[test]
    fn every_hole_has_its_reasons() {
        let runs = [range(10, 20), range(20, 30), range(37, 50)];
        let reasons = [known(30, 35, "camera_gone"), known(35, 37, "restart")];
        let found = holes(&runs, range(5, 60), &reasons);
        assert_eq!(
            told(&found),
            [(5, 10, NOT_STORED), (30, 35, "camera_gone"), (35, 37, "restart"), (50, 60, NOT_STORED)]
        );
        assert_eq!(
            told(&holes(&[], range(5, 9), &[known(0, 7, "overload")])),
            [(5, 7, "overload"), (7, 9, NOT_STORED)]
        );
        assert!(holes(&runs[..2], range(10, 31), &[]).is_empty(), "a second is no hole");
    }

    #[test]
    fn a_clock_that_was_set_back_is_a_hole_that_ends_before_it_begins() {
        assert_eq!(told(&holes(&[range(10, 20), range(15, 30)], range(10, 30), &[])), [(20, 15, CLOCK_STEP)]);
    }

    #[test]
    fn the_name_of_a_reason_is_the_one_of_the_api() {
        let stream = watchbook_base::CameraId::new(1).unwrap().stream(watchbook_base::TrackRole::MainVideo);
        let gap = Gap { stream, range: range(1, 2), reason: watchbook_base::GapReason::CameraGone };
        assert_eq!(Reason::from(&gap).reason, "camera_gone");
    }
}
