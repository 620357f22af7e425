//! Deriving events again: one at a time, on a thread of its own, with children of its own. Nothing here touches what records, watches or decodes now.

mod run;

use super::book::Book;
use super::desk::stored;
use super::in_force::Journal;
use super::plugins::PluginDesk;
use run::Control;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use watchbook_access::{Action, AuditEntry, AuditLog as _, Grant, Outcome};
use watchbook_base::clock::SystemClock;
use watchbook_base::{CameraId, Clock as _, Event, Kind, TimeRange, UtcNanos};
use watchbook_store::Reader;
use watchbook_store::register::{Change, Namespace, Register};
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports::{self, RederiveOrder};

/// Events that wait: minutes of work. More is somebody who should look at what comes out first.
const WAITING_MAX: usize = 8;
/// Results that are kept, of about 2 KiB and at most 20 KiB each. The oldest go first.
const KEPT_MAX: usize = 500;
/// Rows of the register begin with it, followed by camera and event.
const PREFIX: &[u8] = b"rederive/";
/// Pages of 500 events that are looked through for one. More overlap no millisecond.
const PAGES_MAX: usize = 20;
const PAGE_ROWS: usize = 500;

type Key = (CameraId, u64);

/// Whatever a run needs of the box.
pub struct Means {
    /// The ring.
    pub reader: Reader,
    /// What was in force.
    pub journal: Arc<Journal>,
    /// The plugins that are here.
    pub plugins: Arc<PluginDesk>,
    /// Where `watchbook-decode` and `watchbook-plugins` lie.
    pub program_dir: PathBuf,
}

/// The events that are derived again, or were.
pub struct RederiveDesk {
    means: Means,
    register: Arc<Register>,
    log: Arc<Book>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    running: Option<(Key, Arc<Control>)>,
    rows: BTreeMap<Key, api::Rederivation>,
}

/// One event that was asked for.
struct Job {
    grant: Arc<Grant>,
    order: RederiveOrder,
    event: Event,
    control: Arc<Control>,
    /// What came out the last time: it stands again when this is cancelled.
    before: Option<api::Rederivation>,
}

impl Job {
    fn key(&self) -> Key {
        (self.order.camera, self.order.event)
    }
}

