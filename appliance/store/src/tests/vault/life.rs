use super::*;
use watchbook_base::{Gap, GapReason};
use watchbook_media::RecordingEnd;

/// Starts cameras whose footage wraps a ring of 16 MiB in about 40 commits.
fn cams(machine: &HoldBox, parts: &HoldParts, numbers: &[u32]) -> Vec<Cam> {
    let mut cams: Vec<Cam> = numbers.iter().map(|number| Cam::new(*number, 18_000 / numbers.len())).collect();
    cams.iter_mut().for_each(|cam| parts.writer.begin(&cam.start(machine.clock())));
    cams
}

#[test]
fn held_footage_outlives_the_ring_byte_for_byte() {
    let machine = HoldBox::new(1);
    let mut parts = machine.open();
    let mut cams = cams(&machine, &parts, &[1, 2, 3]);
    let early = machine.record(&mut parts, &mut cams, 10);
    let range = between(START, machine.clock().utc());
    let hold = parts.hold(&[1, 3], range);
    parts.settle();
    machine.pause(&parts, &mut cams, 60);
    machine.record(&mut parts, &mut cams, 100);
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing.as_slice(), info.trouble), (HoldState::Held, &[][..], None));
    assert!(info.held_bytes > 1 << 20 && info.left_bytes == 0, "{} bytes", info.held_bytes);
    early.assert_in(&parts, &[1, 3], range);
    let of_two = parts.footage(video(2));
    assert!(early.0[&video(2)].keys().all(|utc| !of_two.contains_key(utc)), "camera 2 was overwritten");
    drop(parts);
    let parts = machine.open();
    early.assert_in(&parts, &[1, 3], range);
    assert_eq!(parts.info(hold).state, HoldState::Held);
    drop(parts);
    machine.kv.wipe();
    let parts = machine.open();
    early.assert_in(&parts, &[1, 3], range);
    assert_eq!(parts.info(hold).held_bytes, info.held_bytes, "the index is made again from the segments");
}

