//! `watchbook-plugin`: the plugin author's tool. One file under `cmd` is one command.

mod cmd;
mod out;

use out::Out;
use pico_args::Arguments;
use std::io::Write;
use std::process::ExitCode;

/// A command: its word, one line about it, its own help, and what it does.
pub(crate) struct Command {
    /// The word after `watchbook-plugin`.
    pub(crate) name: &'static str,
    /// One line for the list.
    pub(crate) summary: &'static str,
    /// How to call it: shown with `watchbook-plugin NAME --help`.
    pub(crate) help: &'static str,
    /// Does it. An error is a sentence that says what was attempted and what to do.
    pub(crate) run: fn(Arguments, &mut Out) -> Result<(), String>,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_env();
    let mut out = Out::new(arguments.contains("--json"));
    match run(arguments, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            out.fail(&sentence);
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let wants_help = arguments.contains(["-h", "--help"]);
    let word = arguments.subcommand().map_err(|error| error.to_string())?;
    let Some(word) = word else {
        out.text(&overview());
        return Ok(());
    };
    let command = cmd::COMMANDS
        .iter()
        .find(|command| command.name == word)
        .ok_or_else(|| format!("there is no command `{word}`; `watchbook-plugin --help` lists them"))?;
    if wants_help {
        out.text(command.help);
        return Ok(());
    }
    (command.run)(arguments, out)
}

fn overview() -> String {
    let mut text = "watchbook-plugin: makes, tests and packs Watchbook plugins\n\nCOMMANDS\n".to_owned();
    for command in cmd::COMMANDS {
        text += &format!("  {:<10} {}\n", command.name, command.summary);
    }
    text + "\n  --json     machine-readable output, one JSON object a line; with any command\n  \
            watchbook-plugin NAME --help  shows how to call a command\n"
}

/// Says how to call a command after its arguments could not be read.
pub(crate) fn usage(name: &'static str) -> impl Fn(pico_args::Error) -> String {
    move |error| format!("{error}; `watchbook-plugin {name} --help` shows how to call it")
}

/// Refuses what is left when a command has taken its arguments.
pub(crate) fn finish(arguments: Arguments) -> Result<(), String> {
    match arguments.finish().first() {
        Some(extra) => Err(format!("`{}` is one argument too many", extra.to_string_lossy())),
        None => Ok(()),
    }
}

/// Writes to standard error; a closed one leaves nobody to tell.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
