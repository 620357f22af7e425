//! Records that only a vault writes.

use super::hold::{HoldId, HoldPlaced, HoldReleased, HoldRequest, MissingFootage, MissingReason};
use super::leaf::HeldLeaf;
use crate::codec::{Put, Take};
use crate::format::DiskId;
use crate::format::record::kind;
use watchbook_base::{Gap, GapReason, StreamId, TimeRange, UtcNanos};

/// What a vault's commits say beside footage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultRecord {
    /// A hold was placed. Each segment of the vault begins with the one that it belongs to.
    Hold {
        /// Its number.
        hold: HoldId,
        /// Number of its key.
        key_id: u32,
        /// What is held.
        request: HoldRequest,
        /// By whom and when.
        placed: HoldPlaced,
        /// Said before, in the vault's log.
        restated: bool,
    },
    /// A hold was released.
    Release {
        /// Its number.
        hold: HoldId,
        /// By whom, when and why.
        released: HoldReleased,
    },
    /// What a ring's commits have of the hold is in the vault up to and with this commit.
    Copied(Copied),
    /// A part of the range that is not held.
    Missing {
        /// Of which hold.
        hold: HoldId,
        /// What and why.
        missing: MissingFootage,
    },
    /// A gap inside the range.
    Gap {
        /// Of which hold.
        hold: HoldId,
        /// As the ring's index has it. One that went on when it was copied ends with the hold's range.
        gap: Gap,
    },
    /// Proof of held footage.
    Leaf(HeldLeaf),
}

/// A stretch of a ring's log, looked through for one hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// For which hold.
    pub hold: HoldId,
    /// Whose ring.
    pub disk: DiskId,
    /// Generation of the segment there.
    pub generation: u64,
    /// First commit.
    pub seq_from: u64,
    /// Last commit.
    pub seq_to: u64,
    /// Ring and generation from which the footage first came; others when it was copied from another hold.
    pub origin: (DiskId, u64),
}

impl VaultRecord {
    /// Type number, restated, and body.
    pub(crate) fn encode(&self) -> (u16, bool, Vec<u8>) {
        let mut body = Vec::new();
        match self {
            Self::Hold { hold, key_id, request, placed, restated } => {
                body.u64(hold.0);
                body.u32(*key_id);
                body.u32(placed.by_account);
                body.i64(placed.utc.0);
                body.put(&json(request));
                (kind::HOLD, *restated, body)
            }
            Self::Release { hold, released } => {
                body.u64(hold.0);
                body.put(&json(released));
                (kind::RELEASE, false, body)
            }
            Self::Copied(copied) => {
                body.u64(copied.hold.0);
                body.put(&copied.disk.0);
                body.u64(copied.generation);
                body.u64(copied.seq_from);
                body.u64(copied.seq_to);
                body.put(&copied.origin.0.0);
                body.u64(copied.origin.1);
                (kind::COPIED, false, body)
            }
            Self::Missing { hold, missing } => {
                let range = TimeRange { start: missing.start, end: missing.end };
                put_stretch(&mut body, *hold, (missing.stream, missing.reason as u8), range);
                (kind::MISSING, false, body)
            }
            Self::Gap { hold, gap } => {
                put_stretch(&mut body, *hold, (gap.stream, gap.reason as u8), gap.range);
                (kind::HELD_GAP, false, body)
            }
            Self::Leaf(leaf) => {
                body.u64(leaf.hold.0);
                leaf.encode(&mut body);
                (kind::HELD_LEAF, false, body)
            }
        }
    }

