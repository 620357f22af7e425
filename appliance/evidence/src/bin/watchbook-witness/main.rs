//! `watchbook-witness`: remembers the last checkpoint of each log that it watches and cosigns the next one only when that continues it. Runs on a laptop, away from the
//! box; files go to and fro on a stick.

#[path = "../tool/cli.rs"]
mod cli;
mod mirror;
mod serve;
mod state;

use cli::{Failure, files, finish, keygen, usage};
use pico_args::Arguments;
use state::State;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use watchbook_evidence::witness::{Answer, Log, REQUEST_BYTES_MAX, Witness};
use watchbook_evidence::{Algorithm, SigningKey, VerifierKey};

const HELP: &str = "\
watchbook-witness: cosigns checkpoints of a log that only grew; refuses a log that was rolled back or forked

  watchbook-witness keygen --name NAME --key FILE
      makes a secret key and prints the public one, which readers of evidence need
  watchbook-witness trust --state DIR --log KEY [--origin ORIGIN]
      watches a log. KEY is its public key (name+id+base64), ORIGIN the first line of its checkpoints, without it the name of the key
  watchbook-witness cosign --state DIR --key FILE --request FILE --out FILE
      judges a request (the body of C2SP tlog-witness `add-checkpoint`); when it is good, remembers the checkpoint and writes the cosignature
  watchbook-witness serve --state DIR --key FILE --listen ADDRESS:PORT
      the same for stations that send their checkpoints by themselves: POST http://ADDRESS:PORT/add-checkpoint
  watchbook-witness logs --state DIR
      shows what is watched and what was seen last
{MIRROR}
Exit code of `cosign`: 0 cosigned · 2 called wrongly · 3 a file cannot be read or written · 40 not a request · 43 not signed by the log · 44 unknown log
49 the proof starts elsewhere (ask the box for one from the size that is printed) · 42 FORK: keep the request, it is proof · 50 clock or state of the witness is wrong
";
fn main() -> ExitCode {
    let help = HELP.replace("{MIRROR}\n", mirror::HELP) + mirror::CODES;
    cli::main("watchbook-witness", &help, run)
}

fn run(mut arguments: Arguments) -> Result<String, Failure> {
    match arguments.subcommand()?.as_deref() {
        Some("keygen") => {
            let (name, key): (String, PathBuf) =
                (arguments.value_from_str("--name")?, arguments.value_from_str("--key")?);
            finish(arguments)?;
            keygen(&name, &key, Algorithm::Cosignature)
        }
        Some("trust") => {
            let (state, key): (PathBuf, String) =
                (arguments.value_from_str("--state")?, arguments.value_from_str("--log")?);
            let origin: Option<String> = arguments.opt_value_from_str("--origin")?;
            finish(arguments)?;
            trust(&state, &key, origin)
        }
        Some("cosign") => {
            let state: PathBuf = arguments.value_from_str("--state")?;
            let key: PathBuf = arguments.value_from_str("--key")?;
            let request: PathBuf = arguments.value_from_str("--request")?;
            let out: PathBuf = arguments.value_from_str("--out")?;
            finish(arguments)?;
            cosign(&state, &key, &request, &out)
        }
        Some("logs") => {
            let state: PathBuf = arguments.value_from_str("--state")?;
            finish(arguments)?;
            logs(&state)
        }
        Some("mirror") => mirror::run(arguments),
        Some("serve") => {
            let (state, key): (PathBuf, PathBuf) =
                (arguments.value_from_str("--state")?, arguments.value_from_str("--key")?);
            let listen: String = arguments.value_from_str("--listen")?;
            finish(arguments)?;
            serve::serve(&state, &key, &listen)
        }
        _ => Err(usage("say one of keygen, trust, cosign, serve, logs, mirror; --help shows how")),
    }
}

fn trust(dir: &Path, key: &str, origin: Option<String>) -> Result<String, Failure> {
    let key = VerifierKey::parse(key).map_err(usage)?;
    if key.algorithm() != Algorithm::Ed25519 {
        return Err(usage("this is the key of a witness; give the one of the log"));
    }
    let origin = origin.unwrap_or_else(|| key.name().to_owned());
    let state = State::open(dir).map_err(files)?;
    let mut log = state.log(&origin).map_err(files)?.unwrap_or(Log { origin, keys: Vec::new() });
    if !log.keys.contains(&key) {
        log.keys.push(key);
        state.watch(&log).map_err(files)?;
    }
    Ok(format!("watching {} with {} key(s)\n", log.origin, log.keys.len()))
}

fn logs(dir: &Path) -> Result<String, Failure> {
    let state = State::open(dir).map_err(files)?;
    let mut text = String::new();
    for log in state.logs().map_err(files)? {
        let seen = state.seen(&log.origin).map_err(files)?;
        let seen = seen.map_or("nothing yet".to_owned(), |seen| format!("{} entries", seen.checkpoint().root.size));
        text += &format!("{}: {seen}\n", log.origin);
        log.keys.iter().for_each(|key| text += &format!("  {key}\n"));
    }
    Ok(text)
}

/// The state, which nobody else has while it is open, and the witness with its key.
fn witness(dir: &Path, key: &Path) -> Result<(State, Witness), Failure> {
    let text = std::fs::read_to_string(key).map_err(|error| files(format!("reading {}: {error}", key.display())))?;
    let key = SigningKey::parse(text.trim_end()).map_err(|error| files(format!("{}: {error}", key.display())))?;
    let state = State::open(dir).map_err(files)?;
    let witness = Witness::new(key, state.logs().map_err(files)?).map_err(usage)?;
    Ok((state, witness))
}

/// Judges a request; what is cosigned is remembered, and a fork kept as a proof, before anybody is told. The sentence says that a proof could not be kept.
fn judge(state: &State, witness: &Witness, body: &[u8]) -> Result<(Answer, Option<String>), String> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| "the clock is before 1970; set it")?;
    let mut unreadable = None;
    let answer = witness.answer(
        body,
        |origin| {
            state.seen(origin).unwrap_or_else(|error| {
                unreadable = Some(error);
                None
            })
        },
        now_s.as_secs(),
    );
    // Without its state a witness would take any log for a new one.
    if let Some(error) = unreadable {
        return Err(error);
    }
    let mut lost = None;
    match &answer {
        Answer::Cosigned(cosigned) => state.remember(&cosigned.state)?,
        // The fork is told in any case, first of all.
        Answer::Fork(_) => {
            lost = state.keep_proof(body).err();
            lost = lost
                .map(|error| format!("copy the request to a safe place yourself, it could not be kept here: {error}"));
        }
        _ => {}
    }
    Ok((answer, lost))
}

fn cosign(dir: &Path, key: &Path, request: &Path, out: &Path) -> Result<String, Failure> {
    let (state, witness) = witness(dir, key)?;
    let body = state::bounded(request, REQUEST_BYTES_MAX as u64).map_err(files)?;
    let (answer, lost) = judge(&state, &witness, &body).map_err(files)?;
    let code = match &answer {
        Answer::Cosigned(cosigned) => {
            state::replace(out, format!("{}\n", cosigned.line).as_bytes()).map_err(files)?;
            return Ok(format!("{answer}\n"));
        }
        Answer::BadRequest(_) => 40,
        Answer::Forbidden(_) => 43,
        Answer::UnknownLog(_) => 44,
        Answer::Conflict(_) => 49,
        Answer::Fork(_) => 42,
        Answer::Unable(_) => 50,
    };
    Err(Failure(code, lost.map_or_else(|| answer.to_string(), |lost| format!("{answer}; {lost}"))))
}
