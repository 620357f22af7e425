//! Holds (P4) as the judge of real crashes has them: what a life said of them is held against what the next one lists and reads.
//!
//! | line | meaning |
//! |---|---|
//! | `hold ID STATE CAMERA TAKE FIRST LAST VAULT` | before recording: a hold that is listed. Unless it is released, all its pictures were read; so many are the vault's alone |
//! | `releasing ID` | before recording: this one may be released in this life |
//! | `placed ID CAMERA TAKE FIRST LAST` | a hold over these pictures is durable |
//! | `held ID` | the vault says that it has all of it |
//! | `released ID` | and that it is given up |
//! | `bad-hold WHY` | a promise about holds is broken |
//! | `refused WHY` | something of this was not done, which breaks no promise |

use core::fmt;
use std::collections::BTreeMap;
use watchbook_store::HoldState;

/// What is held: pictures of one take of a camera, which were acknowledged before the hold was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Number of the camera.
    pub camera: u32,
    /// Which of its takes.
    pub take: u32,
    /// First picture.
    pub first: u32,
    /// Last one.
    pub last: u32,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.camera, self.take, self.first, self.last)
    }
}

impl Part {
    /// From the words of its text.
    #[must_use]
    pub fn of<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut next = || words.next()?.parse().ok();
        Some(Self { camera: next()?, take: next()?, first: next()?, last: next()? })
    }
}

/// The word for a state.
#[must_use]
pub fn word(state: HoldState) -> &'static str {
    match state {
        HoldState::Copying => "copying",
        HoldState::Held => "held",
        HoldState::Incomplete => "incomplete",
        HoldState::Released => "released",
    }
}

fn state(word: &str) -> Option<HoldState> {
    [HoldState::Copying, HoldState::Held, HoldState::Incomplete, HoldState::Released]
        .into_iter()
        .find(|state| self::word(*state) == word)
}

/// A hold as a life finds it before it records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    state: HoldState,
    part: Part,
    /// Pictures that the ring no longer has.
    vault_only: u64,
}

/// What a life has said of holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    listed: BTreeMap<u64, Listed>,
    placed: BTreeMap<u64, Part>,
    held: Vec<u64>,
    releasing: Vec<u64>,
    released: Vec<u64>,
    refused: Vec<String>,
    bad: Vec<String>,
}

impl Heard {
    /// Takes in a line: its first word, and the others.
    pub fn hear(&mut self, first: &str, rest: &str) {
        match first {
            "refused" => return self.refused.push(rest.to_owned()),
            "bad-hold" => return self.bad.push(rest.to_owned()),
            _ => {}
        }
        let mut words = rest.split(' ');
        let Some(id) = words.next().and_then(|id| id.parse().ok()) else { return };
        match first {
            "hold" => {
                let listed = words.next().and_then(state).zip(Part::of(words.by_ref()));
                let vault_only = words.next().and_then(|count| count.parse().ok());
                if let Some(((state, part), vault_only)) = listed.zip(vault_only) {
                    self.listed.insert(id, Listed { state, part, vault_only });
                }
            }
            "placed" => drop(Part::of(words).map(|part| self.placed.insert(id, part))),
            "held" => self.held.push(id),
            "releasing" => self.releasing.push(id),
            "released" => self.released.push(id),
            _ => {}
        }
    }
}

/// What is known of a hold.
#[derive(Clone, Copy, Debug)]
struct Known {
    part: Part,
    held: bool,
    releasing: bool,
    released: bool,
}

/// What was said of every hold so far.
#[derive(Clone, Debug, Default)]
pub struct Ledger(BTreeMap<u64, Known>);

/// What holds came to in many rounds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// Placed.
    pub placed: u64,
    /// Released.
    pub released: u64,
    /// Times that all pictures of a held one were read after a crash.
    pub verified: u64,
    /// Pictures of these that only the vault had.
    pub vault_only: u64,
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { placed, released, verified, vault_only } = self;
        write!(f, "{placed} holds placed, {released} released, held ones read back {verified} times")?;
        write!(f, " with {vault_only} pictures that only the vault had")
    }
}

impl Ledger {
    /// What of the promises is broken in what the next life has `heard`; counts the others into `sum`. At the end of all rounds nothing is still being copied.
    pub fn compare(&self, heard: &Heard, is_end: bool, sum: &mut Sum) -> Vec<String> {
        let mut broken = heard.bad.clone();
        for (id, known) in &self.0 {
            let Some(listed) = heard.listed.get(id) else {
                broken.push(format!("hold {id} was placed, and is not listed: {known:?}"));
                continue;
            };
            let is_released = listed.state == HoldState::Released;
            if listed.part != known.part {
                broken.push(format!("hold {id} is another one: {known:?}, {listed:?}"));
            } else if known.released && !is_released {
                broken.push(format!("hold {id} was released, and is {}", word(listed.state)));
            } else if is_released && !known.releasing {
                broken.push(format!("hold {id} is released, and nobody did that"));
            } else if listed.state == HoldState::Held {
                sum.verified += 1;
                sum.vault_only += listed.vault_only;
            } else if known.held && !is_released {
                broken.push(format!("hold {id} was held, and is {}", word(listed.state)));
            }
        }
        for (id, listed) in &heard.listed {
            match listed.state {
                HoldState::Incomplete => broken.push(format!("hold {id} has lost some of {:?}", listed.part)),
                HoldState::Copying if is_end => broken.push(format!("hold {id} does not come to its end: {listed:?}")),
                _ => {}
            }
        }
        broken
    }

