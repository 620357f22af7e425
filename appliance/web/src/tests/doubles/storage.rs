//! Disks, retention and holds in memory.

use super::{MemoryBox, START_MS};
use crate::api;
use crate::error::Error;
use crate::ports::*;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use watchbook_access::Grant;
use watchbook_base::{CameraId, Kind, TimeRange, TrackRole, UtcNanos};

/// Number of the disk that every double has, and of the one that lies in its place.
pub(in crate::tests) const DISK: &str = "000102030405060708090a0b0c0d0e0f";
pub(in crate::tests) const FOUND: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";

pub(in crate::tests) fn disk(dir: &str, state: api::DiskState) -> api::Disk {
    api::Disk {
        id: Some(DISK.into()),
        dir: dir.into(),
        added: false,
        state,
        since_utc_ms: START_MS,
        detail: None,
        found_id: (state == api::DiskState::Swapped).then(|| FOUND.into()),
        capacity_bytes: 1 << 40,
        used_bytes: 1 << 39,
        oldest_utc_ms: None,
        days_now: Some(3.5),
        written_share: 1.0,
        stream_count: 2,
        scrub: api::Scrub::default(),
        index_rebuild: None,
    }
}

impl StationHealth for MemoryBox {
    fn ring(&self) -> Result<api::RingHealth, Error> {
        self.called();
        Err(Error::new(Kind::Unavailable, "the disk is away"))
    }

    fn disks(&self) -> Result<Vec<api::Disk>, Error> {
        self.called();
        Ok(vec![disk("/srv/a", api::DiskState::Swapped)])
    }

    fn alarms(&self) -> Result<Vec<api::Alarm>, Error> {
        self.called();
        let kind = api::AlarmKind::DiskSwapped;
        let text = "another disk lies in /srv/a. Accept it on the page Health, or put the old one back".into();
        Ok(vec![api::Alarm { kind, disk: Some(DISK.into()), camera: None, since_utc_ms: Some(START_MS), text }])
    }

    fn pressure(&self) -> Result<Pressure, Error> {
        self.called();
        let dropping = vec![CameraId::new(1).unwrap().stream(TrackRole::SubVideo)];
        Ok(Pressure { waiting_bytes: 3, waiting_bytes_max: 4, dropping, ..Pressure::default() })
    }

    fn damaged(&self, cameras: Option<&BTreeSet<CameraId>>, limit: usize) -> Result<Vec<Damaged>, Error> {
        self.called();
        let damaged = damaged();
        let seen = cameras.is_none_or(|cameras| cameras.contains(&damaged.stream.camera));
        Ok([damaged].into_iter().filter(|_| seen).take(limit).collect())
    }

    fn add_disk(&self, dir: &str, _size_gib: u64) -> Result<api::Disk, Error> {
        self.called();
        Ok(disk(dir, api::DiskState::Joining))
    }

    fn accept_disk(&self, disk_id: &str, found: &str) -> Result<api::Disk, Error> {
        self.called();
        match (disk_id, found) {
            (DISK, FOUND) => Ok(api::Disk { id: Some(FOUND.into()), ..disk("/srv/a", api::DiskState::Recording) }),
            (DISK, _) => Err(Error::new(Kind::Conflict, "another disk lies there by now")),
            _ => Err(Error::not_found("there is no disk with this number")),
        }
    }

    fn retire_disk(&self, disk_id: &str, replaced: bool) -> Result<(), Error> {
        self.called();
        match (disk_id, replaced) {
            (DISK, true) => Ok(()),
            (DISK, false) => Err(Error::new(Kind::Conflict, "the configuration names it")),
            _ => Err(Error::not_found("there is no disk with this number")),
        }
    }
}

/// Half a second of camera 1, a minute and a half after [`START_MS`].
pub(in crate::tests) fn damaged() -> Damaged {
    let start = UtcNanos::from_ms(START_MS + 90_000);
    Damaged {
        stream: CameraId::new(1).unwrap().stream(TrackRole::MainVideo),
        range: TimeRange { start, end: start.plus_nanos(500_000_000) },
        kind: api::DamageKind::Checksum,
        found: UtcNanos::from_ms(START_MS + 300_000),
    }
}

/// Hours of every camera that were erased: three, up to three hours before [`START_MS`].
const ERASED: i64 = 3;

