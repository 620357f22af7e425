//! A run whose bytes are not what was written: what the scrub and readers find, as a record of the log.

use crate::codec::{Put, Take};
use watchbook_base::{StreamId, TimeRange, UtcNanos};

/// Bytes of the record's body.
pub(crate) const DAMAGED_RUN_BYTES: usize = 56;

/// What is wrong with a run. The numbers are stored and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DamageKind {
    /// The disk does not give its bytes back.
    Unreadable = 0,
    /// Its bytes are not those that were written: the checksum does not match.
    Checksum = 1,
    /// Its checksum matches and its hash does not: sample table and bytes do not belong together.
    Digest = 2,
    /// Its bytes are whole, and the commit that describes them is not. It is shown as long as the index knows it.
    Description = 3,
}

impl DamageKind {
    /// Every kind, in the order of the numbers.
    pub const ALL: [Self; 4] = [Self::Unreadable, Self::Checksum, Self::Digest, Self::Description];

    /// The kind with this stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// What was found, in plain English.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Unreadable => "the disk does not give these bytes back",
            Self::Checksum => "these bytes are not what was recorded: the checksum does not match",
            Self::Digest => "these bytes are not what was recorded: the hash does not match",
            Self::Description => "these pictures are whole, but the log's description of them is damaged",
        }
    }
}

/// A damaged run, or, when its own extent is not known any more, the part of a span that it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedRun {
    /// Whose footage.
    pub stream: StreamId,
    /// From its first sample to the end of its last one.
    pub range: TimeRange,
    /// What is wrong.
    pub kind: DamageKind,
    /// Segment file that it lies in.
    pub slot: u32,
    /// Generation of that segment.
    pub generation: u64,
    /// Of its payload in the segment file.
    pub offset: u64,
    /// When it was found.
    pub found: UtcNanos,
}

impl DamagedRun {
    /// The middle of what it shows: whoever has that has the run.
    pub(crate) fn middle(&self) -> UtcNanos {
        let TimeRange { start, end } = self.range;
        start.plus_nanos(end.nanos_since(start).max(0) / 2)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(DAMAGED_RUN_BYTES);
        body.u32(self.stream.to_u32());
        body.u8(self.kind as u8);
        body.zeros(3);
        body.u32(self.slot);
        body.u32(0);
        body.u64(self.generation);
        body.u64(self.offset);
        body.i64(self.range.start.0);
        body.i64(self.range.end.0);
        body.i64(self.found.0);
        body
    }

    pub(super) fn decode(body: &mut Take<'_>) -> Option<Self> {
        let stream = StreamId::from_u32(body.u32()?)?;
        let kind = DamageKind::from_number(body.u8()?)?;
        body.slice(3)?;
        let slot = body.u32()?;
        body.u32()?;
        let (generation, offset) = (body.u64()?, body.u64()?);
        let range = TimeRange::new(UtcNanos(body.i64()?), UtcNanos(body.i64()?))?;
        Some(Self { stream, range, kind, slot, generation, offset, found: UtcNanos(body.i64()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Record;
    use watchbook_base::{CameraId, TrackRole};

    #[test]
    fn a_damaged_run_survives_storage_and_a_kind_of_a_later_program_is_skipped() {
        for (number, kind) in DamageKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
            let run = DamagedRun {
                stream: CameraId::new(9).unwrap().stream(TrackRole::SubVideo),
                range: TimeRange { start: UtcNanos(-5), end: UtcNanos(77) },
                kind,
                slot: 3,
                generation: 1 << 40,
                offset: 4096,
                found: UtcNanos(99),
            };
            let mut bytes = Vec::new();
            Record::Damage(run).encode(2, &mut bytes);
            assert_eq!(bytes.len(), Record::Damage(run).stored_bytes());
            assert_eq!(Record::take(&mut Take(&bytes)), Some((2, Record::Damage(run))));
            bytes[crate::format::RECORD_HEAD_BYTES + 4] = 200;
            assert_eq!(
                Record::take(&mut Take(&bytes)),
                Some((2, Record::Unknown(crate::format::record::kind::DAMAGE)))
            );
        }
    }
}
