//! The rings, as the vault sees them: what their indexes list, and the commits of one segment.

use super::plan::{SourceSpan, Task};
use super::record::VaultRecord;
use crate::catalog::rows::{self, Position, RecordingRow, SpanKey, SpanRow, unpack};
use crate::catalog::span;
use crate::error::{Error, Result};
use crate::format::{DiskId, Record, Run};
use crate::reader::{Part, span_keys};
use crate::scan::{SegmentReader, first_position};
use crate::writer::Shared;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use watchbook_base::{Gap, Kind, StreamId, TimeRange, UtcNanos};
use watchbook_media::{RecordingId, RecordingStart};

/// Commits looked through at once: half an hour, whose runs' tables for 64 streams are 50 MB at most.
const WINDOW_COMMITS_MAX: u64 = 4096;

/// One ring, or the vault itself: what a ring has overwritten another hold may still have.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) part: Arc<Part>,
    /// Of the ring's committer; a vault has none.
    pub(crate) shared: Option<Arc<Shared>>,
}

/// Where looking through a segment goes on, and the formats stated before.
#[derive(Clone, Default)]
pub(crate) struct Cursor {
    at: Option<Position>,
    formats: HashMap<RecordingId, Arc<RecordingStart>>,
}

impl Cursor {
    /// True when going on from here passes the commit `seq`.
    pub(crate) fn is_before(&self, seq: u64) -> bool {
        self.at.is_none_or(|at| at.seq <= seq)
    }
}

/// A run that is to be copied.
pub(crate) struct Found {
    pub(crate) seq: u64,
    /// Of its commit.
    pub(crate) offset: u64,
    pub(crate) run: Run,
    /// How its recording began; `None`: neither the segment nor the index tells.
    pub(crate) start: Option<Arc<RecordingStart>>,
    /// Ring and generation that it first came from.
    pub(crate) origin: (DiskId, u64),
}

/// What one window of a segment has.
pub(crate) struct Window {
    pub(crate) found: Vec<Found>,
    /// Last commit looked through.
    pub(crate) seq_to: u64,
    pub(crate) cursor: Cursor,
    /// Commits before it that do not check out.
    pub(crate) passed: Vec<(u64, u64)>,
    /// What the disk refused: of what was passed, nobody knows then what it is.
    pub(crate) refused: Option<String>,
}

/// A stored payload, or why there is none.
pub(crate) enum Payload {
    Bytes(Vec<u8>),
    /// The ring has reused the segment.
    Gone,
    /// The bytes do not check out.
    Damaged,
    /// The disk does not give them now.
    Unreadable(Error),
}

/// The rings whose footage can be held, as they are at one moment.
pub(crate) struct Sources {
    pub(crate) list: Vec<Source>,
    /// No disk of the station is away, failed, or still to be opened: what none of these rings lists is on none.
    pub(crate) whole: bool,
}

impl Source {
    pub(crate) fn disk(&self) -> DiskId {
        self.part.disk()
    }

    /// Number of the newest commit that is acknowledged. What lies behind it may not survive a power cut.
    fn durable_seq(&self) -> u64 {
        self.shared.as_ref().map_or(u64::MAX, |shared| shared.pending().stats.last_seq)
    }

    /// True when the index has all that the log has.
    pub(crate) fn is_indexed(&self) -> bool {
        let status = self.part.index.status();
        status.rebuilding.is_none() && !status.given_up
    }

