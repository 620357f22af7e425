//! `rerun`: derives a stored event again.

use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::json;
use std::path::PathBuf;
use watchbook_plugin_testkit::read_plugin;
use watchbook_plugin_testkit::rerun::{Stored, Verdict};

pub(crate) const COMMAND: Command = Command {
    name: "rerun",
    summary: "derives a stored event again from its footage",
    help: "\
watchbook-plugin rerun EVENT.json [--plugin PATH]

  EVENT.json     {\"event\", \"settings\", \"zones\", \"clip\", \"clip_start_utc_ms\", \"masks\", \"lead\"}: what the station's API gives at
                 /api/v1/cameras/CAMERA/events/EVENT/rederive/inputs?start_utc_ms=N&end_utc_ms=N, a clip of the camera from well before the event to after
                 it, which is an export, and the time of its first picture (the first number of the export's Watchbook-Delivered-Utc-Ms)
  --plugin PATH  folder with plugin.toml and plugin.wasm, or a .wbp   [.]

Refused when the component, its version or the settings are not those that gave the event, by SHA-256. The plugin runs under deterministic settings, from a
fresh start: the clip must be long enough for it to learn the scene. The exit code is 0 when the same event comes out.
",
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let plugin: PathBuf =
        arguments.opt_value_from_str("--plugin").map_err(usage("rerun"))?.unwrap_or_else(|| ".".into());
    let path: PathBuf = arguments.free_from_str().map_err(usage("rerun"))?;
    finish(arguments)?;
    let stored = Stored::read(&path)?;
    let package = read_plugin(&plugin)?;
    out.progress("running the footage through the plugin ...");
    let outcome = stored.derive(package);
    out.progress("");
    let (verdict, outcome) = outcome?;
    let frames = outcome.frames;
    match verdict {
        Verdict::Same(event) => {
            out.result(
                &format!("derived again: the same event comes out of {frames} frames\n{event}"),
                &json!({ "result": "same", "frames": frames, "event": event }),
            );
            Ok(())
        }
        Verdict::Near(event, differences) => {
            let differences: Vec<String> = differences.iter().map(ToString::to_string).collect();
            let list = differences.join("\n  ");
            out.result(
                &format!("an event like it comes out of {frames} frames, with differences:\n  {list}\n{event}"),
                &json!({ "result": "near", "frames": frames, "event": event, "differences": differences }),
            );
            Err("the event was not derived to the letter; footage that begins earlier may help".to_owned())
        }
        Verdict::Absent => {
            let others = outcome.lines.len();
            out.result(
                &format!("no such event comes out of {frames} frames; {others} other results"),
                &json!({ "result": "absent", "frames": frames, "others": outcome.lines }),
            );
            Err("the event was not derived again".to_owned())
        }
    }
}
