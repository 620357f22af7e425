//! A plugin from where its author has it.

use std::io::Read;
use std::path::Path;
use watchbook_plugin_host::{Package, wbp};

/// Reads a plugin: a folder with `plugin.toml` and `plugin.wasm`, or a packed `.wbp`. Who signed a package is not judged here.
///
/// # Errors
/// A sentence that names the file and what is wrong with it.
pub fn read_plugin(path: &Path) -> Result<Package, String> {
    if path.is_dir() {
        return Package::read(path).map_err(|error| error.to_string());
    }
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(fail)?;
    file.take(wbp::PACKAGE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(fail)?;
    let opened = wbp::open(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(opened.package)
}
