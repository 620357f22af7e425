//! What of the rings is in the audit log: written in the same batch as the leaves, so that nothing is logged twice or left out.
//!
//! Table `audit_footage`:
//! * disk 16 bytes → first commit that is not logged u64, generation of the last stretch u64. Little-endian, as all values.
//! * disk 16 bytes, generation u64 big-endian, first commit u64 big-endian → slot u32, first commit behind it u64, number of its first leaf u64, leaves of segments u32; the leaves of gaps
//!   follow them in the log.
//!
//! Table `audit_state`: `gap/`, disk 16 bytes, stream u32 big-endian → beginning of a gap that goes on i64, up to when the log tells of it i64.
//!
//! Table `audit_gaps`: stream u32 big-endian, beginning (ordered), number of the leaf u64 big-endian → end i64.

use super::{AUDIT_FOOTAGE, AUDIT_GAPS, AUDIT_STATE, Register};
use crate::catalog::rows::{decode_stream_time, stream_time};
use crate::codec::{count, wide};
use crate::error::{Error, Result};
use crate::footage_log::SoFar;
use crate::format::DiskId;
use crate::kv::{Batch, Keys, collect};
use watchbook_base::{GapReason, Kind, StreamId, TimeRange, UtcNanos};
use watchbook_evidence::record::Record;

/// How keys of gaps that go on begin.
const SO_FAR_PREFIX: &[u8] = b"gap/";
/// Rows behind which a search for leaves of gaps ends when all of them lie before the time that is asked for: those of one disk follow each other, those of several may overlap.
const GAPS_PASSED_MAX: u32 = 64;
/// Most leaves of gaps that one search gives; a bundle has as many.
pub const GAP_LEAVES_MAX: usize = 65_536;

/// Commits of one segment that are logged together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Whose ring.
    pub disk: DiskId,
    /// Of the segment.
    pub generation: u64,
    /// File number of the segment.
    pub slot: u32,
    /// First commit.
    pub from_seq: u64,
    /// First commit behind it.
    pub to_seq: u64,
}

/// A stretch and its leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedStretch {
    /// Which commits.
    pub stretch: Stretch,
    /// Number of its first leaf. The others follow, by stream and recording.
    pub first_leaf: u64,
    /// How many leaves of segments it has.
    pub leaves: u32,
}

/// What is logged together with a stretch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FootageLeaves {
    /// Bodies of the leaves of its recordings, by stream and recording.
    pub(crate) segments: Vec<Vec<u8>>,
    /// Gaps of which it tells.
    pub(crate) gaps: Vec<ToldGap>,
}

/// A gap, or a piece of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ToldGap {
    /// Without footage.
    pub(crate) stream: StreamId,
    /// Beginning of the whole gap, in ns UTC.
    pub(crate) start: i64,
    /// Beginning of what is told now.
    pub(crate) from: i64,
    /// End of it; before the beginning where a clock was put back.
    pub(crate) to: i64,
    /// Why there is no footage.
    pub(crate) reason: GapReason,
    /// More of it follows.
    pub(crate) goes_on: bool,
}

impl ToldGap {
    fn body(&self) -> Vec<u8> {
        let reason = serde_json::to_value(self.reason).ok();
        let reason = reason.as_ref().and_then(|name| name.as_str()).unwrap_or_default().to_owned();
        let (start_ns, end_ns) = (self.from.to_string(), self.to.to_string());
        Record::Gap { end_ns, reason, start_ns, stream: self.stream.to_u32() }.body()
    }

    /// Notes that leaf `index` tells of it, and how much of it is told.
    fn note(&self, batch: &mut Batch, disk: DiskId, index: u64) {
        let key = [&stream_time(self.stream, UtcNanos(self.from))[..], &index.to_be_bytes()].concat();
        batch.put(AUDIT_GAPS, key, self.to.to_le_bytes());
        let so_far = [SO_FAR_PREFIX, &disk.0, &self.stream.to_u32().to_be_bytes()].concat();
        match self.goes_on {
            true => batch.put(AUDIT_STATE, so_far, [self.start.to_le_bytes(), self.to.to_le_bytes()].concat()),
            false => batch.delete(AUDIT_STATE, so_far),
        }
    }
}

/// Where in the audit log a gap of footage, or a piece of one, is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapLeaf {
    /// Its number in the log.
    pub leaf: u64,
    /// What of the gap it tells; its end is before its start where a clock was put back, and the range is empty then.
    pub range: TimeRange,
}

