//! `.wbp`: a plugin as one signed file. `sdk/PACKAGE.md` draws every byte.
//!
//! A package is one zstd frame around a tar in one canonical form, followed by one skippable zstd frame with a minisign signature over everything before
//! it. A package may come from anybody, so reading is built to refuse: the signature can be checked before a byte is decompressed ([`split`], then
//! [`Sealed::verify`], then [`Sealed::open`]), each file is measured against its limit before it is read, and a tar header that is not to the byte what
//! [`pack`] would write is refused, which leaves no room for links, devices, sparse files, extended headers or strange names.

mod files;
mod frame;
mod sign;
mod tar;
#[cfg(test)]
pub(crate) mod tests;

pub use files::{FILES_MAX, MODEL_BYTES_MAX, MODELS_MAX, TEXT_BYTES_MAX, limit_of};
pub use sign::{PublisherKey, SIGNATURE_BYTES_MAX, Signature};

use crate::component::Ports;
use crate::models::ModelFiles;
use crate::package::{Package, sha256_hex};
use crate::{Error, Manifest};
use std::collections::BTreeMap;
use std::io::Write;
use watchbook_base::Kind;

/// Bytes of a package as it is handed over.
pub const PACKAGE_BYTES_MAX: usize = 16 << 20;
/// Bytes of all its files together.
pub const UNPACKED_BYTES_MAX: usize = 64 << 20;
/// zstd level: the highest whose window stays within [`WINDOW_LOG_MAX`].
const LEVEL: i32 = 19;
/// A frame that wants more than 8 MiB of memory to be read is refused.
const WINDOW_LOG_MAX: u32 = 23;

/// Files of a package by their names in it.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A package whose frames have been told apart. Nothing of it has been decompressed.
#[derive(Clone, Debug)]
pub struct Sealed<'a> {
    whole: &'a [u8],
    body: &'a [u8],
    signature: Option<Signature>,
}

/// A package that has been read and checked, but for who signed it.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Manifest and component.
    pub package: Package,
    /// All other files; models are here and in `package`.
    pub files: Files,
    /// SHA-256 of the whole file, its signature included; lower-case hex.
    pub package_sha256: String,
    /// Who claims to have signed it; [`Sealed::verify`] says whether that is so.
    pub signature: Option<Signature>,
}

pub(crate) fn wrong(sentence: impl core::fmt::Display) -> Error {
    Error::new(Kind::InvalidInput, format!("the package is refused: {sentence}"))
}

/// Tells the frames of a package apart, without decompressing anything.
///
/// # Errors
/// [`Kind::InvalidInput`] when it is larger than [`PACKAGE_BYTES_MAX`] or is anything but one zstd frame and at most one signature.
pub fn split(bytes: &[u8]) -> Result<Sealed<'_>, Error> {
    if bytes.len() > PACKAGE_BYTES_MAX {
        return Err(wrong(format_args!("it has {} bytes; at most {PACKAGE_BYTES_MAX} are allowed", bytes.len())));
    }
    let (body, rest) = frame::compressed(bytes).map_err(wrong)?;
    let signature = match frame::skippable(rest).map_err(wrong)? {
        Some(payload) => Some(Signature::read(payload).map_err(wrong)?),
        None => None,
    };
    Ok(Sealed { whole: bytes, body, signature })
}

/// Reads and checks a package from anywhere. Who signed it is not judged here.
///
/// # Errors
/// As [`split`] and [`Sealed::open`].
pub fn open(bytes: &[u8]) -> Result<Opened, Error> {
    split(bytes)?.open()
}

impl<'a> Sealed<'a> {
    /// What is signed: every byte before the signature's frame.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Who claims to have signed it.
    #[must_use]
    pub fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref()
    }

    /// The key of `keys` that signed it.
    ///
    /// # Errors
    /// [`Kind::Denied`] when it is not signed or none of `keys` has the signature's key id; [`Kind::Corrupt`] when the key is there and the signature is
    /// not of these bytes.
    pub fn verify<'k>(&self, keys: &'k [PublisherKey]) -> Result<&'k PublisherKey, Error> {
        let Some(signature) = &self.signature else {
            let sentence = "the package is not signed; ask its publisher for a signed one";
            return Err(Error::new(Kind::Denied, sentence));
        };
        let Some(key) = keys.iter().find(|key| key.key_id() == signature.key_id) else {
            let sentence = format!(
                "the package is signed with the key {}, which is not trusted here; add the publisher's key first, after comparing it with what the \
                 publisher says by another way",
                signature.key_id
            );
            return Err(Error::new(Kind::Denied, sentence));
        };
        if key.verifies(self.body, signature) {
            return Ok(key);
        }
        let sentence = format!(
            "the package is not what {} ({}) signed; it was changed or damaged on its way: get it again",
            key.name(),
            key.key_id()
        );
        Err(Error::new(Kind::Corrupt, sentence))
    }

    /// Decompresses and checks every file.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] with a sentence that names the file and the limit or rule that it breaks.
    pub fn open(&self) -> Result<Opened, Error> {
        let mut stream = frame::decompress(self.body, WINDOW_LOG_MAX).map_err(wrong)?;
        let mut files = tar::read(&mut stream).map_err(wrong)?;
        files::check(&files).map_err(wrong)?;
        let manifest = files.get("plugin.toml").map(Vec::as_slice).unwrap_or_default();
        let manifest = str::from_utf8(manifest).map_err(|_| wrong("plugin.toml is not UTF-8"))?;
        let manifest = Manifest::parse(manifest)?;
        files::check_models(&files, &manifest).map_err(wrong)?;
        let component = files.remove("plugin.wasm").unwrap_or_default();
        Ports::of(&component).and_then(|ports| ports.check(&manifest)).map_err(wrong)?;
        let file = |name: &str| files.get(name).cloned().ok_or_else(|| format!("{name} is missing"));
        let models = ModelFiles::gather(&manifest, file).map_err(wrong)?;
        let package = Package { models, ..Package::new(manifest, component) };
        let package_sha256 = sha256_hex(self.whole);
        Ok(Opened { package, files, package_sha256, signature: self.signature.clone() })
    }
}

/// Makes an unsigned package. `SHA256SUMS` is made here; one in `files` is replaced. The same files give the same bytes, as long as the same version of
/// libzstd compresses them.
///
/// # Errors
/// As [`open`], which the result has passed.
pub fn pack(files: &Files) -> Result<Vec<u8>, Error> {
    let mut files = files.clone();
    files.insert(files::SUMS.to_owned(), files::sums(&files).into_bytes());
    let tar = tar::write(&files).map_err(wrong)?;
    let failed = |error: std::io::Error| Error::new(Kind::of_io(&error), format!("compressing the package: {error}"));
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL).map_err(failed)?;
    encoder.include_checksum(true).map_err(failed)?;
    encoder.set_pledged_src_size(Some(tar.len() as u64)).map_err(failed)?;
    encoder.write_all(&tar).map_err(failed)?;
    let package = encoder.finish().map_err(failed)?;
    open(&package)?;
    Ok(package)
}

/// Puts a minisign signature over [`Sealed::body`] behind it, in the place of an earlier one.
///
/// # Errors
/// [`Kind::InvalidInput`] when `package` is none, `signature` is no minisign signature, or both together are larger than [`PACKAGE_BYTES_MAX`].
pub fn attach(package: &[u8], signature: &str) -> Result<Vec<u8>, Error> {
    let body = split(package)?.body();
    let signed = [body, &frame::skippable_of(signature.as_bytes())].concat();
    split(&signed)?;
    Ok(signed)
}
