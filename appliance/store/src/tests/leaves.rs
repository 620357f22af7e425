//! Footage beside the audit log: any byte that is changed on the disk names its segment and its recording, and no other.

use super::harness::*;
use crate::footage_log::{FootageLog, Until};
use crate::format::commit::extent;
use crate::format::{BLOCK_BYTES, Commit, HEADER_BYTES};
use crate::kv::model::ModelKv;
use crate::kv::{Batch, Kv as _, Table};
use crate::register::{FootageLeaves, Register, Stretch};
use crate::ring::Ring;
use crate::scan::first_position;
use crate::{ClosedRing, Report};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use watchbook_base::fs::sim::Dice;
use watchbook_base::fs::{Fs as _, OpenMode};

/// Bytes that are flipped, one at a time.
const FLIPS: usize = if cfg!(debug_assertions) { 40 } else { 120 };

/// A ring that two cameras have filled more than once and that is closed, all of it in the audit log in several stretches a segment.
fn logged(seed: u64) -> (Box_, Arc<Register>) {
    let (machine, register, _) = logged_in(seed);
    (machine, register)
}

/// The same, with what the register is kept in.
fn logged_in(seed: u64) -> (Box_, Arc<Register>, ModelKv) {
    let (machine, book) = (Box_::new(seed), ModelKv::new());
    let register = Arc::new(Register::on(Arc::new(book.clone()), Arc::new(machine.clock.clone())).unwrap());
    let mut parts = machine.open();
    let of = (parts.part.ring.clone(), parts.part.care.shared().unwrap(), register.clone());
    let mut log = FootageLog::new(of, Arc::new(machine.clock.clone()));
    let mut cams = [Cam::new(1, 3_000), Cam::new(2, 4_000)];
    for commit in 0..220 {
        if commit % 40 == 0 {
            cams.iter_mut().for_each(|cam| parts.writer.begin(&cam.start(&machine.clock)));
        }
        for _ in 0..12 {
            cams.iter_mut().for_each(|cam| parts.writer.append(cam.packet(&machine.clock)).unwrap());
            machine.clock.advance(STEP_NANOS);
        }
        parts.committer.step().unwrap();
        if commit % 9 == 0 {
            while log.step(Until::Acknowledged).unwrap() {}
        }
    }
    while log.step(Until::Acknowledged).unwrap() {}
    (machine, register, book)
}

fn check(machine: &Box_, register: &Arc<Register>, with_keys: bool) -> Report {
    let ring = ClosedRing::open(&machine.config.dir, Arc::new(machine.fs.clone())).unwrap().with_log(register.clone());
    match with_keys {
        true => ring.with_keys(machine.keys().unwrap()).check(None, &mut |_| {}),
        false => ring.check(None, &mut |_| {}),
    }
}

/// A segment as it was written.
struct Lies {
    slot: u32,
    generation: u64,
    path: std::path::PathBuf,
    /// Each with its place and the length of its description.
    commits: Vec<(u64, u64, Commit)>,
    end: u64,
}

fn segments(machine: &Box_) -> Vec<Lies> {
    let ring = Ring::open_existing(&machine.config.dir, Arc::new(machine.fs.clone())).unwrap();
    let headers = ring.slots.numbers().filter_map(|slot| ring.header(slot));
    let read = |header: crate::format::SegmentHeader| {
        let mut commits = Vec::new();
        let reader = ring.reader(header.slot, header.generation).unwrap();
        let (end, damage) = reader.scan(first_position(&header), None, &mut |at, commit, _| {
            let head = reader.bytes(at.offset, 192).unwrap();
            commits.push((at.offset, extent(&head).unwrap().meta_len, commit));
        });
        assert_eq!(damage, []);
        let (slot, generation, path) = (header.slot, header.generation, ring.path(header.slot));
        Lies { slot, generation, path, commits, end: end.offset }
    };
    headers.map(read).collect()
}

/// Who is concerned by byte `at` of a segment.
enum Concerned {
    /// Nobody: padding, and what an older generation left.
    Nobody,
    Header,
    /// A commit's description: all of its recordings.
    Commit(BTreeSet<(u32, u64)>),
    /// Samples of this one.
    Samples(u32, u64),
}

impl Lies {
    fn concerned(&self, at: u64) -> Concerned {
        if at < HEADER_BYTES as u64 {
            return Concerned::Header;
        }
        let mut before = self.commits.iter().rev();
        let Some((offset, meta_len, commit)) = before.find(|(offset, ..)| *offset <= at && at < self.end) else {
            return Concerned::Nobody;
        };
        for run in &commit.runs {
            let from = offset + run.payload_offset;
            if (from..from + run.payload_len).contains(&at) {
                return Concerned::Samples(run.stream.to_u32(), run.recording.0);
            }
        }
        match at < offset + meta_len {
            true => Concerned::Commit(commit.runs.iter().map(|run| (run.stream.to_u32(), run.recording.0)).collect()),
            false => Concerned::Nobody,
        }
    }
}