/// How far a ring is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Logged {
    /// First commit that is not.
    pub(crate) next_seq: u64,
    /// Segment of the last stretch.
    pub(crate) generation: u64,
}

impl Logged {
    fn encode(self) -> Vec<u8> {
        [self.next_seq.to_le_bytes(), self.generation.to_le_bytes()].concat()
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let (next_seq, generation) = value.split_first_chunk::<8>()?;
        let generation = u64::from_le_bytes(generation.try_into().ok()?);
        Some(Self { next_seq: u64::from_le_bytes(*next_seq), generation })
    }
}

impl LoggedStretch {
    pub(super) fn key(&self) -> Vec<u8> {
        let Stretch { disk, generation, from_seq, .. } = &self.stretch;
        [&disk.0[..], &generation.to_be_bytes(), &from_seq.to_be_bytes()].concat()
    }

    pub(super) fn value(&self) -> Vec<u8> {
        let Stretch { slot, to_seq, .. } = &self.stretch;
        [&slot.to_le_bytes()[..], &to_seq.to_le_bytes(), &self.first_leaf.to_le_bytes(), &self.leaves.to_le_bytes()]
            .concat()
    }

    pub(super) fn decode(key: &[u8], value: &[u8]) -> Option<Self> {
        let (disk, key) = key.split_first_chunk::<16>()?;
        let (generation, from_seq) = key.split_first_chunk::<8>()?;
        let (slot, value) = value.split_first_chunk::<4>()?;
        let (to_seq, value) = value.split_first_chunk::<8>()?;
        let (first_leaf, leaves) = value.split_first_chunk::<8>()?;
        let stretch = Stretch {
            disk: DiskId(*disk),
            generation: u64::from_be_bytes(*generation),
            slot: u32::from_le_bytes(*slot),
            from_seq: u64::from_be_bytes(from_seq.try_into().ok()?),
            to_seq: u64::from_le_bytes(*to_seq),
        };
        let leaves = u32::from_le_bytes(leaves.try_into().ok()?);
        Some(Self { stretch, first_leaf: u64::from_le_bytes(*first_leaf), leaves })
    }
}

pub(super) fn corrupt(disk: DiskId) -> Error {
    Error::corrupt(format!("what the register says of the log of disk {disk} does not decode"))
}

impl Register {
    /// Appends the leaves of a stretch, and notes that the ring is logged up to its end: both or nothing, durable when it returns. A stretch without commits may tell of gaps. Returns
    /// the number of the first leaf.
    ///
    /// # Errors
    /// `Conflict` when the ring is logged beyond the beginning of the stretch already; what the disk says.
    pub(crate) fn append_footage(&self, stretch: &Stretch, leaves: FootageLeaves) -> Result<u64> {
        let FootageLeaves { segments, gaps } = leaves;
        let of_segments = segments.len();
        let bodies = segments.into_iter().chain(gaps.iter().map(ToldGap::body)).collect();
        self.append_leaves(bodies, |batch, first_leaf| {
            let logged = self.footage_logged(stretch.disk)?.unwrap_or_default();
            if logged.next_seq > stretch.from_seq {
                return Err(Error::new(
                    Kind::Conflict,
                    format!("logging commit {} of disk {}: it is logged already", stretch.from_seq, stretch.disk),
                ));
            }
            note(batch, stretch.disk, Logged { next_seq: stretch.to_seq, generation: stretch.generation });
            let logged = LoggedStretch { stretch: *stretch, first_leaf, leaves: count(of_segments) };
            if of_segments > 0 {
                batch.put(AUDIT_FOOTAGE, logged.key(), logged.value());
            }
            for (at, gap) in gaps.iter().enumerate() {
                gap.note(batch, stretch.disk, first_leaf + wide(of_segments + at));
            }
            Ok(())
        })
    }

