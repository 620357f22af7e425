//! Footage without what is damaged: files are planned around it, and say what they left out. What is impaired goes with them, and they say that, too.

use crate::error::Error;
use crate::ports::{Damaged, Footage};
use axum::http::{HeaderName, HeaderValue};
use bytes::Bytes;
use std::sync::Arc;
use watchbook_access::Grant;
use watchbook_base::{Kind, StreamId, TimeRange, UtcNanos};
use watchbook_media::impaired::{Impaired, merged};
use watchbook_media::{SourceError, SpanSource, SpanSummary, SpanTable};

/// Names what was left out, as `start-end` in milliseconds UTC with commas between.
pub(crate) const DAMAGED_HEADER: HeaderName = HeaderName::from_static("watchbook-damaged-utc-ms");
/// Names what of the file's pictures may be wrong, because something was lost on its way to the recorder, in the same form.
pub(crate) const IMPAIRED_HEADER: HeaderName = HeaderName::from_static("watchbook-impaired-utc-ms");
/// Intervals in the header: 28 bytes each, so that it stays under 4 KiB. Neighbours are one; the timeline lists all.
const LISTED_MAX: usize = 128;

/// A source, and what of it is damaged.
pub(crate) struct Spared {
    source: Arc<dyn SpanSource>,
    /// What is not handed out, by stream.
    lost: Vec<(StreamId, Vec<TimeRange>)>,
    /// What lies before is nobody's business here: it is left out, and not told of.
    from: Option<UtcNanos>,
    /// Of all streams, in order of time; no two touch.
    impaired: Vec<Impaired>,
}

impl Spared {
    /// What `footage` has of `streams` in `range`. `grant` must cover it.
    pub(crate) fn open(
        footage: &dyn Footage,
        grant: &Grant,
        streams: &[StreamId],
        range: TimeRange,
    ) -> Result<Self, Error> {
        let [first, ..] = streams else { return Err(Error::new(Kind::Internal, "footage of no stream is opened")) };
        let lost = |stream: &StreamId| -> Result<_, Error> {
            let damaged = footage.damaged(grant, *stream, range)?;
            let lost = damaged.iter().filter(|run| run.kind.is_lost()).map(|run: &Damaged| run.range);
            Ok((*stream, joined(lost)))
        };
        let lost = streams.iter().map(lost).collect::<Result<_, Error>>()?;
        let mut impaired = Vec::new();
        for stream in streams {
            impaired.extend(footage.impaired(grant, *stream, range)?.list);
        }
        impaired.sort_by_key(|one| one.range.start);
        Ok(Self { source: footage.open(grant, *first, range)?, lost, from: None, impaired })
    }

    /// The same without anything before `from`: a file begins at the next key sample.
    pub(crate) fn not_before(mut self, from: UtcNanos) -> Self {
        let before = TimeRange { start: UtcNanos(i64::MIN), end: from };
        for (_, lost) in &mut self.lost {
            lost.insert(0, before);
        }
        self.from = Some(from);
        self
    }

    /// Every interval that is left out, of all streams, that shares a moment with `range`.
    pub(crate) fn left_out(&self, range: TimeRange) -> Vec<TimeRange> {
        let mut all: Vec<TimeRange> = self.lost.iter().flat_map(|(_, lost)| lost).copied().collect();
        all.retain(|lost| lost.overlaps(range) && self.from.is_none_or(|from| lost.end > from));
        all.sort_by_key(|lost| lost.start);
        joined(all.into_iter())
    }

    /// The header for a file of `range`; empty when nothing is left out.
    pub(crate) fn header(&self, range: TimeRange) -> (HeaderName, HeaderValue) {
        let left_out = self.left_out(range);
        (DAMAGED_HEADER, listed(left_out.into_iter().take(LISTED_MAX)))
    }

    /// The header that says what may be wrong in a file of `range`; empty when nothing is. Of more than [`LISTED_MAX`] the closest neighbours are one.
    pub(crate) fn impaired_header(&self, range: TimeRange) -> (HeaderName, HeaderValue) {
        let inside = |one: &&Impaired| one.range.end >= range.start && one.range.start < range.end;
        let (few, _) = merged(self.impaired.iter().filter(inside).copied().collect(), LISTED_MAX);
        (IMPAIRED_HEADER, listed(joined(few.into_iter().map(|one| one.range)).into_iter()))
    }
}

impl SpanSource for Spared {
    fn table(&self, span: &SpanSummary) -> Result<Arc<SpanTable>, SourceError> {
        self.source.table(span)
    }

    fn read(&self, span: &SpanSummary, offset: u64, len: u64) -> Result<Bytes, SourceError> {
        self.source.read(span, offset, len)
    }

    fn lost(&self, stream: StreamId) -> &[TimeRange] {
        self.lost.iter().find(|(of, _)| *of == stream).map_or(&[], |(_, lost)| lost)
    }
}

fn listed(intervals: impl Iterator<Item = TimeRange>) -> HeaderValue {
    let text: Vec<String> =
        intervals.map(|interval| format!("{}-{}", interval.start.as_ms(), interval.end.as_ms())).collect();
    HeaderValue::try_from(text.join(",")).unwrap_or(HeaderValue::from_static(""))
}

/// Intervals in order of their starts, those that touch as one.
fn joined(ranges: impl Iterator<Item = TimeRange>) -> Vec<TimeRange> {
    let mut list: Vec<TimeRange> = Vec::new();
    for range in ranges {
        match list.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => list.push(range),
        }
    }
    list
}

/// A failed plan; what is damaged as a whole has its next step.
pub(crate) fn plan_error(error: watchbook_media::Error) -> Error {
    let (kind, error) = (error.kind, crate::video::media_error(error));
    match kind {
        Kind::Corrupt => error.next("Ask for the time before or after it. The timeline names what is damaged."),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_that_touch_are_one() {
        let range = |start, end| TimeRange { start: UtcNanos(start), end: UtcNanos(end) };
        let list = joined([range(0, 2), range(2, 3), range(2, 9), range(4, 5), range(10, 11)].into_iter());
        assert_eq!(list, [range(0, 9), range(10, 11)]);
    }
}
