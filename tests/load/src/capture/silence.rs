//! Networks that carry nothing for a random time and then go on: cameras stay as they are, both ends keep their link, nobody is told. How soon each camera is recorded
//! again.
//!
//! Each camera is behind a switch (a bridge of the kernel) in a network namespace of its own; the switch keeps the links of both its ports and forwards nothing between them. This needs no
//! rights where user namespaces are allowed.

use super::{Dice, Place, Tally, Wanted, footage, record_at, returns, runtime};
use crate::camera::{Setting, Simulator};
use crate::clip::{self, Clip, Shape};
use crate::error::Attempt as _;
use crate::{Error, Result};
use core::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use watchbook_capture::Transport;

/// There can be no such networks on this machine.
pub const NOT_HERE: &str = "Silent networks were not measured";
/// The simulated cameras' port, and that of GStreamer's server.
const PORTS: [u16; 2] = [8554, 8555];
/// Where they all are.
const NETWORK: &str = "10.77.0.0/16";
/// Where a silence of TCP ends by itself at the latest before capture gives a session up.
const SHORT: Duration = Duration::from_secs(5);
/// What was on its way when the network fell silent has come by then.
const SETTLED: Duration = Duration::from_millis(500);
/// Namespaces and their mounts, as `ip netns` wants them.
const INSIDE: [&str; 6] = ["--user", "--map-root-user", "--net", "--mount", "--fork", "--kill-child"];

/// One silence.
struct Silence {
    /// The camera is GStreamer's server, no simulated one.
    real: bool,
    transport: Transport,
    length: Duration,
    /// From the network's return to the first picture that is recorded; `None`: stuck.
    back: Option<Duration>,
}

/// 100 silences of 1 to 60 s on 20 cameras at once, half of them over UDP; four of the cameras are GStreamer's server, which sends one stream to all its viewers, those that are
/// gone among them.
///
/// Where namespaces are not allowed, or `ip` is missing, the table is a sentence that begins with [`NOT_HERE`].
///
/// # Errors
/// What else went wrong.
pub fn run(wanted: &Wanted) -> Result<String> {
    // They are made here, where there are rights to write.
    drop(wanted.clip()?);
    drop(footage()?);
    let own = std::env::current_exe().attempt("finding this program")?;
    let mut command = Command::new("unshare");
    command.args(INSIDE).arg(own).arg("silence").arg(wanted.seed.to_string());
    command.arg(if wanted.tiny { "tiny" } else { "full" }).stderr(Stdio::inherit());
    let output = command.output().attempt("starting unshare")?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let allowed = Command::new("unshare").args(INSIDE).args(["ip", "link"]).output();
    if allowed.is_ok_and(|output| output.status.success()) {
        return Err(Error("measuring silent networks: the lines above say why it failed".to_owned()));
    }
    Ok(format!("{NOT_HERE}: they need user namespaces (unshare --user --net) and ip of iproute2.\n"))
}

/// The cameras' end: `COUNT`, `tiny` or `full`. Ends when its standard input does.
///
/// # Errors
/// The port cannot be had.
#[expect(clippy::print_stdout, reason = "the other end waits for this line")]
pub fn cameras(words: &[String]) -> Result<()> {
    let [count, size] = words else { return Err(Error("finding the number of cameras".to_owned())) };
    let address = ([0, 0, 0, 0], PORTS[0]).into();
    let setting = Setting { address, ..Setting::of(count.parse().attempt("counting cameras")?) };
    let simulator = Simulator::with(&clip_of(size)?, &setting)?;
    println!("READY");
    std::io::stdin().read_to_end(&mut Vec::new()).attempt("waiting for the end")?;
    drop(simulator);
    Ok(())
}

