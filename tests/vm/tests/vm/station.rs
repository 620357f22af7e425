//! A station in a machine, by what it says over its API.

use crate::footage::{FPS, Footage};
use crate::service;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use watchbook_e2e::client::Client;
use watchbook_e2e::process::Process;
use watchbook_e2e::recorder::{now_ms, program};
use watchbook_e2e::release::Approver;
use watchbook_e2e::wait::wait_for;
use watchbook_vm::machine::{Accel, Machine, is_kernel_fault, missing};

/// An emulated machine on a busy one needs a minute for what takes three seconds.
pub const LONG: Duration = Duration::from_secs(240);
/// A machine that the host's processor really runs says something within a few seconds.
const KVM_WAIT: Duration = Duration::from_secs(12);

/// A running recorder inside a running machine.
pub struct Station {
    machine: Process,
    client: Client,
    guest: PathBuf,
    runs: u32,
    /// Cameras that there is a case about.
    cases: BTreeSet<u64>,
    /// Dropped last: one machine at a time, or an emulated one is too slow for its cameras.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Station {
    /// Starts the machine and a fresh station in it, and claims it. `None`, and a line for the end of `make test`, when there can be no machine here.
    pub fn boot(dir: &Path, drivers: &[&str]) -> Option<Self> {
        let config = write_config(dir, "/mnt/state");
        let mut station = Self::launch(missing(), |guest| Machine::make(guest, drivers, dir))?;
        let run = format!("start recorder {} run --config {}", program("watchbook").display(), config.display());
        station.machine.say(&run);
        let code = station.machine.wait_line("claim code: ", LONG);
        station.machine.wait_line("page: ", LONG);
        station.client.claim(&code);
        Some(station)
    }

    /// The same with systemd in the machine, and the station as its service.
    pub fn boot_services(dir: &Path, drivers: &[&str]) -> Option<Self> {
        let config = write_config(dir, "/var/lib/watchbook");
        let make = |guest: &Path| Machine::with_services(&service::prepare(dir, guest, &config), drivers, dir);
        let mut station = Self::launch(missing().or_else(service::missing), make)?;
        station.run("systemctl start watchbook.service");
        station.wait("the page", || station.answers());
        let code = station.run("cat /var/lib/watchbook/claim-code");
        station.client.claim(&code);
        Some(station)
    }

    /// A machine that takes orders, in which nothing has been started. `lacking` says why there is none.
    fn launch(
        lacking: Option<String>,
        make: impl FnOnce(&Path) -> watchbook_vm::error::Result<Machine>,
    ) -> Option<Self> {
        if let Some(why) = lacking {
            not_tested(&why);
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let guest = PathBuf::from(env!("CARGO_BIN_EXE_watchbook-vm-guest"));
        let machine = match make(&guest) {
            Ok(machine) => machine,
            Err(error) => {
                not_tested(&error.to_string());
                return None;
            }
        };
        let port = free_port();
        let mut process = start(&machine, port);
        process.fails_at(is_kernel_fault);
        let client = Client::new(&format!("http://127.0.0.1:{port}/"));
        Some(Self { machine: process, client, guest, runs: 0, cases: BTreeSet::new(), _turn: turn })
    }

    /// What the API says.
    pub fn get(&self, path: &str) -> Value {
        self.client.get(path).ok().json()
    }

    /// Whether there is a page.
    pub fn answers(&self) -> Result<(), String> {
        self.client.answers("/")
    }

    /// Signs in anew, as after a start.
    pub fn sign_in(&mut self) {
        self.client.sign_in();
    }

    /// Waits for what `look` gives; a kernel that breaks meanwhile is said at once.
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
        wait_for(what, LONG, || {
            self.machine.assert_sound();
            look()
        })
    }

    /// Gives an order and waits for the answer.
    pub fn order(&mut self, order: &str, answer: &str) -> String {
        self.machine.say(order);
        self.machine.wait_line(answer, LONG)
    }

