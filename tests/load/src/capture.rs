//! Benchmarks of capture alone, without disk and page: `watchbook-load capture`. Real RTSP sessions to simulated cameras on the loopback, and the real encoder of devices.

pub mod loss;
pub mod outages;
pub mod restart;
pub mod silence;
pub mod transcode;
pub mod v4l2;

use crate::camera::Simulator;
use crate::clip::{self, Clip, Shape};
use crate::error::Attempt as _;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use watchbook_base::clock::SystemClock;
use watchbook_base::{CameraId, Ticks90k, TrackRole};
use watchbook_capture::{
    CameraConfig, CameraHandle, Encoding, Masks, Networks, Sink, SourceConfig, SourceUrl, StreamState, Transport,
    spawn_camera,
};
use watchbook_media::{Packet, RecordingEnd, RecordingStart};

/// A measurement and its name on the command line.
pub type Bench = fn(&Wanted) -> Result<String>;

/// Every measurement.
pub const BENCHES: [(&str, Bench); 6] = [
    ("outages", outages::run),
    ("restart", restart::run),
    ("silence", silence::run),
    ("v4l2", v4l2::run),
    ("loss", loss::run),
    ("transcode", transcode::run),
];

/// A camera that is not recorded again within this is stuck.
pub const STUCK: Duration = Duration::from_secs(60);

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Names of [`BENCHES`].
    pub benches: Vec<String>,
    /// Of all that is random.
    pub seed: u64,
    /// Sizes at which everything takes seconds: does the harness work?
    pub tiny: bool,
}

impl Wanted {
    /// One of two sizes.
    #[must_use]
    pub fn size<T>(&self, full: T, tiny: T) -> T {
        if self.tiny { tiny } else { full }
    }

    /// What the cameras show.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn clip(&self) -> Result<Clip> {
        Clip::cached(self.size(Shape::STREET, Shape::SMALL), &clip::cache())
    }
}

/// Runs what is wanted and returns the tables.
///
/// # Errors
/// A name is not of [`BENCHES`], or a measurement cannot be made.
pub fn run(wanted: &Wanted) -> Result<String> {
    let mut text = String::new();
    for name in &wanted.benches {
        let found = BENCHES.iter().find(|(known, _)| known == name);
        let (_, bench) = found.attempt(format!("finding the measurement {name:?}; see capture --help"))?;
        eprintln!("{name} …");
        text.push_str(&bench(wanted)?);
        text.push('\n');
    }
    Ok(text)
}

/// What has come of one camera's main stream.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The newest packet.
    pub last: Option<Instant>,
    /// Packets.
    pub packets: u64,
    /// Frames by their tag, in order of arrival.
    pub frames: Vec<u64>,
    /// Packets that are what was sent but for the tag, which was lost.
    pub untagged: u64,
    /// Packets that are not what was sent.
    pub wrong: u64,
    /// Every packet of a [`Judge`], in order of arrival.
    pub told: Vec<Told>,
    /// Recordings that have begun.
    pub recordings: u32,
    /// What capture says about the stream.
    pub state: Option<StreamState>,
}

/// What a packet tells.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// The recording that it belongs to, counted from 1.
    pub recording: u32,
    /// Decode time within that.
    pub dts: Ticks90k,
    /// By its tag.
    pub frame: Option<u64>,
    /// What is missing before it.
    pub lost_before: u16,
}

/// What a packet is beside what the camera sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// This frame, byte for byte.
    Frame(u64),
    /// A whole frame, but for its tag.
    Untagged,
    /// Nothing that was sent.
    Wrong,
}

/// Judges a packet.
pub type Judge = Box<dyn Fn(&Packet) -> Judged + Send + Sync>;

/// A sink that notes what comes.
#[derive(Default)]
pub struct Tally {
    seen: Mutex<BTreeMap<CameraId, Seen>>,
    changed: Condvar,
    judge: Option<Judge>,
}

impl Tally {
    /// One that judges every packet.
    #[must_use]
    pub fn judging(judge: Judge) -> Self {
        Self { judge: Some(judge), ..Self::default() }
    }

