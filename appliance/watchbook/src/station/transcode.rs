//! Footage as H.264 for browsers that cannot play what is recorded: the programs that decode and encode, a pair for each viewer.

use std::path::PathBuf;
use watchbook_analysis::mask::Fill;
use watchbook_analysis::message::Bounds;
use watchbook_analysis::redact::{Coded, Redactor};
use watchbook_analysis::replay::Unit;
use watchbook_media::TrackFormat;
use watchbook_store::Writer;
use watchbook_store::config::PENDING_BYTES_MAX;
use watchbook_web::error::Error;
use watchbook_web::ports::{CodedUnit, OnTranscoded, Transcoded, Transcoder, Transcoders};

/// Enough to look at. What it costs is measured by `watchbook-load capture --bench transcode`.
const BOUNDS: Bounds = Bounds { width_max: 1280, height_max: 720, fps_max: 30 };
/// A share of the room for waiting footage that is taken means that the disks are late: as for the scrub.
const LATE_PERCENT: u64 = 20;

/// The station's transcoders.
pub struct Programs {
    /// Where `watchbook-decode` and `watchbook-encode` lie.
    pub program_dir: PathBuf,
    /// Whose counters say whether recording keeps up.
    pub writer: Writer,
}

impl Transcoders for Programs {
    fn start(&self) -> Result<Box<dyn Transcoder>, Error> {
        let program = |name: &str| self.program_dir.join(name);
        let pair = Redactor::to_look(&program("watchbook-decode"), &program("watchbook-encode"), BOUNDS);
        Ok(Box::new(Pair(pair.map_err(failed)?)))
    }

    fn recording_is_late(&self) -> bool {
        let dropping = self.writer.overload().is_some_and(|overload| !overload.dropping.is_empty());
        dropping || self.writer.stats().pending_bytes > PENDING_BYTES_MAX / 100 * LATE_PERCENT
    }
}

/// Both programs of one viewer.
struct Pair(Redactor);

fn failed(error: watchbook_analysis::Error) -> Error {
    Error::new(error.kind(), format!("transcoding: {error}"))
}

/// Hands on what came, and keeps what was said of it.
fn with(
    on: &mut OnTranscoded<'_>,
    work: impl FnOnce(&mut watchbook_analysis::redact::OnCoded<'_>) -> Result<(), watchbook_analysis::Error>,
) -> Result<(), Error> {
    let mut refused = None;
    let done = work(&mut |coded: Coded| {
        on(Transcoded { at: coded.utc, data: coded.data }).map_err(|error| {
            let passed = watchbook_analysis::Error::new(error.kind, error.message.clone());
            refused = Some(error);
            passed
        })
    });
    done.map_err(|error| refused.unwrap_or_else(|| failed(error)))
}

impl Transcoder for Pair {
    fn open(&mut self, format: &TrackFormat, fps: u32) -> Result<(), Error> {
        self.0.open(format, fps).map_err(failed)
    }

    fn feed(&mut self, unit: CodedUnit<'_>, on: &mut OnTranscoded<'_>) -> Result<(), Error> {
        let CodedUnit { at, key, data, shown } = unit;
        // Nothing is made black: what is recorded has its masks already, and whoever looks may see the rest.
        let fill = shown.then(|| Fill { outlines: Vec::new(), but: false });
        with(on, |on| self.0.feed(Unit { utc: at, key, data }, fill, on))
    }

    fn settle(&mut self, on: &mut OnTranscoded<'_>) -> Result<(), Error> {
        with(on, |on| self.0.settle(on))
    }

    fn drain(&mut self, on: &mut OnTranscoded<'_>) -> Result<(), Error> {
        with(on, |on| self.0.drain(on))
    }

    fn refused(&self) -> (u64, Option<String>) {
        (self.0.failed(), self.0.problem().map(str::to_owned))
    }
}
