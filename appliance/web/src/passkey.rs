//! What a browser says about a passkey, judged (W3C WebAuthn Level 3, sections 7.1 and 7.2): the client data, the authenticator data and the signature over both.
//!
//! * **Enters:** bytes that a browser sent, the place that the page was reached at, a key that was kept.
//! * **Leaves:** the challenge that was answered, the counter, the key; or why not.
//! * **Never:** reads an attestation, which would say what a person's device is; asks how the device knew its holder.
//!
//! The key is taken in the form that browsers give it beside the authenticator data (section 5.2.1.1). Nothing signs it when it is made, neither there nor in the CBOR of the authenticator
//! data: both are the word of the same page in a session that has proved itself. So nothing here reads CBOR.

pub(crate) mod challenges;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz_body;
pub(crate) mod place;
#[cfg(test)]
mod tests;

use crate::hex;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
pub(crate) use place::Place;
use serde::{Deserialize, Serialize};

/// Bytes of a challenge (section 13.4.3 asks for 16 at least).
pub(crate) const CHALLENGE_BYTES: usize = 32;
/// Longest credential id (section 4, "credential ID").
pub(crate) const CREDENTIAL_ID_BYTES_MAX: usize = 1023;
/// Longest client data: its origin is one host name, and browsers add a sentence now and then.
const CLIENT_DATA_BYTES_MAX: usize = 2048;
/// Longest authenticator data: the fixed part, an id, and the longest key with what frames it.
const AUTHENTICATOR_DATA_BYTES_MAX: usize = 37 + 18 + CREDENTIAL_ID_BYTES_MAX + 1024;
/// Longest public key as `SubjectPublicKeyInfo`: RSA of 4096 bits takes 550.
pub(crate) const PUBLIC_KEY_BYTES_MAX: usize = 600;
/// Longest signature: RSA of 4096 bits.
const SIGNATURE_BYTES_MAX: usize = 512;

/// Bits of the flags (section 6.1).
const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const MAY_BE_COPIED: u8 = 1 << 3;
const IS_COPIED: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;
/// Bytes before what the flags announce: hash of the host name, flags, counter.
const FIXED_BYTES: usize = 37;
/// Bytes that name the make of the authenticator, which is not looked at.
const MAKE_BYTES: usize = 16;

/// What is done with a passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ceremony {
    /// One is made.
    Create,
    /// One is shown.
    Get,
}

/// Why a passkey is not taken. The asker is told as much as is no help to a guesser, the log all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The bytes are not what a browser sends.
    Unreadable,
    /// It was made by or for another page.
    OtherPage,
    /// Another host name is meant.
    OtherName,
    /// The challenge was never given, was answered before, or is too old.
    Challenge,
    /// The device did not ask its holder who they are.
    NotVerified,
    /// No such key is taken.
    Key,
    /// The signature is not by that key.
    Signature,
    /// The counter did not go up: the key may be in two places.
    Counter,
    /// Nobody here has it.
    Unknown,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "what the browser sent about the passkey cannot be read",
            Self::OtherPage => "the passkey was asked for by another page",
            Self::OtherName => "the passkey is for another host name",
            Self::Challenge => "what the passkey answered to was not asked, was answered before, or is too old",
            Self::NotVerified => "the device did not make sure that it is used by its holder",
            Self::Key => "the key of the passkey is of a kind that is not taken here",
            Self::Signature => "the signature is not by this passkey",
            Self::Counter => "the counter of this passkey did not go up: there may be a copy of it",
            Self::Unknown => "nobody here has this passkey",
        })
    }
}

/// How a key signs, as COSE numbers it (RFC 9053, RFC 8812).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    Ed25519,
    /// RSA with PKCS #1 v1.5 and SHA-256, as older security chips of computers have it.
    Rs256,
}

impl Algorithm {
    /// All, the preferred first.
    pub(crate) const ALL: [Self; 3] = [Self::Es256, Self::Ed25519, Self::Rs256];

    /// Its number.
    pub(crate) fn number(self) -> i32 {
        match self {
            Self::Es256 => -7,
            Self::Ed25519 => -8,
            Self::Rs256 => -257,
        }
    }

    /// The one with this number.
    pub(crate) fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.number() == number)
    }

    fn verifies(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Es256 => &ECDSA_P256_SHA256_ASN1,
            Self::Ed25519 => &ED25519,
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        }
    }
}

