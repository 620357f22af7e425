//! One disk fails in one way.

use super::super::harness::*;
use super::bench::*;
use crate::alarm::AlarmKind;
use crate::committer::Committer;
use crate::disk::Start;
use crate::pool::{DiskState, Pool, Threads};
use std::sync::Arc;
use std::time::{Duration, Instant};
use watchbook_base::fs::sim::{Dice, Op, SimFs};
use watchbook_base::{Clock, GapReason, Kind};

/// Three cameras on two disks, recorded for some seconds.
fn recorded(seed: u64) -> (Station, Running) {
    let mut station = Station::new(seed, 2, 4);
    let running = station.open();
    station.begin_all(&running);
    station.record(&running, 12);
    assert_eq!(running.spread(), [2, 2]);
    (station, running)
}

/// A commit of the first disk that hangs in a write until the gate is opened.
struct Hanging {
    pool: Arc<Pool>,
    gate: Arc<Gate>,
    commit: std::thread::JoinHandle<(Box<Committer>, crate::Result<bool>)>,
}

impl Hanging {
    fn on(station: &mut Station, running: &Running) -> Self {
        let gate = station.mounts.gate("/a");
        let pool = running.pool.clone();
        let mut committer = pool.places()[0].take_committer().unwrap();
        gate.close();
        station.feed(running);
        let commit = std::thread::spawn(move || {
            let stepped = committer.step();
            (committer, stepped)
        });
        gate.wait_for_somebody();
        Self { pool, gate, commit }
    }

    /// Lets it through and says what came of it. Its disk has the committer back once `meanwhile` is over.
    fn let_through(self, meanwhile: impl FnOnce()) -> crate::Result<bool> {
        self.gate.open();
        let (committer, stepped) = self.commit.join().unwrap();
        meanwhile();
        self.pool.places()[0].put_committer(committer);
        stepped
    }
}

/// Within ten seconds everything is recorded on the disk that is left, and the streams that moved have a gap that says why, of a GOP at most.
fn expect_moved(station: &mut Station, running: &Running, state: DiskState) {
    let before = station.clock.utc();
    station.record(running, 20);
    assert_eq!(running.states(), [state, DiskState::Recording]);
    assert_eq!(running.spread(), [0, 4]);
    station.check(running, false);
    for cam in &station.cams {
        let last = running.samples(cam.stream).last().unwrap().0;
        assert!(station.clock.utc().nanos_since(last) < 600_000_000, "{} is recorded", cam.stream);
        let lost: i64 = running
            .gaps(cam.stream, station.clock.utc())
            .iter()
            .filter(|gap| gap.reason == GapReason::Disk && gap.range.end > before)
            .map(|gap| gap.range.end.nanos_since(gap.range.start.max(before)))
            .sum();
        // What the disk took until it was seen to be missing is on it, and gone with it.
        let lost_max = if state == DiskState::Failed { 1_500_000_000 } else { 3_000_000_000 };
        assert!(lost < lost_max, "{}: {lost} ns are lost", cam.stream);
    }
    assert!(running.pool.common.alarms.all().iter().any(|alarm| alarm.text.contains("/a")));
    assert_eq!(running.writer.overload(), None, "no disk is too slow because a stream waits for its key frame");
}

#[test]
fn a_disk_that_refuses_writes_is_left_and_still_read() {
    for seed in 0..6 {
        let (mut station, running) = recorded(100 + seed);
        station.disks[0].fail(Op::Write, libc::EIO, seed, u64::MAX);
        station.record(&running, 20);
        station.check(&running, true);
        expect_moved(&mut station, &running, DiskState::Failed);
        station.check(&running, true);
        // It returns when it can be written again.
        station.disks[0].heal();
        station.record(&running, 140);
        assert_eq!(running.states(), [DiskState::Recording; 2], "seed {seed}");
        assert_eq!(running.pool.common.alarms.joined(), None);
        station.check(&running, true);
        station.begin_all(&running);
        station.record(&running, 8);
        assert!(running.spread()[0] > 0, "seed {seed}: it takes streams again");
        station.check(&running, true);
    }
}

#[test]
fn a_disk_that_dies_in_the_middle_of_a_write_loses_nothing_that_was_acknowledged() {
    for seed in 0..20 {
        let (mut station, running) = recorded(200 + seed);
        station.disks[0].cut_after(seed);
        station.record(&running, 20);
        expect_moved(&mut station, &running, DiskState::Failed);
        station.disks[0].power_on();
        station.record(&running, 140);
        assert_eq!(running.states(), [DiskState::Recording; 2], "seed {seed}");
        station.check(&running, true);
        drop(running);
        let running = station.open();
        running.step();
        station.check(&running, true);
    }
}

