//! From blobs to tracks: the same thing from frame to frame, while it is in the picture.
//!
//! A thing that is alone is where its blob is. Things whose blobs have become one are found by what they looked like before, or go on as fast as they went.
//! A blob that falls apart across its way is two things side by side; along its way it is one thing with a part that looks like the road.

use crate::blobs::{Blob, Finder, Frame, Smallest};
use crate::ground::Ground;
use crate::template::Template;

/// Tracks at one time, at most; what comes on top is not followed.
pub const TRACKS_MAX: usize = 64;
const NS_PER_S: f32 = 1e9;
/// A track that was not seen for so long is over, in milliseconds.
const LOST_MS: u64 = 1_000;
/// So long may a thing in a group not be found before it is given up, in milliseconds.
const HIDDEN_MS: u64 = 2_000;
/// The same for one that was seen in one or two frames.
const NEW_LOST_MS: u64 = 300;
/// A group that has less than this share of its things' cells is too small for all of them.
const CROWDED: f32 = 0.65;
/// Of a thing that moves, at least this share of its cells changes from frame to frame.
const LIVELY_SHARE: f32 = 0.04;
/// Two parts side by side for so many frames are two things.
const APART_FRAMES: u32 = 3;
/// A track so young that rejoins another was a part of it.
const YOUNG_FRAMES: u32 = 8;
/// The share of a blob, or of a track's box, from which on they belong together.
const SHARE: f32 = 0.2;

/// One thing that moves or moved.
#[derive(Clone, Debug)]
pub struct Track {
    /// Counts tracks from 1; tells them apart while they last.
    pub number: u64,
    /// The track that it split off from.
    pub parent: Option<u64>,
    /// Middle in cells.
    pub place: (f32, f32),
    /// Cells a second.
    pub speed: (f32, f32),
    /// Width and height in cells.
    pub size: (f32, f32),
    /// Where it was first seen.
    pub from: (f32, f32),
    /// UTC in nanoseconds.
    pub born_ns: u64,
    /// UTC in nanoseconds of the last frame in which it was found.
    pub seen_ns: u64,
    /// In how many frames it was found.
    pub frames: u32,
    /// It shares a blob with others.
    pub grouped: bool,
    /// UTC in nanoseconds of the last frame in which something in it stirred; the hole that a thing leaves never does.
    pub stirred_ns: u64,
    cells: f32,
    apart: u32,
    template: Template,
    /// UTC in nanoseconds of the last frame in which it was alone or its looks were found.
    known_ns: u64,
    /// The group is too small for it since then.
    doubt_ns: Option<u64>,
}

impl Track {
    /// Its box.
    #[must_use]
    pub fn frame(&self) -> Frame {
        Frame::around(self.place, self.size)
    }

    fn of(blob: &Blob, number: u64, now_ns: u64) -> Self {
        Self {
            number,
            parent: None,
            place: blob.middle,
            speed: (0.0, 0.0),
            size: blob.frame.size(),
            from: blob.middle,
            born_ns: now_ns,
            seen_ns: now_ns,
            frames: 1,
            grouped: false,
            stirred_ns: if lively(blob) { now_ns } else { 0 },
            cells: blob.cells as f32,
            apart: 0,
            template: Template::default(),
            known_ns: now_ns,
            doubt_ns: None,
        }
    }

    fn ahead(&self, now_ns: u64) -> (f32, f32) {
        let since_s = now_ns.saturating_sub(self.seen_ns) as f32 / NS_PER_S;
        (self.place.0 + self.speed.0 * since_s, self.place.1 + self.speed.1 * since_s)
    }

    fn moved(&mut self, place: (f32, f32), now_ns: u64) {
        let since_s = now_ns.saturating_sub(self.seen_ns) as f32 / NS_PER_S;
        if since_s > 0.0 {
            // The first step is all that is known; later ones are smoothed.
            let share = if self.frames == 1 { 1.0 } else { 0.4 };
            let toward = |kept: f32, from: f32, to: f32| kept + ((to - from) / since_s - kept) * share;
            self.speed = (toward(self.speed.0, self.place.0, place.0), toward(self.speed.1, self.place.1, place.1));
        }
        (self.place, self.seen_ns, self.frames) = (place, now_ns, self.frames.saturating_add(1));
    }
}

/// Every track of one camera.
#[derive(Clone, Debug, Default)]
pub struct Tracks {
    tracks: Vec<Track>,
    finder: Finder,
    numbers: u64,
    /// For each track its main blob, and how many cells of each blob lie in its box.
    mains: Vec<Option<usize>>,
    shares: Vec<Vec<usize>>,
}

impl Tracks {
    /// Those of the last frame, oldest first; what is lost for a while is among them.
    #[must_use]
    pub fn all(&self) -> &[Track] {
        &self.tracks
    }

