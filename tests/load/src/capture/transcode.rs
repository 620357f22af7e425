//! What a transcoded live picture costs: real footage in H.265 goes through the pair of programs that a viewer has, at its own pace, and ffmpeg does the same work in the same run.

use super::{Wanted, footage};
use crate::error::Attempt as _;
use crate::{Error, Result};
use core::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use watchbook_analysis::mask::Fill;
use watchbook_analysis::message::Bounds;
use watchbook_analysis::redact::Redactor;
use watchbook_analysis::replay::Unit;
use watchbook_base::UtcNanos;
use watchbook_media::h26x::{Standard, from_annex_b, is_key_frame};
use watchbook_media::{Codec, TrackFormat};

/// What cameras record.
const SHAPES: [(u32, u32); 3] = [(1280, 720), (1920, 1080), (2560, 1440)];
/// Pictures a second.
const FPS: u32 = 25;
/// What a viewer gets, as `appliance/watchbook/src/station/transcode.rs` has it.
const BOUNDS: Bounds = Bounds { width_max: 1280, height_max: 720, fps_max: 30 };

/// Every size.
///
/// # Errors
/// ffmpeg, the footage or a program is missing.
pub fn run(wanted: &Wanted) -> Result<String> {
    let folder = tempfile::tempdir().attempt("making a folder for footage")?;
    let seconds = wanted.size(20, 2);
    let mut text = format!(
        "Real footage (pedestrians on a square) in H.265 at {FPS} pictures a second and 4 Mbit/s, to H.264 of at most 1280×720, at the pace of a camera. ffmpeg: one thread to decode and one to encode, the same scaler, \
         encoder and settings.\n\n| recorded | processor time a second of one stream | the same by ffmpeg | latest picture |\n|---|---|---|---|\n"
    );
    for (width, height) in wanted.size(&SHAPES[..], &SHAPES[..1]) {
        eprintln!("{width}×{height} …");
        let file = folder.path().join("film.265");
        film((*width, *height), seconds, &file)?;
        let (ours, latest) = paced(&file, (*width, *height), seconds)?;
        let theirs = cpu_of_children(|| by_ffmpeg(&file))?;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {width}×{height} | {:.2} s | {:.2} s | {} ms |",
            ours / f64::from(seconds),
            theirs / f64::from(seconds),
            latest.as_millis()
        );
    }
    Ok(text)
}

/// Footage of that size in H.265.
fn film((width, height): (u32, u32), seconds: u32, to: &Path) -> Result<()> {
    let scale = format!("scale={width}:{height}:flags=bicubic");
    let rate = "log-level=none:keyint=50:min-keyint=50:scenecut=0:bframes=0:aud=1:repeat-headers=1:vbv-maxrate=6000:vbv-bufsize=6000";
    let length = seconds.to_string();
    let coded = "-c:v libx265 -preset ultrafast -b:v 4M -f hevc -x265-params";
    let mut after = vec!["-t", &length, "-vf", &scale];
    after.extend(coded.split(' '));
    after.push(rate);
    ffmpeg(&["-y", "-r", "25", "-i"], &footage()?.join("main.264"), &after, Some(to))
}

/// The same work as ours.
fn by_ffmpeg(file: &Path) -> Result<()> {
    let before = "-threads 1 -filter_threads 1 -re -r 25 -i";
    let after = "-vf scale=1280:720:flags=area -c:v libx264 -preset superfast -tune zerolatency -profile:v main -crf 24 -maxrate 6000k -bufsize 6000k -g 25 -x264-params threads=1:sliced-threads=0:scenecut=0 -f null -";
    let words = |text: &'static str| text.split(' ').collect::<Vec<_>>();
    ffmpeg(&words(before), file, &words(after), None)
}

fn ffmpeg(before: &[&str], input: &Path, after: &[&str], output: Option<&Path>) -> Result<()> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin"]).args(before).arg(input).args(after).args(output);
    let done = command.output().attempt("starting ffmpeg")?;
    if done.status.success() { Ok(()) } else { Err(Error(String::from_utf8_lossy(&done.stderr).into_owned())) }
}

/// Processor time of the children that ended during `work`: `cutime` and `cstime` of proc(5), in hundredths of a second.
fn cpu_of_children(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let now = || -> Result<u64> {
        let stat = std::fs::read_to_string("/proc/self/stat").attempt("reading /proc/self/stat")?;
        let behind = stat.rsplit(") ").next().unwrap_or_default();
        // Fields 16 and 17; what is behind the name begins with field 3.
        Ok(behind.split(' ').skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum())
    };
    let before = now()?;
    work()?;
    Ok((now()? - before) as f64 / 100.0)
}

/// Processor seconds of both programs, and how long the slowest picture took from its access unit to H.264.
fn paced(film: &Path, (width, height): (u32, u32), seconds: u32) -> Result<(f64, Duration)> {
    let all = std::fs::read(film).attempt("reading the film")?;
    // Every access unit begins with a delimiter.
    let mut starts: Vec<usize> = (0..all.len()).filter(|at| all[*at..].starts_with(&[0, 0, 0, 1, 0x46])).collect();
    starts.push(all.len());
    let own = std::env::current_exe().attempt("finding this program")?;
    let (decode, encode) = (own.with_file_name("watchbook-decode"), own.with_file_name("watchbook-encode"));
    let failed = |error: watchbook_analysis::Error| Error(format!("transcoding: {error}"));
    let (mut count, mut latest) = (0_u32, Duration::ZERO);
    let used = cpu_of_children(|| {
        let mut pair = Redactor::to_look(&decode, &encode, BOUNDS).map_err(failed)?;
        let format = TrackFormat { codec: Codec::H265 { width, height }, config: bytes::Bytes::new() };
        pair.open(&format, FPS).map_err(failed)?;
        let began = Instant::now();
        for (number, unit) in starts.windows(2).enumerate() {
            let due = Duration::from_secs(1) / FPS * number as u32;
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            let data = from_annex_b(&all[unit[0]..unit[1]]).map_err(|error| Error(error.message))?;
            let fed = Instant::now();
            let utc = UtcNanos(i64::try_from(number).unwrap_or(0) * 40_000_000);
            let unit = Unit { utc, key: is_key_frame(Standard::H265, &data), data: &data };
            let mut on = |_| {
                count += 1;
                Ok(())
            };
            pair.feed(unit, Some(Fill { outlines: Vec::new(), but: false }), &mut on).map_err(failed)?;
            pair.settle(&mut on).map_err(failed)?;
            // The first one starts the encoder.
            if number > 0 {
                latest = latest.max(fed.elapsed());
            }
        }
        Ok(())
    })?;
    if count < seconds * FPS * 9 / 10 {
        return Err(Error(format!("only {count} pictures came of {seconds} s")));
    }
    Ok((used, latest))
}
