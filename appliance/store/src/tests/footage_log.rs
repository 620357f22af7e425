//! Power cuts at random steps while footage is recorded and its hashes go into the audit log. What the log says is compared with what lies in the segments.

use super::harness::*;
use crate::footage_log::{Asked, FootageLog, Orders, Until};
use crate::format::Commit;
use crate::kv::model::ModelKv;
use crate::register::{AuditKind, LoggedStretch, Register};
use crate::ring::Ring;
use crate::scan::first_position;
use crate::store::{Deps, Parts, Store};
use std::collections::BTreeMap;
use std::sync::Arc;
use watchbook_base::fs::sim::Dice;
use watchbook_base::{Clock as _, GapReason, Kind, SyncState, UtcNanos};
use watchbook_evidence::merkle::root_of;
use watchbook_evidence::record::Record;
use watchbook_evidence::run::{ClockState, Run};
use watchbook_evidence::{Hash, hex};
use watchbook_media::RecordingEnd;

const SEEDS: u64 = if cfg!(debug_assertions) { 10 } else { 40 };
const CUTS: u64 = 4;
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A box and its register.
pub(super) struct Station {
    pub(super) machine: Box_,
    pub(super) book: ModelKv,
}

impl Station {
    pub(super) fn new(seed: u64) -> Self {
        // Half of them without keys, whose files take some of the cuts.
        let machine = Box_ { sealed: seed % 2 == 1, ..Box_::new(seed) };
        Self { machine, book: ModelKv::crashing() }
    }

    pub(super) fn register(&self) -> Arc<Register> {
        Arc::new(Register::on(Arc::new(self.book.clone()), Arc::new(self.machine.clock.clone())).unwrap())
    }

    pub(super) fn log(&self, parts: &Parts, register: &Arc<Register>) -> FootageLog {
        let shared = parts.part.care.shared().unwrap();
        FootageLog::new((parts.part.ring.clone(), shared, register.clone()), Arc::new(self.machine.clock.clone()))
    }
}

/// What lies in a segment: its commits that count, and whether it is closed.
struct Lies {
    generation: u64,
    commits: Vec<Commit>,
    closed: bool,
}

/// Every segment as a stranger reads it.
fn segments(ring: &Ring) -> Vec<Lies> {
    let slots = ring.slots.all().filter(|(_, generation)| *generation != 0);
    let mut headers: Vec<_> = slots.map(|(slot, _)| ring.header(slot).unwrap()).collect();
    headers.sort_by_key(|header| header.generation);
    let mut found = Vec::new();
    for (at, header) in headers.iter().enumerate() {
        let void_from = headers.get(at + 1).map(|next| next.first_seq);
        let mut commits = Vec::new();
        let reader = ring.reader(header.slot, header.generation).unwrap();
        reader.scan(first_position(header), void_from, &mut |_, commit, _| commits.push(commit));
        found.push(Lies { generation: header.generation, commits, closed: void_from.is_some() });
    }
    found
}

/// The leaves that these commits should have.
fn expected(commits: &[&Commit]) -> Vec<Record> {
    let mut runs: BTreeMap<(u32, u64), Vec<Hash>> = BTreeMap::new();
    for commit in commits {
        let clock = match commit.sync {
            SyncState::Unknown => ClockState::Unknown,
            SyncState::Synchronised => ClockState::Synchronised,
            SyncState::Unsynchronised => ClockState::Free,
        };
        for run in &commit.runs {
            let (stream, recording) = (run.stream.to_u32(), run.recording.0);
            let statement = Run {
                clock,
                stream,
                recording,
                first_dts: run.first_dts.0,
                length: run.length_ticks,
                first_utc_ns: run.first_utc.0,
                samples: run.sample_count,
                sha256: run.sha256,
            };
            runs.entry((stream, recording)).or_default().push(statement.hash());
        }
    }
    let leaf = |((stream, recording), hashes): ((u32, u64), Vec<Hash>)| Record::Segment {
        recording,
        root: hex(&root_of(&hashes)),
        runs: hashes.len() as u32,
        stream,
    };
    runs.into_iter().map(leaf).collect()
}

