//! Footage as the audit log has it: every run of a leaf, so that some of them can be handed out with the hashes of the others.

use super::footage::RunOf;
use super::{Part, Reader, span_keys};
use crate::catalog::rows::RunPlace;
use crate::catalog::span;
use crate::error::{Error, Result};
use crate::footage_log::statement;
use crate::format::Commit;
use crate::register::{LoggedStretch, Register};
use crate::scan::first_position;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use watchbook_access::Grant;
use watchbook_base::{Kind, StreamId, TimeRange};
use watchbook_evidence::Hash;
use watchbook_evidence::run::Run as Statement;
use watchbook_media::{RecordingId, TrackFormat};

/// Runs of one answer, those outside of the range included: a day of one stream at two commits a second is 172,800.
pub const LOGGED_RUNS_MAX: usize = 1 << 18;

/// A run that shares a moment with the range.
#[derive(Clone, Debug)]
pub struct LoggedRun {
    /// What the log says of it.
    pub statement: Statement,
    /// Its sample table, as it was hashed.
    pub table: Vec<u8>,
    /// Bytes of its samples.
    pub bytes: u64,
    place: RunPlace,
}

/// What is known of one of the runs whose hashes a leaf is the root of.
#[derive(Clone, Debug)]
pub enum RunInLeaf {
    /// Shares a moment with the range.
    Near(Box<LoggedRun>),
    /// Lies outside of it: its leaf hash.
    Far(Hash),
}

/// All runs of one leaf, in its order.
#[derive(Clone)]
pub struct LoggedSegment {
    /// Number of the leaf in the audit log.
    pub leaf: u64,
    /// Which recording.
    pub recording: RecordingId,
    /// Its format.
    pub format: Arc<TrackFormat>,
    /// In the order of the leaf.
    pub runs: Vec<RunInLeaf>,
    part: Arc<Part>,
    slot: u32,
    generation: u64,
}

/// What the log has of a stream in a range, and a way to the samples. Made from a grant.
#[derive(Clone)]
pub struct LoggedFootage {
    stream: StreamId,
    /// By number of the leaf.
    pub segments: Vec<LoggedSegment>,
    /// Runs in the range that are recorded and have no leaf yet.
    pub without_leaf: u64,
}

/// Runs of one recording in one stretch; `None`: they have no leaf yet.
type Groups = BTreeMap<(Option<usize>, u64), Vec<RunInLeaf>>;

impl Reader {
    /// The leaves that have footage of `stream` in `range`, of the rings whose disks are there. Footage that only the vault has left is not among them: the ring that
    /// knew the other runs of its leaf has been overwritten.
    ///
    /// # Errors
    /// `Denied` when `grant` does not cover the footage, `Exhausted` over [`LOGGED_RUNS_MAX`], `Corrupt` or `Io` when index or ring cannot be read.
    pub fn logged(
        &self,
        grant: &Grant,
        stream: StreamId,
        range: TimeRange,
        register: &Register,
    ) -> Result<LoggedFootage> {
        if !grant.covers_footage(stream.camera, range) {
            return Err(Error::new(
                Kind::Denied,
                format!(
                    "reading footage of {stream} from {} to {}: the grant is for something else",
                    range.start, range.end
                ),
            ));
        }
        let mut found = LoggedFootage { stream, segments: Vec::new(), without_leaf: 0 };
        let mut budget = LOGGED_RUNS_MAX;
        for part in self.present().filter(|part| !part.is_vault()) {
            for (generation, slot) in part.segments_of(stream, range)? {
                let at = Segment { part: &part, slot, generation };
                at.collect((stream, range), register, &mut budget, &mut found)?;
            }
        }
        found.segments.sort_by_key(|segment| segment.leaf);
        Ok(found)
    }
}

struct Segment<'a> {
    part: &'a Arc<Part>,
    slot: u32,
    generation: u64,
}

