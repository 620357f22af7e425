//! How often something happened: events put into hours or days. A function of its input.

use crate::error::Error;
use crate::ports::{EventPage, EventQuery};
use std::collections::BTreeMap;
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{CameraId, TimeRange, UtcNanos};

/// Events that one count looks at, the newest first: two weeks of a crossing with 14 000 vehicles a day. About 5 µs each.
pub(crate) const EVENTS_MAX: usize = 200_000;
/// Rows of a count, one a camera and kind: 200 × 770 buckets × 8 bytes are 1.2 MB, and 11 MB as CSV.
pub(crate) const SERIES_MAX: usize = 200;
/// Events that are asked for at once.
const PAGE: usize = 500;
/// Buckets of a count: 32 days of hours, and one that is begun.
pub(crate) const BUCKETS_MAX: usize = 32 * 24 + 1;

/// How long a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bucket {
    Hour,
    Day,
}

impl Bucket {
    pub(crate) fn nanos(self) -> i64 {
        match self {
            Self::Hour => 3_600 * NANOS_PER_SEC,
            Self::Day => 86_400 * NANOS_PER_SEC,
        }
    }
}

/// What is counted, and how.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) query: EventQuery,
    pub(crate) bucket: Bucket,
    /// How far local time is ahead of UTC: buckets begin on whole local hours or days.
    pub(crate) offset_nanos: i64,
}

/// A finished count.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Starts of the buckets, in order; all have the same length.
    pub(crate) starts: Vec<UtcNanos>,
    /// Events that begin in each bucket, for each camera and kind.
    pub(crate) series: BTreeMap<(CameraId, String), Vec<u64>>,
    /// There were more than [`EVENTS_MAX`] events: buckets before this one may lack some.
    pub(crate) whole_from: Option<UtcNanos>,
}

/// Counts the events that begin in the asked interval. `page` gives them, newest first.
///
/// # Errors
/// What `page` says; `InvalidInput` for more than [`SERIES_MAX`] cameras and kinds.
pub(crate) fn count(
    asked: &Asked,
    mut page: impl FnMut(&EventQuery) -> Result<EventPage, Error>,
) -> Result<Counted, Error> {
    let mut counted = Counted { starts: starts(asked), ..Counted::default() };
    let mut query = EventQuery { limit: PAGE, after: None, ..asked.query.clone() };
    let mut looked_at = 0;
    loop {
        let found = page(&query)?;
        for (_, event) in &found.events {
            if looked_at == EVENTS_MAX {
                counted.whole_from = Some(next_bucket(asked, event.start));
                return Ok(counted);
            }
            looked_at += 1;
            // A search also finds what began before and reaches into the interval.
            if asked.query.range.start <= event.start && event.start < asked.query.range.end {
                counted.add(asked, event.camera, &event.kind, event.start)?;
            }
        }
        match found.next {
            Some(next) => query.after = Some(next),
            None => return Ok(counted),
        }
    }
}

impl Counted {
    fn add(&mut self, asked: &Asked, camera: CameraId, kind: &str, at: UtcNanos) -> Result<(), Error> {
        let key = (camera, kind.to_owned());
        if !self.series.contains_key(&key) && self.series.len() == SERIES_MAX {
            return Err(Error::invalid(format!(
                "there are more than {SERIES_MAX} cameras and kinds of event to count"
            ))
            .next("Choose one camera, one kind, or a shorter time."));
        }
        let first = self.starts.first().copied().unwrap_or(at);
        let place = usize::try_from(at.nanos_since(first) / asked.bucket.nanos()).unwrap_or(usize::MAX);
        let counts = self.series.entry(key).or_insert_with(|| vec![0; self.starts.len()]);
        if let Some(count) = counts.get_mut(place) {
            *count += 1;
        }
        Ok(())
    }
}

/// Starts of all buckets that share a moment with the interval.
fn starts(asked: &Asked) -> Vec<UtcNanos> {
    let TimeRange { start, end } = asked.query.range;
    let first = bucket_of(asked, start);
    let step = asked.bucket.nanos();
    (0..).map(|index| first.plus_nanos(index * step)).take_while(|start| *start < end).take(BUCKETS_MAX).collect()
}

fn bucket_of(asked: &Asked, at: UtcNanos) -> UtcNanos {
    at.plus_nanos(-(at.0 + asked.offset_nanos).rem_euclid(asked.bucket.nanos()))
}

fn next_bucket(asked: &Asked, at: UtcNanos) -> UtcNanos {
    bucket_of(asked, at).plus_nanos(asked.bucket.nanos())
}

/// A field of RFC 4180. What a spreadsheet would take for a formula gets an apostrophe in front: kinds come from plugins.
pub(crate) fn csv_field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    match text.contains([',', '"', '\r', '\n']) || formula {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests;
