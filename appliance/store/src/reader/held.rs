//! Footage that is held, with its proofs: of what no ring has any more, the leaves of which the vault has all hashes.

use super::Part;
use super::logged::{Finding, Lies, LoggedRun, LoggedSegment, RunInLeaf, is_near, key_of};
use super::span_keys;
use crate::catalog::rows::{self, TablesRow, unpack};
use crate::catalog::span;
use crate::error::Result;
use crate::footage_log::statement;
use crate::format::Run;
use crate::register::Register;
use crate::scan::first_position;
use crate::vault::{WholeLeaf, whole_leaves};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use watchbook_evidence::merkle::root_of;
use watchbook_evidence::record::Record;
use watchbook_evidence::run::{ClockState, Run as Statement};
use watchbook_evidence::{Hash, hex};
use watchbook_media::RecordingId;

/// Clocks that a run may have been recorded with: its commit in the vault tells of the one of when it was copied.
const CLOCKS: [ClockState; 3] = [ClockState::Synchronised, ClockState::Free, ClockState::Unknown];

/// What the index lists of one segment of the vault.
#[derive(Default)]
struct Listed {
    generation: u64,
    /// Last commit of its spans.
    last_seq: u64,
    /// Where payloads lie in the file.
    offsets: BTreeSet<u64>,
}

/// A held run of the range.
struct Held {
    run: Run,
    /// What was said of it, but for the clock.
    said: Statement,
    lies: Lies,
}

impl Held {
    /// What was said of it, and where: the one that a leaf has.
    fn find(&self, places: &HashMap<Hash, (usize, usize)>) -> Option<(Statement, (usize, usize))> {
        CLOCKS.iter().find_map(|clock| {
            let said = Statement { clock: *clock, ..self.said.clone() };
            let place = *places.get(&said.hash())?;
            Some((said, place))
        })
    }
}

/// Adds what the vault has to what the rings have: leaves that none of these has, and where each run lies.
pub(super) fn collect(part: &Arc<Part>, finding: &mut Finding<'_>) -> Result<()> {
    let (slots, recordings) = listed(part, finding)?;
    if slots.is_empty() {
        return Ok(());
    }
    let leaves = leaves(part, finding, &recordings)?;
    let mut places: HashMap<Hash, (usize, usize)> = HashMap::new();
    for (leaf, whole) in leaves.iter().enumerate() {
        places.extend(whole.hashes.iter().enumerate().map(|(at, hash)| (*hash, (leaf, at))));
    }
    let mut near: BTreeMap<usize, BTreeMap<usize, LoggedRun>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (slot, listed) in &slots {
        for held in runs(part, (*slot, listed), finding)? {
            // Several holds may have it.
            let key = key_of(&held.said);
            if !seen.insert(key) {
                continue;
            }
            finding.found.also_held(key, held.lies.clone());
            match held.find(&places) {
                Some((said, (leaf, at))) => {
                    let run = LoggedRun::held(said, &held.run, held.lies);
                    near.entry(leaf).or_default().insert(at, run);
                }
                None if finding.of_rings.contains(&key) => {}
                None => finding.found.without_leaf += 1,
            }
        }
    }
    for (leaf, near) in near {
        if let Some(whole) = leaves.get(leaf) {
            add(part, finding, whole, near)?;
        }
    }
    Ok(())
}

/// The segments of the vault that have footage of the range, and whose recordings.
fn listed(part: &Part, finding: &Finding<'_>) -> Result<(BTreeMap<u32, Listed>, BTreeSet<u64>)> {
    let (stream, range) = (finding.stream, finding.range);
    let mut spans = Vec::new();
    span::scan(&*part.kv, &span_keys(stream, range), &mut |key, row| {
        let there = part.ring.slots.get(row.slot) == row.generation && part.is_readable(row.key_id);
        if there && span::range_of(&key, &row).overlaps(range) {
            spans.push((key, row));
        }
    })?;
    let (mut slots, mut recordings) = (BTreeMap::<u32, Listed>::new(), BTreeSet::new());
    for (key, row) in spans {
        let Some(tables) = part.kv.get(rows::TABLES, &key.encode())? else { continue };
        let tables: TablesRow = unpack(rows::TABLES, &tables)?;
        let listed = slots.entry(row.slot).or_default();
        listed.generation = row.generation;
        listed.last_seq = listed.last_seq.max(row.last_seq);
        listed.offsets.extend(tables.runs.iter().map(|run| run.offset));
        recordings.insert(row.recording);
    }
    Ok((slots, recordings))
}

