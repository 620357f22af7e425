//! The configuration as a whole: read for a backup, and replaced by one at a start.
//!
//! A restore is two steps, each one write of the register that is made whole or not at all. The first keeps what is to come beside what is in force; the second, at the next start and
//! before anything reads the register, puts it in force and takes away what was kept. A power cut before the first leaves the old configuration, one between the two and one
//! after them the new one: there is no moment at which it is half of each. Sessions end with the second, because a number may stand for somebody else in the new one.

use super::book::{Book, key as book_key, namespace};
use super::desk::{NEXT_NUMBER, REMOVED_PREFIX, stored};
use super::policies;
use std::sync::Arc;
use tokio::sync::Notify;
use watchbook_base::Kind;
use watchbook_store::register::{Change, Namespace, Register};
use watchbook_web::error::Error;
use watchbook_web::ports::{Backups, Register as _, RestoreOnto, Space};
use watchbook_web::{BackupRow, BackupTable};

/// One row behind each number of this prefix: number of its table, length of its key, key, value.
const ROW_PREFIX: &[u8] = b"restore/row/";
/// Rows that hold passwords and addresses of cameras: those in force, and those that a restore keeps for the next start.
pub const SECRET_ROWS: [(Namespace, &[u8]); 2] = [(Namespace::Camera, b""), (Namespace::Setting, ROW_PREFIX)];
/// There is something to put in force; `fresh` or `running`.
const WAITING: &[u8] = b"restore/waiting";
const FRESH: &[u8] = b"fresh";
const RUNNING: &[u8] = b"running";

const SPACES: [(Space, BackupTable); 5] = [
    (Space::Station, BackupTable::Station),
    (Space::Account, BackupTable::Account),
    (Space::Case, BackupTable::Case),
    (Space::Request, BackupTable::Request),
    (Space::Setting, BackupTable::StationSettings),
];

/// The program's own settings that are in a backup.
const SETTINGS: [&[u8]; 2] = [NEXT_NUMBER, policies::IN_FORCE];

/// [`Backups`] of the register.
pub struct BackupDesk {
    pub register: Arc<Register>,
    /// Told when the program is to start again.
    pub restart: Arc<Notify>,
}

impl BackupDesk {
    /// On this register; and who is told when the program is to start again.
    pub fn new(register: Arc<Register>) -> (Arc<Self>, Arc<Notify>) {
        let restart = Arc::new(Notify::new());
        (Arc::new(Self { register, restart: Arc::clone(&restart) }), restart)
    }
}

impl Backups for BackupDesk {
    fn rows(&self) -> Result<Vec<BackupRow>, Error> {
        let book = Book(Arc::clone(&self.register));
        let mut rows = Vec::new();
        for (space, table) in SPACES {
            rows.extend(book.list(space)?.into_iter().map(|(key, value)| BackupRow { table, key, value }));
        }
        let cameras = self.register.scan(Namespace::Camera, b"").map_err(stored)?.into_iter();
        rows.extend(cameras.map(|row| BackupRow { table: BackupTable::Camera, key: row.key, value: row.value }));
        for key in SETTINGS {
            if let Some(row) = self.register.get(Namespace::Setting, key).map_err(stored)? {
                rows.push(BackupRow { table: BackupTable::Setting, key: row.key, value: row.value });
            }
        }
        Ok(rows)
    }

    fn startable(&self, rows: &[BackupRow]) -> Result<(), Error> {
        rows.iter().try_for_each(is_startable)
    }

    fn stage(&self, rows: Vec<BackupRow>, onto: RestoreOnto) -> Result<(), Error> {
        self.startable(&rows)?;
        let mut changes: Vec<Change> = kept_rows(&self.register)?;
        for (number, row) in (0_u32..).zip(rows) {
            let value = [&[row.table as u8, key_len(&row.key)?][..], &row.key, &row.value].concat();
            changes.push(Change::put(Namespace::Setting, [ROW_PREFIX, &number.to_be_bytes()].concat(), value));
        }
        let onto = if onto == RestoreOnto::Fresh { FRESH } else { RUNNING };
        changes.push(Change::put(Namespace::Setting, WAITING, onto));
        self.register.apply(&changes).map_err(stored)
    }

    fn restart(&self) {
        self.restart.notify_one();
    }
}

fn key_len(key: &[u8]) -> Result<u8, Error> {
    u8::try_from(key.len()).map_err(|_| Error::new(Kind::InvalidInput, "a key of this backup is too long"))
}