/// Flips a byte, checks, and puts it back.
fn flipped(machine: &Box_, register: &Arc<Register>, (segment, at): (&Lies, u64)) -> Report {
    let file = machine.fs.open(&segment.path, OpenMode::ReadWrite).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    let write = |byte: u8| {
        file.write_all_at(&[&[byte]], at).unwrap();
        file.sync().unwrap();
    };
    write(byte[0] ^ 0x10);
    let report = check(machine, register, true);
    write(byte[0]);
    report
}

/// Slots that a report names.
fn named(report: &Report) -> BTreeSet<u32> {
    let slots = report.bad_slots.iter().map(|bad| bad.slot).chain(report.damage.iter().map(|damage| damage.slot));
    let of_runs = report.bad_runs.iter().map(|bad| bad.slot).chain(report.bad_leaves.iter().map(|bad| bad.slot));
    slots.chain(of_runs).collect()
}

#[test]
fn a_byte_that_is_flipped_names_its_segment_and_its_recording_and_no_other() {
    for seed in seeds(1) {
        println!("positions of seed {seed}; replay with WATCHBOOK_SEED={seed}");
        let (machine, register) = logged(seed);
        let clean = check(&machine, &register, true);
        assert!(clean.is_clean() && clean.leaves > 20 && clean.unlogged_runs == 0, "{clean:?}");
        let segments = segments(&machine);
        let mut dice = Dice::new(seed);
        let mut kinds = [0; 4];
        for flip in 0..FLIPS {
            let segment = &segments[dice.below(segments.len() as u64) as usize];
            let (offset, meta_len, _) = &segment.commits[dice.below(segment.commits.len() as u64) as usize];
            let at = match flip % 4 {
                0 => dice.below(HEADER_BYTES as u64),
                // Description: header, directory, records, tables.
                1 => offset + dice.below(*meta_len),
                2 => BLOCK_BYTES + dice.below(segment.end - BLOCK_BYTES),
                _ => segment.end + dice.below(4 * MIB - segment.end),
            };
            let report = flipped(&machine, &register, (segment, at));
            let what = format!("seed {seed}, slot {}, byte {at}: {report:?}", segment.slot);
            let leaves: BTreeSet<_> = report.bad_leaves.iter().map(|bad| (bad.stream, bad.recording)).collect();
            let runs: Vec<_> = report.bad_runs.iter().map(|bad| (bad.stream.to_u32(), bad.recording)).collect();
            let (kind, slots) = match segment.concerned(at) {
                Concerned::Nobody => (0, vec![]),
                Concerned::Header => {
                    assert!(report.bad_slots.len() == 1 && leaves.is_empty() && runs.is_empty(), "{what}");
                    (1, vec![segment.slot])
                }
                Concerned::Commit(of) => {
                    assert!(leaves == of && runs.is_empty(), "{of:?} {what}");
                    assert!(report.bad_leaves.iter().all(|bad| bad.generation == segment.generation), "{what}");
                    (2, vec![segment.slot])
                }
                Concerned::Samples(stream, recording) => {
                    assert!(runs == [(stream, recording)] && leaves.is_empty(), "{what}");
                    (3, vec![segment.slot])
                }
            };
            assert_eq!(named(&report).into_iter().collect::<Vec<_>>(), slots, "{what}");
            assert_eq!(report.is_clean(), kind == 0, "{what}");
            kinds[kind] += 1;
        }
        assert!(kinds.iter().all(|times| *times > 5), "{kinds:?}");
    }
}

#[test]
fn footage_that_was_written_anew_with_every_checksum_right_is_not_what_the_log_says() {
    let (machine, register) = logged(7);
    let slot = segments(&machine).iter().min_by_key(|segment| segment.generation).unwrap().slot;
    let (_, commit) = machine.forge_hash(slot);
    // Without the keys nobody can look into the samples: the log alone knows.
    let report = check(&machine, &register, false);
    let named: Vec<_> = report.bad_leaves.iter().map(|bad| (bad.slot, bad.stream, bad.recording)).collect();
    assert_eq!(named, [(slot, commit.runs[0].stream.to_u32(), commit.runs[0].recording.0)], "{report:?}");
    assert!(report.bad_leaves[0].leaf.is_some() && report.bad_run_count == 0 && !report.is_log_clean(), "{report:?}");
}