    /// Forgets everything: the scene was begun afresh.
    pub fn clear(&mut self) {
        self.tracks.clear();
    }

    /// Follows everything into the next frame, which `ground` has looked at.
    pub fn step(&mut self, ground: &Ground, smallest: Smallest, now_ns: u64) {
        let (columns, _) = ground.grid();
        self.finder.find((ground.out(), ground.stirs()), columns, smallest);
        self.claim(columns, now_ns);
        let blobs = self.finder.blobs().to_vec();
        for (number, blob) in blobs.iter().enumerate() {
            let owners: Vec<usize> = (0..self.tracks.len()).filter(|at| self.mains[*at] == Some(number)).collect();
            match owners[..] {
                [] => {}
                [only] => self.alone(only, (number, blob), ground, now_ns),
                _ => self.group(&owners, blob, ground, now_ns),
            }
        }
        self.parts(&blobs, smallest, now_ns);
        self.drop_lost(now_ns);
    }

    /// Decides which blob each track goes on with.
    fn claim(&mut self, columns: usize, now_ns: u64) {
        let (labels, blobs) = (self.finder.labels(), self.finder.blobs());
        (self.mains, self.shares) = (Vec::new(), Vec::new());
        for track in &self.tracks {
            let expected = Frame::around(track.ahead(now_ns), track.size);
            let mut cells = vec![0; blobs.len()];
            count(labels, columns, &expected, &mut cells);
            // What stands still beside what moves is the hole that it left.
            let weight = |at: usize| cells[at] * if lively(&blobs[at]) { 4 } else { 1 };
            let best = (0..blobs.len()).max_by_key(|at| (weight(*at), core::cmp::Reverse(*at)));
            let enough = |at: &usize| cells[*at] as f32 >= SHARE * track.cells.min(blobs[*at].cells as f32);
            self.mains.push(best.filter(enough));
            self.shares.push(cells);
        }
        // What is new may be fast: the nearest blob that nobody has.
        for at in 0..self.tracks.len() {
            if self.mains[at].is_none() && self.tracks[at].frames <= 2 {
                let track = &self.tracks[at];
                let reach = track.size.0.max(track.size.1) + 4.0;
                let far = |blob: &Blob| distance(blob.middle, track.place);
                let free = (0..blobs.len()).filter(|blob| !self.mains.contains(&Some(*blob)));
                let like = free.filter(|number| {
                    let blob = &blobs[*number];
                    let ratio = blob.cells as f32 / track.cells;
                    far(blob) <= reach && (0.4..2.5).contains(&ratio)
                });
                self.mains[at] = like.min_by(|a, b| far(&blobs[*a]).total_cmp(&far(&blobs[*b])));
            }
        }
    }

    fn alone(&mut self, at: usize, (number, blob): (usize, &Blob), ground: &Ground, now_ns: u64) {
        let (columns, _) = ground.grid();
        let track = &mut self.tracks[at];
        (track.grouped, track.doubt_ns, track.known_ns) = (false, None, now_ns);
        track.moved(blob.middle, now_ns);
        if lively(blob) {
            track.stirred_ns = now_ns;
        }
        let (w, h) = blob.frame.size();
        let share = if track.frames <= 4 { 1.0 } else { 0.4 };
        track.size = (track.size.0 + (w - track.size.0) * share, track.size.1 + (h - track.size.1) * share);
        track.cells += (blob.cells as f32 - track.cells) * share;
        let around = Frame::around(blob.middle, (w, h));
        track.template.take(&around, (ground.plain(), self.finder.labels()), number as u16 + 1, columns);
    }

    /// Several tracks in one blob: the young that only rejoin are parts, the others are looked for.
    fn group(&mut self, owners: &[usize], blob: &Blob, ground: &Ground, now_ns: u64) {
        let (columns, rows) = ground.grid();
        let eldest = owners.iter().copied().max_by_key(|at| (self.tracks[*at].frames, core::cmp::Reverse(*at)));
        let whole: f32 = owners.iter().map(|at| self.tracks[*at].cells).sum();
        let crowded = (blob.cells as f32) < CROWDED * whole;
        // The group is smaller than its things: one of them is hidden or has gone. That which was not found for longest is given up first, or the youngest.
        let least = owners.iter().copied().min_by_key(|at| (self.tracks[*at].known_ns, core::cmp::Reverse(*at)));
        for at in owners.iter().copied() {
            let track = &mut self.tracks[at];
            if track.frames < YOUNG_FRAMES && Some(at) != eldest {
                // Not seen, and with nothing to wait for: it ends at once.
                (track.seen_ns, track.frames) = (0, 0);
                continue;
            }
            track.grouped = true;
            if lively(blob) {
                track.stirred_ns = now_ns;
            }
            let expected = track.ahead(now_ns);
            let inside = |(x, y): (f32, f32)| {
                (x.clamp(blob.frame.left, blob.frame.right), y.clamp(blob.frame.top, blob.frame.bottom))
            };
            let found = track.template.find(expected, ground.plain(), columns);
            if found.is_some() {
                track.known_ns = now_ns;
            }
            let (across, down) = expected;
            if !(0.0..columns as f32).contains(&across) || !(0.0..rows as f32).contains(&down) {
                // It went out of the picture behind the others.
                (track.seen_ns, track.frames) = (0, 0);
                continue;
            }
            track.doubt_ns = if crowded && least == Some(at) { track.doubt_ns.or(Some(now_ns)) } else { None };
            let place = found.unwrap_or(expected);
            // Half of the way that is whole cells, half of what was expected, so that a slow thing is not held at one cell.
            let place = ((place.0 + expected.0) / 2.0, (place.1 + expected.1) / 2.0);
            track.moved(inside(place), now_ns);
        }
    }

