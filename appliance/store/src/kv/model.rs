//! The in-memory twin of RocksDB: what tests and `check` run on. A power cut takes a suffix of the unsynced batches, as it does with a write-ahead log.

use super::{Batch, Change, Keys, Kv, Table};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_base::Kind;
use watchbook_base::fs::sim::Dice;

type Tables = BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>;

#[derive(Debug, Default)]
struct State {
    now: Tables,
    durable: Tables,
    unsynced: Vec<Batch>,
    broken: bool,
    unreadable: bool,
    /// Keep `durable` and `unsynced`: only crash tests need them.
    tracked: bool,
}

/// A map that can crash. Clones share one content.
#[derive(Clone, Debug, Default)]
pub struct ModelKv(Arc<Mutex<State>>);

impl ModelKv {
    /// An empty store that cannot crash.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store for crash tests.
    #[must_use]
    pub fn crashing() -> Self {
        let store = Self::default();
        store.state().tracked = true;
        store
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loses some or all of the unsynced batches, newest first.
    pub fn crash(&self, dice: &mut Dice) {
        let mut state = self.state();
        let State { now, durable, unsynced, .. } = &mut *state;
        let kept = dice.below(crate::codec::wide(unsynced.len()) + 1);
        unsynced.truncate(crate::codec::narrow(kept));
        unsynced.drain(..).for_each(|batch| apply(durable, &batch));
        now.clone_from(durable);
    }

    /// Makes every write fail until called with false.
    pub fn break_writes(&self, broken: bool) {
        self.state().broken = broken;
    }

    /// Makes every read fail until called with false, or until the store is renewed.
    pub fn break_reads(&self, unreadable: bool) {
        self.state().unreadable = unreadable;
    }

    fn readable(&self) -> Result<()> {
        match self.state().unreadable {
            true => Err(Error::corrupt("reading the index: it was broken on purpose")),
            false => Ok(()),
        }
    }

    /// Loses everything.
    pub fn wipe(&self) {
        let tracked = self.state().tracked;
        *self.state() = State { tracked, ..State::default() };
    }

    /// Every row of these tables, all at the same moment.
    #[must_use]
    pub fn all(&self, tables: &[Table]) -> Batch {
        let state = self.state();
        let mut batch = Batch::default();
        for table in tables {
            let rows = state.now.get(table).into_iter().flatten();
            rows.for_each(|(key, value)| batch.put(*table, key.clone(), value.clone()));
        }
        batch
    }

    /// Every row of a table.
    #[must_use]
    pub fn rows(&self, table: Table) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.state().now.get(&table).cloned().unwrap_or_default()
    }
}

fn apply(tables: &mut Tables, batch: &Batch) {
    for change in &batch.changes {
        match change {
            Change::Put(table, key, value) => {
                tables.entry(*table).or_default().insert(key.clone(), value.clone());
            }
            Change::Delete(table, key) => {
                tables.entry(*table).or_default().remove(key);
            }
        }
    }
}

impl Kv for ModelKv {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.readable()?;
        Ok(self.state().now.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn scan(&self, table: Table, keys: &Keys, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        self.readable()?;
        let rows = self.rows(table);
        if keys.to.as_ref().is_some_and(|to| *to <= keys.from) {
            return Ok(());
        }
        let to = keys.to.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = rows.range::<Vec<u8>, _>((Bound::Included(&keys.from), to));
        let mut show = |(key, value): (&Vec<u8>, &Vec<u8>)| visit(key, value);
        if keys.reverse {
            range.rev().all(&mut show)
        } else {
            range.into_iter().all(&mut show)
        };
        Ok(())
    }

    fn write(&self, batch: &Batch, sync: bool) -> Result<()> {
        let mut state = self.state();
        if state.broken {
            return Err(Error::new(Kind::Io, "writing to the index: it was broken on purpose"));
        }
        let State { now, durable, unsynced, tracked, .. } = &mut *state;
        apply(now, batch);
        if *tracked {
            unsynced.push(batch.clone());
            if sync {
                unsynced.drain(..).for_each(|batch| apply(durable, &batch));
            }
        }
        Ok(())
    }

    fn renew(&self) -> Result<()> {
        self.wipe();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Table = Table("t");

    /// What every implementation must do.
    pub(crate) fn behaves(kv: &dyn Kv) {
        let mut batch = Batch::default();
        for key in [&b"a"[..], b"b\xFF", b"b\xFF\xFF", b"c", b"\xFF\xFF"] {
            batch.put(T, key, [b"v", key].concat());
        }
        batch.put(T, *b"gone", *b"x");
        batch.delete(T, *b"gone");
        kv.write(&batch, true).unwrap();
        assert_eq!(kv.get(T, b"c").unwrap(), Some(b"vc".to_vec()));
        assert_eq!(kv.get(T, b"gone").unwrap(), None);
        let keys = |keys: &Keys| -> Vec<Vec<u8>> {
            super::super::collect(kv, T, keys).unwrap().into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(keys(&Keys::prefix(b"b\xFF")), [b"b\xFF".to_vec(), b"b\xFF\xFF".to_vec()]);
        assert_eq!(keys(&Keys::prefix(b"\xFF")), [b"\xFF\xFF".to_vec()]);
        assert_eq!(keys(&Keys::between(*b"a", *b"c").reversed()).first(), Some(&b"b\xFF\xFF".to_vec()));
        assert_eq!(keys(&Keys::between(*b"c", *b"a")), Vec::<Vec<u8>>::new());
        assert_eq!(keys(&Keys::prefix(b"")).len(), 5);
        let mut first = None;
        kv.scan(T, &Keys::prefix(b"").reversed(), &mut |key, _| {
            first = Some(key.to_vec());
            false
        })
        .unwrap();
        assert_eq!(first, Some(b"\xFF\xFF".to_vec()));
    }

    #[test]
    fn the_model_behaves() {
        behaves(&ModelKv::new());
    }

    #[cfg(feature = "rocks")]
    #[test]
    fn rocksdb_behaves_and_keeps_its_rows() {
        let dir = tempfile::tempdir().unwrap();
        let open = || super::super::rocks::RocksKv::open(dir.path(), &[T], super::super::rocks::Use::Index).unwrap();
        behaves(&open());
        assert_eq!(open().get(T, b"c").unwrap(), Some(b"vc".to_vec()));
    }

    #[test]
    fn a_crash_takes_a_suffix_of_the_unsynced() {
        for seed in 0..20 {
            let kv = ModelKv::crashing();
            for number in 0..6_u8 {
                let mut batch = Batch::default();
                batch.put(T, [number], [number]);
                kv.write(&batch, number == 2).unwrap();
            }
            kv.crash(&mut Dice::new(seed));
            let kept: Vec<u8> = kv.rows(T).into_keys().flatten().collect();
            assert!(kept.len() >= 3 && kept == (0..kept.len() as u8).collect::<Vec<_>>(), "seed {seed}: {kept:?}");
        }
    }
}
