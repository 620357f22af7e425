//! An author's keys, in the files that minisign has, and signing with them.

use crate::base64::base64;
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox};
use watchbook_plugin_host::wbp::{self, PublisherKey};

/// Bytes of a key's file.
pub const KEY_FILE_BYTES_MAX: usize = 4096;

/// A new key pair as the texts of its two files: public, secret. Without a password the secret one is as it is.
///
/// # Errors
/// A sentence when the system has no random bytes or no memory for the password's derivation (32 MiB).
pub fn generate(password: Option<String>) -> Result<(String, String), String> {
    let pair = match password {
        Some(password) => KeyPair::generate_encrypted_keypair(Some(password)),
        None => KeyPair::generate_unencrypted_keypair(),
    };
    let failed = |error: minisign::PError| format!("making a key: {error}");
    let pair = pair.map_err(failed)?;
    let public = pair.pk.to_box().map_err(failed)?.into_string();
    let secret = pair.sk.to_box(Some("minisign secret key of a Watchbook plugin's publisher")).map_err(failed)?;
    Ok((public, secret.into_string()))
}

/// Signs `package` with the secret key in the text `secret`; `password` is asked for when the key has one. Gives the signed package and the key's id.
///
/// # Errors
/// A sentence: the package is none, the key is none, the password is wrong.
pub fn sign(
    package: &[u8],
    secret: &str,
    password: impl FnOnce() -> Result<String, String>,
    comment: &str,
) -> Result<(Vec<u8>, PublisherKey), String> {
    let sealed = wbp::split(package).map_err(|error| error.to_string())?;
    let failed = |error: minisign::PError| format!("the secret key: {error}");
    let secret = match open_key(secret)? {
        Some(secret) => secret,
        None => {
            let password = password()?;
            SecretKeyBox::from_string(secret).and_then(|boxed| boxed.into_secret_key(Some(password))).map_err(failed)?
        }
    };
    let public = PublicKey::from_secret_key(&secret).map_err(failed)?;
    let signature = minisign::sign(Some(&public), &secret, sealed.body(), Some(comment), None);
    let signature = signature.map_err(|error| format!("signing: {error}"))?;
    let signed = wbp::attach(package, &signature.into_string()).map_err(|error| error.to_string())?;
    let key = PublisherKey::new("this key", &public.to_base64()).map_err(|error| error.to_string())?;
    wbp::split(&signed)
        .and_then(|sealed| sealed.verify(std::slice::from_ref(&key)).cloned())
        .map_err(|e| e.to_string())?;
    Ok((signed, key))
}

/// The secret key in a file that no password protects; nothing when one does. minisign leaves out the checksum of such a key; that the key is whole shows
/// when what it signed is verified.
fn open_key(text: &str) -> Result<Option<SecretKey>, String> {
    let none = "this is no secret key of minisign: two lines, the second one base64";
    let bytes = text.lines().nth(1).and_then(|line| base64(line.trim())).ok_or(none)?;
    // Two bytes for the algorithm of the key, two for that of the password: zero when there is none.
    if bytes.get(2..4) != Some(&[0, 0]) {
        return Ok(None);
    }
    SecretKey::from_bytes(&bytes).map(Some).map_err(|error| format!("{none} ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_its_password_or_that_is_none_signs_nothing() {
        let (_, secret) = generate(Some("right".to_owned())).unwrap();
        // The shortest thing that has the form of a package: a zstd frame with one empty block (RFC 8878 §3.1.1).
        let frame = [0x28, 0xB5, 0x2F, 0xFD, 0x20, 0x00, 0x01, 0x00, 0x00];
        let signed =
            |password: &str, secret: &str| sign(&frame, secret, || Ok(password.to_owned()), "x").map(|(_, key)| key);
        assert!(signed("right", &secret).is_ok());
        assert!(signed("wrong", &secret).unwrap_err().contains("Wrong password"));
        assert!(signed("right", "untrusted comment: x\nAAAA\n").is_err());
        let (_, open) = generate(None).unwrap();
        assert!(sign(&frame, &open, || Err("nobody to ask".to_owned()), "x").is_ok());
        assert!(sign(b"no package", &open, || Err("nobody to ask".to_owned()), "x").unwrap_err().contains("refused"));
    }
}
