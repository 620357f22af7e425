//! Requests of people who may be in the footage, as the report counts them. Of a request the log says its number, when it must be answered and what became of it.
//!
//! | in the report | entries |
//! |---|---|
//! | received | `register_subject_request` |
//! | extended | `extend_subject_request`; `due_utc_ms` is the new deadline |
//! | answered | `answer_subject_request`; late: its time lies behind the deadline |
//! | refused | `refuse_subject_request`, by `why` |
//! | withdrawn | `withdraw_subject_request` |
//! | waiting, overdue | those that nothing of this was said of yet; overdue: their deadline is past at the time of the newest entry |
//!
//! What is said of a number that does not wait counts for nothing.

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

/// Requests that wait for an answer: their deadlines by number, in milliseconds UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting(BTreeMap<String, u64>);

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
    utc: UtcNanos,
    action: &str,
    entry: &Map<String, Value>,
) {
    let waiting = &mut waiting.0;
    let (name, due) = (name_of(entry, "request"), number(entry, "due_utc_ms"));
    if action == "register_subject_request" {
        counts.received += 1;
        if waiting.len() < WAITING_MAX {
            waiting.insert(name, due);
        }
        return;
    }
    let Some(deadline) = waiting.get(&name).copied() else { return };
    match action {
        "extend_subject_request" => {
            counts.extended += 1;
            waiting.insert(name, due);
            return;
        }
        "answer_subject_request" => {
            counts.answered += 1;
            counts.late += u64::from(ms_of(utc) > deadline);
        }
        "refuse_subject_request" => {
            let why = text_of(entry, "why");
            add(&mut counts.refused, if REFUSALS.contains(&why) { why } else { OTHER }, 1);
        }
        "withdraw_subject_request" => counts.withdrawn += 1,
        _ => return,
    }
    waiting.remove(&name);
}

fn ms_of(utc: UtcNanos) -> u64 {
    u64::try_from(utc.as_ms()).unwrap_or(0)
}

/// What the report says of them.
pub(super) fn json(waiting: &Waiting, counts: &Counts, newest: UtcNanos, exactness: Exactness) -> Value {
    let overdue = waiting.0.values().filter(|due| ms_of(newest) > **due).count();
    let count = |count: usize| cell(u64::try_from(count).unwrap_or(u64::MAX), exactness);
    json!({
        "received": cell(counts.received, exactness),
        "extended": cell(counts.extended, exactness),
        "answered": cell(counts.answered, exactness),
        "answered_late": cell(counts.late, exactness),
        "refused": split(&counts.refused, exactness),
        "withdrawn": cell(counts.withdrawn, exactness),
        "waiting": count(waiting.0.len()),
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
    }

    impl Log {
        fn new() -> Self {
            Self { waiting: Waiting::default(), counts: Counts::default(), at_ms: 100 * DAY_MS }
        }

        fn act(&mut self, action: &str, request: u64, fields: &Value) {
            let mut entry = fields.as_object().cloned().unwrap_or_default();
            entry.insert("request".to_owned(), json!(request));
            let utc = UtcNanos::from_ms(self.at_ms);
            take(&mut self.waiting, &mut self.counts, utc, action, &entry);
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
        assert_eq!((&log.report()["overdue"], &log.report()["any_overdue"]), (&json!(13), &json!(true)));
        (8..=12).for_each(|request| log.act("answer_subject_request", request, &json!({})));
        (13..=18).for_each(|request| log.act("refuse_subject_request", request, &json!({"why": "no_footage"})));
        log.act("refuse_subject_request", 19, &json!({"why": "we do not like it"}));
        log.act("withdraw_subject_request", 20, &json!({}));
        let report = log.report();
        assert_eq!(
            (&report["received"], &report["answered"], &report["answered_late"]),
            (&json!(20), &json!(11), &json!(5))
        );
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
}
