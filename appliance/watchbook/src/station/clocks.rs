//! How far each camera's clock is from ours, over time: who watches footage later can say what the time in its picture meant.
//!
//! A row of the register for each camera and day, with a reading an hour and one for each step. Bounded: [`KEPT_DAYS`] days, [`OF_A_DAY_MAX`] readings a day.

use super::desk::stored;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{CameraId, UtcNanos};
use watchbook_store::register::{Change, Entry, Namespace, Register};
use watchbook_web::api;
use watchbook_web::error::Error;

/// How often the cameras' clocks are looked at.
pub const EVERY: Duration = Duration::from_secs(60);
/// A reading is kept this often.
const KEPT_EVERY_NS: i64 = 3_600 * NANOS_PER_SEC;
/// What the clock has moved by since the last look that counts as a step: more than a network delays a report, far more than a clock drifts in [`EVERY`] (60 ms at 1,000 ppm).
const STEP_MS: u64 = 1_000;
/// As long as footage is kept at most.
const KEPT_DAYS: i64 = 30;
/// 24 readings of hours, and room for steps: a clock that is set every minute has no worth anyway.
const OF_A_DAY_MAX: usize = 64;
const HOURS: usize = 24;
/// Days after which what is kept of a camera that was removed goes.
const GONE_DAYS: i64 = 400;
/// Before camera and day in the register.
const PREFIX: &[u8] = b"camera_clock/";
const DAY_NS: i64 = 86_400 * NANOS_PER_SEC;

/// One look at a camera's clock.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    at: UtcNanos,
    /// The camera's clock minus ours.
    offset_ms: i64,
    /// How much faster its media clock runs than ours.
    drift_ppm: Option<f32>,
    /// Its clock, or ours, was set since the look before.
    step: bool,
}

/// Days since 1970.
type Day = i64;

/// The readings of all cameras.
pub struct Clocks {
    register: Arc<Register>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    days: BTreeMap<(CameraId, Day), Vec<Reading>>,
    /// The newest look at each camera, kept or not.
    seen_ms: BTreeMap<CameraId, i64>,
}

impl Clocks {
    /// Reads what is kept. A row that makes no sense is left out and logged.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn open(register: Arc<Register>) -> Result<Self, Error> {
        let mut days = BTreeMap::new();
        for Entry { key, value, .. } in register.scan(Namespace::Setting, PREFIX).map_err(stored)? {
            match parts(&key).zip(serde_json::from_slice::<Vec<Reading>>(&value).ok()) {
                Some((place, readings)) => drop(days.insert(place, readings)),
                None => tracing::error!("a day of a camera's clock cannot be read in the register and is left out"),
            }
        }
        Ok(Self { register, kept: Mutex::new(Kept { days, ..Kept::default() }) })
    }

    /// A look at a camera's clock. What is worth it is kept.
    ///
    /// # Errors
    /// When it could not be made durable: then it is not kept.
    pub fn note(&self, camera: CameraId, at: UtcNanos, offset_ms: i64, drift_ppm: Option<f32>) -> Result<(), Error> {
        let mut kept = self.lock();
        let before_ms = kept.seen_ms.insert(camera, offset_ms);
        let newest = kept.newest(camera, at);
        let step =
            before_ms.or(newest.map(|newest| newest.offset_ms)).is_some_and(|ms| ms.abs_diff(offset_ms) >= STEP_MS);
        let due = newest.is_none_or(|newest| at.nanos_since(newest.at) >= KEPT_EVERY_NS);
        let day = at.0.div_euclid(DAY_NS);
        let of_day = kept.days.get(&(camera, day)).cloned().unwrap_or_default();
        // Steps do not take the room of the hours.
        let room = if due { OF_A_DAY_MAX } else { OF_A_DAY_MAX - HOURS };
        if !(due || step) || of_day.len() >= room {
            return Ok(());
        }
        let mut readings = of_day;
        readings.push(Reading { at, offset_ms, drift_ppm, step });
        let value = serde_json::to_vec(&readings)
            .map_err(|error| Error::new(watchbook_base::Kind::Internal, error.to_string()))?;
        let old = kept.too_many(camera, day);
        let mut changes = vec![Change::put(Namespace::Setting, key(camera, day), value)];
        changes.extend(old.iter().map(|(camera, day)| Change::delete(Namespace::Setting, key(*camera, *day))));
        self.register.apply(&changes).map_err(stored)?;
        kept.days.insert((camera, day), readings);
        kept.days.retain(|place, _| !old.contains(place));
        Ok(())
    }

    /// The newest readings of a camera, newest first.
    #[must_use]
    pub fn of(&self, camera: CameraId, limit: usize) -> Vec<api::ClockReading> {
        let kept = self.lock();
        let all = kept.days.range((camera, Day::MIN)..=(camera, Day::MAX)).rev();
        let readings = all.flat_map(|(_, readings)| readings.iter().rev());
        let shown = |reading: &Reading| api::ClockReading {
            at_utc_ms: reading.at.as_ms(),
            offset_ms: reading.offset_ms,
            drift_ppm: reading.drift_ppm,
            step: reading.step,
        };
        readings.take(limit).map(shown).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Days to be given up with a reading of `day`: of this camera the oldest beyond [`KEPT_DAYS`], and those to come, which our own clock made when it was ahead; of any camera what is
    /// older than [`GONE_DAYS`]. By number first: one look with the clock ahead must not cost what was kept.
    fn too_many(&self, camera: CameraId, day: Day) -> Vec<(CameraId, Day)> {
        let own = self.days.range((camera, Day::MIN)..=(camera, Day::MAX)).map(|(place, _)| *place);
        let (to_come, mut past): (Vec<_>, Vec<_>) =
            own.filter(|(_, known)| *known != day).partition(|(_, known)| day + 1 < *known);
        let over = past.len().saturating_sub(usize::try_from(KEPT_DAYS).unwrap_or(usize::MAX));
        past.truncate(over);
        let gone = self.days.keys().filter(|(other, known)| *other != camera && day - known > GONE_DAYS).copied();
        to_come.into_iter().chain(past).chain(gone).collect()
    }

    /// The newest reading until then.
    fn newest(&self, camera: CameraId, at: UtcNanos) -> Option<Reading> {
        let days = self.days.range((camera, Day::MIN)..=(camera, at.0.div_euclid(DAY_NS)));
        days.rev()
            .flat_map(|(_, readings)| readings)
            .filter(|reading| reading.at <= at)
            .max_by_key(|reading| reading.at)
            .copied()
    }
}

