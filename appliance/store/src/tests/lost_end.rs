//! Rings whose newest end is gone at a start: an older copy of the disk was put back, or the disk lost what it had acknowledged.

use super::footage_log::{Station, compare};
use super::harness::*;
use crate::alarm::AlarmKind;
use crate::footage_log::{Asked, FootageLog, Orders, Until};
use crate::kv::{Kv as _, Table};
use crate::register::{Loss, Register};
use crate::store::Parts;
use crate::{ClosedRing, Report};
use std::path::PathBuf;
use std::sync::Arc;
use watchbook_access::AuditLog as _;
use watchbook_base::fs::sim::Dice;
use watchbook_base::fs::{Fs as _, OpenMode};

/// The segments of a closed ring, byte by byte.
struct Disk(Vec<(PathBuf, Vec<u8>)>);

impl Disk {
    fn copied(machine: &Box_) -> Self {
        let files = (1..=4).map(|slot| {
            let path = PathBuf::from(format!("/ring/segments/{slot:06}.seg"));
            let mut bytes = vec![0; 4 * MIB as usize];
            machine.fs.open(&path, OpenMode::Read).unwrap().read_exact_at(&mut bytes, 0).unwrap();
            (path, bytes)
        });
        Self(files.collect())
    }

    fn put_back(&self, machine: &Box_) {
        for (path, bytes) in &self.0 {
            let file = machine.fs.open(path, OpenMode::ReadWrite).unwrap();
            file.write_all_at(&[bytes], 0).unwrap();
            file.sync().unwrap();
        }
    }
}

/// One life of the recorder.
struct Life<'a> {
    station: &'a Station,
    parts: Parts,
    register: Arc<Register>,
    log: FootageLog,
}

impl<'a> Life<'a> {
    fn begin(station: &'a Station) -> Self {
        let (parts, register) = (station.machine.open(), station.register());
        let log = station.log(&parts, &register);
        Self { station, parts, register, log }
    }

    /// Records so many commits; with `logs` what is acknowledged goes into the log after each ninth and at the end.
    fn record(&mut self, cam: &mut Cam, commits: u64, logs: bool) {
        let clock = &self.station.machine.clock;
        self.parts.writer.begin(&cam.start(clock));
        for commit in 1..=commits {
            for _ in 0..12 {
                self.parts.writer.append(cam.packet(clock)).unwrap();
                clock.advance(STEP_NANOS);
            }
            self.parts.committer.step().unwrap();
            if logs && (commit % 9 == 0 || commit == commits) {
                self.log_all();
            }
        }
    }

    fn log_all(&mut self) {
        while self.log.step(Until::Acknowledged).unwrap() {}
    }

    fn next_seq(&self) -> u64 {
        self.register.footage_logged(self.parts.part.disk()).unwrap().unwrap().next_seq
    }

    fn losses(&self) -> Vec<Loss> {
        self.register.footage_losses(self.parts.part.disk()).unwrap()
    }

    fn alarm(&self) -> Option<String> {
        let shared = self.parts.part.care.shared().unwrap();
        shared.alarms.text(AlarmKind::FootageLost, Some(self.parts.part.disk()))
    }
}

fn check(station: &Station) -> Report {
    let (fs, register) = (Arc::new(station.machine.fs.clone()), station.register());
    let ring = ClosedRing::open(&station.machine.config.dir, fs).unwrap().with_log(register.clone());
    assert_eq!(register.unclaimed_leaves().unwrap().count, 0, "what is set aside is not forgotten");
    ring.check(None, &mut |_| {})
}

/// A ring that was recorded and logged after `disk` was copied off it, with `unlogged` commits that were not logged yet at that moment; the copy is back. Gives how far the log tells.
fn set_back(station: &Station, cam: &mut Cam, unlogged: u64) -> u64 {
    let mut life = Life::begin(station);
    life.record(cam, 30, true);
    life.record(cam, unlogged, false);
    drop(life);
    let disk = Disk::copied(&station.machine);
    let mut life = Life::begin(station);
    life.record(cam, 25, true);
    let next_seq = life.next_seq();
    drop(life);
    disk.put_back(&station.machine);
    next_seq
}

#[test]
fn a_ring_that_lost_its_end_says_so_in_the_log_and_what_comes_later_is_healthy() {
    for unlogged in [0, 5] {
        let station = Station::new(1);
        let mut cam = Cam::new(1, 2_000);
        let next_seq = set_back(&station, &mut cam, unlogged);
        let before = check(&station);
        assert_eq!(before.logged_beyond, Some(next_seq), "{before:?}");
        let mut life = Life::begin(&station);
        // What comes before the log is looked at has the numbers of what is gone.
        life.record(&mut cam, 40, true);
        let losses = life.losses();
        let [loss] = losses.as_slice() else { panic!("{losses:?}") };
        assert_eq!((loss.from_seq, loss.to_seq), (before.last_seq + 1, next_seq));
        let entries: Vec<u64> = loss.entries.into_iter().flat_map(|(first, last)| [first, last]).collect();
        assert!(entries.iter().all(|entry| *entry < loss.entry) && entries.len() == 2, "{loss:?}");
        assert!(
            life.alarm().unwrap().contains(&format!("Entry {} of the audit log", loss.entry)),
            "{:?}",
            life.alarm()
        );
        compare(&life.register, &life.parts.part.ring, false);
        life.register.verify().unwrap();
        drop(life);
        let after = check(&station);
        assert_eq!((after.losses.as_slice(), after.logged_beyond), (&[*loss][..], None), "{after:?}");
        assert!(!after.is_log_clean() && after.bad_leaf_count == 0 && after.leaves > 5, "{after:?}");
        assert_eq!((after.unprovable_runs, after.unlogged_runs), (unlogged, 0), "{after:?}");
        // The next start does not find it again, and still tells.
        let mut life = Life::begin(&station);
        life.record(&mut cam, 800, true);
        assert_eq!(life.losses(), losses);
        assert!(life.alarm().is_some());
        drop(life);
        let later = check(&station);
        assert!(later.is_log_clean() && later.past_losses == 1, "all of it would be overwritten by now: {later:?}");
    }
}

