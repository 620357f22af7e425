//! `diff`: what changes from one package to another.

use crate::cmd::package::{bytes, refuse};
use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::json;
use std::path::{Path, PathBuf};
use watchbook_plugin_host::asks::{Change, signing_key_change};
use watchbook_plugin_host::wbp::{self, Opened};

pub(crate) const COMMAND: Command = Command {
    name: "diff",
    summary: "says what changes from one package to another",
    help: "\
watchbook-plugin diff OLD.wbp NEW.wbp

What a line with ! says lets the plugin do, see or use more than before, or puts somebody else in charge of it. An administrator sees the same list.
",
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let old: PathBuf = arguments.free_from_str().map_err(usage("diff"))?;
    let new: PathBuf = arguments.free_from_str().map_err(usage("diff"))?;
    finish(arguments)?;
    let open = |path: &Path| wbp::open(&bytes(path)?).map_err(refuse(path));
    let (old, new) = (open(&old)?, open(&new)?);
    let (before, now) = (&old.package.manifest, &new.package.manifest);
    if before.id != now.id {
        return Err(format!("these are two plugins, {} and {}", before.id, now.id));
    }
    let key = |opened: &Opened| opened.signature.as_ref().map(|signature| signature.key_id.clone());
    let mut changes: Vec<Change> = signing_key_change(key(&old).as_deref(), key(&new).as_deref()).into_iter().collect();
    changes.extend(watchbook_plugin_host::diff(before, now));
    let component = old.package.component_sha256 != new.package.component_sha256;
    let mut lines: Vec<String> =
        changes.iter().map(|change| format!("{} {change}", if change.widens() { "!" } else { " " })).collect();
    if component {
        lines.push("  its component is another one".to_owned());
    }
    if lines.is_empty() {
        lines.push("  nothing that a station would notice".to_owned());
    }
    out.result(
        &lines.join("\n"),
        &json!({
            "changes": changes,
            "changes_text": changes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "widens": changes.iter().any(Change::widens),
            "component": component,
        }),
    );
    Ok(())
}