    /// What has come of one camera.
    #[must_use]
    pub fn seen(&self, camera: CameraId) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&camera).cloned().unwrap_or_default()
    }

    /// When the first packet of `camera` after `since` came; `None`: not within [`STUCK`].
    #[must_use]
    pub fn wait_after(&self, camera: CameraId, since: Instant) -> Option<Instant> {
        let deadline = since + STUCK;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(last) = seen.get(&camera).and_then(|seen| seen.last).filter(|last| *last > since) {
                return Some(last);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            seen = self.changed.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn note(&self, camera: CameraId, change: impl FnOnce(&mut Seen)) {
        change(self.seen.lock().unwrap_or_else(PoisonError::into_inner).entry(camera).or_default());
        self.changed.notify_all();
    }
}

impl Sink for Tally {
    fn begin(&self, start: &RecordingStart) {
        self.note(start.stream.camera, |seen| seen.recordings += 1);
    }

    fn packet(&self, packet: Packet) {
        let frame = self.judge.as_ref().map(|judge| judge(&packet));
        self.note(packet.stream.camera, |seen| {
            seen.last = Some(Instant::now());
            seen.packets += 1;
            if let Some(judged) = frame {
                let frame = if let Judged::Frame(frame) = judged { Some(frame) } else { None };
                let (recording, dts, lost_before) = (seen.recordings, packet.dts, packet.lost_before);
                seen.told.push(Told { recording, dts, frame, lost_before });
            }
            match frame {
                Some(Judged::Frame(frame)) => seen.frames.push(frame),
                Some(Judged::Untagged) => seen.untagged += 1,
                Some(Judged::Wrong) => seen.wrong += 1,
                None => {}
            }
        });
    }

    fn end(&self, _: &RecordingEnd) {}

    fn state(&self, camera: CameraId, role: TrackRole, state: StreamState) {
        if role == TrackRole::MainVideo {
            self.note(camera, |seen| seen.state = Some(state));
        }
    }
}

/// Folder of the footage of the tests' cameras: pedestrians on a square, `main.264` in 1280×720 at 25 pictures a second. Made at the first call.
///
/// # Errors
/// It cannot be made; ffmpeg or OpenCV's samples are missing.
pub fn footage() -> Result<PathBuf> {
    let folder = clip::cache().with_file_name("footage");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/servers/prepare_footage.sh");
    let output = Command::new(&script).arg(&folder).output().attempt(format!("starting {}", script.display()))?;
    let why = || Error(format!("preparing footage: {}", String::from_utf8_lossy(&output.stderr)));
    if output.status.success() { Ok(folder) } else { Err(why()) }
}

/// A runtime as the recorder has it.
///
/// # Errors
/// There are no threads to be had.
pub fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().attempt("starting a runtime")
}

/// Records camera `number` of `simulator` as camera `number + 1`.
///
/// # Errors
/// The address is refused, which would be our mistake.
pub fn record(
    runtime: &Runtime,
    simulator: &Simulator,
    number: u16,
    transport: Transport,
    sink: &Arc<Tally>,
) -> Result<(CameraId, CameraHandle)> {
    record_at(runtime, &Place { url: simulator.url(number), network: "127.0.0.1", number }, transport, sink)
}

/// Where a camera is.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its address.
    pub url: String,
    /// The camera network that it lies in.
    pub network: &'static str,
    /// It is recorded as this number and one.
    pub number: u16,
}

/// Records the camera at `place`.
///
/// # Errors
/// The address is refused, which would be our mistake.
pub fn record_at(
    runtime: &Runtime,
    place: &Place,
    transport: Transport,
    sink: &Arc<Tally>,
) -> Result<(CameraId, CameraHandle)> {
    let refused = |error: watchbook_capture::Error| Error(error.message);
    let number = place.number;
    let (url, _) = SourceUrl::parse(&place.url).map_err(refused)?;
    let camera = CameraId::new(u32::from(number) + 1).attempt("numbering a camera")?;
    let config = CameraConfig {
        camera,
        main: SourceConfig { url, transport, interval_ms: 1_000 },
        sub: None,
        credentials: None,
        record_audio: false,
        certificate: None,
        networks: Networks::parse(&[place.network.to_owned()]).map_err(refused)?,
        encoding: Encoding::default(),
        masks: Masks::default(),
    };
    let _inside = runtime.enter();
    Ok((camera, spawn_camera(config, Arc::clone(sink) as Arc<dyn Sink>, Arc::new(SystemClock))))
}

/// The value that `per_cent` of all are not over, in seconds with one decimal.
#[must_use]
pub fn quantile(sorted: &[Duration], per_cent: usize) -> String {
    let at = (sorted.len() * per_cent).div_ceil(100).max(1) - 1;
    sorted.get(at).map_or_else(|| "–".to_owned(), |value| format!("{:.1} s", value.as_secs_f64()))
}

/// A row of a table about times in which cameras were away: how many, how many of them never came back (`None`), and after how long the others did (p50, p99, longest).
#[must_use]
pub fn returns(name: &str, backs: impl Iterator<Item = Option<Duration>>) -> String {
    let all: Vec<Option<Duration>> = backs.collect();
    let mut back: Vec<Duration> = all.iter().copied().flatten().collect();
    back.sort_unstable();
    let [half, most, longest] = [50, 99, 100].map(|per_cent| quantile(&back, per_cent));
    format!("| {name} | {} | {} | {half} | {most} | {longest} |", all.len(), all.len() - back.len())
}

/// Numbers from a seed: SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end.max(1)
    }
}
