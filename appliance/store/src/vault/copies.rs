//! Which runs the vault has already: none is written twice for one hold, wherever it is found again.

use super::hold::HoldId;
use super::plan::{CELL_NANOS, Numbers};
use super::state::OpenVault;
use crate::catalog::rows::{self, SpanKey, SpanRow, TablesRow, unpack};
use crate::catalog::span;
use crate::codec::narrow;
use crate::error::Result;
use crate::format::Run;
use crate::kv::Keys;
use std::collections::{BTreeMap, BTreeSet};
use watchbook_base::{StreamId, UtcNanos};

/// A span of the vault, and its runs once they were asked for.
struct Listed {
    key: SpanKey,
    row: SpanRow,
    tables: Option<TablesRow>,
}

/// What the vault's index lists, as one hold sees it. It is asked for one batch: what is written meanwhile it may not know.
pub(super) struct Copies<'a> {
    vault: &'a OpenVault,
    /// Generations of the segments of which something counts as held, by number: the hold's own, and those of others.
    own: BTreeMap<u32, u64>,
    others: BTreeMap<u32, u64>,
    /// Runs that do not check out: segment, and where it has the payload.
    damaged: BTreeSet<(u32, u64)>,
    /// Commits of the vault that were looked through for the hold.
    covered: Numbers,
    /// Spans that begin in a minute of a stream, or in the one before.
    minutes: BTreeMap<(StreamId, i64), Vec<Listed>>,
}

impl<'a> Copies<'a> {
    pub(super) fn of(vault: &'a OpenVault, hold: HoldId) -> Self {
        let state = vault.state();
        let generations = |id: HoldId| {
            let files = state.files_of(id);
            state.slots_of(id).into_iter().filter(move |(slot, _)| files.contains(slot))
        };
        let places = |id: HoldId| generations(id).map(|(slot, info)| (slot, info.generation)).collect::<Vec<_>>();
        let active = state.holds.iter().filter(|(id, of)| **id != hold && of.is_active());
        let others = active.flat_map(|(id, _)| places(*id)).collect();
        let damaged = state.rot.iter().flat_map(|(slot, rot)| rot.runs.iter().map(|run| (*slot, run.offset))).collect();
        let covered = state.holds.get(&hold).map(|hold| hold.covered.of(vault.dir.disk())).unwrap_or_default();
        let own = places(hold).into_iter().collect();
        drop(state);
        Self { vault, own, others, damaged, covered, minutes: BTreeMap::new() }
    }

    /// True when the hold has this very run, whole.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub(super) fn has(&mut self, run: &Run) -> Result<bool> {
        let own = std::mem::take(&mut self.own);
        let found = self.lists(run, &|_, row| own.get(&row.slot) == Some(&row.generation));
        self.own = own;
        found
    }

    /// True when another hold has it where nobody has looked for this one yet, beside the segment `slot`.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub(super) fn is_elsewhere(&mut self, run: &Run, slot: u32) -> Result<bool> {
        let (others, covered) = (std::mem::take(&mut self.others), std::mem::take(&mut self.covered));
        let found = self.lists(run, &|key, row| {
            let is_other = row.slot != slot && others.get(&row.slot) == Some(&row.generation);
            is_other && covered.first_outside(key.first_seq) <= row.last_seq
        });
        (self.others, self.covered) = (others, covered);
        found
    }

    /// True when one of the spans that `takes` wants has the run. Two runs are one when all is equal that describes their samples.
    fn lists(&mut self, run: &Run, takes: &dyn Fn(&SpanKey, &SpanRow) -> bool) -> Result<bool> {
        let minute = run.first_utc.0.div_euclid(CELL_NANOS);
        let at = (run.stream, minute);
        if !self.minutes.contains_key(&at) {
            let listed = spans_around(self.vault, run.stream, minute)?;
            self.minutes.insert(at, listed);
        }
        for listed in self.minutes.get_mut(&at).into_iter().flatten() {
            let row = &listed.row;
            let is_inside = (row.first_dts..=row.end_dts).contains(&run.first_dts.0);
            if row.recording != run.recording.0 || !is_inside || !takes(&listed.key, row) {
                continue;
            }
            if listed.tables.is_none() {
                let tables = self.vault.kv.get(rows::TABLES, &listed.key.encode())?;
                listed.tables = Some(tables.map_or(Ok(TablesRow::default()), |row| unpack(rows::TABLES, &row))?);
            }
            let slot = row.slot;
            let is_whole = |offset: u64| !self.damaged.contains(&(slot, offset));
            if listed.tables.as_ref().is_some_and(|tables| has_table(tables, &run.table, &is_whole)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn spans_around(vault: &OpenVault, stream: StreamId, minute: i64) -> Result<Vec<Listed>> {
    let start = |minute: i64| rows::stream_time(stream, UtcNanos(minute.saturating_mul(CELL_NANOS)));
    let mut found = Vec::new();
    span::scan(&*vault.kv, &Keys::between(start(minute - 1), start(minute + 1)), &mut |key, row| {
        found.push(Listed { key, row, tables: None });
    })?;
    Ok(found)
}

fn has_table(tables: &TablesRow, table: &[u8], is_whole: &dyn Fn(u64) -> bool) -> bool {
    let mut rest = tables.tables.as_slice();
    for place in &tables.runs {
        let Some((of_run, behind)) = rest.split_at_checked(narrow(u64::from(place.table_len))) else { return false };
        rest = behind;
        if of_run == table && is_whole(place.offset) {
            return true;
        }
    }
    false
}
