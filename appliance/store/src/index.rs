//! The index's own thread. The committer makes rows in memory and puts them here; a state disk that is slow, full or dead delays this thread and no commit.
//! When there is nothing to write, it makes what the index lacks from the log, newest segment first ([`Backfill`]).

mod backfill;
mod fresh;

pub(crate) use backfill::Backfill;
use backfill::Made;
use fresh::Fresh;
pub(crate) use fresh::FreshKv;

use crate::catalog::Live;
use crate::catalog::rows::{self, BackfillRow, GapRow, RecordingRow, SlotRow, SpanRow, TailRow, owned, pack, unpack};
use crate::error::Result;
use crate::kv::{Batch, Change, Keys, Kv, collect};
use crate::reader::Lefts;
use crate::recover::Progress;
use crate::ring::Ring;
use crate::scan::Damage;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Changes that wait for the index: about five minutes of 200 streams. Beyond, the index is given up for now and made good from the log when it works again.
const BACKLOG_BYTES_MAX: usize = 32 << 20;
/// What an operation takes in memory beside its keys and values.
const OP_BYTES: usize = 128;
/// Pause before an index that could not be written is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Places in the log that could not be read, kept to be told; more are counted.
const DAMAGE_KEPT_MAX: usize = 1000;

/// A change of the index.
#[derive(Debug)]
pub(crate) enum Op {
    /// Rows to set and to remove.
    Write(Batch),
    /// A slot is reused: what generation `old` had put in goes, and `next` is noted.
    Reuse { slot: u32, old: u64, next: Option<SlotRow> },
}

impl Op {
    /// What it takes in memory: its rows are also kept for readers, in [`Fresh`] or as closed spans.
    fn bytes(&self) -> usize {
        match self {
            Self::Write(batch) => OP_BYTES + 2 * (batch.size_bytes() + batch.changes.len() * size_of::<Change>()),
            Self::Reuse { .. } => OP_BYTES,
        }
    }
}

/// How the index is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexStatus {
    /// Changes that wait to be written, in bytes.
    pub backlog_bytes: u64,
    /// Why it cannot be written, in a sentence; `None` while it can.
    pub failed: Option<String>,
    /// The backlog grew too long and was dropped: footage recorded since is found again once the index works.
    pub given_up: bool,
    /// Segments whose footage is not found yet because the index is made again.
    pub rebuilding: Option<Progress>,
}

#[derive(Debug, Default)]
struct State {
    ops: VecDeque<Arc<Op>>,
    /// Rows of `ops`, for readers.
    fresh: Fresh,
    bytes: usize,
    /// Number of the first operation in `ops`; the catalog's are counted from 1.
    first: u64,
    status: IndexStatus,
    /// Newest commit that the catalog has taken in.
    applied_seq: u64,
    /// The catalog must state every stream again: rows of it were dropped.
    state_all: bool,
    damage: Vec<Damage>,
    closing: bool,
    backlog_bytes_max: usize,
    /// Who is told of recordings that were left, when the backfill comes upon them.
    lefts: Option<Arc<Lefts>>,
}

/// What the catalog hands to the indexer.
#[derive(Debug)]
pub(crate) struct IndexQueue {
    state: Mutex<State>,
    work: Condvar,
    /// Those who wait for the index wait here.
    done: Condvar,
    live: Live,
}

impl IndexQueue {
    pub(crate) fn new(live: Live) -> Self {
        Self {
            state: Mutex::new(State { first: 1, backlog_bytes_max: BACKLOG_BYTES_MAX, ..State::default() }),
            work: Condvar::new(),
            done: Condvar::new(),
            live,
        }
    }

