//! What a disk does not give is not gone: neither of the vault nor of a ring.

use super::*;
use watchbook_base::fs::sim::Op;
use watchbook_base::fs::{Fs, OpenMode};

const SEGMENTS: &str = "/vault/segments";
pub(super) const FIRST: &str = "/vault/segments/000001.seg";

/// A vault that holds ten commits of camera 1, which the ring has overwritten.
pub(super) fn overwritten(seed: u64) -> (HoldBox, HoldId, Footage, TimeRange) {
    let machine = HoldBox::with_own_disk(seed);
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 18_000)];
    parts.writer.begin(&cams[0].start(machine.clock()));
    // In two commits of the vault.
    let mut early = machine.record(&mut parts, &mut cams, 5);
    let range = between(START, machine.clock().utc().plus_nanos(5 * 480_000_000));
    let hold = parts.hold(&[1], range);
    early.add(machine.record(&mut parts, &mut cams, 5));
    machine.pause(&parts, &mut cams, 60);
    machine.record(&mut parts, &mut cams, 100);
    assert_eq!((parts.info(hold).state, parts.info(hold).missing_count), (HoldState::Held, 0));
    (machine, hold, early, range)
}

fn file_bytes(machine: &HoldBox) -> u64 {
    let len = |name: &String| {
        let path = Path::new(SEGMENTS).join(name);
        machine.fs.open(&path, OpenMode::Read).unwrap().len().unwrap()
    };
    machine.fs.list(Path::new(SEGMENTS)).unwrap().iter().map(len).sum()
}

/// A closed vault with all of a hold, of which the ring still has everything.
pub(super) fn held(seed: u64) -> (HoldBox, HoldId, Footage, TimeRange) {
    let (machine, mut parts, mut cams, early, range) = recorded(seed);
    machine.pause(&parts, &mut cams, 60);
    machine.record(&mut parts, &mut cams, 1);
    let hold = parts.hold(&[1, 2], range);
    a_minute_later(&machine, &mut parts);
    assert_eq!((parts.info(hold).state, parts.info(hold).missing_count), (HoldState::Held, 0));
    (machine, hold, early, range)
}

/// A minute later what could not be read is tried again.
pub(super) fn a_minute_later(machine: &HoldBox, parts: &mut HoldParts) {
    machine.clock().advance(61_000_000_000);
    parts.settle();
}

#[test]
fn a_segment_that_cannot_be_read_at_the_start_is_kept_and_comes_back() {
    for (op, lost_index) in [(Op::Open, false), (Op::Open, true), (Op::Read, false), (Op::Read, true)] {
        let (machine, hold, early, range) = overwritten(40);
        let bytes = file_bytes(&machine);
        if lost_index {
            machine.kv.wipe();
        }
        assert!(machine.fs.fail_file(Path::new(FIRST), op, libc::EIO));
        let mut parts = machine.open();
        a_minute_later(&machine, &mut parts);
        let told = parts.alarm(AlarmKind::VaultFailed).unwrap();
        assert!(told.contains("segment 000001") && told.contains("nothing of it is removed"), "{told}");
        assert_eq!((parts.info(hold).missing_count, parts.alarm(AlarmKind::HoldIncomplete)), (0, None), "{op:?}");
        machine.fs.heal();
        assert_eq!(file_bytes(&machine), bytes, "{op:?}: nothing is removed");
        a_minute_later(&machine, &mut parts);
        assert_eq!(parts.alarm(AlarmKind::VaultFailed), None, "{op:?}");
        assert_eq!((parts.info(hold).state, parts.info(hold).missing_count), (HoldState::Held, 0), "{op:?}");
        early.assert_in(&parts, &[1], range);
    }
}

