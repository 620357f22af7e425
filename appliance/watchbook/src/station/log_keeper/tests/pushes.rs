//! Checkpoints that go to witnesses by themselves.

use super::*;
use crate::station::log_push::{Answer, Unanswered};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use watchbook_evidence::merkle::{leaf_hash, root_of};
use watchbook_evidence::tile::{MemoryTiles, grown};
use watchbook_evidence::witness::{self as outside, Witness};
use watchbook_web::api::LogPushOutcome;
use watchbook_web::ports::PushUrl;

const NAME: &str = "w.example";
const NOW_S: u64 = 1_795_000_000;

/// A witness beside the keeper, which can be unplugged or be made to answer something else.
struct Beside {
    witness: Witness,
    state: RefCell<Option<SignedCheckpoint>>,
    instead: Cell<Option<u16>>,
    posted: RefCell<Vec<String>>,
}

impl Beside {
    fn new(keeper: &LogKeeper) -> Self {
        let key = VerifierKey::parse(&told_of(keeper).key.unwrap()).unwrap();
        let logs = vec![outside::Log { origin: keeper.origin(), keys: vec![key] }];
        let witness = Witness::new(witness(NAME, 1), logs).unwrap();
        Self { witness, state: RefCell::default(), instead: Cell::default(), posted: RefCell::default() }
    }

    fn post(&self, url: &str, body: &str) -> core::result::Result<Answer, Unanswered> {
        self.posted.borrow_mut().push(url.to_owned());
        match self.instead.get() {
            Some(0) => return Err(Unanswered::Unreached("unplugged".to_owned())),
            Some(status) => return Ok(Answer { status, body: Vec::new() }),
            None => {}
        }
        let state = self.state.borrow().clone();
        let answer = self.witness.answer(body.as_bytes(), |_| state, NOW_S);
        if let outside::Answer::Cosigned(cosigned) = &answer {
            *self.state.borrow_mut() = Some(cosigned.state.clone());
        }
        Ok(Answer { status: answer.status(), body: answer.body().into_bytes() })
    }

    /// One round after somebody asked for it.
    fn round(self: &Rc<Self>, keeper: &LogKeeper) -> api::LogPush {
        keeper.push_now(NAME).unwrap();
        let beside = Rc::clone(self);
        keeper.push_due(&move |url, body| beside.post(url, body));
        ports::Checkpoints::pushes(keeper).unwrap().remove(0)
    }
}

fn with_push(place: &Place) -> (LogKeeper, Rc<Beside>) {
    let keeper = place.keeper();
    place.grow();
    keeper.tick();
    keeper.trust_witness(&witness(NAME, 1).verifier().to_string()).unwrap();
    assert_eq!(keeper.push_now(NAME).unwrap_err().kind, Kind::Conflict, "it has no address");
    keeper.set_push(NAME, Some(&PushUrl::parse("http://w.example/here/").unwrap())).unwrap();
    let beside = Rc::new(Beside::new(&keeper));
    (keeper, beside)
}

fn kinds(keeper: &LogKeeper, hours: i64) -> Vec<api::AlarmKind> {
    let at = SystemClock.utc().plus_nanos(hours * 3_600_000_000_000);
    keeper.alarms_of_pushes(at).iter().map(|alarm| alarm.kind).collect()
}

fn notes(place: &Place) -> u64 {
    place.register.audit_root().size
}

#[test]
fn what_a_witness_signs_comes_home_and_leaves_the_requests_of_others_alone() {
    let place = Place::new();
    let (keeper, beside) = with_push(&place);
    // Somebody carries a request of the log as it is now, and comes back in a year.
    let carried = keeper.witness_request(0).unwrap();
    assert!(ports::Checkpoints::pushes(&keeper).unwrap()[0].pending);
    for _ in 0..=super::super::super::log_witnesses::SEEN_MAX {
        place.grow();
        keeper.tick();
        let push = beside.round(&keeper);
        let last = push.last.unwrap();
        assert_eq!((last.outcome, last.entries), (LogPushOutcome::Cosigned, told_of(&keeper).signed_entries));
        assert!(!push.pending && push.refused.is_none());
    }
    assert!(beside.posted.borrow().iter().all(|url| url == "http://w.example/here/add-checkpoint"));
    assert_eq!(keeper.witnesses().unwrap()[0].cosigned_entries, Some(told_of(&keeper).signed_entries));
    let other = witness("v.example", 2);
    keeper.trust_witness(&other.verifier().to_string()).unwrap();
    let logs = vec![outside::Log { origin: keeper.origin(), keys: beside.witness.logs[0].keys.clone() }];
    let line = Witness::new(other, logs).unwrap().answer(carried.as_bytes(), |_| None, NOW_S).body();
    assert_eq!(keeper.import(&line).unwrap().cosigned[0].entries, 1);
    // Nothing is sent any more.
    keeper.set_push(NAME, None).unwrap();
    keeper.push_due(&|_, _| panic!("nobody is to be asked"));
    assert_eq!(ports::Checkpoints::pushes(&keeper).unwrap().iter().filter(|push| push.url.is_some()).count(), 0);
    assert_eq!(keeper.set_push("x.example", None).unwrap_err().kind, Kind::NotFound);
}

