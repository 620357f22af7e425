//! Where the log is cut into months, and the reports of those that are over.
//!
//! A month's stretch of the log begins where the newest earlier report ended and ends behind the last entry that is dated in the month, once the clock says that it is over:
//! what a clock wrote that was wrong for a while lies in between and counts with the rest. A clock that goes back into a month whose report is published withdraws that
//! report, at a start, too; it is published again when the month is over. Nothing that is stored says anything about a month that is not before the present one.

use super::{Counting, ReportDesk, Result, month_key};
use crate::station::desk::stored;
use std::collections::BTreeMap;
use watchbook_access::Action;
use watchbook_evidence::report::{self, Carry, Month, Tally};
use watchbook_evidence::{hex, sha256};
use watchbook_store::register::{AUDIT_PAGE_MAX, Change, Namespace, Register, VALUE_BYTES_MAX};

/// What was carried along at the end of the newest report: [`CarryHead`], and behind it with `/0000` and so on its parts.
const CARRY: &[u8] = b"report/carry";
/// Parts of it: more than [`report::Carry`]'s bounds allow to come together.
const PARTS_MAX: usize = 64;
/// No recorder existed before: a clock that says so has forgotten the time.
const FIRST_MONTH: &str = "2025-01";
/// How many reports a clock may withdraw by going back. One that was ahead publishes one report, or two; one that would withdraw more is wrong itself.
const WITHDRAWN_MAX: usize = 3;

/// What a stored carry belongs to.
#[derive(serde::Serialize, serde::Deserialize)]
struct CarryHead {
    month: Month,
    entries: u64,
    parts: usize,
    sha256: String,
}

impl ReportDesk {
    /// Counts the entries that were not, and publishes the report of each month that is over.
    pub(super) fn catch_up(&self, counting: &mut Counting) -> Result<()> {
        let now = self.present(&mut counting.clock_doubted);
        if self.shown().months.range(now..).next().is_some() {
            self.withdraw_from(now)?;
            counting.tally = None;
        }
        // Another month: where the one before ends is looked up in the log.
        let goes_on = counting.tally.take().filter(|tally| tally.month() == now);
        let mut tally = match goes_on {
            Some(tally) => tally,
            None => self.begin(now)?,
        };
        self.read_on(&mut tally, u64::MAX)?;
        counting.tally = Some(tally);
        Ok(())
    }

    /// The present month. A clock that has forgotten the time says nothing about reports that are published.
    fn present(&self, doubted: &mut bool) -> Month {
        let clock = Month::of(self.sources.clock.utc());
        let shown = self.shown();
        let Some(newest) = shown.months.keys().next_back() else { return clock };
        let withdrawn = shown.months.range(clock..).count();
        let forgot = Month::parse(FIRST_MONTH).is_some_and(|first| clock < first);
        let before = std::mem::replace(doubted, withdrawn > 0 && (forgot || withdrawn > WITHDRAWN_MAX));
        if *doubted && !before {
            tracing::warn!(%clock, %newest, "the clock is far before reports that are published; set it. Until then no report is published");
        }
        if *doubted { newest.next() } else { clock }
    }

    /// A count of the present month with none of its entries taken, after each month that is over has its report.
    fn begin(&self, now: Month) -> Result<Tally> {
        let mut tally = self.behind_newest(now)?;
        for (month, last) in self.last_entries(tally.entries(), now)? {
            // All of it may lie in the stretch of one before: a clock was set back.
            if last >= tally.entries() {
                tally = tally.next(month);
                self.read_on(&mut tally, last.saturating_add(1))?;
                if self.ending() {
                    break;
                }
                self.publish(&tally)?;
            }
        }
        Ok(tally.next(now))
    }