#[test]
fn no_read_error_at_the_start_costs_held_footage() {
    let (machine, hold, early, range) = overwritten(41);
    let bytes = file_bytes(&machine);
    for skip in 0..24 {
        machine.kv.wipe();
        machine.fs.fail(Op::Read, libc::EIO, skip, 1);
        let mut parts = machine.open();
        machine.fs.heal();
        a_minute_later(&machine, &mut parts);
        a_minute_later(&machine, &mut parts);
        assert_eq!(file_bytes(&machine), bytes, "read {skip}");
        assert_eq!((parts.info(hold).state, parts.info(hold).missing_count), (HoldState::Held, 0), "read {skip}");
        early.assert_in(&parts, &[1], range);
    }
}

#[test]
fn a_bad_sector_in_a_held_segment_costs_the_index_nothing_else() {
    let (machine, hold, early, range) = overwritten(42);
    let bytes = file_bytes(&machine);
    machine.kv.wipe();
    // The metadata of the second commit.
    assert!(machine.fs.fail_byte(Path::new(FIRST), first_commit_end(&machine)));
    let mut parts = machine.open();
    a_minute_later(&machine, &mut parts);
    let held = parts.footage(video(1));
    assert!(early.0[&video(1)].keys().any(|utc| held.contains_key(utc)), "what can be read is listed");
    assert!(early.0[&video(1)].keys().any(|utc| !held.contains_key(utc)));
    assert_eq!((parts.info(hold).state, parts.info(hold).missing_count), (HoldState::Copying, 0));
    drop(parts);
    assert!(!machine.check().is_clean(), "the sector is damage");
    drop(machine.open());
    machine.fs.heal();
    let mut parts = machine.open();
    a_minute_later(&machine, &mut parts);
    assert_eq!((file_bytes(&machine), parts.info(hold).state), (bytes, HoldState::Held));
    early.assert_in(&parts, &[1], range);
}

fn first_commit_end(machine: &HoldBox) -> u64 {
    commit_end(&machine.fs, Path::new(FIRST), 4096)
}

/// Where the commit at `at` ends.
pub(super) fn commit_end(fs: &SimFs, path: &Path, at: u64) -> u64 {
    let file = fs.open(path, OpenMode::Read).unwrap();
    let mut head = vec![0; 4096];
    file.read_exact_at(&mut head, at).unwrap();
    at + crate::format::commit::extent(&head).unwrap().commit_len
}

#[test]
fn a_segment_that_has_rotted_away_is_kept_and_is_damage() {
    for lost_index in [false, true] {
        let (machine, hold, ..) = overwritten(43);
        let bytes = file_bytes(&machine);
        let file = machine.fs.open(Path::new(FIRST), OpenMode::Read).unwrap();
        for offset in (0..file.len().unwrap()).step_by(4096) {
            assert!(machine.fs.rot(Path::new(FIRST), offset + 3, 0x55));
        }
        if lost_index {
            machine.kv.wipe();
        }
        let report = machine.check();
        let bad = &report.bad_segments;
        assert_eq!((bad.len(), bad[0].slot, bad[0].hold), (1, 1, (!lost_index).then_some(hold)), "{report:?}");
        assert!(!report.is_clean() && report.leftovers.is_empty());
        let parts = machine.open();
        assert_eq!(file_bytes(&machine), bytes);
        assert!(parts.alarm(AlarmKind::VaultFailed).unwrap().contains("nothing in it checks out"));
        assert_eq!(parts.vault.info().unwrap().held_bytes, bytes, "it counts");
    }
}

/// What somebody or something does to a file of the vault.
type Harm = fn(&SimFs);

fn empty(fs: &SimFs) {
    fs.remove(Path::new(FIRST)).unwrap();
    drop(fs.open(Path::new(FIRST), OpenMode::Create).unwrap());
}

fn rot_away(fs: &SimFs) {
    let file = fs.open(Path::new(FIRST), OpenMode::Read).unwrap();
    for offset in (0..file.len().unwrap()).step_by(4096) {
        assert!(fs.rot(Path::new(FIRST), offset + 3, 0x55));
    }
}

pub(super) fn take_away(fs: &SimFs) {
    fs.remove(Path::new(FIRST)).unwrap();
}

const HARMS: [(Harm, &str); 3] =
    [(empty, "nothing is left in it"), (rot_away, "nothing in it checks out"), (take_away, "its file is missing")];