#[test]
fn a_disk_that_is_unmounted_is_missing_and_never_made_anew() {
    let (mut station, running) = recorded(300);
    let (empty, disk) = (SimFs::new(1), station.disks[0].clone());
    station.mounts.mount("/a", &empty);
    expect_moved(&mut station, &running, DiskState::Missing);
    let gaps = running.gaps(station.cams[0].stream, station.clock.utc());
    assert!(gaps.iter().any(|gap| gap.range.start <= START && gap.reason == GapReason::Disk), "{gaps:?}");
    assert_eq!(empty.counters().steps, 0, "nothing is made in the mount point");
    station.mounts.mount("/a", &disk);
    station.record(&running, 60);
    assert_eq!((running.states(), running.pool.common.alarms.joined()), (vec![DiskState::Recording; 2], None));
    station.check(&running, true);
    // The same at a start, and it comes back.
    drop(running);
    station.mounts.mount("/a", &empty);
    let running = station.open();
    assert_eq!(running.states(), [DiskState::Missing, DiskState::Recording]);
    station.begin_all(&running);
    station.record(&running, 8);
    station.check(&running, false);
    station.mounts.mount("/a", &disk);
    station.record(&running, 60);
    assert_eq!(running.states(), [DiskState::Recording; 2]);
    station.check(&running, true);
    assert_eq!(empty.counters().steps, 0);
}

#[test]
fn another_disk_in_its_place_is_not_touched_until_it_is_accepted() {
    let (mut station, running) = recorded(400);
    let foreign = Station::new(401, 1, 1);
    drop(foreign.open());
    let before = foreign.disks[0].counters();
    station.mounts.mount("/a", &foreign.disks[0].clone());
    expect_moved(&mut station, &running, DiskState::Swapped);
    assert_eq!(foreign.disks[0].counters(), before, "nothing is written to it");
    running.pool.accept("/a".as_ref()).unwrap();
    station.record(&running, 4);
    assert_eq!((running.states(), running.pool.common.alarms.joined()), (vec![DiskState::Recording; 2], None));
    station.begin_all(&running);
    station.record(&running, 8);
    assert!(foreign.disks[0].counters().written_bytes > before.written_bytes);
    station.check(&running, false);
    assert!(running.pool.accept("/b".as_ref()).is_err(), "nothing to accept there");
}

#[test]
fn a_dead_disk_makes_room_for_a_new_one_in_its_directory() {
    let (mut station, running) = recorded(450);
    let new = SimFs::new(451);
    let kind = |retired: crate::Result<()>| retired.unwrap_err().kind;
    assert_eq!(kind(running.pool.retire("/a".as_ref(), true)), Kind::Conflict, "it records");
    station.mounts.mount("/a", &new);
    expect_moved(&mut station, &running, DiskState::Missing);
    assert_eq!(kind(running.pool.retire("/a".as_ref(), false)), Kind::Conflict, "the configuration names it");
    assert_eq!(kind(running.pool.retire("/x".as_ref(), true)), Kind::NotFound);
    assert_eq!(new.counters().steps, 0, "nothing is made there until somebody says so");
    running.pool.retire("/a".as_ref(), true).unwrap();
    station.record(&running, 4);
    assert_eq!((running.states(), running.pool.common.alarms.joined()), (vec![DiskState::Recording; 2], None));
    let made = new.counters().written_bytes;
    station.begin_all(&running);
    station.record(&running, 8);
    assert!(new.counters().written_bytes > made);
    station.check(&running, false);
    drop(running);
    let running = station.open();
    assert_eq!((running.states(), running.pool.common.alarms.joined()), (vec![DiskState::Recording; 2], None));
}

#[test]
fn a_dead_disk_that_was_added_is_forgotten() {
    let mut station = Station::new(460, 1, 2);
    let running = station.open();
    station.mounts.mount("/new", &SimFs::new(461));
    running.pool.add("/new".as_ref(), 48 * MIB).unwrap();
    station.begin_all(&running);
    station.record(&running, 8);
    assert_eq!(running.pool.retire("/new".as_ref(), false).unwrap_err().kind, Kind::Conflict, "it records");
    station.mounts.mount("/new", &SimFs::new(462));
    station.record(&running, 8);
    assert_eq!(running.states(), [DiskState::Recording, DiskState::Missing]);
    running.pool.retire("/new".as_ref(), false).unwrap();
    station.record(&running, 8);
    assert_eq!((running.states(), running.pool.common.alarms.joined()), (vec![DiskState::Recording], None));
    station.check(&running, false);
    drop(running);
    assert_eq!(station.open().states(), [DiskState::Recording]);
}

