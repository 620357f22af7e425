//! The register: the only copy of settings, and the audit log. Every write is synced before it returns.

mod footage;
mod lost;
mod people;
mod records;
mod secret;
mod tiles;

pub(crate) use footage::{FootageLeaves, ToldGap};
pub use footage::{GAP_LEAVES_MAX, GapLeaf, LoggedStretch, Stretch};
pub use lost::{Loss, Unclaimed, UnclaimedLeaf};
pub use people::{AuditKind, AuditPage};

use crate::error::{Error, Result};
use crate::kv::{Batch, Keys, Kv, Table, collect};
#[cfg(feature = "rocks")]
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tiles::AuditTiles;
use watchbook_access::{AuditEntry, AuditError, AuditLog};
use watchbook_base::{Clock, Kind, UtcNanos};
use watchbook_evidence::merkle::leaf_hash;
use watchbook_evidence::proof::TiledTree;
use watchbook_evidence::tile::{Tile, TileSource};
use watchbook_evidence::{Frontier, Hash, Leaf, Root};

/// One value: a camera's settings with plugins' settings and zones stay under 100 kB.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// One key.
pub const KEY_BYTES_MAX: usize = 256;
/// Entries that one call of [`Register::audit_entries`] returns.
pub const AUDIT_PAGE_MAX: usize = 1000;

const AUDIT: Table = Table("audit");
const AUDIT_STATE: Table = Table("audit_state");
const AUDIT_TILE: Table = Table("audit_tile");
/// Numbers of the entries that are not about footage. Key: u64 big-endian; no value.
const AUDIT_PEOPLE: Table = Table("audit_people");
/// What of the rings is logged: see [`footage`].
const AUDIT_FOOTAGE: Table = Table("audit_footage");
/// Leaves of gaps by stream and time: see [`footage`].
const AUDIT_GAPS: Table = Table("audit_gaps");
/// What rings have lost of what is logged: see [`lost`].
const AUDIT_LOST: Table = Table("audit_lost");
const FRONTIER_KEY: &[u8] = b"frontier";

/// What a value is about. Each has its own table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    /// Accounts with their password hashes and roles.
    Account,
    /// Sessions by the hash of their token.
    Session,
    /// Cameras with their addresses and settings.
    Camera,
    /// Which plugin runs on which camera with which settings.
    PluginBinding,
    /// Cases by their number.
    Case,
    /// Everything that there is one of: claim code, numbers given out, station settings.
    Setting,
}

impl Namespace {
    /// Every namespace.
    pub const ALL: [Self; 6] =
        [Self::Account, Self::Session, Self::Camera, Self::PluginBinding, Self::Case, Self::Setting];

    fn table(self) -> Table {
        Table(match self {
            Self::Account => "account",
            Self::Session => "session",
            Self::Camera => "camera",
            Self::PluginBinding => "plugin_binding",
            Self::Case => "case",
            Self::Setting => "setting",
        })
    }
}

/// Every table of the register.
pub const REGISTER_TABLES: [Table; 13] = [
    Table("account"),
    Table("session"),
    Table("camera"),
    Table("plugin_binding"),
    Table("case"),
    Table("setting"),
    AUDIT,
    AUDIT_STATE,
    AUDIT_TILE,
    AUDIT_PEOPLE,
    AUDIT_FOOTAGE,
    AUDIT_GAPS,
    AUDIT_LOST,
];

/// A stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Vec<u8>,
    /// What was put.
    pub value: Vec<u8>,
    /// 1 for the first put of this key, one more with each.
    pub version: u64,
}

/// A value to set or to remove, if nobody was faster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which table.
    pub namespace: Namespace,
    /// Which key: 1 to [`KEY_BYTES_MAX`] bytes.
    pub key: Vec<u8>,
    /// `None` removes the key.
    pub value: Option<Vec<u8>>,
    /// Version that the key must have now, 0: it must not exist. `None`: whatever is there is overwritten.
    pub expected_version: Option<u64>,
}

