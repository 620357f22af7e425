//! Requests of people who may be in the footage, as the report counts them. Of a request the log says its number, when it must be answered and what became of it.
//!
//! | in the report | entries |
//! |---|---|
//! | received | `register_subject_request` |
//! | extended | `extend_subject_request`; `due_utc_ms` is the new deadline |
//! | answered | `answer_subject_request` |
//! | refused | `refuse_subject_request`, by `why` |
//! | withdrawn | `withdraw_subject_request` |
//! | late | those of the three rows before whose time lies behind the deadline: a request that is late is so whatever becomes of it |
//! | waiting, overdue | those that nothing of this was said of yet; overdue: their deadline is past at the time of the newest entry |
//!
//! What is said of a number that does not wait counts for nothing. Where nothing came of an entry, the request is again as it was before it.

use super::cells::{Exactness, cell, split};
use super::{OTHER, add, name_of, number, text_of};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use watchbook_base::UtcNanos;

/// Requests that wait at once, as many as a recorder keeps; further ones count as received alone.
const WAITING_MAX: usize = 10_000;
/// Why a request may be refused.
pub const REFUSALS: [&str; 6] =
    ["no_footage", "not_identified", "rights_of_others", "inquiry", "unfounded", "other_law"];

/// Entries of which nothing may come that are remembered with what was before them: that is known within moments.
const BEFORE_MAX: usize = 256;

/// Requests that wait for an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Their deadlines by number, in milliseconds UTC.
    due: BTreeMap<String, u64>,
    /// By entry: what was before the newest ones.
    before: BTreeMap<u64, Before>,
}

/// A request before something was said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Before {
    request: String,
    due: Option<u64>,
    counted: Vec<String>,
}

/// What became of requests in a month.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    received: u64,
    extended: u64,
    answered: u64,
    late: u64,
    withdrawn: u64,
    refused: BTreeMap<String, u64>,
}

impl Counts {
    fn step(&mut self, word: &str, step: i64) {
        let count = match word {
            "received" => &mut self.received,
            "extended" => &mut self.extended,
            "answered" => &mut self.answered,
            "late" => &mut self.late,
            "withdrawn" => &mut self.withdrawn,
            why => return add(&mut self.refused, why, step),
        };
        *count = count.saturating_add_signed(step);
    }
}

impl Default for Counts {
    fn default() -> Self {
        let refused = REFUSALS.iter().map(|word| ((*word).to_owned(), 0)).collect();
        Self { received: 0, extended: 0, answered: 0, late: 0, withdrawn: 0, refused }
    }
}

/// Takes an act that was allowed.
pub(super) fn take(
    waiting: &mut Waiting,
    counts: &mut Counts,
    (index, utc): (u64, UtcNanos),
    action: &str,
    entry: &Map<String, Value>,
) {
    let (request, new) = (name_of(entry, "request"), number(entry, "due_utc_ms"));
    let due = waiting.due.get(&request).copied();
    let (counted, now): (&str, Option<u64>) = match action {
        "register_subject_request" => ("received", Some(new)),
        _ if due.is_none() => return,
        "extend_subject_request" => ("extended", Some(new)),
        "answer_subject_request" => ("answered", None),
        "refuse_subject_request" => {
            let why = text_of(entry, "why");
            (if REFUSALS.contains(&why) { why } else { OTHER }, None)
        }
        "withdraw_subject_request" => ("withdrawn", None),
        _ => return,
    };
    let mut counted = vec![counted.to_owned()];
    if now.is_none() && due.is_some_and(|due| ms_of(utc) > due) {
        counted.push("late".to_owned());
    }
    counted.iter().for_each(|word| counts.step(word, 1));
    match now {
        None => drop(waiting.due.remove(&request)),
        Some(now) if due.is_some() || waiting.due.len() < WAITING_MAX => {
            waiting.due.insert(request.clone(), now);
        }
        Some(_) => {}
    }
    waiting.before.insert(index, Before { request, due, counted });
    if waiting.before.len() > BEFORE_MAX {
        waiting.before.pop_first();
    }
}

/// Nothing came of entry `of`; `counts`: those in which it counted.
pub(super) fn undo(waiting: &mut Waiting, counts: Option<&mut Counts>, of: u64) {
    let Some(Before { request, due, counted }) = waiting.before.remove(&of) else { return };
    if let Some(counts) = counts {
        counted.iter().for_each(|word| counts.step(word, -1));
    }
    match due {
        Some(due) => drop(waiting.due.insert(request, due)),
        None => drop(waiting.due.remove(&request)),
    }
}

fn ms_of(utc: UtcNanos) -> u64 {
    u64::try_from(utc.as_ms()).unwrap_or(0)
}

