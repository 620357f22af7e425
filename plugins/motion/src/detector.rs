//! Pictures in, motions out.

use crate::Settings;
use crate::episode::{Episode, Episodes};
use crate::places::{Finder, Place, Size};
use crate::scene::{GAP_MS, Scene, Seen, Threshold};
use crate::tile::SIDE_PX;
use watchbook_plugin::{Area, Zone};
use watchbook_plugin_common::{Picture, zones};

/// Areas of one motion: 32 zones with 8 each stay below the 16 KiB that one frame may give.
const AREAS_MAX: usize = 8;
/// Something moved.
#[derive(Clone, Debug, PartialEq)]
pub struct Motion {
    /// UTC in nanoseconds of the first frame in which something moved.
    pub start_ns: u64,
    /// UTC in nanoseconds of the last one; not after the frame at hand.
    pub end_ns: u64,
    /// Which of the zones; none when there are none.
    pub zone: Option<usize>,
    /// It is the next part of a motion that goes on.
    pub continued: bool,
    /// Of the strongest area.
    pub score: f32,
    /// Where, in the frame in which most moved, with a score each; the largest first, 1 to 8.
    pub areas: Vec<(Area, f32)>,
}

impl Motion {
    /// The motion in plain words.
    #[must_use]
    pub fn note(&self) -> String {
        let tenths = (self.end_ns - self.start_ns) / 100_000_000;
        let again = if self.continued { "went on moving" } else { "moved" };
        format!("Something {again} for {}.{} s.", tenths / 10, tenths % 10)
    }
}

/// Watches one camera.
#[derive(Debug)]
pub struct Detector {
    zones: Vec<Zone>,
    threshold: Threshold,
    least: Size,
    episodes: Vec<Episodes>,
    current: Option<Current>,
    seen: Vec<Seen>,
    finder: Finder,
}

/// What is known of the camera at its present size.
#[derive(Debug)]
struct Current {
    size: (u32, u32),
    scene: Scene,
    /// A bit for each zone, one entry a cell.
    zones: Vec<u32>,
    utc_ns: u64,
}

impl Detector {
    /// Watches `zones`, or the whole picture when there are none.
    ///
    /// # Errors
    /// A sentence when the zones are none.
    pub fn new(settings: Settings, zones: Vec<Zone>) -> Result<Self, String> {
        zones::check(&zones)?;
        Ok(Self {
            threshold: Threshold::of(settings.sensitivity),
            least: Size::of(settings.sensitivity),
            episodes: vec![Episodes::new(settings); zones.len().max(1)],
            zones,
            current: None,
            seen: Vec::new(),
            finder: Finder::default(),
        })
    }

    /// Looks at the next frame. Gives what has ended, at most one motion a zone.
    ///
    /// # Errors
    /// A sentence when the plane does not have the size that the picture says.
    pub fn frame(&mut self, picture: &Picture<'_>) -> Result<Vec<Motion>, String> {
        let Picture { width, height, utc_ns, luma } = *picture;
        picture.check()?;
        match self.current.as_mut().filter(|current| current.size == (width, height)) {
            Some(current) => {
                let gap = utc_ns.saturating_sub(current.utc_ns) / 1_000_000 > GAP_MS;
                let back = utc_ns < current.utc_ns;
                current.utc_ns = utc_ns;
                current.scene.look(luma, utc_ns, self.threshold, &mut self.seen);
                if gap || back { Ok(self.cut(utc_ns)) } else { Ok(self.step(utc_ns)) }
            }
            None => {
                let motions = self.cut(utc_ns);
                self.current = self.begin(picture);
                Ok(motions)
            }
        }
    }

    fn begin(&self, picture: &Picture<'_>) -> Option<Current> {
        let Picture { width, height, utc_ns, luma } = *picture;
        let scene = Scene::new(luma, width as usize, height as usize, utc_ns)?;
        let zones = zones::cells(&self.zones, scene.columns(), scene.rows());
        Some(Current { size: (width, height), scene, zones, utc_ns })
    }

    fn step(&mut self, utc_ns: u64) -> Vec<Motion> {
        let Some(current) = &self.current else { return Vec::new() };
        let mut motions = Vec::new();
        for (number, episodes) in self.episodes.iter_mut().enumerate() {
            let zone = (1 << number, current.scene.columns());
            let places = self.finder.find(&self.seen, &current.zones, zone, self.least);
            let zone = (!self.zones.is_empty()).then_some(number);
            motions.extend(episodes.step(utc_ns, places).map(|episode| motion(&episode, zone, current.size)));
        }
        motions
    }

    fn cut(&mut self, utc_ns: u64) -> Vec<Motion> {
        let Some(current) = &self.current else { return Vec::new() };
        let zone = |number| (!self.zones.is_empty()).then_some(number);
        let ended = self.episodes.iter_mut().enumerate();
        ended
            .filter_map(|(number, episodes)| Some(motion(&episodes.cut(utc_ns)?, zone(number), current.size)))
            .collect()
    }
}

fn motion(episode: &Episode, zone: Option<usize>, size: (u32, u32)) -> Motion {
    let areas = episode.places.iter().take(AREAS_MAX);
    let areas: Vec<_> = areas.map(|place| (area(place, size), score(place.strength))).collect();
    let strongest = areas.iter().map(|(_, score)| *score).fold(0.0, f32::max);
    let Episode { start_ns, end_ns, continued, .. } = *episode;
    Motion { start_ns, end_ns, zone, continued, score: strongest, areas }
}

/// From a place's edges in cells to fractions of the picture; pixels behind the last whole cell belong to nothing.
fn area(place: &Place, (width, height): (u32, u32)) -> Area {
    let span = |first: usize, last: usize, pixels: u32| {
        let fraction = |cell: usize| ((cell * SIDE_PX) << 16) / pixels as usize;
        let begin = fraction(first).min(65_535);
        let length = fraction(last + 1).min(65_536).saturating_sub(begin).min(65_535);
        (begin as u16, length as u16)
    };
    let ((x, w), (y, h)) = (span(place.left, place.right, width), span(place.top, place.bottom, height));
    Area { x, y, w, h }
}

/// One half at the threshold, towards one above it: twice the threshold is two thirds.
fn score(strength: u32) -> f32 {
    strength as f32 / (strength + 256) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_stay_in_the_picture() {
        let whole = Place { left: 0, top: 0, right: 79, bottom: 44, cells: 3600, moving: 9, strength: 512 };
        assert_eq!(area(&whole, (640, 360)), Area { x: 0, y: 0, w: 65_535, h: 65_535 });
        let one = Place { left: 79, right: 79, top: 44, bottom: 44, ..whole };
        // 632/640 and 352/360 of 65,536, rounded down.
        assert_eq!(area(&one, (640, 360)), Area { x: 64_716, y: 64_079, w: 820, h: 1457 });
        assert!((score(whole.strength) - 2.0 / 3.0).abs() < 1e-6 && score(65_535) < 1.0);
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let mut detector = Detector::new(Settings::default(), Vec::new()).unwrap();
        let sentence = detector.frame(&Picture { width: 640, height: 360, utc_ns: 0, luma: &[0; 5] }).unwrap_err();
        assert!(sentence.contains("640x360"), "{sentence}");
        assert!(Detector::new(Settings::default(), vec![Zone { name: "road".into(), outline: vec![] }]).is_err());
    }
}
