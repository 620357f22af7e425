//! `watchbook-encode`: raw pictures of one stream in, H.264 out. Holds libavcodec, as `watchbook-decode` does, and stands behind the same wall.
//!
//! It is started by the recorder with a link as standard input, hears once what will come, and ends when the link does. One thread: a picture is encoded when it is read.

mod coder;

use coder::Coder;
use std::io::{Error, ErrorKind, Result, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use watchbook_analysis::encoder::message::{FromEncoder, ToEncoder};
use watchbook_analysis::message::{decode, encode};
use watchbook_analysis::redact::BACKGROUND;
use watchbook_base::limits::PICTURE_SIDE_PX_MAX;
use watchbook_base::link::{Link, MESSAGE_BYTES_MAX};
use watchbook_base::memfd;
use watchbook_confine::{Needs, only_known_calls, take_away};

/// An encoder of 3840×2160 holds some 30 pictures of 12 MB.
const NEEDS: Needs = Needs { machine_code: false, data_bytes_max: 2 << 30 };
/// How far a copy gives way to everything else on the box (`nice(2)`), as decoding does.
const NICENESS: i32 = 10;
/// The largest raw picture: three bytes a pixel of the largest size that is stored.
const PICTURE_BYTES_MAX: usize = 3 * PICTURE_SIDE_PX_MAX as usize * PICTURE_SIDE_PX_MAX as usize;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(std::io::stderr(), "watchbook-encode: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let link = Link::from_stdin()?;
    if std::env::args().skip(1).any(|argument| argument == BACKGROUND) {
        rustix::process::nice(NICENESS)?;
    }
    ffmpeg_next::util::log::set_level(ffmpeg_next::util::log::Level::Quiet);
    let mut wall = take_away(NEEDS)?;
    only_known_calls(NEEDS, &mut wall)?;
    say(&link, &FromEncoder::Begun { missing: wall.missing })?;
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    let mut coder: Option<Coder> = None;
    loop {
        let (length, descriptor) = match link.recv(&mut buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        match decode(&buffer[..length]).map_err(Error::other)? {
            ToEncoder::Open(job) => match Coder::open(job) {
                Ok(opened) => {
                    say(&link, &FromEncoder::Opened { encoder: opened.name().to_owned() })?;
                    coder = Some(opened);
                }
                Err(sentence) => say(&link, &FromEncoder::Refused { sentence })?,
            },
            ToEncoder::Picture { at_us } => {
                let picture = descriptor.ok_or_else(|| Error::other("no bytes came with a picture"))?;
                let picture = memfd::read(picture.as_fd(), PICTURE_BYTES_MAX)?;
                let done = coder.as_mut().map(|coder| coder.encode(&picture, at_us));
                let failed = !matches!(done, Some(Ok(_)));
                if let Some(Ok(units)) = done {
                    for (at_us, unit) in units {
                        let file = memfd::seal("access-unit", &unit)?;
                        link.send(&encode(&FromEncoder::Coded { at_us }).map_err(Error::other)?, Some(file.as_fd()))?;
                    }
                }
                say(&link, &FromEncoder::Taken { cpu_ms: cpu_ms(), failed })?;
            }
        }
    }
}

fn say(link: &Link, message: &FromEncoder) -> Result<()> {
    link.send(&encode(message).map_err(Error::other)?, None)
}

/// Processor time of this process.
fn cpu_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec.saturating_mul(1_000).saturating_add(time.tv_nsec / 1_000_000)).unwrap_or(0)
}
