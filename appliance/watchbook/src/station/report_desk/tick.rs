//! What is done every ten seconds.

use super::*;
use std::collections::BTreeMap;
use watchbook_access::{Action, AuditEntry, AuditLog as _, Outcome};
use watchbook_base::limits::CAMERAS_MAX;
use watchbook_base::{CameraId, Kind, TimeRange};
use watchbook_evidence::report::{Policy, sample};
use watchbook_web::ports::{CameraConfig, Policies as _};

/// How often recorded minutes are written down: what a power cut may take from the count.
const MINUTES_EVERY_NANOS: i64 = 3600 * 1_000_000_000;

impl ReportDesk {
    pub(super) fn work(&self, counting: &mut Counting) -> Result<()> {
        self.catch_up(counting)?;
        if self.ending() {
            return Ok(());
        }
        self.state_rules(counting)?;
        self.state_policies(counting)?;
        self.write_minutes(counting, false)?;
        // The share of a draw is the one that the log states by then.
        self.catch_up(counting)?;
        self.draw(counting)?;
        self.catch_up(counting)?;
        if let Some(tally) = &counting.tally {
            self.show(tally);
        }
        Ok(())
    }

    /// An entry when the station's policy is not what the log says of it.
    fn state_rules(&self, counting: &Counting) -> Result<()> {
        let (Some(policies), Some(tally)) = (&self.sources.policies, &counting.tally) else { return Ok(()) };
        let now = policies.in_force();
        let said = tally.carry().station_policy();
        if said.is_some_and(|said| (&said.policy_sha256, said.version) == (&now.sha256, u64::from(now.version))) {
            return Ok(());
        }
        let (policy, policy_sha256) = (now.id.clone(), now.sha256.clone());
        self.note(Action::StateRules { policy, version: now.version, policy_sha256, rules: now.rules.clone() })
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

    /// Once an entry is dated in another week, the log up to and with it says what is drawn. Not before that is signed, so that nobody can have it otherwise afterwards.
    fn draw(&self, counting: &Counting) -> Result<()> {
        let Some(tally) = &counting.tally else { return Ok(()) };
        let carry = tally.carry();
        let Some(entries) = carry.draw_due().filter(|due| (self.sources.signed)().signed_entries >= *due) else {
            return Ok(());
        };
        let root = hex(&self.sources.register.audit_root_of(entries).map_err(stored)?.hash);
        let share = carry.station_policy().map_or(sample::LEAST, sample::Share::of_policy);
        self.note(Action::DrawReviews {
            from: carry.draw_from(),
            entries,
            root,
            percent: share.percent,
            at_least: share.at_least,
        })
    }

    fn show(&self, tally: &Tally) {
        let limit = EMERGENCY_REVIEW_S * 1_000_000_000;
        let due = |opened: UtcNanos| Some(opened.plus_nanos(limit));
        let emergencies = tally.carry().emergencies().iter().map(|(entry, (_, opened))| (*entry, due(*opened)));
        let waiting = emergencies.chain(tally.carry().drawn().keys().map(|entry| (*entry, None))).collect();
        let same = |shown: &Current| (shown.month, shown.entries) == (tally.month(), tally.entries());
        let unchanged = self.shown().current.as_ref().is_some_and(same);
        let made = (!unchanged).then(|| Current::of(tally));
        let mut shown = self.shown();
        shown.current = made.or_else(|| shown.current.take());
        shown.waited = std::mem::replace(&mut shown.waiting, waiting).into_iter().map(|(entry, _)| entry).collect();
    }

    pub(super) fn note(&self, action: Action) -> Result<()> {
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
        contact: !config.contact.is_empty(),
        masks: u64::try_from(config.masks.len()).unwrap_or(u64::MAX),
        plugins: bound.map(|plugin| plugin.plugin.clone()).collect(),
    }
}

fn stated(camera: u64, policy: Policy) -> Result<Action> {
    let number = u32::try_from(camera).ok().and_then(CameraId::new);
    let camera = number.ok_or_else(|| Error::new(Kind::Corrupt, format!("the log tells of a camera {camera}")))?;
    let Policy { purpose, enabled, removed, retention_days_max, audio, contact, masks, plugins } = policy;
    let retention_days_max = u32::try_from(retention_days_max).unwrap_or(u32::MAX);
    let masks = usize::try_from(masks).unwrap_or(usize::MAX);
    Ok(Action::StatePolicy { camera, purpose, enabled, removed, retention_days_max, audio, contact, masks, plugins })
}
