//! Held footage can be proved when no ring has any of it, or of what its leaves tell of beside it.

use super::*;
use crate::footage_log::{FootageLog, Orders};
use crate::kv::collect;
use crate::reader::{LoggedFootage, RunInLeaf};
use watchbook_base::fs::sim::Dice;
use watchbook_base::fs::{Fs as _, OpenMode};
use watchbook_evidence::hex;
use watchbook_evidence::merkle::root_of;
use watchbook_evidence::record::Record;

/// A box whose footage is logged.
struct Logging {
    machine: HoldBox,
    parts: HoldParts,
    log: FootageLog,
    cams: Vec<Cam>,
    recorded: Footage,
}

fn log_of(machine: &HoldBox, parts: &HoldParts) -> FootageLog {
    let of = (parts.source.part.ring.clone(), parts.source.shared.clone().unwrap(), machine.register.clone());
    FootageLog::new(of, Arc::new(machine.clock().clone()))
}

impl Logging {
    fn on(machine: HoldBox) -> Self {
        let parts = machine.open();
        let log = log_of(&machine, &parts);
        let mut cams = vec![Cam::new(1, 3_000), Cam::new(2, 3_000)];
        cams.iter_mut().for_each(|cam| parts.writer.begin(&cam.start(machine.clock())));
        Self { machine, parts, log, cams, recorded: Footage::default() }
    }

    /// Records; every tenth commit brings leaves.
    fn record(&mut self, commits: usize) {
        for commit in 1..=commits {
            self.recorded.add(self.machine.record(&mut self.parts, &mut self.cams, 1));
            if commit % 10 == 0 {
                self.log.log_acknowledged(&Orders::default(), 1).unwrap();
                self.look();
            }
        }
    }

    /// Lets the vault look at what there is now.
    fn look(&mut self) {
        self.machine.clock().advance(6_000_000_000);
        self.parts.settle();
    }

    fn restart(self) -> Self {
        let Self { machine, parts, log, mut cams, recorded } = self;
        drop((parts, log));
        let parts = machine.open();
        let log = log_of(&machine, &parts);
        cams.iter_mut().for_each(|cam| parts.writer.begin(&cam.start(machine.clock())));
        Self { machine, parts, log, cams, recorded }
    }

    /// Of the newest picture: the clock runs ahead, because each look takes some seconds.
    fn now(&self) -> UtcNanos {
        *self.recorded.0[&video(1)].last_key_value().unwrap().0
    }

    /// Until all of the hold is copied.
    fn wait_held(&mut self, hold: HoldId) {
        for _ in 0..20 {
            if self.parts.info(hold).state == HoldState::Held {
                return;
            }
            self.look();
        }
        panic!("{:?}", self.parts.info(hold));
    }

    /// Records until the ring has nothing of `range` any more.
    fn overwrite(&mut self, range: TimeRange) {
        for _ in 0..60 {
            self.record(10);
            let rings = [self.parts.source.clone()];
            let spans = rings.iter().flat_map(|ring| ring.spans(video(1), range).unwrap().0);
            if spans.count() == 0 {
                return;
            }
        }
        panic!("the ring does not come round");
    }

    fn logged(&self, number: u32, range: TimeRange) -> LoggedFootage {
        let (grant, register) = (playback(number), &self.machine.register);
        self.parts.reader.logged(&grant, video(number), range, register).unwrap()
    }

