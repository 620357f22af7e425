//! Rows and their files on a register in memory that can be made to refuse, and a real folder.

use super::*;
use crate::station::exports::making::{tidy_up, work};
use crate::station::exports::release::or_waits;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use watchbook_access::{CaseNow, RecipientClass, Role};
use watchbook_base::clock::SimClock;
use watchbook_base::{CameraId, TimeRange};
use watchbook_export::delivery::SinkName;
use watchbook_export::job::{ATTEMPTS_MAX, Answer, CameraOf, FileRow, Made, Order, STAGED_DAYS};
use watchbook_export::staging::Staging;
use watchbook_store::kv::model::ModelKv;
use watchbook_store::kv::{Batch, Keys, Kv, Table};

/// A register in memory whose disk can be made to refuse.
#[derive(Clone)]
pub(crate) struct Stubborn {
    rows: ModelKv,
    refuses: Arc<AtomicBool>,
    writes: Arc<AtomicU32>,
}

impl Stubborn {
    fn new() -> Self {
        Self { rows: ModelKv::new(), refuses: Arc::default(), writes: Arc::default() }
    }

    fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }
}

impl Kv for Stubborn {
    fn get(&self, table: Table, key: &[u8]) -> watchbook_store::Result<Option<Vec<u8>>> {
        self.rows.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        keys: &Keys,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> watchbook_store::Result<()> {
        self.rows.scan(table, keys, visit)
    }

    fn write(&self, batch: &Batch, sync: bool) -> watchbook_store::Result<()> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        match self.refuses.load(Ordering::SeqCst) {
            true => Err(watchbook_store::Error::new(Kind::Io, "the disk is read-only")),
            false => self.rows.write(batch, sync),
        }
    }

    fn renew(&self) -> watchbook_store::Result<()> {
        self.rows.renew()
    }
}

/// A ledger, its folder, and the hands on both.
struct Bench {
    kv: Stubborn,
    clock: SimClock,
    dir: tempfile::TempDir,
    staging: Staging,
    ledger: Ledger,
}

impl Bench {
    fn new() -> Self {
        Self::on(Stubborn::new(), SimClock::new(UtcNanos(1_000)), tempfile::tempdir().unwrap())
    }

    fn on(kv: Stubborn, clock: SimClock, dir: tempfile::TempDir) -> Self {
        let register = Register::on(Arc::new(kv.clone()), Arc::new(clock.clone())).unwrap();
        let ledger = Ledger::open(Arc::new(register), Arc::new(clock.clone())).unwrap();
        let staging = Staging::open(&dir.path().join("exports")).unwrap();
        tidy_up(&ledger, &staging).unwrap();
        Self { kv, clock, dir, staging, ledger }
    }

    /// The recorder ends, whatever it was doing, and starts again.
    fn restarted(self) -> Self {
        Self::on(self.kv, self.clock, self.dir)
    }

    fn folder(&self, export: u64) -> std::path::PathBuf {
        self.dir.path().join("exports").join(export.to_string())
    }

    fn work(&self, export: u64, make: &dyn Fn(&Job) -> Result<Made>) {
        work(&self.ledger, &self.staging, export, make);
    }

    fn makes(&self) -> impl Fn(&Job) -> Result<Made> + '_ {
        |job| Ok(made(&self.staging, job.id))
    }
}

/// A bundle of one file.
fn made(staging: &Staging, export: u64) -> Made {
    staging.begin(export).unwrap();
    let file: FileRow = staging.put(export, ("manifest.json", b"{}"), false).unwrap();
    staging.finish(export).unwrap();
    Made {
        manifest_sha256: "ab".to_owned(),
        files: vec![file],
        delivered: None,
        missing: Vec::new(),
        leaves: Vec::new(),
        runs: 0,
        at: UtcNanos(7),
        witnesses: Vec::new(),
        proven: None,
    }
}

fn job(export: u64, asked: i64) -> Job {
    let camera = CameraId::new(1).unwrap();
    let order = Order {
        case: "7/26".to_owned(),
        cameras: vec![CameraOf { camera, name: "gate".to_owned() }],
        range: TimeRange { start: UtcNanos(0), end: UtcNanos(9) },
        recipient_class: RecipientClass::Court,
        recipient: "clerk".to_owned(),
        within: CaseNow::for_measuring(3, camera),
        account: 3,
        account_name: "Dara".to_owned(),
        roles: [Role::Investigator].into_iter().collect(),
        asked: UtcNanos(asked),
        redaction: None,
    };
    Job::new(export, order, 100)
}

fn state(bench: &Bench, export: u64) -> State {
    bench.ledger.get(export).unwrap().state
}