#[test]
fn a_segment_in_which_nothing_is_left_does_not_count_as_held() {
    for (harm, why) in HARMS {
        let (machine, hold, ..) = overwritten(56);
        harm(&machine.fs);
        let bytes = file_bytes(&machine);
        let mut parts = machine.open();
        a_minute_later(&machine, &mut parts);
        assert_eq!(parts.info(hold).state, HoldState::Incomplete, "{why}: the ring does not have it any more");
        assert!(parts.alarm(AlarmKind::VaultFailed).unwrap().contains(why));
        assert_eq!((file_bytes(&machine), parts.vault.info().unwrap().held_bytes), (bytes, bytes), "{why}: it is kept");
    }
}

#[test]
fn what_is_left_of_a_segment_is_copied_again_while_a_ring_has_it() {
    for ((harm, why), while_it_runs) in HARMS.into_iter().flat_map(|harm| [(harm, false), (harm, true)]) {
        let (mut machine, hold, early, range) = held(57);
        if while_it_runs {
            assert!(machine.fs.fail_file(Path::new(FIRST), Op::Read, libc::EIO));
        } else {
            harm(&machine.fs);
        }
        let mut parts = machine.open();
        if while_it_runs {
            assert_eq!(parts.info(hold).left_bytes, 0, "{why}: it is not copied again while the disk may give it");
            machine.fs.heal();
            harm(&machine.fs);
        }
        a_minute_later(&machine, &mut parts);
        let info = parts.info(hold);
        assert_eq!((info.state, info.missing_count, info.left_bytes), (HoldState::Held, 0, 0), "{why}");
        assert!(parts.alarm(AlarmKind::VaultFailed).unwrap().contains(why));
        drop(parts);
        machine.ring.fs = SimFs::new(99);
        machine.ring.kv.wipe();
        early.assert_in(&machine.open(), &[1, 2], range);
    }
}

#[test]
fn a_file_that_somebody_takes_away_while_the_disk_refuses_it_holds_up_no_hold() {
    for lost_index in [false, true] {
        let (machine, hold, ..) = overwritten(58);
        if lost_index {
            machine.kv.wipe();
        }
        assert!(machine.fs.fail_file(Path::new(FIRST), Op::Read, libc::EIO));
        let mut parts = machine.open();
        machine.fs.heal();
        take_away(&machine.fs);
        a_minute_later(&machine, &mut parts);
        assert_eq!(parts.info(hold).state, HoldState::Incomplete, "the hold is settled");
        assert_eq!(parts.alarm(AlarmKind::VaultFailed).is_some(), !lost_index, "what the index has is missing");
    }
}

#[test]
fn a_segment_whose_first_commit_is_blank_is_kept_for_what_follows() {
    let (machine, ..) = overwritten(59);
    let bytes = file_bytes(&machine);
    let mut sector = vec![0; 512];
    machine.fs.open(Path::new(FIRST), OpenMode::Read).unwrap().read_exact_at(&mut sector, 4096).unwrap();
    for (offset, byte) in (4096..).zip(sector) {
        assert!(machine.fs.rot(Path::new(FIRST), offset, byte));
    }
    machine.kv.wipe();
    let report = machine.check();
    assert!(report.leftovers.is_empty() && report.commits == 1, "{report:?}");
    assert!(report.bad_segments[0].what.contains("says whose it is"), "{report:?}");
    let parts = machine.open();
    assert_eq!(file_bytes(&machine), bytes, "nothing is removed");
    assert!(parts.alarm(AlarmKind::VaultFailed).unwrap().contains("says whose it is"));
}

