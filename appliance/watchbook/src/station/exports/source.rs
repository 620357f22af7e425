//! Where the footage of an export comes from: the ring, with the grant that was given for it.

use super::{ExportDesk, Job, told};
use bytes::Bytes;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use watchbook_access::Grant;
use watchbook_base::clock::SystemClock;
use watchbook_base::{Clock as _, Kind, StreamId, TimeRange};
use watchbook_export::bundle::Source;
use watchbook_export::holes::{Hole, Known, Reason};
use watchbook_export::plan::{At, Logged, Near, Segment, Stream};
use watchbook_export::{Error, Result};
use watchbook_store::config::PENDING_BYTES_MAX;
use watchbook_store::register::GapLeaf;
use watchbook_store::{LoggedFootage, RunInLeaf, Writer};

/// A share of the room for waiting footage that is taken means that the disks are late: as for the scrub.
const LATE_PERCENT: u64 = 20;
/// A look at whether recording keeps up is this far from the next.
const REST: Duration = Duration::from_millis(200);
/// The thread rests for so long at most before it writes on: an export that never ends helps nobody.
const REST_MAX: Duration = Duration::from_secs(60);

/// Leaves of gaps are looked for so much beyond what was asked for, in ns: where a clock was set back they lie a little outside.
const KNOWN_MORE: i64 = 2 * watchbook_base::time::NANOS_PER_SEC;

/// The ring, for one export.
pub(super) struct RingSource<'a> {
    desk: &'a ExportDesk,
    job: &'a Job,
    grant: &'a Grant,
    found: HashMap<StreamId, LoggedFootage>,
}

fn stored(error: watchbook_store::Error) -> Error {
    Error::new(error.kind, error.message)
}

impl<'a> RingSource<'a> {
    pub(super) fn new(desk: &'a ExportDesk, job: &'a Job, grant: &'a Grant) -> Self {
        Self { desk, job, grant, found: HashMap::new() }
    }

    fn wanted(&self) -> Result<()> {
        match self.desk.ledger.is_wanted(self.job.id) {
            true => Ok(()),
            false => {
                Err(Error::new(Kind::Conflict, format!("making export {}: it is not wanted any more", self.job.id)))
            }
        }
    }
}

impl Source for RingSource<'_> {
    fn logged(&mut self, stream: StreamId, range: TimeRange) -> Result<(Stream, u64)> {
        self.wanted()?;
        let found = self.desk.means.reader.logged(self.grant, stream, range, &self.desk.register).map_err(stored)?;
        let segments = found.segments.iter().map(|segment| Segment {
            leaf: segment.leaf,
            recording: segment.recording.0,
            format: segment.format.clone(),
            runs: segment
                .runs
                .iter()
                .map(|run| match run {
                    RunInLeaf::Far(hash) => Logged::Far(*hash),
                    RunInLeaf::Near(run) => Logged::Near(Near {
                        statement: run.statement.clone(),
                        table: run.table.clone(),
                        bytes: run.bytes,
                    }),
                })
                .collect(),
        });
        let (segments, without_leaf) = (segments.collect(), found.without_leaf);
        self.found.insert(stream, found);
        Ok((Stream { stream, segments }, without_leaf))
    }

    fn read(&mut self, stream: StreamId, at: At) -> Result<Bytes> {
        let none = || Error::new(Kind::Internal, format!("reading footage of {stream}: it was not looked up"));
        let found = self.found.get(&stream).ok_or_else(none)?;
        found.bytes(at.segment, at.run).map_err(stored)
    }

    fn reasons(&mut self, stream: StreamId, range: TimeRange) -> Result<Vec<Reason>> {
        let gaps = self.desk.means.reader.gaps(self.grant, stream, range, SystemClock.utc()).map_err(stored)?;
        Ok(gaps.iter().map(Reason::from).collect())
    }

    fn known(&mut self, stream: StreamId, range: TimeRange) -> Result<Vec<Known>> {
        let wide = TimeRange { start: range.start.plus_nanos(-KNOWN_MORE), end: range.end.plus_nanos(KNOWN_MORE) };
        let recorded = self.desk.register.gap_leaves(stream, wide).map_err(stored)?;
        let known = |leaf: &GapLeaf| Known { leaf: leaf.leaf, start: leaf.range.start, end: leaf.range.end };
        let mut all: Vec<Known> = recorded.iter().map(known).collect();
        all.extend(told::known(&self.desk.register, stream)?);
        all.sort_by_key(|known| (known.start, known.leaf));
        Ok(all)
    }

    fn tell(&mut self, holes: &[(StreamId, Hole)]) -> Result<Vec<u64>> {
        told::tell(&self.desk.register, holes)
    }

    fn go_on(&mut self, bytes: u64) -> Result<()> {
        self.desk.ledger.tell_making(self.job.id, |making| making.done_bytes += bytes);
        rest(&self.desk.means.writer, &|| self.wanted())
    }
}

/// Waits while recording needs the disk, at most [`REST_MAX`].
pub(super) fn rest(writer: &Writer, wanted: &dyn Fn() -> Result<()>) -> Result<()> {
    let began = Instant::now();
    loop {
        wanted()?;
        let waiting = writer.stats().pending_bytes;
        if waiting.saturating_mul(100) < PENDING_BYTES_MAX.saturating_mul(LATE_PERCENT) || began.elapsed() >= REST_MAX {
            return Ok(());
        }
        std::thread::sleep(REST);
    }
}
