//! Disks and alarms, as the page asks for them.

use super::desk::stored;
use super::footage::Ring;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use watchbook_base::fs::{Fs as _, RealFs};
use watchbook_base::{CameraId, Kind, UtcNanos};
use watchbook_store::format::DiskId;
use watchbook_store::{AlarmKind, DamageKind, DiskState, DiskStatus, ScrubProgress};
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
        let (disks, scrubs) = (self.disks.list(), self.reader.scrubs());
        let written: u64 = disks.iter().map(|disk| disk.written_bytes).sum();
        let scrub = |disk| scrubs.iter().find(|(of, _)| Some(*of) == disk).map(|(_, scrub)| *scrub);
        let indexes = self.disks.index_status();
        let rebuild = |disk| {
            let (_, index) = indexes.iter().find(|(of, _)| Some(*of) == disk)?;
            index.rebuilding.map(|at| at.segments_done as f64 / at.segments.max(1) as f64)
        };
        let shown = |status: DiskStatus| api::Disk {
            index_rebuild: rebuild(status.disk),
            ..shown(&status, scrub(status.disk), written)
        };
        Ok(disks.into_iter().map(shown).collect())
    }

    fn alarms(&self) -> Result<Vec<api::Alarm>, Error> {
        let shown = |alarm: watchbook_store::Alarm| api::Alarm {
            kind: alarm_kind(alarm.kind),
            disk: alarm.disk.map(|disk| disk.to_string()),
            camera: None,
            since_utc_ms: Some(alarm.since_utc.as_ms()),
            text: alarm.text,
        };
        Ok(self.disks.alarms().into_iter().map(shown).collect())
    }

    fn pressure(&self) -> Result<Pressure, Error> {
        let overload = self.writer.overload().unwrap_or_default();
        let disks = self.disks.list();
        let recording = disks.iter().filter(|disk| disk.state == DiskState::Recording).count() as u64;
        Ok(Pressure {
            waiting_bytes: self.writer.stats().pending_bytes,
            // Each disk that records has as much.
            waiting_bytes_max: watchbook_store::config::PENDING_BYTES_MAX * recording.max(1),
            dropped_since: overload.since_utc,
            dropped_last: overload.last_utc,
            dropping: overload.dropping,
        })
    }

    fn damaged(&self, cameras: Option<&BTreeSet<CameraId>>, limit: usize) -> Result<Vec<Damaged>, Error> {
        let runs = self.reader.damaged(cameras, limit).map_err(stored)?;
        Ok(runs.iter().map(damaged).collect())
    }

    fn add_disk(&self, dir: &str, size_gib: u64) -> Result<api::Disk, Error> {
        let path = Path::new(dir);
        self.check_new_disk(path)?;
        self.disks.add(path, size_gib << 30).map_err(stored)?;
        self.disk_in(path)
    }

    fn accept_disk(&self, disk: &str, found: &str) -> Result<api::Disk, Error> {
        let status = self.status_of(disk)?;
        if !is(status.found, found) {
            let message = format!("disk {found} does not lie in {} now", status.dir.display());
            return Err(Error::new(Kind::Conflict, message).next("Look at the page Health again."));
        }
        self.disks.accept(&status.dir).map_err(stored)?;
        self.disk_in(&status.dir)
    }

    fn retire_disk(&self, disk: &str, replaced: bool) -> Result<(), Error> {
        let status = self.status_of(disk)?;
        let dir = status.dir;
        if replaced {
            self.check_new_disk(&dir)?;
            self.check_mounted(&dir, status.configured_bytes)?;
        }
        self.disks.retire(&dir, replaced).map_err(stored)
    }
}

