//! Signed notes (C2SP signed-note v1.0.0): a text that ends with a newline, an empty line, and lines with signatures.

use crate::key::{Algorithm, SIGNATURE_BYTES, SigningKey, VerifierKey, is_name, name_and_id};
use crate::text::{NUMBER_MAX, base64, unbase64_of_a_signature};
use core::fmt;

/// Bytes of a note. A checkpoint has about 200, a signature line at most about 350 with Ed25519 and 7,000 with what comes after it.
pub const NOTE_BYTES_MAX: usize = 1 << 20;
/// Signatures of a note; the specification asks for at least 16, Go's implementation reads 100.
pub const SIGNATURES_MAX: usize = 100;
const SIGNATURE_MARK: &str = "— ";

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Who claims to have signed.
    pub name: String,
    /// Which key of theirs.
    pub key_id: u32,
    /// What the key's algorithm made: for Ed25519 64 bytes, for a cosignature its time and 64 bytes. Never empty.
    pub bytes: Vec<u8>,
}

impl fmt::Display for Signature {
    /// The line without its newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [&self.key_id.to_be_bytes(), &self.bytes[..]].concat();
        write!(f, "{SIGNATURE_MARK}{} {}", self.name, base64(&blob))
    }
}

impl Signature {
    /// Reads a line without its newline; `None` when it is no signature line.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (name, blob) = line.strip_prefix(SIGNATURE_MARK)?.split_once(' ')?;
        let blob = unbase64_of_a_signature(blob)?;
        let (key_id, bytes) = blob.split_first_chunk::<4>()?;
        (is_name(name) && !bytes.is_empty()).then(|| Self {
            name: name.to_owned(),
            key_id: u32::from_be_bytes(*key_id),
            bytes: bytes.to_vec(),
        })
    }

    fn is_of(&self, key: &VerifierKey) -> bool {
        self.key_id == key.key_id() && self.name == key.name()
    }
}

/// A note whose form is right. Nothing is known of its text until [`Note::verify`] has found a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// A signature that is its key's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<'k> {
    /// Whose.
    pub key: &'k VerifierKey,
    /// When a witness says that it saw the checkpoint, in seconds since 1970; `None` for a log's signature, which has no time.
    pub at_s: Option<u64>,
}

/// Why a note is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoteError {
    /// Not a signed note: what is wrong with its form.
    Malformed(&'static str),
    /// The signature of a known key is not of this text. The key as `name+id`.
    BadSignature(String),
    /// None of the known keys has signed.
    Unsigned,
    /// Two of the known keys share name and id. The key as `name+id`.
    Ambiguous(String),
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "not a signed note: {what}"),
            Self::BadSignature(key) => write!(f, "the signature of {key} is not of this text"),
            Self::Unsigned => f.write_str("none of the known keys has signed"),
            Self::Ambiguous(key) => write!(f, "two of the known keys are {key}; give one of them"),
        }
    }
}

impl std::error::Error for NoteError {}

impl Note {
    /// A note without signatures yet.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] for a text that no note can have.
    pub fn new(text: &str) -> Result<Self, NoteError> {
        check_text(text)?;
        if text.is_empty() || !text.ends_with('\n') {
            return Err(NoteError::Malformed("its text does not end with a newline"));
        }
        Ok(Self { text: text.to_owned(), signatures: Vec::new() })
    }

