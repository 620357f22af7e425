//! The models of a plugin on their way: from its package, over the link, to where they run.

use crate::Manifest;
use crate::package::sha256_hex;
use crate::wbp::MODELS_MAX;
use serde::{Deserialize, Serialize};

/// Bytes of all models of one plugin.
pub const MODELS_BYTES_MAX: usize = 64 << 20;

/// One model: what its manifest says, and how long it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModelPart {
    /// Its file in the package: the name that a plugin asks for it by.
    pub file: String,
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
    /// What it can see, in the order of the numbers that it gives.
    pub classes: Vec<String>,
    /// How many bytes it has.
    pub bytes: u32,
}

/// All models of a plugin, their bytes one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelFiles {
    /// In the manifest's order.
    pub parts: Vec<ModelPart>,
    /// Their bytes in the same order.
    pub bytes: Vec<u8>,
}

impl ModelFiles {
    /// Gathers the models of a manifest; `read` gives a file's bytes by its name.
    ///
    /// # Errors
    /// The sentence of `read`; one that names a file that is not what the manifest says, or the limit that is broken.
    pub fn gather(manifest: &Manifest, mut read: impl FnMut(&str) -> Result<Vec<u8>, String>) -> Result<Self, String> {
        let mut files = Self::default();
        for model in &manifest.models {
            let bytes = read(&model.file)?;
            if sha256_hex(&bytes) != model.sha256 {
                return Err(format!("{} does not have the SHA-256 that plugin.toml says", model.file));
            }
            if files.bytes.len() + bytes.len() > MODELS_BYTES_MAX {
                return Err(format!("its models together have more than {MODELS_BYTES_MAX} bytes"));
            }
            files.parts.push(ModelPart {
                file: model.file.clone(),
                sha256: model.sha256.clone(),
                classes: model.classes.clone(),
                bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            });
            files.bytes.extend(bytes);
        }
        Ok(files)
    }
}

/// Each model with its bytes, after its hash has been checked anew.
///
/// # Errors
/// A sentence: lengths that do not add up, too many models, a hash that is another.
pub fn split<'a>(parts: &'a [ModelPart], bytes: &'a [u8]) -> Result<Vec<(&'a ModelPart, &'a [u8])>, String> {
    if parts.len() > MODELS_MAX {
        return Err(format!("{} models; at most {MODELS_MAX} are allowed", parts.len()));
    }
    let mut rest = bytes;
    let mut models = Vec::with_capacity(parts.len());
    for part in parts {
        let (own, others) =
            rest.split_at_checked(part.bytes as usize).ok_or_else(|| format!("the model {} is cut off", part.file))?;
        if sha256_hex(own) != part.sha256 {
            return Err(format!("the model {} does not have the SHA-256 that plugin.toml says", part.file));
        }
        models.push((part, own));
        rest = others;
    }
    if !rest.is_empty() {
        return Err("there is more behind the last model".to_owned());
    }
    Ok(models)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_come_out_as_they_went_in_and_nothing_else_does() {
        let part = |file: &str, content: &[u8]| ModelPart {
            file: file.to_owned(),
            sha256: sha256_hex(content),
            classes: vec!["vehicle".to_owned()],
            bytes: content.len() as u32,
        };
        let parts = [part("models/a.onnx", b"abc"), part("models/b.onnx", b"de")];
        let found = split(&parts, b"abcde").unwrap();
        assert_eq!((found[0].1, found[1].1), (&b"abc"[..], &b"de"[..]));
        for (bytes, word) in [(&b"abcd"[..], "cut off"), (b"abXde", "models/a.onnx"), (b"abcdef", "more behind")] {
            assert!(split(&parts, bytes).unwrap_err().contains(word));
        }
        let endless = [ModelPart { bytes: u32::MAX, ..parts[0].clone() }];
        assert!(split(&endless, b"abc").unwrap_err().contains("cut off"));
        assert!(split(&vec![parts[0].clone(); MODELS_MAX + 1], b"").unwrap_err().contains("17 models"));
    }
}
