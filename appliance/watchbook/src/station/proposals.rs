//! What rules propose: events to rules, verdicts into the register and the audit log, decisions of people.
//!
//! Nothing here holds up recording or the storing of events: both queues are short, and what does not fit is counted.

use super::analysis::Analysis;
use super::book::Book;
use super::desk::{CameraDesk, stored};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watchbook_access::{Action, AuditEntry, AuditLog as _, Outcome};
use watchbook_base::clock::SystemClock;
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_base::{CameraId, Clock as _, Event, EventSource, Kind, UtcNanos};
use watchbook_plugin_host::rules::{Clip, LocalTime, Proposal, RECENT_MAX, Surroundings, Verdict};
use watchbook_store::register::{Change, Namespace, Register};
use watchbook_web::EventFeed;
use watchbook_web::api;
use watchbook_web::error::Error;
use watchbook_web::ports::{self, Cameras as _, ProposalBook, ProposalDecision, ProposalRow};

/// Events, or verdicts, that wait for the thread that handles them: seconds of a busy station. A stored event has at most 64 detections, so 256 take 2 MiB.
const WAITING_MAX: usize = 256;
/// Proposals that are kept, of at most 6 KiB each. The oldest decided ones go first; while all are open, new ones are counted and not kept.
const KEPT_MAX: usize = 1000;
/// How far back a rule is told what happened.
const RECENT_NANOS: i64 = 24 * 3_600 * NANOS_PER_SEC;
/// Rows of the register begin with it, followed by the number.
const PREFIX: &[u8] = b"proposal/";
/// Setting that holds the number of the next proposal.
const NEXT_NUMBER: &[u8] = b"proposal_number_next";

/// What the thread is given.
enum Work {
    /// An event that has been stored.
    Event(Box<Event>),
    /// What a rule said about one.
    Verdicts { event: Box<Event>, rule: EventSource, verdicts: Vec<Verdict> },
}

/// The way in. Clones share everything.
#[derive(Clone)]
pub struct RuleFeed(Arc<Feed>);

struct Feed {
    queue: SyncSender<Work>,
    events_dropped: AtomicU64,
    proposals_dropped: AtomicU64,
    /// The pages that follow new events.
    pages: Arc<EventFeed>,
}

/// The other end of a [`RuleFeed`].
pub struct RuleWork(Receiver<Work>);

impl RuleFeed {
    /// A feed and the work that comes out of it. Pages that are open are told of each event, too.
    pub fn new(pages: Arc<EventFeed>) -> (Self, RuleWork) {
        let (queue, work) = sync_channel(WAITING_MAX);
        let feed = Feed { queue, events_dropped: AtomicU64::new(0), proposals_dropped: AtomicU64::new(0), pages };
        (Self(Arc::new(feed)), RuleWork(work))
    }

