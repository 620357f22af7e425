//! `watchbook-verify`: checks an evidence bundle. Needs no box and no network. `appliance/evidence/FORMAT.md` says what is checked and lists the exit codes.

mod folder;

use folder::{Folder, Whole};
use pico_args::Arguments;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use watchbook_evidence::bundle::archive::Archive;
use watchbook_evidence::bundle::asked::{self, Asked, TEXT_BYTES_MAX};
use watchbook_evidence::bundle::verdict::plain;
use watchbook_evidence::bundle::{verify, verify_entry};
use watchbook_evidence::tlog_proof::PROOF_BYTES_MAX;
use watchbook_evidence::{VerifierKey, note};

const HELP: &str = "\
watchbook-verify: checks an evidence bundle; needs no box and no network

  watchbook-verify BUNDLE --log KEY [--witness KEY]... [--quorum N] [--known FILE] [--consistency FILE]

  BUNDLE              folder with manifest.json, proofs.json, checkpoint and the files, or the ZIP as the recorder handed it out
  --log KEY           public key of the box's log (name+id+base64), or a file with one key a line; may be given again
  --witness KEY       the same for a witness
  --quorum N          how many of the witnesses must have cosigned; without it one, if any was given
  --known FILE        a checkpoint of the same log that reached you another way
  --consistency FILE  the proof between the two, one hash a line
  --quiet             only what is wrong

  watchbook-verify --entry FILE --log KEY [--witness KEY]... [--quorum N]

  --entry FILE        one entry of the audit log with its proof, as the recorder's audit page gives it

Exit code: 0 verified · 2 called wrongly · 3 unreadable · 10 files · 11 runs and segments · 12 gaps and intervals · 13 the record of the export · 14 proofs
15 checkpoint · 16 witnesses · 17 does not go together with the known checkpoint. The lowest of all that is wrong.
20 a redacted working copy of which nothing is wrong: its file is as it was released, its pictures are no evidence
";
/// Called wrongly.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_env();
    if arguments.contains(["-h", "--help"]) {
        say(HELP);
        return ExitCode::SUCCESS;
    }
    let quiet = arguments.contains("--quiet");
    match run(arguments, quiet) {
        Ok((text, code)) => {
            say(&text);
            ExitCode::from(code)
        }
        Err(sentence) => {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(std::io::stderr(), "watchbook-verify: {}; --help shows how to call it", plain(&sentence));
            ExitCode::from(USAGE)
        }
    }
}

fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn run(mut arguments: Arguments, quiet: bool) -> Result<(String, u8), String> {
    let keys = |arguments: &mut Arguments, option| -> Result<Vec<VerifierKey>, String> {
        let given: Vec<String> = arguments.values_from_str(option).map_err(|error| error.to_string())?;
        given.iter().map(|text| keys_of(text)).collect::<Result<Vec<_>, _>>().map(|keys| keys.concat())
    };
    let log_keys = keys(&mut arguments, "--log")?;
    let witnesses = keys(&mut arguments, "--witness")?;
    let quorum: Option<u32> = arguments.opt_value_from_str("--quorum").map_err(|error| error.to_string())?;
    let file = |arguments: &mut Arguments, option| {
        arguments.opt_value_from_str::<_, PathBuf>(option).map_err(|error| error.to_string())
    };
    let (known, consistency) = (file(&mut arguments, "--known")?, file(&mut arguments, "--consistency")?);
    let entry = file(&mut arguments, "--entry")?;
    if entry.is_some() && (known.is_some() || consistency.is_some()) {
        return Err("--known and --consistency go with a bundle, not with one entry".to_owned());
    }
    let place: PathBuf = match &entry {
        Some(entry) => entry.clone(),
        None => arguments.free_from_str().map_err(|error| error.to_string())?,
    };
    if let Some(extra) = arguments.finish().first() {
        return Err(format!("`{}` is one argument too many", extra.to_string_lossy()));
    }
    if entry.is_some() {
        let trust = Asked { log_keys, witnesses, quorum, ..Asked::default() }.keys_alone()?;
        let name = place.display().to_string();
        let report = verify_entry(&name, &bytes_of(&place, PROOF_BYTES_MAX as u64)?, &trust);
        return Ok((report.lines(quiet), report.exit_code()));
    }
    let text = |path: PathBuf, most| Ok::<_, String>((path.display().to_string(), text_of(&path, most)?));
    let known = known.map(|path| text(path, note::NOTE_BYTES_MAX as u64)).transpose()?;
    let consistency = consistency.map(|path| text(path, TEXT_BYTES_MAX)).transpose()?;
    let asked = Asked { log_keys, witnesses, quorum, known, consistency };
    if place.is_file() {
        let archive = Archive::open(Whole(place.clone()));
        let archive = archive.map_err(|error| format!("reading {}: {error}", place.display()))?;
        let report = verify(&archive, &asked.trust(&archive)?);
        return Ok((report.lines(quiet), report.exit_code()));
    }
    let folder = Folder(place);
    let report = verify(&folder, &asked.trust(&folder)?);
    Ok((report.lines(quiet), report.exit_code()))
}

fn text_of(path: &Path, most: u64) -> Result<String, String> {
    let name = path.display();
    let bytes = bytes_of(path, most)?;
    if bytes.len() as u64 > most {
        return Err(format!("reading {name}: it has more than {most} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| format!("reading {name}: it is not text"))
}

/// What is in a file, and of a longer one than `most` one byte more.
fn bytes_of(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let name = path.display();
    let told = |error: std::io::Error| format!("reading {name}: {error}");
    // A pipe or a device could keep the program waiting or reading without end.
    if !std::fs::metadata(path).map_err(told)?.is_file() {
        return Err(format!("reading {name}: it is not a file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(told)?.take(most + 1).read_to_end(&mut bytes).map_err(told)?;
    Ok(bytes)
}

/// The key that `text` is, or those in the file that it names.
fn keys_of(text: &str) -> Result<Vec<VerifierKey>, String> {
    let error = match VerifierKey::parse(text) {
        Ok(key) => return Ok(vec![key]),
        Err(error) => error,
    };
    if !Path::new(text).is_file() {
        return Err(format!("`{text}` is no key and no file with keys: {error}"));
    }
    asked::keys(text, &text_of(Path::new(text), TEXT_BYTES_MAX)?)
}