#[test]
fn a_refusal_is_an_alarm_and_one_entry_until_the_witness_signs_and_signing_goes_on() {
    let place = Place::new();
    let (keeper, beside) = with_push(&place);
    assert_eq!(beside.round(&keeper).last.unwrap().outcome, LogPushOutcome::Cosigned);
    let before = notes(&place);
    beside.instead.set(Some(422));
    for _ in 0..3 {
        let push = beside.round(&keeper);
        assert_eq!(push.last.unwrap().outcome, LogPushOutcome::Fork);
        assert!(push.refused.unwrap().text.starts_with("FORK"));
    }
    assert_eq!(notes(&place), before + 1, "the log says so once");
    assert_eq!(kinds(&keeper, 0), [api::AlarmKind::LogWitnessRefuses]);
    // Whoever made it silent afterwards has not made it good, and a restart has not either.
    beside.instead.set(Some(0));
    assert_eq!(beside.round(&keeper).last.unwrap().outcome, LogPushOutcome::Unreached);
    assert_eq!(kinds(&keeper, 0), [api::AlarmKind::LogWitnessRefuses]);
    let again = place.keeper();
    assert_eq!(kinds(&again, 0), [api::AlarmKind::LogWitnessRefuses]);
    keeper.tick();
    assert_eq!(told_of(&keeper).refusal, None, "anybody can write 422");
    assert_eq!(told_of(&keeper).signed_entries, before + 1);
    beside.instead.set(None);
    assert_eq!(beside.round(&keeper).refused, None);
    assert!(kinds(&keeper, 0).is_empty());
}

#[test]
fn a_day_without_a_signature_is_an_alarm_of_a_witness_that_has_an_address() {
    let place = Place::new();
    let (keeper, beside) = with_push(&place);
    assert!(kinds(&keeper, 23).is_empty());
    assert_eq!(kinds(&keeper, 25), [api::AlarmKind::LogWitnessSilent], "from when the address was set");
    beside.instead.set(Some(0));
    assert_eq!(beside.round(&keeper).last.unwrap().outcome, LogPushOutcome::Unreached);
    let at = SystemClock.utc().plus_nanos(25 * 3_600_000_000_000);
    let alarm = keeper.alarms_of_pushes(at).remove(0);
    assert!(alarm.text.contains(NAME) && alarm.text.contains("unplugged"), "{}", alarm.text);
    keeper.set_push(NAME, None).unwrap();
    assert!(kinds(&keeper, 25).is_empty(), "who carries files comes when they come");
}

#[test]
fn a_signed_checkpoint_that_the_log_does_not_continue_stops_signing() {
    let place = Place::new();
    let (keeper, beside) = with_push(&place);
    // Another history, signed with this log's key and by the witness, as a copy of the register would have it.
    let leaves = [leaf_hash(b"another history")];
    let mut tiles = MemoryTiles::default();
    tiles.write(grown(&tiles, 0, &leaves).unwrap());
    let (origin, key) = log_keys::open(&place.register, &place.keys).unwrap();
    let root = Root { size: 1, hash: root_of(&leaves) };
    let other = Keeper::open::<String>(&origin, key, &[], &[]).unwrap().sign(&tiles, root).unwrap();
    let body = Request { old: 0, proof: Vec::new(), checkpoint: other.clone() }.to_text();
    let line = beside.witness.answer(body.as_bytes(), |_| None, NOW_S).body();
    let line = watchbook_evidence::note::Signature::parse(line.trim_end()).unwrap();
    keeper.with_log(|log| keeper.witnesses.import(log, &Brought::answered(other, line))).unwrap();
    let push = beside.round(&keeper);
    assert_eq!(push.last.unwrap().outcome, LogPushOutcome::Fork);
    assert!(beside.posted.borrow().is_empty(), "there is nothing to be asked");
    assert!(told_of(&keeper).refusal.unwrap().starts_with("FORK"));
}
