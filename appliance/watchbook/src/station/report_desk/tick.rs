//! What is done every ten seconds.

use super::*;
use std::collections::BTreeMap;
use watchbook_access::{Action, AuditEntry, AuditLog as _, Outcome};
use watchbook_base::limits::CAMERAS_MAX;
use watchbook_base::{CameraId, Kind, TimeRange};
use watchbook_evidence::report::{Carry, Policy, week_of};
use watchbook_store::register::{Change, VALUE_BYTES_MAX};
use watchbook_web::ports::CameraConfig;

/// How often recorded minutes are written down: what a power cut may take from the count.
const MINUTES_EVERY_NANOS: i64 = 3600 * 1_000_000_000;

impl ReportDesk {
    pub(super) fn work(&self, counting: &mut Counting) -> Result<()> {
        self.catch_up(counting)?;
        if self.ending() {
            return Ok(());
        }
        self.state_policies(counting)?;
        self.write_minutes(counting, false)?;
        self.draw(counting)?;
        self.catch_up(counting)?;
        if let Some(tally) = &counting.tally {
            self.show(tally);
        }
        Ok(())
    }

    /// Counts the entries that were not, and publishes the report of each month that ends between them.
    fn catch_up(&self, counting: &mut Counting) -> Result<()> {
        let now = Month::of(self.sources.clock.utc());
        // Of a month that the clock says is still to come: it was set forward and back.
        if counting.tally.as_ref().is_some_and(|tally| tally.month() > now) {
            self.forget_from(now)?;
            counting.tally = None;
        }
        let mut tally = match counting.tally.take() {
            Some(tally) => tally,
            None => self.begin(now)?,
        };
        loop {
            let rows = self.sources.register.audit_entries(tally.entries(), PAGE).map_err(stored)?;
            if rows.is_empty() || self.ending() {
                break;
            }
            for row in rows {
                let month = Month::of(row.leaf.utc);
                if month > tally.month() && month <= now {
                    if tally.entries() > 0 {
                        self.publish(&tally)?;
                    }
                    tally = tally.next(month);
                }
                tally.take(row.index, row.leaf.utc, &row.leaf.body);
            }
        }
        counting.tally = Some(tally);
        Ok(())
    }

    /// Where counting begins: behind the last month that is over, else at the first entry.
    fn begin(&self, now: Month) -> Result<Tally> {
        let kept = self.sources.register.get(Namespace::Setting, CARRY).map_err(stored)?;
        let kept: Option<(Month, u64, Carry)> = kept.and_then(|entry| serde_json::from_slice(&entry.value).ok());
        let have = self.sources.register.audit_root().size;
        if let Some((month, entries, carry)) = kept.filter(|(month, entries, _)| *month < now && *entries <= have) {
            return Ok(Tally::going_on(month.next(), entries, carry));
        }
        let first = self.entry(0)?.map(|row| Month::of(row.leaf.utc));
        Ok(Tally::new(first.filter(|first| *first < now).unwrap_or(now)))
    }

    /// Keeps the report of a month that is over, with an entry of its hash. Again, and with the same bytes, when the power goes in between.
    fn publish(&self, tally: &Tally) -> Result<()> {
        let month = tally.month();
        if self.shown().months.contains_key(&month) {
            return Ok(());
        }
        let bytes = report::bytes(&tally.report(true));
        let report_sha256 = hex(&sha256(&bytes));
        let (entries, text) = (tally.entries(), month.to_string());
        self.note(Action::PublishReport { month: text, entries, report_sha256: report_sha256.clone() })?;
        let mut changes = vec![Change::put(Namespace::Setting, month_key(month), bytes)];
        match serde_json::to_vec(&(month, entries, tally.carry())) {
            Ok(carry) if carry.len() <= VALUE_BYTES_MAX => changes.push(Change::put(Namespace::Setting, CARRY, carry)),
            // Then the next start reads more.
            _ => changes.push(Change::delete(Namespace::Setting, CARRY)),
        }
        self.sources.register.apply(&changes).map_err(stored)?;
        self.shown().months.insert(month, report_sha256);
        Ok(())
    }

    /// Reports of months that are not over after all are made again.
    fn forget_from(&self, now: Month) -> Result<()> {
        let gone: Vec<Month> = self.shown().months.range(now..).map(|(month, _)| *month).collect();
        let mut changes: Vec<Change> =
            gone.iter().map(|month| Change::delete(Namespace::Setting, month_key(*month))).collect();
        changes.push(Change::delete(Namespace::Setting, CARRY));
        self.sources.register.apply(&changes).map_err(stored)?;
        let mut shown = self.shown();
        shown.months.retain(|month, _| *month < now);
        shown.closed.retain(|month, _| *month < now);
        Ok(())
    }