impl Change {
    /// Sets a key, whatever is there.
    pub fn put(namespace: Namespace, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { namespace, key: key.into(), value: Some(value.into()), expected_version: None }
    }

    /// Removes a key, if it is there.
    pub fn delete(namespace: Namespace, key: impl Into<Vec<u8>>) -> Self {
        Self { namespace, key: key.into(), value: None, expected_version: None }
    }

    /// The same, if the key has this version now; 0: if it does not exist.
    #[must_use]
    pub fn if_version(mut self, version: u64) -> Self {
        self.expected_version = Some(version);
        self
    }
}

/// One entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number, from 0.
    pub index: u64,
    /// The leaf as it is hashed into the tree.
    pub leaf: Leaf,
}

impl AuditRow {
    /// The entry as JSON text.
    ///
    /// # Errors
    /// `Corrupt` when the stored bytes are no text.
    pub fn json(&self) -> Result<&str> {
        core::str::from_utf8(&self.leaf.body)
            .map_err(|error| Error::corrupt(format!("audit entry {}: {error}", self.index)))
    }
}

/// Settings and audit log.
pub struct Register {
    kv: Arc<dyn Kv>,
    clock: Arc<dyn Clock>,
    /// Who seals rows that hold secrets, once somebody does.
    sealer: OnceLock<secret::Sealer>,
    /// Held while versions are compared and written.
    writing: Mutex<()>,
    frontier: Mutex<Frontier>,
}