    /// Reads a note with one signature or more.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let malformed = NoteError::Malformed;
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(malformed("it is larger than a note can be"));
        }
        let whole = core::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        check_text(whole)?;
        let (text, lines) = whole.rsplit_once("\n\n").ok_or(malformed("it has no empty line before its signatures"))?;
        let lines = lines.strip_suffix('\n').ok_or(malformed("its last line has no end"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == SIGNATURES_MAX {
                return Err(malformed("it has more signatures than a note can have"));
            }
            signatures.push(Signature::parse(line).ok_or(malformed("a line behind the empty one is no signature"))?);
        }
        let text = format!("{text}\n");
        Ok(Self { text, signatures })
    }

    /// What is signed, with its last newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signature lines, known or not.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The note as bytes. Without a signature it does not read back.
    #[must_use]
    pub fn to_text(&self) -> String {
        let lines: String = self.signatures.iter().map(|signature| format!("{signature}\n")).collect();
        format!("{}\n{lines}", self.text)
    }

    /// Adds a line, unless the note has it.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] when the note has [`SIGNATURES_MAX`] lines.
    pub fn add(&mut self, signature: Signature) -> Result<(), NoteError> {
        if self.signatures.contains(&signature) {
            return Ok(());
        }
        if self.signatures.len() >= SIGNATURES_MAX {
            return Err(NoteError::Malformed("it has as many signatures as a note can have"));
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Forgets the lines of all keys but these.
    pub(crate) fn keep(&mut self, keys: &[VerifierKey]) {
        self.signatures.retain(|signature| keys.iter().any(|key| signature.is_of(key)));
    }

    /// Signs the text with a log's key.
    ///
    /// # Errors
    /// As [`Note::add`], and `Malformed` for the key of a witness, which signs with a time ([`Note::cosign`]).
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), NoteError> {
        if key.verifier().algorithm() != Algorithm::Ed25519 {
            return Err(NoteError::Malformed("a witness's key signs with a time"));
        }
        let (name, key_id) = (key.verifier().name().to_owned(), key.verifier().key_id());
        self.add(Signature { name, key_id, bytes: key.sign(self.text.as_bytes()) })
    }

    /// Signs a checkpoint with a witness's key, as seen at `at_s` seconds since 1970. The caller has made sure that the text is a checkpoint.
    ///
    /// # Errors
    /// As [`Note::add`], and `Malformed` for a log's key or a time that cannot be.
    pub(crate) fn cosign(&mut self, key: &SigningKey, at_s: u64) -> Result<Signature, NoteError> {
        if key.verifier().algorithm() != Algorithm::Cosignature || at_s > NUMBER_MAX {
            return Err(NoteError::Malformed("a cosignature has a witness's key and a time below 2^63 s"));
        }
        let signature = Signature {
            name: key.verifier().name().to_owned(),
            key_id: key.verifier().key_id(),
            bytes: [&at_s.to_be_bytes()[..], &key.sign(&cosigned_message(at_s, &self.text))].concat(),
        };
        self.add(signature.clone())?;
        Ok(signature)
    }

    /// The signatures of `keys`, in the order of the note. Lines of other keys are ignored.
    ///
    /// # Errors
    /// `BadSignature` when a line has name and id of one of `keys` and does not verify, `Unsigned` when no line has, `Ambiguous` for keys that cannot be told
    /// apart.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<Signed<'k>>, NoteError> {
        let mut signed = Vec::new();
        for signature in &self.signatures {
            let mut known = keys.iter().filter(|key| signature.is_of(key));
            let Some(key) = known.next() else { continue };
            let name = || name_and_id(&signature.name, signature.key_id);
            if known.any(|other| other != key) {
                return Err(NoteError::Ambiguous(name()));
            }
            let found = self.check(key, signature).ok_or_else(|| NoteError::BadSignature(name()))?;
            if !signed.contains(&found) {
                signed.push(found);
            }
        }
        if signed.is_empty() { Err(NoteError::Unsigned) } else { Ok(signed) }
    }

    fn check<'k>(&self, key: &'k VerifierKey, signature: &Signature) -> Option<Signed<'k>> {
        let (at_s, good) = match key.algorithm() {
            Algorithm::Ed25519 => (None, key.verifies(self.text.as_bytes(), &signature.bytes)),
            Algorithm::Cosignature => {
                let (time, bytes) = signature.bytes.split_first_chunk::<8>()?;
                let at_s = u64::from_be_bytes(*time);
                let good = at_s <= NUMBER_MAX && bytes.len() == SIGNATURE_BYTES;
                (Some(at_s), good && key.verifies(&cosigned_message(at_s, &self.text), bytes))
            }
        };
        good.then_some(Signed { key, at_s })
    }
}