    /// An entry for each camera that is not what the log says of it.
    fn state_policies(&self, counting: &Counting) -> Result<()> {
        let (Some(cameras), Some(tally)) = (&self.cameras, &counting.tally) else { return Ok(()) };
        let rows = cameras.list()?;
        let mut now: BTreeMap<u64, Policy> =
            rows.iter().map(|row| (u64::from(row.id.get()), policy_of(&row.config))).collect();
        for (camera, said) in tally.carry().policies().iter().filter(|(_, said)| !said.removed) {
            now.entry(*camera).or_insert_with(|| Policy { enabled: false, removed: true, ..said.clone() });
        }
        for (camera, policy) in now {
            if tally.carry().policies().get(&camera) != Some(&policy) {
                self.note(stated(camera, policy)?)?;
            }
        }
        Ok(())
    }

    /// An entry of what was recorded, once an hour and at the end.
    pub(super) fn write_minutes(&self, counting: &mut Counting, at_once: bool) -> Result<()> {
        let (now, since) = (self.sources.clock.utc(), counting.minutes_since);
        let due = at_once || now.0.div_euclid(MINUTES_EVERY_NANOS) != since.0.div_euclid(MINUTES_EVERY_NANOS);
        if !due {
            return Ok(());
        }
        let mut cameras = self.sources.minutes.take();
        cameras.truncate(CAMERAS_MAX);
        if !cameras.is_empty() {
            let range = TimeRange { start: since.min(now), end: now };
            if let Err(error) = self.note(Action::RecordHours { range, cameras: cameras.clone() }) {
                self.sources.minutes.give_back(&cameras);
                return Err(error);
            }
        }
        counting.minutes_since = now;
        Ok(())
    }

    /// Once a week is over, the first checkpoint that was signed after it says what is drawn of it.
    fn draw(&self, counting: &Counting) -> Result<()> {
        let Some(tally) = &counting.tally else { return Ok(()) };
        let (from, Some(last)) = tally.carry().draw_from() else { return Ok(()) };
        let week = week_of(self.sources.clock.utc());
        if week == week_of(last) {
            return Ok(());
        }
        let signed = (self.sources.signed)();
        let at = signed.signed_utc_ms.map(UtcNanos::from_ms);
        match (signed.root, at) {
            (Some(root), Some(at)) if week_of(at) == week && signed.signed_entries > from => {
                self.note(Action::DrawReviews { from, entries: signed.signed_entries, root })
            }
            // None yet: it comes within seconds.
            _ => Ok(()),
        }
    }

    fn show(&self, tally: &Tally) {
        let report = public(report::bytes(&tally.report(false)));
        let limit = EMERGENCY_REVIEW_S * 1_000_000_000;
        let due = |opened: UtcNanos| Some(opened.plus_nanos(limit));
        let emergencies = tally.carry().emergencies().iter().map(|(entry, (_, opened))| (*entry, due(*opened)));
        let waiting = emergencies.chain(tally.carry().drawn().keys().map(|entry| (*entry, None))).collect();
        let mut shown = self.shown();
        shown.current = Some((tally.month(), report));
        shown.waited = std::mem::replace(&mut shown.waiting, waiting).into_iter().map(|(entry, _)| entry).collect();
    }

    fn note(&self, action: Action) -> Result<()> {
        let noted = self.sources.register.append(&AuditEntry { account: None, action, outcome: Outcome::Allowed });
        noted.map(drop).map_err(Error::from_log)
    }
}

fn policy_of(config: &CameraConfig) -> Policy {
    let bound = config.plugins.iter().filter(|plugin| plugin.enabled);
    Policy {
        purpose: config.purpose.clone(),
        enabled: config.enabled,
        removed: false,
        retention_days_max: u64::from(config.retention_days_max),
        audio: config.record_audio,
        masks: u64::try_from(config.masks.len()).unwrap_or(u64::MAX),
        plugins: bound.map(|plugin| plugin.plugin.clone()).collect(),
    }
}

fn stated(camera: u64, policy: Policy) -> Result<Action> {
    let number = u32::try_from(camera).ok().and_then(CameraId::new);
    let camera = number.ok_or_else(|| Error::new(Kind::Corrupt, format!("the log tells of a camera {camera}")))?;
    let Policy { purpose, enabled, removed, retention_days_max, audio, masks, plugins } = policy;
    let retention_days_max = u32::try_from(retention_days_max).unwrap_or(u32::MAX);
    let masks = usize::try_from(masks).unwrap_or(usize::MAX);
    Ok(Action::StatePolicy { camera, purpose, enabled, removed, retention_days_max, audio, masks, plugins })
}
