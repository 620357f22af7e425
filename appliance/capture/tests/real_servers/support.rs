//! Camera servers as child processes, and a sink that remembers.

use std::fmt::Debug;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};
use watchbook_base::clock::SystemClock;
use watchbook_base::{CameraId, GapReason, TrackRole};
use watchbook_capture::{
    CameraConfig, CameraHandle, Credentials, Encoding, Networks, Sink, SourceConfig, SourceUrl, Status, StreamState,
    Transport, spawn_camera,
};
use watchbook_media::{Packet, RecordingEnd, RecordingStart};

/// Longest wait for anything a test expects: several time-outs of capture in a row, on a busy machine.
pub const SOON: Duration = Duration::from_secs(60);

fn servers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/servers")
}

/// Folder with the footage that the servers play; made once.
pub fn footage() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let cache = std::env::var_os("CARGO_TARGET_DIR").map_or_else(std::env::temp_dir, PathBuf::from).join("footage");
        let made =
            Command::new(servers().join("prepare_footage.sh")).arg(&cache).output().expect("the script can be started");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        cache
    })
}

/// A server; killed when dropped.
pub struct Server {
    child: Child,
    pub url: String,
    log: Arc<Mutex<String>>,
}

impl Server {
    pub fn start(program: &str, args: &[&str]) -> Self {
        let mut child = Command::new(servers().join(program))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server can be started");
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, heard) = (child.stderr.take().expect("asked for"), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                heard.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().expect("asked for"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its output is text");
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(drop));
        let url =
            line.strip_prefix("READY ").unwrap_or_else(|| panic!("{program} said {line:?}: {}", log.lock().unwrap()));
        Self { url: url.trim().to_owned(), child, log }
    }

    pub fn gstreamer(args: &[&str]) -> Self {
        Self::start("gst_camera.py", &[&["--footage", footage().to_str().unwrap()], args].concat())
    }

    pub fn port(&self) -> &str {
        self.url.rsplit(':').next().unwrap().trim_end_matches('/')
    }

    /// What it has said on standard error.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// What it has said, once `done` says so.
    pub fn wait_log(&self, what: &str, done: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + SOON;
        loop {
            let log = self.log();
            if done(&log) {
                return log;
            }
            assert!(Instant::now() < deadline, "the server did not say {what}: {log}");
            std::thread::yield_now();
        }
    }

    pub fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().expect("asked for"), "{line}").expect("it reads its input");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- server ---\n{}", self.log.lock().unwrap());
        }
    }
}

/// What capture said about one camera, in order.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    pub calls: Vec<Call>,
    pub states: Vec<(TrackRole, StreamState)>,
}

#[derive(Clone, Debug)]
pub enum Call {
    Begin(RecordingStart),
    Packet(Packet),
    End(RecordingEnd),
}

impl Tape {
    pub fn packets(&self, role: TrackRole) -> Vec<&Packet> {
        self.calls
            .iter()
            .filter_map(|call| if let Call::Packet(packet) = call { Some(packet) } else { None })
            .filter(|packet| packet.stream.role == role)
            .collect()
    }

    pub fn begins(&self, role: TrackRole) -> Vec<&RecordingStart> {
        self.calls
            .iter()
            .filter_map(|call| if let Call::Begin(start) = call { Some(start) } else { None })
            .filter(|start| start.stream.role == role)
            .collect()
    }

    pub fn ends(&self, role: TrackRole) -> Vec<GapReason> {
        self.calls
            .iter()
            .filter_map(|call| if let Call::End(end) = call { Some(end) } else { None })
            .filter(|end| end.stream.role == role)
            .map(|end| end.reason)
            .collect()
    }

    pub fn state(&self) -> Option<&StreamState> {
        self.states.iter().rev().find(|(role, _)| *role == TrackRole::MainVideo).map(|(_, state)| state)
    }

    pub fn is(&self, status: Status) -> bool {
        self.state().is_some_and(|state| state.status == status)
    }

    /// The stream was lost for `reason` at some time.
    pub fn lost(&self, reason: GapReason) -> Option<&StreamState> {
        self.states
            .iter()
            .map(|(_, state)| state)
            .find(|state| state.status == Status::Lost && state.reason == Some(reason))
    }

