//! What rots in the vault is found by the vault itself, before anybody plays it.

use super::losses::assert_vault_has;
use super::unreadable::{FIRST, a_minute_later, commit_end, held, overwritten, recorded};
use super::*;
use crate::format::{DamageKind, DamagedRun};
use crate::vault::ClosedVault;
use watchbook_base::fs::sim::Op;
use watchbook_base::fs::{Fs, OpenMode};

/// Of a run directory entry the offset of the hash.
const RUN_HASH: u64 = 192 + 80;

fn progress(parts: &HoldParts) -> crate::ScrubProgress {
    let vault = parts.reader.scrubs().into_iter().next_back();
    vault.unwrap().1
}

/// Lets the vault verify all that it holds, a day after the last time.
fn scrub(machine: &HoldBox, parts: &mut HoldParts) {
    let last = progress(parts).last_full_utc;
    machine.clock().advance(86_400_000_000_000);
    for _ in 0..100 {
        if progress(parts).last_full_utc != last {
            parts.settle();
            return;
        }
        machine.clock().advance(61_000_000_000);
        parts.settle();
    }
    panic!("no pass of the scrub comes to an end");
}

fn rot(machine: &HoldBox, offset: u64) {
    assert!(machine.fs.rot(Path::new(FIRST), offset, 4));
}

pub(super) fn head(machine: &HoldBox, at: u64) -> crate::format::Commit {
    let file = machine.fs.open(Path::new(FIRST), OpenMode::Read).unwrap();
    let mut head = vec![0; 4096];
    file.read_exact_at(&mut head, at).unwrap();
    let mut meta = vec![0; crate::format::commit::extent(&head).unwrap().meta_len as usize];
    file.read_exact_at(&mut meta, at).unwrap();
    crate::format::Commit::decode(&meta).unwrap()
}

/// Where something of the first commit with footage lies: payload of its third run, its sample table, its header, and the header of the segment.
fn places(machine: &HoldBox) -> [(u64, &'static str); 4] {
    let commit = head(machine, 4096);
    let meta = 192 + 128 * commit.runs.len() as u64;
    let payload = 4096 + commit.runs[2].payload_offset + 1000;
    let tables = 4096 + commit.runs[0].payload_offset - 128;
    assert!(tables > 4096 + meta);
    [(payload, "payload"), (tables, "tables"), (4096 + RUN_HASH, "commit"), (16, "segment header")]
}

fn damage(parts: &HoldParts, number: u32) -> Vec<DamagedRun> {
    parts.reader.damage(&playback(number), video(number), ALL).unwrap()
}

#[test]
fn what_rots_while_a_ring_has_it_is_copied_again_and_nobody_has_to_play_it() {
    for at in 0..4 {
        let (machine, hold, early, range) = held(70);
        let mut parts = machine.open();
        let (offset, what) = places(&machine)[at];
        let before = parts.info(hold).held_bytes;
        rot(&machine, offset);
        scrub(&machine, &mut parts);
        let told = parts.alarm(AlarmKind::VaultFailed).expect(what);
        assert!(told.contains("case 2026-117") && told.contains("segment 000001") && told.contains("SMART"), "{told}");
        assert_eq!(told.contains("cameras 1"), what != "segment header", "{told}");
        let info = parts.info(hold);
        assert_eq!((info.state, info.missing_count, info.trouble), (HoldState::Held, 0, None), "{what}");
        assert_eq!(info.held_bytes > before, what != "segment header", "{what}: it is copied again");
        assert_eq!(parts.alarm(AlarmKind::HoldIncomplete), None);
        assert_eq!((damage(&parts, 1), damage(&parts, 2)), (vec![], vec![]), "{what}: what is shown is whole");
        let held_bytes = info.held_bytes;
        scrub(&machine, &mut parts);
        assert_eq!(parts.info(hold).held_bytes, held_bytes, "{what}: once");
        drop(parts);
        assert_vault_has(machine, (&early, &[1, 2], range));
    }
}

#[test]
fn what_rots_in_one_commit_after_the_other_is_copied_again_each_time() {
    let machine = HoldBox::with_own_disk(69);
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 9000)];
    parts.writer.begin(&cams[0].start(machine.clock()));
    let range = between(START, START.plus_nanos(5_000_000_000));
    let hold = parts.hold(&[1], range);
    let mut all = machine.record(&mut parts, &mut cams, 5);
    machine.clock().advance(6_000_000_000);
    all.add(machine.record(&mut parts, &mut cams, 5));
    machine.clock().advance(6_000_000_000);
    all.add(machine.record(&mut parts, &mut cams, 5));
    machine.pause(&parts, &mut cams, 60);
    machine.record(&mut parts, &mut cams, 1);
    a_minute_later(&machine, &mut parts);
    let end = machine.fs.open(Path::new(FIRST), OpenMode::Read).unwrap().len().unwrap();
    let (mut at, mut with_footage) = (4096, Vec::new());
    while at < end {
        with_footage.push(at);
        at = commit_end(&machine.fs, Path::new(FIRST), at);
    }
    with_footage.retain(|at| !head(&machine, *at).runs.is_empty());
    assert!(with_footage.len() > 2, "{with_footage:?}");
    for at in &with_footage[..2] {
        let before = parts.info(hold).held_bytes;
        rot(&machine, at + head(&machine, *at).runs[0].payload_offset + 1000);
        scrub(&machine, &mut parts);
        let info = parts.info(hold);
        assert_eq!((info.state, info.missing_count, info.trouble), (HoldState::Held, 0, None), "{at}");
        assert!(info.held_bytes > before, "{at}: it is copied again");
        assert_eq!(damage(&parts, 1), []);
    }
    drop(parts);
    assert_vault_has(machine, (&all, &[1], range));
}

