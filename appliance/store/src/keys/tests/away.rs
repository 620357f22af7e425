//! Copies that go away and come back: one without the other, late, full, or with sectors that cannot be read.

use super::*;
use crate::Erased;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use watchbook_base::fs::Space;

/// Nothing can be opened or written there until it is healed.
fn take_away((fs, path): &(&SimFs, PathBuf)) {
    assert!(fs.fail_file(path, Op::Write, libc::EIO) && fs.fail_file(path, Op::Open, libc::EIO));
}

/// Both stand alone: the keys have the same marks whichever copy is lost.
fn expect_in_both(bench: &Bench, marks: &[(u32, Option<Vec<u8>>)]) {
    for lost in 0..2 {
        let (fs, path) = &bench.both()[lost];
        fs.remove(path).unwrap();
        let keys = bench.open();
        assert_eq!(keys.alarms(), KeyAlarms::default(), "it has been made again");
        for (key_id, before) in marks {
            assert!(before.is_some() && mark(&keys, *key_id) == *before, "key {key_id} without copy {lost}");
        }
    }
}

#[test]
fn a_copy_that_comes_back_alone_takes_no_slot_of_a_key_that_it_does_not_know() {
    for late in 0..2 {
        let bench = Bench::new(20 + late as u64);
        let keys = bench.open();
        let first = bench.one(&keys, 9).unwrap();
        let both = bench.both();
        take_away(&both[late]);
        let known_to_one: Vec<u32> = (1..=3).map(|number| bench.one(&keys, number).unwrap()).collect();
        assert!(known_to_one.iter().all(|key_id| keys.is_durable(*key_id)));
        take_away(&both[1 - late]);
        let of_memory = bench.one(&keys, 4).unwrap();
        assert!(!keys.is_durable(of_memory));
        // The stale one is back first, alone.
        both[late].0.heal();
        keys.tend();
        let later: Vec<u32> = (5..=8).map(|number| bench.one(&keys, number).unwrap()).collect();
        keys.destroy(&[known_to_one[0]]).unwrap();
        both[1 - late].0.heal();
        keys.tend();
        assert_eq!(keys.alarms(), KeyAlarms::default());
        let all: Vec<u32> = [&[first, of_memory], &known_to_one[1..], &later].concat();
        let marks: Vec<_> = all.iter().map(|key_id| (*key_id, mark(&keys, *key_id))).collect();
        drop(keys);
        expect_in_both(&bench, &marks);
        assert!(!bench.open().is_live(known_to_one[0]));
    }
}

#[test]
fn a_key_of_before_the_start_that_only_the_missing_copy_has_keeps_its_slot() {
    let bench = Bench::new(22);
    let both = bench.both();
    let keys = bench.open();
    take_away(&both[1]);
    // The writing that fails may leave something in its own slot.
    let [_, known_to_one] = [9, 1].map(|number| bench.one(&keys, number).unwrap());
    drop(keys);
    // A start without the second copy; then the first goes away, and the second comes back alone.
    let keys = bench.open();
    let before = mark(&keys, known_to_one);
    take_away(&both[0]);
    let of_memory = bench.one(&keys, 2).unwrap();
    both[1].0.heal();
    keys.tend();
    let later = bench.one(&keys, 3).unwrap();
    both[0].0.heal();
    keys.tend();
    assert_eq!(keys.alarms(), KeyAlarms::default());
    let marks: Vec<_> = [of_memory, later].map(|key_id| (key_id, mark(&keys, key_id))).to_vec();
    drop(keys);
    expect_in_both(&bench, &[marks, vec![(known_to_one, before)]].concat());
}

#[test]
fn an_erasure_that_is_still_to_be_told_is_not_lost_with_the_copy_that_knows_of_it() {
    let bench = Bench::new(23);
    let both = bench.both();
    let keys = bench.open();
    let key_id = bench.one(&keys, 1).unwrap();
    take_away(&both[1]);
    let hour_utc = keys.oldest(camera(1)).unwrap();
    let erased = [Erased { key_id, camera: camera(1), hour_utc, erased_utc: keys.trusted_now() }];
    keys.erase(&erased, crate::keys::Owed { log: true, listener: true }).unwrap();
    take_away(&both[0]);
    bench.one(&keys, 2).unwrap();
    both[1].0.heal();
    keys.tend();
    bench.one(&keys, 3).unwrap();
    assert_eq!((keys.untold().as_slice(), keys.unheard().as_slice()), (&erased[..], &erased[..]));
    both[0].0.heal();
    keys.tend();
    drop(keys);
    let keys = bench.open();
    assert_eq!((keys.untold().as_slice(), keys.unheard().as_slice()), (&erased[..], &erased[..]));
}