    /// Every picture of the camera in `range` is there, in runs whose leaves prove them. Gives how many leaves that took.
    fn assert_proved(&self, number: u32, range: TimeRange) -> usize {
        let found = self.logged(number, range);
        assert_eq!(found.without_leaf, 0);
        let mut pictures = 0;
        for (at, segment) in found.segments.iter().enumerate() {
            let hashes: Vec<_> = segment.runs.iter().map(RunInLeaf::hash).collect();
            let row = self.machine.register.audit_entries(segment.leaf, 1).unwrap().remove(0);
            let Some(Record::Segment { recording, root, runs, stream }) = Record::parse(&row.leaf.body) else {
                panic!("{}", row.json().unwrap())
            };
            let of = (segment.recording.0, hex(&root_of(&hashes)), hashes.len() as u32, video(number).to_u32());
            assert_eq!(of, (recording, root, runs, stream));
            for (index, run) in segment.runs.iter().enumerate() {
                let RunInLeaf::Near(run) = run else { continue };
                let bytes = found.bytes(at, index).unwrap();
                assert_eq!(watchbook_evidence::sha256_of(&[&run.table, &bytes]), run.statement.sha256);
                pictures += run.statement.samples as usize;
            }
        }
        let wanted = self.recorded.0[&video(number)].range(range.start..range.end).count();
        assert!(pictures >= wanted && wanted > 0, "{pictures} of {wanted} pictures");
        found.segments.len()
    }

    fn leaf_rows(&self) -> usize {
        collect(&self.machine.kv, crate::catalog::rows::META, &Keys::prefix(b"leaf/")).unwrap().len()
    }
}

#[test]
fn held_footage_is_proved_when_the_ring_has_nothing_of_it() {
    for machine in [HoldBox::sealed(1), HoldBox::new(2), HoldBox::with_own_disk(3)] {
        let mut all = Logging::on(machine);
        all.record(60);
        let range = between(all.now().plus_nanos(-40_000_000_000), all.now().plus_nanos(15_000_000_000));
        let hold = all.parts.hold(&[1], range);
        all.record(60);
        assert!(all.assert_proved(1, range) > 1, "as long as the ring has it, too");
        all.overwrite(range);
        all.wait_held(hold);
        all.look();
        assert_eq!(all.parts.info(hold).unproven_nanos, Some(0), "and the list of holds says so");
        assert!(all.assert_proved(1, range) > 1);
        assert!(all.logged(2, range).segments.is_empty(), "nobody held the other camera");
        // So it is after a start, and when the vault's index is lost.
        let all = all.restart();
        let leaves = all.assert_proved(1, range);
        all.machine.kv.wipe();
        let all = all.restart();
        assert_eq!(all.assert_proved(1, range), leaves);
        assert!(all.machine.check().is_clean(), "{:?}", all.machine.check());
        all.parts.vault.release(hold, 1, "closed").unwrap();
        let mut all = all;
        all.look();
        assert_eq!((all.leaf_rows(), all.logged(1, range).segments.len()), (0, 0));
    }
}

#[test]
fn what_was_held_before_proofs_were_copied_is_listed_as_unproven() {
    let mut all = Logging::on(HoldBox::new(4));
    all.recorded = all.machine.record(&mut all.parts, &mut all.cams, 40);
    let range = between(all.now().plus_nanos(-12_000_000_000), all.now());
    let hold = all.parts.hold(&[1], range);
    // Nothing is logged until the ring has come round.
    let recorded = all.machine.record(&mut all.parts, &mut all.cams, 400);
    all.recorded.add(recorded);
    let found = all.logged(1, range);
    assert!(found.segments.is_empty() && found.without_leaf >= 20, "{}", found.without_leaf);
    all.wait_held(hold);
    all.look();
    // Whole minutes are held, and the twelve seconds lie in one; of the runs at both ends something lies beside it.
    let unproven_s = all.parts.info(hold).unproven_nanos.unwrap() as f64 / 1e9;
    assert!((59.0..63.0).contains(&unproven_s), "{unproven_s} s");
    all.recorded.assert_in(&all.parts, &[1], range);
}

