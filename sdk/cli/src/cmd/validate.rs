//! `validate`: what a station would object to.

use crate::cmd::package::{bytes, refuse};
use crate::cmd::runs;
use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::json;
use std::path::PathBuf;
use watchbook_plugin_cli::{check, folder};
use watchbook_plugin_host::models::ModelFiles;
use watchbook_plugin_host::{Manifest, Package, wbp};

pub(crate) const COMMAND: Command = Command {
    name: "validate",
    summary: "says what a station would object to",
    help: "\
watchbook-plugin validate [FOLDER | FILE.wbp] [--component FILE]

  FOLDER            a plugin's folder, as `pack` takes it; this folder when it is left out
  FILE.wbp          a package
  --component FILE  the component, when it is not FOLDER/plugin.wasm
  --runs N          also run a plugin that watches a camera: every drawn scene twice, which must give the same, and N settings that the manifest
                    allows and N that it does not, 1 to 10000

Checks the manifest, that the component imports no more than the manifest asks for and exports what its world has, which WebAssembly it uses, sizes,
licence, models. Every problem is a line; the exit code is 1 when there is one. Without --runs the component is not run.
",
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let component: Option<PathBuf> = arguments.opt_value_from_str("--component").map_err(usage("validate"))?;
    let count: Option<u32> = arguments.opt_value_from_str("--runs").map_err(usage("validate"))?;
    if let Some(count) = count.filter(|count| !runs::RUNS.contains(count)) {
        return Err(format!("--runs is {count}; {} to {} are allowed", runs::RUNS.start(), runs::RUNS.end()));
    }
    let path: Option<PathBuf> = arguments.opt_free_from_str().map_err(usage("validate"))?;
    finish(arguments)?;
    let path = path.unwrap_or_else(|| PathBuf::from("."));
    let (files, mut problems) = if path.is_dir() {
        let files = folder::files(&path, component.as_deref())?;
        let mut problems = check::problems(&files);
        out.progress("packing");
        problems.extend(check::pack_problem(&files, &problems));
        out.progress("");
        (files, problems)
    } else {
        let opened = wbp::open(&bytes(&path)?).map_err(refuse(&path))?;
        let mut files = opened.files;
        files.insert("plugin.wasm".to_owned(), opened.package.component);
        let problems = check::problems(&files);
        (files, problems)
    };
    if let Some(count) = count.filter(|_| problems.is_empty()) {
        problems = runs::problems(package(&files)?, count, out)?;
    }
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

/// What the files of a plugin make, after they were found to be in order.
fn package(files: &wbp::Files) -> Result<Package, String> {
    let file = |name: &str| files.get(name).ok_or_else(|| format!("{name} is missing"));
    let text = String::from_utf8(file("plugin.toml")?.clone()).map_err(|_| "plugin.toml is not UTF-8".to_owned())?;
    let manifest = Manifest::parse(&text).map_err(|error| error.to_string())?;
    if manifest.world != "analytics-plugin" {
        return Err("--runs is for plugins that watch a camera".to_owned());
    }
    let models = ModelFiles::gather(&manifest, |name| file(name).cloned())?;
    let component = file("plugin.wasm")?.clone();
    Ok(Package { models, ..Package::new(manifest, component) })
}