#[test]
fn what_cannot_be_listed_because_a_commit_before_it_is_damaged_is_copied_again() {
    let mut machine = HoldBox::with_own_disk(60);
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 9000)];
    parts.writer.begin(&cams[0].start(machine.clock()));
    parts.hold(&[1], between(START, START.plus_nanos(100_000_000_000)));
    let mut all = machine.record(&mut parts, &mut cams, 1);
    // Each is copied on its own.
    machine.pause(&parts, &mut cams, 10);
    all.add(machine.record(&mut parts, &mut cams, 1));
    machine.clock().advance(6_000_000_000);
    all.add(machine.record(&mut parts, &mut cams, 1));
    drop(parts);
    // Those with footage; others state a gap.
    let (end, mut at, mut commits) = (file_bytes(&machine), 4096, Vec::new());
    while at < end {
        let next = commit_end(&machine.fs, Path::new(FIRST), at);
        commits.extend((next - at > 100_000).then_some(at));
        at = next;
    }
    assert_eq!(commits.len(), 3);
    // The one that says how the second recording began.
    assert!(machine.fs.rot(Path::new(FIRST), commits[1], 4));
    machine.kv.wipe();
    let mut parts = machine.open();
    a_minute_later(&machine, &mut parts);
    drop(parts);
    machine.ring.fs = SimFs::new(99);
    machine.ring.kv.wipe();
    all.assert_in(&machine.open(), &[1], ALL);
}

#[test]
fn check_tells_of_a_segment_that_cannot_be_read_and_of_one_that_is_missing_until_the_hold_is_released() {
    let (machine, hold, ..) = overwritten(44);
    for op in [Op::Open, Op::Read] {
        assert!(machine.fs.fail_file(Path::new(FIRST), op, libc::EIO));
        let report = machine.check();
        assert_eq!((report.bad_segments[0].slot, report.bad_segments[0].hold), (1, Some(hold)), "{report:?}");
        assert!(!report.is_clean() && report.leftovers.is_empty());
        machine.fs.heal();
    }
    assert!(machine.check().is_clean());
    machine.fs.remove(Path::new(FIRST)).unwrap();
    let told = |report: crate::vault::VaultReport| {
        let bad: Vec<_> = report.bad_segments.iter().map(|bad| (bad.slot, bad.hold, bad.what.as_str())).collect();
        assert_eq!(bad, [(1, Some(hold), "its file is missing")]);
        assert!(!report.is_clean());
    };
    told(machine.check());
    let mut parts = machine.open();
    assert!(parts.alarm(AlarmKind::VaultFailed).unwrap().contains("its file is missing"));
    a_minute_later(&machine, &mut parts);
    assert_eq!(parts.info(hold).state, HoldState::Incomplete);
    drop(parts);
    told(machine.check());
    let mut parts = machine.open();
    parts.vault.release(hold, 1, "closed").unwrap();
    parts.settle();
    assert_eq!(parts.alarm(AlarmKind::VaultFailed), None);
    drop(parts);
    assert!(machine.check().is_clean());
}

/// A ring of which twelve commits of two cameras are recorded, and that is not wrapped yet.
pub(super) fn recorded(seed: u64) -> (HoldBox, HoldParts, [Cam; 2], Footage, TimeRange) {
    let machine = HoldBox::with_own_disk(seed);
    let mut parts = machine.open();
    let mut cams = [1, 2].map(|number| Cam::new(number, 9000));
    cams.iter_mut().for_each(|cam| parts.writer.begin(&cam.start(machine.clock())));
    let early = machine.record(&mut parts, &mut cams, 12);
    let range = between(START, machine.clock().utc());
    (machine, parts, cams, early, range)
}

#[test]
fn no_read_error_of_a_ring_makes_footage_missing() {
    for skip in 0..40 {
        let (machine, mut parts, mut cams, early, range) = recorded(45);
        machine.ring.fs.fail(Op::Read, libc::EIO, skip, 2);
        let hold = parts.hold(&[1, 2], range);
        parts.settle();
        assert_eq!(parts.info(hold).missing_count, 0, "read {skip}");
        machine.ring.fs.heal();
        a_minute_later(&machine, &mut parts);
        machine.pause(&parts, &mut cams, 60);
        machine.record(&mut parts, &mut cams, 100);
        let info = parts.info(hold);
        assert_eq!((info.state, info.missing_count, info.trouble), (HoldState::Held, 0, None), "read {skip}");
        early.assert_in(&parts, &[1, 2], range);
    }
}