#[test]
fn a_copy_that_is_slow_to_be_read_again_is_not_lost_with_the_one_that_comes_back() {
    let bench = Bench::new(24);
    let (keys, gates) = bench.open_mounted();
    let both = bench.both();
    take_away(&both[1]);
    let key_id = bench.one(&keys, 1).unwrap();
    both[1].0.heal();
    gates[0].close_for_all();
    keys.tend();
    let missing = keys.alarms().copy_missing.unwrap();
    assert!(missing.contains("/ring") && !missing.contains("/state"), "{missing}");
    gates[0].open();
    tend_until_well(&keys);
    let marks = [(key_id, mark(&keys, key_id))];
    drop(keys);
    expect_in_both(&bench, &marks);
}

#[test]
fn a_key_that_rots_in_one_copy_is_taken_from_the_other_one_when_that_is_back() {
    let bench = Bench::new(25);
    let keys = bench.open();
    let [rotten, destroyed] = [1, 2].map(|number| bench.one(&keys, number).unwrap());
    let marks = [(rotten, mark(&keys, rotten))];
    let both = bench.both();
    take_away(&both[1]);
    // What was away has missed a destruction, but not that of this key.
    keys.destroy(&[destroyed]).unwrap();
    assert!(both[0].0.rot(&both[0].1, 4096 + 5, 1));
    both[1].0.heal();
    keys.tend();
    assert_eq!(keys.alarms(), KeyAlarms::default());
    drop(keys);
    expect_in_both(&bench, &marks);
    assert!(!bench.open().is_live(destroyed));
}

#[test]
fn a_slot_that_neither_copy_gives_now_is_not_overwritten() {
    let bench = Bench::new(26);
    let keys = bench.open();
    let unread = bench.one(&keys, 1).unwrap();
    let before = mark(&keys, unread);
    let both = bench.both();
    take_away(&both[1]);
    let other = bench.one(&keys, 2).unwrap();
    assert!(both[0].0.fail_byte(&both[0].1, 4096 + 5) && both[1].0.rot(&both[1].1, 4096 + 5, 1));
    both[1].0.heal();
    keys.tend();
    let later = bench.one(&keys, 3).unwrap();
    drop(keys);
    both[0].0.heal();
    let keys = bench.open();
    assert_eq!(mark(&keys, unread), before, "the disk gives it again");
    assert!(mark(&keys, other).is_some() && mark(&keys, later).is_some());
}

#[test]
fn a_slot_is_free_only_when_a_copy_that_has_missed_nothing_says_so() {
    let bench = Bench::new(27);
    let both = bench.both();
    let keys = bench.open();
    take_away(&both[1]);
    let key_id = bench.one(&keys, 1).unwrap();
    let marks = [(key_id, mark(&keys, key_id))];
    assert!(both[0].0.rot(&both[0].1, 4096 + 5, 1));
    both[1].0.heal();
    keys.tend();
    drop(keys);
    expect_in_both(&bench, &marks);
    // Nobody has it in memory when it rots: then it is lost, and not never there.
    let keys = bench.open();
    take_away(&both[1]);
    let lost = bench.one(&keys, 2).unwrap();
    drop(keys);
    assert!(both[0].0.rot(&both[0].1, 4096 + 128 + 5, 1));
    both[1].0.heal();
    let keys = bench.open();
    assert_eq!(keys.key(lost).err().unwrap().kind, Kind::Corrupt);
    assert!(keys.alarms().damaged.is_some_and(|text| text.starts_with("1 keys")));
}

#[test]
fn a_key_file_that_cannot_grow_takes_what_it_has_room_for_and_is_told_what_is_destroyed() {
    let bench = Bench::new(28);
    let keys = bench.open();
    let room = |free_bytes| {
        let space = Space { total_bytes: 1 << 40, free_bytes };
        [&bench.a, &bench.b].into_iter().for_each(|fs| fs.set_space(space));
    };
    room(0);
    let of = |numbers: std::ops::RangeInclusive<u32>| -> Vec<u32> {
        let wanted: Vec<_> = numbers.map(|number| (camera(number), bench.clock.mono())).collect();
        keys.for_samples(&wanted).unwrap().iter().map(|key| key.id).collect()
    };
    let durable = |ids: &[u32]| ids.iter().filter(|key_id| keys.is_durable(**key_id)).count();
    let fit = of(1..=4000);
    assert_eq!(durable(&fit), 4000);
    assert!(keys.alarms().copy_missing.is_some_and(|text| text.contains("cannot grow")), "while there is room left");
    let more = of(4001..=4200);
    assert_eq!(durable(&more), 96);
    keys.destroy(&fit[..5]).unwrap();
    assert_eq!(keys.alarms().erasure_late, None);
    room(1 << 30);
    keys.tend();
    assert_eq!((durable(&more), keys.alarms()), (200, KeyAlarms::default()));
    drop(keys);
    bench.power_cycle();
    for lost in 0..2 {
        let (fs, path) = &bench.both()[lost];
        fs.remove(path).unwrap();
        let keys = bench.open();
        let live = |ids: &[u32]| ids.iter().filter(|key_id| keys.is_live(**key_id)).count();
        assert_eq!((live(&fit), live(&more)), (3995, 200));
    }
}

