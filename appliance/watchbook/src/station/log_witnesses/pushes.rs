//! Witnesses to which checkpoints are sent: `log/push/<hash of the key>` has the address, `log/pushed/<hash of the key>` what became of the last one.

use super::{COSIGNED, Log, Result, Witnesses, dated, row_of};
use crate::station::desk::stored;
use serde::{Deserialize, Serialize};
use watchbook_base::clock::SystemClock;
use watchbook_base::{Clock as _, UtcNanos};
use watchbook_evidence::{SignedCheckpoint, VerifierKey};
use watchbook_store::register::{Change, Namespace};
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports::PushUrl;

pub(super) const PUSH: &[u8] = b"log/push/";
pub(super) const PUSHED: &[u8] = b"log/pushed/";

/// What is kept of what was sent to a witness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The last time.
    pub last: api::LogPushed,
    /// The first refusal since the witness signed last.
    pub refused: Option<api::LogPushed>,
}

/// A witness and how checkpoints get to it.
pub struct Pushing {
    pub key: VerifierKey,
    /// Where to, and since when.
    pub url: Option<(PushUrl, UtcNanos)>,
    /// What it signed last, and when that came home by the recorder's clock.
    pub cosigned: Option<(SignedCheckpoint, UtcNanos)>,
    pub kept: Option<Kept>,
}

impl Witnesses {
    /// True when checkpoints are sent to anybody.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn any_push(&self) -> Result<bool> {
        Ok(!self.register.scan(Namespace::Setting, PUSH).map_err(stored)?.is_empty())
    }

    /// Every witness, by name.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn pushes(&self, log: &Log<'_>) -> Result<Vec<Pushing>> {
        self.keys()?.into_iter().map(|(key, _)| self.pushing(log, key)).collect()
    }

    fn pushing(&self, log: &Log<'_>, key: VerifierKey) -> Result<Pushing> {
        let value = |prefix| -> Result<Option<Vec<u8>>> {
            let row = self.register.get(Namespace::Setting, &row_of(prefix, &key)).map_err(stored)?;
            Ok(row.map(|row| row.value))
        };
        let url =
            value(PUSH)?.as_deref().and_then(dated).and_then(|(utc, text)| Some((PushUrl::parse(text).ok()?, utc)));
        let kept = value(PUSHED)?.as_deref().and_then(dated).and_then(|(_, text)| serde_json::from_str(text).ok());
        let home = value(COSIGNED)?.as_deref().and_then(dated).map(|(utc, _)| utc);
        let cosigned = self.last_of(log, &key)?.map(|(checkpoint, _)| checkpoint).zip(home);
        Ok(Pushing { key, url, cosigned, kept })
    }

    /// Sends checkpoints to this witness, or without `url` no more. What became of the last one is forgotten.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn set_push(&self, name: &str, url: Option<&PushUrl>) -> Result<()> {
        let _changing = self.changing();
        let key = self.key_of(name)?;
        let utc = SystemClock.utc();
        let change = match url {
            None => Change::delete(Namespace::Setting, row_of(PUSH, &key)),
            Some(url) => {
                let value = [&utc.0.to_le_bytes()[..], url.as_str().as_bytes()].concat();
                Change::put(Namespace::Setting, row_of(PUSH, &key), value)
            }
        };
        self.write(&[change, Change::delete(Namespace::Setting, row_of(PUSHED, &key))])
    }

    /// The key of the witness of this name.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn key_of(&self, name: &str) -> Result<VerifierKey> {
        let known = self.keys()?.into_iter().map(|(key, _)| key).find(|key| key.name() == name);
        known.ok_or_else(|| {
            Error::not_found(format!("there is no witness {name}")).next("Look at the list of witnesses.")
        })
    }

    /// Keeps what became of a checkpoint that was sent, unless the witness has another address by now, or none. True when it was kept.
    ///
    /// # Errors
    /// When the register cannot be written.
    pub fn keep_pushed(&self, log: &Log<'_>, to: &Pushing, kept: &Kept) -> Result<bool> {
        let _changing = self.changing();
        if self.pushing(log, to.key.clone())?.url != to.url {
            return Ok(false);
        }
        let text = serde_json::to_string(kept).expect("words and numbers are always JSON");
        self.put(row_of(PUSHED, &to.key), SystemClock.utc(), &text)?;
        Ok(true)
    }
}
