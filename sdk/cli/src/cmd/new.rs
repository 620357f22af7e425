//! `new`: a folder to begin with.

use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::json;
use std::path::PathBuf;
use watchbook_plugin_cli::project::Language;
use watchbook_plugin_cli::template::{Wanted, files};

pub(crate) const COMMAND: Command = Command {
    name: "new",
    summary: "makes a folder to begin a plugin with",
    help: "\
watchbook-plugin new NAME --lang LANG --world WORLD [--id ID] [--sdk DIR]

  NAME           folder and name of the plugin: a-z, 0-9 and -; may have folders before it
  --lang LANG    rust, c, js or python
  --world WORLD  export-rule (or rule): decides about events;  analytics-plugin (or analyzer): watches a camera
                 (not in js)
  --id ID        reverse domain name; org.example.NAME when it is not given
  --sdk DIR      Rust: folder of the crate watchbook-plugin to use in place; otherwise the new folder holds a copy

Needs no network.
",
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let language: Language = arguments.value_from_str("--lang").map_err(usage("new"))?;
    let world: String = arguments.value_from_str("--world").map_err(usage("new"))?;
    let id: Option<String> = arguments.opt_value_from_str("--id").map_err(usage("new"))?;
    let sdk: Option<PathBuf> = arguments.opt_value_from_str("--sdk").map_err(usage("new"))?;
    let folder: PathBuf = arguments.free_from_str().map_err(usage("new"))?;
    finish(arguments)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let id = id.unwrap_or_else(|| format!("org.example.{name}"));
    let world = match world.as_str() {
        "rule" => "export-rule",
        "analyzer" | "analytics" => "analytics-plugin",
        other => other,
    };
    let sdk =
        sdk.map(|path| path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))).transpose()?;
    let sdk = sdk.map(|path| path.to_string_lossy().into_owned());
    let files = files(&Wanted { name: &name, id: &id, language, world, sdk: sdk.as_deref() })?;
    if folder.exists() {
        return Err(format!("{} is there already; choose another name or remove it", folder.display()));
    }
    for (path, text) in &files {
        let to = folder.join(path);
        let wrote = to.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&to, text));
        wrote.map_err(|error| format!("{}: {error}", to.display()))?;
    }
    let line = format!(
        "{0}: {id}, {language}, {world}\nnext: cd {0} && watchbook-plugin build && watchbook-plugin test",
        folder.display()
    );
    out.result(
        &line,
        &json!({ "folder": folder.display().to_string(), "id": id, "world": world, "files": files.len() }),
    );
    Ok(())
}
