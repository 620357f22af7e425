//! Recordings and cameras, decoded by the program `watchbook-clip` that lies beside this one.

use std::collections::VecDeque;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};
use watchbook_analysis::Output;
use watchbook_analysis::choice::Given;
use watchbook_analysis::clip::{Head, Picture, Reader};

/// The most that is kept of what the program complains about.
const COMPLAINT_BYTES_MAX: u64 = 4 << 10;

/// What to open and what to make of it.
#[derive(Clone, Debug)]
pub struct ClipOptions {
    /// A file or `rtsp://...`.
    pub source: String,
    /// Size and rate of the pictures.
    pub output: Output,
    /// Stop after so much of the source, in seconds; `None` for the program's own bound of an hour.
    pub seconds_max: Option<u64>,
    /// Polygons to blacken, each as `X,Y;X,Y;...` in fractions of the picture.
    pub masks: Vec<String>,
    /// UTC of a file's first picture in nanoseconds; `None` for a fixed time, so that the same file gives the same result.
    pub start_utc_ns: Option<i64>,
}

impl ClipOptions {
    /// The whole of `source` at the size and rate that a plugin asks for.
    #[must_use]
    pub fn new(source: &str, output: Output) -> Self {
        Self { source: source.to_owned(), output, seconds_max: None, masks: Vec::new(), start_utc_ns: None }
    }

    /// Whether it is a camera: its pictures bear the time of this machine and may never end.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.source.starts_with("rtsp://") || self.source.starts_with("rtsps://")
    }
}

/// A clip that is being decoded. Dropping it ends the program.
#[derive(Debug)]
pub struct Clip {
    child: Child,
    reader: Reader<BufReader<ChildStdout>>,
    complaint: Option<std::thread::JoinHandle<String>>,
}

impl Clip {
    /// Starts the program and waits for the first bytes.
    ///
    /// # Errors
    /// The program is missing, or its own sentence about the source.
    pub fn open(options: &ClipOptions) -> Result<Self, String> {
        let program = program()?;
        let Output { width, height, fps_max, .. } = options.output;
        let mut command = Command::new(&program);
        command.arg(&options.source);
        command.args(["--size", &format!("{width}x{height}"), "--fps", &fps_max.to_string()]);
        if let Some(start) = options.start_utc_ns {
            command.args(["--start-utc-ns", &start.to_string()]);
        } else if options.is_live() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| format!("this clock: {error}"))?;
            command.args(["--start-utc-ns", &now.as_nanos().to_string()]);
        }
        if let Some(seconds) = options.seconds_max {
            command.args(["--seconds", &seconds.to_string()]);
        }
        for mask in &options.masks {
            command.args(["--mask", mask]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("starting {}: {error}", program.display()))?;
        let (Some(out), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("the pipes of watchbook-clip are missing".to_owned());
        };
        let complaint = std::thread::spawn(move || {
            let mut text = Vec::new();
            // What cannot be read is not worth a failure of its own.
            let _ = errors.take(COMPLAINT_BYTES_MAX).read_to_end(&mut text);
            String::from_utf8_lossy(&text).trim().to_owned()
        });
        match Reader::new(BufReader::new(out)) {
            Ok(reader) => Ok(Self { child, reader, complaint: Some(complaint) }),
            Err(error) => {
                // It may already have ended by itself.
                let _ = child.kill();
                let _ = child.wait();
                Err(because(Some(complaint), &options.source, &error))
            }
        }
    }

    /// Size of the pictures.
    #[must_use]
    pub fn head(&self) -> Head {
        self.reader.head()
    }

    /// The next picture; `None` at the end.
    ///
    /// # Errors
    /// The program's sentence when the source breaks off.
    pub fn next_picture(&mut self) -> Result<Option<Picture>, String> {
        self.reader.next_picture().map_err(|error| because(self.complaint.take(), "the clip", &error))
    }
}

/// Some pictures of a clip, each told to be of a certain time.
#[derive(Debug)]
pub struct Picked {
    clip: Clip,
    wanted: VecDeque<Given>,
    next: usize,
}

impl Picked {
    /// The pictures of `clip` at these places, which grow.
    #[must_use]
    pub fn new(clip: Clip, wanted: Vec<Given>) -> Self {
        Self { clip, wanted: wanted.into(), next: 0 }
    }

    /// Size of the pictures.
    #[must_use]
    pub fn head(&self) -> Head {
        self.clip.head()
    }

    /// The next one that is wanted; `None` at the end.
    ///
    /// # Errors
    /// As [`Clip::next_picture`].
    pub fn next_picture(&mut self) -> Result<Option<Picture>, String> {
        let Some(given) = self.wanted.pop_front() else { return Ok(None) };
        while let Some(picture) = self.clip.next_picture()? {
            self.next += 1;
            if self.next > given.place {
                return Ok(Some(Picture { utc_ns: given.utc.0, ..picture }));
            }
        }
        Ok(None)
    }
}

impl Drop for Clip {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn because(complaint: Option<std::thread::JoinHandle<String>>, what: &str, error: &std::io::Error) -> String {
    match complaint.and_then(|thread| thread.join().ok()) {
        Some(text) if !text.is_empty() => text,
        _ => format!("{what}: {error}"),
    }
}

/// `watchbook-clip` beside this program, or one folder up: tests lie in `deps`.
fn program() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("finding this program: {error}"))?;
    let folders = own.ancestors().skip(1).take(2);
    let found = folders.map(|folder: &Path| folder.join("watchbook-clip")).find(|path| path.is_file());
    found.ok_or_else(|| {
        format!(
            "watchbook-clip is missing beside {}; build it: cargo build --release -p watchbook-analysis",
            own.display()
        )
    })
}
