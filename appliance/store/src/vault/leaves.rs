//! Copying the proofs of held footage: of each leaf of the audit log that tells of some of it, the hashes of all of its runs, as long as the ring has them. What a hold has of a leaf
//! can then be handed out with the hashes of the rest, when the ring has nothing of it any more.
//!
//! A leaf comes up to five minutes after its footage, so this goes on behind the copying, and asks for nothing that is not there: a hold without proofs is held all the same.

use super::cells::leaves_of;
use super::copy::Copier;
use super::hold::{HoldId, HoldRequest};
use super::leaf::{LeafOf, WholeLeaf, whole_leaves};
use super::look::streams_of;
use super::plan::{Numbers, SourceSpan, Task, copied_range};
use super::record::VaultRecord;
use super::source::{Source, Sources};
use super::state::{OpenVault, VaultDeps};
use crate::codec::{narrow, wide};
use crate::error::Result;
use crate::footage_log::statement;
use crate::format::{Commit, DiskId, Run};
use crate::reader::LOGGED_RUNS_MAX;
use crate::register::{LoggedStretch, Register};
use crate::scan::first_position;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use watchbook_base::{StreamId, Ticks90k, TimeRange, UtcNanos};
use watchbook_evidence::record::Record;
use watchbook_evidence::{Frontier, Hash, hex};

/// Records of one commit: 1 MiB of hashes at most.
const RECORDS_PER_COMMIT_MAX: usize = 32;

/// A stretch of a ring's log, in the log for good.
type Place = (DiskId, u64, u64);

/// Leaves of one segment of a ring that a hold may lack.
struct LeafJob {
    hold: HoldId,
    source: Source,
    task: Task,
    stretches: Vec<LoggedStretch>,
    spans: Vec<SourceSpan>,
}

/// What is known between two looks.
#[derive(Default)]
pub(super) struct Leaves {
    jobs: VecDeque<LeafJob>,
    /// Stretches of which the hold has all leaves that it needs.
    done: BTreeMap<HoldId, BTreeSet<Place>>,
    /// Holds that lack none, and get no more footage.
    finished: BTreeSet<HoldId>,
    /// Holds for which was looked at what other holds have; those for which that failed are looked at again by the next look.
    restated: BTreeSet<HoldId>,
    failed: BTreeSet<HoldId>,
}

/// What goes with a step.
pub(super) struct With<'a> {
    pub(super) vault: &'a OpenVault,
    pub(super) deps: &'a VaultDeps,
    pub(super) register: &'a Register,
    pub(super) quota_bytes: u64,
}

impl Leaves {
    /// Nothing is known any more of what the hold has.
    pub(super) fn forget(&mut self, hold: HoldId) {
        self.done.remove(&hold);
        self.finished.remove(&hold);
        self.restated.remove(&hold);
        self.jobs.retain(|job| job.hold != hold);
    }

    /// Footage was copied from another hold: so are its proofs.
    pub(super) fn copied_from_other(&mut self, hold: HoldId) {
        self.restated.remove(&hold);
    }

    /// Lists what is to be copied.
    ///
    /// # Errors
    /// When an index or the register cannot be read.
    pub(super) fn look(&mut self, with: &With<'_>, sources: &Sources) -> Result<()> {
        self.jobs.clear();
        let failed = std::mem::take(&mut self.failed);
        self.restated.retain(|hold| !failed.contains(hold));
        let holds: Vec<(HoldId, HoldRequest, bool)> = {
            let state = with.vault.state();
            let active = state.holds.iter().filter(|(_, hold)| hold.is_active());
            active.map(|(id, hold)| (*id, hold.logged.request.clone(), hold.settled)).collect()
        };
        self.done.retain(|id, _| holds.iter().any(|(hold, ..)| hold == id));
        let mut jobs = Vec::new();
        for (hold, request, settled) in holds {
            if settled && self.finished.contains(&hold) {
                continue;
            }
            self.finished.remove(&hold);
            let done = &*self.done.entry(hold).or_default();
            let mut is_told = true;
            let before = jobs.len();
            for source in sources.list.iter().filter(|source| source.is_indexed()) {
                is_told &= look_at(with.register, (hold, &request), (source, done), &mut jobs)?;
            }
            let is_all = is_told && sources.whole && sources.list.iter().all(Source::is_indexed);
            if settled && is_all && jobs.len() == before {
                self.finished.insert(hold);
            }
        }
        jobs.sort_by_cached_key(|job| job.source.turns_left(&job.task));
        self.jobs = jobs.into();
        Ok(())
    }

