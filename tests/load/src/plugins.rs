//! Benchmarks of the plugin platform: `watchbook-load plugins`.

pub mod cost;
pub mod fixture;
pub mod hand_over;
pub mod inference;
pub mod limits;
pub mod storm;

use crate::error::Attempt;
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use watchbook_plugin_engine::{
    AnalyticsInstance, Failure, Frame, Kept, Limits, Machine, Pixels, Prepared, Setup, World,
};
use watchbook_plugin_host::Package;

/// Size of the frames of every measurement.
pub const SIZE: (u32, u32) = (640, 360);
/// Bytes of one plane.
pub const PLANE_BYTES: usize = 640 * 360;
/// Time of the first frame, in nanoseconds since 1970.
pub const START_NS: u64 = 1_764_000_000_000_000_000;
/// From one frame to the next: 5 a second.
pub const INTERVAL_NS: u64 = 200_000_000;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Folder of `watchbook-plugins`.
    pub programs: PathBuf,
    /// Folder with the built plugins, one folder each.
    pub plugins: PathBuf,
    /// Names of [`BENCHES`].
    pub benches: Vec<String>,
    /// How long the storm is measured, in calm and in the storm.
    pub window: Duration,
    /// Where disks and logs go for a while.
    pub folder: PathBuf,
    /// Numbers at which everything takes a moment: does the harness work?
    pub tiny: bool,
}

impl Wanted {
    /// One of two sizes.
    #[must_use]
    pub fn size<T>(&self, full: T, tiny: T) -> T {
        if self.tiny { tiny } else { full }
    }
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What was measured.
    pub what: String,
    /// The figure, with its unit.
    pub figure: String,
    /// The peer in the same run, with its unit.
    pub peer: String,
    /// How they compare, or how the figure stands to its bound.
    pub ratio: String,
    /// The bound that the project has set itself.
    pub bound: String,
}

type Bench = fn(&Wanted) -> Result<Vec<Line>>;

/// Every measurement, by name.
pub const BENCHES: [(&str, Bench); 5] = [
    ("hand-over", hand_over::run),
    ("cost", cost::run),
    ("inference", inference::run),
    ("limits", limits::run),
    ("storm", storm::run),
];

/// Runs what is wanted and returns the table. What fails leaves a line and does not keep the rest from being measured.
#[must_use]
pub fn run(wanted: &Wanted) -> String {
    let mut text =
        "| measurement | figure | peer in the same run | ratio | bound |\n|---|---|---|---|---|\n".to_owned();
    for (name, bench) in BENCHES.into_iter().filter(|(name, _)| wanted.benches.iter().any(|wanted| wanted == name)) {
        eprintln!("{name} ...");
        match bench(wanted) {
            Ok(lines) => {
                for Line { what, figure, peer, ratio, bound } in lines {
                    text += &format!("| {what} | {figure} | {peer} | {ratio} | {bound} |\n");
                }
            }
            Err(error) => text += &format!("| {name} | was not measured: {error} | – | – | – |\n"),
        }
    }
    text
}

/// The value that so many of a hundred are not above (nearest rank), in microseconds.
#[must_use]
pub fn percentile_us(times: &[Duration], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

/// Processor time of this thread.
#[must_use]
pub fn thread_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// A plugin of `make plugins` or of the conformance set.
///
/// # Errors
/// It is not built.
pub fn built(folder: &Path) -> Result<Package> {
    Package::read(folder).attempt("reading a built plugin; `make plugins` builds it")
}

fn sentence(failure: Failure) -> Error {
    Error(failure.into_sentence())
}

/// Compiles a package as the recorder does.
///
/// # Errors
/// The engine's sentence.
pub fn prepare(machine: &Machine, package: &Package) -> Result<Prepared> {
    let manifest = &package.manifest;
    let limits = Limits {
        memory_bytes: u64::from(manifest.budget.memory_mib) << 20,
        call_ms: manifest.call_ms(),
        store_bytes: manifest.budget.store_kib << 10,
    };
    let capabilities: Vec<String> = manifest.capabilities.all().map(str::to_owned).collect();
    machine.prepare(&package.component, World::AnalyticsPlugin, &capabilities, limits).map_err(sentence)
}

/// A fresh, started instance and how long that took: the instance alone, and with `start`.
///
/// # Errors
/// The engine's or the plugin's sentence.
pub fn start(prepared: &Prepared, package: &Package) -> Result<(AnalyticsInstance, [Duration; 2])> {
    let settings = watchbook_plugin_host::settings::complete(&package.manifest.settings, &serde_json::Map::new())
        .attempt("filling in the settings")?;
    let began = Instant::now();
    let mut instance = AnalyticsInstance::new(prepared, Kept::default(), Box::new(|_, _| {})).map_err(sentence)?;
    let made = began.elapsed();
    let (id, version) = (package.manifest.id.as_str(), package.manifest.version.as_str());
    let setup = Setup { id, version, camera: "load", zones: &[], settings_json: &settings, saved: None };
    instance.start(&setup).map_err(sentence)?;
    Ok((instance, [made, began.elapsed()]))
}

/// The frame of this number.
#[must_use]
pub fn frame(number: u64, luma: std::sync::Arc<[u8]>) -> Frame {
    Frame {
        utc_ns: START_NS + number * INTERVAL_NS,
        width: SIZE.0,
        height: SIZE.1,
        masked: false,
        skipped: 0,
        pixels: Pixels::Plane(luma),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let times: Vec<Duration> = (1..=100).rev().map(Duration::from_micros).collect();
        let near = |percent, expected: f64| (percentile_us(&times, percent) - expected).abs() < 1e-6;
        assert!(near(50, 50.0) && near(99, 99.0) && near(100, 100.0));
    }
}
