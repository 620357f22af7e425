//! What was in force when an event was made: settings, zones, masks, component. An event bears digests alone; here they lead back to what they stand for.
//!
//! A row of the register for each change of what watches a camera, written when it came into force. Bounded: the oldest that another has superseded go first.

use super::desk::stored;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_analysis::Point;
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{CameraId, Event, EventSource, TrackRole, UtcNanos};
use watchbook_plugin_host::Zone;
use watchbook_store::register::{Change, Namespace, Register};
use watchbook_web::error::Error;

/// Seconds within which a row is written after its plugin began.
const WRITTEN_WITHIN_S: i64 = 10;
/// Rows in all: four changes of each of 256 instances. A row has some hundred bytes, at most 60 KiB.
const KEPT_MAX: usize = 1_024;
/// Rows of one plugin on one camera: somebody who tries settings all day must not push the others out.
const KEPT_OF_ONE_MAX: usize = 64;

/// What watched a camera, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InForce {
    /// Which camera.
    pub camera: CameraId,
    /// What its events bear.
    pub source: EventSource,
    /// The complete settings.
    pub settings_json: String,
    /// Parts of the picture.
    pub zones: Vec<Zone>,
    /// Privacy masks.
    pub masks: Vec<Vec<Point>>,
    /// Which stream.
    pub role: TrackRole,
    /// Key frames alone.
    pub keys_only: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    since: UtcNanos,
    #[serde(flatten)]
    what: InForce,
}

impl Row {
    fn is_of(&self, camera: CameraId, plugin: &str) -> bool {
        self.what.camera == camera && self.what.source.plugin == plugin
    }
}

/// What was in force since when, by camera and plugin.
pub struct Journal {
    register: Arc<Register>,
    /// By their numbers, which grow.
    rows: Mutex<BTreeMap<u64, Row>>,
}

