//! Damaged runs of one disk: each is told once, in the log, and from there in the index.

use crate::alarm::AlarmKind;
use crate::catalog::rows::{self, DamageRow, SpanKey, TablesRow, damaged_run, unpack};
use crate::error::Result;
use crate::format::{DamagedRun, Record};
use crate::kv::{Batch, Keys, Kv};
use crate::ring::Slots;
use crate::writer::Shared;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_base::{CameraId, Clock, StreamId, Ticks90k, TimeRange, UtcNanos};
use watchbook_media::sample_table;

/// Damaged runs that are told apart: 65,536 runs of half a second are nine hours of footage and 4 MiB of memory. A disk with more of them is beyond use;
/// the others are refused to readers all the same.
pub(crate) const KNOWN_MAX: usize = 65_536;
/// Cameras that the alarm names; the rest is counted.
const NAMED_MAX: usize = 12;

/// Generation and offset of a run.
type RunKey = (u64, u64);

/// What is known of one disk's damaged runs. The vault, which has no log to tell it in, has one without a disk.
#[derive(Default)]
pub(crate) struct Findings {
    shared: Option<(Arc<Shared>, Arc<dyn Clock>)>,
    known: Mutex<HashMap<RunKey, (u32, CameraId)>>,
}

impl Findings {
    /// Of the disk that `shared` writes to.
    pub(crate) fn new(shared: Arc<Shared>, clock: Arc<dyn Clock>) -> Self {
        Self { shared: Some((shared, clock)), known: Mutex::default() }
    }

