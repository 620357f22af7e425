//! A whole station under a storm: one recorder, so many cameras with a main and a sub stream, the motion plugin on each; once alone, once with the whole hostile
//! set bound to the same cameras and revived as soon as it is set aside.

use super::fixture::Deed;
use super::{Line, Wanted, built};
use crate::camera::Simulator;
use crate::clip::{Clip, Shape};
use crate::error::Attempt;
use crate::http::Client;
use crate::recorders::watchbook::{Claimed, MAIN, RingSize, Watchbook};
use crate::recorders::{PATIENCE, Running};
use crate::tags::Tags;
use crate::{Error, Result, meter};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What every camera is watched by.
const MOTION: &str = "org.watchbook.motion";
/// The hostile set.
const HOSTILE: [Deed; 7] =
    [Deed::Loops, Deed::Bombs, Deed::Traps, Deed::Overflows, Deed::FloodsLog, Deed::FloodsMarks, Deed::Copies];
/// Between two rounds in which what was set aside is started again. Five traps set an instance aside, which takes 15 s, the pauses between them included.
const REVIVED_EVERY: Duration = Duration::from_secs(5);
/// What a street camera's sub stream sends, at the size that plugins look at.
const SUB: Shape = Shape { width: 640, height: 360, bits_per_sec: 500_000, seconds: 20 };
/// After the window: longer than two commits, so that all of it is durable and listed.
const SETTLE: Duration = Duration::from_secs(2);

/// How large the storm is.
#[derive(Clone, Copy)]
struct Size {
    cameras: u16,
    warm_up: Duration,
    window: Duration,
    shapes: [Shape; 2],
}

/// What one run gave.
struct Figures {
    /// Frames of main and sub streams that were sent in the window, and how many of them cannot be read back.
    frames: [(u64, u64); 2],
    /// Gap rows that touch the window.
    gaps: u64,
    /// Frames that the motion plugin saw in the window; and frames, and access units that the decoder did not get to, that were dropped before it.
    motion: (u64, u64),
    /// Frames that the hostile set was called with, and its traps, in the window.
    hostile: (u64, u64),
    /// Processor time by program, in percent of one processor.
    cpu: BTreeMap<String, f64>,
    seconds: f64,
}

/// The lines of this measurement.
///
/// # Errors
/// The station does not start, or what it recorded cannot be read.
pub fn run(wanted: &Wanted) -> Result<Vec<Line>> {
    let second = Duration::from_secs(1);
    let size = wanted.size(
        Size { cameras: 16, warm_up: 10 * second, window: wanted.window, shapes: [Shape::STREET, SUB] },
        Size { cameras: 2, warm_up: second, window: 3 * second, shapes: [Shape::SMALL, SUB] },
    );
    let calm = station(wanted, size, &[])?;
    let storm = station(wanted, size, &HOSTILE)?;
    Ok(lines(&storm, &calm, size))
}

fn lines(storm: &Figures, calm: &Figures, size: Size) -> Vec<Line> {
    let what = format!("{} cameras, {:.0} s", size.cameras, storm.seconds);
    let line = |name: &str, figure: &dyn Fn(&Figures) -> String, bound: &str| Line {
        what: format!("{what}: {name}"),
        figure: figure(storm),
        peer: format!("without the hostile set: {}", figure(calm)),
        ratio: "–".to_owned(),
        bound: bound.to_owned(),
    };
    let lost = |stream: usize| move |run: &Figures| format!("{} of {}", run.frames[stream].1, run.frames[stream].0);
    let rate = |run: &Figures| run.motion.0 as f64 / f64::from(size.cameras) / run.seconds;
    let mut lines = vec![
        line("recorded frames lost, main streams", &lost(0), "0"),
        line("recorded frames lost, sub streams", &lost(1), "0"),
        line("gap rows", &|run| run.gaps.to_string(), "0"),
        line("frames a second and camera that motion saw", &|run| format!("{:.2}", rate(run)), "5"),
        line("frames and access units dropped before motion", &|run| run.motion.1.to_string(), "–"),
        line("calls of the hostile set, and traps", &|run| format!("{}, {}", run.hostile.0, run.hostile.1), "–"),
    ];
    let programs: Vec<&String> = storm.cpu.keys().collect();
    for program in programs {
        let share = |run: &Figures| format!("{:.1} %", run.cpu.get(program).copied().unwrap_or_default());
        lines.push(line(&format!("of one processor, {program}"), &share, "–"));
    }
    lines
}

