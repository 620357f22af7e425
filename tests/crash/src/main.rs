//! `watchbook-crash`: crashes the ring, again and again, and prints what was lost.
#![allow(clippy::print_stdout, reason = "printing what was found is what this program is for")]

use pico_args::Arguments;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use watchbook_crash::child::{self, Job};
use watchbook_crash::error::{Attempt as _, ensure};
use watchbook_crash::flakey::Flakey;
use watchbook_crash::power::{self, PowerCut};
use watchbook_crash::rounds::{self, Machine, Running};
use watchbook_crash::shutdown::LoopMount;
use watchbook_crash::sim::script::Script;
use watchbook_crash::sim::{self, Tally};
use watchbook_crash::vm::{self, Kit};
use watchbook_crash::{Error, Result, kill};

/// A round of dm-flakey in an emulated machine on a busy host.
const FLAKEY_PATIENCE: Duration = Duration::from_secs(60);

/// What a command came to.
enum Outcome {
    /// Every promise was kept.
    Kept,
    /// One was not, or nothing was shown.
    Broken,
    /// It cannot be done on this machine, and why.
    Skipped(String),
}

impl Outcome {
    fn of(kept: bool) -> Self {
        if kept { Self::Kept } else { Self::Broken }
    }
}

/// A command.
type Do = fn(Arguments) -> Result<Outcome>;

/// Exit code of a command that could not be done here.
const SKIPPED: u8 = 2;

const HELP: &str = "\
Crashes the ring and says what was lost.

USAGE
  watchbook-crash sim [--seeds N] [--from N] [--seed N] [--steps N] [--life N --step N] [--times N] [--jobs N] [--lie]
  watchbook-crash kill     [--rounds N] [--seed N] [--tell] [--dir DIR]
  watchbook-crash shutdown [--rounds N] [--seed N] [--tell]
  watchbook-crash power    [--rounds N] [--seed N] [--tell] [--lie]
  watchbook-crash flakey   [--rounds N] [--seed N] [--tell]
  watchbook-crash all

sim  A simulated box. Every seed is one life with several power cuts and, by chance, failing writes and syncs, rot, a lost, older or
     foreign index, and clock steps.
  --seeds N          so many seeds                              [1000]
  --from N           the first of them                          [0]
  --seed N           this one alone, to replay it
  --steps N          so many short lives, each cut at every one of its steps  [4]
  --life N --step N  one of those alone
  --times N          the one life so many times: threads interleave otherwise each time  [1]
  --jobs N           at a time                                  [one a processor]
  --lie              a disk that reports syncs it does not do: broken promises are what is expected

The others crash the real store and index on a real file system, at load, at moments that a seed chooses.
  kill               100 times SIGKILL
  shutdown           20 times ext4's shutdown ioctl on a loop mount (root, loop devices)
  power              12 times a virtual machine is killed over a disk that loses what was not flushed (QEMU)
  flakey             20 times a disk drops all writes from one moment on, in one virtual machine (QEMU)
  --rounds N         so many crashes
  --seed N           when they come                             [1]
  --tell             a line about each round
  --dir DIR          where the ring lies                        [a temporary folder]
  --lie              a disk that ignores flushes: it must be found out

Ends with 0 when every promise was kept, 1 when one was not, 2 when the command cannot be done on this machine. `all` goes on without
what cannot be done, and tells at its end what that was.
";