impl RederiveDesk {
    /// Reads the results that are kept. One that makes no sense is left out and logged.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn open(means: Means, register: Arc<Register>, log: Arc<Book>) -> Result<Self, Error> {
        let mut rows = BTreeMap::new();
        for entry in register.scan(Namespace::Setting, PREFIX).map_err(stored)? {
            match serde_json::from_slice::<api::Rederivation>(&entry.value)
                .ok()
                .and_then(|row| Some((key_of(&row)?, row)))
            {
                Some((key, row)) => drop(rows.insert(key, row)),
                None => tracing::error!("a result of deriving an event again cannot be read and is left out"),
            }
        }
        let state = Mutex::new(State { rows, ..State::default() });
        Ok(Self { means, register, log, state, changed: Condvar::new() })
    }

    /// Starts the thread that does the work. It ends with the program.
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let desk = Arc::clone(self);
        let work = std::thread::Builder::new().name("rederive".to_owned());
        work.spawn(move || {
            loop {
                desk.work_once();
            }
        })
        .map(drop)
    }

    /// Waits for one event and derives it again.
    fn work_once(&self) {
        let job = {
            let mut state = self.lock();
            loop {
                if let Some(job) = state.waiting.pop_front() {
                    state.running = Some((job.key(), Arc::clone(&job.control)));
                    if let Some(row) = state.rows.get_mut(&job.key()) {
                        row.state = api::RederivationState::Running;
                    }
                    break job;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        };
        // A mistake of ours costs this run alone: those that wait go on.
        let run = || run::run(&self.means, &job.event, &job.order, &job.grant, &job.control);
        let result = std::panic::catch_unwind(core::panic::AssertUnwindSafe(run)).unwrap_or_else(|_| {
            let sentence = "the recorder made a mistake in this run; the log has it".to_owned();
            run::refused(&job.event, api::RederivationRefusal::Recorder, sentence)
        });
        self.finish(&job, result);
    }

    /// Keeps a result: in the log, then in the register, then for whoever looks.
    fn finish(&self, job: &Job, mut result: api::RederivationResult) {
        let cancelled = job.control.is_cancelled();
        let word = if cancelled { "cancelled".to_owned() } else { word(result.outcome) };
        let action = Action::Rederived {
            camera: job.order.camera,
            event: job.order.event,
            plugin: format!("{}@{}", result.plugin, result.version),
            component_sha256: result.component_sha256.clone(),
            result: word,
        };
        let noted = self.log.append(&AuditEntry { account: None, action, outcome: Outcome::Allowed });
        if let Err(error) = noted {
            let sentence = format!("the audit log cannot be written ({}): what came out is not shown", error.0);
            result = run::refused(&job.event, api::RederivationRefusal::Recorder, sentence);
        }
        let mut state = self.lock();
        state.running = None;
        if cancelled {
            state.cancelled(job);
            return;
        }
        let Some(row) = state.rows.get_mut(&job.key()) else { return };
        row.progress = 1.0;
        (row.state, row.result) = (api::RederivationState::Done, Some(result));
        let row = row.clone();
        if let Err(error) = self.keep(&mut state, &row) {
            tracing::error!(%error, "a result of deriving an event again is gone after the next restart");
        }
    }

    /// Makes a row durable and gives up the oldest when there are too many.
    fn keep(&self, state: &mut State, row: &api::Rederivation) -> Result<(), Error> {
        let key = key_of(row).ok_or_else(|| Error::new(Kind::Internal, "an event without a number"))?;
        let value = serde_json::to_vec(row).map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
        let mut changes = vec![Change::put(Namespace::Setting, register_key(key), value)];
        while state.rows.len() > KEPT_MAX {
            let over = |row: &api::Rederivation| {
                matches!(row.state, api::RederivationState::Done | api::RederivationState::Cancelled)
            };
            let oldest = state.rows.iter().filter(|(other, row)| **other != key && over(row));
            let Some(gone) = oldest.min_by_key(|(_, row)| row.asked_utc_ms).map(|(gone, _)| *gone) else { break };
            changes.push(Change::delete(Namespace::Setting, register_key(gone)));
            state.rows.remove(&gone);
        }
        self.register.apply(&changes).map_err(stored)
    }

    /// The event of an order.
    fn event(&self, grant: &Grant, order: &RederiveOrder) -> Result<Event, Error> {
        let start = UtcNanos::from_ms(order.start_ms);
        let mut query = watchbook_store::EventQuery {
            camera: Some(order.camera),
            only: None,
            kind: None,
            zone: None,
            plugin: None,
            range: TimeRange { start, end: start.plus_nanos(1_000_000) },
            newest_first: true,
            limit: PAGE_ROWS,
            after: None,
        };
        for _ in 0..PAGES_MAX {
            let page = self.means.reader.events(grant, &query).map_err(stored)?;
            if let Some(found) = page.events.into_iter().find(|found| found.number == order.event) {
                let said = (order.start_ms, order.end_ms);
                let times = (found.event.start.as_ms(), found.event.end.map(UtcNanos::as_ms));
                return if times == said { Ok(found.event) } else { Err(unknown_event(order)) };
            }
            let Some(next) = page.next else { break };
            query.after = Some(next);
        }
        Err(unknown_event(order))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Nothing came of it: the result before it stands again. One that never had a result is not kept.
    fn cancelled(&mut self, job: &Job) {
        match (&job.before, self.rows.get_mut(&job.key())) {
            (Some(before), _) => drop(self.rows.insert(job.key(), before.clone())),
            (None, Some(row)) => (row.state, row.result) = (api::RederivationState::Cancelled, None),
            (None, None) => {}
        }
    }

    /// A row as it is now.
    fn shown(&self, key: Key) -> api::Rederivation {
        let mut row = self.rows.get(&key).cloned().unwrap_or_else(|| api::Rederivation {
            camera: key.0,
            event: key.1.to_string(),
            state: api::RederivationState::Unasked,
            progress: 0.0,
            ahead: 0,
            asked_utc_ms: None,
            account: None,
            account_name: None,
            result: None,
        });
        let place = self.waiting.iter().position(|job| job.key() == key);
        row.ahead =
            place.map_or(0, |place| u32::try_from(place).unwrap_or(u32::MAX) + u32::from(self.running.is_some()));
        if let Some((_, control)) = self.running.as_ref().filter(|(running, _)| *running == key) {
            row.progress = control.progress();
        }
        row
    }
}

fn word(outcome: api::RederivationOutcome) -> String {
    serde_json::to_value(outcome).ok().and_then(|word| Some(word.as_str()?.to_owned())).unwrap_or_default()
}

fn key_of(row: &api::Rederivation) -> Option<Key> {
    Some((row.camera, row.event.parse().ok()?))
}

fn register_key((camera, event): Key) -> Vec<u8> {
    [PREFIX, &camera.get().to_be_bytes(), &event.to_be_bytes()].concat()
}

fn unknown_event(order: &RederiveOrder) -> Error {
    let message = format!("camera {} has no event {} at {} ms", order.camera, order.event, order.start_ms);
    Error::not_found(message).next("Load the list of events again: old events go with their footage.")
}

impl ports::Rederivations for RederiveDesk {
    fn start(&self, grant: Arc<Grant>, order: RederiveOrder) -> Result<api::Rederivation, Error> {
        if !grant.covers_footage(order.camera, order.range) {
            return Err(Error::new(Kind::Denied, "deriving an event again: the grant is for something else"));
        }
        let event = self.event(&grant, &order)?;
        let mut state = self.lock();
        let key = (order.camera, order.event);
        let busy = state.running.as_ref().is_some_and(|(running, _)| *running == key);
        if busy || state.waiting.iter().any(|job| job.key() == key) {
            return Err(Error::new(Kind::Conflict, "this event is being derived again already")
                .next("Wait for it, or cancel it."));
        }
        if state.waiting.len() >= WAITING_MAX {
            let error = Error::new(Kind::Exhausted, format!("{WAITING_MAX} events wait to be derived again already"));
            return Err(error.next("Wait until some are done."));
        }
        let row = api::Rederivation {
            camera: order.camera,
            event: order.event.to_string(),
            state: api::RederivationState::Waiting,
            progress: 0.0,
            ahead: 0,
            asked_utc_ms: Some(SystemClock.utc().as_ms()),
            account: Some(order.account),
            account_name: None,
            result: None,
        };
        let before = state.rows.insert(key, row).filter(|before| before.state == api::RederivationState::Done);
        // Rows of cancelled runs are in memory alone.
        if state.rows.len() > KEPT_MAX + WAITING_MAX {
            state.rows.retain(|other, row| *other == key || row.state != api::RederivationState::Cancelled);
        }
        state.waiting.push_back(Job { grant, order, event, control: Arc::default(), before });
        self.changed.notify_all();
        Ok(state.shown(key))
    }

    fn get(&self, camera: CameraId, event: u64) -> Result<api::Rederivation, Error> {
        Ok(self.lock().shown((camera, event)))
    }

    fn cancel(&self, camera: CameraId, event: u64) -> Result<api::Rederivation, Error> {
        let key = (camera, event);
        let mut state = self.lock();
        if let Some((_, control)) = state.running.as_ref().filter(|(running, _)| *running == key) {
            control.cancel();
            let mut row = state.shown(key);
            row.state = api::RederivationState::Cancelled;
            return Ok(row);
        }
        let place = state.waiting.iter().position(|job| job.key() == key);
        let Some(job) = place.and_then(|place| state.waiting.remove(place)) else {
            return Err(Error::new(Kind::Conflict, "this event is not being derived again").next("Look at its result."));
        };
        state.cancelled(&job);
        Ok(state.shown(key))
    }

    fn inputs(&self, grant: &Grant, order: &RederiveOrder) -> Result<api::RederivationInputs, Error> {
        let event = self.event(grant, order)?;
        let (in_force, _) = self.means.journal.of(&event).ok_or_else(|| {
            Error::not_found(run::SETTINGS_UNKNOWN).next("Take the settings from your own notes, if there are any.")
        })?;
        let part = |side: u16| f64::from(side) / 65_536.0;
        let corner = |point: &watchbook_analysis::Point| (part(point.x), part(point.y));
        let mask = |mask: &Vec<watchbook_analysis::Point>| {
            let corners: Vec<String> = mask.iter().map(corner).map(|(x, y)| format!("{x},{y}")).collect();
            corners.join(";")
        };
        let zone = |zone: &watchbook_plugin_host::Zone| api::Zone {
            name: zone.name.clone(),
            outline: zone.outline.iter().map(corner).map(|(x, y)| api::Point { x: x as f32, y: y as f32 }).collect(),
        };
        let lead = event.lead.as_ref().map(|lead| api::RederivationLead {
            fresh: lead.fresh,
            times_utc_ns: lead.times_ns.iter().map(i64::to_string).collect(),
        });
        let settings = serde_json::from_str(&in_force.settings_json)
            .map_err(|error| Error::new(Kind::Corrupt, format!("reading the settings that were in force: {error}")))?;
        Ok(api::RederivationInputs {
            settings,
            zones: in_force.zones.iter().map(zone).collect(),
            masks: in_force.masks.iter().map(mask).collect(),
            lead,
            role: in_force.role,
            keys_only: in_force.keys_only,
            clip: "clip.mp4".to_owned(),
            clip_start_utc_ms: order.from.as_ms(),
            clip_end_utc_ms: order.range.end.as_ms(),
            event: api::Event::of(order.event, event),
        })
    }
}
