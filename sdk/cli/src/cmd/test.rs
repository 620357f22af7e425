//! `test`: runs a plugin on clips and scenes and compares with what it gave before.

use crate::cmd::input::{Wanted, common_help};
use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::json;
use std::path::PathBuf;
use watchbook_plugin_host::message::World;
use watchbook_plugin_host::{Budget, Package};
use watchbook_plugin_testkit::case::Input;
use watchbook_plugin_testkit::{Case, Judge, Mode, Outcome, Runner, golden, rules};

pub(crate) const COMMAND: Command = Command {
    name: "test",
    summary: "runs a plugin on clips and scenes and compares with golden results",
    help: concat!(
        "\
watchbook-plugin test                                    every case in the plugin's folder tests
watchbook-plugin test CLIP [OPTIONS]                     one clip
watchbook-plugin test --scene NAME [OPTIONS]             one drawn scene
watchbook-plugin test --events FILE [OPTIONS]            an export rule: one event of the file after the other

  --golden FILE      the expected result, one JSON object a line; without it the result is printed
  --update           write the result as the golden one instead of comparing
  --quick            leave out the second run, which measures what calls cost
",
        common_help!(),
        "
A case is a file tests/NAME.toml: `scene` (with `seed`), `clip` (with `seconds`, `masks`) or `events`; `settings`, `zones`, `golden`. Paths are relative to it.
Events are one JSON object a line, as the station's API and this command give them; a line may say beside it what the station would tell the rule: `camera_name`,
`cases`, `utc_offset_min`, `time_zone`. A rule runs once, under the setting that the recorder uses, which is deterministic.
The plugin runs under deterministic settings, so that the result is the same on every machine, then again as in the recorder to see what it costs.
The exit code is 0 when every result is as expected.
"
    ),
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let update = arguments.contains("--update");
    let quick = arguments.contains("--quick");
    let golden: Option<PathBuf> = arguments.opt_value_from_str("--golden").map_err(usage("test"))?;
    let wanted = Wanted::take(&mut arguments, "test")?;
    finish(arguments)?;
    let package = wanted.package()?;
    let cases = match &wanted.input {
        Some(input) => {
            let case = Case {
                name: "result".to_owned(),
                input: input.clone(),
                settings: wanted.settings,
                zones: wanted.zones,
                golden: golden.clone().unwrap_or_default(),
            };
            vec![case]
        }
        None if golden.is_some() => return Err("--golden wants a clip or --scene NAME".to_owned()),
        None => Case::read_all(&wanted.plugin)?,
    };
    if cases.is_empty() {
        let folder = wanted.plugin.join("tests");
        return Err(format!(
            "{} has no cases; try `watchbook-plugin test --scene moving-square`, or write one: `watchbook-plugin test --help`",
            folder.display()
        ));
    }
    if package.manifest.world == World::ExportRule.name() {
        let (print_only, count) = (wanted.input.is_some() && golden.is_none(), cases.len());
        let judge = Judge::new(package)?;
        let mut wrong = 0;
        for case in &cases {
            wrong += usize::from(!rule_case(&judge, case, (update, print_only), out)?);
        }
        return all_as_expected(wrong, count);
    }
    let bench = Bench::new(package, quick, out)?;
    let mut wrong = 0;
    for case in &cases {
        let print_only = wanted.input.is_some() && golden.is_none();
        if !bench.case(case, (update, print_only), out)? {
            wrong += 1;
        }
    }
    all_as_expected(wrong, cases.len())
}

fn all_as_expected(wrong: usize, count: usize) -> Result<(), String> {
    match wrong {
        0 => Ok(()),
        _ => Err(format!("{wrong} of {count} results differ; if the new ones are right, run again with --update")),
    }
}

/// Whether a rule's verdicts are as expected.
fn rule_case(judge: &Judge, case: &Case, flags: (bool, bool), out: &Out) -> Result<bool, String> {
    let Input::Events(path) = &case.input else {
        return Err(format!(
            "{}: an export rule sees events, no pictures; --events FILE or `events` in a case",
            case.name
        ));
    };
    let events = rules::events_file(path)?;
    let outcome = judge.run(&events, &case.settings, |_, log| {
        for (level, line) in log {
            crate::complain(&format!("{level:?}: {line}"));
        }
    });
    let outcome = outcome.map_err(|sentence| format!("{}: {sentence}", case.name))?;
    let budget = judge.package().manifest.budget;
    // The recorder's own setting is this one.
    compare(case, flags, (&outcome, Some(&outcome), budget), out)
}

/// The plugin, compiled both ways.
struct Bench {
    pure: Runner,
    live: Option<Runner>,
}

