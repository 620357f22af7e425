//! Keys on two simulated disks: power cuts, lost copies, rot, wrong master keys.

mod away;

use super::slot::NONCE_BYTES;
use super::*;
use crate::tests::harness::seeds;
use crate::tests::pool::bench::{Gate, Mounts};
use std::collections::BTreeMap;
use std::path::PathBuf;
use watchbook_base::SyncState;
use watchbook_base::clock::SimClock;
use watchbook_base::fs::OpenMode;
use watchbook_base::fs::sim::{Dice, Op, SimFs};

const START: UtcNanos = UtcNanos(1_800_000_000_000_000_000);
const MINUTE: u64 = 60_000_000_000;

struct Bench {
    a: SimFs,
    b: SimFs,
    clock: SimClock,
}

impl Bench {
    fn new(seed: u64) -> Self {
        let (a, b) = (SimFs::new(seed), SimFs::new(seed ^ 0xB0B));
        b.create_dir(&PathBuf::from("/ring")).unwrap();
        let file = b.open(&PathBuf::from("/ring/superblock"), OpenMode::Create).unwrap();
        file.sync().unwrap();
        b.sync_dir(&PathBuf::from("/ring")).unwrap();
        Self { a, b, clock: SimClock::new(START) }
    }

    fn places(&self) -> [Place; 2] {
        let place = |fs: &SimFs, dir: &str, needs: Option<&str>| Place {
            fs: Arc::new(fs.clone()),
            dir: dir.into(),
            needs: needs.map(PathBuf::from),
        };
        [place(&self.a, "/state/keys", None), place(&self.b, "/ring/keys", Some("/ring/superblock"))]
    }

    fn try_open(&self) -> Result<Keys> {
        let master = MasterSource::File("/state/master.key".into());
        Keys::open(self.places(), &master, &self.a, Arc::new(self.clock.clone()))
    }

    fn open(&self) -> Keys {
        self.try_open().unwrap()
    }

    fn one(&self, keys: &Keys, number: u32) -> Result<u32> {
        Ok(keys.for_samples(&[(camera(number), self.clock.mono())])?.first().unwrap().id)
    }

    fn both(&self) -> [(&SimFs, PathBuf); 2] {
        [(&self.a, "/state/keys/keys".into()), (&self.b, "/ring/keys/keys".into())]
    }

    /// A restart without a power cut.
    fn power_cycle(&self) {
        for fs in [&self.a, &self.b] {
            fs.cut();
            fs.power_on();
        }
    }
}

fn camera(number: u32) -> CameraId {
    CameraId::new(number).unwrap()
}

#[test]
fn opened_for_a_check_nothing_is_made_or_mended() {
    let bench = Bench::new(12);
    let key_id = bench.one(&bench.open(), 1).unwrap();
    let [(a, path), _] = bench.both();
    assert!(a.rot(&path, 4096 + 9, 1));
    let steps = || (bench.a.counters().steps, bench.b.counters().steps);
    let before = steps();
    let master = MasterSource::File("/state/master.key".into());
    let keys = Keys::open_existing(bench.places(), &master, &bench.a, Arc::new(bench.clock.clone())).unwrap();
    assert!(mark(&keys, key_id).is_some());
    assert_eq!(steps(), before);
}

/// The bytes that a key gives to a run of zeros: tells keys apart.
fn mark(keys: &Keys, key_id: u32) -> Option<Vec<u8>> {
    let key = keys.key(key_id).ok()?;
    let mut payload = vec![0; 32];
    key.seal(&crate::tests::harness::run_of(camera(1)), [0; NONCE_BYTES], &mut payload).unwrap();
    Some(payload)
}

#[test]
fn the_key_of_a_recording_that_begins_is_written_before_a_commit_wants_it() {
    let bench = Bench::new(13);
    let keys = Arc::new(bench.open());
    let keeper = Keeper::start(&keys).unwrap();
    keys.expect(camera(1));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let wanted = [(camera(1), bench.clock.mono())];
    while keys.state().missing(&wanted) != (Vec::new(), false) {
        assert!(std::time::Instant::now() < deadline, "nobody makes it");
        std::thread::yield_now();
    }
    keeper.stop();
    let steps = || (bench.a.counters().steps, bench.b.counters().steps);
    let before = steps();
    bench.one(&keys, 1).unwrap();
    assert_eq!(steps(), before, "the commit has nothing to wait for");
}

