//! The audit log hears of every erasure, whatever happens between the two.

use super::*;
use crate::format::erasure::Erased;
use crate::kv::model::ModelKv;
use crate::register::Register;
use std::sync::Mutex;
use watchbook_access::{AuditEntry, AuditLog, Outcome};

/// The audit log of a box, in a register of its own; it goes with the power as the rest does.
pub(super) struct Audit {
    /// Keys of whose erasure an entry is durable.
    pub(super) heard: Mutex<Vec<u32>>,
    kv: ModelKv,
    register: Mutex<Arc<Register>>,
    clock: Arc<dyn Clock>,
}

/// What an append comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Append {
    /// The entry is durable, and whoever asked hears of it.
    Done,
    /// The power goes before the entry is durable.
    CutBefore,
    /// The power goes before the answer is there.
    CutAfter,
    /// It fails, and the entry is not there.
    Fails,
    /// It fails, and the entry is there all the same.
    FailsLate,
}

impl Audit {
    pub(super) fn new(machine: &Box_) -> Arc<Self> {
        let (kv, clock): (_, Arc<dyn Clock>) = (ModelKv::crashing(), Arc::new(machine.clock.clone()));
        let register = Arc::new(Register::on(Arc::new(kv.clone()), clock.clone()).unwrap());
        Arc::new(Self { heard: Mutex::default(), kv, register: Mutex::new(register), clock })
    }

    pub(super) fn crash(&self, seed: u64) {
        self.kv.crash(&mut Dice::new(seed));
        *self.register.lock().unwrap() = Arc::new(Register::on(Arc::new(self.kv.clone()), self.clock.clone()).unwrap());
    }

    fn register(&self) -> Arc<Register> {
        self.register.lock().unwrap().clone()
    }

    /// What the program does with erased hours of one camera.
    fn note(&self, erased: &[Erased]) -> bool {
        let camera = erased[0].camera;
        assert!(erased.iter().all(|one| one.camera == camera), "one camera at a time");
        let hours = || erased.iter().map(|one| one.hour_utc);
        let range = TimeRange { start: hours().min().unwrap(), end: hours().max().unwrap().plus_nanos(HOUR) };
        let action = watchbook_access::Action::Erase { camera, hours: erased.len() as u64, range };
        let entry = AuditEntry { account: None, action, outcome: Outcome::Allowed };
        let is_noted = self.register().append(&entry).is_ok();
        self.heard.lock().unwrap().extend(erased.iter().filter(|_| is_noted).map(|one| one.key_id));
        is_noted
    }

    pub(super) fn listen(
        self: &Arc<Self>,
        retention: &Retention,
        machine: &Box_,
        append: impl Fn() -> Append + Send + Sync + 'static,
    ) {
        let (audit, fs) = (self.clone(), machine.fs.clone());
        retention.subscribe(Box::new(move |erased| {
            let append = append();
            if fs.is_off() || matches!(append, Append::CutBefore | Append::Fails) {
                if append == Append::CutBefore {
                    fs.cut();
                }
                return false;
            }
            let is_noted = audit.note(erased);
            if append == Append::CutAfter {
                fs.cut();
            }
            is_noted && append != Append::FailsLate
        }));
    }

    fn entries(&self) -> Vec<String> {
        let rows = self.register().audit_entries(0, 1000).unwrap();
        rows.iter().map(|row| row.json().unwrap().to_owned()).collect()
    }
}

/// A day and an hour after ten seconds of each of `numbers`, whose footage may be a day old.
fn due(machine: &Box_, numbers: &[u32]) -> (crate::store::Parts, Retention) {
    let mut parts = machine.open();
    numbers.iter().for_each(|number| record(machine, &mut parts, &mut Cam::new(*number, 300)));
    let retention = aging(machine, &parts, numbers);
    machine.clock.advance((DAY + HOUR).unsigned_abs());
    (parts, retention)
}

fn aging(machine: &Box_, parts: &crate::store::Parts, numbers: &[u32]) -> Retention {
    let retention = retention_of(machine, parts);
    numbers.iter().for_each(|number| retention.set(camera(*number), 1));
    retention
}

