//! `profile`: where a plugin spends its time.

use crate::cmd::input::{Wanted, common_help};
use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use watchbook_plugin_host::message::World;
use watchbook_plugin_testkit::case::Input;
use watchbook_plugin_testkit::profile::{Profiled, SECONDS, SECONDS_DEFAULT, of_judging, of_watching};
use watchbook_plugin_testkit::{Judge, Runner, rules};

/// Functions that are listed.
const TOP_MAX: usize = 15;
/// A missing name is worth a word when so many of a hundred samples have none.
const NAMELESS_PERCENT_MAX: f64 = 10.0;

pub(crate) const COMMAND: Command = Command {
    name: "profile",
    summary: "shows in which functions a plugin spends its time",
    help: concat!(
        "\
watchbook-plugin profile CLIP [OPTIONS]
watchbook-plugin profile --scene NAME [OPTIONS]
watchbook-plugin profile --events FILE [OPTIONS]    an export rule

  --time N           seconds of the plugin's processor time, 1 to 60; what it sees is shown again and again  [5]
  -o FILE            where the profile goes                              [profile.json]
",
        common_help!(),
        "
The stack is looked at every millisecond. The list shows each function's own time, without what it calls; https://profiler.firefox.com opens the file and
shows the rest; it reads it in the browser and sends nothing. A stack is taken at the next start of a function or turn of a loop: what the host does, such as
copying a frame, counts for the function after it. Plugins in JavaScript and Python are seen as their interpreter's functions.
"
    ),
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let seconds: u32 = arguments.opt_value_from_str("--time").map_err(usage("profile"))?.unwrap_or(SECONDS_DEFAULT);
    if !SECONDS.contains(&seconds) {
        return Err(format!("--time is {seconds}; {} to {} are allowed", SECONDS.start(), SECONDS.end()));
    }
    let to: Option<PathBuf> = arguments.opt_value_from_str("-o").map_err(usage("profile"))?;
    let to = to.unwrap_or_else(|| "profile.json".into());
    let wanted = Wanted::take(&mut arguments, "profile")?;
    finish(arguments)?;
    let profiled = profile(&wanted, seconds, out);
    out.progress("");
    let (profiled, ms_budget) = profiled?;
    std::fs::write(&to, &profiled.json).map_err(|error| format!("writing {}: {error}", to.display()))?;
    tell(&profiled, (&to, ms_budget), out);
    Ok(())
}

/// The profile, and what the manifest says that a call costs.
fn profile(wanted: &Wanted, seconds: u32, out: &Out) -> Result<(Profiled, u32), String> {
    let package = wanted.package()?;
    let rule = package.manifest.world == World::ExportRule.name();
    let ms_budget = package.manifest.budget.ms_per_frame;
    let input = match (&wanted.input, rule) {
        (Some(Input::Events(path)), true) => {
            let events = rules::events_file(path)?;
            out.progress("compiling ...");
            let judge = Judge::sampled(package)?;
            out.progress("watching ...");
            return Ok((of_judging(&judge, &events, &wanted.settings, seconds)?, ms_budget));
        }
        (_, true) => return Err("an export rule sees events, no pictures; name them with --events FILE".to_owned()),
        (_, false) => wanted.input("profile")?,
    };
    out.progress("compiling ...");
    let runner = Runner::sampled(package)?;
    let settings = runner.settings_json(&wanted.settings)?;
    let mut source = input.open(runner.package().manifest.output())?;
    out.progress("watching ...");
    Ok((of_watching(&runner, &mut source, (&settings, &wanted.zones), seconds)?, ms_budget))
}

fn tell(profiled: &Profiled, (to, ms_budget): (&Path, u32), out: &Out) {
    let percent = |count: usize| count as f64 / profiled.samples.max(1) as f64 * 100.0;
    let (ms, calls, samples) = (profiled.figures.ms(), profiled.figures.calls, profiled.samples);
    let mut text = format!("a call   p50 {:.2} ms, p95 {:.2} ms of {ms_budget} ms\nown time\n", ms.p50, ms.p95);
    let top = || profiled.own.iter().take(TOP_MAX);
    for (name, count) in top() {
        text += &format!("{:>6.1} %  {name}\n", percent(*count));
    }
    if percent(profiled.nameless) > NAMELESS_PERCENT_MAX {
        text += &format!(
            "{:.0} % of the samples are in functions without a name, because plugin.wasm does not hold it. Rust: no `strip` in [profile.release]; \
             C: --strip-debug, not --strip-all; then `watchbook-plugin build`. QuickJS comes without names.\n",
            percent(profiled.nameless)
        );
    }
    if profiled.lost > 0 {
        text += &format!("{} samples came after those that are kept\n", profiled.lost);
    }
    text += &format!("{}: {samples} samples in {calls} calls, for https://profiler.firefox.com", to.display());
    let rows: Vec<Value> =
        top().map(|(name, count)| json!({ "function": name, "samples": count, "percent": percent(*count) })).collect();
    let object = json!({
        "file": to.display().to_string(),
        "samples": samples,
        "samples_lost": profiled.lost,
        "samples_nameless": profiled.nameless,
        "calls": calls,
        "ms_p50": ms.p50,
        "ms_p95": ms.p95,
        "ms_budget": ms_budget,
        "own": rows,
    });
    out.result(&text, &object);
}
