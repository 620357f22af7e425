//! `watchbook-crash`: crashes the ring, again and again, and prints what was lost.
#![allow(clippy::print_stdout, reason = "printing what was found is what this program is for")]

use pico_args::Arguments;
use std::process::ExitCode;
use std::time::Instant;
use watchbook_crash::error::Attempt as _;
use watchbook_crash::sim::script::Script;
use watchbook_crash::sim::{self, Tally};
use watchbook_crash::{Error, Result};

const HELP: &str = "\
Crashes the ring and says what was lost.

USAGE
  watchbook-crash sim [--seeds N] [--from N] [--seed N] [--steps N] [--life N --step N] [--jobs N] [--lie]

sim  A simulated box. Every seed is one life with several power cuts and, by chance, failing writes and syncs, rot, a lost, older or
     foreign index, and clock steps.
  --seeds N          so many seeds                              [1000]
  --from N           the first of them                          [0]
  --seed N           this one alone, to replay it
  --steps N          so many short lives, each cut at every one of its steps  [4]
  --life N --step N  one of those alone
  --jobs N           at a time                                  [one a processor]
  --lie              a disk that reports syncs it does not do: broken promises are what is expected
";

fn main() -> ExitCode {
    // What the store has to say is of interest when one life is replayed: RUST_LOG=warn.
    let filter = tracing_subscriber::EnvFilter::new(std::env::var("RUST_LOG").unwrap_or_else(|_| "off".to_owned()));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Arguments::from_env()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("watchbook-crash: {error}");
            ExitCode::FAILURE
        }
    }
}

/// True when every promise was kept.
fn run(mut args: Arguments) -> Result<bool> {
    if args.contains(["-h", "--help"]) {
        print!("{HELP}");
        return Ok(true);
    }
    match args.subcommand().attempt("reading the command")?.as_deref() {
        Some("sim") => simulate(args),
        other => Err(Error(format!("there is no command {other:?}; see --help"))),
    }
}

fn number(args: &mut Arguments, name: &'static str) -> Result<Option<u64>> {
    args.opt_value_from_str(name).attempt(name)
}

fn done(args: Arguments) -> Result<()> {
    let rest = args.finish();
    if rest.is_empty() { Ok(()) } else { Err(Error(format!("did not understand {rest:?}; see --help"))) }
}

fn simulate(mut args: Arguments) -> Result<bool> {
    let lying = args.contains("--lie");
    let seeds = number(&mut args, "--seeds")?.unwrap_or(1000);
    let from = number(&mut args, "--from")?.unwrap_or(0);
    let seed = number(&mut args, "--seed")?;
    let steps = number(&mut args, "--steps")?.unwrap_or(4);
    let one = number(&mut args, "--life")?.zip(number(&mut args, "--step")?);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = number(&mut args, "--jobs")?.and_then(|jobs| usize::try_from(jobs).ok()).unwrap_or(processors);
    done(args)?;
    if let Some(seed) = seed {
        println!("{:?}", Script::of(seed));
        return Ok(report("the life", &sim::run(&sim::seeds(seed, seed + 1), 1, lying), Instant::now()));
    }
    if let Some((life, step)) = one {
        let script = (format!("sim --life {life} --step {step}"), Script::cut_at(life, step));
        return Ok(report("the life", &sim::run(&[script], 1, lying), Instant::now()));
    }
    let begun = Instant::now();
    let good = report("lives by seed", &sim::run(&sim::seeds(from, from + seeds), jobs, lying), begun);
    let begun = Instant::now();
    let mut lives = Vec::new();
    for life in 0..steps {
        lives.extend(sim::every_step(life).attempt(format!("living short life {life} undisturbed"))?);
    }
    Ok(report("lives cut at every step", &sim::run(&lives, jobs, lying), begun) && good)
}

fn report(what: &str, tally: &Tally, begun: Instant) -> bool {
    let sum = &tally.sum;
    println!(
        "{what}: {} in {:.1} s; {} power cuts, {} commits, {} samples overwritten, {} dropped, index made anew {} times; most lost at a cut {} ms; broken {}",
        tally.lives,
        begun.elapsed().as_secs_f64(),
        sum.cuts,
        sum.commits,
        sum.evicted,
        sum.dropped,
        sum.rebuilt,
        sum.lost_nanos_max / 1_000_000,
        tally.broken.len()
    );
    for (replay, error) in tally.broken.iter().take(20) {
        println!("  {error}\n    replay: watchbook-crash {replay}");
    }
    tally.broken.is_empty()
}
