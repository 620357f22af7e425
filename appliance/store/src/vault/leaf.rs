//! Proof of held footage: the hashes of all runs of a leaf of the audit log, of which the hold has some. The ring that had the others is overwritten one day.

use super::hold::HoldId;
use crate::catalog::rows::{self, unpack};
use crate::codec::{Put, Take, count, narrow, wide};
use crate::error::Result;
use crate::kv::{Keys, Kv};
use crate::reader::LOGGED_RUNS_MAX;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use watchbook_base::{StreamId, TimeRange, UtcNanos};
use watchbook_evidence::Hash;

/// Hashes of one record: 32 KiB. A leaf of five minutes has 600 runs.
pub(crate) const HASHES_PER_RECORD_MAX: usize = 1024;
/// Begins keys of the index that tell of leaves.
const PREFIX: &[u8] = b"leaf/";
const KEY_BYTES: usize = PREFIX.len() + 28;

/// A leaf of the audit log, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLeaf {
    /// Whose copy this is.
    pub hold: HoldId,
    /// Where a stretch of one recording begins that one entry of the audit log speaks for.
    pub of: LeafOf,
    /// From the beginning of its first run to the end of its last one.
    pub range: TimeRange,
    /// Number of the first hash here among those of the leaf.
    pub first: u32,
    /// Hashes of what is said of its runs, in the order of the leaf: 1 to 1024.
    pub hashes: Vec<Hash>,
}

/// Where a stretch of one recording begins that one entry of the audit log speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeafOf {
    /// Whose runs.
    pub stream: StreamId,
    /// Of which recording.
    pub recording: u64,
    /// Number in the audit log.
    pub leaf: u64,
    /// How many runs it has: 1 to [`crate::LOGGED_RUNS_MAX`].
    pub total: u32,
}

/// A leaf with the hashes of all of its runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WholeLeaf {
    pub(crate) of: LeafOf,
    pub(crate) range: TimeRange,
    pub(crate) hashes: Vec<Hash>,
}

/// What the index has of one record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeafRow {
    start: i64,
    end: i64,
    hashes: Vec<Hash>,
}

impl HeldLeaf {
    /// Behind the number of the hold.
    pub(crate) fn encode(&self, body: &mut Vec<u8>) {
        body.u64(self.of.leaf);
        body.u64(self.of.recording);
        body.u32(self.of.stream.to_u32());
        body.u32(self.of.total);
        body.u32(self.first);
        body.zeros(4);
        body.i64(self.range.start.0);
        body.i64(self.range.end.0);
        self.hashes.iter().for_each(|hash| body.put(hash));
    }

    /// `None` when the bytes are no part of a leaf that can be.
    pub(crate) fn decode(hold: HoldId, body: &mut Take<'_>) -> Option<Self> {
        let (leaf, recording, stream) = (body.u64()?, body.u64()?, StreamId::from_u32(body.u32()?)?);
        let (total, first) = (body.u32()?, body.u32()?);
        body.slice(4)?;
        let range = TimeRange::new(UtcNanos(body.i64()?), UtcNanos(body.i64()?))?;
        let (hashes, rest) = body.0.as_chunks::<32>();
        let piece = Self { hold, of: LeafOf { stream, recording, leaf, total }, range, first, hashes: hashes.to_vec() };
        (rest.is_empty() && piece.is_possible()).then_some(piece)
    }

    /// Pieces begin at multiples of their greatest length, and all but the last one have it.
    fn is_possible(&self) -> bool {
        let (total, first) = (narrow(u64::from(self.of.total)), narrow(u64::from(self.first)));
        let expected = total.saturating_sub(first).min(HASHES_PER_RECORD_MAX);
        total <= LOGGED_RUNS_MAX
            && first.is_multiple_of(HASHES_PER_RECORD_MAX)
            && expected > 0
            && self.hashes.len() == expected
    }

    /// Key of its row in the index of a vault.
    pub(crate) fn key(&self) -> Vec<u8> {
        [&prefix(self.of.stream, Some(self.of.recording))[..], &self.of.behind_recording(), &self.first.to_be_bytes()]
            .concat()
    }

    /// Its row.
    pub(crate) fn row(&self) -> LeafRow {
        LeafRow { start: self.range.start.0, end: self.range.end.0, hashes: self.hashes.clone() }
    }
}