    /// Another bound for tests.
    #[cfg(test)]
    pub(crate) fn set_backlog_bytes_max(&self, bytes: usize) {
        self.state().backlog_bytes_max = bytes;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `op` behind the others. `closed`: spans whose rows are in it; readers find them in [`Live`] until they are written.
    pub(crate) fn push(&self, op: Op, closed: Vec<Arc<crate::catalog::span::OpenSpan>>, applied_seq: u64) {
        let mut state = self.state();
        state.applied_seq = state.applied_seq.max(applied_seq);
        if state.status.given_up {
            return;
        }
        let number = state.first + crate::codec::wide(state.ops.len());
        self.live.write().unwrap_or_else(PoisonError::into_inner).closing(number, closed);
        state.bytes += op.bytes();
        if let Op::Write(batch) = &op {
            state.fresh.add(number, batch);
        }
        state.ops.push_back(Arc::new(op));
        if state.bytes > state.backlog_bytes_max {
            tracing::error!(
                "the index has been away for too long: its changes are dropped, and made again from the log when it is back"
            );
            self.give_up(&mut state);
        }
        drop(state);
        self.work.notify_one();
    }

    /// The spans that are not in the index yet.
    pub(crate) fn live(&self) -> Live {
        self.live.clone()
    }

    fn give_up(&self, state: &mut State) {
        state.first += crate::codec::wide(state.ops.len());
        state.ops.clear();
        state.fresh.clear();
        state.bytes = 0;
        state.status.given_up = true;
        self.live.write().unwrap_or_else(PoisonError::into_inner).written(u64::MAX);
    }

    /// True once after changes were dropped: every stream must be stated again.
    pub(crate) fn take_state_all(&self) -> bool {
        std::mem::take(&mut self.state().state_all)
    }

    /// Writes what waits to `kv`, for a catalog without an indexer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write_to(&self, kv: &dyn Kv) -> Result<()> {
        loop {
            let (op, number) = {
                let mut state = self.state();
                let Some(op) = state.ops.pop_front() else { return Ok(()) };
                state.first += 1;
                state.bytes = state.bytes.saturating_sub(op.bytes());
                (op, state.first - 1)
            };
            apply(kv, &op)?;
            if let Op::Write(batch) = &*op {
                self.state().fresh.written(number, batch);
            }
            self.live.write().unwrap_or_else(PoisonError::into_inner).written(number);
        }
    }

    /// Waits until the index has everything that was handed over, and all that was missing. False when it has not within `patience`.
    pub(crate) fn settle(&self, patience: Duration) -> bool {
        let behind =
            |state: &mut State| !state.ops.is_empty() || state.status.given_up || state.status.rebuilding.is_some();
        let waited = self.done.wait_timeout_while(self.state(), patience, behind);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// How the index is doing.
    pub(crate) fn status(&self) -> IndexStatus {
        let state = self.state();
        IndexStatus { backlog_bytes: crate::codec::wide(state.bytes), ..state.status.clone() }
    }

    /// Why the index is behind, as a sentence; `None` when it is not.
    pub(crate) fn behind(&self) -> Option<String> {
        let error = self.status().failed?;
        Some(format!(
            "the index cannot be written ({error}); recording goes on, and what is recorded now is found again as soon as it can. Free space on the state disk, or check it"
        ))
    }

    /// How far the index is that is being made again, as a sentence.
    pub(crate) fn rebuilding(&self) -> Option<String> {
        let Progress { segments_done, segments } = self.status().rebuilding?;
        Some(format!(
            "the index is made again from the log: {segments_done} of {segments} segments are done, the newest first; older footage is not found until then. Recording goes on, and nothing is to be done"
        ))
    }

    /// It has all that was handed over, or has it waiting: nothing was dropped, and nothing is made again from the log.
    pub(crate) fn is_whole(&self) -> bool {
        let status = self.status();
        status.rebuilding.is_none() && !status.given_up
    }

    /// Places in the log that could not be read while the index was made again.
    pub(crate) fn damage(&self) -> Vec<Damage> {
        self.state().damage.clone()
    }

    fn add_damage(&self, damage: Vec<Damage>) {
        let mut state = self.state();
        let room = DAMAGE_KEPT_MAX.saturating_sub(state.damage.len());
        for place in damage.iter().take(room) {
            tracing::error!(?place, "a part of the log cannot be read");
        }
        state.damage.extend(damage.into_iter().take(room));
    }

    /// The indexer is gone for good.
    pub(crate) fn abandon(&self, why: &str) {
        let mut state = self.state();
        state.status.failed = Some(why.to_owned());
        self.give_up(&mut state);
    }

    /// From now on `lefts` is told of recordings that were left.
    pub(crate) fn tell_lefts(&self, lefts: Arc<Lefts>) {
        self.state().lefts = Some(lefts);
    }

    /// Lets the indexer write what waits, once, and stop.
    pub(crate) fn close(&self) {
        self.state().closing = true;
        self.work.notify_one();
    }
}

/// What a step of the indexer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something; there may be more.
    Worked,
    /// There was nothing to do.
    Idle,
    /// The index could not be written; what waits stays.
    Failed,
}

