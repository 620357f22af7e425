//! Disks and alarms, as the page asks for them.

use super::desk::stored;
use super::footage::Ring;
use std::collections::BTreeSet;
use watchbook_base::{CameraId, Kind, UtcNanos};
use watchbook_store::format::DiskId;
use watchbook_store::{AlarmKind, DamageKind, RingInfo, ScrubProgress};
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports::{self, Damaged, Pressure};

impl ports::StationHealth for Ring {
    fn ring(&self) -> Result<api::RingHealth, Error> {
        let (info, stats) = (self.reader.ring().map_err(stored)?, self.writer.stats());
        Ok(api::RingHealth {
            capacity_bytes: info.capacity_bytes,
            used_bytes: info.used_bytes,
            oldest_utc_ms: info.oldest_utc.map(UtcNanos::as_ms),
            commits: stats.commits,
            last_commit_utc_ms: stats.last_commit_utc.map(UtcNanos::as_ms),
            overload_drops: stats.overload_drops,
            ring_days_now: info.days_now,
        })
    }

    fn disks(&self) -> Result<Vec<api::Disk>, Error> {
        let rings = self.reader.rings().map_err(stored)?;
        let scrubs = self.reader.scrubs();
        let scrub = |disk| scrubs.iter().find(|(of, _)| *of == disk).map(|(_, scrub)| *scrub);
        let shown = |(disk, info): (DiskId, RingInfo)| recording(&self.dir, disk, info, scrub(disk));
        Ok(rings.into_iter().map(shown).collect())
    }

    fn alarms(&self) -> Result<Vec<api::Alarm>, Error> {
        let shown = |alarm: watchbook_store::Alarm| api::Alarm {
            kind: alarm_kind(alarm.kind),
            disk: alarm.disk.map(|disk| disk.to_string()),
            since_utc_ms: Some(alarm.since_utc.as_ms()),
            text: alarm.text,
        };
        self.shelf.ask(|store| Ok(store.alarms().into_iter().map(shown).collect()))
    }

    fn pressure(&self) -> Result<Pressure, Error> {
        let overload = self.writer.overload().unwrap_or_default();
        Ok(Pressure {
            waiting_bytes: self.writer.stats().pending_bytes,
            waiting_bytes_max: watchbook_store::config::PENDING_BYTES_MAX,
            dropped_since: overload.since_utc,
            dropped_last: overload.last_utc,
            dropping: overload.dropping,
        })
    }

    fn damaged(&self, cameras: Option<&BTreeSet<CameraId>>, limit: usize) -> Result<Vec<Damaged>, Error> {
        let runs = self.reader.damaged(cameras, limit).map_err(stored)?;
        Ok(runs.iter().map(damaged).collect())
    }

    fn add_disk(&self, _dir: &str, _size_gib: u64) -> Result<api::Disk, Error> {
        Err(Error::new(Kind::Unavailable, "this recorder has one disk"))
    }

    fn accept_disk(&self, _disk: &str, _found: &str) -> Result<api::Disk, Error> {
        Err(Error::not_found("there is no disk with this number"))
    }
}

fn recording(dir: &str, disk: DiskId, info: RingInfo, scrub: Option<ScrubProgress>) -> api::Disk {
    api::Disk {
        id: disk.to_string(),
        dir: dir.to_owned(),
        state: api::DiskState::Recording,
        since_utc_ms: None,
        detail: None,
        found_id: None,
        capacity_bytes: info.capacity_bytes,
        used_bytes: info.used_bytes,
        oldest_utc_ms: info.oldest_utc.map(UtcNanos::as_ms),
        days_now: info.days_now,
        written_share: 1.0,
        segments_bad: 0,
        scrub: scrub.map(scrub_of).unwrap_or_default(),
        index_rebuild: None,
    }
}

fn scrub_of(scrub: ScrubProgress) -> api::Scrub {
    api::Scrub {
        started_utc_ms: scrub.started_utc.map(UtcNanos::as_ms),
        done_bytes: scrub.bytes_done,
        total_bytes: scrub.bytes_total,
        bytes_per_sec: scrub.bytes_per_sec,
        found: scrub.found,
        yields: scrub.yields,
        last_pass_utc_ms: scrub.last_full_utc.map(UtcNanos::as_ms),
        last_pass_found: scrub.last_found,
    }
}

/// A damaged run in the page's words.
pub fn damaged(run: &watchbook_store::DamagedRun) -> Damaged {
    let kind = match run.kind {
        DamageKind::Unreadable => api::DamageKind::Unreadable,
        DamageKind::Checksum => api::DamageKind::Checksum,
        DamageKind::Digest => api::DamageKind::Digest,
        DamageKind::Description => api::DamageKind::Description,
    };
    Damaged { stream: run.stream, range: run.range, kind, found: run.found }
}

fn alarm_kind(kind: AlarmKind) -> api::AlarmKind {
    use api::AlarmKind as Shown;
    match kind {
        AlarmKind::DiskMissing => Shown::DiskMissing,
        AlarmKind::DiskSwapped => Shown::DiskSwapped,
        AlarmKind::DiskFailed => Shown::DiskFailed,
        AlarmKind::DiskSlow => Shown::DiskSlow,
        AlarmKind::SegmentsBad => Shown::SegmentsBad,
        AlarmKind::LogDamaged => Shown::LogDamaged,
        AlarmKind::RunDamaged => Shown::RunDamaged,
        AlarmKind::RingShrunk => Shown::RingShrunk,
        AlarmKind::ReserveEaten => Shown::ReserveEaten,
        AlarmKind::IndexBehind => Shown::IndexBehind,
        AlarmKind::IndexRebuilding => Shown::IndexRebuilding,
        AlarmKind::KeyCopyMissing => Shown::KeyCopyMissing,
        AlarmKind::KeyDamaged => Shown::KeyDamaged,
        AlarmKind::ClockUntrusted => Shown::ClockUntrusted,
        AlarmKind::ErasureLate => Shown::ErasureLate,
        AlarmKind::VaultNearlyFull => Shown::VaultNearlyFull,
        AlarmKind::VaultFull => Shown::VaultFull,
        AlarmKind::HoldIncomplete => Shown::HoldIncomplete,
    }
}
