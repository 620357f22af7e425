use super::*;
use crate::key::{Algorithm, SigningKey};
use crate::merkle::root_of;
use crate::tile::{MemoryTiles, grown};
use crate::{Keeper, keeper::Refusal};
use proptest::prelude::*;

const ORIGIN: &str = "station.example/log";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(ORIGIN, Algorithm::Ed25519, &[seed; 32]).unwrap()
}

fn entry(index: usize, body: &str) -> Vec<u8> {
    Leaf { salt: [index as u8; 16], utc: UtcNanos(index as i64), body: body.as_bytes().to_vec() }.encode().unwrap()
}

/// Entries `0..size`, of which those from `other` on are not what they were.
fn entries(size: usize, other: usize) -> Vec<Vec<u8>> {
    (0..size).map(|index| entry(index, if index < other { "{}" } else { "{\"changed\":1}" })).collect()
}

fn tiles(entries: &[Vec<u8>]) -> (MemoryTiles, Root) {
    let hashes: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let mut tiles = MemoryTiles::default();
    tiles.write(grown(&tiles, 0, &hashes).unwrap());
    (tiles, Root { size: entries.len() as u64, hash: root_of(&hashes) })
}

/// What a log signs that changes its key from `seed` to the next one with each of these leaves.
fn signed(entries: &[Vec<u8>], seed: u8, next: Option<(u8, u64)>) -> SignedCheckpoint {
    let (tiles, now) = tiles(entries);
    let mut keeper = Keeper::open::<String>(ORIGIN, key(seed), &[], &[]).unwrap();
    if let Some((next, leaf)) = next {
        keeper.rotate::<String>(key(next), leaf).unwrap();
    }
    keeper.sign(&tiles, now).map_err(|refusal: Refusal<String>| refusal).unwrap()
}

fn follower(entries: &[Vec<u8>], seed: u8) -> Follower {
    let mut follower = Follower::new(ORIGIN, key(seed).verifier().clone());
    entries.iter().for_each(|entry| follower.push(entry).unwrap());
    follower
}

fn rotation(index: usize, old: u8, new: u8) -> Vec<u8> {
    let note = Rotation::sign(ORIGIN, &key(old), &key(new)).unwrap();
    entry(index, core::str::from_utf8(&Record::LogKey { note }.body()).unwrap())
}

#[test]
fn a_log_that_grows_is_followed() {
    let log = entries(600, usize::MAX);
    let mut copy = follower(&[], 1);
    for size in [1, 5, 256, 300, 600] {
        let checkpoint = signed(&log[..size], 1, None);
        let Ok(Next::Grows(grows)) = copy.judge(checkpoint.to_text().as_bytes()) else { panic!("{size}") };
        let from = copy.root().size as usize;
        log[from..size].iter().for_each(|entry| copy.push(entry).unwrap());
        assert_eq!(copy.finish(&grows), Ok(Some(())));
        assert_eq!(copy.judge(checkpoint.to_text().as_bytes()), Ok(Next::Same));
    }
    assert_eq!(copy.newest(), Some(UtcNanos(599)));
}

#[test]
fn a_rollback_a_fork_another_log_and_another_key_are_told_apart() {
    let copy = follower(&entries(300, usize::MAX), 1);
    let code = |checkpoint: &SignedCheckpoint| copy.judge(checkpoint.to_text().as_bytes()).unwrap_err().code();
    assert_eq!(code(&signed(&entries(299, usize::MAX), 1, None)), 41);
    assert_eq!(code(&signed(&entries(300, 7), 1, None)), 42);
    assert_eq!(code(&signed(&entries(300, usize::MAX), 2, None)), 43);
    assert_eq!(copy.judge(b"rubbish").unwrap_err().code(), 40);
    let text = signed(&entries(400, usize::MAX), 1, None).to_text().replace("station", "another");
    assert_eq!(copy.judge(text.as_bytes()).unwrap_err().code(), 43);
    // Longer, by a key that no entry brings.
    let stranger = signed(&entries(301, usize::MAX), 2, None);
    let ahead = follower(&entries(301, usize::MAX), 1);
    assert!(matches!(copy.judge(stranger.to_text().as_bytes()), Ok(Next::Grows(_))));
    assert!(matches!(ahead.finish(&stranger), Err(Alert::Key(_))));
}

