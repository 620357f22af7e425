//! A plugin's folder on its author's disk, as the files of a package.

use crate::sbom;
use std::path::Path;
use watchbook_plugin_host::Manifest;
use watchbook_plugin_host::manifest::MANIFEST_BYTES_MAX;
use watchbook_plugin_host::wbp::{Files, limit_of};

/// Names under which authors keep a licence's text, the most usual first.
const LICENCES: [&str; 6] = ["LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "COPYING"];

/// Reads a file of at most `bytes_max` bytes.
///
/// # Errors
/// A sentence with the path: it cannot be read, or is larger.
pub fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("reading {}: {error}", path.display());
    let len = std::fs::metadata(path).map_err(failed)?.len();
    if len > bytes_max as u64 {
        return Err(format!("{} has {len} bytes; at most {bytes_max} are allowed", path.display()));
    }
    std::fs::read(path).map_err(failed)
}

/// The manifest of the plugin in `folder`.
///
/// # Errors
/// A sentence with the path and, when the file is there, the field.
pub fn manifest(folder: &Path) -> Result<Manifest, String> {
    let path = folder.join("plugin.toml");
    let text =
        String::from_utf8(read(&path, MANIFEST_BYTES_MAX)?).map_err(|_| format!("{} is not UTF-8", path.display()))?;
    Manifest::parse(&text).map_err(|error| format!("{}: {error}", folder.display()))
}

/// The files of the package that `folder` makes. The component is `component`, else `plugin.wasm` in the folder; models are those that the manifest names;
/// without `sbom.cdx.json` one is made from `Cargo.lock` or `package-lock.json`, or of the plugin alone.
///
/// # Errors
/// A sentence that names the file that is missing, too large or cannot be read.
pub fn files(folder: &Path, component: Option<&Path>) -> Result<Files, String> {
    let manifest = manifest(folder)?;
    let mut files = Files::new();
    let mut add = |name: &str, path: &Path| -> Result<(), String> {
        files.insert(name.to_owned(), read(path, limit_of(name).unwrap_or(0))?);
        Ok(())
    };
    for name in ["plugin.toml", "README.md"] {
        add(name, &folder.join(name))?;
    }
    let own = folder.join("plugin.wasm");
    add("plugin.wasm", component.unwrap_or(&own)).map_err(|error| match component {
        None if !own.exists() => format!("{error}; `watchbook-plugin build` makes it, --component FILE names another"),
        _ => error,
    })?;
    let licence = LICENCES.iter().map(|name| folder.join(name)).find(|path| path.exists());
    let licence = licence.ok_or_else(|| {
        format!("{} has no LICENSE; put the text of the licence `{}` there", folder.display(), manifest.licence)
    })?;
    add("LICENSE", &licence)?;
    for model in &manifest.models {
        add(&model.file, &folder.join(&model.file))?;
    }
    let made = folder.join("sbom.cdx.json");
    if made.exists() {
        add("sbom.cdx.json", &made)?;
    } else {
        files.insert("sbom.cdx.json".to_owned(), sbom::of_folder(&manifest, folder)?);
    }
    Ok(files)
}
