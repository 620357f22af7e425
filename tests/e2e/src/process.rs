//! Child processes whose output is read line by line.

use crate::wait::wait_for;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Lines of output that are kept for the failure message.
const LINES_MAX: usize = 2000;

/// A running child; killed when dropped.
pub struct Process {
    child: Child,
    name: String,
    lines: Arc<Mutex<VecDeque<String>>>,
    /// A line after which nothing that is waited for can come.
    fatal: fn(&str) -> bool,
}

impl Process {
    /// Starts `command` with its output captured.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("starting {name} ({command:?}): {error}"));
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let stdout = child.stdout.take().expect("was asked for");
        let stderr = child.stderr.take().expect("was asked for");
        collect(Box::new(stdout), Arc::clone(&lines));
        collect(Box::new(stderr), Arc::clone(&lines));
        Self { child, name: name.to_owned(), lines, fatal: |_| false }
    }

    /// Whoever waits for it fails as soon as it says a line that is `fatal`.
    pub fn fails_at(&mut self, fatal: fn(&str) -> bool) {
        self.fatal = fatal;
    }

    /// It has said nothing fatal.
    ///
    /// # Panics
    /// With the line, when it has.
    pub fn assert_sound(&self) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.iter().find(|line| (self.fatal)(line)).cloned();
        drop(lines);
        assert!(line.is_none(), "{} is broken: {}", self.name, line.unwrap_or_default());
    }

    /// What follows `prefix` on the first line that holds it.
    ///
    /// # Panics
    /// When no such line comes in time, a fatal one does, or the process ends first.
    pub fn wait_line(&mut self, prefix: &str, deadline: Duration) -> String {
        let (lines, name) = (Arc::clone(&self.lines), self.name.clone());
        wait_for(&format!("{prefix:?} from {name}"), deadline, || {
            self.assert_sound();
            let seen = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(rest) = seen.iter().find_map(|line| line.split_once(prefix).map(|(_, rest)| rest)) {
                return Ok(rest.trim().to_owned());
            }
            let all: Vec<&str> = seen.iter().map(String::as_str).collect();
            match self.child.try_wait() {
                Ok(Some(status)) => panic!("{name} ended with {status} before it said {prefix:?}:\n{}", all.join("\n")),
                _ => Err(format!("so far:\n{}", all.join("\n"))),
            }
        })
    }

    /// Everything it has said so far.
    pub fn output(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect::<Vec<_>>().join("\n")
    }

    /// Writes one line to its standard input.
    ///
    /// # Panics
    /// When it no longer reads.
    pub fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("was asked for");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("the child reads its standard input");
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `SIGKILL`, then waits for the end.
    pub fn kill(&mut self) {
        // An error here means that it has ended already, which is what was wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// `SIGTERM`, then waits for the end and returns the exit code.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn terminate(&mut self, deadline: Duration) -> Option<i32> {
        self.end_by(Signal::TERM, deadline)
    }

    /// `SIGINT`, as Ctrl-C does, then waits for the end and returns the exit code; `None` when the signal ended it.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn interrupt(&mut self, deadline: Duration) -> Option<i32> {
        self.end_by(Signal::INT, deadline)
    }

    fn end_by(&mut self, signal: Signal, deadline: Duration) -> Option<i32> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a child has a positive id");
        kill_process(pid, signal).expect("the child has not been waited for");
        self.wait_end(deadline)
    }

    /// Waits for its end and returns the exit code; `None` when a signal ended it.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn wait_end(&mut self, deadline: Duration) -> Option<i32> {
        wait_for(&format!("{} to end", self.name), deadline, || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status.code()),
            other => Err(format!("{other:?}")),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- output of {} ---\n{}", self.name, self.output());
        }
    }
}

fn collect(stream: Box<dyn Read + Send>, lines: Arc<Mutex<VecDeque<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == LINES_MAX {
                lines.pop_front();
            }
            lines.push_back(line);
        }
    });
}

/// A real RTSP server of `tests/e2e/servers`.
pub struct CameraServer {
    process: Process,
    url: String,
}

impl CameraServer {
    /// Starts the script `name` and waits for its `READY rtsp://…` line.
    ///
    /// # Panics
    /// When it does not become ready within a minute.
    pub fn start(name: &str, args: &[&str]) -> Self {
        let script = servers().join(name);
        let mut command = match script.extension().and_then(|extension| extension.to_str()) {
            Some("py") => {
                let mut command = Command::new("/usr/bin/python3");
                command.arg(&script);
                command
            }
            _ => Command::new(&script),
        };
        let mut process = Process::start(name, command.args(args));
        let url = process.wait_line("READY ", Duration::from_secs(60));
        Self { process, url }
    }

    /// `rtsp://host:port/` with the slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port it listens on.
    ///
    /// # Panics
    /// When the server printed no port.
    pub fn port(&self) -> String {
        let host =
            self.url.trim_start_matches("rtsps://").trim_start_matches("rtsp://").split('/').next().unwrap_or_default();
        host.rsplit(':').next().expect("the READY line has a port").to_owned()
    }

    /// Sends a line to the server's standard input.
    pub fn say(&mut self, line: &str) {
        self.process.say(line);
    }
}

/// Folder of the camera servers.
pub fn servers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("servers")
}
