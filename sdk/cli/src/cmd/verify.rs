//! `verify`: whether a package is whole and signed by who should have signed it.

use crate::cmd::package::{bytes, public_key, refuse};
use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::json;
use std::path::PathBuf;
use watchbook_plugin_host::wbp;

pub(crate) const COMMAND: Command = Command {
    name: "verify",
    summary: "checks a package and its signature as a station does",
    help: "\
watchbook-plugin verify FILE.wbp --key KEY [--key KEY …]

  --key KEY  a publisher's .pub file, or the 56 letters and digits in it that begin with RW
",
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let keys: Vec<String> = arguments.values_from_str("--key").map_err(usage("verify"))?;
    let file: PathBuf = arguments.free_from_str().map_err(usage("verify"))?;
    finish(arguments)?;
    if keys.is_empty() {
        return Err("whose signature should it be? --key names the publisher's public key".to_owned());
    }
    let keys = keys.iter().map(|key| public_key(key)).collect::<Result<Vec<_>, _>>()?;
    let package = bytes(&file)?;
    let sealed = wbp::split(&package).map_err(refuse(&file))?;
    let key = sealed.verify(&keys).map_err(refuse(&file))?;
    let opened = sealed.open().map_err(refuse(&file))?;
    let manifest = &opened.package.manifest;
    out.result(
        &format!("{} {}: whole, and signed with the key {} ({})", manifest.id, manifest.version, key.key_id(), key.name()),
        &json!({ "id": manifest.id, "version": manifest.version, "key_id": key.key_id(), "sha256": opened.package_sha256 }),
    );
    Ok(())
}
