//! One leaf's proof as a text file (C2SP tlog-proof v1): the number, the audit path and the signed checkpoint. It needs nothing but the leaf and keys.

use crate::SignedCheckpoint;
use crate::key::VerifierKey;
use crate::leaf::Leaf;
use crate::merkle::{Hash, verify_inclusion};
use crate::note::{NOTE_BYTES_MAX, NoteError};
use crate::text::{base64, decimal, hash_of_line, unbase64};

const TITLE: &str = "c2sp.org/tlog-proof@v1";
/// Hashes of an audit path in a tree of fewer than 2^63 leaves.
pub const PATH_LINES_MAX: usize = 63;
/// Bytes of what an application adds.
pub const EXTRA_BYTES_MAX: usize = 64 << 10;
/// Bytes of a proof.
pub const PROOF_BYTES_MAX: usize = NOTE_BYTES_MAX + 2 * EXTRA_BYTES_MAX + PATH_LINES_MAX * 45 + 128;

/// That a leaf is in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// What the application adds; nothing vouches for it.
    pub extra: Option<Vec<u8>>,
    /// Number of the leaf.
    pub index: u64,
    /// From its sibling up.
    pub path: Vec<Hash>,
    /// The tree.
    pub checkpoint: SignedCheckpoint,
}

impl TlogProof {
    /// Reads a proof.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(format!("the proof has {} bytes, at most {PROOF_BYTES_MAX} are read", bytes.len()));
        }
        let text = core::str::from_utf8(bytes).map_err(|_| "the proof is not UTF-8")?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or("the proof has no empty line before its checkpoint")?;
        let rest = head.strip_prefix(TITLE).and_then(|rest| rest.strip_prefix('\n'));
        let mut lines = rest.ok_or("this is no proof of the form tlog-proof@v1")?.split('\n');
        let mut line = lines.next().unwrap_or_default();
        let mut extra = None;
        if let Some(encoded) = line.strip_prefix("extra ") {
            let decoded = unbase64(encoded).filter(|extra| extra.len() <= EXTRA_BYTES_MAX);
            extra = Some(decoded.ok_or("the proof's extra data is not base64 or too long")?);
            line = lines.next().unwrap_or_default();
        }
        let index = line.strip_prefix("index ").and_then(decimal).ok_or("the proof has no line `index`")?;
        let path: Option<Vec<Hash>> = lines.map(hash_of_line).collect();
        let path = path.filter(|path| path.len() <= PATH_LINES_MAX);
        let path = path.ok_or("a line of the proof is not base64 of a hash, or there are too many")?;
        let checkpoint = SignedCheckpoint::parse(checkpoint.as_bytes()).map_err(|error| error.to_string())?;
        Ok(Self { extra, index, path, checkpoint })
    }

    /// The file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let extra = self.extra.as_ref().map(|extra| format!("extra {}\n", base64(extra))).unwrap_or_default();
        let path: String = self.path.iter().map(|hash| format!("{}\n", base64(hash))).collect();
        format!("{TITLE}\n{extra}index {}\n{path}\n{}", self.index, self.checkpoint.to_text())
    }

    /// True when the leaf with this hash is in the tree of the checkpoint, which one of `keys` has signed. Witnesses are
    /// [`SignedCheckpoint::witnessed`]'s matter.
    ///
    /// # Errors
    /// As [`SignedCheckpoint::verify`].
    pub fn verify(&self, leaf: &Hash, keys: &[VerifierKey]) -> Result<bool, NoteError> {
        self.checkpoint.verify(keys)?;
        Ok(verify_inclusion(leaf, self.index, &self.checkpoint.checkpoint().root, &self.path))
    }

    /// The proof of one entry of the log, with the entry in it: its extra data is the leaf as it is stored.
    ///
    /// # Errors
    /// When the leaf cannot be written as one.
    pub fn of_entry(leaf: &Leaf, index: u64, path: Vec<Hash>, checkpoint: SignedCheckpoint) -> Result<Self, String> {
        let extra = leaf.encode().map_err(|error| format!("entry {index}: {error}"))?;
        if extra.len() > EXTRA_BYTES_MAX {
            return Err(format!("entry {index} has {} bytes, a proof takes {EXTRA_BYTES_MAX}", extra.len()));
        }
        Ok(Self { extra: Some(extra), index, path, checkpoint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{Root, leaf_hash, prove_inclusion, root_of};
    use crate::{Algorithm, Checkpoint, SigningKey};

    fn signed(leaves: &[Hash]) -> (SignedCheckpoint, [VerifierKey; 1]) {
        let key = SigningKey::from_seed("example.com/log", Algorithm::Ed25519, &[4; 32]).unwrap();
        let root = Root { size: leaves.len() as u64, hash: root_of(leaves) };
        let checkpoint = Checkpoint { origin: "example.com/log".to_owned(), root, extensions: Vec::new() };
        (SignedCheckpoint::sign(checkpoint, &[&key]).unwrap(), [key.verifier().clone()])
    }

    fn proof(index: usize) -> (TlogProof, Vec<Hash>, [VerifierKey; 1]) {
        let leaves: Vec<Hash> = (0..21_u8).map(|i| leaf_hash(&[i])).collect();
        let (checkpoint, keys) = signed(&leaves);
        let path = prove_inclusion(&leaves, index).unwrap();
        (TlogProof { extra: None, index: index as u64, path, checkpoint }, leaves, keys)
    }

    #[test]
    fn a_proof_is_written_as_the_specification_draws_it() {
        let (mut one, leaves, keys) = proof(0);
        let text = one.to_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["c2sp.org/tlog-proof@v1", "index 0"]);
        assert_eq!((lines[2].len(), lines[7], lines[8], lines[9]), (44, "", "example.com/log", "21"));
        assert_eq!(TlogProof::parse(text.as_bytes()).as_ref(), Ok(&one));
        one.extra = Some(b"age".to_vec());
        assert!(one.to_text().starts_with("c2sp.org/tlog-proof@v1\nextra YWdl\nindex 0\n"));
        assert_eq!(TlogProof::parse(one.to_text().as_bytes()).as_ref(), Ok(&one));
        assert_eq!(one.verify(&leaves[0], &keys), Ok(true));
        assert_eq!(one.verify(&leaves[1], &keys), Ok(false));
        assert_eq!(one.verify(&leaves[0], &[]), Err(NoteError::Unsigned));
    }

    #[test]
    fn each_leaf_has_its_own_proof() {
        for index in 0..21 {
            let (one, leaves, keys) = proof(index);
            let read = TlogProof::parse(one.to_text().as_bytes()).unwrap();
            let verified = |leaf: &Hash| read.verify(leaf, &keys).unwrap();
            assert_eq!(leaves.iter().position(verified), Some(index));
            let moved = TlogProof { index: (read.index + 1) % 21, ..read.clone() };
            assert_eq!(moved.verify(&leaves[index], &keys), Ok(false));
        }
    }

    #[test]
    fn what_is_no_proof_is_refused() {
        let text = proof(5).0.to_text();
        let hash = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n";
        for bad in [
            String::new(),
            text.replace("@v1", "@v2"),
            text.replace("index 5", "index 05"),
            text.replace("index 5", "extra YWdl\nextra YWdl\nindex 5"),
            text.replace("index 5\n", "index 5\nextra YWdl\n"),
            text.replace("index 5\n", "index 5\nKg==\n"),
            text.replace("index 5\n", &format!("index 5\n{}", hash.repeat(60))),
            text.replace("index 5\n", "index 5\n\n"),
            text.replace("\n21\n", "\n-21\n"),
        ] {
            assert!(TlogProof::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(TlogProof::parse(&vec![b'a'; PROOF_BYTES_MAX + 1]).is_err());
    }
}
