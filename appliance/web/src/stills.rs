//! Which key frame stands for a moment, and the small pictures that were made lately.
//!
//! A kept picture opens nothing: it is looked for after the gate has let somebody in and the index has named the key frame as one that can be read now.

use crate::error::Error;
use crate::server::PRE_ROLL;
use crate::video::media_error;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use watchbook_base::{Kind, MonoNanos, StreamId, Ticks90k, TimeRange, UtcNanos};
use watchbook_media::{RecordingId, SpanSource, SpanSummary};

/// Pictures that are made at once: each holds a thread and a decoder for some 50 ms, and at most 10 s.
pub(crate) const STILLS_MAX: usize = 2;
/// Of one session that are made or wait: two connections of the six that a browser opens.
pub(crate) const STILLS_PER_SESSION_MAX: usize = 2;
/// Pictures that are kept, of some 15 kB: four pages of a list.
const KEPT_MAX: usize = 256;
/// Bytes of all of them.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// A picture is kept so long, then it is made again.
const KEPT_NANOS: u64 = 600 * 1_000_000_000;
/// So far behind its end a span still covers a moment: the end of the newest picture is an estimate.
const TOUCH_NANOS: i64 = 1_000_000_000;

/// The key frame that stands for a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its span in the list that was searched.
    pub(crate) span: usize,
    /// Where its bytes lie in the span.
    pub(crate) offset: u64,
    /// How many they are.
    pub(crate) len: u64,
    /// UTC of presentation.
    pub(crate) utc: UtcNanos,
    /// What it is, in its recording.
    pub(crate) dts: Ticks90k,
}

/// The last key frame at or before `at`, at most [`PRE_ROLL`] before it, with nothing missing between the two. `spans` are of one stream, in order of time.
pub(crate) fn find(
    stream: StreamId,
    at: UtcNanos,
    spans: &[SpanSummary],
    source: &dyn SpanSource,
) -> Result<Found, Error> {
    let earliest = at.plus_nanos(-i64::try_from(PRE_ROLL.as_nanos()).unwrap_or(0));
    let lost = source.lost(stream);
    let mut after: Option<&SpanSummary> = None;
    for (place, span) in spans.iter().enumerate().rev().filter(|(_, span)| span.range().start <= at) {
        let reaches = match after {
            Some(after) => {
                after.recording == span.recording && after.start_utc.nanos_since(span.range().end) <= TOUCH_NANOS
            }
            None => at.nanos_since(span.range().end) < TOUCH_NANOS,
        };
        if !reaches || span.range().end < earliest {
            break;
        }
        if let Some(found) = last_key(place, span, (earliest, at), source)? {
            return match lost.iter().find(|lost| lost.overlaps(TimeRange { start: found.utc, end: at.plus_nanos(1) })) {
                Some(_) => Err(damaged(stream)),
                None => Ok(found),
            };
        }
        after = Some(span);
    }
    let what = match after {
        Some(_) => {
            format!("camera {} has no key frame in the {} s before that moment", stream.camera, PRE_ROLL.as_secs())
        }
        None => format!("nothing is recorded of camera {} at that moment", stream.camera),
    };
    Err(Error::not_found(what).next("The timeline shows what is recorded, and why something is not."))
}

fn damaged(stream: StreamId) -> Error {
    let what = format!("the footage of camera {} at that moment is damaged or lies outside the case", stream.camera);
    Error::not_found(what).next("Ask for the time before or after it. The timeline names what is damaged.")
}

/// The last key frame of `span` between two moments.
fn last_key(
    place: usize,
    span: &SpanSummary,
    (earliest, at): (UtcNanos, UtcNanos),
    source: &dyn SpanSource,
) -> Result<Option<Found>, Error> {
    let table = match source.table(span) {
        Ok(table) => table,
        // The ring has taken it since the list was made.
        Err(error) if error.kind == Kind::NotFound => return Ok(None),
        Err(error) => return Err(media_error(error.into())),
    };
    let mut last = None;
    for (offset, sample) in table.samples().filter(|(_, sample)| sample.key) {
        let shown = Ticks90k(sample.dts.0.saturating_add(i64::from(sample.cts_offset)));
        let utc = span.start_utc.plus_ticks(shown - span.first_dts);
        if earliest <= utc && utc <= at {
            let len = u64::from(sample.size_bytes);
            last = Some(Found { span: place, offset, len, utc, dts: sample.dts });
        }
    }
    Ok(last)
}

/// What a kept picture is of: nothing of who asked for it, because that is asked before, each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StillKey {
    pub(crate) stream: StreamId,
    pub(crate) recording: RecordingId,
    pub(crate) dts: Ticks90k,
    pub(crate) width_px: u32,
}

/// The pictures that were made lately, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct StillCache(Mutex<VecDeque<(StillKey, MonoNanos, Bytes)>>);

impl StillCache {
    /// The picture of a key frame that can be read now.
    pub(crate) fn get(&self, key: &StillKey, now: MonoNanos) -> Option<Bytes> {
        let mut kept = self.kept(now);
        kept.iter_mut().find(|(of, _, _)| of == key).map(|(_, _, picture)| picture.clone())
    }

    /// Keeps one, and gives up the oldest ones for it.
    pub(crate) fn keep(&self, key: StillKey, now: MonoNanos, picture: Bytes) {
        let mut kept = self.kept(now);
        kept.retain(|(of, _, _)| *of != key);
        kept.push_back((key, now, picture));
        let bytes =
            |kept: &VecDeque<(StillKey, MonoNanos, Bytes)>| kept.iter().map(|(_, _, one)| one.len()).sum::<usize>();
        while kept.len() > KEPT_MAX || bytes(&kept) > KEPT_BYTES_MAX {
            kept.pop_front();
        }
    }

    fn kept(&self, now: MonoNanos) -> MutexGuard<'_, VecDeque<(StillKey, MonoNanos, Bytes)>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, at, _)| now.nanos_since(*at) < KEPT_NANOS);
        kept
    }
}

#[cfg(test)]
mod tests;
