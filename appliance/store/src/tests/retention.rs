//! Maximum ages: in a ring, and over a month of keys with a clock that steps both ways.

mod clock;
mod month;
mod telling;

use super::harness::*;
use crate::alarm::Alarms;
use crate::keys::Keys;
use crate::retention::Retention;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use watchbook_base::fs::sim::Dice;
use watchbook_base::{Clock, SyncState, TimeRange, UtcNanos};

const MINUTE: u64 = 60_000_000_000;
const HOUR: i64 = 3600 * 1_000_000_000;
const DAY: i64 = 24 * HOUR;

fn retention_of(machine: &Box_, parts: &crate::store::Parts) -> Retention {
    let keys = parts.part.sealed_with.clone().unwrap();
    Retention::new(keys, parts.reader.part_list(), Arc::new(Alarms::default()), Arc::new(machine.clock.clone()))
}

/// Ten seconds of footage.
fn record(machine: &Box_, parts: &mut crate::store::Parts, cam: &mut Cam) {
    parts.writer.begin(&cam.start(&machine.clock));
    for frame in 0..250 {
        parts.writer.append(cam.packet(&machine.clock)).unwrap();
        machine.clock.advance(STEP_NANOS);
        if frame % 25 == 24 {
            parts.committer.step().unwrap();
        }
    }
}

#[test]
fn footage_of_a_camera_is_erased_at_its_maximum_age_and_the_log_tells_of_it() {
    let machine = Box_::new(500);
    let mut parts = machine.open();
    let (mut short, mut long) = (Cam::new(1, 300), Cam::new(2, 300));
    record(&machine, &mut parts, &mut short);
    record(&machine, &mut parts, &mut long);
    let kept = samples(&parts, video(2));
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (retention, listener) = (retention_of(&machine, &parts), told.clone());
    retention.subscribe(Box::new(move |erased| {
        listener.lock().unwrap().extend_from_slice(erased);
        true
    }));
    retention.set(camera(1), 3);
    retention.set(camera(2), 30);
    // A player that is in the middle of it.
    let grant = playback(1);
    let footage = parts.reader.footage(&grant, camera(1), ALL).unwrap();
    let span = parts.reader.spans(&grant, video(1), ALL).unwrap().remove(0);
    assert!(watchbook_media::SpanSource::read(&footage, &span, 0, 100).is_ok());
    let info = parts.reader.retention(camera(1)).unwrap();
    assert_eq!((info.oldest_utc, info.days_max), (Some(START), Some(3)));
    let due = info.next_erasure_utc.unwrap();
    assert_eq!(due, START.plus_nanos(3 * DAY + crate::retention::ERASE_AFTER_NANOS));
    let left = due.nanos_since(machine.clock.utc()).unsigned_abs();
    machine.clock.advance(left - 1);
    assert!(retention.tick(&mut |_| {}).unwrap().is_empty());
    assert_eq!(samples(&parts, video(1)).len(), 250);
    machine.clock.advance(1);
    let mut committed = 0;
    let erased = retention
        .tick(&mut |_| {
            parts.committer.step().unwrap();
            committed += 1;
        })
        .unwrap();
    assert_eq!((committed, erased.len(), erased[0].camera, erased[0].hour_utc), (1, 1, camera(1), START));
    assert_eq!(*told.lock().unwrap(), erased);
    assert!(samples(&parts, video(1)).is_empty());
    let error = watchbook_media::SpanSource::read(&footage, &span, 0, 100).unwrap_err();
    assert!(error.message.contains("erased"), "{}", error.message);
    assert_eq!(parts.reader.first_last(&grant, video(1)).unwrap(), None);
    assert_eq!(parts.reader.erasures(&grant, camera(1), ALL).unwrap(), erased);
    assert!(parts.reader.erasures(&grant, camera(2), ALL).is_err(), "the grant is for another camera");
    assert_eq!(samples(&parts, video(2)), kept);
    assert!(retention.tick(&mut |_| {}).unwrap().is_empty(), "once only");
    // Shorter than what is there already, and longer again.
    retention.set(camera(2), 1);
    machine.clock.advance(MINUTE);
    drop((parts, footage));
    machine.fs.cut();
    machine.fs.power_on();
    machine.kv.wipe();
    let parts = machine.open();
    assert!(samples(&parts, video(1)).is_empty(), "after a power cut, and with an index made from the log");
    assert_eq!(parts.reader.erasures(&grant, camera(1), ALL).unwrap(), erased);
    assert_eq!(samples(&parts, video(2)), kept, "it was not looked since the maximum was lowered");
    let retention = retention_of(&machine, &parts);
    retention.set(camera(2), 30);
    assert!(retention.tick(&mut |_| {}).unwrap().is_empty());
    retention.set(camera(2), 3);
    assert_eq!(retention.tick(&mut |_| {}).unwrap().len(), 1);
    assert!(samples(&parts, video(2)).is_empty());
    drop(parts);
    let report = machine.check();
    assert!(report.is_clean() && report.unreadable_runs > 0, "{report:?}");
}

