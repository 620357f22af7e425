//! The ordered key-value store under index and register, narrowed to what both need. RocksDB is behind it; so is a map for tests.

pub mod model;
#[cfg(feature = "rocks")]
pub mod rocks;

use crate::error::Result;

/// A named table (a column family in RocksDB).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table(pub &'static str);

/// A row to set or to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets a key.
    Put(Table, Vec<u8>, Vec<u8>),
    /// Removes a key, if it is there.
    Delete(Table, Vec<u8>),
}

/// Changes that happen together or not at all, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Later ones win.
    pub changes: Vec<Change>,
}

impl Batch {
    /// Sets a key.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.changes.push(Change::Put(table, key.into(), value.into()));
    }

    /// Removes a key.
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.changes.push(Change::Delete(table, key.into()));
    }

    /// Bytes of keys and values.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.changes
            .iter()
            .map(|change| match change {
                Change::Put(_, key, value) => key.len() + value.len(),
                Change::Delete(_, key) => key.len(),
            })
            .sum()
    }
}

/// Which keys a scan visits: `from` is the first possible one, `to` the first one beyond; in rising order, or falling when `reverse`.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Inclusive.
    pub from: Vec<u8>,
    /// Exclusive; `None`: to the end of the table.
    pub to: Option<Vec<u8>>,
    /// Falling order.
    pub reverse: bool,
}

impl Keys {
    /// Every key that begins with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        // The first key beyond a prefix: its last byte that is not 0xFF raised by one, and nothing behind it.
        let cut = prefix.iter().rposition(|byte| *byte != 0xFF);
        let to = cut.map(|cut| {
            let mut to: Vec<u8> = prefix.iter().take(cut + 1).copied().collect();
            if let Some(last) = to.last_mut() {
                *last = last.wrapping_add(1);
            }
            to
        });
        Self { from: prefix.to_vec(), to, reverse: false }
    }

    /// From `from` up to before `to`.
    #[must_use]
    pub fn between(from: impl Into<Vec<u8>>, to: impl Into<Vec<u8>>) -> Self {
        Self { from: from.into(), to: Some(to.into()), reverse: false }
    }

    /// The same keys, last one first.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        self.reverse = true;
        self
    }
}

/// An ordered key-value store.
pub trait Kv: Send + Sync {
    /// The value of `key`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Shows keys and values to `visit` until it returns false.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn scan(&self, table: Table, keys: &Keys, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()>;

    /// Applies `batch`. With `sync` it survives a power cut once this returns; without, a cut may take it and everything after it, never a part of it.
    ///
    /// # Errors
    /// When it was not applied.
    fn write(&self, batch: &Batch, sync: bool) -> Result<()>;

    /// Goes on without any row, and without reading those that are there: they may be damaged.
    ///
    /// # Errors
    /// When an empty store cannot be made, or this one's rows must not be given up.
    fn renew(&self) -> Result<()>;
}

/// Every key and value of a range, in order.
///
/// # Errors
/// As [`Kv::scan`].
pub fn collect(kv: &dyn Kv, table: Table, keys: &Keys) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut rows = Vec::new();
    kv.scan(table, keys, &mut |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        true
    })?;
    Ok(rows)
}
