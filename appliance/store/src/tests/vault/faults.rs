use super::*;
use watchbook_base::fs::Space;
use watchbook_base::fs::sim::Op;

fn cam(machine: &HoldBox, parts: &HoldParts) -> [Cam; 1] {
    let mut cam = Cam::new(1, 18_000);
    parts.writer.begin(&cam.start(machine.clock()));
    [cam]
}

#[test]
fn a_hold_beyond_the_quota_is_refused_with_the_figures() {
    let machine = HoldBox { quota_bytes: 2 * MIB, ..HoldBox::new(20) };
    let mut parts = machine.open();
    let mut cams = cam(&machine, &parts);
    machine.record(&mut parts, &mut cams, 30);
    let range = between(START, machine.clock().utc());
    let error = parts.vault.place(request(&[1], range)).unwrap_err();
    assert_eq!(error.kind, Kind::Exhausted);
    assert!(error.message.contains("about") && error.message.contains("of the vault's 2.0 MiB are free"), "{error}");
    assert!(parts.vault.holds().unwrap().is_empty() && machine.keys.live().is_empty(), "nothing is left of it");
    let ahead = between(machine.clock().utc(), machine.clock().utc().plus_nanos(86_400_000_000_000));
    let error = parts.vault.place(request(&[1], ahead)).unwrap_err();
    assert_eq!(error.kind, Kind::Exhausted, "what is to come counts too");
    assert_eq!(parts.alarm(AlarmKind::VaultNearlyFull), None);
}

#[test]
fn four_fifths_of_the_quota_raise_an_alarm() {
    let mut machine = HoldBox::new(21);
    let mut parts = machine.open();
    let mut cams = cam(&machine, &parts);
    machine.record(&mut parts, &mut cams, 20);
    let range = between(START, machine.clock().utc());
    let hold = parts.hold(&[1], range);
    parts.settle();
    assert_eq!(parts.alarm(AlarmKind::VaultNearlyFull), None);
    let bytes = parts.info(hold).held_bytes;
    drop(parts);
    machine.quota_bytes = bytes * 100 / 81;
    let mut parts = machine.open();
    let told = parts.alarm(AlarmKind::VaultNearlyFull).unwrap();
    assert!(told.contains("raise vault_gib"), "{told}");
    parts.vault.release(hold, 1, "closed").unwrap();
    parts.settle();
    assert_eq!(parts.alarm(AlarmKind::VaultNearlyFull), None);
}

#[test]
fn a_hold_that_grew_too_large_stops_with_an_alarm_and_goes_on_when_there_is_room() {
    let machine = HoldBox { quota_bytes: 5 * MIB, ..HoldBox::new(22) };
    let mut parts = machine.open();
    let mut cams = cam(&machine, &parts);
    machine.record(&mut parts, &mut cams, 6);
    let early = parts.hold(&[1], between(START, machine.clock().utc()));
    // Nothing comes for a while, so that little is expected.
    machine.pause(&parts, &mut cams, 700);
    let start = machine.clock().utc();
    let range = between(start, start.plus_nanos(60_000_000_000));
    let hold = parts.hold(&[1], range);
    let late = machine.record(&mut parts, &mut cams, 12);
    let told = parts.alarm(AlarmKind::VaultFull).unwrap();
    assert!(told.contains(&format!("hold {hold}")) && told.contains("recording goes on"), "{told}");
    assert!(parts.info(hold).trouble.is_some() && parts.info(early).trouble.is_none());
    assert_eq!(parts.writer.stats().commits, 18, "recording went on");
    parts.vault.release(early, 1, "closed").unwrap();
    parts.settle();
    machine.pause(&parts, &mut cams, 120);
    machine.record(&mut parts, &mut cams, 100);
    assert_eq!(parts.alarm(AlarmKind::VaultFull), None);
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count, info.trouble), (HoldState::Held, 0, None));
    late.assert_in(&parts, &[1], range);
}