#[test]
fn an_erasure_waits_for_a_hold_that_is_not_copied_but_only_for_a_day() {
    let machine = Box_::new(550);
    let mut parts = machine.open();
    record(&machine, &mut parts, &mut Cam::new(1, 300));
    let retention = retention_of(&machine, &parts);
    retention.set(camera(1), 1);
    let moment = |utc: UtcNanos| TimeRange { start: utc, end: utc.plus_nanos(1) };
    retention.wait_for_holds(Box::new(move |held, range| held == camera(1) && range.overlaps(moment(START))));
    machine.clock.advance((DAY + HOUR).unsigned_abs());
    assert!(retention.tick(&mut |_| {}).unwrap().is_empty());
    assert_eq!(samples(&parts, video(1)).len(), 250);
    machine.clock.advance(DAY.unsigned_abs());
    assert_eq!(retention.tick(&mut |_| {}).unwrap().len(), 1);
    assert!(samples(&parts, video(1)).is_empty());
}

#[test]
fn an_erasure_that_no_log_tells_of_when_the_power_goes_is_recorded_by_the_next_start() {
    let machine = Box_::new(552);
    let mut parts = machine.open();
    record(&machine, &mut parts, &mut Cam::new(1, 300));
    let retention = retention_of(&machine, &parts);
    retention.set(camera(1), 1);
    machine.clock.advance((DAY + HOUR).unsigned_abs());
    // The ring's disk does not take the record in time, and then the power goes.
    let erased = retention.tick(&mut |_| {}).unwrap();
    assert_eq!(erased.len(), 1);
    drop((parts, retention));
    machine.fs.cut();
    machine.fs.power_on();
    machine.kv.crash(&mut Dice::new(552));
    machine.clock.advance(HOUR.unsigned_abs());
    let mut parts = machine.open();
    assert!(samples(&parts, video(1)).is_empty());
    let told = |parts: &crate::store::Parts| parts.reader.erasures(&playback(1), camera(1), ALL).unwrap();
    assert!(told(&parts).is_empty());
    let mut commits = 0;
    for _ in 0..2 {
        let retention = retention_of(&machine, &parts);
        let again = retention.tick(&mut |_| {
            parts.committer.step().unwrap();
            commits += 1;
        });
        assert!(again.unwrap().is_empty(), "nothing is erased twice");
        assert_eq!(told(&parts), erased);
    }
    let keys = parts.part.sealed_with.clone().unwrap();
    assert!(keys.untold().is_empty());
    drop((parts, keys));
    assert!(machine.keys().unwrap().untold().is_empty(), "the key files know it too");
}

