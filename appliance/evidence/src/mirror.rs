//! A copy of a log that somebody outside keeps: what is believed of the next checkpoint before the copy grows, and what is an alert. Here is what is decided; whoever keeps a copy has its files, the
//! network and the clock.
//!
//! Order of the caller: 1. every entry of the copy through [`Follower::push`], 2. [`Follower::judge`] the checkpoint that came, 3. push the entries up to it onto a clone, 4. [`Follower::finish`] the
//! clone, 5. make entries and then the checkpoint durable, 6. go on with the clone. The tree over entries that are kept cannot be another one than before; so a root that is right proves that the new
//! tree continues the old one, and needs no proof from the log.

use crate::checkpoint::SignedCheckpoint;
use crate::key::VerifierKey;
use crate::leaf::Leaf;
use crate::merkle::{Frontier, Hash, Root, leaf_hash, verify_consistency};
use crate::proof::TiledTree;
use crate::record::Record;
use crate::rotation::{KeyChain, Rotation};
use crate::tile::{TILE_WIDTH, Tile, TileSource};
use core::fmt;
use watchbook_base::UtcNanos;

/// Entries that are taken under a checkpoint whose key comes only with them: a log that changed its key since the last look has at most so many new ones. A station of 64 cameras has a million in a
/// month.
pub const UNTRUSTED_ENTRIES_MAX: u64 = 1 << 22;

/// What somebody must look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alert {
    /// What came is no checkpoint.
    Form(String),
    /// The log signs fewer entries than the copy has: it comes from an old copy of a disk, or its end was cut off.
    Rollback {
        /// What the copy has.
        kept: Root,
        /// What is signed now.
        now: Root,
    },
    /// The log has signed two trees of which neither continues the other.
    Fork {
        /// What the copy has, which was signed.
        kept: Root,
        /// What is signed now.
        now: Root,
    },
    /// A checkpoint of another log or by a key that may not sign for this one, or a change of key without the old key's signature. In a sentence.
    Key(String),
    /// An entry is not what was signed, or is not there.
    Entry {
        /// Its number, or the first of those of which it is one.
        index: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The log's tiles do not hash to the root that it signed.
    Tiles(Root),
}

impl Alert {
    /// Exit code of a program that found it.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Form(_) => 40,
            Self::Rollback { .. } => 41,
            Self::Fork { .. } => 42,
            Self::Key(_) => 43,
            Self::Entry { .. } | Self::Tiles(_) => 45,
        }
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(why) => write!(f, "NOT A CHECKPOINT: {why}"),
            Self::Rollback { kept, now } => write!(
                f,
                "ROLLBACK: the log signs {} entries, the copy has {} that it signed before; it comes from an old copy. Keep this copy, it is the proof",
                now.size, kept.size
            ),
            Self::Fork { kept, now } => write!(
                f,
                "FORK: the log of {} entries does not begin with the {} that it signed before. Keep both checkpoints, they are the proof",
                now.size, kept.size
            ),
            Self::Key(why) => write!(f, "WRONG KEY: {why}"),
            Self::Entry { index, why } => write!(f, "CHANGED OR HIDDEN ENTRY {index}: {why}"),
            Self::Tiles(now) => write!(
                f,
                "CHANGED OR HIDDEN ENTRY: the tiles that the log hands out do not hash to the root of {} entries that it signed",
                now.size
            ),
        }
    }
}

impl std::error::Error for Alert {}

/// What a checkpoint asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: the copy has all of it.
    Same,
    /// The entries from the copy's size on up to this checkpoint's. It is signed with a key that is trusted now, or with one that these entries must bring.
    Grows(Box<SignedCheckpoint>),
}

/// A log from its first entry on, as far as its copy goes.
#[derive(Clone, Debug)]
pub struct Follower {
    origin: String,
    trusted: VerifierKey,
    chain: KeyChain,
    /// A change of key was seen that comes before the trusted key.
    earlier: bool,
    /// The change that brought the trusted key was seen, or one that follows it.
    arrived: bool,
    frontier: Frontier,
    newest: Option<UtcNanos>,
}

impl Follower {
    /// Of a log without entries, whose key `trusted` somebody compared with its owner's. It may be any key that the log has or had.
    #[must_use]
    pub fn new(origin: &str, trusted: VerifierKey) -> Self {
        Self {
            origin: origin.to_owned(),
            chain: KeyChain::trusting(origin, trusted.clone()),
            trusted,
            earlier: false,
            arrived: false,
            frontier: Frontier::default(),
            newest: None,
        }
    }

    /// How many entries, and what they hash to.
    #[must_use]
    pub fn root(&self) -> Root {
        self.frontier.root()
    }

    /// The latest time that an entry was written at, by the log's clock.
    #[must_use]
    pub fn newest(&self) -> Option<UtcNanos> {
        self.newest
    }

    /// The key whose signature a checkpoint of `size` entries must have, as far as the entries tell.
    #[must_use]
    pub fn key_of(&self, size: u64) -> &VerifierKey {
        self.chain.key_of(size)
    }