#[test]
fn a_new_disk_in_an_added_directory_is_expected_after_a_restart_too() {
    let mut station = Station::new(465, 1, 2);
    let running = station.open();
    station.mounts.mount("/new", &SimFs::new(466));
    running.pool.add("/new".as_ref(), 48 * MIB).unwrap();
    station.begin_all(&running);
    station.mounts.mount("/new", &SimFs::new(467));
    station.record(&running, 8);
    assert_eq!(running.states(), [DiskState::Recording, DiskState::Missing]);
    running.pool.retire("/new".as_ref(), true).unwrap();
    // The power goes before anybody looks there.
    drop(running);
    for _ in 0..2 {
        let running = station.open();
        assert_eq!(running.states(), [DiskState::Recording; 2]);
        assert!(running.pool.list()[1].added);
    }
}

#[test]
fn a_disk_is_not_replaced_while_a_thread_still_waits_for_the_old_one() {
    let (mut station, running) = recorded(468);
    let hanging = Hanging::on(&mut station, &running);
    station.mounts.mount("/a", &SimFs::new(469));
    station.record(&running, 20);
    assert_eq!(running.states()[0], DiskState::Missing);
    let refused = running.pool.retire("/a".as_ref(), true).unwrap_err();
    assert_eq!(refused.kind, Kind::Conflict, "{refused}");
    assert!(running.pool.common.alarms.joined().is_some(), "its alarm stays");
    let _ = hanging.let_through(|| {});
    running.pool.retire("/a".as_ref(), true).unwrap();
    station.record(&running, 4);
    assert_eq!((running.states(), running.pool.common.alarms.joined()), (vec![DiskState::Recording; 2], None));
}

#[test]
fn a_disk_that_was_late_and_turns_out_to_be_missing_has_one_alarm() {
    let station = Station::new(475, 1, 2);
    drop(station.open());
    let gate = station.mounts.gate("/a");
    gate.close_for_reads();
    let pool = Arc::new(Pool::new(&station.configs, &station.deps(), Start::Manual).unwrap());
    let threads = Threads::start_within(Duration::from_millis(1), pool.clone()).unwrap();
    let kinds = |pool: &Pool| pool.common.alarms.all().iter().map(|alarm| alarm.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&pool), [AlarmKind::DiskFailed]);
    station.mounts.mount("/a", &SimFs::new(476));
    station.disks[0].cut();
    gate.open();
    let deadline = Instant::now() + Duration::from_secs(60);
    while kinds(&pool) != [AlarmKind::DiskMissing] {
        assert!(Instant::now() < deadline, "{:?}", pool.common.alarms.all());
        std::thread::yield_now();
    }
    threads.stop();
    pool.close().unwrap();
}

#[test]
fn the_only_disk_does_not_answer_at_the_start_and_records_when_it_does() {
    let station = Station::new(470, 1, 2);
    let gate = station.mounts.gate("/a");
    let pool = Arc::new(Pool::new(&station.configs, &station.deps(), Start::Manual).unwrap());
    let hanging = pool.places()[0].clone();
    gate.close();
    let threads = Threads::start_within(Duration::from_millis(1), pool.clone()).unwrap();
    assert_eq!(pool.list()[0].state, DiskState::Joining);
    let said = pool.common.alarms.joined().unwrap();
    assert!(said.contains("/a has not answered"), "{said}");
    gate.open();
    let deadline = Instant::now() + Duration::from_secs(60);
    // The alarm is lifted just behind.
    while !hanging.recording() || pool.common.alarms.joined().is_some() {
        assert!(Instant::now() < deadline, "it never records, or its alarm stays: {:?}", pool.common.alarms.joined());
        std::thread::yield_now();
    }
    threads.stop();
    pool.close().unwrap();
}

#[test]
fn a_commit_that_hangs_keeps_nobody_waiting_and_is_void_when_it_comes_through() {
    let (mut station, running) = recorded(500);
    let hanging = Hanging::on(&mut station, &running);
    station.record(&running, 10);
    assert_eq!(running.states(), [DiskState::Recording; 2], "five seconds may be a bad moment");
    expect_moved(&mut station, &running, DiskState::Failed);
    assert!(running.pool.common.alarms.joined().unwrap().contains("does not answer"));
    // As long as the thread is at it, nobody else may write there.
    station.record(&running, 80);
    assert_eq!(running.states()[0], DiskState::Failed);
    let counts = hanging.let_through(|| station.check(&running, true)).unwrap();
    assert!(!counts, "the commit counts for nothing");
    station.record(&running, 4);
    assert_eq!(running.states(), [DiskState::Recording; 2]);
    // The commit is whole on the disk; what it has of moved streams is not listed.
    station.check(&running, true);
    drop(running);
    let running = station.open();
    running.step();
    station.check(&running, true);
}

