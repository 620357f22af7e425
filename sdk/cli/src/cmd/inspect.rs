//! `inspect`: what a package is, before anybody installs it.

use crate::cmd::package::{bytes, refuse};
use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use watchbook_plugin_host::component::Ports;
use watchbook_plugin_host::{asks, wbp};

pub(crate) const COMMAND: Command = Command {
    name: "inspect",
    summary: "shows what a package is, asks for and contains",
    help: "\
watchbook-plugin inspect FILE.wbp

Shows the manifest, what the plugin asks for in plain words, its files and who claims to have signed it. `verify` says whether that is so.
",
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let file: PathBuf = arguments.free_from_str().map_err(usage("inspect"))?;
    finish(arguments)?;
    let opened = wbp::open(&bytes(&file)?).map_err(refuse(&file))?;
    let (package, manifest) = (&opened.package, &opened.package.manifest);
    let asked = asks(manifest);
    let imports = Ports::of(&package.component)?.imports;
    let mut sizes: BTreeMap<&str, usize> =
        opened.files.iter().map(|(name, content)| (name.as_str(), content.len())).collect();
    sizes.insert("plugin.wasm", package.component.len());
    let signed = match &opened.signature {
        Some(signature) => format!("key {}, which says: {}", signature.key_id, signature.comment),
        None => "nobody".to_owned(),
    };
    let mut lines = vec![
        format!("{} {}", manifest.id, manifest.version),
        manifest.summary.clone(),
        String::new(),
        format!("publisher  {}", manifest.publisher),
        format!("licence    {}", manifest.licence),
        format!("signed by  {signed}"),
        format!("package    SHA-256 {}", opened.package_sha256),
        format!("component  SHA-256 {}", package.component_sha256),
        format!("imports    {}", if imports.is_empty() { "nothing".to_owned() } else { imports.join(", ") }),
        String::new(),
        "It wants to".to_owned(),
    ];
    lines.extend(asked.iter().map(|ask| format!("  {ask}")));
    lines.extend([String::new(), "Files".to_owned()]);
    lines.extend(sizes.iter().map(|(name, bytes)| format!("  {bytes:>9}  {name}")));
    out.result(
        &lines.join("\n"),
        &json!({
            "manifest": manifest,
            "asks": asked,
            "asks_text": asked.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "imports": imports,
            "files": sizes,
            "signature": opened.signature.as_ref().map(|s| json!({ "key_id": s.key_id, "comment": s.comment })),
            "sha256": opened.package_sha256,
            "component_sha256": package.component_sha256,
        }),
    );
    Ok(())
}
