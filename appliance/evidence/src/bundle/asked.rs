//! What a reader gives beside the bundle, as text: keys, a checkpoint from elsewhere, a proof.

use super::verify::{Bundle, Trust, whole};
use super::{JSON_BYTES_MAX, MANIFEST, Manifest};
use crate::key::VerifierKey;
use crate::merkle::Hash;
use crate::text::hash_of_line;
use crate::witness::PROOF_LINES_MAX;
use crate::{SignedCheckpoint, note};

/// Bytes of a text with keys or a proof.
pub const TEXT_BYTES_MAX: u64 = 1 << 20;

/// Keys as they were read, and the texts that are held against them and the bundle.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Keys that may sign for the log.
    pub log_keys: Vec<VerifierKey>,
    /// Keys of witnesses.
    pub witnesses: Vec<VerifierKey>,
    /// How many of them must have cosigned; without it one, if any is given.
    pub quorum: Option<u32>,
    /// A checkpoint of the same log that came another way: its name and its text.
    pub known: Option<(String, String)>,
    /// The proof between the two: its name and its text.
    pub consistency: Option<(String, String)>,
}

impl Asked {
    /// What to believe when `bundle` is checked.
    ///
    /// # Errors
    /// A sentence: no key of a log, or a text that is not what it should be.
    pub fn trust(mut self, bundle: &dyn Bundle) -> Result<Trust, String> {
        let (known, consistency) = (self.known.take(), self.consistency.take());
        let mut trust = self.keys_alone()?;
        let known = known.map(|(name, text)| known_checkpoint(&name, &text, bundle, &trust.log_keys));
        trust.known = known.transpose()?;
        trust.consistency = consistency.map(|(name, text)| proof(&name, &text)).transpose()?;
        Ok(trust)
    }

    /// Whom to believe of one entry of a log, which no other checkpoint goes with.
    ///
    /// # Errors
    /// A sentence: no key of a log.
    pub fn keys_alone(self) -> Result<Trust, String> {
        let Self { log_keys, witnesses, quorum, .. } = self;
        if log_keys.is_empty() {
            return Err("without the key of a log (--log) nothing can be verified".to_owned());
        }
        let quorum = quorum.map_or(usize::from(!witnesses.is_empty()), |quorum| quorum as usize);
        Ok(Trust { log_keys, witnesses, quorum, known: None, consistency: None })
    }
}

/// The keys in `text`, one a line.
///
/// # Errors
/// A sentence that begins with `name`.
pub fn keys(name: &str, text: &str) -> Result<Vec<VerifierKey>, String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| VerifierKey::parse(line.trim()).map_err(|error| format!("{name}: {error}"))).collect()
}

fn known_checkpoint(
    name: &str,
    text: &str,
    bundle: &dyn Bundle,
    keys: &[VerifierKey],
) -> Result<SignedCheckpoint, String> {
    if text.len() > note::NOTE_BYTES_MAX {
        return Err(format!("reading {name}: it has more than {} bytes", note::NOTE_BYTES_MAX));
    }
    let known = SignedCheckpoint::parse(text.as_bytes()).map_err(|error| format!("{name}: {error}"))?;
    known.verify(keys).map_err(|error| format!("{name}: {error}"))?;
    // An unreadable manifest is told by the checks themselves.
    let manifest = whole(bundle, MANIFEST, JSON_BYTES_MAX);
    let manifest = manifest.ok().and_then(|bytes| Manifest::parse(&bytes).ok());
    if manifest.is_some_and(|manifest| manifest.origin != known.checkpoint().origin) {
        return Err(format!("{name} is a checkpoint of another log, {}", known.checkpoint().origin));
    }
    Ok(known)
}

fn proof(name: &str, text: &str) -> Result<Vec<Hash>, String> {
    let hashes: Option<Vec<Hash>> = text.lines().map(hash_of_line).collect();
    hashes
        .filter(|hashes| hashes.len() <= PROOF_LINES_MAX)
        .ok_or_else(|| format!("{name} is no proof: at most {PROOF_LINES_MAX} lines, each base64 of a hash"))
}