fn cancel(ledger: &Ledger, export: u64) {
    let cancelled = ledger.change(export, |job, now| {
        job.may_cancel(3)?;
        job.enter(State::Cancelled, now);
        Ok(())
    });
    cancelled.unwrap();
}

#[test]
fn one_that_is_cancelled_in_the_last_moment_leaves_no_files() {
    let bench = Bench::new();
    bench.ledger.add(job(7, 1)).unwrap();
    bench.work(7, &|job| {
        let made = made(&bench.staging, job.id);
        cancel(&bench.ledger, 7);
        Ok(made)
    });
    assert_eq!(state(&bench, 7), State::Cancelled);
    assert!(!bench.folder(7).exists(), "its files are left in staging");
}

#[test]
fn the_first_that_was_asked_for_is_made_first() {
    let bench = Bench::new();
    for (export, asked) in [(9, 1), (2, 2), (5, 3)] {
        bench.ledger.add(job(export, asked)).unwrap();
    }
    let mut order = Vec::new();
    for _ in 0..3 {
        let next = bench.ledger.next_to_make().unwrap().unwrap();
        bench.work(next.id, &bench.makes());
        order.push(next.id);
    }
    assert_eq!(order, [9, 2, 5]);
    let listed: Vec<u64> = bench.ledger.list().iter().map(|job| job.id).collect();
    assert_eq!(listed, [5, 2, 9], "the newest first");
}

#[test]
fn what_has_expired_is_so_for_whoever_looks_and_for_whoever_decides() {
    let bench = Bench::new();
    bench.ledger.add(job(7, 1)).unwrap();
    bench.work(7, &bench.makes());
    assert_eq!(state(&bench, 7), State::Ready);
    bench.clock.advance(STAGED_DAYS.unsigned_abs() * 86_400 * 1_000_000_000);
    // The thread that deletes files has not come to it.
    assert_eq!((state(&bench, 7), bench.ledger.list()[0].state), (State::Expired, State::Expired));
    let answered = bench.ledger.change(7, |job, _| job.may_answer(4, "ab"));
    assert_eq!(answered.unwrap_err().kind, Kind::Conflict);
    assert!(!bench.ledger.is_released(7, "ab") && bench.folder(7).exists());
    // A restart forgets nothing of it.
    let bench = bench.restarted();
    assert_eq!(state(&bench, 7), State::Expired);
}

#[test]
fn what_goes_out_is_not_broken_off_while_its_proofs_are_renewed() {
    let bench = Bench::new();
    bench.ledger.add(job(7, 1)).unwrap();
    bench.work(7, &bench.makes());
    assert!(!bench.ledger.is_released(7, "ab"));
    let waits = |job: &mut Job| {
        job.answer = Some(Answer { account: 4, at: UtcNanos(1), reason: String::new(), leaf: Some(9) });
        Ok(())
    };
    bench.ledger.change(7, |job, _| waits(job)).unwrap();
    assert!(!bench.ledger.is_released(7, "ab"), "it has no proofs yet");
    let released = |job: &mut Job, now| {
        job.made.as_mut().unwrap().proven = Some(now);
        job.enter(State::Released, now);
        Ok(())
    };
    bench.ledger.change(7, |job, now| released(job, now)).unwrap();
    assert!(bench.ledger.is_released(7, "ab"));
    bench
        .ledger
        .change(7, |job, _| {
            job.state = State::Ready;
            Ok(())
        })
        .unwrap();
    assert!(bench.ledger.is_released(7, "ab"), "better proofs are on their way");
}

#[test]
fn a_release_stands_where_its_proofs_must_wait() {
    let bench = Bench::new();
    bench.ledger.add(job(7, 1)).unwrap();
    bench.work(7, &bench.makes());
    bench
        .ledger
        .change(7, |job, now| {
            job.answer = Some(Answer { account: 4, at: now, reason: String::new(), leaf: Some(9) });
            Ok(())
        })
        .unwrap();
    let unsigned = Err(Error::new(Kind::Unavailable, "entry 9 of the audit log is not signed yet"));
    let answered = or_waits(&bench.ledger, 7, unsigned).unwrap();
    assert!(answered.state == State::Ready && answered.answer.is_some(), "{answered:?}");
    let troubles = bench.ledger.troubles();
    assert!(troubles.iter().any(|trouble| trouble.contains("Export 7 is released and waits")), "{troubles:?}");
}

#[test]
fn one_account_cannot_fill_the_queue_for_all_others() {
    let bench = Bench::new();
    let mut taken = 0;
    let full = (0..16).find_map(|export| match bench.ledger.add(job(export + 1, 1)) {
        Ok(()) => {
            taken += 1;
            None
        }
        Err(error) => Some(error),
    });
    assert!((1..16).contains(&taken), "{taken} of one account");
    assert_eq!(full.unwrap().kind, Kind::Exhausted);
    let mut others = job(99, 1);
    others.order.account = 4;
    bench.ledger.add(others).unwrap();
}