    /// Takes the next entry, with the bytes that are hashed.
    ///
    /// # Errors
    /// [`Alert::Entry`] for bytes that are no entry, [`Alert::Key`] for a change of key that is not signed as it must be.
    pub fn push(&mut self, entry: &[u8]) -> Result<(), Alert> {
        let index = self.frontier.size();
        let leaf = Leaf::decode(entry).map_err(|error| Alert::Entry { index, why: error.to_string() })?;
        if let Some(Record::LogKey { note }) = Record::parse(&leaf.body) {
            self.follow(index, &note)?;
        }
        self.newest = self.newest.max(Some(leaf.utc));
        self.frontier.push(leaf_hash(entry));
        Ok(())
    }

    fn follow(&mut self, index: u64, note: &str) -> Result<(), Alert> {
        let bad = |why: &dyn fmt::Display| Alert::Key(format!("entry {index} changes the log's key: {why}"));
        let rotation = Rotation::verify(note.as_bytes()).map_err(|error| bad(&error))?;
        if self.chain.follow(index, &rotation).is_ok() {
            self.arrived = true;
        } else if self.arrived {
            return Err(bad(&"it does not continue the key that is trusted"));
        } else if rotation.new == self.trusted {
            self.arrived = true;
        } else {
            self.earlier = true;
        }
        Ok(())
    }

    /// Looks at a checkpoint that came from outside.
    ///
    /// # Errors
    /// `Form`, `Key`, `Rollback`, and `Fork` when it has as many entries and another root.
    pub fn judge(&self, bytes: &[u8]) -> Result<Next, Alert> {
        let signed = SignedCheckpoint::parse(bytes).map_err(|error| Alert::Form(error.to_string()))?;
        let (origin, now, kept) = (&signed.checkpoint().origin, signed.checkpoint().root, self.root());
        if *origin != self.origin {
            return Err(Alert::Key(format!("the checkpoint is one of the log {origin}, not of {}", self.origin)));
        }
        if now.size > kept.size {
            let known = self.is_signed(&signed).is_ok();
            if !known && now.size - kept.size > UNTRUSTED_ENTRIES_MAX {
                self.is_signed(&signed)?;
            }
            return Ok(Next::Grows(Box::new(signed)));
        }
        self.is_signed(&signed)?;
        match now.size < kept.size {
            true => Err(Alert::Rollback { kept, now }),
            false if now.hash != kept.hash => Err(Alert::Fork { kept, now }),
            false => Ok(Next::Same),
        }
    }

    fn is_signed(&self, signed: &SignedCheckpoint) -> Result<(), Alert> {
        let size = signed.checkpoint().root.size;
        let key = self.key_of(size);
        let verified = signed.verify(core::slice::from_ref(key));
        verified.map(drop).map_err(|error| {
            Alert::Key(format!(
                "the checkpoint of {size} entries is not signed with the key that is trusted, {key}: {error}"
            ))
        })
    }

    /// Whether the entries are those of this checkpoint, and the right key has signed it. `None`: they hash to another root, which [`explain`] looks into.
    ///
    /// # Errors
    /// `Key`.
    pub fn finish(&self, signed: &SignedCheckpoint) -> Result<Option<()>, Alert> {
        self.is_signed(signed)?;
        if self.earlier && !self.arrived {
            let why = format!(
                "the log had other keys, and none of its entries brings the one that is trusted, {}",
                self.trusted
            );
            return Err(Alert::Key(why));
        }
        Ok((self.root() == signed.checkpoint().root).then_some(()))
    }
}

/// Why the entries of a log do not hash to `now`, which it signed, when the copy had `kept` before: from the tiles that the log hands out. `hashes` gives the leaf hashes of a bundle of entries as they
/// were got.
pub fn explain<S: TileSource + ?Sized>(
    (kept, now): (Root, Root),
    source: &S,
    mut hashes: impl FnMut(Tile) -> Option<Vec<Hash>>,
) -> Alert {
    let unknown = Alert::Entry {
        index: kept.size,
        why: format!("this entry, or one behind it and before {}, is not what the log signed", now.size),
    };
    let tree = TiledTree::new(source, now.size);
    match tree.root() {
        Err(_) => return unknown,
        Ok(tiles) if tiles != now => return Alert::Tiles(now),
        Ok(_) => {}
    }
    match tree.prove_consistency(kept.size) {
        Err(_) => return unknown,
        Ok(proof) if !verify_consistency(&kept, &now, &proof) => return Alert::Fork { kept, now },
        Ok(_) => {}
    }
    let width = u64::from(TILE_WIDTH);
    for bundle in kept.size / width..=now.size / width {
        let Some(tile) = Tile::of_tree(0, bundle, now.size) else { break };
        let (Ok(signed), Some(got)) = (source.tile(tile), hashes(tile)) else { return unknown };
        if let Some(at) = signed.iter().zip(&got).position(|(signed, got)| signed != got) {
            let index = bundle * width + u64::try_from(at).unwrap_or_default();
            return Alert::Entry { index, why: "what is handed out is not what was hashed into the tree".to_owned() };
        }
    }
    unknown
}

#[cfg(test)]
mod tests;
