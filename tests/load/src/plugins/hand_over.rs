//! What it costs to give a plugin a frame: across the process and the component boundary, and back with a mark.

mod parts;

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
    let there_and_back = [Duration::ZERO, PAUSE].map(|pause| socket(&plane, wanted.size(500, 20), pause));
    let [at_once, paced] = there_and_back;
    let sockets = [at_once?, paced?];
    let inside = component(&plane, wanted.size(2_000, 20))?;
    let seals = parts::seals(&plane, wanted.size(500, 5))?;
    let across = processes(wanted, &plane, wanted.size(8, 1))?;
    let us = |times: &[Duration]| format!("{:.1} µs", percentile_us(times, 50));
    let ratio = |one: &[Duration], other: &[Duration]| {
        format!("{:.1} times", percentile_us(one, 50) / percentile_us(other, 50).max(0.001))
    };
    let copy = ("one copy of the plane", copies.as_slice());
    let socket = "the plane through a socket to a thread and one byte back";
    let line = |what: &str, times: &[Duration], (peer, others): (&str, &[Duration]), bound: &str| Line {
        what: format!("{what}, 640x360, p50"),
        figure: us(times),
        peer: format!("{peer}: {}", us(others)),
        ratio: ratio(times, others),
        bound: bound.to_owned(),
    };
    let mut lines = vec![
        line("frame read by a plugin, component boundary alone", &inside, copy, "–"),
        line("sealing a frame, once in the decoder, whatever the number of plugins", &seals, copy, "–"),
    ];
    for (index, pace) in ["one after the other", "2 ms apart"].into_iter().enumerate() {
        let (Across { read, back }, peer) = (&across[index], (socket, sockets[index].as_slice()));
        let bound = if index == 0 { "≤ 40 µs" } else { "–" };
        lines.push(line(
            &format!("sealed frame handed to another process, until its plugin has read it, {pace}"),
            read,
            peer,
            bound,
        ));
        lines.push(line(&format!("the same until its mark has come back, {pace}"), back, peer, "–"));
    }
    lines.extend(parts::run(wanted, &plane)?);
    Ok(lines)
}

/// Between two frames when they do not come one after the other: long enough for the processors to fall idle.
const PAUSE: Duration = Duration::from_millis(2);

fn rest(pause: Duration) {
    if !pause.is_zero() {
        std::thread::sleep(pause);
    }
}

/// Times of the frames that were handed to another process.
#[derive(Default)]
struct Across {
    /// From the call until the plugin that reads the plane was done.
    read: Vec<Duration>,
    /// From the call until the report of its mark.
    back: Vec<Duration>,
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

fn socket(plane: &[u8], count: usize, pause: Duration) -> Result<Vec<Duration>> {
    let (mut near, mut far) = UnixStream::pair().attempt("making a socket")?;
    let length = plane.len();
    let reader = std::thread::spawn(move || {
        let mut bytes = vec![0; length];
        while far.read_exact(&mut bytes).is_ok() && far.write_all(&bytes[..1]).is_ok() {}
    });
    let times: Result<Vec<Duration>> = (0..count)
        .map(|_| {
            rest(pause);
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
fn processes(wanted: &Wanted, plane: &[u8], cameras: u32) -> Result<[Across; 2]> {
    let folder = tempfile::tempdir().attempt("making a folder")?;
    let place = folder.path().join("reads");
    std::fs::create_dir(&place).attempt("making a folder")?;
    std::fs::write(place.join("plugin.wasm"), Deed::Reads.package()?.component).attempt("writing a fixture")?;
    std::fs::write(place.join("plugin.toml"), Deed::Reads.manifest()).attempt("writing a fixture")?;
    let (sender, reports) = channel();
    let (plugins, problems) =
        Plugins::spawn(&wanted.programs.join("watchbook-plugins"), folder.path(), move |report| {
            // The harness may have given up.
            let _ = sender.send((Instant::now(), report));
        })
        .attempt("starting watchbook-plugins")?;
    if let Some(problem) = problems.first() {
        return Err(Error(problem.clone()));
    }
    let mut across = <[Across; 2]>::default();
    for number in 1..=2 * cameras {
        let camera = CameraId::new(number).attempt("numbering a camera")?;
        let binding =
            Binding { plugin: "org.example.reads".to_owned(), settings: serde_json::Map::new(), zones: Vec::new() };
        plugins.bind(camera, binding).attempt("binding the fixture")?;
        let paced = number % 2 == 0;
        let pause = if paced { PAUSE } else { Duration::ZERO };
        camera_frames(&plugins, (camera, pause), plane, (&reports, &mut across[usize::from(paced)]))?;
        plugins.unbind_all(camera);
    }
    Ok(across)
}

/// Frames of one camera, each answered before the next: first until it works, then those that count.
fn camera_frames(
    plugins: &Plugins,
    (camera, pause): (CameraId, Duration),
    plane: &[u8],
    (reports, across): (&Receiver<Answer>, &mut Across),
) -> Result<()> {
    let output = Output { width: SIZE.0, height: SIZE.1, format: PixelFormat::Luma, fps_max: 5.0 };
    let give = |count: u64| -> Result<Instant> {
        let pixels = Arc::new(memfd::seal("frame", plane).attempt("sealing a frame")?);
        let utc = UtcNanos((START_NS + count * INTERVAL_NS) as i64);
        let stream = camera.stream(TrackRole::SubVideo);
        let frame = Frame { stream, output, seq: count, utc, media: None, masked: false, pixels };
        let began = Instant::now();
        plugins.frame(&frame);
        Ok(began)
    };
    let begin = Instant::now();
    let mut count = 0;
    loop {
        give(count)?;
        count += 1;
        if event(reports, Duration::from_millis(20)).is_some() {
            break;
        }
        if begin.elapsed() > PATIENCE {
            return Err(Error(format!("no mark came back: {:?}", plugins.list())));
        }
    }
    while event(reports, Duration::from_millis(50)).is_some() {}
    for _ in 0..EVENTS_PER_MINUTE_MAX / 2 {
        rest(pause);
        let began = give(count)?;
        count += 1;
        let back = event(reports, PATIENCE).attempt("waiting for a mark")?;
        across.back.push(back.saturating_duration_since(began));
        let list = plugins.list();
        let mine = list.iter().flat_map(|plugin| &plugin.instances).find(|instance| instance.camera == camera);
        let took_ns = mine.and_then(|instance| instance.took_ns).attempt("asking how long a frame took")?;
        across.read.push(Duration::from_nanos(took_ns));
    }
    Ok(())
}

/// A report and when it came.
type Answer = (Instant, Report);

/// When an event came, within the time.
fn event(reports: &Receiver<Answer>, time: Duration) -> Option<Instant> {
    let until = Instant::now() + time;
    loop {
        match reports.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok((at, Report::Event(_))) => return Some(at),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}
