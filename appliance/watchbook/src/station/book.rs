//! The register, as the page asks for it: accounts, sessions, settings, and the audit log.

use super::desk::stored;
use std::sync::Arc;
use watchbook_access::{AuditEntry, AuditError, AuditLog};
use watchbook_store::Keys;
use watchbook_store::register::{self, Change, Namespace, Register};
use watchbook_web::error::Error;
use watchbook_web::ports::{self, AuditBook, AuditKind, AuditPage, AuditRecord, Space};
use zeroize::Zeroizing;

/// The register.
pub struct Book(pub Arc<Register>);

/// The table of what the page keeps.
pub(super) fn namespace(space: Space) -> Namespace {
    match space {
        Space::Station | Space::Request | Space::Mirror | Space::Setting => Namespace::Setting,
        Space::Account => Namespace::Account,
        Space::Session => Namespace::Session,
        Space::Case => Namespace::Case,
    }
}

/// The web's own settings share their table with the program's: they stand behind this prefix.
const STATION_PREFIX: &[u8] = b"station/";
/// Requests of people who may be in the footage, in the same table.
const REQUEST_PREFIX: &[u8] = b"request/";
/// See [`STATION_PREFIX`].
const MIRROR_PREFIX: &[u8] = b"mirror/";
/// See [`STATION_PREFIX`].
const SETTING_PREFIX: &[u8] = b"setting/";

/// What something of the page's is called in its table.
pub(super) fn key(space: Space, key: &[u8]) -> Vec<u8> {
    match space {
        Space::Station => [STATION_PREFIX, key].concat(),
        Space::Request => [REQUEST_PREFIX, key].concat(),
        Space::Mirror => [MIRROR_PREFIX, key].concat(),
        Space::Setting => [SETTING_PREFIX, key].concat(),
        Space::Account | Space::Session | Space::Case => key.to_vec(),
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

/// What wraps the page's secrets: the keys of footage.
pub struct Wrapping(pub Arc<Keys>);

impl ports::Secrets for Wrapping {
    fn wrap(&self, name: &str, secret: &[u8; ports::SECRET_BYTES]) -> Result<Vec<u8>, Error> {
        self.0.wrap_secret(name, secret).map_err(stored)
    }

    fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<Zeroizing<[u8; ports::SECRET_BYTES]>, Error> {
        self.0.unwrap_secret(name, wrapped).map_err(stored)
    }
}

impl AuditLog for Book {
    fn append(&self, entry: &AuditEntry) -> Result<u64, AuditError> {
        self.0.append(entry)
    }
}

impl AuditBook for Book {
    fn page(&self, kind: AuditKind, before: Option<u64>, limit: usize) -> Result<AuditPage, Error> {
        let kind = match kind {
            AuditKind::People => register::AuditKind::People,
            AuditKind::Footage => register::AuditKind::Footage,
            AuditKind::All => register::AuditKind::All,
        };
        let page = self.0.audit_page(kind, before, limit).map_err(stored)?;
        let record =
            |row: register::AuditRow| AuditRecord { index: row.index, at: row.leaf.utc, entry_json: row.leaf.body };
        Ok(AuditPage { records: page.rows.into_iter().map(record).collect(), next: page.next })
    }
}