impl Register {
    /// Opens or makes the register in `dir`.
    ///
    /// # Errors
    /// When it is damaged (restore it from a backup; it is never made anew silently) or another program has it open.
    #[cfg(feature = "rocks")]
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        use crate::kv::rocks::{RocksKv, Use};
        Self::on(Arc::new(RocksKv::open(dir, &REGISTER_TABLES, Use::Register)?), clock)
            .map_err(|error| error.within(format!("opening the register {}", dir.display())))
    }

    /// A register on this store.
    ///
    /// # Errors
    /// `Corrupt` when the audit log's end does not fit its entries.
    pub fn on(kv: Arc<dyn Kv>, clock: Arc<dyn Clock>) -> Result<Self> {
        let frontier = match kv.get(AUDIT_STATE, FRONTIER_KEY)? {
            Some(stored) => {
                decode_frontier(&stored).ok_or_else(|| Error::corrupt("the end of the audit log does not decode"))?
            }
            None => Frontier::default(),
        };
        let mut last = None;
        kv.scan(AUDIT, &Keys::prefix(b"").reversed(), &mut |key, _| {
            last = key.try_into().ok().map(u64::from_be_bytes);
            false
        })?;
        if last.map_or(0, |last| last + 1) != frontier.size() {
            return Err(Error::corrupt(format!(
                "the audit log has {} entries and its tree {}; restore the register from a backup",
                last.map_or(0, |last| last + 1),
                frontier.size()
            )));
        }
        if let Err(error) = AuditTiles(&*kv).complete(frontier.size()) {
            // What was recorded and who looked is worth more than proofs of it.
            tracing::error!(%error, "tiles of the audit log are missing; there are no proofs behind them");
        }
        if let Err(error) = people::complete(&*kv) {
            tracing::error!(%error, "some entries of the audit log are not listed; the next start tries again");
        }
        Ok(Self { kv, clock, sealer: OnceLock::new(), writing: Mutex::new(()), frontier: Mutex::new(frontier) })
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn get(&self, namespace: Namespace, key: &[u8]) -> Result<Option<Entry>> {
        let stored = self.kv.get(namespace.table(), key)?;
        stored.map(|stored| self.entry(namespace, key, &stored)).transpose()
    }

    /// Every value whose key begins with `prefix`, by key.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn scan(&self, namespace: Namespace, prefix: &[u8]) -> Result<Vec<Entry>> {
        let rows = collect(&*self.kv, namespace.table(), &Keys::prefix(prefix))?;
        rows.iter().map(|(key, stored)| self.entry(namespace, key, stored)).collect()
    }

    fn entry(&self, namespace: Namespace, key: &[u8], stored: &[u8]) -> Result<Entry> {
        let entry = decode_entry(key, stored)?;
        Ok(Entry { value: self.opened(namespace, key, entry.value), ..entry })
    }

    /// Makes all of `changes`, or none. Durable when it returns.
    ///
    /// # Errors
    /// `Conflict` when a version is not the expected one, `InvalidInput` for a key or value over its limit, `Io` when the disk refuses.
    pub fn apply(&self, changes: &[Change]) -> Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Batch::default();
        self.add(&mut batch, changes)?;
        self.kv.write(&batch, true)
    }

    /// Adds `changes` to a batch; the caller holds `writing`.
    fn add(&self, batch: &mut Batch, changes: &[Change]) -> Result<()> {
        for change in changes {
            let place = || format!("changing {:?} {}", change.namespace, String::from_utf8_lossy(&change.key));
            let value_len = change.value.as_ref().map_or(0, Vec::len);
            if change.key.is_empty() || change.key.len() > KEY_BYTES_MAX || value_len > VALUE_BYTES_MAX {
                return Err(Error::invalid(format!(
                    "{}: a key has 1 to {KEY_BYTES_MAX} bytes and a value at most {VALUE_BYTES_MAX}",
                    place()
                )));
            }
            let now = self.get(change.namespace, &change.key)?.map_or(0, |entry| entry.version);
            if change.expected_version.is_some_and(|expected| expected != now) {
                return Err(Error::new(
                    Kind::Conflict,
                    format!("{}: somebody else has changed it; read it again", place()),
                ));
            }
            match &change.value {
                Some(value) => {
                    let value = self.sealed(change.namespace, &change.key, value)?;
                    let stored = [&(now + 1).to_le_bytes()[..], &value].concat();
                    batch.put(change.namespace.table(), change.key.clone(), stored);
                }
                None => batch.delete(change.namespace.table(), change.key.clone()),
            }
        }
        Ok(())
    }

    /// Length and root of the audit log.
    #[must_use]
    pub fn audit_root(&self) -> Root {
        self.frontier().root()
    }

    fn frontier(&self) -> MutexGuard<'_, Frontier> {
        self.frontier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to `limit` (at most [`AUDIT_PAGE_MAX`]) entries from number `from` on.
    ///
    /// # Errors
    /// `Corrupt` when an entry does not decode.
    pub fn audit_entries(&self, from: u64, limit: usize) -> Result<Vec<AuditRow>> {
        let limit = limit.min(AUDIT_PAGE_MAX);
        let mut rows = Vec::new();
        let keys = Keys { from: from.to_be_bytes().to_vec(), to: None, reverse: false };
        self.kv.scan(AUDIT, &keys, &mut |key, leaf| {
            if rows.len() < limit {
                rows.push((key.to_vec(), leaf.to_vec()));
            }
            rows.len() < limit
        })?;
        rows.iter().map(|(key, leaf)| decode_row(key, leaf)).collect()
    }

    /// Reads the whole audit log and compares it with its root. Hashes 1 M entries in about a second.
    ///
    /// # Errors
    /// `Corrupt` when an entry is missing, changed or moved.
    pub fn verify(&self) -> Result<Root> {
        let wanted = self.audit_root();
        let mut frontier = Frontier::default();
        self.kv.scan(AUDIT, &Keys::prefix(b""), &mut |key, leaf| {
            let in_order = key == frontier.size().to_be_bytes();
            if in_order && frontier.size() < wanted.size {
                frontier.push(leaf_hash(leaf));
            }
            in_order && frontier.size() < wanted.size
        })?;
        if frontier.root() == wanted {
            return Ok(wanted);
        }
        Err(Error::corrupt(format!(
            "the audit log of {} entries does not hash to its root; entry {} or one before was changed or is missing",
            wanted.size,
            frontier.size()
        )))
    }

    /// Leaf hashes of the first `size` entries, for proofs.
    ///
    /// # Errors
    /// `NotFound` when there are fewer.
    pub fn audit_hashes(&self, size: u64) -> Result<Vec<Hash>> {
        let mut hashes = Vec::new();
        self.kv.scan(AUDIT, &Keys::between(0_u64.to_be_bytes(), size.to_be_bytes()), &mut |_, leaf| {
            hashes.push(leaf_hash(leaf));
            true
        })?;
        if crate::codec::wide(hashes.len()) == size {
            return Ok(hashes);
        }
        Err(Error::new(Kind::NotFound, format!("reading {size} audit entries: there are {}", hashes.len())))
    }

    /// That entry `index` is in the log of `size` entries: its siblings on the way to the root (RFC 6962 §2.1.1), at most 63. Reads a few tiles.
    ///
    /// # Errors
    /// `NotFound` when there is no such entry or tree, `Corrupt` when a tile is damaged.
    pub fn audit_inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>> {
        self.within(size)?;
        let tiles = AuditTiles(&*self.kv);
        TiledTree::new(&tiles, size).prove_inclusion(index).map_err(tiles::tile_error)
    }

    /// That the log of `size` entries begins with that of `old` entries (RFC 6962 §2.1.2).
    ///
    /// # Errors
    /// As [`Register::audit_inclusion`].
    pub fn audit_consistency(&self, old: u64, size: u64) -> Result<Vec<Hash>> {
        self.within(size)?;
        let tiles = AuditTiles(&*self.kv);
        TiledTree::new(&tiles, size).prove_consistency(old).map_err(tiles::tile_error)
    }

    /// Root of the first `size` entries. Reads a few tiles.
    ///
    /// # Errors
    /// As [`Register::audit_inclusion`].
    pub fn audit_root_of(&self, size: u64) -> Result<Root> {
        self.within(size)?;
        TiledTree::new(&AuditTiles(&*self.kv), size).root().map_err(tiles::tile_error)
    }

    /// Makes the tiles of the audit log anew from its entries. Nothing is appended meanwhile.
    ///
    /// # Errors
    /// When an entry is missing, or the disk refuses.
    pub fn rebuild_tiles(&self) -> Result<()> {
        let frontier = self.frontier();
        AuditTiles(&*self.kv).rebuild(frontier.size())
    }

    fn within(&self, size: u64) -> Result<()> {
        let have = self.audit_root().size;
        if size <= have {
            return Ok(());
        }
        Err(Error::new(Kind::NotFound, format!("the audit log has {have} entries, not {size}")))
    }

    fn append_audit(&self, entry: &AuditEntry) -> Result<u64> {
        let body = serde_json::to_vec(entry)
            .map_err(|error| Error::new(Kind::Internal, format!("encoding an audit entry: {error}")))?;
        self.append_leaves(vec![body], |batch, index| {
            people::put(batch, index);
            Ok(())
        })
    }

    /// Appends leaves with these bodies, all or none, and what `with` adds, which is told the number of the first one. Durable when it returns. `with` is called
    /// while nobody else can append.
    fn append_leaves(&self, bodies: Vec<Vec<u8>>, with: impl FnOnce(&mut Batch, u64) -> Result<()>) -> Result<u64> {
        const SALT: usize = watchbook_evidence::leaf::SALT_BYTES;
        let mut salts = vec![0; SALT * bodies.len()];
        getrandom::fill(&mut salts)
            .map_err(|error| Error::new(Kind::Io, format!("salting an audit entry: {error}")))?;
        let mut frontier = self.frontier();
        let first = frontier.size();
        let mut next = frontier.clone();
        let mut batch = Batch::default();
        with(&mut batch, first)?;
        let mut hashes = Vec::with_capacity(bodies.len());
        for (body, salt) in bodies.into_iter().zip(salts.as_chunks::<SALT>().0) {
            let leaf = Leaf { salt: *salt, utc: self.clock.utc(), body };
            let bytes = leaf.encode().map_err(|error| Error::invalid(format!("encoding an audit entry: {error}")))?;
            let hash = leaf_hash(&bytes);
            batch.put(AUDIT, next.size().to_be_bytes(), bytes);
            next.push(hash);
            hashes.push(hash);
        }
        AuditTiles(&*self.kv).fill(&mut batch, first, &hashes);
        batch.put(AUDIT_STATE, FRONTIER_KEY, encode_frontier(&next));
        self.kv.write(&batch, true)?;
        *frontier = next;
        Ok(first)
    }
}

