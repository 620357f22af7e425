//! How long footage stays, as the page asks for it.

use super::desk::stored;
use super::footage::Ring;
use watchbook_access::Grant;
use watchbook_base::{CameraId, TimeRange, UtcNanos};
use watchbook_store::Erased;
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports;

/// All time.
const ALWAYS: TimeRange = TimeRange { start: UtcNanos(i64::MIN), end: UtcNanos(i64::MAX) };
/// What one key covers.
const HOUR_NANOS: i64 = watchbook_store::keys::KEY_NANOS;

fn shown(erased: &Erased) -> api::Erasure {
    api::Erasure {
        start_utc_ms: erased.hour_utc.as_ms(),
        end_utc_ms: erased.hour_utc.plus_nanos(HOUR_NANOS).as_ms(),
        erased_utc_ms: erased.erased_utc.as_ms(),
    }
}

impl ports::Retention for Ring {
    fn of(&self, grant: &Grant, camera: CameraId, days_max: u32) -> Result<api::Retention, Error> {
        let erasures = self.reader.erasures(grant, camera, ALWAYS).map_err(stored)?;
        let kept = self.reader.retention(camera).map_err(stored)?;
        let ring_days_now = kept.ring_days_now;
        let days_max_now = f64::from(days_max);
        Ok(api::Retention {
            camera,
            retention_days_max: days_max,
            oldest_utc_ms: kept.oldest_utc.map(UtcNanos::as_ms),
            ring_days_now,
            days_kept_now: ring_days_now.map(|days| days.min(days_max_now)),
            overwritten_early: ring_days_now.is_some_and(|days| days < days_max_now),
            next_erasure_utc_ms: kept.next_erasure_utc.map(UtcNanos::as_ms),
            last_erasure: erasures.last().map(shown),
            erasure_count: u64::try_from(erasures.len()).unwrap_or(u64::MAX),
        })
    }

    fn erasures(
        &self,
        grant: &Grant,
        camera: CameraId,
        before: UtcNanos,
        limit: usize,
    ) -> Result<Vec<api::Erasure>, Error> {
        let range = TimeRange { end: before, ..ALWAYS };
        let erasures = self.reader.erasures(grant, camera, range).map_err(stored)?;
        Ok(erasures.iter().rev().take(limit).map(shown).collect())
    }
}