#[test]
fn a_camera_has_one_key_an_hour_and_it_outlives_a_power_cut() {
    let bench = Bench::new(1);
    let keys = bench.open();
    let first = bench.one(&keys, 1).unwrap();
    let first_mark = mark(&keys, first).unwrap();
    bench.clock.advance(20 * MINUTE);
    assert_eq!(bench.one(&keys, 1).unwrap(), first);
    assert_ne!(bench.one(&keys, 2).unwrap(), first);
    bench.clock.advance(60 * MINUTE);
    assert_ne!(bench.one(&keys, 1).unwrap(), first);
    drop(keys);
    bench.power_cycle();
    let keys = bench.open();
    assert_eq!(mark(&keys, first), Some(first_mark));
    assert_eq!(keys.alarms(), KeyAlarms::default());
}

#[test]
fn the_next_hours_keys_of_all_cameras_cost_two_syncs() {
    let mut syncs = Vec::new();
    for cameras in [1, 400] {
        let bench = Bench::new(2);
        let keys = bench.open();
        let wanted: Vec<_> = (1..=cameras).map(|number| (camera(number), bench.clock.mono())).collect();
        keys.for_samples(&wanted).unwrap();
        let mut before = None;
        for minute in 0..180 {
            if minute == 60 {
                before = Some(bench.a.counters().syncs + bench.b.counters().syncs);
            }
            bench.clock.advance(MINUTE);
            keys.tend();
            let wanted: Vec<_> = (1..=cameras).map(|number| (camera(number), bench.clock.mono())).collect();
            keys.for_samples(&wanted).unwrap();
        }
        syncs.push(bench.a.counters().syncs + bench.b.counters().syncs - before.unwrap());
    }
    assert_eq!(syncs, [4, 4], "two hours, two copies");
}

#[test]
fn power_cuts_while_keys_are_made_and_destroyed_lose_none_and_bring_none_back() {
    for seed in seeds(400) {
        let bench = Bench::new(seed);
        let mut dice = Dice::new(seed);
        let (mut held, mut gone): (BTreeMap<u32, Vec<u8>>, Vec<u32>) = (BTreeMap::new(), Vec::new());
        for round in 0..4 {
            let Ok(keys) = bench.try_open() else {
                bench.power_cycle();
                continue;
            };
            bench.a.cut_after(dice.below(40));
            if dice.percent(50) {
                bench.b.cut_after(dice.below(40));
            }
            for _ in 0..20 {
                bench.clock.advance(dice.below(50) * MINUTE);
                if dice.percent(20) {
                    keys.tend();
                }
                let made = bench.one(&keys, 1 + dice.below(4) as u32);
                let Ok(key_id) = made else {
                    assert!(bench.a.is_off() || bench.b.is_off(), "seed {seed}, round {round}: {made:?}");
                    continue;
                };
                if !bench.a.is_off() && !bench.b.is_off() && keys.alarms().damaged.is_none() {
                    held.insert(key_id, mark(&keys, key_id).unwrap());
                }
                if dice.percent(30)
                    && let Some(victim) = held.keys().nth(dice.below(held.len() as u64) as usize).copied()
                {
                    held.remove(&victim);
                    // Without power nobody knows whether it was destroyed.
                    if keys.destroy(&[victim]).is_ok() && !bench.a.is_off() && !bench.b.is_off() {
                        gone.push(victim);
                    }
                }
            }
            drop(keys);
            bench.power_cycle();
            let keys = bench.open();
            for (key_id, mark_before) in &held {
                assert_eq!(
                    mark(&keys, *key_id).as_ref(),
                    Some(mark_before),
                    "seed {seed}, round {round}, key {key_id}"
                );
            }
            for key_id in &gone {
                assert!(!keys.is_live(*key_id), "seed {seed}, round {round}: key {key_id} came back");
            }
        }
    }
}

#[test]
fn either_copy_may_be_lost_and_is_made_again() {
    for lost in 0..2 {
        let bench = Bench::new(3);
        let keys = bench.open();
        let key_id = bench.one(&keys, 1).unwrap();
        let before = mark(&keys, key_id);
        drop(keys);
        let both = bench.both();
        let (fs, path) = &both[lost];
        fs.remove(path).unwrap();
        let keys = bench.open();
        assert_eq!(mark(&keys, key_id), before);
        assert_eq!(keys.alarms(), KeyAlarms::default(), "it has been made again");
        drop(keys);
        let (fs, path) = &both[1 - lost];
        fs.remove(path).unwrap();
        assert_eq!(mark(&bench.open(), key_id), before);
    }
}