/// A setting that this program can start with.
fn is_startable(row: &BackupRow) -> Result<(), Error> {
    let fits = match row.table {
        // Camera numbers have 24 bits; so near to their end no camera could be added.
        BackupTable::Setting if row.key == NEXT_NUMBER => {
            <[u8; 4]>::try_from(&row.value[..]).is_ok_and(|next| u32::from_be_bytes(next) < 1 << 23)
        }
        BackupTable::Setting if row.key == policies::IN_FORCE => policies::is_policy(&row.value),
        BackupTable::Setting => false,
        _ => true,
    };
    match fits {
        true => Ok(()),
        false => Err(Error::new(Kind::InvalidInput, "this backup has a setting that no recorder could start with")
            .next("Take another copy of it, or an older backup.")),
    }
}

/// Takes away what an earlier restore kept and no start has put in force.
fn kept_rows(register: &Register) -> Result<Vec<Change>, Error> {
    let kept = register.scan(Namespace::Setting, ROW_PREFIX).map_err(stored)?;
    Ok(kept.into_iter().map(|row| Change::delete(Namespace::Setting, row.key)).collect())
}

/// Puts a restore in force that waits for it. True when there was one.
///
/// # Errors
/// When the register cannot be read or written; then the configuration is the old one.
pub fn finish(register: &Arc<Register>) -> Result<bool, Error> {
    let Some(waiting) = register.get(Namespace::Setting, WAITING).map_err(stored)? else { return Ok(false) };
    let mut changes = kept_rows(register)?;
    changes.push(Change::delete(Namespace::Setting, WAITING));
    changes.extend(everything(register, &[Space::Session])?);
    if waiting.value == FRESH {
        changes.extend(everything(register, &SPACES.map(|(space, _)| space))?);
        let cameras = register.scan(Namespace::Camera, b"").map_err(stored)?.into_iter();
        changes.extend(cameras.map(|row| Change::delete(Namespace::Camera, row.key)));
    }
    for row in register.scan(Namespace::Setting, ROW_PREFIX).map_err(stored)? {
        put_in_force(register, &row.value, &mut changes)?;
    }
    register.apply(&changes).map_err(stored)?;
    tracing::info!("the configuration of a backup is in force");
    Ok(true)
}

fn everything(register: &Arc<Register>, spaces: &[Space]) -> Result<Vec<Change>, Error> {
    let book = Book(Arc::clone(register));
    let mut changes = Vec::new();
    for space in spaces {
        let rows = book.list(*space)?.into_iter();
        changes.extend(rows.map(|(key, _)| Change::delete(namespace(*space), book_key(*space, &key))));
    }
    Ok(changes)
}