#[test]
fn what_was_copied_again_is_found_without_the_index_too() {
    let (mut machine, hold, early, range) = held(71);
    let mut parts = machine.open();
    rot(&machine, places(&machine)[0].0);
    scrub(&machine, &mut parts);
    drop(parts);
    machine.kv.wipe();
    machine.ring.fs = SimFs::new(99);
    machine.ring.kv.wipe();
    let mut parts = machine.open();
    scrub(&machine, &mut parts);
    assert_eq!((parts.info(hold).state, parts.info(hold).missing_count), (HoldState::Held, 0));
    early.assert_in(&parts, &[1, 2], range);
}

#[test]
fn what_rots_when_the_ring_has_moved_on_is_listed_and_the_rest_stays() {
    let (machine, hold, early, range) = overwritten(72);
    let mut parts = machine.open();
    let run = head(&machine, 4096).runs[2].clone();
    rot(&machine, places(&machine)[0].0);
    scrub(&machine, &mut parts);
    let told = |parts: &HoldParts| {
        let info = parts.info(hold);
        assert_eq!((info.state, info.missing_count), (HoldState::Incomplete, 1), "{info:?}");
        let missing = info.missing[0];
        let expected = (run.stream, run.first_utc, MissingReason::Damaged);
        assert_eq!((missing.stream, missing.start, missing.reason), expected);
        let alarm = parts.alarm(AlarmKind::HoldIncomplete).unwrap();
        assert!(alarm.contains(&format!("hold {hold} (case 2026-117)")), "{alarm}");
    };
    told(&parts);
    assert!(parts.alarm(AlarmKind::VaultFailed).unwrap().contains("1 runs of cameras 1"));
    let damaged = damage(&parts, 1);
    assert_eq!((damaged.len(), damaged[0].kind, damaged[0].range.start), (1, DamageKind::Checksum, run.first_utc));
    let all = |parts: &HoldParts| {
        let held = parts.footage(video(1));
        let wanted = early.0[&video(1)].iter().filter(|(utc, _)| range.contains(**utc));
        let lost: Vec<UtcNanos> =
            wanted.filter(|(utc, bytes)| held.get(utc) != Some(bytes)).map(|(utc, _)| *utc).collect();
        assert_eq!((lost.len(), lost[0]), (12, run.first_utc), "only what has rotted is not listed");
    };
    all(&parts);
    drop(parts);
    let parts = machine.open();
    told(&parts);
    all(&parts);
    drop(parts);
    machine.kv.wipe();
    told(&machine.open());
}

