//! A backup of the station's configuration: one file, sealed with a passphrase that a person gives.
//!
//! * **In it:** accounts with the hashes of their passwords and their second factors, cameras with their passwords, cases with their bookmarks, requests of people who may be
//!   in the footage, the policy in force.
//! * **Never in it:** footage, the audit log and the keys of either. Whoever restores a backup gets a station that goes on with a log of its own.
//!
//! The file is a head of 45 bytes (what it is, version, what argon2id takes, salt, nonce) and the contents under AES-256-GCM with a key that argon2id makes of the passphrase. The head
//! is authenticated with the contents, so that no byte can be changed. Of a file that somebody made up it takes at most [`KDF_KIB_MAX`] and [`KDF_PASSES_MAX`].

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz_body;
mod plan;
mod rows;

pub(crate) use plan::{Plan, Plans, not_restorable, restorable};
pub(crate) use rows::{About, AboutPlugin, Contents};
pub use rows::{BackupRow, BackupTable};

use crate::accounts::{AccountBook, HashCost, random};
use crate::api::Secret;
use crate::error::Error;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use watchbook_base::Kind;
use zeroize::Zeroizing;

/// Largest backup: as a plugin's package, which the page sends in a minute. 64 cameras with all masks, 500 accounts and 10,000 cases of usual size take 8 MiB.
pub(crate) const BACKUP_BYTES_MAX: usize = 16 << 20;
/// What a file may make argon2id take: 128 MiB, four times what a sign-in takes.
const KDF_KIB_MAX: u32 = 128 << 10;
/// See [`KDF_KIB_MAX`].
const KDF_PASSES_MAX: u32 = 8;
const MAGIC: &[u8; 8] = b"WBBACKUP";
const VERSION: u8 = 1;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// Magic, version, memory, passes, salt, nonce.
const HEAD_BYTES: usize = MAGIC.len() + 1 + 4 + 4 + SALT_BYTES + NONCE_BYTES;

/// The head of a file, checked.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    cost: HashCost,
    salt: [u8; SALT_BYTES],
    nonce: [u8; NONCE_BYTES],
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let (memory, passes) = (self.cost.memory_kib.to_be_bytes(), self.cost.passes.to_be_bytes());
        [&MAGIC[..], &[VERSION], &memory, &passes, &self.salt, &self.nonce].concat()
    }

    fn read(file: &[u8]) -> Result<(Self, &[u8], &[u8]), Error> {
        let none = || {
            Error::invalid("this is not a backup of a Watchbook recorder, or only the beginning of one")
                .next("Choose the file whose name ends in .wbbackup, and copy it again if it is short.")
        };
        let (head, sealed) = file.split_at_checked(HEAD_BYTES).ok_or_else(none)?;
        let (magic, rest) = head.split_first_chunk::<8>().ok_or_else(none)?;
        let (version, rest) = rest.split_first_chunk::<1>().ok_or_else(none)?;
        let (memory, rest) = rest.split_first_chunk::<4>().ok_or_else(none)?;
        let (passes, rest) = rest.split_first_chunk::<4>().ok_or_else(none)?;
        let (salt, nonce) = rest.split_first_chunk::<SALT_BYTES>().ok_or_else(none)?;
        let nonce = *nonce.first_chunk::<NONCE_BYTES>().ok_or_else(none)?;
        if magic != MAGIC || sealed.len() < TAG_BYTES {
            return Err(none());
        }
        if version[0] != VERSION {
            let message = format!("this backup has format {}, and this recorder reads format {VERSION}", version[0]);
            return Err(
                Error::invalid(message).next("Restore it with the version of Watchbook that made it, or a newer one.")
            );
        }
        let cost = HashCost { memory_kib: u32::from_be_bytes(*memory), passes: u32::from_be_bytes(*passes) };
        if !(8..=KDF_KIB_MAX).contains(&cost.memory_kib) || !(1..=KDF_PASSES_MAX).contains(&cost.passes) {
            return Err(Error::invalid(
                "this backup asks for more memory or time than any recorder uses: it was made up or damaged",
            )
            .next("Take another copy of it."));
        }
        Ok((Self { cost, salt: *salt, nonce }, head, sealed))
    }
}

fn aead(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("a key of AES-256 has 32 bytes"))
}

/// The file.
///
/// # Errors
/// When the contents are too large, or too many people are signing in at once.
pub(crate) async fn seal(accounts: &AccountBook, passphrase: &Secret, contents: &Contents) -> Result<Vec<u8>, Error> {
    let mut sealed = contents.encode()?;
    if sealed.len() + HEAD_BYTES + TAG_BYTES > BACKUP_BYTES_MAX {
        let message = format!("the configuration has {} bytes, and a backup at most {BACKUP_BYTES_MAX}", sealed.len());
        return Err(
            Error::new(Kind::Exhausted, message).next("Remove closed cases and cameras that are no longer used.")
        );
    }
    let cost = accounts.backup_cost();
    let head = Head { cost, salt: random::<SALT_BYTES>()?, nonce: random::<NONCE_BYTES>()? };
    let key = accounts.derive(passphrase, head.salt, cost).await?;
    let nonce = Nonce::assume_unique_for_key(head.nonce);
    let head = head.encode();
    let done = aead(&key).seal_in_place_append_tag(nonce, Aad::from(&head), &mut sealed);
    done.map_err(|_| Error::new(Kind::Internal, "the backup could not be encrypted"))?;
    Ok([head, sealed].concat())
}

/// What is in the file.
///
/// # Errors
/// For anything that [`seal`] did not make with this passphrase.
pub(crate) async fn open(accounts: &AccountBook, passphrase: &Secret, file: &[u8]) -> Result<Contents, Error> {
    let (head, bound, sealed) = Head::read(file)?;
    let key = accounts.derive(passphrase, head.salt, head.cost).await?;
    let mut sealed = Zeroizing::new(sealed.to_vec());
    let opened = aead(&key).open_in_place(Nonce::assume_unique_for_key(head.nonce), Aad::from(bound), &mut sealed);
    let plain = opened.map_err(|_| {
        Error::new(Kind::Denied, "the passphrase is not that of this backup, or the file was changed or cut off").next(
            "Type the passphrase again; capitals and spaces count. If it is right, take another copy of the file.",
        )
    })?;
    Contents::decode(plain)
}

/// What comes before the file in a request: texts, each behind its length in two bytes, big-endian.
///
/// # Errors
/// When a text is cut off or is none.
pub(crate) fn texts_before<const N: usize>(body: &[u8]) -> Result<([Secret; N], &[u8]), Error> {
    let wrong = || Error::invalid("the body must have the passphrase behind its length in two bytes, then the file");
    let mut rest = body;
    let mut texts = Vec::with_capacity(N);
    for _ in 0..N {
        let (len, behind) = rest.split_first_chunk::<2>().ok_or_else(wrong)?;
        let (text, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*len))).ok_or_else(wrong)?;
        texts.push(Secret::new(core::str::from_utf8(text).map_err(|_| wrong())?.to_owned()));
        rest = behind;
    }
    texts.try_into().map(|texts| (texts, rest)).map_err(|_| wrong())
}

#[cfg(test)]
mod tests;
