//! A release by signed file: a station whose people cannot release an export among themselves asks an approver elsewhere. The request is a text that the approver reads, the decision a signed note that
//! is bound to every byte of it.
//!
//! ```text
//! watchbook release request v1          watchbook release decision v1
//! log <origin>                          request <SHA-256 of the request>
//! export <number>                       export <number>
//! manifest_sha256 <hex>                 nonce <hex>
//! case <number>                         decision release | refuse
//! cameras <numbers, with commas>        reason <one line; of a refusal alone>
//! from_utc_ms <ms>
//! to_utc_ms <ms>                        — <name of the approver's key> <signature>
//! recipient_class <word>
//! requester <account number>
//! bytes <number>
//! complete yes | no
//! nonce <hex>
//! expires_utc_s <s>
//! ```
//! Each has one spelling. What is here is pure: the station keeps the request until its decision comes, and takes one.

use crate::key::{Algorithm, SigningKey, VerifierKey};
use crate::note::{Note, NoteError};
use crate::text::{decimal, hash_of_hex, unhex};
use crate::{Hash, hex, sha256};
use core::fmt;
use core::fmt::Write as _;

const REQUEST: &str = "watchbook release request v1";
const DECISION: &str = "watchbook release decision v1";
/// Bytes of a request: its longest lines name 64 cameras, a case and a log.
pub const REQUEST_BYTES_MAX: usize = 4096;
/// Bytes of a decision: a few hashes, a reason and a signature.
pub const DECISION_BYTES_MAX: usize = 8192;
/// Why not, in bytes.
pub const REASON_BYTES_MAX: usize = 1024;

/// What somebody elsewhere is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Name of the station's log.
    pub origin: String,
    /// Number of the export.
    pub export: u64,
    /// SHA-256 of its manifest: what is released.
    pub manifest: Hash,
    /// Number of the case.
    pub case: String,
    /// Numbers of the cameras, 1 to 64.
    pub cameras: Vec<u32>,
    /// Start of what was asked for, milliseconds since 1970.
    pub from_utc_ms: i64,
    /// Its end.
    pub to_utc_ms: i64,
    /// What kind of receiver, in one word such as `court`.
    pub recipient_class: String,
    /// Number of the account that asked; a name is not in it.
    pub requester: u32,
    /// Bytes of the bundle.
    pub bytes: u64,
    /// Nothing of what was asked for is missing.
    pub complete: bool,
    /// Random, so that no two requests are equal.
    pub nonce: [u8; 16],
    /// A decision is taken until then, in seconds since 1970.
    pub expires_utc_s: u64,
}

/// Why a text is no request or no decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseError {
    /// Longer than it can be, or not the lines of its form in their order and spelling.
    Form(&'static str),
    /// As a note: not signed with any of the keys, or falsely.
    Note(NoteError),
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(what) => f.write_str(what),
            Self::Note(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReleaseError {}

const NO_REQUEST: ReleaseError = ReleaseError::Form("this is no release request of a Watchbook station");
const NO_DECISION: ReleaseError = ReleaseError::Form("this is no signed decision about a release request");

/// Words that may stand in one line.
fn is_line(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control)
}

/// Takes `name value` from the front of the lines.
fn field<'t>(lines: &mut impl Iterator<Item = &'t str>, name: &str) -> Option<&'t str> {
    lines.next()?.strip_prefix(name)?.strip_prefix(' ')
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// [`ReleaseError::Form`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ReleaseError> {
        let text = core::str::from_utf8(bytes).ok().filter(|text| text.len() <= REQUEST_BYTES_MAX).ok_or(NO_REQUEST)?;
        let request = Self::of_lines(text).ok_or(NO_REQUEST)?;
        // One spelling: what is shown in words is all that there is.
        if request.to_text() == text { Ok(request) } else { Err(NO_REQUEST) }
    }

    fn of_lines(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != REQUEST {
            return None;
        }
        let mut next = |name: &str| field(&mut lines, name);
        let request = Self {
            origin: next("log")?.to_owned(),
            export: decimal(next("export")?)?,
            manifest: hash_of_hex(next("manifest_sha256")?)?,
            case: next("case")?.to_owned(),
            cameras: next("cameras")?.split(',').map(|one| one.parse().ok()).collect::<Option<_>>()?,
            from_utc_ms: next("from_utc_ms")?.parse().ok()?,
            to_utc_ms: next("to_utc_ms")?.parse().ok()?,
            recipient_class: next("recipient_class")?.to_owned(),
            requester: next("requester")?.parse().ok()?,
            bytes: decimal(next("bytes")?)?,
            complete: next("complete")? == "yes",
            nonce: unhex(next("nonce")?)?.try_into().ok()?,
            expires_utc_s: decimal(next("expires_utc_s")?)?,
        };
        request.is_sound().then_some(request)
    }

    fn is_sound(&self) -> bool {
        [&self.origin, &self.case, &self.recipient_class].into_iter().all(|text| is_line(text))
            && !self.cameras.is_empty()
    }

    /// The text of the request.
    #[must_use]
    pub fn to_text(&self) -> String {
        let cameras: Vec<String> = self.cameras.iter().map(ToString::to_string).collect();
        let mut text = format!("{REQUEST}\nlog {}\nexport {}\n", self.origin, self.export);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "manifest_sha256 {}\ncase {}\ncameras {}\n",
            hex(&self.manifest),
            self.case,
            cameras.join(",")
        );
        let _ = write!(text, "from_utc_ms {}\nto_utc_ms {}\n", self.from_utc_ms, self.to_utc_ms);
        let _ = write!(text, "recipient_class {}\nrequester {}\n", self.recipient_class, self.requester);
        let _ = write!(text, "bytes {}\ncomplete {}\n", self.bytes, if self.complete { "yes" } else { "no" });
        let _ = write!(text, "nonce {}\nexpires_utc_s {}\n", hex(&self.nonce), self.expires_utc_s);
        text
    }

    /// What a decision is bound to.
    #[must_use]
    pub fn hash(&self) -> Hash {
        sha256(self.to_text().as_bytes())
    }
}

