//! The recorder under test: the real program on a directory of its own.

use crate::client::Client;
use crate::process::Process;
use crate::wait::wait_for;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time enough for anything that should take a second or two on a busy machine.
pub const SOON: Duration = Duration::from_secs(40);

/// Name of a socket in the recorder's directory at which a process is had for each child program, when a test has put it there.
pub const CHILDREN_SOCKET: &str = "children.socket";

/// A running recorder.
pub struct Recorder {
    dir: PathBuf,
    process: Process,
    /// Signed in as the one person of the station.
    pub client: Client,
}

/// A camera as the API describes it.
pub struct Camera {
    /// Its number.
    pub id: u64,
}

impl Recorder {
    /// Starts a fresh station in `dir` and claims it. Its plugins are those of `WATCHBOOK_PLUGINS`.
    pub fn claim(dir: &Path) -> Self {
        let plugins = std::env::var_os("WATCHBOOK_PLUGINS").map(PathBuf::from).unwrap_or_default();
        Self::claim_with_plugins(dir, &plugins)
    }

    /// Starts a fresh station in `dir` with the plugins in the folder `plugins`, and claims it.
    pub fn claim_with_plugins(dir: &Path, plugins: &Path) -> Self {
        write_config(dir, plugins);
        let (process, mut client, code) = start(dir);
        client.claim(&code.expect("a fresh station prints a claim code"));
        Self { dir: dir.to_owned(), process, client }
    }

    /// Starts a fresh station in `dir` and leaves it to the caller to claim it with the code that comes along.
    ///
    /// # Panics
    /// When it prints no code.
    pub fn unclaimed(dir: &Path) -> (Self, String) {
        let plugins = std::env::var_os("WATCHBOOK_PLUGINS").map(PathBuf::from).unwrap_or_default();
        write_config(dir, &plugins);
        let (process, client, code) = start(dir);
        (Self { dir: dir.to_owned(), process, client }, code.expect("a fresh station prints a claim code"))
    }

    /// The client, for a thread of its own; another one takes its place with the next start.
    pub fn take_client(&mut self) -> Client {
        std::mem::replace(&mut self.client, Client::new("http://127.0.0.1:9"))
    }

    /// Starts again, whatever it is; true when somebody has claimed it. Nobody is signed in.
    pub fn restart_as_it_is(&mut self) -> bool {
        let (process, client, code) = start(&self.dir);
        (self.process, self.client) = (process, client);
        code.is_none()
    }

    /// Waits until the recorder has been started again, because it asked for that, and shows its page anew; not signed in.
    pub fn wait_page_again(&mut self) {
        let page = wait_for("the page after a restart by itself", SOON, || {
            let output = self.process.output();
            let pages: Vec<&str> = output.lines().filter_map(|line| line.strip_prefix("page: ")).collect();
            if pages.len() > 1 { Ok(pages[pages.len() - 1].to_owned()) } else { Err(output) }
        });
        self.client = Client::new(&page);
    }

    /// `kill -9`, start again, sign in again.
    pub fn kill_and_restart(&mut self) {
        self.process.kill();
        self.restart();
    }

    /// Starts again after [`Recorder::stop`] or a kill.
    pub fn restart(&mut self) {
        let (process, client, code) = start(&self.dir);
        assert_eq!(code, None, "a claimed station must not print a claim code");
        self.process = process;
        self.client = client;
        self.client.sign_in();
    }

