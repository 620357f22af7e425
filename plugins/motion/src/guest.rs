//! The plugin interface on one side, the detector on the other.

use crate::{Area, Corner, Detector, Motion, Picture, Settings, Zone};
use bindings::exports::watchbook::plugin::{about, analyzer};
use bindings::watchbook::plugin::frames::Frame;
use bindings::watchbook::plugin::log::{Level, write};
use bindings::watchbook::plugin::types;
use std::cell::RefCell;

/// What the macros make of the published interface.
mod bindings {
    #![allow(missing_docs, unsafe_code, clippy::all, reason = "written by wit-bindgen")]
    wit_bindgen::generate!({ path: "../../sdk/wit/0.1", world: "analytics-plugin" });
    export!(Plugin with_types_in self);
    use super::Plugin;
}

/// As in `plugin.toml`.
const ID: &str = "org.watchbook.motion";
const API: &str = "0.1";

thread_local! {
    // One instance watches one camera, and its calls never overlap.
    static STATE: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

struct Watch {
    detector: Detector,
    zones: Vec<String>,
}

struct Plugin;

impl about::Guest for Plugin {
    fn describe() -> about::Card {
        about::Card { id: ID.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), api: API.to_owned() }
    }
}

impl analyzer::Guest for Plugin {
    fn start(setup: analyzer::Setup) -> Result<(), types::Fault> {
        // Without this an administrator would read of an `unreachable` instruction.
        std::panic::set_hook(Box::new(|panic| write(Level::Error, &panic.to_string())));
        let settings = Settings::parse(&setup.settings_json).map_err(types::Fault::Config)?;
        let zones: Vec<Zone> = setup.zones.into_iter().map(zone).collect();
        let names = zones.iter().map(|zone| zone.name.clone()).collect();
        let detector = Detector::new(settings, zones).map_err(types::Fault::Config)?;
        STATE.set(Some(Watch { detector, zones: names }));
        Ok(())
    }

    fn on_frame(frame: &Frame) -> Result<Vec<types::Mark>, types::Fault> {
        let info = frame.info();
        let luma = frame.luma();
        STATE.with_borrow_mut(|state| {
            let not_started = || types::Fault::Internal("a frame came before the start".to_owned());
            let Watch { detector, zones } = state.as_mut().ok_or_else(not_started)?;
            let picture = Picture { width: info.width, height: info.height, utc_ns: info.utc_ns, luma: &luma };
            let motions = detector.frame(&picture).map_err(types::Fault::Internal)?;
            Ok(motions.iter().map(|motion| mark(motion, zones)).collect())
        })
    }

    fn stop() -> Vec<u8> {
        // A scene is learnt again within seconds, and a picture should not outlive its instance.
        STATE.set(None);
        Vec::new()
    }
}

fn zone(zone: analyzer::Zone) -> Zone {
    let outline = zone.outline.iter().map(|point| Corner { x: point.x, y: point.y }).collect();
    Zone { name: zone.name, outline }
}

fn mark(motion: &Motion, zones: &[String]) -> types::Mark {
    let seen = |(area, score): &(Area, f32)| types::Detection {
        class: "motion".to_owned(),
        score: *score,
        box_: types::Area { x: area.x, y: area.y, w: area.w, h: area.h },
        track: None,
    };
    types::Mark {
        kind: "motion".to_owned(),
        score: motion.score,
        start_utc_ns: motion.start_ns,
        end_utc_ns: Some(motion.end_ns),
        zone: motion.zone.and_then(|number| zones.get(number).cloned()),
        detections: motion.areas.iter().map(seen).collect(),
        note: motion.note(),
    }
}