    /// How many segments its ring overwrites before the one of the first job; `None`: there is no job.
    pub(super) fn turns_left(&self) -> Option<usize> {
        self.jobs.front().map(|job| job.source.turns_left(&job.task))
    }

    /// Does one job, or looks at what other holds have. False when there is nothing to do before the next look.
    ///
    /// # Errors
    /// When ring, register or vault refuse; the next look lists it again.
    pub(super) fn step(&mut self, with: &With<'_>, copier: &mut Copier) -> Result<bool> {
        if let Some(job) = self.jobs.pop_front() {
            let done = copy(with, copier, &job)?;
            self.done.entry(job.hold).or_default().extend(done);
            return Ok(true);
        }
        let due = {
            let state = with.vault.state();
            let others = with.vault.dir.disk();
            let due = state.holds.iter().find(|(id, hold)| {
                hold.is_active() && !self.restated.contains(id) && hold.covered.of(others) != Numbers::default()
            });
            due.map(|(id, hold)| (*id, hold.logged.request.clone()))
        };
        let Some((hold, request)) = due else { return Ok(false) };
        self.restated.insert(hold);
        let restated = restate(with, copier, (hold, &request));
        if restated.is_err() {
            self.failed.insert(hold);
        }
        restated.map(|()| true)
    }
}

/// Lists the stretches of one ring that have leaves about the hold's footage. False while some of it has no leaf yet.
fn look_at(
    register: &Register,
    (hold, request): (HoldId, &HoldRequest),
    (source, done): (&Source, &BTreeSet<Place>),
    jobs: &mut Vec<LeafJob>,
) -> Result<bool> {
    let disk = source.disk();
    let told_to = register.footage_logged(disk)?.unwrap_or_default().next_seq;
    let range = copied_range(request.range);
    let mut of_segment: BTreeMap<u64, Vec<SourceSpan>> = BTreeMap::new();
    let mut is_told = true;
    for stream in streams_of(&request.cameras) {
        let (spans, more) = source.spans(stream, range)?;
        is_told &= !more;
        for span in spans {
            is_told &= span.last_seq < told_to;
            of_segment.entry(span.generation).or_default().push(span);
        }
    }
    for (generation, spans) in of_segment {
        let Some(slot) = spans.first().map(|span| span.slot) else { continue };
        let mut stretches = register.footage_stretches(disk, generation)?;
        stretches.retain(|logged| {
            let place = (disk, generation, logged.stretch.from_seq);
            !done.contains(&place) && spans.iter().any(|span| shares(span, logged))
        });
        if stretches.is_empty() {
            continue;
        }
        let seq_from = stretches.iter().map(|logged| logged.stretch.from_seq).min().unwrap_or(0);
        let seq_to = stretches.iter().map(|logged| logged.stretch.to_seq).max().unwrap_or(0).saturating_sub(1);
        let task = Task { slot, generation, seq_from, seq_to, bytes: 0 };
        jobs.push(LeafJob { hold, source: source.clone(), task, stretches, spans });
    }
    Ok(is_told)
}

/// Whether some commit has a run of the span and is a part of the stretch.
fn shares(span: &SourceSpan, logged: &LoggedStretch) -> bool {
    span.first_seq < logged.stretch.to_seq && logged.stretch.from_seq <= span.last_seq
}

/// A leaf on its way into the vault.
struct Wanted {
    leaf: u64,
    root: String,
    runs: u32,
    hashes: Vec<Hash>,
    tree: Frontier,
    range: Option<TimeRange>,
}