    /// `SIGTERM`; returns the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.process.terminate(SOON)
    }

    /// Waits for an end that it did not ask for; returns the exit code.
    pub fn wait_end(&mut self) -> Option<i32> {
        self.process.wait_end(SOON)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Everything it has said so far.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Directory of the ring.
    pub fn ring_dir(&self) -> PathBuf {
        self.dir.join("ring")
    }

    /// Runs `watchbook check`; returns the exit code and what it printed.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn check(&self, extra: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(program("watchbook"))
            .args(["check", "--config"])
            .arg(self.dir.join("watchbook.toml"))
            .args(extra)
            .output()
            .expect("the program was built");
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (output.status.code(), text)
    }

    /// Adds a camera over the API.
    ///
    /// # Panics
    /// When the API refuses.
    pub fn add_camera(&mut self, name: &str, main_url: &str, sub_url: Option<&str>) -> Camera {
        let source = |url: &str| json!({ "url": url, "transport": "tcp" });
        let body = json!({ "name": name, "main": source(main_url), "sub": sub_url.map(source), "purpose": "A test", "contact": "A test" });
        let camera = self.client.send("POST", "/api/v1/cameras", &body).ok().json();
        Camera { id: camera["id"].as_u64().unwrap_or_else(|| panic!("no id in {camera}")) }
    }

    /// The state of a camera's main stream.
    pub fn main_state(&self, camera: &Camera) -> Value {
        self.client.get(&format!("/api/v1/cameras/{}", camera.id)).ok().json()["state"]["main"].clone()
    }

    /// Switches a plugin on for a camera, with its default settings and the whole picture.
    ///
    /// # Panics
    /// When the API refuses.
    pub fn bind_plugin(&mut self, camera: &Camera, plugin: &str) {
        let bind = json!({ "enabled": true, "settings": {}, "zones": [] });
        let path = format!("/api/v1/cameras/{}/plugins/{plugin}", camera.id);
        drop(self.client.send("PUT", &path, &bind).ok());
    }

    /// The plugin as the API describes it, `null` when there is none.
    pub fn plugin(&self, id: &str) -> Value {
        let list = self.client.get("/api/v1/plugins").ok().json();
        list["plugins"].as_array().and_then(|all| all.iter().find(|one| one["id"] == id)).cloned().unwrap_or_default()
    }

    /// Waits until the main stream's state is `status` (and the reason `reason`, if given); returns the state.
    pub fn wait_state(&self, camera: &Camera, status: &str, reason: Option<&str>) -> Value {
        wait_for(&format!("camera {} to be {status} {reason:?}", camera.id), SOON, || {
            let state = self.main_state(camera);
            let fits = state["status"] == status && reason.is_none_or(|reason| state["reason"] == reason);
            if fits { Ok(state) } else { Err(state.to_string()) }
        })
    }

    /// Spans and gaps of the last ten minutes.
    pub fn recordings(&self, camera: &Camera) -> Value {
        recordings(&self.client, camera)
    }

    /// Waits until at least `seconds` are recorded in one piece; returns its start and end in ms UTC.
    pub fn wait_recorded(&self, camera: &Camera, seconds: i64) -> (i64, i64) {
        Self::seen_by(&self.client, camera, seconds)
    }

    /// The same, as somebody else is shown it.
    pub fn seen_by(client: &Client, camera: &Camera, seconds: i64) -> (i64, i64) {
        wait_for(&format!("{seconds} s of camera {}", camera.id), SOON + SOON, || {
            let recordings = recordings(client, camera);
            let spans = recordings["spans"].as_array().cloned().unwrap_or_default();
            spans
                .iter()
                .rev()
                .filter_map(|span| Some((span["start_utc_ms"].as_i64()?, span["end_utc_ms"].as_i64()?)))
                .find(|(start, end)| end - start >= seconds * 1000)
                .ok_or_else(|| recordings.to_string())
        })
    }

    /// Where the main stream of `camera` is played from inside `case`, at most 15 minutes of it. It begins at the key frame before `from_ms`.
    #[must_use]
    pub fn played_path(case: &str, camera: &Camera, from_ms: i64, to_ms: i64) -> String {
        let range = format!("from_utc_ms={from_ms}&to_utc_ms={to_ms}");
        format!("/api/v1/cameras/{}/playback.mp4?case={case}&{range}&role=main_video", camera.id)
    }

    /// Plays footage into a file of the recorder's directory.
    pub fn play(&self, case: &str, camera: &Camera, from_ms: i64, to_ms: i64) -> PathBuf {
        let path = Self::played_path(case, camera, from_ms, to_ms);
        self.save(&self.client.get(&path).ok().body, &format!("played-{}-{from_ms}.mp4", camera.id))
    }

    /// Writes bytes beside the recorder's own files.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn save(&self, bytes: &[u8], name: &str) -> PathBuf {
        let file = self.dir.join(name);
        std::fs::write(&file, bytes).expect("the temporary directory takes a file");
        file
    }
}

fn recordings(client: &Client, camera: &Camera) -> Value {
    let now = now_ms();
    let path = format!(
        "/api/v1/cameras/{}/recordings?from_utc_ms={}&to_utc_ms={}&role=main_video",
        camera.id,
        now - 600_000,
        now + 60_000
    );
    client.get(&path).ok().json()
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(since.as_millis()).expect("fits until the year 292 million")
}

fn write_config(dir: &Path, plugins: &Path) {
    let config = format!(
        "[web]\nlisten = \"127.0.0.1:0\"\n\n[storage]\nstate_dir = {:?}\nring_dir = {:?}\nring_gib = 0.5\nsegment_mib = 16\ndisk_roots = [{dir:?}]\n\n[plugins]\ndir = {plugins:?}\n\n[cameras]\nnetworks = [\"127.0.0.1\"]\n\n[exports]\nusb_root = {:?}\n\n[[exports.sinks]]\nname = \"share\"\ndir = {:?}\n",
        dir.join("state"),
        dir.join("ring"),
        dir.join("media"),
        dir.join("share"),
    );
    std::fs::write(dir.join("watchbook.toml"), config).expect("the temporary directory takes a file");
}

fn start(dir: &Path) -> (Process, Client, Option<String>) {
    let mut command = Command::new(program("watchbook"));
    command.args(["run", "--config"]).arg(dir.join("watchbook.toml"));
    let children = dir.join(CHILDREN_SOCKET);
    if children.exists() {
        // A test gives child programs a user of their own.
        command.arg("--children").arg(children);
    }
    let authority = dir.join("authority.pem");
    if authority.exists() {
        // A test made an authority that this machine trusts.
        command.env("SSL_CERT_FILE", authority);
    }
    let mut process = Process::start("watchbook", &mut command);
    let page = process.wait_line("page: ", SOON);
    let code = process.output().lines().find_map(|line| line.strip_prefix("claim code: ").map(str::to_owned));
    (process, Client::new(&page), code)
}

/// A program of the workspace: in `WATCHBOOK_BIN_DIR`, else where cargo put it beside the test.
///
/// # Panics
/// When it has not been built.
pub fn program(name: &str) -> PathBuf {
    let dir = std::env::var_os("WATCHBOOK_BIN_DIR").map(PathBuf::from).unwrap_or_else(|| {
        let test = std::env::current_exe().expect("a test knows its own path");
        // target/release/deps/e2e-0123 → target/release
        test.ancestors().nth(2).expect("tests lie two folders below").to_owned()
    });
    let program = dir.join(name);
    assert!(program.exists(), "{} is missing; build the workspace first (make build)", program.display());
    program
}
