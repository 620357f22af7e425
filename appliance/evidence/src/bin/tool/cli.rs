//! What the programs for outsiders share: how they are called, how they fail, and how they keep a secret key.

use pico_args::Arguments;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use watchbook_evidence::bundle::verdict::plain;
use watchbook_evidence::{Algorithm, SigningKey};

/// Exit code: called wrongly.
pub const USAGE: u8 = 2;
/// Exit code: a file cannot be read or written.
pub const FILES: u8 = 3;

/// Why a command failed: its exit code and a sentence.
pub struct Failure(pub u8, pub String);

impl From<pico_args::Error> for Failure {
    fn from(error: pico_args::Error) -> Self {
        Self(USAGE, format!("{error}; --help shows how to call it"))
    }
}

/// It was called wrongly.
pub fn usage(sentence: impl core::fmt::Display) -> Failure {
    Failure(USAGE, sentence.to_string())
}

/// A file cannot be read or written.
pub fn files(sentence: impl core::fmt::Display) -> Failure {
    Failure(FILES, sentence.to_string())
}

/// Prints `help` when it is asked for, else what `run` says, or why it failed, with its exit code.
pub fn main(name: &str, help: &str, run: impl FnOnce(Arguments) -> Result<String, Failure>) -> ExitCode {
    let mut arguments = Arguments::from_env();
    if arguments.contains(["-h", "--help"]) {
        say(help);
        return ExitCode::SUCCESS;
    }
    match run(arguments) {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(Failure(code, sentence)) => {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(std::io::stderr(), "{name}: {}", plain(&sentence));
            ExitCode::from(code)
        }
    }
}

/// To standard output; a closed one leaves nobody to tell.
pub fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Nothing may be left of the command line.
///
/// # Errors
/// [`USAGE`] with the first argument too many.
pub fn finish(arguments: Arguments) -> Result<(), Failure> {
    match arguments.finish().first() {
        Some(extra) => Err(usage(format!("`{}` is one argument too many", extra.to_string_lossy()))),
        None => Ok(()),
    }
}

/// Makes a secret key, which its owner alone reads; the line with the public one.
///
/// # Errors
/// [`USAGE`] for a name that no key can have, [`FILES`] when the file is there already or cannot be written.
pub fn keygen(name: &str, path: &Path, algorithm: Algorithm) -> Result<String, Failure> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).map_err(|_| files("the system gives no random bytes"))?;
    let key = SigningKey::from_seed(name, algorithm, &seed).map_err(usage)?;
    create(path, format!("{}\n", *key.secret_text()).as_bytes())?;
    Ok(format!("{}\n", key.verifier()))
}

/// Writes a file that was not there, durably; its owner alone reads it.
///
/// # Errors
/// [`FILES`].
pub fn create(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let told = |error: std::io::Error| files(format!("writing {}: {error}", path.display()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(told)?;
    file.write_all(bytes).map_err(told)?;
    file.sync_all().map_err(told)
}