#[test]
fn two_of_three_disks_die() {
    for seed in 0..6 {
        let mut station = Station::new(600 + seed, 3, 6);
        let running = station.open();
        station.begin_all(&running);
        station.record(&running, 12);
        station.disks[0].cut_after(seed);
        station.record(&running, (seed * 3) as usize);
        station.disks[1].cut_after(seed % 3);
        station.record(&running, 30);
        assert_eq!(running.states(), [DiskState::Failed, DiskState::Failed, DiskState::Recording], "seed {seed}");
        assert_eq!(running.spread(), [0, 0, 6]);
        station.check(&running, false);
        station.disks.iter().for_each(SimFs::power_on);
        station.record(&running, 140);
        assert_eq!(running.states(), [DiskState::Recording; 3], "seed {seed}");
        station.check(&running, true);
    }
}

#[test]
fn what_a_disk_left_unfinished_is_not_told_by_another_that_has_footage_since() {
    let mut station = Station::new(800, 3, 4);
    let running = station.open();
    station.begin_all(&running);
    station.record(&running, 8);
    // A stream of the second disk moves to the third, and, when that is taken out, to the first.
    station.disks[1].fail(Op::Sync, libc::EIO, 0, u64::MAX);
    station.record(&running, 20);
    assert_eq!(running.states()[1], DiskState::Failed);
    station.mounts.mount("/c", &SimFs::new(801));
    station.record(&running, 12);
    assert_eq!(running.spread(), [4, 0, 0]);
    drop(running);
    station.cut(&mut Dice::new(802));
    station.clock.advance(5_000_000_000);
    // The second disk has not heard that the stream went on, and takes it again; it still cannot be written.
    let running = station.open();
    assert_eq!(running.states(), [DiskState::Recording, DiskState::Recording, DiskState::Missing]);
    station.begin_all(&running);
    assert!(running.spread()[1] > 0, "{:?}", running.spread());
    station.record(&running, 20);
    assert_eq!(running.states(), [DiskState::Recording, DiskState::Failed, DiskState::Missing]);
    station.check(&running, false);
    station.disks[1].heal();
    station.mounts.mount("/c", &station.disks[2].clone());
    station.record(&running, 140);
    assert_eq!(running.states(), [DiskState::Recording; 3]);
    station.check(&running, true);
}

#[test]
fn what_a_missing_disk_recorded_last_is_a_gap_though_its_index_does_not_tell() {
    let (mut station, running) = recorded(810);
    station.disks[1].fail(Op::Write, libc::EIO, 0, u64::MAX);
    station.record(&running, 20);
    // It returns, and has its log say that its streams went on elsewhere.
    station.disks[1].heal();
    station.record(&running, 24);
    assert_eq!((running.states(), running.spread()), (vec![DiskState::Recording; 2], vec![4, 0]));
    drop(running);
    // The power goes before the minute of the index is over, and the first disk with it.
    station.cut(&mut Dice::new(811));
    station.mounts.mount("/a", &SimFs::new(812));
    let running = station.open();
    assert_eq!(running.states(), [DiskState::Missing, DiskState::Recording]);
    station.begin_all(&running);
    station.record(&running, 8);
    station.check(&running, false);
    let gaps = station.cams.iter().flat_map(|cam| running.gaps(cam.stream, station.clock.utc()));
    let told = gaps.filter(|gap| gap.reason == GapReason::Disk).count();
    assert_eq!(told, 2, "one of each stream that the other disk knows from before");
    station.mounts.mount("/a", &station.disks[0].clone());
    station.record(&running, 60);
    assert_eq!(running.states(), [DiskState::Recording; 2]);
    station.check(&running, true);
}

#[test]
fn the_only_disk_is_not_left() {
    let mut station = Station::new(700, 1, 1);
    let running = station.open();
    station.begin_all(&running);
    station.record(&running, 4);
    station.disks[0].fail(Op::Write, libc::EIO, 0, 60);
    station.record(&running, 20);
    assert_eq!(running.states(), [DiskState::Recording]);
    station.disks[0].heal();
    station.record(&running, 4);
    assert_eq!(running.pool.common.alarms.joined(), None);
    station.check(&running, true);
    assert!(running.gaps(video(1), station.clock.utc()).is_empty(), "all of it waited in memory");
}