    /// What `heard` says is a promise from here on: what was listed, too.
    pub fn learn(&mut self, heard: &Heard, sum: &mut Sum) -> Vec<String> {
        let mut broken = Vec::new();
        for (id, part) in heard.listed.iter().map(|(id, listed)| (id, listed.part)) {
            // Placed when the crash came, and not told any more.
            self.0.entry(*id).or_insert(Known { part, held: false, releasing: false, released: false });
        }
        for (id, part) in &heard.placed {
            sum.placed += 1;
            let known = Known { part: *part, held: false, releasing: false, released: false };
            if let Some(other) = self.0.insert(*id, known) {
                broken.push(format!("number {id} is given to {part:?}, and was that of {other:?}"));
            }
        }
        let listed = |state| heard.listed.iter().filter(move |(_, listed)| listed.state == state).map(|(id, _)| id);
        for id in heard.held.iter().chain(listed(HoldState::Held)) {
            self.0.entry(*id).and_modify(|known| known.held = true);
        }
        for id in heard.releasing.iter().chain(listed(HoldState::Released)) {
            self.0.entry(*id).and_modify(|known| known.releasing = true);
        }
        for id in heard.released.iter().chain(listed(HoldState::Released)) {
            let known = self.0.get_mut(id).filter(|known| !known.released);
            sum.released += u64::from(known.map(|known| known.released = true).is_some());
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> Heard {
        let mut heard = Heard::default();
        for line in lines {
            let (first, rest) = line.split_once(' ').unwrap();
            heard.hear(first, rest);
        }
        heard
    }

    /// What is broken when the next life says `lines`, after one that placed holds 1, held, 2, being copied, 3, released, and 4, to be released.
    fn broken(lines: &[&str], is_end: bool) -> Vec<String> {
        let before = ["placed 1 1 5 0 9", "placed 2 2 5 3 9", "placed 3 1 4 0 1", "placed 4 1 4 0 1"];
        let rest = ["held 1", "releasing 3", "released 3", "releasing 4"];
        let (mut ledger, mut sum) = (Ledger::default(), Sum::default());
        assert!(ledger.learn(&heard(&[before.as_slice(), &rest].concat()), &mut sum).is_empty());
        let broken = ledger.compare(&heard(lines), is_end, &mut sum);
        assert_eq!((sum.placed, sum.released), (4, 1));
        assert_eq!(
            (sum.verified, sum.vault_only),
            if broken.is_empty() { (1, 7) } else { (sum.verified, sum.vault_only) }
        );
        broken
    }

    const GOOD: [&str; 4] =
        ["hold 1 held 1 5 0 9 7", "hold 2 copying 2 5 3 9 0", "hold 3 released 1 4 0 1 0", "hold 4 released 1 4 0 1 0"];

    #[test]
    fn a_broken_promise_about_a_hold_is_noticed() {
        assert_eq!(broken(&GOOD, false), [""; 0]);
        let cases = [
            (0, "hold 9 held 1 5 0 9 0", "hold 1 was placed, and is not listed"),
            (0, "hold 1 held 1 5 0 8 0", "hold 1 is another one"),
            (0, "hold 1 copying 1 5 0 9 0", "hold 1 was held, and is copying"),
            (0, "hold 1 released 1 5 0 9 0", "hold 1 is released, and nobody did that"),
            (1, "hold 2 incomplete 2 5 3 9 0", "hold 2 has lost some"),
            (2, "hold 3 held 1 4 0 1 0", "hold 3 was released, and is held"),
        ];
        for (at, line, why) in cases {
            let mut lines = GOOD;
            lines[at] = line;
            let broken = broken(&lines, false);
            assert!(broken.len() == 1 && broken[0].starts_with(why), "{line}: {broken:?}");
        }
        assert!(broken(&GOOD, true)[0].starts_with("hold 2 does not come to its end"));
    }

    #[test]
    fn a_hold_that_was_placed_as_the_crash_came_is_known_from_then_on() {
        let (mut ledger, mut sum) = (Ledger::default(), Sum::default());
        ledger.learn(&heard(&["hold 7 held 1 5 0 9 0", "refused 8 of them"]), &mut sum);
        assert_eq!(ledger.compare(&Heard::default(), false, &mut sum).len(), 1);
        assert_eq!(ledger.learn(&heard(&["placed 7 1 6 0 9"]), &mut sum).len(), 1, "its number is its own");
    }
}