/// A public key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublicKey {
    pub(crate) algorithm: Algorithm,
    /// `SubjectPublicKeyInfo`, base64url.
    pub(crate) spki: String,
}

impl PublicKey {
    /// A key that signs as it says.
    pub(crate) fn read(number: i32, spki: &[u8]) -> Result<Self, Why> {
        let algorithm = Algorithm::of(number).filter(|_| spki.len() <= PUBLIC_KEY_BYTES_MAX).ok_or(Why::Key)?;
        // The tag of a DER sequence: without it, the library takes a key in the form of its own kind too.
        if spki.first() != Some(&0x30) {
            return Err(Why::Key);
        }
        UnparsedPublicKey::new(algorithm.verifies(), spki).parse().map_err(|_| Why::Key)?;
        Ok(Self { algorithm, spki: encode(spki) })
    }

    /// The signature is by this key, over what the authenticator and the browser said.
    pub(crate) fn verify(&self, authenticator: &[u8], client: &[u8], signature: &[u8]) -> Result<(), Why> {
        let spki = decode(&self.spki, PUBLIC_KEY_BYTES_MAX).map_err(|_| Why::Key)?;
        if signature.len() > SIGNATURE_BYTES_MAX {
            return Err(Why::Signature);
        }
        let signed = [authenticator, &hex::sha256(client)].concat();
        UnparsedPublicKey::new(self.algorithm.verifies(), spki).verify(&signed, signature).map_err(|_| Why::Signature)
    }
}

/// The client data as far as it counts (section 5.8.1). Browsers may add to it.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
}

/// The challenge that this client data answers to, when it comes from our page at this place and from no frame of another.
pub(crate) fn client_data(bytes: &[u8], ceremony: Ceremony, place: &Place) -> Result<[u8; CHALLENGE_BYTES], Why> {
    if bytes.len() > CLIENT_DATA_BYTES_MAX {
        return Err(Why::Unreadable);
    }
    let said: ClientData = serde_json::from_slice(bytes).map_err(|_| Why::Unreadable)?;
    let wanted = match ceremony {
        Ceremony::Create => "webauthn.create",
        Ceremony::Get => "webauthn.get",
    };
    if said.kind != wanted || said.origin != place.origin || said.cross_origin {
        return Err(Why::OtherPage);
    }
    let challenge = decode(&said.challenge, CHALLENGE_BYTES)?;
    challenge.try_into().map_err(|_| Why::Challenge)
}

/// What the authenticator said (section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authenticator<'a> {
    name_sha256: [u8; 32],
    flags: u8,
    pub(crate) counter: u32,
    /// The id of the credential that was made.
    pub(crate) credential: Option<&'a [u8]>,
}

impl<'a> Authenticator<'a> {
    /// Reads it; nothing of it is judged yet.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Why> {
        if bytes.len() > AUTHENTICATOR_DATA_BYTES_MAX {
            return Err(Why::Unreadable);
        }
        let (fixed, rest) = bytes.split_first_chunk::<FIXED_BYTES>().ok_or(Why::Unreadable)?;
        let (name_sha256, flags) = (core::array::from_fn(|at| fixed[at]), fixed[32]);
        let counter = u32::from_be_bytes(core::array::from_fn(|at| fixed[33 + at]));
        let has = |bit: u8| flags & bit != 0;
        let credential = match has(HAS_CREDENTIAL) {
            true => Some(credential(rest)?),
            // What is announced is there, and nothing else is.
            false if rest.is_empty() == has(HAS_EXTENSIONS) => return Err(Why::Unreadable),
            false => None,
        };
        if has(IS_COPIED) && !has(MAY_BE_COPIED) {
            return Err(Why::Unreadable);
        }
        Ok(Self { name_sha256, flags, counter, credential })
    }

    /// It is about this host name, its holder was there, and the device made sure who it is.
    pub(crate) fn judge(&self, rp_id: &str) -> Result<(), Why> {
        if self.name_sha256 != hex::sha256(rp_id.as_bytes()) {
            return Err(Why::OtherName);
        }
        match self.flags & (PRESENT | VERIFIED) == PRESENT | VERIFIED {
            true => Ok(()),
            false => Err(Why::NotVerified),
        }
    }

    /// Its counter is later than the one that was seen last (section 6.1.1). Many devices count nothing and always say 0.
    pub(crate) fn counts_on_from(&self, last: u32) -> Result<(), Why> {
        match (last, self.counter) {
            (0, 0) => Ok(()),
            (last, now) if now > last => Ok(()),
            _ => Err(Why::Counter),
        }
    }
}