#[test]
fn a_bad_sector_of_a_ring_holds_up_one_commit_and_is_tried_again() {
    let (machine, mut parts, mut cams, early, range) = recorded(46);
    let segment = Path::new("/ring/segments/000001.seg");
    assert!(machine.ring.fs.fail_byte(segment, 4096 + 3 * 340_000 + 60_000));
    let hold = parts.hold(&[1, 2], range);
    parts.settle();
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count), (HoldState::Copying, 0), "{info:?}");
    assert!(info.trouble.unwrap().contains("tried again"));
    assert!(info.held_bytes > 11 * 300_000, "{} bytes: all but one commit are held", info.held_bytes);
    let once = info.held_bytes;
    a_minute_later(&machine, &mut parts);
    assert_eq!(parts.info(hold).held_bytes, once, "nothing is copied twice");
    machine.ring.fs.heal();
    a_minute_later(&machine, &mut parts);
    machine.pause(&parts, &mut cams, 60);
    machine.record(&mut parts, &mut cams, 100);
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count, info.trouble), (HoldState::Held, 0, None));
    early.assert_in(&parts, &[1, 2], range);
    drop(parts);
    machine.kv.wipe();
    early.assert_in(&machine.open(), &[1, 2], range);
}

#[test]
fn what_was_passed_over_is_read_again_when_a_look_comes_in_the_midst_of_what_lies_behind_it() {
    let mut machine = HoldBox::with_own_disk(51);
    // More than a commit of the vault in one segment.
    machine.ring.config.segment_bytes = Some(32 * MIB);
    machine.ring.config.capacity_bytes = 128 * MIB;
    let mut parts = machine.open();
    let mut cams = [1, 2].map(|number| Cam::new(number, 9000));
    cams.iter_mut().for_each(|cam| parts.writer.begin(&cam.start(machine.clock())));
    let early = machine.record(&mut parts, &mut cams, 80);
    let range = between(START, machine.clock().utc());
    let segment = Path::new("/ring/segments/000001.seg");
    assert!(machine.ring.fs.fail_byte(segment, 4096 + 3 * 340_000 + 60_000));
    let hold = parts.hold(&[1, 2], range);
    for _ in 0..3 {
        parts.vault.step(&mut parts.worker);
        machine.clock().advance(6_000_000_000);
    }
    parts.settle();
    let info = parts.info(hold);
    assert!(info.state == HoldState::Copying && info.held_bytes > 79 * 300_000, "{info:?}");
    machine.ring.fs.heal();
    a_minute_later(&machine, &mut parts);
    machine.pause(&parts, &mut cams, 60);
    machine.record(&mut parts, &mut cams, 1);
    a_minute_later(&machine, &mut parts);
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count, info.trouble), (HoldState::Held, 0, None));
    drop(parts);
    machine.ring.fs = SimFs::new(99);
    machine.ring.kv.wipe();
    early.assert_in(&machine.open(), &[1, 2], range);
}

#[test]
fn a_disk_that_takes_long_to_refuse_a_read_holds_up_nothing_else() {
    let (machine, mut parts, ..) = recorded(52);
    let other = machine.clock().utc();
    let segment = Path::new("/ring/segments/000001.seg");
    for commit in [2, 5] {
        assert!(machine.ring.fs.fail_byte(segment, 4096 + commit * 340_000 + 60_000));
    }
    machine.ring.fs.fail_slowly(machine.clock(), 30_000_000_000);
    let hold = parts.hold(&[1, 2], between(START, other));
    let began = machine.clock().utc();
    for _ in 0..20 {
        parts.vault.step(&mut parts.worker);
    }
    let info = parts.info(hold);
    assert!(info.state == HoldState::Copying && info.held_bytes > 9 * 300_000, "all but two commits: {info:?}");
    let refusing = machine.clock().utc().nanos_since(began);
    assert!(refusing <= 4 * 30_000_000_000, "each is tried once, and once more past the memory: {refusing}");
    // From then on it costs a twentieth of the time.
    let (began, mut waited) = (machine.clock().utc(), 0);
    while waited < 7_200_000_000_000 {
        machine.clock().advance(5_000_000_000);
        waited += 5_000_000_000;
        parts.settle();
    }
    let refusing = machine.clock().utc().nanos_since(began) - waited;
    assert!((60_000_000_000..=waited / 8).contains(&refusing), "{refusing} of {waited}");
    machine.ring.fs.heal();
    machine.clock().advance(1_300_000_000_000);
    parts.settle();
    assert_eq!((parts.info(hold).left_bytes, parts.info(hold).trouble), (0, None), "it was tried again");
}

