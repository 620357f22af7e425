//! When a hold may say that it is held: not before every disk was asked, and never without naming what was lost.

use super::unreadable::{a_minute_later, commit_end, recorded};
use super::*;
use crate::catalog::rows::{self, SpanRow};
use watchbook_base::fs::sim::Op;

const RING_FIRST: &str = "/ring/segments/000001.seg";

/// A minute of nothing and a commit, so that the end of every range is known.
fn go_on(machine: &HoldBox, parts: &mut HoldParts, cams: &mut [Cam]) {
    machine.pause(parts, cams, 60);
    machine.record(parts, cams, 1);
    a_minute_later(machine, parts);
}

fn set(machine: &HoldBox, disk: Disk) {
    *machine.disk.lock().unwrap() = disk;
}

fn reasons(info: &HoldInfo) -> Vec<MissingReason> {
    info.missing.iter().map(|missing| missing.reason).collect()
}

#[test]
fn a_hold_waits_for_a_disk_that_is_away_and_is_held_once_it_is_back() {
    let (machine, mut parts, mut cams, early, range) = recorded(71);
    go_on(&machine, &mut parts, &mut cams);
    set(&machine, Disk::Away);
    let hold = parts.hold(&[1, 2], range);
    a_minute_later(&machine, &mut parts);
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count), (HoldState::Copying, 0), "{info:?}");
    assert!(info.trouble.as_ref().is_some_and(|why| why.contains("disk")), "{info:?}");
    let first = between(range.start, range.start.plus_nanos(1));
    assert!(parts.vault.needs(camera(1), first), "nobody knows what the disk has of it");
    set(&machine, Disk::Records);
    a_minute_later(&machine, &mut parts);
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count, info.trouble), (HoldState::Held, 0, None));
    early.assert_in(&parts, &[1, 2], range);
    // What is held stays so, whatever becomes of the disk.
    set(&machine, Disk::Away);
    a_minute_later(&machine, &mut parts);
    assert_eq!((parts.info(hold).state, parts.info(hold).trouble), (HoldState::Held, None));
}

#[test]
fn what_waited_for_a_disk_that_is_given_up_is_lost_and_listed() {
    let (mut machine, parts, ..) = recorded(72);
    drop(parts);
    machine.quota_bytes = 1 << 20;
    let mut parts = machine.open();
    let mut cams = [Cam::new(3, 30)];
    parts.writer.begin(&cams[0].start(machine.clock()));
    go_on(&machine, &mut parts, &mut cams);
    machine.pause(&parts, &mut cams, 1);
    // More comes than was foreseen, so the vault is full before all is copied.
    let range = between(machine.clock().utc(), machine.clock().utc().plus_nanos(20_000_000_000));
    let hold = parts.hold(&[3], range);
    cams[0].size = 20_000;
    machine.record(&mut parts, &mut cams, 20);
    go_on(&machine, &mut parts, &mut cams);
    let info = parts.info(hold);
    assert_eq!(info.state, HoldState::Copying, "{info:?}");
    for disk in [Disk::Away, Disk::GivenUp] {
        set(&machine, disk);
        a_minute_later(&machine, &mut parts);
        let is_lost = disk == Disk::GivenUp;
        assert_eq!(parts.info(hold).state == HoldState::Incomplete, is_lost, "{:?}", parts.info(hold));
        assert_eq!(reasons(&parts.info(hold)).contains(&MissingReason::Disk), is_lost, "{:?}", parts.info(hold));
    }
}

#[test]
fn a_commit_whose_metadata_has_rotted_is_listed_however_short_it_is() {
    let (machine, mut parts, mut cams, _, range) = recorded(73);
    go_on(&machine, &mut parts, &mut cams);
    // The second commit of the ring; the index has its rows, and good commits lie behind it.
    let at = commit_end(&machine.ring.fs, Path::new(RING_FIRST), 4096);
    assert!(machine.ring.fs.rot(Path::new(RING_FIRST), at + 80, 4));
    let hold = parts.hold(&[1, 2], range);
    a_minute_later(&machine, &mut parts);
    let info = parts.info(hold);
    assert_eq!((info.state, reasons(&info)), (HoldState::Incomplete, vec![MissingReason::Damaged; 2]), "{info:?}");
}

#[test]
fn what_was_put_off_is_listed_when_its_key_is_destroyed() {
    let machine = HoldBox::sealed(74);
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 300)];
    parts.writer.begin(&cams[0].start(machine.clock()));
    machine.record(&mut parts, &mut cams, 12);
    let range = between(START, machine.clock().utc());
    let at = commit_end(&machine.ring.fs, Path::new(RING_FIRST), 4096);
    assert!(machine.ring.fs.fail_byte(Path::new(RING_FIRST), at));
    let hold = parts.hold(&[1], range);
    go_on(&machine, &mut parts, &mut cams);
    assert_eq!((parts.info(hold).state, parts.info(hold).missing_count), (HoldState::Copying, 0));
    let spans = parts.source.spans(video(1), range).unwrap().0;
    parts.sealed_with.clone().unwrap().destroy(&[spans[0].key_id]).unwrap();
    a_minute_later(&machine, &mut parts);
    let info = parts.info(hold);
    assert_eq!((info.state, reasons(&info)), (HoldState::Incomplete, vec![MissingReason::Erased]), "{info:?}");
}