/// Writes the index.
pub(crate) struct Indexer {
    kv: Arc<dyn Kv>,
    ring: Arc<Ring>,
    queue: Arc<IndexQueue>,
    backfill: Option<Backfill>,
    /// Rows of the backfill that could not be written yet.
    unwritten: Option<Made>,
}

impl Indexer {
    pub(crate) fn new(kv: Arc<dyn Kv>, ring: Arc<Ring>, queue: Arc<IndexQueue>, backfill: Option<Backfill>) -> Self {
        let indexer = Self { kv, ring, queue, backfill, unwritten: None };
        indexer.tell();
        indexer
    }

    /// An index that could not even be emptied: all of it is made from the log when it works again.
    pub(crate) fn give_up(&self, error: &crate::Error) {
        let mut state = self.queue.state();
        state.status.failed = Some(error.to_string());
        self.queue.give_up(&mut state);
    }

    /// First commit behind all that the backfill looks at, where it does not know one.
    pub(crate) fn set_void_from(&mut self, seq: u64) {
        if let Some(backfill) = &mut self.backfill {
            backfill.set_void_from(seq);
        }
    }

    /// Where recordings go on behind the segments of the backfill.
    pub(crate) fn set_firsts(&mut self, firsts: backfill::Firsts) {
        self.backfill = self.backfill.take().map(|backfill| backfill.with_firsts(firsts));
    }

    /// What the catalog hands over.
    pub(crate) fn queue(&self) -> Arc<IndexQueue> {
        self.queue.clone()
    }

    /// One piece of work: a change that waits, or a piece of the backfill.
    pub(crate) fn step(&mut self) -> Step {
        let (op, number, given_up) = {
            let state = self.queue.state();
            (state.ops.front().cloned(), state.first, state.status.given_up)
        };
        let done = match (&op, given_up) {
            (Some(op), _) => apply(&*self.kv, op).map(|()| true),
            (None, true) => self.start_again().map(|()| true),
            (None, false) => self.backfill_step(),
        };
        let mut state = self.queue.state();
        match done {
            Ok(worked) => {
                // A queue that was given up meanwhile has another front.
                let applied = op.filter(|_| state.first == number && !state.ops.is_empty());
                if let Some(op) = &applied {
                    if let Op::Write(batch) = &**op {
                        state.fresh.written(number, batch);
                    }
                    state.ops.pop_front();
                    state.first += 1;
                    state.bytes = state.bytes.saturating_sub(op.bytes());
                }
                state.status.failed = None;
                drop(state);
                if applied.is_some() {
                    self.queue.live.write().unwrap_or_else(PoisonError::into_inner).written(number);
                }
                self.tell();
                if worked { Step::Worked } else { Step::Idle }
            }
            Err(error) => {
                if state.status.failed.is_none() {
                    tracing::error!(%error, "the index cannot be written; recording goes on");
                }
                state.status.failed = Some(error.to_string());
                Step::Failed
            }
        }
    }

    fn tell(&self) {
        let rebuilding = self.backfill.as_ref().map(Backfill::progress);
        self.queue.state().status.rebuilding = rebuilding;
        self.queue.done.notify_all();
    }