    /// Blobs that no track goes on with: parts of one, things that split off, or new ones.
    fn parts(&mut self, blobs: &[Blob], smallest: Smallest, now_ns: u64) {
        for (number, blob) in blobs.iter().enumerate() {
            if self.mains.contains(&Some(number)) {
                continue;
            }
            let holder = (0..self.mains.len())
                .filter(|at| self.mains[*at].is_some())
                .find(|at| self.shares[*at][number] as f32 >= 0.5 * blob.cells as f32);
            let parent = match holder {
                Some(at) if !self.splits(at, blob, blobs, smallest) => continue,
                Some(at) => Some(at),
                None => None,
            };
            if self.tracks.len() < TRACKS_MAX {
                self.numbers += 1;
                let mut track = Track::of(blob, self.numbers, now_ns);
                if let Some(parent) = parent.map(|at| &self.tracks[at]) {
                    (track.parent, track.from, track.speed) = (Some(parent.number), parent.from, parent.speed);
                    (track.born_ns, track.frames) = (parent.born_ns, parent.frames.min(YOUNG_FRAMES - 1));
                }
                self.tracks.push(track);
            }
        }
    }

    /// Whether `part` is a thing of its own beside what the track `at` goes on with.
    fn splits(&mut self, at: usize, part: &Blob, blobs: &[Blob], smallest: Smallest) -> bool {
        let Some(main) = self.mains[at].and_then(|main| blobs.get(main)) else { return true };
        let track = &mut self.tracks[at];
        let (w, h) = main.frame.with(&part.frame).size();
        let grown = w > 1.3 * track.size.0 + 2.0 || h > 1.3 * track.size.1 + 2.0;
        let (across, down) = main.frame.gaps(&part.frame);
        let (vx, vy) = (track.speed.0.abs(), track.speed.1.abs());
        let beside = if vx > vy { down >= 1.0 && across < 1.0 } else { across >= 1.0 && down < 1.0 };
        let large = part.cells as f32 >= 0.3 * main.cells as f32 && part.cells >= 2 * smallest.cells;
        track.apart = if beside && large { track.apart + 1 } else { 0 };
        grown || track.apart >= APART_FRAMES
    }

    fn drop_lost(&mut self, now_ns: u64) {
        self.tracks.retain(|track| {
            let since_ms = |then_ns: u64| now_ns.saturating_sub(then_ns) / 1_000_000;
            let lost_ms = if track.frames <= 2 { NEW_LOST_MS } else { LOST_MS };
            let doubted = track.doubt_ns.is_some_and(|then_ns| since_ms(then_ns) > HIDDEN_MS);
            track.frames > 0 && since_ms(track.seen_ns) <= lost_ms && since_ms(track.known_ns) <= HIDDEN_MS && !doubted
        });
    }
}

/// Whether enough of a blob changed against the frame before.
fn lively(blob: &Blob) -> bool {
    blob.stirring as f32 >= LIVELY_SHARE * blob.cells as f32
}

/// Counts the cells of each blob inside a box.
fn count(labels: &[u16], columns: usize, frame: &Frame, cells: &mut [usize]) {
    let rows = labels.len() / columns.max(1);
    let whole = |at: f32, end: usize| (at.max(0.0) as usize).min(end);
    for row in whole(frame.top, rows)..whole(frame.bottom + 0.99, rows) {
        for label in &labels[row * columns..][whole(frame.left, columns)..whole(frame.right + 0.99, columns)] {
            if let Some(cells) = usize::from(*label).checked_sub(1).and_then(|at| cells.get_mut(at)) {
                *cells += 1;
            }
        }
    }
}

fn distance(a: (f32, f32), b: (f32, f32)) -> f32 {
    ((a.0 - b.0) * (a.0 - b.0) + (a.1 - b.1) * (a.1 - b.1)).sqrt()
}