    /// The record of this type with this body; `None` when there is none.
    pub(crate) fn decode(kind: u16, restated: bool, body: &mut Take<'_>) -> Option<Self> {
        let hold = HoldId(body.u64()?);
        match kind {
            kind::HOLD => {
                let (key_id, by_account, utc) = (body.u32()?, body.u32()?, UtcNanos(body.i64()?));
                let request = serde_json::from_slice(body.0).ok()?;
                Some(Self::Hold { hold, key_id, request, placed: HoldPlaced { utc, by_account }, restated })
            }
            kind::RELEASE => Some(Self::Release { hold, released: serde_json::from_slice(body.0).ok()? }),
            kind::COPIED => {
                let (disk, generation) = (DiskId(body.array()?), body.u64()?);
                let (seq_from, seq_to) = (body.u64()?, body.u64()?);
                let origin = (DiskId(body.array()?), body.u64()?);
                Some(Self::Copied(Copied { hold, disk, generation, seq_from, seq_to, origin }))
            }
            kind::MISSING => {
                let (stream, reason, range) = take_stretch(body)?;
                let reason = MissingReason::from_number(reason)?;
                let missing = MissingFootage { stream, start: range.start, end: range.end, reason };
                Some(Self::Missing { hold, missing })
            }
            kind::HELD_GAP => {
                let (stream, reason, range) = take_stretch(body)?;
                Some(Self::Gap { hold, gap: Gap { stream, range, reason: GapReason::from_number(reason)? } })
            }
            kind::HELD_LEAF => HeldLeaf::decode(hold, body).map(Self::Leaf),
            _ => None,
        }
    }
}

fn json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain structs with text keys always encode")
}

fn put_stretch(body: &mut Vec<u8>, hold: HoldId, of: (StreamId, u8), range: TimeRange) {
    body.u64(hold.0);
    body.u32(of.0.to_u32());
    body.u8(of.1);
    body.zeros(3);
    body.i64(range.start.0);
    body.i64(range.end.0);
}

fn take_stretch(body: &mut Take<'_>) -> Option<(StreamId, u8, TimeRange)> {
    let (stream, reason) = (StreamId::from_u32(body.u32()?)?, body.u8()?);
    body.slice(3)?;
    Some((stream, reason, TimeRange::new(UtcNanos(body.i64()?), UtcNanos(body.i64()?))?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::leaf::LeafOf;
    use super::*;
    use watchbook_base::{CameraId, TrackRole};

    pub(crate) fn samples() -> Vec<VaultRecord> {
        let stream = CameraId::new(7).unwrap().stream(TrackRole::SubVideo);
        let (hold, range) = (HoldId(5), TimeRange { start: UtcNanos(-3), end: UtcNanos(9) });
        let cameras = [CameraId::new(7).unwrap(), CameraId::new(9).unwrap()].into();
        let request = HoldRequest { case: "2026/117".into(), cameras, range, note: "ស".into(), by_account: 3 };
        let placed = HoldPlaced { utc: UtcNanos(77), by_account: 3 };
        let released = HoldReleased { utc: UtcNanos(78), by_account: 4, reason: "closed".into() };
        let missing = MissingFootage { stream, start: range.start, end: range.end, reason: MissingReason::Damaged };
        vec![
            VaultRecord::Hold { hold, key_id: 12, request: request.clone(), placed, restated: false },
            VaultRecord::Hold { hold, key_id: 12, request, placed, restated: true },
            VaultRecord::Release { hold, released },
            VaultRecord::Copied(Copied {
                hold,
                disk: DiskId([3; 16]),
                generation: 8,
                seq_from: 9,
                seq_to: 10,
                origin: (DiskId([4; 16]), 11),
            }),
            VaultRecord::Missing { hold, missing },
            VaultRecord::Gap { hold, gap: Gap { stream, range, reason: GapReason::Disk } },
            VaultRecord::Leaf(HeldLeaf {
                hold,
                of: LeafOf { stream, recording: 4, leaf: 1 << 40, total: 2 },
                range,
                first: 0,
                hashes: vec![[7; 32], [8; 32]],
            }),
        ]
    }

    #[test]
    fn records_survive_storage_and_short_ones_are_none() {
        for record in samples() {
            let (kind, restated, body) = record.encode();
            assert_eq!(VaultRecord::decode(kind, restated, &mut Take(&body)), Some(record));
            for len in 0..body.len() {
                assert_eq!(VaultRecord::decode(kind, restated, &mut Take(&body[..len])), None, "{kind} cut at {len}");
            }
        }
    }
}
