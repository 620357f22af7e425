//! Checkpoints are sent to witnesses by themselves (C2SP tlog-witness `add-checkpoint`), and what the witnesses sign is taken home.
//!
//! One thread does it, one witness after the other: a network that hangs holds up no recording and no signature. Here is when; `exchange` has what is said, `http` how.

mod exchange;
mod http;

pub use exchange::{Answer, Asking, Ended, Unanswered, exchange};
pub use http::post;

use super::log_keeper::LogKeeper;
use super::log_witnesses::WITNESSES_MAX;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A new checkpoint goes out not sooner than so long after the one before; those between are left out.
const EVERY_MIN: Duration = Duration::from_secs(30);
/// The same checkpoint goes out again after so long, so that a log at rest is known to be alive.
const EVERY_MAX: Duration = Duration::from_secs(6 * 3600);
/// After one failure it waits so long, after each further one twice as long.
const RETRY_MIN: Duration = Duration::from_secs(30);
/// The longest of these pauses.
const RETRY_MAX: Duration = Duration::from_secs(3600);
/// How often it is looked whether there is a new checkpoint.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Whose turn it is.
#[derive(Default)]
pub struct Turns {
    state: Mutex<State>,
    asked: Condvar,
}

#[derive(Default)]
struct State {
    slots: BTreeMap<String, Slot>,
    /// Somebody asked since it was looked last.
    is_woken: bool,
}

/// One witness, by its key and address.
#[derive(Clone, Debug, Default)]
struct Slot {
    /// Somebody does not want to wait.
    is_asked: bool,
    is_busy: bool,
    /// Without a success in between.
    failures: u32,
    /// When the last one ended, and of how many entries the checkpoint was.
    ended: Option<(Instant, u64)>,
}

impl Slot {
    /// How long to wait before a checkpoint of `signed` entries goes out, or goes out again.
    fn wait(&self, signed: u64, now: Instant) -> Duration {
        let Some((ended, entries)) = self.ended.filter(|_| !self.is_asked) else { return Duration::ZERO };
        let pause = match self.failures {
            0 if entries == signed => EVERY_MAX,
            0 => EVERY_MIN,
            failures => retry_after(failures),
        };
        pause.saturating_sub(now.saturating_duration_since(ended))
    }
}

/// The pause after so many failures.
fn retry_after(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    RETRY_MIN.saturating_mul(doubled).min(RETRY_MAX)
}

impl Turns {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the turn of `of` if it has come.
    pub fn take(&self, of: &str, signed: u64) -> bool {
        let mut state = self.state();
        let slot = state.slots.entry(of.to_owned()).or_default();
        if !slot.wait(signed, Instant::now()).is_zero() {
            return false;
        }
        (slot.is_asked, slot.is_busy) = (false, true);
        true
    }

    /// Gives the turn back.
    pub fn done(&self, of: &str, entries: u64, is_cosigned: bool) {
        let mut state = self.state();
        // Who is gone by now needs no turn.
        let Some(slot) = state.slots.get_mut(of) else { return };
        let failures = if is_cosigned { 0 } else { slot.failures.saturating_add(1) };
        (slot.is_busy, slot.failures, slot.ended) = (false, failures, Some((Instant::now(), entries)));
    }

    /// Gives back each turn that was under way, as failed: whoever had one ended without giving it back.
    fn broken_off(&self) {
        for slot in self.state().slots.values_mut().filter(|slot| slot.is_busy) {
            let entries = slot.ended.map_or(0, |(_, entries)| entries);
            (slot.is_busy, slot.failures) = (false, slot.failures.saturating_add(1));
            slot.ended = Some((Instant::now(), entries));
        }
    }

    /// Has the turn of `of` come at once.
    pub fn ask(&self, of: &str) {
        let mut state = self.state();
        state.slots.entry(of.to_owned()).or_default().is_asked = true;
        state.is_woken = true;
        self.asked.notify_all();
    }

    /// Forgets all but these.
    pub fn keep(&self, these: &[String]) {
        self.state().slots.retain(|of, _| these.iter().take(WITNESSES_MAX).any(|one| one == of));
    }

