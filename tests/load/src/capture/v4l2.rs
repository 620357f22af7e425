//! What the pictures of a device cost by the path that they take: kept as they are, or encoded once. Real footage in the formats of devices goes through the very functions and
//! the very child program (`watchbook-encode`, with its wall) that a session with a device uses; the device itself is left out.

use super::{Wanted, footage};
use crate::error::Attempt as _;
use crate::{Error, Result, meter};
use core::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use watchbook_analysis::encoder::message::{Job, Pixels};
use watchbook_analysis::encoder::{Encoder, Made};
use watchbook_media::h26x::{NalKind, Standard, annex_b_units, check_access_unit};
use watchbook_media::mjpeg;

/// Sizes and rates.
const SHAPES: [(u32, u32, u32); 3] = [(640, 360, 10), (1280, 720, 25), (1920, 1080, 30)];
/// How much of the footage is shown over and over.
const CLIP_SECONDS: u32 = 4;
/// How often the processor time of what is unpaced is asked for.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// How pictures come and what becomes of them.
#[derive(Clone, Copy)]
enum Way {
    H264,
    Jpeg,
    /// Encoded, by letters of the format.
    Encoded(&'static str),
}

const PATHS: [(Way, &str); 5] = [
    (Way::H264, "H.264 as it is"),
    (Way::Jpeg, "JPEG as it is"),
    (Way::Encoded("MJPG"), "JPEG encoded"),
    (Way::Encoded("YUYV"), "YUYV encoded"),
    (Way::Encoded("NV12"), "NV12 encoded"),
];

/// Every path at every size.
///
/// # Errors
/// ffmpeg, the footage or the program `watchbook-encode` is missing.
pub fn run(wanted: &Wanted) -> Result<String> {
    let folder = tempfile::tempdir().attempt("making a folder for pictures")?;
    let over = wanted.size(Duration::from_secs(20), Duration::from_secs(2));
    // What is measured unpaced is repeated until it has taken so much processor time: the kernel counts it in steps of 10 ms.
    let enough_sec = wanted.size(1.0, 0.1);
    let mut text = "Real footage (pedestrians on a square) in the formats of devices. As it is: found to be whole and copied, as capture does before a picture goes to the ring. \
                    Encoded: from the picture in memory to the access unit that is back, child program included.\n\n\
                    | path | size and rate | processor time for a minute of the stream | encoder | pictures left out |\n|---|---|---|---|---|\n"
        .to_owned();
    for (width, height, fps) in wanted.size(&SHAPES[..], &SHAPES[..1]) {
        let shape = Shape { width: *width, height: *height, fps: *fps };
        for (path, name) in PATHS {
            eprintln!("{name}, {width}×{height} at {fps}/s …");
            let cost = match path {
                Way::H264 => as_it_is(&shape.pictures(folder.path(), path)?, shape.fps, (h264, enough_sec))?,
                Way::Jpeg => as_it_is(&shape.pictures(folder.path(), path)?, shape.fps, (jpeg, enough_sec))?,
                Way::Encoded(letters) => encoded(&shape.pictures(folder.path(), path)?, shape, letters, over)?,
            };
            let Cost { cpu_sec_per_min, encoder, dropped } = cost;
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "| {name} | {width}×{height}, {fps}/s | {cpu_sec_per_min:.3} s | {} | {dropped} |",
                encoder.as_deref().unwrap_or("–")
            );
        }
    }
    Ok(text)
}

struct Cost {
    cpu_sec_per_min: f64,
    encoder: Option<String>,
    dropped: u64,
}

#[derive(Clone, Copy)]
struct Shape {
    width: u32,
    height: u32,
    fps: u32,
}

impl Shape {
    /// The footage as a device gives it, one picture after the other.
    fn pictures(self, folder: &Path, path: Way) -> Result<Vec<Vec<u8>>> {
        let Self { width, height, fps } = self;
        let codec: &[&str] = match path {
            Way::H264 => &["-c:v", "libx264", "-g", "50", "-bf", "0", "-x264-params", "aud=1", "-f", "h264"],
            Way::Jpeg | Way::Encoded("MJPG") => &["-c:v", "mjpeg", "-q:v", "4", "-pix_fmt", "yuvj420p", "-f", "mjpeg"],
            Way::Encoded("YUYV") => &["-pix_fmt", "yuyv422", "-f", "rawvideo"],
            Way::Encoded(_) => &["-pix_fmt", "nv12", "-f", "rawvideo"],
        };
        let file = folder.join("pictures");
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-y", "-r", "25", "-i"]).arg(footage()?.join("main.264"));
        command.args(["-t", &CLIP_SECONDS.to_string(), "-r", &fps.to_string()]);
        command.args(["-vf", &format!("scale={width}:{height}")]).args(codec).arg(&file);
        let output = command.output().attempt("starting ffmpeg")?;
        if !output.status.success() {
            return Err(Error(format!("making pictures: {}", String::from_utf8_lossy(&output.stderr))));
        }
        let all = std::fs::read(&file).attempt("reading pictures")?;
        let cut = match path {
            Way::H264 => marked(&all, &[0, 0, 0, 1, 9]),
            Way::Jpeg | Way::Encoded("MJPG") => marked(&all, &[0xFF, 0xD8, 0xFF]),
            Way::Encoded(letters) => {
                let bytes = (width * height) as usize * if letters == "YUYV" { 4 } else { 3 } / 2;
                all.chunks_exact(bytes).map(<[u8]>::to_vec).collect()
            }
        };
        if cut.len() < 2 { Err(Error("cutting the footage into pictures: there are none".to_owned())) } else { Ok(cut) }
    }
}