    /// Durable spans of `stream` that share a moment with `range`, and whether some of it is written and not acknowledged yet.
    pub(crate) fn spans(&self, stream: StreamId, range: TimeRange) -> Result<(Vec<SourceSpan>, bool)> {
        let durable = self.durable_seq();
        let mut found: BTreeMap<SpanKey, SpanRow> = BTreeMap::new();
        // Spans that are not in the index yet first: one that gets there meanwhile is then found in it.
        for live in self.part.live_spans(stream) {
            let (key, row, _) = live.rows();
            found.insert(key, row);
        }
        span::scan(&*self.part.kv, &span_keys(stream, range), &mut |key, row| {
            // A span that is still open may have grown since its row was written.
            if found.get(&key).is_none_or(|live| live.last_seq <= row.last_seq) {
                found.insert(key, row);
            }
        })?;
        let spans = found.into_iter().filter(|(_, row)| {
            self.part.ring.slots.get(row.slot) == row.generation && self.part.is_readable(row.key_id)
        });
        let spans = spans.map(|(key, row)| SourceSpan {
            stream,
            range: span::range_of(&key, &row),
            slot: row.slot,
            generation: row.generation,
            first_seq: key.first_seq,
            last_seq: row.last_seq,
            bytes: row.byte_count,
            recording: row.recording,
            dts: (row.first_dts, row.end_dts),
            key_id: row.key_id,
        });
        let mut spans: Vec<SourceSpan> = spans.filter(|span| span.range.overlaps(range)).collect();
        let undurable = spans.iter().any(|span| span.last_seq > durable);
        spans.iter_mut().for_each(|span| span.last_seq = span.last_seq.min(durable));
        spans.retain(|span| span.first_seq <= span.last_seq);
        Ok((spans, undurable))
    }

    /// Gaps of `stream` that share a moment with `range`. One that goes on ends at `now`.
    pub(crate) fn gaps(&self, stream: StreamId, range: TimeRange, now: UtcNanos) -> Result<Vec<Gap>> {
        self.part.gaps(stream, range, now)
    }

    /// How many segments the ring will overwrite before this one; a vault overwrites none.
    pub(crate) fn turns_left(&self, task: &Task) -> usize {
        if self.part.is_vault() { usize::MAX } else { self.part.ring.slots.turns_before(task.slot) }
    }

    /// True when the key of `span` is destroyed.
    pub(crate) fn is_erased(&self, span: &SourceSpan) -> bool {
        !self.part.is_readable(span.key_id)
    }

    /// True when the ring overwrites this segment before any other; a vault overwrites none.
    pub(crate) fn is_next(&self, task: &Task) -> bool {
        !self.part.is_vault() && self.part.ring.slots.is_next(task.slot)
    }

    /// Commits of `generation` from this number on do not count: the next segment states them.
    fn void_from(&self, generation: u64) -> Option<u64> {
        if self.part.is_vault() {
            return None;
        }
        let next = self.part.ring.slots.all().filter(|(_, other)| *other > generation).min_by_key(|(_, other)| *other);
        let header = next.and_then(|(slot, generation)| {
            self.part.ring.header(slot).filter(|header| header.generation == generation)
        });
        header.map(|header| header.first_seq)
    }

    /// Looks through a stretch of `task`'s segment and lists what `takes` wants of it. `None`: the ring has reused the segment.
    ///
    /// # Errors
    /// When the file cannot be opened or its header cannot be read.
    pub(crate) fn window(
        &self,
        task: &Task,
        cursor: Option<Cursor>,
        takes: &dyn Fn(&Run) -> bool,
    ) -> Result<Option<Window>> {
        let ring = &self.part.ring;
        if !self.is_there(task) {
            return Ok(None);
        }
        let durable = self.durable_seq();
        let void_from = self.void_from(task.generation).unwrap_or(u64::MAX).min(durable.saturating_add(1));
        let Some(header) = ring.header(task.slot).filter(|header| header.generation == task.generation) else {
            return match self.is_there(task) {
                true => Err(Error::new(
                    Kind::Io,
                    format!(
                        "copying held footage from segment {} of disk {}: it cannot be read",
                        task.slot,
                        self.disk()
                    ),
                )),
                false => Ok(None),
            };
        };
        let cursor = cursor.unwrap_or_default();
        let start = cursor.at.unwrap_or_else(|| first_position(&header));
        let until = void_from.min(task.seq_to.saturating_add(1)).min(task.seq_from.max(start.seq) + WINDOW_COMMITS_MAX);
        let reader = ring.reader(task.slot, task.generation)?;
        let of = (task, takes);
        let mut window = self.look_through(&reader, of, (start, until), cursor.clone())?;
        if window.seq_to.saturating_add(1) < until || !window.passed.is_empty() {
            // An error on the way from the disk is not one on the disk: what counts is what the disk itself says.
            reader.forget_all();
            window = self.look_through(&reader, of, (start, until), cursor)?;
        }
        Ok(self.is_there(task).then_some(window))
    }