#[test]
fn a_copy_that_comes_back_is_cleaned_of_what_was_destroyed_meanwhile() {
    for restart in [false, true] {
        let bench = Bench::new(4);
        let mut keys = bench.open();
        let (first, second) = (bench.one(&keys, 1).unwrap(), bench.one(&keys, 2).unwrap());
        let kept = mark(&keys, second);
        // The disk of the second copy goes away, with the keys as they are now.
        assert!(bench.b.fail_file(&bench.both()[1].1, Op::Write, libc::EIO));
        assert!(bench.b.fail_file(&bench.both()[1].1, Op::Open, libc::EIO));
        keys.destroy(&[first]).unwrap();
        assert!(keys.alarms().copy_missing.is_some());
        bench.clock.advance(60 * MINUTE);
        let third = bench.one(&keys, 3).unwrap();
        keys.tend();
        assert!(keys.alarms().copy_missing.is_some(), "it is still away");
        bench.b.heal();
        if restart {
            keys = bench.open();
        } else {
            keys.tend();
        }
        assert_eq!(keys.alarms(), KeyAlarms::default());
        drop(keys);
        // Now the other copy is lost: what came back must stand alone.
        bench.a.remove(&bench.both()[0].1).unwrap();
        let keys = bench.open();
        assert!(!keys.is_live(first), "restart {restart}: a destroyed key came back");
        assert_eq!((mark(&keys, second), keys.is_live(third)), (kept, true));
    }
}

#[test]
fn a_disk_that_is_not_mounted_gets_no_key_file() {
    let bench = Bench::new(5);
    bench.b.remove(&PathBuf::from("/ring/superblock")).unwrap();
    let keys_made = {
        let keys = bench.open();
        assert!(keys.alarms().copy_missing.is_some());
        let key_id = bench.one(&keys, 1).unwrap();
        keys.tend();
        assert!(bench.b.list(&PathBuf::from("/ring/keys")).is_err());
        bench.b.open(&PathBuf::from("/ring/superblock"), OpenMode::Create).unwrap();
        keys.tend();
        assert_eq!(keys.alarms(), KeyAlarms::default());
        key_id
    };
    bench.a.remove(&bench.both()[0].1).unwrap();
    assert!(mark(&bench.open(), keys_made).is_some());
}

#[test]
fn any_rotten_byte_is_mended_from_the_other_copy() {
    let bench = Bench::new(6);
    let keys = bench.open();
    let ids: Vec<u32> = (1..=3).map(|number| bench.one(&keys, number).unwrap()).collect();
    let marks: Vec<_> = ids.iter().map(|id| mark(&keys, *id)).collect();
    drop(keys);
    for at in (0..crate::format::HEADER_BYTES as u64).step_by(3).chain((0..3 * 128).map(|at| 4096 + at)) {
        for (fs, path) in bench.both() {
            assert!(fs.rot(&path, at, 0x10));
            let keys = bench.open();
            assert_eq!(ids.iter().map(|id| mark(&keys, *id)).collect::<Vec<_>>(), marks, "byte {at}");
            assert_eq!(keys.alarms(), KeyAlarms::default());
        }
    }
    // Different slots of both copies at once.
    let [(a, path_a), (b, path_b)] = bench.both();
    assert!(a.rot(&path_a, 4096 + 5, 1) && b.rot(&path_b, 4096 + 128 + 5, 1));
    let keys = bench.open();
    assert_eq!(ids.iter().map(|id| mark(&keys, *id)).collect::<Vec<_>>(), marks);
    drop(keys);
    // The same slot of both: that hour is lost, and nothing else.
    assert!(a.rot(&path_a, 4096 + 5, 1) && b.rot(&path_b, 4096 + 6, 1));
    let keys = bench.open();
    assert!(keys.alarms().damaged.is_some_and(|text| text.starts_with("1 keys")));
    assert_eq!(keys.key(ids[0]).err().unwrap().kind, Kind::Corrupt);
    assert_eq!(ids.iter().skip(1).map(|id| mark(&keys, *id)).collect::<Vec<_>>(), marks[1..]);
    let next = bench.one(&keys, 1).unwrap();
    assert!(!ids.contains(&next), "recording goes on with a new key");
    drop(keys);
    // Both headers: they are made again from the slots, and no number is given out twice.
    assert!(a.rot(&path_a, 20, 1) && b.rot(&path_b, 20, 1));
    let keys = bench.open();
    assert!(mark(&keys, next).is_some() && bench.one(&keys, 9).unwrap() > next);
}