    /// Takes entries below number `end`.
    fn read_on(&self, tally: &mut Tally, end: u64) -> Result<()> {
        while !self.ending() && tally.entries() < end {
            let rows = self.sources.register.audit_entries(tally.entries(), AUDIT_PAGE_MAX).map_err(stored)?;
            let some = !rows.is_empty();
            for row in rows.into_iter().take_while(|row| row.index < end) {
                tally.take(row.index, row.leaf.utc, &row.leaf.body);
            }
            if !some {
                break;
            }
        }
        Ok(())
    }

    /// Number of the last entry of each month between the newest report and the present month, from entry `from` on.
    fn last_entries(&self, from: u64, now: Month) -> Result<BTreeMap<Month, u64>> {
        let first = Month::parse(FIRST_MONTH);
        let newest = self.shown().months.keys().next_back().copied();
        let (mut found, mut from) = (BTreeMap::new(), from);
        while !self.ending() {
            let rows = self.sources.register.audit_entries(from, AUDIT_PAGE_MAX).map_err(stored)?;
            let Some(last) = rows.last() else { break };
            from = last.index.saturating_add(1);
            for row in rows {
                let month = Month::of(row.leaf.utc);
                if month < now && Some(month) >= first && Some(month) > newest {
                    found.insert(month, row.index);
                }
            }
        }
        Ok(found)
    }

    /// What the newest report left, to go on from.
    fn behind_newest(&self, now: Month) -> Result<Tally> {
        let Some(newest) = self.shown().months.keys().next_back().copied() else { return Ok(Tally::new(now)) };
        let register = &self.sources.register;
        let kept = register.get(Namespace::Setting, &month_key(newest)).map_err(stored)?;
        let report: serde_json::Value =
            kept.and_then(|entry| serde_json::from_slice(&entry.value).ok()).unwrap_or_default();
        let entries = report.get("log_entries").and_then(serde_json::Value::as_u64).unwrap_or_default();
        if let Some(carry) = carry_of(register, newest, entries)? {
            return Ok(Tally::going_on(now, entries, carry));
        }
        tracing::info!(%newest, "what was carried along at the end of the newest report is not kept; the log is read from its beginning");
        let mut tally = Tally::new(newest);
        self.read_on(&mut tally, entries)?;
        Ok(tally.next(now))
    }

    /// Keeps the report of a month that is over, with an entry of its hash. Again, and with the same bytes, when the power goes in between.
    fn publish(&self, tally: &Tally) -> Result<()> {
        let (month, entries) = (tally.month(), tally.entries());
        let bytes = report::bytes(&tally.report(true));
        let report_sha256 = hex(&sha256(&bytes));
        let text = month.to_string();
        self.note(Action::PublishReport { month: text, entries, report_sha256: report_sha256.clone() })?;
        let mut changes = vec![Change::put(Namespace::Setting, month_key(month), bytes)];
        changes.extend(carry_changes(&self.sources.register, month, entries, tally.carry())?);
        self.sources.register.apply(&changes).map_err(stored)?;
        self.shown().months.insert(month, report_sha256);
        Ok(())
    }

    /// Reports of months that are not over after all are made again.
    fn withdraw_from(&self, now: Month) -> Result<()> {
        let gone: Vec<Month> = self.shown().months.range(now..).map(|(month, _)| *month).collect();
        tracing::warn!(
            ?gone,
            "these months are not over: the clock was ahead when their reports were published. They are withdrawn"
        );
        let changes: Vec<Change> =
            gone.iter().map(|month| Change::delete(Namespace::Setting, month_key(*month))).collect();
        self.sources.register.apply(&changes).map_err(stored)?;
        let mut shown = self.shown();
        shown.months.retain(|month, _| *month < now);
        shown.closed.retain(|month, _| *month < now);
        Ok(())
    }
}

fn part_key(part: usize) -> Vec<u8> {
    [CARRY, format!("/{part:04}").as_bytes()].concat()
}

fn head_of(register: &Register) -> Result<Option<CarryHead>> {
    let kept = register.get(Namespace::Setting, CARRY).map_err(stored)?;
    Ok(kept.and_then(|entry| serde_json::from_slice(&entry.value).ok()))
}