fn key(camera: CameraId, day: Day) -> Vec<u8> {
    [PREFIX, &camera.get().to_be_bytes(), &day.to_be_bytes()].concat()
}

fn parts(key: &[u8]) -> Option<(CameraId, Day)> {
    let (camera, day) = key.strip_prefix(PREFIX)?.split_first_chunk::<4>()?;
    Some((CameraId::new(u32::from_be_bytes(*camera))?, Day::from_be_bytes(day.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::clock::SimClock;
    use watchbook_base::time::NANOS_PER_MS;

    const HOUR: i64 = KEPT_EVERY_NS;

    fn camera(number: u32) -> CameraId {
        CameraId::new(number).unwrap()
    }

    fn clocks(dir: &std::path::Path) -> Clocks {
        let register = Register::open(dir, Arc::new(SimClock::new(UtcNanos(0)))).unwrap();
        Clocks::open(Arc::new(register)).unwrap()
    }

    fn at(nanos: i64) -> UtcNanos {
        UtcNanos(1_700_000_000 * NANOS_PER_SEC + nanos)
    }

    #[test]
    fn a_reading_an_hour_and_each_step_are_kept_across_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let before = {
            let clocks = clocks(dir.path());
            for minute in 0..=120 {
                // It drifts by 10 ms a minute, and is set by two seconds after an hour and a half.
                let offset_ms = minute * 10 - if minute >= 90 { 2_000 } else { 0 };
                clocks.note(camera(1), at(minute * HOUR / 60), offset_ms, Some(166.0)).unwrap();
            }
            clocks.note(camera(2), at(0), 5, None).unwrap();
            clocks.of(camera(1), 10)
        };
        let told: Vec<_> = before.iter().map(|reading| (reading.offset_ms, reading.step)).collect();
        assert_eq!(told, [(-1_100, true), (600, false), (0, false)]);
        let clocks = clocks(dir.path());
        assert_eq!(clocks.of(camera(1), 10), before);
        assert_eq!(
            (clocks.of(camera(1), 1).len(), clocks.of(camera(2), 10).len(), clocks.of(camera(3), 10).len()),
            (1, 1, 0)
        );
    }

    #[test]
    fn a_look_with_our_clock_a_year_ahead_spoils_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let clocks = clocks(dir.path());
        clocks.note(camera(1), at(0), 10, None).unwrap();
        clocks.note(camera(1), at(365 * DAY_NS), 10, None).unwrap();
        for minute in 1..=180 {
            clocks.note(camera(1), at(minute * HOUR / 60), 10, None).unwrap();
        }
        let kept: Vec<_> = clocks.of(camera(1), 100).iter().map(|reading| reading.at_utc_ms).collect();
        assert_eq!(kept, [180, 120, 60, 0].map(|minute| at(minute * HOUR / 60).as_ms()), "an hour apart");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let clocks = clocks(dir.path());
        for look in 0..200 {
            clocks.note(camera(1), at(look * NANOS_PER_MS), look * 10_000, None).unwrap();
        }
        assert_eq!(clocks.of(camera(1), usize::MAX).len(), OF_A_DAY_MAX - HOURS, "a clock that never rests");
        for day in 1..=40 {
            clocks.note(camera(1), at(day * DAY_NS), 0, None).unwrap();
        }
        assert_eq!(clocks.of(camera(1), usize::MAX).len(), usize::try_from(KEPT_DAYS).unwrap() + 1);
    }
}
