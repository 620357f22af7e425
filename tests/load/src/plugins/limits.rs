//! How soon a plugin that goes wrong is stopped, and another instance is there.

use super::fixture::Deed;
use super::{Line, PLANE_BYTES, Wanted, frame, percentile_us, prepare, start};
use crate::{Error, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};
use watchbook_plugin_engine::{Failure, Machine, Settings, TICK};

/// The lines of this measurement.
///
/// # Errors
/// A fixture is not stopped, or cannot be started.
pub fn run(wanted: &Wanted) -> Result<Vec<Line>> {
    Ok(vec![runaway(wanted)?, restart(wanted)?])
}

/// Processor time from the start of a call that never ends to its trap.
fn runaway(wanted: &Wanted) -> Result<Line> {
    let package = Deed::Loops.package()?;
    let machine = Machine::new(Settings::LIVE).map_err(super::sentence)?;
    let prepared = prepare(&machine, &package)?;
    let deadline_ms = package.manifest.call_ms();
    let plane: Arc<[u8]> = vec![0; PLANE_BYTES].into();
    let mut over = Vec::new();
    for number in 0..wanted.size(40, 2) {
        let (mut instance, _) = start(&prepared, &package)?;
        match instance.on_frame(frame(number, Arc::clone(&plane))) {
            Err(Failure::Trap(_)) => {}
            other => return Err(Error(format!("a loop without end gave {other:?}"))),
        }
        over.push(instance.usage().busy.saturating_sub(Duration::from_millis(u64::from(deadline_ms))));
    }
    let tick_us = TICK.as_secs_f64() * 1e6;
    let ticks = |percent: usize| percentile_us(&over, percent) / tick_us;
    Ok(Line {
        what: format!("loop without end, processor time over its deadline of {deadline_ms} ms"),
        figure: format!("p50 {:.1} ms, most {:.1} ms", ticks(50) * tick_us / 1e3, ticks(100) * tick_us / 1e3),
        peer: format!("a tick: {:.0} ms", tick_us / 1e3),
        ratio: format!("p50 {:.1} ticks, most {:.1} ticks", ticks(50), ticks(100)),
        bound: "≤ 4 ticks".to_owned(),
    })
}

/// From a trap to a started fresh instance, without the pause that the recorder makes.
fn restart(wanted: &Wanted) -> Result<Line> {
    let package = Deed::Traps.package()?;
    let machine = Machine::new(Settings::LIVE).map_err(super::sentence)?;
    let prepared = prepare(&machine, &package)?;
    let plane: Arc<[u8]> = vec![0; PLANE_BYTES].into();
    let (mut instance, _) = start(&prepared, &package)?;
    let mut times = Vec::new();
    for number in 0..wanted.size(200, 3) {
        if instance.on_frame(frame(number, Arc::clone(&plane))).is_ok() {
            return Err(Error("the fixture that traps did not".to_owned()));
        }
        let began = Instant::now();
        (instance, _) = start(&prepared, &package)?;
        times.push(began.elapsed());
    }
    Ok(Line {
        what: "fresh instance after a trap, the old one dropped".to_owned(),
        figure: format!("p50 {:.3} ms", percentile_us(&times, 50) / 1e3),
        peer: "–".to_owned(),
        ratio: format!("p99 {:.3} ms", percentile_us(&times, 99) / 1e3),
        bound: "≤ 5 ms".to_owned(),
    })
}
