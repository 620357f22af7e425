use super::*;
use std::cell::RefCell;
use watchbook_evidence::merkle::{leaf_hash, root_of};
use watchbook_evidence::tile::{MemoryTiles, grown};
use watchbook_evidence::witness::{Log, Witness};
use watchbook_evidence::{Algorithm, Keeper, Root, SigningKey};

const ORIGIN: &str = "station.example/log";
const NOW_S: u64 = 1_795_000_000;

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name, Algorithm::Cosignature, &[seed; 32]).unwrap()
}

fn log_key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, Algorithm::Ed25519, &[1; 32]).unwrap()
}

/// A request of a log of `size` entries, those from `other` on not what they were.
fn request(old: u64, size: u64, other: u64) -> Result<Request, Asking> {
    if old > size {
        return Err(Asking::Shorter(size));
    }
    let leaf = |i: u64| leaf_hash(format!("{i}{}", if i < other { "" } else { " changed" }).as_bytes());
    let leaves: Vec<_> = (0..size).map(leaf).collect();
    let mut tiles = MemoryTiles::default();
    tiles.write(grown(&tiles, 0, &leaves).unwrap());
    let now = Root { size, hash: root_of(&leaves) };
    let checkpoint = Keeper::open::<String>(ORIGIN, log_key(), &[], &[]).unwrap().sign(&tiles, now).unwrap();
    let proof = watchbook_evidence::proof::TiledTree::new(&tiles, size).prove_consistency(old).unwrap();
    Ok(Request { old, proof, checkpoint })
}

/// A witness with a state, as `watchbook-witness serve` answers.
struct Peer {
    witness: Witness,
    state: RefCell<Option<SignedCheckpoint>>,
    asked: RefCell<Vec<u64>>,
}

impl Peer {
    fn new() -> Self {
        let logs = vec![Log { origin: ORIGIN.to_owned(), keys: vec![log_key().verifier().clone()] }];
        let witness = Witness::new(key("w.example", 7), logs).unwrap();
        Self { witness, state: RefCell::default(), asked: RefCell::default() }
    }

    fn answer(&self, body: &str) -> Result<Answer, Unanswered> {
        self.asked.borrow_mut().push(Request::parse(body.as_bytes()).unwrap().old);
        let state = self.state.borrow().clone();
        let answer = self.witness.answer(body.as_bytes(), |_| state, NOW_S);
        if let watchbook_evidence::witness::Answer::Cosigned(cosigned) = &answer {
            *self.state.borrow_mut() = Some(cosigned.state.clone());
        }
        Ok(Answer { status: answer.status(), body: answer.body().into_bytes() })
    }

    fn is_sent(&self, old: u64, size: u64, other: u64) -> Result<u64, Ended> {
        let verifier = self.witness.key.verifier();
        let sent = exchange(verifier, old, |old| request(old, size, other), |body| self.answer(body));
        sent.map(|(mut checkpoint, line)| {
            let keys = std::slice::from_ref(verifier);
            checkpoint.add_cosignature(line, keys).unwrap();
            checkpoint.checkpoint().root.size
        })
    }
}

/// What comes of an answer that is always the same, and how often it was asked for.
fn always(status: u16, body: &[u8]) -> (Ended, usize) {
    let asked = RefCell::new(0);
    let ended = exchange(
        key("w.example", 7).verifier(),
        0,
        |old| request(old, 9, u64::MAX),
        |_| {
            *asked.borrow_mut() += 1;
            Ok(Answer { status, body: body.to_vec() })
        },
    );
    (ended.unwrap_err(), asked.into_inner())
}

#[test]
fn a_witness_signs_from_where_it_is() {
    let peer = Peer::new();
    assert_eq!(peer.is_sent(0, 5, u64::MAX), Ok(5));
    assert_eq!(peer.is_sent(5, 300, u64::MAX), Ok(300));
    // What it signed never came home: it says where it is.
    assert_eq!(peer.is_sent(5, 301, u64::MAX), Ok(301));
    assert_eq!(*peer.asked.borrow(), [0, 5, 5, 300]);
    // The same once more, to show that it is there.
    assert_eq!(peer.is_sent(301, 301, u64::MAX), Ok(301));
}

