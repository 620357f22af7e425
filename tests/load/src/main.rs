//! `watchbook-load`: measures recorders and prints tables.
#![allow(clippy::print_stdout, reason = "printing tables is what this program is for")]

use pico_args::Arguments;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use watchbook_load::capture::silence;
use watchbook_load::clip::{self, Clip, Shape};
use watchbook_load::error::Attempt as _;
use watchbook_load::measure::Conditions;
use watchbook_load::recorders::{Recorder, ffmpeg::Ffmpeg, floor, moonfire::Moonfire, on_path, watchbook::Watchbook};
use watchbook_load::table::Row;
use watchbook_load::{Error, Result, capture, first_byte, measure, meter, plugins, store, table};

const HELP: &str = "\
Measures Watchbook beside its peers. Takes about a quarter of an hour; nothing else should run.

USAGE
  watchbook-load [OPTIONS]
  watchbook-load store [OPTIONS]    the store alone, without cameras and network; see store --help
  watchbook-load plugins [OPTIONS]  the plugin platform alone; see plugins --help
  watchbook-load capture [OPTIONS]  cameras alone, without disk and page; see capture --help

OPTIONS
  --cameras LIST     numbers of cameras                        [1,16,64]
  --seconds N        length of each measurement                [60]
  --recorders LIST   of watchbook, moonfire, ffmpeg, floor     [all]
  --udp              packets over UDP instead of TCP
  --moonfire FILE    where moonfire-nvr is                     [the path]
  --programs DIR     where watchbook and its programs are      [beside this program]
  --folder DIR       where disks and logs go for a while       [the system's temporary folder]
  --out FILE         write the tables there too
  --no-first-byte    leave out the playing from a filled ring
  --no-recording     leave out everything else
  --smoke            two cameras with a small picture for a few seconds: does the harness work?
  --skip-every N     leave out every N-th frame, to see it counted
  -h, --help         this text

A fresh ext4 on a loop device is made for each recorder; without the rights for that (root), device bytes and flushes are left out.
A recorder that is not installed has a line that says so.
";

const STORE_HELP: &str = "\
Measures the store alone. Takes about half an hour and 15 GB for a while; nothing else should run.

USAGE
  watchbook-load store [OPTIONS]

OPTIONS
  --bench LIST       of ceiling, latency, leaves, export, week, recovery, query [all]
                     ceiling   what the store takes when nothing else is in the way, beside the disk itself
                     latency   commits at the pace of cameras: times, flushes and bytes of the device
                     leaves    what it costs to have the hashes of footage in the audit log
                     export    an MP4 out of the ring beside cat of the same bytes
                     week      what the index writes in a simulated week
                     recovery  restarts on a full ring of 8 TiB (payloads on paper), and questions to its million spans
                     query     questions to ten million spans
  --streams LIST     numbers of streams for latency                            [1,16,64,200]
  --seconds N        length of each paced measurement                          [30]
  --folder DIR       where disks go for a while                                [the system's temporary folder]
  --keep DIR         where the ring of recovery is kept, 12 GB, and taken from the next time
  --out FILE         write the tables there too
  --tiny             sizes at which everything takes seconds: does it work?
  -h, --help         this text

Device bytes need a loop device, and cold caches need /proc/sys/vm/drop_caches: run it as root.
";

const PLUGINS_HELP: &str = "\
Measures the plugin platform. Takes about a minute, and four more with storm; nothing else should run.

USAGE
  watchbook-load plugins [OPTIONS]

OPTIONS
  --bench LIST       of hand-over, cost, inference, limits, storm [all but storm]
                     hand-over  a frame from the recorder to a plugin, and its mark back
                     cost       what a call and a start cost
                     inference  a neural network in the host, beside plain loops
                     limits     how soon a plugin that goes wrong is stopped
                     storm      a station with 16 cameras and the motion plugin, alone and beside a hostile set
  --seconds N        length of each of the two runs of storm     [60]
  --folder DIR       where the station of storm is for a while   [the system's temporary folder]
  --programs DIR     where watchbook and its programs are        [beside this program]
  --plugins DIR      where the built plugins are                 [$WATCHBOOK_PLUGINS, or plugins beside this program's folder]
  --out FILE         write the table there too
  --tiny             numbers at which everything takes a moment: does it work?
  -h, --help         this text

`make plugins` builds what it needs. Plugins of the conformance set, in the folder conformance beside the plugins, have a line each when they are there.
";

const CAPTURE_HELP: &str = "\
Measures RTSP sessions of capture with simulated cameras on the loopback, without disk and page. Takes about twelve minutes; nothing else should run.

USAGE
  watchbook-load capture [OPTIONS]

OPTIONS
  --bench LIST       of outages, restart, silence, v4l2, loss, transcode  [all]
                     outages  100 outages of random length: how soon a camera that is back is recorded
                     restart  64 cameras that come back together
                     silence  100 times a network that carries nothing for a random time: how soon its cameras are recorded again
                     v4l2     processor time of a device's stream by the path that its pictures take
                     transcode  processor time of a live picture in H.265 that is transcoded, beside ffmpeg
                     loss     1 % of the packets lost over UDP: what is counted, and what is kept
  --seed N           of all that is random                     [1]
  --out FILE         write the tables there too
  --tiny             sizes at which everything takes seconds: does it work?
  -h, --help         this text
";

/// What the command line asks for.
struct Wanted {
    cameras: Vec<u16>,
    recorders: Vec<String>,
    conditions: Conditions,
    shape: Shape,
    first_byte: bool,
    moonfire: Option<PathBuf>,
    programs: PathBuf,
    folder: PathBuf,
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(Arguments::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("watchbook-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: Arguments) -> Result<()> {
    let command = args.subcommand().attempt("reading the command")?;
    if args.contains(["-h", "--help"]) {
        print!(
            "{}",
            match command.as_deref() {
                Some("store") => STORE_HELP,
                Some("plugins") => PLUGINS_HELP,
                Some("capture") => CAPTURE_HELP,
                _ => HELP,
            }
        );
        return Ok(());
    }
    match command.as_deref() {
        Some("floor") => {
            let words = words(args);
            let (folder, urls) = words.split_first().attempt("finding the floor's folder")?;
            return floor::record(folder.as_ref(), urls);
        }
        // The two ends of the networks of `capture --bench silence`.
        Some("silent-cameras") => return silence::cameras(&words(args)),
        Some("silence") => return silence::inside(&words(args)),
        Some("store") => return store_alone(args),
        Some("plugins") => return plugins_alone(args),
        Some("capture") => return capture_alone(args),
        _ => {}
    }
    let wanted = parse(args)?;
    let machine = meter::machine();
    let mut text = String::new();
    if !wanted.cameras.is_empty() {
        let clip = Clip::cached(wanted.shape, &clip::cache())?;
        let rows = measure_all(&wanted, &clip);
        text = table::recording(&rows, &wanted.conditions, &machine) + "\n";
    }
    if wanted.first_byte {
        text.push_str(&first_byte(&wanted));
    }
    println!("\n{text}");
    if let Some(out) = &wanted.out {
        std::fs::write(out, &text).attempt(format!("writing {}", out.display()))?;
    }
    Ok(())
}

fn words(args: Arguments) -> Vec<String> {
    args.finish().into_iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

fn store_alone(mut args: Arguments) -> Result<()> {
    let tiny = args.contains("--tiny");
    let mut list = |name: &'static str, default: &str| -> Result<Vec<String>> {
        let text: Option<String> = args.opt_value_from_str(name).attempt(name)?;
        Ok(text.as_deref().unwrap_or(default).split(',').map(str::to_owned).collect())
    };
    let all: Vec<&str> = store::BENCHES.iter().map(|(name, _)| *name).collect();
    let benches = list("--bench", &all.join(","))?;
    let streams = list("--streams", if tiny { "2" } else { "1,16,64,200" })?;
    let seconds: Option<u64> = args.opt_value_from_str("--seconds").attempt("--seconds")?;
    let folder: Option<PathBuf> = args.opt_value_from_str("--folder").attempt("--folder")?;
    let keep: Option<PathBuf> = args.opt_value_from_str("--keep").attempt("--keep")?;
    let out: Option<PathBuf> = args.opt_value_from_str("--out").attempt("--out")?;
    let wanted = store::Wanted {
        benches,
        streams: streams.iter().map(|text| text.parse().attempt("--streams")).collect::<Result<_>>()?,
        seconds: seconds.unwrap_or(if tiny { 2 } else { 30 }),
        folder: folder.unwrap_or_else(std::env::temp_dir),
        keep,
        tiny,
    };
    let rest = args.finish();
    if !rest.is_empty() {
        return Err(Error(format!("did not understand {rest:?}; see store --help")));
    }
    let text = format!("The store alone. {}.\n\n{}", meter::machine(), store::run(&wanted)?);
    println!("\n{text}");
    out.map_or(Ok(()), |out| std::fs::write(&out, &text).attempt(format!("writing {}", out.display())))
}

fn capture_alone(mut args: Arguments) -> Result<()> {
    let tiny = args.contains("--tiny");
    let benches: Option<String> = args.opt_value_from_str("--bench").attempt("--bench")?;
    let seed: Option<u64> = args.opt_value_from_str("--seed").attempt("--seed")?;
    let out: Option<PathBuf> = args.opt_value_from_str("--out").attempt("--out")?;
    let rest = args.finish();
    if !rest.is_empty() {
        return Err(Error(format!("did not understand {rest:?}; see capture --help")));
    }
    let all: Vec<&str> = capture::BENCHES.iter().map(|(name, _)| *name).collect();
    let benches = benches.unwrap_or_else(|| all.join(",")).split(',').map(str::to_owned).collect();
    let wanted = capture::Wanted { benches, seed: seed.unwrap_or(1), tiny };
    let text = format!("Capture alone. {}.\n\n{}", meter::machine(), capture::run(&wanted)?);
    println!("\n{text}");
    out.map_or(Ok(()), |out| std::fs::write(&out, &text).attempt(format!("writing {}", out.display())))
}

fn plugins_alone(mut args: Arguments) -> Result<()> {
    let own = std::env::current_exe().attempt("finding this program")?;
    let beside = own.parent().map(PathBuf::from).unwrap_or_default();
    let built = std::env::var_os("WATCHBOOK_PLUGINS").map(PathBuf::from);
    let built = built.unwrap_or_else(|| beside.parent().map(|target| target.join("plugins")).unwrap_or_default());
    let tiny = args.contains("--tiny");
    let programs: Option<PathBuf> = args.opt_value_from_str("--programs").attempt("--programs")?;
    let folder: Option<PathBuf> = args.opt_value_from_str("--plugins").attempt("--plugins")?;
    let out: Option<PathBuf> = args.opt_value_from_str("--out").attempt("--out")?;
    let benches: Option<String> = args.opt_value_from_str("--bench").attempt("--bench")?;
    let seconds: Option<u64> = args.opt_value_from_str("--seconds").attempt("--seconds")?;
    let scratch: Option<PathBuf> = args.opt_value_from_str("--folder").attempt("--folder")?;
    let rest = args.finish();
    if !rest.is_empty() {
        return Err(Error(format!("did not understand {rest:?}; see plugins --help")));
    }
    let benches: Vec<String> =
        benches.as_deref().unwrap_or("hand-over,cost,inference,limits").split(',').map(str::to_owned).collect();
    if let Some(strange) = benches.iter().find(|name| !plugins::BENCHES.iter().any(|(known, _)| known == name)) {
        return Err(Error(format!("there is no measurement {strange:?}; see plugins --help")));
    }
    let wanted = plugins::Wanted {
        programs: programs.unwrap_or(beside),
        plugins: folder.unwrap_or(built),
        benches,
        window: Duration::from_secs(seconds.unwrap_or(60)),
        folder: scratch.unwrap_or_else(std::env::temp_dir),
        tiny,
    };
    let text = format!("The plugin platform. {}.\n\n{}", meter::machine(), plugins::run(&wanted));
    println!("\n{text}");
    out.map_or(Ok(()), |out| std::fs::write(&out, &text).attempt(format!("writing {}", out.display())))
}

fn parse(mut args: Arguments) -> Result<Wanted> {
    let smoke = args.contains("--smoke");
    let udp = args.contains("--udp");
    let first_byte = !args.contains("--no-first-byte") && !smoke;
    let recording = !args.contains("--no-recording");
    let mut list = |name: &'static str, default: &str| -> Result<Vec<String>> {
        let text: Option<String> = args.opt_value_from_str(name).attempt(name)?;
        Ok(text.as_deref().unwrap_or(default).split(',').map(str::to_owned).collect())
    };
    let cameras = list("--cameras", if smoke { "2" } else { "1,16,64" })?;
    let recorders =
        list("--recorders", if udp { "watchbook,moonfire,ffmpeg" } else { "watchbook,moonfire,ffmpeg,floor" })?;
    let seconds: Option<u64> = args.opt_value_from_str("--seconds").attempt("--seconds")?;
    let skip_every: Option<u64> = args.opt_value_from_str("--skip-every").attempt("--skip-every")?;
    let own = std::env::current_exe().attempt("finding this program")?;
    let beside = own.parent().map(PathBuf::from).unwrap_or_default();
    let mut path = |name: &'static str| -> Result<Option<PathBuf>> { args.opt_value_from_str(name).attempt(name) };
    let wanted = Wanted {
        cameras: match recording {
            true => cameras.iter().map(|text| text.parse().attempt("--cameras")).collect::<Result<_>>()?,
            false => Vec::new(),
        },
        recorders,
        conditions: Conditions {
            cameras: 0,
            warm_up: Duration::from_secs(if smoke { 2 } else { 10 }),
            window: Duration::from_secs(seconds.unwrap_or(if smoke { 3 } else { 60 })),
            udp,
            skip_every: skip_every.unwrap_or(0),
        },
        shape: if smoke { Shape::SMALL } else { Shape::STREET },
        first_byte,
        moonfire: path("--moonfire")?.or_else(|| on_path("moonfire-nvr")),
        programs: path("--programs")?.unwrap_or(beside),
        folder: path("--folder")?.unwrap_or_else(std::env::temp_dir),
        out: path("--out")?,
    };
    let rest = args.finish();
    if rest.is_empty() { Ok(wanted) } else { Err(Error(format!("did not understand {rest:?}; see --help"))) }
}

/// Measures every recorder with every number of cameras. One that fails does not keep the others from being measured.
fn measure_all(wanted: &Wanted, clip: &Clip) -> Vec<Row> {
    let mut rows = Vec::new();
    for &cameras in &wanted.cameras {
        for name in &wanted.recorders {
            let conditions = Conditions { cameras, ..wanted.conditions };
            let (recorder, outcome) = match recorder(name, wanted) {
                Err(error) => (name.clone(), Err(error.to_string())),
                Ok(recorder) => {
                    eprintln!("{} on {cameras} cameras …", recorder.name());
                    let outcome = match recorder.missing() {
                        Some(reason) => Err(reason),
                        None => measure::run(&*recorder, clip, &conditions, &wanted.folder)
                            .map_err(|error| error.to_string()),
                    };
                    (recorder.name(), outcome)
                }
            };
            if let Err(reason) = &outcome {
                eprintln!("  {reason}");
            }
            rows.push(Row { recorder, cameras, outcome });
        }
    }
    rows
}

fn first_byte(wanted: &Wanted) -> String {
    eprintln!("playing from a filled ring …");
    match first_byte::measure(&wanted.programs, &wanted.folder) {
        Ok((rows, how)) => table::first_bytes(&rows, &how),
        Err(error) => format!("First bytes were not measured: {error}\n"),
    }
}

fn recorder(name: &str, wanted: &Wanted) -> Result<Box<dyn Recorder>> {
    Ok(match name {
        "watchbook" => Box::new(Watchbook { programs: wanted.programs.clone() }),
        "moonfire" => Box::new(Moonfire { program: wanted.moonfire.clone() }),
        "ffmpeg" => Box::new(Ffmpeg),
        "floor" => Box::new(floor::Floor { program: std::env::current_exe().attempt("finding this program")? }),
        other => return Err(Error(format!("there is no recorder {other:?}; see --help"))),
    })
}