/// Pictures that each begin with `mark`.
fn marked(all: &[u8], mark: &[u8]) -> Vec<Vec<u8>> {
    let mut starts: Vec<usize> = (0..all.len()).filter(|at| all[*at..].starts_with(mark)).collect();
    starts.push(all.len());
    starts.windows(2).map(|pair| all[pair[0]..pair[1]].to_vec()).collect()
}

/// The parameter sets apart, the rest with its lengths, found to be whole.
fn h264(picture: &[u8]) -> Result<Vec<u8>> {
    let mut data = Vec::with_capacity(picture.len() + 64);
    for nal in annex_b_units(picture) {
        if Standard::H264.nal_kind(nal.first().copied().unwrap_or(0x80)) != NalKind::ParameterSet {
            data.extend_from_slice(&(nal.len() as u32).to_be_bytes());
            data.extend_from_slice(nal);
        }
    }
    check_access_unit(Standard::H264, &data).map_err(|error| Error(error.message))?;
    Ok(data)
}

fn jpeg(picture: &[u8]) -> Result<Vec<u8>> {
    let whole = mjpeg::check(picture).map_err(|error| Error(error.message))?;
    Ok(picture.get(..whole.len).unwrap_or(picture).to_vec())
}

fn cpu_sec() -> f64 {
    meter::usage(&[std::process::id()]).cpu_sec
}

/// How a picture is kept.
type Keep = fn(&[u8]) -> Result<Vec<u8>>;

fn as_it_is(pictures: &[Vec<u8>], fps: u32, (keep, enough_sec): (Keep, f64)) -> Result<Cost> {
    let (before, mut done) = (cpu_sec(), 0_u64);
    loop {
        // To ask for the processor time costs some.
        let asked = Instant::now();
        while asked.elapsed() < ASK_EVERY {
            for picture in pictures {
                drop(std::hint::black_box(keep(std::hint::black_box(picture))?));
                done += 1;
            }
        }
        let used = cpu_sec() - before;
        if used >= enough_sec {
            let cpu_sec_per_min = used / done as f64 * f64::from(fps * 60);
            return Ok(Cost { cpu_sec_per_min, encoder: None, dropped: 0 });
        }
    }
}

fn encoded(pictures: &[Vec<u8>], shape: Shape, letters: &str, over: Duration) -> Result<Cost> {
    let own = std::env::current_exe().attempt("finding this program")?;
    let program = own.with_file_name("watchbook-encode");
    let pixels = Pixels::of(letters).attempt(format!("reading {letters}"))?;
    let Shape { width, height, fps } = shape;
    let job = Job { pixels, width, height, line_bytes: pixels.line_bytes(width), fps, masks: Vec::new(), fast: false };
    let made = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&made);
    let on = move |one| match one {
        Made::Coded { data, .. } => {
            count.fetch_add(u64::from(!data.is_empty()), Ordering::Relaxed);
        }
        Made::Refused(why) | Made::Restarting(why) => eprintln!("  {why}"),
    };
    let encoder = Encoder::spawn(&program, job, on).attempt(format!("starting {}", program.display()))?;
    let each = Duration::from_secs(1) / fps;
    let (mut due, mut at_us, mut next) = (Instant::now(), 0_i64, pictures.iter().cycle());
    let mut offer = || -> bool {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due += each;
        at_us += i64::try_from(each.as_micros()).unwrap_or(i64::MAX);
        next.next().is_some_and(|picture| encoder.offer(picture, at_us))
    };
    // The child starts, and its encoder with it.
    let ready = Instant::now() + Duration::from_secs(20);
    while made.load(Ordering::Relaxed) < 5 {
        offer();
        if Instant::now() > ready {
            return Err(Error(format!("encoding {letters}: nothing came of it within 20 s")));
        }
    }
    let (before, began, mut dropped) = (cpu_sec(), Instant::now(), 0);
    while began.elapsed() < over {
        dropped += u64::from(!offer());
    }
    let cpu_sec_per_min = (cpu_sec() - before) * 60.0 / began.elapsed().as_secs_f64();
    Ok(Cost { cpu_sec_per_min, encoder: encoder.status().encoder, dropped })
}
