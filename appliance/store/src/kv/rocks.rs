//! RocksDB: the only file that names it. Memory, open files and logs are bounded by the constants below.
//!
//! | what takes memory | bound | for |
//! |---|---|---|
//! | cached blocks with their indexes and filters, memtables | [`CACHE_BYTES`], 128 MiB | all databases of the process |
//! | flushes and compactions at work | [`BACKGROUND_JOBS`] × [`COMPACTION_INPUTS_MAX`] × [`COMPACTION_READ_BYTES`], 16 MiB | each database |
//! | open table files | [`OPEN_FILES_MAX`] × [`OPEN_FILE_BYTES`], 4 MiB | each database |
//!
//! Together [`index_memory_bytes_max`]: 168 MiB for the register and one disk, 20 MiB more for each further disk and for the vault. A scan pins a block or two beside that.

mod revive;

use super::{Batch, Change, Keys, Kv, Table};
use crate::error::{Error, Result};
use revive::Revival;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, LogLevel, Options, ReadOptions,
    WriteBatch, WriteBufferManager, WriteOptions,
};
use std::path::{Path, PathBuf};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};
use watchbook_base::Kind;

/// Cached blocks with their indexes and filters, and the memtables, of all databases of this process. A day of one camera's spans is 90 kB and of its tables
/// 12 MB, so a screenful of timelines stays in.
const CACHE_BYTES: usize = 128 << 20;
/// Of these, memtables: two of [`LARGE_BUFFER_BYTES`], and the small ones.
const WRITE_BUFFERS_BYTES: usize = 48 << 20;
/// The table with rows of kilobytes: sample tables. All others have small rows.
const LARGE: Table = crate::catalog::rows::TABLES;
/// Read at once, and compressed together: two rows of sample tables, or six hours of one stream's spans.
const BLOCK_BYTES: usize = 16 << 10;
/// Bits of a filter for each key. One lookup in a hundred then reads a file in vain.
const FILTER_BITS: f64 = 10.0;
/// One memtable of sample tables: a row is 5 to 10 kB, so this is five minutes of 400 streams. Fewer and larger files are merged less often.
const LARGE_BUFFER_BYTES: usize = 16 << 20;
/// One memtable of any other table.
const WRITE_BUFFER_BYTES: usize = 4 << 20;
/// Open table files of one database.
const OPEN_FILES_MAX: i32 = 512;
/// What an open table file keeps outside the cache: its properties and footer.
const OPEN_FILE_BYTES: usize = 8 << 10;
/// Read at once by a compaction from each of its inputs.
const COMPACTION_READ_BYTES: usize = 512 << 10;
/// Inputs of one compaction that are read at the same time.
const COMPACTION_INPUTS_MAX: usize = 16;
/// Write-ahead logs of one database together, before the table with the oldest unflushed row is flushed: a start reads them all.
const WAL_BYTES_MAX: u64 = 64 << 20;
/// The list of files is begun anew at this size: a start reads it.
const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// RocksDB's own text log.
const INFO_LOG_BYTES: usize = 4 << 20;
/// Kept text logs.
const INFO_LOGS_KEPT: usize = 2;
/// How long a start waits for another process to give up a lock.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(3);
/// Pause between two looks.
const LOCK_AGAIN: Duration = Duration::from_millis(50);
/// Threads that flush and compact: the recorder runs on two cores.
const BACKGROUND_JOBS: usize = 2;
/// Bytes of a file written between syncs, so that a compaction never queues more than this in front of a commit.
const BYTES_PER_SYNC: u64 = 1 << 20;
/// Flushes and compactions of one database write no faster, so that a hard disk which they share with a ring has most of its time for the ring. The index
/// of 400 streams needs less than a hundredth of it; an index that is made again may use all of it.
const BACKGROUND_BYTES_PER_SEC: i64 = 64 << 20;
/// Of the rate limit, given out at once.
const RATE_REFILL_MICROS: i64 = 100_000;
/// One request in so many of lower priority goes first: RocksDB's default.
const RATE_FAIRNESS: i32 = 10;