    /// Everything that waits, and the whole backfill.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub(crate) fn finish(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<()> {
        loop {
            match self.step() {
                Step::Worked => {
                    if let Some(backfill) = &self.backfill {
                        progress(backfill.progress());
                    }
                }
                Step::Idle => return Ok(()),
                Step::Failed => {
                    let why = self.queue.status().failed.unwrap_or_default();
                    return Err(crate::Error::new(watchbook_base::Kind::Io, why));
                }
            }
        }
    }

    /// Writes what waits, without the backfill, as far as the index can be written.
    pub(crate) fn drain(&mut self) {
        while !self.queue.state().ops.is_empty() {
            if self.step() == Step::Failed {
                break;
            }
        }
    }

    /// The index works again after changes were dropped: what it lacks is a backfill from where it stopped to the newest commit.
    fn start_again(&mut self) -> Result<()> {
        let disk = self.ring.superblock.disk;
        let format = self.kv.get(rows::META, rows::FORMAT_KEY)?;
        let same = format.is_some_and(|row| row == pack(&rows::FormatRow::of(disk)));
        if !same {
            crate::catalog::empty_index(&*self.kv, disk)?;
        }
        let tail = self.kv.get(rows::META, rows::TAIL_KEY)?;
        let tail = tail.map(|tail| unpack::<TailRow>(rows::META, &tail)).transpose()?.unwrap_or_default();
        let older = load_backfill(&*self.kv)?;
        // From here on changes are taken again. Where the backfill stops short of them, they stay (`is_older`).
        let applied_seq = {
            let mut state = self.queue.state();
            state.status.given_up = false;
            state.state_all = true;
            state.applied_seq
        };
        let outcome = (|| {
            self.reuse_changed()?;
            let low = older.map_or(tail.replay.generation, |row| row.low.min(tail.replay.generation));
            let backfill = Backfill::of(&self.ring, (low, u64::MAX), Some(applied_seq + 1));
            self.kv.write(&backfill.row_batch(), false)?;
            Ok(backfill)
        })();
        match outcome {
            Ok(backfill) => {
                tracing::info!("the index can be written again; what it lacks is made from the log");
                (self.backfill, self.unwritten) = (Some(backfill), None);
                Ok(())
            }
            Err(error) => {
                self.queue.give_up(&mut self.queue.state());
                Err(error)
            }
        }
    }

    /// Removes rows of generations that were overwritten while changes were dropped.
    fn reuse_changed(&self) -> Result<()> {
        let known = crate::catalog::slots(&*self.kv)?;
        for (slot, generation) in self.ring.slots.all() {
            let old = known.get(&slot).map_or(0, |row| row.generation);
            if generation != 0 && generation != old {
                let next = self.ring.header(slot).map(|header| crate::recover::slot_row(&header));
                reuse(&*self.kv, slot, (old, next))?;
            }
        }
        Ok(())
    }

    fn backfill_step(&mut self) -> Result<bool> {
        let Some(backfill) = &mut self.backfill else { return Ok(false) };
        let mut made = self.unwritten.take().unwrap_or_else(|| backfill.step(&self.ring));
        self.queue.add_damage(std::mem::take(&mut made.damage));
        let lefts = self.queue.state().lefts.clone();
        if let Some(lefts) = lefts {
            made.lefts.drain(..).for_each(|(recording, utc)| lefts.insert(recording, utc));
        }
        let written = self.write_made(&made);
        if written.is_err() {
            self.unwritten = Some(made);
        } else if self.backfill.take_if(|backfill| backfill.is_done()).is_some() {
            tracing::info!("the index is complete again");
        }
        written.map(|()| true)
    }

    fn write_made(&self, made: &Made) -> Result<()> {
        let mut batch = Batch::default();
        if made.void {
            // Overwritten while it was read: what has come of it goes again.
            evict(&*self.kv, made.generation, &mut batch)?;
        }
        // The tables of a span come behind it, and stay away with it.
        let mut left_out: Option<&[u8]> = None;
        for change in &made.rows.changes {
            let (Change::Put(table, key, _) | Change::Delete(table, key)) = change;
            if *table == rows::TABLES && left_out == Some(key) {
                continue;
            }
            match self.is_older(change, made.generation)? {
                true => left_out = (*table == rows::SPANS).then_some(key),
                false => batch.changes.push(change.clone()),
            }
        }
        self.kv.write(&batch, false)
    }

    /// True when the index has the same row already as it came to be later: from a newer generation, or from a later commit of the one being written, where
    /// the backfill stops short.
    fn is_older(&self, change: &Change, generation: u64) -> Result<bool> {
        let (Change::Put(table, key, _) | Change::Delete(table, key)) = change;
        if ![rows::GAPS, rows::RECORDINGS, rows::SPANS].contains(table) {
            return Ok(false);
        }
        let Some(stored) = self.kv.get(*table, key)? else { return Ok(false) };
        let made = match change {
            Change::Put(_, _, value) => Some(value),
            Change::Delete(..) => None,
        };
        Ok(match *table {
            rows::RECORDINGS => unpack::<RecordingRow>(*table, &stored)?.generation > generation,
            rows::SPANS => {
                let made = made.map(|made| unpack::<SpanRow>(*table, made)).transpose()?;
                made.is_some_and(|made| {
                    made.last_seq < unpack::<SpanRow>(rows::SPANS, &stored).map_or(0, |row| row.last_seq)
                })
            }
            _ => {
                let stored: GapRow = unpack(*table, &stored)?;
                let ends =
                    made.map(|made| unpack::<GapRow>(*table, made)).transpose()?.is_none_or(|made| made.end.is_some());
                stored.generation > generation || (stored.generation == generation && stored.end.is_some() && !ends)
            }
        })
    }

    /// Works until the queue is closed.
    pub(crate) fn run(mut self) {
        loop {
            let step = self.step();
            let mut state = self.queue.state();
            match step {
                Step::Worked if !(state.closing && state.ops.is_empty()) => {}
                Step::Idle | Step::Failed if !state.closing => {
                    let ready = |state: &mut State| !state.closing && (step == Step::Failed || state.ops.is_empty());
                    let pause = RETRY_PAUSE;
                    let waited = self.queue.work.wait_timeout_while(state, pause, |state| ready(state));
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                    drop(state);
                }
                _ => return,
            }
        }
    }
}

