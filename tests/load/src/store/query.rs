//! Questions to a large index, asked through the reader as the page asks them.

use super::Wanted;
use super::bench::{Place, camera, drop_caches, grant};
use super::paper::{self, Paperwork};
use super::sample::{Times, ms};
use crate::Result;
use crate::error::Attempt;
use core::fmt::Write as _;
use std::time::Instant;
use watchbook_access::{Action, CaseNow, Grant};
use watchbook_base::{CameraId, Gap, TimeRange, TrackRole, UtcNanos};
use watchbook_media::SpanSource as _;
use watchbook_store::{EventQuery, Reader, Store};

const HOUR_NANOS: i64 = 3_600_000_000_000;
/// Questions of a kind with warm caches.
const ASKED: u64 = 500;
/// Questions of a kind with cold caches: the first ones after the start, each for another camera and time.
const ASKED_COLD: u64 = 100;

/// # Errors
/// The ring cannot be made or read.
pub fn run(wanted: &Wanted) -> Result<String> {
    let folder = tempfile::Builder::new().prefix("paper-").tempdir_in(&wanted.folder).attempt("making a folder")?;
    let segment_bytes = wanted.size(1 << 30, 16 << 20);
    let place = Place {
        ring: folder.path().join("ring"),
        state: folder.path().join("state"),
        capacity_bytes: wanted.size(25_000, 8) * segment_bytes,
        segment_bytes,
    };
    std::fs::create_dir_all(&place.state).attempt("making a folder")?;
    let index = watchbook_store::open_index(&place.state, paper::DISK).attempt("making the index")?;
    let cameras = wanted.size(200, 2);
    // Commits of a second, so that the filling takes half as long; a span's table then names half as many runs.
    let plan = paper::plan(paper::streams(cameras, 500_000, 62_500)?, &place, 1000);
    drop(paper::fill(&place, plan, Paperwork::Headers, index)?);
    ask(&place, cameras, wanted)
}

/// Opens the ring with cold caches and asks; the table.
///
/// # Errors
/// The ring cannot be opened or read.
pub fn ask(place: &Place, cameras: u16, wanted: &Wanted) -> Result<String> {
    let forgotten = drop_caches();
    let store = place.open_paper()?;
    let range = listed(&store, cameras)?;
    let asker = Asker { reader: store.reader(), cameras, range };
    let mut text = format!(
        "Questions to an index of about {:.1} million spans, {cameras} cameras with two streams, {:.1} h, through the store's reader{}.\n\n\
         | question | rows | cold p50 / p99, ms | warm p50 / p99, ms |\n|---|---|---|---|\n",
        asker.spans_estimate()? / 1e6,
        range.nanos() as f64 / HOUR_NANOS as f64,
        if forgotten { "" } else { " (caches could not be dropped: cold is warm)" },
    );
    for (name, question) in QUESTIONS {
        let (cold, _) = asker.times(question, wanted.size(ASKED_COLD, 3), 1)?;
        // The same ones again and again, as a page that is looked at asks.
        let (warm, rows) = asker.times(question, wanted.size(ASKED, 3), 2)?;
        let pair = |times: &Times| format!("{} / {}", ms(times.percentile(50)), ms(times.percentile(99)));
        let _ = writeln!(text, "| {name} | {rows} | {} | {} |", pair(&cold), pair(&warm));
    }
    eprint!("{text}");
    store.close().attempt("closing the ring")?;
    Ok(text)
}

/// From the first to the last footage of the last camera's sub stream, which exists on paper only.
fn listed(store: &Store, cameras: u16) -> Result<TimeRange> {
    let camera = camera(cameras)?;
    let range = store.reader().first_last(&timeline(camera)?, camera.stream(TrackRole::SubVideo));
    range.attempt("finding the ends of the footage")?.attempt("finding the ends of the footage")
}

fn timeline(camera: CameraId) -> Result<Grant> {
    grant(Action::Timeline { camera })
}

struct Asker {
    reader: Reader,
    cameras: u16,
    range: TimeRange,
}

/// Asks once, about a camera from a moment on; says how many rows came.
type Question = fn(&Asker, CameraId, UtcNanos) -> Result<usize>;