#[test]
fn what_only_the_index_describes_any_more_is_listed_and_stays_readable() {
    for at in [1, 2] {
        let (machine, hold, early, range) = overwritten(73);
        let mut parts = machine.open();
        let (offset, what) = places(&machine)[at];
        let runs = head(&machine, 4096).runs.len();
        rot(&machine, offset);
        scrub(&machine, &mut parts);
        let info = parts.info(hold);
        // They follow each other.
        assert_eq!((info.state, info.missing_count), (HoldState::Incomplete, 1), "{what}");
        assert_eq!((info.missing[0].reason, info.missing[0].start), (MissingReason::Damaged, START), "{what}");
        let damaged = damage(&parts, 1);
        assert!(damaged.len() == runs && damaged.iter().all(|run| run.kind == DamageKind::Description), "{what}");
        early.assert_in(&parts, &[1], range);
        drop(parts);
        early.assert_in(&machine.open(), &[1], range);
    }
}

#[test]
fn what_rots_is_copied_again_from_another_hold() {
    let (machine, mut parts, mut cams, early, range) = recorded(74);
    machine.pause(&parts, &mut cams, 60);
    machine.record(&mut parts, &mut cams, 1);
    let first = parts.hold(&[1, 2], range);
    a_minute_later(&machine, &mut parts);
    let second = parts.hold(&[1, 2], range);
    a_minute_later(&machine, &mut parts);
    machine.record(&mut parts, &mut cams, 100);
    // Late in its minute, of which the first half is whole.
    rot(&machine, 4096 + head(&machine, 4096).runs[20].payload_offset + 1000);
    let before = parts.info(first).held_bytes;
    scrub(&machine, &mut parts);
    a_minute_later(&machine, &mut parts);
    let info = parts.info(first);
    assert_eq!((info.state, info.missing_count, info.trouble), (HoldState::Held, 0, None));
    assert!(info.held_bytes > before);
    assert_eq!(damage(&parts, 1), []);
    parts.vault.release(second, 1, "closed").unwrap();
    parts.settle();
    drop(parts);
    assert_vault_has(machine, (&early, &[1, 2], range));
}

#[test]
fn a_disk_that_refuses_reads_loses_nothing_and_ends_no_hold() {
    for at in 0..6 {
        let (machine, hold, early, range) = overwritten(75);
        let mut parts = machine.open();
        let places = places(&machine);
        let refused = match at {
            4 => machine.fs.fail_file(Path::new(FIRST), Op::Read, libc::EIO),
            5 => machine.fs.fail_file(Path::new(FIRST), Op::Open, libc::EIO),
            _ => machine.fs.fail_byte(Path::new(FIRST), places[at].0),
        };
        assert!(refused);
        scrub(&machine, &mut parts);
        let info = parts.info(hold);
        assert_eq!((info.state, info.missing_count), (HoldState::Held, 0), "{at}");
        let told = parts.alarm(AlarmKind::VaultFailed).unwrap();
        assert!(told.contains("counts as held") && told.contains("segment 000001"), "{at}: {told}");
        assert_eq!((damage(&parts, 1), parts.alarm(AlarmKind::HoldIncomplete)), (vec![], None), "{at}");
        machine.fs.heal();
        scrub(&machine, &mut parts);
        assert_eq!(parts.alarm(AlarmKind::VaultFailed), None, "{at} {:?}", progress(&parts));
        assert_eq!(parts.info(hold).state, HoldState::Held);
        early.assert_in(&parts, &[1], range);
    }
}

#[test]
fn what_is_wrong_in_memory_alone_has_not_rotted() {
    let (machine, hold, ..) = overwritten(76);
    let mut parts = machine.open();
    assert!(machine.fs.rot_memory(Path::new(FIRST), places(&machine)[0].0, 4));
    scrub(&machine, &mut parts);
    assert_eq!((parts.info(hold).state, parts.alarm(AlarmKind::VaultFailed)), (HoldState::Held, None));
}