impl Ring {
    /// Refuses what would fill a directory that is somebody else's.
    fn check_new_disk(&self, dir: &Path) -> Result<(), Error> {
        let refused = |why: &str| {
            Error::invalid(format!("{} cannot be a disk of the ring: {why}", dir.display())).next(
                "Make an empty directory on the new disk, mount that disk at each start, and name the directory here.",
            )
        };
        match std::fs::symlink_metadata(dir) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(refused("it is no directory")),
            Err(error) => return Err(refused(&error.to_string())),
        }
        let failed = |error: std::io::Error| {
            match error.kind() {
            std::io::ErrorKind::PermissionDenied => refused("the recorder may not look into it or write to it").next(
                "Mount the disk below a directory of storage.disk_roots (configuration file; /srv, /mnt or /media when nothing is set) and let the recorder's user \
                 write to it; what is changed in the file counts from the recorder's next start.",
            ),
            _ => refused(&error.to_string()),
        }
        };
        let mut entries = std::fs::read_dir(dir).map_err(failed)?;
        // A file system of its own begins with this one.
        if entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != "lost+found")) {
            return Err(refused("it is not empty"));
        }
        // Who may look may not always write.
        let tried = dir.join(".watchbook");
        std::fs::create_dir(&tried).and_then(|()| std::fs::remove_dir(&tried)).map_err(failed)
    }

    /// Refuses to make a ring in the mount point of a disk that is not mounted. The only ring of a station may lie on the system's own disk, where it fits.
    fn check_mounted(&self, dir: &Path, bytes: u64) -> Result<(), Error> {
        let refused = |why: String| {
            Error::invalid(why).next("Mount the new disk there, and say then that it takes the place of the old one.")
        };
        let looked = |error: std::io::Error| refused(format!("{} cannot be looked at: {error}", dir.display()));
        let device = |path: &Path| std::fs::metadata(path).map(|found| found.dev());
        let is_systems = device(dir).map_err(looked)? == device(Path::new("/")).map_err(looked)?;
        let free_bytes = RealFs.space(dir).map_err(looked)?.free_bytes;
        if is_systems && (self.disks.list().len() > 1 || free_bytes < bytes) {
            return Err(refused(format!("no disk is mounted at {}: it lies on the system's own disk", dir.display())));
        }
        Ok(())
    }

    fn status_of(&self, disk: &str) -> Result<DiskStatus, Error> {
        self.disks.list().into_iter().find(|status| is(status.disk, disk)).ok_or_else(unknown_disk)
    }

    fn disk_in(&self, dir: &Path) -> Result<api::Disk, Error> {
        let shown = dir.display().to_string();
        ports::StationHealth::disks(self)?.into_iter().find(|disk| disk.dir == shown).ok_or_else(unknown_disk)
    }
}

fn is(id: Option<DiskId>, text: &str) -> bool {
    id.is_some_and(|id| id.to_string() == text)
}

fn unknown_disk() -> Error {
    Error::not_found("there is no disk with this number").next("Look at the page Health again.")
}

fn shown(status: &DiskStatus, scrub: Option<ScrubProgress>, written_bytes: u64) -> api::Disk {
    let ring = status.ring.as_ref();
    api::Disk {
        id: status.disk.map(|disk| disk.to_string()),
        dir: status.dir.display().to_string(),
        added: status.added,
        state: match status.state {
            DiskState::Joining => api::DiskState::Joining,
            DiskState::Recording => api::DiskState::Recording,
            DiskState::Failed => api::DiskState::Failed,
            DiskState::Missing => api::DiskState::Missing,
            DiskState::Swapped => api::DiskState::Swapped,
        },
        since_utc_ms: status.since_utc.as_ms(),
        detail: status.why.clone(),
        found_id: status.found.map(|disk| disk.to_string()),
        capacity_bytes: ring.map_or(0, |ring| ring.capacity_bytes),
        used_bytes: ring.map_or(0, |ring| ring.used_bytes),
        oldest_utc_ms: ring.and_then(|ring| ring.oldest_utc).map(UtcNanos::as_ms),
        days_now: ring.and_then(|ring| ring.days_now),
        stream_count: u32::try_from(status.streams.len()).unwrap_or(u32::MAX),
        written_share: if written_bytes == 0 { 0.0 } else { status.written_bytes as f64 / written_bytes as f64 },
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
        AlarmKind::VaultFailed => Shown::VaultFailed,
        AlarmKind::DiskSlow => Shown::DiskSlow,
        AlarmKind::SegmentsBad => Shown::SegmentsBad,
        AlarmKind::LogDamaged => Shown::LogDamaged,
        AlarmKind::FootageLost => Shown::FootageLost,
        AlarmKind::RunDamaged => Shown::RunDamaged,
        AlarmKind::RingShrunk => Shown::RingShrunk,
        AlarmKind::ReserveEaten => Shown::ReserveEaten,
        AlarmKind::IndexBehind => Shown::IndexBehind,
        AlarmKind::IndexRebuilding => Shown::IndexRebuilding,
        AlarmKind::FootageUnlogged => Shown::FootageUnlogged,
        AlarmKind::KeyCopyMissing => Shown::KeyCopyMissing,
        AlarmKind::KeyDamaged => Shown::KeyDamaged,
        AlarmKind::ClockUntrusted => Shown::ClockUntrusted,
        AlarmKind::ErasureLate => Shown::ErasureLate,
        AlarmKind::VaultNearlyFull => Shown::VaultNearlyFull,
        AlarmKind::VaultFull => Shown::VaultFull,
        AlarmKind::HoldIncomplete => Shown::HoldIncomplete,
    }
}
