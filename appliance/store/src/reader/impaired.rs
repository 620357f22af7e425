//! Intervals whose pictures may be wrong because something was lost on its way here.

use super::{Footage, Reader};
use crate::error::{Error, Result};
use watchbook_access::Grant;
use watchbook_base::{StreamId, TimeRange};
use watchbook_media::{Impaired, SpanSummary, impaired};

/// Sample tables that are read for one list: those of six hours of which every minute has a loss, 2 MB. The page asks every few seconds, and of a longer time it has no pixel for
/// less than a minute.
const TABLES_MAX: usize = 400;
/// A loss so long before a range may impair its beginning: GOPs of cameras are 20 s at most.
const BEFORE_NANOS: i64 = 60 * 1_000_000_000;

/// What is impaired of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImpairedList {
    /// In order of time; no two of them touch.
    pub list: Vec<Impaired>,
    /// There was too much to look at closely: the intervals are whole spans of a minute, and what was lost in them was not counted (`lost` is 0).
    pub coarse: bool,
}

impl Reader {
    /// Impaired intervals of `stream` that share a moment with `range`, by start. The tables alone are read; they say nothing that a timeline does not.
    ///
    /// # Errors
    /// As [`Reader::spans`].
    pub fn impaired(&self, grant: &Grant, stream: StreamId, range: TimeRange) -> Result<ImpairedList> {
        let wide = TimeRange { start: range.start.plus_nanos(-BEFORE_NANOS), end: range.end };
        let spans = self.spans(grant, stream, wide)?;
        let coarse = spans.iter().filter(|span| span.has_lost).count() > TABLES_MAX;
        let mut list = if coarse {
            whole_spans(&spans)
        } else {
            let tables = Footage::new(self.parts.clone(), stream.camera, wide);
            impaired(&spans, &tables).map_err(|error| Error::new(error.kind, error.message))?
        };
        // An empty interval has a moment, too.
        list.retain(|one| one.range.end >= range.start && one.range.start < range.end);
        Ok(ImpairedList { list, coarse })
    }
}

/// The longest GOP in cameras' menus is 20 s.
const GOP_NANOS_MAX: i64 = 20_000_000_000;

fn whole_spans(spans: &[SpanSummary]) -> Vec<Impaired> {
    let mut list: Vec<Impaired> = Vec::new();
    for mut range in spans.iter().filter(|span| span.has_lost).map(SpanSummary::range) {
        // What is lost at the end of a span shows up to the first key sample of the next one.
        range.end = range.end.plus_nanos(GOP_NANOS_MAX);
        match list.last_mut() {
            Some(last) if range.start <= last.range.end => last.range.end = last.range.end.max(range.end),
            _ => list.push(Impaired { range, lost: 0 }),
        }
    }
    list
}