#[test]
fn a_row_that_cannot_be_read_keeps_its_files_and_is_told_of() {
    let bench = Bench::new();
    bench.ledger.add(job(7, 1)).unwrap();
    bench.work(7, &bench.makes());
    let row = [PREFIX, &7_u64.to_be_bytes()].concat();
    let register = Register::on(Arc::new(bench.kv.clone()), Arc::new(bench.clock.clone())).unwrap();
    register.apply(&[Change::put(Namespace::Setting, row, b"{\"from\":\"a later program\"}".to_vec())]).unwrap();
    let bench = bench.restarted();
    assert!(bench.folder(7).join("manifest.json").exists(), "the only copy is gone");
    let troubles = bench.ledger.troubles();
    assert!(troubles.iter().any(|trouble| trouble.contains("(7)") && trouble.contains("kept")), "{troubles:?}");
    assert_eq!(bench.ledger.get(7).unwrap_err().kind, Kind::NotFound);
    assert_eq!(bench.ledger.add(job(7, 2)).unwrap_err().kind, Kind::Conflict, "nobody takes its number");
    tidy_up(&bench.ledger, &bench.staging).unwrap();
    assert!(bench.folder(7).exists());
}

#[test]
fn one_that_ends_the_program_each_time_is_given_up() {
    let mut bench = Bench::new();
    bench.ledger.add(job(7, 1)).unwrap();
    for _ in 0..ATTEMPTS_MAX {
        let row = bench.ledger.next_to_make().unwrap().unwrap();
        // As `work` begins; then the program ends.
        bench.ledger.change(row.id, |job, _| job.begin()).unwrap();
        bench = bench.restarted();
    }
    let made = AtomicU32::new(0);
    bench.work(7, &|job| {
        made.fetch_add(1, Ordering::SeqCst);
        bench.makes()(job)
    });
    assert_eq!((state(&bench, 7), made.load(Ordering::SeqCst)), (State::Failed, 0));
    let row = bench.ledger.get(7).unwrap();
    assert!(row.trouble.contains("Ask for less time"), "{}", row.trouble);
}

#[test]
fn a_fault_of_the_program_fails_one_export_and_not_the_thread() {
    let bench = Bench::new();
    bench.ledger.add(job(7, 1)).unwrap();
    bench.work(7, &|_| panic!("a poison job"));
    let row = bench.ledger.get(7).unwrap();
    assert!(row.state == State::Failed && row.trouble.contains("fault of the program"), "{row:?}");
}

#[test]
fn a_stop_is_no_attempt() {
    let bench = Bench::new();
    bench.ledger.add(job(7, 1)).unwrap();
    bench.work(7, &|_| {
        bench.ledger.stop();
        Err(Error::new(Kind::Conflict, "it is not wanted any more"))
    });
    let bench = bench.restarted();
    let row = bench.ledger.get(7).unwrap();
    assert_eq!((row.state, row.attempts), (State::Making, 0));
}

#[test]
fn a_register_that_refuses_is_left_alone_for_a_while_and_told_of() {
    let bench = Bench::new();
    bench.ledger.add(job(7, 1)).unwrap();
    let made = AtomicU32::new(0);
    let make = |job: &Job| {
        made.fetch_add(1, Ordering::SeqCst);
        bench.makes()(job)
    };
    bench.kv.refuse(true);
    bench.work(7, &make);
    assert_eq!(made.load(Ordering::SeqCst), 0, "what could not be noted is not begun");
    assert!(bench.ledger.troubles().iter().any(|trouble| trouble.contains("cannot be noted")));
    let (began, writes) = (Instant::now(), bench.kv.writes.load(Ordering::SeqCst));
    // Without a pause this would come back at once, and again and again.
    assert!(bench.ledger.next_to_make().unwrap().is_none_or(|_| began.elapsed() >= PAUSE_MIN / 2));
    assert!(began.elapsed() >= PAUSE_MIN / 2, "{:?}", began.elapsed());
    assert_eq!(bench.kv.writes.load(Ordering::SeqCst), writes);
    bench.kv.refuse(false);
    bench.work(7, &make);
    assert_eq!((state(&bench, 7), made.load(Ordering::SeqCst)), (State::Ready, 1));
    assert!(bench.ledger.troubles().is_empty());
}