impl Journal {
    /// Reads what is kept. A row that makes no sense is left out and logged.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn open(register: Arc<Register>) -> Result<Self, Error> {
        let mut rows = BTreeMap::new();
        for entry in register.scan(Namespace::PluginBinding, b"").map_err(stored)? {
            let number = <[u8; 8]>::try_from(entry.key.as_slice()).ok().map(u64::from_be_bytes);
            match number.zip(serde_json::from_slice::<Row>(&entry.value).ok()) {
                Some((number, row)) => drop(rows.insert(number, row)),
                None => tracing::error!("what was in force once cannot be read in the register and is left out"),
            }
        }
        Ok(Self { register, rows: Mutex::new(rows) })
    }

    /// This is in force since `at`, or has been. What differs from the newest row of its camera and plugin is written.
    ///
    /// # Errors
    /// When it could not be made durable: then it is as if it had not been said.
    pub fn note(&self, at: UtcNanos, in_force: Vec<InForce>) -> Result<(), Error> {
        let mut rows = self.lock();
        let mut next = rows.keys().next_back().map_or(1, |last| last + 1);
        let (mut fresh, mut changes) = (Vec::new(), Vec::new());
        for what in in_force {
            let newest = rows.values().rev().find(|row| row.is_of(what.camera, &what.source.plugin));
            if newest.is_some_and(|newest| newest.what == what) {
                continue;
            }
            let row = Row { since: at, what };
            let value = serde_json::to_vec(&row);
            let value = value.map_err(|error| Error::new(watchbook_base::Kind::Internal, error.to_string()))?;
            changes.push(Change::put(Namespace::PluginBinding, next.to_be_bytes(), value));
            fresh.push((next, row));
            next += 1;
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let mut after = rows.clone();
        after.extend(fresh);
        let gone = excess(&after);
        changes.extend(gone.iter().map(|number| Change::delete(Namespace::PluginBinding, number.to_be_bytes())));
        self.register.apply(&changes).map_err(stored)?;
        after.retain(|number, _| !gone.contains(number));
        *rows = after;
        Ok(())
    }

    /// What was in force when `event` was made, and since when: by its settings' digest and component, the newest that is not newer than the event. A row is
    /// written a moment after its plugin begins; an event of that moment gets it all the same, and none that is older by more than [`WRITTEN_WITHIN_S`].
    #[must_use]
    pub fn of(&self, event: &Event) -> Option<(InForce, UtcNanos)> {
        let rows = self.lock();
        let fits = |row: &&Row| row.what.camera == event.camera && row.what.source == event.source;
        let made = event.lead.as_ref().and_then(|lead| lead.span()).map_or(event.start, |(_, last)| last);
        let before = rows.values().rev().filter(fits).find(|row| row.since <= made);
        let soon = made.plus_nanos(WRITTEN_WITHIN_S * NANOS_PER_SEC);
        let found = before.or_else(|| rows.values().find(|row| fits(row) && row.since <= soon));
        found.map(|row| (row.what.clone(), row.since))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rows that are too many: of those that were superseded, the oldest first.
fn excess(rows: &BTreeMap<u64, Row>) -> Vec<u64> {
    let mut of_one: BTreeMap<(CameraId, &str), Vec<u64>> = BTreeMap::new();
    for (number, row) in rows {
        of_one.entry((row.what.camera, &row.what.source.plugin)).or_default().push(*number);
    }
    let mut gone = Vec::new();
    let mut superseded = Vec::new();
    for mut numbers in of_one.into_values() {
        gone.extend(numbers.drain(..numbers.len().saturating_sub(KEPT_OF_ONE_MAX)));
        // The newest may be in force.
        numbers.pop();
        superseded.extend(numbers);
    }
    superseded.sort_unstable();
    let over = (rows.len() - gone.len()).saturating_sub(KEPT_MAX);
    gone.extend(superseded.into_iter().take(over));
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::clock::SimClock;

    fn in_force(camera: u32, plugin: &str, settings: &str) -> InForce {
        InForce {
            camera: CameraId::new(camera).unwrap(),
            source: EventSource {
                plugin: plugin.into(),
                version: "1.0.0".into(),
                component_sha256: "ab".into(),
                settings_sha256: settings.into(),
            },
            settings_json: format!("{{\"s\":\"{settings}\"}}"),
            zones: Vec::new(),
            masks: Vec::new(),
            role: TrackRole::SubVideo,
            keys_only: false,
        }
    }

    fn event(what: &InForce, start: i64) -> Event {
        Event {
            camera: what.camera,
            kind: "motion".into(),
            score: 1.0,
            start: UtcNanos(start),
            end: None,
            zone: None,
            detections: vec![],
            note: String::new(),
            source: what.source.clone(),
            lead: None,
            camera_clock: None,
        }
    }

    fn open(dir: &std::path::Path) -> Journal {
        let register = Register::open(dir, Arc::new(SimClock::new(UtcNanos(0)))).unwrap();
        Journal::open(Arc::new(register)).unwrap()
    }

    #[test]
    fn the_masks_of_then_are_found_again_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let journal = open(dir.path());
        let first = in_force(1, "org.a", "x");
        let masked = InForce { masks: vec![vec![Point { x: 1, y: 2 }; 3]], ..first.clone() };
        let other = in_force(1, "org.a", "y");
        for (at, what) in [(10, &first), (20, &masked), (30, &other), (40, &first)] {
            journal.note(UtcNanos(at), vec![what.clone()]).unwrap();
            // A restart of the recorder says it again.
            journal.note(UtcNanos(at + 5), vec![what.clone(), in_force(2, "org.a", "x")]).unwrap();
        }
        drop(journal);
        let journal = open(dir.path());
        for (at, what, since) in [(15, &first, 10), (25, &masked, 20), (99, &first, 40), (35, &other, 30)] {
            assert_eq!(journal.of(&event(what, at)), Some((what.clone(), UtcNanos(since))), "{at}");
        }
        assert_eq!(
            journal.of(&event(&other, 29)).map(|(_, since)| since),
            Some(UtcNanos(30)),
            "a moment before its row"
        );
        let late = in_force(1, "org.late", "x");
        let long_ago = (WRITTEN_WITHIN_S + 1) * NANOS_PER_SEC;
        journal.note(UtcNanos(long_ago), vec![late.clone()]).unwrap();
        assert_eq!(journal.of(&event(&late, 0)), None, "what came in force long after the event says nothing of it");
        assert_eq!(journal.of(&event(&in_force(1, "org.a", "z"), 35)), None);
        assert_eq!(journal.lock().len(), 6);
    }

    #[test]
    fn the_oldest_that_is_superseded_goes_first_and_what_is_in_force_stays() {
        let dir = tempfile::tempdir().unwrap();
        let journal = open(dir.path());
        let kept = in_force(1, "org.kept", "x");
        journal.note(UtcNanos(0), vec![kept.clone()]).unwrap();
        let tried: Vec<InForce> = (0..100).map(|n| in_force(2, "org.tried", &n.to_string())).collect();
        tried.iter().for_each(|what| journal.note(UtcNanos(1), vec![what.clone()]).unwrap());
        assert_eq!(journal.lock().len(), 1 + KEPT_OF_ONE_MAX);
        assert!(journal.of(&event(&tried[99], 5)).is_some() && journal.of(&event(&tried[0], 5)).is_none());
        let many = |settings: &str| (3..600).map(|camera| in_force(camera, "org.many", settings)).collect::<Vec<_>>();
        journal.note(UtcNanos(2), many("x")).unwrap();
        journal.note(UtcNanos(3), many("y")).unwrap();
        assert_eq!(journal.lock().len(), KEPT_MAX);
        assert!(journal.of(&event(&kept, 5)).is_some(), "it may be in force");
        assert!(many("y").iter().all(|what| journal.of(&event(what, 5)).is_some()));
        drop(journal);
        assert_eq!(open(dir.path()).lock().len(), KEPT_MAX);
    }
}
