//! Checkpoints (C2SP tlog-checkpoint v1.0.0): which log, how many leaves, which root; signed by the log, cosigned by witnesses.

use crate::key::SigningKey;
use crate::merkle::{Root, empty_root};
use crate::note::{Note, NoteError, Signature, Signed};
use crate::text::{base64, decimal, hash_of_line};
use crate::{Algorithm, VerifierKey};
use core::fmt;

/// Bytes of an origin, as of the name of a key.
pub const ORIGIN_BYTES_MAX: usize = crate::key::NAME_BYTES_MAX;

/// What one log says of itself at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// Its length and tree hash.
    pub root: Root,
    /// Further lines, which nobody can audit. Ours has none; those of others are kept, for they are signed too.
    pub extensions: Vec<String>,
}

/// Why a text is not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointError {
    /// Less than three lines, an empty one, or no newline at the end.
    Lines,
    /// The origin is longer than [`ORIGIN_BYTES_MAX`].
    Origin,
    /// The size is no decimal below 2^63.
    Size,
    /// The root is not base64 of 32 bytes, or not that of the empty tree although the size is 0.
    Root,
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lines => "a checkpoint is three lines or more, none of them empty",
            Self::Origin => "the checkpoint's first line is longer than the name of a log can be",
            Self::Size => "the checkpoint's second line is no size",
            Self::Root => "the checkpoint's third line is no root of a tree of this size",
        })
    }
}

impl std::error::Error for CheckpointError {}

impl Checkpoint {
    /// Reads the text of a note.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let lines: Vec<&str> = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?.split('\n').collect();
        let [origin, size, hash, extensions @ ..] = &lines[..] else { return Err(CheckpointError::Lines) };
        if lines.iter().any(|line| line.is_empty()) {
            return Err(CheckpointError::Lines);
        }
        if origin.len() > ORIGIN_BYTES_MAX {
            return Err(CheckpointError::Origin);
        }
        let size = decimal(size).ok_or(CheckpointError::Size)?;
        let hash = hash_of_line(hash).ok_or(CheckpointError::Root)?;
        let extensions = extensions.iter().map(|line| (*line).to_owned()).collect();
        Ok(Self { origin: (*origin).to_owned(), root: Root { size, hash }, extensions })
    }

    /// True when a tree of this size can have this root: only one is known without the leaves, that of none.
    #[must_use]
    pub fn root_is_possible(&self) -> bool {
        self.root.size > 0 || self.root.hash == empty_root()
    }

    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        let extensions: String = self.extensions.iter().map(|line| format!("{line}\n")).collect();
        format!("{}\n{}\n{}\n{extensions}", self.origin, self.root.size, base64(&self.root.hash))
    }
}

/// A checkpoint with signatures, of which nothing is known before [`SignedCheckpoint::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    note: Note,
    checkpoint: Checkpoint,
}

/// Why a signed checkpoint is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedError {
    /// As a note.
    Note(NoteError),
    /// As a checkpoint.
    Checkpoint(CheckpointError),
}

impl fmt::Display for SignedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(error) => error.fmt(f),
            Self::Checkpoint(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SignedError {}

impl From<NoteError> for SignedError {
    fn from(error: NoteError) -> Self {
        Self::Note(error)
    }
}

impl From<CheckpointError> for SignedError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}