impl Retention for MemoryBox {
    fn of(&self, grant: &Grant, camera: CameraId, days_max: u32) -> Result<api::Retention, Error> {
        self.called();
        if !grant.covers_retention(camera) {
            return Err(Error::new(Kind::Denied, "the grant is for something else"));
        }
        Ok(api::Retention {
            camera,
            retention_days_max: days_max,
            oldest_utc_ms: Some(START_MS),
            ring_days_now: Some(3.5),
            days_kept_now: Some(3.5),
            overwritten_early: true,
            next_erasure_utc_ms: None,
            last_erasure: None,
            erasure_count: ERASED as u64,
        })
    }

    fn erasures(
        &self,
        grant: &Grant,
        camera: CameraId,
        before: UtcNanos,
        limit: usize,
    ) -> Result<Vec<api::Erasure>, Error> {
        if !grant.covers_retention(camera) {
            return Err(Error::new(Kind::Denied, "the grant is for something else"));
        }
        let hour = |back: i64| api::Erasure {
            start_utc_ms: START_MS - (3 + back) * 3_600_000,
            end_utc_ms: START_MS - (2 + back) * 3_600_000,
            erased_utc_ms: START_MS - 60_000,
        };
        let hours = (0..ERASED).map(hour).filter(|hour| hour.start_utc_ms < before.as_ms());
        Ok(hours.take(limit).collect())
    }
}

/// Holds in memory; one is there from the start.
pub(in crate::tests) struct MemoryHolds {
    pub(in crate::tests) rows: Mutex<Vec<HoldRow>>,
    pub(in crate::tests) needed_bytes: AtomicU64,
}

/// Room of the vault: 1 GiB, a quarter of it used.
const VAULT: api::VaultHealth =
    api::VaultHealth { quota_bytes: 1 << 30, held_bytes: 1 << 27, reserved_bytes: 1 << 27, free_bytes: 3 << 28 };

impl Default for MemoryHolds {
    fn default() -> Self {
        let start = UtcNanos::from_ms(START_MS);
        let order = HoldOrder {
            case: "12/26".into(),
            cameras: vec![CameraId::new(1).unwrap()],
            range: TimeRange { start, end: start.plus_nanos(60_000_000_000) },
            note: "bicycle".into(),
            account: 77,
        };
        Self { rows: Mutex::new(vec![held(1, order)]), needed_bytes: AtomicU64::new(1 << 20) }
    }
}

fn held(id: u64, order: HoldOrder) -> HoldRow {
    let placed = UtcNanos::from_ms(START_MS + 100_000);
    let missing = order.cameras.iter().map(|camera| api::HoldMissing {
        camera: *camera,
        role: TrackRole::MainVideo,
        start_utc_ms: START_MS,
        end_utc_ms: START_MS + 1000,
        reason: api::HoldMissingReason::Overwritten,
    });
    HoldRow {
        id,
        missing_count: order.cameras.len() as u64,
        missing: missing.collect(),
        order,
        placed,
        state: api::HoldState::Incomplete,
        held_bytes: 9,
        left_bytes: 0,
        unproven_ms: Some(61_000),
        trouble: None,
        release: None,
    }
}

impl Holds for MemoryHolds {
    fn list(&self) -> Result<Vec<HoldRow>, Error> {
        Ok(self.rows.lock().unwrap().iter().rev().cloned().collect())
    }

    fn needed_bytes(&self, _cameras: &[CameraId], _range: TimeRange) -> Result<u64, Error> {
        Ok(self.needed_bytes.load(Ordering::SeqCst))
    }

    fn vault(&self) -> Result<api::VaultHealth, Error> {
        Ok(VAULT)
    }

    fn place(&self, grant: &Grant, order: HoldOrder) -> Result<HoldRow, Error> {
        if !grant.covers_hold(&order.cameras, order.range) {
            return Err(Error::new(Kind::Denied, "the grant is for something else"));
        }
        let mut rows = self.rows.lock().unwrap();
        let row = held(rows.len() as u64 + 1, order);
        rows.push(row.clone());
        Ok(row)
    }

    fn release(&self, grant: &Grant, hold: u64, account: u32, reason: String) -> Result<HoldRow, Error> {
        if !grant.covers_release(hold) {
            return Err(Error::new(Kind::Denied, "the grant is for something else"));
        }
        let mut rows = self.rows.lock().unwrap();
        let row = rows.iter_mut().find(|row| row.id == hold).ok_or_else(|| Error::not_found("there is no hold"))?;
        row.release = Some(HoldReleased { account, at: UtcNanos::from_ms(START_MS + 200_000), reason });
        row.state = api::HoldState::Released;
        Ok(row.clone())
    }
}
