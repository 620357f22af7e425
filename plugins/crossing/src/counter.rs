//! From tracks to crossings.

use crate::gate::Gate;
use crate::settings::Settings;
use watchbook_plugin::{Analyzer, Detection, Fault, Frame, Mark, Setup, Zone};
use watchbook_plugin_common::blobs::Smallest;
use watchbook_plugin_common::ground::{Ground, Learning};
use watchbook_plugin_common::tracks::{Track, Tracks};
use watchbook_plugin_common::{Picture, zones};

/// What stands still for so long belongs to the scene, in milliseconds.
const ABSORB_MS: u64 = 20_000;
/// A thing counts when it was found in so many frames.
const FRAMES_MIN: u32 = 3;
/// A thing has crossed when its middle is this far beyond the line: cells, and share of its length across the line.
const BEYOND: f32 = 1.0;
const BEYOND_SHARE: f32 = 0.06;
/// It must have come so far, in cells and in shares of its length.
const WAY: f32 = 2.0;
const WAY_SHARE: f32 = 0.25;
/// A thing may pass so many cells beside the line's ends.
const SLACK: f32 = 2.0;
/// So long is a crossing remembered, to know a part of the same thing that crosses behind it, in milliseconds.
const PART_MS: u64 = 3_000;
/// What crosses has stirred within so many milliseconds.
const STIRS_MS: u64 = 400;
/// A part lies closer behind the rest than this share of its length.
const PART_SHARE: f32 = 0.3;

/// Counts what crosses the gates of one camera.
#[derive(Clone, Debug)]
pub struct Counter {
    settings: Settings,
    zones: Vec<Zone>,
    current: Option<Current>,
}

/// What is known of the camera at its present size.
#[derive(Clone, Debug)]
struct Current {
    ground: Ground,
    tracks: Tracks,
    gates: Vec<Gate>,
    /// Side of each track at each gate: its number, the gate, whether it is beyond.
    sides: Vec<(u64, usize, bool)>,
    /// Lately crossed: track, gate, whether beyond now, when.
    crossed: Vec<(u64, usize, bool, u64)>,
}

impl Analyzer for Counter {
    fn start(setup: Setup) -> Result<Self, Fault> {
        let Setup { zones, settings_json, .. } = setup;
        zones::check(&zones).map_err(Fault::Config)?;
        Ok(Self { settings: Settings::parse(&settings_json)?, zones, current: None })
    }

    fn on_frame(&mut self, frame: &Frame<'_>) -> Result<Vec<Mark>, Fault> {
        let luma = frame.luma();
        let picture = &Picture::of(&frame.info(), &luma);
        picture.check().map_err(Fault::Internal)?;
        let current = match self.current.as_mut().filter(|current| current.ground.fits(picture)) {
            Some(current) => current,
            None => {
                let ground = Ground::new(picture);
                let gates = Gate::all(&self.zones, ground.grid());
                let tracks = Tracks::default();
                self.current = Some(Current { ground, tracks, gates, sides: Vec::new(), crossed: Vec::new() });
                return Ok(Vec::new());
            }
        };
        // From 16 grey levels down to 4.
        let levels = 4.0 + 12.0 * (100 - self.settings.sensitivity) as f32 / 100.0;
        if !current.ground.look(picture, Learning { levels, absorb_ms: ABSORB_MS }) {
            current.tracks.clear();
            current.sides.clear();
            return Ok(Vec::new());
        }
        let smallest = Smallest::of(self.settings.smallest, current.ground.grid().1);
        current.tracks.step(&current.ground, smallest, picture.utc_ns);
        Ok(current.crossings(&self.settings, &self.zones, picture.utc_ns))
    }
}