/// Every leaf tells of runs that are there, none of them twice; with `whole`, of all in closed segments.
pub(super) fn compare(register: &Register, ring: &Ring, whole: bool) {
    let disk = ring.superblock.disk;
    for Lies { generation, commits, closed } in segments(ring) {
        let logged = register.footage_stretches(disk, generation).unwrap();
        let mut told = BTreeMap::new();
        for LoggedStretch { stretch, first_leaf, leaves } in &logged {
            let its: Vec<&Commit> =
                commits.iter().filter(|commit| (stretch.from_seq..stretch.to_seq).contains(&commit.seq)).collect();
            let rows = register.audit_entries(*first_leaf, *leaves as usize).unwrap();
            let said: Vec<Record> = rows.iter().map(|row| Record::parse(&row.leaf.body).unwrap()).collect();
            assert_eq!(said, expected(&its), "generation {generation}, {stretch:?}");
            its.iter().for_each(|commit| *told.entry(commit.seq).or_insert(0) += 1);
        }
        assert!(told.values().all(|times| *times == 1), "generation {generation}: {told:?}");
        let with_runs = commits.iter().filter(|commit| !commit.runs.is_empty());
        let untold = with_runs.filter(|commit| !told.contains_key(&commit.seq)).count();
        assert!(!(whole && closed) || untold == 0, "generation {generation}: {untold} commits are not in the log");
    }
}

/// Every gap that the index has is told by leaves that follow each other, and no moment of a stream by two; one that goes on up to ten seconds ago.
fn compare_gaps(station: &Station, parts: &Parts, register: &Register) -> usize {
    let now = station.machine.clock.utc();
    let mut seen = 0;
    for stream in (1..=3).map(video) {
        let leaves = register.gap_leaves(stream, ALL).unwrap();
        for pair in leaves.windows(2) {
            assert!(pair[0].range.end <= pair[1].range.start, "{stream}: {pair:?}");
        }
        for gap in parts.reader.gaps(&playback(stream.camera.get()), stream, ALL, now).unwrap() {
            let goes_on = gap.range.end == now;
            let end = if goes_on { UtcNanos(now.0 - 10_000_000_000) } else { gap.range.end };
            if end.0 - gap.range.start.0 < 1_000_000_000 && goes_on {
                continue;
            }
            let pieces: Vec<_> = leaves.iter().filter(|leaf| leaf.range.overlaps(gap.range)).collect();
            let ends = pieces.first().zip(pieces.last()).map(|(first, last)| (first.range.start, last.range.end));
            assert_eq!(ends, Some((gap.range.start, end)), "{gap:?}: {pieces:?}");
            assert!(pieces.windows(2).all(|pair| pair[0].range.end == pair[1].range.start), "{gap:?}: {pieces:?}");
            for piece in pieces {
                let row = register.audit_entries(piece.leaf, 1).unwrap().remove(0);
                let said = Record::parse(&row.leaf.body);
                let reason = serde_json::to_value(gap.reason).unwrap().as_str().unwrap().to_owned();
                let (start_ns, end_ns) = (piece.range.start.0.to_string(), piece.range.end.0.to_string());
                assert_eq!(said, Some(Record::Gap { end_ns, reason, start_ns, stream: stream.to_u32() }));
            }
            seen += 1;
        }
    }
    seen
}

