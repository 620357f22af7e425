//! What it costs to give a plugin a frame: across the process and the component boundary, and back with a mark.

use super::fixture::Deed;
use super::{INTERVAL_NS, Line, PLANE_BYTES, SIZE, START_NS, Wanted, frame, percentile_us, prepare, start};
use crate::error::Attempt;
use crate::{Error, Result};
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use watchbook_analysis::{Frame, Output, PixelFormat};
use watchbook_base::{CameraId, TrackRole, UtcNanos, memfd};
use watchbook_plugin_engine::{Machine, Settings};
use watchbook_plugin_host::marks::EVENTS_PER_MINUTE_MAX;
use watchbook_plugin_host::{Binding, Plugins, Report};

/// An answer that takes longer is a failure of the harness.
const PATIENCE: Duration = Duration::from_secs(120);

/// The lines of this measurement.
///
/// # Errors
/// `watchbook-plugins` is not built, or does not answer.
pub fn run(wanted: &Wanted) -> Result<Vec<Line>> {
    let plane: Arc<[u8]> = (0..PLANE_BYTES).map(|index| (index * 31 % 251) as u8).collect();
    let copies = copies(&plane, wanted.size(2_000, 20));
    let there_and_back = socket(&plane, wanted.size(2_000, 20))?;
    let inside = component(&plane, wanted.size(2_000, 20))?;
    let across = processes(wanted, &plane, wanted.size(8, 1))?;
    let us = |times: &[Duration]| format!("{:.1} µs", percentile_us(times, 50));
    let ratio = |one: &[Duration], other: &[Duration]| {
        format!("{:.1} times", percentile_us(one, 50) / percentile_us(other, 50).max(0.001))
    };
    let line = |what: &str, times: &[Duration], (peer, others): (&str, &[Duration]), bound: &str| Line {
        what: format!("{what}, 640x360, p50"),
        figure: us(times),
        peer: format!("{peer}: {}", us(others)),
        ratio: ratio(times, others),
        bound: bound.to_owned(),
    };
    Ok(vec![
        line("frame read by a plugin, component boundary alone", &inside, ("one copy of the plane", &copies), "–"),
        line(
            "frame to another process's plugin and its mark back: seal, send, read, answer",
            &across,
            ("the plane through a socket to a thread and one byte back", &there_and_back),
            "≤ 40 µs",
        ),
    ])
}

fn copies(plane: &[u8], count: usize) -> Vec<Duration> {
    let mut to = vec![0; plane.len()];
    (0..count)
        .map(|_| {
            let began = Instant::now();
            to.copy_from_slice(black_box(plane));
            black_box(&mut to);
            began.elapsed()
        })
        .collect()
}

fn socket(plane: &[u8], count: usize) -> Result<Vec<Duration>> {
    let (mut near, mut far) = UnixStream::pair().attempt("making a socket")?;
    let length = plane.len();
    let reader = std::thread::spawn(move || {
        let mut bytes = vec![0; length];
        while far.read_exact(&mut bytes).is_ok() && far.write_all(&bytes[..1]).is_ok() {}
    });
    let times: Result<Vec<Duration>> = (0..count)
        .map(|_| {
            let began = Instant::now();
            near.write_all(plane).attempt("writing to a socket")?;
            near.read_exact(&mut [0]).attempt("reading from a socket")?;
            Ok(began.elapsed())
        })
        .collect();
    drop(near);
    reader.join().map_err(|_| Error("the socket's other end ended badly".to_owned()))?;
    times
}

fn component(plane: &Arc<[u8]>, count: u64) -> Result<Vec<Duration>> {
    let package = Deed::Reads.package()?;
    let machine = Machine::new(Settings::LIVE).map_err(super::sentence)?;
    let prepared = prepare(&machine, &package)?;
    let (mut instance, _) = start(&prepared, &package)?;
    (0..count)
        .map(|number| {
            let frame = frame(number, Arc::clone(plane));
            let began = Instant::now();
            let marks = instance.on_frame(frame).map_err(super::sentence)?;
            let time = began.elapsed();
            if marks.len() == 1 { Ok(time) } else { Err(Error("a frame without its mark".to_owned())) }
        })
        .collect()
}

/// Each camera gives as many frames as it may give events in a minute.
fn processes(wanted: &Wanted, plane: &[u8], cameras: u32) -> Result<Vec<Duration>> {
    let folder = tempfile::tempdir().attempt("making a folder")?;
    let place = folder.path().join("reads");
    std::fs::create_dir(&place).attempt("making a folder")?;
    std::fs::write(place.join("plugin.wasm"), Deed::Reads.package()?.component).attempt("writing a fixture")?;
    std::fs::write(place.join("plugin.toml"), Deed::Reads.manifest()).attempt("writing a fixture")?;
    let (sender, reports) = channel();
    let (plugins, problems) =
        Plugins::spawn(&wanted.programs.join("watchbook-plugins"), folder.path(), move |report| {
            // The harness may have given up.
            let _ = sender.send(report);
        })
        .attempt("starting watchbook-plugins")?;
    if let Some(problem) = problems.first() {
        return Err(Error(problem.clone()));
    }
    let output = Output { width: SIZE.0, height: SIZE.1, format: PixelFormat::Luma, fps_max: 5.0 };
    let mut times = Vec::new();
    for number in 1..=cameras {
        let camera = CameraId::new(number).attempt("numbering a camera")?;
        let binding =
            Binding { plugin: "org.example.reads".to_owned(), settings: serde_json::Map::new(), zones: Vec::new() };
        plugins.bind(camera, binding).attempt("binding the fixture")?;
        let give = |count: u64| -> Result<()> {
            let pixels = memfd::seal("frame", plane).attempt("sealing a frame")?;
            let utc = UtcNanos((START_NS + count * INTERVAL_NS) as i64);
            let stream = camera.stream(TrackRole::SubVideo);
            plugins.frame(&Frame { stream, output, seq: count, utc, masked: false, pixels: Arc::new(pixels) });
            Ok(())
        };
        // Until it is compiled and started, frames are dropped.
        let begin = Instant::now();
        let mut count = 0;
        loop {
            give(count)?;
            count += 1;
            if event(&reports, Duration::from_millis(20)) {
                break;
            }
            if begin.elapsed() > PATIENCE {
                return Err(Error(format!("no mark came back: {:?}", plugins.list())));
            }
        }
        while event(&reports, Duration::from_millis(50)) {}
        for _ in 0..EVENTS_PER_MINUTE_MAX / 2 {
            let began = Instant::now();
            give(count)?;
            count += 1;
            if !event(&reports, PATIENCE) {
                return Err(Error("a mark did not come back".to_owned()));
            }
            times.push(began.elapsed());
        }
        plugins.unbind_all(camera);
    }
    Ok(times)
}

/// Whether an event comes within the time.
fn event(reports: &Receiver<Report>, time: Duration) -> bool {
    let until = Instant::now() + time;
    loop {
        match reports.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Report::Event(_)) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}