impl SignedCheckpoint {
    /// Reads a checkpoint with its signatures.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignedError> {
        let note = Note::parse(bytes)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(Self { note, checkpoint })
    }

    /// Signs with a log's keys: one, and while a key is being changed two.
    ///
    /// # Errors
    /// When the checkpoint or a key cannot be used.
    pub(crate) fn sign(checkpoint: Checkpoint, keys: &[&SigningKey]) -> Result<Self, SignedError> {
        let text = checkpoint.text();
        // An origin or extension with a newline would read back as another checkpoint.
        if Checkpoint::parse(&text)? != checkpoint {
            return Err(CheckpointError::Lines.into());
        }
        let mut note = Note::new(&text)?;
        keys.iter().try_for_each(|key| note.sign(key))?;
        Ok(Self { note, checkpoint })
    }

    /// Adds a witness's cosignature as of `at_s` seconds since 1970 and returns it. Whether the checkpoint deserves one is [`crate::witness`]'s to judge.
    pub(crate) fn cosign(&mut self, key: &SigningKey, at_s: u64) -> Result<Signature, NoteError> {
        self.note.cosign(key, at_s)
    }

    /// Forgets the lines of all keys but these.
    pub(crate) fn keep(&mut self, keys: &[VerifierKey]) {
        self.note.keep(keys);
    }

    /// Takes over a line that a witness gave, if it is one of `keys`.
    ///
    /// # Errors
    /// As [`Note::verify`]; then nothing is taken over.
    pub fn add_cosignature(&mut self, signature: Signature, keys: &[VerifierKey]) -> Result<(), NoteError> {
        let mut alone = Note::new(self.note.text())?;
        alone.add(signature.clone())?;
        alone.verify(keys)?;
        self.note.add(signature)
    }

    /// What it says. Believe it after [`SignedCheckpoint::verify`].
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note that it is.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// The stored and published form.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.note.to_text()
    }

    /// The log's own signatures. Keys of witnesses among `keys` do not count as the log's.
    ///
    /// # Errors
    /// As [`Note::verify`].
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<Signed<'k>>, NoteError> {
        let mut signed = self.note.verify(keys)?;
        signed.retain(|signed| signed.key.algorithm() == Algorithm::Ed25519);
        if signed.is_empty() { Err(NoteError::Unsigned) } else { Ok(signed) }
    }

    /// The cosignatures of these witnesses; there may be none.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] and [`NoteError::Ambiguous`].
    pub fn witnessed<'k>(&self, witnesses: &'k [VerifierKey]) -> Result<Vec<Signed<'k>>, NoteError> {
        match self.note.verify(witnesses) {
            Err(NoteError::Unsigned) => Ok(Vec::new()),
            Ok(mut signed) => {
                signed.retain(|signed| signed.key.algorithm() == Algorithm::Cosignature);
                Ok(signed)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A checkpoint of Go's module database, as filippo.io/torchwood tests its witness with (`cmd/litewitness/testdata/sumdb.txt`).
    const SUMDB: &str = "go.sum database tree\n35225469\nvt5T6GaLCXvyHFl9VUvvItR43XZxfLgftEcTyO3eJCQ=\n\n\
                         — sum.golang.org Az3grpukl5AXaVfYkLiDGORx/DN2nlcS5kZHR5uYOBV2KA2HgXpD+gu9HHONebHLAyaKbbTM75QTtPydhKCExixSfwQ=\n";
    const SUMDB_KEY: &str = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";

    fn witness() -> SigningKey {
        SigningKey::from_seed("witness.example/w1", Algorithm::Cosignature, &[7; 32]).unwrap()
    }

    #[test]
    fn a_checkpoint_of_a_public_log_verifies() {
        let signed = SignedCheckpoint::parse(SUMDB.as_bytes()).unwrap();
        let keys = [VerifierKey::parse(SUMDB_KEY).unwrap()];
        assert_eq!(signed.verify(&keys).unwrap().len(), 1);
        assert_eq!(signed.checkpoint().origin, "go.sum database tree");
        assert_eq!(signed.checkpoint().root.size, 35_225_469);
        assert_eq!(signed.to_text(), SUMDB);
        let other = SignedCheckpoint::parse(SUMDB.replace("35225469", "35225468").as_bytes()).unwrap();
        assert!(matches!(other.verify(&keys), Err(NoteError::BadSignature(_))));
    }

    #[test]
    fn checkpoints_of_the_specification_read_and_others_do_not() {
        // tlog-checkpoint's example, and the rows of transparency-dev/formats' `TestUnmarshalLogState` that its rules decide.
        let hash = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        let good = Checkpoint::parse(&format!("example.com/behind-the-sofa\n20852163\n{hash}\n")).unwrap();
        assert_eq!((good.root.size, good.extensions.len()), (20_852_163, 0));
        let more = Checkpoint::parse(&format!("Log\n9944\n{hash}\nlots\nof\nlines\n")).unwrap();
        assert_eq!(more.extensions, ["lots", "of", "lines"]);
        for (text, why) in [
            (format!("Log\n123\n{hash}\n\n\n\n"), CheckpointError::Lines),
            ("Head\n9944\n".to_owned(), CheckpointError::Lines),
            (format!("\n9944\n{hash}\n"), CheckpointError::Lines),
            (format!("Log\n123\n{hash}"), CheckpointError::Lines),
            (String::new(), CheckpointError::Lines),
            (format!("Log\nbananas\n{hash}\n"), CheckpointError::Size),
            (format!("Log\n-34\n{hash}\n"), CheckpointError::Size),
            (format!("Log\n034\n{hash}\n"), CheckpointError::Size),
            (format!("Log\n3438945738945739845734895735\n{hash}\n"), CheckpointError::Size),
            ("Log\n123\nThisIsn'tBase64\n".to_owned(), CheckpointError::Root),
            ("Log\n123\nYmFuYW5hcw==\n".to_owned(), CheckpointError::Root),
            (format!("{}\n123\n{hash}\n", "o".repeat(ORIGIN_BYTES_MAX + 1)), CheckpointError::Origin),
        ] {
            assert_eq!(Checkpoint::parse(&text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn a_cosignature_is_as_the_specification_draws_it() {
        let mut signed = SignedCheckpoint::parse(SUMDB.as_bytes()).unwrap();
        let key = witness();
        let line = signed.cosign(&key, 1_679_315_147).unwrap();
        // The message of tlog-cosignature, *Ed25519 signed message*, and the time in front of the signature.
        let (time, bytes) = line.bytes.split_first_chunk::<8>().unwrap();
        assert_eq!(u64::from_be_bytes(*time), 1_679_315_147);
        let message = format!("cosignature/v1\ntime 1679315147\n{}", signed.note().text());
        assert!(key.verifier().verifies(message.as_bytes(), bytes));
        let witnesses = [key.verifier().clone()];
        assert_eq!(signed.witnessed(&witnesses).unwrap()[0].at_s, Some(1_679_315_147));
        // A witness is no log, and a log no witness.
        assert_eq!(signed.verify(&witnesses), Err(NoteError::Unsigned));
        assert_eq!(signed.witnessed(&[VerifierKey::parse(SUMDB_KEY).unwrap()]).unwrap(), []);
    }

    #[test]
    fn a_time_that_is_changed_breaks_the_cosignature() {
        let mut signed = SignedCheckpoint::parse(SUMDB.as_bytes()).unwrap();
        let key = witness();
        let mut line = signed.cosign(&key, 1_679_315_147).unwrap();
        line.bytes[7] ^= 1;
        let mut later = SignedCheckpoint::parse(SUMDB.as_bytes()).unwrap();
        let witnesses = [key.verifier().clone()];
        assert!(matches!(later.add_cosignature(line.clone(), &witnesses), Err(NoteError::BadSignature(_))));
        assert_eq!(later.to_text(), SUMDB);
        line.bytes[7] ^= 1;
        assert_eq!(later.add_cosignature(line.clone(), &[]), Err(NoteError::Unsigned));
        later.add_cosignature(line, &witnesses).unwrap();
        assert_eq!(later.witnessed(&witnesses).unwrap().len(), 1);
        assert!(signed.cosign(&key, u64::MAX).is_err());
    }

    #[test]
    fn a_checkpoint_that_would_read_back_as_another_is_not_signed() {
        let log = SigningKey::from_seed("example.com/log", Algorithm::Ed25519, &[1; 32]).unwrap();
        let root = Root { size: 0, hash: empty_root() };
        for (origin, extension) in [("two\nlines", None), ("", None), ("log", Some("")), ("log", Some("a\nb"))] {
            let extensions = extension.map(str::to_owned).into_iter().collect();
            let checkpoint = Checkpoint { origin: origin.to_owned(), root, extensions };
            assert!(SignedCheckpoint::sign(checkpoint, &[&log]).is_err(), "{origin:?} {extension:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(origin in "[^\\pC\n]{1,60}", size in 1..crate::text::NUMBER_MAX, hash: [u8; 32], extensions in proptest::collection::vec("[^\\pC\n]{1,30}", 0..4)) {
            let checkpoint = Checkpoint { origin, root: Root { size, hash }, extensions };
            prop_assert_eq!(Checkpoint::parse(&checkpoint.text()).unwrap(), checkpoint.clone());
            let key = SigningKey::from_seed("k", Algorithm::Ed25519, &hash).unwrap();
            let signed = SignedCheckpoint::sign(checkpoint, &[&key]).unwrap();
            let again = SignedCheckpoint::parse(signed.to_text().as_bytes()).unwrap();
            prop_assert_eq!(&again, &signed);
            prop_assert!(again.verify(&[key.verifier().clone()]).is_ok());
        }

        #[test]
        fn a_changed_byte_never_verifies_as_something_else(at in 0_usize..400, bit in 0_u8..8) {
            let mut bytes = SUMDB.as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let keys = [VerifierKey::parse(SUMDB_KEY).unwrap()];
            if let Ok(read) = SignedCheckpoint::parse(&bytes)
                && read.verify(&keys).is_ok()
            {
                // Bits that base64's padding leaves over mean nothing.
                prop_assert_eq!(read.to_text(), SUMDB);
            }
        }
    }
}
