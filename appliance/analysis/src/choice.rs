//! Which pictures of stored footage a plugin is given when an event is derived again. Pure.

use crate::Rate;
use watchbook_base::time::{NANOS_PER_MS, NANOS_PER_SEC};
use watchbook_base::{Lead, Ticks90k, UtcNanos};

/// How far the UTC of a stored picture may lie from the one that the plugin was told when it is the same by its media time: the mapping of a recording is slewed
/// while a camera settles.
const SLEW_NS: i64 = 2 * NANOS_PER_SEC;
/// The same where no media time is known: half of the distance of pictures at 25 a second.
const NEAR_NS: i64 = 20 * NANOS_PER_MS;

/// A picture that can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// UTC of presentation.
    pub utc: UtcNanos,
    /// Media time of presentation in its recording.
    pub media: Option<Ticks90k>,
}

/// A picture that the plugin is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// Its place among the stored ones.
    pub place: usize,
    /// The time that the plugin is told: the one that it was told then, where that is known.
    pub utc: UtcNanos,
    /// How many frames it is told were dropped before it.
    pub skipped: u32,
}

/// Pictures for one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// In order.
    pub frames: Vec<Given>,
    /// So many of them, the last ones, are frames that the plugin is known to have seen.
    pub known: usize,
    /// So many that the plugin had seen are not there.
    pub lost: usize,
    /// The run begins where the plugin began.
    pub fresh: bool,
}

/// Chooses among `stored`, in order of time. Frames of `lead` are taken one by one, up to the last, which the event was given for. What comes before
/// them from `from` on, and all when there is no lead, is chosen by the rate, as for a camera.
#[must_use]
pub fn choose(stored: &[Stored], fps_max: f32, from: UtcNanos, lead: Option<&Lead>) -> Choice {
    let found = lead.filter(|lead| !lead.times_ns.is_empty()).map(|lead| (lead, led(stored, from, lead)));
    let Some((lead, (known, lost, whole))) = found.filter(|(_, (known, ..))| !known.is_empty()) else {
        let frames = by_rate(stored, fps_max, from, i64::MAX);
        return Choice { frames, lost: lead.map_or(0, |lead| lead.times_ns.len()), ..Choice::default() };
    };
    let fresh = lead.fresh && whole;
    let mut frames = Vec::new();
    if !fresh {
        let first = stored[known[0].place].utc.0;
        let interval = (NANOS_PER_SEC as f64 / f64::from(fps_max)) as i64;
        frames = by_rate(stored, fps_max, from, first.saturating_sub(interval / 2));
    }
    let count = known.len();
    frames.extend(known);
    Choice { frames, known: count, lost, fresh }
}

/// The pictures of the lead's frames from `from` on, how many of these are not there, and whether its first frame is among them.
fn led(stored: &[Stored], from: UtcNanos, lead: &Lead) -> (Vec<Given>, usize, bool) {
    let (mut given, mut lost, mut whole) = (Vec::<Given>::new(), 0, false);
    for (index, time) in lead.times_ns.iter().enumerate() {
        let utc = UtcNanos(*time);
        if utc < from {
            continue;
        }
        let media = lead.media_ticks.get(index).map(|ticks| Ticks90k(*ticks));
        let after = given.last().map_or(0, |last| last.place + 1);
        match find(&stored[after.min(stored.len())..], utc, media) {
            Some(place) => {
                whole |= index == 0;
                given.push(Given { place: after + place, utc, skipped: lead.skipped(index) });
            }
            None => lost += 1,
        }
    }
    (given, lost, whole)
}

fn find(stored: &[Stored], utc: UtcNanos, media: Option<Ticks90k>) -> Option<usize> {
    let apart = |picture: &Stored| picture.utc.nanos_since(utc).saturating_abs();
    let same = |picture: &Stored| match (media, picture.media) {
        (Some(wanted), Some(own)) => own == wanted && apart(picture) <= SLEW_NS,
        _ => apart(picture) <= NEAR_NS,
    };
    let begin = stored.partition_point(|picture| picture.utc < utc.plus_nanos(-SLEW_NS));
    let near = stored[begin..].iter().enumerate().take_while(|(_, picture)| picture.utc.nanos_since(utc) <= SLEW_NS);
    near.filter(|(_, picture)| same(picture)).min_by_key(|(_, picture)| apart(picture)).map(|(place, _)| begin + place)
}