impl AuditLog for Register {
    fn append(&self, entry: &AuditEntry) -> core::result::Result<u64, AuditError> {
        self.append_audit(entry).map_err(|error| {
            tracing::error!(%error, "the audit log cannot be written; nothing is shown until it can");
            AuditError(error.to_string())
        })
    }
}

fn decode_entry(key: &[u8], stored: &[u8]) -> Result<Entry> {
    let (version, value) = stored.split_first_chunk::<8>().ok_or_else(|| {
        Error::corrupt(format!(
            "the register's value of {} is too short; restore it from a backup",
            String::from_utf8_lossy(key)
        ))
    })?;
    Ok(Entry { key: key.to_vec(), value: value.to_vec(), version: u64::from_le_bytes(*version) })
}

fn decode_row(key: &[u8], leaf: &[u8]) -> Result<AuditRow> {
    let index = key
        .try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| Error::corrupt("an audit entry's key is not 8 bytes long"))?;
    let leaf = Leaf::decode(leaf).map_err(|error| Error::corrupt(format!("audit entry {index}: {error}")))?;
    Ok(AuditRow { index, leaf })
}

impl TileSource for Register {
    type Error = Error;

    fn tile(&self, tile: Tile) -> Result<Vec<Hash>> {
        AuditTiles(&*self.kv).tile(tile)
    }
}

