//! Where footage may look wrong because something of it was lost on its way. Pure.
//!
//! A decoder that misses a picture goes on with the ones before it, so what it shows may be wrong from the last sample before a loss to the next key sample
//! (ITU-T H.264 §8.2.1: pictures refer to others, none across an IDR picture). Pictures that refer to nothing, such as JPEG, are only missing until the next one.

use crate::error::Error;
use crate::span::{Sample, SpanSource, SpanSummary, SpanTable};
use std::sync::Arc;
use watchbook_base::{Kind, Ticks90k, TimeRange, UtcNanos};

/// An interval whose pictures may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Impaired {
    /// From the decode time of the last sample before a loss to that of the next key sample, or to the recording's end.
    pub range: TimeRange,
    /// What is missing in it: the sum of [`Sample::lost_before`].
    pub lost: u64,
}

/// Impaired intervals of `spans` (one stream, in order of time), in order of time; those that touch are one. Reads the tables of spans with `has_lost`, and of the
/// ones beside them as far as an interval reaches there. A loss before the first sample that is there begins at that sample; the interval is empty when that one is key.
///
/// A span whose space the ring has reused meanwhile is passed over; one whose table is damaged is impaired as a whole.
///
/// # Errors
/// What `source` reports otherwise.
pub fn impaired(spans: &[SpanSummary], source: &dyn SpanSource) -> Result<Vec<Impaired>, Error> {
    let mut scan = Scan::default();
    let mut before: Option<&SpanSummary> = None;
    for span in spans {
        let follows = before.filter(|before| touches(before, span));
        if follows.is_none() {
            scan.cut();
        }
        before = Some(span);
        if span.has_lost
            && scan.last.is_none()
            && let Some(before) = follows
        {
            // Its last sample is the one before a loss at this span's beginning.
            scan.last = table(before, source)?.and_then(Result::ok).and_then(|table| last_of(before, &table));
        }
        if !span.has_lost && scan.open.is_none() {
            scan.pass(span);
            continue;
        }
        match table(span, source)? {
            Some(Ok(table)) => scan.span(span, &table),
            Some(Err(())) => scan.whole(span),
            None => scan.pass(span),
        }
    }
    scan.cut();
    Ok(scan.found)
}

/// At most `max` intervals (1 or more) that cover all of `list`, which is in order of time: those with the shortest time between them become one. `true` when some were.
#[must_use]
pub fn merged(list: Vec<Impaired>, max: usize) -> (Vec<Impaired>, bool) {
    let Some(over) = list.len().checked_sub(max.max(1)).filter(|over| *over > 0) else { return (list, false) };
    let between = |pair: &[Impaired]| match pair {
        [a, b] => b.range.start.nanos_since(a.range.end),
        _ => i64::MAX,
    };
    let mut order: Vec<(i64, usize)> = list.windows(2).map(between).zip(1..).collect();
    order.sort_unstable();
    let mut joins = vec![false; list.len()];
    for (_, at) in order.into_iter().take(over) {
        if let Some(join) = joins.get_mut(at) {
            *join = true;
        }
    }
    let mut few: Vec<Impaired> = Vec::with_capacity(max);
    for (one, join) in list.into_iter().zip(joins) {
        match few.last_mut() {
            Some(last) if join => last.join(one),
            _ => few.push(one),
        }
    }
    (few, true)
}

impl Impaired {
    fn join(&mut self, next: Self) {
        self.range.end = self.range.end.max(next.range.end);
        self.lost = self.lost.saturating_add(next.lost);
    }
}

/// A table, `Err` when it is damaged, `None` when it is gone.
fn table(span: &SpanSummary, source: &dyn SpanSource) -> Result<Option<Result<Arc<SpanTable>, ()>>, Error> {
    match source.table(span) {
        Ok(table) => Ok(Some(Ok(table))),
        Err(error) if error.kind == Kind::NotFound => Ok(None),
        Err(error) if error.kind == Kind::Corrupt => Ok(Some(Err(()))),
        Err(error) => Err(error.into()),
    }
}

/// Whether `next` goes on where `span` ends.
fn touches(span: &SpanSummary, next: &SpanSummary) -> bool {
    span.stream == next.stream
        && span.recording == next.recording
        && next.first_dts.0.saturating_sub(span.end_dts.0) <= TOUCH.0
}

/// Neighbours of one recording touch; roundings are allowed this much. What is farther apart has lost a span in between.
const TOUCH: Ticks90k = Ticks90k(90_000);

fn utc_of(span: &SpanSummary, sample: &Sample) -> UtcNanos {
    span.start_utc.plus_ticks(Ticks90k(sample.dts.0.saturating_sub(span.first_dts.0)))
}

fn last_of(span: &SpanSummary, table: &SpanTable) -> Option<UtcNanos> {
    table.runs.last()?.samples.last().map(|sample| utc_of(span, sample))
}

/// What is known while the samples go by.
#[derive(Default)]
struct Scan {
    found: Vec<Impaired>,
    /// Begin of an interval whose end has not come, and what is lost in it.
    open: Option<(UtcNanos, u64)>,
    /// The newest sample of this recording; `None` when it was not looked at.
    last: Option<UtcNanos>,
    /// End of the newest span.
    end: Option<UtcNanos>,
}

impl Scan {
    fn span(&mut self, span: &SpanSummary, table: &SpanTable) {
        for sample in table.runs.iter().flat_map(|run| &run.samples) {
            let utc = utc_of(span, sample);
            if sample.lost_before > 0 {
                let (_, lost) = self.open.get_or_insert((self.last.unwrap_or(utc), 0));
                *lost += u64::from(sample.lost_before);
            }
            if sample.key {
                self.close(utc);
            }
            self.last = Some(utc);
        }
        self.end = Some(span.range().end);
    }

    /// A span without a loss that no interval reaches.
    fn pass(&mut self, span: &SpanSummary) {
        self.cut();
        self.end = Some(span.range().end);
    }

    fn whole(&mut self, span: &SpanSummary) {
        self.cut();
        let range = span.range();
        self.open = Some((range.start, 1));
        self.end = Some(range.end);
        self.cut();
    }

    /// What follows is not the next sample.
    fn cut(&mut self) {
        if let Some(end) = self.end {
            self.close(end);
        }
        self.last = None;
    }

    fn close(&mut self, end: UtcNanos) {
        let Some((start, lost)) = self.open.take() else { return };
        let one = Impaired { range: TimeRange { start, end: end.max(start) }, lost };
        match self.found.last_mut() {
            Some(last) if start <= last.range.end => last.join(one),
            _ => self.found.push(one),
        }
    }
}
