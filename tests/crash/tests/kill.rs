//! A few real kills; `make crash` has a hundred, and `tests/e2e` kills the whole program.

use std::path::Path;
use watchbook_crash::{kill, rounds};

/// About two seconds each.
const ROUNDS: u32 = 5;
/// When they come.
const SEED: u64 = 1;

#[test]
fn a_kill_costs_at_most_a_second_and_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_watchbook-crash"));
    let mut machine = kill::Process::new(Some(program)).unwrap();
    let mut told = Vec::new();
    let tally =
        rounds::run(&mut machine, &kill::job(dir.path()), (ROUNDS, SEED), &mut |line| told.push(line.to_owned()));
    assert_eq!(tally.stopped, None, "{}", told.join("\n"));
    let wrong = tally.wrong(ROUNDS);
    assert!(
        wrong.is_empty(),
        "replay: watchbook-crash kill --seed {SEED} --rounds {ROUNDS}\n{wrong:?}\n{}",
        told.join("\n")
    );
    assert!(tally.holds.placed > 0, "no hold was placed: {tally:?}");
    assert_eq!(tally.lost_ms.len(), usize::try_from(ROUNDS).unwrap());
    assert!(tally.commits > u64::from(ROUNDS), "too little was recorded: {tally:?}");
}
