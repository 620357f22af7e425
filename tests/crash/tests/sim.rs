//! The short form of the simulation; `make crash` runs the long one.

use watchbook_crash::sim::{self, Tally};

/// Lives by seed: a fifth of those of the long form.
const SEEDS: u64 = 200;
/// Of so many lives on a lying disk nearly all must be found out; one whose power went before anything was written cannot be.
const LYING: u64 = 40;

fn jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn assert_kept(tally: &Tally) {
    let replays: Vec<String> =
        tally.broken.iter().map(|(replay, error)| format!("{error}\n  replay: watchbook-crash {replay}")).collect();
    assert!(replays.is_empty(), "{} of {} lives:\n{}", replays.len(), tally.lives, replays.join("\n"));
}

#[test]
fn no_promise_is_broken_in_any_life() {
    let tally = sim::run(&sim::seeds(0, SEEDS), jobs(), false);
    assert_kept(&tally);
    assert!(tally.sum.cuts >= SEEDS * 2 && tally.sum.commits > SEEDS * 10, "too little happened: {tally:?}");
    assert!(tally.sum.evicted > 0 && tally.sum.rebuilt > SEEDS, "rings wrap, and indexes are made anew: {tally:?}");
}

#[test]
fn a_short_life_may_be_cut_at_each_of_its_steps() {
    let lives = sim::every_step(1).expect("an undisturbed life is lived to its end");
    assert!(lives.len() > 50, "making a ring and wrapping it once takes more than {} steps", lives.len());
    assert_kept(&sim::run(&lives, jobs(), false));
}

#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    let tally = sim::run(&sim::seeds(0, LYING), jobs(), true);
    let caught = u64::try_from(tally.broken.len()).expect("a count fits");
    assert!(caught * 10 >= LYING * 8, "only {caught} of {LYING} lives on a lying disk were found out");
}
