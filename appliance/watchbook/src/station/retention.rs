//! How long footage stays, as the page asks for it.

use super::desk::stored;
use super::footage::Ring;
use watchbook_access::Grant;
use watchbook_base::{CameraId, TrackRole, UtcNanos};
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports;

impl ports::Retention for Ring {
    fn of(&self, grant: &Grant, camera: CameraId, days_max: u32) -> Result<api::Retention, Error> {
        let kept = self.reader.first_last(grant, camera.stream(TrackRole::MainVideo)).map_err(stored)?;
        let ring_days_now = self.reader.ring().map_err(stored)?.days_now;
        let days_max_now = f64::from(days_max);
        Ok(api::Retention {
            camera,
            retention_days_max: days_max,
            oldest_utc_ms: kept.map(|kept| kept.start.as_ms()),
            ring_days_now,
            days_kept_now: ring_days_now.map(|days| days.min(days_max_now)),
            overwritten_early: ring_days_now.is_some_and(|days| days < days_max_now),
            next_erasure_utc_ms: None,
            last_erasure: None,
            erasure_count: 0,
        })
    }

    fn erasures(
        &self,
        _grant: &Grant,
        _camera: CameraId,
        _before: UtcNanos,
        _limit: usize,
    ) -> Result<Vec<api::Erasure>, Error> {
        Ok(Vec::new())
    }
}
