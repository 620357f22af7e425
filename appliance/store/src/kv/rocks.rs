//! RocksDB: the only file that names it. Memory, open files and logs are bounded by the constants below.

use super::{Batch, Change, Keys, Kv, Table};
use crate::error::{Error, Result};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, Direction, IteratorMode, LogLevel,
    Options, ReadOptions, WriteBatch, WriteOptions,
};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use watchbook_base::Kind;

/// Uncompressed blocks, index and filter blocks of one database. A week of one camera's tables is 40 MB, so a screenful of timelines stays in.
const BLOCK_CACHE_BYTES: usize = 64 << 20;
/// All memtables of one database together.
const WRITE_BUFFERS_BYTES: usize = 32 << 20;
/// One memtable.
const WRITE_BUFFER_BYTES: usize = 8 << 20;
/// Open table files. 10 M rows of 5 kB at 64 MiB a file, compressed, are about 400.
const OPEN_FILES_MAX: i32 = 512;
/// Write-ahead logs of all column families together, before the oldest one is flushed away.
const WAL_BYTES_MAX: u64 = 64 << 20;
/// RocksDB's own text log.
const INFO_LOG_BYTES: usize = 4 << 20;
/// Kept text logs.
const INFO_LOGS_KEPT: usize = 2;
/// Threads that flush and compact: the recorder runs on two cores.
const BACKGROUND_JOBS: i32 = 2;
/// Bytes of an SST file written between syncs, so that a compaction never queues more than this in front of a commit.
const BYTES_PER_SYNC: u64 = 1 << 20;

/// What the database is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The disposable index: damage is repaired by rebuilding it from the log.
    Index,
    /// The register: the only copy of settings and audit log.
    Register,
}

/// A RocksDB database.
pub struct RocksKv {
    /// `None` only when [`Kv::renew`] failed half-way.
    db: RwLock<Option<DB>>,
    dir: PathBuf,
    tables: Vec<Table>,
    purpose: Use,
}

impl RocksKv {
    /// Opens or makes the database in `dir` with these tables.
    ///
    /// # Errors
    /// `Conflict` when another process has it open; what RocksDB says when it is damaged.
    pub fn open(dir: &Path, tables: &[Table], purpose: Use) -> Result<Self> {
        let db = open_database(dir, tables, purpose)?;
        Ok(Self { db: RwLock::new(Some(db)), dir: dir.to_owned(), tables: tables.to_vec(), purpose })
    }

    fn db(&self) -> RwLockReadGuard<'_, Option<DB>> {
        self.db.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_database(dir: &Path, tables: &[Table], purpose: Use) -> Result<DB> {
    std::fs::create_dir_all(dir).map_err(|error| Error::io(format!("making {}", dir.display()), error))?;
    let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
    let families = tables.iter().map(|table| ColumnFamilyDescriptor::new(table.0, table_options(&cache)));
    DB::open_cf_descriptors(&database_options(purpose), dir, families).map_err(|error| {
        let mut told = failed(&format!("opening the database {}", dir.display()), &error);
        // RocksDB has no kind for this; both of its messages end with the lock file and the reason.
        if error.as_ref().contains("/LOCK: ") {
            told.kind = Kind::Conflict;
        }
        told
    })
}

/// Renames the database directory `dir` to `….damaged`, in place of an older one. Nothing is synced: what is set aside can be made again.
///
/// # Errors
/// The operating system's.
pub fn set_aside(dir: &Path) -> Result<()> {
    let aside = dir.with_extension("damaged");
    if aside.exists() {
        std::fs::remove_dir_all(&aside).map_err(|error| Error::io(format!("removing {}", aside.display()), error))?;
    }
    std::fs::rename(dir, &aside).map_err(|error| Error::io(format!("setting {} aside", dir.display()), error))
}

fn opened(db: &Option<DB>) -> Result<&DB> {
    db.as_ref().ok_or_else(|| Error::new(Kind::Unavailable, "using a database that could not be renewed"))
}

fn family(db: &DB, table: Table) -> Result<&rocksdb::ColumnFamily> {
    db.cf_handle(table.0).ok_or_else(|| {
        Error::new(Kind::Internal, format!("table {} was not named when the database was opened", table.0))
    })
}

fn database_options(purpose: Use) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    options.set_bytes_per_sync(BYTES_PER_SYNC);
    options.set_max_log_file_size(INFO_LOG_BYTES);
    options.set_keep_log_file_num(INFO_LOGS_KEPT);
    options.set_log_level(LogLevel::Warn);
    options.set_paranoid_checks(true);
    if purpose == Use::Index {
        // The log is the truth: whatever prefix of the write-ahead log is intact will do.
        options.set_wal_recovery_mode(rocksdb::DBRecoveryMode::PointInTime);
    } else {
        // A torn last record is an unacknowledged write; a hole before it is damage that must not be papered over.
        options.set_wal_recovery_mode(rocksdb::DBRecoveryMode::TolerateCorruptedTailRecords);
    }
    options
}

fn table_options(cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_block_size(16 << 10);
    blocks.set_format_version(5);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_compression_type(DBCompressionType::Zstd);
    options.set_level_compaction_dynamic_level_bytes(true);
    options
}

fn failed(what: &str, error: &rocksdb::Error) -> Error {
    let kind = match error.kind() {
        rocksdb::ErrorKind::Corruption => Kind::Corrupt,
        rocksdb::ErrorKind::Busy | rocksdb::ErrorKind::TryAgain => Kind::Unavailable,
        rocksdb::ErrorKind::IOError => Kind::Io,
        rocksdb::ErrorKind::InvalidArgument => Kind::Internal,
        _ => Kind::Io,
    };
    Error::new(kind, format!("{what}: {error}"))
}

impl Kv for RocksKv {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let guard = self.db();
        let db = opened(&guard)?;
        let family = family(db, table)?;
        db.get_cf(family, key).map_err(|error| failed(&format!("reading a row of {}", table.0), &error))
    }

    fn scan(&self, table: Table, keys: &Keys, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        if keys.to.as_ref().is_some_and(|to| *to <= keys.from) {
            return Ok(());
        }
        let guard = self.db();
        let db = opened(&guard)?;
        let family = family(db, table)?;
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(keys.from.clone());
        if let Some(to) = &keys.to {
            options.set_iterate_upper_bound(to.clone());
        }
        let mode = match keys.reverse {
            true => IteratorMode::End,
            false => IteratorMode::From(&keys.from, Direction::Forward),
        };
        for row in db.iterator_cf_opt(family, options, mode) {
            let (key, value) = row.map_err(|error| failed(&format!("scanning {}", table.0), &error))?;
            if !visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, batch: &Batch, sync: bool) -> Result<()> {
        let guard = self.db();
        let db = opened(&guard)?;
        let mut changes = WriteBatch::default();
        for change in &batch.changes {
            match change {
                Change::Put(table, key, value) => changes.put_cf(family(db, *table)?, key, value),
                Change::Delete(table, key) => changes.delete_cf(family(db, *table)?, key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        db.write_opt(changes, &options).map_err(|error| failed("writing to the database", &error))
    }

    fn renew(&self) -> Result<()> {
        if self.purpose != Use::Index {
            return Err(Error::new(Kind::Internal, "renewing the register: it is the only copy"));
        }
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        // Closed before its directory moves.
        *db = None;
        set_aside(&self.dir)?;
        *db = Some(open_database(&self.dir, &self.tables, self.purpose)?);
        Ok(())
    }
}