fn by_rate(stored: &[Stored], fps_max: f32, from: UtcNanos, before_ns: i64) -> Vec<Given> {
    let mut rate = Rate::new(fps_max);
    let within = stored.iter().enumerate().filter(|(_, picture)| from <= picture.utc && picture.utc.0 < before_ns);
    let wanted = within.filter(|(_, picture)| rate.wants(picture.utc.0));
    wanted.map(|(place, picture)| Given { place, utc: picture.utc, skipped: 0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 25 pictures a second from second 100 on, whose UTC lies `off_ms` from what was told live.
    fn footage(seconds: i64, off_ms: i64) -> Vec<Stored> {
        let picture = |n: i64| Stored {
            utc: UtcNanos(100 * NANOS_PER_SEC + n * 40 * NANOS_PER_MS + off_ms * NANOS_PER_MS),
            media: Some(Ticks90k(n * 3_600)),
        };
        (0..25 * seconds).map(picture).collect()
    }

    fn lead(places: impl Iterator<Item = i64>, fresh: bool) -> Lead {
        let mut lead = Lead::begin(fresh);
        for n in places {
            lead.push(UtcNanos(100 * NANOS_PER_SEC + n * 40 * NANOS_PER_MS), 0);
            lead.media_ticks.push_back(n * 3_600);
        }
        lead
    }

    fn places(choice: &Choice) -> Vec<usize> {
        choice.frames.iter().map(|given| given.place).collect()
    }

    #[test]
    fn the_very_frames_are_found_although_their_utc_was_slewed_by_several_pictures() {
        let told = lead((3..).step_by(5).take(20), true);
        for off_ms in [-130, -20, 0, 70, 500] {
            let choice = choose(&footage(10, off_ms), 5.0, UtcNanos(0), Some(&told));
            assert_eq!(places(&choice), (3..).step_by(5).take(20).collect::<Vec<usize>>(), "{off_ms}");
            assert_eq!((choice.known, choice.lost, choice.fresh), (20, 0, true));
            assert_eq!(choice.frames[1].utc, UtcNanos(100 * NANOS_PER_SEC + 320 * NANOS_PER_MS), "as it was told");
        }
    }

    #[test]
    fn before_the_known_frames_the_rate_chooses_unless_the_plugin_began_there() {
        let told = lead((152..).step_by(5).take(10), false);
        let choice = choose(&footage(10, 0), 5.0, UtcNanos(102 * NANOS_PER_SEC), Some(&told));
        let expected: Vec<usize> = (50..150).step_by(5).chain((152..).step_by(5).take(10)).collect();
        // The rate would take 150 too, which lies nearer to 152 than half an interval of 5 pictures.
        assert_eq!(places(&choice), expected);
        assert_eq!((choice.known, choice.lost, choice.fresh), (10, 0, false));
        let fresh = choose(&footage(10, 0), 5.0, UtcNanos(102 * NANOS_PER_SEC), Some(&Lead { fresh: true, ..told }));
        assert_eq!((fresh.frames.len(), fresh.fresh), (10, true));
        let late =
            choose(&footage(10, 0), 5.0, UtcNanos(107 * NANOS_PER_SEC), Some(&lead((150..).step_by(5).take(10), true)));
        assert!(!late.fresh, "it began before the first frame that is given");
    }

    #[test]
    fn frames_that_are_gone_are_counted_and_none_is_given_twice() {
        let mut stored = footage(10, 0);
        stored.drain(20..60);
        let choice = choose(&stored, 5.0, UtcNanos(0), Some(&lead((0..).step_by(5).take(20), true)));
        assert_eq!((choice.known, choice.lost), (12, 8));
        assert!(places(&choice).is_sorted_by(|one, next| one < next));
        let gone = choose(&stored[..20], 5.0, UtcNanos(0), Some(&lead((100..).step_by(5).take(20), true)));
        assert_eq!((gone.known, gone.lost, gone.frames.len()), (0, 20, 4), "the rate chooses when no frame is known");
    }

    #[test]
    fn without_media_times_the_nearest_picture_is_taken() {
        let stored: Vec<Stored> = footage(4, 9).into_iter().map(|picture| Stored { media: None, ..picture }).collect();
        let choice = choose(&stored, 5.0, UtcNanos(0), Some(&lead((2..).step_by(5).take(5), true)));
        assert_eq!(places(&choice), [2, 7, 12, 17, 22]);
        let none = choose(&stored, 5.0, UtcNanos(0), None);
        assert_eq!(places(&none), (0..100).step_by(5).collect::<Vec<usize>>());
    }
}