#[test]
fn held_footage_outlives_the_keys_of_its_hours_and_not_its_own() {
    let machine = HoldBox::sealed(9);
    let mut parts = machine.open();
    let mut cams = cams(&machine, &parts, &[1]);
    let early = machine.record(&mut parts, &mut cams, 10);
    let range = between(START, machine.clock().utc());
    let hold = parts.hold(&[1], range);
    parts.settle();
    let keys = parts.sealed_with.clone().unwrap();
    let of_hours: Vec<u32> = (1..=20).filter(|id| keys.is_live(*id)).collect();
    let of_hold = *of_hours.last().unwrap();
    let of_hours: Vec<u32> = of_hours.into_iter().filter(|id| *id != of_hold).collect();
    keys.destroy(&of_hours).unwrap();
    early.assert_in(&parts, &[1], range);
    let copy = |machine: &HoldBox| {
        let path = Path::new("/vault/segments/000001.seg");
        let file = watchbook_base::fs::Fs::open(&machine.fs, path, watchbook_base::fs::OpenMode::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    };
    let stored = copy(&machine);
    let plain = early.0[&video(1)].values().next().unwrap();
    assert!(!stored.windows(64).any(|part| part == &plain[..64]), "nothing of it lies there in the clear");
    parts.vault.release(hold, 1, "closed").unwrap();
    assert!(!keys.is_live(of_hold), "whoever has a copy of the file has nothing");
    drop((parts, keys));
    assert!(!machine.open().sealed_with.unwrap().is_live(of_hold), "and it does not come back");
}

#[test]
fn a_range_that_reaches_into_the_future_is_held_as_it_comes() {
    let machine = HoldBox::new(2);
    let mut parts = machine.open();
    let mut cams = cams(&machine, &parts, &[1]);
    let mut all = machine.record(&mut parts, &mut cams, 5);
    let range = between(machine.clock().utc(), machine.clock().utc().plus_nanos(60 * 480_000_000));
    let hold = parts.hold(&[1], range);
    let to_come = parts.info(hold).left_bytes;
    assert!(to_come > 1 << 20, "{to_come} bytes are expected");
    all.add(machine.record(&mut parts, &mut cams, 30));
    assert_eq!(parts.info(hold).state, HoldState::Copying);
    all.add(machine.record(&mut parts, &mut cams, 200));
    let info = parts.info(hold);
    assert_eq!((info.state, info.left_bytes), (HoldState::Held, 0));
    all.assert_in(&parts, &[1], range);
    // Whole minutes: at most one more on each side.
    let held = parts.footage(video(1));
    let outside = all.0[&video(1)].keys().filter(|utc| utc.nanos_since(range.end) > 60_000_000_000);
    let ring_start = parts.reader.rings().unwrap()[0].1.oldest_utc.unwrap().plus_nanos(-2_000_000_000);
    assert!(outside.filter(|utc| **utc < ring_start).all(|utc| !held.contains_key(utc)));
}

#[test]
fn released_footage_is_gone_and_the_record_stays() {
    let machine = HoldBox::new(3);
    let mut parts = machine.open();
    let mut cams = cams(&machine, &parts, &[1]);
    let early = machine.record(&mut parts, &mut cams, 10);
    let hold = parts.hold(&[1], between(START, machine.clock().utc()));
    machine.record(&mut parts, &mut cams, 200);
    let segment = Path::new("/vault/segments/000001.seg");
    assert!(machine.fs.rot(segment, 5000, 0), "the segment is there");
    assert_eq!(machine.keys.live().len(), 1);
    let grant = playback(1);
    let span = parts.reader.spans(&grant, video(1), ALL).unwrap().remove(0);
    let footage = parts.reader.footage(&grant, camera(1), ALL).unwrap();
    parts.vault.release(hold, 9, "the case is closed").unwrap();
    assert!(machine.keys.live().is_empty(), "its key is gone when the call returns");
    let gone = watchbook_media::SpanSource::read(&footage, &span, 0, 1).unwrap_err();
    assert_eq!(gone.kind, Kind::NotFound, "whoever was reading gets no more");
    parts.settle();
    assert!(!machine.fs.rot(segment, 5000, 0), "the file is removed");
    let left = parts.footage(video(1));
    assert!(early.0[&video(1)].keys().all(|utc| !left.contains_key(utc)));
    assert!(
        machine.kv.rows(crate::catalog::rows::SPANS).is_empty()
            && machine.kv.rows(crate::catalog::rows::SEGMENTS).is_empty()
    );
    drop(parts);
    let parts = machine.open();
    let info = parts.info(hold);
    let released = info.released.unwrap();
    assert_eq!((info.state, info.held_bytes), (HoldState::Released, 0));
    assert_eq!((released.by_account, released.reason.as_str()), (9, "the case is closed"));
    assert_eq!(parts.vault.release(hold, 9, "again").unwrap_err().kind, Kind::Conflict);
    assert_eq!(parts.vault.release(HoldId(77), 9, "none").unwrap_err().kind, Kind::NotFound);
    assert_eq!(parts.vault.release(hold, 9, " ").unwrap_err().kind, Kind::InvalidInput);
    assert!(parts.hold(&[1], between(START, machine.clock().utc())) > hold, "its number is not used again");
}

#[test]
fn overlapping_holds_are_listed_once_and_released_apart() {
    let machine = HoldBox::new(4);
    let mut parts = machine.open();
    let mut cams = cams(&machine, &parts, &[1, 2]);
    let t0 = machine.clock().utc();
    let mut early = Footage::default();
    for _ in 0..4 {
        early.add(machine.record(&mut parts, &mut cams, 8));
        machine.pause(&parts, &mut cams, 40);
    }
    let at = |secs: i64| t0.plus_nanos(secs * 1_000_000_000);
    let (a, b) = (between(at(0), at(95)), between(at(50), at(170)));
    let holds = (parts.hold(&[1, 2], a), parts.hold(&[2], b));
    machine.record(&mut parts, &mut cams, 200);
    early.assert_in(&parts, &[1, 2], a);
    early.assert_in(&parts, &[2], b);
    parts.vault.release(holds.0, 1, "one case is closed").unwrap();
    parts.settle();
    early.assert_in(&parts, &[2], b);
    let left = parts.footage(video(1));
    assert!(early.0[&video(1)].keys().all(|utc| !left.contains_key(utc)), "only the first hold had camera 1");
    parts.vault.release(holds.1, 1, "so is the other").unwrap();
    parts.settle();
    let left = parts.footage(video(2));
    assert!(early.0[&video(2)].keys().all(|utc| !left.contains_key(utc)));
    assert!(
        machine.kv.rows(crate::catalog::rows::RECORDINGS).is_empty(),
        "formats go with the last segment that states them"
    );
}

#[test]
fn a_hold_takes_from_another_what_the_ring_has_overwritten() {
    let machine = HoldBox::new(8);
    let mut parts = machine.open();
    let mut cams = cams(&machine, &parts, &[1]);
    let early = machine.record(&mut parts, &mut cams, 10);
    let range = between(START, machine.clock().utc());
    let first = parts.hold(&[1], range);
    machine.pause(&parts, &mut cams, 60);
    machine.record(&mut parts, &mut cams, 200);
    let second = parts.hold(&[1], range);
    assert_eq!(
        parts.vault.release(first, 1, "closed").unwrap_err().kind,
        Kind::Conflict,
        "the second is not copied yet"
    );
    parts.settle();
    assert_eq!((parts.info(second).state, parts.info(second).missing_count), (HoldState::Held, 0));
    parts.vault.release(first, 1, "closed").unwrap();
    parts.settle();
    early.assert_in(&parts, &[1], range);
}

#[test]
fn a_hold_over_a_clock_step_has_both_sides() {
    let machine = HoldBox::new(5);
    let mut parts = machine.open();
    let mut cams = cams(&machine, &parts, &[1]);
    let mut all = machine.record(&mut parts, &mut cams, 10);
    machine.clock().step(-1_500_000_000_000);
    parts.writer.end(&RecordingEnd { stream: video(1), utc: machine.clock().utc(), reason: GapReason::ClockStep });
    parts.writer.begin(&cams[0].start(machine.clock()));
    all.add(machine.record(&mut parts, &mut cams, 10));
    let range = between(START.plus_nanos(-1_600_000_000_000), START.plus_nanos(1_000_000_000_000));
    let hold = parts.hold(&[1], range);
    parts.settle();
    machine.clock().step(3_000_000_000_000);
    parts.writer.begin(&cams[0].start(machine.clock()));
    machine.record(&mut parts, &mut cams, 200);
    assert_eq!(parts.info(hold).state, HoldState::Held, "{:?}", parts.info(hold));
    all.assert_in(&parts, &[1], range);
}

#[test]
fn what_was_gone_before_is_listed_as_not_stored() {
    let machine = HoldBox::new(6);
    let mut parts = machine.open();
    let mut cams = cams(&machine, &parts, &[1]);
    let mut all = machine.record(&mut parts, &mut cams, 120);
    let oldest = *parts.footage(video(1)).first_key_value().unwrap().0;
    assert!(oldest.nanos_since(START) > 10_000_000_000);
    let hold = parts.hold(&[1, 9], between(START, machine.clock().utc()));
    let placed = parts.info(hold);
    parts.settle();
    machine.pause(&parts, &mut cams, 60);
    all.add(machine.record(&mut parts, &mut cams, 120));
    let info = parts.info(hold);
    assert_eq!(info.state, HoldState::Held, "nothing was lost since it was placed: {info:?}");
    for info in [placed, info] {
        assert_eq!(info.missing_count, 2, "{:?}", info.missing);
        assert!(info.missing.iter().all(|missing| missing.reason == MissingReason::NotStored));
        assert_eq!((info.missing[0].stream, info.missing[0].start), (video(1), START));
        assert!(info.missing[0].end.nanos_since(oldest).abs() < 1_000_000_000);
        assert_eq!(info.missing[1].stream, video(9), "a camera without footage is missing as a whole");
    }
    all.assert_in(&parts, &[1], between(oldest, info_end(&parts, hold)));
}

fn info_end(parts: &HoldParts, hold: HoldId) -> UtcNanos {
    parts.info(hold).range.end
}

#[test]
fn gaps_in_the_range_are_held_too() {
    let machine = HoldBox::new(7);
    let mut parts = machine.open();
    let mut cams = cams(&machine, &parts, &[1]);
    machine.record(&mut parts, &mut cams, 5);
    let gone = machine.clock().utc();
    parts.writer.end(&RecordingEnd { stream: video(1), utc: gone, reason: GapReason::CameraGone });
    machine.clock().advance(30_000_000_000);
    let back = machine.clock().utc();
    parts.writer.begin(&cams[0].start(machine.clock()));
    machine.record(&mut parts, &mut cams, 5);
    let range = between(START, machine.clock().utc());
    let hold = parts.hold(&[1], range);
    machine.pause(&parts, &mut cams, 60);
    machine.record(&mut parts, &mut cams, 200);
    let want = Gap { stream: video(1), range: between(gone, back), reason: GapReason::CameraGone };
    let gaps = |parts: &HoldParts| parts.reader.gaps(&playback(1), video(1), range, machine.clock().utc()).unwrap();
    assert_eq!(gaps(&parts), [want]);
    assert_eq!((parts.info(hold).state, parts.info(hold).missing_count), (HoldState::Held, 0));
    drop(parts);
    machine.kv.wipe();
    let mut parts = machine.open();
    assert_eq!(gaps(&parts), [want], "it lies in the segment");
    parts.vault.release(hold, 1, "closed").unwrap();
    parts.settle();
    assert_eq!(gaps(&parts), []);
}
