//! `build`: from a plugin's folder, or a core module, to a component.

use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::json;
use std::path::{Path, PathBuf};
use watchbook_plugin_cli::anatomy;
use watchbook_plugin_cli::project::Project;

pub(crate) const COMMAND: Command = Command {
    name: "build",
    summary: "makes a plugin's component",
    help: "\
watchbook-plugin build [DIR] [-o PLUGIN.wasm]
watchbook-plugin build --wit DIR --world WORLD CORE.wasm -o PLUGIN.wasm

The first form builds the plugin in a folder (this one when none is given) with the tool of its language, cargo, clang, componentize-qjs or componentize-py,
and writes plugin.wasm beside plugin.toml. The second makes a component of a core module that something else has built.

  --wit DIR      folder of the published interface, such as sdk/wit/0.1
  --world WORLD  analytics-plugin or export-rule
  -o FILE        where the component goes
",
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let wit: Option<PathBuf> = arguments.opt_value_from_str("--wit").map_err(usage("build"))?;
    let to: Option<PathBuf> = arguments.opt_value_from_str("-o").map_err(usage("build"))?;
    match wit {
        Some(wit) => core_module(arguments, (&wit, to), out),
        None => folder(arguments, to, out),
    }
}

fn core_module(mut arguments: Arguments, (wit, to): (&Path, Option<PathBuf>), out: &mut Out) -> Result<(), String> {
    let world: String = arguments.value_from_str("--world").map_err(usage("build"))?;
    let to = to.ok_or_else(|| usage("build")(pico_args::Error::MissingOption(pico_args::Keys::from("-o"))))?;
    let core: PathBuf = arguments.free_from_str().map_err(usage("build"))?;
    finish(arguments)?;
    let module = std::fs::read(&core).map_err(|error| format!("{}: {error}", core.display()))?;
    let component = watchbook_plugin_cli::build(&module, wit, &world)?;
    write(&component, &to)?;
    tell(&component, &to, out)
}

fn folder(mut arguments: Arguments, to: Option<PathBuf>, out: &mut Out) -> Result<(), String> {
    let folder: Option<PathBuf> = arguments.opt_free_from_str().map_err(usage("build"))?;
    finish(arguments)?;
    let project = Project::open(&folder.unwrap_or_else(|| PathBuf::from(".")))?;
    let component = project.build(&mut |line| out.progress(line));
    out.progress("");
    let component = component?;
    let to = to.unwrap_or_else(|| project.folder.join("plugin.wasm"));
    write(&component, &to)?;
    tell(&component, &to, out)
}

/// Beside its place, then renamed: a reader sees a whole file, the old one or the new one.
fn write(component: &[u8], to: &Path) -> Result<(), String> {
    let beside = to.with_extension("wasm.new");
    let wrote = std::fs::write(&beside, component).and_then(|()| std::fs::rename(&beside, to));
    wrote.map_err(|error| format!("{}: {error}", to.display()))
}

fn tell(component: &[u8], to: &Path, out: &Out) -> Result<(), String> {
    let anatomy = anatomy::of(component)?;
    let (file, bytes) = (to.display().to_string(), component.len());
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let line = format!(
        "{file}: {bytes} bytes\n  imports   {}\n  exports   {}\n  features  {}",
        list(&anatomy.imports),
        list(&anatomy.exports),
        list(&anatomy.features)
    );
    let object = json!({
        "file": file, "bytes": bytes, "imports": anatomy.imports, "exports": anatomy.exports, "features": anatomy.features,
    });
    out.result(&line, &object);
    Ok(())
}
