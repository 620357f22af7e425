//! `deploy`: a package to a station.

use crate::cmd::package::{bytes, refuse};
use crate::cmd::station::Station;
use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::json;
use std::path::PathBuf;
use watchbook_plugin_host::wbp;

pub(crate) const COMMAND: Command = Command {
    name: "deploy",
    summary: "hands a package to a station",
    help: "\
watchbook-plugin deploy FILE.wbp --to https://STATION [--ca FILE] --account NAME [--password-file FILE] [--approve]

  --to https://STATION  address of the station's page; http:// on the station itself
  --ca FILE             the certificate of its authority, which it has at /ca.crt; without it those that the system trusts
  --account NAME        an account of the station that may change its plugins; its password is asked for
  --password-file FILE  the password is the first line of FILE
  --approve             lets it run at once, in the place of the version before; else somebody does so on the page, who reads what it asks for

The station must trust the key that signed the package, or be in developer mode. Each step is in the station's audit log.
",
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let approve = arguments.contains("--approve");
    let station = Station::sign_in(&mut arguments, "deploy", "--to")?;
    let file: PathBuf = arguments.free_from_str().map_err(usage("deploy"))?;
    finish(arguments)?;
    let package = bytes(&file)?;
    let opened = wbp::open(&package).map_err(refuse(&file))?;
    let manifest = &opened.package.manifest;
    out.progress("handing it over");
    let mut answer = station.upload("/api/v1/plugins", &package)?;
    out.progress("");
    for change in answer["changes"].as_array().into_iter().flatten() {
        let word = |key: &str| change[key].as_str().unwrap_or("nothing").to_owned();
        let mark = if change["more"] == true { "!" } else { " " };
        out.result(&format!("{mark} {}: {}, before {}", word("what"), word("after"), word("before")), change);
    }
    if approve {
        let path = format!("/api/v1/plugins/{}/approve", manifest.id);
        answer = station.post(&path, &json!({ "package_sha256": opened.package_sha256 }))?;
    }
    let is = |stage: &str| answer[stage]["package_sha256"] == opened.package_sha256.as_str();
    let stands = match (is("running"), is("waiting")) {
        (true, _) => "runs",
        (false, true) => "waits for approval",
        _ => "was there already and does not run, because a later version does; that can be rolled back on the page,",
    };
    out.result(
        &format!("{} {} {stands} at {}", manifest.id, manifest.version, station.address()),
        &json!({ "id": manifest.id, "version": manifest.version, "sha256": opened.package_sha256, "runs": is("running"), "waits": is("waiting") }),
    );
    Ok(())
}
