//! The open store, shared by what answers for it and by whoever closes it.

use std::sync::{PoisonError, RwLock};
use watchbook_base::Kind;
use watchbook_store::Store;
use watchbook_web::error::Error;

/// A store until it is closed.
pub struct Shelf(RwLock<Option<Store>>);

impl Shelf {
    /// Keeps `store`.
    pub fn new(store: Store) -> Self {
        Self(RwLock::new(Some(store)))
    }

    /// What `ask` gets from the store.
    ///
    /// # Errors
    /// `Unavailable` once it is closed, and what `ask` says.
    pub fn ask<T>(&self, ask: impl FnOnce(&Store) -> Result<T, Error>) -> Result<T, Error> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let store = kept.as_ref();
        ask(store.ok_or_else(|| Error::new(Kind::Unavailable, "the recorder is being stopped"))?)
    }

    /// Commits what waits and closes the store. A second call does nothing.
    ///
    /// # Errors
    /// When the last commit may be lost.
    pub fn close(&self) -> watchbook_store::Result<()> {
        let store = self.0.write().unwrap_or_else(PoisonError::into_inner).take();
        store.map_or(Ok(()), Store::close)
    }
}
