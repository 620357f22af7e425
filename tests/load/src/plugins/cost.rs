//! What an orderly plugin costs: its calls beside the same loop compiled for this processor, and its start in each language.

use super::{INTERVAL_NS, Line, SIZE, START_NS, Wanted, built, frame, percentile_us, prepare, start, thread_time};
use crate::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use watchbook_motion::{Detector, Picture, Settings as MotionSettings};
use watchbook_plugin_engine::{Machine, Settings};
use watchbook_plugin_testkit::Scene;

/// Rules have no frames; their instances are made for each event.
const ANALYTICS: &str = "analytics-plugin";

/// The lines of this measurement.
///
/// # Errors
/// The motion plugin is not built.
pub fn run(wanted: &Wanted) -> Result<Vec<Line>> {
    let mut lines = vec![motion(wanted)?];
    lines.extend(starts(wanted)?);
    Ok(lines)
}

fn motion(wanted: &Wanted) -> Result<Line> {
    let seeds = 0..wanted.size(10, 1);
    let package = built(&wanted.plugins.join("motion"))?;
    let machine = Machine::new(Settings::LIVE).map_err(super::sentence)?;
    let (mut instance, _) = start(&prepare(&machine, &package)?, &package)?;
    let mut detector = Detector::new(MotionSettings::default(), Vec::new()).map_err(Error)?;
    let (mut wasm, mut native) = (Vec::new(), Vec::new());
    let mut number = 0;
    for seed in seeds {
        for picture in Scene::MovingSquare.pictures(SIZE, 5.0, seed) {
            let luma: Arc<[u8]> = picture.luma.into();
            let utc_ns = START_NS + number * INTERVAL_NS;
            // Turn by turn, so that both see the same machine.
            instance.on_frame(frame(number, Arc::clone(&luma))).map_err(super::sentence)?;
            wasm.push(instance.usage().busy);
            let began = thread_time();
            let picture = Picture { width: SIZE.0, height: SIZE.1, utc_ns, luma: &luma };
            std::hint::black_box(detector.frame(&picture).map_err(Error)?);
            native.push(thread_time().saturating_sub(began));
            number += 1;
        }
    }
    let (one, other) = (percentile_us(&wasm, 50), percentile_us(&native, 50));
    Ok(Line {
        what: "motion plugin, a call at 640x360 with its copy of the plane, p50".to_owned(),
        figure: format!("{one:.0} µs"),
        peer: format!("the same loop native, SSE2: {other:.0} µs"),
        ratio: format!("{:.2} of native speed", other / one.max(0.001)),
        bound: "≥ 0.5".to_owned(),
    })
}

/// Fresh instances of what is built: the motion plugin, and the conformance set of every language.
fn starts(wanted: &Wanted) -> Result<Vec<Line>> {
    let conformance = wanted.plugins.parent().map(|target| target.join("conformance")).unwrap_or_default();
    let mut folders = vec![wanted.plugins.join("motion")];
    let entries = std::fs::read_dir(conformance).into_iter().flatten().flatten();
    let watches = |path: &PathBuf| built(path).is_ok_and(|package| package.manifest.world == ANALYTICS);
    let mut others: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(watches).collect();
    others.sort();
    folders.extend(others);
    let mut lines = Vec::new();
    for folder in folders {
        let package = built(&folder)?;
        let machine = Machine::new(Settings::LIVE).map_err(super::sentence)?;
        let prepared = prepare(&machine, &package)?;
        let (mut made, mut started) = (Vec::<Duration>::new(), Vec::<Duration>::new());
        for _ in 0..wanted.size(200, 3) {
            let (_, [alone, whole]) = start(&prepared, &package)?;
            made.push(alone);
            started.push(whole);
        }
        let (alone, whole) = (percentile_us(&made, 50), percentile_us(&started, 50));
        let mib = package.component.len() as f64 / f64::from(1 << 20);
        lines.push(Line {
            what: format!("fresh instance of {}, compiled before, p50", package.manifest.id),
            figure: format!("{:.3} ms", alone / 1e3),
            peer: format!("with `start`: {:.3} ms", whole / 1e3),
            ratio: format!("component of {mib:.2} MiB"),
            bound: "≤ 0.2 ms Rust, ≤ 5 ms JS and Python".to_owned(),
        });
    }
    Ok(lines)
}
