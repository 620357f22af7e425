//! A box in memory: the store, run through many lives that end in a power cut. What befalls it follows from a seed.

pub mod disk;
pub mod index;
pub mod life;
pub mod model;
pub mod script;

use crate::error::Error;
use life::{Outcome, live};
use script::Script;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What many lives showed.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Lives.
    pub lives: u64,
    /// All of them together.
    pub sum: Outcome,
    /// Those in which a promise was broken: how to replay them, and what was broken.
    pub broken: Vec<(String, Error)>,
}

/// Lives the lives of `scripts` on `jobs` threads. A panic counts as a broken promise.
#[must_use]
pub fn run(scripts: &[(String, Script)], jobs: usize, lying: bool) -> Tally {
    let next = AtomicU64::new(0);
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let at = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or(usize::MAX);
                    let Some((name, script)) = scripts.get(at) else { break };
                    let lived = std::panic::catch_unwind(|| live(script, lying));
                    let lived = lived.unwrap_or_else(|_| Err(Error("a panic, told above".to_owned())));
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    tally.lives += 1;
                    match lived {
                        Ok(outcome) => tally.sum = tally.sum.and(outcome),
                        Err(error) => tally.broken.push((name.clone(), error)),
                    }
                }
            });
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.broken.sort_by(|a, b| a.0.cmp(&b.0));
    tally
}

/// Scripts of seeds `from` to before `to`.
#[must_use]
pub fn seeds(from: u64, to: u64) -> Vec<(String, Script)> {
    (from..to).map(|seed| (format!("sim --seed {seed}"), Script::of(seed))).collect()
}

/// A short life, cut at each of its steps; `None` when it cannot even be lived undisturbed.
#[must_use]
pub fn every_step(seed: u64) -> Option<Vec<(String, Script)>> {
    // The undisturbed life tells how many steps there are.
    let steps = live(&Script::cut_at(seed, u64::MAX), false).ok()?.steps;
    Some((0..steps).map(|step| (format!("sim --life {seed} --step {step}"), Script::cut_at(seed, step))).collect())
}
