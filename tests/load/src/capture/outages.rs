//! Cameras that go away for a random time in one of three ways, and how soon after their return they are recorded again.

use super::{Dice, Tally, Wanted, record, returns, runtime};
use crate::camera::{Mood, Setting, Simulator};
use crate::clip::Clip;
use crate::error::Attempt as _;
use crate::{Error, Result};
use core::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use watchbook_capture::Transport;

/// How a camera is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It closes its connections and its port, as one that restarts.
    Restarts,
    /// It says nothing more, takes connections without answering, and has forgotten them when it is back.
    Hangs,
    /// Nothing gets through for a while, then all goes on.
    Stalls,
}

const KINDS: [(Kind, &str); 3] = [
    (Kind::Restarts, "restarts: connections and port closed"),
    (Kind::Hangs, "hangs, then restarts: connections open and silent"),
    (Kind::Stalls, "stalls: silent, then goes on"),
];

/// One outage.
struct Outage {
    kind: Kind,
    /// From its return to the first picture that is recorded; `None`: stuck.
    back: Option<Duration>,
}

/// 100 outages on 10 cameras at once.
///
/// # Errors
/// A port or a thread cannot be had, or a camera was never recorded.
pub fn run(wanted: &Wanted) -> Result<String> {
    let (lanes, each, longest_ms) = wanted.size((10, 10, 20_000), (3, 1, 1_500));
    let (clip, runtime) = (wanted.clip()?, runtime()?);
    let outages: Vec<Outage> = std::thread::scope(|scope| {
        let lane = |number: usize| {
            let (clip, runtime, dice) = (&clip, &runtime, Dice(wanted.seed ^ (number as u64) << 32));
            scope.spawn(move || one_camera(clip, runtime, dice, Lane { number, outages: each, longest_ms }))
        };
        let lanes: Vec<_> = (0..lanes).map(lane).collect();
        let done =
            lanes.into_iter().map(|lane| lane.join().map_err(|_| Error("a camera's thread failed".to_owned()))?);
        done.collect::<Result<Vec<_>>>()
    })?
    .into_iter()
    .flatten()
    .collect();
    let mut text = format!(
        "{} outages of 0.2 to {:.1} s, seed {}; a key frame every 2 s; a camera that restarts has one at once, before anybody is connected, and the next after 2 s.\n\n\
         | the camera | outages | stuck | recorded again after p50 | p99 | longest |\n|---|---|---|---|---|---|\n",
        outages.len(),
        longest_ms as f64 / 1000.0,
        wanted.seed
    );
    let all = KINDS.iter().map(|(kind, name)| (Some(*kind), *name)).chain([(None, "all")]);
    for (kind, name) in all {
        let of_kind = || outages.iter().filter(|outage| kind.is_none_or(|kind| outage.kind == kind));
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", returns(name, of_kind().map(|outage| outage.back)));
    }
    Ok(text)
}

/// One camera and what happens to it.
#[derive(Clone, Copy)]
struct Lane {
    number: usize,
    outages: usize,
    longest_ms: u64,
}

fn one_camera(clip: &Clip, runtime: &Runtime, mut dice: Dice, lane: Lane) -> Result<Vec<Outage>> {
    let mut simulator = Simulator::with(clip, &Setting::of(1))?;
    let setting = Setting { address: simulator.address(), ..Setting::of(1) };
    let sink = Arc::new(Tally::default());
    let (camera, handle) = record(runtime, &simulator, 0, Transport::Tcp, &sink)?;
    sink.wait_after(camera, Instant::now()).attempt("recording a camera for the first time")?;
    let mut done = Vec::new();
    for at in 0..lane.outages {
        std::thread::sleep(Duration::from_millis(dice.below(3_000)));
        let (kind, _) = KINDS[(lane.number + at) % KINDS.len()];
        let length = Duration::from_millis(200 + dice.below(lane.longest_ms - 200));
        if kind == Kind::Restarts {
            drop(simulator);
            std::thread::sleep(length);
            simulator = Simulator::with(clip, &setting)?;
        } else {
            simulator.set(Mood::Freeze);
            std::thread::sleep(length);
            if kind == Kind::Hangs {
                drop(simulator);
                simulator = Simulator::with(clip, &setting)?;
            } else {
                simulator.set(Mood::Run);
            }
        }
        let returned = Instant::now();
        let back = sink.wait_after(camera, returned).map(|first| first.saturating_duration_since(returned));
        done.push(Outage { kind, back });
    }
    runtime.block_on(handle.stop(watchbook_base::GapReason::Restart));
    Ok(done)
}