/// Memory of all databases of this process together, when each works as hard as it may; `databases` are the register, one index a disk,
/// and the vault's.
#[must_use]
pub fn index_memory_bytes_max(databases: usize) -> usize {
    CACHE_BYTES + databases * (open_files_bytes() + BACKGROUND_JOBS * COMPACTION_INPUTS_MAX * COMPACTION_READ_BYTES)
}

fn open_files_bytes() -> usize {
    usize::try_from(OPEN_FILES_MAX).unwrap_or(0) * OPEN_FILE_BYTES
}

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
    /// `None` after [`Kv::renew`] or [`RocksKv::open_again`] failed half-way: whoever comes next tries again, after a pause.
    db: RwLock<Option<DB>>,
    dir: PathBuf,
    tables: Vec<Table>,
    purpose: Use,
    revival: Revival,
}

impl RocksKv {
    /// Opens or makes the database in `dir` with these tables.
    ///
    /// # Errors
    /// `Conflict` when another process has it open; what RocksDB says when it is damaged.
    pub fn open(dir: &Path, tables: &[Table], purpose: Use) -> Result<Self> {
        let db = open_after_another(dir, tables, purpose)?;
        let (db, revival) = (RwLock::new(Some(db)), Revival::default());
        Ok(Self { db, dir: dir.to_owned(), tables: tables.to_vec(), purpose, revival })
    }

    fn write_rows(&self, batch: &Batch, sync: bool) -> Result<()> {
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
        // With a full disk a write would wait for room, for as long as that takes, and with it whoever wants to be let in. [`revive::waiting`] waits.
        options.set_no_slowdown(true);
        db.write_opt(changes, &options).map_err(|error| failed("writing to the database", &error))
    }

    /// Closes the database and opens it again: after a write that failed RocksDB refuses every other one. Readers wait meanwhile.
    fn open_again(&self) -> Result<()> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        *db = None;
        *db = Some(open_database(&self.dir, &self.tables, self.purpose)?);
        self.revival.note(None);
        Ok(())
    }

    /// The database, opened again if that failed before and is due.
    fn ready(&self) -> Result<RwLockReadGuard<'_, Option<DB>>> {
        let guard = self.db();
        if guard.is_some() || !self.revival.is_due(&self.dir) {
            return Ok(guard);
        }
        drop(guard);
        self.open_again()?;
        Ok(self.db())
    }

    fn db(&self) -> RwLockReadGuard<'_, Option<DB>> {
        self.db.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a database is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Memtables and cached blocks of all databases, and what this one keeps of open files.
    pub memory_bytes: u64,
    /// Something is being flushed or compacted, or waits for it.
    pub is_busy: bool,
    /// Its table files that are in use.
    pub file_bytes: u64,
}

impl RocksKv {
    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        let guard = self.db();
        let number = |name: &str, table: &Table| {
            let db = guard.as_ref()?;
            db.property_int_value_cf(db.cf_handle(table.0)?, name).ok().flatten()
        };
        let sum = |name: &str| self.tables.iter().filter_map(|table| number(name, table)).sum::<u64>();
        let first = |name: &str| self.tables.first().and_then(|table| number(name, table)).unwrap_or(0);
        // Running work and the cache belong to the whole database; what waits, memtables and readers to each table.
        let running = first("rocksdb.num-running-flushes") + first("rocksdb.num-running-compactions");
        let waiting = sum("rocksdb.mem-table-flush-pending") + sum("rocksdb.compaction-pending");
        Status {
            memory_bytes: first("rocksdb.block-cache-usage") + sum("rocksdb.estimate-table-readers-mem"),
            is_busy: running + waiting > 0,
            file_bytes: sum("rocksdb.live-sst-files-size"),
        }
    }
}

/// What all databases of this process share.
struct Shared {
    cache: Cache,
    buffers: WriteBufferManager,
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let cache = Cache::new_lru_cache(CACHE_BYTES);
        // Memtables are charged to the cache: one bound for both. Writers are not stalled by it; a flush is begun instead.
        let buffers =
            WriteBufferManager::new_write_buffer_manager_with_cache(WRITE_BUFFERS_BYTES, false, cache.clone());
        Shared { cache, buffers }
    })
}

