//! From tracks to things that have stopped.

use watchbook_plugin_common::tracks::Track;

const S: u64 = 1_000_000_000;
/// A thing has not moved while its middle stays within so many cells, or this share of its length.
const STANDS: f32 = 2.0;
const STANDS_SHARE: f32 = 0.12;
/// It came moving when it was so many cells, and this share of its length, away from where it was first seen.
const CAME: f32 = 4.0;
const CAME_SHARE: f32 = 0.5;
/// What stood and was hidden for so long by something that passed is the same thing when it is at the same place again, in seconds.
const HIDDEN_S: u64 = 60;

/// It stood for so long before it was hidden: what drove out of the picture did not.
const STOOD_S: u64 = 2;

/// What is known of one track.
#[derive(Clone, Copy, Debug)]
struct Standing {
    number: u64,
    /// Where it stands, since when.
    place: (f32, f32),
    since_ns: u64,
    seen_ns: u64,
    length: f32,
    came: bool,
    told: bool,
}

/// A thing that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Its track.
    pub number: u64,
    /// UTC in nanoseconds since when it stands.
    pub since_ns: u64,
}

/// Knows since when each thing stands.
#[derive(Clone, Debug, Default)]
pub struct Stops {
    standing: Vec<Standing>,
}

impl Stops {
    /// The next frame. Gives what has come and stands for `stop_s` seconds; each once.
    pub fn step(&mut self, tracks: &[Track], stop_s: u32, now_ns: u64) -> Vec<Stop> {
        let mut stops = Vec::new();
        for track in tracks.iter().filter(|track| track.seen_ns == now_ns) {
            let at = self.known(track, tracks, now_ns);
            let standing = &mut self.standing[at];
            standing.seen_ns = now_ns;
            standing.length = track.size.0.max(track.size.1);
            if distance(track.place, standing.place) > STANDS.max(STANDS_SHARE * standing.length) {
                (standing.place, standing.since_ns, standing.told) = (track.place, now_ns, false);
            }
            standing.came |= distance(track.place, track.from) > CAME.max(CAME_SHARE * standing.length);
            let stood_ns = now_ns.saturating_sub(standing.since_ns);
            if standing.came && !standing.told && stood_ns >= u64::from(stop_s) * S {
                standing.told = true;
                stops.push(Stop { number: track.number, since_ns: standing.since_ns });
            }
        }
        self.standing.retain(|standing| now_ns.saturating_sub(standing.seen_ns) <= HIDDEN_S * S);
        stops
    }

    /// Forgets everything: the scene was begun afresh.
    pub fn clear(&mut self) {
        self.standing.clear();
    }

    /// The entry of a track; one that begins where another stood until it was hidden goes on with it.
    fn known(&mut self, track: &Track, tracks: &[Track], now_ns: u64) -> usize {
        if let Some(at) = self.standing.iter().position(|standing| standing.number == track.number) {
            return at;
        }
        let gone = |number: u64| tracks.iter().all(|track| track.number != number);
        let same = |standing: &Standing| {
            standing.seen_ns < now_ns
                && standing.seen_ns - standing.since_ns >= STOOD_S * S
                && gone(standing.number)
                && distance(standing.place, track.place) <= STANDS.max(0.25 * standing.length)
        };
        if let Some(at) = self.standing.iter().position(same) {
            self.standing[at].number = track.number;
            return at;
        }
        self.standing.push(Standing {
            number: track.number,
            place: track.place,
            since_ns: now_ns,
            seen_ns: now_ns,
            length: 0.0,
            came: false,
            told: false,
        });
        self.standing.len() - 1
    }
}

/// How far two places are apart, in cells.
#[must_use]
pub fn distance(a: (f32, f32), b: (f32, f32)) -> f32 {
    ((a.0 - b.0) * (a.0 - b.0) + (a.1 - b.1) * (a.1 - b.1)).sqrt()
}
