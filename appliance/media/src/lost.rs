//! Leaving out footage that cannot be read any more: the lost samples, and those behind them that need them to be decoded.

use crate::error::Error;
use crate::selection::{Slice, read_table};
use crate::span::{RecordingId, SpanSource};
use core::ops::Range;
use watchbook_base::{Kind, Ticks90k, TimeRange, UtcNanos};

/// Two roundings of one moment from ticks to nanoseconds differ by less than a tick.
const ROUNDING: Ticks90k = Ticks90k(1);

/// `slices` without what `source` says is lost. What follows a lost sample up to the next key sample of its recording goes too.
///
/// # Errors
/// What `source` reports for a table; `Corrupt` when nothing is left.
pub(crate) fn spared(slices: Vec<Slice>, source: &dyn SpanSource) -> Result<Vec<Slice>, Error> {
    let Some(first) = slices.first() else { return Ok(slices) };
    let stream = first.span.stream;
    let lost = source.lost(stream);
    if lost.is_empty() {
        return Ok(slices);
    }
    let mut left = Vec::with_capacity(slices.len());
    // The recording whose next sample cannot be decoded.
    let mut broken: Option<RecordingId> = None;
    for slice in slices {
        let recording = slice.span.recording;
        let range = TimeRange { start: slice.utc_of(slice.first_dts), end: slice.utc_of(slice.end_dts) };
        if broken != Some(recording) && !lost.iter().any(|lost| lost.overlaps(range)) {
            broken = None;
            left.push(slice);
            continue;
        }
        let table = read_table(source, &slice.span)?;
        let (kept, ends_broken) = kept(&slice, &table, lost, broken == Some(recording));
        left.extend(kept.into_iter().filter_map(|keep| Slice::cut(&slice.span, &table, keep)));
        broken = ends_broken.then_some(recording);
    }
    if left.is_empty() {
        let message = format!("planning a file of {stream}: all of its footage in this range is damaged");
        return Err(Error { kind: Kind::Corrupt, message });
    }
    Ok(left)
}

/// Which samples of `slice` stay, and whether the one behind it cannot be decoded.
fn kept(
    slice: &Slice,
    table: &crate::span::SpanTable,
    lost: &[TimeRange],
    mut broken: bool,
) -> (Vec<Range<u32>>, bool) {
    let mut kept: Vec<Range<u32>> = Vec::new();
    for (index, (_, sample)) in (0_u32..).zip(table.samples()) {
        if !slice.samples.contains(&index) {
            continue;
        }
        let utc = slice.utc_of(sample.dts.0);
        broken = is_lost(lost, utc) || (broken && !sample.key);
        match kept.last_mut() {
            _ if broken => {}
            Some(open) if open.end == index => open.end = index + 1,
            _ => kept.push(index..index + 1),
        }
    }
    (kept, broken)
}

fn is_lost(lost: &[TimeRange], utc: UtcNanos) -> bool {
    let early = |moment: UtcNanos| moment.plus_ticks(Ticks90k(-ROUNDING.0));
    lost.iter().any(|range| early(range.start) <= utc && utc < early(range.end))
}
