//! From frames in which something moves to motions with a start and an end.

use crate::Settings;
use crate::places::Place;

const MS: u64 = 1_000_000;
/// A motion that goes on is given in parts, so that it shows up before it ends. They end where the clock is at a multiple of this: whoever runs the footage again, from
/// wherever, gets the same parts. The first has half of this at least.
pub const PART_MS: u64 = 30_000;
/// How far before the frame at hand a motion may begin: what the plugin interface takes.
pub const AGE_MS_MAX: u64 = 600_000;

/// A motion or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Episode {
    /// UTC in nanoseconds of the first frame in which something moved.
    pub start_ns: u64,
    /// UTC in nanoseconds of the last one.
    pub end_ns: u64,
    /// Where, in the frame in which most moved; the largest place first.
    pub places: Vec<Place>,
    /// It is the next part of a motion.
    pub continued: bool,
}

#[derive(Clone, Debug)]
struct Open {
    episode: Episode,
    cells: usize,
}

/// The motions of one zone.
#[derive(Clone, Debug)]
pub struct Episodes {
    settings: Settings,
    open: Option<Open>,
    /// End of the last motion that was given.
    ended_ns: Option<u64>,
    /// Something moved in the frame before.
    moved: bool,
}

impl Episodes {
    /// No motion so far.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, open: None, ended_ns: None, moved: false }
    }

    /// The next frame, not earlier than the one before, and what moves in it. Gives a motion when one has ended or lasted for a part.
    pub fn step(&mut self, now_ns: u64, places: Vec<Place>) -> Option<Episode> {
        let quiet_ns = u64::from(self.settings.quiet_ms) * MS;
        let moves = !places.is_empty();
        // Frames may lie further apart than the stillness that ends a motion; two in a row that move are one motion all the same.
        let in_a_row = core::mem::replace(&mut self.moved, moves) && moves;
        let still_ns = self.open.as_ref().map_or(0, |open| now_ns.saturating_sub(open.episode.end_ns));
        let ended = if still_ns >= quiet_ns && !in_a_row { self.finish(now_ns) } else { None };
        if !moves {
            return ended;
        }
        let Some(open) = &mut self.open else {
            self.begin(now_ns, places);
            return ended;
        };
        let part_of = |ns: u64| ns / (PART_MS * MS);
        let over = part_of(open.episode.end_ns) != part_of(now_ns);
        open.episode.end_ns = now_ns;
        let cells = area(&places);
        if cells > open.cells {
            (open.cells, open.episode.places) = (cells, places.clone());
        }
        if !over || now_ns.saturating_sub(open.episode.start_ns) < PART_MS * MS / 2 {
            return ended;
        }
        let part = self.finish(now_ns);
        let episode = Episode { start_ns: now_ns, end_ns: now_ns, places, continued: true };
        self.open = Some(Open { episode, cells });
        part
    }

    /// Ends what is open: the clock went back, frames are missing, or the picture has another size. What does not lie within [`AGE_MS_MAX`] before `now_ns`
    /// cannot be given; what lies after it is cut off.
    pub fn cut(&mut self, now_ns: u64) -> Option<Episode> {
        self.moved = false;
        if let Some(open) = &mut self.open {
            open.episode.end_ns = open.episode.end_ns.min(now_ns);
        }
        let given = self.finish(now_ns);
        // Times from before a step of the clock say nothing about times after it.
        self.ended_ns = None;
        given
    }

    fn begin(&mut self, now_ns: u64, places: Vec<Place>) {
        let rest_ns = u64::from(self.settings.cooldown_ms) * MS;
        if self.ended_ns.is_some_and(|ended| now_ns.saturating_sub(ended) < rest_ns) {
            return;
        }
        let cells = area(&places);
        self.open =
            Some(Open { episode: Episode { start_ns: now_ns, end_ns: now_ns, places, continued: false }, cells });
    }

    fn finish(&mut self, now_ns: u64) -> Option<Episode> {
        let Open { episode, .. } = self.open.take()?;
        let Episode { start_ns, end_ns, continued, .. } = episode;
        let lasted_ns = end_ns.checked_sub(start_ns)?;
        // A part counts when anything moved after the part before; a whole motion when it was long enough.
        let counts =
            if continued { lasted_ns > 0 } else { lasted_ns >= u64::from(self.settings.minimum_duration_ms) * MS };
        let age_ns = now_ns.checked_sub(start_ns)?;
        if counts || continued {
            self.ended_ns = Some(end_ns);
        }
        (counts && age_ns <= AGE_MS_MAX * MS).then_some(episode)
    }
}

