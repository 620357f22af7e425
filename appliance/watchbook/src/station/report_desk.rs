//! The transparency report and the auditor's queue: entries of the audit log are counted as they come, and what the log does not say by itself is written into it: what
//! each camera is for, how long it was recorded, which report was published, what was drawn for review.
//!
//! Everything shown is computed before anybody asks. In the register: each report of a month that is over, and what was carried along from it, so that a start reads
//! the log of one month and not all of it.

mod months;
mod tick;

use super::desk::{CameraDesk, stored};
use super::log_keeper::LogKeeper;
use super::minutes::Minutes;
use super::policies::PolicyDesk;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use watchbook_base::clock::SystemClock;
use watchbook_base::{Clock, UtcNanos};
use watchbook_evidence::report::anomaly::{Finding, Lookout};
use watchbook_evidence::report::{self, EMERGENCY_REVIEW_S, Month, Tally};
use watchbook_evidence::{hex, sha256};
use watchbook_store::register::{AuditKind, AuditRow, Namespace, Register};
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports::{AuditRecord, Cameras as _, Checkpoints, PublicReport, Reports, StoredLeaf, WaitingReview};

/// How often new entries are counted.
pub const EVERY: Duration = Duration::from_secs(10);
/// Reports of months that are over, in memory; others are read when somebody asks. Each is some kilobytes, at most 400.
const CLOSED_MAX: usize = 12;
/// Accesses that the queue shows at once.
const WAITING_MAX: usize = 500;
/// What is looked through for what stands out: so far back, and at most so many entries.
const LOOK_BACK_NANOS: i64 = 30 * 86_400 * 1_000_000_000;
const LOOKED_AT_MAX: usize = 50_000;
const PAGE: usize = 1000;

/// Behind it: each closed month's report.
const MONTH_PREFIX: &[u8] = b"report/month/";

type Result<T> = core::result::Result<T, Error>;

/// Tells what is signed of the log.
pub type Signed = Arc<dyn Fn() -> api::LogCheckpoint + Send + Sync>;

