//! `sign`: a publisher's signature on a package.

use crate::cmd::package::{bytes, password, refuse, write};
use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::json;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use watchbook_plugin_cli::folder::read;
use watchbook_plugin_cli::keys::{self, KEY_FILE_BYTES_MAX};
use watchbook_plugin_host::package::sha256_hex;
use watchbook_plugin_host::wbp;

pub(crate) const COMMAND: Command = Command {
    name: "sign",
    summary: "signs a package with the publisher's secret key",
    help: "\
watchbook-plugin sign FILE.wbp --key NAME.key [--password-file FILE] [-o FILE.wbp]

  --key NAME.key        secret key of `watchbook-plugin keygen` or of minisign
  --password-file FILE  its password is the first line of FILE; it is asked for when this is left out and the key has one
  -o FILE.wbp           where the signed package goes; in the place of the unsigned one when it is left out

An earlier signature is replaced. The package is checked first: what no station would take is not signed.
",
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let key: PathBuf = arguments.value_from_str("--key").map_err(usage("sign"))?;
    let password_file: Option<PathBuf> = arguments.opt_value_from_str("--password-file").map_err(usage("sign"))?;
    let to: Option<PathBuf> = arguments.opt_value_from_str("-o").map_err(usage("sign"))?;
    let file: PathBuf = arguments.free_from_str().map_err(usage("sign"))?;
    finish(arguments)?;
    let package = bytes(&file)?;
    let manifest = wbp::open(&package).map_err(refuse(&file))?.package.manifest;
    let secret =
        String::from_utf8(read(&key, KEY_FILE_BYTES_MAX)?).map_err(|_| format!("{} is not UTF-8", key.display()))?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let comment = format!("{} {} timestamp:{seconds}", manifest.id, manifest.version);
    let ask = || password(password_file.as_deref(), &format!("Password of {}: ", key.display()));
    let (signed, key) = keys::sign(&package, &secret, ask, &comment)?;
    let to = to.unwrap_or(file);
    write(&to, &signed)?;
    let (key_id, sha256) = (key.key_id(), sha256_hex(&signed));
    out.result(
        &format!("{}: signed with the key {key_id}; SHA-256 {sha256}", to.display()),
        &json!({ "file": to.display().to_string(), "key_id": key_id, "bytes": signed.len(), "sha256": sha256 }),
    );
    Ok(())
}