    /// Runs a program inside to its end; what it printed, on one line.
    pub fn run(&mut self, command: &str) -> String {
        self.runs += 1;
        let mark = format!("run-{}", self.runs);
        self.machine.say(&format!("run {mark} {command}"));
        self.wait(command, || {
            let said = self.machine.output();
            let failed = said.lines().find(|line| line.starts_with(&format!("VM no {mark}:")));
            assert!(failed.is_none(), "{failed:?}");
            let line = said.lines().find_map(|line| line.split_once(&format!("VM ran {mark} ")));
            line.map(|(_, rest)| rest.to_owned()).ok_or_else(|| "no answer".to_owned())
        })
    }

    /// Plugs a USB camera with this serial number in; `name` is what it is pulled out by.
    pub fn plug_in(&mut self, name: &str, serial: &str, port: u32, footage: &Footage) {
        let files = format!("{} {}", footage.jpeg.display(), footage.h264.display());
        let order = format!("start {name} {} camera {serial} {port} {FPS} {files}", self.guest.display());
        self.order(&order, &format!("VM started {name}"));
    }

    /// Seconds of processor time that the recorder and its children take while so many seconds pass.
    pub fn cpu_s(&mut self, mark: &str, over: Duration) -> f64 {
        let mut at = |when: &str| {
            let mark = format!("{mark}-{when}");
            self.order(&format!("cpu recorder {mark}"), &format!("VM cpu {mark} ")).parse::<f64>().unwrap()
        };
        let before = at("before");
        wait_over(over);
        at("after") - before
    }

    /// The cameras of the machine, as the page lists them.
    pub fn local_cameras(&self) -> Vec<Value> {
        self.client.get("/api/v1/cameras/local").ok().json()["cameras"].as_array().cloned().unwrap_or_default()
    }

    /// Adds a camera, perhaps with its left half masked; its number.
    pub fn add(&mut self, name: &str, url: &str, masked: bool) -> u64 {
        let corner = |x: f32, y: f32| json!({ "x": x, "y": y });
        let left = json!([[corner(0.0, 0.0), corner(0.5, 0.0), corner(0.5, 1.0), corner(0.0, 1.0)]]);
        let masks = if masked { left } else { json!([]) };
        let body = json!({ "name": name, "main": { "url": url, "transport": "tcp" }, "masks": masks, "purpose": "A test", "contact": "A test" });
        let camera = self.client.send("POST", "/api/v1/cameras", &body).ok().json();
        camera["id"].as_u64().unwrap_or_else(|| panic!("no id in {camera}"))
    }

    /// Adds a camera on the network; its number.
    pub fn add_rtsp(&mut self, name: &str, url: &str, transport: &str) -> u64 {
        let body = json!({ "name": name, "main": { "url": url, "transport": transport }, "purpose": "A test", "contact": "A test" });
        let camera = self.client.send("POST", "/api/v1/cameras", &body).ok().json();
        camera["id"].as_u64().unwrap_or_else(|| panic!("no id in {camera}"))
    }

    /// The main stream's state now.
    pub fn state(&self, camera: u64) -> Value {
        self.client.get(&format!("/api/v1/cameras/{camera}")).ok().json()["state"]["main"].clone()
    }

    /// Switches a camera off.
    pub fn switch_off(&mut self, camera: u64) {
        drop(self.client.send("PATCH", &format!("/api/v1/cameras/{camera}"), &json!({ "enabled": false })).ok());
    }

    /// Waits until the main stream's state is `status` with that reason; returns the state.
    pub fn wait_state(&self, camera: u64, status: &str, reason: Option<&str>) -> Value {
        self.wait(&format!("camera {camera} to be {status} {reason:?}"), || {
            let state = self.state(camera);
            let fits = state["status"] == status && reason.is_none_or(|reason| state["reason"] == reason);
            if fits { Ok(state) } else { Err(state.to_string()) }
        })
    }

    /// Waits until it is told who encodes the main stream and at what cost, which is none for the first seconds; returns its state.
    pub fn wait_encoder(&self, camera: u64) -> Value {
        self.wait(&format!("the encoder of camera {camera}"), || {
            let state = self.wait_state(camera, "live", None);
            let cost = state["encoder"]["cpu_s_per_min"].as_f64();
            if cost.is_some_and(|cost| cost > 0.0) { Ok(state) } else { Err(state.to_string()) }
        })
    }

    /// Spans and gaps of the last ten minutes.
    pub fn recordings(&self, camera: u64) -> Value {
        let now = now_ms();
        let (from, to) = (now - 600_000, now + 60_000);
        let path = format!("/api/v1/cameras/{camera}/recordings?from_utc_ms={from}&to_utc_ms={to}&role=main_video");
        self.client.get(&path).ok().json()
    }