#[test]
fn a_copy_that_had_no_room_gets_what_it_lacks_once_it_has_and_the_alarm_lasts_till_then() {
    for restart in [false, true] {
        let bench = Bench::new(33);
        let mut keys = bench.open();
        let room = |free_bytes| bench.b.set_space(Space { total_bytes: 1 << 40, free_bytes });
        room(0);
        let wanted: Vec<_> = (1..=4200).map(|number| (camera(number), bench.clock.mono())).collect();
        let ids: Vec<u32> = keys.for_samples(&wanted).unwrap().iter().map(|key| key.id).collect();
        assert!(ids.iter().all(|key_id| keys.is_durable(*key_id)), "the other copy has all of them");
        if restart {
            keys = bench.open();
        }
        // Whatever else is written meanwhile.
        for _ in 0..3 {
            bench.clock.advance(60 * MINUTE);
            keys.tend();
            assert!(keys.alarms().copy_missing.is_some_and(|text| text.contains("cannot grow")), "restart {restart}");
        }
        room(1 << 30);
        // A writing that comes before the next look makes the file grow, and does not give it what it lacks.
        bench.one(&keys, 1).unwrap();
        assert!(keys.alarms().copy_missing.is_some());
        keys.tend();
        assert_eq!(keys.alarms(), KeyAlarms::default());
        let marks: Vec<_> = [0, 4095, 4096, 4199].map(|at| (ids[at], mark(&keys, ids[at]))).to_vec();
        drop(keys);
        expect_in_both(&bench, &marks);
    }
}

#[test]
fn a_copy_that_lacks_slots_keeps_to_itself_while_the_other_one_is_away() {
    let bench = Bench::new(34);
    let keys = bench.open();
    let both = bench.both();
    bench.b.set_space(Space { total_bytes: 1 << 40, free_bytes: 0 });
    let wanted: Vec<_> = (1..=4200).map(|number| (camera(number), bench.clock.mono())).collect();
    let ids: Vec<u32> = keys.for_samples(&wanted).unwrap().iter().map(|key| key.id).collect();
    drop(keys);
    let keys = bench.open();
    take_away(&both[0]);
    bench.b.set_space(Space { total_bytes: 1 << 40, free_bytes: 1 << 30 });
    bench.clock.advance(60 * MINUTE);
    let later = bench.one(&keys, 1).unwrap();
    for _ in 0..2 {
        keys.tend();
        assert!(keys.is_durable(later) && keys.alarms().copy_missing.is_some());
    }
    let steps = bench.b.counters().steps;
    keys.tend();
    assert_eq!(bench.b.counters().steps, steps, "it is not written whole at each look");
    both[0].0.heal();
    keys.tend();
    assert_eq!(keys.alarms(), KeyAlarms::default());
    let marks: Vec<_> = [ids[0], ids[4095], ids[4199], later].map(|key_id| (key_id, mark(&keys, key_id))).to_vec();
    drop(keys);
    expect_in_both(&bench, &marks);
}

#[test]
fn numbers_that_no_header_could_promise_are_not_given_out_again_by_the_next_start() {
    let bench = Bench::new(35);
    bench.one(&bench.open(), 1).unwrap();
    let file = |(fs, path): &(&SimFs, PathBuf)| fs.open(path, OpenMode::ReadWrite).unwrap();
    let before = bench.both().map(|copy| {
        let mut bytes = vec![0; file(&copy).len().unwrap() as usize];
        file(&copy).read_exact_at(&mut bytes, 0).unwrap();
        bytes
    });
    // Both can be read, and stay as they are.
    let refuse_writes = || {
        for (copy, bytes) in bench.both().iter().zip(&before) {
            copy.0.heal();
            file(copy).write_all_at(&[bytes], 0).unwrap();
            assert!(copy.0.fail_file(&copy.1, Op::Write, libc::EIO));
        }
    };
    refuse_writes();
    let of_memory = bench.one(&bench.open(), 2).unwrap();
    refuse_writes();
    let keys = bench.open();
    let next = bench.one(&keys, 3).unwrap();
    assert_ne!(next, of_memory);
    assert!(!keys.is_durable(next));
    assert_eq!(keys.key(of_memory).err().unwrap().kind, Kind::Corrupt, "lost, and not destroyed");
    bench.a.heal();
    bench.b.heal();
    keys.tend();
    assert!(keys.is_durable(next) && keys.alarms() == KeyAlarms::default());
    assert_eq!(bench.one(&keys, 4).unwrap(), next + 1, "nothing is passed over any more");
    keys.destroy(&[next]).unwrap();
    assert_eq!(keys.key(next).err().unwrap().kind, Kind::NotFound);
}

