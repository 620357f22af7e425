//! What the wall around the decoder costs: the same pictures by `watchbook-decode`, behind its link, and by the same libavcodec and the same picture code in this process, turn by turn.
//! `cargo bench -p watchbook-analysis --bench decode`; `WATCHBOOK_FOOTAGE=FILE` for other footage than that of Debian's `opencv-doc`.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

#[allow(unused_imports, reason = "tests in it are the program's")]
#[path = "../src/bin/watchbook-decode/annexb.rs"]
mod annexb;
#[path = "../src/bin/watchbook-decode/picture.rs"]
mod picture;

use bytes::Bytes;
use ffmpeg_next::frame::Video;
use ffmpeg_next::{codec, decoder};
use picture::Pipeline;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use watchbook_analysis::message::Coding;
use watchbook_analysis::{Decoder, Emitted, Output, PixelFormat, Plan, Point, Rate};
use watchbook_base::{CameraId, MonoNanos, StreamId, Ticks90k, TrackRole, UtcNanos};
use watchbook_media::{Codec, Packet, TrackFormat};

/// Turns of each side; the median of the ratios counts.
const TURNS: usize = 7;
const FPS: i64 = 25;
const SECONDS: i64 = 20;
const START_NS: i64 = 1_764_000_000_000_000_000;
/// Access units on their way to the child: enough that it never waits, below what it would drop.
const WAITING: u32 = 40;
/// Between two looks at the child: far less than [`WAITING`] access units take.
const LOOK: Duration = Duration::from_millis(2);
/// A child that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

struct Film {
    format: TrackFormat,
    packets: Vec<Packet>,
}

/// What one turn took.
#[derive(Clone, Copy)]
struct Turn {
    wall: Duration,
    /// Processor time of all that took part, in hundredths of a second.
    ticks: u64,
    frames: u64,
}

fn main() {
    println!(
        "| stream | pictures out | in this process | by the worker | throughput | processor time, worker and this side |"
    );
    println!("|---|---|---|---|---|---|");
    for (width, height) in [(1280, 720), (1920, 1080)] {
        let film = film(width, height);
        for fps_max in [5.0, 25.0] {
            let plan = plan(&film, fps_max);
            let turns: Vec<[Turn; 2]> = (0..TURNS).map(|_| [here(&film, &plan), there(&film, &plan)]).collect();
            let wanted = turns[0][0].frames;
            assert!(turns.iter().flatten().all(|turn| turn.frames == wanted), "both give the same number of pictures");
            row((width, height), fps_max, &turns);
        }
    }
}

fn row((width, height): (u32, u32), fps_max: f32, turns: &[[Turn; 2]]) {
    let median = |of: &dyn Fn(&[Turn; 2]) -> f64| {
        let mut all: Vec<f64> = turns.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let rate = |turn: &Turn| (FPS * SECONDS) as f64 / turn.wall.as_secs_f64();
    let ratios: Vec<f64> = turns.iter().map(|[here, there]| rate(there) / rate(here)).collect();
    let (least, most) = (ratios.iter().copied().fold(f64::MAX, f64::min), ratios.iter().copied().fold(0.0, f64::max));
    println!(
        "| {width}×{height} at {FPS} | 640×360 luma, {fps_max} a second, masked | {:.0} pictures/s | {:.0} pictures/s | {:.1} % ({:.1}–{:.1}) | {:.1} % |",
        median(&|[here, _]| rate(here)),
        median(&|[_, there]| rate(there)),
        median(&|[here, there]| rate(there) / rate(here)) * 100.0,
        least * 100.0,
        most * 100.0,
        median(&|[here, there]| there.ticks as f64 / here.ticks.max(1) as f64) * 100.0,
    );
}

fn stream() -> StreamId {
    CameraId::new(7).unwrap().stream(TrackRole::MainVideo)
}

fn plan(film: &Film, fps_max: f32) -> Plan {
    let corner = |x, y| Point { x, y };
    let masks = vec![vec![corner(0, 0), corner(20_000, 0), corner(20_000, 15_000), corner(0, 15_000)]];
    let outputs = vec![Output { width: 640, height: 360, format: PixelFormat::Luma, fps_max }];
    Plan { format: film.format.clone(), masks, outputs, keys_only: false }
}

/// `utime` and `stime` of a process (proc(5)).
fn ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let behind = stat.rsplit(") ").next().unwrap();
    behind.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
}

/// Looks now and then only: whoever looks all the time takes a processor from the child.
fn wait_until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "gave up waiting for {what}");
        std::thread::sleep(LOOK);
    }
}

/// Through the child that the recorder uses, behind its wall.
fn there(film: &Film, plan: &Plan) -> Turn {
    let frames = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&frames);
    let program = Path::new(env!("CARGO_BIN_EXE_watchbook-decode"));
    let decoder = Decoder::spawn(program, move |emitted| match emitted {
        Emitted::Frame(_) => drop(seen.fetch_add(1, Ordering::SeqCst)),
        other => panic!("{other:?}"),
    })
    .unwrap();
    wait_until("the child's first word", || decoder.wall().is_some());
    assert_eq!(decoder.wall().unwrap(), Vec::<String>::new(), "the whole wall stands");
    let child = decoder.child_id().unwrap();
    let before = ticks(child) + ticks(std::process::id());
    let began = Instant::now();
    decoder.open(stream(), plan.clone()).unwrap();
    for packet in &film.packets {
        wait_until("room for an access unit", || decoder.status()[0].waiting < WAITING);
        decoder.offer(packet);
    }
    wait_until("the last picture", || decoder.status()[0].waiting == 0);
    let wall = began.elapsed();
    let ticks = ticks(child) + ticks(std::process::id()) - before;
    let status = decoder.status().remove(0);
    assert_eq!((status.dropped, status.failed), (0, 0), "nothing is dropped or refused");
    Turn { wall, ticks, frames: status.frames }
}