    /// Gaps on `disk` that went on when the log last told of them.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub(crate) fn gaps_so_far(&self, disk: DiskId) -> Result<SoFar> {
        let mut so_far = SoFar::new();
        let prefix = [SO_FAR_PREFIX, &disk.0].concat();
        for (key, value) in collect(&*self.kv, AUDIT_STATE, &Keys::prefix(&prefix))? {
            let stream = key.last_chunk::<4>().and_then(|stream| StreamId::from_u32(u32::from_be_bytes(*stream)));
            let times = value.split_first_chunk::<8>().and_then(|(start, to)| Some((*start, to.try_into().ok()?)));
            let (stream, (start, to)) = stream.zip(times).ok_or_else(|| corrupt(disk))?;
            so_far.insert(stream, (i64::from_le_bytes(start), i64::from_le_bytes(to)));
        }
        Ok(so_far)
    }

    /// The leaves of gaps of `stream` that share a moment with `range`, by beginning, as the logs of all disks told them: where one disk had a gap another may have footage. A gap that goes on is told
    /// of up to the last time that leaves were written. A clock that was put back is told of where it was before. At most [`GAP_LEAVES_MAX`], the newest.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn gap_leaves(&self, stream: StreamId, range: TimeRange) -> Result<Vec<GapLeaf>> {
        let (mut found, mut passed) = (Vec::new(), 0);
        let keys = Keys::between(stream_time(stream, UtcNanos(i64::MIN)), stream_time(stream, range.end)).reversed();
        self.kv.scan(AUDIT_GAPS, &keys, &mut |key, end| {
            let begins = key.get(..12).and_then(decode_stream_time).map(|(_, utc)| utc.0);
            let row = (begins, key.last_chunk::<8>(), <[u8; 8]>::try_from(end));
            let (Some(start), Some(leaf), Ok(end)) = row else { return true };
            let end = i64::from_le_bytes(end);
            if start.max(end) <= range.start.0 {
                passed += 1;
                return passed < GAPS_PASSED_MAX;
            }
            let range = TimeRange { start: UtcNanos(start), end: UtcNanos(end) };
            found.push(GapLeaf { leaf: u64::from_be_bytes(*leaf), range });
            found.len() < GAP_LEAVES_MAX
        })?;
        found.reverse();
        Ok(found)
    }

    /// How far the ring of `disk` is logged.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub(crate) fn footage_logged(&self, disk: DiskId) -> Result<Option<Logged>> {
        let value = self.kv.get(AUDIT_FOOTAGE, &disk.0)?;
        value.map(|value| Logged::decode(&value).ok_or_else(|| corrupt(disk))).transpose()
    }

    /// What of one segment of `disk` is logged, in log order.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn footage_stretches(&self, disk: DiskId, generation: u64) -> Result<Vec<LoggedStretch>> {
        let prefix = [&disk.0[..], &generation.to_be_bytes()].concat();
        let rows = collect(&*self.kv, AUDIT_FOOTAGE, &Keys::prefix(&prefix))?;
        rows.iter().map(|(key, value)| LoggedStretch::decode(key, value).ok_or_else(|| corrupt(disk))).collect()
    }

    /// The leaf that holds the runs of `recording` in commit `seq` of a segment of `disk`; `None`: it is not logged yet, or never was. Reads the leaves of one stretch.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn footage_leaf(&self, place: (DiskId, u64, u64), stream: u32, recording: u64) -> Result<Option<u64>> {
        let (disk, generation, seq) = place;
        let stretches = self.footage_stretches(disk, generation)?;
        let covers = |logged: &&LoggedStretch| (logged.stretch.from_seq..logged.stretch.to_seq).contains(&seq);
        let Some(logged) = stretches.iter().find(covers) else { return Ok(None) };
        for index in logged.first_leaf..logged.first_leaf + u64::from(logged.leaves) {
            let rows = self.audit_entries(index, 1)?;
            let says = rows.first().and_then(|row| Record::parse(&row.leaf.body));
            if let Some(Record::Segment { recording: of, stream: from, .. }) = says
                && (of, from) == (recording, stream)
            {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }
}