fn apply(kv: &dyn Kv, op: &Op) -> Result<()> {
    match op {
        Op::Write(batch) => kv.write(batch, false),
        Op::Reuse { slot, old, next } => reuse(kv, *slot, (*old, *next)),
    }
}

/// Removes what generation `old` of `slot` had put in (0: nothing), and notes `next`.
fn reuse(kv: &dyn Kv, slot: u32, generations: (u64, Option<SlotRow>)) -> Result<()> {
    let (old, next) = generations;
    let mut batch = Batch::default();
    if old != 0 {
        evict(kv, old, &mut batch)?;
    }
    match next {
        Some(row) => batch.put(rows::META, rows::slot_key(slot), pack(&row)),
        None => batch.delete(rows::META, rows::slot_key(slot)),
    }
    kv.write(&batch, false)
}

/// The backfill that the index says is under way.
pub(crate) fn load_backfill(kv: &dyn Kv) -> Result<Option<BackfillRow>> {
    kv.get(rows::META, rows::BACKFILL_KEY)?.map(|row| unpack(rows::META, &row)).transpose()
}

/// Removes what `generation` put into the index.
fn evict(kv: &dyn Kv, generation: u64, batch: &mut Batch) -> Result<()> {
    for (key, _) in collect(kv, rows::SEGMENTS, &Keys::prefix(&generation.to_be_bytes()))? {
        let Some((kind, inner)) = key.get(8..).and_then(|rest| rest.split_first()) else { continue };
        evict_row(kv, (*kind, inner), generation, batch)?;
        batch.delete(rows::SEGMENTS, key);
    }
    Ok(())
}

fn evict_row(kv: &dyn Kv, owned: (u8, &[u8]), generation: u64, batch: &mut Batch) -> Result<()> {
    let (kind, key) = owned;
    match kind {
        owned::SPAN => {
            batch.delete(rows::SPANS, key);
            batch.delete(rows::TABLES, key);
        }
        owned::EVENT => {
            batch.delete(rows::EVENTS, key);
            if let Some(by_time) = rows::event_key_by_time(key) {
                batch.delete(rows::EVENTS_BY_TIME, by_time);
            }
        }
        owned::DAMAGE => batch.delete(rows::DAMAGE, key),
        owned::ERASURE => batch.delete(rows::ERASURES, key),
        owned::LEFT => batch.delete(rows::META, key),
        owned::GAP => {
            let row = kv.get(rows::GAPS, key)?.map(|row| unpack::<GapRow>(rows::GAPS, &row)).transpose()?;
            if row.is_some_and(|row| row.generation <= generation) {
                batch.delete(rows::GAPS, key);
            }
        }
        owned::RECORDING => {
            let row = kv.get(rows::RECORDINGS, key)?;
            let row = row.map(|row| unpack::<RecordingRow>(rows::RECORDINGS, &row)).transpose()?;
            if row.is_some_and(|row| row.generation <= generation) {
                batch.delete(rows::RECORDINGS, key);
            }
        }
        _ => {}
    }
    Ok(())
}