/// What the report says of them. What waits is in whole fives.
pub(super) fn json(waiting: &Waiting, counts: &Counts, newest: UtcNanos, exactness: Exactness) -> Value {
    let overdue = waiting.due.values().filter(|due| ms_of(newest) > **due).count();
    let count = |count: usize| cell(u64::try_from(count).unwrap_or(u64::MAX), Exactness::Fives);
    json!({
        "received": cell(counts.received, exactness),
        "extended": cell(counts.extended, exactness),
        "answered": cell(counts.answered, exactness),
        "late": cell(counts.late, exactness),
        "refused": split(&counts.refused, exactness),
        "withdrawn": cell(counts.withdrawn, exactness),
        "waiting": count(waiting.due.len()),
        "overdue": count(overdue),
        "any_overdue": overdue > 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    struct Log {
        waiting: Waiting,
        counts: Counts,
        at_ms: i64,
        next: u64,
    }

    impl Log {
        fn new() -> Self {
            Self { waiting: Waiting::default(), counts: Counts::default(), at_ms: 100 * DAY_MS, next: 0 }
        }

        fn act(&mut self, action: &str, request: u64, fields: &Value) {
            let mut entry = fields.as_object().cloned().unwrap_or_default();
            entry.insert("request".to_owned(), json!(request));
            let utc = UtcNanos::from_ms(self.at_ms);
            self.next += 1;
            take(&mut self.waiting, &mut self.counts, (self.next, utc), action, &entry);
        }

        fn register(&mut self, request: u64) {
            self.act("register_subject_request", request, &json!({"due_utc_ms": self.at_ms + 28 * DAY_MS}));
        }

        fn report(&self) -> Value {
            json(&self.waiting, &self.counts, UtcNanos::from_ms(self.at_ms), Exactness::Exact)
        }
    }

    #[test]
    fn a_request_waits_until_something_became_of_it_and_is_overdue_behind_its_deadline() {
        let mut log = Log::new();
        (1..=20).for_each(|request| log.register(request));
        log.at_ms += 28 * DAY_MS;
        assert_eq!((&log.report()["waiting"], &log.report()["any_overdue"]), (&json!(20), &json!(false)));
        (1..=6).for_each(|request| log.act("answer_subject_request", request, &json!({})));
        log.act("extend_subject_request", 7, &json!({"due_utc_ms": log.at_ms + DAY_MS}));
        log.at_ms += 1;
        // 7 has more time; 8 to 20 have none.
        assert_eq!((&log.report()["overdue"], &log.report()["any_overdue"]), (&json!(10), &json!(true)), "13 in fives");
        (8..=12).for_each(|request| log.act("answer_subject_request", request, &json!({})));
        (13..=18).for_each(|request| log.act("refuse_subject_request", request, &json!({"why": "no_footage"})));
        log.act("refuse_subject_request", 19, &json!({"why": "we do not like it"}));
        log.act("withdraw_subject_request", 20, &json!({}));
        let report = log.report();
        assert_eq!((&report["received"], &report["answered"], &report["late"]), (&json!(20), &json!(11), &json!(13)));
        assert_eq!(
            (&report["refused"]["by"]["no_footage"], &report["refused"]["by"]["other"]),
            (&json!(6), &json!("<5"))
        );
        assert_eq!(
            (&report["waiting"], &report["overdue"], &report["any_overdue"]),
            (&json!("<5"), &json!("<5"), &json!(false))
        );
    }

    #[test]
    fn what_is_said_of_a_number_that_does_not_wait_counts_for_nothing() {
        let mut log = Log::new();
        log.register(1);
        for _ in 0..9 {
            log.act("answer_subject_request", 1, &json!({}));
            log.act("refuse_subject_request", 1, &json!({"why": "inquiry"}));
            log.act("extend_subject_request", 2, &json!({"due_utc_ms": 5}));
            log.act("change_subject_request", 1, &json!({"what": "cameras"}));
        }
        let report = log.report();
        assert_eq!(
            (&report["answered"], &report["extended"], &report["waiting"]),
            (&json!("<5"), &json!("<5"), &json!("<5"))
        );
        assert_eq!(report["refused"]["by"]["inquiry"], "<5");
        // Each of them once at most.
        assert_eq!((log.counts.answered, log.counts.extended, log.counts.refused["inquiry"]), (1, 0, 0));
    }
    #[test]
    fn a_late_request_is_late_whatever_becomes_of_it() {
        let mut log = Log::new();
        (1..=15).for_each(|request| log.register(request));
        log.at_ms += 28 * DAY_MS + 1;
        (1..=6).for_each(|request| log.act("refuse_subject_request", request, &json!({"why": "unfounded"})));
        (7..=12).for_each(|request| log.act("withdraw_subject_request", request, &json!({})));
        assert_eq!((&log.report()["answered"], &log.report()["late"]), (&json!("<5"), &json!(12)));
    }

    #[test]
    fn a_request_is_as_it_was_before_an_entry_of_which_nothing_came() {
        let mut log = Log::new();
        (1..=10).for_each(|request| log.register(request));
        log.at_ms += 28 * DAY_MS + 1;
        let before = log.report();
        for act in ["answer", "refuse", "withdraw", "extend"] {
            let fields = json!({"why": "unfounded", "due_utc_ms": i64::MAX});
            log.act(&format!("{act}_subject_request"), 1, &fields);
            assert_ne!((log.report(), log.counts.late), (before.clone(), 1), "{act}");
            let of = log.next;
            (0..2).for_each(|_| undo(&mut log.waiting, Some(&mut log.counts), of));
            assert_eq!((log.report(), log.counts.late), (before.clone(), 0), "{act}");
            assert_eq!(log.waiting.due["1"], u64::try_from(128 * DAY_MS).unwrap(), "{act}");
        }
        log.register(11);
        let of = log.next;
        undo(&mut log.waiting, Some(&mut log.counts), of);
        assert_eq!((log.counts.received, log.waiting.due.len()), (10, 10));
    }

    #[test]
    fn what_waits_is_in_whole_fives_so_that_nothing_hidden_follows_from_it() {
        let mut log = Log::new();
        (1..=20).for_each(|request| log.register(request));
        let waiting = |log: &Log| log.report()["waiting"].clone();
        (1..=11).for_each(|request| log.act("answer_subject_request", request, &json!({})));
        let shown = waiting(&log);
        // 20 came and 11 were answered: 9 wait, or 7 when two were refused, of whom nobody is to know.
        (12..=13).for_each(|request| log.act("refuse_subject_request", request, &json!({"why": "inquiry"})));
        assert_eq!((waiting(&log), shown), (json!(5), json!(5)));
    }
}