pub(super) fn note(batch: &mut Batch, disk: DiskId, logged: Logged) {
    batch.put(AUDIT_FOOTAGE, disk.0, logged.encode());
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;
    use crate::kv::model::ModelKv;
    use watchbook_access::AuditLog as _;

    const DISK: DiskId = DiskId([7; 16]);

    fn stretch(from_seq: u64, to_seq: u64) -> Stretch {
        Stretch { disk: DISK, generation: 5, slot: 2, from_seq, to_seq }
    }

    fn bodies(streams: core::ops::Range<u32>) -> FootageLeaves {
        let body = |stream| Record::Segment { recording: 3, root: "00".to_owned(), runs: 1, stream }.body();
        FootageLeaves { segments: streams.map(body).collect(), gaps: Vec::new() }
    }

    #[test]
    fn leaves_of_gaps_are_found_by_time_and_what_goes_on_is_remembered() {
        let kv = ModelKv::new();
        let register = register(&kv);
        let stream = StreamId::from_u32(257).unwrap();
        let gap =
            |start, from, to, goes_on| ToldGap { stream, start, from, to, reason: GapReason::CameraGone, goes_on };
        let told = |gaps: Vec<ToldGap>| FootageLeaves { gaps, ..bodies(0..2) };
        register.append_footage(&stretch(1, 9), told(vec![gap(-50, -50, 10, false), gap(20, 20, 30, true)])).unwrap();
        let other = ToldGap { stream: StreamId::from_u32(513).unwrap(), ..gap(0, 0, 90, false) };
        register
            .append_footage(
                &stretch(9, 9),
                FootageLeaves { gaps: vec![other, gap(20, 30, 40, true)], segments: Vec::new() },
            )
            .unwrap();
        assert_eq!(self::register(&kv).gaps_so_far(DISK).unwrap(), SoFar::from([(stream, (20, 40))]));
        register.append_footage(&stretch(9, 12), told(vec![gap(20, 40, 55, false)])).unwrap();
        assert!(register.gaps_so_far(DISK).unwrap().is_empty());
        let found = |start, end| {
            let range = TimeRange { start: UtcNanos(start), end: UtcNanos(end) };
            let leaves = register.gap_leaves(stream, range).unwrap();
            leaves.iter().map(|gap| (gap.leaf, gap.range.start.0, gap.range.end.0)).collect::<Vec<_>>()
        };
        assert_eq!(found(-90, 90), [(2, -50, 10), (3, 20, 30), (5, 30, 40), (8, 40, 55)]);
        assert_eq!((found(9, 20), found(10, 20), found(39, 41).len()), (vec![(2, -50, 10)], vec![], 2));
        let body = r#"{"kind":"gap","end_ns":"10","reason":"camera_gone","start_ns":"-50","stream":257}"#;
        assert_eq!(register.audit_entries(2, 1).unwrap()[0].json().unwrap(), body);
        assert_eq!(register.footage_leaf((DISK, 5, 10), 1, 3).unwrap(), Some(7), "stretches know their segments");
    }

    #[test]
    fn leaves_that_come_together_are_in_one_tree_with_those_that_come_alone() {
        use watchbook_evidence::merkle::{prove_inclusion, root_of};
        let kv = ModelKv::new();
        let register = register(&kv);
        let mut seq = 1;
        // Batches that end before, on and behind the end of a tile, and one over two of them.
        for leaves in [1, 254, 0, 2, 255, 256, 600, 3] {
            register.append_footage(&stretch(seq, seq + 2), bodies(0..leaves)).unwrap();
            register.append(&entry(leaves)).unwrap();
            seq += 2;
        }
        let size = register.audit_root().size;
        assert_eq!(size, 1371 + 8);
        let hashes = register.audit_hashes(size).unwrap();
        assert_eq!(register.audit_root().hash, root_of(&hashes));
        assert_eq!(register.verify().unwrap(), register.audit_root());
        for index in [0, 255, 256, 511, 700, 1023, 1024, 1378] {
            let path = register.audit_inclusion(index, size).unwrap();
            assert_eq!(Some(path), prove_inclusion(&hashes, usize::try_from(index).unwrap()), "{index}");
        }
        assert_eq!(self::register(&kv).verify().unwrap(), register.audit_root(), "and it is there at the next start");
    }

    #[test]
    fn a_stretch_is_logged_once_and_its_leaves_are_found() {
        let kv = ModelKv::new();
        let register = register(&kv);
        register.append(&entry(1)).unwrap();
        assert_eq!(register.append_footage(&stretch(1, 9), bodies(0..4)).unwrap(), 1);
        let again = register.append_footage(&stretch(8, 12), bodies(0..4)).unwrap_err();
        assert_eq!((again.kind, register.audit_root().size), (Kind::Conflict, 5));
        kv.break_writes(true);
        assert!(register.append_footage(&stretch(9, 12), bodies(0..4)).is_err());
        kv.break_writes(false);
        let after = self::register(&kv);
        assert_eq!(after.footage_logged(DISK).unwrap(), Some(Logged { next_seq: 9, generation: 5 }));
        after.append_footage(&stretch(9, 12), bodies(2..4)).unwrap();
        let leaf = |seq, stream| after.footage_leaf((DISK, 5, seq), stream, 3).unwrap();
        assert_eq!(
            (leaf(8, 2), leaf(9, 2), leaf(11, 3), leaf(9, 0), leaf(12, 2)),
            (Some(3), Some(5), Some(6), None, None)
        );
        assert_eq!(after.footage_stretches(DISK, 5).unwrap().len(), 2);
        assert_eq!(after.footage_stretches(DISK, 4).unwrap(), []);
    }
}
