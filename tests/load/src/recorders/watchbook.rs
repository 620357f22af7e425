//! Watchbook itself: configured by its file, read through its API.

use super::{Program, Recorder, Running, Station};
use crate::Result;
use crate::error::Attempt;
use crate::http::Client;
use crate::tags::Tags;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Twice the commit interval: what was received before is durable and listed after it.
const SETTLE: Duration = Duration::from_millis(1000);
/// The stream that a camera is recorded for.
pub const MAIN: &str = "main_video";
/// Longer than any measurement.
const HOUR_MS: u128 = 3_600_000;
/// More than any clock here is ahead of another.
const MINUTE_MS: u128 = 60_000;
/// Smallest and largest segment. A station's ring has hundreds of large segments; a ring for two minutes has eight that are as large as they can be, so that
/// a minute of a stream is cut as seldom as possible.
const SEGMENT_MIB: [u64; 2] = [64, 1024];
/// Segments of the ring.
const SEGMENTS: u64 = 8;

/// The program.
pub struct Watchbook {
    /// Folder of `watchbook` and its child programs.
    pub programs: PathBuf,
}

/// A claimed station.
pub struct Claimed {
    program: Program,
    /// Signed in.
    pub client: Client,
}

impl Recorder for Watchbook {
    fn name(&self) -> String {
        "Watchbook".to_owned()
    }

    fn missing(&self) -> Option<String> {
        let program = self.programs.join("watchbook");
        (!program.is_file()).then(|| format!("{} is not built", program.display()))
    }

    fn start(&self, station: &Station) -> Result<Box<dyn Running>> {
        Ok(Box::new(self.run(station)?))
    }
}

impl Watchbook {
    /// Starts and claims a station.
    ///
    /// # Errors
    /// It does not start, or refuses the claim.
    pub fn run(&self, station: &Station) -> Result<Claimed> {
        let config = station.scratch.join("watchbook.toml");
        std::fs::write(&config, config_text(station, &self.programs)?).attempt("writing the configuration")?;
        self.run_with(&config, &station.scratch)
    }

    /// As [`Watchbook::run`], with a configuration that is written already. The log goes to `scratch`.
    ///
    /// # Errors
    /// As [`Watchbook::run`].
    pub fn run_with(&self, config: &Path, scratch: &Path) -> Result<Claimed> {
        let mut command = Command::new(self.programs.join("watchbook"));
        command.args(["run", "--config"]).arg(config).env("RUST_LOG", "warn");
        let mut program = Program::start("watchbook", &mut command, scratch)?;
        let page = program.wait_line("page: ")?;
        let code = program.wait_line("claim code: ")?;
        let client = Client::claim(&page, &code)?;
        Ok(Claimed { program, client })
    }
}

/// How large a ring must be for a measurement, in the units of the configuration file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RingSize {
    /// As the configuration file says it.
    pub gib: f64,
    /// Of one segment.
    pub segment_mib: u64,
}

impl RingSize {
    /// Room for `footage_bytes_max` and at least a quarter more.
    #[must_use]
    pub fn for_footage(footage_bytes_max: u64) -> Self {
        let wanted = footage_bytes_max / 4 * 5;
        let segment_mib = (wanted / SEGMENTS / (1 << 20)).next_power_of_two().clamp(SEGMENT_MIB[0], SEGMENT_MIB[1]);
        // Whole segments; a sixteenth of a GiB is the smallest one, so the number has few digits.
        let segments = wanted.div_ceil(segment_mib << 20).max(SEGMENTS);
        Self { gib: (segments * segment_mib) as f64 / 1024.0, segment_mib }
    }
}

fn config_text(station: &Station, programs: &Path) -> Result<String> {
    let RingSize { gib, segment_mib } = RingSize::for_footage(station.footage_bytes_max);
    let (state, ring) = (station.disk.join("state"), station.disk.join("ring"));
    let mut text = format!(
        "[web]\nlisten = \"127.0.0.1:0\"\n\n[storage]\nstate_dir = {state:?}\nring_dir = {ring:?}\nring_gib = {gib}\n\
         segment_mib = {segment_mib}\n\n[plugins]\ndir = {:?}\nprogram_dir = {programs:?}\n\n[cameras]\nnetworks = [\"127.0.0.1\"]\n",
        station.scratch.join("plugins"),
    );
    let transport = if station.udp { "udp" } else { "tcp" };
    for (camera, url) in station.urls.iter().enumerate() {
        write!(text, "\n[[camera]]\nname = \"cam{camera}\"\nmain_url = {url:?}\ntransport = {transport:?}\npurpose = \"A measurement\"\ncontact = \"A measurement\"\n")
            .attempt("writing the configuration")?;
    }
    Ok(text)
}

