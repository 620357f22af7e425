//! What the commands about packages have in common.

use std::io::Write;
use std::path::Path;
use watchbook_plugin_cli::folder::read;
use watchbook_plugin_cli::keys::KEY_FILE_BYTES_MAX;
use watchbook_plugin_host::Error;
use watchbook_plugin_host::wbp::{PACKAGE_BYTES_MAX, PublisherKey};

/// An error about the file or folder at `path`.
pub(crate) fn refuse(path: &Path) -> impl Fn(Error) -> String {
    move |error| format!("{}: {error}", path.display())
}

/// The bytes of a package, whatever they are.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    read(path, PACKAGE_BYTES_MAX)
}

/// Writes a file so that an interrupted command leaves the old one.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let written = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    written().map_err(|error| format!("writing {}: {error}", path.display()))
}

/// A public key: the path of a `.pub` file, or the key itself.
pub(crate) fn public_key(argument: &str) -> Result<PublisherKey, String> {
    let path = Path::new(argument);
    if !path.exists() {
        let no_file = |error: Error| format!("`{argument}` is no file, and {error}");
        return PublisherKey::new("the given key", argument).map_err(no_file);
    }
    let text = String::from_utf8(read(path, KEY_FILE_BYTES_MAX)?).map_err(|_| format!("{argument} is not UTF-8"))?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    PublisherKey::new(&name, &text).map_err(refuse(path))
}

/// A password: the first line of `file`, else what is typed at the terminal.
pub(crate) fn password(file: Option<&Path>, prompt: &str) -> Result<String, String> {
    let Some(file) = file else {
        let no_terminal = "with --password-file it comes from a file";
        return rpassword::prompt_password(prompt)
            .map_err(|error| format!("asking for the password: {error}; {no_terminal}"));
    };
    let text =
        String::from_utf8(read(file, KEY_FILE_BYTES_MAX)?).map_err(|_| format!("{} is not UTF-8", file.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