/// Everything that is looked at twice.
struct Look {
    at: Instant,
    cpu: BTreeMap<String, f64>,
    plugins: Value,
}

impl Look {
    fn now(client: &Client, pid: u32) -> Result<Self> {
        let plugins = client.json("/api/v1/plugins")?;
        Ok(Self { at: Instant::now(), cpu: meter::by_program(pid), plugins })
    }

    /// Calls and traps of the hostile set.
    fn hostile(&self) -> (u64, u64) {
        (self.sum(false, "frames_seen"), self.sum(false, "traps"))
    }

    /// A number of every plugin but motion, or of motion alone, summed.
    fn sum(&self, motion: bool, name: &str) -> u64 {
        let list = self.plugins["plugins"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mine = list.iter().filter(|plugin| (plugin["id"] == MOTION) == motion);
        mine.filter_map(|plugin| plugin[name].as_u64()).sum()
    }
}

fn station(wanted: &Wanted, size: Size, hostile: &[Deed]) -> Result<Figures> {
    eprintln!("  {} cameras {} ...", size.cameras, if hostile.is_empty() { "in calm" } else { "in a storm" });
    let clips = size.shapes.map(|shape| Clip::cached(shape, &crate::clip::cache()));
    let [main, sub] = clips;
    let simulators = [Simulator::start(&main?, size.cameras, 0)?, Simulator::start(&sub?, size.cameras, 0)?];
    let folder = tempfile::tempdir_in(&wanted.folder).attempt("making a folder")?;
    let plugins = folder.path().join("plugins");
    install(&plugins, wanted, hostile)?;
    let config = folder.path().join("watchbook.toml");
    std::fs::write(&config, config_text(folder.path(), wanted, size, &simulators)?)
        .attempt("writing the configuration")?;
    let station = Watchbook { programs: wanted.programs.clone() }.run_with(&config, folder.path())?;
    let bound = |deeds: &[Deed]| bind(&station.client, size.cameras, deeds);
    bind_one(&station.client, size.cameras, MOTION)?;
    bound(hostile)?;
    let pid = station.pids().first().copied().attempt("asking for the recorder's number")?;
    wait_for_all(&station.client, pid, size.cameras, hostile, &simulators)?;
    std::thread::sleep(size.warm_up);
    let first = Look::now(&station.client, pid)?;
    let end = first.at + size.window;
    let (mut before, mut counted) = (first.hostile(), (0, 0));
    while Instant::now() < end {
        std::thread::sleep(REVIVED_EVERY.min(end.saturating_duration_since(Instant::now())));
        let now = Look::now(&station.client, pid)?.hostile();
        counted = (counted.0 + now.0.saturating_sub(before.0), counted.1 + now.1.saturating_sub(before.1));
        bound(hostile)?;
        // What was started again counts from nothing.
        before = Look::now(&station.client, pid)?.hostile();
    }
    let second = Look::now(&station.client, pid)?;
    std::thread::sleep(SETTLE);
    Ok(Figures { hostile: counted, ..figures(station, &simulators, [&first, &second])? })
}

/// What the plugin folder of the recorder holds.
fn install(plugins: &Path, wanted: &Wanted, hostile: &[Deed]) -> Result<()> {
    let motion = wanted.plugins.join("motion");
    built(&motion)?;
    let place = plugins.join("motion");
    std::fs::create_dir_all(&place).attempt("making a folder")?;
    for file in ["plugin.toml", "plugin.wasm"] {
        std::fs::copy(motion.join(file), place.join(file)).attempt(format!("copying {file} of the motion plugin"))?;
    }
    for deed in hostile {
        deed.install(plugins)?;
    }
    Ok(())
}

fn config_text(folder: &Path, wanted: &Wanted, size: Size, simulators: &[Simulator; 2]) -> Result<String> {
    let bytes_a_sec: u64 = size.shapes.iter().map(|shape| u64::from(shape.bits_per_sec) / 8).sum();
    let seconds = (size.warm_up + size.window + 2 * PATIENCE).as_secs();
    let RingSize { gib, segment_mib } = RingSize::for_footage(bytes_a_sec * seconds * u64::from(size.cameras));
    let place = |name: &str| folder.join(name);
    let mut text = format!(
        "[web]\nlisten = \"127.0.0.1:0\"\n\n[storage]\nstate_dir = {:?}\nring_dir = {:?}\nring_gib = {gib}\n\
         segment_mib = {segment_mib}\n\n[plugins]\ndir = {:?}\nprogram_dir = {:?}\n\n[cameras]\nnetworks = [\"127.0.0.1\"]\n",
        place("state"),
        place("ring"),
        place("plugins"),
        wanted.programs,
    );
    let [main, sub] = simulators;
    for camera in 0..size.cameras {
        let (main, sub) = (main.url(camera), sub.url(camera));
        write!(
            text,
            "\n[[camera]]\nname = \"cam{camera}\"\nmain_url = {main:?}\nsub_url = {sub:?}\ntransport = \"tcp\"\npurpose = \"A measurement\"\ncontact = \"A measurement\"\n"
        )
        .attempt("writing the configuration")?;
    }
    Ok(text)
}

fn bind(client: &Client, cameras: u16, deeds: &[Deed]) -> Result<()> {
    deeds.iter().try_for_each(|deed| bind_one(client, cameras, &deed.id()))
}

/// Binds a plugin to every camera; where it was set aside it starts again.
fn bind_one(client: &Client, cameras: u16, plugin: &str) -> Result<()> {
    let request = json!({ "enabled": true, "settings": {}, "zones": [] });
    (1..=cameras).try_for_each(|camera| client.put(&format!("/api/v1/cameras/{camera}/plugins/{plugin}"), &request))
}

/// Until every camera plays both streams, motion sees frames, and the hostile set has shown what it does.
fn wait_for_all(client: &Client, pid: u32, cameras: u16, hostile: &[Deed], simulators: &[Simulator; 2]) -> Result<()> {
    let (started, cameras) = (Instant::now(), u64::from(cameras));
    loop {
        let look = Look::now(client, pid)?;
        let playing = simulators.iter().all(|simulator| simulator.sent().playing >= cameras);
        let stormy = hostile.is_empty() || look.sum(false, "traps") >= cameras;
        if playing && stormy && look.sum(true, "frames_seen") >= 5 * cameras {
            return Ok(());
        }
        if started.elapsed() > 2 * PATIENCE {
            let sent = simulators.each_ref().map(|simulator| simulator.sent().playing);
            return Err(Error(format!("of {cameras} cameras {sent:?} play; plugins: {}", look.plugins)));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn figures(station: Claimed, simulators: &[Simulator; 2], [first, second]: [&Look; 2]) -> Result<Figures> {
    let seconds = second.at.duration_since(first.at).as_secs_f64();
    // Where the window lies in UTC, roughly: a gap that touches it is one.
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).attempt("asking for the time")?.as_millis();
    let ago_ms = |at: Instant| i64::try_from(now_ms.saturating_sub(at.elapsed().as_millis())).unwrap_or(i64::MAX);
    let window_ms = ago_ms(first.at)..ago_ms(second.at);
    let (mut frames, mut gaps) = ([(0, 0); 2], 0);
    let case = station.open_case()?;
    for (stream, role) in [MAIN, "sub_video"].into_iter().enumerate() {
        let mut tags = Tags::default();
        gaps += station.read(case, role, &mut tags, &window_ms)?;
        let cameras = &simulators[stream].cameras;
        for camera in 0..cameras.count {
            let range = cameras.next_frame(camera, first.at)..cameras.next_frame(camera, second.at);
            frames[stream].0 += range.end - range.start;
            frames[stream].1 += tags.missing(camera, range);
        }
    }
    station.stop()?;
    let grown = |name: &str| second.sum(true, name).saturating_sub(first.sum(true, name));
    let share = |(program, cpu_sec): (&String, &f64)| {
        let before = first.cpu.get(program).copied().unwrap_or_default();
        (program.clone(), (cpu_sec - before) / seconds * 100.0)
    };
    Ok(Figures {
        frames,
        gaps,
        motion: (grown("frames_seen"), grown("frames_dropped")),
        hostile: (0, 0),
        cpu: second.cpu.iter().map(share).collect(),
        seconds,
    })
}