/// What an approver elsewhere says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// SHA-256 of the request that was read.
    pub request: Hash,
    /// Number of the export.
    pub export: u64,
    /// From the request.
    pub nonce: [u8; 16],
    /// Why not; `None`: it is released.
    pub refusal: Option<String>,
}

impl Decision {
    /// About this request.
    #[must_use]
    pub fn about(request: &Request, refusal: Option<String>) -> Self {
        Self { request: request.hash(), export: request.export, nonce: request.nonce, refusal }
    }

    fn text(&self) -> String {
        let head =
            format!("{DECISION}\nrequest {}\nexport {}\nnonce {}\n", hex(&self.request), self.export, hex(&self.nonce));
        match &self.refusal {
            None => format!("{head}decision release\n"),
            Some(reason) => format!("{head}decision refuse\nreason {reason}\n"),
        }
    }

    /// The signed note.
    ///
    /// # Errors
    /// When the reason is not one line of 1 to [`REASON_BYTES_MAX`] bytes, or the key is that of a witness.
    pub fn sign(&self, key: &SigningKey) -> Result<String, ReleaseError> {
        let mut note = Note::new(&self.text()).map_err(ReleaseError::Note)?;
        note.sign(key).map_err(ReleaseError::Note)?;
        let text = note.to_text();
        match Self::verify(text.as_bytes(), core::slice::from_ref(key.verifier())) {
            Ok((read, _)) if read == *self => Ok(text),
            _ => Err(ReleaseError::Form("a reason is one line, not empty, of at most 1024 bytes")),
        }
    }