impl LeafOf {
    fn behind_recording(&self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let (leaf, total) = bytes.split_at_mut(8);
        leaf.copy_from_slice(&self.leaf.to_be_bytes());
        total.copy_from_slice(&self.total.to_be_bytes());
        bytes
    }

    /// Which leaf a key of the index is about, and the number of its first hash.
    pub(crate) fn of_key(key: &[u8]) -> Option<(Self, u32)> {
        let mut key = Take(key.strip_prefix(PREFIX).filter(|_| key.len() == KEY_BYTES)?);
        let mut number = || key.array::<4>().map(u32::from_be_bytes);
        let stream = StreamId::from_u32(number()?)?;
        let (high, low) = (number()?, number()?);
        let recording = u64::from(high) << 32 | u64::from(low);
        let (high, low) = (number()?, number()?);
        let leaf = u64::from(high) << 32 | u64::from(low);
        Some((Self { stream, recording, leaf, total: number()? }, number()?))
    }

    /// How many records tell of it.
    pub(crate) fn records(&self) -> usize {
        narrow(u64::from(self.total)).div_ceil(HASHES_PER_RECORD_MAX)
    }
}

impl WholeLeaf {
    /// As records of a hold.
    pub(crate) fn pieces(&self, hold: HoldId) -> Vec<HeldLeaf> {
        let (of, range) = (self.of, self.range);
        let chunks = self.hashes.chunks(HASHES_PER_RECORD_MAX).enumerate();
        chunks
            .map(|(at, hashes)| HeldLeaf {
                hold,
                of,
                range,
                first: count(at * HASHES_PER_RECORD_MAX),
                hashes: hashes.to_vec(),
            })
            .collect()
    }
}

fn prefix(stream: StreamId, recording: Option<u64>) -> Vec<u8> {
    let recording = recording.map(u64::to_be_bytes);
    let recording = recording.as_ref().map_or(&[][..], |recording| recording);
    [PREFIX, &stream.to_u32().to_be_bytes(), recording].concat()
}

/// The leaves of `stream`, or of one of its recordings, that share a moment with `range` and that the index of a vault has whole.
///
/// # Errors
/// When the index cannot be read.
pub(crate) fn whole_leaves(
    kv: &dyn Kv,
    (stream, recording): (StreamId, Option<u64>),
    range: TimeRange,
) -> Result<Vec<WholeLeaf>> {
    let mut found: BTreeMap<LeafOf, WholeLeaf> = BTreeMap::new();
    each_row(kv, &prefix(stream, recording), |of, first, row| {
        let of_leaf = TimeRange { start: UtcNanos(row.start), end: UtcNanos(row.end) };
        if of_leaf.overlaps(range) {
            let fresh = || WholeLeaf { of, range: of_leaf, hashes: Vec::new() };
            let leaf = found.entry(of).or_insert_with(fresh);
            // By key the pieces follow each other; behind a hole nothing fits any more.
            if wide(leaf.hashes.len()) == u64::from(first) {
                leaf.hashes.extend(row.hashes);
            }
        }
    })?;
    let is_whole = |leaf: &WholeLeaf| wide(leaf.hashes.len()) == u64::from(leaf.of.total);
    Ok(found.into_values().filter(is_whole).collect())
}

/// Each record of leaves whose key begins like this, by key, with the number of its first hash.
fn each_row(kv: &dyn Kv, prefix: &[u8], mut take: impl FnMut(LeafOf, u32, LeafRow)) -> Result<()> {
    let mut failed = None;
    kv.scan(rows::META, &Keys::prefix(prefix), &mut |key, value| {
        let Some((of, first)) = LeafOf::of_key(key) else { return true };
        match unpack(rows::META, value) {
            Ok(row) => take(of, first, row),
            Err(error) => failed = Some(error),
        }
        failed.is_none()
    })?;
    failed.map_or(Ok(()), Err)
}