/// The id in attested credential data (section 6.5.1); its key, in CBOR, must be there and is not read.
fn credential(bytes: &[u8]) -> Result<&[u8], Why> {
    let (_, rest) = bytes.split_at_checked(MAKE_BYTES).ok_or(Why::Unreadable)?;
    let (len, rest) = rest.split_first_chunk::<2>().ok_or(Why::Unreadable)?;
    let (id, key) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len))).ok_or(Why::Unreadable)?;
    match (1..=CREDENTIAL_ID_BYTES_MAX).contains(&id.len()) && !key.is_empty() {
        true => Ok(id),
        false => Err(Why::Unreadable),
    }
}

/// The id of the credential that this authenticator data, in base64url, says was made; nothing of it is judged.
pub(crate) fn made_in(authenticator_data: &str) -> Result<Vec<u8>, Why> {
    let bytes = decode(authenticator_data, AUTHENTICATOR_DATA_BYTES_MAX)?;
    Authenticator::read(&bytes)?.credential.map(<[u8]>::to_vec).ok_or(Why::Unreadable)
}

/// Base64url without padding, as WebAuthn writes bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// At most `max` bytes of base64url.
pub(crate) fn decode(text: &str, max: usize) -> Result<Vec<u8>, Why> {
    if text.len() > max.div_ceil(3) * 4 {
        return Err(Why::Unreadable);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Why::Unreadable)?;
    if bytes.len() <= max { Ok(bytes) } else { Err(Why::Unreadable) }
}

/// What a browser sends when a passkey was made, as bytes.
pub(crate) struct Created {
    /// The challenge that it answers to.
    pub(crate) challenge: [u8; CHALLENGE_BYTES],
    pub(crate) credential: Vec<u8>,
    pub(crate) key: PublicKey,
    pub(crate) counter: u32,
}

impl Created {
    /// Reads and judges all but the challenge.
    pub(crate) fn read(said: &crate::api::NewPasskey, place: &Place) -> Result<Self, Why> {
        let client = decode(&said.client_data, CLIENT_DATA_BYTES_MAX)?;
        let challenge = client_data(&client, Ceremony::Create, place)?;
        let bytes = decode(&said.authenticator_data, AUTHENTICATOR_DATA_BYTES_MAX)?;
        let authenticator = Authenticator::read(&bytes)?;
        authenticator.judge(&place.rp_id)?;
        let credential = authenticator.credential.ok_or(Why::Unreadable)?.to_vec();
        let key = PublicKey::read(said.algorithm, &decode(&said.public_key, PUBLIC_KEY_BYTES_MAX)?)?;
        Ok(Self { challenge, credential, key, counter: authenticator.counter })
    }
}

/// What a browser sends when a passkey is shown, as bytes.
pub(crate) struct Shown {
    pub(crate) challenge: [u8; CHALLENGE_BYTES],
    authenticator: Vec<u8>,
    client: Vec<u8>,
    signature: Vec<u8>,
}

impl Shown {
    /// Reads it, and judges where it comes from.
    pub(crate) fn read(said: &crate::api::PasskeyAssertion, place: &Place) -> Result<Self, Why> {
        let client = decode(&said.client_data, CLIENT_DATA_BYTES_MAX)?;
        let challenge = client_data(&client, Ceremony::Get, place)?;
        let authenticator = decode(&said.authenticator_data, AUTHENTICATOR_DATA_BYTES_MAX)?;
        let signature = decode(&said.signature, SIGNATURE_BYTES_MAX)?;
        Ok(Self { challenge, authenticator, client, signature })
    }

    /// It is by this key for this host name, and later than what was seen last; the counter to keep.
    pub(crate) fn judge(&self, key: &PublicKey, rp_id: &str, last: u32) -> Result<u32, Why> {
        let said = Authenticator::read(&self.authenticator)?;
        if said.credential.is_some() {
            return Err(Why::Unreadable);
        }
        said.judge(rp_id)?;
        key.verify(&self.authenticator, &self.client, &self.signature)?;
        said.counts_on_from(last)?;
        Ok(said.counter)
    }
}