    /// How a recording began, from the index: the commit that states it may lie before the first one looked at, or be damaged.
    fn indexed_start(&self, recording: RecordingId) -> Result<Option<Arc<RecordingStart>>> {
        let row = self.part.kv.get(rows::RECORDINGS, &rows::recording_key(recording))?;
        let row = row.map(|row| unpack::<RecordingRow>(rows::RECORDINGS, &row)).transpose()?;
        Ok(row.and_then(|row| row.start()).map(Arc::new))
    }

    /// Looks at the commits from `start` on, up to the number `until`.
    ///
    /// # Errors
    /// When the index cannot be read.
    fn look_through(
        &self,
        reader: &SegmentReader,
        of: (&Task, &dyn Fn(&Run) -> bool),
        stretch: (Position, u64),
        mut cursor: Cursor,
    ) -> Result<Window> {
        let ((task, takes), (start, until)) = (of, stretch);
        let mut found: Vec<Found> = Vec::new();
        let (mut counted, mut failed) = (0, None);
        let here = (self.disk(), task.generation);
        let is_vault = self.part.is_vault();
        let (end, damage) = reader.scan(start, Some(until), &mut |at, commit, _| {
            let mut origin = (!is_vault).then_some(here);
            for (_, record) in &commit.records {
                match record {
                    Record::Start { recording, start, .. } => {
                        cursor.formats.insert(*recording, Arc::new(start.clone()));
                    }
                    Record::Vault(VaultRecord::Copied(copied)) => origin = Some(copied.origin),
                    _ => {}
                }
            }
            if commit.seq >= task.seq_from {
                for run in commit.runs.iter().filter(|run| takes(run)) {
                    let stated = cursor.formats.get(&run.recording).cloned();
                    let start = match stated.map_or_else(|| self.indexed_start(run.recording), |start| Ok(Some(start)))
                    {
                        Ok(start) => start,
                        Err(error) => {
                            failed = Some(error);
                            None
                        }
                    };
                    cursor.formats.extend(start.clone().map(|start| (run.recording, start)));
                    found.push(Found { seq: commit.seq, offset: at.offset, run: run.clone(), start, origin: here });
                }
            }
            // In a vault runs count with the next commit that says where they came from.
            if let Some(origin) = origin {
                found.iter_mut().skip(counted).for_each(|found| found.origin = origin);
                counted = found.len();
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        found.truncate(counted);
        cursor.at = Some(end);
        let refused = reader.take_refused().map(|error| error.to_string());
        let passed = damage.iter().map(|damage| (damage.seq_from, damage.seq_to.saturating_sub(1)));
        let passed = passed.filter(|(from, to)| from <= to && *to >= task.seq_from).collect();
        Ok(Window { found, seq_to: until.min(end.seq).saturating_sub(1), cursor, passed, refused })
    }

    /// False when the ring has reused the segment.
    pub(crate) fn is_there(&self, task: &Task) -> bool {
        self.part.ring.slots.get(task.slot) == task.generation
    }

    /// Opens the segment of `task` for [`Source::payload`].
    pub(crate) fn reader(&self, task: &Task) -> Result<SegmentReader> {
        self.part.ring.reader(task.slot, task.generation)
    }

    /// The stored payload of a run, when its checksum is right. What is wrong counts when the disk itself says so.
    pub(crate) fn payload(&self, task: &Task, reader: &SegmentReader, found: &Found) -> Payload {
        if found.start.is_none() && self.is_there(task) {
            return Payload::Unreadable(Error::corrupt("the commit that says how its recording began cannot be read"));
        }
        let look = || reader.try_payload(found.offset, &found.run);
        let is_right = |bytes: &Vec<u8>| crc32c::crc32c(bytes) == found.run.crc;
        let bytes = look().ok().filter(is_right).map_or_else(
            || {
                reader.forget(found.offset + found.run.payload_offset, found.run.payload_len);
                look()
            },
            Ok,
        );
        if !self.is_there(task) {
            return Payload::Gone;
        }
        match bytes {
            Ok(bytes) if is_right(&bytes) => Payload::Bytes(bytes),
            Ok(_) => Payload::Damaged,
            // The file is shorter than what was written into it.
            Err(error) if error.kind == Kind::Corrupt => Payload::Damaged,
            Err(error) => Payload::Unreadable(error),
        }
    }
}