/// Empties the cache that databases of this process share, as a restart does.
#[cfg(test)]
pub(crate) fn forget_cached_blocks() {
    let mut cache = shared().cache.clone();
    cache.set_capacity(0);
    cache.set_capacity(CACHE_BYTES);
}

fn open_database(dir: &Path, tables: &[Table], purpose: Use) -> Result<DB> {
    std::fs::create_dir_all(dir).map_err(|error| Error::io(format!("making {}", dir.display()), error))?;
    let families = tables.iter().map(|table| ColumnFamilyDescriptor::new(table.0, table_options(*table)));
    DB::open_cf_descriptors(&database_options(purpose), dir, families).map_err(|error| {
        let mut told = failed(&format!("opening the database {}", dir.display()), &error);
        // RocksDB has no kind for this; both of its messages end with the lock file and the reason.
        if error.as_ref().contains("/LOCK: ") {
            told.kind = Kind::Conflict;
        }
        told
    })
}

/// The same for whoever starts: a recorder that was killed may take a moment until it is gone, and has its locks until then.
fn open_after_another(dir: &Path, tables: &[Table], purpose: Use) -> Result<DB> {
    let deadline = Instant::now() + LOCK_WAIT_MAX;
    loop {
        match open_database(dir, tables, purpose) {
            Err(error) if error.kind == Kind::Conflict && Instant::now() < deadline => std::thread::sleep(LOCK_AGAIN),
            opened => return opened,
        }
    }
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
    options.set_write_buffer_manager(&shared().buffers);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_manifest_file_size(MANIFEST_BYTES_MAX);
    options.set_max_background_jobs(i32::try_from(BACKGROUND_JOBS).unwrap_or(1));
    options.set_compaction_readahead_size(COMPACTION_READ_BYTES);
    options.set_ratelimiter(BACKGROUND_BYTES_PER_SEC, RATE_REFILL_MICROS, RATE_FAIRNESS);
    options.set_bytes_per_sync(BYTES_PER_SYNC);
    options.set_wal_bytes_per_sync(BYTES_PER_SYNC);
    options.set_max_log_file_size(INFO_LOG_BYTES);
    options.set_keep_log_file_num(INFO_LOGS_KEPT);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    // Looking into every file before the first question would make a start as slow as the index is large.
    options.set_skip_stats_update_on_db_open(true);
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

fn table_options(table: Table) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&shared().cache);
    // Otherwise they would be held for each open file, outside every bound.
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_cache_index_and_filter_blocks_with_high_priority(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_block_size(BLOCK_BYTES);
    blocks.set_bloom_filter(FILTER_BITS, false);
    blocks.set_format_version(5);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    // A row that is asked for by its key is there: the lowest level, nine tenths of all, needs no filter.
    options.set_optimize_filters_for_hits(true);
    options.set_write_buffer_size(if table == LARGE { LARGE_BUFFER_BYTES } else { WRITE_BUFFER_BYTES });
    // One kind for every level: a file may then move down a level without being written again.
    options.set_compression_type(DBCompressionType::Zstd);
    // Levels, and each removed row by its key: sizes stay near those of the rows that are left, and a scan merges few files. What the others write is in
    // DECISIONS.md.
    options.set_level_compaction_dynamic_level_bytes(true);
    options
}

fn failed(what: &str, error: &rocksdb::Error) -> Error {
    let kind = match error.kind() {
        rocksdb::ErrorKind::Corruption => Kind::Corrupt,
        rocksdb::ErrorKind::Busy | rocksdb::ErrorKind::TryAgain | rocksdb::ErrorKind::Incomplete => Kind::Unavailable,
        rocksdb::ErrorKind::IOError => Kind::Io,
        rocksdb::ErrorKind::InvalidArgument => Kind::Internal,
        _ => Kind::Io,
    };
    Error::new(kind, format!("{what}: {error}"))
}