/// The recorder's end, alone in its namespaces: `SEED`, `tiny` or `full`. Prints the table.
///
/// # Errors
/// The networks cannot be made, or a camera was never recorded.
#[expect(clippy::print_stdout, reason = "the table")]
pub fn inside(words: &[String]) -> Result<()> {
    let [seed, size] = words else { return Err(Error("finding the seed".to_owned())) };
    let seed: u64 = seed.parse().attempt("reading the seed")?;
    let (lanes, real, lane) = match size.as_str() {
        "tiny" => (2, 0, Lane { number: 0, real: false, silences: 1, apart_ms: 1_000, range_ms: (5_000, 7_000) }),
        _ => (20, 4, Lane { number: 0, real: false, silences: 5, apart_ms: 15_000, range_ms: (1_000, 60_000) }),
    };
    prepare(lanes)?;
    let own = std::env::current_exe().attempt("finding this program")?;
    let mut cameras = Command::new("ip");
    cameras.args(["netns", "exec", "cameras"]).arg(own).args(["silent-cameras", &lanes.to_string(), size]);
    let mut servers = vec![Cameras::start(&mut cameras)?];
    for number in lanes - real..lanes {
        servers.push(Cameras::start(&mut gstreamer(number)?)?);
    }
    let runtime = runtime()?;
    let silences: Vec<Silence> = std::thread::scope(|scope| {
        let start = |number: u16| {
            let (runtime, dice) = (&runtime, Dice(seed ^ u64::from(number) << 32));
            scope.spawn(move || one_camera(runtime, dice, Lane { number, real: number >= lanes - real, ..lane }))
        };
        let lanes: Vec<_> = (0..lanes).map(start).collect();
        let done =
            lanes.into_iter().map(|lane| lane.join().map_err(|_| Error("a camera's thread failed".to_owned()))?);
        done.collect::<Result<Vec<_>>>()
    })?
    .into_iter()
    .flatten()
    .collect();
    drop(servers);
    print!("{}", table(&silences, seed, lane.range_ms));
    Ok(())
}

fn table(silences: &[Silence], seed: u64, range_ms: (u64, u64)) -> String {
    let seconds = |ms: u64| ms as f64 / 1000.0;
    let mut text = format!(
        "{} silences of {:.0} to {:.0} s of the network between a camera and the recorder, seed {seed}; a key frame every 2 s.\n\n\
         | the network is silent | silences | stuck | recorded again after p50 | p99 | longest |\n|---|---|---|---|---|---|\n",
        silences.len(),
        seconds(range_ms.0),
        seconds(range_ms.1),
    );
    type Picked = fn(&Silence) -> bool;
    let rows: [(&str, Picked); 7] = [
        ("TCP, less than 5 s", |one| !one.real && one.transport == Transport::Tcp && one.length < SHORT),
        ("TCP, longer", |one| !one.real && one.transport == Transport::Tcp && one.length >= SHORT),
        ("UDP, less than 5 s", |one| !one.real && one.transport == Transport::Udp && one.length < SHORT),
        ("UDP, longer", |one| !one.real && one.transport == Transport::Udp && one.length >= SHORT),
        ("GStreamer's server, TCP", |one| one.real && one.transport == Transport::Tcp),
        ("GStreamer's server, UDP", |one| one.real && one.transport == Transport::Udp),
        ("all silences", |_| true),
    ];
    for (name, picked) in rows {
        let of_kind = || silences.iter().filter(|one| picked(one));
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", returns(name, of_kind().map(|one| one.back)));
    }
    text
}

fn clip_of(size: &str) -> Result<Clip> {
    Clip::cached(if size == "tiny" { Shape::SMALL } else { Shape::STREET }, &clip::cache())
}

/// GStreamer's server of the tests as camera `number`.
fn gstreamer(number: u16) -> Result<Command> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/servers/gst_camera.py");
    let mut command = Command::new("ip");
    command.args(["netns", "exec", "cameras", "/usr/bin/python3"]).arg(script).arg("--footage").arg(footage()?);
    command.args(["--address", &format!("10.77.{number}.2"), "--port", &PORTS[1].to_string()]);
    Ok(command)
}

/// Their program, which is ended with this.
struct Cameras(Child);

impl Cameras {
    fn start(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().attempt("starting the cameras")?;
        let mut cameras = Self(child);
        let mut line = String::new();
        let said = cameras.0.stdout.take().attempt("listening to the cameras")?;
        BufReader::new(said).read_line(&mut line).attempt("waiting for the cameras")?;
        if line.starts_with("READY") { Ok(cameras) } else { Err(Error("the cameras did not start".to_owned())) }
    }
}