/// Recording and range of the leaves of `stream` that share a moment with `range` and that the index of a vault has whole. Of their hashes one record at a time is in memory.
///
/// # Errors
/// When the index cannot be read.
pub(crate) fn leaf_ranges(kv: &dyn Kv, stream: StreamId, range: TimeRange) -> Result<Vec<(u64, TimeRange)>> {
    let mut found = Vec::new();
    let mut seen: Option<(LeafOf, u64)> = None;
    each_row(kv, &prefix(stream, None), |of, first, row| {
        // By key the pieces follow each other; behind a hole nothing fits any more.
        let before = seen.filter(|(leaf, _)| *leaf == of).map_or(0, |(_, hashes)| hashes);
        let hashes = if before == u64::from(first) { before + wide(row.hashes.len()) } else { before };
        let of_leaf = TimeRange { start: UtcNanos(row.start), end: UtcNanos(row.end) };
        if hashes == u64::from(of.total) && hashes > before && of_leaf.overlaps(range) {
            found.push((of.recording, of_leaf));
        }
        seen = Some((of, hashes));
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::CameraId;
    use watchbook_base::fs::sim::Dice;

    fn leaf(total: u32) -> WholeLeaf {
        let stream = CameraId::new(7).unwrap().stream(watchbook_base::TrackRole::MainVideo);
        let hashes = (0..total).map(|number| watchbook_evidence::sha256(&number.to_le_bytes())).collect();
        let range = TimeRange { start: UtcNanos(-3), end: UtcNanos(900) };
        WholeLeaf { of: LeafOf { stream, recording: 1 << 40 | 5, leaf: 1 << 33 | 9, total }, range, hashes }
    }

    #[test]
    fn pieces_make_the_leaf_again_and_a_part_of_them_does_not() {
        use crate::catalog::rows::pack;
        use crate::kv::{Batch, model::ModelKv};
        for total in [1, 1023, 1024, 1025, 3000] {
            let leaf = leaf(total);
            let pieces = leaf.pieces(HoldId(3));
            assert_eq!(pieces.len(), leaf.of.records());
            for left_out in 0..=pieces.len() {
                let kv = ModelKv::new();
                let mut batch = Batch::default();
                for (at, piece) in pieces.iter().enumerate() {
                    let mut body = Vec::new();
                    piece.encode(&mut body);
                    assert_eq!(HeldLeaf::decode(HoldId(3), &mut Take(&body)).as_ref(), Some(piece));
                    assert_eq!(LeafOf::of_key(&piece.key()), Some((leaf.of, piece.first)));
                    if at != left_out {
                        batch.put(rows::META, piece.key(), pack(&piece.row()));
                    }
                }
                kv.write(&batch, false).unwrap();
                let found = |recording, range| whole_leaves(&kv, (leaf.of.stream, recording), range).unwrap();
                let is_whole = left_out == pieces.len();
                let expected = Vec::from_iter(is_whole.then(|| leaf.clone()));
                assert_eq!(found(Some(leaf.of.recording), leaf.range), expected, "{total} without {left_out}");
                assert_eq!(found(None, leaf.range), expected);
                let ranges = leaf_ranges(&kv, leaf.of.stream, leaf.range).unwrap();
                assert_eq!(ranges, Vec::from_iter(is_whole.then_some((leaf.of.recording, leaf.range))));
                assert_eq!(found(Some(6), leaf.range), []);
                assert_eq!(found(None, TimeRange { start: leaf.range.end, end: UtcNanos(9999) }), []);
            }
        }
    }

    /// What is not a part of a leaf is none, and never more than the bytes that came; of what is, the same bytes come out.
    #[test]
    fn any_bytes_are_a_part_of_a_leaf_or_nothing() {
        let mut dice = Dice::new(6);
        let mut good = 0;
        let whole = leaf(1500);
        for _ in 0..20_000 {
            let piece = &whole.pieces(HoldId(1))[dice.below(2) as usize];
            let mut body = Vec::new();
            piece.encode(&mut body);
            for _ in 0..dice.below(3) {
                let at = dice.below(56.min(body.len() as u64)) as usize;
                body[at] ^= 1 << dice.below(8);
            }
            if dice.percent(30) {
                body.truncate(dice.below(1 + body.len() as u64) as usize);
            }
            if let Some(piece) = HeldLeaf::decode(HoldId(1), &mut Take(&body)) {
                let mut again = Vec::new();
                piece.encode(&mut again);
                // Four bytes are not looked at.
                body[28..32].fill(0);
                assert_eq!(again, body);
                assert!(piece.hashes.len() <= HASHES_PER_RECORD_MAX && piece.first < piece.of.total);
                good += 1;
            }
        }
        assert!((2_000..19_000).contains(&good), "{good}");
    }
}
