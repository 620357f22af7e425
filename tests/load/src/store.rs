//! Benchmarks of the store alone, without cameras, network and page: `watchbook-load store`.

pub mod bench;
pub mod ceiling;
pub mod export;
pub mod latency;
pub mod leaves;
pub mod paper;
pub mod query;
pub mod rate;
pub mod recovery;
pub mod sample;
pub mod week;

use crate::{Error, Result};
use std::path::PathBuf;

/// A measurement and its name on the command line.
pub type Bench = fn(&Wanted) -> Result<String>;

/// Every measurement in the order in which they are run, the quick ones first.
pub const BENCHES: [(&str, Bench); 7] = [
    ("ceiling", ceiling::run),
    ("latency", latency::run),
    ("leaves", leaves::run),
    ("export", export::run),
    ("week", week::run),
    ("recovery", recovery::run),
    ("query", query::run),
];

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Names of [`BENCHES`].
    pub benches: Vec<String>,
    /// Numbers of streams for commit latencies.
    pub streams: Vec<u16>,
    /// Length of each paced measurement in seconds.
    pub seconds: u64,
    /// Where disks go for a while.
    pub folder: PathBuf,
    /// Where the ring of `recovery` is kept for the next time; `None`: it goes.
    pub keep: Option<PathBuf>,
    /// Sizes at which everything takes a second: does the harness work?
    pub tiny: bool,
}

impl Wanted {
    /// One of two sizes.
    #[must_use]
    pub fn size<T>(&self, full: T, tiny: T) -> T {
        if self.tiny { tiny } else { full }
    }
}

/// Runs what is wanted and returns the tables. A measurement that fails leaves a line and does not keep the others from being made.
///
/// # Errors
/// A name is not of [`BENCHES`].
pub fn run(wanted: &Wanted) -> Result<String> {
    for name in &wanted.benches {
        if !BENCHES.iter().any(|(known, _)| known == name) {
            let known: Vec<&str> = BENCHES.iter().map(|(name, _)| *name).collect();
            return Err(Error(format!(
                "there is no measurement {name:?} of the store; there are {}",
                known.join(", ")
            )));
        }
    }
    let mut text = String::new();
    for (name, bench) in BENCHES.iter().filter(|(name, _)| wanted.benches.iter().any(|wanted| wanted == name)) {
        eprintln!("{name} …");
        match bench(wanted) {
            Ok(table) => text.push_str(&table),
            Err(error) => {
                eprintln!("  {error}");
                text.push_str(&format!("{name} was not measured: {error}\n"));
            }
        }
        text.push('\n');
    }
    Ok(text)
}