impl Bench {
    fn new(package: Package, quick: bool, out: &Out) -> Result<Self, String> {
        out.progress("compiling ...");
        let live = (!quick).then(|| Runner::new(package.clone(), Mode::Live)).transpose()?;
        let pure = Runner::new(package, Mode::Pure)?;
        out.progress("");
        Ok(Self { pure, live })
    }

    /// Whether the result is as expected.
    fn case(&self, case: &Case, flags: (bool, bool), out: &Out) -> Result<bool, String> {
        let fail = |sentence: String| format!("{}: {sentence}", case.name);
        let outcome = self.pass(&self.pure, case, out).map_err(fail)?;
        let live = self.live.as_ref().map(|live| self.pass(live, case, out)).transpose().map_err(fail)?;
        let budget = self.pure.package().manifest.budget;
        compare(case, flags, (&outcome, live.as_ref(), budget), out)
    }

    fn pass(&self, runner: &Runner, case: &Case, out: &Out) -> Result<Outcome, String> {
        let settings = runner.settings_json(&case.settings)?;
        let mut source = case.input.open(runner.package().manifest.output())?;
        let mut frames = 0_u64;
        let outcome = runner.run(&mut source, (&settings, &case.zones), |_| {
            frames += 1;
            if frames.is_multiple_of(25) {
                out.progress(&format!("{}: {frames} frames", case.name));
            }
            true
        });
        out.progress("");
        outcome
    }
}

/// Prints, writes or compares a result; true when it is as expected.
fn compare(
    case: &Case,
    (update, print_only): (bool, bool),
    (outcome, live, budget): (&Outcome, Option<&Outcome>, Budget),
    out: &Out,
) -> Result<bool, String> {
    let report = |verdict, changes: &[golden::Change]| {
        Report { name: &case.name, verdict, outcome, live, budget, changes }.tell(out);
    };
    if print_only {
        for line in &outcome.lines {
            out.text(&format!("{line}\n"));
        }
        report("printed", &[]);
        return Ok(true);
    }
    if update {
        golden::write(&case.golden, &outcome.lines)?;
        report("written", &[]);
        return Ok(true);
    }
    let expected = golden::read(&case.golden).map_err(|sentence| format!("{sentence}; --update writes it"))?;
    let changes = golden::changes(&expected, &outcome.lines);
    report(if changes.is_empty() { "ok" } else { "differs" }, &changes);
    Ok(changes.is_empty())
}

/// What is said about one case.
struct Report<'a> {
    name: &'a str,
    verdict: &'a str,
    outcome: &'a Outcome,
    live: Option<&'a Outcome>,
    budget: Budget,
    changes: &'a [golden::Change],
}

impl Report<'_> {
    fn tell(&self, out: &Out) {
        let Self { name, verdict, outcome, live, budget, changes } = self;
        let (fuel, memory_bytes) = (outcome.figures.fuel(), outcome.figures.memory_bytes);
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let mut text = format!(
            "{name}: {verdict}: {} events, {} refused, {} failures in {} frames\n",
            outcome.events, outcome.refused, outcome.failures, outcome.frames
        );
        if let Some(live) = live {
            let ms = live.figures.ms();
            text += &format!("  a call   p50 {:.2} ms, p95 {:.2} ms of {} ms\n", ms.p50, ms.p95, budget.ms_per_frame);
            if !live.same(outcome) {
                text +=
                    "  the recorder's own settings give another result: floats, or a call that comes near its time\n";
            }
        }
        text += &format!("  work     p50 {:.0}, p95 {:.0} instructions\n", fuel.p50, fuel.p95);
        text += &format!("  memory   {:.1} MiB of {} MiB", mib(memory_bytes), budget.memory_mib);
        if !changes.is_empty() {
            text += "\n  - expected, + new\n";
            text += golden::show(changes).trim_end();
        }
        let ms = live.map(|live| live.figures.ms());
        let object = json!({
            "case": name,
            "result": verdict,
            "frames": outcome.frames,
            "events": outcome.events,
            "refused": outcome.refused,
            "failures": outcome.failures,
            "ms_p50": ms.map(|ms| ms.p50),
            "ms_p95": ms.map(|ms| ms.p95),
            "ms_budget": budget.ms_per_frame,
            "live_same": live.map(|live| live.same(outcome)),
            "fuel_p50": fuel.p50,
            "fuel_p95": fuel.p95,
            "memory_bytes": memory_bytes,
            "memory_budget_bytes": u64::from(budget.memory_mib) << 20,
            "changes": changes.len(),
        });
        out.figures(&text, &object);
    }
}
