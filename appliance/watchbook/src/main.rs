//! The recorder.
//!
//! * **Enters:** a configuration file, signals, cameras' streams, requests of the page.
//! * **Leaves:** the ring, the page, an exit code.
//! * **Promises:** starts in a fixed order ([`wire`]), stops by committing what it has, never waits for the page or a plugin while capturing.
//! * **Never:** decodes video or runs a plugin in this process; both are child programs.
//! * **Proof:** `tests/e2e`, `tests/browser`.

mod cmd;
mod config;
mod error;
mod station;
mod wire;

use error::{Error, Result};
use pico_args::Arguments;
use std::path::PathBuf;
use std::process::ExitCode;
use watchbook_base::Kind;

const HELP: &str = "\
Watchbook, a network video recorder that keeps the book on those who look.

USAGE
  watchbook run --config FILE              record, and serve the page, until SIGINT or SIGTERM
  watchbook check --config FILE            read rings and vault and report damage; the recorder must be stopped
  watchbook check --config FILE --rebuild  make the rings' indexes again, empty that of an undamaged vault, then the same
  watchbook new-log --config FILE --reason TEXT
                                           begin a new audit log after an old copy of it was put back on purpose; the recorder must be stopped
  watchbook support --config FILE          write what helps somebody who helps into a text file: no secret, no picture
  watchbook example-config                 print a commented configuration file with the defaults
  watchbook openapi                        print the HTTP API as an OpenAPI 3.1 document

OPTIONS
  --config FILE   configuration (TOML); see example-config
  --children PATH run: child programs are held by whoever listens at this socket, each under a user of its own (watchbook-child.socket)
  --out FILE      support: where to, instead of a name with the moment in this directory
  -h, --help      this text
  -V, --version   version

FIRST START
  1. watchbook example-config > watchbook.toml, set storage.ring_dir and storage.ring_gib
  2. watchbook run --config watchbook.toml
  3. open the address it prints, enter the claim code it prints, choose a name and a password
  4. add cameras on the page
  An unclaimed recorder prints a new code at each start; it is also in STATE_DIR/claim-code.

ENVIRONMENT
  RUST_LOG        what is logged to standard error, such as `info` (default) or `watchbook_capture=debug`

EXIT CODES
  0 done   1 `check` found damage   65 stored data is damaged   69 not available   70 our mistake   73 no room or no right   74 I/O   78 configuration
";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
enum Command {
    Help,
    Version,
    ExampleConfig,
    OpenApi,
    Run { config: PathBuf, holders: Option<PathBuf> },
    Child,
    Record { config: PathBuf },
    Check { config: PathBuf, rebuild: bool },
    NewLog { config: PathBuf, reason: String },
    Support { config: PathBuf, out: Option<PathBuf> },
}

fn main() -> ExitCode {
    let outcome = parse(Arguments::from_env()).and_then(|command| match command {
        Command::Help => print(HELP),
        Command::Version => print(concat!("watchbook ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::ExampleConfig => print(config::EXAMPLE),
        Command::OpenApi => cmd::openapi().and_then(|text| print(&text)),
        Command::Run { config, holders } => cmd::run(&config, holders),
        Command::Child => cmd::child(),
        Command::Record { config } => cmd::record(&config),
        Command::Check { config, rebuild } => cmd::check(&config, rebuild),
        Command::NewLog { config, reason } => cmd::new_log(&config, &reason),
        Command::Support { config, out } => cmd::support(&config, out),
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("watchbook: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn print(text: &str) -> Result<ExitCode> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        // A reader that has seen enough (`watchbook openapi | head`) is no failure.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::io("writing to standard output", &error))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn parse(mut args: Arguments) -> Result<Command> {
    let wrong = |why: &str| Error::new(Kind::InvalidInput, format!("{why}; see watchbook --help"));
    if args.contains(["-h", "--help"]) {
        return Ok(Command::Help);
    }
    if args.contains(["-V", "--version"]) {
        return Ok(Command::Version);
    }
    let name = args.subcommand().map_err(|error| wrong(&error.to_string()))?;
    let mut config = || -> Result<PathBuf> {
        args.value_from_os_str("--config", |path| Ok::<_, std::convert::Infallible>(PathBuf::from(path)))
            .map_err(|error| wrong(&error.to_string()))
    };
    let command = match name.as_deref() {
        None => Command::Help,
        Some("example-config") => Command::ExampleConfig,
        Some("openapi") => Command::OpenApi,
        Some("run") => {
            let config = config()?;
            let holders = args
                .opt_value_from_os_str("--children", |path| Ok::<_, std::convert::Infallible>(PathBuf::from(path)))
                .map_err(|error| wrong(&error.to_string()))?;
            Command::Run { config, holders }
        }
        // What the system starts for each connection to the socket of children; it ends at once when somebody else does.
        Some("child") => Command::Child,
        // What `run` starts; it ends at once when somebody else does.
        Some("record") => Command::Record { config: config()? },
        Some("new-log") => {
            let config = config()?;
            let reason = args.value_from_str("--reason").map_err(|error| wrong(&error.to_string()))?;
            Command::NewLog { config, reason }
        }
        Some("support") => {
            let config = config()?;
            let out = args
                .opt_value_from_os_str("--out", |path| Ok::<_, std::convert::Infallible>(PathBuf::from(path)))
                .map_err(|error| wrong(&error.to_string()))?;
            Command::Support { config, out }
        }
        Some("check") => {
            let config = config()?;
            Command::Check { config, rebuild: args.contains("--rebuild") }
        }
        Some(other) => return Err(wrong(&format!("there is no command {other:?}"))),
    };
    let rest = args.finish();
    if !rest.is_empty() {
        return Err(wrong(&format!("did not understand {rest:?}")));
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Command> {
        parse(Arguments::from_vec(words.iter().map(Into::into).collect()))
    }

    #[test]
    fn commands_parse_and_mistakes_are_named() {
        let config = PathBuf::from("w.toml");
        assert_eq!(
            parsed(&["run", "--config", "w.toml"]).unwrap(),
            Command::Run { config: config.clone(), holders: None }
        );
        assert_eq!(
            parsed(&["run", "--config", "w.toml", "--children", "/run/w"]).unwrap(),
            Command::Run { config: config.clone(), holders: Some("/run/w".into()) }
        );
        assert_eq!(
            parsed(&["support", "--config", "w.toml", "--out", "s.txt"]).unwrap(),
            Command::Support { config: config.clone(), out: Some("s.txt".into()) }
        );
        assert_eq!(
            parsed(&["check", "--config", "w.toml", "--rebuild"]).unwrap(),
            Command::Check { config, rebuild: true }
        );
        assert_eq!(parsed(&["run", "--help"]).unwrap(), Command::Help);
        for (words, named) in [
            (&["run"][..], "--config"),
            (&["rnu", "--config", "x"], "rnu"),
            (&["run", "--config", "x", "--rebuild"], "--rebuild"),
        ] {
            let message = parsed(words).unwrap_err().to_string();
            assert!(message.contains(named) && message.contains("--help"), "{words:?} gave: {message}");
        }
    }
}
