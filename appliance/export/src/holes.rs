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

/// A leaf of the log that tells of time without footage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its number.
    pub leaf: u64,
    /// First moment.
    pub start: UtcNanos,
    /// First moment behind it; before the start where the clock was set back.
    pub end: UtcNanos,
}

/// What tells of a hole, or of a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Teller {
    /// This leaf, which the log has.
    Leaf(u64),
    /// A leaf that is to be written.
    New(Hole),
}

/// What tells of the holes of one stream, in their order: the leaves that the log has, and new ones for what has none. The public report counts every leaf: nothing is told of twice.
/// A leaf is taken where verifiers can go along it, from the end of one run to the beginning of the next; at the ends of `requested` it may reach beyond. `known`: by start.
#[must_use]
pub fn tellers(holes: &[Hole], requested: TimeRange, known: &[Known]) -> Vec<Teller> {
    let mut tellers = Vec::new();
    let mut rest = holes;
    while let Some(first) = rest.first() {
        let joined = |pair: &[Hole]| matches!(pair, [a, b] if a.end == b.start && a.start <= a.end && b.start <= b.end);
        let len = 1 + rest.windows(2).take_while(|pair| joined(pair)).count();
        let (stretch, after) = rest.split_at(len.min(rest.len()));
        rest = after;
        match first.end < first.start {
            true => tellers.push(of_step(first, known)),
            false => of_stretch(stretch, requested, known, &mut tellers),
        }
    }
    tellers
}

fn near(a: UtcNanos, b: UtcNanos) -> bool {
    a.nanos_since(b).abs() <= HOLE_NANOS_MIN
}

/// A clock that was set back.
fn of_step(hole: &Hole, known: &[Known]) -> Teller {
    let same = |known: &&Known| known.end < known.start && near(known.start, hole.start) && near(known.end, hole.end);
    known.iter().find(same).map_or_else(|| Teller::New(hole.clone()), |known| Teller::Leaf(known.leaf))
}

/// Holes that follow each other.
fn of_stretch(holes: &[Hole], requested: TimeRange, known: &[Known], tellers: &mut Vec<Teller>) {
    let Some((first, last)) = holes.first().zip(holes.last()) else { return };
    let (start, end) = (first.start, last.end);
    let mut at = start;
    let new = |from: UtcNanos, to: UtcNanos, tellers: &mut Vec<Teller>| {
        for hole in holes {
            let (start, end) = (hole.start.max(from), hole.end.min(to));
            if start < end {
                tellers.push(Teller::New(Hole { start, end, reason: hole.reason.clone() }));
            }
        }
    };
    for leaf in known.iter().filter(|leaf| leaf.start < end && leaf.end > start && leaf.end > leaf.start) {
        let follows = leaf.start.nanos_since(at) >= -HOLE_NANOS_MIN || (at == start && start == requested.start);
        let fits = leaf.end.nanos_since(end) <= HOLE_NANOS_MIN || end == requested.end;
        if leaf.end <= at || !follows || !fits {
            continue;
        }
        if leaf.start.nanos_since(at) > HOLE_NANOS_MIN {
            new(at, leaf.start, tellers);
        }
        tellers.push(Teller::Leaf(leaf.leaf));
        at = leaf.end;
    }
    if at == start || end.nanos_since(at) > HOLE_NANOS_MIN {
        new(at, end, tellers);
    }
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

    fn leaf(leaf: u64, start: i64, end: i64) -> Known {
        Known { leaf, start: range(start, 0).start, end: range(0, end).end }
    }

    fn hole((start, end, reason): (i64, i64, &str)) -> Hole {
        Hole { start: range(start, 0).start, end: range(0, end).end, reason: reason.to_owned() }
    }

    /// Numbers of leaves, or the new ones.
    fn said(holes: &[(i64, i64, &str)], known: &[Known]) -> Vec<String> {
        let holes: Vec<Hole> = holes.iter().copied().map(hole).collect();
        let tellers = tellers(&holes, range(0, 100), known);
        let say = |teller: &Teller| match teller {
            Teller::Leaf(number) => number.to_string(),
            Teller::New(hole) => {
                let told = told(core::slice::from_ref(hole));
                format!("{}-{} {}", told[0].0, told[0].1, told[0].2)
            }
        };
        tellers.iter().map(say).collect()
    }

    #[test]
    fn what_the_log_tells_of_is_not_told_again() {
        let gone = (30, 40, "camera_gone");
        assert_eq!(said(&[gone], &[leaf(7, 30, 40)]), ["7"]);
        assert_eq!(said(&[gone], &[leaf(7, 30, 35), leaf(8, 35, 40)]), ["7", "8"], "a gap that went on");
        assert_eq!(said(&[gone], &[]), ["30-40 camera_gone"]);
        assert_eq!(said(&[gone], &[leaf(7, 50, 60), leaf(6, 10, 30)]), ["30-40 camera_gone"], "of other times");
        let both = [gone, (40, 50, NOT_STORED)];
        assert_eq!(said(&both, &[leaf(7, 30, 40)]), ["7", "40-50 not_stored"], "the rest is new");
        assert_eq!(said(&both, &[leaf(7, 30, 50)]), ["7"], "one leaf tells of both");
        assert_eq!(said(&[(30, 60, NOT_STORED)], &[leaf(7, 40, 45)]), ["30-40 not_stored", "7", "45-60 not_stored"]);
    }

    #[test]
    fn a_leaf_leads_from_run_to_run_or_beyond_what_was_asked_for() {
        assert_eq!(said(&[(30, 40, "disk")], &[leaf(7, 20, 40)]), ["30-40 disk"], "it begins where there is footage");
        assert_eq!(said(&[(30, 40, "disk")], &[leaf(7, 30, 50)]), ["30-40 disk"], "it ends where there is footage");
        assert_eq!(said(&[(0, 40, "disk")], &[leaf(7, -20, 40)]), ["7"], "from before what was asked for");
        assert_eq!(said(&[(60, 100, "disk")], &[leaf(7, 60, 150)]), ["7"], "and until after it");
        assert_eq!(said(&[(0, 100, "disk")], &[leaf(7, -20, 30), leaf(8, 20, 150)]), ["7", "30-100 disk"]);
    }

    #[test]
    fn a_step_of_the_clock_has_its_own_leaf() {
        let step = (20, 15, CLOCK_STEP);
        assert_eq!(said(&[step], &[leaf(9, 20, 15)]), ["9"]);
        assert_eq!(said(&[step], &[leaf(9, 20, 25), leaf(3, 50, 15)]), ["20-15 clock_step"]);
    }

    #[test]
    fn the_name_of_a_reason_is_the_one_of_the_api() {
        let stream = watchbook_base::CameraId::new(1).unwrap().stream(watchbook_base::TrackRole::MainVideo);
        let gap = Gap { stream, range: range(1, 2), reason: watchbook_base::GapReason::CameraGone };
        assert_eq!(Reason::from(&gap).reason, "camera_gone");
    }
}
