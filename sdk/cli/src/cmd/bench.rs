//! `bench`: what a plugin costs.

use crate::cmd::input::{Wanted, common_help};
use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::{Value, json};
use watchbook_plugin_testkit::bench::{CALLS, CALLS_DEFAULT, measure};
use watchbook_plugin_testkit::{Mode, Runner, Spread};

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    summary: "measures compiling, starting, the first call and all others",
    help: concat!(
        "\
watchbook-plugin bench CLIP [OPTIONS]
watchbook-plugin bench --scene NAME [OPTIONS]

  --calls N          frames to measure, 10 to 100000; the clip is shown again and again  [1000]
",
        common_help!(),
        "
The plugin runs as in the recorder. Times of calls are processor time; nothing else should run.
"
    ),
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let calls: u32 = arguments.opt_value_from_str("--calls").map_err(usage("bench"))?.unwrap_or(CALLS_DEFAULT);
    if !CALLS.contains(&calls) {
        return Err(format!("--calls is {calls}; {} to {} are allowed", CALLS.start(), CALLS.end()));
    }
    let wanted = Wanted::take(&mut arguments, "bench")?;
    finish(arguments)?;
    let package = wanted.package()?;
    let input = wanted.input("bench")?;
    out.progress("compiling ...");
    let runner = Runner::new(package, Mode::Live)?;
    let settings = runner.settings_json(&wanted.settings)?;
    let mut source = input.open(runner.package().manifest.output())?;
    out.progress("measuring ...");
    let bench = measure(&runner, &mut source, (&settings, &wanted.zones), calls)?;
    out.progress("");
    let budget = runner.package().manifest.budget;
    let (ms, memory) = (bench.calls.ms(), bench.calls.memory_bytes);
    let compile_ms = bench.compile.as_secs_f64() * 1e3;
    let mut text = format!("compile        {compile_ms:.1} ms\n");
    let rows = [
        ("instantiate", bench.instantiate_ms),
        ("start", bench.start_ms),
        ("first call", bench.first_call_ms),
        ("call", ms),
    ];
    for (name, Spread { p50, p95, p99, max }) in rows {
        text += &format!("{name:<14} p50 {p50:.3}  p95 {p95:.3}  p99 {p99:.3}  max {max:.3} ms\n");
    }
    let (mib, part) = (memory as f64 / f64::from(1 << 20), ms.p95 / f64::from(budget.ms_per_frame) * 100.0);
    text += &format!("memory         {mib:.1} MiB of {} MiB\n", budget.memory_mib);
    text += &format!("of its budget  {part:.1} % of {} ms a frame at p95", budget.ms_per_frame);
    let spread = |Spread { p50, p95, p99, max }: Spread| json!({ "p50": p50, "p95": p95, "p99": p99, "max": max });
    let object: Value = json!({
        "compile_ms": compile_ms,
        "instantiate_ms": spread(bench.instantiate_ms),
        "start_ms": spread(bench.start_ms),
        "first_call_ms": spread(bench.first_call_ms),
        "call_ms": spread(ms),
        "calls": bench.calls.calls,
        "memory_bytes": memory,
        "ms_budget": budget.ms_per_frame,
        "memory_budget_bytes": u64::from(budget.memory_mib) << 20,
    });
    out.result(&text, &object);
    Ok(())
}
