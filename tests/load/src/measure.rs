//! One recorder on so many cameras for so long.

use crate::camera::{SentNow, Simulator};
use crate::clip::Clip;
use crate::disk::{DeviceUse, Disk};
use crate::meter::{self, Usage};
use crate::recorders::{PATIENCE, Recorder, Running, Station};
use crate::tags::Tags;
use crate::{Error, Result};
use std::path::Path;
use std::time::{Duration, Instant};

/// How a measurement is made.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// Cameras.
    pub cameras: u16,
    /// From the last camera's first frame to the first look at the counters.
    pub warm_up: Duration,
    /// Between the two looks.
    pub window: Duration,
    /// Packets over UDP.
    pub udp: bool,
    /// See [`crate::camera::Cameras::skip_every`].
    pub skip_every: u64,
}

/// What one measurement gave.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Cameras.
    pub cameras: u16,
    /// User and system time of all its processes for one stream and minute.
    pub cpu_sec_per_stream_minute: f64,
    /// Proportional set size for one stream.
    pub memory_bytes_per_stream: f64,
    /// Bytes that the device was given for each byte of access units.
    pub device_bytes_per_byte: Option<f64>,
    /// Flushes of the device in a second: each sync that the recorder waits for is one or two.
    pub flushes_per_sec: Option<f64>,
    /// Commits in a second, by the recorder's own count.
    pub commits_per_sec: Option<f64>,
    /// Frames that were sent between the two looks.
    pub frames: u64,
    /// Of these, missing in what the recorder hands out.
    pub lost: u64,
    /// Frames found twice, in all it hands out.
    pub twice: u64,
    /// Sessions beyond one a camera.
    pub reconnects: u64,
}

/// Everything that is looked at twice.
struct Look {
    at: Instant,
    usage: Usage,
    sent: SentNow,
    device: Option<DeviceUse>,
    settled_bytes: Option<u64>,
    commits: Option<u64>,
}

/// Runs `recorder` under `conditions`; its disk and its logs go below `folder`.
///
/// # Errors
/// It cannot be started, does not reach all cameras, or what it made cannot be read.
pub fn run(recorder: &dyn Recorder, clip: &Clip, conditions: &Conditions, folder: &Path) -> Result<Figures> {
    let simulator = Simulator::start(clip, conditions.cameras, conditions.skip_every)?;
    let footage_bytes_max = footage_bytes_max(&simulator, conditions);
    // Room for a ring that is laid out at once, a state directory and the file system itself.
    let disk = Disk::new(folder, footage_bytes_max * 3 + (4 << 30))?;
    let scratch = tempfile::tempdir_in(folder).map_err(|error| Error(format!("making a folder: {error}")))?;
    let station = Station {
        urls: simulator.urls(),
        disk: disk.path(),
        scratch: scratch.path().to_owned(),
        udp: conditions.udp,
        footage_bytes_max,
    };
    let running = recorder.start(&station)?;
    wait_playing(&simulator, conditions.cameras)?;
    std::thread::sleep(conditions.warm_up);
    let first = look(&*running, &simulator, &disk)?;
    std::thread::sleep(conditions.window);
    let second = look(&*running, &simulator, &disk)?;
    let reconnects = simulator.sent().sessions.saturating_sub(u64::from(conditions.cameras));
    // What is on its way at the second look has time to arrive.
    std::thread::sleep(Duration::from_secs(1));
    let tags = running.finish()?;
    Ok(figures(&simulator, &tags, [&first, &second], reconnects))
}

/// Everything that cameras can send from the start of the recorder to its end, start-up and reading out included.
fn footage_bytes_max(simulator: &Simulator, conditions: &Conditions) -> u64 {
    let frames = &simulator.cameras.frames;
    let clip_bytes: u64 = frames.iter().map(|frame| frame.stored_bytes).sum();
    let seconds = (conditions.warm_up + conditions.window + PATIENCE).as_secs();
    let per_sec = clip_bytes * u64::from(crate::clip::FRAMES_PER_SEC) / frames.len() as u64;
    per_sec * seconds * u64::from(conditions.cameras)
}

fn wait_playing(simulator: &Simulator, cameras: u16) -> Result<()> {
    let started = Instant::now();
    while simulator.sent().playing < u64::from(cameras) {
        if started.elapsed() > PATIENCE {
            return Err(Error(format!(
                "after {PATIENCE:?} only {} of {cameras} cameras play",
                simulator.sent().playing
            )));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn look(running: &dyn Running, simulator: &Simulator, disk: &Disk) -> Result<Look> {
    // Memory is read with the first look only by accident of the order; CPU time comes first so that looking is not measured.
    let (at, usage, sent) = (Instant::now(), meter::usage(&running.pids()), simulator.sent());
    let (device, commits) = (disk.device_use(), running.commits()?);
    // What lies in the page cache was written by the recorder all the same.
    disk.settle()?;
    let settled_bytes = disk.device_use().map(|device| device.written_bytes);
    Ok(Look { at, usage, sent, device, settled_bytes, commits })
}

fn figures(simulator: &Simulator, tags: &Tags, [first, second]: [&Look; 2], reconnects: u64) -> Figures {
    let cameras = simulator.cameras.count;
    let seconds = second.at.duration_since(first.at).as_secs_f64();
    let streams = f64::from(cameras);
    let stored = (second.sent.stored_bytes - first.sent.stored_bytes) as f64;
    let each = |pair: Option<(u64, u64)>| pair.map(|(first, second)| second.saturating_sub(first) as f64);
    let (mut frames, mut lost) = (0, 0);
    for camera in 0..cameras {
        let range = simulator.cameras.next_frame(camera, first.at)..simulator.cameras.next_frame(camera, second.at);
        frames += range.end - range.start;
        lost += tags.missing(camera, range);
    }
    Figures {
        cameras,
        cpu_sec_per_stream_minute: (second.usage.cpu_sec - first.usage.cpu_sec) / streams / (seconds / 60.0),
        memory_bytes_per_stream: second.usage.memory_bytes as f64 / streams,
        device_bytes_per_byte: each(first.settled_bytes.zip(second.settled_bytes)).map(|bytes| bytes / stored),
        flushes_per_sec: each(first.device.map(|d| d.flushes).zip(second.device.map(|d| d.flushes)))
            .map(|n| n / seconds),
        commits_per_sec: each(first.commits.zip(second.commits)).map(|n| n / seconds),
        frames,
        lost,
        twice: tags.count().twice,
        reconnects,
    }
}