#[test]
fn a_vault_that_is_older_than_proofs_gets_them_as_long_as_the_ring_has_the_footage() {
    let mut all = Logging::on(HoldBox::new(5));
    all.recorded = all.machine.record(&mut all.parts, &mut all.cams, 40);
    let range = between(all.now().plus_nanos(-12_000_000_000), all.now());
    let hold = all.parts.hold(&[1], range);
    all.recorded.add(all.machine.record(&mut all.parts, &mut all.cams, 40));
    all.wait_held(hold);
    assert_eq!(all.leaf_rows(), 0);
    all.look();
    assert!(all.parts.info(hold).unproven_nanos.unwrap() > 0);
    let mut all = all.restart();
    all.record(10);
    all.look();
    assert_eq!(all.parts.info(hold).unproven_nanos, Some(0));
    assert!(all.leaf_rows() > 0);
    all.overwrite(range);
    all.assert_proved(1, range);
}

#[test]
fn what_is_copied_from_another_hold_takes_its_proofs_along() {
    let mut all = Logging::on(HoldBox::new(6));
    all.record(60);
    let range = between(all.now().plus_nanos(-30_000_000_000), all.now());
    let first = all.parts.hold(&[1], range);
    all.overwrite(range);
    let second = all.parts.hold(&[1], range);
    all.wait_held(second);
    all.parts.vault.release(first, 1, "closed").unwrap();
    all.look();
    all.assert_proved(1, range);
    let all = all.restart();
    all.assert_proved(1, range);
}

#[test]
fn a_held_copy_stands_in_for_what_the_ring_has_damaged() {
    for whole_commits in [false, true] {
        damaged(whole_commits);
    }
}

fn damaged(whole_commits: bool) {
    let mut all = Logging::on(HoldBox::sealed(7));
    all.record(40);
    let range = between(all.now().plus_nanos(-12_000_000_000), all.now());
    all.parts.hold(&[1], range);
    all.record(20);
    let damage = |slot: u32| {
        let ring = &all.parts.source.part.ring;
        let file = all.machine.ring.fs.open(&ring.path(slot), OpenMode::ReadWrite).unwrap();
        let header = ring.header(slot).unwrap();
        let reader = ring.reader(slot, header.generation).unwrap();
        reader.scan(crate::scan::first_position(&header), None, &mut |at, commit, _| {
            if whole_commits && commit.seq % 7 == 0 {
                file.write_all_at(&[&[0x5A]], at.offset + 130).unwrap();
            }
            for run in commit.runs {
                file.write_all_at(&[&[0x5A]], at.offset + run.payload_offset + 9).unwrap();
            }
        });
    };
    all.parts
        .source
        .part
        .ring
        .slots
        .all()
        .filter(|(_, generation)| *generation != 0)
        .for_each(|(slot, _)| damage(slot));
    all.assert_proved(1, range);
}

/// The box of a seed, its power cut while the hold is copied with its proofs; then all of it is proved from the vault alone.
fn one_cut(seed: u64, steps: u64) -> bool {
    let mut all = Logging::on(HoldBox::with_own_disk(seed));
    let mut dice = Dice::new(seed);
    all.record(30);
    let range = between(all.now().plus_nanos(-20_000_000_000), all.now());
    all.parts.hold(&[1, 2], range);
    all.machine.fs.cut_after(steps);
    all.machine.clock().advance(6_000_000_000);
    while all.parts.vault.step(&mut all.parts.worker) == Step::Busy && !all.machine.fs.is_off() {}
    let was_cut = all.machine.fs.is_off();
    all.machine.fs.power_on();
    all.machine.kv.crash(&mut dice);
    let mut all = all.restart();
    all.look();
    all.overwrite(range);
    all.assert_proved(1, range);
    all.assert_proved(2, range);
    assert!(all.machine.check().is_clean(), "{:?}", all.machine.check());
    was_cut
}

#[test]
fn the_power_may_go_at_each_step_while_proofs_are_copied() {
    let mut cuts = 0;
    for steps in 0.. {
        let cut = std::panic::catch_unwind(|| one_cut(steps, steps)).unwrap_or_else(|_| panic!("after {steps} steps"));
        if !cut {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 10, "only {cuts} cuts");
}
