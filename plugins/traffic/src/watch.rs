//! Pictures in, marks out.

use crate::settings::Settings;
use crate::stops::Stops;
use crate::ways::{Way, Ways};
use watchbook_plugin::{Analyzer, Detection, Fault, Frame, Mark, Setup, Zone};
use watchbook_plugin_common::blobs::Smallest;
use watchbook_plugin_common::ground::{Ground, Learning};
use watchbook_plugin_common::tracks::{Track, Tracks};
use watchbook_plugin_common::{Picture, zones};

/// What stands becomes part of the scene so long after it was reported, in milliseconds.
const ABSORB_AFTER_MS: u64 = 30_000;

/// Watches the roads of one camera.
#[derive(Clone, Debug)]
pub struct Watch {
    settings: Settings,
    zones: Vec<Zone>,
    ways: Vec<Ways>,
    current: Option<Current>,
}

/// What is known of the camera at its present size.
#[derive(Clone, Debug)]
struct Current {
    ground: Ground,
    tracks: Tracks,
    stops: Stops,
    /// A bit for each zone, one entry a cell.
    zones: Vec<u32>,
}

impl Analyzer for Watch {
    fn start(setup: Setup) -> Result<Self, Fault> {
        let Setup { zones, settings_json, .. } = setup;
        zones::check(&zones).map_err(Fault::Config)?;
        let settings = Settings::parse(&settings_json)?;
        let way = if settings.learn_way { Way::default() } else { Way::fixed(settings.way_degrees) };
        let ways = vec![Ways::new(way); zones.len().max(1)];
        Ok(Self { settings, zones, ways, current: None })
    }

    fn on_frame(&mut self, frame: &Frame<'_>) -> Result<Vec<Mark>, Fault> {
        let luma = frame.luma();
        let picture = &Picture::of(&frame.info(), &luma);
        picture.check().map_err(Fault::Internal)?;
        let current = match self.current.as_mut().filter(|current| current.ground.fits(picture)) {
            Some(current) => current,
            None => {
                let ground = Ground::new(picture);
                let (columns, rows) = ground.grid();
                let zones = zones::cells(&self.zones, columns, rows);
                self.current = Some(Current { ground, tracks: Tracks::default(), stops: Stops::default(), zones });
                return Ok(Vec::new());
            }
        };
        let absorb_ms = u64::from(self.settings.stop_s) * 1000 + ABSORB_AFTER_MS;
        // From 16 grey levels down to 4.
        let levels = 4.0 + 12.0 * (100 - self.settings.sensitivity) as f32 / 100.0;
        if !current.ground.look(picture, Learning { levels, absorb_ms }) {
            current.tracks.clear();
            current.stops.clear();
            self.ways.iter_mut().for_each(Ways::clear);
            return Ok(Vec::new());
        }
        let smallest = Smallest::of(self.settings.smallest, current.ground.grid().1);
        current.tracks.step(&current.ground, smallest, picture.utc_ns);
        Ok(self.marks(picture.utc_ns))
    }
}

impl Watch {
    fn marks(&mut self, now_ns: u64) -> Vec<Mark> {
        let Some(current) = &mut self.current else { return Vec::new() };
        let (grid, tracks) = (current.ground.grid(), current.tracks.all());
        let named = |number: usize| self.zones.get(number);
        let large = |track: &Track| Smallest::takes(self.settings.smallest, grid.1, track.size);
        let of = |number: u64| tracks.iter().find(|track| track.number == number);
        let mut marks = Vec::new();
        for stop in current.stops.step(tracks, self.settings.stop_s, now_ns) {
            let Some(track) = of(stop.number).filter(|track| large(track)) else { continue };
            let zone = (0..self.ways.len()).find(|zone| current.zones[cell(track, grid)] & 1 << zone != 0);
            if let Some(zone) = zone {
                let note = format!(
                    "It came moving and stands for {} s.",
                    now_ns.saturating_sub(stop.since_ns) / 1_000_000_000
                );
                marks.push(mark(("stopped-vehicle", note), named(zone), (track, grid), (stop.since_ns, now_ns)));
            }
        }
        for (number, ways) in self.ways.iter_mut().enumerate() {
            let inside = |track: &Track| large(track) && current.zones[cell(track, grid)] & 1 << number != 0;
            for against in ways.step(tracks, inside, now_ns) {
                let Some(track) = of(against.number) else { continue };
                let note = "It goes against the way of this zone.".to_owned();
                marks.push(mark(("wrong-way", note), named(number), (track, grid), (against.since_ns, now_ns)));
            }
        }
        marks
    }
}

/// The cell of a track's middle.
fn cell(track: &Track, (columns, rows): (usize, usize)) -> usize {
    let whole = |at: f32, count: usize| (at.max(0.0) as usize).min(count.saturating_sub(1));
    whole(track.place.1, rows) * columns + whole(track.place.0, columns)
}

fn mark(
    (kind, note): (&str, String),
    zone: Option<&Zone>,
    (track, grid): (&Track, (usize, usize)),
    (start_ns, end_ns): (u64, u64),
) -> Mark {
    let score = if track.grouped { 0.6 } else { 0.9 };
    let seen = Detection::new("motion", track.frame().area(grid)).score(score);
    let mark = Mark::at(kind, start_ns).until(end_ns).score(score).note(note).seen(seen);
    Mark { zone: zone.map(|zone| zone.name.clone()), ..mark }
}