#[test]
fn a_hold_is_asked_about_all_that_a_key_has_sealed() {
    let machine = Box_::new(551);
    let mut parts = machine.open();
    let cam = &mut Cam::new(1, 300);
    record(&machine, &mut parts, cam);
    // Somebody sets the clock five hours ahead: the samples carry that time, and the key is the one of the true hour.
    machine.clock.set_sync_state(SyncState::Unsynchronised);
    machine.clock.step(5 * HOUR);
    record(&machine, &mut parts, cam);
    machine.clock.step(-5 * HOUR);
    machine.clock.set_sync_state(SyncState::Synchronised);
    assert_eq!(samples(&parts, video(1)).len(), 500);
    let held = TimeRange { start: START.plus_nanos(5 * HOUR), end: START.plus_nanos(6 * HOUR) };
    let retention = retention_of(&machine, &parts);
    retention.set(camera(1), 1);
    retention.wait_for_holds(Box::new(move |_, range| range.overlaps(held)));
    machine.clock.advance((DAY + HOUR).unsigned_abs());
    assert!(retention.tick(&mut |_| {}).unwrap().is_empty());
    assert_eq!(samples(&parts, video(1)).len(), 500);
    retention.wait_for_holds(Box::new(|_, _| false));
    assert_eq!(retention.tick(&mut |_| {}).unwrap().len(), 1);
}

#[test]
fn a_power_cut_in_an_erasure_leaves_it_to_the_next_look() {
    // The first four write the time that the keys note.
    for step in 0..12 {
        let machine = Box_::new(600 + step);
        let mut parts = machine.open();
        record(&machine, &mut parts, &mut Cam::new(1, 300));
        let retention = retention_of(&machine, &parts);
        retention.set(camera(1), 1);
        machine.clock.advance((DAY + HOUR).unsigned_abs());
        machine.fs.cut_after(step);
        let erased = retention.tick(&mut |_| drop(parts.committer.step()));
        drop((parts, retention));
        machine.fs.power_on();
        machine.kv.crash(&mut Dice::new(step));
        let mut parts = machine.open();
        let left = samples(&parts, video(1)).len();
        assert!(left == 0 || left == 250, "step {step}: {left}");
        assert!(step < 11 || (left == 0 && erased.is_ok()), "step {step}: {erased:?}");
        let retention = retention_of(&machine, &parts);
        retention.set(camera(1), 1);
        retention.tick(&mut |_| drop(parts.committer.step())).unwrap();
        assert!(samples(&parts, video(1)).is_empty(), "step {step}");
        assert_eq!(parts.reader.erasures(&playback(1), camera(1), ALL).unwrap().len(), 1, "step {step}");
    }
}

/// A month of minutes. True time is the monotonic clock's; the system clock steps by hand, loses NTP, finds it again, and the recorder restarts. It begins
/// three days before the clocks of Europe go back (2026-10-25), and goes over the end of that of North America.
#[test]
fn over_a_month_of_clock_steps_the_maximum_is_met_within_an_hour_and_nothing_younger_is_lost() {
    for seed in seeds(3) {
        let mut dice = Dice::new(seed);
        let machine = Box_ {
            clock: watchbook_base::clock::SimClock::new(UtcNanos(1_792_627_200_000_000_000)),
            ..Box_::new(seed)
        };
        let began = (machine.clock.mono(), machine.clock.utc());
        let truth =
            |machine: &Box_| began.1.plus_nanos(i64::try_from(machine.clock.mono().nanos_since(began.0)).unwrap());
        let mut keys: Arc<Keys> = machine.keys().unwrap();
        let days: Vec<(u32, i64)> = vec![(1, 1), (2, 3), (3, 7), (4, 7), (5, 14)];
        let mut kept: Vec<VecDeque<(UtcNanos, u32)>> = vec![VecDeque::new(); days.len()];
        let (mut lost, mut without_ntp) = (0, 0_u64);
        for minute in 0..30 * 24 * 60_u64 {
            machine.clock.advance(MINUTE);
            let offset = machine.clock.utc().nanos_since(truth(&machine));
            match without_ntp {
                0 if dice.below(700) == 0 => {
                    // NTP is gone for up to a day, and somebody sets the clock: by minutes, by hours, by years.
                    without_ntp = 1 + dice.below(24 * 60);
                    machine.clock.set_sync_state(SyncState::Unsynchronised);
                    let by = [90 * 1_000_000_000, 50 * HOUR / 60, 2 * HOUR, 40 * DAY, 3000 * DAY];
                    let by = by[dice.below(5) as usize];
                    machine.clock.step(if dice.percent(50) { by } else { -by });
                }
                0 => {}
                1 => {
                    machine.clock.step(-offset);
                    machine.clock.set_sync_state(SyncState::Synchronised);
                    without_ntp = 0;
                }
                _ => without_ntp -= 1,
            }
            if without_ntp == 0 && dice.below(2000) == 0 {
                drop(std::mem::replace(&mut keys, machine.keys().unwrap()));
            }
            days.iter().for_each(|(number, days)| keys.set_retention(camera(*number), Some(*days as u32)));
            let now = truth(&machine);
            keys.tend();
            let due: Vec<u32> = keys.due(0).iter().map(|erased| erased.key_id).collect();
            keys.destroy(&due).unwrap();
            for ((number, days), kept) in days.iter().zip(&mut kept) {
                // Removed on the eleventh day and added as another one on the twelfth.
                if *number != 4 || !(11 * 1440..12 * 1440).contains(&minute) {
                    let key = keys.for_samples(&[(camera(*number), machine.clock.mono())]).unwrap().remove(0);
                    kept.push_back((now, key.id));
                }
                while let Some((made, _)) = kept.front().filter(|(_, key_id)| !keys.is_live(*key_id)).copied() {
                    let age = now.nanos_since(made);
                    assert!(age >= days * DAY - 60 * 1_000_000_000, "seed {seed}, minute {minute}: erased at {age}");
                    kept.pop_front();
                    lost += 1;
                }
                let oldest = kept.front().map_or(0, |(made, _)| now.nanos_since(*made));
                assert!(oldest <= days * DAY + HOUR, "seed {seed}, minute {minute}: camera {number} kept {oldest}");
            }
        }
        assert!(lost > 80_000, "{lost} minutes were erased");
        let counted: usize = kept.iter().map(VecDeque::len).sum();
        assert!(
            kept.iter().flatten().all(|(_, key_id)| keys.is_live(*key_id)),
            "{counted} minutes are left, all of them readable"
        );
    }
}

