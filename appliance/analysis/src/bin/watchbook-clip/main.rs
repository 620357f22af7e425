//! `watchbook-clip`: what a plugin would see of a recording or a camera. For plugin authors; the recorder never starts it.
//!
//! Opens a file or an RTSP address, decodes its first video stream, and hands out pictures as `watchbook-decode` does: the same masks, the same
//! scaler, the same rate. They go to standard output as `watchbook_analysis::clip` describes. The same file gives the same bytes every time.

mod options;
#[path = "../watchbook-decode/picture.rs"]
mod picture;
mod source;

use options::Options;
use picture::Pipeline;
use source::Source;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use watchbook_analysis::Rate;
use watchbook_analysis::clip::{Head, Writer};

fn main() -> ExitCode {
    let words = std::env::args_os().skip(1).collect();
    let options = match Options::parse(words) {
        Ok(Some(options)) => options,
        Ok(None) => return say(options::HELP, ExitCode::SUCCESS),
        Err(sentence) => return say(&format!("watchbook-clip: {sentence}\n"), ExitCode::FAILURE),
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => say(&format!("watchbook-clip: {sentence}\n"), ExitCode::FAILURE),
    }
}

fn say(text: &str, code: ExitCode) -> ExitCode {
    // A closed standard error leaves nobody to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
    code
}

fn run(options: &Options) -> Result<(), String> {
    ffmpeg_next::util::log::set_level(ffmpeg_next::util::log::Level::Quiet);
    let output = options.output;
    let mut source = Source::open(&options.source, options.start_utc_ns)?;
    let mut pipeline = Pipeline::new(options.masks.clone(), vec![output]);
    let mut rate = Rate::new(output.fps_max);
    let head = Head { width: output.width, height: output.height, masked: !options.masks.is_empty() };
    let closed = |error: std::io::Error| match error.kind() {
        // The reader has seen enough.
        ErrorKind::BrokenPipe => String::new(),
        _ => format!("standard output: {error}"),
    };
    let outcome = (|| {
        let mut writer = Writer::new(std::io::stdout().lock(), head).map_err(closed)?;
        let (mut frames, mut first_ns) = (0_u64, None);
        while frames < options.frames_max {
            let Some((utc_ns, decoded)) = source.next_picture()? else { break };
            let first_ns = *first_ns.get_or_insert(utc_ns);
            if utc_ns.saturating_sub(first_ns) >= options.length_max_ns {
                break;
            }
            if !rate.wants(utc_ns) {
                continue;
            }
            let prepared = pipeline.prepare(&decoded)?;
            let luma = pipeline.scale(prepared.as_ref().unwrap_or(&decoded), 0)?;
            writer.picture(utc_ns, &luma).map_err(closed)?;
            frames += 1;
        }
        if frames == 0 {
            return Err(format!("{}: no picture could be decoded", options.source));
        }
        writer.end().map_err(closed).map(|_| ())
    })();
    outcome.or_else(|sentence: String| if sentence.is_empty() { Ok(()) } else { Err(sentence) })
}