#[test]
fn no_power_cut_around_an_erasure_keeps_it_from_the_audit_log() {
    let mut told_twice = 0;
    for step in 0..24 {
        for append in [Append::Done, Append::CutBefore, Append::CutAfter] {
            let machine = Box_::new(900 + step);
            let audit = Audit::new(&machine);
            let (mut parts, retention) = due(&machine, &[1]);
            audit.listen(&retention, &machine, move || append);
            machine.fs.cut_after(step);
            let _cut = retention.tick(&mut |_| drop(parts.committer.step()));
            drop((parts, retention));
            machine.fs.cut();
            machine.fs.power_on();
            machine.kv.crash(&mut Dice::new(step));
            audit.crash(step);
            let mut parts = machine.open();
            let retention = aging(&machine, &parts, &[1]);
            audit.listen(&retention, &machine, || Append::Done);
            retention.tick(&mut |_| drop(parts.committer.step())).unwrap();
            assert!(samples(&parts, video(1)).is_empty(), "step {step}, {append:?}");
            let entries = audit.entries();
            assert!((1..=2).contains(&entries.len()), "step {step}, {append:?}: {entries:?}");
            assert!(entries.iter().all(|entry| erasure_in(entry) == erasure_in(&entries[0])), "{entries:?}");
            told_twice += entries.len() - 1;
            drop((parts, retention));
            // And that is the end of it.
            let parts = machine.open();
            let retention = aging(&machine, &parts, &[1]);
            audit.listen(&retention, &machine, || Append::Done);
            retention.tick(&mut |_| {}).unwrap();
            assert_eq!(audit.entries(), entries, "step {step}, {append:?}");
        }
    }
    assert!(told_twice > 0, "a cut came between the entry and its answer");
}

/// What an entry says of an erasure, without its time.
fn erasure_in(entry: &str) -> String {
    let mut entry: serde_json::Value = serde_json::from_str(entry).unwrap();
    assert_eq!(entry["action"], "erase");
    entry.as_object_mut().unwrap().retain(|name, _| ["camera", "hours", "range"].contains(&name.as_str()));
    entry.to_string()
}

#[test]
fn an_audit_log_that_fails_for_a_while_hears_of_every_erasure_once_it_works_again() {
    let machine = Box_::new(950);
    let audit = Audit::new(&machine);
    let (mut parts, retention) = due(&machine, &[1, 2]);
    let append = Arc::new(Mutex::new(Append::Fails));
    let now = append.clone();
    audit.listen(&retention, &machine, move || *now.lock().unwrap());
    assert_eq!(retention.tick(&mut |_| drop(parts.committer.step())).unwrap().len(), 2);
    record(&machine, &mut parts, &mut Cam::new(1, 300));
    for _ in 0..3 {
        retention.tick(&mut |_| {}).unwrap();
    }
    assert!(samples(&parts, video(2)).is_empty() && audit.entries().is_empty());
    machine.clock.advance((DAY + HOUR).unsigned_abs());
    assert_eq!(retention.tick(&mut |_| drop(parts.committer.step())).unwrap().len(), 1);
    drop((parts, retention));
    // It fails over a restart, and then only the answer is lost.
    for (fails, entries) in [(Append::Fails, 0), (Append::FailsLate, 2), (Append::Done, 4), (Append::Done, 4)] {
        let parts = machine.open();
        let retention = aging(&machine, &parts, &[1, 2]);
        audit.listen(&retention, &machine, move || fails);
        retention.tick(&mut |_| {}).unwrap();
        assert_eq!(audit.entries().len(), entries, "{fails:?}");
    }
    let [first, second] = [0, 1].map(|at| erasure_in(&audit.entries()[at]));
    assert!(first.contains("\"hours\":2") && second.contains("\"hours\":1"), "{first} {second}");
    assert!(audit.entries()[2..].iter().map(|entry| erasure_in(entry)).eq([first, second]));
    let keys = machine.keys().unwrap();
    assert!(keys.unheard().is_empty() && keys.untold().is_empty(), "and its slots are given out again");
}

#[test]
fn an_erasure_that_is_still_on_the_disks_is_not_told_of() {
    let machine = Box_::new(951);
    let audit = Audit::new(&machine);
    let (parts, retention) = due(&machine, &[1]);
    audit.listen(&retention, &machine, || Append::Done);
    let files = ["/state/keys/keys", "/ring/keys/keys"].map(std::path::Path::new);
    assert!(files.iter().all(|file| machine.fs.fail_file(file, watchbook_base::fs::sim::Op::Write, 5)));
    assert!(retention.tick(&mut |_| {}).is_err());
    assert!(samples(&parts, video(1)).is_empty() && audit.entries().is_empty());
    machine.fs.heal();
    retention.tick(&mut |_| {}).unwrap();
    assert_eq!(audit.entries().len(), 1);
}