/// Leaves of stretches and leaves of footage are as many.
fn count_leaves(register: &Register, ring: &Ring) -> u64 {
    let newest = ring.slots.all().map(|(_, generation)| generation).max().unwrap_or(0);
    let stretches =
        (1..=newest).flat_map(|generation| register.footage_stretches(ring.superblock.disk, generation).unwrap());
    let leaves: u64 = stretches.map(|logged| u64::from(logged.leaves)).sum();
    let (mut found, mut before) = (0, None);
    loop {
        let page = register.audit_page(AuditKind::Footage, before, 1000).unwrap();
        let is_gap =
            |row: &&crate::register::AuditRow| matches!(Record::parse(&row.leaf.body), Some(Record::Gap { .. }));
        found += (page.rows.len() - page.rows.iter().filter(is_gap).count()) as u64;
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(found, leaves);
    leaves
}

/// Records until the power goes; the log is written now and then, and sometimes refused.
fn record_until_cut(station: &Station, parts: &mut Parts, cams: &mut [Cam], dice: &mut Dice) {
    let (machine, register) = (&station.machine, station.register());
    let mut log = station.log(parts, &register);
    cams.iter_mut().for_each(|cam| parts.writer.begin(&cam.start(&machine.clock)));
    while !machine.fs.is_off() {
        for _ in 0..1 + dice.below(12) {
            for cam in cams.iter_mut() {
                parts.writer.append(cam.packet(&machine.clock)).unwrap();
            }
            machine.clock.advance(STEP_NANOS);
        }
        if dice.percent(10) {
            let cam = dice.below(cams.len() as u64) as usize;
            if dice.percent(50) {
                let (stream, utc) = (cams[cam].stream, machine.clock.utc());
                parts.writer.end(&RecordingEnd { stream, utc, reason: GapReason::CameraGone });
                let _ = parts.committer.step();
                machine.clock.advance(dice.below(40) * 1_000_000_000);
            }
            parts.writer.begin(&cams[cam].start(&machine.clock));
        }
        let _ = parts.committer.step();
        if dice.percent(40) && !machine.fs.is_off() {
            station.book.break_writes(dice.percent(20));
            if dice.percent(10) {
                let _ = log.log_acknowledged(&Orders::default(), 1);
            }
            let until = if dice.percent(20) { Until::Acknowledged } else { log.due() };
            let _ = log.step(until);
            station.book.break_writes(false);
        }
    }
}

/// Leaves of footage, and gaps that were compared.
fn one_life(seed: u64) -> (u64, usize) {
    let mut dice = Dice::new(seed);
    let station = Station::new(seed);
    let machine = &station.machine;
    let mut cams: Vec<Cam> =
        (1..=1 + dice.below(3) as u32).map(|n| Cam::new(n, 4000 + dice.below(12_000) as usize)).collect();
    for _ in 0..CUTS {
        machine.fs.cut_after(dice.below(400));
        if let Ok(mut parts) = machine.try_open() {
            compare(&station.register(), &parts.part.ring, false);
            record_until_cut(&station, &mut parts, &mut cams, &mut dice);
        }
        machine.fs.power_on();
        machine.kv.crash(&mut dice);
        station.book.crash(&mut dice);
        if dice.percent(10) {
            machine.kv.wipe();
        }
        machine.clock.advance(dice.below(60) * 1_000_000_000);
    }
    let parts = machine.open();
    let register = station.register();
    let mut log = station.log(&parts, &register);
    while log.step(Until::Closed).unwrap() {}
    compare(&register, &parts.part.ring, true);
    let size = register.audit_root().size;
    let mut again = station.log(&parts, &register);
    while again.step(Until::Closed).unwrap() {}
    assert_eq!(register.audit_root().size, size, "seed {seed}: nothing was left to do");
    again.log_acknowledged(&Orders::default(), 1).unwrap();
    let gaps = compare_gaps(&station, &parts, &register);
    register.verify().unwrap();
    (count_leaves(&register, &parts.part.ring), gaps)
}

#[test]
fn over_power_cuts_the_log_tells_of_every_run_of_a_closed_segment_once() {
    let seeds = seeds(SEEDS);
    let live = |seed: &u64| {
        std::panic::catch_unwind(|| one_life(*seed)).unwrap_or_else(|_| panic!("replay with WATCHBOOK_SEED={seed}"))
    };
    let (leaves, gaps) = seeds.iter().map(live).fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
    let many = seeds.len() as u64;
    assert!(many == 1 || leaves > many * 5 && gaps > seeds.len(), "only {leaves} leaves and {gaps} gaps in all");
}

#[test]
fn a_slow_camera_has_leaves_before_its_segment_is_full() {
    let station = Station::new(3);
    let (clock, register) = (&station.machine.clock, station.register());
    let mut parts = station.machine.open();
    let mut cam = Cam::new(1, 100);
    parts.writer.begin(&cam.start(clock));
    let mut log = station.log(&parts, &register);
    for minute in 0..21 {
        (0..12).for_each(|_| parts.writer.append(cam.packet(clock)).unwrap());
        parts.committer.step().unwrap();
        clock.advance(60_000_000_000);
        while log.step(log.due()).unwrap() {}
        assert_eq!(count_leaves(&register, &parts.part.ring), (minute + 1) / 5, "after minute {minute}");
    }
    compare(&register, &parts.part.ring, true);
}

#[test]
fn a_request_waits_for_a_disk_that_is_behind_and_ends_when_the_disk_is_closed() {
    let station = Station::new(2);
    let (clock, register) = (&station.machine.clock, station.register());
    let mut parts = station.machine.open();
    let mut cam = Cam::new(1, 2_000);
    parts.writer.begin(&cam.start(clock));
    (0..12).for_each(|_| parts.writer.append(cam.packet(clock)).unwrap());
    parts.committer.step().unwrap();
    let mut log = station.log(&parts, &register);
    // What waits to be written is a fifth of what may wait.
    let shared = parts.part.care.shared().unwrap();
    while shared.pending().full_percent() < 20 {
        parts.writer.append(cam.packet(clock)).unwrap();
    }
    let late = log.log_acknowledged(&Orders::default(), 1).unwrap_err();
    assert_eq!((late.kind, register.audit_root().size), (Kind::Exhausted, 0), "recording comes first");
    while shared.pending().full_percent() >= 20 {
        parts.committer.step().unwrap();
    }
    let orders = Orders::default();
    orders.give(Asked::Finish);
    let ended = log.log_acknowledged(&orders, 1).unwrap_err();
    assert_eq!((ended.kind, register.audit_root().size), (Kind::Conflict, 0), "the order to end comes first, too");
    log.log_acknowledged(&Orders::default(), 1).unwrap();
    // One for each segment that was filled meanwhile, and one for what the open one has.
    assert!(register.audit_root().size >= 1);
}

#[test]
fn what_is_acknowledged_is_in_the_log_as_soon_as_somebody_asks() {
    let station = Station::new(2);
    let machine = &station.machine;
    let register = station.register();
    let store = Store::open(
        std::slice::from_ref(&machine.config),
        &Deps { register: Some(register.clone()), ..machine.deps() },
    )
    .unwrap();
    let disk = store.index_status()[0].0;
    let (writer, disks) = (store.writer(), store.disks());
    let mut cam = Cam::new(1, 2_000);
    writer.begin(&cam.start(&machine.clock));
    let mut ends = Vec::new();
    for _ in 0..3 {
        (0..12).for_each(|_| writer.append(cam.packet(&machine.clock)).unwrap());
        writer.flush(PATIENCE).unwrap();
        disks.commit_leaves_now(PATIENCE).unwrap();
        let stretches = register.footage_stretches(disk, 1).unwrap();
        ends.push(stretches.last().unwrap().stretch.to_seq);
        assert_eq!(stretches.len(), ends.len(), "the segment is open, and each time it has leaves of what came");
        assert_eq!(
            register.footage_leaf((disk, 1, ends[ends.len() - 1] - 1), video(1).to_u32(), 1).unwrap(),
            Some(ends.len() as u64 - 1)
        );
    }
    let size = register.audit_root().size;
    disks.commit_leaves_now(PATIENCE).unwrap();
    assert_eq!(register.audit_root().size, size, "nothing came");
    station.book.break_writes(true);
    (0..12).for_each(|_| writer.append(cam.packet(&machine.clock)).unwrap());
    writer.flush(PATIENCE).unwrap();
    let wrong = disks.commit_leaves_now(PATIENCE).unwrap_err();
    assert!(wrong.to_string().contains("into the audit log"), "{wrong}");
    station.book.break_writes(false);
    disks.commit_leaves_now(PATIENCE).unwrap();
    store.close().unwrap();
    let ring = reopened(machine);
    compare(&register, &ring, true);
    assert_eq!(count_leaves(&register, &ring), 4);
}

/// The closed ring, with what its slots hold.
fn reopened(machine: &Box_) -> Ring {
    let ring = Ring::open_existing(&machine.config.dir, Arc::new(machine.fs.clone())).unwrap();
    for slot in ring.slots.numbers().collect::<Vec<_>>() {
        ring.slots.set(slot, ring.header(slot).map_or(0, |header| header.generation));
    }
    ring
}

#[test]
fn what_is_acknowledged_is_in_the_log_when_the_ring_is_closed() {
    let station = Station::new(2);
    let machine = &station.machine;
    let register = station.register();
    let deps = Deps { register: Some(register.clone()), ..machine.deps() };
    let mut cam = Cam::new(1, 12_000);
    for _ in 0..2 {
        let store = Store::open(std::slice::from_ref(&machine.config), &deps).unwrap();
        let writer = store.writer();
        writer.begin(&cam.start(&machine.clock));
        for _ in 0..20 {
            (0..12).for_each(|_| writer.append(cam.packet(&machine.clock)).unwrap());
            machine.clock.advance(STEP_NANOS);
            writer.flush(PATIENCE).unwrap();
        }
        store.close().unwrap();
    }
    let ring = reopened(machine);
    compare(&register, &ring, true);
    let newest = segments(&ring).pop().unwrap();
    let stretches = register.footage_stretches(ring.superblock.disk, newest.generation).unwrap();
    let last = newest.commits.last().unwrap().seq;
    assert_eq!(stretches.last().unwrap().stretch.to_seq, last + 1, "the open segment too, up to its last commit");
}
