//! Which files a package has, how large each may be, and that they fit together.

use super::Files;
use crate::Manifest;
use crate::manifest::MANIFEST_BYTES_MAX;
use crate::package::{COMPONENT_BYTES_MAX, sha256_hex};
use core::fmt::Write;

/// The list of all other files with their SHA-256, as `sha256sum` writes it.
pub(super) const SUMS: &str = "SHA256SUMS";
/// Bytes of `LICENSE`, `README.md` and `sbom.cdx.json`, each.
pub const TEXT_BYTES_MAX: usize = 4 << 20;
/// Models of one plugin.
pub const MODELS_MAX: usize = 16;
/// Bytes of one model.
pub const MODEL_BYTES_MAX: usize = 32 << 20;
/// The files that every package has, in the order in which they lie in it, but for the models.
const REQUIRED: [&str; 6] = ["LICENSE", "README.md", SUMS, "plugin.toml", "plugin.wasm", "sbom.cdx.json"];
/// Files of one package.
pub const FILES_MAX: usize = REQUIRED.len() + MODELS_MAX;
/// A line of `SHA256SUMS` with the longest name.
const SUM_LINE_BYTES_MAX: usize = 64 + 2 + 80 + 1;

/// How many bytes the file `name` may have in a package; nothing when a package has no such file. A model is `models/` and 1 to 64 of a-z, A-Z, 0-9,
/// `.`, `_` and `-`, not beginning with a dot.
#[must_use]
pub fn limit_of(name: &str) -> Option<usize> {
    if let Some(model) = name.strip_prefix("models/") {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let good = (1..=64).contains(&model.len()) && model.bytes().all(fits) && !model.starts_with('.');
        return good.then_some(MODEL_BYTES_MAX);
    }
    match name {
        "plugin.toml" => Some(MANIFEST_BYTES_MAX),
        "plugin.wasm" => Some(COMPONENT_BYTES_MAX),
        SUMS => Some(FILES_MAX * SUM_LINE_BYTES_MAX),
        "LICENSE" | "README.md" | "sbom.cdx.json" => Some(TEXT_BYTES_MAX),
        _ => None,
    }
}

/// `SHA256SUMS` of all other files.
pub(super) fn sums(files: &Files) -> String {
    let mut text = String::new();
    for (name, content) in files.iter().filter(|(name, _)| *name != SUMS) {
        let _ = writeln!(text, "{}  {name}", sha256_hex(content));
    }
    text
}

/// Whether all files are there, `SHA256SUMS` lists each of them, and those for people are text.
pub(super) fn check(files: &Files) -> Result<(), String> {
    for name in REQUIRED {
        match files.get(name) {
            None => return Err(format!("{name} is missing")),
            Some(content) if content.is_empty() => return Err(format!("{name} is empty")),
            Some(_) => {}
        }
    }
    for name in ["LICENSE", "README.md"] {
        if str::from_utf8(&files[name]).is_err() {
            return Err(format!("{name} is not UTF-8"));
        }
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(&files["sbom.cdx.json"]).is_err() {
        return Err("sbom.cdx.json is not JSON".to_owned());
    }
    let (expected, found) = (sums(files), String::from_utf8_lossy(&files[SUMS]));
    if expected == found {
        return Ok(());
    }
    let first = expected.lines().find(|line| !found.lines().any(|other| other == *line));
    let name = first.and_then(|line| line.split("  ").nth(1));
    Err(match name {
        Some(name) => format!("{SUMS} does not list {name} with the SHA-256 that it has"),
        None => format!("{SUMS} lists more than there is, or in another order than that of the names"),
    })
}

/// Whether the models in the package are those of the manifest, byte for byte.
pub(super) fn check_models(files: &Files, manifest: &Manifest) -> Result<(), String> {
    for model in &manifest.models {
        let content = files.get(&model.file).ok_or_else(|| format!("{} of plugin.toml is missing", model.file))?;
        if sha256_hex(content) != model.sha256 {
            return Err(format!("{} does not have the SHA-256 that plugin.toml says", model.file));
        }
    }
    let listed = |name: &str| manifest.models.iter().any(|model| model.file == name);
    match files.keys().find(|name| name.starts_with("models/") && !listed(name)) {
        Some(name) => Err(format!("plugin.toml does not say what the model {name} is for")),
        None => Ok(()),
    }
}