impl Current {
    fn crossings(&mut self, settings: &Settings, zones: &[Zone], now_ns: u64) -> Vec<Mark> {
        let alive = |number: &u64| self.tracks.all().iter().any(|track| track.number == *number);
        self.sides.retain(|(number, _, _)| alive(number));
        self.crossed.retain(|crossed| now_ns.saturating_sub(crossed.3) <= PART_MS * 1_000_000);
        let mut marks = Vec::new();
        for number in 0..self.gates.len() {
            let gate = self.gates[number];
            for track in self.tracks.all().iter().filter(|track| track.seen_ns == now_ns && track.frames >= FRAMES_MIN)
            {
                let Some(beyond) = side(&gate, track) else { continue };
                let kept =
                    self.sides.iter_mut().find(|(track_number, at, _)| (*track_number, *at) == (track.number, number));
                let was = match kept {
                    Some((_, _, was)) => core::mem::replace(was, beyond),
                    None => {
                        self.sides.push((track.number, number, beyond));
                        // What split off or came fast was on the other side before it had a track of its own.
                        gate.place(track.from).1 > 0.0
                    }
                };
                let part = |crossed: &&(u64, usize, bool, u64)| {
                    (crossed.1, crossed.2) == (number, beyond) && same(&gate, track, crossed, self.tracks.all())
                };
                let small = !Smallest::takes(settings.smallest, self.ground.grid().1, track.size);
                // The hole that something leaves when it drives away has a place, but does not stir.
                let hole = now_ns.saturating_sub(track.stirred_ns) > STIRS_MS * 1_000_000;
                if was == beyond
                    || small
                    || hole
                    || !came(&gate, track)
                    || self.crossed.iter().any(|crossed| part(&crossed))
                {
                    continue;
                }
                self.crossed.push((track.number, number, beyond, now_ns));
                let zone = zones.get(number);
                marks.push(mark(settings, (&gate, zone), track, (beyond, self.ground.grid()), now_ns));
            }
        }
        marks
    }
}

/// Whether a track is clearly beyond the line or clearly before it; none close to it.
fn side(gate: &Gate, track: &Track) -> Option<bool> {
    let (beyond, length) = (gate.place(track.place).1, gate.room(track.size).1);
    (beyond.abs() >= BEYOND.max(BEYOND_SHARE * length)).then_some(beyond > 0.0)
}

/// Whether a track came over the line, far enough, and not beside it.
fn came(gate: &Gate, track: &Track) -> bool {
    let (along, beyond) = gate.place(track.place);
    let way = (beyond - gate.place(track.from).1).abs();
    gate.holds(along, SLACK) && way >= WAY.max(WAY_SHARE * gate.room(track.size).1)
}

/// Whether a track is a part of what crossed just now: in the same lane, and closer behind than two things drive or walk.
fn same(gate: &Gate, track: &Track, crossed: &(u64, usize, bool, u64), tracks: &[Track]) -> bool {
    if track.number == crossed.0 {
        return false;
    }
    let Some(other) = tracks.iter().find(|other| other.number == crossed.0 && other.seen_ns == track.seen_ns) else {
        return false;
    };
    let other = other.frame();
    let middle = ((other.left + other.right) / 2.0, (other.top + other.bottom) / 2.0);
    let ((along, across), (other_along, other_across)) = (gate.place(track.place), gate.place(middle));
    let (room, other_room) = (gate.room(track.size), gate.room(other.size()));
    let lane = (along - other_along).abs() < 0.5 * room.0.max(other_room.0);
    let behind = (across - other_across).abs() - (room.1 + other_room.1) / 2.0;
    lane && behind < PART_SHARE * room.1.max(other_room.1)
}

fn mark(
    settings: &Settings,
    (gate, zone): (&Gate, Option<&Zone>),
    track: &Track,
    (beyond, grid): (bool, (usize, usize)),
    now_ns: u64,
) -> Mark {
    let kind = if beyond == settings.in_is_down { "crossing-in" } else { "crossing-out" };
    let towards = match (gate.steep(), beyond) {
        (false, true) => "downwards",
        (false, false) => "upwards",
        (true, true) => "rightwards",
        (true, false) => "leftwards",
    };
    let length = track.size.0.max(track.size.1) * 100.0 / grid.1.max(1) as f32;
    let vehicle = settings.vehicle > 0 && length >= settings.vehicle as f32;
    let (class, what) = if vehicle { ("vehicle", "A vehicle") } else { ("motion", "Something") };
    let (score, beside) = if track.grouped { (0.6, ", beside or before another") } else { (0.9, "") };
    let mark = Mark::at(kind, now_ns)
        .score(score)
        .note(format!("{what} crossed {towards}{beside}."))
        .seen(Detection::new(class, track.frame().area(grid)).score(score));
    Mark { zone: zone.map(|zone| zone.name.clone()), ..mark }
}