/// What the desk learns from.
pub struct Sources {
    /// The audit log, and where reports are kept.
    pub register: Arc<Register>,
    /// What is signed of the log.
    pub signed: Signed,
    /// For how long cameras are recorded.
    pub minutes: Arc<Minutes>,
    /// What the station holds to; `None`: nothing is stated of it.
    pub policies: Option<Arc<PolicyDesk>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Counts, publishes, draws.
pub struct ReportDesk {
    sources: Sources,
    cameras: Option<Arc<CameraDesk>>,
    /// Held while entries are counted, which takes seconds after a start.
    counting: Mutex<Counting>,
    /// What is shown; never held while anything is read or written.
    shown: Mutex<Shown>,
    ending: AtomicBool,
}

/// What the recorder's own desk learns from.
pub fn sources(
    register: &Arc<Register>,
    checkpoints: &Arc<LogKeeper>,
    minutes: Arc<Minutes>,
    policies: &Arc<PolicyDesk>,
) -> Sources {
    let (register, checkpoints) = (Arc::clone(register), Arc::clone(checkpoints));
    let (signed, policies) = (Arc::new(move || checkpoints.shown()), Some(Arc::clone(policies)));
    Sources { register, signed, minutes, policies, clock: Arc::new(SystemClock) }
}

/// Counts from now on.
///
/// # Errors
/// When the register cannot be read.
pub fn start(runtime: &tokio::runtime::Handle, sources: Sources, cameras: &Arc<CameraDesk>) -> Result<Arc<ReportDesk>> {
    let kept = Arc::new(ReportDesk::open(sources, Some(Arc::clone(cameras)))?);
    let reports = Arc::downgrade(&kept);
    runtime.spawn(async move {
        loop {
            let Some(desk) = reports.upgrade() else { return };
            if let Err(error) = tokio::task::spawn_blocking(move || desk.tick()).await {
                tracing::error!(%error, "counting the audit log was broken off; it is tried again");
            }
            tokio::time::sleep(EVERY).await;
        }
    });
    Ok(kept)
}

struct Counting {
    /// `None`: nothing was counted yet.
    tally: Option<Tally>,
    /// Since when recorded minutes were not written down.
    minutes_since: UtcNanos,
    /// The clock is so far back that it is not believed.
    clock_doubted: bool,
}

#[derive(Default)]
struct Shown {
    current: Option<Current>,
    closed: BTreeMap<Month, PublicReport>,
    months: BTreeMap<Month, String>,
    waiting: Vec<(u64, Option<UtcNanos>)>,
    /// Those that waited a moment ago, too.
    waited: BTreeSet<u64>,
}

/// The report of the month that is not over, made anew when there are more entries.
struct Current {
    month: Month,
    /// It is about those below this number.
    entries: u64,
    report: PublicReport,
    report_sha256: String,
}

impl Current {
    fn of(tally: &Tally) -> Self {
        let report = public(report::bytes(&tally.report(false)));
        let report_sha256 = hex(&sha256(&report.json));
        Self { month: tally.month(), entries: tally.entries(), report, report_sha256 }
    }
}

impl ReportDesk {
    /// Reads which reports there are.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn open(sources: Sources, cameras: Option<Arc<CameraDesk>>) -> Result<Self> {
        let mut shown = Shown::default();
        for entry in sources.register.scan(Namespace::Setting, MONTH_PREFIX).map_err(stored)? {
            let name = entry.key.strip_prefix(MONTH_PREFIX).and_then(|name| core::str::from_utf8(name).ok());
            if let Some(month) = name.and_then(Month::parse) {
                shown.months.insert(month, hex(&sha256(&entry.value)));
            }
        }
        let minutes_since = sources.clock.utc();
        Ok(Self {
            sources,
            cameras,
            counting: Mutex::new(Counting { tally: None, minutes_since, clock_doubted: false }),
            shown: Mutex::new(shown),
            ending: AtomicBool::new(false),
        })
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what is new, and writes what is due. Blocking; the first time it reads the log of this month.
    pub fn tick(&self) {
        let mut counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.work(&mut counting) {
            tracing::error!(%error, "the transparency report is not up to date; it is tried again");
        }
    }

    /// Writes down what was recorded since the last hour, and counts no more.
    pub fn end(&self) {
        self.ending.store(true, Ordering::Release);
        // Somebody who counts now stops at the next page; their minutes are lost at worst.
        let Ok(mut counting) = self.counting.try_lock() else { return };
        if let Err(error) = self.write_minutes(&mut counting, true) {
            tracing::error!(%error, "for how long cameras were recorded could not be written down");
        }
    }

    fn ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    fn entry(&self, index: u64) -> Result<Option<AuditRow>> {
        let rows = self.sources.register.audit_entries(index, 1).map_err(stored)?;
        Ok(rows.into_iter().next().filter(|row| row.index == index))
    }
}

impl Reports for ReportDesk {
    fn report(&self, month: Option<&str>) -> Result<PublicReport> {
        let none = || {
            Error::not_found("there is no report of this month")
                .next("The months that have one are at /api/v1/reports.")
        };
        let wanted = month.map(|month| Month::parse(month).ok_or_else(none)).transpose()?;
        {
            let shown = self.shown();
            let current = shown.current.as_ref();
            if let Some(current) = current.filter(|current| wanted.is_none_or(|wanted| wanted == current.month)) {
                return Ok(current.report.clone());
            }
            let Some(wanted) = wanted else {
                let error = Error::new(watchbook_base::Kind::Unavailable, "the log is still being counted");
                return Err(error.next("Try again in a minute."));
            };
            if let Some(report) = shown.closed.get(&wanted) {
                return Ok(report.clone());
            }
            if !shown.months.contains_key(&wanted) {
                return Err(none());
            }
        }
        let wanted = wanted.ok_or_else(none)?;
        let kept =
            self.sources.register.get(Namespace::Setting, &month_key(wanted)).map_err(stored)?.ok_or_else(none)?;
        let report = public(kept.value);
        let mut shown = self.shown();
        if shown.closed.len() >= CLOSED_MAX {
            shown.closed.pop_first();
        }
        shown.closed.insert(wanted, report.clone());
        Ok(report)
    }

