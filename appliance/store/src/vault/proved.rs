//! How much of a hold's copy can be proved by what lies beside it, when the rings have none of it any more.

use super::hold::{HoldId, HoldRequest};
use super::leaf::leaf_ranges;
use super::leaves::sound_generations;
use super::look::streams_of;
use super::plan::copied_range;
use super::source::Source;
use super::state::OpenVault;
use crate::error::Result;
use watchbook_base::TimeRange;

/// A stretch without a leaf between two others has a run at least, of some hundred milliseconds; between leaves that follow each other lie roundings.
const ROUNDING_NANOS: i64 = 50_000_000;

/// Looks again at holds of which something was copied or lost since.
///
/// # Errors
/// When the index of the vault cannot be read.
pub(super) fn look(vault: &OpenVault) -> Result<()> {
    let due: Vec<(HoldId, HoldRequest, (u64, usize))> = {
        let state = vault.state();
        let settled = state.holds.iter().filter(|(_, hold)| hold.is_active() && hold.settled);
        let measured = settled.map(|(id, hold)| {
            let files = state.files_of(*id);
            let bytes = state.slots_of(*id).iter().map(|(_, slot)| slot.bytes).sum();
            (*id, hold, (bytes, files.len()))
        });
        let due = measured.filter(|(_, hold, size)| hold.unproven.is_none_or(|(of, _)| of != *size));
        due.map(|(id, hold, size)| (id, hold.logged.request.clone(), size)).collect()
    };
    for (id, request, size) in due {
        let unproven = unproven_nanos(vault, (id, &request))?;
        if let Some(hold) = vault.state().holds.get_mut(&id) {
            hold.unproven = Some((size, unproven));
        }
    }
    Ok(())
}

/// Held footage of all streams together of which the vault has no whole leaf.
fn unproven_nanos(vault: &OpenVault, (hold, request): (HoldId, &HoldRequest)) -> Result<i64> {
    let generations = sound_generations(vault, hold);
    let source = Source { part: vault.part.clone(), shared: None };
    let range = copied_range(request.range);
    let mut nanos: i64 = 0;
    for stream in streams_of(&request.cameras) {
        let mut spans = source.spans(stream, range)?.0;
        spans.retain(|span| generations.contains(&span.generation));
        if spans.is_empty() {
            continue;
        }
        let leaves = leaf_ranges(&*vault.kv, stream, range)?;
        for span in spans {
            let of_span = leaves.iter().filter(|(recording, _)| *recording == span.recording).map(|(_, range)| *range);
            nanos = nanos.saturating_add(outside(span.range, of_span.collect()));
        }
    }
    Ok(nanos)
}

/// How much of `range` lies in none of `others`.
fn outside(range: TimeRange, mut others: Vec<TimeRange>) -> i64 {
    others.sort_by_key(|other| other.start);
    let (mut at, mut nanos) = (range.start, 0);
    for other in others.into_iter().chain([TimeRange { start: range.end, end: range.end }]) {
        let hole = other.start.min(range.end).nanos_since(at);
        nanos += if hole > ROUNDING_NANOS { hole } else { 0 };
        at = at.max(other.end);
    }
    nanos
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::UtcNanos;

    #[test]
    fn what_lies_between_leaves_is_unproven_and_roundings_are_not() {
        const MS: i64 = 1_000_000;
        let range = |start, end| TimeRange { start: UtcNanos(start * MS), end: UtcNanos(end * MS) };
        let of = |others: &[(i64, i64)]| {
            outside(range(1000, 5000), others.iter().map(|(a, b)| range(*a, *b)).collect()) / MS
        };
        assert_eq!(of(&[]), 4000);
        assert_eq!(of(&[(0, 9000)]), 0);
        assert_eq!(of(&[(3000, 9000), (0, 2990)]), 0, "ten milliseconds");
        assert_eq!(of(&[(3000, 4000), (0, 2500)]), 1500);
        assert_eq!(of(&[(5000, 9000), (0, 1000)]), 4000);
        assert_eq!(of(&[(0, 4800), (1000, 2000)]), 200, "one within another");
    }
}