impl Claimed {
    /// Opens an emergency about all cameras; its number, to [`Claimed::read`] with.
    ///
    /// # Errors
    /// It does not answer, or one is open already.
    pub fn open_case(&self) -> Result<&'static str> {
        let cameras = self.client.json("/api/v1/cameras")?;
        let ids = cameras["cameras"].as_array().into_iter().flatten().filter_map(|camera| camera["id"].as_u64());
        self.client.open_emergency(&ids.collect::<Vec<_>>())
    }

    /// Plays everything that each camera has of a role (`main_video` or `sub_video`), 15 minutes at most, as a user would, and finds its tags. Returns how many gaps
    /// touch the time `within_ms`, in UTC milliseconds.
    ///
    /// # Errors
    /// It does not answer.
    pub fn read(&self, case: &str, role: &str, tags: &mut Tags, within_ms: &Range<i64>) -> Result<u64> {
        let mut gaps = 0;
        let cameras = self.client.json("/api/v1/cameras")?;
        for camera in cameras["cameras"].as_array().attempt("listing the cameras")? {
            let id = camera["id"].as_u64().attempt("reading a camera's number")?;
            let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).attempt("asking for the time")?.as_millis();
            let recordings = self.client.json(&format!(
                "/api/v1/cameras/{id}/recordings?from_utc_ms={}&to_utc_ms={}&role={role}",
                now_ms - HOUR_MS,
                now_ms + MINUTE_MS
            ))?;
            let (Some(from), Some(to)) = (recordings["first_utc_ms"].as_i64(), recordings["last_utc_ms"].as_i64())
            else {
                continue;
            };
            let list = recordings["gaps"].as_array().map(Vec::as_slice).unwrap_or_default();
            let touches = |gap: &&serde_json::Value| {
                gap["start_utc_ms"].as_i64().is_some_and(|start| start < within_ms.end)
                    && gap["end_utc_ms"].as_i64().is_none_or(|end| end > within_ms.start)
            };
            gaps += list.iter().filter(touches).count() as u64;
            // The end is rounded down to a millisecond; one more takes the last frame in.
            let span = format!("from_utc_ms={from}&to_utc_ms={}", to + 1);
            let file = format!("playback.mp4?{span}&role={role}&case={case}");
            tags.read(self.client.get(&format!("/api/v1/cameras/{id}/{file}"))?)?;
        }
        Ok(gaps)
    }

    /// Stops the station.
    ///
    /// # Errors
    /// It does not end in time.
    pub fn stop(mut self) -> Result<()> {
        self.program.terminate()
    }
}

impl Running for Claimed {
    fn pids(&self) -> Vec<u32> {
        vec![self.program.id()]
    }

    fn commits(&self) -> Result<Option<u64>> {
        let health = self.client.json("/api/v1/health")?;
        Ok(["/ring/commits", "/disks/ring/commits"].iter().find_map(|path| health.pointer(path)?.as_u64()))
    }

    /// Plays everything that each camera has, as a user would.
    fn finish(self: Box<Self>) -> Result<Tags> {
        std::thread::sleep(SETTLE);
        let mut tags = Tags::default();
        self.read(self.open_case()?, MAIN, &mut tags, &(0..0))?;
        self.stop()?;
        Ok(tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_has_room_and_whole_segments() {
        for footage in [0, 100 << 20, 5 << 30, 50 << 30] {
            let RingSize { gib, segment_mib } = RingSize::for_footage(footage);
            let bytes = (gib * f64::from(1 << 30)) as u64;
            assert!(bytes >= footage / 4 * 5, "{footage}: {bytes}");
            assert_eq!((bytes % (segment_mib << 20), bytes / (segment_mib << 20) >= SEGMENTS), (0, true), "{footage}");
        }
    }
}