#[test]
fn one_whose_end_cannot_be_noted_is_made_again_until_it_is_given_up() {
    let bench = Bench::new();
    bench.ledger.add(job(7, 1)).unwrap();
    let made = AtomicU32::new(0);
    for _ in 0..ATTEMPTS_MAX + 3 {
        bench.work(7, &|job| {
            made.fetch_add(1, Ordering::SeqCst);
            bench.kv.refuse(true);
            bench.makes()(job)
        });
        bench.kv.refuse(false);
    }
    assert_eq!((state(&bench, 7), made.load(Ordering::SeqCst)), (State::Failed, ATTEMPTS_MAX));
    assert!(!bench.folder(7).exists());
}

#[test]
fn nobody_s_change_is_lost() {
    let bench = Bench::new();
    bench.ledger.add(job(7, 1)).unwrap();
    bench.work(7, &bench.makes());
    bench
        .ledger
        .change(7, |job, now| {
            job.enter(State::Released, now);
            Ok(())
        })
        .unwrap();
    // Some hand it out, some have it written to places; each leaves its mark.
    std::thread::scope(|scope| {
        for turn in 0..8_u32 {
            let ledger = &bench.ledger;
            scope.spawn(move || {
                let sink = SinkName::parse(&format!("usb/{turn}")).unwrap();
                ledger.change(7, |job, now| job.deliver((3, "ab"), sink, "t".to_owned(), now)).unwrap();
                ledger
                    .change(7, |job, now| {
                        job.delivered_at = job.delivered_at.or(Some(now));
                        Ok(())
                    })
                    .unwrap();
            });
        }
    });
    let bench = bench.restarted();
    let row = bench.ledger.get(7).unwrap();
    assert_eq!((row.deliveries.len(), row.delivered_at.is_some(), row.state), (8, true, State::Released));
}

#[test]
fn a_leaf_and_its_row_are_written_together() {
    let bench = Bench::new();
    bench.ledger.add(job(7, 1)).unwrap();
    bench.work(7, &bench.makes());
    let release = || {
        bench.ledger.change_with(
            7,
            |job, now| {
                job.may_answer(4, "ab")?;
                job.answer =
                    Some(watchbook_export::job::Answer { account: 4, at: now, reason: String::new(), leaf: None });
                Ok(Record::Export { account: 3, approver: 4, manifest: "ab".to_owned() })
            },
            |job, leaf| {
                if let Some(answer) = job.answer.as_mut() {
                    answer.leaf = Some(leaf);
                }
            },
        )
    };
    bench.kv.refuse(true);
    assert!(release().is_err() && bench.ledger.get(7).unwrap().answer.is_none());
    bench.kv.refuse(false);
    assert_eq!(release().unwrap().answer.unwrap().leaf, Some(0));
    assert_eq!(release().unwrap_err().kind, Kind::Conflict, "it is answered once");
    let bench = bench.restarted();
    assert_eq!(bench.ledger.get(7).unwrap().answer.unwrap().leaf, Some(0));
}

#[test]
fn the_oldest_that_have_ended_make_room() {
    let bench = Bench::new();
    for export in 1..=KEPT_MAX as u64 {
        bench.ledger.add(job(export, export as i64)).unwrap();
        // The later its number the longer ago it ended.
        let ended = bench.ledger.change(export, |job, _| {
            job.enter(State::Cancelled, UtcNanos(10_000 - export as i64));
            Ok(())
        });
        ended.unwrap();
    }
    bench.ledger.add(job(5_000, 1)).unwrap();
    assert!(bench.ledger.get(KEPT_MAX as u64).is_err() && bench.ledger.get(1).is_ok());
    let bench = bench.restarted();
    assert_eq!(bench.ledger.list().len(), KEPT_MAX);
}

#[test]
fn a_delivery_waits_for_its_turn_and_goes_on_after_a_restart() {
    let bench = Bench::new();
    bench.ledger.add(job(7, 1)).unwrap();
    bench.work(7, &bench.makes());
    let (released, ()) = bench
        .ledger
        .change(7, |job, now| {
            job.enter(State::Released, now);
            Ok(())
        })
        .unwrap();
    assert_eq!(released.state, State::Released);
    let sink = || SinkName::parse("usb/COURT").unwrap();
    bench.ledger.change(7, |job, now| job.deliver((3, "ab"), sink(), "t".to_owned(), now)).unwrap();
    assert_eq!(bench.ledger.next_to_carry().unwrap(), Some((7, 0)));
    let bench = bench.restarted();
    assert_eq!(bench.ledger.next_to_carry().unwrap(), Some((7, 0)));
    let (_, carrying) = bench.ledger.progress();
    assert_eq!(carrying.map(|carrying| (carrying.export, carrying.number)), Some((7, 0)));
    assert!(Path::new(&bench.folder(7)).exists());
}