fn main() -> ExitCode {
    // What the store has to say is of interest when one life is replayed: RUST_LOG=warn.
    let filter = tracing_subscriber::EnvFilter::new(std::env::var("RUST_LOG").unwrap_or_else(|_| "off".to_owned()));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Arguments::from_env()) {
        Ok(Outcome::Kept) => ExitCode::SUCCESS,
        Ok(Outcome::Broken) => ExitCode::FAILURE,
        Ok(Outcome::Skipped(why)) => {
            println!("SKIPPED: {why}");
            ExitCode::from(SKIPPED)
        }
        Err(error) => {
            eprintln!("watchbook-crash: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: Arguments) -> Result<Outcome> {
    if args.contains(["-h", "--help"]) {
        print!("{HELP}");
        return Ok(Outcome::Kept);
    }
    match args.subcommand().attempt("reading the command")?.as_deref() {
        Some("sim") => simulate(args),
        Some("kill") => kill(args),
        Some("shutdown") => shut_down(args),
        Some("power") => power(args),
        Some("flakey") => flakey(args),
        Some("flakey-guest") => flakey_guest(args),
        Some("all") => all(args),
        Some("child") => child::run(&Job::parse(args)?).map(|()| Outcome::Kept),
        other => Err(Error(format!("there is no command {other:?}; see --help"))),
    }
}

/// Everything at length, one behind the other; what fails, or cannot be done, does not keep the rest from being done.
fn all(args: Arguments) -> Result<Outcome> {
    done(args)?;
    let plan: [(&str, &[&str], Do); 6] = [
        ("sim", &[], simulate),
        ("kill", &[], kill),
        ("shutdown", &[], shut_down),
        ("power", &[], power),
        ("power --lie", &["--lie", "--rounds", "3"], power),
        ("flakey", &[], flakey),
    ];
    let parts = plan.len();
    let (mut good, mut skipped) = (true, Vec::new());
    for (name, words, work) in plan {
        match work(Arguments::from_vec(words.iter().map(OsString::from).collect())) {
            Ok(Outcome::Kept) => {}
            Ok(Outcome::Broken) => good = false,
            Ok(Outcome::Skipped(why)) => {
                println!("SKIPPED: {name}: {why}");
                skipped.push(format!("{name} ({why})"));
            }
            Err(error) => {
                println!("FAILED: {name}: {error}");
                good = false;
            }
        }
    }
    // The last line is the one that is read.
    let names = if skipped.is_empty() { String::new() } else { format!(": {}", skipped.join("; ")) };
    println!("{} of {parts} skipped{names}", skipped.len());
    Ok(Outcome::of(good))
}

fn number(args: &mut Arguments, name: &'static str) -> Result<Option<u64>> {
    args.opt_value_from_str(name).attempt(name)
}

fn done(args: Arguments) -> Result<()> {
    let rest = args.finish();
    if rest.is_empty() { Ok(()) } else { Err(Error(format!("did not understand {rest:?}; see --help"))) }
}

fn simulate(mut args: Arguments) -> Result<Outcome> {
    let lying = args.contains("--lie");
    let seeds = number(&mut args, "--seeds")?.unwrap_or(1000);
    let from = number(&mut args, "--from")?.unwrap_or(0);
    let seed = number(&mut args, "--seed")?;
    let steps = number(&mut args, "--steps")?.unwrap_or(4);
    let one = number(&mut args, "--life")?.zip(number(&mut args, "--step")?);
    let times = number(&mut args, "--times")?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = number(&mut args, "--jobs")?.and_then(|jobs| usize::try_from(jobs).ok()).unwrap_or(processors);
    done(args)?;
    let life = match (seed, one) {
        (Some(seed), _) => sim::seeds(seed, seed + 1).into_iter().next(),
        (None, Some((life, step))) => Some((format!("sim --life {life} --step {step}"), Script::cut_at(life, step))),
        (None, None) => None,
    };
    if let Some((name, script)) = life {
        println!("{script:?}");
        let lives: Vec<_> = (0..times.unwrap_or(1)).map(|_| (name.clone(), script.clone())).collect();
        return Ok(Outcome::of(report("the life", &sim::run(&lives, jobs, lying), Instant::now())));
    }
    ensure(times.is_none(), || "--times repeats one life: --seed, or --life and --step, say which".to_owned())?;
    let begun = Instant::now();
    let good = report("lives by seed", &sim::run(&sim::seeds(from, from + seeds), jobs, lying), begun);
    let begun = Instant::now();
    let mut lives = Vec::new();
    for life in 0..steps {
        lives.extend(sim::every_step(life).attempt(format!("living short life {life} undisturbed"))?);
    }
    Ok(Outcome::of(report("lives cut at every step", &sim::run(&lives, jobs, lying), begun) && good))
}

fn kill(mut args: Arguments) -> Result<Outcome> {
    let options = options(&mut args, 100)?;
    let dir: Option<PathBuf> = args.opt_value_from_str("--dir").attempt("--dir")?;
    done(args)?;
    let folder = tempfile::tempdir().attempt("making a folder")?;
    let job = kill::job(dir.as_deref().unwrap_or(folder.path()));
    let tally = crash("kill", &mut kill::Process::new(None)?, &job, options);
    Ok(judged("kill", &tally, options))
}

/// The options that all rounds share: how many, which seed, and whether each is told.
fn options(args: &mut Arguments, rounds: u32) -> Result<(u32, u64, bool)> {
    let rounds = number(args, "--rounds")?.and_then(|rounds| u32::try_from(rounds).ok()).unwrap_or(rounds);
    Ok((rounds, number(args, "--seed")?.unwrap_or(1), args.contains("--tell")))
}

fn shut_down(mut args: Arguments) -> Result<Outcome> {
    let options = options(&mut args, 20)?;
    done(args)?;
    let folder = tempfile::tempdir().attempt("making a folder")?;
    match LoopMount::new(folder.path()) {
        Ok(mut mount) => {
            let job = kill::job(mount.dir());
            let tally = crash("shutdown", &mut mount, &job, options);
            Ok(judged("shutdown", &tally, options))
        }
        Err(why) => Ok(Outcome::Skipped(format!("no file system was shut down, because {why}"))),
    }
}

fn kit(folder: &Path) -> Result<Kit> {
    Kit::make(&std::env::current_exe().attempt("finding this program")?, folder)
}

fn power(mut args: Arguments) -> Result<Outcome> {
    let options = options(&mut args, 12)?;
    let lying = args.contains("--lie");
    done(args)?;
    if let Some(why) = vm::missing() {
        return Ok(Outcome::Skipped(format!("no power was cut, because {why}")));
    }
    let folder = tempfile::tempdir().attempt("making a folder")?;
    let kit = kit(folder.path())?;
    let mut machine = PowerCut::new(&kit, folder.path(), lying)?;
    let tally = crash(if lying { "power --lie" } else { "power" }, &mut machine, &power::job(), options);
    let (kept, lost) = machine.blocks;
    println!("  {} flushes; of {} blocks in the disk's cache {lost} were lost", machine.flushes(), kept + lost);
    if !lying {
        return Ok(judged("power", &tally, options));
    }
    // A machine that does not even come up again has lost enough, but one that never recorded shows nothing. What holds have lost does not count here.
    let found_out = !(tally.broken.is_empty() && tally.stopped.is_none()) && tally.recorded > 0 && lost > 0;
    tell(&tally.wrong(0));
    println!("  the lying disk was {}", if found_out { "found out" } else { "NOT found out" });
    Ok(Outcome::of(found_out))
}

fn flakey(mut args: Arguments) -> Result<Outcome> {
    let (rounds, seed, tell) = options(&mut args, 20)?;
    done(args)?;
    if let Some(why) = vm::missing() {
        return Ok(Outcome::Skipped(format!("no writes were dropped, because {why}")));
    }
    let folder = tempfile::tempdir().attempt("making a folder")?;
    let image = folder.path().join("disk");
    std::fs::write(&image, vm::ext4(power::DISK_BYTES, folder.path())?).attempt("writing the disk")?;
    let drive = format!("if=none,id=disk,format=raw,cache=unsafe,file={}", image.display());
    let words = ["flakey-guest", "--rounds", &rounds.to_string(), "--seed", &seed.to_string()].map(OsString::from);
    let guest = Running::start(&mut kit(folder.path())?.qemu(&words, &drive))?;
    let deadline = Instant::now() + FLAKEY_PATIENCE * (rounds + 4);
    while let Some(line) = guest.line(deadline) {
        if tell {
            println!("{line}");
        }
        if let Some((_, verdict)) = line.split_once("WB flakey ") {
            println!("flakey: {verdict}");
            return Ok(Outcome::of(verdict.starts_with("good")));
        }
    }
    Err(Error("the guest did not come to its end; --tell shows how far it came".to_owned()))
}

fn flakey_guest(mut args: Arguments) -> Result<Outcome> {
    let (rounds, seed, _) = options(&mut args, 20)?;
    done(args)?;
    let tally = Flakey::new()
        .map(|mut machine| rounds::run(&mut machine, &power::job(), (rounds, seed), &mut |line| println!("{line}")));
    let (good, text) = match tally {
        Ok(tally) => {
            let wrong = tally.wrong(rounds);
            let replay = if wrong.is_empty() { String::new() } else { replay("flakey", &tally, (rounds, seed)) };
            (wrong.is_empty(), format!("seed {seed}: {} {wrong:?} {replay}", tally.line()))
        }
        Err(error) => (false, error.0),
    };
    println!("{}", watchbook_crash::flakey::verdict(good, &text));
    Ok(Outcome::of(good))
}

/// Runs rounds, and prints what they came to.
fn crash(what: &str, machine: &mut dyn Machine, job: &Job, (rounds, seed, tell): (u32, u64, bool)) -> rounds::Tally {
    let begun = Instant::now();
    let tally = rounds::run(machine, job, (rounds, seed), &mut |line| {
        if tell {
            println!("{line}");
        }
    });
    println!("{what}, seed {seed}: {} in {:.1} s", tally.line(), begun.elapsed().as_secs_f64());
    tally
}

/// Prints what is wrong with the rounds of `command`, and how to see it again.
fn judged(command: &str, tally: &rounds::Tally, (rounds, seed, _): (u32, u64, bool)) -> Outcome {
    let wrong = tally.wrong(rounds);
    tell(&wrong);
    if !wrong.is_empty() {
        println!("    {}", replay(command, tally, (rounds, seed)));
    }
    Outcome::of(wrong.is_empty())
}

fn tell(wrong: &[String]) {
    wrong.iter().take(20).for_each(|why| println!("  {why}"));
}

/// All rounds share one ring, so that it takes those before to come to the one that failed.
fn replay(command: &str, tally: &rounds::Tally, (rounds, seed): (u32, u64)) -> String {
    format!("replay: watchbook-crash {command} --seed {seed} --rounds {}", tally.rounds_to_replay(rounds))
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