impl Drop for Cameras {
    fn drop(&mut self) {
        // An error here means that they have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// One namespace for the cameras and one for the switches; between each camera and the recorder a switch of its own.
fn prepare(lanes: u16) -> Result<()> {
    // `ip netns` keeps its names there.
    order("mount", "-t tmpfs tmpfs /run")?;
    for name in ["cameras", "switch"] {
        order("ip", &format!("netns add {name}"))?;
        order("ip", &format!("-n {name} link set lo up"))?;
    }
    order("ip", "link set lo up")?;
    for lane in 0..lanes {
        order("ip", &format!("link add r{lane} type veth peer name sr{lane} netns switch"))?;
        order("ip", &format!("-n cameras link add c{lane} type veth peer name sc{lane} netns switch"))?;
        order("ip", &format!("-n switch link add b{lane} type bridge forward_delay 0"))?;
        for port in [format!("sr{lane}"), format!("sc{lane}")] {
            order("ip", &format!("-n switch link set {port} master b{lane} up"))?;
        }
        order("ip", &format!("-n switch link set b{lane} up"))?;
        order("ip", &format!("addr add 10.77.{lane}.1/24 dev r{lane}"))?;
        order("ip", &format!("-n cameras addr add 10.77.{lane}.2/24 dev c{lane}"))?;
        order("ip", &format!("link set r{lane} up"))?;
        order("ip", &format!("-n cameras link set c{lane} up"))?;
    }
    Ok(())
}

/// Whether the switch of `lane` forwards. Ports that are isolated reach no other such port (`bridge(8)`).
fn forward(lane: u16, on: bool) -> Result<()> {
    let isolated = if on { "off" } else { "on" };
    for port in ["sr", "sc"] {
        order("ip", &format!("-n switch link set {port}{lane} type bridge_slave isolated {isolated}"))?;
    }
    Ok(())
}

fn order(program: &str, words: &str) -> Result<()> {
    let output = Command::new(program).args(words.split(' ')).output().attempt(format!("starting {program}"))?;
    let said = || Error(format!("{program} {words}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    if output.status.success() { Ok(()) } else { Err(said()) }
}

/// One camera and what happens to its network.
#[derive(Clone, Copy)]
struct Lane {
    number: u16,
    /// GStreamer's server.
    real: bool,
    silences: usize,
    /// Longest time from one silence to the next.
    apart_ms: u64,
    range_ms: (u64, u64),
}

fn one_camera(runtime: &Runtime, mut dice: Dice, lane: Lane) -> Result<Vec<Silence>> {
    let number = lane.number;
    let transport = if number.is_multiple_of(2) { Transport::Tcp } else { Transport::Udp };
    let sink = Arc::new(Tally::default());
    let path = if lane.real { "main".to_owned() } else { format!("cam/{number}") };
    let url = format!("rtsp://10.77.{number}.2:{}/{path}", PORTS[usize::from(lane.real)]);
    let place = Place { url, network: NETWORK, number };
    let (camera, handle) = record_at(runtime, &place, transport, &sink)?;
    sink.wait_after(camera, Instant::now()).attempt("recording a camera for the first time")?;
    let mut done = Vec::new();
    for _ in 0..lane.silences {
        std::thread::sleep(Duration::from_millis(500 + dice.below(lane.apart_ms - 500)));
        let length = Duration::from_millis(drawn(&mut dice, lane.range_ms));
        forward(number, false)?;
        std::thread::sleep(length.min(SETTLED));
        let before = sink.seen(camera).packets;
        std::thread::sleep(length.saturating_sub(SETTLED));
        if sink.seen(camera).packets != before {
            return Err(Error(format!("silencing the network of camera {number}: pictures come through")));
        }
        let returned = Instant::now();
        forward(number, true)?;
        let back = sink.wait_after(camera, returned).map(|first| first.saturating_duration_since(returned));
        eprintln!("camera {number} {path} {transport:?} silent {length:.1?}: back after {back:.1?}");
        done.push(Silence { real: lane.real, transport, length, back });
    }
    runtime.block_on(handle.stop(watchbook_base::GapReason::Restart));
    Ok(done)
}

/// A number from the range, as many below its geometric mean as above: short silences are as interesting as long ones.
fn drawn(dice: &mut Dice, (from, to): (u64, u64)) -> u64 {
    const STEPS: u64 = 1 << 20;
    let share = dice.below(STEPS) as f64 / STEPS as f64;
    (from as f64 * (to as f64 / from as f64).powf(share)) as u64
}
