//! Footage as the audit log has it: every run of a leaf, so that some of them can be handed out with the hashes of the others.

use super::footage::RunOf;
use super::{Part, Reader, held, span_keys};
use crate::catalog::rows::RunPlace;
use crate::catalog::span;
use crate::error::{Error, Result};
use crate::footage_log::statement;
use crate::format::{Commit, Run};
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
    lies: Lies,
}

/// Where the payload of a run lies.
#[derive(Clone)]
pub(super) struct Lies {
    pub(super) part: Arc<Part>,
    pub(super) slot: u32,
    pub(super) generation: u64,
    pub(super) place: RunPlace,
}

impl std::fmt::Debug for Lies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} in segment {} of generation {} of {}", self.place, self.slot, self.generation, self.part.disk())
    }
}

/// What is known of one of the runs whose hashes a leaf is the root of.
#[derive(Clone, Debug)]
pub enum RunInLeaf {
    /// Shares a moment with the range.
    Near(Box<LoggedRun>),
    /// Lies outside of it: its leaf hash.
    Far(Hash),
}

impl RunInLeaf {
    /// Its hash in the tree of the leaf.
    #[must_use]
    pub fn hash(&self) -> Hash {
        match self {
            Self::Near(run) => run.statement.hash(),
            Self::Far(hash) => *hash,
        }
    }
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
}

/// What the log has of a stream in a range, and a way to the samples. Made from a grant.
#[derive(Clone)]
pub struct LoggedFootage {
    stream: StreamId,
    /// By number of the leaf.
    pub segments: Vec<LoggedSegment>,
    /// Runs in the range that are recorded and have no leaf yet, or are held alone and their proof is not.
    pub without_leaf: u64,
    /// Held copies of runs in the range.
    held: BTreeMap<RunKey, Lies>,
}

/// Recording, decode time of the first sample, and digest.
pub(super) type RunKey = (u64, i64, Hash);

/// What is found, and how much more may be.
pub(super) struct Finding<'a> {
    pub(super) stream: StreamId,
    pub(super) range: TimeRange,
    pub(super) register: &'a Register,
    /// Hashes that may still be taken in.
    pub(super) budget: usize,
    pub(super) found: LoggedFootage,
    /// Runs in the range that rings have.
    pub(super) of_rings: BTreeSet<RunKey>,
}

impl Finding<'_> {
    pub(super) fn too_many(&self) -> Error {
        Error::new(
            Kind::Exhausted,
            format!("reading footage of {}: more than {LOGGED_RUNS_MAX} runs; ask for less time at once", self.stream),
        )
    }
}

/// What names a run among others.
pub(super) fn key_of(statement: &Statement) -> RunKey {
    (statement.recording, statement.first_dts, statement.sha256)
}

/// Runs of one recording in one stretch; `None`: they have no leaf yet.
type Groups = BTreeMap<(Option<usize>, u64), Vec<RunInLeaf>>;

