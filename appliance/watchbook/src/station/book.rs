//! The register, as the page asks for it: accounts, sessions, settings, and the audit log.

use super::desk::stored;
use std::sync::Arc;
use watchbook_access::{AuditEntry, AuditError, AuditLog};
use watchbook_store::register::AUDIT_PAGE_MAX;
use watchbook_store::register::{Change, Namespace, Register};
use watchbook_web::error::Error;
use watchbook_web::ports::{self, AuditBook, AuditRecord, Space};

/// The register.
pub struct Book(pub Arc<Register>);

fn namespace(space: Space) -> Namespace {
    match space {
        Space::Station => Namespace::Setting,
        Space::Account => Namespace::Account,
        Space::Session => Namespace::Session,
    }
}

/// The web's own settings share their table with the program's: they stand behind this prefix.
const STATION_PREFIX: &[u8] = b"station/";

fn key(space: Space, key: &[u8]) -> Vec<u8> {
    match space {
        Space::Station => [STATION_PREFIX, key].concat(),
        Space::Account | Space::Session => key.to_vec(),
    }
}

impl ports::Register for Book {
    fn list(&self, space: Space) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        let prefix = key(space, b"");
        let rows = self.0.scan(namespace(space), &prefix).map_err(stored)?;
        let bare = |row: watchbook_store::register::Entry| (row.key.split_at(prefix.len()).1.to_vec(), row.value);
        Ok(rows.into_iter().map(bare).collect())
    }

    fn write(&self, changes: &[ports::Change]) -> Result<(), Error> {
        let changes: Vec<Change> = changes
            .iter()
            .map(|change| match change {
                ports::Change::Put { space, key: name, value } => {
                    Change::put(namespace(*space), key(*space, name), value.clone())
                }
                ports::Change::Remove { space, key: name } => Change::delete(namespace(*space), key(*space, name)),
            })
            .collect();
        self.0.apply(&changes).map_err(stored)
    }
}

impl AuditLog for Book {
    fn append(&self, entry: &AuditEntry) -> Result<u64, AuditError> {
        self.0.append(entry)
    }
}

impl AuditBook for Book {
    fn page(&self, before: Option<u64>, limit: usize) -> Result<Vec<AuditRecord>, Error> {
        let size = self.0.audit_root().size;
        let end = before.unwrap_or(size).min(size);
        let start = end.saturating_sub(limit.min(AUDIT_PAGE_MAX) as u64);
        let count = usize::try_from(end - start).unwrap_or(0);
        let mut rows = self.0.audit_entries(start, count).map_err(stored)?;
        rows.reverse();
        let record = |row: watchbook_store::register::AuditRow| AuditRecord {
            index: row.index,
            at: row.leaf.utc,
            entry_json: row.leaf.body,
        };
        Ok(rows.into_iter().map(record).collect())
    }
}