#[test]
fn numbers_that_a_copy_has_promised_while_the_other_one_was_away_are_not_given_out_again() {
    let bench = Bench::new(36);
    let both = bench.both();
    bench.one(&bench.open(), 1).unwrap();
    take_away(&both[0]);
    // The second copy has a header of this start, and not these keys.
    let keys = bench.open();
    take_away(&both[1]);
    // The writing that fails may leave something in its own slot.
    let [_, of_memory @ ..] = [2, 3, 4].map(|number| bench.one(&keys, number).unwrap());
    drop(keys);
    both[0].0.heal();
    let keys = bench.open();
    both[1].0.heal();
    keys.tend();
    assert_eq!(keys.alarms(), KeyAlarms::default());
    let [.., next] = [5, 6, 7].map(|number| {
        let next = bench.one(&keys, number).unwrap();
        assert!(!of_memory.contains(&next));
        next
    });
    assert!(of_memory.iter().all(|key_id| keys.key(*key_id).err().unwrap().kind == Kind::Corrupt));
    // Once it is written, it costs no numbers to come back.
    take_away(&both[1]);
    bench.one(&keys, 8).unwrap();
    both[1].0.heal();
    keys.tend();
    assert_eq!(bench.one(&keys, 9).unwrap(), next + 2);
}

#[test]
fn a_key_file_grows_before_its_last_slot_is_used() {
    let bench = Bench::new(29);
    let keys = bench.open();
    let wanted: Vec<_> = (1..=3500).map(|number| (camera(number), bench.clock.mono())).collect();
    keys.for_samples(&wanted).unwrap();
    for (fs, path) in bench.both() {
        assert_eq!(fs.open(&path, OpenMode::Read).unwrap().len().unwrap(), slot::slot_offset(2 * 4096));
    }
}

#[test]
fn the_time_is_noted_each_hour_also_when_no_key_is_made() {
    let bench = Bench::new(30);
    let keys = bench.open();
    for _ in 0..180 {
        bench.clock.advance(MINUTE);
        keys.tend();
    }
    drop(keys);
    bench.power_cycle();
    // So far ahead that the clock is not believed, and what was noted counts.
    bench.clock.set_sync_state(SyncState::Unsynchronised);
    bench.clock.step(10 * 24 * KEY_NANOS);
    let noted = bench.open().trusted_now();
    assert!(noted >= START.plus_nanos(2 * KEY_NANOS) && noted <= START.plus_nanos(3 * KEY_NANOS), "{noted}");
}

#[test]
fn samples_older_than_the_newest_keys_get_a_key_of_their_hour() {
    let bench = Bench::new(31);
    let keys = bench.open();
    let long_ago = bench.clock.mono();
    bench.clock.advance(60 * MINUTE);
    let newer = hours(&bench, &keys, 6);
    let old = keys.for_samples(&[(camera(1), long_ago)]).unwrap().remove(0).id;
    assert!(!newer.contains(&old) && keys.is_durable(old));
    assert_eq!(keys.oldest(camera(1)), Some(hour_of(START)));
}

#[test]
fn a_write_waits_for_a_read_that_is_slow() {
    let bench = Bench::new(32);
    let ids = hours(&bench, &bench.open(), 7);
    let (keys, gates) = bench.open_mounted();
    gates[0].close_for_reads();
    let is_done = AtomicBool::new(false);
    let slow = std::thread::scope(|scope| {
        scope.spawn(|| {
            gates[0].wait_for_somebody();
            // The read has run out of time, and the next writing is on its way, or done.
            while keys.is_live(ids[0]) || (keys.copies.try_lock().is_ok() && !is_done.load(SeqCst)) {
                std::thread::yield_now();
            }
            gates[0].open();
        });
        let read = keys.key(ids[1]);
        keys.destroy(&[ids[0]]).unwrap();
        is_done.store(true, SeqCst);
        read
    });
    assert!(slow.is_ok(), "the other copy gives it");
    assert_eq!(keys.alarms(), KeyAlarms::default());
}