    /// Waits until the `nth` piece of recording, or one behind it, is at least so long; its start and end in ms UTC. An emulated machine may begin with a picture that it is too slow for.
    pub fn wait_recorded(&self, camera: u64, nth: usize, seconds: i64) -> (i64, i64) {
        self.wait(&format!("{seconds} s of camera {camera}"), || {
            let recordings = self.recordings(camera);
            let spans = recordings["spans"].as_array().cloned().unwrap_or_default();
            let times = |span: &Value| Some((span["start_utc_ms"].as_i64()?, span["end_utc_ms"].as_i64()?));
            let mut pieces = spans.iter().skip(nth - 1).filter_map(times);
            pieces.find(|(start, end)| end - start >= seconds * 1000).ok_or_else(|| recordings.to_string())
        })
    }

    /// Plays what was recorded between the two times, in a case of its own for each camera, which somebody else opens.
    pub fn play(&mut self, camera: u64, from_ms: i64, to_ms: i64, dir: &Path) -> PathBuf {
        let case = format!("VM-{camera}");
        if self.cases.insert(camera) {
            // Another person for each: a second factor that was shown is fresh for five minutes, and an emulated machine takes longer.
            Approver::named(&mut self.client, &format!("approver {camera}")).open_case(&case, &[camera]);
        }
        let range = format!("from_utc_ms={from_ms}&to_utc_ms={to_ms}");
        let path = format!("/api/v1/cameras/{camera}/playback.mp4?case={case}&{range}&role=main_video");
        let file = dir.join(format!("played-{camera}-{from_ms}.mp4"));
        std::fs::write(&file, self.client.get(&path).ok().body).unwrap();
        file
    }
}

/// Writes the configuration of a station that keeps everything in `home`.
fn write_config(dir: &Path, home: &str) -> PathBuf {
    let config = dir.join("watchbook.toml");
    let text = format!(
        "[web]\nlisten = \"0.0.0.0:8080\"\ntls = \"off\"\n\n[storage]\nstate_dir = \"{home}\"\nring_dir = \"{home}/ring\"\nring_gib = 0.25\nsegment_mib = 16\nvault_gib = 0.0\n\n[plugins]\ndir = \"{home}/plugins\"\n\n[cameras]\nnetworks = [\"10.77.0.0/24\"]\n"
    );
    std::fs::write(&config, text).unwrap();
    config
}

/// With the host's processor where that works: on some hosts `/dev/kvm` opens and then runs no kernel.
fn start(machine: &Machine, port: u16) -> Process {
    let kvm = std::fs::File::options().read(true).write(true).open("/dev/kvm").is_ok();
    let hangs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kvm-hangs");
    // A fact of the running host, not of the next one.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let known = std::fs::read_to_string(&hangs).is_ok_and(|noted| noted == boot);
    let asked = std::env::var("WATCHBOOK_VM_ACCEL").unwrap_or_default();
    if kvm && !known && asked != "tcg" {
        let mut process = Process::start("qemu", &mut machine.qemu(Accel::Kvm, port));
        if wait_up(&process, KVM_WAIT) {
            return process;
        }
        process.kill();
        std::fs::write(&hangs, boot).unwrap();
    }
    let process = Process::start("qemu", &mut machine.qemu(Accel::Tcg, port));
    assert!(wait_up(&process, LONG), "the machine does not start:\n{}", process.output());
    process
}

fn wait_up(process: &Process, deadline: Duration) -> bool {
    let started = Instant::now();
    while started.elapsed() < deadline {
        if process.output().contains("VM up") {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    false
}

/// A measurement takes its time.
fn wait_over(over: Duration) {
    let until = Instant::now() + over;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Says what is not tested, here and at the end of `make test`.
fn not_tested(why: &str) {
    use std::io::Write as _;
    eprintln!("NOT TESTED: cameras of this machine: {why}");
    if let Some(path) = std::env::var_os("WATCHBOOK_NOT_TESTED") {
        let mut file =
            std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the list can be written");
        writeln!(file, "cameras of this machine: {why}").expect("the list can be written");
    }
}
