//! All cameras of a station lose power together and come back together.

use super::{Tally, Wanted, quantile, record, runtime};
use crate::Result;
use crate::camera::{Setting, Simulator};
use crate::error::Attempt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use watchbook_capture::Transport;

/// How long they are away.
const AWAY: Duration = Duration::from_secs(10);

/// 64 cameras.
///
/// # Errors
/// A port cannot be had, or a camera was never recorded.
pub fn run(wanted: &Wanted) -> Result<String> {
    let count = wanted.size(64, 4);
    let (clip, runtime, sink) = (wanted.clip()?, runtime()?, Arc::new(Tally::default()));
    let simulator = Simulator::with(&clip, &Setting::of(count))?;
    let setting = Setting { address: simulator.address(), ..Setting::of(count) };
    let began = Instant::now();
    let cameras = (0..count).map(|number| record(&runtime, &simulator, number, Transport::Tcp, &sink));
    let cameras = cameras.collect::<Result<Vec<_>>>()?;
    for (camera, _) in &cameras {
        sink.wait_after(*camera, began).attempt("recording every camera for the first time")?;
    }
    drop(simulator);
    std::thread::sleep(wanted.size(AWAY, Duration::from_secs(1)));
    let simulator = Simulator::with(&clip, &setting)?;
    let returned = Instant::now();
    // The first packet of each: the last one that was seen may be of later.
    let mut back = Vec::new();
    let mut waiting: Vec<_> = cameras.iter().map(|(camera, _)| *camera).collect();
    while !waiting.is_empty() && returned.elapsed() < super::STUCK {
        waiting.retain(|camera| match sink.seen(*camera).last.filter(|last| *last > returned) {
            Some(_) => {
                back.push(returned.elapsed());
                false
            }
            None => true,
        });
        std::thread::sleep(Duration::from_millis(5));
    }
    back.sort_unstable();
    for (_, handle) in cameras {
        runtime.block_on(handle.stop(watchbook_base::GapReason::Restart));
    }
    drop(simulator);
    Ok(format!(
        "| cameras that come back together | recorded again after p50 | p99 | the last one | stuck |\n|---|---|---|---|---|\n| {count} | {} | {} | {} | {} |\n",
        quantile(&back, 50),
        quantile(&back, 99),
        quantile(&back, 100),
        waiting.len()
    ))
}