#[test]
fn a_wrong_or_missing_master_key_is_refused_and_changes_nothing() {
    let bench = Bench::new(7);
    let keys = bench.open();
    let key_id = bench.one(&keys, 1).unwrap();
    let before = mark(&keys, key_id);
    drop(keys);
    let bytes = |(fs, path): (&SimFs, PathBuf)| {
        let file = fs.open(&path, OpenMode::Read).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    };
    let files = bench.both().map(bytes);
    let master = PathBuf::from("/state/master.key");
    bench.a.rename(&master, &PathBuf::from("/state/kept")).unwrap();
    assert_eq!(bench.try_open().err().unwrap().kind, Kind::NotFound);
    let file = bench.a.open(&master, OpenMode::Create).unwrap();
    file.write_all_at(&[&[1; 32]], 0).unwrap();
    let error = bench.try_open().err().unwrap();
    assert!(error.kind == Kind::InvalidInput && error.message.contains("master key"), "{error}");
    assert!(bench.both().map(bytes) == files);
    bench.a.rename(&PathBuf::from("/state/kept"), &master).unwrap();
    assert_eq!(mark(&bench.open(), key_id), before);
}

#[test]
fn when_no_key_can_be_written_recording_goes_on_and_says_so() {
    let bench = Bench::new(8);
    let keys = bench.open();
    let old = bench.one(&keys, 1).unwrap();
    bench.a.fail(Op::Sync, libc::EIO, 0, 1);
    bench.b.fail(Op::Sync, libc::EIO, 0, 1);
    bench.clock.advance(60 * MINUTE);
    assert_eq!(bench.one(&keys, 1).unwrap(), old, "the last key is used on");
    let new = bench.one(&keys, 2).unwrap();
    let before = mark(&keys, new);
    let alarms = keys.alarms();
    assert!(alarms.copy_missing.is_some() && alarms.damaged.is_some_and(|text| text.contains("power cut")));
    keys.tend();
    assert_eq!(keys.alarms(), KeyAlarms::default());
    assert_ne!(bench.one(&keys, 1).unwrap(), old);
    drop(keys);
    bench.power_cycle();
    assert_eq!(mark(&bench.open(), new), before, "it was written when that went again");
}

#[test]
fn keys_of_another_station_are_set_aside_and_not_overwritten() {
    let bench = Bench::new(9);
    let keys = bench.open();
    let key_id = bench.one(&keys, 1).unwrap();
    drop(keys);
    let other = Bench::new(10);
    drop(other.open());
    let mixed = Bench { a: bench.a.clone(), b: other.b.clone(), clock: bench.clock.clone() };
    let keys = mixed.open();
    assert!(mark(&keys, key_id).is_some());
    assert_eq!(mixed.b.list(&PathBuf::from("/ring/keys")).unwrap().len(), 2);
}

#[test]
fn a_clock_that_was_behind_since_the_start_moves_its_keys_along_and_none_stays_in_the_future() {
    let bench = Bench::new(11);
    bench.clock.set_sync_state(SyncState::Unsynchronised);
    let keys = bench.open();
    let key_id = bench.one(&keys, 1).unwrap();
    let basis = || keys.oldest(camera(1)).unwrap();
    assert_eq!(basis(), hour_of(START));
    let weeks = 3 * 7 * 24 * KEY_NANOS;
    for (step, want) in [(weeks, hour_of(START).plus_nanos(weeks)), (-2 * weeks, hour_of(START.plus_nanos(-weeks)))] {
        bench.clock.step(step);
        bench.clock.set_sync_state(SyncState::Synchronised);
        keys.tend();
        assert_eq!(basis(), want);
    }
    drop(keys);
    let keys = bench.open();
    assert_eq!(keys.oldest(camera(1)), Some(hour_of(START.plus_nanos(-weeks))));
    assert!(mark(&keys, key_id).is_some(), "wrapped anew");
}