#[test]
fn a_vaults_disk_that_takes_long_to_refuse_a_read_holds_up_no_copying() {
    let (machine, ..) = overwritten(53);
    assert!(machine.fs.fail_file(Path::new(FIRST), Op::Read, libc::EIO));
    machine.fs.fail_slowly(machine.clock(), 30_000_000_000);
    machine.kv.wipe();
    let mut parts = machine.open();
    let (began, mut waited) = (machine.clock().utc(), 0);
    while waited < 7_200_000_000_000 {
        machine.clock().advance(5_000_000_000);
        waited += 5_000_000_000;
        parts.settle();
    }
    let refusing = machine.clock().utc().nanos_since(began) - waited;
    assert!((30_000_000_000..=waited / 15).contains(&refusing), "{refusing} of {waited}");
}

#[test]
fn trouble_ends_with_what_it_was_about() {
    let (machine, mut parts, mut cams, _, range) = recorded(54);
    // The magic number of the fourth commit: nothing of it can be had, to the last.
    let segment = Path::new("/ring/segments/000001.seg");
    let fourth = (0..3).fold(4096, |at, _| commit_end(&machine.ring.fs, segment, at));
    assert!(machine.ring.fs.fail_byte(segment, fourth));
    let hold = parts.hold(&[1, 2], range);
    a_minute_later(&machine, &mut parts);
    assert!(parts.info(hold).trouble.unwrap().contains("tried again"));
    assert!(parts.alarm(AlarmKind::VaultFailed).is_some());
    machine.pause(&parts, &mut cams, 60);
    machine.record(&mut parts, &mut cams, 100);
    assert_eq!(parts.info(hold).trouble, None, "the ring has overwritten it");
    assert_eq!(parts.alarm(AlarmKind::VaultFailed), None);
    assert_lost(&parts.info(hold));
    drop(parts);
    let mut parts = machine.open();
    a_minute_later(&machine, &mut parts);
    assert_lost(&parts.info(hold));
}

/// Half a second of two cameras was overwritten before it could be read.
fn assert_lost(info: &HoldInfo) {
    assert_eq!((info.state, info.missing_count), (HoldState::Incomplete, 2), "{info:?}");
    for missing in &info.missing {
        assert_eq!(missing.reason, MissingReason::Overwritten);
        assert!((100_000_000..1_000_000_000).contains(&missing.end.nanos_since(missing.start)), "{missing:?}");
        assert!((1_000_000_000..2_500_000_000).contains(&missing.start.nanos_since(START)), "{missing:?}");
    }
}

#[test]
fn of_what_is_overwritten_next_all_that_can_be_read_is_held() {
    assert_last_chance(false);
}

#[test]
fn a_slot_that_cannot_be_written_does_not_hide_what_is_overwritten_next() {
    assert_last_chance(true);
}

