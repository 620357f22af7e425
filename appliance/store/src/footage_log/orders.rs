//! What is asked of the thread that logs footage: to go on, to log at once what is acknowledged, to end.

use crate::error::{Error, Result};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use watchbook_base::Kind;

/// What is asked of the thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To go on.
    #[default]
    GoOn,
    /// To log what is acknowledged, and to answer the requests up to this number.
    LogNow(u64),
    /// To log what is acknowledged, and to end.
    Finish,
    /// To end.
    End,
}

/// Tells the thread what to do.
#[derive(Default)]
pub(crate) struct Orders {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The thread is to end, in this way.
    end: Option<Asked>,
    /// Nobody answers any more.
    has_ended: bool,
    /// Requests that were made, and that were answered.
    wanted: u64,
    answered: u64,
    /// The last answer: kind and sentence of what went wrong.
    wrong: Option<(Kind, String)>,
}

impl Orders {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the thread to end. The first order counts.
    pub(crate) fn give(&self, order: Asked) {
        self.state().end.get_or_insert(order);
        self.changed.notify_all();
    }

    /// What is asked, after `time` when it is to go on.
    pub(super) fn wait(&self, time: Duration) -> Asked {
        let idle = |state: &mut State| state.end.is_none() && state.answered == state.wanted;
        let waited = self.changed.wait_timeout_while(self.state(), time, idle);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        match state.end {
            Some(order) => order,
            None if state.answered == state.wanted => Asked::GoOn,
            None => Asked::LogNow(state.wanted),
        }
    }

    /// Whether the thread is to end; waits for that order for `time`.
    pub(super) fn wait_end(&self, time: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.state(), time, |state| state.end.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.end.is_some()
    }

    /// Tells those who made the requests up to `number` how it went.
    pub(super) fn answer(&self, number: u64, outcome: &Result<()>) {
        let mut state = self.state();
        state.answered = number;
        state.wrong = outcome.as_ref().err().map(|error| (error.kind, error.message.clone()));
        self.changed.notify_all();
    }

    /// The thread takes no orders any more.
    pub(super) fn end(&self) {
        self.state().has_ended = true;
        self.changed.notify_all();
    }

    /// Asks that what is acknowledged now be logged; the number of the request.
    pub(crate) fn want(&self) -> u64 {
        let mut state = self.state();
        state.wanted += 1;
        self.changed.notify_all();
        state.wanted
    }

    /// Waits for the answer to request `number`.
    ///
    /// # Errors
    /// `Timeout` when there is none by then, `Conflict` when the disk is being closed; what disk or register say.
    pub(crate) fn wait_answer(&self, number: u64, until: Instant) -> Result<()> {
        let patience = until.saturating_duration_since(Instant::now());
        let open = |state: &mut State| state.answered < number && !state.has_ended;
        let state =
            self.changed.wait_timeout_while(self.state(), patience, open).unwrap_or_else(PoisonError::into_inner).0;
        if state.answered >= number {
            return state.wrong.as_ref().map_or(Ok(()), |(kind, why)| Err(Error::new(*kind, why.clone())));
        }
        Err(match state.has_ended {
            true => Error::new(Kind::Conflict, "its disk is being closed"),
            false => Error::new(Kind::Timeout, "its disk or the register does not answer in time"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(60);

    #[test]
    fn a_request_is_answered_once_by_what_was_logged_after_it() {
        let orders = Orders::default();
        assert_eq!(orders.wait(Duration::ZERO), Asked::GoOn);
        let first = orders.want();
        assert_eq!(orders.wait(SOON), Asked::LogNow(first));
        // One that comes while the thread is at work is not answered by that work.
        let second = orders.want();
        orders.answer(first, &Ok(()));
        orders.wait_answer(first, Instant::now()).unwrap();
        assert_eq!(orders.wait_answer(second, Instant::now()).unwrap_err().kind, Kind::Timeout);
        assert_eq!(orders.wait(SOON), Asked::LogNow(second));
        orders.answer(second, &Err(Error::new(Kind::Io, "the register is full")));
        let wrong = orders.wait_answer(second, Instant::now()).unwrap_err();
        assert_eq!((wrong.kind, wrong.message.as_str()), (Kind::Io, "the register is full"));
        assert_eq!(orders.wait(Duration::ZERO), Asked::GoOn);
    }

    #[test]
    fn whoever_waits_for_a_disk_that_is_closed_is_told() {
        let orders = std::sync::Arc::new(Orders::default());
        let number = orders.want();
        orders.give(Asked::Finish);
        orders.give(Asked::End);
        assert_eq!(orders.wait(SOON), Asked::Finish, "the first order counts, before any request");
        let waiting = std::thread::spawn({
            let orders = orders.clone();
            move || orders.wait_answer(number, Instant::now() + SOON)
        });
        orders.end();
        assert_eq!(waiting.join().unwrap().unwrap_err().kind, Kind::Conflict);
    }
}