impl Reader {
    /// The leaves that have footage of `stream` in `range`, of the rings whose disks are there and, of what no ring has any more, of the vault.
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
        let found = LoggedFootage { stream, segments: Vec::new(), without_leaf: 0, held: BTreeMap::new() };
        let (budget, of_rings) = (LOGGED_RUNS_MAX, BTreeSet::new());
        let mut finding = Finding { stream, range, register, budget, found, of_rings };
        let (held, rings): (Vec<_>, Vec<_>) = self.present().partition(|part| part.is_vault());
        for part in &rings {
            for (generation, slot) in part.segments_of(stream, range)? {
                Segment { part, slot, generation }.collect(&mut finding)?;
            }
        }
        // The vault last: what is overwritten meanwhile is found there.
        for part in &held {
            held::collect(part, &mut finding)?;
        }
        let mut found = finding.found;
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
    fn collect(&self, finding: &mut Finding<'_>) -> Result<()> {
        let (ring, stream, register) = (&self.part.ring, finding.stream, finding.register);
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
            full = !self.take(&mut groups, (&commit, at.offset), &stretches, finding);
            !full
        });
        if full {
            return Err(finding.too_many());
        }
        if let Some(error) = reader.take_refused() {
            return Err(error);
        }
        for ((stretch, recording), runs) in groups {
            let near = runs.iter().filter(|run| matches!(run, RunInLeaf::Near(_))).count();
            let Some(logged) = stretch.and_then(|at| stretches.get(at)) else {
                finding.found.without_leaf += crate::codec::wide(near);
                continue;
            };
            if near == 0 {
                continue;
            }
            let place = (disk, self.generation, logged.stretch.from_seq);
            let leaf = register.footage_leaf(place, stream.to_u32(), recording)?;
            let recording = RecordingId(recording);
            let Some((leaf, format)) = leaf.zip(self.part.format(recording)?) else { continue };
            finding.found.segments.push(LoggedSegment { leaf, recording, format, runs });
        }
        Ok(())
    }

    /// Sorts the runs of a commit in. False when there are too many.
    fn take(
        &self,
        groups: &mut Groups,
        (commit, offset): (&Commit, u64),
        stretches: &[LoggedStretch],
        finding: &mut Finding<'_>,
    ) -> bool {
        for run in commit.runs.iter().filter(|run| run.stream == finding.stream) {
            let Some(left) = finding.budget.checked_sub(1) else { return false };
            finding.budget = left;
            let covers =
                |logged: &LoggedStretch| (logged.stretch.from_seq..logged.stretch.to_seq).contains(&commit.seq);
            let stretch = stretches.iter().position(covers);
            let statement = statement(commit, run);
            let taken = match is_near(run, finding.range) {
                false => RunInLeaf::Far(statement.hash()),
                true => {
                    finding.of_rings.insert(key_of(&statement));
                    let lies = Lies::new(self.part, (self.slot, self.generation), offset, run);
                    let (table, bytes) = (run.table.clone(), run.plain_len());
                    RunInLeaf::Near(Box::new(LoggedRun { statement, table, bytes, lies }))
                }
            };
            groups.entry((stretch, run.recording.0)).or_default().push(taken);
        }
        true
    }
}

/// Shares a moment with the range.
pub(super) fn is_near(run: &Run, range: TimeRange) -> bool {
    let end = run.first_utc.plus_ticks(watchbook_base::Ticks90k(i64::from(run.length_ticks)));
    run.first_utc < range.end && end > range.start
}

impl LoggedRun {
    /// A run that the vault has.
    pub(super) fn held(statement: Statement, run: &Run, lies: Lies) -> Self {
        Self { statement, table: run.table.clone(), bytes: run.plain_len(), lies }
    }
}

impl Lies {
    /// Of a run of the commit at `offset` of a segment.
    pub(super) fn new(part: &Arc<Part>, (slot, generation): (u32, u64), offset: u64, run: &Run) -> Self {
        let place = RunPlace {
            offset: offset + run.payload_offset,
            len: run.payload_len,
            crc: run.crc,
            seal: RunPlace::seal_of(run.seal),
            table_len: crate::codec::count(run.table.len()),
        };
        Self { part: Arc::clone(part), slot, generation, place }
    }

    /// The samples, when they are those of the statement.
    fn bytes(&self, of: RunOf<'_>, sha256: &Hash) -> Result<Bytes> {
        let bytes = self.part.files.run(&self.place, of, (self.slot, self.generation))?;
        match watchbook_evidence::sha256_of(&[of.2, &bytes]) == *sha256 {
            true => Ok(bytes),
            false => Err(Error::corrupt(format!("reading a run of {}: its hash is not the one in the log", of.0))),
        }
    }
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
    /// The samples of run `run` of segment `segment`, as they were recorded: from where it was found, or a copy that is held.
    ///
    /// # Errors
    /// `NotFound` when the ring has reused the space meanwhile or the run lies outside of the range, `Corrupt` when its bytes are not what was recorded.
    pub fn bytes(&self, segment: usize, run: usize) -> Result<Bytes> {
        let none =
            || Error::new(Kind::NotFound, format!("reading run {segment}/{run} of {}: it is not there", self.stream));
        let segment = self.segments.get(segment).ok_or_else(none)?;
        let Some(RunInLeaf::Near(run)) = segment.runs.get(run) else { return Err(none()) };
        let of: RunOf<'_> = (self.stream, segment.recording, &run.table);
        let sha256 = &run.statement.sha256;
        run.lies.bytes(of, sha256).or_else(|error| match self.held.get(&key_of(&run.statement)) {
            Some(held) => held.bytes(of, sha256).map_err(|_| error),
            None => Err(error),
        })
    }

    /// Notes a held copy.
    pub(super) fn also_held(&mut self, key: RunKey, lies: Lies) {
        self.held.entry(key).or_insert(lies);
    }
}
