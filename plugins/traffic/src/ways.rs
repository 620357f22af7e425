//! From tracks to things that go the wrong way.

use crate::stops::distance;
use watchbook_plugin_common::tracks::Track;

/// A thing has a way when it went so many cells, or its length, within a zone.
const WAY: f32 = 8.0;
const WAY_SHARE: f32 = 1.0;
/// The way of a zone is known from so many things on,
const THINGS_MIN: f32 = 10.0;
/// when their ways add up to this share of their number.
const AGREE: f32 = 0.8;
/// So many things are remembered; when there are more, all count half.
const THINGS_MAX: f32 = 200.0;
/// Against the way: the cosine of the angle is less than this, so up to 45 degrees from straight against it.
const AGAINST: f32 = -0.7;
/// A second one so shortly after the first, and so near, is a part of it. Nanoseconds, cells.
const PART_NS: u64 = 1_000_000_000;
const PART: f32 = 20.0;

/// Sum of the ways of what drove in a zone, each of length 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Way {
    sum: (f32, f32),
    things: f32,
    /// The way is set by the administrator.
    fixed: bool,
}

impl Way {
    /// A way that is not learnt: degrees from rightwards over downwards.
    #[must_use]
    pub fn fixed(degrees: u32) -> Self {
        // A table instead of a sine, so that every machine has the same: steps of 15 degrees, between them a straight line.
        const COSINES: [f32; 7] = [1.0, 0.965_926, 0.866_025, core::f32::consts::FRAC_1_SQRT_2, 0.5, 0.258_819, 0.0];
        let cosine = |degrees: u32| {
            let degrees = degrees % 360;
            let folded = if degrees > 180 { 360 - degrees } else { degrees };
            let (sign, part) = if folded > 90 { (-1.0, 180 - folded) } else { (1.0, folded) };
            let (at, rest) = ((part / 15) as usize, (part % 15) as f32 / 15.0);
            let next = COSINES[(at + 1).min(6)];
            sign * (COSINES[at] + (next - COSINES[at]) * rest)
        };
        Self { sum: (cosine(degrees), cosine(degrees + 270)), things: 1.0, fixed: true }
    }

    /// The way, once it is known; length 1.
    #[must_use]
    pub fn known(&self) -> Option<(f32, f32)> {
        let length = distance(self.sum, (0.0, 0.0));
        let agreed = self.things >= THINGS_MIN && length >= AGREE * self.things;
        (self.fixed || agreed).then(|| (self.sum.0 / length, self.sum.1 / length))
    }

    fn learn(&mut self, (x, y): (f32, f32)) {
        if self.fixed {
            return;
        }
        (self.sum, self.things) = ((self.sum.0 + x, self.sum.1 + y), self.things + 1.0);
        if self.things >= THINGS_MAX {
            (self.sum, self.things) = ((self.sum.0 / 2.0, self.sum.1 / 2.0), self.things / 2.0);
        }
    }
}

/// A thing that goes against the way of its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Against {
    /// Its track.
    pub number: u64,
    /// UTC in nanoseconds since when it is in the zone.
    pub since_ns: u64,
}

/// Where a track came into the zone, when, and whether its way was taken.
#[derive(Clone, Copy, Debug)]
struct Entry {
    number: u64,
    place: (f32, f32),
    since_ns: u64,
    taken: bool,
}

/// The way of one zone and what drives in it.
#[derive(Clone, Debug)]
pub struct Ways {
    /// The zone's way.
    pub way: Way,
    entries: Vec<Entry>,
    /// The last one that went against it: when, where.
    last: Option<(u64, (f32, f32))>,
}

impl Ways {
    /// A zone with a way that is known or to be learnt.
    #[must_use]
    pub fn new(way: Way) -> Self {
        Self { way, entries: Vec::new(), last: None }
    }

    /// The next frame: every track, and whether a track is in the zone. Gives what goes against the way; each once.
    pub fn step(&mut self, tracks: &[Track], inside: impl Fn(&Track) -> bool, now_ns: u64) -> Vec<Against> {
        self.entries.retain(|entry| tracks.iter().any(|track| track.number == entry.number));
        let mut against = Vec::new();
        for track in tracks.iter().filter(|track| track.seen_ns == now_ns && track.frames >= 3 && inside(track)) {
            let known = self.entries.iter().position(|entry| entry.number == track.number);
            let at = known.unwrap_or_else(|| {
                let entry = Entry { number: track.number, place: track.place, since_ns: now_ns, taken: false };
                self.entries.push(entry);
                self.entries.len() - 1
            });
            let entry = &mut self.entries[at];
            let went = distance(track.place, entry.place);
            if entry.taken || track.grouped || went < WAY.max(WAY_SHARE * track.size.0.max(track.size.1)) {
                continue;
            }
            entry.taken = true;
            let way = ((track.place.0 - entry.place.0) / went, (track.place.1 - entry.place.1) / went);
            let since_ns = entry.since_ns;
            if self.way.known().is_some_and(|known| opposite(known, way) && opposite(known, unit(track.speed))) {
                let part = self.last.is_some_and(|(then_ns, place)| {
                    now_ns.saturating_sub(then_ns) < PART_NS && distance(place, track.place) < PART
                });
                self.last = Some((now_ns, track.place));
                if !part {
                    against.push(Against { number: track.number, since_ns });
                }
            }
            self.way.learn(way);
        }
        against
    }

    /// Forgets the tracks, not the way: the scene was begun afresh.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

fn opposite(a: (f32, f32), b: (f32, f32)) -> bool {
    a.0 * b.0 + a.1 * b.1 < AGAINST
}

fn unit((x, y): (f32, f32)) -> (f32, f32) {
    let length = distance((x, y), (0.0, 0.0)).max(f32::EPSILON);
    (x / length, y / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_go_from_rightwards_over_downwards() {
        for (degrees, x, y) in
            [(0, 1.0, 0.0), (90, 0.0, 1.0), (180, -1.0, 0.0), (270, 0.0, -1.0), (45, 0.707, 0.707), (210, -0.866, -0.5)]
        {
            let (way_x, way_y) = Way::fixed(degrees).known().unwrap();
            assert!((way_x - x).abs() < 0.01 && (way_y - y).abs() < 0.01, "{degrees}: {way_x} {way_y}");
        }
    }

    #[test]
    fn a_way_is_known_when_things_agree() {
        let (mut one_way, mut two_ways) = (Way::default(), Way::default());
        for number in 0..20 {
            one_way.learn((1.0, 0.0));
            two_ways.learn((if number % 2 == 0 { 1.0 } else { -1.0 }, 0.0));
            assert_eq!(one_way.known().is_some(), number >= 9, "after {number}");
        }
        assert_eq!((one_way.known(), two_ways.known()), (Some((1.0, 0.0)), None));
        for _ in 0..1000 {
            one_way.learn((1.0, 0.0));
        }
        assert!(one_way.things <= THINGS_MAX);
    }
}
