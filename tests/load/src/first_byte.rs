//! How long it takes until ten seconds, a minute or a quarter of an hour begin to play.

use crate::error::Attempt;
use crate::http::Client;
use crate::recorders::Station;
use crate::recorders::watchbook::Watchbook;
use crate::{Error, Result, fill};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// A day, in which they are found.
const DAY_SEC: u64 = 24 * 3600;

/// Requests for each length after the first one.
const REPEATS: usize = 9;

/// How long one length took.
pub struct FirstByte {
    /// For the table.
    pub length: &'static str,
    /// Nothing of this range had been asked for before.
    pub first: Duration,
    /// Of the following requests.
    pub median: Duration,
    /// The whole file.
    pub file_bytes: u64,
}

/// What is asked for: words for the table, length in seconds.
const LENGTHS: [(&str, u64); 3] = [("10 s", 10), ("1 min", 60), ("15 min", 900)];

/// Fills a ring with a day of one camera, starts Watchbook on it and plays over its HTTP interface. Returns the rows, and a sentence about the
/// conditions.
///
/// # Errors
/// The ring cannot be filled, Watchbook does not start on it, or a request fails.
pub fn measure(programs: &Path, folder: &Path) -> Result<(Vec<FirstByte>, String)> {
    let disk = tempfile::tempdir_in(folder).attempt("making a folder")?;
    let scratch = tempfile::tempdir_in(folder).attempt("making a folder")?;
    let station = Station {
        // Nobody listens there: the camera stays lost, its footage is there.
        urls: vec!["rtsp://127.0.0.1:9/cam/0".to_owned()],
        disk: disk.path().to_owned(),
        scratch: scratch.path().to_owned(),
        udp: false,
        footage_bytes_max: fill::footage_bytes_max(DAY_SEC),
    };
    let started = Instant::now();
    let filled = fill::fill(&station, DAY_SEC)?;
    eprintln!("  {} commits in {:.0} s", filled.commits, started.elapsed().as_secs_f64());
    let running = Watchbook { programs: programs.to_owned() }.run(&station)?;
    let camera = running.client.json("/api/v1/cameras")?.pointer("/cameras/0/id").and_then(Value::as_u64);
    let camera = camera.attempt("finding the camera of the filled ring")?;
    let case = running.client.open_emergency(&[camera])?;
    let mut rows = Vec::new();
    for (length, seconds) in LENGTHS {
        // From the middle, so that the range has to be found.
        let ms = |seconds: u64| i64::try_from(seconds * 1000).attempt("counting milliseconds");
        let from = filled.start_utc_ms + ms((DAY_SEC - seconds) / 2)?;
        rows.push(ask(&running.client, (case, camera), length, [from, from + ms(seconds)?])?);
    }
    let how = format!(
        "One camera, {} frames in {} commits, written by the store's own writer with samples of 145 bytes; played over the HTTP interface, page cache warm.",
        filled.frames, filled.commits
    );
    Ok((rows, how))
}

fn ask(client: &Client, (case, camera): (&str, u64), length: &'static str, [from, to]: [i64; 2]) -> Result<FirstByte> {
    let path =
        format!("/api/v1/cameras/{camera}/playback.mp4?case={case}&from_utc_ms={from}&to_utc_ms={to}&role=main_video");
    let (first, file_bytes) = client.first_byte(&path)?;
    if file_bytes == 0 {
        return Err(Error(format!("{path} gave an empty file")));
    }
    let mut others = Vec::new();
    for _ in 0..REPEATS {
        others.push(client.first_byte(&path)?.0);
    }
    others.sort_unstable();
    Ok(FirstByte { length, first, median: others[REPEATS / 2], file_bytes })
}