impl Wanted {
    fn take(&mut self, commit: &Commit, run: &Run) {
        let hash = statement(commit, run).hash();
        self.tree.push(hash);
        self.hashes.push(hash);
        let end = run.first_utc.plus_ticks(Ticks90k(i64::from(run.length_ticks)));
        let end = end.max(UtcNanos(run.first_utc.0.saturating_add(1)));
        let range = self.range.get_or_insert(TimeRange { start: run.first_utc, end });
        *range = TimeRange { start: range.start.min(run.first_utc), end: range.end.max(end) };
    }

    /// The leaf, when what lies in the ring is what it tells of.
    fn whole(self, (stream, recording): (StreamId, u64)) -> Option<WholeLeaf> {
        let root = self.tree.root();
        let is_it = root.size == u64::from(self.runs) && hex(&root.hash) == self.root;
        let of = LeafOf { stream, recording, leaf: self.leaf, total: self.runs };
        self.range.filter(|_| is_it).map(|range| WholeLeaf { of, range, hashes: self.hashes })
    }
}

/// By the number of the stretch in the job, stream and recording.
type WantedLeaves = BTreeMap<(usize, StreamId, u64), Wanted>;

/// Copies what the hold lacks of a segment; gives the stretches that are done: none when the ring has reused it.
fn copy(with: &With<'_>, copier: &mut Copier, job: &LeafJob) -> Result<Vec<Place>> {
    let have = held_leaves(with.vault, job.hold)?;
    let (mut wanted, later) = wanted(with.register, job, &have)?;
    if !wanted.is_empty() && !read(job, &mut wanted)? {
        return Ok(Vec::new());
    }
    let mut leaves = Vec::new();
    for ((_, stream, recording), leaf) in wanted {
        let number = leaf.leaf;
        match leaf.whole((stream, recording)) {
            Some(leaf) => leaves.push(leaf),
            // A commit is damaged; read again it would be the same.
            None => {
                tracing::warn!(hold = %job.hold, leaf = number, "what the ring has of a leaf of the audit log is not what it tells: held footage of it stays unproven")
            }
        }
    }
    write(with, copier, (job.hold, &leaves))?;
    let done = job.stretches.iter().enumerate().filter(|(at, _)| !later.contains(at));
    Ok(done.map(|(_, LoggedStretch { stretch, .. })| (stretch.disk, stretch.generation, stretch.from_seq)).collect())
}

/// The segments of the hold of which something counts as held.
pub(super) fn sound_generations(vault: &OpenVault, hold: HoldId) -> BTreeSet<u64> {
    let state = vault.state();
    let files = state.files_of(hold);
    state.slots_of(hold).iter().filter(|(slot, _)| files.contains(slot)).map(|(_, info)| info.generation).collect()
}

/// The leaves that the hold has whole.
fn held_leaves(vault: &OpenVault, hold: HoldId) -> Result<BTreeSet<u64>> {
    let mut pieces: BTreeMap<LeafOf, BTreeSet<u32>> = BTreeMap::new();
    for generation in sound_generations(vault, hold) {
        for (of, first) in leaves_of(&*vault.kv, generation)? {
            pieces.entry(of).or_default().insert(first);
        }
    }
    let whole = pieces.into_iter().filter(|(of, firsts)| firsts.len() == of.records());
    Ok(whole.map(|(of, _)| of.leaf).collect())
}