/// The leaves about these recordings that share a moment with the range, but for those that a ring has, as far as they are what the audit log has.
fn leaves(part: &Part, finding: &mut Finding<'_>, recordings: &BTreeSet<u64>) -> Result<Vec<WholeLeaf>> {
    let mut leaves = Vec::new();
    for recording in recordings {
        for leaf in whole_leaves(&*part.kv, (finding.stream, Some(*recording)), finding.range)? {
            if is_whole_in_ring(finding, &leaf) || !is_in_log(finding.register, &leaf)? {
                continue;
            }
            // A ring that has damaged a commit cannot make the root any more.
            finding.found.segments.retain(|segment| segment.leaf != leaf.of.leaf);
            finding.budget = finding.budget.checked_sub(leaf.hashes.len()).ok_or_else(|| finding.too_many())?;
            leaves.push(leaf);
        }
    }
    Ok(leaves)
}

/// Whether a ring has all runs of the leaf.
fn is_whole_in_ring(finding: &Finding<'_>, leaf: &WholeLeaf) -> bool {
    let of_leaf = finding.found.segments.iter().find(|segment| segment.leaf == leaf.of.leaf);
    of_leaf.is_some_and(|segment| segment.runs.iter().map(RunInLeaf::hash).eq(leaf.hashes.iter().copied()))
}

/// What lies in the vault proves nothing by itself.
fn is_in_log(register: &Register, leaf: &WholeLeaf) -> Result<bool> {
    let rows = register.audit_entries(leaf.of.leaf, 1)?;
    let said = rows.first().filter(|row| row.index == leaf.of.leaf).and_then(|row| Record::parse(&row.leaf.body));
    let Some(Record::Segment { recording, root, runs, stream }) = said else { return Ok(false) };
    let of = (stream, recording, runs) == (leaf.of.stream.to_u32(), leaf.of.recording, leaf.of.total);
    Ok(of && hex(&root_of(&leaf.hashes)) == root)
}

/// The listed runs of one segment that share a moment with the range.
fn runs(part: &Arc<Part>, (slot, listed): (u32, &Listed), finding: &Finding<'_>) -> Result<Vec<Held>> {
    let mut found = Vec::new();
    let generation = listed.generation;
    let Some(header) = part.ring.header(slot).filter(|header| header.generation == generation) else {
        return Ok(found);
    };
    let reader = part.ring.reader(slot, generation)?;
    reader.scan_while(first_position(&header), Some(listed.last_seq + 1), &mut |at, commit, _| {
        for run in commit.runs.iter().filter(|run| run.stream == finding.stream && is_near(run, finding.range)) {
            if listed.offsets.contains(&(at.offset + run.payload_offset)) {
                let lies = Lies::new(part, (slot, generation), at.offset, run);
                found.push(Held { run: run.clone(), said: statement(&commit, run), lies });
            }
        }
        true
    });
    // What a disk refuses is missing from what is handed out, as are runs that are damaged.
    if let Some(error) = reader.take_refused() {
        tracing::warn!(slot, %error, "a segment of the vault is not read to its end");
    }
    Ok(found)
}

/// A leaf of which these runs, by their number in it, are held and near.
fn add(part: &Part, finding: &mut Finding<'_>, whole: &WholeLeaf, mut near: BTreeMap<usize, LoggedRun>) -> Result<()> {
    let recording = RecordingId(whole.of.recording);
    let Some(format) = part.format(recording)? else { return Ok(()) };
    let runs = whole.hashes.iter().enumerate().map(|(at, hash)| match near.remove(&at) {
        Some(run) => RunInLeaf::Near(Box::new(run)),
        None => RunInLeaf::Far(*hash),
    });
    let runs = runs.collect();
    finding.found.segments.push(LoggedSegment { leaf: whole.of.leaf, recording, format, runs });
    Ok(())
}