fn area(places: &[Place]) -> usize {
    places.iter().map(|place| place.cells).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: u64 = 1_764_000_000_000 * MS;

    fn place(cells: usize) -> Vec<Place> {
        vec![Place { left: 0, top: 0, right: cells, bottom: 0, cells, moving: 2, strength: 300 }]
    }

    fn settings(json: &str) -> Settings {
        Settings::parse(&watchbook_plugins_scenes::settings(include_str!("../plugin.toml"), json)).unwrap()
    }

    /// Start and end of each motion in milliseconds, when something moves in the frames at `moving` and frames come every 200 ms.
    fn run(settings: Settings, end_ms: u64, moving: impl Fn(u64) -> bool) -> Vec<(u64, u64)> {
        let mut episodes = Episodes::new(settings);
        let frames = (0..end_ms).step_by(200);
        frames
            .filter_map(|ms| episodes.step(START + ms * MS, if moving(ms) { place(5) } else { vec![] }))
            .map(|episode| ((episode.start_ns - START) / MS, (episode.end_ns - START) / MS))
            .collect()
    }

    #[test]
    fn one_motion_begins_and_ends_with_the_frames_that_move() {
        let moving = |ms| (1000..=3000).contains(&ms) || (4000..=5000).contains(&ms);
        assert_eq!(run(Settings::default(), 10_000, moving), [(1000, 5000)], "a second of stillness does not end it");
        let quick = settings(r#"{"quiet_ms": 500}"#);
        assert_eq!(run(quick, 10_000, moving), [(1000, 3000), (4000, 5000)]);
    }

    #[test]
    fn what_is_too_short_is_not_given() {
        let moving = |ms| (1000..=1600).contains(&ms);
        assert_eq!(run(settings(r#"{"minimum_duration_ms": 601}"#), 9000, moving), []);
        assert_eq!(run(settings(r#"{"minimum_duration_ms": 600}"#), 9000, moving), [(1000, 1600)]);
        assert_eq!(run(settings(r#"{"minimum_duration_ms": 0}"#), 9000, |ms| ms == 1000), [(1000, 1000)]);
    }

    #[test]
    fn none_begins_during_the_pause() {
        let moving = |ms| ms % 5000 <= 1000;
        let all = run(Settings::default(), 30_000, moving);
        assert_eq!(all.len(), 6);
        let some = run(settings(r#"{"cooldown_ms": 10000}"#), 30_000, moving);
        assert_eq!(some, [(0, 1000), (15_000, 16_000)], "11 s is in the middle of stillness");
    }

    #[test]
    fn a_long_motion_is_given_in_parts() {
        let parts = run(settings(r#"{"cooldown_ms": 600000}"#), 200_000, |ms| ms <= 75_000);
        assert_eq!(parts, [(0, 30_000), (30_000, 60_000), (60_000, 75_000)], "the pause is not between parts");
        assert_eq!(run(Settings::default(), 40_000, |ms| ms <= 30_000), [(0, 30_000)], "no empty last part");
        let later = |from: u64| run(Settings::default(), 100_000, move |ms| (from..=95_000).contains(&ms));
        assert_eq!(later(15_000), [(15_000, 30_000), (30_000, 60_000), (60_000, 90_000), (90_000, 95_000)]);
        assert_eq!(later(15_200), [(15_200, 60_000), (60_000, 90_000), (90_000, 95_000)], "no short first part");
    }

    #[test]
    fn frames_far_apart_are_one_motion_while_each_moves() {
        let mut episodes = Episodes::new(Settings::default());
        let mut step =
            |secs: u64, cells| episodes.step(START + secs * 1000 * MS, if cells > 0 { place(cells) } else { vec![] });
        assert_eq!((step(0, 5), step(8, 9), step(16, 6)), (None, None, None));
        let episode = step(24, 0).unwrap();
        assert_eq!((episode.start_ns, episode.end_ns), (START, START + 16_000 * MS));
        assert_eq!(episode.places, place(9), "the frame in which most moved");
    }

    #[test]
    fn a_cut_gives_what_still_lies_before_it() {
        let mut episodes = Episodes::new(Settings::default());
        let mut started = |until_ms: u64| {
            for ms in (0..=until_ms).step_by(200) {
                assert_eq!(episodes.step(START + ms * MS, place(5)), None);
            }
            episodes.clone()
        };
        let open = started(5000);
        let kept = open.clone().cut(START + 4000 * MS).unwrap();
        assert_eq!((kept.start_ns, kept.end_ns), (START, START + 4000 * MS));
        assert_eq!(open.clone().cut(START - 1), None, "it began after the frame at hand");
        assert!(open.clone().cut(START + AGE_MS_MAX * MS).is_some());
        assert_eq!(open.clone().cut(START + AGE_MS_MAX * MS + 1), None);
    }

    proptest! {
        #[test]
        fn whatever_moves_motions_keep_their_bounds(moves in proptest::collection::vec((any::<bool>(), 1..9000_u64), 1..300), cooldown_ms in 0..20_000_u32) {
            let mut episodes = Episodes::new(Settings { cooldown_ms, ..Settings::default() });
            let (mut now, mut last_end) = (START, 0);
            for (moves, ms) in moves {
                now += ms * MS;
                if let Some(episode) = episodes.step(now, if moves { place(4) } else { vec![] }) {
                    prop_assert!(last_end <= episode.start_ns && episode.start_ns <= episode.end_ns && episode.end_ns <= now);
                    prop_assert!(now - episode.start_ns <= AGE_MS_MAX * MS);
                    prop_assert!(!episode.places.is_empty());
                    last_end = episode.end_ns;
                }
            }
        }
    }
}