#[test]
fn what_a_second_loss_takes_is_not_excused_by_the_first() {
    let station = Station::new(1);
    let mut cam = Cam::new(1, 2_000);
    set_back(&station, &mut cam, 5);
    let oldest = Disk::copied(&station.machine);
    let mut life = Life::begin(&station);
    life.record(&mut cam, 20, true);
    drop(life);
    oldest.put_back(&station.machine);
    let mut life = Life::begin(&station);
    life.record(&mut cam, 20, true);
    let losses = life.losses();
    drop(life);
    assert_eq!(losses.len(), 2);
    assert_eq!(losses[0].from_seq, losses[1].from_seq);
    let report = check(&station);
    assert!(report.bad_leaf_count == 0 && report.losses == losses, "{report:?}");
    // Rows of what came since are removed: neither loss is an excuse.
    let footage = Table("audit_footage");
    let mut batch = crate::kv::Batch::default();
    let behind = |key: &[u8]| key.len() == 32 && key[24..] >= losses[1].from_seq.to_be_bytes()[..];
    station.book.rows(footage).into_keys().filter(|key| behind(key)).for_each(|key| batch.delete(footage, key));
    assert!(!batch.changes.is_empty());
    station.book.write(&batch, true).unwrap();
    let (fs, register) = (Arc::new(station.machine.fs.clone()), station.register());
    let ring = ClosedRing::open(&station.machine.config.dir, fs).unwrap().with_log(register.clone());
    let report = ring.check(None, &mut |_| {});
    assert!(report.bad_leaf_count > 0 && report.unprovable_runs == 5, "{report:?}");
    assert!(register.unclaimed_leaves().unwrap().count > 0);
}

#[test]
fn a_loss_is_noted_once_whenever_the_power_goes() {
    for seed in seeds(20) {
        let mut dice = Dice::new(seed);
        let station = Station::new(seed);
        let mut cam = Cam::new(1, 2_000);
        let next_seq = set_back(&station, &mut cam, dice.below(7));
        let rows = || station.book.rows(Table("audit_footage")).len();
        let before = (station.register().audit_root().size, rows());
        let mut lives = 0;
        loop {
            let mut life = Life::begin(&station);
            let refuses = dice.percent(60);
            station.book.break_writes(refuses);
            let noted = life.log.step(Until::Closed).is_ok();
            assert_eq!(noted, !refuses, "seed {seed}");
            station.book.break_writes(false);
            drop(life);
            station.book.crash(&mut dice);
            // Entry and rows are both there, or neither.
            let register = station.register();
            let told = register.losses_told().unwrap();
            let now = (register.audit_root().size, rows());
            match noted {
                false => assert_eq!((told, now), (Vec::new(), before), "seed {seed}"),
                true => {
                    assert_eq!((told.len(), told[0].to_seq, now.0), (1, next_seq, before.0 + 1), "seed {seed}");
                    let set_aside = station.book.rows(Table("audit_lost")).len();
                    assert!(set_aside >= 2 && now.1 + set_aside - 1 == before.1, "seed {seed}");
                    break;
                }
            }
            lives += 1;
            assert!(lives < 100, "seed {seed}");
        }
        let mut life = Life::begin(&station);
        life.log_all();
        assert_eq!(station.register().losses_told().unwrap().len(), 1, "seed {seed}");
        drop(life);
        let report = check(&station);
        assert!(report.bad_leaf_count == 0 && report.losses.len() == 1, "seed {seed}: {report:?}");
    }
}

#[test]
fn nobody_but_the_recorder_can_say_that_footage_was_lost() {
    let station = Station::new(1);
    let mut cam = Cam::new(1, 2_000);
    set_back(&station, &mut cam, 0);
    let action = watchbook_access::Action::FootageLost {
        disk: "01".repeat(16),
        first_commit: 1,
        last_commit: 9,
        told_from_commit: 1,
        first_entry: None,
        last_entry: None,
    };
    let register = station.register();
    let outcome = watchbook_access::Outcome::Allowed;
    register.append(&watchbook_access::AuditEntry { account: Some(3), action, outcome }).unwrap();
    assert_eq!(register.losses_told().unwrap(), []);
}

/// Whoever reads the log as soon as the recorder answers finds the loss in it.
#[test]
fn a_loss_is_noted_before_the_thread_waits_for_anything() {
    let station = Station::new(1);
    let next_seq = set_back(&station, &mut Cam::new(1, 2_000), 0);
    let Life { parts, register, log, .. } = Life::begin(&station);
    let orders = Orders::default();
    orders.give(Asked::End);
    log.run(&orders);
    let losses = register.footage_losses(parts.part.disk()).unwrap();
    assert_eq!(losses.iter().map(|loss| loss.to_seq).collect::<Vec<_>>(), [next_seq]);
}