#[test]
fn a_file_that_is_taken_away_while_the_vault_is_open_is_noticed() {
    let (machine, hold, early, range) = held(77);
    let mut parts = machine.open();
    machine.fs.remove(Path::new(FIRST)).unwrap();
    scrub(&machine, &mut parts);
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count, info.left_bytes), (HoldState::Held, 0, 0));
    assert!(parts.alarm(AlarmKind::VaultFailed).unwrap().contains("its file is missing"));
    drop(parts);
    assert_vault_has(machine, (&early, &[1, 2], range));
}

#[test]
fn a_hold_that_is_placed_in_the_midst_of_the_scrub_is_copied_before_another_byte_is_verified() {
    let (machine, hold, ..) = held(78);
    let parts = machine.open();
    machine.clock().advance(86_400_000_000_000);
    let HoldParts { vault, mut worker, reader, .. } = parts;
    let (vault, placed) = (Arc::new(vault), Arc::new(Mutex::new(None)));
    let range = vault.holds().unwrap()[0].range;
    let (other, place) = (Arc::downgrade(&vault), placed.clone());
    // The scrub looks at the rows of the segments before it reads the first one.
    machine.vault_hook.set(move |table| {
        let mut placed = place.lock().unwrap();
        if table == crate::catalog::rows::META && placed.is_none() {
            *placed = Some(other.upgrade().unwrap().place(request(&[1, 2], range)).unwrap());
        }
        Ok(())
    });
    let verified = || {
        let progress = reader.scrubs().into_iter().next_back().unwrap().1;
        progress.verified_bytes + progress.last_verified_bytes
    };
    assert_eq!(vault.step(&mut worker), Step::Idle);
    let second = placed.lock().unwrap().unwrap();
    assert_eq!(verified(), 0, "it yields at once");
    let mut busy = 0;
    while vault.step(&mut worker) == Step::Busy {
        busy += 1;
        assert_eq!(verified(), 0, "nothing is verified while there is something to copy");
    }
    machine.vault_hook.clear();
    let infos = vault.holds().unwrap();
    let of = |id: HoldId| infos.iter().find(|info| info.id == id).unwrap();
    assert!(busy > 0 && of(second).state == HoldState::Held && of(hold).state == HoldState::Held);
    assert!(verified() > 0, "then it goes on");
}

#[test]
fn an_index_that_tells_what_a_damaged_segment_does_not_is_not_emptied() {
    let (machine, _, early, range) = overwritten(79);
    let empty = || {
        let vault = ClosedVault::open(Path::new("/vault"), Arc::new(machine.fs.clone())).unwrap();
        vault.check_and_empty_with(Some(&machine.keys), &machine.kv, &mut |_| {}).unwrap()
    };
    rot(&machine, places(&machine)[2].0);
    let report = empty();
    assert!(report.index_kept && !report.is_clean(), "{report:?}");
    early.assert_in(&machine.open(), &[1], range);
    // Back as it was.
    rot(&machine, 4096 + RUN_HASH);
    let report = empty();
    assert_eq!((report.index_kept, report.behind_in_index), (false, Some(report.segments)), "{report:?}");
    early.assert_in(&machine.open(), &[1], range);
}

#[test]
fn an_index_that_cannot_be_read_is_emptied_whatever_is_damaged() {
    let (machine, ..) = overwritten(80);
    rot(&machine, places(&machine)[2].0);
    let unreadable = HookedKv(machine.kv.clone(), machine.vault_hook.clone());
    machine.vault_hook.set(|_| Err(Error::corrupt("a row does not decode")));
    let vault = ClosedVault::open(Path::new("/vault"), Arc::new(machine.fs.clone())).unwrap();
    let report = vault.check_and_empty_with(Some(&machine.keys), &unreadable, &mut |_| {}).unwrap();
    assert!(!report.index_kept && !report.is_clean(), "{report:?}");
    assert!(machine.kv.rows(crate::catalog::rows::SPANS).is_empty());
}
