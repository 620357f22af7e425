//! The exchange that filippo.io/torchwood tests its witness with (`cmd/litewitness/testdata/litewitness.txt`), and what is not in it.

use super::*;
use crate::merkle::{leaf_hash, prove_consistency, root_of};
use crate::text::unhex;
use crate::{Checkpoint, hex};
use proptest::prelude::*;
use std::cell::RefCell;

const ORIGIN: &str = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562";
const LOG_PUBLIC: &str = "ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f";
const WITNESS_SEED: &str = "31ffc2116ecbe003acaa800ab70757bd7d53206e3febef6a6d0796d95530b34f";
/// Checkpoints of 1, 3 and 5 leaves: root and signature.
const SIGNED: [(u64, &str, &str); 3] = [
    (
        1,
        "KgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "UgIom7fPZTqpxWWhyjWduBvTvGVqsokMbqTArsQilegKoFBJQjUFAmQ0+YeSPM3wfUQMFSzVnnNuWRTYrajXpNUbIQY=",
    ),
    (
        3,
        "RcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0=",
        "UgIom2VbtIcdFbwFAy1n7s6IkAxIY6J/GQOTuZF2ORV39d75cbAj2aQYwyJre36kezNobZs4SUUdrcawfAB8WVrx6go=",
    ),
    (
        5,
        "QrtXrQZCCvpIgsSmOsah7HdICzMLLyDfxToMql9WTjY=",
        "UgIomw/EOJmWi0i1FQsOj+etB7F8IccFam/jgd6wzRns4QPVmyEZtdvl1U2KEmLOZ/ASRcWJi0tW90dJWAShei7sDww=",
    ),
];
const FROM_1_TO_3: [&str; 2] =
    ["KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "KgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="];
const FROM_1_TO_5: [&str; 3] = [
    "KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "+fUDV+k970B4I3uKrqJM4aP1lloPZP8mvr2Z4wRw2LI=",
    "KgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
];
const FROM_3_TO_5: [&str; 4] = [
    "KgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "KgMAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "wgiIFdZfYNv6WU1OllBKsWnLYIS/DBMqt8Uh/S4OukE=",
    "KgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
];

fn seed(text: &str) -> [u8; 32] {
    unhex(text).unwrap().try_into().unwrap()
}

/// A witness with its state.
struct Kept {
    witness: Witness,
    state: RefCell<Option<SignedCheckpoint>>,
}

impl Kept {
    fn new() -> Self {
        let key = SigningKey::from_seed("example.com/witness", Algorithm::Cosignature, &seed(WITNESS_SEED)).unwrap();
        let log = VerifierKey::new(ORIGIN, Algorithm::Ed25519, seed(LOG_PUBLIC)).unwrap();
        let witness = Witness::new(key, vec![Log { origin: ORIGIN.to_owned(), keys: vec![log] }]).unwrap();
        Self { witness, state: RefCell::default() }
    }

    fn post(&self, body: &str, now_s: u64) -> Answer {
        let answer = self.witness.answer(body.as_bytes(), |_| self.state.borrow().clone(), now_s);
        if let Answer::Cosigned(cosigned) = &answer {
            self.state.replace(Some(cosigned.state.clone()));
        }
        answer
    }
}

fn body(old: u64, proof: &[&str], which: usize) -> String {
    let (size, root, signature) = SIGNED[which];
    let proof: String = proof.iter().map(|line| format!("{line}\n")).collect();
    format!("old {old}\n{proof}\n{ORIGIN}\n{size}\n{root}\n\n— {ORIGIN} {signature}\n")
}

#[test]
fn the_published_exchange_has_the_published_answers() {
    let kept = Kept::new();
    let log = &kept.witness.logs[0].keys[0];
    assert_eq!(hex(&log.key_id().to_be_bytes()), hex(&crate::text::unbase64("UgIomw==").unwrap()));
    let bad_signature = body(1, &FROM_1_TO_3, 1).replace("6go=\n", "6gx=\n");
    let unknown = body(1, &FROM_1_TO_3, 1).replace("e562", "e563");
    let bad_proof = body(1, &[FROM_1_TO_3[0], "KgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABA="], 1);
    for (at, (request, status, want)) in [
        (body(0, &[], 0), 200, "— example.com/witness "),
        (bad_signature, 403, "invalid signature"),
        // That witness says 403 here; the specification says 404.
        (unknown, 404, "unknown log"),
        (body(1, &[], 1), 422, "consistency proof"),
        (bad_proof, 422, "consistency proof"),
        (body(1, &FROM_1_TO_3, 1), 200, "— example.com/witness "),
        (body(1, &FROM_1_TO_5, 2), 409, "3\n"),
        (body(3, &FROM_3_TO_5, 2), 200, "— example.com/witness "),
        (body(0, &[], 2), 409, "5\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = kept.post(&request, 1_700_000_000 + at as u64);
        assert_eq!(answer.status(), status, "request {at}: {answer}");
        assert!(answer.body().contains(want), "request {at}: {}", answer.body());
        let conflict = answer.content_type() == "text/x.tlog.size";
        assert_eq!(conflict, status == 409);
        if status == 409 {
            assert_eq!(answer.body(), want);
        }
    }
    let state = kept.state.borrow().clone().unwrap();
    assert_eq!(
        (state.checkpoint().root.size, hex(&state.checkpoint().root.hash)),
        (5, hex(&hash_of_line(SIGNED[2].1).unwrap()))
    );
    let own = [kept.witness.key.verifier().clone()];
    assert_eq!(state.witnessed(&own).unwrap()[0].at_s, Some(1_700_000_007));
}

#[test]
fn what_is_no_request_is_refused() {
    let kept = Kept::new();
    let good = body(0, &[], 0);
    let many = body(0, &[FROM_1_TO_3[0]; PROOF_LINES_MAX + 1], 0);
    for bad in [
        "",
        "old 0\n",
        &good.replace("old 0", "old 00"),
        &good.replace("old 0", "old -1"),
        &good.replace("old 0", "new 0"),
        &good.replace("old 0\n", "old 0\n\n"),
        &good.replace("old 0\n", "old 0\nKg==\n"),
        &good.replace("old 0\n", "old 2\n"),
        &many,
        &good.replace("\n1\n", "\nmany\n"),
        good.trim_end(),
    ] {
        assert_eq!(kept.post(bad, 5).status(), 400, "{bad:?}");
    }
    assert_eq!(kept.witness.answer(&vec![b'a'; REQUEST_BYTES_MAX + 1], |_| None, 5).status(), 400);
    assert_eq!(kept.post(&good.replace(&format!("— {ORIGIN}"), "— somebody"), 5).status(), 403);
    assert_eq!(*kept.state.borrow(), None);
}

#[test]
fn a_witness_that_lost_its_state_or_its_clock_does_not_sign() {
    let kept = Kept::new();
    assert_eq!(kept.post(&body(0, &[], 0), 100).status(), 200);
    assert_eq!(kept.post(&body(1, &FROM_1_TO_3, 1), 99).status(), 503, "the clock went back");
    // A state that somebody else wrote: the log's checkpoint without the witness's line.
    let forged = Request::parse(body(1, &[], 0).as_bytes()).unwrap().checkpoint;
    kept.state.replace(Some(forged));
    assert_eq!(kept.post(&body(1, &FROM_1_TO_3, 1), 101).status(), 503);
    let log_key = SigningKey::from_seed("log", Algorithm::Ed25519, &[1; 32]).unwrap();
    assert!(Witness::new(log_key, Vec::new()).is_err());
}

#[test]
fn lines_of_strangers_are_neither_kept_nor_in_the_way() {
    let kept = Kept::new();
    let strangers = "— stranger.example UgIomw/EOJmWi0i1FQsOj+etB7F8\n".repeat(99);
    let answer = kept.post(&format!("{}{strangers}", body(0, &[], 0)), 7);
    assert_eq!(answer.status(), 200, "{answer}");
    let state = kept.state.borrow().clone().unwrap();
    let names: Vec<&str> = state.note().signatures().iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, [ORIGIN, "example.com/witness"]);
    assert_eq!(Kept::new().post(&body(0, &[], 0), 0).status(), 503, "a time of 0 is none");
}

/// A log of our own, whose forks we can sign.
struct OwnLog(SigningKey);

impl OwnLog {
    fn new() -> Self {
        Self(SigningKey::from_seed("own.example", Algorithm::Ed25519, &[3; 32]).unwrap())
    }

    fn request(&self, old: &[Hash], new: &[Hash], proof: Vec<Hash>) -> String {
        let root = Root { size: new.len() as u64, hash: root_of(new) };
        let checkpoint = Checkpoint { origin: "own.example".to_owned(), root, extensions: Vec::new() };
        let checkpoint = SignedCheckpoint::sign(checkpoint, &[&self.0]).unwrap();
        Request { old: old.len() as u64, proof, checkpoint }.to_text()
    }

    fn watched(&self) -> Kept {
        let mut kept = Kept::new();
        kept.witness.logs.push(Log { origin: "own.example".to_owned(), keys: vec![self.0.verifier().clone()] });
        kept
    }
}

fn leaves(size: usize, changed: usize) -> Vec<Hash> {
    (0..size).map(|i| leaf_hash(&[u8::from(i >= changed), u8::try_from(i).unwrap()])).collect()
}

#[test]
fn the_empty_log_has_one_root_and_the_same_tree_may_be_cosigned_again() {
    let (log, none) = (OwnLog::new(), leaves(0, 0));
    let kept = log.watched();
    assert_eq!(kept.post(&log.request(&none, &none, Vec::new()), 1).status(), 200);
    assert_eq!(kept.post(&log.request(&none, &none, Vec::new()), 2).status(), 200);
    let root = Root { size: 0, hash: [1; 32] };
    let checkpoint = Checkpoint { origin: "own.example".to_owned(), root, extensions: Vec::new() };
    let checkpoint = SignedCheckpoint::sign(checkpoint, &[&log.0]).unwrap();
    let impossible = Request { old: 0, proof: Vec::new(), checkpoint }.to_text();
    assert_eq!(kept.post(&impossible, 3).status(), 422);
    assert_eq!(kept.post(&log.request(&none, &leaves(3, 9), vec![[0; 32]]), 4).status(), 422, "no proof from nothing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn a_tree_is_cosigned_exactly_when_it_continues_the_last(first in 1_usize..60, more in 0_usize..60, changed in 0_usize..120) {
        let log = OwnLog::new();
        let kept = log.watched();
        let old = leaves(first, usize::MAX);
        assert_eq!(kept.post(&log.request(&[], &old, Vec::new()), 1).status(), 200);
        let new = leaves(first + more, changed);
        // The best proof that the log can make of its new tree.
        let proof = prove_consistency(&new, first).unwrap();
        let answer = kept.post(&log.request(&old, &new, proof), 2);
        prop_assert_eq!(answer.status(), if changed >= first { 200 } else { 422 }, "{}", answer);
        let seen = kept.state.borrow().clone().unwrap().checkpoint().root.size;
        prop_assert_eq!(seen, if changed >= first { first + more } else { first } as u64);
    }

    #[test]
    fn requests_read_back(old in 0..crate::text::NUMBER_MAX, proof in proptest::collection::vec(any::<[u8; 32]>(), 0..PROOF_LINES_MAX)) {
        let checkpoint = Request::parse(body(0, &[], 0).as_bytes()).unwrap().checkpoint;
        let request = Request { old, proof, checkpoint };
        prop_assert_eq!(Request::parse(request.to_text().as_bytes()), Ok(request));
    }
}