    /// Whether one is asked for or on its way, and how long it takes until the next one at the latest.
    pub fn shown(&self, of: &str, signed: u64) -> (bool, Duration) {
        let slot = self.state().slots.get(of).cloned().unwrap_or_default();
        (slot.is_busy || slot.is_asked || slot.ended.is_none(), slot.wait(signed, Instant::now()))
    }

    /// Waits until somebody asks, or for a while.
    fn rest(&self) {
        let nobody = |state: &mut State| !state.is_woken;
        let rested = self.asked.wait_timeout_while(self.state(), LOOK_EVERY, nobody);
        rested.unwrap_or_else(PoisonError::into_inner).0.is_woken = false;
    }
}

/// Sends checkpoints until the recorder ends.
///
/// # Errors
/// When the thread cannot be started.
pub fn start(keeper: &Arc<LogKeeper>) -> std::io::Result<()> {
    let (keeper, turns) = (Arc::downgrade(keeper), keeper.turns());
    let run = move || {
        loop {
            let Some(keeper) = keeper.upgrade() else { return };
            // What strangers answer must not end the thread: the next turn comes after the pause of a failure.
            let turn = std::panic::AssertUnwindSafe(|| keeper.push_due(&post));
            if std::panic::catch_unwind(turn).is_err() {
                tracing::error!("sending checkpoints was broken off; it goes on with the next turn");
                turns.broken_off();
            }
            drop(keeper);
            turns.rest();
        }
    };
    std::thread::Builder::new().name("log push".to_owned()).spawn(run).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn pauses_double_up_to_an_hour() {
        let pauses: Vec<u64> = (1..10).map(|failures| retry_after(failures).as_secs()).collect();
        assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(retry_after(u32::MAX), seconds(3600));
    }

    #[test]
    fn a_turn_comes_at_the_start_then_with_a_longer_log_and_at_once_when_somebody_asks() {
        let begin = Instant::now();
        let fresh = Slot::default();
        assert_eq!(fresh.wait(7, begin), Duration::ZERO);
        let done = Slot { ended: Some((begin, 7)), ..Slot::default() };
        assert_eq!(done.wait(8, begin), seconds(30));
        assert_eq!(done.wait(8, begin + seconds(29)), seconds(1));
        assert_eq!(done.wait(8, begin + seconds(31)), Duration::ZERO);
        assert_eq!(done.wait(7, begin + seconds(31)), seconds(6 * 3600 - 31), "nothing new");
        let failed = Slot { failures: 3, ..done.clone() };
        assert_eq!(failed.wait(8, begin + seconds(31)), seconds(120 - 31));
        assert_eq!(failed.wait(7, begin + seconds(120)), Duration::ZERO, "what did not arrive goes out again");
        let asked = Slot { is_asked: true, ..failed };
        assert_eq!(asked.wait(7, begin), Duration::ZERO);
    }

    #[test]
    fn a_turn_is_taken_once_and_one_that_failed_waits() {
        let turns = Turns::default();
        assert!(turns.take("w", 7));
        assert!(turns.shown("w", 7).0, "on its way");
        turns.done("w", 7, true);
        assert!(!turns.take("w", 7) && !turns.take("w", 8));
        turns.ask("w");
        assert!(turns.shown("w", 8).0, "asked for");
        assert!(turns.take("w", 8));
        turns.done("w", 8, false);
        assert!(!turns.shown("w", 8).0);
        let left = turns.shown("w", 8).1;
        assert!(left > seconds(25) && left <= seconds(30), "{left:?}");
        assert!(turns.take("x", 7));
        turns.broken_off();
        assert!(!turns.shown("x", 7).0 && !turns.take("x", 7), "it comes again after the pause");
        assert!(turns.shown("x", 7).1 > seconds(25));
        turns.keep(&["v".to_owned()]);
        turns.done("w", 9, true);
        assert!(turns.state().slots.is_empty(), "who is gone does not come back");
    }
}