/// The camera's keys of so many hours from now on.
fn hours(bench: &Bench, keys: &Keys, count: usize) -> Vec<u32> {
    let hour = |_| {
        let key_id = bench.one(keys, 1).unwrap();
        bench.clock.advance(60 * MINUTE);
        key_id
    };
    (0..count).map(hour).collect()
}

#[test]
fn a_key_that_a_disk_does_not_give_now_is_no_lost_one_and_recording_needs_none() {
    let bench = Bench::new(13);
    let ids = hours(&bench, &bench.open(), 7);
    let keys = bench.open();
    for (fs, path) in bench.both() {
        assert!(fs.fail_file(&path, Op::Read, libc::EIO));
    }
    assert_eq!(keys.key(ids[0]).err().unwrap().kind, Kind::Unavailable);
    keys.destroy(&[ids[1]]).unwrap();
    assert_eq!(keys.key(ids[1]).err().unwrap().kind, Kind::NotFound);
    for hour in 0..3 {
        let made = bench.one(&keys, 1).unwrap();
        assert!(!ids.contains(&made) && keys.key(made).is_ok(), "hour {hour}");
        bench.clock.advance(60 * MINUTE);
    }
    let [(a, _), (b, _)] = bench.both();
    a.heal();
    assert!(mark(&keys, ids[0]).is_some(), "one copy is enough");
    b.heal();
    let [(a, path_a), (b, path_b)] = bench.both();
    let at = 4096 + 2 * 128 + 5;
    assert!(a.rot(&path_a, at, 1) && b.rot(&path_b, at, 1));
    assert_eq!(keys.key(ids[2]).err().unwrap().kind, Kind::Corrupt, "lost in both");
}

#[test]
fn a_destroyed_key_is_told_from_one_that_was_lost() {
    let bench = Bench::new(14);
    let keys = bench.open();
    let ids: Vec<u32> = (1..=3).map(|number| bench.one(&keys, number).unwrap()).collect();
    drop(keys);
    let [(a, path_a), (b, path_b)] = bench.both();
    assert!(a.rot(&path_a, 4096 + 5, 1) && b.rot(&path_b, 4096 + 5, 1));
    let keys = bench.open();
    let kind = |keys: &Keys, at: usize| keys.key(ids[at]).err().unwrap().kind;
    keys.destroy(&[ids[1]]).unwrap();
    // And one that no disk can be told of.
    for (fs, path) in bench.both() {
        assert!(fs.fail_file(&path, Op::Write, libc::EIO) && fs.fail_file(&path, Op::Open, libc::EIO));
    }
    assert_eq!(keys.destroy(&[ids[2]]).unwrap_err().kind, Kind::Io);
    assert_eq!([kind(&keys, 0), kind(&keys, 1), kind(&keys, 2)], [Kind::Corrupt, Kind::NotFound, Kind::NotFound]);
    a.heal();
    b.heal();
    keys.tend();
    assert_eq!(keys.alarms().erasure_late, None);
    drop(keys);
    let keys = bench.open();
    assert_eq!([kind(&keys, 1), kind(&keys, 2)], [Kind::NotFound, Kind::NotFound]);
}

#[test]
fn what_was_wanted_last_of_a_slot_is_what_is_written_when_the_disks_are_back() {
    let bench = Bench::new(15);
    bench.clock.set_sync_state(SyncState::Unsynchronised);
    let keys = bench.open();
    let old = bench.one(&keys, 1).unwrap();
    for (fs, path) in bench.both() {
        assert!(fs.fail_file(&path, Op::Write, libc::EIO) && fs.fail_file(&path, Op::Open, libc::EIO));
    }
    // Made and not written, given another hour and not written.
    let unsaved = bench.one(&keys, 2).unwrap();
    let before = mark(&keys, unsaved);
    let weeks = -3 * 7 * 24 * KEY_NANOS;
    bench.clock.step(weeks);
    bench.clock.set_sync_state(SyncState::Synchronised);
    keys.tend();
    assert!(!keys.is_durable(unsaved) && keys.is_durable(old));
    bench.a.heal();
    bench.b.heal();
    // The first look takes the copies back; the hours of what could not be read follow with the next.
    keys.tend();
    keys.tend();
    assert!(keys.is_durable(unsaved));
    drop(keys);
    let keys = bench.open();
    let basis = Some(hour_of(START.plus_nanos(weeks)));
    assert_eq!([keys.oldest(camera(1)), keys.oldest(camera(2))], [basis, basis]);
    assert_eq!(mark(&keys, unsaved), before);
}

