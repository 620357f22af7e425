//! Motions as marks.

use crate::{Detector, Motion, Settings};
use watchbook_plugin::{Analyzer, Detection, Fault, Frame, Mark, Setup, Zone};
use watchbook_plugin_common::Picture;

/// The plugin.
#[derive(Debug)]
pub struct Watch {
    detector: Detector,
    zones: Vec<Zone>,
}

impl Analyzer for Watch {
    fn start(setup: Setup) -> Result<Self, Fault> {
        let settings = Settings::parse(&setup.settings_json)?;
        let detector = Detector::new(settings, setup.zones.clone()).map_err(Fault::Config)?;
        Ok(Self { detector, zones: setup.zones })
    }

    fn on_frame(&mut self, frame: &Frame<'_>) -> Result<Vec<Mark>, Fault> {
        let luma = frame.luma();
        let motions = self.detector.frame(&Picture::of(&frame.info(), &luma)).map_err(Fault::Internal)?;
        Ok(motions.iter().map(|motion| mark(motion, &self.zones)).collect())
    }
}

fn mark(motion: &Motion, zones: &[Zone]) -> Mark {
    let mark = Mark::at("motion", motion.start_ns).until(motion.end_ns).score(motion.score).note(motion.note());
    let zone = motion.zone.and_then(|number| zones.get(number)).map(|zone| zone.name.clone());
    let mark = Mark { zone, ..mark };
    motion.areas.iter().fold(mark, |mark, &(area, score)| mark.seen(Detection::new("motion", area).score(score)))
}
