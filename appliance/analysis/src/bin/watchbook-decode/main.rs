//! `watchbook-decode`: access units in, masked and scaled pictures out. The only program of Watchbook that holds libavcodec.
//!
//! It is started by the recorder with a link as standard input and knows nothing else: no file, no address, no setting. It ends when the link does. Before the first
//! byte of a camera it walls itself in ([`watchbook_confine`]).
//! Slots are spread over a few workers; one slot always stays with one worker, so its access units keep their order.

mod annexb;
mod picture;
mod whole;
mod worker;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use watchbook_analysis::message::{FromDecoder, ToDecoder, decode, encode};
use watchbook_analysis::redact::ONE;
use watchbook_base::link::{Link, MESSAGE_BYTES_MAX};
use watchbook_confine::{Needs, only_known_calls, take_away};
use worker::{Task, Worker};

/// Decoding uses at most so many cores; the recorder, the page and the plugins need theirs.
const WORKERS_MAX: usize = 4;
/// Tasks that wait for one worker. The recorder bounds each slot's backlog; this only smooths, and when it is full the link's own bound holds.
const TASKS_MAX: usize = 64;
/// Analysis gives way to everything else on the box (`nice(2)`).
const NICENESS: i32 = 10;
/// A decoder holds up to 17 pictures, of 12 MB at 4K: 40 such streams, far more than a box decodes in time.
const NEEDS: Needs = Needs { machine_code: false, data_bytes_max: 8 << 30 };
/// The same for one stream, of the largest pictures that are stored (8192×8192 in 10 bits are 201 MB, of which a level of H.265 allows 6): more is no camera's.
const NEEDS_OF_ONE: Needs = Needs { machine_code: false, data_bytes_max: 2 << 30 };

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(std::io::stderr(), "watchbook-decode: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> std::io::Result<()> {
    let link = Arc::new(Link::from_stdin()?);
    let one = std::env::args().skip(1).any(|argument| argument == ONE);
    let needs = if one { NEEDS_OF_ONE } else { NEEDS };
    rustix::process::nice(NICENESS)?;
    ffmpeg_next::util::log::set_level(ffmpeg_next::util::log::Level::Quiet);
    let workers_max = if one { 1 } else { WORKERS_MAX };
    let count = std::thread::available_parallelism().map_or(1, usize::from).min(workers_max);
    let mut wall = take_away(needs)?;
    only_known_calls(needs, &mut wall)?;
    let begun = FromDecoder::Begun { missing: wall.missing };
    link.send(&encode(&begun).map_err(std::io::Error::other)?, None)?;
    let workers: Vec<SyncSender<Task>> = (0..count)
        .map(|index| {
            let (sender, receiver) = sync_channel(TASKS_MAX);
            let link = Arc::clone(&link);
            std::thread::Builder::new()
                .name(format!("decode-{index}"))
                .spawn(move || Worker::new(link).run(&receiver))?;
            Ok(sender)
        })
        .collect::<std::io::Result<_>>()?;

    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    loop {
        let (length, descriptor) = match link.recv(&mut buffer) {
            Ok(received) => received,
            // The recorder is gone or has let us go: nothing is left to do, and nothing here is worth finishing.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let message: ToDecoder = decode(&buffer[..length]).map_err(std::io::Error::other)?;
        let (ToDecoder::Open { slot, .. }
        | ToDecoder::OpenWhole { slot, .. }
        | ToDecoder::AccessUnit { slot, .. }
        | ToDecoder::Drain { slot }
        | ToDecoder::Close { slot }) = &message;
        let worker = &workers[usize::try_from(slot % count as u64).unwrap_or(0)];
        if worker.send((message, descriptor)).is_err() {
            return Err(std::io::Error::other("a worker ended; see the message above"));
        }
    }
}
