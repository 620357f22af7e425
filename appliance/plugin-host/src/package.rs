//! A plugin as it lies in the plugin folder: `plugin.toml`, `plugin.wasm` and its models.

use crate::models::ModelFiles;
use crate::wbp::MODEL_BYTES_MAX;
use crate::{Error, Manifest};
use aws_lc_rs::digest::{SHA256, digest};
use std::io::Read;
use std::path::Path;
use watchbook_base::Kind;

/// Bytes of a component. The largest language run-time measured (Python's) has 18 MB.
pub const COMPONENT_BYTES_MAX: usize = 32 << 20;
/// Plugins of one station.
pub const PLUGINS_MAX: usize = 64;

/// A plugin that has been read and whose manifest has been checked.
#[derive(Clone, Debug)]
pub struct Package {
    /// What it says about itself.
    pub manifest: Manifest,
    /// The component's bytes.
    pub component: Vec<u8>,
    /// SHA-256 of the component, lower-case hex.
    pub component_sha256: String,
    /// The models that its manifest lists.
    pub models: ModelFiles,
}

/// SHA-256 as lower-case hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Error> {
    let fail = |error: std::io::Error| Error::new(Kind::of_io(&error), format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(fail)?;
    // One byte more than allowed shows that there is more.
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() > bytes_max {
        return Err(Error::new(Kind::InvalidInput, format!("{}: larger than {bytes_max} bytes", path.display())));
    }
    Ok(bytes)
}

impl Package {
    /// A plugin without models.
    #[must_use]
    pub fn new(manifest: Manifest, component: Vec<u8>) -> Self {
        let component_sha256 = sha256_hex(&component);
        Self { manifest, component, component_sha256, models: ModelFiles::default() }
    }

    /// Reads the plugin in `folder`.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when a file is missing; [`Kind::InvalidInput`] with a sentence when the manifest, a size or a model is wrong.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let named = |error: &Error| Error::new(error.kind(), format!("{}: {error}", folder.display()));
        let text = read(&folder.join("plugin.toml"), crate::manifest::MANIFEST_BYTES_MAX)?;
        let text = String::from_utf8(text).map_err(|_| Error::new(Kind::InvalidInput, "plugin.toml: not UTF-8"));
        let manifest = text.and_then(|text| Manifest::parse(&text)).map_err(|error| named(&error))?;
        let component = read(&folder.join("plugin.wasm"), COMPONENT_BYTES_MAX)?;
        let file = |name: &str| read(&folder.join(name), MODEL_BYTES_MAX).map_err(|error| error.to_string());
        let models = ModelFiles::gather(&manifest, file);
        let models = models.map_err(|sentence| named(&Error::new(Kind::InvalidInput, sentence)))?;
        Ok(Self { models, ..Self::new(manifest, component) })
    }

    /// Reads every plugin in the folders of `directory`, in the order of their ids. What cannot be used is in the second list, with the reason: one bad
    /// folder does not keep the others away. A directory that does not exist holds none.
    #[must_use]
    pub fn read_all(directory: &Path) -> (Vec<Self>, Vec<Error>) {
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return (Vec::new(), Vec::new()),
            Err(error) => {
                let sentence = format!("reading the plugin folder {}: {error}", directory.display());
                return (Vec::new(), vec![Error::new(Kind::of_io(&error), sentence)]);
            }
        };
        let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        folders.sort();
        let (mut packages, mut problems) = (Vec::<Self>::new(), Vec::new());
        for folder in folders {
            let taken = |id: &str| packages.iter().any(|package| package.manifest.id == id);
            match Self::read(&folder) {
                Ok(package) if taken(&package.manifest.id) => {
                    let sentence =
                        format!("{}: another folder has the plugin {}", folder.display(), package.manifest.id);
                    problems.push(Error::new(Kind::Conflict, sentence));
                }
                Ok(_) if packages.len() >= PLUGINS_MAX => {
                    let sentence = format!("{}: at most {PLUGINS_MAX} plugins are allowed", folder.display());
                    problems.push(Error::new(Kind::Exhausted, sentence));
                }
                Ok(package) => packages.push(package),
                Err(error) => problems.push(error),
            }
        }
        packages.sort_by(|a, b| a.manifest.id.cmp(&b.manifest.id));
        (packages, problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::EXAMPLE;

    #[test]
    fn one_bad_folder_does_not_keep_the_others_away() {
        let directory = tempfile::tempdir().unwrap();
        for (name, manifest, component) in [
            ("good", EXAMPLE, Some("abc")),
            ("same", EXAMPLE, Some("abc")),
            ("bad", "id = 1", Some("abc")),
            ("empty", EXAMPLE, None),
        ] {
            let folder = directory.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("plugin.toml"), manifest).unwrap();
            if let Some(component) = component {
                std::fs::write(folder.join("plugin.wasm"), component).unwrap();
            }
        }
        let (packages, problems) = Package::read_all(directory.path());
        assert_eq!(packages.len(), 1);
        // FIPS 180-2 appendix B.1: SHA-256 of "abc".
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(packages[0].component_sha256, abc);
        let kinds: Vec<Kind> = problems.iter().map(Error::kind).collect();
        assert_eq!(kinds, [Kind::InvalidInput, Kind::NotFound, Kind::Conflict]);
        assert!(Package::read_all(&directory.path().join("none")).0.is_empty());
    }
}