    /// Hands an event that is stored under this number to the pages that are open and to the rules of its camera. Never waits.
    pub fn event(&self, number: u64, event: Event) {
        self.0.pages.stored(number, &event);
        if self.0.queue.try_send(Work::Event(Box::new(event))).is_err() {
            self.0.events_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Keeps what a rule proposes. Never waits.
    pub fn verdicts(&self, event: Box<Event>, rule: EventSource, verdicts: Vec<Verdict>) {
        let count = verdicts.len() as u64;
        if self.0.queue.try_send(Work::Verdicts { event, rule, verdicts }).is_err() {
            self.0.proposals_dropped.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// The proposals of the station.
pub struct ProposalDesk {
    register: Arc<Register>,
    log: Arc<Book>,
    feed: RuleFeed,
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    by_number: BTreeMap<u64, ProposalRow>,
    next: u64,
}

impl ProposalDesk {
    /// Reads what is kept. A row that makes no sense is left out and logged.
    ///
    /// # Errors
    /// When the register cannot be read.
    pub fn open(register: Arc<Register>, log: Arc<Book>, feed: RuleFeed) -> Result<Self, Error> {
        let mut rows = Rows { next: 1, ..Rows::default() };
        for entry in register.scan(Namespace::Setting, PREFIX).map_err(stored)? {
            match serde_json::from_slice::<ProposalRow>(&entry.value) {
                Ok(row) => drop(rows.by_number.insert(row.id, row)),
                Err(error) => tracing::error!(%error, "a proposal in the register cannot be read and is left out"),
            }
        }
        let kept = register.get(Namespace::Setting, NEXT_NUMBER).map_err(stored)?;
        let kept = kept.and_then(|entry| <[u8; 8]>::try_from(entry.value.as_slice()).ok()).map(u64::from_be_bytes);
        let used = rows.by_number.keys().next_back().map_or(1, |last| last + 1);
        rows.next = kept.unwrap_or(1).max(used);
        Ok(Self { register, log, feed, rows: Mutex::new(rows) })
    }

    /// Starts the thread that asks the rules and keeps what they say. It ends with the feed.
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(
        self: &Arc<Self>,
        work: RuleWork,
        analysis: Arc<Analysis>,
        cameras: Arc<CameraDesk>,
    ) -> std::io::Result<()> {
        let desk = Arc::clone(self);
        let run = move || {
            let mut recent = Recent::default();
            for work in work.0 {
                match work {
                    Work::Event(event) => desk.ask(&event, &mut recent, &analysis, &cameras),
                    Work::Verdicts { event, rule, verdicts } => {
                        verdicts.into_iter().for_each(|verdict| desk.keep(&event, &rule, verdict));
                    }
                }
            }
        };
        std::thread::Builder::new().name("rules".to_owned()).spawn(run).map(drop)
    }

    fn ask(&self, event: &Event, recent: &mut Recent, analysis: &Analysis, cameras: &CameraDesk) {
        let before = recent.before(event);
        recent.add(event.clone());
        let Ok(camera) = cameras.get(event.camera) else { return };
        let local = local_time(event.start);
        let camera_name = camera.config.name;
        analysis.event(event, &Surroundings { camera_name, local, cases: Vec::new(), recent: before });
    }

    /// Writes one proposal: into the log with its reason word for word, then into the register.
    fn keep(&self, event: &Event, rule: &EventSource, verdict: Verdict) {
        let mut rows = self.rows();
        let kept = self.try_keep(&mut rows, event, rule, verdict);
        if let Err(error) = kept {
            self.feed.0.proposals_dropped.fetch_add(1, Ordering::Relaxed);
            tracing::error!(rule = rule.plugin, %error, "a proposal of a rule is lost");
        }
    }

    fn try_keep(&self, rows: &mut Rows, event: &Event, rule: &EventSource, verdict: Verdict) -> Result<(), Error> {
        let mut changes = Vec::new();
        let mut gone = None;
        if rows.by_number.len() >= KEPT_MAX {
            let decided = rows.by_number.values().find(|row| row.decided.is_some()).map(|row| row.id);
            let oldest = decided.ok_or_else(|| {
                Error::new(
                    Kind::Exhausted,
                    format!("{KEPT_MAX} proposals wait for a decision; decide some on the page"),
                )
            })?;
            changes.push(Change::delete(Namespace::Setting, key(oldest)));
            gone = Some(oldest);
        }
        let row = row_of(rows.next, event, rule, verdict);
        let action = Action::Propose {
            proposal: row.id,
            camera: row.camera,
            plugin: format!("{}@{}", row.rule.plugin, row.rule.version),
            component_sha256: row.rule.component_sha256.clone(),
            what: serde_json::to_value(row.kind)
                .ok()
                .and_then(|word| Some(word.as_str()?.to_owned()))
                .unwrap_or_default(),
            reason: row.reason.clone(),
        };
        let entry = AuditEntry { account: None, action, outcome: Outcome::Allowed };
        self.log.append(&entry).map_err(Error::from_log)?;
        changes.push(Change::put(Namespace::Setting, NEXT_NUMBER, (row.id + 1).to_be_bytes()));
        changes.push(put(&row)?);
        self.register.apply(&changes).map_err(stored)?;
        gone.map(|gone| rows.by_number.remove(&gone));
        rows.next = row.id + 1;
        rows.by_number.insert(row.id, row);
        Ok(())
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(number: u64) -> Vec<u8> {
    [PREFIX, &number.to_be_bytes()[..]].concat()
}

fn put(row: &ProposalRow) -> Result<Change, Error> {
    let value = serde_json::to_vec(row).map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
    Ok(Change::put(Namespace::Setting, key(row.id), value))
}

fn row_of(id: u64, event: &Event, rule: &EventSource, verdict: Verdict) -> ProposalRow {
    let (kind, clip, text) = match verdict.what {
        Proposal::ExportClip(clip) => (api::ProposalKind::ExportClip, Some(shown_clip(&clip)), None),
        Proposal::Hold(clip) => (api::ProposalKind::Hold, Some(shown_clip(&clip)), None),
        Proposal::Tag(word) => (api::ProposalKind::Tag, None, Some(word)),
        Proposal::Notify(line) => (api::ProposalKind::Notify, None, Some(line)),
    };
    ProposalRow {
        id,
        at: SystemClock.utc(),
        camera: event.camera,
        event: api::ProposalEvent {
            kind: event.kind.clone(),
            plugin: event.source.plugin.clone(),
            start_utc_ms: event.start.as_ms(),
            end_utc_ms: event.end.map(UtcNanos::as_ms),
        },
        rule: api::ProposalRule {
            plugin: rule.plugin.clone(),
            version: rule.version.clone(),
            component_sha256: rule.component_sha256.clone(),
        },
        kind,
        clip,
        text,
        reason: verdict.reason,
        decided: None,
    }
}

/// Whole milliseconds around the clip, so that nothing of it is cut off.
fn shown_clip(clip: &Clip) -> api::ProposalClip {
    let ms = |nanos: u64| i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX);
    api::ProposalClip {
        from_utc_ms: ms(clip.from_utc_ns),
        to_utc_ms: ms(clip.to_utc_ns.saturating_add(999_999)),
        case: Some(clip.case_number.clone()).filter(|case| !case.is_empty()),
        approvals: clip.approvals,
    }
}

impl ports::Proposals for ProposalDesk {
    fn list(&self) -> Result<ProposalBook, Error> {
        Ok(ProposalBook {
            rows: self.rows().by_number.values().rev().cloned().collect(),
            events_dropped: self.feed.0.events_dropped.load(Ordering::Relaxed),
            dropped: self.feed.0.proposals_dropped.load(Ordering::Relaxed),
        })
    }

    fn decide(&self, proposal: u64, decision: ProposalDecision) -> Result<ProposalRow, Error> {
        let mut rows = self.rows();
        let row = rows.by_number.get_mut(&proposal);
        let row = row.ok_or_else(|| Error::not_found(format!("there is no proposal {proposal}")))?;
        if row.decided.is_some() {
            return Err(Error::new(Kind::Conflict, format!("proposal {proposal} has been decided already")));
        }
        let decided = ProposalRow { decided: Some(decision), ..row.clone() };
        self.register.apply(&[put(&decided)?]).map_err(stored)?;
        *row = decided.clone();
        Ok(decided)
    }
}

/// The last events of each camera since the start, for what a rule is told.
#[derive(Default)]
struct Recent(HashMap<CameraId, VecDeque<Event>>);

impl Recent {
    /// Those that began before this one, within 24 hours, newest first.
    fn before(&self, event: &Event) -> Vec<Event> {
        let near = |other: &&Event| other.start < event.start && event.start.nanos_since(other.start) <= RECENT_NANOS;
        let mut found: Vec<Event> = self.0.get(&event.camera).into_iter().flatten().filter(near).cloned().collect();
        found.sort_by_key(|event| core::cmp::Reverse(event.start));
        found
    }

    fn add(&mut self, event: Event) {
        let events = self.0.entry(event.camera).or_default();
        if events.len() == RECENT_MAX {
            events.pop_front();
        }
        events.push_back(event);
    }
}

/// A moment as the station's wall clock shows it.
fn local_time(at: UtcNanos) -> LocalTime {
    let zone = jiff::tz::TimeZone::system();
    let name = zone.iana_name().filter(|name| *name != "Etc/Unknown" && name.len() <= 64).unwrap_or("UTC").to_owned();
    // Every UtcNanos lies within jiff's years; the epoch stands for what does not.
    let moment = jiff::Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or_default();
    let local = moment.to_zoned_datetime(zone);
    let small = |value: i8| u8::try_from(value).unwrap_or(0);
    LocalTime {
        year: u16::try_from(local.year()).unwrap_or(0),
        month: small(local.month()),
        day: small(local.day()),
        hour: small(local.hour()),
        minute: small(local.minute()),
        second: small(local.second()),
        weekday: small(local.weekday().to_monday_zero_offset()),
        utc_offset_min: i16::try_from(local.offset().seconds() / 60).unwrap_or(0),
        zone: name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::clock::SimClock;
    use watchbook_web::ports::Proposals as _;

    fn event(camera: u32, start: i64) -> Event {
        let source = source("org.watchbook.motion");
        Event {
            camera: CameraId::new(camera).unwrap(),
            kind: "motion".into(),
            score: 1.0,
            start: UtcNanos(start),
            end: None,
            zone: None,
            detections: vec![],
            note: String::new(),
            source,
            lead: None,
            camera_clock: None,
        }
    }

    fn source(plugin: &str) -> EventSource {
        EventSource {
            plugin: plugin.into(),
            version: "1.0.0".into(),
            component_sha256: "ab".repeat(32),
            settings_sha256: "cd".repeat(32),
        }
    }

    fn verdict(reason: &str) -> Verdict {
        Verdict { what: Proposal::Tag("night".into()), reason: reason.into() }
    }

    fn desk(dir: &std::path::Path) -> (Arc<Register>, ProposalDesk) {
        let register = Arc::new(Register::open(dir, Arc::new(SimClock::new(UtcNanos(0)))).unwrap());
        let book = Arc::new(Book(Arc::clone(&register)));
        (
            Arc::clone(&register),
            ProposalDesk::open(register, book, RuleFeed::new(Arc::new(EventFeed::new(0))).0).unwrap(),
        )
    }

    fn decision(accepted: bool) -> ProposalDecision {
        ProposalDecision { account: 2, at: UtcNanos(9), accepted, reason: "seen".into(), hold: None }
    }

    #[test]
    fn a_proposal_is_in_the_log_word_for_word_and_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (register, proposals) = desk(dir.path());
        proposals.keep(&event(1, 5), &source("org.city.night"), verdict("after 22:00 — “quiet hours”"));
        let entry = register.audit_entries(0, 9).unwrap().remove(0);
        let json: serde_json::Value = serde_json::from_slice(&entry.leaf.body).unwrap();
        assert_eq!((&json["action"], &json["account"]), (&"propose".into(), &serde_json::Value::Null));
        assert_eq!(
            (&json["reason"], &json["plugin"]),
            (&"after 22:00 — “quiet hours”".into(), &"org.city.night@1.0.0".into())
        );
        proposals.decide(1, decision(true)).unwrap();
        assert_eq!(proposals.decide(1, decision(false)).unwrap_err().kind, Kind::Conflict);
        drop((register, proposals));
        let (_register, proposals) = desk(dir.path());
        let row = proposals.list().unwrap().rows.remove(0);
        assert_eq!((row.id, row.text.as_deref(), row.decided), (1, Some("night"), Some(decision(true))));
        proposals.keep(&event(1, 6), &source("org.city.night"), verdict("again"));
        assert_eq!(proposals.list().unwrap().rows[0].id, 2, "numbers are not given twice");
    }

    #[test]
    fn the_oldest_decided_one_makes_room_and_open_ones_never_go() {
        let dir = tempfile::tempdir().unwrap();
        let (_register, proposals) = desk(dir.path());
        let rule = source("org.city.night");
        let mut rows = proposals.rows();
        for id in 1..=KEPT_MAX as u64 {
            rows.by_number.insert(id, row_of(id, &event(1, 5), &rule, verdict("x")));
        }
        rows.next = KEPT_MAX as u64 + 1;
        drop(rows);
        proposals.keep(&event(1, 6), &rule, verdict("one too many"));
        let book = proposals.list().unwrap();
        assert_eq!((book.rows.len(), book.dropped), (KEPT_MAX, 1));
        proposals.decide(7, decision(false)).unwrap();
        proposals.keep(&event(1, 6), &rule, verdict("fits"));
        let book = proposals.list().unwrap();
        assert!(
            book.rows.len() == KEPT_MAX && book.rows[0].reason == "fits" && book.rows.iter().all(|row| row.id != 7)
        );
    }

    #[test]
    fn what_the_thread_has_no_time_for_is_counted_and_nobody_waits() {
        let (feed, _work) = RuleFeed::new(Arc::new(EventFeed::new(0)));
        for start in 0..WAITING_MAX as i64 + 5 {
            feed.event(u64::try_from(start).unwrap(), event(1, start));
        }
        feed.verdicts(Box::new(event(1, 0)), source("org.a"), vec![verdict("a"), verdict("b")]);
        assert_eq!(feed.0.events_dropped.load(Ordering::Relaxed), 5);
        assert_eq!(feed.0.proposals_dropped.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_rule_is_told_what_began_before_on_that_camera_within_a_day() {
        let mut recent = Recent::default();
        let at = 3 * RECENT_NANOS;
        for (camera, start) in [(1, at - RECENT_NANOS - 1), (1, at - 2), (2, at - 1), (1, at - 1), (1, at), (1, at + 1)]
        {
            recent.add(event(camera, start));
        }
        let starts: Vec<i64> = recent.before(&event(1, at)).iter().map(|event| event.start.0 - at).collect();
        assert_eq!(starts, [-1, -2]);
        for start in 0..100 {
            recent.add(event(3, start));
        }
        assert_eq!(recent.before(&event(3, 1000)).len(), RECENT_MAX);
    }

    #[test]
    fn local_time_is_the_moment_that_the_wall_clock_shows() {
        let local = local_time(UtcNanos(1_709_208_000 * NANOS_PER_SEC));
        // `date -u -d @1709208000` says Thursday 2024-02-29 12:00:00.
        let minutes = i64::from(local.hour) * 60 + i64::from(local.minute) - i64::from(local.utc_offset_min);
        assert_eq!(minutes.rem_euclid(1440), 12 * 60);
        assert!((2024, 2) <= (local.year, local.month) && local.month <= 3 && [2, 3, 4].contains(&local.weekday));
    }
}
