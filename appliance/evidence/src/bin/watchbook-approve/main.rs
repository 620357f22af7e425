//! `watchbook-approve`: an approver elsewhere reads a station's release request in words and signs a decision about it. Runs on a laptop without a network; files go to and fro on a stick or by mail.

#[path = "../tool/cli.rs"]
mod cli;

use cli::{FILES, Failure, USAGE, create, finish, keygen};
use pico_args::Arguments;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use watchbook_base::UtcNanos;
use watchbook_evidence::bundle::verdict::plain;
use watchbook_evidence::release::{Decision, REQUEST_BYTES_MAX, Request};
use watchbook_evidence::{Algorithm, SigningKey, hex};

const HELP: &str = "\
watchbook-approve: signs a decision about an export of a station where nobody may release it

  watchbook-approve keygen --name NAME --key FILE
      makes a secret key and prints the public one, which an admin of the station enrols on your account. NAME is yours, such as hq.example/approver
  watchbook-approve show --request FILE
      says in words what is asked
  watchbook-approve release --key FILE --request FILE --out FILE
      releases exactly the bundle with the manifest that the request names
  watchbook-approve refuse --key FILE --request FILE --out FILE --reason TEXT
      refuses it; the reason stands in the station's log

Exit code: 0 done · 2 called wrongly · 3 a file cannot be read or written · 4 not a request, or its time is over
";
const REQUEST: u8 = 4;
/// A secret key is one line.
const KEY_BYTES_MAX: u64 = 4096;

fn main() -> ExitCode {
    cli::main("watchbook-approve", HELP, run)
}

fn run(mut arguments: Arguments) -> Result<String, Failure> {
    let command = arguments.subcommand()?;
    match command.as_deref() {
        Some("keygen") => {
            let (name, key): (String, PathBuf) =
                (arguments.value_from_str("--name")?, arguments.value_from_str("--key")?);
            finish(arguments)?;
            keygen(&name, &key, Algorithm::Ed25519)
        }
        Some("show") => {
            let request: PathBuf = arguments.value_from_str("--request")?;
            finish(arguments)?;
            Ok(words(&read(&request)?))
        }
        Some(verb @ ("release" | "refuse")) => {
            let (key, request): (PathBuf, PathBuf) =
                (arguments.value_from_str("--key")?, arguments.value_from_str("--request")?);
            let out: PathBuf = arguments.value_from_str("--out")?;
            let refusal: Option<String> =
                if verb == "refuse" { Some(arguments.value_from_str("--reason")?) } else { None };
            finish(arguments)?;
            decide(&key, &request, (&out, refusal))
        }
        _ => Err(Failure(USAGE, "say one of keygen, show, release, refuse; --help shows how".to_owned())),
    }
}

fn bounded(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let told = |error: std::io::Error| Failure(FILES, format!("reading {}: {error}", path.display()));
    let mut bytes = Vec::new();
    File::open(path).map_err(told)?.take(most + 1).read_to_end(&mut bytes).map_err(told)?;
    Ok(bytes)
}

fn read(path: &Path) -> Result<Request, Failure> {
    let bytes = bounded(path, REQUEST_BYTES_MAX as u64)?;
    Request::parse(&bytes).map_err(|error| Failure(REQUEST, format!("{}: {error}", path.display())))
}

/// A moment in milliseconds since 1970, in words.
fn moment(ms: i64) -> String {
    UtcNanos::from_ms(ms).to_string()
}

fn words(request: &Request) -> String {
    let cameras: Vec<String> = request.cameras.iter().map(ToString::to_string).collect();
    let expires_ms = i64::try_from(request.expires_utc_s).unwrap_or(i64::MAX).saturating_mul(1000);
    let missing = if request.complete {
        "nothing that was asked for is missing"
    } else {
        "PARTS OF WHAT WAS ASKED FOR ARE MISSING"
    };
    let range = format!("{} to {}", moment(request.from_utc_ms), moment(request.to_utc_ms));
    let lines = [
        format!(
            "Station with the log {}: release of export {} for case {}?",
            request.origin, request.export, request.case
        ),
        format!("  cameras {} from {range}", cameras.join(", ")),
        format!("  asked for by account {} for a receiver of the kind {}", request.requester, request.recipient_class),
        format!("  {} bytes; {missing}", request.bytes),
        format!("  manifest SHA-256 {}", hex(&request.manifest)),
        format!("  a decision is taken until {}", moment(expires_ms)),
    ];
    lines.iter().map(|line| format!("{}\n", plain(line))).collect()
}

fn decide(key: &Path, request: &Path, (out, refusal): (&Path, Option<String>)) -> Result<String, Failure> {
    let text = bounded(key, KEY_BYTES_MAX)?;
    let secret = core::str::from_utf8(&text).map_err(|_| Failure(FILES, format!("{} is no key", key.display())))?;
    let key =
        SigningKey::parse(secret.trim_end()).map_err(|error| Failure(FILES, format!("{}: {error}", key.display())))?;
    let request = read(request)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    if now > request.expires_utc_s {
        return Err(Failure(REQUEST, "the time of this request is over; ask the station for another one".to_owned()));
    }
    let verb = if refusal.is_some() { "refused" } else { "released" };
    let signed = Decision::about(&request, refusal).sign(&key).map_err(|error| Failure(USAGE, error.to_string()))?;
    create(out, signed.as_bytes())?;
    Ok(format!("{}{verb}: {} goes back to the station\n", words(&request), out.display()))
}