impl Segment<'_> {
    fn collect(
        &self,
        (stream, range): (StreamId, TimeRange),
        register: &Register,
        budget: &mut usize,
        found: &mut LoggedFootage,
    ) -> Result<()> {
        let ring = &self.part.ring;
        let Some(header) = ring.header(self.slot).filter(|header| header.generation == self.generation) else {
            return Ok(());
        };
        let disk = self.part.disk();
        let stretches = register.footage_stretches(disk, self.generation)?;
        let next = ring.slots.all().filter(|(_, generation)| *generation > self.generation);
        let next = next.min_by_key(|(_, generation)| *generation).and_then(|(slot, _)| ring.header(slot));
        let mut groups = Groups::new();
        let reader = ring.reader(self.slot, self.generation)?;
        let mut full = false;
        reader.scan_while(first_position(&header), next.map(|next| next.first_seq), &mut |at, commit, _| {
            full = !take(&mut groups, (&commit, at.offset), (stream, range), &stretches, budget);
            !full
        });
        if full {
            return Err(Error::new(
                Kind::Exhausted,
                format!("reading footage of {stream}: more than {LOGGED_RUNS_MAX} runs; ask for less time at once"),
            ));
        }
        if let Some(error) = reader.take_refused() {
            return Err(error);
        }
        for ((stretch, recording), runs) in groups {
            let near = runs.iter().filter(|run| matches!(run, RunInLeaf::Near(_))).count();
            let Some(logged) = stretch.and_then(|at| stretches.get(at)) else {
                found.without_leaf += crate::codec::wide(near);
                continue;
            };
            if near == 0 {
                continue;
            }
            let place = (disk, self.generation, logged.stretch.from_seq);
            let leaf = register.footage_leaf(place, stream.to_u32(), recording)?;
            let recording = RecordingId(recording);
            let Some((leaf, format)) = leaf.zip(self.part.format(recording)?) else { continue };
            let (part, slot, generation) = (Arc::clone(self.part), self.slot, self.generation);
            found.segments.push(LoggedSegment { leaf, recording, format, runs, part, slot, generation });
        }
        Ok(())
    }
}

/// Sorts the runs of a commit in. False when there are too many.
fn take(
    groups: &mut Groups,
    (commit, offset): (&Commit, u64),
    (stream, range): (StreamId, TimeRange),
    stretches: &[LoggedStretch],
    budget: &mut usize,
) -> bool {
    for run in commit.runs.iter().filter(|run| run.stream == stream) {
        let Some(left) = budget.checked_sub(1) else { return false };
        *budget = left;
        let stretch =
            stretches.iter().position(|logged| (logged.stretch.from_seq..logged.stretch.to_seq).contains(&commit.seq));
        let statement = statement(commit, run);
        let end = run.first_utc.plus_ticks(watchbook_base::Ticks90k(i64::from(run.length_ticks)));
        let is_near = run.first_utc < range.end && end > range.start;
        let taken = match is_near {
            false => RunInLeaf::Far(statement.hash()),
            true => RunInLeaf::Near(Box::new(LoggedRun {
                statement,
                table: run.table.clone(),
                bytes: run.plain_len(),
                place: RunPlace {
                    offset: offset + run.payload_offset,
                    len: run.payload_len,
                    crc: run.crc,
                    seal: RunPlace::seal_of(run.seal),
                    table_len: crate::codec::count(run.table.len()),
                },
            })),
        };
        groups.entry((stretch, run.recording.0)).or_default().push(taken);
    }
    true
}

impl Part {
    /// Generation and file number of the segments that have footage of `stream` in `range`, oldest first.
    fn segments_of(&self, stream: StreamId, range: TimeRange) -> Result<BTreeSet<(u64, u32)>> {
        let mut segments = BTreeSet::new();
        for live in self.live_spans(stream) {
            let (slot, generation) = live.place();
            if live.summary().range().overlaps(range) {
                segments.insert((generation, slot));
            }
        }
        span::scan(&*self.kv, &span_keys(stream, range), &mut |key, row| {
            let there = self.ring.slots.get(row.slot) == row.generation && self.is_readable(row.key_id);
            if there && span::range_of(&key, &row).overlaps(range) {
                segments.insert((row.generation, row.slot));
            }
        })?;
        Ok(segments)
    }
}

impl LoggedFootage {
    /// The samples of run `run` of segment `segment`, as they were recorded.
    ///
    /// # Errors
    /// `NotFound` when the ring has reused the space meanwhile or the run lies outside of the range, `Corrupt` when its bytes are not what was recorded.
    pub fn bytes(&self, segment: usize, run: usize) -> Result<Bytes> {
        let none =
            || Error::new(Kind::NotFound, format!("reading run {segment}/{run} of {}: it is not there", self.stream));
        let segment = self.segments.get(segment).ok_or_else(none)?;
        let Some(RunInLeaf::Near(run)) = segment.runs.get(run) else { return Err(none()) };
        let of: RunOf<'_> = (self.stream, segment.recording, &run.table);
        let bytes = segment.part.files.run(&run.place, of, (segment.slot, segment.generation))?;
        let digest = watchbook_evidence::sha256_of(&[&run.table, &bytes]);
        match digest == run.statement.sha256 {
            true => Ok(bytes),
            false => {
                Err(Error::corrupt(format!("reading a run of {}: its hash is not the one in the log", self.stream)))
            }
        }
    }
}
