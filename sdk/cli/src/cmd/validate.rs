//! `validate`: what a station would object to.

use crate::cmd::package::{bytes, refuse};
use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::json;
use std::path::PathBuf;
use watchbook_plugin_cli::{check, folder};
use watchbook_plugin_host::wbp;

pub(crate) const COMMAND: Command = Command {
    name: "validate",
    summary: "says what a station would object to",
    help: "\
watchbook-plugin validate [FOLDER | FILE.wbp] [--component FILE]

  FOLDER            a plugin's folder, as `pack` takes it; this folder when it is left out
  FILE.wbp          a package
  --component FILE  the component, when it is not FOLDER/plugin.wasm

Checks the manifest, that the component imports no more than the manifest asks for and exports what its world has, which WebAssembly it uses, sizes,
licence, models. Every problem is a line; the exit code is 1 when there is one. The component is not run.
",
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let component: Option<PathBuf> = arguments.opt_value_from_str("--component").map_err(usage("validate"))?;
    let path: Option<PathBuf> = arguments.opt_free_from_str().map_err(usage("validate"))?;
    finish(arguments)?;
    let path = path.unwrap_or_else(|| PathBuf::from("."));
    let problems = if path.is_dir() {
        let files = folder::files(&path, component.as_deref())?;
        let mut problems = check::problems(&files);
        out.progress("packing");
        problems.extend(check::pack_problem(&files, &problems));
        out.progress("");
        problems
    } else {
        let opened = wbp::open(&bytes(&path)?).map_err(refuse(&path))?;
        let mut files = opened.files;
        files.insert("plugin.wasm".to_owned(), opened.package.component);
        check::problems(&files)
    };
    for problem in &problems {
        out.result(problem, &json!({ "problem": problem }));
    }
    match problems.len() {
        0 => {
            out.result(&format!("{}: nothing to object to", path.display()), &json!({ "problems": 0 }));
            Ok(())
        }
        count => Err(format!("{}: {count} to put right before a station takes it", path.display())),
    }
}