fn assert_last_chance(bad_slot: bool) {
    let (machine, mut parts, mut cams, early, range) = recorded(47);
    let segment = Path::new("/ring/segments/000001.seg");
    assert!(machine.ring.fs.fail_byte(segment, 4096 + 3 * 340_000 + 60_000));
    if bad_slot {
        assert!(machine.ring.fs.fail_file(Path::new("/ring/segments/000003.seg"), Op::Write, libc::EIO));
    }
    let hold = parts.hold(&[1, 2], range);
    machine.pause(&parts, &mut cams, 60);
    machine.record(&mut parts, &mut cams, 100);
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count), (HoldState::Incomplete, 1), "{info:?}");
    assert_eq!(info.missing[0].reason, MissingReason::Damaged);
    assert!(info.missing[0].end.nanos_since(info.missing[0].start) < 1_000_000_000, "one run");
    let lost = &info.missing[0];
    machine.ring.fs.heal();
    for (stream, samples) in &early.0 {
        let held = parts.footage(*stream);
        let is_lost = |utc: &UtcNanos| *stream == lost.stream && (lost.start..lost.end).contains(utc);
        assert!(samples.keys().all(|utc| held.contains_key(utc) || is_lost(utc)), "{stream}");
    }
}

#[test]
fn what_is_wrong_in_memory_alone_is_held() {
    // A payload, and the magic number of a commit.
    for offset in [4096 + 3 * 340_000 + 60_000, 4096] {
        let (machine, mut parts, mut cams, early, range) = recorded(48);
        assert!(machine.ring.fs.rot_memory(Path::new("/ring/segments/000001.seg"), offset, 4));
        let hold = parts.hold(&[1, 2], range);
        parts.settle();
        machine.pause(&parts, &mut cams, 60);
        machine.record(&mut parts, &mut cams, 100);
        let info = parts.info(hold);
        assert_eq!((info.state, info.missing_count), (HoldState::Held, 0), "{info:?}");
        early.assert_in(&parts, &[1, 2], range);
    }
}

#[test]
fn a_damaged_end_of_a_log_is_not_taken_for_looked_through() {
    let (machine, mut parts, ..) = recorded(49);
    let range = between(START, machine.clock().utc());
    // The magic number of the last commit of the log.
    let segment = Path::new("/ring/segments/000001.seg");
    let file = machine.ring.fs.open(segment, OpenMode::Read).unwrap();
    let (mut at, mut last) = (4096, 4096);
    let mut head = vec![0; 4096];
    while file.read_exact_at(&mut head, at).is_ok()
        && let Some(extent) = crate::format::commit::extent(&head)
    {
        (last, at) = (at, at + extent.commit_len);
    }
    assert!(machine.ring.fs.rot(segment, last, 4));
    let hold = parts.hold(&[1, 2], range);
    a_minute_later(&machine, &mut parts);
    let trouble = parts.info(hold).trouble.unwrap();
    assert!(trouble.contains("ends before its index says"), "{trouble}");
    assert!(machine.ring.fs.rot(segment, last, 4));
    a_minute_later(&machine, &mut parts);
    assert_eq!((parts.info(hold).trouble, parts.info(hold).left_bytes), (None, 0), "it was tried again");
}

#[test]
fn a_first_commit_that_fails_leaves_no_file_outside_the_quota() {
    for (op, remove_fails) in [(Op::Write, false), (Op::Sync, false), (Op::Open, false), (Op::Write, true)] {
        let (machine, mut parts, ..) = recorded(50);
        let hold = parts.hold(&[1, 2], between(START, machine.clock().utc()));
        // The header gets through.
        machine.fs.fail(op, libc::EIO, u64::from(op != Op::Open), u64::MAX);
        if remove_fails {
            machine.fs.fail(Op::Remove, libc::EIO, 0, u64::MAX);
        }
        for _ in 0..5 {
            parts.settle();
            machine.clock().advance(11_000_000_000);
        }
        machine.fs.heal();
        let (held, there) = (parts.vault.info().unwrap().held_bytes, file_bytes(&machine));
        assert_eq!((held, there > 0), (there, remove_fails), "{op:?}");
        parts.settle();
        a_minute_later(&machine, &mut parts);
        assert!(parts.info(hold).trouble.is_none() && parts.info(hold).left_bytes == 0, "{op:?}");
        parts.vault.release(hold, 1, "closed").unwrap();
        parts.settle();
        assert_eq!(file_bytes(&machine), 0, "{op:?}: what was left goes with the hold");
    }
}