#[test]
fn a_failing_vault_never_delays_recording() {
    for op in [Op::Write, Op::Sync, Op::Allocate, Op::Open] {
        let machine = HoldBox::with_own_disk(23);
        let mut parts = machine.open();
        let mut cams = cam(&machine, &parts);
        let early = machine.record(&mut parts, &mut cams, 10);
        let range = between(START, machine.clock().utc());
        let hold = parts.hold(&[1], range);
        machine.fs.fail(op, libc::EIO, 0, u64::MAX);
        machine.record(&mut parts, &mut cams, 5);
        assert_eq!(parts.writer.stats().commits, 15, "{op:?}");
        let told = parts.alarm(AlarmKind::VaultFailed).unwrap();
        assert!(told.contains("recording goes on"), "{op:?}: {told}");
        assert_eq!(parts.alarm(AlarmKind::DiskFailed), None, "{op:?}: no disk is to be taken out for it");
        machine.fs.heal();
        machine.clock().advance(20_000_000_000);
        machine.record(&mut parts, &mut cams, 1);
        assert_eq!(parts.alarm(AlarmKind::VaultFailed), None, "{op:?}");
        machine.pause(&parts, &mut cams, 60);
        machine.record(&mut parts, &mut cams, 100);
        assert_eq!((parts.info(hold).state, parts.info(hold).missing_count), (HoldState::Held, 0), "{op:?}");
        early.assert_in(&parts, &[1], range);
    }
}

#[test]
fn a_vault_that_is_not_there_never_delays_recording() {
    let mut machine = HoldBox::with_own_disk(24);
    drop(machine.open());
    let disk = std::mem::replace(&mut machine.fs, SimFs::new(99));
    let mut parts = machine.open();
    let mut cams = cam(&machine, &parts);
    machine.record(&mut parts, &mut cams, 5);
    assert_eq!(
        parts.vault.place(request(&[1], between(START, machine.clock().utc()))).unwrap_err().kind,
        Kind::Unavailable
    );
    assert!(parts.alarm(AlarmKind::VaultFailed).unwrap().contains("mount its disk"));
    assert!(machine.fs.counters().steps == 0, "no other vault is made in its place");
    assert!(
        parts.vault.needs(camera(1), between(START, machine.clock().utc())),
        "nobody can tell what is still needed"
    );
    drop(parts);
    machine.fs = disk;
    let parts = machine.open();
    assert_eq!(parts.alarm(AlarmKind::VaultFailed), None);
    assert!(!parts.vault.needs(camera(1), between(START, machine.clock().utc())));
}

#[test]
fn footage_overwritten_before_it_was_copied_is_listed_and_told() {
    let machine = HoldBox::with_own_disk(25);
    let mut parts = machine.open();
    let mut cams = cam(&machine, &parts);
    machine.record(&mut parts, &mut cams, 10);
    let range = between(START, machine.clock().utc());
    let hold = parts.hold(&[1], range);
    assert!(parts.vault.needs(camera(1), range));
    machine.fs.fail(Op::Write, libc::EIO, 0, u64::MAX);
    machine.pause(&parts, &mut cams, 60);
    machine.record(&mut parts, &mut cams, 200);
    machine.fs.heal();
    machine.clock().advance(20_000_000_000);
    machine.record(&mut parts, &mut cams, 1);
    let info = parts.info(hold);
    assert_eq!(info.state, HoldState::Incomplete, "{info:?}");
    assert_eq!(info.missing.iter().map(|one| one.reason).collect::<Vec<_>>(), [MissingReason::Overwritten]);
    assert!(parts.alarm(AlarmKind::HoldIncomplete).unwrap().contains("case 2026-117"));
    assert!(!parts.vault.needs(camera(1), range), "what is lost keeps no key");
}

#[test]
fn damaged_footage_is_listed_and_not_held() {
    let machine = HoldBox::with_own_disk(26);
    let mut parts = machine.open();
    let mut cams = cam(&machine, &parts);
    machine.record(&mut parts, &mut cams, 10);
    let grant = playback(1);
    let range = between(START, machine.clock().utc());
    // In the middle of the samples of the fourth commit.
    let rot = machine.ring.fs.rot(Path::new("/ring/segments/000001.seg"), 4096 + 3 * 340_000 + 60_000, 0x10);
    assert!(rot);
    let hold = parts.hold(&[1], range);
    parts.settle();
    machine.clock().advance(60_000_000_000);
    parts.settle();
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count), (HoldState::Incomplete, 1), "{info:?}");
    assert_eq!(info.missing[0].reason, MissingReason::Damaged);
    assert!(info.missing[0].end.nanos_since(info.missing[0].start) < 1_000_000_000, "one run");
    assert!(parts.reader.spans(&grant, video(1), ALL).is_ok());
}