    /// What must hold of every stream whatever the camera does.
    pub fn check(&self) {
        for role in TrackRole::ALL {
            let mut open: Option<(i64, usize)> = None;
            for call in &self.calls {
                match call {
                    Call::Begin(start) if start.stream.role == role => {
                        assert!(open.is_none(), "{role:?}: a recording began inside another");
                        open = Some((-1, 0));
                    }
                    Call::End(end) if end.stream.role == role => {
                        assert!(open.is_none_or(|(_, count)| count > 0), "{role:?}: an empty recording");
                        open = None;
                    }
                    Call::Packet(packet) if packet.stream.role == role => {
                        let (last, count) = open.expect("packets lie inside recordings");
                        assert!(
                            packet.dts.0 > last && (count > 0 || packet.dts.0 == 0),
                            "{role:?}: {} after {last}",
                            packet.dts.0
                        );
                        assert!(count > 0 || packet.key, "{role:?}: a recording begins at a key frame");
                        if packet.data.starts_with(&watchbook_media::mjpeg::START) {
                            watchbook_media::mjpeg::check(&packet.data).expect("a whole picture");
                        } else if role.is_video() {
                            nals(packet);
                        }
                        open = Some((packet.dts.0, count + 1));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The NAL units of a sample; panics when its length fields do not add up.
pub fn nals(packet: &Packet) -> Vec<&[u8]> {
    let (mut rest, mut found) = (&packet.data[..], Vec::new());
    while !rest.is_empty() {
        let (length, tail) = rest.split_first_chunk::<4>().expect("a length of four bytes");
        let (nal, tail) = tail.split_at(u32::from_be_bytes(*length) as usize);
        assert!(!nal.is_empty(), "an empty NAL unit");
        found.push(nal);
        rest = tail;
    }
    found
}

/// Remembers, and wakes who waits.
#[derive(Default)]
struct Memory {
    tape: Mutex<Tape>,
    changed: Condvar,
}

impl Memory {
    fn note(&self, change: impl FnOnce(&mut Tape)) {
        change(&mut self.tape.lock().unwrap());
        self.changed.notify_all();
    }
}

impl Sink for Memory {
    fn begin(&self, start: &RecordingStart) {
        self.note(|tape| tape.calls.push(Call::Begin(start.clone())));
    }
    fn packet(&self, packet: Packet) {
        self.note(|tape| tape.calls.push(Call::Packet(packet)));
    }
    fn end(&self, end: &RecordingEnd) {
        self.note(|tape| tape.calls.push(Call::End(*end)));
    }
    fn state(&self, _: CameraId, role: TrackRole, state: StreamState) {
        self.note(|tape| tape.states.push((role, state)));
    }
}

/// A camera that is recorded.
pub struct Recorded {
    pub config: CameraConfig,
    handle: CameraHandle,
    memory: Arc<Memory>,
}

impl Recorded {
    pub fn start(config: CameraConfig) -> Self {
        let memory = Arc::new(Memory::default());
        let handle = spawn_camera(config.clone(), memory.clone(), Arc::new(SystemClock));
        Self { config, handle, memory }
    }

    pub fn reconfigure(&mut self, change: impl FnOnce(&mut CameraConfig)) {
        change(&mut self.config);
        self.handle.reconfigure(self.config.clone());
    }

    /// The tape, once `done` says so.
    pub fn wait(&self, what: &str, done: impl Fn(&Tape) -> bool) -> Tape {
        let deadline = Instant::now() + SOON;
        let mut tape = self.memory.tape.lock().unwrap();
        while !done(&tape) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{what} did not happen at {}; last state {:?}, ends {:?}",
                self.config.main.url,
                tape.state(),
                tape.ends(TrackRole::MainVideo)
            );
            tape = self.memory.changed.wait_timeout(tape, left).unwrap().0;
        }
        tape.clone()
    }

    pub fn wait_packets(&self, role: TrackRole, count: usize) -> Tape {
        self.wait(&format!("{count} packets of {role:?}"), |tape| tape.packets(role).len() >= count)
    }

    /// Stops, and checks what holds always.
    pub async fn finish(self) -> Tape {
        self.handle.stop(GapReason::Restart).await;
        let tape = self.memory.tape.lock().unwrap().clone();
        tape.check();
        tape
    }
}

pub fn camera(url: &str) -> CameraConfig {
    CameraConfig {
        camera: CameraId::new(7).unwrap(),
        main: source(url, Transport::Tcp),
        sub: None,
        credentials: None,
        record_audio: false,
        certificate: None,
        networks: Networks::parse(&["127.0.0.0/8".to_owned()]).unwrap(),
        encoding: Encoding::default(),
        masks: Vec::new(),
    }
}

pub fn source(url: &str, transport: Transport) -> SourceConfig {
    let (url, _) = SourceUrl::parse(url).unwrap();
    SourceConfig { url, transport, interval_ms: watchbook_capture::config::INTERVAL_MS_DEFAULT }
}

pub fn password(username: &str, password: &str) -> Option<Credentials> {
    Some(Credentials { username: username.to_owned(), password: password.to_owned() })
}

pub fn assert_contains(text: &Option<String>, part: &str, of: &dyn Debug) {
    assert!(
        text.as_ref().is_some_and(|text| text.contains(part) && text.ends_with('.')),
        "no {part:?} in {text:?} of {of:?}"
    );
}
