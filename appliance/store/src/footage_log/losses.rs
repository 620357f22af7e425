//! What a ring has lost of what was logged, as long as people are to hear of it.

use crate::error::Result;
use crate::format::DiskId;
use crate::register::{Loss, Register};
use crate::ring::Ring;
use crate::writer::Shared;
use watchbook_base::UtcNanos;

/// For so long a loss is an alarm; the audit log tells of it for ever.
const TOLD_NANOS: i64 = 30 * 86_400 * 1_000_000_000;

/// Losses of one ring.
#[derive(Default)]
pub(super) struct Losses(Option<Vec<Loss>>);

impl Losses {
    /// # Errors
    /// When the register cannot be read.
    pub(super) fn of(register: &Register, disk: DiskId) -> Result<Self> {
        Ok(Self(Some(register.footage_losses(disk)?)))
    }

    /// The register was asked since the start: what has been lost at it is noted.
    pub(super) fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// What people are told `now`; nothing when the last loss is long ago.
    pub(super) fn alarm(&self, now: UtcNanos) -> Option<String> {
        let recent = |loss: &&Loss| now.nanos_since(loss.found) < TOLD_NANOS;
        let recent: Vec<&Loss> = self.0.iter().flatten().filter(recent).collect();
        let last = recent.last()?;
        let more = match recent.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} times before)"),
        };
        Some(format!(
            "this disk ended before what the audit log tells of it: commits {} to {}, found missing on {}{more}. Entry {} of the audit log says so. Find out who had the disk or its files since the last backup and whether an old copy was put back; if nobody had, the disk loses what it has stored, so replace it",
            last.from_seq,
            last.to_seq.saturating_sub(1),
            last.found,
            last.entry
        ))
    }
}

/// Behind the last commit of a ring that has just been recovered. Closed segments may hold commits that wait for their keys: they are no loss.
pub(super) fn recovered_end(ring: &Ring, shared: &Shared) -> u64 {
    let acknowledged = shared.pending().stats.last_seq + 1;
    let newest = ring.slots.all().max_by_key(|(_, generation)| *generation);
    let header = newest.filter(|(_, generation)| *generation > 0).and_then(|(slot, _)| ring.header(slot));
    acknowledged.max(header.map_or(0, |header| header.first_seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_told_for_thirty_days() {
        let loss = |entry, found| {
            let (disk, entries) = (DiskId([1; 16]), None);
            Loss { disk, entry, found: UtcNanos(found), from_seq: 7, to_seq: 9, told_from_seq: 5, entries }
        };
        let losses = Losses(Some(vec![loss(3, 0), loss(4, 86_400_000_000_000)]));
        let told = losses.alarm(UtcNanos(TOLD_NANOS - 1)).unwrap();
        assert!(
            told.contains("commits 7 to 8,") && told.contains("1 times before") && told.contains("Entry 4"),
            "{told}"
        );
        let later = losses.alarm(UtcNanos(TOLD_NANOS)).unwrap();
        assert!(!later.contains("before)") && later.contains("Entry 4"), "{later}");
        assert_eq!(losses.alarm(UtcNanos(TOLD_NANOS + 86_400_000_000_000)), None);
    }
}
