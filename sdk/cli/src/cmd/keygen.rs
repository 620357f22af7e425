//! `keygen`: a publisher's key pair.

use crate::cmd::package::password;
use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use watchbook_plugin_cli::keys;
use watchbook_plugin_host::wbp::PublisherKey;

pub(crate) const COMMAND: Command = Command {
    name: "keygen",
    summary: "makes the key pair that packages are signed with",
    help: "\
watchbook-plugin keygen NAME [--password-file FILE | --no-password]

  NAME                  NAME.pub and NAME.key are written; neither may be there
  --password-file FILE  the first line of FILE protects the secret key; it is asked for when this is left out
  --no-password         the secret key is stored as it is, for a build machine that guards it otherwise

NAME.pub is for stations: an administrator adds it and compares it with what the publisher says by another way. NAME.key is for nobody else.
Both are files of minisign, which can make and use them too.
",
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let open = arguments.contains("--no-password");
    let file: Option<PathBuf> = arguments.opt_value_from_str("--password-file").map_err(usage("keygen"))?;
    let name: String = arguments.free_from_str().map_err(usage("keygen"))?;
    finish(arguments)?;
    let (public_file, secret_file) = (PathBuf::from(format!("{name}.pub")), PathBuf::from(format!("{name}.key")));
    for path in [&public_file, &secret_file] {
        if path.exists() {
            return Err(format!(
                "{} is there already, and a key that is overwritten is lost; choose another name",
                path.display()
            ));
        }
    }
    let password = if open { None } else { Some(chosen(file.as_deref())?) };
    out.progress("making a key");
    let (public, secret) = keys::generate(password)?;
    out.progress("");
    create(&secret_file, 0o600, &secret)?;
    create(&public_file, 0o644, &public)?;
    let key = PublisherKey::new("new", &public).map_err(|error| error.to_string())?;
    out.result(
        &format!(
            "{}: public key {}\n{}: keep it secret",
            public_file.display(),
            key.public_key(),
            secret_file.display()
        ),
        &json!({
            "public_file": public_file.display().to_string(),
            "secret_file": secret_file.display().to_string(),
            "key_id": key.key_id(),
            "public_key": key.public_key(),
        }),
    );
    Ok(())
}

fn chosen(file: Option<&Path>) -> Result<String, String> {
    let first = password(file, "Password for the secret key: ")?;
    if first.is_empty() {
        return Err("the password is empty; --no-password makes a key without one".to_owned());
    }
    if file.is_none() && password(None, "The same again: ")? != first {
        return Err("these are two different passwords; nothing was written".to_owned());
    }
    Ok(first)
}

fn create(path: &Path, mode: u32, text: &str) -> Result<(), String> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| format!("writing {}: {error}", path.display()))
}