#[test]
fn a_loss_waits_once_while_the_log_of_the_vault_cannot_be_written() {
    let machine = HoldBox::sealed(78);
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 300)];
    parts.writer.begin(&cams[0].start(machine.clock()));
    machine.record(&mut parts, &mut cams, 12);
    let range = between(START, machine.clock().utc());
    let at = commit_end(&machine.ring.fs, Path::new(RING_FIRST), 4096);
    assert!(machine.ring.fs.fail_byte(Path::new(RING_FIRST), at));
    let hold = parts.hold(&[1], range);
    go_on(&machine, &mut parts, &mut cams);
    let spans = parts.source.spans(video(1), range).unwrap().0;
    parts.sealed_with.clone().unwrap().destroy(&[spans[0].key_id]).unwrap();
    machine.fs.fail(Op::Write, libc::EIO, 0, 1000);
    a_minute_later(&machine, &mut parts);
    let waiting = parts.worker.to_note();
    assert!(waiting > 0);
    (0..5).for_each(|_| a_minute_later(&machine, &mut parts));
    assert_eq!(parts.worker.to_note(), waiting);
    machine.fs.heal();
    (0..2).for_each(|_| a_minute_later(&machine, &mut parts));
    assert_eq!((parts.worker.to_note(), parts.info(hold).state), (0, HoldState::Incomplete));
}

#[test]
fn a_short_row_hides_no_span_that_has_grown() {
    let machine = HoldBox::new(75);
    let mut parts = machine.open();
    let mut cams = [Cam::new(1, 300)];
    parts.writer.begin(&cams[0].start(machine.clock()));
    machine.record(&mut parts, &mut cams, 8);
    let (key, row, _) = parts.source.part.live_spans(video(1)).remove(0).rows();
    let short = SpanRow { last_seq: row.last_seq - 4, ..row.clone() };
    let mut batch = Batch::default();
    batch.put(rows::SPANS, key.encode(), rows::pack(&short));
    machine.ring.kv.write(&batch, true).unwrap();
    let spans = parts.source.spans(video(1), ALL).unwrap().0;
    assert_eq!(spans.iter().map(|span| span.last_seq).collect::<Vec<_>>(), [row.last_seq]);
}

#[test]
fn what_a_ring_overwrites_while_the_vault_is_full_is_listed_however_short_it_is() {
    let (mut machine, parts, ..) = recorded(76);
    drop(parts);
    machine.quota_bytes = 4 << 20;
    let mut parts = machine.open();
    let mut cams = [Cam::new(3, 30)];
    parts.writer.begin(&cams[0].start(machine.clock()));
    go_on(&machine, &mut parts, &mut cams);
    machine.pause(&parts, &mut cams, 1);
    let range = between(machine.clock().utc(), machine.clock().utc().plus_nanos(4_000_000_000));
    let hold = parts.hold(&[3], range);
    cams[0].size = 100_000;
    machine.record(&mut parts, &mut cams, 9);
    assert_eq!(parts.info(hold).state, HoldState::Copying);
    let has = parts.info(hold).held_bytes;
    assert!(has > 0, "some of it is held");
    // The ring goes round, with what is not held.
    cams[0].size = 18_000;
    machine.pause(&parts, &mut cams, 120);
    machine.record(&mut parts, &mut cams, 200);
    go_on(&machine, &mut parts, &mut cams);
    let info = parts.info(hold);
    assert_eq!(info.state, HoldState::Incomplete, "{info:?}");
    assert!(reasons(&info).contains(&MissingReason::Overwritten), "{info:?}");
}

#[test]
fn losses_are_not_crowded_out_by_what_was_never_stored() {
    let (machine, parts, ..) = recorded(77);
    let hold = parts.hold(&[1], between(START, machine.clock().utc()));
    let vault = parts.vault.get().unwrap();
    let mut known = vault.state().holds[&hold].clone();
    let one = |at: i64, reason| crate::MissingFootage {
        stream: video(1),
        start: UtcNanos(at * 10),
        end: UtcNanos(at * 10 + 5),
        reason,
    };
    let many: Vec<_> = (0..5000).map(|at| one(at, MissingReason::NotStored)).collect();
    known.logged.missing.clear();
    let taken = known.logged.room_for(&many);
    assert!(taken.len() < many.len(), "the list has a bound");
    known.logged.missing = taken.iter().map(|one| ((one.stream, one.start), *one)).collect();
    let lost = one(4999, MissingReason::Overwritten);
    assert_eq!(known.logged.room_for(&[lost]), [lost]);
    let all: Vec<_> = many.iter().copied().filter(|one| one.start != lost.start).chain([lost]).collect();
    known.lists_missing(all);
    assert!(known.has_losses && known.missing.contains(&lost));
    assert_eq!(known.missing_count, 5000);
}