/// What a witness signs (tlog-cosignature, *Ed25519 signed message*).
fn cosigned_message(at_s: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {at_s}\n{text}").into_bytes()
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if text.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(NoteError::Malformed("it has a control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text, keys and signatures with which golang.org/x/mod tests `note.Open` (`sumdb/note/note_test.go`); the rows below are those of `TestOpen`.
    const TEXT: &str =
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const PETER_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const PETER: &str =
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const ENOCH_KEY: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
    const ENOCH: &str =
        "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

    fn key(text: &str) -> VerifierKey {
        VerifierKey::parse(text).unwrap()
    }

    fn names(signatures: &[&str], keys: &[VerifierKey]) -> Result<Vec<String>, NoteError> {
        let note = Note::parse(format!("{TEXT}\n{}", signatures.concat()).as_bytes())?;
        assert_eq!(note.text(), TEXT);
        Ok(note.verify(keys)?.iter().map(|signed| signed.key.name().to_owned()).collect())
    }

    /// With four characters in the midst of the signature that do not belong there.
    fn stretched(line: &str) -> String {
        let at = line.len() - 40;
        format!("{}ABCD{}", &line[..at], &line[at..])
    }

    #[test]
    fn known_signatures_are_checked_and_unknown_ones_ignored() {
        let (peter, enoch) = (key(PETER_KEY), key(ENOCH_KEY));
        let both = [peter.clone(), enoch.clone()];
        assert_eq!(names(&[PETER, ENOCH], &both[..1]).unwrap(), ["PeterNeumann"]);
        assert_eq!(names(&[PETER, ENOCH], &both).unwrap(), ["PeterNeumann", "EnochRoot"]);
        assert_eq!(names(&[PETER, ENOCH], &[]), Err(NoteError::Unsigned));
        assert_eq!(names(&[PETER, PETER], &both).unwrap(), ["PeterNeumann"]);
        let bad = NoteError::BadSignature("PeterNeumann+c74f20a3".to_owned());
        assert_eq!(names(&[ENOCH, &stretched(PETER)], &both), Err(bad));
        assert_eq!(names(&[PETER, ENOCH, ENOCH, &stretched(ENOCH)], &both[..1]).unwrap(), ["PeterNeumann"]);
        // A name or an id alone is another key.
        for other in [PETER.replace("PeterNeumann", "CarmenSandiego"), PETER.replace("x08g", "xxxx")] {
            assert_eq!(names(&[&other], &both), Err(NoteError::Unsigned));
        }
        // The same key given twice is one key.
        assert_eq!(names(&[ENOCH], &[enoch.clone(), peter, enoch]).unwrap(), ["EnochRoot"]);
    }

    #[test]
    fn the_example_of_the_specification_verifies() {
        // signed-note, *Example*.
        let note = "This is an example message.\n\n\
                    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
        let keys = [key("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")];
        let parsed = Note::parse(note.as_bytes()).unwrap();
        assert_eq!(parsed.verify(&keys).unwrap(), [Signed { key: &keys[0], at_s: None }]);
        assert_eq!(parsed.to_text(), note);
        let changed = Note::parse(note.replace("example message", "Example message").as_bytes()).unwrap();
        assert_eq!(changed.verify(&keys), Err(NoteError::BadSignature("example.com/foo+530d903a".to_owned())));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        let many = PETER.repeat(SIGNATURES_MAX + 1);
        let name = PETER.replace("PeterNeumann", "Bad Name");
        let rows: [(&str, String); 10] = [
            ("no signatures", TEXT.to_owned()),
            ("an empty line and nothing behind it", format!("{TEXT}\n")),
            ("no last newline", format!("{TEXT}\n{}", PETER.trim_end())),
            ("a control character", format!("\u{1}{TEXT}\n{PETER}")),
            ("a tab in a signature", format!("{TEXT}\n{PETER}\t\n")),
            ("a space in a name", format!("{TEXT}\n{name}")),
            ("a line that is none", format!("{TEXT}\n{PETER}Unexpected line.\n")),
            ("too many", format!("{TEXT}\n{many}")),
            ("a key id alone", format!("{TEXT}\n— PeterNeumann x08gow==\n")),
            ("a carriage return", format!("{TEXT}\n{}", PETER.replace('\n', "\r\n"))),
        ];
        for (what, note) in rows {
            assert!(matches!(Note::parse(note.as_bytes()), Err(NoteError::Malformed(_))), "{what}");
        }
        assert!(matches!(Note::parse(&[&[0xFF], TEXT.as_bytes(), b"\n"].concat()), Err(NoteError::Malformed(_))));
        assert!(matches!(Note::parse(&vec![b'\n'; NOTE_BYTES_MAX + 1]), Err(NoteError::Malformed(_))));
        assert!(Note::parse(format!("{TEXT}\n{}", PETER.repeat(SIGNATURES_MAX)).as_bytes()).is_ok());
    }

    #[test]
    fn the_text_ends_at_the_last_empty_line() {
        let secret = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        let signer = SigningKey::parse(secret).unwrap();
        let mut note = Note::new("one\n\n— not a signature\n\ntwo\n").unwrap();
        note.sign(&signer).unwrap();
        let again = Note::parse(note.to_text().as_bytes()).unwrap();
        assert_eq!(again, note);
        assert!(again.verify(&[signer.verifier().clone()]).is_ok());
        // Ed25519 has one signature for a text: ours is the published one.
        let mut same = Note::new(TEXT).unwrap();
        same.sign(&signer).unwrap();
        assert_eq!(same.to_text(), format!("{TEXT}\n{PETER}"));
        for bad in ["", "no end", "bell\u{7}\n"] {
            assert!(Note::new(bad).is_err(), "{bad:?}");
        }
    }
}
