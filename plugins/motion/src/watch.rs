//! Motions as marks.

use crate::{Detector, Motion, Settings};
use watchbook_plugin_common::{Analyzer, Mark, Picture, Seen, Zone};

/// The plugin.
#[derive(Debug)]
pub struct Watch(Detector);

impl Analyzer for Watch {
    const ID: &'static str = "org.watchbook.motion";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn start(settings_json: &str, zones: Vec<Zone>) -> Result<Self, String> {
        Detector::new(Settings::parse(settings_json)?, zones).map(Self)
    }

    fn frame(&mut self, picture: &Picture<'_>) -> Result<Vec<Mark>, String> {
        Ok(self.0.frame(picture)?.iter().map(mark).collect())
    }
}

fn mark(motion: &Motion) -> Mark {
    let seen = motion.areas.iter().map(|&(area, score)| Seen { class: "motion", score, area });
    Mark {
        kind: "motion",
        score: motion.score,
        start_ns: motion.start_ns,
        end_ns: Some(motion.end_ns),
        zone: motion.zone,
        seen: seen.collect(),
        note: motion.note(),
    }
}
