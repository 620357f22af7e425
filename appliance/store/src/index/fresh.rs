//! The index as readers see it: what is written, and over it what still waits to be written.

use super::IndexQueue;
use crate::catalog::rows;
use crate::error::Result;
use crate::kv::{Batch, Change, Keys, Kv, Table};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// Tables whose waiting rows are looked up here. Spans that wait are found in [`crate::catalog::Live`], with the tables of their runs.
fn is_kept(table: Table) -> bool {
    table != rows::SPANS && table != rows::TABLES && table != rows::SEGMENTS && table != rows::META
}

/// Rows that wait to be set, or, `None`, to be removed; each with the number of the operation that does it.
type Waiting = BTreeMap<Vec<u8>, (u64, Option<Vec<u8>>)>;

/// Waiting rows, table by table.
#[derive(Debug, Default)]
pub(super) struct Fresh(BTreeMap<Table, Waiting>);

impl Fresh {
    pub(super) fn add(&mut self, number: u64, batch: &Batch) {
        for change in &batch.changes {
            let (table, key, value) = match change {
                Change::Put(table, key, value) => (*table, key, Some(value.clone())),
                Change::Delete(table, key) => (*table, key, None),
            };
            if is_kept(table) {
                self.0.entry(table).or_default().insert(key.clone(), (number, value));
            }
        }
    }

    /// The rows of operation `number` are written.
    pub(super) fn written(&mut self, number: u64, batch: &Batch) {
        for change in &batch.changes {
            let (Change::Put(table, key, _) | Change::Delete(table, key)) = change;
            if let Some(rows) = self.0.get_mut(table)
                && rows.get(key).is_some_and(|(with, _)| *with == number)
            {
                rows.remove(key);
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn get(&self, table: Table, key: &[u8]) -> Option<Option<Vec<u8>>> {
        self.0.get(&table)?.get(key).map(|(_, value)| value.clone())
    }

    /// Rows between the bounds, in the order of the scan.
    fn range(&self, table: Table, keys: &Keys) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        if keys.to.as_ref().is_some_and(|to| *to <= keys.from) {
            return Vec::new();
        }
        let to = keys.to.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let waiting = self.0.get(&table).map(|rows| rows.range::<Vec<u8>, _>((Bound::Included(&keys.from), to)));
        let rows = waiting.into_iter().flatten();
        let mut rows: Vec<_> = rows.map(|(key, (_, value))| (key.clone(), value.clone())).collect();
        if keys.reverse {
            rows.reverse();
        }
        rows
    }
}

/// The index with what waits laid over it. Writes go to the index itself.
pub(crate) struct FreshKv {
    kv: Arc<dyn Kv>,
    queue: Arc<IndexQueue>,
}

impl FreshKv {
    pub(crate) fn new(kv: Arc<dyn Kv>, queue: Arc<IndexQueue>) -> Self {
        Self { kv, queue }
    }
}

impl Kv for FreshKv {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        // First what waits: written meanwhile, it is found in the index.
        let fresh = self.queue.state().fresh.get(table, key);
        fresh.map_or_else(|| self.kv.get(table, key), Ok)
    }

    fn scan(&self, table: Table, keys: &Keys, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        let mut fresh = self.queue.state().fresh.range(table, keys).into_iter().peekable();
        let mut more = true;
        let is_before = |a: &[u8], b: &[u8]| if keys.reverse { a > b } else { a < b };
        self.kv.scan(table, keys, &mut |key, value| {
            while let Some((fresh_key, fresh_value)) = fresh.next_if(|(other, _)| is_before(other, key)) {
                more = fresh_value.is_none_or(|value| visit(&fresh_key, &value));
                if !more {
                    return false;
                }
            }
            more = match fresh.next_if(|(other, _)| other == key) {
                Some((_, newer)) => newer.is_none_or(|newer| visit(key, &newer)),
                None => visit(key, value),
            };
            more
        })?;
        while more && let Some((key, value)) = fresh.next() {
            more = value.is_none_or(|value| visit(&key, &value));
        }
        Ok(())
    }

    fn write(&self, batch: &Batch, sync: bool) -> Result<()> {
        self.kv.write(batch, sync)
    }

    fn renew(&self) -> Result<()> {
        self.kv.renew()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Live;
    use crate::index::Op;
    use crate::kv::collect;
    use crate::kv::model::ModelKv;
    use proptest::prelude::*;

    fn batch(changes: &[(u8, Option<u8>)]) -> Batch {
        let mut batch = Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.put(rows::GAPS, [*key], [*value]),
                None => batch.delete(rows::GAPS, [*key]),
            }
        }
        batch
    }

    proptest! {
        #[test]
        fn what_waits_looks_as_if_it_were_written(
            written in proptest::collection::vec((0_u8..20, proptest::option::of(any::<u8>())), 0..20),
            waits in proptest::collection::vec(proptest::collection::vec((0_u8..20, proptest::option::of(any::<u8>())), 0..6), 0..5),
            from in 0_u8..20, to in 0_u8..24, reverse: bool, limit in 1_usize..20,
        ) {
            let (index, all) = (ModelKv::new(), ModelKv::new());
            let queue = Arc::new(IndexQueue::new(Live::default()));
            for kv in [&index, &all] {
                kv.write(&batch(&written), false).unwrap();
            }
            for changes in &waits {
                all.write(&batch(changes), false).unwrap();
                queue.push(Op::Write(batch(changes)), Vec::new(), 1);
            }
            let fresh = FreshKv::new(Arc::new(index), queue);
            let mut keys = Keys::between([from], [to]);
            keys.reverse = reverse;
            let first = |kv: &dyn Kv| {
                let mut rows = Vec::new();
                kv.scan(rows::GAPS, &keys, &mut |key, value| {
                    rows.push((key.to_vec(), value.to_vec()));
                    rows.len() < limit
                }).unwrap();
                rows
            };
            prop_assert_eq!(first(&fresh), first(&all));
            prop_assert_eq!(collect(&fresh, rows::GAPS, &Keys::prefix(b"")).unwrap(), collect(&all, rows::GAPS, &Keys::prefix(b"")).unwrap());
            for key in 0..20 {
                prop_assert_eq!(fresh.get(rows::GAPS, &[key]).unwrap(), all.get(rows::GAPS, &[key]).unwrap());
            }
        }
    }
}
