//! `pack`: from a plugin's folder to one file.

use crate::cmd::package::{refuse, write};
use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::json;
use std::path::PathBuf;
use watchbook_plugin_cli::folder;
use watchbook_plugin_host::package::sha256_hex;
use watchbook_plugin_host::wbp;

pub(crate) const COMMAND: Command = Command {
    name: "pack",
    summary: "puts a plugin's folder into one .wbp file",
    help: "\
watchbook-plugin pack [FOLDER] [--component FILE] [-o FILE.wbp]

  FOLDER            has plugin.toml, plugin.wasm, LICENSE, README.md and the models that the manifest names; this folder when it is left out
  --component FILE  the component, when it is not FOLDER/plugin.wasm
  -o FILE.wbp       where the package goes; ID-VERSION.wbp in this folder when it is left out

SHA256SUMS is made. So is sbom.cdx.json, from Cargo.lock or package-lock.json in FOLDER, unless FOLDER has one. The same files give the same bytes.
",
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let component: Option<PathBuf> = arguments.opt_value_from_str("--component").map_err(usage("pack"))?;
    let to: Option<PathBuf> = arguments.opt_value_from_str("-o").map_err(usage("pack"))?;
    let folder: Option<PathBuf> = arguments.opt_free_from_str().map_err(usage("pack"))?;
    finish(arguments)?;
    let folder = folder.unwrap_or_else(|| PathBuf::from("."));
    let files = folder::files(&folder, component.as_deref())?;
    out.progress("compressing");
    let package = wbp::pack(&files).map_err(refuse(&folder))?;
    out.progress("");
    let manifest = wbp::open(&package).map_err(refuse(&folder))?.package.manifest;
    let to = to.unwrap_or_else(|| PathBuf::from(format!("{}-{}.wbp", manifest.id, manifest.version)));
    write(&to, &package)?;
    let (bytes, sha256) = (package.len(), sha256_hex(&package));
    out.result(
        &format!("{}: {bytes} bytes, SHA-256 {sha256}; `watchbook-plugin sign` signs it", to.display()),
        &json!({ "file": to.display().to_string(), "bytes": bytes, "sha256": sha256 }),
    );
    Ok(())
}