    /// What the committer of the disk shares.
    pub(crate) fn shared(&self) -> Option<Arc<Shared>> {
        self.shared.as_ref().map(|(shared, _)| shared.clone())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<RunKey, (u32, CameraId)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a damaged run, for the next commit. True when it was not known.
    pub(crate) fn report(&self, run: DamagedRun) -> bool {
        let Some((shared, _)) = &self.shared else { return false };
        let mut known = self.known();
        let key = (run.generation, run.offset);
        if known.contains_key(&key) || known.len() >= KNOWN_MAX || !shared.pending().note(Record::Damage(run)) {
            return false;
        }
        known.insert(key, (run.slot, run.stream.camera));
        drop(known);
        tracing::error!(stream = %run.stream, from = %run.range.start, to = %run.range.end, slot = run.slot, offset = run.offset,
            what = run.kind.text(), "a run is damaged");
        true
    }

    /// The same for a run that a reader found damaged.
    pub(crate) fn report_now(&self, run: DamagedRun) -> bool {
        let Some((_, clock)) = &self.shared else { return false };
        self.report(DamagedRun { found: clock.utc(), ..run })
    }

    /// Takes in what the index knows, removes rows of segments that are gone, and sets or lifts the alarm. `places`: damage of the log in which no run lies.
    ///
    /// # Errors
    /// When the index cannot be read or written; then all stays as it was.
    pub(crate) fn refresh(&self, kv: &dyn Kv, slots: &Slots, places: u64, now: UtcNanos) -> Result<()> {
        let mut stale = Batch::default();
        let mut found = Vec::new();
        scan(kv, &Keys::prefix(b""), &mut |key, run| {
            if slots.get(run.slot) == run.generation {
                found.push(run);
            } else {
                stale.delete(rows::SEGMENTS, rows::owned_key(run.generation, rows::owned::DAMAGE, key));
                stale.delete(rows::DAMAGE, key);
            }
            found.len() + stale.changes.len() < KNOWN_MAX
        })?;
        // The row of a segment that is being reused just now goes with the segment; here only those are left that a record told of too late.
        if !stale.changes.is_empty() {
            kv.write(&stale, false)?;
        }
        let mut known = self.known();
        known.retain(|(generation, _), (slot, _)| slots.get(*slot) == *generation);
        known.extend(found.iter().map(|run| ((run.generation, run.offset), (run.slot, run.stream.camera))));
        let cameras: BTreeSet<CameraId> = known.values().map(|(_, camera)| *camera).collect();
        let runs = known.len();
        drop(known);
        if let Some((shared, _)) = &self.shared {
            shared.alarms.set(AlarmKind::RunDamaged, Some(shared.disk), alarm(runs, &cameras, places), now);
        }
        Ok(())
    }
}

/// The sentence about damaged runs.
fn alarm(runs: usize, cameras: &BTreeSet<CameraId>, places: u64) -> Option<String> {
    if runs == 0 && places == 0 {
        return None;
    }
    let names: Vec<String> = cameras.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = match cameras.len().saturating_sub(names.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let of = if cameras.is_empty() { String::new() } else { format!(" of cameras {}{more}", names.join(", ")) };
    Some(format!(
        "{runs} runs{of} are damaged on the disk, and {places} places of the log in which no footage lies. Damaged footage is listed as such and never \
         shown. Look at the disk's own error counters (SMART) and replace the disk when there are more of them"
    ))
}

/// Shows damaged runs of the index to `visit` until it returns false.
fn scan(kv: &dyn Kv, keys: &Keys, visit: &mut dyn FnMut(&[u8], DamagedRun) -> bool) -> Result<()> {
    let mut failed = None;
    kv.scan(rows::DAMAGE, keys, &mut |key, value| match unpack::<DamageRow>(rows::DAMAGE, value) {
        Ok(row) => damaged_run(key, row).is_none_or(|run| visit(key, run)),
        Err(error) => {
            failed = Some(error);
            false
        }
    })?;
    failed.map_or(Ok(()), Err)
}

/// Damaged runs of `stream` that share a moment with `range`, by start, of segments that are still there. `look_back_nanos`: how long a run may be.
///
/// # Errors
/// When the index cannot be read.
pub(crate) fn damage_of(
    kv: &dyn Kv,
    slots: &Slots,
    (stream, range): (StreamId, TimeRange),
    look_back_nanos: i64,
) -> Result<Vec<DamagedRun>> {
    let from = rows::stream_time(stream, range.start.plus_nanos(-look_back_nanos));
    let mut found = Vec::new();
    scan(kv, &Keys::between(from, rows::stream_time(stream, range.end)), &mut |_, run| {
        if run.range.overlaps(range) && slots.get(run.slot) == run.generation {
            found.push(run);
        }
        found.len() < KNOWN_MAX
    })?;
    Ok(found)
}

/// Damaged runs of all streams of `only`, or of all cameras.
///
/// # Errors
/// When the index cannot be read.
pub(crate) fn all_damage(kv: &dyn Kv, slots: &Slots, only: Option<&BTreeSet<CameraId>>) -> Result<Vec<DamagedRun>> {
    let mut found = Vec::new();
    scan(kv, &Keys::prefix(b""), &mut |_, run| {
        let asked = only.is_none_or(|only| only.contains(&run.stream.camera));
        if asked && slots.get(run.slot) == run.generation {
            found.push(run);
        }
        found.len() < KNOWN_MAX
    })?;
    Ok(found)
}

/// From when to when each run of a span goes. `ends`: first and last decode time of the span. A table that does not decode has the whole span's time.
pub(crate) fn run_times(key: &SpanKey, ends: (i64, i64), tables: &TablesRow) -> Vec<TimeRange> {
    let (first_dts, end_dts) = ends;
    let mut cursor = tables.tables.as_slice();
    let firsts: Vec<i64> = (tables.runs.iter())
        .map_while(|_| sample_table::take_run(&mut cursor).ok()?.samples.first().map(|sample| sample.dts.0))
        .collect();
    let utc = |dts: i64| key.start.plus_ticks(Ticks90k(dts.saturating_sub(first_dts)));
    (0..tables.runs.len())
        .map(|index| {
            let from = firsts.get(index).copied().unwrap_or(first_dts);
            let to = firsts.get(index + 1).copied().unwrap_or(end_dts).max(from);
            TimeRange { start: utc(from), end: utc(to) }
        })
        .collect()
}