#[test]
fn an_older_and_another_history_are_told_apart() {
    let peer = Peer::new();
    peer.is_sent(0, 300, u64::MAX).unwrap();
    let rollback = peer.is_sent(5, 200, u64::MAX).unwrap_err();
    assert_eq!((rollback.outcome, rollback.entries), (LogPushOutcome::Rollback, 200));
    assert!(rollback.text.starts_with("ROLLBACK") && rollback.text.contains("300") && rollback.text.contains("200"));
    let fork = peer.is_sent(5, 400, 250).unwrap_err();
    assert_eq!((fork.outcome, fork.entries), (LogPushOutcome::Fork, 400));
    assert!(fork.text.starts_with("FORK"), "{}", fork.text);
    assert_eq!(peer.is_sent(5, 400, u64::MAX), Ok(400), "the right log is signed all the same");
}

#[test]
fn a_log_that_grew_while_somebody_else_was_at_the_witness_is_no_rollback() {
    let peer = Peer::new();
    peer.is_sent(0, 12, u64::MAX).unwrap();
    let sizes = RefCell::new(vec![12, 10]);
    let grows = |old| request(old, sizes.borrow_mut().pop().unwrap(), u64::MAX);
    let sent = exchange(peer.witness.key.verifier(), 0, grows, |body| peer.answer(body));
    assert_eq!(sent.map(|(checkpoint, _)| checkpoint.checkpoint().root.size), Ok(12));
}

#[test]
fn whatever_else_is_answered_is_told_in_our_words() {
    let hostile = b"<script>HOSTILE</script>\n";
    let own = |seed: u8, name: &str| {
        let mut state = request(0, 9, u64::MAX).unwrap();
        let logs = vec![Log { origin: ORIGIN.to_owned(), keys: vec![log_key().verifier().clone()] }];
        let witness = Witness::new(key(name, seed), logs).unwrap();
        state.old = 0;
        witness.answer(state.to_text().as_bytes(), |_| None, NOW_S).body().into_bytes()
    };
    for (status, body, outcome, asked) in [
        (200, &hostile[..], LogPushOutcome::NotAWitness, 1),
        (200, &[0xff, b'\n'], LogPushOutcome::NotAWitness, 1),
        (200, b"", LogPushOutcome::NotAWitness, 1),
        (200, &own(8, "w.example"), LogPushOutcome::WrongSignature, 1),
        (200, &own(7, "other.example"), LogPushOutcome::WrongSignature, 1),
        (409, b"5\n", LogPushOutcome::NotAWitness, 2),
        (409, b"10\n", LogPushOutcome::Rollback, 1),
        (409, b"5", LogPushOutcome::NotAWitness, 1),
        (409, b"-1\n", LogPushOutcome::NotAWitness, 1),
        (409, b"99999999999999999999999\n", LogPushOutcome::NotAWitness, 1),
        (409, hostile, LogPushOutcome::NotAWitness, 1),
        (302, hostile, LogPushOutcome::NotAWitness, 1),
        (400, hostile, LogPushOutcome::NotAWitness, 1),
        (403, hostile, LogPushOutcome::LogUnknown, 1),
        (404, hostile, LogPushOutcome::LogUnknown, 1),
        (422, hostile, LogPushOutcome::Fork, 1),
        (429, hostile, LogPushOutcome::Unable, 1),
        (503, hostile, LogPushOutcome::Unable, 1),
        (204, hostile, LogPushOutcome::NotAWitness, 1),
    ] {
        let (ended, times) = always(status, body);
        let what = format!("{status} {}", String::from_utf8_lossy(body));
        assert_eq!((ended.outcome, times, ended.entries), (outcome, asked, 9), "{what}");
        assert!(!ended.text.contains("HOSTILE") && !ended.text.is_empty(), "{what}: {}", ended.text);
    }
}
