//! What it costs to encode the pictures of a device once: the real `watchbook-encode`, with what devices give.

use super::Wanted;
use crate::error::Attempt as _;
use crate::{Error, Result};
use core::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use watchbook_analysis::encoder::message::{Job, Pixels};
use watchbook_analysis::encoder::{Encoder, Made};
use watchbook_media::mjpeg;

/// Pictures a second of every path.
const FPS: u32 = 30;
/// Pictures that are made, and then shown again and again.
const MADE: u32 = 30;
/// An encoder that gives nothing for so long will give nothing.
const STUCK: Duration = Duration::from_secs(60);

/// What a device gives: its letters, ffmpeg's name of the layout (of a codec for JPEG), width and height.
type Path4 = (&'static str, &'static str, u32, u32);

const PATHS: [Path4; 6] = [
    ("YUYV", "yuyv422", 640, 480),
    ("YUYV", "yuyv422", 1280, 720),
    ("NV12", "nv12", 1280, 720),
    ("MJPG", "mjpeg", 1280, 720),
    ("YUYV", "yuyv422", 1920, 1080),
    ("MJPG", "mjpeg", 1920, 1080),
];

/// Every path after the other.
///
/// # Errors
/// `watchbook-encode` is not beside this program, ffmpeg makes no pictures, or no encoder works.
pub fn run(wanted: &Wanted) -> Result<String> {
    let own = std::env::current_exe().attempt("finding this program")?;
    let program = own.with_file_name("watchbook-encode");
    let mut text = String::from(
        "| what the device gives | encoder | pictures | processor ms a picture | % of a core at 30 a second | Mbit/s |\n|---|---|---|---|---|---|\n",
    );
    for path in PATHS.iter().take(wanted.size(PATHS.len(), 1)) {
        let line = measure(&program, *path, wanted.size(600, 60))?;
        // Writing to a string does not fail.
        let _ = writeln!(text, "{line}");
    }
    Ok(text)
}

fn measure(program: &Path, (letters, layout, width, height): Path4, count: u32) -> Result<String> {
    let pixels = Pixels::of(letters).attempt("finding the layout")?;
    let pictures = pictures(layout, width, height)?;
    let line_bytes = pixels.line_bytes(width);
    let job = Job { pixels, width, height, line_bytes, fps: FPS, masks: Vec::new() };
    let (to, from) = channel();
    let encoder = Encoder::spawn(program, job, move |made| drop(to.send(made)))
        .map_err(|error| Error(format!("starting {}: {error}", program.display())))?;
    let (mut offered, mut units, mut bytes) = (0, 0, 0_u64);
    let mut heard = Instant::now();
    while units < count {
        let picture = &pictures[offered as usize % pictures.len()];
        let taken = offered < count && encoder.offer(picture, i64::from(offered) * 1_000_000 / i64::from(FPS));
        offered += u32::from(taken);
        match from.recv_timeout(if taken { Duration::ZERO } else { Duration::from_millis(20) }) {
            Ok(Made::Coded { data, .. }) => {
                (units, bytes, heard) = (units + 1, bytes + data.len() as u64, Instant::now());
            }
            Ok(Made::Refused(sentence) | Made::Restarting(sentence)) => return Err(Error(sentence)),
            Err(RecvTimeoutError::Timeout) if heard.elapsed() < STUCK => {}
            Err(_) => return Err(Error(format!("{letters} {width}×{height}: the encoder gives nothing"))),
        }
    }
    let status = encoder.status();
    let cpu_ms = status.cpu_ms as f64 / f64::from(count);
    Ok(format!(
        "| {letters} {width}×{height} | {} | {units} | {cpu_ms:.2} | {:.0} | {:.1} |",
        status.encoder.unwrap_or_default(),
        cpu_ms * f64::from(FPS) / 10.0,
        bytes as f64 * 8.0 * f64::from(FPS) / f64::from(count) / 1e6,
    ))
}

/// Moving bars under a little noise, as a device would give them.
fn pictures(layout: &str, width: u32, height: u32) -> Result<Vec<Vec<u8>>> {
    let picture = format!("testsrc2=size={width}x{height}:rate={FPS},noise=alls=4:allf=t");
    let coded = layout == "mjpeg";
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", &picture, "-frames:v", &MADE.to_string()]);
    match coded {
        true => ffmpeg.args(["-c:v", "mjpeg", "-q:v", "4", "-pix_fmt", "yuvj422p", "-f", "mjpeg", "-"]),
        false => ffmpeg.args(["-pix_fmt", layout, "-f", "rawvideo", "-"]),
    };
    let output = ffmpeg.output().attempt("running ffmpeg, which makes the pictures; install it")?;
    if !output.status.success() {
        return Err(Error(format!("ffmpeg made no pictures: {}", String::from_utf8_lossy(&output.stderr))));
    }
    let (mut rest, mut found) = (&output.stdout[..], Vec::new());
    let size = rest.len() / MADE as usize;
    while !rest.is_empty() {
        let length = match coded {
            true => {
                mjpeg::check(rest).map_err(|error| Error(format!("cutting ffmpeg's pictures: {}", error.message)))?.len
            }
            false => size,
        };
        let (one, others) = rest.split_at_checked(length).attempt("cutting ffmpeg's pictures")?;
        found.push(one.to_vec());
        rest = others;
    }
    Ok(found)
}