impl Kv for RocksKv {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let guard = self.ready()?;
        let db = opened(&guard)?;
        let family = family(db, table)?;
        db.get_cf(family, key).map_err(|error| failed(&format!("reading a row of {}", table.0), &error))
    }

    fn scan(&self, table: Table, keys: &Keys, visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        if keys.to.as_ref().is_some_and(|to| *to <= keys.from) {
            return Ok(());
        }
        let guard = self.ready()?;
        let db = opened(&guard)?;
        let family = family(db, table)?;
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(keys.from.clone());
        if let Some(to) = &keys.to {
            options.set_iterate_upper_bound(to.clone());
        }
        let mut rows = db.raw_iterator_cf_opt(family, options);
        if keys.reverse {
            rows.seek_to_last()
        } else {
            rows.seek_to_first()
        }
        // The bounds are the iterator's; keys and values are shown where they lie.
        while let Some((key, value)) = rows.item() {
            if !visit(key, value) {
                return Ok(());
            }
            if keys.reverse { rows.prev() } else { rows.next() }
        }
        rows.status().map_err(|error| failed(&format!("scanning {}", table.0), &error))
    }

    fn write(&self, batch: &Batch, sync: bool) -> Result<()> {
        if self.revival.is_due(&self.dir) {
            self.open_again()?;
        }
        let written = revive::waiting(|| self.write_rows(batch, sync));
        self.revival.note(written.as_ref().err());
        written
    }

    fn renew(&self) -> Result<()> {
        if self.purpose != Use::Index {
            return Err(Error::new(Kind::Internal, "renewing the register: it is the only copy"));
        }
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        // Closed before its directory moves.
        *db = None;
        let renewed = set_aside(&self.dir).and_then(|()| open_database(&self.dir, &self.tables, self.purpose));
        self.revival.note(renewed.as_ref().err());
        *db = Some(renewed?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_could_not_be_renewed_is_read_again_once_it_can_be_opened() {
        let dir = tempfile::tempdir().unwrap();
        let database = RocksKv::open(&dir.path().join("index"), &[LARGE], Use::Index).unwrap();
        let mut batch = Batch::default();
        batch.put(LARGE, *b"key", *b"value");
        database.write(&batch, false).unwrap();
        // It cannot be set aside.
        std::fs::write(dir.path().join("index.damaged"), b"").unwrap();
        database.renew().unwrap_err();
        assert_eq!(database.get(LARGE, b"key").unwrap_err().kind, Kind::Unavailable, "not at once");
        database.revival.make_due();
        assert_eq!(database.get(LARGE, b"key").unwrap(), Some(b"value".to_vec()));
    }

    #[test]
    fn the_memory_of_several_databases_stays_below_one_bound() {
        let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let open = |dir: &tempfile::TempDir| RocksKv::open(dir.path(), &[LARGE], Use::Index).unwrap();
        let databases: Vec<RocksKv> = dirs.iter().map(open).collect();
        let bound = u64::try_from(index_memory_bytes_max(databases.len())).unwrap();
        // Three times 96 MiB that do not compress, written and read again: more than the bound.
        let mut noise = 1_u64;
        let mut row = || {
            (0..1 << 13).fold(Vec::with_capacity(1 << 16), |mut bytes, _| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                bytes.extend_from_slice(&noise.to_le_bytes());
                bytes
            })
        };
        let mut most = 0;
        for number in 0_u32..1536 {
            for database in &databases {
                let mut batch = Batch::default();
                batch.put(LARGE, number.to_be_bytes(), row());
                database.write(&batch, false).unwrap();
                most = most.max(database.status().memory_bytes);
            }
        }
        for database in &databases {
            let mut rows = 0;
            database
                .scan(LARGE, &Keys::prefix(b""), &mut |_, value| {
                    rows += value.len() >> 16;
                    true
                })
                .unwrap();
            assert_eq!(rows, 1536);
            most = most.max(database.status().memory_bytes);
        }
        assert!((1 << 20..=bound).contains(&most), "{most} of {bound}");
    }
}
