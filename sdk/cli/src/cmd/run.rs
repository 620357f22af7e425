//! `run`: shows a plugin at work on a page of this machine.

use crate::cmd::input::{Wanted, common_help};
use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use watchbook_plugin_engine::Failure;
use watchbook_plugin_host::Zone;
use watchbook_plugin_testkit::case::Input;
use watchbook_plugin_testkit::page::{Board, serve};
use watchbook_plugin_testkit::{Mode, Runner, Step, Watch, wire};

pub(crate) const COMMAND: Command = Command {
    name: "run",
    summary: "shows a plugin at work: frames, marks drawn over them, the log",
    help: concat!(
        "\
watchbook-plugin run CLIP [OPTIONS]
watchbook-plugin run --scene NAME [OPTIONS]

  --watch            begin again whenever plugin.wasm or plugin.toml changes
  --once             end with the clip instead of keeping the page
  --fast             do not wait for the clip's own pace
  --port N           of the page on 127.0.0.1, 0 for a free one            [8480]
",
        common_help!(),
        "
The page is for this machine only. Ctrl-C ends it. A camera on USB (/dev/video0) is recorded first: ffmpeg -f v4l2 -i /dev/video0 -t 30 clip.mp4
"
    ),
    run,
};

const PORT_DEFAULT: u16 = 8480;
/// How often the plugin's files are looked at while nothing runs.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A gap in a clip is not waited for.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What a run needs beside the plugin.
struct Show<'a> {
    wanted: &'a Wanted,
    input: &'a Input,
    board: Board,
    watch: bool,
    paced: bool,
}

/// Why a run has ended.
enum Ended {
    Source,
    Changed,
}

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let (watch, once, fast) =
        (arguments.contains("--watch"), arguments.contains("--once"), arguments.contains("--fast"));
    let port: u16 = arguments.opt_value_from_str("--port").map_err(usage("run"))?.unwrap_or(PORT_DEFAULT);
    let wanted = Wanted::take(&mut arguments, "run")?;
    finish(arguments)?;
    let input = wanted.input("run")?;
    let board = Board::default();
    let address = serve(&board, port)?;
    out.result(&format!("page: http://{address}/"), &json!({ "page": format!("http://{address}/") }));
    let live = matches!(input, Input::Clip { source, .. } if source.contains("://"));
    let show = Show { wanted: &wanted, input, board, watch, paced: !live && !fast };
    loop {
        let before = stamps(&wanted.plugin);
        let outcome = show.play(out, before);
        match &outcome {
            Ok(Ended::Changed) => show.say("restart", "the plugin has changed", out),
            Ok(Ended::Source) => show.say("end", "the clip has ended", out),
            Err(sentence) => show.say("trap", sentence, out),
        }
        if once || !watch && outcome.is_err() {
            return outcome.map(|_| ());
        }
        if !matches!(outcome, Ok(Ended::Changed)) {
            show.wait_for_change(before);
        }
    }
}

/// When the plugin's files were last changed; `None` while one is missing.
fn stamps(plugin: &Path) -> [Option<SystemTime>; 2] {
    let files = if plugin.is_dir() {
        [plugin.join("plugin.wasm"), plugin.join("plugin.toml")]
    } else {
        [plugin.to_owned(), plugin.to_owned()]
    };
    files.map(|file| file.metadata().and_then(|metadata| metadata.modified()).ok())
}

impl Show<'_> {
    fn say(&self, what: &str, text: &str, out: &Out) {
        self.board.say(json!({ "what": what, "text": text }));
        out.result(text, &json!({ what: text }));
    }

    /// Without --watch, for ever: the page stays.
    fn wait_for_change(&self, before: [Option<SystemTime>; 2]) {
        while !self.watch || stamps(&self.wanted.plugin) == before {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn play(&self, out: &Out, before: [Option<SystemTime>; 2]) -> Result<Ended, String> {
        let runner = Runner::new(self.wanted.package()?, Mode::Live)?;
        let settings = runner.settings_json(&self.wanted.settings)?;
        let mut source = self.input.open(runner.package().manifest.output())?;
        let head = source.head();
        let mut watch = runner.watch(&settings, &self.wanted.zones).map_err(Failure::into_sentence)?;
        let manifest = &runner.package().manifest;
        let title = format!("{} {}", manifest.id, manifest.version);
        let (mut first, mut looked) = (None, Instant::now());
        while let Some(picture) = source.next_picture()? {
            let (began, begin_ns) = *first.get_or_insert((Instant::now(), picture.utc_ns));
            if self.paced {
                let due = Duration::from_nanos(u64::try_from(picture.utc_ns - begin_ns).unwrap_or(0));
                std::thread::sleep(due.saturating_sub(began.elapsed()).min(PAUSE_MAX));
            }
            let step = watch.frame(head, picture.clone());
            for (line, object) in words(&step) {
                out.result(&line, &object);
            }
            let facts = json!({
                "title": title,
                "text": figures(&watch, picture.utc_ns - begin_ns),
                "zones": self.wanted.zones.iter().map(zone).collect::<Vec<_>>(),
            });
            self.board.show(head, &picture, facts, words(&step).into_iter().map(|(_, object)| object).collect());
            if self.watch && looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                if stamps(&self.wanted.plugin) != before {
                    return Ok(Ended::Changed);
                }
            }
        }
        Ok(Ended::Source)
    }
}

fn zone(zone: &Zone) -> Value {
    let corner = |point: &watchbook_analysis::Point| json!({ "x": f64::from(point.x) / 65_536.0, "y": f64::from(point.y) / 65_536.0 });
    json!({ "name": zone.name, "outline": zone.outline.iter().map(corner).collect::<Vec<_>>() })
}

fn figures(watch: &Watch<'_>, at_ns: i64) -> String {
    let (figures, ms) = (watch.figures(), watch.figures().ms());
    format!(
        "{:.1} s \u{b7} {} calls \u{b7} p50 {:.2} ms, p95 {:.2} ms \u{b7} {:.1} MiB \u{b7} {} traps",
        at_ns as f64 / 1e9,
        figures.calls,
        ms.p50,
        ms.p95,
        figures.memory_bytes as f64 / f64::from(1 << 20),
        watch.traps()
    )
}

/// What a step has to say, as a line and as an item of the page.
fn words(step: &Step) -> Vec<(String, Value)> {
    let mut words = Vec::new();
    let mut add = |what: &str, text: String, event: Option<Value>| {
        let object = json!({ "what": what, "text": text, "frame_utc_ms": step.utc_ns / 1_000_000, "event": event });
        words.push((text, object));
    };
    for (level, text) in &step.lines {
        add("log", format!("{}: {text}", format!("{level:?}").to_lowercase()), None);
    }
    for event in &step.events {
        let shape = wire::event(event);
        add(
            "event",
            format!(
                "event: {} score {} {} {}",
                event.kind,
                shape["score"],
                event.zone.as_deref().unwrap_or(""),
                event.note
            ),
            Some(shape),
        );
    }
    for sentence in &step.refused {
        add("refused", format!("refused: {sentence}"), None);
    }
    if let Some(failure) = &step.failure {
        add("trap", format!("failure: {failure}"), None);
    }
    words
}