#[test]
fn what_is_due_waits_while_nobody_can_tell_whether_it_is_held() {
    let machine = Box_::new(553);
    let mut parts = machine.open();
    record(&machine, &mut parts, &mut Cam::new(1, 300));
    let retention = retention_of(&machine, &parts).impatient();
    retention.set(camera(1), 1);
    // The vault is asked, and does not answer.
    let (go, may_go) = std::sync::mpsc::channel::<()>();
    let may_go = std::sync::Mutex::new(may_go);
    retention.wait_for_holds(Box::new(move |_, _| may_go.lock().unwrap().recv().is_ok()));
    machine.clock.advance((DAY + HOUR).unsigned_abs());
    for _ in 0..2 {
        assert!(retention.tick(&mut |_| {}).unwrap().is_empty());
    }
    assert_eq!(samples(&parts, video(1)).len(), 250);
    machine.clock.advance(DAY.unsigned_abs());
    assert_eq!(retention.tick(&mut |_| {}).unwrap().len(), 1, "but only for a day");
    drop(go);
}

#[test]
fn an_index_that_has_dropped_changes_does_not_tell_what_a_key_was_used_for() {
    let machine = Box_::new(554);
    let mut parts = machine.open();
    record(&machine, &mut parts, &mut Cam::new(1, 300));
    let retention = retention_of(&machine, &parts);
    retention.set(camera(1), 1);
    // Nothing that is known of the key is held.
    let held = TimeRange { start: START.plus_nanos(5 * HOUR), end: START.plus_nanos(6 * HOUR) };
    retention.wait_for_holds(Box::new(move |_, range| range.overlaps(held)));
    parts.index.abandon("on purpose");
    machine.clock.advance((DAY + HOUR).unsigned_abs());
    assert!(retention.tick(&mut |_| {}).unwrap().is_empty());
}