#[test]
fn a_key_that_is_to_be_destroyed_is_not_taken_for_one_that_was_found_again() {
    let bench = Bench::new(16);
    let keys = bench.open();
    let key_id = bench.one(&keys, 1).unwrap();
    // One copy goes away with the key; in the other one its slot rots, and then nothing can be written there either.
    let away = |(fs, path): &(&SimFs, PathBuf)| {
        assert!(fs.fail_file(path, Op::Write, libc::EIO) && fs.fail_file(path, Op::Open, libc::EIO));
    };
    let [a, b] = bench.both();
    away(&b);
    bench.one(&keys, 2).unwrap();
    assert!(a.0.rot(&a.1, 4096 + 5, 1));
    away(&a);
    assert_eq!(keys.destroy(&[key_id]).unwrap_err().kind, Kind::Io);
    assert!(keys.alarms().erasure_late.is_some());
    bench.a.heal();
    bench.b.heal();
    keys.tend();
    assert!(!keys.is_live(key_id));
    assert_eq!(keys.alarms(), KeyAlarms::default());
    drop(keys);
    assert!(!bench.open().is_live(key_id));
}

impl Bench {
    /// The same on disks that can be made to hang.
    fn open_mounted(&self) -> (Keys, [Arc<Gate>; 2]) {
        let mounts = Mounts::default();
        mounts.mount("/state", &self.a);
        mounts.mount("/ring", &self.b);
        let fs: Arc<dyn Fs> = Arc::new(mounts.clone());
        let places = self.places().map(|place| Place { fs: fs.clone(), ..place });
        let master = MasterSource::File("/state/master.key".into());
        let keys = Keys::open(places, &master, &self.a, Arc::new(self.clock.clone())).unwrap();
        (keys, [mounts.gate("/state"), mounts.gate("/ring")])
    }
}

/// Looks until nothing is wrong any more: a disk that hung answers in its own time.
fn tend_until_well(keys: &Keys) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while keys.alarms() != KeyAlarms::default() {
        assert!(Instant::now() < deadline, "{:?}", keys.alarms());
        keys.tend();
        std::thread::yield_now();
    }
}

#[test]
fn a_copy_whose_disk_hangs_is_done_without() {
    for at in 0..2 {
        let bench = Bench::new(17);
        let (keys, gates) = bench.open_mounted();
        let old = bench.one(&keys, 1).unwrap();
        gates[at].close();
        bench.clock.advance(60 * MINUTE);
        let new = bench.one(&keys, 1).unwrap();
        assert!(new != old && keys.is_durable(new), "the other copy has it");
        assert!(keys.alarms().copy_missing.is_some_and(|text| text.contains("does not answer")));
        keys.destroy(&[old]).unwrap();
        let other = bench.one(&keys, 2).unwrap();
        assert!(keys.is_durable(other));
        keys.tend();
        gates[at].open();
        tend_until_well(&keys);
        let before = mark(&keys, other);
        drop(keys);
        let (fs, path) = &bench.both()[1 - at];
        fs.remove(path).unwrap();
        let keys = bench.open();
        assert_eq!((mark(&keys, other), keys.is_live(old)), (before, false), "what hung has all of it now");
    }
}

#[test]
fn with_disks_that_hang_recording_goes_on_in_memory_and_nothing_counts_as_durable() {
    let bench = Bench::new(18);
    let (keys, gates) = bench.open_mounted();
    let old = bench.one(&keys, 1).unwrap();
    gates.iter().for_each(|gate| gate.close());
    bench.clock.advance(60 * MINUTE);
    assert_eq!(bench.one(&keys, 1).unwrap(), old, "the last key is durable");
    let of_memory = bench.one(&keys, 2).unwrap();
    let before = mark(&keys, of_memory);
    assert!(!keys.is_durable(of_memory) && keys.alarms().damaged.is_some());
    // However long it lasts, a day's last key stays at hand.
    for _ in 0..20 {
        bench.clock.advance(60 * MINUTE);
        assert_eq!(bench.one(&keys, 1).unwrap(), old);
    }
    gates.iter().for_each(|gate| gate.open());
    tend_until_well(&keys);
    assert!(keys.is_durable(of_memory));
    assert_ne!(bench.one(&keys, 1).unwrap(), old);
    drop(keys);
    bench.power_cycle();
    assert_eq!(mark(&bench.open(), of_memory), before);
}