fn put_in_force(register: &Register, kept: &[u8], changes: &mut Vec<Change>) -> Result<(), Error> {
    let damaged = || Error::new(Kind::Corrupt, "what a restore kept cannot be read");
    let (head, rest) = kept.split_first_chunk::<2>().ok_or_else(damaged)?;
    let (key, value) = rest.split_at_checked(usize::from(head[1])).ok_or_else(damaged)?;
    let table = BackupTable::from_number(head[0]).ok_or_else(damaged)?;
    match SPACES.iter().find(|(_, of)| *of == table) {
        Some((space, _)) => changes.push(Change::put(namespace(*space), book_key(*space, key), value)),
        None if table == BackupTable::Camera => {
            // It is not a removed one any more.
            changes.push(Change::delete(Namespace::Setting, [REMOVED_PREFIX, key].concat()));
            changes.push(Change::put(Namespace::Camera, key, value));
        }
        None if key == NEXT_NUMBER => {
            let number = |value: &[u8]| <[u8; 4]>::try_from(value).map_or(1, u32::from_be_bytes);
            let here = register.get(Namespace::Setting, key).map_err(stored)?.map_or(1, |row| number(&row.value));
            changes.push(Change::put(Namespace::Setting, key, number(value).max(here).to_be_bytes()));
        }
        None => changes.push(Change::put(Namespace::Setting, key, value)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::clock::SystemClock;

    fn opened(dir: &std::path::Path) -> Arc<Register> {
        Arc::new(Register::open(dir, Arc::new(SystemClock)).unwrap())
    }

    fn desk(register: &Arc<Register>) -> Arc<BackupDesk> {
        BackupDesk::new(Arc::clone(register)).0
    }

    fn row(table: BackupTable, key: &[u8], value: &[u8]) -> BackupRow {
        BackupRow { table, key: key.to_vec(), value: value.to_vec() }
    }

    /// An account, a session, a camera with the number 1, the next number and a second camera that was removed.
    fn used() -> Vec<Change> {
        vec![
            Change::put(Namespace::Account, 1_u32.to_be_bytes(), *b"old"),
            Change::put(Namespace::Session, [7; 32], *b"signed in"),
            Change::put(Namespace::Camera, 1_u32.to_be_bytes(), *b"old camera"),
            Change::put(Namespace::Setting, NEXT_NUMBER, 9_u32.to_be_bytes()),
            Change::put(Namespace::Setting, [REMOVED_PREFIX, &2_u32.to_be_bytes()].concat(), 7_u32.to_be_bytes()),
            Change::put(Namespace::Setting, *b"log/of_another_kind", *b"stays"),
        ]
    }

    fn backup() -> Vec<BackupRow> {
        vec![
            row(BackupTable::Station, b"station", b"claimed"),
            row(BackupTable::Account, &2_u32.to_be_bytes(), b"new"),
            row(BackupTable::Camera, &2_u32.to_be_bytes(), b"new camera"),
            row(BackupTable::Setting, NEXT_NUMBER, &3_u32.to_be_bytes()),
        ]
    }

    fn value(register: &Register, namespace: Namespace, key: &[u8]) -> Option<Vec<u8>> {
        register.get(namespace, key).unwrap().map(|entry| entry.value)
    }

    #[test]
    fn what_waits_is_put_in_force_once_at_a_start_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let register = opened(dir.path());
        register.apply(&used()).unwrap();
        let before = desk(&register).rows().unwrap();
        desk(&register).stage(backup(), RestoreOnto::Running).unwrap();
        assert_eq!(desk(&register).rows().unwrap(), before, "nothing is in force yet");
        drop(register);
        let register = opened(dir.path());
        assert!(finish(&register).unwrap());
        let account = |number: u32| value(&register, Namespace::Account, &number.to_be_bytes());
        assert_eq!((account(1).unwrap(), account(2).unwrap()), (b"old".to_vec(), b"new".to_vec()));
        assert!(register.scan(Namespace::Session, b"").unwrap().is_empty(), "nobody stays signed in");
        assert_eq!(value(&register, Namespace::Camera, &2_u32.to_be_bytes()).unwrap(), b"new camera");
        let number = value(&register, Namespace::Setting, NEXT_NUMBER).unwrap();
        assert_eq!(number, 9_u32.to_be_bytes(), "no number is given twice");
        assert!(
            register.scan(Namespace::Setting, REMOVED_PREFIX).unwrap().is_empty(),
            "camera 2 is not removed any more"
        );
        assert!(register.scan(Namespace::Setting, b"restore/").unwrap().is_empty());
        assert!(!finish(&register).unwrap(), "once");
    }

    #[test]
    fn a_fresh_station_keeps_nothing_of_its_own_but_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let register = opened(dir.path());
        register.apply(&used()).unwrap();
        desk(&register).stage(backup(), RestoreOnto::Fresh).unwrap();
        assert!(finish(&register).unwrap());
        assert_eq!(value(&register, Namespace::Account, &1_u32.to_be_bytes()), None);
        assert_eq!(value(&register, Namespace::Camera, &1_u32.to_be_bytes()), None);
        assert_eq!(value(&register, Namespace::Setting, b"log/of_another_kind").unwrap(), b"stays");
        assert_eq!(value(&register, Namespace::Setting, b"station/station").unwrap(), b"claimed");
    }

    #[test]
    fn a_second_restore_takes_the_place_of_one_that_waits() {
        let dir = tempfile::tempdir().unwrap();
        let register = opened(dir.path());
        desk(&register).stage(backup(), RestoreOnto::Fresh).unwrap();
        let other = vec![row(BackupTable::Account, &5_u32.to_be_bytes(), b"other")];
        desk(&register).stage(other, RestoreOnto::Fresh).unwrap();
        assert!(finish(&register).unwrap());
        assert_eq!(register.scan(Namespace::Account, b"").unwrap().len(), 1);
        assert_eq!(value(&register, Namespace::Account, &5_u32.to_be_bytes()).unwrap(), b"other");
    }

    #[test]
    fn no_setting_comes_in_but_those_that_go_out() {
        let dir = tempfile::tempdir().unwrap();
        let register = opened(dir.path());
        for (key, value) in [(&b"log/key"[..], &b"x"[..]), (policies::IN_FORCE, b"no policy"), (NEXT_NUMBER, b"12345")]
        {
            let refused = desk(&register).stage(vec![row(BackupTable::Setting, key, value)], RestoreOnto::Fresh);
            assert_eq!(refused.unwrap_err().kind, Kind::InvalidInput, "{}", String::from_utf8_lossy(key));
        }
        assert!(!finish(&register).unwrap());
    }
}