const QUESTIONS: [(&str, Question); 8] = [
    ("spans of a camera in 10 minutes", |asker, camera, from| asker.spans(camera, from, HOUR_NANOS / 6)),
    ("spans of a camera in an hour", |asker, camera, from| asker.spans(camera, from, HOUR_NANOS)),
    ("timeline of a camera for a day: extent, spans, gaps", |asker, camera, from| asker.timeline(camera, from)),
    ("spans of a camera, all of the ring", |asker, camera, _| {
        asker.spans(camera, asker.range.start, asker.range.nanos())
    }),
    ("gaps of a camera in a day", |asker, camera, from| Ok(asker.gaps(camera, from)?.len())),
    ("first and last of a camera", |asker, camera, _| asker.extent(camera)),
    ("newest 100 events of a camera", |asker, camera, _| asker.events(camera)),
    ("sample table of a span", |asker, camera, from| asker.table(camera, from)),
];

impl Asker {
    fn times(&self, question: Question, count: u64, seed: u64) -> Result<(Times, usize)> {
        let (mut times, mut rows) = (Vec::new(), 0);
        for number in 0..count {
            // Golden-ratio steps visit cameras and times evenly and in no order.
            let dice = (number * 2 + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let camera = camera((dice >> 32) as u16 % self.cameras + 1)?;
            let back = (dice >> 16 & 0xFFFF) as f64 / 65_536.0 * self.range.nanos() as f64;
            let from = self.range.end.plus_nanos(-(back as i64));
            let started = Instant::now();
            rows = question(self, camera, from)?.max(rows);
            times.push(started.elapsed());
        }
        Ok((Times::of(times), rows))
    }

    fn spans_estimate(&self) -> Result<f64> {
        let camera = camera(self.cameras)?;
        let hour = TimeRange { start: self.range.end.plus_nanos(-HOUR_NANOS), end: self.range.end };
        let mut spans = 0;
        for role in [TrackRole::MainVideo, TrackRole::SubVideo] {
            let found = self.reader.spans(&timeline(camera)?, camera.stream(role), hour);
            spans += found.attempt("listing spans")?.len();
        }
        let hours = self.range.nanos() as f64 / HOUR_NANOS as f64;
        Ok(spans as f64 * hours / hours.min(1.0) * f64::from(self.cameras))
    }

    fn spans(&self, camera: CameraId, from: UtcNanos, nanos: i64) -> Result<usize> {
        let range = TimeRange { start: from, end: from.plus_nanos(nanos) };
        let stream = camera.stream(TrackRole::MainVideo);
        Ok(self.reader.spans(&timeline(camera)?, stream, range).attempt("listing spans")?.len())
    }

    fn gaps(&self, camera: CameraId, from: UtcNanos) -> Result<Vec<Gap>> {
        let range = TimeRange { start: from, end: from.plus_nanos(24 * HOUR_NANOS) };
        let stream = camera.stream(TrackRole::MainVideo);
        self.reader.gaps(&timeline(camera)?, stream, range, self.range.end).attempt("listing gaps")
    }

    fn extent(&self, camera: CameraId) -> Result<usize> {
        let stream = camera.stream(TrackRole::MainVideo);
        let extent = self.reader.first_last(&timeline(camera)?, stream).attempt("finding the ends of the footage")?;
        Ok(usize::from(extent.is_some()) * 2)
    }

    fn timeline(&self, camera: CameraId, from: UtcNanos) -> Result<usize> {
        self.extent(camera)?;
        Ok(self.spans(camera, from, 24 * HOUR_NANOS)? + self.gaps(camera, from)?.len())
    }

    fn events(&self, camera: CameraId) -> Result<usize> {
        let query = EventQuery {
            camera: Some(camera),
            only: None,
            kind: None,
            zone: None,
            plugin: None,
            range: self.range,
            newest_first: true,
            limit: 100,
            after: None,
        };
        let grant = grant(Action::SearchEvents { camera: Some(camera), cameras: Vec::new(), range: self.range })?;
        Ok(self.reader.events(&grant, &query).attempt("listing events")?.events.len())
    }

    fn table(&self, camera: CameraId, from: UtcNanos) -> Result<usize> {
        let range = TimeRange { start: from, end: from.plus_nanos(1) };
        let stream = camera.stream(TrackRole::MainVideo);
        let spans = self.reader.spans(&timeline(camera)?, stream, range).attempt("listing spans")?;
        let Some(span) = spans.first() else { return Ok(0) };
        let grant = grant(Action::Playback { camera, range: span.range(), case: CaseNow::MEASURING.into() })?;
        let footage = self.reader.footage(&grant, camera, span.range()).attempt("opening footage")?;
        Ok(footage.table(span).attempt("reading a table")?.samples().count())
    }
}