    /// The decision, and which of `keys` has signed it.
    ///
    /// # Errors
    /// `Note` when none has, or falsely; `Form`, also for more than one of them.
    pub fn verify<'k>(bytes: &[u8], keys: &'k [VerifierKey]) -> Result<(Self, &'k VerifierKey), ReleaseError> {
        if bytes.len() > DECISION_BYTES_MAX {
            return Err(NO_DECISION);
        }
        let note = Note::parse(bytes).map_err(ReleaseError::Note)?;
        let signed = note.verify(keys).map_err(ReleaseError::Note)?;
        let [one] = &signed[..] else {
            return Err(ReleaseError::Form("a decision is signed by one approver"));
        };
        if one.key.algorithm() != Algorithm::Ed25519 {
            return Err(ReleaseError::Form("a witness' key signs no decision"));
        }
        let decision = Self::of_text(note.text()).ok_or(NO_DECISION)?;
        if decision.text() == note.text() { Ok((decision, one.key)) } else { Err(NO_DECISION) }
    }

    fn of_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != DECISION {
            return None;
        }
        let mut next = |name: &str| field(&mut lines, name);
        let (request, export) = (hash_of_hex(next("request")?)?, decimal(next("export")?)?);
        let nonce = unhex(next("nonce")?)?.try_into().ok()?;
        let refusal = match next("decision")? {
            "release" => None,
            "refuse" => Some(next("reason")?.to_owned()),
            _ => return None,
        };
        let good = |reason: &String| is_line(reason) && reason.len() <= REASON_BYTES_MAX;
        refusal.as_ref().is_none_or(good).then_some(Self { request, export, nonce, refusal })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request() -> Request {
        Request {
            origin: "watchbook.station/0011".to_owned(),
            export: 4_001_002_003,
            manifest: [0xAB; 32],
            case: "7/26 កើត".to_owned(),
            cameras: vec![1, 4],
            from_utc_ms: 1_795_737_600_000,
            to_utc_ms: 1_795_737_660_000,
            recipient_class: "court".to_owned(),
            requester: 3,
            bytes: 123_456,
            complete: false,
            nonce: [7; 16],
            expires_utc_s: 1_796_000_000,
        }
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed("hq.example/approver", Algorithm::Ed25519, &[seed; 32]).unwrap()
    }

    #[test]
    fn a_request_has_one_spelling() {
        let text = request().to_text();
        // Written by hand from the form above.
        let want = format!(
            "watchbook release request v1\nlog watchbook.station/0011\nexport 4001002003\nmanifest_sha256 {}\ncase 7/26 កើត\ncameras 1,4\nfrom_utc_ms 1795737600000\nto_utc_ms 1795737660000\nrecipient_class court\nrequester 3\nbytes 123456\ncomplete no\nnonce {}\nexpires_utc_s 1796000000\n",
            "ab".repeat(32),
            "07".repeat(16)
        );
        assert_eq!(text, want);
        assert_eq!(Request::parse(text.as_bytes()), Ok(request()));
        for bad in [
            text.replace("complete no", "complete maybe"),
            text.replace("cameras 1,4", "cameras 1, 4"),
            text.replace("cameras 1,4", "cameras "),
            text.replace("export 4", "export 04"),
            text.replace("\nrequester 3", ""),
            text.replace("case 7/26 កើត", "case "),
            text.replace('\n', "\r\n"),
            format!("{text}more\n"),
            text.trim_end().to_owned(),
            text.replace("v1", "v2"),
            String::new(),
        ] {
            assert_eq!(Request::parse(bad.as_bytes()), Err(NO_REQUEST), "{bad}");
        }
    }

    #[test]
    fn a_decision_is_bound_to_every_byte_of_its_request_and_to_its_key() {
        for refusal in [None, Some("too wide".to_owned())] {
            let decision = Decision::about(&request(), refusal);
            let text = decision.sign(&key(1)).unwrap();
            let keys = [key(2).verifier().clone(), key(1).verifier().clone()];
            assert_eq!(Decision::verify(text.as_bytes(), &keys), Ok((decision, &keys[1])));
            assert_eq!(Decision::verify(text.as_bytes(), &keys[..1]), Err(ReleaseError::Note(NoteError::Unsigned)));
            let changed = text.replace("export 4001002003", "export 4001002004");
            assert!(matches!(Decision::verify(changed.as_bytes(), &keys), Err(ReleaseError::Note(_))));
        }
        let other = Request { complete: true, ..request() };
        assert_ne!(other.hash(), request().hash());
        let two_lines = Decision::about(&request(), Some("a\nb".to_owned()));
        assert!(
            two_lines.sign(&key(1)).is_err() && Decision::about(&request(), Some(String::new())).sign(&key(1)).is_err()
        );
        let witness = SigningKey::from_seed("w", Algorithm::Cosignature, &[1; 32]).unwrap();
        assert!(Decision::about(&request(), None).sign(&witness).is_err());
    }

    #[test]
    fn what_an_approver_signed_that_is_no_decision_is_none() {
        let keys = [key(1).verifier().clone()];
        for text in [
            "watchbook.station/0011\n7\nAAAA\n",
            "watchbook release decision v1\n",
            "watchbook release decision v1\nrequest 00\n",
        ] {
            let mut note = Note::new(text).unwrap();
            note.sign(&key(1)).unwrap();
            assert_eq!(Decision::verify(note.to_text().as_bytes(), &keys), Err(NO_DECISION), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = (Request::parse(&bytes), Decision::verify(&bytes, &[key(1).verifier().clone()]));
        }

        #[test]
        fn a_changed_byte_is_another_request_or_none(at in 0_usize..500, bit in 0_u8..8) {
            let mut bytes = request().to_text().into_bytes();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(read) = Request::parse(&bytes) {
                prop_assert_ne!(read.hash(), request().hash());
            }
        }
    }
}