/// Size, then peaks.
fn encode_frontier(frontier: &Frontier) -> Vec<u8> {
    [&frontier.size().to_le_bytes()[..], &frontier.peaks().concat()].concat()
}

fn decode_frontier(stored: &[u8]) -> Option<Frontier> {
    let (size, peaks) = stored.split_first_chunk::<8>()?;
    let (peaks, rest) = peaks.as_chunks::<32>();
    rest.is_empty().then(|| Frontier::from_parts(u64::from_le_bytes(*size), peaks.to_vec()))?
}

impl AuditRow {
    /// When it was written.
    #[must_use]
    pub fn utc(&self) -> UtcNanos {
        self.leaf.utc
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::model::ModelKv;
    use watchbook_access::{Action, Outcome};
    use watchbook_base::clock::SimClock;
    use watchbook_base::fs::sim::Dice;
    use watchbook_evidence::merkle::{prove_inclusion, root_of, verify_inclusion};

    pub(super) fn register(kv: &ModelKv) -> Register {
        Register::on(Arc::new(kv.clone()), Arc::new(SimClock::new(UtcNanos(5)))).unwrap()
    }

    pub(super) fn entry(account: u32) -> AuditEntry {
        AuditEntry { account: Some(account), action: Action::ReadAudit, outcome: Outcome::Allowed }
    }

    #[test]
    fn versions_keep_two_writers_apart() {
        let register = register(&ModelKv::new());
        let put = |value: &str| Change::put(Namespace::Camera, *b"1", value);
        register.apply(&[put("a").if_version(0)]).unwrap();
        assert_eq!(register.apply(&[put("b").if_version(0)]).unwrap_err().kind, Kind::Conflict);
        register.apply(&[put("b").if_version(1), Change::put(Namespace::Setting, *b"x", *b"y")]).unwrap();
        assert_eq!(
            register.get(Namespace::Camera, b"1").unwrap().unwrap(),
            Entry { key: b"1".to_vec(), value: b"b".to_vec(), version: 2 }
        );
        // One stale change undoes the others of its call.
        let both = [Change::delete(Namespace::Setting, *b"x"), put("c").if_version(1)];
        assert_eq!(register.apply(&both).unwrap_err().kind, Kind::Conflict);
        assert!(register.get(Namespace::Setting, b"x").unwrap().is_some());
        register.apply(&[Change::delete(Namespace::Setting, *b"x")]).unwrap();
        assert_eq!(register.scan(Namespace::Setting, b"").unwrap(), []);
        assert_eq!(register.scan(Namespace::Camera, b"").unwrap().len(), 1);
        assert_eq!(register.apply(&[Change::put(Namespace::Camera, *b"", *b"")]).unwrap_err().kind, Kind::InvalidInput);
    }

    #[test]
    fn what_was_written_survives_a_crash() {
        for seed in 0..10 {
            let kv = ModelKv::crashing();
            let before = register(&kv);
            before.apply(&[Change::put(Namespace::Account, *b"a", *b"1")]).unwrap();
            (0..5).for_each(|account| assert_eq!(before.append(&entry(account)), Ok(u64::from(account))));
            let root = before.audit_root();
            kv.crash(&mut Dice::new(seed));
            let after = register(&kv);
            assert_eq!(after.get(Namespace::Account, b"a").unwrap().unwrap().value, b"1");
            assert_eq!((after.audit_root(), after.verify().unwrap()), (root, root));
            assert_eq!(after.append(&entry(9)), Ok(5));
        }
    }

    #[test]
    fn the_audit_log_is_an_rfc_6962_tree_over_its_leaves() {
        let register = register(&ModelKv::new());
        (0..7).for_each(|account| assert!(register.append(&entry(account)).is_ok()));
        let rows = register.audit_entries(0, 100).unwrap();
        let hashes: Vec<Hash> = rows.iter().map(|row| row.leaf.hash().unwrap()).collect();
        let root = register.audit_root();
        assert_eq!((root.size, root.hash), (7, root_of(&hashes)));
        assert_eq!(register.audit_hashes(7).unwrap(), hashes);
        assert!(verify_inclusion(&hashes[3], 3, &root, &prove_inclusion(&hashes, 3).unwrap()));
        assert_eq!(rows[2].json().unwrap(), r#"{"account":2,"action":"read_audit","outcome":"allowed"}"#);
        assert_eq!(register.audit_entries(5, 1).unwrap()[0].index, 5);
        assert_ne!(rows[0].leaf.salt, rows[1].leaf.salt);
    }

    #[test]
    fn proofs_come_from_tiles_and_are_those_of_the_whole_tree() {
        use watchbook_evidence::merkle::{prove_consistency, verify_consistency};
        let kv = ModelKv::new();
        let register = register(&kv);
        (0..600).for_each(|account| assert!(register.append(&entry(account)).is_ok()));
        let hashes = register.audit_hashes(600).unwrap();
        let check = |register: &Register| {
            for (index, size) in [(0, 1), (3, 256), (255, 257), (256, 512), (511, 600), (599, 600), (300, 301)] {
                let of_size = &hashes[..size];
                let root = Root { size: size as u64, hash: root_of(of_size) };
                let path = register.audit_inclusion(index as u64, size as u64).unwrap();
                assert_eq!(Some(&path), prove_inclusion(of_size, index).as_ref(), "{index} in {size}");
                assert!(verify_inclusion(&hashes[index], index as u64, &root, &path));
                let old = index.max(1);
                let proof = register.audit_consistency(old as u64, size as u64).unwrap();
                assert_eq!(Some(&proof), prove_consistency(of_size, old).as_ref(), "{old} before {size}");
                let before = Root { size: old as u64, hash: root_of(&hashes[..old]) };
                assert!(verify_consistency(&before, &root, &proof));
            }
        };
        check(&register);
        assert_eq!(register.audit_inclusion(0, 601).unwrap_err().kind, Kind::NotFound);
        assert!(register.audit_inclusion(600, 600).is_err());
        // A log that is older than its tiles gets them at the next start.
        let mut batch = Batch::default();
        let stored = collect(&kv, AUDIT_TILE, &Keys::prefix(b"")).unwrap();
        assert_eq!(stored.len(), 3, "two full tiles and the one above them");
        stored.into_iter().for_each(|(key, _)| batch.delete(AUDIT_TILE, key));
        kv.write(&batch, true).unwrap();
        check(&self::register(&kv));
        assert_eq!(collect(&kv, AUDIT_TILE, &Keys::prefix(b"")).unwrap().len(), 3);
        // A tile that rotted is made again from the entries.
        let mut batch = Batch::default();
        batch.put(AUDIT_TILE, [&[0][..], &1_u64.to_be_bytes()].concat(), vec![7; 8192]);
        kv.write(&batch, true).unwrap();
        let rotten = register.audit_inclusion(300, 600).unwrap();
        assert!(!verify_inclusion(&hashes[300], 300, &register.audit_root(), &rotten));
        register.rebuild_tiles().unwrap();
        check(&register);
        // A rotten entry costs proofs, and neither a start nor the next entries.
        let mut batch = Batch::default();
        batch.delete(AUDIT, 590_u64.to_be_bytes());
        kv.write(&batch, true).unwrap();
        let register = self::register(&kv);
        (600..800).for_each(|account| assert!(register.append(&entry(account)).is_ok()));
        assert!(register.audit_inclusion(790, 800).is_err() && register.verify().is_err());
        assert_eq!(self::register(&kv).audit_root().size, 800);
    }

    #[test]
    fn a_changed_removed_or_added_entry_is_found() {
        let fresh = || {
            let kv = ModelKv::new();
            let register = register(&kv);
            (0..6).for_each(|account| assert!(register.append(&entry(account)).is_ok()));
            (kv, register)
        };
        let tamper = |change: &dyn Fn(&mut Batch, Vec<u8>)| {
            let (kv, register) = fresh();
            let mut leaf = kv.get(AUDIT, &3_u64.to_be_bytes()).unwrap().unwrap();
            *leaf.last_mut().unwrap() ^= 1;
            let mut batch = Batch::default();
            change(&mut batch, leaf);
            kv.write(&batch, true).unwrap();
            register.verify()
        };
        assert!(fresh().1.verify().is_ok());
        assert_eq!(tamper(&|batch, leaf| batch.put(AUDIT, 3_u64.to_be_bytes(), leaf)).unwrap_err().kind, Kind::Corrupt);
        assert_eq!(tamper(&|batch, _| batch.delete(AUDIT, 3_u64.to_be_bytes())).unwrap_err().kind, Kind::Corrupt);
        let (kv, _) = fresh();
        let mut batch = Batch::default();
        batch.delete(AUDIT, 5_u64.to_be_bytes());
        kv.write(&batch, true).unwrap();
        let reopened = Register::on(Arc::new(kv), Arc::new(SimClock::new(UtcNanos(5))));
        assert_eq!(reopened.err().unwrap().kind, Kind::Corrupt, "a cut end is noticed at the next start");
    }

    #[test]
    fn an_entry_that_cannot_be_written_is_an_error_and_leaves_no_hole() {
        let kv = ModelKv::new();
        let register = register(&kv);
        register.append(&entry(1)).unwrap();
        kv.break_writes(true);
        assert!(register.append(&entry(2)).is_err());
        kv.break_writes(false);
        assert_eq!(register.append(&entry(3)), Ok(1));
        assert_eq!(register.verify().unwrap().size, 2);
    }
}