/// The same work without a second process, without a copy and without sealed memory.
fn here(film: &Film, plan: &Plan) -> Turn {
    let before = ticks(std::process::id());
    let began = Instant::now();
    let sets = annexb::parameter_sets(Coding::H264, &film.format.config).unwrap();
    let codec = decoder::find(codec::Id::H264).unwrap();
    let mut context = codec::Context::new_with_codec(codec);
    context.set_threading(codec::threading::Config { count: 1, ..codec::threading::Config::default() });
    let mut decoder = context.decoder().open_as(codec).and_then(decoder::Opened::video).unwrap();
    let mut pipeline = Pipeline::new(plan.masks.clone(), plan.outputs.clone());
    let mut rate = Rate::new(plan.outputs[0].fps_max);
    let (mut frames, mut decoded) = (0, Video::empty());
    for packet in &film.packets {
        let mut unit = packet.data.to_vec();
        assert!(annexb::to_start_codes(&mut unit));
        let mut coded = match packet.key {
            true => ffmpeg_next::Packet::copy(&[sets.as_slice(), &unit].concat()),
            false => ffmpeg_next::Packet::copy(&unit),
        };
        coded.set_pts(Some(packet.utc.0));
        decoder.send_packet(&coded).unwrap();
        while decoder.receive_frame(&mut decoded).is_ok() {
            if rate.wants(decoded.pts().unwrap()) {
                let prepared = pipeline.prepare(&decoded).unwrap();
                let bytes = pipeline.scale(prepared.as_ref().unwrap_or(&decoded), 0).unwrap();
                frames += u64::from(!std::hint::black_box(bytes).is_empty());
            }
        }
    }
    let wall = began.elapsed();
    Turn { wall, ticks: ticks(std::process::id()) - before, frames }
}

/// Footage of that size as a camera sends it: H.264 at 4 Mbit/s, a key frame every two seconds, no picture ahead of its time.
fn film(width: u32, height: u32) -> Film {
    let usual = "/usr/share/doc/opencv-doc/examples/data/vtest.avi".to_owned();
    let footage = std::env::var("WATCHBOOK_FOOTAGE").unwrap_or(usual);
    let (scale, length) =
        (format!("scale={width}:{height}:flags=bicubic,fps={FPS},format=yuv420p"), SECONDS.to_string());
    let coded = "-an -c:v libx264 -preset veryfast -tune zerolatency -b:v 4M -maxrate 6M -bufsize 6M -g 50 -bf 0 -bsf:v h264_metadata=aud=insert -f h264 -";
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-stream_loop", "-1", "-i", &footage, "-t", &length, "-vf", &scale]);
    let output = command.args(coded.split(' ')).output().expect("the ffmpeg program is needed: apt-get install ffmpeg");
    assert!(output.status.success(), "{footage}: {}", String::from_utf8_lossy(&output.stderr));
    let (mut sps, mut pps) = (Vec::new(), Vec::new());
    let mut units: Vec<(Vec<u8>, bool)> = Vec::new();
    for nal in nal_units(&output.stdout) {
        match nal[0] & 0x1F {
            9 => units.push((Vec::new(), false)),
            7 => sps = nal.to_vec(),
            8 => pps = nal.to_vec(),
            kind => {
                let (data, key) = units.last_mut().expect("a stream begins with an access unit delimiter");
                data.extend(u32::try_from(nal.len()).unwrap().to_be_bytes());
                data.extend(nal);
                *key |= kind == 5;
            }
        }
    }
    assert_eq!(units.len() as i64, FPS * SECONDS);
    let size = |set: &[u8]| u16::try_from(set.len()).unwrap().to_be_bytes();
    let config = [&[1, sps[1], sps[2], sps[3], 0xFF, 0xE1][..], &size(&sps), &sps, &[1], &size(&pps), &pps].concat();
    let packet = |(index, (data, key)): (usize, (Vec<u8>, bool))| {
        let index = i64::try_from(index).unwrap();
        Packet {
            stream: stream(),
            dts: Ticks90k(index * 90_000 / FPS),
            cts_offset: 0,
            utc: UtcNanos(START_NS + index * 1_000_000_000 / FPS),
            mono: MonoNanos(0),
            key,
            lost_before: 0,
            data: Bytes::from(data),
        }
    };
    let format = TrackFormat { codec: Codec::H264 { width, height }, config: config.into() };
    Film { format, packets: units.into_iter().enumerate().map(packet).collect() }
}

/// NAL units of a byte stream (ISO/IEC 14496-10 Annex B).
fn nal_units(stream: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> =
        (0..stream.len().saturating_sub(2)).filter(|&at| stream[at..at + 3] == [0, 0, 1]).collect();
    let end = |next: usize| if stream[next - 1] == 0 { next - 1 } else { next };
    let ends = starts.iter().skip(1).map(|&next| end(next)).chain([stream.len()]);
    starts.iter().zip(ends).map(|(&start, end)| &stream[start + 3..end]).collect()
}