    fn months(&self) -> Vec<api::ReportMonth> {
        let shown = self.shown();
        let current = shown.current.iter().map(|current| (current.month, false, current.report_sha256.clone()));
        let closed = shown.months.iter().rev().map(|(month, sha256)| (*month, true, sha256.clone()));
        let months = current.chain(closed).map(|(month, over, report_sha256)| api::ReportMonth {
            month: month.to_string(),
            over,
            report_sha256,
        });
        months.collect()
    }

    fn waiting(&self) -> Result<Vec<WaitingReview>> {
        let waiting: Vec<_> = self.shown().waiting.iter().take(WAITING_MAX).copied().collect();
        let mut rows = Vec::new();
        for (index, due) in waiting {
            if let Some(row) = self.entry(index)? {
                let record = AuditRecord { index, at: row.leaf.utc, entry_json: row.leaf.body };
                rows.push(WaitingReview { record, due });
            }
        }
        Ok(rows)
    }

    fn answered(&self, entry: u64) -> Result<()> {
        let waited = {
            let shown = self.shown();
            shown.waited.contains(&entry) || shown.waiting.iter().any(|(waiting, _)| *waiting == entry)
        };
        self.tick();
        if self.shown().waiting.iter().any(|(waiting, _)| *waiting == entry) {
            let error = Error::new(watchbook_base::Kind::Conflict, "nobody answers for their own access");
            return Err(error.next("Another account with the auditor's role must look at it."));
        }
        let gone = || Error::not_found(format!("nobody waits for an answer about entry {entry}"));
        if waited { Ok(()) } else { Err(gone().next("Look at the list of reviews.")) }
    }

    fn anomalies(&self, offset_min: i64) -> Result<Vec<api::Anomaly>> {
        let since = self.sources.clock.utc().plus_nanos(-LOOK_BACK_NANOS);
        let mut lookout = Lookout::new(offset_min);
        let (mut before, mut looked_at) = (None, 0);
        while looked_at < LOOKED_AT_MAX {
            let page = self.sources.register.audit_page(AuditKind::People, before, PAGE).map_err(stored)?;
            for row in page.rows.iter().filter(|row| row.leaf.utc >= since) {
                lookout.take(row.index, row.leaf.utc, &row.leaf.body);
            }
            looked_at += page.rows.len();
            let past = page.rows.last().is_none_or(|row| row.leaf.utc < since);
            before = page.next;
            if past || before.is_none() {
                break;
            }
        }
        Ok(lookout.findings().into_iter().map(anomaly).collect())
    }

    fn leaves(&self, from: u64) -> Result<Vec<StoredLeaf>> {
        let rows = self.sources.register.audit_entries(from, PAGE).map_err(stored)?;
        let leaf = |row: AuditRow| {
            let bytes = row.leaf.encode();
            let bytes = bytes.map_err(|error| Error::new(watchbook_base::Kind::Corrupt, error.to_string()))?;
            Ok(StoredLeaf { index: row.index, bytes })
        };
        rows.into_iter().map(leaf).collect()
    }
}

fn anomaly(finding: Finding) -> api::Anomaly {
    let day = UtcNanos(finding.day.saturating_mul(86_400_000_000_000)).to_string();
    api::Anomaly {
        rule: finding.rule.word().to_owned(),
        account: finding.account.and_then(|account| u32::try_from(account).ok()),
        account_name: None,
        camera: finding.camera.and_then(|camera| u32::try_from(camera).ok()),
        day: day.chars().take(10).collect(),
        count: finding.count,
        limit: finding.rule.limit(),
        entries: finding.entries,
    }
}

fn month_key(month: Month) -> Vec<u8> {
    [MONTH_PREFIX, month.to_string().as_bytes()].concat()
}

/// Bytes as they are hashed, and their text.
fn public(json: Vec<u8>) -> PublicReport {
    let text = serde_json::from_slice(&json).map(|value| report::text(&value)).unwrap_or_default();
    PublicReport { json: json.into(), text: text.into() }
}

#[cfg(test)]
mod tests;