/// What the job is to copy: leaves of its stretches about recordings of its spans, without those that the hold has; and the stretches of which some wait for the next look, because they are
/// too many at once.
fn wanted(register: &Register, job: &LeafJob, have: &BTreeSet<u64>) -> Result<(WantedLeaves, BTreeSet<usize>)> {
    let (mut wanted, mut later) = (WantedLeaves::new(), BTreeSet::new());
    let mut runs_left = wide(LOGGED_RUNS_MAX);
    for (stretch, logged) in job.stretches.iter().enumerate() {
        let spans = job.spans.iter().filter(|span| shares(span, logged));
        let of_spans: BTreeSet<(u32, u64)> = spans.map(|span| (span.stream.to_u32(), span.recording)).collect();
        for (leaf, Said { stream, recording, root, runs }) in leaves_of_stretch(register, logged)? {
            // Nobody could hand out a leaf with more.
            let is_possible = u64::from(runs) <= wide(LOGGED_RUNS_MAX) && !have.contains(&leaf);
            let is_wanted = is_possible && of_spans.contains(&(stream, recording));
            let Some(stream) = StreamId::from_u32(stream).filter(|_| is_wanted) else { continue };
            let Some(left) = runs_left.checked_sub(u64::from(runs)) else {
                later.insert(stretch);
                continue;
            };
            runs_left = left;
            let leaf = Wanted { leaf, root, runs, hashes: Vec::new(), tree: Frontier::default(), range: None };
            wanted.insert((stretch, stream, recording), leaf);
        }
    }
    Ok((wanted, later))
}

/// What a leaf says.
struct Said {
    stream: u32,
    recording: u64,
    root: String,
    runs: u32,
}

/// The leaves of a stretch, with their numbers.
fn leaves_of_stretch(register: &Register, logged: &LoggedStretch) -> Result<Vec<(u64, Said)>> {
    let mut found = Vec::new();
    let (mut at, end) = (logged.first_leaf, logged.first_leaf + u64::from(logged.leaves));
    while at < end {
        let rows = register.audit_entries(at, narrow(end - at))?;
        let Some(last) = rows.last() else { break };
        at = last.index + 1;
        for row in &rows {
            if let Some(Record::Segment { recording, root, runs, stream }) = Record::parse(&row.leaf.body) {
                found.push((row.index, Said { stream, recording, root, runs }));
            }
        }
    }
    Ok(found)
}

/// Reads the run directories of the segment. False when the ring has reused it.
fn read(job: &LeafJob, wanted: &mut WantedLeaves) -> Result<bool> {
    let (ring, task) = (&job.source.part.ring, &job.task);
    let Some(header) = ring.header(task.slot).filter(|header| header.generation == task.generation) else {
        return Ok(false);
    };
    let reader = job.source.reader(task)?;
    reader.scan(first_position(&header), Some(task.seq_to + 1), &mut |_, commit, _| {
        let of = |logged: &LoggedStretch| (logged.stretch.from_seq..logged.stretch.to_seq).contains(&commit.seq);
        let Some(stretch) = job.stretches.iter().position(of) else { return };
        for run in &commit.runs {
            if let Some(leaf) = wanted.get_mut(&(stretch, run.stream, run.recording.0)) {
                leaf.take(&commit, run);
            }
        }
    });
    if let Some(error) = reader.take_refused() {
        return Err(error);
    }
    Ok(job.source.is_there(task))
}

/// Copies the leaves that other holds have about footage of this one: the ring may not have them any more.
fn restate(with: &With<'_>, copier: &mut Copier, (hold, request): (HoldId, &HoldRequest)) -> Result<()> {
    let have = held_leaves(with.vault, hold)?;
    for stream in streams_of(&request.cameras) {
        let mut leaves = whole_leaves(&*with.vault.kv, (stream, None), copied_range(request.range))?;
        leaves.retain(|leaf| !have.contains(&leaf.of.leaf));
        write(with, copier, (hold, &leaves))?;
    }
    Ok(())
}

fn write(with: &With<'_>, copier: &mut Copier, (hold, leaves): (HoldId, &[WholeLeaf])) -> Result<()> {
    let mut records: Vec<VaultRecord> = Vec::new();
    for piece in leaves.iter().flat_map(|leaf| leaf.pieces(hold)) {
        records.push(VaultRecord::Leaf(piece));
        if records.len() == RECORDS_PER_COMMIT_MAX {
            copier.put_records(with.vault, with.deps, with.quota_bytes, (hold, std::mem::take(&mut records)))?;
        }
    }
    match records.is_empty() {
        true => Ok(()),
        false => copier.put_records(with.vault, with.deps, with.quota_bytes, (hold, records)),
    }
}
