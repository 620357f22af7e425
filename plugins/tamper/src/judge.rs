//! From how a view differs to what happened to the camera.

use crate::view::Likeness;

/// Edges are gone when less than this is left of them.
const GONE: f32 = 0.15;
/// The coarse pattern is gone below, and there above.
const COARSE_GONE: f32 = 0.5;
const COARSE_THERE: f32 = 0.6;
/// What is seen through a cloth or through paint has less than this of the usual contrast.
const FAINT: f32 = 0.3;
/// Edges are elsewhere below, and where they were above.
const ELSEWHERE: f32 = 0.3;
const IN_PLACE: f32 = 0.5;
/// A picture that shows something has at least this much of the usual edges.
pub const SHOWS: f32 = 0.3;
/// A darker picture than this, in mean and in reach, tells nothing.
const DARK: f32 = 16.0;
const DARK_REACH: f32 = 24.0;

/// What a single picture looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// As usual.
    Good,
    /// Like none of the others, or like a picture that is dark.
    Unclear,
    /// Nothing of the scene is left.
    Covered,
    /// It shows something else.
    Moved,
    /// Its details are gone and its large shapes are not.
    Defocused,
}

/// Judges one picture by its likeness to the usual view, and its brightness as [`crate::view::View::brightness`] gives it.
#[must_use]
pub fn judge(likeness: Likeness, (mean, reach): (f32, f32), (sensitivity, dark_is_covered): (u32, bool)) -> Looks {
    // From 0.25 to 0.65 of the usual detail.
    let blurred = 0.25 + 0.4 * sensitivity as f32 / 100.0;
    let Likeness { sharp, edges, coarse, contrast, .. } = likeness;
    if mean < DARK && reach < DARK_REACH {
        return if dark_is_covered { Looks::Covered } else { Looks::Unclear };
    }
    if sharp < GONE && (coarse < COARSE_GONE || contrast < FAINT) {
        Looks::Covered
    } else if sharp < blurred && coarse >= COARSE_THERE {
        Looks::Defocused
    } else if sharp >= SHOWS && edges < ELSEWHERE {
        Looks::Moved
    } else if edges >= IN_PLACE {
        Looks::Good
    } else {
        Looks::Unclear
    }
}

/// Waits until a look has lasted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    /// What it has looked like lately, since when, and when last.
    now: Option<(Looks, u64, u64)>,
    /// What was told last; none after it was good again.
    told: Option<Looks>,
}

/// A look that comes between for so long ends nothing, in nanoseconds.
const BETWEEN_NS: u64 = 2_000_000_000;
/// So long must it be good before anything is told again, in nanoseconds.
const GOOD_NS: u64 = 5_000_000_000;

impl Patience {
    /// The next look. Gives one that has lasted for `hold_ns` and since when, once until it was good again.
    pub fn step(&mut self, looks: Looks, hold_ns: u64, now_ns: u64) -> Option<(Looks, u64)> {
        let (current, since_ns) = match self.now {
            Some((current, since_ns, _)) if current == looks => {
                self.now = Some((current, since_ns, now_ns));
                (current, since_ns)
            }
            Some((_, _, last_ns)) if now_ns.saturating_sub(last_ns) <= BETWEEN_NS => return None,
            _ => {
                self.now = Some((looks, now_ns, now_ns));
                (looks, now_ns)
            }
        };
        let lasted_ns = now_ns.saturating_sub(since_ns);
        match current {
            Looks::Good if lasted_ns >= GOOD_NS => self.told = None,
            Looks::Good | Looks::Unclear => {}
            _ if lasted_ns >= hold_ns && self.told != Some(current) => {
                self.told = Some(current);
                return Some((current, since_ns));
            }
            _ => {}
        }
        None
    }

    /// Begins afresh: the clock went back or frames are missing.
    pub fn clear(&mut self) {
        self.now = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn like(sharp: f32, edges: f32, coarse: f32) -> Likeness {
        Likeness { sharp, edges, coarse, contrast: 1.0, light: 1.0 }
    }

    #[test]
    fn each_look_has_its_signs() {
        let day = (100.0, 150.0);
        for (likeness, brightness, looks) in [
            (like(1.0, 0.9, 0.9), day, Looks::Good),
            (like(0.05, 0.1, 0.1), day, Looks::Covered),
            (Likeness { contrast: 0.2, ..like(0.05, 0.5, 0.9) }, day, Looks::Covered),
            (like(0.3, 0.6, 0.9), day, Looks::Defocused),
            (like(0.8, 0.1, 0.1), day, Looks::Moved),
            (like(0.2, 0.4, 0.2), day, Looks::Unclear),
            (like(0.0, 0.0, 0.0), (5.0, 3.0), Looks::Unclear),
        ] {
            assert_eq!(judge(likeness, brightness, (50, false)), looks, "{likeness:?}");
        }
        assert_eq!(judge(like(0.0, 0.0, 0.0), (5.0, 3.0), (50, true)), Looks::Covered);
    }

    #[test]
    fn a_look_is_told_when_it_has_lasted_and_again_only_after_a_good_one() {
        let mut patience = Patience::default();
        let mut told = Vec::new();
        let looks = |second: u64| match second {
            0..10 | 15..17 | 60..80 => Looks::Good,
            10..60 | 80.. => Looks::Covered,
        };
        for second in 0..100 {
            told.extend(
                patience.step(looks(second), 10 * S, second * S).map(|(looks, since_ns)| (looks, since_ns / S, second)),
            );
        }
        // It counts as covered from the 12th second on: two seconds of another look end nothing.
        assert_eq!(told, [(Looks::Covered, 12, 22), (Looks::Covered, 82, 92)]);
    }
}