#[test]
fn footage_whose_hash_is_wrong_is_not_held_and_a_wrong_hash_in_the_vault_is_damage() {
    let machine = HoldBox::with_own_disk(29);
    let mut parts = machine.open();
    let mut cams = cam(&machine, &parts);
    machine.record(&mut parts, &mut cams, 10);
    let range = between(START, machine.clock().utc());
    drop(parts);
    // Every checksum is right.
    let (_, commit) = machine.ring.forge_hash(1);
    let mut parts = machine.open();
    let hold = parts.hold(&[1], range);
    parts.settle();
    machine.clock().advance(60_000_000_000);
    parts.settle();
    let info = parts.info(hold);
    assert_eq!((info.state, info.missing_count), (HoldState::Incomplete, 1), "{info:?}");
    assert_eq!((info.missing[0].reason, info.missing[0].start), (MissingReason::Damaged, commit.runs[0].first_utc));
    drop(parts);

    let clean = machine.check();
    assert!(clean.is_clean() && clean.runs == 9, "{clean:?}");
    let run = {
        let dir = crate::vault::VaultDir::open_existing(Path::new("/vault"), Arc::new(machine.fs.clone())).unwrap();
        let crate::vault::SlotFile::Segment(header) = dir.look(1).unwrap() else { panic!("it holds footage") };
        let reader = dir.reader(1, Some(header.generation)).unwrap();
        let (offset, commit) = forge_hash(&machine.fs, Path::new("/vault/segments/000001.seg"), (&reader, &header));
        (offset + commit.runs[0].payload_offset, commit.runs[0].stream)
    };
    let report = machine.check();
    let [bad] = report.bad_runs.as_slice() else { panic!("{report:?}") };
    assert_eq!((bad.hold, bad.offset, bad.stream, bad.what), (hold, run.0, run.1, "its digest does not match"));
}

#[test]
fn the_reserve_of_the_vaults_disk_is_left_alone() {
    let machine = HoldBox::with_own_disk(27);
    let mut parts = machine.open();
    let mut cams = cam(&machine, &parts);
    machine.record(&mut parts, &mut cams, 10);
    let hold = parts.hold(&[1], between(START, machine.clock().utc()));
    machine.fs.set_space(Space { total_bytes: 10 << 30, free_bytes: (1 << 30) + 4096 });
    parts.settle();
    assert!(parts.alarm(AlarmKind::VaultFull).unwrap().contains("beside its reserve"));
    assert_eq!(parts.info(hold).held_bytes, 0);
}

#[test]
fn check_reads_every_held_byte_and_names_the_hold() {
    let machine = HoldBox::with_own_disk(28);
    let mut parts = machine.open();
    let mut cams = cam(&machine, &parts);
    machine.record(&mut parts, &mut cams, 10);
    let holds = [(); 2].map(|()| parts.hold(&[1], between(START, machine.clock().utc())));
    parts.settle();
    parts.vault.release(holds[0], 1, "closed").unwrap();
    drop(parts);
    let check = || machine.check();
    let report = check();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.holds, report.segments, report.runs, report.leftovers.as_slice()), (1, 1, 20, &[1][..]));
    assert_eq!(report.behind_in_index, Some(0));
    assert!(machine.fs.rot(Path::new("/vault/segments/000002.seg"), 1 << 20, 4));
    let report = check();
    assert_eq!((report.bad_run_count, report.bad_runs[0].hold, report.is_clean()), (1, holds[1], false));
    // Without an index that can be read, the same.
    machine.kv.break_reads(true);
    let found = check();
    assert!(found.index_error.is_some() && found.behind_in_index.is_none(), "{found:?}");
    assert_eq!((found.bad_run_count, found.bad_runs[0].hold, found.runs), (1, holds[1], report.runs));
    machine.kv.break_reads(false);
    machine.kv.wipe();
    assert_eq!(check().behind_in_index, Some(2));
    machine.clock().advance(60_000_000_000);
    let parts = machine.open();
    assert_eq!(parts.info(holds[1]).state, HoldState::Held);
    assert!(parts.reader.spans(&playback(1), video(1), ALL).is_ok());
}
