//! `watchbook-plugin`: the plugin author's tool.

use pico_args::Arguments;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
watchbook-plugin: makes Watchbook plugins

USAGE
  watchbook-plugin build --wit DIR --world WORLD CORE.wasm -o PLUGIN.wasm

COMMANDS
  build    Turns a core WebAssembly module into a component.
           --wit DIR      folder of the published interface, such as sdk/wit/0.1
           --world WORLD  analytics-plugin or export-rule
           -o FILE        where the component goes
";

fn main() -> ExitCode {
    match run(Arguments::from_env()) {
        Ok(text) => {
            // A closed standard output leaves nobody to tell.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(sentence) => {
            let _ = writeln!(std::io::stderr(), "watchbook-plugin: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Arguments) -> Result<String, String> {
    if arguments.contains(["-h", "--help"]) {
        return Ok(HELP.to_owned());
    }
    match arguments.subcommand().map_err(|error| error.to_string())?.as_deref() {
        Some("build") => build(arguments),
        Some(other) => Err(format!("there is no command `{other}`; `watchbook-plugin --help` lists them")),
        None => Ok(HELP.to_owned()),
    }
}

fn build(mut arguments: Arguments) -> Result<String, String> {
    let usage = |error: pico_args::Error| format!("{error}; `watchbook-plugin --help` shows how to call `build`");
    let wit: PathBuf = arguments.value_from_str("--wit").map_err(usage)?;
    let world: String = arguments.value_from_str("--world").map_err(usage)?;
    let out: PathBuf = arguments.value_from_str("-o").map_err(usage)?;
    let core: PathBuf = arguments.free_from_str().map_err(usage)?;
    if let Some(extra) = arguments.finish().first() {
        return Err(format!("`{}` is one argument too many", extra.to_string_lossy()));
    }
    let module = std::fs::read(&core).map_err(|error| format!("{}: {error}", core.display()))?;
    let component = watchbook_plugin_cli::build(&module, &wit, &world)?;
    std::fs::write(&out, &component).map_err(|error| format!("{}: {error}", out.display()))?;
    Ok(format!("{}: {} bytes\n", out.display(), component.len()))
}