#[test]
fn a_ring_that_ends_before_its_log_and_one_that_the_log_never_knew_are_told_apart() {
    let (machine, register) = logged(8);
    let last_seq = check(&machine, &register, true).last_seq;
    let disk = segments_disk(&machine);
    let beyond = Stretch { disk, generation: 99, slot: 1, from_seq: last_seq + 1, to_seq: last_seq + 5 };
    register.append_footage(&beyond, FootageLeaves::default()).unwrap();
    let report = check(&machine, &register, true);
    assert_eq!((report.logged_beyond, report.bad_leaf_count, report.is_log_clean()), (Some(last_seq + 5), 0, false));
    // A register that is newer than the ring accuses nobody.
    let fresh = Arc::new(Register::on(Arc::new(ModelKv::new()), Arc::new(machine.clock.clone())).unwrap());
    let report = check(&machine, &fresh, true);
    assert!(report.is_clean() && report.leaves == 0 && report.unlogged_runs == report.runs, "{report:?}");
}

/// Every row about a stretch of a segment.
fn stretch_rows(book: &ModelKv) -> Vec<Vec<u8>> {
    book.rows(FOOTAGE).into_keys().filter(|key| key.len() == 32).collect()
}

const FOOTAGE: Table = Table("audit_footage");

#[test]
fn footage_whose_row_somebody_removed_is_named_with_its_segment_its_recordings_and_its_commits() {
    let (machine, register, book) = logged_in(9);
    assert_eq!(register.unclaimed_leaves().unwrap().count, 0);
    let segments = segments(&machine);
    let newest = segments.iter().max_by_key(|segment| segment.generation).unwrap();
    let stretches = register.footage_stretches(segments_disk(&machine), newest.generation).unwrap();
    let gone = stretches[0];
    let key = stretch_rows(&book)
        .into_iter()
        .find(|key| key[16..24] == newest.generation.to_be_bytes() && key[24..] == gone.stretch.from_seq.to_be_bytes());
    let mut batch = Batch::default();
    batch.delete(FOOTAGE, key.unwrap());
    book.write(&batch, true).unwrap();
    let report = check(&machine, &register, true);
    let of_stretch =
        newest.commits.iter().map(|(.., commit)| commit).filter(|commit| {
            !commit.runs.is_empty() && (gone.stretch.from_seq..gone.stretch.to_seq).contains(&commit.seq)
        });
    let of_stretch: Vec<&Commit> = of_stretch.collect();
    let mut recordings: BTreeMap<(u32, u64), (u64, u64, u64)> = BTreeMap::new();
    for commit in &of_stretch {
        for run in &commit.runs {
            let of = (run.stream.to_u32(), run.recording.0);
            let of = recordings.entry(of).or_insert((0, commit.seq, commit.seq));
            *of = (of.0 + 1, of.1, commit.seq);
        }
    }
    let named: BTreeSet<_> = report.bad_leaves.iter().map(|bad| (bad.stream, bad.recording)).collect();
    assert_eq!(named, recordings.keys().copied().collect(), "{report:?}");
    for bad in &report.bad_leaves {
        let (runs, first, last) = recordings[&(bad.stream, bad.recording)];
        assert!(bad.slot == newest.slot && bad.generation == newest.generation && bad.leaf.is_none(), "{bad:?}");
        assert!(bad.what.starts_with(&format!("{runs} runs of commits {first} to {last}: ")), "{bad:?}");
    }
    assert!(!report.is_log_clean() && report.unlogged_runs == 0);
    // The log itself knows of leaves that no row claims.
    let unclaimed = register.unclaimed_leaves().unwrap();
    let leaves: Vec<u64> = unclaimed.listed.iter().map(|leaf| leaf.leaf).collect();
    assert_eq!(leaves, (gone.first_leaf..gone.first_leaf + u64::from(gone.leaves)).collect::<Vec<_>>());
    assert_eq!(unclaimed.listed.iter().map(|leaf| (leaf.stream, leaf.recording)).collect::<BTreeSet<_>>(), named);
}

#[test]
fn a_register_that_forgot_a_whole_ring_is_found_by_its_log() {
    let (machine, register, book) = logged_in(10);
    let mut batch = Batch::default();
    book.rows(FOOTAGE).into_keys().for_each(|key| batch.delete(FOOTAGE, key));
    let leaves: u64 = stretch_rows(&book).len() as u64;
    book.write(&batch, true).unwrap();
    let report = check(&machine, &register, true);
    assert_eq!(report.bad_leaf_count, 0, "the ring alone cannot tell: {report:?}");
    let unclaimed = register.unclaimed_leaves().unwrap();
    assert!(unclaimed.count >= leaves && unclaimed.listed.len() as u64 == unclaimed.count, "{unclaimed:?}");
}

fn segments_disk(machine: &Box_) -> crate::format::DiskId {
    ClosedRing::open(&machine.config.dir, Arc::new(machine.fs.clone())).unwrap().disk()
}
