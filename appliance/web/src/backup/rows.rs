//! What a backup holds, as bytes: what it says of itself, then rows. Lengths are big-endian and checked against what is there before anything is made of them.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use watchbook_base::Kind;

/// Rows of one backup: 10,000 cases, 500 accounts, cameras and requests.
const ROWS_MAX: usize = 20_000;
/// A case's number has 64 bytes at most; the program's own keys are shorter.
const KEY_BYTES_MAX: usize = 64;
/// A camera with all of its masks, zones and plugins' settings stays under 100 kB.
const VALUE_BYTES_MAX: usize = 512 << 10;
const ABOUT_BYTES_MAX: usize = 64 << 10;

/// Which kind of thing a row is. The number is in the file, so it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum BackupTable {
    /// What there is one of: whether the box is claimed, and the last number that was given to an account.
    Station = 1,
    /// Somebody who may sign in.
    Account = 2,
    /// A case with its bookmarks.
    Case = 3,
    /// A request of somebody who may be in the footage.
    Request = 4,
    /// A camera, by its number, big-endian.
    Camera = 5,
    /// A setting of the program's own.
    Setting = 6,
    /// What was set on the page for the station as a whole.
    StationSettings = 7,
}

impl BackupTable {
    const ALL: [Self; 7] =
        [Self::Station, Self::Account, Self::Case, Self::Request, Self::Camera, Self::Setting, Self::StationSettings];

    /// By its number in the file.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| *table as u8 == number)
    }
}

/// A row of the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct BackupRow {
    /// What it is.
    pub table: BackupTable,
    /// Which one of these, without what the register puts before it.
    pub key: Vec<u8>,
    /// As the register has it; a second factor's secret stands in the clear here and is wrapped again where it is restored.
    pub value: Vec<u8>,
}

impl core::fmt::Debug for BackupRow {
    /// Without the value, which may hold a password.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BackupRow").field("table", &self.table).field("key", &self.key).finish_non_exhaustive()
    }
}

/// A plugin that has to be installed again: packages are not in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AboutPlugin {
    pub(crate) id: String,
    pub(crate) version: String,
}

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// Version of the program that made it.
    pub(crate) version: String,
    pub(crate) made_utc_ms: i64,
    /// Name of the station, for people.
    pub(crate) station: String,
    /// Name of its audit log, which tells stations apart.
    pub(crate) origin: String,
    /// Number of the log's entry that tells of this backup.
    pub(crate) entry: u64,
    pub(crate) plugins: Vec<AboutPlugin>,
}

/// Everything in a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) about: About,
    pub(crate) rows: Vec<BackupRow>,
}

fn length(what: &str, bytes: &[u8], most: usize) -> Result<[u8; 4], Error> {
    let short = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= most);
    let len = short.ok_or_else(|| {
        Error::new(
            Kind::Exhausted,
            format!("{what} of the configuration has {} bytes; a backup takes {most}", bytes.len()),
        )
    })?;
    Ok(len.to_be_bytes())
}

impl Contents {
    pub(super) fn encode(&self) -> Result<Vec<u8>, Error> {
        let about = serde_json::to_vec(&self.about);
        let about = about.map_err(|error| Error::new(Kind::Internal, format!("writing a backup: {error}")))?;
        let mut out = length("the head", &about, ABOUT_BYTES_MAX)?.to_vec();
        out.extend_from_slice(&about);
        if self.rows.len() > ROWS_MAX {
            let message = format!("the configuration has {} rows, and a backup at most {ROWS_MAX}", self.rows.len());
            return Err(Error::new(Kind::Exhausted, message));
        }
        for BackupRow { table, key, value } in &self.rows {
            out.push(*table as u8);
            out.extend_from_slice(&length("a key", key, KEY_BYTES_MAX)?);
            out.extend_from_slice(key);
            out.extend_from_slice(&length("a row", value, VALUE_BYTES_MAX)?);
            out.extend_from_slice(value);
        }
        Ok(out)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut rest = bytes;
        let about = serde_json::from_slice(piece(&mut rest, ABOUT_BYTES_MAX)?).map_err(|_| damaged())?;
        let mut rows = Vec::new();
        while let Some((number, behind)) = rest.split_first() {
            rest = behind;
            let table = BackupTable::from_number(*number).ok_or_else(damaged)?;
            let key = piece(&mut rest, KEY_BYTES_MAX)?.to_vec();
            let value = piece(&mut rest, VALUE_BYTES_MAX)?.to_vec();
            if rows.len() == ROWS_MAX || key.is_empty() {
                return Err(damaged());
            }
            rows.push(BackupRow { table, key, value });
        }
        let mut seen = std::collections::BTreeSet::new();
        match rows.iter().all(|row| seen.insert((row.table, row.key.as_slice()))) {
            true => Ok(Self { about, rows }),
            false => Err(damaged()),
        }
    }
}

/// Takes what stands behind its length from the front.
fn piece<'a>(rest: &mut &'a [u8], most: usize) -> Result<&'a [u8], Error> {
    let (len, behind) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| damaged())?;
    let (piece, behind) = behind.split_at_checked(len).filter(|_| len <= most).ok_or_else(damaged)?;
    *rest = behind;
    Ok(piece)
}

/// The passphrase was right, so whoever knows it made these bytes: no recorder did.
pub(super) fn damaged() -> Error {
    Error::invalid("what is in this backup is not what a recorder writes; nothing was changed")
        .next("Take another copy of it, or an older backup.")
}