#[test]
fn an_erasure_whose_record_waits_is_not_recorded_again() {
    let machine = Box_::new(555);
    let mut parts = machine.open();
    record(&machine, &mut parts, &mut Cam::new(1, 300));
    let retention = retention_of(&machine, &parts);
    retention.set(camera(1), 1);
    machine.clock.advance((DAY + HOUR).unsigned_abs());
    assert_eq!(retention.tick(&mut |_| {}).unwrap().len(), 1);
    let shared = parts.part.care.shared().unwrap();
    let taken = shared.pending().taken();
    for _ in 0..100 {
        assert!(retention.tick(&mut |_| {}).unwrap().is_empty());
    }
    assert_eq!(shared.pending().taken(), taken);
    let keys = parts.part.sealed_with.clone().unwrap();
    assert_eq!(keys.untold().len(), 1);
    retention.tick(&mut |_| assert!(parts.committer.step().unwrap())).unwrap();
    assert!(keys.untold().is_empty());
    assert_eq!(parts.reader.erasures(&playback(1), camera(1), ALL).unwrap().len(), 1);
    // Another one is recorded as ever.
    record(&machine, &mut parts, &mut Cam::new(1, 300));
    machine.clock.advance((DAY + HOUR).unsigned_abs());
    assert_eq!(retention.tick(&mut |_| assert!(parts.committer.step().unwrap())).unwrap().len(), 1);
    assert_eq!(parts.reader.erasures(&playback(1), camera(1), ALL).unwrap().len(), 2);
}

#[test]
fn a_hold_that_comes_while_the_record_is_waited_for_keeps_the_key() {
    // Without any hold of the camera before, and with one of something else.
    for has_other in [false, true] {
        let machine = Box_::new(557);
        let mut parts = machine.open();
        record(&machine, &mut parts, &mut Cam::new(1, 300));
        let retention = retention_of(&machine, &parts);
        retention.set(camera(1), 1);
        let is_held = Arc::new(AtomicBool::new(false));
        let (asked, moment) = (is_held.clone(), |utc: UtcNanos| TimeRange { start: utc, end: utc.plus_nanos(1) });
        retention.wait_for_holds(Box::new(move |_, range| {
            (asked.load(SeqCst) && range.overlaps(moment(START)))
                || (has_other && range.overlaps(moment(START.plus_nanos(30 * DAY))))
        }));
        machine.clock.advance((DAY + HOUR).unsigned_abs());
        let erased = retention.tick(&mut |_| {
            parts.committer.step().unwrap();
            is_held.store(true, SeqCst);
        });
        assert!(erased.unwrap().is_empty(), "another hold {has_other}");
        assert_eq!(samples(&parts, video(1)).len(), 250);
        let shared = parts.part.care.shared().unwrap();
        let taken = shared.pending().taken();
        for _ in 0..3 {
            assert!(retention.tick(&mut |_| {}).unwrap().is_empty());
        }
        is_held.store(false, SeqCst);
        assert_eq!(retention.tick(&mut |_| drop(parts.committer.step())).unwrap().len(), 1);
        assert_eq!(shared.pending().taken(), taken, "the log tells of it already");
        assert!(samples(&parts, video(1)).is_empty());
        assert!(parts.part.sealed_with.clone().unwrap().untold().is_empty());
    }
}

#[test]
fn a_hold_that_comes_at_the_last_moment_puts_an_erasure_off_for_a_day_only() {
    let machine = Box_::new(558);
    let mut parts = machine.open();
    record(&machine, &mut parts, &mut Cam::new(1, 300));
    let retention = retention_of(&machine, &parts);
    retention.set(camera(1), 1);
    let is_held = Arc::new(AtomicBool::new(false));
    let asked = is_held.clone();
    retention.wait_for_holds(Box::new(move |_, _| asked.load(SeqCst)));
    machine.clock.advance((2 * DAY + HOUR).unsigned_abs());
    assert_eq!(retention.tick(&mut |_| is_held.store(true, SeqCst)).unwrap().len(), 1);
}

#[test]
fn nothing_is_erased_once_the_end_has_come() {
    let machine = Box_::new(556);
    let mut parts = machine.open();
    record(&machine, &mut parts, &mut Cam::new(1, 300));
    let retention = retention_of(&machine, &parts);
    retention.set(camera(1), 1);
    machine.clock.advance((DAY + HOUR).unsigned_abs());
    // The vault is closed while a look is under way.
    let stopping = retention.clone();
    assert!(retention.tick(&mut |_| stopping.stop()).unwrap().is_empty());
    assert_eq!(samples(&parts, video(1)).len(), 250);
}
