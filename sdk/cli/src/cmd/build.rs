//! `build`: from a core module to a component.

use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::json;
use std::path::PathBuf;

pub(crate) const COMMAND: Command = Command {
    name: "build",
    summary: "turns a core WebAssembly module into a component",
    help: "\
watchbook-plugin build --wit DIR --world WORLD CORE.wasm -o PLUGIN.wasm

  --wit DIR      folder of the published interface, such as sdk/wit/0.1
  --world WORLD  analytics-plugin or export-rule
  -o FILE        where the component goes
",
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let wit: PathBuf = arguments.value_from_str("--wit").map_err(usage("build"))?;
    let world: String = arguments.value_from_str("--world").map_err(usage("build"))?;
    let to: PathBuf = arguments.value_from_str("-o").map_err(usage("build"))?;
    let core: PathBuf = arguments.free_from_str().map_err(usage("build"))?;
    finish(arguments)?;
    let module = std::fs::read(&core).map_err(|error| format!("{}: {error}", core.display()))?;
    let component = watchbook_plugin_cli::build(&module, &wit, &world)?;
    std::fs::write(&to, &component).map_err(|error| format!("{}: {error}", to.display()))?;
    let bytes = component.len();
    out.result(
        &format!("{}: {bytes} bytes", to.display()),
        &json!({ "file": to.display().to_string(), "bytes": bytes }),
    );
    Ok(())
}
