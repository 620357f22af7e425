//! The seal of a master, as the ONVIF Export File Format has it (§ "Signature"): RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 20 bytes, over the file with zeros in the place
//! of the signature. Its certificate is the recorder's own: it says which box sealed a file, and the log says whether the footage is what was recorded.

use crate::{Error, Result};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair, RsaPssSaltLength, RsaSignatureEncoding};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use watchbook_base::Kind;
use watchbook_evidence::Hash;
use watchbook_media::oeff::SealRoom;
use zeroize::Zeroizing;

/// Bytes of the secret that a seal's key is kept with.
pub const SECRET_BYTES: usize = 32;
/// As the specification wants it; a salt as long as the digest would be another algorithm there.
static PSS: RsaSignatureEncoding = RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(20));
/// The certificate is a name for a key: it never runs out (RFC 5280 §4.1.2.5 for devices).
const VALID: ((i32, u8, u8), (i32, u8, u8)) = ((2025, 1, 1), (9999, 12, 31));

/// Seals masters.
pub trait Sealer: Send + Sync {
    /// What the seal takes in a file.
    fn room(&self) -> SealRoom;

    /// Signature of a file with this SHA-256.
    ///
    /// # Errors
    /// When it cannot be signed.
    fn sign(&self, digest: &Hash) -> Result<Vec<u8>>;
}

/// An RSA key with its certificate.
pub struct SealKey {
    key: RsaKeyPair,
    certificate: Vec<u8>,
}

/// A key as it is kept.
pub struct Kept {
    /// The private key (PKCS #8), encrypted with the secret.
    pub key: Vec<u8>,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
}

fn failed(what: &str) -> Error {
    Error::new(Kind::Internal, format!("{what} the key that masters are sealed with: the library refused"))
}

/// Each secret encrypts one key, once.
fn cipher(secret: &[u8; SECRET_BYTES]) -> Result<(LessSafeKey, Nonce)> {
    let key = UnboundKey::new(&AES_256_GCM, secret).map_err(|_| failed("wrapping"))?;
    Ok((LessSafeKey::new(key), Nonce::assume_unique_for_key([0; 12])))
}

impl SealKey {
    /// Makes a key of 3072 bits for a box of this name, to be kept with a fresh `secret` that nothing else is encrypted with. Takes a second or so.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn make(name: &str, secret: &[u8; SECRET_BYTES]) -> Result<Kept> {
        let key = RsaKeyPair::generate(KeySize::Rsa3072).map_err(|_| failed("making"))?;
        let private = key.as_der().map_err(|_| failed("making"))?;
        let mut bytes = Zeroizing::new(private.as_ref().to_vec());
        let signer = KeyPair::try_from(&bytes[..]).map_err(|_| failed("certifying"))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let ((from_year, from_month, from_day), (to_year, to_month, to_day)) = VALID;
        params.not_before = rcgen::date_time_ymd(from_year, from_month, from_day);
        params.not_after = rcgen::date_time_ymd(to_year, to_month, to_day);
        let certificate = params.self_signed(&signer).map_err(|_| failed("certifying"))?.der().to_vec();
        let (cipher, nonce) = cipher(secret)?;
        let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(&certificate), &mut bytes);
        let tag = tag.map_err(|_| failed("wrapping"))?;
        Ok(Kept { key: [&bytes[..], tag.as_ref()].concat(), certificate })
    }

    /// The key that was kept.
    ///
    /// # Errors
    /// `Corrupt` when it was changed or kept with another secret.
    pub fn open(kept: &Kept, secret: &[u8; SECRET_BYTES]) -> Result<Self> {
        let changed = || Error::new(Kind::Corrupt, "opening the key that masters are sealed with: it was changed");
        let (cipher, nonce) = cipher(secret)?;
        let mut bytes = Zeroizing::new(kept.key.clone());
        let opened = cipher.open_in_place(nonce, Aad::from(&kept.certificate), &mut bytes).map_err(|_| changed())?;
        let key = RsaKeyPair::from_pkcs8(opened).map_err(|_| changed())?;
        Ok(Self { key, certificate: kept.certificate.clone() })
    }
}

impl Sealer for SealKey {
    fn room(&self) -> SealRoom {
        SealRoom { signature_bytes: self.key.public_modulus_len(), certificate: self.certificate.clone() }
    }

    fn sign(&self, digest: &Hash) -> Result<Vec<u8>> {
        let digest = Digest::import_less_safe(digest, &SHA256).map_err(|_| failed("using"))?;
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign_digest(&PSS, &digest, &mut signature).map_err(|_| failed("using"))?;
        Ok(signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_key_is_opened_with_its_secret_alone() {
        let secret = [7; SECRET_BYTES];
        let mut kept = SealKey::make("box.example/1", &secret).unwrap();
        let key = SealKey::open(&kept, &secret).unwrap();
        assert_eq!(key.room().signature_bytes, 384);
        assert_eq!(key.sign(&[1; 32]).unwrap().len(), 384);
        assert!(SealKey::open(&kept, &[8; SECRET_BYTES]).is_err());
        kept.certificate[20] ^= 1;
        assert!(SealKey::open(&kept, &secret).is_err(), "the certificate belongs to the key");
    }
}