/// What was carried along at the end of this report, if it is kept.
fn carry_of(register: &Register, month: Month, entries: u64) -> Result<Option<Carry>> {
    let Some(head) = head_of(register)?.filter(|head| (head.month, head.entries) == (month, entries)) else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    for part in 0..head.parts.min(PARTS_MAX) {
        let kept = register.get(Namespace::Setting, &part_key(part)).map_err(stored)?;
        bytes.extend(kept.map(|entry| entry.value).unwrap_or_default());
    }
    Ok(serde_json::from_slice(&bytes).ok().filter(|_| hex(&sha256(&bytes)) == head.sha256))
}

/// Keeps what is carried along, in as many values as it takes.
fn carry_changes(register: &Register, month: Month, entries: u64, carry: &Carry) -> Result<Vec<Change>> {
    let before = head_of(register)?.map_or(0, |head| head.parts.min(PARTS_MAX));
    let bytes = serde_json::to_vec(carry).unwrap_or_default();
    let parts: Vec<&[u8]> = bytes.chunks(VALUE_BYTES_MAX).collect();
    if parts.is_empty() || parts.len() > PARTS_MAX {
        tracing::error!(
            bytes = bytes.len(),
            "what reports carry from month to month is too much to be kept; nothing is lost, but each start reads the whole log"
        );
        return Ok(vec![Change::delete(Namespace::Setting, CARRY)]);
    }
    let head = CarryHead { month, entries, parts: parts.len(), sha256: hex(&sha256(&bytes)) };
    let mut changes = vec![Change::put(Namespace::Setting, CARRY, serde_json::to_vec(&head).unwrap_or_default())];
    changes.extend((parts.len()..before).map(|part| Change::delete(Namespace::Setting, part_key(part))));
    let parts = parts.into_iter().enumerate();
    changes.extend(parts.map(|(part, bytes)| Change::put(Namespace::Setting, part_key(part), bytes)));
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use watchbook_base::clock::SystemClock;
    use watchbook_base::time::UtcNanos;

    /// What a log of so many cases leaves.
    fn carry(cases: u64) -> Carry {
        let mut tally = Tally::new(Month::parse("2026-11").unwrap());
        for case in 0..cases {
            let body = format!(
                r#"{{"action":"open_case","outcome":"allowed","case":"District 7, {case}/26","purpose":"theft"}}"#
            );
            tally.take(case, UtcNanos(1_795_737_600_000_000_000), body.as_bytes());
        }
        tally.carry().clone()
    }

    #[test]
    fn what_is_carried_along_is_kept_when_it_is_more_than_one_value_takes() {
        let dir = tempfile::tempdir().unwrap();
        let register = Register::open(dir.path(), Arc::new(SystemClock)).unwrap();
        let (november, december) = (Month::parse("2026-11").unwrap(), Month::parse("2026-12").unwrap());
        let large = carry(40_000);
        let bytes = serde_json::to_vec(&large).unwrap().len();
        assert!(bytes > VALUE_BYTES_MAX, "{bytes} bytes");
        register.apply(&carry_changes(&register, november, 40_000, &large).unwrap()).unwrap();
        assert_eq!(carry_of(&register, november, 40_000).unwrap(), Some(large));
        assert_eq!(carry_of(&register, november, 39_999).unwrap(), None, "of another report");
        assert_eq!(carry_of(&register, december, 40_000).unwrap(), None);

        let small = carry(3);
        register.apply(&carry_changes(&register, december, 3, &small).unwrap()).unwrap();
        assert_eq!(carry_of(&register, december, 3).unwrap(), Some(small));
        assert_eq!(register.scan(Namespace::Setting, CARRY).unwrap().len(), 2, "parts of the larger one are gone");
        register.apply(&[Change::put(Namespace::Setting, part_key(0), b"{}".to_vec())]).unwrap();
        assert_eq!(carry_of(&register, december, 3).unwrap(), None, "a part that is another one is not believed");
    }
}
