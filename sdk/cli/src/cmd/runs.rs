//! The part of `validate` that runs the plugin: the same input twice, and settings that nobody would choose.

use crate::out::Out;
use serde_json::{Map, json};
use watchbook_plugin_host::Package;
use watchbook_plugin_testkit::scene::{SCENES, SEED_DEFAULT};
use watchbook_plugin_testkit::{Mode, Runner, Source, fuzz};

/// Settings that are tried when nothing is said.
pub(crate) const RUNS: std::ops::RangeInclusive<u32> = 1..=fuzz::RUNS_MAX;

/// Whether two runs on every drawn scene give the same, and what the plugin does with `runs` settings that its manifest allows and as many that it does not.
/// Each problem is a line.
pub(crate) fn problems(package: Package, runs: u32, out: &Out) -> Result<Vec<String>, String> {
    let output = package.manifest.output();
    out.progress("compiling ...");
    let runner = Runner::new(package, Mode::Pure)?;
    let settings = runner.settings_json(&Map::new())?;
    let mut problems = Vec::new();
    for (name, scene, _) in SCENES {
        out.progress(&format!("{name}, twice ..."));
        let size = (output.width, output.height);
        let pass = || {
            let mut source = Source::Scene(Box::new(scene.pictures(size, output.fps_max, SEED_DEFAULT)));
            runner.run(&mut source, (&settings, &[]), |_| true)
        };
        let (one, other) = (pass()?, pass()?);
        if !one.same(&other) {
            problems.push(format!("two runs on the scene {name} give different results"));
        }
        if one.failures > 0 {
            problems.push(format!(
                "{} calls on the scene {name} fail; `watchbook-plugin test --scene {name}` shows them",
                one.failures
            ));
        }
        if one.refused > 0 {
            problems.push(format!("{} marks on the scene {name} would be refused", one.refused));
        }
    }
    out.progress(&format!("{runs} settings ..."));
    let report = fuzz::settings(&runner, runs, SEED_DEFAULT)?;
    out.progress("");
    for (settings, sentence) in &report.findings {
        problems
            .push(format!("the manifest allows the settings {settings}, and the plugin fails with them: {sentence}"));
    }
    let fuzz::Report { within, outside, outside_refused, outside_trapped, .. } = report;
    out.result(
        &format!(
            "run with {within} settings that the manifest allows and {outside} that it does not: of these the plugin refuses {outside_refused} and traps on {outside_trapped}"
        ),
        &json!({ "within": within, "outside": outside, "outside_refused": outside_refused, "outside_trapped": outside_trapped }),
    );
    Ok(problems)
}