#[test]
fn what_does_not_hash_is_explained_from_the_tiles() {
    let (before, after) = (entries(300, usize::MAX), entries(900, usize::MAX));
    let copy = follower(&before, 1);
    let checkpoint = signed(&after, 1, None);
    let now = checkpoint.checkpoint().root;
    let (right, _) = tiles(&after);
    let hashes_of = |entries: &[Vec<u8>], tile: Tile| {
        let first = tile.index as usize * 256;
        Some(entries[first..first + usize::from(tile.width)].iter().map(|entry| leaf_hash(entry)).collect())
    };
    // One entry is not what was signed.
    let mut got = after.clone();
    got[700] = entry(700, "{\"nothing\":0}");
    let mut ahead = copy.clone();
    got[300..].iter().for_each(|entry| ahead.push(entry).unwrap());
    assert_eq!(ahead.finish(&checkpoint), Ok(None));
    let told = explain((copy.root(), now), &right, |tile| hashes_of(&got, tile));
    assert!(matches!(told, Alert::Entry { index: 700, .. }), "{told}");
    // The log has another history, and its tiles say so.
    let forked = entries(900, 100);
    let (tiles_of_fork, root_of_fork) = tiles(&forked);
    let told = explain((copy.root(), root_of_fork), &tiles_of_fork, |tile| hashes_of(&forked, tile));
    assert_eq!(told, Alert::Fork { kept: copy.root(), now: root_of_fork });
    // Tiles that are not those of the signed root explain nothing.
    assert_eq!(explain((copy.root(), now), &tiles_of_fork, |tile| hashes_of(&got, tile)), Alert::Tiles(now));
    let none = MemoryTiles::default();
    let told = explain((copy.root(), now), &none, |tile| hashes_of(&got, tile));
    assert!(matches!(told, Alert::Entry { index: 300, .. }), "{told}");
}

#[test]
fn a_change_of_key_is_followed_from_any_key_of_the_log() {
    let mut log = entries(10, usize::MAX);
    log.push(rotation(10, 1, 2));
    log.extend(entries(20, usize::MAX).split_off(11));
    log.push(rotation(20, 2, 3));
    log.extend(entries(30, usize::MAX).split_off(21));
    let checkpoint = signed(&log, 3, None);
    for trusted in 1..=3 {
        let copy = follower(&log, trusted);
        assert_eq!(copy.finish(&checkpoint), Ok(Some(())), "{trusted}");
        assert_eq!(copy.key_of(30), key(3).verifier());
    }
    assert_eq!(follower(&log[..5], 1).key_of(11), key(1).verifier());
    // A key that is none of the log's, and earlier keys for a longer tree.
    assert!(matches!(follower(&log, 4).finish(&signed(&log, 4, None)), Err(Alert::Key(_))));
    assert!(matches!(follower(&log, 1).finish(&signed(&log, 2, None)), Err(Alert::Key(_))));
    // The first tree with the leaf has both signatures.
    let both = signed(&log[..11], 1, Some((2, 10)));
    assert_eq!(follower(&log[..11], 1).finish(&both), Ok(Some(())));
}

#[test]
fn a_change_of_key_that_the_old_key_did_not_sign_is_an_alert() {
    let mut copy = follower(&[rotation(0, 1, 2)], 1);
    let told = copy.push(&rotation(1, 5, 6)).unwrap_err();
    assert!(matches!(&told, Alert::Key(why) if why.contains("entry 1")), "{told}");
    let note = Rotation::sign(ORIGIN, &key(2), &key(3)).unwrap();
    let one_sided: String = note.lines().take(6).map(|line| format!("{line}\n")).collect();
    let body = Record::LogKey { note: one_sided }.body();
    assert!(matches!(copy.push(&entry(1, core::str::from_utf8(&body).unwrap())), Err(Alert::Key(_))));
    assert!(matches!(copy.push(b"rubbish"), Err(Alert::Entry { index: 1, .. })));
    assert_eq!(copy.root().size, 1, "what is refused is not taken");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn only_what_continues_the_copy_is_taken(kept in 0_usize..300, then in 0_usize..600, changed in 0_usize..600) {
        let copy = follower(&entries(kept, usize::MAX), 1);
        let log = entries(then, changed);
        let checkpoint = signed(&log, 1, None);
        match copy.judge(checkpoint.to_text().as_bytes()) {
            Err(Alert::Rollback { .. }) => prop_assert!(then < kept),
            Err(Alert::Fork { .. }) => prop_assert!(then == kept && changed < kept),
            Ok(Next::Same) => prop_assert!(then == kept && changed >= kept),
            Ok(Next::Grows(_)) => {
                let mut ahead = copy.clone();
                log[kept..].iter().for_each(|entry| ahead.push(entry).unwrap());
                prop_assert_eq!(ahead.finish(&checkpoint).unwrap().is_some(), changed >= kept);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
